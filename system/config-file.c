/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Configuration files (-readconfig):
 *
 *   # comment
 *   [device "dimm0"]
 *     driver = "pc-dimm"
 *     memdev = "ram0"
 *
 * A group becomes the option of that name, as if it stood on the command line in place of
 * -readconfig, so that there is one parser of what it says.
 */
#include "system/config-file.h"

#include <errno.h>
#include <string.h>

#include "qom/object.h"
#include "system/option-groups.h"
#include "util/error.h"
#include "util/file-read.h"

#define MAX_FILE (1u << 20)

typedef struct ConfigFile {
    const char *path;
    unsigned line;
    GArray *uses;
    /* the group that is being read */
    const Option *option; /* NULL: none yet */
    unsigned group_line;
    char *title; /* "[device "dimm0"]" */
    GString *arg;
} ConfigFile;

static void end_group(ConfigFile *file)
{
    if (file->option) {
        OptionUse use = {
            .option = file->option,
            .arg = g_strdup(file->arg->str),
            .where = g_strdup_printf("%s:%u: %s", file->path, file->group_line, file->title),
        };
        g_array_append_val(file->uses, use);
    }
    file->option = NULL;
    g_string_truncate(file->arg, 0);
}

static void add_pair(ConfigFile *file, const char *key, const char *value)
{
    g_autofree char *pair = option_pair_text(key, value);

    g_string_append_printf(file->arg, "%s%s", file->arg->len ? "," : "", pair);
}

/* What is between the double quotes that @text begins and ends with; NULL if it does not. */
static char *unquote(const char *text)
{
    size_t len = strlen(text);

    if (len < 2 || text[0] != '"' || text[len - 1] != '"' || memchr(text + 1, '"', len - 2)) {
        return NULL;
    }
    return g_strndup(text + 1, len - 2);
}

/* "[group]" or "[group "id"]". */
static bool begin_group(ConfigFile *file, const char *line, GError **errp)
{
    size_t len = strlen(line);

    end_group(file);
    if (line[len - 1] != ']') {
        error_set(errp, "'%s': the ] is missing, as in [device \"dimm0\"]", line);
        return false;
    }
    g_autofree char *inside = g_strndup(line + 1, len - 2);
    size_t name_len = strcspn(g_strstrip(inside), " \t\"");
    g_autofree char *name = g_strndup(inside, name_len);
    const char *rest = g_strchug(inside + name_len);
    g_autofree char *id = *rest ? unquote(rest) : NULL;
    if (*rest && (!id || !object_id_wellformed(id))) {
        error_set(errp, "'%s' must be an id in double quotes, as in [device \"dimm0\"]", rest);
        return false;
    }
    file->option = option_group_find(name, errp);
    if (!file->option) {
        return false;
    }
    if (id && !option_group_has_ids(name)) {
        error_set(errp, "group '%s' has no id: write [%s]", name, name);
        return false;
    }
    file->group_line = file->line;
    g_free(file->title);
    file->title = g_strdup(line);
    if (id) {
        add_pair(file, "id", id);
    }
    return true;
}

/* "key = "value"". */
static bool read_pair(ConfigFile *file, char *line, GError **errp)
{
    char *equals = strchr(line, '=');

    if (!equals) {
        error_set(errp, "'%s' is neither [GROUP] nor KEY = \"VALUE\"", line);
        return false;
    }
    if (!file->option) {
        error_set(errp, "'%s' is in no group: a line such as [device \"dimm0\"] goes before it",
                  line);
        return false;
    }
    *equals = '\0';
    const char *key = g_strchomp(line), *text = g_strchug(equals + 1);
    g_autofree char *value = unquote(text);
    if (!value) {
        error_set(errp, "the value of '%s' must be in double quotes: %s = \"...\", not %s", key,
                  key, text);
        return false;
    }
    /* The rest of a key's rules are keyval_parse()'s. */
    if (!*key || strpbrk(key, ",\" \t")) {
        error_set(errp, "'%s' is not a key", key);
        return false;
    }
    add_pair(file, key, value);
    return true;
}

static bool read_line(ConfigFile *file, char *line, GError **errp)
{
    g_strstrip(line);
    if (*line == '\0' || *line == '#') {
        return true;
    }
    return *line == '[' ? begin_group(file, line, errp) : read_pair(file, line, errp);
}

static char *read_text(const char *path, GError **errp)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *text = NULL;
    gsize len;

    if (!file_read(path, MAX_FILE, &text, &len, &err)) {
        error_set(errp, "%s", err->message);
        return NULL;
    }
    if (memchr(text, '\0', len)) {
        error_set(errp, "'%s' is not a configuration file: it is not text", path);
        return NULL;
    }
    return g_steal_pointer(&text);
}

bool config_file_read(GArray *uses, const char *path, GError **errp)
{
    g_autofree char *text = read_text(path, errp);
    ConfigFile file = { .path = path, .uses = uses };
    bool ok = true;

    if (!text) {
        return false;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    file.arg = g_string_new(NULL);
    for (char **line = lines; ok && *line; line++) {
        file.line++;
        ok = read_line(&file, *line, errp);
    }
    if (ok) {
        end_group(&file);
    } else {
        g_prefix_error(errp, "%s:%u: ", path, file.line);
    }
    g_free(file.title);
    g_string_free(file.arg, TRUE);
    return ok;
}
