/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-blk: a disk (Virtio 1.2, section 5.2), whose contents are a node of block/.
 *
 * A request's buffers are held while threads read and write them; the loop that the queues run on
 * gives them back, the main loop or that of an iothread. What of the structure is not configuration
 * belongs to whoever has entered the device (hw/virtio/virtio-device.h).
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backends/iothread.h"
#include "block/backend.h"
#include "block/iov.h"
#include "hw/block/block-conf.h"
#include "hw/core/boot-order.h"
#include "hw/core/machine.h"
#include "hw/virtio/virtio-blk-regs.h"
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtio-retry.h"
#include "util/error.h"

#define TYPE_VIRTIO_BLK "virtio-blk-device"
#define QUEUES_AUTO     UINT16_MAX
#define PCI_CLASS_SCSI  0x0100 /* what disks are to PCI */

typedef struct VirtioBlk {
    VirtioDevice parent;
    bool writeback; /* writes are done before they are on the host's disk */
    VirtioRetry retry;
    /* configuration */
    BlockConf conf;
    Iothread *iothread; /* whose loop the queues run on: a reference; NULL: main loop */
    uint16_t num_queues, queue_size;
    uint32_t max_discard, max_zeroes; /* sectors */
    bool discard, write_zeroes, config_wce, scsi;
    /* wiring */
    uint64_t sectors;           /* that the guest may use; the backend's size */
    const VirtQueue *resetting; /* its requests go nowhere */
    bool *filled;               /* by queue: the driver was not told of what was given back */
} VirtioBlk;
OBJECT_CAST_DEFINE(VirtioBlk, VIRTIO_BLK, TYPE_VIRTIO_BLK)

typedef struct BlkRequest {
    BlockRequest io;
    VirtioBlk *s;
    VirtQueue *vq;
    VirtqElement *element;
    struct iovec iov[]; /* the data */
} BlkRequest;

/* ---- the end of a request ---- */

static void finish(BlkRequest *r, uint8_t status, uint64_t written)
{
    virtq_write(r->element, r->element->in_size - 1, &status, 1);
    virtq_fill(r->vq, r->element, (uint32_t)(written + 1));
    r->s->filled[virtio_queue_number(&r->s->parent, r->vq)] = true;
    g_free(r);
}

/* Show the driver, together, what has ended. */
static void flush(VirtioBlk *s)
{
    for (unsigned n = 0; n < s->num_queues; n++) {
        if (s->filled[n]) {
            s->filled[n] = false;
            virtq_flush(virtio_queue(&s->parent, n));
            virtio_notify(&s->parent, virtio_queue(&s->parent, n));
        }
    }
}

static void keep(BlkRequest *r)
{
    virtio_retry_keep(&r->s->retry, &r->s->parent, r->vq, r->element);
    g_free(r);
}

static void done(BlockRequest *io)
{
    BlkRequest *r = io->opaque;
    VirtioBlk *s = r->s;
    BlockErrorAction action;

    if (r->vq == s->resetting) {
        virtq_drop(r->vq, r->element);
        g_free(r);
        return;
    }
    action = block_conf_failed(io);
    if (action == BLOCK_ERROR_ACTION_STOP) {
        keep(r);
    } else if (action == BLOCK_ERROR_ACTION_REPORT) {
        finish(r, VIRTIO_BLK_S_IOERR, 0);
    } else {
        finish(r, VIRTIO_BLK_S_OK, io->op == BLOCK_READ ? io->bytes : 0);
    }
}

static void done_begin(void *opaque)
{
    virtio_enter(opaque);
}

static void done_end(void *opaque)
{
    flush(opaque);
    virtio_leave(opaque);
}

/* ---- requests ---- */

/* The pieces of all buffers of one direction, but for the first @skip bytes and those after @len.
 */
static void set_data(BlkRequest *r, const DmaHold *holds, unsigned count, uint64_t skip,
                     uint64_t len)
{
    g_autofree struct iovec *all = g_new(struct iovec, count);

    for (unsigned i = 0; i < count; i++) {
        all[i] = (struct iovec){ holds[i].host, holds[i].size };
    }
    r->io.iov = r->iov;
    r->io.iovcnt = iov_slice(all, count, skip, len, r->iov);
    r->io.bytes = len;
}

/* Do all of [@sector, ...) lie on the disk, and is the length one of whole blocks? */
static bool is_on_disk(const VirtioBlk *s, uint64_t sector, uint64_t bytes)
{
    uint64_t sectors = bytes / BLOCK_SECTOR;

    return bytes % BLOCK_SECTOR == 0 && sector % (s->conf.logical / BLOCK_SECTOR) == 0 &&
           sectors % (s->conf.logical / BLOCK_SECTOR) == 0 && sector <= s->sectors &&
           sectors <= s->sectors - sector;
}

static uint8_t start_read(BlkRequest *r, uint64_t sector)
{
    uint64_t bytes = r->element->in_size - 1;

    r->io.op = BLOCK_READ;
    if (!is_on_disk(r->s, sector, bytes)) {
        return VIRTIO_BLK_S_IOERR;
    }
    r->io.offset = sector * BLOCK_SECTOR;
    set_data(r, r->element->in, r->element->in_num, 0, bytes);
    return VIRTIO_BLK_S_OK;
}

static bool writes_through(const VirtioBlk *s)
{
    const VirtioDevice *vdev = &s->parent;

    return virtio_has(vdev, VIRTIO_BLK_F_CONFIG_WCE) ? !s->writeback
                                                     : !virtio_has(vdev, VIRTIO_BLK_F_FLUSH);
}

static uint8_t start_write(BlkRequest *r, uint64_t sector)
{
    uint64_t bytes = r->element->out_size - VIRTIO_BLK_HEADER;

    r->io.op = BLOCK_WRITE;
    if (!r->s->conf.backend->writable || !is_on_disk(r->s, sector, bytes)) {
        return VIRTIO_BLK_S_IOERR;
    }
    r->io.offset = sector * BLOCK_SECTOR;
    r->io.and_flush = writes_through(r->s);
    set_data(r, r->element->out, r->element->out_num, VIRTIO_BLK_HEADER, bytes);
    return VIRTIO_BLK_S_OK;
}

static uint8_t start_flush(BlkRequest *r, uint64_t sector)
{
    r->io.op = BLOCK_FLUSH;
    return VIRTIO_BLK_S_OK;
}

/* One segment, as the configuration says (section 5.2.6.2). */
static uint8_t start_range(BlkRequest *r, BlockOp op, bool offered)
{
    VirtioBlkRange range;

    r->io.op = op;
    if (!offered) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    if (r->element->out_size != VIRTIO_BLK_HEADER + sizeof(range) ||
        !r->s->conf.backend->writable) {
        return VIRTIO_BLK_S_IOERR;
    }
    virtq_read(r->element, VIRTIO_BLK_HEADER, &range, sizeof(range));
    if (range.flags & ~(op == BLOCK_WRITE_ZEROES ? VIRTIO_BLK_RANGE_UNMAP : 0u)) {
        return VIRTIO_BLK_S_UNSUPP;
    }
    if (range.sectors > (op == BLOCK_DISCARD ? r->s->max_discard : r->s->max_zeroes) ||
        !is_on_disk(r->s, range.sector, (uint64_t)range.sectors * BLOCK_SECTOR)) {
        return VIRTIO_BLK_S_IOERR;
    }
    r->io.offset = range.sector * BLOCK_SECTOR;
    r->io.bytes = (uint64_t)range.sectors * BLOCK_SECTOR;
    r->io.unmap = range.flags & VIRTIO_BLK_RANGE_UNMAP;
    r->io.and_flush = op == BLOCK_WRITE_ZEROES && writes_through(r->s);
    return VIRTIO_BLK_S_OK;
}

static uint8_t start_discard(BlkRequest *r, uint64_t sector)
{
    return start_range(r, BLOCK_DISCARD, r->s->discard);
}

static uint8_t start_write_zeroes(BlkRequest *r, uint64_t sector)
{
    return start_range(r, BLOCK_WRITE_ZEROES, r->s->write_zeroes);
}

/* By type: OK if the request is to be submitted. */
static uint8_t (*const starts[])(BlkRequest *r, uint64_t sector) = {
    [VIRTIO_BLK_T_IN] = start_read,
    [VIRTIO_BLK_T_OUT] = start_write,
    [VIRTIO_BLK_T_FLUSH] = start_flush,
    [VIRTIO_BLK_T_DISCARD] = start_discard,
    [VIRTIO_BLK_T_WRITE_ZEROES] = start_write_zeroes,
};

static void tell_id(BlkRequest *r)
{
    char id[VIRTIO_BLK_ID_BYTES] = { 0 };
    size_t size = MIN(sizeof(id), r->element->in_size - 1);

    if (r->s->conf.serial) {
        memcpy(id, r->s->conf.serial, MIN(strlen(r->s->conf.serial), sizeof(id)));
    }
    virtq_write(r->element, 0, id, size);
    finish(r, VIRTIO_BLK_S_OK, size);
}

static void start(VirtioBlk *s, VirtQueue *vq, VirtqElement *element)
{
    unsigned pieces = MAX(element->out_num, element->in_num);
    BlkRequest *r = g_malloc0(sizeof(*r) + pieces * sizeof(struct iovec));
    VirtioBlkHeader header;
    uint8_t status;

    *r = (BlkRequest){ .s = s, .vq = vq, .element = element };
    r->io.done = done;
    r->io.opaque = r;
    virtq_read(element, 0, &header, sizeof(header));
    if (header.type == VIRTIO_BLK_T_GET_ID) {
        tell_id(r);
        return;
    }
    if (header.type >= G_N_ELEMENTS(starts) || !starts[header.type]) {
        finish(r, VIRTIO_BLK_S_UNSUPP, 0);
        return;
    }
    status = starts[header.type](r, header.sector);
    if (status == VIRTIO_BLK_S_OK) {
        if (block_submit(s->conf.backend, &r->io)) {
            done(&r->io);
        }
    } else {
        block_count_invalid(s->conf.backend, r->io.op);
        finish(r, status, 0);
    }
}

/* One that can be answered. */
static void start_checked(VirtioDevice *vdev, VirtQueue *vq, VirtqElement *element)
{
    if (element->out_size < VIRTIO_BLK_HEADER || element->in_size < 1) {
        virtq_drop(vq, element);
        virtq_break(vq, "a request has no header, or no room for its status");
    } else {
        start(VIRTIO_BLK(vdev), vq, element);
    }
}

/* One turn takes no more than a ring has, for others wait for the lock; what ends at once makes
 * room for more. */
static void handle_queue(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);
    VirtqElement *element;
    unsigned left = vq->size;

    virtio_retry_start(&s->retry, vdev, start_checked);
    do {
        virtq_set_notification(vq, false);
        while (left && (element = virtq_pop(vq))) {
            start_checked(vdev, vq, element);
            left--;
        }
    } while (virtq_set_notification(vq, true) && left);
    block_submitted(s->conf.backend);
    flush(s);
    if (!left) {
        virtio_queue_again(vdev, vq);
    }
}

/* ---- configuration ---- */

static void blk_config_read(VirtioDevice *vdev, uint8_t *config)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);
    const VirtioBlkConfig c = {
        .capacity = s->sectors,
        .seg_max = s->queue_size - 2u,
        .blk_size = (uint32_t)s->conf.logical,
        .physical_block_exp = (uint8_t)__builtin_ctzll(s->conf.physical / s->conf.logical),
        .min_io_size = (uint16_t)(s->conf.min_io / s->conf.logical),
        .opt_io_size = (uint32_t)(s->conf.opt_io / s->conf.logical),
        .writeback = s->writeback,
        .num_queues = s->num_queues,
        .max_discard_sectors = s->discard ? s->max_discard : 0,
        .max_discard_seg = s->discard,
        .discard_sector_alignment =
            s->discard ? block_conf_granularity(&s->conf) / BLOCK_SECTOR : 0,
        .max_write_zeroes_sectors = s->write_zeroes ? s->max_zeroes : 0,
        .max_write_zeroes_seg = s->write_zeroes,
        .write_zeroes_may_unmap = s->write_zeroes,
    };

    memcpy(config, &c, sizeof(c));
}

static void blk_config_written(VirtioDevice *vdev, const uint8_t *config, unsigned offset,
                               unsigned size)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);
    unsigned at = offsetof(VirtioBlkConfig, writeback);

    if (s->config_wce && offset <= at && at < offset + size) {
        s->writeback = config[at] & 1;
    }
}

static void resized(void *opaque)
{
    VirtioBlk *s = opaque;
    uint64_t before = s->sectors;

    virtio_enter(&s->parent);
    s->sectors = block_backend_size(s->conf.backend) / BLOCK_SECTOR;
    virtio_leave(&s->parent);
    if (s->sectors != before) {
        virtio_config_changed(&s->parent);
    }
}

/* ---- life ---- */

static void blk_queue_reset(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);
    unsigned n = virtio_queue_number(vdev, vq);

    virtio_enter(vdev);
    s->resetting = vq;
    virtio_leave(vdev);
    block_drain(s->conf.backend);
    virtio_enter(vdev);
    s->resetting = NULL;
    virtio_retry_forget(&s->retry, n);
    virtio_leave(vdev);
}

static void blk_reset(VirtioDevice *vdev)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);

    virtio_enter(vdev);
    s->writeback = block_conf_writeback(&s->conf);
    virtio_leave(vdev);
}

/* The machine stands: so does what the threads do. */
static void blk_stopped(VirtioDevice *vdev)
{
    block_drain(VIRTIO_BLK(vdev)->conf.backend);
}

static bool is_range(uint32_t sectors)
{
    return sectors >= 1 && sectors <= VIRTIO_BLK_MAX_RANGE;
}

static bool check_sizes(const VirtioBlk *s, GError **errp)
{
    enum { MIN_QUEUE = 4, MAX_QUEUE = 1024 };

    if (!is_range(s->max_discard) || !is_range(s->max_zeroes)) {
        error_set(errp,
                  "max-discard-sectors=%u, max-write-zeroes-sectors=%u: both are from 1 to %u",
                  s->max_discard, s->max_zeroes, VIRTIO_BLK_MAX_RANGE);
    } else if (s->num_queues < 1 || s->num_queues > VIRTIO_MAX_QUEUES) {
        error_set(errp, "num-queues=%u: there are 1 to %d", s->num_queues, VIRTIO_MAX_QUEUES);
    } else if (s->queue_size < MIN_QUEUE || s->queue_size > MAX_QUEUE ||
               s->queue_size & (s->queue_size - 1)) {
        error_set(errp, "queue-size=%u: it is a power of two from %d to %d", s->queue_size,
                  MIN_QUEUE, MAX_QUEUE);
    } else {
        return true;
    }
    return false;
}

static bool take_backend(VirtioBlk *s, GError **errp)
{
    static const BlockBackendOps ops = { resized, done_begin, done_end };
    Device *card = DEVICE(s->parent.parent.bus->parent.parent);

    if (!block_conf_realize(&s->conf, card, BLOCK_SECTOR, VIRTIO_BLK_ID_BYTES, false,
                            s->iothread ? iothread_loop(s->iothread) : loop_main(), &ops, s,
                            errp)) {
        return false;
    }
    if (!boot_geometry_add(card, &s->conf.lchs, card, "scsi", "/disk@0,0", errp) ||
        !boot_order_add(card, s->conf.boot_index, card, "scsi", "/disk@0,0", errp)) {
        boot_order_remove(card);
        block_conf_unrealize(&s->conf);
        return false;
    }
    return true;
}

static void offer(VirtioBlk *s)
{
    const struct {
        bool on;
        unsigned bit;
    } features[] = {
        { true, VIRTIO_BLK_F_SEG_MAX },
        { !s->conf.backend->writable, VIRTIO_BLK_F_RO },
        { true, VIRTIO_BLK_F_BLK_SIZE },
        { true, VIRTIO_BLK_F_FLUSH },
        { true, VIRTIO_BLK_F_TOPOLOGY },
        { s->config_wce, VIRTIO_BLK_F_CONFIG_WCE },
        { s->num_queues > 1, VIRTIO_BLK_F_MQ },
        { s->discard, VIRTIO_BLK_F_DISCARD },
        { s->write_zeroes, VIRTIO_BLK_F_WRITE_ZEROES },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        if (features[i].on) {
            virtio_offer(&s->parent, features[i].bit);
        }
    }
}

static bool blk_realize(VirtioDevice *vdev, GError **errp)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);

    if (s->scsi) {
        error_set(errp, "scsi=on is not possible: a virtio disk passes no SCSI commands on; "
                        "leave it off, or take virtio-scsi-pci");
        return false;
    }
    if (s->num_queues == QUEUES_AUTO) {
        s->num_queues = machine_current()->smp.cpus;
    }
    if (!check_sizes(s, errp) || !take_backend(s, errp)) {
        return false;
    }
    s->sectors = block_backend_size(s->conf.backend) / BLOCK_SECTOR;
    virtio_retry_init(&s->retry);
    s->filled = g_new0(bool, s->num_queues);
    virtio_use_loop(vdev, s->iothread ? iothread_loop(s->iothread) : NULL);
    blk_reset(vdev);
    offer(s);
    for (unsigned i = 0; i < s->num_queues; i++) {
        virtio_add_queue(vdev, s->queue_size, handle_queue);
    }
    return true;
}

static void blk_unrealize(VirtioDevice *vdev)
{
    VirtioBlk *s = VIRTIO_BLK(vdev);

    boot_order_remove(DEVICE(vdev->parent.bus->parent.parent));
    block_conf_unrealize(&s->conf);
    virtio_retry_clear(&s->retry);
    g_clear_pointer(&s->filled, g_free);
}

/* ---- state ---- */

static void blk_pre_save(void *obj)
{
    virtio_retry_save(&VIRTIO_BLK(obj)->retry);
}

static bool blk_post_load(void *obj, GError **errp)
{
    VirtioBlk *s = VIRTIO_BLK(obj);

    return virtio_retry_load(&s->retry, &s->parent, errp);
}

static const StateField blk_fields[] = {
    STATE_STRUCT(VirtioBlk, parent, &virtio_device_state),
    STATE_BOOL(VirtioBlk, writeback),
    STATE_RETRY(VirtioBlk, retry),
    {},
};
static const StateTable blk_state = { .name = "virtio-blk",
                                      .version = 1,
                                      .fields = blk_fields,
                                      .pre_save = blk_pre_save,
                                      .post_load = blk_post_load };

/* ---- the type ---- */

#define PROP(NAME, KIND, member, initial, text)                                \
    {                                                                          \
        .name = (NAME), .kind = (KIND), .offset = offsetof(VirtioBlk, member), \
        .has_default = true, .default_int = (initial), .description = (text)   \
    }

static const Property blk_properties[] = {
    BLOCK_CONF_PROPERTIES(offsetof(VirtioBlk, conf)),
    BOOT_GEOMETRY_PROPERTIES(offsetof(VirtioBlk, conf.lchs)),
    { .name = "iothread",
      .kind = PROP_LINK,
      .link_type = TYPE_IOTHREAD,
      .offset = offsetof(VirtioBlk, iothread),
      .description = "the iothread that its queues run on; without it the main loop" },
    PROP("num-queues", PROP_UINT16, num_queues, QUEUES_AUTO, "queues; 65535: one a CPU"),
    PROP("queue-size", PROP_UINT16, queue_size, 256, "entries of each"),
    PROP("max-discard-sectors", PROP_UINT32, max_discard, VIRTIO_BLK_MAX_RANGE,
         "sectors of 512 bytes that can be discarded at once"),
    PROP("max-write-zeroes-sectors", PROP_UINT32, max_zeroes, VIRTIO_BLK_MAX_RANGE,
         "the same of zeros"),
    PROP("discard", PROP_BOOL, discard, true, "offer discards"),
    PROP("write-zeroes", PROP_BOOL, write_zeroes, true, "offer writes of zeros without the bytes"),
    PROP("config-wce", PROP_BOOL, config_wce, true, "the guest may switch its write cache"),
    PROP("scsi", PROP_BOOL, scsi, false, "only off"),
    { 0 },
};

static const VirtioDeviceClass blk_ops = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &blk_state },
    .id = VIRTIO_ID_BLOCK,
    .config_size = sizeof(VirtioBlkConfig),
    .realize = blk_realize,
    .unrealize = blk_unrealize,
    .queue_reset = blk_queue_reset,
    .stopped = blk_stopped,
    .reset = blk_reset,
    .config_read = blk_config_read,
    .config_written = blk_config_written,
};

static const ObjectType blk_type = {
    .name = TYPE_VIRTIO_BLK,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "a disk",
    .instance_size = sizeof(VirtioBlk),
    .properties = blk_properties,
    .ops = &blk_ops,
};
OBJECT_TYPE_REGISTER(blk_type)

static const VirtioPciClass blk_pci = VIRTIO_PCI_CLASS("storage", PCI_CLASS_SCSI, 0);
VIRTIO_PCI_TYPES(blk, "virtio-blk", TYPE_VIRTIO_BLK, &blk_pci, "a disk")
