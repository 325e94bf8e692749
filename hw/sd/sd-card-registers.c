/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The registers of SD cards. Bytes are in the order in which they are sent. */
#include <string.h>

#include "hw/sd/sd-card.h"
#include "util/bytes.h"
#include "util/units.h"

enum { COMMAND_CLASSES = 0x535 }; /* basic, read, write, erase, application, switch */
enum { SPEED_25_MHZ = 0x32, SPEED_50_MHZ = 0x5a };
enum { FUNCTION_GROUPS = 6, FUNCTION_DEFAULT = 0, FUNCTION_HIGH_SPEED = 1, FUNCTION_KEEP = 15 };

uint64_t sd_card_size(const SdCard *card)
{
    return block_backend_size(card->conf.backend);
}

/* CRC7, with the end bit (4.5). */
static uint8_t crc7(const uint8_t *data, unsigned size)
{
    uint8_t crc = 0;

    for (unsigned i = 0; i < size * 8; i++) {
        bool in = data[i / 8] >> (7 - i % 8) & 1;

        crc = (uint8_t)(crc << 1 ^ ((crc >> 6 & 1) ^ in ? 0x09 : 0)) & 0x7f;
    }
    return (uint8_t)(crc << 1 | 1);
}

void sd_card_cid(const SdCard *card, uint8_t cid[16])
{
    static const uint8_t fixed[16] = {
        [0] = 0xaa,     [1] = 'D',
        [2] = 'M',      [3] = 'D',
        [4] = 'I',      [5] = 'M',
        [6] = 'S',      [7] = 'D',
        [8] = 0x10,                                 /* revision 1.0 */
        [12] = 1,                                   /* serial number, 4 bytes from 9 on */
        [13] = 26 >> 4, [14] = (26 & 0xf) << 4 | 1, /* January 2026 */
    };

    memcpy(cid, fixed, sizeof(fixed));
    cid[15] = crc7(cid, 15);
}

/* 5.3.2: (C_SIZE + 1) << (C_SIZE_MULT + 2) blocks of READ_BL_LEN bytes. */
static void csd_standard(uint64_t size, uint8_t csd[16])
{
    enum { MULT = 7 };
    unsigned length = size > GIB ? 10 : 9, mult = MULT;
    uint32_t blocks = (uint32_t)(size >> length), c_size;

    while (mult && blocks & ((1u << (mult + 2)) - 1)) {
        mult--;
    }
    c_size = (blocks >> (mult + 2)) - 1;
    csd[0] = 0x00;
    csd[1] = 0x26; /* access 1.5 ms */
    csd[5] = (uint8_t)((COMMAND_CLASSES & 0xf) << 4 | length);
    csd[6] = (uint8_t)(0x80 | c_size >> 10); /* parts of blocks can be read */
    csd[7] = (uint8_t)(c_size >> 2);
    csd[8] = (uint8_t)(c_size << 6 | 0x36);
    csd[9] = (uint8_t)(0xd8 | mult >> 1);
    csd[10] = (uint8_t)(mult << 7 | 0x7f); /* single blocks can be erased */
    csd[11] = 0x80;
    csd[12] = (uint8_t)(2 << 2 | length >> 2);
    csd[13] = (uint8_t)(length << 6);
}

/* 5.3.3: (C_SIZE + 1) * 512 KiB. */
static void csd_high(uint64_t size, uint8_t csd[16])
{
    uint32_t c_size = (uint32_t)(size / (512 * KIB)) - 1;

    csd[0] = 0x40;
    csd[1] = 0x0e;
    csd[5] = (COMMAND_CLASSES & 0xf) << 4 | 9;
    csd[7] = (uint8_t)(c_size >> 16);
    csd[8] = (uint8_t)(c_size >> 8);
    csd[9] = (uint8_t)c_size;
    csd[10] = 0x7f;
    csd[11] = 0x80;
    csd[12] = 0x0a;
    csd[13] = 0x40;
}

void sd_card_csd(const SdCard *card, uint8_t csd[16])
{
    enum { TMP_WRITE_PROTECT = 1 << 4 };
    uint64_t size = sd_card_size(card);

    memset(csd, 0, 16);
    if (size > 2 * GIB) {
        csd_high(size, csd);
    } else {
        csd_standard(size, csd);
    }
    csd[3] = card->high_speed ? SPEED_50_MHZ : SPEED_25_MHZ;
    csd[4] = COMMAND_CLASSES >> 4;
    csd[14] = sd_card_can_write(card) ? 0 : TMP_WRITE_PROTECT;
    csd[15] = crc7(csd, 15);
}

static void reply(SdCard *card, unsigned size)
{
    memset(card->reply, 0, sizeof(card->reply));
    card->reply_size = (uint8_t)size;
    card->reply_at = 0;
}

void sd_card_reply_scr(SdCard *card)
{
    enum { WIDTHS_1_4 = 5, SECURITY_SHIFT = 4 };
    bool large = sd_card_size(card) > 2 * GIB;

    reply(card, 8);
    card->reply[0] = card->spec == 1 ? 1 : 2;
    card->reply[1] = (uint8_t)((large ? 3 : 2) << SECURITY_SHIFT | WIDTHS_1_4);
    card->reply[2] = card->spec >= 3 ? 0x80 : 0;
}

void sd_card_reply_status(SdCard *card)
{
    reply(card, 64);
    card->reply[0] = card->wide ? 0x80 : 0;
    card->reply[8] = 4;     /* speed class 10 */
    card->reply[10] = 0x90; /* allocation units of 4 MiB */
}

/* What is asked of each group of functions, of which group 1 alone has another than the default. */
void sd_card_reply_switch(SdCard *card, uint32_t arg)
{
    enum { SWITCH = 1u << 31, ERROR = 15 };
    uint8_t selected[FUNCTION_GROUPS];
    bool good = true;

    for (unsigned group = 0; group < FUNCTION_GROUPS; group++) {
        unsigned wanted = arg >> 4 * group & 15;
        unsigned now = group == 0 && card->high_speed ? FUNCTION_HIGH_SPEED : FUNCTION_DEFAULT;
        unsigned last = group == 0 ? FUNCTION_HIGH_SPEED : FUNCTION_DEFAULT;

        selected[group] = (uint8_t)(wanted == FUNCTION_KEEP ? now
                                    : wanted <= last        ? wanted
                                                            : ERROR);
        good = good && selected[group] != ERROR;
    }
    if (good && arg & SWITCH) {
        card->high_speed = selected[0] == FUNCTION_HIGH_SPEED;
    }
    reply(card, 64);
    card->reply[1] = good ? 100 : 0; /* mA */
    for (unsigned group = 0; group < FUNCTION_GROUPS; group++) {
        /* From the sixth to the first: two bytes of what there is, a nibble of what is chosen. */
        unsigned from_last = FUNCTION_GROUPS - 1 - group;

        bytes_put_be(card->reply + 2 + 2 * from_last, group == 0 ? 0x8003 : 0x8001, 2);
        card->reply[14 + from_last / 2] |= (uint8_t)(selected[group] << (from_last % 2 ? 0 : 4));
    }
}
