/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -fda, -fdb, -drive if=floppy: floppy disks, with their drives. */
#include <string.h>

#include "block/drive.h"
#include "hw/floppy/fdc.h"
#include "system/options-more.h"
#include "util/error.h"
#include "util/keyval.h"

static bool find_unit(const Startup *startup, const DriveOptions *drive, unsigned *unit,
                      GError **errp)
{
    *unit = drive->has_index ? drive->index : drive->unit;
    while (!drive->has_index && !drive->has_unit && *unit < FDC_DRIVES &&
           startup->floppies[*unit]) {
        ++*unit;
    }
    if (!machine_ops(startup->machine)->floppy_drives) {
        error_set(errp, "this machine has no floppy drives");
    } else if (drive->has_index && drive->has_unit) {
        error_set(errp, "index= says the same as unit=: give one of them");
    } else if (drive->has_bus && drive->bus) {
        error_set(errp, "bus=%u: there is one controller of floppy drives, bus=0", drive->bus);
    } else if (*unit >= FDC_DRIVES) {
        error_set(errp, "there are two floppy drives, index=0 and index=1");
    } else if (startup->floppies[*unit]) {
        error_set(errp, "index=%u: floppy drive '%s' is there", *unit, startup->floppies[*unit]);
    } else {
        return true;
    }
    return false;
}

bool option_add_floppy(Startup *startup, const DriveArg *arg, GError **errp)
{
    DriveOptions *drive = arg->options;
    const BlockBackend *backend;
    unsigned unit;

    if (!find_unit(startup, drive, &unit, errp)) {
        return false;
    }
    if (!drive->id) {
        drive->id = g_strdup_printf("floppy%u", unit);
    }
    drive->has_index = drive->has_unit = drive->has_bus = false;
    backend = drive_new(arg, startup->snapshot, errp);
    if (backend) {
        startup->floppies[unit] = g_strdup(backend->name);
    }
    return backend;
}

static bool do_fd(Startup *startup, unsigned index, const char *file, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(file, ",", -1);
    g_autofree char *name = g_strjoinv(",,", parts);
    g_autofree char *text = g_strdup_printf("if=floppy,index=%u,file=%s", index, name);

    return option_do_drive(startup, text, errp);
}

bool option_do_fda(Startup *startup, const char *arg, GError **errp)
{
    return do_fd(startup, 0, arg, errp);
}

bool option_do_fdb(Startup *startup, const char *arg, GError **errp)
{
    return do_fd(startup, 1, arg, errp);
}

/* Drive A, without a disk, where users find one; also beside a drive B. */
static bool add_default(Startup *startup, GError **errp)
{
    static const char *const types[] = { TYPE_ISA_FDC, TYPE_FLOPPY, NULL };

    if (startup->no_defaults || !fdc_find() || startup->floppies[0] ||
        startup_names_device(startup, types)) {
        return true;
    }
    return option_do_drive(startup, "if=floppy,index=0", errp);
}

static bool add_drive(unsigned unit, const char *name, GError **errp)
{
    Device *dev;
    g_autofree char *number = g_strdup_printf("%u", unit);

    if (!fdc_find() && !fdc_create(errp)) {
        return false;
    }
    dev = device_new_onboard(TYPE_FLOPPY);
    return object_property_parse(OBJECT(dev), "drive", name, errp) &&
           object_property_parse(OBJECT(dev), "unit", number, errp) && device_realize(dev, errp);
}

bool option_add_floppies(Startup *startup, GError **errp)
{
    if (!add_default(startup, errp)) {
        return false;
    }
    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        if (startup->floppies[i] && !add_drive(i, startup->floppies[i], errp)) {
            g_prefix_error(errp, "-drive if=floppy: ");
            return false;
        }
    }
    return true;
}
