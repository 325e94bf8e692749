/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What query-command-line-options tells: handed down by system/, which has the options.
 */
#ifndef MONITOR_COMMAND_LINE_H
#define MONITOR_COMMAND_LINE_H

#include "qapi/qapi-types.h"

typedef struct CommandLineParameter {
    const char *name; /* NULL ends a table */
    CommandLineParameterType type;
    const char *help; /* one line for users, or NULL */
} CommandLineParameter;

/* An option that takes NAME=VALUE pairs. */
typedef struct CommandLineGroup {
    const char *name;                       /* as tools ask for it; NULL ends a table */
    const CommandLineParameter *parameters; /* NULL: none can be listed */
} CommandLineGroup;

/* @table lives forever. Before the first monitor is made. */
void monitor_set_command_line(const CommandLineGroup *table);

#endif
