/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tap-vhost.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "chardev/socket-address.h"
#include "util/error.h"

#define DEVICE_FILE "/dev/vhost-net"

static const char *passed(const NetdevTapOptions *o)
{
    return o->vhostfds ? o->vhostfds : o->vhostfd;
}

static bool wanted(const NetdevTapOptions *o)
{
    return o->has_vhost ? o->vhost : passed(o) || o->vhostforce;
}

bool tap_vhost_check(const NetdevTapOptions *o, unsigned pairs, GError **errp)
{
    g_auto(GStrv) fds = passed(o) ? g_strsplit(passed(o), ":", -1) : NULL;

    if (o->vhostfd && o->vhostfds) {
        error_set(errp, "only one of vhostfd= and vhostfds= can be given");
    } else if (fds && !wanted(o)) {
        error_set(errp, "vhostfd= and vhostfds= are for vhost=on");
    } else if (fds && g_strv_length(fds) != pairs) {
        error_set(errp, "%s=%s: there is a descriptor for each of %u pairs of queues",
                  o->vhostfds ? "vhostfds" : "vhostfd", passed(o), pairs);
    } else {
        return true;
    }
    return false;
}

static int open_device(GError **errp)
{
    int fd = open(DEVICE_FILE, O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        error_set_errno(errp, errno,
                        "vhost=on is not possible: cannot open " DEVICE_FILE " of the host%s",
                        errno == ENOENT || errno == ENODEV
                            ? ", whose kernel has not loaded its module (modprobe vhost_net)"
                            : "");
    }
    return fd;
}

static bool own(int fd, GError **errp)
{
    if (fd >= 0 && ioctl(fd, VHOST_SET_OWNER, NULL) < 0) {
        if (errno == ENOTTY || errno == EINVAL) {
            error_set(errp, "vhostfd=: the descriptor is no " DEVICE_FILE);
        } else {
            error_set_errno(errp, errno, "the host's kernel does not let " DEVICE_FILE " be ours");
        }
        return false;
    }
    return fd >= 0;
}

/* False: *@fds has what was opened. */
static bool open_all(const NetdevTapOptions *o, int *fds, unsigned pairs, GError **errp)
{
    g_auto(GStrv) names = passed(o) ? g_strsplit(passed(o), ":", -1) : NULL;

    for (unsigned i = 0; i < pairs; i++) {
        fds[i] = names ? socket_fd_of(names[i], errp) : open_device(errp);
        if (!own(fds[i], errp)) {
            return false;
        }
    }
    return true;
}

int *tap_vhost_open(const NetdevTapOptions *o, unsigned pairs, GError **errp)
{
    g_autoptr(GError) err = NULL;
    int *fds;

    if (!wanted(o)) {
        return NULL;
    }
    fds = g_new(int, pairs);
    memset(fds, -1, pairs * sizeof(*fds));
    if (open_all(o, fds, pairs, &err)) {
        return fds;
    }
    tap_vhost_close(fds, pairs);
    if (passed(o) || o->vhostforce) {
        g_propagate_error(errp, g_steal_pointer(&err));
    } else {
        error_warn("%s; packets go through this program", err->message);
    }
    return NULL;
}

void tap_vhost_close(int *fds, unsigned pairs)
{
    for (unsigned i = 0; fds && i < pairs; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    g_free(fds);
}
