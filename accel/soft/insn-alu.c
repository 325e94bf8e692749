/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ADD OR ADC SBB AND SUB XOR, INC DEC NEG NOT, on registers and plain memory. CMP and TEST, alone
 * and fused with a conditional branch, are in insn-compare.c; LOCKed forms in insn-atomic.c.
 *
 * One function per operation, width and form:
 *   rr, ri   register with register, immediate; _nf: the twin whose flags nobody reads
 *   rm       register with memory; s: simple address (soft_mem_simple()), g: general
 *   mr, mi   memory with register, immediate
 */

#include "accel/soft/alu-ops.h"
#include "accel/soft/decode.h"
#include "accel/soft/translate/meaning.h"
#include "accel/soft/uop.h"

enum { OP_ADD, OP_OR, OP_ADC, OP_SBB, OP_AND, OP_SUB, OP_XOR, BINARY_OPS };
enum { OP_INC, OP_DEC, OP_NEG, OP_NOT, UNARY_OPS };
enum {
    FORM_RR,
    FORM_RI,
    FORM_RR_NF,
    FORM_RI_NF,
    FORM_RM_S,
    FORM_RM_G,
    FORM_MR_S,
    FORM_MR_G,
    FORM_MI_S,
    FORM_MI_G,
    FORMS
};

/* Twins without flags; ADC and SBB read CF all the same. */
#define CARRY_IN        ((s->cc.ax >> 8) & 1)
#define PLAIN_add(a, b) ((a) + (b))
#define PLAIN_or(a, b)  ((a) | (b))
#define PLAIN_adc(a, b) ((a) + (b) + CARRY_IN)
#define PLAIN_sbb(a, b) ((a) - (b)-CARRY_IN)
#define PLAIN_and(a, b) ((a) & (b))
#define PLAIN_sub(a, b) ((a) - (b))
#define PLAIN_xor(a, b) ((a) ^ (b))

#define DEFINE_REG(name, bits, form, value)                                                        \
    static const Uop *name##bits##_##form(SoftCpu *s, const Uop *op)                               \
    {                                                                                              \
        uint##bits##_t b = (uint##bits##_t)(value);                                                \
        soft_set##bits(s, op->dst, soft_##name##bits(soft_get##bits(s, op->dst), b, &s->cc.ax));   \
        return soft_next(s, op);                                                                   \
    }                                                                                              \
    static const Uop *name##bits##_##form##_nf(SoftCpu *s, const Uop *op)                          \
    {                                                                                              \
        uint##bits##_t b = (uint##bits##_t)(value);                                                \
        soft_set##bits(s, op->dst, (uint##bits##_t)(PLAIN_##name(soft_get##bits(s, op->dst), b))); \
        return soft_next(s, op);                                                                   \
    }

#define DEFINE_LOAD(name, bits, form, address)                                                   \
    static const Uop *name##bits##_##form(SoftCpu *s, const Uop *op)                             \
    {                                                                                            \
        uint##bits##_t b = soft_load##bits(s, op, address(s, op));                               \
        soft_set##bits(s, op->dst, soft_##name##bits(soft_get##bits(s, op->dst), b, &s->cc.ax)); \
        return soft_next(s, op);                                                                 \
    }

#define DEFINE_RMW(name, bits, form, address, value)                            \
    static const Uop *name##bits##_##form(SoftCpu *s, const Uop *op)            \
    {                                                                           \
        uint64_t addr = address(s, op);                                         \
        uint##bits##_t b = (uint##bits##_t)(value);                             \
        uint##bits##_t *host = soft_rmw_begin(s, op, addr, sizeof(b));          \
        if (SOFT_LIKELY(host != NULL)) {                                        \
            *(soft_unaligned##bits *)host =                                     \
                soft_##name##bits(*(soft_unaligned##bits *)host, b, &s->cc.ax); \
        } else {                                                                \
            uint16_t ax = s->cc.ax;                                             \
            uint##bits##_t a = soft_load##bits(s, op, addr);                    \
            soft_store##bits(s, op, addr, soft_##name##bits(a, b, &ax));        \
            s->cc.ax = ax;                                                      \
        }                                                                       \
        return soft_next(s, op);                                                \
    }

#define DEFINE_BINARY(name, bits)                                             \
    DEFINE_REG(name, bits, rr, soft_get##bits(s, op->src))                    \
    DEFINE_REG(name, bits, ri, op->imm)                                       \
    DEFINE_LOAD(name, bits, rms, soft_addr_simple)                            \
    DEFINE_LOAD(name, bits, rmg, soft_addr)                                   \
    DEFINE_RMW(name, bits, mrs, soft_addr_simple, soft_get##bits(s, op->src)) \
    DEFINE_RMW(name, bits, mrg, soft_addr, soft_get##bits(s, op->src))        \
    DEFINE_RMW(name, bits, mis, soft_addr_simple, op->imm)                    \
    DEFINE_RMW(name, bits, mig, soft_addr, op->imm)

#define DEFINE_WIDTHS(M, name) M(name, 8) M(name, 16) M(name, 32) M(name, 64)

DEFINE_WIDTHS(DEFINE_BINARY, add)
DEFINE_WIDTHS(DEFINE_BINARY, or)
DEFINE_WIDTHS(DEFINE_BINARY, adc)
DEFINE_WIDTHS(DEFINE_BINARY, sbb)
DEFINE_WIDTHS(DEFINE_BINARY, and)
DEFINE_WIDTHS(DEFINE_BINARY, sub)
DEFINE_WIDTHS(DEFINE_BINARY, xor)

#define ROW(name, bits)                                                             \
    {                                                                               \
        name##bits##_rr, name##bits##_ri, name##bits##_rr_nf, name##bits##_ri_nf,   \
            name##bits##_rms, name##bits##_rmg, name##bits##_mrs, name##bits##_mrg, \
            name##bits##_mis, name##bits##_mig                                      \
    }
#define ROWS(name)                                                \
    {                                                             \
        ROW(name, 8), ROW(name, 16), ROW(name, 32), ROW(name, 64) \
    }

static UopFn *const binary_fns[BINARY_OPS][4][FORMS] = {
    ROWS(add), ROWS(or), ROWS(adc), ROWS(sbb), ROWS(and), ROWS(sub), ROWS(xor),
};

static bool emit_binary(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0], *b = &in->ops[1];
    unsigned size = soft_size_index(a->size);
    UopFn *const *fns = binary_fns[d->arg][size];
    Uop *u;

    if (in->raw.attributes & ZYDIS_ATTRIB_HAS_LOCK) {
        return false;
    }
    if (a->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        bool imm = b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
        u = soft_emit_mem(d, in, NULL, a);
        u->fn = fns[(imm ? FORM_MI_S : FORM_MR_S) + !soft_mem_simple(u)];
        if (imm) {
            u->imm = b->imm.value.u;
        } else {
            u->src = soft_operand_reg(b);
        }
        return true;
    }
    if (b->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, NULL, b);
        u->fn = fns[FORM_RM_S + !soft_mem_simple(u)];
    } else {
        SoftFlagEffect effect = d->arg == OP_ADC || d->arg == OP_SBB ? SOFT_FX_READ : SOFT_FX_WRITE;
        bool imm = b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
        u = soft_emit(d, in, fns[imm ? FORM_RI : FORM_RR]);
        soft_effect(d, u, effect, fns[imm ? FORM_RI_NF : FORM_RR_NF]);
        if (imm) {
            u->imm = b->imm.value.u;
        } else {
            u->src = soft_operand_reg(b);
        }
    }
    u->dst = soft_operand_reg(a);
    return true;
}

/* ---- INC DEC NEG NOT ---- */

#define DEFINE_NOT(bits)                                                      \
    SOFT_INLINE uint##bits##_t soft_not##bits(uint##bits##_t a, uint16_t *ax) \
    {                                                                         \
        return (uint##bits##_t) ~a;                                           \
    }
DEFINE_NOT(8)
DEFINE_NOT(16)
DEFINE_NOT(32)
DEFINE_NOT(64)

#define DEFINE_UNARY(name, bits)                                                              \
    static const Uop *name##bits##_r(SoftCpu *s, const Uop *op)                               \
    {                                                                                         \
        soft_set##bits(s, op->dst, soft_##name##bits(soft_get##bits(s, op->dst), &s->cc.ax)); \
        return soft_next(s, op);                                                              \
    }                                                                                         \
    static const Uop *name##bits##_m(SoftCpu *s, const Uop *op)                               \
    {                                                                                         \
        uint64_t addr = soft_addr(s, op);                                                     \
        void *host = soft_rmw_begin(s, op, addr, (bits) / 8);                                 \
        if (SOFT_LIKELY(host != NULL)) {                                                      \
            *(soft_unaligned##bits *)host =                                                   \
                soft_##name##bits(*(soft_unaligned##bits *)host, &s->cc.ax);                  \
        } else {                                                                              \
            uint16_t ax = s->cc.ax;                                                           \
            uint##bits##_t a = soft_load##bits(s, op, addr);                                  \
            soft_store##bits(s, op, addr, soft_##name##bits(a, &ax));                         \
            s->cc.ax = ax;                                                                    \
        }                                                                                     \
        return soft_next(s, op);                                                              \
    }

DEFINE_WIDTHS(DEFINE_UNARY, inc)
DEFINE_WIDTHS(DEFINE_UNARY, dec)
DEFINE_WIDTHS(DEFINE_UNARY, neg)
DEFINE_WIDTHS(DEFINE_UNARY, not )

#define UNARY_ROWS(name)                                                                  \
    {                                                                                     \
        { name##8_r, name##8_m }, { name##16_r, name##16_m }, { name##32_r, name##32_m }, \
        {                                                                                 \
            name##64_r, name##64_m                                                        \
        }                                                                                 \
    }

static UopFn *const unary_fns[UNARY_OPS][4][2] = {
    UNARY_ROWS(inc),
    UNARY_ROWS(dec),
    UNARY_ROWS(neg),
    UNARY_ROWS(not ),
};

static bool emit_unary(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0];
    UopFn *const *fns = unary_fns[d->arg][soft_size_index(a->size)];

    if (in->raw.attributes & ZYDIS_ATTRIB_HAS_LOCK) {
        return false;
    }
    if (a->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        soft_emit_mem(d, in, fns[1], a);
        return true;
    }
    Uop *u = soft_emit(d, in, fns[0]);
    u->dst = soft_operand_reg(a);
    if (d->arg == OP_NOT) {
        soft_effect(d, u, SOFT_FX_NONE, NULL);
    } else if (d->arg == OP_NEG) {
        soft_effect(d, u, SOFT_FX_WRITE, NULL);
    }
    return true;
}

const SoftFamilyEntry soft_family_alu[] = {
    { ZYDIS_MNEMONIC_ADD, emit_binary, OP_ADD }, { ZYDIS_MNEMONIC_OR, emit_binary, OP_OR },
    { ZYDIS_MNEMONIC_ADC, emit_binary, OP_ADC }, { ZYDIS_MNEMONIC_SBB, emit_binary, OP_SBB },
    { ZYDIS_MNEMONIC_AND, emit_binary, OP_AND }, { ZYDIS_MNEMONIC_SUB, emit_binary, OP_SUB },
    { ZYDIS_MNEMONIC_XOR, emit_binary, OP_XOR }, { ZYDIS_MNEMONIC_INC, emit_unary, OP_INC },
    { ZYDIS_MNEMONIC_DEC, emit_unary, OP_DEC },  { ZYDIS_MNEMONIC_NEG, emit_unary, OP_NEG },
    { ZYDIS_MNEMONIC_NOT, emit_unary, OP_NOT },  { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};

void soft_meanings_alu(void)
{
    static const uint8_t forms[FORMS] = { SOFT_RR, SOFT_RI, SOFT_RR, SOFT_RI, SOFT_RM,
                                          SOFT_RM, SOFT_MR, SOFT_MR, SOFT_MI, SOFT_MI };
    for (uint8_t size = 0; size < 4; size++) {
        for (uint8_t op = 0; op < BINARY_OPS; op++) {
            for (unsigned form = 0; form < FORMS; form++) {
                soft_meaning_add(binary_fns[op][size][form],
                                 (SoftMeaning){ SOFT_MEANS_ALU, op, 1 << size, 0, forms[form],
                                                SOFT_NO_CONDITION });
            }
        }
        for (uint8_t op = 0; op < UNARY_OPS; op++) {
            for (unsigned memory = 0; memory < 2; memory++) {
                soft_meaning_add(unary_fns[op][size][memory],
                                 (SoftMeaning){ SOFT_MEANS_UNARY, op, 1 << size, 0,
                                                memory ? SOFT_M : SOFT_R, SOFT_NO_CONDITION });
            }
        }
    }
}
