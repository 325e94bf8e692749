/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many instructions of this program touch a page of memory. */
#ifndef TESTS_UNIT_COUNT_ACCESSES_H
#define TESTS_UNIT_COUNT_ACCESSES_H

/* Call @fn(@opaque), in this thread, and count the instructions meanwhile that write to the host's
 * page at @page, which can be written to and is aligned to 4096. */
unsigned count_writes(void *page, void (*fn)(void *opaque), void *opaque);
/* The same for those that read it or write to it. */
unsigned count_accesses(void *page, void (*fn)(void *opaque), void *opaque);

#endif
