/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHL SHR SAR ROL ROR RCL RCR, SHLD SHRD, run by the host's instruction: a count of 0 keeps the
 * flags, rotates change only CF and OF, so the old flags are put back first.
 */

#include "accel/soft/alu-ops.h"
#include "accel/soft/decode.h"
#include "accel/soft/translate/meaning.h"
#include "accel/soft/uop.h"

enum { OP_ROL, OP_ROR, OP_RCL, OP_RCR, OP_SHL, OP_SHR, OP_SAR, SHIFT_OPS };
enum { FORM_RI, FORM_RC, FORM_MI, FORM_MC, FORM_RI_NF, FORMS };

#define CL soft_get8(s, X86_RCX * 8)

#define DEFINE_OP(name, insn, bits)                                                              \
    SOFT_INLINE uint##bits##_t shift_##name##bits(uint##bits##_t a, uint8_t count, uint16_t *ax) \
    {                                                                                            \
        uint16_t f = *ax;                                                                        \
        __asm__(SOFT_ASM_RESTORE insn " %%cl, %[a]" SOFT_ASM_SAVE                                \
                : [a] "+r"(a), "+a"(f)                                                           \
                : "c"(count)                                                                     \
                : "cc");                                                                         \
        *ax = f;                                                                                 \
        return a;                                                                                \
    }

#define DEFINE_REG(name, bits, form, count)                                               \
    static const Uop *name##bits##_##form(SoftCpu *s, const Uop *op)                      \
    {                                                                                     \
        soft_set##bits(s, op->dst,                                                        \
                       shift_##name##bits(soft_get##bits(s, op->dst), count, &s->cc.ax)); \
        return soft_next(s, op);                                                          \
    }

#define DEFINE_MEM(name, bits, form, count)                                   \
    static const Uop *name##bits##_##form(SoftCpu *s, const Uop *op)          \
    {                                                                         \
        uint64_t addr = soft_addr(s, op);                                     \
        void *host = soft_rmw_begin(s, op, addr, (bits) / 8);                 \
        if (SOFT_LIKELY(host != NULL)) {                                      \
            soft_unaligned##bits *p = host;                                   \
            *p = shift_##name##bits(*p, count, &s->cc.ax);                    \
        } else {                                                              \
            uint16_t ax = s->cc.ax;                                           \
            uint##bits##_t a = soft_load##bits(s, op, addr);                  \
            soft_store##bits(s, op, addr, shift_##name##bits(a, count, &ax)); \
            s->cc.ax = ax;                                                    \
        }                                                                     \
        return soft_next(s, op);                                              \
    }

#define DEFINE_SHIFT(name, insn, bits)  \
    DEFINE_OP(name, insn, bits)         \
    DEFINE_REG(name, bits, ri, op->aux) \
    DEFINE_REG(name, bits, rc, CL)      \
    DEFINE_MEM(name, bits, mi, op->aux) \
    DEFINE_MEM(name, bits, mc, CL)

#define DEFINE_WIDTHS(M, name, insn) \
    M(name, insn, 8) M(name, insn, 16) M(name, insn, 32) M(name, insn, 64)

DEFINE_WIDTHS(DEFINE_SHIFT, rol, "rol")
DEFINE_WIDTHS(DEFINE_SHIFT, ror, "ror")
DEFINE_WIDTHS(DEFINE_SHIFT, rcl, "rcl")
DEFINE_WIDTHS(DEFINE_SHIFT, rcr, "rcr")
DEFINE_WIDTHS(DEFINE_SHIFT, shl, "shl")
DEFINE_WIDTHS(DEFINE_SHIFT, shr, "shr")
DEFINE_WIDTHS(DEFINE_SHIFT, sar, "sar")

/* By a constant, flags unused; the count is below the width. */
#define DEFINE_PLAIN(name, bits, type, operation)                          \
    static const Uop *name##bits##_ri_nf(SoftCpu *s, const Uop *op)        \
    {                                                                      \
        type a = (type)soft_get##bits(s, op->dst);                         \
        soft_set##bits(s, op->dst, (uint##bits##_t)(a operation op->aux)); \
        return soft_next(s, op);                                           \
    }
DEFINE_PLAIN(shl, 32, uint32_t, <<)
DEFINE_PLAIN(shl, 64, uint64_t, <<)
DEFINE_PLAIN(shr, 32, uint32_t, >>)
DEFINE_PLAIN(shr, 64, uint64_t, >>)
DEFINE_PLAIN(sar, 32, int32_t, >>)
DEFINE_PLAIN(sar, 64, int64_t, >>)

#define ROW(name, bits, plain)                                                    \
    {                                                                             \
        name##bits##_ri, name##bits##_rc, name##bits##_mi, name##bits##_mc, plain \
    }
#define ROTATE_ROWS(name)                                                                 \
    {                                                                                     \
        ROW(name, 8, NULL), ROW(name, 16, NULL), ROW(name, 32, NULL), ROW(name, 64, NULL) \
    }
#define SHIFT_ROWS(name)                                                        \
    {                                                                           \
        ROW(name, 8, NULL), ROW(name, 16, NULL), ROW(name, 32, name##32_ri_nf), \
            ROW(name, 64, name##64_ri_nf)                                       \
    }

static UopFn *const shift_fns[SHIFT_OPS][4][FORMS] = {
    ROTATE_ROWS(rol), ROTATE_ROWS(ror), ROTATE_ROWS(rcl), ROTATE_ROWS(rcr),
    SHIFT_ROWS(shl),  SHIFT_ROWS(shr),  SHIFT_ROWS(sar),
};

static uint8_t masked_count(const ZydisDecodedOperand *a, const ZydisDecodedOperand *count)
{
    return (uint8_t)(count->imm.value.u & (a->size == 64 ? 63 : 31));
}

static bool emit_shift(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0], *b = &in->ops[1];
    UopFn *const *fns = shift_fns[d->arg][soft_size_index(a->size)];
    bool imm = b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    uint8_t count = imm ? masked_count(a, b) : 0;
    Uop *u;

    if (a->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, fns[imm ? FORM_MI : FORM_MC], a);
    } else {
        u = soft_emit(d, in, fns[imm ? FORM_RI : FORM_RC]);
        u->dst = soft_operand_reg(a);
        if (imm && count != 0 && d->arg >= OP_SHL) {
            soft_effect(d, u, SOFT_FX_WRITE, fns[FORM_RI_NF]);
        }
    }
    u->aux = count;
    return true;
}

/* ---- SHLD SHRD ---- */

#define DEFINE_DOUBLE_OP(name, bits)                                                   \
    SOFT_INLINE uint##bits##_t double_##name##bits(uint##bits##_t a, uint##bits##_t b, \
                                                   uint8_t count, uint16_t *ax)        \
    {                                                                                  \
        uint16_t f = *ax;                                                              \
        __asm__(SOFT_ASM_RESTORE #name " %%cl, %[b], %[a]" SOFT_ASM_SAVE               \
                : [a] "+r"(a), "+a"(f)                                                 \
                : [b] "r"(b), "c"(count)                                               \
                : "cc");                                                               \
        *ax = f;                                                                       \
        return a;                                                                      \
    }

/* The count: aux, or CL. */
#define DEFINE_DOUBLE(name, bits, form, count)                                                     \
    static const Uop *name##bits##_r##form(SoftCpu *s, const Uop *op)                              \
    {                                                                                              \
        soft_set##bits(s, op->dst,                                                                 \
                       double_##name##bits(soft_get##bits(s, op->dst), soft_get##bits(s, op->src), \
                                           count, &s->cc.ax));                                     \
        return soft_next(s, op);                                                                   \
    }                                                                                              \
    static const Uop *name##bits##_m##form(SoftCpu *s, const Uop *op)                              \
    {                                                                                              \
        uint64_t addr = soft_addr(s, op);                                                          \
        uint16_t ax = s->cc.ax;                                                                    \
        soft_rmw_begin(s, op, addr, (bits) / 8);                                                   \
        uint##bits##_t a = soft_load##bits(s, op, addr), b = soft_get##bits(s, op->src);           \
        soft_store##bits(s, op, addr, double_##name##bits(a, b, count, &ax));                      \
        s->cc.ax = ax;                                                                             \
        return soft_next(s, op);                                                                   \
    }
#define DEFINE_DOUBLES(name, bits)        \
    DEFINE_DOUBLE_OP(name, bits)          \
    DEFINE_DOUBLE(name, bits, i, op->aux) \
    DEFINE_DOUBLE(name, bits, c, CL)

DEFINE_DOUBLES(shld, 16)
DEFINE_DOUBLES(shld, 32)
DEFINE_DOUBLES(shld, 64)
DEFINE_DOUBLES(shrd, 16)
DEFINE_DOUBLES(shrd, 32)
DEFINE_DOUBLES(shrd, 64)

#define DOUBLE_ROW(name, bits)                                             \
    {                                                                      \
        name##bits##_ri, name##bits##_rc, name##bits##_mi, name##bits##_mc \
    }

/* [operation][width, from 16 bits][form] */
static UopFn *const double_fns[2][3][4] = {
    { DOUBLE_ROW(shld, 16), DOUBLE_ROW(shld, 32), DOUBLE_ROW(shld, 64) },
    { DOUBLE_ROW(shrd, 16), DOUBLE_ROW(shrd, 32), DOUBLE_ROW(shrd, 64) },
};

static bool emit_double(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0], *c = &in->ops[2];
    UopFn *const *fns = double_fns[d->arg][soft_size_index(a->size) - 1];
    bool imm = c->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    Uop *u;

    if (a->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, fns[imm ? FORM_MI : FORM_MC], a);
    } else {
        u = soft_emit(d, in, fns[imm ? FORM_RI : FORM_RC]);
        u->dst = soft_operand_reg(a);
    }
    u->src = soft_operand_reg(&in->ops[1]);
    u->aux = imm ? masked_count(a, c) : 0;
    return true;
}

const SoftFamilyEntry soft_family_shift[] = {
    { ZYDIS_MNEMONIC_ROL, emit_shift, OP_ROL }, { ZYDIS_MNEMONIC_ROR, emit_shift, OP_ROR },
    { ZYDIS_MNEMONIC_RCL, emit_shift, OP_RCL }, { ZYDIS_MNEMONIC_RCR, emit_shift, OP_RCR },
    { ZYDIS_MNEMONIC_SHL, emit_shift, OP_SHL }, { ZYDIS_MNEMONIC_SHR, emit_shift, OP_SHR },
    { ZYDIS_MNEMONIC_SAR, emit_shift, OP_SAR }, { ZYDIS_MNEMONIC_SHLD, emit_double, 0 },
    { ZYDIS_MNEMONIC_SHRD, emit_double, 1 },    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};

void soft_meanings_shift(void)
{
    static const uint8_t digits[SHIFT_OPS] = { 0, 1, 2, 3, 4, 5, 7 };
    static const uint8_t forms[FORMS] = { SOFT_RI, SOFT_RR, SOFT_MI, SOFT_MR, SOFT_RI };
    for (unsigned op = 0; op < SHIFT_OPS; op++) {
        for (unsigned size = 0; size < 4; size++) {
            for (unsigned form = 0; form < FORMS; form++) {
                soft_meaning_add(shift_fns[op][size][form],
                                 (SoftMeaning){ .kind = SOFT_MEANS_SHIFT,
                                                .op = digits[op],
                                                .size = (uint8_t)(1 << size),
                                                .form = forms[form] });
            }
        }
    }
}
