/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HMP: from a line of text to a row of a table.
 */
#include "monitor/hmp.h"

#include <inttypes.h>
#include <string.h>

#include "hw/core/machine.h"
#include "hw/core/preconfig.h"
#include "hw/i386/cpu.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* ---- for commands ---- */

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

X86Cpu *hmp_cpu(Hmp *hmp)
{
    Machine *machine = machine_current();
    X86Cpu *cpu = x86_cpu_at(machine, (unsigned)hmp->cpu_index);

    if (!cpu) {
        hmp_printf(hmp, "Error: there is no CPU %d; the machine has %u\n", hmp->cpu_index,
                   machine ? cpu_slots_present(&machine->cpu_slots) : 0);
    }
    return cpu;
}

/* ---- words ---- */

/* The next word of *@line, or NULL at its end. In double quotes it may hold spaces, \" and \\; sets
 * *@unclosed if the last one is missing. */
static char *next_word(const char **line, bool *unclosed)
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
    *unclosed |= quoted;
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

/* ---- commands by name ---- */

static bool name_matches(const HmpCommand *cmd, const char *name)
{
    g_auto(GStrv) names = g_strsplit(cmd->name, "|", -1);

    return g_strv_contains((const char *const *)names, name);
}

const HmpCommand *hmp_find(const HmpCommand *table, const char *name)
{
    for (; table->name; table++) {
        if (name_matches(table, name)) {
            return table;
        }
    }
    return NULL;
}

static bool takes_format(const HmpCommand *cmd)
{
    return cmd->args && g_str_has_prefix(cmd->args, "[/FMT]");
}

/* The command that *@line begins with, or NULL; @name: what it was called. "x/4xb" is "x /4xb". */
static const HmpCommand *take_command(const HmpCommand *table, const char **line, char **name,
                                      bool *unclosed)
{
    const char *begin = *line + strspn(*line, " \t"), *slash;
    const HmpCommand *cmd;

    *name = next_word(line, unclosed);
    cmd = *name ? hmp_find(table, *name) : NULL;
    slash = *name && !cmd ? strchr(begin, '/') : NULL;
    if (slash) {
        g_autofree char *cut = g_strndup(begin, slash - begin);

        cmd = hmp_find(table, cut);
        cmd = cmd && takes_format(cmd) ? cmd : NULL;
        *line = cmd ? slash : *line;
    }
    return cmd;
}

static void usage(Hmp *hmp, const HmpCommand *cmd, const char *what)
{
    g_auto(GStrv) names = g_strsplit(cmd->name, "|", -1);

    hmp_printf(hmp, "%s%s%s%s", what, names[0], cmd->args ? " " : "", cmd->args ? cmd->args : "");
}

/* ---- arguments ---- */

/* Take the flags that *@line begins with; @specs has "[-f]" for each there is. */
static bool take_flags(Hmp *hmp, char **specs, const char **line, char **argv, bool *unclosed)
{
    while ((*line)[strspn(*line, " \t")] == '-') {
        g_autofree char *word = next_word(line, unclosed);

        for (const char *letter = word + 1; *letter || letter == word + 1; letter++) {
            char spec[] = { '[', '-', *letter, ']', '\0' };
            int i = 0;

            while (specs[i] && strcmp(specs[i], spec)) {
                i++;
            }
            if (!specs[i] || !*letter) {
                hmp_printf(hmp, "Error: the flag '%s' is not known here; usage: ", word);
                return false;
            }
            g_free(argv[i]);
            argv[i] = g_strndup(spec + 1, 2);
        }
    }
    return true;
}

/* Is the argument that begins at @begin all that is left, as it is? */
static bool takes_rest(const char *spec, const char *begin)
{
    if (!strstr(spec, "...")) {
        return false;
    }
    if (g_str_has_suffix(spec, "...]")) { /* another command */
        return true;
    }
    return strstr(spec, "]...") ? *begin == '{' : *begin != '"';
}

static char *take_argument(const char *spec, const char **line, bool *unclosed)
{
    const char *begin = *line + strspn(*line, " \t");

    if (g_str_has_prefix(spec, "[/") && *begin != '/') {
        return NULL;
    }
    return takes_rest(spec, begin) ? rest_of_line(line) : next_word(line, unclosed);
}

/* Split @line by what @cmd takes; false: it does not fit, of which the first part was printed. */
static bool take_arguments(Hmp *hmp, const HmpCommand *cmd, const char *line, char **argv)
{
    g_auto(GStrv) specs = g_strsplit(cmd->args ? cmd->args : "", " ", -1);
    g_autofree char *extra = NULL;
    bool complete = true, unclosed = false;

    g_assert(g_strv_length(specs) <= HMP_MAX_ARGS);
    if (cmd->args && g_str_has_prefix(cmd->args, "[-") &&
        !take_flags(hmp, specs, &line, argv, &unclosed)) {
        return false;
    }
    for (int i = 0; specs[i]; i++) {
        if (!g_str_has_prefix(specs[i], "[-")) {
            argv[i] = take_argument(specs[i], &line, &unclosed);
            complete &= argv[i] || specs[i][0] == '[';
        }
    }
    extra = rest_of_line(&line);
    if (unclosed) {
        hmp_printf(hmp, "Error: a quote (\") is not closed; usage: ");
        return false;
    }
    if (!complete || extra) {
        hmp_printf(hmp, "Error: too %s arguments; usage: ", extra ? "many" : "few");
    }
    return complete && !extra;
}

void hmp_run_line(Hmp *hmp, const HmpCommand *table, const char *what, const char *line)
{
    g_autofree char *name = NULL;
    bool unclosed = false;
    const HmpCommand *cmd = take_command(table, &line, &name, &unclosed);
    char *argv[HMP_MAX_ARGS] = { NULL };

    if (!name) {
        return;
    }
    if (unclosed) {
        hmp_printf(hmp, "Error: a quote (\") is not closed in the name of the command\n");
    } else if (!cmd) {
        hmp_printf(hmp, "Error: there is no command '%s%s'; `help%s%s` lists those there are\n",
                   what, name, *what ? " " : "", *what ? "info" : "");
    } else if (preconfig_active() && !cmd->preconfig) {
        hmp_printf(hmp,
                   "Error: '%s%s' needs the machine, which is not made yet: this is the state "
                   "preconfig; x-exit-preconfig in QMP ends it\n",
                   what, name);
    } else if (take_arguments(hmp, cmd, line, argv)) {
        cmd->fn(hmp, argv);
    } else {
        usage(hmp, cmd, what);
        hmp_printf(hmp, "\n");
    }
    for (int i = 0; i < HMP_MAX_ARGS; i++) {
        g_free(argv[i]);
    }
}

/* ---- help ---- */

void hmp_help(Hmp *hmp, const HmpCommand *table, const char *what, const char *name)
{
    const HmpCommand *one = name ? hmp_find(table, name) : NULL;

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

/* ---- running ---- */

static void print_report(void *hmp, const char *text)
{
    hmp_printf(hmp, "%s\n", text);
}

void hmp_run(Hmp *hmp, const char *line)
{
    error_redirect(print_report, hmp);
    hmp_run_line(hmp, hmp_commands, "", line);
    error_redirect(NULL, NULL);
}

char *qmp_human_monitor_command(const char *command_line, bool has_cpu_index, int64_t cpu_index,
                                GError **errp)
{
    Hmp hmp = { 0 };
    const Machine *machine = machine_current();
    unsigned count = machine ? cpu_slots_present(&machine->cpu_slots) : 0;

    if (has_cpu_index) {
        if (cpu_index < 0 || cpu_index > INT_MAX || !x86_cpu_at(machine, (unsigned)cpu_index)) {
            error_set(errp,
                      "cpu-index must be the number of a CPU, of which there are %u, not %" PRId64,
                      count, cpu_index);
            return NULL;
        }
        hmp.cpu_index = (int)cpu_index;
    }
    hmp.out = g_string_new(NULL);
    hmp_run(&hmp, command_line);
    /* Lines end as on the terminal that a monitor is otherwise. */
    g_string_replace(hmp.out, "\n", "\r\n", 0);
    return g_string_free(hmp.out, FALSE);
}
