/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, interrupts and life. */
#include "hw/net/tulip.h"

#include <string.h>

#include "hw/core/runstate.h"
#include "util/clock.h"

enum {
    BAR_SIZE = 128,
    CSR_STEP = 8,
    SOFTWARE_RESET = 1,
    CAUSES = 0x0001ffff, /* of CSR5, which a driver clears */
    SUMMARIES = TULIP_NIS | TULIP_AIS,
    NORMAL = TULIP_TI | TULIP_TU | TULIP_RI | 1 << 14,
    ABNORMAL = 0x2fa2 | TULIP_GTE,
    TIMER_REPEATS = 1 << 16,
    TIMER_MASK = 0xffff,
    TIMER_UNIT = 81920, /* ns */
};

bool tulip_runs(const Tulip *s)
{
    return runstate_is_running() && pci_can_dma(&s->parent);
}

/* ---- interrupts ---- */

/* What is masked is in no summary. */
static void update_interrupt(Tulip *s)
{
    uint32_t *status = &s->csr[TULIP_CSR_STATUS], masks = s->csr[TULIP_CSR_MASKS];
    uint32_t open = *status & masks;

    *status &= ~(uint32_t)SUMMARIES;
    *status |= (open & NORMAL ? TULIP_NIS : 0) | (open & ABNORMAL ? TULIP_AIS : 0);
    pci_set_irq(&s->parent, *status & masks & SUMMARIES);
}

void tulip_interrupt(Tulip *s, uint32_t causes)
{
    s->csr[TULIP_CSR_STATUS] |= causes;
    update_interrupt(s);
}

void tulip_set_process(Tulip *s, unsigned shift, uint32_t process)
{
    s->csr[TULIP_CSR_STATUS] &= ~(7u << shift);
    s->csr[TULIP_CSR_STATUS] |= process << shift;
}

/* ---- the timer ---- */

static void set_timer(Tulip *s)
{
    uint32_t count = s->csr[TULIP_CSR_TIMER] & TIMER_MASK;

    if (count) {
        timer_mod(s->timer, clock_ns() + (int64_t)count * TIMER_UNIT);
    } else {
        timer_del(s->timer);
    }
}

static void timer_expired(void *opaque)
{
    Tulip *s = opaque;

    if (s->csr[TULIP_CSR_TIMER] & TIMER_REPEATS) {
        set_timer(s);
    }
    tulip_interrupt(s, TULIP_GTE);
}

/* ---- registers ---- */

static void reset_registers(Tulip *s)
{
    static const uint32_t values[TULIP_CSRS] = { [TULIP_CSR_BUS] = 0xfe000000,
                                                 [TULIP_CSR_TX_POLL] = UINT32_MAX,
                                                 [TULIP_CSR_RX_POLL] = UINT32_MAX,
                                                 [TULIP_CSR_STATUS] = 0xf0000000,
                                                 [TULIP_CSR_MODE] = 0x32000040,
                                                 [TULIP_CSR_MASKS] = 0xf3fe0000,
                                                 [TULIP_CSR_TIMER] = 0xfffe0000,
                                                 [TULIP_CSR_SIA] = 0x00005000,
                                                 [13] = 0xffff0000,
                                                 [14] = UINT32_MAX,
                                                 [15] = 0x8ff00000 };

    memcpy(s->csr, values, sizeof(values));
    memset(s->setup, 0, sizeof(s->setup));
    s->rx_at = s->tx_at = 0;
    timer_del(s->timer);
    tulip_serial_reset(s);
    update_interrupt(s);
    net_client_purge(&s->card.nic.client);
}

/* A part of it begins, or stands from now on, which is told. */
static void switch_process(Tulip *s, unsigned shift, bool on, uint32_t begun, uint32_t stands)
{
    tulip_set_process(s, shift, on ? begun : 0);
    if (!on) {
        s->csr[TULIP_CSR_STATUS] |= stands;
    }
}

static void write_mode(Tulip *s, uint32_t value)
{
    uint32_t *mode = &s->csr[TULIP_CSR_MODE], changed = *mode ^ value;

    *mode = (value & ~(uint32_t)TULIP_FILTERS) | (*mode & TULIP_FILTERS);
    if (changed & TULIP_ST) {
        switch_process(s, TULIP_TS_SHIFT, value & TULIP_ST, TULIP_TX_RUNS, TULIP_TPS);
    }
    if (changed & TULIP_SR) {
        switch_process(s, TULIP_RS_SHIFT, value & TULIP_SR, TULIP_RX_WAITS, TULIP_RPS);
    }
    update_interrupt(s);
    if (value & TULIP_ST) {
        nic_card_transmit(&s->card);
    }
    net_client_ready(&s->card.nic.client);
}

static void poll_transmit(Tulip *s)
{
    if (s->csr[TULIP_CSR_MODE] & TULIP_ST) {
        tulip_set_process(s, TULIP_TS_SHIFT, TULIP_TX_RUNS);
        nic_card_transmit(&s->card);
    }
}

static void poll_receive(Tulip *s)
{
    if (s->csr[TULIP_CSR_MODE] & TULIP_SR) {
        tulip_set_process(s, TULIP_RS_SHIFT, TULIP_RX_WAITS);
        net_client_ready(&s->card.nic.client);
    }
}

static void write_csr(Tulip *s, unsigned n, uint32_t value)
{
    switch (n) {
    case TULIP_CSR_BUS:
        s->csr[n] = value;
        if (value & SOFTWARE_RESET) {
            reset_registers(s);
        }
        break;
    case TULIP_CSR_TX_POLL:
        poll_transmit(s);
        break;
    case TULIP_CSR_RX_POLL:
        poll_receive(s);
        break;
    case TULIP_CSR_RX_LIST:
        s->csr[n] = s->rx_at = value & ~3u;
        break;
    case TULIP_CSR_TX_LIST:
        s->csr[n] = s->tx_at = value & ~3u;
        break;
    case TULIP_CSR_STATUS:
        s->csr[n] &= ~(value & CAUSES);
        update_interrupt(s);
        break;
    case TULIP_CSR_MODE:
        write_mode(s, value);
        break;
    case TULIP_CSR_MASKS:
        s->csr[n] = value;
        update_interrupt(s);
        break;
    case TULIP_CSR_MISSED:
    case TULIP_CSR_SIA:
        break; /* read only */
    case TULIP_CSR_SERIAL:
        tulip_serial_write(s, value);
        break;
    case TULIP_CSR_TIMER:
        s->csr[n] = value;
        set_timer(s);
        break;
    default:
        s->csr[n] = value;
        break;
    }
}

static uint32_t read_csr(Tulip *s, unsigned n)
{
    uint32_t value = s->csr[n];

    if (n == TULIP_CSR_MISSED) {
        s->csr[n] = 0; /* what was counted, was told */
        value |= 0xe0000000;
    }
    return value;
}

/* Only whole registers can be accessed. */
static uint64_t csr_read(void *opaque, hwaddr addr, unsigned size)
{
    return size == 4 && addr % CSR_STEP == 0 ? read_csr(opaque, (unsigned)(addr / CSR_STEP)) : 0;
}

static void csr_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    if (size == 4 && addr % CSR_STEP == 0) {
        write_csr(opaque, (unsigned)(addr / CSR_STEP), (uint32_t)value);
    }
}

static const MemoryRegionOps csr_ops = { csr_read, csr_write, 1, 4 };

/* ---- life ---- */

static void can_send_again(NetClient *nc)
{
    Tulip *s = nc->opaque;

    nic_card_transmit_later(&s->card);
}

static char *describe(NetClient *nc)
{
    Tulip *s = nc->opaque;
    g_autofree char *mac = net_mac_text(s->card.nic.mac);

    return g_strdup_printf("model=tulip,macaddr=%s", mac);
}

static void announce(Nic *nic)
{
    nic_send_rarp(nic, nic->mac);
}

static const NicOps nic_ops = {
    .client = { .receive = tulip_receive, .can_send_again = can_send_again, .describe = describe },
    .announce = announce,
};

static bool realize(PciDevice *dev, GError **errp)
{
    Tulip *s = TULIP(dev);

    s->timer = timer_new(timer_expired, s);
    if (!nic_card_realize(&s->card, &dev->parent, &nic_ops, tulip_transmit, s, errp)) {
        g_clear_pointer(&s->timer, timer_free);
        return false;
    }
    memory_region_init_io(&s->io, &csr_ops, s, "tulip-io", BAR_SIZE);
    memory_region_init_io(&s->memory, &csr_ops, s, "tulip-mem", BAR_SIZE);
    pci_add_bar(dev, 0, PCI_BAR_IO, &s->io);
    pci_add_bar(dev, 1, 0, &s->memory);
    return true;
}

static void unrealize(PciDevice *dev)
{
    Tulip *s = TULIP(dev);

    nic_card_unrealize(&s->card, &dev->parent);
    g_clear_pointer(&s->timer, timer_free);
    memory_region_destroy(&s->io);
    memory_region_destroy(&s->memory);
}

static void reset(PciDevice *dev)
{
    reset_registers(TULIP(dev));
}

/* The level of the interrupt line is the function's state. */
static void loaded(PciDevice *dev)
{
}

static const StateField tulip_fields[] = {
    STATE_STRUCT(Tulip, parent, &pci_device_state),
    STATE_UINTS(Tulip, csr),
    STATE_UINT(Tulip, rx_at),
    STATE_UINT(Tulip, tx_at),
    STATE_UINTS(Tulip, setup),
    STATE_UINT(Tulip, nvm_bits),
    STATE_UINT_MAX(Tulip, nvm_clocks, NVM_93C46_CLOCKS),
    STATE_UINT(Tulip, mii_word),
    STATE_UINT_MAX(Tulip, mii_bits, 31),
    STATE_UINTS(Tulip, phy),
    STATE_TIMER(Tulip, timer),
    {},
};
static const StateTable tulip_state = { .name = TYPE_TULIP, .version = 1, .fields = tulip_fields };

/* ---- the type ---- */

static const PciRegister pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1011 },
    { PCI_DEVICE_ID, 2, 0x0019 },
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_SERR |
          PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_CLASS_DEVICE, 2, 0x0200 }, /* Ethernet */
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_LATENCY_TIMER, 1, 0, 0xff },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, 0x103c },
    { PCI_SUBSYSTEM_ID, 2, 0x104f },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
    { 0x40, 4, 0, 0xc000ff00 }, /* sleep, snooze, and what drivers keep there */
};

static void tulip_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), pci_registers, G_N_ELEMENTS(pci_registers));
}

static const PciFunctionClass tulip_class = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "network",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &tulip_state },
    .realize = realize,
    .unrealize = unrealize,
    .reset = reset,
    .loaded = loaded,
};

static const Property tulip_properties[] = { NIC_CARD_PROPERTIES(Tulip, card), { 0 } };

static const ObjectType tulip_type = {
    .name = TYPE_TULIP,
    .parent = TYPE_PCI_DEVICE,
    .description = "DEC card 21143 (Tulip)",
    .instance_size = sizeof(Tulip),
    .properties = tulip_properties,
    .ops = &tulip_class,
    .init = tulip_init,
};
OBJECT_TYPE_REGISTER(tulip_type)
