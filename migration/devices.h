/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything of a machine but its RAM: the states of its devices, its clock, and the configuration
 * that both ends must agree on.
 */
#ifndef MIGRATION_DEVICES_H
#define MIGRATION_DEVICES_H

#include <json-c/json.h>

#include "migration/stream.h"

/* May each device be saved or migrated (DeviceClass.check_migrate)? Machine lock. */
bool saved_states_check(GError **errp);
/* The same, and add what is against each to @reasons, strings that it owns. Machine lock. */
void saved_states_check_list(GPtrArray *reasons);

/* Every state as it is now, as records that can be written later. The machine stands. Machine lock.
 */
typedef struct SavedStates SavedStates;
SavedStates *saved_states_take(void);
void saved_states_free(SavedStates *states); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SavedStates, saved_states_free)
/* Any thread. */
bool saved_states_write(const SavedStates *states, Stream *stream, GError **errp);

/* Collect records (RECORD_DEVICE) as they come; anything else is an error. Any thread. */
SavedStates *saved_states_new(void);
void saved_states_add(SavedStates *states, const Record *record);
/* Put all of them into this machine, which was reset and never ran: each device that has a state
 * must have one record. On failure the machine must not run. Machine lock. */
bool saved_states_load(const SavedStates *states, GError **errp);

#endif
