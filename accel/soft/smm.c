/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/smm.h"

#include "accel/soft/breakpoint.h"
#include "accel/soft/control.h"
#include "accel/soft/interrupt.h"
#include "accel/soft/mmu.h"
#include "accel/soft/msr.h"
#include "accel/soft/segment.h"
#include "accel/soft/tlb.h"
#include "memory/smm.h"
#include "target/i386/smm.h"
#include "util/log.h"

/* Registers were replaced, and with the mode what is seen of memory: nothing that was looked up
 * before holds. */
static void follow_state(SoftCpu *s)
{
    soft_set_rflags(s, s->cpu.rflags);
    s->trap = false;
    soft_breakpoints_update(s);
    soft_tlb_flush(s, false);
    soft_update_mode(s);
}

static void log_mode(const SoftCpu *s, const char *what)
{
    if (log_enabled(LOG_INT)) {
        log_printf("CPU %u: %s, SMBASE %08x, at %04x:%016" G_GINT64_MODIFIER "x\n", s->cpu.index,
                   what, s->cpu.smbase, s->cpu.segs[X86_SEG_CS].selector, s->cpu.rip);
    }
}

void soft_smm_enter(SoftCpu *s)
{
    X86Cpu *cpu = &s->cpu;
    hwaddr at = (hwaddr)cpu->smbase + X86_SMM_MAP_AT;
    uint8_t map[X86_SMM_MAP_SIZE];

    log_mode(s, "SMI");
    x86_cpu_clear_interrupt(cpu, CPU_INT_SMI);
    cpu->rflags = soft_get_rflags(s);
    x86_smm_save(cpu, map);
    soft_machine_enter(s);
    address_space_write(&address_space_smm, at, map, sizeof(map));
    soft_machine_leave(s);
    x86_smm_enter(cpu);
    follow_state(s);
}

const Uop *soft_run_rsm(SoftCpu *s, const Uop *op)
{
    X86Cpu *cpu = &s->cpu;
    hwaddr at = (hwaddr)cpu->smbase + X86_SMM_MAP_AT;
    uint8_t map[X86_SMM_MAP_SIZE];

    if (!cpu->smm) {
        soft_raise(s, op, EXC_UD, -1);
    }
    soft_machine_enter(s);
    address_space_read(&address_space_smm, at, map, sizeof(map));
    soft_machine_leave(s);
    if (!x86_smm_load(cpu, map, soft_cr4_known(&cpu->model), soft_efer_known(cpu))) {
        cpu->rip = soft_op_rip(s, op);
        soft_shut_down(s, "RSM to an impossible state");
        return NULL;
    }
    follow_state(s);
    log_mode(s, "RSM");
    return NULL;
}
