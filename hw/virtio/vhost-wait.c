/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/vhost-wait.h"

#include "accel/vcpu.h"
#include "hw/core/runstate.h"
#include "hw/virtio/vhost-ring.h"
#include "util/error.h"
#include "util/loop.h"

static GPtrArray *devices; /* of Vhost, whose back-ends are other programs */
static unsigned checks;    /* vhost_checks(): of them, those that are `awaited` */
static void (*checked)(void);

bool vhost_is_busy(const Vhost *vhost)
{
    const VhostBackend *be = vhost->backend;

    return be->up && be->ops->awaited && be->ops->awaited(be) > vhost->checks;
}

static void soon(Vhost *vhost, GSource **source, GSourceFunc fn)
{
    if (!*source) {
        *source = g_idle_source_new();
        g_source_set_priority(*source, G_PRIORITY_DEFAULT);
        g_source_set_callback(*source, fn, vhost, NULL);
        loop_attach(loop_main(), *source);
    }
}

static void drop_source(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

/* ---- when it has answered ---- */

static void let_go(Vhost *vhost)
{
    X86Cpu *cpu;

    while ((cpu = g_queue_pop_head(&vhost->standing))) {
        vcpu_wait_end(cpu);
    }
}

static void settle(Vhost *vhost)
{
    drop_source(&vhost->settle_source);
    if (vhost_is_busy(vhost)) {
        return; /* it comes again */
    }
    if (vhost->was_reset) { /* before a driver that begins anew has a ring */
        vhost->was_reset = false;
        if (vhost->class->stopped) {
            vhost->class->stopped(vhost->vdev);
        }
    }
    if (vhost->again && !vhost->quiet) {
        vhost->again = false;
        vhost_tell(vhost);
    }
    if (vhost_is_busy(vhost) || vhost->again) {
        return;
    }
    vhost_memory_settled(&vhost->memory);
    for (unsigned i = 0; i < vhost->ring_count; i++) {
        vhost_ring_settled(&vhost->rings[i]);
    }
    let_go(vhost);
    if (!runstate_is_running()) {
        vhost_flush(vhost); /* interrupts that came after the stop: the machine may be saved now */
    }
    memory_device_settled();
}

static gboolean settle_now(gpointer opaque)
{
    settle(opaque);
    return G_SOURCE_REMOVE;
}

/* See from the main loop whether somebody is through. */
static void settle_soon(Vhost *vhost)
{
    soon(vhost, &vhost->settle_source, settle_now);
}

void vhost_tell_later(Vhost *vhost)
{
    vhost->again = true;
    settle_soon(vhost);
}

void vhost_told(Vhost *vhost)
{
    g_autoptr(GError) err = NULL;
    X86Cpu *cpu;

    if (vhost->backend->up && vhost->backend->ops->settle &&
        !vhost->backend->ops->settle(vhost->backend, &err)) {
        vhost_fail(vhost, "its back-end", g_steal_pointer(&err));
    }
    if ((vhost_is_busy(vhost) || vhost->again) && (cpu = vcpu_wait_self())) {
        g_queue_push_tail(&vhost->standing, cpu);
    }
    settle_soon(vhost);
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

    drop_source(&vhost->later_source);
    while ((write = g_queue_pop_head(&vhost->later))) {
        if (!drop) {
            write->fn(write->opaque, write->addr, write->value, write->size);
        }
        if (drop || !vhost_is_busy(vhost)) {
            vcpu_wait_end(write->cpu);
        } else {
            g_queue_push_tail(&vhost->standing, write->cpu); /* until that is done */
        }
        g_free(write);
    }
}

void vhost_drop_writes(Vhost *vhost)
{
    do_writes(vhost, true);
}

static gboolean do_writes_now(gpointer opaque)
{
    do_writes(opaque, false);
    return G_SOURCE_REMOVE;
}

static bool check(Vhost *vhost);

bool vhost_write_later(Vhost *vhost, VhostWriteFn *fn, void *opaque, hwaddr addr, uint64_t value,
                       unsigned size)
{
    X86Cpu *cpu;
    Write *write;

    if (!vhost || vhost->kernel || !vhost->backend->up || !(cpu = vcpu_wait_self())) {
        return false;
    }
    if (!check(vhost)) { /* it has just gone */
        vcpu_wait_end(cpu);
        return false;
    }
    write = g_new(Write, 1);
    *write = (Write){ fn, opaque, addr, value, size, cpu };
    g_queue_push_tail(&vhost->later, write);
    return true;
}

/* ---- does it answer at all? ---- */

static void end_checks(Vhost *vhost, unsigned count)
{
    /* Whoever is being asked something is not to be asked more in between: from the main loop. */
    if (vhost->later.length) {
        soon(vhost, &vhost->later_source, do_writes_now);
    }
    vhost->checks -= count;
    if (vhost->awaited) {
        vhost->awaited -= MIN(count, vhost->awaited);
        if (!vhost->awaited && --checks == 0 && checked) {
            checked();
        }
    }
}

static bool check_answered(void *opaque, const void *payload, int fd, GError **errp)
{
    end_checks(opaque, 1);
    return true;
}

/* False: nobody is there. */
static bool check(Vhost *vhost)
{
    g_autoptr(GError) err = NULL;

    if (!vhost->backend->up) {
        return false;
    }
    if (vhost_user_asked_last(&vhost->user, check_answered)) {
        return true;
    }
    vhost->checks++;
    if (!vhost_user_ask_later(&vhost->user, VHOST_USER_GET_FEATURES, NULL, 0, sizeof(uint64_t),
                              check_answered, vhost, &err)) {
        vhost->checks--;
        vhost_fail(vhost, "its back-end", g_steal_pointer(&err));
    }
    return vhost->backend->up;
}

void vhost_check_all(void)
{
    for (unsigned i = 0; devices && i < devices->len; i++) {
        Vhost *vhost = devices->pdata[i];

        if (check(vhost)) {
            checks += !vhost->awaited;
            vhost->awaited = vhost->checks;
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

/* ---- all of them ---- */

/* It is to be told more, and may be. */
static bool has_more(const Vhost *vhost)
{
    return vhost->again && !vhost->quiet;
}

bool vhost_all_settled(void)
{
    for (unsigned i = 0; devices && i < devices->len; i++) {
        const Vhost *vhost = devices->pdata[i];

        if (vhost_is_busy(vhost) || has_more(vhost)) {
            return false;
        }
    }
    return true;
}

static void finish(Vhost *vhost)
{
    g_autoptr(GError) err = NULL;

    if (vhost->backend->up && !vhost_user_finish(&vhost->user, &err)) {
        vhost_fail(vhost, "its back-end", g_steal_pointer(&err));
    }
}

/* What it is told more, it has to do, too; as the machine stands, that comes to an end. */
void vhost_settle_all(bool wait)
{
    for (unsigned i = 0; devices && i < devices->len; i++) {
        Vhost *vhost = devices->pdata[i];

        do {
            if (wait) {
                finish(vhost);
            }
            settle(vhost);
        } while (wait && (vhost_is_busy(vhost) || has_more(vhost)));
    }
}

void vhost_do_writes(void)
{
    for (unsigned i = 0; devices && i < devices->len; i++) {
        do_writes(devices->pdata[i], false);
    }
}

void vhost_quiet_all(bool quiet)
{
    for (unsigned i = 0; devices && i < devices->len; i++) {
        Vhost *vhost = devices->pdata[i];

        vhost->quiet = quiet;
        if (!quiet) {
            settle_soon(vhost);
        } else if (vhost->running) {
            vhost_stop(vhost);
            vhost->again = true; /* if it is not reset */
        }
    }
}

/* ---- life ---- */

static void user_answered(void *opaque)
{
    settle_soon(opaque);
}

void vhost_wait_over(Vhost *vhost)
{
    end_checks(vhost, vhost->checks);
    settle_soon(vhost);
}

void vhost_wait_begin(Vhost *vhost)
{
    vhost->user.answered = user_answered;
    devices = devices ? devices : g_ptr_array_new();
    g_ptr_array_add(devices, vhost);
}

void vhost_wait_end(Vhost *vhost)
{
    if (devices) {
        g_ptr_array_remove(devices, vhost);
    }
    do_writes(vhost, true);
    end_checks(vhost, vhost->checks);
    let_go(vhost);
    drop_source(&vhost->settle_source);
    drop_source(&vhost->later_source);
    memory_device_settled();
}
