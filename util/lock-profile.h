/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long threads wait for the machine lock, counted while somebody wants to know. With the
 * machine lock.
 */
#ifndef UTIL_LOCK_PROFILE_H
#define UTIL_LOCK_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

/* Who waits. */
typedef enum LockWaiter {
    LOCK_WAITER_MAIN,  /* the main loop */
    LOCK_WAITER_OTHER, /* CPUs, and threads that work for the main loop */
    LOCK_WAITER_COUNT,
} LockWaiter;

typedef struct LockWaits {
    uint64_t count; /* how often the lock was taken */
    uint64_t ns;    /* that this took, together */
} LockWaits;

void lock_profile_set(bool on);
bool lock_profile_on(void);
void lock_profile_reset(void);
/* What was counted, even if it is not any more. */
LockWaits lock_profile_get(LockWaiter waiter);

#endif
