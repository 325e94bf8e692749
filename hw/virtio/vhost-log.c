/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/vhost-log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/virtio/vhost-ring.h"
#include "memory/dirty.h"
#include "util/error.h"

/* A bit for each page of the guest's memory, from address 0 on. */
struct VhostLog {
    int fd;
    uint64_t words;
    _Atomic uint64_t *bits;
};

#define WORD_BYTES (64ull * DIRTY_PAGE) /* of memory that a word stands for */

bool vhost_log_is_possible(const Vhost *vhost)
{
    return vhost->backend->features >> VHOST_F_LOG_ALL & 1 && vhost->backend->can_log;
}

uint64_t vhost_log_size(const Vhost *vhost)
{
    return vhost->log ? vhost->log->words * sizeof(uint64_t) : 0;
}

static void log_free(struct VhostLog *log)
{
    munmap((void *)(uintptr_t)log->bits, log->words * sizeof(uint64_t));
    close(log->fd);
    g_free(log);
}

/* A file that the back-end gets, and cannot make shorter below our feet; -1: errno says why. */
static int make_file(uint64_t size)
{
    int fd = memfd_create("vhost-log", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd >= 0 && (ftruncate(fd, (off_t)size) < 0 ||
                    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)) {
        const int code = errno;

        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

static struct VhostLog *log_new(uint64_t size, GError **errp)
{
    struct VhostLog *log = g_new0(struct VhostLog, 1);
    void *map;

    log->words = size / WORD_BYTES + 1;
    log->fd = make_file(log->words * sizeof(uint64_t));
    if (log->fd >= 0) {
        map = mmap(NULL, log->words * sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, log->fd,
                   0);
        if (map != MAP_FAILED) {
            log->bits = map;
            return log;
        }
    }
    error_set_errno(errp, errno, "there is no memory to mark in which pages are written to");
    if (log->fd >= 0) {
        close(log->fd);
    }
    g_free(log);
    return NULL;
}

/* With what may still come. */
static uint64_t memory_end(const Vhost *vhost)
{
    const GArray *devices = memory_devices(machine_current());
    const MemoryDevice *last = devices->len ? memory_device_at(devices, devices->len - 1) : NULL;

    return MAX(vhost_memory_size(&vhost->memory), last ? last->addr + last->size : 0);
}

bool vhost_log_send(Vhost *vhost, GError **errp)
{
    struct VhostLog *log = vhost->log;
    const VhostLogArea area =
        log ? (VhostLogArea){ log->fd, (void *)(uintptr_t)log->bits, log->words * sizeof(uint64_t) }
            : (VhostLogArea){ 0 };

    return !log || vhost->backend->ops->set_log(vhost->backend, &area, errp);
}

/* The rings are logged, or not any more. */
static bool tell(Vhost *vhost, GError **errp)
{
    if (!vhost_log_send(vhost, errp) || !vhost_send_features(vhost, errp)) {
        return false;
    }
    for (unsigned i = 0; i < vhost->ring_count; i++) {
        if (vhost->rings[i].started && !vhost_ring_send_addr(vhost, i, errp)) {
            return false;
        }
    }
    return true;
}

static void tell_and_say(Vhost *vhost)
{
    g_autoptr(GError) err = NULL;

    if (vhost->running && !tell(vhost, &err)) {
        vhost_fail(vhost, "what its back-end writes is not known", g_steal_pointer(&err));
    }
}

static Vhost *of_listener(MemoryListener *listener)
{
    return (Vhost *)((char *)listener - offsetof(Vhost, log_listener));
}

static void dirty_start(MemoryListener *listener)
{
    Vhost *vhost = of_listener(listener);
    g_autoptr(GError) err = NULL;

    if (!vhost_log_is_possible(vhost)) {
        return;
    }
    vhost->log = log_new(memory_end(vhost), &err);
    if (!vhost->log) {
        error_report("%s: %s", vhost->vdev->name, err->message);
        return;
    }
    tell_and_say(vhost);
}

/* Where the guest's @addr is; NULL: in none of them. */
static const VhostRange *range_of(const GArray *ranges, uint64_t addr)
{
    for (unsigned i = 0; i < ranges->len; i++) {
        const VhostRange *range = &g_array_index(ranges, VhostRange, i);

        if (addr - range->region.guest < range->region.size) {
            return range;
        }
    }
    return NULL;
}

/* What of a page is where the guest's @addr is. A back-end that has gone knows nothing any more,
 * but marked what it wrote to before. */
static void mark(const Vhost *vhost, uint64_t addr)
{
    const VhostRange *range = range_of(vhost->memory.sent, addr);

    range = range ? range : range_of(vhost->memory.wanted, addr);
    if (range) {
        dirty_mark(range->block, range->region.offset + (addr - range->region.guest), 1);
    }
}

static void dirty_collect(MemoryListener *listener)
{
    const Vhost *vhost = of_listener(listener);

    for (uint64_t i = 0; vhost->log && i < vhost->log->words; i++) {
        uint64_t bits = atomic_load_explicit(&vhost->log->bits[i], memory_order_relaxed)
                            ? atomic_exchange(&vhost->log->bits[i], 0)
                            : 0;

        for (; bits; bits &= bits - 1) {
            mark(vhost, i * WORD_BYTES + (unsigned)__builtin_ctzll(bits) * (uint64_t)DIRTY_PAGE);
        }
    }
}

static void dirty_stop(MemoryListener *listener)
{
    Vhost *vhost = of_listener(listener);
    struct VhostLog *log = g_steal_pointer(&vhost->log);

    if (log) {
        tell_and_say(vhost);
        log_free(log);
    }
}

void vhost_log_init(Vhost *vhost)
{
    vhost->log_listener = (MemoryListener){ .dirty_start = dirty_start,
                                            .dirty_stop = dirty_stop,
                                            .dirty_collect = dirty_collect };
    address_space_add_listener(&address_space_memory, &vhost->log_listener);
}

void vhost_log_fini(Vhost *vhost)
{
    address_space_remove_listener(&address_space_memory, &vhost->log_listener);
    g_clear_pointer(&vhost->log, log_free);
}
