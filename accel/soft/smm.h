/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System management mode: SMI and RSM (target/i386/smm.h has the states). All by the vCPU's own
 * thread.
 */
#ifndef ACCEL_SOFT_SMM_H
#define ACCEL_SOFT_SMM_H

#include "accel/soft/soft.h"

/* Take the SMI that waits (x86_cpu_smi_waits()): between instructions. */
void soft_smm_enter(SoftCpu *s);

/* RSM's micro-operation; it ends the block. */
const Uop *soft_run_rsm(SoftCpu *s, const Uop *op);

#endif
