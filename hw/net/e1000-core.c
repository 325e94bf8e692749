/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, interrupts, and the life of a card. */
#include "hw/net/e1000-core.h"

#include <string.h>

#include "hw/core/boot-order.h"
#include "hw/core/runstate.h"
#include "memory/dma.h"
#include "util/clock.h"
#include "util/error.h"

#define ITR_UNIT_NS 256

bool e1000_dma_read(const E1000 *s, uint64_t addr, void *buf, size_t len)
{
    return dma_read_ram(&s->parent.dma, addr, buf, len);
}

bool e1000_dma_write(const E1000 *s, uint64_t addr, const void *buf, size_t len)
{
    return dma_write_ram(&s->parent.dma, addr, buf, len);
}

bool e1000_runs(const E1000 *s)
{
    return runstate_is_running() && pci_can_dma(&s->parent);
}

/* ---- interrupts ---- */

static void set_signal(E1000 *s, bool level)
{
    const E1000Class *ops = e1000_class(s);

    if (ops->signal) {
        ops->signal(s, level);
    } else {
        pci_set_irq(&s->parent, level);
    }
    s->asserted = level;
}

/* After ICR or IMS have changed, or it is time for another interrupt. */
static void update_interrupt(E1000 *s)
{
    bool wanted = *e1000_reg(s, E1000_ICR) & *e1000_reg(s, E1000_IMS);
    uint32_t interval = *e1000_reg(s, E1000_ITR) & 0xffff;

    if (!wanted || s->asserted) {
        set_signal(s, wanted);
    } else if (!timer_pending(s->itr)) {
        set_signal(s, true);
        if (s->mitigation && interval) {
            timer_mod(s->itr, clock_ns() + (int64_t)interval * ITR_UNIT_NS);
        }
    }
}

/* @causes are there, or are let through now. */
static void tell(E1000 *s, uint32_t causes)
{
    const E1000Class *ops = e1000_class(s);

    if (!ops->send || !ops->send(s, causes)) {
        update_interrupt(s);
    }
}

static void interval_over(void *opaque)
{
    tell(opaque, 0);
}

void e1000_interrupt(E1000 *s, uint32_t causes)
{
    causes &= e1000_class(s)->causes;
    *e1000_reg(s, E1000_ICR) |= causes;
    tell(s, causes);
}

/* A read takes what there is. */
static uint32_t icr_read(E1000 *s, unsigned offset)
{
    uint32_t causes = *e1000_reg(s, E1000_ICR);

    *e1000_reg(s, E1000_ICR) = 0;
    tell(s, 0);
    return causes;
}

void e1000_icr_written(E1000 *s, unsigned offset, uint32_t value)
{
    *e1000_reg(s, E1000_ICR) &= ~value;
    tell(s, 0);
}

static void ics_written(E1000 *s, unsigned offset, uint32_t value)
{
    e1000_interrupt(s, value);
}

static void ims_written(E1000 *s, unsigned offset, uint32_t value)
{
    *e1000_reg(s, E1000_IMS) |= value;
    tell(s, value);
}

static void imc_written(E1000 *s, unsigned offset, uint32_t value)
{
    *e1000_reg(s, E1000_IMS) &= ~value;
    tell(s, 0);
}

/* ---- counters ---- */

/* They stay at the top. */
void e1000_count(E1000 *s, unsigned offset, uint32_t n)
{
    uint32_t *counter = e1000_reg(s, offset);

    *counter = *counter + n < n ? UINT32_MAX : *counter + n;
}

void e1000_count64(E1000 *s, unsigned offset, uint64_t n)
{
    uint32_t *low = e1000_reg(s, offset), *high = e1000_reg(s, offset + 4);
    uint64_t sum = ((uint64_t)*high << 32 | *low) + n;

    *low = (uint32_t)sum;
    *high = (uint32_t)(sum >> 32);
}

void e1000_count_size(E1000 *s, unsigned offset, size_t size, uint32_t n)
{
    static const uint16_t most[] = { 64, 127, 255, 511, 1023 };
    unsigned i = 0;

    while (i < G_N_ELEMENTS(most) && size > most[i]) {
        i++;
    }
    e1000_count(s, offset + 4 * i, n);
}

static uint32_t counter_read(E1000 *s, unsigned offset)
{
    uint32_t value = *e1000_reg(s, offset);

    *e1000_reg(s, offset) = 0;
    return value;
}

/* ---- what registers do ---- */

static void reset_registers(E1000 *s);

static void ctrl_written(E1000 *s, unsigned offset, uint32_t value)
{
    if (value & E1000_CTRL_PHY_RST) {
        e1000_phy_reset(s);
    }
    if (value & E1000_CTRL_RST) {
        reset_registers(s);
    } else {
        *e1000_reg(s, E1000_CTRL) = value & ~E1000_CTRL_PHY_RST;
    }
}

static uint32_t ctrl_read(E1000 *s, unsigned offset)
{
    return *e1000_reg(s, E1000_CTRL);
}

/* Drivers know by TXOFF why a packet is not sent, and take the card for no broken one. */
uint32_t e1000_status_read(E1000 *s, unsigned offset)
{
    return *e1000_reg(s, E1000_STATUS) | (net_link_is_up(&s->nic.client) ? E1000_STATUS_LU : 0) |
           (net_can_send(&s->nic.client) ? 0 : E1000_STATUS_TXOFF);
}

static void tail_written(E1000 *s, unsigned offset, uint32_t value)
{
    e1000_transmit(s);
}

void e1000_rx_tail_written(E1000 *s, unsigned offset, uint32_t value)
{
    net_client_ready(&s->nic.client);
}

static void filter_written(E1000 *s, unsigned offset, uint32_t value)
{
    nic_filter_changed(&s->nic);
}

static void rctl_written(E1000 *s, unsigned offset, uint32_t value)
{
    nic_filter_changed(&s->nic);
    net_client_ready(&s->nic.client);
}

/* What every card has; those that a model has otherwise are in its own table. */
static const E1000Register common[] = {
    { E1000_CTRL, 2, 0, 0, 0x00140240, ctrl_read, ctrl_written }, /* and CTRL_DUP */
    { E1000_STATUS, 1, 0, 0, E1000_STATUS_FD | E1000_STATUS_SPEED_1000 | E1000_STATUS_ASDV_1000,
      e1000_status_read },
    { E1000_EECD, 1, 0, 0, E1000_EECD_DO, e1000_eecd_read, e1000_eecd_written },
    { E1000_EERD, 1, 0, 0, 0, NULL, e1000_eerd_written },
    { E1000_CTRL_EXT, 1, 0, UINT32_MAX },
    { E1000_MDIC, 1, 0, 0, 0, NULL, e1000_mdic_written },
    { E1000_FCAL, 1, 0, UINT32_MAX },
    { E1000_FCAH, 1, 0, 0xffff },
    { E1000_FCT, 1, 0, 0xffff },
    { E1000_VET, 1, 0, 0xffff, 0x8100 },
    { E1000_ICR, 1, 0, 0, 0, icr_read, e1000_icr_written },
    { E1000_ITR, 1, 0, 0xffff },
    { E1000_ICS, 1, 0, 0, 0, NULL, ics_written },
    { E1000_IMS, 1, 0, 0, 0, NULL, ims_written },
    { E1000_IMC, 1, 0, 0, 0, NULL, imc_written },
    { E1000_RCTL, 1, 0, UINT32_MAX, 0, NULL, rctl_written },
    { E1000_FCTTV, 1, 0, 0xffff },
    { E1000_TXCW, 1, 0, UINT32_MAX },
    { E1000_TCTL, 1, 0, UINT32_MAX, 0, NULL, tail_written },
    { E1000_TIPG, 1, 0, UINT32_MAX },
    { E1000_AIT, 1, 0, 0xffff },
    { E1000_LEDCTL, 1, 0, UINT32_MAX, 0x602 },
    { E1000_PBA, 1, 0, 0xffff, 0x100030 },
    { E1000_FCRTL, 1, 0, UINT32_MAX },
    { E1000_FCRTH, 1, 0, UINT32_MAX },
    { E1000_RDFH, 5, 8, 0x1fff },
    { E1000_RDBAL, 1, 0, 0xfffffff0 },
    { E1000_RDBAH, 1, 0, UINT32_MAX },
    { E1000_RDLEN, 1, 0, 0xfff80 },
    { E1000_RDH, 1, 0, 0xffff },
    { E1000_RDT, 1, 0, 0xffff, 0, NULL, e1000_rx_tail_written },
    { E1000_RDTR, 1, 0, 0xffff },
    { E1000_RXDCTL, 1, 0, UINT32_MAX },
    { E1000_RADV, 1, 0, 0xffff },
    { E1000_TDFH, 5, 8, 0x1fff },
    { E1000_TDBAL, 1, 0, 0xfffffff0 },
    { E1000_TDBAH, 1, 0, UINT32_MAX },
    { E1000_TDLEN, 1, 0, 0xfff80 },
    { E1000_TDH, 1, 0, 0xffff },
    { E1000_TDT, 1, 0, 0xffff, 0, NULL, tail_written },
    { E1000_TIDV, 1, 0, 0xffff },
    { E1000_TXDCTL, 1, 0, UINT32_MAX },
    { E1000_TADV, 1, 0, 0xffff },
    { E1000_STATS, (E1000_STATS_END - E1000_STATS) / 4, 0, 0, 0, counter_read },
    { E1000_RXCSUM, 1, 0, 0x3ff },
    { E1000_MTA, 128, 0, UINT32_MAX, 0, NULL, filter_written },
    { E1000_RA, 2 * E1000_ADDRESSES, 0, UINT32_MAX, 0, NULL, filter_written },
    { E1000_VFTA, 128, 0, UINT32_MAX, 0, NULL, filter_written },
    { E1000_WUC, 1, 0, UINT32_MAX },
    { E1000_WUFC, 1, 0, UINT32_MAX },
    { E1000_WUS, 1, 0, UINT32_MAX },
    { E1000_MANC, 1, 0, UINT32_MAX },
    { 0 },
};

/* ---- accesses ---- */

static unsigned stride(const E1000Register *r)
{
    return r->stride ? r->stride : 4;
}

static const E1000Register *find_in(const E1000Register *table, hwaddr offset)
{
    for (const E1000Register *r = table; r->count; r++) {
        hwaddr from = offset - r->offset;

        if (offset >= r->offset && from < (hwaddr)r->count * stride(r) && from % stride(r) == 0) {
            return r;
        }
    }
    return NULL;
}

/* NULL: nothing is there. */
static const E1000Register *find(const E1000 *s, hwaddr offset)
{
    const E1000Register *r = find_in(e1000_class(s)->registers, offset);

    return r ? r : find_in(common, offset);
}

uint64_t e1000_read(void *opaque, hwaddr addr, unsigned size)
{
    E1000 *s = opaque;
    const E1000Register *r = find(s, addr);

    return !r ? 0 : r->read ? r->read(s, (unsigned)addr) : *e1000_reg(s, (unsigned)addr);
}

void e1000_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    E1000 *s = opaque;
    const E1000Register *r = find(s, addr);

    if (r) {
        uint32_t *reg = e1000_reg(s, (unsigned)addr);

        *reg = (*reg & ~r->mask) | ((uint32_t)value & r->mask);
        if (r->written) {
            r->written(s, (unsigned)addr, (uint32_t)value);
        }
    }
}

/* Place 0 is for what is not there. */
static unsigned settle(const E1000Register *table, uint16_t *places, unsigned next)
{
    for (const E1000Register *r = table; r->count; r++) {
        for (unsigned i = 0; i < r->count; i++) {
            uint16_t *at = &places[(r->offset + i * stride(r)) / 4];

            *at = *at ? *at : (uint16_t)next++;
        }
    }
    return next;
}

static void base_init(Object *obj)
{
    E1000 *s = E1000_CARD(obj);
    unsigned next = settle(common, s->places, 1);

    g_assert(settle(e1000_class(s)->registers, s->places, next) <= E1000_STORED);
}

static void set_initial(E1000 *s, const E1000Register *table)
{
    for (const E1000Register *r = table; r->count; r++) {
        for (unsigned i = 0; r->initial && i < r->count; i++) {
            *e1000_reg(s, r->offset + i * stride(r)) = r->initial;
        }
    }
}

static void reset_registers(E1000 *s)
{
    uint32_t high = E1000_RAH_AV;

    memset(s->regs, 0, sizeof(s->regs));
    set_initial(s, common);
    set_initial(s, e1000_class(s)->registers);
    memcpy(e1000_reg(s, E1000_RA), s->nic.mac, 4);
    memcpy(&high, s->nic.mac + 4, 2);
    *e1000_reg(s, E1000_RA + 4) = high;
    memset(s->contexts, 0, sizeof(s->contexts));
    s->nvm_command = s->nvm_count = s->nvm_bit = 0;
    timer_del(s->itr);
    tell(s, 0);
    net_client_purge(&s->nic.client);
}

/* ---- life ---- */

static void link_changed(NetClient *nc)
{
    e1000_interrupt(nc->opaque, E1000_ICR_LSC);
}

static char *describe(NetClient *nc)
{
    E1000 *s = nc->opaque;
    uint8_t now[NET_MAC_SIZE];

    e1000_address(s, 0, now);
    g_autofree char *mac = net_mac_text(now);
    return g_strdup_printf("model=%s,macaddr=%s", e1000_class(s)->model, mac);
}

static void announce(Nic *nic)
{
    uint8_t mac[NET_MAC_SIZE];

    e1000_address(nic->client.opaque, 0, mac);
    nic_send_rarp(nic, mac);
}

static const NicOps nic_ops = {
    .client = { .receive = e1000_receive,
                .can_send_again = e1000_can_send_again,
                .link_changed = link_changed,
                .describe = describe },
    .query_filter = e1000_query_filter,
    .announce = announce,
};

/* What waited while the machine stood. */
static void machine_starts(void *opaque)
{
    E1000 *s = opaque;

    e1000_can_send_again(&s->nic.client);
    net_client_ready(&s->nic.client);
}

bool e1000_realize(PciDevice *dev, GError **errp)
{
    E1000 *s = E1000_CARD(dev);

    if (!boot_order_add(&dev->parent, s->boot_index, &dev->parent, "ethernet", "/ethernet-phy@0",
                        errp)) {
        return false;
    }
    s->itr = timer_new(interval_over, s);
    if (!nic_realize(&s->nic, &dev->parent, &nic_ops, s, 1, errp)) {
        g_clear_pointer(&s->itr, timer_free);
        boot_order_remove(&dev->parent);
        return false;
    }
    s->packet = g_malloc(NET_PACKET_MAX);
    runstate_add_start(machine_starts, s);
    return true;
}

void e1000_unrealize(PciDevice *dev)
{
    E1000 *s = E1000_CARD(dev);

    runstate_remove_start(machine_starts, s);
    *e1000_reg(s, E1000_IMS) = 0; /* that the link goes is told to nobody */
    boot_order_remove(&dev->parent);
    nic_unrealize(&s->nic);
    if (s->again) {
        g_source_destroy(s->again);
        g_clear_pointer(&s->again, g_source_unref);
    }
    g_clear_pointer(&s->itr, timer_free);
    g_clear_pointer(&s->packet, g_free);
}

void e1000_reset(PciDevice *dev)
{
    E1000 *s = E1000_CARD(dev);

    reset_registers(s);
    e1000_phy_reset(s);
    s->io_addr = 0;
}

void e1000_loaded(PciDevice *dev)
{
}

/* ---- state ---- */

static const StateField context_fields[] = {
    STATE_UINT(E1000Context, ip_start),  STATE_UINT(E1000Context, ip_sum),
    STATE_UINT(E1000Context, tcp_start), STATE_UINT(E1000Context, tcp_sum),
    STATE_UINT(E1000Context, ip_end),    STATE_UINT(E1000Context, tcp_end),
    STATE_UINT(E1000Context, mss),       STATE_BOOL(E1000Context, tcp),
    STATE_BOOL(E1000Context, ipv4),      {},
};
static const StateTable context_state = { .name = "e1000-context",
                                          .version = 1,
                                          .fields = context_fields };

static const StateField e1000_fields[] = {
    STATE_STRUCT(E1000, parent, &pci_device_state),
    STATE_UINTS(E1000, regs),
    STATE_UINTS(E1000, phy),
    STATE_STRUCTS(E1000, contexts, &context_state),
    STATE_TIMER(E1000, itr),
    STATE_BOOL(E1000, asserted),
    STATE_UINT(E1000, nvm_command),
    STATE_UINT(E1000, nvm_count),
    STATE_UINT(E1000, nvm_bit),
    STATE_UINT(E1000, io_addr),
    {},
};
const StateTable e1000_state = { .name = TYPE_E1000_BASE, .version = 2, .fields = e1000_fields };

/* ---- the type ---- */

static const Property e1000_properties[] = {
    NIC_PROPERTIES(E1000, nic),
    { .name = "bootindex",
      .kind = PROP_INT32,
      .offset = offsetof(E1000, boot_index),
      .has_default = true,
      .default_int = -1,
      .description = "place in the order in which firmware boots" },
    { 0 },
};

static const ObjectType e1000_base_type = {
    .name = TYPE_E1000_BASE,
    .parent = TYPE_PCI_DEVICE,
    .description = "an Intel gigabit card",
    .instance_size = sizeof(E1000),
    .abstract = true,
    .properties = e1000_properties,
    .init = base_init,
};
OBJECT_TYPE_REGISTER(e1000_base_type)
