/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci-testdev: a PCI function for tests of how a guest's writes arrive. BAR 0 is memory, BAR 1 are
 * ports, and either has three tests. The guest writes the number of one to offset 0 of the BAR and
 * reads, in either, a header that says what to write where; writes of that kind are counted in it,
 * but those that an eventfd takes are not, as they do not come here. BAR 2 is nothing but large,
 * for tests of how addresses are given ("membar").
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hw/pci/pci.h"
#include "util/error.h"

#define TYPE_PCI_TESTDEV "pci-testdev"

enum { MEMORY_SIZE = 4096, PORTS_SIZE = 256, LARGE_MIN = 16 };
enum { MEMORY_BAR, PORTS_BAR, LARGE_BAR, TEST_BARS = LARGE_BAR };

enum { NAME_SIZE = 28 };

/* What the guest reads, little-endian. */
typedef struct Header {
    uint8_t test; /* which one of all; written: which one of the BAR */
    uint8_t width;
    uint16_t zero;
    uint32_t offset, data, count;
    char name[NAME_SIZE];
} Header;

enum { TESTS_OF_BAR = 3, TESTS = TEST_BARS * TESTS_OF_BAR, NO_TEST = 0xff };

typedef struct Test {
    char name[NAME_SIZE];
    uint16_t offset;
    uint8_t data;
    bool match;   /* of these data only */
    bool eventfd; /* which takes what fits */
    uint8_t size; /* of what fits that; 0: any */
} Test;

static const Test tests[TESTS] = {
    { "mmio-no-eventfd", 0x800, 0xfa, .match = true },
    { "mmio-wildcard-eventfd", 0x801, 0xce, .eventfd = true },
    { "mmio-datamatch-eventfd", 0x802, 0xfa, .match = true, .eventfd = true, .size = 1 },
    { "portio-no-eventfd", 0x83, 0xfa, .match = true },
    { "portio-wildcard-eventfd", 0x84, 0xce, .eventfd = true, .size = 1 },
    { "portio-datamatch-eventfd", 0x85, 0xfa, .match = true, .eventfd = true, .size = 1 },
};

typedef struct PciTestdev {
    PciDevice parent;
    /* configuration */
    uint64_t large_size; /* property "membar" */
    /* state */
    uint8_t test; /* one of `tests`, or NO_TEST */
    uint32_t count;
    /* wiring */
    MemoryRegion bars[TEST_BARS], large;
    int fd; /* of all events; nobody reads it */
} PciTestdev;
OBJECT_CAST_DEFINE(PciTestdev, PCI_TESTDEV, TYPE_PCI_TESTDEV)

/* ---- the BARs ---- */

static uint64_t testdev_read(void *opaque, hwaddr addr, unsigned size)
{
    const PciTestdev *s = opaque;
    Header header = { 0 };
    uint64_t value = 0;

    if (s->test != NO_TEST) {
        const Test *test = &tests[s->test];

        header.test = s->test;
        header.width = 1;
        header.offset = GUINT32_TO_LE(test->offset);
        header.data = GUINT32_TO_LE(test->data);
        header.count = GUINT32_TO_LE(s->count);
        memcpy(header.name, test->name, NAME_SIZE);
    }
    if (addr < sizeof(header)) { /* whose size is a multiple of any access's */
        memcpy(&value, (const uint8_t *)&header + addr, size);
    }
    return value;
}

static void write_bar(PciTestdev *s, unsigned bar, hwaddr addr, uint64_t value)
{
    if (addr == offsetof(Header, test)) {
        uint8_t n = (uint8_t)value;

        s->test = n < TESTS_OF_BAR ? (uint8_t)(bar * TESTS_OF_BAR + n) : NO_TEST;
        s->count = 0;
    } else if (s->test != NO_TEST && addr == tests[s->test].offset &&
               (!tests[s->test].match || value == tests[s->test].data)) {
        s->count++;
    }
}

static void memory_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    write_bar(opaque, MEMORY_BAR, addr, value);
}

static void ports_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    write_bar(opaque, PORTS_BAR, addr, value);
}

static const MemoryRegionOps memory_ops = { testdev_read, memory_write, 1, 4 };
static const MemoryRegionOps ports_ops = { testdev_read, ports_write, 1, 4 };

static uint64_t large_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static const MemoryRegionOps large_ops = { large_read, NULL, 1, 8 };

/* ---- life ---- */

static void add_events(PciTestdev *s)
{
    for (unsigned i = 0; i < TESTS; i++) {
        const MemoryEvent event = { .offset = tests[i].offset,
                                    .size = tests[i].size,
                                    .match = tests[i].match,
                                    .value = tests[i].match ? tests[i].data : 0,
                                    .fd = s->fd };

        if (tests[i].eventfd) {
            memory_region_add_event(&s->bars[i / TESTS_OF_BAR], &event);
        }
    }
}

static bool testdev_realize(PciDevice *dev, GError **errp)
{
    PciTestdev *s = PCI_TESTDEV(dev);
    uint64_t large = s->large_size;

    if (large && (large < LARGE_MIN || large & (large - 1))) {
        error_set(errp, "membar=%" PRIu64 ": it must be 0 or a power of 2, %d at least", large,
                  LARGE_MIN);
        return false;
    }
    s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->fd < 0) {
        error_set(errp, "eventfd: %s", g_strerror(errno));
        return false;
    }
    memory_region_init_io(&s->bars[MEMORY_BAR], &memory_ops, s, "pci-testdev-mmio", MEMORY_SIZE);
    memory_region_init_io(&s->bars[PORTS_BAR], &ports_ops, s, "pci-testdev-portio", PORTS_SIZE);
    add_events(s);
    pci_add_bar(dev, MEMORY_BAR, 0, &s->bars[MEMORY_BAR]);
    pci_add_bar(dev, PORTS_BAR, PCI_BAR_IO, &s->bars[PORTS_BAR]);
    if (large) {
        memory_region_init_io(&s->large, &large_ops, s, "pci-testdev-membar", large);
        pci_add_bar(dev, LARGE_BAR, PCI_BAR_MEM64 | PCI_BAR_PREFETCH, &s->large);
    }
    return true;
}

static void testdev_unrealize(PciDevice *dev)
{
    PciTestdev *s = PCI_TESTDEV(dev);

    for (unsigned i = 0; i < TEST_BARS; i++) {
        memory_region_destroy(&s->bars[i]);
    }
    if (s->large_size) {
        memory_region_destroy(&s->large);
    }
    close(s->fd);
}

static void testdev_reset(PciDevice *dev)
{
    PCI_TESTDEV(dev)->test = NO_TEST;
    PCI_TESTDEV(dev)->count = 0;
}

/* There is nothing to be derived. */
static void testdev_loaded(PciDevice *dev)
{
}

static bool testdev_post_load(void *opaque, GError **errp)
{
    const PciTestdev *s = opaque;

    if (s->test >= TESTS && s->test != NO_TEST) {
        error_set(errp, "test %u: there are 0 to %d", s->test, TESTS - 1);
        return false;
    }
    return true;
}

static const StateField testdev_fields[] = {
    STATE_STRUCT(PciTestdev, parent, &pci_device_state),
    STATE_UINT(PciTestdev, test),
    STATE_UINT(PciTestdev, count),
    {},
};
static const StateTable testdev_state = {
    .name = TYPE_PCI_TESTDEV, .version = 1, .fields = testdev_fields, .post_load = testdev_post_load
};

static const PciFunctionClass testdev_class = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "misc",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &testdev_state },
    .realize = testdev_realize,
    .unrealize = testdev_unrealize,
    .reset = testdev_reset,
    .loaded = testdev_loaded,
};

static const PciRegister testdev_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1b36 },
    { PCI_DEVICE_ID, 2, 0x0005 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER },
    { PCI_CLASS_DEVICE, 2, 0x00ff }, /* of no class */
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
};

static void testdev_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), testdev_registers, G_N_ELEMENTS(testdev_registers));
}

static const Property testdev_properties[] = {
    { .name = "membar",
      .kind = PROP_SIZE,
      .offset = offsetof(PciTestdev, large_size),
      .has_default = true,
      .description = "bytes of a BAR more, which has nothing; 0: there is none" },
    { 0 },
};

static const ObjectType testdev_type = {
    .name = TYPE_PCI_TESTDEV,
    .parent = TYPE_PCI_DEVICE,
    .description = "A function for tests of how writes arrive",
    .instance_size = sizeof(PciTestdev),
    .properties = testdev_properties,
    .ops = &testdev_class,
    .init = testdev_init,
};
OBJECT_TYPE_REGISTER(testdev_type)
