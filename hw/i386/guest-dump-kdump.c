/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/guest-dump-kdump.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gmodule.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "util/error.h"
#include "util/units.h"

#define PAGE       4096u
#define GROUP      16u /* pages that are read at a time: what a pipe takes */
#define BUFFER     (1u * MIB)
#define BLOCKS(n)  (((n) + PAGE - 1) / PAGE)
#define PACKED_MAX (2 * PAGE) /* more than any method makes of a page */

/* ---- the format (makedumpfile, diskdump_mod.h and makedumpfile.h; x86-64) ---- */

typedef struct DiskHeader {
    char signature[8];
    int32_t version;
    char sysname[65], nodename[65], release[65], kernel_version[65], machine[65], domainname[65];
    int64_t seconds, microseconds;
    uint32_t status; /* how pages are compressed */
    int32_t block_size, sub_header_blocks;
    uint32_t bitmap_blocks; /* of both */
    uint32_t max_mapnr;     /* 0 if it does not fit: see the sub header's */
    uint32_t total_ram_blocks, device_blocks, written_blocks, current_cpu;
    int32_t cpus;
} DiskHeader;
G_STATIC_ASSERT(sizeof(DiskHeader) == 464);

typedef struct SubHeader {
    uint64_t phys_base;
    int32_t dump_level, split;
    uint64_t start_pfn, end_pfn;
    uint64_t vmcoreinfo_at, vmcoreinfo_size;
    uint64_t notes_at, notes_size;
    uint64_t eraseinfo_at, eraseinfo_size;
    uint64_t start_pfn_64, end_pfn_64;
    uint64_t max_mapnr;
} SubHeader;
G_STATIC_ASSERT(sizeof(SubHeader) == 104);

typedef struct PageDescriptor {
    uint64_t offset;
    uint32_t size, flags;
    uint64_t page_flags;
} PageDescriptor;
G_STATIC_ASSERT(sizeof(PageDescriptor) == 24);

#define DUMP_LEVEL 1 /* pages of zeros are not repeated */

/* ---- methods ---- */

typedef struct Method {
    uint32_t flag; /* of the header and of a page's descriptor */
    /* Before a dump begins, main thread; NULL: nothing is to be done. */
    bool (*prepare)(GError **errp);
    /* Compress a page to @out; the bytes that it takes, or PAGE or more if it gets no smaller.
     * @work has LZO1X_1_MEM_COMPRESS bytes. */
    size_t (*pack)(const uint8_t *page, uint8_t *out, void *work);
} Method;

static size_t pack_zlib(const uint8_t *page, uint8_t *out, void *work)
{
    uLongf len = PACKED_MAX;

    return compress2(out, &len, page, PAGE, Z_BEST_SPEED) == Z_OK ? len : PAGE;
}

static size_t pack_lzo(const uint8_t *page, uint8_t *out, void *work)
{
    lzo_uint len = PACKED_MAX;

    return lzo1x_1_compress(page, PAGE, out, &len, work) == LZO_E_OK ? len : PAGE;
}

/* Snappy is written in C++, and would bring 2 MiB of that language's library into each machine: it
 * is loaded when a dump asks for it, and stays. */
#define SNAPPY_LIBRARY "libsnappy.so.1"

static typeof(snappy_compress) *compress_snappy;

static bool load_snappy(GError **errp)
{
    GModule *module = g_module_open(SNAPPY_LIBRARY, G_MODULE_BIND_LOCAL);
    void *function = NULL;

    if (!module || !g_module_symbol(module, "snappy_compress", &function)) {
        error_set(errp, "kdump-snappy needs the library " SNAPPY_LIBRARY ": %s", g_module_error());
        return false;
    }
    g_module_make_resident(module);
    compress_snappy = function;
    return true;
}

static size_t pack_snappy(const uint8_t *page, uint8_t *out, void *work)
{
    size_t len = PACKED_MAX;

    return compress_snappy((const char *)page, PAGE, (char *)out, &len) == SNAPPY_OK ? len : PAGE;
}

static const Method methods[] = {
    [DUMP_GUEST_MEMORY_FORMAT_KDUMP_ZLIB] = { 1, NULL, pack_zlib },
    [DUMP_GUEST_MEMORY_FORMAT_KDUMP_LZO] = { 2, NULL, pack_lzo },
    [DUMP_GUEST_MEMORY_FORMAT_KDUMP_SNAPPY] = { 4, load_snappy, pack_snappy },
};

/* ---- what is written ---- */

/* Pages of which at least a part is RAM, one after the other. */
typedef struct PageRun {
    uint64_t first, end; /* page numbers */
} PageRun;

struct Kdump {
    const GArray *ranges; /* of DumpRange */
    const Method *method;
    GArray *runs;         /* of PageRun, by number */
    GByteArray *header;   /* both headers and the notes, in whole blocks */
    uint64_t bitmap_size; /* bytes of one, in whole blocks */
    uint64_t pages;       /* that have a descriptor */
};

static GArray *collect_runs(const GArray *ranges, uint64_t *pages)
{
    GArray *runs = g_array_new(FALSE, FALSE, sizeof(PageRun));

    *pages = 0;
    for (unsigned i = 0; i < ranges->len; i++) {
        const DumpRange *r = &g_array_index(ranges, DumpRange, i);
        PageRun run = { r->addr / PAGE, (r->addr + (r->size - 1)) / PAGE + 1 };
        PageRun *last = runs->len ? &g_array_index(runs, PageRun, runs->len - 1) : NULL;

        if (last && run.first <= last->end) { /* the ranges are sorted */
            *pages += run.end - last->end;
            last->end = run.end;
        } else {
            *pages += run.end - run.first;
            g_array_append_val(runs, run);
        }
    }
    return runs;
}

/* Where the kernel runs, by the text of its note; 0 if that does not tell. */
static uint64_t phys_base(const uint8_t *text, size_t len)
{
    static const char key[] = "NUMBER(phys_base)=";
    g_autofree char *copy = g_strndup((const char *)text, len);
    const char *at = strstr(copy, key);

    return at ? (uint64_t)g_ascii_strtoll(at + strlen(key), NULL, 10) : 0;
}

static void describe_kernel(SubHeader *sub, const GByteArray *notes, guint kernel)
{
    Elf64_Nhdr note;
    uint64_t text;

    if (kernel == notes->len) {
        return;
    }
    memcpy(&note, notes->data + kernel, sizeof(note));
    text = kernel + sizeof(note) + ((note.n_namesz + 3) & ~3u);
    sub->vmcoreinfo_at = sub->notes_at + text;
    sub->vmcoreinfo_size = note.n_descsz;
    sub->phys_base = phys_base(notes->data + text, note.n_descsz);
}

static GByteArray *build_header(const Kdump *kdump, const GByteArray *notes, guint kernel,
                                unsigned cpus)
{
    uint64_t mapnr = g_array_index(kdump->runs, PageRun, kdump->runs->len - 1).end;
    uint64_t rest = sizeof(SubHeader) + notes->len, blocks = BLOCKS(rest);
    DiskHeader header = {
        .signature = "KDUMP   ",
        .version = 6,
        .machine = "x86_64",
        .status = kdump->method->flag,
        .block_size = PAGE,
        .sub_header_blocks = (int32_t)blocks,
        .bitmap_blocks = (uint32_t)(2 * kdump->bitmap_size / PAGE),
        .max_mapnr = mapnr > UINT32_MAX ? 0 : (uint32_t)mapnr,
        .cpus = (int32_t)cpus,
    };
    SubHeader sub = { .dump_level = DUMP_LEVEL,
                      .notes_at = PAGE + sizeof(sub),
                      .notes_size = notes->len,
                      .max_mapnr = mapnr };
    GByteArray *out = g_byte_array_new();

    describe_kernel(&sub, notes, kernel);
    g_byte_array_set_size(out, (guint)(PAGE * (1 + blocks)));
    memset(out->data, 0, out->len);
    memcpy(out->data, &header, sizeof(header));
    memcpy(out->data + PAGE, &sub, sizeof(sub));
    memcpy(out->data + PAGE + sizeof(sub), notes->data, notes->len);
    return out;
}

bool kdump_check(DumpGuestMemoryFormat format, GError **errp)
{
    return !methods[format].prepare || methods[format].prepare(errp);
}

Kdump *kdump_new(DumpGuestMemoryFormat format, const GArray *ranges, const GByteArray *notes,
                 guint kernel, unsigned cpus, GError **errp)
{
    if (!kdump_check(format, errp)) {
        return NULL;
    }
    Kdump *kdump = g_new0(Kdump, 1);
    uint64_t mapnr;

    kdump->ranges = ranges;
    kdump->method = &methods[format];
    kdump->runs = collect_runs(ranges, &kdump->pages);
    mapnr = g_array_index(kdump->runs, PageRun, kdump->runs->len - 1).end;
    kdump->bitmap_size = BLOCKS((mapnr + 7) / 8) * PAGE;
    kdump->header = build_header(kdump, notes, kernel, cpus);
    return kdump;
}

void kdump_free(Kdump *kdump)
{
    g_array_unref(kdump->runs);
    g_byte_array_unref(kdump->header);
    g_free(kdump);
}

/* ---- records ---- */

typedef struct FlatRecord {
    uint64_t offset, size; /* big endian, like everything of the flattened format */
} FlatRecord;

static bool write_record(int fd, uint64_t offset, const void *data, uint64_t size, GError **errp)
{
    FlatRecord record = { GUINT64_TO_BE(offset), GUINT64_TO_BE(size) };

    return dump_write_all(fd, (void *)&record, sizeof(record), errp) &&
           dump_write_all(fd, data, size, errp);
}

static bool write_flat_header(int fd, GError **errp)
{
    struct {
        char signature[16];
        uint64_t type, version;
        uint8_t rest[4096 - 32];
    } header = { "makedumpfile", GUINT64_TO_BE(1), GUINT64_TO_BE(1), { 0 } };

    return dump_write_all(fd, (void *)&header, sizeof(header), errp);
}

static bool write_flat_end(int fd, GError **errp)
{
    FlatRecord end = { UINT64_MAX, UINT64_MAX };

    return dump_write_all(fd, (void *)&end, sizeof(end), errp);
}

/* A part of the file that grows: what is added gets its place at once, and is written by and by. */
typedef struct Part {
    uint64_t at; /* place of the buffer's first byte */
    GByteArray *buffer;
} Part;

static bool part_flush(Part *part, int fd, guint unless_below, GError **errp)
{
    bool ok;

    if (part->buffer->len <= unless_below) {
        return true;
    }
    ok = write_record(fd, part->at, part->buffer->data, part->buffer->len, errp);
    part->at += part->buffer->len;
    g_byte_array_set_size(part->buffer, 0);
    return ok;
}

/* ---- bitmaps ---- */

/* The bits of pages [@first, @first + 8 * @size). */
static void fill_bits(const GArray *runs, uint64_t first, uint8_t *bits, uint64_t size)
{
    uint64_t end = first + 8 * size;

    memset(bits, 0, size);
    for (unsigned i = 0; i < runs->len; i++) {
        const PageRun *run = &g_array_index(runs, PageRun, i);

        for (uint64_t pfn = MAX(run->first, first); pfn < MIN(run->end, end);) {
            uint64_t bit = pfn - first;

            if (bit % 8 == 0 && MIN(run->end, end) - pfn >= 8) {
                bits[bit / 8] = 0xff;
                pfn += 8;
            } else {
                bits[bit / 8] |= (uint8_t)(1u << bit % 8);
                pfn++;
            }
        }
    }
}

static bool write_bitmaps(const Kdump *kdump, int fd, GError **errp)
{
    g_autofree uint8_t *bits = g_malloc(BUFFER);

    for (uint64_t done = 0; done < kdump->bitmap_size;) {
        uint64_t size = MIN(BUFFER, kdump->bitmap_size - done);
        uint64_t at = kdump->header->len + done;

        fill_bits(kdump->runs, 8 * done, bits, size);
        if (!write_record(fd, at, bits, size, errp) ||
            !write_record(fd, at + kdump->bitmap_size, bits, size, errp)) {
            return false;
        }
        done += size;
    }
    return true;
}

/* ---- pages ---- */

typedef struct Writer {
    const Kdump *kdump;
    int fd;
    int pipe[2];    /* guest memory goes through it: what cannot be read is an error, no SIGBUS */
    unsigned range; /* the first one that may have more */
    uint8_t group[GROUP * PAGE];
    uint8_t packed[PACKED_MAX];
    uint8_t *work;
    Part descriptors, data;
    PageDescriptor zeros; /* of a page of zeros; size 0: there was none so far */
    _Atomic uint64_t *completed;
} Writer;

static bool copy_guest(Writer *w, uint8_t *to, const uint8_t *from, size_t len, GError **errp)
{
    while (len > 0) {
        ssize_t n = write(w->pipe[1], from, len);

        if (n <= 0) {
            error_set_errno(errp, errno, "cannot read the guest's memory");
            return false;
        }
        if (read(w->pipe[0], to, (size_t)n) != n) { /* it is in the pipe already */
            error_set(errp, "cannot read the guest's memory");
            return false;
        }
        from += n;
        to += n;
        len -= (size_t)n;
    }
    return true;
}

/* Pages [@first, @first + @count), with zeros where no RAM is. Pages are asked for in order. */
static bool read_group(Writer *w, uint64_t first, uint64_t count, GError **errp)
{
    uint64_t begin = first * PAGE, last = begin + (count * PAGE - 1);

    memset(w->group, 0, sizeof(w->group));
    for (;;) {
        const DumpRange *r = &g_array_index(w->kdump->ranges, DumpRange, w->range);
        uint64_t r_last = r->addr + (r->size - 1);
        uint64_t from = MAX(begin, r->addr), to = MIN(last, r_last);

        if (from <= to) {
            if (!copy_guest(w, w->group + (from - begin), r->host + (from - r->addr), to - from + 1,
                            errp)) {
                return false;
            }
            atomic_fetch_add(w->completed, to - from + 1);
        }
        if (r_last > last || w->range + 1 == w->kdump->ranges->len) {
            return true;
        }
        w->range++;
    }
}

static bool is_zero(const uint8_t *page)
{
    return page[0] == 0 && memcmp(page, page + 1, PAGE - 1) == 0;
}

static PageDescriptor add_data(Writer *w, const uint8_t *page)
{
    const Method *method = w->kdump->method;
    size_t len = method->pack(page, w->packed, w->work);
    bool packed = len < PAGE;
    PageDescriptor d = { .offset = w->data.at + w->data.buffer->len,
                         .size = packed ? (uint32_t)len : PAGE,
                         .flags = packed ? method->flag : 0 };

    g_byte_array_append(w->data.buffer, packed ? w->packed : page, d.size);
    return d;
}

static bool add_page(Writer *w, const uint8_t *page, GError **errp)
{
    PageDescriptor d;

    if (!is_zero(page)) {
        d = add_data(w, page);
    } else {
        if (!w->zeros.size) {
            w->zeros = add_data(w, page);
        }
        d = w->zeros;
    }
    g_byte_array_append(w->descriptors.buffer, (void *)&d, sizeof(d));
    return part_flush(&w->data, w->fd, BUFFER, errp) &&
           part_flush(&w->descriptors, w->fd, BUFFER, errp);
}

static bool write_run(Writer *w, const PageRun *run, GError **errp)
{
    for (uint64_t pfn = run->first; pfn < run->end; pfn += GROUP) {
        uint64_t count = MIN(GROUP, run->end - pfn);

        if (!read_group(w, pfn, count, errp)) {
            return false;
        }
        for (unsigned i = 0; i < count; i++) {
            if (!add_page(w, w->group + i * PAGE, errp)) {
                return false;
            }
        }
    }
    return true;
}

static bool write_pages(Writer *w, GError **errp)
{
    for (unsigned i = 0; i < w->kdump->runs->len; i++) {
        if (!write_run(w, &g_array_index(w->kdump->runs, PageRun, i), errp)) {
            return false;
        }
    }
    return part_flush(&w->data, w->fd, 0, errp) && part_flush(&w->descriptors, w->fd, 0, errp);
}

static bool write_all_pages(const Kdump *kdump, int fd, _Atomic uint64_t *completed, GError **errp)
{
    g_autofree Writer *w = g_new0(Writer, 1);
    uint64_t descriptors = kdump->header->len + 2 * kdump->bitmap_size;
    bool ok;

    if (pipe2(w->pipe, O_CLOEXEC) < 0) {
        error_set_errno(errp, errno, "cannot make a pipe");
        return false;
    }
    w->kdump = kdump;
    w->fd = fd;
    w->completed = completed;
    w->work = g_malloc(LZO1X_1_MEM_COMPRESS);
    w->descriptors = (Part){ descriptors, g_byte_array_new() };
    w->data = (Part){ descriptors + kdump->pages * sizeof(PageDescriptor), g_byte_array_new() };
    ok = write_pages(w, errp);
    g_byte_array_unref(w->descriptors.buffer);
    g_byte_array_unref(w->data.buffer);
    g_free(w->work);
    close(w->pipe[0]);
    close(w->pipe[1]);
    return ok;
}

bool kdump_write(const Kdump *kdump, int fd, _Atomic uint64_t *completed, GError **errp)
{
    return write_flat_header(fd, errp) &&
           write_record(fd, 0, kdump->header->data, kdump->header->len, errp) &&
           write_bitmaps(kdump, fd, errp) && write_all_pages(kdump, fd, completed, errp) &&
           write_flat_end(fd, errp);
}
