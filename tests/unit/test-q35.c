/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The chips of the q35 machine: configuration space by ports and by memory, PIRQs, the PM block. */
#include <string.h>

#include "hw/pci/ich9-lpc.h"
#include "hw/pci/mch.h"
#include "memory/address-space.h"
#include "tests/unit/chip-test.h"
#include "tests/unit/pci-puller.h"

#define RAM_SIZE (64u << 20)
#define LPC      ICH9_LPC_DEVFN

static TestLine pins[ICH9_PIRQS], pic[ISA_IRQS], sci;
static MemoryRegion ram;
static PciHost *host;
static Ich9Lpc *lpc;

/* In slots that share PIRQG# (2 and 6), and one with another (3). */
static PciDevice *pullers[3];

/* ---- accesses ---- */

static uint64_t in(unsigned port, unsigned size)
{
    return address_space_load(&address_space_io, port, size);
}

static void out(unsigned port, uint32_t value, unsigned size)
{
    address_space_store(&address_space_io, port, value, size);
}

static uint32_t config_read(uint8_t devfn, uint8_t offset)
{
    out(0xcf8, 0x80000000u | devfn << 8 | (offset & 0xfc), 4);
    return in(0xcfc, 4);
}

static void config_write(uint8_t devfn, uint8_t offset, uint32_t value, unsigned size)
{
    out(0xcf8, 0x80000000u | devfn << 8 | (offset & 0xfc), 4);
    out(0xcfc + (offset & 3), value, size);
}

static const FlatRange *find(hwaddr addr)
{
    return flat_view_find(address_space_view(&address_space_memory), addr);
}

/* ---- tests ---- */

static void test_ids(void)
{
    devices_reset();
    g_assert_cmphex(config_read(0, 0), ==, 0x29c08086);
    g_assert_cmphex(config_read(0, 8) >> 16, ==, 0x0600);
    g_assert_cmphex(config_read(LPC, 0), ==, 0x29188086);
    g_assert_cmphex(config_read(LPC, 8) >> 16, ==, 0x0601);
    g_assert_cmphex(config_read(LPC, 0x0c) >> 16 & 0x80, ==, 0x80);
    g_assert_cmphex(config_read(LPC, 0x60), ==, 0x80808080);
    config_write(0, 0, 0, 4);
    g_assert_cmphex(config_read(0, 0), ==, 0x29c08086);
}

static void test_ecam(void)
{
    const uint32_t lpc_at = PCI_DEVFN(0x1f, 0) << 12;
    unsigned buses;
    hwaddr base;

    devices_reset();
    g_assert_false(mch_ecam(host, &base, &buses));
    g_assert_null(find(MCH_ECAM_BASE));
    mch_enable_ecam(host);
    g_assert_true(mch_ecam(host, &base, &buses));
    g_assert_cmphex(base, ==, MCH_ECAM_BASE);
    g_assert_cmpuint(buses, ==, 256);
    g_assert_cmphex(readl(MCH_ECAM_BASE), ==, 0x29c08086);
    g_assert_cmphex(readl(MCH_ECAM_BASE + lpc_at), ==, 0x29188086);
    g_assert_cmphex(readl(MCH_ECAM_BASE + 0x0ffffffc), ==, UINT32_MAX); /* the last of bus 255 */
    writel(MCH_ECAM_BASE + lpc_at + 0x60, 0x0b0b0a0a);
    g_assert_cmphex(config_read(LPC, 0x60), ==, 0x0b0b0a0a);

    /* 64 buses at 0xe4000000; then 128, for which bit 26 does not count. */
    config_write(0, 0x60, 0xe4000005, 4);
    g_assert_true(mch_ecam(host, &base, &buses));
    g_assert_cmpuint(buses, ==, 64);
    g_assert_cmphex(readl(0xe4000000), ==, 0x29c08086);
    g_assert_null(find(MCH_ECAM_BASE));
    g_assert_null(find(0xe8000000));
    config_write(0, 0x60, 0xe4000003, 4);
    g_assert_cmphex(readl(0xe0000000), ==, 0x29c08086);
    g_assert_null(find(0xe8000000));
    config_write(0, 0x60, 0xe0000007, 4); /* reserved length */
    g_assert_false(mch_ecam(host, &base, &buses));
    g_assert_null(find(0xe0000000));
    config_write(0, 0x64, 0xf, 4); /* beyond 4 GiB */
    config_write(0, 0x60, 0xe0000001, 4);
    g_assert_cmphex(readl(UINT64_C(0xfe0000000)), ==, 0x29c08086);

    /* Over RAM: RAM wins. */
    config_write(0, 0x64, 0, 4);
    config_write(0, 0x60, 0x00000001, 4);
    writel(0x00200000, 0x55aa55aa);
    g_assert_cmphex(readl(0x00200000), ==, 0x55aa55aa);
    devices_reset();
    g_assert_null(find(0xe0000000));
}

static void test_pm_base(void)
{
    devices_reset();
    g_assert_cmphex(in(0x608, 4), ==, UINT32_MAX);
    config_write(LPC, 0x40, 0x601, 4);
    g_assert_cmphex(config_read(LPC, 0x40), ==, 0x601);
    g_assert_cmphex(in(0x608, 4), ==, UINT32_MAX); /* not enabled */
    config_write(LPC, 0x44, 0x80, 1);
    g_assert_cmphex(in(0x608, 4), !=, UINT32_MAX);
    out(0x628, 1 << 3, 1);
    acpi_pm_set_gpe(lpc->pm, ACPI_GPE_MEMORY_HOTPLUG, true);
    acpi_pm_set_gpe(lpc->pm, ACPI_GPE_MEMORY_HOTPLUG, false);
    g_assert_cmphex(in(0x620, 4), ==, 1 << 3);
    g_assert_cmpint(sci.level, ==, 1);
    g_assert_cmphex(in(0x630, 4), ==, ACPI_SMI_APMC_EN);

    config_write(LPC, 0x40, 0xffffffff, 4); /* moves, with all that is in it */
    g_assert_cmphex(config_read(LPC, 0x40), ==, 0xff81);
    g_assert_cmphex(in(0x620, 4), ==, UINT32_MAX);
    g_assert_cmphex(in(0xffa0, 4), ==, 1 << 3);
    out(0xffa0, 1 << 3, 1);
    g_assert_cmpint(sci.level, ==, 0);
    config_write(LPC, 0x44, 0, 1);
    g_assert_cmphex(in(0xffa0, 4), ==, UINT32_MAX);
    ich9_lpc_set_up(lpc);
    g_assert_cmphex(in(0x620, 4), ==, 0);
    acpi_pm_set_gpe(lpc->pm, 63, true);
    acpi_pm_set_gpe(lpc->pm, 63, false);
    g_assert_cmphex(in(0x624, 4), ==, 0x80000000);
    acpi_pm_set_gpe(lpc->pm, 64, true);
    acpi_pm_set_gpe(lpc->pm, 64, false); /* there is none */
    devices_reset();
    g_assert_cmphex(in(0x608, 4), ==, UINT32_MAX);
}

static void test_map(void)
{
    static const unsigned slot_1[] = { 5, 6, 7, 4 }, slot_31[] = { 0, 1, 2, 3 };

    for (unsigned pin = 0; pin < 4; pin++) {
        g_assert_cmpuint(ich9_pirq(1, pin), ==, slot_1[pin]);
        g_assert_cmpuint(ich9_pirq(31, pin), ==, slot_31[pin]);
        g_assert_cmpuint(ich9_pirq(24, pin), >=, 4);
        g_assert_cmpuint(ich9_pirq(25, pin), <, 4);
    }
    ich9_lpc_set_up(lpc);
    g_assert_cmphex(readl(ICH9_RCBA_BASE + 0x3140), ==, 0x32103210);
    g_assert_cmphex(readl(ICH9_RCBA_BASE + 0x3150), ==, 0x00003210);
}

static void test_apic_mode(void)
{
    devices_reset();
    pci_set_irq(pullers[0], 1); /* PIRQG#: pin 22 */
    g_assert_cmpint(pins[6].level, ==, 1);
    pci_set_irq(pullers[1], 1);
    pci_set_irq(pullers[0], 0);
    g_assert_cmpint(pins[6].level, ==, 1); /* shared */
    g_assert_cmpuint(pins[6].edges, ==, 1);
    pci_set_irq(pullers[1], 0);
    g_assert_cmpint(pins[6].level, ==, 0);
    for (unsigned i = 0; i < ISA_IRQS; i++) {
        g_assert_cmpint(pic[i].level, ==, 0); /* routed nowhere */
    }
}

static void test_pic_mode(void)
{
    devices_reset();
    config_write(LPC, 0x6a, 11, 1); /* PIRQG# */
    config_write(LPC, 0x6b, 11, 1); /* PIRQH# */
    pci_set_irq(pullers[0], 1);
    g_assert_cmpint(pic[11].level, ==, 1);
    pci_set_irq(pullers[2], 1); /* slot 3: PIRQH#, the same input */
    pci_set_irq(pullers[0], 0);
    g_assert_cmpint(pic[11].level, ==, 1);
    config_write(LPC, 0x6b, 5, 1); /* a line that is up moves */
    g_assert_cmpint(pic[11].level, ==, 0);
    g_assert_cmpint(pic[5].level, ==, 1);
    config_write(LPC, 0x6b, 0x85, 1);
    g_assert_cmpint(pic[5].level, ==, 0);
    g_assert_cmpint(pins[7].level, ==, 1); /* as before */
    config_write(LPC, 0x6b, 0x05, 1);
    g_assert_cmpint(pic[5].level, ==, 1);
    devices_reset();
    g_assert_cmpint(pic[5].level, ==, 0);
    pci_set_irq(pullers[2], 0);
    g_assert_cmpint(pins[7].level, ==, 0);
}

/* Whatever the guest writes, RAM stays RAM, nothing crashes, and a reset undoes it all. */
static void test_random(void)
{
    static const uint8_t devfns[] = { 0, LPC, PCI_DEVFN(2, 0) };

    for (unsigned i = 0; i < 5000; i++) {
        uint8_t devfn = devfns[g_test_rand_int_range(0, 3)];
        unsigned size = 1u << g_test_rand_int_range(0, 3);
        uint8_t offset = g_test_rand_int_range(0, 64) * 4;
        hwaddr addr = (uint32_t)g_test_rand_int_range(0x100000, RAM_SIZE) & ~3u;

        config_write(devfn, offset, g_test_rand_int(), size);
        pci_set_irq(pullers[g_test_rand_int_range(0, 3)], g_test_rand_bit());
        out(g_test_rand_int_range(0xcf8, 0xd00), g_test_rand_int() & ~0x600u, 1);
        writel(addr, i);
        g_assert_cmpuint(readl(addr), ==, i);
        g_assert_true(find(addr)->host != NULL);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(pullers); i++) {
        pci_set_irq(pullers[i], 0);
    }
    devices_reset();
    test_ids();
    for (unsigned i = 0; i < ISA_IRQS; i++) {
        g_assert_cmpint(pic[i].level, ==, 0);
    }
    for (unsigned i = 0; i < ICH9_PIRQS; i++) {
        g_assert_cmpint(pins[i].level, ==, 0);
    }
}

static void create_chips(void)
{
    Irq to_pins[ICH9_PIRQS], to_pic[ISA_IRQS];
    RamBlock *block = ram_block_new("ram", RAM_SIZE, -1, false, true, 0, NULL);

    memory_region_init_ram(&ram, "ram", block);
    memory_region_add(memory_system(), 0, &ram);
    for (unsigned i = 0; i < ICH9_PIRQS; i++) {
        to_pins[i] = test_line(&pins[i]);
    }
    for (unsigned i = 0; i < ISA_IRQS; i++) {
        to_pic[i] = test_line(&pic[i]);
    }
    host = mch_create(memory_system(), memory_io(), &ram);
    lpc = ich9_lpc_create(host->bus, acpi_pm_create(memory_io(), test_line(&sci), &acpi_pm_ich9),
                          to_pins, to_pic);
    pullers[0] = pci_create(host->bus, PCI_DEVFN(2, 0), TYPE_PULLER);
    pullers[1] = pci_create(host->bus, PCI_DEVFN(6, 0), TYPE_PULLER);
    pullers[2] = pci_create(host->bus, PCI_DEVFN(3, 0), TYPE_PULLER);
}

int main(int argc, char **argv)
{
    chip_test_init(&argc, &argv);
    create_chips();
    g_test_add_func("/q35/ids", test_ids);
    g_test_add_func("/q35/ecam", test_ecam);
    g_test_add_func("/q35/pm-base", test_pm_base);
    g_test_add_func("/q35/map", test_map);
    g_test_add_func("/q35/apic-mode", test_apic_mode);
    g_test_add_func("/q35/pic-mode", test_pic_mode);
    g_test_add_func("/q35/random", test_random);
    return g_test_run();
}
