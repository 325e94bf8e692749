/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, interrupts and life. */
#include "hw/net/vmxnet3.h"

#include <string.h>

#include "hw/core/runstate.h"
#include "hw/pci/pci-cap.h"
#include "hw/pci/pci-msix.h"
#include "util/error.h"

enum {
    BAR_FAST = 0, /* rings and masks */
    BAR_SLOW = 1, /* all else */
    BAR_MSIX = 2,
    BAR_SIZE = 0x1000,
    REVISION = 1, /* of the interface, as a bit */
    LINK_UP = 1,
    LINK_SPEED = 10000, /* Mbit/s */
    GROUP = 0x200,      /* bytes of registers that are alike, */
    STEP = 8,           /* each so many from the other */
};

/* Groups of the first BAR. */
enum { FAST_MASK = 0x000, FAST_TX = 0x600, FAST_RX = 0x800, FAST_RX_BODY = 0xa00 };

/* Registers of the second BAR. */
enum {
    SLOW_REVISIONS = 0x00,
    SLOW_UPT = 0x08,
    SLOW_SHARED_LOW = 0x10,
    SLOW_SHARED_HIGH = 0x18,
    SLOW_COMMAND = 0x20,
    SLOW_MAC_LOW = 0x28,
    SLOW_MAC_HIGH = 0x30,
    SLOW_CAUSE = 0x38,
    SLOW_EVENTS = 0x40,
};

bool vmxnet3_runs(const Vmxnet3 *s)
{
    return s->active && runstate_is_running() && pci_can_dma(&s->parent);
}

void vmxnet3_count(Vmxnet3Queue *q, const uint8_t *packet, uint64_t size)
{
    unsigned kind = nic_card_is_broadcast(packet) ? VMXNET3_COUNT_BROADCAST
                    : packet[0] & 1               ? VMXNET3_COUNT_MULTICAST
                                                  : VMXNET3_COUNT_UNICAST;

    q->counters[kind]++;
    q->counters[kind + 1] += size;
}

void vmxnet3_done(Vmxnet3 *s, Vmxnet3Ring *ring, uint32_t entry[4])
{
    uint64_t at = vmxnet3_place(ring);

    entry[3] |= (uint32_t)ring->turn << 31;
    dma_write_ram(&s->parent.dma, at, entry, 3 * sizeof(entry[0]));
    dma_write_ram(&s->parent.dma, at + 3 * sizeof(entry[0]), &entry[3], sizeof(entry[3]));
    vmxnet3_advance(ring);
}

/* ---- interrupts ---- */

static void update_interrupts(Vmxnet3 *s)
{
    for (unsigned i = 0; i < VMXNET3_VECTORS; i++) {
        if (!s->pending[i] || s->masked[i]) {
            continue;
        }
        s->pending[i] = false;
        s->masked[i] = s->auto_mask;
        if (pci_msix_enabled(&s->parent)) {
            pci_msix_notify(&s->parent, i);
        } else if (pci_msi_enabled(&s->parent)) {
            pci_msi_notify(&s->parent, 0); /* there is one message for all */
        } else {
            pci_set_irq(&s->parent, 1);
        }
    }
}

void vmxnet3_interrupt(Vmxnet3 *s, unsigned vector)
{
    s->pending[vector] = true;
    update_interrupts(s);
}

static void deactivate(Vmxnet3 *s)
{
    s->active = s->link_untold = false;
    memset(s->pending, 0, sizeof(s->pending));
    memset(s->masked, 1, sizeof(s->masked));
    pci_set_irq(&s->parent, 0);
}

/* The driver has taken it, and is told anew of what comes. */
static uint32_t take_cause(Vmxnet3 *s)
{
    bool raised = s->parent.irq_raised;

    pci_set_irq(&s->parent, 0);
    update_interrupts(s);
    return raised;
}

static void write_mask(Vmxnet3 *s, unsigned vector, uint32_t value)
{
    if (vector < VMXNET3_VECTORS) {
        s->masked[vector] = value & 1;
        update_interrupts(s);
        if (!(value & 1)) { /* who does so has looked at the rings */
            net_client_ready(&s->card.nic.client);
        }
    }
}

/* ---- commands ---- */

static void reset_card(Vmxnet3 *s)
{
    deactivate(s);
    memset(s->tx, 0, sizeof(s->tx));
    memset(s->rx, 0, sizeof(s->rx));
    memset(s->vlans, 0, sizeof(s->vlans));
    memset(&s->rss, 0, sizeof(s->rss));
    s->tx_count = s->rx_count = s->event_vector = 0;
    s->features = s->mtu = s->rx_mode = s->group_count = 0;
    s->auto_mask = false;
    s->answer = 0;
    net_client_purge(&s->card.nic.client);
}

static void activate(Vmxnet3 *s)
{
    deactivate(s);
    s->active = runstate_is_running() && pci_can_dma(&s->parent) && vmxnet3_activate(s);
    s->answer = !s->active;
    if (s->active) {
        nic_filter_changed(&s->card.nic);
        net_client_ready(&s->card.nic.client);
    }
}

void vmxnet3_tell_link(Vmxnet3 *s)
{
    if (s->link_untold && vmxnet3_runs(s)) {
        s->link_untold = false;
        vmxnet3_events(s, VMXNET3_EVENT_LINK, 0);
        vmxnet3_interrupt(s, s->event_vector);
    }
}

/* Memory changes only while the machine runs. */
static void link_changed(NetClient *nc)
{
    Vmxnet3 *s = nc->opaque;

    s->link_untold = s->active;
    vmxnet3_tell_link(s);
}

static void stop(Vmxnet3 *s)
{
    deactivate(s);
    net_client_purge(&s->card.nic.client);
}

/* By number; those that are missing do nothing. */
static void (*const set_commands[])(Vmxnet3 *s) = {
    activate,
    stop,
    reset_card,
    vmxnet3_update_mode,
    vmxnet3_update_groups,
    vmxnet3_update_vlans,
    vmxnet3_update_rss,
    NULL,
    NULL,
    vmxnet3_update_features,
};
enum { FIRST_UPDATE = 3 };

static void do_set(Vmxnet3 *s, uint32_t n)
{
    s->answer = 0;
    if (n < G_N_ELEMENTS(set_commands) && set_commands[n] &&
        (n < FIRST_UPDATE || (s->active && pci_can_dma(&s->parent)))) {
        set_commands[n](s);
    }
}

static uint32_t mac_low(const uint8_t mac[NET_MAC_SIZE])
{
    return mac[0] | (uint32_t)mac[1] << 8 | (uint32_t)mac[2] << 16 | (uint32_t)mac[3] << 24;
}

static uint32_t mac_high(const uint8_t mac[NET_MAC_SIZE])
{
    return mac[4] | (uint32_t)mac[5] << 8;
}

/* What the commands of the second kind ask for. */
enum {
    GET_STATUS,
    GET_STATS,
    GET_LINK,
    GET_MAC_LOW,
    GET_MAC_HIGH,
    GET_DEVICE_LOW,
    GET_DEVICE_HIGH,
    GET_EXTRA,
    GET_INTERRUPTS, /* 0: what there is of MSI-X, MSI and INTx, with masks that set themselves */
};

static uint32_t do_get(Vmxnet3 *s, uint32_t n)
{
    switch (n) {
    case GET_STATS:
        if (s->active && pci_can_dma(&s->parent)) {
            vmxnet3_write_stats(s);
        }
        return 0;
    case GET_LINK:
        return net_link_is_up(&s->card.nic.client) ? LINK_SPEED << 16 | LINK_UP : 0;
    case GET_MAC_LOW:
        return mac_low(s->card.nic.mac);
    case GET_MAC_HIGH:
        return mac_high(s->card.nic.mac);
    case GET_DEVICE_LOW:
        return pci_get_long(&s->parent, PCI_VENDOR_ID);
    default:
        return 0;
    }
}

static void command(Vmxnet3 *s, uint32_t value)
{
    if (value >> 16 == 0xcafe) {
        do_set(s, value & 0xffff);
    } else if (value >> 16 == 0xf00d) {
        s->answer = do_get(s, value & 0xffff);
    }
}

/* ---- registers ---- */

static uint64_t fast_read(void *opaque, hwaddr addr, unsigned size)
{
    const Vmxnet3 *s = opaque;

    return addr < VMXNET3_VECTORS * STEP && addr % STEP == 0 ? s->masked[addr / STEP] : 0;
}

static void fast_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Vmxnet3 *s = opaque;
    unsigned n = (unsigned)addr % GROUP / STEP;

    if (addr % STEP != 0 || addr >= FAST_RX_BODY + GROUP) {
        return;
    }
    switch (addr / GROUP * GROUP) {
    case FAST_MASK:
        write_mask(s, n, (uint32_t)value);
        break;
    case FAST_TX:
        nic_card_transmit(&s->card);
        break;
    case FAST_RX:
    case FAST_RX_BODY:
        vmxnet3_buffers(s, n);
        break;
    default:
        break;
    }
}

static uint64_t slow_read(void *opaque, hwaddr addr, unsigned size)
{
    Vmxnet3 *s = opaque;

    switch (addr) {
    case SLOW_REVISIONS:
    case SLOW_UPT:
        return REVISION;
    case SLOW_SHARED_LOW:
        return (uint32_t)s->shared;
    case SLOW_SHARED_HIGH:
        return s->shared >> 32;
    case SLOW_COMMAND:
        return s->answer;
    case SLOW_MAC_LOW:
        return mac_low(s->mac);
    case SLOW_MAC_HIGH:
        return mac_high(s->mac);
    case SLOW_CAUSE:
        return take_cause(s);
    default:
        return 0;
    }
}

static void slow_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Vmxnet3 *s = opaque;
    uint32_t word = (uint32_t)value;

    switch (addr) {
    case SLOW_SHARED_LOW:
        s->shared = (s->shared & ~(uint64_t)UINT32_MAX) | word;
        break;
    case SLOW_SHARED_HIGH:
        s->shared = (uint64_t)word << 32 | (uint32_t)s->shared;
        break;
    case SLOW_COMMAND:
        command(s, word);
        break;
    case SLOW_MAC_LOW:
        for (unsigned i = 0; i < 4; i++) {
            s->mac[i] = (uint8_t)(word >> 8 * i);
        }
        break;
    case SLOW_MAC_HIGH:
        s->mac[4] = (uint8_t)word;
        s->mac[5] = (uint8_t)(word >> 8);
        nic_filter_changed(&s->card.nic);
        break;
    case SLOW_EVENTS:
        if (s->active && pci_can_dma(&s->parent)) {
            vmxnet3_events(s, 0, word);
        }
        break;
    default:
        break;
    }
}

static const MemoryRegionOps fast_ops = { fast_read, fast_write, 4, 4 };
static const MemoryRegionOps slow_ops = { slow_read, slow_write, 4, 4 };

/* ---- life ---- */

static void can_send_again(NetClient *nc)
{
    Vmxnet3 *s = nc->opaque;

    nic_card_transmit_later(&s->card);
}

static char *describe(NetClient *nc)
{
    const Vmxnet3 *s = nc->opaque;
    g_autofree char *mac = net_mac_text(s->mac);

    return g_strdup_printf("model=vmxnet3,macaddr=%s", mac);
}

static void announce(Nic *nic)
{
    const Vmxnet3 *s = nic->client.opaque;

    nic_send_rarp(nic, s->mac);
}

static const NicOps nic_ops = {
    .client = { .receive = vmxnet3_receive,
                .can_send_again = can_send_again,
                .link_changed = link_changed,
                .describe = describe },
    .query_filter = vmxnet3_query_filter,
    .announce = announce,
};

static bool realize(PciDevice *dev, GError **errp)
{
    Vmxnet3 *s = VMXNET3(dev);
    const PciBus *bus = pci_bus_of(dev);

    if (!nic_card_realize(&s->card, &dev->parent, &nic_ops, vmxnet3_transmit, s, errp)) {
        return false;
    }
    memory_region_init_io(&s->fast, &fast_ops, s, "vmxnet3-rings", BAR_SIZE);
    memory_region_init_io(&s->slow, &slow_ops, s, "vmxnet3-registers", BAR_SIZE);
    pci_add_bar(dev, BAR_FAST, 0, &s->fast);
    pci_add_bar(dev, BAR_SLOW, 0, &s->slow);
    pci_add_msi(dev, 1);
    pci_add_msix(dev, VMXNET3_VECTORS, BAR_MSIX);
    if (pci_bus_is_express(bus) && !s->disable_pcie) {
        pci_add_express(dev, bus->bridge ? PCIE_ENDPOINT : PCIE_INTEGRATED_ENDPOINT, 0);
    }
    return true;
}

static void unrealize(PciDevice *dev)
{
    Vmxnet3 *s = VMXNET3(dev);

    s->active = false; /* that the link goes is told to nobody */
    nic_card_unrealize(&s->card, &dev->parent);
    memory_region_destroy(&s->fast);
    memory_region_destroy(&s->slow);
}

static void reset(PciDevice *dev)
{
    Vmxnet3 *s = VMXNET3(dev);

    reset_card(s);
    s->shared = 0;
    memcpy(s->mac, s->card.nic.mac, NET_MAC_SIZE);
}

/* The level of the interrupt line is the function's state. */
static void loaded(PciDevice *dev)
{
}

/* ---- state ---- */

static bool ring_loaded(void *obj, GError **errp)
{
    Vmxnet3Ring *ring = obj;

    if (ring->next && ring->next >= ring->size) {
        error_set(errp, "entry %u of a ring of %u", ring->next, ring->size);
        return false;
    }
    return true;
}

static const StateField ring_fields[] = {
    STATE_UINT(Vmxnet3Ring, base),
    STATE_UINT_MAX(Vmxnet3Ring, size, VMXNET3_DONE_MAX),
    STATE_UINT_MAX(Vmxnet3Ring, next, VMXNET3_DONE_MAX - 1),
    STATE_BOOL(Vmxnet3Ring, turn),
    {},
};
static const StateTable ring_state = {
    .name = "vmxnet3-ring", .version = 1, .fields = ring_fields, .post_load = ring_loaded
};

static const StateField queue_fields[] = {
    STATE_STRUCTS(Vmxnet3Queue, work, &ring_state),
    STATE_STRUCT(Vmxnet3Queue, done, &ring_state),
    STATE_UINT_MAX(Vmxnet3Queue, vector, VMXNET3_VECTORS - 1),
    STATE_UINTS(Vmxnet3Queue, counters),
    STATE_UINT(Vmxnet3Queue, shared),
    STATE_BOOL(Vmxnet3Queue, asked_ready),
    {},
};
static const StateTable queue_state = { .name = "vmxnet3-queue",
                                        .version = 1,
                                        .fields = queue_fields };

static const StateField rss_fields[] = {
    STATE_UINT_MAX(Vmxnet3Rss, types, 15),
    STATE_UINT_MAX(Vmxnet3Rss, table_size, VMXNET3_RSS_TABLE),
    STATE_UINTS(Vmxnet3Rss, key),
    STATE_UINTS(Vmxnet3Rss, table),
    {},
};
static const StateTable rss_state = { .name = "vmxnet3-rss", .version = 1, .fields = rss_fields };

/* An active card has queues, with rings. */
static bool card_loaded(void *obj, GError **errp)
{
    const Vmxnet3 *s = obj;
    bool right = !s->active || (s->tx_count && s->rx_count);

    for (unsigned i = 0; right && s->active && i < VMXNET3_QUEUES; i++) {
        right = (i >= s->tx_count || (s->tx[i].work[0].size && s->tx[i].done.size)) &&
                (i >= s->rx_count || (s->rx[i].work[0].size && s->rx[i].done.size));
    }
    if (!right || (s->rss.types && !s->rss.table_size)) {
        error_set(errp, "a card that works without %s",
                  right ? "a table to spread packets" : "rings");
        return false;
    }
    return true;
}

static const StateField vmxnet3_fields[] = {
    STATE_STRUCT(Vmxnet3, parent, &pci_device_state),
    STATE_UINT(Vmxnet3, shared),
    STATE_UINT(Vmxnet3, answer),
    STATE_UINTS(Vmxnet3, mac),
    STATE_BOOL(Vmxnet3, active),
    STATE_UINT(Vmxnet3, features),
    STATE_UINT(Vmxnet3, mtu),
    STATE_UINT_MAX(Vmxnet3, tx_count, VMXNET3_QUEUES),
    STATE_UINT_MAX(Vmxnet3, rx_count, VMXNET3_QUEUES),
    STATE_STRUCTS(Vmxnet3, tx, &queue_state),
    STATE_STRUCTS(Vmxnet3, rx, &queue_state),
    STATE_BOOL(Vmxnet3, auto_mask),
    STATE_UINT_MAX(Vmxnet3, event_vector, VMXNET3_VECTORS - 1),
    STATE_BOOL(Vmxnet3, link_untold),
    STATE_BOOLS(Vmxnet3, pending),
    STATE_BOOLS(Vmxnet3, masked),
    STATE_UINT(Vmxnet3, rx_mode),
    STATE_UINT_MAX(Vmxnet3, group_count, VMXNET3_GROUPS + 1),
    STATE_UINTS(Vmxnet3, groups),
    STATE_UINTS(Vmxnet3, vlans),
    STATE_STRUCT(Vmxnet3, rss, &rss_state),
    {},
};
static const StateTable vmxnet3_state = {
    .name = TYPE_VMXNET3, .version = 1, .fields = vmxnet3_fields, .post_load = card_loaded
};

/* ---- the type ---- */

static const PciRegister pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x15ad },
    { PCI_DEVICE_ID, 2, 0x07b0 },
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
          PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_REVISION_ID, 1, 1 },
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_CLASS_DEVICE, 2, 0x0200 }, /* Ethernet */
    { PCI_SUBSYSTEM_VENDOR_ID, 2, 0x15ad },
    { PCI_SUBSYSTEM_ID, 2, 0x07b0 },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static void vmxnet3_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), pci_registers, G_N_ELEMENTS(pci_registers));
}

static const PciFunctionClass vmxnet3_class = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "network",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &vmxnet3_state },
    .rom = "efi-vmxnet3.rom",
    .realize = realize,
    .unrealize = unrealize,
    .reset = reset,
    .loaded = loaded,
};

static const Property vmxnet3_properties[] = {
    NIC_CARD_PROPERTIES(Vmxnet3, card),
    { .name = "x-disable-pcie",
      .kind = PROP_BOOL,
      .offset = offsetof(Vmxnet3, disable_pcie),
      .description = "a conventional function on PCI Express buses, too" },
    { 0 },
};

static const ObjectType vmxnet3_type = {
    .name = TYPE_VMXNET3,
    .parent = TYPE_PCI_DEVICE,
    .description = "VMware paravirtual card",
    .instance_size = sizeof(Vmxnet3),
    .properties = vmxnet3_properties,
    .ops = &vmxnet3_class,
    .init = vmxnet3_init,
};
OBJECT_TYPE_REGISTER(vmxnet3_type)
