/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options whose argument is "key=value,...", by the names that configuration files (-readconfig),
 * -set and query-command-line-options have for them: their groups.
 */
#ifndef SYSTEM_OPTION_GROUPS_H
#define SYSTEM_OPTION_GROUPS_H

#include "monitor/command-line.h"
#include "system/cmdline.h"

/* Every group with its parameters, from the schema and from objects' properties: a list of
 * CommandLineOptionInfo, for monitor_set_command_line(). */
GPtrArray *option_groups_list(void);

/* The option of group @name, such as -m for "memory"; an error lists the groups. */
const Option *option_group_find(const char *name, GError **errp);
/* Have the members of this group an id, as in [device "d0"]? */
bool option_group_has_ids(const char *name);

/* "@key=@value", with commas in the value doubled; g_free. */
char *option_pair_text(const char *key, const char *value);

/* -set "GROUP.ID.KEY=VALUE": change the argument of the last option of that group and id in @uses
 * (GArray of OptionUse). */
bool option_set(GArray *uses, const char *text, GError **errp);

#endif
