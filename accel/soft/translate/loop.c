/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block that branches to itself: the rules of SSE are checked, and XMM registers loaded, before
 * the loop, and stored behind it. What it needs is known when it has been emitted once, so it is
 * emitted twice.
 */
#include "accel/soft/translate/emit-sse.h"
#include "accel/soft/translate/leave.h"
#include "accel/soft/translate/remake.h"

bool emit_loop_wanted(Translator *t)
{
    if (t->loop.head || !t->exit_jump[1] || !t->exit_jump[0] || t->b->target[1] != t->b->rip ||
        !exit_same_page(t->b, 1) || t->called || !t->xmm_loaded) {
        return false;
    }
    t->loop.xmm = t->xmm_loaded;
    t->loop.changed = t->xmm_changed;
    t->loop.sse = t->sse_checked;
    t->loop.mxcsr = t->mxcsr_live;
    return true;
}

void emit_loop_begin(Translator *t)
{
    if (!t->loop.sse) {
        return;
    }
    sse_allowed(t);
    if (t->loop.mxcsr) {
        mxcsr_need(t);
    }
    xmm_load(t, t->loop.xmm);
    t->xmm_loaded = t->loop.xmm;
    t->xmm_dirty = t->loop.changed;
    t->loop.head = t->c.exec;
}

void emit_loop_branch(Translator *t, unsigned cc)
{
    bool saved = t->live[0] &&
                 (t->source.how == FLAGS_UNKNOWN || !remake_suits(&t->wants[0], t->source.regs));
    remake_offer(t);
    uint8_t *again = host_jcc(&t->c, cc);
    uint16_t dirty = t->xmm_dirty;

    xmm_spill(t);
    exit_by(t, 0, host_jmp(&t->c));
    host_bind(&t->c, again);
    t->xmm_dirty = dirty;
    if (t->flags == FLAGS_HOST && saved) {
        flags_save(t);
    }
    host_jmp_to(&t->c, t->loop.head);
    t->ended = true;
}
