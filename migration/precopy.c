/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/precopy.h"

#include "accel/vcpu.h"
#include "migration/dirty-count.h"
#include "migration/dirty-limit.h"
#include "migration/migration.h"
#include "qapi/qapi-events.h"
#include "util/clock.h"
#include "util/machine-lock.h"

/* Asking what was changed costs the guest its TLB: it is not done more often than this. */
#define ROUND_MIN_MS 10u
/* The guest is too fast if it changed so much of what was written in a round, so often. */
#define FAST_ROUNDS 2u

typedef struct Round {
    int64_t start; /* host ns */
    uint64_t bytes, pages;
} Round;

/* Pages of which it is known that they cost something: those of the first round that are zero tell
 * nothing about the ones that the guest changes. */
static uint64_t pages_written(const Precopy *precopy, const RamSource *ram)
{
    uint64_t data = atomic_load_explicit(&ram->data, memory_order_relaxed);

    if (ram->xbzrle) {
        data += xbzrle_stats(ram->xbzrle).pages;
    }
    return precopy->rounds ? data + atomic_load_explicit(&ram->zero, memory_order_relaxed) : data;
}

static Round round_begin(const Precopy *precopy, const RamSource *ram, const Stream *stream)
{
    return (Round){ clock_host_ns(), stream_bytes(stream), pages_written(precopy, ram) };
}

/* ---- auto-converge ---- */

static bool is_too_fast(Precopy *precopy, uint64_t changed, uint64_t written)
{
    if ((double)changed * RAM_PAGE <= (double)written * migration_params.throttle_threshold / 100 ||
        ++precopy->fast_rounds < FAST_ROUNDS) {
        return false;
    }
    precopy->fast_rounds = 0;
    return true;
}

/* Each vCPU may change so much, from now on. */
static void limit(Precopy *precopy)
{
    const uint64_t rested = dirty_limit_rested_us();

    /* A CPU that was unplugged has taken its time along. */
    precopy->rested_us =
        precopy->limited && rested > precopy->rested_before ? rested - precopy->rested_before : 0;
    precopy->rested_before = rested;
    dirty_count_set_period((unsigned)migration_params.dirty_limit_period_ms);
    precopy->limited = dirty_limit_set(DIRTY_LIMIT_ALL, migration_params.dirty_limit, NULL);
}

/* Percent more. With tailslow no more than it takes for the guest to change just as much as it may,
 * if it changes less by as much as it runs less. */
static unsigned throttle_more(const Precopy *precopy, uint64_t changed, uint64_t written)
{
    const MigrationParams *p = &migration_params;
    const double runs = 100 - precopy->throttle;
    const double may = (double)written * p->throttle_threshold / 100;

    if (!precopy->throttle) {
        return p->cpu_throttle_initial;
    }
    if (!p->cpu_throttle_tailslow) {
        return p->cpu_throttle_increment;
    }
    const unsigned enough = (unsigned)(runs - runs * may / ((double)changed * RAM_PAGE)) + 1;
    return MIN(enough, p->cpu_throttle_increment);
}

static void slow_down(Precopy *precopy, uint64_t changed, uint64_t written)
{
    const MigrationParams *p = &migration_params;

    if (migration_dirty_limit) {
        if (precopy->limited || is_too_fast(precopy, changed, written)) {
            limit(precopy);
        }
        return;
    }
    if (!migration_auto_converge || !is_too_fast(precopy, changed, written)) {
        return;
    }
    precopy->throttle += throttle_more(precopy, changed, written);
    precopy->throttle = MIN(precopy->throttle, p->max_cpu_throttle);
    vcpu_set_throttle(precopy->throttle);
}

void precopy_end(Precopy *precopy)
{
    if (precopy->throttle) {
        vcpu_set_throttle(0);
        precopy->throttle = 0;
    }
    if (precopy->limited) {
        dirty_limit_cancel(DIRTY_LIMIT_ALL, NULL);
        precopy->limited = false;
    }
}

/* ---- rounds ---- */

/* Find out what was changed since @round began. True: the machine may be stopped for the rest. */
static bool round_end(Precopy *precopy, const Round *round, RamSource *ram, Stream *stream)
{
    int64_t passed = MAX(clock_host_ns() - round->start, 1);
    uint64_t pages = pages_written(precopy, ram) - round->pages;
    uint64_t changed = dirty_tracker_sync(ram->tracker), left = dirty_tracker_left(ram->tracker);

    precopy->rounds++;
    ram->again = true;
    if (ram->xbzrle) {
        xbzrle_round(ram->xbzrle);
    }
    precopy->dirty_pages_rate = (uint64_t)((double)changed * NS_PER_SEC / (double)passed);
    if (left == 0) {
        precopy->expected_downtime_ms = 0;
    } else if (pages == 0) {
        precopy->expected_downtime_ms = -1;
    } else {
        precopy->expected_downtime_ms =
            (int64_t)((double)left * (double)passed / (double)pages / NS_PER_MS);
    }
    if (migration_events) {
        qapi_event_send_migration_pass((int64_t)precopy->rounds);
    }
    slow_down(precopy, changed, stream_bytes(stream) - round->bytes);
    return precopy->expected_downtime_ms >= 0 &&
           precopy->expected_downtime_ms <= (int64_t)migration_params.downtime_limit_ms;
}

bool precopy_run(Precopy *precopy, RamSource *ram, Stream *stream, GError **errp)
{
    bool enough = false;

    while (!enough && !atomic_load_explicit(&ram->stop, memory_order_relaxed)) {
        Round round = round_begin(precopy, ram, stream);
        if (!ram_source_write(ram, stream, errp)) {
            return false;
        }
        if (atomic_load_explicit(&ram->stop, memory_order_relaxed)) {
            break;
        }
        if (clock_host_ns() - round.start < ROUND_MIN_MS * NS_PER_MS &&
            !stream_pause(stream, ROUND_MIN_MS, errp)) {
            return false;
        }
        machine_lock();
        enough = round_end(precopy, &round, ram, stream);
        machine_unlock();
    }
    return true;
}
