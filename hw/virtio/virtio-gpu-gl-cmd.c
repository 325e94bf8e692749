/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the driver of a virtio GPU with 3D asks for beyond 2D, and of resources that the renderer
 * has. Ids, sizes and places are looked at here; what is in the commands of a context, the renderer
 * looks at.
 */
#include <string.h>
#include <virgl/virglrenderer.h>

#include "hw/virtio/virtio-gpu-gl.h"

enum { TARGET_BUFFER = 0, TARGET_3D = 3, TARGETS = 9, LEVELS = 16, LAYERS = 2048, SAMPLES = 32 };

static VirtioGpuJob *control_job(VirtioGpu *s, const VirtioGpuRequest *q,
                                 uint32_t (*run)(VirtioGpuJob *job),
                                 void (*then)(VirtioGpuGl *s, VirtioGpuJob *job))
{
    return virtio_gpu_job_new(VIRTIO_GPU_GL(s), VIRTIO_GPU_CONTROL, q, run, then);
}

/* The one that the renderer has; NULL: there is none. */
static VirtioGpuResource *find_gl(const VirtioGpu *s, uint32_t id)
{
    VirtioGpuResource *r = virtio_gpu_find(s, id);

    return r && r->gl ? r : NULL;
}

static bool has_context(VirtioGpu *s, uint32_t id)
{
    return g_hash_table_contains(VIRTIO_GPU_GL(s)->contexts, GUINT_TO_POINTER(id));
}

/* ---- capabilities ---- */

static uint32_t get_capset_info(VirtioGpu *s, VirtioGpuRequest *q)
{
    if (q->get_capset_info.index >= s->capset_count) {
        return VIRTIO_GPU_ERR_PARAMETER;
    }
    q->answer.capset_info = VIRTIO_GPU_GL(s)->capsets[q->get_capset_info.index].info;
    q->answer_size = sizeof(q->answer.capset_info);
    return VIRTIO_GPU_OK_CAPSET_INFO;
}

/* An older version is the beginning of a newer one. */
static uint32_t get_capset(VirtioGpu *s, VirtioGpuRequest *q)
{
    for (unsigned i = 0; i < s->capset_count; i++) {
        const VirtioGpuCapset *capset = &VIRTIO_GPU_GL(s)->capsets[i];

        if (capset->info.id == q->get_capset.id &&
            q->get_capset.version <= capset->info.max_version) {
            q->answer_data = capset->data;
            q->answer_size = capset->info.max_size;
            return VIRTIO_GPU_OK_CAPSET;
        }
    }
    return VIRTIO_GPU_ERR_PARAMETER;
}

/* ---- contexts ---- */

static uint32_t run_ctx_create(VirtioGpuJob *job)
{
    const VirtioGpuCtxCreate *ask = &job->q.ctx_create;

    return virgl_renderer_context_create(job->q.header.ctx_id, ask->name_length, ask->name) == 0
               ? VIRTIO_GPU_OK_NODATA
               : VIRTIO_GPU_ERR_OUT_OF_MEMORY;
}

static void ctx_created(VirtioGpuGl *s, VirtioGpuJob *job)
{
    if (job->answer != VIRTIO_GPU_OK_NODATA) {
        g_hash_table_remove(s->contexts, GUINT_TO_POINTER(job->q.header.ctx_id));
    }
}

static uint32_t ctx_create(VirtioGpu *s, VirtioGpuRequest *q)
{
    GHashTable *contexts = VIRTIO_GPU_GL(s)->contexts;

    if (!q->header.ctx_id || has_context(s, q->header.ctx_id)) {
        return VIRTIO_GPU_ERR_CONTEXT_ID;
    }
    if (g_hash_table_size(contexts) >= VIRTIO_GPU_GL_CONTEXTS || gl_is_behind()) {
        return VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    q->ctx_create.name_length =
        (uint32_t)MIN(q->ctx_create.name_length, sizeof(q->ctx_create.name) - 1);
    g_hash_table_add(contexts, GUINT_TO_POINTER(q->header.ctx_id));
    return virtio_gpu_job_start(control_job(s, q, run_ctx_create, ctx_created));
}

static uint32_t run_ctx_destroy(VirtioGpuJob *job)
{
    virgl_renderer_context_destroy(job->q.header.ctx_id);
    return VIRTIO_GPU_OK_NODATA;
}

static uint32_t ctx_destroy(VirtioGpu *s, VirtioGpuRequest *q)
{
    if (!has_context(s, q->header.ctx_id)) {
        return VIRTIO_GPU_ERR_CONTEXT_ID;
    }
    g_hash_table_remove(VIRTIO_GPU_GL(s)->contexts, GUINT_TO_POINTER(q->header.ctx_id));
    return virtio_gpu_job_start(control_job(s, q, run_ctx_destroy, NULL));
}

static uint32_t run_ctx_attach(VirtioGpuJob *job)
{
    virgl_renderer_ctx_attach_resource((int)job->q.header.ctx_id, (int)job->q.resource.resource_id);
    return VIRTIO_GPU_OK_NODATA;
}

static uint32_t run_ctx_detach(VirtioGpuJob *job)
{
    virgl_renderer_ctx_detach_resource((int)job->q.header.ctx_id, (int)job->q.resource.resource_id);
    return VIRTIO_GPU_OK_NODATA;
}

/* Drivers say it of every resource; those of 2D the renderer does not know. */
static uint32_t of_context(VirtioGpu *s, VirtioGpuRequest *q, uint32_t (*run)(VirtioGpuJob *job))
{
    const VirtioGpuResource *r = virtio_gpu_find(s, q->resource.resource_id);

    if (!has_context(s, q->header.ctx_id)) {
        return VIRTIO_GPU_ERR_CONTEXT_ID;
    }
    if (!r) {
        return VIRTIO_GPU_ERR_RESOURCE_ID;
    }
    return r->gl ? virtio_gpu_job_start(control_job(s, q, run, NULL)) : VIRTIO_GPU_OK_NODATA;
}

static uint32_t ctx_attach(VirtioGpu *s, VirtioGpuRequest *q)
{
    return of_context(s, q, run_ctx_attach);
}

static uint32_t ctx_detach(VirtioGpu *s, VirtioGpuRequest *q)
{
    return of_context(s, q, run_ctx_detach);
}

static uint32_t run_submit(VirtioGpuJob *job)
{
    return virgl_renderer_submit_cmd(job->commands, (int)job->q.header.ctx_id,
                                     (int)(job->q.submit.size / 4)) == 0
               ? VIRTIO_GPU_OK_NODATA
               : VIRTIO_GPU_ERR_PARAMETER;
}

static uint32_t submit(VirtioGpu *s, VirtioGpuRequest *q)
{
    const uint32_t size = q->submit.size;
    VirtioGpuJob *job;

    if (!has_context(s, q->header.ctx_id)) {
        return VIRTIO_GPU_ERR_CONTEXT_ID;
    }
    if (!size || size % 4 || size > VIRTIO_GPU_GL_COMMANDS ||
        size > q->element->out_size - sizeof(q->header) - sizeof(q->submit)) {
        return VIRTIO_GPU_ERR_PARAMETER;
    }
    g_autofree uint32_t *commands = g_malloc(size);
    virtq_read(q->element, sizeof(q->header) + sizeof(q->submit), commands, size);
    s->work += size;
    if (!virtio_gpu_gl_check_commands(s, commands, size / 4)) {
        return VIRTIO_GPU_ERR_PARAMETER;
    }
    job = control_job(s, q, run_submit, NULL);
    job->commands = g_steal_pointer(&commands);
    virtio_gpu_gl_hold(VIRTIO_GPU_GL(s), job);
    return virtio_gpu_job_start(job);
}

/* ---- resources ---- */

/* Bytes of a pixel, of formats of the renderer (VIRGL_FORMAT_*) up to the last one of each row; the
 * largest of those that are in it. */
static unsigned pixel_size(uint32_t format)
{
    static const struct {
        uint32_t last;
        unsigned size;
    } rows[] = {
        { 4, 4 },  { 7, 2 },  { 8, 4 },   { 11, 1 },  { 12, 2 }, { 13, 2 }, { 15, 4 },
        { 16, 2 }, { 22, 4 }, { 23, 1 },  { 27, 8 },  { 28, 4 }, { 29, 8 }, { 63, 16 },
        { 64, 1 }, { 65, 2 }, { 68, 4 },  { 73, 4 },  { 90, 8 }, { 91, 2 }, { 92, 4 },
        { 94, 8 }, { 99, 4 }, { 100, 4 }, { 121, 4 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (format <= rows[i].last) {
            return rows[i].size;
        }
    }
    return format == 134 ? 4 : 16;
}

/* What it takes on the host, about, with all levels. */
static uint64_t size_of(const VirtioGpuCreate3d *ask)
{
    const uint64_t pixels = (uint64_t)ask->width * ask->height * ask->depth * ask->array_size;

    if (ask->target == TARGET_BUFFER) {
        return ask->width;
    }
    return pixels * MAX(ask->nr_samples, 1) * pixel_size(ask->format) * (ask->last_level ? 2 : 1);
}

static bool makes_sense(const VirtioGpuCreate3d *ask)
{
    if (ask->target == TARGET_BUFFER) {
        return ask->format < VIRTIO_GPU_GL_FORMATS && ask->width && ask->width <= INT32_MAX &&
               ask->height == 1 && ask->depth == 1 && ask->array_size == 1 && !ask->last_level &&
               ask->nr_samples <= 1;
    }
    return ask->target < TARGETS && ask->format < VIRTIO_GPU_GL_FORMATS && ask->width &&
           ask->width <= CONSOLE_SIZE_MAX && ask->height && ask->height <= CONSOLE_SIZE_MAX &&
           ask->depth && ask->depth <= LAYERS && ask->array_size && ask->array_size <= LAYERS &&
           ask->last_level < LEVELS && ask->nr_samples <= SAMPLES;
}

static uint32_t run_create(VirtioGpuJob *job)
{
    const VirtioGpuCreate3d *ask = &job->q.create_3d;
    struct virgl_renderer_resource_create_args args = {
        .handle = ask->resource_id,
        .target = ask->target,
        .format = ask->format,
        .bind = ask->bind,
        .width = ask->width,
        .height = ask->height,
        .depth = ask->depth,
        .array_size = ask->array_size,
        .last_level = ask->last_level,
        .nr_samples = ask->nr_samples,
        .flags = ask->flags,
    };

    return virgl_renderer_resource_create(&args, NULL, 0) == 0 ? VIRTIO_GPU_OK_NODATA
                                                               : VIRTIO_GPU_ERR_PARAMETER;
}

static void created(VirtioGpuGl *s, VirtioGpuJob *job)
{
    if (job->answer != VIRTIO_GPU_OK_NODATA) {
        virtio_gpu_destroy(&s->parent, find_gl(&s->parent, job->q.create_3d.resource_id));
    }
}

static uint32_t create(VirtioGpu *s, VirtioGpuRequest *q)
{
    const VirtioGpuCreate3d *ask = &q->create_3d;
    const VirtioGpuResource what = {
        .id = ask->resource_id,
        .format = ask->format,
        .width = ask->width,
        .height = ask->height,
        .gl = true,
        .target = ask->target,
        .bind = ask->bind,
        .depth = ask->depth,
        .array_size = ask->array_size,
        .last_level = ask->last_level,
        .gl_size = size_of(ask),
    };

    if (!what.id || what.id > INT32_MAX || virtio_gpu_find(s, what.id)) {
        return VIRTIO_GPU_ERR_RESOURCE_ID;
    }
    if (!makes_sense(ask)) {
        return VIRTIO_GPU_ERR_PARAMETER;
    }
    if (gl_is_behind() || !virtio_gpu_create_gl(s, &what)) {
        return VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    return virtio_gpu_job_start(control_job(s, q, run_create, created));
}

static uint32_t run_unref(VirtioGpuJob *job)
{
    virtio_gpu_gl_drop_backing(job->q.resource.resource_id);
    virgl_renderer_resource_unref(job->q.resource.resource_id);
    return VIRTIO_GPU_OK_NODATA;
}

static uint32_t unref(VirtioGpu *s, VirtioGpuRequest *q)
{
    VirtioGpuJob *job = control_job(s, q, run_unref, NULL);

    virtio_gpu_gl_hold(VIRTIO_GPU_GL(s), job);
    virtio_gpu_destroy(s, find_gl(s, q->resource.resource_id));
    return virtio_gpu_job_start(job);
}

/* ---- backings ---- */

static uint32_t tell_backing(VirtioGpu *s, const VirtioGpuRequest *q, VirtioGpuResource *r)
{
    VirtioGpuJob *job = control_job(s, q, NULL, NULL);

    virtio_gpu_gl_set_backing(VIRTIO_GPU_GL(s), job, r);
    virtio_gpu_gl_hold(VIRTIO_GPU_GL(s), job);
    return virtio_gpu_job_start(job);
}

static uint32_t attach(VirtioGpu *s, VirtioGpuRequest *q)
{
    const uint32_t answer = virtio_gpu_attach(s, q);

    return answer == VIRTIO_GPU_OK_NODATA ? tell_backing(s, q, find_gl(s, q->attach.resource_id))
                                          : answer;
}

static uint32_t detach(VirtioGpu *s, VirtioGpuRequest *q)
{
    VirtioGpuResource *r = find_gl(s, q->resource.resource_id);

    virtio_gpu_set_entries(s, r, 0);
    return tell_backing(s, q, r);
}

static bool box_fits(const VirtioGpuTransfer3d *ask, const VirtioGpuResource *r)
{
    const VirtioGpuBox *box = &ask->box;

    if (ask->level > r->last_level) {
        return false;
    }
    const uint32_t width = MAX(r->width >> ask->level, 1), height = MAX(r->height >> ask->level, 1);
    const uint32_t layers = r->target == TARGET_3D ? MAX(r->depth >> ask->level, 1) : r->array_size;

    return box->width && box->height && box->depth && box->x < width &&
           box->width <= width - box->x && box->y < height && box->height <= height - box->y &&
           box->z < layers && box->depth <= layers - box->z;
}

static uint32_t run_transfer(VirtioGpuJob *job)
{
    const VirtioGpuTransfer3d *ask = &job->q.transfer_3d;
    struct virgl_box *box = (void *)&job->q.transfer_3d.box;
    const uint32_t context = job->q.header.ctx_id;
    int error;

    if (job->q.header.type == VIRTIO_GPU_TRANSFER_TO_HOST_3D) {
        error = virgl_renderer_transfer_write_iov(ask->resource_id, context, (int)ask->level,
                                                  ask->stride, ask->layer_stride, box, ask->offset,
                                                  NULL, 0);
    } else {
        error = virgl_renderer_transfer_read_iov(ask->resource_id, context, ask->level, ask->stride,
                                                 ask->layer_stride, box, ask->offset, NULL, 0);
    }
    return error ? VIRTIO_GPU_ERR_PARAMETER : VIRTIO_GPU_OK_NODATA;
}

static void transferred(VirtioGpuGl *s, VirtioGpuJob *job)
{
    if (job->q.header.type == VIRTIO_GPU_TRANSFER_FROM_HOST_3D) {
        virtio_gpu_gl_written(s, find_gl(&s->parent, job->q.transfer_3d.resource_id));
    }
}

static uint32_t transfer(VirtioGpu *s, VirtioGpuRequest *q)
{
    const VirtioGpuTransfer3d *ask = &q->transfer_3d;
    const VirtioGpuResource *r = find_gl(s, ask->resource_id);
    VirtioGpuJob *job;

    if (q->header.ctx_id && !has_context(s, q->header.ctx_id)) {
        return VIRTIO_GPU_ERR_CONTEXT_ID;
    }
    if (!r) {
        return VIRTIO_GPU_ERR_RESOURCE_ID;
    }
    if (!r->entry_count || !box_fits(ask, r) || ask->offset > INT32_MAX ||
        ask->stride > INT32_MAX || ask->layer_stride > INT32_MAX) {
        return VIRTIO_GPU_ERR_PARAMETER;
    }
    job = control_job(s, q, run_transfer, transferred);
    virtio_gpu_gl_hold(VIRTIO_GPU_GL(s), job);
    if (!r->gl_piece_count) { /* no RAM; for the renderer that would be the end of the context */
        job->run = NULL;
        job->then = NULL;
        job->answer = VIRTIO_GPU_ERR_PARAMETER;
    }
    return virtio_gpu_job_start(job);
}

/* ---- what is shown ---- */

/* The pixels of job->rect, out of resource @id. On the GL thread. */
static uint32_t read_back(VirtioGpuJob *job, uint32_t id)
{
    const VirtioGpuRect *rect = &job->rect;
    const uint32_t stride = (uint32_t)pixman_image_get_stride(job->image);
    struct iovec pixels = { pixman_image_get_data(job->image),
                            (size_t)stride * (size_t)pixman_image_get_height(job->image) };
    VirtioGpuBox box = { rect->x, rect->y, 0, rect->width, rect->height, 1 };

    if (!rect->width || !rect->height) {
        return VIRTIO_GPU_OK_NODATA;
    }
    return virgl_renderer_transfer_read_iov(id, 0, 0, stride, 0, (void *)&box,
                                            (uint64_t)rect->y * stride + 4ull * rect->x, &pixels,
                                            1) == 0
               ? VIRTIO_GPU_OK_NODATA
               : VIRTIO_GPU_ERR_PARAMETER;
}

static uint32_t run_flush(VirtioGpuJob *job)
{
    return read_back(job, job->q.flush.resource_id);
}

static void flushed(VirtioGpuGl *s, VirtioGpuJob *job)
{
    if (job->answer == VIRTIO_GPU_OK_NODATA) {
        virtio_gpu_flush(&s->parent, find_gl(&s->parent, job->q.flush.resource_id), &job->rect);
    }
}

/* One that is not shown, and was not, has no image. */
static uint32_t flush(VirtioGpu *s, VirtioGpuRequest *q)
{
    const VirtioGpuResource *r = find_gl(s, q->flush.resource_id);
    VirtioGpuJob *job;

    if (!virtio_gpu_rect_fits(&q->flush.rect, r)) {
        return VIRTIO_GPU_ERR_PARAMETER;
    }
    if (!r->image) {
        return VIRTIO_GPU_OK_NODATA;
    }
    job = control_job(s, q, run_flush, flushed);
    job->image = pixman_image_ref(r->image);
    job->rect = q->flush.rect;
    return virtio_gpu_job_start(job);
}

static uint32_t run_show(VirtioGpuJob *job)
{
    return read_back(job, job->q.scanout.resource_id);
}

static void shown(VirtioGpuGl *s, VirtioGpuJob *job)
{
    const VirtioGpuSetScanout *ask = &job->q.scanout;

    if (job->answer == VIRTIO_GPU_OK_NODATA &&
        !virtio_gpu_show(&s->parent, &s->parent.scanouts[ask->scanout_id],
                         find_gl(&s->parent, ask->resource_id), &ask->rect)) {
        job->answer = VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
}

static uint32_t set_scanout(VirtioGpu *s, VirtioGpuRequest *q)
{
    const VirtioGpuSetScanout *ask = &q->scanout;
    VirtioGpuResource *r = find_gl(s, ask->resource_id);
    VirtioGpuJob *job;

    if (ask->scanout_id >= s->max_outputs) {
        return VIRTIO_GPU_ERR_SCANOUT_ID;
    }
    if (!virtio_gpu_rect_fits(&ask->rect, r) || !ask->rect.width || !ask->rect.height ||
        r->target == TARGET_BUFFER || !virtio_gpu_format(r->format)) {
        return VIRTIO_GPU_ERR_PARAMETER;
    }
    if (!virtio_gpu_need_image(s, r)) {
        return VIRTIO_GPU_ERR_OUT_OF_MEMORY;
    }
    job = control_job(s, q, run_show, shown);
    job->image = pixman_image_ref(r->image);
    job->rect = ask->rect;
    return virtio_gpu_job_start(job);
}

static uint32_t run_cursor(VirtioGpuJob *job)
{
    return read_back(job, job->q.cursor.resource_id);
}

static void cursor_is_read(VirtioGpuGl *s, VirtioGpuJob *job)
{
    virtio_gpu_move_cursor(&s->parent, &job->q,
                           job->answer == VIRTIO_GPU_OK_NODATA ? job->image : NULL);
}

/* The pointer is what the resource is now: its pixels go into an image of their own, as the other
 * queue may have those of the resource read meanwhile. */
bool virtio_gpu_gl_cursor(VirtioGpu *gpu, VirtioGpuRequest *q)
{
    const VirtioGpuResource *r = find_gl(gpu, q->cursor.resource_id);
    VirtioGpuJob *job;

    if (q->header.type != VIRTIO_GPU_UPDATE_CURSOR || !r || !virtio_gpu_format(r->format) ||
        r->target == TARGET_BUFFER || r->width != VIRTIO_GPU_CURSOR_SIZE ||
        r->height != VIRTIO_GPU_CURSOR_SIZE) {
        return false;
    }
    job = virtio_gpu_job_new(VIRTIO_GPU_GL(gpu), VIRTIO_GPU_CURSOR, q, run_cursor, cursor_is_read);
    job->image = pixman_image_create_bits(virtio_gpu_format(r->format), VIRTIO_GPU_CURSOR_SIZE,
                                          VIRTIO_GPU_CURSOR_SIZE, NULL, 0);
    job->rect = (VirtioGpuRect){ 0, 0, VIRTIO_GPU_CURSOR_SIZE, VIRTIO_GPU_CURSOR_SIZE };
    virtio_gpu_job_start(job);
    return true;
}

/* ---- the control queue ---- */

typedef struct Command {
    uint32_t type;
    size_t size; /* behind the header */
    uint32_t (*run)(VirtioGpu *s, VirtioGpuRequest *q);
    /* Where the id of a resource is, behind the header, if it is one of 2D as well, and this is for
     * those that the renderer has; 0: it is not. */
    size_t resource_at;
} Command;

#define OF_2D(kind) offsetof(kind, resource_id) + 1

static const Command commands[] = {
    { VIRTIO_GPU_RESOURCE_UNREF, sizeof(VirtioGpuResourceId), unref, OF_2D(VirtioGpuResourceId) },
    { VIRTIO_GPU_SET_SCANOUT, sizeof(VirtioGpuSetScanout), set_scanout,
      OF_2D(VirtioGpuSetScanout) },
    { VIRTIO_GPU_RESOURCE_FLUSH, sizeof(VirtioGpuFlush), flush, OF_2D(VirtioGpuFlush) },
    { VIRTIO_GPU_ATTACH_BACKING, sizeof(VirtioGpuAttach), attach, OF_2D(VirtioGpuAttach) },
    { VIRTIO_GPU_DETACH_BACKING, sizeof(VirtioGpuResourceId), detach, OF_2D(VirtioGpuResourceId) },
    { VIRTIO_GPU_GET_CAPSET_INFO, sizeof(VirtioGpuGetCapsetInfo), get_capset_info },
    { VIRTIO_GPU_GET_CAPSET, sizeof(VirtioGpuGetCapset), get_capset },
    { VIRTIO_GPU_CTX_CREATE, sizeof(VirtioGpuCtxCreate), ctx_create },
    { VIRTIO_GPU_CTX_DESTROY, 0, ctx_destroy },
    { VIRTIO_GPU_CTX_ATTACH_RESOURCE, sizeof(VirtioGpuResourceId), ctx_attach },
    { VIRTIO_GPU_CTX_DETACH_RESOURCE, sizeof(VirtioGpuResourceId), ctx_detach },
    { VIRTIO_GPU_RESOURCE_CREATE_3D, sizeof(VirtioGpuCreate3d), create },
    { VIRTIO_GPU_TRANSFER_TO_HOST_3D, sizeof(VirtioGpuTransfer3d), transfer },
    { VIRTIO_GPU_TRANSFER_FROM_HOST_3D, sizeof(VirtioGpuTransfer3d), transfer },
    { VIRTIO_GPU_SUBMIT_3D, sizeof(VirtioGpuSubmit), submit },
};

static bool is_for_renderer(const VirtioGpu *s, const VirtioGpuRequest *q, const Command *command)
{
    uint32_t id;

    if (!command->resource_at) {
        return true;
    }
    memcpy(&id, q->bytes + command->resource_at - 1, sizeof(id));
    return find_gl(s, id);
}

/* Without the feature there is no 3D. */
bool virtio_gpu_gl_control(VirtioGpu *gpu, VirtioGpuRequest *q, size_t got, uint32_t *type)
{
    const Command *command = NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (commands[i].type == q->header.type) {
            command = &commands[i];
        }
    }
    if (!command || !virtio_has(&gpu->parent, VIRTIO_GPU_F_VIRGL) ||
        (got >= command->size && !is_for_renderer(gpu, q, command))) {
        return false;
    }
    *type = got < command->size ? VIRTIO_GPU_ERR_PARAMETER : command->run(gpu, q);
    return true;
}
