/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * e1000e: Intel's 82574L, a PCI Express function (on a conventional bus a conventional one):
 * registers in memory (BAR 0), one at a time through the I/O window (BAR 2), a flash with nothing
 * in it (BAR 1), and the table of MSI-X (BAR 3). Two rings each way.
 */
#include "hw/net/e1000e.h"

#include "hw/pci/pci-cap.h"
#include "util/clock.h"
#include "util/units.h"

enum {
    FLASH_SIZE = 128 * KIB,
    IO_SIZE = 32,
    MEMORY_BAR = 0,
    FLASH_BAR = 1,
    IO_BAR = 2,
    MSIX_BAR = 3,
    PHY_ID2 = 0x0cb1, /* of a BM, revision 2 */
    SWSM_SMBI = 1,
    SYSTIM_TICK_NS = 40,
};

/* ---- registers that only this card has ---- */

static uint32_t status_read(E1000 *s, unsigned offset)
{
    bool master = !(*e1000_reg(s, E1000_CTRL) & E1000_CTRL_MASTER_DISABLE);

    return e1000_status_read(s, offset) | (master ? E1000_STATUS_MASTER : 0);
}

static uint32_t eecd_read(E1000 *s, unsigned offset)
{
    return e1000_eecd_read(s, offset) | E1000_EECD_LOADED;
}

/* Who reads a 0 has the semaphore (section 10.2.7.3). */
static uint32_t swsm_read(E1000 *s, unsigned offset)
{
    uint32_t value = *e1000_reg(s, E1000_SWSM);

    *e1000_reg(s, E1000_SWSM) |= SWSM_SMBI;
    return value;
}

static void vectors_written(E1000 *s, unsigned offset, uint32_t value)
{
    e1000_interrupt(s, 0);
}

/* The clock of IEEE 1588: so much more (the low 24 bits of TIMINCA) each so many ticks (the high
 * 8). */
static uint64_t systim(const E1000E *e)
{
    uint64_t ticks = (uint64_t)(clock_ns() - e->systim_ns) / SYSTIM_TICK_NS;
    uint32_t inc = e->systim_inc;

    return e->systim + (inc >> 24 ? ticks / (inc >> 24) * (inc & 0xffffff) : 0);
}

static void set_systim(E1000E *e, uint64_t value)
{
    e->systim = value;
    e->systim_ns = clock_ns();
    e->systim_inc = *e1000_reg(&e->parent, E1000_TIMINCA);
}

/* The high half is as it was when the low one was read. */
static uint32_t systim_read(E1000 *s, unsigned offset)
{
    uint64_t now = systim(E1000E_CARD(s));

    *e1000_reg(s, E1000_SYSTIMH) = (uint32_t)(now >> 32);
    return (uint32_t)now;
}

/* The low half is written first. */
static void systim_written(E1000 *s, unsigned offset, uint32_t value)
{
    set_systim(E1000E_CARD(s), (uint64_t)value << 32 | *e1000_reg(s, E1000_SYSTIML));
}

static void timinca_written(E1000 *s, unsigned offset, uint32_t value)
{
    set_systim(E1000E_CARD(s), systim(E1000E_CARD(s)));
}

static void ring_written(E1000 *s, unsigned offset, uint32_t value)
{
    e1000_transmit(s);
}

static const E1000Register registers[] = {
    { E1000_STATUS, 1, 0, 0, E1000_STATUS_FD | E1000_STATUS_SPEED_1000 | E1000_STATUS_ASDV_1000,
      status_read },
    { E1000_EECD, 1, 0, 0, E1000_EECD_DO, eecd_read, e1000_eecd_written },
    { E1000_EERD, 1, 0, 0, 0, NULL, e1000_eerd_large_written },
    { E1000_ICR, 1, 0, 0, 0, e1000e_icr_read, e1000_icr_written },
    { E1000_EIAC, 1, 0, E1000_ICR_QUEUES },
    { E1000_IAM, 1, 0, UINT32_MAX },
    { E1000_IVAR, 1, 0, 0x800fffff, 0, NULL, vectors_written },
    { E1000_EITR, E1000E_VECTORS, 0, 0xffff },
    { E1000_EXTCNF_CTRL, 1, 0, UINT32_MAX, 8 },
    { E1000_EXTCNF_SIZE, 1, 0, UINT32_MAX },
    { E1000_PBA, 1, 0, 0xffff003f, 0x140014 },
    { E1000_PBS, 1, 0, 0x3f, 0x28 },
    { E1000_EEMNGCTL, 1, 0, UINT32_MAX },
    { E1000_PBA_ECC, 1, 0, UINT32_MAX },
    { E1000_PSRCTL, 1, 0, UINT32_MAX, 0x00040402 },
    { E1000_RDBAL + E1000_RING_STRIDE, 1, 0, 0xfffffff0 },
    { E1000_RDBAH + E1000_RING_STRIDE, 1, 0, UINT32_MAX },
    { E1000_RDLEN + E1000_RING_STRIDE, 1, 0, 0xfff80 },
    { E1000_RDH + E1000_RING_STRIDE, 1, 0, 0xffff },
    { E1000_RDT + E1000_RING_STRIDE, 1, 0, 0xffff, 0, NULL, e1000_rx_tail_written },
    { E1000_RXDCTL, 1, 0, UINT32_MAX, 0x00010000 },
    { E1000_RXDCTL + E1000_RING_STRIDE, 1, 0, UINT32_MAX, 0x00010000 },
    { E1000_TARC, 1, 0, UINT32_MAX, 0x403 },
    { E1000_TARC + E1000_RING_STRIDE, 1, 0, UINT32_MAX, 0x403 },
    { E1000_TDBAL + E1000_RING_STRIDE, 1, 0, 0xfffffff0 },
    { E1000_TDBAH + E1000_RING_STRIDE, 1, 0, UINT32_MAX },
    { E1000_TDLEN + E1000_RING_STRIDE, 1, 0, 0xfff80 },
    { E1000_TDH + E1000_RING_STRIDE, 1, 0, 0xffff },
    { E1000_TDT + E1000_RING_STRIDE, 1, 0, 0xffff, 0, NULL, ring_written },
    { E1000_TXDCTL + E1000_RING_STRIDE, 1, 0, UINT32_MAX },
    { E1000_RXCSUM, 1, 0, 0xffff, E1000_RXCSUM_IP | E1000_RXCSUM_TRANSPORT },
    { E1000_RFCTL, 1, 0, UINT32_MAX },
    { E1000_MRQC, 1, 0, UINT32_MAX },
    { E1000_GCR, 1, 0, UINT32_MAX },
    { E1000_FACTPS, 1, 0, 0, 0x20000004 },
    { E1000_SWSM, 1, 0, 3, 0, swsm_read },
    { E1000_FWSM, 1, 0, UINT32_MAX },
    { E1000_GCR2, 1, 0, UINT32_MAX },
    { E1000_RETA, 32, 0, UINT32_MAX },
    { E1000_RSSRK, 10, 0, UINT32_MAX },
    { E1000_SYSTIML, 1, 0, UINT32_MAX, 0, systim_read },
    { E1000_SYSTIMH, 1, 0, UINT32_MAX, 0, NULL, systim_written },
    { E1000_TIMINCA, 1, 0, UINT32_MAX, 0, NULL, timinca_written },
    E1000_WAKE_UP_REGISTERS, /* the rows above keep their places in a saved machine */
    { E1000_TIPG, 1, 0, UINT32_MAX, 0x00602008 },
    { E1000_LEDCTL, 1, 0, UINT32_MAX, 0x00068302 },
    { 0 },
};

/* Words of the EEPROM that drivers look at (section 6.1). */
static const uint16_t nvm[E1000_NVM_WORDS] = {
    [0x03] = 0x0420,         /* a card; nobody manages it */
    [0x04] = 0xf746,         /* LEDs */
    [0x08] = 0x0000, 0x0000, /* number of the board */
    [0x0a] = 0x026b,         /* initialization control 1: IDs are loaded */
    [0x0c] = 0x8086,         /* subsystem vendor */
    [0x0e] = 0x8086,         /* vendor */
    [0x0f] = 0x8007,         /* initialization control 2 */
    [0x24] = 0x0000,         /* initialization control 3: it wakes nobody */
};

/* ---- the function ---- */

static uint64_t flash_read(void *opaque, hwaddr addr, unsigned size)
{
    return size == 4 ? UINT32_MAX : (UINT64_C(1) << 8 * size) - 1;
}

static void flash_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
}

static const MemoryRegionOps flash_ops = { flash_read, flash_write, 1, 4 };

static void free_timers(E1000E *e)
{
    for (unsigned i = 0; i < E1000E_VECTORS; i++) {
        g_clear_pointer(&e->eitr[i], timer_free);
    }
}

static bool pci_e1000e_realize(PciDevice *dev, GError **errp)
{
    E1000E *e = E1000E_CARD(dev);
    const PciBus *bus = pci_bus_of(dev);

    for (unsigned i = 0; i < E1000E_VECTORS; i++) {
        e->eitr[i] = timer_new(e1000e_interval_over, e);
    }
    if (!e1000_realize(dev, errp)) {
        free_timers(e);
        return false;
    }
    e1000_add_bars(&e->parent, MEMORY_BAR, IO_BAR, IO_SIZE);
    memory_region_init_io(&e->flash, &flash_ops, e, "e1000e-flash", FLASH_SIZE);
    pci_add_bar(dev, FLASH_BAR, 0, &e->flash);
    pci_add_msi(dev, 1);
    pci_add_msix(dev, E1000E_VECTORS, MSIX_BAR);
    if (pci_bus_is_express(bus)) {
        pci_add_express(dev, bus->bridge ? PCIE_ENDPOINT : PCIE_INTEGRATED_ENDPOINT, 0);
    }
    return true;
}

static void pci_e1000e_unrealize(PciDevice *dev)
{
    E1000E *e = E1000E_CARD(dev);

    memory_region_destroy(&e->flash);
    e1000_drop_bars(&e->parent);
    e1000_unrealize(dev);
    free_timers(e);
}

static void pci_e1000e_reset(PciDevice *dev)
{
    E1000E *e = E1000E_CARD(dev);

    for (unsigned i = 0; i < E1000E_VECTORS; i++) {
        timer_del(e->eitr[i]);
    }
    e->due = 0;
    e1000_reset(dev);
    set_systim(e, 0);
}

static const PciRegister pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x8086 },
    { PCI_DEVICE_ID, 2, 0x10d3 },
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
          PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_REVISION_ID, 1, 0 },
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_CLASS_DEVICE, 2, 0x0200 }, /* Ethernet */
    { PCI_SUBSYSTEM_VENDOR_ID, 2, 0x8086 },
    { PCI_SUBSYSTEM_ID, 2, 0 },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static const StateField e1000e_fields[] = {
    STATE_STRUCT(E1000E, parent, &e1000_state),
    STATE_TIMER(E1000E, eitr[0]),
    STATE_TIMER(E1000E, eitr[1]),
    STATE_TIMER(E1000E, eitr[2]),
    STATE_TIMER(E1000E, eitr[3]),
    STATE_TIMER(E1000E, eitr[4]),
    STATE_UINT(E1000E, due),
    STATE_UINT(E1000E, systim),
    STATE_INT(E1000E, systim_ns),
    STATE_UINT(E1000E, systim_inc),
    {},
};
static const StateTable e1000e_state = { .name = TYPE_E1000E,
                                         .version = 1,
                                         .fields = e1000e_fields };

static const E1000Class e1000e_ops = {
    .pci = { .device = { PCI_DEVICE_CLASS_CORE, .category = "network",
                         .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &e1000e_state },
             .rom = "efi-e1000e.rom",
             .realize = pci_e1000e_realize,
             .unrealize = pci_e1000e_unrealize,
             .reset = pci_e1000e_reset,
             .loaded = e1000_loaded },
    .model = TYPE_E1000E,
    .registers = registers,
    .nvm = nvm,
    .phy_id2 = PHY_ID2,
    .causes = E1000_ICR_BASIC | E1000_ICR_QUEUES,
    .queues = 2,
    .signal = e1000e_signal,
    .send = e1000e_send,
    .spread = e1000e_spread,
};

static void pci_e1000e_init(Object *obj)
{
    E1000_CARD(obj)->mitigation = true;
    pci_set_registers(PCI_DEVICE(obj), pci_registers, G_N_ELEMENTS(pci_registers));
}

static const ObjectType e1000e_type = {
    .name = TYPE_E1000E,
    .parent = TYPE_E1000_BASE,
    .description = "Intel gigabit card 82574L",
    .instance_size = sizeof(E1000E),
    .ops = &e1000e_ops,
    .init = pci_e1000e_init,
};
OBJECT_TYPE_REGISTER(e1000e_type)
