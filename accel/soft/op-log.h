/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -d op: the micro-operations of a block. */
#ifndef ACCEL_SOFT_OP_LOG_H
#define ACCEL_SOFT_OP_LOG_H

#include "accel/soft/decode.h"

/* Write the block that @d has decoded to the log: a line for each micro-operation, with the RIP of
 * its instruction, what it means to the translator ("called": nothing), what becomes of the flags,
 * and its operands. The vCPU's thread. */
void soft_log_ops(const SoftDecoder *d);

#endif
