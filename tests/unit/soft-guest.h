/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of the software CPU that have one harness: it, its guest's memory as numbers, and a few
 * instructions to run.
 */
#ifndef TESTS_UNIT_SOFT_GUEST_H
#define TESTS_UNIT_SOFT_GUEST_H

#include <string.h>

#include "tests/unit/soft-harness.h"

static SoftHarness *h; /* the test's main() makes and frees it */

#define SOFT_GUEST_ACCESS(bits)                                       \
    static inline void put##bits(uint64_t addr, uint##bits##_t value) \
    {                                                                 \
        memcpy(h->ram + addr, &value, sizeof(value));                 \
    }                                                                 \
    static inline uint##bits##_t get##bits(uint64_t addr)             \
    {                                                                 \
        uint##bits##_t value;                                         \
                                                                      \
        memcpy(&value, h->ram + addr, sizeof(value));                 \
        return value;                                                 \
    }
/* put16(address, value), get16(address): guest-physical, below HARNESS_RAM_SIZE; and so on. */
SOFT_GUEST_ACCESS(16)
SOFT_GUEST_ACCESS(32)
SOFT_GUEST_ACCESS(64)

/* Run the instructions that @hex spells; harness_run_hex(). */
static inline int run(const char *hex)
{
    return harness_run_hex(h, hex);
}

#endif
