/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XMM registers, and moves of whole ones. */
#include "accel/soft/native.h"
#include "accel/soft/translate/emit-sse.h"

static HostRm home(unsigned reg)
{
    return host_mem(CPU_REG, CPU_OFF(cpu.fxsave) + FX_XMM + 16 * (int)reg);
}

enum { MOVUPS_LOAD = 0x0f10, MOVUPS_STORE = 0x0f11, MOVAPS_LOAD = 0x0f28 };

void xmm_store(Translator *t, uint16_t list)
{
    for (unsigned reg = 0; reg < 16; reg++) {
        if (list & 1u << reg) {
            host_insn(&t->c, 4, MOVUPS_STORE, reg, home(reg));
        }
    }
}

void xmm_load(Translator *t, uint16_t list)
{
    for (unsigned reg = 0; reg < 16; reg++) {
        if (list & 1u << reg) {
            host_insn(&t->c, 4, MOVUPS_LOAD, reg, home(reg));
        }
    }
}

void xmm_spill(Translator *t)
{
    xmm_store(t, t->xmm_dirty);
    t->xmm_dirty = 0;
}

void xmm_read(Translator *t, unsigned reg)
{
    xmm_load(t, (uint16_t)(1u << reg & ~(unsigned)t->xmm_loaded));
    t->xmm_loaded |= (uint16_t)(1u << reg);
}

void xmm_written(Translator *t, unsigned reg)
{
    t->xmm_loaded |= (uint16_t)(1u << reg);
    t->xmm_dirty |= (uint16_t)(1u << reg);
    t->xmm_changed |= (uint16_t)(1u << reg);
}

/* TEST dword [m], bits */
static void test_bits(Translator *t, HostRm rm, uint32_t bits)
{
    host_insn(&t->c, 4, 0xf7, 0, rm);
    host_imm(&t->c, 4, bits);
}

bool sse_allowed(Translator *t)
{
    if (t->leave_count + 4 > LEAVE_JUMPS) {
        return false;
    }
    if (!t->sse_checked) {
        flags_spill(t);
        test_bits(t, host_mem(CPU_REG, CPU_OFF(cpu.cr0)), CR0_EM | CR0_TS);
        leave_jump(t, host_jcc(&t->c, HOST_CC_NE), STUB_BAIL, t->index);
        test_bits(t, host_mem(CPU_REG, CPU_OFF(cpu.cr4)), CR4_OSFXSR);
        leave_jump(t, host_jcc(&t->c, HOST_CC_E), STUB_BAIL, t->index);
        t->sse_checked = true;
    }
    return true;
}

void mxcsr_enter(Translator *t)
{
    host_insn(&t->c, 4, 0x0fae, 2, host_mem(CPU_REG, CPU_OFF(cpu.fxsave) + FX_MXCSR)); /* ldmxcsr */
    host_store_imm(&t->c, 1, host_mem(CPU_REG, CPU_OFF(mxcsr_live)), 1);
}

void mxcsr_need(Translator *t)
{
    if (t->mxcsr_live) {
        return;
    }
    flags_spill(t);
    host_alu_imm(&t->c, 1, ALU_CMP, host_mem(CPU_REG, CPU_OFF(mxcsr_live)), 0);
    uint8_t *over = host_jcc(&t->c, HOST_CC_NE);
    host_load(&t->c, 4, SCRATCH_A, host_mem(CPU_REG, CPU_OFF(cpu.fxsave) + FX_MXCSR));
    host_alu_imm(&t->c, 4, ALU_AND, host_reg(SCRATCH_A), MXCSR_MASKS);
    host_alu_imm(&t->c, 4, ALU_CMP, host_reg(SCRATCH_A), MXCSR_MASKS);
    leave_jump(t, host_jcc(&t->c, HOST_CC_NE), STUB_BAIL, t->index);
    mxcsr_enter(t);
    host_bind(&t->c, over);
    t->mxcsr_live = true;
}

HostRm sse_operand(Translator *t, unsigned size, bool write, bool aligned)
{
    HostRm rm = memory_operand(t, size, write);
    if (aligned) {
        unsigned scratch = memory_scratch(t, &rm);
        host_lea(&t->c, 8, scratch, rm);
        host_insn(&t->c, 1, 0xf6, 0, host_reg(scratch)); /* test */
        host_imm(&t->c, 1, 15);
        slow_jump(t, host_jcc(&t->c, HOST_CC_NE));
    }
    return rm;
}

bool host_emit_xmm(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if ((m->form != SOFT_RR && !memory_possible(t)) || !sse_allowed(t)) {
        return false;
    }
    if (m->form == SOFT_RM) {
        host_insn(&t->c, 4, MOVUPS_LOAD, op->dst, sse_operand(t, 16, false, op->aux));
        xmm_written(t, op->dst);
        return true;
    }
    xmm_read(t, op->src);
    if (m->form == SOFT_MR) {
        host_insn(&t->c, 4, MOVUPS_STORE, op->src, sse_operand(t, 16, true, op->aux));
    } else {
        host_insn(&t->c, 4, MOVAPS_LOAD, op->dst, host_reg(op->src));
        xmm_written(t, op->dst);
    }
    return true;
}
