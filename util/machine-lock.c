/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/machine-lock.h"

#include <string.h>
#include <time.h>

#include "util/lock-profile.h"

static GMutex lock;
static __thread bool lock_is_mine;
static __thread bool main_thread;

/* A busy vCPU could take the lock again and again before the main thread wakes: while the main
 * thread wants it, others that got it first step back once. */
static int main_wants;     /* atomic */
static unsigned deferring; /* threads in main_served; under the lock */
static GCond main_served;

void machine_lock_init(void)
{
    main_thread = true;
}

static void lock_as_main(void)
{
    g_atomic_int_set(&main_wants, 1);
    g_mutex_lock(&lock);
    g_atomic_int_set(&main_wants, 0);
    if (deferring) {
        g_cond_broadcast(&main_served);
    }
}

static void lock_as_other(void)
{
    g_mutex_lock(&lock);
    if (g_atomic_int_get(&main_wants)) {
        deferring++;
        g_cond_wait(&main_served, &lock);
        deferring--;
    }
}

static void take_lock(void)
{
    if (main_thread) {
        lock_as_main();
    } else {
        lock_as_other();
    }
}

/* ---- a profile ---- */

static int profiling;                      /* atomic */
static LockWaits waits[LOCK_WAITER_COUNT]; /* under the lock */

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void take_lock_and_count(void)
{
    LockWaits *mine = &waits[main_thread ? LOCK_WAITER_MAIN : LOCK_WAITER_OTHER];
    uint64_t since = now_ns();

    take_lock();
    mine->count++;
    mine->ns += now_ns() - since;
}

void lock_profile_set(bool on)
{
    g_atomic_int_set(&profiling, on);
}

bool lock_profile_on(void)
{
    return g_atomic_int_get(&profiling);
}

void lock_profile_reset(void)
{
    memset(waits, 0, sizeof(waits));
}

LockWaits lock_profile_get(LockWaiter waiter)
{
    return waits[waiter];
}

/* ---- taking it ---- */

void machine_lock(void)
{
    g_assert(!lock_is_mine);
    if (G_UNLIKELY(lock_profile_on())) {
        take_lock_and_count();
    } else {
        take_lock();
    }
    lock_is_mine = true;
}

bool machine_trylock(void)
{
    g_assert(!lock_is_mine);
    lock_is_mine = !g_atomic_int_get(&main_wants) && g_mutex_trylock(&lock);
    return lock_is_mine;
}

void machine_lock_for_main(void)
{
    g_assert(!lock_is_mine);
    lock_as_main();
    lock_is_mine = true;
}

void machine_unlock(void)
{
    g_assert(lock_is_mine);
    lock_is_mine = false;
    g_mutex_unlock(&lock);
}

bool machine_lock_held(void)
{
    return lock_is_mine;
}

void machine_cond_wait(GCond *cond)
{
    g_assert(lock_is_mine);
    lock_is_mine = false;
    g_cond_wait(cond, &lock);
    lock_is_mine = true;
}
