/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For kinds of rng-backend: who waits for random bytes, and how they get them. Machine lock. */
#ifndef BACKENDS_RNG_INTERNAL_H
#define BACKENDS_RNG_INTERNAL_H

#include "backends/rng.h"

#define TYPE_RNG_FILE "rng-file"

struct RngBackend {
    Object parent;
    GQueue *waiting; /* rng.c's: the requests, the oldest first */
};

/* The `ops` of a kind. */
typedef struct RngClass {
    void (*wanted)(RngBackend *rng);   /* there is a request more */
    void (*unwanted)(RngBackend *rng); /* the last one was cancelled; NULL: nothing is to be done */
} RngClass;

/* Bytes for the oldest request, at most RNG_MAX_BYTES; 0: there is none. */
size_t rng_wanted(const RngBackend *rng);
/* That gets @data, as far as it goes: it is wiped. Nobody waits: it is only wiped. */
void rng_give(RngBackend *rng, uint8_t *data, size_t len);

#endif
