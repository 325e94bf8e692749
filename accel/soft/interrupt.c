/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The way through the IDT: SDM vol. 3 sections 6.12 (protected mode), 6.14 (64-bit), 20.1 (real).
 */
#include "accel/soft/interrupt.h"

#include "accel/soft/segment.h"
#include "accel/soft/svm.h"
#include "accel/soft/task.h"
#include "accel/soft/uop.h"
#include "accel/soft/vme.h"
#include "util/log.h"

typedef struct Delivery {
    SoftCpu *s;
    unsigned vector;
    SoftEvent event;
    int64_t error_code;
    uint64_t rip;   /* to push */
    uint64_t flags; /* to push */
    unsigned ext;   /* EXT bit for error codes */
} Delivery;

/* A gate that passed its checks. */
typedef struct Gate {
    unsigned selector, ist;
    uint64_t offset;
    bool trap;     /* IF stays */
    bool task;     /* a task gate: only the selector, of a TSS, counts */
    unsigned size; /* of what is pushed */
} Gate;

static unsigned idt_error(const Delivery *d)
{
    return d->vector * 8 + 2 + d->ext;
}

static Gate read_gate(const Delivery *d)
{
    SoftCpu *s = d->s;
    bool long_mode = soft_long_mode(s);
    unsigned entry = long_mode ? 16 : 8;

    if (d->vector * entry + entry - 1 > s->cpu.idt.limit) {
        soft_raise(s, NULL, EXC_GP, idt_error(d));
    }
    uint64_t addr = s->cpu.idt.base + (uint64_t)d->vector * entry;
    uint64_t low = soft_load_system(s, NULL, addr, 8);
    uint64_t high = long_mode ? soft_load_system(s, NULL, addr + 8, 8) : 0;
    uint32_t hi = (uint32_t)(low >> 32);
    unsigned type = hi >> 8 & 0x1f;

    bool gate32 = type == SYS_INT || type == SYS_TRAP;
    bool gate16 = !long_mode && (type == SYS_INT16 || type == SYS_TRAP16);
    bool task = !long_mode && type == SYS_TASK_GATE;
    if (!gate32 && !gate16 && !task) {
        soft_raise(s, NULL, EXC_GP, idt_error(d));
    }
    if (d->event == SOFT_EVENT_SOFTWARE && (hi >> SEG_DPL_SHIFT & 3) < soft_cpl(s)) {
        soft_raise(s, NULL, EXC_GP, idt_error(d));
    }
    if (!(hi & SEG_P)) {
        soft_raise(s, NULL, EXC_NP, idt_error(d));
    }
    Gate g = {
        .selector = (uint32_t)low >> 16,
        .ist = long_mode ? hi & 7 : 0,
        .offset = (low & 0xffff) | (gate16 ? 0 : (hi & 0xffff0000u)) | high << 32,
        .trap = type & 1,
        .task = task,
        .size = long_mode ? 8
                : gate32  ? 4
                          : 2,
    };
    return g;
}

/* The handler's code segment, and in *@cpl the privilege that it runs with. */
static SoftDescriptor handler_code(const Delivery *d, const Gate *g, unsigned *cpl)
{
    SoftCpu *s = d->s;
    unsigned old = soft_cpl(s);
    SoftDescriptor cs;

    if (soft_selector_null(g->selector)) {
        soft_raise(s, NULL, EXC_GP, d->ext);
    }
    unsigned error = (g->selector & 0xfffc) | d->ext;
    soft_descriptor_get(s, NULL, g->selector, EXC_GP, d->ext, &cs);
    bool code = (cs.hi & (SEG_S | SEG_CODE)) == (SEG_S | SEG_CODE);
    bool bad_width = soft_long_mode(s) && (cs.hi & (SEG_L | SEG_DB)) != SEG_L;
    if (!code || soft_descriptor_dpl(&cs) > old || bad_width) {
        soft_raise(s, NULL, EXC_GP, error);
    }
    if (!(cs.hi & SEG_P)) {
        soft_raise(s, NULL, EXC_NP, error);
    }
    *cpl = cs.hi & SEG_C ? old : soft_descriptor_dpl(&cs);
    if ((s->cpu.rflags & RFLAGS_VM) && *cpl != 0) {
        soft_raise(s, NULL, EXC_GP, error);
    }
    return cs;
}

/* Everything is pushed; now the state changes. */
static void enter_handler(const Delivery *d, const Gate *g, SoftDescriptor *cs, unsigned cpl)
{
    SoftCpu *s = d->s;
    X86Cpu *cpu = &s->cpu;
    uint64_t clear = RFLAGS_TF | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM | (g->trap ? 0 : RFLAGS_IF);

    cpu->rflags &= ~clear;
    cpu->segs[X86_SEG_CS] = soft_descriptor_segment(cs, (g->selector & ~3u) | cpl);
    cpu->rip = g->offset;
    soft_update_mode(s);
}

static void deliver_long(const Delivery *d)
{
    SoftCpu *s = d->s;
    X86Cpu *cpu = &s->cpu;
    unsigned cpl;
    Gate g = read_gate(d);
    SoftDescriptor cs = handler_code(d, &g, &cpl);
    bool inner = cpl < soft_cpl(s);
    uint64_t rsp = cpu->regs[X86_RSP];

    if (!soft_canonical(g.offset)) {
        soft_raise(s, NULL, EXC_GP, d->ext);
    }
    if (g.ist) {
        rsp = soft_tss_rsp(s, NULL, g.ist + 3, d->ext);
    } else if (inner) {
        rsp = soft_tss_rsp(s, NULL, cpl, d->ext);
    }
    SoftStack st = soft_stack_in(s, NULL, &cpu->segs[X86_SEG_SS], rsp & ~15ull, true);
    if (!soft_canonical(st.sp - 1)) {
        soft_raise(s, NULL, EXC_SS, d->ext);
    }
    st.system = cpl != 3;
    soft_stack_push(&st, cpu->segs[X86_SEG_SS].selector, 8);
    soft_stack_push(&st, cpu->regs[X86_RSP], 8);
    soft_stack_push(&st, d->flags, 8);
    soft_stack_push(&st, cpu->segs[X86_SEG_CS].selector, 8);
    soft_stack_push(&st, d->rip, 8);
    if (d->error_code >= 0) {
        soft_stack_push(&st, (uint64_t)d->error_code, 8);
    }
    soft_descriptor_touch(s, NULL, &cs);

    cpu->regs[X86_RSP] = st.sp;
    if (inner) {
        cpu->segs[X86_SEG_SS] =
            (X86Segment){ .selector = (uint16_t)cpl, .flags = cpl << SEG_DPL_SHIFT };
    }
    enter_handler(d, &g, &cs, cpl);
}

static void deliver_to_task(const Delivery *d, const Gate *g)
{
    soft_task_switch(d->s, NULL,
                     &(SoftTaskSwitch){ .how = SOFT_TASK_NEST,
                                        .selector = g->selector,
                                        .ext = d->ext,
                                        .next = d->rip,
                                        .flags = d->flags,
                                        .error_code = d->error_code });
}

static void deliver_protected(const Delivery *d, const Gate *gate)
{
    SoftCpu *s = d->s;
    X86Cpu *cpu = &s->cpu;
    unsigned cpl;
    Gate g = *gate;
    SoftDescriptor cs = handler_code(d, &g, &cpl);
    bool inner = cpl < soft_cpl(s), vm86 = d->flags & RFLAGS_VM;
    X86Segment ss = cpu->segs[X86_SEG_SS];
    uint64_t sp = cpu->regs[X86_RSP];
    unsigned stack_error = d->ext;

    if (inner) {
        soft_tss_stack(s, NULL, cpl, d->ext, &ss, &sp);
        stack_error |= ss.selector & 0xfffcu;
    }
    X86Segment code = soft_descriptor_segment(&cs, g.selector);
    if (g.offset > code.limit) {
        soft_raise(s, NULL, EXC_GP, d->ext);
    }
    SoftStack st = soft_stack_in(s, NULL, &ss, sp, false);
    st.system = inner || soft_cpl(s) != 3;
    st.error = stack_error;
    if (vm86) {
        static const uint8_t order[] = { X86_SEG_GS, X86_SEG_FS, X86_SEG_DS, X86_SEG_ES };
        for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
            soft_stack_push(&st, cpu->segs[order[i]].selector, g.size);
        }
    }
    if (inner) {
        soft_stack_push(&st, cpu->segs[X86_SEG_SS].selector, g.size);
        soft_stack_push(&st, cpu->regs[X86_RSP], g.size);
    }
    soft_stack_push(&st, d->flags, g.size);
    soft_stack_push(&st, cpu->segs[X86_SEG_CS].selector, g.size);
    soft_stack_push(&st, d->rip, g.size);
    if (d->error_code >= 0) {
        soft_stack_push(&st, (uint64_t)d->error_code, g.size);
    }
    soft_descriptor_touch(s, NULL, &cs);

    if (inner) {
        cpu->regs[X86_RSP] = soft_stack_rsp(&st, sp);
        cpu->segs[X86_SEG_SS] = ss;
    } else {
        cpu->regs[X86_RSP] = soft_stack_rsp(&st, cpu->regs[X86_RSP]);
    }
    if (vm86) {
        soft_null_segment(s, X86_SEG_ES);
        soft_null_segment(s, X86_SEG_DS);
        soft_null_segment(s, X86_SEG_FS);
        soft_null_segment(s, X86_SEG_GS);
    }
    enter_handler(d, &g, &cs, cpl);
}

static void deliver_real(const Delivery *d)
{
    SoftCpu *s = d->s;
    X86Cpu *cpu = &s->cpu;

    if (d->vector * 4 + 3 > cpu->idt.limit) {
        soft_raise(s, NULL, EXC_GP, -1);
    }
    uint32_t entry = (uint32_t)soft_load_system(s, NULL, cpu->idt.base + d->vector * 4, 4);
    SoftStack st = soft_stack(s, NULL);
    soft_stack_push(&st, d->flags, 2);
    soft_stack_push(&st, cpu->segs[X86_SEG_CS].selector, 2);
    soft_stack_push(&st, d->rip, 2);

    cpu->regs[X86_RSP] = soft_stack_rsp(&st, cpu->regs[X86_RSP]);
    cpu->rflags &= ~(uint64_t)(RFLAGS_IF | RFLAGS_TF | RFLAGS_AC | RFLAGS_RF);
    soft_set_segment_real(s, X86_SEG_CS, entry >> 16);
    cpu->rip = entry & 0xffff;
    soft_update_mode(s);
}

static void log_event(const Delivery *d)
{
    static const char *const names[] = { "exception", "trap", "software interrupt", "interrupt" };
    const X86Cpu *cpu = &d->s->cpu;

    log_printf("CPU %u: %s %02x error %" G_GINT64_MODIFIER "x CPL %u at %04x:%016" G_GINT64_MODIFIER
               "x SP %04x:%016" G_GINT64_MODIFIER "x CR2 %016" G_GINT64_MODIFIER "x\n",
               cpu->index, names[d->event], d->vector, d->error_code < 0 ? 0 : d->error_code,
               soft_cpl(d->s), cpu->segs[X86_SEG_CS].selector, d->rip,
               cpu->segs[X86_SEG_SS].selector, cpu->regs[X86_RSP], cpu->cr2);
}

void soft_deliver(SoftCpu *s, unsigned vector, SoftEvent event, int64_t error_code,
                  uint64_t return_rip)
{
    Delivery d = {
        .s = s,
        .vector = vector,
        .event = event,
        .error_code = error_code,
        .rip = return_rip,
        .flags = soft_get_rflags(s),
        .ext = event != SOFT_EVENT_SOFTWARE,
    };
    bool exception = event == SOFT_EVENT_FAULT || event == SOFT_EVENT_TRAP;

    if (vector == EXC_DB && exception && !s->svm_injecting && soft_svm_exception(s, vector, -1)) {
        return;
    }
    s->svm_event = soft_svm_describe(vector, event, error_code);
    if (event == SOFT_EVENT_FAULT) {
        d.flags |= RFLAGS_RF;
    }
    if (log_enabled(LOG_INT)) {
        log_event(&d);
    }
    /* Interrupts are benign: a fault on their way is simply delivered. */
    s->delivering = exception ? (int)vector : -1;
    if (!(s->cpu.cr0 & CR0_PE)) {
        deliver_real(&d);
    } else if (soft_long_mode(s)) {
        deliver_long(&d);
    } else {
        Gate g = read_gate(&d);
        if (g.task) {
            deliver_to_task(&d, &g);
        } else {
            deliver_protected(&d, &g);
        }
    }
    s->delivering = -1;
    s->svm_event = 0;
    s->cpu.interrupt_shadow = false;
    if (exception && vector == EXC_DB) {
        s->cpu.dr[7] &= ~(uint64_t)DR7_GD; /* for the handler */
    }
    s->trap = false; /* INT n: TF is clear in the handler, and set again by its IRET */
}

void soft_software_interrupt(SoftCpu *s, const Uop *op, unsigned vector)
{
    uint64_t start = s->cpu.regs[REG_PC] + op->pc_off;

    /* Faults on the way belong to the instruction. */
    s->cpu.rip = start;
    if (op->aux && soft_virtual_interrupt(s, op, vector)) {
        return;
    }
    if (op->aux && soft_vm86_trapped(s)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    uint64_t next = start + op->len;
    soft_deliver(s, vector, SOFT_EVENT_SOFTWARE, -1, soft_code64(s) ? next : (uint32_t)next);
}
