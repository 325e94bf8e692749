/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Both boot protocols with kernels made here: good ones, and each way to be wrong. */
#include <elf.h>
#undef PF_W /* a page-fault bit in target/i386/regs.h */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hw/i386/e820.h"
#include "hw/i386/linux-boot.h"

#define MIB      0x100000u
#define RAM_SIZE (64 * MIB)
#define RSDP     0xe0010

static char *tmp_dir;

static char *make_file(const char *name, const void *data, size_t size)
{
    char *path = g_build_filename(tmp_dir, name, NULL);

    g_assert_true(g_file_set_contents(path, data, size, NULL));
    return path;
}

static void put(uint8_t *p, uint64_t value, unsigned size)
{
    memcpy(p, &value, size);
}

static uint64_t get(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, p, size);
    return value;
}

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

static void boot_into(LinuxBoot *boot, uint8_t *ram, X86Cpu *cpu)
{
    g_autoptr(GArray) e820 = e820_build(RAM_SIZE, 0);
    RamBlock *block = ram_block_new("ram", RAM_SIZE, -1, false, true, 0, NULL);
    MemoryRegion region = { 0 };
    AddressSpace as;
    BootRam boot_ram = { &as, RAM_SIZE - ACPI_AREA };
    g_autoptr(GError) err = NULL;
    bool ok = linux_boot_plan(boot, boot_ram.size, &err);

    g_assert_no_error(err);
    g_assert_true(ok);
    memory_region_init_ram(&region, "ram", block);
    memcpy(block->host, ram, RAM_SIZE);
    address_space_init(&as, &region, "test");
    linux_boot_load(boot, &boot_ram, e820, RSDP);
    linux_boot_start(boot, cpu);
    memcpy(ram, block->host, RAM_SIZE);
    address_space_destroy(&as);
    memory_region_destroy(&region);
    ram_block_unref(block);
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
        { "neither", 0x1fe, 0, 2, BZIMAGE },
        { "neither", 0x202, 0, 4, BZIMAGE },
        { "neither", 0, 0, 0, 100 },
        { "protocol 2.11", 0x206, 0x020b, 2, BZIMAGE },
        { "truncated", 0, 0, 0, 0x210 },
        { "truncated", 0, 0, 0, SETUP - 1 },
        { "truncated", 0, 0, 0, BZIMAGE - 1 },
        { "truncated", 0x1f4, 0xffffffff, 4, BZIMAGE },
        { "64-bit", 0x236, 0, 2, BZIMAGE },
        { "zImage", 0x211, 0, 1, BZIMAGE },
        { "-initrd: cannot open", 0, 0, 0, BZIMAGE, "/nonexistent/initrd" },
        { "2048 characters", 0, 0, 0, BZIMAGE, NULL, 2048 },
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
    g_autoptr(GError) err = NULL;

    g_assert_null(linux_boot_open("/nonexistent/vmlinuz", NULL, NULL, &err));
    g_assert_nonnull(strstr(err->message, "/nonexistent/vmlinuz"));
    g_clear_error(&err);
    g_assert_null(linux_boot_open(tmp_dir, NULL, NULL, &err));
    g_assert_nonnull(err);
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

static void pvh_expect_error(const PvhFile *f, size_t size, const char *word)
{
    g_autofree char *kernel = make_file("bad", f, size);
    g_autoptr(GError) err = NULL;
    g_autoptr(LinuxBoot) boot = linux_boot_open(kernel, NULL, NULL, &err);

    if (boot) {
        g_assert_false(linux_boot_plan(boot, RAM_SIZE, &err));
    }
    g_assert_nonnull(err);
    g_test_message("%s", err->message);
    g_assert_nonnull(strstr(err->message, word));
}

static void test_pvh_errors(void)
{
    PvhFile f = make_pvh();

    pvh_expect_error(&f, 40, "truncated");
    pvh_expect_error(&f, sizeof(f.header) + 20, "truncated");
    pvh_expect_error(&f, offsetof(PvhFile, code) + sizeof(f.code) - 1, "truncated");
    f.note.head.n_type = 17;
    pvh_expect_error(&f, sizeof(f), "PVH");
    f = make_pvh();
    f.note.head.n_namesz = UINT32_MAX;
    pvh_expect_error(&f, sizeof(f), "PVH");
    f = make_pvh();
    f.header.e_machine = EM_386;
    pvh_expect_error(&f, sizeof(f), "x86-64");
    f = make_pvh();
    f.segments[0].p_offset = UINT64_MAX;
    pvh_expect_error(&f, sizeof(f), "truncated");
    f = make_pvh();
    f.segments[0].p_paddr = 0x1000;
    pvh_expect_error(&f, sizeof(f), "1 MiB");
    f = make_pvh();
    f.segments[0].p_memsz = 16;
    pvh_expect_error(&f, sizeof(f), "1 MiB");
    f = make_pvh();
    f.segments[0].p_memsz = 100 * MIB;
    pvh_expect_error(&f, sizeof(f), "-m 117M");
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    tmp_dir = g_dir_make_tmp("test-linux-boot-XXXXXX", NULL);
    g_test_add_func("/linux-boot/bzimage/good", test_bzimage);
    g_test_add_func("/linux-boot/bzimage/low", test_bzimage_low);
    g_test_add_func("/linux-boot/bzimage/initrd-too-big", test_initrd_too_big);
    g_test_add_func("/linux-boot/bzimage/errors", test_bzimage_errors);
    g_test_add_func("/linux-boot/missing", test_missing);
    g_test_add_func("/linux-boot/pvh/good", test_pvh);
    g_test_add_func("/linux-boot/pvh/errors", test_pvh_errors);
    ret = g_test_run();
    for (const char *const *name =
             (const char *const[]){ "bzimage", "fixed", "big", "bad", "initrd", "vmlinux", NULL };
         *name; name++) {
        g_autofree char *path = g_build_filename(tmp_dir, *name, NULL);
        g_unlink(path);
    }
    g_rmdir(tmp_dir);
    g_free(tmp_dir);
    return ret;
}
