/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests, and the device's life. */
#include "hw/virtio/virtio-scsi.h"

#include <string.h>

#include "block/iov.h"
#include "hw/core/machine.h"
#include "hw/virtio/virtio-pci.h"
#include "util/error.h"

#define QUEUES_AUTO    UINT32_MAX
#define PCI_CLASS_SCSI 0x0100
#define MAX_TARGET     255
#define MAX_LUN        16383
#define MAX_REQUESTS   (VIRTIO_MAX_QUEUES - VIRTIO_SCSI_REQUESTS) /* queues of them */

/* ---- places ---- */

/* Of single level: by peripheral or flat addressing (section 5.6.6.1). */
ScsiDevice *virtio_scsi_find(const VirtioScsi *s, const uint8_t lun[8], ScsiDevice **other)
{
    bool flat = lun[2] >> 6 == 1;

    *other = NULL;
    if (lun[0] != 1 || (lun[2] && !flat)) {
        return NULL;
    }
    return scsi_bus_find(s->bus, 0, lun[1], (lun[2] & 0x3fu) << 8 | lun[3], other);
}

/* ---- the end of a request ---- */

void virtio_scsi_flush(VirtioScsi *s)
{
    /* What a function has cancelled is seen before its own answer. */
    for (unsigned n = s->parent.queue_count; n-- > 0;) {
        VirtQueue *vq = virtio_queue(&s->parent, n);

        if (vq->filled) {
            virtq_flush(vq);
            virtio_notify(&s->parent, vq);
        }
    }
}

static void request_free(VirtioScsiRequest *r)
{
    VirtioScsi *s = r->s;

    if (r->dev) {
        g_queue_unlink(&s->active, &r->link);
    }
    virtio_scsi_request_gone(s, r);
    g_free(r);
}

static void answer(VirtioScsiRequest *r, uint8_t response)
{
    const ScsiRequest *scsi = &r->scsi;
    VirtioScsiAnswer head = { .response = response };
    size_t data = sizeof(head) + r->s->sense_size, written = data;
    uint8_t sense[SCSI_SENSE_BYTES];

    if (response == VIRTIO_SCSI_S_OK) {
        uint64_t room = scsi->direction == SCSI_OUT
                            ? r->element->out_size - sizeof(VirtioScsiRequestHead) - r->s->cdb_size
                            : r->element->in_size - data;

        head.status = scsi->status;
        head.residual = (uint32_t)(room - scsi->moved);
        written += scsi->direction == SCSI_IN ? scsi->moved : 0;
        if (scsi->status == SCSI_CHECK_CONDITION) {
            head.sense_len = MIN(SCSI_SENSE_BYTES, r->s->sense_size);
            scsi_sense_data(scsi->sense, sense);
            virtq_write(r->element, sizeof(head), sense, head.sense_len);
        }
    }
    virtq_write(r->element, 0, &head, sizeof(head));
    virtq_fill(r->vq, r->element, (uint32_t)written);
    request_free(r);
}

static void done(ScsiRequest *scsi, ScsiEnd end)
{
    VirtioScsiRequest *r = scsi->opaque;

    if (end == SCSI_RETRY) {
        scsi_forget(scsi);
    }
    if (r->vq == r->s->resetting) {
        virtq_drop(r->vq, r->element);
        request_free(r);
    } else if (end == SCSI_CANCELLED || (end == SCSI_RETRY && r->waits)) {
        answer(r, r->cancelled);
    } else if (end == SCSI_RETRY) {
        virtio_retry_keep(&r->s->retry, &r->s->parent, r->vq, r->element);
        request_free(r);
    } else {
        answer(r, VIRTIO_SCSI_S_OK);
    }
}

/* ---- requests ---- */

/* Let scsi_move() have the data of one direction, but for the first @skip bytes. */
static void move(VirtioScsiRequest *r, const DmaHold *holds, unsigned count, uint64_t skip)
{
    g_autofree struct iovec *all = g_new(struct iovec, count + 1);

    for (unsigned i = 0; i < count; i++) {
        all[i] = (struct iovec){ holds[i].host, holds[i].size };
    }
    scsi_move(&r->scsi, r->iov, iov_slice(all, count, skip, r->scsi.bytes, r->iov));
}

/* The device is there, and its CDB in the request. */
static void start_command(VirtioScsiRequest *r)
{
    const VirtqElement *element = r->element;
    uint64_t out = sizeof(VirtioScsiRequestHead) + r->s->cdb_size;
    uint64_t in = sizeof(VirtioScsiAnswer) + r->s->sense_size;
    ScsiRequest *scsi = &r->scsi;

    r->link.data = r;
    g_queue_push_tail_link(&r->s->active, &r->link);
    scsi_begin(scsi);
    if ((scsi->direction == SCSI_OUT && scsi->asked > element->out_size - out) ||
        (scsi->direction == SCSI_IN && scsi->asked > element->in_size - in)) {
        scsi_forget(scsi);
        answer(r, VIRTIO_SCSI_S_OVERRUN);
    } else if (scsi->direction == SCSI_OUT) {
        move(r, element->out, element->out_num, out);
    } else {
        move(r, element->in, element->in_num, in);
    }
}

static void start(VirtioScsi *s, VirtQueue *vq, VirtqElement *element)
{
    unsigned pieces = MAX(element->out_num, element->in_num);
    VirtioScsiRequest *r = g_malloc0(sizeof(*r) + pieces * sizeof(struct iovec));
    uint64_t out = sizeof(VirtioScsiRequestHead) + s->cdb_size;
    uint64_t in = sizeof(VirtioScsiAnswer) + s->sense_size;
    VirtioScsiRequestHead head;
    ScsiDevice *dev, *other;

    virtq_read(element, 0, &head, sizeof(head));
    dev = virtio_scsi_find(s, head.lun, &other);
    *r = (VirtioScsiRequest){ .s = s, .vq = vq, .element = element, .id = head.id };
    r->scsi.absent = !dev;
    dev = dev ? dev : other;
    if (!dev) {
        answer(r, VIRTIO_SCSI_S_BAD_TARGET);
        return;
    }
    if (element->out_size > out && element->in_size > in) {
        answer(r, VIRTIO_SCSI_S_FAILURE); /* in both directions: not offered */
        return;
    }
    r->dev = dev;
    r->scsi.unit = &dev->unit;
    r->scsi.done = done;
    r->scsi.opaque = r;
    virtq_read(element, sizeof(head), r->scsi.cdb, MIN(s->cdb_size, SCSI_CDB_BYTES));
    start_command(r);
}

/* One that can be answered. */
static void start_checked(VirtioDevice *vdev, VirtQueue *vq, VirtqElement *element)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);

    if (element->out_size < sizeof(VirtioScsiRequestHead) + s->cdb_size ||
        element->in_size < sizeof(VirtioScsiAnswer) + s->sense_size) {
        virtq_drop(vq, element);
        virtq_break(vq, "a request has no CDB, or no room for the answer");
    } else {
        start(s, vq, element);
    }
}

void virtio_scsi_retry(VirtioScsi *s)
{
    virtio_retry_start(&s->retry, &s->parent, start_checked);
}

static void submitted(VirtioScsi *s)
{
    for (unsigned i = 0; i < s->bus->units->len; i++) {
        const ScsiDevice *dev = s->bus->units->pdata[i];

        block_submitted(dev->conf.backend);
    }
}

/* One turn takes no more than a ring has, for others wait for the lock; what ends at once makes
 * room for more. */
static void handle_requests(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);
    VirtqElement *element;
    unsigned left = vq->size;

    virtio_scsi_retry(s);
    do {
        virtq_set_notification(vq, false);
        while (left && (element = virtq_pop(vq))) {
            start_checked(vdev, vq, element);
            left--;
        }
    } while (virtq_set_notification(vq, true) && left);
    submitted(s);
    virtio_scsi_flush(s);
    virtio_notify(vdev, vq); /* it may be broken */
    if (!left) {
        virtio_queue_again(vdev, vq);
    }
}

/* ---- the bus ---- */

static void bus_enter(ScsiBus *bus)
{
    virtio_enter(&virtio_scsi_of(bus)->parent);
}

static void bus_leave(ScsiBus *bus)
{
    VirtioScsi *s = virtio_scsi_of(bus);

    virtio_scsi_flush(s);
    virtio_leave(&s->parent);
}

static const ScsiBusOps bus_ops = { bus_enter, bus_leave, virtio_scsi_plugged,
                                    virtio_scsi_unplugged, virtio_scsi_resized };

/* ---- configuration ---- */

static void scsi_config_read(VirtioDevice *vdev, uint8_t *config)
{
    const VirtioScsi *s = VIRTIO_SCSI(vdev);
    const VirtioScsiConfig c = {
        .num_queues = s->num_queues,
        .seg_max = s->queue_size - 2,
        .max_sectors = s->max_sectors,
        .cmd_per_lun = s->cmd_per_lun,
        .event_info_size = sizeof(VirtioScsiEvent),
        .sense_size = s->sense_size,
        .cdb_size = s->cdb_size,
        .max_channel = 0,
        .max_target = MAX_TARGET,
        .max_lun = MAX_LUN,
    };

    memcpy(config, &c, sizeof(c));
}

static void scsi_config_written(VirtioDevice *vdev, const uint8_t *config, unsigned offset,
                                unsigned size)
{
    enum { MAX_SENSE = 65535, MAX_CDB = 255 };
    VirtioScsi *s = VIRTIO_SCSI(vdev);
    VirtioScsiConfig c;

    memcpy(&c, config, sizeof(c));
    if (vdev->status & VIRTIO_STATUS_DRIVER_OK) {
        return; /* requests rely on them */
    }
    s->sense_size = c.sense_size <= MAX_SENSE ? c.sense_size : s->sense_size;
    s->cdb_size = c.cdb_size <= MAX_CDB ? c.cdb_size : s->cdb_size;
}

/* ---- life ---- */

static void scsi_queue_reset(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);

    virtio_enter(vdev);
    s->resetting = vq;
    virtio_leave(vdev);
    scsi_bus_drain(s->bus);
    virtio_enter(vdev);
    s->resetting = NULL;
    virtio_retry_forget(&s->retry, virtio_queue_number(vdev, vq));
    virtio_leave(vdev);
}

static void scsi_reset(VirtioDevice *vdev)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);

    virtio_enter(vdev);
    s->sense_size = VIRTIO_SCSI_SENSE_SIZE;
    s->cdb_size = VIRTIO_SCSI_CDB_SIZE;
    s->missed = false;
    for (unsigned i = 0; i < s->bus->units->len; i++) {
        ScsiDevice *dev = s->bus->units->pdata[i];

        scsi_unit_reset(&dev->unit);
    }
    virtio_leave(vdev);
}

/* The machine stands: so does what the threads do. */
static void scsi_stopped(VirtioDevice *vdev)
{
    scsi_bus_drain(VIRTIO_SCSI(vdev)->bus);
}

static bool check_sizes(const VirtioScsi *s, GError **errp)
{
    enum { MIN_QUEUE = 4, MAX_QUEUE = 1024 };

    if (s->num_queues < 1 || s->num_queues > MAX_REQUESTS) {
        error_set(errp, "num_queues=%u: there are 1 to %d", s->num_queues, MAX_REQUESTS);
    } else if (s->queue_size < MIN_QUEUE || s->queue_size > MAX_QUEUE ||
               s->queue_size & (s->queue_size - 1)) {
        error_set(errp, "virtqueue_size=%u: it is a power of two from %d to %d", s->queue_size,
                  MIN_QUEUE, MAX_QUEUE);
    } else if (!s->max_sectors || !s->cmd_per_lun) {
        error_set(errp, "max_sectors=%u, cmd_per_lun=%u: both are at least 1", s->max_sectors,
                  s->cmd_per_lun);
    } else {
        return true;
    }
    return false;
}

static bool scsi_realize(VirtioDevice *vdev, GError **errp)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);
    Loop *loop = s->iothread ? iothread_loop(s->iothread) : NULL;

    if (s->num_queues == QUEUES_AUTO) {
        s->num_queues = machine_current()->smp.cpus;
    }
    if (!check_sizes(s, errp)) {
        return false;
    }
    s->bus = scsi_bus_new(&vdev->parent.parent, DEVICE(vdev->parent.bus->parent.parent),
                          loop ? loop : loop_main(), &bus_ops, 0, MAX_TARGET, MAX_LUN, errp);
    if (!s->bus) {
        return false;
    }
    g_queue_init(&s->active);
    virtio_retry_init(&s->retry);
    virtio_use_loop(vdev, loop);
    scsi_reset(vdev);
    if (s->hotplug) {
        virtio_offer(vdev, VIRTIO_SCSI_F_HOTPLUG);
    }
    if (s->param_change) {
        virtio_offer(vdev, VIRTIO_SCSI_F_CHANGE);
    }
    virtio_add_queue(vdev, (uint16_t)s->queue_size, virtio_scsi_handle_control);
    virtio_add_queue(vdev, (uint16_t)s->queue_size, virtio_scsi_handle_events);
    for (unsigned i = 0; i < s->num_queues; i++) {
        virtio_add_queue(vdev, (uint16_t)s->queue_size, handle_requests);
    }
    return true;
}

static void scsi_unrealize(VirtioDevice *vdev)
{
    VirtioScsi *s = VIRTIO_SCSI(vdev);

    virtio_retry_clear(&s->retry);
    object_unparent(&s->bus->parent.parent);
    s->bus = NULL;
}

/* ---- state ---- */

static void scsi_pre_save(void *obj)
{
    virtio_retry_save(&VIRTIO_SCSI(obj)->retry);
}

static bool scsi_post_load(void *obj, GError **errp)
{
    VirtioScsi *s = VIRTIO_SCSI(obj);

    return virtio_retry_load(&s->retry, &s->parent, errp);
}

static const StateField scsi_fields[] = {
    STATE_STRUCT(VirtioScsi, parent, &virtio_device_state),
    STATE_UINT_MAX(VirtioScsi, sense_size, 65535),
    STATE_UINT_MAX(VirtioScsi, cdb_size, 255),
    STATE_BOOL(VirtioScsi, missed),
    STATE_RETRY(VirtioScsi, retry),
    {},
};
static const StateTable scsi_state = { .name = "virtio-scsi",
                                       .version = 1,
                                       .fields = scsi_fields,
                                       .pre_save = scsi_pre_save,
                                       .post_load = scsi_post_load };

/* ---- the type ---- */

#define PROP(NAME, KIND, member, initial, text)                                 \
    {                                                                           \
        .name = (NAME), .kind = (KIND), .offset = offsetof(VirtioScsi, member), \
        .has_default = true, .default_int = (initial), .description = (text)    \
    }

static const Property scsi_properties[] = {
    { .name = "iothread",
      .kind = PROP_LINK,
      .link_type = TYPE_IOTHREAD,
      .offset = offsetof(VirtioScsi, iothread),
      .description = "the iothread that its queues run on; without it the main loop" },
    PROP("num_queues", PROP_UINT32, num_queues, QUEUES_AUTO,
         "queues of requests; 4294967295: one a CPU"),
    PROP("virtqueue_size", PROP_UINT32, queue_size, 256, "entries of each queue"),
    PROP("max_sectors", PROP_UINT32, max_sectors, 65535,
         "sectors of 512 bytes that the driver should move at once"),
    PROP("cmd_per_lun", PROP_UINT32, cmd_per_lun, 128,
         "commands that the driver should give a unit at once"),
    PROP("hotplug", PROP_BOOL, hotplug, true, "the driver is told of units that come and go"),
    PROP("param_change", PROP_BOOL, param_change, true, "and of those that have another size"),
    { 0 },
};

static const VirtioDeviceClass scsi_ops = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &scsi_state },
    .id = VIRTIO_ID_SCSI,
    .config_size = sizeof(VirtioScsiConfig),
    .realize = scsi_realize,
    .unrealize = scsi_unrealize,
    .queue_reset = scsi_queue_reset,
    .stopped = scsi_stopped,
    .reset = scsi_reset,
    .config_read = scsi_config_read,
    .config_written = scsi_config_written,
};

static const ObjectType scsi_type = {
    .name = TYPE_VIRTIO_SCSI,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "a SCSI controller",
    .instance_size = sizeof(VirtioScsi),
    .properties = scsi_properties,
    .ops = &scsi_ops,
};
OBJECT_TYPE_REGISTER(scsi_type)

static const VirtioPciClass scsi_pci = VIRTIO_PCI_CLASS("storage", PCI_CLASS_SCSI, 0);
VIRTIO_PCI_TYPES(scsi, "virtio-scsi", TYPE_VIRTIO_SCSI, &scsi_pci, "a SCSI controller")
