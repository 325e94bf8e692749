/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/flags.h"

uint64_t soft_get_rflags(SoftCpu *s)
{
    return (s->cpu.rflags & ~(uint64_t)SOFT_ARITH_FLAGS) | soft_flags_from_ax(s->cc.ax);
}

void soft_set_rflags(SoftCpu *s, uint64_t rflags)
{
    s->cpu.rflags = rflags;
    s->cc.ax = soft_flags_to_ax(rflags);
}
