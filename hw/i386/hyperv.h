/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The partition of Hyper-V's interface as a device: it owns what target/i386/hyperv.h describes,
 * resets and saves it. A machine has it only if its CPU model has enlightenments. Machine lock.
 */
#ifndef HW_I386_HYPERV_H
#define HW_I386_HYPERV_H

#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "target/i386/hyperv.h"

#define TYPE_HYPERV "hyperv-partition"

/* Before there are CPUs: @machine's, if @model asks for it. */
bool hyperv_create(Machine *machine, const X86CpuModel *model, GError **errp);
/* A new CPU @index joins it; borrowed, as long as the machine lives. NULL: there is none. */
X86HvPartition *hyperv_partition_join(unsigned index);

#endif
