/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both boot protocols with kernels made here: good ones, and each way to be wrong. */
#include <elf.h>
#undef PF_W /* a page-fault bit in target/i386/regs.h */
#include <string.h>

#include "tests/unit/boot-test.h"

/* ---- bzImage ---- */

enum { SETUP = 5 * 512, PAYLOAD = 0x3000, BZIMAGE = SETUP + PAYLOAD };

static void make_bzimage(uint8_t *file)
{
    memset(file, 0, BZIMAGE);
    file[0x1f1] = 4;
    put(file + 0x1f4, PAYLOAD / 16, 4);
    put(file + 0x1fe, 0xaa55, 2);
    put(file + 0x200, 0x66eb, 2);
    memcpy(file + 0x202, "HdrS", 4);
    put(file + 0x206, 0x020f, 2);
    file[0x211] = 1;
    put(file + 0x22c, 0x7fffffff, 4);
    put(file + 0x230, 2 * MIB, 4);
    file[0x234] = 1;
    put(file + 0x236, 1, 2);
    put(file + 0x238, 2047, 4);
    put(file + 0x258, 16 * MIB, 8);
    put(file + 0x260, 8 * MIB, 4);
    memset(file + SETUP, 0x5a, PAYLOAD);
}

static void test_bzimage(void)
{
    g_autofree uint8_t *file = g_malloc(BZIMAGE);
    g_autofree uint8_t *ram = g_malloc0(RAM_SIZE);
    g_autofree X86Cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) / 64 * 64);
    g_autofree char *kernel = NULL, *initrd = make_file("initrd", "INITRD!", 7);
    g_autoptr(LinuxBoot) boot = NULL;
    g_autoptr(GError) err = NULL;
    const uint8_t *params;
    uint64_t addr;

    memset(cpu, 0, sizeof(*cpu));
    make_bzimage(file);
    kernel = make_file("bzimage", file, BZIMAGE);
    boot = linux_boot_open(kernel, initrd, "console=ttyS0", &err);
    g_assert_no_error(err);
    boot_into(boot, ram, cpu);

    params = ram + cpu->regs[X86_RSI];
    g_assert_cmpmem(params + 0x202, 4, "HdrS", 4);
    g_assert_cmpuint(params[0x210], ==, 0xff);
    g_assert_cmpuint(get(params + 0x70, 8), ==, RSDP);
    g_assert_cmpstr((char *)ram + get(params + 0x228, 4), ==, "console=ttyS0");
    addr = get(params + 0x218, 4);
    g_assert_cmpuint(addr & 0xfff, ==, 0);
    g_assert_cmpuint(get(params + 0x21c, 4), ==, 7);
    g_assert_cmpmem(ram + addr, 7, "INITRD!", 7);
    g_assert_cmpuint(params[0x1e8], ==, 6);
    g_assert_cmpuint(get(params + 0x2d0 + 8, 8), ==, 0x9fc00);

    g_assert_cmpuint(cpu->rip, ==, 16 * MIB + 0x200);
    g_assert_cmpmem(ram + 16 * MIB, PAYLOAD, file + SETUP, PAYLOAD);
    g_assert_cmpuint(cpu->efer & (EFER_LMA | EFER_LME), ==, EFER_LMA | EFER_LME);
    g_assert_cmpuint(cpu->segs[X86_SEG_CS].selector, ==, 0x10);
    g_assert_true(cpu->segs[X86_SEG_CS].flags & SEG_L);
    g_assert_cmpuint(cpu->segs[X86_SEG_SS].selector, ==, 0x18);
    g_assert_cmpuint(cpu->rflags & RFLAGS_IF, ==, 0);
    /* Walk the tables for an address in the last GiB. */
    addr = get(ram + cpu->cr3, 8) & ~0xfffull;
    addr = get(ram + addr + 3 * 8, 8) & ~0xfffull;
    g_assert_cmpuint(get(ram + addr + 511 * 8, 8), ==, 0xffe00000 | PTE_P | PTE_RW | PTE_PS);
}

/* A kernel that does not fit where it wants to be is put lower, if it may be. */
static void test_bzimage_low(void)
{
    g_autofree uint8_t *file = g_malloc(BZIMAGE);
    g_autofree char *kernel = NULL, *fixed = NULL;
    g_autoptr(LinuxBoot) boot = NULL;
    g_autoptr(GError) err = NULL;

    make_bzimage(file);
    kernel = make_file("bzimage", file, BZIMAGE);
    boot = linux_boot_open(kernel, NULL, NULL, &err);
    g_assert_no_error(err);
    g_assert_true(linux_boot_plan(boot, 12 * MIB, &err));
    g_assert_false(linux_boot_plan(boot, 9 * MIB, &err));
    g_assert_nonnull(strstr(err->message, "-m 11M"));
    g_clear_error(&err);
    g_clear_pointer(&boot, linux_boot_free);

    file[0x234] = 0;
    fixed = make_file("fixed", file, BZIMAGE);
    boot = linux_boot_open(fixed, NULL, NULL, &err);
    g_assert_no_error(err);
    g_assert_false(linux_boot_plan(boot, 12 * MIB, &err));
    g_assert_nonnull(strstr(err->message, "-m 25M"));
}

static void test_initrd_too_big(void)
{
    g_autofree uint8_t *file = g_malloc(BZIMAGE);
    g_autofree char *big = g_malloc0(8 * MIB);
    g_autofree char *kernel = NULL, *initrd = make_file("big", big, 8 * MIB);
    g_autoptr(LinuxBoot) boot = NULL;
    g_autoptr(GError) err = NULL;

    make_bzimage(file);
    kernel = make_file("bzimage", file, BZIMAGE);
    boot = linux_boot_open(kernel, initrd, NULL, &err);
    g_assert_no_error(err);
    g_assert_false(linux_boot_plan(boot, 31 * MIB, &err));
    g_assert_nonnull(strstr(err->message, "-initrd"));
    g_assert_nonnull(strstr(err->message, "-m 33M"));
    g_clear_error(&err);
    g_assert_true(linux_boot_plan(boot, 33 * MIB - ACPI_AREA, &err));
}

static LinuxBoot *open_bzimage(const uint8_t *file, size_t size)
{
    g_autofree char *kernel = make_file("bzimage", file, size);
    g_autoptr(GError) err = NULL;
    LinuxBoot *boot = linux_boot_open(kernel, NULL, NULL, &err);

    g_assert_no_error(err);
    return boot;
}

/* A last paragraph of 1 to 16 bytes is one; test_bzimage_errors() has 0. */
static void test_bzimage_short(void)
{
    g_autofree uint8_t *file = g_malloc(BZIMAGE);
    g_autofree uint8_t *ram = g_malloc0(RAM_SIZE);
    g_autofree X86Cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) / 64 * 64);

    make_bzimage(file);
    for (unsigned missing = 0; missing < 16; missing += 5) {
        g_autoptr(LinuxBoot) boot = open_bzimage(file, BZIMAGE - missing);

        memset(ram + 16 * MIB, 0xee, PAYLOAD);
        boot_into(boot, ram, cpu);
        g_assert_cmpmem(ram + 16 * MIB, PAYLOAD - missing, file + SETUP, PAYLOAD - missing);
        for (unsigned i = 1; i <= missing; i++) {
            g_assert_cmphex(ram[16 * MIB + PAYLOAD - i], ==, 0xee);
        }
    }
}

/* Without the flag of a 64-bit entry, or before there was one, it is entered in 32-bit mode. */
static void test_bzimage_32(void)
{
    static const struct {
        uint16_t version, xloadflags;
        bool long_mode;
    } cases[] = { { 0x20f, 0, false }, { 0x20f, 1, true },  { 0x20c, 1, true },
                  { 0x20c, 4, false }, { 0x20b, 1, false }, { 0x20a, 1, false } };
    g_autofree uint8_t *file = g_malloc(BZIMAGE);
    g_autofree uint8_t *ram = g_malloc0(RAM_SIZE);
    g_autofree X86Cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) / 64 * 64);

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(LinuxBoot) boot = NULL;

        make_bzimage(file);
        put(file + 0x206, cases[i].version, 2);
        put(file + 0x236, cases[i].xloadflags, 2);
        boot = open_bzimage(file, BZIMAGE);
        memset(cpu, 0, sizeof(*cpu));
        boot_into(boot, ram, cpu);
        g_assert_cmpuint(cpu->rip, ==, 16 * MIB + (cases[i].long_mode ? 0x200 : 0));
        g_assert_cmpuint(!!(cpu->efer & EFER_LMA), ==, cases[i].long_mode);
        g_assert_cmpuint(!!(cpu->cr0 & CR0_PG), ==, cases[i].long_mode);
        g_assert_cmpuint(!!(cpu->segs[X86_SEG_CS].flags & SEG_L), ==, cases[i].long_mode);
        g_assert_cmpuint(!!(cpu->segs[X86_SEG_CS].flags & SEG_DB), ==, !cases[i].long_mode);
        g_assert_cmphex(get(ram + cpu->gdt.base + 0x10, 8) >> 48, ==,
                        cases[i].long_mode ? 0x00af : 0x00cf);
        g_assert_cmpuint(cpu->regs[X86_RSI], ==, 0x10000);
        for (unsigned reg = X86_RBX; reg <= X86_RDI; reg++) {
            g_assert_true(reg == X86_RSI || reg == X86_RSP || cpu->regs[reg] == 0);
        }
    }
}

/* Who can start what; before 2.10 (init_size) and for zImages it is a BIOS. */
static void test_bzimage_starters(void)
{
    static const struct {
        uint16_t version;
        uint8_t loadflags, relocatable;
        unsigned starters;
    } cases[] = {
        { 0x200, 1, 1, BOOT_BY_BIOS },
        { 0x200, 0, 0, BOOT_BY_BIOS },
        { 0x204, 1, 1, BOOT_BY_BIOS },
        { 0x205, 1, 1, BOOT_BY_BIOS | BOOT_BY_UEFI },
        { 0x209, 1, 0, BOOT_BY_BIOS },
        { 0x20a, 1, 0, BOOT_BY_BIOS | BOOT_DIRECTLY },
        { 0x20f, 1, 1, BOOT_BY_BIOS | BOOT_DIRECTLY | BOOT_BY_UEFI },
        { 0x20f, 0, 0, BOOT_BY_BIOS },
    };
    g_autofree uint8_t *file = g_malloc(BZIMAGE);

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(LinuxBoot) boot = NULL;
        g_autoptr(GError) err = NULL;

        make_bzimage(file);
        put(file + 0x206, cases[i].version, 2);
        file[0x211] = cases[i].loadflags;
        file[0x234] = cases[i].relocatable;
        boot = open_bzimage(file, BZIMAGE);
        g_assert_true(linux_boot_plan(boot, RAM_SIZE, &err));
        for (unsigned starter = BOOT_DIRECTLY; starter <= BOOT_BY_UEFI; starter *= 2) {
            bool can = linux_boot_check_starter(boot, starter, &err);

            g_assert_cmpint(can, ==, !!(cases[i].starters & starter));
            g_assert_cmpint(can, ==, !err);
            g_clear_error(&err);
        }
        g_assert_cmpint(linux_boot_needs_bios(boot), ==, !(cases[i].starters & BOOT_DIRECTLY));
    }
}

/* Before 2.04 the size has 16 bits, and says nothing of a kernel that is loaded high. */
static void test_bzimage_old_size(void)
{
    g_autofree uint8_t *file = g_malloc(BZIMAGE);
    g_autofree uint8_t *large = g_malloc0(600 * 1024);
    g_autoptr(LinuxBoot) boot = NULL;

    make_bzimage(file);
    put(file + 0x206, 0x203, 2);
    put(file + 0x1f4, 0xffffffff, 4);
    boot = open_bzimage(file, BZIMAGE);
    file[0x211] = 0;
    expect_error(file, BZIMAGE, NULL, "truncated");
    put(file + 0x1f4, 0xabcd0000 | PAYLOAD / 16, 4); /* what follows is another field */
    g_clear_pointer(&boot, linux_boot_free);
    boot = open_bzimage(file, BZIMAGE);

    memcpy(large, file, SETUP);
    put(large + 0x1f4, 0x8000, 2); /* 512 KiB */
    g_clear_pointer(&boot, linux_boot_free);
    boot = open_bzimage(large, 600 * 1024);
    put(large + 0x1f4, 0x8001, 2);
    expect_error(large, 600 * 1024, NULL, "zImage of 524304 bytes");
    large[0x1f1] = 100;
    put(large + 0x1f4, 0x100, 2);
    expect_error(large, 600 * 1024, NULL, "setup code");
}

static void test_bzimage_mutations(void)
{
    g_autofree uint8_t *file = g_malloc(BZIMAGE);

    make_bzimage(file);
    mutate(file, BZIMAGE, 0x268, 400);
}

/* One change each to a good bzImage, or to how it is opened, and a word of the error. */
static void test_bzimage_errors(void)
{
    static const struct {
        const char *word;
        unsigned offset, value, size; /* changed bytes; size 0: none */
        size_t length;                /* of the file */
        const char *initrd;
        size_t append;
    } bad[] = {
        { "no kernel", 0x1fe, 0, 2, BZIMAGE },
        { "no kernel", 0x202, 0, 4, BZIMAGE },
        { "no kernel", 0, 0, 0, 100 },
        { "gzip", 0, 0x8b1f, 2, 100 },
        { "protocol 1.255", 0x206, 0x01ff, 2, BZIMAGE },
        { "truncated", 0, 0, 0, 0x210 },
        { "truncated", 0, 0, 0, SETUP },
        { "truncated", 0, 0, 0, BZIMAGE - 16 },
        { "truncated", 0x1f4, 0xffffffff, 4, BZIMAGE },
        { "truncated", 0x1f4, PAYLOAD / 16 + 1, 4, BZIMAGE },
        { "truncated", 0x1f1, 255, 1, BZIMAGE },
        { "-initrd: cannot open", 0, 0, 0, BZIMAGE, "/nonexistent/initrd" },
        { "2048 characters", 0, 0, 0, BZIMAGE, NULL, 2048 },
        { "256 characters", 0x206, 0x205, 2, BZIMAGE, NULL, 256 },
        { "256 characters", 0x211, 0, 1, BZIMAGE, NULL, 256 }, /* loaded low */
        { "empty", 0, 0, 0, 0 },
    };
    g_autofree uint8_t *file = g_malloc(BZIMAGE);

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *kernel = NULL, *append = g_strnfill(bad[i].append, 'x');
        g_autoptr(GError) err = NULL;

        make_bzimage(file);
        put(file + bad[i].offset, bad[i].value, bad[i].size);
        kernel = make_file("bad", file, bad[i].length);
        g_assert_null(linux_boot_open(kernel, bad[i].initrd, append, &err));
        g_assert_nonnull(err);
        g_test_message("%s", err->message);
        g_assert_nonnull(strstr(err->message, bad[i].word));
    }
}

static void test_missing(void)
{
    g_autofree char *huge = make_file("huge", "", 0);
    g_autoptr(GError) err = NULL;

    g_assert_null(linux_boot_open("/nonexistent/vmlinuz", NULL, NULL, &err));
    g_assert_nonnull(strstr(err->message, "/nonexistent/vmlinuz"));
    g_clear_error(&err);
    g_assert_null(linux_boot_open(tmp_dir, NULL, NULL, &err));
    g_assert_nonnull(strstr(err->message, "not a regular file"));
    g_clear_error(&err);
    g_assert_cmpint(truncate(huge, FOUR_GIB), ==, 0);
    g_assert_null(linux_boot_open(huge, NULL, NULL, &err));
    g_assert_nonnull(strstr(err->message, "4 GiB or more"));
}

/* ---- PVH ---- */

typedef struct PvhFile {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    struct {
        Elf64_Nhdr head;
        char name[4];
        uint32_t entry;
    } note;
    uint8_t code[64];
} PvhFile;

static PvhFile make_pvh(void)
{
    PvhFile f = {
        .header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
                    .e_type = ET_EXEC,
                    .e_machine = EM_X86_64,
                    .e_phoff = offsetof(PvhFile, segments),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = 2 },
        .segments = { { .p_type = PT_LOAD,
                        .p_offset = offsetof(PvhFile, code),
                        .p_paddr = 16 * MIB,
                        .p_filesz = sizeof(f.code),
                        .p_memsz = 4096 },
                      { .p_type = PT_NOTE,
                        .p_offset = offsetof(PvhFile, note),
                        .p_filesz = sizeof(f.note) } },
        .note = { { .n_namesz = 4, .n_descsz = 4, .n_type = 18 }, "Xen", 16 * MIB + 0x40 },
    };

    memset(f.code, 0xc3, sizeof(f.code));
    return f;
}

static void test_pvh(void)
{
    PvhFile f = make_pvh();
    g_autofree char *kernel = make_file("vmlinux", &f, sizeof(f));
    g_autofree char *initrd = make_file("initrd", "INITRD!", 7);
    g_autofree uint8_t *ram = g_malloc(RAM_SIZE);
    g_autofree X86Cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) / 64 * 64);
    g_autoptr(LinuxBoot) boot = NULL;
    g_autoptr(GError) err = NULL;
    const uint8_t *start, *module;

    memset(cpu, 0, sizeof(*cpu));
    memset(ram, 0xaa, RAM_SIZE);
    boot = linux_boot_open(kernel, initrd, "quiet", &err);
    g_assert_no_error(err);
    boot_into(boot, ram, cpu);

    g_assert_cmpuint(cpu->rip, ==, 16 * MIB + 0x40);
    g_assert_cmpuint(cpu->cr0 & (CR0_PE | CR0_PG), ==, CR0_PE);
    g_assert_true(cpu->segs[X86_SEG_CS].flags & SEG_DB);
    g_assert_cmpmem(ram + 16 * MIB, sizeof(f.code), f.code, sizeof(f.code));
    g_assert_cmpuint(ram[16 * MIB + 4095], ==, 0);
    g_assert_cmpuint(ram[16 * MIB + 4096], ==, 0xaa);

    start = ram + cpu->regs[X86_RBX];
    g_assert_cmpuint(get(start, 4), ==, 0x336ec578);
    g_assert_cmpuint(get(start + 4, 4), ==, 1);
    g_assert_cmpuint(get(start + 12, 4), ==, 1);
    module = ram + get(start + 16, 8);
    g_assert_cmpmem(ram + get(module, 8), 7, "INITRD!", 7);
    g_assert_cmpuint(get(module + 8, 8), ==, 7);
    g_assert_cmpstr((char *)ram + get(start + 24, 8), ==, "quiet");
    g_assert_cmpuint(get(start + 32, 8), ==, RSDP);
    g_assert_cmpuint(get(start + 48, 4), ==, 6);
    g_assert_cmpuint(get(ram + get(start + 40, 8) + 8, 8), ==, 0x9fc00);
}

/* ELF of 32 bits may have the note, too; what is not loaded is left alone. */
static void test_pvh_32(void)
{
    struct {
        Elf32_Ehdr header;
        Elf32_Phdr segments[3];
        Elf32_Nhdr note;
        char name[4];
        uint32_t entry;
        uint8_t code[64];
    } f = { .header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
                        .e_machine = EM_386,
                        .e_entry = 0xc0000000,
                        .e_phoff = sizeof(Elf32_Ehdr),
                        .e_phentsize = sizeof(Elf32_Phdr),
                        .e_phnum = 3 },
            .segments = { { .p_type = PT_LOAD,
                            .p_paddr = 4 * MIB,
                            .p_vaddr = 0xc0000000,
                            .p_filesz = sizeof(f.code),
                            .p_memsz = sizeof(f.code) },
                          { .p_type = PT_NOTE, .p_filesz = 16 + sizeof(uint32_t) },
                          { .p_type = PT_TLS, .p_offset = UINT32_MAX, .p_filesz = UINT32_MAX } },
            .note = { 4, 4, 18 },
            .name = "Xen",
            .entry = 4 * MIB + 8 };
    g_autofree char *kernel = NULL;
    g_autofree uint8_t *ram = g_malloc0(RAM_SIZE);
    g_autofree X86Cpu *cpu = aligned_alloc(64, (sizeof(*cpu) + 63) / 64 * 64);
    g_autoptr(LinuxBoot) boot = NULL;
    g_autoptr(GError) err = NULL;

    f.segments[0].p_offset = (uint32_t)(f.code - (uint8_t *)&f);
    f.segments[1].p_offset = (uint32_t)((uint8_t *)&f.note - (uint8_t *)&f);
    memset(f.code, 0xc3, sizeof(f.code));
    memset(cpu, 0, sizeof(*cpu));
    kernel = make_file("vmlinux", &f, sizeof(f));
    boot = linux_boot_open(kernel, NULL, NULL, &err);
    g_assert_no_error(err);
    boot_into(boot, ram, cpu);
    g_assert_cmphex(cpu->rip, ==, 4 * MIB + 8);
    g_assert_cmpmem(ram + 4 * MIB, sizeof(f.code), f.code, sizeof(f.code));
    g_assert_cmphex(get(ram + cpu->regs[X86_RBX], 4), ==, 0x336ec578);
}

static void test_pvh_errors(void)
{
    PvhFile f = make_pvh();

    expect_error(&f, 40, NULL, "truncated");
    expect_error(&f, sizeof(f.header) + 20, NULL, "truncated");
    expect_error(&f, offsetof(PvhFile, code) + sizeof(f.code) - 1, NULL, "truncated");
    f.note.head.n_type = 17;
    expect_error(&f, sizeof(f), NULL, "PVH");
    f = make_pvh();
    f.note.head.n_namesz = UINT32_MAX;
    expect_error(&f, sizeof(f), NULL, "PVH");
    f = make_pvh();
    f.header.e_machine = EM_386;
    expect_error(&f, sizeof(f), NULL, "x86-64");
    f = make_pvh();
    f.segments[0].p_offset = UINT64_MAX;
    expect_error(&f, sizeof(f), NULL, "truncated");
    f = make_pvh();
    f.segments[0].p_paddr = 0x1000;
    expect_error(&f, sizeof(f), NULL, "1 MiB");
    f = make_pvh();
    f.segments[0].p_memsz = 16;
    expect_error(&f, sizeof(f), NULL, "more bytes in the file");
    f = make_pvh();
    f.segments[0].p_paddr = FOUR_GIB - 4096;
    expect_error(&f, sizeof(f), NULL, "no machine has more");
    f.segments[0].p_paddr = UINT64_MAX - 4095;
    expect_error(&f, sizeof(f), NULL, "1 MiB");
    f = make_pvh();
    f.segments[0].p_memsz = UINT64_MAX;
    expect_error(&f, sizeof(f), NULL, "1 MiB");
    f = make_pvh();
    f.header.e_phnum = 0;
    expect_error(&f, sizeof(f), NULL, "no segment");
    f.header.e_phnum = UINT16_MAX;
    expect_error(&f, sizeof(f), NULL, "truncated");
    f = make_pvh();
    f.header.e_phoff = UINT64_MAX - 8;
    expect_error(&f, sizeof(f), NULL, "truncated");
    f = make_pvh();
    f.header.e_ident[EI_DATA] = ELFDATA2MSB;
    expect_error(&f, sizeof(f), NULL, "byte order");
    f = make_pvh();
    f.segments[1] = f.segments[0];
    expect_error(&f, sizeof(f), NULL, "PVH");
    f = make_pvh();
    f.segments[0].p_memsz = 100 * MIB;
    expect_error(&f, sizeof(f), NULL, "-m 117M");
}

static void test_pvh_mutations(void)
{
    PvhFile f = make_pvh();

    mutate((const uint8_t *)&f, sizeof(f), offsetof(PvhFile, code), 400);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/linux-boot/bzimage/good", test_bzimage);
    g_test_add_func("/linux-boot/bzimage/low", test_bzimage_low);
    g_test_add_func("/linux-boot/bzimage/initrd-too-big", test_initrd_too_big);
    g_test_add_func("/linux-boot/bzimage/short", test_bzimage_short);
    g_test_add_func("/linux-boot/bzimage/32-bit", test_bzimage_32);
    g_test_add_func("/linux-boot/bzimage/starters", test_bzimage_starters);
    g_test_add_func("/linux-boot/bzimage/old-size", test_bzimage_old_size);
    g_test_add_func("/linux-boot/bzimage/mutations", test_bzimage_mutations);
    g_test_add_func("/linux-boot/bzimage/errors", test_bzimage_errors);
    g_test_add_func("/linux-boot/missing", test_missing);
    g_test_add_func("/linux-boot/pvh/good", test_pvh);
    g_test_add_func("/linux-boot/pvh/32-bit", test_pvh_32);
    g_test_add_func("/linux-boot/pvh/errors", test_pvh_errors);
    g_test_add_func("/linux-boot/pvh/mutations", test_pvh_mutations);
    return boot_test_run();
}
