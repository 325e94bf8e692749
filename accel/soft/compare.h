/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fusing a comparison with the branch after it. */
#ifndef ACCEL_SOFT_COMPARE_H
#define ACCEL_SOFT_COMPARE_H

#include "accel/soft/decode.h"

/* The function that does what @plain (of a CMP or TEST) does and then branches on condition code
 * @cc: soft_jump() 1 if it holds, else 0. NULL: there is none; @plain may be anything. */
UopFn *soft_compare_and_branch(UopFn *plain, unsigned cc);

#endif
