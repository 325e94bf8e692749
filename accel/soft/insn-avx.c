/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of AVX and AVX2 is code of our own: moves of whole registers, which compiled code is full
 * of, and instructions whose memory operand is not one piece. The host runs the rest (native.h).
 *   VMOVAPS VMOVAPD VMOVDQA VMOVUPS VMOVUPD VMOVDQU VLDDQU VZEROALL VZEROUPPER VLDMXCSR VSTMXCSR
 *   VMASKMOVPS VMASKMOVPD VPMASKMOVD VPMASKMOVQ VMASKMOVDQU
 *   VGATHERDPS VGATHERDPD VGATHERQPS VGATHERQPD VPGATHERDD VPGATHERDQ VPGATHERQD VPGATHERQQ
 */
#include "accel/soft/access.h"
#include "accel/soft/mmu.h"
#include "accel/soft/native.h"
#include "accel/soft/uop.h"

static void get_ymm(SoftCpu *s, unsigned reg, uint8_t value[32])
{
    memcpy(value, native_xmm(s, reg), 16);
    memcpy(value + 16, native_ymm_high(s, reg), 16);
}

/* Bytes from @size on become 0. */
static void set_ymm(SoftCpu *s, unsigned reg, const uint8_t *value, unsigned size)
{
    uint8_t whole[32] = { 0 };

    memcpy(whole, value, size);
    memcpy(native_xmm(s, reg), whole, 16);
    memcpy(native_ymm_high(s, reg), whole + 16, 16);
}

/* XMM or YMM register number. */
static uint8_t vector_reg(const ZydisDecodedOperand *op)
{
    return (uint8_t)ZydisRegisterGetId(op->reg.value);
}

/* ---- moves ---- */

static uint64_t move_address(SoftCpu *s, const Uop *op)
{
    uint64_t addr = soft_addr(s, op);

    if (op->aux && (addr & (op->size - 1u))) {
        soft_raise(s, op, EXC_GP, 0);
    }
    return addr;
}

static const Uop *move_load(SoftCpu *s, const Uop *op)
{
    native_check_avx(s, op);
    uint64_t addr = move_address(s, op);
    const uint8_t *host = soft_read_host(s, addr, op->size);
    uint8_t data[32];
    if (!host) {
        soft_read(s, op, addr, data, op->size);
        host = data;
    }
    set_ymm(s, op->dst, host, op->size);
    return op + 1;
}

static const Uop *move_store(SoftCpu *s, const Uop *op)
{
    native_check_avx(s, op);
    uint64_t addr = move_address(s, op);
    uint8_t data[32];
    get_ymm(s, op->src, data);
    void *host = soft_write_host(s, addr, op->size);
    if (host) {
        memcpy(host, data, op->size);
    } else {
        soft_write(s, op, addr, data, op->size);
    }
    return op + 1;
}

static const Uop *move_reg(SoftCpu *s, const Uop *op)
{
    uint8_t data[32];

    native_check_avx(s, op);
    get_ymm(s, op->src, data);
    set_ymm(s, op->dst, data, op->size);
    return op + 1;
}

static bool is_vex(const SoftInsn *in)
{
    return in->raw.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
}

/* d->arg: 1 if a memory operand must be aligned */
static bool emit_move(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *dst = &in->ops[0], *src = &in->ops[1];
    Uop *u;

    if (!is_vex(in)) {
        return false;
    }
    if (dst->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, move_store, dst);
    } else if (src->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, move_load, src);
    } else {
        u = soft_emit(d, in, move_reg);
    }
    u->dst = dst->type == ZYDIS_OPERAND_TYPE_REGISTER ? vector_reg(dst) : 0;
    u->src = src->type == ZYDIS_OPERAND_TYPE_REGISTER ? vector_reg(src) : 0;
    u->size = (uint8_t)(dst->size / 8);
    u->aux = (uint8_t)d->arg;
    return true;
}

/* ---- VZEROUPPER, VZEROALL ---- */

static const Uop *zero(SoftCpu *s, const Uop *op)
{
    native_check_avx(s, op);
    memset(s->cpu.ymm_high, 0, op->size * sizeof(s->cpu.ymm_high[0]));
    if (op->aux) {
        memset(native_xmm(s, 0), 0, op->size * 16u);
    }
    return op + 1;
}

/* d->arg: 1 all, 0 the upper halves; of the registers that the mode has */
static bool emit_zero(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit(d, in, zero);

    u->size = d->mode == 64 ? 16 : 8;
    u->aux = (uint8_t)d->arg;
    return true;
}

/* ---- MXCSR ---- */

static const Uop *load_mxcsr(SoftCpu *s, const Uop *op)
{
    native_check_avx(s, op);
    native_load_mxcsr(s, op);
    return op + 1;
}

static const Uop *store_mxcsr(SoftCpu *s, const Uop *op)
{
    native_check_avx(s, op);
    native_store_mxcsr(s, op);
    return op + 1;
}

/* d->arg: 1 store */
static bool emit_mxcsr(SoftDecoder *d, const SoftInsn *in)
{
    soft_emit_mem(d, in, d->arg ? store_mxcsr : load_mxcsr, &in->ops[0]);
    return true;
}

/* ---- masked moves: only elements whose mask has its top bit set are touched ---- */

/* size: of the operand; aux: of an element; src: the mask */
static const Uop *masked_load(SoftCpu *s, const Uop *op)
{
    uint8_t mask[32], data[32] = { 0 };

    native_check_avx(s, op);
    get_ymm(s, op->src, mask);
    uint64_t addr = soft_addr(s, op);
    for (unsigned i = 0; i < op->size; i += op->aux) {
        if (mask[i + op->aux - 1] & 0x80) {
            soft_read(s, op, addr + i, data + i, op->aux);
        }
    }
    set_ymm(s, op->dst, data, op->size);
    return op + 1;
}

static const Uop *masked_store(SoftCpu *s, const Uop *op)
{
    uint8_t mask[32], data[32];

    native_check_avx(s, op);
    get_ymm(s, op->src, mask);
    get_ymm(s, op->dst, data);
    native_masked_store(s, op, data, mask, op->aux);
    return op + 1;
}

/* d->arg: size of an element */
static bool emit_masked(SoftDecoder *d, const SoftInsn *in)
{
    bool load = in->ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER;
    const ZydisDecodedOperand *mem = &in->ops[load ? 2 : 0], *data = &in->ops[load ? 0 : 2];

    if (!is_vex(in)) {
        return false;
    }
    Uop *u = soft_emit_mem(d, in, load ? masked_load : masked_store, mem);
    u->dst = vector_reg(data);
    u->src = vector_reg(&in->ops[1]);
    u->size = (uint8_t)(data->size / 8);
    u->aux = (uint8_t)d->arg;
    u->flags |= UOP_UNALIGNED;
    return true;
}

/* VMASKMOVDQU: bytes, to where DS:rDI points. */
static bool emit_masked_bytes(SoftDecoder *d, const SoftInsn *in)
{
    for (unsigned i = 0; i < in->raw.operand_count; i++) {
        if (in->ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
            Uop *u = soft_emit_mem(d, in, masked_store, &in->ops[i]);
            u->dst = vector_reg(&in->ops[0]);
            u->src = vector_reg(&in->ops[1]);
            u->size = 16;
            u->aux = 1;
            return true;
        }
    }
    return false;
}

/* ---- gathers ----
 * dst: data, src: mask, index: the vector register with indices; size: of an element of data.
 * What was loaded before a fault stays, and its part of the mask is cleared: so the instruction
 * goes on where it was. */

enum { GATHER_INDEX64 = 1, GATHER_256 = 2, GATHER_ADDRESS32 = 4, GATHER_LEGACY = 8 };

static uint64_t gather_address(SoftCpu *s, const Uop *op, const uint8_t *indices, unsigned i)
{
    int64_t index = 0;
    int32_t narrow;

    if (op->aux & GATHER_INDEX64) {
        memcpy(&index, indices + 8 * i, 8);
    } else {
        memcpy(&narrow, indices + 4 * i, 4);
        index = narrow;
    }
    uint64_t offset =
        s->cpu.regs[op->base] + ((uint64_t)index << op->scale) + (uint64_t)(int64_t)op->disp;
    if (op->aux & GATHER_LEGACY) {
        return soft_segment_address(s, op, op->seg, (uint32_t)offset, op->size, false);
    }
    return (op->aux & GATHER_ADDRESS32 ? (uint32_t)offset : offset) + s->seg_base[op->seg];
}

static const Uop *gather(SoftCpu *s, const Uop *op)
{
    unsigned length = op->aux & GATHER_256 ? 32 : 16;
    unsigned count = length / MAX(op->size, op->aux & GATHER_INDEX64 ? 8u : 4u);
    uint8_t indices[32], mask[32], data[32];

    native_check_avx(s, op);
    get_ymm(s, op->index, indices);
    for (unsigned i = 0; i < count; i++) {
        get_ymm(s, op->src, mask);
        if (!(mask[(i + 1) * op->size - 1] & 0x80)) {
            continue;
        }
        uint64_t value = soft_load(s, op, gather_address(s, op, indices, i), op->size);
        get_ymm(s, op->dst, data);
        memcpy(data + i * op->size, &value, op->size);
        set_ymm(s, op->dst, data, sizeof(data));
        memset(mask + i * op->size, 0, op->size);
        set_ymm(s, op->src, mask, sizeof(mask));
    }
    get_ymm(s, op->dst, data);
    set_ymm(s, op->dst, data, count * op->size);
    memset(mask, 0, sizeof(mask));
    set_ymm(s, op->src, mask, sizeof(mask));
    return op + 1;
}

/* d->arg: size of an element of data, and GATHER_INDEX64 << 8 */
static bool emit_gather(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperandMem *mem = &in->ops[1].mem;
    uint8_t index = (uint8_t)ZydisRegisterGetId(mem->index);
    uint8_t dst = vector_reg(&in->ops[0]), mask = vector_reg(&in->ops[2]);

    if (!is_vex(in) || dst == mask || dst == index || mask == index ||
        in->raw.address_width == 16) {
        return false;
    }
    bool fs_gs = mem->segment == ZYDIS_REGISTER_FS || mem->segment == ZYDIS_REGISTER_GS;
    Uop *u = soft_emit(d, in, gather);
    u->dst = dst;
    u->src = mask;
    u->index = index;
    u->base = mem->base == ZYDIS_REGISTER_NONE ? REG_ZERO : soft_reg(mem->base);
    u->scale = (uint8_t)g_bit_nth_lsf(mem->scale, -1);
    u->disp = (int32_t)mem->disp.value;
    u->seg = d->mode == 64 && !fs_gs ? SOFT_SEG_NONE : soft_seg(mem->segment);
    u->size = d->arg & 0xff;
    u->flags |= UOP_UNALIGNED;
    u->aux = (uint8_t)((d->arg >> 8) | (in->raw.avx.vector_length == 256 ? GATHER_256 : 0) |
                       (in->raw.address_width == 32 ? GATHER_ADDRESS32 : 0) |
                       (d->mode == 64 ? 0 : GATHER_LEGACY));
    return true;
}

#define BY_64 (GATHER_INDEX64 << 8)

const SoftFamilyEntry soft_family_avx[] = {
    { ZYDIS_MNEMONIC_VMOVAPS, emit_move, 1 },
    { ZYDIS_MNEMONIC_VMOVAPD, emit_move, 1 },
    { ZYDIS_MNEMONIC_VMOVDQA, emit_move, 1 },
    { ZYDIS_MNEMONIC_VMOVUPS, emit_move, 0 },
    { ZYDIS_MNEMONIC_VMOVUPD, emit_move, 0 },
    { ZYDIS_MNEMONIC_VMOVDQU, emit_move, 0 },
    { ZYDIS_MNEMONIC_VLDDQU, emit_move, 0 },
    { ZYDIS_MNEMONIC_VZEROUPPER, emit_zero, 0 },
    { ZYDIS_MNEMONIC_VZEROALL, emit_zero, 1 },
    { ZYDIS_MNEMONIC_VLDMXCSR, emit_mxcsr, 0 },
    { ZYDIS_MNEMONIC_VSTMXCSR, emit_mxcsr, 1 },
    { ZYDIS_MNEMONIC_VMASKMOVPS, emit_masked, 4 },
    { ZYDIS_MNEMONIC_VMASKMOVPD, emit_masked, 8 },
    { ZYDIS_MNEMONIC_VPMASKMOVD, emit_masked, 4 },
    { ZYDIS_MNEMONIC_VPMASKMOVQ, emit_masked, 8 },
    { ZYDIS_MNEMONIC_VMASKMOVDQU, emit_masked_bytes, 0 },
    { ZYDIS_MNEMONIC_VGATHERDPS, emit_gather, 4 },
    { ZYDIS_MNEMONIC_VGATHERDPD, emit_gather, 8 },
    { ZYDIS_MNEMONIC_VGATHERQPS, emit_gather, 4 | BY_64 },
    { ZYDIS_MNEMONIC_VGATHERQPD, emit_gather, 8 | BY_64 },
    { ZYDIS_MNEMONIC_VPGATHERDD, emit_gather, 4 },
    { ZYDIS_MNEMONIC_VPGATHERDQ, emit_gather, 8 },
    { ZYDIS_MNEMONIC_VPGATHERQD, emit_gather, 4 | BY_64 },
    { ZYDIS_MNEMONIC_VPGATHERQQ, emit_gather, 8 | BY_64 },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};
