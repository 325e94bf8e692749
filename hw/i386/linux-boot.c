/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/linux-boot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/i386/boot-protocol.h"
#include "hw/i386/e820.h"
#include "memory/address-space.h"
#include "util/error.h"
#include "util/units.h"

#define BOOT_RAM_MAX (3072 * MIB) /* what the largest machine has below 4 GiB, "pc" */

/* The first that matches: multiboot kernels are ELF, and bzImages may be PE. */
static const BootProtocol *const protocols[] = { &bzimage_protocol, &multiboot_protocol,
                                                 &pvh_protocol, &efi_app_protocol };

/* Map the file that @option names. An empty file is an error: nobody means it. */
static GMappedFile *boot_map(const char *option, const char *path, GError **errp)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO is not waited for */
    GMappedFile *map;

    if (fd < 0) {
        error_set_errno(errp, errno, "%s: cannot open '%s'", option, path);
        return NULL;
    }
    map = g_mapped_file_new_from_fd(fd, false, NULL);
    close(fd);
    if (!map) {
        error_set(errp, "%s: '%s' is not a regular file", option, path);
        return NULL;
    }
    if (g_mapped_file_get_length(map) == 0) {
        error_set(errp, "%s: '%s' is empty", option, path);
        g_mapped_file_unref(map);
        return NULL;
    }
    if (g_mapped_file_get_length(map) >= FOUR_GIB) {
        error_set(errp, "%s: '%s' has 4 GiB or more, which no boot protocol can load", option,
                  path);
        g_mapped_file_unref(map);
        return NULL;
    }
    return map;
}

/* For the error: what people try, and could change. */
static const char *boot_what_else(const uint8_t *file, size_t size)
{
    static const struct {
        const char *magic, *what;
    } known[] = {
        { "\x1f\x8b", "compressed (gzip), unpack it first" },
        { "\xfd"
          "7zXZ",
          "compressed (xz), unpack it first" },
        { "\x28\xb5\x2f\xfd", "compressed (zstd), unpack it first" },
        { "\x7f"
          "ELF",
          "ELF of another byte order" },
        { "QFI\xfb", "a disk image (qcow2)" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++) {
        size_t len = strlen(known[i].magic);

        if (size >= len && !memcmp(file, known[i].magic, len)) {
            return known[i].what;
        }
    }
    return "no kernel";
}

static bool boot_open_kernel(LinuxBoot *boot, GError **errp)
{
    boot->kernel_map = boot_map("-kernel", boot->kernel_path, errp);
    if (!boot->kernel_map) {
        return false;
    }
    boot->kernel = (const uint8_t *)g_mapped_file_get_contents(boot->kernel_map);
    boot->kernel_size = g_mapped_file_get_length(boot->kernel_map);
    for (unsigned i = 0; i < G_N_ELEMENTS(protocols); i++) {
        if (protocols[i]->matches(boot->kernel, boot->kernel_size)) {
            boot->protocol = protocols[i];
            return boot->protocol->check(boot, errp);
        }
    }
    error_set(errp,
              "-kernel: '%s' is %s: it must be a Linux bzImage ('vmlinuz'), an ELF file with a PVH "
              "entry point ('vmlinux'), a multiboot kernel, or an EFI application",
              boot->kernel_path, boot_what_else(boot->kernel, boot->kernel_size));
    return false;
}

/* One file. @text is copied. */
static bool boot_add_module(LinuxBoot *boot, const char *path, const char *text, GError **errp)
{
    BootModule module = { .map = boot_map("-initrd", path, errp) };

    if (!module.map) {
        return false;
    }
    module.path = g_strdup(path);
    module.text = g_strdup(text);
    module.data = (const uint8_t *)g_mapped_file_get_contents(module.map);
    module.size = g_mapped_file_get_length(module.map);
    g_array_append_val(boot->modules, module);
    return true;
}

static void boot_module_clear(gpointer data)
{
    BootModule *module = data;

    g_mapped_file_unref(module->map);
    g_free(module->path);
    g_free(module->text);
}

/* "FILE ARGUMENTS,...", where ",," is a comma. */
static bool boot_add_modules(LinuxBoot *boot, const char *list, GError **errp)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (const char *p = list;; p++) {
        if (*p && (*p != ',' || p[1] == ',')) {
            g_string_append_c(text, *p);
            p += *p == ',';
            continue;
        }
        g_autofree char *path = g_strndup(text->str, strcspn(text->str, " "));

        if (!*path) {
            error_set(
                errp,
                "-initrd: a multiboot kernel's modules are 'FILE ARGUMENTS,...', and there is "
                "one without a file in '%s'",
                list);
            return false;
        }
        if (!boot_add_module(boot, path, text->str, errp)) {
            return false;
        }
        if (!*p) {
            return true;
        }
        g_string_truncate(text, 0);
    }
}

static bool boot_open_initrd(LinuxBoot *boot, const char *initrd, GError **errp)
{
    return !initrd || (boot->protocol->modules ? boot_add_modules(boot, initrd, errp)
                                               : boot_add_module(boot, initrd, initrd, errp));
}

LinuxBoot *linux_boot_open(const char *kernel, const char *initrd, const char *append,
                           GError **errp)
{
    g_autoptr(LinuxBoot) boot = g_new0(LinuxBoot, 1);
    uint64_t max;

    boot->kernel_path = g_strdup(kernel);
    boot->cmdline = g_strdup(append ? append : "");
    boot->modules = g_array_new(false, false, sizeof(BootModule));
    g_array_set_clear_func(boot->modules, boot_module_clear);
    boot->segments = g_array_new(false, false, sizeof(BootSegment));
    if (!boot_open_kernel(boot, errp) || !boot_open_initrd(boot, initrd, errp)) {
        return NULL;
    }
    max = MIN(boot->cmdline_max, BOOT_CMDLINE_MAX - 1);
    if (strlen(boot->cmdline) > max) {
        error_set(errp,
                  "-append: the command line has %zu characters, but the kernel takes at most "
                  "%" PRIu64,
                  strlen(boot->cmdline), max);
        return NULL;
    }
    return g_steal_pointer(&boot);
}

void linux_boot_free(LinuxBoot *boot)
{
    if (!boot) {
        return;
    }
    g_clear_pointer(&boot->kernel_map, g_mapped_file_unref);
    g_array_unref(boot->modules);
    g_array_unref(boot->segments);
    g_free(boot->kernel_path);
    g_free(boot->cmdline);
    g_free(boot);
}

static uint64_t boot_mib_for(uint64_t end)
{
    return end / MIB + ((end % MIB + ACPI_AREA + MIB - 1) / MIB);
}

void boot_error_ram(const LinuxBoot *boot, uint64_t end, GError **errp)
{
    if (end > BOOT_RAM_MAX) {
        error_set(errp,
                  "-kernel: '%s' needs RAM up to 0x%" PRIx64
                  ", and no machine has more than 3 GiB below 4 GiB",
                  boot->kernel_path, end);
        return;
    }
    error_set(errp,
              "-kernel: '%s' does not fit into the RAM below 4 GiB: it needs at least "
              "-m %" PRIu64 "M",
              boot->kernel_path, boot_mib_for(end));
}

void boot_error_module(const BootModule *module, uint64_t end, uint64_t limit, GError **errp)
{
    error_set(errp,
              "-initrd: '%s' of %" PRIu64 " bytes does not fit into RAM behind the "
              "kernel: it needs at least -m %" PRIu64 "M, and must end below "
              "0x%" PRIx64,
              module->path, module->size, boot_mib_for(end), limit);
}

/* As high as it may be, so that the kernel is free to grow. */
static bool boot_plan_initrd(LinuxBoot *boot, uint64_t ram_size, GError **errp)
{
    BootModule *initrd = (BootModule *)boot_initrd(boot);
    uint64_t limit = MIN(ram_size, boot->initrd_limit) & ~0xfffull, size;

    if (!initrd) {
        return true;
    }
    size = (initrd->size + 0xfff) & ~0xfffull;
    if (boot->kernel_end > limit || size > limit - boot->kernel_end) {
        boot_error_module(initrd, boot->kernel_end + size, boot->initrd_limit, errp);
        return false;
    }
    initrd->addr = limit - size;
    return true;
}

bool linux_boot_plan(LinuxBoot *boot, uint64_t ram_size, GError **errp)
{
    const BootProtocol *protocol = boot->protocol;

    return !protocol->plan || (protocol->plan(boot, ram_size, errp) &&
                               (protocol->modules || boot_plan_initrd(boot, ram_size, errp)));
}

/* ---- who starts it ---- */

bool linux_boot_needs_bios(const LinuxBoot *boot)
{
    return !(boot->starters & BOOT_DIRECTLY) && boot->starters & BOOT_BY_BIOS;
}

bool linux_boot_check_starter(const LinuxBoot *boot, BootStarter starter, GError **errp)
{
    static const struct {
        unsigned starters; /* bits of BootStarter: all of them, and no other */
        const char *advice;
    } advices[] = {
        { BOOT_BY_UEFI, "needs UEFI firmware, such as -bios OVMF.fd of Debian's package ovmf" },
        { BOOT_BY_BIOS,
          "has no entry point but that of its setup code, which needs a BIOS, such as "
          "-bios bios-256k.bin of Debian's package seabios" },
        { BOOT_BY_BIOS | BOOT_BY_UEFI,
          "has no entry point for a start without firmware: use -bios bios-256k.bin of Debian's "
          "package seabios" },
        { BOOT_DIRECTLY | BOOT_BY_BIOS,
          "is not started by UEFI firmware, which starts EFI applications, and Linux that is one "
          "or can be relocated: use no "
          "firmware, or a BIOS" },
    };

    if (boot->starters & starter) {
        return true;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(advices); i++) {
        if (advices[i].starters == boot->starters) {
            error_set(errp, "-kernel: '%s' is %s, and %s", boot->kernel_path, boot->protocol->name,
                      advices[i].advice);
        }
    }
    return false;
}

/* ---- without firmware ---- */

/* The guest has a copy: until the next reset the pages of @map need not be in memory twice. They
 * are private and were never written, so they are read from the file again. */
static void boot_let_go(GMappedFile *map)
{
    madvise(g_mapped_file_get_contents(map), g_mapped_file_get_length(map), MADV_DONTNEED);
}

void linux_boot_load(const LinuxBoot *boot, const BootRam *ram, const GArray *e820, uint64_t rsdp)
{
    for (unsigned i = 0; i < boot->modules->len; i++) {
        const BootModule *module = &g_array_index(boot->modules, BootModule, i);

        address_space_write(ram->as, module->addr, module->data, module->size);
    }
    address_space_write(ram->as, BOOT_CMDLINE, boot->cmdline, strlen(boot->cmdline) + 1);
    boot->protocol->load(boot, ram, e820, rsdp);
    for (unsigned i = 0; i < boot->modules->len; i++) {
        boot_let_go(g_array_index(boot->modules, BootModule, i).map);
    }
    boot_let_go(boot->kernel_map);
}

void linux_boot_start(const LinuxBoot *boot, X86Cpu *cpu)
{
    boot->protocol->start(boot, cpu);
}

/* Descriptors: base 0, limit 4 GiB, present, accessed; execute-read and read-write. */
#define GDT_CODE64 0x00af9b000000ffffull
#define GDT_CODE32 0x00cf9b000000ffffull
#define GDT_DATA   0x00cf93000000ffffull
#define BOOT_CS    0x10
#define BOOT_DS    0x18

void boot_write_gdt(const BootRam *ram, bool long_mode)
{
    uint8_t gdt[BOOT_DS + 8] = { 0 };

    boot_put64(gdt + BOOT_CS, long_mode ? GDT_CODE64 : GDT_CODE32);
    boot_put64(gdt + BOOT_DS, GDT_DATA);
    address_space_write(ram->as, BOOT_GDT, gdt, sizeof(gdt));
}

static X86Segment boot_segment(uint16_t selector, uint64_t descriptor)
{
    return (X86Segment){ .selector = selector,
                         .flags = (descriptor >> 32) & SEG_FLAGS_MASK,
                         .limit = UINT32_MAX };
}

void boot_set_segments(X86Cpu *cpu, bool long_mode)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(cpu->segs); i++) {
        cpu->segs[i] = boot_segment(BOOT_DS, GDT_DATA);
    }
    cpu->segs[X86_SEG_CS] = boot_segment(BOOT_CS, long_mode ? GDT_CODE64 : GDT_CODE32);
    cpu->tr = (X86Segment){ .flags = SYS_TSS_BUSY << SEG_TYPE_SHIFT | SEG_P, .limit = 0x67 };
    cpu->gdt = (X86DescriptorTable){ .base = BOOT_GDT, .limit = BOOT_DS + 7 };
    cpu->idt = (X86DescriptorTable){ 0 };
    cpu->rflags = RFLAGS_ONE; /* interrupts are off */
}

void boot_start_protected(const LinuxBoot *boot, X86Cpu *cpu)
{
    boot_set_segments(cpu, false);
    cpu->cr0 = CR0_ET | CR0_PE;
    cpu->cr4 = 0;
    cpu->efer = 0;
    cpu->rip = boot->entry;
}
