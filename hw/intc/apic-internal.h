/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What apic.c (registers), apic-deliver.c (messages) and apic-timer.c share; nobody else includes
 * this. Machine lock for everything.
 */
#ifndef HW_INTC_APIC_INTERNAL_H
#define HW_INTC_APIC_INTERNAL_H

#include "hw/intc/apic.h"
#include "util/timer.h"

/* IA32_APIC_BASE */
#define BASE_BSP    (1ull << 8)
#define BASE_X2APIC (1ull << 10)
#define BASE_ENABLE (1ull << 11)

/* Registers by number: (offset in the page) / 16, or MSR - 0x800. */
enum {
    REG_ID = 0x02,
    REG_VERSION = 0x03,
    REG_TPR = 0x08,
    REG_APR = 0x09,
    REG_PPR = 0x0a,
    REG_EOI = 0x0b,
    REG_LDR = 0x0d,
    REG_DFR = 0x0e,
    REG_SVR = 0x0f,
    REG_ISR = 0x10,
    REG_TMR = 0x18,
    REG_IRR = 0x20,
    REG_ESR = 0x28,
    REG_ICR = 0x30,
    REG_ICR_HIGH = 0x31,
    REG_LVT = 0x32,
    REG_INITIAL_COUNT = 0x38,
    REG_CURRENT_COUNT = 0x39,
    REG_DIVIDE = 0x3e,
    REG_SELF_IPI = 0x3f,
    REG_COUNT = 0x40,
};

#define SVR_ENABLE 0x100u

/* Bits of a local vector table entry. */
#define LVT_MODE_SHIFT       8
#define LVT_LEVEL            (1u << 15)
#define LVT_MASKED           (1u << 16)
#define LVT_TIMER_MODE_SHIFT 17

/* Bits of the error status register. */
#define ESR_SEND_ILLEGAL    (1u << 5)
#define ESR_RECEIVE_ILLEGAL (1u << 6)

/* The local vector table in the order of its registers. */
typedef enum ApicLvt {
    LVT_TIMER,
    LVT_THERMAL,
    LVT_PERF,
    LVT_LINT0,
    LVT_LINT1,
    LVT_ERROR,
    LVT_COUNT,
} ApicLvt;

struct Apic {
    Device parent;
    /* wiring */
    X86Cpu *cpu;
    /* state */
    uint64_t base;
    uint32_t irr[8], isr[8], tmr[8]; /* a bit for each vector */
    uint8_t tpr;
    uint32_t svr, ldr, dfr;
    uint32_t esr, esr_pending; /* a write to ESR moves the latter to the former */
    uint64_t icr;
    uint32_t lvt[LVT_COUNT];
    bool extint; /* an ExtINT message waits */

    Timer *timer;
    uint32_t divide, initial_count;
    int64_t timer_start;   /* when initial_count began to count down */
    uint64_t tsc_deadline; /* 0: not armed */
};

static inline bool apic_enabled(const Apic *apic)
{
    return apic->base & BASE_ENABLE;
}

static inline bool apic_is_x2(const Apic *apic)
{
    return apic->base & BASE_X2APIC;
}

/* ---- apic.c ---- */

/* The processor priority: what an interrupt's class must exceed. */
uint8_t apic_ppr(const Apic *apic);
/* Where an engine may set what it keeps itself. */
uint64_t apic_base_get(void *opaque);
uint8_t apic_tpr_get(void *opaque);
void apic_tpr_set(void *opaque, uint8_t cr8);
/* Make CPU_INT_HARD say whether an interrupt can be delivered now. */
void apic_update(Apic *apic);

/* ---- apic-deliver.c ---- */

/* From now on messages reach @apic; until it is removed. */
void apic_bus_add(Apic *apic);
void apic_bus_remove(Apic *apic);
/* The event of a local vector table entry came. */
void apic_local_event(Apic *apic, ApicLvt which);
/* Send what the ICR says. */
void apic_send_icr(Apic *apic);
/* Does the 8259's INT reach @apic's CPU as an ExtINT now? */
bool apic_pic_pending(const Apic *apic);
/* The vector that the 8259 gives at INTA; -1 without one. */
int apic_pic_acknowledge(void);
/* Tell the I/O APIC. */
void apic_broadcast_eoi(uint8_t vector);
void apic_broadcast_taken(uint8_t vector);

/* ---- apic-engine.c ---- */

/* Does the engine have the local APICs? */
bool apic_in_engine(void);
extern const X86ApicOps apic_engine_ops;

/* ---- apic-timer.c ---- */

void apic_timer_init(Apic *apic);
void apic_timer_reset(Apic *apic);
void apic_timer_set_count(Apic *apic, uint32_t count);
uint32_t apic_timer_count(const Apic *apic);
/* An engine's timer stands at @count; ours is not armed. */
void apic_timer_load(Apic *apic, uint32_t initial, uint32_t count, uint32_t divide);
/* Arm ours if it is to expire; also when the CPU's TSC has changed. */
void apic_timer_resume(Apic *apic);
void apic_timer_set_divide(Apic *apic, uint32_t value);
void apic_timer_set_lvt(Apic *apic, uint32_t value);
void apic_timer_set_deadline(Apic *apic, uint64_t tsc);
uint64_t apic_timer_deadline(const Apic *apic);

#endif
