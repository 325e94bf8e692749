/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What `info jit` and x-query-jit tell of a vCPU. Counted, and read, in its thread. */
#ifndef ACCEL_SOFT_TRANSLATE_STATISTICS_H
#define ACCEL_SOFT_TRANSLATE_STATISTICS_H

#include "accel/soft/block.h"

enum { CALLED_SLOTS = 1024, CALLED_BYTES = 15 }; /* a power of two */

/* A function of micro-operations that translated code called, and the first instruction that it was
 * called for. */
typedef struct CalledUop {
    UopFn *fn;
    uint64_t count;
    uint32_t key;
    uint8_t len, bytes[CALLED_BYTES];
} CalledUop;

typedef struct TranslateStatistics {
    uint64_t translations, guest_bytes, host_bytes; /* since the start */
    uint64_t drops;                                 /* of the whole cache */
    uint64_t links, bails, calls;
    unsigned called_count;
    CalledUop
        called[CALLED_SLOTS]; /* hash table with open addressing; full: others are not counted */
} TranslateStatistics;

/* Micro-operation @number of @b, whose function is @fn, was run by the interpreter. */
void statistics_called(TranslateStatistics *st, const SoftBlock *b, unsigned number, UopFn *fn);
/* All of one vCPU, to the end of @out. */
void statistics_describe(const SoftCpu *s, GString *out);

#endif
