/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ACPI tables for a firmware that places them itself: files with the tables, and a script of
 * commands of 128 bytes ("etc/table-loader": QEMU's published interface, which SeaBIOS and OVMF
 * follow; its format is in docs/fw-cfg.md). The tables are in one file, the root pointer in
 * another, as both know it best.
 */
#ifndef HW_ACPI_LINKER_H
#define HW_ACPI_LINKER_H

#include "hw/acpi/tables.h"

/* The names of the files, which the script uses. */
#define ACPI_FILE_TABLES "etc/acpi/tables"
#define ACPI_FILE_RSDP   "etc/acpi/rsdp"
#define ACPI_FILE_LOADER "etc/table-loader"

#define ACPI_LOADER_COMMAND_SIZE 128

typedef struct AcpiFiles {
    GByteArray *tables; /* ACPI_FILE_TABLES: pointers in it hold offsets in their target's file */
    GByteArray *rsdp;   /* ACPI_FILE_RSDP */
    GByteArray *loader; /* ACPI_FILE_LOADER */
} AcpiFiles;

/* Make the files out of @tables, which is not changed and not linked. */
AcpiFiles *acpi_files_build(const AcpiTables *tables);
void acpi_files_free(AcpiFiles *files);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AcpiFiles, acpi_files_free)

#endif
