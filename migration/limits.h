/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits that a user has changed while the machine ran: they go along, as nothing at the other end
 * says them.
 */
#ifndef MIGRATION_LIMITS_H
#define MIGRATION_LIMITS_H

#include <json-c/json.h>

#include "migration/stream.h"

/* The limits that commands have changed, of devices' drives and of throttle groups. NULL: there are
 * none. New reference. Machine lock. */
struct json_object *saved_limits_take(void);
/* As a record; none for NULL. Any thread. */
bool saved_limits_write(struct json_object *limits, Stream *stream, GError **errp);
/* Of a record: a new reference; NULL: an error. Any thread. */
struct json_object *saved_limits_read(const Record *record, GError **errp);
/* Let the drives and groups here have them, but for those that commands have changed here. NULL is
 * fine. Machine lock. */
bool saved_limits_load(struct json_object *limits, GError **errp);

#endif
