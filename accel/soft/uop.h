/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the functions of micro-operations are made of: registers, addresses, the way to the next
 * one.
 *
 * A function may return the next micro-operation (soft_execute() loops) or call it as its last act,
 * which optimising compilers turn into a jump: soft_next() chooses. Only functions without
 * address-taken locals use soft_next(), since others would not become jumps and fill the stack.
 */
#ifndef ACCEL_SOFT_UOP_H
#define ACCEL_SOFT_UOP_H

#include "accel/soft/access.h"
#include "accel/soft/block.h"
#include "accel/soft/flags.h"

#define SOFT_LIKELY(x)   __builtin_expect(!!(x), 1)
#define SOFT_UNLIKELY(x) __builtin_expect(!!(x), 0)

static inline __attribute__((always_inline)) const Uop *soft_next(SoftCpu *s, const Uop *op)
{
#if SOFT_THREADED
    return op[1].fn(s, op + 1);
#else
    return op + 1;
#endif
}

/* ---- leaving a block ---- */

/* Look up the block at @rip and go there; or leave, with cpu.rip set. @which: link of s->block to
 * remember it in, or -1. */
const Uop *soft_jump_slow(SoftCpu *s, uint64_t rip, int which);

/* To cpu.rip, after an instruction that may have changed the mode, mappings, or which interrupts
 * are deliverable: like soft_jump_slow(), but the engine's loop comes first if it has anything to
 * do. */
const Uop *soft_jump_on(SoftCpu *s);

static inline __attribute__((always_inline)) const Uop *soft_enter(SoftCpu *s, const SoftBlock *b)
{
    s->block = b;
    s->cpu.regs[REG_PC] = b->rip;
#if SOFT_THREADED
    return b->uops[0].fn(s, b->uops);
#else
    return b->uops;
#endif
}

/* To the block's direct successor: 0 the next instruction, 1 the branch's target. */
static inline __attribute__((always_inline)) const Uop *soft_jump(SoftCpu *s, int which)
{
    const SoftBlock *b = s->block->next[which];
    if (SOFT_LIKELY(b->valid_gen == s->tlb_gen &&
                    !atomic_load_explicit(&s->cpu.exit_request, memory_order_relaxed))) {
        return soft_enter(s, b);
    }
    return soft_jump_slow(s, s->block->target[which], which);
}

static inline unsigned soft_jump_hash(uint64_t rip)
{
    return (unsigned)(rip ^ rip >> SOFT_JUMP_BITS) & ((1u << SOFT_JUMP_BITS) - 1);
}

/* Is @b what is at @rip now, and is there nothing else to do? */
static inline bool soft_may_enter(const SoftCpu *s, const SoftBlock *b, uint64_t rip)
{
    return b->rip == rip && b->valid_gen == s->tlb_gen && b->key == s->mode_key &&
           b->cs_base == s->seg_base[X86_SEG_CS] &&
           !atomic_load_explicit(&s->cpu.exit_request, memory_order_relaxed);
}

static inline __attribute__((always_inline)) const Uop *soft_jump_indirect(SoftCpu *s, uint64_t rip)
{
    const SoftBlock *b = s->jump[soft_jump_hash(rip)];
    if (SOFT_LIKELY(soft_may_enter(s, b, rip))) {
        return soft_enter(s, b);
    }
    return soft_jump_slow(s, rip, -1);
}

/* ---- registers ---- */

static inline uint8_t *soft_reg8_ptr(SoftCpu *s, unsigned offset)
{
    return (uint8_t *)s->cpu.regs + offset;
}

static inline uint8_t soft_get8(SoftCpu *s, unsigned offset)
{
    return *soft_reg8_ptr(s, offset);
}
static inline uint16_t soft_get16(SoftCpu *s, unsigned reg)
{
    return (uint16_t)s->cpu.regs[reg];
}
static inline uint32_t soft_get32(SoftCpu *s, unsigned reg)
{
    return (uint32_t)s->cpu.regs[reg];
}
static inline uint64_t soft_get64(SoftCpu *s, unsigned reg)
{
    return s->cpu.regs[reg];
}

static inline void soft_set8(SoftCpu *s, unsigned offset, uint8_t value)
{
    *soft_reg8_ptr(s, offset) = value;
}
static inline void soft_set16(SoftCpu *s, unsigned reg, uint16_t value)
{
    memcpy(&s->cpu.regs[reg], &value, sizeof(value));
}
static inline void soft_set32(SoftCpu *s, unsigned reg, uint32_t value)
{
    s->cpu.regs[reg] = value; /* the upper half becomes 0 */
}
static inline void soft_set64(SoftCpu *s, unsigned reg, uint64_t value)
{
    s->cpu.regs[reg] = value;
}

/* By size in bytes at run time; 1: @reg is a byte offset. */
static inline uint64_t soft_get(SoftCpu *s, unsigned reg, unsigned size)
{
    switch (size) {
    case 1:
        return soft_get8(s, reg);
    case 2:
        return soft_get16(s, reg);
    case 4:
        return soft_get32(s, reg);
    default:
        return soft_get64(s, reg);
    }
}
static inline void soft_set(SoftCpu *s, unsigned reg, uint64_t value, unsigned size)
{
    switch (size) {
    case 1:
        soft_set8(s, reg, (uint8_t)value);
        break;
    case 2:
        soft_set16(s, reg, (uint16_t)value);
        break;
    case 4:
        soft_set32(s, reg, (uint32_t)value);
        break;
    default:
        soft_set64(s, reg, value);
        break;
    }
}

/* ---- addresses ---- */

static inline uint64_t soft_addr(SoftCpu *s, const Uop *op)
{
    return s->cpu.regs[op->base] + (s->cpu.regs[op->index] << op->scale) +
           (uint64_t)(int64_t)op->disp + s->seg_base[op->seg];
}

/* soft_mem_simple() */
static inline uint64_t soft_addr_simple(SoftCpu *s, const Uop *op)
{
    return s->cpu.regs[op->base] + (uint64_t)(int64_t)op->disp;
}

/* Linear address of an instruction. */
static inline uint64_t soft_code_linear(const SoftCpu *s, uint64_t rip)
{
    return s->mode_key & SOFT_KEY_CODE64 ? rip : (uint32_t)(s->seg_base[X86_SEG_CS] + rip);
}

static inline bool soft_canonical(uint64_t addr)
{
    return (uint64_t)((int64_t)(addr << 16) >> 16) == addr;
}

static inline uint64_t soft_canonical_form(uint64_t addr)
{
    return (uint64_t)((int64_t)(addr << 16) >> 16);
}

/* Outside 64-bit mode: linear address of [offset, offset + size) in segment @seg after the checks
 * of limit and type; #SS(0) or #GP(0) at @op (SDM vol. 3 section 5.3). */
uint64_t soft_segment_address(SoftCpu *s, const Uop *op, unsigned seg, uint32_t offset,
                              unsigned size, bool write);

/* Guest operands lie anywhere. */
typedef uint8_t soft_unaligned8;
typedef uint16_t __attribute__((aligned(1), may_alias)) soft_unaligned16;
typedef uint32_t __attribute__((aligned(1), may_alias)) soft_unaligned32;
typedef uint64_t __attribute__((aligned(1), may_alias)) soft_unaligned64;

/* ---- memory operands that are read, changed and written ----
 * Plain (not LOCKed). soft_rmw_begin() faults as a write and gives the host address of RAM, or
 * NULL: then load, and store with soft_store(). */
static inline void *soft_rmw_begin(SoftCpu *s, const Uop *op, uint64_t addr, unsigned size)
{
    void *host = soft_write_host(s, addr, size);
    if (SOFT_UNLIKELY(!host)) {
        soft_probe_write(s, op, addr, size);
    }
    return host;
}

#endif
