/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options of the interface for what this machine has not: those that tools give to every machine,
 * and that change nothing; and those that are refused at once, with what there is instead.
 */
#include <stdio.h>
#include <string.h>

#include "qapi/qapi-types.h"
#include "system/options-more.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/parse.h"

/* ---- taken, with nothing to change ---- */

bool option_do_keyboard(Startup *startup, const char *arg, GError **errp)
{
    return true; /* there is no display whose keys could mean something else */
}

bool option_do_seed(Startup *startup, const char *arg, GError **errp)
{
    uint64_t seed;

    if (!parse_uint(arg, UINT64_MAX, &seed)) {
        error_set(errp, "'%s' is not right: give a number", arg);
        return false;
    }
    return true; /* nothing that a guest gets is drawn by lot */
}

/* Nothing of the interface is deprecated or unstable, so that each policy holds. */
bool option_apply_compat(Startup *startup, const void *parsed, GError **errp)
{
    return true;
}

/* ---- refused ---- */

static const struct RefusedOption {
    const char *name;
    const char *why;
} refused[] = {
    { "acpitable", "the machine makes its ACPI tables, and none can be added yet" },
    { "async-teardown", "memory is given back when the program ends, not later; leave it out" },
    { "chroot",
      "the program stays in the file system that it was started in; use -sandbox on, or start "
      "it by chroot(8)" },
    { "dfilter", "logs cannot be limited to addresses; -d help lists what can be logged" },
    { "dtb", "a PC has no device tree; its ACPI tables say what is there" },
    { "dump-vmstate", "scripts/state-dump.py describes a saved machine" },
    { "icount",
      "time does not follow the number of instructions; with -accel qtest it goes on only when "
      "a test says so" },
    { "iscsi", "there is no iSCSI client; let the host log in, and give -drive its block device" },
    { "mtdblock", "there is no flash of this kind; -drive if=pflash is there" },
    { "only-migratable", "every device can be migrated; leave it out" },
    { "option-rom", "option ROMs cannot be added yet" },
    { "plugin", "there are no plugins; -d help lists what can be logged" },
    { "portrait", "there is no graphical display that could be turned" },
    { "rotate", "there is no graphical display that could be turned" },
    { "runas", "the program stays the user that started it; start it as the right one" },
    { "sd",
      "no machine here has a slot for SD cards of its own; use -drive if=none,id=ID,file=FILE, and "
      "-device sdhci-pci -device sd-card,drive=ID" },
    { "singlestep",
      "instructions are not traced one by one this way; -d help lists what can be logged" },
    { "win2k-hack", "there are no IDE disks yet, so none to be slowed down" },
    { "xen-attach", "there is no Xen; use -accel kvm" },
    { "xen-domid", "there is no Xen; use -accel kvm" },
    { "xen-domid-restrict", "there is no Xen; use -accel kvm" },
    /* What older versions of the interface had. */
    { "alt-grab", "it was replaced: use -display sdl,grab-mod=lshift-lctrl-lalt" },
    { "balloon", "it was replaced: use -device virtio-balloon" },
    { "ctrl-grab", "it was replaced: use -display sdl,grab-mod=rctrl" },
    { "curses", "screens are not shown on terminals; use -nographic" },
    { "enable-fips", "passwords are not hashed here; leave it out" },
    { "enable-hax", "HAXM is not for this host; use -accel kvm" },
    { "no-frame", "it was removed; -full-screen has no frame" },
    { "no-kvm", "it was replaced by -accel: use -accel soft" },
    { "no-kvm-irqchip", "it was replaced: use -accel kvm,kernel-irqchip=off" },
    { "no-kvm-pit-reinjection", "lost ticks are not repeated in any case; leave it out" },
    { "no-quit", "it was replaced: use -display sdl,window-close=off" },
    { "nodefconfig",
      "it was replaced by -no-user-config; no configuration file is read in any case" },
    { "realtime", "it was replaced by -overcommit mem-lock=on" },
    { "sdl", "it was replaced: use -display sdl" },
    { "show-cursor", "it was replaced: use -display sdl,show-cursor=on" },
    { "soundhw",
      "it was removed: a sound card is a device, as in -device ich9-intel-hda -device hda-duplex" },
    { "tb-size", "it was replaced by -accel; the software CPU sizes its caches itself" },
    { "writeconfig", "it was removed; -readconfig reads a file that was written by hand" },
};

const char *cmdline_refused(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        if (strcmp(refused[i].name, name) == 0) {
            return refused[i].why;
        }
    }
    return NULL;
}
