/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Limits: leaky buckets. What is let through goes into a bucket, which leaks at the rate of the
 * limit; while it is too full, nothing more is. Without a burst rate it holds 100 ms of the limit.
 * With one it holds a burst of that rate for its length; a second bucket, which leaks at the burst
 * rate, keeps to that meanwhile if it may last longer than a second. No locks.
 */
#ifndef BLOCK_THROTTLE_H
#define BLOCK_THROTTLE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "qapi/qapi-types.h"

typedef enum ThrottleKind {
    THROTTLE_BPS_TOTAL,
    THROTTLE_BPS_READ,
    THROTTLE_BPS_WRITE,
    THROTTLE_IOPS_TOTAL,
    THROTTLE_IOPS_READ,
    THROTTLE_IOPS_WRITE,
} ThrottleKind;
#define THROTTLE_KINDS 6

typedef struct ThrottleConfig {
    struct {
        int64_t rate, max, max_length; /* 0: none; seconds: 0 is 1 */
    } limits[THROTTLE_KINDS];
    int64_t iops_size; /* 0: each request is one */
} ThrottleConfig;

/* Where limits are from: who has them by a command keeps them when a machine comes. */
typedef enum ThrottleOrigin {
    THROTTLE_STARTED, /* they are as they were made */
    THROTTLE_CAME,    /* with a machine that was saved */
    THROTTLE_CHANGED, /* by a command */
} ThrottleOrigin;

typedef struct Throttle {
    ThrottleConfig config;
    double level[THROTTLE_KINDS], burst[THROTTLE_KINDS]; /* of the buckets */
    int64_t last_ns;                                     /* when they leaked last */
} Throttle;

/* Do these go together? Errors name limits as users of throttle-group do. */
bool throttle_config_check(const ThrottleConfig *config, GError **errp);
/* Is there any limit? */
bool throttle_config_any(const ThrottleConfig *config);
/* Does nothing that is given there have a value already? The error says what to do for a drive,
 * whose options have two names for each. */
bool throttle_config_check_twice(const ThrottleConfig *config, const ThrottleLimits *limits,
                                 GError **errp);
/* Take what is given there. */
void throttle_config_update(ThrottleConfig *config, const ThrottleLimits *limits);
/* Freed by the caller. */
ThrottleLimits *throttle_config_to_limits(const ThrottleConfig *config);

/* Buckets are empty from now on. */
void throttle_set(Throttle *throttle, const ThrottleConfig *config, int64_t now_ns);
/* How long a request has to wait; 0: it may go. */
int64_t throttle_wait_ns(Throttle *throttle, bool write, int64_t now_ns);
/* One goes. */
void throttle_account(Throttle *throttle, bool write, uint64_t bytes);

#endif
