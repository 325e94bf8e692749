/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HMP sessions: lines typed on a character device. One session at a time has the editor of
 * hmp-edit.c; the others can erase only.
 */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "chardev/chardev.h"
#include "hw/virtio/vhost-ask.h"
#include "monitor/hmp-edit.h"
#include "monitor/hmp.h"
#include "monitor/monitor-internal.h"
#include "util/task.h"

#define PROMPT    "(dimmable) "
#define READ_SIZE 4096

#define KEY_BACKSPACE 0x08
#define KEY_ESCAPE    0x1b
#define KEY_KILL_LINE 0x15 /* Ctrl-U */
#define KEY_KILL_WORD 0x17 /* Ctrl-W */
#define KEY_DELETE    0x7f

/* ---- a session ---- */

typedef enum EscapeState {
    ESCAPE_NONE,
    ESCAPE_BEGUN,  /* after ESC */
    ESCAPE_INSIDE, /* after ESC [ or ESC O: until a letter or "~" */
} EscapeState;

struct HmpMonitor {
    CharFrontend fe;
    Chardev *chr;
    int cpu_index; /* as `cpu` chose it */
    HmpEditUser edit_user;
    bool editing; /* this session has the editor; else: */
    GString *line;
    EscapeState escape;
    bool open;     /* a client is there */
    bool focus;    /* input comes here */
    bool greeted;  /* this client */
    bool after_cr; /* "\r\n" is one end of line */
    bool too_long;
    bool waits;       /* a line of this session runs, in which the main loop goes on */
    GByteArray *rest; /* read meanwhile */
    unsigned session; /* counts clients that came and went */
};

/* A line that runs. */
typedef struct Run {
    HmpMonitor *mon;
    char *line;
    Hmp hmp;
    unsigned session;
} Run;

/* Terminals are raw: a new line needs a carriage return. */
static void write_text(void *opaque, const char *text, size_t len)
{
    HmpMonitor *mon = opaque;
    const char *newline;

    while ((newline = memchr(text, '\n', len))) {
        char_write(&mon->fe, text, newline - text);
        char_write(&mon->fe, "\r\n", 2);
        len -= newline + 1 - text;
        text = newline + 1;
    }
    char_write(&mon->fe, text, len);
}

static void say(HmpMonitor *mon, const char *text)
{
    write_text(mon, text, strlen(text));
}

/* ---- with the editor ---- */

/* @chr, or what is below it if it is a mux, is our own terminal. */
static bool on_our_terminal(Chardev *chr)
{
    struct json_object *base = NULL;

    if (chardev_is_mux(chr)) {
        base = object_property_get(OBJECT(chr), "chardev", NULL);
        chr = CHARDEV(object_resolve(base ? json_object_get_string(base) : "", NULL));
        json_object_put(base);
    }
    return chr && object_is_a(OBJECT(chr), "chardev-stdio") && isatty(STDIN_FILENO);
}

static void set_size(HmpMonitor *mon)
{
    struct winsize size;

    if (on_our_terminal(mon->chr) && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row &&
        size.ws_col) {
        hmp_edit_set_size(size.ws_row, size.ws_col);
    }
}

/* As a task. */
static void run(void *opaque)
{
    Run *r = opaque;

    vhost_ask_before_command();
    hmp_run(&r->hmp, r->line);
    vhost_ask_after_command();
}

static void greet(HmpMonitor *mon);

static void finish(void *opaque)
{
    Run *r = opaque;
    HmpMonitor *mon = r->mon;
    bool same = r->session == mon->session; /* else nobody waits for it any more */

    if (same) {
        mon->cpu_index = r->hmp.cpu_index;
        write_text(mon, r->hmp.out->str, r->hmp.out->len);
    }
    g_string_free(r->hmp.out, TRUE);
    g_free(r->line);
    g_free(r);
    if (same && mon->editing) {
        set_size(mon);
    }
    if (mon->waits) {
        mon->waits = false;
        if (same && mon->editing) {
            hmp_edit_go_on();
        } else {
            greet(mon);
        }
        monitors_release();
    }
}

/* False: it has not ended yet. */
static bool run_line(void *opaque, const char *line)
{
    HmpMonitor *mon = opaque;
    Run *r;

    if (mon->too_long || strlen(line) > HMP_MAX_LINE) {
        g_autofree char *text =
            g_strdup_printf("Error: the line is too long; %d bytes are allowed\n", HMP_MAX_LINE);

        mon->too_long = false;
        say(mon, text);
        return true;
    }
    r = g_new(Run, 1);
    *r = (Run){
        .mon = mon,
        .line = g_strdup(line),
        .hmp = { .out = g_string_new(NULL), .cpu_index = mon->cpu_index, .edited = mon->editing },
        .session = mon->session
    };
    if (task_run(run, finish, r)) {
        return true;
    }
    mon->waits = true;
    monitors_hold();
    return false;
}

/* True if this session has the editor, now or already. Of a terminal that is not ours the type is
 * unknown; all understand a VT100's codes. */
static bool take_editor(HmpMonitor *mon)
{
    const char *terminal = on_our_terminal(mon->chr) ? g_getenv("TERM") : NULL;

    if (!mon->editing && hmp_edit_begin(&mon->edit_user, terminal ? terminal : "vt100", PROMPT)) {
        mon->editing = true;
        set_size(mon);
    } else if (mon->editing) {
        hmp_edit_show();
    }
    return mon->editing;
}

static void give_editor_back(HmpMonitor *mon)
{
    if (mon->editing) {
        mon->editing = false;
        hmp_edit_end();
    }
}

/* ---- lines ---- */

static void greet(HmpMonitor *mon)
{
    if (!mon->open || !mon->focus) {
        return;
    }
    if (!mon->greeted) {
        mon->greeted = true;
        say(mon, "Dimmable " DIMMABLE_VERSION " monitor; `help` lists the commands\n");
    }
    if (!mon->waits && !take_editor(mon)) { /* else the prompt comes when the line has ended */
        say(mon, PROMPT);
        say(mon, mon->line->str);
    }
}

static void end_line(HmpMonitor *mon)
{
    g_autofree char *line = g_strdup(mon->line->str);

    say(mon, "\n");
    g_string_set_size(mon->line, 0);
    if (run_line(mon, line)) {
        say(mon, PROMPT);
    }
}

/* ---- typing without the editor ---- */

/* Take away the last character, with all its bytes. False if there is none. */
static bool erase(HmpMonitor *mon)
{
    GString *line = mon->line;
    gsize len = line->len;

    if (!len) {
        return false;
    }
    do {
        len--;
    } while (len && ((uint8_t)line->str[len] & 0xc0) == 0x80);
    g_string_truncate(line, len);
    say(mon, "\b \b");
    return true;
}

static void erase_word(HmpMonitor *mon)
{
    GString *line = mon->line;

    while (line->len && line->str[line->len - 1] == ' ') {
        erase(mon);
    }
    while (line->len && line->str[line->len - 1] != ' ') {
        erase(mon);
    }
}

/* True if @c is part of an escape sequence (arrow keys, ...), which are passed over. */
static bool escaped(HmpMonitor *mon, uint8_t c)
{
    switch (mon->escape) {
    case ESCAPE_BEGUN:
        mon->escape = c == '[' || c == 'O' ? ESCAPE_INSIDE : ESCAPE_NONE;
        return true;
    case ESCAPE_INSIDE:
        if (c >= 0x40) {
            mon->escape = ESCAPE_NONE;
        }
        return true;
    default:
        return false;
    }
}

static void key(HmpMonitor *mon, uint8_t c)
{
    bool after_cr = mon->after_cr;

    mon->after_cr = c == '\r';
    if (escaped(mon, c)) {
        return;
    }
    if (c == '\n' && after_cr) {
        return;
    }
    switch (c) {
    case '\n':
    case '\r':
        end_line(mon);
        return;
    case KEY_BACKSPACE:
    case KEY_DELETE:
        erase(mon);
        return;
    case KEY_KILL_LINE:
        while (erase(mon)) {
        }
        return;
    case KEY_KILL_WORD:
        erase_word(mon);
        return;
    case KEY_ESCAPE:
        mon->escape = ESCAPE_BEGUN;
        return;
    default:
        break;
    }
    if (c < 0x20) {
        return;
    }
    if (mon->line->len >= HMP_MAX_LINE) {
        mon->too_long = true;
        return;
    }
    g_string_append_c(mon->line, (char)c);
    char_write(&mon->fe, &c, 1);
}

static int can_receive(void *opaque)
{
    return monitors_held() || ((HmpMonitor *)opaque)->rest->len ? 0 : READ_SIZE;
}

static void receive(void *opaque, const uint8_t *buf, int len)
{
    HmpMonitor *mon = opaque;
    int taken = 0;

    if (mon->editing) {
        taken = hmp_edit_input(buf, len);
    } else {
        while (taken < len && !mon->waits) {
            key(mon, buf[taken++]);
        }
    }
    if (mon->waits) {
        g_byte_array_append(mon->rest, buf + taken, (guint)(len - taken));
    }
}

static void event(void *opaque, CharEvent what)
{
    HmpMonitor *mon = opaque;

    switch (what) {
    case CHAR_EVENT_OPENED:
    case CHAR_EVENT_CLOSED:
        give_editor_back(mon);
        mon->session++;
        g_byte_array_set_size(mon->rest, 0);
        mon->cpu_index = 0;
        mon->open = what == CHAR_EVENT_OPENED;
        mon->greeted = mon->after_cr = mon->too_long = false;
        mon->escape = ESCAPE_NONE;
        g_string_set_size(mon->line, 0);
        greet(mon);
        break;
    case CHAR_EVENT_MUX_IN:
        mon->focus = true;
        if (mon->open) {
            say(mon, "\n");
        }
        greet(mon);
        break;
    case CHAR_EVENT_MUX_OUT:
        mon->focus = false;
        if (mon->greeted) {
            say(mon, "\n");
        }
        break;
    case CHAR_EVENT_BREAK:
        break;
    }
}

HmpMonitor *hmp_monitor_new(Chardev *chr, GError **errp)
{
    HmpMonitor *mon = g_new0(HmpMonitor, 1);

    mon->chr = chr;
    mon->edit_user = (HmpEditUser){ .write = write_text, .line = run_line, .opaque = mon };
    mon->line = g_string_new(NULL);
    mon->rest = g_byte_array_new();
    mon->focus = !chardev_is_mux(chr);
    mon->fe = (CharFrontend){
        .can_receive = can_receive,
        .receive = receive,
        .event = event,
        .opaque = mon,
        .background = true,
    };
    if (!char_attach(chr, &mon->fe, errp)) {
        g_string_free(mon->line, TRUE);
        g_byte_array_unref(mon->rest);
        g_free(mon);
        return NULL;
    }
    return mon;
}

const CharFrontend *hmp_monitor_frontend(const HmpMonitor *mon)
{
    return &mon->fe;
}

void hmp_monitor_resume(HmpMonitor *mon)
{
    g_autoptr(GByteArray) rest = NULL;

    if (monitors_held()) { /* again, by one that was resumed before */
        return;
    }
    rest = g_steal_pointer(&mon->rest);
    mon->rest = g_byte_array_new();
    receive(mon, rest->data, (int)rest->len);
    char_accept_input(&mon->fe);
}

void hmp_monitor_free(HmpMonitor *mon)
{
    give_editor_back(mon);
    char_detach(&mon->fe);
    g_string_free(mon->line, TRUE);
    g_byte_array_unref(mon->rest);
    g_free(mon);
}
