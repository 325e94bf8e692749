/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Vital product data (SPC-4, 7.8; SBC-3, 6.6). */
#include <string.h>

#include "hw/scsi/scsi.h"
#include "util/bytes.h"

#define TYPE_DISK 0

/* What follows the page's header of four bytes; false: the unit has no such page. */
typedef bool VpdFn(const ScsiUnit *unit, GByteArray *out);

typedef struct VpdPage {
    uint8_t page;
    VpdFn *fill;
} VpdPage;

static void append_be(GByteArray *out, uint64_t value, unsigned size)
{
    uint8_t bytes[8];

    bytes_put_be(bytes, value, size);
    g_byte_array_append(out, bytes, size);
}

static bool fill_pages(const ScsiUnit *unit, GByteArray *out);

static bool fill_serial(const ScsiUnit *unit, GByteArray *out)
{
    const char *serial = unit->conf->serial;

    if (!serial) {
        return false;
    }
    g_byte_array_append(out, (const uint8_t *)serial, (guint)strlen(serial));
    return true;
}

/* A designator of @kind (SPC-4, 7.8.6.1). */
static void designate(GByteArray *out, uint8_t code_set, uint8_t kind, const void *data,
                      uint8_t len)
{
    const uint8_t header[4] = { code_set, kind, 0, len };

    g_byte_array_append(out, header, sizeof(header));
    g_byte_array_append(out, data, len);
}

static bool fill_ids(const ScsiUnit *unit, GByteArray *out)
{
    enum { BINARY = 1, ASCII = 2, NAA = 3, PORT = 0x10, RELATIVE_PORT = PORT | 4, PORT_INDEX = 4 };
    const char *id = unit->device_id ? unit->device_id : unit->conf->serial;
    uint8_t number[8];

    id = id ? id : unit->conf->backend->name;
    if (id) {
        designate(out, ASCII, 0, id, (uint8_t)MIN(strlen(id), 255 - 8));
    }
    if (unit->wwn) {
        bytes_put_be(number, unit->wwn, 8);
        designate(out, BINARY, NAA, number, 8);
    }
    if (unit->port_wwn) {
        bytes_put_be(number, unit->port_wwn, 8);
        designate(out, BINARY, PORT | NAA, number, 8);
    }
    if (unit->port_index) {
        bytes_put_be(number, unit->port_index, PORT_INDEX);
        designate(out, BINARY, RELATIVE_PORT, number, PORT_INDEX);
    }
    return true;
}

static uint32_t blocks_of(const ScsiUnit *unit, uint64_t bytes)
{
    return (uint32_t)MIN(bytes / unit->conf->logical, UINT32_MAX);
}

static bool is_disk(const ScsiUnit *unit)
{
    return unit->kind->device_type == TYPE_DISK;
}

/* Block limits. */
static bool fill_limits(const ScsiUnit *unit, GByteArray *out)
{
    uint32_t granularity = blocks_of(unit, block_conf_granularity(unit->conf));

    if (!is_disk(unit)) {
        return false;
    }
    append_be(out, 0x01, 1); /* WRITE SAME says how many blocks */
    append_be(out, 0, 1);
    append_be(out, MIN(blocks_of(unit, unit->conf->min_io), UINT16_MAX), 2);
    append_be(out, blocks_of(unit, unit->max_io), 4);
    append_be(out, blocks_of(unit, unit->conf->opt_io), 4);
    append_be(out, 0, 4);
    append_be(out, blocks_of(unit, unit->max_unmap), 4);
    append_be(out, SCSI_MAX_UNMAP_RANGES, 4);
    append_be(out, granularity, 4);
    append_be(out, 0, 4);
    append_be(out, blocks_of(unit, unit->max_io), 8); /* of WRITE SAME */
    g_byte_array_set_size(out, 60);
    memset(out->data + 40, 0, 20);
    return true;
}

/* Block device characteristics. */
static bool fill_characteristics(const ScsiUnit *unit, GByteArray *out)
{
    if (!is_disk(unit)) {
        return false;
    }
    g_byte_array_set_size(out, 60);
    memset(out->data, 0, out->len);
    bytes_put_be(out->data, unit->rotation_rate, 2);
    return true;
}

/* Logical block provisioning. */
static bool fill_provisioning(const ScsiUnit *unit, GByteArray *out)
{
    enum { UNMAP_AND_WRITE_SAME = 0xe0, THIN = 2 };

    if (!is_disk(unit)) {
        return false;
    }
    append_be(out, 0, 1);
    append_be(out, UNMAP_AND_WRITE_SAME, 1);
    append_be(out, THIN, 1);
    append_be(out, 0, 1);
    return true;
}

static const VpdPage pages[] = {
    { 0x00, fill_pages },  { 0x80, fill_serial },          { 0x83, fill_ids },
    { 0xb0, fill_limits }, { 0xb1, fill_characteristics }, { 0xb2, fill_provisioning },
};

static bool fill_pages(const ScsiUnit *unit, GByteArray *out)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(pages); i++) {
        g_autoptr(GByteArray) page = g_byte_array_new();

        if (!pages[i].page || pages[i].fill(unit, page)) {
            append_be(out, pages[i].page, 1);
        }
    }
    return true;
}

bool scsi_vpd(ScsiRequest *r, uint8_t page, uint16_t asked)
{
    g_autoptr(GByteArray) out = g_byte_array_new(), body = g_byte_array_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(pages); i++) {
        if (pages[i].page == page && pages[i].fill(r->unit, body)) {
            append_be(out, r->unit->kind->device_type, 1);
            append_be(out, page, 1);
            append_be(out, body->len, 2);
            g_byte_array_append(out, body->data, body->len);
            return scsi_answer(r, out->data, out->len, asked);
        }
    }
    return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
}
