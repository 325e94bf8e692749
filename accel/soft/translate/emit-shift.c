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

/* Of a bit string, whose address moves by whole operands with the bit's number: that operand's own
 * host address into SCRATCH_B. */
static void bit_operand(Translator *t, unsigned number, unsigned size, bool write)
{
    HostCode *c = &t->c;
    HostRm moved = host_mem(CPU_REG, CPU_OFF(address));
    unsigned log_size = size == 8 ? 3 : size / 2;

    unsigned base = t->op->index == REG_ZERO && t->op->seg == SOFT_SEG_NONE
                        ? guest_host_reg(t->op->base)
                        : HOST_NO_REG;

    flags_spill(t);
    if (base == HOST_NO_REG) {
        linear_address(t);
        host_store(c, 8, moved, SCRATCH_A);
    }
    if (size == 8) {
        host_mov_reg(c, SCRATCH_A, number);
    } else { /* movsx, movsxd */
        host_insn(c, 8, size == 2 ? 0x0fbf : 0x63, SCRATCH_A, host_reg(number));
    }
    host_shift_imm(c, 8, 7, host_reg(SCRATCH_A), log_size + 3);
    if (base == HOST_NO_REG) {
        host_shift_imm(c, 8, 4, host_reg(SCRATCH_A), log_size);
        host_alu_load(c, 8, ALU_ADD, SCRATCH_A, moved);
    } else {
        host_lea(c, 8, SCRATCH_A, host_mem_index(base, SCRATCH_A, log_size, t->op->disp));
    }
    host_lea(c, 8, SCRATCH_B, memory_at_linear(t, size, write));
}

static bool bit_memory(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned number = op->aux ? 0 : guest_host_reg(op->src);

    if (!(t->b->key & SOFT_KEY_CODE64) || !memory_possible(t) || number == HOST_NO_REG) {
        return false;
    }
    if (op->aux) {
        HostRm rm = memory_operand(t, m->size, m->op != 0);
        memory_scratch(t, &rm); /* A is needed for flags */
        if (t->live_after) {
            flags_load(t);
        }
        host_insn(&t->c, m->size, 0x0fba, 4 + m->op, rm);
        host_imm(&t->c, 1, (int64_t)op->imm);
        return true;
    }
    bit_operand(t, number, m->size, m->op != 0);
    if (t->live_after) {
        flags_load(t);
    }
    host_load(&t->c, m->size, SCRATCH_A, host_mem(SCRATCH_B, 0));
    host_insn(&t->c, m->size, 0x0fa3 | (uint32_t)m->op << 3, number, host_reg(SCRATCH_A));
    if (m->op != 0) {
        host_store(&t->c, m->size, host_mem(SCRATCH_B, 0), SCRATCH_A);
    }
    return true;
}

/* BT BTS BTR BTC: the other flags are kept. */
bool host_emit_bit(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (m->form == SOFT_M) {
        bool done = bit_memory(t, op, m);
        if (done) {
            flags_written(t);
        }
        return done;
    }
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
