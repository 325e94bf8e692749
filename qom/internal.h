/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of qom/ share.
 */
#ifndef QOM_INTERNAL_H
#define QOM_INTERNAL_H

#include "qom/object.h"

/* Write the defaults of @type's own properties into the new instance @obj. */
void property_set_defaults(Object *obj, const ObjectType *type);
/* Free the strings and links of @type's own properties. */
void property_free_fields(Object *obj, const ObjectType *type);
/* The object a link property points to, borrowed, or NULL if @name is not a link that is set. */
Object *property_link_target(const Object *obj, const char *name);
/* Drop all children; for finalization. */
void tree_drop_children(Object *obj);

/* Would @text, as typed on a command line, be a value of @prop's kind? */
bool property_check_text(const Property *prop, const char *text, GError **errp);
/* Set what object_default_add(), then object_global_add() was told for objects like the new
 * instance @obj. */
bool globals_apply(Object *obj, GError **errp);

#endif
