/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtio-retry.h"

#include "util/error.h"

typedef struct Place {
    uint16_t queue, head, id, count;
} Place;

static GArray *places_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(Place));
}

void virtio_retry_init(VirtioRetry *retry)
{
    retry->places = places_new();
}

void virtio_retry_clear(VirtioRetry *retry)
{
    g_clear_pointer(&retry->places, g_array_unref);
    g_clear_pointer(&retry->kept, g_bytes_unref);
}

void virtio_retry_keep(VirtioRetry *retry, VirtioDevice *vdev, VirtQueue *vq, VirtqElement *element)
{
    const VirtqPlace *place = &element->place;
    const Place kept = { (uint16_t)virtio_queue_number(vdev, vq), place->head, place->id,
                         place->count };

    g_array_append_val(retry->places, kept);
    virtq_drop(vq, element);
}

void virtio_retry_start(VirtioRetry *retry, VirtioDevice *vdev,
                        void (*start)(VirtioDevice *vdev, VirtQueue *vq, VirtqElement *element))
{
    GArray *places = retry->places;

    if (!places->len) {
        return;
    }
    retry->places = places_new();
    for (unsigned i = 0; i < places->len; i++) {
        const Place *kept = &g_array_index(places, Place, i);
        const VirtqPlace place = { kept->head, kept->id, kept->count };
        VirtQueue *vq = virtio_queue(vdev, kept->queue);
        VirtqElement *element = virtq_pop_again(vq, &place);

        if (element) {
            start(vdev, vq, element);
        } else {
            virtio_notify(vdev, vq); /* it is broken: the driver is told */
        }
    }
    g_array_unref(places);
}

void virtio_retry_forget(VirtioRetry *retry, unsigned queue)
{
    for (unsigned i = retry->places->len; i-- > 0;) {
        if (g_array_index(retry->places, Place, i).queue == queue) {
            g_array_remove_index(retry->places, i);
        }
    }
}

void virtio_retry_save(VirtioRetry *retry)
{
    g_clear_pointer(&retry->kept, g_bytes_unref);
    retry->kept = g_bytes_new(retry->places->data, retry->places->len * sizeof(Place));
}

bool virtio_retry_load(VirtioRetry *retry, const VirtioDevice *vdev, GError **errp)
{
    size_t size = 0, most = 0;
    const Place *places = retry->kept ? g_bytes_get_data(retry->kept, &size) : NULL;
    size_t count = size / sizeof(Place);

    for (unsigned n = 0; n < vdev->queue_count; n++) {
        most += vdev->queues[n].ring.max_size;
    }
    if (size % sizeof(Place) || count > most) {
        error_set(errp, "%zu bytes of requests that were kept are not possible", size);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (places[i].queue >= vdev->queue_count) {
            error_set(errp, "a request that was kept is in queue %u: there are %u", places[i].queue,
                      vdev->queue_count);
            return false;
        }
    }
    g_array_set_size(retry->places, 0);
    g_array_append_vals(retry->places, places, (guint)count);
    return true;
}
