/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CLC STC CMC CLD STD LAHF SAHF SALC, the decimal instructions of legacy modes (AAA AAS AAM AAD DAA
 * DAS), BOUND, UD0-2, and what does nothing here: NOP PAUSE PREFETCHx CLFLUSH fences.
 */
#include <sched.h>

#include "accel/soft/decode.h"
#include "accel/soft/uop.h"

/* ---- single flags ---- */

static const Uop *change_carry(SoftCpu *s, const Uop *op)
{
    s->cc.ax = (uint16_t)((s->cc.ax & ~op->imm) ^ op->disp);
    return soft_next(s, op);
}

enum { CARRY_CLEAR, CARRY_SET, CARRY_COMPLEMENT };

static bool emit_carry(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit(d, in, change_carry);
    u->imm = d->arg == CARRY_COMPLEMENT ? 0 : AX_CF;
    u->disp = d->arg == CARRY_CLEAR ? 0 : AX_CF;
    return true;
}

static const Uop *set_direction(SoftCpu *s, const Uop *op)
{
    s->cpu.rflags = (s->cpu.rflags & ~(uint64_t)RFLAGS_DF) | op->imm;
    return soft_next(s, op);
}

static bool emit_direction(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit(d, in, set_direction);
    u->imm = d->arg;
    soft_effect(d, u, SOFT_FX_NONE, NULL);
    return true;
}

#define OFFSET_AL (X86_RAX * 8)
#define OFFSET_AH (X86_RAX * 8 + 1)

static const Uop *lahf(SoftCpu *s, const Uop *op)
{
    soft_set8(s, OFFSET_AH, (uint8_t)((s->cc.ax >> 8 & 0xd5) | RFLAGS_ONE));
    return soft_next(s, op);
}

static const Uop *sahf(SoftCpu *s, const Uop *op)
{
    s->cc.ax = (uint16_t)((soft_get8(s, OFFSET_AH) & 0xd5) << 8 | (s->cc.ax & AX_OF));
    return soft_next(s, op);
}

static const Uop *salc(SoftCpu *s, const Uop *op)
{
    soft_set8(s, OFFSET_AL, s->cc.ax & AX_CF ? 0xff : 0);
    return soft_next(s, op);
}

/* ---- decimal: 64-bit processors cannot run them, so by the manual (SDM vol. 2) ---- */

/* SF ZF PF of @al, with CF and AF as given and OF clear. */
static void set_decimal_flags(SoftCpu *s, uint8_t al, bool carry, bool adjust)
{
    unsigned ax = (al & 0x80 ? AX_SF : 0) | (al == 0 ? AX_ZF : 0) |
                  (__builtin_parity(al) ? 0 : AX_PF) | (carry ? AX_CF : 0) | (adjust ? AX_AF : 0);
    s->cc.ax = (uint16_t)ax;
}

/* AAA (@sign 1) and AAS (-1). */
static void adjust_ascii(SoftCpu *s, int sign)
{
    uint16_t ax = soft_get16(s, X86_RAX);
    bool adjust = (ax & 15) > 9 || (s->cc.ax & AX_AF);

    if (adjust) {
        ax = (uint16_t)(ax + sign * 0x106);
    }
    ax &= 0xff0f;
    soft_set16(s, X86_RAX, ax);
    set_decimal_flags(s, (uint8_t)ax, adjust, adjust);
}

/* DAA (@sign 1) and DAS (-1). */
static void adjust_decimal(SoftCpu *s, int sign)
{
    uint8_t old = soft_get8(s, OFFSET_AL), al = old;
    bool old_carry = s->cc.ax & AX_CF;
    bool adjust = (old & 15) > 9 || (s->cc.ax & AX_AF);
    bool carry = old > 0x99 || old_carry;

    if (adjust) {
        al = (uint8_t)(al + sign * 6);
        carry = carry || (sign < 0 && old < 6);
    }
    if (old > 0x99 || old_carry) {
        al = (uint8_t)(al + sign * 0x60);
    }
    soft_set8(s, OFFSET_AL, al);
    set_decimal_flags(s, al, carry, adjust);
}

static const Uop *aaa(SoftCpu *s, const Uop *op)
{
    adjust_ascii(s, 1);
    return soft_next(s, op);
}
static const Uop *aas(SoftCpu *s, const Uop *op)
{
    adjust_ascii(s, -1);
    return soft_next(s, op);
}
static const Uop *daa(SoftCpu *s, const Uop *op)
{
    adjust_decimal(s, 1);
    return soft_next(s, op);
}
static const Uop *das(SoftCpu *s, const Uop *op)
{
    adjust_decimal(s, -1);
    return soft_next(s, op);
}

static const Uop *aam(SoftCpu *s, const Uop *op)
{
    uint8_t al = soft_get8(s, OFFSET_AL), base = op->aux;

    if (base == 0) {
        soft_raise(s, op, EXC_DE, -1);
    }
    soft_set16(s, X86_RAX, (uint16_t)(al / base << 8 | al % base));
    set_decimal_flags(s, al % base, false, false);
    return soft_next(s, op);
}

static const Uop *aad(SoftCpu *s, const Uop *op)
{
    uint8_t al = (uint8_t)(soft_get8(s, OFFSET_AL) + soft_get8(s, OFFSET_AH) * op->aux);
    soft_set16(s, X86_RAX, al);
    set_decimal_flags(s, al, false, false);
    return soft_next(s, op);
}

enum { LAHF, SAHF, SALC, AAA, AAS, AAM, AAD, DAA, DAS };

static bool emit_simple(SoftDecoder *d, const SoftInsn *in)
{
    static UopFn *const fns[] = { lahf, sahf, salc, aaa, aas, aam, aad, daa, das };
    Uop *u = soft_emit(d, in, fns[d->arg]);
    if (in->ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
        u->aux = (uint8_t)in->ops[0].imm.value.u;
    }
    return true;
}

/* ---- BOUND ---- */

static const Uop *bound(SoftCpu *s, const Uop *op)
{
    uint64_t addr = soft_addr(s, op);
    unsigned shift = 64 - 8 * op->aux;
    int64_t index = (int64_t)(soft_get(s, op->src, op->aux) << shift) >> shift;
    int64_t low = (int64_t)(soft_load(s, op, addr, op->aux) << shift) >> shift;
    int64_t high = (int64_t)(soft_load(s, op, addr + op->aux, op->aux) << shift) >> shift;

    if (index < low || index > high) {
        soft_raise(s, op, EXC_BR, -1);
    }
    return soft_next(s, op);
}

static bool emit_bound(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit_mem(d, in, bound, &in->ops[1]);
    u->src = soft_operand_reg(&in->ops[0]);
    u->aux = (uint8_t)(in->ops[0].size / 8);
    return true;
}

/* ---- nothing, or nearly ---- */

static const Uop *fence(SoftCpu *s, const Uop *op)
{
    atomic_thread_fence(memory_order_seq_cst);
    return soft_next(s, op);
}

/* A CPU that waits in a loop gives its turn away now and then: the one that it waits for may need
 * this host CPU. With more CPUs than the host has it would not get on else. */
#define PAUSES_A_TURN 16

static const Uop *pause_hint(SoftCpu *s, const Uop *op)
{
    static __thread unsigned pauses;

    if (++pauses % PAUSES_A_TURN) {
        __builtin_ia32_pause();
    } else {
        sched_yield();
    }
    return soft_next(s, op);
}

enum { HINT_FENCE, HINT_PAUSE };

static bool emit_hint(SoftDecoder *d, const SoftInsn *in)
{
    static UopFn *const fns[] = { fence, pause_hint };
    soft_effect(d, soft_emit(d, in, fns[d->arg]), SOFT_FX_NONE, NULL);
    return true;
}

/* CLFLUSH, CLFLUSHOPT, CLWB: caches are coherent and not ours, but the address must be one that
 * could be read. */
static const Uop *flush_line(SoftCpu *s, const Uop *op)
{
    soft_probe_read(s, op, soft_addr(s, op), 1);
    return soft_next(s, op);
}

static bool emit_flush_line(SoftDecoder *d, const SoftInsn *in)
{
    soft_emit_mem(d, in, flush_line, &in->ops[0]);
    return true;
}

static bool emit_nothing(SoftDecoder *d, const SoftInsn *in)
{
    return true;
}

static bool emit_undefined(SoftDecoder *d, const SoftInsn *in)
{
    soft_emit_raise(d, in, EXC_UD, -1);
    return true;
}

const SoftFamilyEntry soft_family_misc[] = {
    { ZYDIS_MNEMONIC_CLC, emit_carry, CARRY_CLEAR },
    { ZYDIS_MNEMONIC_STC, emit_carry, CARRY_SET },
    { ZYDIS_MNEMONIC_CMC, emit_carry, CARRY_COMPLEMENT },
    { ZYDIS_MNEMONIC_CLD, emit_direction, 0 },
    { ZYDIS_MNEMONIC_STD, emit_direction, RFLAGS_DF },
    { ZYDIS_MNEMONIC_LAHF, emit_simple, LAHF },
    { ZYDIS_MNEMONIC_SAHF, emit_simple, SAHF },
    { ZYDIS_MNEMONIC_SALC, emit_simple, SALC },
    { ZYDIS_MNEMONIC_AAA, emit_simple, AAA },
    { ZYDIS_MNEMONIC_AAS, emit_simple, AAS },
    { ZYDIS_MNEMONIC_AAM, emit_simple, AAM },
    { ZYDIS_MNEMONIC_AAD, emit_simple, AAD },
    { ZYDIS_MNEMONIC_DAA, emit_simple, DAA },
    { ZYDIS_MNEMONIC_DAS, emit_simple, DAS },
    { ZYDIS_MNEMONIC_BOUND, emit_bound, 0 },
    { ZYDIS_MNEMONIC_UD0, emit_undefined, 0 },
    { ZYDIS_MNEMONIC_UD1, emit_undefined, 0 },
    { ZYDIS_MNEMONIC_UD2, emit_undefined, 0 },
    { ZYDIS_MNEMONIC_MFENCE, emit_hint, HINT_FENCE },
    { ZYDIS_MNEMONIC_LFENCE, emit_nothing, 0 },
    { ZYDIS_MNEMONIC_SFENCE, emit_nothing, 0 },
    { ZYDIS_MNEMONIC_PAUSE, emit_hint, HINT_PAUSE },
    { ZYDIS_MNEMONIC_NOP, emit_nothing, 0 },
    { ZYDIS_MNEMONIC_PREFETCH, emit_nothing, 0 },
    { ZYDIS_MNEMONIC_PREFETCHNTA, emit_nothing, 0 },
    { ZYDIS_MNEMONIC_PREFETCHT0, emit_nothing, 0 },
    { ZYDIS_MNEMONIC_PREFETCHT1, emit_nothing, 0 },
    { ZYDIS_MNEMONIC_PREFETCHT2, emit_nothing, 0 },
    { ZYDIS_MNEMONIC_PREFETCHW, emit_nothing, 0 },
    { ZYDIS_MNEMONIC_CLFLUSH, emit_flush_line, 0 },
    { ZYDIS_MNEMONIC_CLFLUSHOPT, emit_flush_line, 0 },
    { ZYDIS_MNEMONIC_CLWB, emit_flush_line, 0 },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};
