/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/usb/ehci.h"

#include "hw/core/runstate.h"
#include "hw/usb/uhci.h"
#include "util/error.h"

/* Registers (section 2), from the beginning of the BAR. */
enum {
    CAPLENGTH = 0x00,
    HCSPARAMS = 0x04,
    HCCPARAMS = 0x08,
    USBCMD = 0x20,
    USBSTS = 0x24,
    USBINTR = 0x28,
    FRINDEX = 0x2c,
    PERIODICLIST = 0x34,
    ASYNCLIST = 0x38,
    CONFIGFLAG = 0x60,
    PORTSC = 0x64,
};
enum {
    VERSION_AND_LENGTH = 0x01000020,
    PARAMETERS = 0x6882, /* capabilities at 0x68 of configuration space; lists of 3 sizes */
    CMD_RESET_VALUE = 8 << 16,
    CMD_WRITABLE =
        0xff0000 | EHCI_CMD_RUN | EHCI_CMD_LIST_SIZE | EHCI_CMD_PERIODIC | EHCI_CMD_ASYNC,
    STS_MASK = 0x3f,
};
enum { REGISTERS_BAR = 0, RELEASE = 0x60, FRAME_LENGTH = 0x61, LEGACY = 0x68, LEGACY_SMI = 0x6c };
enum { CATCH_UP = 64, QUIET_AFTER = 64, QUIET_FRAMES = 8, ROUNDS = 4 };

void ehci_update_interrupt(Ehci *s)
{
    pci_set_irq(&s->parent, (s->status & s->interrupts & STS_MASK) != 0);
}

void ehci_host_error(Ehci *s)
{
    s->status |= EHCI_STS_HOST_ERROR;
    s->command &= ~(uint32_t)EHCI_CMD_RUN;
}

/* ---- time ---- */

bool ehci_runs(const Ehci *s)
{
    return s->command & EHCI_CMD_RUN && pci_can_dma(&s->parent) && runstate_is_running();
}

/* Is there something to look at? */
static bool has_work(const Ehci *s)
{
    return s->command & (EHCI_CMD_PERIODIC | EHCI_CMD_ASYNC) || s->interrupts & EHCI_STS_ROLLOVER;
}

static void pass_frame(Ehci *s)
{
    uint32_t before = s->frindex;
    unsigned bit = 0x2000u >> ((s->command & EHCI_CMD_LIST_SIZE) >> 2);

    s->frindex = (s->frindex + EHCI_MICROFRAME) & EHCI_FRINDEX;
    s->since += EHCI_FRAME_NS;
    s->status |= (before ^ s->frindex) & bit ? EHCI_STS_ROLLOVER : 0;
}

/* All frames that have ended. */
static void run_frames(Ehci *s)
{
    int64_t now = clock_ns(), late;

    if (s->since > now + EHCI_FRAME_NS) { /* of a saved machine with another clock */
        s->since = now;
    }
    late = (now - s->since) / EHCI_FRAME_NS;
    if (late > CATCH_UP) { /* the host had no time */
        s->frindex = (uint32_t)(s->frindex + (late - CATCH_UP) * EHCI_MICROFRAME) & EHCI_FRINDEX;
        s->since += (late - CATCH_UP) * EHCI_FRAME_NS;
        late = CATCH_UP;
    }
    for (; late > 0 && ehci_runs(s); late--) {
        bool came = s->command & EHCI_CMD_PERIODIC && ehci_run_frame(s);

        s->quiet = came ? 0 : MIN(s->quiet + 1, QUIET_AFTER);
        pass_frame(s);
    }
}

static void run_lists(Ehci *s)
{
    s->busy = true;
    for (unsigned round = 0; round == 0 || (s->again && round < ROUNDS); round++) {
        s->again = false;
        run_frames(s);
        if (ehci_runs(s) && s->command & EHCI_CMD_ASYNC && ehci_run_async(s)) {
            s->quiet = 0;
        }
    }
    s->busy = false;
}

void ehci_go_on(Ehci *s)
{
    if (s->busy) {
        s->again = true;
        return;
    }
    if (ehci_runs(s) && has_work(s)) {
        run_lists(s);
    }
    if (ehci_runs(s) && has_work(s)) {
        timer_mod(s->timer, s->since + (s->quiet < QUIET_AFTER ? 1 : QUIET_FRAMES) * EHCI_FRAME_NS);
    } else {
        timer_del(s->timer);
    }
    ehci_update_interrupt(s);
}

static void look(void *opaque)
{
    ehci_go_on(opaque);
}

/* ---- registers ---- */

static void reset_registers(Ehci *s)
{
    s->command = CMD_RESET_VALUE;
    s->status = s->interrupts = 0;
    s->frindex = 0;
    s->since = 0;
    s->periodic_list = s->async_list = 0;
    s->quiet = 0;
    ehci_reset_ports(s);
    timer_del(s->timer);
    ehci_update_interrupt(s);
}

/* FRINDEX counts on while nothing is looked at. */
static uint32_t frame_index(const Ehci *s)
{
    int64_t passed =
        s->command & EHCI_CMD_RUN ? (clock_ns() - s->since) / (EHCI_FRAME_NS / EHCI_MICROFRAME) : 0;

    return (uint32_t)(s->frindex + MAX(passed, 0)) & EHCI_FRINDEX;
}

static uint32_t status_value(const Ehci *s)
{
    uint32_t value = s->status;

    if (!(s->command & EHCI_CMD_RUN)) {
        return value | EHCI_STS_HALTED;
    }
    value |= s->command & EHCI_CMD_PERIODIC ? EHCI_STS_PERIODIC : 0;
    value |= s->command & EHCI_CMD_ASYNC ? EHCI_STS_ASYNC : 0;
    return value;
}

static void command_written(Ehci *s, uint32_t value)
{
    bool ran = s->command & EHCI_CMD_RUN;

    if (ehci_runs(s)) {
        run_frames(s); /* as the command was */
    }
    if (value & EHCI_CMD_RESET) {
        reset_registers(s);
        return;
    }
    if (ran && !(value & EHCI_CMD_RUN)) {
        s->frindex = frame_index(s);
    }
    s->command = value & CMD_WRITABLE;
    if (!ran && value & EHCI_CMD_RUN) {
        s->frindex &= ~(EHCI_MICROFRAME - 1);
        s->since = clock_ns();
    }
    /* Nothing of the list is kept from one look at it to the next. */
    if (value & EHCI_CMD_DOORBELL && s->command & EHCI_CMD_ASYNC) {
        s->status |= EHCI_STS_ADVANCE;
    }
    s->quiet = 0;
}

static uint32_t word_read(const Ehci *s, unsigned offset)
{
    if (offset >= PORTSC && offset < PORTSC + 4 * EHCI_PORTS) {
        return ehci_port_value(s, (offset - PORTSC) / 4);
    }
    switch (offset) {
    case CAPLENGTH:
        return VERSION_AND_LENGTH;
    case HCSPARAMS:
        return ehci_structure(s);
    case HCCPARAMS:
        return PARAMETERS;
    case USBCMD:
        return s->command;
    case USBSTS:
        return status_value(s);
    case USBINTR:
        return s->interrupts;
    case FRINDEX:
        return frame_index(s);
    case PERIODICLIST:
        return s->periodic_list;
    case ASYNCLIST:
        return s->async_list;
    case CONFIGFLAG:
        return s->configured;
    default:
        return 0;
    }
}

static void word_written(Ehci *s, unsigned offset, uint32_t value)
{
    switch (offset) {
    case USBCMD:
        command_written(s, value);
        break;
    case USBSTS:
        s->status &= ~(value & STS_MASK);
        break;
    case USBINTR:
        s->interrupts = value & STS_MASK;
        break;
    case FRINDEX:
        if (!(s->command & EHCI_CMD_RUN)) {
            s->frindex = value & EHCI_FRINDEX;
        }
        break;
    case PERIODICLIST:
        s->periodic_list = value & 0xfffff000;
        break;
    case ASYNCLIST:
        s->async_list = value & 0xffffffe0;
        break;
    case CONFIGFLAG:
        ehci_configure(s, value & 1);
        break;
    default:
        if (offset >= PORTSC && offset < PORTSC + 4 * EHCI_PORTS) {
            ehci_port_written(s, (offset - PORTSC) / 4, value);
        }
        break;
    }
}

static uint64_t registers_read(void *opaque, hwaddr addr, unsigned size)
{
    const Ehci *s = opaque;
    uint32_t word = word_read(s, (unsigned)addr & ~3u) >> 8 * (addr & 3);

    return size < 4 ? word & ((1u << 8 * size) - 1) : word;
}

/* They are written as a whole. */
static void registers_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Ehci *s = opaque;

    if (size == 4 && addr % 4 == 0) {
        word_written(s, (unsigned)addr, (uint32_t)value);
        ehci_go_on(s);
    }
}

static const MemoryRegionOps register_ops = { registers_read, registers_write, 1, 4 };

/* ---- life ---- */

static bool ehci_realize(PciDevice *dev, GError **errp)
{
    Ehci *s = EHCI(dev);

    if (!ehci_add_ports(s, errp)) {
        return false;
    }
    s->timer = timer_new(look, s);
    memory_region_init_io(&s->registers, &register_ops, s, TYPE_EHCI, EHCI_BAR_SIZE);
    pci_add_bar(dev, REGISTERS_BAR, 0, &s->registers);
    runstate_add_start(look, s);
    return true;
}

static void ehci_unrealize(PciDevice *dev)
{
    Ehci *s = EHCI(dev);

    runstate_remove_start(look, s);
    ehci_remove_ports(s);
    g_clear_pointer(&s->timer, timer_free);
    memory_region_destroy(&s->registers);
}

static void ehci_reset(PciDevice *dev)
{
    reset_registers(EHCI(dev));
}

static void ehci_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    if (pci_touches(offset, size, PCI_COMMAND, 2)) {
        ehci_go_on(EHCI(dev));
    }
}

/* The level of the interrupt line is the function's state. */
static void ehci_loaded(PciDevice *dev)
{
}

static bool check_loaded(void *opaque, GError **errp)
{
    Ehci *s = opaque;

    s->since = MAX(s->since, 0);
    s->periodic_list &= ~0xfffu;
    s->async_list &= ~0x1fu;
    s->quiet = 0;
    return ehci_check_ports(s, errp);
}

static const StateField ehci_fields[] = {
    STATE_STRUCT(Ehci, parent, &pci_device_state),
    STATE_UINT(Ehci, command),
    STATE_UINT(Ehci, status),
    STATE_UINT(Ehci, interrupts),
    STATE_UINT_MAX(Ehci, frindex, EHCI_FRINDEX),
    STATE_INT(Ehci, since),
    STATE_UINT(Ehci, periodic_list),
    STATE_UINT(Ehci, async_list),
    STATE_BOOL(Ehci, configured),
    STATE_UINTS(Ehci, ports),
    STATE_TIMER(Ehci, timer),
    {},
};
static const StateTable ehci_state = {
    .name = TYPE_EHCI, .version = 1, .fields = ehci_fields, .post_load = check_loaded
};

static const PciFunctionClass ehci_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "usb",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &ehci_state },
    .realize = ehci_realize,
    .unrealize = ehci_unrealize,
    .reset = ehci_reset,
    .loaded = ehci_loaded,
    .config_written = ehci_config_written,
};

static const ObjectType ehci_type = {
    .name = TYPE_EHCI,
    .parent = TYPE_PCI_DEVICE,
    .description = "USB controller (EHCI)",
    .instance_size = sizeof(Ehci),
    .abstract = true,
    .ops = &ehci_ops,
};
OBJECT_TYPE_REGISTER(ehci_type)

/* ---- the types, which differ in their IDs ---- */

static void init(Object *obj, uint16_t device, uint8_t revision)
{
    const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x8086 },
        { PCI_DEVICE_ID, 2, device },
        { PCI_COMMAND, 2, 0, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE },
        { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
        { PCI_REVISION_ID, 1, revision },
        { PCI_CLASS_PROG, 1, 0x20 },     /* EHCI */
        { PCI_CLASS_DEVICE, 2, 0x0c03 }, /* USB controller */
        { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
        { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
        { PCI_INTERRUPT_LINE, 1, 0, 0xff },
        { PCI_INTERRUPT_PIN, 1, 4 },
        { RELEASE, 1, 0x20 },
        { FRAME_LENGTH, 1, 0x20, 0x3f },
        { LEGACY, 4, 1, 1 << 24 }, /* whose it is: firmware never says that it is its own */
        { LEGACY_SMI, 4, 0 },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

#define EHCI_TYPE(name_, id, description_, device, revision) \
    static void id##_init(Object *obj)                       \
    {                                                        \
        init(obj, device, revision);                         \
    }                                                        \
    static const ObjectType id##_type = {                    \
        .name = (name_),                                     \
        .parent = TYPE_EHCI,                                 \
        .description = (description_),                       \
        .init = id##_init,                                   \
    };                                                       \
    OBJECT_TYPE_REGISTER(id##_type)

EHCI_TYPE("usb-ehci", ich4, "USB controller (EHCI) of the ICH4", 0x24cd, 0x10)
EHCI_TYPE("ich9-usb-ehci1", ich9_1, "USB controller (EHCI) of the ICH9, the first", 0x293a, 3)
EHCI_TYPE("ich9-usb-ehci2", ich9_2, "the second", 0x293c, 3)

void ehci_create_ich9(PciBus *bus)
{
    enum { SLOT = 0x1d };
    static const struct {
        const char *type;
        unsigned function;
    } functions[] = { { "ich9-usb-ehci1", 7 },
                      { "ich9-usb-uhci1", 0 },
                      { "ich9-usb-uhci2", 1 },
                      { "ich9-usb-uhci3", 2 } };
    const Ehci *master = NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(functions); i++) {
        PciDevice *dev = PCI_DEVICE(device_new_onboard(functions[i].type));
        g_autoptr(GError) err = NULL;

        dev->parent.bus = &bus->parent;
        dev->addr = PCI_DEVFN(SLOT, functions[i].function);
        dev->multifunction = true;
        if (master) {
            UHCI(dev)->master = g_strdup(master->bus->parent.parent.name);
            UHCI(dev)->first_port = (i - 1) * UHCI_PORTS;
        }
        if (!device_realize(&dev->parent, &err)) {
            g_error("on-board device: %s", err->message);
        }
        if (!master) {
            master = EHCI(dev);
        }
    }
}
