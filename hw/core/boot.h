/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What firmware is told of booting: the machine's property "boot", which -boot sets. A machine
 * without firmware carries it along.
 */
#ifndef HW_CORE_BOOT_H
#define HW_CORE_BOOT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "qom/object.h"

/* -1: not given. Waits are in milliseconds. */
typedef struct BootConfig {
    char *order; /* letters of drives, "cdn"; NULL: not given */
    char *once;  /* the same, for the first boot only */
    bool menu, strict;
    bool no_floppy_check;   /* of a floppy disk's boot signature (-no-fd-bootchk) */
    char *splash;           /* file with a picture, or NULL */
    int32_t splash_time;    /* 0-65535: how long it, or the boot menu's prompt, is shown */
    int32_t reboot_timeout; /* 0-65535: when nothing could be booted; -1: never */
} BootConfig;

void boot_config_init(BootConfig *config);
void boot_config_clear(BootConfig *config);

/* Boot from @order, each time: -boot once= is forgotten. */
bool boot_config_set_order(BootConfig *config, const char *order, GError **errp);

/* The property: its setter takes such text, or an object with these keys. */
struct json_object *machine_get_boot(Object *obj, const Property *prop, GError **errp);
bool machine_set_boot(Object *obj, const Property *prop, struct json_object *value, GError **errp);

#endif
