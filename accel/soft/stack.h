/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pushing and popping for near instructions. Nothing changes before the access has succeeded; the
 * caller sets RSP by soft_set_sp() when all of them have. @size is 2, 4 or 8.
 */
#ifndef ACCEL_SOFT_STACK_H
#define ACCEL_SOFT_STACK_H

#include "accel/soft/uop.h"

/* The stack pointer as the stack's width has it. */
static inline uint64_t soft_get_sp(SoftCpu *s)
{
    uint64_t sp = s->cpu.regs[X86_RSP];
    return s->mode_key & SOFT_KEY_CODE64    ? sp
           : s->mode_key & SOFT_KEY_STACK32 ? (uint32_t)sp
                                            : (uint16_t)sp;
}

static inline void soft_set_sp(SoftCpu *s, uint64_t sp)
{
    if (s->mode_key & SOFT_KEY_CODE64) {
        s->cpu.regs[X86_RSP] = sp;
    } else if (s->mode_key & SOFT_KEY_STACK32) {
        soft_set32(s, X86_RSP, (uint32_t)sp);
    } else {
        soft_set16(s, X86_RSP, (uint16_t)sp);
    }
}

/* Linear address of @size bytes at stack pointer @sp (any value: it is wrapped). */
static inline uint64_t soft_stack_address(SoftCpu *s, const Uop *op, uint64_t sp, unsigned size,
                                          bool write)
{
    if (SOFT_LIKELY(s->mode_key & SOFT_KEY_CODE64)) {
        return sp;
    }
    uint32_t offset = s->mode_key & SOFT_KEY_STACK32 ? (uint32_t)sp : (uint16_t)sp;
    return soft_segment_address(s, op, X86_SEG_SS, offset, size, write);
}

static inline uint64_t soft_stack_load(SoftCpu *s, const Uop *op, uint64_t sp, unsigned size)
{
    return soft_load(s, op, soft_stack_address(s, op, sp, size, false), size);
}

static inline void soft_stack_store(SoftCpu *s, const Uop *op, uint64_t sp, uint64_t value,
                                    unsigned size)
{
    soft_store(s, op, soft_stack_address(s, op, sp, size, true), value, size);
}

/* One value: store and move the pointer. */
static inline void soft_push(SoftCpu *s, const Uop *op, uint64_t value, unsigned size)
{
    uint64_t sp = soft_get_sp(s) - size;
    soft_stack_store(s, op, sp, value, size);
    soft_set_sp(s, sp);
}

#endif
