/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, interrupts, EEPROM and life. */
#include "hw/net/rtl8139.h"

#include <string.h>

#include "hw/core/boot-order.h"
#include "hw/core/runstate.h"
#include "util/clock.h"
#include "util/error.h"

enum { MHZ = 33 }; /* that TCTR counts by */

/* ---- registers of several bytes ---- */

uint16_t rtl8139_get16(const Rtl8139 *s, unsigned at)
{
    return (uint16_t)(s->reg[at] | s->reg[at + 1] << 8);
}

uint32_t rtl8139_get32(const Rtl8139 *s, unsigned at)
{
    return rtl8139_get16(s, at) | (uint32_t)rtl8139_get16(s, at + 2) << 16;
}

void rtl8139_set16(Rtl8139 *s, unsigned at, uint16_t value)
{
    s->reg[at] = (uint8_t)value;
    s->reg[at + 1] = (uint8_t)(value >> 8);
}

void rtl8139_set32(Rtl8139 *s, unsigned at, uint32_t value)
{
    rtl8139_set16(s, at, (uint16_t)value);
    rtl8139_set16(s, at + 2, (uint16_t)(value >> 16));
}

/* ---- interrupts ---- */

static void update_interrupt(Rtl8139 *s)
{
    pci_set_irq(&s->parent, (rtl8139_get16(s, RTL_ISR) & rtl8139_get16(s, RTL_IMR)) != 0);
}

void rtl8139_interrupt(Rtl8139 *s, uint16_t causes)
{
    rtl8139_set16(s, RTL_ISR, rtl8139_get16(s, RTL_ISR) | causes);
    update_interrupt(s);
}

bool rtl8139_runs(const Rtl8139 *s)
{
    return runstate_is_running() && pci_can_dma(&s->parent);
}

/* ---- the counter ---- */

static uint32_t counter(const Rtl8139 *s)
{
    return (uint32_t)(((uint64_t)clock_ns() - (uint64_t)s->counted_from) * MHZ / 1000);
}

static void expired(void *opaque)
{
    rtl8139_interrupt(opaque, RTL_ISR_TIMEOUT);
}

static void set_timer(Rtl8139 *s)
{
    uint32_t at = rtl8139_get32(s, RTL_TIMER), now = counter(s);

    if (at) {
        timer_mod(s->timer, clock_ns() + ((int64_t)(at - now) * 1000 / MHZ) + 1);
    } else {
        timer_del(s->timer);
    }
}

/* ---- the EEPROM, a 93C46 ---- */

enum {
    EEPROM_PROGRAM = 0x80,
    EEPROM_MODE = 0xc0,
    EEPROM_SELECT = 0x08,
    EEPROM_CLOCK = 0x04,
    EEPROM_IN = 0x02,
    EEPROM_OUT = 0x01,
    EEPROM_COMMAND = 9, /* bits: a one, two of the command, six of the address */
    EEPROM_READ = 6,    /* the first three of them */
};

static uint16_t eeprom_word(const Rtl8139 *s, unsigned n)
{
    if (n == 0) {
        return 0x8129;
    }
    if (n == 1 || n == 2) {
        return n == 1 ? 0x10ec : 0x8139;
    }
    return n >= 7 && n < 10 ? (uint16_t)(s->nic.mac[2 * (n - 7)] | s->nic.mac[2 * (n - 7) + 1] << 8)
                            : 0;
}

static void write_eeprom(Rtl8139 *s, uint8_t value)
{
    uint8_t before = s->reg[RTL_9346CR];
    unsigned n;
    bool bit = true;

    if ((value & EEPROM_MODE) != EEPROM_PROGRAM || !(value & EEPROM_SELECT)) {
        s->eeprom_bits = s->eeprom_clocks = 0;
    } else if (value & EEPROM_CLOCK && !(before & EEPROM_CLOCK)) {
        if (s->eeprom_clocks < EEPROM_COMMAND) {
            s->eeprom_bits = s->eeprom_bits << 1 | !!(value & EEPROM_IN);
        }
        if (s->eeprom_bits && s->eeprom_clocks <= EEPROM_COMMAND + 16) {
            s->eeprom_clocks++; /* nothing counts before the first one */
        }
    }
    n = s->eeprom_clocks - EEPROM_COMMAND; /* which bit of data, from 1 on, after one that is 0 */
    if (s->eeprom_clocks >= EEPROM_COMMAND && n <= 16 && s->eeprom_bits >> 6 == EEPROM_READ) {
        bit = n && eeprom_word(s, s->eeprom_bits % 64) >> (16 - n) & 1;
    }
    s->reg[RTL_9346CR] = (value & (uint8_t)~EEPROM_OUT) | (bit ? EEPROM_OUT : 0);
}

/* ---- reset ---- */

/* What the command does; the address stays. */
static void reset_card(Rtl8139 *s)
{
    static const struct {
        uint8_t at;
        uint32_t value;
    } values[] = {
        { RTL_CAPR, 0xfff0 }, { RTL_TCR, 0x74800000 }, { RTL_CONFIG3, 0x01 }, { RTL_BMCR, 0x1100 },
        { RTL_ANAR, 0x05e1 }, { RTL_ANLPAR, 0x05e1 },  { RTL_ANER, 0x0001 },
    };
    uint8_t address[NET_MAC_SIZE];

    memcpy(address, s->reg + RTL_IDR, sizeof(address));
    memset(s->reg, 0, sizeof(s->reg));
    memcpy(s->reg + RTL_IDR, address, sizeof(address));
    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        rtl8139_set32(s, values[i].at, values[i].value | rtl8139_get32(s, values[i].at));
    }
    for (unsigned i = 0; i < 4; i++) {
        rtl8139_set32(s, RTL_TSD + 4 * i, RTL_TSD_OWN);
    }
    s->reg[RTL_RERID] = 0x10;
    s->reg[RTL_CONFIG1] = 0x0c; /* memory and I/O */
    s->tx_at[0] = s->tx_at[1] = s->rx_at = s->write_at = 0;
    s->eeprom_bits = s->eeprom_clocks = 0;
    s->counted_from = clock_ns();
    timer_del(s->timer);
    update_interrupt(s);
}

/* ---- reading ---- */

/* Registers that are not what was written. */
static uint8_t read_byte(const Rtl8139 *s, unsigned at)
{
    bool up = net_link_is_up(&s->nic.client);

    if (at >= RTL_TCTR && at < RTL_TCTR + 4) {
        return (uint8_t)(counter(s) >> (at - RTL_TCTR) * 8);
    }
    switch (at) {
    case RTL_CR:
        return s->reg[at] | (rtl8139_is_empty(s) ? RTL_CR_BUFE : 0);
    case RTL_MSR:
        return s->reg[at] | (up ? 0 : 0x04);
    case RTL_BMSR:
        return 0x09 | (up ? 0x24 : 0); /* up, and negotiated */
    case RTL_BMSR + 1:
        return 0x78;
    default:
        return s->reg[at];
    }
}

/* Of the four buffers: which are done, sent, the card's. */
static uint16_t read_tsad_status(const Rtl8139 *s)
{
    uint16_t value = 0;

    for (unsigned i = 0; i < 4; i++) {
        uint32_t status = rtl8139_get32(s, RTL_TSD + 4 * i);

        value |=
            (uint16_t)((status & RTL_TSD_TOK ? 0x1000 : 0) | (status & RTL_TSD_OWN ? 0x0001 : 0))
            << i;
    }
    return value;
}

static uint64_t io_read(void *opaque, hwaddr addr, unsigned size)
{
    Rtl8139 *s = opaque;
    uint64_t value = 0;

    if (addr / 2 == RTL_TSAD_STATUS / 2) {
        return read_tsad_status(s) >> addr % 2 * 8;
    }
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)read_byte(s, (unsigned)addr + i) << 8 * i;
    }
    return value;
}

/* ---- writing ---- */

static void write_command(Rtl8139 *s, uint8_t value)
{
    if (value & RTL_CR_RST) {
        reset_card(s);
        return;
    }
    s->reg[RTL_CR] = value & (RTL_CR_RE | RTL_CR_TE);
    if (value & RTL_CR_RE) {
        net_client_ready(&s->nic.client);
    }
}

/* One byte of a register in which nothing but that is special. */
/* Is there no register? By one of them, which later chips have, drivers tell those. */
static bool is_none(unsigned at)
{
    return at > RTL_TPPOLL && at < RTL_CPCR;
}

static void write_byte(Rtl8139 *s, unsigned at, uint8_t value)
{
    if (at == RTL_CR) {
        write_command(s, value);
    } else if (at == RTL_9346CR) {
        write_eeprom(s, value);
    } else if (at == RTL_TPPOLL) {
        s->reg[at] |= value & (RTL_TPPOLL_NORMAL | RTL_TPPOLL_HIGH);
        rtl8139_transmit(s);
    } else if (at == RTL_ISR || at == RTL_ISR + 1) {
        s->reg[at] &= (uint8_t)~value;
        update_interrupt(s);
    } else if ((at >= RTL_MPC && at < RTL_MPC + 4)) {
        rtl8139_set32(s, RTL_MPC, 0);
    } else if (at == RTL_TCR + 3) {
        s->reg[at] = (s->reg[at] & 0x7c) | (value & (uint8_t)~0x7c); /* which chip it is */
    } else if (at == RTL_TCR + 2) {
        s->reg[at] = (s->reg[at] & 0xc0) | (value & 0x3f);
    } else if (at == RTL_BMCR + 1) {
        s->reg[at] = value & 0x31; /* a reset, and a negotiation, are over at once */
    } else if (is_none(at)) {
        return;
    } else if (at != RTL_CBR && at != RTL_CBR + 1 && at != RTL_RERID &&
               !(at >= RTL_BMSR && at < RTL_BMSR + 2) && !(at >= RTL_ANLPAR && at < RTL_ANER + 2)) {
        s->reg[at] = value;
    }
}

/* What follows from [@at, @at + @size), which was written. */
static void written(Rtl8139 *s, unsigned at, unsigned size)
{
    unsigned n = (at - RTL_TSD) / 4;

    if (at >= RTL_TSD && at < RTL_TSD + 16 && at % 4 + size == 4) {
        if (!(rtl8139_get32(s, RTL_TSD + 4 * n) & RTL_TSD_OWN)) {
            rtl8139_send(s, n);
        }
    } else if (pci_touches(at, size, RTL_IMR, 2)) {
        update_interrupt(s);
    } else if (pci_touches(at, size, RTL_CAPR, 2)) {
        net_client_ready(&s->nic.client);
    } else if (pci_touches(at, size, RTL_TCTR, 4)) {
        s->counted_from = clock_ns();
        set_timer(s);
    } else if (at >= RTL_TIMER && at < RTL_TIMER + 4 && at % 4 + size == 4) {
        set_timer(s);
    } else if (pci_touches(at, size, RTL_RDSAR, 8)) {
        s->rx_at = 0;
    } else if (pci_touches(at, size, RTL_TNPDS, 8)) {
        s->tx_at[0] = 0;
    } else if (pci_touches(at, size, RTL_THPDS, 8)) {
        s->tx_at[1] = 0;
    }
}

static void io_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Rtl8139 *s = opaque;

    for (unsigned i = 0; i < size; i++) {
        write_byte(s, (unsigned)addr + i, (uint8_t)(value >> 8 * i));
    }
    written(s, (unsigned)addr, size);
}

static const MemoryRegionOps io_ops = { io_read, io_write, 1, 4 };

/* ---- life ---- */

static void link_changed(NetClient *nc)
{
    rtl8139_interrupt(nc->opaque, RTL_ISR_LINK);
}

static char *describe(NetClient *nc)
{
    const Rtl8139 *s = nc->opaque;
    g_autofree char *mac = net_mac_text(s->reg + RTL_IDR);

    return g_strdup_printf("model=rtl8139,macaddr=%s", mac);
}

static void announce(Nic *nic)
{
    const Rtl8139 *s = nic->client.opaque;

    nic_send_rarp(nic, s->reg + RTL_IDR);
}

static const NicOps nic_ops = {
    .client = { .receive = rtl8139_receive,
                .can_send_again = rtl8139_can_send_again,
                .link_changed = link_changed,
                .describe = describe },
    .announce = announce,
};

/* What waited while the machine stood. */
static void soon(void *opaque)
{
    rtl8139_transmit(opaque);
}

static void machine_starts(void *opaque)
{
    Rtl8139 *s = opaque;

    rtl8139_transmit(s);
    net_client_ready(&s->nic.client);
}

static bool rtl8139_realize(PciDevice *dev, GError **errp)
{
    Rtl8139 *s = RTL8139(dev);

    if (!boot_order_add(&dev->parent, s->boot_index, &dev->parent, "ethernet", "/ethernet-phy@0",
                        errp)) {
        return false;
    }
    s->timer = timer_new(expired, s);
    s->soon = timer_new(soon, s);
    if (!nic_realize(&s->nic, &dev->parent, &nic_ops, s, 1, errp)) {
        g_clear_pointer(&s->timer, timer_free);
        g_clear_pointer(&s->soon, timer_free);
        boot_order_remove(&dev->parent);
        return false;
    }
    s->packet = g_malloc(NET_PACKET_MAX);
    memory_region_init_io(&s->io, &io_ops, s, "rtl8139-io", RTL_REGISTERS);
    memory_region_init_io(&s->memory, &io_ops, s, "rtl8139-memory", RTL_REGISTERS);
    pci_add_bar(dev, 0, PCI_BAR_IO, &s->io);
    pci_add_bar(dev, 1, 0, &s->memory);
    runstate_add_start(machine_starts, s);
    return true;
}

static void rtl8139_unrealize(PciDevice *dev)
{
    Rtl8139 *s = RTL8139(dev);

    runstate_remove_start(machine_starts, s);
    rtl8139_set16(s, RTL_IMR, 0); /* that the link goes is told to nobody */
    boot_order_remove(&dev->parent);
    nic_unrealize(&s->nic);
    if (s->again) {
        g_source_destroy(s->again);
        g_clear_pointer(&s->again, g_source_unref);
    }
    g_clear_pointer(&s->timer, timer_free);
    g_clear_pointer(&s->soon, timer_free);
    g_clear_pointer(&s->packet, g_free);
    memory_region_destroy(&s->io);
    memory_region_destroy(&s->memory);
}

static void rtl8139_reset(PciDevice *dev)
{
    Rtl8139 *s = RTL8139(dev);

    memcpy(s->reg + RTL_IDR, s->nic.mac, NET_MAC_SIZE);
    reset_card(s);
    net_client_purge(&s->nic.client);
}

/* The level of the interrupt line is the function's state. */
static void rtl8139_loaded(PciDevice *dev)
{
}

static const StateField rtl8139_fields[] = {
    STATE_STRUCT(Rtl8139, parent, &pci_device_state),
    STATE_UINTS(Rtl8139, reg),
    STATE_UINTS(Rtl8139, tx_at),
    STATE_UINT_MAX(Rtl8139, rx_at, 1023),
    STATE_UINT_MAX(Rtl8139, write_at, 65535),
    STATE_UINT(Rtl8139, eeprom_bits),
    STATE_UINT_MAX(Rtl8139, eeprom_clocks, EEPROM_COMMAND + 17),
    STATE_INT(Rtl8139, counted_from),
    STATE_TIMER(Rtl8139, timer),
    {},
};
static const StateTable rtl8139_state = { .name = TYPE_RTL8139,
                                          .version = 1,
                                          .fields = rtl8139_fields };

/* ---- the type ---- */

static const PciRegister pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x10ec },
    { PCI_DEVICE_ID, 2, 0x8139 },
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
          PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_REVISION_ID, 1, 0x20 },    /* C+ */
    { PCI_CLASS_DEVICE, 2, 0x0200 }, /* Ethernet */
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static void rtl8139_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), pci_registers, G_N_ELEMENTS(pci_registers));
}

static const PciFunctionClass rtl8139_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "network",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &rtl8139_state },
    .rom = "efi-rtl8139.rom",
    .realize = rtl8139_realize,
    .unrealize = rtl8139_unrealize,
    .reset = rtl8139_reset,
    .loaded = rtl8139_loaded,
};

static const Property rtl8139_properties[] = {
    NIC_PROPERTIES(Rtl8139, nic),
    { .name = "bootindex",
      .kind = PROP_INT32,
      .offset = offsetof(Rtl8139, boot_index),
      .has_default = true,
      .default_int = -1,
      .description = "place in the order in which firmware boots" },
    { 0 },
};

static const ObjectType rtl8139_type = {
    .name = TYPE_RTL8139,
    .parent = TYPE_PCI_DEVICE,
    .description = "Realtek card RTL8139C+",
    .instance_size = sizeof(Rtl8139),
    .properties = rtl8139_properties,
    .ops = &rtl8139_ops,
    .init = rtl8139_init,
};
OBJECT_TYPE_REGISTER(rtl8139_type)
