/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/background.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hw/core/runstate.h"
#include "hw/core/save-check.h"
#include "memory/dma.h"
#include "migration/config.h"
#include "migration/dbus-vmstate.h"
#include "migration/devices.h"
#include "migration/limits.h"
#include "migration/run-record.h"
#include "migration/userfault.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"
#include "util/task.h"
#include "util/units.h"

#define COPIES_MAX (64 * MIB) /* of pages that wait for the stream; then the guest waits, too */
#define STUCK_US   (10 * G_USEC_PER_SEC) /* so long at most, if the stream takes none of them */

/* The contents of a RECORD_RAM. */
typedef struct Copy {
    const RamBlock *block;
    GByteArray *data; /* owned */
} Copy;

/* The one that is under way. */
static struct {
    RamSource *ram;
    Stream *stream;
    int fd;   /* userfaultfd; -1: memory is not protected */
    int kick; /* event descriptor: the thread is to end */
    GThread *thread;

    GMutex lock; /* of what follows, of the tracker, and of whether a page is protected */
    GCond changed;
    GQueue copies;   /* of Copy * */
    uint64_t copied; /* bytes in them */
    bool lost;       /* the stream takes nothing: nobody is to wait for it any more */

    /* machine lock */
    bool frozen, ends;
    GCond frozen_cond;
    struct json_object *config, *limits;
    SavedStates *states;
    RunRecord run;
    GError *err;
} snapshot;

/* ---- copies ---- */

static const RamBlock *block_at(unsigned n)
{
    return snapshot.ram->blocks->pdata[n];
}

static GByteArray *copy_pages(const RamBlock *block, uint64_t page, uint64_t count)
{
    GByteArray *data = g_byte_array_sized_new((guint)(count * RAM_PAGE + 64));
    const uint64_t offset = page * RAM_PAGE;

    g_byte_array_append(data, (const uint8_t *)&offset, sizeof(offset));
    ram_put_runs(snapshot.ram, block, page, count, data);
    return data;
}

/* With the lock. Pages that are still to be written of these become a copy. */
static void keep(unsigned n, uint64_t page, uint64_t count)
{
    DirtyTracker *tracker = snapshot.ram->tracker;
    const uint64_t end = page + count;

    while (page < end && !snapshot.lost) {
        uint64_t first = page, part;

        if (!dirty_tracker_next(tracker, n, &first, RAM_NEXT_MAX, &part)) {
            return;
        }
        if (first + part > end) { /* what is behind stays to be written */
            const uint64_t behind = MAX(first, end);

            dirty_tracker_add(tracker, n, behind, first + part - behind);
            part = behind - first;
        }
        if (first >= end) {
            return;
        }
        Copy *copy = g_new(Copy, 1);
        *copy = (Copy){ block_at(n), copy_pages(block_at(n), first, part) };
        snapshot.copied += copy->data->len;
        g_queue_push_tail(&snapshot.copies, copy);
        page = first + part;
    }
}

static void copy_free(Copy *copy)
{
    g_byte_array_unref(copy->data);
    g_free(copy);
}

/* With the lock: until there is room for more. */
static void wait_room(void)
{
    uint64_t before = snapshot.copied;
    gint64 end = g_get_monotonic_time() + STUCK_US;

    while (snapshot.copied >= COPIES_MAX && !snapshot.lost) {
        const bool in_time = g_cond_wait_until(&snapshot.changed, &snapshot.lock, end);

        if (snapshot.copied < before) {
            before = snapshot.copied;
            end = g_get_monotonic_time() + STUCK_US;
        } else if (!in_time) {
            snapshot.lost = true;
            stream_cancel(snapshot.stream);
        }
    }
}

static bool is_lost(void)
{
    g_mutex_lock(&snapshot.lock);
    const bool lost = snapshot.lost;
    g_mutex_unlock(&snapshot.lock);
    return lost;
}

/* Whole pages of the block, around these. */
static void keep_and_let_go(unsigned n, uint64_t offset, uint64_t size, bool may_wait)
{
    const RamBlock *block = block_at(n);
    const uint64_t unit = block->page_size;
    const uint64_t first = offset / unit * unit, end = (offset + size + unit - 1) / unit * unit;

    g_mutex_lock(&snapshot.lock);
    if (may_wait) {
        wait_room();
    }
    keep(n, first / RAM_PAGE, (end - first) / RAM_PAGE);
    userfault_protect(snapshot.fd, block, first, end - first, false, NULL);
    g_mutex_unlock(&snapshot.lock);
}

/* ---- those who write ---- */

static bool find_host(const uint8_t *host, unsigned *n)
{
    for (*n = 0; *n < snapshot.ram->blocks->len; ++*n) {
        const RamBlock *block = block_at(*n);

        if (host >= block->host && host < block->host + block->size) {
            return true;
        }
    }
    return false;
}

/* A device gives pages back, which are then empty. */
static void before_discard(RamBlock *block, uint64_t offset, uint64_t size)
{
    unsigned n;

    if (find_host(block->host, &n)) {
        keep_and_let_go(n, offset, size, true);
    }
}

static gpointer copy_thread(gpointer opaque)
{
    struct pollfd fds[] = { { .fd = snapshot.fd, .events = POLLIN },
                            { .fd = snapshot.kick, .events = POLLIN } };

    do {
        Userfault fault;
        unsigned n;

        poll(fds, G_N_ELEMENTS(fds), -1);
        while (userfault_read(snapshot.fd, &fault)) {
            if (find_host(fault.at, &n)) {
                keep_and_let_go(n, (uint64_t)(fault.at - block_at(n)->host), 1, true);
            }
        }
    } while (!fds[1].revents);
    return NULL;
}

/* ---- the moment ---- */

/* The machine stands. What fails is undone by let_go(). */
static bool protect_all(GError **errp)
{
    for (unsigned n = 0; n < snapshot.ram->blocks->len; n++) {
        if (!userfault_protect_register(snapshot.fd, block_at(n), errp)) {
            return false;
        }
    }
    snapshot.thread = g_thread_try_new("snapshot-copies", copy_thread, NULL, errp);
    if (!snapshot.thread) {
        return false;
    }
    dma_set_before_discard(before_discard);
    for (unsigned n = 0; n < snapshot.ram->blocks->len; n++) {
        const RamBlock *block = block_at(n);

        if (!userfault_protect(snapshot.fd, block, 0, block->size, true, errp)) {
            return false;
        }
    }
    return true;
}

static bool take(bool running, GError **errp)
{
    g_autoptr(GPtrArray) helpers = saved_helpers_take();

    if (helpers && helpers->len) {
        error_set(errp, "a dbus-vmstate is there, whose programs go on while the machine is "
                        "written: switch the capability background-snapshot off");
        return false;
    }
    if (!saved_states_check(errp) || !save_check(errp)) {
        return false;
    }
    snapshot.config = migration_config();
    snapshot.states = saved_states_take();
    snapshot.limits = saved_limits_take();
    snapshot.run = (RunRecord){ .clock_ns = clock_ns(),
                                .running = running,
                                .asleep = runstate_is_asleep(),
                                .shutdown = SHUTDOWN_CAUSE_NONE };
    dirty_tracker_sync(snapshot.ram->tracker);
    return protect_all(errp);
}

/* A task. */
static void freeze(void *opaque)
{
    runstate_finish_reset();
    const bool running = runstate_is_running();

    runstate_stop(RUN_STATE_SAVE_VM);
    take(running, &snapshot.err);
    if (running) {
        runstate_start();
    }
}

static void frozen(void *opaque)
{
    snapshot.frozen = true;
    g_cond_signal(&snapshot.frozen_cond);
}

static void begin_freezing(void *opaque)
{
    task_run(freeze, frozen, NULL);
}

static bool wait_frozen(GError **errp)
{
    main_loop_schedule(begin_freezing, NULL);
    machine_lock();
    while (!snapshot.frozen && !snapshot.ends) {
        machine_cond_wait(&snapshot.frozen_cond);
    }
    const bool ok = snapshot.frozen && !snapshot.err;
    if (snapshot.err) {
        g_propagate_error(errp, g_steal_pointer(&snapshot.err));
    } else if (!ok) {
        error_set(errp, "the program ends");
    }
    machine_unlock();
    return ok;
}

/* ---- writing ---- */

static bool put_copy(GError **errp)
{
    g_mutex_lock(&snapshot.lock);
    Copy *copy = g_queue_pop_head(&snapshot.copies);
    if (copy) {
        snapshot.copied -= copy->data->len;
        g_cond_broadcast(&snapshot.changed);
    }
    g_mutex_unlock(&snapshot.lock);
    const bool ok = !copy || stream_put_record(snapshot.stream, RECORD_RAM, copy->block->name,
                                               copy->data->data, copy->data->len, errp);
    g_clear_pointer(&copy, copy_free);
    return ok;
}

/* Copy the next pages of block @n at or after *@page, whole ones of the block; false: none are
 * left. */
static bool copy_next(unsigned n, uint64_t *page)
{
    const uint64_t unit = block_at(n)->page_size / RAM_PAGE;
    uint64_t first = *page, count;

    g_mutex_lock(&snapshot.lock);
    const bool more = ram_source_next(snapshot.ram, n, &first, &count);
    if (more) {
        dirty_tracker_add(snapshot.ram->tracker, n, first, count);
    }
    g_mutex_unlock(&snapshot.lock);
    if (more) {
        const uint64_t start = first / unit * unit;

        *page = (first + count + unit - 1) / unit * unit;
        keep_and_let_go(n, start * RAM_PAGE, (*page - start) * RAM_PAGE, false);
    }
    return more;
}

static bool write_copies(GError **errp)
{
    for (;;) {
        g_mutex_lock(&snapshot.lock);
        const bool none = g_queue_is_empty(&snapshot.copies);
        g_mutex_unlock(&snapshot.lock);
        if (none) {
            return true;
        }
        if (!put_copy(errp)) {
            return false;
        }
    }
}

static bool write_ram(GError **errp)
{
    for (unsigned n = 0; n < snapshot.ram->blocks->len; n++) {
        uint64_t page = 0;

        do {
            if (!write_copies(errp)) {
                return false;
            }
        } while (copy_next(n, &page));
    }
    return write_copies(errp);
}

/* Nobody waits any more. */
static void let_go(void)
{
    g_mutex_lock(&snapshot.lock);
    snapshot.lost = true; /* what is written to from now on is no matter */
    g_cond_broadcast(&snapshot.changed);
    g_mutex_unlock(&snapshot.lock);
    dma_set_before_discard(NULL);
    eventfd_write(snapshot.kick, 1);
    if (snapshot.thread) {
        g_thread_join(g_steal_pointer(&snapshot.thread));
    }
    for (unsigned n = 0; n < snapshot.ram->blocks->len; n++) {
        userfault_unregister(snapshot.fd, block_at(n));
    }
}

static bool write_all(GError **errp)
{
    return migration_config_write(snapshot.config, snapshot.stream, errp) && write_ram(errp) &&
           saved_states_write(snapshot.states, snapshot.stream, errp) &&
           saved_limits_write(snapshot.limits, snapshot.stream, errp) &&
           run_record_write(&snapshot.run, snapshot.stream, errp) &&
           stream_put_end(snapshot.stream, false, errp);
}

static void clear(void)
{
    g_clear_pointer(&snapshot.config, json_object_put);
    g_clear_pointer(&snapshot.limits, json_object_put);
    g_clear_pointer(&snapshot.states, saved_states_free);
    g_queue_clear_full(&snapshot.copies, (GDestroyNotify)copy_free);
    close(snapshot.fd);
    close(snapshot.kick);
    snapshot.fd = snapshot.kick = -1;
}

bool background_write(RamSource *ram, Stream *stream, GError **errp)
{
    machine_lock();
    snapshot.ram = ram;
    snapshot.stream = stream;
    snapshot.copied = 0;
    snapshot.lost = snapshot.frozen = false;
    snapshot.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    snapshot.fd = userfault_protect_open(errp);
    machine_unlock();
    if (snapshot.fd < 0) {
        close(snapshot.kick);
        return false;
    }
    bool ok = wait_frozen(errp) && write_all(errp);
    if (!ok && is_lost()) {
        g_clear_error(errp);
        error_set(errp, "nobody takes what is written, and the guest would wait for that");
    }
    let_go();
    machine_lock();
    clear();
    machine_unlock();
    return ok;
}

void background_end(void)
{
    snapshot.ends = true;
    g_cond_signal(&snapshot.frozen_cond);
}
