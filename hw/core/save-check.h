/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether the machine can be saved as it is now, be it to a stream or to a snapshot. What may be in
 * a state that is nowhere but in this program, or on this host, has a function that is asked.
 * Machine lock.
 */
#ifndef HW_CORE_SAVE_CHECK_H
#define HW_CORE_SAVE_CHECK_H

#include <glib.h>
#include <stdbool.h>

/* False: the error says why not, and what would be right. */
typedef bool SaveCheckFn(void *opaque, GError **errp);

void save_check_add(SaveCheckFn *fn, void *opaque);
void save_check_remove(SaveCheckFn *fn, void *opaque);
/* Ask all of them. */
bool save_check(GError **errp);
/* The same, and add what each says against it to @reasons, strings that it owns. */
void save_check_list(GPtrArray *reasons);

#endif
