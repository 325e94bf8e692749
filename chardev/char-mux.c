/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev mux: several front ends share one backend. Output of all goes to it; input goes to the
 * one that has the focus, and Ctrl-A is the escape by which the user moves it.
 */
#include <stdlib.h>
#include <string.h>

#include "chardev/char-backend.h"
#include "chardev/chardev.h"
#include "util/error.h"

#define MUX_PORTS 8
#define MUX_INPUT 4096
static uint8_t escape_byte = 0x01; /* Ctrl-A */

typedef struct MuxPort {
    CharFrontend *fe;
    uint8_t input[MUX_INPUT]; /* a ring: typed, not yet taken */
    unsigned head, len;
} MuxPort;

typedef struct CharMux {
    Chardev parent;
    Object *base;
    CharFrontend base_fe;
    MuxPort *ports[MUX_PORTS];
    int focus; /* -1: nobody */
    bool escaped;
} CharMux;
OBJECT_CAST_DEFINE(CharMux, CHAR_MUX, "chardev-mux")

static void (*quit_handler)(void);

void chardev_set_quit_handler(void (*fn)(void))
{
    quit_handler = fn;
}

/* ---- focus ---- */

static void mux_set_focus(CharMux *mux, int focus)
{
    int old = mux->focus;

    if (focus == old) {
        return;
    }
    mux->focus = focus;
    if (old >= 0 && mux->ports[old]) {
        chardev_tell_frontend(mux->ports[old]->fe, CHAR_EVENT_MUX_OUT);
    }
    if (focus >= 0) {
        chardev_tell_frontend(mux->ports[focus]->fe, CHAR_EVENT_MUX_IN);
    }
}

static void mux_focus_next(CharMux *mux)
{
    for (int i = 1; i <= MUX_PORTS; i++) {
        int next = (mux->focus + i) % MUX_PORTS;

        if (mux->ports[next]) {
            mux_set_focus(mux, next);
            return;
        }
    }
    mux->focus = -1;
}

/* ---- input ---- */

static void mux_deliver(CharMux *mux, int tag)
{
    MuxPort *port;

    while ((port = mux->ports[tag]) && port->len) {
        CharFrontend *fe = port->fe;
        unsigned run = MIN(port->len, MUX_INPUT - port->head);
        int room = fe->can_receive ? fe->can_receive(fe->opaque) : (int)run;
        unsigned head = port->head;

        if (room <= 0) {
            return;
        }
        run = MIN(run, (unsigned)room);
        port->head = (head + run) % MUX_INPUT;
        port->len -= run;
        if (fe->receive) {
            fe->receive(fe->opaque, &port->input[head], run);
        }
    }
}

static void mux_accept_input(Chardev *chr, CharFrontend *fe)
{
    CharMux *mux = CHAR_MUX(chr);

    mux_deliver(mux, fe->mux_tag);
    char_accept_input(&mux->base_fe);
}

static int mux_can_receive(void *opaque)
{
    CharMux *mux = opaque;

    return mux->focus < 0 ? MUX_INPUT : MUX_INPUT - (int)mux->ports[mux->focus]->len;
}

static void mux_say(CharMux *mux, const char *text)
{
    char_write(&mux->base_fe, text, strlen(text));
}

void chardev_mux_set_escape(uint8_t byte)
{
    escape_byte = byte;
}

/* As users know it: "Ctrl-A"; g_free. */
static char *escape_name(void)
{
    return escape_byte < 0x20 ? g_strdup_printf("Ctrl-%c", '@' + escape_byte)
                              : g_strdup_printf("%c", escape_byte);
}

static void escape_help(CharMux *mux);

static void escape_quit(CharMux *mux)
{
    g_autofree char *name = escape_name();
    g_autofree char *text = g_strdup_printf("\r\ndimmable: ended by %s x\r\n", name);

    mux_say(mux, text);
    if (quit_handler) {
        quit_handler();
    }
}

static void escape_break(CharMux *mux)
{
    if (mux->focus >= 0) {
        chardev_tell_frontend(mux->ports[mux->focus]->fe, CHAR_EVENT_BREAK);
    }
}

static const struct {
    uint8_t key;
    void (*fn)(CharMux *mux); /* NULL: does nothing */
    const char *help;
} escapes[] = {
    { 'h', escape_help, "this list" },
    { '?', escape_help, NULL },
    { 'c', mux_focus_next, "give the input to the next: the console, the monitor" },
    { 'x', escape_quit, "end dimmable" },
    { 'b', escape_break, "send a break" },
    { 's', NULL, NULL }, /* elsewhere writes disk snapshots back; we have none */
};

static void escape_help(CharMux *mux)
{
    g_autofree char *name = escape_name();
    g_autofree char *last = g_strdup_printf("%s %s  send one %s\r\n", name, name, name);

    mux_say(mux, "\r\n");
    for (size_t i = 0; i < G_N_ELEMENTS(escapes); i++) {
        if (escapes[i].help) {
            g_autofree char *line =
                g_strdup_printf("%s %c       %s\r\n", name, escapes[i].key, escapes[i].help);

            mux_say(mux, line);
        }
    }
    mux_say(mux, last);
}

/* True if @byte is to be delivered. */
static bool mux_filter(CharMux *mux, uint8_t byte)
{
    if (!mux->escaped) {
        mux->escaped = byte == escape_byte;
        return !mux->escaped;
    }
    mux->escaped = false;
    if (byte == escape_byte) {
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(escapes); i++) {
        if (escapes[i].key == g_ascii_tolower(byte) && escapes[i].fn) {
            escapes[i].fn(mux);
        }
    }
    return false;
}

static void mux_receive(void *opaque, const uint8_t *buf, int len)
{
    CharMux *mux = opaque;

    for (int i = 0; i < len; i++) {
        int before = mux->focus;
        bool deliver;

        /* What was typed before an escape must arrive before it takes effect. */
        if (buf[i] == escape_byte && before >= 0) {
            mux_deliver(mux, before);
        }
        deliver = mux_filter(mux, buf[i]);
        if (deliver && mux->focus >= 0) {
            MuxPort *port = mux->ports[mux->focus];

            if (port->len < MUX_INPUT) {
                port->input[(port->head + port->len++) % MUX_INPUT] = buf[i];
            }
        }
    }
    if (mux->focus >= 0) {
        mux_deliver(mux, mux->focus);
    }
}

static void mux_event(void *opaque, CharEvent event)
{
    CharMux *mux = opaque;

    if (event == CHAR_EVENT_BREAK) {
        escape_break(mux);
        return;
    }
    mux->parent.connected = event == CHAR_EVENT_OPENED;
    mux->escaped = false;
    for (int i = 0; i < MUX_PORTS; i++) {
        if (mux->ports[i]) {
            chardev_tell_frontend(mux->ports[i]->fe, event);
        }
    }
}

/* ---- output and front ends ---- */

static void mux_write(Chardev *chr, const uint8_t *buf, size_t len)
{
    char_write(&CHAR_MUX(chr)->base_fe, buf, len);
}

static void mux_set_line(Chardev *chr, const CharLine *line)
{
    char_set_line(&CHAR_MUX(chr)->base_fe, line);
}

static void mux_set_break(Chardev *chr, bool on)
{
    char_set_break(&CHAR_MUX(chr)->base_fe, on);
}

static void mux_set_modem(Chardev *chr, bool dtr, bool rts)
{
    char_set_modem(&CHAR_MUX(chr)->base_fe, dtr, rts);
}

static size_t mux_unsent(const Chardev *chr)
{
    return char_unsent(&CHAR_MUX(chr)->base_fe);
}

static int mux_take_fd(Chardev *chr)
{
    return char_take_fd(&CHAR_MUX(chr)->base_fe);
}

static bool mux_in_use(const Chardev *chr)
{
    for (int i = 0; i < MUX_PORTS; i++) {
        if (CHAR_MUX(chr)->ports[i]) {
            return true;
        }
    }
    return false;
}

static void mux_send_break(Chardev *chr)
{
    escape_break(CHAR_MUX(chr));
}

static bool mux_attach(Chardev *chr, CharFrontend *fe, GError **errp)
{
    CharMux *mux = CHAR_MUX(chr);

    for (int i = 0; i < MUX_PORTS; i++) {
        if (!mux->ports[i]) {
            mux->ports[i] = g_new0(MuxPort, 1);
            mux->ports[i]->fe = fe;
            fe->chr = chr;
            fe->mux_tag = i;
            fe->opened = false;
            mux->base_fe.keep_output |= fe->keep_output;
            if (mux->focus < 0 || !fe->background) {
                mux_set_focus(mux, i);
            }
            return true;
        }
    }
    error_set(errp, "chardev '%s' has %d users, which is the most that can share it",
              chr->parent.name, MUX_PORTS);
    return false;
}

static void mux_detach(Chardev *chr, CharFrontend *fe)
{
    CharMux *mux = CHAR_MUX(chr);

    g_clear_pointer(&mux->ports[fe->mux_tag], g_free);
    if (mux->focus == fe->mux_tag) {
        mux_focus_next(mux);
    }
}

/* ---- the type ---- */

static void mux_init(Object *obj)
{
    CHAR_MUX(obj)->focus = -1;
}

static bool mux_complete(Object *obj, GError **errp)
{
    CharMux *mux = CHAR_MUX(obj);

    if (!mux->base) {
        error_set(errp, "backend mux needs chardev=ID; or give the other chardev mux=on");
        return false;
    }
    mux->base_fe = (CharFrontend){
        .can_receive = mux_can_receive,
        .receive = mux_receive,
        .event = mux_event,
        .opaque = mux,
    };
    return char_attach(CHARDEV(mux->base), &mux->base_fe, errp);
}

static void mux_finalize(Object *obj)
{
    CharMux *mux = CHAR_MUX(obj);

    char_detach(&mux->base_fe);
}

static const Property mux_properties[] = {
    { .name = "chardev",
      .kind = PROP_LINK,
      .offset = offsetof(CharMux, base),
      .link_type = TYPE_CHARDEV,
      .description = "the backend that is shared" },
    { NULL },
};

static const ChardevOps mux_ops = {
    .write = mux_write,
    .set_line = mux_set_line,
    .set_break = mux_set_break,
    .set_modem = mux_set_modem,
    .accept_input = mux_accept_input,
    .attach = mux_attach,
    .detach = mux_detach,
    .unsent = mux_unsent,
    .take_fd = mux_take_fd,
    .in_use = mux_in_use,
    .send_break = mux_send_break,
};

static const ObjectType mux_type = {
    .name = "chardev-mux",
    .parent = TYPE_CHARDEV,
    .description = "lets several users share one chardev; made by mux=on",
    .instance_size = sizeof(CharMux),
    .properties = mux_properties,
    .ops = &mux_ops,
    .init = mux_init,
    .finalize = mux_finalize,
    .complete = mux_complete,
};
OBJECT_TYPE_REGISTER(mux_type)
