/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The EEPROM, by its wires and by EERD, and the PHY, by MDIC. */
#include <string.h>

#include "hw/net/e1000-core.h"

/* ---- the EEPROM ---- */

#define NVM_SUM       0xbaba /* of all words (section 5.6.35) */
#define NVM_BITS      (E1000_NVM_WORDS * 16)
#define COMMAND_BITS  9 /* a start bit, two of the operation, six of the address */
#define COMMAND_READ  6 /* the first three */
#define EERD_DONE     (1u << 4)
#define EERD_ADDR     8
#define LARGE_DONE    (1u << 1) /* of EERD, as the 82574L has it */
#define LARGE_ADDR    2
#define EERD_DATA     16
#define NVM_DEVICE    13 /* words */
#define NVM_SUBSYSTEM 11
#define NVM_CHECKSUM  63

uint16_t e1000_nvm_word(const E1000 *s, unsigned n)
{
    uint16_t sum = NVM_SUM;

    if (n < NET_MAC_SIZE / 2) {
        return (uint16_t)(s->nic.mac[2 * n] | s->nic.mac[2 * n + 1] << 8);
    }
    if (n == NVM_CHECKSUM) {
        for (unsigned i = 0; i < NVM_CHECKSUM; i++) {
            sum -= e1000_nvm_word(s, i);
        }
        return sum;
    }
    if (n == NVM_DEVICE || n == NVM_SUBSYSTEM) {
        return pci_get_word(&s->parent, PCI_DEVICE_ID);
    }
    return e1000_class(s)->nvm[n % E1000_NVM_WORDS];
}

uint32_t e1000_eecd_read(E1000 *s, unsigned offset)
{
    uint32_t eecd = *e1000_reg(s, E1000_EECD);

    return eecd | E1000_EECD_PRES | (eecd & E1000_EECD_REQ ? E1000_EECD_GNT : 0);
}

/* The clock rises, and the EEPROM takes or gives a bit. Before what is read comes a 0. */
static void clock_nvm(E1000 *s, uint32_t *eecd)
{
    unsigned bit = s->nvm_bit % NVM_BITS, in = *eecd & E1000_EECD_DI ? 1 : 0;

    if (s->nvm_count < COMMAND_BITS) {
        if (!s->nvm_count && !in) {
            return; /* before the start bit */
        }
        s->nvm_command = (uint16_t)(s->nvm_command << 1 | in);
        s->nvm_count++;
        s->nvm_bit = (uint16_t)(s->nvm_command % E1000_NVM_WORDS * 16);
        *eecd &= ~(uint32_t)E1000_EECD_DO;
    } else if (s->nvm_command / E1000_NVM_WORDS == COMMAND_READ) {
        *eecd &= ~(uint32_t)E1000_EECD_DO;
        *eecd |= e1000_nvm_word(s, bit / 16) >> (15 - bit % 16) & 1 ? E1000_EECD_DO : 0;
        s->nvm_bit = (uint16_t)((bit + 1) % NVM_BITS);
    }
}

void e1000_eecd_written(E1000 *s, unsigned offset, uint32_t value)
{
    uint32_t *eecd = e1000_reg(s, E1000_EECD), before = *eecd;
    const uint32_t wires = E1000_EECD_SK | E1000_EECD_CS | E1000_EECD_DI | E1000_EECD_REQ;

    *eecd = (value & wires) | (before & E1000_EECD_DO);
    if (!(value & E1000_EECD_CS)) {
        s->nvm_command = 0;
        s->nvm_count = 0;
        *eecd |= E1000_EECD_DO; /* what it was told is done */
    } else if (value & ~before & E1000_EECD_SK) {
        clock_nvm(s, eecd);
    }
}

/* Word @n is asked for; @done says that it is there. */
static void read_word(E1000 *s, uint32_t value, unsigned n, uint32_t done)
{
    if (value & E1000_EERD_START && n < E1000_NVM_WORDS) {
        value |= done | (uint32_t)e1000_nvm_word(s, n) << EERD_DATA;
    }
    *e1000_reg(s, E1000_EERD) = value & ~(uint32_t)E1000_EERD_START;
}

void e1000_eerd_written(E1000 *s, unsigned offset, uint32_t value)
{
    read_word(s, value, value >> EERD_ADDR & 0xff, EERD_DONE);
}

void e1000_eerd_large_written(E1000 *s, unsigned offset, uint32_t value)
{
    value &= 0xffff & ~LARGE_DONE;
    read_word(s, value, value >> LARGE_ADDR, LARGE_DONE);
}

/* ---- the PHY ---- */

typedef struct PhyRegister {
    bool there;
    uint16_t initial, mask;
} PhyRegister;

/* With a partner that can do the same, and a link that is settled at once. */
static const PhyRegister phy_registers[E1000_PHY_COUNT] = {
    [E1000_PHY_CTRL] = { true, 0x1140, 0x7dff },
    [E1000_PHY_STATUS] = { true, 0x7949, 0 },
    [E1000_PHY_ID1] = { true, 0x0141, 0 },
    [E1000_PHY_ID2] = { true, 0, 0 },
    [E1000_PHY_ADVERTISE] = { true, 0x0de1, 0xffff },
    [E1000_PHY_PARTNER] = { true, 0x45e1, 0 },
    [6] = { true, 0x0007, 0 }, /* auto-negotiation: pages */
    [E1000_PHY_1000T_CTRL] = { true, 0x0e00, 0xffff },
    [E1000_PHY_1000T_STATUS] = { true, 0x3c00, 0 },
    [15] = { true, 0x3000, 0 }, /* what else it can do: 1000BASE-T */
    [E1000_PHY_SPEC_CTRL] = { true, 0x0360, 0xffff },
    [E1000_PHY_SPEC_STATUS] = { true, 0xa000, 0 },
    [18] = { true, 0, 0xffff }, /* interrupts; they are wired to nothing */
    [19] = { true, 0, 0 },
    [E1000_PHY_EXT_CTRL] = { true, 0x0d60, 0xffff },
    [21] = { true, 0, 0 }, /* errors */
    [E1000_PHY_PAGE] = { true, 0, 0xff },
    [29] = { true, 0, 0xffff }, /* of pages that are not told about */
    [30] = { true, 0, 0xffff },
};

void e1000_phy_reset(E1000 *s)
{
    for (unsigned n = 0; n < E1000_PHY_COUNT; n++) {
        s->phy[n] = phy_registers[n].initial;
    }
    s->phy[E1000_PHY_ID2] = e1000_class(s)->phy_id2;
}

static uint16_t phy_read(const E1000 *s, unsigned n)
{
    bool up = net_link_is_up(&s->nic.client);
    uint16_t link = n == E1000_PHY_STATUS        ? E1000_PHY_STATUS_LINK | E1000_PHY_STATUS_DONE
                    : n == E1000_PHY_SPEC_STATUS ? E1000_PHY_SPEC_LINK
                                                 : 0;

    return s->phy[n] | (up ? link : 0);
}

static void phy_write(E1000 *s, unsigned n, uint16_t value)
{
    uint16_t mask = phy_registers[n].mask;

    if (n == E1000_PHY_CTRL && value & E1000_PHY_CTRL_RESET) {
        e1000_phy_reset(s);
    } else {
        s->phy[n] = (s->phy[n] & ~mask) | (value & mask);
    }
    if (n == E1000_PHY_CTRL && value & (E1000_PHY_CTRL_RESET | E1000_PHY_CTRL_RESTART) &&
        net_link_is_up(&s->nic.client)) {
        e1000_interrupt(s, E1000_ICR_LSC); /* it went and came again */
    }
}

void e1000_mdic_written(E1000 *s, unsigned offset, uint32_t value)
{
    unsigned n = value >> 16 & (E1000_PHY_COUNT - 1), phy = value >> 21 & 31;
    bool there = phy == E1000_MDIC_PHY && phy_registers[n].there;

    if (there && (value & E1000_MDIC_OP) == E1000_MDIC_READ) {
        value = (value & ~0xffffu) | phy_read(s, n);
    } else if (there && (value & E1000_MDIC_OP) == E1000_MDIC_WRITE) {
        phy_write(s, n, (uint16_t)value);
    }
    value &= ~(uint32_t)E1000_MDIC_ERROR;
    *e1000_reg(s, offset) = value | E1000_MDIC_READY | (there ? 0 : E1000_MDIC_ERROR);
    if (value & E1000_MDIC_INTERRUPT) {
        e1000_interrupt(s, E1000_ICR_MDAC);
    }
}
