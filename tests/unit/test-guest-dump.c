/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dumps with paging: which linear addresses they give, by what the page tables say. And reads of
 * guest memory as a processor sees it. */
#include <glib.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "accel/choose.h"
#include "accel/vcpu.h"
#include "hw/i386/cpu.h"
#include "hw/i386/debug.h"
#include "hw/i386/guest-dump.h"
#include "memory/smm.h"
#include "util/main-loop.h"

#include <elf.h> /* last: PF_W is also an error code of #PF */

#define LOW_SIZE  0x100000u
#define HIGH      0x40000000u /* 1 GiB */
#define HIGH_SIZE 0x4000u
#define ENTRY     (PTE_P | PTE_RW)

static RamBlock *low, *high;
static MemoryRegion low_region, high_region;
static X86Cpu *cpus[2];
static Machine machine;

static void set(uint64_t table, unsigned index, uint64_t entry)
{
    memcpy(low->host + table + 8 * index, &entry, 8);
}

/* Tables at 0x1000 for both CPUs; CPU 1 has paging off. */
static void set_up(void)
{
    low = ram_block_new("low", LOW_SIZE, -1, false, true, 0, NULL);
    high = ram_block_new("high", HIGH_SIZE, -1, false, true, 0, NULL);
    memory_region_init_ram(&low_region, "low", low);
    memory_region_init_ram(&high_region, "high", high);
    memory_region_add(memory_system(), 0, &low_region);
    memory_region_add(memory_system(), HIGH, &high_region);
    cpu_slots_arrange(&machine.cpu_slots, &(SmpTopology){ 2, 2, 2, 1, 1, 1 });
    for (unsigned i = 0; i < 2; i++) {
        X86CpuDevice *dev = X86_CPU_DEVICE(object_new("qemu64" X86_CPU_SUFFIX, NULL));

        machine.cpu_slots.list[i].device = DEVICE(dev);
        cpus[i] = dev->cpu = vcpu_alloc();
        cpus[i]->index = i;
        cpus[i]->cr3 = 0x1000;
        cpus[i]->cr4 = CR4_PAE;
        cpus[i]->efer = EFER_LMA | EFER_LME;
        cpus[i]->regs[X86_RSP] = 0x1111 * (i + 1);
        cpus[i]->rip = 0x2222 * (i + 1);
    }
    cpus[0]->cr0 = CR0_PE | CR0_PG;
    set(0x1000, 0, 0x2000 | ENTRY);
    set(0x1000, 511, 0x2000 | ENTRY);
    set(0x2000, 0, 0x3000 | ENTRY);
    set(0x3000, 0, 0x4000 | ENTRY);
    set(0x3000, 1, 0x40000000 | ENTRY | PTE_PS); /* 2 MiB, of which 16 KiB are RAM */
    set(0x3000, 2, 0x80000000 | ENTRY | PTE_PS); /* no RAM */
    set(0x4000, 0x10, 0x8000 | ENTRY);
    set(0x4000, 0x11, 0x9000 | ENTRY); /* these two are one piece */
    set(0x4000, 0x20, 0x9000 | ENTRY);
    memset(low->host + 0x8000, 0xaa, 0x1000);
    memset(low->host + 0x9000, 0xbb, 0x1000);
    memset(high->host, 0xcc, HIGH_SIZE);
}

static void tear_down(void)
{
    for (unsigned i = 0; i < 2; i++) {
        object_unref(OBJECT(machine.cpu_slots.list[i].device));
        vcpu_free(cpus[i]);
    }
    cpu_slots_drop(&machine.cpu_slots);
    memory_region_remove(&low_region);
    memory_region_remove(&high_region);
    memory_region_destroy(&low_region);
    memory_region_destroy(&high_region);
    ram_block_unref(low);
    ram_block_unref(high);
}

/* ---- what is in a dump ---- */

typedef struct Core {
    uint8_t *data;
    size_t size;
} Core;

static Core dump(bool paging)
{
    GuestDumpOptions options = { .paging = paging };
    g_autoptr(GError) err = NULL;
    GuestDump *d = guest_dump_new(&machine, &options, &err);
    int fd = memfd_create("core", MFD_CLOEXEC);
    Core core;

    g_assert_no_error(err);
    guest_dump_write(d, fd, &err);
    g_assert_no_error(err);
    g_assert_cmpuint(guest_dump_total(d), ==, LOW_SIZE + HIGH_SIZE);
    g_assert_cmpuint(guest_dump_completed(d), ==, LOW_SIZE + HIGH_SIZE);
    guest_dump_free(d);
    core.size = (size_t)lseek(fd, 0, SEEK_END);
    core.data = mmap(NULL, core.size, PROT_READ, MAP_PRIVATE, fd, 0);
    g_assert_true(core.data != MAP_FAILED);
    close(fd);
    return core;
}

static const Elf64_Phdr *program_headers(const Core *core, uint32_t *count)
{
    const Elf64_Ehdr *header = (void *)core->data;

    *count = header->e_phnum;
    if (*count == PN_XNUM) {
        *count = ((const Elf64_Shdr *)(core->data + header->e_shoff))->sh_info;
    }
    return (void *)(core->data + header->e_phoff);
}

/* "va>pa+size=first byte", in hex. */
static void assert_loads(const char *expected)
{
    Core core = dump(true);
    g_autoptr(GString) text = g_string_new(NULL);
    uint32_t count;
    const Elf64_Phdr *ph = program_headers(&core, &count);

    g_assert_cmpuint(ph[0].p_type, ==, PT_NOTE);
    for (uint32_t i = 1; i < count; i++) {
        g_assert_cmpuint(ph[i].p_offset + ph[i].p_filesz, <=, core.size);
        g_string_append_printf(text, "%" PRIx64 ">%" PRIx64 "+%" PRIx64 "=%x\n", ph[i].p_vaddr,
                               ph[i].p_paddr, ph[i].p_filesz, core.data[ph[i].p_offset]);
    }
    g_assert_cmpstr(text->str, ==, expected);
    munmap(core.data, core.size);
}

#define MAPPED                        \
    "10000>8000+2000=aa\n"            \
    "ffffff8000010000>8000+2000=aa\n" \
    "20000>9000+1000=bb\n"            \
    "ffffff8000020000>9000+1000=bb\n"

static void test_segments(void)
{
    set_up();
    assert_loads(MAPPED "200000>40000000+4000=cc\n"
                        "ffffff8000200000>40000000+4000=cc\n"
                        "0>0+8000=0\n"
                        "0>a000+f6000=0\n");
    /* CPU 1 with the same tables adds nothing, with others what they have. */
    cpus[1]->cr0 = cpus[0]->cr0;
    set(0x5000, 0, 0x6000 | ENTRY);
    set(0x6000, 0, 0x3000 | ENTRY);
    assert_loads(MAPPED "200000>40000000+4000=cc\n"
                        "ffffff8000200000>40000000+4000=cc\n"
                        "0>0+8000=0\n"
                        "0>a000+f6000=0\n");
    cpus[1]->cr3 = 0x5000;
    set(0x6000, 1, 0 | ENTRY | PTE_PS); /* 1 GiB, of which 1 MiB is RAM */
    assert_loads("40000000>0+100000=0\n" MAPPED "200000>40000000+4000=cc\n"
                 "ffffff8000200000>40000000+4000=cc\n");
    tear_down();
}

/* More program headers than the ELF header can count. */
static void test_many_segments(void)
{
    Core core;
    uint32_t count;

    set_up();
    set(0x1000, 511, 0);
    for (unsigned i = 0; i < 512; i++) { /* 256 * 512 times the same page */
        set(0x3000, i, i < 256 ? 0x4000 | ENTRY : 0);
        set(0x4000, i, 0x8000 | ENTRY);
    }
    core = dump(true);
    const Elf64_Phdr *ph = program_headers(&core, &count);
    g_assert_cmpuint(((const Elf64_Ehdr *)core.data)->e_phnum, ==, PN_XNUM);
    g_assert_cmpuint(count, ==, 1 + 256 * 512 + 3);
    g_assert_cmphex(ph[256 * 512].p_paddr, ==, 0x8000);
    g_assert_cmphex(ph[256 * 512 + 1].p_paddr, ==, 0);
    munmap(core.data, core.size);
    tear_down();
}

/* Tables that point to themselves end in an error, soon. */
static void test_hostile_tables(void)
{
    GuestDumpOptions options = { .paging = true };
    g_autoptr(GError) err = NULL;

    set_up();
    for (unsigned i = 0; i < 512; i++) {
        set(0x1000, i, 0x1000 | ENTRY);
    }
    g_assert_null(guest_dump_new(&machine, &options, &err));
    g_assert_nonnull(strstr(err->message, "too many mappings"));
    tear_down();
}

static uint64_t word(const uint8_t *at, unsigned index)
{
    uint64_t value;

    memcpy(&value, at + 8 * index, 8);
    return value;
}

static void test_notes(void)
{
    uint32_t count;
    Core core;

    set_up();
    core = dump(false);
    const Elf64_Phdr *ph = program_headers(&core, &count);
    g_assert_cmpuint(count, ==, 3);
    const uint8_t *prstatus = core.data + ph[0].p_offset + sizeof(Elf64_Nhdr) + 8;
    const uint8_t *state = prstatus + 336 + sizeof(Elf64_Nhdr) + 8;
    g_assert_cmphex(word(prstatus + 112, 16), ==, 0x2222); /* rip */
    g_assert_cmphex(word(prstatus + 112, 19), ==, 0x1111); /* rsp */
    g_assert_cmphex(word(state, 0), ==, (uint64_t)440 << 32 | 1);
    g_assert_cmphex(word(state, 7), ==, 0x1111);
    g_assert_cmphex(word(state, 17), ==, 0x2222);
    g_assert_cmphex(word(state, 49), ==, CR0_PE | CR0_PG);
    g_assert_cmphex(word(state, 52), ==, 0x1000); /* cr3 */
    munmap(core.data, core.size);
    tear_down();
}

static void test_debug(void)
{
    uint8_t buf[0x3000];
    hwaddr pa = 1;

    set_up();
    g_assert_true(x86_debug_translate(cpus[0], 0x10123, &pa));
    g_assert_cmphex(pa, ==, 0x8123);
    g_assert_false(x86_debug_translate(cpus[0], 0x12000, &pa));
    g_assert_cmphex(pa, ==, 0x8123);
    g_assert_true(x86_debug_translate(cpus[1], 0x12345678, &pa)); /* paging off */
    g_assert_cmphex(pa, ==, 0x12345678);
    g_assert_cmphex(x86_debug_read(cpus[0], 0x10fff, buf, 2), ==, 2);
    g_assert_cmphex(buf[0] << 8 | buf[1], ==, 0xaabb);
    g_assert_cmphex(x86_debug_read(cpus[0], 0x10001, buf, 0x2000), ==, 0x1fff);
    g_assert_cmphex(x86_debug_read(cpus[0], 0x200000, buf, sizeof(buf)), ==, sizeof(buf));
    g_assert_cmphex(x86_debug_read(cpus[0], 0x203fff, buf, 2), ==, 1);
    g_assert_cmphex(x86_debug_read(cpus[0], 0x400000, buf, 1), ==, 0);
    g_assert_cmphex(x86_debug_read(cpus[1], UINT64_MAX, buf, 2), ==, 0);
    g_assert_cmphex(x86_debug_read_physical(LOW_SIZE - 1, buf, 2), ==, 1);
    tear_down();
}

/* By the tables at 0x1000 of a guest's memory, which nested tables put at the same place, but for
 * the page of its 0x8000: 0x9000. */
static void test_debug_nested(void)
{
    uint8_t buf[2] = { 0x5a, 0xa5 };
    hwaddr pa = 0;

    set_up();
    set(0x20000, 0, 0x21000 | ENTRY);
    set(0x21000, 0, 0x22000 | ENTRY);
    set(0x22000, 0, 0x23000 | ENTRY);
    for (unsigned i = 0; i < 16; i++) {
        set(0x23000, i, (i == 8 ? 9u : i) * 0x1000 | ENTRY);
    }
    cpus[0]->svm.guest = cpus[0]->svm.nested_paging = true;
    cpus[0]->svm.nested_cr3 = 0x20000;
    cpus[0]->svm.host.cr0 = CR0_PE | CR0_PG;
    cpus[0]->svm.host.cr4 = CR4_PAE;
    cpus[0]->svm.host.efer = EFER_LMA | EFER_LME;
    g_assert_true(x86_debug_translate(cpus[0], 0x10123, &pa));
    g_assert_cmphex(pa, ==, 0x9123);
    g_assert_true(x86_debug_write(cpus[0], 0x10123, buf, 2));
    g_assert_cmphex(low->host[0x9123], ==, 0x5a);
    cpus[0]->cr0 = 0; /* no paging of its own */
    g_assert_true(x86_debug_translate(cpus[0], 0x8123, &pa));
    g_assert_cmphex(pa, ==, 0x9123);
    g_assert_false(x86_debug_translate(cpus[0], 0x10000, &pa));
    set(0x23000, 1, 0); /* the guest's tables are gone */
    cpus[0]->cr0 = CR0_PE | CR0_PG;
    g_assert_false(x86_debug_translate(cpus[0], 0x10123, &pa));
    tear_down();
}

/* In system management mode, memory that others do not see. */
static void test_debug_smm(void)
{
    static MemoryRegion region;
    RamBlock *smram = ram_block_new("smram", 0x1000, -1, false, true, 0, NULL);
    uint8_t buf[2] = { 0x5a, 0xa5 }, seen[2];

    set_up();
    memory_smm_init();
    memory_region_init_ram(&region, "smram", smram);
    memory_region_add(memory_smram(), 0x8000, &region);
    cpus[0]->smm = true;
    g_assert_true(x86_debug_write(cpus[0], 0x10800, buf, 2));
    g_assert_cmpmem(smram->host + 0x800, 2, buf, 2);
    g_assert_cmphex(low->host[0x8800], ==, 0xaa);
    g_assert_cmpuint(x86_debug_read(cpus[0], 0x10800, seen, 2), ==, 2);
    g_assert_cmpmem(seen, 2, buf, 2);
    g_assert_cmpuint(x86_debug_read_physical(0x8800, seen, 2), ==, 2);
    g_assert_cmphex(seen[0] << 8 | seen[1], ==, 0xaaaa);
    memory_region_remove(&region);
    memory_region_destroy(&region);
    ram_block_unref(smram);
    tear_down();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    accel_set(accel_find("qtest", NULL));
    g_test_add_func("/guest-dump/segments", test_segments);
    g_test_add_func("/guest-dump/many-segments", test_many_segments);
    g_test_add_func("/guest-dump/hostile-tables", test_hostile_tables);
    g_test_add_func("/guest-dump/notes", test_notes);
    g_test_add_func("/debug/translate-and-read", test_debug);
    g_test_add_func("/debug/nested", test_debug_nested);
    g_test_add_func("/debug/smm", test_debug_smm);
    return g_test_run();
}
