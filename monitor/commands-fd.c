/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about descriptors that clients hand over (qapi/fd.json). */
#include <inttypes.h>

#include <unistd.h>

#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/fdset.h"

AddfdInfo *qmp_add_fd(bool has_fdset_id, int64_t fdset_id, const char *opaque, GError **errp)
{
    AddfdInfo *info;
    int fd;

    if (has_fdset_id && fdset_id < 0) {
        error_set(errp, "fdset-id must be 0 or more, not %" PRId64, fdset_id);
        return NULL;
    }
    fd = qmp_session_take_fd(errp);
    if (fd < 0) {
        return NULL;
    }
    if (fdset_count_from_clients() >= FDSET_CLIENT_MAX) {
        error_set(errp,
                  "there are %d descriptors from clients in sets, which is the limit: remove-fd "
                  "frees those that are not needed any more",
                  FDSET_CLIENT_MAX);
        close(fd);
        return NULL;
    }
    info = g_new0(AddfdInfo, 1);
    info->fd = fd;
    info->fdset_id = fdset_add(has_fdset_id ? fdset_id : FDSET_NEW, fd, opaque, true);
    return info;
}

bool qmp_remove_fd(int64_t fdset_id, bool has_fd, int64_t fd, GError **errp)
{
    return fdset_remove(fdset_id, has_fd ? fd : FDSET_ALL, errp);
}

GPtrArray *qmp_query_fdsets(GError **errp)
{
    GPtrArray *list = FdsetInfo_list_new();
    const GPtrArray *sets = fdset_list();

    for (guint i = 0; i < sets->len; i++) {
        const Fdset *set = sets->pdata[i];
        FdsetInfo *info = g_new0(FdsetInfo, 1);

        info->fdset_id = set->id;
        info->fds = FdsetFdInfo_list_new();
        for (guint j = 0; j < set->fds->len; j++) {
            const FdsetFd *entry = set->fds->pdata[j];
            FdsetFdInfo *fd = g_new0(FdsetFdInfo, 1);

            fd->fd = entry->fd;
            fd->opaque = g_strdup(entry->opaque);
            g_ptr_array_add(info->fds, fd);
        }
        g_ptr_array_add(list, info);
    }
    return list;
}

bool qmp_getfd(const char *fdname, GError **errp)
{
    int fd;

    if (!*fdname || g_ascii_isdigit(*fdname)) {
        error_set(errp, "fdname '%s' is not a name: it must not be empty or begin with a digit",
                  fdname);
        return false;
    }
    fd = qmp_session_take_fd(errp);
    return fd >= 0 && qmp_session_name_fd(fdname, fd, errp);
}

bool qmp_closefd(const char *fdname, GError **errp)
{
    int fd = qmp_session_take_named_fd(fdname, errp);

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}
