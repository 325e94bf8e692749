/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ways out of a guest: which fault, event or instruction brings the #VMEXIT. */
#include "accel/soft/svm.h"

#include "accel/soft/interrupt.h"
#include "accel/soft/mmu.h"
#include "accel/soft/uop.h"

_Noreturn void soft_svm_raise(SoftCpu *s, const Uop *op, uint64_t code, uint64_t info1,
                              uint64_t info2)
{
    uint64_t next = op ? soft_op_rip(s, op) + op->len : 0;

    s->svm_exit.code = code;
    s->svm_exit.info1 = info1;
    s->svm_exit.info2 = info2;
    s->svm_exit.next_rip = s->mode_key & SOFT_KEY_CODE64 ? next : (uint32_t)next;
    soft_raise(s, op, SOFT_VMEXIT, -1);
}

/* Was the instruction at cpu.rip in the shadow of STI or MOV SS? */
static bool in_shadow(const SoftCpu *s)
{
    return s->cpu.interrupt_shadow || s->svm_shadow_rip == s->cpu.rip;
}

static void leave(SoftCpu *s, uint64_t code, uint64_t info1, uint64_t info2, uint64_t next_rip,
                  bool shadow)
{
    soft_svm_leave(s, code, info1, info2, next_rip, shadow);
    s->svm_exit.code = 0;
    s->svm_event = 0;
    s->delivering = -1;
}

void soft_svm_exit(SoftCpu *s, uint64_t code, uint64_t info1, uint64_t info2)
{
    leave(s, code, info1, info2, 0, false);
}

bool soft_svm_exception(SoftCpu *s, unsigned vector, int64_t error_code)
{
    if (!x86_svm_intercepts(&s->cpu, SVM_EXIT_EXCEPTION + vector)) {
        return false;
    }
    leave(s, SVM_EXIT_EXCEPTION + vector, error_code < 0 ? 0 : (uint64_t)error_code,
          vector == EXC_PF ? s->fault.cr2 : 0, 0, in_shadow(s));
    return true;
}

bool soft_svm_fault(SoftCpu *s)
{
    switch (s->fault.vector) {
    case SOFT_VMEXIT:
        leave(s, s->svm_exit.code, s->svm_exit.info1, s->svm_exit.info2, s->svm_exit.next_rip,
              in_shadow(s));
        return true;
    case SOFT_FREEZE:
        if (x86_svm_intercepts(&s->cpu, SVM_EXIT_FERR_FREEZE)) {
            soft_svm_exit(s, SVM_EXIT_FERR_FREEZE, 0, 0);
            return true;
        }
        return false;
    default:
        return soft_svm_exception(s, (unsigned)s->fault.vector, s->fault.error_code);
    }
}

/* ---- events ---- */

uint64_t soft_svm_describe(unsigned vector, SoftEvent event, int64_t error_code)
{
    uint64_t type = SVM_EVENT_EXCEPTION;

    if (event == SOFT_EVENT_EXTERNAL) {
        type = vector == EXC_NMI ? SVM_EVENT_NMI : SVM_EVENT_INTR;
    } else if (event == SOFT_EVENT_SOFTWARE && vector != EXC_BP && vector != EXC_OF) {
        type = SVM_EVENT_SOFTWARE;
    }
    return SVM_EVENT_VALID | type << SVM_EVENT_TYPE_SHIFT | vector |
           (error_code < 0 ? 0 : SVM_EVENT_HAS_ERROR | (uint64_t)error_code << 32);
}

static void inject(SoftCpu *s)
{
    X86Svm *svm = &s->cpu.svm;
    uint64_t event = svm->event_inj, rip = s->cpu.rip;
    unsigned vector = event & SVM_EVENT_VECTOR, type = event >> SVM_EVENT_TYPE_SHIFT & 7;
    int64_t error_code = event & SVM_EVENT_HAS_ERROR ? (int64_t)(event >> 32) : -1;
    bool software = type == SVM_EVENT_SOFTWARE ||
                    (type == SVM_EVENT_EXCEPTION && (vector == EXC_BP || vector == EXC_OF));
    SoftEvent how = SOFT_EVENT_EXTERNAL;

    if (type == SVM_EVENT_SOFTWARE) {
        how = SOFT_EVENT_SOFTWARE;
    } else if (type == SVM_EVENT_EXCEPTION) {
        how = SOFT_EVENT_TRAP; /* RF is the host's business */
    }
    if (software && svm->next_rip) {
        rip = svm->next_rip;
    }
    svm->event_inj = 0;
    s->svm_injecting = true;
    soft_deliver(s, type == SVM_EVENT_NMI ? EXC_NMI : vector, how, error_code, rip);
    s->svm_injecting = false;
}

bool soft_svm_turn(SoftCpu *s)
{
    s->svm_injecting = false; /* a fault may have come between */
    if (s->cpu.svm.event_inj & SVM_EVENT_VALID) {
        inject(s);
        return true;
    }
    if (x86_svm_leaves_for_init(&s->cpu)) {
        soft_svm_exit(s, SVM_EXIT_INIT, 0, 0);
        return true;
    }
    return false;
}

static void deliver_virtual(SoftCpu *s)
{
    X86Svm *svm = &s->cpu.svm;
    unsigned vector = svm->int_ctl >> SVM_V_VECTOR_SHIFT & 0xff;

    svm->int_ctl &= ~SVM_V_IRQ;
    x86_cpu_clear_interrupt(&s->cpu, CPU_INT_VIRTUAL);
    soft_deliver(s, vector, SOFT_EVENT_EXTERNAL, -1, s->cpu.rip);
}

bool soft_svm_take_interrupt(SoftCpu *s, uint32_t pending)
{
    const X86Cpu *cpu = &s->cpu;

    if ((pending & CPU_INT_NMI) && x86_takes_nmi(cpu)) {
        if (x86_svm_intercepts(cpu, SVM_EXIT_NMI)) {
            soft_svm_exit(s, SVM_EXIT_NMI, 0, 0);
            return true;
        }
        return false;
    }
    if ((pending & CPU_INT_HARD) && x86_takes_interrupts(cpu)) {
        if (x86_svm_intercepts(cpu, SVM_EXIT_INTR)) {
            soft_svm_exit(s, SVM_EXIT_INTR, 0, 0);
            return true;
        }
        return false;
    }
    if (x86_svm_intercepts(cpu, SVM_EXIT_VINTR)) {
        soft_svm_exit(s, SVM_EXIT_VINTR, 0, 0);
    } else {
        deliver_virtual(s);
    }
    return true;
}
