/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which instructions there are: by the CPUID of the guest's CPU model. What is not announced raises
 * #UD, whoever would have emitted it.
 */
#ifndef ACCEL_SOFT_ISA_H
#define ACCEL_SOFT_ISA_H

#include "accel/soft/soft.h"

/* Does @model have the instruction, run as code of @mode (16, 32 or 64) bits? True also for what
 * every processor has, and for what nobody here implements. */
bool soft_isa_offered(const X86CpuModel *model, const ZydisDecodedInstruction *raw, unsigned mode);
/* Is it of an instruction set that thunks on the host run (native.h)? */
bool soft_isa_native(const ZydisDecodedInstruction *raw);

#endif
