/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loop of the software CPU.
 *
 * Faults come back through sigsetjmp() in soft_run() and are delivered there, where a fault during
 * delivery comes back to the same place. Interrupts are looked at between calls of soft_execute(),
 * which returns whenever an instruction may have made one deliverable (STI, POPF, IRET, ...) or
 * exit_request is set, as every kick does.
 */
#include "accel/soft/engine.h"

#include "accel/soft/block.h"
#include "accel/soft/breakpoint.h"
#include "accel/soft/code-pages.h"
#include "accel/soft/exclusive.h"
#include "accel/soft/interrupt.h"
#include "accel/soft/mmu.h"
#include "accel/soft/native.h"
#include "accel/soft/segment.h"
#include "accel/soft/smm.h"
#include "accel/soft/svm.h"
#include "accel/soft/tlb.h"
#include "accel/soft/translate/statistics.h"
#include "accel/soft/turns.h"
#include "accel/soft/uop.h"
#include "accel/vcpu.h"
#include "memory/address-space.h"
#include "qom/object.h"
#include "util/error.h"
#include "util/log.h"

/* ---- interrupts ---- */

static void deliver_nmi(SoftCpu *s)
{
    x86_cpu_clear_interrupt(&s->cpu, CPU_INT_NMI);
    s->cpu.nmi_blocked = true;
    soft_deliver(s, EXC_NMI, SOFT_EVENT_EXTERNAL, -1, s->cpu.rip);
}

/* False: the APIC has nothing to deliver after all. */
static bool deliver_interrupt(SoftCpu *s)
{
    X86Cpu *cpu = &s->cpu;

    soft_machine_enter(s);
    int vector = cpu->apic_ops ? cpu->apic_ops->acknowledge(cpu->apic) : -1;
    soft_machine_leave(s);
    if (vector < 0) {
        return false;
    }
    soft_deliver(s, (unsigned)vector, SOFT_EVENT_EXTERNAL, -1, cpu->rip);
    return true;
}

/* Is there an interrupt that the CPU would take, but for the shadow of STI or MOV SS? */
static bool interrupt_waits(const SoftCpu *s, uint32_t pending)
{
    return ((pending & CPU_INT_NMI) && x86_takes_nmi(&s->cpu)) ||
           ((pending & CPU_INT_HARD) && x86_takes_interrupts(&s->cpu)) ||
           x86_takes_virtual(&s->cpu);
}

/* What another engine was about to deliver when the machine was saved. */
static void deliver_event(SoftCpu *s)
{
    X86Cpu *cpu = &s->cpu;
    int64_t error = cpu->event.has_error ? (int64_t)cpu->event.error : -1;

    cpu->event.valid = false;
    cpu->nmi_blocked = cpu->nmi_blocked || (cpu->event.external && cpu->event.vector == EXC_NMI);
    soft_deliver(s, cpu->event.vector, cpu->event.external ? SOFT_EVENT_EXTERNAL : SOFT_EVENT_FAULT,
                 error, cpu->rip);
}

/* ---- one turn ---- */

/* Deliver what can be delivered; true if the turn is over with that. */
static bool take_interrupt(SoftCpu *s, uint32_t pending)
{
    if (!interrupt_waits(s, pending)) {
        return false;
    }
    if (s->cpu.svm.guest && soft_svm_take_interrupt(s, pending)) {
        return true;
    }
    if ((pending & CPU_INT_NMI) && x86_takes_nmi(&s->cpu)) {
        deliver_nmi(s);
        return true;
    }
    return deliver_interrupt(s);
}

/* Traps that follow what was run: of single steps, and of data and I/O breakpoints. */
static void take_traps(SoftCpu *s)
{
    X86Cpu *cpu = &s->cpu;

    if ((s->trap || cpu->debug_hits) && !cpu->debug_shadow) {
        cpu->halted = false; /* the trap ends HLT at once */
        cpu->dr[6] |= (s->trap ? DR6_BS : 0) | cpu->debug_hits;
        cpu->debug_hits = 0;
        soft_deliver(s, EXC_DB, SOFT_EVENT_TRAP, -1, cpu->rip);
    }
}

/* Run one block, or one instruction where its end matters. */
static void execute(SoftCpu *s, bool one)
{
    soft_breakpoints_begin(s);
    s->trap = s->cpu.rflags & RFLAGS_TF;
    if (one) {
        s->mode_key |= SOFT_KEY_TF;
        soft_execute(s);
        soft_update_mode(s);
    } else {
        soft_execute(s);
    }
    take_traps(s);
}

static void log_registers(SoftCpu *s)
{
    s->cpu.rflags = soft_get_rflags(s);
    g_autofree char *dump = x86_cpu_dump(&s->cpu);
    log_printf("%s", dump);
}

bool soft_engine_turn(SoftCpu *s)
{
    X86Cpu *cpu = &s->cpu;
    uint32_t pending = atomic_load_explicit(&cpu->interrupts, memory_order_acquire);

    bool smi = x86_cpu_smi_waits(cpu);
    if ((cpu->halted && !smi) || x86_cpu_init_sipi(cpu)) {
        return false;
    }
    if (cpu->debug_hits && !cpu->debug_shadow) { /* by the delivery of what came last */
        take_traps(s);
        return true;
    }
    if (cpu->event.valid) {
        deliver_event(s);
        return true;
    }
    if (cpu->svm.guest && soft_svm_turn(s)) {
        return true;
    }
    bool shadow = cpu->interrupt_shadow;
    if (shadow) {
        s->svm_shadow_rip = cpu->rip;
    }
    cpu->interrupt_shadow = false;
    pending = cpu->debug_step & CPU_STEP_NO_IRQ ? 0 : pending;
    if (smi && !shadow) {
        if (cpu->svm.guest) {
            soft_svm_exit(s, SVM_EXIT_SMI, 0, 0);
        } else {
            soft_smm_enter(s);
        }
        return true;
    }
    if (pending && !shadow && take_interrupt(s, pending)) {
        return true;
    }
    if (log_enabled(LOG_CPU)) {
        log_registers(s);
    }
    execute(s,
            (shadow && (smi || interrupt_waits(s, pending))) || cpu->debug_hits || cpu->debug_step);
    return true;
}

bool soft_engine_fault(SoftCpu *s)
{
    s->cpu.debug_hits = 0; /* the instruction is not complete */
    bool alive = soft_deliver_fault(s);
    s->cpu.interrupt_shadow = false;
    return alive;
}

/* Is this where a debugger wants the CPU to stop? Then tell. */
static void tell_debugger(SoftCpu *s)
{
    AccelStop stop = s->breakpoints.stop;

    if (stop.reason == ACCEL_STOP_NONE && s->cpu.debug_step) {
        stop.reason = ACCEL_STOP_STEP;
    }
    if (stop.reason != ACCEL_STOP_NONE) {
        s->breakpoints.stop.reason = ACCEL_STOP_NONE;
        soft_machine_enter(s);
        accel_debug_stop(&s->cpu, &stop);
        soft_machine_leave(s);
    }
}

static void soft_run(X86Cpu *cpu)
{
    SoftCpu *s = soft_cpu(cpu);
    sigjmp_buf unwind;

    if (!soft_turn_begin(s)) {
        atomic_store(&cpu->exit_request, false);
        return;
    }
    s->unwind = &unwind;
    s->flags_out = false;
    soft_section_enter(s);
    soft_tlb_drop_requested(s);
    bool alive;
    if (sigsetjmp(unwind, 0) == 0) {
        alive = true;
    } else {
        alive = soft_engine_fault(s);
        tell_debugger(s);
    }
    while (alive && !atomic_load_explicit(&cpu->exit_request, memory_order_relaxed)) {
        alive = soft_engine_turn(s);
        if (alive) {
            tell_debugger(s);
        }
    }
    memory_read_leave(s->reader);
    s->unwind = NULL;
    soft_turn_end(s);
    atomic_store(&cpu->exit_request, false);
}

/* ---- the memory map ---- */

static GArray *changed; /* of FlatRange: what the view which is being made has more, or no more */

static void memory_range_changed(MemoryListener *listener, const FlatRange *range)
{
    g_array_append_val(changed, *range);
}

/* What was decoded from memory that is gone must not be found when other memory comes there; nor
 * what was decoded where there was none (ones). TLB entries go too: also where nothing was there
 * are some, which know of no memory. Both when the new view is there, or somebody might make them
 * again from the old one: every reader leaves its section when it sees exit_request, and drops its
 * entries when it enters the next. Links between blocks stay, and entries of other memory. */
static void memory_map_changed(MemoryListener *listener)
{
    for (unsigned i = 0; i < changed->len; i++) {
        const FlatRange *range = &g_array_index(changed, FlatRange, i);
        soft_code_written(range->addr, range->size);
        soft_code_drop_pages(range->addr, range->addr + (range->size - 1));
    }
    g_array_set_size(changed, 0);
}

static void drop_all_entries(MemoryListener *listener)
{
    soft_code_drop_pages(0, UINT64_MAX);
}

static void memory_written(MemoryListener *listener, hwaddr addr, uint64_t len)
{
    soft_code_written(addr, len);
}

static MemoryListener memory_listener = {
    .region_del = memory_range_changed,
    .region_add = memory_range_changed,
    .written = memory_written,
    .commit = memory_map_changed,
    .dirty_protect = drop_all_entries,
};

static bool engine_init(GError **errp)
{
    changed = g_array_new(FALSE, FALSE, sizeof(FlatRange));
    address_space_add_listener(&address_space_memory, &memory_listener);
    g_array_set_size(changed, 0); /* that was the map as it is */
    return true;
}

/* The same of what is seen in system management mode: both have the same addresses, and what was
 * decoded at one of them is looked for by the mode, too. So more is dropped than need be. */
static void engine_init_smm(void)
{
    address_space_add_listener(&address_space_smm, &memory_listener);
    g_array_set_size(changed, 0);
}

/* ---- one CPU ---- */

bool soft_engine_init(SoftCpu *s, GError **errp)
{
    s->delivering = -1;
    soft_breakpoints_init(s);
    soft_tlb_init(s);
    soft_update_mode(s);
    return soft_blocks_init(s, errp);
}

void soft_engine_destroy(SoftCpu *s)
{
    soft_blocks_destroy(s);
    soft_breakpoints_destroy(s);
}

static bool cpu_init(X86Cpu *cpu, GError **errp)
{
    soft_cpu(cpu)->reader = vcpu_reader(cpu);
    return soft_engine_init(soft_cpu(cpu), errp);
}

static void cpu_destroy(X86Cpu *cpu)
{
    soft_engine_destroy(soft_cpu(cpu));
}

/* Also in the middle of an instruction, and again while the vCPU is stopped: then somebody may have
 * changed them. */
static void get_state(X86Cpu *cpu)
{
    SoftCpu *s = soft_cpu(cpu);

    if (!s->flags_out) {
        cpu->rflags = soft_get_rflags(s);
        s->flags_out = !s->unwind;
    }
}

static bool counts_dirty(GError **errp)
{
    return true;
}

static void describe_code(X86Cpu *cpu, GString *out)
{
    statistics_describe(soft_cpu(cpu), out);
}

/* Most often nothing has changed: somebody looked. What is decoded does not depend on registers;
 * who writes memory meanwhile tells so. */
static void put_state(X86Cpu *cpu)
{
    SoftCpu *s = soft_cpu(cpu);

    soft_set_rflags(s, cpu->rflags);
    s->flags_out = true;
    native_fpu_sanitize(cpu);
    cpu->regs[REG_ZERO] = 0;
    s->delivering = -1;
    s->svm_event = s->svm_exit.code = 0;
    soft_tlb_follow_registers(s);
    if (s->resets != cpu->resets) { /* what follows is another system's code and page tables */
        s->resets = cpu->resets;
        soft_tlb_flush(s, false);
        soft_cache_drop(s);
    }
    soft_breakpoints_load(s);
    soft_update_mode(s);
}

/* Tools look for the engine by the name of its object's type. */
#define SOFT_ACCEL_TYPE "tcg-accel"

static const ObjectType soft_accel_type = {
    .name = SOFT_ACCEL_TYPE,
    .parent = TYPE_ACCEL,
    .description = "the software CPU",
};
OBJECT_TYPE_REGISTER(soft_accel_type)

static bool debug_insert(const AccelBreakpoint *b, X86Cpu *cpu, GError **errp)
{
    if (b->len > SOFT_MAX_WATCH) {
        error_set(errp, "at most %u bytes can be watched by one watchpoint", SOFT_MAX_WATCH);
        return false;
    }
    return true;
}

static const AccelDebugOps debug_ops = {
    .kinds = (1u << ACCEL_BREAK_KINDS) - 1,
    .insert = debug_insert,
};

const AccelOps accel_soft = {
    .name = "soft",
    .alias = "tcg",
    .description = "software CPU: runs where there is no hardware virtualisation",
    .type = SOFT_ACCEL_TYPE,
    .has_vcpu_threads = true,
    .counts_dirty = counts_dirty,
    .cpu_size = sizeof(SoftCpu),
    .init = engine_init,
    .init_smm = engine_init_smm,
    .cpu_init = cpu_init,
    .cpu_destroy = cpu_destroy,
    .run = soft_run,
    .kick = soft_turn_kick,
    .get_state = get_state,
    .describe_code = describe_code,
    .put_state = put_state,
    .debug = &debug_ops,
};
