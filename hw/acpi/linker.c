/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/acpi/linker.h"

#include <string.h>

/* Commands of the script, and where a firmware may place a file. */
enum {
    LOADER_ALLOCATE = 1,
    LOADER_ADD_POINTER = 2,
    LOADER_ADD_CHECKSUM = 3,
    LOADER_WRITE_POINTER = 4
};
enum { LOADER_ZONE_HIGH = 1, LOADER_ZONE_FSEG = 2 };

#define LOADER_NAME_SIZE 56

/* Which file a blob is in, and where there. */
typedef struct Place {
    const char *file;
    uint32_t offset;
} Place;

typedef struct Linker {
    AcpiFiles *files;
    GHashTable *places;         /* AcpiBlob -> Place, owned */
    uint32_t align, rsdp_align; /* of the files: the strictest of what is in them */
} Linker;

/* ---- files ---- */

static void append_aligned(GByteArray *file, const AcpiBlob *blob, uint32_t *align)
{
    uint32_t old = file->len, start = (old + blob->align - 1) & ~(blob->align - 1);

    if (start > old) {
        g_byte_array_set_size(file, start);
        memset(file->data + old, 0, start - old);
    }
    g_byte_array_append(file, blob->data->data, blob->data->len);
    *align = MAX(*align, blob->align);
}

static void linker_add(Linker *l, const AcpiBlob *blob)
{
    bool rsdp = blob->zone == ACPI_ZONE_FSEG;
    GByteArray *file = rsdp ? l->files->rsdp : l->files->tables;
    Place *place = g_new0(Place, 1);

    g_hash_table_insert(l->places, (gpointer)blob, place);
    if (blob->file) {
        place->file = blob->file;
        return;
    }
    append_aligned(file, blob, rsdp ? &l->rsdp_align : &l->align);
    place->file = rsdp ? ACPI_FILE_RSDP : ACPI_FILE_TABLES;
    place->offset = file->len - blob->data->len;
}

/* By zone, so that in the file they follow each other as acpi_tables_link() lets them. */
static void linker_place(Linker *l, const AcpiTables *tables)
{
    for (AcpiZone zone = 0; zone < ACPI_ZONES; zone++) {
        for (unsigned i = 0; i < tables->blobs->len; i++) {
            const AcpiBlob *blob = tables->blobs->pdata[i];
            if (blob->zone == zone) {
                linker_add(l, blob);
            }
        }
    }
}

/* ---- the script ---- */

static void put(GByteArray *out, uint64_t value, unsigned size)
{
    value = GUINT64_TO_LE(value);
    g_byte_array_append(out, (const uint8_t *)&value, size);
}

static void put_name(GByteArray *out, const char *name)
{
    char field[LOADER_NAME_SIZE] = { 0 };

    memcpy(field, name, strlen(name)); /* our own names: shorter */
    g_byte_array_append(out, (const uint8_t *)field, sizeof(field));
}

/* Fill up to a whole command. */
static void command_end(GByteArray *out)
{
    uint32_t old = out->len;
    uint32_t end =
        (old + ACPI_LOADER_COMMAND_SIZE - 1) / ACPI_LOADER_COMMAND_SIZE * ACPI_LOADER_COMMAND_SIZE;

    g_byte_array_set_size(out, end);
    memset(out->data + old, 0, end - old);
}

static void command_allocate(GByteArray *out, const char *name, uint32_t align, uint8_t zone)
{
    put(out, LOADER_ALLOCATE, 4);
    put_name(out, name);
    put(out, align, 4);
    put(out, zone, 1);
    command_end(out);
}

/* The field holds the target's offset in its file; the firmware adds where that file is. */
static void command_pointer(Linker *l, const AcpiCommand *cmd)
{
    const Place *place = g_hash_table_lookup(l->places, cmd->blob);
    const Place *target = g_hash_table_lookup(l->places, cmd->target);
    GByteArray *file = cmd->blob->zone == ACPI_ZONE_FSEG ? l->files->rsdp : l->files->tables;
    GByteArray *out = l->files->loader;
    uint8_t *field = file->data + place->offset + cmd->offset;
    uint64_t value = 0;

    memcpy(&value, field, cmd->size);
    value = GUINT64_TO_LE(GUINT64_FROM_LE(value) + target->offset);
    memcpy(field, &value, cmd->size);

    put(out, LOADER_ADD_POINTER, 4);
    put_name(out, place->file);
    put_name(out, target->file);
    put(out, place->offset + cmd->offset, 4);
    put(out, cmd->size, 1);
    command_end(out);
}

static void command_checksum(Linker *l, const AcpiCommand *cmd)
{
    const Place *place = g_hash_table_lookup(l->places, cmd->blob);
    GByteArray *out = l->files->loader;

    put(out, LOADER_ADD_CHECKSUM, 4);
    put_name(out, place->file);
    put(out, place->offset + cmd->offset, 4);
    put(out, place->offset + cmd->start, 4);
    put(out, cmd->length, 4);
    command_end(out);
}

static void command_tell(Linker *l, const AcpiCommand *cmd)
{
    const Place *target = g_hash_table_lookup(l->places, cmd->target);
    GByteArray *out = l->files->loader;

    put(out, LOADER_WRITE_POINTER, 4);
    put_name(out, cmd->file);
    put_name(out, target->file);
    put(out, 0, 4); /* in the file that is written */
    put(out, target->offset + cmd->offset, 4);
    put(out, cmd->size, 1);
    command_end(out);
}

static void linker_script(Linker *l, const AcpiTables *tables)
{
    command_allocate(l->files->loader, ACPI_FILE_RSDP, l->rsdp_align, LOADER_ZONE_FSEG);
    command_allocate(l->files->loader, ACPI_FILE_TABLES, l->align, LOADER_ZONE_HIGH);
    for (unsigned i = 0; i < tables->commands->len; i++) {
        const AcpiCommand *cmd = &g_array_index(tables->commands, AcpiCommand, i);
        if (cmd->kind == ACPI_CMD_ALLOCATE && cmd->blob->file) {
            command_allocate(l->files->loader, cmd->blob->file, cmd->blob->align, LOADER_ZONE_HIGH);
        } else if (cmd->kind == ACPI_CMD_TELL_POINTER) {
            command_tell(l, cmd);
        } else if (cmd->kind == ACPI_CMD_ADD_POINTER) {
            command_pointer(l, cmd);
        } else if (cmd->kind == ACPI_CMD_ADD_CHECKSUM) {
            command_checksum(l, cmd);
        }
    }
}

AcpiFiles *acpi_files_build(const AcpiTables *tables)
{
    AcpiFiles *files = g_new0(AcpiFiles, 1);
    g_autoptr(GHashTable) places = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    Linker linker = { .files = files, .places = places, .align = 1, .rsdp_align = 1 };

    files->tables = g_byte_array_new();
    files->rsdp = g_byte_array_new();
    files->loader = g_byte_array_new();
    linker_place(&linker, tables);
    linker_script(&linker, tables);
    return files;
}

void acpi_files_free(AcpiFiles *files)
{
    if (files) {
        g_byte_array_unref(files->tables);
        g_byte_array_unref(files->rsdp);
        g_byte_array_unref(files->loader);
        g_free(files);
    }
}
