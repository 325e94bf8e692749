/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BARs, bridges, ECAM, INTx, MSI and the places on buses, on a host of our own with a device that
 * has one BAR of each kind; then a guest that writes anything anywhere.
 */
#include <string.h>
#include <unistd.h>

#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-cap.h"
#include "hw/pci/pci-host.h"
#include "hw/pci/pci-internal.h"
#include "hw/pci/pci-iommu.h"
#include "memory/address-space.h"
#include "tests/unit/chip-test.h"
#include "util/error.h"

#define RAM_SIZE   0x200000u
#define DIMM_BASE  0x140000000ull
#define DIMM_SIZE  0x200000u
#define ECAM_BASE  0xb0000000u
#define TEST_CLASS 0x00ff
#define IO_SIZE    16
#define MEM_SIZE   0x1000
#define WIDE_SIZE  0x100000

/* ---- a device ---- */

typedef struct TestDevice {
    PciDevice parent;
    MemoryRegion io, memory, wide;
    uint64_t written;
    unsigned writes;
} TestDevice;

static uint64_t dev_read(void *opaque, hwaddr addr, unsigned size)
{
    return addr;
}

static void dev_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    TestDevice *s = opaque;

    s->written = value;
    s->writes++;
}

static const MemoryRegionOps dev_ops = { dev_read, dev_write, 1, 8 };

static void dev_init(Object *obj)
{
    static const PciRegister regs[] = {
        { PCI_VENDOR_ID, 2, 0x1234 },         { PCI_DEVICE_ID, 2, 0x5678 },
        { PCI_COMMAND, 2, 0, 0x0547 },        { PCI_CLASS_DEVICE, 2, TEST_CLASS },
        { PCI_INTERRUPT_LINE, 1, 0, 0xff },   { PCI_INTERRUPT_PIN, 1, 1 },
        { PCI_STATUS, 2, 0x4000, 0, 0xf900 },
    };
    TestDevice *s = (TestDevice *)obj;

    pci_set_registers(&s->parent, regs, G_N_ELEMENTS(regs));
    memory_region_init_io(&s->io, &dev_ops, s, "test-io", IO_SIZE);
    memory_region_init_io(&s->memory, &dev_ops, s, "test-memory", MEM_SIZE);
    memory_region_init_io(&s->wide, &dev_ops, s, "test-wide", WIDE_SIZE);
    pci_add_bar(&s->parent, 0, PCI_BAR_IO, &s->io);
    pci_add_bar(&s->parent, 1, 0, &s->memory);
    pci_add_bar(&s->parent, 2, PCI_BAR_MEM64 | PCI_BAR_PREFETCH, &s->wide);
    pci_add_msi(&s->parent, 4);
}

static void dev_finalize(Object *obj)
{
    TestDevice *s = (TestDevice *)obj;

    memory_region_destroy(&s->io);
    memory_region_destroy(&s->memory);
    memory_region_destroy(&s->wide);
}

static const ObjectType dev_type = {
    .name = "test-pci",
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(TestDevice),
    .init = dev_init,
    .finalize = dev_finalize,
};
OBJECT_TYPE_REGISTER(dev_type)

static void express_init(Object *obj)
{
    pci_add_express(PCI_DEVICE(obj), PCIE_ENDPOINT, 0);
}

static const ObjectType express_type = {
    .name = "test-pcie",
    .parent = "test-pci",
    .init = express_init,
};
OBJECT_TYPE_REGISTER(express_type)

static const ObjectType host_type = { .name = "test-pcihost", .parent = TYPE_PCI_HOST };
OBJECT_TYPE_REGISTER(host_type)

/* ---- the machine: 00:01.0 and 00:01.1 root ports, 00:02.0 a device, one behind each port ---- */

static PciHost *host;
static PciBridge *ports[2];
static TestDevice *dev, *behind[2];
static MemoryRegion ram, dimm;
static RamBlock *ram_block, *dimm_block;
static int lines[PCI_PIRQS];
static uint64_t msi_addr;
static uint32_t msi_data;
static unsigned msis;

static unsigned map_irq(void *opaque, uint8_t slot, unsigned pin)
{
    return (slot + pin) % 4;
}

static void set_irq(void *opaque, unsigned line, int level)
{
    lines[line] = level;
}

static void deliver_msi(uint64_t addr, uint32_t data)
{
    msi_addr = addr;
    msi_data = data;
    msis++;
}

/* Plug a device as a user does: unrealized with an error if it is refused. */
static Device *plug(const char *type, const char *bus, const char *addr, bool multifunction,
                    const char *id, GError **errp)
{
    g_autoptr(Object) obj = object_new(type, NULL);

    g_assert_nonnull(obj);
    DEVICE(obj)->id = g_strdup(id);
    DEVICE(obj)->bus_name = g_strdup(bus);
    PCI_DEVICE(obj)->multifunction = multifunction;
    if (addr && !object_property_parse(obj, "addr", addr, errp)) {
        return NULL;
    }
    object_add_child(object_container("/machine/peripheral"), id ? id : "d[*]", obj, NULL);
    if (!device_realize(DEVICE(obj), errp)) {
        object_unparent(obj);
        return NULL;
    }
    return DEVICE(obj);
}

static void *plug_good(const char *type, const char *bus, const char *addr, bool multifunction,
                       const char *id)
{
    g_autoptr(GError) err = NULL;
    Device *plugged = plug(type, bus, addr, multifunction, id, &err);

    g_assert_no_error(err);
    return plugged;
}

static PciBridge *plug_port(const char *addr, bool multifunction, const char *id, unsigned chassis)
{
    g_autoptr(Object) obj = object_new("pcie-root-port", NULL);
    g_autofree char *number = g_strdup_printf("%u", chassis);
    g_autoptr(GError) err = NULL;

    DEVICE(obj)->id = g_strdup(id);
    object_property_parse(obj, "addr", addr, NULL);
    object_property_parse(obj, "chassis", number, NULL);
    object_property_parse(obj, "port", "8", NULL);
    PCI_DEVICE(obj)->multifunction = multifunction;
    object_add_child(object_container("/machine/peripheral"), id, obj, NULL);
    device_realize(DEVICE(obj), &err);
    g_assert_no_error(err);
    return PCI_BRIDGE(obj);
}

static void make_machine(void)
{
    static const PciInterrupts interrupts = { map_irq, set_irq, NULL };

    ram_block = ram_block_new("ram", RAM_SIZE, -1, false, true, 0, NULL);
    dimm_block = ram_block_new("dimm", DIMM_SIZE, -1, false, true, 0, NULL);
    memory_region_init_ram(&ram, "ram", ram_block);
    memory_region_init_ram(&dimm, "dimm", dimm_block);
    memory_region_add(memory_system(), 0, &ram);
    memory_region_add(memory_system(), DIMM_BASE, &dimm);
    host = pci_host_create("test-pcihost", "host", TYPE_PCIE_BUS, "pcie.0", memory_system(),
                           memory_io());
    host->bus->deliver_msi = deliver_msi;
    pci_bus_set_interrupts(host->bus, &interrupts);
    ports[0] = plug_port("1", true, "pci.1", 1);
    ports[1] = plug_port("0x1.0x1", false, "pci.2", 2);
    dev = plug_good("test-pci", "pcie.0", "02.0", false, "d0");
    behind[0] = plug_good("test-pcie", "pci.1", "0x0", false, "d1");
    behind[1] = plug_good("test-pci", "pci.2", NULL, false, "d2");
}

static uint32_t config_read(unsigned bus, unsigned devfn, unsigned offset)
{
    address_space_store(&address_space_io, 0xcf8,
                        0x80000000u | bus << 16 | devfn << 8 | (offset & ~3u), 4);
    return (uint32_t)address_space_load(&address_space_io, 0xcfc, 4);
}

static void config_write(unsigned bus, unsigned devfn, unsigned offset, uint32_t value,
                         unsigned size)
{
    address_space_store(&address_space_io, 0xcf8,
                        0x80000000u | bus << 16 | devfn << 8 | (offset & ~3u), 4);
    address_space_store(&address_space_io, 0xcfc + (offset & 3), value, size);
}

#define DEV   PCI_DEVFN(2, 0)
#define PORT0 PCI_DEVFN(1, 0)
#define PORT1 PCI_DEVFN(1, 1)

static void open_ports(void)
{
    devices_reset();
    config_write(0, PORT0, PCI_PRIMARY_BUS, 0x010100, 4);
    config_write(0, PORT1, PCI_PRIMARY_BUS, 0x020200, 4);
    config_write(0, PORT0, PCI_COMMAND, 7, 2);
    config_write(0, PORT1, PCI_COMMAND, 7, 2);
}

/* ---- base address registers ---- */

static void test_bar_sizes(void)
{
    devices_reset();
    for (unsigned n = 0; n < PCI_BARS; n++) {
        config_write(0, DEV, PCI_BASE_ADDRESS_0 + 4 * n, 0xffffffff, 4);
    }
    g_assert_cmphex(config_read(0, DEV, 0x10), ==, 0xfffffff1);
    g_assert_cmphex(config_read(0, DEV, 0x14), ==, 0xfffff000);
    g_assert_cmphex(config_read(0, DEV, 0x18), ==, 0xfff0000c);
    g_assert_cmphex(config_read(0, DEV, 0x1c), ==, 0xffffffff);
    g_assert_cmphex(config_read(0, DEV, 0x20), ==, 0);
    devices_reset();
    g_assert_cmphex(config_read(0, DEV, 0x14), ==, 0);
}

static void test_bar_decode(void)
{
    devices_reset();
    config_write(0, DEV, 0x10, 0xc000, 4);
    config_write(0, DEV, 0x14, 0xe0000000, 4);
    config_write(0, DEV, 0x18, 0x40000000, 4);
    config_write(0, DEV, 0x1c, 0x12, 4);
    g_assert_cmphex(readl(0xe0000010), ==, 0xffffffff); /* not enabled */
    g_assert_cmphex(inb(0xc003), ==, 0xff);
    config_write(0, DEV, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    g_assert_cmphex(readl(0xe0000010), ==, 0x10);
    g_assert_cmphex(readl(0x1240000100), ==, 0x100);
    g_assert_cmphex(readl(0x1240000000 + WIDE_SIZE), ==, 0xffffffff);
    g_assert_cmphex(inb(0xc003), ==, 0xff);
    config_write(0, DEV, PCI_COMMAND, PCI_COMMAND_IO, 2);
    g_assert_cmphex(inb(0xc003), ==, 3);
    g_assert_cmphex(inb(0xc000 + IO_SIZE), ==, 0xff);
    g_assert_cmphex(readl(0xe0000010), ==, 0xffffffff);
    config_write(0, DEV, 0x10, 0xd000, 4); /* moves while it decodes */
    g_assert_cmphex(inb(0xc003), ==, 0xff);
    g_assert_cmphex(inb(0xd003), ==, 3);
    config_write(0, DEV, 0x10, 0x1d000, 4); /* beyond the ports that a PC has */
    g_assert_cmphex(inb(0xd003), ==, 0xff);
}

/* Neither RAM nor a DIMM nor a port of the board can be hidden. */
static void test_bar_over_ram(void)
{
    devices_reset();
    memset(ram_block->host, 0x11, RAM_SIZE);
    memset(dimm_block->host, 0x22, DIMM_SIZE);
    config_write(0, DEV, 0x10, 0xcf0, 4);
    config_write(0, DEV, 0x18, (uint32_t)DIMM_BASE, 4);
    config_write(0, DEV, 0x1c, DIMM_BASE >> 32, 4);
    config_write(0, DEV, PCI_COMMAND, 3, 2); /* the memory BAR is at 0 */
    g_assert_cmphex(readl(0x10), ==, 0x11111111);
    g_assert_cmphex(readl(DIMM_BASE + 0x10), ==, 0x22222222);
    dev->writes = 0;
    writel(DIMM_BASE, 0x33333333);
    g_assert_cmphex(*(uint32_t *)dimm_block->host, ==, 0x33333333);
    g_assert_cmpuint(dev->writes, ==, 0);
    g_assert_cmphex(config_read(0, DEV, 0), ==, 0x56781234); /* ports 0xcf8 are there still */
    memory_region_remove(&dimm);                             /* behind it the BAR is */
    g_assert_cmphex(readl(DIMM_BASE + 0x10), ==, 0x10);
    memory_region_add(memory_system(), DIMM_BASE, &dimm);
}

/* ---- configuration space ---- */

static void test_masks(void)
{
    devices_reset();
    g_assert_cmphex(config_read(0, DEV, 0x04) >> 16, ==, 0x4010);
    config_write(0, DEV, PCI_STATUS, 0x4000, 2); /* written 1 to clear */
    g_assert_cmphex(config_read(0, DEV, 0x04) >> 16, ==, 0x0010);
    config_write(0, DEV, PCI_VENDOR_ID, 0, 4);
    g_assert_cmphex(config_read(0, DEV, 0), ==, 0x56781234);
}

static void test_routing(void)
{
    devices_reset();
    g_assert_cmphex(config_read(1, 0, 0), ==, 0xffffffff); /* no numbers yet */
    open_ports();
    g_assert_cmphex(config_read(1, 0, 0), ==, 0x56781234);
    g_assert_cmphex(config_read(2, 0, 0), ==, 0x56781234);
    g_assert_cmphex(config_read(1, PCI_DEVFN(1, 0), 0), ==, 0xffffffff);
    g_assert_cmphex(config_read(3, 0, 0), ==, 0xffffffff);
    config_write(2, 0, PCI_INTERRUPT_LINE, 0x5a, 1);
    g_assert_cmphex(config_read(2, 0, 0x3c), ==, 0x15a);
    g_assert_cmphex(config_read(1, 0, 0x3c), ==, 0x100);
    config_write(0, PORT1, PCI_PRIMARY_BUS, 0x010100, 4); /* both bus 1: the first has it */
    g_assert_cmphex(config_read(1, 0, 0x3c), ==, 0x100);
    config_write(0, PORT0, PCI_PRIMARY_BUS, 0xff0000, 4); /* what says that it is bus 0 is not */
    g_assert_cmphex(config_read(0, DEV, 0), ==, 0x56781234);
    g_assert_cmphex(config_read(7, 0, 0), ==, 0xffffffff);
}

static void test_ecam(void)
{
    hwaddr express = ECAM_BASE + (1 << 20), plain = ECAM_BASE + (DEV << 12);

    open_ports();
    g_assert_cmphex(readl(plain), ==, 0xffffffff);
    pci_host_set_ecam(host, true, ECAM_BASE, 256);
    g_assert_cmphex(readl(plain), ==, 0x56781234);
    g_assert_cmphex(readl(express), ==, 0x56781234);
    g_assert_cmphex(address_space_load(&address_space_memory, plain, 8), ==,
                    readl(plain) | (uint64_t)readl(plain + 4) << 32);
    g_assert_cmphex(address_space_load(&address_space_memory, plain + 1, 2), ==, 0x7812);
    g_assert_cmphex(readl(express + 0x100), ==, 0); /* no extended capability */
    g_assert_cmphex(readl(plain + 0x100), ==, 0xffffffff);
    g_assert_cmphex(readl(plain + 0xffe), ==, 0xffffffff); /* into the next function */
    writel(express + PCI_INTERRUPT_LINE, 0x77);
    g_assert_cmphex(config_read(1, 0, 0x3c), ==, 0x177);
    writel(plain + 0xfe, 0xffffffff); /* over the end: nothing */
    pci_host_set_ecam(host, true, ECAM_BASE, 1);
    g_assert_cmphex(readl(express), ==, 0xffffffff);
    pci_host_set_ecam(host, true, 0, 256); /* RAM stays, and is not shadowed */
    *(uint32_t *)ram_block->host = 0x44;
    g_assert_cmphex(readl(0), ==, 0x44);
    pci_host_set_ecam(host, true, ECAM_BASE, 64);
    devices_reset();
    g_assert_cmphex(readl(plain), ==, 0xffffffff);
}

/* ---- bridges ---- */

static void test_windows(void)
{
    open_ports();
    config_write(1, 0, 0x14, 0xe0100000, 4);
    config_write(1, 0, 0x10, 0x2000, 4);
    config_write(1, 0, 0x18, 0x00000000, 4);
    config_write(1, 0, 0x1c, 0x20, 4);
    config_write(1, 0, PCI_COMMAND, 3, 2);
    g_assert_cmphex(readl(0xe0100004), ==, 0xffffffff); /* closed after a reset */
    g_assert_cmphex(inb(0x2001), ==, 0xff);
    config_write(0, PORT0, PCI_MEMORY_BASE, 0xe010e010, 4);
    g_assert_cmphex(readl(0xe0100004), ==, 4);
    config_write(0, PORT0, PCI_IO_BASE, 0x2020, 2);
    g_assert_cmphex(inb(0x2001), ==, 1);
    g_assert_cmphex(readl(0x2000000008), ==, 0xffffffff);
    config_write(0, PORT0, PCI_PREF_BASE_UPPER, 0x20, 4);
    config_write(0, PORT0, PCI_PREF_LIMIT_UPPER, 0x20, 4);
    config_write(0, PORT0, PCI_PREF_BASE, 0x00000000, 4);
    g_assert_cmphex(readl(0x2000000008), ==, 8);
    config_write(1, 0, 0x14, 0xe0200000, 4); /* outside of the window */
    g_assert_cmphex(readl(0xe0200004), ==, 0xffffffff);
    config_write(1, 0, 0x14, 0xe0100000, 4);
    config_write(0, PORT0, PCI_COMMAND, 5, 2); /* the bridge does not pass memory on */
    g_assert_cmphex(readl(0xe0100004), ==, 0xffffffff);
    g_assert_cmphex(inb(0x2001), ==, 1);
    config_write(0, PORT0, PCI_COMMAND, 7, 2);
    config_write(0, PORT0, PCI_PREF_BASE, 0x0000fff0, 4); /* base above limit */
    g_assert_cmphex(readl(0x2000000008), ==, 0xffffffff);
    /* All there is: RAM and the DIMM still win. */
    config_write(0, PORT0, PCI_PREF_BASE, 0xfff00000, 4);
    config_write(0, PORT0, PCI_PREF_BASE_UPPER, 0, 4);
    config_write(0, PORT0, PCI_PREF_LIMIT_UPPER, 0xffffffff, 4);
    g_assert_cmphex(readl(0x2000000008), ==, 8);
    config_write(1, 0, 0x1c, DIMM_BASE >> 32, 4);
    config_write(1, 0, 0x18, (uint32_t)DIMM_BASE, 4);
    memset(dimm_block->host, 0x55, 16);
    g_assert_cmphex(readl(DIMM_BASE + 8), ==, 0x55555555);
}

static void test_bus_reset(void)
{
    open_ports();
    config_write(1, 0, PCI_INTERRUPT_LINE, 9, 1);
    config_write(0, DEV, PCI_INTERRUPT_LINE, 9, 1);
    config_write(0, PORT0, PCI_BRIDGE_CONTROL, 0x40, 2);
    g_assert_cmphex(config_read(1, 0, 0x3c) & 0xff, ==, 0);
    g_assert_cmphex(config_read(0, DEV, 0x3c) & 0xff, ==, 9);
}

static void test_port_capabilities(void)
{
    unsigned at, flags = 0, msi = 0;

    open_ports();
    g_assert_cmphex(config_read(0, PORT0, 0x0c) >> 16, ==, 0x81); /* bridge, multifunction */
    g_assert_cmphex(config_read(0, PORT1, 0x0c) >> 16, ==, 0x01);
    for (at = config_read(0, PORT0, PCI_CAPABILITY_LIST) & 0xff; at;
         at = config_read(0, PORT0, at) >> 8 & 0xff) {
        msi |= (config_read(0, PORT0, at) & 0xff) == PCI_CAP_ID_MSI;
        if ((config_read(0, PORT0, at) & 0xff) == PCI_CAP_ID_EXPRESS) {
            flags = config_read(0, PORT0, at) >> 16;
            g_assert_cmphex(config_read(0, PORT0, at + 0x0c) >> 24, ==, 8); /* port */
            g_assert_cmphex(config_read(0, PORT0, at + 0x10) >> 16 & 0x2000, ==, 0x2000);
            g_assert_cmphex(config_read(0, PORT0, at + 0x14) & 0x7f, ==, 0x5b); /* hot-plug */
            g_assert_cmphex(config_read(0, PORT0, at + 0x18) >> 16, ==, 0x40);
        }
    }
    g_assert_cmphex(flags, ==, 0x0142); /* root port with a slot, version 2 */
    g_assert_cmpuint(msi, ==, 1);
}

/* ---- interrupts ---- */

static void test_intx(void)
{
    open_ports();
    pci_set_irq(&dev->parent, 1);
    g_assert_cmpint(lines[2], ==, 1);
    g_assert_cmphex(config_read(0, DEV, 4) >> 16 & 8, ==, 8);
    pci_set_irq(&dev->parent, 1); /* once more is no more */
    pci_set_irq(&behind[0]->parent, 1);
    g_assert_cmpint(lines[1], ==, 1);
    pci_set_irq(&behind[1]->parent, 1); /* the same line: a port's slot and INTA# */
    pci_set_irq(&behind[0]->parent, 0);
    g_assert_cmpint(lines[1], ==, 1);
    pci_set_irq(&behind[1]->parent, 0);
    g_assert_cmpint(lines[1], ==, 0);
    config_write(0, DEV, PCI_COMMAND, PCI_COMMAND_INTX_DISABLE, 2);
    g_assert_cmpint(lines[2], ==, 0);
    config_write(0, DEV, PCI_COMMAND, 0, 2);
    g_assert_cmpint(lines[2], ==, 1);
    devices_reset();
    g_assert_cmpint(lines[2], ==, 0);
    g_assert_cmphex(config_read(0, DEV, 4) >> 16 & 8, ==, 0);
    for (unsigned i = 0; i < PCI_PIRQS; i++) {
        g_assert_cmpuint(host->bus->raised[i], ==, 0);
    }
}

static void test_msi(void)
{
    unsigned cap = behind[0]->parent.msi_cap;

    open_ports();
    msis = 0;
    pci_msi_notify(&behind[0]->parent, 1); /* off */
    config_write(1, 0, cap + 4, 0xfee01004, 4);
    config_write(1, 0, cap + 12, 0x4045, 2);
    config_write(1, 0, cap + 2, 0x0021, 2); /* on, 4 vectors */
    pci_msi_notify(&behind[0]->parent, 1);  /* no bus master */
    g_assert_cmpuint(msis, ==, 0);
    config_write(1, 0, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
    pci_msi_notify(&behind[0]->parent, 1);
    g_assert_cmpuint(msis, ==, 1);
    g_assert_cmphex(msi_addr, ==, 0xfee01004);
    g_assert_cmphex(msi_data, ==, 0x4045);
    pci_msi_notify(&behind[0]->parent, 2);
    g_assert_cmphex(msi_data, ==, 0x4046);
    g_assert_cmpuint(msis, ==, 2);
    config_write(0, PORT0, PCI_COMMAND, 3,
                 2); /* that the bridge is no bus master does not matter */
    pci_msi_notify(&behind[0]->parent, 2);
    g_assert_cmpuint(msis, ==, 3);
    config_write(0, PORT0, PCI_COMMAND, 7, 2);
    msis = 2;
    config_write(1, 0, cap + 16, 0xffffffff, 4);
    g_assert_cmphex(config_read(1, 0, cap + 16), ==, 0xf);
    pci_msi_notify(&behind[0]->parent, 3); /* masked: pending */
    g_assert_cmpuint(msis, ==, 2);
    g_assert_cmphex(config_read(1, 0, cap + 20), ==, 8);
    config_write(1, 0, cap + 16, 0, 4);
    g_assert_cmpuint(msis, ==, 3);
    g_assert_cmphex(msi_data, ==, 0x4047);
    g_assert_cmphex(config_read(1, 0, cap + 20), ==, 0);
    config_write(1, 0, cap + 2, 0x0071, 2); /* more than there are */
    pci_msi_notify(&behind[0]->parent, 3);
    g_assert_cmphex(msi_data, ==, 0x4047);
    config_write(1, 0, cap + 2, 0x0001, 2); /* one */
    pci_msi_notify(&behind[0]->parent, 3);
    g_assert_cmphex(msi_data, ==, 0x4045);
}

/* A function that is reset by itself is as new, and only that one. */
static void test_function_reset(void)
{
    TestDevice *one = behind[0];
    uint8_t control = one->parent.express_cap + 8;

    devices_reset();
    config_write(0, DEV, 0x14, 0xe0000000, 4);
    pci_set_long(&one->parent, 0x14, 0xe0200000);
    pci_set_irq(&one->parent, 1);
    pci_device_write(&one->parent, control, 0x7fff, 2);
    g_assert_cmphex(pci_get_word(&one->parent, control), ==, 0x78ff);
    g_assert_cmphex(pci_get_long(&one->parent, 0x14), ==, 0xe0200000);
    pci_device_write(&one->parent, control + 1, 0x80, 1);
    g_assert_cmphex(pci_get_word(&one->parent, control), ==, 0x2810);
    g_assert_cmphex(pci_get_long(&one->parent, 0x14), ==, 0);
    g_assert_false(one->parent.irq_raised);
    g_assert_cmphex(config_read(0, DEV, 0x14), ==, 0xe0000000);
}

/* ---- the expansion ROM ---- */

#define ROM_DEV  PCI_DEVFN(3, 0)
#define ROM_ADDR 0xe0100000u
#define IMAGE    1024u

/* An image for a device, whose bytes' sum is 0. */
static void put_image(uint8_t *image, uint16_t vendor, uint16_t device, bool last)
{
    const uint8_t header[] = { 0x55, 0xaa, IMAGE / 512 };
    const uint8_t ids[] = { vendor & 0xff, vendor >> 8, device & 0xff, device >> 8 };
    uint8_t sum = 0;

    memset(image, 0x5a, IMAGE);
    memcpy(image, header, sizeof(header));
    memcpy(image + 0x18, "\x40", 2);
    memcpy(image + 0x40, "PCIR", 4);
    memcpy(image + 0x44, ids, sizeof(ids));
    memcpy(image + 0x50, "\x02", 2);
    image[0x55] = last ? 0x80 : 0;
    for (unsigned i = 0; i < IMAGE - 1; i++) {
        sum += image[i];
    }
    image[IMAGE - 1] = -sum;
}

static PciDevice *rom_device(const char *file, uint32_t size, GError **errp)
{
    PciDevice *new = PCI_DEVICE(device_new_onboard("test-pci"));

    new->parent.bus = &host->bus->parent;
    new->addr = ROM_DEV;
    new->rom_file = g_strdup(file);
    new->rom_size = size;
    if (!device_realize(&new->parent, errp)) {
        object_unparent(OBJECT(new));
        return NULL;
    }
    return new;
}

static void assert_rom_sum(unsigned at)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < IMAGE; i++) {
        sum += (uint8_t)address_space_load(&address_space_memory, ROM_ADDR + at + i, 1);
    }
    g_assert_cmphex(sum, ==, 0);
}

static char *rom_file(const void *contents, size_t size)
{
    char *path;
    int fd = g_file_open_tmp(NULL, &path, NULL);

    g_assert_cmpint(write(fd, contents, size), ==, size);
    close(fd);
    return path;
}

static void test_rom(void)
{
    uint8_t rom[3 * IMAGE];
    g_autofree char *file = NULL;
    g_autoptr(GError) err = NULL;

    put_image(rom, 0x1234, 0x1111, false); /* for another device of the vendor */
    put_image(rom + IMAGE, 0x4321, 0x1111, false);
    put_image(rom + 2 * IMAGE, 0x1234, 0x5678, true);
    file = rom_file(rom, sizeof(rom));
    PciDevice *card = rom_device(file, PROP_UNSET, &err);
    g_assert_no_error(err);
    config_write(0, ROM_DEV, PCI_ROM_ADDRESS, 0xffffffff, 4);
    g_assert_cmphex(config_read(0, ROM_DEV, PCI_ROM_ADDRESS), ==, 0xfffff001);
    config_write(0, ROM_DEV, PCI_ROM_ADDRESS, ROM_ADDR, 4);
    config_write(0, ROM_DEV, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
    g_assert_cmphex(readl(ROM_ADDR), ==, 0xffffffff); /* not enabled */
    config_write(0, ROM_DEV, PCI_ROM_ADDRESS, ROM_ADDR | PCI_ROM_ADDRESS_ENABLE, 4);
    writel(ROM_ADDR, 0);
    g_assert_cmphex(readl(ROM_ADDR), ==, 0x5a02aa55);
    g_assert_cmphex(readl(ROM_ADDR + 0x44), ==, 0x56781234);
    g_assert_cmphex(readl(ROM_ADDR + IMAGE + 0x44), ==, 0x11114321);
    g_assert_cmphex(readl(ROM_ADDR + 2 * IMAGE + 0x44), ==, 0x56781234);
    for (unsigned i = 0; i < 3; i++) {
        assert_rom_sum(i * IMAGE);
    }
    config_write(0, ROM_DEV, PCI_COMMAND, 0, 2);
    g_assert_cmphex(readl(ROM_ADDR), ==, 0xffffffff);
    devices_reset();
    g_assert_cmphex(config_read(0, ROM_DEV, PCI_ROM_ADDRESS), ==, 0);
    device_unrealize(&card->parent);
    g_assert_null(card->rom);
    object_unparent(OBJECT(card));
    unlink(file);
}

static void test_bad_rom(void)
{
    static const struct {
        uint8_t first;
        uint16_t bytes;
        uint32_t size;
        const char *message;
    } cases[] = {
        { 0x56, IMAGE, PROP_UNSET, "no expansion ROM" },
        { 0x55, 0, PROP_UNSET, "no expansion ROM" },
        { 0x55, 0x19, PROP_UNSET, "no expansion ROM" },
        { 0x55, IMAGE, 5000, "power of 2" },
        { 0x55, 5 * IMAGE, 4096, "not less than the 5120" },
        { 0x55, IMAGE, 1u << 25, "power of 2" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint8_t rom[5 * IMAGE] = { cases[i].first, 0xaa };
        g_autofree char *file = rom_file(rom, cases[i].bytes);
        g_autoptr(GError) err = NULL;

        g_assert_null(rom_device(file, cases[i].size, &err));
        g_assert_nonnull(strstr(err->message, cases[i].message));
        unlink(file);
    }
    /* What the images say of themselves leads nowhere. */
    uint8_t odd[2][IMAGE] = { { 0x55, 0xaa }, { 0x55, 0xaa } };
    memcpy(odd[0] + 0x18, "\xff\xff", 2);
    memcpy(odd[1] + 0x18, "\x40", 2);
    memcpy(odd[1] + 0x40, "PCIR", 4);
    for (unsigned i = 0; i < G_N_ELEMENTS(odd); i++) {
        g_autofree char *file = rom_file(odd[i], IMAGE);
        PciDevice *card = rom_device(file, PROP_UNSET, NULL);

        g_assert_cmpmem(card->rom->host, IMAGE, odd[i], IMAGE);
        device_unrealize(&card->parent);
        object_unparent(OBJECT(card));
        unlink(file);
    }
}

/* ---- places ---- */

typedef struct BadPlace {
    const char *type, *bus, *addr, *message;
    bool multifunction;
} BadPlace;

static const BadPlace bad_places[] = {
    { "test-pci", "pci.9", NULL, "those there are: 'pcie.0', 'pci.1', 'pci.2'" },
    { "test-pci", "pcie.0", "2", "taken by 'd0'" },
    { "test-pci", "pcie.0", "20", "from 0 to 1f" },
    { "test-pci", "pcie.0", "1.8", "from 0 to 1f" },
    { "test-pci", "pcie.0", "-1", "from 0 to 1f" },
    { "test-pci", "pcie.0", "", "from 0 to 1f" },
    { "test-pci", "pcie.0", "3.", "from 0 to 1f" },
    { "test-pci", "pcie.0", "3.1x", "from 0 to 1f" },
    { "test-pci", "pcie.0", "99999999999999999999", "from 0 to 1f" },
    { "test-pci", "pcie.0", "2.1", "multifunction=on" },
    { "test-pci", "pci.1", "1", "has only slot 0" },
    { "test-pci", "pci.1", NULL, "no free slot" },
    { "pcie-root-port", "pci.1", NULL, "must be on the root bus" },
    { "pcie-root-port", "pcie.0", "5", "chassis or slot number", true },
};

static void test_bad_place(gconstpointer data)
{
    const BadPlace *place = data;
    g_autoptr(GError) err = NULL;

    if (place->multifunction) { /* a number that is used */
        g_autoptr(GError) first = NULL;
        plug("pcie-root-port", "pcie.0", "6", false, "first", &first);
        g_assert_no_error(first);
    }
    g_assert_null(plug(place->type, place->bus, place->addr, false, "bad", &err));
    g_assert_nonnull(err);
    g_test_message("%s", err->message);
    g_assert_nonnull(strstr(err->message, place->message));
    g_assert_null(object_child(object_container("/machine/peripheral"), "bad"));
    g_assert_null(host->bus->devices[PCI_DEVFN(5, 0)]);
}

static void test_functions(void)
{
    g_autoptr(GError) err = NULL;

    plug_good("test-pci", "pcie.0", "8.3", false, NULL); /* functions first */
    g_assert_null(plug("test-pci", "pcie.0", "8", false, NULL, &err));
    g_assert_nonnull(strstr(err->message, "multifunction=on"));
    plug_good("test-pci", NULL, "8", true, NULL);
    plug_good("test-pci", NULL, "8.7", false, NULL);
    g_assert_nonnull(host->bus->devices[PCI_DEVFN(8, 7)]);
}

/* ---- a hostile guest ---- */

static hwaddr random_register(GRand *rand)
{
    static const uint8_t devfns[] = { PORT0, PORT1, DEV, 0 };
    hwaddr bus = g_rand_boolean(rand) ? 0 : (hwaddr)g_rand_int_range(rand, 0, 4);

    return ECAM_BASE + (bus << 20) + ((hwaddr)devfns[g_rand_int(rand) % 4] << 12) +
           g_rand_int(rand) % (g_rand_int(rand) % 8 ? 0x100 : 0x1000);
}

/* Values that are likely to do harm: addresses of what is there, numbers that are small. */
static uint64_t random_value(GRand *rand)
{
    static const uint64_t values[] = {
        0, ~0ull, 0x00010100, 0x00ff0000, 0x07,       0x0407,     ECAM_BASE, DIMM_BASE,
        1, 0xcf8, 0xfff0,     0x0000fff0, 0xfff00000, 0xfee00000, 0xc0000,   0x00020201,
    };

    return g_rand_boolean(rand) ? values[g_rand_int(rand) % G_N_ELEMENTS(values)]
                                : (uint64_t)g_rand_int(rand) << 32 | g_rand_int(rand);
}

static void assert_memory_is_there(void)
{
    const FlatView *view = address_space_view(&address_space_memory);
    const FlatRange *low = flat_view_find(view, 0), *high = flat_view_find(view, DIMM_BASE);

    g_assert_true(low->mr == &ram && low->addr == 0 && low->size == RAM_SIZE);
    g_assert_true(high->mr == &dimm && high->addr == DIMM_BASE && high->size == DIMM_SIZE);
}

static void test_any_write(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4);

    devices_reset();
    for (unsigned i = 0; i < 50000; i++) {
        unsigned size = 1u << g_rand_int(rand) % 4;
        hwaddr addr = random_register(rand) & ~(hwaddr)(g_rand_boolean(rand) ? 3 : 0);

        if (i % 500 == 0) {
            pci_host_set_ecam(host, true, ECAM_BASE, 256);
        }
        address_space_store(&address_space_memory, addr, random_value(rand), size);
        address_space_load(&address_space_memory, random_register(rand), size);
        pci_set_irq(&behind[i % 2]->parent, g_rand_boolean(rand));
        pci_msi_notify(&behind[i % 2]->parent, i % 4);
        if (i % 50 == 0) {
            assert_memory_is_there();
        }
    }
    devices_reset();
    g_assert_cmphex(config_read(0, DEV, 0), ==, 0x56781234);
    for (unsigned i = 0; i < PCI_PIRQS; i++) {
        g_assert_cmpint(lines[i], ==, 0);
    }
}

/* ---- an IOMMU ---- */

static uint16_t last_source;

/* Addresses are those 0x1000 above; messages of odd data are blocked, and the others go to CPU 3.
 */
static bool translate(void *opaque, uint16_t source, hwaddr addr, bool write, hwaddr *to,
                      uint64_t *size)
{
    last_source = source;
    *to = addr + 0x1000;
    *size = 0x1000 - addr % 0x1000;
    return !write;
}

static bool remap(void *opaque, uint16_t source, uint64_t *addr, uint32_t *data, bool tell)
{
    last_source = source;
    *addr = 0xfee03000;
    return !(*data & 1);
}

static uint16_t source_of(const PciDevice *function)
{
    uint32_t word;

    g_assert_true(dma_read_ram(&function->dma, 0, &word, sizeof(word)));
    g_assert_cmphex(word, ==, 0x1234);
    return last_source;
}

static void test_iommu(void)
{
    const PciIommu iommu = { .translate = translate, .remap = remap };
    PciDevice *plain = pci_create(host->bus, PCI_DEVFN(20, 0), "pci-bridge");
    PciDevice *express = pci_create(host->bus, PCI_DEVFN(21, 0), "pcie-pci-bridge");
    unsigned cap = behind[0]->parent.msi_cap;
    uint32_t word = 0;

    open_ports();
    *(uint32_t *)(ram_block->host + 0x1000) = 0x1234;
    pci_iommu_set(host->bus, &iommu);
    g_assert_true(pci_has_iommu(&behind[0]->parent));
    /* Of bridges that take accesses for their own it is theirs, but where they are Express. */
    config_write(0, PCI_DEVFN(20, 0), PCI_PRIMARY_BUS, 0x050500, 4);
    config_write(0, PCI_DEVFN(21, 0), PCI_PRIMARY_BUS, 0x060600, 4);
    PciDevice *one = pci_create(pci_secondary_bus(plain), PCI_DEVFN(3, 0), "pci-bridge");
    PciDevice *other = pci_create(pci_secondary_bus(express), PCI_DEVFN(4, 0), "pci-bridge");
    g_assert_cmphex(source_of(one), ==, PCI_DEVFN(20, 0));
    g_assert_cmphex(source_of(other), ==, 0x600);
    g_assert_cmphex(source_of(plain), ==, PCI_DEVFN(20, 0));
    g_assert_cmphex(source_of(&behind[0]->parent), ==, 0x100);
    g_assert_cmphex(source_of(&behind[1]->parent), ==, 0x200);
    g_assert_false(dma_write_ram(&behind[1]->parent.dma, 0, &word, sizeof(word)));
    msis = 0;
    config_write(1, 0, cap + 4, 0xfee01004, 4);
    config_write(1, 0, cap + 12, 0x4044, 2);
    config_write(1, 0, cap + 2, 0x0021, 2);
    config_write(1, 0, PCI_COMMAND, PCI_COMMAND_MASTER, 2);
    pci_msi_notify(&behind[0]->parent, 1);
    g_assert_cmpuint(msis, ==, 0);
    pci_msi_notify(&behind[0]->parent, 2);
    g_assert_cmpuint(msis, ==, 1);
    g_assert_cmphex(msi_addr, ==, 0xfee03000);
    g_assert_cmphex(last_source, ==, 0x100);
    pci_iommu_set(host->bus, NULL);
    g_assert_false(pci_has_iommu(&behind[0]->parent) || dma_is_translated(&one->dma));
    pci_msi_notify(&behind[0]->parent, 1);
    g_assert_cmphex(msi_addr, ==, 0xfee01004);
    device_unrealize(&one->parent);
    device_unrealize(&other->parent);
    device_unrealize(&plain->parent);
    device_unrealize(&express->parent);
}

int main(int argc, char **argv)
{
    chip_test_init(&argc, &argv);
    make_machine();
    g_test_add_func("/pci-bus/bar/sizes", test_bar_sizes);
    g_test_add_func("/pci-bus/bar/decode", test_bar_decode);
    g_test_add_func("/pci-bus/bar/over-ram", test_bar_over_ram);
    g_test_add_func("/pci-bus/rom/register", test_rom);
    g_test_add_func("/pci-bus/rom/bad", test_bad_rom);
    g_test_add_func("/pci-bus/config/masks", test_masks);
    g_test_add_func("/pci-bus/config/routing", test_routing);
    g_test_add_func("/pci-bus/config/ecam", test_ecam);
    g_test_add_func("/pci-bus/bridge/windows", test_windows);
    g_test_add_func("/pci-bus/bridge/reset", test_bus_reset);
    g_test_add_func("/pci-bus/function-reset", test_function_reset);
    g_test_add_func("/pci-bus/bridge/capabilities", test_port_capabilities);
    g_test_add_func("/pci-bus/irq/intx", test_intx);
    g_test_add_func("/pci-bus/irq/msi", test_msi);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad_places); i++) {
        g_autofree char *path = g_strdup_printf("/pci-bus/place/bad-%u", i);
        g_test_add_data_func(path, &bad_places[i], test_bad_place);
    }
    g_test_add_func("/pci-bus/place/functions", test_functions);
    g_test_add_func("/pci-bus/any-write", test_any_write);
    g_test_add_func("/pci-bus/iommu", test_iommu);
    return g_test_run();
}
