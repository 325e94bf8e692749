/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine's "memory" and "smp" properties: private to hw/core.
 *
 * A setter takes the command line's text, or an object whose values are text or numbers (of bytes
 * resp. CPUs). In the object, whose keys are those of the interface, a size without suffix is bytes
 * and the most memory is "max-size"; in -m's text, size alone is MiB and the most is "maxmem". What
 * is not given stays as it was given before. A setter refuses what is wrong by itself; the check
 * functions, which machine_init() calls, what is wrong for this type of machine.
 */
#ifndef HW_CORE_MACHINE_CONFIG_H
#define HW_CORE_MACHINE_CONFIG_H

#include "hw/core/machine.h"

struct json_object *machine_get_memory(Object *obj, const Property *prop, GError **errp);
bool machine_set_memory(Object *obj, const Property *prop, struct json_object *value,
                        GError **errp);
bool machine_check_memory(const Machine *machine, GError **errp);

struct json_object *machine_get_smp(Object *obj, const Property *prop, GError **errp);
bool machine_set_smp(Object *obj, const Property *prop, struct json_object *value, GError **errp);

#endif
