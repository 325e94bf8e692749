/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SCSI commands of mptsas1068, and what is done about those under way. */
#include <string.h>

#include "hw/hba/mptsas.h"

enum { MAX_ELEMENTS = 8192 };

static void reply_to(Mptsas *s, const MptScsiIo *io, MptScsiReply *reply)
{
    reply->target = io->target;
    reply->bus = io->bus;
    reply->function = io->function;
    reply->cdb_size = io->cdb_size;
    reply->sense_size = io->sense_size;
    reply->flags = io->flags;
    reply->context = io->context;
    mptsas_reply(s, reply, sizeof(*reply));
}

static void refuse(Mptsas *s, const MptScsiIo *io, uint16_t status, uint8_t state)
{
    reply_to(s, io, &(MptScsiReply){ .status = status, .state = state });
}

static unsigned lun_of(const uint8_t lun[8])
{
    return (lun[0] & 0x3fu) << 8 | lun[1];
}

/* ---- where data are ---- */

typedef struct Walk {
    const Mptsas *s;
    ScsiHbaRequest *r;
    uint64_t at, chain; /* the next element; the one that leads on, or 0 */
    uint64_t left;      /* of the data that the driver says there are */
    bool end;
} Walk;

static bool read_element(Walk *w, uint64_t at, uint32_t *flags, uint64_t *addr)
{
    uint8_t element[12];

    if (!scsi_hba_read(&w->s->parent, at, element, 8)) {
        return false;
    }
    memcpy(flags, element, 4);
    *addr = 0;
    memcpy(addr, element + 4, 4);
    if (*flags >> 24 & MPT_SGE_64) {
        return scsi_hba_read(&w->s->parent, at + 8, (uint8_t *)addr + 4, 4);
    }
    return true;
}

/* Its element of a chain: where the next ones are. */
static bool follow(Walk *w)
{
    uint32_t flags;
    uint64_t addr;

    if (!w->chain || !read_element(w, w->chain, &flags, &addr) ||
        (flags >> 28 & 3) != MPT_SGE_CHAIN) {
        return false;
    }
    w->at = addr;
    w->chain = flags >> 16 & 0xff ? addr + 4 * (uint64_t)(flags >> 16 & 0xff) : 0;
    return true;
}

static bool step(Walk *w)
{
    uint32_t flags;
    uint64_t addr, size;

    if (!read_element(w, w->at, &flags, &addr) || (flags >> 28 & 3) != MPT_SGE_SIMPLE) {
        return false;
    }
    size = MIN(flags & 0xffffff, w->left);
    w->left -= size;
    if (!scsi_hba_add_piece(w->r, addr, size)) {
        return false;
    }
    w->at += flags >> 24 & MPT_SGE_64 ? 12 : 8;
    w->end = flags >> 24 & MPT_SGE_END_OF_LIST || !w->left;
    return w->end || !(flags >> 24 & MPT_SGE_LAST) || follow(w);
}

static bool add_pieces(Mptsas *s, const MptsasFrame *frame, ScsiHbaRequest *r)
{
    Walk w = { s, r, .at = frame->at + sizeof(MptScsiIo), .left = frame->io.size };

    w.chain = frame->io.chain ? frame->at + 4 * (uint64_t)frame->io.chain : 0;
    if (w.chain == w.at && !follow(&w)) {
        return false;
    }
    w.end = !w.left;
    for (unsigned i = 0; i < MAX_ELEMENTS && !w.end; i++) {
        if (!step(&w)) {
            return false;
        }
    }
    return w.end;
}

/* ---- requests ---- */

void mptsas_scsi_again(ScsiHba *hba, const void *kept)
{
    Mptsas *s = MPTSAS(hba->dev);
    ScsiHbaRequest *r;
    MptsasFrame frame;

    memcpy(&frame, kept, sizeof(frame));
    r = scsi_hba_request(hba, &frame);
    if (!add_pieces(s, &frame, r)) {
        scsi_hba_drop(r);
        refuse(s, &frame.io, MPT_INVALID_SGL, MPT_STATE_NO_STATUS);
        return;
    }
    scsi_hba_start(r, 0, frame.io.target, lun_of(frame.io.lun), frame.io.cdb, frame.io.cdb_size);
}

void mptsas_scsi_io(Mptsas *s, uint64_t at, const MptScsiIo *io)
{
    const MptsasFrame frame = { at, *io };

    if (io->bus) {
        refuse(s, io, MPT_SCSI_INVALID_BUS, MPT_STATE_NO_STATUS);
    } else if (io->target >= MPTSAS_PHYS) {
        refuse(s, io, MPT_SCSI_INVALID_TARGET, MPT_STATE_NO_STATUS);
    } else if (io->cdb_size > sizeof(io->cdb)) {
        refuse(s, io, MPT_INVALID_FIELD, MPT_STATE_NO_STATUS);
    } else if (scsi_hba_pending(&s->hba) >= MPTSAS_CREDITS) {
        refuse(s, io, MPT_INSUFFICIENT_RESOURCES, MPT_STATE_NO_STATUS);
    } else {
        mptsas_scsi_again(&s->hba, &frame);
    }
}

static uint32_t give_sense(Mptsas *s, const MptScsiIo *io, const ScsiHbaRequest *r)
{
    uint64_t at = (uint64_t)s->sense_high << 32 | io->sense_low;
    uint8_t sense[SCSI_SENSE_BYTES];
    uint32_t size = MIN(sizeof(sense), io->sense_size);

    scsi_sense_data(r->scsi.sense, sense);
    return size && scsi_hba_write(&s->parent, at, sense, size) ? size : 0;
}

void mptsas_scsi_done(ScsiHba *hba, ScsiHbaRequest *r)
{
    static const struct {
        uint16_t status;
        uint8_t state;
    } ends[] = {
        [SCSI_HBA_CANCELLED] = { MPT_SCSI_TASK_TERMINATED, MPT_STATE_TERMINATED },
        [SCSI_HBA_OVERRUN] = { MPT_SCSI_DATA_OVERRUN, MPT_STATE_NO_STATUS },
        [SCSI_HBA_BAD_MEMORY] = { MPT_INVALID_SGL, MPT_STATE_NO_STATUS },
        [SCSI_HBA_NO_DEVICE] = { MPT_SCSI_NOT_THERE, MPT_STATE_NO_STATUS },
    };
    Mptsas *s = MPTSAS(hba->dev);
    MptsasFrame frame;
    MptScsiReply reply = { 0 };

    memcpy(&frame, r->frame, sizeof(frame));
    if (r->end != SCSI_HBA_ENDED) {
        refuse(s, &frame.io, ends[r->end].status, ends[r->end].state);
        return;
    }
    if (r->scsi.status == SCSI_GOOD && r->moved == frame.io.size &&
        frame.io.context <= MPT_CONTEXT_MAX) {
        mptsas_post(s, frame.io.context);
        return;
    }
    reply.scsi_status = r->scsi.status;
    reply.moved = (uint32_t)r->moved;
    reply.status = r->moved < frame.io.size ? MPT_SCSI_DATA_UNDERRUN : MPT_SUCCESS;
    if (r->scsi.status == SCSI_CHECK_CONDITION) {
        reply.sense_count = give_sense(s, &frame.io, r);
        reply.state = reply.sense_count ? MPT_STATE_SENSE : 0;
    }
    reply_to(s, &frame.io, &reply);
}

/* ---- tasks ---- */

static bool is_meant(const void *frame, const void *what)
{
    const MptTask *task = what;
    MptsasFrame f;

    memcpy(&f, frame, sizeof(f));
    if (task->type == MPT_RESET_BUS) {
        return true;
    }
    if (f.io.target != task->target) {
        return false;
    }
    switch (task->type) {
    case MPT_TARGET_RESET:
        return true;
    case MPT_ABORT_TASK:
    case MPT_QUERY_TASK:
        return f.io.context == task->task && lun_of(f.io.lun) == lun_of(task->lun);
    default:
        return lun_of(f.io.lun) == lun_of(task->lun);
    }
}

/* How many of those under way and kept are meant; @kept: the latter. */
static uint32_t count(Mptsas *s, const MptTask *task, GArray *kept)
{
    uint32_t number = 0;

    for (GList *at = s->hba.running.head; at; at = at->next) {
        number += is_meant(((ScsiHbaRequest *)at->data)->frame, task);
    }
    for (guint i = 0; i < s->hba.kept->len; i++) {
        MptsasFrame frame;

        memcpy(&frame, s->hba.kept->pdata[i], sizeof(frame));
        if (is_meant(&frame, task)) {
            g_array_append_val(kept, frame);
        }
    }
    return number + kept->len;
}

static void reset_units(Mptsas *s, const MptTask *task)
{
    ScsiDevice *other, *dev = scsi_bus_find(s->hba.bus, 0, task->target, lun_of(task->lun), &other);

    switch (task->type) {
    case MPT_RESET_BUS:
        scsi_hba_reset_units(&s->hba, -1);
        break;
    case MPT_TARGET_RESET:
        scsi_hba_reset_units(&s->hba, task->target);
        break;
    case MPT_UNIT_RESET_TASK:
        if (dev) {
            scsi_unit_reset(&dev->unit);
        }
        break;
    default:
        break;
    }
}

static uint16_t check_task(const Mptsas *s, const MptTask *task)
{
    if (task->type < MPT_ABORT_TASK || task->type > MPT_QUERY_TASK) {
        return MPT_INVALID_FIELD;
    }
    if (task->bus) {
        return MPT_SCSI_INVALID_BUS;
    }
    if (task->type == MPT_RESET_BUS) {
        return MPT_SUCCESS;
    }
    if (task->target >= MPTSAS_PHYS) {
        return MPT_SCSI_INVALID_TARGET;
    }
    return mptsas_target(s, task->target) ? MPT_SUCCESS : MPT_SCSI_NOT_THERE;
}

void mptsas_task(Mptsas *s, const MptTask *task)
{
    enum { RESPONSE_DONE = 0, RESPONSE_FOUND = 8 };
    g_autoptr(GArray) kept = g_array_new(FALSE, FALSE, sizeof(MptsasFrame));
    MptTaskReply reply = { 0 };
    uint16_t status = check_task(s, task);
    uint32_t number = status ? 0 : count(s, task, kept);

    if (!status && task->type == MPT_QUERY_TASK) {
        reply.reply.more[0] = number ? RESPONSE_FOUND : RESPONSE_DONE;
        number = 0;
    } else if (!status) {
        scsi_hba_cancel(&s->hba, is_meant, task);
        if (number > kept->len) {
            scsi_bus_drain(s->hba.bus);
        }
        for (guint i = 0; i < kept->len; i++) {
            refuse(s, &g_array_index(kept, MptsasFrame, i).io, MPT_SCSI_TASK_TERMINATED,
                   MPT_STATE_TERMINATED);
        }
        reset_units(s, task);
    }
    reply.reply.own[0] = task->target;
    reply.reply.own[1] = task->bus;
    reply.reply.function = task->function;
    reply.reply.more[1] = task->type;
    reply.reply.flags = task->flags;
    reply.reply.context = task->context;
    reply.reply.status = status;
    reply.terminated = number;
    mptsas_reply(s, &reply, sizeof(reply));
}
