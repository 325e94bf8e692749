/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-xhci by a driver of our own: a controller whose ports are empty. */
#include "tests/qtest/virtio.h"

#define DEVFN    0x20u
#define BAR      0xe0000000u
#define VECTORS  0xe0100000u
#define COMMANDS 0x200000u
#define EVENTS   0x201000u
#define SEGMENTS 0x202000u
#define TRB      16u
#define ENTRIES  16u

enum { USBCMD = 0x40, USBSTS = 0x44, CRCR = 0x58, DCBAAP = 0x70, CONFIG = 0x78, PORTSC = 0x440 };
enum { IMAN = 0x1020, ERSTSZ = 0x1028, ERSTBA = 0x1030, ERDP = 0x1038, BELLS = 0x2000 };
enum { RUN = 1, RESET = 2, INTE = 4, SAVE = 1 << 8, RESTORE = 1 << 9 };
enum { HALTED = 1, HOST_ERROR = 4, EINT = 8, NOT_RESTORED = 1 << 10 };
enum {
    LINK = 6,
    ENABLE_SLOT = 9,
    DISABLE_SLOT = 10,
    ADDRESS_DEVICE = 11,
    NO_OP = 23,
    COMPLETION = 33
};
enum {
    SUCCESS = 1,
    TRB_ERROR = 5,
    NO_SLOTS = 9,
    NOT_ENABLED = 11,
    PARAMETER_ERROR = 17,
    STOPPED = 24
};

typedef struct Driver {
    QTest *qt;
    unsigned command, event; /* the next one's number */
    bool command_cycle, event_cycle;
} Driver;

static uint32_t get(const Driver *d, unsigned offset)
{
    return qtest_readl(d->qt, BAR + offset);
}

static void set(const Driver *d, unsigned offset, uint32_t value)
{
    qtest_writel(d->qt, BAR + offset, value);
}

static bool interrupted(const Driver *d)
{
    return qpci_read(d->qt, DEVFN, 6, 2) & 8;
}

static void map(const Driver *d)
{
    qpci_write(d->qt, DEVFN, 0x10, 4, BAR);
    qpci_write(d->qt, DEVFN, 0x14, 4, 0);
    qpci_write(d->qt, DEVFN, 0x20, 4, VECTORS);
    qpci_write(d->qt, DEVFN, 4, 2, 6);
}

/* Rings, and it runs. */
static void begin(Driver *d)
{
    set(d, USBCMD, RESET);
    g_assert_cmphex(get(d, USBSTS), ==, HALTED);
    qtest_memset(d->qt, COMMANDS, 0, 0x2000);
    qtest_writeq(d->qt, SEGMENTS, EVENTS);
    qtest_writeq(d->qt, SEGMENTS + 8, ENTRIES);
    qtest_writeq(d->qt, BAR + CRCR, COMMANDS | 1);
    set(d, ERSTSZ, 1);
    qtest_writeq(d->qt, BAR + ERDP, EVENTS);
    qtest_writeq(d->qt, BAR + ERSTBA, SEGMENTS);
    set(d, IMAN, 2);
    set(d, CONFIG, 8);
    set(d, USBCMD, RUN | INTE);
    g_assert_cmphex(get(d, USBSTS), ==, 0);
    *d = (Driver){ .qt = d->qt, .command_cycle = true, .event_cycle = true };
}

static void start(Driver *d, const char *options)
{
    *d = (Driver){ .qt = qtest_start("-m 64 -device qemu-xhci,addr=4%s", options) };
    map(d);
    begin(d);
}

/* The next one; the ring ends in a link that toggles the cycle. */
static uint64_t add(Driver *d, unsigned type, unsigned slot)
{
    uint64_t at = COMMANDS + d->command * TRB;

    qtest_writel(d->qt, at + 12, slot << 24 | type << 10 | d->command_cycle);
    if (++d->command == ENTRIES - 1) {
        qtest_writeq(d->qt, at + TRB, COMMANDS);
        qtest_writel(d->qt, at + TRB + 12, LINK << 10 | 2 | d->command_cycle);
        d->command = 0;
        d->command_cycle ^= true;
    }
    return at;
}

static bool has_event(const Driver *d)
{
    return (qtest_readl(d->qt, EVENTS + d->event * TRB + 12) & 1) == d->event_cycle;
}

/* The next event is of the command at @at: its code. */
static unsigned take(Driver *d, uint64_t at)
{
    uint64_t event = EVENTS + d->event * TRB;

    g_assert_true(has_event(d));
    g_assert_cmphex(qtest_readq(d->qt, event), ==, at);
    g_assert_cmpuint(qtest_readl(d->qt, event + 12) >> 10 & 0x3f, ==, COMPLETION);
    d->event = (d->event + 1) % ENTRIES;
    d->event_cycle ^= !d->event;
    return qtest_readl(d->qt, event + 8) >> 24;
}

/* It was seen, and so were all before. */
static void seen(const Driver *d)
{
    qtest_writeq(d->qt, BAR + ERDP, (EVENTS + d->event * TRB) | 8);
}

static unsigned run(Driver *d, unsigned type, unsigned slot)
{
    uint64_t at = add(d, type, slot);

    set(d, BELLS, 0);
    unsigned code = take(d, at);
    seen(d);
    return code;
}

static void test_registers(void)
{
    Driver d;

    start(&d, ",p2=3,p3=5");
    g_assert_cmphex(qpci_read(d.qt, DEVFN, 0, 4), ==, 0x000d1b36);
    g_assert_cmphex(qpci_read(d.qt, DEVFN, 8, 4), ==, 0x0c033001);
    g_assert_cmphex(get(&d, 0), ==, 0x01000040);
    g_assert_cmphex(qtest_readw(d.qt, BAR + 2), ==, 0x0100);
    g_assert_cmphex(get(&d, 4), ==, 8 << 24 | 1 << 8 | 64);
    g_assert_cmphex(get(&d, 0x10), ==, 0x20 / 4 << 16 | 1);
    g_assert_cmphex(get(&d, 0x14), ==, BELLS);
    g_assert_cmphex(get(&d, 0x18), ==, 0x1000);
    /* The ports of each speed. */
    g_assert_cmphex(get(&d, 0x20), ==, 0x02000402);
    g_assert_cmphex(get(&d, 0x28), ==, 3 << 8 | 1);
    g_assert_cmphex(get(&d, 0x30), ==, 0x03000002);
    g_assert_cmphex(get(&d, 0x38), ==, 5 << 8 | 4);
    g_assert_cmphex(get(&d, 0x48), ==, 1);
    for (unsigned port = 0; port < 9; port++) {
        g_assert_cmphex(get(&d, PORTSC + 16 * port), ==, port < 8 ? 0x2a0 : 0);
    }
    set(&d, PORTSC, 1 << 4 | 1 << 9); /* a reset of nothing */
    g_assert_cmphex(get(&d, PORTSC), ==, 0x2a0);
    set(&d, PORTSC, 0);
    g_assert_cmphex(get(&d, PORTSC), ==, 0x80);
    qtest_writeq(d.qt, BAR + DCBAAP, 0x123456789a);
    g_assert_cmphex(qtest_readq(d.qt, BAR + DCBAAP), ==, 0x1234567880);
    qtest_quit(d.qt);
}

static void test_commands(void)
{
    Driver d;

    start(&d, "");
    for (unsigned i = 0; i < 5 * ENTRIES; i++) {
        g_assert_cmpuint(run(&d, NO_OP, 0), ==, SUCCESS);
    }
    g_assert_cmphex(get(&d, CRCR), ==, 8);
    g_assert_cmpuint(run(&d, ADDRESS_DEVICE, 1), ==, NOT_ENABLED);
    for (unsigned slot = 1; slot <= 8; slot++) {
        g_assert_cmpuint(run(&d, ENABLE_SLOT, 0), ==, SUCCESS);
    }
    g_assert_cmpuint(run(&d, ENABLE_SLOT, 0), ==, NO_SLOTS);
    g_assert_cmpuint(run(&d, ADDRESS_DEVICE, 1), ==, PARAMETER_ERROR);
    for (unsigned slot = 1; slot <= 8; slot++) {
        g_assert_cmpuint(run(&d, DISABLE_SLOT, slot), ==, SUCCESS);
        g_assert_cmpuint(run(&d, DISABLE_SLOT, slot), ==, NOT_ENABLED);
    }
    g_assert_cmpuint(run(&d, 1, 0), ==, TRB_ERROR);
    /* Stopped, and begun again where it was. */
    set(&d, CRCR, 2);
    g_assert_cmpuint(take(&d, COMMANDS + d.command * TRB), ==, STOPPED);
    seen(&d);
    g_assert_cmphex(get(&d, CRCR), ==, 0);
    g_assert_cmpuint(run(&d, NO_OP, 0), ==, SUCCESS);
    set(&d, USBCMD, 0);
    g_assert_cmphex(get(&d, USBSTS) & HALTED, ==, HALTED);
    add(&d, NO_OP, 0);
    set(&d, BELLS, 0);
    g_assert_false(has_event(&d));
    qtest_quit(d.qt);
}

/* An interrupt is kept until the guest has looked, and comes again if there is more. */
static void test_interrupts(void)
{
    Driver d;

    start(&d, "");
    uint64_t first = add(&d, NO_OP, 0);
    set(&d, BELLS, 0);
    g_assert_true(interrupted(&d));
    g_assert_cmphex(get(&d, USBSTS), ==, EINT);
    g_assert_cmphex(get(&d, IMAN), ==, 3);
    set(&d, USBSTS, EINT);
    set(&d, IMAN, 3);
    g_assert_false(interrupted(&d));
    uint64_t second = add(&d, NO_OP, 0);
    set(&d, BELLS, 0);
    g_assert_false(interrupted(&d)); /* the guest is busy with the first */
    take(&d, first);
    seen(&d);
    g_assert_true(interrupted(&d));
    set(&d, IMAN, 3);
    take(&d, second);
    seen(&d);
    g_assert_false(interrupted(&d));
    g_assert_cmphex(get(&d, IMAN), ==, 2);
    qtest_quit(d.qt);
}

/* With the ring full commands wait. */
static void test_full(void)
{
    Driver d;
    uint64_t at[ENTRIES + 2];

    start(&d, "");
    for (unsigned i = 0; i < ENTRIES - 2; i++) {
        at[i] = add(&d, NO_OP, 0);
    }
    set(&d, BELLS, 0);
    for (unsigned i = ENTRIES - 2; i < ENTRIES + 2; i++) {
        at[i] = add(&d, NO_OP, 0);
    }
    set(&d, BELLS, 0);
    for (unsigned i = 0; i < ENTRIES - 1; i++) {
        g_assert_cmpuint(take(&d, at[i]), ==, SUCCESS);
    }
    g_assert_false(has_event(&d));
    seen(&d);
    for (unsigned i = ENTRIES - 1; i < ENTRIES + 2; i++) {
        g_assert_cmpuint(take(&d, at[i]), ==, SUCCESS);
    }
    qtest_quit(d.qt);
}

static void test_hostile(void)
{
    Driver d;

    start(&d, "");
    /* A ring that leads to itself. */
    qtest_writeq(d.qt, COMMANDS, COMMANDS);
    qtest_writel(d.qt, COMMANDS + 12, LINK << 10 | 1);
    set(&d, BELLS, 0);
    g_assert_cmphex(get(&d, USBSTS), ==, 0);
    /* Commands, or the segments' table, that are in the controller, or nowhere. */
    const uint64_t nowhere[] = { BAR, 0xd0000000, UINT64_MAX & ~0x3full };

    for (unsigned i = 0; i < G_N_ELEMENTS(nowhere); i++) {
        begin(&d);
        set(&d, USBCMD, 0);
        qtest_writeq(d.qt, BAR + CRCR, nowhere[i] | 1);
        set(&d, USBCMD, RUN);
        set(&d, BELLS, 0);
        g_assert_cmphex(get(&d, USBSTS), ==, HALTED | HOST_ERROR);
        begin(&d);
        qtest_writeq(d.qt, BAR + ERSTBA, nowhere[i]);
        add(&d, NO_OP, 0);
        set(&d, BELLS, 0);
        g_assert_cmphex(get(&d, USBSTS), ==, HALTED | HOST_ERROR);
    }
    /* Segments that there cannot be. */
    const uint64_t sizes[] = { 0, 15, 4097, 0xffff };

    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        begin(&d);
        qtest_writeq(d.qt, SEGMENTS + 8, sizes[i]);
        add(&d, NO_OP, 0);
        set(&d, BELLS, 0);
        g_assert_false(has_event(&d));
    }
    /* A ring of a command for ever, and a guest that reads its events beside the segment. */
    begin(&d);
    qtest_writel(d.qt, COMMANDS + 12, NO_OP << 10 | 1);
    qtest_writeq(d.qt, COMMANDS + TRB, COMMANDS);
    qtest_writel(d.qt, COMMANDS + TRB + 12, LINK << 10 | 1);
    qtest_writeq(d.qt, BAR + ERDP, EVENTS + ENTRIES * TRB);
    set(&d, BELLS, 0);
    g_assert_cmphex(get(&d, USBSTS) & HOST_ERROR, ==, 0);
    begin(&d);
    g_assert_cmpuint(run(&d, NO_OP, 0), ==, SUCCESS);
    qtest_quit(d.qt);
}

/* What was saved is there until a reset; else the guest is told that it is not. */
static void test_sleep(void)
{
    Driver d;

    start(&d, "");
    set(&d, USBCMD, 0);
    set(&d, USBCMD, SAVE);
    set(&d, USBCMD, RESTORE);
    g_assert_cmphex(get(&d, USBSTS), ==, HALTED);
    set(&d, USBCMD, RESET);
    set(&d, USBCMD, RESTORE);
    g_assert_cmphex(get(&d, USBSTS), ==, HALTED | NOT_RESTORED);
    set(&d, USBSTS, NOT_RESTORED);
    g_assert_cmphex(get(&d, USBSTS), ==, HALTED);
    qtest_quit(d.qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xhci/registers", test_registers);
    g_test_add_func("/xhci/commands", test_commands);
    g_test_add_func("/xhci/interrupts", test_interrupts);
    g_test_add_func("/xhci/full", test_full);
    g_test_add_func("/xhci/hostile", test_hostile);
    g_test_add_func("/xhci/sleep", test_sleep);
    return g_test_run();
}
