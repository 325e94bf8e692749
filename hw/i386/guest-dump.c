/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/guest-dump.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "hw/i386/cpu.h"
#include "hw/i386/elf-notes.h"
#include "hw/i386/guest-dump-internal.h"
#include "hw/i386/guest-dump-kdump.h"
#include "hw/i386/vmcoreinfo.h"
#include "memory/address-space.h"
#include "memory/ram-parts.h"
#include "util/error.h"

#include <elf.h> /* last: PF_W is also an error code of #PF */

#define CHUNK (1u << 20) /* between two looks at how far it is */

struct GuestDump {
    GArray *ranges;     /* of DumpRange */
    GByteArray *header; /* of ELF: everything before the memory; NULL: it is */
    Kdump *kdump;
    uint64_t total;
    _Atomic uint64_t completed;
};

/* ---- collecting ---- */

static void range_clear(void *opaque)
{
    ram_hold_release(((DumpRange *)opaque)->hold);
}

/* Of which addresses of @r something is wanted; false: none. */
static bool clip(const FlatRange *r, const GuestDumpOptions *options, DumpRange *out)
{
    uint64_t first = r->addr, last = r->addr + (r->size - 1);

    if (!r->host) {
        return false;
    }
    if (options->filter) {
        uint64_t end = options->begin + (options->length - 1);

        first = MAX(first, options->begin);
        last = MIN(last, end < options->begin ? UINT64_MAX : end);
    }
    if (first > last) {
        return false;
    }
    *out = (DumpRange){ .addr = first, .size = last - first + 1 };
    return true;
}

/* Add what there is of @wanted, a part of @r. */
static void add_pieces(const FlatRange *r, const DumpRange *wanted, GArray *ranges, uint64_t *total)
{
    const uint64_t start = r->offset + (wanted->addr - r->addr), end = start + wanted->size;
    uint64_t size;

    for (uint64_t at = start; ram_parts_next(r->mr->ram, &at, &size) && at < end; at += size) {
        size = MIN(size, end - at);
        DumpRange range = {
            .addr = wanted->addr + (at - start),
            .size = size,
            .host = r->host + (at - r->offset),
            .hold = ram_hold_part(r->mr->ram, at, size, "dump-guest-memory"),
            .offset = *total,
        };
        if (range.hold) { /* the guest has given back what cannot be held */
            *total += size;
            g_array_append_val(ranges, range);
        }
    }
}

static GArray *collect_ranges(const GuestDumpOptions *options, uint64_t *total)
{
    const FlatView *view = address_space_view(&address_space_memory);
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(DumpRange));

    g_array_set_clear_func(ranges, range_clear);
    *total = 0;
    for (unsigned i = 0; i < view->count; i++) {
        DumpRange wanted;
        if (clip(&view->ranges[i], options, &wanted)) {
            add_pieces(&view->ranges[i], &wanted, ranges, total);
        }
    }
    return ranges;
}

/* ---- the file's beginning ---- */

static uint64_t file_offset(const GArray *ranges, uint64_t pa)
{
    unsigned low = 0, high = ranges->len;

    while (high - low > 1) { /* the last range that begins at or before pa: it has it */
        unsigned middle = (low + high) / 2;
        if (g_array_index(ranges, DumpRange, middle).addr <= pa) {
            low = middle;
        } else {
            high = middle;
        }
    }
    const DumpRange *r = &g_array_index(ranges, DumpRange, low);
    return r->offset + (pa - r->addr);
}

/* ELF header, program headers (and, if they are too many to be counted in the ELF header, the
 * section header that counts them), notes. */
static GByteArray *build_header(const GArray *ranges, const GArray *segments,
                                const GByteArray *notes)
{
    uint32_t count = segments->len + 1;
    bool many = count >= PN_XNUM;
    Elf64_Ehdr header = {
        .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_CORE,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_phoff = sizeof(header) + (many ? sizeof(Elf64_Shdr) : 0),
        .e_shoff = many ? sizeof(header) : 0,
        .e_ehsize = sizeof(header),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = many ? PN_XNUM : (uint16_t)count,
        .e_shentsize = many ? sizeof(Elf64_Shdr) : 0,
        .e_shnum = many,
    };
    Elf64_Shdr counter = { .sh_type = SHT_NULL, .sh_info = count };
    uint64_t notes_at = header.e_phoff + count * sizeof(Elf64_Phdr);
    uint64_t memory_at = notes_at + notes->len;
    Elf64_Phdr note = {
        .p_type = PT_NOTE, .p_offset = notes_at, .p_filesz = notes->len, .p_memsz = notes->len
    };
    GByteArray *out = g_byte_array_new();

    g_byte_array_append(out, (void *)&header, sizeof(header));
    if (many) {
        g_byte_array_append(out, (void *)&counter, sizeof(counter));
    }
    g_byte_array_append(out, (void *)&note, sizeof(note));
    for (unsigned i = 0; i < segments->len; i++) {
        const DumpSegment *s = &g_array_index(segments, DumpSegment, i);
        Elf64_Phdr load = { .p_type = PT_LOAD,
                            .p_offset = memory_at + file_offset(ranges, s->pa),
                            .p_vaddr = s->va,
                            .p_paddr = s->pa,
                            .p_filesz = s->size,
                            .p_memsz = s->size };
        g_byte_array_append(out, (void *)&load, sizeof(load));
    }
    g_byte_array_append(out, notes->data, notes->len);
    return out;
}

static bool build_elf(GuestDump *dump, const Machine *machine, bool paging, const GByteArray *notes,
                      GError **errp)
{
    g_autoptr(GArray) segments = paging ? dump_segments_paging(machine, dump->ranges, errp)
                                        : dump_segments_physical(dump->ranges);

    if (segments) {
        dump->header = build_header(dump->ranges, segments, notes);
    }
    return segments;
}

static bool check_ranges(const GArray *ranges, const GuestDumpOptions *options, GError **errp)
{
    if (ranges->len == 0) {
        error_set(errp, options->filter ? "there is no RAM between 'begin' and 'begin' + 'length'"
                                        : "this machine has no RAM to dump");
    }
    return ranges->len > 0;
}

bool guest_dump_check(const GuestDumpOptions *options, GError **errp)
{
    uint64_t total;
    g_autoptr(GArray) ranges = collect_ranges(options, &total);

    return check_ranges(ranges, options, errp) &&
           (options->format == DUMP_GUEST_MEMORY_FORMAT_ELF || kdump_check(options->format, errp));
}

GuestDump *guest_dump_new(const Machine *machine, const GuestDumpOptions *options, GError **errp)
{
    GuestDump *dump = g_new0(GuestDump, 1);
    g_autoptr(GByteArray) notes = g_byte_array_new(), kernel = NULL;
    unsigned cpus = 0;
    guint kernel_at;
    const X86Cpu *cpu;

    dump->ranges = collect_ranges(options, &dump->total);
    if (!check_ranges(dump->ranges, options, errp)) {
        guest_dump_free(dump);
        return NULL;
    }
    for (unsigned i = 0; (cpu = x86_cpu_next(machine, &i)); i++) {
        x86_elf_notes_append(notes, cpu);
        cpus++;
    }
    kernel_at = notes->len;
    kernel = vmcoreinfo_note();
    if (kernel) {
        g_byte_array_append(notes, kernel->data, kernel->len);
    }
    bool ok;
    if (options->format != DUMP_GUEST_MEMORY_FORMAT_ELF) {
        dump->kdump = kdump_new(options->format, dump->ranges, notes, kernel_at, cpus, errp);
        ok = dump->kdump != NULL;
    } else {
        ok = build_elf(dump, machine, options->paging, notes, errp);
    }
    if (!ok) {
        guest_dump_free(dump);
        return NULL;
    }
    return dump;
}

void guest_dump_free(GuestDump *dump)
{
    g_array_unref(dump->ranges);
    if (dump->header) {
        g_byte_array_unref(dump->header);
    }
    if (dump->kdump) {
        kdump_free(dump->kdump);
    }
    g_free(dump);
}

/* ---- writing ---- */

bool dump_write_all(int fd, const uint8_t *buf, uint64_t len, GError **errp)
{
    while (len > 0) {
        ssize_t n = write(fd, buf, len);
        if (n < 0 && errno == EAGAIN) {
            struct pollfd ready = { .fd = fd, .events = POLLOUT };
            poll(&ready, 1, -1);
            continue;
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            error_set(errp, "cannot write the dump: %s", g_strerror(n < 0 ? errno : ENOSPC));
            return false;
        }
        buf += n;
        len -= (uint64_t)n;
    }
    return true;
}

static bool write_elf(GuestDump *dump, int fd, GError **errp)
{
    if (!dump_write_all(fd, dump->header->data, dump->header->len, errp)) {
        return false;
    }
    for (unsigned i = 0; i < dump->ranges->len; i++) {
        const DumpRange *r = &g_array_index(dump->ranges, DumpRange, i);

        for (uint64_t done = 0; done < r->size;) {
            uint64_t part = MIN(r->size - done, CHUNK);
            /* Straight from guest memory: what cannot be read any more is an error, no SIGBUS. */
            if (!dump_write_all(fd, r->host + done, part, errp)) {
                return false;
            }
            done += part;
            atomic_fetch_add(&dump->completed, part);
        }
    }
    return true;
}

bool guest_dump_write(GuestDump *dump, int fd, GError **errp)
{
    return dump->kdump ? kdump_write(dump->kdump, fd, &dump->completed, errp)
                       : write_elf(dump, fd, errp);
}

uint64_t guest_dump_total(const GuestDump *dump)
{
    return dump->total;
}

uint64_t guest_dump_completed(const GuestDump *dump)
{
    return atomic_load(&dump->completed);
}
