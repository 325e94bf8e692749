/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Serial ports and monitors: which character device each gets. */
#include <string.h>

#include "chardev/chardev.h"
#include "monitor/monitor.h"
#include "qapi/qapi-types.h"
#include "system/startup.h"
#include "util/error.h"

/* A daemon has no terminal. */
static bool check_terminal(const Startup *startup, const char *text, GError **errp)
{
    if (startup->daemonize && g_str_has_suffix(text, "stdio")) {
        error_set(errp, "stdio cannot be used with -daemonize: use a file, a socket or pty");
        return false;
    }
    return true;
}

static void add_request(Startup *startup, Chardev *chr, bool qmp, bool pretty)
{
    MonitorRequest request = { .chr = chr, .qmp = qmp, .pretty = pretty };

    g_array_append_val(startup->monitors, request);
}

bool startup_add_serial(Startup *startup, const char *text, GError **errp)
{
    if (startup->num_serials == MAX_SERIAL) {
        error_set(errp, "there are only %d serial ports", MAX_SERIAL);
        return false;
    }
    if (!check_terminal(startup, text, errp)) {
        return false;
    }
    unsigned n = startup->num_serials;
    if (strcmp(text, "none") != 0) {
        bool with_monitor = g_str_has_prefix(text, "mon:");
        g_autofree char *id = g_strdup_printf("serial%u", n);
        Chardev *chr = chardev_new_from_short(id, text, with_monitor, errp);
        if (!chr) {
            return false;
        }
        startup->machine->serial[n] = chr;
        if (with_monitor) {
            add_request(startup, chr, false, false);
        }
    }
    startup->num_serials++;
    return true;
}

bool startup_add_parallel(Startup *startup, const char *text, GError **errp)
{
    startup->parallel_given = true;
    if (strcmp(text, "none") == 0) {
        return true;
    }
    if (startup->num_parallels == MAX_PARALLEL) {
        error_set(errp, "there are only %d parallel ports", MAX_PARALLEL);
        return false;
    }
    if (!check_terminal(startup, text, errp)) {
        return false;
    }
    unsigned n = startup->num_parallels;
    bool with_monitor = g_str_has_prefix(text, "mon:");
    g_autofree char *id = g_strdup_printf("parallel%u", n);
    Chardev *chr = chardev_new_from_short(id, text, with_monitor, errp);
    if (!chr) {
        return false;
    }
    startup->machine->parallel[n] = chr;
    if (with_monitor) {
        add_request(startup, chr, false, false);
    }
    startup->num_parallels++;
    return true;
}

bool startup_add_monitor(Startup *startup, const char *text, bool qmp, bool pretty, GError **errp)
{
    startup->monitor_given = true;
    if (strcmp(text, "none") == 0) {
        return true;
    }
    if (!check_terminal(startup, text, errp)) {
        return false;
    }
    g_autofree char *id = g_strdup_printf("compat_monitor%u", startup->num_monitor_chardevs);
    Chardev *chr = chardev_new_from_short(id, text, g_str_has_prefix(text, "mon:"), errp);
    if (!chr) {
        return false;
    }
    startup->num_monitor_chardevs++;
    add_request(startup, chr, qmp, pretty);
    return true;
}

bool startup_add_mon(Startup *startup, const void *parsed, GError **errp)
{
    const MonitorOptions *mon = parsed;
    Chardev *chr = chardev_find(mon->chardev);

    if (!chr) {
        error_set(errp, "there is no character device '%s'; make it with -chardev", mon->chardev);
        return false;
    }
    return monitor_new(chr, mon->mode == MONITOR_MODE_CONTROL, mon->pretty, errp);
}

/* A port whose printer throws all away: there is no window that could show it. */
static bool add_default_parallel(Startup *startup, GError **errp)
{
    static const char *const types[] = { "isa-parallel", NULL };

    return startup->parallel_given || !machine_ops(startup->machine)->parallel_port ||
           startup_names_device(startup, types) || startup_add_parallel(startup, "null", errp);
}

bool startup_default_chardevs(Startup *startup, GError **errp)
{
    /* There is no window to fall back to: without -display, the terminal is the user's. */
    bool terminal = startup->display != DISPLAY_NONE && !startup->daemonize;
    bool monitor = !startup->monitor_given && startup->monitors->len == 0;

    if (startup->no_defaults) {
        return true;
    }
    if (!add_default_parallel(startup, errp)) {
        return false;
    }
    /* Where another option took the terminal, defaults do without, so no error here. */
    if (startup->num_serials == 0) {
        if (terminal && startup_add_serial(startup, monitor ? "mon:stdio" : "stdio", NULL)) {
            return true;
        }
        return startup_add_serial(startup, "null", errp);
    }
    if (terminal && monitor) {
        startup_add_monitor(startup, "stdio", false, false, NULL);
    }
    return true;
}
