/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img amend: what of an image can become another one without a new image. */
#include <stdio.h>
#include <string.h>

#include "block/driver.h"
#include "tools/img/open.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/parse.h"

typedef struct Amendment {
    const char *name, *value, *doc; /* NULL: help does not tell of it */
    /* Either what it does, or why it cannot be. */
    bool (*set)(BlockAmend *amend, const char *text, GError **errp);
    const char *refused;
} Amendment;

static bool set_compat(BlockAmend *amend, const char *text, GError **errp)
{
    bool two = !strcmp(text, "0.10") || !strcmp(text, "v2");

    amend->version = two ? 2 : 3;
    if (!two && strcmp(text, "1.1") != 0 && strcmp(text, "v3") != 0) {
        error_set(errp, "compat=%s is not possible: use 0.10 or 1.1", text);
        return false;
    }
    return true;
}

static bool set_lazy(BlockAmend *amend, const char *text, GError **errp)
{
    amend->has_lazy = parse_bool(text, &amend->lazy);
    if (!amend->has_lazy) {
        error_set(errp, "lazy_refcounts=%s is not possible: use on or off", text);
    }
    return amend->has_lazy;
}

static bool set_refcount_bits(BlockAmend *amend, const char *text, GError **errp)
{
    uint64_t bits;

    if (!parse_uint(text, 64, &bits) || !bits) {
        error_set(errp, "refcount_bits=%s is not possible: use what the image has", text);
        return false;
    }
    amend->refcount_bits = (unsigned)bits;
    return true;
}

static bool set_size(BlockAmend *amend, const char *text, GError **errp)
{
    amend->has_size = parse_size(text, 1, &amend->size, errp);
    return amend->has_size;
}

static bool set_backing(BlockAmend *amend, const char *text, GError **errp)
{
    amend->backing = g_intern_string(text);
    return true;
}

static bool set_format(BlockAmend *amend, const char *text, GError **errp)
{
    amend->format = g_intern_string(text);
    return true;
}

static const char by_convert[] = "it is of new images: 'dimmable-img convert' makes one";
static const Amendment amendments[] = {
    { "backing_file", "<str>", "Name of the backing file: what it is", set_backing, NULL },
    { "backing_fmt", "<str>", "Format of the backing file: what it is", set_format, NULL },
    { "compat", "<str>", "Version: 1.1 (v3) or 0.10 (v2)", set_compat, NULL },
    { "lazy_refcounts", "<bool (on/off)>", "Write late how often clusters are used", set_lazy,
      NULL },
    { "refcount_bits", "<num>", "Width of a reference count entry in bits: what it is",
      set_refcount_bits, NULL },
    { "size", "<size>", "Size of the disk", set_size, NULL },
    { "cluster_size", NULL, NULL, NULL, by_convert },
    { "compression_type", NULL, NULL, NULL, by_convert },
    { "preallocation", NULL, NULL, NULL, by_convert },
};

static bool take(BlockAmend *amend, const char *name, const char *text, GError **errp)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(amendments); i++) {
        const Amendment *a = &amendments[i];

        if (strcmp(a->name, name) != 0) {
            continue;
        }
        if (a->refused) {
            error_set(errp, "amend: %s cannot be amended: %s", name, a->refused);
            return false;
        }
        return a->set(amend, text, errp);
    }
    error_set(errp,
              "amend: there is no option '%s': there are backing_file, backing_fmt, compat, "
              "lazy_refcounts, refcount_bits and size",
              name);
    return false;
}

static bool parse(const GPtrArray *options, BlockAmend *amend, GError **errp)
{
    bool ok = true;

    for (unsigned i = 0; ok && i < options->len; i++) {
        struct json_object *json = keyval_parse(options->pdata[i], NULL, errp);

        ok = json;
        if (json) {
            json_object_object_foreach(json, key, value)
            {
                ok = ok && take(amend, key, json_object_get_string(value), errp);
            }
        }
        json_object_put(json);
    }
    return ok;
}

static bool help(const GPtrArray *options)
{
    for (unsigned i = 0; options && i < options->len; i++) {
        if (strcmp(options->pdata[i], "help") == 0 || strcmp(options->pdata[i], "?") == 0) {
            printf("Amend options for 'qcow2':\n");
            for (unsigned j = 0; j < G_N_ELEMENTS(amendments) && amendments[j].doc; j++) {
                printf("  %s=%s - %s\n", amendments[j].name, amendments[j].value,
                       amendments[j].doc);
            }
            return true;
        }
    }
    return false;
}

static bool amend_image(ImgImage *image, const BlockAmend *amend, GError **errp)
{
    BlockNode *node = image->edge.node;

    if (!node->driver->amend) {
        error_set(errp, "%s: of images of format %s nothing can be amended: qcow2 ones can",
                  node->filename, BlockdevDriver_str(node->driver->id));
        return false;
    }
    return node->driver->amend(node, amend, errp) && img_close(image, errp);
}

static int run(ImgArgs *args)
{
    g_auto(ImgImage) image = { 0 };
    BlockAmend amend = { 0 };
    GError *err = NULL;
    ImgOpen how = { .name = args->files[0],
                    .format = args->format,
                    .cache = args->cache,
                    .flags = IMG_OPEN_WRITE | (args->image_opts ? IMG_OPEN_OPTIONS : 0) };

    if (help(args->options)) {
        return IMG_OK;
    }
    if (!args->options) {
        return img_error("amend: give what is to change, as -o KEY=VALUE; -o help lists the keys");
    }
    if (!parse(args->options, &amend, &err)) {
        return img_fail(err);
    }
    /* What a longer backing file has must not be seen in a disk that becomes longer. */
    how.flags |= amend.has_size ? IMG_OPEN_RESIZE : IMG_OPEN_NO_BACKING;
    return img_open(&image, &how, &err) && amend_image(&image, &amend, &err) ? IMG_OK
                                                                             : img_fail(err);
}

static const ImgOption options[] = {
    IMG_OPTION('o', NULL, IMG_LIST, "KEY=VALUE,...", options,
               "what is to change; -o help lists the keys"),
    IMG_OPTION_FORMAT,
    IMG_OPTION_CACHE,
    IMG_OPTION_PROGRESS,
    IMG_OPTION_QUIET,
    IMG_OPTION(0, "force", IMG_FLAG, NULL, unsafe, "nothing is done about it"),
    IMG_OPTION_IMAGE_OPTS,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_amend = {
    "amend", "FILE", "Change options of a qcow2 image", options, 1, 1, false, run,
};
