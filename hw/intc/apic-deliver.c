/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt messages: from the ICR, the I/O APIC, MSIs and local events to the APICs that they are
 * for (SDM vol. 3 sections 11.6 to 11.8 and 11.11).
 */
#include "hw/intc/apic-internal.h"

#include "accel/accel.h"
#include "accel/vcpu.h"
#include "util/log.h"

/* What all local APICs are connected to. */
static struct {
    GPtrArray *apics; /* of Apic *, borrowed */
    I8259 *pic;
    bool pic_line;
    void (*eoi)(void *opaque, uint8_t vector);
    void *eoi_opaque;
    void (*taken)(void *opaque, uint8_t vector);
    void *taken_opaque;
} bus;

static unsigned bus_count(void)
{
    return bus.apics ? bus.apics->len : 0;
}

static Apic *bus_apic(unsigned i)
{
    return g_ptr_array_index(bus.apics, i);
}

void apic_bus_add(Apic *apic)
{
    if (!bus.apics) {
        bus.apics = g_ptr_array_new();
    }
    g_ptr_array_add(bus.apics, apic);
}

void apic_bus_remove(Apic *apic)
{
    g_ptr_array_remove(bus.apics, apic);
}

void apic_connect_pic(I8259 *pic)
{
    bus.pic = pic;
}

void apic_set_eoi_handler(void (*fn)(void *opaque, uint8_t vector), void *opaque)
{
    bus.eoi = fn;
    bus.eoi_opaque = opaque;
}

void apic_broadcast_eoi(uint8_t vector)
{
    if (bus.eoi) {
        bus.eoi(bus.eoi_opaque, vector);
    }
}

void apic_set_taken_handler(void (*fn)(void *opaque, uint8_t vector), void *opaque)
{
    bus.taken = fn;
    bus.taken_opaque = opaque;
}

void apic_broadcast_taken(uint8_t vector)
{
    if (bus.taken) {
        bus.taken(bus.taken_opaque, vector);
    }
}

/* ---- what one APIC does with an interrupt ---- */

static void apic_error(Apic *apic, uint32_t esr_bit)
{
    if (!(apic->esr_pending & esr_bit)) {
        apic->esr_pending |= esr_bit;
        apic_local_event(apic, LVT_ERROR);
    }
}

/* Take a fixed interrupt into IRR. */
static void apic_accept(Apic *apic, uint8_t vector, bool level)
{
    uint32_t bit = 1u << (vector & 31);
    unsigned word = vector >> 5;

    if (vector < 16) {
        apic_error(apic, ESR_RECEIVE_ILLEGAL);
        return;
    }
    apic->irr[word] |= bit;
    apic->tmr[word] = level ? apic->tmr[word] | bit : apic->tmr[word] & ~bit;
    apic_update(apic);
}

/* False: the APIC does not take it. */
static bool apic_take(Apic *apic, uint8_t mode, uint8_t vector, bool level)
{
    switch (mode) {
    case APIC_FIXED:
    case APIC_LOWEST_PRIORITY:
        if (!(apic->svr & SVR_ENABLE)) {
            return false;
        }
        apic_accept(apic, vector, level);
        return true;
    case APIC_NMI:
        x86_cpu_interrupt(apic->cpu, CPU_INT_NMI);
        return true;
    case APIC_SMI:
        x86_cpu_smi(apic->cpu);
        return true;
    case APIC_INIT:
        x86_cpu_signal_init(apic->cpu);
        return true;
    case APIC_STARTUP:
        atomic_store_explicit(&apic->cpu->sipi_vector, vector, memory_order_relaxed);
        x86_cpu_interrupt(apic->cpu, CPU_INT_SIPI);
        return true;
    case APIC_EXTINT:
        apic->extint = true;
        apic_update(apic);
        return true;
    }
    if (log_enabled(LOG_UNIMP)) {
        log_printf("apic: an interrupt of delivery mode %u was dropped\n", mode);
    }
    return false;
}

void apic_local_event(Apic *apic, ApicLvt which)
{
    uint32_t lvt = apic->lvt[which];
    bool lint = which == LVT_LINT0 || which == LVT_LINT1;

    if (!(lvt & LVT_MASKED) && apic_enabled(apic)) {
        apic_take(apic, lvt >> LVT_MODE_SHIFT & 7, lvt & 0xff, lint && lvt & LVT_LEVEL);
    }
}

/* ---- who a message is for ---- */

static bool apic_logical_match(const Apic *apic, uint32_t dest)
{
    uint32_t ldr = apic->ldr;

    if (apic_is_x2(apic)) {
        return dest >> 16 == ldr >> 16 && dest & ldr & 0xffff;
    }
    ldr >>= 24;
    if (apic->dfr >> 28 == 0xf) { /* flat */
        return dest & ldr & 0xff;
    }
    return (dest >> 4 & 0xf) == ldr >> 4 && dest & ldr & 0xf;
}

static bool apic_match(const Apic *apic, const ApicMessage *msg)
{
    if (!apic_enabled(apic)) {
        return false;
    }
    if (msg->dest == (msg->x2apic ? UINT32_MAX : 0xff)) {
        return true;
    }
    return msg->logical ? apic_logical_match(apic, msg->dest) : msg->dest == apic->cpu->apic_id;
}

/* Of those that @msg is for, the one whose processor has the lowest priority; or NULL. */
static Apic *apic_lowest(const ApicMessage *msg)
{
    Apic *best = NULL;

    for (unsigned i = 0; i < bus_count(); i++) {
        Apic *apic = bus_apic(i);

        if (apic_match(apic, msg) && apic->svr & SVR_ENABLE &&
            (!best || apic_ppr(apic) < apic_ppr(best))) {
            best = apic;
        }
    }
    return best;
}

static bool apic_deliver_except(const ApicMessage *msg, const Apic *except)
{
    bool taken = false;

    if (msg->mode == APIC_LOWEST_PRIORITY) {
        Apic *apic = apic_lowest(msg);

        return apic && apic_take(apic, msg->mode, msg->vector, msg->level);
    }
    for (unsigned i = 0; i < bus_count(); i++) {
        Apic *apic = bus_apic(i);

        if (apic != except && apic_match(apic, msg)) {
            taken |= apic_take(apic, msg->mode, msg->vector, msg->level);
        }
    }
    return taken;
}

void apic_message_to_msi(const ApicMessage *msg, uint64_t *addr, uint32_t *data)
{
    enum { LOGICAL = 1 << 2, ASSERT = 1 << 14, LEVEL = 1 << 15 };

    *addr = APIC_BASE | (msg->dest & 0xff) << 12 | (msg->logical ? LOGICAL : 0) |
            (uint64_t)(msg->dest & ~0xffu) << 32;
    if (msg->x2apic && !apic_in_engine()) {
        *addr |= APIC_MSI_X2APIC;
    }
    *data = msg->vector | (uint32_t)msg->mode << 8 | ASSERT | (msg->level ? LEVEL : 0);
}

bool apic_deliver(const ApicMessage *msg)
{
    if (apic_in_engine()) {
        uint64_t addr;
        uint32_t data;

        apic_message_to_msi(msg, &addr, &data);
        return accel_apics()->send_msi(addr, data);
    }
    return apic_deliver_except(msg, NULL);
}

void apic_deliver_msi(uint64_t addr, uint32_t data)
{
    if (apic_in_engine()) {
        accel_apics()->send_msi(addr & ~APIC_MSI_X2APIC, data);
        return;
    }
    ApicMessage msg = {
        .dest = (addr >> 12 & 0xff) | (uint32_t)(addr >> 32 & ~0xffull),
        .x2apic = addr & APIC_MSI_X2APIC,
        .logical = addr & 4,
        .level = data & 0x8000,
        .mode = data >> 8 & 7,
        .vector = data & 0xff,
    };

    apic_deliver(&msg);
}

void apic_send_icr(Apic *apic)
{
    enum { NO_SHORTHAND, SELF, ALL, OTHERS };
    enum { LOGICAL = 1 << 11, ASSERT = 1 << 14, LEVEL = 1 << 15 };
    uint32_t low = apic->icr;
    unsigned shorthand = low >> 18 & 3;
    ApicMessage msg = {
        .dest = apic_is_x2(apic) ? apic->icr >> 32 : apic->icr >> 56,
        .x2apic = apic_is_x2(apic),
        .logical = low & LOGICAL,
        .mode = low >> 8 & 7,
        .vector = low & 0xff,
    };

    if (msg.mode <= APIC_LOWEST_PRIORITY && msg.vector < 16) {
        apic_error(apic, ESR_SEND_ILLEGAL);
        return;
    }
    if (msg.mode == APIC_INIT && low & LEVEL && !(low & ASSERT)) {
        return; /* INIT level de-assert: nothing to do since the Pentium 4 */
    }
    if (shorthand == SELF) {
        if (msg.mode == APIC_FIXED) {
            apic_take(apic, msg.mode, msg.vector, false);
        }
        return;
    }
    if (shorthand != NO_SHORTHAND) {
        msg.dest = msg.x2apic ? UINT32_MAX : 0xff;
    }
    apic_deliver_except(&msg, shorthand == OTHERS ? apic : NULL);
}

/* ---- the pins ---- */

bool apic_pic_pending(const Apic *apic)
{
    uint32_t lint0 = apic->lvt[LVT_LINT0];

    if (!bus.pic_line) {
        return false;
    }
    /* An engine's APIC looks at LINT0 itself, when it is asked whether it takes an interrupt. */
    if (apic_in_engine() || !apic_enabled(apic)) {
        return apic->cpu->index == 0;
    }
    return !(lint0 & LVT_MASKED) && (lint0 >> LVT_MODE_SHIFT & 7) == APIC_EXTINT;
}

int apic_pic_acknowledge(void)
{
    return bus.pic ? i8259_acknowledge(bus.pic) : -1;
}

static void apic_set_pic_line(int level)
{
    bool rising = level && !bus.pic_line;

    bus.pic_line = level;
    for (unsigned i = 0; i < bus_count(); i++) {
        Apic *apic = bus_apic(i);
        unsigned mode = apic->lvt[LVT_LINT0] >> LVT_MODE_SHIFT & 7;

        if (rising && mode != APIC_EXTINT && !apic_in_engine()) {
            apic_local_event(apic, LVT_LINT0);
        }
        apic_update(apic);
    }
}

static void apic_pic_irq_set(void *opaque, int n, int level)
{
    apic_set_pic_line(level);
}

Irq apic_pic_irq(void)
{
    return (Irq){ .set = apic_pic_irq_set };
}

/* SDM vol. 3 section 11.4.3: the pin of an APIC that is off is the processor's NMI. */
static void apic_lint1(X86Cpu *cpu, void *opaque)
{
    if (apic_enabled(cpu->apic)) {
        apic_local_event(cpu->apic, LVT_LINT1);
    } else {
        x86_cpu_interrupt(cpu, CPU_INT_NMI);
    }
}

void apic_nmi(void)
{
    for (unsigned i = 0; i < bus_count(); i++) {
        Apic *apic = bus_apic(i);

        if (apic_in_engine()) {
            vcpu_run_on(apic->cpu, apic_lint1, NULL); /* there its registers are known */
        } else {
            apic_lint1(apic->cpu, NULL);
        }
    }
}
