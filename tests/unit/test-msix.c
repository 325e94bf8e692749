/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MSI-X: the table, masks and pending bits, eventfds, state, and BARs that realize adds. */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-host.h"
#include "hw/pci/pci-msix.h"
#include "tests/unit/chip-test.h"
#include "util/error.h"
#include "util/main-loop.h"

#define BAR     0xe0000000u
#define MSG     0xfee01000u
#define VECTORS 40
#define PENDING (BAR + 0x800)
#define CAP     0x40

enum { CONTROL_MASK = 0x4000, CONTROL_ENABLE = 0x8000 };

/* ---- a device, behind a root port ---- */

typedef struct MsixDevice {
    PciDevice parent;
    /* configuration */
    uint16_t vectors;
    bool fails;
} MsixDevice;

static bool dev_realize(PciDevice *dev, GError **errp)
{
    const MsixDevice *s = (MsixDevice *)dev;

    pci_add_msix(dev, s->vectors, 1);
    if (s->fails) {
        error_set(errp, "it fails");
        return false;
    }
    return true;
}

static const PciFunctionClass dev_ops = {
    .device = { PCI_DEVICE_CLASS_BASE, .category = "misc" },
    .realize = dev_realize,
};

static void dev_init(Object *obj)
{
    static const PciRegister regs[] = { { PCI_COMMAND, 2, 0, 0x0406 } };

    ((MsixDevice *)obj)->vectors = VECTORS;
    pci_set_registers(PCI_DEVICE(obj), regs, G_N_ELEMENTS(regs));
}

static const ObjectType dev_type = {
    .name = "test-msix",
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(MsixDevice),
    .ops = &dev_ops,
    .init = dev_init,
};
OBJECT_TYPE_REGISTER(dev_type)

static const ObjectType host_type = { .name = "test-pcihost", .parent = TYPE_PCI_HOST };
OBJECT_TYPE_REGISTER(host_type)

static PciHost *host;
static PciDevice *port, *dev;
static MemoryRegion apic;
static GString *sent; /* "ADDR=DATA", with spaces between */

static void deliver(uint64_t addr, uint32_t data)
{
    g_string_append_printf(sent, "%" PRIx64 "=%x ", addr, data);
}

/* Where the main loop sends messages to. */
static void apic_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    deliver(MSG + addr, (uint32_t)value);
}

static const MemoryRegionOps apic_ops = { NULL, apic_write, 4, 4 };

static void assert_sent(const char *expected)
{
    g_assert_cmpstr(sent->str, ==, expected);
    g_string_truncate(sent, 0);
}

static void run_loop(void)
{
    while (main_loop_iterate(false)) {
    }
}

static void make_machine(void)
{
    sent = g_string_new(NULL);
    memory_region_init_io(&apic, &apic_ops, NULL, "apic", 0x1000);
    memory_region_add(memory_system(), MSG, &apic);
    host = pci_host_create("test-pcihost", "host", TYPE_PCIE_BUS, "pcie.0", memory_system(),
                           memory_io());
    host->bus->deliver_msi = deliver;
    port = pci_create(host->bus, PCI_DEVFN(1, 0), "pcie-root-port");
    dev = pci_create(pci_secondary_bus(port), 0, "test-msix");
}

/* As configuration mechanism #1 does, past the routing. */
static void set_config(PciDevice *d, unsigned offset, uint32_t value, unsigned size)
{
    bool behind = d == dev;

    pci_config_write(host->bus, behind, behind ? 0 : PCI_DEVFN(1, 0), offset, value, size);
}

static void fresh(void)
{
    devices_reset();
    set_config(port, PCI_PRIMARY_BUS, 0x010100, 4);
    set_config(port, PCI_MEMORY_BASE, 0xe000e000, 4);
    set_config(port, PCI_COMMAND, 6, 2);
    set_config(dev, PCI_BASE_ADDRESS_0 + 4, BAR, 4);
    set_config(dev, PCI_COMMAND, 6, 2);
    set_config(dev, CAP + 2, CONTROL_ENABLE, 2);
    g_string_truncate(sent, 0);
}

static void set_vector(unsigned n, uint32_t data, bool masked)
{
    writel(BAR + 16 * n, MSG);
    writel(BAR + 16 * n + 4, 0);
    writel(BAR + 16 * n + 8, data);
    writel(BAR + 16 * n + 12, masked);
}

static void test_registers(void)
{
    fresh();
    g_assert_cmphex(pci_get_word(dev, CAP), ==, 0x0011);
    g_assert_cmphex(pci_get_word(dev, CAP + 2), ==, CONTROL_ENABLE | (VECTORS - 1));
    g_assert_cmphex(pci_get_long(dev, CAP + 4), ==, 1);
    g_assert_cmphex(pci_get_long(dev, CAP + 8), ==, 0x801);
    for (unsigned n = 0; n < VECTORS; n++) {
        g_assert_cmphex(readl(BAR + 16 * n + 12), ==, 1); /* masked */
        set_vector(n, 0x1000 + n, n & 1);
    }
    writel(BAR, 0xffffffff);
    writel(BAR + 12, 0xffffffff);
    g_assert_cmphex(readl(BAR), ==, 0xfffffffc);
    g_assert_cmphex(readl(BAR + 12), ==, 1);
    g_assert_cmphex(address_space_load(&address_space_memory, BAR + 16 * 39 + 8, 8), ==,
                    0x100001027);
    writel(BAR + 16 * VECTORS, 1); /* beyond the table */
    g_assert_cmphex(readl(BAR + 16 * VECTORS), ==, 0);
    writel(PENDING, 1);
    g_assert_cmphex(readl(PENDING), ==, 0);
    g_assert_cmphex(readl(PENDING + 0x7fc), ==, 0);
    set_config(dev, CAP + 2, 0, 2);
    g_assert_false(pci_msix_enabled(dev));
    devices_reset();
    fresh();
    g_assert_cmphex(readl(BAR + 16 * 39 + 8), ==, 0);
}

static void test_masks(void)
{
    fresh();
    set_vector(0, 10, false);
    set_vector(39, 49, true);
    pci_msix_notify(dev, 0);
    assert_sent("fee01000=a ");
    pci_msix_notify(dev, 39);
    pci_msix_notify(dev, 39);
    pci_msix_notify(dev, VECTORS);
    pci_msix_notify(dev, 0xffff);
    assert_sent("");
    g_assert_cmphex(readl(PENDING + 4), ==, 0x80);
    writel(BAR + 16 * 39 + 12, 0);
    assert_sent("fee01000=31 ");
    g_assert_cmphex(readl(PENDING + 4), ==, 0);
    set_config(dev, CAP + 2, CONTROL_ENABLE | CONTROL_MASK, 2);
    pci_msix_notify(dev, 0);
    pci_msix_notify(dev, 39);
    assert_sent("");
    g_assert_cmphex(readl(PENDING), ==, 1);
    writel(BAR + 16 * 39 + 12, 1);
    set_config(dev, CAP + 2, CONTROL_ENABLE, 2);
    assert_sent("fee01000=a ");
    g_assert_cmphex(readl(PENDING + 4), ==, 0x80);
    /* Nothing is sent, and nothing kept, while it cannot be. */
    set_config(dev, PCI_COMMAND, 2, 2);
    pci_msix_notify(dev, 0);
    set_config(dev, PCI_COMMAND, 6, 2);
    set_config(dev, CAP + 2, 0, 2);
    pci_msix_notify(dev, 0);
    set_config(dev, CAP + 2, CONTROL_ENABLE, 2);
    assert_sent("");
}

static void test_eventfd(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const uint64_t one = 1;
    uint64_t count;

    fresh();
    set_vector(3, 33, true);
    pci_msix_set_eventfd(dev, 3, fd);
    g_assert_cmpint(write(fd, &one, 8), ==, 8);
    run_loop();
    assert_sent("");
    g_assert_cmphex(readl(PENDING), ==, 8);
    writel(BAR + 16 * 3 + 12, 0);
    assert_sent("fee01000=21 ");
    g_assert_cmpint(write(fd, &one, 8), ==, 8);
    run_loop();
    assert_sent("fee01000=21 ");
    writel(BAR + 16 * 3 + 8, 34); /* another message while it is in use */
    g_assert_cmpint(write(fd, &one, 8), ==, 8);
    run_loop();
    assert_sent("fee01000=22 ");
    /* Signalled while masked, and nobody looked. */
    set_config(dev, CAP + 2, CONTROL_ENABLE | CONTROL_MASK, 2);
    g_assert_cmpint(write(fd, &one, 8), ==, 8);
    set_config(dev, CAP + 2, CONTROL_ENABLE, 2);
    run_loop();
    assert_sent("fee01000=22 ");
    /* It may not; that the bridge may not does not matter. */
    set_config(port, PCI_COMMAND, 2, 2);
    set_config(dev, PCI_COMMAND, 2, 2);
    g_assert_cmpint(write(fd, &one, 8), ==, 8);
    run_loop();
    assert_sent("");
    set_config(dev, PCI_COMMAND, 6, 2);
    run_loop();
    assert_sent("fee01000=22 ");
    /* Given back with a signal that was not sent. */
    writel(BAR + 16 * 3 + 12, 1);
    g_assert_cmpint(write(fd, &one, 8), ==, 8);
    pci_msix_set_eventfd(dev, 3, -1);
    g_assert_cmpint(read(fd, &count, 8), ==, -1);
    g_assert_cmphex(readl(PENDING), ==, 8);
    /* A reset with the eventfd there. */
    pci_msix_set_eventfd(dev, 3, fd);
    g_assert_cmpint(write(fd, &one, 8), ==, 8);
    fresh();
    g_assert_cmphex(readl(PENDING), ==, 0);
    set_vector(3, 35, false);
    g_assert_cmpint(write(fd, &one, 8), ==, 8);
    run_loop();
    assert_sent("fee01000=23 ");
    pci_msix_set_eventfd(dev, 3, -1);
    close(fd);
}

static void test_state(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) err = NULL;
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const uint64_t one = 1;

    fresh();
    set_vector(1, 11, true);
    set_vector(2, 22, true);
    pci_msix_set_eventfd(dev, 2, fd);
    pci_msix_notify(dev, 1);
    g_assert_cmpint(write(fd, &one, 8), ==, 8);
    state_save(&pci_device_state, dev, bytes);
    fresh();
    g_assert_true(state_load(&pci_device_state, dev, bytes->data, bytes->len, &err));
    g_assert_cmphex(readl(PENDING), ==, 6);
    writel(BAR + 16 + 12, 0);
    writel(BAR + 32 + 12, 0);
    assert_sent("fee01000=b fee01000=16 ");
    pci_msix_set_eventfd(dev, 2, -1);
    close(fd);
}

/* What realize added is gone afterwards, and comes again. */
static void test_comes_and_goes(void)
{
    PciBus *bus = pci_bus_of(dev);

    for (unsigned i = 0; i < 3; i++) {
        device_unrealize(&dev->parent);
        g_assert_null(dev->bars[1].region);
        g_assert_cmpuint(dev->config[PCI_CAPABILITY_LIST], ==, 0);
        g_assert_cmphex(readl(BAR), ==, 0xffffffff);
        dev->parent.bus = &bus->parent;
        ((MsixDevice *)dev)->fails = i == 0;
        ((MsixDevice *)dev)->vectors = i == 1 ? 2048 : VECTORS;
        if (i == 0) {
            g_autoptr(GError) err = NULL;

            g_assert_false(device_realize(&dev->parent, &err));
            g_assert_null(dev->bars[1].region);
            g_assert_null(dev->msix);
            ((MsixDevice *)dev)->fails = false;
            dev->parent.bus = &bus->parent;
        }
        g_assert_true(device_realize(&dev->parent, NULL));
        fresh();
        set_vector(i == 1 ? 2047 : 39, 7, false);
        pci_msix_notify(dev, i == 1 ? 2047 : 39);
        assert_sent("fee01000=7 ");
        g_assert_cmphex(pci_get_long(dev, CAP + 8), ==, i == 1 ? 0x8001 : 0x801);
    }
}

int main(int argc, char **argv)
{
    chip_test_init(&argc, &argv);
    make_machine();
    g_test_add_func("/msix/registers", test_registers);
    g_test_add_func("/msix/masks", test_masks);
    g_test_add_func("/msix/eventfd", test_eventfd);
    g_test_add_func("/msix/state", test_state);
    g_test_add_func("/msix/comes-and-goes", test_comes_and_goes);
    return g_test_run();
}
