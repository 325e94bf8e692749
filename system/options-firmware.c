/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options about firmware: -L, -bios, -pflash, and -drive, of which there is only flash. */
#include <string.h>

#include "hw/block/block-node.h"
#include "hw/core/opts.h"
#include "hw/i386/firmware.h"
#include "system/options-more.h"
#include "util/error.h"
#include "util/keyval.h"

bool do_data_dir(Startup *startup, const char *arg, GError **errp)
{
    firmware_add_dir(arg);
    return true;
}

char *text_data_dirs(const char *what, GError **errp)
{
    return firmware_dirs_text();
}

bool do_bios(Startup *startup, const char *arg, GError **errp)
{
    return object_property_parse(OBJECT(startup->machine), "firmware", arg, errp);
}

/* The next unit that is free. */
bool do_pflash(Startup *startup, const char *arg, GError **errp)
{
    unsigned unit = startup->machine->flash[0] ? 1 : 0;

    return firmware_add_flash(startup->machine, unit, arg, false, errp);
}

/* ---- -drive ---- */

typedef struct DriveOption {
    const char *file;
    uint64_t unit;
    bool unit_given, readonly;
} DriveOption;

static bool drive_unit(struct json_object *opts, DriveOption *drive, GError **errp)
{
    const char *unit = opts_get(opts, "unit"), *index = opts_get(opts, "index");
    const char *text = unit ? unit : index;

    if (unit && index) {
        error_set(errp, "unit= and index= are the same for flash: use unit=");
        return false;
    }
    drive->unit_given = text;
    if (text && !uint_parse(text, MAX_FLASH - 1, &drive->unit)) {
        error_set(errp, "unit=%s is not right: flash has units 0 and 1", text);
        return false;
    }
    return true;
}

static bool drive_parse(struct json_object *opts, DriveOption *drive, GError **errp)
{
    static const char *const keys[] = { "if",       "file",      "format", "unit", "index",
                                        "readonly", "read-only", "id",     NULL };
    const char *interface = opts_get(opts, "if"), *format = opts_get(opts, "format");
    const char *readonly = opts_get(opts, "readonly");

    if (!interface || strcmp(interface, "pflash") != 0) {
        error_set(errp,
                  "there are no disks; the only drive is flash: if=pflash,format=raw,file=FILE");
        return false;
    }
    readonly = readonly ? readonly : opts_get(opts, "read-only");
    if (!opts_check_keys(opts, keys, errp)) {
        return false;
    }
    if (format && strcmp(format, "raw") != 0) {
        error_set(errp, "format=%s is not there: only raw is", format);
        return false;
    }
    if (readonly && !bool_parse(readonly, &drive->readonly)) {
        error_set(errp, "readonly=%s is not right: use on or off", readonly);
        return false;
    }
    drive->file = opts_get(opts, "file");
    if (!drive->file) {
        error_set(errp, "file= is missing: the file with the flash's contents");
        return false;
    }
    return drive_unit(opts, drive, errp);
}

bool do_drive(Startup *startup, const char *arg, GError **errp)
{
    DriveOption drive = { 0 };
    struct json_object *opts = keyval_parse(arg, NULL, errp);
    bool ok = opts && drive_parse(opts, &drive, errp);

    if (ok) {
        unsigned unit = drive.unit_given             ? (unsigned)drive.unit
                        : startup->machine->flash[0] ? 1
                                                     : 0;
        ok = firmware_add_flash(startup->machine, unit, drive.file, drive.readonly, errp);
    }
    json_object_put(opts);
    return ok;
}

/* ---- -blockdev ---- */

bool do_blockdev(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *opts = keyval_or_json_parse(arg, "driver", errp);
    bool ok = opts && block_node_add(opts, errp);

    json_object_put(opts);
    return ok;
}
