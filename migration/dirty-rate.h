/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast the guest writes to its memory: by sampling, where pages that are chosen at random are
 * compared with what they were some seconds ago, or by counting the pages that are written, of all,
 * or of each vCPU. Machine lock.
 */
#ifndef MIGRATION_DIRTY_RATE_H
#define MIGRATION_DIRTY_RATE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "qapi/qapi-types.h"

#define DIRTY_RATE_MAX_SECONDS   60
#define DIRTY_RATE_SAMPLES       512 /* pages of a GiB, where nobody says how many */
#define DIRTY_RATE_LEAST_SAMPLES 128
#define DIRTY_RATE_MOST_SAMPLES  4096

typedef struct DirtyRate {
    bool measuring, measured;
    int64_t start; /* seconds since 1970 */
    int64_t seconds;
    uint64_t samples; /* pages of a GiB */
    int64_t rate;     /* MiB a second, once it is measured */
    DirtyRateMeasureMode mode;
} DirtyRate;

/* Begin; the result is there after so many @seconds of the host. An error, if they or @samples are
 * out of range, one is going on, or the engine does not tell what @mode wants to know. */
bool dirty_rate_start(int64_t seconds, int64_t samples, DirtyRateMeasureMode mode, GError **errp);
/* How it stands. */
DirtyRate dirty_rate_get(void);
/* Of DirtyRateVcpu, the caller's: what was measured last of each; NULL: it was in another mode. */
GPtrArray *dirty_rate_get_vcpus(void);

#endif
