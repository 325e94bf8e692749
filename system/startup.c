/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/startup.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "accel/choose.h"
#include "accel/memory-failure.h"
#include "backends/host-memory-backend.h"
#include "block/activate.h"
#include "block/backend.h"
#include "block/nbd-server.h"
#include "block/throttle-group.h"
#include "chardev/chardev.h"
#include "hw/core/preconfig.h"
#include "hw/core/runstate.h"
#include "hw/core/save-leave.h"
#include "hw/i386/firmware.h"
#include "memory/memory.h"
#include "migration/incoming.h"
#include "migration/migration.h"
#include "migration/postcopy-end.h"
#include "migration/vm-snapshot.h"
#include "monitor/gdb/gdb.h"
#include "monitor/monitor.h"
#include "system/daemonize.h"
#include "system/option-groups.h"
#include "system/options-more.h"
#include "system/qtest.h"
#include "ui/gl.h"
#include "ui/dbus.h"
#include "ui/display.h"
#include "ui/sdl.h"
#include "ui/spice.h"
#include "ui/vnc.h"
#include "util/error.h"
#include "util/file-read.h"
#include "util/keyval.h"
#include "util/interrupt.h"
#include "util/made-files.h"
#include "util/main-loop.h"

/* ---- parsing ---- */

/* Print what options such as -help ask for; the first one ends the program. */
static bool print_texts(Startup *startup, int *exit_status)
{
    for (unsigned i = 0; i < startup->uses->len; i++) {
        const OptionUse *use = &g_array_index(startup->uses, OptionUse, i);
        g_autofree char *text = NULL;
        g_autoptr(GError) err = NULL;

        if (!cmdline_use_wants_text(use, &text, &err)) {
            continue;
        }
        if (text) {
            fputs(text, stdout);
            *exit_status = 0;
        } else {
            g_autofree char *where = cmdline_use_text(use);
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

        if (use->option->phase != phase) {
            continue;
        }
        if (!cmdline_use_run(use, startup, errp)) {
            g_autofree char *where = cmdline_use_text(use);
            g_prefix_error(errp, "%s: ", where);
            return false;
        }
    }
    return true;
}

/* Is one of these options, by their names, given? */
static bool option_given(const Startup *startup, const char *const *names)
{
    for (unsigned i = 0; i < startup->uses->len; i++) {
        if (g_strv_contains(names, g_array_index(startup->uses, OptionUse, i).option->name)) {
            return true;
        }
    }
    return false;
}

/* Is the device of -device, or of a -global in its long form, one of @types? */
static bool driver_is(const char *arg, const char *const *types)
{
    struct json_object *props = keyval_device_parse(arg, NULL);
    const char *type = props ? keyval_get_text(props, "driver") : NULL;
    bool is = type && g_strv_contains(types, type);

    json_object_put(props);
    return is;
}

bool startup_names_device(const Startup *startup, const char *const *types)
{
    for (unsigned i = 0; i < startup->uses->len; i++) {
        const OptionUse *use = &g_array_index(startup->uses, OptionUse, i);
        bool global = strcmp(use->option->name, "global") == 0;

        if ((global || strcmp(use->option->name, "device") == 0) && driver_is(use->arg, types)) {
            return true;
        }
        if (global) {
            const char *dot = strchr(use->arg, '.');
            g_autofree char *type = dot ? g_strndup(use->arg, dot - use->arg) : NULL;

            if (type && g_strv_contains(types, type)) {
                return true;
            }
        }
    }
    return false;
}

/* A daemon has no terminal: nothing that -nographic puts there by default may be left. */
static bool check_nographic_daemon(const Startup *startup, GError **errp)
{
    static const char *const serials[] = { "serial", NULL };
    static const char *const monitors[] = { "monitor", "mon", "qmp", "qmp-pretty", NULL };
    bool serial = option_given(startup, serials), monitor = option_given(startup, monitors);

    if (!startup->daemonize || startup->display != DISPLAY_NOGRAPHIC || startup->no_defaults ||
        (serial && monitor)) {
        return true;
    }
    error_set(errp,
              "-nographic puts the %s on the terminal, which -daemonize gives up: use -display "
              "none, or -nodefaults, or say where %s",
              serial    ? "monitor"
              : monitor ? "serial port"
                        : "serial port and the monitor",
              serial    ? "it goes (-monitor)"
              : monitor ? "it goes (-serial)"
                        : "they go (-serial, -monitor)");
    return false;
}

static bool check_config(const Startup *startup, GError **errp)
{
    if (!check_nographic_daemon(startup, errp)) {
        return false;
    }
    if (startup->loadvm && startup->incoming) {
        error_set(errp, "-loadvm and -incoming exclude each other: the machine comes from one");
        return false;
    }
    if (startup->preconfig && startup->daemonize) {
        error_set(errp, "-preconfig and -daemonize exclude each other: a daemon goes to the "
                        "background when the machine is made");
        return false;
    }
    if (startup->preconfig &&
        json_object_object_get_ex(startup->machine_props, "dump-acpi", NULL)) {
        error_set(errp, "-preconfig and -machine dump-acpi= exclude each other: the tables are "
                        "those of a machine that is made");
        return false;
    }
    return true;
}

bool startup_parse(Startup *startup, int argc, char *const argv[], int *exit_status)
{
    static const char *const incoming[] = { "incoming", NULL };
    g_autoptr(GError) err = NULL;

    *startup = (Startup){
        .made_files = made_files_begin(),
        .machine_props = json_object_new_object(),
        .monitors = g_array_new(FALSE, FALSE, sizeof(MonitorRequest)),
        .uses = cmdline_parse(argc, argv, &err),
    };
    if (startup->uses && !print_texts(startup, exit_status)) {
        return false;
    }
    bool ok = startup->uses && cmdline_expand(startup->uses, &err);
    if (ok && option_given(startup, incoming)) {
        block_begin_inactive(); /* -blockdev is of this phase, and comes before or after it */
    }
    throttle_groups_await();
    ok = ok && option_add_objects_for_nodes(startup, &err) &&
         run_phase(startup, START_CONFIG, &err) && check_config(startup, &err);
    if (!ok) {
        error_report("%s", err->message);
        *exit_status = 1;
        return false;
    }
    error_set_message_format(startup->msg_timestamp,
                             startup->msg_guest_name ? startup->guest_name : NULL);
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
    if (!object_set_properties(OBJECT(startup->machine), startup->machine_props, skip, errp)) {
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
    runstate_request_reset(SHUTDOWN_CAUSE_GUEST_RESET);
}

/* The engine cannot go on; it has said why. */
static void on_engine_error(X86Cpu *cpu)
{
    runstate_internal_error();
}

static bool choose_accel(Startup *startup, GError **errp)
{
    Machine *machine = startup->machine;
    const char *option = startup->accel ? "-accel " : "-machine accel=";

    if (startup->accel) {
        g_free(machine->accel);
        machine->accel = g_strdup(startup->accel);
    }
    if (!memory_failure_init(errp)) {
        return false;
    }
    if (!accel_choose(machine->accel, errp)) {
        g_prefix_error(errp, "%s%s: ", option, machine->accel ? machine->accel : "");
        return false;
    }
    g_free(machine->accel);
    machine->accel = g_strdup(accel_current()->name);
    accel_set_shutdown_handler(on_cpu_shutdown);
    accel_set_internal_error_handler(on_engine_error);
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
    return run_phase(startup, START_MONITOR, errp) && run_phase(startup, START_DEBUGGER, errp);
}

static bool make_screens(Startup *startup, GError **errp)
{
    return (!startup->display_vnc || option_do_vnc(startup, startup->display_vnc, errp)) &&
           option_start_display(startup, errp) && run_phase(startup, START_SCREEN, errp);
}

static gboolean on_signal(gint fd, GIOCondition condition, gpointer opaque)
{
    runstate_request_shutdown(SHUTDOWN_CAUSE_HOST_SIGNAL);
    return G_SOURCE_REMOVE; /* it stays readable */
}

static void quit_from_terminal(void)
{
    runstate_request_shutdown(SHUTDOWN_CAUSE_HOST_UI);
}

/* Are there CPUs that will run, but nothing that they could run? */
static bool check_bootable(const Startup *startup, GError **errp)
{
    const Machine *machine = startup->machine;

    return startup->stopped || startup->incoming || machine->dump_tables ||
           !machine_ops(machine)->max_cpus || !accel_current()->has_vcpu_threads ||
           firmware_check_bootable(machine, errp);
}

static bool make_gl(GError **errp)
{
    const DisplayOptions *o = display_options();

    if (o && o->type == DISPLAY_TYPE_EGL_HEADLESS &&
        !gl_start(o->u.egl_headless->rendernode, errp)) {
        g_prefix_error(errp, "-display egl-headless: ");
        return false;
    }
    return true;
}

/* Everything that the machine is made of, as far as it is made before it. */
static bool make_parts(Startup *startup, GError **errp)
{
    return make_machine(startup, errp) && choose_accel(startup, errp) &&
           check_bootable(startup, errp) && run_phase(startup, START_CHARDEV, errp) &&
           run_phase(startup, START_PORT, errp) && startup_default_chardevs(startup, errp) &&
           run_phase(startup, START_NETDEV, errp) && run_phase(startup, START_OBJECT, errp) &&
           throttle_groups_are_there(errp) && make_gl(errp);
}

/* A machine has a network card unless it is told otherwise. */
static bool add_default_nic(Startup *startup, GError **errp)
{
    static const char *const names[] = { "nic", "net", "netdev", NULL };

    return startup->no_defaults || !machine_ops(startup->machine)->default_nic ||
           option_given(startup, names) ||
           (option_do_net(startup, "nic", errp) && option_do_net(startup, "user", errp));
}

static bool make_board(Startup *startup, GError **errp)
{
    startup->machine->resumes = startup->incoming || startup->loadvm;
    return machine_init(startup->machine, errp) && option_set_clock(&startup->rtc, errp) &&
           option_add_vga(startup, errp) && run_phase(startup, START_NIC, errp) &&
           add_default_nic(startup, errp) && option_add_ide_drives(startup, errp) &&
           option_add_floppies(startup, errp) && option_add_sound_cards(startup, errp) &&
           run_phase(startup, START_DEVICE, errp) && option_add_drives(startup, errp);
}

/* With -preconfig this is before there is a machine. */
static bool serve_qtest(Startup *startup, GError **errp)
{
    return !startup->qtest || qtest_server_start(startup->qtest, startup->qtest_log, errp);
}

/* The machine is complete: let it run. */
static bool launch(Startup *startup, GError **errp)
{
    option_warn_unused_globals();
    if (!machine_complete(startup->machine, errp)) {
        return false;
    }
    if (!startup->preconfig && !serve_qtest(startup, errp)) {
        return false;
    }
    machine_reset(startup->machine);
    if (startup->loadvm && !vm_snapshot_load(startup->loadvm, errp)) {
        g_prefix_error(errp, "-loadvm %s: ", startup->loadvm);
        return false;
    }
    if (!sandbox_install(&startup->sandbox, errp)) {
        return false;
    }
    made_files_end(startup->made_files, true);
    startup->complete = true;
    if (startup->incoming) {
        if (!incoming_prepare(startup->incoming, !startup->stopped, errp)) {
            g_prefix_error(errp, "-incoming %s: ", startup->incoming);
            return false;
        }
    } else if (!startup->stopped) {
        runstate_start();
    }
    if (startup->daemonize) {
        daemonize_done();
    }
    return true;
}

static bool finish_preconfig(void *opaque, GError **errp)
{
    return make_board(opaque, errp) && launch(opaque, errp);
}

bool startup_make(Startup *startup, bool *run, GError **errp)
{
    if (startup->daemonize && !daemonize_begin(errp)) {
        return false;
    }
    if (!interrupt_init(errp) || (startup->mem_lock && !option_lock_memory(errp))) {
        return false;
    }
    if (startup->pidfile && !daemonize_pidfile_create(startup->pidfile, errp)) {
        g_prefix_error(errp, "-pidfile %s: ", startup->pidfile);
        return false;
    }
    signal(SIGPIPE, SIG_IGN);
    main_loop_init();
    memory_init();
    if (!make_parts(startup, errp) || (!startup->preconfig && !make_board(startup, errp))) {
        return false;
    }
    const Machine *machine = startup->machine;
    *run = !machine->dump_tables;
    if (machine->dump_tables) {
        return machine_ops(machine)->dump_tables(startup->machine, machine->dump_tables, errp);
    }
    monitor_set_command_line(option_groups_list);
    chardev_set_quit_handler(quit_from_terminal);
    postcopy_end_set_asked(monitor_quit_waits);
    if (!make_monitors(startup, errp) || !make_screens(startup, errp)) {
        return false;
    }
    g_unix_fd_add(interrupt_fd(), G_IO_IN, on_signal, NULL);
    file_read_started();
    if (startup->preconfig) {
        preconfig_enter(finish_preconfig, startup);
        return serve_qtest(startup, errp);
    }
    return launch(startup, errp);
}

void startup_cleanup(Startup *startup, bool ok)
{
    migration_finish();
    incoming_finish();
    gdb_server_cleanup();
    vnc_cleanup();
    spice_stop();
    dbus_display_stop();
    sdl_display_stop();
    display_options_set(NULL);
    nbd_server_stop(NULL); /* if there is one */
    save_leave();
    block_finish();
    monitor_cleanup();
    chardev_cleanup();
    host_memory_backends_release();
    daemonize_pidfile_remove();
    if (!startup->complete) {
        made_files_end(startup->made_files, ok);
    }
    json_object_put(startup->machine_props);
    g_array_unref(startup->monitors);
    for (unsigned i = 0; i < G_N_ELEMENTS(startup->floppies); i++) {
        g_clear_pointer(&startup->floppies[i], g_free);
    }
    g_clear_pointer(&startup->virtio_drives, g_ptr_array_unref);
    g_clear_pointer(&startup->sound_cards, g_ptr_array_unref);
    g_clear_pointer(&startup->ide_drives, g_ptr_array_unref);
    if (startup->uses) {
        g_array_unref(startup->uses);
    }
    g_free(startup->accel);
    g_free(startup->guest_name);
}
