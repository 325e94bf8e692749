/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/usb/usb-scsi.h"

#include <string.h>

#include "hw/core/runstate.h"
#include "util/error.h"

static void done(ScsiRequest *r, ScsiEnd how)
{
    UsbScsi *s = r->opaque;
    bool cancelled = !s->begun; /* by a reset, which goes on without it */
    bool well = how == SCSI_MOVED || (how == SCSI_ENDED && r->status == SCSI_GOOD);

    s->busy = false;
    if (how == SCSI_RETRY) { /* when the machine goes on, anew */
        scsi_forget(r);
        s->begun = false;
        return;
    }
    if (cancelled) {
        s->ops->dropped(s);
        return;
    }
    s->moving = false;
    if (how != SCSI_MOVED) {
        s->begun = s->open = false;
    }
    s->have = s->to_host && well ? (uint32_t)s->iov.iov_len : 0;
    s->used = 0;
    s->moved += s->iov.iov_len;
    s->ops->moved(s, how);
}

bool usb_scsi_begin(UsbScsi *s)
{
    ScsiRequest *r = &s->request;
    bool absent = false;
    ScsiUnit *unit = s->ops->unit(s, s->lun, &absent);

    *r = (ScsiRequest){ .unit = unit, .done = done, .opaque = s, .absent = absent };
    memcpy(r->cdb, s->cdb, sizeof(s->cdb));
    if (unit) {
        scsi_begin(r);
        s->begun = true;
    }
    if (!unit || s->moved > r->bytes || s->moved % SCSI_PIECE) {
        if (s->begun) {
            scsi_forget(r);
        }
        s->begun = s->open = s->moving = false;
        return false;
    }
    r->moved = s->moved;
    return true;
}

void usb_scsi_go_on(UsbScsi *s)
{
    BlockBackend *backend;

    if (s->busy || !s->moving || !runstate_is_running()) {
        return;
    }
    if (!s->begun && !usb_scsi_begin(s)) {
        s->request.status = SCSI_CHECK_CONDITION;
        s->request.sense = SCSI_SENSE_LUN_NOT_SUPPORTED;
        s->ops->moved(s, SCSI_ENDED);
        return;
    }
    backend = s->request.unit->conf->backend;
    s->iov = (struct iovec){ s->buffer, usb_scsi_piece(s) };
    s->busy = true;
    scsi_move(&s->request, &s->iov, s->iov.iov_len ? 1 : 0);
    if (s->busy) {
        block_submitted(backend);
    }
}

void usb_scsi_drop(UsbScsi *s)
{
    if (s->busy) {
        s->begun = false;
        scsi_cancel(&s->request);
    } else if (s->begun) {
        scsi_forget(&s->request);
    }
    s->begun = s->open = s->moving = false;
    s->have = s->used = 0;
    s->moved = 0;
}

/* ---- life ---- */

static void machine_starts(void *opaque)
{
    UsbScsi *s = opaque;

    usb_scsi_go_on(s);
    if (s->ops->run) {
        s->ops->run(s);
    }
}

void usb_scsi_realize(UsbScsi *s)
{
    runstate_add_start(machine_starts, s);
}

void usb_scsi_unrealize(UsbScsi *s)
{
    runstate_remove_start(machine_starts, s);
    g_clear_pointer(&s->saved, g_bytes_unref);
}

/* ---- state ---- */

void usb_scsi_pre_save(void *obj)
{
    UsbScsi *s = obj;

    g_clear_pointer(&s->saved, g_bytes_unref);
    s->saved = g_bytes_new(s->buffer, s->have);
}

bool usb_scsi_post_load(void *obj, GError **errp)
{
    UsbScsi *s = obj;
    gsize size = 0;
    const void *bytes = s->saved ? g_bytes_get_data(s->saved, &size) : NULL;

    if (size != s->have || s->have > USB_SCSI_BUFFER || s->used > s->have) {
        error_set(errp, "saved: %zu bytes, of which there are %u, and %u were taken", size, s->have,
                  s->used);
        return false;
    }
    if (size) {
        memcpy(s->buffer, bytes, size);
    }
    g_clear_pointer(&s->saved, g_bytes_unref);
    if (s->bus) {
        s->parent.absent = !s->attached;
    }
    return true;
}

static const StateField fields[] = {
    STATE_STRUCT(UsbScsi, parent, &usb_device_state),
    STATE_UINTS(UsbScsi, cdb),
    STATE_UINT(UsbScsi, lun),
    STATE_BOOL(UsbScsi, to_host),
    STATE_BOOL(UsbScsi, open),
    STATE_BOOL(UsbScsi, moving),
    STATE_UINT(UsbScsi, moved),
    STATE_UINT(UsbScsi, have),
    STATE_UINT(UsbScsi, used),
    STATE_BLOB(UsbScsi, saved),
    STATE_BOOL(UsbScsi, attached),
    {},
};
const StateTable usb_scsi_state = { .name = "usb-scsi",
                                    .version = 1,
                                    .fields = fields,
                                    .pre_save = usb_scsi_pre_save,
                                    .post_load = usb_scsi_post_load };
