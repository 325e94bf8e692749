/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/ospm/ospm-tables.h"

#include <string.h>

#include "util/error.h"

enum {
    BIOS_BASE = 0xe0000,
    BIOS_SIZE = 0x20000,
    RSDP_ALIGN = 16,
    RSDP_SIZE_1 = 20,
    RSDP_SIZE = 36,
    HEADER_SIZE = 36,
    FADT_LEAST = 148, /* up to and with X_DSDT */
    MAX_TABLE = 1 << 20,
};

typedef struct Reader {
    OspmRead *read;
    void *opaque;
} Reader;

static uint64_t get(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)p[i] << (i * 8);
    }
    return value;
}

static uint8_t sum(const uint8_t *p, size_t len)
{
    uint8_t total = 0;

    for (size_t i = 0; i < len; i++) {
        total = (uint8_t)(total + p[i]);
    }
    return total;
}

/* The address of the root pointer, and @copy of it. */
static uint64_t find_rsdp(const Reader *reader, uint8_t copy[RSDP_SIZE], GError **errp)
{
    g_autofree uint8_t *area = g_malloc(BIOS_SIZE);

    reader->read(reader->opaque, BIOS_BASE, area, BIOS_SIZE);
    for (unsigned i = 0; i + RSDP_SIZE <= BIOS_SIZE; i += RSDP_ALIGN) {
        const uint8_t *p = area + i;

        if (memcmp(p, "RSD PTR ", 8) == 0 && sum(p, RSDP_SIZE_1) == 0 && p[15] >= 2 &&
            get(p + 20, 4) == RSDP_SIZE && sum(p, RSDP_SIZE) == 0) {
            memcpy(copy, p, RSDP_SIZE);
            return BIOS_BASE + i;
        }
    }
    error_set(errp, "no RSDP of revision 2 with good checksums from 0x%x to 0x%x", BIOS_BASE,
              BIOS_BASE + BIOS_SIZE - 1);
    return 0;
}

static GByteArray *read_table(const Reader *reader, uint64_t addr, const char *signature,
                              size_t least, GError **errp)
{
    g_autoptr(GByteArray) table = g_byte_array_new();
    uint8_t header[HEADER_SIZE];
    uint64_t length;

    reader->read(reader->opaque, addr, header, sizeof(header));
    length = get(header + 4, 4);
    if (memcmp(header, signature, 4) != 0) {
        error_set(errp, "at 0x%" G_GINT64_MODIFIER "x there is '%.4s' instead of %s", addr,
                  (const char *)header, signature);
        return NULL;
    }
    if (length < least || length > MAX_TABLE) {
        error_set(errp, "%s has %u bytes: it must have from %zu to %u", signature, (unsigned)length,
                  least, MAX_TABLE);
        return NULL;
    }
    g_byte_array_set_size(table, (unsigned)length);
    reader->read(reader->opaque, addr, table->data, length);
    if (sum(table->data, length) != 0) {
        error_set(errp, "the bytes of %s sum to 0x%02x instead of 0", signature,
                  sum(table->data, length));
        return NULL;
    }
    return g_steal_pointer(&table);
}

/* Every table that the XSDT lists must be sound; the FADT is wanted. */
static GByteArray *find_fadt(const Reader *reader, const GByteArray *xsdt, GError **errp)
{
    g_autoptr(GByteArray) fadt = NULL;

    for (unsigned i = HEADER_SIZE; i + 8 <= xsdt->len; i += 8) {
        uint64_t addr = get(xsdt->data + i, 8);
        char signature[5] = "";
        GByteArray *table;

        reader->read(reader->opaque, addr, signature, 4);
        table = read_table(reader, addr, signature, HEADER_SIZE, errp);
        if (!table) {
            return NULL;
        }
        if (strcmp(signature, "FACP") == 0 && !fadt) {
            fadt = table;
        } else {
            g_byte_array_unref(table);
        }
    }
    if (!fadt || fadt->len < FADT_LEAST) {
        error_set(errp, "the XSDT lists no FADT of %u bytes or more", FADT_LEAST);
        return NULL;
    }
    return g_steal_pointer(&fadt);
}

static void parse_fadt(OspmTables *tables, const uint8_t *fadt)
{
    tables->sci = (uint16_t)get(fadt + 46, 2);
    tables->smi_cmd = (uint16_t)get(fadt + 48, 4);
    tables->acpi_enable = fadt[52];
    tables->acpi_disable = fadt[53];
    tables->pm1_evt = (uint16_t)get(fadt + 56, 4);
    tables->pm1_cnt = (uint16_t)get(fadt + 64, 4);
    tables->gpe0 = (uint16_t)get(fadt + 80, 4);
    tables->pm1_evt_len = fadt[88];
    tables->gpe0_len = fadt[92];
}

OspmTables *ospm_tables_find(OspmRead *read, void *opaque, GError **errp)
{
    Reader reader = { read, opaque };
    g_autoptr(OspmTables) tables = g_new0(OspmTables, 1);
    g_autoptr(GByteArray) xsdt = NULL;
    g_autoptr(GByteArray) fadt = NULL;
    uint8_t rsdp[RSDP_SIZE];
    uint64_t dsdt;

    tables->rsdp = find_rsdp(&reader, rsdp, errp);
    if (!tables->rsdp ||
        !(xsdt = read_table(&reader, get(rsdp + 24, 8), "XSDT", HEADER_SIZE, errp)) ||
        !(fadt = find_fadt(&reader, xsdt, errp))) {
        return NULL;
    }
    parse_fadt(tables, fadt->data);
    dsdt = get(fadt->data + 140, 8);
    if (get(fadt->data + 40, 4) && get(fadt->data + 40, 4) != dsdt) {
        error_set(errp, "the FADT's DSDT and X_DSDT differ");
        return NULL;
    }
    tables->dsdt = read_table(&reader, dsdt, "DSDT", HEADER_SIZE, errp);
    return tables->dsdt ? g_steal_pointer(&tables) : NULL;
}

void ospm_tables_free(OspmTables *tables)
{
    if (tables) {
        g_clear_pointer(&tables->dsdt, g_byte_array_unref);
        g_free(tables);
    }
}
