/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sizes in bytes. What prints them divides: PRIu64 goes with the quotient, and with any uint64_t.
 */
#ifndef UTIL_UNITS_H
#define UTIL_UNITS_H

#include <stdint.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

#endif
