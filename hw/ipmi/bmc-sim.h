/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ipmi-bmc-sim: a management controller with what system software looks for (IPMI 2.0): the
 * device's identification, a watchdog, the chassis's power, an event log (SEL), a repository of
 * sensors (SDR), an inventory (FRU). Commands are in tables, one for each network function.
 */
#ifndef HW_IPMI_BMC_SIM_H
#define HW_IPMI_BMC_SIM_H

#include "hw/ipmi/ipmi.h"
#include "util/timer.h"

#define TYPE_IPMI_BMC_SIM "ipmi-bmc-sim"

enum { SIM_SEL_MAX = 128, SIM_SEL_RECORD = 16, SIM_FRU_MAX = 65535 };

/* Message flags, and global enables (sections 22.2, 22.4). */
enum {
    SIM_FLAG_EVENT_BUFFER = 1 << 1,
    SIM_FLAG_WATCHDOG = 1 << 3,

    SIM_ENABLE_MESSAGES = 1 << 0,
    SIM_ENABLE_EVENT_INTERRUPT = 1 << 1,
    SIM_ENABLE_EVENT_BUFFER = 1 << 2,
    SIM_ENABLE_SEL = 1 << 3,
};

typedef struct SimWatchdog {
    uint8_t use, actions, pretimeout, expired;
    uint16_t initial, present; /* of 100 ms; present: while it is not running */
    bool set, running, pre_fired;
    Timer *timer;
} SimWatchdog;

typedef struct IpmiSim {
    IpmiBmc parent;
    /* configuration: properties */
    uint8_t device_id, device_rev, fwrev1, fwrev2, ipmi_version;
    uint32_t mfg_id;
    uint16_t product_id, fru_size;
    char *guid_text, *sdr_file, *fru_file;
    /* wiring */
    GByteArray *sdr;  /* records one after the other */
    uint8_t guid[16]; /* all zero: none */
    uint8_t *fru;     /* fru_size bytes */
    /* state */
    uint8_t enables, flags, acpi_state[2], receiver[2];
    uint8_t event[SIM_SEL_RECORD];
    uint8_t sel[SIM_SEL_MAX][SIM_SEL_RECORD];
    uint16_t sel_count, sel_reservation, sdr_reservation;
    uint16_t sel_next_id;
    uint32_t sel_erased;
    int64_t sel_time;  /* seconds: what is added to the virtual clock's */
    GBytes *fru_saved; /* while it is saved and loaded */
    SimWatchdog watchdog;
} IpmiSim;
OBJECT_CAST_DEFINE(IpmiSim, IPMI_SIM, TYPE_IPMI_BMC_SIM)

/* A request, and the answer that is being made of it. */
typedef struct SimCall {
    const uint8_t *data; /* behind the command */
    unsigned len;
    uint8_t *out; /* behind the completion code */
    unsigned out_len;
} SimCall;

typedef struct SimCommand {
    uint8_t command;
    uint8_t least; /* bytes of data */
    /* Completion code; the answer's data only if that is IPMI_OK. */
    uint8_t (*run)(IpmiSim *s, SimCall *call);
} SimCommand;

extern const SimCommand sim_app_commands[], sim_sel_commands[], sim_sdr_commands[],
    sim_watchdog_commands[];

/* Append a byte, or a little-endian number of @size bytes, to an answer; what has no room is
 * dropped. */
void sim_put(SimCall *call, uint64_t value, unsigned size);
void sim_put_bytes(SimCall *call, const void *data, unsigned size);
static inline uint16_t sim_u16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

/* Does the request begin with @reservation, if one was made (it is not 0)? */
static inline bool sim_reserved(const SimCall *call, uint16_t reservation)
{
    return reservation && sim_u16(call->data) == reservation;
}

/* Attention, as flags and enables say. */
void sim_update_attention(IpmiSim *s);
/* An event: to the log, and to the buffer if that is free. @event: 16 bytes, of which number and
 * time are filled in. False: the log is full. */
bool sim_add_event(IpmiSim *s, const uint8_t *event, uint16_t *id);
/* From the controller's own sensor @number of @type. */
void sim_sensor_event(IpmiSim *s, uint8_t type, uint8_t number, const uint8_t data[3]);

void sim_watchdog_init(IpmiSim *s);
void sim_watchdog_destroy(IpmiSim *s);
void sim_watchdog_reset(IpmiSim *s);
extern const StateTable sim_watchdog_state;

/* The repository, out of a file or our own, and the inventory. */
bool sim_sdr_load(IpmiSim *s, GError **errp);
bool sim_fru_load(IpmiSim *s, GError **errp);

#endif
