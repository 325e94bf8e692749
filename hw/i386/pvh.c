/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ELF kernels by the PVH protocol of Xen (docs/misc/pvh.pandoc there): a note in the file names an
 * entry point for 32-bit protected mode, which is given a structure with what there is.
 */
#include <elf.h>
#undef PF_W /* a page-fault bit in target/i386/regs.h */
#include <string.h>

#include "hw/i386/boot-protocol.h"
#include "hw/i386/e820.h"
#include "util/error.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18
#define PVH_CMDLINE_MAX          2047
#define START_MAGIC              0x336ec578

/* Offsets in hvm_start_info, version 1, and the structures it points to, all at BOOT_PARAMS. */
enum {
    START_MAGIC_FIELD = 0,
    START_VERSION = 4,
    START_MODULES = 12,
    START_MODULE_LIST = 16,
    START_CMDLINE = 24,
    START_RSDP = 32,
    START_MEMMAP = 40,
    START_MEMMAP_ENTRIES = 48,

    MODULE_LIST = 0x100,
    MEMMAP = 0x200,
    MEMMAP_ENTRY_SIZE = 24,
    MEMMAP_MAX = (0x1000 - MEMMAP) / MEMMAP_ENTRY_SIZE,
};

static bool pvh_matches(const uint8_t *file, size_t size)
{
    return size > EI_DATA && !memcmp(file, ELFMAG, SELFMAG) && file[EI_CLASS] == ELFCLASS64 &&
           file[EI_DATA] == ELFDATA2LSB;
}

static bool pvh_inside(const LinuxBoot *boot, uint64_t offset, uint64_t size)
{
    return offset <= boot->kernel_size && size <= boot->kernel_size - offset;
}

static Elf64_Ehdr pvh_header(const LinuxBoot *boot)
{
    Elf64_Ehdr header;

    memcpy(&header, boot->kernel, sizeof(header));
    return header;
}

static Elf64_Phdr pvh_segment(const LinuxBoot *boot, const Elf64_Ehdr *header, unsigned i)
{
    Elf64_Phdr segment;

    memcpy(&segment, boot->kernel + header->e_phoff + i * sizeof(segment), sizeof(segment));
    return segment;
}

/* Look for the note in a segment of notes; false if it is not there. */
static bool pvh_find_entry(LinuxBoot *boot, const Elf64_Phdr *notes)
{
    const uint8_t *p = boot->kernel + notes->p_offset;
    uint64_t left = notes->p_filesz;

    while (left >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        uint64_t name_size, size;

        memcpy(&note, p, sizeof(note));
        name_size = ((uint64_t)note.n_namesz + 3) & ~3ull;
        size = sizeof(note) + name_size + (((uint64_t)note.n_descsz + 3) & ~3ull);
        if (size > left) {
            return false;
        }
        if (note.n_type == XEN_ELFNOTE_PHYS32_ENTRY && note.n_namesz == 4 &&
            !memcmp(p + sizeof(note), "Xen", 4) && note.n_descsz >= 4) {
            boot->entry = boot_get32(p + sizeof(note) + name_size);
            return true;
        }
        p += size;
        left -= size;
    }
    return false;
}

static bool pvh_truncated(const LinuxBoot *boot, GError **errp)
{
    error_set(errp,
              "-kernel: '%s' is truncated: its ELF headers name parts behind its end at "
              "%" G_GUINT64_FORMAT " bytes",
              boot->kernel_path, boot->kernel_size);
    return false;
}

static bool pvh_check(LinuxBoot *boot, GError **errp)
{
    Elf64_Ehdr header;
    bool found = false;

    if (boot->kernel_size < sizeof(header)) {
        return pvh_truncated(boot, errp);
    }
    header = pvh_header(boot);
    if (header.e_machine != EM_X86_64 || header.e_phentsize != sizeof(Elf64_Phdr)) {
        error_set(errp, "-kernel: '%s' is not an x86-64 ELF kernel", boot->kernel_path);
        return false;
    }
    if (!pvh_inside(boot, header.e_phoff, (uint64_t)header.e_phnum * sizeof(Elf64_Phdr))) {
        return pvh_truncated(boot, errp);
    }
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment = pvh_segment(boot, &header, i);

        if (segment.p_type != PT_LOAD && segment.p_type != PT_NOTE) {
            continue;
        }
        if (!pvh_inside(boot, segment.p_offset, segment.p_filesz)) {
            return pvh_truncated(boot, errp);
        }
        if (segment.p_type == PT_NOTE && !found) {
            found = pvh_find_entry(boot, &segment);
        }
    }
    if (!found) {
        error_set(errp,
                  "-kernel: '%s' has no PVH entry point (Xen note 18): a kernel with CONFIG_PVH, "
                  "or its bzImage, is needed",
                  boot->kernel_path);
        return false;
    }
    boot->cmdline_max = PVH_CMDLINE_MAX;
    return true;
}

static bool pvh_plan(LinuxBoot *boot, uint64_t ram_size, GError **errp)
{
    Elf64_Ehdr header = pvh_header(boot);

    boot->kernel_end = HIGH_RAM;
    boot->initrd_limit = FOUR_GIB;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment = pvh_segment(boot, &header, i);

        if (segment.p_type != PT_LOAD || segment.p_memsz == 0) {
            continue;
        }
        if (segment.p_paddr < HIGH_RAM || segment.p_paddr > FOUR_GIB ||
            segment.p_memsz > FOUR_GIB || segment.p_filesz > segment.p_memsz) {
            error_set(errp,
                      "-kernel: '%s' wants to be loaded at 0x%" G_GINT64_MODIFIER
                      "x: it must be between 1 MiB and 4 GiB",
                      boot->kernel_path, (uint64_t)segment.p_paddr);
            return false;
        }
        boot->kernel_end = MAX(boot->kernel_end, segment.p_paddr + segment.p_memsz);
    }
    if (boot->kernel_end > ram_size) {
        boot_error_ram(boot, boot->kernel_end, errp);
        return false;
    }
    return true;
}

static void pvh_load_segments(const LinuxBoot *boot, const BootRam *ram)
{
    Elf64_Ehdr header = pvh_header(boot);

    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr segment = pvh_segment(boot, &header, i);

        if (segment.p_type == PT_LOAD && segment.p_memsz > 0) {
            address_space_write(ram->as, segment.p_paddr, boot->kernel + segment.p_offset,
                                segment.p_filesz);
            address_space_set(ram->as, segment.p_paddr + segment.p_filesz, 0,
                              segment.p_memsz - segment.p_filesz);
        }
    }
}

static void pvh_load(const LinuxBoot *boot, const BootRam *ram, const GArray *e820, uint64_t rsdp)
{
    uint8_t start[0x1000] = { 0 };
    unsigned entries = MIN(e820->len, MEMMAP_MAX);

    pvh_load_segments(boot, ram);
    boot_put32(start + START_MAGIC_FIELD, START_MAGIC);
    boot_put32(start + START_VERSION, 1);
    if (boot->initrd) {
        boot_put32(start + START_MODULES, 1);
        boot_put64(start + START_MODULE_LIST, BOOT_PARAMS + MODULE_LIST);
        boot_put64(start + MODULE_LIST, boot->initrd_addr);
        boot_put64(start + MODULE_LIST + 8, boot->initrd_size);
    }
    boot_put64(start + START_CMDLINE, BOOT_CMDLINE);
    boot_put64(start + START_RSDP, rsdp);
    boot_put64(start + START_MEMMAP, BOOT_PARAMS + MEMMAP);
    boot_put32(start + START_MEMMAP_ENTRIES, entries);
    for (unsigned i = 0; i < entries; i++) {
        const E820Entry *entry = &g_array_index(e820, E820Entry, i);
        uint8_t *p = start + MEMMAP + i * MEMMAP_ENTRY_SIZE;
        boot_put64(p, entry->addr);
        boot_put64(p + 8, entry->size);
        boot_put32(p + 16, entry->type);
    }
    address_space_write(ram->as, BOOT_PARAMS, start, sizeof(start));
    boot_write_gdt(ram, false);
}

static void pvh_start(const LinuxBoot *boot, X86Cpu *cpu)
{
    boot_set_segments(cpu, false);
    cpu->cr0 = CR0_ET | CR0_PE;
    cpu->cr4 = 0;
    cpu->efer = 0;
    cpu->regs[X86_RBX] = BOOT_PARAMS;
    cpu->rip = boot->entry;
}

const BootProtocol pvh_protocol = {
    .matches = pvh_matches,
    .check = pvh_check,
    .plan = pvh_plan,
    .load = pvh_load,
    .start = pvh_start,
};
