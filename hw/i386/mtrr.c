/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/mtrr.h"

#include <string.h>

#include "hw/i386/e820.h"

/* IA32_MTRR_DEF_TYPE and IA32_MTRR_PHYSMASKn (SDM vol. 3 section 12.11.2). */
#define MTRR_ENABLE       (1u << 11)
#define MTRR_FIXED_ENABLE (1u << 10)
#define MTRR_MASK_VALID   (1u << 11)

enum {
    TYPE_UC = 0,
    TYPE_WP = 5,
    TYPE_WB = 6,
};

/* A variable range begins at a multiple of its size. With this granularity the registers suffice:
 * a hole of 4 GiB less this is four ranges. */
#define HOLE_GRANULARITY (UINT64_C(256) << 20)

/* Eight ranges of one type. */
static uint64_t eight(uint64_t type)
{
    return type * UINT64_C(0x0101010101010101);
}

static void set_fixed(X86Cpu *cpu)
{
    static const uint8_t types[G_N_ELEMENTS(cpu->msr.mtrr_fixed)] = {
        TYPE_WB, TYPE_WB, TYPE_UC,                                              /* RAM, VGA */
        TYPE_WP, TYPE_WP, TYPE_WP, TYPE_WP, TYPE_WP, TYPE_WP, TYPE_WP, TYPE_WP, /* from 0xc0000 */
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        cpu->msr.mtrr_fixed[i] = eight(types[i]);
    }
}

void mtrr_set_up(X86Cpu *cpu, uint64_t below_4g)
{
    uint64_t addresses = (UINT64_C(1) << cpu->model.phys_bits) - 1;
    uint64_t at = (below_4g + HOLE_GRANULARITY - 1) & ~(HOLE_GRANULARITY - 1);

    set_fixed(cpu);
    memset(cpu->msr.mtrr_var, 0, sizeof(cpu->msr.mtrr_var));
    for (unsigned i = 0; at < FOUR_GIB && i < G_N_ELEMENTS(cpu->msr.mtrr_var); i += 2) {
        uint64_t size = at & -at;

        cpu->msr.mtrr_var[i] = at | TYPE_UC;
        cpu->msr.mtrr_var[i + 1] = (addresses & ~(size - 1)) | MTRR_MASK_VALID;
        at += size;
    }
    cpu->msr.mtrr_def_type = MTRR_ENABLE | MTRR_FIXED_ENABLE | TYPE_WB;
}
