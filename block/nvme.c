/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Driver "nvme": a namespace of an NVMe controller of the host, without the host's kernel. Data go
 * through memory of the controller's (nvme-host.h). What is no whole block is read, changed and
 * written, alone.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "block/driver.h"
#include "block/iov.h"
#include "block/nvme-host.h"
#include "util/error.h"

enum {
    IDENTIFY_SIZE = 4096,
    IDENTIFY_NAMESPACE = 0,
    IDENTIFY_CONTROLLER = 1,
    ZEROES_MAX = 0x10000, /* blocks */
    DSM_MAX = 0x10000000,
};

typedef struct NvmeState {
    NvmeHost host;
    bool open;
    uint32_t nsid;
    unsigned shift; /* of a block */
    uint64_t bytes;
    uint32_t most; /* bytes of one command */
    bool has_cache, has_zeroes, has_discard;
    GRWLock lock; /* those that change a part of a block are alone */
} NvmeState;

/* ---- what it is ---- */

static uint64_t get(const uint8_t *data, unsigned at, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, data + at, size);
    return value;
}

static bool identify(NvmeState *s, uint32_t what, uint32_t nsid, uint8_t *data, GError **errp)
{
    NvmeHostSlot *slot = nvme_host_take(&s->host.admin);
    NvmeHostCommand command = { .opcode = NVME_HOST_IDENTIFY, .nsid = nsid, .cdw10 = what };
    int err = nvme_host_run(&s->host.admin, slot, &command, IDENTIFY_SIZE);

    memcpy(data, slot->data, IDENTIFY_SIZE);
    nvme_host_give(&s->host.admin, slot);
    if (err) {
        error_set(errp, "the controller does not tell what it is");
    }
    return !err;
}

static bool look_at_controller(NvmeState *s, uint64_t namespace, GError **errp)
{
    uint8_t data[IDENTIFY_SIZE];
    uint64_t most;

    if (!identify(s, IDENTIFY_CONTROLLER, 0, data, errp)) {
        return false;
    }
    most = get(data, 77, 1); /* MDTS, in pages; 0: no limit */
    s->most = most && most < 5 ? NVME_HOST_PAGE << most : NVME_HOST_DATA;
    s->has_discard = get(data, 520, 2) & 1 << 2;
    s->has_zeroes = get(data, 520, 2) & 1 << 3;
    s->has_cache = get(data, 525, 1) & 1;
    if (namespace < 1 || namespace > get(data, 516, 4)) {
        error_set(errp, "namespace=%" PRId64 ": the controller has 1 to %" PRIu64,
                  (int64_t) namespace, get(data, 516, 4));
        return false;
    }
    s->nsid = (uint32_t) namespace;
    return true;
}

static bool look_at_namespace(NvmeState *s, GError **errp)
{
    uint8_t data[IDENTIFY_SIZE];
    unsigned format;
    uint64_t blocks;

    if (!identify(s, IDENTIFY_NAMESPACE, s->nsid, data, errp)) {
        return false;
    }
    format = 128 + 4 * (unsigned)(get(data, 26, 1) & 0xf);
    s->shift = (unsigned)get(data, format + 2, 1);
    blocks = get(data, 0, 8);
    if (!blocks || s->shift < 9 || s->shift > 12 || get(data, format, 2) ||
        blocks > (uint64_t)BLOCK_MAX_SIZE >> s->shift) {
        error_set(errp,
                  "namespace=%u has %" PRIu64 " blocks of 2 to the power of %u bytes, and %" PRIu64
                  " bytes beside: it must have some, of 512 to 4096 bytes, and none beside",
                  s->nsid, blocks, s->shift, get(data, format, 2));
        return false;
    }
    s->bytes = blocks << s->shift;
    return true;
}

static bool nvme_open(BlockNode *node, GError **errp)
{
    const BlockdevOptionsNvme *options = node->options->u.nvme;
    NvmeState *s = node->state = g_new0(NvmeState, 1);

    g_rw_lock_init(&s->lock);
    node->filename = g_strdup_printf("nvme://%s/%" PRId64, options->device, options->namespace);
    s->open = true;
    return nvme_host_open(&s->host, options->device, errp) &&
           look_at_controller(s, (uint64_t)options->namespace, errp) && look_at_namespace(s, errp);
}

static void nvme_close(BlockNode *node)
{
    NvmeState *s = node->state;

    if (s->open) {
        nvme_host_close(&s->host);
    }
    g_rw_lock_clear(&s->lock);
    g_free(s);
}

/* ---- reading and writing ---- */

static uint32_t mask_of(const NvmeState *s)
{
    return (1u << s->shift) - 1;
}

static NvmeHostCommand command_at(const NvmeState *s, uint8_t opcode, uint64_t offset)
{
    const uint64_t block = offset >> s->shift;

    return (NvmeHostCommand){ .opcode = opcode,
                              .nsid = s->nsid,
                              .cdw10 = (uint32_t)block,
                              .cdw11 = (uint32_t)(block >> 32) };
}

/* Whole blocks, and no more than one command has. */
static int move(NvmeState *s, NvmeHostSlot *slot, uint8_t opcode, uint64_t offset, uint32_t bytes)
{
    NvmeHostCommand command = command_at(s, opcode, offset);

    command.cdw12 = (bytes >> s->shift) - 1;
    return nvme_host_run(&s->host.io, slot, &command, bytes);
}

/* The part [@skip, @skip + @size) of @iov, which is at @offset and in the whole blocks [@first,
 * @first + @bytes). */
static int transfer_part(NvmeState *s, bool write, uint64_t first, uint32_t bytes, uint64_t offset,
                         const struct iovec *iov, unsigned iovcnt, size_t skip, size_t size)
{
    NvmeHostSlot *slot = nvme_host_take(&s->host.io);
    const bool whole = first == offset && bytes == size;
    int err = 0;

    if (!write || !whole) {
        err = move(s, slot, NVME_HOST_READ, first, bytes);
    }
    if (!err && !write) {
        iov_from_buf(iov, iovcnt, skip, slot->data + (offset - first), size);
    } else if (!err) {
        iov_to_buf(iov, iovcnt, skip, slot->data + (offset - first), size);
        err = move(s, slot, NVME_HOST_WRITE, first, bytes);
    }
    nvme_host_give(&s->host.io, slot);
    return err;
}

static int transfer(NvmeState *s, bool write, uint64_t offset, const struct iovec *iov,
                    unsigned iovcnt, size_t size)
{
    const uint32_t mask = mask_of(s);
    int err = 0;

    for (size_t done = 0; done < size && !err;) {
        const uint64_t at = offset + done, first = at & ~(uint64_t)mask;
        const uint64_t end = MIN((offset + size + mask) & ~(uint64_t)mask, first + s->most);
        const size_t part = (size_t)(MIN(end, offset + size) - at);

        err = transfer_part(s, write, first, (uint32_t)(end - first), at, iov, iovcnt, done, part);
        done += part;
    }
    return err;
}

static int nvme_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    NvmeState *s = node->state;
    const size_t size = iov_size(iov, iovcnt);
    const size_t there = offset < s->bytes ? (size_t)MIN(size, s->bytes - offset) : 0;

    iov_clear(iov, iovcnt, there);
    return transfer(s, false, offset, iov, iovcnt, there);
}

static int nvme_write(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                      unsigned flags)
{
    NvmeState *s = node->state;
    const size_t size = iov_size(iov, iovcnt);
    const bool alone = (offset | size) & mask_of(s);
    int err;

    if (offset > s->bytes || size > s->bytes - offset) {
        return ENOSPC;
    }
    if (alone) {
        g_rw_lock_writer_lock(&s->lock);
    } else {
        g_rw_lock_reader_lock(&s->lock);
    }
    err = transfer(s, true, offset, iov, iovcnt, size);
    if (alone) {
        g_rw_lock_writer_unlock(&s->lock);
    } else {
        g_rw_lock_reader_unlock(&s->lock);
    }
    return err;
}

/* ---- the rest ---- */

/* Not between the read and the write of who changes a part of a block. */
static int run_alone(NvmeState *s, NvmeHostCommand command, const void *data, uint32_t bytes)
{
    NvmeHostSlot *slot;
    int err;

    g_rw_lock_reader_lock(&s->lock);
    slot = nvme_host_take(&s->host.io);
    if (bytes) {
        memcpy(slot->data, data, bytes);
    }
    err = nvme_host_run(&s->host.io, slot, &command, bytes);
    nvme_host_give(&s->host.io, slot);
    g_rw_lock_reader_unlock(&s->lock);
    return err;
}

static bool is_whole(const NvmeState *s, uint64_t offset, uint64_t bytes)
{
    return !((offset | bytes) & mask_of(s)) && offset <= s->bytes && bytes <= s->bytes - offset;
}

static int nvme_write_zeroes(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    NvmeState *s = node->state;
    int err = 0;

    if (!s->has_zeroes || !is_whole(s, offset, bytes)) {
        return ENOTSUP;
    }
    for (uint64_t done = 0, part; done < bytes && !err; done += part) {
        NvmeHostCommand command = command_at(s, NVME_HOST_WRITE_ZEROES, offset + done);

        part = MIN(bytes - done, (uint64_t)ZEROES_MAX << s->shift);
        command.cdw12 = (uint32_t)(part >> s->shift) - 1 +
                        (flags & BLOCK_UNMAP ? (uint32_t)NVME_HOST_DEALLOCATE : 0);
        err = run_alone(s, command, NULL, 0);
    }
    return err;
}

static int nvme_discard(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    struct {
        uint32_t attributes, blocks;
        uint64_t first;
    } range = { 0 };
    NvmeState *s = node->state;
    int err = 0;

    if (!s->has_discard || !is_whole(s, offset, bytes)) {
        return ENOTSUP;
    }
    for (uint64_t done = 0, part; done < bytes && !err; done += part) {
        part = MIN(bytes - done, (uint64_t)DSM_MAX << s->shift);
        range.blocks = (uint32_t)(part >> s->shift);
        range.first = (offset + done) >> s->shift;
        err = run_alone(s,
                        (NvmeHostCommand){ .opcode = NVME_HOST_DSM,
                                           .nsid = s->nsid,
                                           .cdw11 = NVME_HOST_DSM_DEALLOCATE },
                        &range, sizeof(range));
    }
    return err;
}

static int nvme_flush(BlockNode *node)
{
    NvmeState *s = node->state;
    const NvmeHostCommand command = { .opcode = NVME_HOST_FLUSH, .nsid = s->nsid };

    return s->has_cache ? run_alone(s, command, NULL, 0) : 0;
}

static int64_t nvme_length(BlockNode *node)
{
    return (int64_t)((const NvmeState *)node->state)->bytes;
}

static int64_t nvme_allocated(BlockNode *node)
{
    return nvme_length(node);
}

static const BlockDriver nvme_driver = {
    .id = BLOCKDEV_DRIVER_NVME,
    .open = nvme_open,
    .close = nvme_close,
    .read = nvme_read,
    .write = nvme_write,
    .write_zeroes = nvme_write_zeroes,
    .discard = nvme_discard,
    .flush = nvme_flush,
    .length = nvme_length,
    .allocated = nvme_allocated,
};
BLOCK_DRIVER_REGISTER(nvme_driver)
