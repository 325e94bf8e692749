/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -drive and -blockdev: what disks and flash hold. */
#include <string.h>
#include <sys/stat.h>

#include "block/backend.h"
#include "block/snapshot.h"
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

static bool add_flash(Startup *startup, const DriveOptions *drive, GError **errp)
{
    unsigned unit = startup->machine->flash[0] ? 1 : 0; /* the next one */

    if (drive->format && strcmp(drive->format, "raw") != 0) {
        error_set(errp, "format=%s is not there for flash: only raw is", drive->format);
        return false;
    }
    if (!json_object_is_type(drive->file, json_type_string)) {
        error_set(errp, "file= of flash is the name of a file");
        return false;
    }
    if (drive->has_cache || drive->has_aio || drive->has_discard || drive->has_detect_zeroes ||
        drive->has_rerror || drive->has_werror || drive->snapshot) {
        error_set(errp, "flash has if, file, format, unit, readonly and id, and no 'cache', 'aio', "
                        "'discard', 'detect-zeroes', 'rerror', 'werror' or 'snapshot'");
        return false;
    }
    return flash_unit(drive, &unit, errp) &&
           firmware_add_flash(startup->machine, unit, json_object_get_string(drive->file),
                              drive->readonly || drive->read_only, errp);
}

/* ---- disks ---- */

static void set_text(struct json_object *json, const char *key, const char *value)
{
    if (value) {
        json_object_object_add(json, key, json_object_new_string(value));
    }
}

/* The node with the bytes: what is given, but a name stands for a file or a device. */
static struct json_object *file_options(const DriveOptions *drive)
{
    struct json_object *json;
    struct stat st;

    if (!json_object_is_type(drive->file, json_type_string)) {
        return json_object_get(drive->file);
    }
    const char *name = json_object_get_string(drive->file);
    json = json_object_new_object();
    set_text(json, "driver", stat(name, &st) == 0 && S_ISBLK(st.st_mode) ? "host_device" : "file");
    set_text(json, "filename", name);
    set_text(json, "aio", drive->has_aio ? BlockdevAioOptions_str(drive->aio) : NULL);
    return json;
}

/* @temporary: it is only read, as what is on top of it has what is written. */
static struct json_object *node_options(const DriveOptions *drive, bool temporary)
{
    struct json_object *json = json_object_new_object(), *cache = json_object_new_object();
    bool direct = drive->has_cache &&
                  (drive->cache == DRIVE_CACHE_NONE || drive->cache == DRIVE_CACHE_DIRECTSYNC);
    bool no_flush = drive->has_cache && drive->cache == DRIVE_CACHE_UNSAFE;
    bool unmap = drive->has_discard &&
                 (drive->discard == DRIVE_DISCARD_UNMAP || drive->discard == DRIVE_DISCARD_ON);

    set_text(json, "driver", drive->format ? drive->format : "raw");
    json_object_object_add(json, "file", file_options(drive));
    json_object_object_add(
        json, "read-only",
        json_object_new_boolean(drive->readonly || drive->read_only || temporary));
    json_object_object_add(json, "auto-read-only", json_object_new_boolean(drive->auto_read_only));
    json_object_object_add(cache, "direct", json_object_new_boolean(direct));
    json_object_object_add(cache, "no-flush", json_object_new_boolean(no_flush));
    json_object_object_add(json, "cache", cache);
    set_text(json, "discard", unmap ? "unmap" : "ignore");
    set_text(json, "detect-zeroes", BlockdevDetectZeroesOptions_str(drive->detect_zeroes));
    return json;
}

static BlockBackend *new_backend(const char *id, const DriveOptions *drive, bool temporary,
                                 GError **errp)
{
    struct json_object *json = node_options(drive, temporary);
    g_autoptr(BlockdevOptions) parsed = BlockdevOptions_from_json(json, NULL, errp);
    BlockNode *node = parsed ? block_node_open(parsed, errp) : NULL;

    if (node && temporary) {
        node = block_snapshot_temporary(node, errp);
    }
    BlockBackend *backend = node ? block_backend_new(id, node, errp) : NULL;

    json_object_put(json);
    if (!backend) {
        return NULL;
    }
    backend->writethrough = drive->has_cache && (drive->cache == DRIVE_CACHE_WRITETHROUGH ||
                                                 drive->cache == DRIVE_CACHE_DIRECTSYNC);
    backend->on_read_error = drive->has_rerror ? drive->rerror : backend->on_read_error;
    backend->on_write_error = drive->has_werror ? drive->werror : backend->on_write_error;
    return backend;
}

static bool check_disk(const DriveOptions *drive, GError **errp)
{
    if (drive->has_rerror && drive->rerror == BLOCKDEV_ON_ERROR_ENOSPC) {
        error_set(errp, "rerror=enospc is not right: reads need no space");
    } else if (drive->has_unit || drive->has_index) {
        error_set(errp, "unit= and index= are for flash; a disk's place is its device's addr=");
    } else if (drive->id && !object_id_wellformed(drive->id)) {
        error_set(errp, "id=%s: it begins with a letter, and has letters, digits, -, . and _",
                  drive->id);
    } else if (drive->id && block_backend_find(drive->id)) {
        error_set(errp, "id=%s: there is a drive with this id", drive->id);
    } else {
        return true;
    }
    return false;
}

static bool add_disk(Startup *startup, const DriveOptions *drive, GError **errp)
{
    unsigned n = 0;
    g_autofree char *id = g_strdup(drive->id);
    bool temporary;

    if (!check_disk(drive, errp)) {
        return false;
    }
    while (!id || (!drive->id && block_backend_find(id))) {
        g_free(id);
        id = g_strdup_printf("%s%u", DriveInterface_str(drive->q_if), n++);
    }
    temporary = drive->has_snapshot ? drive->snapshot : startup->snapshot;
    temporary &= !drive->readonly && !drive->read_only;
    if (!new_backend(id, drive, temporary, errp)) {
        return false;
    }
    if (drive->q_if == DRIVE_INTERFACE_VIRTIO) {
        if (!startup->virtio_drives) {
            startup->virtio_drives = g_ptr_array_new_with_free_func(g_free);
        }
        g_ptr_array_add(startup->virtio_drives, g_steal_pointer(&id));
    }
    return true;
}

bool option_do_drive(Startup *startup, const char *arg, GError **errp)
{
    g_autoptr(DriveOptions) drive = qapi_from_option(&DriveOptions_type, arg, NULL, errp);

    if (!drive) {
        return false;
    }
    if (!drive->file) {
        error_set(errp, "file= is missing: what the drive holds");
        return false;
    }
    return drive->q_if == DRIVE_INTERFACE_PFLASH ? add_flash(startup, drive, errp)
                                                 : add_disk(startup, drive, errp);
}

bool option_add_drives(Startup *startup, GError **errp)
{
    for (unsigned i = 0; startup->virtio_drives && i < startup->virtio_drives->len; i++) {
        struct json_object *props = json_object_new_object();
        bool ok;

        set_text(props, "driver", "virtio-blk-pci");
        set_text(props, "drive", startup->virtio_drives->pdata[i]);
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
