/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arithmetic flags. The host is x86-64, so a flag-setting instruction is run with the host's own,
 * and its flags are kept the way LAHF and SETO give them (SoftFlags.ax: AH = SF ZF - AF - PF - CF,
 * AL = OF): cheap to take, exact in every case, and easy to put back (SOFT_ASM_RESTORE).
 * SoftCpu.cpu.rflags has stale values of these six bits while the CPU runs.
 */
#ifndef ACCEL_SOFT_FLAGS_H
#define ACCEL_SOFT_FLAGS_H

#include "accel/soft/soft.h"

/* Bits of SoftFlags.ax. */
enum {
    AX_OF = 1 << 0,
    AX_CF = 1 << 8,
    AX_PF = 1 << 10,
    AX_AF = 1 << 12,
    AX_ZF = 1 << 14,
    AX_SF = 1 << 15,
};

/* The same in RFLAGS. */
#define SOFT_ARITH_FLAGS 0x8d5u

/* Pieces of asm templates; the flags are in AX. */
#define SOFT_ASM_SAVE "\n\tlahf\n\tseto %%al"
#define SOFT_ASM_RESTORE                                                           \
    "addb $0x7f, %%al\n\tsahf\n\t"        /* 1 + 0x7f overflows, 0 + 0x7f does not \
                                           */
#define SOFT_ASM_CARRY "btw $8, %%ax\n\t" /* CF alone */

static inline uint16_t soft_flags_to_ax(uint64_t rflags)
{
    return (uint16_t)((rflags & 0xd5) << 8 | (rflags >> 11 & 1));
}

static inline uint64_t soft_flags_from_ax(uint16_t ax)
{
    return (uint64_t)(ax >> 8 & 0xd5) | (uint64_t)(ax & AX_OF) << 11;
}

/* Condition code @cc (0-15, as in the low bits of Jcc's opcode). */
static inline bool soft_condition(uint16_t ax, unsigned cc)
{
    bool value = false;
    switch (cc >> 1) {
    case 0:
        value = ax & AX_OF;
        break;
    case 1:
        value = ax & AX_CF;
        break;
    case 2:
        value = ax & AX_ZF;
        break;
    case 3:
        value = ax & (AX_CF | AX_ZF);
        break;
    case 4:
        value = ax & AX_SF;
        break;
    case 5:
        value = ax & AX_PF;
        break;
    case 6:
        value = (ax >> 15) != (ax & AX_OF);
        break;
    case 7:
        value = (ax & AX_ZF) || (ax >> 15) != (ax & AX_OF);
        break;
    }
    return value != (cc & 1);
}

#endif
