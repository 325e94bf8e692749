/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects that users make: -object, object-add, object_add.
 */
#ifndef QOM_USER_OBJECT_H
#define QOM_USER_OBJECT_H

#include "qom/object.h"

/* Make @type with id @id and @props (borrowed; "qom-type" and "id" inside are passed over),
 * complete it and put it in /objects. Nothing is left behind on failure. Borrowed reference. */
Object *user_object_add(const char *type, const char *id, struct json_object *props, GError **errp);
bool user_object_del(const char *id, GError **errp);
/* Would that work for @obj, a child of /objects? */
bool user_object_can_be_deleted(Object *obj, GError **errp);

#endif
