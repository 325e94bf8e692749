/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The event log, SEL (chapter 31): records of 16 bytes, the oldest first. */
#include <string.h>

#include "hw/ipmi/bmc-sim.h"
#include "util/clock.h"

enum {
    RECORD_ID = 0,
    RECORD_TYPE = 2,
    RECORD_TIME = 3,
    GENERATOR = 7,
    FORMAT = 9,
    SENSOR_TYPE = 10
};
enum { SENSOR = 11, EVENT_KIND = 12, EVENT_DATA = 13 };
enum { FIRST = 0x0000, LAST = 0xffff };
enum { SEL_VERSION = 0x51, CAN_RESERVE = 0x02, CAN_DELETE = 0x08, OVERFLOWED = 0x80 };
enum { SYSTEM_EVENT = 0x02, TIMED_LAST = 0xdf, OEM_FIRST = 0xe0 };

static uint32_t now(const IpmiSim *s)
{
    return (uint32_t)(clock_ns() / NS_PER_SEC + s->sel_time);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    value = GUINT32_TO_LE(value);
    memcpy(at, &value, sizeof(value));
}

static bool append(IpmiSim *s, const uint8_t *event, uint16_t *id)
{
    uint8_t *record;

    if (s->sel_count == SIM_SEL_MAX) {
        return false;
    }
    record = s->sel[s->sel_count];
    *id = s->sel_next_id;
    s->sel_next_id = *id >= LAST - 1 ? 1 : *id + 1;
    s->sel_count++;
    memcpy(record, event, SIM_SEL_RECORD);
    record[RECORD_ID] = (uint8_t)*id;
    record[RECORD_ID + 1] = *id >> 8;
    if (record[RECORD_TYPE] < OEM_FIRST) {
        put_u32(record + RECORD_TIME, now(s));
    }
    return true;
}

bool sim_add_event(IpmiSim *s, const uint8_t *event, uint16_t *id)
{
    bool logged = !(s->enables & SIM_ENABLE_SEL) || append(s, event, id);

    if (s->enables & SIM_ENABLE_EVENT_BUFFER && !(s->flags & SIM_FLAG_EVENT_BUFFER)) {
        memcpy(s->event, event, sizeof(s->event));
        s->flags |= SIM_FLAG_EVENT_BUFFER;
        sim_update_attention(s);
    }
    return logged;
}

void sim_sensor_event(IpmiSim *s, uint8_t type, uint8_t number, const uint8_t data[3])
{
    uint8_t event[SIM_SEL_RECORD] = { 0 };
    uint16_t id;

    event[RECORD_TYPE] = SYSTEM_EVENT;
    event[GENERATOR] = s->parent.address;
    event[FORMAT] = 4;
    event[SENSOR_TYPE] = type;
    event[SENSOR] = number;
    event[EVENT_KIND] = 0x6f;
    memcpy(event + EVENT_DATA, data, 3);
    sim_add_event(s, event, &id);
}

static uint8_t get_info(IpmiSim *s, SimCall *call)
{
    unsigned count = s->sel_count;
    uint32_t last = UINT32_MAX;

    if (count) {
        memcpy(&last, s->sel[count - 1] + RECORD_TIME, sizeof(last));
        last = GUINT32_FROM_LE(last);
    }
    sim_put(call, SEL_VERSION, 1);
    sim_put(call, count, 2);
    sim_put(call, (SIM_SEL_MAX - count) * SIM_SEL_RECORD, 2);
    sim_put(call, last, 4);
    sim_put(call, s->sel_erased, 4);
    sim_put(call, CAN_RESERVE | CAN_DELETE | (count == SIM_SEL_MAX ? OVERFLOWED : 0), 1);
    return IPMI_OK;
}

static uint16_t new_reservation(uint16_t *reservation)
{
    *reservation = *reservation == UINT16_MAX ? 1 : *reservation + 1;
    return *reservation;
}

static uint8_t reserve_sel(IpmiSim *s, SimCall *call)
{
    sim_put(call, new_reservation(&s->sel_reservation), 2);
    return IPMI_OK;
}

/* The place of the record @id; the count: there is none. */
static unsigned find(const IpmiSim *s, uint16_t id)
{
    unsigned n = 0;

    if (id == FIRST) {
        return 0;
    }
    if (id == LAST && s->sel_count) {
        return s->sel_count - 1u;
    }
    while (n < s->sel_count && sim_u16(s->sel[n]) != id) {
        n++;
    }
    return n;
}

/* Part of a record: where, how much. */
static uint8_t put_part(SimCall *call, const uint8_t *record, unsigned size, unsigned offset,
                        unsigned len)
{
    if (offset >= size) {
        return IPMI_RANGE;
    }
    sim_put_bytes(call, record + offset, MIN(len, size - offset));
    return IPMI_OK;
}

static uint8_t get_entry(IpmiSim *s, SimCall *call)
{
    unsigned n = find(s, sim_u16(call->data + 2)), offset = call->data[4];

    if (offset && !sim_reserved(call, s->sel_reservation)) {
        return IPMI_RESERVATION;
    }
    if (n >= s->sel_count) {
        return IPMI_NOT_PRESENT;
    }
    sim_put(call, n + 1u < s->sel_count ? sim_u16(s->sel[n + 1]) : LAST, 2);
    return put_part(call, s->sel[n], SIM_SEL_RECORD, offset, call->data[5]);
}

static uint8_t add_entry(IpmiSim *s, SimCall *call)
{
    uint16_t id;

    if (!append(s, call->data, &id)) {
        return IPMI_NO_SPACE;
    }
    sim_put(call, id, 2);
    return IPMI_OK;
}

static uint8_t delete_entry(IpmiSim *s, SimCall *call)
{
    unsigned n = find(s, sim_u16(call->data + 2));

    if (!sim_reserved(call, s->sel_reservation)) {
        return IPMI_RESERVATION;
    }
    if (n >= s->sel_count) {
        return IPMI_NOT_PRESENT;
    }
    sim_put(call, sim_u16(s->sel[n]), 2);
    if (n + 1 < s->sel_count) {
        memmove(s->sel[n], s->sel[n + 1], (s->sel_count - n - 1) * SIM_SEL_RECORD);
    }
    s->sel_count--;
    s->sel_erased = now(s);
    new_reservation(&s->sel_reservation);
    return IPMI_OK;
}

static uint8_t clear_sel(IpmiSim *s, SimCall *call)
{
    enum { INITIATE = 0xaa, ASK = 0, DONE = 1 };

    if (!sim_reserved(call, s->sel_reservation)) {
        return IPMI_RESERVATION;
    }
    if (memcmp(call->data + 2, "CLR", 3) != 0 ||
        (call->data[5] != INITIATE && call->data[5] != ASK)) {
        return IPMI_BAD_FIELD;
    }
    if (call->data[5] == INITIATE) {
        s->sel_count = 0;
        s->sel_erased = now(s);
        new_reservation(&s->sel_reservation);
    }
    sim_put(call, DONE, 1);
    return IPMI_OK;
}

static uint8_t get_time(IpmiSim *s, SimCall *call)
{
    sim_put(call, now(s), 4);
    return IPMI_OK;
}

static uint8_t set_time(IpmiSim *s, SimCall *call)
{
    uint32_t time = (uint32_t)sim_u16(call->data + 2) << 16 | sim_u16(call->data);

    s->sel_time = (int64_t)time - clock_ns() / NS_PER_SEC;
    return IPMI_OK;
}

const SimCommand sim_sel_commands[] = {
    { 0x40, 0, get_info },
    { 0x42, 0, reserve_sel },
    { 0x43, 6, get_entry },
    { 0x44, SIM_SEL_RECORD, add_entry },
    { 0x46, 4, delete_entry },
    { 0x47, 6, clear_sel },
    { 0x48, 0, get_time },
    { 0x49, 4, set_time },
    {},
};
