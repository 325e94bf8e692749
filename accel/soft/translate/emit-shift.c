/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shifts and rotates, IMUL, MUL, bits. */
#include "accel/soft/translate/emit.h"

/* Rotates change CF and OF only, and a count of 0 keeps all flags. */
static bool keeps_flags(const Uop *op, const SoftMeaning *m)
{
    bool constant = m->form == SOFT_RI || m->form == SOFT_MI;
    return m->op < 4 || !constant || op->aux == 0;
}

/* RCL and RCR read CF whether or not flags are wanted afterwards. */
static bool reads_carry(const SoftMeaning *m)
{
    return m->op == 2 || m->op == 3;
}

bool host_emit_shift(Translator *t, const Uop *op, const SoftMeaning *m)
{
    bool memory = m->form == SOFT_MI || m->form == SOFT_MR;
    bool by_cl = m->form == SOFT_RR || m->form == SOFT_MR;
    unsigned dst = 0, reg = 0;
    HostRm rm;

    if (memory ? !memory_possible(t) : !guest_reg(op->dst, m->size, &dst)) {
        return false;
    }
    if (memory) {
        rm = memory_operand(t, m->size, true);
        memory_scratch(t, &rm); /* A is needed for flags */
    }
    if (reads_carry(m) || (t->live_after && keeps_flags(op, m))) {
        flags_load(t);
    }
    if (!memory) {
        reg = guest_change(t, dst, SCRATCH_B);
        rm = host_reg(reg);
    }
    if (by_cl) {
        host_insn(&t->c, m->size, 0xd2 | (m->size > 1), m->op, rm);
    } else {
        host_shift_imm(&t->c, m->size, m->op, rm, op->aux);
    }
    if (!memory) {
        guest_write(t, dst, reg);
    }
    flags_written(t);
    return true;
}

/* IMUL reg, rm (0f af) and reg, rm, imm (69): the destination is written whole. */
bool host_emit_imul(Translator *t, const Uop *op, const SoftMeaning *m)
{
    bool memory = m->form == SOFT_RM || m->form == SOFT_MI;
    bool imm = m->form == SOFT_RI || m->form == SOFT_MI;

    if (memory && !memory_possible(t)) {
        return false;
    }
    HostRm rm = memory ? memory_operand(t, m->size, false) : guest_rm(op->src);
    unsigned dst = guest_host_reg(op->dst);
    if (dst == HOST_NO_REG) {
        dst = guest_change(t, op->dst, memory_scratch(t, &rm));
    }
    if (imm) {
        host_insn(&t->c, m->size, 0x69, dst, rm);
        host_imm(&t->c, m->size == 2 ? 2 : 4, (int64_t)op->imm);
    } else {
        host_insn(&t->c, m->size, 0x0faf, dst, rm);
    }
    guest_write(t, op->dst, dst);
    flags_written(t);
    return true;
}

/* MUL (f7 /4), IMUL (f7 /5): RDX is itself, RAX is brought to its place. */
bool host_emit_multiply(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (op->aux && !memory_possible(t)) {
        return false;
    }
    HostRm rm = op->aux ? memory_operand(t, m->size, false) : guest_rm(op->src);
    unsigned rax = guest_host_reg(X86_RAX);
    if (rm.memory) {
        memory_scratch(t, &rm);
    }
    host_mov_reg(&t->c, SCRATCH_A, rax);
    host_insn(&t->c, m->size, 0xf7, 4 + m->op, rm);
    host_mov_reg(&t->c, rax, SCRATCH_A);
    flags_written(t);
    return true;
}

bool host_emit_scan(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (op->aux && !memory_possible(t)) {
        return false;
    }
    HostRm rm = op->aux ? memory_operand(t, m->size, false) : guest_rm(op->src);
    unsigned dst = guest_host_reg(op->dst);
    if (dst == HOST_NO_REG) {
        dst = guest_change(t, op->dst, memory_scratch(t, &rm));
    }
    host_insn(&t->c, m->size, 0x0fbc | m->op, dst, rm);
    guest_write(t, op->dst, dst);
    flags_written(t);
    return true;
}

/* BT BTS BTR BTC of a register: the other flags are kept. */
bool host_emit_bit(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (t->live_after) {
        flags_load(t);
    }
    unsigned dst = guest_change(t, op->dst, SCRATCH_A);
    if (op->aux) {
        host_insn(&t->c, m->size, 0x0fba, 4 + m->op, host_reg(dst));
        host_imm(&t->c, 1, (int64_t)op->imm);
    } else {
        unsigned number = guest_read(t, op->src, SCRATCH_B);
        host_insn(&t->c, m->size, 0x0fa3 | (uint32_t)m->op << 3, number, host_reg(dst));
    }
    if (m->op != 0) {
        guest_write(t, op->dst, dst);
    }
    flags_written(t);
    return true;
}
