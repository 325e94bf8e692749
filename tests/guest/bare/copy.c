/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests/bench: how long it takes to move 64 MiB, in lines "MS ms, WHAT". Needs 256 MiB of RAM.
 * Places 64 MiB apart share what a processor indexes by the low bits of page numbers.
 */
#include "runtime.h"

#define MIB           0x100000u
#define PM_TIMER_PORT 0x608
#define PM_TIMER_HZ   3579545u
enum { BYTES = 64 * 0x100000, PIECE = 0x100000 };

static uint8_t *const first = (uint8_t *)(64 * MIB), *const second = (uint8_t *)(128 * MIB);

static void movs(uint8_t *to, uint8_t *from)
{
    uint32_t count = PIECE / 4;
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory");
}

static void stos(uint8_t *to, uint8_t *from)
{
    uint32_t count = PIECE / 4;
    (void)from;
    __asm__ volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(0) : "memory");
}

static void cmps(uint8_t *to, uint8_t *from)
{
    uint32_t count = PIECE / 4;
    __asm__ volatile("repe cmpsl" : "+D"(to), "+S"(from), "+c"(count) : : "memory", "cc");
}

static void loop(uint8_t *to, uint8_t *from)
{
    for (uint32_t i = 0; i < PIECE / 4; i++) {
        ((volatile uint32_t *)to)[i] = ((volatile uint32_t *)from)[i];
    }
}

/* The PM timer has 24 bits on some machines: pieces must take less than 4 s. */
static void measure(const char *name, void (*fn)(uint8_t *to, uint8_t *from), uint32_t distance)
{
    uint32_t ticks = 0, last = in32(PM_TIMER_PORT);

    for (uint32_t at = 0; at < BYTES; at += PIECE) {
        fn(first + distance + at, first + at);
        uint32_t now = in32(PM_TIMER_PORT);
        ticks += (now - last) & 0xffffff;
        last = now;
    }
    print("%u ms, %s\n", ticks / (PM_TIMER_HZ / 1000), name);
}

static void use(uint8_t *from)
{
    for (uint32_t at = 0; at < BYTES; at += PIECE) {
        stos(from + at, from);
    }
}

void guest_main(void)
{
    use(first); /* so that the host has given the memory */
    use(second);
    use(second + 4 * MIB);
    measure("64 MiB, REP MOVS, 64 MiB apart", movs, 64 * MIB);
    measure("64 MiB, REP MOVS, 66 MiB apart", movs, 66 * MIB);
    measure("64 MiB, REP STOS", stos, 64 * MIB);
    measure("64 MiB, REPE CMPS, 64 MiB apart", cmps, 64 * MIB);
    measure("64 MiB, a loop, 64 MiB apart", loop, 64 * MIB);
    measure("64 MiB, a loop, 66 MiB apart", loop, 66 * MIB);
}
