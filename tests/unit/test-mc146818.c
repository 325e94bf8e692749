/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/rtc/mc146818.h"
#include "qapi/qapi-events.h"
#include "tests/unit/chip-test.h"

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
    rtc = mc146818_create(system_io(), test_line(&irq8));
    g_test_add_func("/mc146818/formats", test_formats);
    g_test_add_func("/mc146818/set", test_set);
    g_test_add_func("/mc146818/change", test_change);
    g_test_add_func("/mc146818/uip", test_uip);
    g_test_add_func("/mc146818/interrupts", test_interrupts);
    g_test_add_func("/mc146818/memory-size", test_memory_size);
    g_test_add_func("/mc146818/any-write", test_any_write);
    return g_test_run();
}
