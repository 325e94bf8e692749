/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where files with firmware are found: that of the machine, and that of its cards. Main thread. */
#ifndef HW_CORE_FIRMWARE_FILE_H
#define HW_CORE_FIRMWARE_FILE_H

#include <glib.h>

/* -L: look for firmware in @dir, before the usual places and after those added before. */
void firmware_file_add_dir(const char *dir);
/* "DIR\n" for each place, in order; g_free. */
char *firmware_file_dirs_text(void);
/* The path of file @name: as it is, or in one of the places. NULL with an error that lists them.
 * g_free. */
char *firmware_file_find(const char *name, GError **errp);

#endif
