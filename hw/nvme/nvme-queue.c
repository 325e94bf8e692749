/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Queues: commands come out of one, completions go into another (sections 4.1 and 7.2). */
#include "hw/core/runstate.h"
#include "hw/nvme/nvme.h"
#include "hw/pci/pci-msix.h"
#include "util/loop.h"

#define TURN_COMMANDS 256 /* then others have their turn */

bool nvme_runs(const Nvme *n)
{
    return n->csts & NVME_CSTS_RDY && !(n->csts & NVME_CSTS_CFS) && runstate_is_running() &&
           pci_can_dma(&n->parent);
}

/* Entries that are free and promised to nobody. */
static uint32_t room(const NvmeCq *cq)
{
    uint32_t used = (cq->tail + cq->size - cq->head) % cq->size + cq->promised;

    return used < cq->size - 1 ? cq->size - 1 - used : 0;
}

bool nvme_has_room(const Nvme *n, uint16_t sqid)
{
    return room(&n->cqs[n->sqs[sqid].cqid]);
}

/* ---- interrupts ---- */

void nvme_update_interrupt(Nvme *n)
{
    bool level = false;

    for (unsigned i = 0; i < NVME_QUEUES && !pci_msix_enabled(&n->parent); i++) {
        const NvmeCq *cq = &n->cqs[i];

        level |= cq->size && cq->interrupts && cq->head != cq->tail &&
                 !(n->intm >> (cq->vector & 31) & 1);
    }
    pci_set_irq(&n->parent, level);
}

static void interrupt(Nvme *n, const NvmeCq *cq)
{
    if (!pci_msix_enabled(&n->parent)) {
        nvme_update_interrupt(n);
    } else if (cq->interrupts) {
        pci_msix_notify(&n->parent, cq->vector);
    }
}

/* ---- completions ---- */

void nvme_complete(Nvme *n, uint16_t sqid, uint16_t cid, NvmeStatus status, uint64_t result)
{
    const NvmeSq *sq = &n->sqs[sqid];
    NvmeCq *cq = &n->cqs[sq->cqid];
    const NvmeCompletion done = { .result = result,
                                  .sq_head = (uint16_t)sq->head,
                                  .sqid = sqid,
                                  .cid = cid,
                                  .status = (uint16_t)(status << 1 | cq->phase) };
    const size_t last = offsetof(NvmeCompletion, cid);
    hwaddr at = cq->base + (hwaddr)cq->tail * sizeof(done);

    /* The phase bit, by which the guest knows that it is there, is written last. */
    if (!nvme_write(n, at, &done, last) ||
        !nvme_write(n, at + last, (const uint8_t *)&done + last, sizeof(done) - last)) {
        nvme_fatal(n);
        return;
    }
    cq->tail = (cq->tail + 1) % cq->size;
    cq->phase ^= cq->tail == 0;
    interrupt(n, cq);
}

/* ---- commands ---- */

/* Its completion has a place, whatever else ends meanwhile; requests for events may take any. */
static void start(Nvme *n, uint16_t sqid, const NvmeCommand *cmd)
{
    NvmeCq *cq = &n->cqs[n->sqs[sqid].cqid];
    uint32_t dword = 0;
    uint64_t result = 0;

    cq->promised++;
    NvmeStatus status = sqid ? nvme_io(n, sqid, cmd, &result) : nvme_admin(n, cmd, &dword);
    if (status == NVME_LATER && sqid) {
        return;
    }
    cq->promised--;
    if (status != NVME_LATER) {
        nvme_complete(n, sqid, cmd->cid, status, sqid ? result : dword);
    }
    if (!sqid) {
        nvme_tell_events(n);
    }
}

static gboolean go_on(gpointer opaque)
{
    Nvme *n = opaque;

    g_clear_pointer(&n->again, g_source_unref);
    nvme_run(n);
    return G_SOURCE_REMOVE;
}

static void go_on_later(Nvme *n)
{
    if (!n->again) {
        n->again = g_idle_source_new();
        g_source_set_priority(n->again, G_PRIORITY_DEFAULT);
        g_source_set_callback(n->again, go_on, n, NULL);
        loop_attach(loop_main(), n->again);
    }
}

/* True: there was a command that could be started. */
static bool run_one(Nvme *n, uint16_t sqid)
{
    NvmeSq *sq = &n->sqs[sqid];
    NvmeCommand cmd;

    if (!sq->size || sq->head == sq->tail || !nvme_has_room(n, sqid) ||
        n->running.length + n->kept_count >= NVME_RUNNING_MAX) {
        return false;
    }
    if (!sqid && n->finishing) { /* it may be one that waits for those under way */
        go_on_later(n);
        return false;
    }
    if (!nvme_read(n, sq->base + (hwaddr)sq->head * sizeof(cmd), &cmd, sizeof(cmd))) {
        nvme_fatal(n);
        return false;
    }
    sq->head = (sq->head + 1) % sq->size;
    start(n, sqid, &cmd);
    return true;
}

/* One command of each queue after the other (section 4.13.1). */
void nvme_run(Nvme *n)
{
    unsigned idle = 0, count = 0;

    while (idle < NVME_QUEUES && nvme_runs(n)) {
        uint16_t sqid = (uint16_t)n->next_sq;

        if (count == TURN_COMMANDS) {
            go_on_later(n);
            return;
        }
        n->next_sq = (n->next_sq + 1) % NVME_QUEUES;
        if (run_one(n, sqid)) {
            idle = 0;
            count++;
        } else {
            idle++;
        }
    }
}

/* ---- doorbells (sections 3.1.24 and 3.1.25) ---- */

/* An even @number is the tail of a submission queue, the next one the head of a completion queue.
 */
void nvme_doorbell(Nvme *n, uint32_t number, uint32_t value)
{
    uint32_t qid = number / 2;
    bool completion = number & 1;

    value &= 0xffff;
    if (!(n->csts & NVME_CSTS_RDY)) {
        return;
    }
    if (qid >= NVME_QUEUES || !(completion ? n->cqs[qid].size : n->sqs[qid].size)) {
        nvme_event(n, NVME_EVENT_BAD_DOORBELL);
    } else if (value >= (completion ? n->cqs[qid].size : n->sqs[qid].size)) {
        nvme_event(n, NVME_EVENT_BAD_VALUE);
    } else if (completion) {
        n->cqs[qid].head = value;
        nvme_update_interrupt(n);
        nvme_tell_events(n);
        nvme_run(n);
    } else {
        n->sqs[qid].tail = value;
        nvme_run(n);
    }
}
