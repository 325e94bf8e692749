/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options about firmware: -L, -bios, -pflash, and -drive, of which there is only flash. */
#include <string.h>

#include "block/node.h"
#include "hw/i386/firmware.h"
#include "system/options-more.h"
#include "util/error.h"
#include "util/keyval.h"

bool option_do_data_dir(Startup *startup, const char *arg, GError **errp)
{
    firmware_add_dir(arg);
    return true;
}

char *option_text_data_dirs(const char *what, GError **errp)
{
    return firmware_dirs_text();
}

bool option_do_bios(Startup *startup, const char *arg, GError **errp)
{
    return object_property_parse(OBJECT(startup->machine), "firmware", arg, errp);
}

/* The next unit that is free. */
bool option_do_pflash(Startup *startup, const char *arg, GError **errp)
{
    unsigned unit = startup->machine->flash[0] ? 1 : 0;

    return firmware_add_flash(startup->machine, unit, arg, false, errp);
}

/* ---- -drive ---- */

static bool drive_unit(const DriveOptions *drive, unsigned *unit, GError **errp)
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

static bool add_drive(Startup *startup, const DriveOptions *drive, GError **errp)
{
    unsigned unit = startup->machine->flash[0] ? 1 : 0; /* the next one */

    if (drive->format && strcmp(drive->format, "raw") != 0) {
        error_set(errp, "format=%s is not there: only raw is", drive->format);
        return false;
    }
    return drive_unit(drive, &unit, errp) &&
           firmware_add_flash(startup->machine, unit, drive->file,
                              drive->readonly || drive->read_only, errp);
}

bool option_do_drive(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *json = keyval_or_json_parse(arg, NULL, errp);
    const char *interface = json_object_get_string(json_object_object_get(json, "if"));
    g_autoptr(DriveOptions) drive = NULL;

    /* Before the keys, of which disks have many more. */
    if (json && g_strcmp0(interface, "pflash") != 0) {
        error_set(errp,
                  "there are no disks; the only drive is flash: if=pflash,format=raw,file=FILE");
    } else if (json) {
        drive = DriveOptions_from_json(json, NULL, errp);
    }
    json_object_put(json);
    return drive && add_drive(startup, drive, errp);
}

/* ---- -blockdev ---- */

bool option_apply_blockdev(Startup *startup, const void *parsed, GError **errp)
{
    return block_node_add(parsed, errp) != NULL;
}
