/* SPDX-License-Identifier: GPL-2.0-or-later */
/* I/O ports that users choose for a device. Machine lock. */
#ifndef HW_CHAR_ISA_PORTS_H
#define HW_CHAR_ISA_PORTS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Nobody has one of the @count ports from @first on; else false, with an error that says who, and
 * that @property chooses others (NULL: none does). Ports are below 0x10000. */
bool isa_ports_free(const char *property, uint32_t first, unsigned count, GError **errp);

#endif
