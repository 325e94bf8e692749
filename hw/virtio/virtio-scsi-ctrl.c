/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control queue, and events (Virtio 1.2, sections 5.6.6.2 and 5.6.6.3). */
#include <string.h>

#include "hw/virtio/virtio-scsi.h"

/* ---- task management ---- */

static void answer(VirtioScsi *s, VirtqElement *element, uint8_t response)
{
    VirtQueue *vq = virtio_queue(&s->parent, VIRTIO_SCSI_CONTROL);

    if (vq == s->resetting) {
        virtq_drop(vq, element);
        return;
    }
    virtq_write(element, 0, &response, 1);
    virtq_fill(vq, element, 1);
}

void virtio_scsi_request_gone(VirtioScsi *s, VirtioScsiRequest *r)
{
    for (unsigned i = 0; r->waits && i < r->waits->len; i++) {
        VirtioScsiWait *wait = r->waits->pdata[i];

        if (!--wait->left) {
            answer(s, wait->element, VIRTIO_SCSI_S_OK);
            g_free(wait);
        }
    }
    g_clear_pointer(&r->waits, g_ptr_array_unref);
}

/* Which requests a function means. */
typedef struct Which {
    const ScsiDevice *dev; /* of this one; NULL: of `target` */
    unsigned target;
    bool only; /* the one with this id */
    uint64_t id;
} Which;

static bool is_meant(const VirtioScsiRequest *r, const Which *which)
{
    return (which->dev ? r->dev == which->dev : r->dev->target == which->target) &&
           (!which->only || r->id == which->id);
}

static unsigned count(const VirtioScsi *s, const Which *which)
{
    unsigned n = 0;

    for (const GList *l = s->active.head; l; l = l->next) {
        n += is_meant(l->data, which);
    }
    return n;
}

/* Cancel those, which are told to have ended with @response; then answer @element. */
static void cancel(VirtioScsi *s, VirtqElement *element, const Which *which, uint8_t response)
{
    VirtioScsiWait *wait;

    if (!count(s, which)) {
        answer(s, element, VIRTIO_SCSI_S_OK);
        return;
    }
    wait = g_new(VirtioScsiWait, 1);
    *wait = (VirtioScsiWait){ element, count(s, which) };
    for (GList *l = s->active.head; l; l = l->next) {
        VirtioScsiRequest *r = l->data;

        if (!is_meant(r, which)) {
            continue;
        }
        if (!r->waits) {
            r->waits = g_ptr_array_new();
            r->cancelled = response;
        }
        g_ptr_array_add(r->waits, wait);
        scsi_cancel(&r->scsi);
    }
}

/* What a reset does to those units whose requests it cancels. */
static void reset_units(VirtioScsi *s, const Which *which)
{
    for (unsigned i = 0; i < s->bus->units->len; i++) {
        ScsiDevice *dev = s->bus->units->pdata[i];

        if (which->dev ? dev == which->dev : dev->target == which->target) {
            scsi_unit_reset(&dev->unit);
        }
    }
}

typedef struct Function {
    bool reset, query, only, target; /* of the one request; of all LUNs of the target */
    uint8_t response;                /* of requests that it cancels; 0: there is no such function */
} Function;

static const Function functions[] = {
    [VIRTIO_SCSI_TMF_ABORT_TASK] = { .only = true, .response = VIRTIO_SCSI_S_ABORTED },
    [VIRTIO_SCSI_TMF_ABORT_TASK_SET] = { .response = VIRTIO_SCSI_S_ABORTED },
    [VIRTIO_SCSI_TMF_CLEAR_TASK_SET] = { .response = VIRTIO_SCSI_S_ABORTED },
    [VIRTIO_SCSI_TMF_NEXUS_RESET] = { .reset = true,
                                      .target = true,
                                      .response = VIRTIO_SCSI_S_RESET },
    [VIRTIO_SCSI_TMF_LUN_RESET] = { .reset = true, .response = VIRTIO_SCSI_S_RESET },
    [VIRTIO_SCSI_TMF_QUERY_TASK] = { .query = true,
                                     .only = true,
                                     .response = VIRTIO_SCSI_S_ABORTED },
    [VIRTIO_SCSI_TMF_QUERY_TASK_SET] = { .query = true, .response = VIRTIO_SCSI_S_ABORTED },
};

static void manage(VirtioScsi *s, VirtqElement *element)
{
    const Function *function;
    VirtioScsiTmf tmf;
    ScsiDevice *dev, *other;

    if (virtq_read(element, 0, &tmf, sizeof(tmf)) < sizeof(tmf)) {
        answer(s, element, VIRTIO_SCSI_S_FAILURE);
        return;
    }
    function = &functions[tmf.function % G_N_ELEMENTS(functions)];
    dev = virtio_scsi_find(s, tmf.lun, &other);
    const Which which = { .dev = function->target ? NULL : dev,
                          .target = tmf.lun[1],
                          .only = function->only,
                          .id = tmf.id };
    if (tmf.function >= G_N_ELEMENTS(functions) || !function->response) {
        answer(s, element, VIRTIO_SCSI_S_REJECTED);
    } else if (!dev && !other) {
        answer(s, element, VIRTIO_SCSI_S_BAD_TARGET);
    } else if (!dev && !function->target) {
        answer(s, element, VIRTIO_SCSI_S_INCORRECT_LUN);
    } else if (function->query) {
        answer(s, element, count(s, &which) ? VIRTIO_SCSI_S_SUCCEEDED : VIRTIO_SCSI_S_OK);
    } else {
        if (function->reset) {
            reset_units(s, &which);
        }
        cancel(s, element, &which, function->response);
    }
}

/* No event of those that can be asked for is ever told of: there are none. */
static void notify(VirtioScsi *s, VirtqElement *element)
{
    const struct __attribute__((packed)) {
        uint32_t events;
        uint8_t response;
    } told = { 0, VIRTIO_SCSI_S_OK };

    virtq_write(element, 0, &told, sizeof(told));
    virtq_fill(virtio_queue(&s->parent, VIRTIO_SCSI_CONTROL), element, sizeof(told));
}

void virtio_scsi_handle_control(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);
    VirtqElement *element;
    uint32_t type;

    virtio_scsi_retry(s);
    for (unsigned left = vq->size; left && (element = virtq_pop(vq)); left--) {
        bool whole = virtq_read(element, 0, &type, sizeof(type)) == sizeof(type);

        if (whole && type == VIRTIO_SCSI_T_TMF && element->in_size >= 1) {
            manage(s, element);
        } else if (whole && element->out_size >= sizeof(VirtioScsiNotify) &&
                   (type == VIRTIO_SCSI_T_AN_QUERY || type == VIRTIO_SCSI_T_AN_SUBSCRIBE) &&
                   element->in_size >= 5) {
            notify(s, element);
        } else {
            virtq_drop(vq, element);
            virtq_break(vq, "it is no request that the control queue has");
        }
    }
    virtio_scsi_flush(s);
    virtio_notify(vdev, vq); /* it may be broken */
    if (!virtq_is_empty(vq)) {
        virtio_queue_again(vdev, vq);
    }
}

/* ---- events ---- */

/* Entered. */
static void push(VirtioScsi *s, const VirtioScsiEvent *event)
{
    VirtQueue *vq = virtio_queue(&s->parent, VIRTIO_SCSI_EVENTS);
    VirtqElement *element = virtio_device_runs(&s->parent) ? virtq_pop(vq) : NULL;
    VirtioScsiEvent told = *event;

    if (!element) {
        s->missed = true; /* told as soon as there is a buffer */
        return;
    }
    if (s->missed) {
        told.event |= VIRTIO_SCSI_E_MISSED;
        s->missed = false;
    }
    virtq_push(vq, element, (uint32_t)virtq_write(element, 0, &told, sizeof(told)));
    virtio_notify(&s->parent, vq);
}

void virtio_scsi_handle_events(VirtioDevice *vdev, VirtQueue *vq)
{
    static const VirtioScsiEvent none = { .event = VIRTIO_SCSI_E_NONE };
    VirtioScsi *s = VIRTIO_SCSI(vdev);

    if (s->missed && !virtq_is_empty(vq)) {
        push(s, &none);
    }
    virtio_notify(vdev, vq);
}

/* LUNs as REPORT LUNS has them, for Linux takes them so. */
static void tell(ScsiBus *bus, const ScsiDevice *dev, unsigned feature, uint32_t what,
                 uint32_t reason)
{
    VirtioScsi *s = virtio_scsi_of(bus);
    const VirtioScsiEvent event = {
        .event = what,
        .lun = { 1, (uint8_t)dev->target, dev->lun < 256 ? 0 : (uint8_t)(0x40 | dev->lun >> 8),
                 (uint8_t)dev->lun },
        .reason = reason,
    };

    virtio_enter(&s->parent);
    if (virtio_has(&s->parent, feature)) {
        push(s, &event);
    }
    virtio_leave(&s->parent);
}

void virtio_scsi_plugged(ScsiBus *bus, ScsiDevice *dev)
{
    tell(bus, dev, VIRTIO_SCSI_F_HOTPLUG, VIRTIO_SCSI_E_TRANSPORT_RESET, VIRTIO_SCSI_RESET_RESCAN);
}

void virtio_scsi_unplugged(ScsiBus *bus, ScsiDevice *dev)
{
    tell(bus, dev, VIRTIO_SCSI_F_HOTPLUG, VIRTIO_SCSI_E_TRANSPORT_RESET, VIRTIO_SCSI_RESET_REMOVED);
}

void virtio_scsi_resized(ScsiBus *bus, ScsiDevice *dev)
{
    enum { CAPACITY_CHANGED = 0x092a }; /* additional sense code, and its qualifier above */

    tell(bus, dev, VIRTIO_SCSI_F_CHANGE, VIRTIO_SCSI_E_PARAMETER_CHANGE, CAPACITY_CHANGED);
}
