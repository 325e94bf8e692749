/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/timer/hpet.h"
#include "hw/timer/lost-ticks.h"
#include "memory/address-space.h"
#include "tests/unit/chip-test.h"
#include "util/clock.h"

#define TICK 10 /* ns */

#define CONFIG     (HPET_BASE + 0x10)
#define STATUS     (HPET_BASE + 0x20)
#define COUNTER    (HPET_BASE + 0xf0)
#define TIMER(n)   (HPET_BASE + 0x100 + 0x20 * (n))
#define COMPARE(n) (TIMER(n) + 8)

#define ENABLE 1
#define LEGACY 2

#define LEVEL    0x0002
#define INT      0x0004
#define PERIODIC 0x0008
#define SET      0x0040
#define BITS32   0x0100
#define ROUTE(n) ((n) << 9)

static TestLine routes[HPET_ROUTES], legacy[HPET_LEGACIES];
static Hpet *hpet;

/* A processor of the host may do something else between any two looks at the clock: before the look
 * that is the @late_look-th from now on (0: none), time goes on by LATE. */
#define LATE (10 * NS_PER_MS)
static unsigned late_look;
int64_t __real_clock_ns(void);
int64_t __wrap_clock_ns(void);

int64_t __wrap_clock_ns(void)
{
    if (late_look && --late_look == 0) {
        clock_step(__real_clock_ns() + LATE);
    }
    return __real_clock_ns();
}

static uint64_t readq(hwaddr addr)
{
    return address_space_load(&address_space_memory, addr, 8);
}

static void writeq(hwaddr addr, uint64_t value)
{
    address_space_store(&address_space_memory, addr, value, 8);
}

static void reset(void)
{
    devices_reset();
    for (unsigned i = 0; i < HPET_ROUTES; i++) {
        g_assert_cmpint(routes[i].level, ==, 0);
        routes[i].edges = 0;
    }
    for (unsigned i = 0; i < HPET_LEGACIES; i++) {
        legacy[i].edges = 0;
    }
}

static void test_registers(void)
{
    reset();
    g_assert_cmphex(readl(HPET_BASE), ==, 0x8086a201);
    g_assert_cmpuint(readl(HPET_BASE + 4), ==, 10000000); /* fs a tick */
    g_assert_cmphex(readq(HPET_BASE), ==, UINT64_C(10000000) << 32 | 0x8086a201);
    writel(HPET_BASE, 0);
    g_assert_cmphex(readl(HPET_BASE), ==, 0x8086a201);
    writel(CONFIG, UINT32_MAX);
    g_assert_cmphex(readq(CONFIG), ==, ENABLE | LEGACY);
    writeq(TIMER(2), UINT64_MAX);
    g_assert_cmphex(readq(TIMER(2)), ==, UINT64_C(0x00ff0000) << 32 | 0x3f7e);
    g_assert_cmphex(readq(COMPARE(2)), ==, UINT32_MAX);      /* cut by 32-bit mode */
    g_assert_cmphex(readq(HPET_BASE + 0x100 + 0x60), ==, 0); /* no fourth */
    g_assert_cmphex(readl(HPET_BASE + HPET_SIZE - 4), ==, 0);
}

static void test_counter(void)
{
    reset();
    step(1000);
    g_assert_cmpuint(readq(COUNTER), ==, 0);
    writel(CONFIG, ENABLE);
    step(1000 * TICK);
    g_assert_cmpuint(readq(COUNTER), ==, 1000);
    writel(CONFIG, 0);
    step(1000 * TICK);
    g_assert_cmpuint(readq(COUNTER), ==, 1000);
    writel(COUNTER + 4, 1);
    writel(COUNTER, UINT32_MAX);
    g_assert_cmphex(readq(COUNTER), ==, UINT64_C(0x1ffffffff));
    writel(CONFIG, ENABLE);
    step(TICK);
    g_assert_cmphex(readq(COUNTER), ==, UINT64_C(0x200000000));
    g_assert_cmphex(readl(COUNTER + 4), ==, 2);
}

static void test_one_shot(void)
{
    reset();
    writel(CONFIG, ENABLE);
    writel(TIMER(2), INT | ROUTE(18));
    writeq(COMPARE(2), 5000);
    step(4999 * TICK);
    g_assert_cmpuint(routes[2].edges, ==, 0);
    step(TICK);
    g_assert_cmpuint(routes[2].edges, ==, 1);
    g_assert_cmpint(routes[2].level, ==, 0);
    step(10 * NS_PER_SEC);
    g_assert_cmpuint(routes[2].edges, ==, 1);
    writeq(COMPARE(2), 5000); /* in the past: not before the counter wraps */
    step(NS_PER_SEC);
    g_assert_cmpuint(routes[2].edges, ==, 1);
}

/* A 32-bit timer matches each time that the low half of the counter comes round. */
static void test_one_shot_32(void)
{
    reset();
    writeq(COUNTER, UINT64_C(0x7fffffff0));
    writel(TIMER(2), INT | BITS32 | ROUTE(16));
    writel(COMPARE(2), 0x10);
    writel(CONFIG, ENABLE);
    step(0x1f * TICK);
    g_assert_cmpuint(routes[0].edges, ==, 0);
    step(TICK);
    g_assert_cmpuint(routes[0].edges, ==, 1);
    step((INT64_C(1) << 32) * TICK);
    g_assert_cmpuint(routes[0].edges, ==, 2);
}

static void test_periodic(void)
{
    reset();
    writel(CONFIG, ENABLE);
    writel(TIMER(0), INT | PERIODIC | SET | BITS32 | ROUTE(20));
    writel(COMPARE(0), 50000);
    writel(COMPARE(0), 100000); /* 1 ms */
    g_assert_cmphex(readl(TIMER(0)) & SET, ==, 0);
    step(50000 * TICK);
    g_assert_cmpuint(routes[4].edges, ==, 1);
    step(99999 * TICK);
    g_assert_cmpuint(routes[4].edges, ==, 1);
    step(TICK);
    g_assert_cmpuint(routes[4].edges, ==, 2);
    g_assert_cmpuint(readq(COMPARE(0)), ==, 250000);
    step(NS_PER_SEC);
    g_assert_cmpuint(routes[4].edges, ==, 1002);
    writel(TIMER(0), PERIODIC | ROUTE(20));
    step(NS_PER_SEC);
    g_assert_cmpuint(routes[4].edges, ==, 1002);
}

/* What a guest may ask for must not keep the host busy. */
static void test_storm(void)
{
    reset();
    writel(CONFIG, ENABLE);
    writel(TIMER(0), INT | PERIODIC | SET | ROUTE(16));
    writeq(COMPARE(0), 1);
    step(100 * NS_PER_MS);
    g_assert_cmpuint(routes[0].edges, >, 0);
    g_assert_cmpuint(routes[0].edges, <=, 5000);
    writel(TIMER(0), INT | PERIODIC | SET | ROUTE(16));
    writeq(COMPARE(0), 0); /* no period at all */
    step(100 * NS_PER_MS);
}

static void test_level(void)
{
    reset();
    writel(CONFIG, ENABLE);
    writel(TIMER(1), INT | LEVEL | ROUTE(17));
    writel(TIMER(2), INT | LEVEL | ROUTE(17));
    writeq(COMPARE(1), 100);
    writeq(COMPARE(2), 200);
    step(200 * TICK);
    g_assert_cmpint(routes[1].level, ==, 1);
    g_assert_cmphex(readl(STATUS), ==, 6);
    writel(STATUS, 2);
    g_assert_cmpint(routes[1].level, ==, 1); /* the other one still asks */
    writel(STATUS, 4);
    g_assert_cmpint(routes[1].level, ==, 0);
    g_assert_cmpuint(routes[1].edges, ==, 1);
    writel(TIMER(1), INT | LEVEL | ROUTE(3)); /* goes nowhere */
    writeq(COMPARE(1), 300);
    step(NS_PER_MS);
    g_assert_cmphex(readl(STATUS), ==, 2);
    writel(TIMER(1), INT | LEVEL | ROUTE(23));
    g_assert_cmpint(routes[7].level, ==, 1);
    writel(TIMER(1), LEVEL | ROUTE(23));
    g_assert_cmpint(routes[7].level, ==, 0);
}

static void test_legacy(void)
{
    Irq pit = hpet_legacy_input(hpet, HPET_LEGACY_PIT);
    Irq rtc = hpet_legacy_input(hpet, HPET_LEGACY_RTC);

    reset();
    irq_set(&pit, 1);
    g_assert_cmpint(legacy[0].level, ==, 1);
    g_assert_cmpint(legacy[1].level, ==, 0);
    writel(CONFIG, ENABLE | LEGACY);
    g_assert_cmpint(legacy[0].level, ==, 0); /* the 8254 is cut off */
    irq_set(&rtc, 1);
    g_assert_cmpint(legacy[1].level, ==, 0);
    writel(TIMER(0), INT | ROUTE(16));
    writel(TIMER(1), INT | LEVEL | ROUTE(16));
    writeq(COMPARE(0), 1000);
    writeq(COMPARE(1), 2000);
    step(2000 * TICK);
    g_assert_cmpuint(legacy[0].edges, ==, 2); /* the 8254's and this one */
    g_assert_cmpint(legacy[1].level, ==, 1);
    g_assert_cmpuint(routes[0].edges, ==, 0);
    writel(STATUS, 2);
    g_assert_cmpint(legacy[1].level, ==, 0);
    writel(CONFIG, ENABLE);
    g_assert_cmpint(legacy[0].level, ==, 1);
    g_assert_cmpint(legacy[1].level, ==, 1);
    irq_set(&pit, 0);
    irq_set(&rtc, 0);
    g_assert_cmpint(legacy[1].level, ==, 0);
}

static bool heard(void *opaque)
{
    return true;
}

static unsigned take_ticks(void)
{
    unsigned before = legacy[0].edges, now;

    do {
        now = legacy[0].edges;
        hpet_tick_taken(hpet);
    } while (legacy[0].edges != now);
    return legacy[0].edges - before;
}

/* In the place of the 8254, what the guest has missed comes later. */
static void test_lost_ticks(void)
{
    const uint64_t period = 4 * NS_PER_MS / TICK;

    hpet_make_up(hpet, heard, NULL);
    for (unsigned is_legacy = 0; is_legacy < 2; is_legacy++) {
        reset();
        writel(TIMER(0), INT | PERIODIC | SET | ROUTE(16));
        writeq(COMPARE(0), period);
        writel(CONFIG, ENABLE | (is_legacy ? LEGACY : 0));
        step(4 * NS_PER_MS * 6);
        g_assert_cmpuint(is_legacy ? legacy[0].edges : routes[0].edges, ==, 6);
        g_assert_cmpuint(take_ticks(), ==, is_legacy ? 5 : 0);
        clock_step(clock_ns() + 4 * NS_PER_MS * 6);
        timers_run();
        g_assert_cmpuint(take_ticks(), ==, is_legacy ? 5 : 0);
        step(4 * NS_PER_MS * 6);
        writeq(COMPARE(0), period); /* set anew */
        g_assert_cmpuint(take_ticks(), ==, 0);
    }
    hpet_make_up(hpet, NULL, NULL);
}

/* A periodic timer goes on, however late what it is started or goes on by is. */
static void test_late(void)
{
    const uint64_t period = 4 * NS_PER_MS / TICK;
    bool looked = true;

    for (unsigned look = 1; looked; look++) {
        looked = false;
        for (unsigned at_start = 0; at_start < 2; at_start++) {
            reset();
            writel(TIMER(0), INT | PERIODIC | SET | BITS32 | ROUTE(16));
            writeq(COMPARE(0), period);
            late_look = at_start ? look : 0;
            writel(CONFIG, ENABLE);
            looked = looked || (at_start && !late_look);
            clock_step(clock_ns() + (int64_t)period * TICK);
            late_look = at_start ? 0 : look;
            timers_run();
            looked = looked || (!at_start && !late_look);
            late_look = 0;
            routes[0].edges = 0;
            step(3 * (int64_t)period * TICK);
            g_assert_cmpuint(routes[0].edges, >=, 3);
        }
    }
}

/* No sequence of writes hangs it, and a reset undoes them all. */
static void test_random(void)
{
    for (unsigned i = 0; i < 5000; i++) {
        unsigned size = g_test_rand_bit() ? 4 : 8;
        hwaddr addr = HPET_BASE + (unsigned)g_test_rand_int_range(0, 0x180);

        address_space_store(&address_space_memory, addr,
                            (uint64_t)(uint32_t)g_test_rand_int() << (g_test_rand_bit() ? 32 : 0),
                            size);
        address_space_load(&address_space_memory, addr, size);
        step(g_test_rand_int_range(0, 20000));
    }
    reset();
    g_assert_cmpuint(readq(COUNTER), ==, 0);
    g_assert_cmphex(readq(CONFIG), ==, 0);
    g_assert_cmphex(readq(STATUS), ==, 0);
}

int main(int argc, char **argv)
{
    Irq out[HPET_ROUTES], isa[HPET_LEGACIES];

    chip_test_init(&argc, &argv);
    for (unsigned i = 0; i < HPET_ROUTES; i++) {
        out[i] = test_line(&routes[i]);
    }
    for (unsigned i = 0; i < HPET_LEGACIES; i++) {
        isa[i] = test_line(&legacy[i]);
    }
    hpet = hpet_create(memory_system(), out, isa);
    g_test_add_func("/hpet/registers", test_registers);
    g_test_add_func("/hpet/counter", test_counter);
    g_test_add_func("/hpet/one-shot", test_one_shot);
    g_test_add_func("/hpet/one-shot-32", test_one_shot_32);
    g_test_add_func("/hpet/periodic", test_periodic);
    g_test_add_func("/hpet/storm", test_storm);
    g_test_add_func("/hpet/level", test_level);
    g_test_add_func("/hpet/legacy", test_legacy);
    g_test_add_func("/hpet/lost-ticks", test_lost_ticks);
    g_test_add_func("/hpet/late", test_late);
    g_test_add_func("/hpet/random", test_random);
    return g_test_run();
}
