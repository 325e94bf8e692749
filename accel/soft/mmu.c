/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/mmu.h"

#include <string.h>

#include "accel/soft/breakpoint.h"
#include "accel/soft/code-pages.h"
#include "accel/soft/decode.h"
#include "accel/soft/exclusive.h"
#include "accel/soft/svm.h"
#include "accel/soft/tlb.h"
#include "accel/soft/uop.h"
#include "accel/vcpu.h"
#include "memory/address-space.h"
#include "memory/dirty.h"
#include "util/copy.h"
#include "util/machine-lock.h"

#define LARGE_MASK ((uint64_t)(2 << 20) - 1) /* of the smallest large page */

/* ---- the machine ---- */

void soft_machine_enter(SoftCpu *s)
{
    if (s->reader) {
        memory_read_leave(s->reader);
    }
    if (!s->exclusive) {
        machine_lock();
    }
}

void soft_machine_leave(SoftCpu *s)
{
    if (!s->exclusive) {
        machine_unlock();
        soft_section_enter(s);
    } else if (s->reader) {
        memory_read_enter(s->reader);
    }
    soft_catch_up(s);
}

void soft_catch_up(SoftCpu *s)
{
    /* A change of the memory map makes a request before it waits for readers: either we see it
     * here, or the writer waits for the section just entered. */
    soft_tlb_drop_requested(s);
    if (s->cache) {
        soft_code_sync(s);
    }
}

uint64_t soft_machine_load(SoftCpu *s, AddressSpace *as, hwaddr addr, unsigned size)
{
    soft_machine_enter(s);
    uint64_t value = address_space_load(as, addr, size);
    soft_machine_leave(s);
    return value;
}

void soft_machine_store(SoftCpu *s, AddressSpace *as, hwaddr addr, uint64_t value, unsigned size)
{
    soft_machine_enter(s);
    address_space_store(as, addr, value, size);
    soft_machine_leave(s);
}

/* ---- modes ---- */

/* The rules that implicit supervisor accesses go by. */
static SoftMmuMode system_mode(SoftCpu *s)
{
    SoftMmuMode mode = s->cpu.cr4 & CR4_SMAP ? SOFT_MMU_KERNEL_SMAP : SOFT_MMU_KERNEL;

    soft_tlb_need(s, mode);
    return mode;
}

void soft_update_mode(SoftCpu *s)
{
    const X86Cpu *cpu = &s->cpu;
    uint32_t cs = cpu->segs[X86_SEG_CS].flags, ss = cpu->segs[X86_SEG_SS].flags;
    bool lma = cpu->efer & EFER_LMA, code64 = lma && (cs & SEG_L);
    uint32_t key = 0;

    if (code64) {
        key |= SOFT_KEY_CODE64;
    } else {
        key |= (cs & SEG_DB ? SOFT_KEY_CODE32 : 0) | (ss & SEG_DB ? SOFT_KEY_STACK32 : 0);
    }
    key |= lma ? SOFT_KEY_LMA : 0;
    key |= cpu->rflags & RFLAGS_TF ? SOFT_KEY_TF : 0;
    key |= s->breakpoints.key ? SOFT_KEY_BREAK : 0;
    key |= cpu->svm.guest ? SOFT_KEY_SVM : 0;
    key |= cpu->smm ? SOFT_KEY_SMM : 0;
    if (cpu->cr0 & CR0_PE) {
        key |= SOFT_KEY_PE | (cpu->rflags & RFLAGS_VM ? SOFT_KEY_VM86 : 0);
        key |= soft_cpl(s) == 3 ? SOFT_KEY_CPL3 : 0;
    }
    s->mode_key = key;

    if (soft_cpl(s) == 3) {
        bool aligned = (cpu->cr0 & CR0_AM) && (cpu->rflags & RFLAGS_AC);
        s->mmu_mode = aligned ? SOFT_MMU_USER_ALIGNED : SOFT_MMU_USER;
    } else if ((cpu->cr4 & CR4_SMAP) && !(cpu->rflags & RFLAGS_AC)) {
        s->mmu_mode = SOFT_MMU_KERNEL_SMAP;
    } else {
        s->mmu_mode = SOFT_MMU_KERNEL;
    }
    s->mode_key |= (uint32_t)s->mmu_mode << SOFT_KEY_MMU_SHIFT;
    soft_tlb_need(s, s->mmu_mode);
    s->tlb = s->tlbs[s->mmu_mode];
    s->tlb_second = s->second[s->mmu_mode].entry;
    soft_tlb_select_gen(s);
    if (!code64) {
        uint32_t *limit = &s->code_limits[soft_code_kind(s->mode_key)];
        if (*limit != cpu->segs[X86_SEG_CS].limit) { /* which blocks depend on */
            *limit = cpu->segs[X86_SEG_CS].limit;
            soft_tlb_forget_code(s);
        }
    }

    for (unsigned i = 0; i < 6; i++) {
        bool flat = code64 && i != X86_SEG_FS && i != X86_SEG_GS;
        s->seg_base[i] = flat ? 0 : cpu->segs[i].base;
    }
}

/* @r: where the page is in the flat view, or NULL. */
static SoftTlbEntry entry_in(const SoftCpu *s, const FlatRange *r, const SoftTranslation *t,
                             uint64_t page, SoftMmuMode mode)
{
    bool aligned = mode == SOFT_MMU_USER_ALIGNED;
    uint64_t flags = (t->global ? SOFT_TLB_GLOBAL : 0) | (t->large ? SOFT_TLB_LARGE : 0) |
                     (aligned ? SOFT_TLB_ALIGNED : 0);
    uint64_t read_slow = SOFT_TLB_SLOW, write_slow = SOFT_TLB_SLOW, fetch_slow = SOFT_TLB_SLOW;
    uintptr_t addend = 0;

    if (r && r->host && r->size - (t->phys - r->addr) >= SOFT_PAGE) {
        flags |= SOFT_TLB_RAM | (r->readonly ? SOFT_TLB_READONLY : 0);
        addend = (uintptr_t)(r->host + (t->phys - r->addr)) - page;
        bool slow = aligned || soft_breakpoints_watch(s, page);
        read_slow = slow ? SOFT_TLB_SLOW : 0;
        fetch_slow = 0;
        bool watched = slow || r->readonly || soft_code_page_has(t->phys) ||
                       dirty_wanted(r->mr->ram, r->offset + (t->phys - r->addr));
        write_slow = watched ? SOFT_TLB_SLOW : 0;
    }
    return (SoftTlbEntry){
        .read_tag = t->read ? page | read_slow : UINT64_MAX,
        .write_tag = t->write ? page | write_slow : UINT64_MAX,
        .fetch_tag = t->fetch ? page | fetch_slow : UINT64_MAX,
        .addend = addend,
        .phys = t->phys | flags,
    };
}

/* A page of a large one was not there, but the one before it is: then the next ones will be asked
 * for as well, and what they need is known but for their place. The kernel goes over its array of
 * all pages so when memory comes and goes. */
enum { AHEAD = 8 };

static void fill_ahead(SoftCpu *s, const FlatRange *r, SoftTranslation t, uint64_t page,
                       SoftMmuMode mode)
{
    uint64_t before = page - SOFT_PAGE;

    if (!t.large || !r || soft_svm_nested(s) || ((page ^ before) & ~LARGE_MASK) ||
        soft_tlb_page(soft_tlb_entry(s->tlbs[mode], before)) != before) {
        return;
    }
    for (unsigned i = 0; i < AHEAD; i++) {
        uint64_t next = page + SOFT_PAGE;

        t.phys += SOFT_PAGE;
        if (((page ^ next) & ~LARGE_MASK) || t.phys - r->addr >= r->size) {
            return;
        }
        page = next;
        if (soft_tlb_page(soft_tlb_entry(s->tlbs[mode], page)) != page &&
            !soft_tlb_recall(s, mode, page)) {
            soft_tlb_insert(s, mode, page, entry_in(s, r, &t, page, mode));
        }
    }
}

/* Translate and remember. Faults. */
static SoftTlbEntry *tlb_fill(SoftCpu *s, const Uop *op, uint64_t addr, SoftAccess access,
                              SoftMmuMode mode)
{
    if ((s->cpu.efer & EFER_LMA) && !soft_canonical(addr)) {
        soft_raise(s, op, op && (op->flags & UOP_STACK) ? EXC_SS : EXC_GP, 0);
    }
    SoftTranslation t;
    uint32_t error;
    if (!soft_page_walk(s, addr, access, mode, &t, &error)) {
        if (soft_svm_nested_fault(s)) {
            soft_svm_raise_nested(s, op);
        }
        soft_raise_page_fault(s, op, addr, error);
    }

    s->tlb_fills++;
    uint64_t page = addr & SOFT_PAGE_MASK;
    const FlatRange *r = flat_view_find(address_space_view(soft_memory(s)), t.phys);
    SoftTlbEntry *e = soft_tlb_insert(s, mode, page, entry_in(s, r, &t, page, mode));
    fill_ahead(s, r, t, page, mode);
    return e;
}

static uint64_t tag_of(const SoftTlbEntry *e, SoftAccess access)
{
    return access == SOFT_READ ? e->read_tag : access == SOFT_WRITE ? e->write_tag : e->fetch_tag;
}

/* The entry for @addr; faults if @access is not allowed. Valid until the next call. */
static SoftTlbEntry *tlb_get(SoftCpu *s, const Uop *op, uint64_t addr, SoftAccess access,
                             SoftMmuMode mode)
{
    SoftTlbEntry *e = soft_tlb_entry(s->tlbs[mode], addr);
    uint64_t page = addr & SOFT_PAGE_MASK;

    if ((tag_of(e, access) & ~SOFT_TLB_SLOW) == page) {
        return e;
    }
    if (soft_tlb_recall(s, mode, page) && (tag_of(e, access) & ~SOFT_TLB_SLOW) == page) {
        return e;
    }
    return tlb_fill(s, op, addr, access, mode);
}

/* Outside long mode linear addresses have 32 bits. */
static uint64_t wrap(const SoftCpu *s, uint64_t addr)
{
    return s->cpu.efer & EFER_LMA ? addr : (uint32_t)addr;
}

/* ---- alignment (SDM vol. 3 section 6.15, interrupt 17) ---- */

/* What the address of an operand of @len bytes must be a multiple of: of an x87 value of 80 bits 8,
 * of its environment and its whole state what their words are wide. For vectors it is up to the
 * processor (SDM vol. 2, MOVUPS); this is what AMD's do (family 25). The rest are areas with rules
 * of their own. */
static unsigned alignment_of(unsigned len)
{
    switch (len) {
    case 2:
    case 4:
    case 8:
    case 16:
        return len;
    case 32:
        return 16;
    case 10:
        return 8;
    case 14:
    case 94:
        return 2;
    case 28:
    case 108:
        return 4;
    default:
        return 1;
    }
}

void soft_check_alignment(SoftCpu *s, const Uop *op, uint64_t addr, unsigned len, SoftMmuMode mode)
{
    if (SOFT_LIKELY(mode != SOFT_MMU_USER_ALIGNED) || addr % alignment_of(len) == 0 ||
        (op && (op->flags & UOP_UNALIGNED)) || !soft_canonical(addr)) {
        return;
    }
    soft_raise(s, op, EXC_AC, 0);
}

/* ---- pieces within one page ---- */

/* The largest naturally aligned access that begins at @addr and fits @len. */
static unsigned device_access_size(uint64_t addr, unsigned len)
{
    unsigned size = 8;

    while (size > len || addr % size) {
        size /= 2;
    }
    return size;
}

static void read_piece(SoftCpu *s, const Uop *op, uint64_t addr, uint8_t *buf, unsigned len,
                       SoftMmuMode mode)
{
    const SoftTlbEntry *e = tlb_get(s, op, addr, SOFT_READ, mode);

    if (e->phys & SOFT_TLB_RAM) {
        copy_operand(buf, (const void *)(addr + e->addend), len);
        return;
    }
    hwaddr phys = (e->phys & SOFT_PAGE_MASK) | (addr & ~SOFT_PAGE_MASK);
    while (len) {
        unsigned size = device_access_size(phys, len);
        uint64_t value = soft_machine_load(s, soft_memory(s), phys, size);
        memcpy(buf, &value, size);
        buf += size;
        phys += size;
        len -= size;
    }
}

void soft_mark_dirty(const SoftCpu *s, hwaddr phys)
{
    const FlatRange *r = flat_view_find(address_space_view(soft_memory(s)), phys);

    dirty_mark(r->mr->ram, r->offset + (phys - r->addr), 1);
}

/* Host address for a write, or NULL: a device or ROM. Takes care of decoded code, and of those who
 * want to know of dirty pages: they take their marks, then have the TLB flushed, and read the page
 * when that has happened, so a write that follows its mark is not missed. */
static void *write_host(SoftCpu *s, const Uop *op, SoftTlbEntry *e, uint64_t addr, unsigned len)
{
    if ((e->phys & (SOFT_TLB_RAM | SOFT_TLB_READONLY)) != SOFT_TLB_RAM) {
        return NULL;
    }
    if (e->write_tag & SOFT_TLB_SLOW) {
        hwaddr phys = (e->phys & SOFT_PAGE_MASK) | (addr & ~SOFT_PAGE_MASK);
        soft_mark_dirty(s, phys);
        if (!soft_code_invalidate(s, op, phys, len) && !(e->phys & SOFT_TLB_ALIGNED) &&
            !soft_breakpoints_watch(s, addr & SOFT_PAGE_MASK)) {
            e->write_tag &= ~SOFT_TLB_SLOW;
        }
    }
    return (void *)(addr + e->addend);
}

/* If this CPU is to wait until the device has done it, what is behind the instruction must not see
 * the device as it is before. */
static void store_to_device(SoftCpu *s, const Uop *op, hwaddr phys, uint64_t value, unsigned size)
{
    soft_machine_store(s, soft_memory(s), phys, value, size);
    if (op && s->cpu.vcpu && vcpu_waits(&s->cpu)) {
        soft_blocks_stop(s, op);
    }
}

static void write_piece(SoftCpu *s, const Uop *op, uint64_t addr, const uint8_t *buf, unsigned len,
                        SoftMmuMode mode)
{
    SoftTlbEntry *e = tlb_get(s, op, addr, SOFT_WRITE, mode);
    void *host = write_host(s, op, e, addr, len);

    if (host) {
        copy_operand(host, buf, len);
        return;
    }
    hwaddr phys = (e->phys & SOFT_PAGE_MASK) | (addr & ~SOFT_PAGE_MASK);
    while (len) {
        unsigned size = device_access_size(phys, len);
        uint64_t value = 0;
        memcpy(&value, buf, size);
        store_to_device(s, op, phys, value, size);
        buf += size;
        phys += size;
        len -= size;
    }
}

/* Bytes of [addr, addr + len) on the first page; @len is at most a page. */
static unsigned first_part(uint64_t addr, unsigned len)
{
    unsigned room = SOFT_PAGE - (unsigned)(addr % SOFT_PAGE);
    return MIN(room, len);
}

static void read_mode(SoftCpu *s, const Uop *op, uint64_t addr, void *buf, unsigned len,
                      SoftMmuMode mode)
{
    addr = wrap(s, addr);
    soft_check_alignment(s, op, addr, len, mode);
    unsigned first = first_part(addr, len);
    if (first < len) { /* both must be there before a device sees anything */
        tlb_get(s, op, addr, SOFT_READ, mode);
        tlb_get(s, op, wrap(s, addr + first), SOFT_READ, mode);
        read_piece(s, op, wrap(s, addr + first), (uint8_t *)buf + first, len - first, mode);
    }
    read_piece(s, op, addr, buf, first, mode);
}

static void write_mode(SoftCpu *s, const Uop *op, uint64_t addr, const void *buf, unsigned len,
                       SoftMmuMode mode)
{
    addr = wrap(s, addr);
    soft_check_alignment(s, op, addr, len, mode);
    unsigned first = first_part(addr, len);
    if (first < len) {
        tlb_get(s, op, addr, SOFT_WRITE, mode);
        tlb_get(s, op, wrap(s, addr + first), SOFT_WRITE, mode);
    }
    write_piece(s, op, addr, buf, first, mode);
    if (first < len) {
        write_piece(s, op, wrap(s, addr + first), (const uint8_t *)buf + first, len - first, mode);
    }
}

/* ---- what soft.h promises ---- */

static uint64_t load_mode(SoftCpu *s, const Uop *op, uint64_t addr, unsigned size, SoftMmuMode mode)
{
    uint64_t value = 0;

    addr = wrap(s, addr);
    soft_check_alignment(s, op, addr, size, mode);
    if (first_part(addr, size) == size) {
        const SoftTlbEntry *e = tlb_get(s, op, addr, SOFT_READ, mode);
        if (!(e->phys & SOFT_TLB_RAM)) {
            return soft_machine_load(s, soft_memory(s),
                                     (e->phys & SOFT_PAGE_MASK) | (addr & ~SOFT_PAGE_MASK), size);
        }
        return copy_load((const void *)(addr + e->addend), size);
    }
    read_mode(s, op, addr, &value, size, mode);
    return value;
}

static void store_mode(SoftCpu *s, const Uop *op, uint64_t addr, uint64_t value, unsigned size,
                       SoftMmuMode mode)
{
    addr = wrap(s, addr);
    soft_check_alignment(s, op, addr, size, mode);
    if (first_part(addr, size) == size) {
        SoftTlbEntry *e = tlb_get(s, op, addr, SOFT_WRITE, mode);
        if (!(e->phys & SOFT_TLB_RAM)) {
            store_to_device(s, op, (e->phys & SOFT_PAGE_MASK) | (addr & ~SOFT_PAGE_MASK), value,
                            size);
            return;
        }
    }
    write_mode(s, op, addr, &value, size, mode);
}

uint64_t soft_load_slow(SoftCpu *s, const Uop *op, uint64_t addr, unsigned size)
{
    uint64_t value = load_mode(s, op, addr, size, s->mmu_mode);
    soft_breakpoints_access(s, op, addr, size, SOFT_READ);
    return value;
}

void soft_store_slow(SoftCpu *s, const Uop *op, uint64_t addr, uint64_t value, unsigned size)
{
    store_mode(s, op, addr, value, size, s->mmu_mode);
    soft_breakpoints_access(s, op, addr, size, SOFT_WRITE);
}

uint64_t soft_load_system(SoftCpu *s, const Uop *op, uint64_t addr, unsigned size)
{
    uint64_t value = load_mode(s, op, addr, size, system_mode(s));
    soft_breakpoints_access(s, op, addr, size, SOFT_READ);
    return value;
}

void soft_store_system(SoftCpu *s, const Uop *op, uint64_t addr, uint64_t value, unsigned size)
{
    store_mode(s, op, addr, value, size, system_mode(s));
    soft_breakpoints_access(s, op, addr, size, SOFT_WRITE);
}

void soft_read(SoftCpu *s, const Uop *op, uint64_t addr, void *buf, unsigned len)
{
    read_mode(s, op, addr, buf, len, s->mmu_mode);
    soft_breakpoints_access(s, op, addr, len, SOFT_READ);
}

void soft_write(SoftCpu *s, const Uop *op, uint64_t addr, const void *buf, unsigned len)
{
    write_mode(s, op, addr, buf, len, s->mmu_mode);
    soft_breakpoints_access(s, op, addr, len, SOFT_WRITE);
}

/* The fault of the second page is at its first byte. */
static void probe(SoftCpu *s, const Uop *op, uint64_t addr, unsigned len, SoftAccess access,
                  SoftMmuMode mode)
{
    addr = wrap(s, addr);
    soft_check_alignment(s, op, addr, len, mode);
    unsigned first = first_part(addr, len);
    tlb_get(s, op, addr, access, mode);
    if (first < len) {
        tlb_get(s, op, wrap(s, addr + first), access, mode);
    }
}

void soft_probe_read(SoftCpu *s, const Uop *op, uint64_t addr, unsigned len)
{
    probe(s, op, addr, len, SOFT_READ, s->mmu_mode);
}

void soft_probe_write(SoftCpu *s, const Uop *op, uint64_t addr, unsigned len)
{
    probe(s, op, addr, len, SOFT_WRITE, s->mmu_mode);
}

void soft_probe_system(SoftCpu *s, const Uop *op, uint64_t addr, unsigned len, SoftAccess access)
{
    probe(s, op, addr, len, access, system_mode(s));
}

/* Host address of an operand across two pages, which are there, if they are side by side in the
 * host's memory too; else NULL. */
static void *rmw_host_across(SoftCpu *s, const Uop *op, uint64_t addr, unsigned size)
{
    unsigned first = first_part(addr, size);
    uint64_t next = wrap(s, addr + first);
    SoftTlbEntry *e = tlb_get(s, op, addr, SOFT_WRITE, s->mmu_mode);
    uint8_t *host = write_host(s, op, e, addr, first);
    e = tlb_get(s, op, next, SOFT_WRITE, s->mmu_mode);
    uint8_t *rest = host ? write_host(s, op, e, next, size - first) : NULL;

    return rest && rest == host + first ? host : NULL;
}

void *soft_rmw_host(SoftCpu *s, const Uop *op, uint64_t addr, unsigned size)
{
    addr = wrap(s, addr);
    soft_check_alignment(s, op, addr, size, s->mmu_mode);
    void *host;
    if (first_part(addr, size) < size) {
        soft_probe_write(s, op, addr, size);
        host = rmw_host_across(s, op, addr, size);
    } else {
        host = write_host(s, op, tlb_get(s, op, addr, SOFT_WRITE, s->mmu_mode), addr, size);
    }
    if (host) {
        soft_breakpoints_access(s, op, addr, size, SOFT_READ);
        soft_breakpoints_access(s, op, addr, size, SOFT_WRITE);
    }
    return host;
}

static bool is_ram(SoftCpu *s, const Uop *op, uint64_t addr)
{
    uint64_t phys = tlb_get(s, op, addr, SOFT_WRITE, s->mmu_mode)->phys;

    return (phys & (SOFT_TLB_RAM | SOFT_TLB_READONLY)) == SOFT_TLB_RAM;
}

void soft_locked_begin(SoftCpu *s, const Uop *op, uint64_t addr, unsigned size)
{
    addr = wrap(s, addr);
    soft_exclusive_begin(s, is_ram(s, op, addr) && is_ram(s, op, wrap(s, addr + size - 1)));
}

void soft_locked_end(SoftCpu *s)
{
    soft_exclusive_end(s);
}

void *soft_run_host_slow(SoftCpu *s, const Uop *op, uint64_t addr, unsigned len, SoftAccess access)
{
    soft_check_alignment(s, op, addr, op->size,
                         s->mmu_mode); /* each element's is the first one's */
    SoftTlbEntry *e = tlb_get(s, op, addr, access, s->mmu_mode);

    if (soft_breakpoints_watch(s, addr & SOFT_PAGE_MASK)) {
        return NULL; /* element by element */
    }
    if (access == SOFT_WRITE) {
        return write_host(s, op, e, addr, len);
    }
    return e->phys & SOFT_TLB_RAM ? (void *)(addr + e->addend) : NULL;
}

uint64_t soft_fetch_phys(SoftCpu *s, uint64_t addr)
{
    addr = wrap(s, addr);
    const SoftTlbEntry *e = tlb_get(s, NULL, addr, SOFT_FETCH, s->mmu_mode);
    soft_tlb_used_for_code(s, addr, e);
    return (e->phys & SOFT_PAGE_MASK) | (addr & ~SOFT_PAGE_MASK);
}
