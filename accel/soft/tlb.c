/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flushes are frequent (a guest flushes a page at each page fault, and most at each switch of
 * processes), and so must cost what they concern: bitmaps say which entries there are, and sets of
 * hashes which pages blocks were found by. A hash that two share costs time and nothing else.
 */
#include "accel/soft/tlb.h"

#include <string.h>

#include "accel/soft/access.h"
#include "accel/soft/translate/targets.h"

/* ---- sets ---- */

static unsigned region_bit(uint64_t addr)
{
    return (unsigned)(addr >> 30) % 64;
}

static unsigned code_bit(uint64_t addr)
{
    return (unsigned)(addr / SOFT_PAGE * 0x9e3779b97f4a7c15ull >> (64 - SOFT_CODE_SET));
}

static bool bit_is_set(const uint64_t *bits, unsigned bit)
{
    return bits[bit / 64] >> bit % 64 & 1;
}

static void set_bit(uint64_t *bits, unsigned bit)
{
    bits[bit / 64] |= 1ull << bit % 64;
}

/* ---- which blocks are valid ---- */

static SoftCodeClass *class_of(SoftCpu *s, SoftMmuMode mode)
{
    return &s->code[soft_mmu_user(mode)];
}

static SoftCodeClass *code_class(SoftCpu *s)
{
    return class_of(s, s->mmu_mode);
}

void soft_tlb_select_gen(SoftCpu *s)
{
    s->tlb_gen = code_class(s)->gen;
}

/* None of the class is, until it is found again. */
static void next_generation(SoftCpu *s, SoftCodeClass *c)
{
    if (++s->newest_gen == 0) {
        s->newest_gen = 1;
    }
    memset(c, 0, sizeof(*c));
    c->gen = s->newest_gen;
    for (SoftMmuMode mode = 0; mode < SOFT_MMU_MODES; mode++) {
        if (c == class_of(s, mode)) {
            soft_targets_clear(s, mode);
        }
    }
    soft_tlb_select_gen(s);
}

void soft_tlb_forget_code(SoftCpu *s)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(s->code); i++) {
        next_generation(s, &s->code[i]);
    }
}

void soft_tlb_used_for_code(SoftCpu *s, uint64_t addr, const SoftTlbEntry *e)
{
    SoftCodeClass *c = code_class(s);

    set_bit(c->pages, code_bit(addr));
    c->local = c->local || !(e->phys & SOFT_TLB_GLOBAL);
    if (e->phys & SOFT_TLB_LARGE) {
        c->large_regions |= 1ull << region_bit(addr);
    }
}

static bool code_concerned(const SoftCodeClass *c, uint64_t addr)
{
    return bit_is_set(c->pages, code_bit(addr)) || c->large_regions >> region_bit(addr) & 1;
}

/* ---- entries ---- */

static void drop(SoftTlbEntry *e)
{
    e->read_tag = e->write_tag = e->fetch_tag = UINT64_MAX;
}

static void drop_victims(SoftTlbVictims *v)
{
    memset(v->page, 0xff, sizeof(v->page));
}

static SoftTlbEntry *second_place(SoftTlbSecond *second, uint64_t page)
{
    return soft_tlb_second(second->entry, page);
}

static void for_each_second(SoftTlbSecond *second, void (*fn)(SoftTlbEntry *e, uint64_t addr),
                            uint64_t addr)
{
    for (unsigned word = 0; word < SOFT_TLB_SECOND / 64; word++) {
        for (uint64_t bits = second->used[word]; bits; bits &= bits - 1) {
            fn(&second->entry[word * 64 + (unsigned)__builtin_ctzll(bits)], addr);
        }
    }
}

static void drop_one(SoftTlbEntry *e, uint64_t addr)
{
    drop(e);
}

static void drop_second(SoftTlbSecond *second)
{
    for_each_second(second, drop_one, 0);
    memset(second->used, 0, sizeof(second->used));
}

/* Drop the entries of which there are bits in @list, and the bits. */
static void drop_list(SoftCpu *s, SoftMmuMode mode, uint64_t *list, bool keep_global)
{
    for (unsigned word = 0; word < SOFT_TLB_SIZE / 64; word++) {
        for (uint64_t bits = list[word]; bits; bits &= bits - 1) {
            SoftTlbEntry *e = &s->tlbs[mode][word * 64 + (unsigned)__builtin_ctzll(bits)];
            if (!keep_global || !(e->phys & SOFT_TLB_GLOBAL)) {
                drop(e);
            }
        }
        list[word] = 0;
    }
}

/* Walks begin at CR3 again. */
static void forget_walks(SoftCpu *s)
{
    for (unsigned i = 0; i < SOFT_WALK_STARTS; i++) {
        s->walk_starts[i].gib = UINT64_MAX;
    }
}

/* What translated code keeps of entries: they need not be in the TLB any more. */
static void forget_near(SoftCpu *s)
{
    for (unsigned mode = 0; mode < SOFT_MMU_MODES; mode++) {
        if (s->near[mode].used) {
            memset(s->near[mode].tags, 0xff, sizeof(s->near[mode].tags));
            s->near[mode].used = false;
        }
    }
}

void soft_tlb_make(SoftCpu *s, SoftMmuMode mode)
{
    memset(s->tlbs[mode], 0xff, sizeof(s->tlbs[mode]));
    memset(s->second[mode].entry, 0xff, sizeof(s->second[mode].entry));
    s->tlb_made[mode] = true;
}

void soft_tlb_init(SoftCpu *s)
{
    for (unsigned mode = 0; mode < SOFT_MMU_MODES; mode++) {
        s->near[mode].used = true; /* zeros are tags */
    }
    soft_tlb_flush(s, false);
}

static SoftRules rules_of(const X86Cpu *cpu)
{
    return (SoftRules){ .cr0 = cpu->cr0 & (CR0_PG | CR0_WP | CR0_PE),
                        .cr3 = cpu->cr3,
                        .cr4 = cpu->cr4,
                        .efer = cpu->efer & (EFER_NX | EFER_LMA),
                        .pkru = cpu->pkru,
                        .nested_cr3 = cpu->svm.nested_paging ? cpu->svm.nested_cr3 | 1 : 0,
                        .svm_guest = cpu->svm.guest,
                        .smm = cpu->smm };
}

void soft_tlb_follow_registers(SoftCpu *s)
{
    SoftRules rules = rules_of(&s->cpu);

    if (memcmp(&rules, &s->tlb_rules, sizeof(rules)) != 0) {
        soft_tlb_flush(s, false);
    }
}

void soft_tlb_flush(SoftCpu *s, bool keep_global)
{
    s->tlb_flushes++;
    s->tlb_rules = rules_of(&s->cpu);
    forget_walks(s);
    forget_near(s);
    for (unsigned i = 0; i < G_N_ELEMENTS(s->code); i++) {
        if (!keep_global || s->code[i].local) {
            next_generation(s, &s->code[i]);
        }
    }
    for (unsigned mode = 0; mode < SOFT_MMU_MODES; mode++) {
        SoftTlbLists *l = &s->tlb_lists[mode];
        drop_second(&s->second[mode]);
        drop_victims(&s->victims[mode]);
        drop_list(s, mode, l->local, keep_global);
        if (!keep_global) {
            drop_list(s, mode, l->used, false);
            l->large_regions = 0;
        }
    }
}

/* Part of a large page of the region of @addr: all its parts have to go. */
static bool large_at(const SoftTlbEntry *e, uint64_t addr)
{
    return (e->phys & SOFT_TLB_LARGE) && (soft_tlb_page(e) ^ addr) >> 30 == 0;
}

static void drop_if_large(SoftTlbEntry *e, uint64_t addr)
{
    if (large_at(e, addr)) {
        drop(e);
    }
}

static void flush_region(SoftCpu *s, SoftMmuMode mode, uint64_t addr)
{
    const uint64_t *used = s->tlb_lists[mode].used;

    for (unsigned word = 0; word < SOFT_TLB_SIZE / 64; word++) {
        for (uint64_t bits = used[word]; bits; bits &= bits - 1) {
            drop_if_large(&s->tlbs[mode][word * 64 + (unsigned)__builtin_ctzll(bits)], addr);
        }
    }
    for_each_second(&s->second[mode], drop_if_large, addr);
}

static void flush_victims(SoftTlbVictims *v, uint64_t addr)
{
    for (unsigned i = 0; i < SOFT_TLB_VICTIMS; i++) {
        if (v->page[i] == (addr & SOFT_PAGE_MASK) || large_at(&v->entry[i], addr)) {
            v->page[i] = UINT64_MAX;
        }
    }
}

void soft_set_pkru(SoftCpu *s, uint32_t pkru)
{
    if (s->cpu.pkru != pkru) {
        s->cpu.pkru = pkru;
        soft_tlb_flush(s, false);
    }
}

void soft_tlb_flush_page(SoftCpu *s, uint64_t addr)
{
    s->tlb_page_flushes++;
    forget_walks(s); /* of any address (SDM vol. 3 section 4.10.4.1) */
    forget_near(s);
    for (unsigned i = 0; i < G_N_ELEMENTS(s->code); i++) {
        if (code_concerned(&s->code[i], addr)) {
            next_generation(s, &s->code[i]);
        }
    }
    for (unsigned mode = 0; mode < SOFT_MMU_MODES; mode++) {
        SoftTlbEntry *e = soft_tlb_entry(s->tlbs[mode], addr);
        if (soft_tlb_page(e) == (addr & SOFT_PAGE_MASK)) {
            drop(e);
        }
        SoftTlbEntry *second = second_place(&s->second[mode], addr & SOFT_PAGE_MASK);
        if (soft_tlb_page(second) == (addr & SOFT_PAGE_MASK)) {
            drop(second);
        }
        flush_victims(&s->victims[mode], addr);
        if (s->tlb_lists[mode].large_regions >> region_bit(addr) & 1) {
            flush_region(s, mode, addr);
        }
    }
}

/* ---- pages that share an entry ---- */

static bool is_empty(const SoftTlbEntry *e)
{
    return soft_tlb_page(e) == SOFT_TLB_NO_PAGE;
}

static void keep_victim(SoftTlbVictims *v, const SoftTlbEntry *e)
{
    unsigned slot = v->next % SOFT_TLB_VICTIMS;

    if (!is_empty(e)) {
        v->page[slot] = soft_tlb_page(e);
        v->entry[slot] = *e;
        v->next = slot + 1;
    }
}

/* @e, which is not empty, goes to its second place. */
static void keep_second(SoftCpu *s, SoftMmuMode mode, const SoftTlbEntry *e)
{
    SoftTlbSecond *second = &s->second[mode];
    SoftTlbEntry *place = second_place(second, soft_tlb_page(e));

    keep_victim(&s->victims[mode], place);
    *place = *e;
    set_bit(second->used, (unsigned)(place - second->entry));
}

static bool take_second(SoftTlbSecond *second, uint64_t page, SoftTlbEntry *entry)
{
    SoftTlbEntry *place = second_place(second, page);

    if (soft_tlb_page(place) != page) {
        return false;
    }
    *entry = *place;
    drop(place);
    return true;
}

static bool take_victim(SoftTlbVictims *v, uint64_t page, SoftTlbEntry *entry)
{
    for (unsigned i = 0; i < SOFT_TLB_VICTIMS; i++) {
        if (v->page[i] == page) {
            *entry = v->entry[i];
            v->page[i] = UINT64_MAX;
            return true;
        }
    }
    return false;
}

bool soft_tlb_recall(SoftCpu *s, SoftMmuMode mode, uint64_t page)
{
    SoftTlbEntry *e = soft_tlb_entry(s->tlbs[mode], page), entry;

    if (!take_second(&s->second[mode], page, &entry) &&
        !take_victim(&s->victims[mode], page, &entry)) {
        return false;
    }
    if (!is_empty(e)) {
        keep_second(s, mode, e);
    }
    *e = entry;
    return true;
}

SoftTlbEntry *soft_tlb_insert(SoftCpu *s, SoftMmuMode mode, uint64_t page, SoftTlbEntry entry)
{
    SoftTlbLists *l = &s->tlb_lists[mode];
    SoftTlbEntry *e = soft_tlb_entry(s->tlbs[mode], page);
    unsigned bit = (unsigned)(e - s->tlbs[mode]);

    if (!is_empty(e) && soft_tlb_page(e) != page) {
        keep_second(s, mode, e);
    }
    *e = entry;
    set_bit(l->used, bit);
    if (!(entry.phys & SOFT_TLB_GLOBAL)) {
        set_bit(l->local, bit);
    }
    if (entry.phys & SOFT_TLB_LARGE) {
        l->large_regions |= 1ull << region_bit(page);
    }
    return e;
}

/* ---- by guest-physical address ---- */

/* Guest-physical pages, by their numbers. */
typedef struct PhysPages {
    uint64_t first, last;
} PhysPages;

static void slow_entry(SoftTlbEntry *e)
{
    e->write_tag |= SOFT_TLB_SLOW; /* of an empty entry: no change */
}

static void change(SoftTlbEntry *e, PhysPages pages, void (*fn)(SoftTlbEntry *e))
{
    uint64_t page = e->phys / SOFT_PAGE;

    if (page >= pages.first && page <= pages.last) {
        fn(e);
    }
}

/* Entries that are empty are among those that @fn gets. */
static void change_mode(SoftCpu *s, SoftMmuMode mode, PhysPages pages, void (*fn)(SoftTlbEntry *e))
{
    const SoftTlbLists *l = &s->tlb_lists[mode];
    SoftTlbSecond *second = &s->second[mode];

    for (unsigned word = 0; word < SOFT_TLB_SIZE / 64; word++) {
        for (uint64_t bits = l->used[word]; bits; bits &= bits - 1) {
            change(&s->tlbs[mode][word * 64 + (unsigned)__builtin_ctzll(bits)], pages, fn);
        }
    }
    for (unsigned word = 0; word < SOFT_TLB_SECOND / 64; word++) {
        for (uint64_t bits = second->used[word]; bits; bits &= bits - 1) {
            change(&second->entry[word * 64 + (unsigned)__builtin_ctzll(bits)], pages, fn);
        }
    }
    for (unsigned i = 0; i < SOFT_TLB_VICTIMS; i++) {
        change(&s->victims[mode].entry[i], pages, fn);
    }
}

void soft_tlb_slow_writes(SoftCpu *s, hwaddr phys)
{
    forget_near(s);
    for (SoftMmuMode mode = 0; mode < SOFT_MMU_MODES; mode++) {
        change_mode(s, mode, (PhysPages){ phys / SOFT_PAGE, phys / SOFT_PAGE }, slow_entry);
    }
}

static GMutex request_mutex; /* of all CPUs' drop_first and drop_last */

void soft_tlb_request_drop(SoftCpu *s, hwaddr first, hwaddr last)
{
    g_mutex_lock(&request_mutex);
    if (atomic_load(&s->drop_request)) { /* one range is enough: what is dropped comes back */
        first = MIN(first, s->drop_first);
        last = MAX(last, s->drop_last);
    }
    s->drop_first = first;
    s->drop_last = last;
    atomic_store(&s->drop_request, true);
    g_mutex_unlock(&request_mutex);
    atomic_store(&s->cpu.exit_request, true);
}

void soft_tlb_drop_requested(SoftCpu *s)
{
    if (!atomic_load(&s->drop_request)) {
        return;
    }
    g_mutex_lock(&request_mutex);
    PhysPages pages = { s->drop_first / SOFT_PAGE, s->drop_last / SOFT_PAGE };
    atomic_store(&s->drop_request, false);
    g_mutex_unlock(&request_mutex);
    forget_walks(s);
    forget_near(s);
    for (SoftMmuMode mode = 0; mode < SOFT_MMU_MODES; mode++) {
        change_mode(s, mode, pages, drop);
    }
}
