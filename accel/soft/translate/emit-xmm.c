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
        leave_jump(t, host_jcc(&t->c, HOST_CC_NE), LEAVE_BAIL, t->index);
        test_bits(t, host_mem(CPU_REG, CPU_OFF(cpu.cr4)), CR4_OSFXSR);
        leave_jump(t, host_jcc(&t->c, HOST_CC_E), LEAVE_BAIL, t->index);
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
    leave_jump(t, host_jcc(&t->c, HOST_CC_NE), LEAVE_BAIL, t->index);
    mxcsr_enter(t);
    host_bind(&t->c, over);
    t->mxcsr_live = true;
}

/* An address whose low bits are in a register must be a multiple of 16. */
static void emit_alignment(Translator *t, unsigned reg, JumpFn *failed)
{
    host_insn(&t->c, 1, 0xf6, 0, host_reg(reg)); /* test */
    host_imm(&t->c, 1, 15);
    failed(t, host_jcc(&t->c, HOST_CC_NE));
}

HostRm sse_operand(Translator *t, unsigned size, bool write, bool aligned)
{
    HostRm rm = memory_operand(t, size, write);
    if (aligned) {
        unsigned scratch = memory_scratch(t, &rm);
        host_lea(&t->c, 8, scratch, rm);
        emit_alignment(t, scratch, slow_jump);
    }
    return rm;
}

/* ---- moves of whole registers ---- */

enum { RUN_BYTES = 256 }; /* that one check is for, at most */

/* Moves that follow each other, to or from one place in memory: they share a check. */
typedef struct Run {
    unsigned count;
    int64_t low, high;  /* displacements of the first byte, and behind the last one */
    const Uop *aligned; /* one that must be, or NULL */
} Run;

/* Is @op, in the block behind the run's first one, of the run too? */
static bool run_takes(Run *run, const Uop *first, const SoftMeaning *m, const Uop *op)
{
    const SoftMeaning *its = soft_meaning_of(op->fn);
    int64_t low = MIN(run->low, op->disp), high = MAX(run->high, (int64_t)op->disp + 16);

    if (!its || its->kind != SOFT_MEANS_XMM || its->form != m->form || op->base != first->base ||
        op->index != REG_ZERO || op->seg != SOFT_SEG_NONE || high - low > RUN_BYTES ||
        high > INT32_MAX ||
        (op->aux && run->aligned && (op->disp - run->aligned->disp) % 16 != 0)) {
        return false;
    }
    run->low = low;
    run->high = high;
    run->aligned = run->aligned ? run->aligned : op->aux ? op : NULL;
    return true;
}

static Run find_run(const Translator *t, const Uop *op, const SoftMeaning *m)
{
    Run run = { 1, op->disp, (int64_t)op->disp + 16, op->aux ? op : NULL };

    if (t->one_by_one || guest_host_reg(op->base) == HOST_NO_REG || op->index != REG_ZERO ||
        op->seg != SOFT_SEG_NONE) {
        return run;
    }
    while (t->index + run.count + 1 < t->b->count && run_takes(&run, op, m, op + run.count)) {
        run.count++;
    }
    return run;
}

static uint8_t **run_jump(Translator *t, uint8_t *at)
{
    XmmRun *r = &t->xmm_runs[t->xmm_run_count];

    g_assert(r->jump_count < G_N_ELEMENTS(r->jumps));
    r->jumps[r->jump_count] = at;
    return &r->jumps[r->jump_count++];
}

static void emit_run(Translator *t, const Uop *op, const SoftMeaning *m, const Run *run)
{
    unsigned base = guest_host_reg(op->base);
    bool write = m->form == SOFT_MR, kept = t->xmm_run_count < XMM_RUNS;
    JumpFn *failed = kept ? run_jump : slow_jump;
    XmmRun *r = kept ? &t->xmm_runs[t->xmm_run_count] : NULL;

    if (kept) {
        *r = (XmmRun){ .first = t->index, .count = run->count };
    }
    memory_check(t, op->base, (int32_t)run->low, (unsigned)(run->high - run->low), write, failed);
    if (run->aligned) {
        host_lea(&t->c, 4, SCRATCH_A, host_mem(base, run->aligned->disp));
        emit_alignment(t, SCRATCH_A, failed);
    }
    if (kept) { /* flags are in memory: they were spilled before the check */
        r->before = share_state(t);
    }
    for (unsigned i = 0; i < run->count; i++) {
        HostRm rm = host_mem_index(base, SCRATCH_B, 0, op[i].disp);
        if (write) {
            xmm_read(t, op[i].src);
            host_insn(&t->c, 4, MOVUPS_STORE, op[i].src, rm);
        } else {
            host_insn(&t->c, 4, MOVUPS_LOAD, op[i].dst, rm);
            xmm_written(t, op[i].dst);
        }
    }
    t->uops = run->count;
    if (kept) {
        r->after = share_state(t);
        r->back = t->c.exec;
        t->xmm_run_count++;
    }
}

void xmm_emit_runs(Translator *t, ShareEmitFn *emit)
{
    t->one_by_one = true;
    for (unsigned i = 0; i < t->xmm_run_count; i++) {
        XmmRun *r = &t->xmm_runs[i];

        r->entry = t->c.exec;
        share_restore(t, &r->before);
        for (unsigned index = r->first; index < r->first + r->count;) {
            index = emit(t, index);
        }
        ShareState after = share_state(t);
        g_assert(memcmp(&after, &r->after, sizeof(after)) == 0);
        host_jmp_to(&t->c, r->back);
    }
    t->one_by_one = false;
}

void xmm_bind_runs(Translator *t)
{
    for (unsigned i = 0; i < t->xmm_run_count; i++) {
        const XmmRun *r = &t->xmm_runs[i];

        for (unsigned j = 0; j < r->jump_count; j++) {
            uint8_t *at = r->jumps[j];
            host_patch(at, t->c.exec - (t->c.write - at), r->entry);
        }
    }
}

bool host_emit_xmm(Translator *t, const Uop *op, const SoftMeaning *m)
{
    if ((m->form != SOFT_RR && !memory_possible(t)) || !sse_allowed(t)) {
        return false;
    }
    Run run = m->form == SOFT_RR ? (Run){ 0 } : find_run(t, op, m);
    if (run.count > 1) {
        emit_run(t, op, m, &run);
        return true;
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
