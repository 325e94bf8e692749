/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loader: puts a number, or what is in a file, into guest memory at each reset, and may let the
 * first processor start there. A file that is ELF goes where its segments say (ELF-64 and ELF-32,
 * little endian), any other one as it is to `addr`.
 */
#include <elf.h>
#undef PF_W /* means something else to processors */
#include <inttypes.h>
#include <string.h>

#include "hw/i386/cpu.h"
#include "memory/address-space.h"
#include "memory/dma.h"
#include "util/error.h"
#include "util/file-read.h"

#define TYPE_LOADER "loader"

#define REAL_MODE_END 0x100000u
#define NO_ADDRESS    UINT64_MAX

typedef struct LoaderPart {
    uint64_t addr, offset, file_size, size; /* what is beyond the file's bytes are zeros */
} LoaderPart;

typedef struct Loader {
    Device parent;
    /* configuration */
    uint64_t addr, data; /* properties; the address NO_ADDRESS: none was given */
    uint8_t data_len;
    bool data_be, force_raw;
    uint32_t cpu_num; /* PROP_UNSET: none */
    char *file;
    /* wiring */
    GBytes *bytes;
    GArray *parts; /* of LoaderPart */
    uint64_t entry;
} Loader;
OBJECT_CAST_DEFINE(Loader, LOADER, TYPE_LOADER)

static const DmaSpace memory = { .as = &address_space_memory };

static bool add_part(Loader *s, uint64_t addr, uint64_t offset, uint64_t file_size, uint64_t size,
                     GError **errp)
{
    const LoaderPart part = { addr, offset, file_size, size };
    uint64_t there = g_bytes_get_size(s->bytes);

    if (offset > there || file_size > there - offset || file_size > size) {
        error_set(errp, "%s is cut off: a segment of %" PRIu64 " bytes is not all there", s->file,
                  file_size);
        return false;
    }
    if (size && !dma_is_ram(&memory, addr, size)) {
        error_set(errp, "%" PRIu64 " bytes at 0x%" PRIx64 " are not all in the machine's memory",
                  size, addr);
        return false;
    }
    g_array_append_val(s->parts, part);
    return true;
}

/* ---- ELF ---- */

typedef struct ElfTable {
    uint64_t entry, at;
    unsigned count, entry_size;
} ElfTable;

#define ELF_TABLE(h)                                           \
    {                                                          \
        (h).e_entry, (h).e_phoff, (h).e_phnum, (h).e_phentsize \
    }

static bool add_segment(Loader *s, const uint8_t *at, bool elf64, GError **errp)
{
    Elf64_Phdr large;
    Elf32_Phdr small;

    if (elf64) {
        memcpy(&large, at, sizeof(large));
        return large.p_type != PT_LOAD ||
               add_part(s, large.p_paddr, large.p_offset, large.p_filesz, large.p_memsz, errp);
    }
    memcpy(&small, at, sizeof(small));
    return small.p_type != PT_LOAD ||
           add_part(s, small.p_paddr, small.p_offset, small.p_filesz, small.p_memsz, errp);
}

static bool load_elf(Loader *s, const uint8_t *file, size_t size, GError **errp)
{
    bool elf64 = file[EI_CLASS] == ELFCLASS64;
    unsigned least = elf64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    Elf64_Ehdr large;
    Elf32_Ehdr small;

    if (size < (elf64 ? sizeof(large) : sizeof(small)) || file[EI_DATA] != ELFDATA2LSB) {
        error_set(errp, "%s is no ELF file of a PC; force-raw=on takes it as it is", s->file);
        return false;
    }
    memcpy(&large, file, sizeof(small));
    memcpy(&small, file, sizeof(small));
    if (elf64) {
        memcpy(&large, file, sizeof(large));
    }
    const ElfTable table = elf64 ? (ElfTable)ELF_TABLE(large) : (ElfTable)ELF_TABLE(small);

    if (table.entry_size < least || table.at > size ||
        (size - table.at) / table.entry_size < table.count) {
        error_set(errp, "%s is cut off, or no ELF file that can be started", s->file);
        return false;
    }
    for (unsigned i = 0; i < table.count; i++) {
        if (!add_segment(s, file + table.at + i * table.entry_size, elf64, errp)) {
            return false;
        }
    }
    s->entry = table.entry;
    return true;
}

static bool load_file(Loader *s, GError **errp)
{
    const uint8_t *file;
    gchar *contents;
    gsize size;

    if (!file_read(s->file, FILE_READ_MOST, &contents, &size, errp)) {
        return false;
    }
    s->bytes = g_bytes_new_take(contents, size);
    file = (const uint8_t *)contents;
    if (!s->force_raw && size > EI_NIDENT && memcmp(file, ELFMAG, SELFMAG) == 0) {
        return load_elf(s, file, size, errp);
    }
    if (s->addr == NO_ADDRESS) {
        error_set(errp, "'addr' is missing: %s does not say itself where it belongs", s->file);
        return false;
    }
    return add_part(s, s->addr, 0, size, size, errp);
}

/* ---- a number ---- */

static bool load_number(Loader *s, GError **errp)
{
    uint64_t value = s->data_be ? GUINT64_SWAP_LE_BE(s->data) >> (64 - 8 * s->data_len) : s->data;

    value = GUINT64_TO_LE(value);
    s->bytes = g_bytes_new(&value, s->data_len);
    return add_part(s, s->addr, 0, s->data_len, s->data_len, errp);
}

/* ---- life ---- */

static bool check(const Loader *s, GError **errp)
{
    if (s->file && s->data_len) {
        error_set(errp, "'file' and 'data-len' exclude each other");
        return false;
    }
    if (s->data_len > sizeof(s->data)) {
        error_set(errp, "'data-len' is %u: a number has 1 to 8 bytes", s->data_len);
        return false;
    }
    if (!s->file && s->addr == NO_ADDRESS) {
        error_set(errp, "'addr' is missing: give it, or 'file'");
        return false;
    }
    if (!s->file && !s->data_len && s->cpu_num == PROP_UNSET) {
        error_set(errp,
                  "there is nothing to do: give 'file', 'data' with 'data-len', or 'cpu-num'");
        return false;
    }
    if (s->cpu_num != PROP_UNSET && s->cpu_num != 0) {
        error_set(errp, "'cpu-num' is %" PRIu32 ": of a PC only processor 0 starts by itself",
                  s->cpu_num);
        return false;
    }
    return true;
}

static void forget(Loader *s)
{
    g_clear_pointer(&s->parts, g_array_unref);
    g_clear_pointer(&s->bytes, g_bytes_unref);
}

static bool loader_realize(Device *dev, GError **errp)
{
    Loader *s = LOADER(dev);

    if (!check(s, errp)) {
        return false;
    }
    s->entry = s->addr;
    s->parts = g_array_new(false, false, sizeof(LoaderPart));
    if ((s->file && !load_file(s, errp)) || (s->data_len && !load_number(s, errp))) {
        forget(s);
        return false;
    }
    if (s->cpu_num != PROP_UNSET && s->entry >= REAL_MODE_END) {
        error_set(errp,
                  "processor 0 cannot start at 0x%" PRIx64 ": it starts in real mode, below 1 MiB; "
                  "-kernel starts other programs",
                  s->entry);
        forget(s);
        return false;
    }
    return true;
}

static void loader_unrealize(Device *dev)
{
    forget(LOADER(dev));
}

static void loader_reset(Device *dev)
{
    const Loader *s = LOADER(dev);
    X86Cpu *cpu = s->cpu_num == PROP_UNSET ? NULL : x86_cpu_at(machine_current(), s->cpu_num);

    for (guint i = 0; i < s->parts->len; i++) {
        const LoaderPart *part = &g_array_index(s->parts, LoaderPart, i);
        const uint8_t *bytes = g_bytes_get_data(s->bytes, NULL);

        if (!dma_is_ram(&memory, part->addr, part->size)) {
            continue; /* a DIMM that has gone */
        }
        if (part->file_size) {
            dma_write(&memory, part->addr, bytes + part->offset, part->file_size);
        }
        if (part->size > part->file_size) {
            dma_set(&memory, part->addr + part->file_size, 0, part->size - part->file_size);
        }
    }
    if (cpu) {
        cpu->segs[X86_SEG_CS].selector = (uint16_t)(s->entry >> 4);
        cpu->segs[X86_SEG_CS].base = s->entry & ~UINT64_C(0xf);
        cpu->rip = s->entry & 0xf;
    }
}

static const DeviceClass loader_class = {
    .category = "misc",
    .flags = DEVICE_USER_CREATABLE,
    .realize = loader_realize,
    .unrealize = loader_unrealize,
    .reset = loader_reset,
    .wake = device_keep,
};

static const Property loader_properties[] = {
    { .name = "addr",
      .kind = PROP_UINT64,
      .offset = offsetof(Loader, addr),
      .description = "guest-physical address; of an ELF file its segments have their own" },
    { .name = "file",
      .kind = PROP_STRING,
      .offset = offsetof(Loader, file),
      .description = "file whose contents go into memory at each reset" },
    { .name = "force-raw",
      .kind = PROP_BOOL,
      .offset = offsetof(Loader, force_raw),
      .has_default = true,
      .description = "an ELF file goes to 'addr' as it is, too" },
    { .name = "data",
      .kind = PROP_UINT64,
      .offset = offsetof(Loader, data),
      .has_default = true,
      .description = "number that goes into memory at each reset" },
    { .name = "data-len",
      .kind = PROP_UINT8,
      .offset = offsetof(Loader, data_len),
      .has_default = true,
      .description = "its bytes, 1 to 8" },
    { .name = "data-be",
      .kind = PROP_BOOL,
      .offset = offsetof(Loader, data_be),
      .has_default = true,
      .description = "with the most significant byte first" },
    { .name = "cpu-num",
      .kind = PROP_UINT32,
      .offset = offsetof(Loader, cpu_num),
      .description =
          "0: that processor starts at 'addr', or where the ELF file says, in real mode" },
    { 0 },
};

static void loader_init(Object *obj)
{
    LOADER(obj)->addr = NO_ADDRESS;
    LOADER(obj)->cpu_num = PROP_UNSET;
}

static const ObjectType loader_type = {
    .name = TYPE_LOADER,
    .parent = TYPE_DEVICE,
    .description = "A file, or a number, that is in memory after each reset",
    .instance_size = sizeof(Loader),
    .properties = loader_properties,
    .ops = &loader_class,
    .init = loader_init,
};
OBJECT_TYPE_REGISTER(loader_type)
