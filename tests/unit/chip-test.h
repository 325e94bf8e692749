/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of single chips: a machine that has only address spaces, and a clock that is stepped.
 */
#ifndef TESTS_UNIT_CHIP_TEST_H
#define TESTS_UNIT_CHIP_TEST_H

#include <glib.h>

#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "memory/address-space.h"
#include "memory/memory.h"
#include "target/i386/cpu.h"
#include "util/clock.h"
#include "util/main-loop.h"
#include "util/timer.h"

static inline void chip_test_init(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    main_loop_init();
    memory_init();
    clock_set_stepped();
}

static inline uint8_t inb(unsigned port)
{
    return (uint8_t)address_space_load(&address_space_io, port, 1);
}

static inline void outb(unsigned port, uint8_t value)
{
    address_space_store(&address_space_io, port, value, 1);
}

static inline uint32_t readl(hwaddr addr)
{
    return (uint32_t)address_space_load(&address_space_memory, addr, 4);
}

static inline void writel(hwaddr addr, uint32_t value)
{
    address_space_store(&address_space_memory, addr, value, 4);
}

static inline void step(int64_t ns)
{
    timers_step_to(clock_ns() + ns);
}

/* A line that remembers its level and counts its rising edges. */
typedef struct TestLine {
    int level;
    unsigned edges;
} TestLine;

static inline void test_line_set(void *opaque, int n, int level)
{
    TestLine *line = opaque;

    line->edges += level && !line->level;
    line->level = level;
}

static inline Irq test_line(TestLine *line)
{
    return (Irq){ .set = test_line_set, .opaque = line };
}

#endif
