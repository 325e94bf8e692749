/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory types that a kernel without firmware finds, looked up as a processor does. */
#include <glib.h>

#include "hw/i386/mtrr.h"
#include "util/units.h"

enum { UC = 0, WP = 5, WB = 6 };

/* Memory type of an address above 1 MiB (SDM vol. 3 section 12.11.4.1); -1: the registers are not
 * valid there. */
static int type_of(const X86Cpu *cpu, uint64_t addr)
{
    int found = -1;

    for (unsigned i = 0; i < G_N_ELEMENTS(cpu->msr.mtrr_var); i += 2) {
        uint64_t mask = cpu->msr.mtrr_var[i + 1];
        uint64_t base = cpu->msr.mtrr_var[i];

        if ((mask & 0x800) && (addr & mask & ~0xfffull) == (base & mask & ~0xfffull)) {
            int type = base & 0xff;
            found = found >= 0 && found != type ? UC : type;
        }
    }
    return found >= 0 ? found : (int)(cpu->msr.mtrr_def_type & 0xff);
}

static void test_types(void)
{
    /* Ends of low RAM: of small guests, of both machines with much, odd ones. */
    static const uint64_t ends[] = { GIB / 64,      GIB / 2,          GIB,
                                     2 * GIB,       3 * GIB,          7 * GIB / 2,
                                     GIB + GIB / 8, GIB / 2 + 0x1000, 3 * GIB - (1 << 20) };
    static const unsigned widths[] = { 36, 40, 46, 52 };

    for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
        X86Cpu cpu = { .model.phys_bits = (uint8_t)widths[i % G_N_ELEMENTS(widths)] };
        uint64_t hole = (ends[i] + GIB / 4 - 1) / (GIB / 4) * (GIB / 4);

        mtrr_set_up(&cpu, ends[i]);
        g_assert_cmphex(cpu.msr.mtrr_def_type, ==, 0xc06);
        for (uint64_t addr = 1 << 20; addr < 6 * GIB; addr += 16 << 20) {
            g_assert_cmpint(type_of(&cpu, addr), ==, addr >= hole && addr < 4 * GIB ? UC : WB);
        }
        g_assert_cmpint(type_of(&cpu, 0xfee00000), ==, UC);
        g_assert_cmpint(type_of(&cpu, 4 * GIB - 1), ==, UC);
        g_assert_cmpint(type_of(&cpu, ends[i] - 1), ==, WB);
        for (unsigned n = 0; n < G_N_ELEMENTS(cpu.msr.mtrr_var); n++) {
            g_assert_cmphex(cpu.msr.mtrr_var[n] >> cpu.model.phys_bits, ==, 0);
        }
        g_assert_cmphex(cpu.msr.mtrr_fixed[0], ==, 0x0606060606060606); /* RAM */
        g_assert_cmphex(cpu.msr.mtrr_fixed[2], ==, 0);                  /* 0xa0000: VGA */
        g_assert_cmphex(cpu.msr.mtrr_fixed[10], ==, 0x0505050505050505);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/mtrr/types", test_types);
    return g_test_run();
}
