/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TOOLS_IMG_SNAPSHOT_LIST_H
#define TOOLS_IMG_SNAPSHOT_LIST_H

#include <glib.h>

/* Print the table of @list (SnapshotInfo). */
void img_print_snapshots(const GPtrArray *list);

#endif
