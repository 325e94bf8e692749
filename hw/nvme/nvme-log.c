/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log pages (section 5.14), and asynchronous events, which lead to one (section 5.2). */
#include <string.h>

#include "hw/nvme/nvme.h"

#define RETAIN           (1u << 15) /* of cdw10: the event stays told */
#define KELVIN           323        /* 50 degrees Celsius */
#define DATA_UNIT        1000       /* of the SMART log: so many times 512 bytes */
#define SMART_BYTES      512
#define NOTICE_NAMESPACE (1u << 8) /* of NVME_FEATURE_EVENTS */

enum { LOG_ERROR = 1, LOG_SMART = 2, LOG_FIRMWARE = 3, LOG_CHANGED = 4, LOG_EFFECTS = 5 };

/* What a completion says of an event: its type, what it was, and where more of it is. */
static const struct {
    uint8_t type, info, log;
} events[NVME_EVENT_COUNT] = {
    [NVME_EVENT_BAD_DOORBELL] = { 0, 0, LOG_ERROR },
    [NVME_EVENT_BAD_VALUE] = { 0, 1, LOG_ERROR },
    [NVME_EVENT_NAMESPACE] = { 2, 0, LOG_CHANGED },
};

/* ---- events ---- */

NvmeStatus nvme_ask_event(Nvme *n, const NvmeCommand *cmd, uint32_t *result)
{
    if (n->asked_count == NVME_EVENTS_MAX) {
        return NVME_TOO_MANY_EVENTS;
    }
    n->asked[n->asked_count++] = cmd->cid;
    return NVME_LATER;
}

void nvme_event(Nvme *n, NvmeEvent event)
{
    if (event != NVME_EVENT_NAMESPACE || n->features[NVME_FEATURE_EVENTS] & NOTICE_NAMESPACE) {
        n->events |= 1u << event;
        nvme_tell_events(n);
    }
}

void nvme_tell_events(Nvme *n)
{
    for (unsigned i = 0; i < NVME_EVENT_COUNT && nvme_runs(n); i++) {
        uint32_t bit = 1u << i, result = events[i].type | events[i].info << 8 | events[i].log << 16;

        if (n->events & ~n->told & bit && n->asked_count && nvme_has_room(n, 0)) {
            n->events &= ~bit;
            n->told |= bit;
            nvme_complete(n, 0, n->asked[0], NVME_OK, result);
            memmove(n->asked, n->asked + 1, --n->asked_count * sizeof(n->asked[0]));
        }
    }
}

/* The guest has read @log: what leads there can be told again. */
static void log_was_read(Nvme *n, uint8_t log)
{
    for (unsigned i = 0; i < NVME_EVENT_COUNT; i++) {
        n->told &= events[i].log == log ? ~(1u << i) : UINT32_MAX;
    }
}

/* ---- pages ---- */

static void put(uint8_t *to, uint64_t value, unsigned bytes)
{
    memcpy(to, &value, bytes);
}

static void fill_smart(const Nvme *n, uint8_t *page)
{
    put(page + 1, KELVIN, 2);
    page[3] = 100; /* per cent of the spare blocks are there, */
    page[4] = 10;  /* and this is few */
    put(page + 32, (n->read_units + DATA_UNIT - 1) / DATA_UNIT, 8);
    put(page + 48, (n->write_units + DATA_UNIT - 1) / DATA_UNIT, 8);
    put(page + 64, n->reads, 8);
    put(page + 80, n->writes, 8);
}

static void fill_firmware(const Nvme *n, uint8_t *page)
{
    page[0] = 1; /* slot 1 is active */
    memcpy(page + 8, NVME_FIRMWARE, strlen(NVME_FIRMWARE));
}

/* The namespaces that have changed since this was read. */
static void fill_changed(const Nvme *n, uint8_t *page)
{
    unsigned count = 0;

    for (uint32_t i = 0; i < NVME_NAMESPACES; i++) {
        if (n->changed[i / 32] >> i % 32 & 1) {
            put(page + 4 * count++, i + 1, 4);
        }
    }
}

static void fill_effects(const Nvme *n, bool zoned, uint8_t *page)
{
    static const uint8_t admin[] = { NVME_DELETE_SQ,  NVME_CREATE_SQ,    NVME_GET_LOG_PAGE,
                                     NVME_DELETE_CQ,  NVME_CREATE_CQ,    NVME_IDENTIFY,
                                     NVME_ABORT,      NVME_SET_FEATURES, NVME_GET_FEATURES,
                                     NVME_ASYNC_EVENT };
    static const uint8_t io[] = { NVME_FLUSH, NVME_WRITE, NVME_READ, NVME_WRITE_ZEROES,
                                  NVME_DATASET };
    static const uint8_t zone[] = { NVME_ZONE_SEND, NVME_ZONE_RECEIVE, NVME_ZONE_APPEND };

    for (unsigned i = 0; i < sizeof(admin); i++) {
        page[4 * admin[i]] = 1; /* supported */
    }
    page[4 * NVME_ATTACHMENT] = n->subsys ? 1 | 1 << 3 : 0; /* it changes which there are */
    for (unsigned i = 0; i < sizeof(io); i++) {
        bool changes = io[i] != NVME_READ && io[i] != NVME_FLUSH;

        page[1024 + 4 * io[i]] = changes ? 3 : 1;
    }
    for (unsigned i = 0; zoned && i < sizeof(zone); i++) {
        page[1024 + 4 * zone[i]] = zone[i] == NVME_ZONE_RECEIVE ? 1 : 3;
    }
}

static void fill_nvm_effects(const Nvme *n, uint8_t *page)
{
    fill_effects(n, false, page);
}

static void fill_zoned_effects(const Nvme *n, uint8_t *page)
{
    fill_effects(n, true, page);
}

static const struct {
    uint8_t log;
    uint32_t size;
    void (*fill)(const Nvme *n, uint8_t *page); /* NULL: all zero, no entry */
    uint8_t csi;                                /* the command set that it is of */
} pages[] = {
    { LOG_ERROR, 64, NULL },
    { LOG_SMART, SMART_BYTES, fill_smart },
    { LOG_FIRMWARE, 512, fill_firmware },
    { LOG_CHANGED, 4096, fill_changed },
    { LOG_EFFECTS, 4096, fill_nvm_effects },
    { LOG_EFFECTS, 4096, fill_zoned_effects, NVME_CSI_ZONED },
};

NvmeStatus nvme_get_log_page(Nvme *n, const NvmeCommand *cmd, uint32_t *result)
{
    uint8_t log = (uint8_t)cmd->cdw10, page[NVME_DATA_PAGE] = { 0 };
    uint64_t dwords = ((uint64_t)(cmd->cdw11 & 0xffff) << 16 | cmd->cdw10 >> 16) + 1;
    uint64_t offset = (uint64_t)cmd->cdw13 << 32 | cmd->cdw12;
    NvmeStatus status;
    unsigned i = 0;

    while (i < G_N_ELEMENTS(pages) && pages[i].log != log) {
        i++;
    }
    if (i == G_N_ELEMENTS(pages)) {
        return NVME_BAD_LOG_PAGE;
    }
    while (log == LOG_EFFECTS && i < G_N_ELEMENTS(pages) && pages[i].csi != cmd->cdw14 >> 24) {
        i++;
    }
    if (i == G_N_ELEMENTS(pages)) {
        return NVME_BAD_FIELD;
    }
    if (offset & 3 || offset >= pages[i].size) {
        return NVME_BAD_FIELD;
    }
    if (pages[i].fill) {
        pages[i].fill(n, page);
    }
    status = nvme_copy(n, cmd, page + offset, MIN(4 * dwords, pages[i].size - offset), true);
    if (status == NVME_OK && !(cmd->cdw10 & RETAIN)) {
        if (log == LOG_CHANGED) {
            memset(n->changed, 0, sizeof(n->changed));
        }
        log_was_read(n, log);
    }
    return status;
}
