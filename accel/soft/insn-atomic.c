/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LOCKed ADD OR ADC SBB AND SUB XOR INC DEC NEG NOT; XCHG with memory; XADD and CMPXCHG (LOCKed or
 * not); CMPXCHG8B CMPXCHG16B. On guest RAM they are the host's own atomic instructions. On devices,
 * and across pages, they are a load and a store that nobody comes between (exclusive.h).
 */

#include "accel/soft/alu-ops.h"
#include "accel/soft/decode.h"
#include "accel/soft/translate/meaning.h"
#include "accel/soft/uop.h"

enum { OP_ADD, OP_OR, OP_ADC, OP_SBB, OP_AND, OP_SUB, OP_XOR, BINARY_OPS };
enum { OP_INC, OP_DEC, OP_NEG, OP_NOT, UNARY_OPS };

#define DEFINE_BINARY(name, bits)                                                          \
    static const Uop *name##bits(SoftCpu *s, const Uop *op)                                \
    {                                                                                      \
        uint64_t addr = soft_addr(s, op);                                                  \
        uint##bits##_t b = op->aux ? (uint##bits##_t)op->imm : soft_get##bits(s, op->src); \
        soft_unaligned##bits *host = soft_rmw_host(s, op, addr, (bits) / 8);               \
        uint16_t f = s->cc.ax;                                                             \
        if (SOFT_LIKELY(host != NULL)) {                                                   \
            __asm__ volatile(SOFT_ASM_CARRY "lock; " #name " %[b], %[m]" SOFT_ASM_SAVE     \
                             : [m] "+m"(*host), "+a"(f)                                    \
                             : [b] "r"(b)                                                  \
                             : "cc", "memory");                                            \
        } else {                                                                           \
            soft_locked_begin(s, op, addr, (bits) / 8);                                    \
            uint##bits##_t a = soft_load##bits(s, op, addr);                               \
            soft_store##bits(s, op, addr, soft_##name##bits(a, b, &f));                    \
            soft_locked_end(s);                                                            \
        }                                                                                  \
        s->cc.ax = f;                                                                      \
        return soft_next(s, op);                                                           \
    }

#define DEFINE_UNARY(name, bits, suffix)                                                  \
    static const Uop *name##bits(SoftCpu *s, const Uop *op)                               \
    {                                                                                     \
        uint64_t addr = soft_addr(s, op);                                                 \
        soft_unaligned##bits *host = soft_rmw_host(s, op, addr, (bits) / 8);              \
        uint16_t f = s->cc.ax;                                                            \
        if (SOFT_LIKELY(host != NULL)) {                                                  \
            __asm__ volatile(SOFT_ASM_RESTORE "lock; " #name suffix " %[m]" SOFT_ASM_SAVE \
                             : [m] "+m"(*host), "+a"(f)                                   \
                             :                                                            \
                             : "cc", "memory");                                           \
        } else {                                                                          \
            soft_locked_begin(s, op, addr, (bits) / 8);                                   \
            uint##bits##_t a = soft_load##bits(s, op, addr);                              \
            soft_store##bits(s, op, addr, soft_##name##bits(a, &f));                      \
            soft_locked_end(s);                                                           \
        }                                                                                 \
        s->cc.ax = f;                                                                     \
        return soft_next(s, op);                                                          \
    }

#define DEFINE_NOT(bits)                                                      \
    SOFT_INLINE uint##bits##_t soft_not##bits(uint##bits##_t a, uint16_t *ax) \
    {                                                                         \
        return (uint##bits##_t) ~a;                                           \
    }

#define DEFINE_XCHG(bits)                                                                    \
    static const Uop *xchg##bits(SoftCpu *s, const Uop *op)                                  \
    {                                                                                        \
        uint64_t addr = soft_addr(s, op);                                                    \
        soft_unaligned##bits *host = soft_rmw_host(s, op, addr, (bits) / 8);                 \
        uint##bits##_t a = soft_get##bits(s, op->src);                                       \
        if (SOFT_LIKELY(host != NULL)) {                                                     \
            __asm__ volatile("xchg %[a], %[m]" : [m] "+m"(*host), [a] "+r"(a) : : "memory"); \
        } else {                                                                             \
            soft_locked_begin(s, op, addr, (bits) / 8);                                      \
            uint##bits##_t old = soft_load##bits(s, op, addr);                               \
            soft_store##bits(s, op, addr, a);                                                \
            soft_locked_end(s);                                                              \
            a = old;                                                                         \
        }                                                                                    \
        soft_set##bits(s, op->src, a);                                                       \
        return soft_next(s, op);                                                             \
    }

/* Memory forms of XADD and CMPXCHG are always LOCKed here: nobody can tell. */
#define DEFINE_XADD(bits)                                                              \
    static const Uop *xadd##bits##_m(SoftCpu *s, const Uop *op)                        \
    {                                                                                  \
        uint64_t addr = soft_addr(s, op);                                              \
        soft_unaligned##bits *host = soft_rmw_host(s, op, addr, (bits) / 8);           \
        uint##bits##_t b = soft_get##bits(s, op->src);                                 \
        uint16_t f = s->cc.ax;                                                         \
        if (SOFT_LIKELY(host != NULL)) {                                               \
            __asm__ volatile("lock; xadd %[b], %[m]" SOFT_ASM_SAVE                     \
                             : [m] "+m"(*host), [b] "+r"(b), "=a"(f)                   \
                             :                                                         \
                             : "cc", "memory");                                        \
        } else {                                                                       \
            soft_locked_begin(s, op, addr, (bits) / 8);                                \
            uint##bits##_t a = soft_load##bits(s, op, addr);                           \
            soft_store##bits(s, op, addr, soft_add##bits(a, b, &f));                   \
            soft_locked_end(s);                                                        \
            b = a;                                                                     \
        }                                                                              \
        soft_set##bits(s, op->src, b);                                                 \
        s->cc.ax = f;                                                                  \
        return soft_next(s, op);                                                       \
    }                                                                                  \
    static const Uop *xadd##bits##_r(SoftCpu *s, const Uop *op)                        \
    {                                                                                  \
        uint##bits##_t a = soft_get##bits(s, op->dst), b = soft_get##bits(s, op->src); \
        soft_set##bits(s, op->src, a);                                                 \
        soft_set##bits(s, op->dst, soft_add##bits(a, b, &s->cc.ax));                   \
        return soft_next(s, op);                                                       \
    }

#define DEFINE_CMPXCHG(bits)                                                               \
    static const Uop *cmpxchg##bits##_m(SoftCpu *s, const Uop *op)                         \
    {                                                                                      \
        uint64_t addr = soft_addr(s, op), rax = s->cpu.regs[X86_RAX], old;                 \
        soft_unaligned##bits *host = soft_rmw_host(s, op, addr, (bits) / 8);               \
        uint##bits##_t b = soft_get##bits(s, op->src), m = 0;                              \
        if (SOFT_UNLIKELY(host == NULL)) {                                                 \
            soft_locked_begin(s, op, addr, (bits) / 8);                                    \
            m = soft_load##bits(s, op, addr);                                              \
            soft_store##bits(s, op, addr, m == (uint##bits##_t)rax ? b : m);               \
            soft_locked_end(s);                                                            \
        }                                                                                  \
        if (SOFT_LIKELY(host != NULL)) {                                                   \
            __asm__ volatile("lock; cmpxchg %[b], %[m]\n\tmov %%rax, %[old]" SOFT_ASM_SAVE \
                             : [m] "+m"(*host), [old] "=&r"(old), "+a"(rax)                \
                             : [b] "r"(b)                                                  \
                             : "cc", "memory");                                            \
        } else {                                                                           \
            __asm__("cmpxchg %[b], %[m]\n\tmov %%rax, %[old]" SOFT_ASM_SAVE                \
                    : [m] "+r"(m), [old] "=&r"(old), "+a"(rax)                             \
                    : [b] "r"(b)                                                           \
                    : "cc");                                                               \
        }                                                                                  \
        s->cpu.regs[X86_RAX] = old;                                                        \
        s->cc.ax = (uint16_t)rax;                                                          \
        return soft_next(s, op);                                                           \
    }

/* Destination and RAX are given to the host whole, so that their upper parts become what it makes
 * of them. @modifier: the operand size of %[a]. @get, @set: how the destination is reached. */
#define DEFINE_CMPXCHG_REG(bits, type, modifier, get, set)                          \
    static const Uop *cmpxchg##bits##_r(SoftCpu *s, const Uop *op)                  \
    {                                                                               \
        uint64_t rax = s->cpu.regs[X86_RAX], old;                                   \
        type a = get(s, op->dst);                                                   \
        uint##bits##_t b = soft_get##bits(s, op->src);                              \
        __asm__("cmpxchg %[b], %" modifier "[a]\n\tmov %%rax, %[old]" SOFT_ASM_SAVE \
                : [a] "+r"(a), [old] "=&r"(old), "+a"(rax)                          \
                : [b] "r"(b)                                                        \
                : "cc");                                                            \
        s->cpu.regs[X86_RAX] = old;                                                 \
        s->cc.ax = (uint16_t)rax;                                                   \
        set(s, op->dst, a); /* last: it may be RAX */                               \
        return soft_next(s, op);                                                    \
    }
DEFINE_CMPXCHG_REG(8, uint8_t, "b", soft_get8, soft_set8)
DEFINE_CMPXCHG_REG(16, uint64_t, "w", soft_get64, soft_set64)
DEFINE_CMPXCHG_REG(32, uint64_t, "k", soft_get64, soft_set64)
DEFINE_CMPXCHG_REG(64, uint64_t, "q", soft_get64, soft_set64)

#define DEFINE_ALL(bits, suffix)    \
    DEFINE_NOT(bits)                \
    DEFINE_BINARY(add, bits)        \
    DEFINE_BINARY(or, bits)         \
    DEFINE_BINARY(adc, bits)        \
    DEFINE_BINARY(sbb, bits)        \
    DEFINE_BINARY(and, bits)        \
    DEFINE_BINARY(sub, bits)        \
    DEFINE_BINARY(xor, bits)        \
    DEFINE_UNARY(inc, bits, suffix) \
    DEFINE_UNARY(dec, bits, suffix) \
    DEFINE_UNARY(neg, bits, suffix) \
    DEFINE_UNARY(not, bits, suffix) \
    DEFINE_XCHG(bits)               \
    DEFINE_XADD(bits)               \
    DEFINE_CMPXCHG(bits)

DEFINE_ALL(8, "b")
DEFINE_ALL(16, "w")
DEFINE_ALL(32, "l")
DEFINE_ALL(64, "q")

#define ROW(name)                             \
    {                                         \
        name##8, name##16, name##32, name##64 \
    }

static UopFn *const binary_fns[BINARY_OPS][4] = {
    ROW(add), ROW(or), ROW(adc), ROW(sbb), ROW(and), ROW(sub), ROW(xor),
};
static UopFn *const unary_fns[UNARY_OPS][4] = { ROW(inc), ROW(dec), ROW(neg), ROW(not ) };
static UopFn *const xchg_fns[4] = ROW(xchg);

static bool emit_binary(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *a = &in->ops[0], *b = &in->ops[1];

    if (!(in->raw.attributes & ZYDIS_ATTRIB_HAS_LOCK)) {
        return false;
    }
    Uop *u = soft_emit_mem(d, in, binary_fns[d->arg][soft_size_index(a->size)], a);
    if (b->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        u->aux = 1;
        u->imm = b->imm.value.u;
    } else {
        u->src = soft_operand_reg(b);
    }
    return true;
}

static bool emit_unary(SoftDecoder *d, const SoftInsn *in)
{
    if (!(in->raw.attributes & ZYDIS_ATTRIB_HAS_LOCK)) {
        return false;
    }
    soft_emit_mem(d, in, unary_fns[d->arg][soft_size_index(in->ops[0].size)], &in->ops[0]);
    return true;
}

static bool emit_xchg(SoftDecoder *d, const SoftInsn *in)
{
    bool first = in->ops[0].type == ZYDIS_OPERAND_TYPE_MEMORY;
    const ZydisDecodedOperand *m = &in->ops[first ? 0 : 1], *r = &in->ops[first ? 1 : 0];

    if (m->type != ZYDIS_OPERAND_TYPE_MEMORY) {
        return false;
    }
    soft_emit_mem(d, in, xchg_fns[soft_size_index(m->size)], m)->src = soft_operand_reg(r);
    return true;
}

enum { OP_XADD, OP_CMPXCHG };

static bool emit_exchange(SoftDecoder *d, const SoftInsn *in)
{
    static UopFn *const fns[2][4][2] = {
        { { xadd8_r, xadd8_m },
          { xadd16_r, xadd16_m },
          { xadd32_r, xadd32_m },
          { xadd64_r, xadd64_m } },
        { { cmpxchg8_r, cmpxchg8_m },
          { cmpxchg16_r, cmpxchg16_m },
          { cmpxchg32_r, cmpxchg32_m },
          { cmpxchg64_r, cmpxchg64_m } },
    };
    const ZydisDecodedOperand *a = &in->ops[0];
    UopFn *const *pair = fns[d->arg][soft_size_index(a->size)];
    Uop *u;

    if (a->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, pair[1], a);
    } else {
        u = soft_emit(d, in, pair[0]);
        u->dst = soft_operand_reg(a);
    }
    u->src = soft_operand_reg(&in->ops[1]);
    return true;
}

/* ---- CMPXCHG8B CMPXCHG16B ---- */

static void set_zero_flag(SoftCpu *s, bool zero)
{
    s->cc.ax = (uint16_t)((s->cc.ax & ~AX_ZF) | (zero ? AX_ZF : 0));
}

static const Uop *cmpxchg8b(SoftCpu *s, const Uop *op)
{
    uint64_t addr = soft_addr(s, op);
    uint64_t expected = (uint64_t)soft_get32(s, X86_RDX) << 32 | soft_get32(s, X86_RAX);
    uint64_t desired = (uint64_t)soft_get32(s, X86_RCX) << 32 | soft_get32(s, X86_RBX);
    uint64_t old;
    void *host = soft_rmw_host(s, op, addr, 8);

    if (SOFT_LIKELY(host != NULL)) {
        old = __sync_val_compare_and_swap((soft_unaligned64 *)host, expected, desired);
    } else {
        soft_locked_begin(s, op, addr, 8);
        old = soft_load64(s, op, addr);
        soft_store64(s, op, addr, old == expected ? desired : old);
        soft_locked_end(s);
    }
    if (old != expected) {
        soft_set32(s, X86_RAX, (uint32_t)old);
        soft_set32(s, X86_RDX, (uint32_t)(old >> 32));
    }
    set_zero_flag(s, old == expected);
    return soft_next(s, op);
}

static const Uop *cmpxchg16b(SoftCpu *s, const Uop *op)
{
    uint64_t addr = soft_addr(s, op);
    uint64_t low = s->cpu.regs[X86_RAX], high = s->cpu.regs[X86_RDX];
    bool equal;

    if (addr % 16) {
        soft_raise(s, op, EXC_GP, 0);
    }
    uint64_t *host = soft_rmw_host(s, op, addr, 16);
    if (SOFT_LIKELY(host != NULL)) {
        __asm__ volatile("lock; cmpxchg16b %[m]"
                         : [m] "+m"(*(unsigned __int128 *)host), "+a"(low), "+d"(high),
                           "=@ccz"(equal)
                         : "b"(s->cpu.regs[X86_RBX]), "c"(s->cpu.regs[X86_RCX])
                         : "memory");
    } else {
        soft_locked_begin(s, op, addr, 16);
        uint64_t old_low = soft_load64(s, op, addr), old_high = soft_load64(s, op, addr + 8);
        equal = old_low == low && old_high == high;
        soft_store64(s, op, addr, equal ? s->cpu.regs[X86_RBX] : old_low);
        soft_store64(s, op, addr + 8, equal ? s->cpu.regs[X86_RCX] : old_high);
        soft_locked_end(s);
        low = old_low;
        high = old_high;
    }
    s->cpu.regs[X86_RAX] = low;
    s->cpu.regs[X86_RDX] = high;
    set_zero_flag(s, equal);
    return soft_next(s, op);
}

static bool emit_cmpxchg8b(SoftDecoder *d, const SoftInsn *in)
{
    soft_emit_mem(d, in, cmpxchg8b, &in->ops[0]);
    return true;
}

static bool emit_cmpxchg16b(SoftDecoder *d, const SoftInsn *in)
{
    soft_emit_mem(d, in, cmpxchg16b, &in->ops[0]);
    return true;
}

const SoftFamilyEntry soft_family_atomic[] = {
    { ZYDIS_MNEMONIC_ADD, emit_binary, OP_ADD },
    { ZYDIS_MNEMONIC_OR, emit_binary, OP_OR },
    { ZYDIS_MNEMONIC_ADC, emit_binary, OP_ADC },
    { ZYDIS_MNEMONIC_SBB, emit_binary, OP_SBB },
    { ZYDIS_MNEMONIC_AND, emit_binary, OP_AND },
    { ZYDIS_MNEMONIC_SUB, emit_binary, OP_SUB },
    { ZYDIS_MNEMONIC_XOR, emit_binary, OP_XOR },
    { ZYDIS_MNEMONIC_INC, emit_unary, OP_INC },
    { ZYDIS_MNEMONIC_DEC, emit_unary, OP_DEC },
    { ZYDIS_MNEMONIC_NEG, emit_unary, OP_NEG },
    { ZYDIS_MNEMONIC_NOT, emit_unary, OP_NOT },
    { ZYDIS_MNEMONIC_XCHG, emit_xchg, 0 },
    { ZYDIS_MNEMONIC_XADD, emit_exchange, OP_XADD },
    { ZYDIS_MNEMONIC_CMPXCHG, emit_exchange, OP_CMPXCHG },
    { ZYDIS_MNEMONIC_CMPXCHG8B, emit_cmpxchg8b, 0 },
    { ZYDIS_MNEMONIC_CMPXCHG16B, emit_cmpxchg16b, 0 },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};

void soft_meanings_atomic(void)
{
    static UopFn *const xadd[4] = { xadd8_m, xadd16_m, xadd32_m, xadd64_m };
    static UopFn *const cmpxchg[4] = { cmpxchg8_m, cmpxchg16_m, cmpxchg32_m, cmpxchg64_m };

    for (unsigned i = 0; i < 4; i++) {
        SoftMeaning m = { .size = (uint8_t)(1 << i), .form = SOFT_MR };
        m.kind = SOFT_MEANS_SWAP;
        soft_meaning_add(xchg_fns[i], m);
        m.kind = SOFT_MEANS_XADD;
        soft_meaning_add(xadd[i], m);
        m.kind = SOFT_MEANS_CMPXCHG;
        soft_meaning_add(cmpxchg[i], m);
        m.kind = SOFT_MEANS_LOCKED;
        for (m.op = OP_ADD; m.op < BINARY_OPS; m.op++) {
            soft_meaning_add(binary_fns[m.op][i], m);
        }
    }
}
