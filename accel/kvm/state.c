/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Registers between X86Cpu and KVM. KvmCpu keeps each structure as it was last exchanged; what is
 * to be written is compared with that and left out if it is the same. After a reset everything is
 * written, and what KVM has beyond X86Cpu (events, upper halves of vector registers) is cleared, or
 * as it was saved (saved.c).
 */
#include <stddef.h>
#include <string.h>

#include "accel/kvm/kvm-internal.h"
#include "util/error.h"

/* Offset of XSTATE_BV in the XSAVE area, and its bits for what X86Cpu.fxsave holds. */
#define XSTATE_BV_OFFSET 512
#define XSTATE_X87_SSE   3u
/* The upper halves of YMM0-YMM15, where every processor has them (CPUID leaf 0xd, 2), and their bit
 * there and in XCR0. */
#define XSTATE_YMM_OFFSET 576
#define XSTATE_YMM        4u
/* Bytes of FXSAVE's area that are registers; then there is room for software. */
#define FXSAVE_USED 464

/* ---- general registers ---- */

static const struct {
    size_t theirs; /* in struct kvm_regs */
    unsigned ours;
} general[] = {
#define REG(name, number)                       \
    {                                           \
        offsetof(struct kvm_regs, name), number \
    }
    REG(rax, X86_RAX), REG(rcx, X86_RCX), REG(rdx, X86_RDX), REG(rbx, X86_RBX),
    REG(rsp, X86_RSP), REG(rbp, X86_RBP), REG(rsi, X86_RSI), REG(rdi, X86_RDI),
    REG(r8, X86_R8),   REG(r9, X86_R9),   REG(r10, X86_R10), REG(r11, X86_R11),
    REG(r12, X86_R12), REG(r13, X86_R13), REG(r14, X86_R14), REG(r15, X86_R15),
#undef REG
};

static void regs_to_cpu(const struct kvm_regs *regs, X86Cpu *cpu)
{
    for (size_t i = 0; i < G_N_ELEMENTS(general); i++) {
        memcpy(&cpu->regs[general[i].ours], (const char *)regs + general[i].theirs, 8);
    }
    cpu->rip = regs->rip;
    cpu->rflags = regs->rflags;
}

static void regs_from_cpu(struct kvm_regs *regs, const X86Cpu *cpu)
{
    for (size_t i = 0; i < G_N_ELEMENTS(general); i++) {
        memcpy((char *)regs + general[i].theirs, &cpu->regs[general[i].ours], 8);
    }
    regs->rip = cpu->rip;
    regs->rflags = cpu->rflags | RFLAGS_ONE;
}

/* ---- segments and control registers ---- */

static X86Segment segment_to_cpu(const struct kvm_segment *s)
{
    uint32_t flags = (uint32_t)s->type << SEG_TYPE_SHIFT | (s->s ? SEG_S : 0) |
                     (uint32_t)s->dpl << SEG_DPL_SHIFT | (s->present && !s->unusable ? SEG_P : 0) |
                     (s->avl ? SEG_AVL : 0) | (s->l ? SEG_L : 0) | (s->db ? SEG_DB : 0) |
                     (s->g ? SEG_G : 0);

    return (
        X86Segment){ .selector = s->selector, .flags = flags, .limit = s->limit, .base = s->base };
}

static struct kvm_segment segment_from_cpu(const X86Segment *s)
{
    return (struct kvm_segment){
        .base = s->base,
        .limit = s->limit,
        .selector = s->selector,
        .type = (s->flags & SEG_TYPE_MASK) >> SEG_TYPE_SHIFT,
        .present = (s->flags & SEG_P) != 0,
        .dpl = (s->flags & SEG_DPL_MASK) >> SEG_DPL_SHIFT,
        .db = (s->flags & SEG_DB) != 0,
        .s = (s->flags & SEG_S) != 0,
        .l = (s->flags & SEG_L) != 0,
        .g = (s->flags & SEG_G) != 0,
        .avl = (s->flags & SEG_AVL) != 0,
        .unusable = !(s->flags & SEG_P),
    };
}

/* By number of the segment register. */
static struct kvm_segment *segment_of(struct kvm_sregs *sregs, unsigned i)
{
    struct kvm_segment *const all[6] = { &sregs->es, &sregs->cs, &sregs->ss,
                                         &sregs->ds, &sregs->fs, &sregs->gs };

    return all[i];
}

static void sregs_to_cpu(struct kvm_sregs *sregs, X86Cpu *cpu)
{
    for (unsigned i = 0; i < 6; i++) {
        cpu->segs[i] = segment_to_cpu(segment_of(sregs, i));
    }
    cpu->ldt = segment_to_cpu(&sregs->ldt);
    cpu->tr = segment_to_cpu(&sregs->tr);
    cpu->gdt = (X86DescriptorTable){ sregs->gdt.base, sregs->gdt.limit };
    cpu->idt = (X86DescriptorTable){ sregs->idt.base, sregs->idt.limit };
    cpu->cr0 = sregs->cr0;
    cpu->cr2 = sregs->cr2;
    cpu->cr3 = sregs->cr3;
    cpu->cr4 = sregs->cr4;
    cpu->efer = sregs->efer;
}

/* Differences that only the form makes (an unusable segment has no attributes) are none. */
static void set_segment(struct kvm_segment *theirs, const X86Segment *ours)
{
    X86Segment as_ours = segment_to_cpu(theirs);

    if (as_ours.selector != ours->selector || as_ours.flags != ours->flags ||
        as_ours.limit != ours->limit || as_ours.base != ours->base) {
        *theirs = segment_from_cpu(ours);
    }
}

static void sregs_from_cpu(struct kvm_sregs *sregs, const X86Cpu *cpu)
{
    for (unsigned i = 0; i < 6; i++) {
        set_segment(segment_of(sregs, i), &cpu->segs[i]);
    }
    set_segment(&sregs->ldt, &cpu->ldt);
    set_segment(&sregs->tr, &cpu->tr);
    sregs->gdt.base = cpu->gdt.base;
    sregs->gdt.limit = cpu->gdt.limit;
    sregs->idt.base = cpu->idt.base;
    sregs->idt.limit = cpu->idt.limit;
    sregs->cr0 = cpu->cr0;
    sregs->cr2 = cpu->cr2;
    sregs->cr3 = cpu->cr3;
    sregs->cr4 = cpu->cr4;
    sregs->efer = cpu->efer;
    if (cpu->apic_ops) {
        sregs->apic_base = cpu->apic_ops->base_get(cpu->apic);
        sregs->cr8 = cpu->apic_ops->tpr_get(cpu->apic);
    }
}

/* ---- debug registers, FPU ---- */

static void debugregs_to_cpu(const struct kvm_debugregs *d, X86Cpu *cpu)
{
    for (unsigned i = 0; i < 4; i++) {
        cpu->dr[i] = d->db[i];
    }
    cpu->dr[6] = d->dr6;
    cpu->dr[7] = d->dr7;
}

static void debugregs_from_cpu(struct kvm_debugregs *d, const X86Cpu *cpu)
{
    for (unsigned i = 0; i < 4; i++) {
        d->db[i] = cpu->dr[i];
    }
    d->dr6 = cpu->dr[6];
    d->dr7 = cpu->dr[7];
}

static uint64_t xsave_present(const KvmCpu *k)
{
    uint64_t present;

    memcpy(&present, (const uint8_t *)k->xsave + XSTATE_BV_OFFSET, sizeof(present));
    return present;
}

static void xsave_to_cpu(KvmCpu *k)
{
    X86Cpu *cpu = &k->cpu;

    memcpy(cpu->fxsave, k->xsave, FXSAVE_USED);
    if (xsave_present(k) & XSTATE_YMM) {
        memcpy(cpu->ymm_high, (const uint8_t *)k->xsave + XSTATE_YMM_OFFSET, sizeof(cpu->ymm_high));
    } else {
        memset(cpu->ymm_high, 0, sizeof(cpu->ymm_high));
    }
}

/* Is what X86Cpu has of it other than what was exchanged last? */
static bool xsave_changed(const KvmCpu *k)
{
    static const uint8_t zeros[sizeof(k->cpu.ymm_high)];
    const void *ymm =
        xsave_present(k) & XSTATE_YMM ? (const uint8_t *)k->xsave + XSTATE_YMM_OFFSET : zeros;

    return memcmp(k->xsave, k->cpu.fxsave, FXSAVE_USED) != 0 ||
           memcmp(ymm, k->cpu.ymm_high, sizeof(k->cpu.ymm_high)) != 0;
}

static void xsave_from_cpu(KvmCpu *k, bool reset)
{
    uint8_t *area = (uint8_t *)k->xsave;
    uint64_t present;

    if (reset) {
        memset(area, 0, kvm_vm.xsave_size);
    }
    memcpy(area, k->cpu.fxsave, FXSAVE_USED);
    present = xsave_present(k) | XSTATE_X87_SSE;
    if (k->cpu.xcr0 & XSTATE_YMM) {
        memcpy(area + XSTATE_YMM_OFFSET, k->cpu.ymm_high, sizeof(k->cpu.ymm_high));
        present |= XSTATE_YMM;
    }
    memcpy(area + XSTATE_BV_OFFSET, &present, sizeof(present));
}

/* ---- events and run state ---- */

static void events_to_cpu(const struct kvm_vcpu_events *events, X86Cpu *cpu)
{
    cpu->interrupt_shadow = events->interrupt.shadow != 0;
    cpu->debug_shadow = events->interrupt.shadow & KVM_X86_SHADOW_INT_MOV_SS;
    cpu->nmi_blocked = events->nmi.masked != 0;
    memset(&cpu->event, 0, sizeof(cpu->event));
    if (events->exception.injected) {
        cpu->event.valid = true;
        cpu->event.vector = events->exception.nr;
        cpu->event.has_error = events->exception.has_error_code;
        cpu->event.error = events->exception.error_code;
    } else if (events->interrupt.injected && !events->interrupt.soft) {
        cpu->event.valid = cpu->event.external = true;
        cpu->event.vector = events->interrupt.nr;
    } else if (events->nmi.injected || (events->nmi.pending && !events->nmi.masked)) {
        cpu->event.valid = cpu->event.external = true;
        cpu->event.vector = EXC_NMI;
    }
}

/* What another engine had under way. */
static void event_from_cpu(struct kvm_vcpu_events *events, const X86Cpu *cpu)
{
    if (!cpu->event.valid) {
        return;
    }
    if (!cpu->event.external) {
        events->exception.injected = 1;
        events->exception.nr = cpu->event.vector;
        events->exception.has_error_code = cpu->event.has_error;
        events->exception.error_code = cpu->event.error;
    } else if (cpu->event.vector == EXC_NMI) {
        events->nmi.injected = 1;
    } else {
        events->interrupt.injected = 1;
        events->interrupt.nr = cpu->event.vector;
    }
}

/* A trap that is still to come is the next event. KVM knows of none that is held back any longer.
 */
static void traps_from_cpu(X86Cpu *cpu)
{
    if (cpu->debug_hits) {
        cpu->dr[6] |= cpu->debug_hits;
        cpu->debug_hits = 0;
        cpu->event = (typeof(cpu->event)){ .valid = true, .vector = EXC_DB };
    }
}

/* @reset: of the whole machine, or another engine's was loaded; a guest that was in system
 * management mode leaves it. */
static void events_from_cpu(struct kvm_vcpu_events *events, const X86Cpu *cpu, bool reset)
{
    /* A processor that has taken INIT has nothing of before under way. */
    if (reset || cpu->wait_for_sipi) {
        *events = (struct kvm_vcpu_events){
            .flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
                     (reset && kvm_vm.has_smm ? KVM_VCPUEVENT_VALID_SMM : 0),
        };
        event_from_cpu(events, cpu);
    }
    if ((events->interrupt.shadow != 0) != cpu->interrupt_shadow) {
        events->interrupt.shadow = !cpu->interrupt_shadow ? 0
                                   : cpu->debug_shadow    ? KVM_X86_SHADOW_INT_MOV_SS
                                                          : KVM_X86_SHADOW_INT_STI;
    }
    events->nmi.masked = cpu->nmi_blocked;
}

static void mp_state_to_cpu(const struct kvm_mp_state *state, X86Cpu *cpu)
{
    cpu->halted = state->mp_state == KVM_MP_STATE_HALTED;
    cpu->wait_for_sipi = state->mp_state == KVM_MP_STATE_UNINITIALIZED ||
                         state->mp_state == KVM_MP_STATE_INIT_RECEIVED;
}

static uint32_t mp_state_from_cpu(const X86Cpu *cpu)
{
    return cpu->wait_for_sipi ? KVM_MP_STATE_INIT_RECEIVED
           : cpu->halted      ? KVM_MP_STATE_HALTED
                              : KVM_MP_STATE_RUNNABLE;
}

/* ---- reading ---- */

static void get_mp_state(KvmCpu *k)
{
    if (kvm_vm.irqchip != KVM_IRQCHIP_OFF) {
        kvm_ioctl(k->fd, KVM_GET_MP_STATE, &k->mp_state);
        mp_state_to_cpu(&k->mp_state, &k->cpu);
    }
}

static void get_local_apic(KvmCpu *k)
{
    X86Cpu *cpu = &k->cpu;

    if (kvm_vm.irqchip == KVM_IRQCHIP_OFF) {
        return;
    }
    kvm_ioctl(k->fd, KVM_GET_LAPIC, &k->lapic);
    if (cpu->apic_ops) {
        cpu->apic_ops->page_set(cpu->apic, k->sregs.apic_base, (const uint32_t *)k->lapic.regs);
    }
}

void kvm_get_state(X86Cpu *cpu)
{
    KvmCpu *k = kvm_cpu(cpu);

    kvm_coalesce_flush();
    /* Before it was first written, and after a reset until that is written, X86Cpu is right. */
    if (k->fresh || k->resets != cpu->resets) {
        return;
    }
    get_mp_state(k); /* first: KVM carries out a pending INIT or SIPI here, which sets registers */
    kvm_ioctl(k->fd, KVM_GET_REGS, &k->regs);
    regs_to_cpu(&k->regs, cpu);
    kvm_ioctl(k->fd, KVM_GET_SREGS, &k->sregs);
    sregs_to_cpu(&k->sregs, cpu);
    kvm_ioctl(k->fd, kvm_vm.xsave_size > sizeof(*k->xsave) ? KVM_GET_XSAVE2 : KVM_GET_XSAVE,
              k->xsave);
    xsave_to_cpu(k);
    if (kvm_ioctl(k->fd, KVM_GET_XCRS, &k->xcrs) >= 0 && k->xcrs.nr_xcrs) {
        cpu->xcr0 = k->xcrs.xcrs[0].value;
    }
    kvm_ioctl(k->fd, KVM_GET_DEBUGREGS, &k->debugregs);
    debugregs_to_cpu(&k->debugregs, cpu);
    kvm_ioctl(k->fd, KVM_GET_VCPU_EVENTS, &k->events);
    events_to_cpu(&k->events, cpu);
    kvm_msr_get(k);
    get_local_apic(k);
}

/* ---- writing ---- */

/* Write *@now, of @size bytes, if it is not what *@last says; then *@last says so. Was it? */
static bool put_changed(KvmCpu *k, unsigned long request, const char *name, void *last,
                        const void *now, size_t size, bool all)
{
    int ret;

    if (!all && memcmp(last, now, size) == 0) {
        return false;
    }
    memcpy(last, now, size);
    ret = kvm_ioctl(k->fd, request, last);
    if (ret < 0) {
        error_report("CPU %u: KVM refuses the guest's %s: %s", k->cpu.index, name,
                     g_strerror(-ret));
    }
    return true;
}

static void put_xsave(KvmCpu *k, bool all, bool reset)
{
    int ret;

    if (!all && !xsave_changed(k)) {
        return;
    }
    xsave_from_cpu(k, reset);
    ret = kvm_ioctl(k->fd, KVM_SET_XSAVE, k->xsave);
    if (ret < 0) {
        error_report("CPU %u: KVM refuses the guest's FPU registers: %s", k->cpu.index,
                     g_strerror(-ret));
    }
}

static void put_xcrs(KvmCpu *k, bool all)
{
    struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .xcr = 0, .value = k->cpu.xcr0 } } };

    if ((k->cpu.model.features[X86_FEAT_1_ECX] & CPUID_1_ECX_XSAVE)) {
        put_changed(k, KVM_SET_XCRS, "XCR0", &k->xcrs, &xcrs, sizeof(xcrs), all);
    }
}

static void put_local_apic(KvmCpu *k, bool all)
{
    X86Cpu *cpu = &k->cpu;
    struct kvm_mp_state state = { .mp_state = mp_state_from_cpu(cpu) };
    struct kvm_lapic_state page = k->lapic;

    if (kvm_vm.irqchip == KVM_IRQCHIP_OFF) {
        return;
    }
    if (cpu->apic_ops && all) {
        /* Only then: the timer's count has moved on since it was read. */
        cpu->apic_ops->page_get(cpu->apic, (uint32_t *)page.regs);
        put_changed(k, KVM_SET_LAPIC, "local APIC", &k->lapic, &page, sizeof(page), all);
    }
    put_changed(k, KVM_SET_MP_STATE, "run state", &k->mp_state, &state, sizeof(state), all);
}

void kvm_put_state(X86Cpu *cpu)
{
    KvmCpu *k = kvm_cpu(cpu);
    bool all = k->fresh || k->resets != cpu->resets;
    struct kvm_vcpu_events events = k->events;
    traps_from_cpu(cpu);
    struct kvm_debugregs debugregs = k->debugregs;
    struct kvm_sregs sregs = k->sregs;
    struct kvm_regs regs = k->regs;
    bool reset = all && !k->loaded, written;

    if (all) {
        memset(&sregs, 0, sizeof(sregs));
        memset(&debugregs, 0, sizeof(debugregs));
    }
    sregs_from_cpu(&sregs, cpu);
    regs_from_cpu(&regs, cpu);
    debugregs_from_cpu(&debugregs, cpu);
    events_from_cpu(&events, cpu, reset);

    written = put_changed(k, KVM_SET_SREGS, "segments and control registers", &k->sregs, &sregs,
                          sizeof(sregs), all);
    written |= put_changed(k, KVM_SET_REGS, "registers", &k->regs, &regs, sizeof(regs), all);
    put_xsave(k, all, reset);
    put_xcrs(k, all);
    put_changed(k, KVM_SET_DEBUGREGS, "debug registers", &k->debugregs, &debugregs,
                sizeof(debugregs), all);
    put_local_apic(k, all); /* before the MSR that is the deadline of its timer */
    kvm_msr_put(k, all, reset);
    /* KVM forgets a pending exception when it gets registers. */
    put_changed(k, KVM_SET_VCPU_EVENTS, "events", &k->events, &events, sizeof(events), written);
    kvm_debug_put(k);
    k->fresh = k->loaded = false;
    k->resets = cpu->resets;
}

/* ---- of a CPU that is in an access ---- */

void kvm_get_registers(X86Cpu *cpu)
{
    KvmCpu *k = kvm_cpu(cpu);

    kvm_ioctl(k->fd, KVM_GET_REGS, &k->regs);
    regs_to_cpu(&k->regs, cpu);
}

void kvm_put_registers(X86Cpu *cpu)
{
    KvmCpu *k = kvm_cpu(cpu);

    regs_from_cpu(&k->regs, cpu);
    kvm_ioctl(k->fd, KVM_SET_REGS, &k->regs);
}
