/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands and their completions. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "block/nvme-host.h"
#include "util/error.h"

enum {
    DOORBELLS = 0x1000,
    TIMEOUT_MS = 30000,
    LOOK_MS = 100, /* without an interrupt, as one may be lost */
    STATUS_CODE = 0x7ff,
};

void nvme_host_init_queue(NvmeHost *host, NvmeHostQueue *queue, unsigned id, unsigned entries)
{
    *queue = (NvmeHostQueue){ .host = host, .id = id, .entries = entries, .phase = true };
    queue->sq = (void *)nvme_host_alloc(host, entries * sizeof(*queue->sq), &queue->sq_at);
    queue->cq = (void *)nvme_host_alloc(host, entries * sizeof(*queue->cq), &queue->cq_at);
    for (unsigned i = 0; i < NVME_HOST_SLOTS; i++) {
        NvmeHostSlot *slot = &queue->slots[i];

        slot->list = (void *)nvme_host_alloc(host, NVME_HOST_PAGE, &slot->list_at);
        slot->data = nvme_host_alloc(host, NVME_HOST_DATA, &slot->data_at);
    }
}

static unsigned doorbell(const NvmeHostQueue *queue, bool completion)
{
    return DOORBELLS + (2 * queue->id + completion) * queue->host->stride;
}

/* ---- slots ---- */

NvmeHostSlot *nvme_host_take(NvmeHostQueue *queue)
{
    NvmeHost *host = queue->host;

    g_mutex_lock(&host->mutex);
    for (;;) {
        for (unsigned i = 0; i < NVME_HOST_SLOTS; i++) {
            NvmeHostSlot *slot = &queue->slots[i];

            if (!slot->used) {
                slot->used = true;
                g_mutex_unlock(&host->mutex);
                return slot;
            }
        }
        g_cond_wait(&host->changed, &host->mutex);
    }
}

/* One whose command has not ended is the controller's, which may write to its data still. */
void nvme_host_give(NvmeHostQueue *queue, NvmeHostSlot *slot)
{
    g_mutex_lock(&queue->host->mutex);
    slot->used = false;
    g_cond_broadcast(&queue->host->changed);
    g_mutex_unlock(&queue->host->mutex);
}

/* ---- under the mutex ---- */

static void give_up(NvmeHost *host, const char *why)
{
    if (!host->broken) {
        host->broken = true;
        error_report("the host's NVMe controller %s: it is not asked any more", why);
    }
    g_cond_broadcast(&host->changed);
}

static void take_completions(NvmeHostQueue *queue)
{
    const uint32_t before = queue->head;

    for (unsigned n = 0; n < queue->entries; n++) {
        const volatile NvmeHostCompletion *entry = &queue->cq[queue->head];
        const uint16_t status = __atomic_load_n(&entry->status, __ATOMIC_ACQUIRE), id = entry->id;

        if ((status & 1) != queue->phase) {
            break;
        }
        if (id >= NVME_HOST_SLOTS || !queue->slots[id].used || queue->slots[id].done) {
            give_up(queue->host, "tells of a command that there is not");
            return;
        }
        queue->slots[id].status = status >> 1;
        queue->slots[id].done = true;
        queue->head = (queue->head + 1) % queue->entries;
        queue->phase ^= queue->head == 0;
    }
    if (queue->head != before) {
        if (!nvme_host_set_register(queue->host, doorbell(queue, true), queue->head, 4)) {
            give_up(queue->host, "is gone");
        }
        g_cond_broadcast(&queue->host->changed);
    }
}

static void submit(NvmeHostQueue *queue, const NvmeHostCommand *command)
{
    queue->sq[queue->tail] = *command;
    queue->tail = (queue->tail + 1) % queue->entries;
    __atomic_thread_fence(__ATOMIC_RELEASE);
    if (!nvme_host_set_register(queue->host, doorbell(queue, false), queue->tail, 4)) {
        give_up(queue->host, "is gone");
    }
}

/* One thread of those who wait does so for the interrupt; the others are told by it. */
static void wait_some(NvmeHost *host)
{
    struct pollfd p = { .fd = host->event, .events = POLLIN };
    uint64_t count;

    if (host->watched) {
        g_cond_wait_until(&host->changed, &host->mutex,
                          g_get_monotonic_time() + LOOK_MS * G_TIME_SPAN_MILLISECOND);
        return;
    }
    host->watched = true;
    g_mutex_unlock(&host->mutex);
    if (poll(&p, 1, LOOK_MS) > 0 && read(host->event, &count, sizeof(count)) < 0) {
        /* another has read it */
    }
    g_mutex_lock(&host->mutex);
    host->watched = false;
}

static void wait_for(NvmeHostQueue *queue, const NvmeHostSlot *slot)
{
    NvmeHost *host = queue->host;
    const gint64 deadline = g_get_monotonic_time() + TIMEOUT_MS * G_TIME_SPAN_MILLISECOND;

    for (;;) {
        take_completions(queue);
        if (slot->done || host->broken) {
            return;
        }
        if (g_get_monotonic_time() > deadline) {
            give_up(host, "has not answered for 30 seconds");
            return;
        }
        wait_some(host);
    }
}

/* ---- commands ---- */

/* Where its data are: pages, of which a list has all but the first, if they are more than two. */
static void set_data(const NvmeHostSlot *slot, NvmeHostCommand *command, uint32_t bytes)
{
    const uint32_t pages = (bytes + NVME_HOST_PAGE - 1) / NVME_HOST_PAGE;

    command->prp1 = pages ? slot->data_at : 0;
    command->prp2 = pages == 2 ? slot->data_at + NVME_HOST_PAGE : pages > 2 ? slot->list_at : 0;
    for (uint32_t i = 1; i < pages; i++) {
        slot->list[i - 1] = slot->data_at + i * NVME_HOST_PAGE;
    }
}

/* Of a status, by its type and code (4.6.1). */
static int errno_of(uint16_t status)
{
    enum { GENERIC_CAPACITY = 0x081, GENERIC_RANGE = 0x080, WRITE_PROTECTED = 0x120 };

    switch (status & STATUS_CODE) {
    case 0:
        return 0;
    case GENERIC_RANGE:
    case GENERIC_CAPACITY:
        return ENOSPC;
    case WRITE_PROTECTED:
        return EROFS;
    default:
        return EIO;
    }
}

int nvme_host_run(NvmeHostQueue *queue, NvmeHostSlot *slot, NvmeHostCommand *command,
                  uint32_t bytes)
{
    NvmeHost *host = queue->host;
    int err;

    g_assert(bytes <= NVME_HOST_DATA);
    command->id = (uint16_t)(slot - queue->slots);
    if (bytes) { /* else it may be a queue's place */
        set_data(slot, command, bytes);
    }
    g_mutex_lock(&host->mutex);
    slot->done = false;
    if (!host->broken) {
        submit(queue, command);
        wait_for(queue, slot);
    }
    err = slot->done ? errno_of(slot->status) : EIO;
    g_cond_broadcast(&host->changed); /* somebody else looks from now on */
    g_mutex_unlock(&host->mutex);
    return err;
}
