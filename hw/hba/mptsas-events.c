/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hw/hba/mptsas.h"

/* Of the target that the event is about. */
typedef struct DeviceEvent {
    uint8_t target, bus, reason, reserved, asc, ascq;
    uint16_t handle;
    uint32_t info;
    uint16_t parent;
    uint8_t phy, reserved2;
    uint32_t address[2];
    uint8_t lun[8];
    uint32_t tag;
} DeviceEvent;
G_STATIC_ASSERT(sizeof(DeviceEvent) == sizeof(((MptEvent *)0)->data));

typedef struct LinkEvent {
    uint8_t phy, rates; /* now, and before */
    uint16_t handle;
    uint32_t address[2];
} LinkEvent;

static void send(Mptsas *s, uint32_t event, const void *data, size_t size)
{
    MptEvent e = { .event = event, .event_context = s->event_number++ };
    uint16_t words = (uint16_t)(size / 4);

    memcpy(e.reply.own, &words, sizeof(words));
    e.reply.function = MPT_EVENT_NOTIFICATION;
    e.reply.context = s->event_context;
    memcpy(e.data, data, size);
    mptsas_reply(s, &e, offsetof(MptEvent, data) + size);
}

static void send_device(Mptsas *s, unsigned phy, bool there)
{
    uint64_t address = mptsas_target_address(s, phy, mptsas_target(s, phy));
    DeviceEvent e = {
        .target = (uint8_t)phy,
        .reason = there ? MPT_DEVICE_ADDED : MPT_DEVICE_GONE,
        .handle = (uint16_t)(MPTSAS_HANDLE + 1 + phy),
        .info = MPT_SAS_END_DEVICE | MPT_SAS_SSP_TARGET | MPT_SAS_DIRECT,
        .parent = MPTSAS_HANDLE,
        .phy = (uint8_t)phy,
    };

    memcpy(e.address, &address, sizeof(address));
    send(s, MPT_EVENT_SAS_DEVICE, &e, sizeof(e));
}

static void send_link(Mptsas *s, unsigned phy, bool there)
{
    uint64_t address = mptsas_address(s); /* of the device that has the phy */
    LinkEvent e = {
        .phy = (uint8_t)phy,
        .rates = there ? MPT_LINK_3_0 << 4 | MPT_LINK_NONE : MPT_LINK_NONE << 4 | MPT_LINK_3_0,
        .handle = (uint16_t)(MPTSAS_HANDLE + 1 + phy),
    };

    memcpy(e.address, &address, sizeof(address));
    send(s, MPT_EVENT_SAS_LINK, &e, sizeof(e));
}

static void send_discovery(Mptsas *s, unsigned phy, bool there)
{
    uint32_t done = 0;

    send(s, MPT_EVENT_SAS_DISCOVERY, &done, sizeof(done));
}

/* The first phy of @set, whose event is sent. False: there is none, or no frame. */
static bool send_next(Mptsas *s, uint32_t *set, bool there,
                      void (*fn)(Mptsas *s, unsigned phy, bool there))
{
    unsigned phy = (unsigned)__builtin_ctz(*set | 1u << MPTSAS_PHYS);

    if (phy == MPTSAS_PHYS || !s->free_count || s->ioc_state != MPT_STATE_OPERATIONAL) {
        return false;
    }
    *set &= ~(1u << phy);
    fn(s, phy, there);
    return true;
}

void mptsas_send_events(Mptsas *s)
{
    uint32_t discovery = s->discovery;

    if (!s->events || !scsi_hba_runs(&s->hba)) {
        return;
    }
    while (send_next(s, &s->gone_link, false, send_link) ||
           send_next(s, &s->gone, false, send_device) ||
           send_next(s, &s->come_link, true, send_link) ||
           send_next(s, &s->come, true, send_device) ||
           send_next(s, &discovery, true, send_discovery)) {
    }
    s->discovery = discovery;
}

void mptsas_forget_events(Mptsas *s)
{
    s->gone = s->gone_link = s->come = s->come_link = 0;
    s->discovery = false;
}

void mptsas_target_changed(Mptsas *s, unsigned phy, bool there)
{
    uint32_t bit = 1u << phy;

    if (!s->events) {
        return;
    }
    if (there) {
        s->come |= bit;
        s->come_link |= bit;
    } else if (s->come & bit) { /* nobody has heard of it */
        s->come &= ~bit;
        s->come_link &= ~bit;
    } else {
        s->gone |= bit;
        s->gone_link |= bit;
    }
    /* Of a target that has gone Linux would take this as one more that it went. */
    s->discovery = s->discovery || there;
    mptsas_send_events(s);
}

size_t mptsas_event_notification(Mptsas *s, const MptMessage *message, MptEvent *reply)
{
    size_t size = offsetof(MptEvent, data) + sizeof(reply->data[0]);
    const uint16_t words = 1;

    s->events = message->own[0] != 0;
    s->event_context = message->context;
    mptsas_forget_events(s);
    mptsas_answer(message, &reply->reply, size, MPT_SUCCESS);
    memcpy(reply->reply.own, &words, sizeof(words));
    reply->event = MPT_EVENT_SWITCHED;
    reply->event_context = s->event_number++;
    reply->data[0] = s->events;
    return size;
}
