/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices whose memory cannot come late: others than this program touch it.
 */
#ifndef MIGRATION_POSTCOPY_CHECK_H
#define MIGRATION_POSTCOPY_CHECK_H

#include <glib.h>
#include <stdbool.h>

/* False: there is one, which the error names. Machine lock. */
bool postcopy_check_devices(GError **errp);

#endif
