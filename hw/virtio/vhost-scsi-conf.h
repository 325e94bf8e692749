/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What SCSI controllers whose units are elsewhere have in common, in the host's kernel (vhost-scsi)
 * or in another program (vhost-user-scsi): the configuration (Virtio 1.2, section 5.6.4), which is
 * ours, and the queues. Machine lock.
 */
#ifndef HW_VIRTIO_VHOST_SCSI_CONF_H
#define HW_VIRTIO_VHOST_SCSI_CONF_H

#include "hw/virtio/vhost.h"
#include "hw/virtio/virtio-scsi-regs.h"

enum { VHOST_SCSI_QUEUES_MAX = 126 }; /* of requests */
#define VHOST_SCSI_QUEUES_AUTO UINT32_MAX

/* All of it are properties. */
typedef struct VhostScsiConf {
    uint32_t boot_tpgt; /* the target that boot_index is of */
    uint32_t num_queues, queue_size, max_sectors, cmd_per_lun;
    int32_t boot_index;
} VhostScsiConf;

/* Are the properties possible? The number of queues is one a CPU from now on where it was to be
 * that. */
bool vhost_scsi_conf_check(VhostScsiConf *conf, GError **errp);
/* Queues in all. */
unsigned vhost_scsi_conf_rings(const VhostScsiConf *conf);
/* The configuration space, sizeof(VirtioScsiConfig) bytes. */
void vhost_scsi_conf_read(const VhostScsiConf *conf, uint8_t *bytes);
/* The queues of @vdev, which are @vhost's, and its place in the boot order, which is removed by
 * vhost_scsi_conf_leave(). */
bool vhost_scsi_conf_enter(const VhostScsiConf *conf, VirtioDevice *vdev, Vhost *vhost,
                           GError **errp);
void vhost_scsi_conf_leave(VirtioDevice *vdev);

#define VHOST_SCSI_CONF_PROPERTY(NAME, KIND, type, member, initial, text)                      \
    {                                                                                          \
        .name = (NAME), .kind = (KIND), .offset = offsetof(type, member), .has_default = true, \
        .default_int = (initial), .description = (text)                                        \
    }
/* Of the VhostScsiConf @conf of @type. */
#define VHOST_SCSI_CONF_PROPERTIES(type, conf)                                                \
    VHOST_SCSI_CONF_PROPERTY("boot_tpgt", PROP_UINT32, type, conf.boot_tpgt, 0,               \
                             "the target that bootindex is of"),                              \
        VHOST_SCSI_CONF_PROPERTY("num_queues", PROP_UINT32, type, conf.num_queues,            \
                                 VHOST_SCSI_QUEUES_AUTO,                                      \
                                 "queues of requests; 4294967295: one a CPU"),                \
        VHOST_SCSI_CONF_PROPERTY("virtqueue_size", PROP_UINT32, type, conf.queue_size, 128,   \
                                 "entries of each queue"),                                    \
        VHOST_SCSI_CONF_PROPERTY("max_sectors", PROP_UINT32, type, conf.max_sectors, 65535,   \
                                 "sectors of 512 bytes that the driver should move at once"), \
        VHOST_SCSI_CONF_PROPERTY("cmd_per_lun", PROP_UINT32, type, conf.cmd_per_lun, 128,     \
                                 "commands that the driver should give a unit at once"),      \
        VHOST_SCSI_CONF_PROPERTY("bootindex", PROP_INT32, type, conf.boot_index, -1,          \
                                 "firmware boots from the lowest one first")

#endif
