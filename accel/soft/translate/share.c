/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks that several accesses share.
 *
 * Accesses of a block with the same base register, whose displacements are near, are a group: the
 * first checks the bytes of them all, and keeps what to add to a guest's address for the host's
 * (SoftCpu.shared); the others take it from there. The base may move by constants meanwhile, as RSP
 * does.
 *
 * The micro-operations from the first access of a group to the last one of those that overlap it
 * are a run. A run is emitted a second time behind the block, with a check at each access. That
 * copy goes on where the shared check fails (the bytes lie on two pages, or the fast way is not
 * allowed), and behind whatever called C: a TLB flush may have come with it. So what a check found
 * holds until it is used: nothing but translated code runs in between.
 */
#include "accel/soft/translate/share.h"

#include <string.h>

enum {
    SPAN = 128,     /* bytes of a group, at most */
    WORTH = 2,      /* so many checks must be saved by a run */
    FAR = 1 << 20,  /* a displacement that is not near anything */
    NO_GROUP = 255, /* numbers of groups are bytes */
};

_Static_assert(SPAN < SOFT_PAGE, "the check tells one page from two");

/* ---- what a micro-operation does, as far as it matters ---- */

typedef struct Access {
    bool is, write;
    uint8_t base;
    int32_t disp;
    unsigned size;
} Access;

/* Of these the emitters call no C, need no XMM registers, and write the registers that
 * follow_registers() knows. */
static bool may_be_in_run(const Translator *t, const Uop *op, const SoftMeaning *m)
{
    switch ((SoftMeans)m->kind) {
    case SOFT_MEANS_ALU:
        return m->cc == SOFT_NO_CONDITION &&
               (m->form < SOFT_MR || (m->op != ALU_ADC && m->op != ALU_SBB)); /* those are called */
    case SOFT_MEANS_TEST:
        return m->cc == SOFT_NO_CONDITION;
    case SOFT_MEANS_NOTHING:
    case SOFT_MEANS_MOV:
    case SOFT_MEANS_WIDEN:
    case SOFT_MEANS_LEA:
    case SOFT_MEANS_UNARY:
    case SOFT_MEANS_SHIFT:
    case SOFT_MEANS_IMUL:
    case SOFT_MEANS_SET:
    case SOFT_MEANS_CMOV:
    case SOFT_MEANS_BSWAP:
        return true;
    case SOFT_MEANS_PUSH:
    case SOFT_MEANS_POP:
        return (t->b->key & SOFT_KEY_CODE64) && op->size == 8 && m->form != SOFT_M;
    default:
        return false;
    }
}

static bool has_memory_operand(const SoftMeaning *m)
{
    return m->form == SOFT_RM || m->form == SOFT_MR || m->form == SOFT_MI || m->form == SOFT_M;
}

/* Is the memory operand, if there is one, written? */
static bool writes_memory(const SoftMeaning *m)
{
    switch ((SoftMeans)m->kind) {
    case SOFT_MEANS_MOV:
        return m->form != SOFT_RM;
    case SOFT_MEANS_ALU:
        return m->form != SOFT_RM && m->op != ALU_CMP;
    case SOFT_MEANS_UNARY:
    case SOFT_MEANS_SHIFT:
    case SOFT_MEANS_SET:
        return true;
    default:
        return false;
    }
}

static Access access_of(const Uop *op, const SoftMeaning *m)
{
    switch ((SoftMeans)m->kind) {
    case SOFT_MEANS_PUSH:
        return (Access){ true, true, X86_RSP, -8, 8 };
    case SOFT_MEANS_POP:
        return (Access){ true, false, X86_RSP, 0, 8 };
    case SOFT_MEANS_NOTHING:
    case SOFT_MEANS_LEA:
    case SOFT_MEANS_BSWAP:
        return (Access){ false };
    default:
        break;
    }
    if (!has_memory_operand(m) || op->index != REG_ZERO || op->seg != SOFT_SEG_NONE ||
        guest_host_reg(op->base) == HOST_NO_REG || op->disp > FAR || op->disp < -FAR) {
        return (Access){ false };
    }
    unsigned size = m->kind == SOFT_MEANS_WIDEN ? m->from : m->kind == SOFT_MEANS_SET ? 1 : m->size;
    return (Access){ true, writes_memory(m), op->base, op->disp, size };
}

/* ---- planning ---- */

typedef struct Plan {
    Translator *t;
    uint8_t open[16]; /* of each base register: its group, or NO_GROUP */
    int32_t moved[16];
    unsigned first_group; /* of the run */
} Plan;

static void forget_base(Plan *p, unsigned reg)
{
    if (reg < 16) {
        p->open[reg] = NO_GROUP;
        p->moved[reg] = 0;
    }
}

static void move_base(Plan *p, unsigned reg, int64_t by)
{
    int64_t moved = p->moved[reg] + by;

    if (moved > FAR || moved < -FAR) {
        forget_base(p, reg);
    } else {
        p->moved[reg] = (int32_t)moved;
    }
}

/* By how much the micro-operation moves its destination, if it does that and nothing else. */
static bool moves_by_constant(const Uop *op, const SoftMeaning *m, int64_t *by)
{
    if (m->kind == SOFT_MEANS_ALU && m->form == SOFT_RI && m->size == 8 &&
        (m->op == ALU_ADD || m->op == ALU_SUB)) {
        *by = (int64_t)op->imm;
        *by = *by > FAR || *by < -FAR ? 2 * FAR : m->op == ALU_ADD ? *by : -*by;
        return true;
    }
    *by = op->disp;
    return m->kind == SOFT_MEANS_LEA && m->size == 8 && op->base == op->dst &&
           op->index == REG_ZERO;
}

static bool writes_register(const SoftMeaning *m)
{
    switch ((SoftMeans)m->kind) {
    case SOFT_MEANS_NOTHING:
    case SOFT_MEANS_TEST:
        return false;
    case SOFT_MEANS_LEA:
    case SOFT_MEANS_BSWAP:
    case SOFT_MEANS_IMUL:
    case SOFT_MEANS_CMOV:
    case SOFT_MEANS_POP:
        return true;
    case SOFT_MEANS_ALU:
        if (m->op == ALU_CMP) {
            return false;
        }
        break;
    default:
        break;
    }
    return m->form == SOFT_RR || m->form == SOFT_RI || m->form == SOFT_RM || m->form == SOFT_R;
}

/* What the micro-operation does to base registers. */
static void follow_registers(Plan *p, const Uop *op, const SoftMeaning *m)
{
    int64_t by;

    if (m->kind == SOFT_MEANS_PUSH) {
        move_base(p, X86_RSP, -8);
        return;
    }
    if (m->kind == SOFT_MEANS_POP) {
        move_base(p, X86_RSP, 8);
    }
    if (!writes_register(m)) {
        return;
    }
    if (op->dst < 16 && moves_by_constant(op, m, &by)) {
        move_base(p, op->dst, by);
        return;
    }
    forget_base(p, op->dst);
    if (m->size == 1 || m->kind == SOFT_MEANS_SET) { /* numbers of byte registers */
        forget_base(p, op->dst / 8u);
    }
}

static bool joins(ShareGroup *g, const Access *a, int32_t at)
{
    int32_t low = MIN(g->low, at), high = MAX(g->high, at + (int32_t)a->size);

    if (high - low > SPAN) {
        return false;
    }
    g->low = low;
    g->high = high;
    g->write = g->write || a->write;
    return true;
}

static void plan_access(Plan *p, unsigned index, const Access *a)
{
    Share *sh = &p->t->share;
    uint8_t *open = &p->open[a->base];
    int32_t at = a->disp + p->moved[a->base];

    if (*open == NO_GROUP || !joins(&sh->groups[*open], a, at)) {
        if (sh->group_count == SHARE_GROUPS) {
            *open = NO_GROUP;
            return;
        }
        *open = (uint8_t)sh->group_count;
        sh->groups[sh->group_count++] = (ShareGroup){ .low = at,
                                                      .high = at + (int32_t)a->size,
                                                      .write = a->write,
                                                      .base = (uint8_t)guest_host_reg(a->base),
                                                      .first = (uint16_t)index };
    }
    ShareGroup *g = &sh->groups[*open];
    g->last = (uint16_t)index;
    g->members++;
    sh->uses[index] = (ShareUse){ .group = (uint8_t)(*open + 1), .moved = p->moved[a->base] };
}

static void begin_run(Plan *p)
{
    for (unsigned reg = 0; reg < 16; reg++) {
        forget_base(p, reg);
    }
    p->first_group = p->t->share.group_count;
}

/* The groups of a run that has ended: is it worth while? */
static void end_run(Plan *p)
{
    Share *sh = &p->t->share;
    unsigned saved = 0, first = UINT_MAX, last = 0;

    for (unsigned i = p->first_group; i < sh->group_count; i++) {
        ShareGroup *g = &sh->groups[i];
        if (g->members > 1) {
            saved += g->members - 1u;
            first = MIN(first, g->first);
            last = MAX(last, g->last);
        } else {
            sh->uses[g->first].group = 0;
        }
    }
    if (saved >= WORTH && sh->run_count < SHARE_RUNS) {
        sh->runs[sh->run_count++] = (ShareRun){ .first = first, .end = last + 1 };
    }
    begin_run(p);
}

void share_plan(Translator *t, UopFn *(*function_of)(const SoftBlock *b, unsigned index))
{
    const SoftBlock *b = t->b;
    Plan p = { .t = t };

    memset(&t->share, 0, offsetof(Share, copy_at));
    memset(t->share.uses, 0, b->count * sizeof(ShareUse));
    begin_run(&p);
    for (unsigned i = 0; i + 1u < b->count; i++) {
        const Uop *op = &b->uops[i];
        const SoftMeaning *m = soft_meaning_of(function_of(b, i));
        if (!m || !may_be_in_run(t, op, m)) {
            end_run(&p);
            continue;
        }
        Access a = access_of(op, m);
        if (a.is) {
            plan_access(&p, i, &a);
        }
        follow_registers(&p, op, m);
    }
    end_run(&p);
}

/* ---- emitting ---- */

ShareState share_state(const Translator *t)
{
    return (ShareState){ .source = t->source,
                         .flags = t->flags,
                         .xmm_loaded = t->xmm_loaded,
                         .xmm_dirty = t->xmm_dirty,
                         .sse_checked = t->sse_checked,
                         .mxcsr_live = t->mxcsr_live };
}

void share_restore(Translator *t, const ShareState *s)
{
    t->source = s->source;
    t->flags = (FlagPlace)s->flags;
    t->xmm_loaded = s->xmm_loaded;
    t->xmm_dirty = s->xmm_dirty;
    t->sse_checked = s->sse_checked;
    t->mxcsr_live = s->mxcsr_live;
}

void share_at(Translator *t, unsigned index)
{
    Share *sh = &t->share;

    if (sh->in_run && index >= sh->runs[sh->run].end) {
        ShareRun *r = &sh->runs[sh->run++];
        r->after = share_state(t);
        r->back = t->c.exec;
        sh->in_run = false;
    }
    if (sh->run < sh->run_count && index == sh->runs[sh->run].first) {
        sh->runs[sh->run].before = share_state(t);
        sh->in_run = true;
        sh->broken = false;
    }
}

void share_c_called(Translator *t)
{
    t->share.broken = true;
}

unsigned share_copy_of(const Translator *t, unsigned index)
{
    const Share *sh = &t->share;
    return sh->in_run && index < sh->runs[sh->run].end ? index : 0;
}

uint8_t **share_jump(Translator *t, uint8_t *at)
{
    Share *sh = &t->share;
    sh->fails[sh->fail_count] = (ShareFail){ .jump = at, .index = t->index };
    return &sh->fails[sh->fail_count++].jump;
}

static HostRm kept(unsigned group)
{
    return host_mem(CPU_REG, CPU_OFF(shared) + 8 * (int32_t)group);
}

ShareCheck share_check(Translator *t, unsigned base, int32_t disp, unsigned size, bool write)
{
    Share *sh = &t->share;
    ShareUse use = sh->uses[t->index];

    if (sh->in_copy) {
        sh->check_at[t->index] = t->c.exec;
    }
    if (!sh->in_run || sh->broken || !use.group) {
        return (ShareCheck){ SHARE_NONE };
    }
    ShareGroup *g = &sh->groups[use.group - 1];
    int32_t at = disp + use.moved;
    bool covered = g->low <= at && at + (int32_t)size <= g->high && (g->write || !write);
    if (!covered || g->base != base) {
        return (ShareCheck){ SHARE_NONE };
    }
    if (g->open) {
        host_load(&t->c, 8, SCRATCH_B, kept(use.group - 1u));
        return (ShareCheck){ SHARE_DONE };
    }
    g->open = true;
    return (ShareCheck){ SHARE_OPEN, g->low - use.moved, (unsigned)(g->high - g->low), g->write };
}

void share_opened(Translator *t)
{
    host_store(&t->c, 8, kept(t->share.uses[t->index].group - 1u), SCRATCH_B);
}

void share_emit_copies(Translator *t, ShareEmitFn *emit)
{
    Share *sh = &t->share;

    sh->in_copy = true;
    for (unsigned i = 0; i < sh->run_count; i++) {
        const ShareRun *r = &sh->runs[i];
        share_restore(t, &r->before);
        for (unsigned index = r->first; index < r->end;) {
            sh->copy_at[index] = t->c.exec;
            index = emit(t, index);
        }
        ShareState after = share_state(t);
        g_assert(memcmp(&after, &r->after, sizeof(after)) == 0);
        host_jmp_to(&t->c, r->back);
    }
    sh->in_copy = false;
}

void share_bind(Translator *t)
{
    const Share *sh = &t->share;

    for (unsigned i = 0; i < sh->fail_count; i++) {
        uint8_t *at = sh->fails[i].jump;
        host_patch(at, t->c.exec - (t->c.write - at), sh->check_at[sh->fails[i].index]);
    }
}
