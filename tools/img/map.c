/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img map: which file has what. */
#include <inttypes.h>
#include <stdio.h>

#include "block/status.h"
#include "tools/img/open.h"
#include "tools/img/output.h"
#include "util/error.h"

typedef struct Extent {
    uint64_t start;
    BlockStatus status;
} Extent;

static void print_json(const Extent *e, bool first)
{
    const BlockStatus *s = &e->status;

    printf("%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64
           ", \"depth\": %u, \"present\": %s, \"zero\": %s, \"data\": %s",
           first ? "[" : ",\n", e->start, s->bytes, s->depth, s->allocated ? "true" : "false",
           s->zero ? "true" : "false", s->data ? "true" : "false");
    if (s->has_at) {
        printf(", \"offset\": %" PRIu64, s->at);
    }
    printf("}");
}

/* 0 has no prefix. */
static char *hex(uint64_t value)
{
    return g_strdup_printf("%#" PRIx64, value);
}

static bool print_human(const Extent *e, GError **errp)
{
    const BlockStatus *s = &e->status;

    if (s->data && !s->has_at) {
        error_set(errp,
                  "the bytes from %" PRIu64
                  " on are in no file as they are (they are compressed, or "
                  "made by the driver): --output=json can tell that",
                  e->start);
        return false;
    }
    if (s->data && !s->zero) {
        g_autofree char *start = hex(e->start), *bytes = hex(s->bytes), *at = hex(s->at);

        printf("%-16s%-16s%-16s%s\n", start, bytes, at, s->filename);
    }
    return true;
}

static bool is_next(const Extent *e, const BlockStatus *s)
{
    const BlockStatus *old = &e->status;

    return old->allocated == s->allocated && old->zero == s->zero && old->data == s->data &&
           old->has_at == s->has_at && old->depth == s->depth && old->filename == s->filename &&
           (!s->has_at || old->at + old->bytes == s->at);
}

static bool print(const Extent *e, bool json, bool first, GError **errp)
{
    if (json) {
        print_json(e, first);
        return true;
    }
    return print_human(e, errp);
}

static bool map(BlockNode *node, uint64_t start, uint64_t end, bool json, GError **errp)
{
    Extent e = { .start = start };
    bool first = true;

    while (e.start + e.status.bytes < end) {
        uint64_t at = e.start + e.status.bytes;
        BlockStatus s;
        int err = block_status_chain(node, NULL, at, end - at, &s);

        if (err) {
            error_set_errno(errp, err, "%s: the bytes from %" PRIu64 " on are not known",
                            node->filename, at);
            return false;
        }
        if (e.status.bytes && is_next(&e, &s)) {
            e.status.bytes += s.bytes;
            continue;
        }
        if (e.status.bytes) {
            if (!print(&e, json, first, errp)) {
                return false;
            }
            first = false;
        }
        e = (Extent){ at, s };
    }
    if (e.status.bytes && !print(&e, json, first, errp)) {
        return false;
    }
    if (json) {
        printf(e.status.bytes ? "]\n" : "[]\n");
    }
    return true;
}

static int run(ImgArgs *args)
{
    g_auto(ImgImage) image = { 0 };
    uint64_t start = 0, length = INT64_MAX, end;
    GError *err = NULL;
    int64_t size;
    bool json;
    const ImgOpen how = { .name = args->files[0],
                          .format = args->format,
                          .flags = (args->image_opts ? IMG_OPEN_OPTIONS : 0) |
                                   (args->force_share ? IMG_OPEN_SHARE : 0) };

    if (!img_output_is_json(args, &json, &err) ||
        (args->start && !img_parse_size("--start-offset", args->start, &start, &err)) ||
        (args->length && !img_parse_size("--max-length", args->length, &length, &err)) ||
        !img_open(&image, &how, &err)) {
        return img_fail(err);
    }
    size = block_node_length(image.edge.node);
    if (size < 0) {
        return img_error("the size of %s is not known", args->files[0]);
    }
    end = (uint64_t)size;
    end = start < end ? start + MIN(length, end - start) : start;
    if (!json) {
        printf("%-16s%-16s%-16s%s\n", "Offset", "Length", "Mapped to", "File");
    }
    return map(image.edge.node, start, end, json, &err) ? IMG_OK : img_fail(err);
}

static const ImgOption options[] = {
    IMG_OPTION_FORMAT,
    IMG_OPTION(0, "output", IMG_TEXT, "human|json", output,
               "form of the output: human, only data; json, all"),
    IMG_OPTION('s', "start-offset", IMG_TEXT, "SIZE", start, "where to begin"),
    IMG_OPTION('l', "max-length", IMG_TEXT, "SIZE", length, "how many bytes"),
    IMG_OPTION_SHARE,
    IMG_OPTION_IMAGE_OPTS,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_map = {
    "map", "FILE", "Tell what of an image is data, and in which file it is", options, 1, 1,
    false, run,
};
