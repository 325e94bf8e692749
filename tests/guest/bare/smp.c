/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A second processor: INIT and SIPI start it in real mode; then interrupts go both ways. */
#include "ap.h"

#define TO_AP  0x91
#define TO_BSP 0x92

static uint8_t stack[AP_STACK_SIZE] __attribute__((aligned(16)));
static volatile uint32_t ap_id, ap_starts, ap_interrupts, bsp_interrupts, ap_stop;

static bool wait_until(volatile uint32_t *what, uint32_t wanted)
{
    uint64_t end = pm_ns() + UINT64_C(5000000000);

    while (*what != wanted && pm_ns() < end) {
        irq_window();
    }
    return *what == wanted;
}

static void on_ap(Frame *frame)
{
    (void)frame;
    ap_interrupts++;
    apic_write(APIC_EOI, 0);
    ap_send(0, TO_BSP);
}

static void on_bsp(Frame *frame)
{
    (void)frame;
    bsp_interrupts++;
    apic_write(APIC_EOI, 0);
}

void ap_main(void)
{
    ap_load_idt();
    apic_enable();
    ap_id = apic_read(APIC_ID) >> 24;
    ap_starts++;
    while (!ap_stop) {
        irq_wait();
    }
    ap_stop = 2;
}

void guest_main(void)
{
    handlers[TO_AP] = on_ap;
    handlers[TO_BSP] = on_bsp;
    apic_enable();
    check_equal(apic_read(APIC_ID) >> 24, 0, "the first processor's APIC ID");

    ap_start_processor(1, stack);
    check(wait_until(&ap_starts, 1), "the second processor starts");
    check_equal(ap_id, 1, "its APIC ID");
    for (unsigned i = 1; i <= 3; i++) {
        ap_send(1, TO_AP);
        check(wait_until(&bsp_interrupts, i), "an interrupt there and one back");
    }
    check_equal(ap_interrupts, 3, "interrupts on the second processor");

    ap_send(0, ICR_OTHERS | TO_AP); /* all but this one */
    check(wait_until(&bsp_interrupts, 4), "an interrupt to all others");

    ap_start_processor(1, stack);
    check(wait_until(&ap_starts, 2), "INIT and SIPI start it anew");
    ap_stop = 1;
    ap_send(1, TO_AP);
    check(wait_until(&ap_stop, 2), "and it stops when it is told");
}
