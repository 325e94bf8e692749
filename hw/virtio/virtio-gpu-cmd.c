/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the driver of a virtio GPU asks for. A request is copied before it is looked at. Whatever is
 * in it, it allocates only what the device's limits have room for.
 */
#include <string.h>

#include "hw/virtio/virtio-gpu-request.h"
#include "ui/edid.h"

enum { WORK_A_TURN = 32 << 20, WORK_OF_A_CALL = 512 };

bool virtio_gpu_rect_fits(const VirtioGpuRect *rect, const VirtioGpuResource *r)
{
    return rect->x <= r->width && rect->width <= r->width - rect->x && rect->y <= r->height &&
           rect->height <= r->height - rect->y;
}

/* ---- outputs ---- */

void virtio_gpu_display_info(const VirtioGpu *s, VirtioGpuDisplayInfo *info)
{
    for (unsigned i = 0; i < s->max_outputs; i++) {
        const VirtioGpuScanout *scanout = &s->scanouts[i];

        info->modes[i].rect.width = scanout->want_width;
        info->modes[i].rect.height = scanout->want_height;
        info->modes[i].enabled = scanout->want_width && scanout->want_height;
    }
}

static uint32_t get_display_info(VirtioGpu *s, VirtioGpuRequest *q)
{
    virtio_gpu_display_info(s, &q->answer.display);
    q->answer_size = sizeof(q->answer.display);
    return VIRTIO_GPU_OK_DISPLAY_INFO;
}

static uint32_t get_edid(VirtioGpu *s, VirtioGpuRequest *q)
{
    const VirtioGpuScanout *scanout = &s->scanouts[MIN(q->get_edid.scanout, s->max_outputs - 1)];

    if (!virtio_has(&s->parent, VIRTIO_GPU_F_EDID)) {
        return VIRTIO_GPU_ERR_UNSPEC;
    }
    if (q->get_edid.scanout >= s->max_outputs) {
        return VIRTIO_GPU_ERR_SCANOUT_ID;
    }
    edid_make(
        &(EdidInfo){ .width = MIN(scanout->want_width ? scanout->want_width : s->xres, EDID_MAX),
                     .height =
                         MIN(scanout->want_height ? scanout->want_height : s->yres, EDID_MAX) },
        q->answer.edid.edid);
    q->answer.edid.size = EDID_SIZE;
    q->answer_size = sizeof(q->answer.edid);
    return VIRTIO_GPU_OK_EDID;
}

static uint32_t set_scanout(VirtioGpu *s, VirtioGpuRequest *q)
{
    const VirtioGpuSetScanout *ask = &q->scanout;
    const VirtioGpuResource *r = virtio_gpu_find(s, ask->resource_id);

    if (ask->scanout_id >= s->max_outputs) {
        return VIRTIO_GPU_ERR_SCANOUT_ID;
    }
    if (!ask->resource_id) {
        virtio_gpu_hide(s, &s->scanouts[ask->scanout_id]);
        return VIRTIO_GPU_OK_NODATA;
    }
    if (!r) {
        return VIRTIO_GPU_ERR_RESOURCE_ID;
    }
    if (!virtio_gpu_rect_fits(&ask->rect, r) || !ask->rect.width || !ask->rect.height) {
        return VIRTIO_GPU_ERR_PARAMETER;
    }
    s->work += ask->rect.width * ask->rect.height * 4;
    return virtio_gpu_show(s, &s->scanouts[ask->scanout_id], r, &ask->rect)
               ? VIRTIO_GPU_OK_NODATA
               : VIRTIO_GPU_ERR_OUT_OF_MEMORY;
}

/* ---- resources ---- */

static uint32_t create(VirtioGpu *s, VirtioGpuRequest *q)
{
    const VirtioGpuCreate *ask = &q->create;

    if (!ask->resource_id || virtio_gpu_find(s, ask->resource_id)) {
        return VIRTIO_GPU_ERR_RESOURCE_ID;
    }
    if (!virtio_gpu_format(ask->format) || !ask->width || ask->width > CONSOLE_SIZE_MAX ||
        !ask->height || ask->height > CONSOLE_SIZE_MAX) {
        return VIRTIO_GPU_ERR_PARAMETER;
    }
    return virtio_gpu_create(s, ask->resource_id, ask->format, ask->width, ask->height)
               ? VIRTIO_GPU_OK_NODATA
               : VIRTIO_GPU_ERR_OUT_OF_MEMORY;
}

static uint32_t unref(VirtioGpu *s, VirtioGpuRequest *q)
{
    VirtioGpuResource *r = virtio_gpu_find(s, q->resource.resource_id);

    if (!r) {
        return VIRTIO_GPU_ERR_RESOURCE_ID;
    }
    virtio_gpu_destroy(s, r);
    return VIRTIO_GPU_OK_NODATA;
}

static uint32_t flush(VirtioGpu *s, VirtioGpuRequest *q)
{
    const VirtioGpuResource *r = virtio_gpu_find(s, q->flush.resource_id);

    if (!r) {
        return VIRTIO_GPU_ERR_RESOURCE_ID;
    }
    if (!virtio_gpu_rect_fits(&q->flush.rect, r)) {
        return VIRTIO_GPU_ERR_PARAMETER;
    }
    virtio_gpu_flush(s, r, &q->flush.rect);
    return VIRTIO_GPU_OK_NODATA;
}

static uint32_t transfer(VirtioGpu *s, VirtioGpuRequest *q)
{
    const VirtioGpuTransfer *ask = &q->transfer;
    const VirtioGpuRect *rect = &ask->rect;
    VirtioGpuResource *r = virtio_gpu_find(s, ask->resource_id);

    if (!r) {
        return VIRTIO_GPU_ERR_RESOURCE_ID;
    }
    if (r->gl || !virtio_gpu_rect_fits(rect, r) || !r->entry_count) {
        return VIRTIO_GPU_ERR_PARAMETER;
    }
    uint8_t *pixels = (uint8_t *)pixman_image_get_data(r->image);
    const uint64_t stride = 4ull * r->width;
    const bool whole = rect->width == r->width; /* the rows are one piece */
    const unsigned pieces = whole ? MIN(rect->height, 1) : rect->height;
    const uint64_t size = 4ull * rect->width * (whole ? rect->height : 1);

    for (unsigned i = 0; i < pieces; i++) {
        const uint64_t at = ask->offset + i * stride;

        if (at < ask->offset ||
            !virtio_gpu_read_backing(s, r, at, pixels + (rect->y + i) * stride + 4ull * rect->x,
                                     size)) {
            return VIRTIO_GPU_ERR_PARAMETER;
        }
    }
    return VIRTIO_GPU_OK_NODATA;
}

static bool read_entries(VirtioGpu *s, const VirtioGpuRequest *q, VirtioGpuResource *r)
{
    const size_t size = r->entry_count * sizeof(*r->entries);

    if (virtq_read(q->element, sizeof(q->header) + sizeof(q->attach), r->entries, size) < size) {
        return false;
    }
    s->work += size;
    for (unsigned i = 0; i < r->entry_count; i++) {
        r->entries[i].padding = 0;
        if (r->entries[i].addr > UINT64_MAX - r->entries[i].length) {
            return false;
        }
    }
    return true;
}

uint32_t virtio_gpu_attach(VirtioGpu *s, VirtioGpuRequest *q)
{
    VirtioGpuResource *r = virtio_gpu_find(s, q->attach.resource_id);

    if (!r) {
        return VIRTIO_GPU_ERR_RESOURCE_ID;
    }
    if (r->entry_count || !q->attach.entry_count ||
        q->attach.entry_count > VIRTIO_GPU_MAX_ENTRIES) {
        return VIRTIO_GPU_ERR_PARAMETER;
    }
    if (!virtio_gpu_set_entries(s, r, q->attach.entry_count)) {
        return VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    if (!read_entries(s, q, r)) {
        virtio_gpu_set_entries(s, r, 0);
        return VIRTIO_GPU_ERR_PARAMETER;
    }
    return VIRTIO_GPU_OK_NODATA;
}

static uint32_t detach(VirtioGpu *s, VirtioGpuRequest *q)
{
    VirtioGpuResource *r = virtio_gpu_find(s, q->resource.resource_id);

    if (!r) {
        return VIRTIO_GPU_ERR_RESOURCE_ID;
    }
    virtio_gpu_set_entries(s, r, 0);
    return VIRTIO_GPU_OK_NODATA;
}

/* ---- the pointer ---- */

static void define_cursor(VirtioGpu *s, VirtioGpuScanout *scanout,
                          const VirtioGpuCursorRequest *ask, pixman_image_t *image)
{
    scanout->cursor_resource = 0;
    scanout->hot_x = ask->hot_x;
    scanout->hot_y = ask->hot_y;
    if (image && pixman_image_get_width(image) == VIRTIO_GPU_CURSOR_SIZE &&
        pixman_image_get_height(image) == VIRTIO_GPU_CURSOR_SIZE) {
        scanout->cursor_resource = ask->resource_id;
        virtio_gpu_copy_cursor(image, scanout->cursor);
        s->work += VIRTIO_GPU_CURSOR_BYTES;
    }
    scanout->new_cursor = true;
}

void virtio_gpu_move_cursor(VirtioGpu *s, const VirtioGpuRequest *q, pixman_image_t *image)
{
    const VirtioGpuCursorRequest *ask = &q->cursor;
    VirtioGpuScanout *scanout;

    if (ask->scanout_id >= s->max_outputs) {
        return;
    }
    scanout = &s->scanouts[ask->scanout_id];
    if (q->header.type == VIRTIO_GPU_UPDATE_CURSOR) {
        define_cursor(s, scanout, ask, image);
    }
    scanout->cursor_x = ask->x;
    scanout->cursor_y = ask->y;
    scanout->cursor_moved = true;
}

/* ---- the queues ---- */

typedef struct Command {
    uint32_t (*run)(VirtioGpu *s, VirtioGpuRequest *q); /* the type of the answer */
    size_t size;                                        /* behind the header */
} Command;

static const Command commands[] = {
    [VIRTIO_GPU_GET_DISPLAY_INFO & 0xff] = { get_display_info, 0 },
    [VIRTIO_GPU_RESOURCE_CREATE_2D & 0xff] = { create, sizeof(VirtioGpuCreate) },
    [VIRTIO_GPU_RESOURCE_UNREF & 0xff] = { unref, sizeof(VirtioGpuResourceId) },
    [VIRTIO_GPU_SET_SCANOUT & 0xff] = { set_scanout, sizeof(VirtioGpuSetScanout) },
    [VIRTIO_GPU_RESOURCE_FLUSH & 0xff] = { flush, sizeof(VirtioGpuFlush) },
    [VIRTIO_GPU_TRANSFER_TO_HOST_2D & 0xff] = { transfer, sizeof(VirtioGpuTransfer) },
    [VIRTIO_GPU_ATTACH_BACKING & 0xff] = { virtio_gpu_attach, sizeof(VirtioGpuAttach) },
    [VIRTIO_GPU_DETACH_BACKING & 0xff] = { detach, sizeof(VirtioGpuResourceId) },
    [VIRTIO_GPU_GET_EDID & 0xff] = { get_edid, sizeof(VirtioGpuGetEdid) },
};

/* What @q asks for, of what the queue has got @got bytes of behind the header. */
static uint32_t run(VirtioGpu *s, VirtioGpuRequest *q, size_t got)
{
    const unsigned number = q->header.type & 0xff;
    const Command *command = &commands[MIN(number, G_N_ELEMENTS(commands) - 1)];

    if (q->header.type >> 8 != VIRTIO_GPU_GET_DISPLAY_INFO >> 8 ||
        number >= G_N_ELEMENTS(commands) || !command->run) {
        return VIRTIO_GPU_ERR_UNSPEC;
    }
    return got < command->size ? VIRTIO_GPU_ERR_PARAMETER : command->run(s, q);
}

/* Header, and then whatever is there of the rest: bytes of it. False: no whole header. */
static bool read_request(VirtqElement *element, VirtioGpuRequest *q, size_t *got)
{
    memset(q, 0, sizeof(*q));
    q->element = element;
    if (virtq_read(element, 0, &q->header, sizeof(q->header)) < sizeof(q->header)) {
        return false;
    }
    *got = virtq_read(element, sizeof(q->header), q->bytes, sizeof(q->bytes));
    return true;
}

void virtio_gpu_answer(VirtQueue *vq, VirtioGpuRequest *q, uint32_t type)
{
    VirtioGpuHeader answer = { .type = type };
    size_t written;

    if (q->header.flags & VIRTIO_GPU_FLAG_FENCE) {
        answer.flags = VIRTIO_GPU_FLAG_FENCE;
        answer.fence_id = q->header.fence_id;
        answer.ctx_id = q->header.ctx_id;
    }
    written = virtq_write(q->element, 0, &answer, sizeof(answer));
    written += virtq_write(q->element, written, q->answer_data ? q->answer_data : &q->answer,
                           q->answer_size);
    virtq_push(vq, q->element, (uint32_t)written);
}

static void control(VirtioGpu *s, VirtQueue *vq, VirtqElement *element)
{
    size_t got;
    VirtioGpuRequest q;
    uint32_t type;

    if (!read_request(element, &q, &got) || element->in_size < sizeof(VirtioGpuHeader)) {
        virtq_drop(vq, element);
        virtq_break(vq, "a request of the control queue has no room for the header, or for that of "
                        "its answer");
        return;
    }
    if (!s->gl || !s->gl->control(s, &q, got, &type)) {
        type = run(s, &q, got);
    }
    if (type != VIRTIO_GPU_LATER) {
        virtio_gpu_answer(vq, &q, type);
    }
}

static void cursor(VirtioGpu *s, VirtQueue *vq, VirtqElement *element)
{
    size_t got;
    VirtioGpuRequest q;

    if (!read_request(element, &q, &got) || got < sizeof(q.cursor) ||
        (q.header.type != VIRTIO_GPU_UPDATE_CURSOR && q.header.type != VIRTIO_GPU_MOVE_CURSOR)) {
        virtq_drop(vq, element);
        virtq_break(vq, "it is no request that the cursor queue has");
        return;
    }
    if (!s->gl || !s->gl->cursor(s, &q)) {
        const VirtioGpuResource *r = virtio_gpu_find(s, q.cursor.resource_id);

        virtio_gpu_move_cursor(s, &q, r ? r->image : NULL);
        virtq_push(vq, element, 0);
    }
}

/* No request of @vq is under way; one that the renderer is through with is answered. */
static bool is_free(VirtioGpu *s, VirtQueue *vq)
{
    return !s->gl || s->gl->is_free(s, vq);
}

/* Others get their turn after a number of requests, or much work. */
static void handle(VirtioDevice *vdev, VirtQueue *vq,
                   void (*one)(VirtioGpu *s, VirtQueue *vq, VirtqElement *element))
{
    VirtioGpu *s = VIRTIO_GPU(vdev);
    VirtqElement *element;

    virtio_gpu_freshen(s);
    s->work = 0;
    for (unsigned left = vq->size;
         left && s->work < WORK_A_TURN && is_free(s, vq) && (element = virtq_pop(vq)); left--) {
        s->work += WORK_OF_A_CALL;
        one(s, vq, element);
    }
    virtio_notify(vdev, vq);
    if (is_free(s, vq) && !virtq_is_empty(vq)) {
        virtio_queue_again(vdev, vq);
    }
}

void virtio_gpu_handle_control(VirtioDevice *vdev, VirtQueue *vq)
{
    handle(vdev, vq, control);
}

void virtio_gpu_handle_cursor(VirtioDevice *vdev, VirtQueue *vq)
{
    handle(vdev, vq, cursor);
}
