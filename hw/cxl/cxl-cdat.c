/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cxl/cxl-cdat.h"

#include "util/error.h"
#include "util/file-read.h"
#include "util/units.h"

enum {
    CDAT_HEADER = 16,
    CDAT_REVISION = 4,
    CDAT_CHECKSUM = 5,
    CDAT_SEQUENCE = 12,
    CDAT_LENGTH_AT = 2, /* of a structure */
    CDAT_STRUCTURE = 4, /* its type, a reserved byte, length */

    DSMAS = 0,
    DSLBIS = 1,
    DSEMTS = 4,
    SSLBIS = 5,
    DSMAS_NON_VOLATILE = 1 << 2,

    READ_LATENCY = 1,
    WRITE_LATENCY = 2,
    READ_BANDWIDTH = 4,
    WRITE_BANDWIDTH = 5,

    EFI_RESERVED = 2, /* what DSEMTS says of memory types: volatile is special purpose */
    EFI_SPECIAL = 1,

    LATENCY_UNIT_PS = 10000,
    BANDWIDTH_UNIT_MBS = 1000,
    MEMORY_LATENCY = 15, /* 150 ns */
    PMEM_WRITE_LATENCY = 25,
    MEMORY_BANDWIDTH = 16, /* 16 GB/s */
    SWITCH_LATENCY_PS = 500,
    SWITCH_BANDWIDTH_MBS = 16000,
    SWITCH_ANY_PORT = 0xffff,
    SWITCH_UPSTREAM = 0x0100,
};
#define CDAT_MAX (64 * KIB)

static void put(GByteArray *a, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        uint8_t byte = i < sizeof(value) ? (uint8_t)(value >> (8 * i)) : 0;

        g_byte_array_append(a, &byte, 1);
    }
}

static GByteArray *begin(uint8_t type)
{
    GByteArray *a = g_byte_array_new();

    put(a, type, 4);
    return a;
}

static void end(GPtrArray *table, GByteArray *a)
{
    a->data[CDAT_LENGTH_AT] = (uint8_t)a->len;
    a->data[CDAT_LENGTH_AT + 1] = (uint8_t)(a->len >> 8);
    g_ptr_array_add(table, g_byte_array_free_to_bytes(a));
}

static GPtrArray *new_table(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
}

/* The header before what is there, which then sums to zero. */
static GPtrArray *finish(GPtrArray *table)
{
    GByteArray *header = g_byte_array_new();
    uint32_t length = CDAT_HEADER;
    uint8_t sum = 0;

    for (unsigned i = 0; i < table->len; i++) {
        gsize size;
        const uint8_t *data = g_bytes_get_data(table->pdata[i], &size);

        length += (uint32_t)size;
        for (gsize n = 0; n < size; n++) {
            sum += data[n];
        }
    }
    put(header, length, 4);
    put(header, 1, 1); /* revision */
    put(header, 0, CDAT_HEADER - 5);
    for (unsigned n = 0; n < CDAT_HEADER; n++) {
        sum += header->data[n];
    }
    header->data[CDAT_CHECKSUM] = -sum;
    g_ptr_array_insert(table, 0, g_byte_array_free_to_bytes(header));
    return table;
}

/* ---- memory ---- */

static void add_dslbis(GPtrArray *table, uint8_t handle, uint8_t kind, uint64_t unit,
                       uint16_t entry)
{
    GByteArray *a = begin(DSLBIS);

    put(a, handle, 1);
    put(a, 0, 1); /* flags: memory */
    put(a, kind, 1);
    put(a, 0, 1);
    put(a, unit, 8);
    put(a, entry, 2);
    put(a, 0, 6);
    end(table, a);
}

static void add_range(GPtrArray *table, uint8_t handle, uint64_t base, uint64_t size, bool lasts)
{
    GByteArray *a;

    if (!size) {
        return;
    }
    a = begin(DSMAS);
    put(a, handle, 1);
    put(a, lasts ? DSMAS_NON_VOLATILE : 0, 1);
    put(a, 0, 2);
    put(a, base, 8);
    put(a, size, 8);
    end(table, a);
    add_dslbis(table, handle, READ_LATENCY, LATENCY_UNIT_PS, MEMORY_LATENCY);
    add_dslbis(table, handle, WRITE_LATENCY, LATENCY_UNIT_PS,
               lasts ? PMEM_WRITE_LATENCY : MEMORY_LATENCY);
    add_dslbis(table, handle, READ_BANDWIDTH, BANDWIDTH_UNIT_MBS, MEMORY_BANDWIDTH);
    add_dslbis(table, handle, WRITE_BANDWIDTH, BANDWIDTH_UNIT_MBS, MEMORY_BANDWIDTH);
    a = begin(DSEMTS);
    put(a, handle, 1);
    put(a, lasts ? EFI_RESERVED : EFI_SPECIAL, 1);
    put(a, 0, 2);
    put(a, 0, 8); /* offset from the DSMAS's base */
    put(a, size, 8);
    end(table, a);
}

GPtrArray *cxl_cdat_of_memory(uint64_t volatile_size, uint64_t persistent_size)
{
    GPtrArray *table = new_table();

    add_range(table, 0, 0, volatile_size, false);
    add_range(table, volatile_size ? 1 : 0, volatile_size, persistent_size, true);
    return finish(table);
}

/* ---- switches ---- */

static void add_sslbis(GPtrArray *table, const uint16_t *ports, unsigned count, uint8_t kind,
                       uint64_t unit, uint16_t entry)
{
    GByteArray *a = begin(SSLBIS);

    put(a, kind, 1);
    put(a, 0, 3);
    put(a, unit, 8);
    for (unsigned i = 0; i < count; i++) {
        put(a, SWITCH_UPSTREAM, 2);
        put(a, ports[i], 2);
        put(a, entry, 2);
        put(a, 0, 2);
    }
    for (unsigned i = 0; i < count; i++) { /* from one to all others */
        put(a, ports[i], 2);
        put(a, SWITCH_ANY_PORT, 2);
        put(a, entry, 2);
        put(a, 0, 2);
    }
    end(table, a);
}

GPtrArray *cxl_cdat_of_switch(const uint16_t *ports, unsigned count)
{
    GPtrArray *table = new_table();

    if (count) {
        add_sslbis(table, ports, count, 0, SWITCH_LATENCY_PS, 1);
        add_sslbis(table, ports, count, 3, SWITCH_BANDWIDTH_MBS, 1);
    }
    return finish(table);
}

/* ---- files ---- */

static bool split(const char *file, const uint8_t *data, gsize size, GPtrArray *table,
                  GError **errp)
{
    gsize at = CDAT_HEADER;
    uint8_t sum = 0;

    for (gsize n = 0; n < size; n++) {
        sum += data[n];
    }
    if (size < CDAT_HEADER || size > CDAT_MAX || sum) {
        error_set(errp,
                  "cdat: '%s' of %zu bytes is no CDAT: its header has 16 bytes, it has at most 64 "
                  "KiB, and they sum to 0",
                  file, size);
        return false;
    }
    g_ptr_array_add(table, g_bytes_new(data, CDAT_HEADER));
    while (at < size) {
        gsize length = size - at < CDAT_STRUCTURE ? 0
                                                  : (gsize)data[at + CDAT_LENGTH_AT] |
                                                        (gsize)data[at + CDAT_LENGTH_AT + 1] << 8;

        if (length < CDAT_STRUCTURE || length > size - at || length % 4) {
            error_set(errp,
                      "cdat: the structure at byte %zu of '%s' has %zu bytes: it must be a "
                      "multiple of 4, and end within the file",
                      at, file, length);
            return false;
        }
        g_ptr_array_add(table, g_bytes_new(data + at, length));
        at += length;
    }
    return true;
}

bool cxl_cdat_load(const char *file, GPtrArray **entries, GError **errp)
{
    g_autoptr(GPtrArray) table = new_table();
    g_autofree char *data = NULL;
    gsize size;

    *entries = NULL;
    if (!file || !*file) {
        return true;
    }
    if (!file_read(file, CDAT_MAX, &data, &size, errp)) {
        g_prefix_error(errp, "cdat: ");
        return false;
    }
    if (!split(file, (const uint8_t *)data, size, table, errp)) {
        return false;
    }
    *entries = g_steal_pointer(&table);
    return true;
}
