/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The page is taken away; an access faults, gets the page for the one instruction, single-stepped,
 * and loses it again. */
#include "tests/unit/count-accesses.h"

#include <glib.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <ucontext.h>

enum { PAGE = 4096, TRAP_FLAG = 0x100 };

static struct {
    void *page;
    int protection; /* while nobody uses it */
    unsigned count;
} watch;

static void protect(int protection)
{
    if (mprotect(watch.page, PAGE, protection) != 0) {
        g_abort();
    }
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    if ((uintptr_t)info->si_addr - (uintptr_t)watch.page >= PAGE) {
        g_abort();
    }
    watch.count++;
    protect(PROT_READ | PROT_WRITE);
    uc->uc_mcontext.gregs[REG_EFL] |= TRAP_FLAG;
}

static void on_step(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;

    protect(watch.protection);
    uc->uc_mcontext.gregs[REG_EFL] &= ~TRAP_FLAG;
}

static unsigned count(void *page, int protection, void (*fn)(void *opaque), void *opaque)
{
    struct sigaction fault = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
    struct sigaction step = { .sa_sigaction = on_step, .sa_flags = SA_SIGINFO };
    struct sigaction old_fault, old_step;

    watch.page = page;
    watch.protection = protection;
    watch.count = 0;
    sigaction(SIGSEGV, &fault, &old_fault);
    sigaction(SIGTRAP, &step, &old_step);
    protect(protection);
    fn(opaque);
    protect(PROT_READ | PROT_WRITE);
    sigaction(SIGSEGV, &old_fault, NULL);
    sigaction(SIGTRAP, &old_step, NULL);
    return watch.count;
}

unsigned count_writes(void *page, void (*fn)(void *opaque), void *opaque)
{
    return count(page, PROT_READ, fn, opaque);
}

unsigned count_accesses(void *page, void (*fn)(void *opaque), void *opaque)
{
    return count(page, PROT_NONE, fn, opaque);
}
