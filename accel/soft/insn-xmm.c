/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moves of whole XMM registers, which compiled code is full of:
 *   MOVAPS MOVAPD MOVDQA MOVUPS MOVUPD MOVDQU LDDQU
 * Everything else with XMM registers goes through thunks (native.c).
 */
#include "accel/soft/access.h"
#include "accel/soft/native.h"
#include "accel/soft/translate/meaning.h"
#include "accel/soft/uop.h"

static inline void check(SoftCpu *s, const Uop *op)
{
    if (G_UNLIKELY((s->cpu.cr0 & (CR0_EM | CR0_TS)) || !(s->cpu.cr4 & CR4_OSFXSR))) {
        native_check_sse(s, op);
    }
}

static inline uint64_t address(SoftCpu *s, const Uop *op)
{
    uint64_t addr = soft_addr(s, op);
    if (op->aux && (addr & 15)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    return addr;
}

static void __attribute__((noinline)) xmm_load_slow(SoftCpu *s, const Uop *op, uint64_t addr)
{
    uint8_t data[16]; /* the register must not change if the second page faults */
    soft_read(s, op, addr, data, 16);
    memcpy(native_xmm(s, op->dst), data, 16);
}

static const Uop *xmm_load(SoftCpu *s, const Uop *op)
{
    check(s, op);
    uint64_t addr = address(s, op);
    const void *host = soft_read_host(s, addr, 16);
    if (G_LIKELY(host != NULL)) {
        memcpy(native_xmm(s, op->dst), host, 16);
    } else {
        xmm_load_slow(s, op, addr);
    }
    return soft_next(s, op);
}

static const Uop *xmm_store(SoftCpu *s, const Uop *op)
{
    check(s, op);
    uint64_t addr = address(s, op);
    void *host = soft_write_host(s, addr, 16);
    if (G_LIKELY(host != NULL)) {
        memcpy(host, native_xmm(s, op->src), 16);
    } else {
        soft_write(s, op, addr, native_xmm(s, op->src), 16);
    }
    return soft_next(s, op);
}

static const Uop *xmm_move(SoftCpu *s, const Uop *op)
{
    check(s, op);
    memcpy(native_xmm(s, op->dst), native_xmm(s, op->src), 16);
    return soft_next(s, op);
}

/* arg: 1 if a memory operand must be aligned */
static bool emit_move(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *dst = &in->ops[0], *src = &in->ops[1];
    Uop *u;
    if (dst->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, xmm_store, dst);
    } else if (src->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, xmm_load, src);
    } else {
        u = soft_emit(d, in, xmm_move);
    }
    if (dst->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        u->dst = dst->reg.value - ZYDIS_REGISTER_XMM0;
    }
    if (src->type == ZYDIS_OPERAND_TYPE_REGISTER) {
        u->src = src->reg.value - ZYDIS_REGISTER_XMM0;
    }
    u->aux = d->arg;
    return true;
}

const SoftFamilyEntry soft_family_xmm[] = {
    { ZYDIS_MNEMONIC_MOVAPS, emit_move, 1 }, { ZYDIS_MNEMONIC_MOVAPD, emit_move, 1 },
    { ZYDIS_MNEMONIC_MOVDQA, emit_move, 1 }, { ZYDIS_MNEMONIC_MOVUPS, emit_move, 0 },
    { ZYDIS_MNEMONIC_MOVUPD, emit_move, 0 }, { ZYDIS_MNEMONIC_MOVDQU, emit_move, 0 },
    { ZYDIS_MNEMONIC_LDDQU, emit_move, 0 },  { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};

void soft_meanings_xmm(void)
{
    soft_meaning_add(xmm_load, (SoftMeaning){ .kind = SOFT_MEANS_XMM, .form = SOFT_RM });
    soft_meaning_add(xmm_store, (SoftMeaning){ .kind = SOFT_MEANS_XMM, .form = SOFT_MR });
    soft_meaning_add(xmm_move, (SoftMeaning){ .kind = SOFT_MEANS_XMM, .form = SOFT_RR });
}
