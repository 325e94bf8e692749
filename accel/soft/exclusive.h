/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LOCKed operands that no atomic instruction of the host can reach: on devices, and across two
 * pages that do not lie side by side in the host's memory.
 *
 * All accesses to devices hold the machine lock, so for those it is enough to hold it from load to
 * store. For RAM all other vCPUs are made to leave their read sections, and cannot open new ones
 * until the machine lock is free again.
 */
#ifndef ACCEL_SOFT_EXCLUSIVE_H
#define ACCEL_SOFT_EXCLUSIVE_H

#include "accel/soft/soft.h"

/* Open the vCPU's memory read section; waits while another has the machine for itself. No lock
 * held. A harness without a reader has no sections. */
void soft_section_enter(SoftCpu *s);

/* Take the machine lock, and with @everyone stop the other vCPUs: until soft_exclusive_end(), or a
 * fault. No host pointer into guest memory stays valid over either. */
void soft_exclusive_begin(SoftCpu *s, bool everyone);
void soft_exclusive_end(SoftCpu *s);

#endif
