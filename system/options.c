/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of options, and what each does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "accel/choose.h"
#include "chardev/chardev.h"
#include "hw/char/isa-debugcon.h"
#include "hw/core/failover.h"
#include "hw/core/help.h"
#include "hw/core/numa.h"
#include "hw/core/runstate.h"
#include "monitor/gdb/gdb.h"
#include "qapi/dispatch.h"
#include "qapi/help.h"
#include "qom/user-object.h"
#include "system/config-file.h"
#include "system/option-groups.h"
#include "system/options-more.h"
#include "system/startup.h"
#include "target/i386/cpu-features.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/log.h"
#include "util/parse.h"

/* ---- text ---- */

#define VERSION_TEXT                                                \
    "QEMU emulator version 7.2.0 (dimmable " DIMMABLE_VERSION ")\n" \
    "Copyright (c) the Dimmable authors; free software under GPL-2.0-or-later\n"

static char *text_version(const char *what, GError **errp)
{
    return g_strdup(VERSION_TEXT);
}

/* Programs such as libguestfs read the version from the help. */
static char *text_help(const char *what, GError **errp)
{
    g_autofree char *options_text = cmdline_help();

    return g_strconcat(VERSION_TEXT, options_text, NULL);
}

static char *text_machine(const char *what, GError **errp)
{
    if (!*what) {
        return machine_help();
    }
    const char *name = g_str_has_prefix(what, "type=") ? what + strlen("type=") : what;
    g_auto(GStrv) parts = g_strsplit(name, ",", 2);
    const ObjectType *type = machine_type_find(parts[0], errp);
    return type ? help_properties(type) : NULL;
}

static char *text_accel(const char *what, GError **errp)
{
    if (!*what) {
        return accel_help();
    }
    const char *name = g_str_has_prefix(what, "accel=") ? what + strlen("accel=") : what;
    g_auto(GStrv) parts = g_strsplit(name, ",", 2);
    return accel_help_options(parts[0], errp);
}

static char *text_cpu(const char *what, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(what, ",", 2);
    X86CpuModel model;

    if (*what && (strcmp(parts[0], "host") != 0 && !x86_cpu_model_make(&model, parts[0], errp))) {
        return NULL;
    }
    GString *text = g_string_new("Available CPUs:\n");
    const X86CpuModelInfo *info;
    X86Feature feature;

    for (size_t i = 0; (info = x86_cpu_model_info(i)); i++) {
        g_string_append_printf(text, "x86 %-24s  %s\n", info->name, info->description);
    }
    g_string_append(text, "\nRecognized CPUID flags:\n ");
    for (size_t i = 0, column = 1; x86_feature_get_usual(i, &feature); i++) {
        if (column + strlen(feature.name) > 78) {
            g_string_append(text, "\n ");
            column = 1;
        }
        g_string_append_printf(text, " %s", feature.name);
        column += 1 + strlen(feature.name);
    }
    g_string_append(text, "\n\nProperties of each:\n");
    qapi_help_members(&CpuModelProperties_type, 0, NULL, text);
    return g_string_free(text, FALSE);
}

/* The first element, which may be written "key=element". */
static char *first_element(const char *text, const char *key)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", 2);
    const char *first = parts[0];
    size_t len = strlen(key);

    if (strncmp(first, key, len) == 0 && first[len] == '=') {
        first += len + 1;
    }
    return g_strdup(first);
}

static char *text_device(const char *what, GError **errp)
{
    g_autofree char *type = *what ? first_element(what, "driver") : NULL;

    return type ? help_device_type(type, errp) : help_devices();
}

static char *text_object(const char *what, GError **errp)
{
    g_autofree char *type = *what ? first_element(what, "qom-type") : NULL;

    return type ? help_object_type(type, errp) : help_objects();
}

static char *text_chardev(const char *what, GError **errp)
{
    g_autofree char *kind = *what ? first_element(what, "backend") : NULL;

    return kind ? help_chardev_backend(kind, errp) : help_chardevs();
}

/* Of -nic and -net, whatever else was said. */
static char *text_card(const char *what, GError **errp)
{
    g_autofree char *names = help_devices_of("network");

    return g_strconcat("Supported NIC models:\n", names, NULL);
}

static char *text_netdev(const char *what, GError **errp)
{
    g_autofree char *kind = *what ? first_element(what, "type") : NULL;
    GString *text;
    int tag;

    if (kind && !qapi_enum_parse_full(NetClientDriver_lookup, kind, "netdev", &tag, errp)) {
        return NULL;
    }
    text = g_string_new(kind ? NULL : "Netdevs (KIND,help lists the options):\n");
    if (kind) {
        g_string_append_printf(text, "%s options:\n", kind);
        qapi_help_members(&Netdev_type, tag, "type", text);
    }
    for (unsigned i = 0; !kind && NetClientDriver_lookup[i]; i++) {
        g_string_append_printf(text, "%s\n", NetClientDriver_lookup[i]);
    }
    return g_string_free(text, FALSE);
}

static char *text_log(const char *what, GError **errp)
{
    char *buf = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&buf, &size);

    if (!out) {
        g_error("no memory");
    }
    log_items_help(out);
    fclose(out);
    char *text = g_strdup(buf);
    free(buf);
    return text;
}

/* ---- configuration ---- */

static bool do_nothing(Startup *startup, const char *arg, GError **errp)
{
    return true;
}

/* The old way to write a key. */
static void use_new_name(struct json_object *props)
{
    struct json_object *value;

    if (json_object_object_get_ex(props, "kernel_irqchip", &value)) {
        json_object_object_add(props, "kernel-irqchip", json_object_get(value));
        json_object_object_del(props, "kernel_irqchip");
    }
}

static bool do_machine(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *props = keyval_or_json_parse(arg, "type", errp);

    if (!props) {
        return false;
    }
    use_new_name(props);
    bool ok = keyval_merge(startup->machine_props, props, errp);
    json_object_put(props);
    return ok;
}

static bool add_accel(Startup *startup, const EngineOptions *given, GError **errp)
{
    const char *name = EngineKind_str(given->accel);

    if (!accel_set_options(given, errp)) {
        return false;
    }
    /* Given again: what to try if the first does not work. */
    char *both = startup->accel ? g_strdup_printf("%s:%s", startup->accel, name) : g_strdup(name);
    g_free(startup->accel);
    startup->accel = both;
    return true;
}

static bool do_accel(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *json = keyval_or_json_parse(arg, "accel", errp);

    if (!json) {
        return false;
    }
    use_new_name(json);
    g_autoptr(EngineOptions) given = EngineOptions_from_json(json, NULL, errp);
    json_object_put(json);
    return given && add_accel(startup, given, errp);
}

static bool do_enable_kvm(Startup *startup, const char *arg, GError **errp)
{
    return do_machine(startup, "accel=kvm", errp);
}

static bool do_nographic(Startup *startup, const char *arg, GError **errp)
{
    startup->display = DISPLAY_NOGRAPHIC;
    return true;
}

static bool do_full_screen(Startup *startup, const char *arg, GError **errp)
{
    startup->full_screen = true;
    return true;
}

static bool do_nodefaults(Startup *startup, const char *arg, GError **errp)
{
    startup->no_defaults = true;
    return true;
}

static bool do_loadvm(Startup *startup, const char *arg, GError **errp)
{
    startup->loadvm = arg;
    return true;
}

static bool do_hda(Startup *startup, const char *arg, GError **errp)
{
    return option_do_hd(startup, 0, "disk", arg, errp);
}

static bool do_hdb(Startup *startup, const char *arg, GError **errp)
{
    return option_do_hd(startup, 1, "disk", arg, errp);
}

static bool do_hdc(Startup *startup, const char *arg, GError **errp)
{
    return option_do_hd(startup, 2, "disk", arg, errp);
}

static bool do_hdd(Startup *startup, const char *arg, GError **errp)
{
    return option_do_hd(startup, 3, "disk", arg, errp);
}

static bool do_cdrom(Startup *startup, const char *arg, GError **errp)
{
    return option_do_hd(startup, 2, "cdrom", arg, errp);
}

static bool do_snapshot(Startup *startup, const char *arg, GError **errp)
{
    startup->snapshot = true;
    return true;
}

static bool do_stopped(Startup *startup, const char *arg, GError **errp)
{
    startup->stopped = true;
    return true;
}

static bool do_preconfig(Startup *startup, const char *arg, GError **errp)
{
    startup->preconfig = true;
    return true;
}

static bool do_no_reboot(Startup *startup, const char *arg, GError **errp)
{
    runstate_set_no_reboot(true);
    return true;
}

static bool do_incoming(Startup *startup, const char *arg, GError **errp)
{
    startup->incoming = arg;
    return true;
}

static bool do_no_shutdown(Startup *startup, const char *arg, GError **errp)
{
    runstate_set_no_shutdown(true);
    return true;
}

static bool do_action(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *args = keyval_parse(arg, NULL, errp);
    struct json_object *ret = args ? qmp_dispatch("set-action", args, errp) : NULL;
    bool ok = ret;

    json_object_put(args);
    json_object_put(ret);
    return ok;
}

static bool do_watchdog_action(Startup *startup, const char *arg, GError **errp)
{
    g_autofree char *pair = option_pair_text("watchdog", arg);

    return do_action(startup, pair, errp);
}

static bool do_daemonize(Startup *startup, const char *arg, GError **errp)
{
    startup->daemonize = true;
    return true;
}

static bool do_pidfile(Startup *startup, const char *arg, GError **errp)
{
    startup->pidfile = arg;
    return true;
}

static bool apply_name(Startup *startup, const void *parsed, GError **errp)
{
    const NameOptions *name = parsed; /* threads have names in any case */

    g_free(startup->guest_name);
    startup->guest_name = g_strdup(name->guest);
    if (name->process) {
        prctl(PR_SET_NAME, name->process);
    }
    return true;
}

static bool do_uuid(Startup *startup, const char *arg, GError **errp)
{
    unsigned byte = 0;

    if (!g_uuid_string_is_valid(arg)) {
        error_set(errp, "that is not a UUID: give 32 hexadecimal digits as 8-4-4-4-12");
        return false;
    }
    for (const char *p = arg; *p; p += *p == '-' ? 1 : 2) {
        if (*p != '-') {
            startup->uuid[byte++] = g_ascii_xdigit_value(p[0]) << 4 | g_ascii_xdigit_value(p[1]);
        }
    }
    return true;
}

static bool do_log_items(Startup *startup, const char *arg, GError **errp)
{
    return log_set_items(arg, errp);
}

static bool do_log_file(Startup *startup, const char *arg, GError **errp)
{
    return log_set_file(arg, errp);
}

static bool do_qtest_log(Startup *startup, const char *arg, GError **errp)
{
    startup->qtest_log = arg;
    return true;
}

/* ---- properties of the machine ---- */

static bool do_memory(Startup *startup, const char *arg, GError **errp)
{
    return machine_parse_memory(startup->machine, arg, errp);
}

static bool do_mem_path(Startup *startup, const char *arg, GError **errp)
{
    g_free(startup->machine->ram.path);
    startup->machine->ram.path = g_strdup(arg);
    return true;
}

static bool do_mem_prealloc(Startup *startup, const char *arg, GError **errp)
{
    return object_global_add("memory-backend", "prealloc", "on", errp);
}

static bool do_smp(Startup *startup, const char *arg, GError **errp)
{
    return machine_parse_smp(startup->machine, arg, errp);
}

static bool do_cpu(Startup *startup, const char *arg, GError **errp)
{
    return object_property_parse(OBJECT(startup->machine), "cpu-type", arg, errp);
}

static bool do_no_acpi(Startup *startup, const char *arg, GError **errp)
{
    return object_property_parse(OBJECT(startup->machine), "acpi", "off", errp);
}

static bool do_no_hpet(Startup *startup, const char *arg, GError **errp)
{
    return object_property_parse(OBJECT(startup->machine), "hpet", "off", errp);
}

static bool do_no_fd_bootchk(Startup *startup, const char *arg, GError **errp)
{
    startup->machine->boot.no_floppy_check = true;
    return true;
}

static bool do_kernel(Startup *startup, const char *arg, GError **errp)
{
    return object_property_parse(OBJECT(startup->machine), "kernel", arg, errp);
}

static bool do_initrd(Startup *startup, const char *arg, GError **errp)
{
    return object_property_parse(OBJECT(startup->machine), "initrd", arg, errp);
}

static bool do_append(Startup *startup, const char *arg, GError **errp)
{
    return object_property_parse(OBJECT(startup->machine), "append", arg, errp);
}

static bool do_numa(Startup *startup, const char *arg, GError **errp)
{
    return numa_parse(&startup->machine->numa, arg, errp);
}

/* ---- things to make ---- */

/* A byte as a number, or a character. */
static bool do_escape_byte(Startup *startup, const char *arg, GError **errp)
{
    uint64_t byte;

    if (strlen(arg) == 1 && !g_ascii_isdigit(arg[0])) {
        byte = (uint8_t)arg[0];
    } else if (!parse_uint(arg, 0x7f, &byte) || byte == 0) {
        error_set(errp, "'%s' is not right: give a byte from 1 to 127, as in 0x14 for Ctrl-T", arg);
        return false;
    }
    chardev_mux_set_escape((uint8_t)byte);
    return true;
}

static bool do_chardev(Startup *startup, const char *arg, GError **errp)
{
    return chardev_new_from_opts(arg, errp);
}

static bool do_gdb(Startup *startup, const char *arg, GError **errp)
{
    if (startup->daemonize && strcmp(arg, "stdio") == 0) {
        error_set(errp, "stdio cannot be used with -daemonize: use a socket");
        return false;
    }
    return gdb_server_start(arg, errp);
}

static bool do_gdb_default(Startup *startup, const char *arg, GError **errp)
{
    return gdb_server_start(GDB_DEFAULT_DEVICE, errp);
}

static bool do_monitor(Startup *startup, const char *arg, GError **errp)
{
    return startup_add_monitor(startup, arg, false, false, errp);
}

static bool do_qmp(Startup *startup, const char *arg, GError **errp)
{
    return startup_add_monitor(startup, arg, true, false, errp);
}

static bool do_qmp_pretty(Startup *startup, const char *arg, GError **errp)
{
    return startup_add_monitor(startup, arg, true, true, errp);
}

static bool do_qtest(Startup *startup, const char *arg, GError **errp)
{
    startup->qtest = chardev_new_from_short("qtest", arg, false, errp);
    return startup->qtest;
}

static bool do_debugcon(Startup *startup, const char *arg, GError **errp)
{
    Chardev *chr = chardev_new_from_short("debugcon", arg, false, errp);

    return chr && isa_debugcon_create(chr, errp);
}

/* A member of @props that must be there, and be a string. Borrowed. */
static const char *take_string(struct json_object *props, const char *key, const char *what,
                               GError **errp)
{
    struct json_object *value;

    if (!json_object_object_get_ex(props, key, &value)) {
        error_set(errp, "%s", what);
        return NULL;
    }
    if (!json_object_is_type(value, json_type_string)) {
        error_set(errp, "'%s' expects a string, got %s", key, json_object_to_json_string(value));
        return NULL;
    }
    return json_object_get_string(value);
}

static bool is_for_nodes(const char *arg)
{
    struct json_object *props = keyval_or_json_parse(arg, "qom-type", NULL);
    const char *type = props ? keyval_get_text(props, "qom-type") : NULL;
    bool is = type && (g_str_has_prefix(type, "tls-") || g_str_has_prefix(type, "authz-") ||
                       g_str_has_prefix(type, "secret") || g_str_has_prefix(type, "pr-manager-"));

    json_object_put(props);
    return is;
}

static bool add_object(const char *arg, GError **errp)
{
    struct json_object *props = keyval_or_json_parse(arg, "qom-type", errp);
    const char *type = NULL, *id = NULL;

    if (props) {
        type = take_string(props, "qom-type",
                           "the type is missing, as in memory-backend-ram,id=...", errp);
    }
    if (type) {
        id = take_string(props, "id", "id= is missing: the name by which others use the object",
                         errp);
    }
    bool ok = id && user_object_add(type, id, props, errp);
    json_object_put(props);
    return ok;
}

static bool do_object(Startup *startup, const char *arg, GError **errp)
{
    return is_for_nodes(arg) || add_object(arg, errp); /* those are there already */
}

/* Nodes of -blockdev name them, and are made while the options are read. */
bool option_add_objects_for_nodes(Startup *startup, GError **errp)
{
    for (unsigned i = 0; i < startup->uses->len; i++) {
        const OptionUse *use = &g_array_index(startup->uses, OptionUse, i);

        if (use->option->handle == do_object && is_for_nodes(use->arg) &&
            !add_object(use->arg, errp)) {
            g_autofree char *where = cmdline_use_text(use);

            g_prefix_error(errp, "%s: ", where);
            return false;
        }
    }
    return true;
}

static bool do_device(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *props = keyval_device_parse(arg, errp);
    bool ok = props && failover_device_add(props, errp);

    json_object_put(props);
    return ok;
}

static char *text_watchdog(const char *what, GError **errp)
{
    return help_devices_of("watchdog");
}

static bool do_watchdog(Startup *startup, const char *arg, GError **errp)
{
    g_autofree char *names = help_devices_of("watchdog");
    g_auto(GStrv) name = g_strsplit(names, "\n", 0);

    if (!*arg || !g_strv_contains((const char *const *)name, arg)) {
        g_autofree char *list = g_strjoinv(" ", name);

        error_set(errp, "'%s' is no watchdog; these are: %s", arg, g_strchomp(list));
        return false;
    }
    return do_device(startup, arg, errp);
}

/* ---- the table ---- */

/* clang-format off */
const Option options[] = {
    { NULL, NULL, "Machine" },
    { "machine", "[type=]NAME[,accel=A[:B]][,dump-acpi=DIR][,prop=value]",
      "machine type (help lists them) and its properties; dump-acpi writes the ACPI tables and exits",
      START_CONFIG, do_machine, text_machine },
    { "M", "[type=]NAME[,prop=value]", "short for -machine", START_CONFIG, do_machine, text_machine },
    { "accel", "NAME[,option=value]", "engine that runs the CPUs (help lists them, NAME,help their options); again: next to try",
      START_CONFIG, do_accel, text_accel, .type = &EngineOptions_type },
    { "enable-kvm", NULL, "the same as -machine accel=kvm", START_CONFIG, do_enable_kvm },
    { "cpu", "MODEL[,+feat][,-feat][,feat=on|off]", "CPU model (help lists them)",
      START_MACHINE, do_cpu, text_cpu },
    { "smp", "[cpus=]N[,maxcpus=N][,sockets=N][,dies=N][,clusters=1][,cores=N][,threads=N]",
      "number of CPUs and their topology (1)", START_MACHINE, do_smp, .type = &SMPConfiguration_type, .lists = true },
    { "m", "[size=]SIZE[,slots=N,maxmem=SIZE]",
      "boot memory (128M; M without a suffix), slots for DIMMs, and the most memory there may be (bytes without one)",
      START_MACHINE, do_memory, .type = &MemoryOptions_type },
    { "mem-path", "FILE", "boot memory is this file, or a nameless one in this directory", START_MACHINE, do_mem_path },
    { "mem-prealloc", NULL, "take all pages of memory backends from the host at once", START_CONFIG, do_mem_prealloc },
    { "numa", "node[,nodeid=N][,mem=SIZE|,memdev=ID][,cpus=A[-B]][,initiator=N] | dist,src=N,dst=N,val=N | "
      "cpu,node-id=N[,socket-id=N][,die-id=N][,core-id=N][,thread-id=N] | "
      "hmat-lb,initiator=N,target=N,hierarchy=H,data-type=T,latency=NS|bandwidth=SIZE | "
      "hmat-cache,node-id=N,size=SIZE,level=N,associativity=A,policy=P,line=N",
      "a NUMA node, the distance between two, the node of a CPU, the speed of memory or a cache of it",
      START_MACHINE, do_numa },
    { "device", "TYPE[,id=ID][,prop=value] | JSON", "add a device (help; TYPE,help)",
      START_DEVICE, do_device, text_device },
    { "object", "TYPE,id=ID[,prop=value] | JSON", "make an object, such as a memory backend (help; TYPE,help)",
      START_OBJECT, do_object, text_object },
    { "global", "TYPE.PROP=VALUE | driver=TYPE,property=PROP,value=VALUE",
      "what objects of this type get unless told otherwise", START_CONFIG, option_do_global, .type = &GlobalOptions_type, .lists = true },
    { "rtc", "[base=utc|localtime|DATE][,clock=host|rt|vm][,driftfix=slew|none]", "time in the clock at the start (utc), what it goes by then (host), and whether ticks that the guest missed come later (none)",
      START_CONFIG, .apply = option_apply_rtc, .type = &RtcOptions_type, .lists = true },
    { "audiodev", "none,id=ID | spice,id=ID | wav,id=ID,path=FILE[,out.frequency=HZ][,out.channels=1|2]", "where the sound of devices goes; help lists what there is", START_CONFIG, option_do_audiodev, option_text_audio },
    { "audio", "[driver=]DRIVER[,model=CARD][,id=ID][,...]", "the same with a sound card (none,model=help lists them)", START_CONFIG, option_do_audio, option_text_audio_card },
    { "audio-help", NULL, "print that", START_CONFIG, NULL, option_text_audio },
    { "netdev", "KIND,id=ID[,option=value] | JSON, with KIND user, tap, bridge, stream, dgram, socket or hubport",
      "the host's end of a network, for -device virtio-net-pci,netdev=ID",
      START_NETDEV, .apply = option_apply_netdev, .text = text_netdev, .type = &Netdev_type, .implied_key = "type" },
    { "nic", "none | KIND[,model=CARD][,mac=MAC][,option=value]", "a network card and its -netdev at once",
      START_NIC, option_do_nic, text_card },
    { "net", "none | nic[,model=CARD][,macaddr=MAC] | KIND[,option=value]",
      "a network card, or a netdev, plugged into hub 0", START_DEVICE, option_do_net, text_card },
    { "fsdev", "local,id=ID,path=DIR,security_model=none|passthrough|mapped-xattr|mapped-file[,readonly=on|off]"
      "[,writeout=immediate][,fmode=OCTAL][,dmode=OCTAL][,multidevs=remap|forbid|warn]",
      "a folder of the host, for -device virtio-9p-pci,fsdev=ID,mount_tag=TAG",
      START_NETDEV, .apply = option_apply_fsdev, .type = &FsdevOptions_type, .implied_key = "fsdriver", .lists = true },
    { "virtfs", "local,path=DIR,mount_tag=TAG,security_model=MODEL[,id=ID][,option=value]",
      "the same with its device", START_DEVICE, .apply = option_apply_virtfs, .type = &VirtfsOptions_type, .implied_key = "fsdriver" },
    { "spice", "[port=PORT][,tls-port=PORT][,addr=ADDRESS][,OPTION=VALUE]...",
      "a SPICE server; one that is not known lists the options there are", START_SCREEN, .apply = option_apply_spice, .type = &SpiceOptions_type, .lists = true },
    { "tpmdev", "emulator,id=ID,chardev=ID|passthrough,id=ID[,path=FILE][,cancel-path=FILE]", "a TPM emulator (swtpm) or a TPM of the host, for -device tpm-tis,tpmdev=ID or tpm-crb",
      START_NETDEV, .apply = option_apply_tpmdev, .type = &TpmdevOptions_type, .implied_key = "type", .lists = true },
    { "vga", "std | none", "a graphics card; help lists them", START_CONFIG, option_do_vga, option_text_vga },
    { "vnc", "[HOST]:N[,OPTION=VALUE] | unix:PATH[,OPTION=VALUE] | none[,OPTION=VALUE]",
      "a VNC server on TCP port 5900 + N, or on a socket; options: id, to, ipv4, ipv6, websocket, password, password-secret, share, "
      "connections, display, head, reverse, power-control",
      START_SCREEN, option_do_vnc, .type = &VncOptions_type, .implied_key = "vnc" },
    { "k", "LAYOUT", "accepted: there is no display whose keys it could change", START_CONFIG, option_do_keyboard },
    { "no-hpet", NULL, "as -machine hpet=off", START_MACHINE, do_no_hpet },
    { "usb", NULL, "as -machine usb=on: the board's USB controller", START_MACHINE, option_do_usb },
    { "usbdevice", "keyboard | mouse | tablet", "as -device usb-kbd, usb-mouse, usb-tablet", START_DEVICE, option_do_usbdevice },
    { "no-acpi", NULL, "as -machine acpi=off", START_MACHINE, do_no_acpi },
    { "name", "[guest=]NAME[,debug-threads=on|off]", "name of the guest", START_CONFIG, .apply = apply_name, .type = &NameOptions_type, .implied_key = "guest" },
    { "uuid", "UUID", "UUID of the machine", START_CONFIG, do_uuid },

    { NULL, NULL, "Boot" },
    { "kernel", "FILE", "kernel: bzImage, ELF, multiboot, or EFI application", START_MACHINE, do_kernel },
    { "initrd", "FILE", "initial RAM disk, or multiboot modules", START_MACHINE, do_initrd },
    { "append", "TEXT", "kernel command line", START_MACHINE, do_append },
    { "bios", "FILE", "firmware, such as bios-256k.bin (the default without -kernel) or OVMF.fd",
      START_MACHINE, option_do_bios },
    { "pflash", "FILE", "the next flash, as -drive if=pflash", START_MACHINE, option_do_pflash },
    { "drive", "if=ide|none|virtio|pflash,file=FILE[,id=ID][,format=raw][,readonly=on|off][,unit=0|1][,OPTION=...]",
      "a disk with a device (ide, virtio), or for -device ...,drive=ID (none); flash that ends at 4 GiB (unit 0) or below the other one (unit 1)",
      START_MACHINE, option_do_drive, .type = &DriveOptions_type },
    { "cdrom", "FILE", "a CD in a drive, as -drive index=2,media=cdrom,file=FILE", START_MACHINE, do_cdrom },
    { "fda", "FILE", "a floppy disk in drive A, as -drive if=floppy,index=0,file=FILE", START_MACHINE, option_do_fda },
    { "fdb", "FILE", "a floppy disk in drive B", START_MACHINE, option_do_fdb },
    { "hda", "FILE", "an IDE disk, as -drive index=0,media=disk,file=FILE", START_MACHINE, do_hda },
    { "hdb", "FILE", "the same with index=1", START_MACHINE, do_hdb },
    { "hdc", "FILE", "the same with index=2", START_MACHINE, do_hdc },
    { "hdd", "FILE", "the same with index=3", START_MACHINE, do_hdd },
    { "blockdev", "DRIVER,node-name=N,filename=FILE|file=N[,read-only=on|off][,OPTION=...] | JSON",
      "a block node, for devices and -machine pflash0=N (unit 0) and pflash1=N", START_CONFIG, .apply = option_apply_blockdev, .type = &BlockdevOptions_type, .implied_key = "driver" },
    { "L", "DIR", "look for firmware here, too (help lists all places)", START_CONFIG, option_do_data_dir,
      option_text_data_dirs },

    { "boot", "[order=]LETTERS[,once=LETTERS][,menu=on|off][,strict=on|off][,splash=FILE]"
      "[,splash-time=MS][,reboot-timeout=MS]",
      "what firmware boots from: a floppy disk, c hard disk, d CD-ROM, n network",
      START_MACHINE, option_do_boot, .type = &BootConfiguration_type, .lists = true },
    { "fw_cfg", "[name=]NAME,file=FILE|string=TEXT", "file for firmware and guest (fw_cfg); NAME begins with opt/",
      START_DEVICE, .apply = option_apply_fw_cfg, .type = &FwCfgOptions_type, .implied_key = "name" },
    { "smbios", "type=0|1|2|3|4|8|11|17|41[,field=value] | file=FILE",
      "fields of the SMBIOS tables (docs/fw-cfg.md lists them), or a structure from a file",
      START_MACHINE, option_do_smbios },
    { "no-fd-bootchk", NULL, "do not check the boot signature of a floppy disk", START_MACHINE, do_no_fd_bootchk },

    { NULL, NULL, "Terminal, serial ports, monitors" },
    { "nographic", NULL, "serial port and monitor on the terminal, Ctrl-A C switches (default: there is no window)",
      START_CONFIG, do_nographic },
    { "display", "none | egl-headless | sdl | dbus | vnc=[HOST]:N[,OPTION=VALUE]", "no window; the same, with GL for cards with 3D; a window by SDL; objects on D-Bus; or a VNC server, as by -vnc",
      START_CONFIG, option_do_display, .type = &DisplayOptions_type, .implied_key = "type", .lists = true },
    { "full-screen", NULL, "the window takes all of the screen", START_CONFIG, do_full_screen },
    { "serial", "none|null|[mon:]stdio|pty|file:F|pipe:F|/dev/TTY|unix:P[,server=on]|tcp:H:P[,server=on]|"
                "telnet:H:P|websocket:H:P|udp:H:P|chardev:ID",
      "next serial port", START_PORT, startup_add_serial },
    { "parallel", "none|null|file:F|...", "next parallel port with a printer, arguments as -serial (default: one that prints nowhere)",
      START_PORT, startup_add_parallel },
    { "chardev", "KIND,id=ID[,option=value]",
      "character device for -serial chardev:ID and others (help; KIND,help)",
      START_CHARDEV, do_chardev, text_chardev },
    { "monitor", "none|stdio|unix:...|...", "monitor for people (HMP), arguments as -serial",
      START_PORT, do_monitor },
    { "qmp", "stdio|unix:...|...", "monitor for programs (QMP)", START_PORT, do_qmp },
    { "qmp-pretty", "stdio|unix:...|...", "the same, indented", START_PORT, do_qmp_pretty },
    { "echr", "BYTE", "the escape byte of shared terminals instead of Ctrl-A (1)", START_CONFIG, do_escape_byte },
    { "mon", "[chardev=]ID[,mode=readline|control][,pretty=on|off]", "monitor on a -chardev",
      START_MONITOR, .apply = startup_add_mon, .type = &MonitorOptions_type, .implied_key = "chardev" },
    { "debugcon", "stdio|file:F|...", "debug console at port 0xe9, arguments as -serial",
      START_DEVICE, do_debugcon },

    { NULL, NULL, "Running" },
    { "readconfig", "FILE", "options from FILE: [GROUP \"ID\"], then lines KEY = \"VALUE\"",
      START_CONFIG, .expand = config_file_read },
    { "set", "GROUP.ID.KEY=VALUE", "change an option before this, as in device.dimm0.slot=3",
      START_CONFIG, .expand = option_set },
    { "loadvm", "TAG", "begin with the machine as it was when this snapshot was taken (savevm)", START_CONFIG, do_loadvm },
    { "snapshot", NULL, "what is written to a -drive is gone when the program ends; its image is only read", START_CONFIG, do_snapshot },
    { "S", NULL, "do not start the CPUs: wait for 'cont'", START_CONFIG, do_stopped },
    { "incoming", "URI|defer", "wait for a machine that migrates: fd:NUMBER, exec:COMMAND, unix:PATH, tcp:HOST:PORT, file:PATH[,offset=SIZE]",
      START_CONFIG, do_incoming },
    { "preconfig", NULL, "wait with making the machine for QMP's x-exit-preconfig", START_CONFIG, do_preconfig },
    { "action", "[reboot=reset|shutdown][,shutdown=poweroff|pause][,panic=pause|shutdown|exit-failure|none]"
      "[,watchdog=reset|shutdown|poweroff|pause|debug|none|inject-nmi]",
      "what events in the guest lead to (reset, poweroff, shutdown, reset)", START_CONFIG, do_action },
    { "watchdog", "MODEL", "the same as -device MODEL (help)", START_DEVICE, do_watchdog, text_watchdog },
    { "watchdog-action", "ACTION", "as -action watchdog=ACTION", START_CONFIG, do_watchdog_action },
    { "no-reboot", NULL, "end instead of a reset", START_CONFIG, do_no_reboot },
    { "no-shutdown", NULL, "stop instead of ending when the guest powers off", START_CONFIG, do_no_shutdown },
    { "nodefaults", NULL, "no default serial port, parallel port, monitor, CD drive and network card", START_CONFIG, do_nodefaults },
    { "no-user-config", NULL, "accepted: there are no configuration files", START_CONFIG, do_nothing },
    { "daemonize", NULL, "go to the background when everything is made", START_CONFIG, do_daemonize },
    { "sandbox", "on|off[,obsolete=allow|deny][,elevateprivileges=allow|deny|children]"
      "[,spawn=allow|deny][,resourcecontrol=allow|deny]",
      "refuse system calls that are not needed", START_CONFIG, option_do_sandbox, .type = &SandboxOptions_type },
    { "overcommit", "[mem-lock=on|off][,cpu-pm=on|off]", "lock all memory (off); leave idle states to the guest (off)", START_CONFIG, .apply = option_apply_overcommit, .type = &OvercommitOptions_type, .lists = true },
    { "add-fd", "fd=FD,set=SET[,opaque=TEXT]", "an open descriptor, to be used as file /dev/fdset/SET",
      START_CONFIG, .apply = option_apply_add_fd, .type = &AddFdOptions_type },
    { "msg", "[timestamp=on|off][,guest-name=on|off]", "what messages begin with", START_CONFIG, .apply = option_apply_msg, .type = &MsgOptions_type, .lists = true },
    { "pidfile", "FILE", "write the process id to FILE", START_CONFIG, do_pidfile },

    { NULL, NULL, "Debugging" },
    { "gdb", "tcp::PORT|unix:PATH|stdio|chardev:ID|none",
      "wait for GDB there; the machine runs meanwhile, unless -S is given", START_DEBUGGER, do_gdb },
    { "s", NULL, "as -gdb tcp::1234", START_DEBUGGER, do_gdb_default },
    { "d", "ITEM[,ITEM]", "log these (help lists them)", START_CONFIG, do_log_items, text_log },
    { "D", "FILE", "log to FILE, not to stderr", START_CONFIG, do_log_file },
    { "trace", "[[enable=]PATTERN][,events=FILE][,file=FILE]", "write these trace events to the log (help lists them), or to FILE",
      START_CONFIG, NULL, option_text_trace, .apply = option_apply_trace, .type = &TraceOptions_type, .implied_key = "enable" },
    { "enable-sync-profile", NULL, "count how long threads wait for the machine lock, as HMP's sync-profile on", START_CONFIG, option_do_sync_profile },
    { "seed", "NUMBER", "accepted: nothing is drawn by lot", START_CONFIG, option_do_seed },
    { "compat", "[deprecated-input=accept|reject|crash][,deprecated-output=accept|hide]"
      "[,unstable-input=...][,unstable-output=...]",
      "accepted: nothing of the interface is deprecated or unstable", START_CONFIG, .apply = option_apply_compat, .type = &CompatPolicy_type },
    { "qtest", "unix:...|stdio|...", "drive devices by the qtest protocol (with -accel qtest)",
      START_PORT, do_qtest },
    { "qtest-log", "FILE", "log of that protocol", START_CONFIG, do_qtest_log },
    { "version", NULL, "print the version", START_CONFIG, NULL, text_version },
    { "help", NULL, "print this", START_CONFIG, NULL, text_help },
    { "h", NULL, "print this", START_CONFIG, NULL, text_help },
    { NULL },
};
/* clang-format on */
