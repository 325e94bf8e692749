/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks of page tables for debugging: every paging mode, and tables that point to themselves. */
#include "target/i386/page-walk.h"

#include <glib.h>
#include <string.h>

#define P  PTE_P
#define RW PTE_RW
#define US PTE_US

static uint8_t ram[0x10000];

static bool read_ram(uint64_t pa, void *buf, unsigned size, void *opaque)
{
    if (pa > sizeof(ram) - size) {
        return false;
    }
    memcpy(buf, ram + pa, size);
    return true;
}

static void set64(uint64_t table, unsigned index, uint64_t entry)
{
    memcpy(ram + table + 8 * index, &entry, 8);
}

static void set32(uint64_t table, unsigned index, uint32_t entry)
{
    memcpy(ram + table + 4 * index, &entry, 4);
}

static X86Cpu new_cpu(uint32_t cr4, uint64_t efer)
{
    memset(ram, 0, sizeof(ram));
    return (X86Cpu){ .cr0 = CR0_PE | CR0_PG, .cr3 = 0x1000, .cr4 = cr4, .efer = efer };
}

/* "PA SIZE rights" or "-". */
static void assert_found(const X86Cpu *cpu, uint64_t va, const char *expected)
{
    X86Mapping m;
    g_autofree char *text = NULL;

    if (x86_page_find(cpu, va, read_ram, NULL, &m)) {
        text = g_strdup_printf("%" G_GINT64_MODIFIER "x %" G_GINT64_MODIFIER "x %s%s%s",
                               m.pa + (va - m.va), m.size, m.write ? "w" : "-", m.user ? "u" : "-",
                               m.execute ? "x" : "-");
    }
    g_assert_cmpstr(text ? text : "-", ==, expected);
}

static bool collect(const X86Mapping *m, void *opaque)
{
    g_string_append_printf(opaque, "%" G_GINT64_MODIFIER "x>%" G_GINT64_MODIFIER "x ", m->va,
                           m->pa);
    return true;
}

static void assert_all(const X86Cpu *cpu, const char *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_assert_true(x86_page_foreach(cpu, read_ram, collect, text));
    g_assert_cmpstr(text->str, ==, expected);
}

static void test_long_mode(void)
{
    X86Cpu cpu = new_cpu(CR4_PAE, EFER_LME | EFER_LMA | EFER_NX);

    set64(0x1000, 0, 0x2000 | P | RW | US);
    set64(0x1000, 511, 0x2000 | P | RW | US | PTE_NX);
    set64(0x2000, 0, 0x3000 | P | RW | US);
    set64(0x2000, 2, 0x140000000 | P | PTE_PS);
    set64(0x3000, 1, 0x4000 | P | US);
    set64(0x3000, 2, 0x7fe00000 | P | RW | PTE_PS | PTE_PAT);
    set64(0x3000, 3, 0x12345000 | P); /* a table where no RAM is */
    set64(0x4000, 5, 0x000fedcba9876000 | P | RW | US);
    assert_found(&cpu, 0x205123, "fedcba9876123 1000 -ux");
    assert_found(&cpu, 0x206000, "-");
    assert_found(&cpu, 0x400abc, "7fe00abc 200000 w-x");
    assert_found(&cpu, 0x600000, "-");
    assert_found(&cpu, 0x80000001, "140000001 40000000 --x");
    assert_found(&cpu, 0xffffff8000205fff, "fedcba9876fff 1000 -u-");
    assert_found(&cpu, 0x0000ff8000205fff, "-"); /* not canonical */
    assert_all(&cpu, "205000>fedcba9876000 400000>7fe00000 80000000>140000000 "
                     "ffffff8000205000>fedcba9876000 ffffff8000400000>7fe00000 "
                     "ffffff8080000000>140000000 ");
    cpu.efer &= ~(uint64_t)EFER_NX;
    assert_found(&cpu, 0xffffff8000205fff, "fedcba9876fff 1000 -ux");
}

static void test_pae(void)
{
    X86Cpu cpu = new_cpu(CR4_PAE, 0);

    cpu.cr3 = 0x1020;
    set64(0x1020, 3, 0x2000 | P);
    set64(0x2000, 0, 0x3000 | P | RW);
    set64(0x2000, 511, 0xf00000000 | P | RW | US | PTE_PS);
    set64(0x3000, 1, 0x700001000 | P | RW | US);
    assert_found(&cpu, 0xc0001234, "700001234 1000 w-x");
    assert_found(&cpu, 0xffffffff, "f001fffff 200000 wux");
    assert_found(&cpu, 0x1c0001234, "-");
    assert_found(&cpu, 0x1000, "-");
    assert_all(&cpu, "c0001000>700001000 ffe00000>f00000000 ");
}

static void test_32_bit(void)
{
    X86Cpu cpu = new_cpu(CR4_PSE, 0);

    set32(0x1000, 0, 0x2000 | P | RW);
    set32(0x1000, 1023, 0x00c00000 | 0x12 << 13 | P | US | PTE_PS);
    set32(0x2000, 1, 0xfffff000 | P | RW | US);
    assert_found(&cpu, 0x1fff, "ffffffff 1000 w-x");
    assert_found(&cpu, 0xffc00001, "1200c00001 400000 -ux");
    assert_all(&cpu, "1000>fffff000 ffc00000>1200c00000 ");
    cpu.cr4 = 0; /* no PSE: it points to a table, where no RAM is */
    assert_found(&cpu, 0xffc00001, "-");
}

static bool count(const X86Mapping *m, void *opaque)
{
    ++*(unsigned *)opaque;
    return true;
}

static bool stop(const X86Mapping *m, void *opaque)
{
    return ++*(unsigned *)opaque < 3;
}

/* All 512 entries of the top table are that table: 2^36 pages. */
static void test_self(void)
{
    X86Cpu cpu = new_cpu(CR4_PAE, EFER_LME | EFER_LMA);
    unsigned n = 0;

    for (unsigned i = 0; i < 512; i++) {
        set64(0x1000, i, 0x1000 | P);
    }
    assert_found(&cpu, 0x123456789abc, "1abc 1000 --x");
    g_assert_false(x86_page_foreach(&cpu, read_ram, stop, &n));
    g_assert_cmpuint(n, ==, 3);
    n = 0;
    g_assert_false(x86_page_foreach(&cpu, read_ram, count, &n));
    g_assert_cmpuint(n, >, 512 * (X86_PAGE_WALK_MAX_TABLES - 1000));
    g_assert_cmpuint(n, <, 512 * X86_PAGE_WALK_MAX_TABLES);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page-walk/long-mode", test_long_mode);
    g_test_add_func("/page-walk/pae", test_pae);
    g_test_add_func("/page-walk/32-bit", test_32_bit);
    g_test_add_func("/page-walk/self", test_self);
    return g_test_run();
}
