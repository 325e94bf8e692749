/* SPDX-License-Identifier: GPL-2.0-or-later */
/* perf-map=on: /tmp/perf-PID.map, by which perf names translated code. Any thread. */
#ifndef ACCEL_SOFT_TRANSLATE_PERF_MAP_H
#define ACCEL_SOFT_TRANSLATE_PERF_MAP_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Make the file, unless it is there already. */
bool perf_map_open(GError **errp);
/* Host code at [@start, @start + @size) is @name; nothing happens without a file. */
void perf_map_add(const uint8_t *start, size_t size, const char *name);
/* ... is the block at @rip. */
void perf_map_add_block(const uint8_t *start, size_t size, uint64_t rip);

#endif
