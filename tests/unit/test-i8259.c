/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/intc/i8259.h"
#include "tests/unit/chip-test.h"

static TestLine intr;
static I8259 *pic;

static void raise_line(unsigned n, int level)
{
    Irq irq = i8259_irq(pic, n);

    irq_set(&irq, level);
}

static void pulse(unsigned n)
{
    raise_line(n, 1);
    raise_line(n, 0);
}

static void init_chip(unsigned port, uint8_t base, uint8_t icw3, uint8_t icw4)
{
    outb(port, 0x11);
    outb(port + 1, base);
    outb(port + 1, icw3);
    outb(port + 1, icw4);
    outb(port + 1, 0);
}

static void init_pair(uint8_t icw4)
{
    for (unsigned n = 0; n < 16; n++) {
        raise_line(n, 0);
    }
    outb(0x4d0, 0);
    outb(0x4d1, 0);
    init_chip(0x20, 0x20, 4, icw4);
    init_chip(0xa0, 0x28, 2, 1);
    g_assert_cmpint(intr.level, ==, 0);
}

static void test_priority(void)
{
    init_pair(1);
    pulse(4);
    pulse(1);
    g_assert_cmpint(intr.level, ==, 1);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x21);
    g_assert_cmpint(intr.level, ==, 0); /* 4 waits for the end of 1 */
    pulse(0);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x20); /* 0 nests */
    outb(0x20, 0x20);
    outb(0x20, 0x20);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x24);
    outb(0x20, 0x0b);
    g_assert_cmphex(inb(0x20), ==, 0x10); /* ISR */
    outb(0x20, 0x64);                     /* specific EOI 4 */
    g_assert_cmphex(inb(0x20), ==, 0);
}

static void test_slave(void)
{
    init_pair(1);
    pulse(12);
    pulse(8);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x28);
    outb(0xa0, 0x20);
    outb(0x20, 0x20);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x2c);
    outb(0xa0, 0x20);
    outb(0x20, 0x20);
    g_assert_cmpint(intr.level, ==, 0);
}

static void test_special_nested(void)
{
    init_pair(0x11);
    pulse(12);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x2c);
    pulse(9); /* a higher one of the slave nests in the master too */
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x29);
}

static void test_mask_and_special_mask(void)
{
    init_pair(1);
    outb(0x21, 0x02);
    pulse(1);
    g_assert_cmpint(intr.level, ==, 0);
    outb(0x21, 0);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x21);
    pulse(5);
    g_assert_cmpint(intr.level, ==, 0);
    outb(0x20, 0x68); /* special mask mode */
    outb(0x21, 0x02);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x25);
    outb(0x20, 0x48);
}

static void test_auto_eoi_and_rotation(void)
{
    init_pair(3);
    outb(0x20, 0x80); /* rotate on automatic EOI */
    pulse(3);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x23);
    pulse(3);
    pulse(5); /* 3 is the lowest now */
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x25);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x23);
    init_pair(1);
    outb(0x20, 0xc4); /* 4 lowest: 5 highest */
    pulse(0);
    pulse(6);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x26);
    outb(0x20, 0xa0); /* rotate on EOI: 6 lowest */
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x20);
}

static void test_level_and_spurious(void)
{
    init_pair(1);
    outb(0x4d0, 0xff);
    g_assert_cmphex(inb(0x4d0), ==, 0xf8);
    outb(0x4d1, 0xff);
    g_assert_cmphex(inb(0x4d1), ==, 0xde);
    raise_line(5, 1);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x25);
    g_assert_cmpint(intr.level, ==, 0);
    outb(0x20, 0x20);
    g_assert_cmpint(intr.level, ==, 1); /* still asserted */
    raise_line(5, 0);
    g_assert_cmpint(intr.level, ==, 0);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x27); /* spurious */
    outb(0x20, 0x0b);
    g_assert_cmphex(inb(0x20), ==, 0);
    outb(0x20, 0x0a);
}

static void test_poll(void)
{
    init_pair(1);
    outb(0x20, 0x0c);
    g_assert_cmphex(inb(0x20), ==, 0);
    pulse(6);
    outb(0x20, 0x0c);
    g_assert_cmphex(inb(0x20), ==, 0x86);
    outb(0x20, 0x20);
    g_assert_cmphex(inb(0x21), ==, 0);
}

static void test_any_write(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);
    static const unsigned ports[] = { 0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1 };

    for (unsigned i = 0; i < 20000; i++) {
        outb(ports[g_rand_int(rand) % G_N_ELEMENTS(ports)], g_rand_int(rand));
        inb(ports[g_rand_int(rand) % G_N_ELEMENTS(ports)]);
        raise_line(g_rand_int(rand) % 16, g_rand_int(rand) & 1);
        if (intr.level) {
            i8259_acknowledge(pic);
        }
        g_assert_cmpint(intr.level, ==, i8259_output(pic));
    }
}

/* Saved with a request that the CPU has not taken: after loading it is told of it. */
static void test_saved_output(void)
{
    const StateTable *table = device_class(DEVICE(pic))->state;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) err = NULL;

    init_pair(1);
    pulse(4);
    g_assert_cmpint(intr.level, ==, 1);
    state_save(table, pic, bytes);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x24);
    g_assert_cmpint(intr.level, ==, 0);
    g_assert_true(state_load(table, pic, bytes->data, bytes->len, &err));
    g_assert_cmpint(intr.level, ==, 1);
    g_assert_cmphex(i8259_acknowledge(pic), ==, 0x24);
    g_assert_cmpint(intr.level, ==, 0);
}

int main(int argc, char **argv)
{
    chip_test_init(&argc, &argv);
    pic = i8259_create(memory_io(), test_line(&intr));
    g_test_add_func("/i8259/priority", test_priority);
    g_test_add_func("/i8259/slave", test_slave);
    g_test_add_func("/i8259/special-nested", test_special_nested);
    g_test_add_func("/i8259/special-mask", test_mask_and_special_mask);
    g_test_add_func("/i8259/rotation", test_auto_eoi_and_rotation);
    g_test_add_func("/i8259/level-spurious", test_level_and_spurious);
    g_test_add_func("/i8259/poll", test_poll);
    g_test_add_func("/i8259/any-write", test_any_write);
    g_test_add_func("/i8259/saved-output", test_saved_output);
    return g_test_run();
}
