/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Admin commands (section 5). */
#include "hw/nvme/nvme.h"

#define PHYSICALLY_CONTIGUOUS 1
#define INTERRUPTS_ENABLED    2

/* ---- queues (sections 5.3 to 5.6) ---- */

/* What both kinds of queues are checked for; *@size gets the number of entries. */
static NvmeStatus check_queue(const Nvme *n, const NvmeCommand *cmd, uint32_t there, uint32_t *size)
{
    uint32_t qid = cmd->cdw10 & 0xffff;

    *size = (cmd->cdw10 >> 16) + 1;
    if (qid == 0 || qid > n->max_pairs || there) {
        return NVME_BAD_QUEUE;
    }
    if (*size < 2 || *size > NVME_CAP_MQES + 1) {
        return NVME_BAD_QUEUE_SIZE;
    }
    if (!(cmd->cdw11 & PHYSICALLY_CONTIGUOUS)) {
        return NVME_BAD_FIELD;
    }
    return cmd->prp[0] % nvme_page(n) ? NVME_BAD_PRP_OFFSET : NVME_OK;
}

/* Of one that exists, @qid is below NVME_QUEUES. */
static uint32_t sq_size(const Nvme *n, uint32_t qid)
{
    return qid < NVME_QUEUES ? n->sqs[qid].size : 0;
}

static uint32_t cq_size(const Nvme *n, uint32_t qid)
{
    return qid < NVME_QUEUES ? n->cqs[qid].size : 0;
}

static NvmeStatus create_cq(Nvme *n, const NvmeCommand *cmd, uint32_t *result)
{
    uint32_t qid = cmd->cdw10 & 0xffff, vector = cmd->cdw11 >> 16, size;
    NvmeStatus status = check_queue(n, cmd, cq_size(n, qid), &size);

    if (status != NVME_OK) {
        return status;
    }
    if (vector >= n->vectors) {
        return NVME_BAD_VECTOR;
    }
    n->cqs[qid] = (NvmeCq){ .base = cmd->prp[0],
                            .size = size,
                            .vector = (uint16_t)vector,
                            .interrupts = cmd->cdw11 & INTERRUPTS_ENABLED,
                            .phase = true };
    return NVME_OK;
}

static NvmeStatus create_sq(Nvme *n, const NvmeCommand *cmd, uint32_t *result)
{
    uint32_t qid = cmd->cdw10 & 0xffff, cqid = cmd->cdw11 >> 16, size;
    NvmeStatus status = check_queue(n, cmd, sq_size(n, qid), &size);

    if (status != NVME_OK) {
        return status;
    }
    if (!cqid || !cq_size(n, cqid)) {
        return NVME_BAD_CQ;
    }
    n->sqs[qid] = (NvmeSq){ .base = cmd->prp[0], .size = size, .cqid = (uint16_t)cqid };
    return NVME_OK;
}

/* What is under way ends before the queue does. */
static NvmeStatus delete_sq(Nvme *n, const NvmeCommand *cmd, uint32_t *result)
{
    uint32_t qid = cmd->cdw10 & 0xffff;

    if (!qid || !sq_size(n, qid)) {
        return NVME_BAD_QUEUE;
    }
    n->sqs[qid].tail = n->sqs[qid].head;
    nvme_io_end(n, (uint16_t)qid);
    n->sqs[qid] = (NvmeSq){ 0 };
    return NVME_OK;
}

static NvmeStatus delete_cq(Nvme *n, const NvmeCommand *cmd, uint32_t *result)
{
    uint32_t qid = cmd->cdw10 & 0xffff;

    if (!qid || !cq_size(n, qid)) {
        return NVME_BAD_QUEUE;
    }
    for (unsigned i = 1; i < NVME_QUEUES; i++) {
        if (n->sqs[i].size && n->sqs[i].cqid == qid) {
            return NVME_QUEUE_IN_USE;
        }
    }
    n->cqs[qid] = (NvmeCq){ 0 };
    nvme_update_interrupt(n);
    return NVME_OK;
}

/* It was too late: what is under way ends by itself. */
static NvmeStatus abort_command(Nvme *n, const NvmeCommand *cmd, uint32_t *result)
{
    *result = 1;
    return NVME_OK;
}

/* ---- the commands ---- */

static const struct {
    uint8_t opcode;
    NvmeStatus (*run)(Nvme *n, const NvmeCommand *cmd, uint32_t *result);
} commands[] = {
    { NVME_DELETE_SQ, delete_sq },
    { NVME_CREATE_SQ, create_sq },
    { NVME_GET_LOG_PAGE, nvme_get_log_page },
    { NVME_DELETE_CQ, delete_cq },
    { NVME_CREATE_CQ, create_cq },
    { NVME_IDENTIFY, nvme_identify },
    { NVME_ABORT, abort_command },
    { NVME_SET_FEATURES, nvme_set_features },
    { NVME_GET_FEATURES, nvme_get_features },
    { NVME_ASYNC_EVENT, nvme_ask_event },
    { NVME_ATTACHMENT, nvme_attachment },
};

NvmeStatus nvme_admin(Nvme *n, const NvmeCommand *cmd, uint32_t *result)
{
    if (cmd->flags & (NVME_FLAGS_FUSED | NVME_FLAGS_SGL)) {
        return NVME_BAD_FIELD;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (commands[i].opcode == cmd->opcode) {
            return commands[i].run(n, cmd, result);
        }
    }
    return NVME_BAD_OPCODE;
}
