/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cxl/cxl-mailbox.h"

#include <string.h>

#include "hw/cxl/cxl-commands.h"

static uint64_t get(const CxlType3 *s, unsigned at, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, s->registers + at, size);
    return value;
}

static void put(CxlType3 *s, unsigned at, uint64_t value, unsigned size)
{
    memcpy(s->registers + at, &value, size);
}

/* ---- the mailbox ---- */

/* The doorbell rang. */
static void execute(CxlType3 *s)
{
    uint64_t command = get(s, AT_MAILBOX + MAILBOX_COMMAND, 8);
    uint32_t length = command >> MAILBOX_LENGTH_SHIFT & ((1u << MAILBOX_LENGTH_BITS) - 1);
    uint8_t in[MAILBOX_PAYLOAD_SIZE], out[MAILBOX_PAYLOAD_SIZE];
    CxlReturn code = CXL_INVALID_LENGTH;
    size_t out_length = 0;

    if (length <= sizeof(in)) {
        memcpy(in, s->registers + AT_MAILBOX + MAILBOX_PAYLOAD, length);
        code = cxl_command(s, (uint16_t)command, in, length, out, &out_length);
        memcpy(s->registers + AT_MAILBOX + MAILBOX_PAYLOAD, out, out_length);
    }
    put(s, AT_MAILBOX + MAILBOX_COMMAND,
        (command & UINT16_MAX) | (uint64_t)out_length << MAILBOX_LENGTH_SHIFT, 8);
    put(s, AT_MAILBOX + MAILBOX_STATUS, (uint64_t)code << MAILBOX_RETURN_SHIFT, 8);
    put(s, AT_MAILBOX + MAILBOX_CONTROL, 0, 4);
}

/* ---- accesses ---- */

static uint64_t device_read(void *opaque, hwaddr addr, unsigned size)
{
    return get(opaque, (unsigned)addr, size);
}

static bool within(hwaddr addr, unsigned size, unsigned at, unsigned bytes)
{
    return addr >= at && addr + size <= at + bytes;
}

static void device_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    CxlType3 *s = opaque;

    if (within(addr, size, AT_MAILBOX + MAILBOX_COMMAND, 8) ||
        within(addr, size, AT_MAILBOX + MAILBOX_PAYLOAD, MAILBOX_PAYLOAD_SIZE)) {
        put(s, (unsigned)addr, value, size);
    } else if (addr == AT_MAILBOX + MAILBOX_CONTROL && value & MAILBOX_DOORBELL) {
        execute(s);
    }
}

const MemoryRegionOps cxl_mailbox_ops = { device_read, device_write, 1, 8 };

/* ---- reset ---- */

void cxl_mailbox_update_status(CxlType3 *s)
{
    uint32_t status = 0;

    for (unsigned i = 0; i < CXL_EVENT_LOGS; i++) {
        status |= s->logs[i].count ? 1u << i : 0;
    }
    put(s, AT_DEVICE_STATUS, status, 4);
}

void cxl_mailbox_reset(CxlType3 *s)
{
    static const struct {
        uint16_t id;
        uint32_t at, size;
    } capabilities[] = {
        { DEVICE_CAP_STATUS, AT_DEVICE_STATUS, 8 },
        { DEVICE_CAP_MAILBOX, AT_MAILBOX, MAILBOX_BYTES },
        { DEVICE_CAP_MEMORY_STATUS, AT_MEMORY_STATUS, 8 },
    };
    enum { HEADER_BYTES = 0x10, VERSION_SHIFT = 16, COUNT = 4, PLACE = 4, LENGTH = 8 };
    const uint32_t version = 1u << VERSION_SHIFT;

    memset(s->registers, 0, sizeof(s->registers));
    put(s, 0, version, 4); /* capability ID 0: the array */
    put(s, COUNT, G_N_ELEMENTS(capabilities), 2);
    for (unsigned i = 0; i < G_N_ELEMENTS(capabilities); i++) {
        unsigned at = HEADER_BYTES * (i + 1);

        put(s, at, capabilities[i].id | version, 4);
        put(s, at + PLACE, capabilities[i].at, 4);
        put(s, at + LENGTH, capabilities[i].size, 4);
    }
    put(s, AT_MAILBOX + MAILBOX_CAP, MAILBOX_PAYLOAD_LOG2, 4);
    put(s, AT_MEMORY_STATUS, MEMORY_STATUS_READY | MEMORY_STATUS_MAILBOX_READY, 8);
    cxl_mailbox_update_status(s);
}
