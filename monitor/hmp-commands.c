/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of HMP. Those of `info` are in hmp-info.c.
 */
#include <stdlib.h>
#include <string.h>

#include "chardev/chardev.h"
#include "hw/core/device.h"
#include "hw/core/help.h"
#include "hw/core/machine.h"
#include "hw/i386/cpu.h"
#include "monitor/gdb/gdb.h"
#include "monitor/hmp.h"
#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"
#include "qom/object.h"
#include "qom/user-object.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/log.h"
#include "util/parse.h"

/* ---- commands without arguments ---- */

#define SIMPLE(name)                             \
    static void do_##name(Hmp *hmp, char **argv) \
    {                                            \
        GError *err = NULL;                      \
                                                 \
        qmp_##name(&err);                        \
        hmp_error(hmp, err);                     \
    }

SIMPLE(stop)
SIMPLE(cont)
SIMPLE(quit)
SIMPLE(system_reset)
SIMPLE(system_powerdown)
SIMPLE(system_wakeup)
SIMPLE(inject_nmi)

static void do_help(Hmp *hmp, char **argv)
{
    if (argv[0] && !strcmp(argv[0], "info")) {
        hmp_help(hmp, hmp_info_commands, "info ", argv[1]);
    } else if (argv[1]) {
        hmp_printf(hmp, "Error: `%s` has no subcommands\n", argv[0]);
    } else {
        hmp_help(hmp, hmp_commands, "", argv[0]);
    }
}

static void do_info(Hmp *hmp, char **argv)
{
    if (argv[0]) {
        hmp_run_line(hmp, hmp_info_commands, "info ", argv[0]);
    } else {
        hmp_help(hmp, hmp_info_commands, "info ", NULL);
    }
}

/* ---- objects and devices ---- */

static bool print_help(Hmp *hmp, char *text, GError *err)
{
    if (text) {
        hmp_printf(hmp, "%s", text);
    }
    hmp_error(hmp, err);
    g_free(text);
    return true;
}

/* "help" alone, or after a type: print what -device resp. -object would. True if it was asked. */
static bool asked_for_help(Hmp *hmp, struct json_object *props, const char *type_key,
                           char *(*list)(void), char *(*describe)(const char *, GError **))
{
    const char *type = json_object_get_string(json_object_object_get(props, type_key));
    GError *err = NULL;
    char *text;

    if (type && (!strcmp(type, "help") || !strcmp(type, "?"))) {
        return print_help(hmp, list(), NULL);
    }
    if (type && json_object_object_get_ex(props, "help", NULL)) {
        text = describe(type, &err);
        return print_help(hmp, text, err);
    }
    return false;
}

static void do_object_add(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    struct json_object *props = keyval_or_json_parse(argv[0], "qom-type", &err);

    if (props && !asked_for_help(hmp, props, "qom-type", help_objects, help_object_type)) {
        const char *type = json_object_get_string(json_object_object_get(props, "qom-type"));
        const char *id = json_object_get_string(json_object_object_get(props, "id"));

        if (!type || !id) {
            error_set(&err, "%s is missing; write TYPE,id=ID,...", type ? "id=" : "the type");
        } else {
            user_object_add(type, id, props, &err);
        }
    }
    json_object_put(props);
    hmp_error(hmp, err);
}

static void do_device_add(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    struct json_object *props = keyval_device_parse(argv[0], &err);

    if (props && !asked_for_help(hmp, props, "driver", help_devices, help_device_type)) {
        monitor_device_add(props, &err);
    }
    json_object_put(props);
    hmp_error(hmp, err);
}

static void do_object_del(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_object_del(argv[0], &err);
    hmp_error(hmp, err);
}

/* argv: -c ID SECONDS */
static void do_device_del(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    double seconds = 0;
    char *end;

    if (argv[2]) {
        seconds = g_ascii_strtod(argv[2], &end);
        if (*end) {
            hmp_printf(hmp, "Error: SECONDS: '%s' is not a number\n", argv[2]);
            return;
        }
    }
    qmp_device_del(argv[1], argv[2] != NULL, seconds, argv[0] != NULL, argv[0] != NULL, &err);
    hmp_error(hmp, err);
}

/* ---- character devices and descriptors ---- */

static void do_chardev_add(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    struct json_object *props = keyval_or_json_parse(argv[0], "backend", &err);

    if (props && !asked_for_help(hmp, props, "backend", help_chardevs, help_chardev_backend)) {
        chardev_new_from_opts(argv[0], &err);
    }
    json_object_put(props);
    hmp_error(hmp, err);
}

static void do_chardev_remove(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_chardev_remove(argv[0], &err);
    hmp_error(hmp, err);
}

static void do_chardev_change(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    chardev_change_from_opts(argv[0], argv[1], &err);
    hmp_error(hmp, err);
}

static void do_chardev_send_break(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_chardev_send_break(argv[0], &err);
    hmp_error(hmp, err);
}

static void do_ringbuf_write(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_ringbuf_write(argv[0], argv[1], false, DATA_FORMAT_UTF8, &err);
    hmp_error(hmp, err);
}

/* What would confuse a terminal is printed as an escape of JSON, \u and four digits. */
static void do_ringbuf_read(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    uint64_t size;
    g_autofree char *text = NULL;

    if (!parse_uint(argv[1], INT64_MAX, &size)) {
        hmp_printf(hmp, "Error: SIZE: '%s' is not a number of bytes\n", argv[1]);
        return;
    }
    text = qmp_ringbuf_read(argv[0], (int64_t)size, false, DATA_FORMAT_UTF8, &err);
    for (const char *p = text; p && *p; p++) {
        if (g_ascii_iscntrl(*p) && *p != '\n' && *p != '\t') {
            hmp_printf(hmp, "\\u%04X", *p);
        } else {
            hmp_printf(hmp, "%s%c", *p == '\\' ? "\\" : "", *p);
        }
    }
    if (text) {
        hmp_printf(hmp, "\n");
    }
    hmp_error(hmp, err);
}

static void do_getfd(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_getfd(argv[0], &err);
    hmp_error(hmp, err);
}

static void do_closefd(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_closefd(argv[0], &err);
    hmp_error(hmp, err);
}

/* ---- CPUs and the log ---- */

static void do_gdbserver(Hmp *hmp, char **argv)
{
    const char *device = argv[0] ? argv[0] : GDB_DEFAULT_DEVICE;
    g_autoptr(GError) err = NULL;

    if (!gdb_server_start(device, &err)) {
        hmp_error(hmp, g_steal_pointer(&err));
    } else if (strcmp(device, "none") == 0) {
        hmp_printf(hmp, "There is no server for GDB any more\n");
    } else {
        hmp_printf(hmp, "GDB is waited for on '%s'\n", device);
    }
}

static void do_cpu(Hmp *hmp, char **argv)
{
    const Machine *machine = machine_current();
    unsigned count = machine ? cpu_slots_present(&machine->cpu_slots) : 0;
    uint64_t index;

    if (!g_ascii_string_to_unsigned(argv[0], 10, 0, INT_MAX, &index, NULL) ||
        !x86_cpu_at(machine, (unsigned)index)) {
        hmp_printf(hmp, "Error: INDEX: there is no CPU %s; the machine has %u\n", argv[0], count);
    } else {
        hmp->cpu_index = (int)index;
    }
}

static void do_log(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    if (!strcmp(argv[0], "help")) {
        size_t len;
        char *text = NULL;
        FILE *stream = open_memstream(&text, &len);

        log_items_help(stream);
        fclose(stream);
        hmp_printf(hmp, "%s", text);
        free(text);
    } else {
        log_set_items(argv[0], &err);
        hmp_error(hmp, err);
    }
}

static void do_logfile(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    log_set_file(argv[0], &err);
    hmp_error(hmp, err);
}

/* ---- objects by path ---- */

static void do_qom_list(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    g_autoptr(GPtrArray) list = qmp_qom_list(argv[0] ? argv[0] : "/", &err);

    for (guint i = 0; list && i < list->len; i++) {
        const ObjectPropertyInfo *info = g_ptr_array_index(list, i);

        hmp_printf(hmp, "%s (%s)\n", info->name, info->type);
    }
    hmp_error(hmp, err);
}

static void do_qom_get(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    struct json_object *value = qmp_qom_get(argv[0], argv[1], &err);

    if (!err) {
        hmp_printf(hmp, "%s\n",
                   json_object_to_json_string_ext(value, JSON_C_TO_STRING_PRETTY |
                                                             JSON_C_TO_STRING_SPACED |
                                                             JSON_C_TO_STRING_NOSLASHESCAPE));
    }
    json_object_put(value);
    hmp_error(hmp, err);
}

static void do_qom_set(Hmp *hmp, char **argv)
{
    Object *obj = object_resolve(argv[0], NULL);
    GError *err = NULL;

    if (obj) {
        object_property_parse(obj, argv[1], argv[2], &err);
    } else {
        error_set(&err, "there is no object '%s', or more than one; qom-list shows a path's",
                  argv[0]);
    }
    hmp_error(hmp, err);
}

static void do_boot_set(Hmp *hmp, char **argv)
{
    Machine *machine = machine_current();
    GError *err = NULL;

    if (!machine || !machine_ops(machine)->set_boot_order) {
        error_set(&err, "a machine '%s' boots from no drives; pc and q35 do",
                  machine ? machine_ops(machine)->name : "none");
    } else if (machine_ops(machine)->set_boot_order(machine, argv[0], &err)) {
        hmp_printf(hmp, "boot device list now set to %s\n", argv[0]);
    }
    hmp_error(hmp, err);
}

const HmpCommand hmp_commands[] = {
    { "help|?", "[COMMAND] [SUBCOMMAND]", "list the commands, or describe one", do_help, true },
    { "info", "[SUBCOMMAND...]", "show something; alone, list what", do_info, true },
    { "announce_self", "[CARDS] [NAME]",
      "let network cards, all or those named, separated by commas, say where they are, as after a "
      "migration; NAME ends earlier ones of this name",
      hmp_announce_self },
    { "balloon", "MIB", "ask the guest to give back what is more than this, by its balloon",
      hmp_balloon },
    { "block_job_cancel", "[-f] JOB",
      "end a job; one that is ready ends well, unless with -f, and its disk stays where it is",
      hmp_block_job_cancel },
    { "block_job_complete", "JOB", "let a job that is ready make its last change",
      hmp_block_job_complete },
    { "block_job_pause", "JOB", "let a job wait", hmp_block_job_pause },
    { "block_job_resume", "JOB", "let a job go on", hmp_block_job_resume },
    { "block_job_set_speed", "JOB SPEED",
      "let a job copy at most this much a second, a number alone is MiB; 0: no limit",
      hmp_block_job_set_speed },
    { "block_resize", "DRIVE SIZE", "let a drive have this size; a number alone is MiB",
      hmp_block_resize },
    { "block_set_io_throttle", "DRIVE BPS BPS_RD BPS_WR IOPS IOPS_RD IOPS_WR",
      "let a drive have these limits a second, of bytes and of operations; 0: none",
      hmp_block_set_io_throttle },
    { "block_stream", "DRIVE [SPEED] [FILE]",
      "let an image have what its backing files have; down to FILE, which stays",
      hmp_block_stream },
    { "boot_set", "DRIVES",
      "boot from these drives, in this order: a (floppy disk), c (hard disk), d (CD-ROM), n "
      "(network)",
      do_boot_set },
    { "calc_dirty_rate", "[-r] [-b] SECONDS [PAGES]",
      "measure how fast the guest writes to its memory, by so many pages of a GiB; -r: by those "
      "that each CPU changes; -b: by all that are changed (info dirty_rate)",
      hmp_calc_dirty_rate },
    { "cancel_vcpu_dirty_limit", "[CPU]",
      "let a CPU, or all, change memory as fast as it can (set_vcpu_dirty_limit)",
      hmp_cancel_vcpu_dirty_limit },
    { "change", "DRIVE FILE [FORMAT] [MODE]",
      "put another medium into a drive: its tray opens, and is closed again; MODE: retain, "
      "read-only; or \"vnc password TEXT\"",
      hmp_change },
    { "chardev-add", "CHARDEV-TYPE,id=ID[,OPTION=VALUE]...",
      "make a character device; `help` in place of the type lists types, TYPE,help its options",
      do_chardev_add },
    { "chardev-change", "CHARDEV CHARDEV-TYPE[,OPTION=VALUE]...",
      "give the user of a character device another backend", do_chardev_change },
    { "chardev-remove", "CHARDEV", "remove a character device that nothing uses",
      do_chardev_remove },
    { "chardev-send-break", "CHARDEV", "send a break to the user of a character device",
      do_chardev_send_break },
    { "client_migrate_info", "PROTOCOL HOST [PORT [TLS-PORT [CERT-SUBJECT]]]",
      "tell clients of the SPICE server where the machine will go; PROTOCOL: spice",
      hmp_client_migrate_info },
    { "closefd", "NAME", "close a file descriptor that getfd named", do_closefd },
    { "commit", "DRIVE|all",
      "write what an image has, or each of them, to its backing file, and let it be empty; nothing "
      "else is done meanwhile",
      hmp_commit },
    { "cont|c", NULL, "let the machine run", do_cont },
    { "cpu", "INDEX", "choose the CPU that registers and addresses are of", do_cpu },
    { "device_add", "DEVICE-TYPE[,id=ID][,PROPERTY=VALUE]...",
      "plug a device; `help` in place of the type lists types, TYPE,help its properties",
      do_device_add },
    { "delvm", "TAG", "delete a snapshot", hmp_delvm },
    { "device_del", "[-c] DEVICE [SECONDS]",
      "ask the guest to give a device back, for some SECONDS at most; -c: withdraw that",
      do_device_del },
    { "drive_add", "[-n] SLOT OPTIONS...",
      "make a drive for device_add, as -drive if=none does; SLOT is not looked at; -n: a block "
      "node, "
      "as -blockdev does",
      hmp_drive_add },
    { "drive_del", "DRIVE",
      "take a drive, and what it holds, away; requests of a device that has it fail from now on",
      hmp_drive_del },
    { "dumpdtb", "FILE", "write the machine's device tree to a file; a PC has none", hmp_dumpdtb },
    { "dump-guest-memory", "[-p] [-d] [-z] [-l] [-s] [-w] FILE [BEGIN] [LENGTH]",
      "write the guest's memory, or LENGTH bytes of it, to an ELF core file; -p: with linear "
      "addresses; -d: in the background; -z, -l, -s: in a kdump format, compressed by zlib, LZO or "
      "Snappy; -w: for Windows (not there)",
      hmp_dump_guest_memory },
    { "drive_backup", "[-n] [-f] [-c] DRIVE FILE [FORMAT]",
      "copy a disk, as it is now, to a file; -n: the file is there; -f: backing files, too; -c: "
      "compressed",
      hmp_drive_backup },
    { "drive_mirror", "[-n] [-f] DRIVE FILE [FORMAT]",
      "copy a disk to a file, and keep that the same; -n: the file is there; -f: backing files, "
      "too",
      hmp_drive_mirror },
    { "exit_preconfig", NULL, "make the machine, which waits for that after -preconfig",
      hmp_exit_preconfig, true },
    { "expire_password", "PROTOCOL TIME",
      "say when the password of the VNC server ends: now, never, seconds since 1970, or +SECONDS; "
      "PROTOCOL: vnc",
      hmp_expire_password },
    { "eject", "[-f] DRIVE",
      "open the tray of a drive, and take its medium out; -f: also if the guest has locked it",
      hmp_eject },
    { "gdbserver", "[DEVICE]",
      "wait for GDB on a device, as -gdb does (tcp::1234 if it is left out); none: no more",
      do_gdbserver },
    { "getfd", "NAME", "name the file descriptor that was passed with this command", do_getfd },
    { "gpa2hpa", "ADDRESS...", "the host's physical address of a guest-physical address",
      hmp_gpa2hpa },
    { "gpa2hva", "ADDRESS...", "the address in this program of a guest-physical address",
      hmp_gpa2hva },
    { "gva2gpa", "ADDRESS...", "the guest-physical address of a linear address", hmp_gva2gpa },
    { "hostfwd_add", "NETDEV [FORWARD]",
      "let a port of the host lead to the guest: [tcp|udp]:[ADDR]:PORT-[ADDR]:PORT, alone if there "
      "is only one netdev of kind user",
      hmp_hostfwd_add },
    { "hostfwd_remove", "NETDEV [FORWARD]", "undo that: [tcp|udp]:[ADDR]:PORT",
      hmp_hostfwd_remove },
    { "i", "[/FMT] PORT [INDEX]", "read a port, after writing INDEX to the one before",
      hmp_port_in },
    { "loadvm", "TAG", "let the machine be as it was when a snapshot was taken", hmp_loadvm },
    { "log", "ITEMS", "log these things (-d), separated by commas; help lists them", do_log, true },
    { "logfile", "FILE", "write the log to a file (-D)", do_logfile, true },
    { "mce", "[-b] CPU BANK STATUS MCGSTATUS ADDRESS MISC",
      "let a CPU, or with -b all, see a machine check; there are no banks for it", hmp_mce },
    { "memory", "WHAT SIZE [SECONDS]",
      "target: bring the guest's memory to this size, a number alone being MiB, in some SECONDS "
      "at most; cancel in place of SIZE: end that",
      hmp_memory },
    { "memsave", "ADDRESS SIZE FILE", "write guest memory to a file, by linear address",
      hmp_memsave },
    { "migrate", "[-d] [-r] URI",
      "move the machine to exec:COMMAND, fd:NAME, unix:PATH, tcp:HOST:PORT or "
      "file:PATH[,offset=SIZE]; -d: accepted, as it is never waited for; -r: go on with one that "
      "is in postcopy-paused",
      hmp_migrate },
    { "migrate_cancel", NULL, "end a migration that is under way", hmp_migrate_cancel },
    { "migrate_continue", "STATE", "let a migration go on that waits in pre-switchover",
      hmp_migrate_continue },
    { "migrate_incoming", "URI", "wait for a machine, after -incoming defer",
      hmp_migrate_incoming },
    { "migrate_pause", NULL, "break the connection of a migration in postcopy", hmp_migrate_pause },
    { "migrate_recover", "URI", "wait for the other end of a migration in postcopy-paused",
      hmp_migrate_recover },
    { "migrate_set_capability", "CAPABILITY SWITCH",
      "turn a part of migration on or off (info migrate_capabilities lists them)",
      hmp_migrate_set_capability },
    { "migrate_set_parameter", "PARAMETER VALUE",
      "say how a migration is done (info migrate_parameters lists what there is)",
      hmp_migrate_set_parameter },
    { "migrate_start_postcopy", NULL, "let the machine go on at the other end, its memory follows",
      hmp_migrate_start_postcopy },
    { "mouse_button", "BUTTONS",
      "press buttons of the mouse, the sum of 1 (left), 2 (middle) and 4 (right), and release the "
      "others",
      hmp_mouse_button },
    { "mouse_move", "X Y [WHEEL]",
      "move the mouse, to the right and down, and turn its wheel down; less than 0: the other way",
      hmp_mouse_move },
    { "mouse_set", "INDEX", "let a mouse of `info mice` get what the user does", hmp_mouse_set },
    { "nbd_server_add", "[-w] DEVICE [NAME]",
      "export a drive, or a node, by the NBD server; -w: clients may write to it",
      hmp_nbd_server_add },
    { "nbd_server_remove", "[-f] NAME", "end that; -f: also if clients use it",
      hmp_nbd_server_remove },
    { "nbd_server_start", "[-a] [-w] WHERE",
      "start the NBD server at HOST:PORT, or unix:PATH; -a: export all drives; -w: to be written, "
      "too",
      hmp_nbd_server_start },
    { "nbd_server_stop", NULL, "stop the NBD server, and with it all exports",
      hmp_nbd_server_stop },
    { "netdev_add", "NETDEV-TYPE,id=ID[,OPTION=VALUE]...",
      "make the host's end of a network, as -netdev does", hmp_netdev_add, true },
    { "netdev_del", "NETDEV", "take that away; a card that uses it loses its link", hmp_netdev_del,
      true },
    { "nmi", NULL, "send a non-maskable interrupt to every CPU", do_inject_nmi },
    { "o", "[/FMT] PORT VALUE", "write to a port", hmp_port_out },
    { "object_add", "OBJECT-TYPE,id=ID[,PROPERTY=VALUE]...",
      "make an object; `help` in place of the type lists types, TYPE,help its properties",
      do_object_add },
    { "object_del", "OBJECT", "delete an object that nothing uses", do_object_del },
    { "pcie_aer_inject_error", "[-a] [-c] DEVICE ERROR [TLP...]",
      "let a PCI Express device report an error; none can (no AER)", hmp_pcie_aer_inject_error },
    { "pmemsave", "ADDRESS SIZE FILE", "write guest memory to a file, by guest-physical address",
      hmp_pmemsave },
    { "print|p", "[/FMT] EXPRESSION...", "evaluate an expression, for example $rip + 0x10",
      hmp_print },
    { "qom-get", "PATH PROPERTY", "print a property", do_qom_get, true },
    { "qom-list", "[PATH]", "list the properties and children of an object", do_qom_list, true },
    { "qom-set", "PATH PROPERTY VALUE...", "set a property", do_qom_set, true },
    { "qemu-io", "[-d] DRIVE COMMAND",
      "let a drive, or with -d the device of that id, do something for a test; COMMAND is one "
      "argument, in quotes: help lists them",
      hmp_io },
    { "quit|q", NULL, "end the program", do_quit, true },
    { "replay_break", "ICOUNT", "stop a recording at an instruction; there are no recordings",
      hmp_replay_break },
    { "replay_delete_break", NULL, "do not stop there", hmp_replay_delete_break },
    { "replay_seek", "ICOUNT", "play a recording up to an instruction; there are no recordings",
      hmp_replay_seek },
    { "ringbuf_read", "CHARDEV SIZE", "take the oldest bytes out of a ring buffer",
      do_ringbuf_read },
    { "ringbuf_write", "CHARDEV DATA", "put data into a ring buffer", do_ringbuf_write },
    { "savevm", "[TAG]", "take a snapshot of the machine and its disks, which are qcow2",
      hmp_savevm },
    { "screendump", "FILE [DEVICE|-f] [HEAD|FORMAT] [DEVICE] [HEAD]",
      "write the picture of a screen to a file, as ppm or, with -f png, PNG", hmp_screendump },
    { "sendkey", "KEYS [MILLISECONDS]",
      "press keys, such as ctrl-alt-f1, together, and release them after some MILLISECONDS",
      hmp_sendkey },
    { "set_password", "PROTOCOL PASSWORD [CONNECTED]",
      "set the password of the VNC or SPICE server; PROTOCOL: vnc, spice; CONNECTED: keep, fail, "
      "disconnect",
      hmp_set_password },
    { "set_link", "NAME SWITCH",
      "put the cable of a netdev or network card in (on), or pull it out (off)", hmp_set_link },
    { "set_vcpu_dirty_limit", "RATE [CPU]",
      "let a CPU, or all there are, change no more than so many MiB of memory a second (info "
      "vcpu_dirty_limit)",
      hmp_set_vcpu_dirty_limit },
    { "singlestep", "[SWITCH]", "let the engine stop after each instruction; it cannot (off)",
      hmp_singlestep },
    { "snapshot_blkdev", "[-n] DRIVE [FILE] [FORMAT]",
      "let what is written to a drive from now on go to a new image; -n: one that is there",
      hmp_snapshot_blkdev },
    { "snapshot_blkdev_internal", "DRIVE NAME", "take a snapshot of a disk within its image",
      hmp_snapshot_blkdev_internal },
    { "snapshot_delete_blkdev_internal", "DRIVE NAME [ID]", "delete that",
      hmp_snapshot_delete_blkdev_internal },
    { "stop|s", NULL, "stop the machine", do_stop },
    { "stopcapture", "NUMBER", "end a copy of sound that info capture lists", hmp_stopcapture },
    { "sum", "ADDRESS SIZE", "the 16-bit sum of guest-physical memory, as sum(1) prints it",
      hmp_sum },
    { "sync-profile", "[WHAT]",
      "count how long threads wait for the machine lock (on), no more (off), from 0 (reset); "
      "alone: "
      "whether they are counted",
      hmp_sync_profile },
    { "system_powerdown", NULL, "press the power button", do_system_powerdown },
    { "system_reset", NULL, "reset the machine", do_system_reset },
    { "system_wakeup", NULL, "wake the guest from a suspension", do_system_wakeup },
    { "trace-event", "EVENT SWITCH [VCPU]",
      "write trace events to the log (on), or not any more (off); EVENT may have * and ?",
      hmp_trace_event, true },
    { "watchdog_action", "ACTION", "what a watchdog that fires does", hmp_watchdog_action },
    { "wavcapture", "FILE AUDIODEV [FREQUENCY] [BITS] [CHANNELS]",
      "copy what an audiodev sounds like to a WAVE file (44100 16 2)", hmp_wavcapture },
    { "x", "[/FMT] ADDRESS...", "print guest memory, by linear address", hmp_x },
    { "xp", "[/FMT] ADDRESS...", "print guest memory, by guest-physical address", hmp_xp },
    { "x_colo_lost_heartbeat", NULL,
      "say that the other of two machines that do the same has gone; there are no two",
      hmp_colo_lost_heartbeat },
    { NULL },
};
