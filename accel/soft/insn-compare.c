/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CMP and TEST; and either of them fused with the conditional branch after it: one micro-operation
 * that sets the flags and takes the condition straight from the host's comparison.
 */

#include "accel/soft/compare.h"

#include "accel/soft/translate/meaning.h"
#include "accel/soft/uop.h"

enum { OP_CMP, OP_TEST, OPS };
enum { FORM_RR, FORM_RI, FORM_RM, FORM_MR, FORM_MI, FORMS };

/* Operands of each form. The first one of MR and MI is memory, the second one of RM. */
#define FIRST_rr(bits)  soft_get##bits(s, op->dst)
#define FIRST_ri(bits)  soft_get##bits(s, op->dst)
#define FIRST_rm(bits)  soft_get##bits(s, op->dst)
#define FIRST_mr(bits)  soft_load##bits(s, op, soft_addr(s, op))
#define FIRST_mi(bits)  soft_load##bits(s, op, soft_addr(s, op))
#define SECOND_rr(bits) soft_get##bits(s, op->src)
#define SECOND_ri(bits) ((uint##bits##_t)op->imm)
#define SECOND_rm(bits) soft_load##bits(s, op, soft_addr(s, op))
#define SECOND_mr(bits) soft_get##bits(s, op->src)
#define SECOND_mi(bits) ((uint##bits##_t)op->imm)

#define DEFINE_COMPARE(name, insn, bits, form)                                                \
    static const Uop *name##bits##_##form(SoftCpu *s, const Uop *op)                          \
    {                                                                                         \
        uint##bits##_t a = FIRST_##form(bits), b = SECOND_##form(bits);                       \
        uint16_t ax;                                                                          \
        __asm__(insn " %[b], %[a]" SOFT_ASM_SAVE : "=a"(ax) : [a] "r"(a), [b] "r"(b) : "cc"); \
        s->cc.ax = ax;                                                                        \
        return soft_next(s, op);                                                              \
    }

/* With a branch; the condition is an output of the asm, since LAHF and SETO keep the flags. */
#define DEFINE_BRANCH(name, insn, bits, form, cond)                           \
    static const Uop *name##bits##_##form##_##cond(SoftCpu *s, const Uop *op) \
    {                                                                         \
        uint##bits##_t a = FIRST_##form(bits), b = SECOND_##form(bits);       \
        uint16_t ax;                                                          \
        bool taken;                                                           \
        __asm__(insn " %[b], %[a]" SOFT_ASM_SAVE                              \
                : "=a"(ax), "=@cc" #cond(taken)                               \
                : [a] "r"(a), [b] "r"(b));                                    \
        s->cc.ax = ax;                                                        \
        return taken ? soft_jump(s, 1) : soft_jump(s, 0);                     \
    }

#define DEFINE_FORM(name, insn, bits, form)   \
    DEFINE_COMPARE(name, insn, bits, form)    \
    DEFINE_BRANCH(name, insn, bits, form, b)  \
    DEFINE_BRANCH(name, insn, bits, form, ae) \
    DEFINE_BRANCH(name, insn, bits, form, e)  \
    DEFINE_BRANCH(name, insn, bits, form, ne) \
    DEFINE_BRANCH(name, insn, bits, form, be) \
    DEFINE_BRANCH(name, insn, bits, form, a)  \
    DEFINE_BRANCH(name, insn, bits, form, s)  \
    DEFINE_BRANCH(name, insn, bits, form, ns) \
    DEFINE_BRANCH(name, insn, bits, form, l)  \
    DEFINE_BRANCH(name, insn, bits, form, ge) \
    DEFINE_BRANCH(name, insn, bits, form, le) \
    DEFINE_BRANCH(name, insn, bits, form, g)

#define DEFINE_WIDTH(name, insn, bits) \
    DEFINE_FORM(name, insn, bits, rr)  \
    DEFINE_FORM(name, insn, bits, ri)  \
    DEFINE_FORM(name, insn, bits, mr)  \
    DEFINE_FORM(name, insn, bits, mi)

DEFINE_WIDTH(cmp, "cmp", 8)
DEFINE_WIDTH(cmp, "cmp", 16)
DEFINE_WIDTH(cmp, "cmp", 32)
DEFINE_WIDTH(cmp, "cmp", 64)
DEFINE_FORM(cmp, "cmp", 8, rm)
DEFINE_FORM(cmp, "cmp", 16, rm)
DEFINE_FORM(cmp, "cmp", 32, rm)
DEFINE_FORM(cmp, "cmp", 64, rm)
DEFINE_WIDTH(test, "test", 8)
DEFINE_WIDTH(test, "test", 16)
DEFINE_WIDTH(test, "test", 32)
DEFINE_WIDTH(test, "test", 64)

typedef struct Compare {
    UopFn *plain;
    UopFn *branch[16]; /* by condition code; NULL: not fused */
} Compare;

#define COMPARE(name, form)                                                                   \
    {                                                                                         \
        name##_##form,                                                                        \
        {                                                                                     \
            NULL, NULL, name##_##form##_b, name##_##form##_ae, name##_##form##_e,             \
                name##_##form##_ne, name##_##form##_be, name##_##form##_a, name##_##form##_s, \
                name##_##form##_ns, NULL, NULL, name##_##form##_l, name##_##form##_ge,        \
                name##_##form##_le, name##_##form##_g                                         \
        }                                                                                     \
    }
#define COMPARE_CMP(bits)                                                       \
    {                                                                           \
        COMPARE(cmp##bits, rr), COMPARE(cmp##bits, ri), COMPARE(cmp##bits, rm), \
            COMPARE(cmp##bits, mr), COMPARE(cmp##bits, mi)                      \
    }
/* TEST has no form with memory second. */
#define COMPARE_TEST(bits)                                                         \
    {                                                                              \
        COMPARE(test##bits, rr), COMPARE(test##bits, ri), COMPARE(test##bits, mr), \
            COMPARE(test##bits, mr), COMPARE(test##bits, mi)                       \
    }

static const Compare compares[OPS][4][FORMS] = {
    { COMPARE_CMP(8), COMPARE_CMP(16), COMPARE_CMP(32), COMPARE_CMP(64) },
    { COMPARE_TEST(8), COMPARE_TEST(16), COMPARE_TEST(32), COMPARE_TEST(64) },
};

UopFn *soft_compare_and_branch(UopFn *plain, unsigned cc)
{
    const Compare *c = &compares[0][0][0];
    for (unsigned i = 0; i < OPS * 4 * FORMS; i++) {
        if (c[i].plain == plain) {
            return c[i].branch[cc];
        }
    }
    return NULL;
}

static const Uop *uop_nothing(SoftCpu *s, const Uop *op)
{
    return soft_next(s, op);
}

static bool emit_compare(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0], *b = &in->ops[1];
    const Compare *c = compares[d->arg][soft_size_index(a->size)];
    bool imm = b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    Uop *u;

    if (a->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, c[imm ? FORM_MI : FORM_MR].plain, a);
    } else if (b->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, c[FORM_RM].plain, b);
        u->dst = soft_operand_reg(a);
        return true;
    } else {
        u = soft_emit(d, in, c[imm ? FORM_RI : FORM_RR].plain);
        u->dst = soft_operand_reg(a);
        soft_effect(d, u, SOFT_FX_WRITE, uop_nothing);
    }
    if (imm) {
        u->imm = b->imm.value.u;
    } else {
        u->src = soft_operand_reg(b);
    }
    return true;
}

const SoftFamilyEntry soft_family_compare[] = {
    { ZYDIS_MNEMONIC_CMP, emit_compare, OP_CMP },
    { ZYDIS_MNEMONIC_TEST, emit_compare, OP_TEST },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};

void soft_meanings_compare(void)
{
    static const uint8_t forms[FORMS] = { SOFT_RR, SOFT_RI, SOFT_RM, SOFT_MR, SOFT_MI };
    for (unsigned op = 0; op < OPS; op++) {
        for (unsigned size = 0; size < 4; size++) {
            for (unsigned form = 0; form < FORMS; form++) {
                const Compare *c = &compares[op][size][form];
                SoftMeaning meaning = { op == OP_TEST ? SOFT_MEANS_TEST : SOFT_MEANS_ALU,
                                        op == OP_TEST ? 0 : 7,
                                        1 << size,
                                        0,
                                        op == OP_TEST && form == FORM_RM ? SOFT_MR : forms[form],
                                        SOFT_NO_CONDITION };
                soft_meaning_add(c->plain, meaning);
                for (uint8_t cc = 0; cc < 16; cc++) {
                    meaning.cc = cc;
                    soft_meaning_add(c->branch[cc], meaning);
                }
            }
        }
    }
    soft_meaning_add(uop_nothing, (SoftMeaning){ .kind = SOFT_MEANS_NOTHING });
}
