/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/notify.h"

#include <glib-unix.h>

#include "accel/accel.h"
#include "memory/address-space.h"
#include "memory/memory.h"
#include "util/loop.h"
#include "util/shared-event.h"

struct AccelMsiRoute {
    uint64_t addr;
    uint32_t data;
    int fd;         /* -1: none */
    int number;     /* of the engine's route; -1: it has none */
    GSource *watch; /* of the eventfd in the main loop, if the engine has no route; or NULL */
};

static const AccelNotify *engine(void)
{
    return accel_current() ? accel_current()->notify : NULL;
}

AccelMsiRoute *accel_msi_route_new(uint64_t addr, uint32_t data)
{
    AccelMsiRoute *route = g_new(AccelMsiRoute, 1);

    *route = (AccelMsiRoute){ .addr = addr, .data = data, .fd = -1, .number = -1 };
    return route;
}

void accel_msi_route_free(AccelMsiRoute *route)
{
    if (route) {
        accel_irqfd_del(route);
        g_free(route);
    }
}

/* ---- in the main loop ---- */

static void (*msi_sender)(uint64_t addr, uint32_t data);

void accel_set_msi_sender(void (*send)(uint64_t addr, uint32_t data))
{
    msi_sender = send;
}

static void send_message(uint64_t addr, uint32_t data)
{
    if (msi_sender) {
        msi_sender(addr, data);
    } else {
        address_space_store(&address_space_memory, addr, data, sizeof(data));
    }
}

static gboolean signalled(gint fd, GIOCondition condition, gpointer opaque)
{
    const AccelMsiRoute *route = opaque;

    if (shared_event_take(fd)) {
        send_message(route->addr, route->data);
    }
    return G_SOURCE_CONTINUE;
}

void accel_irqfd_flush(const AccelMsiRoute *route)
{
    if (route->watch) {
        signalled(route->fd, G_IO_IN, (gpointer)(uintptr_t)route);
    }
}

static void watch(AccelMsiRoute *route)
{
    route->watch = g_unix_fd_source_new(route->fd, G_IO_IN);
    g_source_set_callback(route->watch, G_SOURCE_FUNC(signalled), route, NULL);
    loop_attach(loop_main(), route->watch);
}

/* ---- by the engine ---- */

static bool give_to_engine(AccelMsiRoute *route)
{
    const AccelNotify *ops = engine();

    route->number = ops ? ops->msi_route_add(route->addr, route->data, NULL) : -1;
    if (route->number >= 0 && !ops->irqfd(route->fd, route->number, true, NULL)) {
        ops->msi_route_del(route->number);
        route->number = -1;
    }
    return route->number >= 0;
}

static void take_from_engine(AccelMsiRoute *route)
{
    engine()->irqfd(route->fd, route->number, false, NULL);
    engine()->msi_route_del(route->number);
    route->number = -1;
}

/* ---- for devices ---- */

void accel_irqfd_add(AccelMsiRoute *route, int fd)
{
    g_return_if_fail(route->fd < 0);
    route->fd = fd;
    if (!give_to_engine(route)) {
        watch(route);
    }
}

void accel_irqfd_del(AccelMsiRoute *route)
{
    if (route->number >= 0) {
        take_from_engine(route);
    }
    if (route->watch) {
        g_source_destroy(route->watch);
        g_clear_pointer(&route->watch, g_source_unref);
    }
    route->fd = -1;
}

void accel_msi_route_change(AccelMsiRoute *route, uint64_t addr, uint32_t data)
{
    /* A guest may have all of them looked at again and again, and an engine takes its time. */
    if (route->addr == addr && route->data == data) {
        return;
    }
    route->addr = addr;
    route->data = data;
    if (route->number >= 0 && !engine()->msi_route_change(route->number, addr, data, NULL)) {
        take_from_engine(route);
        watch(route);
    }
}

bool accel_irqfd_is_fast(const AccelMsiRoute *route)
{
    return route->number >= 0;
}
