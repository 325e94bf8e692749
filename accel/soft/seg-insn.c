/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Instructions about segments: MOV, PUSH, POP of segment registers, LDS and kin, LAR, LSL, VERR,
 * VERW, ARPL, and the descriptor-table registers. */
#include "accel/soft/decode.h"
#include "accel/soft/segment.h"
#include "accel/soft/uop.h"

/* ---- operands ---- */

enum { IN_MEMORY = 1 }; /* Uop.aux: the r/m operand is in memory, else in regs[src] */

static Uop *emit_rm(SoftDecoder *d, const SoftInsn *in, UopFn *fn, const ZydisDecodedOperand *o)
{
    Uop *u;

    if (o->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        u = soft_emit_mem(d, in, fn, o);
        u->aux = IN_MEMORY;
    } else {
        u = soft_emit(d, in, fn);
        u->src = soft_reg(o->reg.value);
    }
    u->size = in->raw.operand_width / 8;
    return u;
}

static unsigned load_selector(SoftCpu *s, const Uop *op)
{
    return op->aux == IN_MEMORY ? soft_load16(s, op, soft_addr(s, op)) : soft_get16(s, op->src);
}

/* To memory 16 bits are stored; a register gets all of its operand size. */
static void store_selector(SoftCpu *s, const Uop *op, unsigned value)
{
    if (op->aux == IN_MEMORY) {
        soft_store16(s, op, soft_addr(s, op), (uint16_t)value);
    } else {
        soft_set(s, op->src, value, op->size);
    }
}

static bool is_segment(const ZydisDecodedOperand *o)
{
    return o->type == ZYDIS_OPERAND_TYPE_REGISTER && o->reg.value >= ZYDIS_REGISTER_ES &&
           o->reg.value <= ZYDIS_REGISTER_GS;
}

/* A new stack segment: the block ends. */
static void after_load(SoftDecoder *d, const SoftInsn *in, unsigned seg)
{
    if (seg == X86_SEG_SS) {
        soft_end_block(d, in);
    }
}

/* MOV and POP to SS hold back interrupts and debug exceptions until after the next instruction,
 * which is to load the stack pointer (SDM vol. 3 section 6.8.3). The manual promises nothing for
 * the second of two in a row; AMD's processors (family 25) hold back there too. LSS, which loads
 * both, does nothing of the kind. */
static void load_and_shadow(SoftCpu *s, const Uop *op, unsigned seg, unsigned selector)
{
    soft_load_segment(s, op, seg, selector);
    if (seg == X86_SEG_SS) {
        s->cpu.interrupt_shadow = true;
        s->trap = false;
        s->cpu.debug_shadow = true;
    }
}

/* ---- MOV, PUSH, POP ---- */

static const Uop *run_mov_to(SoftCpu *s, const Uop *op)
{
    load_and_shadow(s, op, op->dst, load_selector(s, op));
    return op + 1;
}

static const Uop *run_mov_from(SoftCpu *s, const Uop *op)
{
    store_selector(s, op, s->cpu.segs[op->dst].selector);
    return op + 1;
}

static bool emit_mov(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *to = &in->ops[0], *from = &in->ops[1];

    if (is_segment(to)) {
        unsigned seg = soft_seg(to->reg.value);
        if (seg == X86_SEG_CS) {
            return false;
        }
        emit_rm(d, in, run_mov_to, from)->dst = (uint8_t)seg;
        after_load(d, in, seg);
        return true;
    }
    if (is_segment(from)) {
        emit_rm(d, in, run_mov_from, to)->dst = soft_seg(from->reg.value);
        return true;
    }
    return false;
}

static const Uop *run_push(SoftCpu *s, const Uop *op)
{
    SoftStack st = soft_stack(s, op);

    soft_stack_push(&st, s->cpu.segs[op->dst].selector, op->size);
    s->cpu.regs[X86_RSP] = soft_stack_rsp(&st, s->cpu.regs[X86_RSP]);
    return op + 1;
}

static const Uop *run_pop(SoftCpu *s, const Uop *op)
{
    SoftStack st = soft_stack(s, op);
    unsigned selector = (uint16_t)soft_stack_pop(&st, op->size);
    uint64_t rsp = soft_stack_rsp(&st, s->cpu.regs[X86_RSP]);

    load_and_shadow(s, op, op->dst, selector);
    s->cpu.regs[X86_RSP] = rsp;
    return op + 1;
}

static bool emit_push_pop(SoftDecoder *d, const SoftInsn *in)
{
    if (!is_segment(&in->ops[0])) {
        return false;
    }
    Uop *u = soft_emit(d, in, d->arg ? run_pop : run_push);
    u->dst = soft_seg(in->ops[0].reg.value);
    u->size = in->raw.operand_width / 8;
    u->flags = UOP_STACK;
    if (d->arg) {
        after_load(d, in, u->dst);
    }
    return true;
}

static const Uop *run_load_far(SoftCpu *s, const Uop *op)
{
    uint64_t addr = soft_addr(s, op);
    uint64_t offset = soft_load(s, op, addr, op->size);

    soft_load_segment(s, op, op->src, soft_load16(s, op, addr + op->size));
    soft_set(s, op->dst, offset, op->size);
    return op + 1;
}

static bool emit_load_far(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit_mem(d, in, run_load_far, &in->ops[1]);

    u->src = (uint8_t)d->arg;
    u->dst = soft_reg(in->ops[0].reg.value);
    u->size = in->raw.operand_width / 8;
    after_load(d, in, d->arg);
    return true;
}

/* ---- LAR, LSL, VERR, VERW, ARPL ---- */

static void set_zf(SoftCpu *s, bool zf)
{
    uint64_t flags = soft_get_rflags(s) & ~(uint64_t)RFLAGS_ZF;
    soft_set_rflags(s, flags | (zf ? RFLAGS_ZF : 0));
}

/* Types of system descriptors, as bits, that LAR and LSL accept; in long mode fewer exist. */
#define TYPES_LAR      (1u << 1 | 1u << 2 | 1u << 3 | 1u << 4 | 1u << 5 | 1u << 9 | 1u << 11 | 1u << 12)
#define TYPES_LSL      (1u << 1 | 1u << 2 | 1u << 3 | 1u << 9 | 1u << 11)
#define TYPES_LAR_LONG (1u << 2 | 1u << 9 | 1u << 11 | 1u << 12)
#define TYPES_LSL_LONG (1u << 2 | 1u << 9 | 1u << 11)

static bool visible(SoftCpu *s, const Uop *op, unsigned selector, uint32_t types, SoftDescriptor *d)
{
    if (soft_selector_null(selector) || !soft_descriptor_read(s, op, selector, d)) {
        return false;
    }
    if (!(d->hi & SEG_S) && !(types >> soft_descriptor_type(d) & 1)) {
        return false;
    }
    bool conforming = (d->hi & (SEG_S | SEG_CODE | SEG_C)) == (SEG_S | SEG_CODE | SEG_C);
    return conforming || soft_descriptor_dpl(d) >= MAX(soft_cpl(s), selector & 3);
}

static void need_protected(SoftCpu *s, const Uop *op)
{
    if (!soft_protected(s)) {
        soft_raise(s, op, EXC_UD, -1);
    }
}

static const Uop *run_lar(SoftCpu *s, const Uop *op)
{
    SoftDescriptor d;

    need_protected(s, op);
    unsigned selector = load_selector(s, op);
    bool ok = visible(s, op, selector, soft_long_mode(s) ? TYPES_LAR_LONG : TYPES_LAR, &d);
    if (ok) {
        soft_set(s, op->dst, d.hi & 0x00ffff00, op->size);
    }
    set_zf(s, ok);
    return op + 1;
}

static const Uop *run_lsl(SoftCpu *s, const Uop *op)
{
    SoftDescriptor d;

    need_protected(s, op);
    unsigned selector = load_selector(s, op);
    bool ok = visible(s, op, selector, soft_long_mode(s) ? TYPES_LSL_LONG : TYPES_LSL, &d);
    if (ok) {
        soft_set(s, op->dst, soft_descriptor_segment(&d, selector).limit, op->size);
    }
    set_zf(s, ok);
    return op + 1;
}

static bool emit_lar_lsl(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = emit_rm(d, in, d->arg ? run_lsl : run_lar, &in->ops[1]);

    u->dst = soft_reg(in->ops[0].reg.value);
    return true;
}

static const Uop *run_verify(SoftCpu *s, const Uop *op, bool write)
{
    SoftDescriptor d;

    need_protected(s, op);
    bool ok = visible(s, op, load_selector(s, op), 0, &d);
    if (ok) {
        bool code = d.hi & SEG_CODE;
        ok = write ? !code && (d.hi & SEG_W) : !code || (d.hi & SEG_R);
    }
    set_zf(s, ok);
    return op + 1;
}

static const Uop *run_verr(SoftCpu *s, const Uop *op)
{
    return run_verify(s, op, false);
}

static const Uop *run_verw(SoftCpu *s, const Uop *op)
{
    return run_verify(s, op, true);
}

static const Uop *run_arpl(SoftCpu *s, const Uop *op)
{
    need_protected(s, op);
    if (op->aux == IN_MEMORY) {
        soft_probe_write(s, op, soft_addr(s, op), 2);
    }
    unsigned selector = load_selector(s, op), rpl = soft_get16(s, op->dst) & 3;
    bool raise = (selector & 3) < rpl;
    if (raise) {
        unsigned value = (selector & ~3u) | rpl;
        if (op->aux == IN_MEMORY) {
            soft_store16(s, op, soft_addr(s, op), (uint16_t)value);
        } else {
            soft_set16(s, op->src, (uint16_t)value);
        }
    }
    set_zf(s, raise);
    return op + 1;
}

static bool emit_arpl(SoftDecoder *d, const SoftInsn *in)
{
    emit_rm(d, in, run_arpl, &in->ops[0])->dst = soft_reg(in->ops[1].reg.value);
    return true;
}

/* ---- GDTR, IDTR, LDTR, TR ---- */

static void need_ring0(SoftCpu *s, const Uop *op)
{
    if (soft_cpl(s) != 0) {
        soft_raise(s, op, EXC_GP, 0);
    }
}

/* User-mode instruction prevention. */
static void check_umip(SoftCpu *s, const Uop *op)
{
    if ((s->cpu.cr4 & CR4_UMIP) && soft_cpl(s) != 0) {
        soft_raise(s, op, EXC_GP, 0);
    }
}

static X86DescriptorTable *table_of(SoftCpu *s, const Uop *op)
{
    return op->dst ? &s->cpu.idt : &s->cpu.gdt;
}

static const Uop *run_load_table(SoftCpu *s, const Uop *op)
{
    need_ring0(s, op);
    uint64_t addr = soft_addr(s, op);
    uint16_t limit = soft_load16(s, op, addr);
    uint64_t base = soft_load(s, op, addr + 2, soft_code64(s) ? 8 : 4);
    if (op->size == 2) {
        base &= 0xffffff;
    }
    if (!soft_canonical(base)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    *table_of(s, op) = (X86DescriptorTable){ .base = base, .limit = limit };
    return op + 1;
}

static const Uop *run_store_table(SoftCpu *s, const Uop *op)
{
    const X86DescriptorTable *table = table_of(s, op);
    uint8_t image[10];
    unsigned base_size = soft_code64(s) ? 8 : 4;

    check_umip(s, op);
    memcpy(image, &table->limit, 2);
    memcpy(image + 2, &table->base, base_size);
    soft_write(s, op, soft_addr(s, op), image, 2 + base_size);
    return op + 1;
}

/* d->arg: bit 0: IDT, bit 1: store. */
static bool emit_table(SoftDecoder *d, const SoftInsn *in)
{
    UopFn *fn = d->arg & 2 ? run_store_table : run_load_table;
    Uop *u = soft_emit_mem(d, in, fn, &in->ops[0]);

    u->dst = d->arg & 1;
    u->size = d->mode == 64 ? 8 : in->raw.operand_width / 8;
    return true;
}

static const Uop *run_store_system(SoftCpu *s, const Uop *op)
{
    need_protected(s, op);
    check_umip(s, op);
    store_selector(s, op, op->dst ? s->cpu.tr.selector : s->cpu.ldt.selector);
    return op + 1;
}

/* A descriptor for LDTR or TR; @types: which are right, as bits. */
static X86Segment system_segment(SoftCpu *s, const Uop *op, unsigned selector, uint32_t types,
                                 SoftDescriptor *d)
{
    unsigned error = selector & 0xfffc;

    if (selector & 4) {
        soft_raise(s, op, EXC_GP, error);
    }
    soft_descriptor_get(s, op, selector, EXC_GP, 0, d);
    if ((d->hi & SEG_S) || !(types >> soft_descriptor_type(d) & 1)) {
        soft_raise(s, op, EXC_GP, error);
    }
    if (!(d->hi & SEG_P)) {
        soft_raise(s, op, EXC_NP, error);
    }
    X86Segment seg = soft_descriptor_segment(d, selector);
    if (soft_long_mode(s)) {
        if ((selector | 7) + 8 > s->cpu.gdt.limit) {
            soft_raise(s, op, EXC_GP, error);
        }
        seg.base = soft_descriptor_base64(s, op, d, selector);
    }
    return seg;
}

static const Uop *run_lldt(SoftCpu *s, const Uop *op)
{
    SoftDescriptor d;

    need_protected(s, op);
    need_ring0(s, op);
    unsigned selector = load_selector(s, op);
    if (soft_selector_null(selector)) {
        s->cpu.ldt = (X86Segment){ .selector = (uint16_t)selector };
    } else {
        s->cpu.ldt = system_segment(s, op, selector, 1u << SYS_LDT, &d);
    }
    return op + 1;
}

static const Uop *run_ltr(SoftCpu *s, const Uop *op)
{
    SoftDescriptor d;

    need_protected(s, op);
    need_ring0(s, op);
    unsigned selector = load_selector(s, op);
    if (soft_selector_null(selector)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    uint32_t types = 1u << SYS_TSS | (soft_long_mode(s) ? 0 : 1u << SYS_TSS16);
    X86Segment tr = system_segment(s, op, selector, types, &d);
    const uint32_t busy = 2u << SEG_TYPE_SHIFT;
    soft_store_system(s, op, d.addr + 4, d.hi | busy, 4);
    tr.flags |= busy;
    s->cpu.tr = tr;
    return op + 1;
}

static bool emit_system(SoftDecoder *d, const SoftInsn *in)
{
    static UopFn *const fns[] = { run_lldt,         run_ltr,  run_store_system,
                                  run_store_system, run_verr, run_verw };
    Uop *u = emit_rm(d, in, fns[d->arg], &in->ops[0]);

    u->dst = d->arg & 1;
    return true;
}

const SoftFamilyEntry soft_family_segment[] = {
    { ZYDIS_MNEMONIC_MOV, emit_mov, 0 },
    { ZYDIS_MNEMONIC_PUSH, emit_push_pop, 0 },
    { ZYDIS_MNEMONIC_POP, emit_push_pop, 1 },
    { ZYDIS_MNEMONIC_LES, emit_load_far, X86_SEG_ES },
    { ZYDIS_MNEMONIC_LDS, emit_load_far, X86_SEG_DS },
    { ZYDIS_MNEMONIC_LSS, emit_load_far, X86_SEG_SS },
    { ZYDIS_MNEMONIC_LFS, emit_load_far, X86_SEG_FS },
    { ZYDIS_MNEMONIC_LGS, emit_load_far, X86_SEG_GS },
    { ZYDIS_MNEMONIC_LAR, emit_lar_lsl, 0 },
    { ZYDIS_MNEMONIC_LSL, emit_lar_lsl, 1 },
    { ZYDIS_MNEMONIC_ARPL, emit_arpl, 0 },
    { ZYDIS_MNEMONIC_LGDT, emit_table, 0 },
    { ZYDIS_MNEMONIC_LIDT, emit_table, 1 },
    { ZYDIS_MNEMONIC_SGDT, emit_table, 2 },
    { ZYDIS_MNEMONIC_SIDT, emit_table, 3 },
    { ZYDIS_MNEMONIC_LLDT, emit_system, 0 },
    { ZYDIS_MNEMONIC_LTR, emit_system, 1 },
    { ZYDIS_MNEMONIC_SLDT, emit_system, 2 },
    { ZYDIS_MNEMONIC_STR, emit_system, 3 },
    { ZYDIS_MNEMONIC_VERR, emit_system, 4 },
    { ZYDIS_MNEMONIC_VERW, emit_system, 5 },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};
