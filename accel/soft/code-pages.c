/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that hold decoded code.
 *
 * Before a vCPU decodes the first code of a page, no other vCPU may keep a fast way to write there:
 * the page is entered in the table (a TLB entry filled from now on is slow), the others are asked
 * to flush, and it waits until each has done so or is outside its read section (it flushes when it
 * comes back). Only then the page is "ready".
 */

#include "accel/soft/code-pages.h"

#include "accel/soft/access.h"
#include "accel/soft/block.h"
#include "accel/soft/mmu.h"

/* One page of 64 lines of 64 bytes. */
typedef struct CodePage {
    uint64_t page;   /* address / SOFT_PAGE */
    unsigned owners; /* vCPUs that have it in their set */
    bool ready;      /* nobody can write to it unnoticed */
    uint64_t lines;  /* that hold code; bit 0: bytes 0-63 */
} CodePage;

typedef struct CodeRange {
    hwaddr phys;
    uint64_t len;
} CodeRange;

typedef struct SoftCodeCpu {
    SoftCpu *s;
    const SoftCodeUser *user;
    GHashTable *own;      /* set of CodePage, by page; mutex */
    GArray *queue;        /* CodeRange to invalidate; mutex */
    GArray *again;        /* CodeRange that this vCPU has written to: see write_matters(); own */
    _Atomic bool pending; /* one of both is not empty */
    struct SoftCodeCpu *next;
} SoftCodeCpu;

static GMutex mutex;
static GHashTable *pages; /* page -> CodePage */
static SoftCodeCpu *cpus;

void soft_code_register(SoftCpu *s, const SoftCodeUser *user)
{
    SoftCodeCpu *c = g_new0(SoftCodeCpu, 1);
    c->s = s;
    c->user = user;
    c->own = g_hash_table_new(g_int64_hash, g_int64_equal);
    c->queue = g_array_new(FALSE, FALSE, sizeof(CodeRange));
    c->again = g_array_new(FALSE, FALSE, sizeof(CodeRange));
    s->cache->code = c;

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
    SoftCodeCpu *c = s->cache->code;

    soft_code_page_remove_all(s);
    g_mutex_lock(&mutex);
    SoftCodeCpu **link = &cpus;
    while (*link != c) {
        link = &(*link)->next;
    }
    *link = c->next;
    g_mutex_unlock(&mutex);
    g_hash_table_unref(c->own);
    g_array_unref(c->queue);
    g_array_unref(c->again);
    g_free(c);
}

/* With the mutex. */
static CodePage *find(hwaddr phys)
{
    uint64_t page = phys / SOFT_PAGE;
    return pages ? g_hash_table_lookup(pages, &page) : NULL;
}

bool soft_code_page_has(hwaddr phys)
{
    g_mutex_lock(&mutex);
    bool has = find(phys);
    g_mutex_unlock(&mutex);
    return has;
}

/* ---- adding ---- */

/* With the mutex. Ask the others to flush; false if there is nobody to ask. */
static bool ask_others(const SoftCodeCpu *self)
{
    bool any = false;
    for (SoftCodeCpu *c = cpus; c; c = c->next) {
        if (c != self) {
            atomic_store(&c->s->flush_request, true);
            atomic_store(&c->s->cpu.exit_request, true);
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
        if (c != self && atomic_load(&c->s->flush_request) && c->s->reader &&
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
    if (self->s->reader) {
        memory_read_enter(self->s->reader);
    }
    if (atomic_exchange(&self->s->flush_request, false)) {
        soft_tlb_flush(self->s, false);
    }
}

/* The vCPU's own TLB: writes to the page take the slow path from now on. */
static void make_writes_slow(SoftCpu *s, hwaddr phys)
{
    for (unsigned mode = 0; mode < SOFT_MMU_MODES; mode++) {
        for (unsigned i = 0; i < SOFT_TLB_SIZE; i++) {
            SoftTlbEntry *e = &s->tlbs[mode][i];
            if (((e->phys ^ phys) & SOFT_PAGE_MASK) == 0) {
                e->write_tag |= SOFT_TLB_SLOW; /* of an empty entry: no change */
            }
        }
    }
}

bool soft_code_page_add(SoftCpu *s, hwaddr phys)
{
    SoftCodeCpu *self = s->cache->code;
    bool wait = false;

    g_mutex_lock(&mutex);
    CodePage *p = find(phys);
    if (!p) {
        p = g_new0(CodePage, 1);
        p->page = phys / SOFT_PAGE;
        g_hash_table_insert(pages, &p->page, p);
    }
    if (!g_hash_table_contains(self->own, &p->page)) {
        g_hash_table_insert(self->own, &p->page, p);
        p->owners++;
    }
    if (!p->ready) {
        wait = ask_others(self);
        p->ready = !wait;
    }
    g_mutex_unlock(&mutex);

    make_writes_slow(s, phys);
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

/* Bits of the lines of [phys, phys + len), which is within one page and not empty. */
static uint64_t line_mask(hwaddr phys, unsigned len)
{
    unsigned first = phys % SOFT_PAGE / 64, last = (unsigned)((phys + len - 1) % SOFT_PAGE / 64);
    return (UINT64_MAX >> (63 - last)) & (UINT64_MAX << first);
}

void soft_code_page_lines(SoftCpu *s, hwaddr phys, unsigned len)
{
    g_mutex_lock(&mutex);
    CodePage *p = find(phys);
    if (p) {
        p->lines |= line_mask(phys, len);
    }
    g_mutex_unlock(&mutex);
    atomic_thread_fence(memory_order_seq_cst);
}

/* ---- removing ---- */

/* With the mutex. */
static void disown(CodePage *p)
{
    if (--p->owners == 0) {
        g_hash_table_remove(pages, &p->page);
    }
}

void soft_code_page_remove(SoftCpu *s, hwaddr phys)
{
    uint64_t page = phys / SOFT_PAGE;

    g_mutex_lock(&mutex);
    CodePage *p = g_hash_table_lookup(s->cache->code->own, &page);
    if (p) {
        g_hash_table_remove(s->cache->code->own, &page);
        disown(p);
    }
    g_mutex_unlock(&mutex);
}

void soft_code_page_remove_all(SoftCpu *s)
{
    GHashTableIter iter;
    gpointer value;

    g_mutex_lock(&mutex);
    g_hash_table_iter_init(&iter, s->cache->code->own);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        g_hash_table_iter_remove(&iter);
        disown(value);
    }
    g_mutex_unlock(&mutex);
}

/* ---- writes ---- */

/* With the mutex. */
static void queue_for_others(const SoftCodeCpu *self, hwaddr phys, uint64_t len)
{
    CodeRange range = { phys, len };
    for (SoftCodeCpu *c = cpus; c; c = c->next) {
        if (c != self) {
            g_array_append_val(c->queue, range);
            atomic_store(&c->pending, true);
            atomic_store(&c->s->cpu.exit_request, true);
        }
    }
}

/* With the mutex. Is there code of others in the range? */
static bool others_have(const SoftCodeCpu *self, hwaddr phys, unsigned len)
{
    const CodePage *p = find(phys);
    return p && (p->lines & line_mask(phys, len)) &&
           p->owners > (g_hash_table_contains(self->own, &p->page) ? 1u : 0u);
}

/* The vCPU is about to write to a page: does it matter to its own code? Others are told now, and
 * once more at its next block: by then the write has happened, and what they may have decoded in
 * between is dropped. */
static bool write_matters(SoftCpu *s, hwaddr phys, unsigned len)
{
    SoftCodeCpu *self = s->cache->code;

    g_mutex_lock(&mutex);
    const CodePage *p = find(phys);
    bool matters = p && (p->lines & line_mask(phys, len));
    if (others_have(self, phys, len)) {
        CodeRange range = { phys, len };
        queue_for_others(self, phys, len);
        g_array_append_val(self->again, range);
        atomic_store(&self->pending, true);
        atomic_store(&s->cpu.exit_request, true);
    }
    g_mutex_unlock(&mutex);
    return matters;
}

/* With the mutex. Perhaps: a long range is not looked through. */
static bool any_code(hwaddr phys, uint64_t len)
{
    const uint64_t few = 16 * SOFT_PAGE;
    hwaddr last = phys + len - 1;
    bool any = len > few;

    for (hwaddr page = phys / SOFT_PAGE; !any && page <= last / SOFT_PAGE; page++) {
        any = find(page * SOFT_PAGE);
    }
    return any;
}

bool soft_code_invalidate(SoftCpu *s, const Uop *op, hwaddr phys, uint64_t len)
{
    if (len == 0) {
        return false;
    }
    if (!s) {
        g_mutex_lock(&mutex);
        if (any_code(phys, len)) {
            queue_for_others(NULL, phys, len);
        }
        g_mutex_unlock(&mutex);
        return true;
    }
    while (len > 0) {
        unsigned part = (unsigned)MIN(len, SOFT_PAGE - phys % SOFT_PAGE);
        if (write_matters(s, phys, part)) {
            s->cache->code->user->invalidate(s, op, phys, part);
        }
        if (!s->cache->code->user->page_used(s, phys)) {
            soft_code_page_remove(s, phys);
        }
        phys += part;
        len -= part;
    }
    return soft_code_page_has(phys - 1);
}

void soft_code_sync(SoftCpu *s)
{
    SoftCodeCpu *self = s->cache->code;

    if (!atomic_load_explicit(&self->pending, memory_order_acquire)) {
        return;
    }
    g_mutex_lock(&mutex);
    g_autoptr(GArray) queue = self->queue;
    self->queue = g_array_new(FALSE, FALSE, sizeof(CodeRange));
    for (unsigned i = 0; i < self->again->len; i++) {
        const CodeRange *r = &g_array_index(self->again, CodeRange, i);
        if (others_have(self, r->phys, (unsigned)r->len)) {
            queue_for_others(self, r->phys, r->len);
        }
    }
    g_array_set_size(self->again, 0);
    atomic_store(&self->pending, false);
    g_mutex_unlock(&mutex);

    for (unsigned i = 0; i < queue->len; i++) {
        const CodeRange *r = &g_array_index(queue, CodeRange, i);
        if (r->len) {
            self->user->invalidate(s, NULL, r->phys, r->len);
        }
    }
}
