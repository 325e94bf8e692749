/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What depends on a condition code, without branching: CMOVcc, SETcc. */

#include "accel/soft/decode.h"
#include "accel/soft/translate/meaning.h"
#include "accel/soft/uop.h"

/* A false condition still clears the upper half of a 32-bit destination, and memory is always read.
 */
#define DEFINE_CMOV(bits, code)                                                        \
    static const Uop *cmov##bits##_r_##code(SoftCpu *s, const Uop *op)                 \
    {                                                                                  \
        uint##bits##_t a = soft_get##bits(s, op->dst), b = soft_get##bits(s, op->src); \
        soft_set##bits(s, op->dst, soft_condition(s->cc.ax, code) ? b : a);            \
        return soft_next(s, op);                                                       \
    }                                                                                  \
    static const Uop *cmov##bits##_m_##code(SoftCpu *s, const Uop *op)                 \
    {                                                                                  \
        uint##bits##_t a = soft_get##bits(s, op->dst);                                 \
        uint##bits##_t b = soft_load##bits(s, op, soft_addr(s, op));                   \
        soft_set##bits(s, op->dst, soft_condition(s->cc.ax, code) ? b : a);            \
        return soft_next(s, op);                                                       \
    }

#define DEFINE_SET(code)                                                      \
    static const Uop *set_r_##code(SoftCpu *s, const Uop *op)                 \
    {                                                                         \
        soft_set8(s, op->dst, soft_condition(s->cc.ax, code));                \
        return soft_next(s, op);                                              \
    }                                                                         \
    static const Uop *set_m_##code(SoftCpu *s, const Uop *op)                 \
    {                                                                         \
        soft_store8(s, op, soft_addr(s, op), soft_condition(s->cc.ax, code)); \
        return soft_next(s, op);                                              \
    }

#define DEFINE_CONDITION(code) \
    DEFINE_CMOV(16, code)      \
    DEFINE_CMOV(32, code)      \
    DEFINE_CMOV(64, code)      \
    DEFINE_SET(code)

DEFINE_CONDITION(0)
DEFINE_CONDITION(1)
DEFINE_CONDITION(2)
DEFINE_CONDITION(3)
DEFINE_CONDITION(4)
DEFINE_CONDITION(5)
DEFINE_CONDITION(6)
DEFINE_CONDITION(7)
DEFINE_CONDITION(8)
DEFINE_CONDITION(9)
DEFINE_CONDITION(10)
DEFINE_CONDITION(11)
DEFINE_CONDITION(12)
DEFINE_CONDITION(13)
DEFINE_CONDITION(14)
DEFINE_CONDITION(15)

#define BY_CONDITION(name)                                                                        \
    {                                                                                             \
        name##_0, name##_1, name##_2, name##_3, name##_4, name##_5, name##_6, name##_7, name##_8, \
            name##_9, name##_10, name##_11, name##_12, name##_13, name##_14, name##_15            \
    }

/* [width][memory][condition]; width 0 is not encodable */
static UopFn *const cmov_fns[4][2][16] = {
    { BY_CONDITION(cmov16_r), BY_CONDITION(cmov16_m) },
    { BY_CONDITION(cmov16_r), BY_CONDITION(cmov16_m) },
    { BY_CONDITION(cmov32_r), BY_CONDITION(cmov32_m) },
    { BY_CONDITION(cmov64_r), BY_CONDITION(cmov64_m) },
};
static UopFn *const set_fns[2][16] = { BY_CONDITION(set_r), BY_CONDITION(set_m) };

static bool emit_cmov(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0], *b = &in->ops[1];
    unsigned size = soft_size_index(a->size);
    Uop *u;

    if (b->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, cmov_fns[size][1][d->arg], b);
    } else {
        u = soft_emit(d, in, cmov_fns[size][0][d->arg]);
        u->src = soft_operand_reg(b);
    }
    u->dst = soft_operand_reg(a);
    return true;
}

static bool emit_set(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0];

    if (a->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        soft_emit_mem(d, in, set_fns[1][d->arg], a);
    } else {
        soft_emit(d, in, set_fns[0][d->arg])->dst = soft_operand_reg(a);
    }
    return true;
}

#define BOTH(suffix, cc)                            \
    { ZYDIS_MNEMONIC_CMOV##suffix, emit_cmov, cc }, \
    {                                               \
        ZYDIS_MNEMONIC_SET##suffix, emit_set, cc    \
    }

const SoftFamilyEntry soft_family_cond[] = {
    BOTH(O, 0),
    BOTH(NO, 1),
    BOTH(B, 2),
    BOTH(NB, 3),
    BOTH(Z, 4),
    BOTH(NZ, 5),
    BOTH(BE, 6),
    BOTH(NBE, 7),
    BOTH(S, 8),
    BOTH(NS, 9),
    BOTH(P, 10),
    BOTH(NP, 11),
    BOTH(L, 12),
    BOTH(NL, 13),
    BOTH(LE, 14),
    BOTH(NLE, 15),
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};

void soft_meanings_cond(void)
{
    for (uint8_t cc = 0; cc < 16; cc++) {
        for (unsigned memory = 0; memory < 2; memory++) {
            for (unsigned size = 1; size < 4; size++) {
                soft_meaning_add(cmov_fns[size][memory][cc],
                                 (SoftMeaning){ .kind = SOFT_MEANS_CMOV,
                                                .size = (uint8_t)(1 << size),
                                                .form = memory ? SOFT_RM : SOFT_RR,
                                                .cc = cc });
            }
            soft_meaning_add(set_fns[memory][cc], (SoftMeaning){ .kind = SOFT_MEANS_SET,
                                                                 .size = 1,
                                                                 .form = memory ? SOFT_M : SOFT_R,
                                                                 .cc = cc });
        }
    }
}
