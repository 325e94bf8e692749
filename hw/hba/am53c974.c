/* SPDX-License-Identifier: GPL-2.0-or-later */
/* am53c974, and dc390: the same on a card of Tekram's, which has an EEPROM. */
#include "hw/core/runstate.h"
#include "hw/hba/esp.h"
#include "util/error.h"
#include "util/loop.h"

#define TYPE_AM53C974 "am53c974"
#define TYPE_DC390    "dc390"

enum { MAX_TARGET = 7, MAX_LUN = 7, IO_SIZE = 128 };

/* Registers of the DMA engine. */
enum {
    DMA_COMMAND = 0x40,
    DMA_COUNT = 0x44,
    DMA_ADDRESS = 0x48,
    DMA_LEFT = 0x4c,
    DMA_AT = 0x50,
    DMA_STATUS = 0x54,
};

/* ---- registers ---- */

static uint32_t read_dma(const Esp *s, unsigned at)
{
    switch (at) {
    case DMA_COMMAND:
        return s->dma_command;
    case DMA_COUNT:
        return s->dma_count;
    case DMA_ADDRESS:
        return s->dma_address;
    case DMA_LEFT:
        return s->dma_left;
    case DMA_AT:
        return s->dma_at;
    case DMA_STATUS:
        return s->dma_status;
    default:
        return 0;
    }
}

static void write_dma(Esp *s, unsigned at, uint32_t value, uint32_t mask)
{
    switch (at) {
    case DMA_COMMAND:
        s->dma_command = (uint8_t)value;
        if ((value & DMA_WHAT) == DMA_START) {
            s->dma_at = s->dma_address;
            s->dma_left = s->dma_count;
            s->dma_status &= (uint8_t) ~(DMA_DONE | DMA_BLASTED);
            esp_go_on(s);
        } else if ((value & DMA_WHAT) == DMA_BLAST) {
            s->dma_status |= DMA_BLASTED; /* nothing is left in between */
        } else {
            s->dma_status &= (uint8_t) ~(DMA_DONE | DMA_BLASTED);
        }
        break;
    case DMA_COUNT:
        s->dma_count = ((s->dma_count & ~mask) | value) & 0xffffff;
        break;
    case DMA_ADDRESS:
        s->dma_address = (s->dma_address & ~mask) | value;
        break;
    default:
        break;
    }
}

static uint64_t io_read(void *opaque, hwaddr addr, unsigned size)
{
    Esp *s = opaque;
    unsigned at = addr & ~3u;

    if (at >= DMA_COMMAND) {
        return read_dma(s, at) >> addr % 4 * 8;
    }
    return addr % 4 ? 0 : esp_read(s, at / 4);
}

static void io_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Esp *s = opaque;
    unsigned at = addr & ~3u, shift = addr % 4 * 8;
    uint32_t mask = (uint32_t)((UINT64_C(1) << size * 8) - 1) << shift;

    if (at >= DMA_COMMAND) {
        write_dma(s, at, (uint32_t)value << shift & mask, mask);
    } else if (!(addr % 4)) {
        esp_write(s, at / 4, (uint8_t)value);
    }
}

static const MemoryRegionOps io_ops = { io_read, io_write, 1, 4 };

/* ---- life ---- */

static void bus_enter(ScsiBus *bus)
{
}

static const ScsiBusOps bus_ops = { bus_enter, bus_enter, NULL, esp_unplugged, NULL };

static void machine_starts(void *opaque)
{
    esp_go_on(opaque);
}

static bool esp_realize(PciDevice *dev, GError **errp)
{
    Esp *s = ESP(dev);

    s->bus = scsi_bus_new(&dev->parent.parent, &dev->parent, loop_main(), &bus_ops, 0, MAX_TARGET,
                          MAX_LUN, errp);
    if (!s->bus) {
        return false;
    }
    scsi_port_realize(&s->port, s->bus, esp_ready);
    memory_region_init_io(&s->io, &io_ops, s, TYPE_AM53C974, IO_SIZE);
    pci_add_bar(dev, 0, PCI_BAR_IO, &s->io);
    runstate_add_start(machine_starts, s);
    return true;
}

static void esp_unrealize(PciDevice *dev)
{
    Esp *s = ESP(dev);

    s->wait = WAITS_FOR_NOTHING;
    runstate_remove_start(machine_starts, s);
    scsi_port_unrealize(&s->port);
    object_unparent(&s->bus->parent.parent);
    s->bus = NULL;
    memory_region_destroy(&s->io);
}

static void esp_reset(PciDevice *dev)
{
    Esp *s = ESP(dev);

    esp_reset_chip(s);
    s->dma_command = s->dma_status = 0;
    s->dma_count = s->dma_address = s->dma_left = s->dma_at = 0;
    s->eeprom_bits = s->eeprom_clocks = 0;
}

/* The level of the interrupt line is the function's state. */
static void esp_loaded(PciDevice *dev)
{
}

static void esp_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    if (pci_touches(offset, size, PCI_COMMAND, 2)) {
        esp_go_on(ESP(dev));
    }
}

static bool check_state(void *obj, GError **errp)
{
    const Esp *s = obj;

    if (s->fifo_count > ESP_FIFO_BYTES || s->cdb_count >= SCSI_PORT_CDB ||
        (s->port.active && !s->connected) ||
        (s->connected && s->phase == PHASE_WAIT && !s->port.active) ||
        (s->connected && s->phase == PHASE_COMMAND && s->port.active)) {
        error_set(errp, "phase %u is not one that the bus can be in", s->phase);
        return false;
    }
    return true;
}

static const StateField esp_fields[] = {
    STATE_STRUCT(Esp, parent, &pci_device_state),
    STATE_STRUCT(Esp, port, &scsi_port_state),
    STATE_UINTS(Esp, reg),
    STATE_UINT(Esp, status),
    STATE_UINT(Esp, interrupt),
    STATE_UINT_MAX(Esp, step, 7),
    STATE_UINT_MAX(Esp, count, 0x1000000),
    STATE_BOOL(Esp, identified),
    STATE_BOOL(Esp, shows_id),
    STATE_UINTS(Esp, fifo),
    STATE_UINT(Esp, fifo_count),
    STATE_UINT(Esp, command),
    STATE_UINT_MAX(Esp, wait, WAITS_TO_MOVE),
    STATE_UINT(Esp, told),
    STATE_UINT_MAX(Esp, dma_count, 0xffffff),
    STATE_UINT(Esp, dma_address),
    STATE_UINT_MAX(Esp, dma_left, 0xffffff),
    STATE_UINT(Esp, dma_at),
    STATE_UINT(Esp, dma_command),
    STATE_UINT(Esp, dma_status),
    STATE_BOOL(Esp, connected),
    STATE_UINT_MAX(Esp, phase, PHASE_FREE),
    STATE_UINT_MAX(Esp, target, 7),
    STATE_UINT_MAX(Esp, lun, 7),
    STATE_UINT(Esp, message),
    STATE_UINTS(Esp, cdb),
    STATE_UINT(Esp, cdb_count),
    STATE_UINT(Esp, eeprom_bits),
    STATE_UINT(Esp, eeprom_clocks),
    {},
};
static const StateTable esp_state = {
    .name = TYPE_AM53C974, .version = 1, .fields = esp_fields, .post_load = check_state
};

/* ---- the card's EEPROM, a 93C46 whose lines are bits of configuration space ---- */

enum {
    EEPROM_LINES = 0x80,
    EEPROM_CLOCK = 0x80,
    EEPROM_DATA = 0x40,
    EEPROM_SELECT = 0xc0, /* written: it is not selected any more */
    EEPROM_COMMAND = 9,   /* bits: a one, two of the command, six of the address */
    EEPROM_READ = 6,      /* the first three of them */
    EEPROM_WORDS = 64,
    EEPROM_SUM = 0x1234,
};

/* Settings of 16 targets, then of the adapter; the sum of all words is right. */
static uint16_t eeprom_word(unsigned n)
{
    enum { TARGETS = 32, TARGET = 0x0057, ADAPTER = 0x0f07, DELAY = 0x0408 };

    if (n == EEPROM_WORDS - 1) {
        return (uint16_t)(EEPROM_SUM - (TARGETS / 2) * TARGET - ADAPTER - DELAY);
    }
    if (n < TARGETS) {
        return n % 2 ? 0 : TARGET;
    }
    return n == TARGETS ? ADAPTER : n == TARGETS + 1 ? DELAY : 0;
}

static void dc390_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    Esp *s = ESP(dev);
    uint8_t lines = dev->config[EEPROM_LINES];

    if (pci_touches(offset, size, EEPROM_SELECT, 1)) {
        s->eeprom_bits = s->eeprom_clocks = 0;
    }
    if (pci_touches(offset, size, EEPROM_LINES, 1) && lines & EEPROM_CLOCK) {
        if (s->eeprom_clocks < EEPROM_COMMAND) {
            s->eeprom_bits = s->eeprom_bits << 1 | !!(lines & EEPROM_DATA);
        }
        /* Nothing counts before the first one. */
        s->eeprom_clocks += s->eeprom_bits || s->eeprom_clocks;
    }
    esp_config_written(dev, offset, size);
}

/* Its data line is a bit of the vendor's ID. */
static void dc390_config_reading(PciDevice *dev, unsigned offset, unsigned size)
{
    enum { ONE = 0x22 };
    const Esp *s = ESP(dev);
    unsigned n = s->eeprom_clocks - EEPROM_COMMAND; /* which bit of data, from 1 on */
    bool bit = true;

    if (s->eeprom_clocks > EEPROM_COMMAND && n <= 16 && s->eeprom_bits >> 6 == EEPROM_READ) {
        bit = eeprom_word(s->eeprom_bits % EEPROM_WORDS) >> (16 - n) & 1;
    }
    dev->config[PCI_VENDOR_ID] = bit ? ONE : 0;
}

/* ---- the types ---- */

static const PciRegister pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1022 },
    { PCI_DEVICE_ID, 2, 0x2020 },
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
          PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_REVISION_ID, 1, 0x10 },
    { PCI_CLASS_DEVICE, 2, 0x0100 }, /* SCSI */
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static const PciRegister eeprom_registers[] = {
    { EEPROM_LINES, 1, 0, EEPROM_CLOCK | EEPROM_DATA },
};

static void am53c974_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), pci_registers, G_N_ELEMENTS(pci_registers));
}

static void dc390_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), pci_registers, G_N_ELEMENTS(pci_registers));
    pci_set_registers(PCI_DEVICE(obj), eeprom_registers, G_N_ELEMENTS(eeprom_registers));
}

#define ESP_CLASS                                                                       \
    .device = { PCI_DEVICE_CLASS_CORE, .category = "storage",                           \
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &esp_state }, \
    .realize = esp_realize, .unrealize = esp_unrealize, .reset = esp_reset, .loaded = esp_loaded

static const PciFunctionClass esp_ops = { ESP_CLASS, .config_written = esp_config_written };
static const PciFunctionClass dc390_ops = { ESP_CLASS, .config_reading = dc390_config_reading,
                                            .config_written = dc390_config_written };

static const ObjectType esp_type = {
    .name = TYPE_ESP_BASE,
    .parent = TYPE_PCI_DEVICE,
    .description = "AMD's PCI SCSI controller",
    .instance_size = sizeof(Esp),
    .abstract = true,
    .ops = &esp_ops,
};
OBJECT_TYPE_REGISTER(esp_type)

static const ObjectType am53c974_type = {
    .name = TYPE_AM53C974,
    .parent = TYPE_ESP_BASE,
    .description = "AMD Am53C974 SCSI adapter",
    .ops = &esp_ops,
    .init = am53c974_init,
};
OBJECT_TYPE_REGISTER(am53c974_type)

static const ObjectType dc390_type = {
    .name = TYPE_DC390,
    .parent = TYPE_ESP_BASE,
    .description = "Tekram DC-390 SCSI adapter",
    .ops = &dc390_ops,
    .init = dc390_init,
};
OBJECT_TYPE_REGISTER(dc390_type)

/* What libvirt calls it. */
static void __attribute__((constructor)) register_alias(void)
{
    device_alias_register("dc-390", TYPE_DC390);
}
