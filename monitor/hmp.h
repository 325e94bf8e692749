/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HMP: commands as lines of text. A command is a row of a table; it works through the same qmp_*
 * functions as QMP does. For the files of monitor/ only.
 */
#ifndef MONITOR_HMP_H
#define MONITOR_HMP_H

#include <glib.h>
#include <stdbool.h>

/* What a running command sees. */
typedef struct Hmp {
    GString *out;
    int cpu_index; /* the CPU that `info registers` speaks of */
} Hmp;

typedef struct HmpCommand {
    const char *name; /* "stop", or with a short form "stop|s"; NULL ends a table */
    /* Space-separated arguments for people and for the parser: "PATH PROPERTY VALUE...". One in
     * brackets may be left out, with those after it; one that ends in "..." is the rest of the
     * line, others are words, which may be in double quotes. */
    const char *args;
    const char *help; /* one line */
    /* @argv: as many as `args` has, NULL for those left out. */
    void (*fn)(Hmp *hmp, char **argv);
} HmpCommand;

extern const HmpCommand hmp_commands[];      /* hmp-commands.c */
extern const HmpCommand hmp_info_commands[]; /* hmp-info.c */

#define HMP_MAX_ARGS 8

void hmp_printf(Hmp *hmp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Print "Error: ..." and free @err; nothing if it is NULL. */
void hmp_error(Hmp *hmp, GError *err);

/* Run a line of @table; @what comes before the name in messages ("", "info "). */
void hmp_run_line(Hmp *hmp, const HmpCommand *table, const char *what, const char *line);
/* Print help for all commands of @table, or for the one called @name. */
void hmp_help(Hmp *hmp, const HmpCommand *table, const char *what, const char *name);

#endif
