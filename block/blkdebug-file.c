/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/blkdebug-file.h"

#include <string.h>

#include "util/error.h"
#include "util/file-read.h"
#include "util/keyval.h"

#define ERROR_SECTION "inject-error"
#define STATE_SECTION "set-state"

/* A section as an object, whose texts are its lines; "" is its name. */
static struct json_object *new_section(const char *line)
{
    struct json_object *section = json_object_new_object();
    g_autofree char *name = g_strndup(line + 1, strcspn(line + 1, "]"));

    json_object_object_add(section, "", keyval_text_new(g_strstrip(name)));
    return section;
}

static bool add_line(struct json_object *section, char *line)
{
    char *value = strchr(line, '=');
    size_t size;

    if (!section || !value) {
        return false;
    }
    *value++ = '\0';
    value = g_strstrip(value);
    size = strlen(value);
    if (size >= 2 && value[0] == '"' && value[size - 1] == '"') {
        value[size - 1] = '\0';
        value++;
    }
    json_object_object_add(section, g_strstrip(line), keyval_text_new(value));
    return true;
}

static struct json_object *read_sections(const char *text, GError **errp)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    struct json_object *sections = json_object_new_array(), *section = NULL;

    for (unsigned i = 0; lines[i]; i++) {
        char *line = g_strstrip(lines[i]);

        if (*line == '[') {
            section = new_section(line);
            json_object_array_add(sections, section);
        } else if (*line && *line != '#' && !add_line(section, line)) {
            error_set(errp,
                      "line %u is '%s': wanted is [" ERROR_SECTION "], or below it KEY = \"VALUE\"",
                      i + 1, line);
            json_object_put(sections);
            return NULL;
        }
    }
    return sections;
}

static bool same(struct json_object *a, struct json_object *b, const char *key)
{
    return g_strcmp0(keyval_get_text(a, key), keyval_get_text(b, key)) == 0;
}

/* Does a section end the state in which @rule is? */
static bool is_ended(struct json_object *sections, struct json_object *rule)
{
    for (size_t i = 0; i < json_object_array_length(sections); i++) {
        struct json_object *other = json_object_array_get_idx(sections, i);

        if (g_strcmp0(keyval_get_text(other, ""), STATE_SECTION) == 0 &&
            same(other, rule, "event") && same(other, rule, "state")) {
            return true;
        }
    }
    return false;
}

/* @rule as the schema has it: a new reference. */
static struct json_object *rule_options(struct json_object *sections, struct json_object *rule)
{
    struct json_object *options = json_object_new_object();

    json_object_object_foreach(rule, key, value)
    {
        bool none =
            !*key || strcmp(key, "state") == 0 ||
            (strcmp(key, "immediately") == 0 && g_strcmp0(keyval_get_text(rule, key), "off") == 0);

        if (!none) {
            json_object_object_add(options, key, json_object_get(value));
        }
    }
    if (keyval_get_text(rule, "state") && is_ended(sections, rule)) {
        json_object_object_add(options, "once", keyval_text_new("on"));
    }
    return options;
}

bool blkdebug_read_file(struct json_object *json, const char *path, GError **errp)
{
    g_autofree char *text = NULL;
    struct json_object *sections, *rules;
    bool ok = true;

    if (!file_read(path, FILE_READ_SMALL, &text, NULL, errp)) {
        return false;
    }
    sections = read_sections(text, errp);
    if (!sections) {
        g_prefix_error(errp, "%s: ", path);
        return false;
    }
    rules = json_object_new_array();
    for (size_t i = 0; i < json_object_array_length(sections) && ok; i++) {
        struct json_object *section = json_object_array_get_idx(sections, i);
        const char *name = keyval_get_text(section, "");

        if (strcmp(name, ERROR_SECTION) == 0) {
            json_object_array_add(rules, rule_options(sections, section));
        } else if (strcmp(name, STATE_SECTION) != 0) {
            error_set(errp, "%s: there is no section [%s], but [" ERROR_SECTION "]", path, name);
            ok = false;
        }
    }
    json_object_object_add(json, "inject-error", rules);
    json_object_put(sections);
    return ok;
}
