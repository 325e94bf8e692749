/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/debug.h"

#include "accel/accel.h"
#include "util/error.h"

static GArray *breakpoints;
static void (*debug_handler)(X86Cpu *cpu, const AccelStop *stop);

static GArray *list(void)
{
    if (!breakpoints) {
        breakpoints = g_array_new(FALSE, TRUE, sizeof(AccelBreakpoint));
    }
    return breakpoints;
}

const GArray *accel_breakpoints(void)
{
    return list();
}

/* Its place in the list, or -1. */
static int find(AccelBreakKind kind, uint64_t addr, uint64_t len)
{
    for (unsigned i = 0; i < list()->len; i++) {
        const AccelBreakpoint *b = &g_array_index(breakpoints, AccelBreakpoint, i);

        if (b->kind == kind && b->addr == addr && b->len == len) {
            return (int)i;
        }
    }
    return -1;
}

bool accel_breakpoint_kind_known(AccelBreakKind kind)
{
    const AccelDebugOps *ops = accel_current()->debug;

    return kind < ACCEL_BREAK_KINDS && (!ops || ops->kinds >> kind & 1);
}

bool accel_breakpoint_insert(AccelBreakKind kind, uint64_t addr, uint64_t len, X86Cpu *cpu,
                             GError **errp)
{
    const AccelDebugOps *ops = accel_current()->debug;
    AccelBreakpoint b = { .kind = kind, .addr = addr, .len = len };

    if (!ops) {
        error_set(errp, "engine '%s' runs no code, so there are no breakpoints",
                  accel_current()->name);
        return false;
    }
    if (find(kind, addr, len) >= 0) {
        return true;
    }
    if (ops->insert && !ops->insert(&b, cpu, errp)) {
        return false;
    }
    g_array_append_val(breakpoints, b);
    return true;
}

static void remove_nth(unsigned i)
{
    const AccelDebugOps *ops = accel_current()->debug;

    if (ops->remove) {
        ops->remove(&g_array_index(breakpoints, AccelBreakpoint, i));
    }
    g_array_remove_index(breakpoints, i);
}

bool accel_breakpoint_remove(AccelBreakKind kind, uint64_t addr, uint64_t len)
{
    int i = find(kind, addr, len);

    if (i >= 0) {
        remove_nth((unsigned)i);
    }
    return i >= 0;
}

void accel_breakpoints_clear(void)
{
    while (list()->len) {
        remove_nth(breakpoints->len - 1);
    }
}

void accel_set_debug_handler(void (*fn)(X86Cpu *cpu, const AccelStop *stop))
{
    debug_handler = fn;
}

void accel_debug_stop(X86Cpu *cpu, const AccelStop *stop)
{
    if (debug_handler) {
        debug_handler(cpu, stop);
    }
}
