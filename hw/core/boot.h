/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What firmware is told of booting: the machine's property "boot", which -boot sets. A machine
 * without firmware carries it along.
 */
#ifndef HW_CORE_BOOT_H
#define HW_CORE_BOOT_H

#include <glib.h>
#include <stdbool.h>

#include "qapi/qapi-types.h"

typedef struct BootConfig {
    BootConfiguration *given; /* checked; menu, strict and reboot-timeout are always there */
    bool no_floppy_check;     /* of a floppy disk's boot signature (-no-fd-bootchk) */
} BootConfig;

void boot_config_init(BootConfig *config);
void boot_config_clear(BootConfig *config);

/* Boot from @order, each time: -boot once= is forgotten. */
bool boot_config_set_order(BootConfig *config, const char *order, GError **errp);

#endif
