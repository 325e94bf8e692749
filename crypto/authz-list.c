/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "crypto/authz.h"
#include "util/error.h"
#include "util/file-read.h"
#include "util/json.h"

#define MAX_FILE (1u << 20) /* more than any list; a file that is longer was named by mistake */

/* ---- authz-list ---- */

typedef struct AuthzList {
    Authz parent;
    /* properties */
    int policy;       /* QAuthZListPolicy */
    GPtrArray *rules; /* of QAuthZListRule *; NULL: none */
} AuthzList;
OBJECT_CAST_DEFINE(AuthzList, AUTHZ_LIST, "authz-list")

static bool list_allows(Authz *authz, const char *identity, bool *allowed, GError **errp)
{
    const AuthzList *list = AUTHZ_LIST(authz);

    *allowed = authz_rules_allow(list->rules, (QAuthZListPolicy)list->policy, identity);
    return true;
}

static bool rules_set(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    AuthzList *list = AUTHZ_LIST(obj);
    g_autoptr(GPtrArray) rules = QAuthZListRule_list_new();

    if (!json_object_is_type(value, json_type_array)) {
        error_set(errp, "'rules' expects a list: rules.0.match=NAME,rules.0.policy=allow");
        return false;
    }
    for (size_t i = 0; i < json_object_array_length(value); i++) {
        g_autofree char *path = g_strdup_printf("rules.%zu", i);
        QAuthZListRule *rule =
            QAuthZListRule_from_json(json_object_array_get_idx(value, i), path, errp);
        if (!rule) {
            return false;
        }
        g_ptr_array_add(rules, rule);
    }
    g_clear_pointer(&list->rules, g_ptr_array_unref);
    list->rules = g_steal_pointer(&rules);
    return true;
}

static struct json_object *rules_get(Object *obj, const Property *prop, GError **errp)
{
    const AuthzList *list = AUTHZ_LIST(obj);
    struct json_object *array = json_object_new_array();

    for (unsigned i = 0; list->rules && i < list->rules->len; i++) {
        json_object_array_add(array, QAuthZListRule_to_json(list->rules->pdata[i]));
    }
    return array;
}

static void list_finalize(Object *obj)
{
    g_clear_pointer(&AUTHZ_LIST(obj)->rules, g_ptr_array_unref);
}

static const Property list_properties[] = {
    { .name = "policy",
      .kind = PROP_ENUM,
      .offset = offsetof(AuthzList, policy),
      .enum_names = QAuthZListPolicy_lookup,
      .custom_type = "QAuthZListPolicy",
      .has_default = true,
      .default_int = Q_AUTH_Z_LIST_POLICY_DENY,
      .description = "what is said where no rule fits" },
    { .name = "rules",
      .kind = PROP_CUSTOM,
      .custom_type = "QAuthZListRuleList",
      .get = rules_get,
      .set = rules_set,
      .description = "what is said of whom: match, policy, format; the first that fits" },
    { 0 },
};

static const AuthzOps list_ops = { .allows = list_allows };

static const ObjectType list_type = {
    .name = "authz-list",
    .parent = TYPE_AUTHZ,
    .description = "who may be a client: a list",
    .instance_size = sizeof(AuthzList),
    .user_creatable = true,
    .properties = list_properties,
    .ops = &list_ops,
    .finalize = list_finalize,
};
OBJECT_TYPE_REGISTER(list_type)

/* ---- authz-list-file ---- */

typedef struct AuthzListFile {
    Authz parent;
    /* properties */
    char *filename;
    bool refresh;

    GMutex lock;               /* of the rest: a thread that asks reads the file again */
    struct stat seen;          /* what the file was */
    AuthZListProperties *list; /* NULL: the file was no list: nobody may */
} AuthzListFile;
OBJECT_CAST_DEFINE(AuthzListFile, AUTHZ_LIST_FILE, "authz-list-file")

static bool read_text(const char *filename, struct stat *seen, char **text, GError **errp)
{
    g_autoptr(GError) err = NULL;

    if (stat(filename, seen) < 0) {
        error_set_errno(errp, errno, "%s", filename);
        return false;
    }
    if (!S_ISREG(seen->st_mode) || seen->st_size > MAX_FILE) {
        error_set(errp, "%s must be a file of at most %u bytes", filename, MAX_FILE);
        return false;
    }
    if (!file_read(filename, MAX_FILE, text, NULL, &err)) {
        error_set(errp, "%s", err->message);
        return false;
    }
    return true;
}

static bool read_list(AuthzListFile *file, GError **errp)
{
    g_autofree char *text = NULL;
    struct json_object *value;

    g_clear_pointer(&file->list, AuthZListProperties_free);
    file->seen = (struct stat){ 0 };
    if (!read_text(file->filename, &file->seen, &text, errp)) {
        return false;
    }
    value = json_parse_object(text, errp);
    if (value) {
        file->list = AuthZListProperties_from_json(value, NULL, errp);
        json_object_put(value);
    }
    if (!file->list) {
        g_prefix_error(errp, "%s: ", file->filename);
    }
    return file->list;
}

/* In place, or another by the same name. */
static bool has_changed(const AuthzListFile *file)
{
    struct stat now;

    return stat(file->filename, &now) < 0 || now.st_dev != file->seen.st_dev ||
           now.st_ino != file->seen.st_ino || now.st_size != file->seen.st_size ||
           now.st_mtim.tv_sec != file->seen.st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != file->seen.st_mtim.tv_nsec;
}

static bool file_allows(Authz *authz, const char *identity, bool *allowed, GError **errp)
{
    AuthzListFile *file = AUTHZ_LIST_FILE(authz);
    bool ok = true;

    g_mutex_lock(&file->lock);
    if (!file->list || (file->refresh && has_changed(file))) {
        ok = read_list(file, errp);
    }
    if (ok) {
        const AuthZListProperties *list = file->list;
        *allowed = authz_rules_allow(
            list->rules, list->has_policy ? list->policy : Q_AUTH_Z_LIST_POLICY_DENY, identity);
    }
    g_mutex_unlock(&file->lock);
    return ok;
}

static bool file_complete(Object *obj, GError **errp)
{
    AuthzListFile *file = AUTHZ_LIST_FILE(obj);

    if (!file->filename) {
        error_set(errp, "filename= is missing: the file with the list");
        return false;
    }
    return read_list(file, errp);
}

static void file_init(Object *obj)
{
    g_mutex_init(&AUTHZ_LIST_FILE(obj)->lock);
}

static void file_finalize(Object *obj)
{
    AuthzListFile *file = AUTHZ_LIST_FILE(obj);

    g_clear_pointer(&file->list, AuthZListProperties_free);
    g_mutex_clear(&file->lock);
}

static const Property file_properties[] = {
    { .name = "filename",
      .kind = PROP_STRING,
      .offset = offsetof(AuthzListFile, filename),
      .description = "the file: JSON, as authz-list has it" },
    { .name = "refresh",
      .kind = PROP_BOOL,
      .offset = offsetof(AuthzListFile, refresh),
      .has_default = true,
      .default_int = true,
      .description = "read it again when it has changed" },
    { 0 },
};

static const AuthzOps file_ops = { .allows = file_allows };

static const ObjectType file_type = {
    .name = "authz-list-file",
    .parent = TYPE_AUTHZ,
    .description = "who may be a client: a list in a file",
    .instance_size = sizeof(AuthzListFile),
    .user_creatable = true,
    .properties = file_properties,
    .ops = &file_ops,
    .init = file_init,
    .finalize = file_finalize,
    .complete = file_complete,
};
OBJECT_TYPE_REGISTER(file_type)
