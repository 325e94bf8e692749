/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -drive and -blockdev: what disks and flash hold. */
#include <string.h>

#include "block/drive.h"
#include "hw/i386/firmware.h"
#include "system/options-more.h"
#include "util/error.h"

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
        drive->has_rerror || drive->has_werror || drive->snapshot) {
        error_set(errp, "flash has if, file, format, unit, readonly and id, and no 'cache', 'aio', "
                        "'discard', 'detect-zeroes', 'rerror', 'werror' or 'snapshot'");
        return false;
    }
    return flash_unit(drive, &unit, errp) &&
           firmware_add_flash(startup->machine, unit, drive->file,
                              drive->readonly || drive->read_only, errp);
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

bool option_do_drive(Startup *startup, const char *arg, GError **errp)
{
    g_autoptr(DriveArg) drive = drive_parse(arg, errp);

    return drive &&
           (drive->options->q_if == DRIVE_INTERFACE_PFLASH ? add_flash(startup, drive, errp)
                                                           : add_disk(startup, drive, errp));
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
