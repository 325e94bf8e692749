/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BT BTS BTR BTC on registers, memory and bit strings, also LOCKed; BSF BSR. */

#include "accel/soft/alu-ops.h"
#include "accel/soft/decode.h"
#include "accel/soft/translate/meaning.h"
#include "accel/soft/uop.h"

enum { OP_BT, OP_BTS, OP_BTR, OP_BTC, BIT_OPS };

#define DEFINE_OP(name, bits)                                                                     \
    SOFT_INLINE uint##bits##_t bit_##name##bits(uint##bits##_t a, uint##bits##_t b, uint16_t *ax) \
    {                                                                                             \
        uint16_t f = *ax;                                                                         \
        __asm__(SOFT_ASM_RESTORE #name " %[b], %[a]" SOFT_ASM_SAVE                                \
                : [a] "+r"(a), "+a"(f)                                                            \
                : [b] "r"(b)                                                                      \
                : "cc");                                                                          \
        *ax = f;                                                                                  \
        return a;                                                                                 \
    }

#define DEFINE_LOCKED_OP(name, bits)                                                 \
    SOFT_INLINE void locked_##name##bits(void *host, uint##bits##_t b, uint16_t *ax) \
    {                                                                                \
        uint16_t f = *ax;                                                            \
        soft_unaligned##bits *p = host;                                              \
        __asm__ volatile(SOFT_ASM_RESTORE "lock; " #name " %[b], %[m]" SOFT_ASM_SAVE \
                         : [m] "+m"(*p), "+a"(f)                                     \
                         : [b] "r"(b)                                                \
                         : "cc", "memory");                                          \
        *ax = f;                                                                     \
    }

/* The bit number: imm or register, both cut to the width by the host or by hand. */
#define NUMBER(bits) (uint##bits##_t)(op->aux ? op->imm : soft_get##bits(s, op->src))

/* Memory: @addr is the operand's own address for an immediate bit number; for a register it is
 * moved by whole operands first. */
#define DEFINE_BIT(name, bits, writes)                                                             \
    DEFINE_OP(name, bits)                                                                          \
    static const Uop *name##bits##_r(SoftCpu *s, const Uop *op)                                    \
    {                                                                                              \
        uint##bits##_t a = bit_##name##bits(soft_get##bits(s, op->dst), NUMBER(bits), &s->cc.ax);  \
        if (writes) {                                                                              \
            soft_set##bits(s, op->dst, a);                                                         \
        }                                                                                          \
        return soft_next(s, op);                                                                   \
    }                                                                                              \
    static const Uop *name##bits##_m(SoftCpu *s, const Uop *op)                                    \
    {                                                                                              \
        uint##bits##_t number = NUMBER(bits);                                                      \
        uint64_t addr = bit_address(                                                               \
            s, op, (int##bits##_t)number / (bits) - ((int##bits##_t)number % (bits) < 0), writes); \
        uint16_t ax = s->cc.ax;                                                                    \
        number &= (bits)-1;                                                                        \
        if (writes) {                                                                              \
            soft_rmw_begin(s, op, addr, (bits) / 8);                                               \
        }                                                                                          \
        uint##bits##_t a = bit_##name##bits(soft_load##bits(s, op, addr), number, &ax);            \
        if (writes) {                                                                              \
            soft_store##bits(s, op, addr, a);                                                      \
        }                                                                                          \
        s->cc.ax = ax;                                                                             \
        return soft_next(s, op);                                                                   \
    }

#define DEFINE_LOCKED(name, bits)                                                                \
    DEFINE_LOCKED_OP(name, bits)                                                                 \
    static const Uop *name##bits##_l(SoftCpu *s, const Uop *op)                                  \
    {                                                                                            \
        uint##bits##_t number = NUMBER(bits);                                                    \
        uint64_t addr = bit_address(                                                             \
            s, op, (int##bits##_t)number / (bits) - ((int##bits##_t)number % (bits) < 0), true); \
        void *host = soft_rmw_host(s, op, addr, (bits) / 8);                                     \
        if (SOFT_LIKELY(host != NULL)) {                                                         \
            locked_##name##bits(host, number &((bits)-1), &s->cc.ax);                            \
            return soft_next(s, op);                                                             \
        }                                                                                        \
        uint16_t ax = s->cc.ax;                                                                  \
        soft_locked_begin(s, op, addr, (bits) / 8);                                              \
        uint##bits##_t a = soft_load##bits(s, op, addr);                                         \
        soft_store##bits(s, op, addr, bit_##name##bits(a, number &((bits)-1), &ax));             \
        soft_locked_end(s);                                                                      \
        s->cc.ax = ax;                                                                           \
        return soft_next(s, op);                                                                 \
    }

/* Address of the operand, @delta operands on (bit strings: bit number in a register). */
static inline uint64_t bit_address(SoftCpu *s, const Uop *op, int64_t delta, bool write)
{
    if (op->aux) {
        return soft_addr(s, op);
    }
    if (SOFT_LIKELY(s->mode_key & SOFT_KEY_CODE64)) {
        return soft_addr(s, op) + (uint64_t)delta * op->size;
    }
    uint64_t offset = s->cpu.regs[REG_EA] + (uint64_t)delta * op->size;
    offset = op->scale == 16 ? (uint16_t)offset : (uint32_t)offset;
    return soft_segment_address(s, op, op->seg, (uint32_t)offset, op->size, write);
}

DEFINE_BIT(bt, 16, false)
DEFINE_BIT(bt, 32, false)
DEFINE_BIT(bt, 64, false)
DEFINE_BIT(bts, 16, true)
DEFINE_BIT(bts, 32, true)
DEFINE_BIT(bts, 64, true)
DEFINE_BIT(btr, 16, true)
DEFINE_BIT(btr, 32, true)
DEFINE_BIT(btr, 64, true)
DEFINE_BIT(btc, 16, true)
DEFINE_BIT(btc, 32, true)
DEFINE_BIT(btc, 64, true)
DEFINE_LOCKED(bts, 16)
DEFINE_LOCKED(bts, 32)
DEFINE_LOCKED(bts, 64)
DEFINE_LOCKED(btr, 16)
DEFINE_LOCKED(btr, 32)
DEFINE_LOCKED(btr, 64)
DEFINE_LOCKED(btc, 16)
DEFINE_LOCKED(btc, 32)
DEFINE_LOCKED(btc, 64)

enum { FORM_REG, FORM_MEM, FORM_LOCKED, FORMS };

#define ROW(name, bits)                                \
    {                                                  \
        name##bits##_r, name##bits##_m, name##bits##_l \
    }

/* [operation][width, from 16 bits][form] */
static UopFn *const bit_fns[BIT_OPS][3][FORMS] = {
    { { bt16_r, bt16_m, NULL }, { bt32_r, bt32_m, NULL }, { bt64_r, bt64_m, NULL } },
    { ROW(bts, 16), ROW(bts, 32), ROW(bts, 64) },
    { ROW(btr, 16), ROW(btr, 32), ROW(btr, 64) },
    { ROW(btc, 16), ROW(btc, 32), ROW(btc, 64) },
};

static bool emit_bit(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0], *b = &in->ops[1];
    UopFn *const *fns = bit_fns[d->arg][soft_size_index(a->size) - 1];
    bool imm = b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE;
    Uop *u;

    if (a->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        UopFn *fn = fns[in->raw.attributes & ZYDIS_ATTRIB_HAS_LOCK ? FORM_LOCKED : FORM_MEM];
        if (imm || d->mode == 64) {
            u = soft_emit_mem(d, in, fn, a);
        } else {
            u = soft_emit_offset(d, in, fn, a);
            u->seg = soft_seg(a->mem.segment);
            u->scale = in->raw.address_width; /* there is no index: bit_address() */
        }
    } else {
        u = soft_emit(d, in, fns[FORM_REG]);
        u->dst = soft_operand_reg(a);
    }
    u->size = (uint8_t)(a->size / 8);
    u->aux = imm;
    if (imm) {
        u->imm = b->imm.value.u & (a->size - 1u);
    } else {
        u->src = soft_operand_reg(b);
    }
    return true;
}

/* ---- BSF BSR: a source of 0 leaves the destination as the host leaves it ---- */

#define DEFINE_SCAN(name, bits, modifier)                                                    \
    static const Uop *name##bits##_fn(SoftCpu *s, const Uop *op)                             \
    {                                                                                        \
        uint64_t b =                                                                         \
            op->aux ? soft_load##bits(s, op, soft_addr(s, op)) : soft_get##bits(s, op->src); \
        uint64_t a = s->cpu.regs[op->dst];                                                   \
        uint16_t f;                                                                          \
        __asm__(#name " %" modifier "[b], %" modifier "[a]" SOFT_ASM_SAVE                    \
                : [a] "+r"(a), "=a"(f)                                                       \
                : [b] "r"(b)                                                                 \
                : "cc");                                                                     \
        s->cpu.regs[op->dst] = a;                                                            \
        s->cc.ax = f;                                                                        \
        return soft_next(s, op);                                                             \
    }
DEFINE_SCAN(bsf, 16, "w")
DEFINE_SCAN(bsf, 32, "k")
DEFINE_SCAN(bsf, 64, "q")
DEFINE_SCAN(bsr, 16, "w")
DEFINE_SCAN(bsr, 32, "k")
DEFINE_SCAN(bsr, 64, "q")

static bool emit_scan(SoftDecoder *d, const SoftInsn *in)
{
    static UopFn *const fns[2][3] = { { bsf16_fn, bsf32_fn, bsf64_fn },
                                      { bsr16_fn, bsr32_fn, bsr64_fn } };
    const ZydisDecodedOperand *a = &in->ops[0], *b = &in->ops[1];
    UopFn *fn = fns[d->arg][soft_size_index(a->size) - 1];
    Uop *u;

    if (b->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, fn, b);
        u->aux = 1;
    } else {
        u = soft_emit(d, in, fn);
        u->src = soft_operand_reg(b);
        soft_effect(d, u, SOFT_FX_WRITE, NULL);
    }
    u->dst = soft_operand_reg(a);
    return true;
}

const SoftFamilyEntry soft_family_bit[] = {
    { ZYDIS_MNEMONIC_BT, emit_bit, OP_BT },   { ZYDIS_MNEMONIC_BTS, emit_bit, OP_BTS },
    { ZYDIS_MNEMONIC_BTR, emit_bit, OP_BTR }, { ZYDIS_MNEMONIC_BTC, emit_bit, OP_BTC },
    { ZYDIS_MNEMONIC_BSF, emit_scan, 0 },     { ZYDIS_MNEMONIC_BSR, emit_scan, 1 },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};

void soft_meanings_bit(void)
{
    static UopFn *const scans[2][3] = { { bsf16_fn, bsf32_fn, bsf64_fn },
                                        { bsr16_fn, bsr32_fn, bsr64_fn } };
    for (uint8_t size = 1; size < 3; size++) {
        for (uint8_t op = 0; op < 2; op++) {
            soft_meaning_add(scans[op][size],
                             (SoftMeaning){ .kind = SOFT_MEANS_SCAN, .op = op, .size = 2 << size });
        }
        for (uint8_t op = 0; op < BIT_OPS; op++) {
            SoftMeaning m = { .kind = SOFT_MEANS_BIT, .op = op, .size = 2 << size, .form = SOFT_R };
            soft_meaning_add(bit_fns[op][size][FORM_REG], m);
            m.form = SOFT_M;
            soft_meaning_add(bit_fns[op][size][FORM_MEM], m);
        }
    }
}
