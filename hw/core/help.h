/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists for users: device types, user-creatable objects and their properties. The command line and
 * HMP print them. Every function returns text to g_free().
 */
#ifndef HW_CORE_HELP_H
#define HW_CORE_HELP_H

#include "qom/object.h"

char *help_properties(const ObjectType *type); /* those that can be set */
char *help_devices(void);                      /* what -device takes, by category */
/* The devices of a category, a name a line; NULL: there is none. */
char *help_devices_of(const char *category);
char *help_objects(void);  /* what -object takes */
char *help_chardevs(void); /* what -chardev takes */
/* The properties of one type; an error if -device resp. -object does not take it. */
char *help_device_type(const char *type, GError **errp);
char *help_object_type(const char *type, GError **errp);
/* The options of one kind of character devices, "pty" for example; an error if there is none. */
char *help_chardev_backend(const char *backend, GError **errp);

#endif
