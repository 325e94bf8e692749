/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Kernels that are segments of a file: from ELF headers (of 32 or 64 bits), or made by others. */
#include <elf.h>
#undef PF_W /* a page-fault bit in target/i386/regs.h */
#include <inttypes.h>
#include <string.h>

#include "hw/i386/boot-protocol.h"
#include "hw/i386/e820.h"
#include "memory/address-space.h"
#include "util/error.h"

/* What is the same in both classes. */
typedef struct ElfHeader {
    bool is_64;
    uint16_t machine, phentsize, phnum;
    uint64_t entry, phoff;
} ElfHeader;

typedef struct ElfSegment {
    uint32_t type;
    uint64_t offset, file_size, vaddr, paddr, size;
} ElfSegment;

bool boot_is_elf(const uint8_t *file, size_t size)
{
    return size > EI_DATA && !memcmp(file, ELFMAG, SELFMAG) && file[EI_DATA] == ELFDATA2LSB &&
           (file[EI_CLASS] == ELFCLASS32 || file[EI_CLASS] == ELFCLASS64);
}

bool boot_is_elf64(const uint8_t *file, size_t size)
{
    return boot_is_elf(file, size) && file[EI_CLASS] == ELFCLASS64;
}

static bool inside(const LinuxBoot *boot, uint64_t offset, uint64_t size)
{
    return offset <= boot->kernel_size && size <= boot->kernel_size - offset;
}

static bool truncated(const LinuxBoot *boot, GError **errp)
{
    error_set(errp,
              "-kernel: '%s' is truncated: its ELF headers name parts behind its end at "
              "%" PRIu64 " bytes",
              boot->kernel_path, boot->kernel_size);
    return false;
}

#define ELF_HEADER(class)                                                                         \
    (ElfHeader)                                                                                   \
    {                                                                                             \
        .machine = (class).e_machine, .phentsize = (class).e_phentsize, .phnum = (class).e_phnum, \
        .entry = (class).e_entry, .phoff = (class).e_phoff                                        \
    }

/* False if the file is too short for it. */
static bool elf_header(const LinuxBoot *boot, ElfHeader *header)
{
    if (boot_is_elf64(boot->kernel, boot->kernel_size)) {
        Elf64_Ehdr elf;

        if (boot->kernel_size < sizeof(elf)) {
            return false;
        }
        memcpy(&elf, boot->kernel, sizeof(elf));
        *header = ELF_HEADER(elf);
        header->is_64 = true;
    } else {
        Elf32_Ehdr elf;

        if (boot->kernel_size < sizeof(elf)) {
            return false;
        }
        memcpy(&elf, boot->kernel, sizeof(elf));
        *header = ELF_HEADER(elf);
    }
    return true;
}

#define ELF_SEGMENT(class)                                                                 \
    (ElfSegment)                                                                           \
    {                                                                                      \
        .type = (class).p_type, .offset = (class).p_offset, .file_size = (class).p_filesz, \
        .vaddr = (class).p_vaddr, .paddr = (class).p_paddr, .size = (class).p_memsz        \
    }

static ElfSegment elf_segment(const LinuxBoot *boot, const ElfHeader *header, unsigned i)
{
    const uint8_t *at = boot->kernel + header->phoff + (uint64_t)i * header->phentsize;

    if (header->is_64) {
        Elf64_Phdr elf;

        memcpy(&elf, at, sizeof(elf));
        return ELF_SEGMENT(elf);
    }
    Elf32_Phdr elf;

    memcpy(&elf, at, sizeof(elf));
    return ELF_SEGMENT(elf);
}

static bool elf_check_header(const LinuxBoot *boot, ElfHeader *header, GError **errp)
{
    if (!elf_header(boot, header)) {
        return truncated(boot, errp);
    }
    if (header->phentsize != (header->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
        (header->machine != EM_X86_64 && (header->is_64 || header->machine != EM_386))) {
        error_set(errp, "-kernel: '%s' is not an ELF kernel for x86-64 or i386", boot->kernel_path);
        return false;
    }
    return inside(boot, header->phoff, (uint64_t)header->phnum * header->phentsize) ||
           truncated(boot, errp);
}

static bool elf_add_segment(LinuxBoot *boot, const ElfHeader *header, const ElfSegment *segment,
                            GError **errp)
{
    BootSegment part = { segment->paddr, segment->size, segment->offset, segment->file_size };

    if (!inside(boot, segment->offset, segment->file_size)) {
        return truncated(boot, errp);
    }
    if (segment->type != PT_LOAD || segment->size == 0) {
        return true;
    }
    if (segment->file_size > segment->size) {
        error_set(errp,
                  "-kernel: '%s' has a segment with more bytes in the file than in memory, at "
                  "0x%" PRIx64,
                  boot->kernel_path, segment->paddr);
        return false;
    }
    /* The entry point is virtual; processors begin without paging. */
    if (header->entry >= segment->vaddr && header->entry - segment->vaddr < segment->size) {
        boot->entry = segment->paddr + (header->entry - segment->vaddr);
    }
    g_array_append_val(boot->segments, part);
    return true;
}

bool boot_image_from_elf(LinuxBoot *boot, GError **errp)
{
    ElfHeader header;

    if (!elf_check_header(boot, &header, errp)) {
        return false;
    }
    boot->entry = header.entry;
    for (unsigned i = 0; i < header.phnum; i++) {
        ElfSegment segment = elf_segment(boot, &header, i);

        if ((segment.type == PT_LOAD || segment.type == PT_NOTE) &&
            !elf_add_segment(boot, &header, &segment, errp)) {
            return false;
        }
    }
    if (boot->segments->len == 0) {
        error_set(errp, "-kernel: '%s' has no segment to load: is it a module or an object file?",
                  boot->kernel_path);
        return false;
    }
    return true;
}

/* Look for the note in a segment of notes, which is inside the file. */
static bool find_note(const uint8_t *p, uint64_t left, const char *name, uint32_t type,
                      uint32_t *value)
{
    while (left >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note; /* the same in both classes */
        uint64_t name_size, size;

        memcpy(&note, p, sizeof(note));
        name_size = ((uint64_t)note.n_namesz + 3) & ~3ull;
        size = sizeof(note) + name_size + (((uint64_t)note.n_descsz + 3) & ~3ull);
        if (size > left) {
            return false;
        }
        if (note.n_type == type && note.n_namesz == strlen(name) + 1 &&
            !memcmp(p + sizeof(note), name, note.n_namesz) && note.n_descsz >= 4) {
            *value = boot_get32(p + sizeof(note) + name_size);
            return true;
        }
        p += size;
        left -= size;
    }
    return false;
}

bool boot_image_elf_note(const LinuxBoot *boot, const char *name, uint32_t type, uint32_t *value)
{
    ElfHeader header;
    bool found = false;

    elf_header(boot, &header); /* which was checked */
    for (unsigned i = 0; i < header.phnum && !found; i++) {
        ElfSegment segment = elf_segment(boot, &header, i);

        found = segment.type == PT_NOTE &&
                find_note(boot->kernel + segment.offset, segment.file_size, name, type, value);
    }
    return found;
}

static int by_address(const void *a, const void *b)
{
    const BootSegment *sa = a, *sb = b;

    return sa->addr < sb->addr ? -1 : sa->addr > sb->addr;
}

static bool error_place(const LinuxBoot *boot, const BootSegment *segment, uint64_t lowest,
                        GError **errp)
{
    if (lowest < HIGH_RAM) {
        error_set(errp,
                  "-kernel: '%s' wants to be loaded at 0x%" PRIx64
                  ": it must be between 1 MiB and 4 GiB, or in RAM from 0x%" PRIx64 " to 0x%x",
                  boot->kernel_path, segment->addr, lowest, BOOT_LOW_END);
    } else {
        error_set(errp,
                  "-kernel: '%s' wants to be loaded at 0x%" PRIx64
                  ": it must be between 1 MiB and 4 GiB",
                  boot->kernel_path, segment->addr);
    }
    return false;
}

bool boot_image_plan(LinuxBoot *boot, uint64_t lowest, uint64_t ram_size, GError **errp)
{
    uint64_t end = 0;

    boot->kernel_end = HIGH_RAM;
    g_array_sort(boot->segments, by_address);
    for (unsigned i = 0; i < boot->segments->len; i++) {
        const BootSegment *s = &g_array_index(boot->segments, BootSegment, i);
        bool low = s->addr >= lowest && s->addr < BOOT_LOW_END && s->size <= BOOT_LOW_END - s->addr;

        if (!low && (s->addr < HIGH_RAM || s->addr > FOUR_GIB || s->size > FOUR_GIB)) {
            return error_place(boot, s, lowest, errp);
        }
        if (s->addr < end) {
            error_set(errp, "-kernel: '%s' has segments that overlap in memory, at 0x%" PRIx64,
                      boot->kernel_path, s->addr);
            return false;
        }
        end = s->addr + s->size;
        boot->kernel_end = MAX(boot->kernel_end, end);
    }
    if (boot->kernel_end > ram_size) {
        boot_error_ram(boot, boot->kernel_end, errp);
        return false;
    }
    return true;
}

bool boot_image_below(const LinuxBoot *boot, uint64_t limit)
{
    return g_array_index(boot->segments, BootSegment, 0).addr < limit;
}

void boot_image_load(const LinuxBoot *boot, const BootRam *ram)
{
    for (unsigned i = 0; i < boot->segments->len; i++) {
        const BootSegment *s = &g_array_index(boot->segments, BootSegment, i);

        address_space_write(ram->as, s->addr, boot->kernel + s->offset, s->file_size);
        address_space_set(ram->as, s->addr + s->file_size, 0, s->size - s->file_size);
    }
}
