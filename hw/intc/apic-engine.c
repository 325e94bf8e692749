/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Local APICs that the engine has (KVM's, in the kernel): their registers go to and from it as a
 * page, and the 8259s' interrupts go past them.
 */
#include "accel/accel.h"
#include "hw/intc/apic-internal.h"

/* Index of the 32 bits at offset 16 * @reg. */
#define AT(reg) ((reg)*4)

bool apic_in_engine(void)
{
    return accel_apics() != NULL;
}

static void engine_page_get(void *opaque, uint32_t page[256])
{
    const Apic *apic = opaque;

    page[AT(REG_ID)] = apic_is_x2(apic) ? apic->cpu->apic_id : apic->cpu->apic_id << 24;
    page[AT(REG_TPR)] = apic->tpr;
    page[AT(REG_LDR)] = apic->ldr;
    page[AT(REG_DFR)] = apic->dfr;
    page[AT(REG_SVR)] = apic->svr;
    for (unsigned i = 0; i < 8; i++) {
        page[AT(REG_ISR + i)] = apic->isr[i];
        page[AT(REG_TMR + i)] = apic->tmr[i];
        page[AT(REG_IRR + i)] = apic->irr[i];
    }
    page[AT(REG_ESR)] = apic->esr;
    page[AT(REG_ICR)] = (uint32_t)apic->icr;
    page[AT(REG_ICR_HIGH)] = apic->icr >> 32;
    for (unsigned i = 0; i < LVT_COUNT; i++) {
        page[AT(REG_LVT + i)] = apic->lvt[i];
    }
    page[AT(REG_INITIAL_COUNT)] = apic->initial_count;
    page[AT(REG_CURRENT_COUNT)] = apic_timer_count(apic);
    page[AT(REG_DIVIDE)] = apic->divide;
}

static void engine_page_set(void *opaque, uint64_t base, const uint32_t page[256])
{
    Apic *apic = opaque;

    apic->base = base;
    apic->tpr = (uint8_t)page[AT(REG_TPR)];
    apic->ldr = page[AT(REG_LDR)];
    apic->dfr = page[AT(REG_DFR)];
    apic->svr = page[AT(REG_SVR)];
    for (unsigned i = 0; i < 8; i++) {
        apic->isr[i] = page[AT(REG_ISR + i)];
        apic->tmr[i] = page[AT(REG_TMR + i)];
        apic->irr[i] = page[AT(REG_IRR + i)];
    }
    apic->esr = page[AT(REG_ESR)];
    apic->icr = page[AT(REG_ICR)] | (uint64_t)page[AT(REG_ICR_HIGH)] << 32;
    for (unsigned i = 0; i < LVT_COUNT; i++) {
        apic->lvt[i] = page[AT(REG_LVT + i)];
    }
    apic_timer_load(apic, page[AT(REG_INITIAL_COUNT)], page[AT(REG_CURRENT_COUNT)],
                    page[AT(REG_DIVIDE)]);
}

/* The timer is armed when another engine goes on with it: apic_resume(). */
static uint64_t *engine_deadline(void *opaque)
{
    return &APIC(opaque)->tsc_deadline;
}

/* The interrupt that the 8259s have; there is no other that is not the engine's. */
static int engine_acknowledge(void *opaque)
{
    Apic *apic = opaque;
    int vector = apic_pic_pending(apic) ? apic_pic_acknowledge() : -1;

    apic_update(apic);
    return vector;
}

static bool engine_base_set(void *opaque, uint64_t value)
{
    APIC(opaque)->base = value;
    return true;
}

static void engine_eoi(void *opaque, uint8_t vector)
{
    apic_broadcast_eoi(vector);
}

const X86ApicOps apic_engine_ops = {
    .acknowledge = engine_acknowledge,
    .base_get = apic_base_get,
    .base_set = engine_base_set,
    .tpr_get = apic_tpr_get,
    .tpr_set = apic_tpr_set,
    .page_get = engine_page_get,
    .page_set = engine_page_set,
    .deadline = engine_deadline,
    .eoi = engine_eoi,
};
