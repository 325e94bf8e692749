/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/vhost-kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/ioctl.h>

#include "chardev/socket-address.h"
#include "util/error.h"

/* Of the module vhost: how many ranges of memory it takes. */
#define SLOTS_FILE    "/sys/module/vhost/parameters/max_mem_regions"
#define SLOTS_DEFAULT 64

static VhostKernel *of_backend(VhostBackend *be)
{
    return (VhostKernel *)((char *)be - offsetof(VhostKernel, base));
}

static bool control(int fd, unsigned long request, const void *argument, const char *what,
                    GError **errp)
{
    if (ioctl(fd, request, argument) < 0) {
        error_set_errno(errp, errno, "the host's kernel refuses %s", what);
        return false;
    }
    return true;
}

static bool control_all(const VhostKernel *s, unsigned long request, const void *argument,
                        const char *what, GError **errp)
{
    for (unsigned i = 0; i < s->fd_count; i++) {
        if (!control(s->fds[i], request, argument, what, errp)) {
            return false;
        }
    }
    return true;
}

static bool set_features(VhostBackend *be, uint64_t features, GError **errp)
{
    const VhostKernel *s = of_backend(be);
    const uint64_t ours = (features & s->known) | s->always;

    return control_all(s, VHOST_SET_FEATURES, &ours, "features", errp);
}

/* ---- rings ---- */

static int fd_of(const VhostKernel *s, unsigned ring)
{
    return s->fds[ring / s->rings_each];
}

static bool set_state(const VhostKernel *s, unsigned long request, unsigned ring, unsigned num,
                      const char *what, GError **errp)
{
    const struct vhost_vring_state state = { ring % s->rings_each, num };

    return control(fd_of(s, ring), request, &state, what, errp);
}

static bool set_file(const VhostKernel *s, unsigned long request, unsigned ring, int fd,
                     const char *what, GError **errp)
{
    const struct vhost_vring_file file = { ring % s->rings_each, fd };

    return control(fd_of(s, ring), request, &file, what, errp);
}

static bool set_ring_addr(VhostBackend *be, const VhostRingAddr *addr, GError **errp)
{
    const VhostKernel *s = of_backend(be);
    const struct vhost_vring_addr where = {
        .index = addr->index % s->rings_each,
        .flags = addr->flags & VHOST_RING_LOGGED ? 1u << VHOST_VRING_F_LOG : 0,
        .desc_user_addr = addr->desc,
        .used_user_addr = addr->used,
        .avail_user_addr = addr->avail,
        .log_guest_addr = addr->log,
    };

    return control(fd_of(s, addr->index), VHOST_SET_VRING_ADDR, &where, "the place of a ring",
                   errp);
}

static bool set_ring_call(VhostBackend *be, unsigned ring, int fd, GError **errp)
{
    return set_file(of_backend(be), VHOST_SET_VRING_CALL, ring, fd, "a ring's interrupts", errp);
}

static bool give_ring(VhostBackend *be, const VhostRingAddr *addr, unsigned entries, uint32_t base,
                      int kick_fd, int call_fd, GError **errp)
{
    const VhostKernel *s = of_backend(be);
    const unsigned ring = addr->index;

    return set_state(s, VHOST_SET_VRING_NUM, ring, entries, "the size of a ring", errp) &&
           set_state(s, VHOST_SET_VRING_BASE, ring, base, "how far a ring is", errp) &&
           set_ring_addr(be, addr, errp) &&
           set_file(s, VHOST_SET_VRING_KICK, ring, kick_fd, "a ring's notifications", errp) &&
           set_ring_call(be, ring, call_fd, errp);
}

static bool enable_ring(VhostBackend *be, unsigned ring, bool on, GError **errp)
{
    VhostKernel *s = of_backend(be);

    return s->enable(s->opaque, ring, on, errp);
}

static bool stop_ring(VhostBackend *be, VhostStop *stop, GError **errp)
{
    const VhostKernel *s = of_backend(be);
    struct vhost_vring_state state = { stop->ring % s->rings_each, 0 };

    if (!control(fd_of(s, stop->ring), VHOST_GET_VRING_BASE, &state, "to tell how far a ring is",
                 errp)) {
        return false;
    }
    stop->fn(stop, state.num);
    return true;
}

/* ---- memory ---- */

static bool set_table(VhostBackend *be, const VhostRegion *regions, const int *fds, unsigned count,
                      GError **errp)
{
    g_autofree struct vhost_memory *table =
        g_malloc0(sizeof(*table) + count * sizeof(table->regions[0]));

    table->nregions = count;
    for (unsigned i = 0; i < count; i++) {
        table->regions[i] = (struct vhost_memory_region){ .guest_phys_addr = regions[i].guest,
                                                          .memory_size = regions[i].size,
                                                          .userspace_addr = regions[i].host };
    }
    return control_all(of_backend(be), VHOST_SET_MEM_TABLE, table, "the guest's memory", errp);
}

static bool set_log(VhostBackend *be, const VhostLogArea *log, GError **errp)
{
    const uint64_t base = (uintptr_t)log->bits;

    return control_all(of_backend(be), VHOST_SET_LOG_BASE, &base, "to mark what is written to",
                       errp);
}

/* ---- modules ---- */

bool vhost_kernel_set_tap(const VhostKernel *s, unsigned ring, int fd, GError **errp)
{
    return set_file(s, VHOST_NET_SET_BACKEND, ring, fd,
                    fd < 0 ? "to leave the tap" : "to take the tap", errp);
}

static bool own(int fd, const char *file, GError **errp)
{
    if (ioctl(fd, VHOST_SET_OWNER, NULL) == 0) {
        return true;
    }
    if (errno == ENOTTY || errno == EINVAL) {
        error_set(errp, "the descriptor is no %s", file);
    } else {
        error_set_errno(errp, errno, "the host's kernel does not let it be ours");
    }
    return false;
}

bool vhost_kernel_own_vsock(int fd, uint64_t cid, GError **errp)
{
    if (!own(fd, "/dev/vhost-vsock", errp)) {
        return false;
    }
    if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &cid) < 0) {
        if (errno == EADDRINUSE) {
            error_set(errp, "guest-cid=%" PRIu64 " is another machine's: each needs one of its own",
                      cid);
        } else {
            error_set_errno(errp, errno, "the host's kernel refuses guest-cid=%" PRIu64, cid);
        }
        return false;
    }
    return true;
}

bool vhost_kernel_run_vsock(int fd, bool on, GError **errp)
{
    const int runs = on;

    return control(fd, VHOST_VSOCK_SET_RUNNING, &runs, on ? "to start" : "to stop", errp);
}

static bool fill_target(struct vhost_scsi_target *target, const char *wwpn, GError **errp)
{
    *target = (struct vhost_scsi_target){ .abi_version = VHOST_SCSI_ABI_VERSION };
    if (g_strlcpy(target->vhost_wwpn, wwpn, sizeof(target->vhost_wwpn)) >=
        sizeof(target->vhost_wwpn)) {
        error_set(errp, "wwpn=%s is too long: it has %zu characters at most", wwpn,
                  sizeof(target->vhost_wwpn) - 1);
        return false;
    }
    return true;
}

bool vhost_kernel_run_scsi(int fd, const char *wwpn, bool on, GError **errp)
{
    struct vhost_scsi_target target;

    if (!fill_target(&target, wwpn, errp)) {
        return false;
    }
    if (ioctl(fd, on ? VHOST_SCSI_SET_ENDPOINT : VHOST_SCSI_CLEAR_ENDPOINT, &target) < 0) {
        error_set_errno(errp, errno, "the host's kernel refuses to %s for the target %s%s",
                        on ? "start" : "stop", wwpn,
                        errno == EEXIST || errno == ENODEV || errno == ENOENT
                            ? ": it has none of this name that has a nexus and a unit and that no "
                              "other machine has"
                            : "");
        return false;
    }
    return true;
}

bool vhost_kernel_own_scsi(int fd, const char *wwpn, GError **errp)
{
    struct vhost_scsi_target target;
    int version = 0;

    if (!fill_target(&target, wwpn, errp) || !own(fd, "/dev/vhost-scsi", errp)) {
        return false;
    }
    if (ioctl(fd, VHOST_SCSI_GET_ABI_VERSION, &version) < 0) {
        error_set(errp, "the descriptor is no /dev/vhost-scsi");
        return false;
    }
    if (version > VHOST_SCSI_ABI_VERSION) {
        error_set(errp, "the host's kernel speaks version %d of its vhost_scsi, and %d is known",
                  version, VHOST_SCSI_ABI_VERSION);
        return false;
    }
    return true;
}

/* ---- life ---- */

static unsigned max_slots(void)
{
    g_autofree char *text = NULL;
    uint64_t slots;

    return g_file_get_contents(SLOTS_FILE, &text, NULL, NULL) &&
                   g_ascii_string_to_unsigned(g_strstrip(text), 10, 1, UINT16_MAX, &slots, NULL)
               ? (unsigned)slots
               : SLOTS_DEFAULT;
}

static const VhostOps ops = {
    .set_features = set_features,
    .give_ring = give_ring,
    .set_ring_addr = set_ring_addr,
    .set_ring_call = set_ring_call,
    .enable_ring = enable_ring,
    .stop_ring = stop_ring,
    .set_table = set_table,
    .set_log = set_log,
};

int vhost_kernel_open(const char *path, const char *module, const char *given, GError **errp)
{
    g_autofree char *hint =
        g_strdup_printf(", whose kernel has not loaded its module (modprobe %s)", module);
    int fd = given ? socket_fd_of(given, errp) : open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0 && !given) {
        error_set_errno(errp, errno, "cannot open %s of the host%s", path,
                        errno == ENOENT || errno == ENODEV ? hint : "");
    }
    return fd;
}

VhostKernel *vhost_kernel_new(const int *fds, unsigned count, unsigned rings_each, GError **errp)
{
    uint64_t features;
    VhostKernel *s;

    if (!control(fds[0], VHOST_GET_FEATURES, &features, "to tell its features", errp)) {
        return NULL;
    }
    s = g_malloc0(sizeof(*s) + count * sizeof(*fds));
    s->fds = (int *)(s + 1);
    memcpy(s->fds, fds, count * sizeof(*fds));
    s->fd_count = count;
    s->rings_each = rings_each;
    s->known = features;
    s->base = (VhostBackend){ .ops = &ops,
                              .up = true,
                              .can_log = true,
                              .features = features,
                              .rings = count * rings_each,
                              .slots = max_slots() };
    return s;
}
