/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Engines: what runs vCPUs. Each engine is one AccelOps in a table (accel.c); the machine has one,
 * chosen before its CPUs are made.
 */
#ifndef ACCEL_ACCEL_H
#define ACCEL_ACCEL_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#include "target/i386/cpu.h"

typedef struct AccelOps {
    const char *name;  /* "soft", "qtest" */
    const char *alias; /* "tcg" for soft, or NULL */
    const char *description;
    bool has_vcpu_threads;
    /* Size of the engine's CPU structure, whose first member is an X86Cpu. */
    size_t cpu_size;
    bool (*available)(GError **errp); /* can it run on this host? NULL: always */
    bool (*init)(GError **errp);      /* once, before CPUs are made; may add memory listeners */
    /* Per CPU, in its thread before the first run; and after the last. May be NULL. */
    bool (*cpu_init)(X86Cpu *cpu, GError **errp);
    void (*cpu_destroy)(X86Cpu *cpu);
    /* Run until exit_request, halted, or something in `interrupts` that vcpu.c handles (INIT,
     * SIPI). Called without the machine lock, in the vCPU's thread. Clears exit_request. */
    void (*run)(X86Cpu *cpu);
    /* Bring X86Cpu up to date after a run / make the engine take changed registers. */
    void (*get_state)(X86Cpu *cpu);
    void (*put_state)(X86Cpu *cpu);
} AccelOps;

/* "soft", "tcg", "qtest"; unknown names give an error that lists those there are. */
const AccelOps *accel_find(const char *name, GError **errp);
/* Choose and initialise: the first of @names ("a:b:c" as in accel=) that works; NULL: DESIGN
 * decision 6. A name that no engine ever had is an error, wherever it stands. */
bool accel_choose(const char *names, GError **errp);
const AccelOps *accel_current(void); /* NULL before accel_choose() */
/* What a CPU does that can go no further (triple fault): asks for a reset. @fn is called with the
 * machine lock held, in the vCPU's thread. (shutdown.c) */
void accel_set_shutdown_handler(void (*fn)(X86Cpu *cpu));
/* Engines call this; machine lock held. */
void accel_shutdown(X86Cpu *cpu);
/* Use @ops as it is, without its init; for unit tests. */
void accel_set(const AccelOps *ops);
/* Text for `-accel help`; g_free. */
char *accel_help(void);

#endif
