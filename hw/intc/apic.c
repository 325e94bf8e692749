/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local APIC's registers, as memory (xAPIC, SDM vol. 3 section 11.4) and as MSRs (x2APIC,
 * section 11.12), and its face to the processor.
 */
#include <inttypes.h>

#include "hw/intc/apic-internal.h"
#include "util/timer.h"

#include "target/i386/hyperv.h"
#include "util/log.h"

#define MSR_X2APIC       0x800u
#define MSR_TSC_DEADLINE 0x6e0u

#define VERSION (0x14u | (LVT_COUNT - 1) << 16)

#define ICR_WRITABLE    0xccfffu
#define ICR_X2_RESERVED 0xfff32000u
#define SVR_WRITABLE    0x3ffu
#define BASE_RESERVED   0x2ffu  /* besides address bits that there are not */
#define LVT_STATUS      0x5000u /* delivery status and remote IRR: read-only */

static const uint32_t lvt_writable[LVT_COUNT] = {
    [LVT_TIMER] = 0x700ff, [LVT_THERMAL] = 0x107ff, [LVT_PERF] = 0x107ff,
    [LVT_LINT0] = 0x1a7ff, [LVT_LINT1] = 0x1a7ff,   [LVT_ERROR] = 0x100ff,
};

/* For each register that exists in x2APIC mode: how it can be used, and the bits of the low dword
 * that a write may have set. */
static const struct {
    bool read, write;
    uint32_t reserved;
} x2apic_regs[REG_COUNT] = {
    [REG_ID] = { true, false },
    [REG_VERSION] = { true, false },
    [REG_TPR] = { true, true, ~0xffu },
    [REG_PPR] = { true, false },
    [REG_EOI] = { false, true, ~0u },
    [REG_LDR] = { true, false },
    [REG_SVR] = { true, true, ~SVR_WRITABLE },
    [REG_ISR... REG_ISR + 7] = { true, false },
    [REG_TMR... REG_TMR + 7] = { true, false },
    [REG_IRR... REG_IRR + 7] = { true, false },
    [REG_ESR] = { true, true, ~0u },
    [REG_ICR] = { true, true, ICR_X2_RESERVED },
    [REG_LVT + LVT_TIMER] = { true, true, ~(0x700ffu | LVT_STATUS) },
    [REG_LVT + LVT_THERMAL... REG_LVT + LVT_PERF] = { true, true, ~(0x107ffu | LVT_STATUS) },
    [REG_LVT + LVT_LINT0... REG_LVT + LVT_LINT1] = { true, true, ~(0x1a7ffu | LVT_STATUS) },
    [REG_LVT + LVT_ERROR] = { true, true, ~(0x100ffu | LVT_STATUS) },
    [REG_INITIAL_COUNT] = { true, true, 0 },
    [REG_CURRENT_COUNT] = { true, false },
    [REG_DIVIDE] = { true, true, ~0xbu },
    [REG_SELF_IPI] = { false, true, ~0xffu },
};

/* ---- priorities ---- */

/* The highest vector in a bitmap, or -1. */
static int highest_vector(const uint32_t bits[8])
{
    for (int word = 7; word >= 0; word--) {
        if (bits[word]) {
            return word * 32 + 31 - __builtin_clz(bits[word]);
        }
    }
    return -1;
}

uint8_t apic_ppr(const Apic *apic)
{
    int in_service = highest_vector(apic->isr);

    return in_service >= 0 && in_service >> 4 > apic->tpr >> 4 ? in_service & 0xf0 : apic->tpr;
}

/* The vector that may interrupt now, or -1. */
static int apic_deliverable(const Apic *apic)
{
    int vector = highest_vector(apic->irr);

    return vector >= 0 && apic_enabled(apic) && vector >> 4 > apic_ppr(apic) >> 4 ? vector : -1;
}

void apic_update(Apic *apic)
{
    bool is_set = atomic_load(&apic->cpu->interrupts) & CPU_INT_HARD;

    bool own = !apic_in_engine() && (apic_deliverable(apic) >= 0 || apic->extint);

    if (own || apic_pic_pending(apic)) {
        if (!is_set) { /* else it was woken for this already */
            x86_cpu_interrupt(apic->cpu, CPU_INT_HARD);
        }
    } else if (is_set) {
        x86_cpu_clear_interrupt(apic->cpu, CPU_INT_HARD);
    }
}

static void apic_eoi(Apic *apic)
{
    int vector = highest_vector(apic->isr);
    uint32_t bit = 1u << (vector & 31);

    if (vector < 0) {
        return;
    }
    apic->isr[vector >> 5] &= ~bit;
    if (apic->tmr[vector >> 5] & bit) {
        apic_broadcast_eoi(vector);
    }
    apic_update(apic);
}

/* ---- registers ---- */

static uint32_t apic_id(const Apic *apic)
{
    return apic_is_x2(apic) ? apic->cpu->apic_id : apic->cpu->apic_id << 24;
}

static uint32_t apic_read_reg(const Apic *apic, unsigned reg)
{
    switch (reg) {
    case REG_ID:
        return apic_id(apic);
    case REG_VERSION:
        return VERSION;
    case REG_TPR:
        return apic->tpr;
    case REG_APR:
    case REG_PPR:
        return apic_ppr(apic);
    case REG_LDR:
        return apic->ldr;
    case REG_DFR:
        return apic->dfr;
    case REG_SVR:
        return apic->svr;
    case REG_ISR ... REG_ISR + 7:
        return apic->isr[reg - REG_ISR];
    case REG_TMR ... REG_TMR + 7:
        return apic->tmr[reg - REG_TMR];
    case REG_IRR ... REG_IRR + 7:
        return apic->irr[reg - REG_IRR];
    case REG_ESR:
        return apic->esr;
    case REG_ICR:
        return apic->icr;
    case REG_ICR_HIGH:
        return apic->icr >> 32;
    case REG_LVT ... REG_LVT + LVT_COUNT - 1:
        return apic->lvt[reg - REG_LVT];
    case REG_INITIAL_COUNT:
        return apic->initial_count;
    case REG_CURRENT_COUNT:
        return apic_timer_count(apic);
    case REG_DIVIDE:
        return apic->divide;
    }
    return 0;
}

static void apic_write_lvt(Apic *apic, ApicLvt which, uint32_t value)
{
    value &= lvt_writable[which];
    if (!(apic->svr & SVR_ENABLE)) {
        value |= LVT_MASKED;
    }
    if (which == LVT_TIMER) {
        apic_timer_set_lvt(apic, value);
    } else {
        apic->lvt[which] = value;
        apic_update(apic);
    }
}

static void apic_write_svr(Apic *apic, uint32_t value)
{
    apic->svr = value & SVR_WRITABLE;
    if (!(value & SVR_ENABLE)) {
        for (unsigned i = 0; i < LVT_COUNT; i++) {
            apic_write_lvt(apic, i, apic->lvt[i]);
        }
    }
}

static void apic_write_reg(Apic *apic, unsigned reg, uint32_t value)
{
    switch (reg) {
    case REG_TPR:
        apic->tpr = value;
        apic_update(apic);
        break;
    case REG_EOI:
        apic_eoi(apic);
        break;
    case REG_LDR:
        apic->ldr = value & 0xff000000;
        break;
    case REG_DFR:
        apic->dfr = value | 0x0fffffff;
        break;
    case REG_SVR:
        apic_write_svr(apic, value);
        break;
    case REG_ESR:
        apic->esr = apic->esr_pending;
        apic->esr_pending = 0;
        break;
    case REG_ICR:
        apic->icr = (apic->icr & ~0xffffffffull) | (value & ICR_WRITABLE);
        apic_send_icr(apic);
        break;
    case REG_ICR_HIGH:
        apic->icr = (apic->icr & 0xffffffffull) | (uint64_t)(value & 0xff000000) << 32;
        break;
    case REG_LVT ... REG_LVT + LVT_COUNT - 1:
        apic_write_lvt(apic, reg - REG_LVT, value);
        break;
    case REG_INITIAL_COUNT:
        apic_timer_set_count(apic, value);
        break;
    case REG_DIVIDE:
        apic_timer_set_divide(apic, value);
        break;
    }
}

/* ---- memory-mapped access ---- */

/* The APIC whose registers the running CPU sees at APIC_BASE + @addr; NULL: none. */
static Apic *apic_at(hwaddr addr)
{
    Apic *apic = current_cpu && addr < 0x1000 ? current_cpu->apic : NULL;

    if (apic_in_engine()) {
        return NULL; /* the engine answers where there is one */
    }
    return apic && apic_enabled(apic) && !apic_is_x2(apic) ? apic : NULL;
}

static uint64_t apic_mem_read(void *opaque, hwaddr addr, unsigned size)
{
    const Apic *apic = apic_at(addr);

    if (!apic) {
        return UINT32_MAX;
    }
    return addr & 0xf || addr >= REG_COUNT * 16 ? 0 : apic_read_reg(apic, addr / 16);
}

static void apic_mem_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Apic *apic;

    if (!current_cpu || addr >= 0x1000) {
        apic_deliver_msi(APIC_BASE + addr, value);
        return;
    }
    apic = apic_at(addr);
    if (apic && !(addr & 0xf) && addr < REG_COUNT * 16) {
        apic_write_reg(apic, addr / 16, value);
    }
}

static const MemoryRegionOps apic_mem_ops = { apic_mem_read, apic_mem_write, 4, 4 };

void apic_map(MemoryRegion *memory)
{
    static MemoryRegion region;

    memory_region_init_io(&region, &apic_mem_ops, NULL, "apic-msi", APIC_SIZE);
    memory_region_add_overlap(memory, APIC_BASE, &region, 1);
}

/* ---- the processor's side ---- */

static int apic_acknowledge(void *opaque)
{
    Apic *apic = opaque;
    int vector = apic_deliverable(apic);

    if (vector >= 0) {
        apic->irr[vector >> 5] &= ~(1u << (vector & 31));
        apic->isr[vector >> 5] |= 1u << (vector & 31);
        apic_broadcast_taken((uint8_t)vector);
    } else if (apic->extint || apic_pic_pending(apic)) {
        apic->extint = false;
        vector = apic_pic_acknowledge();
    }
    apic_update(apic);
    return vector;
}

static void apic_reset_registers(Apic *apic)
{
    uint32_t id = apic->cpu->apic_id;

    memset(apic->irr, 0, sizeof apic->irr);
    memset(apic->isr, 0, sizeof apic->isr);
    memset(apic->tmr, 0, sizeof apic->tmr);
    apic->tpr = 0;
    apic->svr = 0xff;
    apic->ldr = apic_is_x2(apic) ? (id >> 4) << 16 | 1u << (id & 0xf) : 0;
    apic->dfr = UINT32_MAX;
    apic->esr = apic->esr_pending = 0;
    apic->icr = 0;
    apic->extint = false;
    for (unsigned i = 0; i < LVT_COUNT; i++) {
        apic->lvt[i] = LVT_MASKED;
    }
    apic_timer_reset(apic);
    apic_update(apic);
}

uint64_t apic_base_get(void *opaque)
{
    const Apic *apic = opaque;

    return apic->base;
}

/* Bits that IA32_APIC_BASE does not have on this CPU. */
static uint64_t base_reserved(const Apic *apic)
{
    const X86CpuModel *model = &apic->cpu->model;
    bool x2apic = x86_cpu_model_has(model, X86_FEAT_1_ECX, CPUID_1_ECX_X2APIC);

    return BASE_RESERVED | (x2apic ? 0 : BASE_X2APIC) |
           UINT64_MAX << x86_cpu_model_phys_bits(model);
}

/* May the mode go from @old to @value? SDM vol. 3 section 11.12.5: x2APIC is entered from xAPIC
 * only, and left only to disabled. */
static bool base_transition(uint64_t old, uint64_t value)
{
    static const bool allowed[4][4] = {
        /* from EXTD:EN to 0, EN, EXTD (not a mode), EXTD and EN */
        { true, true, false, false },
        { true, true, false, true },
        { false, false, false, false },
        { true, false, false, true },
    };

    return allowed[(old & BASE_ENABLE) / BASE_ENABLE + (old & BASE_X2APIC) / BASE_X2APIC * 2]
                  [(value & BASE_ENABLE) / BASE_ENABLE + (value & BASE_X2APIC) / BASE_X2APIC * 2];
}

static bool apic_base_set(void *opaque, uint64_t value)
{
    Apic *apic = opaque;
    uint64_t old = apic->base, modes = BASE_ENABLE | BASE_X2APIC;

    if ((value & base_reserved(apic)) || !base_transition(old, value)) {
        return false;
    }
    if ((value & ~UINT64_C(0xfff)) != APIC_BASE && log_enabled(LOG_UNIMP)) {
        log_printf("apic: registers stay at 0x%x, not moved to 0x%" PRIx64 "\n", APIC_BASE,
                   value & ~UINT64_C(0xfff));
    }
    apic->base = value;
    if ((value & modes) != (old & modes)) {
        if (apic_is_x2(apic)) {
            uint32_t id = apic->cpu->apic_id;

            apic->ldr = (id >> 4) << 16 | 1u << (id & 0xf);
            apic->icr &= UINT32_MAX;
        } else if (!apic_enabled(apic)) {
            apic_reset_registers(apic);
        }
        apic_update(apic);
    }
    return true;
}

uint8_t apic_tpr_get(void *opaque)
{
    const Apic *apic = opaque;

    return apic->tpr >> 4;
}

void apic_tpr_set(void *opaque, uint8_t cr8)
{
    Apic *apic = opaque;

    apic->tpr = cr8 << 4;
    apic_update(apic);
}

/* Hyper-V's names for registers, which can be used in xAPIC mode, too (TLFS section 10.2). 0: it is
 * none of them. */
static unsigned hv_register(const Apic *apic, uint32_t msr)
{
    static const uint8_t regs[] = { REG_EOI, REG_ICR, REG_TPR };

    return msr >= HV_MSR_EOI && msr <= HV_MSR_TPR && apic_enabled(apic) ? regs[msr - HV_MSR_EOI]
                                                                        : 0;
}

static bool apic_msr_read(void *opaque, uint32_t msr, uint64_t *value)
{
    const Apic *apic = opaque;
    unsigned hv_reg = hv_register(apic, msr);
    uint32_t reg = hv_reg ? hv_reg : msr - MSR_X2APIC;

    if (msr == MSR_TSC_DEADLINE) {
        *value = apic_timer_deadline(apic);
        return true;
    }
    if ((!hv_reg && !apic_is_x2(apic)) || reg >= REG_COUNT || !x2apic_regs[reg].read) {
        return false;
    }
    *value = reg == REG_ICR ? apic->icr : apic_read_reg(apic, reg);
    return true;
}

static bool apic_msr_write(void *opaque, uint32_t msr, uint64_t value)
{
    Apic *apic = opaque;
    unsigned hv_reg = hv_register(apic, msr);
    uint32_t reg = hv_reg ? hv_reg : msr - MSR_X2APIC;

    if (msr == MSR_TSC_DEADLINE) {
        apic_timer_set_deadline(apic, value);
        return true;
    }
    if ((!hv_reg && !apic_is_x2(apic)) || reg >= REG_COUNT || !x2apic_regs[reg].write ||
        (reg != REG_ICR && value >> 32)) {
        return false;
    }
    /* Hyper-V's EOI takes any value, as the one in memory does. */
    if ((uint32_t)value & x2apic_regs[reg].reserved && hv_reg != REG_EOI) {
        return false;
    }
    if (reg == REG_ICR) {
        uint64_t dest = apic_is_x2(apic) ? 0xffffffff00000000ull : 0xff00000000000000ull;

        apic->icr = value & (dest | ICR_WRITABLE);
        apic_send_icr(apic);
    } else if (reg == REG_SELF_IPI) {
        apic->icr = 1u << 18 | value; /* fixed, to self */
        apic_send_icr(apic);
        apic->icr = 0;
    } else {
        apic_write_reg(apic, reg, value);
    }
    return true;
}

static void apic_init_accepted(void *opaque)
{
    apic_reset_registers(opaque);
}

static const X86ApicOps apic_ops = {
    .acknowledge = apic_acknowledge,
    .base_get = apic_base_get,
    .base_set = apic_base_set,
    .tpr_get = apic_tpr_get,
    .tpr_set = apic_tpr_set,
    .msr_read = apic_msr_read,
    .msr_write = apic_msr_write,
    .init = apic_init_accepted,
};

/* ---- the device ---- */

static void apic_reset(Device *dev)
{
    Apic *apic = APIC(dev);
    bool bsp = apic->cpu->index == 0;

    apic->base = APIC_BASE | BASE_ENABLE | (bsp ? BASE_BSP : 0);
    apic_reset_registers(apic);
    if (bsp) {
        apic->lvt[LVT_LINT0] = APIC_EXTINT << LVT_MODE_SHIFT;
        apic_update(apic);
    }
}

static bool apic_realize(Device *dev, GError **errp)
{
    Apic *apic = APIC(dev);

    apic_timer_init(apic);
    apic_bus_add(apic);
    apic_reset(dev);
    return true;
}

static void apic_unrealize(Device *dev)
{
    Apic *apic = APIC(dev);

    apic_bus_remove(apic);
    timer_free(apic->timer);
    apic->cpu->apic = NULL;
}

static const StateField apic_fields[] = {
    STATE_UINT(Apic, base),
    STATE_UINTS(Apic, irr),
    STATE_UINTS(Apic, isr),
    STATE_UINTS(Apic, tmr),
    STATE_UINT(Apic, tpr),
    STATE_UINT(Apic, svr),
    STATE_UINT(Apic, ldr),
    STATE_UINT(Apic, dfr),
    STATE_UINT(Apic, esr),
    STATE_UINT(Apic, esr_pending),
    STATE_UINT(Apic, icr),
    STATE_UINTS(Apic, lvt),
    STATE_BOOL(Apic, extint),
    STATE_TIMER(Apic, timer),
    STATE_UINT(Apic, divide),
    STATE_UINT(Apic, initial_count),
    STATE_INT(Apic, timer_start),
    STATE_UINT(Apic, tsc_deadline),
    {},
};

void apic_resume(Apic *apic)
{
    if (apic_in_engine()) {
        timer_del(apic->timer); /* it was saved armed by an engine that has none */
        return;
    }
    apic_timer_resume(apic);
    if (apic_deliverable(apic) >= 0) {
        x86_cpu_interrupt(apic->cpu, CPU_INT_HARD);
    }
}

static bool apic_loaded(void *obj, GError **errp)
{
    apic_resume(obj);
    return true;
}

static const StateTable apic_state = {
    .name = "apic", .version = 1, .fields = apic_fields, .post_load = apic_loaded
};

static const DeviceClass apic_device_ops = {
    .category = "misc",
    .realize = apic_realize,
    .unrealize = apic_unrealize,
    .reset = apic_reset,
    .state = &apic_state,
};

static const ObjectType apic_type = {
    .name = TYPE_APIC,
    .parent = TYPE_DEVICE,
    .description = "Local APIC",
    .instance_size = sizeof(Apic),
    .ops = &apic_device_ops,
};
OBJECT_TYPE_REGISTER(apic_type)

Apic *apic_create(X86Cpu *cpu, Object *owner)
{
    g_autoptr(GError) err = NULL;
    Object *obj = object_new(TYPE_APIC, &err);

    if (!obj || !object_add_child(owner, "lapic", obj, &err)) {
        g_error("local APIC: %s", err->message);
    }
    object_unref(obj); /* the tree has one */
    Apic *apic = APIC(obj);
    apic->cpu = cpu;
    device_realize(&apic->parent, NULL);
    cpu->apic = apic;
    cpu->apic_ops = apic_in_engine() ? &apic_engine_ops : &apic_ops;
    return apic;
}
