/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -readconfig FILE.
 */
#ifndef SYSTEM_CONFIG_FILE_H
#define SYSTEM_CONFIG_FILE_H

#include <glib.h>
#include <stdbool.h>

/* Add to @uses what the file asks for. Errors begin with file and
 * line. */
bool config_file_read(GArray *uses, const char *path, GError **errp);

#endif
