/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about drives with trays (qapi/block-medium.json). */
#include <string.h>

#include "block/drive-node.h"
#include "block/medium.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

bool qmp_blockdev_open_tray(const char *device, const char *id, bool has_force, bool force,
                            GError **errp)
{
    BlockBackend *backend = block_medium_find(device, id, errp);

    if (backend) {
        block_medium_open_tray(backend, force); /* or the guest does it */
    }
    return backend != NULL;
}

bool qmp_blockdev_close_tray(const char *device, const char *id, GError **errp)
{
    BlockBackend *backend = block_medium_find(device, id, errp);

    if (backend) {
        block_medium_close_tray(backend);
    }
    return backend != NULL;
}

bool qmp_blockdev_remove_medium(const char *id, GError **errp)
{
    BlockBackend *backend = block_medium_find(NULL, id, errp);

    return backend && block_medium_remove(backend, errp);
}

bool qmp_blockdev_insert_medium(const char *id, const char *node_name, GError **errp)
{
    BlockBackend *backend = block_medium_find(NULL, id, errp);
    BlockNode *node = backend ? block_node_find(node_name, errp) : NULL;

    return node && block_medium_insert(backend, node, errp);
}

static bool open_tray(BlockBackend *backend, bool force, GError **errp)
{
    if (block_medium_open_tray(backend, force)) {
        return true;
    }
    error_set(errp,
              "the guest has locked device %s, and was asked for the medium: try again when the "
              "tray is open, or with 'force'",
              backend->device);
    return false;
}

bool qmp_eject(const char *device, const char *id, bool has_force, bool force, GError **errp)
{
    BlockBackend *backend = block_medium_find(device, id, errp);

    return backend && open_tray(backend, force, errp) && block_medium_remove(backend, errp);
}

/* The node of a file: a reference. */
static BlockNode *open_file(const char *filename, const char *format, bool read_only, GError **errp)
{
    g_auto(GStrv) parts = g_strsplit(filename, ",", -1);
    g_autofree char *escaped = g_strjoinv(",,", parts);
    g_autofree char *text =
        g_strdup_printf("if=none,read-only=%s,file=%s%s%s", read_only ? "on" : "off", escaped,
                        format ? ",format=" : "", format ? format : "");
    g_autoptr(DriveArg) arg = drive_parse(text, errp);

    return arg ? drive_node_open(arg, false, errp) : NULL;
}

bool qmp_blockdev_change_medium(const char *device, const char *id, const char *filename,
                                const char *format, bool has_force, bool force,
                                bool has_read_only_mode, BlockdevChangeReadOnlyMode read_only_mode,
                                GError **errp)
{
    BlockBackend *backend = block_medium_find(device, id, errp);
    bool writes = backend && block_medium_tray(backend)->writes;
    BlockdevChangeReadOnlyMode mode =
        has_read_only_mode ? read_only_mode : BLOCKDEV_CHANGE_READ_ONLY_MODE_RETAIN;
    BlockNode *node;
    bool ok;

    if (!backend) {
        return false;
    }
    if (mode == BLOCKDEV_CHANGE_READ_ONLY_MODE_READ_WRITE && !writes) {
        error_set(errp, "'read-only-mode' is read-write: CDs are only read");
        return false;
    }
    if (mode == BLOCKDEV_CHANGE_READ_ONLY_MODE_READ_ONLY ||
        (mode == BLOCKDEV_CHANGE_READ_ONLY_MODE_RETAIN && !backend->empty && !backend->writable)) {
        writes = false;
    }
    /* What is wrong with it is seen before anything moves. */
    node = open_file(filename, format, !writes, errp);
    ok = node && open_tray(backend, force, errp) && block_medium_remove(backend, errp) &&
         block_medium_insert(backend, node, errp);
    if (ok) {
        block_medium_close_tray(backend);
    }
    block_node_unref(node);
    return ok;
}
