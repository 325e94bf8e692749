/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that hold decoded code.
 *
 * Before a vCPU decodes the first code of a page, no other vCPU may keep a fast way to write there:
 * the page is entered in the table (a TLB entry filled from now on is slow), the others are asked
 * to drop theirs, and it waits until each has done so or is outside its read section (it does so
 * when it comes back). Only then the page is "ready".
 *
 * Writes are told to the vCPUs that have code there, and to no others. What is told is merged into
 * the record that the vCPU has of the page anyway (OwnPage): so it takes no memory, whatever a
 * guest writes and however long the vCPU sleeps.
 */

#include "accel/soft/code-pages.h"

#include "accel/soft/access.h"
#include "accel/soft/exclusive.h"
#include "accel/soft/tlb.h"

typedef struct SoftCodeCpu SoftCodeCpu;
typedef struct OwnPage OwnPage;

/* One page of 64 lines of 64 bytes. All fields: mutex. */
typedef struct CodePage {
    uint64_t page;   /* address / SOFT_PAGE */
    OwnPage *owners; /* one for each vCPU that has it in its set; never empty */
    bool ready;      /* nobody can write to it unnoticed */
} CodePage;

/* A page in the set of one vCPU. All fields: mutex. */
struct OwnPage {
    uint64_t page;
    CodePage *shared;
    SoftCodeCpu *cpu;
    OwnPage *next_owner;
    uint64_t lines; /* that hold code of this vCPU; bit 0: bytes 0-63 */
    /* What others wrote that this vCPU has not looked at yet: these lines, as far as they are in
     * the bytes [first, end) of the page. In the vCPU's list of dirty pages while not 0. */
    uint64_t dirty;
    unsigned first, end;
    OwnPage *next_dirty, **dirty_link;
};

/* Bytes within one page; len 0: none. */
typedef struct CodeRange {
    hwaddr phys;
    unsigned len;
} CodeRange;

struct SoftCodeCpu {
    SoftCpu *s;
    const SoftCodeUser *user;
    GHashTable *own;      /* set of OwnPage, by page; mutex */
    OwnPage *dirty;       /* list; mutex */
    CodeRange again;      /* that this vCPU wrote to last: see begin_write(); own thread */
    _Atomic bool pending; /* there is one of both; set with the mutex */
    SoftCodeCpu *next;
};

static GMutex mutex;
static GHashTable *pages; /* page -> CodePage */
static SoftCodeCpu *cpus;

/* How many pages of the table there are with each remainder of the page number: written with the
 * mutex, and read without it, so that who asks about a page far from all code takes no lock. */
#define FILTER_SIZE (1u << 14)
static _Atomic uint32_t filter[FILTER_SIZE];

static _Atomic uint32_t *filter_of(uint64_t page)
{
    return &filter[page % FILTER_SIZE];
}

void soft_code_register(SoftCpu *s, const SoftCodeUser *user)
{
    SoftCodeCpu *c = g_new0(SoftCodeCpu, 1);
    c->s = s;
    c->user = user;
    c->own = g_hash_table_new(g_int64_hash, g_int64_equal);
    s->code_pages = c;

    g_mutex_lock(&mutex);
    if (!pages) {
        pages = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    }
    c->next = cpus;
    cpus = c;
    g_mutex_unlock(&mutex);
}

void soft_code_unregister(SoftCpu *s)
{
    SoftCodeCpu *c = s->code_pages;

    soft_code_page_remove_all(s);
    g_mutex_lock(&mutex);
    SoftCodeCpu **link = &cpus;
    while (*link != c) {
        link = &(*link)->next;
    }
    *link = c->next;
    g_mutex_unlock(&mutex);
    g_hash_table_unref(c->own);
    g_free(c);
}

/* With the mutex. */
static CodePage *find(hwaddr phys)
{
    uint64_t page = phys / SOFT_PAGE;
    return pages ? g_hash_table_lookup(pages, &page) : NULL;
}

static OwnPage *find_own(const SoftCodeCpu *self, hwaddr phys)
{
    uint64_t page = phys / SOFT_PAGE;
    return g_hash_table_lookup(self->own, &page);
}

bool soft_code_page_has(hwaddr phys)
{
    /* Relaxed: who has just entered the page, and is not seen here, has asked for the entry to be
     * dropped that is made now, and waits for that or for the end of this read section. */
    if (atomic_load_explicit(filter_of(phys / SOFT_PAGE), memory_order_relaxed) == 0) {
        return false;
    }
    g_mutex_lock(&mutex);
    bool has = find(phys);
    g_mutex_unlock(&mutex);
    return has;
}

unsigned soft_code_page_count(const SoftCpu *s)
{
    g_mutex_lock(&mutex);
    unsigned count = g_hash_table_size(s->code_pages->own);
    g_mutex_unlock(&mutex);
    return count;
}

unsigned soft_code_dirty_count(const SoftCpu *s)
{
    unsigned count = 0;

    g_mutex_lock(&mutex);
    for (const OwnPage *o = s->code_pages->dirty; o; o = o->next_dirty) {
        count++;
    }
    g_mutex_unlock(&mutex);
    return count;
}

/* ---- adding ---- */

/* With the mutex. Ask the others to drop what they know of the page; false if there is nobody to
 * ask. */
static bool ask_others(const SoftCodeCpu *self, hwaddr phys)
{
    bool any = false;
    for (SoftCodeCpu *c = cpus; c; c = c->next) {
        if (c != self) {
            soft_tlb_request_drop(c->s, phys, phys);
            any = any || (c->s->reader && memory_read_active(c->s->reader));
        }
    }
    return any;
}

static bool others_are_done(const SoftCodeCpu *self)
{
    bool done = true;
    g_mutex_lock(&mutex);
    for (SoftCodeCpu *c = cpus; c; c = c->next) {
        if (c != self && atomic_load(&c->s->drop_request) && c->s->reader &&
            memory_read_active(c->s->reader)) {
            done = false;
        }
    }
    g_mutex_unlock(&mutex);
    return done;
}

/* The read section is left, so that two vCPUs that wait for each other both go on. */
static void wait_for_others(const SoftCodeCpu *self)
{
    if (self->s->reader) {
        memory_read_leave(self->s->reader);
    }
    while (!others_are_done(self)) {
        g_usleep(10);
    }
    soft_section_enter(self->s);
    soft_tlb_drop_requested(self->s);
}

/* With the mutex. The page in the vCPU's set, entered if need be: then *@entered. */
static CodePage *own_page(SoftCodeCpu *self, hwaddr phys, bool *entered)
{
    OwnPage *own = find_own(self, phys);

    *entered = !own;
    if (own) {
        return own->shared;
    }
    CodePage *p = find(phys);
    if (!p) {
        p = g_new0(CodePage, 1);
        p->page = phys / SOFT_PAGE;
        g_hash_table_insert(pages, &p->page, p);
        atomic_fetch_add(filter_of(p->page), 1);
    }
    OwnPage *o = g_new0(OwnPage, 1);
    *o = (OwnPage){ .page = p->page, .shared = p, .cpu = self, .next_owner = p->owners };
    p->owners = o;
    g_hash_table_insert(self->own, &o->page, o);
    return p;
}

bool soft_code_page_add(SoftCpu *s, hwaddr phys)
{
    SoftCodeCpu *self = s->code_pages;
    bool wait = false, entered;

    g_mutex_lock(&mutex);
    CodePage *p = own_page(self, phys, &entered);
    if (!p->ready) {
        wait = ask_others(self, phys);
        p->ready = !wait;
    }
    g_mutex_unlock(&mutex);

    /* Once is enough: while it is in the set no entry for it becomes fast. */
    if (entered) {
        soft_tlb_slow_writes(s, phys);
    }
    if (!wait) {
        return true;
    }
    wait_for_others(self);
    g_mutex_lock(&mutex);
    p = find(phys);
    if (p) { /* it was ours all the time, unless a write took it away */
        p->ready = true;
    }
    g_mutex_unlock(&mutex);
    return false;
}

void soft_code_page_lines(SoftCpu *s, hwaddr phys, unsigned len)
{
    g_mutex_lock(&mutex);
    OwnPage *o = find_own(s->code_pages, phys);
    if (o) {
        o->lines |= soft_code_lines(phys, len);
    }
    g_mutex_unlock(&mutex);
    atomic_thread_fence(memory_order_seq_cst);
}

void soft_code_page_set_lines(SoftCpu *s, hwaddr phys, uint64_t lines)
{
    g_mutex_lock(&mutex);
    OwnPage *o = find_own(s->code_pages, phys);
    if (o) {
        o->lines = lines;
    }
    g_mutex_unlock(&mutex);
}

/* ---- removing ---- */

/* With the mutex. */
static void mark_clean(OwnPage *o)
{
    if (o->dirty) {
        o->dirty = 0;
        *o->dirty_link = o->next_dirty;
        if (o->next_dirty) {
            o->next_dirty->dirty_link = o->dirty_link;
        }
    }
}

/* With the mutex. The record is out of the vCPU's set already. */
static void disown(OwnPage *o)
{
    CodePage *p = o->shared;
    OwnPage **link = &p->owners;

    mark_clean(o);
    while (*link != o) {
        link = &(*link)->next_owner;
    }
    *link = o->next_owner;
    g_free(o);
    if (!p->owners) {
        atomic_fetch_sub(filter_of(p->page), 1);
        g_hash_table_remove(pages, &p->page);
    }
}

void soft_code_page_remove(SoftCpu *s, hwaddr phys)
{
    SoftCodeCpu *self = s->code_pages;

    g_mutex_lock(&mutex);
    OwnPage *o = find_own(self, phys);
    if (o) {
        g_hash_table_remove(self->own, &o->page);
        disown(o);
    }
    g_mutex_unlock(&mutex);
}

void soft_code_page_remove_all(SoftCpu *s)
{
    GHashTableIter iter;
    gpointer value;

    g_mutex_lock(&mutex);
    g_hash_table_iter_init(&iter, s->code_pages->own);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        g_hash_table_iter_remove(&iter);
        disown(value);
    }
    g_mutex_unlock(&mutex);
}

/* ---- writes ---- */

/* With the mutex. Bytes [first, end) of the page were or will be written by somebody else: if this
 * vCPU has code there, it is to look before its next block. */
static void mark_dirty(OwnPage *o, unsigned first, unsigned end)
{
    uint64_t lines = o->lines & soft_code_lines(first, end - first);
    SoftCodeCpu *c = o->cpu;

    if (!lines || ((o->dirty & lines) == lines && o->first <= first && o->end >= end)) {
        return; /* no code of it there; or it was told, and has not looked since */
    }
    if (!o->dirty) {
        o->first = first;
        o->end = end;
        o->next_dirty = c->dirty;
        o->dirty_link = &c->dirty;
        if (c->dirty) {
            c->dirty->dirty_link = &o->next_dirty;
        }
        c->dirty = o;
    }
    o->dirty |= lines;
    o->first = MIN(o->first, first);
    o->end = MAX(o->end, end);
    atomic_store(&c->pending, true);
    atomic_store(&c->s->cpu.exit_request, true);
}

/* With the mutex. Tell all vCPUs but @self, which may be NULL. */
static void tell_owners(const CodePage *p, const SoftCodeCpu *self, hwaddr phys, unsigned len)
{
    for (OwnPage *o = p ? p->owners : NULL; o; o = o->next_owner) {
        if (o->cpu != self) {
            mark_dirty(o, (unsigned)(phys % SOFT_PAGE), (unsigned)(phys % SOFT_PAGE) + len);
        }
    }
}

/* With the mutex. The last write that was told before it happened has happened by now. */
static void tell_again(SoftCodeCpu *self)
{
    if (self->again.len) {
        tell_owners(find(self->again.phys), self, self->again.phys, self->again.len);
        self->again.len = 0;
    }
}

/* What there is on a page that a vCPU writes to. */
enum {
    CODE_OF_ANYONE = 1 << 0, /* on the page */
    CODE_OWN = 1 << 1,       /* on the page */
    CODE_OWN_HIT = 1 << 2,   /* in the lines written */
};

/* The vCPU is about to write to a page. Others are told now, and once more when the write has
 * happened, so that what they may have decoded in between is dropped: at the vCPU's next such write
 * or its next block, whichever comes first. One range is enough for that, since a vCPU does one
 * write after the other. */
static unsigned begin_write(SoftCpu *s, hwaddr phys, unsigned len)
{
    SoftCodeCpu *self = s->code_pages;
    uint64_t lines = soft_code_lines(phys, len);
    unsigned found = 0;

    g_mutex_lock(&mutex);
    tell_again(self);
    const CodePage *p = find(phys);
    for (const OwnPage *o = p ? p->owners : NULL; o; o = o->next_owner) {
        found |= CODE_OF_ANYONE;
        if (o->cpu == self) {
            found |= CODE_OWN | (o->lines & lines ? CODE_OWN_HIT : 0);
        } else if (o->lines & lines) {
            self->again = (CodeRange){ phys, len };
        }
    }
    if (self->again.len) {
        tell_owners(p, self, phys, len);
        atomic_store(&self->pending, true);
        atomic_store(&s->cpu.exit_request, true);
    }
    g_mutex_unlock(&mutex);
    return found;
}

/* With the mutex. The part of [phys, phys + len) that is on the record's page. */
static void mark_part(OwnPage *o, hwaddr phys, uint64_t len)
{
    hwaddr start = o->page * SOFT_PAGE;
    hwaddr first = MAX(phys, start), end = MIN(phys + len, start + SOFT_PAGE);

    if (first < end) {
        mark_dirty(o, (unsigned)(first - start), (unsigned)(end - start));
    }
}

/* With the mutex. The vCPU may have less pages than the range. */
static void tell_range(SoftCodeCpu *c, hwaddr phys, uint64_t len)
{
    hwaddr first = phys / SOFT_PAGE, last = (phys + len - 1) / SOFT_PAGE;

    if (last - first >= g_hash_table_size(c->own)) {
        GHashTableIter iter;
        gpointer value;
        g_hash_table_iter_init(&iter, c->own);
        while (g_hash_table_iter_next(&iter, NULL, &value)) {
            mark_part(value, phys, len);
        }
        return;
    }
    for (hwaddr page = first; page <= last; page++) {
        OwnPage *o = g_hash_table_lookup(c->own, &page);
        if (o) {
            mark_part(o, phys, len);
        }
    }
}

void soft_code_drop_pages(hwaddr first, hwaddr last)
{
    g_mutex_lock(&mutex);
    for (SoftCodeCpu *c = cpus; c; c = c->next) {
        soft_tlb_request_drop(c->s, first, last);
    }
    g_mutex_unlock(&mutex);
}

void soft_code_written(hwaddr phys, uint64_t len)
{
    if (len == 0) {
        return;
    }
    g_mutex_lock(&mutex);
    for (SoftCodeCpu *c = cpus; c; c = c->next) {
        tell_range(c, phys, len);
    }
    g_mutex_unlock(&mutex);
}

bool soft_code_invalidate(SoftCpu *s, const Uop *op, hwaddr phys, unsigned len)
{
    unsigned found = begin_write(s, phys, len);

    if (found & CODE_OWN_HIT) {
        s->code_pages->user->invalidate(s, op, phys, len);
    }
    if (!(found & CODE_OWN) || s->code_pages->user->page_used(s, phys)) {
        return found & CODE_OF_ANYONE;
    }
    soft_code_page_remove(s, phys);
    return soft_code_page_has(phys);
}

/* ---- taking in what others wrote ---- */

/* With the mutex. Take the lowest run of lines out of a dirty page. */
static CodeRange take_run(OwnPage *o)
{
    unsigned line = (unsigned)__builtin_ctzll(o->dirty), end = line;

    while (end < 64 && (o->dirty >> end & 1)) {
        end++;
    }
    uint64_t rest = o->dirty & ~soft_code_lines(line * 64, (end - line) * 64);
    unsigned from = MAX(o->first, line * 64), to = MIN(o->end, end * 64);
    if (rest) {
        o->dirty = rest;
    } else {
        mark_clean(o);
    }
    return (CodeRange){ o->page * SOFT_PAGE + from, to - from };
}

/* False: there is no more. */
static bool next_dirty(SoftCodeCpu *self, CodeRange *range)
{
    g_mutex_lock(&mutex);
    tell_again(self);
    OwnPage *o = self->dirty;
    if (o) {
        *range = take_run(o);
    } else {
        atomic_store(&self->pending, false);
    }
    g_mutex_unlock(&mutex);
    return o;
}

void soft_code_sync(SoftCpu *s)
{
    SoftCodeCpu *self = s->code_pages;
    CodeRange range;

    if (!atomic_load_explicit(&self->pending, memory_order_acquire)) {
        return;
    }
    while (next_dirty(self, &range)) {
        self->user->invalidate(s, NULL, range.phys, range.len);
    }
}
