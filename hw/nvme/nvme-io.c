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

/* How a command is begun, and what its completion has if it ends at once. */
typedef struct Start {
    uint16_t sqid; /* 0: there is none, it is the flush of a shutdown */
    bool placed;   /* as in NvmeRequest */
    uint64_t result;
} Start;

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
    NvmeZone *zone;  /* that is being reset */
    bool placed;     /* its place in a zone is taken, and in `cmd` */
    uint64_t result; /* for its completion */
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

    *kept = (NvmeKept){ r->cmd, r->sqid | (r->placed ? NVME_KEPT_PLACED : 0) };
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
    if (r->zone && !(r->n->cancelling && r->block.error)) { /* its blocks are gone */
        nvme_zones_reset(r->ns->zones, r->zone);
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
    uint64_t result = r->result;
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
    nvme_complete(n, sqid, cid, status, status == NVME_OK ? result : 0);
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

static NvmeRequest *new_request(Nvme *n, const Start *start, const NvmeCommand *cmd, NvmeNs *ns)
{
    NvmeRequest *r = g_new0(NvmeRequest, 1);

    r->n = n;
    r->sqid = start->sqid;
    r->placed = start->placed;
    r->result = start->result;
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

static bool is_write(const NvmeCommand *cmd)
{
    return cmd->opcode != NVME_READ;
}

/* Whether what may be read or written is, where there are zones; what is written takes its place,
 * which is in *@cmd then. */
static NvmeStatus take_place(Nvme *n, Start *start, NvmeCommand *cmd, NvmeNs *ns)
{
    uint64_t lba = (uint64_t)cmd->cdw11 << 32 | cmd->cdw10, count = (cmd->cdw12 & 0xffff) + 1;
    NvmeStatus status;

    if (!ns->zones) {
        return NVME_OK;
    }
    if (!is_write(cmd)) {
        return nvme_zones_check_read(ns->zones, lba, count);
    }
    if (!start->placed) {
        status = cmd->opcode == NVME_ZONE_APPEND
                     ? nvme_zones_append(ns->zones, &lba, count, n->auto_transition)
                     : nvme_zones_write(ns->zones, lba, count, n->auto_transition);
        if (status != NVME_OK) {
            return status;
        }
        cmd->cdw10 = (uint32_t)lba;
        cmd->cdw11 = (uint32_t)(lba >> 32);
        start->placed = true;
    }
    start->result = cmd->opcode == NVME_ZONE_APPEND ? lba : 0;
    return NVME_OK;
}

static uint64_t data_max(const Nvme *n, const NvmeCommand *cmd)
{
    return cmd->opcode == NVME_ZONE_APPEND && n->zasl ? (uint64_t)NVME_DATA_PAGE << n->zasl
                                                      : nvme_data_max(n);
}

static NvmeStatus read_write(Nvme *n, Start *start, const NvmeCommand *cmd, NvmeNs *ns)
{
    bool write = is_write(cmd);
    uint64_t offset, bytes;
    NvmeStatus status = find_blocks(ns, cmd, &offset, &bytes);
    NvmeCommand placed = *cmd;
    NvmeMapping map;

    if (status == NVME_OK && bytes > data_max(n, cmd)) {
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
    status = take_place(n, start, &placed, ns);
    if (status == NVME_OK) {
        status = find_blocks(ns, &placed, &offset, &bytes); /* where an append goes */
    }
    if (status != NVME_OK) {
        nvme_unmap(&map, false);
        return status;
    }
    NvmeRequest *r = new_request(n, start, &placed, ns);
    set_block(r, write ? BLOCK_WRITE : BLOCK_READ, offset, bytes);
    r->map = map;
    r->block.iov = (const struct iovec *)(void *)map.iov->data;
    r->block.iovcnt = map.iov->len;
    r->block.and_flush = write && (cmd->cdw12 & NVME_RW_FUA || is_writethrough(n));
    r->step = only_step;
    count(n, write, bytes);
    return begin(r);
}

static NvmeStatus write_zeroes(Nvme *n, Start *start, const NvmeCommand *cmd, NvmeNs *ns)
{
    uint64_t offset, bytes;
    NvmeStatus status = find_blocks(ns, cmd, &offset, &bytes);
    NvmeCommand placed = *cmd;

    if (status == NVME_OK) {
        status = take_place(n, start, &placed, ns);
    }
    if (status != NVME_OK) {
        return status;
    }
    NvmeRequest *r = new_request(n, start, cmd, ns);
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

static NvmeStatus dataset(Nvme *n, Start *start, const NvmeCommand *cmd, NvmeNs *ns)
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
    NvmeRequest *r = new_request(n, start, cmd, ns);
    r->ranges = g_memdup2(list, ranges * sizeof(Range));
    r->steps = ranges;
    r->step = next_range;
    return begin(r);
}

/* ---- zones ---- */

/* The blocks of a zone go to the host, and then it is empty (step_ended()). */
static bool next_zone(NvmeRequest *r)
{
    NvmeZones *zones = r->ns->zones;
    uint64_t block = r->ns->conf->logical;

    r->zone = r->next < r->steps ? nvme_zones_to_reset(zones, r->next) : NULL;
    if (!r->zone || (unsigned)(r->zone - zones->zones) >= r->steps) {
        r->zone = NULL;
        return false;
    }
    r->next = (unsigned)(r->zone - zones->zones) + 1;
    set_block(r, BLOCK_WRITE_ZEROES, nvme_zones_start(zones, r->zone) * block,
              zones->capacity * block);
    r->block.unmap = true;
    return true;
}

static NvmeStatus zone_send(Nvme *n, Start *start, const NvmeCommand *cmd, NvmeNs *ns)
{
    NvmeZone *zone;
    NvmeStatus status;

    if ((cmd->cdw13 & 0xff) != NVME_ZONE_RESET) {
        return nvme_zone_send(n, cmd, ns);
    }
    status = nvme_zone_named(ns, cmd, &zone);
    if (status != NVME_OK) {
        return status;
    }
    NvmeRequest *r = new_request(n, start, cmd, ns);
    r->next = zone ? (unsigned)(zone - ns->zones->zones) : 0;
    r->steps = zone ? r->next + 1 : ns->zones->count;
    r->step = next_zone;
    return begin(r);
}

static NvmeStatus zone_receive(Nvme *n, Start *start, const NvmeCommand *cmd, NvmeNs *ns)
{
    return nvme_zone_receive(n, cmd, ns);
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

static NvmeStatus flush(Nvme *n, Start *start, const NvmeCommand *cmd, NvmeNs *ns)
{
    NvmeRequest *r = new_request(n, start, cmd, ns);

    set_block(r, BLOCK_FLUSH, 0, 0);
    r->step = ns ? only_step : next_namespace;
    return begin(r);
}

void nvme_io_shutdown(Nvme *n)
{
    static const NvmeCommand none;

    Start start = { 0 };

    if (flush(n, &start, &none, NULL) != NVME_LATER) {
        nvme_shutdown_done(n);
    }
}

/* ---- all of them ---- */

static const struct {
    uint8_t opcode;
    bool writes, for_all; /* NVME_ALL_NAMESPACES is one, too */
    bool zoned;           /* there must be zones */
    NvmeStatus (*run)(Nvme *n, Start *start, const NvmeCommand *cmd, NvmeNs *ns);
} commands[] = {
    { NVME_FLUSH, false, true, false, flush },
    { NVME_WRITE, true, false, false, read_write },
    { NVME_READ, false, false, false, read_write },
    { NVME_WRITE_ZEROES, true, false, false, write_zeroes },
    { NVME_DATASET, true, false, false, dataset },
    { NVME_ZONE_SEND, true, false, true, zone_send },
    { NVME_ZONE_RECEIVE, false, false, true, zone_receive },
    { NVME_ZONE_APPEND, true, false, true, read_write },
};

static NvmeStatus start_command(Nvme *n, Start *start, const NvmeCommand *cmd)
{
    NvmeNs *ns = nvme_active_ns(n, cmd->nsid);
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
    if (commands[i].zoned && !ns->zones) {
        return NVME_BAD_OPCODE;
    }
    if (commands[i].writes && !ns->conf->backend->writable) {
        return NVME_WRITE_PROTECTED;
    }
    return commands[i].run(n, start, cmd, ns);
}

NvmeStatus nvme_io(Nvme *n, uint16_t sqid, const NvmeCommand *cmd, uint64_t *result)
{
    Start start = { .sqid = sqid };
    NvmeStatus status = start_command(n, &start, cmd);

    *result = status == NVME_OK ? start.result : 0;
    return status;
}

void nvme_io_again(Nvme *n)
{
    g_autofree NvmeKept *kept = g_memdup2(n->kept, n->kept_count * sizeof(*kept));
    uint32_t count = n->kept_count;

    n->kept_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t sqid = (uint16_t)kept[i].sqid;
        Start start = { .sqid = sqid, .placed = kept[i].sqid & NVME_KEPT_PLACED };
        NvmeStatus status = start_command(n, &start, &kept[i].command);

        if (status != NVME_LATER) {
            n->cqs[n->sqs[sqid].cqid].promised--;
            nvme_complete(n, sqid, kept[i].command.cid, status,
                          status == NVME_OK ? start.result : 0);
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
        if ((uint16_t)n->kept[i].sqid == sqid) {
            n->cqs[n->sqs[sqid].cqid].promised--;
        } else {
            n->kept[kept++] = n->kept[i];
        }
    }
    n->kept_count = kept;
}
