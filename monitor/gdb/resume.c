/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Letting CPUs run, and saying why they stopped. */
#include <inttypes.h>
#include <string.h>

#include "accel/vcpu.h"
#include "hw/core/runstate.h"
#include "monitor/gdb/session.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* GDB's numbers of signals. */
enum {
    SIGNAL_INT = 2,
    SIGNAL_QUIT = 3,
    SIGNAL_TRAP = 5,
    SIGNAL_ABRT = 6,
    SIGNAL_ALRM = 14,
    SIGNAL_IO = 23
};

static unsigned stop_signal(void)
{
    static const uint8_t signals[RUN_STATE__MAX] = {
        [RUN_STATE_DEBUG] = SIGNAL_TRAP,          [RUN_STATE_SHUTDOWN] = SIGNAL_QUIT,
        [RUN_STATE_INTERNAL_ERROR] = SIGNAL_ABRT, [RUN_STATE_GUEST_PANICKED] = SIGNAL_ABRT,
        [RUN_STATE_WATCHDOG] = SIGNAL_ALRM,       [RUN_STATE_IO_ERROR] = SIGNAL_IO,
        [RUN_STATE_PRELAUNCH] = SIGNAL_TRAP,
    };
    unsigned signal = signals[runstate_get()];

    return signal ? signal : SIGNAL_INT;
}

void gdb_append_stop(const GdbSession *g, GString *out)
{
    static const char *const watch[ACCEL_BREAK_KINDS] = {
        [ACCEL_WATCH_WRITE] = "watch",
        [ACCEL_WATCH_READ] = "rwatch",
        [ACCEL_WATCH_ACCESS] = "awatch",
    };
    const AccelStop *stop = &g->stop;

    g_string_append_printf(out, "T%02xthread:", stop_signal());
    gdb_append_thread(g, out, g->cpu);
    g_string_append_c(out, ';');
    if (runstate_get() != RUN_STATE_DEBUG) {
        return;
    }
    if (stop->reason == ACCEL_STOP_WATCHPOINT) {
        g_string_append_printf(out, "%s:%" PRIx64 ";", watch[stop->kind], stop->addr);
    } else if (stop->reason == ACCEL_STOP_BREAKPOINT && g->tells_break[stop->kind]) {
        g_string_append(out, stop->kind == ACCEL_BREAK_SOFT ? "swbreak:;" : "hwbreak:;");
    }
}

void gdb_resume_ended(void)
{
    for (unsigned i = 0; i < gdb_cpu_count(); i++) {
        X86Cpu *cpu = gdb_cpu((int)i);

        if (cpu) {
            cpu->debug_step = 0;
            vcpu_hold(cpu, false);
        }
    }
}

/* ---- */

typedef enum Action { ACTION_NONE, ACTION_CONTINUE, ACTION_STEP } Action;

static void tell(GdbSession *g, const char *text)
{
    g_autoptr(GString) console = g_string_new("O");

    gdb_append_hex(console, text, strlen(text));
    gdb_append_hex(console, "\n", 1);
    gdb_send(g, console);
}

static void tell_stop(GdbSession *g)
{
    g_autoptr(GString) reply = g_string_new(NULL);

    g->resumed = false;
    gdb_append_stop(g, reply);
    gdb_send(g, reply);
}

/* What waits for an interrupt cannot make a step while there are none. */
static bool cannot_step(const X86Cpu *cpu)
{
    return cpu->wait_for_sipi || (cpu->halted && cpu->debug_step & CPU_STEP_NO_IRQ);
}

static bool is_set(const AccelStop *stop)
{
    const GArray *list = accel_breakpoints();

    for (unsigned i = 0; i < list->len; i++) {
        const AccelBreakpoint *b = &g_array_index(list, AccelBreakpoint, i);

        if (b->kind == stop->kind && b->addr == stop->addr) {
            return true;
        }
    }
    return false;
}

/* A CPU that is to go on has a stop to tell of first. Without the watchpoint it has none; but one
 * that is held meanwhile may have its watchpoint again when it goes. */
static bool tell_missed(GdbSession *g, const Action *actions)
{
    for (unsigned i = 0; i < g->missed->len;) {
        GdbMissed missed = g_array_index(g->missed, GdbMissed, i);

        if (actions[missed.cpu] == ACTION_NONE) {
            i++;
            continue;
        }
        g_array_remove_index(g->missed, i);
        if (is_set(&missed.stop)) {
            g->cpu = missed.cpu;
            g->stop = missed.stop;
            tell_stop(g);
            return true;
        }
    }
    return false;
}

/* @actions: one for each CPU. */
static void go(GdbSession *g, const Action *actions)
{
    g_autoptr(GError) err = NULL;
    unsigned step = CPU_STEP | (g->step & GDB_STEP_NO_IRQ ? CPU_STEP_NO_IRQ : 0);

    if (runstate_is_running()) { /* by somebody else */
        g->resumed = true;
        return;
    }
    if (runstate_get() == RUN_STATE_DEBUG && tell_missed(g, actions)) {
        return;
    }
    for (unsigned i = 0; i < gdb_cpu_count(); i++) {
        X86Cpu *cpu = gdb_cpu((int)i);

        if (!cpu) {
            continue;
        }
        vcpu_hold(cpu, actions[i] == ACTION_NONE);
        cpu->debug_step = actions[i] == ACTION_STEP ? step : 0;
        if (cpu->debug_step && cannot_step(cpu)) {
            gdb_resume_ended();
            g->cpu = i;
            g->stop = (AccelStop){ .reason = ACCEL_STOP_STEP };
            tell_stop(g);
            return;
        }
    }
    g->resumed = true;
    g->stopped_it = false;
    g->stop.reason = ACCEL_STOP_NONE;
    if (!qmp_cont(&err)) {
        gdb_resume_ended();
        tell(g, err->message);
        tell_stop(g);
    }
}

static Action action_of(char letter)
{
    return letter == 's' || letter == 'S' ? ACTION_STEP : ACTION_CONTINUE;
}

/* The client takes what came for the process to be a signal; the guest has none. */
static bool parse_signal(const char **p, char letter)
{
    uint64_t signal;

    return (letter != 'C' && letter != 'S') || gdb_parse_hex(p, &signal);
}

bool gdb_resume(GdbSession *g, char packet, const char *args)
{
    bool step = action_of(packet) == ACTION_STEP;
    int index = g->resume_cpu >= 0 ? g->resume_cpu : (int)g->cpu;
    g_autofree Action *actions = g_new0(Action, gdb_cpu_count());
    uint64_t pc;

    if (!parse_signal(&args, packet) ||
        ((packet == 'C' || packet == 'S') && *args && *args != ';')) {
        return false;
    }
    if (*args == ';') {
        args++;
    }
    if (*args) {
        X86Cpu *cpu = gdb_cpu(index);

        if (!gdb_parse_hex(&args, &pc) || *args || runstate_is_running() || !cpu) {
            return false;
        }
        cpu->rip = pc;
    }
    for (unsigned i = 0; i < gdb_cpu_count(); i++) {
        actions[i] = step && (int)i == index ? ACTION_STEP : ACTION_CONTINUE;
    }
    go(g, actions);
    return true;
}

/* ";ACTION[:THREAD]..."; the first that fits a thread is its. */
static bool parse_actions(const char *p, Action *actions)
{
    while (gdb_parse_char(&p, ';')) {
        char letter = *p;
        int index = GDB_ALL_THREADS;

        if (!letter || !strchr("cCsS", letter)) {
            return false;
        }
        p++;
        if (!parse_signal(&p, letter) ||
            (gdb_parse_char(&p, ':') && !gdb_parse_thread(&p, &index))) {
            return false;
        }
        index = index == GDB_ANY_THREAD ? 0 : index;
        for (unsigned i = 0; i < gdb_cpu_count(); i++) {
            if ((index == GDB_ALL_THREADS || index == (int)i) && actions[i] == ACTION_NONE) {
                actions[i] = action_of(letter);
            }
        }
    }
    return !*p;
}

bool gdb_resume_vcont(GdbSession *g, const char *text)
{
    g_autofree Action *actions = g_new0(Action, gdb_cpu_count());

    if (!*text || !parse_actions(text, actions)) {
        return false;
    }
    go(g, actions);
    return true;
}

void gdb_release(GdbSession *g)
{
    const bool running = runstate_is_running();

    if (running) { /* it goes while some CPUs run, and may have held the others */
        vcpu_pause_all();
    }
    g->resumed = false;
    g->stopped_it = false;
    g_array_set_size(g->missed, 0);
    accel_breakpoints_clear();
    gdb_resume_ended();
    if (running) {
        runstate_resume_vcpus();
    }
}
