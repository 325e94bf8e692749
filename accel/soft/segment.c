/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptor tables, segment registers, stacks, the TSS (SDM vol. 3 chapters 3, 5 and 7). */
#include "accel/soft/segment.h"

#include "accel/soft/uop.h"

/* ---- descriptors ---- */

bool soft_descriptor_read(SoftCpu *s, const Uop *op, unsigned selector, SoftDescriptor *out)
{
    uint64_t base = s->cpu.gdt.base;
    uint32_t limit = s->cpu.gdt.limit;

    if (selector & 4) {
        if (soft_selector_null(s->cpu.ldt.selector)) {
            return false;
        }
        base = s->cpu.ldt.base;
        limit = s->cpu.ldt.limit;
    }
    if ((selector | 7) > limit) {
        return false;
    }
    out->addr = base + (selector & 0xfff8);
    uint64_t value = soft_load_system(s, op, out->addr, 8);
    out->lo = (uint32_t)value;
    out->hi = (uint32_t)(value >> 32);
    return true;
}

void soft_descriptor_get(SoftCpu *s, const Uop *op, unsigned selector, int vector, unsigned ext,
                         SoftDescriptor *out)
{
    if (!soft_descriptor_read(s, op, selector, out)) {
        soft_raise(s, op, vector, (selector & 0xfffc) | ext);
    }
}

void soft_descriptor_touch(SoftCpu *s, const Uop *op, SoftDescriptor *d)
{
    if (!(d->hi & SEG_A)) {
        d->hi |= SEG_A;
        soft_store_system(s, op, d->addr + 4, d->hi, 4);
    }
}

static uint32_t descriptor_base(const SoftDescriptor *d)
{
    return d->lo >> 16 | (d->hi & 0xff) << 16 | (d->hi & 0xff000000);
}

uint64_t soft_descriptor_base64(SoftCpu *s, const Uop *op, const SoftDescriptor *d,
                                unsigned selector)
{
    uint64_t high = soft_load_system(s, op, d->addr + 8, 8);
    uint64_t base = descriptor_base(d) | high << 32;

    /* The type field of the upper half must be 0. */
    if (!soft_canonical(base) || (high >> 40 & 0x1f)) {
        soft_raise(s, op, EXC_GP, selector & 0xfffc);
    }
    return base;
}

X86Segment soft_descriptor_segment(const SoftDescriptor *d, unsigned selector)
{
    uint32_t limit = (d->lo & 0xffff) | (d->hi & 0xf0000);

    return (X86Segment){
        .selector = (uint16_t)selector,
        .flags = d->hi & SEG_FLAGS_MASK,
        .limit = d->hi & SEG_G ? limit << 12 | 0xfff : limit,
        .base = descriptor_base(d),
    };
}

/* ---- segment registers ---- */

static void set_base_copy(SoftCpu *s, unsigned seg)
{
    bool flat = soft_code64(s) && seg != X86_SEG_FS && seg != X86_SEG_GS;
    s->seg_base[seg] = flat ? 0 : s->cpu.segs[seg].base;
}

void soft_null_segment(SoftCpu *s, unsigned seg)
{
    s->cpu.segs[seg] = (X86Segment){ 0 };
    set_base_copy(s, seg);
}

void soft_set_segment_real(SoftCpu *s, unsigned seg, unsigned selector)
{
    X86Segment *r = &s->cpu.segs[seg];

    r->selector = (uint16_t)selector;
    r->base = (uint64_t)(selector & 0xffff) << 4;
    if (s->cpu.rflags & RFLAGS_VM) {
        r->limit = 0xffff;
        r->flags = SEG_P | SEG_S | SEG_W | SEG_A | SEG_DPL_MASK;
    } else {
        /* The limit stays what it was ("unreal mode"). */
        r->flags = (r->flags & (SEG_DB | SEG_G)) | SEG_P | SEG_S | SEG_W | SEG_A;
    }
    if (seg == X86_SEG_CS) {
        r->flags &= ~(SEG_DB | SEG_L);
    }
    set_base_copy(s, seg);
}

void soft_set_flat_segment(SoftCpu *s, unsigned seg, unsigned selector, unsigned dpl,
                           uint32_t flags)
{
    s->cpu.segs[seg] = (X86Segment){
        .selector = (uint16_t)selector,
        .flags = flags | SEG_P | SEG_S | SEG_A | SEG_W | SEG_G | dpl << SEG_DPL_SHIFT,
        .limit = UINT32_MAX,
    };
}

static void load_ss(SoftCpu *s, const Uop *op, unsigned selector)
{
    unsigned cpl = soft_cpl(s), rpl = selector & 3;
    SoftDescriptor d;

    if (soft_selector_null(selector)) {
        if (!soft_code64(s) || cpl == 3 || rpl != cpl) {
            soft_raise(s, op, EXC_GP, 0);
        }
        s->cpu.segs[X86_SEG_SS] =
            (X86Segment){ .selector = (uint16_t)selector, .flags = cpl << SEG_DPL_SHIFT };
        return;
    }
    soft_descriptor_get(s, op, selector, EXC_GP, 0, &d);
    bool writable = (d.hi & (SEG_S | SEG_CODE | SEG_W)) == (SEG_S | SEG_W);
    if (rpl != cpl || soft_descriptor_dpl(&d) != cpl || !writable) {
        soft_raise(s, op, EXC_GP, selector & 0xfffc);
    }
    if (!(d.hi & SEG_P)) {
        soft_raise(s, op, EXC_SS, selector & 0xfffc);
    }
    soft_descriptor_touch(s, op, &d);
    s->cpu.segs[X86_SEG_SS] = soft_descriptor_segment(&d, selector);
}

static void load_data(SoftCpu *s, const Uop *op, unsigned seg, unsigned selector)
{
    SoftDescriptor d;

    if (soft_selector_null(selector)) {
        s->cpu.segs[seg] = (X86Segment){ .selector = (uint16_t)selector };
        return;
    }
    soft_descriptor_get(s, op, selector, EXC_GP, 0, &d);
    bool code = d.hi & SEG_CODE, conforming = code && (d.hi & SEG_C);
    unsigned privilege = MAX(soft_cpl(s), selector & 3);
    if (!(d.hi & SEG_S) || (code && !(d.hi & SEG_R)) ||
        (!conforming && privilege > soft_descriptor_dpl(&d))) {
        soft_raise(s, op, EXC_GP, selector & 0xfffc);
    }
    if (!(d.hi & SEG_P)) {
        soft_raise(s, op, EXC_NP, selector & 0xfffc);
    }
    soft_descriptor_touch(s, op, &d);
    s->cpu.segs[seg] = soft_descriptor_segment(&d, selector);
}

void soft_load_segment(SoftCpu *s, const Uop *op, unsigned seg, unsigned selector)
{
    if (!soft_protected(s)) {
        soft_set_segment_real(s, seg, selector);
    } else if (seg == X86_SEG_SS) {
        load_ss(s, op, selector);
    } else {
        load_data(s, op, seg, selector);
    }
    if (seg == X86_SEG_SS) {
        soft_update_mode(s);
    } else {
        set_base_copy(s, seg);
    }
}

/* The selector becomes 0 and the segment unusable; nothing else changes. By SDM vol. 2, IRET and
 * RET, "return to outer privilege level": for a null selector, whatever its RPL, and for a segment
 * with DPL < CPL, "SegmentSelector := 0" is all that is said, and APM vol. 3, IRET, has the second
 * case with "seg = NULL". A null selector's base must stay in 64-bit mode, since FS and GS have
 * theirs from MSRs; an AMD processor of family 25 was seen to clear selectors 1 to 3 on return to
 * ring 3 and to keep GS' base. What becomes of the base in the second case could not be observed:
 * no system that was at hand loads such a segment. It is kept there as the text has it. */
void soft_drop_inner_segments(SoftCpu *s, unsigned cpl)
{
    static const uint8_t segs[] = { X86_SEG_ES, X86_SEG_DS, X86_SEG_FS, X86_SEG_GS };

    for (size_t i = 0; i < G_N_ELEMENTS(segs); i++) {
        X86Segment *seg = &s->cpu.segs[segs[i]];
        bool conforming = (seg->flags & (SEG_CODE | SEG_C)) == (SEG_CODE | SEG_C);
        unsigned dpl = (seg->flags & SEG_DPL_MASK) >> SEG_DPL_SHIFT;
        if (soft_selector_null(seg->selector)) {
            seg->selector = 0;
        } else if (!conforming && dpl < cpl) {
            seg->selector = 0;
            seg->flags &= ~SEG_P;
        }
    }
}

/* ---- stacks ---- */

SoftStack soft_stack_in(SoftCpu *s, const Uop *op, const X86Segment *ss, uint64_t sp, bool code64)
{
    SoftStack st = { .s = s, .op = op, .sp = sp };

    if (code64) {
        st.mask = UINT64_MAX;
        return st;
    }
    st.mask = ss->flags & SEG_DB ? UINT32_MAX : 0xffff;
    st.base = ss->base;
    st.limit = ss->limit;
    st.flags = ss->flags;
    st.check = true;
    return st;
}

SoftStack soft_stack(SoftCpu *s, const Uop *op)
{
    return soft_stack_in(s, op, &s->cpu.segs[X86_SEG_SS], s->cpu.regs[X86_RSP], soft_code64(s));
}

static uint64_t stack_address(const SoftStack *st, unsigned size)
{
    uint64_t offset = st->sp & st->mask;

    if (!st->check) {
        return offset;
    }
    uint64_t last = offset + size - 1;
    bool fits;
    if ((st->flags & (SEG_CODE | SEG_E)) == SEG_E) {
        fits = offset > st->limit && last <= (st->flags & SEG_DB ? UINT32_MAX : 0xffffu);
    } else {
        fits = last <= st->limit;
    }
    if (!fits) {
        soft_raise(st->s, st->op, EXC_SS, st->error);
    }
    return (uint32_t)(st->base + offset);
}

void soft_stack_push(SoftStack *st, uint64_t value, unsigned size)
{
    st->sp -= size;
    uint64_t addr = stack_address(st, size);
    if (st->system) {
        soft_store_system(st->s, st->op, addr, value, size);
    } else {
        soft_store(st->s, st->op, addr, value, size);
    }
}

uint64_t soft_stack_pop(SoftStack *st, unsigned size)
{
    uint64_t addr = stack_address(st, size);
    st->sp += size;
    return st->system ? soft_load_system(st->s, st->op, addr, size)
                      : soft_load(st->s, st->op, addr, size);
}

uint64_t soft_stack_rsp(const SoftStack *st, uint64_t old)
{
    return st->mask == 0xffff ? (old & ~st->mask) | (st->sp & st->mask) : st->sp & st->mask;
}

/* ---- the TSS ---- */

/* Offset @offset of the TSS; #TS if that is beyond its limit. */
static uint64_t tss_load(SoftCpu *s, const Uop *op, uint32_t offset, unsigned size, unsigned ext)
{
    const X86Segment *tr = &s->cpu.tr;

    if ((uint64_t)offset + size - 1 > tr->limit) {
        soft_raise(s, op, EXC_TS, (tr->selector & 0xfffc) | ext);
    }
    return soft_load_system(s, op, tr->base + offset, size);
}

void soft_tss_stack(SoftCpu *s, const Uop *op, unsigned dpl, unsigned ext, X86Segment *ss,
                    uint64_t *sp)
{
    bool tss32 = s->cpu.tr.flags & (8u << SEG_TYPE_SHIFT);
    unsigned selector;
    SoftDescriptor d;

    if (tss32) {
        *sp = tss_load(s, op, 4 + 8 * dpl, 4, ext);
        selector = (unsigned)tss_load(s, op, 8 + 8 * dpl, 2, ext);
    } else {
        *sp = tss_load(s, op, 2 + 4 * dpl, 2, ext);
        selector = (unsigned)tss_load(s, op, 4 + 4 * dpl, 2, ext);
    }
    if (soft_selector_null(selector)) {
        soft_raise(s, op, EXC_TS, ext);
    }
    soft_descriptor_get(s, op, selector, EXC_TS, ext, &d);
    bool writable = (d.hi & (SEG_S | SEG_CODE | SEG_W)) == (SEG_S | SEG_W);
    if ((selector & 3) != dpl || soft_descriptor_dpl(&d) != dpl || !writable) {
        soft_raise(s, op, EXC_TS, (selector & 0xfffc) | ext);
    }
    if (!(d.hi & SEG_P)) {
        soft_raise(s, op, EXC_SS, (selector & 0xfffc) | ext);
    }
    soft_descriptor_touch(s, op, &d);
    *ss = soft_descriptor_segment(&d, selector);
}

unsigned soft_tss_link(SoftCpu *s, const Uop *op)
{
    return (unsigned)tss_load(s, op, 0, 2, 0);
}

uint64_t soft_tss_rsp(SoftCpu *s, const Uop *op, unsigned slot, unsigned ext)
{
    /* RSP0-2 are at 4, IST1-7 at 36: with IST1 as slot 4 both are one array. */
    uint64_t rsp = tss_load(s, op, 4 + 8 * slot, 8, ext);

    if (!soft_canonical(rsp)) {
        soft_raise(s, op, EXC_SS, ext);
    }
    return rsp;
}
