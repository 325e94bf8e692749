/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/acpi/tables.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "util/error.h"
#include "util/made-files.h"

#define ACPI_OEM_ID       "DIMMBL"
#define ACPI_OEM_TABLE_ID "DIMMABLE"
#define ACPI_CREATOR_ID   "DIMM"

/* Offsets in the standard header (ACPI 6.4 table 5.4). */
enum { HEADER_LENGTH = 4, HEADER_CHECKSUM = 9 };

static void acpi_blob_free(void *opaque)
{
    AcpiBlob *blob = opaque;

    g_free(blob->name);
    g_byte_array_unref(blob->data);
    g_free(blob);
}

AcpiTables *acpi_tables_new(void)
{
    AcpiTables *tables = g_new0(AcpiTables, 1);

    tables->blobs = g_ptr_array_new_with_free_func(acpi_blob_free);
    tables->commands = g_array_new(false, true, sizeof(AcpiCommand));
    return tables;
}

void acpi_tables_free(AcpiTables *tables)
{
    if (tables) {
        g_ptr_array_unref(tables->blobs);
        g_array_unref(tables->commands);
        g_free(tables);
    }
}

static void acpi_record(AcpiTables *tables, AcpiCommand command)
{
    g_array_append_val(tables->commands, command);
}

AcpiBlob *acpi_blob_new(AcpiTables *tables, const char *name, uint32_t align, AcpiZone zone)
{
    AcpiBlob *blob = g_new0(AcpiBlob, 1);

    blob->name = g_strdup(name);
    blob->data = g_byte_array_new();
    blob->align = align;
    blob->zone = zone;
    g_ptr_array_add(tables->blobs, blob);
    acpi_record(tables, (AcpiCommand){ .kind = ACPI_CMD_ALLOCATE, .blob = blob });
    return blob;
}

AcpiBlob *acpi_blob_find(const AcpiTables *tables, const char *name)
{
    for (unsigned i = 0; i < tables->blobs->len; i++) {
        AcpiBlob *blob = tables->blobs->pdata[i];
        if (!strcmp(blob->name, name)) {
            return blob;
        }
    }
    return NULL;
}

void acpi_bytes(AcpiBlob *blob, const void *data, size_t len)
{
    g_byte_array_append(blob->data, data, len);
}

static void acpi_int(AcpiBlob *blob, uint64_t value, unsigned size)
{
    value = GUINT64_TO_LE(value);
    acpi_bytes(blob, &value, size);
}

void acpi_u8(AcpiBlob *blob, uint8_t value)
{
    acpi_int(blob, value, 1);
}

void acpi_u16(AcpiBlob *blob, uint16_t value)
{
    acpi_int(blob, value, 2);
}

void acpi_u32(AcpiBlob *blob, uint32_t value)
{
    acpi_int(blob, value, 4);
}

void acpi_u64(AcpiBlob *blob, uint64_t value)
{
    acpi_int(blob, value, 8);
}

static void acpi_fill(AcpiBlob *blob, int byte, size_t len)
{
    size_t old = blob->data->len;

    g_byte_array_set_size(blob->data, old + len);
    memset(blob->data->data + old, byte, len);
}

void acpi_zeros(AcpiBlob *blob, size_t len)
{
    acpi_fill(blob, 0, len);
}

void acpi_text(AcpiBlob *blob, const char *text, size_t len, char pad)
{
    size_t used = MIN(strlen(text), len);

    acpi_bytes(blob, text, used);
    acpi_fill(blob, pad, len - used);
}

void acpi_pointer(AcpiTables *tables, AcpiBlob *blob, const AcpiBlob *target, unsigned size)
{
    acpi_record(tables, (AcpiCommand){ .kind = ACPI_CMD_ADD_POINTER,
                                       .blob = blob,
                                       .target = target,
                                       .offset = blob->data->len,
                                       .size = size });
    acpi_int(blob, 0, size);
}

void acpi_tell_pointer(AcpiTables *tables, const char *file, const AcpiBlob *target,
                       uint32_t offset)
{
    acpi_record(tables, (AcpiCommand){ .kind = ACPI_CMD_TELL_POINTER,
                                       .file = file,
                                       .target = target,
                                       .offset = offset,
                                       .size = 8 });
}

void acpi_checksum(AcpiTables *tables, AcpiBlob *blob, uint32_t offset, uint32_t start,
                   uint32_t length)
{
    acpi_record(tables, (AcpiCommand){ .kind = ACPI_CMD_ADD_CHECKSUM,
                                       .blob = blob,
                                       .offset = offset,
                                       .start = start,
                                       .length = length });
}

void acpi_generic_address(AcpiBlob *blob, uint8_t space, unsigned bits, uint64_t address)
{
    /* Access size 1 is a byte, 2 a word, 3 a dword; 0 leaves it open (wide or absent registers). */
    uint8_t access_size = bits == 8 ? 1 : bits == 16 ? 2 : bits == 32 ? 3 : 0;

    acpi_u8(blob, bits ? space : 0);
    acpi_u8(blob, bits);
    acpi_u8(blob, 0); /* bit offset */
    acpi_u8(blob, access_size);
    acpi_u64(blob, bits ? address : 0);
}

AcpiBlob *acpi_table_begin(AcpiTables *tables, const char *signature, const char *name,
                           uint8_t revision)
{
    g_autofree char *lower = g_ascii_strdown(signature, -1);
    AcpiBlob *blob = acpi_blob_new(tables, name ? name : lower, 64, ACPI_ZONE_RECLAIM);

    acpi_text(blob, signature, 4, ' ');
    acpi_u32(blob, 0); /* length: acpi_table_end() */
    acpi_u8(blob, revision);
    acpi_u8(blob, 0); /* checksum: the linker */
    acpi_text(blob, ACPI_OEM_ID, 6, ' ');
    acpi_text(blob, ACPI_OEM_TABLE_ID, 8, ' ');
    acpi_u32(blob, 1); /* OEM revision */
    acpi_text(blob, ACPI_CREATOR_ID, 4, ' ');
    acpi_u32(blob, 1); /* creator revision */
    return blob;
}

void acpi_table_end(AcpiTables *tables, AcpiBlob *blob)
{
    uint32_t length = GUINT32_TO_LE(blob->data->len);

    memcpy(blob->data->data + HEADER_LENGTH, &length, sizeof(length));
    acpi_checksum(tables, blob, HEADER_CHECKSUM, 0, blob->data->len);
}

size_t acpi_entry_begin(AcpiBlob *blob, uint8_t type)
{
    size_t entry = blob->data->len;

    acpi_u8(blob, type);
    acpi_u8(blob, 0); /* length: acpi_entry_end() */
    return entry;
}

void acpi_entry_end(AcpiBlob *blob, size_t entry)
{
    blob->data->data[entry + 1] = blob->data->len - entry;
}

/* ---- the linker ---- */

static bool link_allocate(const AcpiCommand *cmd, const AcpiArea *areas, uint64_t *used,
                          GError **errp)
{
    AcpiBlob *blob = cmd->blob;
    const AcpiArea *area = &areas[blob->zone];
    uint64_t mask = blob->align - 1;
    uint64_t address = (area->base + used[blob->zone] + mask) & ~mask;
    uint64_t end = address + blob->data->len;

    if (end > area->base + area->size) {
        error_set(errp,
                  "ACPI table '%s' of %u bytes does not fit into the area of 0x%" PRIx64
                  " bytes at 0x%" PRIx64,
                  blob->name, blob->data->len, area->size, area->base);
        return false;
    }
    blob->address = address;
    used[blob->zone] = end - area->base;
    return true;
}

static void link_pointer(const AcpiCommand *cmd)
{
    uint8_t *field = cmd->blob->data->data + cmd->offset;
    uint64_t value = 0;

    memcpy(&value, field, cmd->size);
    value = GUINT64_TO_LE(GUINT64_FROM_LE(value) + cmd->target->address);
    memcpy(field, &value, cmd->size);
}

static void link_checksum(const AcpiCommand *cmd)
{
    uint8_t *data = cmd->blob->data->data;
    uint8_t sum = 0;

    data[cmd->offset] = 0;
    for (uint32_t i = 0; i < cmd->length; i++) {
        sum += data[cmd->start + i];
    }
    data[cmd->offset] = -sum;
}

bool acpi_tables_link(AcpiTables *tables, const AcpiArea areas[ACPI_ZONES], GError **errp)
{
    uint64_t used[ACPI_ZONES] = { 0 };

    /* A pointer may be recorded before its target's allocation, so places come first. */
    for (unsigned i = 0; i < tables->commands->len; i++) {
        const AcpiCommand *cmd = &g_array_index(tables->commands, AcpiCommand, i);
        if (cmd->kind == ACPI_CMD_ALLOCATE && !cmd->blob->file &&
            !link_allocate(cmd, areas, used, errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < tables->commands->len; i++) {
        const AcpiCommand *cmd = &g_array_index(tables->commands, AcpiCommand, i);
        if (cmd->kind == ACPI_CMD_ADD_POINTER) {
            link_pointer(cmd);
        } else if (cmd->kind == ACPI_CMD_ADD_CHECKSUM) {
            link_checksum(cmd);
        }
    }
    return true;
}

bool acpi_tables_dump(const AcpiTables *tables, const char *dir, GError **errp)
{
    if (mkdir(dir, 0777) == 0) {
        made_files_note(dir, MADE_DATA);
    } else if (errno != EEXIST) {
        error_set_errno(errp, errno, "dump-acpi: cannot make the directory '%s'", dir);
        return false;
    }
    for (unsigned i = 0; i < tables->blobs->len; i++) {
        const AcpiBlob *blob = tables->blobs->pdata[i];
        g_autofree char *file = g_strdup_printf("%s.dat", blob->name);
        g_autofree char *path = g_build_filename(dir, file, NULL);
        g_autoptr(GError) err = NULL;
        bool is_new = !g_file_test(path, G_FILE_TEST_EXISTS);

        if (blob->file) {
            continue;
        }
        if (!g_file_set_contents(path, (const char *)blob->data->data, blob->data->len, &err)) {
            error_set(errp, "dump-acpi: cannot write '%s': %s", path, err->message);
            return false;
        }
        if (is_new) {
            made_files_note(path, MADE_DATA);
        }
    }
    return true;
}
