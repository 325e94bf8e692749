/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cxl/cxl-commands.h"

#include <string.h>

#include "hw/cxl/cxl-mailbox.h"
#include "memory/dirty.h"
#include "util/clock.h"
#include "util/units.h"

typedef struct Command Command;

/* What a command is given, and what it returns. */
typedef struct Call {
    CxlType3 *s;
    const uint8_t *in;
    size_t length;
    uint8_t *out;
    size_t *out_length;
} Call;

struct Command {
    uint16_t opcode;
    size_t least, most; /* bytes of input */
    uint16_t effects;   /* as the Command Effects Log says (section 8.2.9.5.2.1) */
    CxlReturn (*run)(const Call *call);
};

enum {
    EFFECT_CONFIGURATION = 1 << 1, /* at once */
    EFFECT_DATA = 1 << 2,
    EFFECT_POLICY = 1 << 3,
    EFFECT_LOG = 1 << 4,
};

static uint64_t input(const Call *call, size_t at, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, call->in + at, size);
    return value;
}

static void put(const Call *call, size_t at, uint64_t value, unsigned size)
{
    memcpy(call->out + at, &value, size);
}

/* The reply has @length bytes, zeros at first. */
static void reply(const Call *call, size_t length)
{
    memset(call->out, 0, length);
    *call->out_length = length;
}

/* ---- events (section 8.2.9.2) ---- */

static CxlReturn get_events(const Call *call)
{
    enum { HEADER = 32, OVERFLOW = 1 << 0 };
    const CxlLog *log;

    if (call->in[0] >= CXL_EVENT_LOGS) {
        return CXL_INVALID_INPUT;
    }
    log = &call->s->logs[call->in[0]];
    reply(call, HEADER + (size_t)log->count * CXL_EVENT_BYTES);
    put(call, 0, log->lost ? OVERFLOW : 0, 1);
    put(call, 2, log->lost, 2);
    put(call, 4, log->lost ? log->lost_at[0] : 0, 8);
    put(call, 12, log->lost ? log->lost_at[1] : 0, 8);
    put(call, 20, log->count, 2);
    memcpy(call->out + HEADER, log->records, (size_t)log->count * CXL_EVENT_BYTES);
    return CXL_SUCCESS;
}
_Static_assert(32 + CXL_EVENT_RECORDS * CXL_EVENT_BYTES <= MAILBOX_PAYLOAD_SIZE, "");

/* Records go in their order: the others stay when one is named that is not next. */
static CxlReturn clear_events(const Call *call)
{
    enum { FLAGS = 1, COUNT = 2, HANDLES = 6, CLEAR_ALL = 1 << 0 };
    CxlReturn code = CXL_SUCCESS;
    CxlLog *log;

    if (call->in[0] >= CXL_EVENT_LOGS || call->length < HANDLES + 2 * (size_t)call->in[COUNT]) {
        return CXL_INVALID_INPUT;
    }
    log = &call->s->logs[call->in[0]];
    if (call->in[FLAGS] & CLEAR_ALL) {
        if (!log->lost) { /* for logs that have overflowed only */
            return CXL_INVALID_INPUT;
        }
        cxl_log_clear_all(log);
    }
    for (unsigned i = 0; !(call->in[FLAGS] & CLEAR_ALL) && i < call->in[COUNT]; i++) {
        if (!cxl_log_clear(log, (uint16_t)input(call, HANDLES + 2 * i, 2))) {
            code = CXL_INVALID_HANDLE;
            break;
        }
    }
    cxl_mailbox_update_status(call->s);
    return code;
}

static CxlReturn get_event_policy(const Call *call)
{
    reply(call, CXL_EVENT_LOGS);
    for (unsigned i = 0; i < CXL_EVENT_LOGS; i++) {
        put(call, i, call->s->logs[i].policy | (CXL_VECTOR_EVENTS + i) << 4, 1);
    }
    return CXL_SUCCESS;
}

static CxlReturn set_event_policy(const Call *call)
{
    for (unsigned i = 0; i < CXL_EVENT_LOGS; i++) {
        if ((call->in[i] & 3) > 1) { /* there is no firmware to tell */
            return CXL_INVALID_INPUT;
        }
    }
    for (unsigned i = 0; i < CXL_EVENT_LOGS; i++) {
        call->s->logs[i].policy = call->in[i] & 3;
    }
    return CXL_SUCCESS;
}

/* ---- firmware, time, logs (sections 8.2.9.3 to 8.2.9.5) ---- */

static const char firmware_version[16] = "DIMMABLE 1";

static CxlReturn get_firmware(const Call *call)
{
    enum { SIZE = 0x50, VERSION_1 = 16 };

    reply(call, SIZE);
    put(call, 0, 1, 1); /* slots */
    put(call, 1, 1, 1); /* the active one */
    memcpy(call->out + VERSION_1, firmware_version, sizeof(firmware_version));
    return CXL_SUCCESS;
}

static CxlReturn get_timestamp(const Call *call)
{
    reply(call, 8);
    put(call, 0, cxl_type3_timestamp(call->s), 8);
    return CXL_SUCCESS;
}

static CxlReturn set_timestamp(const Call *call)
{
    call->s->timestamp_set = true;
    call->s->timestamp = input(call, 0, 8);
    call->s->timestamp_at = clock_ns();
    return CXL_SUCCESS;
}

static const uint8_t effects_log[16] = { 0x0d, 0xa9, 0xc0, 0xb5, 0xbf, 0x41, 0x4b, 0x78,
                                         0x8f, 0x79, 0x96, 0xb1, 0x62, 0x3b, 0x3f, 0x17 };

static unsigned command_count(void);

static CxlReturn get_supported_logs(const Call *call)
{
    enum { HEADER = 8, ENTRY = 20, SIZE_AT = HEADER + 16, EFFECT_BYTES = 4 };

    reply(call, HEADER + ENTRY);
    put(call, 0, 1, 2); /* entries */
    memcpy(call->out + HEADER, effects_log, sizeof(effects_log));
    put(call, SIZE_AT, command_count() * EFFECT_BYTES, 4);
    return CXL_SUCCESS;
}

static CxlReturn get_log(const Call *call);

/* ---- the device (section 8.2.9.8) ---- */

static uint64_t labels_size(const CxlType3 *s)
{
    return cxl_type3_labels(s) ? cxl_type3_labels(s)->size : 0;
}

static CxlReturn identify(const Call *call)
{
    enum { SIZE = 67, POISON_INJECT = 1 << 0 };
    const CxlType3 *s = call->s;

    reply(call, SIZE);
    memcpy(call->out, firmware_version, sizeof(firmware_version));
    put(call, 16, cxl_type3_size(s) / CXL_DECODER_UNIT, 8);
    put(call, 24, cxl_type3_volatile_size(s) / CXL_DECODER_UNIT, 8);
    put(call, 32, cxl_type3_persistent_size(s) / CXL_DECODER_UNIT, 8);
    for (unsigned i = 0; i < CXL_EVENT_LOGS; i++) {
        put(call, 48 + 2 * i, CXL_EVENT_RECORDS, 2);
    }
    put(call, 56, labels_size(s), 4);
    put(call, 60, CXL_POISON_RANGES, 3);
    put(call, 63, CXL_POISON_RANGES, 2);
    put(call, 65, POISON_INJECT, 1);
    return CXL_SUCCESS;
}

static CxlReturn get_partitions(const Call *call)
{
    reply(call, 32);
    put(call, 0, cxl_type3_volatile_size(call->s) / CXL_DECODER_UNIT, 8);
    put(call, 8, cxl_type3_persistent_size(call->s) / CXL_DECODER_UNIT, 8);
    put(call, 16, cxl_type3_volatile_size(call->s) / CXL_DECODER_UNIT, 8); /* after a reset */
    put(call, 24, cxl_type3_persistent_size(call->s) / CXL_DECODER_UNIT, 8);
    return CXL_SUCCESS;
}

static bool in_labels(const CxlType3 *s, uint64_t offset, uint64_t size)
{
    return offset <= labels_size(s) && size <= labels_size(s) - offset;
}

static CxlReturn get_labels(const Call *call)
{
    uint64_t offset = input(call, 0, 4), size = input(call, 4, 4);

    if (size > MAILBOX_PAYLOAD_SIZE || !in_labels(call->s, offset, size)) {
        return CXL_INVALID_INPUT;
    }
    if (size) {
        memcpy(call->out, cxl_type3_labels(call->s)->ram->host + offset, size);
    }
    *call->out_length = size;
    return CXL_SUCCESS;
}

static CxlReturn set_labels(const Call *call)
{
    enum { HEADER = 8 };
    uint64_t offset = input(call, 0, 4), size = call->length - HEADER;
    RamBlock *ram;

    if (!in_labels(call->s, offset, size)) {
        return CXL_INVALID_INPUT;
    }
    if (size) {
        ram = cxl_type3_labels(call->s)->ram;
        memcpy(ram->host + offset, call->in + HEADER, size);
        dirty_mark(ram, offset, size);
    }
    return CXL_SUCCESS;
}

/* All is well. */
static CxlReturn get_health(const Call *call)
{
    enum { SIZE = 18, TEMPERATURE = 25 };

    reply(call, SIZE);
    put(call, 4, TEMPERATURE, 2);
    return CXL_SUCCESS;
}

/* ---- poison (section 8.2.9.8.4) ---- */

static bool in_memory(const CxlType3 *s, uint64_t dpa, uint64_t size)
{
    return dpa <= cxl_type3_size(s) && size <= cxl_type3_size(s) - dpa;
}

static CxlReturn get_poison(const Call *call)
{
    enum { HEADER = 32, COUNT = 10, RECORD = 16 };
    const CxlPoisonList *list = &call->s->poison;
    uint64_t start = input(call, 0, 8), units = input(call, 8, 8);
    unsigned count = 0;

    if (start % CXL_POISON_UNIT || units > UINT64_MAX / CXL_POISON_UNIT) {
        return CXL_INVALID_INPUT;
    }
    if (!in_memory(call->s, start, units * CXL_POISON_UNIT)) {
        return CXL_INVALID_ADDRESS;
    }
    reply(call, HEADER + sizeof(list->ranges) / sizeof(list->ranges[0]) * RECORD);
    for (unsigned i = 0; i < list->count; i++) {
        uint64_t first = MAX(list->ranges[i].start, start);
        uint64_t end =
            MIN(list->ranges[i].start + list->ranges[i].size, start + units * CXL_POISON_UNIT);

        if (first < end) {
            put(call, HEADER + count * RECORD, first | list->ranges[i].source, 8);
            put(call, HEADER + count * RECORD + 8, (end - first) / CXL_POISON_UNIT, 4);
            count++;
        }
    }
    put(call, COUNT, count, 2);
    *call->out_length = HEADER + count * RECORD;
    return CXL_SUCCESS;
}
_Static_assert(32 + CXL_POISON_RANGES * 16 <= MAILBOX_PAYLOAD_SIZE, "");

static CxlReturn check_poison_address(const Call *call)
{
    uint64_t dpa = input(call, 0, 8);

    return dpa % CXL_POISON_UNIT                       ? CXL_INVALID_INPUT
           : !in_memory(call->s, dpa, CXL_POISON_UNIT) ? CXL_INVALID_ADDRESS
                                                       : CXL_SUCCESS;
}

/* A general media event (section 8.2.9.2.1.1) says that there is some more. */
static void tell_poison(CxlType3 *s, uint64_t dpa)
{
    static const uint8_t general_media[16] = { 0xfb, 0xcd, 0x0a, 0x77, 0xc2, 0x60, 0x41, 0x7f,
                                               0x85, 0xa9, 0x08, 0x8b, 0x16, 0x21, 0xeb, 0xa6 };
    enum { LENGTH = 0x10, ADDRESS = 0x30, TRANSACTION = 0x3a, HOST_INJECTS_POISON = 4 };
    uint8_t record[CXL_EVENT_BYTES] = {
        [LENGTH] = CXL_EVENT_BYTES, [TRANSACTION] = HOST_INJECTS_POISON
    };

    memcpy(record, general_media, sizeof(general_media));
    memcpy(record + ADDRESS, &dpa, sizeof(dpa));
    cxl_type3_event(s, CXL_EVENT_INFO, record);
}

static CxlReturn inject_poison(const Call *call)
{
    uint64_t dpa = input(call, 0, 8);
    CxlReturn code = check_poison_address(call);

    if (code != CXL_SUCCESS || cxl_poison_touches(&call->s->poison, dpa, CXL_POISON_UNIT)) {
        return code;
    }
    if (!cxl_poison_add(&call->s->poison, dpa, CXL_POISON_UNIT, CXL_POISON_INJECTED)) {
        return CXL_POISON_LIMIT;
    }
    tell_poison(call->s, dpa);
    return CXL_SUCCESS;
}

/* And write what the memory is to have. */
static CxlReturn clear_poison(const Call *call)
{
    uint64_t dpa = input(call, 0, 8);
    CxlReturn code = check_poison_address(call);

    if (code != CXL_SUCCESS) {
        return code;
    }
    if (!cxl_poison_clear(&call->s->poison, dpa, CXL_POISON_UNIT)) {
        return CXL_INTERNAL_ERROR;
    }
    cxl_type3_write(call->s, dpa, call->in + 8, CXL_POISON_UNIT);
    return CXL_SUCCESS;
}

/* ---- all of them ---- */

static const Command commands[] = {
    { 0x0100, 1, 1, 0, get_events },
    { 0x0101, 6, MAILBOX_PAYLOAD_SIZE, EFFECT_LOG, clear_events },
    { 0x0102, 0, 0, 0, get_event_policy },
    { 0x0103, CXL_EVENT_LOGS, CXL_EVENT_LOGS + 1, EFFECT_POLICY, set_event_policy },
    { 0x0200, 0, 0, 0, get_firmware },
    { 0x0300, 0, 0, 0, get_timestamp },
    { 0x0301, 8, 8, EFFECT_POLICY, set_timestamp },
    { 0x0400, 0, 0, 0, get_supported_logs },
    { 0x0401, 24, 24, 0, get_log },
    { 0x4000, 0, 0, 0, identify },
    { 0x4100, 0, 0, 0, get_partitions },
    { 0x4102, 8, 8, 0, get_labels },
    { 0x4103, 8, MAILBOX_PAYLOAD_SIZE, EFFECT_CONFIGURATION | EFFECT_DATA, set_labels },
    { 0x4200, 0, 0, 0, get_health },
    { 0x4300, 16, 16, 0, get_poison },
    { 0x4301, 8, 8, EFFECT_DATA, inject_poison },
    { 0x4302, 72, 72, EFFECT_DATA, clear_poison },
};

static unsigned command_count(void)
{
    return G_N_ELEMENTS(commands);
}

/* The Command Effects Log is the only one. */
static CxlReturn get_log(const Call *call)
{
    enum { OFFSET = 16, LENGTH = 20 };
    uint8_t log[G_N_ELEMENTS(commands) * 4];
    uint64_t offset = input(call, OFFSET, 4), size = input(call, LENGTH, 4);

    if (memcmp(call->in, effects_log, sizeof(effects_log)) != 0 || offset > sizeof(log) ||
        size > sizeof(log) - offset) {
        return CXL_INVALID_INPUT;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        memcpy(log + 4 * i, &commands[i].opcode, 2);
        memcpy(log + 4 * i + 2, &commands[i].effects, 2);
    }
    memcpy(call->out, log + offset, size);
    *call->out_length = size;
    return CXL_SUCCESS;
}

CxlReturn cxl_command(CxlType3 *s, uint16_t opcode, const uint8_t *in, size_t length, uint8_t *out,
                      size_t *out_length)
{
    const Call call = { s, in, length, out, out_length };

    *out_length = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (commands[i].opcode == opcode) {
            return length >= commands[i].least && length <= commands[i].most
                       ? commands[i].run(&call)
                       : CXL_INVALID_LENGTH;
        }
    }
    return CXL_UNSUPPORTED;
}
