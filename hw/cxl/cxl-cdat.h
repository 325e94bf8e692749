/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Coherent Device Attribute Tables (CDAT 1.03): what software is told of a device's or a switch's
 * memory. A table is an array of GBytes, the header first, then each of its structures.
 */
#ifndef HW_CXL_CXL_CDAT_H
#define HW_CXL_CXL_CDAT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Of a device with @volatile_size bytes of memory, and behind that @persistent_size that last. */
GPtrArray *cxl_cdat_of_memory(uint64_t volatile_size, uint64_t persistent_size);
/* Of a switch with @count downstream ports of those numbers. */
GPtrArray *cxl_cdat_of_switch(const uint16_t *ports, unsigned count);
/* That in @file; @entries is NULL if @file is. An error if it cannot be read, or is no such table.
 */
bool cxl_cdat_load(const char *file, GPtrArray **entries, GError **errp);

#endif
