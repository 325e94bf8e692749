/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Multiboot kernels and EFI applications made here: good ones, and each way to be wrong. */
#include <elf.h>
#undef PF_W /* a page-fault bit in target/i386/regs.h */
#include <string.h>

#include "hw/i386/bios-data.h"
#include "memory/address-space.h"
#include "tests/unit/boot-test.h"

/* ---- multiboot: a header with addresses ---- */

enum {
    HEADER = 0x40, /* in the file */
    FLAT = 0x300,
    LOAD = 4 * 0x100000,
};

/* Addresses: where the header is, where loading begins and ends, end of bss, entry. */
static void put_header(uint8_t *header, uint32_t flags, uint32_t addr, uint32_t load, uint32_t end,
                       uint32_t bss_end, uint32_t entry)
{
    const uint32_t words[] = { 0x1badb002, flags, -(0x1badb002 + flags), addr, load, end,
                               bss_end,    entry };

    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        put(header + i * 4, words[i], 4);
    }
}

static void make_flat(uint8_t *file)
{
    memset(file, 0x5a, FLAT);
    put_header(file + HEADER, 0x10003, LOAD + HEADER, LOAD, LOAD + 0x200, LOAD + 0x1000,
               LOAD + 0x80);
}

static X86Cpu *new_cpu(void)
{
    X86Cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) / 64 * 64);

    memset(cpu, 0, sizeof(*cpu));
    return cpu;
}

static void test_flat(void)
{
    uint8_t file[FLAT];
    g_autofree char *a = make_file("a.bin", "module A", 8), *kernel = NULL;
    g_autofree char *b = make_file("b,c", "B", 1);
    g_autofree char *list = g_strdup_printf("%s one two,%s/b,,c,%s", a, tmp_dir, a);
    g_autofree char *wanted = NULL, *wanted_a = g_strdup_printf("%s one two", a);
    g_autofree uint8_t *ram = g_malloc(RAM_SIZE);
    g_autofree X86Cpu *cpu = new_cpu();
    g_autoptr(LinuxBoot) boot = NULL;
    g_autoptr(GError) err = NULL;
    const uint8_t *info, *mods, *map;
    uint32_t at;

    make_flat(file);
    kernel = make_file("kernel", file, FLAT);
    memset(ram, 0xaa, RAM_SIZE);
    boot = linux_boot_open(kernel, list, "x=1 y", &err);
    g_assert_no_error(err);
    boot_into(boot, ram, cpu);

    g_assert_cmphex(cpu->regs[X86_RAX], ==, 0x2badb002);
    g_assert_cmphex(cpu->rip, ==, LOAD + 0x80);
    g_assert_cmphex(cpu->cr0, ==, CR0_PE | CR0_ET);
    g_assert_true(cpu->segs[X86_SEG_CS].flags & SEG_DB);
    g_assert_cmphex(cpu->segs[X86_SEG_DS].limit, ==, UINT32_MAX);
    g_assert_cmphex(cpu->rflags, ==, RFLAGS_ONE);
    g_assert_cmpmem(ram + LOAD, 0x200, file, 0x200);
    for (at = 0x200; at < 0x1000; at++) {
        g_assert_cmphex(ram[LOAD + at], ==, 0);
    }

    info = ram + cpu->regs[X86_RBX];
    g_assert_cmphex(get(info, 4), ==, 0x24d);
    g_assert_cmpuint(get(info + 4, 4), ==, 639);
    g_assert_cmpuint(get(info + 8, 4), ==, 63 * 1024 - 256);
    wanted = g_strdup_printf("%s x=1 y", kernel);
    g_assert_cmpstr((char *)ram + get(info + 16, 4), ==, wanted);
    g_assert_cmpstr((char *)ram + get(info + 64, 4), ==, "Dimmable");
    g_assert_cmpuint(get(info + 44, 4), ==, 6 * 24);
    map = ram + get(info + 48, 4);
    g_assert_cmpuint(get(map, 4), ==, 20);
    g_assert_cmpuint(get(map + 4, 8), ==, 0);
    g_assert_cmpuint(get(map + 12, 8), ==, 0x9fc00);
    g_assert_cmpuint(get(map + 20, 4), ==, 1);

    g_assert_cmpuint(get(info + 20, 4), ==, 3);
    mods = ram + get(info + 24, 4);
    at = LOAD + 0x1000;
    for (unsigned i = 0; i < 3; i++, mods += 16, at += 0x1000) {
        const char *data = i == 1 ? "B" : "module A", *text[] = { wanted_a, b, a };

        g_assert_cmphex(get(mods, 4), ==, at);
        g_assert_cmphex(get(mods + 4, 4), ==, at + strlen(data));
        g_assert_cmpmem(ram + at, strlen(data), data, strlen(data));
        g_assert_cmpstr((char *)ram + get(mods + 8, 4), ==, text[i]);
        g_assert_cmpuint(get(mods + 12, 4), ==, 0);
    }
}

/* Without an end, all of the file is loaded; without bss nothing behind it is touched. The header
 * may be where what is loaded does not begin with the file. */
static void test_flat_defaults(void)
{
    uint8_t file[FLAT];
    g_autofree char *kernel = NULL;
    g_autofree uint8_t *ram = g_malloc(RAM_SIZE);
    g_autofree X86Cpu *cpu = new_cpu();
    g_autoptr(LinuxBoot) boot = NULL;
    g_autoptr(GError) err = NULL;

    make_flat(file);
    put_header(file + HEADER, 0x10000, LOAD + 0x10, LOAD, 0, 0, LOAD);
    kernel = make_file("kernel", file, FLAT);
    memset(ram, 0xaa, RAM_SIZE);
    boot = linux_boot_open(kernel, NULL, NULL, &err);
    g_assert_no_error(err);
    boot_into(boot, ram, cpu);
    g_assert_cmpmem(ram + LOAD, FLAT - 0x30, file + 0x30, FLAT - 0x30);
    g_assert_cmphex(ram[LOAD + FLAT - 0x30], ==, 0xaa);
    g_assert_cmphex(ram[LOAD - 1], ==, 0xaa);
    g_assert_cmpuint(get(ram + cpu->regs[X86_RBX] + 20, 4), ==, 0);
}

/* A kernel in low memory is not overwritten by what it is told. */
static void test_low(void)
{
    uint8_t file[FLAT];
    g_autofree char *kernel = NULL;
    g_autofree uint8_t *ram = g_malloc0(RAM_SIZE);
    g_autofree X86Cpu *cpu = new_cpu();
    g_autoptr(LinuxBoot) boot = NULL;
    g_autoptr(GError) err = NULL;

    make_flat(file);
    put_header(file + HEADER, 0x10000, 0x10f00 + HEADER, 0x10f00, 0, 0x9b000, 0x10f00);
    kernel = make_file("kernel", file, FLAT);
    boot = linux_boot_open(kernel, NULL, NULL, &err);
    g_assert_no_error(err);
    boot_into(boot, ram, cpu);
    g_assert_cmpmem(ram + 0x10f00, FLAT, file, FLAT);
    g_assert_cmpuint(cpu->regs[X86_RBX], >=, MIB);
    g_assert_cmphex(get(ram + cpu->regs[X86_RBX], 4), ==, 0x24d);
}

static void test_flat_errors(void)
{
    static const struct {
        uint32_t flags, addr, load, end, bss_end, entry;
        const char *word;
    } bad[] = {
        { 0x10008, LOAD + HEADER, LOAD, 0, 0, LOAD, "flags 0x8" },
        { 0x18000, LOAD + HEADER, LOAD, 0, 0, LOAD, "flags 0x8000" },
        { 0x00003, 0, 0, 0, 0, 0, "no load addresses" },
        { 0x10000, LOAD - 4, LOAD, 0, 0, LOAD, "behind the header" },
        { 0x10000, LOAD + HEADER + 1, LOAD, 0, 0, LOAD, "behind the header" },
        { 0x10000, UINT32_MAX, LOAD, 0, 0, LOAD, "behind the header" },
        { 0x10000, LOAD + HEADER, LOAD, LOAD, 0, LOAD, "ends before it begins" },
        { 0x10000, LOAD + HEADER, LOAD, LOAD - 1, 0, LOAD, "ends before it begins" },
        { 0x10000, LOAD + HEADER, LOAD, LOAD + FLAT + 1, 0, LOAD, "truncated" },
        { 0x10000, LOAD + HEADER, LOAD, UINT32_MAX, 0, LOAD, "truncated" },
        { 0x10000, LOAD + HEADER, LOAD, LOAD + 8, LOAD + 7, LOAD, "bss" },
        { 0x10000, LOAD + HEADER, LOAD, LOAD + 8, 1, LOAD, "bss" },
        { 0x10000, LOAD + HEADER, LOAD, 0, UINT32_MAX, LOAD, "no machine has more" },
        { 0x10000, LOAD + HEADER, LOAD, 0, 0, LOAD - 1, "entry point" },
        { 0x10000, LOAD + HEADER, LOAD, 0, 0, LOAD + FLAT, "entry point" },
        { 0x10000, LOAD + HEADER, LOAD, 0, LOAD + FLAT, UINT32_MAX, "entry point" },
        { 0x10000, HEADER, 0, 0, 0, 0, "wants to be loaded at 0x0" },
        { 0x10000, 0xfff + HEADER, 0xfff, 0, 0, 0xfff, "wants to be loaded at 0xfff" },
        { 0x10000, 0x10000 + HEADER, 0x10000, 0, 0x9b001, 0x10000, "or in RAM from 0x1000" },
        { 0x10000, 0xf0000 + HEADER, 0xf0000, 0, 0, 0xf0000, "wants to be loaded at 0xf0000" },
        { 0x10000, 0xffffff00u + HEADER, 0xffffff00u, 0, 0, 0xffffff00u, "no machine has more" },
    };
    uint8_t file[FLAT];

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        memset(file, 0, FLAT);
        put_header(file + HEADER, bad[i].flags, bad[i].addr, bad[i].load, bad[i].end,
                   bad[i].bss_end, bad[i].entry);
        expect_error(file, FLAT, NULL, bad[i].word);
    }
    make_flat(file);
    expect_error(file, HEADER + 20, NULL, "ends within its multiboot header");
    expect_error(file, FLAT, "", "without a file");
    expect_error(file, FLAT, "a.bin,,", "cannot open 'a.bin,'");
    expect_error(file, FLAT, " x", "without a file");
    expect_error(file, FLAT, "/nonexistent/x y", "cannot open '/nonexistent/x'");
    file[HEADER + 8]++; /* checksum */
    expect_error(file, FLAT, NULL, "no kernel");
}

/* The header is in the first 8 KiB, and begins at a multiple of 4. */
static void test_where(void)
{
    g_autofree uint8_t *file = g_malloc0(16384);

    for (unsigned at = 8192 - 16; at <= 8192; at += 2) {
        bool found = at % 4 == 0 && at <= 8192 - 12;

        memset(file, 0, 16384);
        put_header(file + at, 0x10000, LOAD + at, LOAD, 0, 0, 0);
        expect_error(file, 16384, NULL, found ? "entry point" : "no kernel");
    }
}

/* The modules must fit behind the kernel. */
static void test_modules_too_big(void)
{
    uint8_t file[FLAT];
    g_autofree char *big = g_malloc0(8 * MIB), *module = make_file("big", big, 8 * MIB);
    g_autofree char *kernel = NULL;
    g_autoptr(LinuxBoot) boot = NULL;
    g_autoptr(GError) err = NULL;

    make_flat(file);
    kernel = make_file("kernel", file, FLAT);
    boot = linux_boot_open(kernel, module, NULL, &err);
    g_assert_no_error(err);
    g_assert_true(linux_boot_plan(boot, LOAD + 0x1000 + 8 * MIB, &err));
    g_assert_false(linux_boot_plan(boot, LOAD + 8 * MIB, &err));
    g_assert_nonnull(strstr(err->message, "-initrd"));
}

/* ---- multiboot: ELF ---- */

typedef struct ElfFile {
    Elf32_Ehdr header;
    Elf32_Phdr segments[2];
    uint8_t multiboot[32];
    uint8_t code[64];
} ElfFile;

static ElfFile make_elf(void)
{
    ElfFile f = {
        .header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
                    .e_type = ET_EXEC,
                    .e_machine = EM_386,
                    .e_entry = 0xc0100010, /* virtual */
                    .e_phoff = offsetof(ElfFile, segments),
                    .e_phentsize = sizeof(Elf32_Phdr),
                    .e_phnum = 2 },
        .segments = { { .p_type = PT_LOAD,
                        .p_offset = offsetof(ElfFile, code),
                        .p_vaddr = 0xc0100000,
                        .p_paddr = MIB,
                        .p_filesz = sizeof(f.code),
                        .p_memsz = 4096 },
                      { .p_type = PT_LOAD,
                        .p_offset = offsetof(ElfFile, multiboot),
                        .p_vaddr = 0xc0200000,
                        .p_paddr = 2 * MIB,
                        .p_filesz = sizeof(f.multiboot),
                        .p_memsz = sizeof(f.multiboot) } },
    };

    put_header(f.multiboot, 3, 0, 0, 0, 0, 0);
    memset(f.code, 0xc3, sizeof(f.code));
    return f;
}

static void test_elf(void)
{
    ElfFile f = make_elf();
    g_autofree char *kernel = make_file("kernel", &f, sizeof(f));
    g_autofree uint8_t *ram = g_malloc(RAM_SIZE);
    g_autofree X86Cpu *cpu = new_cpu();
    g_autoptr(LinuxBoot) boot = NULL;
    g_autoptr(GError) err = NULL;

    memset(ram, 0xaa, RAM_SIZE);
    boot = linux_boot_open(kernel, NULL, NULL, &err);
    g_assert_no_error(err);
    boot_into(boot, ram, cpu);
    g_assert_cmphex(cpu->rip, ==, MIB + 0x10);
    g_assert_cmphex(cpu->regs[X86_RAX], ==, 0x2badb002);
    g_assert_cmpmem(ram + MIB, sizeof(f.code), f.code, sizeof(f.code));
    g_assert_cmphex(ram[MIB + 4095], ==, 0);
    g_assert_cmphex(ram[MIB + 4096], ==, 0xaa);
    g_assert_cmphex(get(ram + 2 * MIB, 4), ==, 0x1badb002);
}

static void test_elf_errors(void)
{
    ElfFile f = make_elf();

    f.segments[1].p_paddr = MIB + 4095;
    expect_error(&f, sizeof(f), NULL, "overlap");
    f = make_elf();
    f.header.e_entry = 0xc0101000;
    expect_error(&f, sizeof(f), NULL, "entry point");
    f = make_elf();
    f.segments[0].p_memsz = UINT32_MAX;
    expect_error(&f, sizeof(f), NULL, "overlap");
    f = make_elf();
    f.segments[1].p_memsz = UINT32_MAX;
    expect_error(&f, sizeof(f), NULL, "no machine has more");
    f = make_elf();
    f.segments[1].p_offset = UINT32_MAX;
    expect_error(&f, sizeof(f), NULL, "truncated");
    f = make_elf();
    f.header.e_machine = EM_ARM;
    expect_error(&f, sizeof(f), NULL, "x86-64 or i386");
    f = make_elf();
    f.header.e_ident[EI_CLASS] = ELFCLASS64; /* and then it is one with a PVH entry, or none */
    expect_error(&f, sizeof(f), NULL, "not an ELF kernel");
    f = make_elf();
    mutate((const uint8_t *)&f, sizeof(f), offsetof(ElfFile, code), 400);
}

static void test_flat_mutations(void)
{
    uint8_t file[FLAT];

    make_flat(file);
    mutate(file, FLAT, HEADER + 32, 400);
}

/* ---- EFI applications ---- */

enum { PE = 0x80, PE_OPTIONAL = PE + 24, PE_SECTIONS = PE_OPTIONAL + 0xf0, PE_SIZE = 0x400 };

static void make_pe(uint8_t *file)
{
    memset(file, 0, PE_SIZE);
    memcpy(file, "MZ", 2);
    put(file + 0x3c, PE, 4);
    memcpy(file + PE, "PE\0", 4);
    put(file + PE + 4, 0x8664, 2);
    put(file + PE + 6, 1, 2);
    put(file + PE + 20, PE_SECTIONS - PE_OPTIONAL, 2);
    put(file + PE_OPTIONAL, 0x20b, 2);
    put(file + PE_OPTIONAL + 68, 10, 2);
    put(file + PE_SECTIONS + 16, 0x200, 4);
    put(file + PE_SECTIONS + 20, PE_SIZE - 0x200, 4);
}

static void test_efi(void)
{
    uint8_t file[PE_SIZE];
    g_autofree char *kernel = NULL;
    g_autoptr(LinuxBoot) boot = NULL;
    g_autoptr(GError) err = NULL;

    make_pe(file);
    kernel = make_file("app.efi", file, PE_SIZE);
    boot = linux_boot_open(kernel, NULL, NULL, &err);
    g_assert_no_error(err);
    g_assert_true(linux_boot_plan(boot, RAM_SIZE, &err));
    g_assert_false(linux_boot_needs_bios(boot));
    g_assert_true(linux_boot_check_starter(boot, BOOT_BY_UEFI, &err));
    g_assert_false(linux_boot_check_starter(boot, BOOT_BY_BIOS, &err));
    g_assert_nonnull(strstr(err->message, "needs UEFI firmware"));
    g_clear_error(&err);
    g_assert_false(linux_boot_check_starter(boot, BOOT_DIRECTLY, &err));
    g_assert_nonnull(strstr(err->message, "needs UEFI firmware"));
}

static void test_efi_errors(void)
{
    static const struct {
        const char *word;
        unsigned offset, value, bytes;
        size_t size;
    } bad[] = {
        { "subsystem 3", PE_OPTIONAL + 68, 3, 2, PE_SIZE }, /* a Windows program */
        { "subsystem 13", PE_OPTIONAL + 68, 13, 2, PE_SIZE },
        { "machine is 0xaa64", PE + 4, 0xaa64, 2, PE_SIZE },
        { "truncated", 0, 'M', 1, PE_SIZE - 1 },
        { "truncated", PE + 6, 0xffff, 2, PE_SIZE },
        { "truncated", PE + 20, 0xffff, 2, PE_SIZE },
        { "truncated", PE_SECTIONS + 20, UINT32_MAX, 4, PE_SIZE },
        { "no kernel", 0x3c, UINT32_MAX, 4, PE_SIZE },
        { "no kernel", 0x3c, PE_SIZE - 4, 4, PE_SIZE },
        { "no kernel", PE, 0, 1, PE_SIZE },
        { "no kernel", 0, 'M', 1, 0x30 },
        { "no kernel", 0, 'M', 1, PE + 24 + 69 },
    };
    uint8_t file[PE_SIZE];

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        make_pe(file);
        put(file + bad[i].offset, bad[i].value, bad[i].bytes);
        expect_error(file, bad[i].size, NULL, bad[i].word);
    }
}

/* ---- what a BIOS leaves ---- */

static void test_bios_data(void)
{
    RamBlock *block = ram_block_new("ram", MIB, -1, false, true, 0, NULL);
    const uint8_t *ram = block->host, *service;
    MemoryRegion region = { 0 };
    AddressSpace as;

    memory_region_init_ram(&region, "ram", block);
    address_space_init(&as, &region, "test");
    bios_data_load(&as, (const bool[]){ true, false, true, false },
                   (const uint16_t[]){ 0x378, 0, 0x3bc });
    g_assert_cmphex(get(ram + 0x40e, 2), ==, 0x9fc0);
    g_assert_cmpuint(get(ram + 0x413, 2), ==, 639);
    g_assert_cmpuint(ram[0x9fc00], ==, 1);
    g_assert_cmphex(get(ram + 0x400, 8), ==, 0x3e8000003f8);
    g_assert_cmphex(get(ram + 0x408, 6), ==, 0x3bc00000378);
    service = ram + get(ram + 0x15 * 4 + 2, 2) * 16 + get(ram + 0x15 * 4, 2);
    g_assert_cmphex(service[8], ==, 0xcf);
    service = ram + get(ram + 0x08 * 4 + 2, 2) * 16 + get(ram + 0x08 * 4, 2);
    g_assert_cmphex(service[0], ==, 0xcf);
    address_space_destroy(&as);
    memory_region_destroy(&region);
    ram_block_unref(block);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/multiboot/flat", test_flat);
    g_test_add_func("/multiboot/flat-defaults", test_flat_defaults);
    g_test_add_func("/multiboot/low", test_low);
    g_test_add_func("/multiboot/flat-errors", test_flat_errors);
    g_test_add_func("/multiboot/where", test_where);
    g_test_add_func("/multiboot/modules-too-big", test_modules_too_big);
    g_test_add_func("/multiboot/elf", test_elf);
    g_test_add_func("/multiboot/elf-errors", test_elf_errors);
    g_test_add_func("/multiboot/mutations", test_flat_mutations);
    g_test_add_func("/efi-app/good", test_efi);
    g_test_add_func("/efi-app/errors", test_efi_errors);
    g_test_add_func("/bios-data", test_bios_data);
    return boot_test_run();
}
