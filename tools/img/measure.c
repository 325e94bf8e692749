/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img measure: what a new image will take on the host's disk. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "block/image-info.h"
#include "block/status.h"
#include "tools/img/copy-bitmaps.h"
#include "tools/img/new-image.h"
#include "tools/img/open.h"
#include "tools/img/output.h"
#include "util/error.h"

/* Bytes in clusters of @cluster that are no zeros. */
static bool count_data(BlockNode *node, uint64_t size, uint64_t cluster, uint64_t *data,
                       GError **errp)
{
    uint64_t counted = 0; /* clusters that begin before it are */

    *data = 0;
    for (uint64_t at = 0; at < size;) {
        BlockStatus s;
        int err = block_status_chain(node, NULL, at, size - at, &s);

        if (err) {
            error_set_errno(errp, err, "%s: the bytes from %" PRIu64 " on are not known",
                            node->filename, at);
            return false;
        }
        if (s.data && !s.zero) {
            uint64_t begin = MAX(at & ~(cluster - 1), counted),
                     end = (at + s.bytes + cluster - 1) & ~(cluster - 1);

            *data += end > begin ? end - begin : 0;
            counted = MAX(counted, end);
        }
        at += s.bytes;
    }
    return true;
}

/* Could it have them? Then scripts know a figure of theirs, too. */
static bool has_bitmaps(BlockNode *node)
{
    BlockQcow2Facts facts;

    return block_qcow2_facts(node, &facts) && facts.version == 3;
}

/* Needed, at most, and for bitmaps (NULL: it can have none). */
static void print(const ImgArgs *args, bool json, uint64_t needed, uint64_t most,
                  const uint64_t *bitmaps)
{
    struct json_object *out;

    if (!json) {
        printf("required size: %" PRIu64 "\nfully allocated size: %" PRIu64 "\n", needed, most);
        if (bitmaps) {
            printf("bitmaps size: %" PRIu64 "\n", *bitmaps);
        }
        return;
    }
    out = json_object_new_object();
    if (bitmaps) {
        img_add_number(out, "bitmaps", *bitmaps);
    }
    img_add_number(out, "required", needed);
    img_add_number(out, "fully-allocated", most);
    img_print_json(out);
}

/* *@data stays as it is without an image. */
static bool look(const ImgArgs *args, ImgNew *image, ImgImage *from, uint64_t *data, GError **errp)
{
    const ImgOpen how = { .name = args->files[0],
                          .format = args->format,
                          .flags = (args->image_opts ? IMG_OPEN_OPTIONS : 0) |
                                   (args->force_share ? IMG_OPEN_SHARE : 0) };
    int64_t length;

    if (!args->count_files) {
        return img_parse_size("--size", args->size, &image->qcow2.size, errp);
    }
    if (!img_open(from, &how, errp) ||
        (args->snapshot && !img_load_snapshot(from, args->snapshot, errp))) {
        return false;
    }
    length = block_node_length(from->edge.node);
    if (length < 0) {
        error_set(errp, "the size of %s is not known", args->files[0]);
        return false;
    }
    image->qcow2.size = (uint64_t)length;
    return count_data(from->edge.node, (uint64_t)length, image->qcow2.cluster_size, data, errp);
}

static int run(ImgArgs *args)
{
    g_auto(ImgImage) from = { 0 };
    g_auto(ImgNew) image = { 0 };
    GError *err = NULL;
    uint64_t data = 0, size, most, bitmaps;
    bool json;

    if (!args->count_files == !args->size) {
        return img_error("measure: give one of a file and --size");
    }
    if (args->snapshot && !args->count_files) {
        return img_error("measure: -l needs a file, which has the snapshot");
    }
    if (img_new_help(args->out_format, args->options)) {
        return IMG_OK;
    }
    if (!img_output_is_json(args, &json, &err) ||
        !img_new_parse(&image, args->out_format, args->options, &err) ||
        !block_qcow2_possible(&image.qcow2, &err) || !look(args, &image, &from, &data, &err)) {
        return img_fail(err);
    }
    image.qcow2.size += (BLOCK_SECTOR - image.qcow2.size % BLOCK_SECTOR) % BLOCK_SECTOR;
    size = image.qcow2.size;
    if (strcmp(image.format, "raw") == 0) {
        print(args, json, size, size, NULL);
        return IMG_OK;
    }
    if (!block_qcow2_possible(&image.qcow2, &err)) {
        return img_fail(err);
    }
    most = block_qcow2_measure(&image.qcow2, size);
    /* As for the whole disk, but for data that is not there. */
    data = image.qcow2.preallocation >= BLOCK_PREALLOCATION_FALLOC ? size : MIN(data, size);
    size = (size + image.qcow2.cluster_size - 1) & ~(image.qcow2.cluster_size - 1);
    data = (data + image.qcow2.cluster_size - 1) & ~(image.qcow2.cluster_size - 1);
    bitmaps = args->count_files ? img_bitmaps_measure(from.edge.node, &image.qcow2) : 0;
    print(args, json, most - (size - data), most,
          args->count_files && has_bitmaps(from.edge.node) ? &bitmaps : NULL);
    return IMG_OK;
}

static const ImgOption options[] = {
    IMG_OPTION('O', NULL, IMG_TEXT, "FORMAT", out_format, "format of the new image: raw, or qcow2"),
    IMG_OPTION_OPTIONS,
    IMG_OPTION(0, "size", IMG_TEXT, "SIZE", size, "of a disk of so many bytes, all zeros"),
    IMG_OPTION_FORMAT,
    IMG_OPTION_SNAPSHOT,
    IMG_OPTION_OUTPUT,
    IMG_OPTION_SHARE,
    IMG_OPTION_IMAGE_OPTS,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_measure = {
    "measure", "[FILE]", "Tell what a new image with the same disk takes", options, 0, 1,
    false,     run,
};
