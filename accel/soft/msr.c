/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Model-specific registers: one table. What is in no range of it raises #GP, which operating
 * systems use to find out what there is.
 */
#include "accel/soft/msr.h"

#include <stddef.h>

#include "accel/soft/control.h"
#include "accel/soft/hyperv.h"
#include "accel/soft/mmu.h"
#include "accel/soft/uop.h"
#include "util/clock.h"
#include "target/i386/hyperv.h"
#include "target/i386/svm.h"
#include "util/log.h"

typedef struct MsrEntry MsrEntry;
struct MsrEntry {
    uint32_t first, last;
    uint32_t stride;  /* bytes between registers of a range, in X86Cpu */
    uint32_t offset;  /* in X86Cpu; used if there is no read resp. write function */
    uint64_t value;   /* of registers without a place (offset 0): what they read */
    uint64_t allowed; /* bits that a plain write may set; others give #GP */
    bool ignore_writes;
    bool amd; /* Intel's processors do not have it */
    bool (*read)(SoftCpu *s, uint32_t msr, uint64_t *value);
    bool (*write)(SoftCpu *s, uint32_t msr, uint64_t value);
};

uint64_t soft_tsc(const SoftCpu *s)
{
    /* The second is 0 but for a guest of SVM. */
    return (uint64_t)(clock_ns() + s->cpu.msr.tsc_offset) + s->cpu.svm.tsc_offset;
}

/* ---- time ---- */

static bool read_tsc(SoftCpu *s, uint32_t msr, uint64_t *value)
{
    *value = soft_tsc(s);
    return true;
}

static void move_tsc(SoftCpu *s, uint64_t delta)
{
    s->cpu.msr.tsc_offset = (int64_t)((uint64_t)s->cpu.msr.tsc_offset + delta);
    s->cpu.msr.tsc_adjust += delta;
    if (delta) {
        soft_hv_tsc_changed(s);
    }
}

static bool write_tsc(SoftCpu *s, uint32_t msr, uint64_t value)
{
    move_tsc(s, value - soft_tsc(s));
    return true;
}

static bool write_tsc_adjust(SoftCpu *s, uint32_t msr, uint64_t value)
{
    move_tsc(s, value - s->cpu.msr.tsc_adjust);
    return true;
}

/* ---- the local APIC's ---- */

static bool read_apic(SoftCpu *s, uint32_t msr, uint64_t *value)
{
    X86Cpu *cpu = &s->cpu;
    bool ok = true;

    if (!cpu->apic_ops) {
        return false;
    }
    soft_machine_enter(s);
    if (msr == MSR_APIC_BASE) {
        *value = cpu->apic_ops->base_get(cpu->apic);
    } else {
        ok = cpu->apic_ops->msr_read(cpu->apic, msr, value);
    }
    soft_machine_leave(s);
    return ok;
}

static bool write_apic(SoftCpu *s, uint32_t msr, uint64_t value)
{
    X86Cpu *cpu = &s->cpu;

    if (!cpu->apic_ops) {
        return false;
    }
    soft_machine_enter(s);
    bool ok = msr == MSR_APIC_BASE ? cpu->apic_ops->base_set(cpu->apic, value)
                                   : cpu->apic_ops->msr_write(cpu->apic, msr, value);
    soft_machine_leave(s);
    return ok;
}

/* ---- SVM (APM vol. 2 section 15.30) ---- */

static bool has_svm(const X86Cpu *cpu)
{
    return x86_cpu_model_has(&cpu->model, X86_FEAT_EXT1_ECX, CPUID_EXT1_ECX_SVM);
}

static bool read_svm(SoftCpu *s, uint32_t msr, uint64_t *value)
{
    *value = msr == MSR_VM_CR ? s->cpu.svm.vm_cr : s->cpu.svm.hsave_pa;
    return has_svm(&s->cpu);
}

/* What an INIT is turned into, and A20, stay as they are: those bits are not kept. */
static bool write_vm_cr(SoftCpu *s, uint32_t msr, uint64_t value)
{
    X86Cpu *cpu = &s->cpu;
    const uint64_t kept = VM_CR_LOCK | VM_CR_SVMDIS;

    if (!has_svm(cpu) || value & ~(uint64_t)0x1f ||
        ((value & VM_CR_SVMDIS) && (cpu->efer & EFER_SVME))) {
        return false;
    }
    if (!(cpu->svm.vm_cr & VM_CR_LOCK)) {
        cpu->svm.vm_cr = value & kept;
    }
    return true;
}

static bool write_hsave_pa(SoftCpu *s, uint32_t msr, uint64_t value)
{
    if (!has_svm(&s->cpu) || value % SOFT_PAGE || value >> s->cpu.model.phys_bits) {
        return false;
    }
    s->cpu.svm.hsave_pa = value;
    return true;
}

/* ---- EFER, PAT, bases ---- */

uint64_t soft_efer_known(const X86Cpu *cpu)
{
    uint64_t known = EFER_LMA;
    static const struct {
        uint32_t feature, bit;
    } optional[] = {
        { CPUID_EXT1_EDX_SYSCALL, EFER_SCE },
        { CPUID_EXT1_EDX_NX, EFER_NX },
        { CPUID_EXT1_EDX_LM, EFER_LME },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(optional); i++) {
        if (x86_cpu_model_has(&cpu->model, X86_FEAT_EXT1_EDX, optional[i].feature)) {
            known |= optional[i].bit;
        }
    }
    if (has_svm(cpu) && !(cpu->svm.vm_cr & VM_CR_SVMDIS)) {
        known |= EFER_SVME;
    }
    return known;
}

static bool write_efer(SoftCpu *s, uint32_t msr, uint64_t value)
{
    X86Cpu *cpu = &s->cpu;

    /* A handler of SMIs runs no guests: the engine keeps no second host for it. */
    if ((value & ~soft_efer_known(cpu)) || (cpu->smm && (value & EFER_SVME)) ||
        (((value ^ cpu->efer) & EFER_LME) && (cpu->cr0 & CR0_PG))) {
        return false;
    }
    uint64_t old = cpu->efer;
    cpu->efer = (value & ~(uint64_t)EFER_LMA) | (old & EFER_LMA);
    if ((old ^ cpu->efer) & EFER_NX) {
        soft_tlb_flush(s, false);
    }
    soft_update_mode(s);
    return true;
}

/* Memory types: UC 0, WC 1, WT 4, WP 5, WB 6, UC- 7. */
bool soft_pat_is_legal(uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) {
        unsigned type = value >> 8 * i & 0xff;
        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

static bool write_pat(SoftCpu *s, uint32_t msr, uint64_t value)
{
    if (!soft_pat_is_legal(value)) {
        return false;
    }
    s->cpu.msr.pat = value;
    return true;
}

static bool write_segment_base(SoftCpu *s, uint32_t msr, uint64_t value)
{
    unsigned seg = msr == MSR_FS_BASE ? X86_SEG_FS : X86_SEG_GS;

    if (!soft_canonical(value)) {
        return false;
    }
    s->cpu.segs[seg].base = value;
    s->seg_base[seg] = value;
    return true;
}

/* 48 bits. */
static bool write_perfctr(SoftCpu *s, uint32_t msr, uint64_t value)
{
    s->cpu.msr.k7_perfctr[msr - MSR_K7_PERFCTR0] = value & ((UINT64_C(1) << 48) - 1);
    return true;
}

/* No component of XSAVE is a supervisor's. */
static bool write_xss(SoftCpu *s, uint32_t msr, uint64_t value)
{
    return value == 0;
}

static bool read_xss(SoftCpu *s, uint32_t msr, uint64_t *value)
{
    *value = 0;
    return x86_cpu_model_has(&s->cpu.model, X86_FEAT_D_1_EAX, CPUID_D_1_EAX_XSAVES);
}

/* A register that holds an address. */
static bool write_canonical(SoftCpu *s, uint32_t msr, uint64_t value);

/* ---- the table ---- */

#define PLACE(field) .offset = offsetof(X86Cpu, field)
#define ANY          UINT64_MAX

static const MsrEntry entries[] = {
    { MSR_TSC, MSR_TSC, .read = read_tsc, .write = write_tsc },
    { MSR_TSC_ADJUST, MSR_TSC_ADJUST, PLACE(msr.tsc_adjust), .write = write_tsc_adjust },
    { MSR_APIC_BASE, MSR_APIC_BASE, .read = read_apic, .write = write_apic },
    { MSR_TSC_DEADLINE, MSR_TSC_DEADLINE, .read = read_apic, .write = write_apic },
    { MSR_X2APIC_FIRST, MSR_X2APIC_LAST, .read = read_apic, .write = write_apic },
    { MSR_EFER, MSR_EFER, PLACE(efer), .write = write_efer },
    { MSR_STAR, MSR_STAR, PLACE(msr.star), .allowed = ANY },
    { MSR_LSTAR, MSR_LSTAR, PLACE(msr.lstar), .write = write_canonical },
    { MSR_CSTAR, MSR_CSTAR, PLACE(msr.cstar), .write = write_canonical },
    { MSR_FMASK, MSR_FMASK, PLACE(msr.fmask), .allowed = UINT32_MAX },
    { MSR_FS_BASE, MSR_FS_BASE, PLACE(segs[X86_SEG_FS].base), .write = write_segment_base },
    { MSR_GS_BASE, MSR_GS_BASE, PLACE(segs[X86_SEG_GS].base), .write = write_segment_base },
    { MSR_KERNEL_GS_BASE, MSR_KERNEL_GS_BASE, PLACE(msr.kernel_gs_base), .write = write_canonical },
    { MSR_TSC_AUX, MSR_TSC_AUX, PLACE(msr.tsc_aux), .allowed = UINT32_MAX },
    { MSR_SYSENTER_CS, MSR_SYSENTER_CS, PLACE(msr.sysenter_cs), .allowed = UINT32_MAX },
    { MSR_SYSENTER_ESP, MSR_SYSENTER_ESP, PLACE(msr.sysenter_esp), .write = write_canonical },
    { MSR_SYSENTER_EIP, MSR_SYSENTER_EIP, PLACE(msr.sysenter_eip), .write = write_canonical },
    { MSR_PAT, MSR_PAT, PLACE(msr.pat), .write = write_pat },
    { MSR_XSS, MSR_XSS, .read = read_xss, .write = write_xss },
    { MSR_MISC_ENABLE, MSR_MISC_ENABLE, PLACE(msr.misc_enable), .allowed = ANY },
    /* 8 variable ranges, fixed ranges, write combining. Memory types change nothing here. */
    { MSR_MTRRCAP, MSR_MTRRCAP, .value = 0x508 },
    { MSR_MTRR_PHYSBASE0, MSR_MTRR_PHYSMASK7, 8, PLACE(msr.mtrr_var), .allowed = ANY },
    { MSR_MTRR_FIX64K_00000, MSR_MTRR_FIX64K_00000, PLACE(msr.mtrr_fixed[0]), .allowed = ANY },
    { MSR_MTRR_FIX16K_80000, MSR_MTRR_FIX16K_A0000, 8, PLACE(msr.mtrr_fixed[1]), .allowed = ANY },
    { MSR_MTRR_FIX4K_C0000, MSR_MTRR_FIX4K_F8000, 8, PLACE(msr.mtrr_fixed[3]), .allowed = ANY },
    { MSR_MTRR_DEF_TYPE, MSR_MTRR_DEF_TYPE, PLACE(msr.mtrr_def_type), .allowed = 0xcff },
    /* No machine-check banks. */
    { MSR_MCG_CAP, MSR_MCG_STATUS, .ignore_writes = true },
    { MSR_PLATFORM_ID, MSR_PLATFORM_ID },
    { MSR_UCODE_REV, MSR_UCODE_REV, .ignore_writes = true },
    { MSR_DEBUGCTL, MSR_DEBUGCTL, .ignore_writes = true },
    /* Performance counters: they hold what is written, and do not count. */
    { MSR_K7_EVNTSEL0, MSR_K7_EVNTSEL3, 8, PLACE(msr.k7_evntsel), .allowed = ANY, .amd = true },
    { MSR_K7_PERFCTR0, MSR_K7_PERFCTR3, 8, PLACE(msr.k7_perfctr), .amd = true,
      .write = write_perfctr },
    /* What an AMD processor of this family has and systems look at while they start. */
    { MSR_K8_SYSCFG, MSR_K8_SYSCFG, .ignore_writes = true, .amd = true },
    { MSR_K8_TOP_MEM1, MSR_K8_TOP_MEM1, .ignore_writes = true, .amd = true },
    { MSR_K8_TOP_MEM2, MSR_K8_TOP_MEM2, .ignore_writes = true, .amd = true },
    { MSR_K7_HWCR, MSR_K7_HWCR, .ignore_writes = true, .amd = true },
    { MSR_AMD64_NB_CFG, MSR_AMD64_NB_CFG, .ignore_writes = true, .amd = true },
    { MSR_K8_INT_PENDING, MSR_K8_INT_PENDING, .ignore_writes = true, .amd = true },
    { MSR_AMD64_PATCH_LEVEL, MSR_AMD64_PATCH_LEVEL, .value = 0x1000065, .ignore_writes = true,
      .amd = true },
    { MSR_K8_TSEG_ADDR, MSR_K8_TSEG_MASK, .ignore_writes = true, .amd = true },
    { MSR_VM_CR, MSR_VM_CR, .read = read_svm, .write = write_vm_cr },
    { MSR_VM_HSAVE_PA, MSR_VM_HSAVE_PA, .read = read_svm, .write = write_hsave_pa },
    { MSR_AMD64_LS_CFG, MSR_AMD64_LS_CFG, .ignore_writes = true, .amd = true },
    { MSR_AMD64_DC_CFG, MSR_AMD64_BU_CFG, .ignore_writes = true, .amd = true },
    /* Bit 1: LFENCE waits for all loads before it; here it does, and the bit stays set. */
    { MSR_AMD64_DE_CFG, MSR_AMD64_DE_CFG, .value = 2, .ignore_writes = true, .amd = true },
    { MSR_AMD64_BU_CFG2, MSR_AMD64_BU_CFG2, .ignore_writes = true, .amd = true },
    { HV_MSR_FIRST, HV_MSR_LAST, .read = soft_hv_read, .write = soft_hv_write },
};

static const MsrEntry *find(const SoftCpu *s, uint32_t msr)
{
    for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
        const MsrEntry *e = &entries[i];
        if (msr >= e->first && msr <= e->last) {
            return e->amd && !x86_cpu_model_is_amd(&s->cpu.model) ? NULL : e;
        }
    }
    return NULL;
}

static uint64_t *msr_place(SoftCpu *s, const MsrEntry *e, uint32_t msr)
{
    return (uint64_t *)((char *)&s->cpu + e->offset + (size_t)(msr - e->first) * e->stride);
}

static bool write_canonical(SoftCpu *s, uint32_t msr, uint64_t value)
{
    if (!soft_canonical(value)) {
        return false;
    }
    *msr_place(s, find(s, msr), msr) = value;
    return true;
}

static bool unknown(const SoftCpu *s, const char *what, uint32_t msr)
{
    if (log_enabled(LOG_UNIMP)) {
        log_printf("CPU %u: %s of MSR %08x, which is not there, at %016" G_GINT64_MODIFIER "x\n",
                   s->cpu.index, what, msr, s->cpu.regs[REG_PC]);
    }
    return false;
}

bool soft_msr_read(SoftCpu *s, uint32_t msr, uint64_t *value)
{
    const MsrEntry *e = find(s, msr);

    if (!e) {
        return unknown(s, "read", msr);
    }
    if (e->read) {
        return e->read(s, msr, value);
    }
    *value = e->offset ? *msr_place(s, e, msr) : e->value;
    return true;
}

bool soft_msr_write(SoftCpu *s, uint32_t msr, uint64_t value)
{
    const MsrEntry *e = find(s, msr);

    if (!e) {
        return unknown(s, "write", msr);
    }
    if (e->write) {
        return e->write(s, msr, value);
    }
    if (e->ignore_writes) {
        return true;
    }
    if (!e->offset || (value & ~e->allowed)) {
        return false;
    }
    *msr_place(s, e, msr) = value;
    return true;
}
