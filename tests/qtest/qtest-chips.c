/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The board's chips through their ports, as a guest sees them, and how they are wired. */
#include <unistd.h>

#include "tests/qtest/libqtest.h"
#include "util/clock.h"

#define PIT_HZ      1193182
#define PM_TIMER_HZ 3579545

/* ---- interrupt controllers ---- */

static void pic_init_chip(QTest *qt, uint16_t port, uint8_t base, uint8_t icw3)
{
    qtest_outb(qt, port, 0x11);
    qtest_outb(qt, port + 1, base);
    qtest_outb(qt, port + 1, icw3);
    qtest_outb(qt, port + 1, 1);
    qtest_outb(qt, port + 1, 0);
}

static void pic_init(QTest *qt)
{
    pic_init_chip(qt, 0x20, 0x20, 4);
    pic_init_chip(qt, 0xa0, 0x28, 2);
}

static void test_pic(void)
{
    QTest *qt = qtest_start("-m 16");

    pic_init(qt);
    qtest_irq_intercept_out(qt, "isa-i8259");
    g_assert_false(qtest_get_irq(qt, 0));
    qtest_set_irq_in(qt, "isa-i8259", NULL, 5, 1);
    g_assert_true(qtest_get_irq(qt, 0));
    qtest_outb(qt, 0x21, 1 << 5); /* masked */
    g_assert_false(qtest_get_irq(qt, 0));
    qtest_outb(qt, 0x21, 0);
    g_assert_true(qtest_get_irq(qt, 0));

    qtest_outb(qt, 0x20, 0x0c); /* poll: acknowledges, too */
    g_assert_cmphex(qtest_inb(qt, 0x20), ==, 0x85);
    g_assert_false(qtest_get_irq(qt, 0));
    qtest_outb(qt, 0x20, 0x0b);
    g_assert_cmphex(qtest_inb(qt, 0x20), ==, 1 << 5); /* in service */
    qtest_outb(qt, 0x20, 0x20);
    g_assert_cmphex(qtest_inb(qt, 0x20), ==, 0);

    qtest_set_irq_in(qt, "isa-i8259", NULL, 12, 1); /* by way of the slave */
    qtest_outb(qt, 0x20, 0x0c);
    g_assert_cmphex(qtest_inb(qt, 0x20), ==, 0x82);
    qtest_outb(qt, 0xa0, 0x0c);
    g_assert_cmphex(qtest_inb(qt, 0xa0), ==, 0x84);
    qtest_quit(qt);
}

static uint32_t ioapic_read(QTest *qt, uint8_t index)
{
    qtest_writel(qt, 0xfec00000, index);
    return qtest_readl(qt, 0xfec00010);
}

static void ioapic_write(QTest *qt, uint8_t index, uint32_t value)
{
    qtest_writel(qt, 0xfec00000, index);
    qtest_writel(qt, 0xfec00010, value);
}

static void test_ioapic_registers(void)
{
    QTest *qt = qtest_start("-m 16");

    g_assert_cmphex(ioapic_read(qt, 1) >> 16, ==, 23); /* the last pin */
    for (uint8_t pin = 0; pin < 24; pin++) {
        g_assert_cmphex(ioapic_read(qt, 0x10 + 2 * pin), ==, 0x10000); /* masked */
        ioapic_write(qt, 0x10 + 2 * pin, 0xffffffff);
        ioapic_write(qt, 0x11 + 2 * pin, 0xffffffff);
        g_assert_cmphex(ioapic_read(qt, 0x10 + 2 * pin), ==, 0x1afff);
        g_assert_cmphex(ioapic_read(qt, 0x11 + 2 * pin), ==, 0xff000000);
    }
    g_assert_cmphex(ioapic_read(qt, 0x40), ==, 0);
    ioapic_write(qt, 0x40, 0xffffffff);
    qtest_qmp_ok(qt, "system_reset", NULL);
    json_object_put(qtest_event(qt, "RESET"));
    g_assert_cmphex(ioapic_read(qt, 0x10), ==, 0x10000);
    qtest_quit(qt);
}

/* Which line of the I/O APIC each device drives. */
static void test_routing(void)
{
    QTest *qt = qtest_start("-m 16 -chardev null,id=c -serial chardev:c");

    qtest_irq_intercept_in(qt, "ioapic");
    qtest_outb(qt, 0x43, 0x34); /* timer: mode 2, its output is high */
    qtest_outb(qt, 0x40, 0);
    qtest_outb(qt, 0x40, 0);
    g_assert_true(qtest_get_irq(qt, 0));

    qtest_outb(qt, 0x64, 0x60); /* keyboard controller: interrupts on; then its self-test */
    qtest_outb(qt, 0x60, 0x01);
    qtest_outb(qt, 0x60, 0xff);
    g_assert_true(qtest_get_irq(qt, 1));
    while (qtest_inb(qt, 0x64) & 1) {
        qtest_inb(qt, 0x60);
    }
    g_assert_false(qtest_get_irq(qt, 1));

    qtest_outb(qt, 0x3fc, 0x08); /* serial port: OUT2; the THR is empty */
    qtest_outb(qt, 0x3f9, 0x02);
    g_assert_true(qtest_get_irq(qt, 4));
    qtest_outb(qt, 0x3f9, 0x00);
    g_assert_false(qtest_get_irq(qt, 4));

    qtest_outw(qt, 0x602, 0x100); /* SCI: the power button */
    qtest_qmp_ok(qt, "system_powerdown", NULL);
    json_object_put(qtest_event(qt, "POWERDOWN"));
    g_assert_true(qtest_get_irq(qt, 9));
    qtest_outw(qt, 0x600, 0x100);
    g_assert_false(qtest_get_irq(qt, 9));

    qtest_outb(qt, 0x70, 0x0b); /* clock: an interrupt at each update */
    qtest_outb(qt, 0x71, 0x12);
    g_assert_false(qtest_get_irq(qt, 8));
    qtest_clock_step(qt, NS_PER_SEC);
    g_assert_true(qtest_get_irq(qt, 8));
    qtest_outb(qt, 0x70, 0x0c); /* reading the flags lowers it */
    g_assert_cmphex(qtest_inb(qt, 0x71) & 0x90, ==, 0x90);
    g_assert_false(qtest_get_irq(qt, 8));
    qtest_quit(qt);
}

/* ---- time ---- */

static unsigned pit_count(QTest *qt, unsigned counter)
{
    qtest_outb(qt, 0x43, counter << 6); /* latch */
    unsigned low = qtest_inb(qt, 0x40 + counter);

    return low | qtest_inb(qt, 0x40 + counter) << 8;
}

static void test_pit(void)
{
    QTest *qt = qtest_start("-m 16");

    qtest_irq_intercept_in(qt, "ioapic");
    qtest_outb(qt, 0x43, 0x34); /* counter 0, mode 2: 1000 a second */
    qtest_outb(qt, 0x40, 1193 & 0xff);
    qtest_outb(qt, 0x40, 1193 >> 8);
    unsigned before = qtest_irq_raised(qt, 0);
    qtest_clock_step(qt, NS_PER_SEC);
    g_assert_cmpuint(qtest_irq_raised(qt, 0) - before, ==, PIT_HZ / 1193);

    /* Counter 2, mode 0, 10000 ticks: its output, in port 0x61, rises after them. */
    qtest_outb(qt, 0x61, 1);
    qtest_outb(qt, 0x43, 0xb0);
    qtest_outb(qt, 0x42, 10000 & 0xff);
    qtest_outb(qt, 0x42, 10000 >> 8);
    g_assert_cmphex(qtest_inb(qt, 0x61) & 0x20, ==, 0);
    unsigned first = pit_count(qt, 2);
    g_assert_cmpuint(first, ==, pit_count(qt, 2)); /* no time, no ticks */
    qtest_clock_step(qt, 4 * NS_PER_MS);
    unsigned ticks = first - pit_count(qt, 2);
    g_assert_cmpuint(ticks, >=, 4 * (PIT_HZ / 1000));
    g_assert_cmpuint(ticks, <=, 4 * (PIT_HZ / 1000 + 1));
    g_assert_cmphex(qtest_inb(qt, 0x61) & 0x20, ==, 0);
    qtest_clock_step(qt, 5 * NS_PER_MS);
    g_assert_cmphex(qtest_inb(qt, 0x61) & 0x20, ==, 0x20);
    qtest_quit(qt);
}

static uint8_t cmos(QTest *qt, uint8_t index)
{
    qtest_outb(qt, 0x70, index);
    return qtest_inb(qt, 0x71);
}

static void cmos_set(QTest *qt, uint8_t index, uint8_t value)
{
    qtest_outb(qt, 0x70, index);
    qtest_outb(qt, 0x71, value);
}

/* Ticks that the guest has not taken come when it does, from the 8254 and from the HPET in its
 * place; INTA is the 8259's poll here. */
static void test_lost_ticks(gconstpointer data)
{
    const char *policy = data;
    QTest *qt = qtest_start("-m 16 -global kvm-pit.lost_tick_policy=%s", policy);
    bool later = g_str_equal(policy, "delay");

    for (unsigned hpet = 0; hpet < 2; hpet++) {
        unsigned taken = 0;

        pic_init(qt);
        if (hpet) {
            qtest_writel(qt, 0xfed00100, 0x4c); /* periodic, the value comes */
            qtest_writeq(qt, 0xfed00108, 400000);
            qtest_writel(qt, 0xfed00010, 3);
        } else {
            qtest_outb(qt, 0x43, 0x34); /* 250 Hz */
            qtest_outb(qt, 0x40, 4773 & 0xff);
            qtest_outb(qt, 0x40, 4773 >> 8);
        }
        qtest_clock_step(qt, 6 * 4001 * NS_PER_US);
        do {
            qtest_outb(qt, 0x20, 0x0c);
            taken += qtest_inb(qt, 0x20) == 0x80;
            qtest_outb(qt, 0x20, 0x20);
            qtest_outb(qt, 0x20, 0x0a);
        } while (qtest_inb(qt, 0x20) & 1);
        g_assert_cmpuint(taken, ==, later || hpet ? 6 : 1);
        qtest_outb(qt, 0x43, 0x30); /* stopped */
    }
    qtest_quit(qt);
}

static void test_rtc(void)
{
    QTest *qt = qtest_start("-m 16");

    qtest_irq_intercept_in(qt, "ioapic");
    cmos_set(qt, 0x0b, 0x82); /* stop; BCD, 24 hours */
    static const uint8_t time[][2] = { { 0, 0x58 }, { 2, 0x59 }, { 4, 0x23 },   { 7, 0x31 },
                                       { 8, 0x12 }, { 9, 0x99 }, { 0x32, 0x19 } };
    for (size_t i = 0; i < G_N_ELEMENTS(time); i++) {
        cmos_set(qt, time[i][0], time[i][1]);
    }
    cmos_set(qt, 1, 0); /* an alarm at 0:00:00 */
    cmos_set(qt, 3, 0);
    cmos_set(qt, 5, 0);
    cmos_set(qt, 0x0b, 0x22); /* go on, with the alarm's interrupt */
    cmos(qt, 0x0c);
    g_assert_cmphex(cmos(qt, 0), ==, 0x58);
    qtest_clock_step(qt, NS_PER_SEC);
    g_assert_cmphex(cmos(qt, 0), ==, 0x59);
    g_assert_false(qtest_get_irq(qt, 8));
    qtest_clock_step(qt, NS_PER_SEC);
    g_assert_true(qtest_get_irq(qt, 8));
    g_assert_cmphex(cmos(qt, 0x0c) & 0xa0, ==, 0xa0);
    g_assert_false(qtest_get_irq(qt, 8));
    static const uint8_t after[][2] = { { 0, 0 },    { 2, 0 }, { 4, 0 },      { 7, 1 },
                                        { 8, 0x01 }, { 9, 0 }, { 0x32, 0x20 } };
    for (size_t i = 0; i < G_N_ELEMENTS(after); i++) {
        g_assert_cmphex(cmos(qt, after[i][0]), ==, after[i][1]);
    }

    cmos_set(qt, 0x0a, 0x26); /* periodic, 1024 a second; each is told once it was read */
    cmos_set(qt, 0x0b, 0x42);
    unsigned before = qtest_irq_raised(qt, 8);
    for (unsigned i = 0; i < 10; i++) {
        qtest_clock_step(qt, NS_PER_SEC / 1024 + 1);
        g_assert_cmphex(cmos(qt, 0x0c) & 0xc0, ==, 0xc0);
    }
    g_assert_cmpuint(qtest_irq_raised(qt, 8) - before, ==, 10);

    /* Divider reset: the clock stands; the first update comes half a second after it. */
    cmos_set(qt, 0x0a, 0x76);
    uint8_t second = cmos(qt, 0);
    qtest_clock_step(qt, 5 * NS_PER_SEC);
    g_assert_cmphex(cmos(qt, 0), ==, second);
    cmos_set(qt, 0x0a, 0x26);
    qtest_clock_step(qt, NS_PER_SEC / 2 - 1);
    g_assert_cmphex(cmos(qt, 0), ==, second);
    qtest_clock_step(qt, 1);
    g_assert_cmphex(cmos(qt, 0), !=, second);
    qtest_quit(qt);
}

static void test_pm_timer(void)
{
    QTest *qt = qtest_start("-m 16");
    uint32_t before = qtest_inl(qt, 0x608);

    qtest_irq_intercept_in(qt, "ioapic");
    qtest_clock_step(qt, NS_PER_SEC);
    uint32_t ticks = qtest_inl(qt, 0x608) - before;
    g_assert_cmpuint(ticks, >=, PM_TIMER_HZ - 1);
    g_assert_cmpuint(ticks, <=, PM_TIMER_HZ + 1);

    /* Its top bit changes after 2^31 ticks, some 600 s: TMR_STS, and the SCI if that is enabled. */
    qtest_outw(qt, 0x602, 1);
    qtest_clock_set(qt, 599 * NS_PER_SEC);
    g_assert_cmphex(qtest_inw(qt, 0x600) & 1, ==, 0);
    g_assert_false(qtest_get_irq(qt, 9));
    qtest_clock_set(qt, 600 * NS_PER_SEC);
    g_assert_true(qtest_get_irq(qt, 9));
    g_assert_cmphex(qtest_inw(qt, 0x600) & 1, ==, 1);
    qtest_outw(qt, 0x600, 1);
    g_assert_false(qtest_get_irq(qt, 9));
    g_assert_cmphex(qtest_inl(qt, 0x608) >> 31, ==, 1);
    qtest_quit(qt);
}

/* ---- serial port, debug console ---- */

static void test_serial_loopback(void)
{
    QTest *qt = qtest_start("-m 16 -chardev null,id=c -serial chardev:c");

    qtest_irq_intercept_in(qt, "ioapic");
    qtest_outb(qt, 0x3fb, 0x83); /* divisor 1: 115200 baud, 8N1 */
    qtest_outb(qt, 0x3f8, 1);
    qtest_outb(qt, 0x3f9, 0);
    qtest_outb(qt, 0x3fb, 0x03);
    qtest_outb(qt, 0x3fa, 0xc7);                            /* FIFOs, empty, trigger at 14 bytes */
    qtest_outb(qt, 0x3fc, 0x1a);                            /* loop, OUT2, RTS */
    qtest_outb(qt, 0x3f9, 0x01);                            /* interrupt of received bytes */
    g_assert_cmphex(qtest_inb(qt, 0x3fe) & 0xf0, ==, 0x90); /* DCD is OUT2, CTS is RTS */
    for (unsigned i = 0; i < 13; i++) {
        qtest_outb(qt, 0x3f8, 'a' + i);
    }
    g_assert_cmphex(qtest_inb(qt, 0x3fa), ==, 0xc1); /* nothing to tell yet */
    qtest_clock_step(qt, NS_PER_MS);                 /* but they do not lie for ever */
    g_assert_cmphex(qtest_inb(qt, 0x3fa), ==, 0xcc);
    qtest_outb(qt, 0x3f8, 'n');
    g_assert_cmphex(qtest_inb(qt, 0x3fa), ==, 0xc4);
    for (unsigned i = 0; i < 3; i++) {
        qtest_outb(qt, 0x3f8, 'o' + i); /* 16 are room; the 17th is lost */
    }
    g_assert_cmphex(qtest_inb(qt, 0x3fd) & 0x03, ==, 0x03); /* data, overrun */
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmpint(qtest_inb(qt, 0x3f8), ==, 'a' + i);
    }
    g_assert_cmphex(qtest_inb(qt, 0x3fd), ==, 0x60);
    qtest_quit(qt);
}

static void test_serial_output(void)
{
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    int fd = g_file_open_tmp("qtest-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    QTest *qt = qtest_start("-m 16 -serial file:%s", path);
    for (const char *p = "over the wire\n"; *p; p++) {
        qtest_outb(qt, 0x3f8, *p);
    }
    qtest_quit(qt);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "over the wire\n");
    unlink(path);
}

static void test_debugcon(void)
{
    g_autofree char *path = NULL;
    g_autofree char *text = NULL;
    int fd = g_file_open_tmp("qtest-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    QTest *qt = qtest_start("-m 16 -chardev file,id=d,path=%s -device isa-debugcon,chardev=d,"
                            "iobase=0x402",
                            path);
    g_assert_cmphex(qtest_inb(qt, 0x402), ==, 0xe9);
    qtest_outb(qt, 0x402, 'o');
    qtest_outb(qt, 0x402, 'k');
    qtest_quit(qt);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "ok");
    unlink(path);
}

/* ---- reset ---- */

typedef struct ResetWay {
    const char *name;
    uint16_t port;
    uint8_t values[2];
    unsigned count;
} ResetWay;

static const ResetWay reset_ways[] = {
    { "port92", 0x92, { 0x01 }, 1 },
    { "cf9", 0xcf9, { 0x02, 0x06 }, 2 },
    { "cf9-again", 0xcf9, { 0x0e }, 1 },
    { "i8042", 0x64, { 0xfe }, 1 },
};

static void test_reset(gconstpointer data)
{
    const ResetWay *way = data;
    QTest *qt = qtest_start("-m 16");

    qtest_outb(qt, 0x21, 0x5a);
    ioapic_write(qt, 0x10, 0x55);
    qtest_writel(qt, 0x1000, 0x12345678);
    for (unsigned i = 0; i < way->count; i++) {
        g_assert_cmpuint(qtest_event_count(qt, "RESET"), ==, 0);
        qtest_outb(qt, way->port, way->values[i]);
    }
    g_autoptr(json_object) event = qtest_event(qt, "RESET");
    g_assert_true(qtest_get_bool(event, "data.guest"));
    g_assert_cmpstr(qtest_get_str(event, "data.reason"), ==, "guest-reset");
    g_assert_cmphex(ioapic_read(qt, 0x10), ==, 0x10000);
    g_assert_cmphex(qtest_readl(qt, 0x1000), ==, 0x12345678); /* memory stays */
    g_assert_cmpuint(qtest_event_count(qt, "RESET"), ==, 0);  /* once */
    qtest_quit(qt);
}

static void test_reset_ends(void)
{
    QTest *qt = qtest_start("-m 16 -no-reboot");

    qtest_outb(qt, 0x92, 1);
    g_autoptr(json_object) event = qtest_event(qt, "SHUTDOWN");
    g_assert_cmpstr(qtest_get_str(event, "data.reason"), ==, "guest-reset");
    g_assert_cmpint(qtest_wait_exit(qt), ==, 0);
    qtest_quit(qt);
}

static void test_power_off(void)
{
    QTest *qt = qtest_start("-m 16");

    qtest_outw(qt, 0x604, 0x2000); /* SLP_EN, S5 */
    g_autoptr(json_object) event = qtest_event(qt, "SHUTDOWN");
    g_assert_cmpstr(qtest_get_str(event, "data.reason"), ==, "guest-shutdown");
    g_assert_cmpint(qtest_wait_exit(qt), ==, 0);
    qtest_quit(qt);
}

/* ---- PCI ---- */

static uint32_t pci_read(QTest *qt, unsigned slot, unsigned fn, unsigned reg)
{
    qtest_outl(qt, 0xcf8, 0x80000000u | slot << 11 | fn << 8 | reg);
    return qtest_inl(qt, 0xcfc);
}

static void test_pci(void)
{
    QTest *qt = qtest_start("-m 16");
    unsigned found = 0;

    g_assert_cmphex(pci_read(qt, 0, 0, 0), ==, 0x12378086);     /* 440FX */
    g_assert_cmphex(pci_read(qt, 0, 0, 8) >> 16, ==, 0x0600);   /* host bridge */
    g_assert_cmphex(pci_read(qt, 1, 0, 0), ==, 0x70008086);     /* PIIX3 */
    g_assert_cmphex(pci_read(qt, 1, 1, 0), ==, 0x70108086);     /* PIIX3 IDE */
    g_assert_cmphex(pci_read(qt, 1, 3, 0), ==, 0x71138086);     /* PIIX4 power management */
    g_assert_cmphex(pci_read(qt, 1, 3, 0x40) & ~1u, ==, 0x600); /* where its block is */
    g_assert_cmphex(qtest_inw(qt, 0xcfe), ==, 0);               /* a part of the register */
    for (unsigned slot = 0; slot < 32; slot++) {
        for (unsigned fn = 0; fn < 8; fn++) {
            found += pci_read(qt, slot, fn, 0) != 0xffffffff;
        }
    }
    g_assert_cmpuint(found, ==, 4);
    qtest_outl(qt, 0xcf8, 0); /* not enabled */
    g_assert_cmphex(qtest_inl(qt, 0xcfc), ==, 0xffffffff);
    /* What identifies a device cannot be written. */
    qtest_outl(qt, 0xcf8, 0x80000000);
    qtest_outl(qt, 0xcfc, 0);
    g_assert_cmphex(qtest_inl(qt, 0xcfc), ==, 0x12378086);
    qtest_quit(qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/chips/pic", test_pic);
    g_test_add_func("/chips/ioapic-registers", test_ioapic_registers);
    g_test_add_func("/chips/routing", test_routing);
    g_test_add_func("/chips/pit", test_pit);
    g_test_add_data_func("/chips/lost-ticks/delay", "delay", test_lost_ticks);
    g_test_add_data_func("/chips/lost-ticks/discard", "discard", test_lost_ticks);
    g_test_add_func("/chips/rtc", test_rtc);
    g_test_add_func("/chips/pm-timer", test_pm_timer);
    g_test_add_func("/chips/serial-loopback", test_serial_loopback);
    g_test_add_func("/chips/serial-output", test_serial_output);
    g_test_add_func("/chips/debugcon", test_debugcon);
    for (size_t i = 0; i < G_N_ELEMENTS(reset_ways); i++) {
        g_autofree char *path = g_strdup_printf("/chips/reset/%s", reset_ways[i].name);
        g_test_add_data_func(path, &reset_ways[i], test_reset);
    }
    g_test_add_func("/chips/reset-ends", test_reset_ends);
    g_test_add_func("/chips/power-off", test_power_off);
    g_test_add_func("/chips/pci", test_pci);
    return g_test_run();
}
