/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ways out of a block, and what lies behind it: thunks and slow paths. */
#include "accel/soft/translate/emit-sse.h"
#include "accel/soft/translate/leave.h"
#include "accel/soft/translate/link.h"
#include "accel/soft/translate/near.h"
#include "accel/soft/translate/remake.h"
#include "accel/soft/translate/share.h"
#include "accel/soft/uop.h"

/* What flags have to be made of on a way out; nothing if they are in memory, or dead. */
static FlagSource unsaved_flags(const Translator *t)
{
    return t->flags == FLAGS_REMAKE ? t->source : (FlagSource){ 0 };
}

static void make_flags(Translator *t, const FlagSource *source)
{
    if (source->how != FLAGS_UNKNOWN) {
        remake_emit(t, source);
        flags_save(t);
    }
}

uint8_t **slow_jump(Translator *t, uint8_t *at)
{
    if (t->index + 1u == t->b->count) { /* it goes its own way from there */
        return leave_jump(t, at, LEAVE_BAIL, t->index);
    }
    if (!t->slow) {
        t->slow = &t->paths[t->path_count++];
        *t->slow = (SlowPath){ .index = t->index, .xmm_store = t->xmm_dirty };
        t->slow->source = unsaved_flags(t);
    }
    g_assert(t->slow->count < SLOW_JUMPS);
    t->slow->jumps[t->slow->count] = at;
    return &t->slow->jumps[t->slow->count++];
}

uint8_t **leave_jump(Translator *t, uint8_t *at, Leave how, unsigned number)
{
    g_assert(t->leave_count < LEAVE_JUMPS);
    t->leaves[t->leave_count] = (LeaveJump){ at, how, number, t->xmm_dirty, unsaved_flags(t) };
    return &t->leaves[t->leave_count++].jump;
}

void exit_by(Translator *t, unsigned which, uint8_t *at)
{
    t->exit_jump[which] = at;
    SoftExit *e = &t->x->exits[which];
    e->unsaved = t->flags == FLAGS_HOST || t->flags == FLAGS_REMAKE;
    e->remake = t->offer != NULL;
    e->remake_regs = t->offered.regs;
    t->exit_source[which] = unsaved_flags(t);
}

/* SCRATCH_B: the entry of the RIP in SCRATCH_A. */
static void target_slot(Translator *t)
{
    host_load(&t->c, 4, SCRATCH_B, host_reg(SCRATCH_A));
    host_alu_imm(&t->c, 4, ALU_AND, host_reg(SCRATCH_B), SOFT_TARGETS - 1);
}

static int32_t targets_offset(const Translator *t)
{
    SoftMmuMode mode = t->b->key >> SOFT_KEY_MMU_SHIFT;
    return CPU_OFF(targets) + (int32_t)(mode * sizeof(SoftTargets));
}

void target_check(Translator *t)
{
    int32_t rips = targets_offset(t) + (int32_t)offsetof(SoftTargets, rips);

    target_slot(t);
    host_alu_load(&t->c, 8, ALU_CMP, SCRATCH_A, host_mem_index(CPU_REG, SCRATCH_B, 3, rips));
    leave_jump(t, host_jcc(&t->c, HOST_CC_NE), LEAVE_TARGET, t->index);
}

void exit_indirect(Translator *t, bool slot_known)
{
    int32_t hosts = targets_offset(t) + (int32_t)offsetof(SoftTargets, hosts);

    if (!slot_known) {
        target_slot(t);
    }
    host_insn(&t->c, 4, 0xff, 4, host_mem_index(CPU_REG, SCRATCH_B, 3, hosts)); /* jmp */
    t->ended = true;
}

/* ---- behind the block ---- */

static void load_block(Translator *t)
{
    host_mov_imm(&t->c, SCRATCH_A, (uintptr_t)t->b);
}

/* "mov A, block; jmp shared", made when it is needed first. */
static const uint8_t *block_thunk(Translator *t, const uint8_t **thunk, const uint8_t *shared)
{
    if (!*thunk) {
        uint8_t *over = host_jmp(&t->c);
        *thunk = t->c.exec;
        load_block(t);
        host_jmp_to(&t->c, shared);
        host_bind(&t->c, over);
    }
    return *thunk;
}

static void leave_with(Translator *t, const Thunks *thunks, const uint8_t **own, Leave how,
                       unsigned number)
{
    host_mov_imm(&t->c, SCRATCH_B, number);
    if (own[how]) {
        host_jmp_to(&t->c, own[how]);
        return;
    }
    own[how] = t->c.exec;
    load_block(t);
    host_jmp_to(&t->c, thunks->leave[how]);
}

bool exit_same_page(const SoftBlock *b, unsigned which)
{
    return b->second == (hwaddr)-1 && (b->rip ^ b->target[which]) < SOFT_PAGE &&
           b->cs_base % SOFT_PAGE == 0;
}

static void emit_exit(Translator *t, const Thunks *thunks, const uint8_t **own, unsigned which)
{
    SoftExit *e = &t->x->exits[which];
    uint8_t *jump = t->exit_jump[which], *invalid = NULL, *onward = NULL;

    host_bind(&t->c, jump);
    e->jump = t->c.exec - (t->c.write - jump);
    e->thunk = t->c.exec;
    make_flags(t, &t->exit_source[which]);
    if (e->unsaved && t->exit_source[which].how == FLAGS_UNKNOWN) {
        flags_save(t);
    }
    e->check = t->c.exec;
    if (!exit_same_page(t->b, which)) {
        host_mov_imm64(&t->c, SCRATCH_A, (uintptr_t)&link_never_valid);
        e->gen = t->c.exec - 8;
        host_load(&t->c, 4, SCRATCH_B, host_mem(CPU_REG, CPU_OFF(tlb_gen)));
        host_alu_load(&t->c, 4, ALU_CMP, SCRATCH_B, host_mem(SCRATCH_A, 0));
        invalid = host_jcc(&t->c, HOST_CC_NE);
    }
    if (e->unsaved || e->gen) {
        onward = host_jmp(&t->c);
        e->onward = t->c.exec - 4;
        host_bind(&t->c, onward);
    }
    if (invalid) {
        host_bind(&t->c, invalid);
    }
    e->leave = t->c.exec;
    leave_with(t, thunks, own, LEAVE_EXIT, which);
}

static void emit_slow_path(Translator *t, const Thunks *thunks, const uint8_t **call_thunk,
                           const SlowPath *p)
{
    const uint8_t *thunk = block_thunk(t, call_thunk, thunks->call);
    for (unsigned i = 0; i < p->count; i++) {
        host_bind(&t->c, p->jumps[i]);
    }
    make_flags(t, &p->source);
    xmm_store(t, p->xmm_store);
    host_mov_imm(&t->c, SCRATCH_B, p->index | p->uops << 16);
    host_call_to(&t->c, thunk);
    xmm_load(t, p->xmm_reload);
    if (p->mxcsr) {
        mxcsr_enter(t);
    }
    if (p->restore_flags) {
        flags_reload(t);
    }
    host_jmp_to(&t->c, p->copy ? t->share.copy_at[p->copy] : p->back);
}

void emit_call_uops(Translator *t, const Thunks *thunks, unsigned first, unsigned count)
{
    host_mov_imm(&t->c, SCRATCH_B, first | count << 16);
    load_block(t);
    host_call_to(&t->c, thunks->call);
}

void emit_tail(Translator *t, const Thunks *thunks)
{
    const uint8_t *own[LEAVE_KINDS] = { NULL }, *call_thunk = NULL;

    emit_second_tries(t);
    near_emit_tail(t);
    share_bind(t);
    xmm_bind_runs(t);
    for (unsigned which = 0; which < 2; which++) {
        if (t->exit_jump[which]) {
            emit_exit(t, thunks, own, which);
        }
    }
    for (unsigned i = 0; i < t->leave_count; i++) {
        host_bind(&t->c, t->leaves[i].jump);
        if (t->leaves[i].how == LEAVE_TARGET) {
            host_store(&t->c, 8, host_mem(CPU_REG, CPU_OFF(target)), SCRATCH_A);
        }
        make_flags(t, &t->leaves[i].source);
        xmm_store(t, t->leaves[i].xmm_store);
        leave_with(t, thunks, own, t->leaves[i].how, t->leaves[i].number);
    }
    for (unsigned i = 0; i < t->path_count; i++) {
        emit_slow_path(t, thunks, &call_thunk, &t->paths[i]);
    }
    remake_emit_tail(t);
}
