/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/option-groups.h"

#include <string.h>

#include "hw/core/opts.h"
#include "util/error.h"
#include "util/keyval.h"

#define STR  COMMAND_LINE_PARAMETER_TYPE_STRING
#define FLAG COMMAND_LINE_PARAMETER_TYPE_BOOLEAN
#define NUM  COMMAND_LINE_PARAMETER_TYPE_NUMBER
#define SIZE COMMAND_LINE_PARAMETER_TYPE_SIZE

static const CommandLineParameter accel_params[] = {
    { "accel", STR, "engines to try, separated by colons" },
    { "thread", STR, "multi: a thread for each CPU" },
    { "kernel-irqchip", STR, "kvm: where interrupt controllers are: on, split or off" },
    { 0 },
};
static const CommandLineParameter action_params[] = {
    { "reboot", STR, "when the guest resets: reset or shutdown" },
    { "shutdown", STR, "when it is shut down: poweroff or pause" },
    { "panic", STR, "when it reports a panic: pause, shutdown, exit-failure or none" },
    { "watchdog", STR, "when a watchdog fires: as set-action" },
    { 0 },
};
static const CommandLineParameter add_fd_params[] = {
    { "fd", NUM, "descriptor that this process got when it was started" },
    { "set", NUM, "number of the set to put it into" },
    { "opaque", STR, "description" },
    { 0 },
};
static const CommandLineParameter boot_params[] = {
    { "order", STR, "drives to boot from, by their letters" },
    { "once", STR, "the same, for the first boot" },
    { "menu", FLAG, "boot menu" },
    { "splash", STR, "picture to show" },
    { "splash-time", NUM, "milliseconds to show it" },
    { "reboot-timeout", NUM, "milliseconds to a new try when nothing could be booted" },
    { "strict", FLAG, "boot from nothing but what is named" },
    { 0 },
};
/* Those of every kind. */
static const CommandLineParameter chardev_params[] = {
    { "backend", STR, "kind" },
    { "mux", FLAG, "several users share it" },
    { "logfile", STR, "file that gets a copy of the output" },
    { "logappend", FLAG, "add to the log file" },
    { "path", STR, "file, FIFO, device or unix socket" },
    { "append", FLAG, "file: add to it" },
    { "input-path", STR, "file: where input comes from" },
    { "signal", FLAG, "stdio: Ctrl-C ends the program" },
    { "size", SIZE, "ringbuf: bytes that it keeps" },
    { "chardev", STR, "mux: the device that is shared" },
    { "host", STR, "socket, udp: address" },
    { "port", STR, "socket, udp: port" },
    { "localaddr", STR, "udp: address of our end" },
    { "localport", STR, "udp: port of our end" },
    { "cid", STR, "socket: vsock address" },
    { "fd", STR, "socket: descriptor that is one" },
    { "server", FLAG, "socket: listen" },
    { "wait", FLAG, "socket: wait for the first client" },
    { "nowait", FLAG, "socket: the opposite of wait" },
    { "reconnect", NUM, "socket: seconds after which to connect again" },
    { "telnet", FLAG, "socket: speak telnet" },
    { "tn3270", FLAG, "socket: speak telnet as 3270 terminals do" },
    { "websocket", FLAG, "socket: speak the WebSocket protocol" },
    { "tls-creds", STR, "socket: TLS credentials, of which there are none" },
    { "tls-authz", STR, "socket: TLS authorization, of which there are none" },
    { "nodelay", FLAG, "socket: send small pieces at once" },
    { "delay", FLAG, "socket: the opposite of nodelay" },
    { "keep-alive", FLAG, "socket: notice that the other end has gone" },
    { "mptcp", FLAG, "socket: use several paths" },
    { "numeric", FLAG, "socket, udp: host is an address" },
    { "ipv4", FLAG, "socket, udp: use IPv4" },
    { "ipv6", FLAG, "socket, udp: use IPv6" },
    { "to", NUM, "socket: last port to try" },
    { "abstract", FLAG, "socket: path is a name in the abstract namespace" },
    { "tight", FLAG, "socket: that name is not padded" },
    { 0 },
};
static const CommandLineParameter drive_params[] = {
    { "if", STR, "pflash" },      { "file", STR, "file with the contents" },
    { "format", STR, "raw" },     { "unit", NUM, "0: ends at 4 GiB; 1: below it" },
    { "index", NUM, "the same" }, { "readonly", FLAG, "cannot be written" },
    { "id", STR, "accepted" },    { 0 },
};
static const CommandLineParameter fw_cfg_params[] = {
    { "name", STR, "name of the file" },
    { "file", STR, "its contents: a file" },
    { "string", STR, "its contents: a text" },
    { 0 },
};
static const CommandLineParameter global_params[] = {
    { "driver", STR, "type of device or object" },
    { "property", STR, "its property" },
    { "value", STR, "value of the property" },
    { 0 },
};
static const CommandLineParameter machine_params[] = {
    { "type", STR, "machine type" },
    { "accel", STR, "engines to try, separated by colons" },
    { "kernel-irqchip", STR, "where KVM's interrupt controllers are: on, split or off" },
    { "kernel", STR, "Linux kernel" },
    { "initrd", STR, "initial RAM disk" },
    { "append", STR, "kernel command line" },
    { "firmware", STR, "firmware file, on or off" },
    { "memory-backend", STR, "id of the memory backend that boot memory is" },
    { "dump-guest-core", FLAG, "include guest memory in core dumps" },
    { "mem-merge", FLAG, "let the host merge equal pages" },
    { "usb", FLAG, "USB controller: off" },
    { "dump-acpi", STR, "folder to write the ACPI tables to" },
    { 0 },
};
static const CommandLineParameter memory_params[] = {
    { "size", SIZE, "boot memory" },
    { "slots", NUM, "slots for DIMMs" },
    { "maxmem", SIZE, "the most memory there may be" },
    { 0 },
};
static const CommandLineParameter mon_params[] = {
    { "chardev", STR, "id of the character device" },
    { "mode", STR, "readline (HMP) or control (QMP)" },
    { "pretty", FLAG, "indented QMP" },
    { 0 },
};
static const CommandLineParameter msg_params[] = {
    { "timestamp", FLAG, "messages begin with the time" },
    { "guest-name", FLAG, "messages begin with the guest's name" },
    { 0 },
};
static const CommandLineParameter name_params[] = {
    { "guest", STR, "name of the guest" },
    { "debug-threads", FLAG, "names for threads: they always have them" },
    { "process", STR, "name of the process" },
    { 0 },
};
static const CommandLineParameter overcommit_params[] = {
    { "mem-lock", FLAG, "keep all memory from being swapped" },
    { "cpu-pm", FLAG, "idle states left to the guest: off" },
    { 0 },
};
static const CommandLineParameter rtc_params[] = {
    { "base", STR, "utc, localtime or a date" },
    { "clock", STR, "vm: the guest's time" },
    { "driftfix", STR, "none" },
    { 0 },
};
static const CommandLineParameter sandbox_params[] = {
    { "enable", FLAG, "refuse system calls that no emulator needs" },
    { "obsolete", STR, "obsolete system calls: allow or deny" },
    { "elevateprivileges", STR, "change of user and group: allow, deny or children" },
    { "spawn", STR, "new processes: allow or deny" },
    { "resourcecontrol", STR, "priorities and affinity: allow or deny" },
    { 0 },
};
static const CommandLineParameter smp_params[] = {
    { "cpus", NUM, "CPUs at the start" },
    { "maxcpus", NUM, "the most there may be" },
    { "sockets", NUM, "sockets" },
    { "dies", NUM, "dies in a socket" },
    { "clusters", NUM, "clusters in a die: 1" },
    { "cores", NUM, "cores in a die" },
    { "threads", NUM, "threads in a core" },
    { 0 },
};

const CommandLineGroup option_groups[] = {
    { "accel", accel_params },
    { "action", action_params },
    { "add-fd", add_fd_params },
    { "boot-opts", boot_params },
    { "chardev", chardev_params },
    { "device", NULL },
    { "drive", drive_params },
    { "fw_cfg", fw_cfg_params },
    { "global", global_params },
    { "machine", machine_params },
    { "memory", memory_params },
    { "mon", mon_params },
    { "msg", msg_params },
    { "name", name_params },
    { "numa", NULL },
    { "object", NULL },
    { "overcommit", overcommit_params },
    { "rtc", rtc_params },
    { "sandbox", sandbox_params },
    { "smbios", NULL },
    { "smp-opts", smp_params },
    { 0 },
};

/* Groups that are not called as their option. */
static const struct {
    const char *group, *option;
} renamed[] = { { "boot-opts", "boot" }, { "memory", "m" }, { "smp-opts", "smp" } };

static const char *const groups_with_ids[] = {
    "chardev", "device", "drive", "mon", "object", NULL
};

bool option_group_has_ids(const char *name)
{
    return g_strv_contains(groups_with_ids, name);
}

const Option *option_group_find(const char *name, GError **errp)
{
    g_autoptr(GString) names = g_string_new(NULL);
    const char *option = name;
    bool known = false;

    for (const CommandLineGroup *g = option_groups; g->name; g++) {
        known |= strcmp(g->name, name) == 0;
        g_string_append_printf(names, "%s%s", names->len ? ", " : "", g->name);
    }
    if (!known) {
        error_set(errp, "there is no group '%s'; use one of: %s", name, names->str);
        return NULL;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(renamed); i++) {
        if (strcmp(renamed[i].group, name) == 0) {
            option = renamed[i].option;
        }
    }
    return option_find(option);
}

/* ---- -set ---- */

/* Has @use this id? */
static bool use_has_id(const OptionUse *use, const char *id)
{
    struct json_object *props = keyval_or_json_parse(use->arg, "type", NULL);
    const char *own = props ? opts_get(props, "id") : NULL;
    bool same = own && strcmp(own, id) == 0;

    json_object_put(props);
    return same;
}

static OptionUse *find_use(GArray *uses, const Option *option, const char *id)
{
    for (unsigned i = uses->len; i > 0; i--) {
        OptionUse *use = &g_array_index(uses, OptionUse, i - 1);

        if (use->option == option && use_has_id(use, id)) {
            return use;
        }
    }
    return NULL;
}

char *option_pair_text(const char *key, const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ",", -1);
    g_autofree char *doubled = g_strjoinv(",,", parts);

    return g_strdup_printf("%s=%s", key, doubled);
}

static bool set_in_group(GArray *uses, const char *group, const char *id, const char *key,
                         const char *value, GError **errp)
{
    const Option *option = option_group_find(group, errp);

    if (!option) {
        return false;
    }
    if (!option_group_has_ids(group)) {
        g_autofree char *list = g_strjoinv(", ", (char **)groups_with_ids);
        error_set(errp, "what is in group '%s' has no id; those that have: %s", group, list);
        return false;
    }
    OptionUse *use = find_use(uses, option, id);
    if (!use) {
        error_set(errp, "there is no -%s with id=%s before it", option->name, id);
        return false;
    }
    if (use->arg[0] == '{') {
        error_set(errp, "-%s with id=%s is given in JSON: put %s into that", option->name, id, key);
        return false;
    }
    g_autofree char *pair = option_pair_text(key, value), *old = use->arg;
    use->arg = g_strdup_printf("%s,%s", old, pair);
    return true;
}

bool option_set(GArray *uses, const char *text, GError **errp)
{
    const char *equals = strchr(text, '=');
    g_autofree char *path = g_strndup(text, equals ? (size_t)(equals - text) : 0);
    char *first = strchr(path, '.'), *last = strrchr(path, '.');

    /* An id may have dots in it, groups and keys have not. */
    if (!first || first == last || first == path || !last[1] || first + 1 == last) {
        error_set(errp, "expects GROUP.ID.KEY=VALUE, as in device.dimm0.slot=3");
        return false;
    }
    *first = *last = '\0';
    return set_in_group(uses, path, first + 1, last + 1, equals + 1, errp);
}
