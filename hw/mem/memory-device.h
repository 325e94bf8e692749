/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory devices: what is plugged into the device memory window, a part of guest-physical space.
 *
 * A device type is one by DeviceClass.memory. Those that are plugged are in one list, sorted by
 * address, which the machine keeps: whoever wants to know (ACPI, SMBIOS, e820, commands) reads it.
 * Nothing here depends on the size of the window, nor on how many other objects there are. Machine
 * lock for everything.
 */
#ifndef HW_MEM_MEMORY_DEVICE_H
#define HW_MEM_MEMORY_DEVICE_H

#include "backends/host-memory-backend.h"
#include "hw/core/machine.h"
#include "qapi/qapi-types.h"

/* Least alignment of a memory device's address, bytes: a large page. */
#define MEMORY_DEVICE_ALIGN (2ull << 20)

typedef struct MemoryDeviceOps MemoryDeviceOps;

/* One memory device: what it asks for, and while it is plugged, what it has. */
typedef struct MemoryDevice {
    Device *dev; /* borrowed */
    const MemoryDeviceOps *ops;
    hwaddr addr;    /* 0: any will do */
    uint64_t size;  /* bytes of the window, > 0 */
    uint64_t align; /* of address and size, a power of 2; MEMORY_DEVICE_ALIGN is the least */
    uint32_t node;  /* NUMA node */
    const HostMemoryBackend *backend; /* of its memory; NULL: none is known */
    /* Ranges of RAM that it may be for the engine; 0: one. */
    unsigned memslots;
    /* Cold-plugged, and in the memory map that the guest is given at boot, as RAM. */
    bool boot;
    /* What is no whole block of a Linux guest (guest_memory_block_size()) is of no use to it. */
    bool in_guest_blocks;
} MemoryDevice;

struct MemoryDeviceOps {
    /* May it be plugged, as far as it alone can tell? Called before all else. NULL: yes. */
    bool (*check)(const Device *dev, GError **errp);
    /* Fill in what @dev asks for: everything but dev and ops. None of it changes while it is
     * realized. */
    void (*request)(const Device *dev, MemoryDevice *md);
    /* It is going to be at @addr. */
    void (*place)(Device *dev, hwaddr addr);
    /* What is mapped there, of the size that was asked for. */
    MemoryRegion *(*region)(Device *dev);
    /* Bytes of it that the guest has, or may have; NULL: all of its size. */
    uint64_t (*plugged_size)(const Device *dev);
    /* Tell users of it (query-memory-devices). */
    void (*describe)(const Device *dev, MemoryDeviceInfo *info);
};

/* Linux's boot protocol has room for 128 ranges of memory, of which boards need up to 9: boot
 * memory devices that do not lie side by side, at most. */
#define MEMORY_DEVICE_BOOT_RANGES 119

/* Give @machine a window of @size bytes at @base (multiples of MEMORY_DEVICE_ALIGN) and put its
 * region into system memory. Once. size 0: no window, nothing is done. */
void memory_device_window_init(Machine *machine, hwaddr base, uint64_t size);

/* Where a window belongs for a machine whose RAM above 4 GiB ends at @ram_end (0: none): rounded up
 * to 1 GiB, at least 4 GiB. And its size: ram.max_size - ram.size plus 1 GiB a slot, or 0 if
 * nothing can be plugged (ram.max_size == ram.size). Overflow-free for any -m that was accepted:
 * saturates.
 */
hwaddr memory_device_window_base(const Machine *machine, hwaddr ram_end);
uint64_t memory_device_window_size(const Machine *machine);

/* What is plugged, sorted by address: of MemoryDevice. Borrowed, until the next one comes or goes;
 * never NULL. */
const GArray *memory_devices(const Machine *machine);
static inline const MemoryDevice *memory_device_at(const GArray *devices, unsigned i)
{
    return &g_array_index(devices, MemoryDevice, i);
}

/* What the guest has of memory devices, bytes ("plugged-memory"). */
uint64_t memory_device_plugged_size(const Machine *machine);

/* Can @memdev, a memory backend or NULL, be that of a memory device? An error says what is wrong:
 * there is none, it is in use, it has no memory that the guest may write to. */
bool memory_device_check_memdev(const Object *memdev, GError **errp);

/* Fill in what a device asks for that has all of @backend, at @addr (0: any will do). */
void memory_device_request_backend(MemoryDevice *md, const HostMemoryBackend *backend, hwaddr addr);
/* How users are told of @memdev, a memory backend: its path, or "". g_free. */
char *memory_device_memdev_path(const Object *memdev);

/* The device that users know for @dev: the one that it is a part of, else itself. */
Device *memory_device_owner(const Device *dev);

/* The handler of memory devices that need no slot. */
extern const HotplugHandler memory_device_hotplug;

/* Somebody who has to take each range of memory as well, and may not be able to: asked before
 * anything is plugged. An error says why not. */
typedef struct MemoryGuard MemoryGuard;
struct MemoryGuard {
    bool (*check)(MemoryGuard *guard, const Machine *machine, const MemoryDevice *md,
                  GError **errp);
    /* Ranges that it can still take. */
    unsigned (*room)(MemoryGuard *guard, const Machine *machine);
    /* It has not taken yet what was mapped: the guest must not use that before. NULL: it always
     * has. */
    bool (*busy)(MemoryGuard *guard);
    MemoryGuard *next; /* private */
};
void memory_device_add_guard(MemoryGuard *guard);
void memory_device_remove_guard(MemoryGuard *guard);
/* Ranges that all of them can still take; UINT_MAX: there are none of them. */
unsigned memory_device_room(const Machine *machine);
/* Call @fn(@opaque) as soon as all of them have taken what is mapped: at once, or later from the
 * main loop. And do not any more; harmless where it was not asked for. */
void memory_device_when_settled(void (*fn)(void *opaque), void *opaque);
void memory_device_forget_settled(void (*fn)(void *opaque), void *opaque);
/* Have they? */
bool memory_device_is_settled(void);
/* One of them has, or goes. */
void memory_device_settled(void);

/* ---- what a HotplugHandler calls ---- */

/* pre_plug, when the type's own checks are made: find a place for @dev, the lowest free one or the
 * one that it asks for, and tell it. Errors, each beginning with the device's name, and nothing is
 * changed: no window, a node that there is not, maxmem would be passed, outside of the window,
 * misaligned, overlapping, no room, too many boot ranges, no memslot left of the engine, a guard
 * that cannot take it. */
bool memory_device_pre_plug(Machine *machine, Device *dev, GError **errp);
/* plug: put it into the list and map it. */
void memory_device_plug(Machine *machine, Device *dev);
/* unplug: undo that. When it returns no vCPU can reach the memory any more. */
void memory_device_unplug(Machine *machine, Device *dev);

/* The list alone, without a mapping; parts of the above, and for tests. */
void memory_device_list_add(Machine *machine, Device *dev);
void memory_device_list_remove(Machine *machine, Device *dev);

#endif
