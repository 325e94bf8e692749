/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine's properties "memory", "smp" and "boot" as structures of the schema: private to
 * hw/core. A setter changes what is given, all of it or nothing, and refuses what is wrong by
 * itself; the check functions, which machine_init() calls, what is wrong for this type of machine.
 */
#ifndef HW_CORE_MACHINE_CONFIG_H
#define HW_CORE_MACHINE_CONFIG_H

#include "hw/core/machine.h"

void *machine_get_memory(Object *obj); /* MemorySizeConfiguration */
bool machine_set_memory(Object *obj, const void *value, GError **errp);
bool machine_check_memory(const Machine *machine, GError **errp);

void *machine_get_smp(Object *obj); /* SMPConfiguration */
bool machine_set_smp(Object *obj, const void *value, GError **errp);

void *machine_get_boot(Object *obj); /* BootConfiguration */
bool machine_set_boot(Object *obj, const void *value, GError **errp);

#endif
