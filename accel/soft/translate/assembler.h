/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small assembler for x86-64: the forms that the translator emits (SDM vol. 2 chapter 2).
 *
 * Code is written at @write and will run at the same offset from @exec: the two mappings of the
 * code cache (code-cache.h). Registers are numbers 0-15 by their encoding. Sizes are in bytes: 1,
 * 2, 4, 8. Byte registers 4-7 are SPL ... DIL; AH ... BH cannot be named.
 */
#ifndef ACCEL_SOFT_TRANSLATE_ASSEMBLER_H
#define ACCEL_SOFT_TRANSLATE_ASSEMBLER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct HostCode {
    uint8_t *write;      /* the next byte goes here */
    const uint8_t *exec; /* where that byte will run */
    const uint8_t *end;  /* of the room, in the writable mapping */
} HostCode;

enum {
    HOST_RAX,
    HOST_RCX,
    HOST_RDX,
    HOST_RBX,
    HOST_RSP,
    HOST_RBP,
    HOST_RSI,
    HOST_RDI,
    HOST_R8,
    HOST_R9,
    HOST_R10,
    HOST_R11,
    HOST_R12,
    HOST_R13,
    HOST_R14,
    HOST_R15,
    HOST_NO_REG = 0xff,
};

/* Operations of the 0x00-0x3f and 0x80-0x83 opcodes. */
enum { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

/* Condition codes, as in the low bits of Jcc's opcode. */
enum { HOST_CC_B = 2, HOST_CC_AE = 3, HOST_CC_E = 4, HOST_CC_NE = 5 };

/* What a ModR/M byte names: a register, or [base + (index << scale) + disp]. */
typedef struct HostRm {
    bool memory;
    uint8_t base;  /* or the register; HOST_NO_REG: none (with an index only) */
    uint8_t index; /* HOST_NO_REG: none; never HOST_RSP */
    uint8_t scale; /* log2 */
    int32_t disp;
} HostRm;

static inline HostRm host_reg(unsigned reg)
{
    return (HostRm){ .base = (uint8_t)reg, .index = HOST_NO_REG };
}
static inline HostRm host_mem(unsigned base, int64_t disp)
{
    return (HostRm){
        .memory = true, .base = (uint8_t)base, .index = HOST_NO_REG, .disp = (int32_t)disp
    };
}
static inline HostRm host_mem_index(unsigned base, unsigned index, unsigned scale, int64_t disp)
{
    return (HostRm){ .memory = true,
                     .base = (uint8_t)base,
                     .index = (uint8_t)index,
                     .scale = (uint8_t)scale,
                     .disp = (int32_t)disp };
}

/* Plain bytes. Running out of room is a bug: the translator reserves enough for a block. */
void host_bytes(HostCode *c, const void *bytes, unsigned len);
#define HOST_BYTES(c, ...) \
    host_bytes(c, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* An instruction with ModR/M. @opcode has one to three bytes, 0x0f first where there are more; an
 * operand size prefix and REX.W come from @size, and the byte form's opcode is the caller's
 * business. @reg: a register, or the opcode's extension (/0-/7). */
void host_insn(HostCode *c, unsigned size, uint32_t opcode, unsigned reg, HostRm rm);
/* The same with a mandatory prefix (0x66, 0xf2, 0xf3; 0: none); @wide: REX.W. @rm_byte: the rm
 * operand is a byte. */
void host_insn_prefix(HostCode *c, uint8_t prefix, bool wide, bool rm_byte, uint32_t opcode,
                      unsigned reg, HostRm rm);

/* operation rm, reg resp. reg, rm; ALU_* */
void host_alu_store(HostCode *c, unsigned size, unsigned alu, HostRm rm, unsigned reg);
void host_alu_load(HostCode *c, unsigned size, unsigned alu, unsigned reg, HostRm rm);
/* operation rm, imm: @imm is cut to @size, and must fit 32 bits sign-extended for 8 bytes. */
void host_alu_imm(HostCode *c, unsigned size, unsigned alu, HostRm rm, int64_t imm);

/* TEST rm, reg; TEST rm, imm: @imm is cut to @size. */
void host_test(HostCode *c, unsigned size, HostRm rm, unsigned reg);
void host_test_imm(HostCode *c, unsigned size, HostRm rm, int64_t imm);

void host_store(HostCode *c, unsigned size, HostRm rm, unsigned reg); /* MOV rm, reg */
void host_load(HostCode *c, unsigned size, unsigned reg, HostRm rm);  /* MOV reg, rm */
void host_mov_reg(HostCode *c, unsigned reg, unsigned from);          /* 64 bits */
/* MOV reg, imm: all 64 bits, in the shortest form; no flags. */
void host_mov_imm(HostCode *c, unsigned reg, uint64_t imm);
/* The same in the long form, whose last 8 bytes may be patched. */
void host_mov_imm64(HostCode *c, unsigned reg, uint64_t imm);
/* MOV rm, imm: @imm as for host_alu_imm(). */
void host_store_imm(HostCode *c, unsigned size, HostRm rm, int64_t imm);
void host_lea(HostCode *c, unsigned size, unsigned reg, HostRm rm);
/* SHL (4), SHR (5), SAR (7), ... by a constant. */
void host_shift_imm(HostCode *c, unsigned size, unsigned operation, HostRm rm, uint8_t count);
void host_imm(HostCode *c, unsigned size, int64_t imm); /* an immediate of 1, 2 or 4 bytes */

/* ---- jumps: all with 32-bit displacements, which may be patched ---- */

/* Each returns where its displacement is, for host_bind() and host_patch(). */
uint8_t *host_jmp(HostCode *c);
uint8_t *host_jcc(HostCode *c, unsigned condition);
/* To a place that is known, in the executable mapping. */
void host_jmp_to(HostCode *c, const uint8_t *exec);
void host_call_to(HostCode *c, const uint8_t *exec);
/* The jump whose displacement is at @at (writable mapping) goes to what comes next. */
void host_bind(HostCode *c, uint8_t *at);
/* ... goes to @target; @at_exec: where @at runs. */
void host_patch(uint8_t *at, const uint8_t *at_exec, const uint8_t *target);

#endif
