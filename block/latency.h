/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How long requests take, counted in bins (block-latency-histogram-set). */
#ifndef BLOCK_LATENCY_H
#define BLOCK_LATENCY_H

#include <glib.h>
#include <stdbool.h>

typedef struct LatencyHistogram LatencyHistogram;

/* Do the uint64_t in @boundaries rise, from more than 0 on? Else there is no histogram of them. */
bool latency_boundaries_rise(const GArray *boundaries);
/* One with these @boundaries in nanoseconds, which are copied, and bins that are empty. */
LatencyHistogram *latency_new(const GArray *boundaries);
LatencyHistogram *latency_copy(const LatencyHistogram *from); /* NULL: NULL */
void latency_free(LatencyHistogram *histogram);               /* NULL is fine */
/* Count a request that took @ns; NULL: it is not counted. */
void latency_count(LatencyHistogram *histogram, int64_t ns);
/* GArrays of uint64_t: what it was made with, and one bin more than that. Its own. */
const GArray *latency_boundaries(const LatencyHistogram *histogram);
const GArray *latency_bins(const LatencyHistogram *histogram);

#endif
