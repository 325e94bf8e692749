/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Address translation: every combination of rights, and what each kind of paging does. */
#include <string.h>

#include "accel/soft/mmu.h"
#include "tests/unit/soft-guest.h"

enum {
    PDPT = HARNESS_PT + 0x1000,
    PD = 0x20000, /* for VIRT */
    PT = 0x21000,
    PAGE = 0x200000, /* the page that VIRT maps to, unless a test says otherwise */
};
#define VIRT 0x40000000ull

/* VIRT and the page after it in 4 KiB pages with these leaf entries. */
static void map(uint64_t first, uint64_t second)
{
    put64(PDPT + 8, PD | PTE_P | PTE_RW | PTE_US);
    put64(PD, PT | PTE_P | PTE_RW | PTE_US);
    put64(PT, first);
    put64(PT + 8, second);
    soft_update_mode(h->s);
    soft_tlb_flush(h->s, false);
}

/* Access as the CPU would. -1 or the vector of the fault. */
static int access_at(uint64_t addr, SoftAccess access, unsigned size, uint64_t *value)
{
    sigjmp_buf unwind;

    h->s->unwind = &unwind;
    if (sigsetjmp(unwind, 0) != 0) {
        return h->s->fault.vector;
    }
    switch (access) {
    case SOFT_READ:
        *value = soft_load_slow(h->s, NULL, addr, size);
        break;
    case SOFT_WRITE:
        soft_store_slow(h->s, NULL, addr, *value, size);
        break;
    case SOFT_FETCH:
        *value = soft_fetch_phys(h->s, addr);
        break;
    }
    return -1;
}

static void set_cpl(unsigned cpl)
{
    h->cpu->segs[X86_SEG_SS].flags =
        (h->cpu->segs[X86_SEG_SS].flags & ~SEG_DPL_MASK) | cpl << SEG_DPL_SHIFT;
}

/* What the manual says (SDM vol. 3 section 4.6). */
static bool manual_allows(bool user_mode, SoftAccess access, bool us, bool rw, bool nx, bool wp,
                          bool smep, bool smap, bool ac)
{
    if (user_mode) {
        return us && (access != SOFT_WRITE || rw) && (access != SOFT_FETCH || !nx);
    }
    switch (access) {
    case SOFT_FETCH:
        return !nx && !(us && smep);
    case SOFT_WRITE:
        return (rw || !wp) && !(us && smap && !ac);
    default:
        return !(us && smap && !ac);
    }
}

static void test_rights(void)
{
    for (unsigned bits = 0; bits < 1u << 8; bits++) {
        bool us = bits & 1, rw = bits & 2, nx = bits & 4, wp = bits & 8, smep = bits & 16;
        bool smap = bits & 32, ac = bits & 64, user = bits & 128;

        harness_reset(h, HARNESS_LONG64);
        set_cpl(user ? 3 : 0);
        h->cpu->cr0 = (h->cpu->cr0 & ~(uint64_t)CR0_WP) | (wp ? CR0_WP : 0);
        h->cpu->cr4 |= (smep ? CR4_SMEP : 0) | (smap ? CR4_SMAP : 0);
        h->cpu->rflags |= ac ? RFLAGS_AC : 0;
        map(PAGE | PTE_P | (us ? PTE_US : 0) | (rw ? PTE_RW : 0) | (nx ? PTE_NX : 0), 0);
        for (SoftAccess access = SOFT_READ; access <= SOFT_FETCH; access++) {
            uint64_t value = 0;
            int vector = access_at(VIRT, access, 4, &value);
            if (manual_allows(user, access, us, rw, nx, wp, smep, smap, ac)) {
                g_assert_cmpint(vector, ==, -1);
                continue;
            }
            uint32_t error = PF_P | (user ? PF_U : 0) | (access == SOFT_WRITE ? PF_W : 0) |
                             (access == SOFT_FETCH ? PF_I : 0);
            g_assert_cmpint(vector, ==, EXC_PF);
            g_assert_cmphex((uint64_t)h->s->fault.error_code, ==, error);
            g_assert_cmphex(h->s->fault.cr2, ==, VIRT);
        }
    }
}

/* Protection keys of user pages (SDM vol. 3 section 4.6.2). Supervisor pages have none. */
static void test_keys(void)
{
    for (unsigned bits = 0; bits < 1u << 6; bits++) {
        bool no_access = bits & 1, no_write = bits & 2, wp = bits & 4, user = bits & 8;
        bool us = bits & 16, enabled = bits & 32;

        harness_reset(h, HARNESS_LONG64);
        set_cpl(user ? 3 : 0);
        h->cpu->cr0 = (h->cpu->cr0 & ~(uint64_t)CR0_WP) | (wp ? CR0_WP : 0);
        h->cpu->cr4 |= enabled ? CR4_PKE : 0;
        h->cpu->pkru = (no_access ? 1u : 0) << 2 * 13 | (no_write ? 2u : 0) << 2 * 13;
        map(PAGE | PTE_P | PTE_RW | (us ? PTE_US : 0) | UINT64_C(13) << 59,
            PAGE | PTE_P | PTE_RW | (us ? PTE_US : 0) | UINT64_C(12) << 59);
        for (SoftAccess access = SOFT_READ; access <= SOFT_FETCH; access++) {
            uint64_t value = 0;
            int vector = access_at(VIRT, access, 4, &value);
            bool forbidden = access == SOFT_READ    ? no_access
                             : access == SOFT_WRITE ? no_access || (no_write && (user || wp))
                                                    : false;
            bool by_key = us && enabled && forbidden, by_page = user && !us;
            g_assert_cmpint(vector, ==, by_key || by_page ? EXC_PF : -1);
            g_assert_cmpint(access_at(VIRT + 4096, access, 4, &value), ==, by_page ? EXC_PF : -1);
            if (by_key) {
                access_at(VIRT, access, 4, &value);
                g_assert_cmphex((uint64_t)h->s->fault.error_code, ==,
                                PF_P | PF_PK | (user ? PF_U : 0) |
                                    (access == SOFT_WRITE ? PF_W : 0));
            }
        }
    }
}

#define RDPKRU  "0f01ee"
#define WRPKRU  "0f01ef"
#define INVPCID "660f388203" /* invpcid rax, [rbx] */
#define TO_CR3  "0f22d8"     /* mov cr3, rax */
#define TO_CR4  "0f22e0"     /* mov cr4, rax */

/* A new PKRU is in force at once. */
static void test_pkru(void)
{
    uint64_t value = 0;

    harness_reset(h, HARNESS_USER64);
    h->cpu->regs[X86_RCX] = h->cpu->regs[X86_RDX] = 0;
    g_assert_cmpint(harness_run_hex(h, RDPKRU), ==, EXC_UD);
    h->cpu->cr4 |= CR4_PKE;
    map(PAGE | PTE_P | PTE_RW | PTE_US | UINT64_C(1) << 59, 0);
    g_assert_cmpint(access_at(VIRT, SOFT_WRITE, 8, &value), ==, -1);
    for (unsigned i = 0; i < 3; i++) {
        static const uint32_t rights[] = { 8, 4, 0 };

        h->cpu->rip = HARNESS_CODE;
        h->cpu->regs[X86_RAX] = rights[i];
        g_assert_cmpint(harness_run_hex(h, WRPKRU RDPKRU), ==, -1);
        g_assert_cmphex(h->cpu->regs[X86_RAX], ==, rights[i]);
        g_assert_cmpint(access_at(VIRT, SOFT_READ, 8, &value), ==, rights[i] == 4 ? EXC_PF : -1);
        g_assert_cmpint(access_at(VIRT, SOFT_WRITE, 8, &value), ==, rights[i] ? EXC_PF : -1);
    }
    h->cpu->rip = HARNESS_CODE;
    h->cpu->regs[X86_RCX] = 1;
    g_assert_cmpint(harness_run_hex(h, RDPKRU), ==, EXC_GP);
    h->cpu->regs[X86_RCX] = 0;
    h->cpu->regs[X86_RDX] = 1;
    g_assert_cmpint(harness_run_hex(h, WRPKRU), ==, EXC_GP);
}

/* CR4.PCIDE and CR3 with PCIDs (SDM vol. 3 section 4.10.1). */
static void test_pcid(void)
{
    static const struct {
        HarnessMode mode;
        uint64_t cr3_more, cr4_before, value; /* what CR3 and CR4 have more, what is written */
        const char *code;
        int vector;
    } cases[] = {
        { HARNESS_LONG64, 0, 0, CR4_PCIDE, TO_CR4, -1 },
        { HARNESS_LONG64, 8, 0, CR4_PCIDE, TO_CR4, EXC_GP },
        { HARNESS_LONG64, 8, CR4_PCIDE, CR4_PCIDE, TO_CR4, -1 },
        { HARNESS_FLAT32, 0, 0, CR4_PCIDE, TO_CR4, EXC_GP },
        { HARNESS_LONG64, 0, CR4_PCIDE, HARNESS_PT | 0xfff | UINT64_C(1) << 63, TO_CR3, -1 },
        { HARNESS_LONG64, 0, 0, HARNESS_PT | UINT64_C(1) << 63, TO_CR3, EXC_GP },
        { HARNESS_LONG64, 0, CR4_PCIDE, HARNESS_PT | UINT64_C(1) << 62, TO_CR3, EXC_GP },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        bool to_cr4 = strcmp(cases[i].code, TO_CR4) == 0;

        harness_reset(h, cases[i].mode);
        h->cpu->cr3 |= cases[i].cr3_more;
        h->cpu->cr4 |= cases[i].cr4_before;
        h->cpu->regs[X86_RAX] = cases[i].value | (to_cr4 ? h->cpu->cr4 : 0);
        g_test_message("case %zu", i);
        g_assert_cmpint(harness_run_hex(h, cases[i].code), ==, cases[i].vector);
        if (!to_cr4 && cases[i].vector == -1) {
            g_assert_cmphex(h->cpu->cr3, ==, HARNESS_PT | 0xfff);
        }
    }
}

static void test_invpcid(void)
{
    static const struct {
        HarnessMode mode;
        uint64_t cr4, type, pcid, addr;
        int vector;
    } cases[] = {
        { HARNESS_LONG64, CR4_PCIDE, 0, 5, VIRT, -1 },
        { HARNESS_LONG64, CR4_PCIDE, 1, 5, 0, -1 },
        { HARNESS_LONG64, 0, 2, 0, 0, -1 },
        { HARNESS_LONG64, 0, 3, 0, 0, -1 },
        { HARNESS_LONG64, 0, 0, 5, VIRT, EXC_GP },
        { HARNESS_LONG64, 0, 1, 0, 0, -1 },
        { HARNESS_LONG64, CR4_PCIDE, 4, 0, 0, EXC_GP },
        { HARNESS_LONG64, CR4_PCIDE, 0, 5, UINT64_C(1) << 50, EXC_GP },
        { HARNESS_LONG64, CR4_PCIDE, 1, 0x1000, 0, EXC_GP },
        { HARNESS_USER64, CR4_PCIDE, 2, 0, 0, EXC_GP },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        harness_reset(h, cases[i].mode);
        h->cpu->cr4 |= cases[i].cr4;
        map(PAGE | PTE_P | PTE_US, 0);
        put64(PAGE, 1);
        put64(PAGE + 0x1000, 2);
        put64(HARNESS_DATA, cases[i].pcid);
        put64(HARNESS_DATA + 8, cases[i].addr);
        h->cpu->regs[X86_RBX] = HARNESS_DATA;
        h->cpu->regs[X86_RAX] = cases[i].type;
        /* The code reads, changes the entry, reads again, invalidates, and reads. */
        h->cpu->regs[X86_RDI] = VIRT;
        h->cpu->regs[X86_RSI] = PT;
        h->cpu->regs[X86_RCX] = (PAGE + 0x1000) | PTE_P | PTE_US;
        g_test_message("case %zu", i);
        g_assert_cmpint(harness_run_hex(h, "4c8b07"
                                           "48890e"
                                           "4c8b0f" INVPCID "4c8b17"),
                        ==, cases[i].vector);
        g_assert_cmphex(h->cpu->regs[8], ==, 1);
        g_assert_cmphex(h->cpu->regs[9], ==, 1);
        if (cases[i].vector == -1) {
            g_assert_cmphex(h->cpu->regs[10], ==, 2);
        }
    }
}

static void test_upper_levels(void)
{
    uint64_t value = 0;

    harness_reset(h, HARNESS_USER64);
    map(PAGE | PTE_P | PTE_RW | PTE_US, 0);
    put64(PD, PT | PTE_P | PTE_US); /* read-only above */
    g_assert_cmpint(access_at(VIRT, SOFT_READ, 8, &value), ==, -1);
    g_assert_cmpint(access_at(VIRT, SOFT_WRITE, 8, &value), ==, EXC_PF);
    put64(PD, PT | PTE_P | PTE_RW | PTE_US | PTE_NX);
    soft_tlb_flush(h->s, false);
    g_assert_cmpint(access_at(VIRT, SOFT_FETCH, 8, &value), ==, EXC_PF);
    put64(PD, 0);
    soft_tlb_flush(h->s, false);
    g_assert_cmpint(access_at(VIRT + 5, SOFT_READ, 8, &value), ==, EXC_PF);
    g_assert_cmphex((uint64_t)h->s->fault.error_code, ==, PF_U);
    g_assert_cmphex(h->s->fault.cr2, ==, VIRT + 5);
}

static void test_accessed_dirty(void)
{
    uint64_t value = 1;

    harness_reset(h, HARNESS_LONG64);
    map(PAGE | PTE_P | PTE_RW, 0);
    access_at(VIRT, SOFT_READ, 1, &value);
    g_assert_cmphex(get64(PT) & (PTE_A | PTE_D), ==, PTE_A);
    g_assert_cmphex(get64(PD) & (PTE_A | PTE_D), ==, PTE_A);
    access_at(VIRT, SOFT_WRITE, 1, &value);
    g_assert_cmphex(get64(PT) & (PTE_A | PTE_D), ==, PTE_A | PTE_D);
    g_assert_cmphex(get64(PD) & PTE_D, ==, 0);
}

static void test_large_pages(void)
{
    uint64_t value;

    harness_reset(h, HARNESS_LONG64);
    put64(0x400000 + 0x1238, 0x1122334455667788);
    map(0, 0);
    put64(PD, 0x400000 | PTE_P | PTE_PS);
    g_assert_cmpint(access_at(VIRT + 0x1238, SOFT_READ, 8, &value), ==, -1);
    g_assert_cmphex(value, ==, 0x1122334455667788);
    /* Invalidating one address drops all of the large page. */
    put64(PD, 0x600000 | PTE_P | PTE_PS);
    put64(0x600000 + 0x1238, 7);
    soft_tlb_flush_page(h->s, VIRT + 0x1ff000);
    access_at(VIRT + 0x1238, SOFT_READ, 8, &value);
    g_assert_cmphex(value, ==, 7);
    /* Reserved address bits of a large page. */
    put64(PD, 0x402000 | PTE_P | PTE_PS);
    soft_tlb_flush(h->s, false);
    g_assert_cmpint(access_at(VIRT, SOFT_READ, 8, &value), ==, EXC_PF);
    g_assert_cmphex((uint64_t)h->s->fault.error_code, ==, PF_P | PF_RSVD);
    /* 1 GiB */
    put64(PDPT + 8, PTE_P | PTE_PS);
    soft_tlb_flush(h->s, false);
    g_assert_cmpint(access_at(VIRT + 0x601238, SOFT_READ, 8, &value), ==, -1);
    g_assert_cmphex(value, ==, 7);
}

static void test_reserved_bits(void)
{
    uint64_t value;

    harness_reset(h, HARNESS_LONG64);
    h->cpu->model.phys_bits = 40;
    map(PAGE | PTE_P | 1ull << 41, 0);
    g_assert_cmpint(access_at(VIRT, SOFT_READ, 8, &value), ==, EXC_PF);
    g_assert_cmphex((uint64_t)h->s->fault.error_code, ==, PF_P | PF_RSVD);
    h->cpu->efer &= ~(uint64_t)EFER_NX;
    map(PAGE | PTE_P | PTE_NX, 0);
    g_assert_cmpint(access_at(VIRT, SOFT_READ, 8, &value), ==, EXC_PF);
    g_assert_cmphex((uint64_t)h->s->fault.error_code, ==, PF_P | PF_RSVD);
}

static void test_canonical(void)
{
    uint64_t value;

    harness_reset(h, HARNESS_LONG64);
    g_assert_cmpint(access_at(0x800000000000, SOFT_READ, 8, &value), ==, EXC_GP);
    g_assert_cmpint((int)h->s->fault.error_code, ==, 0);
    g_assert_cmpint(access_at(0xffff800000000000, SOFT_READ, 8, &value), ==, EXC_PF);
}

static void test_crossing(void)
{
    uint64_t value = 0x1122334455667788;

    harness_reset(h, HARNESS_LONG64);
    /* Two pages that are not neighbours in memory. */
    map((PAGE + 0x5000) | PTE_P | PTE_RW, PAGE | PTE_P | PTE_RW);
    g_assert_cmpint(access_at(VIRT + 0xffd, SOFT_WRITE, 8, &value), ==, -1);
    g_assert_cmphex(h->ram[PAGE + 0x5ffd], ==, 0x88);
    g_assert_cmphex(h->ram[PAGE], ==, 0x55);
    value = 0;
    g_assert_cmpint(access_at(VIRT + 0xffd, SOFT_READ, 8, &value), ==, -1);
    g_assert_cmphex(value, ==, 0x1122334455667788);
    /* Nothing is written if the second page cannot be. */
    map((PAGE + 0x5000) | PTE_P | PTE_RW, PAGE | PTE_P);
    value = 0;
    g_assert_cmpint(access_at(VIRT + 0xffd, SOFT_WRITE, 8, &value), ==, EXC_PF);
    g_assert_cmphex(h->s->fault.cr2, ==, VIRT + 0x1000);
    g_assert_cmphex(h->ram[PAGE + 0x5ffd], ==, 0x88);
}

static void test_global(void)
{
    uint64_t value;

    harness_reset(h, HARNESS_LONG64);
    put64(PAGE, 1);
    put64(PAGE + 0x1000, 2);
    map(PAGE | PTE_P | PTE_G, PAGE | PTE_P);
    access_at(VIRT, SOFT_READ, 8, &value);
    access_at(VIRT + 0x1000, SOFT_READ, 8, &value);
    put64(PT, (PAGE + 0x1000) | PTE_P | PTE_G);
    put64(PT + 8, (PAGE + 0x1000) | PTE_P);
    soft_tlb_flush(h->s, true);
    access_at(VIRT, SOFT_READ, 8, &value);
    g_assert_cmphex(value, ==, 1);
    access_at(VIRT + 0x1000, SOFT_READ, 8, &value);
    g_assert_cmphex(value, ==, 2);
    soft_tlb_flush(h->s, false);
    access_at(VIRT, SOFT_READ, 8, &value);
    g_assert_cmphex(value, ==, 2);
}

static void test_legacy_paging(void)
{
    uint64_t value;

    /* 32-bit: directory at PD, table at PT; VIRT is directory entry 256. */
    harness_reset(h, HARNESS_FLAT32);
    h->cpu->cr3 = PD;
    h->cpu->cr0 |= CR0_PG;
    put32(PD + 4 * 256, PT | PTE_P | PTE_RW);
    put32(PT + 4, PAGE | PTE_P);
    put64(PAGE + 8, 0xabcdef);
    soft_update_mode(h->s);
    g_assert_cmpint(access_at(VIRT + 0x1008, SOFT_READ, 4, &value), ==, -1);
    g_assert_cmphex(value, ==, 0xabcdef);
    g_assert_cmpint(access_at(VIRT + 0x2008, SOFT_READ, 4, &value), ==, EXC_PF);
    /* PSE */
    h->cpu->cr4 |= CR4_PSE;
    put32(PD + 4 * 257, 0 | PTE_P | PTE_PS);
    g_assert_cmpint(access_at(VIRT + 0x400000 + PAGE + 8, SOFT_READ, 4, &value), ==, -1);
    g_assert_cmphex(value, ==, 0xabcdef);
    /* PAE: pointer table at 0x22000 */
    h->cpu->cr4 |= CR4_PAE;
    h->cpu->cr3 = 0x22000;
    memset(h->ram + PD, 0, 0x1000);
    put64(0x22000 + 8, PD | PTE_P);
    put64(PD, PT | PTE_P | PTE_RW);
    put64(PT, PAGE | PTE_P | PTE_RW);
    soft_tlb_flush(h->s, false);
    g_assert_cmpint(access_at(VIRT + 8, SOFT_READ, 4, &value), ==, -1);
    g_assert_cmphex(value, ==, 0xabcdef);
}

/* STAC opens the window to user pages and CLAC shuts it, also within code that is run at once. */
static void test_smap_window(void)
{
    for (unsigned again = 0; again < 2; again++) {
        harness_reset(h, HARNESS_LONG64);
        h->cpu->cr4 |= CR4_SMAP;
        map(PAGE | PTE_P | PTE_RW | PTE_US, 0);
        put64(PAGE, 7);
        h->cpu->regs[X86_RBX] = VIRT;
        /* stac; jmp over; mov eax, [rbx]; clac; mov ecx, [rbx] */
        g_assert_cmpint(harness_run_hex(h, "0f01cbeb008b030f01ca8b0b"), ==, EXC_PF);
        g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 7);
        g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + 10);
        g_assert_cmphex(h->s->fault.cr2, ==, VIRT);
    }
}

static void test_nothing_there(void)
{
    uint64_t value = 0;

    /* Beyond RAM reads are all ones and writes are dropped; page tables there are reserved bits. */
    harness_reset(h, HARNESS_LONG64);
    map(0x30000000 | PTE_P | PTE_RW, 0);
    g_assert_cmpint(access_at(VIRT, SOFT_READ, 4, &value), ==, -1);
    g_assert_cmphex(value, ==, 0xffffffff);
    g_assert_cmpint(access_at(VIRT, SOFT_WRITE, 4, &value), ==, -1);
    map(0, 0);
    put64(PD, 0x30000000 | PTE_P);
    soft_tlb_flush(h->s, false);
    g_assert_cmpint(access_at(VIRT, SOFT_READ, 4, &value), ==, EXC_PF);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/mmu/rights", test_rights);
    g_test_add_func("/mmu/smap-window", test_smap_window);
    g_test_add_func("/mmu/protection-keys", test_keys);
    g_test_add_func("/mmu/pkru", test_pkru);
    g_test_add_func("/mmu/pcid", test_pcid);
    g_test_add_func("/mmu/invpcid", test_invpcid);
    g_test_add_func("/mmu/upper-levels", test_upper_levels);
    g_test_add_func("/mmu/accessed-dirty", test_accessed_dirty);
    g_test_add_func("/mmu/large-pages", test_large_pages);
    g_test_add_func("/mmu/reserved-bits", test_reserved_bits);
    g_test_add_func("/mmu/canonical", test_canonical);
    g_test_add_func("/mmu/crossing", test_crossing);
    g_test_add_func("/mmu/global", test_global);
    g_test_add_func("/mmu/legacy", test_legacy_paging);
    g_test_add_func("/mmu/nothing-there", test_nothing_there);
    int status = g_test_run();
    harness_free(h);
    return status;
}
