/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What emit functions are made of: appending micro-operations, memory operands, ends of blocks. */

#include "accel/soft/decode.h"
#include "accel/soft/uop.h"

uint8_t soft_reg(ZydisRegister reg)
{
    int8_t id = ZydisRegisterGetId(reg);
    return id >= 0 && id < 16 ? (uint8_t)id : REG_ZERO;
}

uint8_t soft_reg8(ZydisRegister reg)
{
    if (reg >= ZYDIS_REGISTER_SPL) {
        return (uint8_t)((reg - ZYDIS_REGISTER_SPL + X86_RSP) * 8);
    }
    if (reg >= ZYDIS_REGISTER_AH) {
        return (uint8_t)((reg - ZYDIS_REGISTER_AH) * 8 + 1);
    }
    return (uint8_t)((reg - ZYDIS_REGISTER_AL) * 8);
}

uint8_t soft_operand_reg(const ZydisDecodedOperand *op)
{
    return op->size == 8 ? soft_reg8(op->reg.value) : soft_reg(op->reg.value);
}

uint8_t soft_seg(ZydisRegister reg)
{
    return reg >= ZYDIS_REGISTER_ES && reg <= ZYDIS_REGISTER_GS ? (uint8_t)(reg - ZYDIS_REGISTER_ES)
                                                                : X86_SEG_DS;
}

unsigned soft_size_index(unsigned bits)
{
    return bits == 8 ? 0 : bits == 16 ? 1 : bits == 32 ? 2 : 3;
}

Uop *soft_emit(SoftDecoder *d, const SoftInsn *in, UopFn *fn)
{
    Uop *u = &d->uops[d->count];
    *u = (Uop){
        .fn = fn,
        .base = REG_ZERO,
        .index = REG_ZERO,
        .seg = SOFT_SEG_NONE,
        .pc_off = (uint16_t)(in->rip - d->rip),
        .len = in->raw.length,
    };
    d->effect[d->count] = SOFT_FX_READ;
    d->without_flags[d->count] = NULL;
    d->count++;
    return u;
}

void soft_effect(SoftDecoder *d, const Uop *u, SoftFlagEffect effect, UopFn *without_flags)
{
    d->effect[u - d->uops] = effect;
    d->without_flags[u - d->uops] = without_flags;
}

/* ---- addresses ---- */

uint64_t soft_segment_address(SoftCpu *s, const Uop *op, unsigned seg, uint32_t offset,
                              unsigned size, bool write)
{
    const X86Segment *sr = &s->cpu.segs[seg];
    uint64_t last = (uint64_t)offset + size - 1;
    bool ok = last <= sr->limit;

    if ((s->mode_key & (SOFT_KEY_PE | SOFT_KEY_VM86)) == SOFT_KEY_PE) {
        bool code = sr->flags & SEG_CODE;
        if (!code && (sr->flags & SEG_E)) {
            uint32_t top = sr->flags & SEG_DB ? UINT32_MAX : UINT16_MAX;
            ok = offset > sr->limit && last <= top;
        }
        if (!(sr->flags & SEG_P) || (write && (code || !(sr->flags & SEG_W))) ||
            (!write && code && !(sr->flags & SEG_R))) {
            ok = false;
        }
    }
    if (!ok) {
        soft_raise(s, op, seg == X86_SEG_SS ? EXC_SS : EXC_GP, 0);
    }
    return (uint32_t)(s->seg_base[seg] + offset);
}

static const Uop *uop_ea_segment(SoftCpu *s, const Uop *op)
{
    uint64_t offset =
        s->cpu.regs[op->base] + (s->cpu.regs[op->index] << op->scale) + (uint64_t)(int64_t)op->disp;
    uint32_t masked = op->aux == 16 ? (uint16_t)offset : (uint32_t)offset;
    s->cpu.regs[REG_EA] =
        soft_segment_address(s, op, op->seg, masked, (unsigned)op->imm, op->flags & UOP_WRITE);
    return soft_next(s, op);
}

/* Offset alone, cut to 16 or 32 bits. */
static const Uop *uop_ea_offset(SoftCpu *s, const Uop *op)
{
    uint64_t offset =
        s->cpu.regs[op->base] + (s->cpu.regs[op->index] << op->scale) + (uint64_t)(int64_t)op->disp;
    s->cpu.regs[REG_EA] =
        (op->aux == 16 ? (uint16_t)offset : (uint32_t)offset) + s->seg_base[op->seg];
    return soft_next(s, op);
}

static const Uop *uop_ea_absolute(SoftCpu *s, const Uop *op)
{
    s->cpu.regs[REG_EA] = op->imm + s->seg_base[op->seg];
    return soft_next(s, op);
}

static uint8_t base_or_index(ZydisRegister reg)
{
    return reg == ZYDIS_REGISTER_NONE ? REG_ZERO : soft_reg(reg);
}

static uint8_t log2_scale(unsigned scale)
{
    return scale == 8 ? 3 : scale == 4 ? 2 : scale == 2 ? 1 : 0;
}

/* base, index, scale, disp of @m into @u; the segment is the caller's. A displacement that does not
 * fit must not come here. */
static void fill_offset(Uop *u, const ZydisDecodedOperandMem *m, int64_t disp)
{
    u->base = base_or_index(m->base);
    u->index = base_or_index(m->index);
    u->scale = log2_scale(m->scale);
    u->disp = (int32_t)disp;
}

static uint8_t long_mode_seg(const ZydisDecodedOperandMem *m)
{
    return m->segment == ZYDIS_REGISTER_FS   ? X86_SEG_FS
           : m->segment == ZYDIS_REGISTER_GS ? X86_SEG_GS
                                             : SOFT_SEG_NONE;
}

/* The operand is regs[REG_EA]. */
static Uop *emit_at_ea(SoftDecoder *d, const SoftInsn *in, UopFn *fn)
{
    Uop *u = soft_emit(d, in, fn);
    u->base = REG_EA;
    return u;
}

static Uop *emit_absolute(SoftDecoder *d, const SoftInsn *in, UopFn *fn, uint64_t addr, uint8_t seg)
{
    bool fits = (int64_t)addr == (int32_t)addr;
    if (!fits) {
        Uop *ea = soft_emit(d, in, uop_ea_absolute);
        ea->imm = addr;
        ea->seg = seg;
        soft_effect(d, ea, SOFT_FX_NONE, NULL);
        return emit_at_ea(d, in, fn);
    }
    Uop *u = soft_emit(d, in, fn);
    u->disp = (int32_t)addr;
    u->seg = seg;
    return u;
}

static Uop *emit_mem64(SoftDecoder *d, const SoftInsn *in, UopFn *fn,
                       const ZydisDecodedOperandMem *m, uint8_t seg)
{
    int64_t disp = m->disp.has_displacement ? m->disp.value : 0;

    if (m->base == ZYDIS_REGISTER_RIP) {
        uint64_t addr = in->next_rip + (uint64_t)disp;
        int64_t delta = (int64_t)(addr - d->rip);
        if ((int64_t)addr == (int32_t)addr || delta != (int32_t)delta) {
            return emit_absolute(d, in, fn, addr, seg);
        }
        Uop *u = soft_emit(d, in, fn);
        u->base = REG_PC;
        u->disp = (int32_t)delta;
        u->seg = seg;
        return u;
    }
    if (m->base == ZYDIS_REGISTER_NONE && m->index == ZYDIS_REGISTER_NONE &&
        in->raw.address_width == 64) {
        return emit_absolute(d, in, fn, (uint64_t)disp, seg);
    }
    if (in->raw.address_width != 64) {
        Uop *ea = soft_emit(d, in, uop_ea_offset);
        if (m->base == ZYDIS_REGISTER_EIP) {
            ea->fn = uop_ea_absolute;
            ea->imm = (uint32_t)(in->next_rip + (uint64_t)disp);
        } else {
            fill_offset(ea, m, disp);
        }
        ea->seg = seg;
        ea->aux = 32;
        soft_effect(d, ea, SOFT_FX_NONE, NULL);
        return emit_at_ea(d, in, fn);
    }
    Uop *u = soft_emit(d, in, fn);
    fill_offset(u, m, disp);
    u->seg = seg;
    return u;
}

Uop *soft_emit_mem(SoftDecoder *d, const SoftInsn *in, UopFn *fn, const ZydisDecodedOperand *mem)
{
    const ZydisDecodedOperandMem *m = &mem->mem;
    Uop *u;

    if (d->mode == 64) {
        u = emit_mem64(d, in, fn, m, long_mode_seg(m));
    } else {
        Uop *ea = soft_emit(d, in, uop_ea_segment);
        fill_offset(ea, m, m->disp.has_displacement ? m->disp.value : 0);
        ea->seg = soft_seg(m->segment);
        ea->aux = in->raw.address_width == 16 ? 16 : 32;
        ea->imm = mem->size >= 8 ? mem->size / 8 : 1;
        if (mem->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) {
            ea->flags |= UOP_WRITE;
        }
        u = emit_at_ea(d, in, fn);
    }
    if (m->segment == ZYDIS_REGISTER_SS) {
        u->flags |= UOP_STACK;
    }
    u->size = (uint8_t)(mem->size / 8);
    return u;
}

Uop *soft_emit_offset(SoftDecoder *d, const SoftInsn *in, UopFn *fn, const ZydisDecodedOperand *mem)
{
    if (d->mode == 64) {
        return emit_mem64(d, in, fn, &mem->mem, SOFT_SEG_NONE);
    }
    Uop *ea = soft_emit(d, in, uop_ea_offset);
    fill_offset(ea, &mem->mem, mem->mem.disp.has_displacement ? mem->mem.disp.value : 0);
    ea->aux = in->raw.address_width == 16 ? 16 : 32;
    soft_effect(d, ea, SOFT_FX_NONE, NULL);
    return emit_at_ea(d, in, fn);
}

/* ---- ends of blocks ---- */

static const Uop *uop_leave(SoftCpu *s, const Uop *op)
{
    s->cpu.rip = op->imm;
    return soft_jump_on(s);
}

static const Uop *uop_raise(SoftCpu *s, const Uop *op)
{
    soft_raise(s, op, op->aux, (int64_t)op->imm);
}

void soft_end_block(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit(d, in, uop_leave);
    u->imm = in->next_rip;
    d->ended = true;
}

void soft_end_block_jump(SoftDecoder *d, const SoftInsn *in, uint64_t taken)
{
    d->target[0] = in->next_rip;
    d->target[1] = taken;
    d->ended = true;
}

void soft_emit_raise(SoftDecoder *d, const SoftInsn *in, int vector, int64_t error_code)
{
    Uop *u = soft_emit(d, in, uop_raise);
    u->aux = (uint8_t)vector;
    u->imm = (uint64_t)error_code;
    d->ended = true;
}
