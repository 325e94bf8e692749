/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/img/new-image.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tools/img/open.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/parse.h"

typedef struct NewOption {
    const char *name, *value, *doc;
    bool raw; /* raw images have it, too */
    bool (*set)(ImgNew *image, const char *name, const char *text, GError **errp);
    const char *refused; /* why it cannot be; NULL: it can */
} NewOption;

/* ---- what they set ---- */

static bool bad(const char *name, const char *text, const char *right, GError **errp)
{
    error_set(errp, "%s=%s is not possible: use %s", name, text, right);
    return false;
}

static bool set_backing(ImgNew *image, const char *name, const char *text, GError **errp)
{
    g_free(image->backing);
    image->backing = g_strdup(text);
    return true;
}

static bool set_backing_format(ImgNew *image, const char *name, const char *text, GError **errp)
{
    g_free(image->backing_format);
    image->backing_format = g_strdup(text);
    return true;
}

static bool set_cluster_size(ImgNew *image, const char *name, const char *text, GError **errp)
{
    return img_parse_size(name, text, &image->qcow2.cluster_size, errp);
}

static bool set_compat(ImgNew *image, const char *name, const char *text, GError **errp)
{
    bool two = !strcmp(text, "0.10") || !strcmp(text, "v2");

    image->qcow2.version = two ? 2 : 3;
    image->has_compat = true;
    return two || !strcmp(text, "1.1") || !strcmp(text, "v3") ||
           bad(name, text, "0.10 or 1.1", errp);
}

static bool set_compression(ImgNew *image, const char *name, const char *text, GError **errp)
{
    image->qcow2.zstd = strcmp(text, "zstd") == 0;
    return image->qcow2.zstd || !strcmp(text, "zlib") || bad(name, text, "zlib or zstd", errp);
}

static bool set_lazy(ImgNew *image, const char *name, const char *text, GError **errp)
{
    return parse_bool(text, &image->qcow2.lazy_refcounts) || bad(name, text, "on or off", errp);
}

static bool set_preallocation(ImgNew *image, const char *name, const char *text, GError **errp)
{
    return block_preallocation_parse(text, &image->qcow2.preallocation, errp);
}

static bool set_refcount_bits(ImgNew *image, const char *name, const char *text, GError **errp)
{
    uint64_t bits;

    if (!parse_uint(text, 64, &bits)) {
        return bad(name, text, "a power of 2, 1 to 64", errp);
    }
    image->qcow2.refcount_bits = (unsigned)bits;
    return true;
}

static bool set_size(ImgNew *image, const char *name, const char *text, GError **errp)
{
    image->has_size = true;
    return img_parse_size(name, text, &image->qcow2.size, errp);
}

/* One that is off anyway. */
static bool set_off(ImgNew *image, const char *name, const char *text, GError **errp)
{
    bool on = true;

    return (parse_bool(text, &on) && !on) || bad(name, text, "off: nothing else is there", errp);
}

static const NewOption new_options[] = {
    { "backing_file", "<str>", "File name of a base image", false, set_backing, NULL },
    { "backing_fmt", "<str>", "Image format of the base image", false, set_backing_format, NULL },
    { "cluster_size", "<size>", "qcow2 cluster size", false, set_cluster_size, NULL },
    { "compat", "<str>", "Version: 0.10 (2) or 1.1 (3)", false, set_compat, NULL },
    { "compression_type", "<str>", "How clusters are compressed: zlib or zstd", false,
      set_compression, NULL },
    { "data_file", "<str>", NULL, false, NULL,
      "a guest's data is in the image itself: no external file is read or written here" },
    { "data_file_raw", "<bool (on/off)>", NULL, false, NULL, "there is no external data file" },
    { "encryption", "<bool (on/off)>", NULL, false, set_off, NULL },
    { "extended_l2", "<bool (on/off)>", NULL, false, set_off, NULL },
    { "lazy_refcounts", "<bool (on/off)>", "Write late how often clusters are used", false,
      set_lazy, NULL },
    { "nocow", "<bool (on/off)>", NULL, true, set_off, NULL },
    { "preallocation", "<str>", "What takes place at once: off, metadata, falloc, full", true,
      set_preallocation, NULL },
    { "refcount_bits", "<num>", "Width of a reference count entry in bits", false,
      set_refcount_bits, NULL },
    { "size", "<size>", "Virtual disk size", true, set_size, NULL },
};

static const NewOption *find(const char *name, const char *format, GError **errp)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(new_options); i++) {
        const NewOption *o = &new_options[i];

        if (strcmp(format, "raw") == 0 && !o->raw) {
            continue;
        }
        if (strcmp(name, o->name) == 0) {
            return o;
        }
        g_string_append_printf(names, "%s%s", o->doc ? names->len ? ", " : "" : "",
                               o->doc ? o->name : "");
    }
    if (g_str_has_prefix(name, "encrypt.")) {
        error_set(errp, "%s is refused: images are not encrypted here", name);
    } else {
        error_set(errp, "images of format %s have no option '%s': there are %s", format, name,
                  names->str);
    }
    return NULL;
}

/* ---- parsing ---- */

static bool set(ImgNew *image, const char *name, const char *text, GError **errp)
{
    const NewOption *o = find(name, image->format, errp);

    if (o && o->refused) {
        error_set(errp, "%s is refused: %s", name, o->refused);
        return false;
    }
    return o && o->set(image, name, text, errp);
}

/* "encrypt.format" is an object within the options. */
static bool take(ImgNew *image, struct json_object *json, GError **errp)
{
    json_object_object_foreach(json, key, value)
    {
        g_autofree char *name =
            g_strconcat(key, json_object_is_type(value, json_type_string) ? "" : ".", NULL);

        if (!set(image, name, json_object_get_string(value), errp)) {
            return false;
        }
    }
    return true;
}

bool img_new_parse(ImgNew *image, const char *format, const GPtrArray *options, GError **errp)
{
    *image = (ImgNew){ .format = format ? format : "raw", .qcow2 = { BLOCK_QCOW2_DEFAULTS } };
    if (strcmp(image->format, "raw") != 0 && strcmp(image->format, "qcow2") != 0) {
        error_set(errp, "no image of format '%s' can be made: raw and qcow2 can", image->format);
        return false;
    }
    for (unsigned i = 0; options && i < options->len; i++) {
        struct json_object *json = keyval_parse(options->pdata[i], NULL, errp);
        bool ok = json && take(image, json, errp);

        json_object_put(json);
        if (!ok) {
            return false;
        }
    }
    return true;
}

void img_new_clear(ImgNew *image)
{
    g_clear_pointer(&image->backing, g_free);
    g_clear_pointer(&image->backing_format, g_free);
}

bool img_new_help(const char *format, const GPtrArray *options)
{
    bool wanted = false;

    for (unsigned i = 0; options && i < options->len; i++) {
        wanted |= !strcmp(options->pdata[i], "help") || !strcmp(options->pdata[i], "?");
    }
    if (wanted) {
        format = format ? format : "raw";
        printf("Supported %s options:\n", format);
        for (unsigned i = 0; i < G_N_ELEMENTS(new_options); i++) {
            const NewOption *o = &new_options[i];

            if (o->doc && (o->raw || strcmp(format, "raw") != 0)) {
                g_autofree char *left = g_strdup_printf("%s=%s", o->name, o->value);

                printf("  %-22s - %s\n", left, o->doc);
            }
        }
    }
    return wanted;
}

/* ---- making ---- */

bool img_new_create(const ImgNew *image, const char *name, GError **errp)
{
    BlockQcow2Create create = image->qcow2;

    create.size += (BLOCK_SECTOR - create.size % BLOCK_SECTOR) % BLOCK_SECTOR;
    if (strcmp(image->format, "raw") == 0) {
        return block_create_raw(name, create.size, create.preallocation, NULL, errp);
    }
    create.backing = image->backing;
    create.backing_format = image->backing_format;
    return block_create_qcow2(name, &create, errp);
}

bool img_new_is_zero(const char *name)
{
    struct stat st;

    return stat(name, &st) == 0 && S_ISREG(st.st_mode);
}

char *img_new_describe(const ImgNew *image, const char *name)
{
    GString *out = g_string_new(NULL);
    const BlockQcow2Create *c = &image->qcow2;
    bool qcow2 = strcmp(image->format, "qcow2") == 0;
    g_autofree char *preallocation =
        c->preallocation
            ? g_strconcat(" preallocation=", block_preallocation_names[c->preallocation], NULL)
            : g_strdup("");

    g_string_append_printf(out, "Formatting '%s', fmt=%s", name, image->format);
    if (!qcow2) {
        g_string_append_printf(out, " size=%" PRIu64 "%s", c->size, preallocation);
        return g_string_free(out, FALSE);
    }
    g_string_append_printf(
        out, " cluster_size=%" PRIu64 " extended_l2=off%s compression_type=%s size=%" PRIu64,
        c->cluster_size, preallocation, c->zstd ? "zstd" : "zlib", c->size);
    if (image->has_compat) {
        g_string_append_printf(out, " compat=%s", c->version == 2 ? "0.10" : "1.1");
    }
    if (image->backing) {
        g_string_append_printf(out, " backing_file=%s backing_fmt=%s", image->backing,
                               image->backing_format);
    }
    g_string_append_printf(out, " lazy_refcounts=%s refcount_bits=%u",
                           c->lazy_refcounts ? "on" : "off", c->refcount_bits);
    return g_string_free(out, FALSE);
}
