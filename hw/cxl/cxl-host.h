/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine's part of CXL: fixed memory windows, and the registers of host bridges.
 *
 * A fixed memory window is a range of guest-physical addresses whose accesses go to one or more
 * host bridges, which take turns by its granularity. What comes then is said by HDM decoders
 * (hw/cxl/cxl-component.h): of the bridge, of switches, and of the device. Where on the way nothing
 * takes turns, the device's memory is in the memory map as RAM; elsewhere each access finds its way
 * anew. What leads nowhere reads as ones, and writes to it are dropped. Machine lock for
 * everything.
 */
#ifndef HW_CXL_CXL_HOST_H
#define HW_CXL_CXL_HOST_H

#include "hw/pci/pci.h"

#define CXL_HOST_BRIDGES 16 /* at most */

typedef struct CxlWindow {
    struct CxlHost *host;
    GStrv targets; /* ids of pxb-cxl, in their order */
    unsigned ways; /* how many they are */
    uint64_t granularity, size;
    hwaddr base;
    MemoryRegion region, io; /* at the base, and in it for what is not in the memory map as RAM */
} CxlWindow;

typedef struct CxlHost {
    GPtrArray *windows; /* of CxlWindow */
    hwaddr registers;   /* of host bridges, CXL_COMPONENT_SIZE bytes each */
    MemoryRegion region;
    bool used[CXL_HOST_BRIDGES];
    GPtrArray *maps; /* what of devices' memory is in the memory map */
} CxlHost;

/* Check what the user says of windows: @options, of CXLFixedMemoryWindowOptions. */
bool cxl_host_check(const GPtrArray *options, GError **errp);
/* Make the machine's, once; NULL: no windows. The registers, and then the windows, lie from @start
 * on; cxl_host_end(). */
CxlHost *cxl_host_create(const GPtrArray *options, hwaddr start);
void cxl_host_free(CxlHost *host); /* NULL is fine */
/* What cxl_host_create() would take: the first address behind it; UINT64_MAX: too much. */
hwaddr cxl_host_end(const GPtrArray *options, hwaddr start);
/* Put windows and registers into @system. */
void cxl_host_map(CxlHost *host, MemoryRegion *system);
/* When all devices are there: are the targets? */
bool cxl_host_check_targets(const CxlHost *host, GError **errp);
/* That of the machine; NULL: it has no CXL. */
CxlHost *cxl_host_current(void);

/* Target @n of @window: the root bus of a host bridge; NULL: there is none of that id. */
PciBus *cxl_window_target(const CxlWindow *window, unsigned n);

/* A place for the registers of a host bridge: false: there is none left. */
bool cxl_host_take(CxlHost *host, MemoryRegion *registers, hwaddr *addr, GError **errp);
void cxl_host_give_back(CxlHost *host, MemoryRegion *registers, hwaddr addr);

/* Decoders have changed, or devices: bring the memory map in line. */
void cxl_host_update(void);

#endif
