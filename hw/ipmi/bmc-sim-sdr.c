/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sensor records, SDR (chapters 33, 43), which cannot be changed, and the inventory, FRU (34). */
#include <string.h>

#include "hw/ipmi/bmc-sim.h"
#include "util/error.h"
#include "util/file-read.h"

enum { SDR_HEADER = 5, SDR_LENGTH = 4, SDR_MOST = 64 * 1024 };
enum { SDR_VERSION = 0x51, CAN_RESERVE = 0x02 };
enum { FIRST = 0x0000, LAST = 0xffff };

/* The watchdog's: a compact record (section 43.2). */
static const uint8_t watchdog_record[] = {
    0x01, 0x00, SDR_VERSION, 0x02, 0x23,       /* number, version, compact, bytes that follow */
    0x20, 0x00, 0x00,                          /* whose sensor, and which */
    0x23, 0x01,                                /* entity: system management software */
    0x63, 0x00,                                /* it is initialized; what it can */
    0x23, 0x6f,                                /* watchdog 2, of its own kind */
    0x0f, 0x01, 0x00,        0x00, 0x0f, 0x01, /* events: assertions, deassertions, readings */
    0xc0, 0x00, 0x00,                          /* no analog reading */
    0x00, 0x00, 0x00,        0x00,             /* sharing, hysteresis */
    0x00, 0x00, 0x00,        0x00,             /* reserved, OEM */
    0xc8, 'W',  'a',         't',  'c',  'h',  'd', 'o', 'g',
};
G_STATIC_ASSERT(sizeof(watchdog_record) == SDR_HEADER + 0x23);

/* The size of the record at @at, 0: it is not a whole one. */
static unsigned record_size(const GByteArray *sdr, unsigned at)
{
    unsigned left = sdr->len - at;

    if (left < SDR_HEADER || left < SDR_HEADER + (unsigned)sdr->data[at + SDR_LENGTH]) {
        return 0;
    }
    return SDR_HEADER + sdr->data[at + SDR_LENGTH];
}

static bool check_records(const IpmiSim *s, GError **errp)
{
    for (unsigned at = 0, size; at < s->sdr->len; at += size) {
        size = record_size(s->sdr, at);
        if (!size) {
            error_set(errp,
                      "'sdrfile' %s: at byte %u there is no whole sensor record, which has a "
                      "header of 5 bytes that ends with the number of those that follow",
                      s->sdr_file, at);
            return false;
        }
    }
    return true;
}

bool sim_sdr_load(IpmiSim *s, GError **errp)
{
    g_autofree char *data = NULL;
    gsize len;

    s->sdr = g_byte_array_new();
    if (!s->sdr_file) {
        g_byte_array_append(s->sdr, watchdog_record, sizeof(watchdog_record));
        s->sdr->data[SDR_HEADER] = s->parent.address;
        return check_records(s, errp);
    }
    if (file_read(s->sdr_file, FILE_READ_SMALL, &data, &len, errp)) {
        if (len > SDR_MOST) {
            error_set(errp, "'sdrfile' %s has %zu bytes; a repository has %d at most", s->sdr_file,
                      (size_t)len, SDR_MOST);
        } else {
            g_byte_array_append(s->sdr, (const guint8 *)data, (guint)len);
            if (check_records(s, errp)) {
                return true;
            }
        }
    }
    g_clear_pointer(&s->sdr, g_byte_array_unref);
    return false;
}

bool sim_fru_load(IpmiSim *s, GError **errp)
{
    g_autofree char *data = NULL;
    gsize len = 0;

    if (s->fru_file && !file_read(s->fru_file, FILE_READ_SMALL, &data, &len, errp)) {
        return false;
    }
    if (len > s->fru_size) {
        error_set(errp, "'frudatafile' %s has %zu bytes; 'fruareasize' is %u", s->fru_file,
                  (size_t)len, s->fru_size);
        return false;
    }
    s->fru = g_malloc0(MAX(s->fru_size, 1u));
    if (len) {
        memcpy(s->fru, data, len);
    }
    return true;
}

/* ---- sensor records ---- */

static uint8_t get_info(IpmiSim *s, SimCall *call)
{
    unsigned count = 0;

    for (unsigned at = 0; at < s->sdr->len; at += record_size(s->sdr, at)) {
        count++;
    }
    sim_put(call, SDR_VERSION, 1);
    sim_put(call, count, 2);
    sim_put(call, 0, 2); /* free: it cannot be changed */
    sim_put(call, 0, 8); /* when it was */
    sim_put(call, CAN_RESERVE, 1);
    return IPMI_OK;
}

static uint8_t reserve(IpmiSim *s, SimCall *call)
{
    s->sdr_reservation = s->sdr_reservation == UINT16_MAX ? 1 : s->sdr_reservation + 1;
    sim_put(call, s->sdr_reservation, 2);
    return IPMI_OK;
}

/* Where the record @id is; the end: there is none. */
static unsigned find(const IpmiSim *s, uint16_t id)
{
    unsigned at = 0, size;

    for (; at < s->sdr->len; at += size) {
        size = record_size(s->sdr, at);
        if (id == FIRST || sim_u16(s->sdr->data + at) == id ||
            (id == LAST && at + size == s->sdr->len)) {
            break;
        }
    }
    return at;
}

static uint8_t get_record(IpmiSim *s, SimCall *call)
{
    enum { WHOLE = 0xff, MOST = IPMI_MESSAGE_MAX - IPMI_CODE - 1 - 2 };
    unsigned at = find(s, sim_u16(call->data + 2)), offset = call->data[4], size, len;

    if (offset && !sim_reserved(call, s->sdr_reservation)) {
        return IPMI_RESERVATION;
    }
    if (at >= s->sdr->len) {
        return IPMI_NOT_PRESENT;
    }
    size = record_size(s->sdr, at);
    if (offset >= size) {
        return IPMI_RANGE;
    }
    len = call->data[5] == WHOLE ? size - offset : MIN(call->data[5], size - offset);
    if (len > MOST) {
        return IPMI_LENGTH_LIMIT;
    }
    sim_put(call, at + size < s->sdr->len ? sim_u16(s->sdr->data + at + size) : LAST, 2);
    sim_put_bytes(call, s->sdr->data + at + offset, len);
    return IPMI_OK;
}

/* ---- inventory ---- */

static uint8_t fru_info(IpmiSim *s, SimCall *call)
{
    if (call->data[0] != 0) {
        return IPMI_NOT_PRESENT;
    }
    sim_put(call, s->fru_size, 2);
    sim_put(call, 0, 1); /* by bytes */
    return IPMI_OK;
}

static uint8_t fru_read(IpmiSim *s, SimCall *call)
{
    enum { MOST = IPMI_MESSAGE_MAX - IPMI_CODE - 1 - 1 };
    unsigned offset = sim_u16(call->data + 1), len = call->data[3];

    if (call->data[0] != 0) {
        return IPMI_NOT_PRESENT;
    }
    if (offset >= s->fru_size) {
        return IPMI_RANGE;
    }
    len = MIN(MIN(len, s->fru_size - offset), MOST);
    sim_put(call, len, 1);
    sim_put_bytes(call, s->fru + offset, len);
    return IPMI_OK;
}

static uint8_t fru_write(IpmiSim *s, SimCall *call)
{
    unsigned offset = sim_u16(call->data + 1), len = call->len - 3;

    if (call->data[0] != 0) {
        return IPMI_NOT_PRESENT;
    }
    if (offset >= s->fru_size || len > s->fru_size - offset) {
        return IPMI_RANGE;
    }
    memcpy(s->fru + offset, call->data + 3, len);
    sim_put(call, len, 1);
    return IPMI_OK;
}

const SimCommand sim_sdr_commands[] = {
    { 0x10, 1, fru_info },
    { 0x11, 4, fru_read },
    { 0x12, 3, fru_write },
    { 0x20, 0, get_info },
    { 0x22, 0, reserve },
    { 0x23, 6, get_record },
    {},
};
