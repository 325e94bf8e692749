/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/machine-lock.h"

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

void machine_lock(void)
{
    g_assert(!lock_is_mine);
    if (main_thread) {
        lock_as_main();
    } else {
        lock_as_other();
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
