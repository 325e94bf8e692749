/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What becomes of a fault, also of one during the delivery of another. */
#include "accel/accel.h"
#include "accel/soft/interrupt.h"
#include "accel/soft/mmu.h"
#include "accel/soft/segment.h"
#include "accel/soft/svm.h"
#include "accel/soft/uop.h"
#include "target/i386/fpu-pins.h"
#include "util/log.h"

/* Which faults cannot be handled one after the other (SDM vol. 3 table 6-5). */
static bool contributory(int vector)
{
    return vector == EXC_DE || (vector >= EXC_TS && vector <= EXC_GP);
}

/* The vector to deliver when @second is raised while @first is delivered; -1: triple fault. */
static int combine(int first, int second)
{
    if (first == EXC_DF) {
        return -1;
    }
    if ((contributory(first) && contributory(second)) ||
        (first == EXC_PF && (contributory(second) || second == EXC_PF))) {
        return EXC_DF;
    }
    return second;
}

/* An x87 exception with CR0.NE clear: the instruction waits for the interrupt that FERR# brings. */
static void freeze(SoftCpu *s)
{
    soft_machine_enter(s);
    if (!x86_ignne()) { /* nobody has told to ignore it meanwhile */
        x86_set_ferr(&s->cpu, true);
        s->cpu.halted = s->cpu.frozen = true;
    }
    soft_machine_leave(s);
}

void soft_shut_down(SoftCpu *s, const char *why)
{
    X86Cpu *cpu = &s->cpu;

    if (log_enabled(LOG_INT | LOG_CPU_RESET)) {
        cpu->rflags = soft_get_rflags(s);
        g_autofree char *dump = x86_cpu_dump(cpu);
        log_printf("CPU %u: %s\n%s", cpu->index, why, dump);
    }
    /* Nothing but a reset ends this. */
    cpu->halted = true;
    cpu->rflags &= ~(uint64_t)RFLAGS_IF;
    cpu->nmi_blocked = true;
    soft_machine_enter(s);
    accel_shutdown(cpu);
    soft_machine_leave(s);
}

bool soft_deliver_fault(SoftCpu *s)
{
    int vector = s->fault.vector;
    int64_t error_code = s->fault.error_code;

    if (s->cpu.svm.guest && soft_svm_fault(s)) {
        return true;
    }
    if (vector == SOFT_FREEZE) {
        freeze(s);
        return true;
    }
    if (s->delivering >= 0) {
        int combined = combine(s->delivering, vector);
        if (combined < 0) {
            if (x86_svm_intercepts(&s->cpu, SVM_EXIT_SHUTDOWN)) {
                soft_svm_exit(s, SVM_EXIT_SHUTDOWN, 0, 0);
                return true;
            }
            s->delivering = -1;
            soft_shut_down(s, "triple fault");
            return false;
        }
        if (combined != vector) {
            vector = combined;
            error_code = 0;
            if (soft_svm_exception(s, (unsigned)vector, 0)) {
                return true;
            }
        }
    }
    if (s->fault.vector == EXC_PF) {
        s->cpu.cr2 = s->fault.cr2;
    }
    soft_deliver(s, (unsigned)vector, SOFT_EVENT_FAULT, error_code, s->cpu.rip);
    return true;
}
