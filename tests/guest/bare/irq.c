/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupts by the 8259s, the I/O APIC and the local APIC: delivery, masks, priorities, EOI. */
#include "runtime.h"

#define IOAPIC_VECTOR 0x50
#define SELF_LOW      0x61 /* priority class 6 */
#define SELF_SAME     0x62
#define SELF_HIGH     0x71
#define TIMER_VECTOR  0x81
#define GSI_PIT       2
#define PIN(gsi)      (0x10 + 2 * (gsi))
#define MASKED        0x10000u
#define RTC_IRQ       8

static volatile unsigned count[256];
static volatile unsigned order[4], in_order;

static void wait_for(unsigned vector, unsigned wanted)
{
    uint64_t end = pm_ns() + UINT64_C(5000000000);

    while (count[vector] < wanted && pm_ns() < end) {
        irq_window();
    }
}

/* ---- 8259 ---- */

static void on_pit(Frame *frame)
{
    count[frame->vector]++;
    pic_eoi(0);
}

static void on_keyboard(Frame *frame)
{
    count[frame->vector]++;
    (void)in8(0x60);
    pic_eoi(1);
}

static void on_rtc(Frame *frame)
{
    count[frame->vector]++;
    out8(0x70, 0x0c); /* reading register C lets the next one come */
    (void)in8(0x71);
    pic_eoi(RTC_IRQ);
}

static void pic(void)
{
    pic_init();
    handlers[PIC_VECTOR(0)] = on_pit;
    handlers[PIC_VECTOR(1)] = on_keyboard;
    handlers[PIC_VECTOR(RTC_IRQ)] = on_rtc;
    apic_enable();
    apic_write(APIC_LVT_LINT0, 0x700); /* ExtINT: the 8259 is heard */

    pit_periodic(1000);
    irq_enable();
    wait_ms(5);
    irq_disable();
    check_equal(count[PIC_VECTOR(0)], 0, "8259: a masked interrupt does not come");
    out8(0x20, 0x0a); /* OCW3: read IRR */
    check_equal(in8(0x20) & 1, 1, "8259: but it is requested");
    pic_unmask(0);
    wait_for(PIC_VECTOR(0), 3);
    check(count[PIC_VECTOR(0)] >= 3, "8259: the PIT's interrupt comes again and again");
    out8(0x20, 0x0b); /* read ISR */
    check_equal(in8(0x20), 0, "8259: nothing in service after EOI");
    pic_mask_all();

    /* The keyboard controller's command 0xd2 puts a byte into its output buffer. */
    out8(0x64, 0x60);
    out8(0x60, 0x61); /* command byte: interrupt 1 enabled, scan code set translated */
    pic_unmask(1);
    out8(0x64, 0xd2);
    out8(0x60, 0x1c);
    wait_for(PIC_VECTOR(1), 1);
    check(count[PIC_VECTOR(1)] >= 1, "8259: the keyboard's interrupt");
    pic_mask_all();

    /* The RTC's periodic interrupt: 1024 Hz, through the slave. */
    out8(0x70, 0x0a);
    out8(0x71, 0x26);
    out8(0x70, 0x0b);
    out8(0x71, 0x42);
    out8(0x70, 0x0c);
    (void)in8(0x71);
    pic_unmask(RTC_IRQ);
    wait_for(PIC_VECTOR(RTC_IRQ), 3);
    check(count[PIC_VECTOR(RTC_IRQ)] >= 3, "8259: the RTC's interrupt through the slave");
    pic_mask_all();
    out8(0x70, 0x0b);
    out8(0x71, 0x02);
    apic_write(APIC_LVT_LINT0, MASKED);
}

/* ---- local APIC ---- */

static void on_apic(Frame *frame)
{
    count[frame->vector]++;
    if (in_order < 4) {
        order[in_order++] = frame->vector;
    }
    apic_write(APIC_EOI, 0);
}

static bool requested(unsigned vector)
{
    return apic_read(APIC_IRR + vector / 32 * 0x10) >> (vector % 32) & 1;
}

static void send_self(unsigned vector)
{
    apic_write(APIC_ICR, 0x40000 | vector);
}

static bool nested;

/* Until EOI, no request of the same priority class comes. */
static void on_look(Frame *frame)
{
    unsigned before = count[SELF_SAME];

    send_self(SELF_SAME);
    irq_enable();
    wait_ms(2);
    irq_disable();
    nested = count[SELF_SAME] != before;
    count[frame->vector]++;
    apic_write(APIC_EOI, 0);
}

/* A case of its own, because there is a KVM whose local APIC does not know what is in service. */
static void in_service(void)
{
    handlers[SELF_LOW] = on_look;
    handlers[SELF_SAME] = on_apic;
    apic_enable();
    send_self(SELF_LOW);
    wait_for(SELF_LOW, 1);
    check(!nested, "local APIC: no other of its class before EOI");
    wait_for(SELF_SAME, 1);
    check_equal(count[SELF_SAME], 1, "local APIC: and after it");
}

static void local_apic(void)
{
    check_equal(apic_read(APIC_VERSION) & 0xf0, 0x10, "local APIC: integrated");
    handlers[SELF_LOW] = on_apic;
    handlers[SELF_HIGH] = on_apic;

    send_self(SELF_LOW);
    send_self(SELF_HIGH);
    check(requested(SELF_LOW) && requested(SELF_HIGH), "local APIC: two requests wait");
    irq_enable();
    wait_for(SELF_LOW, 1);
    check(in_order == 2 && order[0] == SELF_HIGH && order[1] == SELF_LOW,
          "local APIC: the higher vector comes first");

    apic_write(APIC_TPR, 0x70);
    send_self(SELF_LOW);
    irq_enable();
    wait_ms(2);
    irq_disable();
    check_equal(count[SELF_LOW], 1, "local APIC: the task priority holds it back");
    apic_write(APIC_TPR, 0);
    wait_for(SELF_LOW, 2);
    check_equal(count[SELF_LOW], 2, "local APIC: until it is lowered");
}

static void apic_timer(void)
{
    handlers[TIMER_VECTOR] = on_apic;
    apic_write(APIC_TIMER_DIVIDE, 0xb); /* by 1 */
    apic_write(APIC_LVT_TIMER, TIMER_VECTOR);
    apic_write(APIC_TIMER_INITIAL, 100000);
    wait_for(TIMER_VECTOR, 1);
    wait_ms(2);
    check_equal(count[TIMER_VECTOR], 1, "APIC timer: once");
    check_equal(apic_read(APIC_TIMER_CURRENT), 0, "APIC timer: stands at 0");
    apic_write(APIC_LVT_TIMER, 0x20000 | TIMER_VECTOR);
    apic_write(APIC_TIMER_INITIAL, 100000);
    wait_for(TIMER_VECTOR, 4);
    check(count[TIMER_VECTOR] >= 4, "APIC timer: periodic");
    apic_write(APIC_LVT_TIMER, MASKED);
    apic_write(APIC_TIMER_INITIAL, 0);
}

/* ---- I/O APIC ---- */

static void io_apic(void)
{
    unsigned before;

    handlers[IOAPIC_VECTOR] = on_apic;
    ioapic_write(PIN(GSI_PIT) + 1, apic_read(APIC_ID));
    ioapic_write(PIN(GSI_PIT), MASKED | IOAPIC_VECTOR);
    pit_periodic(1000);
    irq_enable();
    wait_ms(5);
    irq_disable();
    check_equal(count[IOAPIC_VECTOR], 0, "I/O APIC: a masked pin is silent");
    ioapic_write(PIN(GSI_PIT), IOAPIC_VECTOR);
    wait_for(IOAPIC_VECTOR, 3);
    check(count[IOAPIC_VECTOR] >= 3, "I/O APIC: the PIT's interrupt at pin 2");
    ioapic_write(PIN(GSI_PIT), MASKED);
    irq_enable();
    wait_ms(2);
    irq_disable();
    before = count[IOAPIC_VECTOR];
    irq_enable();
    wait_ms(5);
    irq_disable();
    check_equal(count[IOAPIC_VECTOR], before, "I/O APIC: masked again");
}

/* ---- exceptions ---- */

static volatile unsigned faults;

static void on_fault(Frame *frame)
{
    faults++;
    frame->eip += 2; /* behind ud2 */
}

static void exceptions(void)
{
    handlers[6] = on_fault;
    __asm__ volatile("ud2" : : : "memory");
    check_equal(faults, 1, "an undefined instruction traps");
}

void guest_main(void)
{
    if (option("in-service")) {
        in_service();
        return;
    }
    exceptions();
    pic();
    local_apic();
    apic_timer();
    io_apic();
}
