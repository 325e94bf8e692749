/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/translate/run.h"

#include "accel/soft/translate/link.h"
#include "accel/soft/translate/targets.h"
#include "accel/soft/translate/translator.h"
#include "accel/soft/uop.h"

/* The function that a micro-operation has for the interpreter. */
static UopFn *function_of(const SoftBlock *b, unsigned number)
{
    return number == 0 ? b->first : b->uops[number].fn;
}

static const Uop *uop_stay(SoftCpu *s, const Uop *op)
{
    return op;
}

/* A function may call the next one: a copy is run, behind which is one that comes back. */
const Uop *run_uops(SoftCpu *s, SoftBlock *b, unsigned number)
{
    unsigned first = number & 0xffff, count = number >> 16;
    TranslateStatistics *st = &s->translator->statistics;
    Uop pair[2];

    st->calls++;
    pair[1].fn = uop_stay;
    for (unsigned i = first; i < first + count; i++) {
        pair[0] = b->uops[i];
        pair[0].fn = function_of(b, i);
        statistics_called(st, b, i, pair[0].fn);
        const Uop *next = pair[0].fn(s, pair);
        if (next != &pair[1]) {
            return next;
        }
        /* Dead by this write, the interpreter knows where to stop. What it asked for by
         * exit_request is to come when the block ends: the next one may be entered without a look
         * at it. */
        if (b->dead || atomic_load_explicit(&s->cpu.exit_request, memory_order_relaxed)) {
            return &b->uops[i + 1];
        }
    }
    return RUN_STAY(s);
}

const Uop *run_bail(SoftCpu *s, SoftBlock *b, unsigned number)
{
    TranslateStatistics *st = &s->translator->statistics;
    UopFn *fn = function_of(b, number);

    st->bails++;
    statistics_called(st, b, number, fn);
    return fn(s, &b->uops[number]);
}

const Uop *run_exit(SoftCpu *s, SoftBlock *b, unsigned number)
{
    SoftBlock *next = b->next[number];

    if (!atomic_load_explicit(&s->cpu.exit_request, memory_order_relaxed) &&
        (next->valid_gen == s->tlb_gen || soft_block_revalidate(s, next, b->target[number]))) {
        link_exit(s, b, number, next);
        return soft_enter(s, next);
    }
    return soft_jump_slow(s, b->target[number], (int)number);
}

const Uop *run_target(SoftCpu *s, SoftBlock *b, unsigned number)
{
    SoftBlock *to = s->jump[soft_jump_hash(s->target)];

    if (to->rip == s->target && to->host &&
        (to->valid_gen == s->tlb_gen ? to->key == b->key
                                     : soft_block_revalidate(s, to, s->target))) {
        soft_targets_remember(s, to);
    }
    return run_bail(s, b, number);
}
