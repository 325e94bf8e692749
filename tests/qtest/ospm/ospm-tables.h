/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI tables as an operating system finds them in memory: RSDP, XSDT, FADT, DSDT (ACPI 6.4,
 * 5.2). Every signature, length and checksum on the way is verified.
 */
#ifndef TESTS_QTEST_OSPM_OSPM_TABLES_H
#define TESTS_QTEST_OSPM_OSPM_TABLES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef void OspmRead(void *opaque, uint64_t addr, void *buf, size_t size);

/* What the FADT tells; ports. A block of length 0 is not there. */
typedef struct OspmTables {
    uint64_t rsdp;
    uint16_t sci;
    uint16_t smi_cmd;
    uint8_t acpi_enable, acpi_disable;
    uint16_t pm1_evt, pm1_cnt, gpe0;
    unsigned pm1_evt_len, gpe0_len; /* bytes: half status, half enable */
    GByteArray *dsdt;
} OspmTables;

/* NULL and an error that names the table if something is not as it must be. */
OspmTables *ospm_tables_find(OspmRead *read, void *opaque, GError **errp);
void ospm_tables_free(OspmTables *tables);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(OspmTables, ospm_tables_free)

#endif
