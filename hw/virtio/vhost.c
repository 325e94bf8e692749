/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/vhost.h"

#include <errno.h>
#include <glib-unix.h>
#include <inttypes.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "accel/vcpu.h"
#include "chardev/chardev.h"
#include "hw/virtio/vhost-ask.h"
#include "hw/virtio/vhost-log.h"
#include "hw/virtio/vhost-ring.h"
#include "util/error.h"
#include "util/loop.h"

/* What we can make use of. */
#define PROTOCOL                                                                  \
    (1ull << VHOST_USER_PROTOCOL_F_MQ | 1ull << VHOST_USER_PROTOCOL_F_REPLY_ACK | \
     1ull << VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD |                               \
     1ull << VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS)

static GPtrArray *devices; /* of Vhost, whose back-ends are other programs */
static unsigned checks;    /* vhost_checks(): of them, those that are `awaited` */
static void (*checked)(void);

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

/* ---- writes that wait ---- */

typedef struct Write {
    VhostWriteFn *fn;
    void *opaque;
    hwaddr addr;
    uint64_t value;
    unsigned size;
    X86Cpu *cpu;
} Write;

/* Of each the device may do whatever it does, even drop the others. */
static void do_writes(Vhost *vhost, bool drop)
{
    Write *write;

    if (vhost->later_source) {
        g_source_destroy(vhost->later_source);
        g_clear_pointer(&vhost->later_source, g_source_unref);
    }
    while ((write = g_queue_pop_head(&vhost->later))) {
        vhost->doing = true;
        if (!drop) {
            write->fn(write->opaque, write->addr, write->value, write->size);
        }
        vhost->doing = false;
        vcpu_wait_end(write->cpu);
        g_free(write);
    }
}

static gboolean do_writes_now(gpointer opaque)
{
    do_writes(opaque, false);
    return G_SOURCE_REMOVE;
}

/* Whoever is being asked something is not to be asked more in between: from the main loop. */
static void do_writes_soon(Vhost *vhost)
{
    if (vhost->later.length && !vhost->later_source) {
        vhost->later_source = g_idle_source_new();
        g_source_set_priority(vhost->later_source, G_PRIORITY_DEFAULT);
        g_source_set_callback(vhost->later_source, do_writes_now, vhost, NULL);
        loop_attach(loop_main(), vhost->later_source);
    }
}

static void check(Vhost *vhost);

bool vhost_write_later(Vhost *vhost, VhostWriteFn *fn, void *opaque, hwaddr addr, uint64_t value,
                       unsigned size)
{
    X86Cpu *cpu;
    Write *write;

    if (!vhost || vhost->kernel || !vhost->backend->up || !(cpu = vcpu_wait_self())) {
        return false;
    }
    check(vhost);
    if (!vhost->user.ask) { /* it has just gone */
        vcpu_wait_end(cpu);
        return false;
    }
    write = g_new(Write, 1);
    *write = (Write){ fn, opaque, addr, value, size, cpu };
    g_queue_push_tail(&vhost->later, write);
    return true;
}

/* ---- starting and stopping ---- */

static void stop(Vhost *vhost)
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
    if (err) {
        complain(vhost, "stopping its rings", g_steal_pointer(&err));
    }
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

void vhost_update(Vhost *vhost)
{
    g_autoptr(GError) err = NULL;

    if (!vhost || !vhost->rings) {
        return;
    }
    if (vhost->lost) {
        vhost_fail_all(vhost);
    } else if (!may_run(vhost)) {
        stop(vhost);
    } else if (!(vhost->running ? start_rings(vhost, &err) : start(vhost, &err))) {
        vhost_fail(vhost, "its back-end does not take the rings", g_steal_pointer(&err));
        stop(vhost);
    }
}

static void finish_writes(Vhost *vhost)
{
    if (vhost->later.length && !vhost->doing) {
        vhost_user_finish_ask(&vhost->user);
        do_writes(vhost, false);
    }
}

void vhost_pause(Vhost *vhost)
{
    if (vhost && vhost->rings) {
        finish_writes(vhost); /* whose CPUs have gone on, for the machine that is saved */
        stop(vhost);
    }
}

void vhost_reset(Vhost *vhost)
{
    if (vhost) {
        do_writes(vhost, true);
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

/* The map is another. A ring may be elsewhere now, or nowhere. */
static void memory_changed(void *opaque)
{
    Vhost *vhost = opaque;
    g_autoptr(GError) err = NULL;

    if (!vhost->backend->up || !vhost->memory.sent->len) {
        return;
    }
    for (unsigned i = 0; vhost->running && i < vhost->ring_count; i++) {
        if (vhost->rings[i].started && !vhost_ring_is_mapped(vhost, i)) {
            virtio_needs_reset(vhost->vdev, "a ring is no memory any more");
        }
    }
    if (!vhost_memory_send(&vhost->memory, &err)) {
        vhost_fail(vhost, "its back-end does not take the memory", g_steal_pointer(&err));
    }
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

static bool meet(Vhost *vhost, GError **errp)
{
    const uint64_t wanted = PROTOCOL | VHOST_OPTIONAL_PROTOCOL | vhost->class->protocol;

    const unsigned each = MAX(vhost->class->rings_per_queue, 1);

    if (!vhost_user_begin(&vhost->user, wanted, errp) || !check_protocol(vhost, errp)) {
        return false;
    }
    if (vhost->backend->rings == UINT_MAX && each > 1) {
        vhost->backend->rings = 1; /* without MQ */
    }
    vhost->backend->rings =
        vhost->backend->rings > UINT_MAX / each ? UINT_MAX : vhost->backend->rings * each;
    return true;
}

static void end_check(Vhost *vhost)
{
    do_writes_soon(vhost);
    vhost->checking = false;
    if (vhost->awaited) {
        vhost->awaited = false;
        if (--checks == 0 && checked) {
            checked();
        }
    }
}

/* An answer that comes later would be taken for that to another question. */
static void forget_ask(Vhost *vhost)
{
    if (vhost->user.ask) {
        vhost_ask_forget(g_steal_pointer(&vhost->user.ask));
        end_check(vhost);
        if (char_fd(vhost->user.chardev) >= 0) {
            char_hang_up(vhost->user.chardev);
        }
    }
}

static void answered(void *opaque, GError *ask_err)
{
    Vhost *vhost = opaque;
    g_autoptr(GError) err = ask_err;

    vhost->user.ask = NULL;
    if (err || !meet(vhost, &err) || !check_again(vhost, &err)) {
        complain(vhost, "its back-end is not taken", g_steal_pointer(&err));
        vhost->backend->up = false;
        char_hang_up(vhost->user.chardev);
        return;
    }
    if (vhost->class->came) {
        vhost->class->came(vhost->vdev);
    }
    vhost_update(vhost);
}

/* Nobody stands until it answers. */
static void came(Vhost *vhost)
{
    if (!vhost->backend->up && !vhost->user.ask && char_fd(vhost->user.chardev) >= 0) {
        vhost->user.ask = vhost_ask_start(char_fd(vhost->user.chardev), answered, vhost);
    }
}

static void check_answered(void *opaque, GError *ask_err)
{
    Vhost *vhost = opaque;

    vhost->user.ask = NULL;
    if (ask_err) {
        complain(vhost, "its back-end is hung up on", ask_err);
        vhost_user_give_up(&vhost->user);
    }
    end_check(vhost);
}

static void check(Vhost *vhost)
{
    if (vhost->backend->up && !vhost->user.ask && char_fd(vhost->user.chardev) >= 0) {
        vhost->checking = true;
        vhost->user.ask = vhost_ask_start(char_fd(vhost->user.chardev), check_answered, vhost);
    }
}

void vhost_check_all(void)
{
    for (unsigned i = 0; devices && i < devices->len; i++) {
        Vhost *vhost = devices->pdata[i];

        check(vhost);
        if (vhost->checking && !vhost->awaited) {
            vhost->awaited = true;
            checks++;
        }
    }
}

unsigned vhost_checks(void)
{
    return checks;
}

void vhost_set_checked(void (*fn)(void))
{
    checked = fn;
}

/* One that takes memory piece by piece keeps what it was given, while the connection stays, and has
 * no room for as much once more. */
static void leave_memory(Vhost *vhost)
{
    if (vhost->user.chardev && vhost->backend->up && vhost->backend->pieces) {
        char_leave(vhost->user.chardev, vhost_memory_leave(&vhost->memory),
                   (GDestroyNotify)g_array_unref);
    }
}

static void take_memory(Vhost *vhost)
{
    GArray *left = char_take_left(vhost->user.chardev);

    if (left) {
        vhost_memory_take(&vhost->memory, left);
    }
}

void vhost_lose(Vhost *vhost)
{
    forget_ask(vhost);
    leave_memory(vhost);
    if (vhost->user.chardev) {
        vhost->user.chardev->event = NULL;
        vhost->backend->up = false;
    }
    stop(vhost);
    vhost->backend->up = false;
    vhost_user_end(&vhost->user);
    vhost_memory_forget(&vhost->memory);
    if (!vhost->lost) {
        vhost->lost = true;
        vhost_watch_ours(vhost);
        vhost_fail_all(vhost);
    }
}

static void gone(Vhost *vhost)
{
    forget_ask(vhost);
    if (!char_can_reconnect(vhost->user.chardev)) {
        error_report("%s: its back-end has gone, and no other can come", vhost->vdev->name);
        vhost_lose(vhost);
    } else {
        vhost->backend->up = false;
        stop(vhost);
        vhost_user_end(&vhost->user);
        vhost_memory_forget(&vhost->memory);
    }
    if (vhost->class->gone) {
        vhost->class->gone(vhost->vdev);
    }
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
    vhost->user.opaque = vhost;
    chardev->event = chardev_event;
    chardev->opaque = vhost;
    if (!meet(vhost, errp) || !vhost_memory_begin(&vhost->memory, errp)) {
        vhost_free(vhost);
        return NULL;
    }
    take_memory(vhost);
    vhost_log_init(vhost);
    devices = devices ? devices : g_ptr_array_new();
    g_ptr_array_add(devices, vhost);
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
    if (!vhost->checking) {
        forget_ask(vhost);
    } else {
        vhost_user_finish_ask(&vhost->user); /* the next device has the connection */
    }
    if (devices) {
        g_ptr_array_remove(devices, vhost);
    }
    do_writes(vhost, true);
    stop(vhost);
    if (vhost->memory.wanted) {
        leave_memory(vhost);
        vhost_log_fini(vhost);
        vhost_memory_end(&vhost->memory);
    }
    if (vhost->user.chardev) {
        vhost->user.chardev->event = NULL;
    }
    vhost_user_end(&vhost->user);
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
