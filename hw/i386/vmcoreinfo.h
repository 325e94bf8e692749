/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmcoreinfo: the guest's kernel tells by a file of fw_cfg where in its memory the note
 * "VMCOREINFO" is, which debuggers need to read its structures (QEMU's published interface,
 * docs/specs/vmcoreinfo). Dumps of guest memory have that note then. `-device vmcoreinfo`, once.
 */
#ifndef HW_I386_VMCOREINFO_H
#define HW_I386_VMCOREINFO_H

#include <glib.h>

#include "memory/dma.h"

/* The note as the guest has it now: an ELF note whole, header and name included, padded to 4 bytes.
 * NULL: there is no such device, the guest has told nothing, or what it tells of is no such note.
 * Free with g_byte_array_unref(). Machine lock; vCPUs stopped. */
GByteArray *vmcoreinfo_note(void);

#endif
