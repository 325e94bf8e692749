/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The watchdog (chapter 27). */
#include "hw/core/runstate.h"
#include "hw/intc/apic.h"
#include "hw/ipmi/bmc-sim.h"
#include "util/clock.h"

#define TICK (100 * NS_PER_MS)

enum { SENSOR_TYPE = 0x23, SENSOR = 0 };
enum { USE_RUNNING = 0x40, USE_NO_LOG = 0x80, USE_MASK = 0x87 };
enum { NOT_INITIALIZED = 0x80 };
/* What is done when time is up, and before that. */
enum { ACTION_RESET = 1, ACTION_POWER_DOWN = 2, ACTION_POWER_CYCLE = 3 };
enum { PRE_NMI = 2, PRE_MESSAGE = 3 };

static int64_t ticks_ns(uint16_t ticks)
{
    return ticks * TICK;
}

static int64_t pre_ns(const SimWatchdog *w)
{
    bool before = w->actions >> 4 & 7 && !w->pre_fired && w->pretimeout;

    return before ? MIN(w->pretimeout * NS_PER_SEC, ticks_ns(w->initial)) : 0;
}

static void log_event(IpmiSim *s, uint8_t offset)
{
    const SimWatchdog *w = &s->watchdog;
    const uint8_t data[3] = { 0xc0 | offset, w->use & 7, 0xff };

    if (!(w->use & USE_NO_LOG)) {
        sim_sensor_event(s, SENSOR_TYPE, SENSOR, data);
    }
}

static void before_end(IpmiSim *s)
{
    SimWatchdog *w = &s->watchdog;
    unsigned action = w->actions >> 4 & 7;

    timer_mod(w->timer, clock_ns() + pre_ns(w));
    w->pre_fired = true;
    log_event(s, 8);
    if (action == PRE_NMI) {
        apic_nmi();
    } else if (action == PRE_MESSAGE) {
        s->flags |= SIM_FLAG_WATCHDOG;
        sim_update_attention(s);
    }
}

static void at_end(IpmiSim *s)
{
    SimWatchdog *w = &s->watchdog;
    unsigned action = w->actions & 7;

    w->running = false;
    w->present = 0;
    w->expired |= (uint8_t)(1 << (w->use & 7));
    log_event(s, (uint8_t)action);
    if (action == ACTION_RESET || action == ACTION_POWER_CYCLE) {
        runstate_request_reset(SHUTDOWN_CAUSE_GUEST_RESET);
    } else if (action == ACTION_POWER_DOWN) {
        runstate_request_shutdown(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    }
}

static void expired(void *opaque)
{
    IpmiSim *s = opaque;

    if (!s->watchdog.running) {
        return;
    }
    if (pre_ns(&s->watchdog)) {
        before_end(s);
    } else {
        at_end(s);
    }
}

static void stop(SimWatchdog *w)
{
    w->running = false;
    timer_del(w->timer);
}

static uint8_t reset_timer(IpmiSim *s, SimCall *call)
{
    SimWatchdog *w = &s->watchdog;

    if (!w->set) {
        return NOT_INITIALIZED;
    }
    w->pre_fired = false;
    w->running = true;
    timer_mod(w->timer, clock_ns() + ticks_ns(w->initial) - pre_ns(w));
    return IPMI_OK;
}

static uint8_t set_timer(IpmiSim *s, SimCall *call)
{
    SimWatchdog *w = &s->watchdog;
    unsigned use = call->data[0] & 7, action = call->data[1] & 7, pre = call->data[1] >> 4 & 7;
    bool goes_on = call->data[0] & USE_RUNNING && w->running;

    if (use < 1 || use > 5 || action > ACTION_POWER_CYCLE || pre == 1 || pre > PRE_MESSAGE) {
        return IPMI_BAD_FIELD;
    }
    w->use = call->data[0] & USE_MASK;
    w->actions = call->data[1] & 0x77;
    w->pretimeout = call->data[2];
    w->expired &= ~call->data[3];
    w->initial = w->present = sim_u16(call->data + 4);
    w->set = true;
    s->flags &= ~SIM_FLAG_WATCHDOG;
    sim_update_attention(s);
    if (goes_on) {
        return reset_timer(s, call);
    }
    stop(w);
    return IPMI_OK;
}

static uint8_t get_timer(IpmiSim *s, SimCall *call)
{
    SimWatchdog *w = &s->watchdog;
    int64_t left = ticks_ns(w->present);

    if (w->running && timer_pending(w->timer)) {
        left = MAX(timer_expiry(w->timer) + pre_ns(w) - clock_ns(), 0);
    }
    sim_put(call, w->use | (w->running ? USE_RUNNING : 0), 1);
    sim_put(call, w->actions, 1);
    sim_put(call, w->pretimeout, 1);
    sim_put(call, w->expired, 1);
    sim_put(call, w->initial, 2);
    sim_put(call, (uint64_t)MIN(left / TICK, UINT16_MAX), 2);
    return IPMI_OK;
}

const SimCommand sim_watchdog_commands[] = {
    { 0x22, 0, reset_timer },
    { 0x24, 6, set_timer },
    { 0x25, 0, get_timer },
    {},
};

void sim_watchdog_init(IpmiSim *s)
{
    s->watchdog.timer = timer_new(expired, s);
}

void sim_watchdog_destroy(IpmiSim *s)
{
    g_clear_pointer(&s->watchdog.timer, timer_free);
}

/* Which uses have expired is for the guest to find after the reset that follows. */
void sim_watchdog_reset(IpmiSim *s)
{
    SimWatchdog *w = &s->watchdog;

    stop(w);
    w->use = w->actions = w->pretimeout = 0;
    w->initial = w->present = 0;
    w->set = w->pre_fired = false;
}

static const StateField watchdog_fields[] = {
    STATE_UINT(SimWatchdog, use),
    STATE_UINT(SimWatchdog, actions),
    STATE_UINT(SimWatchdog, pretimeout),
    STATE_UINT(SimWatchdog, expired),
    STATE_UINT(SimWatchdog, initial),
    STATE_UINT(SimWatchdog, present),
    STATE_BOOL(SimWatchdog, set),
    STATE_BOOL(SimWatchdog, running),
    STATE_BOOL(SimWatchdog, pre_fired),
    STATE_TIMER(SimWatchdog, timer),
    {},
};
const StateTable sim_watchdog_state = { .name = "watchdog",
                                        .version = 1,
                                        .fields = watchdog_fields };
