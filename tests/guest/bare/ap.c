/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ap.h"

#define TRAMPOLINE (AP_VECTOR << 12)

extern const uint8_t ap_start[], ap_end[];
extern uint32_t ap_stack;

static uint32_t idt_copy[2];

void ap_send(uint32_t destination, uint32_t command)
{
    apic_write(APIC_ICR_HIGH, destination << 24);
    apic_write(APIC_ICR, command);
    while (apic_read(APIC_ICR) & 0x1000) { /* delivery pending */
        __asm__ volatile("pause");
    }
}

void ap_prepare(uint8_t *stack)
{
    __asm__ volatile("sidt %0" : "=m"(*(char(*)[8])idt_copy));
    for (unsigned i = 0; i < (unsigned)(ap_end - ap_start); i++) {
        ((volatile uint8_t *)TRAMPOLINE)[i] = ap_start[i];
    }
    ap_stack = (uint32_t)(stack + AP_STACK_SIZE);
}

void ap_start_processor(uint32_t id, uint8_t *stack)
{
    ap_prepare(stack);
    ap_send(id, ICR_INIT);
    wait_ms(10);
    ap_send(id, ICR_STARTUP | AP_VECTOR);
    ap_send(id, ICR_STARTUP | AP_VECTOR);
}

void ap_load_idt(void)
{
    __asm__ volatile("lidt %0" : : "m"(*(const char *)idt_copy));
}
