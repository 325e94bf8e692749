/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The D-Bus display and a client, byte by byte, that does not read. */
#include <malloc.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ui/dbus-internal.h"
#include "util/main-loop.h"

#define CHANGES 100000

static unsigned asked; /* for the value */

static bool absolute(void)
{
    return false;
}

static const DbusHost host = { .absolute = absolute };

static GVariant *get_value(void *opaque)
{
    asked++;
    return g_variant_new_uint32(asked);
}

static const DbusInterface interface = {
    .name = "Thing",
    .xml = "<property name='Value' type='u' access='read'/>",
    .properties = (const DbusProperty[]){ { "Value", get_value }, { 0 } },
};

static const DbusInterface *const interfaces[] = { &interface, NULL };

/* A client's end of a connection, that has said who it is. */
static int begin(void)
{
    DisplayDBus options = { .has_p2p = true, .p2p = true };
    g_autofree char *uid = g_strdup_printf("%u", getuid());
    g_autoptr(GString) hello = g_string_new("AUTH EXTERNAL ");
    int ends[2];

    for (const char *at = uid; *at; at++) {
        g_string_append_printf(hello, "%02x", (unsigned)*at);
    }
    g_string_append(hello, "\r\nBEGIN\r\n");
    g_assert_true(dbus_display_start(&options, NULL, "", &host, NULL));
    g_assert_true(dbus_object_add("Thing", interfaces, NULL));
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    g_assert_true(dbus_display_add_client(ends[1], NULL));
    g_assert_cmpint(write(ends[0], "", 1), ==, 1);
    g_assert_cmpint(write(ends[0], hello->str, hello->len), ==, (ssize_t)hello->len);
    while (!dbus_connection()) {
        main_loop_iterate(true);
    }
    for (char byte = 0; byte != '\n';) { /* "OK", and an identity */
        g_assert_cmpint(read(ends[0], &byte, 1), ==, 1);
    }
    return ends[0];
}

/* Until GIO's thread has put the connection away. */
static void end(int fd)
{
    GDBusConnection *connection = dbus_connection();

    g_assert_nonnull(connection);
    g_object_add_weak_pointer(G_OBJECT(connection), (gpointer *)&connection);
    dbus_display_stop();
    close(fd);
    while (g_atomic_pointer_get(&connection)) {
        main_loop_iterate(false);
        g_usleep(100);
    }
}

static size_t used(void)
{
    return mallinfo2().uordblks + mallinfo2().hblkhd;
}

/* What a guest changes without end needs no memory, and the last value comes. */
static void test_changes(void)
{
    const int fd = begin();
    const size_t before = used();
    g_autofree char *got = g_malloc(1 << 20);

    for (unsigned i = 0; i < CHANGES; i++) {
        dbus_object_changed("Thing", &interface, "Value");
        if (i % 100 == 0) {
            main_loop_iterate(false);
        }
    }
    g_assert_cmpuint(used() - MIN(before, used()), <, 8 << 20);
    g_assert_cmpuint(asked, <, CHANGES / 2);
    g_assert_cmpuint(asked, >=, 1);
    /* It reads, and is told of the last change. */
    for (const unsigned until_now = asked; asked == until_now;) {
        (void)!recv(fd, got, 1 << 20, MSG_DONTWAIT);
        main_loop_iterate(false);
    }
    end(fd);
}

static void say(int fd, const char *method, GVariant *args)
{
    static uint32_t serial;
    g_autoptr(GDBusMessage) message = g_dbus_message_new_method_call(
        NULL, DBUS_ROOT "/Clipboard", DBUS_PREFIX "Clipboard", method);
    gsize size;

    g_dbus_message_set_body(message, args);
    g_dbus_message_set_serial(message, ++serial);
    g_autofree guchar *blob =
        g_dbus_message_to_blob(message, &size, G_DBUS_CAPABILITY_FLAGS_NONE, NULL);
    while (write(fd, blob, size) != (ssize_t)size) {
        main_loop_iterate(false);
    }
}

/* The answers to @count calls; how many of them are no errors. */
static unsigned hear(int fd, unsigned count)
{
    g_autoptr(GByteArray) data = g_byte_array_new();
    g_autofree guint8 *got = g_malloc(1 << 20);
    unsigned good = 0;

    while (count) {
        const ssize_t n = recv(fd, got, 1 << 20, MSG_DONTWAIT);
        gssize size;

        g_byte_array_append(data, got, (guint)MAX(n, 0));
        while (data->len >= 16 &&
               (size = g_dbus_message_bytes_needed(data->data, data->len, NULL)) <= data->len) {
            const guint8 type = data->data[1];

            good += type == G_DBUS_MESSAGE_TYPE_METHOD_RETURN;
            count -= type == G_DBUS_MESSAGE_TYPE_METHOD_RETURN || type == G_DBUS_MESSAGE_TYPE_ERROR;
            g_byte_array_remove_range(data, 0, (guint)size);
        }
        main_loop_iterate(false);
    }
    return good;
}

/* Texts that a client asks for again and again, and does not read. */
static void test_texts(void)
{
    static const char *const types[] = { "text/plain;charset=utf-8", NULL };
    const ClipboardPeer other = { 0 };
    const int fd = begin();
    g_autofree char *text = g_strnfill(CLIPBOARD_TEXT_MAX, 'x');
    const size_t before = used();

    clipboard_add(&other);
    clipboard_grab(&other, CLIPBOARD_CLIPBOARD);
    g_assert_true(clipboard_set_text(&other, CLIPBOARD_CLIPBOARD, text, CLIPBOARD_TEXT_MAX));
    say(fd, "Register", NULL);
    for (unsigned i = 0; i < 100; i++) {
        say(fd, "Request", g_variant_new("(u^as)", CLIPBOARD_CLIPBOARD, types));
        for (unsigned n = 0; n < 10; n++) {
            g_usleep(100); /* GIO's thread reads meanwhile */
            main_loop_iterate(false);
        }
    }
    g_assert_cmpuint(used() - MIN(before, used()), <, 40 << 20);
    const unsigned texts = hear(fd, 101) - 1;
    g_assert_cmpuint(texts, >=, 1);
    g_assert_cmpuint(texts, <=, 16);
    say(fd, "Request", g_variant_new("(u^as)", CLIPBOARD_CLIPBOARD, types));
    g_assert_cmpuint(hear(fd, 1), ==, 1); /* it gets more when it has read */
    end(fd);
    clipboard_remove(&other);
    while (main_loop_iterate(false)) {
    }
}

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/dbus-display/changes", test_changes);
    g_test_add_func("/dbus-display/texts", test_texts);
    return g_test_run();
}
