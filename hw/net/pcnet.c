/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, interrupts and life. */
#include "hw/net/pcnet.h"

#include <string.h>

#include "hw/core/runstate.h"

enum {
    BAR_SIZE = 32,
    PROM_SIZE = 16,
    PROM_SUM = 12,
    PROM_MARK = 14, /* two times */
    WORDS = 0x80,   /* BCR18: registers are 32 bits apart */
    CHIP = 0x02621003,
    LINK_SHOWN = 0x00c0, /* BCR4: what its LED shows, */
    LINK_IS_UP = 0x8000, /* and that it does */
    ERRORS = 0x7800,     /* of CSR0 */
    ERR = 0x8000,
    FEATURE_EVENTS = 0x026a, /* CSR4: what happened; nothing of it ever does */
    CONTROL_EVENTS = 0x0a90, /* CSR5 */
};

bool pcnet_runs(const Pcnet *s)
{
    return runstate_is_running() && pci_can_dma(&s->parent);
}

/* ---- interrupts ---- */

static void update_interrupt(Pcnet *s)
{
    bool any = s->csr[0] & PCNET_CAUSES & ~s->csr[PCNET_CSR_MASKS];

    s->csr[0] = (uint16_t)((s->csr[0] & ~(PCNET_INTR | ERR)) | (any ? PCNET_INTR : 0) |
                           (s->csr[0] & ERRORS ? ERR : 0));
    pci_set_irq(&s->parent, any && s->csr[0] & PCNET_IENA);
}

void pcnet_interrupt(Pcnet *s, uint16_t causes)
{
    s->csr[0] |= causes;
    update_interrupt(s);
}

/* ---- registers ---- */

static void stop(Pcnet *s)
{
    s->csr[0] = PCNET_STOP;
    s->csr[PCNET_CSR_CONTROL] &= (uint16_t)~PCNET_SUSPEND;
    update_interrupt(s);
}

static void reset_registers(Pcnet *s)
{
    s->csr[PCNET_CSR_MASKS] = s->csr[PCNET_CSR_CONTROL] = s->csr[PCNET_CSR_MODE] = 0;
    s->csr[PCNET_CSR_FEATURES] = 0x0115;
    s->csr[PCNET_CSR_MISSED] = 0;
    s->rap = 0;
    stop(s);
    net_client_purge(&s->card.nic.client);
}

static void start(Pcnet *s)
{
    uint16_t mode = s->csr[PCNET_CSR_MODE];

    s->csr[0] &= (uint16_t)~PCNET_STOP;
    s->csr[0] |= PCNET_STRT;
    s->csr[0] |= mode & PCNET_NO_TX ? 0 : PCNET_TXON;
    if (!(mode & PCNET_NO_RX)) {
        s->csr[0] |= PCNET_RXON;
        net_client_ready(&s->card.nic.client);
    }
}

static void write_command(Pcnet *s, uint16_t value)
{
    s->csr[0] &= (uint16_t) ~(value & PCNET_CAUSES);
    if (value & PCNET_STOP) {
        stop(s);
        return;
    }
    s->csr[0] = (uint16_t)((s->csr[0] & ~PCNET_IENA) | (value & PCNET_IENA));
    if (value & PCNET_INIT && !(s->csr[0] & PCNET_INIT) && pcnet_runs(s)) {
        s->csr[0] = (uint16_t)((s->csr[0] & ~PCNET_STOP) | PCNET_INIT | PCNET_IDON);
        pcnet_initialize(s);
    }
    if (value & PCNET_STRT && !(s->csr[0] & PCNET_STRT)) {
        start(s);
    }
    if (value & PCNET_TDMD && s->csr[0] & PCNET_TXON) {
        s->csr[0] |= PCNET_TDMD;
        nic_card_transmit(&s->card);
    }
    update_interrupt(s);
}

static void write_control(Pcnet *s, uint16_t value)
{
    s->csr[PCNET_CSR_CONTROL] = value & (uint16_t)~CONTROL_EVENTS;
    if (!(value & PCNET_SUSPEND)) {
        nic_card_transmit(&s->card);
        net_client_ready(&s->card.nic.client);
    }
}

static void write_style(Pcnet *s, uint16_t value)
{
    static const uint16_t kinds[] = { 0x200, 0x100, 0x300, 0x300 };

    value &= 0xff;
    s->bcr[PCNET_BCR_STYLE] = value < G_N_ELEMENTS(kinds) ? kinds[value] | value : kinds[0];
}

/* What can be written only while it stands: addresses, the mode, rings. */
static bool needs_rest(unsigned n)
{
    return n == PCNET_CSR_BLOCK || n == PCNET_CSR_BLOCK + 1 ||
           (n >= PCNET_CSR_GROUPS && n <= PCNET_CSR_MODE) || n == PCNET_CSR_RX_RING ||
           n == PCNET_CSR_RX_RING + 1 || n == PCNET_CSR_TX_RING || n == PCNET_CSR_TX_RING + 1 ||
           n == PCNET_CSR_RX_LENGTH || n == PCNET_CSR_TX_LENGTH || n == PCNET_CSR_STYLE;
}

static bool rests(const Pcnet *s)
{
    return s->csr[0] & PCNET_STOP || s->csr[PCNET_CSR_CONTROL] & PCNET_SUSPEND;
}

static void write_csr(Pcnet *s, unsigned n, uint16_t value)
{
    n = n == 16 || n == 17 ? n - 15 : n; /* the same */
    if (n == 0) {
        write_command(s, value);
    } else if (n == PCNET_CSR_MASKS) {
        s->csr[n] = value;
        update_interrupt(s);
    } else if (n == PCNET_CSR_FEATURES) {
        s->csr[n] = value & (uint16_t)~FEATURE_EVENTS;
    } else if (n == PCNET_CSR_CONTROL) {
        write_control(s, value);
    } else if (n == PCNET_CSR_STYLE && rests(s)) {
        write_style(s, value);
    } else if (needs_rest(n) && rests(s)) {
        s->csr[n] = value;
        s->tx_at = n == PCNET_CSR_TX_LENGTH || n / 2 == PCNET_CSR_TX_RING / 2 ? 0 : s->tx_at;
        s->rx_at = n == PCNET_CSR_RX_LENGTH || n / 2 == PCNET_CSR_RX_RING / 2 ? 0 : s->rx_at;
    }
}

static uint16_t read_csr(const Pcnet *s, unsigned n)
{
    switch (n) {
    case 16:
    case 17:
        return s->csr[n - 15];
    case PCNET_CSR_STYLE:
        return s->bcr[PCNET_BCR_STYLE];
    case PCNET_CSR_RX_COUNTER:
        return (uint16_t)(pcnet_length(s, PCNET_CSR_RX_LENGTH) - s->rx_at);
    case PCNET_CSR_TX_COUNTER:
        return (uint16_t)(pcnet_length(s, PCNET_CSR_TX_LENGTH) - s->tx_at);
    case PCNET_CSR_CHIP:
        return CHIP & 0xffff;
    case PCNET_CSR_CHIP + 1:
        return CHIP >> 16;
    default:
        return n < PCNET_CSRS ? s->csr[n] : 0;
    }
}

static void write_bcr(Pcnet *s, unsigned n, uint16_t value)
{
    if (n == PCNET_BCR_STYLE) {
        if (rests(s)) {
            write_style(s, value);
        }
    } else if (n < PCNET_BCRS && n > 1) {
        s->bcr[n] = value;
    }
}

static uint16_t read_bcr(const Pcnet *s, unsigned n)
{
    if (n == PCNET_BCR_LINK) {
        return (s->bcr[n] & (uint16_t)~LINK_IS_UP) |
               (net_link_is_up(&s->card.nic.client) ? LINK_IS_UP : 0);
    }
    return n < PCNET_BCRS ? s->bcr[n] : 0;
}

/* ---- ports ---- */

enum { PORT_DATA, PORT_ADDRESS, PORT_RESET, PORT_BUS };

static uint8_t prom_byte(const Pcnet *s, unsigned at)
{
    unsigned sum = 2 * 'W';

    if (at < NET_MAC_SIZE) {
        return s->card.nic.mac[at];
    }
    for (unsigned i = 0; i < NET_MAC_SIZE; i++) {
        sum += s->card.nic.mac[i];
    }
    return (uint8_t)(at == PROM_SUM       ? sum
                     : at == PROM_SUM + 1 ? sum >> 8
                     : at >= PROM_MARK    ? 'W'
                                          : 0);
}

/* Which port is at @addr, as registers are apart now; -1: none is, for accesses of @size. */
static int port_at(const Pcnet *s, hwaddr addr, unsigned size)
{
    unsigned step = s->bcr[PCNET_BCR_BUS] & WORDS ? 4 : 2;
    hwaddr n = (addr - PROM_SIZE) / step;

    return size == step && addr % step == 0 && n <= PORT_BUS ? (int)n : -1;
}

static uint64_t io_read(void *opaque, hwaddr addr, unsigned size)
{
    Pcnet *s = opaque;
    uint64_t value = 0;

    if (addr < PROM_SIZE) {
        for (unsigned i = 0; i < size; i++) {
            value |= (uint64_t)prom_byte(s, (unsigned)addr + i) << 8 * i;
        }
        return value;
    }
    switch (port_at(s, addr, size)) {
    case PORT_DATA:
        return read_csr(s, s->rap);
    case PORT_ADDRESS:
        return s->rap;
    case PORT_RESET:
        reset_registers(s);
        return 0;
    case PORT_BUS:
        return read_bcr(s, s->rap);
    default:
        return UINT64_MAX;
    }
}

static void io_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Pcnet *s = opaque;

    if (addr < PROM_SIZE) {
        return;
    }
    if (addr == PROM_SIZE && size == 4) {
        s->bcr[PCNET_BCR_BUS] |= WORDS; /* so a driver says that it wants that */
    }
    switch (port_at(s, addr, size)) {
    case PORT_DATA:
        write_csr(s, s->rap, (uint16_t)value);
        break;
    case PORT_ADDRESS:
        s->rap = value & (PCNET_CSRS - 1);
        break;
    case PORT_BUS:
        write_bcr(s, s->rap, (uint16_t)value);
        break;
    default:
        break;
    }
}

static const MemoryRegionOps io_ops = { io_read, io_write, 1, 4 };

/* ---- life ---- */

static void can_send_again(NetClient *nc)
{
    Pcnet *s = nc->opaque;

    nic_card_transmit_later(&s->card);
}

static void get_address(const Pcnet *s, uint8_t mac[NET_MAC_SIZE])
{
    for (unsigned i = 0; i < NET_MAC_SIZE; i++) {
        mac[i] = (uint8_t)(s->csr[PCNET_CSR_ADDRESS + i / 2] >> i % 2 * 8);
    }
}

static char *describe(NetClient *nc)
{
    uint8_t now[NET_MAC_SIZE];

    get_address(nc->opaque, now);
    g_autofree char *mac = net_mac_text(now);
    return g_strdup_printf("model=pcnet,macaddr=%s", mac);
}

static void announce(Nic *nic)
{
    uint8_t mac[NET_MAC_SIZE];

    get_address(nic->client.opaque, mac);
    nic_send_rarp(nic, mac);
}

static const NicOps nic_ops = {
    .client = { .receive = pcnet_receive, .can_send_again = can_send_again, .describe = describe },
    .announce = announce,
};

static bool realize(PciDevice *dev, GError **errp)
{
    Pcnet *s = PCNET(dev);

    if (!nic_card_realize(&s->card, &dev->parent, &nic_ops, pcnet_transmit, s, errp)) {
        return false;
    }
    memory_region_init_io(&s->io, &io_ops, s, "pcnet-io", BAR_SIZE);
    memory_region_init_io(&s->memory, &io_ops, s, "pcnet-memory", BAR_SIZE);
    pci_add_bar(dev, 0, PCI_BAR_IO, &s->io);
    pci_add_bar(dev, 1, 0, &s->memory);
    return true;
}

static void unrealize(PciDevice *dev)
{
    Pcnet *s = PCNET(dev);

    nic_card_unrealize(&s->card, &dev->parent);
    memory_region_destroy(&s->io);
    memory_region_destroy(&s->memory);
}

static void reset(PciDevice *dev)
{
    Pcnet *s = PCNET(dev);

    memset(s->csr, 0, sizeof(s->csr));
    memset(s->bcr, 0, sizeof(s->bcr));
    for (unsigned i = 0; i < NET_MAC_SIZE; i++) {
        s->csr[PCNET_CSR_ADDRESS + i / 2] |= (uint16_t)(s->card.nic.mac[i] << i % 2 * 8);
    }
    s->bcr[0] = s->bcr[1] = 5;
    s->bcr[2] = 2;
    s->bcr[PCNET_BCR_LINK] = LINK_SHOWN;
    s->bcr[PCNET_BCR_BUS] = 0x9001;
    s->bcr[19] = 0x0002;
    s->bcr[22] = 0xff06;
    s->tx_at = s->rx_at = 0;
    write_style(s, 0);
    reset_registers(s);
}

/* The level of the interrupt line is the function's state. */
static void loaded(PciDevice *dev)
{
}

static const StateField pcnet_fields[] = {
    STATE_STRUCT(Pcnet, parent, &pci_device_state),
    STATE_UINT_MAX(Pcnet, rap, PCNET_CSRS - 1),
    STATE_UINTS(Pcnet, csr),
    STATE_UINTS(Pcnet, bcr),
    STATE_UINT_MAX(Pcnet, tx_at, 65535),
    STATE_UINT_MAX(Pcnet, rx_at, 65535),
    {},
};
static const StateTable pcnet_state = { .name = TYPE_PCNET, .version = 1, .fields = pcnet_fields };

/* ---- the type ---- */

static const PciRegister pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1022 },
    { PCI_DEVICE_ID, 2, 0x2000 },
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
          PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0x0280, 0, PCI_STATUS_ERRORS },
    { PCI_REVISION_ID, 1, 0x10 },
    { PCI_CLASS_DEVICE, 2, 0x0200 }, /* Ethernet */
    { PCI_LATENCY_TIMER, 1, 0, 0xff },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
    { 0x3e, 1, 0x06 }, /* how often and how long it wants the bus */
    { 0x3f, 1, 0xff },
};

static void pcnet_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), pci_registers, G_N_ELEMENTS(pci_registers));
}

static const PciFunctionClass pcnet_class = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "network",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &pcnet_state },
    .rom = "efi-pcnet.rom",
    .realize = realize,
    .unrealize = unrealize,
    .reset = reset,
    .loaded = loaded,
};

static const Property pcnet_properties[] = { NIC_CARD_PROPERTIES(Pcnet, card), { 0 } };

static const ObjectType pcnet_type = {
    .name = TYPE_PCNET,
    .parent = TYPE_PCI_DEVICE,
    .description = "AMD card PCnet-PCI II",
    .instance_size = sizeof(Pcnet),
    .properties = pcnet_properties,
    .ops = &pcnet_class,
    .init = pcnet_init,
};
OBJECT_TYPE_REGISTER(pcnet_type)
