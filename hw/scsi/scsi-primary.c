/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that every unit has (SPC-4, chapter 6). */
#include <string.h>

#include "hw/scsi/scsi.h"
#include "util/bytes.h"

#define INQUIRY_BYTES 36
#define NOT_THERE     0x7f /* qualifier and type of a unit that is none */
/* Byte 1 of a CDB had the LUN there, until SCSI-3. Who does not yet know what a unit is, as Linux
 * before its first INQUIRY, writes it. */
#define OLD_LUN 0xe0

/* @text, or @otherwise if it is NULL, followed by spaces. */
static void put_text(uint8_t *to, size_t size, const char *text, const char *otherwise)
{
    text = text ? text : otherwise;
    memset(to, ' ', size);
    memcpy(to, text, MIN(strlen(text), size));
}

bool scsi_inquiry(ScsiRequest *r)
{
    const ScsiUnit *unit = r->unit;
    uint8_t data[INQUIRY_BYTES] = { unit->kind->device_type };
    uint16_t asked = bytes_get_be16(r->cdb + 3);

    if (r->cdb[1] & 1) {
        return scsi_vpd(r, r->cdb[2], asked);
    }
    if (r->cdb[1] & ~OLD_LUN || r->cdb[2]) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    if (r->absent) {
        data[0] = NOT_THERE;
    }
    data[1] = unit->removable ? 0x80 : 0;
    data[2] = unit->kind->version;
    data[3] = 0x12; /* the LUNs' format is SAM's, this data's the present one */
    data[4] = INQUIRY_BYTES - 5;
    data[7] = 0x02; /* commands are queued */
    put_text(data + 8, 8, unit->vendor, "QEMU");
    put_text(data + 16, 16, unit->product, unit->kind->product);
    put_text(data + 32, 4, unit->version, "2.5+");
    return scsi_answer(r, data, sizeof(data), asked);
}

bool scsi_request_sense(ScsiRequest *r)
{
    ScsiUnit *unit = r->unit;
    ScsiSense sense = SCSI_SENSE(unit->sense[0], unit->sense[1], unit->sense[2]);
    uint8_t data[SCSI_SENSE_BYTES];

    if (r->cdb[1] & ~OLD_LUN) { /* descriptor format */
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    if (r->absent) {
        sense = SCSI_SENSE_LUN_NOT_SUPPORTED;
    } else if (!sense.key) {
        scsi_take_attention(unit, &sense);
    }
    memset(unit->sense, 0, sizeof(unit->sense));
    scsi_sense_data(sense, data);
    return scsi_answer(r, data, sizeof(data), r->cdb[4]);
}

bool scsi_report_luns(ScsiRequest *r)
{
    enum { ALL_LUNS = 2, WELL_KNOWN = 1 };
    static const uint8_t lun0[8];
    g_autoptr(GByteArray) list = g_byte_array_new();
    uint32_t asked = bytes_get_be32(r->cdb + 6);
    uint8_t header[8] = { 0 };

    if (r->cdb[2] > ALL_LUNS || asked < 16) {
        return scsi_fail(r, SCSI_SENSE_INVALID_FIELD);
    }
    g_byte_array_append(list, header, sizeof(header));
    if (r->cdb[2] != WELL_KNOWN && r->unit->luns) {
        r->unit->luns(r->unit->opaque, list);
    } else if (r->cdb[2] != WELL_KNOWN) {
        g_byte_array_append(list, lun0, sizeof(lun0));
    }
    bytes_put_be(list->data, list->len - sizeof(header), 4);
    r->unit->attention &= ~(uint32_t)SCSI_ATTENTION_LUNS;
    return scsi_answer(r, list->data, list->len, asked);
}
