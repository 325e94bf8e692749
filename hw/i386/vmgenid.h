/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmgenid: a number that tells the guest whether it is still the same run of the same machine
 * (Microsoft, "Virtual Machine Generation ID"). It is another one when the machine goes on from a
 * saved state that may be used twice; the guest then knows that its random numbers, and all else
 * that must not come twice, have to be made anew. `-device vmgenid[,guid=auto|GUID]`, once.
 *
 * The GUID is in a page of the board's own, which is memory, but none that the guest is given as
 * such; ACPI tells where (hw/i386/acpi-dsdt.c). No firmware has to place it or to tell the machine
 * where it is, so a boot without firmware has it too, and the machine never writes to an address
 * that the guest chooses. When it changes, general-purpose event 5 tells.
 */
#ifndef HW_I386_VMGENID_H
#define HW_I386_VMGENID_H

#include <glib.h>
#include <stdbool.h>

/* Guest-physical address and bytes of the page; the GUID is at its beginning. */
#define VMGENID_ADDR 0xfef00000u
#define VMGENID_SIZE 0x1000u

/* Is there one? */
bool vmgenid_present(void);
/* Its GUID, as text; g_free. NULL: there is no such device. Machine lock. */
char *vmgenid_guid(void);

#endif
