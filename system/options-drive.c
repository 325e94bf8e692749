/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -drive and -blockdev: what disks and flash hold. */
#include <string.h>

#include "block/drive.h"
#include "hw/i386/firmware.h"
#include "system/options-more.h"
#include "util/error.h"
#include "util/keyval.h"

/* ---- flash ---- */

static bool flash_unit(const DriveOptions *drive, unsigned *unit, GError **errp)
{
    uint32_t given = drive->has_unit ? drive->unit : drive->index;

    if (drive->has_unit && drive->has_index) {
        error_set(errp, "unit= and index= are the same for flash: use unit=");
        return false;
    }
    if (given >= MAX_FLASH) {
        error_set(errp, "unit=%u is not right: flash has units 0 and 1", given);
        return false;
    }
    *unit = drive->has_unit || drive->has_index ? given : *unit;
    return true;
}

static bool add_flash(Startup *startup, const DriveArg *arg, GError **errp)
{
    const DriveOptions *drive = arg->options;
    unsigned unit = startup->machine->flash[0] ? 1 : 0; /* the next one */

    if (drive->format && strcmp(drive->format, "raw") != 0) {
        error_set(errp, "format=%s is not there for flash: only raw is", drive->format);
        return false;
    }
    if (!drive->file) {
        error_set(errp, "file= is missing: what the flash holds");
        return false;
    }
    if (json_object_object_length(arg->node) > 0) {
        error_set(errp,
                  "file= of flash is the name of a file: options of block nodes are for disks");
        return false;
    }
    if (drive->has_cache || drive->has_aio || drive->has_discard || drive->has_detect_zeroes ||
        drive->has_rerror || drive->has_werror || drive->snapshot || drive->has_bus) {
        error_set(errp, "flash has if, file, format, unit, readonly and id, and no 'bus', 'cache', "
                        "'aio', 'discard', 'detect-zeroes', 'rerror', 'werror' or 'snapshot'");
        return false;
    }
    return flash_unit(drive, &unit, errp) &&
           firmware_add_flash(startup->machine, unit, drive->file,
                              drive->readonly || drive->read_only, errp);
}

/* ---- IDE ---- */

static void free_ide_drive(void *opaque)
{
    IdeDrive *drive = opaque;

    if (drive) {
        g_free(drive->name);
        g_free(drive);
    }
}

/* Those of the board, made when they are first asked for. */
static GPtrArray *ide_places(Startup *startup)
{
    const MachineOps *ops = machine_ops(startup->machine);

    if (!startup->ide_drives) {
        startup->ide_drives = g_ptr_array_new_with_free_func(free_ide_drive);
        g_ptr_array_set_size(startup->ide_drives, (gint)(ops->ide_buses * ops->ide_units));
    }
    return startup->ide_drives;
}

/* Where @drive goes among the places of the board. */
static bool find_place(Startup *startup, const DriveOptions *drive, unsigned *place, GError **errp)
{
    const MachineOps *ops = machine_ops(startup->machine);
    GPtrArray *taken = ide_places(startup);

    *place = drive->has_index ? drive->index : drive->bus * MAX(ops->ide_units, 1) + drive->unit;
    while (!drive->has_index && !drive->has_unit && *place < taken->len && taken->pdata[*place]) {
        ++*place;
    }
    if (!taken->len) {
        error_set(errp, "if=ide, as without if=: this machine has no IDE bus; if= may be none, "
                        "virtio or pflash");
    } else if (drive->has_index && (drive->has_bus || drive->has_unit)) {
        error_set(errp, "index= says the same as bus= and unit=: give one of them");
    } else if (drive->has_unit && drive->unit >= ops->ide_units) {
        error_set(errp, "unit=%u: an IDE bus of this machine has %s", drive->unit,
                  ops->ide_units > 1 ? "units 0 and 1" : "unit 0 only");
    } else if (*place >= taken->len || drive->bus >= ops->ide_buses) {
        error_set(errp,
                  "this machine has %u places for IDE drives, index=0 to %u, on buses 0 to %u",
                  taken->len, taken->len - 1, ops->ide_buses - 1);
    } else if (taken->pdata[*place]) {
        error_set(errp, "bus=%u, unit=%u: drive '%s' is there", *place / ops->ide_units,
                  *place % ops->ide_units, ((const IdeDrive *)taken->pdata[*place])->name);
    } else {
        return true;
    }
    return false;
}

static bool add_ide(Startup *startup, const DriveArg *arg, GError **errp)
{
    const MachineOps *ops = machine_ops(startup->machine);
    DriveOptions *drive = arg->options;
    bool cd = drive->has_media && drive->media == DRIVE_MEDIA_CDROM;
    const BlockBackend *backend;
    IdeDrive *there;
    unsigned place;

    if (!find_place(startup, drive, &place, errp)) {
        return false;
    }
    if (!drive->id) {
        drive->id = g_strdup_printf("ide%u-%s%u", place / ops->ide_units, cd ? "cd" : "hd",
                                    place % ops->ide_units);
    }
    drive->has_index = drive->has_unit = drive->has_bus = false;
    backend = drive_new(arg, startup->snapshot, errp);
    if (backend) {
        there = g_new(IdeDrive, 1);
        *there = (IdeDrive){ g_strdup(backend->name), cd };
        startup->ide_drives->pdata[place] = there;
    }
    return backend;
}

static bool add_ide_device(const IdeDrive *drive, unsigned bus, unsigned unit, GError **errp)
{
    Device *dev = device_new_onboard(drive->cd ? "ide-cd" : "ide-hd");
    g_autofree char *bus_name = g_strdup_printf("ide.%u", bus);
    g_autofree char *number = g_strdup_printf("%u", unit);

    return object_property_parse(OBJECT(dev), "drive", drive->name, errp) &&
           object_property_parse(OBJECT(dev), "bus", bus_name, errp) &&
           object_property_parse(OBJECT(dev), "unit", number, errp) && device_realize(dev, errp);
}

/* Is there a -device that is a disk or a CD drive by itself? Then the user says where CDs go. */
static bool names_drives(const Startup *startup)
{
    static const char *const types[] = { "ide-cd", "ide-hd", "scsi-cd", "scsi-hd", NULL };
    bool found = false;

    for (unsigned i = 0; i < startup->uses->len && !found; i++) {
        const OptionUse *use = &g_array_index(startup->uses, OptionUse, i);

        if (strcmp(use->option->name, "device") == 0) {
            struct json_object *props = keyval_device_parse(use->arg, NULL);
            const char *type = props ? keyval_get_text(props, "driver") : NULL;

            found = type && g_strv_contains(types, type);
            json_object_put(props);
        }
    }
    return found;
}

/* A CD drive, without a medium, where users find one. */
static bool add_default_cd(Startup *startup, GError **errp)
{
    enum { PLACE = 2 };
    const GPtrArray *places = ide_places(startup);

    if (startup->no_defaults || places->len <= PLACE || places->pdata[PLACE] ||
        names_drives(startup)) {
        return true;
    }
    return option_do_drive(startup, "if=ide,index=2,media=cdrom", errp);
}

bool option_add_ide_drives(Startup *startup, GError **errp)
{
    unsigned units = machine_ops(startup->machine)->ide_units;

    if (!add_default_cd(startup, errp)) {
        return false;
    }
    for (unsigned i = 0; i < startup->ide_drives->len; i++) {
        const IdeDrive *drive = startup->ide_drives->pdata[i];

        if (drive && !add_ide_device(drive, i / units, i % units, errp)) {
            g_prefix_error(errp, "-drive if=ide: ");
            return false;
        }
    }
    return true;
}

bool option_do_hd(Startup *startup, unsigned index, const char *media, const char *file,
                  GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(file, ",", -1);
    g_autofree char *name = g_strjoinv(",,", parts);
    g_autofree char *text = g_strdup_printf("index=%u,media=%s,file=%s", index, media, name);

    return option_do_drive(startup, text, errp);
}

/* ---- disks ---- */

static bool add_disk(Startup *startup, const DriveArg *arg, GError **errp)
{
    const BlockBackend *backend = drive_new(arg, startup->snapshot, errp);

    if (!backend) {
        return false;
    }
    if (arg->options->q_if == DRIVE_INTERFACE_VIRTIO) {
        if (!startup->virtio_drives) {
            startup->virtio_drives = g_ptr_array_new_with_free_func(g_free);
        }
        g_ptr_array_add(startup->virtio_drives, g_strdup(backend->name));
    }
    return true;
}

static bool refuse_scsi(Startup *startup, const DriveArg *arg, GError **errp)
{
    error_set(errp, "if=scsi: no machine here has a SCSI controller of its own; use if=none,id=ID, "
                    "and -device virtio-scsi-pci -device scsi-hd,drive=ID (scsi-cd for a CD)");
    return false;
}

static bool refuse_sd(Startup *startup, const DriveArg *arg, GError **errp)
{
    error_set(errp, "if=sd: no machine here has a slot for SD cards of its own; use if=none,id=ID, "
                    "and -device sdhci-pci -device sd-card,drive=ID");
    return false;
}

bool option_do_drive(Startup *startup, const char *arg, GError **errp)
{
    g_autoptr(DriveArg) drive = drive_parse(arg, errp);

    static bool (*const adders[])(Startup *, const DriveArg *, GError **) = {
        [DRIVE_INTERFACE_IDE] = add_ide,      [DRIVE_INTERFACE_NONE] = add_disk,
        [DRIVE_INTERFACE_VIRTIO] = add_disk,  [DRIVE_INTERFACE_PFLASH] = add_flash,
        [DRIVE_INTERFACE_SCSI] = refuse_scsi, [DRIVE_INTERFACE_FLOPPY] = option_add_floppy,
        [DRIVE_INTERFACE_SD] = refuse_sd,
    };

    return drive && adders[drive->options->q_if](startup, drive, errp);
}

bool option_add_drives(Startup *startup, GError **errp)
{
    for (unsigned i = 0; startup->virtio_drives && i < startup->virtio_drives->len; i++) {
        struct json_object *props = json_object_new_object();
        bool ok;

        json_object_object_add(props, "driver", json_object_new_string("virtio-blk-pci"));
        json_object_object_add(props, "drive",
                               json_object_new_string(startup->virtio_drives->pdata[i]));
        ok = device_add(props, errp) != NULL;
        json_object_put(props);
        if (!ok) {
            g_prefix_error(errp, "-drive if=virtio: ");
            return false;
        }
    }
    return true;
}

/* ---- -blockdev ---- */

bool option_apply_blockdev(Startup *startup, const void *parsed, GError **errp)
{
    return block_node_add(parsed, errp) != NULL;
}
