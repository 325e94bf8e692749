/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a CXL memory device keeps of what happened to it: event logs (Compute Express Link 3.0,
 * section 8.2.9.2), and the list of memory that is poisoned (section 8.2.9.8.4). Machine lock.
 */
#ifndef HW_CXL_CXL_EVENTS_H
#define HW_CXL_CXL_EVENTS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/state.h"

#define CXL_EVENT_BYTES   128
#define CXL_EVENT_RECORDS 15 /* that a log has room for, and a reply of the mailbox */
#define CXL_POISON_UNIT   64
#define CXL_POISON_RANGES 120

typedef enum CxlEventLog {
    CXL_EVENT_INFO,
    CXL_EVENT_WARNING,
    CXL_EVENT_FAILURE,
    CXL_EVENT_FATAL,
    CXL_EVENT_LOGS,
} CxlEventLog;

typedef struct CxlLog {
    uint8_t records[CXL_EVENT_RECORDS * CXL_EVENT_BYTES]; /* the oldest first */
    uint8_t count;
    uint8_t policy;      /* 1: an interrupt tells of records */
    uint16_t handle;     /* of the last one; they are from 1 on */
    uint16_t lost;       /* for which there was no room */
    uint64_t lost_at[2]; /* timestamps of the first and the last of those */
} CxlLog;

typedef enum CxlPoisonSource {
    CXL_POISON_EXTERNAL = 1,
    CXL_POISON_INTERNAL = 2,
    CXL_POISON_INJECTED = 3,
} CxlPoisonSource;

typedef struct CxlPoison {
    uint64_t start, size; /* bytes, multiples of CXL_POISON_UNIT */
    uint8_t source;
} CxlPoison;

typedef struct CxlPoisonList {
    CxlPoison ranges[CXL_POISON_RANGES]; /* by address, without overlaps */
    uint32_t count;
} CxlPoisonList;

extern const StateTable cxl_log_state, cxl_poison_list_state;

/* Add a record, whose handle and time are filled in, at @timestamp. False: there is no room, and it
 * is counted. */
bool cxl_log_add(CxlLog *log, const uint8_t record[CXL_EVENT_BYTES], uint64_t timestamp);
/* Take out the oldest, which has @handle. False: it has another. */
bool cxl_log_clear(CxlLog *log, uint16_t handle);
void cxl_log_clear_all(CxlLog *log);

/* Whether [@start, @start + @size) touches some; add it, false: the list is full; take it out, of
 * which ranges may fall into two. */
bool cxl_poison_touches(const CxlPoisonList *list, uint64_t start, uint64_t size);
bool cxl_poison_add(CxlPoisonList *list, uint64_t start, uint64_t size, CxlPoisonSource source);
bool cxl_poison_clear(CxlPoisonList *list, uint64_t start, uint64_t size);

#endif
