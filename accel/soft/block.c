/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cache of decoded blocks, and the loop that runs them. */

#include "accel/soft/block.h"

#include <inttypes.h>

#include "accel/soft/code-pages.h"
#include "accel/soft/decode.h"
#include "accel/soft/tlb.h"
#include "accel/soft/translate/translate.h"
#include "accel/soft/uop.h"
#include "util/lazy-memory.h"
#include "util/log.h"

#define NO_PAGE    ((hwaddr)-1)
#define HASH_SIZE  (sizeof(SoftBlock *) << SOFT_HASH_BITS)
#define CHUNK_SIZE (1u << 20)
/* Then everything is dropped and decoded anew. */
#define CACHE_LIMIT (64u << 20) /* bytes of blocks */
#define PAGE_LIMIT  (1u << 17)  /* pages that they are on */

struct SoftChunk {
    struct SoftChunk *next;
    _Alignas(64) uint8_t data[CHUNK_SIZE - 64];
};

static const SoftCodeUser code_user;
static SoftBlock no_block = { .rip = UINT64_MAX, .second = NO_PAGE, .dead = true };

/*
 * ---- memory of blocks: freed only all at once, so that links to dead blocks stay readable ----
 *
 * From the kernel and back to it: malloc() would keep most of what is freed in a vCPU's thread.
 */

static SoftBlock *allocate(SoftCache *cache, unsigned uops)
{
    size_t size = (sizeof(SoftBlock) + uops * sizeof(Uop) + 63) & ~(size_t)63;
    if (!cache->chunks || cache->chunk_used + size > sizeof(cache->chunks->data)) {
        struct SoftChunk *chunk = lazy_memory_new(sizeof(*chunk));
        chunk->next = cache->chunks;
        cache->chunks = chunk;
        cache->chunk_used = 0;
        cache->bytes += sizeof(*chunk);
    }
    SoftBlock *b = (SoftBlock *)(cache->chunks->data + cache->chunk_used);
    cache->chunk_used += size;
    return b;
}

static void free_chunks(SoftCache *cache)
{
    while (cache->chunks) {
        struct SoftChunk *next = cache->chunks->next;
        lazy_memory_free(cache->chunks, sizeof(*cache->chunks));
        cache->chunks = next;
    }
    cache->bytes = 0;
}

static void forget_jumps(SoftCpu *s)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(s->jump); i++) {
        s->jump[i] = &no_block;
    }
}

static void forget_blocks(SoftCpu *s)
{
    SoftCache *cache = s->cache;
    lazy_memory_free(cache->hash, HASH_SIZE); /* a new one takes none until it is used */
    cache->hash = lazy_memory_new(HASH_SIZE);
    if (cache->jumps_made) {
        forget_jumps(s);
    }
    g_hash_table_remove_all(cache->pages);
    soft_translate_drop(s);
    free_chunks(cache);
    cache->epoch++;
}

bool soft_blocks_init(SoftCpu *s, GError **errp)
{
    SoftCache *cache = g_new0(SoftCache, 1);
    cache->pages = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    s->cache = cache;
    s->block = &no_block;
    forget_blocks(s);
    soft_code_register(s, &code_user);
    return soft_translate_init(s, errp);
}

void soft_blocks_destroy(SoftCpu *s)
{
    SoftCache *cache = s->cache;
    if (!cache) {
        return;
    }
    soft_code_unregister(s);
    s->block = &no_block;
    s->cache = NULL;
    free_chunks(cache);
    lazy_memory_free(cache->hash, HASH_SIZE);
    g_hash_table_unref(cache->pages);
    g_free(cache);
    soft_translate_destroy(s);
}

void soft_cache_drop(SoftCpu *s)
{
    soft_code_page_remove_all(s);
    forget_blocks(s);
    s->block = &no_block;
}

/* ---- finding ---- */

/* With the RIP: a shared library's page has blocks for each address it was ever mapped at. */
static SoftBlock **hash_slot(SoftCache *cache, hwaddr phys, uint64_t rip, uint32_t key)
{
    uint64_t h = (phys ^ rip << 20 ^ (uint64_t)key << 52) * 0x9e3779b97f4a7c15ull;
    return &cache->hash[h >> (64 - SOFT_HASH_BITS)];
}

static SoftCachePage *find_page(SoftCache *cache, hwaddr phys)
{
    uint64_t page = phys / SOFT_PAGE;
    return g_hash_table_lookup(cache->pages, &page);
}

static SoftCachePage *make_page(SoftCache *cache, hwaddr phys)
{
    SoftCachePage *p = find_page(cache, phys);
    if (!p) {
        p = g_new0(SoftCachePage, 1);
        p->page = phys / SOFT_PAGE;
        g_hash_table_insert(cache->pages, &p->page, p);
    }
    return p;
}

static void add_to_page(SoftCache *cache, SoftBlock *b, hwaddr phys, unsigned which)
{
    SoftCachePage *p = make_page(cache, phys);
    b->page_next[which] = p->blocks[which];
    p->blocks[which] = b;
    p->count++;
}

/* SoftBlock.limit of the code that runs. */
static uint32_t code_limit(const SoftCpu *s)
{
    return s->mode_key & SOFT_KEY_CODE64 ? 0 : s->cpu.segs[X86_SEG_CS].limit;
}

static SoftBlock *decode_block(SoftCpu *s, hwaddr phys)
{
    SoftDecoder d;
    SoftCache *cache = s->cache;
    hwaddr second;
    unsigned bytes;

    if (cache->bytes > CACHE_LIMIT || soft_code_page_count(s) > PAGE_LIMIT ||
        soft_translate_full(s)) {
        soft_cache_drop(s);
    }
    if (!soft_decode(&d, s, phys, &second, &bytes)) {
        return NULL;
    }
    SoftBlock *b = allocate(cache, d.count);
    *b = (SoftBlock){
        .rip = d.rip,
        .cs_base = s->seg_base[X86_SEG_CS],
        .limit = code_limit(s),
        .key = d.mode_key,
        .next = { &no_block, &no_block },
        .target = { d.target[0], d.target[1] },
        .phys = phys,
        .second = second,
        .bytes = (uint16_t)bytes,
        .count = (uint16_t)d.count,
    };
    memcpy(b->uops, d.uops, d.count * sizeof(Uop));

    SoftBlock **slot = hash_slot(cache, phys, b->rip, b->key);
    b->hash_next = *slot;
    *slot = b;
    add_to_page(cache, b, phys, 0);
    if (second != NO_PAGE) {
        add_to_page(cache, b, second, 1);
    }
    soft_translate_block_new(s, b);
    return b;
}

/* A block that crosses a page also needs its second page where it was: that may fault. */
static bool second_page_matches(SoftCpu *s, const SoftBlock *b)
{
    uint64_t next = (b->rip | (SOFT_PAGE - 1)) + 1;
    uint64_t page_off = soft_code_linear(s, b->rip) % SOFT_PAGE - b->rip % SOFT_PAGE;
    return b->second == NO_PAGE ||
           soft_fetch_phys(s, soft_code_linear(s, next) - page_off) == b->second;
}

static bool matches(SoftCpu *s, const SoftBlock *b, hwaddr phys)
{
    return b->phys == phys && b->rip == s->cpu.rip && b->key == s->mode_key &&
           b->cs_base == s->seg_base[X86_SEG_CS] && b->limit == code_limit(s) && !b->dead &&
           second_page_matches(s, b);
}

/* After a TLB flush the table of recent targets is mostly still right: try it first. */
static SoftBlock *lookup(SoftCpu *s, hwaddr phys)
{
    SoftBlock *b = s->jump[soft_jump_hash(s->cpu.rip)];
    if (matches(s, b, phys)) {
        return b;
    }
    b = *hash_slot(s->cache, phys, s->cpu.rip, s->mode_key);
    while (b && !matches(s, b, phys)) {
        b = b->hash_next;
    }
    return b;
}

/* The block at cpu.rip; decodes it if need be. Fetch faults are raised. NULL: another vCPU had
 * to be waited for; come again, by way of soft_execute(). */
static SoftBlock *block_find(SoftCpu *s)
{
    uint64_t rip = s->cpu.rip;

    if (!(s->mode_key & SOFT_KEY_CODE64) && rip > s->cpu.segs[X86_SEG_CS].limit) {
        soft_raise(s, NULL, EXC_GP, 0);
    }
    hwaddr phys = soft_fetch_phys(s, soft_code_linear(s, rip));
    SoftBlock *b = lookup(s, phys);
    if (!b) {
        b = decode_block(s, phys);
        if (!b) {
            return NULL;
        }
    }
    b->valid_gen = s->tlb_gen;
    if (!(b->key & SOFT_KEY_TF) &&
        !log_enabled(LOG_EXEC)) { /* those are not entered from one another */
        s->jump[soft_jump_hash(rip)] = b;
    }
    return b;
}

bool soft_block_revalidate(SoftCpu *s, SoftBlock *b, uint64_t rip)
{
    const SoftTlbEntry *e = soft_tlb_entry(s->tlb, rip);

    if (b->rip != rip || b->dead || b->key != s->mode_key || !(b->key & SOFT_KEY_CODE64) ||
        b->second != NO_PAGE || (e->fetch_tag & ~SOFT_TLB_SLOW) != (rip & SOFT_PAGE_MASK) ||
        ((e->phys ^ b->phys) & SOFT_PAGE_MASK) != 0) {
        return false;
    }
    soft_tlb_used_for_code(s, rip, e);
    b->valid_gen = s->tlb_gen;
    return true;
}

/* ---- code that is written to ---- */

static const Uop *uop_stop(SoftCpu *s, const Uop *op)
{
    s->cpu.rip = soft_op_rip(s, op);
    return NULL;
}

/* The running block was written to by @op: its instruction is completed, the following ones are
 * decoded again; also those that do nothing, and so have no micro-operation. */
static void stop_after(SoftBlock *b, const Uop *op)
{
    unsigned pc_off = op->pc_off;

    for (unsigned i = 0; i < b->count; i++) {
        if (b->uops[i].pc_off > pc_off) {
            b->uops[i].fn = uop_stop;
            b->uops[i].pc_off = (uint16_t)(pc_off + op->len);
        }
    }
}

/* Bytes of the block on its first page. */
static unsigned first_bytes(const SoftBlock *b)
{
    return (unsigned)MIN(b->bytes, SOFT_PAGE - b->phys % SOFT_PAGE);
}

static bool overlaps(const SoftBlock *b, hwaddr phys, unsigned len)
{
    unsigned first = first_bytes(b);
    return (phys < b->phys + first && b->phys < phys + len) ||
           (b->second != NO_PAGE && phys < b->second + (b->bytes - first) &&
            b->second < phys + len);
}

static void unlink_block(SoftBlock **list, SoftBlock *b, unsigned which)
{
    while (*list != b) {
        list = &(*list)->page_next[which];
    }
    *list = b->page_next[which];
}

static void unlink_from_page(SoftCache *cache, SoftBlock *b, hwaddr phys, unsigned which)
{
    SoftCachePage *p = find_page(cache, phys);
    unlink_block(&p->blocks[which], b, which);
    p->count--;
}

static void kill_block(SoftCpu *s, SoftBlock *b, const Uop *op)
{
    SoftCache *cache = s->cache;
    SoftBlock **slot = hash_slot(cache, b->phys, b->rip, b->key);

    while (*slot != b) {
        slot = &(*slot)->hash_next;
    }
    *slot = b->hash_next;
    unlink_from_page(cache, b, b->phys, 0);
    if (b->second != NO_PAGE) {
        unlink_from_page(cache, b, b->second, 1);
    }
    b->dead = true;
    b->valid_gen = 0;
    if (b == s->block && op) {
        stop_after(b, op);
    }
    soft_translate_block_dead(s, b);
}

/* The lines that the blocks of the page still have code in. */
static uint64_t page_lines(const SoftCachePage *p)
{
    uint64_t lines = 0;

    for (const SoftBlock *b = p->blocks[0]; b; b = b->page_next[0]) {
        lines |= soft_code_lines(b->phys, first_bytes(b));
    }
    for (const SoftBlock *b = p->blocks[1]; b; b = b->page_next[1]) {
        lines |= soft_code_lines(b->second, b->bytes - first_bytes(b));
    }
    return lines;
}

/* Blocks on the page are gone: what writes to it matter still? */
static void page_lost_blocks(SoftCpu *s, hwaddr phys)
{
    SoftCachePage *p = find_page(s->cache, phys);

    if (p && p->count == 0) {
        uint64_t page = p->page;
        g_hash_table_remove(s->cache->pages, &page);
        soft_code_page_remove(s, page * SOFT_PAGE);
    } else if (p) {
        soft_code_page_set_lines(s, phys, page_lines(p));
    }
}

static void invalidate_page(SoftCpu *s, const Uop *op, SoftCachePage *p, hwaddr phys, unsigned len)
{
    hwaddr page = p->page * SOFT_PAGE;
    bool any = false;

    for (unsigned which = 0; which < 2; which++) {
        SoftBlock *next;
        for (SoftBlock *b = p->blocks[which]; b; b = next) {
            next = b->page_next[which];
            if (overlaps(b, phys, len)) {
                hwaddr other = which == 0 ? b->second : b->phys;
                kill_block(s, b, op);
                any = true;
                if (other != NO_PAGE && other / SOFT_PAGE != p->page) {
                    page_lost_blocks(s, other);
                }
            }
        }
    }
    if (any) {
        page_lost_blocks(s, page);
    }
}

static void invalidate(SoftCpu *s, const Uop *op, hwaddr phys, unsigned len)
{
    SoftCachePage *p = find_page(s->cache, phys);
    if (p) {
        invalidate_page(s, op, p, phys, len);
    }
}

void soft_blocks_stop(SoftCpu *s, const Uop *op)
{
    if (!s->block->dead) {
        invalidate(s, op, s->block->phys, 1);
    }
}

static void collect_at(SoftCachePage *p, uint64_t addr, uint32_t key, GPtrArray *found)
{
    for (SoftBlock *b = p->blocks[0]; b; b = b->page_next[0]) {
        if (b->key & key && addr - (b->cs_base + b->rip) < b->bytes) {
            g_ptr_array_add(found, b);
        }
    }
}

void soft_blocks_drop_at(SoftCpu *s, uint64_t addr, uint32_t key)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    GHashTableIter it;
    void *page;

    g_hash_table_iter_init(&it, s->cache->pages);
    while (g_hash_table_iter_next(&it, NULL, &page)) {
        collect_at(page, addr, key, found);
    }
    for (unsigned i = 0; i < found->len; i++) {
        SoftBlock *b = found->pdata[i];

        kill_block(s, b, NULL);
        page_lost_blocks(s, b->phys);
        if (b->second != NO_PAGE) {
            page_lost_blocks(s, b->second);
        }
    }
}

static bool page_used(SoftCpu *s, hwaddr phys)
{
    return find_page(s->cache, phys);
}

static const SoftCodeUser code_user = { .invalidate = invalidate, .page_used = page_used };

/* ---- running ---- */

static const Uop *start(SoftCpu *s, const SoftBlock *b)
{
    if (log_enabled(LOG_EXEC)) {
        log_printf("EXEC: CPU %u, 0x%08" PRIx64 ", physical 0x%" PRIx64 "\n", s->cpu.index, b->rip,
                   b->phys);
    }
    s->blocks_run++;
    s->block = b;
    s->cpu.regs[REG_PC] = b->rip;
    return b->uops;
}

const Uop *soft_jump_slow(SoftCpu *s, uint64_t rip, int which)
{
    uint32_t epoch = s->cache->epoch;
    SoftBlock *from = (SoftBlock *)s->block;

    s->cpu.rip = rip;
    if (atomic_load_explicit(&s->cpu.exit_request, memory_order_relaxed) ||
        (s->mode_key & SOFT_KEY_TF)) {
        return NULL;
    }
    SoftBlock *b = block_find(s);
    if (!b) {
        return NULL;
    }
    if (which >= 0 && epoch == s->cache->epoch && !log_enabled(LOG_EXEC)) {
        from->next[which] = b;
    }
    return start(s, b);
}

const Uop *soft_jump_on(SoftCpu *s)
{
    X86Cpu *cpu = &s->cpu;
    /* The engine has to begin a turn at an instruction that passes over breakpoints. */
    bool passes =
        cpu->debug_shadow || ((cpu->rflags & RFLAGS_RF) && (s->mode_key & SOFT_KEY_BREAK));

    /* Relaxed: who sets a bit kicks this CPU after it. */
    if (atomic_load_explicit(&cpu->interrupts, memory_order_relaxed) || s->trap || cpu->halted ||
        passes || (s->block->key & SOFT_KEY_TF) || log_enabled(LOG_CPU)) {
        return NULL;
    }
    cpu->rflags &= ~(uint64_t)RFLAGS_RF; /* as the engine does where a turn begins */
    const SoftBlock *b = s->jump[soft_jump_hash(cpu->rip)];
    if (soft_may_enter(s, b, cpu->rip)) {
        return start(s, b);
    }
    return soft_jump_slow(s, cpu->rip, -1);
}

void soft_execute(SoftCpu *s)
{
    SoftBlock *b;

    if (SOFT_UNLIKELY(!s->cache->jumps_made)) {
        s->cache->jumps_made = true;
        forget_jumps(s);
    }
    do {
        soft_code_sync(s);
        b = block_find(s);
    } while (!b); /* another vCPU was waited for; now the page is known */
    for (const Uop *op = start(s, b); op;) {
        op = op->fn(s, op);
    }
}
