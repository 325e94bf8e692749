/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtqueue-look.h"

#include <string.h>

#include "util/copy.h"
#include "util/error.h"

/* Places in the rings (section 2.7 of the specification). */
enum { RING_INDEX = 2, RING_ENTRIES = 4, USED_ENTRY = 8, DESC_SIZE = 16 };

/* What the driver changes meanwhile is read once. False: it is not in RAM. */
static bool load(const VirtQueue *vq, uint64_t addr, void *value, unsigned size)
{
    const void *host = dma_host(vq->space, addr, size, false);

    if (host) {
        copy_operand(value, host, size);
    }
    return host;
}

static bool load_rings(const VirtQueue *vq, uint16_t index, VirtqLook *look)
{
    uint64_t entry = vq->driver + RING_ENTRIES + 2 * (uint64_t)(index % vq->size);

    return load(vq, vq->driver, &look->avail_flags, 2) &&
           load(vq, vq->driver + RING_INDEX, &look->avail_idx, 2) &&
           load(vq, entry, &look->head, 2) && load(vq, vq->device, &look->used_flags, 2) &&
           load(vq, vq->device + RING_INDEX, &look->used_idx, 2);
}

/* The descriptors of a table of @count at @table, from number @n on. */
static bool load_chain(const VirtQueue *vq, uint64_t table, uint32_t count, uint32_t n,
                       VirtqLook *look)
{
    for (uint32_t seen = 0; n < count && seen < count && look->descs->len < VIRTQ_LOOK_MAX;
         seen++) {
        uint8_t raw[DESC_SIZE];
        VirtqLookDesc desc;
        uint16_t next;

        if (!load(vq, table + (uint64_t)n * DESC_SIZE, raw, sizeof(raw))) {
            return false;
        }
        memcpy(&desc.addr, raw, sizeof(desc.addr));
        memcpy(&desc.len, raw + 8, sizeof(desc.len));
        memcpy(&desc.flags, raw + 12, sizeof(desc.flags));
        memcpy(&next, raw + 14, sizeof(next));
        g_array_append_val(look->descs, desc);
        if (!(desc.flags & VIRTQ_LOOK_NEXT)) {
            break;
        }
        n = next;
    }
    return true;
}

/* An indirect descriptor's table stands for it. */
static bool load_descs(const VirtQueue *vq, VirtqLook *look)
{
    VirtqLookDesc first;

    if (!load_chain(vq, vq->desc, vq->size, look->head, look) || !look->descs->len) {
        return !look->descs->len;
    }
    first = g_array_index(look->descs, VirtqLookDesc, 0);
    if (!(first.flags & VIRTQ_LOOK_INDIRECT)) {
        return true;
    }
    g_array_set_size(look->descs, 0);
    return load_chain(vq, first.addr, first.len / DESC_SIZE, 0, look);
}

bool virtq_look(const VirtQueue *vq, uint16_t index, VirtqLook *look, GError **errp)
{
    *look = (VirtqLook){ .descs = g_array_new(FALSE, FALSE, sizeof(VirtqLookDesc)) };
    if (!vq->enabled || !vq->size) {
        error_set(errp, "the driver has not set up this queue yet");
    } else if (vq->features >> VIRTIO_F_RING_PACKED & 1) {
        error_set(errp, "the ring of this queue is packed; those of split rings can be shown");
    } else if (!load_rings(vq, index, look) || !load_descs(vq, look)) {
        error_set(errp, "the ring of this queue is not in RAM");
    } else {
        return true;
    }
    virtq_look_clear(look);
    return false;
}

void virtq_look_clear(VirtqLook *look)
{
    g_clear_pointer(&look->descs, g_array_unref);
}
