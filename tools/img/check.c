/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img check: faults of images. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "block/check.h"
#include "tools/img/open.h"
#include "tools/img/output.h"
#include "util/error.h"

enum { CHECK_NOT_DONE = 1, CHECK_CORRUPT = 2, CHECK_LEAKS = 3 };

static void tell(const char *text)
{
    fprintf(stderr, "%s\n", text);
}

static void be_quiet(const char *text)
{
}

static void add_if(struct json_object *json, const char *key, uint64_t value)
{
    if (value) {
        img_add_number(json, key, value);
    }
}

static void print_json(const BlockNode *node, const BlockCheck *c, const char *name)
{
    struct json_object *json = json_object_new_object();

    add_if(json, "image-end-offset", c->image_end);
    add_if(json, "total-clusters", c->total_clusters);
    img_add_number(json, "check-errors", c->check_errors);
    add_if(json, "corruptions", c->corruptions);
    add_if(json, "leaks", c->leaks);
    add_if(json, "corruptions-fixed", c->corruptions_fixed);
    add_if(json, "leaks-fixed", c->leaks_fixed);
    add_if(json, "allocated-clusters", c->allocated_clusters);
    add_if(json, "fragmented-clusters", c->fragmented_clusters);
    add_if(json, "compressed-clusters", c->compressed_clusters);
    json_object_object_add(json, "filename", json_object_new_string(name));
    json_object_object_add(json, "format",
                           json_object_new_string(BlockdevDriver_str(node->options->driver)));
    img_print_json(json);
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole ? (double)part * 100 / (double)whole : 0;
}

static void print_human(const ImgArgs *args, const BlockCheck *c)
{
    if (!c->corruptions && !c->leaks && !c->check_errors) {
        img_say(args, "No errors were found on the image.\n");
    }
    if (c->corruptions) {
        img_say(args,
                "\n%" PRIu64 " errors were found on the image.\n"
                "Data may be corrupted, or further writes to the image may corrupt it.\n",
                c->corruptions);
    }
    if (c->leaks) {
        img_say(args,
                "\n%" PRIu64 " leaked clusters were found on the image.\n"
                "This means waste of disk space, but no harm to data.\n",
                c->leaks);
    }
    if (c->check_errors) {
        img_say(args, "\n%" PRIu64 " internal errors have occurred during the check.\n",
                c->check_errors);
    }
    if (c->total_clusters && c->allocated_clusters) {
        img_say(args,
                "%" PRIu64 "/%" PRIu64
                " = %.2f%% allocated, %.2f%% fragmented, %.2f%% compressed clusters\n",
                c->allocated_clusters, c->total_clusters,
                percent(c->allocated_clusters, c->total_clusters),
                percent(c->fragmented_clusters, c->allocated_clusters),
                percent(c->compressed_clusters, c->allocated_clusters));
    }
    if (c->image_end) {
        img_say(args, "Image end offset: %" PRIu64 "\n", c->image_end);
    }
}

/* What was mended, and then the image once more. */
static bool check_again(BlockNode *node, const ImgArgs *args, bool json, BlockCheck *c,
                        GError **errp)
{
    const BlockCheck first = *c;

    if (!first.leaks_fixed && !first.corruptions_fixed) {
        return true;
    }
    if (!json) {
        img_say(args,
                "The following inconsistencies were found and repaired:\n\n"
                "    %" PRIu64 " leaked clusters\n    %" PRIu64 " corruptions\n\n"
                "Double checking the fixed image now...\n",
                first.leaks_fixed, first.corruptions_fixed);
    }
    *c = (BlockCheck){ 0 };
    if (!block_check(node, 0, json || args->quiet ? be_quiet : tell, c, errp)) {
        return false;
    }
    c->leaks_fixed = first.leaks_fixed;
    c->corruptions_fixed = first.corruptions_fixed;
    return true;
}

static bool parse_repair(const char *text, unsigned *fix)
{
    *fix = !text                        ? 0
           : strcmp(text, "leaks") == 0 ? BLOCK_CHECK_FIX_LEAKS
                                        : BLOCK_CHECK_FIX_LEAKS | BLOCK_CHECK_FIX_ERRORS;
    return !text || strcmp(text, "leaks") == 0 || strcmp(text, "all") == 0;
}

static int run(ImgArgs *args)
{
    g_auto(ImgImage) image = { 0 };
    BlockCheck check = { 0 };
    GError *err = NULL;
    unsigned fix;
    bool json;
    ImgOpen how = { .name = args->files[0],
                    .format = args->format,
                    .cache = args->src_cache,
                    .flags = IMG_OPEN_NO_BACKING | (args->image_opts ? IMG_OPEN_OPTIONS : 0) |
                             (args->force_share ? IMG_OPEN_SHARE : 0) };

    if (!parse_repair(args->repair, &fix)) {
        return img_error("check: -r %s is not there: use leaks or all", args->repair);
    }
    how.flags |= fix ? IMG_OPEN_WRITE_FILE : 0;
    if (!img_output_is_json(args, &json, &err) || !img_open(&image, &how, &err)) {
        return img_fail(err);
    }
    if (!block_check_possible(image.edge.node)) {
        img_error("%s: images of format %s cannot be checked: qcow2 ones can", args->files[0],
                  BlockdevDriver_str(image.edge.node->options->driver));
        return IMG_UNSUPPORTED;
    }
    if (!img_lock_file(&image, fix, &err) ||
        !block_check(image.edge.node, fix, args->quiet ? be_quiet : tell, &check, &err) ||
        !check_again(image.edge.node, args, json, &check, &err)) {
        return img_fail(err);
    }
    if (json) {
        print_json(image.edge.node, &check, args->files[0]);
    } else {
        print_human(args, &check);
    }
    return check.corruptions    ? CHECK_CORRUPT
           : check.check_errors ? CHECK_NOT_DONE
           : check.leaks        ? CHECK_LEAKS
                                : IMG_OK;
}

static const ImgOption options[] = {
    IMG_OPTION('r', "repair", IMG_TEXT, "leaks|all", repair,
               "repair what was found: clusters that nothing uses, or everything"),
    IMG_OPTION_FORMAT,
    IMG_OPTION_OUTPUT,
    IMG_OPTION_QUIET,
    IMG_OPTION_SRC_CACHE,
    IMG_OPTION_SHARE,
    IMG_OPTION_IMAGE_OPTS,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_check = {
    "check",
    "FILE",
    "Look for faults of an image. Status 0: none, 2: errors, 3: leaks, 63: no format for it",
    options,
    1,
    1,
    false,
    run,
};
