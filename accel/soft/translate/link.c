/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Within a page a link needs no check: a mapping changes only by a flush, after which the vCPU
 * comes back through the engine. Across pages the thunk compares the target's valid_gen, as
 * soft_jump() does.
 */
#include "accel/soft/translate/link.h"

#include <string.h>

#include "accel/soft/translate/remake.h"
#include "accel/soft/translate/translator.h"

const uint32_t link_never_valid;

static void patch(SoftTranslator *tr, const uint8_t *at, const uint8_t *target)
{
    host_patch(code_cache_writable(&tr->cache, at), at, target);
}

static void patch_gen(SoftTranslator *tr, const SoftExit *e, const uint32_t *gen)
{
    if (e->gen) {
        uint64_t value = (uintptr_t)gen;
        memcpy(code_cache_writable(&tr->cache, e->gen), &value, sizeof(value));
    }
}

/* May the block @to be entered with flags as they are at exit @e? */
static bool may_stay_unsaved(const SoftExit *e, const SoftTranslation *to)
{
    return !e->unsaved || !to->flags_live ||
           (e->remake && remake_suits(&to->flag_wants, e->remake_regs));
}

/* Where exit @e of @from, which needs no check, goes to. Within a page the way to a higher address
 * leads behind the target's look at exit_request: every cycle has another way in it. Where C was
 * called, the block ends as if it did not (run_uops()). */
static const uint8_t *entry_of(const SoftExit *e, const SoftBlock *from, const SoftBlock *to)
{
    bool onward = !e->gen && to->rip > from->rip;
    return onward && to->translation->inner ? to->translation->inner : to->host;
}

void link_exit(SoftCpu *s, SoftBlock *from, unsigned which, SoftBlock *to)
{
    if (!from->translation || from->dead || !to->translation || to->dead) {
        return;
    }
    SoftExit *e = &from->translation->exits[which];
    if (!e->jump || e->to || (!e->gen && to->second != (hwaddr)-1)) {
        return;
    }
    SoftTranslator *tr = s->translator;
    bool as_it_is = may_stay_unsaved(e, to->translation);
    const uint8_t *entry = entry_of(e, from, to);
    if (!e->gen && as_it_is) {
        patch(tr, e->jump, entry);
    } else {
        patch_gen(tr, e, &to->valid_gen);
        patch(tr, e->onward, entry);
    }
    if (e->gen && e->remake && as_it_is) { /* the check destroys the host's flags */
        patch(tr, e->jump, e->check);
    }
    tr->statistics.links++;
    e->to = to;
    e->next = to->translation->incoming;
    to->translation->incoming = e;
}

/* Back to what it was. */
static void undo(SoftTranslator *tr, SoftExit *e)
{
    patch(tr, e->jump, e->thunk);
    if (e->onward) {
        patch(tr, e->onward, e->leave);
    }
    patch_gen(tr, e, &link_never_valid);
    e->to = NULL;
}

static void take_out(SoftExit *e)
{
    SoftExit **list = &e->to->translation->incoming;
    while (*list != e) {
        list = &(*list)->next;
    }
    *list = e->next;
}

void link_remove(SoftCpu *s, SoftBlock *b)
{
    SoftTranslation *x = b->translation;

    for (unsigned which = 0; which < 2; which++) {
        SoftExit *e = &x->exits[which];
        if (e->to) {
            take_out(e);
            undo(s->translator, e);
        }
    }
    while (x->incoming) {
        SoftExit *e = x->incoming;
        x->incoming = e->next;
        undo(s->translator, e);
    }
}
