/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/char/serial.h"

#include <string.h>

#include "chardev/chardev.h"
#include "hw/char/isa-ports.h"
#include "hw/core/irq-lines.h"
#include "hw/intc/isa-irq.h"
#include "memory/memory.h"
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
    REG_COUNT,
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

#define FIFO_SIZE    16
#define MAX_BAUDBASE (1 << 26) /* a clock of 1 GiHz */

static const uint8_t fifo_triggers[4] = { 1, 4, 8, 14 };

/* Where the PC has its serial ports. */
static const struct {
    uint16_t port;
    uint8_t irq;
} isa_serial_places[ISA_SERIAL_PORTS] = { { 0x3f8, 4 }, { 0x2f8, 3 }, { 0x3e8, 4 }, { 0x2e8, 3 } };

typedef struct Serial {
    Device parent;
    /* configuration */
    uint32_t index, iobase, irq_number;
    uint32_t baudbase; /* bits a second with divisor 1 */
    bool wakeup;       /* no sleep state: false */
    char *chardev;
    /* wiring */
    Chardev *chr; /* the board's own choice, instead of `chardev` */
    CharFrontend fe;
    bool attached;
    Irq irq;
    MemoryRegion ports;
    /* state */
    bool irq_level;
    uint16_t divisor;
    uint8_t ier, fcr, lcr, mcr, scr;
    bool line_set;       /* the guest has written LCR since reset */
    uint8_t line_status; /* LSR_ERRORS */
    uint8_t msr;
    bool thre_pending; /* the THR became empty and IIR did not tell it yet */
    bool rx_timeout;   /* the FIFO has bytes below its trigger, for 4 characters' time */
    uint8_t fifo[FIFO_SIZE];
    unsigned head, count;
    Timer *timeout;
} Serial;
OBJECT_CAST_DEFINE(Serial, SERIAL, TYPE_ISA_SERIAL)

/* Ports in use: an array of Serial *, borrowed. */
static GPtrArray *serials;

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
        irq_set(&s->irq, level);
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

static void serial_reset(Device *dev)
{
    Serial *s = SERIAL(dev);

    s->divisor = 12; /* 9600 baud */
    s->ier = s->fcr = s->lcr = s->scr = s->line_status = 0;
    s->line_set = false;
    s->mcr = MCR_OUT2;
    serial_set_break(s);
    s->msr = MSR_CONNECTED;
    s->thre_pending = false;
    serial_clear_fifo(s);
    serial_update(s);
    serial_accept_input(s);
}

static bool serial_port_taken(uint32_t iobase)
{
    for (unsigned i = 0; serials && i < serials->len; i++) {
        const Serial *other = g_ptr_array_index(serials, i);

        if (iobase < other->iobase + REG_COUNT && other->iobase < iobase + REG_COUNT) {
            return true;
        }
    }
    return false;
}

/* Find index, port and interrupt line where the user did not say. */
static bool serial_place(Serial *s, GError **errp)
{
    if (s->index == PROP_UNSET) {
        s->index = 0;
        while (s->iobase == PROP_UNSET && s->index < ISA_SERIAL_PORTS &&
               serial_port_taken(isa_serial_places[s->index].port)) {
            s->index++;
        }
        if (s->index == ISA_SERIAL_PORTS) {
            error_set(errp, "all %d serial ports are in use; set 'iobase' and 'irq' for one more",
                      ISA_SERIAL_PORTS);
            return false;
        }
    }
    if (s->index >= ISA_SERIAL_PORTS) {
        error_set(errp, "serial port index %" PRIu32 " does not exist; it is 0 to %d", s->index,
                  ISA_SERIAL_PORTS - 1);
        return false;
    }
    if (s->iobase == PROP_UNSET) {
        s->iobase = isa_serial_places[s->index].port;
    }
    if (s->irq_number == PROP_UNSET) {
        s->irq_number = isa_serial_places[s->index].irq;
    }
    if (s->iobase > 0x10000 - REG_COUNT) {
        error_set(errp, "'iobase' 0x%" PRIx32 " is no port for 8 registers; it is 0 to 0xfff8",
                  s->iobase);
        return false;
    }
    if (s->irq_number >= ISA_IRQS) {
        error_set(errp, "'irq' %" PRIu32 " does not exist; it is 0 to %d", s->irq_number,
                  ISA_IRQS - 1);
        return false;
    }
    if (!isa_ports_free("iobase", s->iobase, REG_COUNT, errp)) {
        return false;
    }
    return true;
}

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

static bool serial_realize(Device *dev, GError **errp)
{
    Serial *s = SERIAL(dev);

    if (!serial_place(s, errp) || !serial_attach(s, errp)) {
        return false;
    }
    if (!serials) {
        serials = g_ptr_array_new();
    }
    g_ptr_array_add(serials, s);
    s->irq = isa_irq(s->irq_number);
    s->timeout = timer_new(serial_timeout, s);
    serial_reset(dev);
    memory_region_init_io(&s->ports, &serial_ops, s, "serial", REG_COUNT);
    memory_region_add(memory_io(), s->iobase, &s->ports);
    return true;
}

static void serial_unrealize(Device *dev)
{
    Serial *s = SERIAL(dev);

    memory_region_remove(&s->ports);
    memory_region_destroy(&s->ports);
    irq_set(&s->irq, 0);
    timer_free(s->timeout);
    if (s->attached) {
        char_set_break(&s->fe, false);
        char_detach(&s->fe);
        s->attached = false;
    }
    g_ptr_array_remove(serials, s);
}

static void serial_init(Object *obj)
{
    Serial *s = SERIAL(obj);

    s->index = s->iobase = s->irq_number = PROP_UNSET;
}

static bool check_baudbase(Object *obj, const Property *prop, struct json_object *value,
                           GError **errp)
{
    int64_t speed = json_object_get_int64(value);

    if (speed < 1 || speed > MAX_BAUDBASE) {
        error_set(errp, "baudbase must be 1 to %d bits a second", MAX_BAUDBASE);
        return false;
    }
    return true;
}

static bool check_wakeup(Object *obj, const Property *prop, struct json_object *value,
                         GError **errp)
{
    if (json_object_get_boolean(value)) {
        error_set(errp, "wakeup=on is not there: the machine has no sleep state from which a byte "
                        "could wake it; use wakeup=off");
        return false;
    }
    return true;
}

static const Property serial_properties[] = {
    { .name = "baudbase",
      .kind = PROP_UINT32,
      .offset = offsetof(Serial, baudbase),
      .has_default = true,
      .default_int = 115200, /* 1.8432 MHz / 16 */
      .check = check_baudbase,
      .description = "speed with divisor 1, bits a second" },
    { .name = "chardev",
      .kind = PROP_STRING,
      .offset = offsetof(Serial, chardev),
      .description = "id of the character device at the other end" },
    { .name = "index",
      .kind = PROP_UINT32,
      .offset = offsetof(Serial, index),
      .description = "0 to 3 for COM1 to COM4 (the first free one if not set)" },
    { .name = "iobase",
      .kind = PROP_UINT32,
      .offset = offsetof(Serial, iobase),
      .description = "first of its 8 ports (by index if not set)" },
    { .name = "irq",
      .kind = PROP_UINT32,
      .offset = offsetof(Serial, irq_number),
      .description = "ISA interrupt line, 0 to 15 (by index if not set)" },
    { .name = "wakeup",
      .kind = PROP_BOOL,
      .offset = offsetof(Serial, wakeup),
      .has_default = true,
      .check = check_wakeup,
      .description = "input wakes the machine; it has no sleep state: off" },
    { 0 },
};

static const StateField serial_fields[] = {
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

static const StateTable serial_state = { .name = "serial", .version = 1, .fields = serial_fields };

static const DeviceClass serial_device_ops = {
    .category = "input",
    .flags = DEVICE_USER_CREATABLE,
    .realize = serial_realize,
    .unrealize = serial_unrealize,
    .reset = serial_reset,
    .state = &serial_state,
};

static const ObjectType serial_type = {
    .name = TYPE_ISA_SERIAL,
    .parent = TYPE_DEVICE,
    .description = "16550A serial port",
    .instance_size = sizeof(Serial),
    .properties = serial_properties,
    .ops = &serial_device_ops,
    .init = serial_init,
};
OBJECT_TYPE_REGISTER(serial_type)

static const IrqLines serial_lines[] = {
    { .type = TYPE_ISA_SERIAL, .out = true, .offset = offsetof(Serial, irq), .count = 1 },
    {},
};
IRQ_LINES_REGISTER(serial_lines)

Device *isa_serial_create(unsigned index, Chardev *chr, GError **errp)
{
    Serial *s = SERIAL(device_new_onboard(TYPE_ISA_SERIAL));

    s->index = index;
    s->chr = chr;
    if (!device_realize(&s->parent, errp)) {
        object_unparent(&s->parent.parent);
        return NULL;
    }
    return &s->parent;
}

unsigned isa_serial_port(unsigned index)
{
    return isa_serial_places[index % ISA_SERIAL_PORTS].port;
}

unsigned isa_serial_irq(unsigned index)
{
    return isa_serial_places[index % ISA_SERIAL_PORTS].irq;
}
