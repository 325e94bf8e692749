/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a saved machine, or one that comes, must have in common with the one it goes to.
 */
#ifndef MIGRATION_CONFIG_H
#define MIGRATION_CONFIG_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#include "migration/stream.h"

/* What must be the same at the other end, as JSON: machine, memory, CPUs, devices with what is
 * theirs, RAM blocks with sizes. New reference. Machine lock. */
struct json_object *migration_config(void);
/* Let the other end take only a machine with the same UUID, if both have one. Machine lock. */
void migration_config_add_uuid(struct json_object *config);
/* Is @theirs, as another machine gave it, the same as this machine's? A property that only devices
 * here have, of a newer program, has to be at its default. An error names the first thing that
 * differs, with both values. */
bool migration_config_check(struct json_object *theirs, GError **errp);
/* Write @config as the record that a stream begins with. */
bool migration_config_write(struct json_object *config, Stream *stream, GError **errp);

#endif
