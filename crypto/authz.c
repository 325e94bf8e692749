/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/authz.h"

#include <string.h>

#include "util/error.h"

OBJECT_CAST_DEFINE(Authz, AUTHZ, TYPE_AUTHZ)

/* ---- users ---- */

Authz *authz_get(const char *id, GError **errp)
{
    Object *obj = object_child(object_container("/objects"), id);

    if (!obj || !object_is_a(obj, TYPE_AUTHZ)) {
        error_set(errp, "there is no authorization '%s': make it with -object authz-list", id);
        return NULL;
    }
    return AUTHZ(object_ref(obj));
}

void authz_unref(Authz *authz)
{
    if (authz) {
        object_unref(OBJECT(authz));
    }
}

bool authz_check(Authz *authz, const char *identity, GError **errp)
{
    const AuthzOps *ops = object_type_ops(authz->parent.type);
    bool allowed = false;

    if (!ops->allows(authz, identity, &allowed, errp)) {
        return false;
    }
    if (!allowed) {
        error_set(errp, "the authorization '%s' does not let '%s' in", authz->parent.name,
                  identity);
    }
    return allowed;
}

bool authz_rules_allow(const GPtrArray *rules, QAuthZListPolicy policy, const char *identity)
{
    for (unsigned i = 0; rules && i < rules->len; i++) {
        const QAuthZListRule *rule = rules->pdata[i];
        bool glob = rule->has_format && rule->format == Q_AUTH_Z_LIST_FORMAT_GLOB;

        if (glob ? g_pattern_match_simple(rule->match, identity)
                 : strcmp(rule->match, identity) == 0) {
            return rule->policy == Q_AUTH_Z_LIST_POLICY_ALLOW;
        }
    }
    return policy == Q_AUTH_Z_LIST_POLICY_ALLOW;
}

static const ObjectType authz_type = {
    .name = TYPE_AUTHZ,
    .parent = "object",
    .instance_size = sizeof(Authz),
    .abstract = true,
};
OBJECT_TYPE_REGISTER(authz_type)

/* ---- authz-simple ---- */

typedef struct AuthzSimple {
    Authz parent;
    char *identity; /* property */
} AuthzSimple;
OBJECT_CAST_DEFINE(AuthzSimple, AUTHZ_SIMPLE, "authz-simple")

static bool simple_allows(Authz *authz, const char *identity, bool *allowed, GError **errp)
{
    *allowed = strcmp(AUTHZ_SIMPLE(authz)->identity, identity) == 0;
    return true;
}

static bool simple_complete(Object *obj, GError **errp)
{
    if (!AUTHZ_SIMPLE(obj)->identity) {
        error_set(errp, "identity= is missing: the name of the one who may");
        return false;
    }
    return true;
}

static const Property simple_properties[] = {
    { .name = "identity",
      .kind = PROP_STRING,
      .offset = offsetof(AuthzSimple, identity),
      .description = "the name of the one who may" },
    { 0 },
};

static const AuthzOps simple_ops = { .allows = simple_allows };

static const ObjectType simple_type = {
    .name = "authz-simple",
    .parent = TYPE_AUTHZ,
    .description = "the one who may be a client",
    .instance_size = sizeof(AuthzSimple),
    .user_creatable = true,
    .properties = simple_properties,
    .ops = &simple_ops,
    .complete = simple_complete,
};
OBJECT_TYPE_REGISTER(simple_type)
