/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cxl/cxl-events.h"

#include <string.h>

#include "util/error.h"

/* ---- logs ---- */

enum {
    EVENT_HANDLE = 0x14,
    EVENT_TIMESTAMP = 0x18,
};

static uint8_t *record_of(CxlLog *log, unsigned n)
{
    return log->records + n * CXL_EVENT_BYTES;
}

static uint16_t handle_of(const uint8_t *record)
{
    return (uint16_t)(record[EVENT_HANDLE] | record[EVENT_HANDLE + 1] << 8);
}

bool cxl_log_add(CxlLog *log, const uint8_t record[CXL_EVENT_BYTES], uint64_t timestamp)
{
    uint8_t *to;

    if (log->count >= CXL_EVENT_RECORDS) {
        log->lost_at[0] = log->lost ? log->lost_at[0] : timestamp;
        log->lost_at[1] = timestamp;
        log->lost += log->lost < UINT16_MAX;
        return false;
    }
    log->handle = log->handle == UINT16_MAX ? 1 : log->handle + 1;
    to = record_of(log, log->count++);
    memcpy(to, record, CXL_EVENT_BYTES);
    to[EVENT_HANDLE] = (uint8_t)log->handle;
    to[EVENT_HANDLE + 1] = (uint8_t)(log->handle >> 8);
    for (unsigned i = 0; i < sizeof(timestamp); i++) {
        to[EVENT_TIMESTAMP + i] = (uint8_t)(timestamp >> (8 * i));
    }
    return true;
}

bool cxl_log_clear(CxlLog *log, uint16_t handle)
{
    if (!log->count || handle_of(record_of(log, 0)) != handle) {
        return false;
    }
    log->count--;
    memmove(record_of(log, 0), record_of(log, 1), (size_t)log->count * CXL_EVENT_BYTES);
    log->lost = 0;
    return true;
}

void cxl_log_clear_all(CxlLog *log)
{
    log->count = 0;
    log->lost = 0;
}

static const StateField log_fields[] = {
    STATE_UINTS(CxlLog, records),
    STATE_UINT_MAX(CxlLog, count, CXL_EVENT_RECORDS),
    STATE_UINT(CxlLog, policy),
    STATE_UINT(CxlLog, handle),
    STATE_UINT(CxlLog, lost),
    STATE_UINTS(CxlLog, lost_at),
    {},
};
const StateTable cxl_log_state = { .name = "cxl-log", .version = 1, .fields = log_fields };

/* ---- poison ---- */

static uint64_t end_of(const CxlPoison *p)
{
    return p->start + p->size;
}

bool cxl_poison_touches(const CxlPoisonList *list, uint64_t start, uint64_t size)
{
    for (unsigned i = 0; i < list->count; i++) {
        if (start < end_of(&list->ranges[i]) && list->ranges[i].start < start + size) {
            return true;
        }
    }
    return false;
}

static void insert(CxlPoisonList *list, CxlPoison range)
{
    unsigned at = 0;

    while (at < list->count && list->ranges[at].start < range.start) {
        at++;
    }
    memmove(&list->ranges[at + 1], &list->ranges[at], (list->count - at) * sizeof(range));
    list->ranges[at] = range;
    list->count++;
}

static void take_out(CxlPoisonList *list, unsigned at)
{
    list->count--;
    memmove(&list->ranges[at], &list->ranges[at + 1], (list->count - at) * sizeof(list->ranges[0]));
}

bool cxl_poison_clear(CxlPoisonList *list, uint64_t start, uint64_t size)
{
    uint64_t end = start + size;

    for (unsigned i = 0; i < list->count;) {
        CxlPoison old = list->ranges[i];
        bool before = old.start<start, behind = end_of(&old)> end;

        if (start >= end_of(&old) || old.start >= end) {
            i++;
            continue;
        }
        if (before && behind && list->count == CXL_POISON_RANGES) {
            return false;
        }
        take_out(list, i);
        if (before) {
            insert(list, (CxlPoison){ old.start, start - old.start, old.source });
        }
        if (behind) {
            insert(list, (CxlPoison){ end, end_of(&old) - end, old.source });
        }
        i += before + behind;
    }
    return true;
}

bool cxl_poison_add(CxlPoisonList *list, uint64_t start, uint64_t size, CxlPoisonSource source)
{
    CxlPoison range = { start, size, (uint8_t)source };

    for (unsigned i = 0; i < list->count;) { /* one with what it overlaps */
        CxlPoison old = list->ranges[i];

        if (range.start < end_of(&old) && old.start < end_of(&range)) {
            uint64_t end = MAX(end_of(&range), end_of(&old));

            range.start = MIN(range.start, old.start);
            range.size = end - range.start;
            take_out(list, i);
        } else {
            i++;
        }
    }
    if (list->count == CXL_POISON_RANGES) {
        return false;
    }
    insert(list, range);
    return true;
}

static bool poison_loaded(void *obj, GError **errp)
{
    const CxlPoisonList *list = obj;
    uint64_t end = 0;

    for (unsigned i = 0; i < list->count; i++) {
        const CxlPoison *p = &list->ranges[i];

        if (p->start < end || !p->size || p->size > UINT64_MAX - p->start) {
            error_set(errp, "the list of poisoned memory is not in order (range %u)", i);
            return false;
        }
        end = end_of(p);
    }
    return true;
}

static const StateField poison_fields[] = {
    STATE_UINT(CxlPoison, start),
    STATE_UINT(CxlPoison, size),
    STATE_UINT(CxlPoison, source),
    {},
};
static const StateTable poison_state = { .name = "cxl-poison",
                                         .version = 1,
                                         .fields = poison_fields };

static const StateField poison_list_fields[] = {
    STATE_STRUCTS(CxlPoisonList, ranges, &poison_state),
    STATE_UINT_MAX(CxlPoisonList, count, CXL_POISON_RANGES),
    {},
};
const StateTable cxl_poison_list_state = { .name = "cxl-poison-list",
                                           .version = 1,
                                           .fields = poison_list_fields,
                                           .post_load = poison_loaded };
