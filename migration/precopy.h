/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest RAM goes while the machine runs: all of it, then in rounds what was changed meanwhile,
 * until the rest can be written within the time that the machine may stand. A guest that changes
 * its memory faster than it goes is slowed down, if that is allowed (auto-converge).
 */
#ifndef MIGRATION_PRECOPY_H
#define MIGRATION_PRECOPY_H

#include "migration/ram.h"

/* What was measured; machine lock. */
typedef struct Precopy {
    uint64_t rounds;           /* how often it was asked what the guest changed */
    uint64_t dirty_pages_rate; /* pages that the guest changed in a second, of late */
    int64_t
        expected_downtime_ms; /* for what is left, at the speed of the last round; -1: unknown */
    unsigned throttle;        /* percent of the time that vCPUs are held back */
    bool limited;             /* vCPUs have dirty limits */
    uint64_t rested_us, rested_before; /* with them: in the last round, until it began */
    unsigned fast_rounds;              /* in which the guest was faster, without a change of that */
} Precopy;

/* Write rounds of @ram until the machine may be stopped for the rest; with the parameters of
 * migration.h as they are at each moment. The migration's thread, no lock. */
bool precopy_run(Precopy *precopy, RamSource *ram, Stream *stream, GError **errp);
/* Let the guest run as fast as before. Machine lock. */
void precopy_end(Precopy *precopy);

#endif
