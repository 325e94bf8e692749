/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Near branches: JMP CALL RET, Jcc, JCXZ JECXZ JRCXZ, LOOP LOOPE LOOPNE. Far ones: transfer.c. */

#include "accel/soft/compare.h"
#include "accel/soft/decode.h"
#include "accel/soft/stack.h"
#include "accel/soft/translate/meaning.h"
#include "accel/soft/uop.h"

/* RIP of a near branch: cut to the operand size; #GP(0) if it is not canonical or beyond the limit
 * of the code segment, before anything changes. */
static inline uint64_t check_target(SoftCpu *s, const Uop *op, uint64_t rip, unsigned size)
{
    if (SOFT_LIKELY(s->mode_key & SOFT_KEY_CODE64)) {
        if (SOFT_UNLIKELY(!soft_canonical(rip))) {
            soft_raise(s, op, EXC_GP, 0);
        }
        return rip;
    }
    rip = size == 2 ? (uint16_t)rip : (uint32_t)rip;
    if (rip > s->cpu.segs[X86_SEG_CS].limit) {
        soft_raise(s, op, EXC_GP, 0);
    }
    return rip;
}

/* ---- JMP ---- */

static const Uop *jmp_direct(SoftCpu *s, const Uop *op)
{
    return soft_jump(s, 1);
}

static const Uop *jmp_reg(SoftCpu *s, const Uop *op)
{
    return soft_jump_indirect(s, check_target(s, op, s->cpu.regs[op->src], op->size));
}

static const Uop *jmp_mem(SoftCpu *s, const Uop *op)
{
    uint64_t rip = soft_load(s, op, soft_addr(s, op), op->size);
    return soft_jump_indirect(s, check_target(s, op, rip, op->size));
}

/* ---- CALL: op->imm is the return address ---- */

static const Uop *call_direct64(SoftCpu *s, const Uop *op)
{
    uint64_t sp = s->cpu.regs[X86_RSP] - 8;
    soft_store64(s, op, sp, op->imm);
    s->cpu.regs[X86_RSP] = sp;
    return soft_jump(s, 1);
}

static const Uop *call_direct(SoftCpu *s, const Uop *op)
{
    soft_push(s, op, op->imm, op->size);
    return soft_jump(s, 1);
}

static const Uop *call_reg(SoftCpu *s, const Uop *op)
{
    uint64_t rip = check_target(s, op, s->cpu.regs[op->src], op->size);
    soft_push(s, op, op->imm, op->size);
    return soft_jump_indirect(s, rip);
}

static const Uop *call_mem(SoftCpu *s, const Uop *op)
{
    uint64_t rip = soft_load(s, op, soft_addr(s, op), op->size);
    rip = check_target(s, op, rip, op->size);
    soft_push(s, op, op->imm, op->size);
    return soft_jump_indirect(s, rip);
}

/* ---- RET: op->imm is how much more to pop ---- */

static const Uop *ret64(SoftCpu *s, const Uop *op)
{
    uint64_t sp = s->cpu.regs[X86_RSP];
    uint64_t rip = soft_load64(s, op, sp);
    if (SOFT_UNLIKELY(!soft_canonical(rip))) {
        soft_raise(s, op, EXC_GP, 0);
    }
    s->cpu.regs[X86_RSP] = sp + 8 + op->imm;
    return soft_jump_indirect(s, rip);
}

static const Uop *ret(SoftCpu *s, const Uop *op)
{
    uint64_t sp = soft_get_sp(s);
    uint64_t rip = check_target(s, op, soft_stack_load(s, op, sp, op->size), op->size);
    soft_set_sp(s, sp + op->size + op->imm);
    return soft_jump_indirect(s, rip);
}

/* ---- conditions ---- */

#define DEFINE_JCC(code)                                                           \
    static const Uop *jcc_##code(SoftCpu *s, const Uop *op)                        \
    {                                                                              \
        return soft_condition(s->cc.ax, code) ? soft_jump(s, 1) : soft_jump(s, 0); \
    }
DEFINE_JCC(0)
DEFINE_JCC(1)
DEFINE_JCC(2)
DEFINE_JCC(3)
DEFINE_JCC(4)
DEFINE_JCC(5)
DEFINE_JCC(6)
DEFINE_JCC(7)
DEFINE_JCC(8)
DEFINE_JCC(9)
DEFINE_JCC(10)
DEFINE_JCC(11)
DEFINE_JCC(12)
DEFINE_JCC(13)
DEFINE_JCC(14)
DEFINE_JCC(15)

static UopFn *const jcc_fns[16] = {
    jcc_0, jcc_1, jcc_2,  jcc_3,  jcc_4,  jcc_5,  jcc_6,  jcc_7,
    jcc_8, jcc_9, jcc_10, jcc_11, jcc_12, jcc_13, jcc_14, jcc_15,
};

static inline uint64_t get_count(SoftCpu *s, const Uop *op)
{
    return soft_get(s, X86_RCX, op->size);
}

static const Uop *jcxz(SoftCpu *s, const Uop *op)
{
    return get_count(s, op) == 0 ? soft_jump(s, 1) : soft_jump(s, 0);
}

enum { LOOP_ALWAYS, LOOP_ZERO, LOOP_NOT_ZERO };

static const Uop *loop(SoftCpu *s, const Uop *op)
{
    uint64_t count = get_count(s, op) - 1;
    bool zero = s->cc.ax & AX_ZF;

    soft_set(s, X86_RCX, count, op->size);
    count = get_count(s, op);
    bool taken = count != 0 && (op->aux == LOOP_ALWAYS || (op->aux == LOOP_ZERO) == zero);
    return taken ? soft_jump(s, 1) : soft_jump(s, 0);
}

/* ---- branches beyond the limit of the code segment ----
 * aux: the condition. Nothing may change before the fault. */

static const Uop *jcc_beyond(SoftCpu *s, const Uop *op)
{
    if (soft_condition(s->cc.ax, op->aux)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    return soft_jump(s, 0);
}

static const Uop *jcxz_beyond(SoftCpu *s, const Uop *op)
{
    if (get_count(s, op) == 0) {
        soft_raise(s, op, EXC_GP, 0);
    }
    return soft_jump(s, 0);
}

static const Uop *loop_beyond(SoftCpu *s, const Uop *op)
{
    uint64_t count = (get_count(s, op) - 1) & (op->size == 2 ? UINT16_MAX : UINT32_MAX);
    bool zero = s->cc.ax & AX_ZF;

    if (count != 0 && (op->aux == LOOP_ALWAYS || (op->aux == LOOP_ZERO) == zero)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    soft_set(s, X86_RCX, count, op->size);
    return soft_jump(s, 0);
}

/* ---- emitting ---- */

static uint64_t relative_target(const SoftDecoder *d, const SoftInsn *in)
{
    uint64_t rip = in->next_rip + in->ops[0].imm.value.u;
    return d->mode == 64 ? rip : in->raw.operand_width == 16 ? (uint16_t)rip : (uint32_t)rip;
}

static bool is_beyond(const SoftDecoder *d, const SoftInsn *in)
{
    return relative_target(d, in) > d->limit;
}

static bool is_near(const SoftInsn *in)
{
    return in->raw.meta.branch_type == ZYDIS_BRANCH_TYPE_NEAR ||
           in->raw.meta.branch_type == ZYDIS_BRANCH_TYPE_SHORT;
}

/* Bytes that a near CALL or RET moves. */
static uint8_t near_size(const SoftDecoder *d, const SoftInsn *in)
{
    return d->mode == 64 ? 8 : in->raw.operand_width == 16 ? 2 : 4;
}

typedef struct BranchFns {
    UopFn *direct, *reg, *mem;
} BranchFns;

static bool emit_jmp_call(SoftDecoder *d, const SoftInsn *in)
{
    static const BranchFns jmp_fns = { jmp_direct, jmp_reg, jmp_mem };
    static const BranchFns call_fns = { call_direct, call_reg, call_mem };
    const BranchFns *fns = d->arg ? &call_fns : &jmp_fns;
    const ZydisDecodedOperand *a = &in->ops[0];
    uint64_t taken = 0;
    Uop *u;

    if (!is_near(in)) {
        return false;
    }
    if (a->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        if (is_beyond(d, in)) {
            soft_emit_raise(d, in, EXC_GP, 0);
            return true;
        }
        taken = relative_target(d, in);
        u = soft_emit(d, in, d->arg && d->mode == 64 ? call_direct64 : fns->direct);
    } else if (a->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, fns->mem, a);
    } else {
        u = soft_emit(d, in, fns->reg);
        u->src = soft_operand_reg(a);
    }
    u->size = near_size(d, in);
    u->imm = in->next_rip;
    soft_end_block_jump(d, in, taken);
    return true;
}

static bool emit_ret(SoftDecoder *d, const SoftInsn *in)
{
    if (!is_near(in)) {
        return false;
    }
    Uop *u = soft_emit(d, in, d->mode == 64 ? ret64 : ret);
    u->size = near_size(d, in);
    if (in->ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        u->imm = in->ops[0].imm.value.u & UINT16_MAX;
    }
    soft_end_block_jump(d, in, 0);
    return true;
}

/* Replaces a comparison just before by one that branches. */
static bool fuse(SoftDecoder *d, unsigned cc)
{
    bool alone = d->mode_key & SOFT_KEY_BREAK; /* a trap may follow the comparison */
    Uop *last = d->count && !alone ? &d->uops[d->count - 1] : NULL;
    UopFn *fn = last ? soft_compare_and_branch(last->fn, cc) : NULL;

    if (fn) {
        last->fn = fn;
        d->without_flags[d->count - 1] = NULL; /* flags are live at a block's end */
    }
    return fn;
}

static bool emit_jcc(SoftDecoder *d, const SoftInsn *in)
{
    if (is_beyond(d, in)) {
        soft_emit(d, in, jcc_beyond)->aux = (uint8_t)d->arg;
    } else if (!fuse(d, d->arg)) {
        soft_emit(d, in, jcc_fns[d->arg]);
    }
    soft_end_block_jump(d, in, relative_target(d, in));
    return true;
}

/* The counter has the address size. */
static bool emit_jcxz(SoftDecoder *d, const SoftInsn *in)
{
    soft_emit(d, in, is_beyond(d, in) ? jcxz_beyond : jcxz)->size = (uint8_t)d->arg;
    soft_end_block_jump(d, in, relative_target(d, in));
    return true;
}

static bool emit_loop(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit(d, in, is_beyond(d, in) ? loop_beyond : loop);
    u->size = in->raw.address_width / 8;
    u->aux = (uint8_t)d->arg;
    soft_end_block_jump(d, in, relative_target(d, in));
    return true;
}

const SoftFamilyEntry soft_family_branch[] = {
    { ZYDIS_MNEMONIC_JMP, emit_jmp_call, 0 },
    { ZYDIS_MNEMONIC_CALL, emit_jmp_call, 1 },
    { ZYDIS_MNEMONIC_RET, emit_ret, 0 },
    { ZYDIS_MNEMONIC_JO, emit_jcc, 0 },
    { ZYDIS_MNEMONIC_JNO, emit_jcc, 1 },
    { ZYDIS_MNEMONIC_JB, emit_jcc, 2 },
    { ZYDIS_MNEMONIC_JNB, emit_jcc, 3 },
    { ZYDIS_MNEMONIC_JZ, emit_jcc, 4 },
    { ZYDIS_MNEMONIC_JNZ, emit_jcc, 5 },
    { ZYDIS_MNEMONIC_JBE, emit_jcc, 6 },
    { ZYDIS_MNEMONIC_JNBE, emit_jcc, 7 },
    { ZYDIS_MNEMONIC_JS, emit_jcc, 8 },
    { ZYDIS_MNEMONIC_JNS, emit_jcc, 9 },
    { ZYDIS_MNEMONIC_JP, emit_jcc, 10 },
    { ZYDIS_MNEMONIC_JNP, emit_jcc, 11 },
    { ZYDIS_MNEMONIC_JL, emit_jcc, 12 },
    { ZYDIS_MNEMONIC_JNL, emit_jcc, 13 },
    { ZYDIS_MNEMONIC_JLE, emit_jcc, 14 },
    { ZYDIS_MNEMONIC_JNLE, emit_jcc, 15 },
    { ZYDIS_MNEMONIC_JCXZ, emit_jcxz, 2 },
    { ZYDIS_MNEMONIC_JECXZ, emit_jcxz, 4 },
    { ZYDIS_MNEMONIC_JRCXZ, emit_jcxz, 8 },
    { ZYDIS_MNEMONIC_LOOP, emit_loop, LOOP_ALWAYS },
    { ZYDIS_MNEMONIC_LOOPE, emit_loop, LOOP_ZERO },
    { ZYDIS_MNEMONIC_LOOPNE, emit_loop, LOOP_NOT_ZERO },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};

void soft_meanings_branch(void)
{
    static const struct {
        UopFn *fn;
        SoftMeaning meaning;
    } branches[] = {
        { jmp_direct, { .kind = SOFT_MEANS_JMP } },
        { jmp_reg, { .kind = SOFT_MEANS_JMP_TO, .size = 8, .form = SOFT_R } },
        { jmp_mem, { .kind = SOFT_MEANS_JMP_TO, .size = 8, .form = SOFT_M } },
        { call_direct64, { .kind = SOFT_MEANS_CALL, .size = 8 } },
        { call_reg, { .kind = SOFT_MEANS_CALL_TO, .size = 8, .form = SOFT_R } },
        { call_mem, { .kind = SOFT_MEANS_CALL_TO, .size = 8, .form = SOFT_M } },
        { ret64, { .kind = SOFT_MEANS_RET, .size = 8 } },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(branches); i++) {
        soft_meaning_add(branches[i].fn, branches[i].meaning);
    }
    for (uint8_t cc = 0; cc < 16; cc++) {
        soft_meaning_add(jcc_fns[cc], (SoftMeaning){ .kind = SOFT_MEANS_JCC, .cc = cc });
    }
}
