/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/rtc/mc146818.h"
#include "qapi/qapi-events.h"
#include "tests/unit/chip-test.h"
#include "util/clock.h"
#include "util/timer.h"

static TestLine irq8;
static Mc146818 *rtc;

/* 2024-02-29 23:59:58 UTC, a Thursday */
#define TEST_TIME 1709251198

static uint8_t get(uint8_t reg)
{
    outb(0x70, reg);
    return inb(0x71);
}

static void set(uint8_t reg, uint8_t value)
{
    outb(0x70, reg);
    outb(0x71, value);
}

static void assert_time(uint8_t century, uint8_t year, uint8_t month, uint8_t day, uint8_t hour,
                        uint8_t minute, uint8_t second)
{
    g_assert_cmphex(get(0x32), ==, century);
    g_assert_cmphex(get(9), ==, year);
    g_assert_cmphex(get(8), ==, month);
    g_assert_cmphex(get(7), ==, day);
    g_assert_cmphex(get(4), ==, hour);
    g_assert_cmphex(get(2), ==, minute);
    g_assert_cmphex(get(0), ==, second);
}

static void start(uint8_t reg_b)
{
    set(0x0b, reg_b);
    get(0x0c);
    mc146818_set_time(rtc, TEST_TIME);
}

static void test_formats(void)
{
    start(0x02);
    assert_time(0x20, 0x24, 0x02, 0x29, 0x23, 0x59, 0x58);
    g_assert_cmphex(get(6), ==, 5);
    g_assert_cmphex(get(0x0d), ==, 0x80);
    step(2 * NS_PER_SEC);
    assert_time(0x20, 0x24, 0x03, 0x01, 0x00, 0x00, 0x00);
    start(0x06);
    assert_time(20, 24, 2, 29, 23, 59, 58);
    start(0x00);
    g_assert_cmphex(get(4), ==, 0x91); /* 11 PM */
    start(0x04);
    g_assert_cmphex(get(4), ==, 0x8b);
}

static void test_set(void)
{
    start(0x06);
    set(0x0b, 0x86);
    step(5 * NS_PER_SEC);
    g_assert_cmphex(get(0), ==, 58); /* stands */
    set(0x32, 19);
    set(9, 99);
    set(8, 12);
    set(7, 31);
    set(4, 23);
    set(2, 59);
    set(0, 59);
    set(0x0b, 0x06);
    step(NS_PER_SEC);
    assert_time(20, 0, 1, 1, 0, 0, 0);
    set(4, 13); /* on the fly */
    assert_time(20, 0, 1, 1, 13, 0, 0);
}

static int64_t told_offset; /* by the last RTC_CHANGE */
static unsigned told;

static void emit(const char *name, struct json_object *event)
{
    struct json_object *data = json_object_object_get(event, "data");

    g_assert_cmpstr(name, ==, "RTC_CHANGE");
    g_assert_true(json_object_is_type(json_object_object_get(data, "qom-path"), json_type_string));
    told_offset = json_object_get_int64(json_object_object_get(data, "offset"));
    told++;
}

/* The event tells how far ahead of its own time the guest has put the clock. */
static void test_change(void)
{
    start(0x06);
    qapi_event_set_emitter(emit);
    set(0x0b, 0x86);
    step(10 * NS_PER_SEC);
    set(4, 22);
    g_assert_cmpuint(told, ==, 0);
    set(0x0b, 0x06); /* 22:59:58, and it would be 00:00:08 */
    g_assert_cmpuint(told, ==, 1);
    g_assert_cmpint(told_offset, ==, -3600 - 10);
    qapi_event_set_emitter(emit); /* forget the rate limit */
    step(5 * NS_PER_SEC);
    set(4, 21); /* on the fly, at 23:00:03; in sum */
    g_assert_cmpuint(told, ==, 2);
    g_assert_cmpint(told_offset, ==, -3 * 3600 - 10);
    qapi_event_set_emitter(emit);
    set(0x0b, 0x06); /* sets nothing */
    g_assert_cmpuint(told, ==, 2);
    set(0x0a, 0x76); /* it stands for 20 s, and loses half a second more by the reset */
    step(20 * NS_PER_SEC);
    set(0x0a, 0x26);
    g_assert_cmpuint(told, ==, 3);
    g_assert_cmpint(told_offset, >=, -3 * 3600 - 31);
    g_assert_cmpint(told_offset, <=, -3 * 3600 - 29);
    qapi_event_set_emitter(emit);
    for (unsigned i = 0; i < 10; i++) { /* halves are not lost: half a second ahead each time */
        set(0x0a, 0x76);
        set(0x0a, 0x26);
        qapi_event_set_emitter(emit);
        step(500 * NS_PER_MS);
    }
    g_assert_cmpint(told_offset, >=, -3 * 3600 - 26);
    g_assert_cmpint(told_offset, <=, -3 * 3600 - 24);
    qapi_event_set_emitter(NULL);
}

static void test_uip(void)
{
    start(0x02);
    g_assert_cmphex(get(0x0a) & 0x80, ==, 0);
    step(NS_PER_SEC - 200 * NS_PER_US);
    g_assert_cmphex(get(0x0a) & 0x80, ==, 0x80);
    step(200 * NS_PER_US);
    g_assert_cmphex(get(0x0a) & 0x80, ==, 0);
    g_assert_cmphex(get(0x0c), ==, 0x50); /* UF, PF, polled */
}

static void test_interrupts(void)
{
    start(0x12); /* update-ended */
    step(NS_PER_SEC);
    g_assert_cmpint(irq8.level, ==, 1);
    g_assert_cmphex(get(0x0c) & 0x90, ==, 0x90);
    g_assert_cmpint(irq8.level, ==, 0);
    step(NS_PER_SEC);
    g_assert_cmpint(irq8.level, ==, 1);

    start(0x42); /* periodic, 1024 Hz */
    irq8.edges = 0;
    for (unsigned i = 0; i < 10240; i++) {
        step(NS_PER_SEC / 10240);
        get(0x0c);
    }
    g_assert_cmpint(irq8.edges, >=, 1022);
    g_assert_cmpint(irq8.edges, <=, 1024);

    start(0x22); /* alarm at xx:00:01 */
    set(1, 0x01);
    set(3, 0x00);
    set(5, 0xff);
    step(2900 * NS_PER_MS);
    g_assert_cmpint(irq8.level, ==, 0);
    step(100 * NS_PER_MS);
    g_assert_cmpint(irq8.level, ==, 1);
    g_assert_cmphex(get(0x0c) & 0xa0, ==, 0xa0);
    set(0x0b, 0x02);
}

/* Divider reset stops everything; the first update comes 500 ms after it. */
static void test_divider_reset(void)
{
    start(0x02);
    step(300 * NS_PER_MS);
    set(0x0a, 0x76);
    get(0x0c);
    step(10 * NS_PER_SEC + 123456789);
    g_assert_cmphex(get(0), ==, 0x58);
    g_assert_cmphex(get(0x0a), ==, 0x76); /* and no update is near */
    g_assert_cmphex(get(0x0c), ==, 0);
    set(2, 0x04); /* as with B_SET: written at leisure, and it stays */
    set(0, 0x58);
    step(5 * NS_PER_SEC);
    g_assert_cmphex(get(2), ==, 0x04);
    g_assert_cmphex(get(0), ==, 0x58);

    set(0x0a, 0x26);
    step(500 * NS_PER_MS - 245 * NS_PER_US);
    g_assert_cmphex(get(0x0a), ==, 0x26);
    step(2 * NS_PER_US);
    g_assert_cmphex(get(0x0a), ==, 0xa6);
    step(243 * NS_PER_US - 1);
    g_assert_cmphex(get(0), ==, 0x58);
    g_assert_cmphex(get(0x0a), ==, 0xa6);
    step(1);
    g_assert_cmphex(get(0), ==, 0x59);
    g_assert_cmphex(get(0x0a), ==, 0x26);
    g_assert_cmphex(get(0x0c) & 0x10, ==, 0x10);
    step(NS_PER_SEC - 1);
    g_assert_cmphex(get(0), ==, 0x59);
    step(1);
    g_assert_cmphex(get(0), ==, 0x00);
}

/* Of the divider's settings 0 to 2 run, the tests of the chip (3 to 5) and the reset (6, 7) do not;
 * changing between those that run changes nothing. */
static void test_divider_values(void)
{
    for (uint8_t dv = 0; dv < 8; dv++) {
        start(0x42);
        step(700 * NS_PER_MS);
        set(0x0a, dv << 4 | 6);
        get(0x0c);
        step(300 * NS_PER_MS);
        g_assert_cmphex(get(0), ==, dv < 3 ? 0x59 : 0x58);
        g_assert_cmphex(get(0x0c), ==, dv < 3 ? 0xd0 : 0);
        set(0x0a, 0x26);
    }
    set(0x0b, 0x02);
}

/* B_SET stops the updates only: the divider runs on, and the next second begins when it says. */
static void test_set_phase(void)
{
    start(0x02);
    step(300 * NS_PER_MS);
    set(0x0b, 0x92); /* UIE goes as SET comes */
    g_assert_cmphex(get(0x0b), ==, 0x82);
    get(0x0c);
    step(3 * NS_PER_SEC + 699900 * NS_PER_US);
    g_assert_cmphex(get(0x0a), ==, 0x26); /* it would be in progress */
    g_assert_cmphex(get(0x0c), ==, 0x40);
    g_assert_cmphex(get(0), ==, 0x58);
    step(500 * NS_PER_MS + 100 * NS_PER_US); /* 0.5 s into a second */
    set(0x0b, 0x02);
    step(500 * NS_PER_MS - 1);
    g_assert_cmphex(get(0), ==, 0x58);
    step(1);
    g_assert_cmphex(get(0), ==, 0x59);
}

/* ns until the line is raised, at most @limit; acknowledged before and after. */
static int64_t until_interrupt(int64_t limit)
{
    int64_t begin = clock_ns(), expiry;

    get(0x0c);
    g_assert_cmpint(irq8.level, ==, 0);
    while (!irq8.level && (expiry = timers_next_expiry()) >= 0 && expiry <= begin + limit) {
        timers_step_to(expiry);
    }
    g_assert_cmpint(irq8.level, ==, 1);
    get(0x0c);
    return clock_ns() - begin;
}

/* Every rate is a bit of the divider: half a period from the divider's reset to the first edge,
 * then a period each, and 32768 counts are a second, however often it is looked at. */
static void test_periodic_rates(void)
{
    static const int counts[16] = { 0,   128, 256, 4,    8,    16,   32,   64,
                                    128, 256, 512, 1024, 2048, 4096, 8192, 16384 };

    for (uint8_t rate = 1; rate < 16; rate++) {
        int64_t begin, period = counts[rate] * NS_PER_SEC / 32768;

        start(0x42);
        set(0x0a, 0x70);
        set(0x0a, 0x20 | rate);
        begin = clock_ns();
        g_assert_cmpint(until_interrupt(period) - period / 2, <=, 1);
        for (int i = 0; i < 32768 / counts[rate] - 1; i++) {
            int64_t ns = until_interrupt(period + 1);

            g_assert_cmpint(ns, >=, period - 1);
        }
        g_assert_cmpint(ABS(clock_ns() + period / 2 - begin - NS_PER_SEC), <=, 2);
    }
    set(0x0a, 0x20);
    get(0x0c);
    step(2 * NS_PER_SEC);
    g_assert_cmphex(get(0x0c) & 0x40, ==, 0); /* rate 0: none */
    set(0x0a, 0x26);
    set(0x0b, 0x02);
}

/* A change of the rate does not start a period anew, nor does writing the same again. */
static void test_rate_phase(void)
{
    start(0x42);
    set(0x0a, 0x76);
    set(0x0a, 0x2f); /* 2 Hz: edges at 0.25, 0.75, ... */
    step(200 * NS_PER_MS);
    set(0x0a, 0x2f);
    g_assert_cmpint(until_interrupt(NS_PER_SEC), ==, 50 * NS_PER_MS);
    step(50 * NS_PER_MS);
    set(0x0a, 0x2d); /* 8 Hz: 1/16 s, 3/16 s, ... */
    g_assert_cmpint(until_interrupt(NS_PER_SEC), ==, NS_PER_SEC / 16 * 5 - 300 * NS_PER_MS);
    step(30 * NS_PER_MS);
    set(0x0a, 0x2f);
    g_assert_cmpint(until_interrupt(NS_PER_SEC), ==,
                    750 * NS_PER_MS - NS_PER_SEC / 16 * 5 - 30 * NS_PER_MS);
    set(0x0b, 0x02); /* nor does the enable bit */
    step(100 * NS_PER_MS);
    set(0x0b, 0x42);
    g_assert_cmpint(until_interrupt(NS_PER_SEC), ==, 400 * NS_PER_MS);
    for (unsigned i = 0; i < 1000; i++) { /* written faster than it ticks, it ticks all the same */
        set(0x0a, 0x2e);
        step(NS_PER_MS);
    }
    g_assert_cmpint(irq8.level, ==, 1);
    set(0x0a, 0x26);
    set(0x0b, 0x02);
}

/* Flags are set whether they interrupt or not; enabling one that is set interrupts at once;
 * reading C takes them all. */
static void test_flags(void)
{
    start(0x02);
    set(1, 0xc0); /* don't care: each second */
    set(3, 0xff);
    set(5, 0xc5);
    irq8.edges = 0;
    step(NS_PER_SEC);
    g_assert_cmpuint(irq8.edges, ==, 0);
    for (unsigned flag = 0x10; flag <= 0x40; flag *= 2) {
        set(0x0b, 0x02 | flag);
        g_assert_cmpint(irq8.level, ==, 1);
        g_assert_cmphex(get(0x0c), ==, 0xf0);
        g_assert_cmpint(irq8.level, ==, 0);
        g_assert_cmphex(get(0x0c), ==, 0);
        step(NS_PER_SEC);
    }
    set(0x0b, 0x02);
    set(0x0c, 0xff); /* read only */
    g_assert_cmphex(get(0x0c) & 0x0f, ==, 0);
}

/* The alarm is compared in the format of the clock; each field may be any. */
static void test_alarm_formats(void)
{
    static const struct {
        uint8_t b, second, minute, hour;
        unsigned after; /* seconds from 23:59:58 */
    } alarms[] = {
        { 0x02, 0x59, 0x59, 0x23, 1 },
        { 0x06, 59, 59, 23, 1 },
        { 0x00, 0x00, 0x00, 0x12, 2 },
        { 0x04, 0, 0, 12, 2 },
        { 0x00, 0x59, 0xff, 0x91, 1 },
        { 0x04, 0xff, 0, 0xff, 2 },
        { 0x02, 0x03, 0xc0, 0xc0, 5 },
        { 0x02, 0x05, 0x01, 0xff, 67 },
        { 0x00, 0x00, 0x00, 0x92, 43202 } /* noon */,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(alarms); i++) {
        start(alarms[i].b);
        set(1, alarms[i].second);
        set(3, alarms[i].minute);
        set(5, alarms[i].hour);
        set(0x0b, alarms[i].b | 0x20);
        step(alarms[i].after * NS_PER_SEC - 1);
        g_assert_cmpint(irq8.level, ==, 0);
        step(1);
        g_assert_cmpint(irq8.level, ==, 1);
        g_assert_cmphex(get(0x0c) & 0xa0, ==, 0xa0);
        set(0x0b, 0x02);
    }
}

/* After hours without a look the periods still are where they belong. */
static void test_long(void)
{
    start(0x02);
    step(400LL * 86400 * NS_PER_SEC + 123 * NS_PER_MS);
    set(0x0b, 0x42);
    set(0x0a, 0x2f);
    g_assert_cmpint(until_interrupt(NS_PER_SEC), ==, (250 - 123) * NS_PER_MS);
    set(0x0a, 0x26);
    set(0x0b, 0x02);
}

static void set_lost_tick_policy(const char *policy)
{
    g_assert_true(object_property_parse((Object *)rtc, MC146818_LOST_TICK_POLICY, policy, NULL));
}

/* How many periodic interrupts wait one behind the other for the guest. */
static unsigned take_ticks(void)
{
    unsigned ticks = 0;

    while (irq8.level && ticks < 10000) {
        ticks += (get(0x0c) & 0xc0) == 0xc0;
    }
    return ticks;
}

static void test_lost_ticks(void)
{
    start(0x42); /* periodic, 1024 Hz */
    step(500 * NS_PER_MS);
    g_assert_cmpuint(take_ticks(), ==, 1); /* the others are lost */

    set_lost_tick_policy("slew");
    start(0x42);
    irq8.edges = 0;
    step(500 * NS_PER_MS);
    g_assert_cmpuint(take_ticks(), ==, 512);
    g_assert_cmpuint(irq8.edges, ==, 512);
    step(NS_PER_SEC);
    mc146818_forget_lost_ticks(rtc);
    g_assert_cmpuint(take_ticks(), ==, 1);
    step(NS_PER_SEC);
    set(0x0b, 0x02); /* no more wanted */
    set(0x0b, 0x42);
    g_assert_cmpuint(take_ticks(), <=, 1);
    step(NS_PER_SEC);
    set(0x0a, 0x27); /* another rate */
    g_assert_cmpuint(take_ticks(), <=, 1);
    set(0x0b, 0x02);
    set_lost_tick_policy("discard");
}

static void test_memory_size(void)
{
    mc146818_set_memory(rtc, 0xc0000000, 0x140000000ull);
    g_assert_cmphex(get(0x15) | get(0x16) << 8, ==, 640);
    g_assert_cmphex(get(0x30) | get(0x31) << 8, ==, 0xffff);
    g_assert_cmphex(get(0x34) | get(0x35) << 8, ==, 0xbf00);
    g_assert_cmphex(get(0x5b) | get(0x5c) << 8 | get(0x5d) << 16, ==, 0x14000);
    set(0x7f, 0x5a);
    g_assert_cmphex(get(0xff), ==, 0x5a); /* bit 7 is the NMI mask */
    mc146818_cmos_set(rtc, 1000, 1);
    g_assert_cmphex(mc146818_cmos_get(rtc, 1000), ==, 0);
}

static void test_any_write(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4);

    for (unsigned i = 0; i < 20000; i++) {
        set(g_rand_int(rand) % 16 ? g_rand_int(rand) % 14 : 0x32, g_rand_int(rand));
        get(g_rand_int(rand));
        step(g_rand_int(rand) % (100 * NS_PER_MS));
    }
}

int main(int argc, char **argv)
{
    chip_test_init(&argc, &argv);
    rtc = mc146818_create(memory_io(), test_line(&irq8));
    g_test_add_func("/mc146818/formats", test_formats);
    g_test_add_func("/mc146818/set", test_set);
    g_test_add_func("/mc146818/change", test_change);
    g_test_add_func("/mc146818/uip", test_uip);
    g_test_add_func("/mc146818/interrupts", test_interrupts);
    g_test_add_func("/mc146818/divider-reset", test_divider_reset);
    g_test_add_func("/mc146818/divider-values", test_divider_values);
    g_test_add_func("/mc146818/set-phase", test_set_phase);
    g_test_add_func("/mc146818/periodic-rates", test_periodic_rates);
    g_test_add_func("/mc146818/rate-phase", test_rate_phase);
    g_test_add_func("/mc146818/flags", test_flags);
    g_test_add_func("/mc146818/alarm-formats", test_alarm_formats);
    g_test_add_func("/mc146818/long", test_long);
    g_test_add_func("/mc146818/lost-ticks", test_lost_ticks);
    g_test_add_func("/mc146818/memory-size", test_memory_size);
    g_test_add_func("/mc146818/any-write", test_any_write);
    return g_test_run();
}
