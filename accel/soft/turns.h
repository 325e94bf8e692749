/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -accel soft,thread=single: of all vCPUs one runs guest code at a time. Each still has its thread;
 * they take turns, and the next one is that whose last turn ended first. A turn ends when the vCPU
 * leaves the engine, as by HLT, or after a few milliseconds if another one waits. Without the
 * option nothing is done.
 */
#ifndef ACCEL_SOFT_TURNS_H
#define ACCEL_SOFT_TURNS_H

#include "accel/soft/soft.h"

/* Wait until it is the turn of @s. False: it was kicked meanwhile, and must not run. Own thread,
 * without the machine lock and outside of a read section: whoever runs may wait for either. */
bool soft_turn_begin(SoftCpu *s);
/* After soft_turn_begin() that returned true. */
void soft_turn_end(SoftCpu *s);
/* @cpu does not wait any longer; exit_request is set. Any thread. */
void soft_turn_kick(X86Cpu *cpu);

#endif
