/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/dirty-rate.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#include "accel/vcpu.h"
#include "memory/dirty.h"
#include "memory/ram-block.h"
#include "memory/ram-parts.h"
#include "migration/dirty-count.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/units.h"

/* One page, as it was. */
typedef struct Sample {
    uint64_t offset;
    uint32_t sum;
} Sample;

typedef struct SampledBlock {
    RamBlock *block; /* a reference */
    GArray *samples; /* of Sample */
} SampledBlock;

static struct {
    DirtyRate now;
    GPtrArray *blocks;     /* of SampledBlock *, while it measures, by sampling */
    DirtyTracker *tracker; /* the same, by counting all */
    int64_t since;         /* host ns */
    GArray *vcpus;         /* of Counted: by counting those of each */
} the_rate;

/* Of one vCPU. */
typedef struct Counted {
    unsigned index;
    uint64_t pages; /* when it began */
    int64_t rate;   /* MiB a second, when it had ended */
} Counted;

/* What is not in memory is not brought there for this: it is as if it were zero, which has the sum
 * 0. */
static uint32_t sum_of_page(const RamBlock *block, uint64_t offset)
{
    static const uint8_t zeros[DIRTY_PAGE];
    const uint8_t *page = block->host + offset;
    unsigned char resident = 0;

    if (!ram_parts_all(block, offset, DIRTY_PAGE, true) ||
        mincore((void *)page, DIRTY_PAGE, &resident) < 0 || !(resident & 1) ||
        memcmp(page, zeros, DIRTY_PAGE) == 0) {
        return 0;
    }
    return (uint32_t)crc32(1, page, DIRTY_PAGE);
}

static void sampled_block_free(void *data)
{
    SampledBlock *sampled = data;

    ram_block_unref(sampled->block);
    g_array_unref(sampled->samples);
    g_free(sampled);
}

static SampledBlock *sample_block(RamBlock *block, uint64_t per_gib)
{
    SampledBlock *sampled = g_new(SampledBlock, 1);
    uint64_t pages = block->size / DIRTY_PAGE;
    uint64_t count = MAX(1, (block->size / MIB * per_gib + KIB - 1) / KIB);

    *sampled = (SampledBlock){ ram_block_ref(block), g_array_new(FALSE, FALSE, sizeof(Sample)) };
    for (uint64_t i = 0; i < MIN(count, pages); i++) {
        uint64_t page = (uint64_t)(g_random_double() * (double)pages);
        Sample sample = { .offset = MIN(page, pages - 1) * DIRTY_PAGE };

        sample.sum = sum_of_page(block, sample.offset);
        g_array_append_val(sampled->samples, sample);
    }
    return sampled;
}

/* Bytes of the block that were written, as far as the samples tell. */
static double changed_bytes(const SampledBlock *sampled)
{
    unsigned changed = 0;

    for (unsigned i = 0; i < sampled->samples->len; i++) {
        const Sample *sample = &g_array_index(sampled->samples, Sample, i);

        changed += sum_of_page(sampled->block, sample->offset) != sample->sum;
    }
    return sampled->samples->len ? (double)sampled->block->size * changed / sampled->samples->len
                                 : 0;
}

/* ---- the ways to measure ---- */

static int64_t rate_of(double bytes)
{
    const double seconds = (double)MAX(clock_host_ns() - the_rate.since, 1) / NS_PER_SEC;

    return (int64_t)(bytes / MIB / seconds + 0.5);
}

static bool sampling_begin(GError **errp)
{
    g_autoptr(GPtrArray) blocks = ram_blocks_list();

    the_rate.blocks = g_ptr_array_new_with_free_func(sampled_block_free);
    for (unsigned i = 0; i < blocks->len; i++) {
        g_ptr_array_add(the_rate.blocks, sample_block(blocks->pdata[i], the_rate.now.samples));
    }
    return true;
}

static int64_t sampling_end(void)
{
    double bytes = 0;

    for (unsigned i = 0; i < the_rate.blocks->len; i++) {
        bytes += changed_bytes(the_rate.blocks->pdata[i]);
    }
    g_clear_pointer(&the_rate.blocks, g_ptr_array_unref);
    return (int64_t)(bytes / MIB / (double)the_rate.now.seconds + 0.5);
}

static bool bitmap_begin(GError **errp)
{
    g_autoptr(GPtrArray) blocks = ram_blocks_list_used();

    the_rate.tracker = dirty_tracker_new(blocks);
    return true;
}

static int64_t bitmap_end(void)
{
    const uint64_t pages = dirty_tracker_sync(the_rate.tracker);

    g_clear_pointer(&the_rate.tracker, dirty_tracker_free);
    return rate_of((double)pages * DIRTY_PAGE);
}

static void count_one(X86Cpu *cpu, void *opaque)
{
    const Counted counted = { cpu->index, vcpu_dirty_pages(cpu), 0 };

    g_array_append_val(the_rate.vcpus, counted);
}

static bool ring_begin(GError **errp)
{
    if (!dirty_count_use(errp)) {
        return false;
    }
    g_clear_pointer(&the_rate.vcpus, g_array_unref);
    the_rate.vcpus = g_array_new(FALSE, FALSE, sizeof(Counted));
    vcpu_foreach(count_one, NULL);
    return true;
}

static void rate_one(X86Cpu *cpu, void *opaque)
{
    for (unsigned i = 0; i < the_rate.vcpus->len; i++) {
        Counted *counted = &g_array_index(the_rate.vcpus, Counted, i);
        const uint64_t pages = vcpu_dirty_pages(cpu);

        if (counted->index == cpu->index && pages >= counted->pages) {
            counted->rate = rate_of((double)(pages - counted->pages) * DIRTY_PAGE);
            *(int64_t *)opaque += counted->rate;
        }
    }
}

static int64_t ring_end(void)
{
    int64_t sum = 0;

    vcpu_foreach(rate_one, &sum);
    dirty_count_unuse();
    return sum;
}

static const struct {
    bool (*begin)(GError **errp);
    int64_t (*end)(void); /* the rate */
} modes[DIRTY_RATE_MEASURE_MODE__MAX] = {
    [DIRTY_RATE_MEASURE_MODE_PAGE_SAMPLING] = { sampling_begin, sampling_end },
    [DIRTY_RATE_MEASURE_MODE_DIRTY_RING] = { ring_begin, ring_end },
    [DIRTY_RATE_MEASURE_MODE_DIRTY_BITMAP] = { bitmap_begin, bitmap_end },
};

static gboolean measured(void *opaque)
{
    the_rate.now.rate = modes[the_rate.now.mode].end();
    the_rate.now.measuring = false;
    the_rate.now.measured = true;
    return G_SOURCE_REMOVE;
}

bool dirty_rate_start(int64_t seconds, int64_t samples, DirtyRateMeasureMode mode, GError **errp)
{
    const DirtyRate before = the_rate.now;

    if (seconds < 1 || seconds > DIRTY_RATE_MAX_SECONDS) {
        error_set(errp, "'calc-time' must be 1 to %d seconds", DIRTY_RATE_MAX_SECONDS);
        return false;
    }
    if (samples < DIRTY_RATE_LEAST_SAMPLES || samples > DIRTY_RATE_MOST_SAMPLES) {
        error_set(errp, "'sample-pages' must be %d to %d pages of a GiB", DIRTY_RATE_LEAST_SAMPLES,
                  DIRTY_RATE_MOST_SAMPLES);
        return false;
    }
    if (the_rate.now.measuring) {
        error_set(errp, "the dirty rate is being measured already; query-dirty-rate tells when it "
                        "is there");
        return false;
    }
    the_rate.now = (DirtyRate){ .measuring = true,
                                .start = g_get_real_time() / G_USEC_PER_SEC,
                                .seconds = seconds,
                                .samples = (uint64_t)samples,
                                .mode = mode };
    the_rate.since = clock_host_ns();
    if (!modes[mode].begin(errp)) {
        the_rate.now = before;
        return false;
    }
    if (mode != DIRTY_RATE_MEASURE_MODE_DIRTY_RING) {
        g_clear_pointer(&the_rate.vcpus, g_array_unref);
    }
    g_timeout_add((unsigned)seconds * 1000, measured, NULL);
    return true;
}

GPtrArray *dirty_rate_get_vcpus(void)
{
    GPtrArray *list = the_rate.vcpus ? DirtyRateVcpu_list_new() : NULL;

    for (unsigned i = 0; list && i < the_rate.vcpus->len; i++) {
        const Counted *counted = &g_array_index(the_rate.vcpus, Counted, i);
        DirtyRateVcpu *vcpu = g_new0(DirtyRateVcpu, 1);

        vcpu->id = counted->index;
        vcpu->dirty_rate = counted->rate;
        g_ptr_array_add(list, vcpu);
    }
    return list;
}

DirtyRate dirty_rate_get(void)
{
    DirtyRate now = the_rate.now;

    if (!now.samples) {
        now.samples = DIRTY_RATE_SAMPLES;
    }
    return now;
}
