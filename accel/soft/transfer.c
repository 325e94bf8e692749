/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Far transfers of control: JMP, CALL and RET between segments, call gates, IRET, INT (SDM vol. 3
 * section 5.8, vol. 2 under each). The block always ends: code segment and privilege may change. */
#include "accel/soft/decode.h"
#include "accel/soft/interrupt.h"
#include "accel/soft/segment.h"
#include "accel/soft/task.h"
#include "accel/soft/transfer.h"
#include "accel/soft/uop.h"
#include "accel/soft/vme.h"

/* May @rip be executed in @cs? Else #GP(0). */
static void check_target(SoftCpu *s, const Uop *op, const X86Segment *cs, uint64_t rip)
{
    bool code64 = soft_long_mode(s) && (cs->flags & SEG_L);

    if (code64 ? !soft_canonical(rip) : rip > cs->limit) {
        soft_raise(s, op, EXC_GP, 0);
    }
}

static void check_code_descriptor(SoftCpu *s, const Uop *op, const SoftDescriptor *d,
                                  unsigned selector)
{
    bool code = (d->hi & (SEG_S | SEG_CODE)) == (SEG_S | SEG_CODE);
    bool both = soft_long_mode(s) && (d->hi & SEG_L) && (d->hi & SEG_DB);

    if (!code || both) {
        soft_raise(s, op, EXC_GP, selector & 0xfffc);
    }
}

static void set_code(SoftCpu *s, const SoftDescriptor *d, unsigned selector, unsigned cpl,
                     uint64_t rip)
{
    s->cpu.segs[X86_SEG_CS] = soft_descriptor_segment(d, (selector & ~3u) | cpl);
    s->cpu.rip = rip;
    soft_update_mode(s);
}

/* ---- JMP and CALL ---- */

typedef struct FarTarget {
    unsigned selector;
    uint64_t offset;
    unsigned size; /* of the operand and of what CALL pushes */
    bool call;
    uint64_t next; /* where CALL returns to */
} FarTarget;

static void far_real(SoftCpu *s, const Uop *op, const FarTarget *t)
{
    X86Cpu *cpu = &s->cpu;

    if (t->offset > 0xffff) {
        soft_raise(s, op, EXC_GP, 0);
    }
    if (t->call) {
        SoftStack st = soft_stack(s, op);
        soft_stack_push(&st, cpu->segs[X86_SEG_CS].selector, t->size);
        soft_stack_push(&st, t->next, t->size);
        cpu->regs[X86_RSP] = soft_stack_rsp(&st, cpu->regs[X86_RSP]);
    }
    soft_set_segment_real(s, X86_SEG_CS, t->selector);
    cpu->rip = t->offset;
    soft_update_mode(s);
}

static void far_code(SoftCpu *s, const Uop *op, const FarTarget *t, SoftDescriptor *d)
{
    X86Cpu *cpu = &s->cpu;
    unsigned cpl = soft_cpl(s), dpl = soft_descriptor_dpl(d);

    check_code_descriptor(s, op, d, t->selector);
    if (d->hi & SEG_C ? dpl > cpl : (t->selector & 3) > cpl || dpl != cpl) {
        soft_raise(s, op, EXC_GP, t->selector & 0xfffc);
    }
    if (!(d->hi & SEG_P)) {
        soft_raise(s, op, EXC_NP, t->selector & 0xfffc);
    }
    X86Segment cs = soft_descriptor_segment(d, t->selector);
    check_target(s, op, &cs, t->offset);
    soft_descriptor_touch(s, op, d);
    if (t->call) {
        SoftStack st = soft_stack(s, op);
        soft_stack_push(&st, cpu->segs[X86_SEG_CS].selector, t->size);
        soft_stack_push(&st, t->next, t->size);
        cpu->regs[X86_RSP] = soft_stack_rsp(&st, cpu->regs[X86_RSP]);
    }
    set_code(s, d, t->selector, cpl, t->offset);
}

typedef struct CallGate {
    unsigned selector, parameters, size;
    uint64_t offset;
} CallGate;

static CallGate read_call_gate(SoftCpu *s, const Uop *op, unsigned selector,
                               const SoftDescriptor *d)
{
    unsigned type = soft_descriptor_type(d), error = selector & 0xfffc;
    bool long_mode = soft_long_mode(s);

    if (type != SYS_CALL && (long_mode || type != SYS_CALL16)) {
        soft_raise(s, op, EXC_GP, error);
    }
    if (soft_descriptor_dpl(d) < MAX(soft_cpl(s), selector & 3)) {
        soft_raise(s, op, EXC_GP, error);
    }
    if (!(d->hi & SEG_P)) {
        soft_raise(s, op, EXC_NP, error);
    }
    CallGate g = {
        .selector = d->lo >> 16,
        .parameters = d->hi & 0x1f,
        .size = long_mode          ? 8
                : type == SYS_CALL ? 4
                                   : 2,
        .offset = (d->lo & 0xffff) | (type == SYS_CALL ? d->hi & 0xffff0000u : 0),
    };
    if (long_mode) {
        uint64_t high = soft_load_system(s, op, d->addr + 8, 8);
        if (high >> 40 & 0x1f) {
            soft_raise(s, op, EXC_GP, error);
        }
        g.offset |= high << 32;
    }
    return g;
}

/* CALL through a gate to an inner ring: onto that ring's stack. */
static void gate_push_inner(SoftCpu *s, const Uop *op, const CallGate *g, unsigned dpl,
                            uint64_t next)
{
    X86Cpu *cpu = &s->cpu;
    bool long_mode = soft_long_mode(s);
    X86Segment ss = { .selector = (uint16_t)dpl, .flags = dpl << SEG_DPL_SHIFT };
    uint64_t sp;

    if (long_mode) {
        sp = soft_tss_rsp(s, op, dpl, 0);
    } else {
        soft_tss_stack(s, op, dpl, 0, &ss, &sp);
    }
    SoftStack st = soft_stack_in(s, op, &ss, sp, long_mode);
    st.system = true;
    st.error = ss.selector & 0xfffc;
    soft_stack_push(&st, cpu->segs[X86_SEG_SS].selector, g->size);
    soft_stack_push(&st, cpu->regs[X86_RSP], g->size);
    if (!long_mode) {
        SoftStack old = soft_stack(s, op);
        for (unsigned i = g->parameters; i-- > 0;) {
            SoftStack at = old;
            at.sp += (uint64_t)i * g->size;
            soft_stack_push(&st, soft_stack_pop(&at, g->size), g->size);
        }
    }
    soft_stack_push(&st, cpu->segs[X86_SEG_CS].selector, g->size);
    soft_stack_push(&st, next, g->size);
    cpu->regs[X86_RSP] = soft_stack_rsp(&st, sp);
    cpu->segs[X86_SEG_SS] = ss;
}

static void far_gate(SoftCpu *s, const Uop *op, const FarTarget *t, const SoftDescriptor *gate)
{
    X86Cpu *cpu = &s->cpu;
    unsigned cpl = soft_cpl(s);
    CallGate g = read_call_gate(s, op, t->selector, gate);
    unsigned error = g.selector & 0xfffc;
    SoftDescriptor d;

    if (soft_selector_null(g.selector)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    soft_descriptor_get(s, op, g.selector, EXC_GP, 0, &d);
    check_code_descriptor(s, op, &d, g.selector);
    unsigned dpl = soft_descriptor_dpl(&d);
    bool conforming = d.hi & SEG_C;
    if (dpl > cpl || (!t->call && !conforming && dpl != cpl) ||
        (soft_long_mode(s) && !(d.hi & SEG_L))) {
        soft_raise(s, op, EXC_GP, error);
    }
    if (!(d.hi & SEG_P)) {
        soft_raise(s, op, EXC_NP, error);
    }
    X86Segment cs = soft_descriptor_segment(&d, g.selector);
    check_target(s, op, &cs, g.offset);
    soft_descriptor_touch(s, op, &d);

    bool inner = t->call && !conforming && dpl < cpl;
    if (inner) {
        gate_push_inner(s, op, &g, dpl, t->next);
        cpl = dpl;
    } else if (t->call) {
        SoftStack st = soft_stack(s, op);
        soft_stack_push(&st, cpu->segs[X86_SEG_CS].selector, g.size);
        soft_stack_push(&st, t->next, g.size);
        cpu->regs[X86_RSP] = soft_stack_rsp(&st, cpu->regs[X86_RSP]);
    }
    set_code(s, &d, g.selector, cpl, g.offset);
}

/* To the TSS @d itself, or through the task gate that @d is. */
static void far_task(SoftCpu *s, const Uop *op, const FarTarget *t, const SoftDescriptor *d)
{
    unsigned selector = t->selector, error = selector & 0xfffc;

    if (soft_descriptor_dpl(d) < MAX(soft_cpl(s), selector & 3)) {
        soft_raise(s, op, EXC_GP, error);
    }
    if (soft_descriptor_type(d) == SYS_TASK_GATE) {
        if (!(d->hi & SEG_P)) {
            soft_raise(s, op, EXC_NP, error);
        }
        selector = d->lo >> 16;
    }
    soft_task_switch(s, op,
                     &(SoftTaskSwitch){ .how = t->call ? SOFT_TASK_NEST : SOFT_TASK_JUMP,
                                        .selector = selector,
                                        .next = t->next,
                                        .flags = soft_get_rflags(s) & ~(uint64_t)RFLAGS_RF,
                                        .error_code = -1 });
}

/* Types of system descriptors, as bits, that lead to another task. */
#define TYPES_TASK                                                                 \
    (1u << SYS_TSS16 | 1u << SYS_TSS16_BUSY | 1u << SYS_TSS | 1u << SYS_TSS_BUSY | \
     1u << SYS_TASK_GATE)

static const Uop *far_transfer(SoftCpu *s, const Uop *op, const FarTarget *t)
{
    if (!soft_protected(s)) {
        far_real(s, op, t);
        return NULL;
    }
    if (soft_selector_null(t->selector)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    SoftDescriptor d;
    soft_descriptor_get(s, op, t->selector, EXC_GP, 0, &d);
    if (d.hi & SEG_S) {
        far_code(s, op, t, &d);
    } else if (!soft_long_mode(s) && (TYPES_TASK >> soft_descriptor_type(&d) & 1)) {
        far_task(s, op, t, &d);
    } else {
        far_gate(s, op, t, &d);
    }
    return NULL;
}

static FarTarget far_target(SoftCpu *s, const Uop *op)
{
    uint64_t next = s->cpu.regs[REG_PC] + op->pc_off + op->len;

    return (FarTarget){ .size = op->size,
                        .call = op->aux,
                        .next = soft_code64(s) ? next : (uint32_t)next };
}

static const Uop *run_far_pointer(SoftCpu *s, const Uop *op)
{
    FarTarget t = far_target(s, op);
    t.selector = (uint16_t)op->disp;
    t.offset = op->imm;
    return far_transfer(s, op, &t);
}

static const Uop *run_far_memory(SoftCpu *s, const Uop *op)
{
    FarTarget t = far_target(s, op);
    uint64_t addr = soft_addr(s, op);
    t.offset = soft_load(s, op, addr, op->size);
    t.selector = soft_load16(s, op, addr + op->size);
    return far_transfer(s, op, &t);
}

static bool emit_far(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *o = &in->ops[0];

    if (in->raw.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR) {
        return false;
    }
    Uop *u;
    if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, run_far_memory, o);
    } else {
        u = soft_emit(d, in, run_far_pointer);
        u->disp = o->ptr.segment;
        u->imm = o->ptr.offset;
    }
    u->size = in->raw.operand_width / 8;
    u->aux = (uint8_t)d->arg;
    d->ended = true;
    return true;
}

/* ---- RET and IRET ---- */

void soft_write_flags(SoftCpu *s, uint64_t value, unsigned size, unsigned cpl)
{
    uint64_t old = soft_get_rflags(s);
    unsigned iopl = (old & RFLAGS_IOPL) >> RFLAGS_IOPL_SHIFT;
    uint64_t mask = RFLAGS_ARITH | RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_AC | RFLAGS_ID;

    if (cpl <= iopl) {
        mask |= RFLAGS_IF;
    }
    if (cpl == 0) {
        mask |= RFLAGS_IOPL | RFLAGS_VIF | RFLAGS_VIP;
    }
    if (size == 2) {
        mask &= 0xffff;
    }
    soft_set_rflags(s, (old & ~mask & ~(uint64_t)RFLAGS_RF) | (value & mask) | RFLAGS_ONE);
}

/* IRET's: those of POPF, and RF. */
static void return_flags(SoftCpu *s, uint64_t value, unsigned size, unsigned cpl)
{
    soft_write_flags(s, value, size, cpl);
    if (size > 2) {
        s->cpu.rflags |= value & RFLAGS_RF;
    }
}

static void return_real(SoftCpu *s, const Uop *op, bool iret)
{
    X86Cpu *cpu = &s->cpu;
    SoftStack st = soft_stack(s, op);
    uint64_t rip = soft_stack_pop(&st, op->size);
    unsigned selector = (uint16_t)soft_stack_pop(&st, op->size);
    uint64_t flags = iret ? soft_stack_pop(&st, op->size) : 0;

    if (rip > 0xffff) {
        soft_raise(s, op, EXC_GP, 0);
    }
    if (iret && soft_vm86_trapped(s)) {
        soft_virtual_popf(s, op, flags, op->size);
    } else if (iret) {
        return_flags(s, flags, op->size, cpu->rflags & RFLAGS_VM ? 3 : 0);
    }
    st.sp += op->imm;
    cpu->regs[X86_RSP] = soft_stack_rsp(&st, cpu->regs[X86_RSP]);
    soft_set_segment_real(s, X86_SEG_CS, selector);
    cpu->rip = rip;
    soft_update_mode(s);
}

/* The stack segment that a return to ring @cpl loads. */
static X86Segment return_ss(SoftCpu *s, const Uop *op, unsigned selector, unsigned cpl,
                            bool to_code64)
{
    SoftDescriptor d;

    if (soft_selector_null(selector)) {
        if (!to_code64 || cpl == 3 || (selector & 3) != cpl) {
            soft_raise(s, op, EXC_GP, 0);
        }
        return (X86Segment){ .selector = (uint16_t)selector, .flags = cpl << SEG_DPL_SHIFT };
    }
    soft_descriptor_get(s, op, selector, EXC_GP, 0, &d);
    bool writable = (d.hi & (SEG_S | SEG_CODE | SEG_W)) == (SEG_S | SEG_W);
    if ((selector & 3) != cpl || soft_descriptor_dpl(&d) != cpl || !writable) {
        soft_raise(s, op, EXC_GP, selector & 0xfffc);
    }
    if (!(d.hi & SEG_P)) {
        soft_raise(s, op, EXC_SS, selector & 0xfffc);
    }
    soft_descriptor_touch(s, op, &d);
    return soft_descriptor_segment(&d, selector);
}

/* IRET from ring 0 to virtual 8086 mode: all segments are on the stack. */
static void return_vm86(SoftCpu *s, SoftStack *st, uint64_t rip, unsigned selector, uint64_t flags)
{
    static const uint8_t order[] = { X86_SEG_ES, X86_SEG_DS, X86_SEG_FS, X86_SEG_GS };
    X86Cpu *cpu = &s->cpu;
    uint64_t rsp = soft_stack_pop(st, 4);
    unsigned ss = (uint16_t)soft_stack_pop(st, 4), others[G_N_ELEMENTS(order)];

    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        others[i] = (uint16_t)soft_stack_pop(st, 4);
    }
    if (rip > 0xffff) {
        soft_raise(s, st->op, EXC_GP, 0);
    }
    soft_set_rflags(s, (flags & RFLAGS_VALID) | RFLAGS_ONE);
    soft_set_segment_real(s, X86_SEG_CS, selector);
    soft_set_segment_real(s, X86_SEG_SS, ss);
    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        soft_set_segment_real(s, order[i], others[i]);
    }
    cpu->regs[X86_RSP] = rsp;
    cpu->rip = rip;
    soft_update_mode(s);
}

static SoftDescriptor return_cs(SoftCpu *s, const Uop *op, unsigned selector)
{
    unsigned rpl = selector & 3, error = selector & 0xfffc;
    SoftDescriptor d;

    if (soft_selector_null(selector)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    soft_descriptor_get(s, op, selector, EXC_GP, 0, &d);
    check_code_descriptor(s, op, &d, selector);
    unsigned dpl = soft_descriptor_dpl(&d);
    if (rpl < soft_cpl(s) || (d.hi & SEG_C ? dpl > rpl : dpl != rpl)) {
        soft_raise(s, op, EXC_GP, error);
    }
    if (!(d.hi & SEG_P)) {
        soft_raise(s, op, EXC_NP, error);
    }
    return d;
}

static void return_protected(SoftCpu *s, const Uop *op, bool iret)
{
    X86Cpu *cpu = &s->cpu;
    unsigned size = op->size, cpl = soft_cpl(s);
    SoftStack st = soft_stack(s, op);
    uint64_t rip = soft_stack_pop(&st, size);
    unsigned selector = (uint16_t)soft_stack_pop(&st, size);
    uint64_t flags = iret ? soft_stack_pop(&st, size) : 0;

    if (iret && size == 4 && (flags & RFLAGS_VM) && cpl == 0 && !soft_long_mode(s)) {
        return_vm86(s, &st, rip, selector, flags);
        return;
    }
    SoftDescriptor d = return_cs(s, op, selector);
    unsigned rpl = selector & 3;
    X86Segment cs = soft_descriptor_segment(&d, selector);
    check_target(s, op, &cs, rip);
    bool to_code64 = soft_long_mode(s) && (d.hi & SEG_L), outer = rpl > cpl;

    st.sp += op->imm;
    if (outer || (iret && soft_code64(s))) {
        uint64_t rsp = soft_stack_pop(&st, size);
        X86Segment ss = return_ss(s, op, (uint16_t)soft_stack_pop(&st, size), rpl, to_code64);
        soft_descriptor_touch(s, op, &d);
        SoftStack outer_stack = soft_stack_in(s, op, &ss, rsp + op->imm, to_code64);
        cpu->regs[X86_RSP] = soft_stack_rsp(&outer_stack, rsp);
        cpu->segs[X86_SEG_SS] = ss;
    } else {
        soft_descriptor_touch(s, op, &d);
        cpu->regs[X86_RSP] = soft_stack_rsp(&st, cpu->regs[X86_RSP]);
    }
    if (iret) {
        return_flags(s, flags, size, cpl);
    }
    if (outer) {
        soft_drop_inner_segments(s, rpl);
    }
    set_code(s, &d, selector, rpl, rip);
}

static const Uop *run_far_return(SoftCpu *s, const Uop *op)
{
    if (soft_protected(s)) {
        return_protected(s, op, false);
    } else {
        return_real(s, op, false);
    }
    return NULL;
}

/* IRET with NT set: to the task that the present one's TSS is linked to. */
static void return_to_task(SoftCpu *s, const Uop *op)
{
    uint64_t next = s->cpu.regs[REG_PC] + op->pc_off + op->len;

    if (soft_long_mode(s)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    soft_task_switch(s, op,
                     &(SoftTaskSwitch){ .how = SOFT_TASK_RETURN,
                                        .selector = soft_tss_link(s, op),
                                        .next = (uint32_t)next,
                                        .flags = soft_get_rflags(s) & ~(uint64_t)RFLAGS_RF,
                                        .error_code = -1 });
}

static const Uop *run_iret(SoftCpu *s, const Uop *op)
{
    uint64_t rflags = s->cpu.rflags;

    if (soft_vm86_trapped(s) && !(s->cpu.cr4 & CR4_VME)) {
        soft_raise(s, op, EXC_GP, 0); /* before the stack is looked at */
    }
    if (!soft_protected(s)) {
        return_real(s, op, true);
    } else if (rflags & RFLAGS_NT) {
        return_to_task(s, op);
    } else {
        return_protected(s, op, true);
    }
    s->cpu.nmi_blocked = false;
    return soft_jump_on(s);
}

static bool emit_far_return(SoftDecoder *d, const SoftInsn *in)
{
    if (in->raw.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR) {
        return false;
    }
    Uop *u = soft_emit(d, in, run_far_return);
    u->size = in->raw.operand_width / 8;
    u->flags = UOP_STACK;
    if (in->raw.operand_count_visible > 0) {
        u->imm = in->ops[0].imm.value.u & 0xffff;
    }
    d->ended = true;
    return true;
}

static bool emit_iret(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit(d, in, run_iret);
    u->size = (uint8_t)d->arg;
    u->flags = UOP_STACK;
    d->ended = true;
    return true;
}

/* ---- INT ---- */

static const Uop *run_int(SoftCpu *s, const Uop *op)
{
    soft_software_interrupt(s, op, (unsigned)op->imm);
    return NULL;
}

static const Uop *run_into(SoftCpu *s, const Uop *op)
{
    if (soft_get_rflags(s) & RFLAGS_OF) {
        soft_software_interrupt(s, op, EXC_OF);
    } else {
        s->cpu.rip = (uint32_t)(s->cpu.regs[REG_PC] + op->pc_off + op->len);
    }
    return NULL;
}

/* INT1: like a debug exception, without a privilege check. */
static const Uop *run_int1(SoftCpu *s, const Uop *op)
{
    s->cpu.rip = s->cpu.regs[REG_PC] + op->pc_off;
    soft_deliver(s, EXC_DB, SOFT_EVENT_TRAP, -1, s->cpu.rip + op->len);
    return NULL;
}

static bool emit_int(SoftDecoder *d, const SoftInsn *in)
{
    static UopFn *const fns[] = { run_int, run_int, run_into, run_int1 };
    Uop *u = soft_emit(d, in, fns[d->arg]);

    u->aux = d->arg == 0; /* IOPL counts in VM86 */
    u->imm = d->arg == 0 ? in->ops[0].imm.value.u & 0xff : EXC_BP;
    d->ended = true;
    return true;
}

const SoftFamilyEntry soft_family_transfer[] = {
    { ZYDIS_MNEMONIC_JMP, emit_far, 0 },        { ZYDIS_MNEMONIC_CALL, emit_far, 1 },
    { ZYDIS_MNEMONIC_RET, emit_far_return, 0 }, { ZYDIS_MNEMONIC_IRET, emit_iret, 2 },
    { ZYDIS_MNEMONIC_IRETD, emit_iret, 4 },     { ZYDIS_MNEMONIC_IRETQ, emit_iret, 8 },
    { ZYDIS_MNEMONIC_INT, emit_int, 0 },        { ZYDIS_MNEMONIC_INT3, emit_int, 1 },
    { ZYDIS_MNEMONIC_INTO, emit_int, 2 },       { ZYDIS_MNEMONIC_INT1, emit_int, 3 },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};
