/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/vsock.h"

enum { EVENT_TRANSPORT_RESET = 0 };

const char *const vsock_seqpacket_names[] = {
    [SEQPACKET_AUTO] = "auto", [SEQPACKET_ON] = "on", [SEQPACKET_OFF] = "off", NULL
};

void vsock_tell_reset(VirtioDevice *vdev, VirtQueue *vq, bool *due)
{
    const uint32_t id = EVENT_TRANSPORT_RESET;
    VirtqElement *element;

    if (*due && (element = virtq_pop(vq))) {
        *due = false;
        virtq_push(vq, element, (uint32_t)virtq_write(element, 0, &id, sizeof(id)));
        virtio_notify(vdev, vq);
    }
}
