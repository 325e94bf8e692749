/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits to how fast vCPUs change memory: users', and those of a migration of a guest that changes
 * it faster than it goes. Machine lock.
 */
#ifndef MIGRATION_DIRTY_LIMIT_H
#define MIGRATION_DIRTY_LIMIT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define DIRTY_LIMIT_ALL (-1)

/* Can there be limits? An error says why not. */
bool dirty_limit_supported(GError **errp);
/* Let the vCPU of number @cpu, or all there are (DIRTY_LIMIT_ALL), change @mib MiB a second at
 * most; 0: as dirty_limit_cancel(). */
bool dirty_limit_set(int64_t cpu, uint64_t mib, GError **errp);
bool dirty_limit_cancel(int64_t cpu, GError **errp);
/* Of DirtyLimitInfo: those with limits; the caller's. */
GPtrArray *dirty_limit_list(void);
/* How long a vCPU was held back since they were made, at most, in microseconds. */
uint64_t dirty_limit_rested_us(void);

#endif
