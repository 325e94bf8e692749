/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ACCEL_SOFT_MSR_H
#define ACCEL_SOFT_MSR_H

#include "accel/soft/soft.h"

/* RDMSR and WRMSR without the privilege check; false: #GP(0). Read section open; those of the APIC
 * leave it for a while. */
bool soft_msr_read(SoftCpu *s, uint32_t msr, uint64_t *value);
bool soft_msr_write(SoftCpu *s, uint32_t msr, uint64_t value);

/* The time-stamp counter: nanoseconds of the virtual clock and this CPU's offset. */
uint64_t soft_tsc(const SoftCpu *s);

#endif
