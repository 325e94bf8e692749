/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of -global (object_global_add()) for what is no member of its object, and perhaps in no
 * table of its type: features of CPUs. Machine lock, or before there are threads.
 */
#ifndef QOM_GLOBAL_H
#define QOM_GLOBAL_H

#include "qom/object.h"

/* Can @name be set to @text? Otherwise an error. */
typedef bool GlobalCheck(const char *name, const char *text, GError **errp);

/* From now on @check is asked about properties that are no members of @type and its subtypes
 * (PROP_CUSTOM, or in no table). Of one type. */
void object_globals_extend(const char *type, GlobalCheck *check);
/* Those that are for a new @type_name of the extended type: the machine's defaults, then those of
 * -global, in the order of the command line; they count as used. */
void object_globals_take(const char *type_name,
                         void (*fn)(const char *name, const char *text, void *opaque),
                         void *opaque);

#endif
