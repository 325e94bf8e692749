/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a snapshot keeps of a processor: the same for every engine (docs/state.md).
 */
#include "target/i386/cpu.h"
#include "util/error.h"

static const StateField segment_fields[] = {
    STATE_UINT(X86Segment, selector),
    STATE_UINT(X86Segment, flags),
    STATE_UINT(X86Segment, limit),
    STATE_UINT(X86Segment, base),
    {},
};
static const StateTable segment_state = { .name = "segment",
                                          .version = 1,
                                          .fields = segment_fields };

static const StateField table_fields[] = {
    STATE_UINT(X86DescriptorTable, base),
    STATE_UINT(X86DescriptorTable, limit),
    {},
};
static const StateTable table_state = { .name = "descriptor-table",
                                        .version = 1,
                                        .fields = table_fields };

#define MSR(member)  STATE_UINT(X86Cpu, msr.member)
#define MSRS(member) STATE_UINTS(X86Cpu, msr.member)

static const StateField event_fields[] = {
    STATE_BOOL(X86Cpu, event.valid),     STATE_BOOL(X86Cpu, event.external),
    STATE_BOOL(X86Cpu, event.has_error), STATE_UINT(X86Cpu, event.vector),
    STATE_UINT(X86Cpu, event.error),     {},
};
static const StateTable event_state = { .name = "event", .version = 1, .fields = event_fields };

#define SVM(member)  STATE_UINT(X86Cpu, svm.member)
#define HOST(member) STATE_UINT(X86Cpu, svm.host.member)

static const StateField svm_fields[] = {
    SVM(vm_cr),
    SVM(hsave_pa),
    STATE_BOOL(X86Cpu, svm.gif_clear),
    STATE_BOOL(X86Cpu, svm.guest),
    STATE_BOOL(X86Cpu, svm.nested_paging),
    SVM(vmcb),
    STATE_UINTS(X86Cpu, svm.intercepts),
    SVM(pause_threshold),
    SVM(pause_count),
    SVM(iopm),
    SVM(msrpm),
    SVM(tsc_offset),
    SVM(nested_cr3),
    SVM(int_ctl),
    SVM(event_inj),
    SVM(next_rip),
    SVM(pause_left),
    SVM(last_pause),
    STATE_STRUCT(X86Cpu, svm.host.es, &segment_state),
    STATE_STRUCT(X86Cpu, svm.host.cs, &segment_state),
    STATE_STRUCT(X86Cpu, svm.host.ss, &segment_state),
    STATE_STRUCT(X86Cpu, svm.host.ds, &segment_state),
    STATE_STRUCT(X86Cpu, svm.host.gdt, &table_state),
    STATE_STRUCT(X86Cpu, svm.host.idt, &table_state),
    HOST(efer),
    HOST(cr0),
    HOST(cr3),
    HOST(cr4),
    HOST(rflags),
    HOST(rip),
    HOST(rsp),
    HOST(rax),
    HOST(pat),
    {},
};
static const StateTable svm_state = { .name = "svm", .version = 1, .fields = svm_fields };

static const StateField cpu_fields[] = {
    /* The rest of regs[] is the engine's. */
    { .name = "regs",
      .kind = STATE_KIND_UINT,
      .width = 8,
      .offset = offsetof(X86Cpu, regs),
      .count = 16 },
    STATE_UINT(X86Cpu, rip),
    STATE_UINT(X86Cpu, rflags),
    STATE_STRUCTS(X86Cpu, segs, &segment_state),
    STATE_STRUCT(X86Cpu, ldt, &segment_state),
    STATE_STRUCT(X86Cpu, tr, &segment_state),
    STATE_STRUCT(X86Cpu, gdt, &table_state),
    STATE_STRUCT(X86Cpu, idt, &table_state),
    STATE_UINT(X86Cpu, cr0),
    STATE_UINT(X86Cpu, cr2),
    STATE_UINT(X86Cpu, cr3),
    STATE_UINT(X86Cpu, cr4),
    STATE_UINT(X86Cpu, xcr0),
    STATE_UINT(X86Cpu, efer),
    STATE_UINTS(X86Cpu, dr),
    STATE_UINTS(X86Cpu, fxsave),
    MSR(star),
    MSR(lstar),
    MSR(cstar),
    MSR(fmask),
    MSR(kernel_gs_base),
    MSR(sysenter_cs),
    MSR(sysenter_esp),
    MSR(sysenter_eip),
    MSR(pat),
    MSR(tsc_aux),
    MSR(tsc_adjust),
    MSR(misc_enable),
    MSR(mtrr_def_type),
    MSRS(mtrr_fixed),
    MSRS(mtrr_var),
    STATE_UINTS_SINCE(X86Cpu, msr.k7_evntsel, 2),
    STATE_UINTS_SINCE(X86Cpu, msr.k7_perfctr, 2),
    STATE_INT(X86Cpu, msr.tsc_offset),
    STATE_BOOL(X86Cpu, halted),
    STATE_BOOL(X86Cpu, wait_for_sipi),
    STATE_BOOL(X86Cpu, interrupt_shadow),
    STATE_BOOL(X86Cpu, nmi_blocked),
    STATE_UINT(X86Cpu, interrupts),
    STATE_UINT(X86Cpu, sipi_vector),
    { .name = "ymm_high",
      .kind = STATE_KIND_UINT,
      .width = 1,
      .offset = offsetof(X86Cpu, ymm_high),
      .count = sizeof(((X86Cpu *)0)->ymm_high),
      .since = 3 },
    { .name = "event",
      .kind = STATE_KIND_STRUCT,
      .stride = sizeof(X86Cpu),
      .count = 1,
      .since = 3,
      .sub = &event_state },
    STATE_UINT_MAX_SINCE(X86Cpu, pkru, 0, 4),
    STATE_BOOL_SINCE(X86Cpu, ferr, 5),
    STATE_BOOL_SINCE(X86Cpu, frozen, 6),
    STATE_BOOL_SINCE(X86Cpu, debug_shadow, 6),
    STATE_UINT_MAX_SINCE(X86Cpu, debug_hits, 15, 6),
    { .name = "svm",
      .kind = STATE_KIND_STRUCT,
      .stride = sizeof(X86Cpu),
      .count = 1,
      .since = 7,
      .sub = &svm_state },
    STATE_BOOL_SINCE(X86Cpu, smm, 7),
    STATE_BOOL_SINCE(X86Cpu, smm_nmi_blocked, 7),
    STATE_UINT_MAX_SINCE(X86Cpu, smbase, 0, 7),
    {},
};

/* Where a #VMEXIT goes: as VMRUN can have left it. */
static bool host_is_sane(const X86Cpu *cpu)
{
    uint64_t cr0 = cpu->svm.host.cr0, efer = cpu->svm.host.efer, cr4 = cpu->svm.host.cr4;
    bool lma = efer & EFER_LMA;

    return (cr0 & CR0_PE) && lma == ((cr0 & CR0_PG) && (efer & EFER_LME)) &&
           (!lma || (cr4 & CR4_PAE)) &&
           !(cpu->svm.host.rflags & ~(uint64_t)(RFLAGS_VALID | RFLAGS_ONE));
}

/* Values that no processor can have would trip an engine up. SDM vol. 3 sections 2.5 and 4.1. */
static bool cpu_loaded(void *obj, GError **errp)
{
    X86Cpu *cpu = obj;
    const bool has_svm = x86_cpu_model_has(&cpu->model, X86_FEAT_EXT1_ECX, CPUID_EXT1_ECX_SVM);
    const struct {
        const char *what;
        bool wrong;
    } checks[] = {
        { "paging without protection",
          !cpu->svm.guest && (cpu->cr0 & (CR0_PG | CR0_PE)) == CR0_PG },
        { "long mode without PAE", cpu->efer & EFER_LMA && !(cpu->cr4 & CR4_PAE) },
        { "long mode that is active and not enabled",
          (cpu->efer & (EFER_LMA | EFER_LME)) == EFER_LMA },
        { "reserved bits in RFLAGS", cpu->rflags & ~(uint64_t)(RFLAGS_VALID | RFLAGS_ONE) },
        { "interrupts of unknown kinds",
          cpu->interrupts & ~(CPU_INT_HARD | CPU_INT_NMI | CPU_INT_INIT | CPU_INT_SIPI |
                              CPU_INT_SMI | CPU_INT_VIRTUAL) },
        { "system management mode, which this machine is without (smm=off, or -accel kvm)",
          !cpu->has_smm && (cpu->smm || cpu->interrupts & CPU_INT_SMI) },
        { "a guest of SVM in system management mode", cpu->smm && cpu->svm.guest },
        { "a guest of SVM, which its model does not have here", !has_svm && cpu->svm.guest },
        { "SVM in use, which its model does not have here",
          !has_svm && (cpu->svm.gif_clear || cpu->efer & EFER_SVME) },
        { "interrupts held back by SVM in system management mode", cpu->smm && cpu->svm.gif_clear },
        { "an interrupt for a guest of SVM, and no guest",
          !cpu->svm.guest && cpu->interrupts & CPU_INT_VIRTUAL },
        { "a host of its guest that no processor can have", cpu->svm.guest && !host_is_sane(cpu) },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(checks); i++) {
        if (checks[i].wrong) {
            error_set(errp, "CPU %u would have %s", cpu->index, checks[i].what);
            return false;
        }
    }
    cpu->rflags |= RFLAGS_ONE;
    return true;
}

const StateTable x86_cpu_state = {
    .name = "x86-cpu", .version = 7, .oldest = 1, .fields = cpu_fields, .post_load = cpu_loaded
};
