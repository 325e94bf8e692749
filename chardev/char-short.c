/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The short form of character devices, in which -serial, -monitor, -qmp and others name one.
 */
#include <string.h>

#include "chardev/char-backend.h"
#include "chardev/chardev.h"
#include "util/error.h"
#include "util/keyval.h"

static void add(struct json_object *props, const char *name, const char *value)
{
    json_object_object_add(props, name, keyval_text_new(value));
}

/* "HOST:PORT", "[ADDR]:PORT", ":PORT" into its parts; false if there is no port. */
static bool split_address(char *text, char **host, char **port)
{
    char *colon = text ? strrchr(text, ':') : NULL;
    size_t len;

    if (!colon || !colon[1]) {
        return false;
    }
    *colon = '\0';
    *host = text;
    *port = colon + 1;
    len = strlen(text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text[len - 1] = '\0';
        *host = text + 1;
    }
    return true;
}

/* What keyval_parse() has found before the options; g_free. */
static char *take_address(struct json_object *props)
{
    char *text = g_strdup(json_object_get_string(json_object_object_get(props, "address")));

    json_object_object_del(props, "address");
    return text;
}

static bool stream_address(struct json_object *props, GError **errp)
{
    g_autofree char *address = take_address(props), *copy = g_strdup(address);
    char *host, *port;

    if (!split_address(copy, &host, &port)) {
        error_set(errp, "an address is HOST:PORT, got '%s'", address ? address : "");
        return false;
    }
    add(props, "host", host);
    add(props, "port", port);
    return true;
}

/* [HOST]:PORT[@[LOCAL]:PORT] */
static bool datagram_address(struct json_object *props, GError **errp)
{
    g_autofree char *address = take_address(props), *copy = g_strdup(address);
    char *at = copy ? strchr(copy, '@') : NULL, *host, *port;

    if (at) {
        *at = '\0';
    }
    if (!split_address(copy, &host, &port)) {
        error_set(errp, "udp: wants [HOST]:PORT[@[LOCAL]:PORT], got '%s'", address ? address : "");
        return false;
    }
    add(props, "host", host);
    add(props, "port", port);
    if (!at) {
        return true;
    }
    if (!split_address(at + 1, &host, &port)) {
        error_set(errp, "udp: wants [LOCAL]:PORT after '@', got '%s'", strchr(address, '@') + 1);
        return false;
    }
    add(props, "localaddr", host);
    add(props, "localport", port);
    return true;
}

typedef struct ShortForm {
    const char *prefix;
    bool exact;  /* nothing may follow */
    bool device; /* the prefix is part of what follows */
    const char *backend;
    const char *key; /* of what follows */
    bool (*address)(struct json_object *props,
                    GError **errp); /* it is one, with options after it */
    bool options;
    const char *protocol; /* an option that is on */
} ShortForm;

static const ShortForm short_forms[] = {
    { "null", .exact = true, .backend = "null" },
    { "stdio", .exact = true, .backend = "stdio" },
    { "pty", .exact = true, .backend = "pty" },
    { "file:", .backend = "file", .key = "path" },
    { "pipe:", .backend = "pipe", .key = "path" },
    { "/dev/parport", .device = true, .backend = "parallel", .key = "path" },
    { "/dev/", .device = true, .backend = "serial", .key = "path" },
    { "unix:", .backend = "socket", .key = "path", .options = true },
    { "tcp:", .backend = "socket", .address = stream_address },
    { "telnet:", .backend = "socket", .address = stream_address, .protocol = "telnet" },
    { "tn3270:", .backend = "socket", .address = stream_address, .protocol = "tn3270" },
    { "websocket:", .backend = "socket", .address = stream_address, .protocol = "websocket" },
    { "udp:", .backend = "udp", .address = datagram_address },
};

static const ShortForm *find_form(const char *text)
{
    for (size_t i = 0; i < G_N_ELEMENTS(short_forms); i++) {
        const ShortForm *form = &short_forms[i];

        if (form->exact ? !strcmp(text, form->prefix) : g_str_has_prefix(text, form->prefix)) {
            return form;
        }
    }
    return NULL;
}

/* New reference, or NULL. */
static struct json_object *short_props(const ShortForm *form, const char *text, GError **errp)
{
    const char *rest = form->device ? text : text + strlen(form->prefix);
    struct json_object *props;

    if (!form->options && !form->address) {
        props = json_object_new_object();
        if (form->key) {
            add(props, form->key, rest);
        }
        return props;
    }
    props = keyval_parse(rest, form->address ? "address" : form->key, errp);
    if (props && form->address && !form->address(props, errp)) {
        json_object_put(props);
        return NULL;
    }
    if (props && form->protocol) {
        add(props, form->protocol, "on");
    }
    return props;
}

static Chardev *find_named(const char *id, GError **errp)
{
    Chardev *chr = chardev_find(id);

    if (!chr) {
        error_set(errp, "there is no chardev '%s'; define it with -chardev BACKEND,id=%s", id, id);
    }
    return chr;
}

Chardev *chardev_new_from_short(const char *id, const char *text, bool with_mux, GError **errp)
{
    bool mon = g_str_has_prefix(text, "mon:");
    const ShortForm *form;
    struct json_object *props;
    Chardev *chr;

    if (mon) {
        text += strlen("mon:");
    }
    if (g_str_has_prefix(text, "chardev:")) {
        return find_named(text + strlen("chardev:"), errp);
    }
    form = find_form(text);
    if (!form) {
        error_set(errp,
                  "'%s' is not a character device; use none, null, stdio, pty, file:PATH, "
                  "pipe:PATH, /dev/TTY, unix:PATH[,server=on][,wait=off], "
                  "tcp:HOST:PORT[,server=on][,wait=off], so too telnet:, tn3270: and websocket:, "
                  "udp:[HOST]:PORT[@[LOCAL]:PORT], chardev:ID, or mon: and one of these",
                  text);
        return NULL;
    }
    props = short_props(form, text, errp);
    if (!props) {
        return NULL;
    }
    if (mon && !strcmp(form->backend, "stdio")) {
        /* The guest and the monitor share the terminal: Ctrl-C is the guest's. */
        add(props, "signal", "off");
    }
    chr = chardev_new_muxed(form->backend, id, with_mux || mon, props, errp);
    json_object_put(props);
    return chr;
}
