/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/timer/i8254.h"
#include "hw/timer/lost-ticks.h"
#include "tests/unit/chip-test.h"
#include "util/clock.h"
#include "util/timer.h"

static TestLine irq0;

static void program(unsigned counter, unsigned mode, uint16_t count)
{
    outb(0x43, counter << 6 | 0x30 | mode << 1);
    outb(0x40 + counter, count & 0xff);
    outb(0x40 + counter, count >> 8);
}

static uint16_t read_count(unsigned counter)
{
    uint8_t low;

    outb(0x43, counter << 6);
    low = inb(0x40 + counter);
    return low | inb(0x40 + counter) << 8;
}

/* Just past @n input clocks. */
static int64_t ticks(int64_t n)
{
    return (n * NS_PER_SEC + I8254_HZ - 1) / I8254_HZ;
}

static bool out2(void)
{
    return inb(0x61) & 0x20;
}

static void test_mode0_gate(void)
{
    outb(0x61, 1);
    program(2, 0, 1000);
    g_assert_false(out2());
    step(ticks(400));
    g_assert_cmpint(read_count(2), ==, 600);
    outb(0x61, 0); /* gate low: stands */
    step(NS_PER_SEC);
    g_assert_cmpint(read_count(2), ==, 600);
    g_assert_false(out2());
    outb(0x61, 1);
    step(ticks(599));
    g_assert_false(out2());
    step(ticks(2));
    g_assert_true(out2());
    g_assert_cmpint(read_count(2), >, 0xff00); /* goes on below 0 */
}

static void test_mode2_irq(void)
{
    unsigned before;

    program(0, 2, 1193); /* 1 ms */
    before = irq0.edges;
    step(100 * NS_PER_MS);
    g_assert_cmpint(irq0.edges - before, ==, 100);
    program(0, 0, 100);
    before = irq0.edges;
    step(NS_PER_SEC);
    g_assert_cmpint(irq0.edges - before, ==, 1);
    outb(0x43, 0x30); /* stopped */
    before = irq0.edges;
    step(NS_PER_SEC);
    g_assert_cmpint(irq0.edges - before, ==, 0);
}

static void test_mode3(void)
{
    outb(0x61, 1);
    program(2, 3, 1000);
    g_assert_true(out2());
    step(ticks(100));
    g_assert_cmpint(read_count(2), ==, 800);
    step(ticks(401));
    g_assert_false(out2());
    outb(0x61, 0);
    g_assert_true(out2()); /* a low gate holds OUT high */
}

static void test_mode1_and_4(void)
{
    outb(0x61, 0);
    program(2, 1, 50);
    g_assert_true(out2());
    step(ticks(100));
    g_assert_true(out2()); /* not triggered */
    outb(0x61, 1);
    g_assert_false(out2());
    step(ticks(51));
    g_assert_true(out2());
    program(2, 4, 50);
    g_assert_true(out2());
    step(ticks(50));
    g_assert_false(out2()); /* the strobe */
    step(ticks(1));
    g_assert_true(out2());
}

static void write_count(unsigned counter, uint16_t count)
{
    outb(0x40 + counter, count & 0xff);
    outb(0x40 + counter, count >> 8);
}

/* A count that is written without a control word comes into force when the cycle under way ends. */
static void test_new_count(void)
{
    int64_t begin = clock_ns();
    unsigned before;

    outb(0x61, 1);
    program(2, 2, 1000);
    step(ticks(300));
    write_count(2, 400);
    g_assert_cmpint(read_count(2), ==, 700);
    outb(0x43, 0xe8); /* status: null count, until it is loaded */
    g_assert_cmphex(inb(0x42) & 0x40, ==, 0x40);
    write_count(2, 500); /* the last one counts */
    timers_step_to(begin + ticks(999));
    g_assert_cmpint(read_count(2), ==, 1);
    timers_step_to(begin + ticks(1000));
    g_assert_cmpint(read_count(2), ==, 500);
    outb(0x43, 0xe8);
    g_assert_cmphex(inb(0x42) & 0x40, ==, 0);
    timers_step_to(begin + ticks(1501));
    g_assert_cmpint(read_count(2), ==, 499);

    begin = clock_ns();
    program(0, 2, 10000);
    before = irq0.edges;
    step(ticks(4000));
    write_count(0, 2000);
    timers_step_to(begin + ticks(9999));
    g_assert_cmpint(irq0.edges - before, ==, 0);
    timers_step_to(begin + ticks(10000));
    g_assert_cmpint(irq0.edges - before, ==, 1);
    timers_step_to(begin + ticks(11999));
    g_assert_cmpint(irq0.edges - before, ==, 1);
    timers_step_to(begin + ticks(12000));
    g_assert_cmpint(irq0.edges - before, ==, 2);
    for (unsigned i = 0; i < 100; i++) { /* written faster than it counts, it counts all the same */
        write_count(0, 2000);
        step(ticks(1000));
    }
    g_assert_cmpint(irq0.edges - before, >=, 51);
}

/* The same for half cycles in mode 3, whose second half then has the new length. */
static void test_new_count_square(void)
{
    int64_t begin = clock_ns();
    unsigned before;

    outb(0x61, 1);
    program(2, 3, 1000);
    step(ticks(100));
    write_count(2, 200);
    timers_step_to(begin + ticks(499));
    g_assert_true(out2());
    timers_step_to(begin + ticks(500));
    g_assert_false(out2());
    timers_step_to(begin + ticks(599));
    g_assert_false(out2());
    timers_step_to(begin + ticks(600));
    g_assert_true(out2());
    timers_step_to(begin + ticks(750)); /* low, and ends at 800 */
    write_count(2, 1000);
    g_assert_false(out2());
    timers_step_to(begin + ticks(800));
    g_assert_true(out2());
    timers_step_to(begin + ticks(1299));
    g_assert_true(out2());
    timers_step_to(begin + ticks(1301));
    g_assert_false(out2());

    begin = clock_ns();
    program(0, 3, 10000);
    before = irq0.edges;
    step(ticks(1000));
    write_count(0, 4000);
    timers_step_to(begin + ticks(6999));
    g_assert_cmpint(irq0.edges - before, ==, 0);
    timers_step_to(begin + ticks(7001));
    g_assert_cmpint(irq0.edges - before, ==, 1);
    timers_step_to(begin + ticks(11003));
    g_assert_cmpint(irq0.edges - before, ==, 2);
    program(0, 0, 1);
}

/* One-shot modes: the next trigger takes the new count; this pulse stays as long as it is. */
static void test_new_count_one_shot(void)
{
    outb(0x61, 0);
    program(2, 1, 1000);
    outb(0x61, 1);
    step(ticks(100));
    write_count(2, 50);
    g_assert_false(out2());
    g_assert_cmpint(read_count(2), ==, 900);
    step(ticks(899));
    g_assert_false(out2());
    step(ticks(2));
    g_assert_true(out2());
    outb(0x61, 0);
    outb(0x61, 1);
    g_assert_false(out2());
    step(ticks(51));
    g_assert_true(out2());
}

static void test_read_back(void)
{
    outb(0x61, 1);
    program(2, 2, 5000);
    step(ticks(10));
    outb(0x43, 0xc8); /* count and status of counter 2 */
    step(ticks(100));
    g_assert_cmphex(inb(0x42), ==, 0xb4);
    g_assert_cmphex(inb(0x42), ==, 4990 & 0xff);
    g_assert_cmphex(inb(0x42), ==, 4990 >> 8);
    g_assert_cmpint(read_count(2), ==, 4890);
    outb(0x43, 0xb4); /* control word alone: null count */
    outb(0x43, 0xe8);
    g_assert_cmphex(inb(0x42) & 0x40, ==, 0x40);
}

static void test_bcd(void)
{
    outb(0x61, 1);
    outb(0x43, 0xb1); /* mode 0, BCD */
    outb(0x42, 0x00);
    outb(0x42, 0x10); /* 1000 */
    step(ticks(1));
    g_assert_cmphex(read_count(2), ==, 0x0999);
}

static void test_refresh(void)
{
    uint8_t first = inb(0x61) & 0x10;

    step(15085);
    g_assert_cmphex(inb(0x61) & 0x10, !=, first);
}

/* ---- ticks for which the guest had no time ---- */

#define SLOW 4773 /* 250 Hz */

static I8254 *pit;
static bool is_heard;

static bool heard(void *opaque)
{
    return is_heard;
}

/* The guest takes what there is; how many ticks that is. */
static unsigned take_ticks(void)
{
    unsigned before = irq0.edges, now;

    do {
        now = irq0.edges;
        i8254_tick_taken(pit);
    } while (irq0.edges != now);
    return irq0.edges - before;
}

static void start_ticks(uint16_t count)
{
    is_heard = true;
    i8254_make_up(pit, heard, NULL);
    program(0, 2, count);
    irq0.edges = 0;
}

/* All that the timer counted come, the late ones close to those that come in time. */
static void test_lost_ticks(void)
{
    start_ticks(SLOW);
    step(ticks(20 * SLOW));
    g_assert_cmpuint(irq0.edges, ==, 20);
    g_assert_cmpuint(take_ticks(), ==, LOST_TICKS_BURST); /* 19 were lost */
    g_assert_cmpuint(take_ticks(), ==, 0);                /* and nobody takes what is not there */
    step(ticks(SLOW));
    g_assert_cmpuint(take_ticks(), ==, LOST_TICKS_BURST);
    step(ticks(SLOW));
    g_assert_cmpuint(take_ticks(), ==, 19 - 2 * LOST_TICKS_BURST);
    step(ticks(SLOW));
    g_assert_cmpuint(take_ticks(), ==, 0);
}

/* The main loop had no time either. */
static void test_late_ticks(void)
{
    start_ticks(SLOW);
    clock_step(clock_ns() + ticks(6 * SLOW));
    timers_run();
    g_assert_cmpuint(irq0.edges, ==, 1);
    g_assert_cmpuint(take_ticks(), ==, 5);
    step(ticks(SLOW));
    g_assert_cmpuint(irq0.edges, ==, 7);
    g_assert_cmpuint(take_ticks(), ==, 0);
}

static void test_lost_ticks_bounds(void)
{
    unsigned made_up = 0;

    start_ticks(SLOW); /* nobody hears them */
    is_heard = false;
    step(NS_PER_SEC);
    g_assert_cmpuint(take_ticks(), ==, 0);
    is_heard = true;
    step(ticks(SLOW));
    g_assert_cmpuint(take_ticks(), ==, 0);

    start_ticks(1); /* 1.2 MHz */
    step(100 * NS_PER_MS);
    g_assert_cmpuint(take_ticks(), ==, 0);
    clock_step(clock_ns() + NS_PER_SEC);
    timers_run();
    g_assert_cmpuint(take_ticks(), ==, 0);

    start_ticks(SLOW); /* no more than of a second */
    step(60 * NS_PER_SEC);
    clock_step(clock_ns() + 3600 * NS_PER_SEC);
    timers_run();
    for (unsigned i = 0; i < 1000; i++) {
        made_up += take_ticks();
        step(ticks(SLOW));
    }
    g_assert_cmpuint(made_up, ==, NS_PER_SEC / ticks(SLOW));

    start_ticks(SLOW); /* what was lost of another count is of no use */
    step(NS_PER_SEC);
    program(0, 2, SLOW);
    g_assert_cmpuint(take_ticks(), ==, 0);
    program(0, 0, 1);
}

static void test_discarded_ticks(void)
{
    g_assert_true(object_global_add(TYPE_KVM_PIT, "lost_tick_policy", "discard", NULL));
    start_ticks(SLOW);
    step(ticks(20 * SLOW));
    g_assert_cmpuint(take_ticks(), ==, 0);
    g_assert_true(object_global_add(TYPE_KVM_PIT, "lost_tick_policy", "delay", NULL));
    start_ticks(SLOW);
    step(ticks(20 * SLOW));
    g_assert_cmpuint(take_ticks(), ==, LOST_TICKS_BURST);
    i8254_make_up(pit, NULL, NULL);
}

static void test_any_write(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);

    for (unsigned i = 0; i < 20000; i++) {
        unsigned port = g_rand_int(rand) % 5;

        outb(port == 4 ? 0x61 : 0x40 + port, g_rand_int(rand));
        inb(port == 4 ? 0x61 : 0x40 + port);
        step(g_rand_int(rand) % 5000);
    }
}

int main(int argc, char **argv)
{
    chip_test_init(&argc, &argv);
    pit = i8254_create(memory_io(), test_line(&irq0));
    g_test_add_func("/i8254/mode0-gate", test_mode0_gate);
    g_test_add_func("/i8254/mode2-irq", test_mode2_irq);
    g_test_add_func("/i8254/mode3", test_mode3);
    g_test_add_func("/i8254/mode1-mode4", test_mode1_and_4);
    g_test_add_func("/i8254/new-count", test_new_count);
    g_test_add_func("/i8254/new-count-square", test_new_count_square);
    g_test_add_func("/i8254/new-count-one-shot", test_new_count_one_shot);
    g_test_add_func("/i8254/read-back", test_read_back);
    g_test_add_func("/i8254/bcd", test_bcd);
    g_test_add_func("/i8254/refresh", test_refresh);
    g_test_add_func("/i8254/lost-ticks", test_lost_ticks);
    g_test_add_func("/i8254/late-ticks", test_late_ticks);
    g_test_add_func("/i8254/lost-ticks-bounds", test_lost_ticks_bounds);
    g_test_add_func("/i8254/discarded-ticks", test_discarded_ticks);
    g_test_add_func("/i8254/any-write", test_any_write);
    return g_test_run();
}
