/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MOV (general registers, memory, immediates), MOVZX MOVSX MOVSXD, MOVBE, MOVNTI, LEA, XLAT, BSWAP,
 * XCHG of registers, CBW CWDE CDQE, CWD CDQ CQO. None of them touches flags.
 */

#include "accel/soft/decode.h"
#include "accel/soft/translate/meaning.h"
#include "accel/soft/uop.h"

#define DEFINE_MOV(bits)                                                              \
    static const Uop *mov##bits##_rr(SoftCpu *s, const Uop *op)                       \
    {                                                                                 \
        soft_set##bits(s, op->dst, soft_get##bits(s, op->src));                       \
        return soft_next(s, op);                                                      \
    }                                                                                 \
    static const Uop *mov##bits##_ri(SoftCpu *s, const Uop *op)                       \
    {                                                                                 \
        soft_set##bits(s, op->dst, (uint##bits##_t)op->imm);                          \
        return soft_next(s, op);                                                      \
    }                                                                                 \
    static const Uop *mov##bits##_rms(SoftCpu *s, const Uop *op)                      \
    {                                                                                 \
        soft_set##bits(s, op->dst, soft_load##bits(s, op, soft_addr_simple(s, op)));  \
        return soft_next(s, op);                                                      \
    }                                                                                 \
    static const Uop *mov##bits##_rmg(SoftCpu *s, const Uop *op)                      \
    {                                                                                 \
        soft_set##bits(s, op->dst, soft_load##bits(s, op, soft_addr(s, op)));         \
        return soft_next(s, op);                                                      \
    }                                                                                 \
    static const Uop *mov##bits##_mrs(SoftCpu *s, const Uop *op)                      \
    {                                                                                 \
        soft_store##bits(s, op, soft_addr_simple(s, op), soft_get##bits(s, op->src)); \
        return soft_next(s, op);                                                      \
    }                                                                                 \
    static const Uop *mov##bits##_mrg(SoftCpu *s, const Uop *op)                      \
    {                                                                                 \
        soft_store##bits(s, op, soft_addr(s, op), soft_get##bits(s, op->src));        \
        return soft_next(s, op);                                                      \
    }                                                                                 \
    static const Uop *mov##bits##_mi(SoftCpu *s, const Uop *op)                       \
    {                                                                                 \
        soft_store##bits(s, op, soft_addr(s, op), (uint##bits##_t)op->imm);           \
        return soft_next(s, op);                                                      \
    }

DEFINE_MOV(8)
DEFINE_MOV(16)
DEFINE_MOV(32)
DEFINE_MOV(64)

enum { MOV_RR, MOV_RI, MOV_RM_S, MOV_RM_G, MOV_MR_S, MOV_MR_G, MOV_MI, MOV_FORMS };

#define MOV_ROW(bits)                                                                      \
    {                                                                                      \
        mov##bits##_rr, mov##bits##_ri, mov##bits##_rms, mov##bits##_rmg, mov##bits##_mrs, \
            mov##bits##_mrg, mov##bits##_mi                                                \
    }

static UopFn *const mov_fns[4][MOV_FORMS] = { MOV_ROW(8), MOV_ROW(16), MOV_ROW(32), MOV_ROW(64) };

static bool is_general(const ZydisDecodedOperand *op)
{
    if (op->type != ZYDIS_OPERAND_TYPE_REGISTER) {
        return true;
    }
    ZydisRegisterClass class = ZydisRegisterGetClass(op->reg.value);
    return class >= ZYDIS_REGCLASS_GPR8 && class <= ZYDIS_REGCLASS_GPR64;
}

static bool emit_mov(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0], *b = &in->ops[1];
    UopFn *const *fns = mov_fns[soft_size_index(a->size)];
    Uop *u;

    if (!is_general(a) || !is_general(b)) {
        return false; /* segment, control, debug registers */
    }
    if (a->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        if (b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            u = soft_emit_mem(d, in, fns[MOV_MI], a);
            u->imm = b->imm.value.u;
        } else {
            u = soft_emit_mem(d, in, NULL, a);
            u->fn = fns[MOV_MR_S + !soft_mem_simple(u)];
            u->src = soft_operand_reg(b);
        }
        return true;
    }
    if (b->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, NULL, b);
        u->fn = fns[MOV_RM_S + !soft_mem_simple(u)];
    } else if (b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        u = soft_emit(d, in, fns[MOV_RI]);
        u->imm = b->imm.value.u;
        soft_effect(d, u, SOFT_FX_NONE, NULL);
    } else {
        u = soft_emit(d, in, fns[MOV_RR]);
        u->src = soft_operand_reg(b);
        soft_effect(d, u, SOFT_FX_NONE, NULL);
    }
    u->dst = soft_operand_reg(a);
    return true;
}

/* ---- widening: 32-bit results clear the upper half, so zero extension to 64 is that to 32 ---- */

#define DEFINE_WIDEN(name, from, to, type)                                                      \
    static const Uop *name##_r(SoftCpu *s, const Uop *op)                                       \
    {                                                                                           \
        soft_set##to(s, op->dst, (uint##to##_t)(type)soft_get##from(s, op->src));               \
        return soft_next(s, op);                                                                \
    }                                                                                           \
    static const Uop *name##_ms(SoftCpu *s, const Uop *op)                                      \
    {                                                                                           \
        soft_set##to(s, op->dst,                                                                \
                     (uint##to##_t)(type)soft_load##from(s, op, soft_addr_simple(s, op)));      \
        return soft_next(s, op);                                                                \
    }                                                                                           \
    static const Uop *name##_mg(SoftCpu *s, const Uop *op)                                      \
    {                                                                                           \
        soft_set##to(s, op->dst, (uint##to##_t)(type)soft_load##from(s, op, soft_addr(s, op))); \
        return soft_next(s, op);                                                                \
    }

DEFINE_WIDEN(zero8_16, 8, 16, uint8_t)
DEFINE_WIDEN(zero8_64, 8, 64, uint8_t)
DEFINE_WIDEN(zero16_16, 16, 16, uint16_t)
DEFINE_WIDEN(zero16_64, 16, 64, uint16_t)
DEFINE_WIDEN(zero32_64, 32, 64, uint32_t)
DEFINE_WIDEN(sign8_16, 8, 16, int8_t)
DEFINE_WIDEN(sign8_32, 8, 32, int8_t)
DEFINE_WIDEN(sign8_64, 8, 64, int8_t)
DEFINE_WIDEN(sign16_32, 16, 32, int16_t)
DEFINE_WIDEN(sign16_64, 16, 64, int16_t)
DEFINE_WIDEN(sign32_64, 32, 64, int32_t)

#define WIDEN(name)                    \
    {                                  \
        name##_r, name##_ms, name##_mg \
    }

/* [signed][from][to] */
static UopFn *const widen_fns[2][3][4][3] = {
    {
        { { NULL }, WIDEN(zero8_16), WIDEN(zero8_64), WIDEN(zero8_64) },
        { { NULL }, WIDEN(zero16_16), WIDEN(zero16_64), WIDEN(zero16_64) },
        { { NULL }, WIDEN(zero16_16), WIDEN(zero32_64), WIDEN(zero32_64) },
    },
    {
        { { NULL }, WIDEN(sign8_16), WIDEN(sign8_32), WIDEN(sign8_64) },
        { { NULL }, WIDEN(zero16_16), WIDEN(sign16_32), WIDEN(sign16_64) },
        { { NULL }, WIDEN(zero16_16), WIDEN(zero32_64), WIDEN(sign32_64) },
    },
};

static bool emit_widen(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0], *b = &in->ops[1];
    unsigned from = soft_size_index(b->size), to = soft_size_index(a->size);
    UopFn *const *fns = widen_fns[d->arg][from > 2 ? 2 : from][to];
    Uop *u;

    if (b->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, NULL, b);
        u->fn = fns[soft_mem_simple(u) ? 1 : 2];
    } else {
        u = soft_emit(d, in, fns[0]);
        u->src = soft_operand_reg(b);
        soft_effect(d, u, SOFT_FX_NONE, NULL);
    }
    u->dst = soft_operand_reg(a);
    return true;
}

/* ---- LEA ---- */

static const Uop *lea64_simple(SoftCpu *s, const Uop *op)
{
    s->cpu.regs[op->dst] = soft_addr_simple(s, op);
    return soft_next(s, op);
}

static const Uop *lea64(SoftCpu *s, const Uop *op)
{
    s->cpu.regs[op->dst] = soft_addr(s, op);
    return soft_next(s, op);
}

static const Uop *lea32(SoftCpu *s, const Uop *op)
{
    soft_set32(s, op->dst, (uint32_t)soft_addr(s, op));
    return soft_next(s, op);
}

static const Uop *lea16(SoftCpu *s, const Uop *op)
{
    soft_set16(s, op->dst, (uint16_t)soft_addr(s, op));
    return soft_next(s, op);
}

static bool emit_lea(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0];
    Uop *u = soft_emit_offset(d, in, NULL, &in->ops[1]);

    u->fn = a->size == 16        ? lea16
            : a->size == 32      ? lea32
            : soft_mem_simple(u) ? lea64_simple
                                 : lea64;
    u->dst = soft_reg(a->reg.value);
    soft_effect(d, u, SOFT_FX_NONE, NULL);
    return true;
}

/* ---- MOVBE, BSWAP ---- */

static uint64_t swap_bytes(uint64_t value, unsigned size)
{
    return __builtin_bswap64(value) >> (64 - 8 * size);
}

static const Uop *movbe_load(SoftCpu *s, const Uop *op)
{
    uint64_t value = soft_load(s, op, soft_addr(s, op), op->size);
    soft_set(s, op->dst, swap_bytes(value, op->size), op->size);
    return soft_next(s, op);
}

static const Uop *movbe_store(SoftCpu *s, const Uop *op)
{
    uint64_t value = soft_get(s, op->src, op->size);
    soft_store(s, op, soft_addr(s, op), swap_bytes(value, op->size), op->size);
    return soft_next(s, op);
}

static bool emit_movbe(SoftDecoder *d, const SoftInsn *in)
{
    if (!x86_cpu_model_has(&d->s->cpu.model, X86_FEAT_1_ECX, 1u << 22)) {
        return false;
    }
    if (in->ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY) {
        soft_emit_mem(d, in, movbe_store, &in->ops[0])->src = soft_operand_reg(&in->ops[1]);
    } else {
        soft_emit_mem(d, in, movbe_load, &in->ops[1])->dst = soft_operand_reg(&in->ops[0]);
    }
    return true;
}

static const Uop *bswap32(SoftCpu *s, const Uop *op)
{
    soft_set32(s, op->dst, __builtin_bswap32(soft_get32(s, op->dst)));
    return soft_next(s, op);
}

static const Uop *bswap64(SoftCpu *s, const Uop *op)
{
    s->cpu.regs[op->dst] = __builtin_bswap64(s->cpu.regs[op->dst]);
    return soft_next(s, op);
}

/* Undefined by the manuals; processors clear the register's low 16 bits. */
static const Uop *bswap16(SoftCpu *s, const Uop *op)
{
    soft_set16(s, op->dst, 0);
    return soft_next(s, op);
}

static bool emit_bswap(SoftDecoder *d, const SoftInsn *in)
{
    static UopFn *const fns[4] = { bswap16, bswap16, bswap32, bswap64 };
    Uop *u = soft_emit(d, in, fns[soft_size_index(in->ops[0].size)]);
    u->dst = soft_reg(in->ops[0].reg.value);
    soft_effect(d, u, SOFT_FX_NONE, NULL);
    return true;
}

/* ---- XCHG of registers ---- */

static const Uop *xchg_regs(SoftCpu *s, const Uop *op)
{
    uint64_t a = soft_get(s, op->dst, op->size), b = soft_get(s, op->src, op->size);
    soft_set(s, op->dst, b, op->size);
    soft_set(s, op->src, a, op->size);
    return soft_next(s, op);
}

static bool emit_xchg(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0], *b = &in->ops[1];

    if (a->type == ZYDIS_OPERAND_TYPE_MEMORY || b->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        return false; /* insn-atomic.c */
    }
    Uop *u = soft_emit(d, in, xchg_regs);
    u->dst = soft_operand_reg(a);
    u->src = soft_operand_reg(b);
    u->size = (uint8_t)(a->size / 8);
    soft_effect(d, u, SOFT_FX_NONE, NULL);
    return true;
}

/* ---- sign extension of the accumulator ---- */

static const Uop *cbw(SoftCpu *s, const Uop *op)
{
    soft_set16(s, X86_RAX, (uint16_t)(int8_t)soft_get8(s, X86_RAX * 8));
    return soft_next(s, op);
}
static const Uop *cwde(SoftCpu *s, const Uop *op)
{
    soft_set32(s, X86_RAX, (uint32_t)(int16_t)soft_get16(s, X86_RAX));
    return soft_next(s, op);
}
static const Uop *cdqe(SoftCpu *s, const Uop *op)
{
    s->cpu.regs[X86_RAX] = (uint64_t)(int32_t)soft_get32(s, X86_RAX);
    return soft_next(s, op);
}
static const Uop *cwd(SoftCpu *s, const Uop *op)
{
    soft_set16(s, X86_RDX, soft_get16(s, X86_RAX) >> 15 ? UINT16_MAX : 0);
    return soft_next(s, op);
}
static const Uop *cdq(SoftCpu *s, const Uop *op)
{
    soft_set32(s, X86_RDX, soft_get32(s, X86_RAX) >> 31 ? UINT32_MAX : 0);
    return soft_next(s, op);
}
static const Uop *cqo(SoftCpu *s, const Uop *op)
{
    s->cpu.regs[X86_RDX] = s->cpu.regs[X86_RAX] >> 63 ? UINT64_MAX : 0;
    return soft_next(s, op);
}

enum { CBW, CWDE, CDQE, CWD, CDQ, CQO };

static bool emit_convert(SoftDecoder *d, const SoftInsn *in)
{
    static UopFn *const fns[] = { cbw, cwde, cdqe, cwd, cdq, cqo };
    soft_effect(d, soft_emit(d, in, fns[d->arg]), SOFT_FX_NONE, NULL);
    return true;
}

/* ---- XLAT: the address is made by hand, since AL is its index ---- */

static const Uop *xlat(SoftCpu *s, const Uop *op)
{
    uint64_t offset = s->cpu.regs[X86_RBX] + soft_get8(s, X86_RAX * 8);
    uint64_t addr;

    offset = op->aux == 16 ? (uint16_t)offset : op->aux == 32 ? (uint32_t)offset : offset;
    if (s->mode_key & SOFT_KEY_CODE64) {
        addr = offset + s->seg_base[op->seg];
    } else {
        addr = soft_segment_address(s, op, op->seg, (uint32_t)offset, 1, false);
    }
    soft_set8(s, X86_RAX * 8, soft_load8(s, op, addr));
    return soft_next(s, op);
}

static bool emit_xlat(SoftDecoder *d, const SoftInsn *in)
{
    ZydisRegister segment = ZYDIS_REGISTER_DS;
    for (unsigned i = 0; i < in->raw.operand_count; i++) {
        if (in->ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
            segment = in->ops[i].mem.segment;
        }
    }
    Uop *u = soft_emit(d, in, xlat);
    u->seg = soft_seg(segment);
    if (d->mode == 64 && u->seg < X86_SEG_FS) {
        u->seg = SOFT_SEG_NONE;
    }
    u->aux = in->raw.address_width;
    return true;
}

const SoftFamilyEntry soft_family_mov[] = {
    { ZYDIS_MNEMONIC_MOV, emit_mov, 0 },         { ZYDIS_MNEMONIC_MOVNTI, emit_mov, 0 },
    { ZYDIS_MNEMONIC_MOVZX, emit_widen, 0 },     { ZYDIS_MNEMONIC_MOVSX, emit_widen, 1 },
    { ZYDIS_MNEMONIC_MOVSXD, emit_widen, 1 },    { ZYDIS_MNEMONIC_LEA, emit_lea, 0 },
    { ZYDIS_MNEMONIC_MOVBE, emit_movbe, 0 },     { ZYDIS_MNEMONIC_BSWAP, emit_bswap, 0 },
    { ZYDIS_MNEMONIC_XCHG, emit_xchg, 0 },       { ZYDIS_MNEMONIC_CBW, emit_convert, CBW },
    { ZYDIS_MNEMONIC_CWDE, emit_convert, CWDE }, { ZYDIS_MNEMONIC_CDQE, emit_convert, CDQE },
    { ZYDIS_MNEMONIC_CWD, emit_convert, CWD },   { ZYDIS_MNEMONIC_CDQ, emit_convert, CDQ },
    { ZYDIS_MNEMONIC_CQO, emit_convert, CQO },   { ZYDIS_MNEMONIC_XLAT, emit_xlat, 0 },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};

void soft_meanings_mov(void)
{
    static const uint8_t forms[MOV_FORMS] = { SOFT_RR, SOFT_RI, SOFT_RM, SOFT_RM,
                                              SOFT_MR, SOFT_MR, SOFT_MI };
    for (unsigned size = 0; size < 4; size++) {
        for (unsigned form = 0; form < MOV_FORMS; form++) {
            soft_meaning_add(mov_fns[size][form], (SoftMeaning){ .kind = SOFT_MEANS_MOV,
                                                                 .size = (uint8_t)(1 << size),
                                                                 .form = forms[form] });
        }
    }
#define MEANS_WIDEN(name, sign, source, result)                                   \
    for (unsigned form = 0; form < 3; form++) {                                   \
        soft_meaning_add(((UopFn *const[])WIDEN(name))[form],                     \
                         (SoftMeaning){ .kind = SOFT_MEANS_WIDEN,                 \
                                        .op = (sign),                             \
                                        .size = (result) / 8,                     \
                                        .from = (source) / 8,                     \
                                        .form = form == 0 ? SOFT_RR : SOFT_RM }); \
    }
    MEANS_WIDEN(zero8_16, 0, 8, 16)
    MEANS_WIDEN(zero8_64, 0, 8, 64)
    MEANS_WIDEN(zero16_64, 0, 16, 64)
    MEANS_WIDEN(zero32_64, 0, 32, 64)
    MEANS_WIDEN(sign8_16, 1, 8, 16)
    MEANS_WIDEN(sign8_32, 1, 8, 32)
    MEANS_WIDEN(sign8_64, 1, 8, 64)
    MEANS_WIDEN(sign16_32, 1, 16, 32)
    MEANS_WIDEN(sign16_64, 1, 16, 64)
    MEANS_WIDEN(sign32_64, 1, 32, 64)
#undef MEANS_WIDEN
    static const struct {
        UopFn *fn;
        SoftMeaning meaning;
    } others[] = {
        { lea64_simple, { .kind = SOFT_MEANS_LEA, .size = 8 } },
        { lea64, { .kind = SOFT_MEANS_LEA, .size = 8 } },
        { lea32, { .kind = SOFT_MEANS_LEA, .size = 4 } },
        { bswap32, { .kind = SOFT_MEANS_BSWAP, .size = 4 } },
        { bswap64, { .kind = SOFT_MEANS_BSWAP, .size = 8 } },
        { xchg_regs, { .kind = SOFT_MEANS_XCHG } },
        { cwde, { .kind = SOFT_MEANS_CONVERT, .op = 0, .size = 4 } },
        { cdqe, { .kind = SOFT_MEANS_CONVERT, .op = 0, .size = 8 } },
        { cdq, { .kind = SOFT_MEANS_CONVERT, .op = 1, .size = 4 } },
        { cqo, { .kind = SOFT_MEANS_CONVERT, .op = 1, .size = 8 } },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        soft_meaning_add(others[i].fn, others[i].meaning);
    }
}
