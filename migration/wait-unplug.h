/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Before a machine is migrated, its guest gives back the primaries of pairs of network cards
 * (hw/core/failover.h), which cannot go along: state wait-unplug.
 */
#ifndef MIGRATION_WAIT_UNPLUG_H
#define MIGRATION_WAIT_UNPLUG_H

#include <glib.h>
#include <stdbool.h>

/* Until they have gone. False: one of them cannot, with an error; or *@cancelled or *@ends, of
 * which @cond tells, came before. The migration's thread, without the machine lock, under which
 * these are. */
bool wait_unplug(GCond *cond, const bool *cancelled, const bool *ends, GError **errp);

#endif
