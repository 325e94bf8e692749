/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hardware breakpoints and watchpoints as a debugger sets them in Linux: by ptrace, in a process of
 * its own. Prints "debugregs: N wrong".
 */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 50

static volatile uint32_t watched[2];
static char from[64], to[64];
static int wrong;

static void __attribute__((noinline)) called(void)
{
    __asm__ volatile("" ::: "memory");
}

static void child(void)
{
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    raise(SIGSTOP);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        watched[0] = i + 1; /* one stop */
        watched[1] = i;     /* none */
    }
    raise(SIGSTOP);
    for (int i = 0; i < ROUNDS; i++) {
        called();
    }
    raise(SIGSTOP);
    uint64_t count = sizeof(from);
    char *target = to, *source = from;
    __asm__ volatile("rep movsb" : "+D"(target), "+S"(source), "+c"(count) : : "memory");
    raise(SIGSTOP);
    _exit((int)watched[0]);
}

static void expect(const char *what, int have, int want)
{
    if (have != want) {
        printf("%s: %d, not %d\n", what, have, want);
        wrong++;
    }
}

static void set_register(pid_t pid, int n, uintptr_t value)
{
    size_t at = offsetof(struct user, u_debugreg) + (size_t)n * sizeof(value);

    if (ptrace(PTRACE_POKEUSER, pid, at, value) < 0) {
        perror("ptrace");
        wrong++;
    }
}

static int get_register(pid_t pid, int n)
{
    return (int)ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg) + (size_t)n * 8, 0);
}

/* Breakpoint @n alone: @rw and @len as DR7 has them. */
static void arm(pid_t pid, int n, volatile const void *addr, unsigned rw, unsigned len)
{
    set_register(pid, 7, 0);
    set_register(pid, n, (uintptr_t)addr);
    set_register(pid, 7, 1ul << 2 * n | (unsigned long)(rw | len << 2) << (16 + 4 * n));
}

/* Let it run to its next SIGSTOP; how often a breakpoint @n stopped it before. */
static int count_stops(pid_t pid, int n)
{
    for (int stops = 0;; stops++) {
        int status;

        ptrace(PTRACE_CONT, pid, 0, 0);
        if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status)) {
            return -1;
        }
        if (WSTOPSIG(status) != SIGTRAP) {
            return stops;
        }
        expect("DR6", get_register(pid, 6) & 15, 1 << n);
        set_register(pid, 6, 0);
    }
}

int main(void)
{
    fflush(stdout);
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        child();
    }
    waitpid(pid, &status, 0);
    arm(pid, 0, &watched[0], 1, 3);
    expect("writes", count_stops(pid, 0), ROUNDS);
    arm(pid, 2, (void *)(uintptr_t)called, 0, 0);
    expect("calls", count_stops(pid, 2), ROUNDS);
    arm(pid, 3, to + 33, 1, 0);
    expect("string", count_stops(pid, 3), 1);
    ptrace(PTRACE_CONT, pid, 0, 0);
    waitpid(pid, &status, 0);
    expect("exit", WIFEXITED(status) ? WEXITSTATUS(status) : -1, ROUNDS);
    printf("debugregs: %d wrong\n", wrong);
    return wrong != 0;
}
