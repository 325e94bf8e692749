/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PM block: registers, SCI, timer, power button, soft-off. */
#include "hw/core/runstate.h"
#include "tests/unit/mem-machine.h"
#include "util/clock.h"
#include "util/main-loop.h"
#include "util/timer.h"

#define GPE_EN (ACPI_GPE0_PORT_PC + 2)

static Machine *machine;

static void setup(void)
{
    machine = mem_machine_new("128M");
    sci_level = 0;
}

static void teardown(void)
{
    mem_machine_free(machine);
}

static void test_power_button(void)
{
    setup();
    acpi_pm_power_button(pm);
    g_assert_cmpint(sci_level, ==, 0);
    g_assert_cmphex(in(ACPI_PM1_EVT_PORT, 2), ==, ACPI_PM1_PWRBTN);
    out(ACPI_PM1_EVT_PORT + 2, ACPI_PM1_PWRBTN, 2);
    g_assert_cmpint(sci_level, ==, 1);
    out(ACPI_PM1_EVT_PORT, ACPI_PM1_GBL, 2); /* another bit */
    g_assert_cmpint(sci_level, ==, 1);
    out(ACPI_PM1_EVT_PORT, ACPI_PM1_PWRBTN, 2);
    g_assert_cmpint(sci_level, ==, 0);
    g_assert_cmphex(in(ACPI_PM1_EVT_PORT, 4), ==, (uint32_t)ACPI_PM1_PWRBTN << 16);
    teardown();
}

static void test_parts(void)
{
    setup();
    out(ACPI_PM1_EVT_PORT + 3, ACPI_PM1_PWRBTN >> 8, 1);
    out(ACPI_PM1_EVT_PORT + 2, ACPI_PM1_GBL, 1); /* the other byte stays */
    g_assert_cmphex(in(ACPI_PM1_EVT_PORT + 2, 2), ==, ACPI_PM1_PWRBTN | ACPI_PM1_GBL);
    g_assert_cmphex(in(ACPI_PM1_EVT_PORT + 3, 1), ==, ACPI_PM1_PWRBTN >> 8);
    acpi_pm_power_button(pm);
    out(ACPI_PM1_EVT_PORT + 1, ACPI_PM1_PWRBTN >> 8, 1);
    g_assert_cmphex(in(ACPI_PM1_EVT_PORT, 2), ==, 0);
    for (unsigned at = 0xc; at < ACPI_PM_SIZE; at += 4) {
        g_assert_cmphex(in(ACPI_PM_BASE + at, 4), ==, 0);
    }
    teardown();
}

/* There was something for the guest, and it is over already. */
static void raise_gpe(unsigned n)
{
    acpi_pm_set_gpe(pm, n, true);
    acpi_pm_set_gpe(pm, n, false);
}

/* The status follows what is pending, and the SCI follows the enable. */
static void test_gpe_pending(void)
{
    setup();
    acpi_pm_set_gpe(pm, ACPI_GPE_MEMORY_HOTPLUG, true);
    out(ACPI_GPE0_PORT_PC, 0xffff, 2);
    g_assert_cmphex(in(ACPI_GPE0_PORT_PC, 4), ==, 1u << 3);
    g_assert_cmpint(sci_level, ==, 0);
    out(ACPI_SMI_CMD_PORT, ACPI_ENABLE_CMD, 1);
    out(GPE_EN, 1u << 3, 2);
    g_assert_cmpint(sci_level, ==, 1);
    out(ACPI_GPE0_PORT_PC, 1u << 3, 1);
    g_assert_cmpint(sci_level, ==, 1);
    /* As a handler does: disable, clear, take what there is, enable. */
    out(GPE_EN, 0, 2);
    g_assert_cmpint(sci_level, ==, 0);
    out(ACPI_GPE0_PORT_PC, 1u << 3, 1);
    acpi_pm_set_gpe(pm, ACPI_GPE_MEMORY_HOTPLUG, false);
    g_assert_cmphex(in(ACPI_GPE0_PORT_PC, 1), ==, 0);
    out(GPE_EN, 1u << 3, 2);
    g_assert_cmpint(sci_level, ==, 0);
    acpi_pm_set_gpe(pm, ACPI_GPE_MEMORY_HOTPLUG, true);
    g_assert_cmpint(sci_level, ==, 1);
    /* It outlives a reset of this block alone, as long as the device has it. */
    acpi_gpe_reset(&pm->gpe);
    g_assert_cmpint(sci_level, ==, 0);
    g_assert_cmphex(in(ACPI_GPE0_PORT_PC, 4), ==, 1u << 3);
    teardown();
}

static void test_gpe(void)
{
    setup();
    raise_gpe(ACPI_GPE_MEMORY_HOTPLUG);
    g_assert_cmphex(in(ACPI_GPE0_PORT_PC, 4), ==, 1u << 3);
    g_assert_cmpint(sci_level, ==, 0);
    out(GPE_EN, 1u << 3, 2);
    g_assert_cmpint(sci_level, ==, 1);
    raise_gpe(15);
    raise_gpe(16); /* there is none */
    g_assert_cmphex(in(ACPI_GPE0_PORT_PC, 4), ==, 0x00088008);
    out(ACPI_GPE0_PORT_PC, 1u << 3, 4); /* also clears the enables, as the guest asks */
    g_assert_cmpint(sci_level, ==, 0);
    g_assert_cmphex(in(ACPI_GPE0_PORT_PC, 4), ==, 0x8000);
    machine_reset(machine);
    g_assert_cmphex(in(ACPI_GPE0_PORT_PC, 4), ==, 0);
    teardown();
}

static void test_acpi_enable(void)
{
    setup();
    g_assert_cmphex(in(ACPI_PM1_CNT_PORT, 2) & ACPI_PM1_SCI_EN, ==, 0);
    out(ACPI_SMI_CMD_PORT, ACPI_ENABLE_CMD, 1);
    g_assert_cmphex(in(ACPI_PM1_CNT_PORT, 2), ==, ACPI_PM1_SCI_EN);
    out(ACPI_PM1_CNT_PORT, ACPI_PM1_BM_RLD, 2); /* cannot clear SCI_EN */
    g_assert_cmphex(in(ACPI_PM1_CNT_PORT, 2), ==, ACPI_PM1_SCI_EN | ACPI_PM1_BM_RLD);
    out(ACPI_SMI_CMD_PORT, ACPI_DISABLE_CMD, 1);
    g_assert_cmphex(in(ACPI_PM1_CNT_PORT, 2), ==, ACPI_PM1_BM_RLD);
    out(ACPI_SMI_CMD_PORT, 0x77, 1);
    out(ACPI_SMI_STS_PORT, 0x55, 1);
    g_assert_cmphex(in(ACPI_SMI_CMD_PORT, 2), ==, 0x5577);
    acpi_pm_set_sci_enabled(pm, true);
    machine_reset(machine);
    g_assert_cmphex(in(ACPI_PM1_CNT_PORT, 2), ==, 0);
    teardown();
}

static void test_timer(void)
{
    uint32_t start;
    int64_t base;

    setup();
    base = clock_ns();
    start = in(ACPI_PM_TMR_PORT, 4);
    timers_step_to(base + NS_PER_SEC);
    g_assert_cmpint((int64_t)(in(ACPI_PM_TMR_PORT, 4) - start) - ACPI_PM_TMR_HZ, <=, 1);
    g_assert_cmpint((int64_t)(in(ACPI_PM_TMR_PORT, 4) - start) - ACPI_PM_TMR_HZ, >=, -1);
    g_assert_cmphex(in(ACPI_PM_TMR_PORT + 2, 2), ==, in(ACPI_PM_TMR_PORT, 4) >> 16);
    out(ACPI_PM_TMR_PORT, 0, 4); /* read-only */
    g_assert_cmphex(in(ACPI_PM_TMR_PORT, 4), !=, 0);
    /* The top bit changes after 2^31 ticks, 599.9 s: TMR_STS, polled and by interrupt. */
    g_assert_cmphex(in(ACPI_PM1_EVT_PORT, 2), ==, 0);
    timers_step_to(600 * NS_PER_SEC);
    g_assert_cmphex(in(ACPI_PM_TMR_PORT, 4) >> 31, ==, 1);
    g_assert_cmphex(in(ACPI_PM1_EVT_PORT, 2), ==, ACPI_PM1_TMR);
    g_assert_cmpint(sci_level, ==, 0);
    out(ACPI_PM1_EVT_PORT, ACPI_PM1_TMR, 2);
    out(ACPI_PM1_EVT_PORT + 2, ACPI_PM1_TMR, 2);
    g_assert_cmpint(sci_level, ==, 0);
    timers_step_to(1199 * NS_PER_SEC);
    g_assert_cmpint(sci_level, ==, 0);
    timers_step_to(1200 * NS_PER_SEC);
    g_assert_cmpint(sci_level, ==, 1);
    g_assert_cmphex(in(ACPI_PM_TMR_PORT, 4) >> 31, ==, 0);
    out(ACPI_PM1_EVT_PORT, ACPI_PM1_TMR, 2);
    g_assert_cmpint(sci_level, ==, 0);
    teardown();
}

static void test_soft_off(void)
{
    setup();
    events_start();
    out(ACPI_PM1_CNT_PORT, ACPI_PM1_SLP_EN | 1u << ACPI_PM1_SLP_TYP_SHIFT, 2); /* no such state */
    while (main_loop_iterate(false)) {
    }
    assert_events("");
    out(ACPI_PM1_CNT_PORT, ACPI_PM1_SLP_EN | ACPI_SLP_TYP_S5 << ACPI_PM1_SLP_TYP_SHIFT, 2);
    g_assert_cmphex(in(ACPI_PM1_CNT_PORT, 2) & ACPI_PM1_SLP_EN, ==, 0);
    while (main_loop_iterate(false)) {
    }
    g_assert_nonnull(strstr(events->str, "SHUTDOWN"));
    g_assert_nonnull(strstr(events->str, "guest-shutdown"));
    qapi_event_set_emitter(NULL);
    g_string_free(events, TRUE);
    teardown();
}

static void test_hostile(void)
{
    static const unsigned sizes[] = { 1, 2, 4 };

    setup();
    for (unsigned i = 0; i < 20000; i++) {
        hwaddr port = (g_test_rand_bit() ? ACPI_PM_BASE : ACPI_GPE0_PORT_PC) +
                      (unsigned)g_test_rand_int_range(0, ACPI_PM_SIZE);
        unsigned size = sizes[g_test_rand_int_range(0, 3)];
        uint32_t value = (uint32_t)g_test_rand_int();

        if (port >= ACPI_PM1_CNT_PORT - 3 && port < ACPI_PM1_CNT_PORT + 2) {
            continue; /* it would only switch off */
        }
        in(port, size);
        out(port, value, size);
    }
    g_assert_cmphex(in(ACPI_PM1_EVT_PORT + 4, 1), ==, 0);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    clock_set_stepped();
    g_test_add_func("/pm/power-button", test_power_button);
    g_test_add_func("/pm/parts", test_parts);
    g_test_add_func("/pm/gpe", test_gpe);
    g_test_add_func("/pm/gpe-pending", test_gpe_pending);
    g_test_add_func("/pm/acpi-enable", test_acpi_enable);
    g_test_add_func("/pm/timer", test_timer);
    g_test_add_func("/pm/hostile", test_hostile);
    g_test_add_func("/pm/soft-off", test_soft_off);
    return g_test_run();
}
