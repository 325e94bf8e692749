/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/translate/assembler.h"

#include <glib.h>
#include <string.h>

void host_bytes(HostCode *c, const void *bytes, unsigned len)
{
    g_assert(c->write + len <= c->end);
    memcpy(c->write, bytes, len);
    c->write += len;
    c->exec += len;
}

static void put8(HostCode *c, unsigned byte)
{
    uint8_t b = (uint8_t)byte;
    host_bytes(c, &b, 1);
}

static void put32(HostCode *c, uint32_t value)
{
    host_bytes(c, &value, 4);
}

void host_imm(HostCode *c, unsigned size, int64_t imm)
{
    host_bytes(c, &imm, size); /* little-endian */
}

/* ---- ModR/M, SIB, REX ---- */

enum { REX = 0x40, REX_W = 8, REX_R = 4, REX_X = 2, REX_B = 1 };

static unsigned rex_bits(unsigned reg, HostRm rm)
{
    return (reg & 8 ? REX_R : 0) |
           (rm.memory && rm.index != HOST_NO_REG && (rm.index & 8) ? REX_X : 0) |
           (rm.base != HOST_NO_REG && (rm.base & 8) ? REX_B : 0);
}

static void put_sib(HostCode *c, HostRm rm)
{
    unsigned index = rm.index == HOST_NO_REG ? 4 : rm.index & 7;
    unsigned base = rm.base == HOST_NO_REG ? 5 : rm.base & 7;
    put8(c, (unsigned)rm.scale << 6 | index << 3 | base);
}

static void put_modrm(HostCode *c, unsigned reg, HostRm rm)
{
    unsigned field = (reg & 7) << 3;
    if (!rm.memory) {
        put8(c, 0xc0 | field | (rm.base & 7));
        return;
    }
    bool sib = rm.index != HOST_NO_REG || rm.base == HOST_NO_REG || (rm.base & 7) == 4;
    unsigned mod = rm.base == HOST_NO_REG               ? 0
                   : rm.disp == 0 && (rm.base & 7) != 5 ? 0
                   : rm.disp == (int8_t)rm.disp         ? 0x40
                                                        : 0x80;
    put8(c, mod | field | (sib ? 4 : rm.base & 7u));
    if (sib) {
        put_sib(c, rm);
    }
    if (mod == 0x40) {
        put8(c, (unsigned)rm.disp);
    } else if (mod == 0x80 || rm.base == HOST_NO_REG) {
        put32(c, (uint32_t)rm.disp);
    }
}

static void put_opcode(HostCode *c, uint32_t opcode)
{
    if (opcode > 0xffff) {
        put8(c, opcode >> 16);
    }
    if (opcode > 0xff) {
        put8(c, opcode >> 8);
    }
    put8(c, opcode);
}

void host_insn(HostCode *c, unsigned size, uint32_t opcode, unsigned reg, HostRm rm)
{
    unsigned rex = rex_bits(reg, rm) | (size == 8 ? REX_W : 0);
    bool byte_reg = size == 1 && (reg >= 4 || (!rm.memory && rm.base >= 4));
    if (size == 2) {
        put8(c, 0x66);
    }
    if (rex || byte_reg) {
        put8(c, REX | rex);
    }
    put_opcode(c, opcode);
    put_modrm(c, reg, rm);
}

void host_insn_prefix(HostCode *c, uint8_t prefix, bool wide, bool rm_byte, uint32_t opcode,
                      unsigned reg, HostRm rm)
{
    unsigned rex = rex_bits(reg, rm) | (wide ? REX_W : 0);
    if (prefix) {
        put8(c, prefix);
    }
    if (rex || (rm_byte && !rm.memory && rm.base >= 4)) {
        put8(c, REX | rex);
    }
    put_opcode(c, opcode);
    put_modrm(c, reg, rm);
}

/* ---- instructions ---- */

static unsigned wide_bit(unsigned size)
{
    return size > 1;
}

void host_alu_store(HostCode *c, unsigned size, unsigned alu, HostRm rm, unsigned reg)
{
    host_insn(c, size, alu << 3 | wide_bit(size), reg, rm);
}

void host_alu_load(HostCode *c, unsigned size, unsigned alu, unsigned reg, HostRm rm)
{
    host_insn(c, size, alu << 3 | 2 | wide_bit(size), reg, rm);
}

/* The immediate as the instruction sees it. */
static int64_t cut(unsigned size, int64_t imm)
{
    return size == 1 ? (int8_t)imm : size == 2 ? (int16_t)imm : (int32_t)imm;
}

void host_alu_imm(HostCode *c, unsigned size, unsigned alu, HostRm rm, int64_t imm)
{
    imm = cut(size, imm);
    if (size == 1) {
        host_insn(c, 1, 0x80, alu, rm);
        host_imm(c, 1, imm);
    } else if (imm == (int8_t)imm) {
        host_insn(c, size, 0x83, alu, rm);
        host_imm(c, 1, imm);
    } else {
        host_insn(c, size, 0x81, alu, rm);
        host_imm(c, size == 2 ? 2 : 4, imm);
    }
}

void host_test(HostCode *c, unsigned size, HostRm rm, unsigned reg)
{
    host_insn(c, size, 0x84 | (size > 1), reg, rm);
}

void host_test_imm(HostCode *c, unsigned size, HostRm rm, int64_t imm)
{
    host_insn(c, size, 0xf6 | (size > 1), 0, rm);
    host_imm(c, size < 4 ? size : 4, imm);
}

void host_store(HostCode *c, unsigned size, HostRm rm, unsigned reg)
{
    host_insn(c, size, 0x88 | wide_bit(size), reg, rm);
}

void host_load(HostCode *c, unsigned size, unsigned reg, HostRm rm)
{
    host_insn(c, size, 0x8a | wide_bit(size), reg, rm);
}

void host_mov_reg(HostCode *c, unsigned reg, unsigned from)
{
    host_insn(c, 8, 0x89, from, host_reg(reg));
}

void host_mov_imm64(HostCode *c, unsigned reg, uint64_t imm)
{
    put8(c, REX | REX_W | (reg & 8 ? REX_B : 0));
    put8(c, 0xb8 | (reg & 7));
    host_bytes(c, &imm, 8);
}

void host_mov_imm(HostCode *c, unsigned reg, uint64_t imm)
{
    if (imm == (uint32_t)imm) {
        if (reg & 8) {
            put8(c, REX | REX_B);
        }
        put8(c, 0xb8 | (reg & 7));
        put32(c, (uint32_t)imm);
    } else if ((int64_t)imm == (int32_t)imm) {
        host_insn(c, 8, 0xc7, 0, host_reg(reg));
        put32(c, (uint32_t)imm);
    } else {
        host_mov_imm64(c, reg, imm);
    }
}

void host_store_imm(HostCode *c, unsigned size, HostRm rm, int64_t imm)
{
    host_insn(c, size, 0xc6 | wide_bit(size), 0, rm);
    host_imm(c, size < 4 ? size : 4, imm);
}

void host_lea(HostCode *c, unsigned size, unsigned reg, HostRm rm)
{
    host_insn(c, size, 0x8d, reg, rm);
}

void host_shift_imm(HostCode *c, unsigned size, unsigned operation, HostRm rm, uint8_t count)
{
    host_insn(c, size, 0xc0 | wide_bit(size), operation, rm);
    put8(c, count);
}

/* ---- jumps ---- */

static uint8_t *displacement(HostCode *c)
{
    uint8_t *at = c->write;
    put32(c, 0);
    return at;
}

uint8_t *host_jmp(HostCode *c)
{
    put8(c, 0xe9);
    return displacement(c);
}

uint8_t *host_jcc(HostCode *c, unsigned condition)
{
    put8(c, 0x0f);
    put8(c, 0x80 | condition);
    return displacement(c);
}

static void put_relative(HostCode *c, unsigned opcode, const uint8_t *exec)
{
    put8(c, opcode);
    put32(c, (uint32_t)(exec - (c->exec + 4)));
}

void host_jmp_to(HostCode *c, const uint8_t *exec)
{
    put_relative(c, 0xe9, exec);
}

void host_call_to(HostCode *c, const uint8_t *exec)
{
    put_relative(c, 0xe8, exec);
}

void host_patch(uint8_t *at, const uint8_t *at_exec, const uint8_t *target)
{
    int32_t displacement = (int32_t)(target - (at_exec + 4));
    memcpy(at, &displacement, 4);
}

void host_bind(HostCode *c, uint8_t *at)
{
    int32_t displacement = (int32_t)(c->write - (at + 4));
    memcpy(at, &displacement, 4);
}
