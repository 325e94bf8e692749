/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Engines: what runs vCPUs. Each engine is one AccelOps; the machine has one, chosen (choose.h)
 * before its CPUs are made.
 */
#ifndef ACCEL_ACCEL_H
#define ACCEL_ACCEL_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#include "accel/chips.h"
#include "qapi/qapi-types.h"
#include "target/i386/cpu.h"
#include "util/state.h"

/* Parent of the engines' types: what users see of the chosen one is at ACCEL_PATH. */
#define TYPE_ACCEL "accel"
#define ACCEL_PATH "/accel"

/* Local APICs that the engine has itself: how ours (hw/intc) work with them. Machine lock. */
typedef struct AccelApicOps {
    const AccelChips *chips; /* it has the 8259s and the I/O APIC too; NULL: not */
    /* An interrupt message (SDM vol. 3 section 11.11); false: no local APIC took it. */
    bool (*send_msi)(uint64_t addr, uint32_t data);
    /* Without chips: what pin @pin of our I/O APIC sends. The engine tells EOIs of
     * level-triggered ones (X86ApicOps.eoi). */
    void (*set_route)(unsigned pin, uint64_t addr, uint32_t data);
    void (*reset)(void); /* of the I/O APIC: routes, chips */
} AccelApicOps;

/* Messages that the engine sends by itself, for notify.c. Machine lock. */
typedef struct AccelNotify {
    /* A route for a message: its number, or -1 if there is none left, or no local APIC. */
    int (*msi_route_add)(uint64_t addr, uint32_t data, GError **errp);
    bool (*msi_route_change)(int route, uint64_t addr, uint32_t data, GError **errp);
    void (*msi_route_del)(int route);
    /* Each signal of the eventfd @fd sends the message of @route, at once if there was one; @on
     * false: no more. */
    bool (*irqfd)(int fd, int route, bool on, GError **errp);
} AccelNotify;

typedef struct AccelOps {
    const char *name;  /* "kvm", "soft", "qtest" */
    const char *alias; /* "tcg" for soft, or NULL */
    const char *description;
    const char *type; /* of its object, a TYPE_ACCEL */
    bool has_vcpu_threads;
    /* It tells which vCPU has changed a page (memory/dirty.h). NULL: never. False: why not now. */
    bool (*counts_dirty)(GError **errp);
    bool syncs_tsc; /* that of a CPU which comes later goes with the others' by itself */
    const char *default_cpu_model; /* NULL: the machine's */
    /* Size of the engine's CPU structure, whose first member is an X86Cpu. */
    size_t cpu_size;
    bool (*available)(GError **errp); /* can it run on this host? NULL: always */
    bool (*preferred)(void);          /* is it to be used where none is named? NULL: no */
    bool (*init)(GError **errp);      /* once, before CPUs are made; may add memory listeners */
    /* Have its CPUs system management mode here? NULL: yes, if there is init_smm. */
    bool (*has_smm)(GError **errp);
    /* The machine has it: CPUs in that mode see address_space_smm, which there is now. Once, after
     * init and before CPUs are made. NULL: the engine has no such mode. */
    void (*init_smm)(void);
    /* Is there room for @ranges more ranges of RAM? Machine lock. NULL: always. */
    bool (*memory_room)(unsigned ranges, GError **errp);
    /* Its local APICs, after init; NULL or a result of NULL: it has none. */
    const AccelApicOps *(*apics)(void);
    const AccelNotify *notify; /* NULL: none */
    /* The machine stands, resp. is about to run again: clocks of the engine. Machine lock, no vCPU
     * in guest code. May be NULL. */
    void (*stopped)(void);
    void (*resume)(void);
    /* Per CPU, in its thread before the first run; and after the last. May be NULL. */
    bool (*cpu_init)(X86Cpu *cpu, GError **errp);
    void (*cpu_destroy)(X86Cpu *cpu);
    /* Run until exit_request, halted, or something in `interrupts` that vcpu.c handles (INIT,
     * SIPI). Called without the machine lock, in the vCPU's thread. Clears exit_request. */
    void (*run)(X86Cpu *cpu);
    /* Is there something to run? Own thread; NULL: X86Cpu.halted and wait_for_sipi say it. */
    bool (*runnable)(X86Cpu *cpu);
    /* Make run() return soon; exit_request is set. Any thread. NULL: that is enough. */
    void (*kick)(X86Cpu *cpu);
    /* What a saved machine keeps of a CPU that X86Cpu does not have; only the same engine reads it.
     * NULL: nothing. */
    const StateTable *cpu_state;
    /* Bring X86Cpu up to date after a run / make the engine take changed registers. */
    void (*get_state)(X86Cpu *cpu);
    /* How it fares with a CPU's code, lines of text to the end of @out. CPU's thread, outside guest
     * code. NULL: there is nothing to say. */
    void (*describe_code)(X86Cpu *cpu, GString *out);
    void (*put_state)(X86Cpu *cpu);
    /* A CPU that is in an access to a device: its general registers into X86Cpu, and from there
     * back, but for what the access itself changes. Its thread. NULL: X86Cpu has them. */
    void (*get_registers)(X86Cpu *cpu);
    void (*put_registers)(X86Cpu *cpu);
    const struct AccelDebugOps *debug; /* accel/debug.h; NULL: it runs no code */
} AccelOps;

/* What users say of engines. */
typedef struct AccelOptions {
    bool has_kernel_irqchip; /* given */
    OnOffSplit kernel_irqchip;
    unsigned memslots; /* use no more; 0: what there are */
    bool cpu_pm;       /* idle states are the guest's business, where an engine has them */
} AccelOptions;
extern AccelOptions accel_options;

const AccelOps *accel_current(void); /* NULL before accel_choose() */
/* Can the current engine's CPUs be in system management mode? An error says why not. */
bool accel_has_smm(GError **errp);
/* The current engine's local APICs; NULL: hw/intc has them. */
const AccelApicOps *accel_apics(void);
/* Its chips, if there are any; NULL: hw/intc has them. */
static inline const AccelChips *accel_chips(void)
{
    return accel_apics() ? accel_apics()->chips : NULL;
}
/* Is there room for @ranges more ranges of RAM (DIMMs)? An error says what is full. */
bool accel_memory_room(unsigned ranges, GError **errp);
/* What a CPU does that can go no further (triple fault): asks for a reset. @fn is called with the
 * machine lock held, in the vCPU's thread. (shutdown.c) */
void accel_set_shutdown_handler(void (*fn)(X86Cpu *cpu));
/* Engines call this; machine lock held. */
void accel_shutdown(X86Cpu *cpu);
/* The engine cannot go on; a message was printed. @fn as above; it stops the machine. */
void accel_set_internal_error_handler(void (*fn)(X86Cpu *cpu));
void accel_internal_error(X86Cpu *cpu);
/* Use @ops as it is, without its init; for unit tests. */
void accel_set(const AccelOps *ops);

#endif
