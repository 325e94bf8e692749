/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/intc/apic.h"
#include "hw/intc/ioapic.h"
#include "tests/unit/chip-test.h"

#define RTE_LOGICAL 0x800u
#define RTE_REMOTE  0x4000u
#define RTE_LEVEL   0x8000u
#define RTE_MASKED  0x10000u

static X86Cpu cpus[2];
static Ioapic *ioapic;

static void reg_write(unsigned index, uint32_t value)
{
    writel(IOAPIC_BASE, index);
    writel(IOAPIC_BASE + 0x10, value);
}

static uint32_t reg_read(unsigned index)
{
    writel(IOAPIC_BASE, index);
    return readl(IOAPIC_BASE + 0x10);
}

static void set_pin(unsigned pin, uint8_t dest, uint32_t low)
{
    reg_write(0x11 + 2 * pin, (uint32_t)dest << 24);
    reg_write(0x10 + 2 * pin, low);
}

static void line(unsigned pin, int level)
{
    Irq irq = ioapic_irq(ioapic, pin);

    irq_set(&irq, level);
}

static bool pending(unsigned n)
{
    return cpus[n].interrupts & CPU_INT_HARD;
}

static void eoi(unsigned n)
{
    current_cpu = &cpus[n];
    writel(APIC_BASE + 0xb0, 0);
    current_cpu = NULL;
}

static int acknowledge(unsigned n)
{
    return cpus[n].apic_ops->acknowledge(cpus[n].apic);
}

static void test_registers(void)
{
    g_assert_cmphex(reg_read(1), ==, 0x00170020);
    reg_write(0, 0xffffffff);
    g_assert_cmphex(reg_read(0), ==, 0x0f000000);
    g_assert_cmphex(reg_read(0x10), ==, RTE_MASKED);
    reg_write(0x10, 0xffffffff);
    g_assert_cmphex(reg_read(0x10), ==, 0x1afff);
    reg_write(0x10, RTE_MASKED);
    reg_write(0x40, 0xffffffff); /* past the last pin */
    g_assert_cmphex(reg_read(0x40), ==, 0);
}

static void test_edge(void)
{
    set_pin(4, 1, 0x31);
    line(4, 1);
    g_assert_true(pending(1));
    g_assert_false(pending(0));
    line(4, 0);
    g_assert_cmphex(acknowledge(1), ==, 0x31);
    eoi(1);
    g_assert_false(pending(1));
    set_pin(4, 1, 0x31 | RTE_MASKED);
    line(4, 1);
    set_pin(4, 1, 0x31);
    g_assert_false(pending(1)); /* the edge is lost */
    line(4, 0);
}

static void test_level(void)
{
    set_pin(9, 0, 0x39 | RTE_LEVEL);
    line(9, 1);
    g_assert_cmphex(reg_read(0x10 + 18) & RTE_REMOTE, ==, RTE_REMOTE);
    g_assert_cmphex(acknowledge(0), ==, 0x39);
    g_assert_false(pending(0));
    eoi(0);
    g_assert_true(pending(0)); /* still asserted: again */
    g_assert_cmphex(acknowledge(0), ==, 0x39);
    line(9, 0);
    eoi(0);
    g_assert_false(pending(0));
    g_assert_cmphex(reg_read(0x10 + 18) & RTE_REMOTE, ==, 0);
    /* masked while asserted, delivered when unmasked */
    set_pin(9, 0, 0x39 | RTE_LEVEL | RTE_MASKED);
    line(9, 1);
    g_assert_false(pending(0));
    set_pin(9, 0, 0x39 | RTE_LEVEL);
    g_assert_cmphex(acknowledge(0), ==, 0x39);
    line(9, 0);
    writel(IOAPIC_BASE + 0x40, 0x39); /* the I/O APIC's own EOI register */
    g_assert_cmphex(reg_read(0x10 + 18) & RTE_REMOTE, ==, 0);
    eoi(0);
}

static void test_logical(void)
{
    for (unsigned i = 0; i < 2; i++) {
        current_cpu = &cpus[i];
        writel(APIC_BASE + 0xd0, 1u << (24 + i));
    }
    current_cpu = NULL;
    set_pin(5, 3, 0x35 | RTE_LOGICAL);
    line(5, 1);
    line(5, 0);
    g_assert_cmphex(acknowledge(0), ==, 0x35);
    g_assert_cmphex(acknowledge(1), ==, 0x35);
    set_pin(5, 3, 0x35 | RTE_LOGICAL | APIC_LOWEST_PRIORITY << 8);
    eoi(1); /* CPU 0 is in its handler: CPU 1 has the lower priority */
    line(5, 1);
    line(5, 0);
    g_assert_true(pending(1));
    g_assert_false(pending(0));
    g_assert_cmphex(acknowledge(1), ==, 0x35);
    eoi(0);
    eoi(1);
}

static void count(void *opaque)
{
    (*(unsigned *)opaque)++;
}

static void test_timer_taken(void)
{
    unsigned taken = 0;

    g_assert_false(ioapic_hears_timer(ioapic));
    ioapic_on_timer_taken(ioapic, count, &taken);
    set_pin(2, 1, 0x30);
    set_pin(4, 1, 0x31);
    g_assert_true(ioapic_hears_timer(ioapic));
    line(4, 1);
    g_assert_cmphex(acknowledge(1), ==, 0x31);
    g_assert_cmpuint(taken, ==, 0);
    eoi(1);
    line(0, 1); /* it comes in at pin 2 */
    g_assert_cmpuint(taken, ==, 0);
    g_assert_cmphex(acknowledge(1), ==, 0x30);
    g_assert_cmpuint(taken, ==, 1);
    eoi(1);
    line(0, 0);
    line(4, 0);
    set_pin(2, 0, RTE_MASKED);
    set_pin(4, 0, RTE_MASKED);
    ioapic_on_timer_taken(ioapic, NULL, NULL);
}

int main(int argc, char **argv)
{
    chip_test_init(&argc, &argv);
    for (unsigned i = 0; i < 2; i++) {
        cpus[i].index = cpus[i].apic_id = i;
        g_autofree char *owner = g_strdup_printf("/machine/cpu%u", i);

        apic_create(&cpus[i], object_container(owner));
    }
    apic_map(memory_system());
    ioapic = ioapic_create(memory_system());
    for (unsigned i = 0; i < 2; i++) {
        current_cpu = &cpus[i];
        writel(APIC_BASE + 0xf0, 0x1ff);
    }
    current_cpu = NULL;
    g_test_add_func("/ioapic/registers", test_registers);
    g_test_add_func("/ioapic/edge", test_edge);
    g_test_add_func("/ioapic/level", test_level);
    g_test_add_func("/ioapic/logical", test_logical);
    g_test_add_func("/ioapic/timer-taken", test_timer_taken);
    return g_test_run();
}
