/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions of the host within a thunk become the guest's.
 *
 * SSE exceptions that the guest has unmasked come this way. Everything else that could fault is
 * checked before a thunk runs; but a mistake in that must not let a guest end the program. So
 * whatever signal the host raises at an instruction of a thunk, the handler makes the thunk return
 * to its caller at once, with C's own FPU state, and says in the frame what happened.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <ucontext.h>

#include "accel/soft/native.h"

/* ---- FPU state ---- */

void native_fpu_summarize(X86Cpu *cpu)
{
    uint16_t fcw, fsw;

    memcpy(&fcw, cpu->fxsave + FX_FCW, sizeof(fcw));
    memcpy(&fsw, cpu->fxsave + FX_FSW, sizeof(fsw));
    fsw &= (uint16_t) ~(FSW_ES | FSW_B);
    if (fsw & ~fcw & FSW_EXCEPTIONS) {
        fsw |= FSW_ES | FSW_B;
    }
    memcpy(cpu->fxsave + FX_FSW, &fsw, sizeof(fsw));
}

void native_fpu_sanitize(X86Cpu *cpu)
{
    uint32_t mxcsr;

    memcpy(&mxcsr, cpu->fxsave + FX_MXCSR, sizeof(mxcsr));
    mxcsr &= MXCSR_VALID;
    memcpy(cpu->fxsave + FX_MXCSR, &mxcsr, sizeof(mxcsr));
    native_fpu_summarize(cpu);
}

/* ---- where thunks are ---- */

typedef struct CodeRange CodeRange;
struct CodeRange {
    uintptr_t start, end;
    const CodeRange *next;
};

/* Elements are constant and never freed. A signal handler reads the list, so it is published with
 * release and read with acquire; writers hold native-thunk.c's lock. */
static _Atomic(const CodeRange *) ranges;

static bool in_thunk(uintptr_t pc)
{
    for (const CodeRange *r = atomic_load_explicit(&ranges, memory_order_acquire); r; r = r->next) {
        if (pc >= r->start && pc < r->end) {
            return true;
        }
    }
    return false;
}

/* ---- signals ---- */

static const int signals[] = { SIGFPE, SIGSEGV, SIGILL, SIGTRAP, SIGBUS };
static struct sigaction before[G_N_ELEMENTS(signals)];

/* Not ours: what would have happened without us. */
static void pass_on(int sig, siginfo_t *info, void *context)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++) {
        if (signals[i] != sig) {
            continue;
        }
        if (before[i].sa_flags & SA_SIGINFO) {
            before[i].sa_sigaction(sig, info, context);
        } else if (before[i].sa_handler != SIG_DFL && before[i].sa_handler != SIG_IGN) {
            before[i].sa_handler(sig);
        } else {
            /* The instruction runs again when we return, and this time ends the program. A signal
             * that somebody sent has no instruction. */
            signal(sig, SIG_DFL);
            if (info->si_code <= 0) {
                raise(sig);
            }
        }
    }
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
    mcontext_t *mc = &((ucontext_t *)context)->uc_mcontext;
    greg_t *g = mc->gregs;

    if (info->si_code <= 0 || !in_thunk((uintptr_t)g[REG_RIP])) {
        pass_on(sig, info, context);
        return;
    }
    NativeFrame *frame = (NativeFrame *)g[REG_RDI];
    frame->fault = (uint32_t)g[REG_TRAPNO];
    frame->mxcsr = mc->fpregs->mxcsr;
    mc->fpregs->mxcsr = HOST_MXCSR;
    mc->fpregs->cwd = HOST_FCW;
    mc->fpregs->swd = 0;
    mc->fpregs->ftw = 0; /* all registers empty */
    /* As RET would do it. */
    memcpy(&g[REG_RIP], (const void *)g[REG_RSP], sizeof(g[REG_RIP]));
    g[REG_RSP] += sizeof(g[REG_RIP]);
}

static void catch_signals(void)
{
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };

    sigemptyset(&action.sa_mask);
    for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++) {
        sigaction(signals[i], &action, &before[i]);
    }
}

void native_fault_add_range(const void *start, size_t size)
{
    CodeRange *range = g_new(CodeRange, 1);

    range->start = (uintptr_t)start;
    range->end = range->start + size;
    range->next = atomic_load_explicit(&ranges, memory_order_relaxed);
    if (!range->next) {
        catch_signals();
    }
    atomic_store_explicit(&ranges, range, memory_order_release);
}

/* A thread that blocked them would be killed by the kernel. */
static void unblock_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    for (unsigned i = 0; i < G_N_ELEMENTS(signals); i++) {
        sigaddset(&set, signals[i]);
    }
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void native_call(const NativeThunk *thunk, NativeFrame *frame)
{
    static __thread bool unblocked;

    if (G_UNLIKELY(!unblocked)) {
        unblock_signals();
        unblocked = true;
    }
    frame->fault = NATIVE_NO_FAULT;
    thunk->code(frame);
}
