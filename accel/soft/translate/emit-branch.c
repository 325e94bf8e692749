/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Near branches of 64-bit code, and direct ones of any. */
#include "accel/soft/translate/emit.h"

#include "accel/soft/translate/remake.h"
#include "accel/soft/translate/targets.h"
#include "accel/soft/uop.h"

void emit_branch(Translator *t, unsigned cc)
{
    if (t->loop.head) {
        emit_loop_branch(t, cc);
        return;
    }
    remake_offer(t);
    exit_by(t, 1, host_jcc(&t->c, cc));
    exit_by(t, 0, host_jmp(&t->c));
    t->ended = true;
}

bool host_emit_jcc(Translator *t, const Uop *op, const SoftMeaning *m)
{
    flags_load(t);
    emit_branch(t, m->cc);
    return true;
}

bool host_emit_jmp(Translator *t, const Uop *op, const SoftMeaning *m)
{
    remake_offer(t);
    exit_by(t, 1, host_jmp(&t->c));
    t->ended = true;
    return true;
}

bool host_emit_go_on(Translator *t, const Uop *op, const SoftMeaning *m)
{
    remake_offer(t);
    exit_by(t, 0, host_jmp(&t->c));
    t->ended = true;
    return true;
}

/* The target of an indirect branch into SCRATCH_A; not known: the slow way. */
static void load_target(Translator *t, const Uop *op, const SoftMeaning *m)
{
    flags_spill(t);
    if (m->form == SOFT_M) {
        host_load(&t->c, 8, SCRATCH_A, memory_operand(t, 8, false));
    } else {
        host_load(&t->c, 8, SCRATCH_A, guest_rm(op->src));
    }
    target_check(t);
}

static bool target_possible(const Translator *t, const Uop *op, const SoftMeaning *m)
{
    return soft_targets_possible(t->b->key) && op->size == 8 &&
           (m->form != SOFT_M || memory_possible(t));
}

bool host_emit_jmp_to(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (!target_possible(t, op, m)) {
        return false;
    }
    load_target(t, op, m);
    exit_indirect(t, true);
    return true;
}

/* PUSH of the return address, op->imm: it changes nothing if it goes the slow way. Both scratch
 * registers are destroyed. */
static void push_return(Translator *t, const Uop *op)
{
    HostRm to = memory_at(t, X86_RSP, -8, 8, true);
    if ((int64_t)op->imm == (int32_t)op->imm) {
        host_store_imm(&t->c, 8, to, (int64_t)op->imm);
    } else {
        host_mov_imm(&t->c, SCRATCH_A, op->imm);
        host_store(&t->c, 8, to, SCRATCH_A);
    }
    unsigned rsp = guest_host_reg(X86_RSP);
    host_lea(&t->c, 8, rsp, host_mem(rsp, -8));
}

bool host_emit_call(Translator *t, const Uop *op, const SoftMeaning *m)
{
    push_return(t, op);
    remake_offer(t);
    exit_by(t, 1, host_jmp(&t->c));
    t->ended = true;
    return true;
}

bool host_emit_call_to(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if (!target_possible(t, op, m)) {
        return false;
    }
    load_target(t, op, m);
    host_store(&t->c, 8, host_mem(CPU_REG, CPU_OFF(target)), SCRATCH_A);
    push_return(t, op);
    host_load(&t->c, 8, SCRATCH_A, host_mem(CPU_REG, CPU_OFF(target)));
    exit_indirect(t, false);
    return true;
}

bool host_emit_ret(Translator *t, const Uop *op, const SoftMeaning *m)
{
    unsigned rsp = guest_host_reg(X86_RSP);

    if (!soft_targets_possible(t->b->key)) {
        return false;
    }
    host_load(&t->c, 8, SCRATCH_A, memory_at(t, X86_RSP, 0, 8, false));
    target_check(t);
    host_lea(&t->c, 8, rsp, host_mem(rsp, 8 + (int64_t)op->imm));
    exit_indirect(t, true);
    return true;
}
