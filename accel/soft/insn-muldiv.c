/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MUL IMUL DIV IDIV. Flags that DIV and IDIV leave undefined are left alone. */

#include "accel/soft/alu-ops.h"
#include "accel/soft/decode.h"
#include "accel/soft/translate/meaning.h"
#include "accel/soft/uop.h"

/* ---- one operand: a general source made of register or memory ---- */

static inline uint64_t source(SoftCpu *s, const Uop *op)
{
    return op->aux ? soft_load(s, op, soft_addr(s, op), op->size) : soft_get(s, op->src, op->size);
}

/* RAX * @b with the host's @insn: RDX:RAX and flags. The 8-bit form gives AX. */
#define DEFINE_MULTIPLY(name, bits, insn, modifier)                                     \
    SOFT_INLINE void name##bits(uint64_t *rax, uint64_t *rdx, uint64_t b, uint16_t *ax) \
    {                                                                                   \
        uint64_t low, f = *rax, high = *rdx;                                            \
        __asm__(insn " %" modifier "[b]\n\tmov %%rax, %[low]" SOFT_ASM_SAVE             \
                : [low] "=&r"(low), "+d"(high), "+a"(f)                                 \
                : [b] "r"(b)                                                            \
                : "cc");                                                                \
        *ax = (uint16_t)f;                                                              \
        *rax = low;                                                                     \
        *rdx = high;                                                                    \
    }                                                                                   \
    static const Uop *name##bits##_fn(SoftCpu *s, const Uop *op)                        \
    {                                                                                   \
        uint64_t b = source(s, op);                                                     \
        name##bits(&s->cpu.regs[X86_RAX], &s->cpu.regs[X86_RDX], b, &s->cc.ax);         \
        return soft_next(s, op);                                                        \
    }

DEFINE_MULTIPLY(mul, 8, "mulb", "b")
DEFINE_MULTIPLY(mul, 16, "mulw", "w")
DEFINE_MULTIPLY(mul, 32, "mull", "k")
DEFINE_MULTIPLY(mul, 64, "mulq", "q")
DEFINE_MULTIPLY(imul, 8, "imulb", "b")
DEFINE_MULTIPLY(imul, 16, "imulw", "w")
DEFINE_MULTIPLY(imul, 32, "imull", "k")
DEFINE_MULTIPLY(imul, 64, "imulq", "q")

/* Dividend of the narrow forms: AX, DX:AX, EDX:EAX. */
static uint64_t dividend(SoftCpu *s, unsigned size)
{
    return size == 1   ? soft_get16(s, X86_RAX)
           : size == 2 ? (uint32_t)soft_get16(s, X86_RDX) << 16 | soft_get16(s, X86_RAX)
                       : (uint64_t)soft_get32(s, X86_RDX) << 32 | soft_get32(s, X86_RAX);
}

static void set_quotient(SoftCpu *s, unsigned size, uint64_t quotient, uint64_t remainder)
{
    if (size == 1) {
        soft_set16(s, X86_RAX, (uint16_t)((remainder & 0xff) << 8 | (quotient & 0xff)));
    } else {
        soft_set(s, X86_RAX, quotient, size);
        soft_set(s, X86_RDX, remainder, size);
    }
}

static const Uop *div_narrow(SoftCpu *s, const Uop *op)
{
    uint64_t b = source(s, op), a = dividend(s, op->size);

    if (b == 0 || a / b > UINT64_MAX >> (64 - 8 * op->size)) {
        soft_raise(s, op, EXC_DE, -1);
    }
    set_quotient(s, op->size, a / b, a % b);
    return soft_next(s, op);
}

static const Uop *div64(SoftCpu *s, const Uop *op)
{
    uint64_t b = source(s, op), low = s->cpu.regs[X86_RAX], high = s->cpu.regs[X86_RDX];

    if (high >= b) { /* also b == 0 */
        soft_raise(s, op, EXC_DE, -1);
    }
    __asm__("divq %[b]" : "+a"(low), "+d"(high) : [b] "r"(b) : "cc");
    s->cpu.regs[X86_RAX] = low;
    s->cpu.regs[X86_RDX] = high;
    return soft_next(s, op);
}

static int64_t sign_extend(uint64_t value, unsigned bits)
{
    return (int64_t)(value << (64 - bits)) >> (64 - bits);
}

static const Uop *idiv_narrow(SoftCpu *s, const Uop *op)
{
    unsigned bits = 8u * op->size;
    int64_t b = sign_extend(source(s, op), bits);
    int64_t a = sign_extend(dividend(s, op->size), 2 * bits);

    if (b == 0 || (a == INT64_MIN && b == -1) || sign_extend((uint64_t)(a / b), bits) != a / b) {
        soft_raise(s, op, EXC_DE, -1);
    }
    set_quotient(s, op->size, (uint64_t)(a / b), (uint64_t)(a % b));
    return soft_next(s, op);
}

static const Uop *idiv64(SoftCpu *s, const Uop *op)
{
    int64_t b = (int64_t)source(s, op);
    unsigned __int128 bits = (unsigned __int128)s->cpu.regs[X86_RDX] << 64 | s->cpu.regs[X86_RAX];
    __int128 a = (__int128)bits;

    if (b == 0) {
        soft_raise(s, op, EXC_DE, -1);
    }
    /* The one quotient that 128 bits cannot hold is far out of range, as are its neighbours. */
    if (b == -1 && (a > (__int128)INT64_MAX + 1 || a <= -((__int128)INT64_MAX + 1))) {
        soft_raise(s, op, EXC_DE, -1);
    }
    __int128 quotient = a / b;
    if (quotient != (int64_t)quotient) {
        soft_raise(s, op, EXC_DE, -1);
    }
    s->cpu.regs[X86_RAX] = (uint64_t)quotient;
    s->cpu.regs[X86_RDX] = (uint64_t)(a % b);
    return soft_next(s, op);
}

enum { OP_MUL, OP_IMUL, OP_DIV, OP_IDIV };

static UopFn *const one_operand_fns[4][4] = {
    { mul8_fn, mul16_fn, mul32_fn, mul64_fn },
    { imul8_fn, imul16_fn, imul32_fn, imul64_fn },
    { div_narrow, div_narrow, div_narrow, div64 },
    { idiv_narrow, idiv_narrow, idiv_narrow, idiv64 },
};

/* ---- IMUL with a register destination ---- */

#define DEFINE_IMUL(bits)                                                                       \
    SOFT_INLINE uint##bits##_t multiply##bits(uint##bits##_t a, uint##bits##_t b, uint16_t *ax) \
    {                                                                                           \
        uint16_t f;                                                                             \
        __asm__("imul %[b], %[a]" SOFT_ASM_SAVE : [a] "+r"(a), "=a"(f) : [b] "r"(b) : "cc");    \
        *ax = f;                                                                                \
        return a;                                                                               \
    }                                                                                           \
    static const Uop *imul##bits##_rr(SoftCpu *s, const Uop *op)                                \
    {                                                                                           \
        soft_set##bits(                                                                         \
            s, op->dst,                                                                         \
            multiply##bits(soft_get##bits(s, op->dst), soft_get##bits(s, op->src), &s->cc.ax)); \
        return soft_next(s, op);                                                                \
    }                                                                                           \
    static const Uop *imul##bits##_rri(SoftCpu *s, const Uop *op)                               \
    {                                                                                           \
        soft_set##bits(                                                                         \
            s, op->dst,                                                                         \
            multiply##bits(soft_get##bits(s, op->src), (uint##bits##_t)op->imm, &s->cc.ax));    \
        return soft_next(s, op);                                                                \
    }                                                                                           \
    static const Uop *imul##bits##_rm(SoftCpu *s, const Uop *op)                                \
    {                                                                                           \
        uint##bits##_t b = soft_load##bits(s, op, soft_addr(s, op));                            \
        soft_set##bits(s, op->dst, multiply##bits(soft_get##bits(s, op->dst), b, &s->cc.ax));   \
        return soft_next(s, op);                                                                \
    }                                                                                           \
    static const Uop *imul##bits##_rmi(SoftCpu *s, const Uop *op)                               \
    {                                                                                           \
        uint##bits##_t b = soft_load##bits(s, op, soft_addr(s, op));                            \
        soft_set##bits(s, op->dst, multiply##bits(b, (uint##bits##_t)op->imm, &s->cc.ax));      \
        return soft_next(s, op);                                                                \
    }
DEFINE_IMUL(16)
DEFINE_IMUL(32)
DEFINE_IMUL(64)

#define IMUL_ROW(bits)                                                       \
    {                                                                        \
        imul##bits##_rr, imul##bits##_rri, imul##bits##_rm, imul##bits##_rmi \
    }

/* [width, from 16 bits][memory * 2 + immediate] */
static UopFn *const imul_fns[3][4] = { IMUL_ROW(16), IMUL_ROW(32), IMUL_ROW(64) };

static bool emit_imul(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0], *b = &in->ops[1];
    bool imm = in->raw.operand_count_visible == 3;
    UopFn *const *fns = imul_fns[soft_size_index(a->size) - 1];
    Uop *u;

    if (b->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, fns[2 + imm], b);
    } else {
        u = soft_emit(d, in, fns[imm]);
        u->src = soft_operand_reg(b);
        soft_effect(d, u, SOFT_FX_WRITE, NULL);
    }
    u->dst = soft_operand_reg(a);
    if (imm) {
        u->imm = in->ops[2].imm.value.u;
    }
    return true;
}

static bool emit_one_operand(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0];
    UopFn *fn = one_operand_fns[d->arg][soft_size_index(a->size)];
    Uop *u;

    if (in->raw.operand_count_visible > 1) {
        return emit_imul(d, in);
    }
    if (a->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, fn, a);
        u->aux = 1;
    } else {
        u = soft_emit(d, in, fn);
        u->src = soft_operand_reg(a);
    }
    u->size = (uint8_t)(a->size / 8);
    return true;
}

const SoftFamilyEntry soft_family_muldiv[] = {
    { ZYDIS_MNEMONIC_MUL, emit_one_operand, OP_MUL },
    { ZYDIS_MNEMONIC_IMUL, emit_one_operand, OP_IMUL },
    { ZYDIS_MNEMONIC_DIV, emit_one_operand, OP_DIV },
    { ZYDIS_MNEMONIC_IDIV, emit_one_operand, OP_IDIV },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};

void soft_meanings_muldiv(void)
{
    static const uint8_t forms[4] = { SOFT_RR, SOFT_RI, SOFT_RM, SOFT_MI };
    for (unsigned size = 0; size < 3; size++) {
        for (unsigned form = 0; form < 4; form++) {
            soft_meaning_add(imul_fns[size][form], (SoftMeaning){ .kind = SOFT_MEANS_IMUL,
                                                                  .size = (uint8_t)(2 << size),
                                                                  .form = forms[form] });
        }
    }
    for (uint8_t op = OP_MUL; op <= OP_IMUL; op++) {
        for (unsigned size = 2; size < 4; size++) {
            soft_meaning_add(one_operand_fns[op][size],
                             (SoftMeaning){ .kind = SOFT_MEANS_MULTIPLY,
                                            .op = op,
                                            .size = (uint8_t)(1 << size) });
        }
    }
}
