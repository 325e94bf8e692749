/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/latency.h"

#include "block/backend.h"

struct LatencyHistogram {
    GArray *boundaries, *bins;
};

static uint64_t number(const GArray *array, unsigned i)
{
    return g_array_index(array, uint64_t, i);
}

bool latency_boundaries_rise(const GArray *boundaries)
{
    for (unsigned i = 0; i < boundaries->len; i++) {
        if (number(boundaries, i) <= (i ? number(boundaries, i - 1) : 0)) {
            return false;
        }
    }
    return true;
}

static GArray *copy(const GArray *from)
{
    GArray *array = g_array_new(FALSE, TRUE, sizeof(uint64_t));

    if (from->len) {
        g_array_append_vals(array, from->data, from->len);
    }
    return array;
}

LatencyHistogram *latency_new(const GArray *boundaries)
{
    LatencyHistogram *histogram = g_new(LatencyHistogram, 1);

    histogram->boundaries = copy(boundaries);
    histogram->bins = g_array_new(FALSE, TRUE, sizeof(uint64_t));
    g_array_set_size(histogram->bins, boundaries->len + 1);
    return histogram;
}

LatencyHistogram *latency_copy(const LatencyHistogram *from)
{
    LatencyHistogram *histogram = NULL;

    if (from) {
        histogram = g_new(LatencyHistogram, 1);
        *histogram = (LatencyHistogram){ copy(from->boundaries), copy(from->bins) };
    }
    return histogram;
}

void latency_free(LatencyHistogram *histogram)
{
    if (histogram) {
        g_array_unref(histogram->boundaries);
        g_array_unref(histogram->bins);
        g_free(histogram);
    }
}

void latency_count(LatencyHistogram *histogram, int64_t ns)
{
    unsigned low = 0, high;

    if (!histogram) {
        return;
    }
    high = histogram->boundaries->len;
    while (low < high) { /* the first boundary above @ns */
        const unsigned middle = (low + high) / 2;

        if (number(histogram->boundaries, middle) <= (uint64_t)MAX(ns, 0)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    g_array_index(histogram->bins, uint64_t, low)++;
}

const GArray *latency_boundaries(const LatencyHistogram *histogram)
{
    return histogram->boundaries;
}

const GArray *latency_bins(const LatencyHistogram *histogram)
{
    return histogram->bins;
}

/* ---- of backends ---- */

void block_backend_set_latency(BlockBackend *backend, BlockLatency kind,
                               LatencyHistogram *histogram)
{
    LatencyHistogram *before;

    g_mutex_lock(&backend->mutex);
    before = backend->latencies[kind];
    backend->latencies[kind] = histogram;
    g_mutex_unlock(&backend->mutex);
    latency_free(before);
}

LatencyHistogram *block_backend_latency(BlockBackend *backend, BlockLatency kind)
{
    LatencyHistogram *histogram;

    g_mutex_lock(&backend->mutex);
    histogram = latency_copy(backend->latencies[kind]);
    g_mutex_unlock(&backend->mutex);
    return histogram;
}
