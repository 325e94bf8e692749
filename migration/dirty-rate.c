/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/dirty-rate.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <zlib.h>

#include "memory/dirty.h"
#include "memory/ram-block.h"
#include "memory/ram-parts.h"
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
    GPtrArray *blocks; /* of SampledBlock *, while it measures */
} the_rate;

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

static gboolean measured(void *opaque)
{
    double bytes = 0;

    for (unsigned i = 0; i < the_rate.blocks->len; i++) {
        bytes += changed_bytes(the_rate.blocks->pdata[i]);
    }
    g_clear_pointer(&the_rate.blocks, g_ptr_array_unref);
    the_rate.now.measuring = false;
    the_rate.now.measured = true;
    the_rate.now.rate = (int64_t)(bytes / MIB / (double)the_rate.now.seconds + 0.5);
    return G_SOURCE_REMOVE;
}

bool dirty_rate_start(int64_t seconds, int64_t samples, GError **errp)
{
    g_autoptr(GPtrArray) blocks = NULL;

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
                                .samples = (uint64_t)samples };
    the_rate.blocks = g_ptr_array_new_with_free_func(sampled_block_free);
    blocks = ram_blocks_list();
    for (unsigned i = 0; i < blocks->len; i++) {
        g_ptr_array_add(the_rate.blocks, sample_block(blocks->pdata[i], (uint64_t)samples));
    }
    g_timeout_add((unsigned)seconds * 1000, measured, NULL);
    return true;
}

DirtyRate dirty_rate_get(void)
{
    DirtyRate now = the_rate.now;

    if (!now.samples) {
        now.samples = DIRTY_RATE_SAMPLES;
    }
    return now;
}
