/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What IDENTIFY DEVICE tells of a disk: ATA8-ACS, section 7.16. */
#include <string.h>

#include "hw/ide/ata-disk.h"

enum { WORDS = 256, SIGNATURE = 0xa5, VALID = 0x4000 };

typedef struct IdentifyWord {
    uint8_t word;
    uint16_t value;
} IdentifyWord;

/* What is the same of every disk. */
static const IdentifyWord fixed[] = {
    { 0, 0x0040 },  /* a disk that stays */
    { 48, 0x0001 }, /* 32 bits at a time through the data register */
    { 49, 0x0f00 }, /* standby timers, IORDY, LBA, DMA */
    { 50, VALID },
    { 51, 0x0200 }, /* timing of old PIO and DMA modes */
    { 52, 0x0200 },
    { 53, 0x0007 }, /* words 54 to 58, 64 to 70 and 88 are valid */
    { 64, 0x0003 }, /* PIO 3 and 4 */
    { 65, 120 },    /* ns of a cycle of multiword DMA, of PIO */
    { 66, 120 },
    { 67, 120 },
    { 68, 120 },
    { 80, 0x01f0 },         /* ATA-4 to ATA8-ACS */
    { 81, 0x0028 },         /* ATA8-ACS, version 6 */
    { 82, 0x4061 },         /* NOP, look-ahead, write cache, SMART */
    { 83, VALID | 0x3400 }, /* FLUSH CACHE EXT, FLUSH CACHE, 48 bits */
    { 87, VALID | 0x0060 }, /* FUA, logs */
    { 105, ATA_TRIM_BLOCKS },
    { 169, 0x0001 }, /* TRIM */
};

void ata_identify_text(uint8_t *data, const char *text, unsigned size)
{
    size_t len = strlen(text);

    for (unsigned i = 0; i < size; i++) {
        data[i ^ 1] = i < len ? (uint8_t)text[i] : ' ';
    }
}

static void set_sectors(uint16_t *words, uint64_t sectors)
{
    uint32_t few = (uint32_t)MIN(sectors, 0xfffffff);

    words[60] = (uint16_t)few;
    words[61] = (uint16_t)(few >> 16);
    for (unsigned i = 0; i < 4; i++) {
        words[100 + i] = (uint16_t)(sectors >> 16 * i);
    }
}

static void set_geometry(const AtaDevice *dev, uint16_t *words)
{
    uint32_t sectors = (uint32_t)dev->now_cyls * dev->now_heads * dev->now_secs;

    words[1] = (uint16_t)dev->own_cyls;
    words[3] = (uint16_t)dev->own_heads;
    words[6] = (uint16_t)dev->own_secs;
    words[54] = dev->now_cyls;
    words[55] = dev->now_heads;
    words[56] = dev->now_secs;
    words[57] = (uint16_t)sectors;
    words[58] = (uint16_t)(sectors >> 16);
}

/* Modes, in the low byte those there are, in the high byte the one that is set. */
static void set_modes(const AtaDevice *dev, uint16_t *words)
{
    unsigned mode = 1u << (dev->transfer_mode & 7) << 8;
    unsigned kind = dev->transfer_mode & ~7u;

    words[63] = 0x07 | (kind == ATA_MODE_MULTIWORD ? mode : 0);
    words[88] = 0x3f | (kind == ATA_MODE_ULTRA ? mode : 0);
}

static void set_features(const AtaDevice *dev, uint16_t *words)
{
    bool serial = dev->port->serial;

    words[84] = words[87] | (dev->wwn ? 0x0100 : 0);
    words[85] = 0x4000 | (dev->look_ahead ? 0x40 : 0) | (dev->write_cache ? 0x20 : 0) | dev->smart;
    words[86] = words[83] & 0x3fff;
    words[87] = words[84];
    if (serial) {
        words[75] = ATA_TAGS - 1;
        words[76] = 0x0106;  /* NCQ; 1.5 and 3 Gbit/s */
        words[222] = 0x1020; /* SATA 2.6 */
    } else {
        words[93] = VALID | 0x2001 | (dev->unit ? 0x0b00 : 0x000a); /* of the reset; 80 wires */
    }
    for (unsigned i = 0; dev->wwn && i < 4; i++) {
        words[108 + i] = (uint16_t)(dev->wwn >> 16 * (3 - i));
    }
}

/* What a CD drive has instead (section 7.17). */
static const IdentifyWord fixed_packet[] = {
    { 0, 0x85c0 },  /* a CD drive, removable, that takes packets of 12 bytes within 50 us */
    { 49, 0x0f00 }, /* as above, and so what follows */
    { 50, VALID },  { 53, 0x0006 }, /* words 64 to 70 and 88 are valid */
    { 64, 0x0003 }, { 65, 120 },    { 66, 120 },    { 67, 120 },
    { 68, 120 },    { 80, 0x01f0 }, { 81, 0x0028 }, { 82, 0x0210 }, /* DEVICE RESET, PACKET */
    { 83, VALID },  { 84, VALID },  { 85, 0x0210 }, { 87, VALID },
};

/* @words as the host reads them, with texts and a sum. */
static void set_data(const AtaDevice *dev, uint16_t *words, uint8_t *data)
{
    uint8_t sum = SIGNATURE;

    words[255] = SIGNATURE;
    for (unsigned i = 0; i < WORDS; i++) {
        words[i] = GUINT16_TO_LE(words[i]);
    }
    memcpy(data, words, WORDS * sizeof(words[0]));
    ata_identify_text(data + 2 * 10, dev->conf.serial, 20);
    ata_identify_text(data + 2 * 23, dev->version, 8);
    ata_identify_text(data + 2 * 27, dev->model, 40);
    for (unsigned i = 0; i < ATA_SECTOR - 2; i++) {
        sum += data[i];
    }
    data[ATA_SECTOR - 1] = (uint8_t)-sum;
}

void ata_identify_packet(const AtaDevice *dev, uint8_t *data)
{
    uint16_t words[WORDS] = { 0 };

    for (unsigned i = 0; i < G_N_ELEMENTS(fixed_packet); i++) {
        words[fixed_packet[i].word] = fixed_packet[i].value;
    }
    set_modes(dev, words);
    if (dev->port->serial) {
        words[76] = 0x0006;  /* 1.5 and 3 Gbit/s */
        words[222] = 0x1020; /* SATA 2.6 */
    } else {
        words[93] = VALID | 0x2001 | (dev->unit ? 0x0b00 : 0x000a);
    }
    set_data(dev, words, data);
}

void ata_identify(const AtaDevice *dev, uint8_t *data)
{
    uint16_t words[WORDS] = { 0 };
    unsigned exponent = (unsigned)__builtin_ctzll(dev->conf.physical / ATA_SECTOR);

    for (unsigned i = 0; i < G_N_ELEMENTS(fixed); i++) {
        words[fixed[i].word] = fixed[i].value;
    }
    set_sectors(words, dev->sectors);
    set_geometry(dev, words);
    set_modes(dev, words);
    set_features(dev, words);
    words[47] = 0x8000 | ATA_MAX_MULTIPLE;
    words[59] = dev->multiple ? 0x0100 | dev->multiple : 0;
    words[106] = exponent ? VALID | 0x2000 | exponent : VALID;
    words[209] = VALID;
    words[217] = dev->rotation_rate;
    set_data(dev, words, data);
}
