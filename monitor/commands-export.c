/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about exports and the NBD server (qapi/block-export.json). */
#include "backends/iothread.h"
#include "block/export.h"
#include "block/nbd-server.h"
#include "chardev/socket-address.h"
#include "monitor/bitmap.h"
#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* ---- the server ---- */

static bool fill_place(SocketPlace *place, const SocketAddressLegacy *addr, GError **errp)
{
    SocketAddress plain = { .type = addr->type };
    bool ok;

    switch (addr->type) {
    case SOCKET_ADDRESS_TYPE_FD:
        plain.u.fd = addr->u.fd->data;
        break;
    case SOCKET_ADDRESS_TYPE_INET:
        plain.u.inet = addr->u.inet->data;
        break;
    case SOCKET_ADDRESS_TYPE_VSOCK:
        plain.u.vsock = addr->u.vsock->data;
        break;
    default:
        plain.u.q_unix = addr->u.q_unix->data;
        break;
    }
    socket_set_take_fd(qmp_session_take_named_fd); /* a descriptor can be one of the session's */
    ok = socket_place_set(place, &plain, errp);
    socket_set_take_fd(NULL);
    place->server = true;
    return ok && socket_place_check(place, errp);
}

bool qmp_nbd_server_start(const SocketAddressLegacy *addr, const char *tls_creds,
                          const char *tls_authz, bool has_max_connections, uint32_t max_connections,
                          GError **errp)
{
    SocketPlace place = { 0 };
    TlsSetup *tls = NULL;
    bool ok = false;
    int fd;

    const TlsSetupOptions secure = { .creds = tls_creds, .server = true, .authz = tls_authz };

    if (tls_authz && !tls_creds) {
        error_set(errp, "tls-authz=%s needs tls-creds: without TLS clients have no names",
                  tls_authz);
        return false;
    }
    if (nbd_server_loop()) { /* before its socket is taken away */
        error_set(errp, "there is an NBD server already; nbd-server-stop ends it");
        return false;
    }
    if (tls_creds && !(tls = tls_setup_new(&secure, errp))) {
        return false;
    }
    fd = fill_place(&place, addr, errp) ? socket_place_open(&place, NULL, errp) : -1;
    if (fd >= 0) {
        ok = nbd_server_start(fd, max_connections, place.abstract ? NULL : place.path, tls, errp);
        if (ok) {
            nbd_server_accept();
        }
    } else {
        tls_setup_unref(tls);
    }
    socket_place_clear(&place);
    return ok;
}

bool qmp_nbd_server_stop(GError **errp)
{
    return nbd_server_stop(errp);
}

/* ---- exports ---- */

/* A name, of a bitmap of @node or of one below it, or an object that names the node, too. */
static BlockDirtyBitmap *find_bitmap(BlockNode *node, struct json_object *json, GError **errp)
{
    g_autoptr(BlockDirtyBitmapRef) ref = NULL;

    if (json_object_is_type(json, json_type_string)) {
        return block_dirty_bitmap_find_below(node, json_object_get_string(json), errp);
    }
    ref = BlockDirtyBitmapRef_from_json(json, "bitmaps", errp);
    return ref ? bitmap_find(ref->node, ref->name, errp) : NULL;
}

static bool find_bitmaps(BlockNode *node, const GPtrArray *names, GPtrArray *bitmaps, GError **errp)
{
    for (unsigned i = 0; names && i < names->len; i++) {
        BlockDirtyBitmap *bitmap = find_bitmap(node, names->pdata[i], errp);

        if (!bitmap) {
            return false;
        }
        g_ptr_array_add(bitmaps, bitmap);
    }
    return true;
}

static bool add_nbd(const BlockExportOptions *options, BlockExportConfig *config, GError **errp)
{
    const BlockExportOptionsNbd *nbd = options->u.nbd;

    config->name = nbd->name ? nbd->name : options->node_name;
    config->description = nbd->description;
    config->depth = nbd->allocation_depth;
    return true;
}

static Object *find_iothread(const char *id, GError **errp)
{
    Object *obj = object_child(object_container("/objects"), id);

    if (!obj || !object_is_a(obj, TYPE_IOTHREAD) || !iothread_loop(IOTHREAD(obj))) {
        error_set(errp,
                  "there is no iothread '%s': make it with object-add or -object iothread,id=%s",
                  id, id);
        return NULL;
    }
    return obj;
}

bool qmp_block_export_add(const BlockExportOptions *options, GError **errp)
{
    g_autoptr(GPtrArray) bitmaps = g_ptr_array_new();
    BlockExportConfig config = { .id = options->id,
                                 .bitmaps = bitmaps,
                                 .writable = options->writable,
                                 .writethrough = options->writethrough };
    BlockNode *node;

    if (!object_id_wellformed(options->id)) {
        error_set(errp,
                  "id '%s' must be letters, digits, '-', '.' and '_', beginning with a letter",
                  options->id);
        return false;
    }
    if (!add_nbd(options, &config, errp)) {
        return false;
    }
    if (options->fixed_iothread && !options->iothread) {
        error_set(errp, "fixed-iothread goes with iothread");
        return false;
    }
    if (options->iothread) {
        config.loop_owner = find_iothread(options->iothread, errp);
        if (!config.loop_owner) {
            return false;
        }
        config.loop = iothread_loop(IOTHREAD(config.loop_owner));
    }
    node = block_node_find(options->node_name, errp);
    return node && find_bitmaps(node, options->u.nbd->bitmaps, bitmaps, errp) &&
           block_export_add(&config, node, errp);
}

bool qmp_nbd_server_add(const char *device, const char *name, const char *description,
                        bool has_writable, bool writable, const char *bitmap, GError **errp)
{
    const BlockBackend *backend = block_backend_find(device);
    g_autoptr(GPtrArray) bitmaps = g_ptr_array_new();
    BlockExportConfig config = { .id = name ? name : device,
                                 .name = name ? name : device,
                                 .description = description,
                                 .writable = writable,
                                 .bitmaps = bitmaps };
    BlockDirtyBitmap *found;
    BlockNode *node;

    if (backend && backend->empty) {
        error_set(errp, "drive '%s' has no medium", device);
        return false;
    }
    node = backend ? block_backend_image(backend) : block_node_find(device, errp);
    if (node && writable && node->read_only) {
        config.writable = false; /* as its users expect it, unlike that of block-export-add */
    }
    if (node && bitmap) {
        found = block_dirty_bitmap_find_below(node, bitmap, errp);
        if (!found) {
            return false;
        }
        g_ptr_array_add(bitmaps, found);
    }
    return node && block_export_add(&config, node, errp);
}

bool qmp_block_export_del(const char *id, bool has_mode, BlockExportRemoveMode mode, GError **errp)
{
    return block_export_remove(id, mode == BLOCK_EXPORT_REMOVE_MODE_HARD, errp);
}

bool qmp_nbd_server_remove(const char *name, bool has_mode, BlockExportRemoveMode mode,
                           GError **errp)
{
    BlockExport *export = block_export_get(name);
    bool ok =
        export && block_export_remove(export->id, mode == BLOCK_EXPORT_REMOVE_MODE_HARD, errp);

    if (!export) {
        error_set(errp, "there is no NBD export called '%s'", name);
    } else {
        block_export_unref(export);
    }
    return ok;
}

static void add_info(const BlockExport *export, void *list)
{
    BlockExportInfo *info = g_new0(BlockExportInfo, 1);

    info->id = g_strdup(export->id);
    info->type = BLOCK_EXPORT_TYPE_NBD;
    info->node_name = g_strdup(export->node_name);
    g_ptr_array_add(list, info);
}

GPtrArray *qmp_query_block_exports(GError **errp)
{
    GPtrArray *list = BlockExportInfo_list_new();

    block_export_foreach(add_info, list);
    return list;
}
