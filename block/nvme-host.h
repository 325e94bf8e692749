/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An NVMe controller of the host (NVM Express 1.4), given to this program by VFIO: it works on
 * queues in our memory. Each queue pair has slots for commands, with memory for their data; a
 * thread that has sent a command waits for it, and one of those who wait looks for all.
 *
 * What the controller answers is not trusted: it may be a broken one.
 */
#ifndef BLOCK_NVME_HOST_H
#define BLOCK_NVME_HOST_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define NVME_HOST_PAGE  4096u
#define NVME_HOST_DATA  (128u * 1024) /* bytes of one command */
#define NVME_HOST_SLOTS 16u

/* A command, as it is in a queue. */
typedef struct NvmeHostCommand {
    uint8_t opcode, flags;
    uint16_t id;
    uint32_t nsid, reserved[2];
    uint64_t metadata, prp1, prp2;
    uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
} NvmeHostCommand;
G_STATIC_ASSERT(sizeof(NvmeHostCommand) == 64);

typedef struct NvmeHostCompletion {
    uint32_t result, reserved;
    uint16_t sq_head, sq_id, id, status; /* bit 0: the phase */
} NvmeHostCompletion;

enum {
    NVME_HOST_CREATE_SQ = 0x01,
    NVME_HOST_CREATE_CQ = 0x05,
    NVME_HOST_IDENTIFY = 0x06,
    NVME_HOST_SET_FEATURES = 0x09,
    NVME_HOST_FEATURE_QUEUES = 0x07,
    NVME_HOST_FLUSH = 0x00,
    NVME_HOST_WRITE = 0x01,
    NVME_HOST_READ = 0x02,
    NVME_HOST_WRITE_ZEROES = 0x08,
    NVME_HOST_DSM = 0x09,
    NVME_HOST_DEALLOCATE = 1 << 25, /* of cdw12 of WRITE ZEROES */
    NVME_HOST_DSM_DEALLOCATE = 1 << 2,
};

typedef struct NvmeHost NvmeHost;

typedef struct NvmeHostSlot {
    bool used, done;
    uint16_t status;
    uint8_t *data; /* NVME_HOST_DATA bytes */
    uint64_t data_at, list_at;
    uint64_t *list;
} NvmeHostSlot;

typedef struct NvmeHostQueue {
    NvmeHost *host;
    unsigned id, entries;
    NvmeHostCommand *sq;
    volatile NvmeHostCompletion *cq;
    uint64_t sq_at, cq_at;
    NvmeHostSlot slots[NVME_HOST_SLOTS];
    /* under the host's mutex */
    uint32_t tail, head;
    bool phase;
} NvmeHostQueue;

struct NvmeHost {
    int group, container, device; /* descriptors; -1: not yet */
    int event;                    /* of its interrupt */
    uint64_t bar, config;         /* where they are in `device` */
    uint32_t stride;              /* bytes between two doorbells */
    unsigned ready_ms;            /* that it may take to be ready */
    uint8_t *memory;              /* all that it reaches */
    bool mapped, enabled;
    size_t taken;
    GMutex mutex;
    GCond changed;
    bool watched; /* somebody waits for the interrupt */
    bool broken;  /* it has not answered, or senselessly: nothing is asked any more */
    NvmeHostQueue admin, io;
};

/* Open the controller at @device, a place as lspci -D names it, with both queue pairs. Leaves
 * nothing on failure, but what nvme_host_close() frees. */
bool nvme_host_open(NvmeHost *host, const char *device, GError **errp);
void nvme_host_close(NvmeHost *host);

/* A slot of @queue, which is waited for; and give it back. */
NvmeHostSlot *nvme_host_take(NvmeHostQueue *queue);
void nvme_host_give(NvmeHostQueue *queue, NvmeHostSlot *slot);
/* Carry out @command, with the first @bytes of the slot's data, and wait. 0, or a positive errno
 * value. Threads that may wait. */
int nvme_host_run(NvmeHostQueue *queue, NvmeHostSlot *slot, NvmeHostCommand *command,
                  uint32_t bytes);

/* ---- for nvme-queue.c ---- */
uint64_t nvme_host_register(NvmeHost *host, unsigned offset, unsigned size);
bool nvme_host_set_register(NvmeHost *host, unsigned offset, uint64_t value, unsigned size);
/* Memory of it: whole pages; where it has it. */
uint8_t *nvme_host_alloc(NvmeHost *host, size_t size, uint64_t *at);
void nvme_host_init_queue(NvmeHost *host, NvmeHostQueue *queue, unsigned id, unsigned entries);

#endif
