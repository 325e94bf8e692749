/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edu: a PCI function for those who learn to write drivers, with the registers that courses use: a
 * number to recognize it by, one that comes back inverted, factorials, interrupts that the driver
 * raises itself, and DMA to and from a buffer of 4 KiB.
 */
#include <string.h>

#include "hw/pci/pci-cap.h"
#include "hw/pci/pci.h"
#include "util/clock.h"
#include "util/timer.h"
#include "util/units.h"

#define TYPE_EDU "edu"

/* Registers; those from DMA_SOURCE on take 8 bytes, too. */
enum {
    IDENTIFICATION = 0x00,
    INVERT = 0x04,
    FACTORIAL = 0x08,
    STATUS = 0x20,
    IRQ_STATUS = 0x24,
    IRQ_RAISE = 0x60,
    IRQ_ACKNOWLEDGE = 0x64,
    DMA_SOURCE = 0x80,
    DMA_TARGET = 0x88,
    DMA_COUNT = 0x90,
    DMA_COMMAND = 0x98,
    IDENTITY = 0x010000ed, /* version 1.0 */
};
enum { STATUS_COMPUTING = 0x01, STATUS_INTERRUPTS = 0x80 };
enum { DMA_RUN = 1, DMA_TO_MEMORY = 2, DMA_INTERRUPTS = 4 };
enum { IRQ_FACTORIAL = 0x001, IRQ_DMA = 0x100 };

#define BAR_SIZE  MIB
#define BUFFER_AT 0x40000u
#define BUFFER    4096u
#define DMA_TIME  (100 * NS_PER_US)
#define NO_MORE   34 /* from there on factorials have 32 bits of zeros at their end */

typedef struct Edu {
    PciDevice parent;
    /* configuration */
    uint64_t dma_mask;
    /* wiring */
    MemoryRegion bar;
    /* state */
    uint32_t inverted, factorial, status, irqs;
    uint64_t source, target, count, command;
    uint8_t buffer[BUFFER];
    Timer *computed, *moved;
} Edu;
OBJECT_CAST_DEFINE(Edu, EDU, TYPE_EDU)

static void set_irqs(Edu *s, uint32_t irqs)
{
    uint32_t risen = irqs & ~s->irqs;

    s->irqs = irqs;
    if (!pci_msi_enabled(&s->parent)) {
        pci_set_irq(&s->parent, irqs != 0);
    } else if (risen) {
        pci_msi_notify(&s->parent, 0);
    }
}

static void computed(void *opaque)
{
    Edu *s = opaque;
    uint32_t result = 1;

    for (uint32_t n = s->factorial; n > 1 && n < NO_MORE; n--) {
        result *= n;
    }
    s->factorial = s->factorial < NO_MORE ? result : 0;
    s->status &= ~STATUS_COMPUTING;
    if (s->status & STATUS_INTERRUPTS) {
        set_irqs(s, s->irqs | IRQ_FACTORIAL);
    }
}

/* What is outside of the buffer, or of what the function can address, is not moved. */
static void move(Edu *s)
{
    bool to_memory = s->command & DMA_TO_MEMORY;
    uint64_t own = to_memory ? s->source : s->target, other = to_memory ? s->target : s->source;

    if (own < BUFFER_AT || s->count > BUFFER || own - BUFFER_AT > BUFFER - s->count ||
        other & ~s->dma_mask || !pci_can_dma(&s->parent)) {
        return;
    }
    if (to_memory) {
        dma_write_ram(&s->parent.dma, other, s->buffer + (own - BUFFER_AT), s->count);
    } else {
        dma_read_ram(&s->parent.dma, other, s->buffer + (own - BUFFER_AT), s->count);
    }
}

static void moved(void *opaque)
{
    Edu *s = opaque;

    move(s);
    s->command &= ~(uint64_t)DMA_RUN;
    if (s->command & DMA_INTERRUPTS) {
        set_irqs(s, s->irqs | IRQ_DMA);
    }
}

static uint64_t *dma_register(Edu *s, hwaddr addr)
{
    switch (addr) {
    case DMA_SOURCE:
        return &s->source;
    case DMA_TARGET:
        return &s->target;
    case DMA_COUNT:
        return &s->count;
    case DMA_COMMAND:
        return &s->command;
    default:
        return NULL;
    }
}

static uint64_t edu_read(void *opaque, hwaddr addr, unsigned size)
{
    Edu *s = opaque;
    const uint64_t *wide = dma_register(s, addr & ~4ull);

    if (wide) {
        return *wide >> (addr & 4) * 8;
    }
    if (size != 4) {
        return UINT64_MAX;
    }
    switch (addr) {
    case IDENTIFICATION:
        return IDENTITY;
    case INVERT:
        return s->inverted;
    case FACTORIAL:
        return s->factorial;
    case STATUS:
        return s->status;
    case IRQ_STATUS:
        return s->irqs;
    default:
        return UINT64_MAX;
    }
}

static void write_dma(Edu *s, hwaddr addr, uint64_t value, unsigned size)
{
    uint64_t *wide = dma_register(s, addr & ~4ull);

    if (!wide || s->command & DMA_RUN) {
        return; /* while it moves, nothing of it changes */
    }
    *wide = size == 8  ? value
            : addr & 4 ? (*wide & UINT32_MAX) | value << 32
                       : *wide >> 32 << 32 | (uint32_t)value;
    if (s->command & DMA_RUN) {
        timer_mod(s->moved, clock_ns() + DMA_TIME);
    }
}

static void edu_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Edu *s = opaque;

    if (addr >= DMA_SOURCE) {
        write_dma(s, addr, value, size);
        return;
    }
    if (size != 4) {
        return;
    }
    switch (addr) {
    case INVERT:
        s->inverted = ~(uint32_t)value;
        break;
    case FACTORIAL:
        if (!(s->status & STATUS_COMPUTING)) {
            s->factorial = (uint32_t)value;
            s->status |= STATUS_COMPUTING;
            timer_mod(s->computed, clock_ns() + NS_PER_US);
        }
        break;
    case STATUS:
        s->status = (s->status & ~STATUS_INTERRUPTS) | (value & STATUS_INTERRUPTS);
        break;
    case IRQ_RAISE:
        set_irqs(s, s->irqs | (uint32_t)value);
        break;
    case IRQ_ACKNOWLEDGE:
        set_irqs(s, s->irqs & ~(uint32_t)value);
        break;
    default:
        break;
    }
}

static const MemoryRegionOps edu_region_ops = { edu_read, edu_write, 4, 8 };

static bool edu_realize(PciDevice *dev, GError **errp)
{
    Edu *s = EDU(dev);

    s->computed = timer_new(computed, s);
    s->moved = timer_new(moved, s);
    memory_region_init_io(&s->bar, &edu_region_ops, s, "edu", BAR_SIZE);
    pci_add_bar(dev, 0, 0, &s->bar);
    pci_add_msi_unmasked(dev, 1);
    return true;
}

static void edu_unrealize(PciDevice *dev)
{
    Edu *s = EDU(dev);

    g_clear_pointer(&s->computed, timer_free);
    g_clear_pointer(&s->moved, timer_free);
    memory_region_destroy(&s->bar);
}

static void edu_reset(PciDevice *dev)
{
    Edu *s = EDU(dev);

    timer_del(s->computed);
    timer_del(s->moved);
    s->inverted = s->factorial = s->status = s->irqs = 0;
    s->source = s->target = s->count = s->command = 0;
    memset(s->buffer, 0, sizeof(s->buffer));
}

/* There is nothing to be derived. */
static void edu_loaded(PciDevice *dev)
{
}

static const StateField edu_fields[] = {
    STATE_STRUCT(Edu, parent, &pci_device_state),
    STATE_UINT(Edu, inverted),
    STATE_UINT(Edu, factorial),
    STATE_UINT(Edu, status),
    STATE_UINT(Edu, irqs),
    STATE_UINT(Edu, source),
    STATE_UINT(Edu, target),
    STATE_UINT(Edu, count),
    STATE_UINT(Edu, command),
    STATE_UINTS(Edu, buffer),
    STATE_TIMER(Edu, computed),
    STATE_TIMER(Edu, moved),
    {},
};
static const StateTable edu_state = { .name = TYPE_EDU, .version = 1, .fields = edu_fields };

static const PciFunctionClass edu_class = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "misc",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &edu_state },
    .realize = edu_realize,
    .unrealize = edu_unrealize,
    .reset = edu_reset,
    .loaded = edu_loaded,
};

static const PciRegister edu_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1234 },
    { PCI_DEVICE_ID, 2, 0x11e8 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE },
    { PCI_REVISION_ID, 1, 0x10 },
    { PCI_CLASS_DEVICE, 2, 0x00ff }, /* of no class */
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static void edu_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), edu_registers, G_N_ELEMENTS(edu_registers));
}

static const Property edu_properties[] = {
    { .name = "dma_mask",
      .kind = PROP_UINT64,
      .offset = offsetof(Edu, dma_mask),
      .has_default = true,
      .default_int = (1 << 28) - 1,
      .description = "bits of addresses that it reaches by DMA" },
    { 0 },
};

static const ObjectType edu_type = {
    .name = TYPE_EDU,
    .parent = TYPE_PCI_DEVICE,
    .description = "A function for those who learn to write drivers",
    .instance_size = sizeof(Edu),
    .properties = edu_properties,
    .ops = &edu_class,
    .init = edu_init,
};
OBJECT_TYPE_REGISTER(edu_type)
