/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pc-testdev: what unit tests of CPUs and interrupt controllers (kvm-unit-tests) find at fixed
 * places of a PC. Ports with four bytes that keep what was written, twice, the second time a byte
 * at a time; ports that set the lines of the interrupt controllers, each by bit 0 of its own; and
 * memory of which each access comes here. A port for page numbers, whose translations the engine is
 * to forget, takes them and does nothing: a guest cannot see what is remembered.
 */
#include <string.h>

#include "hw/char/isa-ports.h"
#include "hw/core/device.h"
#include "hw/core/irq-lines.h"
#include "hw/i386/x86.h"
#include "util/error.h"
#include "util/units.h"

#define TYPE_PC_TESTDEV "pc-testdev"

enum {
    CELL_PORT = 0xe0,
    FLUSH_PORT = 0xe4,
    BYTES_PORT = 0xe8,
    CELL_SIZE = 4,
    LINES_PORT = 0x2000,
    TRAPPED_SIZE = 64 * KIB,
};
#define TRAPPED_BASE 0xff000000u

typedef struct PcTestdev {
    Device parent;
    /* state */
    uint8_t cell[CELL_SIZE];
    uint8_t trapped[TRAPPED_SIZE];
    /* wiring */
    MemoryRegion cell_ports, flush_ports, byte_ports, line_ports, memory;
    Irq lines[IOAPIC_PINS];
} PcTestdev;
OBJECT_CAST_DEFINE(PcTestdev, PC_TESTDEV, TYPE_PC_TESTDEV)

static uint64_t cell_read(void *opaque, hwaddr addr, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, PC_TESTDEV(opaque)->cell + addr, MIN(size, CELL_SIZE - addr));
    return value;
}

static void cell_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    memcpy(PC_TESTDEV(opaque)->cell + addr, &value, MIN(size, CELL_SIZE - addr));
}

static uint64_t trapped_read(void *opaque, hwaddr addr, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, PC_TESTDEV(opaque)->trapped + addr, MIN(size, TRAPPED_SIZE - addr));
    return value;
}

static void trapped_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    memcpy(PC_TESTDEV(opaque)->trapped + addr, &value, MIN(size, TRAPPED_SIZE - addr));
}

static uint64_t nothing_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static void flush_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
}

static void line_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    irq_set(&PC_TESTDEV(opaque)->lines[addr], value & 1);
}

static const MemoryRegionOps cell_ops = { cell_read, cell_write, 1, 4 };
static const MemoryRegionOps byte_ops = { cell_read, cell_write, 1, 1 };
static const MemoryRegionOps flush_ops = { nothing_read, flush_write, 1, 4 };
static const MemoryRegionOps line_ops = { nothing_read, line_write, 1, 1 };
static const MemoryRegionOps trapped_ops = { trapped_read, trapped_write, 1, 8 };

static bool pc_testdev_realize(Device *dev, GError **errp)
{
    PcTestdev *s = PC_TESTDEV(dev);

    if (!isa_ports_free(NULL, CELL_PORT, 3 * CELL_SIZE, errp) ||
        !isa_ports_free(NULL, LINES_PORT, IOAPIC_PINS, errp)) {
        return false;
    }
    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        s->lines[i] = x86_gsi(X86_MACHINE(machine_current()), i, X86_IRQ_TEST);
    }
    memory_region_init_io(&s->cell_ports, &cell_ops, s, "pc-testdev-cell", CELL_SIZE);
    memory_region_init_io(&s->flush_ports, &flush_ops, s, "pc-testdev-flush", CELL_SIZE);
    memory_region_init_io(&s->byte_ports, &byte_ops, s, "pc-testdev-bytes", CELL_SIZE);
    memory_region_init_io(&s->line_ports, &line_ops, s, "pc-testdev-lines", IOAPIC_PINS);
    memory_region_init_io(&s->memory, &trapped_ops, s, "pc-testdev-memory", TRAPPED_SIZE);
    device_map(dev, memory_io(), CELL_PORT, &s->cell_ports, 0);
    device_map(dev, memory_io(), FLUSH_PORT, &s->flush_ports, 0);
    device_map(dev, memory_io(), BYTES_PORT, &s->byte_ports, 0);
    device_map(dev, memory_io(), LINES_PORT, &s->line_ports, 0);
    device_map(dev, memory_system(), TRAPPED_BASE, &s->memory, 0);
    return true;
}

static void pc_testdev_unrealize(Device *dev)
{
    PcTestdev *s = PC_TESTDEV(dev);

    memory_region_destroy(&s->cell_ports);
    memory_region_destroy(&s->flush_ports);
    memory_region_destroy(&s->byte_ports);
    memory_region_destroy(&s->line_ports);
    memory_region_destroy(&s->memory);
}

static const StateField pc_testdev_fields[] = {
    STATE_UINTS(PcTestdev, cell),
    STATE_UINTS(PcTestdev, trapped),
    {},
};

static const StateTable pc_testdev_state = { .name = TYPE_PC_TESTDEV,
                                             .version = 1,
                                             .fields = pc_testdev_fields };

static const DeviceClass pc_testdev_ops = {
    .category = "misc",
    .flags = DEVICE_USER_CREATABLE,
    .realize = pc_testdev_realize,
    .unrealize = pc_testdev_unrealize,
    .state = &pc_testdev_state,
};

static const ObjectType pc_testdev_type = {
    .name = TYPE_PC_TESTDEV,
    .parent = TYPE_DEVICE,
    .description = "Ports and memory that unit tests of CPUs use",
    .instance_size = sizeof(PcTestdev),
    .ops = &pc_testdev_ops,
};
OBJECT_TYPE_REGISTER(pc_testdev_type)

static const IrqLines pc_testdev_lines[] = {
    { .type = TYPE_PC_TESTDEV,
      .out = true,
      .offset = offsetof(PcTestdev, lines),
      .count = IOAPIC_PINS },
    {},
};
IRQ_LINES_REGISTER(pc_testdev_lines)
