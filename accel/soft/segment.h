/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors, segment registers and stacks, for the files of the system half.
 */
#ifndef ACCEL_SOFT_SEGMENT_H
#define ACCEL_SOFT_SEGMENT_H

#include "accel/soft/soft.h"

/* A descriptor as it lies in a table, and where. */
typedef struct SoftDescriptor {
    uint32_t lo, hi;
    uint64_t addr; /* linear */
} SoftDescriptor;

static inline unsigned soft_descriptor_dpl(const SoftDescriptor *d)
{
    return (d->hi & SEG_DPL_MASK) >> SEG_DPL_SHIFT;
}
static inline unsigned soft_descriptor_type(const SoftDescriptor *d)
{
    return (d->hi & SEG_TYPE_MASK) >> SEG_TYPE_SHIFT;
}
static inline bool soft_selector_null(unsigned selector)
{
    return (selector & 0xfffc) == 0;
}
static inline bool soft_long_mode(const SoftCpu *s)
{
    return s->cpu.efer & EFER_LMA;
}
static inline bool soft_code64(const SoftCpu *s)
{
    return s->mode_key & SOFT_KEY_CODE64;
}
/* Protected mode without VM86: selectors are looked up in tables. */
static inline bool soft_protected(const SoftCpu *s)
{
    return (s->cpu.cr0 & CR0_PE) && !(s->cpu.rflags & RFLAGS_VM);
}

/* False: the selector is beyond its table (or the LDT is not there). @selector is not null. */
bool soft_descriptor_read(SoftCpu *s, const Uop *op, unsigned selector, SoftDescriptor *out);
/* The same, or the fault @vector(selector | @ext). */
void soft_descriptor_get(SoftCpu *s, const Uop *op, unsigned selector, int vector, unsigned ext,
                         SoftDescriptor *out);
/* Set the accessed bit of a code or data segment, in memory and in @d. */
void soft_descriptor_touch(SoftCpu *s, const Uop *op, SoftDescriptor *d);
/* Base of a system descriptor in long mode, which has 16 bytes; #GP if not canonical. */
uint64_t soft_descriptor_base64(SoftCpu *s, const Uop *op, const SoftDescriptor *d,
                                unsigned selector);
X86Segment soft_descriptor_segment(const SoftDescriptor *d, unsigned selector);

/* Load ES, SS, DS, FS or GS with all checks. Only SS needs soft_update_mode() afterwards, which is
 * done here. */
void soft_load_segment(SoftCpu *s, const Uop *op, unsigned seg, unsigned selector);
/* A segment register as real mode and VM86 load it. */
void soft_set_segment_real(SoftCpu *s, unsigned seg, unsigned selector);
/* Make DS, ES, FS or GS null if the CPL is now too low for it (RET and IRET to an outer ring). Its
 * base stays. */
void soft_drop_inner_segments(SoftCpu *s, unsigned cpl);
void soft_null_segment(SoftCpu *s, unsigned seg);

/* ---- a stack under construction ----
 * Pushes and pops move `sp` here; the CPU's RSP is set at the end. */
typedef struct SoftStack {
    SoftCpu *s;
    const Uop *op;
    uint64_t base, sp;
    uint64_t mask; /* 0xffff, 0xffffffff or all */
    uint32_t limit;
    uint32_t flags; /* of the segment */
    bool check;     /* of type and limit: not in 64-bit mode */
    bool system;    /* access as supervisor */
    unsigned error; /* code of the #SS */
} SoftStack;

/* The present stack. */
SoftStack soft_stack(SoftCpu *s, const Uop *op);
/* One in segment @ss, not loaded yet. */
SoftStack soft_stack_in(SoftCpu *s, const Uop *op, const X86Segment *ss, uint64_t sp, bool code64);
void soft_stack_push(SoftStack *st, uint64_t value, unsigned size);
uint64_t soft_stack_pop(SoftStack *st, unsigned size);
/* RSP as it is after the stack's pushes and pops: the bits beyond the mask stay. */
uint64_t soft_stack_rsp(const SoftStack *st, uint64_t old);

/* Stack of ring @dpl (0-2) from the TSS, and its checked segment; legacy modes. */
void soft_tss_stack(SoftCpu *s, const Uop *op, unsigned dpl, unsigned ext, X86Segment *ss,
                    uint64_t *sp);
/* Selector of the TSS of the task that the present one is nested in. */
unsigned soft_tss_link(SoftCpu *s, const Uop *op);
/* Long mode: RSP0-2 (@slot 0-2) or IST1-7 (@slot 3 + n, n from 1). */
uint64_t soft_tss_rsp(SoftCpu *s, const Uop *op, unsigned slot, unsigned ext);

/* The flat segments that SYSCALL, SYSENTER and 64-bit event delivery load without a table. */
void soft_set_flat_segment(SoftCpu *s, unsigned seg, unsigned selector, unsigned dpl,
                           uint32_t flags);

#endif
