/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/task.h"

#include "accel/soft/breakpoint.h"
#include "accel/soft/interrupt.h"
#include "accel/soft/mmu.h"
#include "accel/soft/segment.h"
#include "accel/soft/svm.h"

/* A TSS (SDM vol. 3 figures 8-2 and 8-10): from `ip` on it holds IP, FLAGS, eight registers,
 * segment selectors, each in the order of their encoding, and the LDT's selector, all `width` bytes
 * apart. */
typedef struct TssLayout {
    unsigned width, ip, segments;
    uint32_t limit; /* least */
} TssLayout;

static const TssLayout layout16 = { 2, 0x0e, 4, 0x2b }, layout32 = { 4, 0x20, 6, 0x67 };

enum {
    TSS_LINK = 0,
    TSS_CR3 = 0x1c,  /* of 32 bits only, as the next */
    TSS_TRAP = 0x64, /* bit 0: T */
};

#define TYPE_BUSY (2u << SEG_TYPE_SHIFT)
#define TYPE_32   (8u << SEG_TYPE_SHIFT)

static const TssLayout *layout_of(uint32_t flags)
{
    return flags & TYPE_32 ? &layout32 : &layout16;
}

static unsigned regs_at(const TssLayout *l)
{
    return l->ip + 2 * l->width;
}

static unsigned segments_at(const TssLayout *l)
{
    return regs_at(l) + 8 * l->width;
}

static unsigned ldt_at(const TssLayout *l)
{
    return segments_at(l) + l->segments * l->width;
}

/* ---- in the old task ---- */

/* The descriptor of the new task's TSS: SDM vol. 3 table 8-1, the first four conditions. */
static SoftDescriptor find_tss(SoftCpu *s, const Uop *op, const SoftTaskSwitch *to)
{
    unsigned error = (to->selector & 0xfffc) | to->ext;
    int invalid = to->how == SOFT_TASK_RETURN ? EXC_TS : EXC_GP;
    SoftDescriptor d;

    if (soft_selector_null(to->selector) || (to->selector & 4)) {
        soft_raise(s, op, invalid, error);
    }
    soft_descriptor_get(s, op, to->selector, invalid, to->ext, &d);
    uint32_t wanted = SYS_TSS16 << SEG_TYPE_SHIFT | (to->how == SOFT_TASK_RETURN ? TYPE_BUSY : 0);
    if ((d.hi & (SEG_S | SEG_TYPE_MASK) & ~TYPE_32) != wanted) {
        soft_raise(s, op, invalid, error);
    }
    if (!(d.hi & SEG_P)) {
        soft_raise(s, op, EXC_NP, error);
    }
    if (soft_descriptor_segment(&d, 0).limit < layout_of(d.hi)->limit) {
        soft_raise(s, op, EXC_TS, error);
    }
    return d;
}

static uint64_t old_descriptor(const SoftCpu *s)
{
    return s->cpu.gdt.base + (s->cpu.tr.selector & 0xfff8) + 4;
}

/* Page faults come before anything changes. */
static void probe_all(SoftCpu *s, const Uop *op, const SoftTaskSwitch *to, const SoftDescriptor *d,
                      uint64_t base)
{
    const X86Segment *tr = &s->cpu.tr;
    const TssLayout *old = layout_of(tr->flags), *new = layout_of(d->hi);

    if (tr->limit < ldt_at(old) - 1) {
        soft_raise(s, op, EXC_TS, (tr->selector & 0xfffc) | to->ext);
    }
    soft_probe_system(s, op, tr->base + old->ip, ldt_at(old) - old->ip, SOFT_WRITE);
    soft_probe_system(s, op, base, new->limit + 1, SOFT_READ);
    if (to->how == SOFT_TASK_NEST) {
        soft_probe_system(s, op, base + TSS_LINK, 2, SOFT_WRITE);
    } else {
        soft_probe_system(s, op, old_descriptor(s), 4, SOFT_WRITE);
    }
    if (to->how != SOFT_TASK_RETURN) {
        soft_probe_system(s, op, d->addr + 4, 4, SOFT_WRITE);
    }
}

static void save_old(SoftCpu *s, const Uop *op, const SoftTaskSwitch *to)
{
    const X86Cpu *cpu = &s->cpu;
    const TssLayout *l = layout_of(cpu->tr.flags);
    uint64_t base = cpu->tr.base, flags = to->flags;

    if (to->how == SOFT_TASK_RETURN) {
        flags &= ~(uint64_t)RFLAGS_NT;
    }
    soft_store_system(s, op, base + l->ip, to->next, l->width);
    soft_store_system(s, op, base + l->ip + l->width, flags, l->width);
    for (unsigned i = 0; i < 8; i++) {
        soft_store_system(s, op, base + regs_at(l) + i * l->width, cpu->regs[i], l->width);
    }
    for (unsigned i = 0; i < l->segments; i++) {
        soft_store_system(s, op, base + segments_at(l) + i * l->width, cpu->segs[i].selector, 2);
    }
}

static void set_busy(SoftCpu *s, const Uop *op, uint64_t high, bool busy)
{
    uint32_t value = (uint32_t)soft_load_system(s, op, high, 4);

    soft_store_system(s, op, high, busy ? value | TYPE_BUSY : value & ~TYPE_BUSY, 4);
}

/* What a TSS says of its task. */
typedef struct TaskState {
    uint32_t cr3, ip, flags, regs[8];
    uint16_t segs[6], ldt;
    bool trap;
} TaskState;

static TaskState read_state(SoftCpu *s, const Uop *op, const TssLayout *l, uint64_t base)
{
    TaskState t = {
        .ip = (uint32_t)soft_load_system(s, op, base + l->ip, l->width),
        .flags = (uint32_t)soft_load_system(s, op, base + l->ip + l->width, l->width),
        .ldt = (uint16_t)soft_load_system(s, op, base + ldt_at(l), 2),
    };

    for (unsigned i = 0; i < 8; i++) {
        t.regs[i] = (uint32_t)soft_load_system(s, op, base + regs_at(l) + i * l->width, l->width);
    }
    for (unsigned i = 0; i < l->segments; i++) {
        t.segs[i] = (uint16_t)soft_load_system(s, op, base + segments_at(l) + i * l->width, 2);
    }
    if (l == &layout32) {
        t.cr3 = (uint32_t)soft_load_system(s, op, base + TSS_CR3, 4);
        t.trap = soft_load_system(s, op, base + TSS_TRAP, 1) & 1;
    }
    return t;
}

/* ---- in the new task ---- */

/* Registers and selectors; the segments' hidden parts are not valid yet. */
static void enter_new(SoftCpu *s, const SoftTaskSwitch *to, const TaskState *t, const TssLayout *l)
{
    X86Cpu *cpu = &s->cpu;

    cpu->cr0 |= CR0_TS;
    cpu->dr[7] &= ~(uint64_t)DR7_LOCAL;
    soft_breakpoints_update(s);
    if (l == &layout32 && (cpu->cr0 & CR0_PG)) {
        cpu->cr3 = t->cr3;
        soft_tlb_flush(s, cpu->cr4 & CR4_PGE);
    }
    for (unsigned i = 0; i < 8; i++) {
        cpu->regs[i] = t->regs[i];
    }
    uint32_t nested = to->how == SOFT_TASK_NEST ? RFLAGS_NT : 0;
    soft_set_rflags(s, (t->flags & RFLAGS_VALID) | RFLAGS_ONE | nested);
    cpu->rip = t->ip;
    for (unsigned i = 0; i < 6; i++) {
        cpu->segs[i] = (X86Segment){ .selector = t->segs[i] };
    }
    unsigned cpl = t->flags & RFLAGS_VM ? 3 : t->segs[X86_SEG_CS] & 3;
    cpu->segs[X86_SEG_SS].flags = cpl << SEG_DPL_SHIFT;
    cpu->ldt = (X86Segment){ .selector = t->ldt };
    soft_update_mode(s);
}

/* The descriptor of @selector, which is not null; #TS if there is none. */
static SoftDescriptor task_descriptor(SoftCpu *s, unsigned selector, unsigned ext)
{
    SoftDescriptor d;

    soft_descriptor_get(s, NULL, selector, EXC_TS, ext, &d);
    return d;
}

static void load_ldt(SoftCpu *s, unsigned ext)
{
    unsigned selector = s->cpu.ldt.selector, error = (selector & 0xfffc) | ext;

    if (soft_selector_null(selector)) {
        return;
    }
    if (selector & 4) {
        soft_raise(s, NULL, EXC_TS, error);
    }
    SoftDescriptor d = task_descriptor(s, selector, ext);
    if ((d.hi & (SEG_S | SEG_TYPE_MASK)) != SYS_LDT << SEG_TYPE_SHIFT || !(d.hi & SEG_P)) {
        soft_raise(s, NULL, EXC_TS, error);
    }
    s->cpu.ldt = soft_descriptor_segment(&d, selector);
}

/* CS or SS; @right: type and privilege are. */
static void load_checked(SoftCpu *s, unsigned seg, SoftDescriptor *d, bool right, unsigned ext)
{
    unsigned selector = s->cpu.segs[seg].selector, error = (selector & 0xfffc) | ext;

    if (!right) {
        soft_raise(s, NULL, EXC_TS, error);
    }
    if (!(d->hi & SEG_P)) {
        soft_raise(s, NULL, seg == X86_SEG_SS ? EXC_SS : EXC_NP, error);
    }
    soft_descriptor_touch(s, NULL, d);
    s->cpu.segs[seg] = soft_descriptor_segment(d, selector);
    soft_update_mode(s);
}

static void load_code(SoftCpu *s, unsigned ext)
{
    unsigned selector = s->cpu.segs[X86_SEG_CS].selector, rpl = selector & 3;

    if (soft_selector_null(selector)) {
        soft_raise(s, NULL, EXC_TS, ext);
    }
    SoftDescriptor d = task_descriptor(s, selector, ext);
    bool code = (d.hi & (SEG_S | SEG_CODE)) == (SEG_S | SEG_CODE);
    unsigned dpl = soft_descriptor_dpl(&d);
    load_checked(s, X86_SEG_CS, &d, code && (d.hi & SEG_C ? dpl <= rpl : dpl == rpl), ext);
}

static void load_stack(SoftCpu *s, unsigned ext)
{
    unsigned selector = s->cpu.segs[X86_SEG_SS].selector, cpl = soft_cpl(s);

    if (soft_selector_null(selector)) {
        soft_raise(s, NULL, EXC_TS, ext);
    }
    SoftDescriptor d = task_descriptor(s, selector, ext);
    bool writable = (d.hi & (SEG_S | SEG_CODE | SEG_W)) == (SEG_S | SEG_W);
    bool right = writable && soft_descriptor_dpl(&d) == cpl && (selector & 3) == cpl;
    load_checked(s, X86_SEG_SS, &d, right, ext);
}

static void load_data(SoftCpu *s, unsigned seg, unsigned ext)
{
    unsigned selector = s->cpu.segs[seg].selector;

    if (soft_selector_null(selector)) {
        return;
    }
    SoftDescriptor d = task_descriptor(s, selector, ext);
    bool readable = (d.hi & SEG_S) && (d.hi & (SEG_CODE | SEG_R)) != SEG_CODE;
    bool conforming = (d.hi & (SEG_CODE | SEG_C)) == (SEG_CODE | SEG_C);
    unsigned privilege = MAX(soft_cpl(s), selector & 3);
    load_checked(s, seg, &d, readable && (conforming || soft_descriptor_dpl(&d) >= privilege), ext);
}

static void load_segments(SoftCpu *s, unsigned ext)
{
    static const uint8_t data[] = { X86_SEG_DS, X86_SEG_ES, X86_SEG_FS, X86_SEG_GS };
    X86Cpu *cpu = &s->cpu;

    load_ldt(s, ext);
    if (cpu->rflags & RFLAGS_VM) {
        for (unsigned i = 0; i < 6; i++) {
            soft_set_segment_real(s, i, cpu->segs[i].selector);
        }
    } else {
        load_code(s, ext);
        load_stack(s, ext);
        for (size_t i = 0; i < G_N_ELEMENTS(data); i++) {
            load_data(s, data[i], ext);
        }
    }
    soft_update_mode(s);
}

static void push_error_code(SoftCpu *s, const SoftTaskSwitch *to, unsigned width)
{
    if (to->error_code < 0) {
        return;
    }
    SoftStack st = soft_stack(s, NULL);
    st.error = to->ext;
    soft_stack_push(&st, (uint64_t)to->error_code, width);
    s->cpu.regs[X86_RSP] = soft_stack_rsp(&st, s->cpu.regs[X86_RSP]);
}

/* #DB before the new task's first instruction (SDM vol. 3 section 17.3.1.5); with it a trap that
 * the instruction which switched has still to come. */
static void trap(SoftCpu *s)
{
    s->cpu.dr[6] |= DR6_BT | (s->trap ? DR6_BS : 0);
    soft_deliver(s, EXC_DB, SOFT_EVENT_TRAP, -1, s->cpu.rip);
}

void soft_task_switch(SoftCpu *s, const Uop *op, const SoftTaskSwitch *to)
{
    X86Cpu *cpu = &s->cpu;

    if (cpu->svm.guest) {
        soft_svm_check_task(s, op, to);
    }
    SoftDescriptor d = find_tss(s, op, to);
    const TssLayout *l = layout_of(d.hi);
    X86Segment tr = soft_descriptor_segment(&d, to->selector);

    probe_all(s, op, to, &d, tr.base);
    if (to->how == SOFT_TASK_NEST) {
        soft_store_system(s, op, tr.base + TSS_LINK, cpu->tr.selector, 2);
    } else {
        set_busy(s, op, old_descriptor(s), false);
    }
    save_old(s, op, to);
    TaskState t = read_state(s, op, l, tr.base);
    if (to->how != SOFT_TASK_RETURN) {
        set_busy(s, op, d.addr + 4, true);
    }
    tr.flags |= TYPE_BUSY;
    cpu->tr = tr;

    enter_new(s, to, &t, l);
    load_segments(s, to->ext);
    push_error_code(s, to, l->width);
    if (cpu->rip > cpu->segs[X86_SEG_CS].limit) {
        soft_raise(s, NULL, EXC_GP, to->ext);
    }
    if (t.trap) {
        trap(s);
    }
}
