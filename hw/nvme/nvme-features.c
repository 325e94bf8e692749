/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Features (sections 5.13 and 5.21). */
#include <string.h>

#include "hw/nvme/nvme.h"
#include "util/clock.h"

#define SELECT_SHIFT    8 /* of cdw10, in Get Features */
#define SAVE            (1u << 31)
#define CHANGEABLE      4 /* what SELECT_SUPPORTED tells */
#define QUEUES_INVALID  0xffffu
#define TIMESTAMP_BYTES 8
#define TIMESTAMP_HOST  (UINT64_C(1) << 57) /* the origin: it was set */
#define MS_NS           1000000

enum { SELECT_CURRENT, SELECT_DEFAULT, SELECT_SAVED, SELECT_SUPPORTED };

/* By number; a feature without `there` is none. */
static const struct {
    bool there;
    uint32_t initial, mask; /* what can be changed of it */
} features[NVME_FEATURES] = {
    [0x01] = { true, 0x07, 0xffffff07 }, /* arbitration: its burst is as good as any */
    [0x02] = { true, 0, 0 },             /* power: one state */
    [NVME_FEATURE_TEMPERATURE] = { true, 0x157, 0x003fffff },
    [0x05] = { true, 0, 0xffff }, /* error recovery */
    [NVME_FEATURE_WRITE_CACHE] = { true, 1, 1 },
    [NVME_FEATURE_QUEUES] = { true, 0, UINT32_MAX },
    [0x08] = { true, 0, 0xffff }, /* interrupts are not held back */
    [NVME_FEATURE_VECTOR] = { true, 0, 0 },
    [0x0a] = { true, 0, 1 }, /* atomicity of writes */
    [NVME_FEATURE_EVENTS] = { true, 0, 0xffff },
};

void nvme_reset_features(Nvme *n)
{
    for (unsigned i = 0; i < NVME_FEATURES; i++) {
        n->features[i] = features[i].initial;
    }
    for (unsigned i = 0; i < NVME_NAMESPACES; i++) {
        if (n->ns[i] && !block_conf_writeback(n->ns[i]->conf)) {
            n->features[NVME_FEATURE_WRITE_CACHE] = 0;
        }
    }
}

static uint32_t queues(const Nvme *n)
{
    return (n->max_pairs - 1) << 16 | (n->max_pairs - 1);
}

static NvmeStatus get_timestamp(Nvme *n, const NvmeCommand *cmd)
{
    uint64_t now = n->timestamp + (uint64_t)(clock_ns() - n->timestamp_ns) / MS_NS;
    uint64_t value = (now & 0xffffffffffff) | (n->timestamp_set ? TIMESTAMP_HOST : 0);

    return nvme_copy(n, cmd, &value, TIMESTAMP_BYTES, true);
}

static NvmeStatus set_timestamp(Nvme *n, const NvmeCommand *cmd)
{
    uint64_t value;
    NvmeStatus status = nvme_copy(n, cmd, &value, TIMESTAMP_BYTES, false);

    if (status == NVME_OK) {
        n->timestamp = value & 0xffffffffffff;
        n->timestamp_ns = clock_ns();
        n->timestamp_set = true;
    }
    return status;
}

NvmeStatus nvme_get_features(Nvme *n, const NvmeCommand *cmd, uint32_t *result)
{
    unsigned id = cmd->cdw10 & 0xff, select = cmd->cdw10 >> SELECT_SHIFT & 7;

    if (id == NVME_FEATURE_COMMAND_SETS) { /* there is one combination, which is the first */
        *result = 0;
        return select <= SELECT_SUPPORTED ? NVME_OK : NVME_BAD_FIELD;
    }
    if (id == NVME_FEATURE_TIMESTAMP && select != SELECT_SUPPORTED) {
        return get_timestamp(n, cmd);
    }
    if (select > SELECT_SUPPORTED ||
        (id != NVME_FEATURE_TIMESTAMP && (id >= NVME_FEATURES || !features[id].there))) {
        return NVME_BAD_FIELD;
    }
    if (select == SELECT_SUPPORTED) {
        *result = id == NVME_FEATURE_TIMESTAMP || features[id].mask ? CHANGEABLE : 0;
    } else if (id == NVME_FEATURE_QUEUES) {
        *result = queues(n);
    } else if (id == NVME_FEATURE_VECTOR) {
        *result = cmd->cdw11 & 0xffff;
        return *result < n->vectors ? NVME_OK : NVME_BAD_FIELD;
    } else if (id == NVME_FEATURE_TEMPERATURE && cmd->cdw11 >> 20 & 3) {
        *result = 0; /* the lower threshold */
    } else {
        *result = select == SELECT_CURRENT ? n->features[id] : features[id].initial;
    }
    return NVME_OK;
}

/* How many queues the guest wants; it gets as many as there can be. Before it makes any. */
static NvmeStatus set_queues(Nvme *n, const NvmeCommand *cmd, uint32_t *result)
{
    if ((cmd->cdw11 & 0xffff) == QUEUES_INVALID || cmd->cdw11 >> 16 == QUEUES_INVALID) {
        return NVME_BAD_FIELD;
    }
    for (unsigned i = 1; i < NVME_QUEUES; i++) {
        if (n->cqs[i].size) {
            return NVME_BAD_SEQUENCE;
        }
    }
    *result = queues(n);
    return NVME_OK;
}

NvmeStatus nvme_set_features(Nvme *n, const NvmeCommand *cmd, uint32_t *result)
{
    unsigned id = cmd->cdw10 & 0xff;

    if (cmd->cdw10 & SAVE) {
        return NVME_NOT_SAVEABLE;
    }
    if (id == NVME_FEATURE_TIMESTAMP) {
        return set_timestamp(n, cmd);
    }
    if (id == NVME_FEATURE_COMMAND_SETS) {
        return cmd->cdw11 & 0x1ff ? NVME_NO_COMMAND_SETS : NVME_OK;
    }
    if (id == NVME_FEATURE_QUEUES) {
        return set_queues(n, cmd, result);
    }
    if (id >= NVME_FEATURES || !features[id].there) {
        return NVME_BAD_FIELD;
    }
    if (!features[id].mask) {
        return NVME_NOT_CHANGEABLE;
    }
    if (id == NVME_FEATURE_TEMPERATURE && cmd->cdw11 >> 20 & 3) {
        return NVME_OK; /* the lower threshold: there is no such temperature */
    }
    n->features[id] = cmd->cdw11 & features[id].mask;
    return NVME_OK;
}
