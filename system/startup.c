/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/startup.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "accel/accel.h"
#include "hw/core/runstate.h"
#include "memory/memory.h"
#include "monitor/monitor.h"
#include "system/daemonize.h"
#include "system/qtest.h"
#include "util/error.h"
#include "util/main-loop.h"

/* ---- parsing ---- */

/* Print what options such as -help ask for; the first one ends the program. */
static bool print_texts(Startup *startup, int *exit_status)
{
    for (unsigned i = 0; i < startup->uses->len; i++) {
        const OptionUse *use = &g_array_index(startup->uses, OptionUse, i);
        g_autofree char *text = NULL;
        g_autoptr(GError) err = NULL;

        if (!option_use_wants_text(use, &text, &err)) {
            continue;
        }
        if (text) {
            fputs(text, stdout);
            *exit_status = 0;
        } else {
            g_autofree char *where = option_use_text(use);
            error_report("%s: %s", where, err->message);
            *exit_status = 1;
        }
        return false;
    }
    return true;
}

static bool run_phase(Startup *startup, StartPhase phase, GError **errp)
{
    for (unsigned i = 0; i < startup->uses->len; i++) {
        const OptionUse *use = &g_array_index(startup->uses, OptionUse, i);

        if (use->option->phase != phase || !use->option->handle) {
            continue;
        }
        if (!use->option->handle(startup, use->arg, errp)) {
            g_autofree char *where = option_use_text(use);
            g_prefix_error(errp, "%s: ", where);
            return false;
        }
    }
    return true;
}

static bool check_config(const Startup *startup, GError **errp)
{
    if (startup->daemonize && startup->display == DISPLAY_NOGRAPHIC) {
        error_set(errp, "-daemonize and -nographic exclude each other: a daemon has no terminal; "
                        "use -display none");
        return false;
    }
    return true;
}

bool startup_parse(Startup *startup, int argc, char *const argv[], int *exit_status)
{
    g_autoptr(GError) err = NULL;

    *startup = (Startup){
        .machine_props = json_object_new_object(),
        .monitors = g_array_new(FALSE, FALSE, sizeof(MonitorRequest)),
        .uses = cmdline_parse(argc, argv, &err),
    };
    if (startup->uses && !print_texts(startup, exit_status)) {
        return false;
    }
    if (!startup->uses || !run_phase(startup, START_CONFIG, &err) || !check_config(startup, &err)) {
        error_report("%s", err->message);
        *exit_status = 1;
        return false;
    }
    for (unsigned i = 0; i < startup->uses->len; i++) {
        const OptionUse *use = &g_array_index(startup->uses, OptionUse, i);
        startup->monitor_given |= use->option->phase == START_MONITOR;
    }
    return true;
}

/* ---- making ---- */

static bool make_machine(Startup *startup, GError **errp)
{
    static const char *const skip[] = { "type", NULL };
    struct json_object *name;
    bool named = json_object_object_get_ex(startup->machine_props, "type", &name);
    const ObjectType *type =
        named ? machine_type_find(json_object_get_string(name), errp) : machine_type_default();

    if (!type) {
        if (!named) {
            error_set(errp, "there is no default machine; name one with -machine");
        } else {
            g_prefix_error(errp, "-machine %s: ", json_object_get_string(name));
        }
        return false;
    }
    startup->machine = machine_new(type, errp);
    if (!startup->machine) {
        return false;
    }
    if (!object_set_properties(OBJECT(startup->machine), startup->machine_props, true, skip,
                               errp)) {
        g_prefix_error(errp, "-machine: ");
        return false;
    }
    startup->machine->guest_name = g_strdup(startup->guest_name);
    memcpy(startup->machine->uuid, startup->uuid, sizeof(startup->uuid));
    return run_phase(startup, START_MACHINE, errp);
}

/* A triple fault resets a PC. */
static void on_cpu_shutdown(X86Cpu *cpu)
{
    system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
}

static bool choose_accel(Startup *startup, GError **errp)
{
    Machine *machine = startup->machine;
    const char *option = startup->accel ? "-accel " : "-machine accel=";

    if (startup->accel) {
        g_free(machine->accel);
        machine->accel = g_strdup(startup->accel);
    }
    if (!accel_choose(machine->accel, errp)) {
        g_prefix_error(errp, "%s%s: ", option, machine->accel ? machine->accel : "");
        return false;
    }
    g_free(machine->accel);
    machine->accel = g_strdup(accel_current()->name);
    accel_set_shutdown_handler(on_cpu_shutdown);
    return true;
}

static bool make_monitors(Startup *startup, GError **errp)
{
    for (unsigned i = 0; i < startup->monitors->len; i++) {
        const MonitorRequest *r = &g_array_index(startup->monitors, MonitorRequest, i);
        if (!monitor_new(r->chr, r->qmp, r->pretty, errp)) {
            return false;
        }
    }
    return run_phase(startup, START_MONITOR, errp);
}

static gboolean on_signal(gpointer opaque)
{
    system_shutdown_request(SHUTDOWN_CAUSE_HOST_SIGNAL);
    return G_SOURCE_CONTINUE;
}

static void quit_from_terminal(void)
{
    system_shutdown_request(SHUTDOWN_CAUSE_HOST_UI);
}

static void watch_signals(void)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };

    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
        g_unix_signal_add(signals[i], on_signal, NULL);
    }
}

static bool make_all(Startup *startup, GError **errp)
{
    return make_machine(startup, errp) && choose_accel(startup, errp) &&
           run_phase(startup, START_CHARDEV, errp) && startup_default_chardevs(startup, errp) &&
           run_phase(startup, START_OBJECT, errp) && machine_init(startup->machine, errp) &&
           run_phase(startup, START_DEVICE, errp);
}

bool startup_make(Startup *startup, bool *run, GError **errp)
{
    if (startup->daemonize && !daemonize_begin(errp)) {
        return false;
    }
    if (startup->pidfile && !pidfile_create(startup->pidfile, errp)) {
        g_prefix_error(errp, "-pidfile %s: ", startup->pidfile);
        return false;
    }
    signal(SIGPIPE, SIG_IGN);
    main_loop_init();
    memory_init();
    if (!make_all(startup, errp)) {
        return false;
    }
    Machine *machine = startup->machine;
    *run = !machine->dump_acpi;
    if (machine->dump_acpi) {
        return machine_ops(machine)->dump_acpi(machine, machine->dump_acpi, errp);
    }
    machine->ready = true;
    chardev_set_quit_handler(quit_from_terminal);
    if (!make_monitors(startup, errp) ||
        (startup->qtest && !qtest_server_start(startup->qtest, startup->qtest_log, errp))) {
        return false;
    }
    watch_signals();
    machine_reset(machine);
    if (!startup->stopped) {
        vm_start();
    }
    if (startup->daemonize) {
        daemonize_done();
    }
    return true;
}

void startup_cleanup(Startup *startup)
{
    monitor_cleanup();
    chardev_cleanup();
    pidfile_remove();
    json_object_put(startup->machine_props);
    g_array_unref(startup->monitors);
    if (startup->uses) {
        g_array_unref(startup->uses);
    }
    g_free(startup->accel);
    g_free(startup->guest_name);
}
