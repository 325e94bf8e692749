/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vmgenid: a number that tells the guest whether it is still the same run of the same machine
 * (Microsoft, "Virtual Machine Generation ID"). It is another one when the machine goes on from a
 * saved state that may be used twice; the guest then knows that its random numbers, and all else
 * that must not come twice, have to be made anew. `-device vmgenid[,guid=auto|GUID]`, once.
 *
 * Firmware gets it as a page of fw_cfg, VMGENID_FILE, which it places where the ACPI tables are
 * (hw/i386/acpi-vmgenid.c), and tells in VMGENID_ADDR_FILE where the GUID is, so that another one
 * can be put there: nothing but these 16 bytes of RAM is written. Without firmware it is at the
 * beginning of a page of the board's own, which is memory, but none that the guest is given as
 * such. When it changes, general-purpose event 5 tells.
 */
#ifndef HW_I386_VMGENID_H
#define HW_I386_VMGENID_H

#include <glib.h>
#include <stdbool.h>

/* Guest-physical address and bytes of the board's page; the GUID is at its beginning. */
#define VMGENID_ADDR 0xfef00000u
#define VMGENID_SIZE 0x1000u

/* Firmware's page, of as many bytes; in it the GUID is at VMGENID_OFFSET, since firmware may take
 * for an ACPI table what a pointer leads to. And its address there, u64. */
#define VMGENID_FILE      "etc/vmgenid_guid"
#define VMGENID_ADDR_FILE "etc/vmgenid_addr"
#define VMGENID_OFFSET    40u

/* Is there one? */
bool vmgenid_present(void);
/* Its GUID, as text; g_free. NULL: there is no such device. Machine lock. */
char *vmgenid_guid(void);

#endif
