/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87 exceptions with CR0.NE clear, as before the 486: FERR# brings interrupt 13 by the 8259s, the
 * handler writes port 0xf0, and the exception is ignored until it is cleared. With the option "two"
 * it is another processor that writes there.
 */
#include "ap.h"

#define CR0_MP  (1u << 1)
#define CR0_EM  (1u << 2)
#define CR0_TS  (1u << 3)
#define CR0_NE  (1u << 5)
#define FPU_IRQ 13

#define VECTOR_MF 16

static volatile unsigned interrupts, exceptions;
static volatile bool clear_it; /* by the handler, or by who goes on */
static volatile uint16_t seen;
static volatile uint32_t where;
static uint8_t stack[AP_STACK_SIZE] __attribute__((aligned(16)));
static volatile bool ap_goes_on;

static uint16_t status(void)
{
    uint16_t value;
    __asm__ volatile("fnstsw %0" : "=m"(value));
    return value;
}

static void on_irq13(Frame *frame)
{
    interrupts++;
    where = frame->eip;
    out8(0xf0, 0);
    pic_eoi(FPU_IRQ);
    seen = status();
    if (clear_it) {
        __asm__ volatile("fnclex");
    }
}

static void on_mf(Frame *frame)
{
    (void)frame;
    exceptions++;
    __asm__ volatile("fnclex");
}

static void set_cr0(uint32_t set)
{
    uint32_t value;

    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    value = (value & ~(CR0_EM | CR0_TS | CR0_NE)) | CR0_MP | set;
    __asm__ volatile("mov %0, %%cr0" : : "r"(value));
}

/* 1 / 0, not masked, and what waits after it. */
static uint32_t divide(void)
{
    static const uint16_t unmasked = 0x37b;
    uint32_t waiting;

    __asm__ volatile("fninit; fldcw %1; fld1; fldz; fdivrp; movl $1f, %0\n1:\tfwait"
                     : "=r"(waiting)
                     : "m"(unmasked));
    return waiting;
}

/* Interrupts are off here: nothing but IGNNE# lets it go on. */
void ap_main(void)
{
    ap_load_idt();
    set_cr0(0);
    divide();
    seen = status();
    __asm__ volatile("fnclex");
    ap_goes_on = true;
}

/* Has the 8259 a request of this line? */
static bool pic_requests(unsigned irq)
{
    out8(0xa0, 0x0a);
    return in8(0xa0) >> (irq - 8) & 1;
}

static void frozen_elsewhere(void)
{
    pic_mask_all();
    ap_start_processor(1, stack);
    while (!pic_requests(FPU_IRQ)) {
    }
    check(!ap_goes_on, "the other processor stands at the instruction that waits");
    out8(0xf0, 0);
    while (!ap_goes_on) {
        __asm__ volatile("pause");
    }
    check((seen & 0x8084) == 0x8084, "and goes on when this one writes port 0xf0");
}

void guest_main(void)
{
    pic_init();
    apic_enable();
    apic_write(APIC_LVT_LINT0, 0x700); /* ExtINT: the 8259 is heard */
    handlers[PIC_VECTOR(FPU_IRQ)] = on_irq13;
    handlers[VECTOR_MF] = on_mf;
    set_cr0(0);
    pic_unmask(2);
    pic_unmask(FPU_IRQ);
    irq_enable();

    clear_it = true;
    uint32_t waiting = divide();
    check_equal(interrupts, 1, "an exception that is not masked is interrupt 13");
    check((seen & 0x8084) == 0x8084, "it is pending in the handler");
    check(where == waiting, "the instruction that waits has not run");
    check((status() & 0x80) == 0, "the handler has cleared it");
    divide();
    check_equal(interrupts, 2, "so is the next one");

    clear_it = false;
    divide();
    check_equal(interrupts, 3, "and one that the handler leaves");
    __asm__ volatile("fld1; fstp %st(0); fwait");
    check_equal(interrupts, 3, "which is ignored");
    check((status() & 0x84) == 0x84, "and still there");
    __asm__ volatile("fnclex");
    clear_it = true;
    divide();
    check_equal(interrupts, 4, "until it is cleared");
    check_equal(exceptions, 0, "there was no #MF");

    set_cr0(CR0_NE);
    divide();
    check_equal(exceptions, 1, "with CR0.NE set it is #MF");
    check_equal(interrupts, 4, "and no interrupt");
    if (option("two")) {
        frozen_elsewhere();
    }
    finish();
}
