/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/linux-boot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "hw/i386/boot-protocol.h"
#include "hw/i386/e820.h"
#include "util/error.h"

#define MIB UINT64_C(0x100000)

static const BootProtocol *const protocols[] = { &bzimage_protocol, &pvh_protocol };

/* Map the file that @option names. An empty file is an error: nobody means it. */
static GMappedFile *boot_map(const char *option, const char *path, GError **errp)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
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
    return map;
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
              "-kernel: '%s' is neither a Linux bzImage ('vmlinuz') nor a 64-bit ELF file "
              "('vmlinux')",
              boot->kernel_path);
    return false;
}

static bool boot_open_initrd(LinuxBoot *boot, GError **errp)
{
    if (!boot->initrd_path) {
        return true;
    }
    boot->initrd_map = boot_map("-initrd", boot->initrd_path, errp);
    if (!boot->initrd_map) {
        return false;
    }
    boot->initrd = (const uint8_t *)g_mapped_file_get_contents(boot->initrd_map);
    boot->initrd_size = g_mapped_file_get_length(boot->initrd_map);
    return true;
}

LinuxBoot *linux_boot_open(const char *kernel, const char *initrd, const char *append,
                           GError **errp)
{
    g_autoptr(LinuxBoot) boot = g_new0(LinuxBoot, 1);
    uint64_t max;

    boot->kernel_path = g_strdup(kernel);
    boot->initrd_path = g_strdup(initrd);
    boot->cmdline = g_strdup(append ? append : "");
    if (!boot_open_kernel(boot, errp) || !boot_open_initrd(boot, errp)) {
        return NULL;
    }
    max = MIN(boot->cmdline_max, BOOT_CMDLINE_MAX - 1);
    if (strlen(boot->cmdline) > max) {
        error_set(errp,
                  "-append: the command line has %zu characters, but the kernel takes at most "
                  "%" G_GUINT64_FORMAT,
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
    g_clear_pointer(&boot->initrd_map, g_mapped_file_unref);
    g_free(boot->kernel_path);
    g_free(boot->initrd_path);
    g_free(boot->cmdline);
    g_free(boot);
}

static uint64_t boot_mib_for(uint64_t end)
{
    return end / MIB + ((end % MIB + ACPI_AREA + MIB - 1) / MIB);
}

void boot_error_ram(const LinuxBoot *boot, uint64_t end, GError **errp)
{
    error_set(errp,
              "-kernel: '%s' does not fit into the RAM below 4 GiB: it needs at least "
              "-m %" G_GUINT64_FORMAT "M",
              boot->kernel_path, boot_mib_for(end));
}

/* As high as it may be, so that the kernel is free to grow. */
static bool boot_plan_initrd(LinuxBoot *boot, uint64_t ram_size, GError **errp)
{
    uint64_t limit = MIN(ram_size, boot->initrd_limit) & ~0xfffull;
    uint64_t size = (boot->initrd_size + 0xfff) & ~0xfffull;

    if (!boot->initrd) {
        return true;
    }
    if (boot->kernel_end > limit || size > limit - boot->kernel_end) {
        error_set(errp,
                  "-initrd: '%s' of %" G_GUINT64_FORMAT " bytes does not fit into RAM behind the "
                  "kernel: it needs at least -m %" G_GUINT64_FORMAT "M, and must end below "
                  "0x%" G_GINT64_MODIFIER "x",
                  boot->initrd_path, boot->initrd_size, boot_mib_for(boot->kernel_end + size),
                  boot->initrd_limit);
        return false;
    }
    boot->initrd_addr = limit - size;
    return true;
}

bool linux_boot_plan(LinuxBoot *boot, uint64_t ram_size, GError **errp)
{
    return boot->protocol->plan(boot, ram_size, errp) && boot_plan_initrd(boot, ram_size, errp);
}

void linux_boot_load(const LinuxBoot *boot, const BootRam *ram, const GArray *e820, uint64_t rsdp)
{
    if (boot->initrd) {
        address_space_write(ram->as, boot->initrd_addr, boot->initrd, boot->initrd_size);
    }
    address_space_write(ram->as, BOOT_CMDLINE, boot->cmdline, strlen(boot->cmdline) + 1);
    boot->protocol->load(boot, ram, e820, rsdp);
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
