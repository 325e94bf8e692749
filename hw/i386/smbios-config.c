/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -smbios: what the user says of the tables, checked field by field and kept as text. */
#include <inttypes.h>
#include <string.h>

#include "hw/i386/smbios.h"
#include "util/error.h"
#include "util/parse.h"

/* Types of structures, of those that -smbios can fill in or that we make. */
#define TYPES 128

enum { HEADER_SIZE = 4, HEADER_LENGTH = 1 };

struct SmbiosConfig {
    GPtrArray *uses[TYPES]; /* of GHashTable: key -> value; NULL: not given */
    GPtrArray *strings;     /* type 11 */
    GPtrArray *files;       /* of GBytes */
};

/* "key=value" */
typedef struct Pair {
    char *key, *value;
} Pair;

/* ---- kinds of values ---- */

static bool is_text(const char *value)
{
    return true;
}

static bool is_number(const char *value, uint64_t max)
{
    uint64_t number;

    return parse_uint(value, max, &number);
}

static bool is_u8(const char *value)
{
    return is_number(value, UINT8_MAX);
}

static bool is_u16(const char *value)
{
    return is_number(value, UINT16_MAX);
}

static bool is_u64(const char *value)
{
    return is_number(value, UINT64_MAX);
}

static bool is_flag(const char *value)
{
    bool on;

    return parse_bool(value, &on);
}

static bool is_release(const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ".", -1);

    return g_strv_length(parts) == 2 && is_u8(parts[0]) && is_u8(parts[1]);
}

static bool is_uuid(const char *value)
{
    return g_uuid_string_is_valid(value);
}

static bool is_kind(const char *value)
{
    static const char *const kinds[] = { "other",     "unknown", "video", "scsi", "ethernet",
                                         "tokenring", "sound",   "pata",  "sata", "sas" };

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (strcmp(value, kinds[i]) == 0) {
            return true;
        }
    }
    return false;
}

typedef struct Kind {
    bool (*is)(const char *value);
    const char *what; /* "give ..." */
} Kind;

static const Kind text = { is_text, "a text" };
static const Kind u8 = { is_u8, "a number from 0 to 255" };
static const Kind u16 = { is_u16, "a number from 0 to 65535" };
static const Kind u64 = { is_u64, "a number of 64 bits" };
static const Kind flag = { is_flag, "on or off" };
static const Kind release = { is_release, "MAJOR.MINOR, two numbers from 0 to 255" };
static const Kind uuid = { is_uuid, "32 hexadecimal digits as 8-4-4-4-12" };
static const Kind kind = { is_kind, "other, unknown, video, scsi, ethernet, tokenring, sound, "
                                    "pata, sata or sas" };

/* ---- fields ---- */

typedef struct Field {
    const char *key;
    const Kind *kind;
} Field;

#define IDENTITY                                     \
    { "manufacturer", &text }, { "version", &text }, \
    {                                                \
        "serial", &text                              \
    }

static const Field bios[] = { { "vendor", &text },     { "version", &text }, { "date", &text },
                              { "release", &release }, { "uefi", &flag },    { 0 } };
static const Field systems[] = { IDENTITY,         { "product", &text }, { "uuid", &uuid },
                                 { "sku", &text }, { "family", &text },  { 0 } };
static const Field board[] = {
    IDENTITY, { "product", &text }, { "asset", &text }, { "location", &text }, { 0 }
};
static const Field chassis[] = { IDENTITY, { "asset", &text }, { "sku", &text }, { 0 } };
static const Field processor[] = { IDENTITY,
                                   { "sock_pfx", &text },
                                   { "asset", &text },
                                   { "part", &text },
                                   { "max-speed", &u16 },
                                   { "current-speed", &u16 },
                                   { "processor-id", &u64 },
                                   { 0 } };
static const Field port[] = { { "internal_reference", &text },
                              { "external_reference", &text },
                              { "connector_type", &u8 },
                              { "port_type", &u8 },
                              { 0 } };
static const Field strings[] = { { "value", &text }, { "path", &text }, { 0 } };
static const Field memory[] = { { "loc_pfx", &text },      { "bank", &text },
                                { "manufacturer", &text }, { "serial", &text },
                                { "asset", &text },        { "part", &text },
                                { "speed", &u16 },         { 0 } };
static const Field onboard[] = {
    { "designation", &text }, { "kind", &kind }, { "instance", &u8 }, { "pcidev", &text }, { 0 }
};

static const struct Type {
    unsigned type;
    const Field *fields;
    bool many; /* each use is a structure of its own */
} types[] = {
    { 0, bios },       { 1, systems },  { 2, board },   { 3, chassis },        { 4, processor },
    { 8, port, true }, { 11, strings }, { 17, memory }, { 41, onboard, true },
};

/* ---- life ---- */

static void pair_free(gpointer data)
{
    Pair *pair = data;

    g_free(pair->key);
    g_free(pair->value);
    g_free(pair);
}

SmbiosConfig *smbios_config_new(void)
{
    SmbiosConfig *config = g_new0(SmbiosConfig, 1);

    config->strings = g_ptr_array_new_with_free_func(g_free);
    config->files = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    return config;
}

void smbios_config_free(SmbiosConfig *config)
{
    if (!config) {
        return;
    }
    for (unsigned i = 0; i < TYPES; i++) {
        g_clear_pointer(&config->uses[i], g_ptr_array_unref);
    }
    g_ptr_array_unref(config->strings);
    g_ptr_array_unref(config->files);
    g_free(config);
}

/* ---- parsing ---- */

/* As keyval_parse(), but keys may come more than once: a list of Pair. */
static GPtrArray *pairs_parse(const char *line, GError **errp)
{
    g_autoptr(GPtrArray) pairs = g_ptr_array_new_with_free_func(pair_free);
    g_autoptr(GString) element = g_string_new(NULL);

    for (const char *p = line;; p++) {
        if (*p == ',' && p[1] == ',') {
            p++;
        } else if (*p == ',' || *p == '\0') {
            const char *equals = strchr(element->str, '=');
            if (!equals || equals == element->str) {
                error_set(errp, "'%s' is not right: expects key=value", element->str);
                return NULL;
            }
            Pair *pair = g_new0(Pair, 1);
            pair->key = g_strndup(element->str, equals - element->str);
            pair->value = g_strdup(equals + 1);
            g_ptr_array_add(pairs, pair);
            g_string_truncate(element, 0);
            if (*p == '\0') {
                return g_steal_pointer(&pairs);
            }
            continue;
        }
        g_string_append_c(element, *p);
    }
}

/* The last value of @key, or NULL. */
static const char *pairs_get(const GPtrArray *pairs, const char *key)
{
    const char *value = NULL;

    for (unsigned i = 0; i < pairs->len; i++) {
        const Pair *pair = pairs->pdata[i];
        if (strcmp(pair->key, key) == 0) {
            value = pair->value;
        }
    }
    return value;
}

static const struct Type *type_find(const char *number, GError **errp)
{
    g_autoptr(GString) known = g_string_new(NULL);
    uint64_t type;
    bool ok = parse_uint(number, UINT8_MAX, &type);

    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (ok && types[i].type == type) {
            return &types[i];
        }
        g_string_append_printf(known, "%s%u", i ? ", " : "", types[i].type);
    }
    error_set(errp, "type=%s has no fields that could be given: use one of %s, or file=", number,
              known->str);
    return NULL;
}

static bool check_pair(const struct Type *type, const Pair *pair, GError **errp)
{
    g_autoptr(GString) known = g_string_new(NULL);

    if (strcmp(pair->key, "type") == 0) {
        return true;
    }
    for (const Field *f = type->fields; f->key; f++) {
        if (strcmp(f->key, pair->key) != 0) {
            g_string_append_printf(known, "%s%s", known->len ? ", " : "", f->key);
            continue;
        }
        if (!f->kind->is(pair->value)) {
            error_set(errp, "%s=%s is not right: give %s", pair->key, pair->value, f->kind->what);
            return false;
        }
        return true;
    }
    error_set(errp, "type %u has no field '%s'; it has: %s", type->type, pair->key, known->str);
    return false;
}

/* The strings of type 11, from values and files; NULL with an error. */
static GPtrArray *read_strings(const GPtrArray *pairs, GError **errp)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);

    for (unsigned i = 0; i < pairs->len; i++) {
        const Pair *pair = pairs->pdata[i];
        g_autoptr(GError) err = NULL;
        char *contents;
        gsize size;

        if (strcmp(pair->key, "value") == 0) {
            g_ptr_array_add(list, g_strdup(pair->value));
        } else if (strcmp(pair->key, "path") == 0) {
            if (!g_file_get_contents(pair->value, &contents, &size, &err)) {
                error_set(errp, "path=%s: cannot read it: %s", pair->value, err->message);
                return NULL;
            }
            g_ptr_array_add(list, contents);
            if (strlen(contents) != size) {
                error_set(errp, "path=%s: it has a NUL in it, but a string ends at one",
                          pair->value);
                return NULL;
            }
        }
    }
    return g_steal_pointer(&list);
}

/* Strings are numbered by a byte, and an empty one cannot be told from the end of them. */
static bool add_strings(SmbiosConfig *config, const GPtrArray *pairs, GError **errp)
{
    g_autoptr(GPtrArray) list = read_strings(pairs, errp);

    if (!list) {
        return false;
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
    for (unsigned i = 0; i < list->len; i++) {
        g_ptr_array_add(config->strings, g_strdup(list->pdata[i]));
    }
    return true;
}

static bool add_fields(SmbiosConfig *config, const GPtrArray *pairs, GError **errp)
{
    const struct Type *type = type_find(pairs_get(pairs, "type"), errp);

    if (!type) {
        return false;
    }
    for (unsigned i = 0; i < pairs->len; i++) {
        if (!check_pair(type, pairs->pdata[i], errp)) {
            return false;
        }
    }
    if (smbios_config_has_file(config, type->type)) {
        error_set(errp, "a file gave all of type %u already: leave out one of both", type->type);
        return false;
    }
    if (pairs_get(pairs, "pcidev")) {
        error_set(
            errp,
            "pcidev=%s: PCI devices that have an id are in slots, not on the board; leave it out",
            pairs_get(pairs, "pcidev"));
        return false;
    }
    if (type->fields == strings) {
        return add_strings(config, pairs, errp);
    }
    GPtrArray **uses = &config->uses[type->type];
    if (!*uses) {
        *uses = g_ptr_array_new_with_free_func((GDestroyNotify)g_hash_table_unref);
    }
    if (type->many && (*uses)->len > UINT8_MAX) {
        error_set(errp, "type=%u can be given at most %d times", type->type, UINT8_MAX + 1);
        return false;
    }
    if (type->many || (*uses)->len == 0) {
        g_ptr_array_add(*uses, g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free));
    }
    GHashTable *values = (*uses)->pdata[(*uses)->len - 1];
    for (unsigned i = 0; i < pairs->len; i++) {
        const Pair *pair = pairs->pdata[i];
        g_hash_table_replace(values, g_strdup(pair->key), g_strdup(pair->value));
    }
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

static bool add_file(SmbiosConfig *config, const char *path, GError **errp)
{
    g_autoptr(GError) err = NULL;
    char *contents;
    gsize size;

    if (!g_file_get_contents(path, &contents, &size, &err)) {
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
    if (type == 127) {
        error_set(errp, "file=%s: type 127 ends the tables, which is done without it", path);
        return false;
    }
    if ((type < TYPES && config->uses[type]) || (type == 11 && config->strings->len)) {
        error_set(errp, "file=%s: fields of type %u are given already: leave out one of both", path,
                  type);
        return false;
    }
    g_ptr_array_add(config->files, g_steal_pointer(&bytes));
    return true;
}

bool smbios_config_parse(SmbiosConfig *config, const char *line, GError **errp)
{
    g_autoptr(GPtrArray) pairs = pairs_parse(line, errp);

    if (!pairs) {
        return false;
    }
    const char *file = pairs_get(pairs, "file");
    if (file && pairs->len == 1) {
        return add_file(config, file, errp);
    }
    if (file || !pairs_get(pairs, "type")) {
        error_set(errp, "expects type=N and its fields, as in type=1,serial=42, or only file=FILE");
        return false;
    }
    return add_fields(config, pairs, errp);
}

/* ---- asking ---- */

const char *smbios_config_get(const SmbiosConfig *config, unsigned type, unsigned use,
                              const char *key)
{
    return use < smbios_config_uses(config, type)
               ? g_hash_table_lookup(config->uses[type]->pdata[use], key)
               : NULL;
}

uint64_t smbios_config_number(const SmbiosConfig *config, unsigned type, unsigned use,
                              const char *key, uint64_t otherwise)
{
    const char *value = smbios_config_get(config, type, use, key);
    uint64_t number;

    return value && parse_uint(value, UINT64_MAX, &number) ? number : otherwise;
}

unsigned smbios_config_uses(const SmbiosConfig *config, unsigned type)
{
    return config && config->uses[type] ? config->uses[type]->len : 0;
}

const GPtrArray *smbios_config_strings(const SmbiosConfig *config)
{
    return config->strings;
}

const GPtrArray *smbios_config_files(const SmbiosConfig *config)
{
    return config->files;
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
