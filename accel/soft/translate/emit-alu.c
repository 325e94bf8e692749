/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ADD ... CMP, TEST, INC DEC NEG NOT; CMP and TEST also with a branch. */
#include "accel/soft/translate/emit.h"

#include "accel/soft/translate/remake.h"

/* A 32-bit operation on a register that is in memory: its upper half becomes 0. No flags. */
static void clear_upper(Translator *t, HostRm rm, unsigned size)
{
    if (rm.memory && size == 4) {
        rm.disp += 4;
        host_store_imm(&t->c, 4, rm, 0);
    }
}

static bool reads_carry(const SoftMeaning *m)
{
    return m->op == ALU_ADC || m->op == ALU_SBB;
}

/* AH, CH, DH or BH with a constant, or as the source. */
static bool alu_high(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned high, low;

    if (reads_carry(m)) {
        return false;
    }
    if (m->form == SOFT_RI && guest_high(op->dst, m->size, &high)) {
        host_load(&t->c, 8, SCRATCH_A, guest_rm(high));
        HOST_BYTES(&t->c, 0x80, (uint8_t)(0xc4 | m->op << 3), (uint8_t)op->imm); /* on AH */
        if (m->op != ALU_CMP) {
            guest_write(t, high, SCRATCH_A);
        }
        return true;
    }
    if (m->form != SOFT_RR || !guest_high(op->src, m->size, &high) ||
        !guest_reg(op->dst, m->size, &low)) {
        return false;
    }
    guest_read_high(t, high);
    host_alu_store(&t->c, 1, m->op, guest_rm(low), SCRATCH_A);
    return true;
}

static bool alu_registers(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned dst, src = 0;
    bool imm = m->form == SOFT_RI;

    if (!guest_reg(op->dst, m->size, &dst) || (!imm && !guest_reg(op->src, m->size, &src))) {
        return alu_high(t, op, m);
    }
    if (reads_carry(m)) {
        flags_load(t);
    }
    remake_offer_before(t, op, m);
    HostRm rm = guest_rm(dst);
    if (imm) {
        host_alu_imm(&t->c, m->size, m->op, rm, (int64_t)op->imm);
    } else if (rm.memory) {
        host_alu_store(&t->c, m->size, m->op, rm, guest_read(t, src, SCRATCH_A));
    } else {
        host_alu_load(&t->c, m->size, m->op, rm.base, guest_rm(src));
    }
    if (m->op != ALU_CMP) {
        clear_upper(t, rm, m->size);
    }
    return true;
}

static bool alu_load(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned dst;
    if (!memory_possible(t) || !guest_reg(op->dst, m->size, &dst)) {
        return false;
    }
    HostRm mem = memory_operand(t, m->size, false), rm = guest_rm(dst);
    if (!rm.memory && !reads_carry(m)) {
        host_alu_load(&t->c, m->size, m->op, rm.base, mem);
        return true;
    }
    host_load(&t->c, m->size, SCRATCH_A, mem);
    if (reads_carry(m)) {
        flags_load_keep(t, SCRATCH_B);
    }
    host_alu_store(&t->c, m->size, m->op, rm, SCRATCH_A);
    if (m->op != ALU_CMP) {
        clear_upper(t, rm, m->size);
    }
    return true;
}

static bool alu_store(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned src = 0;
    bool imm = m->form == SOFT_MI;
    if (!memory_possible(t) || reads_carry(m) || (!imm && !guest_reg(op->src, m->size, &src))) {
        return false;
    }
    HostRm mem = memory_operand(t, m->size, m->op != ALU_CMP);
    if (imm) {
        host_alu_imm(&t->c, m->size, m->op, mem, (int64_t)op->imm);
    } else {
        unsigned reg = guest_host_reg(src);
        if (reg == HOST_NO_REG) {
            reg = guest_read(t, src, memory_scratch(t, &mem));
        }
        host_alu_store(&t->c, m->size, m->op, mem, reg);
    }
    return true;
}

bool host_emit_alu(Translator *t, const Uop *op, const SoftMeaning *m)
{
    bool done = m->form == SOFT_RM   ? alu_load(t, op, m)
                : m->form >= SOFT_MR ? alu_store(t, op, m)
                                     : alu_registers(t, op, m);
    if (done) {
        flags_written(t);
        remake_by(t, op, m);
        if (m->cc != SOFT_NO_CONDITION) {
            emit_branch(t, m->cc);
        }
    }
    return done;
}

/* TEST of AH, CH, DH or BH with itself or a constant. */
static bool test_high(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned high;

    if (!guest_high(op->dst, m->size, &high) || (m->form == SOFT_RR && op->src != op->dst)) {
        return false;
    }
    guest_read_high(t, high);
    if (m->form == SOFT_RI) {
        host_test_imm(&t->c, 1, host_reg(SCRATCH_A), (int64_t)op->imm);
    } else {
        host_test(&t->c, 1, host_reg(SCRATCH_A), SCRATCH_A);
    }
    return true;
}

static bool test_plain(Translator *t, const Uop *op, const SoftMeaning *m)
{
    bool imm = m->form == SOFT_RI || m->form == SOFT_MI;
    bool memory = m->form == SOFT_MR || m->form == SOFT_MI;
    unsigned first = 0, second = 0;

    if (!memory && !guest_reg(op->dst, m->size, &first)) {
        return test_high(t, op, m);
    }
    if ((memory && !memory_possible(t)) || (!imm && !guest_reg(op->src, m->size, &second))) {
        return false;
    }
    HostRm rm = memory ? memory_operand(t, m->size, false) : guest_rm(first);
    remake_offer_before(t, op, m);
    if (imm) {
        host_test_imm(&t->c, m->size, rm, (int64_t)op->imm);
        return true;
    }
    unsigned reg = guest_host_reg(second);
    if (reg == HOST_NO_REG) {
        reg = guest_read(t, second, memory_scratch(t, &rm));
    }
    host_test(&t->c, m->size, rm, reg);
    return true;
}

bool host_emit_test(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (!test_plain(t, op, m)) {
        return false;
    }
    flags_written(t);
    remake_by(t, op, m);
    if (m->cc != SOFT_NO_CONDITION) {
        emit_branch(t, m->cc);
    }
    return true;
}

/* Opcode and /digit of INC DEC NEG NOT, byte form. */
static const struct {
    uint8_t opcode, digit;
} unary[] = { [SOFT_INC] = { 0xfe, 0 },
              [SOFT_DEC] = { 0xfe, 1 },
              [SOFT_NEG] = { 0xf6, 3 },
              [SOFT_NOT] = { 0xf6, 2 } };

bool host_emit_unary(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned dst = 0;
    HostRm rm;

    if (m->form == SOFT_M ? !memory_possible(t) : !guest_reg(op->dst, m->size, &dst)) {
        return false;
    }
    if (m->form == SOFT_M) {
        rm = memory_operand(t, m->size, true);
        memory_scratch(t, &rm); /* A is needed for flags */
    } else {
        rm = guest_rm(dst);
    }
    if ((m->op == SOFT_INC || m->op == SOFT_DEC) && t->live_after) {
        flags_load(t); /* they keep CF */
    }
    host_insn(&t->c, m->size, unary[m->op].opcode | (m->size > 1), unary[m->op].digit, rm);
    if (m->form == SOFT_R) {
        clear_upper(t, rm, m->size);
    }
    if (m->op != SOFT_NOT) {
        flags_written(t);
        remake_by(t, op, m);
    }
    return true;
}
