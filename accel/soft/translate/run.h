/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What translated code calls. SoftCpu is up to date: registers, flags, the running block @b.
 */
#ifndef ACCEL_SOFT_TRANSLATE_RUN_H
#define ACCEL_SOFT_TRANSLATE_RUN_H

#include "accel/soft/translate/translate.h"

/* Gives the micro-operation to go on with, or NULL, like a UopFn. */
typedef const Uop *RunFn(SoftCpu *s, SoftBlock *b, unsigned number);

/* Run some micro-operations of the block that do not end it (thunks.h). Gives RUN_STAY(s) if
 * translated code goes on behind them. */
#define RUN_STAY(s) ((const Uop *)(s))
RunFn run_uops;
/* The interpreter goes on at micro-operation @number. */
RunFn run_bail;
/* Leave by direct exit @number. */
RunFn run_exit;
/* The same at an indirect branch or RET whose target, SoftCpu.target, translated code did not know:
 * next time it will. */
RunFn run_target;

#endif
