/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The format is in docs/state.md. Numbers are little endian, as on the host (docs/architecture.md:
 * x86-64 only), so elements are copied.
 */
#include "util/state.h"

#include <inttypes.h>
#include <string.h>

#include "util/error.h"
#include "util/timer.h"

/* ---- writing ---- */

static void put(GByteArray *out, uint64_t value, unsigned width)
{
    g_byte_array_append(out, (const uint8_t *)&value, width);
}

static unsigned field_count(const StateField *field, const void *obj)
{
    unsigned count;

    if (field->count) {
        return field->count;
    }
    memcpy(&count, (const char *)obj + field->count_at, sizeof(count));
    return count;
}

static void *field_at(const StateField *field, void *obj)
{
    char *at = (char *)obj + field->offset;

    return field->pointer ? *(void **)at : at;
}

static void save_structs(const StateField *field, char *first, unsigned count, GByteArray *out)
{
    for (unsigned i = 0; i < count; i++) {
        guint start = out->len;
        put(out, 0, 4);
        state_save(field->sub, first + i * field->stride, out);
        uint32_t size = out->len - start - 4;
        memcpy(out->data + start, &size, sizeof(size));
    }
}

static void save_field(const StateField *field, void *obj, GByteArray *out)
{
    char *at = field_at(field, obj);
    GBytes *blob = field->kind == STATE_KIND_BLOB ? *(GBytes **)at : NULL;
    unsigned count = field->kind != STATE_KIND_BLOB ? field_count(field, obj)
                     : blob                         ? (unsigned)g_bytes_get_size(blob)
                                                    : UINT32_MAX;

    put(out, strlen(field->name), 1);
    g_byte_array_append(out, (const uint8_t *)field->name, (guint)strlen(field->name));
    put(out, field->kind, 1);
    put(out, field->width, 1);
    put(out, count, 4);
    if (field->kind == STATE_KIND_STRUCT) {
        save_structs(field, at, count, out);
    } else if (field->kind == STATE_KIND_TIMER) {
        put(out, (uint64_t)timer_expiry(*(Timer **)at), 8);
    } else if (blob) {
        g_byte_array_append(out, g_bytes_get_data(blob, NULL), count);
    } else if (field->kind != STATE_KIND_BLOB) {
        g_byte_array_append(out, (const uint8_t *)at, count * field->width);
    }
}

void state_save(const StateTable *table, void *obj, GByteArray *out)
{
    unsigned count = 0;

    if (table->pre_save) {
        table->pre_save(obj);
    }
    while (table->fields[count].name) {
        count++;
    }
    put(out, table->version, 4);
    put(out, count, 2);
    for (unsigned i = 0; i < count; i++) {
        save_field(&table->fields[i], (char *)obj + table->base, out);
    }
}

/* ---- reading ---- */

typedef struct Reader {
    const uint8_t *data;
    size_t left;
} Reader;

/* The next @size bytes; NULL: there are not so many. */
static const uint8_t *take(Reader *r, size_t size)
{
    const uint8_t *data = r->data;

    if (size > r->left) {
        return NULL;
    }
    r->data += size;
    r->left -= size;
    return data;
}

static bool take_number(Reader *r, unsigned width, uint64_t *value)
{
    const uint8_t *data = take(r, width);

    *value = 0;
    if (data) {
        memcpy(value, data, width);
    }
    return data != NULL;
}

static bool ends_early(const StateTable *table, GError **errp)
{
    error_set(errp, "the state of '%s' ends in the middle of a field", table->name);
    return false;
}

static bool check_numbers(const StateField *field, const uint8_t *data, unsigned count,
                          GError **errp)
{
    uint64_t most = field->kind == STATE_KIND_BOOL ? 1 : field->max;

    for (unsigned i = 0; most && i < count; i++) {
        uint64_t value = 0;
        memcpy(&value, data + (size_t)i * field->width, field->width);
        if (value > most) {
            error_set(errp, "it is %" PRIu64 ", and can be %" PRIu64 " at most", value, most);
            return false;
        }
    }
    return true;
}

static bool load_timer(Timer *timer, const uint8_t *data, GError **errp)
{
    int64_t expiry;

    memcpy(&expiry, data, sizeof(expiry));
    if (expiry < -1) {
        error_set(errp, "its time is %" PRId64 ", before the machine was made", expiry);
        return false;
    }
    if (expiry == -1) {
        timer_del(timer);
    } else {
        timer_mod(timer, expiry);
    }
    return true;
}

static bool load_structs(const StateField *field, char *first, unsigned count, Reader *r,
                         GError **errp)
{
    for (unsigned i = 0; i < count; i++) {
        uint64_t size;
        const uint8_t *data = take_number(r, 4, &size) ? take(r, size) : NULL;

        if (!data) {
            error_set(errp, "it ends early");
            return false;
        }
        if (!state_load(field->sub, first + i * field->stride, data, size, errp)) {
            return false;
        }
    }
    return true;
}

/* The field's elements are next. */
static bool load_elements(const StateField *field, void *obj, unsigned count, Reader *r,
                          GError **errp)
{
    char *at = field_at(field, obj);

    if (field->kind == STATE_KIND_STRUCT) {
        return load_structs(field, at, count, r, errp);
    }
    bool no_blob = field->kind == STATE_KIND_BLOB && count == UINT32_MAX;
    size_t size = no_blob ? 0 : (size_t)count * field->width;
    const uint8_t *data = take(r, size);
    if (!data) {
        error_set(errp, "it ends early");
        return false;
    }
    if (field->kind == STATE_KIND_TIMER) {
        return load_timer(*(Timer **)at, data, errp);
    }
    if (field->kind == STATE_KIND_BLOB) {
        g_clear_pointer((GBytes **)at, g_bytes_unref);
        *(GBytes **)at = no_blob ? NULL : g_bytes_new(data, size);
        return true;
    }
    if (!check_numbers(field, data, count, errp)) {
        return false;
    }
    memcpy(at, data, size);
    return true;
}

static const StateField *find_field(const StateTable *table, const uint8_t *name, size_t len)
{
    for (const StateField *field = table->fields; field->name; field++) {
        if (strlen(field->name) == len && memcmp(field->name, name, len) == 0) {
            return field;
        }
    }
    return NULL;
}

/* One field, of any name; @seen has a bit for each of the table. */
static bool load_field(const StateTable *table, void *obj, Reader *r, GByteArray *seen,
                       GError **errp)
{
    uint64_t len, kind, width, count;
    const uint8_t *name = take_number(r, 1, &len) ? take(r, len) : NULL;

    if (!name || !take_number(r, 1, &kind) || !take_number(r, 1, &width) ||
        !take_number(r, 4, &count)) {
        return ends_early(table, errp);
    }
    g_autofree char *copy = g_strndup((const char *)name, len);
    g_autofree char *text = g_strescape(copy, NULL);
    const StateField *field = find_field(table, name, len);
    if (!field) {
        error_set(errp,
                  "'%s' has no field '%s' here: it was saved by a newer version, or by another "
                  "program",
                  table->name, text);
        return false;
    }
    uint8_t *mark = &seen->data[field - table->fields];
    bool any_count = field->kind == STATE_KIND_BLOB;
    if (kind != field->kind || width != field->width ||
        (!any_count && count != field_count(field, obj))) {
        error_set(errp,
                  "field '%s' of '%s' is saved as %" PRIu64 " elements of kind %" PRIu64 "/%" PRIu64
                  ", and is %u of kind %u/%u here",
                  text, table->name, count, kind, width, any_count ? 0 : field_count(field, obj),
                  field->kind, field->width);
        return false;
    }
    if (*mark) {
        error_set(errp, "field '%s' of '%s' is there twice", text, table->name);
        return false;
    }
    *mark = 1;
    if (!load_elements(field, obj, (unsigned)count, r, errp)) {
        g_prefix_error(errp, "field '%s' of '%s': ", text, table->name);
        return false;
    }
    return true;
}

static bool check_complete(const StateTable *table, uint64_t version, const GByteArray *seen,
                           GError **errp)
{
    for (unsigned i = 0; table->fields[i].name; i++) {
        if (!seen->data[i] && table->fields[i].since <= version) {
            error_set(errp, "field '%s' of '%s' is missing", table->fields[i].name, table->name);
            return false;
        }
    }
    return true;
}

bool state_load(const StateTable *table, void *obj, const uint8_t *data, size_t size, GError **errp)
{
    Reader r = { data, size };
    uint64_t version, count;
    unsigned oldest = table->oldest ? table->oldest : table->version, fields = 0;
    g_autoptr(GByteArray) seen = g_byte_array_new();

    if (!take_number(&r, 4, &version) || !take_number(&r, 2, &count)) {
        return ends_early(table, errp);
    }
    if (version < oldest || version > table->version) {
        error_set(errp, "the state of '%s' has version %" PRIu64 "; versions %u to %u can be read",
                  table->name, version, oldest, table->version);
        return false;
    }
    while (table->fields[fields].name) {
        fields++;
    }
    g_byte_array_set_size(seen, fields + 1);
    memset(seen->data, 0, seen->len);
    for (uint64_t i = 0; i < count; i++) {
        if (!load_field(table, (char *)obj + table->base, &r, seen, errp)) {
            return false;
        }
    }
    if (r.left) {
        error_set(errp, "the state of '%s' goes on after its last field", table->name);
        return false;
    }
    if (!check_complete(table, version, seen, errp)) {
        return false;
    }
    return !table->post_load || table->post_load(obj, errp);
}
