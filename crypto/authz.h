/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "authz-simple", "authz-list", "authz-list-file": who may do something, by the name that he has
 * proved: the distinguished name of a certificate, or the user of a shared key. Made with the
 * machine lock.
 */
#ifndef CRYPTO_AUTHZ_H
#define CRYPTO_AUTHZ_H

#include "qapi/qapi-types.h"
#include "qom/object.h"

#define TYPE_AUTHZ "authz"

/* The head of each instance. */
typedef struct Authz {
    Object parent;
} Authz;

/* What a type of authorization is made of. */
typedef struct AuthzOps {
    /* May the one called @identity? False with an error: it could not be found out. Any thread. */
    bool (*allows)(Authz *authz, const char *identity, bool *allowed, GError **errp);
} AuthzOps;

/* A reference to the object with the id @id. Machine lock. */
Authz *authz_get(const char *id, GError **errp);
void authz_unref(Authz *authz); /* NULL is fine; machine lock */
/* May the one called @identity? Else an error. Any thread. */
bool authz_check(Authz *authz, const char *identity, GError **errp);

/* ---- for the types with lists ---- */

/* What @rules (of QAuthZListRule *; NULL: none) say of @identity, or else @policy. */
bool authz_rules_allow(const GPtrArray *rules, QAuthZListPolicy policy, const char *identity);

#endif
