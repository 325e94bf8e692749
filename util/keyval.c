/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/keyval.h"

#include <string.h>

#include "util/error.h"
#include "util/json.h"

/* The value at *@text, up to a single comma or the end; *@text moves behind it. */
static char *take_value(const char **text)
{
    GString *value = g_string_new(NULL);
    const char *p = *text;

    while (*p && (*p != ',' || p[1] == ',')) {
        p += *p == ','; /* the first of two */
        g_string_append_c(value, *p++);
    }
    *text = p + (*p == ',');
    return g_string_free(value, FALSE);
}

/* ---- texts ---- */

static void free_texts(struct json_object *value, void *texts)
{
    g_strfreev(texts);
}

/* @texts is taken. */
static struct json_object *text_new(char **texts)
{
    struct json_object *value = json_object_new_string(texts[g_strv_length(texts) - 1]);

    json_object_set_userdata(value, texts, free_texts);
    return value;
}

struct json_object *keyval_text_new(const char *text)
{
    char **texts = g_new0(char *, 2);

    texts[0] = g_strdup(text);
    return text_new(texts);
}

const char *keyval_get_text(struct json_object *obj, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(obj, key, &value) ? json_object_get_string(value) : NULL;
}

void keyval_default_flag(struct json_object *obj, const char *key, bool value)
{
    if (!json_object_object_get_ex(obj, key, NULL)) {
        json_object_object_add(obj, key, json_object_new_boolean(value));
    }
}

const char *const *keyval_texts(struct json_object *value)
{
    return json_object_is_type(value, json_type_string) ? json_object_get_userdata(value) : NULL;
}

void keyval_mark_texts(struct json_object *value)
{
    if (json_object_is_type(value, json_type_object)) {
        json_object_object_foreach(value, key, member)
        {
            (void)key;
            keyval_mark_texts(member);
        }
    } else if (json_object_is_type(value, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            keyval_mark_texts(json_object_array_get_idx(value, i));
        }
    } else if (json_object_is_type(value, json_type_string) && !keyval_texts(value)) {
        char **texts = g_new0(char *, 2);

        texts[0] = g_strdup(json_object_get_string(value));
        json_object_set_userdata(value, texts, free_texts);
    }
}

void keyval_default_suffix(struct json_object *obj, const char *key, const char *suffix)
{
    struct json_object *value = json_object_object_get(obj, key);
    const char *text = json_object_get_string(value);
    size_t len = text ? strlen(text) : 0;

    if (keyval_texts(value) && len && g_ascii_isdigit(text[len - 1]) &&
        g_ascii_strncasecmp(text, "0x", 2) != 0) {
        g_autofree char *full = g_strconcat(text, suffix, NULL);

        json_object_object_add(obj, key, keyval_text_new(full));
    }
}

/* ---- nested keys ---- */

#define MAX_PARTS 64 /* of a key */

static bool key_wellformed(const char *key)
{
    return *key && strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "-_./[]") == strlen(key);
}

static char **split_key(const char *key, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(key, ".", MAX_PARTS + 1);

    if (g_strv_length(parts) > MAX_PARTS) {
        error_set(errp, "'%.40s...' is not a key: it has more than %d parts", key, MAX_PARTS);
        return NULL;
    }
    if (g_strv_contains((const char *const *)parts, "")) {
        error_set(errp, "'%s' is not a key: nothing is before, behind or between its dots", key);
        return NULL;
    }
    return g_steal_pointer(&parts);
}

static char *join_path(const char *path, const char *key)
{
    return path ? g_strconcat(path, ".", key, NULL) : g_strdup(key);
}

/* One more text for a key: @before, NULL if it is the first, and @text. */
static struct json_object *one_more_text(struct json_object *before, const char *text)
{
    const char *const *old = before ? keyval_texts(before) : NULL;
    unsigned count = old ? g_strv_length((char **)(uintptr_t)old) : 0;
    char **texts = g_new0(char *, count + 2);

    for (unsigned i = 0; i < count; i++) {
        texts[i] = g_strdup(old[i]);
    }
    texts[count] = g_strdup(text);
    return text_new(texts);
}

/* "a.b" as it is, and not member b of a; but "a.0" is an element of the list a. */
static bool is_flat(char *const *parts)
{
    return parts[1] && !g_ascii_isdigit(*parts[1]);
}

/* Member c of member b of member a, for "a.b.c"; with @flat only what belongs to lists. */
static bool add_pair(struct json_object *obj, const char *key, const char *text, bool flat,
                     GError **errp)
{
    g_auto(GStrv) parts = split_key(key, errp);
    struct json_object *member = NULL;
    char **part = parts;

    if (!parts) {
        return false;
    }
    if (flat && is_flat(parts)) {
        json_object_object_add(obj, key, one_more_text(json_object_object_get(obj, key), text));
        return true;
    }
    for (; part[1]; part++) {
        if (!json_object_object_get_ex(obj, *part, &member)) {
            member = json_object_new_object();
            json_object_object_add(obj, *part, member);
        } else if (!json_object_is_type(member, json_type_object)) {
            char *next = part[1];

            part[1] = NULL;
            g_autofree char *path = g_strjoinv(".", parts);
            part[1] = next;
            error_set(errp, "'%s' is given both as %s= and as %s=", path, path, key);
            return false;
        }
        obj = member;
    }
    member = json_object_object_get(obj, *part);
    if (json_object_is_type(member, json_type_object)) {
        error_set(errp, "'%s' is given both as %s= and as %s.KEY=", key, key, key);
        return false;
    }
    json_object_object_add(obj, *part, one_more_text(member, text));
    return true;
}

static bool is_index(const char *key)
{
    return strspn(key, "0123456789") == strlen(key);
}

/* The list that @obj is, whose keys are all numbers. */
static struct json_object *list_from_object(struct json_object *obj, const char *path,
                                            GError **errp)
{
    unsigned count = (unsigned)json_object_object_length(obj);
    struct json_object *list = json_object_new_array();

    for (unsigned i = 0; i < count; i++) {
        g_autofree char *index = g_strdup_printf("%u", i);
        struct json_object *element = json_object_object_get(obj, index);

        if (!element) {
            error_set(errp,
                      "'%s.%s' is missing: the elements of a list are numbered from 0 on, without "
                      "a gap",
                      path, index);
            json_object_put(list);
            return NULL;
        }
        json_object_array_add(list, json_object_get(element));
    }
    return list;
}

/* Objects with keys 0, 1, ... become lists. New reference. */
static struct json_object *make_lists(struct json_object *obj, const char *path, GError **errp)
{
    const char *index = NULL, *name = NULL;

    if (!json_object_is_type(obj, json_type_object)) {
        return json_object_get(obj);
    }
    json_object_object_foreach(obj, key, member)
    {
        g_autofree char *sub = join_path(path, key);
        struct json_object *made = make_lists(member, sub, errp);

        if (!made) {
            return NULL;
        }
        json_object_object_add(obj, key, made);
        index = is_index(key) ? key : index;
        name = is_index(key) ? name : key;
    }
    if (!path || !index) { /* the whole is an object in any case */
        return json_object_get(obj);
    }
    if (name) {
        error_set(errp, "'%s' is given both as a list (%s.%s=) and with names (%s.%s=)", path, path,
                  index, path, name);
        return NULL;
    }
    return list_from_object(obj, path, errp);
}

/* ---- key=value ---- */

static bool parse_pairs(struct json_object *obj, const char *text, const char *implied_key,
                        bool flat, GError **errp)
{
    const char *p = text;

    while (*p) {
        size_t key_len = strcspn(p, "=,");
        g_autofree char *key = NULL;
        g_autofree char *value = NULL;

        if (p[key_len] == '=') {
            key = g_strndup(p, key_len);
            p += key_len + 1;
            value = take_value(&p);
        } else if (p == text && implied_key) {
            key = g_strdup(implied_key);
            value = take_value(&p);
        } else {
            key = g_strndup(p, key_len);
            p += key_len + (p[key_len] == ',');
            value = g_strdup("on");
        }
        if (!key_wellformed(key)) {
            error_set(errp, "'%s' is not a key (in '%s'); expects key=value,key=value,...", key,
                      text);
            return false;
        }
        if (!add_pair(obj, key, value, flat, errp)) {
            return false;
        }
    }
    return true;
}

static struct json_object *parse(const char *text, const char *implied_key, bool flat,
                                 GError **errp)
{
    struct json_object *obj = json_object_new_object();
    struct json_object *made =
        parse_pairs(obj, text, implied_key, flat, errp) ? make_lists(obj, NULL, errp) : NULL;

    json_object_put(obj);
    return made;
}

struct json_object *keyval_parse(const char *text, const char *implied_key, GError **errp)
{
    return parse(text, implied_key, false, errp);
}

static bool merge(struct json_object *into, struct json_object *from, const char *path,
                  GError **errp)
{
    json_object_object_foreach(from, key, value)
    {
        struct json_object *before;
        g_autofree char *sub = join_path(path, key);
        bool object = json_object_is_type(value, json_type_object);

        if (!json_object_object_get_ex(into, key, &before)) {
            before = NULL;
        }
        if (before && json_object_is_type(before, json_type_object) != object) {
            error_set(errp, "'%s' is given both as %s= and as %s.KEY=", sub, sub, sub);
            return false;
        }
        if (!before || !object) {
            json_object_object_add(into, key, json_object_get(value));
        } else if (!merge(before, value, sub, errp)) {
            return false;
        }
    }
    return true;
}

bool keyval_merge(struct json_object *into, struct json_object *from, GError **errp)
{
    return merge(into, from, NULL, errp);
}

struct json_object *keyval_or_json_parse(const char *text, const char *implied_key, GError **errp)
{
    return *text == '{' ? json_parse_object(text, errp) : keyval_parse(text, implied_key, errp);
}

struct json_object *keyval_device_parse(const char *text, GError **errp)
{
    return *text == '{' ? json_parse_object(text, errp) : parse(text, "driver", true, errp);
}

/* ---- values ---- */
