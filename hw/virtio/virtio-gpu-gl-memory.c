/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where the backings of 3D resources are on the host (virtio-gpu-gl.h). */
#include <string.h>
#include <virgl/virglrenderer.h>

#include "hw/virtio/virtio-gpu-gl.h"

enum { WORK_OF_A_PIECE = 128 };

/* ---- looking ---- */

static void add_piece(GArray *pieces, const DmaHold *hold)
{
    const struct iovec piece = { hold->host, hold->size };
    struct iovec *last = pieces->len ? &g_array_index(pieces, struct iovec, pieces->len - 1) : NULL;

    if (last && (uint8_t *)last->iov_base + last->iov_len == hold->host) {
        last->iov_len += hold->size;
    } else {
        g_array_append_val(pieces, piece);
    }
}

/* False: not all of it is RAM that can be written to. */
static bool look_at(VirtioGpuGl *s, const VirtioGpuEntry *entry, GArray *pieces)
{
    VirtioDevice *vdev = &s->parent.parent;
    DmaHold hold;

    for (uint64_t done = 0; done < entry->length; done += hold.size) {
        s->parent.work += WORK_OF_A_PIECE;
        if (!dma_map(&vdev->dma, entry->addr + done, entry->length - done, true, vdev->name,
                     &hold)) {
            return false;
        }
        add_piece(pieces, &hold);
        if (!g_hash_table_contains(s->blocks, hold.block)) {
            g_hash_table_add(s->blocks, ram_block_ref(hold.block));
        }
        dma_unmap(&hold, 0);
    }
    return true;
}

/* What @r's backing is now; the number of pieces. *@pieces: g_free. */
static unsigned look_for(VirtioGpuGl *s, const VirtioGpuResource *r, struct iovec **pieces)
{
    GArray *found = g_array_new(FALSE, FALSE, sizeof(struct iovec));
    unsigned count;
    bool there = true;

    for (unsigned i = 0; there && i < r->entry_count; i++) {
        there = look_at(s, &r->entries[i], found);
    }
    count = there ? found->len : 0;
    *pieces = (struct iovec *)(void *)g_array_free(found, !count);
    return count;
}

void virtio_gpu_gl_set_backing(VirtioGpuGl *s, VirtioGpuJob *job, VirtioGpuResource *r)
{
    VirtioGpuBacking backing = { .resource = r->id };
    const unsigned before = r->gl_piece_count;
    g_autofree struct iovec *old = g_steal_pointer(&r->gl_pieces);

    r->gl_piece_count = look_for(s, r, &r->gl_pieces);
    if (r->gl_piece_count == before &&
        (!before || memcmp(old, r->gl_pieces, before * sizeof(*old)) == 0)) {
        return;
    }
    backing.count = r->gl_piece_count;
    backing.pieces = g_memdup2(r->gl_pieces, backing.count * sizeof(*backing.pieces));
    if (!job->backings) {
        job->backings = g_array_new(FALSE, FALSE, sizeof(VirtioGpuBacking));
    }
    g_array_append_val(job->backings, backing);
}

typedef struct Look {
    VirtioGpuGl *gpu;
    VirtioGpuJob *job;
} Look;

static gboolean look_again(gpointer key, gpointer value, gpointer opaque)
{
    VirtioGpuResource *r = value;
    const Look *look = opaque;

    if (r->gl && r->entry_count) {
        virtio_gpu_gl_set_backing(look->gpu, look->job, r);
    }
    return false;
}

/* ---- holding ---- */

/* Is one of the blocks on its way out? */
static bool some_are_closed(const VirtioGpuGl *s)
{
    GHashTableIter iter;
    gpointer block;

    g_hash_table_iter_init(&iter, s->blocks);
    while (g_hash_table_iter_next(&iter, &block, NULL)) {
        if (ram_block_is_closed(block)) {
            return true;
        }
    }
    return false;
}

static void release(gpointer hold)
{
    ram_hold_release(hold);
}

static void unref_block(gpointer block)
{
    ram_block_unref(block);
}

static GHashTable *new_blocks(void)
{
    return g_hash_table_new_full(NULL, NULL, unref_block, NULL);
}

void virtio_gpu_gl_forget(VirtioGpuGl *s, VirtioGpuJob *job)
{
    g_clear_pointer(&job->old, g_hash_table_unref);
    job->old = g_steal_pointer(&s->blocks);
    s->blocks = new_blocks();
}

void virtio_gpu_gl_hold(VirtioGpuGl *s, VirtioGpuJob *job)
{
    GHashTableIter iter;
    gpointer block;

    if (s->stale || some_are_closed(s)) {
        s->stale = false;
        virtio_gpu_gl_forget(s, job);
        g_tree_foreach(s->parent.resources, look_again, &(Look){ s, job });
    }
    job->holds = g_ptr_array_new_with_free_func(release);
    g_hash_table_iter_init(&iter, s->blocks);
    while (g_hash_table_iter_next(&iter, &block, NULL)) {
        /* The name stays as long as the program: the device may go before the job is done. */
        g_ptr_array_add(job->holds, ram_hold_new(block, "virtio-gpu-gl", false));
    }
}

/* The driver may have said the same memory a thousand times: it is written to once. */
void virtio_gpu_gl_written(VirtioGpuGl *s, const VirtioGpuResource *r)
{
    VirtioDevice *vdev = &s->parent.parent;
    g_autoptr(GArray) ranges = virtio_gpu_ranges(r);
    DmaHold hold;

    for (unsigned i = 0; i < ranges->len; i++) {
        const VirtioGpuRange *range = &g_array_index(ranges, VirtioGpuRange, i);

        for (uint64_t done = 0; done < range->size; done += hold.size) {
            if (!dma_map(&vdev->dma, range->addr + done, range->size - done, true, vdev->name,
                         &hold)) {
                break; /* it is gone meanwhile */
            }
            dma_unmap(&hold, hold.size);
        }
    }
}

/* ---- the memory map ---- */

static gboolean look_soon(gpointer opaque)
{
    VirtioGpuGl *s = opaque;

    s->look = 0;
    if (s->stale && !gl_is_behind()) { /* else the next job does it */
        VirtioGpuJob *job = virtio_gpu_job_new(NULL, 0, NULL, NULL, NULL);

        virtio_gpu_gl_hold(s, job);
        virtio_gpu_job_start(job);
    }
    return G_SOURCE_REMOVE;
}

static void map_changed(MemoryListener *listener, const FlatRange *range)
{
    VirtioGpuGl *s = ((VirtioGpuMap *)listener)->gpu;

    if (!range->host) {
        return;
    }
    s->stale = true;
    if (!s->look && g_hash_table_size(s->blocks)) {
        s->look = g_idle_add_full(G_PRIORITY_DEFAULT, look_soon, s, NULL);
    }
}

void virtio_gpu_gl_listen(VirtioGpuGl *s)
{
    s->blocks = new_blocks();
    s->map = (VirtioGpuMap){ { .region_add = map_changed, .region_del = map_changed }, s };
    address_space_add_listener(&address_space_memory, &s->map.listener);
}

void virtio_gpu_gl_unlisten(VirtioGpuGl *s)
{
    address_space_remove_listener(&address_space_memory, &s->map.listener);
    g_clear_pointer(&s->blocks, g_hash_table_unref);
    if (s->look) {
        g_source_remove(s->look);
        s->look = 0;
    }
}

/* ---- the GL thread ---- */

void virtio_gpu_gl_drop_backing(uint32_t resource)
{
    struct iovec *pieces = NULL;
    int count = 0;

    virgl_renderer_resource_detach_iov((int)resource, &pieces, &count);
    g_free(pieces);
}

void virtio_gpu_gl_tell(VirtioGpuJob *job)
{
    for (unsigned i = 0; job->backings && i < job->backings->len; i++) {
        VirtioGpuBacking *backing = &g_array_index(job->backings, VirtioGpuBacking, i);

        virtio_gpu_gl_drop_backing(backing->resource);
        if (backing->pieces &&
            virgl_renderer_resource_attach_iov((int)backing->resource, backing->pieces,
                                               (int)backing->count) == 0) {
            backing->pieces = NULL; /* the renderer's */
        }
    }
}
