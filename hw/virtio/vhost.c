/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/vhost.h"

#include <errno.h>
#include <glib-unix.h>
#include <inttypes.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "chardev/chardev.h"
#include "hw/virtio/vhost-ask.h"
#include "hw/virtio/vhost-log.h"
#include "hw/virtio/vhost-ring.h"
#include "hw/virtio/vhost-wait.h"
#include "util/error.h"
#include "util/loop.h"

/* What we can make use of. */
#define PROTOCOL                                                                  \
    (1ull << VHOST_USER_PROTOCOL_F_MQ | 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK | \
     1ull << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD |                               \
     1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)

/* Something failed with the back-end, which is hung up on. */
static void complain(const Vhost *vhost, const char *what, GError *err)
{
    error_report("%s: %s: %s", vhost->vdev->name, what, err->message);
    g_error_free(err);
}

void vhost_fail(Vhost *vhost, const char *what, GError *err)
{
    if (!vhost->kernel) {
        complain(vhost, what, err);
        vhost->backend->ops->hang_up(vhost->backend);
        return;
    }
    virtio_needs_reset(vhost->vdev, err->message);
    if (vhost->said) { /* it may be the guest's fault, again and again */
        g_error_free(err);
        return;
    }
    vhost->said = true;
    complain(vhost, what, err);
}

/* ---- starting and stopping ---- */

/* Those that the back-end has not said it gives back. */
static void recover_rings(Vhost *vhost)
{
    for (unsigned i = 0; i < vhost->ring_count; i++) {
        if (vhost->rings[i].started || vhost->rings[i].stopping) {
            vhost_ring_recover(vhost, i);
        }
    }
}

void vhost_stop(Vhost *vhost)
{
    g_autoptr(GError) err = NULL;
    bool ok = vhost->backend->up;

    if (!vhost->running) {
        return;
    }
    vhost->running = false;
    for (unsigned i = 0; i < vhost->ring_count; i++) {
        if (vhost->rings[i].started && !(ok && vhost_ring_stop(vhost, i, err ? NULL : &err))) {
            ok = ok && vhost->kernel; /* which must not work on the others, either */
            vhost_ring_recover(vhost, i);
        }
    }
    if (!ok) {
        recover_rings(vhost);
    }
    if (err) {
        complain(vhost, "stopping its rings", g_steal_pointer(&err));
    }
    vhost_told(vhost);
}

static bool start_rings(Vhost *vhost, GError **errp)
{
    for (unsigned i = 0; i < vhost->ring_count; i++) {
        if (!vhost_ring_update(vhost, i, errp)) {
            return false;
        }
    }
    return true;
}

/* The kernel takes a log only where it knows the memory. */
static bool start(Vhost *vhost, GError **errp)
{
    vhost->running = true;
    if (vhost->kernel) {
        return vhost_memory_send(&vhost->memory, errp) && vhost_log_send(vhost, errp) &&
               vhost_send_features(vhost, errp) && start_rings(vhost, errp);
    }
    return vhost_send_features(vhost, errp) && vhost_memory_send(&vhost->memory, errp) &&
           vhost_log_send(vhost, errp) && vhost_inflight_send(vhost, errp) &&
           start_rings(vhost, errp);
}

static bool may_run(const Vhost *vhost)
{
    return vhost->backend->up && virtio_device_runs(vhost->vdev);
}

/* It has to be told before it has a ring. */
static void ask_inflight(Vhost *vhost)
{
    g_autoptr(GError) err = NULL;

    if (!vhost_inflight_ask(vhost, &err)) {
        vhost_fail(vhost, "its back-end does not say what is in flight", g_steal_pointer(&err));
        return;
    }
    vhost_tell_later(vhost);
    vhost_told(vhost);
}

void vhost_update(Vhost *vhost)
{
    g_autoptr(GError) err = NULL;

    if (!vhost || !vhost->rings) {
        return;
    }
    if (vhost->lost) {
        vhost_fail_all(vhost);
    } else if (!may_run(vhost)) {
        vhost_stop(vhost);
    } else if (vhost_is_busy(vhost) || vhost->quiet) {
        vhost_tell_later(vhost);
    } else if (!vhost_inflight_is_known(vhost)) {
        ask_inflight(vhost);
    } else if (vhost->running ? start_rings(vhost, &err) : start(vhost, &err)) {
        vhost_told(vhost);
    } else {
        vhost_fail(vhost, "its back-end does not take the rings", g_steal_pointer(&err));
        vhost_stop(vhost);
    }
}

void vhost_pause(Vhost *vhost)
{
    if (vhost && vhost->rings) {
        vhost_stop(vhost);
    }
}

void vhost_reset(Vhost *vhost)
{
    if (vhost) {
        vhost_drop_writes(vhost);
        for (unsigned i = 0; i < vhost->ring_count; i++) {
            vhost->was_reset = vhost->was_reset || vhost->rings[i].stopping;
            vhost->rings[i].stopping = false; /* wherever it was */
            vhost->rings[i].call_fd = -1;
            vhost->rings[i].call_changed = false;
        }
        vhost_inflight_forget(vhost);
    }
}

void vhost_use_rings(Vhost *vhost, unsigned given, unsigned count)
{
    if (vhost->in_use != count || vhost->given != given) {
        vhost->given = given;
        vhost->in_use = count;
        vhost_watch_ours(vhost);
        if (vhost->running) {
            vhost_update(vhost);
        }
    }
}

static void tell_memory(Vhost *vhost)
{
    g_autoptr(GError) err = NULL;

    if (vhost_is_busy(vhost)) {
        vhost_tell_later(vhost);
    } else if (!vhost_memory_send(&vhost->memory, &err)) {
        vhost_fail(vhost, "its back-end does not take the memory", g_steal_pointer(&err));
    }
    vhost_told(vhost);
}

/* It knows something of the memory, and is to know the rest. */
static bool has_memory(const Vhost *vhost)
{
    return vhost->backend->up && vhost->memory.sent->len;
}

void vhost_tell(Vhost *vhost)
{
    if (has_memory(vhost)) {
        tell_memory(vhost);
    }
    vhost_update(vhost);
}

/* The map is another. A ring may be elsewhere now, or nowhere. */
static void memory_changed(void *opaque)
{
    Vhost *vhost = opaque;

    if (!has_memory(vhost)) {
        return;
    }
    for (unsigned i = 0; vhost->running && i < vhost->ring_count; i++) {
        if (vhost->rings[i].started && !vhost_ring_is_mapped(vhost, i)) {
            virtio_needs_reset(vhost->vdev, "a ring is no memory any more");
        }
    }
    tell_memory(vhost);
}

static bool memory_is_busy(void *opaque)
{
    const Vhost *vhost = opaque;

    return vhost_is_busy(vhost) || vhost->again;
}

/* ---- the back-end comes and goes ---- */

static bool check_protocol(const Vhost *vhost, GError **errp)
{
    const uint64_t missing = vhost->class->needed & ~vhost->user.protocol;

    if (missing) {
        error_set(errp, "the back-end lacks features 0x%" PRIx64 " of the protocol", missing);
        return false;
    }
    return true;
}

/* One that came again must do what the driver knows of the first one. */
static bool check_again(Vhost *vhost, GError **errp)
{
    const uint64_t missing =
        vhost->vdev->offered & vhost->class->features & ~vhost->backend->features;

    if (missing) {
        error_set(errp, "the back-end lacks features 0x%" PRIx64 ", which the one before had",
                  missing);
    } else if (vhost->ring_count > vhost->backend->rings) {
        error_set(errp, "the back-end has %u queues, and must have %u", vhost->backend->rings,
                  vhost->ring_count);
    } else {
        return vhost_memory_fits(&vhost->memory, errp);
    }
    return false;
}

static uint64_t wanted_protocol(const Vhost *vhost)
{
    return PROTOCOL | VHOST_OPTIONAL_PROTOCOL | vhost->class->protocol;
}

/* It has said what it can do. */
static bool take_limits(Vhost *vhost, GError **errp)
{
    const unsigned each = MAX(vhost->class->rings_per_queue, 1);

    if (!check_protocol(vhost, errp)) {
        return false;
    }
    if (vhost->backend->rings == UINT_MAX && each > 1) {
        vhost->backend->rings = 1; /* without MQ */
    }
    vhost->backend->rings =
        vhost->backend->rings > UINT_MAX / each ? UINT_MAX : vhost->backend->rings * each;
    return true;
}

/* An answer that comes later would be taken for that to another question. */
static void end_meeting(Vhost *vhost)
{
    if (vhost->user.meeting) {
        vhost->user.meeting = false;
        if (char_fd(vhost->user.chardev) >= 0) {
            char_hang_up(vhost->user.chardev);
        }
    }
}

static bool met_again(void *opaque, GError **errp)
{
    Vhost *vhost = opaque;

    if (!take_limits(vhost, errp) || !check_again(vhost, errp)) {
        return false;
    }
    if (vhost->class->came) {
        vhost->class->came(vhost->vdev);
    }
    vhost_update(vhost);
    return true;
}

/* Nobody stands until it answers. */
static void came(Vhost *vhost)
{
    g_autoptr(GError) err = NULL;

    if (!vhost->backend->up && !vhost->user.meeting && char_fd(vhost->user.chardev) >= 0 &&
        !vhost_user_begin_later(&vhost->user, wanted_protocol(vhost), met_again, &err)) {
        complain(vhost, "its back-end is not taken", g_steal_pointer(&err));
    }
}

static void left_free(gpointer data)
{
    VhostLeft *left = data;

    g_queue_clear_full(&left->answers, g_free);
    g_clear_pointer(&left->ranges, g_array_unref);
    g_clear_pointer(&left->leaving, g_array_unref);
    g_free(left);
}

/* One that takes memory piece by piece keeps what it was given, while the connection stays, and has
 * no room for as much once more. What it has not answered yet, it will. */
static void leave(Vhost *vhost)
{
    VhostLeft *left;

    if (!vhost->user.chardev || !vhost->backend->up) {
        return;
    }
    left = g_new0(VhostLeft, 1);
    if (vhost_user_leave_answers(&vhost->user, &left->answers)) {
        vhost_memory_leave(&vhost->memory, left);
        char_leave(vhost->user.chardev, left, left_free);
    } else {
        left_free(left);
        char_hang_up(vhost->user.chardev);
    }
}

static void take(Vhost *vhost)
{
    VhostLeft *left = char_take_left(vhost->user.chardev);

    if (left) {
        vhost_user_take_answers(&vhost->user, &left->answers);
        vhost_memory_take(&vhost->memory, left);
        left_free(left);
    }
}

/* What it was told, and asked, is over. */
static void end_connection(Vhost *vhost)
{
    vhost->backend->up = false;
    vhost_stop(vhost);
    recover_rings(vhost);
    vhost_user_end(&vhost->user);
    vhost_memory_forget(&vhost->memory);
    if (vhost->inflight_fd < 0) { /* the next one is asked */
        vhost_inflight_forget(vhost);
    }
    vhost_wait_over(vhost);
}

void vhost_lose(Vhost *vhost)
{
    end_meeting(vhost);
    vhost_stop(vhost);
    leave(vhost);
    if (vhost->user.chardev) {
        vhost->user.chardev->event = NULL;
    }
    end_connection(vhost);
    if (!vhost->lost) {
        vhost->lost = true;
        vhost_watch_ours(vhost);
        vhost_fail_all(vhost);
    }
}

static void gone(Vhost *vhost)
{
    end_meeting(vhost);
    end_connection(vhost);
    if (!char_can_reconnect(vhost->user.chardev)) {
        error_report("%s: its back-end has gone, and no other can come", vhost->vdev->name);
        vhost_lose(vhost);
    }
    if (vhost->class->gone) {
        vhost->class->gone(vhost->vdev);
    }
}

/* Nobody was waiting for it; gone() comes. */
static void failed(void *opaque, GError *err)
{
    Vhost *vhost = opaque;

    complain(vhost, "its back-end is hung up on", err);
    vhost_wait_over(vhost);
}

static void chardev_event(void *opaque, CharEvent event)
{
    Vhost *vhost = opaque;

    if (!vhost->rings) {
        return; /* it is being realized */
    }
    if (event == CHAR_EVENT_OPENED) {
        came(vhost);
    } else if (event == CHAR_EVENT_CLOSED) {
        gone(vhost);
    }
}

static void config_changed(void *opaque)
{
    Vhost *vhost = opaque;

    if (vhost->class->config_changed) {
        vhost->class->config_changed(vhost->vdev);
    }
}

static void serve_side(void *opaque)
{
    Vhost *vhost = opaque;

    vhost->class->serve_side(vhost->vdev);
}

/* ---- life ---- */

void vhost_handle_queue(VirtioDevice *vdev, VirtQueue *vq)
{
}

bool vhost_check_migrate(const Device *dev, GError **errp)
{
    const Vhost *vhost = VIRTIO_DEVICE(OBJECT(dev))->vhost;

    if (!vhost || vhost->lost || vhost_log_is_possible(vhost)) {
        return true;
    }
    error_set(errp, vhost->backend->up
                        ? "its back-end cannot tell which memory it writes to (it lacks "
                          "VHOST_F_LOG_ALL or VHOST_USER_PROTOCOL_F_LOG_SHMFD)"
                        : "its back-end has gone: start it again first");
    return false;
}

bool vhost_attach(CharFrontend *fe, const char *name, GError **errp)
{
    Chardev *chr = name ? chardev_find(name) : NULL;

    if (!chr) {
        error_set(errp,
                  name ? "chardev '%s' not found; make it with -chardev socket,id=%s,path=PATH"
                       : "chardev= is missing: the id of the socket at which the back-end is",
                  name, name);
        return false;
    }
    if (!char_can_be_raw(chr)) {
        error_set(errp,
                  "chardev '%s' is no plain socket: make it with -chardev socket,id=%s,"
                  "path=PATH",
                  name, name);
        return false;
    }
    *fe = (CharFrontend){ .raw = true };
    return char_attach(chr, fe, errp);
}

/* While the machine is being made, somebody is waited for. */
static bool wait_for_somebody(CharFrontend *chardev, GError **errp)
{
    if (char_fd(chardev) < 0 && machine_current()->ready) {
        error_set(errp, "nobody is at the other end of its chardev: start the back-end first");
        return false;
    }
    return char_wait_connected(chardev, errp);
}

static Vhost *prepare(VirtioDevice *vdev, const VhostClass *class, CharFrontend *chardev)
{
    Vhost *vhost = g_new0(Vhost, 1);

    vhost->vdev = vdev;
    vhost->class = class;
    vhost->inflight_fd = -1;
    vhost_user_init(&vhost->user, chardev);
    vhost->backend = &vhost->user.base;
    vhost->memory.backend = vhost->backend;
    vhost->memory.changed = memory_changed;
    vhost->memory.busy = memory_is_busy;
    vhost->memory.opaque = vhost;
    vhost->memory.name = vdev->name;
    vdev->vhost = vhost;
    return vhost;
}

Vhost *vhost_new_kernel(VirtioDevice *vdev, const VhostClass *class, VhostKernel *kernel,
                        GError **errp)
{
    Vhost *vhost = prepare(vdev, class, NULL);

    vhost->kernel = kernel;
    vhost->backend = vhost->memory.backend = &kernel->base;
    if (!vhost_memory_begin(&vhost->memory, errp)) {
        vhost_free(vhost);
        return NULL;
    }
    vhost_log_init(vhost);
    return vhost;
}

Vhost *vhost_new(VirtioDevice *vdev, const VhostClass *class, CharFrontend *chardev, GError **errp)
{
    Vhost *vhost;

    if (!wait_for_somebody(chardev, errp)) {
        return NULL;
    }
    vhost = prepare(vdev, class, chardev);
    vhost->user.config_changed = config_changed;
    vhost->user.serve_side = serve_side;
    vhost->user.failed = failed;
    vhost->user.opaque = vhost;
    chardev->event = chardev_event;
    chardev->opaque = vhost;
    take(vhost);
    if (!vhost_user_begin(&vhost->user, wanted_protocol(vhost), errp) ||
        !take_limits(vhost, errp) || !vhost_memory_begin(&vhost->memory, errp)) {
        vhost_free(vhost);
        return NULL;
    }
    vhost_log_init(vhost);
    vhost_wait_begin(vhost);
    vhost_ask_watch();
    return vhost;
}

bool vhost_add_rings(Vhost *vhost, unsigned count, GError **errp)
{
    VirtioDevice *vdev = vhost->vdev;

    vdev->offered &= ~vhost->class->features | vhost->backend->features;
    vdev->offered &= ~(1ull << VIRTIO_F_RING_RESET); /* the protocol stops rings as a whole */
    vhost->rings = g_new0(VhostRing, count);
    vhost->ring_count = vhost->given = vhost->in_use = count;
    for (unsigned i = 0; i < count; i++) {
        vhost->rings[i] = (VhostRing){ .vhost = vhost, .number = i, .call_fd = -1, .own_call = -1 };
    }
    for (unsigned i = 0; i < count; i++) {
        vdev->queues[i].kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (vdev->queues[i].kick_fd < 0) {
            error_set_errno(errp, errno, "there is no eventfd for each of its %u queues", count);
            return false;
        }
    }
    return true;
}

void vhost_free(Vhost *vhost)
{
    if (!vhost) {
        return;
    }
    end_meeting(vhost);
    vhost_stop(vhost);
    if (vhost->memory.sent) {
        leave(vhost); /* perhaps just as it was taken */
    }
    if (vhost->memory.wanted) {
        vhost_log_fini(vhost);
    }
    vhost_memory_end(&vhost->memory);
    if (vhost->user.chardev) {
        vhost->user.chardev->event = NULL;
    }
    vhost_user_end(&vhost->user);
    vhost_wait_end(vhost);
    for (unsigned i = 0; i < vhost->ring_count; i++) {
        VirtioQueue *queue = &vhost->vdev->queues[i];

        vhost_ring_free(&vhost->rings[i]);
        if (queue->kick_fd >= 0) {
            close(queue->kick_fd);
            queue->kick_fd = -1;
        }
    }
    vhost_inflight_forget(vhost);
    vhost->vdev->vhost = NULL;
    g_free(vhost->rings);
    g_free(vhost->kernel);
    g_free(vhost);
}
