/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two processors of which one runs at a time (-accel soft,thread=single): each adds to one number
 * without a lock, and nothing is lost. */
#include "ap.h"

#define ADDITIONS 200000u
#define TURNS     20u /* of the other one */

static uint8_t stack[AP_STACK_SIZE] __attribute__((aligned(16)));
static volatile uint32_t sum, own, others;
static volatile bool stop, stopped;

void ap_main(void)
{
    while (!stop) {
        __asm__ volatile("incl %0; incl %1" : "+m"(sum), "+m"(others));
    }
    stopped = true;
}

void guest_main(void)
{
    uint32_t turns = 0, seen = 0;

    apic_enable();
    ap_start_processor(1, stack);
    while (own < ADDITIONS || turns < TURNS) {
        __asm__ volatile("incl %0; incl %1" : "+m"(sum), "+m"(own));
        if (others != seen) {
            seen = others;
            turns++;
        }
    }
    stop = true;
    while (!stopped) {
        __asm__ volatile("pause");
    }
    check_equal(sum, own + others, "nothing that two processors add is lost");
}
