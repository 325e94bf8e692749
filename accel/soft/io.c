/* SPDX-License-Identifier: GPL-2.0-or-later */
/* IN, OUT, INS, OUTS and the I/O permission bitmap (SDM vol. 1 section 19.5). */
#include "accel/soft/breakpoint.h"
#include "accel/soft/decode.h"
#include "accel/soft/mmu.h"
#include "accel/soft/segment.h"
#include "accel/soft/svm.h"
#include "accel/soft/uop.h"
#include "memory/address-space.h"

/* Of strings: Uop.aux; Uop.scale: address size in bytes; Uop.src: segment; Uop.dst: OUTS. */
enum { STRING_REP = 1 };

/* Offset of the bitmap's offset in a 32- or 64-bit TSS. */
#define TSS_IO_MAP 102

static void check_permission(SoftCpu *s, const Uop *op, unsigned port, unsigned size)
{
    const X86Cpu *cpu = &s->cpu;
    unsigned iopl = (cpu->rflags & RFLAGS_IOPL) >> RFLAGS_IOPL_SHIFT;

    if (!(cpu->cr0 & CR0_PE) || (!(cpu->rflags & RFLAGS_VM) && soft_cpl(s) <= iopl)) {
        return;
    }
    bool tss32 = cpu->tr.flags & (8u << SEG_TYPE_SHIFT);
    if (tss32 && cpu->tr.limit >= TSS_IO_MAP + 1) {
        uint32_t map = (uint32_t)soft_load_system(s, op, cpu->tr.base + TSS_IO_MAP, 2);
        uint32_t at = map + port / 8;
        /* Two bytes are always read, so the one after must be within the limit too. */
        if (at + 1 <= cpu->tr.limit) {
            uint64_t bits = soft_load_system(s, op, cpu->tr.base + at, 2) >> (port % 8);
            if (!(bits & ((1u << size) - 1))) {
                return;
            }
        }
    }
    soft_raise(s, op, EXC_GP, 0);
}

/* What a host of this guest is told of IN (@in) or OUT, or the elements of INS or OUTS. */
static void check_host(SoftCpu *s, const Uop *op, unsigned port, uint32_t info)
{
    if (SOFT_UNLIKELY(s->cpu.svm.guest)) {
        soft_svm_check_io(s, op, port, info);
    }
}

/* What IOIO's information has of INS and OUTS. */
static uint32_t string_info(const Uop *op)
{
    return (op->dst ? 0 : SVM_IO_IN) | SVM_IO_STRING | (op->aux & STRING_REP ? SVM_IO_REP : 0) |
           (uint32_t)op->scale << SVM_IO_ADDRESS_SHIFT | (uint32_t)op->src << SVM_IO_SEGMENT_SHIFT;
}

/* The port: an immediate, or DX if aux is set. */
static unsigned port_of(SoftCpu *s, const Uop *op)
{
    return op->aux ? soft_get16(s, X86_RDX) : (unsigned)op->imm;
}

static const Uop *run_in(SoftCpu *s, const Uop *op)
{
    unsigned port = port_of(s, op);

    check_permission(s, op, port, op->size);
    check_host(s, op, port, SVM_IO_IN);
    uint64_t value = soft_machine_load(s, &address_space_io, port, op->size);
    soft_set(s, X86_RAX, value, op->size);
    soft_breakpoints_port(s, op, port, op->size);
    return op + 1;
}

static const Uop *run_out(SoftCpu *s, const Uop *op)
{
    unsigned port = port_of(s, op);

    check_permission(s, op, port, op->size);
    check_host(s, op, port, 0);
    soft_machine_store(s, &address_space_io, port, soft_get(s, X86_RAX, op->size), op->size);
    soft_breakpoints_port(s, op, port, op->size);
    return op + 1;
}

/* d->arg: 0 IN, 1 OUT. The block ends, since a device may want the CPU to stop now. */
static bool emit_in_out(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *port = &in->ops[d->arg ? 0 : 1], *data = &in->ops[d->arg ? 1 : 0];
    Uop *u = soft_emit(d, in, d->arg ? run_out : run_in);

    u->size = (uint8_t)(data->size / 8);
    u->aux = port->type == ZYDIS_OPERAND_TYPE_REGISTER;
    u->imm = u->aux ? 0 : port->imm.value.u & 0xff;
    if (d->arg) {
        soft_end_block(d, in);
    }
    return true;
}

/* ---- strings ---- */

static uint64_t address_register(SoftCpu *s, const Uop *op, unsigned reg)
{
    return soft_get(s, reg, op->scale);
}

/* Linear address of the element; checked outside 64-bit mode. */
static uint64_t element_address(SoftCpu *s, const Uop *op, unsigned reg, bool write)
{
    uint64_t offset = address_register(s, op, reg);

    if (soft_code64(s)) {
        return offset + s->seg_base[op->src];
    }
    return soft_segment_address(s, op, op->src, (uint32_t)offset, op->size, write);
}

static void advance(SoftCpu *s, const Uop *op, unsigned reg)
{
    uint64_t step = s->cpu.rflags & RFLAGS_DF ? 0 - (uint64_t)op->size : op->size;

    soft_set(s, reg, address_register(s, op, reg) + step, op->scale);
}

static void one_ins(SoftCpu *s, const Uop *op, unsigned port)
{
    uint64_t addr = element_address(s, op, X86_RDI, true);

    soft_probe_write(s, op, addr, op->size); /* nothing may be read if it cannot be stored */
    soft_store(s, op, addr, soft_machine_load(s, &address_space_io, port, op->size), op->size);
    soft_breakpoints_port(s, op, port, op->size);
    advance(s, op, X86_RDI);
}

static void one_outs(SoftCpu *s, const Uop *op, unsigned port)
{
    uint64_t value = soft_load(s, op, element_address(s, op, X86_RSI, false), op->size);

    soft_machine_store(s, &address_space_io, port, value, op->size);
    soft_breakpoints_port(s, op, port, op->size);
    advance(s, op, X86_RSI);
}

static const Uop *run_string(SoftCpu *s, const Uop *op)
{
    unsigned port = soft_get16(s, X86_RDX);
    void (*one)(SoftCpu *, const Uop *, unsigned) = op->dst ? one_outs : one_ins;

    check_permission(s, op, port, op->size);
    check_host(s, op, port, string_info(op));
    if (!(op->aux & STRING_REP)) {
        one(s, op, port);
        return op + 1;
    }
    while (address_register(s, op, X86_RCX)) {
        one(s, op, port);
        soft_set(s, X86_RCX, address_register(s, op, X86_RCX) - 1, op->scale);
        if (address_register(s, op, X86_RCX) &&
            (atomic_load(&s->cpu.exit_request) || (s->mode_key & SOFT_KEY_TF))) {
            /* Interrupted between two elements, or a step; goes on from here later. */
            s->cpu.rip = s->cpu.regs[REG_PC] + op->pc_off;
            s->cpu.rflags |= RFLAGS_RF; /* its breakpoint was passed */
            return NULL;
        }
    }
    return op + 1;
}

static bool emit_string(SoftDecoder *d, const SoftInsn *in)
{
    bool outs = d->arg & 8;
    Uop *u = soft_emit(d, in, run_string);
    ZydisRegister segment = ZYDIS_REGISTER_ES;

    if (outs) {
        segment = ZYDIS_REGISTER_DS;
        for (unsigned i = 0; i < in->raw.operand_count; i++) {
            if (in->ops[i].type == ZYDIS_OPERAND_TYPE_MEMORY) {
                segment = in->ops[i].mem.segment;
            }
        }
    }
    u->dst = outs;
    u->size = d->arg & 7;
    u->scale = in->raw.address_width / 8;
    u->src = soft_seg(segment);
    u->aux =
        in->raw.attributes & (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)
            ? STRING_REP
            : 0;
    soft_end_block(d, in);
    return true;
}

const SoftFamilyEntry soft_family_io[] = {
    { ZYDIS_MNEMONIC_IN, emit_in_out, 0 },        { ZYDIS_MNEMONIC_OUT, emit_in_out, 1 },
    { ZYDIS_MNEMONIC_INSB, emit_string, 1 },      { ZYDIS_MNEMONIC_INSW, emit_string, 2 },
    { ZYDIS_MNEMONIC_INSD, emit_string, 4 },      { ZYDIS_MNEMONIC_OUTSB, emit_string, 8 | 1 },
    { ZYDIS_MNEMONIC_OUTSW, emit_string, 8 | 2 }, { ZYDIS_MNEMONIC_OUTSD, emit_string, 8 | 4 },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};
