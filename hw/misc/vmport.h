/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMware's port (the backdoor, 0x5658): a guest puts VMware's magic number into EAX and a command
 * into CX, reads the port, and finds answers in its registers. The commands that are known are in a
 * table, to which devices add theirs. Machine lock for everything.
 */
#ifndef HW_MISC_VMPORT_H
#define HW_MISC_VMPORT_H

#include "hw/core/device.h"
#include "target/i386/cpu.h"

#define TYPE_VMPORT "vmport"

/* Of the mouse (vmmouse.h); the others are vmport.c's own. */
enum { VMPORT_MOUSE_DATA = 39, VMPORT_MOUSE_STATUS = 40, VMPORT_MOUSE_COMMAND = 41 };
#define VMPORT_COMMANDS 80 /* from 0 on; there are none above */

/* Carry out a command of @cpu, which waits for it; its general registers are right, and what is
 * changed of them is the guest's then. The result is for EAX. */
typedef uint32_t VmportCommand(void *opaque, X86Cpu *cpu);

/* Make and realize it, at its port. Belongs to the device tree. */
Device *vmport_create(void);
/* @command is carried out by @fn from now on (NULL: by nobody); there is a vmport. */
void vmport_set_command(unsigned command, VmportCommand *fn, void *opaque);

#endif
