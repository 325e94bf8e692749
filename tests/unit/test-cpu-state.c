/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a snapshot keeps of a processor. */
#include <string.h>

#include "target/i386/cpu.h"

/* Any value will do for a model-specific register, and each is there again. */
static void test_msrs(void)
{
    static X86Cpu from, to;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    uint8_t *msrs = (uint8_t *)&from.msr;

    for (size_t i = 0; i < sizeof(from.msr); i++) {
        msrs[i] = (uint8_t)(i * 7 + 1);
    }
    state_save(&x86_cpu_state, &from, bytes);
    state_load(&x86_cpu_state, &to, bytes->data, bytes->len, &err);
    g_assert_no_error(err);
    g_assert_cmpmem(&from.msr, sizeof(from.msr), &to.msr, sizeof(to.msr));
}

static void test_extended_registers(void)
{
    static X86Cpu from, to;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) err = NULL;

    for (size_t i = 0; i < sizeof(from.ymm_high); i++) {
        from.ymm_high[i / 16][i % 16] = (uint8_t)(i * 5 + 1);
    }
    from.pkru = 0x89abcdef;
    from.xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_PKRU;
    state_save(&x86_cpu_state, &from, bytes);
    state_load(&x86_cpu_state, &to, bytes->data, bytes->len, &err);
    g_assert_no_error(err);
    g_assert_cmpmem(from.ymm_high, sizeof(from.ymm_high), to.ymm_high, sizeof(to.ymm_high));
    g_assert_cmphex(to.pkru, ==, from.pkru);
    g_assert_cmphex(to.xcr0, ==, from.xcr0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-state/msrs", test_msrs);
    g_test_add_func("/cpu-state/extended-registers", test_extended_registers);
    return g_test_run();
}
