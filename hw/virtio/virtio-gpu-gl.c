/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtio-gpu-gl.h"

#include <string.h>
#include <virgl/virglrenderer.h>

#include "util/error.h"
#include "util/units.h"

/* ---- jobs ---- */

static void free_backings(GArray *backings)
{
    for (unsigned i = 0; i < backings->len; i++) {
        g_free(g_array_index(backings, VirtioGpuBacking, i).pieces);
    }
    g_array_unref(backings);
}

static void free_job(VirtioGpuJob *job)
{
    g_clear_pointer(&job->backings, free_backings);
    g_clear_pointer(&job->image, pixman_image_unref);
    g_free(job->commands);
    g_free(job);
}

/* On the GL thread. */
static void run_job(GlJob *gl_job)
{
    VirtioGpuJob *job = (VirtioGpuJob *)gl_job;

    virtio_gpu_gl_tell(job);
    if (job->run) {
        job->answer = job->run(job);
    }
    if (job->q.header.flags & VIRTIO_GPU_FLAG_FENCE) {
        gl_finish();
    }
}

static void job_done(GlJob *gl_job)
{
    VirtioGpuJob *job = (VirtioGpuJob *)gl_job;

    g_clear_pointer(&job->holds, g_ptr_array_unref);
    g_clear_pointer(&job->old, g_hash_table_unref);
    job->finished = true;
    if (job->gpu) {
        VirtioDevice *vdev = &job->gpu->parent.parent;

        virtio_queue_again(vdev, virtio_queue(vdev, job->queue)); /* is_free() */
    } else {
        free_job(job);
    }
}

VirtioGpuJob *virtio_gpu_job_new(VirtioGpuGl *s, unsigned queue, const VirtioGpuRequest *q,
                                 uint32_t (*run)(VirtioGpuJob *job),
                                 void (*then)(VirtioGpuGl *s, VirtioGpuJob *job))
{
    VirtioGpuJob *job = g_new0(VirtioGpuJob, 1);

    job->job = (GlJob){ run_job, job_done };
    job->gpu = s;
    job->queue = queue;
    if (q) {
        job->q = *q;
    }
    job->run = run;
    job->then = then;
    job->answer = VIRTIO_GPU_OK_NODATA;
    return job;
}

uint32_t virtio_gpu_job_start(VirtioGpuJob *job)
{
    if (job->gpu) {
        g_assert(!job->gpu->jobs[job->queue]);
        job->gpu->jobs[job->queue] = job;
    }
    gl_add_job(&job->job);
    return VIRTIO_GPU_LATER;
}

static bool is_free(VirtioGpu *gpu, VirtQueue *vq)
{
    VirtioGpuGl *s = VIRTIO_GPU_GL(gpu);
    VirtioGpuJob **at = &s->jobs[virtio_queue_number(&gpu->parent, vq)], *job = *at;

    if (!job) {
        return true;
    }
    if (!job->finished) {
        return false;
    }
    *at = NULL;
    if (job->then) {
        job->then(s, job);
    }
    if (job->q.element && job->queue == VIRTIO_GPU_CURSOR) {
        virtq_push(vq, job->q.element, 0);
    } else if (job->q.element) {
        virtio_gpu_answer(vq, &job->q, job->answer);
    }
    free_job(job);
    return true;
}

static const VirtioGpuGlOps gpu_gl_ops = { virtio_gpu_gl_control, virtio_gpu_gl_cursor, is_free };

/* ---- resets ---- */

/* What is under way goes on, and is answered nobody. */
static void gl_queue_reset(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioGpuJob *job = VIRTIO_GPU_GL(vdev)->jobs[virtio_queue_number(vdev, vq)];

    if (job && job->q.element) {
        virtq_drop(vq, g_steal_pointer(&job->q.element));
    }
}

/* What the renderer has, to be cleared. */
typedef struct Wipe {
    GlJob job;
    VirtioGpuJob *keeps; /* the RAM */
    GArray *resources, *contexts;
} Wipe;

static void run_wipe(GlJob *job)
{
    const Wipe *wipe = (Wipe *)job;

    for (unsigned i = 0; i < wipe->contexts->len; i++) {
        virgl_renderer_context_destroy(g_array_index(wipe->contexts, uint32_t, i));
    }
    for (unsigned i = 0; i < wipe->resources->len; i++) {
        const uint32_t id = g_array_index(wipe->resources, uint32_t, i);

        virtio_gpu_gl_drop_backing(id);
        virgl_renderer_resource_unref(id);
    }
}

static void wipe_done(GlJob *job)
{
    Wipe *wipe = (Wipe *)job;

    job_done(&wipe->keeps->job);
    g_array_unref(wipe->resources);
    g_array_unref(wipe->contexts);
    g_free(wipe);
}

static gboolean add_resource(gpointer key, gpointer value, gpointer opaque)
{
    const VirtioGpuResource *r = value;

    if (r->gl) {
        g_array_append_val((GArray *)opaque, r->id);
    }
    return false;
}

static void wipe_renderer(VirtioGpuGl *s)
{
    Wipe *wipe = g_new0(Wipe, 1);
    GHashTableIter iter;
    gpointer id;

    wipe->job = (GlJob){ run_wipe, wipe_done };
    wipe->resources = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    wipe->contexts = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    g_tree_foreach(s->parent.resources, add_resource, wipe->resources);
    g_hash_table_iter_init(&iter, s->contexts);
    while (g_hash_table_iter_next(&iter, &id, NULL)) {
        const uint32_t number = GPOINTER_TO_UINT(id);

        g_array_append_val(wipe->contexts, number);
    }
    wipe->keeps = virtio_gpu_job_new(NULL, 0, NULL, NULL, NULL);
    virtio_gpu_gl_forget(s, wipe->keeps);
    g_hash_table_remove_all(s->contexts);
    gl_add_job(&wipe->job);
}

static gboolean is_gl(gpointer key, gpointer value, gpointer opaque)
{
    bool *found = opaque;

    *found = ((const VirtioGpuResource *)value)->gl;
    return *found;
}

/* One reset after another must not make one such job after another. */
static bool has_something(const VirtioGpuGl *s)
{
    bool found = g_hash_table_size(s->contexts) || g_hash_table_size(s->blocks);

    if (!found) {
        g_tree_foreach(s->parent.resources, is_gl, &found);
    }
    return found;
}

static void gl_reset(VirtioDevice *vdev)
{
    VirtioGpuGl *s = VIRTIO_GPU_GL(vdev);

    for (unsigned i = 0; i < G_N_ELEMENTS(s->jobs); i++) {
        VirtioGpuJob *job = g_steal_pointer(&s->jobs[i]);

        if (job && job->finished) {
            free_job(job);
        } else if (job) {
            job->gpu = NULL;
        }
    }
    if (s->contexts && has_something(s)) {
        wipe_renderer(s);
    }
    virtio_gpu_reset(vdev);
}

/* ---- life ---- */

/* On the GL thread, while nothing else is done. */
static void ask_capsets(void *opaque)
{
    VirtioGpuGl *s = opaque;

    for (uint32_t id = 1; id <= VIRTIO_GPU_GL_CAPSETS; id++) {
        VirtioGpuCapsetInfo info = { .id = id };

        virgl_renderer_get_cap_set(id, &info.max_version, &info.max_size);
        if (info.max_version && info.max_size) {
            VirtioGpuCapset *capset = &s->capsets[s->parent.capset_count++];

            capset->info = info;
            capset->data = g_malloc0(info.max_size);
            virgl_renderer_fill_caps(id, info.max_version, capset->data);
        }
    }
}

static gboolean drop_one(gpointer key, gpointer value, gpointer opaque)
{
    const VirtioGpuResource *r = value;

    if (r->gl) {
        virtio_gpu_gl_drop_backing(r->id);
    }
    return false;
}

/* On the GL thread, while nothing else is done: the renderer does not free what it was given. */
static void renderer_ends(void *opaque)
{
    VirtioGpuGl *s = opaque;

    g_tree_foreach(s->parent.resources, drop_one, NULL);
}

static void gl_unrealize(VirtioDevice *vdev)
{
    VirtioGpuGl *s = VIRTIO_GPU_GL(vdev);

    virtio_gpu_gl_unlisten(s);
    g_clear_pointer(&s->contexts, g_hash_table_unref);
    for (unsigned i = 0; i < s->parent.capset_count; i++) {
        g_clear_pointer(&s->capsets[i].data, g_free);
    }
    s->parent.capset_count = 0;
    virtio_gpu_unrealize(vdev);
    gl_give_back();
}

static bool gl_realize(VirtioDevice *vdev, GError **errp)
{
    VirtioGpuGl *s = VIRTIO_GPU_GL(vdev);

    if (vdev->iommu_platform) {
        error_set(errp,
                  "%s draws into memory by itself, past an IOMMU: leave iommu_platform=on "
                  "out, or use virtio-gpu-pci",
                  vdev->name);
        return false;
    }
    if (!gl_take(vdev->name, renderer_ends, s, errp)) {
        return false;
    }
    if (!virtio_gpu_realize(vdev, errp)) {
        gl_give_back();
        return false;
    }
    s->parent.gl = &gpu_gl_ops;
    s->contexts = g_hash_table_new(NULL, NULL);
    virtio_gpu_gl_listen(s);
    gl_call(ask_capsets, s);
    virtio_offer(vdev, VIRTIO_GPU_F_VIRGL);
    return true;
}

static bool check_migrate(const Device *dev, GError **errp)
{
    error_set(errp,
              "'virtio-gpu-gl' has pictures and programs in the renderer, where they cannot be "
              "read: a machine with virtio-gpu-pci or virtio-vga can be saved");
    return false;
}

#define PROP(NAME, KIND, member, DEFAULT, TEXT)                                \
    {                                                                          \
        .name = (NAME), .kind = (KIND), .offset = offsetof(VirtioGpu, member), \
        .description = (TEXT), .has_default = true, .default_int = (DEFAULT)   \
    }
static const Property gl_properties[] = {
    PROP("max_hostmem", PROP_SIZE, max_hostmem, GIB,
         "bytes of pictures and buffers that the device keeps"),
    { 0 },
};
#undef PROP

static const VirtioDeviceClass gl_ops = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .check_migrate = check_migrate },
    .id = VIRTIO_ID_GPU,
    .config_size = sizeof(VirtioGpuConfig),
    .realize = gl_realize,
    .unrealize = gl_unrealize,
    .queue_reset = gl_queue_reset,
    .reset = gl_reset,
    .config_read = virtio_gpu_config_read,
    .config_written = virtio_gpu_config_written,
};

static const ObjectType gl_type = {
    .name = TYPE_VIRTIO_GPU_GL,
    .parent = TYPE_VIRTIO_GPU,
    .description = "pictures that the guest makes, and has drawn by GL",
    .instance_size = sizeof(VirtioGpuGl),
    .properties = gl_properties,
    .ops = &gl_ops,
};
OBJECT_TYPE_REGISTER(gl_type)

/* The renderer is one, and stays: so does the card. */
static const VirtioPciClass gl_pci = {
    .pci = { .device = { PCI_DEVICE_CLASS_CORE, .category = "display",
                         .flags = DEVICE_USER_CREATABLE, .check_unplug = virtio_pci_check_unplug,
                         .state = &virtio_pci_state },
             .realize = virtio_pci_realize,
             .unrealize = virtio_pci_unrealize,
             .reset = virtio_pci_reset,
             .loaded = virtio_pci_loaded,
             .config_reading = virtio_pci_config_reading,
             .config_written = virtio_pci_config_written },
    .pci_class = 0x0380,
};
VIRTIO_PCI_MODERN_TYPE(gpu_gl, "virtio-gpu-gl", TYPE_VIRTIO_GPU_GL, &gl_pci,
                       "a graphics card, 2D and 3D")
