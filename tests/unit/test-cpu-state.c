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

/* An exception that was taken and not delivered yet; a state from before there was such a thing has
 * none. */
static void test_event(void)
{
    static X86Cpu from, to;
    g_autoptr(GByteArray) bytes = g_byte_array_new(), old = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    StateTable version2 = x86_cpu_state;
    g_autoptr(GArray) fields = g_array_new(TRUE, FALSE, sizeof(StateField));

    from.event.valid = from.event.has_error = true;
    from.event.vector = 14;
    from.event.error = 0x12345678;
    state_save(&x86_cpu_state, &from, bytes);
    state_load(&x86_cpu_state, &to, bytes->data, bytes->len, &err);
    g_assert_no_error(err);
    g_assert_true(to.event.valid && to.event.has_error && !to.event.external);
    g_assert_cmpuint(to.event.vector, ==, 14);
    g_assert_cmphex(to.event.error, ==, 0x12345678);

    for (const StateField *field = x86_cpu_state.fields; field->name; field++) {
        if (field->since <= 2) {
            g_array_append_val(fields, *field);
        }
    }
    version2.version = 2;
    version2.fields = (const StateField *)(void *)fields->data;
    memset(&to, 0, sizeof(to));
    state_save(&version2, &from, old);
    state_load(&x86_cpu_state, &to, old->data, old->len, &err);
    g_assert_no_error(err);
    g_assert_false(to.event.valid);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu-state/msrs", test_msrs);
    g_test_add_func("/cpu-state/extended-registers", test_extended_registers);
    g_test_add_func("/cpu-state/event", test_event);
    return g_test_run();
}
