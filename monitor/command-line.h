/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What query-command-line-options tells: handed down by system/, which has the options.
 */
#ifndef MONITOR_COMMAND_LINE_H
#define MONITOR_COMMAND_LINE_H

#include "qapi/qapi-types.h"

/* @list: every option that takes NAME=VALUE pairs, a new list of CommandLineOptionInfo. Before the
 * first monitor is made. */
void monitor_set_command_line(GPtrArray *(*list)(void));

#endif
