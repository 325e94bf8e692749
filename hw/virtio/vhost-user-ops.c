/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What any back-end is told (vhost-backend.h), as messages of vhost-user. */
#include <string.h>

#include "hw/virtio/vhost-user.h"
#include "util/error.h"

static VhostUser *of_backend(VhostBackend *be)
{
    return (VhostUser *)((char *)be - offsetof(VhostUser, base));
}

static bool set_features(VhostBackend *be, uint64_t features, GError **errp)
{
    const uint64_t always = 1ull << VHOST_USER_F_PROTOCOL_FEATURES;

    return vhost_user_send_u64(of_backend(be), VHOST_USER_SET_FEATURES,
                               (features | always) & be->features, errp);
}

/* ---- rings ---- */

static bool send_ring(VhostBackend *be, uint32_t request, unsigned ring, uint32_t num,
                      GError **errp)
{
    const VhostUserRing state = { ring, num };

    return vhost_user_send(of_backend(be), request, &state, sizeof(state), NULL, 0, errp);
}

/* SET_VRING_KICK and SET_VRING_CALL. @fd -1: none. */
static bool send_ring_fd(VhostBackend *be, uint32_t request, unsigned ring, int fd, GError **errp)
{
    const uint64_t value = ring | (fd < 0 ? VHOST_USER_NO_FD : 0);

    return vhost_user_send(of_backend(be), request, &value, sizeof(value), &fd, fd < 0 ? 0 : 1,
                           errp);
}

static bool set_ring_addr(VhostBackend *be, const VhostRingAddr *addr, GError **errp)
{
    return vhost_user_send(of_backend(be), VHOST_USER_SET_VRING_ADDR, addr, sizeof(*addr), NULL, 0,
                           errp);
}

static bool set_ring_call(VhostBackend *be, unsigned ring, int fd, GError **errp)
{
    return send_ring_fd(be, VHOST_USER_SET_VRING_CALL, ring, fd, errp);
}

static bool give_ring(VhostBackend *be, const VhostRingAddr *addr, unsigned entries, uint32_t base,
                      int kick_fd, int call_fd, GError **errp)
{
    return send_ring(be, VHOST_USER_SET_VRING_NUM, addr->index, entries, errp) &&
           send_ring(be, VHOST_USER_SET_VRING_BASE, addr->index, base, errp) &&
           set_ring_addr(be, addr, errp) &&
           send_ring_fd(be, VHOST_USER_SET_VRING_KICK, addr->index, kick_fd, errp) &&
           set_ring_call(be, addr->index, call_fd, errp);
}

/* Without protocol features a ring is enabled by its notifications' descriptor. */
static bool enable_ring(VhostBackend *be, unsigned ring, bool on, GError **errp)
{
    return !(be->features >> VHOST_USER_F_PROTOCOL_FEATURES & 1) ||
           send_ring(be, VHOST_USER_SET_VRING_ENABLE, ring, on, errp);
}

static bool stopped(void *opaque, const void *payload, int fd, GError **errp)
{
    VhostStop *stop = opaque;
    VhostUserRing reply;

    memcpy(&reply, payload, sizeof(reply));
    if (reply.index != stop->ring) {
        error_set(errp, "the back-end tells of ring %u where %u was asked for", reply.index,
                  stop->ring);
        return false;
    }
    stop->fn(stop, reply.num);
    return true;
}

static bool stop_ring(VhostBackend *be, VhostStop *stop, GError **errp)
{
    const VhostUserRing state = { stop->ring, 0 };

    return vhost_user_ask_later(of_backend(be), VHOST_USER_GET_VRING_BASE, &state, sizeof(state),
                                sizeof(VhostUserRing), stopped, stop, errp);
}

/* ---- memory ---- */

static bool set_table(VhostBackend *be, const VhostRegion *regions, const int *fds, unsigned count,
                      GError **errp)
{
    VhostUserTable table = { .count = count };

    g_assert(count <= VHOST_USER_TABLE_MAX);
    memcpy(table.regions, regions, count * sizeof(*regions));
    return vhost_user_send(of_backend(be), VHOST_USER_SET_MEM_TABLE, &table,
                           offsetof(VhostUserTable, regions) +
                               count * (unsigned)sizeof(VhostRegion),
                           fds, count, errp);
}

static bool add_region(VhostBackend *be, const VhostRegion *region, int fd, GError **errp)
{
    const VhostUserOneRegion one = { .region = *region };

    return vhost_user_send(of_backend(be), VHOST_USER_ADD_MEM_REG, &one, sizeof(one), &fd, 1, errp);
}

static bool remove_region(VhostBackend *be, const VhostRegion *region, GError **errp)
{
    const VhostUserOneRegion one = { .region = *region };

    return vhost_user_send(of_backend(be), VHOST_USER_REM_MEM_REG, &one, sizeof(one), NULL, 0,
                           errp);
}

static bool set_log(VhostBackend *be, const VhostLogArea *log, GError **errp)
{
    return vhost_user_set_log(of_backend(be), log->fd, log->size, errp);
}

static bool settle(VhostBackend *be, GError **errp)
{
    return vhost_user_settle(of_backend(be), errp);
}

static unsigned awaited(const VhostBackend *be)
{
    return of_backend((VhostBackend *)(uintptr_t)be)->awaited.length;
}

static void hang_up(VhostBackend *be)
{
    char_hang_up(of_backend(be)->chardev);
}

const VhostOps vhost_user_ops = {
    .set_features = set_features,
    .give_ring = give_ring,
    .set_ring_addr = set_ring_addr,
    .set_ring_call = set_ring_call,
    .enable_ring = enable_ring,
    .stop_ring = stop_ring,
    .set_table = set_table,
    .add_region = add_region,
    .remove_region = remove_region,
    .set_log = set_log,
    .settle = settle,
    .awaited = awaited,
    .hang_up = hang_up,
};
