/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/usb/uhci.h"

#include "hw/core/runstate.h"
#include "util/clock.h"
#include "util/error.h"

/* Registers (section 2). */
enum {
    USBCMD = 0x00,
    USBSTS = 0x02,
    USBINTR = 0x04,
    FRNUM = 0x06,
    FRBASEADD = 0x08,
    SOFMOD = 0x0c,
    PORTSC = 0x10
};
enum { CMD_MASK = 0xff, INTR_MASK = 0xf, FRNUM_MASK = 0x7ff, STS_MASK = 0x1f };
/* Of ports. */
enum {
    CONNECTED = 1 << 0,
    CONNECT_CHANGE = 1 << 1,
    ENABLED = 1 << 2,
    ENABLE_CHANGE = 1 << 3,
    RESUME = 1 << 6,
    ALWAYS = 1 << 7,
    LOW_SPEED = 1 << 8,
    RESET = 1 << 9,
    SUSPENDED = 1 << 12,
    PORT_WRITABLE = ENABLED | RESUME | RESET | SUSPENDED,
};
enum { INTR_ERROR = 1 << 0, INTR_RESUME = 1 << 1, IO_BAR = 4, LEGACY = 0xc0, RELEASE = 0x60 };

#define FRAME_NS (NS_PER_SEC / 1000)
#define CATCH_UP 128 /* frames that are done late, at most */
enum { QUIET_AFTER = 64, QUIET_FRAMES = 8 };
#define SOF_NORMAL 0x40

void uhci_update_interrupt(Uhci *s)
{
    unsigned on = s->interrupts;

    pci_set_irq(&s->parent, (s->status & UHCI_STS_INTERRUPT && s->causes & on) ||
                                (s->status & UHCI_STS_ERROR && on & INTR_ERROR) ||
                                (s->status & UHCI_STS_RESUME && on & INTR_RESUME) ||
                                s->status & (UHCI_STS_HOST_ERROR | UHCI_STS_PROCESS_ERROR));
}

/* ---- time ---- */

static bool runs(const Uhci *s)
{
    return s->command & UHCI_CMD_RUN && pci_can_dma(&s->parent) && runstate_is_running();
}

/* Is there somebody to talk to? */
static bool has_somebody(const Uhci *s)
{
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        if (s->usb_ports[i].enabled) {
            return true;
        }
    }
    return false;
}

static void wait_for_frame(Uhci *s)
{
    timer_mod(s->timer, s->due + (s->quiet < QUIET_AFTER ? 0 : QUIET_FRAMES - 1) * FRAME_NS);
}

static void go_on(Uhci *s)
{
    if (!runs(s) || !has_somebody(s)) {
        timer_del(s->timer);
    } else if (!timer_pending(s->timer)) {
        s->due = clock_ns() + FRAME_NS;
        s->quiet = 0;
        wait_for_frame(s);
    }
}

/* All frames that have ended. */
static void run_frames(Uhci *s)
{
    int64_t now = clock_ns();

    s->due = MAX(s->due, now - CATCH_UP * FRAME_NS);
    for (; runs(s) && s->due <= now; s->due += FRAME_NS) {
        s->quiet = uhci_run_frame(s) ? 0 : MIN(s->quiet + 1, QUIET_AFTER);
        s->frame = (s->frame + 1) & FRNUM_MASK;
    }
}

static void next_frames(void *opaque)
{
    Uhci *s = opaque;

    s->due = MIN(s->due, clock_ns());
    run_frames(s);
    if (runs(s) && has_somebody(s)) {
        wait_for_frame(s);
    }
    uhci_update_interrupt(s);
}

/* Something may come of the next frame. */
static void hurry(Uhci *s)
{
    s->quiet = 0;
    if (timer_pending(s->timer)) {
        wait_for_frame(s);
    }
}

/* The number of the frame that is under way. */
static uint16_t frame_number(const Uhci *s)
{
    int64_t late = timer_pending(s->timer) ? clock_ns() - s->due : -1;

    return (uint16_t)(s->frame + (late >= 0 ? late / FRAME_NS + 1 : 0)) & FRNUM_MASK;
}

static void machine_starts(void *opaque)
{
    go_on(opaque);
}

/* ---- ports ---- */

static void update_port(Uhci *s, unsigned i)
{
    uint16_t value = s->ports[i];

    s->usb_ports[i].enabled =
        value & CONNECTED && value & ENABLED && !(value & (RESET | SUSPENDED));
    go_on(s);
}

/* The guest is told when all is asleep. */
static void tell_resume(Uhci *s)
{
    if (s->command & UHCI_CMD_SUSPEND) {
        s->status |= UHCI_STS_RESUME;
        uhci_update_interrupt(s);
    }
}

static void attached(UsbPort *port)
{
    Uhci *s = port->opaque;

    s->ports[port->index] &= ~(ENABLED | LOW_SPEED);
    s->ports[port->index] |=
        CONNECTED | CONNECT_CHANGE | (port->dev->speed == USB_SPEED_LOW ? LOW_SPEED : 0);
    update_port(s, port->index);
    tell_resume(s);
}

static void detached(UsbPort *port)
{
    Uhci *s = port->opaque;
    uint16_t *value = &s->ports[port->index];

    if (!(*value & CONNECTED)) {
        return;
    }
    *value |= CONNECT_CHANGE | (*value & ENABLED ? ENABLE_CHANGE : 0);
    *value &= ~(CONNECTED | ENABLED | LOW_SPEED | SUSPENDED);
    update_port(s, port->index);
    tell_resume(s);
}

static void wakeup(UsbPort *port)
{
    Uhci *s = port->opaque;

    if (s->ports[port->index] & SUSPENDED && !(s->ports[port->index] & RESUME)) {
        s->ports[port->index] |= RESUME;
        s->status |= UHCI_STS_RESUME;
        uhci_update_interrupt(s);
    }
    tell_resume(s);
}

static void ready(void *opaque, UsbDevice *dev, uint8_t address)
{
    hurry(opaque);
}

static void port_ready(UsbPort *port)
{
    hurry(port->opaque);
}

static const UsbPortOps port_ops = { attached, detached, wakeup, port_ready };
static const UsbBusOps bus_ops = { ready };

static void port_written(Uhci *s, unsigned i, uint16_t value)
{
    UsbDevice *dev = s->usb_ports[i].dev;
    uint16_t before = s->ports[i];

    s->ports[i] &= ~(value & (CONNECT_CHANGE | ENABLE_CHANGE));
    s->ports[i] = (s->ports[i] & ~PORT_WRITABLE) | (value & PORT_WRITABLE);
    if (!(before & CONNECTED)) {
        s->ports[i] &= ~(ENABLED | SUSPENDED | RESUME);
    }
    if (s->ports[i] & RESET) {
        s->ports[i] &= ~(ENABLED | SUSPENDED | RESUME);
    }
    if (dev && before & CONNECTED && !(before & RESET) && s->ports[i] & RESET) {
        usb_device_port_reset(dev);
    }
    if (before & RESUME && !(s->ports[i] & RESUME)) {
        s->ports[i] &= ~SUSPENDED;
    }
    if (dev && before & CONNECTED) {
        usb_device_suspend(dev, s->ports[i] & SUSPENDED);
    }
    update_port(s, i);
}

/* ---- registers ---- */

static void reset_registers(Uhci *s)
{
    s->command = s->status = s->interrupts = s->causes = 0;
    s->frame = 0;
    s->list = 0;
    s->sof = SOF_NORMAL;
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        const UsbDevice *dev = s->usb_ports[i].dev;

        s->ports[i] = 0;
        if (usb_port_shows(&s->usb_ports[i])) {
            s->ports[i] =
                CONNECTED | CONNECT_CHANGE | (dev->speed == USB_SPEED_LOW ? LOW_SPEED : 0);
        }
        update_port(s, i);
    }
    uhci_update_interrupt(s);
}

static void command_written(Uhci *s, uint16_t value)
{
    if (value & UHCI_CMD_RESET) {
        reset_registers(s);
        return;
    }
    if (value & UHCI_CMD_GLOBAL_RESET && !(s->command & UHCI_CMD_GLOBAL_RESET)) {
        for (unsigned i = 0; i < UHCI_PORTS; i++) {
            if (s->usb_ports[i].dev) {
                usb_device_port_reset(s->usb_ports[i].dev);
            }
        }
        reset_registers(s);
    }
    s->command = value & CMD_MASK;
    go_on(s);
}

static uint64_t registers_read(void *opaque, hwaddr addr, unsigned size)
{
    const Uhci *s = opaque;
    uint16_t halted = s->command & UHCI_CMD_RUN ? 0 : UHCI_STS_HALTED;
    const uint16_t words[UHCI_IO_BYTES / 2] = {
        [USBCMD / 2] = s->command,
        [USBSTS / 2] = s->status | halted,
        [USBINTR / 2] = s->interrupts,
        [FRNUM / 2] = frame_number(s),
        [FRBASEADD / 2] = (uint16_t)s->list,
        [FRBASEADD / 2 + 1] = (uint16_t)(s->list >> 16),
        [SOFMOD / 2] = s->sof,
        [PORTSC / 2] = s->ports[0] | ALWAYS,
        [PORTSC / 2 + 1] = s->ports[1] | ALWAYS,
    };
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)(words[(addr + i) / 2] >> 8 * ((addr + i) % 2) & 0xff) << 8 * i;
    }
    return value;
}

static void word_written(Uhci *s, unsigned offset, uint16_t value)
{
    switch (offset) {
    case USBCMD:
        command_written(s, value);
        break;
    case USBSTS:
        s->status &= ~(value & STS_MASK);
        s->causes = s->status & UHCI_STS_INTERRUPT ? s->causes : 0;
        break;
    case USBINTR:
        s->interrupts = value & INTR_MASK;
        break;
    case FRNUM:
        if (!(s->command & UHCI_CMD_RUN)) {
            s->frame = value & FRNUM_MASK;
        }
        break;
    case FRBASEADD:
        s->list = (s->list & 0xffff0000) | (value & 0xf000);
        break;
    case FRBASEADD + 2:
        s->list = (s->list & 0xffff) | (uint32_t)value << 16;
        break;
    case PORTSC:
    case PORTSC + 2:
        port_written(s, (offset - PORTSC) / 2, value);
        break;
    default:
        break;
    }
    uhci_update_interrupt(s);
}

/* Words, and two of them; SOFMOD is a byte. */
static void registers_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Uhci *s = opaque;

    if (timer_pending(s->timer)) {
        run_frames(s); /* as the registers were */
        hurry(s);
    }
    if (addr == SOFMOD) {
        s->sof = value & 0x7f;
    } else if (size >= 2 && addr % 2 == 0) {
        word_written(s, (unsigned)addr, (uint16_t)value);
        if (size == 4) {
            word_written(s, (unsigned)addr + 2, (uint16_t)(value >> 16));
        }
    }
}

static const MemoryRegionOps register_ops = { registers_read, registers_write, 1, 4 };

/* ---- life ---- */

static bool add_ports(Uhci *s, GError **errp)
{
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        s->usb_ports[i] = (UsbPort){ .ops = &port_ops,
                                     .opaque = s,
                                     .index = i,
                                     .speeds = 1 << USB_SPEED_LOW | 1 << USB_SPEED_FULL };
    }
    if (s->master) {
        return usb_companion_add(s->master, s->first_port, s->usb_ports, UHCI_PORTS, errp);
    }
    s->bus = usb_bus_new(&s->parent.parent, &bus_ops, s, errp);
    for (unsigned i = 0; s->bus && i < UHCI_PORTS; i++) {
        usb_port_add(s->bus, &s->usb_ports[i], i + 1);
    }
    return s->bus;
}

static void remove_ports(Uhci *s)
{
    if (!s->bus) {
        usb_companion_remove(s->usb_ports, UHCI_PORTS);
        return;
    }
    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        usb_port_remove(&s->usb_ports[i]);
    }
    object_unparent(&s->bus->parent.parent);
    s->bus = NULL;
}

static bool uhci_realize(PciDevice *dev, GError **errp)
{
    Uhci *s = UHCI(dev);

    s->timer = timer_new(next_frames, s);
    if (!add_ports(s, errp)) {
        g_clear_pointer(&s->timer, timer_free);
        return false;
    }
    memory_region_init_io(&s->registers, &register_ops, s, TYPE_UHCI, UHCI_IO_BYTES);
    pci_add_bar(dev, IO_BAR, PCI_BAR_IO, &s->registers);
    runstate_add_start(machine_starts, s);
    return true;
}

static void uhci_unrealize(PciDevice *dev)
{
    Uhci *s = UHCI(dev);

    runstate_remove_start(machine_starts, s);
    remove_ports(s);
    g_clear_pointer(&s->timer, timer_free);
    memory_region_destroy(&s->registers);
}

static void uhci_reset(PciDevice *dev)
{
    reset_registers(UHCI(dev));
}

static void uhci_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    if (pci_touches(offset, size, PCI_COMMAND, 2)) {
        go_on(UHCI(dev));
    }
}

/* The level of the interrupt line is the function's state. */
static void uhci_loaded(PciDevice *dev)
{
}

static bool check_ports(void *opaque, GError **errp)
{
    Uhci *s = opaque;

    for (unsigned i = 0; i < UHCI_PORTS; i++) {
        uint16_t value = s->ports[i];

        if (value & CONNECTED && !usb_port_shows(&s->usb_ports[i])) {
            error_set(errp, "port %u has a device, and there is none", i + 1);
            return false;
        }
        s->usb_ports[i].enabled =
            value & CONNECTED && value & ENABLED && !(value & (RESET | SUSPENDED));
    }
    s->list &= ~0xfffu;
    s->due = MAX(s->due, 0);
    s->quiet = 0;
    return true;
}

static const StateField uhci_fields[] = {
    STATE_STRUCT(Uhci, parent, &pci_device_state),
    STATE_UINT(Uhci, command),
    STATE_UINT(Uhci, status),
    STATE_UINT(Uhci, interrupts),
    STATE_UINT(Uhci, causes),
    STATE_UINT(Uhci, sof),
    STATE_UINT_MAX(Uhci, frame, FRNUM_MASK),
    STATE_UINT(Uhci, list),
    STATE_UINTS(Uhci, ports),
    STATE_TIMER(Uhci, timer),
    STATE_INT(Uhci, due),
    {},
};
static const StateTable uhci_state = {
    .name = TYPE_UHCI, .version = 1, .fields = uhci_fields, .post_load = check_ports
};

static const PciFunctionClass uhci_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "usb",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &uhci_state },
    .realize = uhci_realize,
    .unrealize = uhci_unrealize,
    .reset = uhci_reset,
    .loaded = uhci_loaded,
    .config_written = uhci_config_written,
};

static const Property uhci_properties[] = {
    { .name = "masterbus",
      .kind = PROP_STRING,
      .offset = offsetof(Uhci, master),
      .description = "name of the bus of an EHCI, whose companion it is; else it has its own" },
    { .name = "firstport",
      .kind = PROP_UINT32,
      .offset = offsetof(Uhci, first_port),
      .description = "the first of the EHCI's ports that it serves, from 0 on" },
    { 0 },
};

static const ObjectType uhci_type = {
    .name = TYPE_UHCI,
    .parent = TYPE_PCI_DEVICE,
    .description = "USB controller (UHCI)",
    .instance_size = sizeof(Uhci),
    .abstract = true,
    .properties = uhci_properties,
    .ops = &uhci_ops,
};
OBJECT_TYPE_REGISTER(uhci_type)

/* ---- the types, which differ in their IDs ---- */

static void init(Object *obj, uint16_t device, uint8_t revision, uint8_t pin)
{
    const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x8086 },
        { PCI_DEVICE_ID, 2, device },
        { PCI_COMMAND, 2, 0, PCI_COMMAND_IO | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE },
        { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
        { PCI_REVISION_ID, 1, revision },
        { PCI_CLASS_DEVICE, 2, 0x0c03 }, /* USB controller; interface 0: UHCI */
        { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
        { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
        { PCI_INTERRUPT_LINE, 1, 0, 0xff },
        { PCI_INTERRUPT_PIN, 1, pin },
        { RELEASE, 1, 0x10 },
        { LEGACY, 2, 0x2000, 0x00bf },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

#define UHCI_TYPE(name_, id, description_, device, revision, pin) \
    static void id##_init(Object *obj)                            \
    {                                                             \
        init(obj, device, revision, pin);                         \
    }                                                             \
    static const ObjectType id##_type = {                         \
        .name = (name_),                                          \
        .parent = TYPE_UHCI,                                      \
        .description = (description_),                            \
        .init = id##_init,                                        \
    };                                                            \
    OBJECT_TYPE_REGISTER(id##_type)

UHCI_TYPE(TYPE_PIIX3_UHCI, piix3, "USB controller (UHCI) of the PIIX3", 0x7020, 1, 4)
UHCI_TYPE("piix4-usb-uhci", piix4, "USB controller (UHCI) of the PIIX4", 0x7112, 1, 4)
UHCI_TYPE("ich9-usb-uhci1", ich9_1, "USB controller (UHCI) of the ICH9, the first", 0x2934, 3, 1)
UHCI_TYPE("ich9-usb-uhci2", ich9_2, "the second", 0x2935, 3, 2)
UHCI_TYPE("ich9-usb-uhci3", ich9_3, "the third", 0x2936, 3, 3)
UHCI_TYPE("ich9-usb-uhci4", ich9_4, "the fourth", 0x2937, 3, 1)
UHCI_TYPE("ich9-usb-uhci5", ich9_5, "the fifth", 0x2938, 3, 2)
UHCI_TYPE("ich9-usb-uhci6", ich9_6, "the sixth", 0x2939, 3, 3)
