/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a board does about x87 exceptions where CR0.NE is clear, as since the PC AT (SDM vol. 1
 * appendix D; ICH9 datasheet, COPROC_ERR): FERR# of a processor raises ISA interrupt 13; a write to
 * port 0xf0 ends that, and the processors ignore the exception (IGNNE#) until it is cleared.
 * Machine lock.
 */
#ifndef HW_I386_FPU_ERROR_H
#define HW_I386_FPU_ERROR_H

#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "hw/core/machine.h"
#include "memory/memory.h"

#define TYPE_FPU_ERROR "fpu-error"
#define FPU_ERROR_IRQ  13

/* Make it, for the processors of @machine, with its port in @io. Belongs to the device tree. */
void fpu_error_create(Machine *machine, MemoryRegion *io, Irq irq);

#endif
