/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A shorter check: is the operand on the page where the last one by the same base register of this
 * block, or by RSP, RBP or a segment of any, was (SoftNear)? What is kept there was found in the
 * TLB, and holds until something is flushed there.
 */
#ifndef ACCEL_SOFT_TRANSLATE_NEAR_H
#define ACCEL_SOFT_TRANSLATE_NEAR_H

#include "accel/soft/translate/emit.h"

/* Check the operand of t->op, or if @base is a host register, [@base + @disp]: @size bytes. False,
 * with nothing emitted: not this one. Else SCRATCH_B is what to add to its address for the host's.
 * An operand that is not at a multiple of its size is checked behind the block. */
bool near_check(Translator *t, unsigned base, unsigned guest_base, int32_t disp, unsigned size,
                bool write);
/* The same of @size bytes, 2, 4 or 8, at the address in SCRATCH_A and in SoftCpu.address, which
 * t->op's registers lead to. */
bool near_check_linear(Translator *t, unsigned size, bool write);
/* Behind the block. */
void near_emit_tail(Translator *t);

#endif
