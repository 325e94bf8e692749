/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/usb/ohci.h"

#include "hw/core/runstate.h"
#include "util/error.h"

/* Registers (section 7). */
enum {
    HC_REVISION = 0x00,
    HC_CONTROL = 0x04,
    HC_COMMAND = 0x08,
    HC_STATUS = 0x0c,
    HC_ENABLE = 0x10,
    HC_DISABLE = 0x14,
    HC_HCCA = 0x18,
    HC_CONTROL_HEAD = 0x20,
    HC_CONTROL_CURRENT = 0x24,
    HC_BULK_HEAD = 0x28,
    HC_BULK_CURRENT = 0x2c,
    HC_DONE_HEAD = 0x30,
    HC_INTERVAL = 0x34,
    HC_REMAINING = 0x38,
    HC_NUMBER = 0x3c,
    HC_PERIODIC_START = 0x40,
    HC_THRESHOLD = 0x44,
    HC_HUB_A = 0x48,
    HC_HUB_B = 0x4c,
    HC_HUB_STATUS = 0x50,
    HC_PORTS = 0x54,
};
enum {
    REVISION = 0x10,
    CONTROL_MASK = 0x7ff,
    INTERVAL_RESET = 0x27782edf,
    THRESHOLD_RESET = 0x628,
    NUMBER_MASK = 0xffff,
    LIST_MASK = 0xf,
    HUB_ALWAYS_POWER = 1 << 9,
    DEFAULT_PORTS = 3,
};
enum { CATCH_UP = 64, QUIET_AFTER = 64, QUIET_FRAMES = 8 };

void ohci_update_interrupt(Ohci *s)
{
    pci_set_irq(&s->parent,
                s->interrupts & OHCI_INT_MASTER && s->status & s->interrupts & OHCI_INT_ALL);
}

void ohci_error(Ohci *s)
{
    s->status |= OHCI_INT_ERROR;
    s->control = (s->control & ~(uint32_t)OHCI_CTL_STATE) | OHCI_STATE_RESET;
}

/* ---- time ---- */

static bool is_operational(const Ohci *s)
{
    return (s->control & OHCI_CTL_STATE) == OHCI_STATE_OPERATIONAL;
}

bool ohci_runs(const Ohci *s)
{
    return is_operational(s) && pci_can_dma(&s->parent) && runstate_is_running();
}

static bool wants_frames(const Ohci *s)
{
    return s->interrupts & OHCI_INT_MASTER &&
           s->interrupts & ~s->status & (OHCI_INT_FRAME | OHCI_INT_OVERFLOW);
}

/* Is there something to look at? */
static bool has_work(const Ohci *s)
{
    return s->control & OHCI_CTL_LISTS || s->done_head || wants_frames(s);
}

static void run_frames(Ohci *s)
{
    int64_t now = clock_ns(), late;

    if (s->since > now + OHCI_FRAME_NS) { /* of a saved machine with another clock */
        s->since = now;
    }
    late = (now - s->since) / OHCI_FRAME_NS;
    if (late > CATCH_UP) { /* the host had no time */
        s->number = (uint32_t)(s->number + late - CATCH_UP) & NUMBER_MASK;
        s->since += (late - CATCH_UP) * OHCI_FRAME_NS;
        late = CATCH_UP;
    }
    s->busy = true;
    for (; late > 0 && ohci_runs(s); late--) {
        uint32_t before = s->number;

        s->quiet = ohci_run_frame(s) ? 0 : MIN(s->quiet + 1, QUIET_AFTER);
        s->number = (s->number + 1) & NUMBER_MASK;
        s->since += OHCI_FRAME_NS;
        s->status |= (before ^ s->number) & 0x8000 ? OHCI_INT_OVERFLOW : 0;
    }
    s->busy = false;
}

void ohci_go_on(Ohci *s)
{
    if (s->busy) {
        return; /* it is asked in the next frame */
    }
    if (ohci_runs(s) && has_work(s)) {
        run_frames(s);
    }
    if (ohci_runs(s) && has_work(s)) {
        bool each = s->quiet < QUIET_AFTER || wants_frames(s);

        timer_mod(s->timer, s->since + (each ? 1 : QUIET_FRAMES) * OHCI_FRAME_NS);
    } else {
        timer_del(s->timer);
    }
    ohci_update_interrupt(s);
}

static void look(void *opaque)
{
    ohci_go_on(opaque);
}

/* ---- registers ---- */

/* Of the controller, not of its hub. */
static void reset_registers(Ohci *s, uint32_t state)
{
    s->control = state;
    s->command = s->status = 0;
    s->interrupts = OHCI_INT_MASTER;
    s->hcca = s->control_head = s->control_current = 0;
    s->bulk_head = s->bulk_current = s->done_head = 0;
    s->interval = INTERVAL_RESET;
    s->periodic_start = 0;
    s->threshold = THRESHOLD_RESET;
    s->number = 0;
    s->since = 0;
    s->delay = OHCI_NO_DELAY;
    s->quiet = 0;
    timer_del(s->timer);
    ohci_update_interrupt(s);
}

static uint32_t frame_number(const Ohci *s)
{
    int64_t passed = is_operational(s) ? (clock_ns() - s->since) / OHCI_FRAME_NS : 0;

    return (uint32_t)(s->number + MAX(passed, 0)) & NUMBER_MASK;
}

/* Bit times that are left of the frame, and the toggle of FmInterval. */
static uint32_t remaining(const Ohci *s)
{
    uint32_t toggle = s->interval & 0x80000000u, interval = s->interval & 0x3fff;
    int64_t passed = is_operational(s) ? (clock_ns() - s->since) % OHCI_FRAME_NS : 0;

    if (!is_operational(s)) {
        return 0;
    }
    return toggle | (interval - (uint32_t)(MAX(passed, 0) * interval / OHCI_FRAME_NS));
}

static void control_written(Ohci *s, uint32_t value)
{
    uint32_t before = s->control & OHCI_CTL_STATE, after = value & OHCI_CTL_STATE;

    if (ohci_runs(s)) {
        run_frames(s); /* as the lists were */
    }
    if (before != after) {
        s->number = frame_number(s);
        s->since = clock_ns();
    }
    s->control = value & CONTROL_MASK;
    s->quiet = 0;
    if (before != after && after == OHCI_STATE_RESET) {
        ohci_reset_ports(s);
    }
}

static void command_written(Ohci *s, uint32_t value)
{
    if (value & OHCI_CMD_RESET) {
        reset_registers(s, OHCI_STATE_SUSPENDED);
        return;
    }
    s->command |= value & (OHCI_CMD_CONTROL | OHCI_CMD_BULK);
    s->quiet = 0;
}

static uint32_t word_read(const Ohci *s, unsigned offset)
{
    const uint32_t words[] = {
        [HC_REVISION / 4] = REVISION,
        [HC_CONTROL / 4] = s->control,
        [HC_COMMAND / 4] = s->command,
        [HC_STATUS / 4] = s->status,
        [HC_ENABLE / 4] = s->interrupts,
        [HC_DISABLE / 4] = s->interrupts,
        [HC_HCCA / 4] = s->hcca,
        [HC_CONTROL_HEAD / 4] = s->control_head,
        [HC_CONTROL_CURRENT / 4] = s->control_current,
        [HC_BULK_HEAD / 4] = s->bulk_head,
        [HC_BULK_CURRENT / 4] = s->bulk_current,
        [HC_DONE_HEAD / 4] = s->done_head,
        [HC_INTERVAL / 4] = s->interval,
        [HC_REMAINING / 4] = remaining(s),
        [HC_NUMBER / 4] = frame_number(s),
        [HC_PERIODIC_START / 4] = s->periodic_start,
        [HC_THRESHOLD / 4] = s->threshold,
        [HC_HUB_A / 4] = HUB_ALWAYS_POWER | s->count,
        [HC_HUB_B / 4] = s->hub_b,
        [HC_HUB_STATUS / 4] = 0,
    };

    if (offset < HC_PORTS) {
        return words[offset / 4];
    }
    return offset < HC_PORTS + 4 * s->count ? s->ports[(offset - HC_PORTS) / 4] : 0;
}

/* Those that hold what is written. */
static const struct {
    unsigned offset;
    size_t member;
    uint32_t mask;
} plain[] = {
    { HC_HCCA, offsetof(Ohci, hcca), 0xffffff00 },
    { HC_CONTROL_HEAD, offsetof(Ohci, control_head), ~(uint32_t)LIST_MASK },
    { HC_CONTROL_CURRENT, offsetof(Ohci, control_current), ~(uint32_t)LIST_MASK },
    { HC_BULK_HEAD, offsetof(Ohci, bulk_head), ~(uint32_t)LIST_MASK },
    { HC_BULK_CURRENT, offsetof(Ohci, bulk_current), ~(uint32_t)LIST_MASK },
    { HC_INTERVAL, offsetof(Ohci, interval), 0xffff3fff },
    { HC_PERIODIC_START, offsetof(Ohci, periodic_start), 0x3fff },
    { HC_THRESHOLD, offsetof(Ohci, threshold), 0xfff },
    { HC_HUB_B, offsetof(Ohci, hub_b), 0xffffffff },
};

static void plain_written(Ohci *s, unsigned offset, uint32_t value)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(plain); i++) {
        if (plain[i].offset == offset) {
            *(uint32_t *)((char *)s + plain[i].member) = value & plain[i].mask;
        }
    }
}

static void word_written(Ohci *s, unsigned offset, uint32_t value)
{
    switch (offset) {
    case HC_CONTROL:
        control_written(s, value);
        break;
    case HC_COMMAND:
        command_written(s, value);
        break;
    case HC_STATUS:
        s->status &= ~value;
        break;
    case HC_ENABLE:
        s->interrupts |= value & (OHCI_INT_ALL | OHCI_INT_MASTER);
        break;
    case HC_DISABLE:
        s->interrupts &= ~value;
        break;
    default:
        if (offset >= HC_PORTS && offset < HC_PORTS + 4 * s->count) {
            ohci_port_written(s, (offset - HC_PORTS) / 4, value);
        } else {
            plain_written(s, offset, value);
        }
        break;
    }
}

static uint64_t registers_read(void *opaque, hwaddr addr, unsigned size)
{
    uint32_t word = word_read(opaque, (unsigned)addr & ~3u) >> 8 * (addr & 3);

    return size < 4 ? word & ((1u << 8 * size) - 1) : word;
}

/* They are written as a whole. */
static void registers_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    if (size == 4 && addr % 4 == 0) {
        word_written(opaque, (unsigned)addr, (uint32_t)value);
        ohci_go_on(opaque);
    }
}

static const MemoryRegionOps register_ops = { registers_read, registers_write, 1, 4 };

/* ---- life ---- */

static bool ohci_realize(PciDevice *dev, GError **errp)
{
    Ohci *s = OHCI(dev);

    if (s->count < 1 || s->count > OHCI_PORTS_MAX) {
        error_set(errp, "num-ports=%u: it has 1 to %u", s->count, OHCI_PORTS_MAX);
        return false;
    }
    s->timer = timer_new(look, s);
    if (!ohci_add_ports(s, errp)) {
        g_clear_pointer(&s->timer, timer_free);
        return false;
    }
    memory_region_init_io(&s->registers, &register_ops, s, TYPE_OHCI, OHCI_BAR_SIZE);
    pci_add_bar(dev, 0, 0, &s->registers);
    runstate_add_start(look, s);
    return true;
}

static void ohci_unrealize(PciDevice *dev)
{
    Ohci *s = OHCI(dev);

    runstate_remove_start(look, s);
    ohci_remove_ports(s);
    g_clear_pointer(&s->timer, timer_free);
    memory_region_destroy(&s->registers);
}

static void ohci_reset(PciDevice *dev)
{
    Ohci *s = OHCI(dev);

    s->hub_b = 0;
    ohci_reset_ports(s);
    reset_registers(s, OHCI_STATE_RESET);
}

static void ohci_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    if (pci_touches(offset, size, PCI_COMMAND, 2)) {
        ohci_go_on(OHCI(dev));
    }
}

/* The level of the interrupt line is the function's state. */
static void ohci_loaded(PciDevice *dev)
{
}

static bool check_loaded(void *opaque, GError **errp)
{
    Ohci *s = opaque;

    s->since = MAX(s->since, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(plain); i++) {
        *(uint32_t *)((char *)s + plain[i].member) &= plain[i].mask;
    }
    s->done_head &= ~(uint32_t)LIST_MASK;
    s->quiet = 0;
    return ohci_check_ports(s, errp);
}

static const StateField ohci_fields[] = {
    STATE_STRUCT(Ohci, parent, &pci_device_state),
    STATE_UINT(Ohci, control),
    STATE_UINT(Ohci, command),
    STATE_UINT(Ohci, status),
    STATE_UINT(Ohci, interrupts),
    STATE_UINT(Ohci, hcca),
    STATE_UINT(Ohci, control_head),
    STATE_UINT(Ohci, control_current),
    STATE_UINT(Ohci, bulk_head),
    STATE_UINT(Ohci, bulk_current),
    STATE_UINT(Ohci, done_head),
    STATE_UINT(Ohci, interval),
    STATE_UINT(Ohci, periodic_start),
    STATE_UINT(Ohci, threshold),
    STATE_UINT_MAX(Ohci, number, NUMBER_MASK),
    STATE_INT(Ohci, since),
    STATE_UINT_MAX(Ohci, delay, OHCI_NO_DELAY),
    STATE_UINT(Ohci, hub_b),
    STATE_UINTS(Ohci, ports),
    STATE_TIMER(Ohci, timer),
    {},
};
static const StateTable ohci_state = {
    .name = TYPE_OHCI, .version = 1, .fields = ohci_fields, .post_load = check_loaded
};

static const PciFunctionClass ohci_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "usb",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &ohci_state },
    .realize = ohci_realize,
    .unrealize = ohci_unrealize,
    .reset = ohci_reset,
    .loaded = ohci_loaded,
    .config_written = ohci_config_written,
};

static void ohci_init(Object *obj)
{
    static const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x106b },
        { PCI_DEVICE_ID, 2, 0x003f },
        { PCI_COMMAND, 2, 0, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE },
        { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
        { PCI_CLASS_PROG, 1, 0x10 },     /* OHCI */
        { PCI_CLASS_DEVICE, 2, 0x0c03 }, /* USB controller */
        { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
        { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
        { PCI_INTERRUPT_LINE, 1, 0, 0xff },
        { PCI_INTERRUPT_PIN, 1, 1 },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const Property ohci_properties[] = {
    { .name = "masterbus",
      .kind = PROP_STRING,
      .offset = offsetof(Ohci, master),
      .description = "name of the bus of an EHCI, whose companion it is; else it has its own" },
    { .name = "num-ports",
      .kind = PROP_UINT32,
      .offset = offsetof(Ohci, count),
      .has_default = true,
      .default_int = DEFAULT_PORTS,
      .description = "how many ports it has, 1 to 15" },
    { .name = "firstport",
      .kind = PROP_UINT32,
      .offset = offsetof(Ohci, first_port),
      .description = "the first of the EHCI's ports that it serves, from 0 on" },
    { 0 },
};

static const ObjectType ohci_type = {
    .name = TYPE_OHCI,
    .parent = TYPE_PCI_DEVICE,
    .description = "USB controller (OHCI)",
    .instance_size = sizeof(Ohci),
    .properties = ohci_properties,
    .init = ohci_init,
    .ops = &ohci_ops,
};
OBJECT_TYPE_REGISTER(ohci_type)
