/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The PCI configuration space, and the other small ports of the board: i8042 and port 0x92. */
#include "hw/i386/port92.h"
#include "hw/input/i8042.h"
#include "hw/input/input.h"
#include "hw/pci/i440fx.h"
#include "hw/pci/piix.h"
#include "memory/address-space.h"
#include "tests/unit/chip-test.h"
#include "tests/unit/pci-puller.h"

static TestLine irq1, irq12, irqs[ISA_IRQS];
static MemoryRegion ram;

static PciDevice *pullers[2]; /* in slots 4 and 5: PIRQA# and PIRQB# */

/* ---- accesses ---- */

static uint64_t in(unsigned port, unsigned size)
{
    return address_space_load(&address_space_io, port, size);
}

static void out(unsigned port, uint32_t value, unsigned size)
{
    address_space_store(&address_space_io, port, value, size);
}

static void config_select(unsigned device, unsigned function, unsigned offset)
{
    out(0xcf8, 0x80000000u | PCI_DEVFN(device, function) << 8 | offset, 4);
}

static uint32_t config_read(unsigned device, unsigned function, unsigned offset)
{
    config_select(device, function, offset);
    return in(0xcfc, 4);
}

static void test_ids(void)
{
    g_assert_cmphex(config_read(0, 0, 0), ==, 0x12378086);
    g_assert_cmphex(config_read(0, 0, 8) >> 16, ==, 0x0600);
    g_assert_cmphex(config_read(1, 0, 0), ==, 0x70008086);
    g_assert_cmphex(config_read(1, 0, 8) >> 16, ==, 0x0601);
    g_assert_cmphex(config_read(1, 3, 0), ==, 0x71138086);
    g_assert_cmphex(config_read(0, 0, 0x2c), ==,
                    0x11001af4);                            /* SeaBIOS: the board is one it knows */
    g_assert_cmphex(config_read(1, 3, 0x58), ==, 1u << 25); /* and: SMIs are set up */
    g_assert_cmphex(config_read(1, 3, 8) >> 16, ==, 0x0680);
    g_assert_cmphex(config_read(1, 3, 0x40), ==, 0x601);
    g_assert_cmphex(config_read(1, 0, 0x0c) >> 16 & 0x80, ==, 0x80);
    g_assert_cmphex(config_read(2, 0, 0), ==, 0xffffffff);
    g_assert_cmphex(config_read(1, 1, 0), ==, 0xffffffff);
    out(0xcf8, 0x80010000, 4); /* bus 1 */
    g_assert_cmphex(in(0xcfc, 4), ==, 0xffffffff);
    out(0xcf8, 0, 4); /* not enabled */
    g_assert_cmphex(in(0xcfc, 4), ==, 0xffffffff);
}

static void set_route(unsigned pirq, uint8_t route)
{
    config_select(1, 0, PIRQ_A);
    out(0xcfc + pirq, route, 1);
}

static void test_pirqs(void)
{
    PciBus *bus = pci_bus_of(pullers[0]);

    g_assert_cmpuint(piix_pirq(1, 0), ==, 0);
    g_assert_cmpuint(piix_pirq(0, 0), ==, 3);
    g_assert_cmpuint(piix_pirq(31, 3), ==, 1);
    devices_reset();
    pci_set_irq(pullers[0], 1);
    for (unsigned irq = 0; irq < ISA_IRQS; irq++) {
        g_assert_cmpint(irqs[irq].level, ==, 0); /* routed nowhere */
    }
    set_route(0, 11);
    set_route(1, 11);
    g_assert_cmpint(irqs[11].level, ==, 1);
    pci_set_irq(pullers[1], 1);
    pci_set_irq(pullers[0], 0);
    g_assert_cmpint(irqs[11].level, ==, 1); /* shared */
    g_assert_cmpuint(irqs[11].edges, ==, 1);
    set_route(1, 5); /* a line that is up moves */
    g_assert_cmpint(irqs[11].level, ==, 0);
    g_assert_cmpint(irqs[5].level, ==, 1);
    for (unsigned reserved = 0; reserved < 3; reserved++) {
        set_route(1, reserved);
        g_assert_cmpint(irqs[reserved].level, ==, 0);
    }
    set_route(1, 0x85);
    g_assert_cmpint(irqs[5].level, ==, 0);
    piix_set_up(bus);
    g_assert_cmphex(config_read(1, 0, PIRQ_A), ==, 0x0b0b0a0a);
    g_assert_cmpint(irqs[10].level, ==, 1);
    devices_reset();
    g_assert_cmpint(irqs[10].level, ==, 0);
    g_assert_cmphex(config_read(1, 0, PIRQ_A), ==, 0x80808080);
}

static void test_sizes(void)
{
    config_select(0, 0, 0);
    g_assert_cmphex(in(0xcf8, 4), ==, 0x80000000);
    g_assert_cmphex(in(0xcfc, 2), ==, 0x8086);
    g_assert_cmphex(in(0xcfe, 2), ==, 0x1237);
    g_assert_cmphex(in(0xcfd, 1), ==, 0x80);
    g_assert_cmphex(in(0xcfd, 2), ==, 0x3780);
    out(0xcf8, 0xffffffff, 4);
    g_assert_cmphex(in(0xcf8, 4), ==, 0xffffffff);
    out(0xcf8, 0x80000002, 4);
    g_assert_cmphex(in(0xcfc, 2), ==, 0x1237);
}

static void test_masks(void)
{
    config_select(1, 3, 0x40);
    out(0xcfc, 0xffffffff, 4);
    g_assert_cmphex(in(0xcfc, 4), ==, 0x601); /* fixed */
    config_select(1, 0, 0x60);
    out(0xcfc, 0x0b, 1);
    g_assert_cmphex(in(0xcfc, 4), ==, 0x8080800b);
    out(0xcfd, 0xff, 1);
    g_assert_cmphex(in(0xcfc, 4), ==, 0x80808f0b);
    devices_reset();
    g_assert_cmphex(config_read(1, 0, 0x60), ==, 0x80808080);
    config_select(0, 0, 0);
    out(0xcfc, 0, 4);
    g_assert_cmphex(in(0xcfc, 4), ==, 0x12378086);
}

static void command(uint8_t cmd)
{
    outb(0x64, cmd);
}

static void test_i8042(void)
{
    devices_reset();
    g_assert_cmphex(inb(0x64), ==, 0x14);
    command(0xaa);
    g_assert_cmphex(inb(0x64) & 1, ==, 1);
    g_assert_cmphex(inb(0x60), ==, 0x55);
    command(0xab);
    g_assert_cmphex(inb(0x60), ==, 0);
    command(0x60);
    outb(0x60, 0x64);
    command(0x20);
    g_assert_cmphex(inb(0x60), ==, 0x64);
    g_assert_cmpint(irq1.level, ==, 0);
    command(0x60);
    outb(0x60, 0x65);
    irq1.edges = 0;
    outb(0x60, 0xf2); /* identify the keyboard */
    g_assert_cmphex(inb(0x60), ==, 0xfa);
    g_assert_cmphex(inb(0x60), ==, 0xab);
    g_assert_cmphex(inb(0x60), ==, 0x83);
    g_assert_cmpint(irq1.edges, ==, 3);
    g_assert_cmpint(irq1.level, ==, 0);
    outb(0x60, 0xed);
    outb(0x60, 0x07);
    g_assert_cmphex(inb(0x60), ==, 0xfa);
    g_assert_cmphex(inb(0x60), ==, 0xfa);
    command(0xd3); /* as if the mouse had sent it */
    outb(0x60, 0x5a);
    g_assert_cmphex(inb(0x64) & 0x21, ==, 0x21);
    g_assert_cmphex(inb(0x60), ==, 0x5a);
    g_assert_cmphex(inb(0x64) & 0x21, ==, 0x00);
    command(0xa9);
    g_assert_cmphex(inb(0x60), ==, 0x00);
    command(0xdd);
    command(0xd0);
    g_assert_cmphex(inb(0x60), ==, 0x01);
}

/* The mouse's answer to @value, to what follows D4. */
static void tell_mouse(uint8_t value, const char *answer, unsigned count)
{
    command(0xd4);
    outb(0x60, value);
    for (unsigned i = 0; i < count; i++) {
        g_assert_cmphex(inb(0x64) & 0x21, ==, 0x21);
        g_assert_cmphex(inb(0x60), ==, (uint8_t)answer[i]);
    }
    g_assert_cmphex(inb(0x64) & 0x01, ==, 0x00);
}

static void set_rates(uint8_t first, uint8_t second, uint8_t third)
{
    const uint8_t rates[] = { first, second, third };

    for (unsigned i = 0; i < G_N_ELEMENTS(rates); i++) {
        tell_mouse(0xf3, "\xfa", 1);
        tell_mouse(rates[i], "\xfa", 1);
    }
}

static void move(InputAxis axis, int32_t by)
{
    input_pointer_event(
        &(const InputPointerEvent){ .kind = INPUT_POINTER_RELATIVE, .axis = axis, .value = by });
}

static void press(InputButton button, bool down)
{
    input_pointer_event(
        &(const InputPointerEvent){ .kind = INPUT_POINTER_BUTTON, .button = button, .down = down });
}

static void expect(const char *bytes, unsigned count)
{
    input_sync();
    for (unsigned i = 0; i < count; i++) {
        g_assert_cmphex(inb(0x64) & 0x21, ==, 0x21);
        g_assert_cmpint(irq12.level, ==, 1);
        g_assert_cmphex(inb(0x60), ==, (uint8_t)bytes[i]);
    }
    g_assert_cmphex(inb(0x64) & 0x01, ==, 0x00);
    g_assert_cmpint(irq12.level, ==, 0);
}

static void test_mouse(void)
{
    devices_reset();
    command(0x60);
    outb(0x60, 0x47); /* both interrupts, both ports */
    irq1.edges = irq12.edges = 0;
    tell_mouse(0xff, "\xfa\xaa\x00", 3);
    g_assert_cmpint(irq12.edges, ==, 3);
    g_assert_cmpint(irq1.edges, ==, 0);
    tell_mouse(0xf2, "\xfa\x00", 2);
    tell_mouse(0xe9, "\xfa\x00\x02\x64", 4);
    move(INPUT_AXIS_X, 5);
    expect("", 0); /* not asked for */
    tell_mouse(0xf4, "\xfa", 1);
    expect("", 0);
    move(INPUT_AXIS_X, 5);
    move(INPUT_AXIS_Y, 3);
    expect("\x28\x05\xfd", 3);
    move(INPUT_AXIS_X, -300); /* more than a packet can say */
    press(INPUT_BUTTON_LEFT, true);
    expect("\x19\x01\x00\x19\xd3\x00", 6);
    press(INPUT_BUTTON_LEFT, false);
    press(INPUT_BUTTON_WHEEL_UP, true);
    expect("\x08\x00\x00", 3);
    set_rates(200, 100, 80);
    tell_mouse(0xf2, "\xfa\x03", 2);
    press(INPUT_BUTTON_WHEEL_UP, true);
    press(INPUT_BUTTON_RIGHT, true);
    expect("\x0a\x00\x00\xff", 4);
    set_rates(200, 200, 80);
    tell_mouse(0xf2, "\xfa\x04", 2);
    press(INPUT_BUTTON_RIGHT, false);
    press(INPUT_BUTTON_SIDE, true);
    press(INPUT_BUTTON_WHEEL_DOWN, true);
    expect("\x08\x00\x00\x11", 4);
    tell_mouse(0xeb, "\xfa\x08\x00\x00\x10", 5);
    tell_mouse(0xee, "\xfa", 1); /* what it gets comes back */
    tell_mouse(0xf2, "\xf2", 1);
    tell_mouse(0xec, "\xfa", 1);
    tell_mouse(0x00, "\xfe", 1);
    /* A byte of it that was not read waits for what a command of the controller answers. */
    move(INPUT_AXIS_X, 1);
    input_sync();
    g_assert_cmphex(inb(0x64) & 0x21, ==, 0x21);
    command(0xab);
    g_assert_cmphex(inb(0x64) & 0x21, ==, 0x01);
    g_assert_cmphex(inb(0x60), ==, 0x00);
    expect("\x08\x01\x00\x10", 4);
    command(0xa7); /* it is off, and tells later */
    move(INPUT_AXIS_X, 1);
    expect("", 0);
    command(0xa8);
    expect("\x08\x01\x00\x10", 4);
    tell_mouse(0xf5, "\xfa", 1);
    press(INPUT_BUTTON_SIDE, false);
    expect("", 0);
}

/* A guest that does not read: nothing is lost but what a packet cannot say, and nothing grows. */
static void test_mouse_full(void)
{
    int32_t sum = 0;

    devices_reset();
    command(0x60);
    outb(0x60, 0x47);
    tell_mouse(0xf4, "\xfa", 1);
    for (unsigned i = 0; i < 1000; i++) {
        move(INPUT_AXIS_X, 7);
        input_sync();
    }
    while (inb(0x64) & 1) {
        uint8_t flags = inb(0x60), x = inb(0x60), y = inb(0x60);

        g_assert_cmphex(flags, ==, 0x08);
        g_assert_cmphex(y, ==, 0);
        sum += x;
    }
    g_assert_cmpint(sum, ==, 7000);
}

static void test_port92(void)
{
    devices_reset();
    g_assert_cmphex(inb(0x92), ==, 2);
    outb(0x92, 0);
    g_assert_cmphex(inb(0x92), ==, 0);
}

static void test_any_write(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(6);
    static const uint8_t sizes[] = { 1, 2, 4 };

    for (unsigned i = 0; i < 20000; i++) {
        unsigned size = sizes[g_rand_int(rand) % 3];
        unsigned port = 0xcf8 + g_rand_int(rand) % 8;
        uint32_t value = g_rand_int(rand);

        if (port == 0xcf9 && size == 1) {
            value &= ~4u; /* no reset, please */
        }
        out(port, value, size);
        in(port, size);
        outb(0x60, g_rand_int(rand) | 1);
        outb(0x64, g_rand_int(rand) | 1);
        inb(0x60);
    }
    g_assert_cmphex(config_read(0, 0, 0), ==, 0x12378086);
}

int main(int argc, char **argv)
{
    chip_test_init(&argc, &argv);
    RamBlock *block = ram_block_new("ram", 1 << 20, -1, false, true, 0, NULL);
    memory_region_init_ram(&ram, "ram", block);
    memory_region_add(memory_system(), 0, &ram);
    PciBus *bus = i440fx_create(memory_system(), memory_io(), &ram)->bus;
    Irq lines[ISA_IRQS];
    I2cBus *smbus;
    for (unsigned irq = 0; irq < ISA_IRQS; irq++) {
        lines[irq] = test_line(&irqs[irq]);
    }
    piix_create(bus, acpi_pm_create(memory_io(), test_line(&irqs[ACPI_SCI_IRQ]), &acpi_pm_piix4),
                lines, test_line(&irqs[ACPI_SCI_IRQ]), &smbus);
    puller_pin = 2;
    pullers[0] = pci_create(bus, PCI_DEVFN(4, 0), TYPE_PULLER);
    pullers[1] = pci_create(bus, PCI_DEVFN(5, 0), TYPE_PULLER);
    i8042_create(memory_io(), test_line(&irq1), test_line(&irq12));
    port92_create(memory_io());
    g_test_add_func("/pci/ids", test_ids);
    g_test_add_func("/pci/pirqs", test_pirqs);
    g_test_add_func("/pci/sizes", test_sizes);
    g_test_add_func("/pci/masks", test_masks);
    g_test_add_func("/i8042/commands", test_i8042);
    g_test_add_func("/i8042/mouse", test_mouse);
    g_test_add_func("/i8042/mouse-full", test_mouse_full);
    g_test_add_func("/port92/bits", test_port92);
    g_test_add_func("/pci/any-write", test_any_write);
    return g_test_run();
}
