/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Completion of HMP lines: commands, subcommands of info, ids, paths, types, properties and values.
 * Which of them, follows from the names of the arguments in the tables (monitor/hmp.h).
 */
#ifndef MONITOR_HMP_COMPLETE_H
#define MONITOR_HMP_COMPLETE_H

#include <glib.h>
#include <stdbool.h>

/* What ends the word that is completed, on its left. */
#define HMP_WORD_BREAKS " \t,="

typedef struct HmpCompletion {
    GPtrArray *words; /* of char *, owned: what the word may become, sorted */
    char append;      /* what follows it when there is one only; 0: nothing */
    bool files;       /* names of files may follow; @words is empty */
} HmpCompletion;

/* Complete the last word of @line, which may be empty. */
void hmp_complete(const char *line, HmpCompletion *out);
void hmp_completion_clear(HmpCompletion *completion);

#endif
