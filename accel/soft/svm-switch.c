/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * World switches: state between the CPU and the VMCB (APM vol. 2 sections 15.5 and 15.6). The
 * host's state is kept in the CPU, not in the page of VM_HSAVE_PA: what another CPU writes there
 * does not matter.
 */
#include <string.h>

#include "accel/soft/breakpoint.h"
#include "accel/soft/code-pages.h"
#include "accel/soft/control.h"
#include "accel/soft/mmu.h"
#include "accel/soft/msr.h"
#include "accel/soft/svm.h"
#include "accel/soft/uop.h"

enum { IOPM_SIZE = 3 * 4096, MSRPM_SIZE = 2 * 4096 };

void *soft_svm_page(const SoftCpu *s, hwaddr addr)
{
    bool readonly = false;
    void *host = soft_table_host(s, addr, SOFT_PAGE, &readonly);

    return readonly ? NULL : host;
}

void soft_svm_page_written(const SoftCpu *s, hwaddr addr)
{
    soft_mark_dirty(s, addr);
    if (soft_code_page_has(addr)) {
        soft_code_written(addr, SOFT_PAGE);
    }
}

/* ---- segments ---- */

static void save_segment(SvmSegment *to, const X86Segment *seg)
{
    *to = (SvmSegment){ .selector = seg->selector,
                        .attributes =
                            (uint16_t)((seg->flags >> 8 & 0xff) | (seg->flags >> 12 & 0xf00)),
                        .limit = seg->limit,
                        .base = seg->base };
}

/* VMRUN and VMLOAD make bases canonical rather than refuse them. */
static X86Segment load_segment(const SvmSegment *from)
{
    return (X86Segment){ .selector = from->selector,
                         .flags = (from->attributes & 0xffu) << 8 | (from->attributes & 0xf00u)
                                                                        << 12,
                         .limit = from->limit,
                         .base = soft_canonical_form(from->base) };
}

static void save_table(SvmSegment *to, const X86DescriptorTable *table)
{
    to->limit = table->limit;
    to->base = table->base;
}

static X86DescriptorTable load_table(const SvmSegment *from)
{
    return (X86DescriptorTable){ .base = soft_canonical_form(from->base),
                                 .limit = (uint16_t)from->limit };
}

/* ---- what VMRUN checks (section 15.5.1) ---- */

static bool beyond(const SoftCpu *s, uint64_t addr)
{
    return addr >> s->cpu.model.phys_bits;
}

static bool event_is_legal(uint64_t event)
{
    unsigned type = event >> SVM_EVENT_TYPE_SHIFT & 7, vector = event & SVM_EVENT_VECTOR;

    if (!(event & SVM_EVENT_VALID)) {
        return true;
    }
    return type == SVM_EVENT_INTR || type == SVM_EVENT_NMI || type == SVM_EVENT_SOFTWARE ||
           (type == SVM_EVENT_EXCEPTION && vector < 32 && vector != EXC_NMI);
}

static bool control_is_legal(const SoftCpu *s, const SvmVmcb *v)
{
    bool npt = x86_cpu_model_has(&s->cpu.model, X86_FEAT_SVM_EDX, CPUID_SVM_EDX_NPT);
    bool nested = v->nested_ctl & 1;

    return (v->intercepts[SVM_EXIT_VMRUN / 32] & 1) && v->asid != 0 &&
           event_is_legal(v->event_inj) && !beyond(s, (v->iopm & SOFT_PAGE_MASK) + IOPM_SIZE - 1) &&
           !beyond(s, (v->msrpm & SOFT_PAGE_MASK) + MSRPM_SIZE - 1) &&
           (!nested || (npt && !beyond(s, v->nested_cr3) && soft_pat_is_legal(v->pat)));
}

static bool state_is_legal(const SoftCpu *s, const SvmVmcb *v)
{
    bool paging = v->cr0 & CR0_PG, lme = v->efer & EFER_LME;
    bool long_mode = paging && lme;
    unsigned cs = v->cs.attributes;

    if (!(v->efer & EFER_SVME) || (v->efer & ~soft_efer_known(&s->cpu)) || v->cr0 >> 32 ||
        (v->cr0 & (CR0_CD | CR0_NW)) == CR0_NW || (v->cr4 & ~soft_cr4_known(&s->cpu.model)) ||
        v->dr6 >> 32 || v->dr7 >> 32) {
        return false;
    }
    if (long_mode) {
        bool wide = (cs & 0x200) && (cs & 0x400); /* L and D */

        return (v->cr4 & CR4_PAE) && (v->cr0 & CR0_PE) && !wide && !beyond(s, v->cr3);
    }
    return true;
}

/* ---- VMRUN ---- */

static void keep_host(SoftCpu *s, uint64_t next)
{
    X86Cpu *cpu = &s->cpu;

    cpu->svm.host.es = cpu->segs[X86_SEG_ES];
    cpu->svm.host.cs = cpu->segs[X86_SEG_CS];
    cpu->svm.host.ss = cpu->segs[X86_SEG_SS];
    cpu->svm.host.ds = cpu->segs[X86_SEG_DS];
    cpu->svm.host.gdt = cpu->gdt;
    cpu->svm.host.idt = cpu->idt;
    cpu->svm.host.efer = cpu->efer;
    cpu->svm.host.cr0 = cpu->cr0;
    cpu->svm.host.cr3 = cpu->cr3;
    cpu->svm.host.cr4 = cpu->cr4;
    cpu->svm.host.rflags = soft_get_rflags(s) & ~(uint64_t)RFLAGS_RF;
    cpu->svm.host.rip = next;
    cpu->svm.host.rsp = cpu->regs[X86_RSP];
    cpu->svm.host.rax = cpu->regs[X86_RAX];
    cpu->svm.host.pat = cpu->msr.pat;
}

static void load_control(X86Svm *svm, const SvmVmcb *v, hwaddr addr)
{
    svm->vmcb = addr;
    memcpy(svm->intercepts, v->intercepts, sizeof(svm->intercepts));
    svm->pause_threshold = v->pause_threshold;
    svm->pause_count = svm->pause_left = v->pause_count;
    svm->last_pause = 0;
    svm->iopm = v->iopm & SOFT_PAGE_MASK;
    svm->msrpm = v->msrpm & SOFT_PAGE_MASK;
    svm->tsc_offset = v->tsc_offset;
    svm->int_ctl = v->int_ctl;
    svm->event_inj = v->event_inj;
    svm->next_rip = v->next_rip;
    svm->nested_paging = v->nested_ctl & 1;
    svm->nested_cr3 = v->nested_cr3;
    svm->guest = true;
    svm->gif_clear = false;
}

/* The parts that make CPU modes. What contradicts itself and is not refused becomes what a CPU can
 * be. */
static void load_guest(SoftCpu *s, const SvmVmcb *v)
{
    X86Cpu *cpu = &s->cpu;
    bool lma = (v->cr0 & CR0_PG) && (v->efer & EFER_LME);
    uint64_t rflags = (v->rflags & RFLAGS_VALID) | RFLAGS_ONE;

    if (lma || !(v->cr0 & CR0_PE)) {
        rflags &= ~(uint64_t)RFLAGS_VM;
    }
    unsigned cpl = rflags & RFLAGS_VM ? 3 : v->cr0 & CR0_PE ? v->cpl & 3 : 0;

    cpu->segs[X86_SEG_ES] = load_segment(&v->es);
    cpu->segs[X86_SEG_CS] = load_segment(&v->cs);
    cpu->segs[X86_SEG_SS] = load_segment(&v->ss);
    cpu->segs[X86_SEG_DS] = load_segment(&v->ds);
    cpu->segs[X86_SEG_SS].flags =
        (cpu->segs[X86_SEG_SS].flags & ~SEG_DPL_MASK) | cpl << SEG_DPL_SHIFT;
    cpu->gdt = load_table(&v->gdtr);
    cpu->idt = load_table(&v->idtr);
    cpu->efer = (v->efer & ~(uint64_t)EFER_LMA) | (lma ? EFER_LMA : 0);
    cpu->cr0 = v->cr0 & soft_cr0_known();
    cpu->cr0 |= CR0_ET;
    cpu->cr2 = v->cr2;
    cpu->cr3 = v->cr3;
    cpu->cr4 = v->cr4;
    cpu->dr[6] = (v->dr6 & 0xe00f) | DR6_FIXED_ONE;
    cpu->dr[7] = (v->dr7 & 0xffff23ff) | DR7_FIXED_ONE;
    cpu->regs[X86_RAX] = v->rax;
    cpu->regs[X86_RSP] = v->rsp;
    cpu->msr.pat = cpu->svm.nested_paging ? v->pat : cpu->msr.pat;
    bool code64 = lma && (cpu->segs[X86_SEG_CS].flags & SEG_L);
    cpu->rip = code64 ? v->rip : (uint32_t)v->rip;
    soft_set_rflags(s, rflags);
    cpu->interrupt_shadow = v->shadow & 1;
    if (cpu->svm.int_ctl & SVM_V_IRQ) {
        /* For this thread only, so nobody is to be kicked. */
        atomic_fetch_or_explicit(&cpu->interrupts, CPU_INT_VIRTUAL, memory_order_relaxed);
    }
}

/* After either switch. */
static void changed_world(SoftCpu *s)
{
    s->cpu.debug_hits = 0;
    s->cpu.debug_shadow = false;
    s->trap = false;
    s->svm_shadow_rip = UINT64_MAX;
    soft_tlb_flush(s, false);
    soft_breakpoints_update(s);
    soft_update_mode(s);
}

bool soft_svm_enter(SoftCpu *s, hwaddr addr, uint64_t next)
{
    X86Cpu *cpu = &s->cpu;
    SvmVmcb *page = soft_svm_page(s, addr), v;

    if (!page) {
        return false;
    }
    memcpy(&v, page, sizeof(v)); /* another CPU may write there: everything is read once */
    cpu->rip = next;
    if (!control_is_legal(s, &v) || !state_is_legal(s, &v)) {
        page->exit_code = SVM_EXIT_INVALID;
        soft_svm_page_written(s, addr);
        cpu->svm.gif_clear = true;
        return true;
    }
    keep_host(s, next);
    load_control(&cpu->svm, &v, addr);
    load_guest(s, &v);
    changed_world(s);
    return true;
}

/* ---- #VMEXIT ---- */

static void save_guest(SoftCpu *s, SvmVmcb *v)
{
    X86Cpu *cpu = &s->cpu;
    const uint64_t live = SVM_V_TPR | SVM_V_IRQ;

    save_segment(&v->es, &cpu->segs[X86_SEG_ES]);
    save_segment(&v->cs, &cpu->segs[X86_SEG_CS]);
    save_segment(&v->ss, &cpu->segs[X86_SEG_SS]);
    save_segment(&v->ds, &cpu->segs[X86_SEG_DS]);
    save_table(&v->gdtr, &cpu->gdt);
    save_table(&v->idtr, &cpu->idt);
    v->cpl = (uint8_t)soft_cpl(s);
    v->efer = cpu->efer;
    v->cr0 = cpu->cr0;
    v->cr2 = cpu->cr2;
    v->cr3 = cpu->cr3;
    v->cr4 = cpu->cr4;
    v->dr6 = cpu->dr[6];
    v->dr7 = cpu->dr[7];
    v->rflags = soft_get_rflags(s);
    v->rip = cpu->rip;
    v->rsp = cpu->regs[X86_RSP];
    v->rax = cpu->regs[X86_RAX];
    if (cpu->svm.nested_paging) {
        v->pat = cpu->msr.pat;
    }
    v->int_ctl = (v->int_ctl & ~live) | (cpu->svm.int_ctl & live);
}

static void load_host(SoftCpu *s)
{
    X86Cpu *cpu = &s->cpu;
    X86Svm *svm = &cpu->svm;

    cpu->segs[X86_SEG_ES] = svm->host.es;
    cpu->segs[X86_SEG_CS] = svm->host.cs;
    cpu->segs[X86_SEG_SS] = svm->host.ss;
    cpu->segs[X86_SEG_DS] = svm->host.ds;
    cpu->gdt = svm->host.gdt;
    cpu->idt = svm->host.idt;
    cpu->efer = svm->host.efer;
    cpu->cr0 = svm->host.cr0;
    cpu->cr3 = svm->host.cr3;
    cpu->cr4 = svm->host.cr4;
    cpu->rip = svm->host.rip;
    cpu->regs[X86_RSP] = svm->host.rsp;
    cpu->regs[X86_RAX] = svm->host.rax;
    cpu->msr.pat = svm->host.pat;
    cpu->dr[7] = DR7_FIXED_ONE;
    soft_set_rflags(s, svm->host.rflags & ~(uint64_t)RFLAGS_VM);
    cpu->interrupt_shadow = false;
    cpu->halted = cpu->frozen = false;
    svm->guest = svm->nested_paging = false;
    svm->gif_clear = true;
    svm->tsc_offset = svm->int_ctl = svm->event_inj = 0;
    x86_cpu_clear_interrupt(cpu, CPU_INT_VIRTUAL);
}

void soft_svm_leave(SoftCpu *s, uint64_t code, uint64_t info1, uint64_t info2, uint64_t next_rip,
                    bool shadow)
{
    hwaddr addr = s->cpu.svm.vmcb;
    SvmVmcb *v = soft_svm_page(s, addr); /* its memory may have been unplugged */

    if (v) {
        bool nrips = x86_cpu_model_has(&s->cpu.model, X86_FEAT_SVM_EDX, CPUID_SVM_EDX_NRIPS);

        save_guest(s, v);
        v->shadow = shadow;
        v->exit_code = code;
        v->exit_info1 = info1;
        v->exit_info2 = info2;
        v->exit_int_info = s->svm_event;
        v->event_inj = 0;
        v->next_rip = nrips ? next_rip : v->next_rip;
        v->insn_len = 0;
        soft_svm_page_written(s, addr);
    }
    load_host(s);
    changed_world(s);
}

/* ---- VMLOAD, VMSAVE (section 15.5.2) ---- */

bool soft_svm_load(SoftCpu *s, hwaddr addr)
{
    X86Cpu *cpu = &s->cpu;
    const SvmVmcb *page = soft_svm_page(s, addr);
    SvmVmcb v;

    if (!page) {
        return false;
    }
    memcpy(&v, page, sizeof(v));
    cpu->segs[X86_SEG_FS] = load_segment(&v.fs);
    cpu->segs[X86_SEG_GS] = load_segment(&v.gs);
    cpu->tr = load_segment(&v.tr);
    cpu->ldt = load_segment(&v.ldtr);
    cpu->msr.kernel_gs_base = soft_canonical_form(v.kernel_gs_base);
    cpu->msr.star = v.star;
    cpu->msr.lstar = soft_canonical_form(v.lstar);
    cpu->msr.cstar = soft_canonical_form(v.cstar);
    cpu->msr.fmask = (uint32_t)v.sfmask;
    cpu->msr.sysenter_cs = (uint32_t)v.sysenter_cs;
    cpu->msr.sysenter_esp = soft_canonical_form(v.sysenter_esp);
    cpu->msr.sysenter_eip = soft_canonical_form(v.sysenter_eip);
    soft_update_mode(s);
    return true;
}

bool soft_svm_save(SoftCpu *s, hwaddr addr)
{
    const X86Cpu *cpu = &s->cpu;
    SvmVmcb *v = soft_svm_page(s, addr);

    if (!v) {
        return false;
    }
    save_segment(&v->fs, &cpu->segs[X86_SEG_FS]);
    save_segment(&v->gs, &cpu->segs[X86_SEG_GS]);
    save_segment(&v->tr, &cpu->tr);
    save_segment(&v->ldtr, &cpu->ldt);
    v->kernel_gs_base = cpu->msr.kernel_gs_base;
    v->star = cpu->msr.star;
    v->lstar = cpu->msr.lstar;
    v->cstar = cpu->msr.cstar;
    v->sfmask = cpu->msr.fmask;
    v->sysenter_cs = cpu->msr.sysenter_cs;
    v->sysenter_esp = cpu->msr.sysenter_esp;
    v->sysenter_eip = cpu->msr.sysenter_eip;
    soft_svm_page_written(s, addr);
    return true;
}
