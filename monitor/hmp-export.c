/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The NBD server in HMP. */
#include <string.h>

#include "block/backend.h"
#include "block/nbd-server.h"
#include "chardev/socket-address.h"
#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"

#define UNIX "unix:"

/* HOST:PORT, or unix:PATH. */
static bool start_at(const char *where, GError **errp)
{
    g_autoptr(SocketAddress) inet = NULL;
    UnixSocketAddress path = { .path = (char *)(uintptr_t)where + strlen(UNIX) };
    UnixSocketAddressWrapper unix_wrapper = { .data = &path };
    InetSocketAddressWrapper inet_wrapper;
    SocketAddressLegacy addr = { .type = SOCKET_ADDRESS_TYPE_UNIX };

    if (g_str_has_prefix(where, UNIX)) {
        addr.u.q_unix = &unix_wrapper;
    } else {
        inet = socket_address_inet("HOST:PORT", where, errp);
        if (!inet) {
            return false;
        }
        inet_wrapper.data = inet->u.inet;
        addr.type = SOCKET_ADDRESS_TYPE_INET;
        addr.u.inet = &inet_wrapper;
    }
    return qmp_nbd_server_start(&addr, NULL, NULL, false, 0, errp);
}

typedef struct ExportAll {
    bool writable;
    GError **errp;
    bool failed;
} ExportAll;

static void export_drive(BlockBackend *backend, void *opaque)
{
    ExportAll *all = opaque;

    if (!all->failed && backend->name && !backend->empty) {
        all->failed =
            !qmp_nbd_server_add(backend->name, NULL, NULL, true, all->writable, NULL, all->errp);
    }
}

/* nbd_server_start [-a] [-w] HOST:PORT */
void hmp_nbd_server_start(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    ExportAll all = { .writable = argv[1], .errp = &err };

    if (argv[1] && !argv[0]) {
        hmp_printf(hmp, "Error: -w goes with -a: nbd_server_add has its own\n");
        return;
    }
    if (start_at(argv[2], &err) && argv[0]) {
        block_backend_foreach(export_drive, &all);
        if (all.failed) {
            nbd_server_stop(NULL);
        }
    }
    hmp_error(hmp, err);
}

/* nbd_server_add [-w] DEVICE [NAME] */
void hmp_nbd_server_add(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_nbd_server_add(argv[1], argv[2], NULL, true, argv[0], NULL, &err);
    hmp_error(hmp, err);
}

/* nbd_server_remove [-f] NAME */
void hmp_nbd_server_remove(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_nbd_server_remove(argv[1], true,
                          argv[0] ? BLOCK_EXPORT_REMOVE_MODE_HARD : BLOCK_EXPORT_REMOVE_MODE_SAFE,
                          &err);
    hmp_error(hmp, err);
}

void hmp_nbd_server_stop(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_nbd_server_stop(&err);
    hmp_error(hmp, err);
}
