/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nested page tables (APM vol. 2 section 15.25): those of the host's paging mode from nCR3. Every
 * access is a user's; those of a walk of the guest's tables are writes.
 */
#include "accel/soft/mmu.h"
#include "accel/soft/svm.h"
#include "accel/soft/uop.h"

#define ENTRY_ADDR 0x000ffffffffff000ull

typedef struct Paging {
    unsigned levels, index_bits, entry_size;
    uint64_t table, reserved;
    uint64_t end; /* of what can be translated; 0: none */
} Paging;

static Paging host_paging(const X86Cpu *cpu)
{
    const X86Svm *svm = &cpu->svm;
    uint64_t beyond = ENTRY_ADDR & ~((1ull << cpu->model.phys_bits) - 1);
    uint64_t nx = svm->host.efer & EFER_NX ? 0 : PTE_NX;

    if (svm->host.efer & EFER_LMA) {
        return (Paging){ 4, 9, 8, svm->nested_cr3 & ENTRY_ADDR, beyond | nx, 1ull << 48 };
    }
    if (svm->host.cr4 & CR4_PAE) {
        return (Paging){
            3, 9, 8, svm->nested_cr3 & 0xffffffe0u, beyond | nx | 0x7ff0000000000000ull, 1ull << 32
        };
    }
    return (Paging){ 2, 10, 4, svm->nested_cr3 & 0xfffff000u, 0, 1ull << 32 };
}

/* Bits that must be 0 in a page of its own at @level; *@leaf: is it one? */
static uint64_t reserved_bits(const X86Cpu *cpu, const Paging *p, unsigned level, uint64_t entry,
                              bool *leaf)
{
    *leaf = level == 1;
    if (level == 1 || !(entry & PTE_PS)) {
        return p->reserved;
    }
    if (p->entry_size == 4) {
        *leaf = cpu->svm.host.cr4 & CR4_PSE;
        return p->reserved | 1ull << 21;
    }
    if (level == 2) {
        *leaf = true;
        return p->reserved | 0x1fe000;
    }
    if (level == 3 && p->levels == 4 &&
        x86_cpu_model_has(&cpu->model, X86_FEAT_EXT1_EDX, CPUID_EXT1_EDX_1G)) {
        *leaf = true;
        return p->reserved | 0x3fffe000;
    }
    return p->reserved | PTE_PS;
}

static hwaddr leaf_address(const Paging *p, unsigned level, unsigned shift, uint64_t entry,
                           uint64_t addr)
{
    uint64_t base = p->entry_size == 8 ? entry & ENTRY_ADDR
                    : level == 2       ? (entry & 0xffc00000u) | (entry >> 13 & 0xff) << 32
                                       : entry & 0xfffff000u;
    uint64_t offset = (1ull << shift) - 1;

    return ((base & ~offset) | (addr & offset)) & SOFT_PAGE_MASK;
}

typedef enum NestedResult { NESTED_DONE, NESTED_FAULT, NESTED_AGAIN } NestedResult;

/* @error gets PF_P and PF_RSVD. */
static NestedResult nested_once(const SoftCpu *s, uint64_t addr, SoftAccess access, hwaddr *phys,
                                bool *write, bool *fetch, uint64_t *error)
{
    const X86Cpu *cpu = &s->cpu;
    Paging p = host_paging(cpu);
    uint64_t rights = PTE_RW | PTE_US;
    hwaddr table = p.table;

    if (addr >= p.end) {
        return NESTED_FAULT;
    }
    for (unsigned level = p.levels;; level--) {
        unsigned shift = 12 + p.index_bits * (level - 1);
        hwaddr at = table + (addr >> shift & ((1u << p.index_bits) - 1)) * p.entry_size;
        bool readonly = false, leaf, pdpte = p.levels == 3 && level == 3;
        void *host = soft_table_host(s, at, p.entry_size, &readonly);
        /* Where no RAM is, the bus reads all ones. */
        uint64_t entry = host ? soft_entry_load(host, p.entry_size) : UINT64_MAX;

        if (!(entry & PTE_P)) {
            return NESTED_FAULT;
        }
        uint64_t reserved = reserved_bits(cpu, &p, level, entry, &leaf);
        if (!host || (entry & (pdpte ? p.reserved | 0x1e6 : reserved))) {
            *error |= PF_P | PF_RSVD;
            return NESTED_FAULT;
        }
        if (!pdpte) {
            rights = (rights & entry) | ((rights | entry) & PTE_NX);
        }
        uint64_t set = pdpte ? 0 : PTE_A;
        if (leaf) {
            bool allowed = (rights & PTE_US) && (access != SOFT_WRITE || (rights & PTE_RW)) &&
                           (access != SOFT_FETCH || !(rights & PTE_NX));
            if (!allowed) {
                *error |= PF_P;
                return NESTED_FAULT;
            }
            set |= access == SOFT_WRITE ? PTE_D : 0;
        }
        set &= ~entry;
        if (set && !readonly) {
            soft_mark_dirty(s, at);
            if (!soft_entry_set(host, p.entry_size, entry, set)) {
                return NESTED_AGAIN;
            }
        }
        if (leaf) {
            *phys = leaf_address(&p, level, shift, entry, addr);
            *write = (rights & PTE_RW) && ((entry | set) & PTE_D);
            *fetch = !(rights & PTE_NX);
            return NESTED_DONE;
        }
        table = entry & (p.entry_size == 4 ? 0xfffff000u : ENTRY_ADDR);
    }
}

bool soft_svm_nested_walk(SoftCpu *s, uint64_t addr, SoftAccess access, bool walk, hwaddr *phys,
                          bool *write, bool *fetch)
{
    uint64_t error;
    NestedResult result;

    do {
        error = 0;
        result = nested_once(s, addr, access, phys, write, fetch, &error);
    } while (result == NESTED_AGAIN);
    if (result == NESTED_DONE) {
        return true;
    }
    error |= PF_U | (access == SOFT_WRITE ? PF_W : 0) |
             (access == SOFT_FETCH && (s->cpu.svm.host.efer & EFER_NX) ? PF_I : 0) |
             (walk ? SVM_NPF_WALK : SVM_NPF_FINAL);
    s->svm_exit.code = SVM_EXIT_NPF;
    s->svm_exit.info1 = error;
    s->svm_exit.info2 = addr;
    s->svm_exit.next_rip = 0;
    return false;
}

_Noreturn void soft_svm_raise_nested(SoftCpu *s, const Uop *op)
{
    soft_raise(s, op, SOFT_VMEXIT, -1);
}
