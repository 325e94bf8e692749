/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The serial ROM and the PHY, by the lines of CSR9. */
#include <string.h>
#include <zlib.h>

#include "hw/net/tulip.h"

enum {
    ROM_SELECT = 1 << 0,
    ROM_CLOCK = 1 << 1,
    ROM_IN = 1 << 2,
    ROM_OUT = 1 << 3,
    ROM_CHOSEN = 1 << 11, /* it is the ROM that these lines are of */
    MII_CLOCK = 1 << 16,
    MII_OUT = 1 << 17,
    MII_IN = 1 << 19,
};

/* ---- the ROM ---- */

/* By the format 4 of DEC's specification of it: one controller, whose media are one MII. */
enum {
    ROM_SIZE = 2 * NVM_93C46_WORDS,
    ROM_SUM = ROM_SIZE - 2,
    ROM_MAC = 20,
    ROM_LEAF = 30, /* what is said of the controller */
};

static void make_rom(const Tulip *s, uint8_t rom[ROM_SIZE])
{
    static const uint8_t head[ROM_MAC] = {
        [0] = 0x3c,  0x10, 0x4f, 0x10, /* the subsystem, as in configuration space */
        [16] = 0x47, 0x08,             /* the check of what is before */
        [18] = 4,    1,                /* format, controllers */
    };
    static const uint8_t leaf[] = {
        0x00,      0x08,    /* the driver finds the medium by itself */
        1,                  /* one block: */
        0x80 | 13, 3,       /* so many bytes, of an MII */
        0,         0,    0, /* PHY by its place, nothing to be sent to it, for a reset either */
        0x00,      0x78,    /* it can all of 10 and 100 Mbit/s, */
        0xe0,      0x01,    /* says so, */
        0x00,      0x50, 0x00, 0x18, /* full duplex and thresholds by medium */
    };

    memset(rom, 0, ROM_SIZE);
    memcpy(rom, head, sizeof(head));
    memcpy(rom + ROM_MAC, s->card.nic.mac, NET_MAC_SIZE);
    rom[27] = ROM_LEAF;
    memcpy(rom + ROM_LEAF, leaf, sizeof(leaf));
    uint32_t sum = (uint32_t)crc32(0, rom, ROM_SUM);
    rom[ROM_SUM] = (uint8_t)sum;
    rom[ROM_SUM + 1] = (uint8_t)(sum >> 8);
}

static uint16_t rom_word(const void *opaque, unsigned n)
{
    uint8_t rom[ROM_SIZE];

    make_rom(opaque, rom);
    return (uint16_t)(rom[2 * n] | rom[2 * n + 1] << 8);
}

static bool step_rom(Tulip *s, uint32_t before, uint32_t value)
{
    Nvm93c46 nvm = { s->nvm_bits, s->nvm_clocks };
    bool rises = value & ROM_CLOCK && !(before & ROM_CLOCK);
    bool out = nvm_93c46_step(&nvm, value & ROM_SELECT && value & ROM_CHOSEN, rises, value & ROM_IN,
                              rom_word, s);

    s->nvm_bits = nvm.bits;
    s->nvm_clocks = nvm.clocks;
    return out;
}

/* ---- the PHY (IEEE 802.3, clause 22) ---- */

enum {
    PHY_CONTROL = 0,
    PHY_STATUS = 1,
    PHY_ADVERTISED = 4,
    CONTROL_KEPT = 0x3100, /* a reset, and a negotiation, are over at once */
    LINK_IS_UP = 0x0004,
    NEGOTIATED = 0x0020,
};

static const uint16_t phy_defaults[TULIP_PHY_REGISTERS] = {
    0x3100, 0x702c, 0x7810, 0x0000, 0x0501, 0x4181, [18] = 0x0003, [20] = 0x0001
};

static uint16_t read_phy(const Tulip *s, unsigned phy, unsigned n)
{
    if (phy != TULIP_PHY) {
        return 0;
    }
    if (n == PHY_STATUS && !net_link_is_up(&s->card.nic.client)) {
        return (uint16_t)(s->phy[n] & ~(LINK_IS_UP | NEGOTIATED));
    }
    return s->phy[n];
}

static void write_phy(Tulip *s, unsigned phy, unsigned n, uint16_t value)
{
    if (phy == TULIP_PHY && n == PHY_CONTROL) {
        s->phy[n] = value & CONTROL_KEPT;
    } else if (phy == TULIP_PHY && n == PHY_ADVERTISED) {
        s->phy[n] = value;
    }
}

/* A frame on its wire: 01, two bits of what to do, five of the PHY, five of the register; then a
 * bit to turn around, one more, and data. */
enum { HEAD = 14, TURN = 2, FRAME = HEAD + TURN + 16, READ = 2, WRITE = 1 };

/* The wire has @in at a rising edge of the clock; what the PHY puts there. */
static bool step_phy(Tulip *s, bool in)
{
    unsigned kind, phy, n, bit;

    if (s->mii_bits < HEAD) {
        bool begins = s->mii_bits == 0 ? !in : s->mii_bits > 1 || in;

        s->mii_word = begins ? s->mii_word << 1 | in : 0;
        s->mii_bits = begins ? s->mii_bits + 1 : s->mii_bits && !in;
        return false;
    }
    kind = s->mii_word >> (s->mii_bits - 4) & 3;
    phy = s->mii_word >> (s->mii_bits - 9) & 31;
    n = s->mii_word >> (s->mii_bits - 14) & 31;
    bit = s->mii_bits - HEAD; /* 0: the turn */
    s->mii_word = s->mii_word << 1 | in;
    s->mii_bits++;
    if (kind == READ) {
        bool out = bit >= 1 && bit <= 16 && read_phy(s, phy, n) >> (16 - bit) & 1;

        s->mii_bits = bit < 16 ? s->mii_bits : 0;
        return out;
    }
    if (s->mii_bits == FRAME) {
        if (kind == WRITE) {
            write_phy(s, phy, n, (uint16_t)s->mii_word);
        }
        s->mii_bits = 0;
    }
    return false;
}

/* ---- the register ---- */

void tulip_serial_write(Tulip *s, uint32_t value)
{
    uint32_t before = s->csr[TULIP_CSR_SERIAL];
    bool rom = step_rom(s, before, value), phy = before & MII_IN;

    if (value & MII_CLOCK && !(before & MII_CLOCK)) {
        phy = step_phy(s, value & MII_OUT);
    }
    value = (value & ~(uint32_t)(MII_IN | ROM_OUT)) | (phy ? MII_IN : 0);
    s->csr[TULIP_CSR_SERIAL] = value | (rom && value & ROM_CHOSEN ? ROM_OUT : 0);
}

void tulip_serial_reset(Tulip *s)
{
    s->csr[TULIP_CSR_SERIAL] = 0xfff483ff;
    s->nvm_bits = s->nvm_clocks = s->mii_word = s->mii_bits = 0;
    memcpy(s->phy, phy_defaults, sizeof(s->phy));
}
