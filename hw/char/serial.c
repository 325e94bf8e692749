/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/char/serial.h"

#include <string.h>

#include "chardev/chardev.h"
#include "hw/core/runstate.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/timer.h"

/* Registers; RBR_THR and IER are the divisor while LCR_DLAB is set. */
enum {
    RBR_THR,
    IER,
    IIR_FCR,
    LCR,
    MCR,
    LSR,
    MSR,
    SCR,
};

enum {
    IER_RX = 0x01,
    IER_THRE = 0x02,
    IER_LINE = 0x04,
    IER_MODEM = 0x08,
    IER_MASK = 0x0f,

    IIR_NONE = 0x01,
    IIR_MODEM = 0x00,
    IIR_THRE = 0x02,
    IIR_RX = 0x04,
    IIR_LINE = 0x06,
    IIR_TIMEOUT = 0x0c,
    IIR_FIFOS = 0xc0,

    FCR_ENABLE = 0x01,
    FCR_CLEAR_RX = 0x02,
    FCR_TRIGGER_SHIFT = 6,

    LCR_STOP = 0x04,
    LCR_PARITY = 0x08,
    LCR_EVEN = 0x10,
    LCR_STICK = 0x20,
    LCR_BREAK = 0x40,
    LCR_DLAB = 0x80,

    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_MASK = 0x1f,

    LSR_DR = 0x01,
    LSR_OE = 0x02,
    LSR_BI = 0x10,
    LSR_ERRORS = 0x1e,
    LSR_THRE = 0x20,
    LSR_TEMT = 0x40,
    LSR_FIFO_ERROR = 0x80,

    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
    MSR_LEVELS = 0xf0,
    MSR_DELTA_SHIFT = 4,
    MSR_TRAILING_RI = 0x04,
    MSR_CONNECTED = MSR_CTS | MSR_DSR | MSR_DCD,
};

#define FIFO_SIZE    SERIAL_FIFO_SIZE
#define MAX_BAUDBASE (1 << 26) /* a clock of 1 GiHz */

static const uint8_t fifo_triggers[4] = { 1, 4, 8, 14 };

/* ---- interrupts ---- */

static unsigned serial_trigger(const Serial *s)
{
    return s->fcr & FCR_ENABLE ? fifo_triggers[s->fcr >> FCR_TRIGGER_SHIFT] : 1;
}

/* The pending interrupt of highest priority, as IIR says it. */
static uint8_t serial_interrupt(const Serial *s)
{
    if (s->ier & IER_LINE && s->line_status & LSR_ERRORS) {
        return IIR_LINE;
    }
    if (s->ier & IER_RX && s->count >= serial_trigger(s)) {
        return IIR_RX;
    }
    if (s->ier & IER_RX && s->rx_timeout) {
        return IIR_TIMEOUT;
    }
    if (s->ier & IER_THRE && s->thre_pending) {
        return IIR_THRE;
    }
    if (s->ier & IER_MODEM && s->msr & 0x0f) {
        return IIR_MODEM;
    }
    return IIR_NONE;
}

static void serial_update(Serial *s)
{
    bool level = serial_interrupt(s) != IIR_NONE;

    if (level != s->irq_level) {
        s->irq_level = level;
        s->set_irq(s->dev, level);
    }
}

/* ---- the line ---- */

static unsigned serial_data_bits(const Serial *s)
{
    return 5 + (s->lcr & 3);
}

static CharParity serial_parity(const Serial *s)
{
    bool even = s->lcr & LCR_EVEN;

    if (!(s->lcr & LCR_PARITY)) {
        return CHAR_PARITY_NONE;
    }
    if (s->lcr & LCR_STICK) {
        return even ? CHAR_PARITY_SPACE : CHAR_PARITY_MARK;
    }
    return even ? CHAR_PARITY_EVEN : CHAR_PARITY_ODD;
}

/* Tell the other end, unless the guest is in the middle of saying it or has said nothing yet. */
static void serial_set_line(Serial *s)
{
    CharLine line = {
        .speed = MAX(s->baudbase / MAX(s->divisor, 1), 1),
        .data_bits = serial_data_bits(s),
        .stop_bits = s->lcr & LCR_STOP ? 2 : 1,
        .parity = serial_parity(s),
    };

    if (s->attached && s->line_set && !(s->lcr & LCR_DLAB)) {
        char_set_line(&s->fe, &line);
    }
}

static void serial_set_modem(Serial *s)
{
    bool loop = s->mcr & MCR_LOOP;

    if (s->attached) {
        char_set_modem(&s->fe, s->mcr & MCR_DTR && !loop, s->mcr & MCR_RTS && !loop);
    }
}

static void serial_set_break(Serial *s)
{
    if (s->attached) {
        char_set_break(&s->fe, s->lcr & LCR_BREAK && !(s->mcr & MCR_LOOP));
    }
}

/* ---- receiving ---- */

static int64_t serial_character_ns(const Serial *s)
{
    unsigned bits = 1 + serial_data_bits(s) + !!(s->lcr & LCR_PARITY) + 1 + !!(s->lcr & LCR_STOP);

    return NS_PER_SEC * bits * MAX(s->divisor, 1) / s->baudbase;
}

/* The FIFO changed: an idle time of four characters begins. */
static void serial_restart_timeout(Serial *s)
{
    s->rx_timeout = false;
    if (s->fcr & FCR_ENABLE && s->count && s->count < serial_trigger(s)) {
        timer_mod(s->timeout, clock_ns() + 4 * serial_character_ns(s));
    } else {
        timer_del(s->timeout);
    }
}

static void serial_timeout(void *opaque)
{
    Serial *s = opaque;

    s->rx_timeout = s->count > 0;
    serial_update(s);
}

static unsigned serial_room(const Serial *s)
{
    unsigned size = s->fcr & FCR_ENABLE ? FIFO_SIZE : 1;

    return size - MIN(s->count, size);
}

static void serial_push(Serial *s, uint8_t byte)
{
    if (!serial_room(s)) {
        s->line_status |= LSR_OE;
        if (!(s->fcr & FCR_ENABLE)) {
            s->fifo[s->head] = byte; /* the holding register is overwritten, the FIFO is not */
        }
    } else {
        s->fifo[(s->head + s->count++) % FIFO_SIZE] = byte;
    }
}

static void serial_clear_fifo(Serial *s)
{
    s->head = s->count = 0;
    serial_restart_timeout(s);
}

static int serial_can_receive(void *opaque)
{
    const Serial *s = opaque;

    return s->mcr & MCR_LOOP ? 0 : (int)serial_room(s);
}

static void serial_receive(void *opaque, const uint8_t *buf, int len)
{
    Serial *s = opaque;

    if (s->wakeup) {
        runstate_request_wakeup();
    }
    for (int i = 0; i < len; i++) {
        serial_push(s, buf[i]);
    }
    serial_restart_timeout(s);
    serial_update(s);
}

static void serial_event(void *opaque, CharEvent event)
{
    Serial *s = opaque;

    if (event == CHAR_EVENT_OPENED) {
        serial_set_line(s);
        serial_set_modem(s);
        serial_set_break(s);
    } else if (event == CHAR_EVENT_BREAK && !(s->mcr & MCR_LOOP)) {
        serial_push(s, 0);
        s->line_status |= LSR_BI;
        serial_restart_timeout(s);
        serial_update(s);
    }
}

static void serial_accept_input(Serial *s)
{
    if (s->attached && serial_can_receive(s)) {
        char_accept_input(&s->fe);
    }
}

static uint8_t serial_read_rbr(Serial *s)
{
    uint8_t byte = s->fifo[s->head];

    if (!s->count) {
        return 0;
    }
    s->head = (s->head + 1) % FIFO_SIZE;
    s->count--;
    serial_restart_timeout(s);
    serial_update(s);
    serial_accept_input(s);
    return byte;
}

/* ---- the modem's lines ---- */

static uint8_t serial_modem_levels(const Serial *s)
{
    if (!(s->mcr & MCR_LOOP)) {
        return MSR_CONNECTED;
    }
    return (s->mcr & MCR_DTR ? MSR_DSR : 0) | (s->mcr & MCR_RTS ? MSR_CTS : 0) |
           (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void serial_update_modem(Serial *s)
{
    uint8_t levels = serial_modem_levels(s), old = s->msr & MSR_LEVELS;
    uint8_t delta = (levels ^ old) >> MSR_DELTA_SHIFT;

    if (levels & MSR_RI) {
        delta &= ~MSR_TRAILING_RI; /* only RI's end counts */
    }
    s->msr = levels | (s->msr & 0x0f) | delta;
}

/* ---- registers ---- */

static void serial_write_thr(Serial *s, uint8_t byte)
{
    if (s->mcr & MCR_LOOP) {
        serial_push(s, byte);
        serial_restart_timeout(s);
    } else if (s->attached) {
        char_write(&s->fe, &byte, 1);
    }
    s->thre_pending = true; /* it is sent already */
}

static void serial_write_ier(Serial *s, uint8_t value)
{
    /* Enabling it while the THR is empty interrupts at once. */
    if (value & ~s->ier & IER_THRE) {
        s->thre_pending = true;
    }
    s->ier = value & IER_MASK;
}

static void serial_write_fcr(Serial *s, uint8_t value)
{
    bool toggled = (value ^ s->fcr) & FCR_ENABLE;

    s->fcr = value & FCR_ENABLE ? value & (FCR_ENABLE | 3 << FCR_TRIGGER_SHIFT) : 0;
    if (toggled || value & FCR_CLEAR_RX) {
        serial_clear_fifo(s);
    }
    serial_restart_timeout(s);
}

static uint8_t serial_read_iir(Serial *s)
{
    uint8_t value = serial_interrupt(s);

    if (value == IIR_THRE) {
        s->thre_pending = false;
        serial_update(s);
    }
    return value | (s->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static uint8_t serial_read_lsr(Serial *s)
{
    uint8_t value = s->line_status | LSR_THRE | LSR_TEMT | (s->count ? LSR_DR : 0);

    if (s->fcr & FCR_ENABLE && s->line_status & LSR_BI) {
        value |= LSR_FIFO_ERROR;
    }
    if (s->line_status) {
        s->line_status = 0;
        serial_update(s);
    }
    return value;
}

static uint8_t serial_read_msr(Serial *s)
{
    uint8_t value = s->msr;

    if (value & 0x0f) {
        s->msr &= MSR_LEVELS;
        serial_update(s);
    }
    return value;
}

static uint64_t serial_read(void *opaque, hwaddr addr, unsigned size)
{
    Serial *s = opaque;
    bool dlab = s->lcr & LCR_DLAB;

    switch (addr) {
    case RBR_THR:
        return dlab ? s->divisor & 0xff : serial_read_rbr(s);
    case IER:
        return dlab ? s->divisor >> 8 : s->ier;
    case IIR_FCR:
        return serial_read_iir(s);
    case LCR:
        return s->lcr;
    case MCR:
        return s->mcr;
    case LSR:
        return serial_read_lsr(s);
    case MSR:
        return serial_read_msr(s);
    case SCR:
        return s->scr;
    }
    return 0xff;
}

static void serial_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Serial *s = opaque;
    bool dlab = s->lcr & LCR_DLAB;

    switch (addr) {
    case RBR_THR:
        if (dlab) {
            s->divisor = (s->divisor & 0xff00) | (value & 0xff);
        } else {
            serial_write_thr(s, value);
        }
        break;
    case IER:
        if (dlab) {
            s->divisor = (s->divisor & 0x00ff) | (value & 0xff) << 8;
        } else {
            serial_write_ier(s, value);
        }
        break;
    case IIR_FCR:
        serial_write_fcr(s, value);
        break;
    case LCR:
        s->lcr = value;
        s->line_set = true;
        serial_set_line(s);
        serial_set_break(s);
        break;
    case MCR:
        s->mcr = value & MCR_MASK;
        serial_update_modem(s);
        serial_set_modem(s);
        serial_set_break(s);
        break;
    case SCR:
        s->scr = value;
        break;
    }
    serial_update(s);
    if (addr == IIR_FCR || addr == MCR) {
        serial_accept_input(s);
    }
}

static const MemoryRegionOps serial_ops = { serial_read, serial_write, 1, 1 };

/* ---- the device ---- */

static bool serial_attach(Serial *s, GError **errp)
{
    Chardev *chr = s->chr;

    if (s->chardev) {
        chr = chardev_find(s->chardev);
        if (!chr) {
            error_set(errp, "chardev '%s' not found; make it with -chardev ...,id=%s", s->chardev,
                      s->chardev);
            return false;
        }
    }
    s->fe = (CharFrontend){
        .can_receive = serial_can_receive,
        .receive = serial_receive,
        .event = serial_event,
        .opaque = s,
        .can_change = true,
    };
    s->attached = chr && char_attach(chr, &s->fe, errp);
    return !chr || s->attached;
}

void serial_reset(Serial *s)
{
    s->divisor = 12; /* 9600 baud */
    s->ier = s->fcr = s->lcr = s->scr = s->line_status = 0;
    s->line_set = false;
    s->mcr = MCR_OUT2;
    serial_set_modem(s);
    serial_set_break(s);
    s->msr = MSR_CONNECTED;
    s->thre_pending = false;
    serial_clear_fifo(s);
    serial_update(s);
    serial_accept_input(s);
}

bool serial_realize(Serial *s, GError **errp)
{
    if (!serial_attach(s, errp)) {
        return false;
    }
    s->timeout = timer_new(serial_timeout, s);
    serial_reset(s);
    memory_region_init_io(&s->ports, &serial_ops, s, "serial", SERIAL_PORTS);
    return true;
}

void serial_unrealize(Serial *s)
{
    s->set_irq(s->dev, 0);
    memory_region_destroy(&s->ports);
    timer_free(s->timeout);
    if (s->attached) {
        char_set_break(&s->fe, false);
        char_detach(&s->fe);
        s->attached = false;
    }
}

bool serial_check_baudbase(Object *obj, const Property *prop, struct json_object *value,
                           GError **errp)
{
    int64_t speed = json_object_get_int64(value);

    if (speed < 1 || speed > MAX_BAUDBASE) {
        error_set(errp, "baudbase must be 1 to %d bits a second", MAX_BAUDBASE);
        return false;
    }
    return true;
}

bool serial_post_load(void *serial, GError **errp)
{
    Serial *s = serial;

    serial_set_line(s);
    serial_set_modem(s);
    serial_set_break(s);
    return true;
}

const StateField serial_fields[] = {
    STATE_BOOL(Serial, irq_level),
    STATE_UINT(Serial, divisor),
    STATE_UINT(Serial, ier),
    STATE_UINT(Serial, fcr),
    STATE_UINT(Serial, lcr),
    STATE_UINT(Serial, mcr),
    STATE_UINT(Serial, scr),
    STATE_BOOL(Serial, line_set),
    STATE_UINT(Serial, line_status),
    STATE_UINT(Serial, msr),
    STATE_BOOL(Serial, thre_pending),
    STATE_BOOL(Serial, rx_timeout),
    STATE_UINTS(Serial, fifo),
    STATE_UINT_MAX(Serial, head, FIFO_SIZE - 1),
    STATE_UINT_MAX(Serial, count, FIFO_SIZE),
    STATE_TIMER(Serial, timeout),
    {},
};
