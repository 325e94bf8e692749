/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sources of random bytes for guests: "rng-builtin", the host kernel's; "rng-random", a file, and
 * "rng-egd", a daemon, which may take their time. Machine lock.
 */
#ifndef BACKENDS_RNG_H
#define BACKENDS_RNG_H

#include "qom/object.h"

#define TYPE_RNG_BACKEND "rng-backend"
#define TYPE_RNG_BUILTIN "rng-builtin"
#define TYPE_RNG_RANDOM  "rng-random"
#define TYPE_RNG_EGD     "rng-egd"

#define RNG_MAX_BYTES 4096 /* that one request gets */

typedef struct RngBackend RngBackend;
OBJECT_CAST_DEFINE(RngBackend, RNG_BACKEND, TYPE_RNG_BACKEND)

/* @len bytes, from 1 to RNG_MAX_BYTES, have come. */
typedef void RngReceive(void *opaque, const uint8_t *data, size_t len);

/* Call @receive(@opaque) from the main loop with up to @len bytes (at least 1) as soon as there are
 * some; never, if the source has none any more. One request at a time for each @opaque; the backend
 * lives until then. */
void rng_request(RngBackend *rng, size_t len, RngReceive *receive, void *opaque);
/* Forget the request of @opaque, if there is one. */
void rng_cancel(RngBackend *rng, void *opaque);

#endif
