/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files about NUMA share: private to hw/core.
 */
#ifndef HW_CORE_NUMA_INTERNAL_H
#define HW_CORE_NUMA_INTERNAL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* That @value, of @key, is at most @max. */
bool numa_check_number(const char *key, uint64_t value, uint64_t max, GError **errp);

#endif
