/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A second processor: INIT and SIPI start it in real mode; then interrupts go both ways. */
#include "runtime.h"

#define TRAMPOLINE 0x8000 /* SIPI vector 8 */
#define TO_AP      0x91
#define TO_BSP     0x92

extern const uint8_t ap_start[], ap_end[];
extern uint32_t ap_stack;
void ap_main(void);

static uint8_t stack[4096] __attribute__((aligned(16)));
static volatile uint32_t ap_id, ap_starts, ap_interrupts, bsp_interrupts, ap_stop;
static uint32_t idt_copy[2];

static void icr(uint32_t destination, uint32_t command)
{
    apic_write(APIC_ICR_HIGH, destination << 24);
    apic_write(APIC_ICR, command);
    while (apic_read(APIC_ICR) & 0x1000) { /* delivery pending */
        __asm__ volatile("pause");
    }
}

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
    icr(0, TO_BSP);
}

static void on_bsp(Frame *frame)
{
    (void)frame;
    bsp_interrupts++;
    apic_write(APIC_EOI, 0);
}

void ap_main(void)
{
    __asm__ volatile("lidt %0" : : "m"(*(const char *)idt_copy));
    apic_enable();
    ap_id = apic_read(APIC_ID) >> 24;
    ap_starts++;
    while (!ap_stop) {
        irq_wait();
    }
    ap_stop = 2;
}

static void start_ap(void)
{
    icr(1, 0x4500); /* INIT */
    wait_ms(10);
    icr(1, 0x4600 | TRAMPOLINE >> 12);
    icr(1, 0x4600 | TRAMPOLINE >> 12); /* a second SIPI is ignored by a processor that runs */
}

void guest_main(void)
{
    handlers[TO_AP] = on_ap;
    handlers[TO_BSP] = on_bsp;
    __asm__ volatile("sidt %0" : "=m"(*(char(*)[8])idt_copy));
    for (unsigned i = 0; i < (unsigned)(ap_end - ap_start); i++) {
        ((volatile uint8_t *)TRAMPOLINE)[i] = ap_start[i];
    }
    ap_stack = (uint32_t)(stack + sizeof stack);
    apic_enable();
    check_equal(apic_read(APIC_ID) >> 24, 0, "the first processor's APIC ID");

    start_ap();
    check(wait_until(&ap_starts, 1), "the second processor starts");
    check_equal(ap_id, 1, "its APIC ID");
    for (unsigned i = 1; i <= 3; i++) {
        icr(1, TO_AP);
        check(wait_until(&bsp_interrupts, i), "an interrupt there and one back");
    }
    check_equal(ap_interrupts, 3, "interrupts on the second processor");

    icr(0, 0xc0000 | TO_AP); /* all but this one */
    check(wait_until(&bsp_interrupts, 4), "an interrupt to all others");

    start_ap();
    check(wait_until(&ap_starts, 2), "INIT and SIPI start it anew");
    ap_stop = 1;
    icr(1, TO_AP);
    check(wait_until(&ap_stop, 2), "and it stops when it is told");
}
