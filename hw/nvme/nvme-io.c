/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of the NVM command set (section 6), and all else that asks the backends for something.
 */
#include <string.h>

#include "hw/nvme/nvme.h"

#define RANGES_MAX 256 /* of a dataset management command */

/* One of its ranges. */
typedef struct Range {
    uint32_t attributes, blocks;
    uint64_t from;
} Range;

/* A command under way. */
typedef struct NvmeRequest {
    Nvme *n;
    NvmeNs *ns;
    NvmeCommand cmd;
    uint16_t sqid; /* 0: none, it is the flush of a shutdown */
    BlockRequest block;
    NvmeMapping map;
    /* steps that follow each other: ranges, or namespaces to flush */
    Range *ranges;
    unsigned steps, next;
    /* The next step into `block`; false: there is none. NULL: one step is all. */
    bool (*step)(struct NvmeRequest *r);
} NvmeRequest;

static void free_request(NvmeRequest *r, bool written)
{
    nvme_unmap(&r->map, written);
    g_queue_remove(&r->n->running, r);
    g_free(r->ranges);
    g_free(r);
}

/* ---- the end ---- */

static void keep(NvmeRequest *r)
{
    NvmeKept *kept = &r->n->kept[r->n->kept_count++];

    *kept = (NvmeKept){ r->cmd, r->sqid };
}

static NvmeStatus status_of(const NvmeRequest *r)
{
    switch (r->block.op) {
    case BLOCK_READ:
        return NVME_READ_ERROR;
    case BLOCK_WRITE:
    case BLOCK_WRITE_ZEROES:
        return NVME_WRITE_FAULT;
    default:
        return NVME_INTERNAL_ERROR;
    }
}

/* A step is through: with NVME_LATER the next one is to come, or the command was kept. */
static NvmeStatus step_ended(NvmeRequest *r)
{
    BlockErrorAction action =
        r->n->cancelling ? BLOCK_ERROR_ACTION_IGNORE : block_conf_failed(&r->block);

    if (action == BLOCK_ERROR_ACTION_REPORT) {
        return status_of(r);
    }
    if (action == BLOCK_ERROR_ACTION_STOP && r->sqid) {
        keep(r);
        return NVME_LATER;
    }
    return NVME_OK;
}

/* Go on until the command is through, or something is under way: then NVME_LATER, and `done` is
 * called; *@gone if nothing will follow from that either, as it is kept. */
static NvmeStatus go_on(NvmeRequest *r, bool *gone)
{
    NvmeStatus status = NVME_OK;

    *gone = false;
    while (status == NVME_OK && !r->n->cancelling && r->step && r->step(r)) {
        if (!block_submit(r->ns->conf->backend, &r->block)) {
            block_submitted(r->ns->conf->backend);
            return NVME_LATER;
        }
        status = step_ended(r);
    }
    *gone = status == NVME_LATER;
    return status;
}

/* It is through: count, tell, and start what may have waited. */
static void finish(NvmeRequest *r, NvmeStatus status)
{
    Nvme *n = r->n;
    uint16_t sqid = r->sqid, cid = r->cmd.cid;
    bool cancelled = n->cancelling;

    free_request(r, r->block.op == BLOCK_READ);
    if (cancelled) {
        return;
    }
    if (!sqid) {
        nvme_shutdown_done(n);
        return;
    }
    n->cqs[n->sqs[sqid].cqid].promised--;
    nvme_complete(n, sqid, cid, status, 0);
    n->finishing = true;
    nvme_run(n);
    n->finishing = false;
}

static void request_done(BlockRequest *block)
{
    NvmeRequest *r = block->opaque;
    NvmeStatus status = step_ended(r);
    bool gone = status == NVME_LATER;

    if (status == NVME_OK) {
        status = go_on(r, &gone);
    }
    if (gone) {
        free_request(r, false);
    } else if (status != NVME_LATER) {
        finish(r, status);
    }
}

/* ---- the beginning ---- */

static NvmeRequest *new_request(Nvme *n, uint16_t sqid, const NvmeCommand *cmd, NvmeNs *ns)
{
    NvmeRequest *r = g_new0(NvmeRequest, 1);

    r->n = n;
    r->sqid = sqid;
    r->cmd = *cmd;
    r->ns = ns;
    g_queue_push_tail(&n->running, r);
    return r;
}

/* Start @r; what ends at once is not there any more afterwards. */
static NvmeStatus begin(NvmeRequest *r)
{
    bool gone;
    NvmeStatus status = go_on(r, &gone);

    if (gone || status != NVME_LATER) {
        free_request(r, r->block.op == BLOCK_READ);
    }
    return status;
}

static void set_block(NvmeRequest *r, BlockOp op, uint64_t offset, uint64_t bytes)
{
    r->block = (BlockRequest){
        .op = op, .offset = offset, .bytes = bytes, .done = request_done, .opaque = r
    };
}

/* ---- reading and writing (sections 6.9, 6.15, 6.17) ---- */

static bool only_step(NvmeRequest *r)
{
    return r->next++ == 0;
}

/* The blocks of @cmd; NVME_OK: they are there. */
static NvmeStatus find_blocks(const NvmeNs *ns, const NvmeCommand *cmd, uint64_t *offset,
                              uint64_t *bytes)
{
    uint64_t first = (uint64_t)cmd->cdw11 << 32 | cmd->cdw10, count = (cmd->cdw12 & 0xffff) + 1;
    uint64_t blocks = nvme_ns_blocks(ns);

    if (first >= blocks || count > blocks - first) {
        return NVME_BAD_LBA;
    }
    *offset = first * ns->conf->logical;
    *bytes = count * ns->conf->logical;
    return NVME_OK;
}

static bool is_writethrough(const Nvme *n)
{
    return !(n->features[NVME_FEATURE_WRITE_CACHE] & 1);
}

static void count(Nvme *n, bool write, uint64_t bytes)
{
    *(write ? &n->writes : &n->reads) += 1;
    *(write ? &n->write_units : &n->read_units) += bytes / BLOCK_SECTOR;
}

static NvmeStatus read_write(Nvme *n, uint16_t sqid, const NvmeCommand *cmd, NvmeNs *ns)
{
    bool write = cmd->opcode == NVME_WRITE;
    uint64_t offset, bytes;
    NvmeStatus status = find_blocks(ns, cmd, &offset, &bytes);
    NvmeMapping map;

    if (status == NVME_OK && bytes > nvme_data_max(n)) {
        status = NVME_BAD_FIELD;
    }
    if (status != NVME_OK) {
        block_count_invalid(ns->conf->backend, write ? BLOCK_WRITE : BLOCK_READ);
        return status;
    }
    status = nvme_map(n, cmd, bytes, !write, &map);
    if (status != NVME_OK) {
        return status;
    }
    NvmeRequest *r = new_request(n, sqid, cmd, ns);
    set_block(r, write ? BLOCK_WRITE : BLOCK_READ, offset, bytes);
    r->map = map;
    r->block.iov = (const struct iovec *)(void *)map.iov->data;
    r->block.iovcnt = map.iov->len;
    r->block.and_flush = write && (cmd->cdw12 & NVME_RW_FUA || is_writethrough(n));
    r->step = only_step;
    count(n, write, bytes);
    return begin(r);
}

static NvmeStatus write_zeroes(Nvme *n, uint16_t sqid, const NvmeCommand *cmd, NvmeNs *ns)
{
    uint64_t offset, bytes;
    NvmeStatus status = find_blocks(ns, cmd, &offset, &bytes);

    if (status != NVME_OK) {
        return status;
    }
    NvmeRequest *r = new_request(n, sqid, cmd, ns);
    set_block(r, BLOCK_WRITE_ZEROES, offset, bytes);
    r->block.unmap = cmd->cdw12 & NVME_ZEROES_DEALLOCATE;
    r->block.and_flush = cmd->cdw12 & NVME_RW_FUA || is_writethrough(n);
    r->step = only_step;
    return begin(r);
}

/* ---- deallocating (section 6.7) ---- */

static bool next_range(NvmeRequest *r)
{
    uint64_t blocks = nvme_ns_blocks(r->ns), block = r->ns->conf->logical;

    while (r->next < r->steps) {
        const Range *range = &r->ranges[r->next++];

        if (range->blocks && range->from < blocks && range->blocks <= blocks - range->from) {
            set_block(r, BLOCK_DISCARD, range->from * block, range->blocks * block);
            return true;
        }
    }
    return false;
}

static NvmeStatus dataset(Nvme *n, uint16_t sqid, const NvmeCommand *cmd, NvmeNs *ns)
{
    unsigned ranges = (cmd->cdw10 & 0xff) + 1;
    uint64_t blocks = nvme_ns_blocks(ns);
    Range list[RANGES_MAX];
    NvmeStatus status = nvme_copy(n, cmd, list, ranges * sizeof(Range), false);

    for (unsigned i = 0; i < ranges && status == NVME_OK; i++) {
        if (list[i].from > blocks || list[i].blocks > blocks - list[i].from) {
            status = NVME_BAD_LBA;
        }
    }
    if (status != NVME_OK || !(cmd->cdw11 & NVME_DATASET_DEALLOCATE)) {
        return status; /* the rest is advice */
    }
    NvmeRequest *r = new_request(n, sqid, cmd, ns);
    r->ranges = g_memdup2(list, ranges * sizeof(Range));
    r->steps = ranges;
    r->step = next_range;
    return begin(r);
}

/* ---- flushing (section 6.8) ---- */

static bool next_namespace(NvmeRequest *r)
{
    while (r->next < NVME_NAMESPACES) {
        r->ns = r->n->ns[r->next++];
        if (r->ns) {
            set_block(r, BLOCK_FLUSH, 0, 0);
            return true;
        }
    }
    return false;
}

static NvmeStatus flush(Nvme *n, uint16_t sqid, const NvmeCommand *cmd, NvmeNs *ns)
{
    NvmeRequest *r = new_request(n, sqid, cmd, ns);

    set_block(r, BLOCK_FLUSH, 0, 0);
    r->step = ns ? only_step : next_namespace;
    return begin(r);
}

void nvme_io_shutdown(Nvme *n)
{
    static const NvmeCommand none;

    if (flush(n, 0, &none, NULL) != NVME_LATER) {
        nvme_shutdown_done(n);
    }
}

/* ---- all of them ---- */

static const struct {
    uint8_t opcode;
    bool writes, for_all; /* NVME_ALL_NAMESPACES is one, too */
    NvmeStatus (*run)(Nvme *n, uint16_t sqid, const NvmeCommand *cmd, NvmeNs *ns);
} commands[] = {
    { NVME_FLUSH, false, true, flush },      { NVME_WRITE, true, false, read_write },
    { NVME_READ, false, false, read_write }, { NVME_WRITE_ZEROES, true, false, write_zeroes },
    { NVME_DATASET, true, false, dataset },
};

NvmeStatus nvme_io(Nvme *n, uint16_t sqid, const NvmeCommand *cmd)
{
    NvmeNs *ns = nvme_ns(n, cmd->nsid);
    unsigned i = 0;

    while (i < G_N_ELEMENTS(commands) && commands[i].opcode != cmd->opcode) {
        i++;
    }
    if (i == G_N_ELEMENTS(commands)) {
        return NVME_BAD_OPCODE;
    }
    if (cmd->flags & (NVME_FLAGS_FUSED | NVME_FLAGS_SGL)) {
        return NVME_BAD_FIELD;
    }
    if (!ns && !(commands[i].for_all && cmd->nsid == NVME_ALL_NAMESPACES)) {
        return NVME_BAD_NAMESPACE;
    }
    if (commands[i].writes && !ns->conf->backend->writable) {
        return NVME_WRITE_PROTECTED;
    }
    return commands[i].run(n, sqid, cmd, ns);
}

void nvme_io_again(Nvme *n)
{
    g_autofree NvmeKept *kept = g_memdup2(n->kept, n->kept_count * sizeof(*kept));
    uint32_t count = n->kept_count;

    n->kept_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t sqid = (uint16_t)kept[i].sqid;
        NvmeStatus status = nvme_io(n, sqid, &kept[i].command);

        if (status != NVME_LATER) {
            n->cqs[n->sqs[sqid].cqid].promised--;
            nvme_complete(n, sqid, kept[i].command.cid, status, 0);
        }
    }
}

/* Of namespaces that were detached meanwhile, too. */
static void drain(Nvme *n)
{
    const NvmeRequest *r;

    while ((r = g_queue_peek_head(&n->running))) {
        block_drain(r->ns->conf->backend);
    }
}

void nvme_io_cancel(Nvme *n)
{
    n->cancelling = true;
    drain(n);
    n->cancelling = false;
    n->kept_count = 0;
}

void nvme_io_end(Nvme *n, uint16_t sqid)
{
    uint32_t kept = 0;

    drain(n);
    for (uint32_t i = 0; i < n->kept_count; i++) {
        if (n->kept[i].sqid == sqid) {
            n->cqs[n->sqs[sqid].cqid].promised--;
        } else {
            n->kept[kept++] = n->kept[i];
        }
    }
    n->kept_count = kept;
}
