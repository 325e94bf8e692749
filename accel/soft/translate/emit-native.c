/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The instructions that the interpreter runs by thunks (native.h), emitted as themselves: SSE to
 * SSE4, POPCNT, LZCNT, TZCNT, AES. The thunk knows the encoding with the registers of its slots,
 * which are replaced by the guest's.
 */
#include <string.h>

#include "accel/soft/native.h"
#include "accel/soft/translate/emit-sse.h"

/* A legacy encoding in parts (SDM vol. 2 section 2.1). */
typedef struct Encoding {
    uint8_t prefix; /* 0x66, 0xf2, 0xf3; 0: none */
    bool wide;      /* REX.W */
    uint32_t opcode;
    uint8_t reg, rm; /* REX bits included */
    bool memory;
    uint8_t imm_len;
    const uint8_t *imm;
} Encoding;

/* False: it is of another kind. */
static bool parse(const NativeThunk *thunk, Encoding *e)
{
    const uint8_t *p = thunk->insn, *end = p + thunk->insn_len;
    uint8_t rex = 0;

    *e = (Encoding){ 0 };
    if (*p == 0x66 || *p == 0xf2 || *p == 0xf3) {
        e->prefix = *p++;
    }
    if ((*p & 0xf0) == 0x40) {
        rex = *p++;
    }
    if (end - p < 3 || *p++ != 0x0f) {
        return false;
    }
    e->opcode = 0x0f00u | *p++;
    if (e->opcode == 0x0f38 || e->opcode == 0x0f3a) {
        e->opcode = e->opcode << 8 | *p++;
    }
    if (p >= end) {
        return false;
    }
    uint8_t modrm = *p++;
    e->wide = rex & 8;
    e->reg = (uint8_t)((modrm >> 3 & 7) | (rex & 4 ? 8 : 0));
    e->rm = (uint8_t)((modrm & 7) | (rex & 1 ? 8 : 0));
    e->memory = modrm < 0xc0;
    e->imm = p;
    e->imm_len = (uint8_t)(end - p);
    return !e->memory || (thunk->mem_size && modrm >> 6 == 0 && e->rm == HOST_R9);
}

/* The slot whose register that is; -1: none. */
static int slot_of(const NativeThunk *thunk, unsigned reg)
{
    static const uint8_t gprs[NATIVE_SLOTS] = { HOST_R10, HOST_R11, HOST_RSI };
    for (int i = 0; i < NATIVE_SLOTS; i++) {
        if ((thunk->slots[i] == NATIVE_SLOT_XMM && reg == i + 1u) ||
            (thunk->slots[i] == NATIVE_SLOT_GPR && reg == gprs[i])) {
            return i;
        }
    }
    return -1;
}

/* Shifts by a constant have an opcode extension in the place of a register. */
static bool has_digit(const Encoding *e)
{
    return e->opcode >= 0x0f71 && e->opcode <= 0x0f73;
}

/* Byte operands (CRC32), and groups of which no member is worth it. */
static bool refused(const Encoding *e)
{
    return e->opcode == 0x0f38f0 || e->opcode == 0x0f38f1 || e->opcode == 0x0fc7 ||
           e->opcode == 0x0fae;
}

static unsigned guest_of(const Uop *op, int slot)
{
    return slot == 0 ? op->dst : slot == 1 ? op->src : op->aux;
}

/* The host register for the guest's in @slot. */
static unsigned begin_slot(Translator *t, const NativeThunk *thunk, int slot, unsigned scratch)
{
    unsigned reg = guest_of(t->op, slot);
    if (thunk->slots[slot] == NATIVE_SLOT_XMM) {
        xmm_read(t, reg);
        return reg;
    }
    return guest_change(t, reg, scratch);
}

static void end_slot(Translator *t, const NativeThunk *thunk, int slot, unsigned host)
{
    if (slot < 0 || !(thunk->slots_written & 1 << slot)) {
        return;
    }
    if (thunk->slots[slot] == NATIVE_SLOT_XMM) {
        xmm_written(t, host);
    } else {
        guest_write(t, guest_of(t->op, slot), host);
    }
}

static bool possible(const Translator *t, const NativeThunk *thunk, const Encoding *e)
{
    return thunk->plain && !refused(e) &&
           (thunk->flags_written == 0 || thunk->flags_written == RFLAGS_ARITH) &&
           (has_digit(e) || slot_of(thunk, e->reg) >= 0) &&
           (e->memory ? memory_possible(t) && thunk->mem_size <= 16 && e->imm_len <= 1 &&
                            !(thunk->mem_read && thunk->mem_written)
                      : slot_of(thunk, e->rm) >= 0);
}

bool host_emit_native(Translator *t, const Uop *op, const SoftMeaning *m)
{
    const NativeThunk *thunk = (const NativeThunk *)(uintptr_t)op->imm;
    Encoding e;

    if (!parse(thunk, &e) || !possible(t, thunk, &e) || (thunk->sse && !sse_allowed(t))) {
        return false;
    }
    if (thunk->mxcsr) {
        mxcsr_need(t);
    }
    int reg_slot = has_digit(&e) ? -1 : slot_of(thunk, e.reg);
    int rm_slot = e.memory ? -1 : slot_of(thunk, e.rm);
    unsigned reg = e.reg, scratch = SCRATCH_A;
    HostRm rm;
    if (e.memory) {
        rm = sse_operand(t, thunk->mem_size, thunk->mem_written, thunk->mem_aligned);
        scratch = memory_scratch(t, &rm);
    } else {
        rm = host_reg(begin_slot(t, thunk, rm_slot, SCRATCH_B));
    }
    if (reg_slot >= 0) {
        reg = reg_slot == rm_slot ? rm.base : begin_slot(t, thunk, reg_slot, scratch);
    }
    host_insn_prefix(&t->c, e.prefix, e.wide, false, e.opcode, reg, rm);
    host_bytes(&t->c, e.imm, e.imm_len);
    end_slot(t, thunk, reg_slot, reg);
    end_slot(t, thunk, rm_slot, rm.base);
    if (thunk->flags_written) {
        flags_written(t);
    }
    return true;
}
