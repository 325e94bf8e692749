/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line: one table of options (options.c), parsed into a list of uses in the order in
 * which they were typed. The uses are then carried out phase by phase (startup.c).
 */
#ifndef SYSTEM_CMDLINE_H
#define SYSTEM_CMDLINE_H

#include <glib.h>
#include <stdbool.h>

#include "qapi/visit.h"

typedef struct Startup Startup; /* system/startup.h */

/* When an option is carried out. Within a phase: in the order of the command line. */
typedef enum StartPhase {
    START_CONFIG,   /* only remembers things: nothing is made yet */
    START_MACHINE,  /* sets properties of /machine, which is made but not initialised */
    START_CHARDEV,  /* makes character devices */
    START_PORT,     /* gives them to ports and monitors, wherever each is on the line */
    START_NETDEV,   /* makes netdevs */
    START_OBJECT,   /* makes user-creatable objects */
    START_NIC,      /* the machine is initialised; adds network cards */
    START_DEVICE,   /* adds devices */
    START_MONITOR,  /* makes monitors */
    START_DEBUGGER, /* makes the server for one */
    START_SCREEN,   /* shows what devices display */
} StartPhase;

typedef struct Option {
    const char *name; /* without dashes; NULL name with a help text: a heading in -help */
    const char *arg;  /* how -help shows the argument; NULL: takes none */
    const char *help;
    StartPhase phase;
    /* @arg is NULL for options without an argument. */
    bool (*handle)(Startup *startup, const char *arg, GError **errp);
    /* Options that print something and end the program, always (arg NULL) or when the argument is
     * "help" or "?", or ends in ",help", ",model=help" or with "?" instead: what to print; @what is
     * the argument without that ending, "" if nothing is left. g_free. */
    char *(*text)(const char *what, GError **errp);
    /* Options that stand for others (-readconfig), or change them (-set): carried out first, on the
     * uses before them, and gone then. */
    bool (*expand)(GArray *uses, const char *arg, GError **errp);
    /* What the argument is in the schema, with the key of a first value that has none, and the
     * function that gets the structure: instead of `handle`. A type without `apply` tells only what
     * query-command-line-options lists. */
    const QapiType *type;
    const char *implied_key;
    bool (*apply)(Startup *startup, const void *parsed, GError **errp);
    bool lists; /* the argument "help" lists what `type` has; it has no `text` */
} Option;

/* Why an option of the interface that is not in the table is refused, and what there is instead;
 * NULL if it is unknown. (options-absent.c) */
const char *cmdline_refused(const char *name);

/* An option as it was used. */
typedef struct OptionUse {
    const Option *option;
    char *arg;   /* or NULL */
    char *where; /* for messages: file, line and group of a configuration file; NULL: typed */
} OptionUse;

/* The options there are; ends with a NULL name and a NULL help. */
extern const Option options[];

/* The option @name, without dashes; NULL if there is none. */
const Option *cmdline_option(const char *name);

/* Parse into a GArray of OptionUse, with no side effect. "-name" and "--name" are the same; a
 * word that is no option is what -hda has. NULL with an error that names the option. */
GArray *cmdline_parse(int argc, char *const argv[], GError **errp);

/* Carry out what has an `expand`. */
bool cmdline_expand(GArray *uses, GError **errp);

/* Do what the option is for, and that with its argument. */
bool cmdline_use_run(const OptionUse *use, Startup *startup, GError **errp);

/* "-m 2G,slots=8", or the place in a file: for messages. g_free. */
char *cmdline_use_text(const OptionUse *use);

/* If @use asks for text: true, and the text or NULL with an error in *@text. */
bool cmdline_use_wants_text(const OptionUse *use, char **text, GError **errp);

/* What -help prints; g_free. */
char *cmdline_help(void);

#endif
