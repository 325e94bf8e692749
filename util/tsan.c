/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In builds with ThreadSanitizer only (docs/tsan.md): GLib's locks as the checker has to see them.
 *
 * GLib is not instrumented, and its locks are futexes of its own, so that everything they order
 * would look like a race. These functions have the names of GLib's, which the linker prefers to
 * those in the library; each calls the one that it stands for, and tells the checker what that
 * orders.
 */
#include "util/tsan.h"

#include <dlfcn.h>
#include <glib.h>
#include <sanitizer/tsan_interface.h>

/* Of the checker's library, and in no header. */
void AnnotateBenignRaceSized(const char *file, int line, const volatile void *start, size_t size,
                             const char *why);

void tsan_guest_memory(const void *start, size_t size)
{
    AnnotateBenignRaceSized(__FILE__, __LINE__, start, size, "guest memory");
}

/* Whoever comes first looks for the function; it is the same for all. */
#define UNCHECKED __attribute__((no_sanitize("thread")))

/* `theirs`: the function of GLib that the one here stands for. */
#define STANDS_FOR(name)                                       \
    static __typeof__(&(name)) theirs;                         \
    if (!theirs) {                                             \
        theirs = (__typeof__(&(name)))dlsym(RTLD_NEXT, #name); \
    }                                                          \
    g_assert(theirs)

UNCHECKED void g_mutex_lock(GMutex *mutex)
{
    STANDS_FOR(g_mutex_lock);
    theirs(mutex);
    __tsan_acquire(mutex);
}

UNCHECKED gboolean g_mutex_trylock(GMutex *mutex)
{
    STANDS_FOR(g_mutex_trylock);
    gboolean taken = theirs(mutex);
    if (taken) {
        __tsan_acquire(mutex);
    }
    return taken;
}

UNCHECKED void g_mutex_unlock(GMutex *mutex)
{
    STANDS_FOR(g_mutex_unlock);
    __tsan_release(mutex);
    theirs(mutex);
}

UNCHECKED void g_cond_wait(GCond *cond, GMutex *mutex)
{
    STANDS_FOR(g_cond_wait);
    __tsan_release(mutex);
    theirs(cond, mutex);
    __tsan_acquire(mutex);
}

UNCHECKED gboolean g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
    STANDS_FOR(g_cond_wait_until);
    __tsan_release(mutex);
    gboolean signalled = theirs(cond, mutex, end_time);
    __tsan_acquire(mutex);
    return signalled;
}

/* Who finds the value set has all that was done before: g_once_init_enter() reads it by an atomic
 * access in the caller. */
#undef g_once_init_leave
UNCHECKED void g_once_init_leave(volatile void *location, gsize result)
{
    STANDS_FOR(g_once_init_leave);
    __tsan_release((void *)(uintptr_t)location);
    theirs(location, result);
}

/* What was done before a piece of work was given to a pool, its thread sees. */
typedef struct PoolWork {
    GFunc fn;
    gpointer opaque;
} PoolWork;

static void pool_work(gpointer data, gpointer opaque)
{
    const PoolWork *work = opaque;

    __tsan_acquire(data);
    work->fn(data, work->opaque);
}

UNCHECKED GThreadPool *g_thread_pool_new(GFunc fn, gpointer opaque, gint max_threads,
                                         gboolean exclusive, GError **error)
{
    STANDS_FOR(g_thread_pool_new);
    PoolWork *work = g_new(PoolWork, 1); /* for as long as the program runs, as pools are */

    *work = (PoolWork){ fn, opaque };
    return theirs(pool_work, work, max_threads, exclusive, error);
}

UNCHECKED gboolean g_thread_pool_push(GThreadPool *pool, gpointer data, GError **error)
{
    STANDS_FOR(g_thread_pool_push);
    __tsan_release(data);
    return theirs(pool, data, error);
}

/* The entries of a pool's queue are allocated and freed within GLib, under a lock of its own.
 * Called before the checker is ready for calls that it counts. */
const char *__tsan_default_suppressions(void);
UNCHECKED __attribute__((no_instrument_function)) const char *__tsan_default_suppressions(void)
{
    return "race:^g_queue_pop_tail$";
}

/* GLib makes the lock of its error domains when the first error comes, from whatever thread: here
 * before there is a second one. */
__attribute__((constructor)) static void make_first_error(void)
{
    g_error_free(g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_FAILED, ""));
}
