/* SPDX-License-Identifier: GPL-2.0-or-later */
/* PUSH POP LEAVE of 64-bit code. RSP changes when the access has been done. */
#include "accel/soft/translate/emit.h"

static bool stack64(const Translator *t, const Uop *op, const SoftMeaning *m)
{
    return (t->b->key & SOFT_KEY_CODE64) && op->size == 8;
}

static void move_stack(Translator *t, int by)
{
    unsigned rsp = guest_host_reg(X86_RSP);
    host_lea(&t->c, 8, rsp, host_mem(rsp, by));
}

static void push_value(Translator *t, const Uop *op, const SoftMeaning *m, HostRm to)
{
    if (m->form == SOFT_I && (int64_t)op->imm == (int32_t)op->imm) {
        host_store_imm(&t->c, 8, to, (int64_t)op->imm);
    } else if (m->form == SOFT_I) {
        host_mov_imm(&t->c, SCRATCH_A, op->imm);
        host_store(&t->c, 8, to, SCRATCH_A);
    } else {
        host_store(&t->c, 8, to, guest_read(t, op->src, SCRATCH_A));
    }
}

static void push_memory(Translator *t)
{
    HostRm value = host_mem(CPU_REG, CPU_OFF(address));

    host_load(&t->c, 8, SCRATCH_A, memory_operand(t, 8, false));
    host_store(&t->c, 8, value, SCRATCH_A);
    HostRm to = memory_at(t, X86_RSP, -8, 8, true);
    host_load(&t->c, 8, SCRATCH_A, value);
    host_store(&t->c, 8, to, SCRATCH_A);
    move_stack(t, -8);
}

bool host_emit_push(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (!stack64(t, op, m) || (m->form == SOFT_M && !memory_possible(t))) {
        return false;
    }
    if (m->form == SOFT_M) {
        push_memory(t);
        return true;
    }
    push_value(t, op, m, memory_at(t, X86_RSP, -8, 8, true));
    move_stack(t, -8);
    return true;
}

/* POP RSP: the value wins. */
bool host_emit_pop(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (!stack64(t, op, m)) {
        return false;
    }
    HostRm from = memory_at(t, X86_RSP, 0, 8, false);
    unsigned reg = guest_host_reg(op->dst);
    host_load(&t->c, 8, reg == HOST_NO_REG ? SCRATCH_A : reg, from);
    if (reg == HOST_NO_REG) {
        host_store(&t->c, 8, guest_rm(op->dst), SCRATCH_A);
    }
    if (op->dst != X86_RSP) {
        move_stack(t, 8);
    }
    return true;
}

bool host_emit_leave(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (!stack64(t, op, m)) {
        return false;
    }
    unsigned rbp = guest_host_reg(X86_RBP), rsp = guest_host_reg(X86_RSP);
    host_load(&t->c, 8, SCRATCH_A, memory_at(t, X86_RBP, 0, 8, false));
    host_lea(&t->c, 8, rsp, host_mem(rbp, 8));
    host_mov_reg(&t->c, rbp, SCRATCH_A);
    return true;
}
