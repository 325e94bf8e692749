/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers of 4 bytes each, at multiples of 4: what a guest's accesses of other sizes are of them.
 */
#ifndef HW_CORE_DWORD_REGISTERS_H
#define HW_CORE_DWORD_REGISTERS_H

#include "memory/memory.h"

/* The register at @offset. */
typedef uint32_t DwordRead(void *opaque, unsigned offset);
typedef void DwordWrite(void *opaque, unsigned offset, uint32_t value);

/* @size bytes at @addr, of one register or of two that follow each other. */
static inline uint64_t dword_registers_read(DwordRead *read, void *opaque, hwaddr addr,
                                            unsigned size)
{
    unsigned offset = (unsigned)addr & ~3u;
    uint64_t value = read(opaque, offset);

    if ((addr & 3) + size > 4) {
        value |= (uint64_t)read(opaque, offset + 4) << 32;
    }
    return value >> 8 * (addr & 3);
}

/* Only whole registers are written, one or two, the lower one first. */
static inline void dword_registers_write(DwordWrite *write, void *opaque, hwaddr addr,
                                         uint64_t value, unsigned size)
{
    if (size >= 4 && addr % 4 == 0) {
        write(opaque, (unsigned)addr, (uint32_t)value);
        if (size == 8) {
            write(opaque, (unsigned)addr + 4, (uint32_t)(value >> 32));
        }
    }
}

#endif
