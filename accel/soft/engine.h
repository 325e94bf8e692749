/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The software CPU as an engine: its loop, and the memory map's changes.
 */
#ifndef ACCEL_SOFT_ENGINE_H
#define ACCEL_SOFT_ENGINE_H

#include "accel/accel.h"
#include "accel/soft/soft.h"

extern const AccelOps accel_soft;

/* Make @s ready to run: TLBs, decoded code. X86Cpu.model is set. Own thread. */
bool soft_engine_init(SoftCpu *s, GError **errp);
void soft_engine_destroy(SoftCpu *s);

/* One turn: deliver what is pending, run blocks once. Returns false if it must not be called again
 * now: halted, or INIT or SIPI is pending. s->unwind must lead to soft_engine_fault(). Read section
 * open. */
bool soft_engine_turn(SoftCpu *s);

/* What to do after a fault has come through s->unwind. False: the CPU is in shutdown. */
bool soft_engine_fault(SoftCpu *s);

#endif
