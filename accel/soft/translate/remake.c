/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Most flags are written over by the next arithmetic instruction, but only after instructions that
 * might fault, and a fault shows them. To save them each time would cost more than the instruction
 * that set them. So they are not saved where they can be made again: a comparison is done once
 * more, an addition is undone and done once more, and what a logical operation said of its result
 * TEST says of it too. The slow ways within a block do that first. From block to block,
 * SoftFlags.remake tells where the code is; it is called before any C is (thunks.c). That is not
 * cleared by blocks that write all flags: a stale one stands only while flags are dead or are in
 * the host's, and whatever saves flags clears it.
 */
#include "accel/soft/translate/remake.h"

#include <string.h>

enum { ALL_REGISTERS = 0xffff };

_Static_assert(offsetof(SoftFlags, remake) + sizeof(uint32_t) == sizeof(uint64_t),
               "flags_save() writes both");

/* ---- what a micro-operation does ---- */

static uint16_t bit(unsigned reg)
{
    return (uint16_t)(reg < 16 ? 1u << reg : 0);
}

/* By Uop.dst; the numbers of byte registers are another's. */
static uint16_t destination(const Uop *op, unsigned size)
{
    return bit(size == 1 ? op->dst / 8u : op->dst);
}

/* Guest registers that micro-operation @op changes, a bit each; those of one that writes flags do
 * not count. All bits: not known. */
static uint16_t changed_by(const Uop *op, const SoftMeaning *m)
{
    bool reg = m->form == SOFT_RR || m->form == SOFT_RI || m->form == SOFT_RM || m->form == SOFT_R;

    switch ((SoftMeans)m->kind) {
    case SOFT_MEANS_NOTHING:
    case SOFT_MEANS_TEST:
    case SOFT_MEANS_JCC:
    case SOFT_MEANS_JMP:
    case SOFT_MEANS_GO_ON:
    case SOFT_MEANS_XMM:
    case SOFT_MEANS_CLI:
    case SOFT_MEANS_STI:
    case SOFT_MEANS_SWAPGS:
        return 0;
    case SOFT_MEANS_MOV:
        return reg ? destination(op, m->size) : 0;
    case SOFT_MEANS_SET:
        return reg ? destination(op, 1) : 0;
    case SOFT_MEANS_WIDEN:
    case SOFT_MEANS_CMOV:
    case SOFT_MEANS_LEA:
    case SOFT_MEANS_BSWAP:
        return bit(op->dst);
    case SOFT_MEANS_CONVERT:
        return bit(X86_RAX) | bit(X86_RDX);
    case SOFT_MEANS_PUSH:
    case SOFT_MEANS_CALL:
        return bit(X86_RSP);
    case SOFT_MEANS_POP:
        return bit(X86_RSP) | bit(op->dst);
    case SOFT_MEANS_LEAVE:
        return bit(X86_RSP) | bit(X86_RBP);
    default:
        return ALL_REGISTERS;
    }
}

/* Does @op write all flags, whatever they were, if it does not fault? */
static bool overwrites(const Uop *op, const SoftMeaning *m)
{
    switch ((SoftMeans)m->kind) {
    case SOFT_MEANS_ALU:
        return m->op != ALU_ADC && m->op != ALU_SBB;
    case SOFT_MEANS_TEST:
    case SOFT_MEANS_IMUL:
    case SOFT_MEANS_MULTIPLY:
    case SOFT_MEANS_SCAN:
        return true;
    case SOFT_MEANS_UNARY:
        return m->op == SOFT_NEG;
    case SOFT_MEANS_SHIFT:
        return (m->form == SOFT_RI || m->form == SOFT_MI) && m->op >= 4 && op->aux != 0;
    default:
        return false;
    }
}

/* Neither reads flags nor writes them. */
static bool passes_flags(const SoftMeaning *m)
{
    switch ((SoftMeans)m->kind) {
    case SOFT_MEANS_NOTHING:
    case SOFT_MEANS_MOV:
    case SOFT_MEANS_WIDEN:
    case SOFT_MEANS_LEA:
    case SOFT_MEANS_BSWAP:
    case SOFT_MEANS_CONVERT:
    case SOFT_MEANS_XMM:
    case SOFT_MEANS_PUSH:
    case SOFT_MEANS_POP:
    case SOFT_MEANS_LEAVE:
    case SOFT_MEANS_CLI:
    case SOFT_MEANS_STI:
    case SOFT_MEANS_SWAPGS:
        return true;
    default:
        return false;
    }
}

/* Who ends a block hands the flags on. */
static FlagWants wants_of_end(const Uop *op, const SoftMeaning *m)
{
    if (m && m->cc != SOFT_NO_CONDITION && overwrites(op, m)) {
        return (FlagWants){ 0 };
    }
    bool direct = m && (m->kind == SOFT_MEANS_JCC || m->kind == SOFT_MEANS_JMP ||
                        m->kind == SOFT_MEANS_GO_ON || m->kind == SOFT_MEANS_CALL);
    return (FlagWants){ .read = true, .changed = direct ? changed_by(op, m) : ALL_REGISTERS };
}

static FlagWants wants_of(const Uop *op, const SoftMeaning *m, FlagWants after, bool live_after)
{
    if (!m || overwrites(op, m)) { /* C has them in memory */
        return (FlagWants){ 0 };
    }
    if (passes_flags(m) || m->kind == SOFT_MEANS_SET || m->kind == SOFT_MEANS_CMOV) {
        after.read = after.read || !passes_flags(m);
        after.changed |= live_after ? changed_by(op, m) : 0;
        return after;
    }
    /* BT keeps flags, which it takes before it changes anything; then they are other ones. */
    return (FlagWants){ .read = true, .changed = m->kind == SOFT_MEANS_BIT ? 0 : ALL_REGISTERS };
}

void remake_plan(Translator *t, UopFn *(*function_of)(const SoftBlock *b, unsigned index))
{
    const SoftBlock *b = t->b;

    for (unsigned i = b->count; i-- > 0;) {
        const Uop *op = &b->uops[i];
        const SoftMeaning *m = soft_meaning_of(function_of(b, i));
        t->wants[i] = i + 1u == b->count ? wants_of_end(op, m)
                                         : wants_of(op, m, t->wants[i + 1], t->live[i + 1]);
    }
}

bool remake_suits(const FlagWants *wants, uint16_t regs)
{
    return !wants->read && !(wants->changed & regs);
}

/* ---- where flags come from ---- */

/* The operand that is the source of ADD and its like: a register, or a constant. */
static bool source_operand(FlagSource *s, const Uop *op, const SoftMeaning *m)
{
    unsigned reg;

    if (m->form == SOFT_RI) {
        s->imm = (int64_t)op->imm;
        return true;
    }
    if (m->form != SOFT_RR || !guest_reg(op->src, m->size, &reg)) {
        return false;
    }
    s->src = (uint8_t)reg;
    s->has_src = true;
    s->regs |= bit(reg);
    return true;
}

static FlagSource source_of(const Uop *op, const SoftMeaning *m)
{
    FlagSource s = { .size = m->size };
    bool logic =
        m->kind == SOFT_MEANS_ALU && (m->op == ALU_AND || m->op == ALU_OR || m->op == ALU_XOR);
    unsigned reg;

    if (m->form == SOFT_MR || m->form == SOFT_MI || m->form == SOFT_M ||
        !guest_reg(op->dst, m->size, &reg)) {
        return s;
    }
    s.reg = (uint8_t)reg;
    s.regs = bit(reg);
    if (logic) {
        s.how = FLAGS_OF_RESULT;
    } else if (m->kind == SOFT_MEANS_UNARY && m->op == SOFT_NEG) {
        s.how = FLAGS_OF_NEG;
    } else if ((m->kind == SOFT_MEANS_TEST || m->kind == SOFT_MEANS_ALU) &&
               source_operand(&s, op, m)) {
        bool same = s.has_src && s.src == s.reg; /* of which nothing is left */
        s.how = m->kind == SOFT_MEANS_TEST  ? FLAGS_OF_TEST
                : m->op == ALU_CMP          ? FLAGS_OF_CMP
                : m->op == ALU_SUB          ? (same ? FLAGS_OF_CMP : FLAGS_OF_SUB)
                : m->op == ALU_ADD && !same ? FLAGS_OF_ADD
                                            : FLAGS_UNKNOWN;
    }
    return s;
}

void remake_by(Translator *t, const Uop *op, const SoftMeaning *m)
{
    t->source = source_of(op, m);
    t->source.index = (uint16_t)t->index;
}

void remake_follow(Translator *t)
{
    const SoftMeaning *m = soft_meaning_of(t->fn);

    if (t->source.how != FLAGS_UNKNOWN && t->source.index != t->index &&
        (changed_by(t->op, m) & t->source.regs)) {
        t->source = (FlagSource){ 0 };
        t->flags = t->flags == FLAGS_REMAKE ? FLAGS_MEMORY : t->flags; /* dead, as was planned */
    }
}

bool remake_possible(const Translator *t)
{
    return t->source.how != FLAGS_UNKNOWN && !(t->wants[t->index].changed & t->source.regs);
}

static void operate(Translator *t, const FlagSource *s, unsigned alu, HostRm rm)
{
    if (!s->has_src) {
        host_alu_imm(&t->c, s->size, alu, rm, s->imm);
    } else if (rm.memory) {
        host_alu_store(&t->c, s->size, alu, rm, guest_read(t, s->src, SCRATCH_A));
    } else {
        host_alu_load(&t->c, s->size, alu, rm.base, guest_rm(s->src));
    }
}

void remake_emit(Translator *t, const FlagSource *s)
{
    HostRm rm = guest_rm(s->reg), scratch = host_reg(SCRATCH_A);

    switch (s->how) {
    case FLAGS_UNKNOWN:
        g_assert_not_reached();
    case FLAGS_OF_CMP:
        operate(t, s, ALU_CMP, rm);
        return;
    case FLAGS_OF_TEST:
        if (s->has_src) {
            host_test(&t->c, s->size, rm, guest_read(t, s->src, SCRATCH_A));
        } else {
            host_test_imm(&t->c, s->size, rm, s->imm);
        }
        return;
    case FLAGS_OF_RESULT:
        host_test(&t->c, s->size, rm, guest_read(t, s->reg, SCRATCH_A));
        return;
    default:
        host_load(&t->c, 8, SCRATCH_A, rm);
        break;
    }
    if (s->how == FLAGS_OF_NEG) {
        for (unsigned i = 0; i < 2; i++) {
            host_insn(&t->c, s->size, 0xf6 | (s->size > 1), 3, scratch);
        }
        return;
    }
    operate(t, s, s->how == FLAGS_OF_ADD ? ALU_SUB : ALU_ADD, scratch);
    operate(t, s, s->how == FLAGS_OF_ADD ? ALU_ADD : ALU_SUB, scratch);
}

/* ---- from block to block ---- */

static void offer(Translator *t, const FlagSource *source)
{
    if (source->how != FLAGS_UNKNOWN && !t->offer) {
        host_store_imm(&t->c, 4, host_mem(CPU_REG, CPU_OFF(cc.remake)), 0);
        t->offer = t->c.write - 4;
        t->offered = *source;
    }
}

void remake_offer(Translator *t)
{
    if (t->flags == FLAGS_HOST || t->flags == FLAGS_REMAKE) {
        offer(t, &t->source);
    }
}

void remake_offer_before(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (m->cc != SOFT_NO_CONDITION) {
        FlagSource source = source_of(op, m);
        offer(t, &source);
    }
}

void remake_emit_tail(Translator *t)
{
    if (!t->offer) {
        return;
    }
    uint32_t offset = (uint32_t)(t->c.exec - t->thunks->base);

    memcpy(t->offer, &offset, sizeof(offset));
    remake_emit(t, &t->offered);
    flags_save(t);
    HOST_BYTES(&t->c, 0xc3); /* ret */
}
