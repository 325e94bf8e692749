/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The decoder: guest bytes to micro-operations. Used by the instruction families (insn-*.c and the
 * system families) and by native.c. All in the vCPU's own thread.
 */
#ifndef ACCEL_SOFT_DECODE_H
#define ACCEL_SOFT_DECODE_H

#include "accel/soft/soft.h"

enum {
    SOFT_BLOCK_MAX_INSNS = 64,
    SOFT_BLOCK_MAX_UOPS = 320,
    SOFT_INSN_MAX_UOPS = 16, /* what one emit function may append */
};

/* Uop.flags */
enum {
    UOP_STACK =
        1 << 0, /* the operand is in the stack segment: a non-canonical address is #SS, not #GP */
    UOP_WRITE = 1 << 1,     /* address computation (REG_EA): the operand will be written */
    UOP_UNALIGNED = 1 << 2, /* its operands may lie anywhere: no #AC */
};

/* What a micro-operation does with the six arithmetic flags (CF PF AF ZF SF OF). The default,
 * SOFT_FX_READ, is right for everything that may fault, reads flags, or changes only some of them.
 */
typedef enum SoftFlagEffect {
    SOFT_FX_READ,
    SOFT_FX_NONE,  /* cannot fault, neither reads nor writes flags */
    SOFT_FX_WRITE, /* cannot fault, reads none, writes or makes undefined all six */
} SoftFlagEffect;

/* A block under construction. */
struct SoftDecoder {
    SoftCpu *s;
    unsigned mode;      /* of the code: 16, 32 or 64 */
    bool stack32;       /* outside 64-bit mode: SS.B */
    uint32_t mode_key;  /* SOFT_KEY_* */
    uint32_t arg;       /* of the family's table entry being emitted */
    uint64_t rip;       /* of the block's first instruction */
    uint64_t limit;     /* greatest RIP of the code segment */
    bool ended;         /* the last micro-operation leaves the block */
    uint64_t target[2]; /* where direct links go: fall-through, taken */
    unsigned count;
    Uop uops[SOFT_BLOCK_MAX_UOPS];
    uint8_t effect[SOFT_BLOCK_MAX_UOPS]; /* SoftFlagEffect */
    UopFn
        *without_flags[SOFT_BLOCK_MAX_UOPS]; /* replaces fn if its flags are never read; or NULL */
};

/* ---- for emit functions (emit.c) ----
 * soft_emit() and soft_end_block() are in soft.h. */

/* Append a Uop with fn (may be set later), pc_off, len, and base/index/scale/disp/seg filled from
 * the memory operand @mem. Where the address needs more than soft_addr() does (16- and 32-bit
 * modes: wrap-around and segment checks; 32-bit addresses in 64-bit mode) a micro-operation that
 * puts the linear address into REG_EA comes first. Size and direction of the check are the
 * operand's. */
Uop *soft_emit_mem(SoftDecoder *d, const SoftInsn *in, UopFn *fn, const ZydisDecodedOperand *mem);
/* The same without segment base and checks: the offset only (LEA, bit strings). */
Uop *soft_emit_offset(SoftDecoder *d, const SoftInsn *in, UopFn *fn,
                      const ZydisDecodedOperand *mem);

/* True if the address is just regs[base] + disp: soft_addr_simple() will do. */
static inline bool soft_mem_simple(const Uop *u)
{
    return u->index == REG_ZERO && u->seg == SOFT_SEG_NONE;
}

/* Index into regs of a 16-, 32- or 64-bit general register. */
uint8_t soft_reg(ZydisRegister reg);
/* Byte offset into regs of an 8-bit register (AH-BH are the second byte of RAX-RBX). */
uint8_t soft_reg8(ZydisRegister reg);
/* The one that fits the operand's size. */
uint8_t soft_operand_reg(const ZydisDecodedOperand *op);
/* X86_SEG_* of a segment register. */
uint8_t soft_seg(ZydisRegister reg);
/* 0, 1, 2, 3 for 8, 16, 32, 64 bits; anything else is a bug in the table and gives 3. */
unsigned soft_size_index(unsigned bits);

/* Say what @u (just emitted) does with flags; @without_flags: a cheaper twin, or NULL. */
void soft_effect(SoftDecoder *d, const Uop *u, SoftFlagEffect effect, UopFn *without_flags);

/* Append a micro-operation that raises @vector (error code -1: none), and end the block. */
void soft_emit_raise(SoftDecoder *d, const SoftInsn *in, int vector, int64_t error_code);

/* End the block; its last micro-operation has its own way on: soft_jump() to @taken or to the next
 * instruction, or returns NULL with cpu.rip set. */
void soft_end_block_jump(SoftDecoder *d, const SoftInsn *in, uint64_t taken);
/* End the block; the next instruction's block follows, without the engine's loop in between. */
void soft_end_block_go_on(SoftDecoder *d, const SoftInsn *in);

/* ---- for the block cache ---- */

/* Decode from cpu.rip, of which soft_fetch_phys() says @phys, until the block's end. @second: the
 * physical page of the second part of an instruction that crosses a page, or -1. Faults of the
 * fetch are raised. @bytes: length of the guest code. False: another vCPU had to be waited for;
 * leave the block and come again. */
bool soft_decode(SoftDecoder *d, SoftCpu *s, hwaddr phys, hwaddr *second, unsigned *bytes);

/* ---- the families ---- */

extern const SoftFamilyEntry soft_family_alu[], soft_family_compare[], soft_family_mov[],
    soft_family_shift[], soft_family_muldiv[], soft_family_bit[], soft_family_string[],
    soft_family_branch[], soft_family_stack[], soft_family_atomic[], soft_family_misc[],
    soft_family_cond[];

#endif
