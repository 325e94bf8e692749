/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device memory window: the part of guest-physical space that memory devices are plugged into.
 *
 * Nothing here depends on the size of the window: free space is found by walking the plugged
 * devices in order of address. What is plugged is read from the object tree each time (DESIGN
 * decision 1). Machine lock for everything.
 */
#ifndef HW_MEM_MEMORY_DEVICE_H
#define HW_MEM_MEMORY_DEVICE_H

#include "hw/core/machine.h"

/* Least alignment of a memory device's address, bytes: a large page. */
#define MEMORY_DEVICE_ALIGN (2ull << 20)

/* One plugged memory device. */
typedef struct MemoryDeviceRange {
    hwaddr addr;
    uint64_t size; /* bytes, > 0 */
    Device *dev;   /* borrowed */
} MemoryDeviceRange;

/* Give @machine a window of @size bytes at @base (multiples of MEMORY_DEVICE_ALIGN) and put its
 * region into system memory. Once. size 0: no window, nothing is done. */
void memory_device_window_init(Machine *machine, hwaddr base, uint64_t size);

/* Where a window belongs for a machine whose RAM above 4 GiB ends at @ram_end (0: none): rounded up
 * to 1 GiB, at least 4 GiB. And its size: maxram_size - ram_size plus 1 GiB a slot, or 0 if nothing
 * can be plugged (maxram_size == ram_size). Overflow-free for any -m that was accepted: saturates.
 */
hwaddr memory_device_window_base(const Machine *machine, hwaddr ram_end);
uint64_t memory_device_window_size(const Machine *machine);

/* Realized memory devices, sorted by address: GArray of MemoryDeviceRange; g_array_unref. */
GArray *memory_device_ranges(Machine *machine);

/* Sum of the sizes of the realized memory devices, bytes ("plugged-memory"). */
uint64_t memory_device_plugged_size(Machine *machine);

/* Find a place for @size bytes. @hint 0: the lowest free address that is a multiple of
 * max(MEMORY_DEVICE_ALIGN, @align); else @hint itself, which is checked against window, alignment
 * and neighbours. @align: what the backend asks for, a power of 2; it holds
 * for the size, too. @what names the device in errors
 * ("pc-dimm 'd0'"). Errors: no window, plugged size would pass maxmem, outside the window,
 * misaligned, overlapping, no room. */
bool memory_device_place(Machine *machine, const char *what, uint64_t size, uint64_t align,
                         hwaddr hint, hwaddr *addr, GError **errp);

#endif
