/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Properties with one value that is possible: switches of things that a machine always or never
 * has, which tools set nevertheless. They can be read, and set to what they are; anything else is
 * refused with the property's description as the reason.
 */
#ifndef QOM_FIXED_H
#define QOM_FIXED_H

#include "qom/object.h"

/* What such switches of an instance are, for all of them. */
typedef struct FixedSwitches {
    bool on, off;
} FixedSwitches;

/* Two positions; @field is the instance's FixedSwitches, @position is on or off. */
#define PROPERTY_FIXED(text, Type, field, position, value, why)                               \
    {                                                                                         \
        .name = text, .kind = PROP_BOOL, .offset = offsetof(Type, field.position),            \
        .has_default = true, .default_int = (value), .check = fixed_check, .description = why \
    }
#define PROPERTY_ALWAYS(text, Type, field, why) PROPERTY_FIXED(text, Type, field, on, true, why)
#define PROPERTY_NEVER(text, Type, field, why)  PROPERTY_FIXED(text, Type, field, off, false, why)

/* A third position, auto, which is taken, too; it is read as @value, "auto" or "off": of what is
 * there, or not. */
#define PROPERTY_FIXED_AUTO(text, value, why)                                                \
    {                                                                                        \
        .name = text, .kind = PROP_CUSTOM, .custom_type = "OnOffAuto", .default_str = value, \
        .get = fixed_get, .set = fixed_set, .description = why                               \
    }

bool fixed_check(Object *obj, const Property *prop, struct json_object *value, GError **errp);
struct json_object *fixed_get(Object *obj, const Property *prop, GError **errp);
bool fixed_set(Object *obj, const Property *prop, struct json_object *value, GError **errp);

#endif
