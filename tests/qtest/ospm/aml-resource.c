/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/ospm/aml-resource.h"

#include <string.h>

#include "util/error.h"

typedef struct Descriptor {
    const uint8_t *body; /* after tag and length */
    size_t len;
    uint8_t tag; /* small: without the length bits */
} Descriptor;

static uint64_t get(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)p[i] << (i * 8);
    }
    return value;
}

static bool parse_irq(const Descriptor *d, AmlResource *out, GError **errp)
{
    *out = (AmlResource){ AML_RESOURCE_IRQ, get(d->body, 2), 1, false };
    return true;
}

static bool parse_io(const Descriptor *d, AmlResource *out, GError **errp)
{
    uint64_t min = get(d->body + 1, 2), max = get(d->body + 3, 2);

    if (min != max) {
        error_set(errp, "an I/O range from 0x%x to 0x%x: a device in use has one place",
                  (unsigned)min, (unsigned)max);
        return false;
    }
    *out = (AmlResource){ AML_RESOURCE_IO, min, d->body[6], false };
    return true;
}

/* Word, dword and qword address space descriptors: fields of @size bytes. */
static bool parse_space(const Descriptor *d, unsigned size, AmlResource *out, GError **errp)
{
    static const AmlResourceKind kinds[] = { AML_RESOURCE_MEMORY, AML_RESOURCE_IO,
                                             AML_RESOURCE_BUS };
    const uint8_t *p = d->body + 3;
    uint64_t granularity = get(p, size), min = get(p + size, size), max = get(p + 2 * size, size);
    uint64_t length = get(p + 4 * size, size);

    if (d->body[0] >= G_N_ELEMENTS(kinds)) {
        error_set(errp, "address space %u: memory, I/O and bus numbers (0 to 2) are known",
                  d->body[0]);
        return false;
    }
    if (granularity != 0 || max - min + 1 != length || (length && max < min)) {
        error_set(errp,
                  "a range from 0x%" G_GINT64_MODIFIER "x to 0x%" G_GINT64_MODIFIER
                  "x of 0x%" G_GINT64_MODIFIER "x bytes contradicts itself",
                  min, max, length);
        return false;
    }
    *out = (AmlResource){ kinds[d->body[0]], min, length, d->body[2] & 1 };
    return true;
}

static bool parse_word(const Descriptor *d, AmlResource *out, GError **errp)
{
    return parse_space(d, 2, out, errp);
}

static bool parse_dword(const Descriptor *d, AmlResource *out, GError **errp)
{
    return parse_space(d, 4, out, errp);
}

static bool parse_qword(const Descriptor *d, AmlResource *out, GError **errp)
{
    return parse_space(d, 8, out, errp);
}

/* memory32fixed */
static bool parse_memory32(const Descriptor *d, AmlResource *out, GError **errp)
{
    *out = (AmlResource){ AML_RESOURCE_MEMORY, get(d->body + 1, 4), get(d->body + 5, 4),
                          d->body[0] & 1 };
    return true;
}

static const struct {
    uint8_t tag;
    uint8_t least; /* bytes of the body */
    bool (*parse)(const Descriptor *d, AmlResource *out, GError **errp);
} kinds[] = {
    { 0x20, 2, parse_irq },    { 0x40, 7, parse_io },     { 0x88, 13, parse_word },
    { 0x87, 23, parse_dword }, { 0x8a, 43, parse_qword }, { 0x86, 9, parse_memory32 },
};
enum { END_TAG = 0x78 };

static bool next_descriptor(const AmlObject *template, size_t *pos, Descriptor *d, GError **errp)
{
    const uint8_t *p = template->bytes.data + *pos;
    size_t left = template->bytes.len - *pos;
    size_t head = left && (p[0] & 0x80) ? 3 : 1;

    if (left < head) {
        error_set(errp, "the template ends at byte %zu without an end tag", *pos);
        return false;
    }
    d->tag = head == 3 ? p[0] : p[0] & 0x78;
    d->len = head == 3 ? get(p + 1, 2) : p[0] & 7;
    d->body = p + head;
    if (d->len > left - head) {
        error_set(errp, "descriptor 0x%02x at byte %zu is longer than the template", p[0], *pos);
        return false;
    }
    *pos += head + d->len;
    return true;
}

static bool check_end(const AmlObject *template, size_t pos, GError **errp)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < template->bytes.len; i++) {
        sum += template->bytes.data[i];
    }
    if (pos != template->bytes.len) {
        error_set(errp, "%zu bytes follow the end tag", template->bytes.len - pos);
        return false;
    }
    if (sum != 0 && template->bytes.data[pos - 1] != 0) { /* 0: no checksum is kept */
        error_set(errp, "the template's bytes sum to 0x%02x instead of 0", sum);
        return false;
    }
    return true;
}

static bool parse_one(const Descriptor *d, AmlResource *out, GError **errp)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i].tag == d->tag && d->len >= kinds[i].least) {
            return kinds[i].parse(d, out, errp);
        }
    }
    error_set(errp, "descriptor 0x%02x of %zu bytes is not known", d->tag, d->len);
    return false;
}

GArray *aml_resources_parse(const AmlObject *template, GError **errp)
{
    g_autoptr(GArray) list = g_array_new(FALSE, FALSE, sizeof(AmlResource));
    size_t pos = 0;
    Descriptor d;

    if (template->type != AML_BUFFER) {
        error_set(errp, "resources are %s instead of a Buffer", aml_object_type_name(template));
        return NULL;
    }
    for (;;) {
        AmlResource resource;

        if (!next_descriptor(template, &pos, &d, errp)) {
            return NULL;
        }
        if (d.tag == END_TAG) {
            return check_end(template, pos, errp) ? g_steal_pointer(&list) : NULL;
        }
        if (!parse_one(&d, &resource, errp)) {
            return NULL;
        }
        g_array_append_val(list, resource);
    }
}
