/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kernels run most of the privileged half: CLI, STI, SWAPGS, and PUSHF, in 64-bit code. */
#include "accel/soft/translate/emit.h"

#include "accel/soft/flags.h"

/* Only at CPL 0 in line. Flags are in memory or dead. */
static bool need_ring0(Translator *t)
{
    if (!(t->b->key & SOFT_KEY_CODE64) || (t->b->key & SOFT_KEY_CPL3)) {
        return false;
    }
    flags_spill(t);
    host_insn(&t->c, 4, 0xf7, 0, host_mem(CPU_REG, CPU_OFF(cpu.segs[X86_SEG_SS].flags)));
    host_imm(&t->c, 4, SEG_DPL_MASK);
    slow_jump(t, host_jcc(&t->c, HOST_CC_NE));
    return true;
}

static HostRm rflags_rm(void)
{
    return host_mem(CPU_REG, CPU_OFF(cpu.rflags));
}

bool host_emit_cli(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (!need_ring0(t)) {
        return false;
    }
    host_alu_imm(&t->c, 4, ALU_AND, rflags_rm(), ~(int64_t)RFLAGS_IF);
    return true;
}

/* If an interrupt waits, the interpreter does it. */
bool host_emit_sti(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (!need_ring0(t)) {
        return false;
    }
    host_alu_imm(&t->c, 4, ALU_CMP, host_mem(CPU_REG, CPU_OFF(cpu.interrupts)), 0);
    slow_jump(t, host_jcc(&t->c, HOST_CC_NE));
    host_insn(&t->c, 4, 0xf7, 0, rflags_rm());
    host_imm(&t->c, 4, RFLAGS_IF);
    host_insn(&t->c, 1, 0x0f90 | HOST_CC_E, 0,
              host_mem(CPU_REG, CPU_OFF(cpu.interrupt_shadow))); /* setz */
    host_alu_imm(&t->c, 4, ALU_OR, rflags_rm(), RFLAGS_IF);
    return true;
}

bool host_emit_swapgs(Translator *t, const Uop *op, const SoftMeaning *m)
{
    HostRm base = host_mem(CPU_REG, CPU_OFF(cpu.segs[X86_SEG_GS].base));
    HostRm other = host_mem(CPU_REG, CPU_OFF(cpu.msr.kernel_gs_base));

    if (!need_ring0(t)) {
        return false;
    }
    host_load(&t->c, 8, SCRATCH_A, other);
    host_load(&t->c, 8, SCRATCH_B, base);
    host_store(&t->c, 8, base, SCRATCH_A);
    host_store(&t->c, 8, other, SCRATCH_B);
    host_store(&t->c, 8, host_mem(CPU_REG, CPU_OFF(seg_base[X86_SEG_GS])), SCRATCH_A);
    return true;
}

/* soft_pushf() into SCRATCH_A. */
static void complete_flags(Translator *t)
{
    HostCode *c = &t->c;
    int32_t ax = CPU_OFF(cc.ax);

    host_insn(c, 4, 0x0fb6, SCRATCH_A, host_mem(CPU_REG, ax + 1)); /* movzx */
    host_insn(c, 4, 0x0fb6, SCRATCH_B, host_mem(CPU_REG, ax));
    host_alu_imm(c, 4, ALU_AND, host_reg(SCRATCH_A), SOFT_ARITH_FLAGS & 0xff);
    host_alu_imm(c, 4, ALU_AND, host_reg(SCRATCH_B), AX_OF);
    host_shift_imm(c, 4, 4, host_reg(SCRATCH_B), 11);
    host_alu_load(c, 4, ALU_OR, SCRATCH_A, host_reg(SCRATCH_B));
    host_load(c, 4, SCRATCH_B, rflags_rm());
    host_alu_imm(c, 4, ALU_AND, host_reg(SCRATCH_B),
                 ~(int64_t)(SOFT_ARITH_FLAGS | RFLAGS_VM | RFLAGS_RF));
    host_alu_load(c, 4, ALU_OR, SCRATCH_A, host_reg(SCRATCH_B));
}

bool host_emit_pushf(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned rsp = guest_host_reg(X86_RSP);
    HostRm value = host_mem(CPU_REG, CPU_OFF(address));

    if (!(t->b->key & SOFT_KEY_CODE64) || op->size != 8) {
        return false;
    }
    flags_to_memory(t);
    complete_flags(t);
    host_store(&t->c, 8, value, SCRATCH_A);
    HostRm to = memory_at(t, X86_RSP, -8, 8, true);
    host_load(&t->c, 8, SCRATCH_A, value);
    host_store(&t->c, 8, to, SCRATCH_A);
    host_lea(&t->c, 8, rsp, host_mem(rsp, -8));
    return true;
}
