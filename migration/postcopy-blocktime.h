/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long vCPUs wait for memory in postcopy. Any thread, no lock, but for what says so.
 */
#ifndef MIGRATION_POSTCOPY_BLOCKTIME_H
#define MIGRATION_POSTCOPY_BLOCKTIME_H

#include "qapi/qapi-types.h"

extern bool postcopy_blocktime; /* the capability; machine lock */

/* The vCPUs that there are begin to run now. Machine lock. */
void postcopy_blocktime_begin(void);
/* The thread of that number waits for what is at @host; it is there, with what is around. */
void postcopy_blocktime_wait(unsigned thread, const uint8_t *host);
void postcopy_blocktime_arrived(const uint8_t *host, uint64_t size);
/* Add what was measured, if anything was. Machine lock. */
void postcopy_blocktime_fill(MigrationInfo *info);

#endif
