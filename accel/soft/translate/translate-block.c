/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One block to host code. */
#include <inttypes.h>
#include <string.h>

#include "accel/soft/disassemble.h"
#include "accel/soft/options.h"
#include "accel/soft/translate/emit-sse.h"
#include "accel/soft/translate/leave.h"
#include "accel/soft/translate/perf-map.h"
#include "accel/soft/translate/remake.h"
#include "accel/soft/translate/share.h"
#include "accel/soft/translate/translator.h"
#include "util/log.h"

enum { ROOM_FOR_BLOCK = 1024, ROOM_FOR_UOP = 768 }; /* bytes, at most */

static HostEmitFn *const emitters[SOFT_MEANS_COUNT] = {
    [SOFT_MEANS_NOTHING] = host_emit_nothing,   [SOFT_MEANS_ALU] = host_emit_alu,
    [SOFT_MEANS_TEST] = host_emit_test,         [SOFT_MEANS_UNARY] = host_emit_unary,
    [SOFT_MEANS_MOV] = host_emit_mov,           [SOFT_MEANS_WIDEN] = host_emit_widen,
    [SOFT_MEANS_LEA] = host_emit_lea,           [SOFT_MEANS_BSWAP] = host_emit_bswap,
    [SOFT_MEANS_XCHG] = host_emit_xchg,         [SOFT_MEANS_CONVERT] = host_emit_convert,
    [SOFT_MEANS_SHIFT] = host_emit_shift,       [SOFT_MEANS_IMUL] = host_emit_imul,
    [SOFT_MEANS_MULTIPLY] = host_emit_multiply, [SOFT_MEANS_SET] = host_emit_set,
    [SOFT_MEANS_CMOV] = host_emit_cmov,         [SOFT_MEANS_SCAN] = host_emit_scan,
    [SOFT_MEANS_BIT] = host_emit_bit,           [SOFT_MEANS_JCC] = host_emit_jcc,
    [SOFT_MEANS_JMP] = host_emit_jmp,           [SOFT_MEANS_GO_ON] = host_emit_go_on,
    [SOFT_MEANS_JMP_TO] = host_emit_jmp_to,     [SOFT_MEANS_CALL] = host_emit_call,
    [SOFT_MEANS_CALL_TO] = host_emit_call_to,   [SOFT_MEANS_RET] = host_emit_ret,
    [SOFT_MEANS_PUSH] = host_emit_push,         [SOFT_MEANS_POP] = host_emit_pop,
    [SOFT_MEANS_LEAVE] = host_emit_leave,       [SOFT_MEANS_XMM] = host_emit_xmm,
    [SOFT_MEANS_NATIVE] = host_emit_native,     [SOFT_MEANS_LOCKED] = host_emit_locked,
    [SOFT_MEANS_SWAP] = host_emit_swap,         [SOFT_MEANS_XADD] = host_emit_xadd,
    [SOFT_MEANS_CMPXCHG] = host_emit_cmpxchg,   [SOFT_MEANS_CLI] = host_emit_cli,
    [SOFT_MEANS_STI] = host_emit_sti,           [SOFT_MEANS_SWAPGS] = host_emit_swapgs,
    [SOFT_MEANS_PUSHF] = host_emit_pushf,
};

static UopFn *function_of(const SoftBlock *b, unsigned index)
{
    return index == 0 ? b->first : b->uops[index].fn;
}

/* ---- which flags are read ---- */

/* Does it write all flags and read none, or (*none) neither? Faults are readers. */
static bool writes_flags(const Uop *op, const SoftMeaning *m, bool *none)
{
    bool memory =
        m->form == SOFT_RM || m->form == SOFT_MR || m->form == SOFT_MI || m->form == SOFT_M;
    *none = false;
    switch ((SoftMeans)m->kind) {
    case SOFT_MEANS_MOV:
    case SOFT_MEANS_WIDEN:
        *none = !memory;
        return false;
    case SOFT_MEANS_NOTHING:
    case SOFT_MEANS_LEA:
    case SOFT_MEANS_BSWAP:
    case SOFT_MEANS_XCHG:
    case SOFT_MEANS_CONVERT:
        *none = true;
        return false;
    case SOFT_MEANS_ALU:
        return !memory && m->op != ALU_ADC && m->op != ALU_SBB;
    case SOFT_MEANS_TEST:
    case SOFT_MEANS_IMUL:
        return !memory;
    case SOFT_MEANS_MULTIPLY:
    case SOFT_MEANS_SCAN:
        return !op->aux;
    case SOFT_MEANS_UNARY:
        *none = !memory && m->op == SOFT_NOT;
        return !memory && m->op == SOFT_NEG;
    case SOFT_MEANS_SHIFT:
        return m->form == SOFT_RI && m->op >= 4 && op->aux != 0;
    default:
        return false;
    }
}

static void find_live_flags(Translator *t)
{
    const SoftBlock *b = t->b;

    t->live[b->count] = true;
    for (unsigned i = b->count; i-- > 0;) {
        const SoftMeaning *m = soft_meaning_of(function_of(b, i));
        bool none = false, writes = m && writes_flags(&b->uops[i], m, &none);
        t->live[i] = writes ? false : none ? t->live[i + 1] : true;
    }
}

/* ---- one micro-operation after the other ---- */

/* At the block's begin, where flags are in memory, can be made again, or are dead: leave if
 * exit_request is set. What does not close a cycle comes in behind that (link.c). */
static void emit_exit_check(Translator *t)
{
    host_alu_imm(&t->c, 1, ALU_CMP, host_mem(CPU_REG, CPU_OFF(cpu.exit_request)), 0);
    leave_jump(t, host_jcc(&t->c, HOST_CC_NE), LEAVE_BAIL, 0);
    if (!t->loop.head) {
        t->x->inner = t->c.exec;
    }
}

static bool emit_uop(Translator *t, unsigned index)
{
    const Uop *op = &t->b->uops[index];
    const SoftMeaning *m = soft_meaning_of(function_of(t->b, index));

    t->op = op;
    t->fn = function_of(t->b, index);
    t->index = index;
    t->live_before = t->live[index];
    t->live_after = t->live[index + 1];
    t->slow = NULL;
    t->uops = 1;
    if (index + 1u == t->b->count && !t->loop.head) {
        xmm_spill(t);
    }
    if (!m || !emitters[m->kind] || !emitters[m->kind](t, op, m)) {
        return false;
    }
    if (t->slow) {
        t->slow->uops = t->uops;
        t->slow->back = t->c.exec;
        t->slow->copy = share_copy_of(t, index + t->uops);
        t->slow->restore_flags = t->flags == FLAGS_HOST || t->flags == FLAGS_BOTH;
        t->slow->xmm_reload = t->xmm_loaded;
        t->slow->mxcsr = t->mxcsr_live;
    }
    remake_follow(t);
    return true;
}

/* How many micro-operations from @index on have no emitter, but for the last one of the block. */
static unsigned without_emitter(const SoftBlock *b, unsigned index)
{
    unsigned count = 0;
    while (index + count + 1u < b->count && !soft_meaning_of(function_of(b, index + count))) {
        count++;
    }
    return count ? count : 1; /* it has one that refused */
}

/* C runs @count micro-operations from @index on. */
static void emit_call(Translator *t, unsigned index, unsigned count)
{
    t->called = true;
    xmm_spill(t);
    emit_call_uops(t, t->thunks, index, count);
    share_c_called(t);
    t->xmm_loaded = 0;
    t->sse_checked = t->mxcsr_live = false;
}

/* Micro-operation @i, and those that are emitted with it; gives the next one. */
static unsigned emit_next(Translator *t, unsigned i)
{
    if (emit_uop(t, i)) {
        return i + t->uops;
    }
    flags_to_memory(t);
    t->source = (FlagSource){ 0 };
    if (i + 1u == t->b->count) {
        leave_jump(t, host_jmp(&t->c), LEAVE_BAIL, i);
        return t->b->count;
    }
    unsigned count = without_emitter(t->b, i);
    emit_call(t, i, count);
    return i + count;
}

static void emit_uops(Translator *t)
{
    find_live_flags(t);
    t->x->flags_live = t->live[0];
    remake_plan(t, function_of);
    t->x->flag_wants = t->wants[0];
    share_plan(t, function_of);
    emit_loop_begin(t);
    emit_exit_check(t);
    for (unsigned i = 0; i < t->b->count;) {
        share_at(t, i);
        i = emit_next(t, i);
    }
}

static void tell(SoftTranslator *tr, const SoftBlock *b, const uint8_t *code, size_t size)
{
    TranslateStatistics *st = &tr->statistics;

    st->translations++;
    st->guest_bytes += b->bytes;
    st->host_bytes += size;
    if (soft_options.perf_map) {
        perf_map_add_block(code, size, b->rip);
    }
    if (log_enabled(LOG_OUT_ASM)) {
        g_autoptr(GString) text = g_string_new(NULL);
        soft_disassemble(text, 64, (uintptr_t)code, code, size);
        log_printf("OUT: 0x%08" PRIx64 ", %zu bytes\n%s\n", b->rip, size, text->str);
    }
}

/* Emit the block to @c. What of @t has no initial value in @loop is cleared. */
static void emit_block(Translator *t, SoftTranslator *tr, SoftBlock *b, HostCode c)
{
    SoftTranslation *x = t->x;

    *x = (SoftTranslation){ 0 };
    memset(t, 0, offsetof(Translator, loop));
    t->path_count = t->leave_count = t->second_count = t->far_count = t->xmm_run_count = 0;
    t->one_by_one = false;
    t->exit_jump[0] = t->exit_jump[1] = NULL;
    t->c = c;
    t->b = b;
    t->x = x;
    t->thunks = &tr->thunks;
    emit_uops(t);
}

bool translate_block(SoftTranslator *tr, SoftBlock *b)
{
    Translator t;
    HostCode c;

    if (!code_cache_begin(&tr->cache, ROOM_FOR_BLOCK + 2 * (size_t)b->count * ROOM_FOR_UOP, &c)) {
        return false;
    }
    memset(&t.loop, 0, sizeof(t.loop));
    t.x = g_new0(SoftTranslation, 1);
    emit_block(&t, tr, b, c);
    if (emit_loop_wanted(&t)) {
        emit_block(&t, tr, b, c);
    }
    share_emit_copies(&t, emit_next);
    xmm_emit_runs(&t, emit_next);
    emit_tail(&t, &tr->thunks);
    code_cache_commit(&tr->cache, &t.c);
    tell(tr, b, c.exec, (size_t)(t.c.exec - c.exec));
    b->host = c.exec;
    b->translation = t.x;
    t.x->older = tr->newest;
    tr->newest = t.x;
    return true;
}
