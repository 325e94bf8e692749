/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MOV and its kin: none of them touches flags. */
#include "accel/soft/translate/emit.h"

/* A register gets @size bytes of the host register @reg, which may be scratch. */
static void set_register(Translator *t, unsigned dst, unsigned size, unsigned reg)
{
    HostRm rm = guest_rm(dst);
    if (size == 4 && rm.memory) {
        host_load(&t->c, 4, SCRATCH_A, host_reg(reg));
        host_store(&t->c, 8, rm, SCRATCH_A);
    } else {
        host_store(&t->c, size, rm, reg);
    }
}

static bool mov_high(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned high, low;

    if (!guest_high(op->src, m->size, &high) || !guest_reg(op->dst, m->size, &low)) {
        return false;
    }
    guest_read_high(t, high);
    host_store(&t->c, 1, guest_rm(low), SCRATCH_A);
    return true;
}

static bool mov_registers(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned dst, src;
    if (!guest_reg(op->dst, m->size, &dst) || !guest_reg(op->src, m->size, &src)) {
        return mov_high(t, op, m);
    }
    HostRm to = guest_rm(dst), from = guest_rm(src);
    if (!to.memory) {
        host_load(&t->c, m->size, to.base, from);
    } else {
        set_register(t, dst, m->size, guest_read(t, src, SCRATCH_A));
    }
    return true;
}

static bool mov_imm(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned dst;
    if (!guest_reg(op->dst, m->size, &dst)) {
        return false;
    }
    HostRm to = guest_rm(dst);
    if (m->size < 4) {
        host_store_imm(&t->c, m->size, to, (int64_t)op->imm);
        return true;
    }
    uint64_t imm = m->size == 4 ? (uint32_t)op->imm : op->imm;
    if (!to.memory) {
        host_mov_imm(&t->c, to.base, imm);
    } else if ((int64_t)imm == (int32_t)imm) {
        host_store_imm(&t->c, 8, to, (int64_t)imm);
    } else {
        host_mov_imm(&t->c, SCRATCH_A, imm);
        host_store(&t->c, 8, to, SCRATCH_A);
    }
    return true;
}

static bool mov_load(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned dst;
    if (!memory_possible(t) || !guest_reg(op->dst, m->size, &dst)) {
        return false;
    }
    HostRm mem = memory_operand(t, m->size, false), to = guest_rm(dst);
    if (!to.memory) {
        host_load(&t->c, m->size, to.base, mem);
    } else {
        host_load(&t->c, m->size, SCRATCH_A, mem);
        host_store(&t->c, m->size == 4 ? 8 : m->size, to, SCRATCH_A);
    }
    return true;
}

static bool mov_store(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned src = 0;
    if (!memory_possible(t) || (m->form == SOFT_MR && !guest_reg(op->src, m->size, &src))) {
        return false;
    }
    if (m->form == SOFT_MI) {
        if (m->size == 8 && (int64_t)op->imm != (int32_t)op->imm) {
            return false;
        }
        host_store_imm(&t->c, m->size, memory_operand(t, m->size, true), (int64_t)op->imm);
        return true;
    }
    HostRm mem = memory_operand(t, m->size, true);
    unsigned reg = guest_host_reg(src);
    if (reg == HOST_NO_REG) {
        reg = guest_read(t, src, memory_scratch(t, &mem));
    }
    host_store(&t->c, m->size, mem, reg);
    return true;
}

bool host_emit_mov(Translator *t, const Uop *op, const SoftMeaning *m)
{
    switch (m->form) {
    case SOFT_RR:
        return mov_registers(t, op, m);
    case SOFT_RI:
        return mov_imm(t, op, m);
    case SOFT_RM:
        return mov_load(t, op, m);
    default:
        return mov_store(t, op, m);
    }
}

bool host_emit_nothing(Translator *t, const Uop *op, const SoftMeaning *m)
{
    return true;
}

/* MOVZX, MOVSX, MOVSXD, by the size of the source; a MOV of 32 bits clears the upper half. */
static void emit_widen(Translator *t, const SoftMeaning *m, unsigned reg, HostRm from)
{
    unsigned size = m->op ? m->size : m->size == 2 ? 2 : 4;
    uint32_t opcode = m->from == 1   ? (m->op ? 0x0fbe : 0x0fb6)
                      : m->from == 2 ? (m->op ? 0x0fbf : 0x0fb7)
                                     : (m->op ? 0x63 : 0x8b);
    if (m->from == 1 && size == 2) {
        HOST_BYTES(&t->c, 0x66);
    }
    if (m->from == 1) {
        host_insn_prefix(&t->c, 0, size == 8, true, opcode, reg, from);
    } else {
        host_insn(&t->c, size, opcode, reg, from);
    }
}

bool host_emit_widen(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned src = 0;
    HostRm from;

    if (m->form == SOFT_RM) {
        if (!memory_possible(t)) {
            return false;
        }
        from = memory_operand(t, m->from, false);
    } else if (guest_reg(op->src, m->from, &src)) {
        from = guest_rm(src);
    } else {
        guest_read_high(t, src);
        from = host_reg(SCRATCH_A);
    }
    HostRm to = guest_rm(op->dst);
    if (!to.memory) {
        emit_widen(t, m, to.base, from);
    } else {
        emit_widen(t, m, SCRATCH_A, from);
        host_store(&t->c, m->size == 2 ? 2 : 8, to, SCRATCH_A);
    }
    return true;
}

bool host_emit_lea(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (!memory_possible(t)) {
        return false;
    }
    unsigned host = guest_host_reg(op->dst);
    address_load(t, host != HOST_NO_REG ? host : SCRATCH_A, m->size);
    if (host == HOST_NO_REG) {
        host_store(&t->c, 8, guest_rm(op->dst), SCRATCH_A);
    }
    return true;
}

bool host_emit_bswap(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned reg = guest_change(t, op->dst, SCRATCH_A);
    unsigned rex = (m->size == 8 ? 0x48 : 0) | (reg & 8 ? 0x41 : 0);
    if (rex) {
        HOST_BYTES(&t->c, (uint8_t)rex);
    }
    HOST_BYTES(&t->c, 0x0f, (uint8_t)(0xc8 | (reg & 7)));
    guest_write(t, op->dst, reg);
    return true;
}

bool host_emit_xchg(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned a, b;
    if (!guest_reg(op->dst, op->size, &a) || !guest_reg(op->src, op->size, &b)) {
        return false;
    }
    if (a == b) { /* one scratch register for both would not do */
        return false;
    }
    unsigned x = guest_change(t, a, SCRATCH_A), y = guest_change(t, b, SCRATCH_B);
    host_insn(&t->c, op->size, 0x86 | (op->size > 1), x, host_reg(y));
    guest_write(t, a, x);
    guest_write(t, b, y);
    return true;
}

/* CWDE CDQE (98), CDQ CQO (99), whose registers are not RAX here. */
bool host_emit_convert(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned rax = guest_host_reg(X86_RAX), rdx = guest_host_reg(X86_RDX);
    if (m->op == 0) {
        if (m->size == 8) {
            host_insn(&t->c, 8, 0x63, rax, host_reg(rax));
        } else {
            host_insn(&t->c, 4, 0x0fbf, rax, host_reg(rax));
        }
        return true;
    }
    host_insn(&t->c, m->size, 0x8b, SCRATCH_A, host_reg(rax));
    if (m->size == 8) {
        HOST_BYTES(&t->c, 0x48);
    }
    HOST_BYTES(&t->c, 0x99); /* CDQ, CQO: RDX is itself */
    g_assert(rdx == HOST_RDX);
    return true;
}
