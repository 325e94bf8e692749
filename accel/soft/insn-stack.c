/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PUSH POP PUSHA POPA PUSHF POPF ENTER LEAVE. Segment registers: segment.c. */

#include "accel/soft/decode.h"
#include "accel/soft/stack.h"
#include "accel/soft/translate/meaning.h"
#include "accel/soft/uop.h"

/* ---- PUSH ---- */

static const Uop *push64(SoftCpu *s, const Uop *op)
{
    uint64_t sp = s->cpu.regs[X86_RSP] - 8;
    soft_store64(s, op, sp, s->cpu.regs[op->src]);
    s->cpu.regs[X86_RSP] = sp;
    return soft_next(s, op);
}

static const Uop *push_reg(SoftCpu *s, const Uop *op)
{
    soft_push(s, op, s->cpu.regs[op->src], op->size);
    return soft_next(s, op);
}

static const Uop *push_imm(SoftCpu *s, const Uop *op)
{
    soft_push(s, op, op->imm, op->size);
    return soft_next(s, op);
}

static const Uop *push_mem(SoftCpu *s, const Uop *op)
{
    soft_push(s, op, soft_load(s, op, soft_addr(s, op), op->size), op->size);
    return soft_next(s, op);
}

/* Bytes that a stack instruction moves. */
static uint8_t stack_size(const SoftDecoder *d, const SoftInsn *in)
{
    bool small = in->raw.operand_width == 16;
    return small ? 2 : d->mode == 64 ? 8 : 4;
}

static bool is_segment(const ZydisDecodedOperand *op)
{
    return op->type == ZYDIS_OPERAND_TYPE_REGISTER &&
           ZydisRegisterGetClass(op->reg.value) == ZYDIS_REGCLASS_SEGMENT;
}

static bool emit_push(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0];
    uint8_t size = stack_size(d, in);
    Uop *u;

    if (is_segment(a)) {
        return false;
    }
    if (a->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        u = soft_emit(d, in, push_imm);
        u->imm = a->imm.value.u;
    } else if (a->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, push_mem, a);
    } else {
        u = soft_emit(d, in, d->mode == 64 && size == 8 ? push64 : push_reg);
        u->src = soft_operand_reg(a);
    }
    u->size = size;
    u->flags |= UOP_STACK;
    return true;
}

/* ---- POP ---- */

static const Uop *pop64(SoftCpu *s, const Uop *op)
{
    uint64_t sp = s->cpu.regs[X86_RSP];
    uint64_t value = soft_load64(s, op, sp);
    s->cpu.regs[X86_RSP] = sp + 8;
    s->cpu.regs[op->dst] = value; /* POP RSP: the value wins */
    return soft_next(s, op);
}

static const Uop *pop_reg(SoftCpu *s, const Uop *op)
{
    uint64_t sp = soft_get_sp(s);
    uint64_t value = soft_stack_load(s, op, sp, op->size);
    soft_set_sp(s, sp + op->size);
    soft_set(s, op->dst, value, op->size);
    return soft_next(s, op);
}

static const Uop *pop_mem(SoftCpu *s, const Uop *op)
{
    uint64_t sp = soft_get_sp(s);
    uint64_t value = soft_stack_load(s, op, sp, op->size);
    soft_store(s, op, soft_addr(s, op), value, op->size);
    soft_set_sp(s, sp + op->size);
    return soft_next(s, op);
}

static bool emit_pop(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0];
    uint8_t size = stack_size(d, in);
    Uop *u;

    if (is_segment(a)) {
        return false;
    }
    if (a->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        unsigned first = d->count;
        u = soft_emit_mem(d, in, pop_mem, a);
        if (d->uops[first].base == X86_RSP) { /* an address by RSP is that after the pop */
            d->uops[first].disp += size;
        }
    } else {
        u = soft_emit(d, in, d->mode == 64 && size == 8 ? pop64 : pop_reg);
        u->dst = soft_operand_reg(a);
    }
    u->size = size;
    u->flags |= UOP_STACK;
    return true;
}

/* ---- PUSHA POPA ---- */

static const Uop *pusha(SoftCpu *s, const Uop *op)
{
    uint64_t sp = soft_get_sp(s);
    for (unsigned i = 0; i < 8; i++) {
        soft_stack_store(s, op, sp - (i + 1) * op->size, s->cpu.regs[i], op->size);
    }
    soft_set_sp(s, sp - 8 * op->size);
    return soft_next(s, op);
}

static const Uop *popa(SoftCpu *s, const Uop *op)
{
    uint64_t sp = soft_get_sp(s);
    for (unsigned i = 0; i < 8; i++) { /* all must be readable before any is loaded */
        soft_stack_load(s, op, sp + i * op->size, op->size);
    }
    for (unsigned i = 0; i < 8; i++) {
        uint64_t value = soft_stack_load(s, op, sp + i * op->size, op->size);
        if (7 - i != X86_RSP) {
            soft_set(s, 7 - i, value, op->size);
        }
    }
    soft_set_sp(s, sp + 8 * op->size);
    return soft_next(s, op);
}

static bool emit_all(SoftDecoder *d, const SoftInsn *in)
{
    soft_emit(d, in, d->arg & 1 ? popa : pusha)->size = (uint8_t)(d->arg & ~1u);
    return true;
}

/* ---- PUSHF POPF ---- */

static const Uop *pushf(SoftCpu *s, const Uop *op)
{
    soft_push(s, op, soft_pushf(s, op, op->size), op->size);
    return soft_next(s, op);
}

static const Uop *popf(SoftCpu *s, const Uop *op)
{
    uint64_t sp = soft_get_sp(s);
    soft_popf(s, op, soft_stack_load(s, op, sp, op->size), op->size);
    soft_set_sp(s, sp + op->size);
    return soft_next(s, op);
}

static bool emit_pushf(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit(d, in, pushf);
    u->size = (uint8_t)d->arg;
    u->flags |= UOP_STACK;
    return true;
}

static bool emit_popf(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit(d, in, popf);
    u->size = (uint8_t)d->arg;
    u->flags |= UOP_STACK;
    soft_end_block(d, in);
    return true;
}

/* ---- ENTER LEAVE ---- */

static const Uop *leave(SoftCpu *s, const Uop *op)
{
    uint64_t sp = s->cpu.regs[X86_RBP];
    uint64_t value = soft_stack_load(s, op, sp, op->size);
    soft_set_sp(s, sp + op->size);
    soft_set(s, X86_RBP, value, op->size);
    return soft_next(s, op);
}

/* imm: bytes of locals; aux: nesting level. SDM vol. 2, ENTER. */
static const Uop *enter(SoftCpu *s, const Uop *op)
{
    uint64_t sp = soft_get_sp(s), frame, bp = s->cpu.regs[X86_RBP];

    sp -= op->size;
    soft_stack_store(s, op, sp, bp, op->size);
    frame = sp;
    for (unsigned i = 1; i < op->aux; i++) {
        bp -= op->size;
        sp -= op->size;
        soft_stack_store(s, op, sp, soft_stack_load(s, op, bp, op->size), op->size);
    }
    if (op->aux > 0) {
        sp -= op->size;
        soft_stack_store(s, op, sp, frame, op->size);
    }
    sp -= op->imm;
    soft_probe_write(s, op, soft_stack_address(s, op, sp, op->size, true), op->size);
    soft_set(s, X86_RBP, frame, op->size);
    soft_set_sp(s, sp);
    return soft_next(s, op);
}

static bool emit_enter(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit(d, in, enter);
    u->size = stack_size(d, in);
    u->imm = in->ops[0].imm.value.u & UINT16_MAX;
    u->aux = in->ops[1].imm.value.u & 31;
    u->flags |= UOP_STACK;
    return true;
}

static bool emit_leave(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit(d, in, leave);
    u->size = stack_size(d, in);
    u->flags |= UOP_STACK;
    return true;
}

const SoftFamilyEntry soft_family_stack[] = {
    { ZYDIS_MNEMONIC_PUSH, emit_push, 0 },    { ZYDIS_MNEMONIC_POP, emit_pop, 0 },
    { ZYDIS_MNEMONIC_PUSHA, emit_all, 2 },    { ZYDIS_MNEMONIC_PUSHAD, emit_all, 4 },
    { ZYDIS_MNEMONIC_POPA, emit_all, 2 | 1 }, { ZYDIS_MNEMONIC_POPAD, emit_all, 4 | 1 },
    { ZYDIS_MNEMONIC_PUSHF, emit_pushf, 2 },  { ZYDIS_MNEMONIC_PUSHFD, emit_pushf, 4 },
    { ZYDIS_MNEMONIC_PUSHFQ, emit_pushf, 8 }, { ZYDIS_MNEMONIC_POPF, emit_popf, 2 },
    { ZYDIS_MNEMONIC_POPFD, emit_popf, 4 },   { ZYDIS_MNEMONIC_POPFQ, emit_popf, 8 },
    { ZYDIS_MNEMONIC_ENTER, emit_enter, 0 },  { ZYDIS_MNEMONIC_LEAVE, emit_leave, 0 },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};

void soft_meanings_stack(void)
{
    soft_meaning_add(push64, (SoftMeaning){ .kind = SOFT_MEANS_PUSH, .size = 8, .form = SOFT_R });
    soft_meaning_add(push_imm, (SoftMeaning){ .kind = SOFT_MEANS_PUSH, .size = 8, .form = SOFT_I });
    soft_meaning_add(push_mem, (SoftMeaning){ .kind = SOFT_MEANS_PUSH, .size = 8, .form = SOFT_M });
    soft_meaning_add(pushf, (SoftMeaning){ .kind = SOFT_MEANS_PUSHF });
    soft_meaning_add(pop64, (SoftMeaning){ .kind = SOFT_MEANS_POP, .size = 8, .form = SOFT_R });
    soft_meaning_add(leave, (SoftMeaning){ .kind = SOFT_MEANS_LEAVE, .size = 8 });
}
