/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/hba/scsi-hba.h"

#include <string.h>

#include "block/iov.h"
#include "hw/core/runstate.h"
#include "memory/dma.h"
#include "util/error.h"
#include "util/loop.h"

typedef struct Piece {
    hwaddr addr;
    uint64_t size;
} Piece;

bool scsi_hba_read(const PciDevice *dev, hwaddr addr, void *buf, uint64_t size)
{
    return dma_read_ram(&dev->dma, addr, buf, size);
}

bool scsi_hba_write(const PciDevice *dev, hwaddr addr, const void *buf, uint64_t size)
{
    return dma_write_ram(&dev->dma, addr, buf, size);
}

/* ---- the data ---- */

static void unmap(ScsiHbaRequest *r, bool written)
{
    for (guint i = 0; r->holds && i < r->holds->len; i++) {
        DmaHold *hold = &g_array_index(r->holds, DmaHold, i);

        dma_unmap(hold, written ? hold->size : 0);
    }
    g_clear_pointer(&r->holds, g_array_unref);
    g_clear_pointer(&r->iov, g_array_unref);
}

static bool map_piece(ScsiHbaRequest *r, hwaddr addr, uint64_t size, bool to_guest)
{
    while (size) {
        DmaHold hold;

        if (!dma_map(&r->hba->dev->dma, addr, size, to_guest, r->hba->dev->parent.parent.type->name,
                     &hold)) {
            return false;
        }
        const struct iovec iov = { hold.host, hold.size };

        g_array_append_val(r->holds, hold);
        g_array_append_val(r->iov, iov);
        addr += hold.size;
        size -= hold.size;
    }
    return true;
}

/* As much as the command moves. */
static bool map(ScsiHbaRequest *r)
{
    uint64_t left = r->scsi.bytes;

    r->holds = g_array_new(FALSE, FALSE, sizeof(DmaHold));
    r->iov = g_array_new(FALSE, FALSE, sizeof(struct iovec));
    for (guint i = 0; i < r->pieces->len && left; i++) {
        const Piece *piece = &g_array_index(r->pieces, Piece, i);
        uint64_t size = MIN(left, piece->size);

        if (!map_piece(r, piece->addr, size, r->scsi.direction == SCSI_IN)) {
            return false;
        }
        left -= size;
    }
    return true;
}

/* ---- requests ---- */

ScsiHbaRequest *scsi_hba_request(ScsiHba *hba, const void *frame)
{
    ScsiHbaRequest *r = g_malloc0(sizeof(*r) + hba->ops->frame);

    r->hba = hba;
    r->pieces = g_array_new(FALSE, FALSE, sizeof(Piece));
    memcpy(r->frame, frame, hba->ops->frame);
    r->link.data = r;
    return r;
}

bool scsi_hba_add_piece(ScsiHbaRequest *r, hwaddr addr, uint64_t size)
{
    Piece piece = { addr, size };

    if (!size) {
        return true;
    }
    if (r->pieces->len == SCSI_HBA_PIECES_MAX || size > UINT64_MAX - r->room) {
        return false;
    }
    g_array_append_val(r->pieces, piece);
    r->room += size;
    return true;
}

void scsi_hba_drop(ScsiHbaRequest *r)
{
    unmap(r, false);
    g_array_unref(r->pieces);
    g_free(r);
}

/* It is in `running`, or was never. */
static void finish(ScsiHbaRequest *r, ScsiHbaEnd end)
{
    ScsiHba *hba = r->hba;

    r->end = end;
    r->moved = end == SCSI_HBA_ENDED ? r->scsi.moved : 0;
    unmap(r, r->scsi.direction == SCSI_IN);
    if (!hba->cancelling) {
        hba->ops->done(hba, r);
    }
    scsi_hba_drop(r);
}

static void done(ScsiRequest *scsi, ScsiEnd how)
{
    ScsiHbaRequest *r = scsi->opaque;
    ScsiHba *hba = r->hba;

    g_queue_unlink(&hba->running, &r->link);
    if (how == SCSI_RETRY) {
        scsi_forget(scsi);
        if (!hba->cancelling) {
            g_ptr_array_add(hba->kept, g_memdup2(r->frame, hba->ops->frame));
        }
        scsi_hba_drop(r);
        return;
    }
    finish(r, how == SCSI_CANCELLED ? SCSI_HBA_CANCELLED : SCSI_HBA_ENDED);
}

void scsi_hba_start(ScsiHbaRequest *r, unsigned channel, unsigned target, unsigned lun,
                    const uint8_t *cdb, size_t size)
{
    ScsiHba *hba = r->hba;
    ScsiRequest *scsi = &r->scsi;
    ScsiDevice *dev, *other;
    BlockBackend *backend;

    dev = scsi_bus_find(hba->bus, channel, target, lun, &other);
    scsi->absent = !dev;
    r->dev = dev ? dev : other;
    if (!r->dev) {
        finish(r, SCSI_HBA_NO_DEVICE);
        return;
    }
    backend = r->dev->conf.backend;
    scsi->unit = &r->dev->unit;
    scsi->done = done;
    scsi->opaque = r;
    memcpy(scsi->cdb, cdb, MIN(size, sizeof(scsi->cdb)));
    scsi_begin(scsi);
    if (scsi->bytes > r->room || !map(r)) {
        ScsiHbaEnd end = scsi->bytes > r->room ? SCSI_HBA_OVERRUN : SCSI_HBA_BAD_MEMORY;

        scsi_forget(scsi);
        unmap(r, false);
        finish(r, end);
        return;
    }
    g_queue_push_tail_link(&hba->running, &r->link);
    scsi_move(scsi, (const struct iovec *)(void *)r->iov->data, r->iov->len);
    block_submitted(backend);
}

unsigned scsi_hba_cancel(ScsiHba *hba, bool (*match)(const void *frame, const void *what),
                         const void *what)
{
    unsigned count = 0;

    for (GList *at = hba->running.head; at; at = at->next) {
        ScsiHbaRequest *r = at->data;

        if (match(r->frame, what)) {
            scsi_cancel(&r->scsi);
        }
    }
    for (guint i = hba->kept->len; i-- > 0;) {
        if (match(hba->kept->pdata[i], what)) {
            g_ptr_array_remove_index(hba->kept, i);
            count++;
        }
    }
    return count;
}

unsigned scsi_hba_pending(const ScsiHba *hba)
{
    return hba->running.length + hba->kept->len;
}

void scsi_hba_cancel_all(ScsiHba *hba)
{
    hba->cancelling = true;
    scsi_bus_drain(hba->bus);
    hba->cancelling = false;
    g_ptr_array_set_size(hba->kept, 0);
}

void scsi_hba_reset_units(ScsiHba *hba, int target)
{
    for (unsigned i = 0; i < hba->bus->units->len; i++) {
        ScsiDevice *dev = hba->bus->units->pdata[i];

        if (target < 0 || dev->target == (unsigned)target) {
            scsi_unit_reset(&dev->unit);
        }
    }
}

/* ---- its turn ---- */

bool scsi_hba_runs(const ScsiHba *hba)
{
    return runstate_is_running() && pci_can_dma(hba->dev) && !hba->cancelling;
}

static void run(ScsiHba *hba)
{
    if (hba->ops->run) {
        hba->ops->run(hba);
    }
}

static gboolean run_now(gpointer opaque)
{
    ScsiHba *hba = opaque;

    g_clear_pointer(&hba->later, g_source_unref);
    run(hba);
    return G_SOURCE_REMOVE;
}

void scsi_hba_run_later(ScsiHba *hba)
{
    if (!hba->later) {
        hba->later = g_idle_source_new();
        g_source_set_priority(hba->later, G_PRIORITY_DEFAULT);
        g_source_set_callback(hba->later, run_now, hba, NULL);
        loop_attach(loop_main(), hba->later);
    }
}

/* What fails again is kept again. */
static void machine_starts(void *opaque)
{
    ScsiHba *hba = opaque;
    g_autoptr(GPtrArray) kept = hba->kept;

    hba->kept = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < kept->len; i++) {
        hba->ops->again(hba, kept->pdata[i]);
    }
    run(hba);
}

/* ---- life ---- */

void scsi_hba_bus_enter(ScsiBus *bus)
{
}

void scsi_hba_bus_leave(ScsiBus *bus)
{
}

bool scsi_hba_realize(ScsiHba *hba, PciDevice *dev, const ScsiHbaOps *ops, unsigned max_channel,
                      unsigned max_target, unsigned max_lun, GError **errp)
{
    hba->bus = scsi_bus_new(&dev->parent.parent, &dev->parent, loop_main(), &ops->bus, max_channel,
                            max_target, max_lun, errp);
    if (!hba->bus) {
        return false;
    }
    hba->ops = ops;
    hba->dev = dev;
    hba->kept = g_ptr_array_new_with_free_func(g_free);
    g_queue_init(&hba->running);
    runstate_add_start(machine_starts, hba);
    return true;
}

void scsi_hba_unrealize(ScsiHba *hba)
{
    runstate_remove_start(machine_starts, hba);
    scsi_hba_cancel_all(hba);
    if (hba->later) {
        g_source_destroy(hba->later);
        g_clear_pointer(&hba->later, g_source_unref);
    }
    object_unparent(&hba->bus->parent.parent);
    hba->bus = NULL;
    g_clear_pointer(&hba->kept, g_ptr_array_unref);
    g_clear_pointer(&hba->kept_state, g_bytes_unref);
}

/* ---- state ---- */

static void pre_save(void *obj)
{
    ScsiHba *hba = obj;
    GByteArray *all = g_byte_array_new();

    for (guint i = 0; i < hba->kept->len; i++) {
        g_byte_array_append(all, hba->kept->pdata[i], (guint)hba->ops->frame);
    }
    g_clear_pointer(&hba->kept_state, g_bytes_unref);
    hba->kept_state = g_byte_array_free_to_bytes(all);
}

static bool post_load(void *obj, GError **errp)
{
    ScsiHba *hba = obj;
    gsize size = 0, frame = hba->ops->frame;
    const uint8_t *bytes = hba->kept_state ? g_bytes_get_data(hba->kept_state, &size) : NULL;

    if (size % frame || size / frame > SCSI_HBA_REQUESTS_MAX) {
        error_set(errp, "%zu bytes are no requests that were kept, of %zu each", size, frame);
        return false;
    }
    g_ptr_array_set_size(hba->kept, 0);
    for (gsize at = 0; at < size; at += frame) {
        g_ptr_array_add(hba->kept, g_memdup2(bytes + at, frame));
    }
    g_clear_pointer(&hba->kept_state, g_bytes_unref);
    return true;
}

static const StateField fields[] = {
    STATE_BLOB(ScsiHba, kept_state),
    {},
};
const StateTable scsi_hba_state = {
    .name = "scsi-hba", .version = 1, .fields = fields, .pre_save = pre_save, .post_load = post_load
};
