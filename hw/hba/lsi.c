/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PCI functions lsi53c895a and lsi53c810: registers, interrupts, life. */
#include "hw/hba/lsi.h"

#include <string.h>

#include "hw/core/runstate.h"
#include "util/clock.h"
#include "util/error.h"

#define TYPE_LSI53C895A "lsi53c895a"
#define TYPE_LSI53C810  "lsi53c810"

enum { IO_BAR = 0, MEMORY_BAR = 1, RAM_BAR = 2 };
enum { IO_SIZE = 256, MEMORY_SIZE = 1024 };
enum { MAX_TARGET = 7, MAX_LUN = 7 };

/* A general purpose timer of the code 0 would last so long, and each code twice as long: a clock of
 * 40 MHz. */
#define TIMER_NS INT64_C(108500)

/* ---- interrupts ---- */

void lsi_update_interrupt(Lsi *s)
{
    bool scsi = (s->reg[LSI_SIST0] & s->reg[LSI_SIEN0]) || (s->reg[LSI_SIST1] & s->reg[LSI_SIEN1]);
    bool dma = s->reg[LSI_DSTAT] & s->reg[LSI_DIEN];
    bool fly = s->reg[LSI_ISTAT0] & LSI_ISTAT_INTF;

    pci_set_irq(&s->parent, (scsi || dma || fly) && !(s->reg[LSI_DCNTL] & LSI_DCNTL_IRQD));
}

void lsi_dma_interrupt(Lsi *s, uint8_t cause)
{
    s->reg[LSI_DSTAT] |= cause;
    s->run = LSI_STOPPED;
    lsi_update_interrupt(s);
}

void lsi_scsi_interrupt(Lsi *s, uint16_t cause)
{
    s->reg[LSI_SIST0] |= (uint8_t)cause;
    s->reg[LSI_SIST1] |= (uint8_t)(cause >> 8);
    s->run = LSI_STOPPED;
    lsi_update_interrupt(s);
}

static void timer_expired(void *opaque)
{
    Lsi *s = opaque;

    s->reg[LSI_SIST1] |= LSI_SIST1_GEN; /* SCRIPTS go on */
    lsi_update_interrupt(s);
}

/* ---- reading ---- */

static uint8_t read_control(const Lsi *s)
{
    unsigned phase = s->connected ? s->reg[LSI_SSTAT1] & 7u : 0;

    return (uint8_t)(s->connected ? 0xa0 | (s->atn ? 8 : 0) | phase : 0); /* REQ, BSY */
}

static uint8_t read_istat(const Lsi *s)
{
    return (uint8_t)(s->reg[LSI_ISTAT0] | (s->connected ? LSI_ISTAT_CON : 0) |
                     (s->reg[LSI_SIST0] || s->reg[LSI_SIST1] ? LSI_ISTAT_SIP : 0) |
                     (s->reg[LSI_DSTAT] ? LSI_ISTAT_DIP : 0));
}

static uint8_t take(Lsi *s, unsigned at)
{
    uint8_t value = s->reg[at];

    s->reg[at] = 0;
    lsi_update_interrupt(s);
    return value;
}

uint8_t lsi_read(Lsi *s, unsigned at)
{
    uint8_t value;

    switch (at) {
    case LSI_SCNTL1:
        return s->reg[at] | (s->connected ? LSI_SCNTL1_CON : 0);
    case LSI_SBCL:
        return read_control(s);
    case LSI_DSTAT:
        return take(s, at) | LSI_DSTAT_DFE;
    case LSI_SSTAT0:
        return s->reg[LSI_SCNTL1] & LSI_SCNTL1_RST ? LSI_SSTAT0_RST : 0;
    case LSI_SSTAT2:
        return s->connected ? 0 : LSI_SSTAT2_LDSC;
    case LSI_ISTAT0:
        return read_istat(s);
    case LSI_CTEST2:
        value = s->reg[at] | (s->reg[LSI_ISTAT0] & LSI_ISTAT_SIGP ? LSI_CTEST2_SIGP : 0);
        s->reg[LSI_ISTAT0] &= (uint8_t)~LSI_ISTAT_SIGP;
        return value;
    case LSI_SIST0:
    case LSI_SIST1:
        return take(s, at);
    default:
        return s->reg[at];
    }
}

/* ---- writing ---- */

static void reset_registers(Lsi *s)
{
    static const struct {
        uint8_t at, value;
    } values[] = {
        { LSI_SCNTL0, 0xc0 },  { LSI_SCID, 7 },      { LSI_GPREG, 0x7f },  { LSI_CTEST0, 0xff },
        { LSI_CTEST2, 0x11 },  { LSI_DCMD, 0x40 },   { LSI_MACNTL, 0x0f }, { LSI_GPCNTL, 0x0f },
        { LSI_RESPID0, 0x80 }, { LSI_STEST4, 0xe0 },
    };

    lsi_bus_free(s);
    timer_del(s->timer);
    memset(s->reg, 0, sizeof(s->reg));
    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        s->reg[values[i].at] = values[i].value;
    }
    s->run = LSI_STOPPED;
    s->moving = s->carry = s->unanswered = false;
    lsi_update_interrupt(s);
}

static void start(Lsi *s)
{
    s->run = LSI_RUNNING;
    s->moving = s->unanswered = false;
    lsi_execute(s);
}

static void write_scntl1(Lsi *s, uint8_t value)
{
    bool reset = value & LSI_SCNTL1_RST && !(s->reg[LSI_SCNTL1] & LSI_SCNTL1_RST);

    s->reg[LSI_SCNTL1] = value & (uint8_t)~LSI_SCNTL1_CON;
    if (reset) {
        s->moving = false;
        lsi_bus_reset(s);
        lsi_scsi_interrupt(s, LSI_SIST0_RST);
    }
}

static void write_istat(Lsi *s, uint8_t value)
{
    uint8_t flying = s->reg[LSI_ISTAT0] & LSI_ISTAT_INTF & (uint8_t)~value;

    if (value & LSI_ISTAT_SRST) {
        reset_registers(s);
        return;
    }
    s->reg[LSI_ISTAT0] = (value & (LSI_ISTAT_SIGP | LSI_ISTAT_SEM)) | flying;
    lsi_update_interrupt(s);
    if (value & LSI_ISTAT_ABRT) {
        lsi_dma_interrupt(s, LSI_DSTAT_ABRT);
    } else if (value & LSI_ISTAT_SIGP && s->run == LSI_WAITS_RESELECT) {
        lsi_set(s, LSI_DSP, lsi_get(s, LSI_DNAD));
        start(s);
    }
}

static void write_timer(Lsi *s, uint8_t value)
{
    unsigned code = value & 15;

    s->reg[LSI_STIME1] = value;
    if (code) {
        timer_mod(s->timer, clock_ns() + (TIMER_NS << code));
    } else {
        timer_del(s->timer);
    }
}

void lsi_write(Lsi *s, unsigned at, uint8_t value)
{
    switch (at) {
    case LSI_SCNTL1:
        write_scntl1(s, value);
        return;
    case LSI_ISTAT0:
        write_istat(s, value);
        return;
    case LSI_SSID:
    case LSI_SBCL:
    case LSI_DSTAT:
    case LSI_SSTAT0:
    case LSI_SSTAT1:
    case LSI_SSTAT2:
    case LSI_SIST0:
    case LSI_SIST1:
        return; /* they are to be read */
    case LSI_CTEST2:
        s->reg[at] = 0x11 | (value & 0x08);
        return;
    case LSI_STIME1:
        write_timer(s, value);
        return;
    case LSI_STEST4:
        return;
    case LSI_DCNTL:
        s->reg[at] = value & (uint8_t)~LSI_DCNTL_STD;
        lsi_update_interrupt(s);
        if (value & LSI_DCNTL_STD) {
            start(s);
        }
        return;
    case LSI_DSP + 3:
        s->reg[at] = value;
        if (!(s->reg[LSI_DMODE] & LSI_DMODE_MAN)) {
            start(s);
        }
        return;
    default:
        s->reg[at] = value;
        lsi_update_interrupt(s); /* masks may be others */
        return;
    }
}

/* ---- regions ---- */

static uint64_t register_read(void *opaque, hwaddr addr, unsigned size)
{
    return lsi_read(opaque, addr % LSI_REGISTERS);
}

static void register_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    lsi_write(opaque, addr % LSI_REGISTERS, (uint8_t)value);
}

static const MemoryRegionOps register_ops = { register_read, register_write, 1, 1 };

static uint64_t ram_read(void *opaque, hwaddr addr, unsigned size)
{
    const Lsi *s = opaque;
    uint64_t value = 0;

    memcpy(&value, s->ram + addr, size);
    return GUINT64_FROM_LE(value);
}

static void ram_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Lsi *s = opaque;

    value = GUINT64_TO_LE(value);
    memcpy(s->ram + addr, &value, size);
}

static const MemoryRegionOps ram_ops = { ram_read, ram_write, 1, 8 };

/* ---- memory, as the adapter sees it ---- */

/* Is all of it in a BAR? Then *@offset says where. */
static bool in_bar(const Lsi *s, unsigned bar, uint64_t bar_size, uint64_t addr, uint32_t size,
                   uint64_t *offset)
{
    uint64_t base;

    if (!pci_bar_address(&s->parent, bar, &base) || addr < base || addr - base >= bar_size ||
        size > bar_size - (addr - base)) {
        return false;
    }
    *offset = addr - base;
    return true;
}

bool lsi_dma_read(Lsi *s, uint64_t addr, void *buf, uint32_t size)
{
    uint8_t *to = buf;
    uint64_t at;

    if (in_bar(s, RAM_BAR, LSI_RAM_SIZE, addr, size, &at)) {
        memcpy(buf, s->ram + at, size);
        return true;
    }
    if (in_bar(s, MEMORY_BAR, MEMORY_SIZE, addr, size, &at)) {
        for (uint32_t i = 0; i < size; i++) {
            to[i] = lsi_read(s, (unsigned)(at + i) % LSI_REGISTERS);
        }
        return true;
    }
    return dma_read_ram(&s->parent.dma, addr, buf, size);
}

bool lsi_dma_write(Lsi *s, uint64_t addr, const void *buf, uint32_t size)
{
    const uint8_t *from = buf;
    uint64_t at;

    if (in_bar(s, RAM_BAR, LSI_RAM_SIZE, addr, size, &at)) {
        memcpy(s->ram + at, buf, size);
        return true;
    }
    if (in_bar(s, MEMORY_BAR, MEMORY_SIZE, addr, size, &at)) {
        for (uint32_t i = 0; i < size; i++) {
            lsi_write(s, (unsigned)(at + i) % LSI_REGISTERS, from[i]);
        }
        return true;
    }
    return dma_write_ram(&s->parent.dma, addr, buf, size);
}

/* ---- life ---- */

static void bus_enter(ScsiBus *bus)
{
}

static const ScsiBusOps bus_ops = { bus_enter, bus_enter, NULL, lsi_bus_unplugged, NULL };

static void machine_starts(void *opaque)
{
    lsi_execute(opaque);
}

static bool lsi_realize(PciDevice *dev, GError **errp)
{
    Lsi *s = LSI(dev);

    s->bus = scsi_bus_new(&dev->parent.parent, &dev->parent, loop_main(), &bus_ops, 0, MAX_TARGET,
                          MAX_LUN, errp);
    if (!s->bus) {
        return false;
    }
    scsi_port_realize(&s->port, s->bus, lsi_bus_ready);
    s->timer = timer_new(timer_expired, s);
    memory_region_init_io(&s->io, &register_ops, s, "lsi-io", IO_SIZE);
    memory_region_init_io(&s->registers, &register_ops, s, "lsi-registers", MEMORY_SIZE);
    memory_region_init_io(&s->ram_region, &ram_ops, s, "lsi-ram", LSI_RAM_SIZE);
    pci_add_bar(dev, IO_BAR, PCI_BAR_IO, &s->io);
    pci_add_bar(dev, MEMORY_BAR, 0, &s->registers);
    pci_add_bar(dev, RAM_BAR, 0, &s->ram_region);
    runstate_add_start(machine_starts, s);
    return true;
}

static void lsi_unrealize(PciDevice *dev)
{
    Lsi *s = LSI(dev);

    s->run = LSI_STOPPED;
    runstate_remove_start(machine_starts, s);
    scsi_port_unrealize(&s->port);
    if (s->later) {
        g_source_destroy(s->later);
        g_clear_pointer(&s->later, g_source_unref);
    }
    object_unparent(&s->bus->parent.parent);
    s->bus = NULL;
    g_clear_pointer(&s->timer, timer_free);
    memory_region_destroy(&s->io);
    memory_region_destroy(&s->registers);
    memory_region_destroy(&s->ram_region);
}

static void lsi_reset(PciDevice *dev)
{
    Lsi *s = LSI(dev);

    reset_registers(s);
    memset(s->ram, 0, sizeof(s->ram));
}

/* The level of the interrupt line is the function's state. */
static void lsi_loaded(PciDevice *dev)
{
}

static void lsi_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    if (pci_touches(offset, size, PCI_COMMAND, 2)) {
        lsi_execute(LSI(dev));
    }
}

static bool check_state(void *obj, GError **errp)
{
    const Lsi *s = obj;

    if (s->out_count > sizeof(s->out) || s->in_count > sizeof(s->in) || s->in_used > s->in_count ||
        s->cdb_count > sizeof(s->cdb) || (s->port.active && !s->connected) ||
        (s->connected && s->phase == LSI_WAIT_PHASE && !s->port.active) ||
        (s->port.active && (s->phase == LSI_COMMAND || s->phase == LSI_MESSAGE_OUT))) {
        error_set(errp, "phase %u is not one that the bus can be in", s->phase);
        return false;
    }
    return true;
}

static const StateField lsi_fields[] = {
    STATE_STRUCT(Lsi, parent, &pci_device_state),
    STATE_STRUCT(Lsi, port, &scsi_port_state),
    STATE_UINTS(Lsi, reg),
    STATE_UINTS(Lsi, ram),
    STATE_UINT_MAX(Lsi, run, LSI_WAITS_RESELECT),
    STATE_BOOL(Lsi, carry),
    STATE_BOOL(Lsi, unanswered),
    STATE_BOOL(Lsi, moving),
    STATE_UINT_MAX(Lsi, move_phase, 7),
    STATE_UINT_MAX(Lsi, left, 0xffffff),
    STATE_UINT(Lsi, move_entry),
    STATE_UINT(Lsi, move_at),
    STATE_UINT_MAX(Lsi, move_top, 0xff),
    STATE_UINT(Lsi, move_addr),
    STATE_TIMER(Lsi, timer),
    STATE_BOOL(Lsi, connected),
    STATE_BOOL(Lsi, atn),
    STATE_BOOL(Lsi, identified),
    STATE_UINT_MAX(Lsi, target, 15),
    STATE_UINT_MAX(Lsi, lun, 7),
    STATE_UINT_MAX(Lsi, phase, LSI_WAIT_PHASE),
    STATE_UINTS(Lsi, out),
    STATE_UINT(Lsi, out_count),
    STATE_UINTS(Lsi, in),
    STATE_UINT(Lsi, in_count),
    STATE_UINT(Lsi, in_used),
    STATE_UINTS(Lsi, cdb),
    STATE_UINT(Lsi, cdb_count),
    {},
};
static const StateTable lsi_state = {
    .name = "lsi53c8xx", .version = 1, .fields = lsi_fields, .post_load = check_state
};

/* ---- the types, which differ in their IDs ---- */

static void init(Object *obj, uint16_t device)
{
    const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x1000 },
        { PCI_DEVICE_ID, 2, device },
        { PCI_COMMAND, 2, 0,
          PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
              PCI_COMMAND_INTX_DISABLE },
        { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
        { PCI_CLASS_DEVICE, 2, 0x0100 }, /* SCSI */
        { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
        { PCI_LATENCY_TIMER, 1, 0xff },
        { PCI_SUBSYSTEM_ID, 2, 0x1000 },
        { PCI_INTERRUPT_LINE, 1, 0, 0xff },
        { PCI_INTERRUPT_PIN, 1, 1 },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static void init_895a(Object *obj)
{
    init(obj, 0x0012);
}

static void init_810(Object *obj)
{
    init(obj, 0x0001);
}

static const PciFunctionClass lsi_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "storage",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &lsi_state },
    .realize = lsi_realize,
    .unrealize = lsi_unrealize,
    .reset = lsi_reset,
    .loaded = lsi_loaded,
    .config_written = lsi_config_written,
};

static const ObjectType lsi_type = {
    .name = TYPE_LSI_BASE,
    .parent = TYPE_PCI_DEVICE,
    .description = "LSI SCSI adapter with SCRIPTS",
    .instance_size = sizeof(Lsi),
    .abstract = true,
    .ops = &lsi_ops,
};
OBJECT_TYPE_REGISTER(lsi_type)

static const ObjectType lsi53c895a_type = {
    .name = TYPE_LSI53C895A,
    .parent = TYPE_LSI_BASE,
    .description = "LSI 53C895A SCSI adapter",
    .init = init_895a,
};
OBJECT_TYPE_REGISTER(lsi53c895a_type)

static const ObjectType lsi53c810_type = {
    .name = TYPE_LSI53C810,
    .parent = TYPE_LSI_BASE,
    .description = "LSI 53C810 SCSI adapter",
    .init = init_810,
};
OBJECT_TYPE_REGISTER(lsi53c810_type)

static void __attribute__((constructor)) register_alias(void)
{
    device_alias_register("lsi", TYPE_LSI53C895A);
}
