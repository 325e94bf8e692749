/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -smbios: what the user says of the tables, in the schema's structures. */
#include <string.h>

#include "hw/i386/smbios.h"
#include "util/error.h"
#include "util/file-read.h"
#include "util/keyval.h"
#include "util/parse.h"

#define STRUCTURE_MOST (64u << 10) /* bytes, also of a string */

enum { HEADER_SIZE = 4, HEADER_LENGTH = 1, END_OF_TABLES = 127 };

/* Where the fields of each type go. */
static const struct Place {
    size_t offset;
    bool many; /* each use is a structure of its own */
} places[SMBIOS_TYPE__MAX] = {
    [SMBIOS_TYPE_0] = { offsetof(SmbiosConfig, bios) },
    [SMBIOS_TYPE_1] = { offsetof(SmbiosConfig, system) },
    [SMBIOS_TYPE_2] = { offsetof(SmbiosConfig, board) },
    [SMBIOS_TYPE_3] = { offsetof(SmbiosConfig, chassis) },
    [SMBIOS_TYPE_4] = { offsetof(SmbiosConfig, processor) },
    [SMBIOS_TYPE_8] = { offsetof(SmbiosConfig, ports), true },
    [SMBIOS_TYPE_11] = { offsetof(SmbiosConfig, strings), true },
    [SMBIOS_TYPE_17] = { offsetof(SmbiosConfig, memory) },
    [SMBIOS_TYPE_41] = { offsetof(SmbiosConfig, onboard), true },
};

static void **place_of(SmbiosConfig *config, SmbiosType type)
{
    return (void **)((char *)config + places[type].offset);
}

static const QapiType *fields_of(SmbiosType type)
{
    return SmbiosOptions_type.variants[type];
}

/* The fields that @given has; the caller may take them. */
static void **given_fields(SmbiosOptions *given)
{
    return (void **)((char *)given + SmbiosOptions_type.variant_offset);
}

/* ---- life ---- */

SmbiosConfig *smbios_config_new(void)
{
    SmbiosConfig *config = g_new0(SmbiosConfig, 1);

    for (SmbiosType type = 0; type < SMBIOS_TYPE__MAX; type++) {
        *place_of(config, type) = type == SMBIOS_TYPE_11 ? g_ptr_array_new_with_free_func(g_free)
                                  : places[type].many    ? qapi_list_new(fields_of(type))
                                                         : g_malloc0(fields_of(type)->size);
    }
    config->files = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    return config;
}

void smbios_config_free(SmbiosConfig *config)
{
    if (!config) {
        return;
    }
    for (SmbiosType type = 0; type < SMBIOS_TYPE__MAX; type++) {
        if (places[type].many) {
            g_ptr_array_unref(*place_of(config, type));
        } else {
            qapi_free(fields_of(type), *place_of(config, type));
        }
    }
    g_ptr_array_unref(config->files);
    g_free(config);
}

/* ---- fields ---- */

bool smbios_parse_release(const char *text, uint8_t *major, uint8_t *minor)
{
    g_auto(GStrv) parts = g_strsplit(text, ".", -1);
    uint64_t first, second;

    if (g_strv_length(parts) != 2 || !parse_uint(parts[0], UINT8_MAX, &first) ||
        !parse_uint(parts[1], UINT8_MAX, &second)) {
        return false;
    }
    *major = (uint8_t)first;
    *minor = (uint8_t)second;
    return true;
}

/* What the schema does not say. */
static bool check_fields(const SmbiosOptions *given, GError **errp)
{
    const SmbiosBios *bios = given->type == SMBIOS_TYPE_0 ? given->u.q_0 : NULL;
    const SmbiosSystem *system = given->type == SMBIOS_TYPE_1 ? given->u.q_1 : NULL;
    const SmbiosOnboard *onboard = given->type == SMBIOS_TYPE_41 ? given->u.q_41 : NULL;
    uint8_t major, minor;

    if (bios && bios->release && !smbios_parse_release(bios->release, &major, &minor)) {
        error_set(errp, "release=%s is not right: give MAJOR.MINOR, two numbers from 0 to 255",
                  bios->release);
        return false;
    }
    if (system && system->uuid && !g_uuid_string_is_valid(system->uuid)) {
        error_set(errp, "uuid=%s is not right: give 32 hexadecimal digits as 8-4-4-4-12",
                  system->uuid);
        return false;
    }
    if (onboard && onboard->pcidev) {
        error_set(
            errp,
            "pcidev=%s: PCI devices that have an id are in slots, not on the board; leave it out",
            onboard->pcidev);
        return false;
    }
    return true;
}

/* ---- type 11 ---- */

static bool read_string(const char *path, GPtrArray *list, GError **errp)
{
    g_autoptr(GError) err = NULL;
    char *contents;
    gsize size;

    if (!file_read(path, STRUCTURE_MOST, &contents, &size, &err)) {
        error_set(errp, "path=%s: cannot read it: %s", path, err->message);
        return false;
    }
    g_ptr_array_add(list, contents);
    if (strlen(contents) != size) {
        error_set(errp, "path=%s: it has a NUL in it, but a string ends at one", path);
        return false;
    }
    return true;
}

/* Strings are numbered by a byte, and an empty one cannot be told from the end of them. */
static bool add_strings(SmbiosConfig *config, const SmbiosStrings *given, GError **errp)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    for (unsigned i = 0; given->value && i < given->value->len; i++) {
        g_ptr_array_add(list, g_strdup(given->value->pdata[i]));
    }
    for (unsigned i = 0; given->path && i < given->path->len; i++) {
        if (!read_string(given->path->pdata[i], list, errp)) {
            return false;
        }
    }
    for (unsigned i = 0; i < list->len; i++) {
        if (*(char *)list->pdata[i] == '\0') {
            error_set(errp, "an empty string cannot be in the tables: leave it out");
            return false;
        }
    }
    if (config->strings->len + list->len > UINT8_MAX) {
        error_set(errp, "type=11 takes at most %d strings altogether", UINT8_MAX);
        return false;
    }
    g_ptr_array_extend_and_steal(config->strings, g_steal_pointer(&list));
    return true;
}

/* ---- what was given ---- */

static bool add_fields(SmbiosConfig *config, SmbiosOptions *given, GError **errp)
{
    void **place = place_of(config, given->type), **fields = given_fields(given);
    const char *number = SmbiosType_str(given->type);

    if (!check_fields(given, errp)) {
        return false;
    }
    if (smbios_config_has_file(config, (unsigned)strtoul(number, NULL, 10))) {
        error_set(errp, "a file gave all of type %s already: leave out one of both", number);
        return false;
    }
    if (given->type == SMBIOS_TYPE_11) {
        if (!add_strings(config, given->u.q_11, errp)) {
            return false;
        }
    } else if (!places[given->type].many) {
        qapi_update(fields_of(given->type), *place, *fields);
    } else if (((GPtrArray *)*place)->len > UINT8_MAX) {
        error_set(errp, "type=%s can be given at most %d times", number, UINT8_MAX + 1);
        return false;
    } else {
        g_ptr_array_add(*place, g_steal_pointer(fields));
    }
    config->given[given->type] = true;
    return true;
}

/* One structure: header, fields, strings, and the empty string that ends them. */
static bool structure_is_whole(const uint8_t *data, size_t size)
{
    size_t at;

    if (size < HEADER_SIZE || data[HEADER_LENGTH] < HEADER_SIZE ||
        size < data[HEADER_LENGTH] + 2u) {
        return false;
    }
    at = data[HEADER_LENGTH];
    for (; at + 2 < size; at++) {
        if (data[at] == 0 && data[at + 1] == 0) {
            return false; /* it ends here, and there is more */
        }
    }
    return data[size - 2] == 0 && data[size - 1] == 0;
}

static bool is_given(const SmbiosConfig *config, unsigned number)
{
    g_autofree char *name = g_strdup_printf("%u", number);
    int type = qapi_enum_parse(SmbiosType_lookup, name);

    return type >= 0 && config->given[type];
}

static bool add_file(SmbiosConfig *config, const char *path, GError **errp)
{
    g_autoptr(GError) err = NULL;
    char *contents;
    gsize size;

    if (!file_read(path, STRUCTURE_MOST, &contents, &size, &err)) {
        error_set(errp, "file=%s: cannot read it: %s", path, err->message);
        return false;
    }
    g_autoptr(GBytes) bytes = g_bytes_new_take(contents, size);
    unsigned type = size ? (uint8_t)contents[0] : 0;
    if (!structure_is_whole((const uint8_t *)contents, size)) {
        error_set(errp,
                  "file=%s: that is not one SMBIOS structure: it must have a header of 4 bytes, "
                  "fields, strings, and end in two NULs",
                  path);
        return false;
    }
    if (type == END_OF_TABLES) {
        error_set(errp, "file=%s: type 127 ends the tables, which is done without it", path);
        return false;
    }
    if (is_given(config, type)) {
        error_set(errp, "file=%s: fields of type %u are given already: leave out one of both", path,
                  type);
        return false;
    }
    g_ptr_array_add(config->files, g_steal_pointer(&bytes));
    return true;
}

static bool parse_file(SmbiosConfig *config, struct json_object *json, GError **errp)
{
    g_autoptr(SmbiosFile) given = SmbiosFile_from_json(json, NULL, errp);

    return given && add_file(config, given->file, errp);
}

static bool parse_fields(SmbiosConfig *config, struct json_object *json, GError **errp)
{
    g_autoptr(SmbiosOptions) given = SmbiosOptions_from_json(json, NULL, errp);

    return given && add_fields(config, given, errp);
}

bool smbios_config_parse(SmbiosConfig *config, const char *text, GError **errp)
{
    struct json_object *json = keyval_or_json_parse(text, NULL, errp);
    bool ok = false;

    if (!json) {
        return false;
    }
    bool file = json_object_object_get_ex(json, "file", NULL);
    if (file == json_object_object_get_ex(json, "type", NULL)) {
        error_set(errp, "expects type=N and its fields, as in type=1,serial=42, or only file=FILE");
    } else {
        ok = file ? parse_file(config, json, errp) : parse_fields(config, json, errp);
    }
    json_object_put(json);
    return ok;
}

bool smbios_config_has_file(const SmbiosConfig *config, unsigned type)
{
    for (unsigned i = 0; i < config->files->len; i++) {
        const uint8_t *data = g_bytes_get_data(config->files->pdata[i], NULL);
        if (data[0] == type) {
            return true;
        }
    }
    return false;
}
