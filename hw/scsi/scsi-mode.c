/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MODE SENSE and MODE SELECT, of 6 and of 10 bytes (SPC-4, 6.9 to 6.12, 7.5). */
#include <string.h>

#include "hw/scsi/scsi.h"
#include "util/bytes.h"

#define ALL_PAGES  0x3f
#define MAX_PAGE   64 /* bytes of a page */
#define DESCRIPTOR 8  /* bytes of the block descriptor */

static bool is_long(const ScsiRequest *r)
{
    return r->cdb[0] == SCSI_MODE_SENSE_10 || r->cdb[0] == SCSI_MODE_SELECT_10;
}

/* Bytes before the block descriptor. */
static size_t header_bytes(const ScsiRequest *r)
{
    return is_long(r) ? 8 : 4;
}

/* Page @page with its first two bytes; how many bytes. */
static size_t get_page(const ScsiUnit *unit, const ScsiModePage *page, bool changeable,
                       uint8_t *out)
{
    memset(out, 0, MAX_PAGE);
    out[0] = page->page;
    out[1] = page->size;
    page->get(unit, out + 2, changeable);
    return page->size + 2u;
}

static void append_descriptor(const ScsiUnit *unit, GByteArray *out)
{
    uint8_t descriptor[DESCRIPTOR] = { 0 };

    bytes_put_be(descriptor + 1, unit->blocks > 0xffffff ? 0 : unit->blocks, 3);
    bytes_put_be(descriptor + 5, unit->conf->logical, 3);
    g_byte_array_append(out, descriptor, sizeof(descriptor));
}

/* Its lengths, when all is there. */
static void put_header(const ScsiRequest *r, GByteArray *out, bool descriptor)
{
    uint8_t flags = r->unit->kind->mode_flags(r->unit);

    if (is_long(r)) {
        bytes_put_be(out->data, out->len - 2, 2);
        out->data[3] = flags;
        out->data[7] = descriptor ? DESCRIPTOR : 0;
    } else {
        out->data[0] = (uint8_t)(out->len - 1);
        out->data[2] = flags;
        out->data[3] = descriptor ? DESCRIPTOR : 0;
    }
}

bool scsi_mode_sense(ScsiRequest *r)
{
    enum { CHANGEABLE = 1, SAVED = 3, NO_DESCRIPTOR = 0x08, ALL_SUBPAGES = 0xff };
    const ScsiUnit *unit = r->unit;
    uint8_t wanted = r->cdb[2] & 0x3f, control = r->cdb[2] >> 6, page[MAX_PAGE];
    bool descriptor = unit->kind->block_descriptor && !(r->cdb[1] & NO_DESCRIPTOR), found = false;
    g_autoptr(GByteArray) out = g_byte_array_new();

    if (control == SAVED) {
        return scsi_fail(r, SCSI_SENSE_SAVING_NOT_SUPPORTED);
    }
    if (r->cdb[3] && (r->cdb[3] != ALL_SUBPAGES || wanted != ALL_PAGES)) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    g_byte_array_set_size(out, (guint)header_bytes(r));
    memset(out->data, 0, out->len);
    if (descriptor) {
        append_descriptor(unit, out);
    }
    for (const ScsiModePage *p = unit->kind->pages; p->get; p++) {
        if (wanted == p->page || wanted == ALL_PAGES) {
            g_byte_array_append(out, page, (guint)get_page(unit, p, control == CHANGEABLE, page));
            found = true;
        }
    }
    if (!found) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    put_header(r, out, descriptor);
    return scsi_answer(r, out->data, out->len, is_long(r) ? bytes_get_be16(r->cdb + 7) : r->cdb[4]);
}

bool scsi_mode_select(ScsiRequest *r)
{
    enum { MOST = 4096, PAGES_AS_STANDARD = 0x10, SAVE = 0x01 };

    if (!(r->cdb[1] & PAGES_AS_STANDARD) || r->cdb[1] & SAVE) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    return scsi_expect(r, is_long(r) ? bytes_get_be16(r->cdb + 7) : r->cdb[4], MOST);
}

static const ScsiModePage *find_page(const ScsiUnit *unit, uint8_t page)
{
    for (const ScsiModePage *p = unit->kind->pages; p->get; p++) {
        if (p->page == page) {
            return p;
        }
    }
    return NULL;
}

/* May @given, with its first two bytes, be set? */
static bool may_set(const ScsiUnit *unit, const ScsiModePage *page, const uint8_t *given)
{
    uint8_t now[MAX_PAGE], changeable[MAX_PAGE];
    size_t size = get_page(unit, page, false, now);

    get_page(unit, page, true, changeable);
    for (size_t i = 2; i < size; i++) {
        if ((given[i] ^ now[i]) & ~changeable[i]) {
            return false;
        }
    }
    return true;
}

/* All pages in [@p, @p + @left): check them, or set them, which were checked. */
static bool walk_pages(ScsiRequest *r, const uint8_t *p, size_t left, bool set)
{
    while (left) {
        const ScsiModePage *page = left >= 2 ? find_page(r->unit, p[0] & 0x7f) : NULL;

        if (left < 2 || left < p[1] + 2u) {
            return scsi_fail(r, SCSI_SENSE_PARAMETER_LENGTH);
        }
        if (!page || p[1] != page->size || (!set && !may_set(r->unit, page, p))) {
            return scsi_fail(r, SCSI_SENSE_INVALID_PARAMETER);
        }
        if (set && page->set) {
            page->set(r->unit, p + 2);
        }
        left -= page->size + 2u;
        p += page->size + 2u;
    }
    return true;
}

bool scsi_mode_selected(ScsiRequest *r)
{
    const uint8_t *p = r->data->data;
    size_t left = r->data->len, skip = header_bytes(r), descriptor;

    if (!left) {
        return true;
    }
    if (left < skip) {
        return scsi_fail(r, SCSI_SENSE_PARAMETER_LENGTH);
    }
    descriptor = is_long(r) ? bytes_get_be16(p + 6) : p[3];
    if ((descriptor && descriptor != DESCRIPTOR) || left - skip < descriptor) {
        return scsi_fail(r, SCSI_SENSE_PARAMETER_LENGTH);
    }
    if (descriptor && bytes_get_be24(p + skip + 5) != r->unit->conf->logical) {
        return scsi_fail(r, SCSI_SENSE_INVALID_PARAMETER);
    }
    skip += descriptor;
    if (!walk_pages(r, p + skip, left - skip, false)) {
        return false;
    }
    walk_pages(r, p + skip, left - skip, true);
    r->io.op = BLOCK_FLUSH; /* the cache may be off now: what it had goes to the disk */
    r->has_io = true;
    return true;
}
