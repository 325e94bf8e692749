/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ACCEL_SOFT_TRANSFER_H
#define ACCEL_SOFT_TRANSFER_H

#include "accel/soft/soft.h"

/* Set the flags that POPF and IRET at privilege @cpl may set, from @value of @size bytes. The
 * caller then calls soft_update_mode(). */
void soft_write_flags(SoftCpu *s, uint64_t value, unsigned size, unsigned cpl);

#endif
