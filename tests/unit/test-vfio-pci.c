/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vfio-pci with a device of our own making: open() and ioctl() are ours, its registers are a file.
 */
#undef _FORTIFY_SOURCE /* with which open() is another function */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hw/core/machine.h"
#include "hw/core/save-check.h"
#include "hw/pci/pci-host.h"
#include "hw/pci/pci-iommu.h"
#include "memory/direct.h"
#include "tests/unit/chip-test.h"
#include "util/error.h"

#define CONTAINER  12345 /* no descriptors of this program's */
#define GROUP      12346
#define BAR        0xe0000000u
#define MSG        0xfee01000u
#define CONFIG     0x100000 /* in the file; BARs are at 0x10000 each */
#define BAR_SIZE   0x4000u
#define ROM        0xe1000000u
#define ROM_SIZE   0x1000u
#define MSIX_TABLE 0x1000u
#define MSIX_BITS  0x1800u
#define VECTORS    3

enum { CAP_PM = 0x40, CAP_MSI = 0x50, CAP_MSIX = 0x70 };

static int file = -1;      /* the device */
static GString *sent;      /* "ADDR=DATA ": messages; "+" and "-": the pin */
static int eventfds[5][4]; /* that were given, by kind; -1: none */
static unsigned counts[5]; /* how many */
static unsigned resets, unmasks;
static bool viable = true;
static char *folder;

static int get_region(struct vfio_region_info *info)
{
    const bool bar = info->index == VFIO_PCI_BAR0_REGION_INDEX;
    const bool config = info->index == VFIO_PCI_CONFIG_REGION_INDEX;
    const bool rom = info->index == VFIO_PCI_ROM_REGION_INDEX;

    info->flags = bar ? VFIO_REGION_INFO_FLAG_MMAP : 0;
    info->size = bar ? BAR_SIZE : config ? PCI_CONFIG_SIZE : rom ? ROM_SIZE : 0;
    info->offset = config ? CONFIG : info->index * 0x10000u;
    return 0;
}

static int set_irqs(const struct vfio_irq_set *set)
{
    if (set->flags & VFIO_IRQ_SET_ACTION_UNMASK) {
        unmasks++;
        return 0;
    }
    g_assert_cmpuint(set->index, <, G_N_ELEMENTS(counts));
    g_assert_cmpuint(set->count, <=, G_N_ELEMENTS(eventfds[0]));
    counts[set->index] = set->count;
    if (set->flags & VFIO_IRQ_SET_DATA_EVENTFD) {
        memcpy(eventfds[set->index], set->data, set->count * sizeof(int));
    }
    return 0;
}

static int device_ioctl(unsigned long request, void *argument)
{
    switch (request) {
    case VFIO_DEVICE_GET_INFO:
        ((struct vfio_device_info *)argument)->flags =
            VFIO_DEVICE_FLAGS_PCI | VFIO_DEVICE_FLAGS_RESET;
        return 0;
    case VFIO_DEVICE_GET_REGION_INFO:
        return get_region(argument);
    case VFIO_DEVICE_GET_IRQ_INFO:
        ((struct vfio_irq_info *)argument)->flags = VFIO_IRQ_INFO_EVENTFD;
        ((struct vfio_irq_info *)argument)->count = 1;
        return 0;
    case VFIO_DEVICE_SET_IRQS:
        return set_irqs(argument);
    default:
        g_assert_cmphex(request, ==, VFIO_DEVICE_RESET);
        resets++;
        return 0;
    }
}

static int other_ioctl(unsigned long request, void *argument)
{
    switch (request) {
    case VFIO_CHECK_EXTENSION:
        return 1;
    case VFIO_GROUP_GET_STATUS:
        ((struct vfio_group_status *)argument)->flags = viable ? VFIO_GROUP_FLAGS_VIABLE : 0;
        return 0;
    case VFIO_GROUP_GET_DEVICE_FD:
        return dup(file);
    default:
        return 0; /* version 0, and what only has to go well */
    }
}

static bool is_device(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autofree char *target = g_file_read_link(path, NULL);

    return target && strstr(target, "test-vfio");
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;

    va_start(args, request);
    void *argument = va_arg(args, void *);
    va_end(args);
    return fd == CONTAINER || fd == GROUP ? other_ioctl(request, argument)
           : is_device(fd)                ? device_ioctl(request, argument)
                                          : (int)syscall(SYS_ioctl, fd, request, argument);
}

int open(const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    const mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return strcmp(path, "/dev/vfio/vfio") == 0 ? CONTAINER
           : strcmp(path, "/dev/vfio/17") == 0 ? GROUP
                                               : (int)syscall(SYS_open, path, flags, mode);
}

/* ---- the device ---- */

static void put(unsigned offset, uint32_t value, unsigned size)
{
    g_assert_cmpint(pwrite(file, &value, size, offset), ==, size);
}

static uint32_t get(unsigned offset, unsigned size)
{
    uint32_t value = 0;

    g_assert_cmpint(pread(file, &value, size, offset), ==, size);
    return value;
}

static void make_device(void)
{
    file = memfd_create("test-vfio", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(file, CONFIG + PCI_CONFIG_SIZE), ==, 0);
    put(CONFIG + PCI_VENDOR_ID, 0x56781234, 4);
    put(CONFIG + PCI_STATUS, PCI_STATUS_CAP_LIST, 2);
    put(CONFIG + PCI_INTERRUPT_PIN, 1, 1);
    put(CONFIG + PCI_CAPABILITY_LIST, CAP_PM, 1);
    put(CONFIG + CAP_PM, 0x01 | CAP_MSI << 8 | 3 << 16, 4);
    put(CONFIG + CAP_MSI, PCI_CAP_ID_MSI | CAP_MSIX << 8 | 0x0002 << 16,
        4); /* 32 bits, 2 vectors */
    put(CONFIG + CAP_MSIX, PCI_CAP_ID_MSIX | CAP_PM << 8 | (VECTORS - 1) << 16, 4); /* in circles */
    put(CONFIG + CAP_MSIX + 4, MSIX_TABLE, 4);
    put(CONFIG + CAP_MSIX + 8, MSIX_BITS, 4);
}

static void make_folder(void)
{
    folder = g_dir_make_tmp(NULL, NULL);
    g_autofree char *driver = g_strdup_printf("%s/driver", folder);
    g_autofree char *group = g_strdup_printf("%s/iommu_group", folder);

    g_assert_cmpint(symlink("/drivers/vfio-pci", driver), ==, 0);
    g_assert_cmpint(symlink("/groups/17", group), ==, 0);
}

static void drop_folder(void)
{
    g_autofree char *driver = g_strdup_printf("%s/driver", folder);
    g_autofree char *group = g_strdup_printf("%s/iommu_group", folder);

    g_unlink(driver);
    g_unlink(group);
    g_rmdir(folder);
}

/* ---- the machine ---- */

static const MachineOps test_machine_ops = { .name = "test",
                                             .description = "a bus",
                                             .max_cpus = 1 };
static const ObjectType machine_type = { .name = "test-machine",
                                         .parent = TYPE_MACHINE,
                                         .ops = &test_machine_ops };
OBJECT_TYPE_REGISTER(machine_type)
static const ObjectType host_type = { .name = "test-pcihost", .parent = TYPE_PCI_HOST };
OBJECT_TYPE_REGISTER(host_type)

static PciHost *host;
static PciDevice *dev;

static void deliver(uint64_t addr, uint32_t data)
{
    g_string_append_printf(sent, "%" PRIx64 "=%x ", addr, data);
}

static unsigned map_pin(void *opaque, uint8_t slot, unsigned pin)
{
    return 0;
}

static void set_pin(void *opaque, unsigned line, int level)
{
    g_string_append(sent, level ? "+ " : "- ");
}

static MemoryRegion apic;

static void apic_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    deliver(MSG + addr, (uint32_t)value);
}

static const MemoryRegionOps apic_ops = { NULL, apic_write, 4, 4 };

static void make_machine(void)
{
    static const PciInterrupts pins = { map_pin, set_pin, NULL };

    sent = g_string_new(NULL);
    machine_new(&machine_type, NULL);
    memory_region_init_io(&apic, &apic_ops, NULL, "apic", 0x1000);
    memory_region_add(memory_system(), MSG, &apic);
    host = pci_host_create("test-pcihost", "host", TYPE_PCIE_BUS, "pcie.0", memory_system(),
                           memory_io());
    host->bus->deliver_msi = deliver;
    pci_bus_set_interrupts(host->bus, &pins);
}

static bool plug(GError **errp)
{
    g_autoptr(GError) err = NULL;

    dev = PCI_DEVICE(device_new_onboard("vfio-pci"));
    struct json_object *value = json_object_new_string(folder);
    object_property_set(OBJECT(dev), "sysfsdev", value, &err);
    g_assert_no_error(err);
    json_object_put(value);
    dev->parent.bus = &host->bus->parent;
    dev->addr = PCI_DEVFN(1, 0);
    return device_realize(&dev->parent, errp);
}

static void unplug(void)
{
    device_unplug(&dev->parent);
}

static uint32_t config(unsigned offset, unsigned size)
{
    return pci_config_read(host->bus, 0, PCI_DEVFN(1, 0), offset, size);
}

static void set_config(unsigned offset, uint32_t value, unsigned size)
{
    pci_config_write(host->bus, 0, PCI_DEVFN(1, 0), offset, value, size);
}

static void start(void)
{
    g_autoptr(GError) err = NULL;

    g_assert_true(plug(&err));
    set_config(PCI_BASE_ADDRESS_0, BAR, 4);
    set_config(PCI_COMMAND, 6, 2);
    g_string_truncate(sent, 0);
}

static void signal_event(unsigned kind, unsigned n)
{
    g_assert_cmpint(eventfd_write(eventfds[kind][n], 1), ==, 0);
    while (main_loop_iterate(false)) {
    }
}

static void assert_sent(const char *expected)
{
    g_assert_cmpstr(sent->str, ==, expected);
    g_string_truncate(sent, 0);
}

/* ---- tests ---- */

static void test_config(void)
{
    start();
    g_assert_cmphex(config(PCI_VENDOR_ID, 4), ==, 0x56781234);
    g_assert_cmphex(get(CONFIG + PCI_COMMAND, 2), ==, 6); /* the device's, too */
    g_assert_cmphex(get(CONFIG + PCI_BASE_ADDRESS_0, 4), ==, 0);
    set_config(PCI_BASE_ADDRESS_0, 0xffffffff, 4);
    g_assert_cmphex(config(PCI_BASE_ADDRESS_0, 4), ==, ~(BAR_SIZE - 1));
    g_assert_cmphex(config(PCI_CAPABILITY_LIST, 1), ==, CAP_PM);
    g_assert_cmphex(config(CAP_MSIX + 1, 1), ==, 0); /* the circle is cut */
    set_config(CAP_PM + 4, 0x0103, 2);               /* that goes through */
    g_assert_cmphex(get(CONFIG + CAP_PM + 4, 2), ==, 0x0103);
    put(CONFIG + CAP_PM + 4, 0x0100, 2);
    g_assert_cmphex(config(CAP_PM + 4, 2), ==, 0x0100);
    set_config(CAP_PM, 0, 2); /* that does not */
    g_assert_cmphex(get(CONFIG + CAP_PM, 2), ==, 0x01 | CAP_MSI << 8);
    unsigned before = resets;
    pci_device_reset(&dev->parent);
    g_assert_cmpuint(resets, ==, before + 1);
    g_assert_cmphex(get(CONFIG + PCI_COMMAND, 2), ==, 0);
    unplug();
}

static void test_bar(void)
{
    start();
    writel(BAR + 0x10, 0x12345678);
    g_assert_cmphex(get(0x10, 4), ==, 0x12345678);
    put(0x2004, 0x9abcdef0, 4);
    g_assert_cmphex(readl(BAR + 0x2004), ==, 0x9abcdef0);
    writel(BAR + MSIX_TABLE, MSG); /* is ours */
    g_assert_cmphex(get(MSIX_TABLE, 4), ==, 0);
    const FlatRange *range =
        flat_view_find(address_space_view(&address_space_memory), BAR + 0x2000);
    g_assert_cmphex(range->addr, ==, BAR + 0x2000);
    g_assert_cmphex(*(uint32_t *)(memory_region_direct(range->mr) + range->offset + 4), ==,
                    0x9abcdef0);
    unplug();
}

static void test_rom(void)
{
    start();
    put(VFIO_PCI_ROM_REGION_INDEX * 0x10000 + 0x7fc, 0x1234aa55, 4);
    set_config(PCI_ROM_ADDRESS, 0xffffffff, 4);
    g_assert_cmphex(config(PCI_ROM_ADDRESS, 4), ==, ~(ROM_SIZE - 1) | PCI_ROM_ADDRESS_ENABLE);
    set_config(PCI_ROM_ADDRESS, ROM | PCI_ROM_ADDRESS_ENABLE, 4);
    g_assert_cmphex(readl(ROM + 0x7fc), ==, 0x1234aa55);
    writel(ROM + 0x7fc, 0);
    g_assert_cmphex(readl(ROM + 0x7fc), ==, 0x1234aa55);
    unplug();
}

static void test_msix(void)
{
    start();
    for (unsigned n = 0; n < VECTORS; n++) {
        writel(BAR + MSIX_TABLE + 16 * n, MSG);
        writel(BAR + MSIX_TABLE + 16 * n + 8, 0x40 + n);
        writel(BAR + MSIX_TABLE + 16 * n + 12, n == 2);
    }
    set_config(CAP_MSIX + 2, 0x8000, 2);
    g_assert_cmpuint(counts[VFIO_PCI_MSIX_IRQ_INDEX], ==, VECTORS);
    g_assert_cmpuint(counts[VFIO_PCI_INTX_IRQ_INDEX], ==, 0);
    signal_event(VFIO_PCI_MSIX_IRQ_INDEX, 1);
    assert_sent("fee01000=41 ");
    signal_event(VFIO_PCI_MSIX_IRQ_INDEX, 2);
    assert_sent("");
    g_assert_cmphex(readl(BAR + MSIX_BITS), ==, 4);
    writel(BAR + MSIX_TABLE + 16 * 2 + 12, 0);
    assert_sent("fee01000=42 ");
    set_config(CAP_MSIX + 2, 0, 2);
    g_assert_cmpuint(counts[VFIO_PCI_MSIX_IRQ_INDEX], ==, 0);
    g_assert_cmpuint(counts[VFIO_PCI_INTX_IRQ_INDEX], ==, 1);
    unplug();
    g_assert_cmpuint(counts[VFIO_PCI_INTX_IRQ_INDEX], ==, 0);
}

static void test_msi(void)
{
    start();
    set_config(CAP_MSI + 4, MSG, 4);
    set_config(CAP_MSI + 8, 0x50, 2); /* data: there is no upper half of the address */
    set_config(CAP_MSI + 2, 0x0011, 2);
    g_assert_cmpuint(counts[VFIO_PCI_MSI_IRQ_INDEX], ==, 2);
    signal_event(VFIO_PCI_MSI_IRQ_INDEX, 1);
    assert_sent("fee01000=51 ");
    set_config(CAP_MSI + 2, 0x0001, 2); /* one of them */
    g_assert_cmpuint(counts[VFIO_PCI_MSI_IRQ_INDEX], ==, 1);
    signal_event(VFIO_PCI_MSI_IRQ_INDEX, 0);
    assert_sent("fee01000=50 ");
    unplug();
}

static MemoryRegion *seen_at(hwaddr addr)
{
    return flat_view_find(address_space_view(&address_space_memory), addr)->mr;
}

static void test_pin(void)
{
    start();
    g_assert_nonnull(memory_region_direct(seen_at(BAR)));
    unsigned before = unmasks;
    signal_event(VFIO_PCI_INTX_IRQ_INDEX, 0);
    assert_sent("+ ");
    g_assert_null(memory_region_direct(seen_at(BAR))); /* until it is looked at */
    readl(BAR);
    assert_sent("- ");
    g_assert_cmpuint(unmasks, ==, before + 1);
    readl(BAR);
    assert_sent("");
    g_assert_cmpuint(unmasks, ==, before + 1);
    unplug();
}

/* What is in the folder instead: @group and @driver are where links lead, or NULL. */
static void assert_refused(const char *group, const char *driver, const char *words)
{
    g_autofree char *keep = folder;
    g_autofree char *driver_link = NULL, *group_link = NULL;
    g_autoptr(GError) err = NULL;

    folder = g_dir_make_tmp(NULL, NULL);
    driver_link = g_strdup_printf("%s/driver", folder);
    group_link = g_strdup_printf("%s/iommu_group", folder);
    g_assert_true(!driver || symlink(driver, driver_link) == 0);
    g_assert_true(!group || symlink(group, group_link) == 0);
    g_assert_false(plug(&err));
    g_assert_nonnull(strstr(err->message, words));
    drop_folder();
    g_free(folder);
    folder = g_steal_pointer(&keep);
}

static void test_folder(void)
{
    g_autofree char *none = g_dir_make_tmp(NULL, NULL);
    g_autofree char *name = g_strdup_printf("%s/name", none);

    g_assert_true(g_file_set_contents(name, "vfio-noiommu\n", -1, NULL));
    assert_refused(none, "/drivers/vfio-pci", "no-iommu");
    assert_refused("/groups/17", NULL, "no driver");
    assert_refused("/groups/17", "/drivers/nvme", "the driver nvme");
    assert_refused(NULL, "/drivers/vfio-pci", "intel_iommu=on");
    assert_refused("/groups/18", "/drivers/vfio-pci", "/dev/vfio/18");
    g_unlink(name);
    g_rmdir(none);
}

static void test_refused(void)
{
    g_autoptr(GError) err = NULL, save = NULL;

    viable = false;
    g_assert_false(plug(&err));
    g_assert_nonnull(strstr(err->message, "IOMMU group 17"));
    viable = true;
    g_clear_error(&err);
    put(CONFIG + PCI_HEADER_TYPE, PCI_HEADER_BRIDGE, 1);
    g_assert_false(plug(&err));
    g_assert_nonnull(strstr(err->message, "bridge"));
    put(CONFIG + PCI_HEADER_TYPE, 0, 1);
    g_clear_error(&err);
    put(CONFIG + CAP_MSIX + 4, BAR_SIZE, 4);
    g_assert_false(plug(&err));
    g_assert_nonnull(strstr(err->message, "table"));
    put(CONFIG + CAP_MSIX + 4, MSIX_TABLE, 4);
    g_clear_error(&err);
    g_assert_true(save_check(&err));
    start();
    g_assert_false(save_check(&save));
    unplug();
    g_assert_true(save_check(&err));
}

/* An IOMMU that comes after it would not be above it. */
static void test_iommu(void)
{
    g_autoptr(GError) err = NULL;

    start();
    g_assert_false(pci_iommu_check(host->bus, &err));
    g_assert_nonnull(strstr(err->message, "vfio-pci"));
    host->bus->bypass_iommu = true;
    g_assert_true(pci_iommu_check(host->bus, NULL));
    host->bus->bypass_iommu = false;
    unplug();
    g_assert_true(pci_iommu_check(host->bus, NULL));
}

int main(int argc, char **argv)
{
    chip_test_init(&argc, &argv);
    make_device();
    make_folder();
    make_machine();
    g_test_add_func("/vfio-pci/config", test_config);
    g_test_add_func("/vfio-pci/bar", test_bar);
    g_test_add_func("/vfio-pci/rom", test_rom);
    g_test_add_func("/vfio-pci/msix", test_msix);
    g_test_add_func("/vfio-pci/msi", test_msi);
    g_test_add_func("/vfio-pci/pin", test_pin);
    g_test_add_func("/vfio-pci/refused", test_refused);
    g_test_add_func("/vfio-pci/folder", test_folder);
    g_test_add_func("/vfio-pci/iommu", test_iommu);
    int result = g_test_run();
    drop_folder();
    return result;
}
