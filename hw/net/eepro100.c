/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers, interrupts, EEPROM, PHY and life. */
#include "hw/net/eepro100.h"

#include <string.h>

#include "hw/core/runstate.h"
#include "hw/net/nvm-93c46.h"
#include "util/units.h"

enum {
    MEMORY_SIZE = 4 * KIB,
    FLASH_SIZE = 128 * KIB,
    MASK_ALL = 0x01,
    MASK_SWI = 0x02, /* interrupt at once */
    PORT_RESET = 0,
    PORT_TEST = 1,
    PORT_SELECTIVE = 2,
    MDI_READY = 1 << 28,
};

bool eepro100_runs(const Eepro100 *s)
{
    return runstate_is_running() && pci_can_dma(&s->parent);
}

uint32_t eepro100_get32(const Eepro100 *s, unsigned at)
{
    return s->reg[at] | (uint32_t)s->reg[at + 1] << 8 | (uint32_t)s->reg[at + 2] << 16 |
           (uint32_t)s->reg[at + 3] << 24;
}

static void put32(Eepro100 *s, unsigned at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        s->reg[at + i] = (uint8_t)(value >> 8 * i);
    }
}

/* ---- interrupts ---- */

/* Of the masks of single causes, those of the first chips are not there: they are 0. */
static void update_interrupt(Eepro100 *s)
{
    uint8_t mask = s->reg[EEPRO_MASK];

    pci_set_irq(&s->parent, !(mask & MASK_ALL) && s->reg[EEPRO_CAUSES] & ~(mask & 0xf0));
}

void eepro100_interrupt(Eepro100 *s, uint8_t causes)
{
    s->reg[EEPRO_CAUSES] |= causes;
    update_interrupt(s);
}

/* ---- the EEPROM, a 93C46 ---- */

enum {
    NVM_CLOCK = 0x01,
    NVM_SELECT = 0x02,
    NVM_IN = 0x04,
    NVM_OUT = 0x08,
    NVM_SUM = 0xbaba,
};

static uint16_t plain_word(const Eepro100 *s, unsigned n)
{
    const uint8_t *mac = s->card.nic.mac;

    switch (n) {
    case 0:
    case 1:
    case 2:
        return (uint16_t)(mac[2 * n] | mac[2 * n + 1] << 8);
    case 3:
        return 0x0203; /* what it works with */
    case 5:
        return 0x0201; /* a plug, and a chip that makes the 10 and 100 Mbit/s */
    case 6:
        return 0x4701; /* that is an 82555, with that address */
    case 10:
        return 0x4000; /* it wakes nobody */
    default:
        return 0;
    }
}

static uint16_t nvm_word(const void *opaque, unsigned n)
{
    const Eepro100 *s = opaque;
    unsigned sum = 0;

    for (unsigned i = 0; n == NVM_93C46_WORDS - 1 && i < n; i++) {
        sum += plain_word(s, i);
    }
    return n == NVM_93C46_WORDS - 1 ? (uint16_t)(NVM_SUM - sum) : plain_word(s, n);
}

static void write_nvm(Eepro100 *s, uint8_t value)
{
    uint8_t before = s->reg[EEPRO_EEPROM];
    Nvm93c46 nvm = { s->nvm_bits, s->nvm_clocks };
    bool rises = value & NVM_CLOCK && !(before & NVM_CLOCK);
    bool bit = nvm_93c46_step(&nvm, value & NVM_SELECT, rises, value & NVM_IN, nvm_word, s);

    s->nvm_bits = nvm.bits;
    s->nvm_clocks = nvm.clocks;
    s->reg[EEPRO_EEPROM] = (value & (uint8_t)~NVM_OUT) | (bit ? NVM_OUT : 0);
}

/* ---- the PHY, an 82555 ---- */

enum { PHY_CONTROL, PHY_STATUS, PHY_ID1, PHY_ID2, PHY_ADVERTISED, PHY_PARTNER, PHY_EXPANSION };

static uint16_t read_phy(const Eepro100 *s, unsigned n)
{
    if (n == PHY_STATUS) {
        return net_link_is_up(&s->card.nic.client) ? 0x782d : 0x7809; /* up, and negotiated */
    }
    return s->phy[n];
}

static void write_phy(Eepro100 *s, unsigned n, uint16_t value)
{
    if (n == PHY_CONTROL) {
        s->phy[n] = value & 0x3100; /* a reset, and a negotiation, are over at once */
    } else if (n == PHY_ADVERTISED || n > PHY_EXPANSION) {
        s->phy[n] = value;
    }
}

static void reset_phy(Eepro100 *s)
{
    memset(s->phy, 0, sizeof(s->phy));
    s->phy[PHY_CONTROL] = 0x3000;
    s->phy[PHY_ID1] = 0x02a8;
    s->phy[PHY_ID2] = 0x0154;
    s->phy[PHY_ADVERTISED] = 0x05e1;
    s->phy[PHY_PARTNER] = 0x45e1;
    s->phy[PHY_EXPANSION] = 0x0001;
}

static void write_mdi(Eepro100 *s)
{
    enum { TELL = 1 << 29, WRITE = 1, READ = 2 };
    uint32_t value = eepro100_get32(s, EEPRO_MDI);
    unsigned n = value >> 16 & 31, kind = value >> 26 & 3;
    bool ours = (value >> 21 & 31) == EEPRO_PHY;

    if (kind == WRITE && ours) {
        write_phy(s, n, (uint16_t)value);
    } else if (kind == READ) {
        value = (value & 0xffff0000) | (ours ? read_phy(s, n) : 0);
    }
    put32(s, EEPRO_MDI, value | MDI_READY);
    if (value & TELL) {
        eepro100_interrupt(s, EEPRO_MDI_DONE);
    }
}

/* ---- resets ---- */

/* As a reset does it: the commands have the defaults, the lists stand. */
static void set_defaults(Eepro100 *s)
{
    static const uint8_t config[EEPRO_CONFIG] = { 0x16, 0x08, 0,    0,    0,    0,   0x32, 0x03,
                                                  0x01, 0,    0x2e, 0,    0x60, 0,   0xf2, 0x48,
                                                  0,    0x40, 0xf2, 0x80, 0x3f, 0x05 };

    memset(s->reg, 0, sizeof(s->reg));
    s->reg[EEPRO_EEPROM] = NVM_OUT;
    put32(s, EEPRO_MDI, MDI_READY);
    memcpy(s->config, config, sizeof(config));
    memcpy(s->mac, s->card.nic.mac, NET_MAC_SIZE);
    memset(s->groups, 0, sizeof(s->groups));
    memset(s->counters, 0, sizeof(s->counters));
    s->cu = s->ru = EEPRO_IDLE;
    s->cu_base = s->cu_at = s->ru_base = s->ru_at = s->dump_at = 0;
    s->nvm_bits = s->nvm_clocks = 0;
    update_interrupt(s);
    net_client_purge(&s->card.nic.client);
}

static void write_port(Eepro100 *s)
{
    uint32_t value = eepro100_get32(s, EEPRO_PORT);

    switch (value & 15) {
    case PORT_RESET:
        set_defaults(s);
        break;
    case PORT_TEST:
        eepro100_self_test(s, value & ~15u);
        break;
    case PORT_SELECTIVE:
        s->cu = s->ru = EEPRO_IDLE;
        net_client_purge(&s->card.nic.client);
        break;
    default:
        break;
    }
}

/* ---- registers ---- */

static uint8_t read_byte(const Eepro100 *s, unsigned at)
{
    if (at == EEPRO_STATUS) { /* both have numbers of their own for it */
        return (uint8_t)((s->cu == EEPRO_ACTIVE ? 2 : s->cu) << 6 |
                         (s->ru == EEPRO_ACTIVE ? 4 : s->ru) << 2);
    }
    return at < EEPRO_REGISTERS ? s->reg[at] : 0;
}

static uint64_t io_read(void *opaque, hwaddr addr, unsigned size)
{
    const Eepro100 *s = opaque;
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)read_byte(s, (unsigned)addr + i) << 8 * i;
    }
    return value;
}

/* One byte of a register in which nothing but that is special. */
static void write_byte(Eepro100 *s, unsigned at, uint8_t value)
{
    if (at == EEPRO_CAUSES) {
        s->reg[at] &= (uint8_t)~value;
    } else if (at == EEPRO_MASK) {
        s->reg[at] = value & (uint8_t)~MASK_SWI;
        s->reg[EEPRO_CAUSES] |= value & MASK_SWI ? EEPRO_SWI : 0;
    } else if (at == EEPRO_EEPROM) {
        write_nvm(s, value);
    } else if (at < EEPRO_REGISTERS && at != EEPRO_STATUS && at != EEPRO_COMMAND) {
        s->reg[at] = value;
    }
}

static void io_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Eepro100 *s = opaque;
    unsigned at = (unsigned)addr;

    for (unsigned i = 0; i < size; i++) {
        write_byte(s, at + i, (uint8_t)(value >> 8 * i));
    }
    update_interrupt(s);
    if (pci_touches(at, size, EEPRO_COMMAND, 1)) {
        eepro100_command(s, (uint8_t)(value >> 8 * (EEPRO_COMMAND - at)));
    } else if (pci_touches(at, size, EEPRO_PORT + 3, 1)) {
        write_port(s);
    } else if (pci_touches(at, size, EEPRO_MDI + 3, 1)) {
        write_mdi(s);
    }
}

static uint64_t flash_read(void *opaque, hwaddr addr, unsigned size)
{
    return UINT64_MAX;
}

static void flash_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
}

static const MemoryRegionOps io_ops = { io_read, io_write, 1, 4 };
static const MemoryRegionOps flash_ops = { flash_read, flash_write, 1, 4 };

/* ---- life ---- */

static void can_send_again(NetClient *nc)
{
    Eepro100 *s = nc->opaque;

    nic_card_transmit_later(&s->card);
}

static char *describe(NetClient *nc)
{
    const Eepro100 *s = nc->opaque;
    g_autofree char *mac = net_mac_text(s->mac);

    return g_strdup_printf("model=%s,macaddr=%s", object_typename(&s->parent.parent.parent), mac);
}

static void announce(Nic *nic)
{
    const Eepro100 *s = nic->client.opaque;

    nic_send_rarp(nic, s->mac);
}

static const NicOps nic_ops = {
    .client = { .receive = eepro100_receive,
                .can_send_again = can_send_again,
                .describe = describe },
    .announce = announce,
};

bool eepro100_realize(PciDevice *dev, GError **errp)
{
    Eepro100 *s = EEPRO100(dev);

    if (!nic_card_realize(&s->card, &dev->parent, &nic_ops, eepro100_transmit, s, errp)) {
        return false;
    }
    memory_region_init_io(&s->memory, &io_ops, s, "eepro100-memory", MEMORY_SIZE);
    memory_region_init_io(&s->io, &io_ops, s, "eepro100-io", EEPRO_REGISTERS);
    memory_region_init_io(&s->flash, &flash_ops, s, "eepro100-flash", FLASH_SIZE);
    pci_add_bar(dev, 0, PCI_BAR_PREFETCH, &s->memory);
    pci_add_bar(dev, 1, PCI_BAR_IO, &s->io);
    pci_add_bar(dev, 2, 0, &s->flash);
    return true;
}

void eepro100_unrealize(PciDevice *dev)
{
    Eepro100 *s = EEPRO100(dev);

    nic_card_unrealize(&s->card, &dev->parent);
    memory_region_destroy(&s->memory);
    memory_region_destroy(&s->io);
    memory_region_destroy(&s->flash);
}

void eepro100_reset(PciDevice *dev)
{
    Eepro100 *s = EEPRO100(dev);

    set_defaults(s);
    reset_phy(s);
}

/* The level of the interrupt line is the function's state. */
void eepro100_loaded(PciDevice *dev)
{
}

static const StateField eepro100_fields[] = {
    STATE_STRUCT(Eepro100, parent, &pci_device_state),
    STATE_UINTS(Eepro100, reg),
    STATE_UINT_MAX(Eepro100, cu, EEPRO_ACTIVE),
    STATE_UINT_MAX(Eepro100, ru, EEPRO_ACTIVE),
    STATE_UINT(Eepro100, cu_base),
    STATE_UINT(Eepro100, cu_at),
    STATE_UINT(Eepro100, ru_base),
    STATE_UINT(Eepro100, ru_at),
    STATE_UINT(Eepro100, dump_at),
    STATE_UINTS(Eepro100, counters),
    STATE_UINTS(Eepro100, config),
    STATE_UINTS(Eepro100, mac),
    STATE_UINTS(Eepro100, groups),
    STATE_UINTS(Eepro100, phy),
    STATE_UINT(Eepro100, nvm_bits),
    STATE_UINT_MAX(Eepro100, nvm_clocks, NVM_93C46_CLOCKS),
    {},
};
const StateTable eepro100_state = { .name = TYPE_EEPRO100,
                                    .version = 1,
                                    .fields = eepro100_fields };
