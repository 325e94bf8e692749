/* SPDX-License-Identifier: GPL-2.0-or-later */
/* LOCKed ADD OR AND SUB XOR, XCHG, XADD and CMPXCHG on memory: the host's own, on guest RAM. */
#include "accel/soft/translate/emit.h"

enum { LOCK = 0xf0, XCHG = 0x86, CMPXCHG = 0x0fb0, XADD = 0x0fc0 }; /* byte forms */

/* The source's register, or @scratch with what it holds. */
static unsigned source(Translator *t, unsigned src, HostRm *mem)
{
    unsigned reg = guest_host_reg(src);
    return reg != HOST_NO_REG ? reg : guest_read(t, src, memory_scratch(t, mem));
}

bool host_emit_locked(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned src = 0;
    bool imm = op->aux;

    if (!memory_possible(t) || m->op == ALU_ADC || m->op == ALU_SBB ||
        (imm ? m->size == 8 && (int64_t)op->imm != (int32_t)op->imm
             : !guest_reg(op->src, m->size, &src))) {
        return false;
    }
    HostRm mem = memory_operand(t, m->size, true);
    if (imm) {
        HOST_BYTES(&t->c, LOCK);
        host_alu_imm(&t->c, m->size, m->op, mem, (int64_t)op->imm);
    } else {
        unsigned reg = source(t, src, &mem);
        HOST_BYTES(&t->c, LOCK);
        host_alu_store(&t->c, m->size, m->op, mem, reg);
    }
    flags_written(t);
    return true;
}

/* Memory and a register change places, in a way. */
static bool emit_exchange(Translator *t, const Uop *op, const SoftMeaning *m, uint32_t opcode)
{
    unsigned src;

    if (!memory_possible(t) || !guest_reg(op->src, m->size, &src)) {
        return false;
    }
    HostRm mem = memory_operand(t, m->size, true);
    unsigned reg = source(t, src, &mem);
    HOST_BYTES(&t->c, LOCK);
    host_insn(&t->c, m->size, opcode | (m->size > 1), reg, mem);
    guest_write(t, src, reg);
    return true;
}

bool host_emit_swap(Translator *t, const Uop *op, const SoftMeaning *m)
{
    return emit_exchange(t, op, m, XCHG);
}

bool host_emit_xadd(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (!emit_exchange(t, op, m, XADD)) {
        return false;
    }
    flags_written(t);
    return true;
}

/* The host's RAX is a scratch register, and becomes the guest's. */
bool host_emit_cmpxchg(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned src, rax = guest_host_reg(X86_RAX);

    if (!memory_possible(t) || !guest_reg(op->src, m->size, &src) ||
        guest_host_reg(src) == HOST_NO_REG) {
        return false;
    }
    HostRm mem = memory_operand(t, m->size, true);
    memory_scratch(t, &mem);
    host_mov_reg(&t->c, HOST_RAX, rax);
    HOST_BYTES(&t->c, LOCK);
    host_insn(&t->c, m->size, CMPXCHG | (m->size > 1), guest_host_reg(src), mem);
    host_mov_reg(&t->c, rax, HOST_RAX);
    flags_written(t);
    return true;
}
