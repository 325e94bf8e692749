/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM (Linux: Documentation/virt/kvm/api.rst) as an engine: what others may use of it.
 */
#ifndef ACCEL_KVM_KVM_H
#define ACCEL_KVM_KVM_H

#include "accel/accel.h"

extern const AccelOps accel_kvm;

#endif
