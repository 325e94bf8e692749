/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the software CPU does of Hyper-V's interface: its MSRs and hypercalls (TLFS chapters 3 to 12
 * as target/i386/hyperv.h names them).
 */
#ifndef ACCEL_SOFT_HYPERV_H
#define ACCEL_SOFT_HYPERV_H

#include "accel/soft/soft.h"

/* For the table of MSRs: HV_MSR_FIRST to HV_MSR_LAST. False: #GP, also for those whose
 * enlightenment the CPU has not. Read section open; they leave it for a while. */
bool soft_hv_read(SoftCpu *s, uint32_t msr, uint64_t *value);
bool soft_hv_write(SoftCpu *s, uint32_t msr, uint64_t value);

/* The guest has changed this CPU's TSC: a reference TSC page is of use no more, until the guest
 * writes that MSR again. Read section open; it leaves it for a while. */
void soft_hv_tsc_changed(SoftCpu *s);

/* VMCALL, or if @is_vmmcall VMMCALL, outside a guest of SVM: a hypercall, whose answer is in
 * registers afterwards; false: #UD. */
bool soft_hv_call(SoftCpu *s, bool is_vmmcall);

#endif
