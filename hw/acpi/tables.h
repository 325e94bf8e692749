/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Building ACPI tables (ACPI 6.4 chapter 5).
 *
 * A table is a named blob to which fields are appended one after the other; nobody counts offsets.
 * What depends on the place of a table in guest memory is recorded as a command: "put this blob
 * somewhere", "add the address of that blob to this field", "make this range sum to zero". Whoever
 * places the tables runs the commands: acpi_tables_link() for a direct boot, or a firmware that is
 * given the blobs and the commands.
 */
#ifndef HW_ACPI_TABLES_H
#define HW_ACPI_TABLES_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Where a blob may be placed. */
typedef enum AcpiZone {
    ACPI_ZONE_FSEG,    /* 0xe0000-0xfffff: where operating systems look for the RSDP */
    ACPI_ZONE_RECLAIM, /* tables: "ACPI reclaim memory" */
    ACPI_ZONE_NVS,     /* what the operating system writes to: the FACS */
    ACPI_ZONES,
} AcpiZone;

typedef struct AcpiBlob {
    char *name;       /* "dsdt", "rsdp": also the file name of a dump */
    GByteArray *data; /* fields with unresolved addresses hold the offset to be added */
    uint32_t align;
    AcpiZone zone;
    const char *file; /* a firmware gets it as this file, which somebody else fills; NULL: its
                       * bytes are in the files of the tables */
    uint64_t address; /* set by acpi_tables_link() */
} AcpiBlob;

typedef struct AcpiCommand {
    enum {
        ACPI_CMD_ALLOCATE,
        ACPI_CMD_ADD_POINTER,
        ACPI_CMD_ADD_CHECKSUM,
        ACPI_CMD_TELL_POINTER
    } kind;
    AcpiBlob *blob;         /* which is placed, or changed */
    const AcpiBlob *target; /* ADD_POINTER: whose address is added; TELL_POINTER: is told */
    const char *file;       /* TELL_POINTER: in which the firmware tells us the address */
    uint32_t offset;        /* of the field that is changed; TELL_POINTER: in the target */
    uint32_t size;          /* bytes of the field, 4 or 8 */
    uint32_t start, length; /* ADD_CHECKSUM: the range that then sums to zero */
} AcpiCommand;

typedef struct AcpiTables {
    GPtrArray *blobs; /* AcpiBlob *, in the order of their allocation */
    GArray *commands; /* AcpiCommand, to be run in this order */
} AcpiTables;

/* A range of guest-physical memory for one zone. */
typedef struct AcpiArea {
    uint64_t base, size;
} AcpiArea;

/* With no blob; the caller's, and its blobs go with it. */
AcpiTables *acpi_tables_new(void);
void acpi_tables_free(AcpiTables *tables);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(AcpiTables, acpi_tables_free)

/* A new empty blob, owned by @tables; records its allocation. @align is a power of two. */
AcpiBlob *acpi_blob_new(AcpiTables *tables, const char *name, uint32_t align, AcpiZone zone);
/* The blob with that name, or NULL. */
AcpiBlob *acpi_blob_find(const AcpiTables *tables, const char *name);

/* Append little-endian fields. */
void acpi_u8(AcpiBlob *blob, uint8_t value);
void acpi_u16(AcpiBlob *blob, uint16_t value);
void acpi_u32(AcpiBlob *blob, uint32_t value);
void acpi_u64(AcpiBlob *blob, uint64_t value);
void acpi_bytes(AcpiBlob *blob, const void *data, size_t len);
void acpi_zeros(AcpiBlob *blob, size_t len); /* reserved fields */
/* Text without its terminating NUL, cut or padded with @pad to @len bytes. */
void acpi_text(AcpiBlob *blob, const char *text, size_t len, char pad);
/* A field of @size bytes (4 or 8) that will hold the address of @target. */
void acpi_pointer(AcpiTables *tables, AcpiBlob *blob, const AcpiBlob *target, unsigned size);
/* The firmware is to write the address of @target, plus @offset, to the file @file of 8 bytes, as
 * soon as it knows it. */
void acpi_tell_pointer(AcpiTables *tables, const char *file, const AcpiBlob *target,
                       uint32_t offset);
/* Patch a checksum byte at @offset so that [start, start + length) sums to zero once all pointers
 * recorded before this call are there. */
void acpi_checksum(AcpiTables *tables, AcpiBlob *blob, uint32_t offset, uint32_t start,
                   uint32_t length);

/* Address spaces of a generic address (ACPI 6.4 section 5.2.3.2). */
enum { ACPI_GAS_MEMORY = 0, ACPI_GAS_IO = 1 };
/* A generic address structure for a register of @bits bits; 0 bits: an absent register. */
void acpi_generic_address(AcpiBlob *blob, uint8_t space, unsigned bits, uint64_t address);

/* A system description table with the standard header (section 5.2.6): begin, append the fields,
 * end. The blob's name is @signature in lower case, unless @name says otherwise (NULL). */
AcpiBlob *acpi_table_begin(AcpiTables *tables, const char *signature, const char *name,
                           uint8_t revision);
void acpi_table_end(AcpiTables *tables, AcpiBlob *blob); /* length and checksum */

/* A structure inside MADT or SRAT, which begins with a type byte and a length byte: the value of
 * begin goes to end, which fills in the length. */
size_t acpi_entry_begin(AcpiBlob *blob, uint8_t type);
void acpi_entry_end(AcpiBlob *blob, size_t entry);

/* Place the blobs in @areas (indexed by AcpiZone) from the base up, then run the other commands. An
 * error if an area is too small. Call once. */
bool acpi_tables_link(AcpiTables *tables, const AcpiArea areas[ACPI_ZONES], GError **errp);

/* Write each blob that has no file of its own to DIR/<name>.dat; makes DIR (but not its parents).
 */
bool acpi_tables_dump(const AcpiTables *tables, const char *dir, GError **errp);

#endif
