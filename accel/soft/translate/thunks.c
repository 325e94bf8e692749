/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/translate/thunks.h"

#include "accel/soft/native.h"
#include "accel/soft/translate/emit.h"
#include "accel/soft/translate/run.h"

static const uint8_t callee_saved[] = {
    HOST_RBX, HOST_RBP, HOST_R12, HOST_R13, HOST_R14, HOST_R15
};

static void push(HostCode *c, unsigned reg)
{
    host_insn(c, 4, 0xff, 6, host_reg(reg));
}

static void pop(HostCode *c, unsigned reg)
{
    host_insn(c, 4, 0x8f, 0, host_reg(reg));
}

static void add_stack(HostCode *c, int bytes)
{
    host_alu_imm(c, 8, ALU_ADD, host_reg(HOST_RSP), bytes);
}

/* What is in host registers to SoftCpu, or back. */
static void registers(HostCode *c, bool store)
{
    for (unsigned reg = 0; reg < 16; reg++) {
        unsigned host = guest_host_reg(reg);
        if (host != HOST_NO_REG && store) {
            host_store(c, 8, host_mem(CPU_REG, 8 * (int)reg), host);
        } else if (host != HOST_NO_REG) {
            host_load(c, 8, host, host_mem(CPU_REG, 8 * (int)reg));
        }
    }
}

/* (SoftCpu *s, const Uop *op): the first micro-operation of a translated block. */
static void emit_enter(HostCode *c, Thunks *thunks)
{
    thunks->enter = (UopFn *)(uintptr_t)c->exec;
    for (unsigned i = 0; i < G_N_ELEMENTS(callee_saved); i++) {
        push(c, callee_saved[i]);
    }
    add_stack(c, -8);
    host_mov_reg(c, CPU_REG, HOST_RDI);
    host_load(c, 8, HOST_RAX,
              host_mem(HOST_RSI, (int)offsetof(SoftBlock, host) - (int)offsetof(SoftBlock, uops)));
    registers(c, false);
    host_insn(c, 4, 0xff, 4, host_reg(HOST_RAX)); /* jmp rax */
}

static void emit_unwind(HostCode *c)
{
    add_stack(c, 8);
    for (unsigned i = G_N_ELEMENTS(callee_saved); i-- > 0;) {
        pop(c, callee_saved[i]);
    }
}

/* C has the host's MXCSR; the guest's has collected exceptions. */
static void emit_mxcsr_leave(HostCode *c)
{
    host_alu_imm(c, 1, ALU_CMP, host_mem(CPU_REG, CPU_OFF(mxcsr_live)), 0);
    uint8_t *over = host_jcc(c, HOST_CC_E);
    host_insn(c, 4, 0x0fae, 3, host_mem(CPU_REG, CPU_OFF(cpu.fxsave) + FX_MXCSR)); /* stmxcsr */
    host_insn(c, 4, 0x0fae, 2, host_mem(CPU_REG, CPU_OFF(host_mxcsr)));            /* ldmxcsr */
    host_store_imm(c, 1, host_mem(CPU_REG, CPU_OFF(mxcsr_live)), 0);
    host_bind(c, over);
}

/* The guest's flags to SoftCpu, where they have to be made for that (remake.h). What makes them
 * needs the guest's registers, and SCRATCH_A. */
static void emit_remake(HostCode *c, const Thunks *thunks)
{
    HostRm remake = host_mem(CPU_REG, CPU_OFF(cc.remake));

    host_alu_imm(c, 4, ALU_CMP, remake, 0);
    uint8_t *over = host_jcc(c, HOST_CC_E);
    push(c, SCRATCH_A);
    push(c, SCRATCH_B);
    host_mov_imm(c, SCRATCH_B, (uintptr_t)thunks->base);
    host_load(c, 4, SCRATCH_A, remake);
    host_alu_load(c, 8, ALU_ADD, SCRATCH_A, host_reg(SCRATCH_B));
    host_insn(c, 4, 0xff, 2, host_reg(SCRATCH_A)); /* call */
    pop(c, SCRATCH_B);
    pop(c, SCRATCH_A);
    host_bind(c, over);
}

/* Registers to SoftCpu, which block runs, and the arguments s, block, number. */
static void emit_to_c(HostCode *c, const Thunks *thunks)
{
    registers(c, true);
    emit_remake(c, thunks);
    emit_mxcsr_leave(c);
    host_mov_reg(c, HOST_RDI, CPU_REG);
    host_mov_reg(c, HOST_RSI, SCRATCH_A);
    host_insn(c, 4, 0x8b, HOST_RDX, host_reg(SCRATCH_B));
    host_store(c, 8, host_mem(CPU_REG, CPU_OFF(block)), HOST_RSI);
    host_load(c, 8, HOST_RCX, host_mem(HOST_RSI, offsetof(SoftBlock, rip)));
    host_store(c, 8, host_mem(CPU_REG, 8 * REG_PC), HOST_RCX);
}

static void emit_leave(HostCode *c, Thunks *thunks, Leave how)
{
    static RunFn *const functions[LEAVE_KINDS] = {
        [LEAVE_BAIL] = run_bail,
        [LEAVE_EXIT] = run_exit,
        [LEAVE_TARGET] = run_target,
    };
    thunks->leave[how] = c->exec;
    emit_to_c(c, thunks);
    emit_unwind(c);
    host_mov_imm64(c, HOST_RAX, (uintptr_t)functions[how]);
    host_insn(c, 4, 0xff, 4, host_reg(HOST_RAX));
}

static void emit_call(HostCode *c, Thunks *thunks)
{
    thunks->call = c->exec;
    emit_to_c(c, thunks);
    add_stack(c, -8);
    host_mov_imm64(c, HOST_RAX, (uintptr_t)run_uops);
    host_insn(c, 4, 0xff, 2, host_reg(HOST_RAX)); /* call rax */
    add_stack(c, 8);
    host_alu_load(c, 8, ALU_CMP, HOST_RAX, host_reg(CPU_REG)); /* RUN_STAY */
    uint8_t *leaves = host_jcc(c, HOST_CC_NE);
    registers(c, false);
    HOST_BYTES(c, 0xc3);
    host_bind(c, leaves);
    add_stack(c, 8); /* the way back into the block */
    emit_unwind(c);
    HOST_BYTES(c, 0xc3);
}

void thunks_emit(HostCode *c, Thunks *thunks)
{
    thunks->base = c->exec;
    emit_enter(c, thunks);
    for (unsigned which = 0; which < LEAVE_KINDS; which++) {
        emit_leave(c, thunks, which);
    }
    emit_call(c, thunks);
}
