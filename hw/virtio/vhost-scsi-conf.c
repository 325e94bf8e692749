/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/vhost-scsi-conf.h"

#include <string.h>

#include "hw/core/boot-order.h"
#include "hw/core/machine.h"
#include "util/error.h"

enum { QUEUE_SIZE_MIN = 4, QUEUE_SIZE_MAX = 1024, SEGMENTS_LESS = 2 };
enum { MAX_TARGET = 255, MAX_LUN = 16383 };

bool vhost_scsi_conf_check(VhostScsiConf *conf, GError **errp)
{
    if (conf->num_queues == VHOST_SCSI_QUEUES_AUTO) {
        conf->num_queues = MIN(machine_current()->smp.cpus, VHOST_SCSI_QUEUES_MAX);
    }
    if (!conf->num_queues || conf->num_queues > VHOST_SCSI_QUEUES_MAX) {
        error_set(errp, "num_queues=%u: it must be 1 to %d, or 4294967295: one a CPU",
                  conf->num_queues, VHOST_SCSI_QUEUES_MAX);
    } else if (conf->queue_size < QUEUE_SIZE_MIN || conf->queue_size > QUEUE_SIZE_MAX ||
               conf->queue_size & (conf->queue_size - 1)) {
        error_set(errp, "virtqueue_size=%u: it must be a power of 2 from %d to %d",
                  conf->queue_size, QUEUE_SIZE_MIN, QUEUE_SIZE_MAX);
    } else if (conf->boot_tpgt > MAX_TARGET) {
        error_set(errp, "boot_tpgt=%u: it must be 0 to %d", conf->boot_tpgt, MAX_TARGET);
    } else {
        return true;
    }
    return false;
}

unsigned vhost_scsi_conf_rings(const VhostScsiConf *conf)
{
    return VIRTIO_SCSI_REQUESTS + conf->num_queues;
}

void vhost_scsi_conf_read(const VhostScsiConf *conf, uint8_t *bytes)
{
    const VirtioScsiConfig config = {
        .num_queues = conf->num_queues,
        .seg_max = conf->queue_size - SEGMENTS_LESS,
        .max_sectors = conf->max_sectors,
        .cmd_per_lun = conf->cmd_per_lun,
        .event_info_size = sizeof(VirtioScsiEvent),
        .sense_size = VIRTIO_SCSI_SENSE_SIZE,
        .cdb_size = VIRTIO_SCSI_CDB_SIZE,
        .max_target = MAX_TARGET,
        .max_lun = MAX_LUN,
    };

    memcpy(bytes, &config, sizeof(config));
}

bool vhost_scsi_conf_enter(const VhostScsiConf *conf, VirtioDevice *vdev, Vhost *vhost,
                           GError **errp)
{
    Device *card = DEVICE(vdev->parent.bus->parent.parent);
    g_autofree char *below = g_strdup_printf("/channel@0/disk@%x,0", conf->boot_tpgt);

    for (unsigned i = 0; i < vhost_scsi_conf_rings(conf); i++) {
        virtio_add_queue(vdev, (uint16_t)conf->queue_size, vhost_handle_queue);
    }
    return vhost_add_rings(vhost, vhost_scsi_conf_rings(conf), errp) &&
           boot_order_add(card, conf->boot_index, card, "scsi", below, errp);
}

void vhost_scsi_conf_leave(VirtioDevice *vdev)
{
    boot_order_remove(DEVICE(vdev->parent.bus->parent.parent));
}
