/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory that is not there yet: who touches a page of it waits in the kernel until the page is put
 * there (userfaultfd). Any thread; no lock is needed.
 */
#ifndef MIGRATION_USERFAULT_H
#define MIGRATION_USERFAULT_H

#include "memory/ram-block.h"

/* A descriptor that hears of those who wait, also of the host's kernel on behalf of a guest or a
 * disk; -1: an error says what the host lacks. */
int userfault_open(GError **errp);
bool userfault_supported(GError **errp);
/* Can pages of @block come late? An error says why not. */
bool userfault_check(const RamBlock *block, GError **errp);

/* From now on who touches a page of @block that is not there waits. */
bool userfault_register(int fd, const RamBlock *block, GError **errp);
void userfault_unregister(int fd, const RamBlock *block);
/* Pages of @block are not there any more. */
bool userfault_discard(const RamBlock *block, uint64_t offset, uint64_t size, GError **errp);

/* Put @size bytes, whole pages of the block, there, and let those go on who wait for them; @data
 * NULL: zeros. One that is there already stays as it is. */
bool userfault_put(int fd, const RamBlock *block, uint64_t offset, uint64_t size,
                   const uint8_t *data, GError **errp);

/* ---- memory that is not to be written yet: who does waits ---- */

/* As userfault_open() and _supported(). */
int userfault_protect_open(GError **errp);
bool userfault_protect_supported(GError **errp);
/* Nothing changes yet; but who writes to pages of @block that are protected waits. */
bool userfault_protect_register(int fd, const RamBlock *block, GError **errp);
/* [@offset, @offset + @size) of @block, whole pages of it, is protected, or those who wait go on.
 */
bool userfault_protect(int fd, const RamBlock *block, uint64_t offset, uint64_t size, bool on,
                       GError **errp);

/* Somebody waits. */
typedef struct Userfault {
    const uint8_t *at;
    unsigned thread; /* the host's number of it */
} Userfault;

/* The next one; false: there is none now. */
bool userfault_read(int fd, Userfault *fault);

#endif
