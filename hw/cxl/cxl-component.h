/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Component registers (Compute Express Link 3.0, section 8.2.4): the block of 64 KiB that host
 * bridges, ports and devices have, with RAS, link and security registers, and HDM decoders, by
 * which software says where memory is seen. Machine lock for everything.
 *
 * A decoder can be committed when those before it are, and none behind it, its range lies behind
 * theirs, and, of a device, there is as much memory; else it says so by its error bit. A committed
 * one does not change until it is released.
 */
#ifndef HW_CXL_CXL_COMPONENT_H
#define HW_CXL_CXL_COMPONENT_H

#include "hw/cxl/cxl-regs.h"
#include "memory/memory.h"
#include "util/state.h"

typedef enum CxlRole {
    CXL_HOST_BRIDGE,
    CXL_ROOT_PORT,
    CXL_UPSTREAM_PORT,
    CXL_DOWNSTREAM_PORT,
    CXL_DEVICE,
} CxlRole;

/* Part of a component's structure. */
typedef struct CxlComponent {
    uint32_t regs[CXL_CACHE_MEM_SIZE / 4];
    uint64_t dpa[CXL_DECODERS]; /* a device's address where a committed decoder's range begins */
    /* wiring */
    MemoryRegion region; /* CXL_COMPONENT_SIZE bytes */
    CxlRole role;
    bool decoders;     /* there are some: not where there is nothing to choose from */
    uint64_t capacity; /* of a device: bytes of memory */
} CxlComponent;

extern const StateTable cxl_component_state;

/* A committed decoder. */
typedef struct CxlDecoder {
    hwaddr base;
    uint64_t size;
    unsigned ways;        /* 1: all of it is from one target */
    uint64_t granularity; /* bytes */
    uint64_t dpa;         /* of a device: its address at the base */
    uint8_t targets[CXL_DECODER_TARGETS];
} CxlDecoder;

/* Make the region, called @name; the registers are as after a reset. */
void cxl_component_init(CxlComponent *component, CxlRole role, const char *name);
void cxl_component_destroy(CxlComponent *component);
void cxl_component_reset(CxlComponent *component);

/* The committed decoder @n (below CXL_DECODERS), if it has a size: false: there is none. */
bool cxl_component_decoder(const CxlComponent *component, unsigned n, CxlDecoder *decoder);
/* The one that @addr is in. */
bool cxl_component_decoder_at(const CxlComponent *component, hwaddr addr, CxlDecoder *decoder);
/* Has the device been told to use its decoders? */
bool cxl_component_is_enabled(const CxlComponent *component);

/* Which of @ways (1, 2, 4, 8, 16, 3, 6, 12) targets has @addr, where they alternate by
 * @granularity. */
unsigned cxl_interleave_target(unsigned ways, uint64_t granularity, hwaddr addr);
/* Of ways as registers and tables have them; 0: no such code. */
unsigned cxl_interleave_ways(unsigned code);
/* The code of @ways; UINT_MAX: no such number is possible. */
unsigned cxl_interleave_code(unsigned ways);

#endif
