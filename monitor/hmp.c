/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HMP sessions: from a line of text to a row of a table, and the typing of lines.
 */
#include "monitor/hmp.h"

#include <string.h>

#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

#define PROMPT   "(dimmable) "
#define MAX_LINE 65536

#define KEY_BACKSPACE 0x08
#define KEY_ESCAPE    0x1b
#define KEY_KILL_LINE 0x15 /* Ctrl-U */
#define KEY_KILL_WORD 0x17 /* Ctrl-W */
#define KEY_DELETE    0x7f

/* ---- output of commands ---- */

void hmp_printf(Hmp *hmp, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_string_append_vprintf(hmp->out, fmt, ap);
    va_end(ap);
}

void hmp_error(Hmp *hmp, GError *err)
{
    if (err) {
        hmp_printf(hmp, "Error: %s\n", err->message);
        g_error_free(err);
    }
}

/* ---- running a line ---- */

static bool name_matches(const HmpCommand *cmd, const char *name)
{
    g_auto(GStrv) names = g_strsplit(cmd->name, "|", -1);

    return g_strv_contains((const char *const *)names, name);
}

static const HmpCommand *find(const HmpCommand *table, const char *name)
{
    for (; table->name; table++) {
        if (name_matches(table, name)) {
            return table;
        }
    }
    return NULL;
}

/* The next word of *@line, or NULL at its end. In double quotes it may hold spaces, \" and \\. */
static char *next_word(const char **line)
{
    const char *p = *line;
    GString *word;
    bool quoted = false;

    p += strspn(p, " \t");
    if (!*p) {
        *line = p;
        return NULL;
    }
    word = g_string_new(NULL);
    for (; *p && (quoted || !strchr(" \t", *p)); p++) {
        if (*p == '"') {
            quoted = !quoted;
        } else {
            if (quoted && *p == '\\' && (p[1] == '"' || p[1] == '\\')) {
                p++;
            }
            g_string_append_c(word, *p);
        }
    }
    *line = p;
    return g_string_free(word, FALSE);
}

static char *rest_of_line(const char **line)
{
    char *rest = g_strstrip(g_strdup(*line));

    *line += strlen(*line);
    if (!*rest) {
        g_clear_pointer(&rest, g_free);
    }
    return rest;
}

static void usage(Hmp *hmp, const HmpCommand *cmd, const char *what)
{
    g_auto(GStrv) names = g_strsplit(cmd->name, "|", -1);

    hmp_printf(hmp, "%s%s%s%s", what, names[0], cmd->args ? " " : "", cmd->args ? cmd->args : "");
}

void hmp_run_line(Hmp *hmp, const HmpCommand *table, const char *what, const char *line)
{
    g_autofree char *name = next_word(&line), *extra = NULL;
    const HmpCommand *cmd = name ? find(table, name) : NULL;
    g_auto(GStrv) specs = NULL;
    char *argv[HMP_MAX_ARGS] = { NULL };
    bool complete = true;

    if (!name) {
        return;
    }
    if (!cmd) {
        hmp_printf(hmp, "Error: there is no command '%s%s'; `help%s%s` lists those there are\n",
                   what, name, *what ? " " : "", *what ? "info" : "");
        return;
    }
    specs = g_strsplit(cmd->args ? cmd->args : "", " ", -1);
    for (int i = 0; specs[i] && *specs[i] && i < HMP_MAX_ARGS; i++) {
        argv[i] = strstr(specs[i], "...") ? rest_of_line(&line) : next_word(&line);
        complete &= argv[i] || specs[i][0] == '[';
    }
    extra = rest_of_line(&line);
    if (!complete || extra) {
        hmp_printf(hmp, "Error: too %s arguments; usage: ", extra ? "many" : "few");
        usage(hmp, cmd, what);
        hmp_printf(hmp, "\n");
    } else {
        cmd->fn(hmp, argv);
    }
    for (int i = 0; i < HMP_MAX_ARGS; i++) {
        g_free(argv[i]);
    }
}

void hmp_help(Hmp *hmp, const HmpCommand *table, const char *what, const char *name)
{
    const HmpCommand *one = name ? find(table, name) : NULL;

    if (name && !one) {
        hmp_printf(hmp, "Error: there is no command '%s%s'\n", what, name);
        return;
    }
    for (const HmpCommand *cmd = table; cmd->name; cmd++) {
        const char *bar = strchr(cmd->name, '|');

        if (one && cmd != one) {
            continue;
        }
        usage(hmp, cmd, what);
        if (bar) {
            hmp_printf(hmp, " (short: %s)", bar + 1);
        }
        hmp_printf(hmp, " -- %s\n", cmd->help);
    }
}

char *qmp_human_monitor_command(const char *command_line, bool has_cpu_index, int64_t cpu_index,
                                GError **errp)
{
    Hmp hmp = { .out = g_string_new(NULL) };

    if (has_cpu_index) {
        if (cpu_index < 0 || cpu_index > INT_MAX) {
            error_set(errp, "cpu-index must be the number of a CPU");
            g_string_free(hmp.out, TRUE);
            return NULL;
        }
        hmp.cpu_index = (int)cpu_index;
    }
    hmp_run_line(&hmp, hmp_commands, "", command_line);
    return g_string_free(hmp.out, FALSE);
}

/* ---- a session ---- */

typedef enum EscapeState {
    ESCAPE_NONE,
    ESCAPE_BEGUN,  /* after ESC */
    ESCAPE_INSIDE, /* after ESC [ or ESC O: until a letter or "~" */
} EscapeState;

struct HmpMonitor {
    CharFrontend fe;
    GString *line;
    EscapeState escape;
    bool open;     /* a client is there */
    bool focus;    /* input comes here */
    bool greeted;  /* this client */
    bool after_cr; /* "\r\n" is one end of line */
    bool too_long;
};

/* Terminals are raw: a new line needs a carriage return. */
static void say(HmpMonitor *mon, const char *text)
{
    const char *newline;

    while ((newline = strchr(text, '\n'))) {
        char_write(&mon->fe, text, newline - text);
        char_write(&mon->fe, "\r\n", 2);
        text = newline + 1;
    }
    char_write(&mon->fe, text, strlen(text));
}

static void greet(HmpMonitor *mon)
{
    if (!mon->open || !mon->focus) {
        return;
    }
    if (!mon->greeted) {
        mon->greeted = true;
        say(mon, "Dimmable " DIMMABLE_VERSION " monitor; `help` lists the commands\n");
    }
    say(mon, PROMPT);
    say(mon, mon->line->str);
}

static void end_line(HmpMonitor *mon)
{
    Hmp hmp = { .out = g_string_new(NULL) };
    g_autofree char *line = g_strdup(mon->line->str);

    say(mon, "\n");
    g_string_set_size(mon->line, 0);
    if (mon->too_long) {
        mon->too_long = false;
        hmp_printf(&hmp, "Error: the line is too long; %d bytes are allowed\n", MAX_LINE);
    } else {
        hmp_run_line(&hmp, hmp_commands, "", line);
    }
    say(mon, hmp.out->str);
    g_string_free(hmp.out, TRUE);
    say(mon, PROMPT);
}

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
    if (mon->line->len >= MAX_LINE) {
        mon->too_long = true;
        return;
    }
    g_string_append_c(mon->line, (char)c);
    char_write(&mon->fe, &c, 1);
}

static void receive(void *opaque, const uint8_t *buf, int len)
{
    for (int i = 0; i < len; i++) {
        key(opaque, buf[i]);
    }
}

static void event(void *opaque, CharEvent what)
{
    HmpMonitor *mon = opaque;

    switch (what) {
    case CHAR_EVENT_OPENED:
    case CHAR_EVENT_CLOSED:
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

    mon->line = g_string_new(NULL);
    mon->focus = !chardev_is_mux(chr);
    mon->fe = (CharFrontend){
        .receive = receive,
        .event = event,
        .opaque = mon,
        .background = true,
    };
    if (!char_attach(chr, &mon->fe, errp)) {
        g_string_free(mon->line, TRUE);
        g_free(mon);
        return NULL;
    }
    return mon;
}

void hmp_monitor_free(HmpMonitor *mon)
{
    char_detach(&mon->fe);
    g_string_free(mon->line, TRUE);
    g_free(mon);
}
