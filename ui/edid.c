/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/edid.h"

#include <glib.h>
#include <stdbool.h>
#include <string.h>

enum {
    BLOCK = 128,
    DPI = 100,
    RANGE_KHZ = 160,    /* the most lines a millisecond */
    RANGE_HZ_MAX = 125, /* and pictures a second */
    CTA_VERSION = 3,
};

/* Offsets in the base block, and of its four descriptors. */
enum {
    MANUFACTURER = 8,
    SERIAL = 12,
    WEEK = 16,
    VERSION = 18,
    INPUT = 20,
    COLOURS = 25,
    ESTABLISHED = 35,
    STANDARD = 38,
    DESCRIPTORS = 54,
    DESCRIPTOR = 18,
    EXTENSIONS = 126,
    CHECKSUM = 127,
};

/* Standard sizes: the bit of the base block that says so, or a code of two bytes; and the video
 * code of CTA-861. 0: it has none of these. */
static const struct {
    uint16_t width, height;
    uint8_t byte, bit; /* of ESTABLISHED */
    uint8_t standard;  /* aspect ratio of the code, plus 1 */
    uint8_t code;
} sizes[] = {
    { 640, 480, 0, 5, 0, 1 },    { 800, 600, 0, 0, 0, 0 },   { 1024, 768, 1, 3, 0, 0 },
    { 1280, 720, 0, 0, 4, 4 },   { 1280, 800, 0, 0, 1, 0 },  { 1280, 1024, 0, 0, 3, 0 },
    { 1440, 900, 0, 0, 1, 0 },   { 1600, 1200, 0, 0, 2, 0 }, { 1680, 1050, 0, 0, 1, 0 },
    { 1920, 1080, 0, 0, 4, 16 }, { 1920, 1200, 0, 0, 1, 0 }, { 2048, 1152, 0, 0, 4, 0 },
};

static void put16(uint8_t *p, unsigned value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

static void put_checksum(uint8_t *block)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < CHECKSUM; i++) {
        sum += block[i];
    }
    block[CHECKSUM] = (uint8_t)-sum;
}

/* Bits of one number in two bytes: the low eight at @at, those above at @above << @shift. */
static void put_split(uint8_t *p, unsigned at, unsigned above, unsigned shift, unsigned value)
{
    p[at] = (uint8_t)value;
    p[above] |= (uint8_t)(value >> 8 << shift);
}

/* A detailed timing, by our own blanking: a screen that is none has no beam that flies back. */
static void put_timing(uint8_t *p, unsigned width, unsigned height, unsigned refresh)
{
    unsigned front = width / 4, sync = width / 32 + 1, blank = width * 35 / 100 + 1;
    unsigned lines = height * 35 / 1000 + 9;
    uint64_t clock = (uint64_t)(width + blank) * (height + lines) * refresh / 10000000;

    memset(p, 0, DESCRIPTOR);
    put16(p, MIN(clock, UINT16_MAX));
    put_split(p, 2, 4, 4, width);
    put_split(p, 3, 4, 0, blank);
    put_split(p, 5, 7, 4, height);
    put_split(p, 6, 7, 0, lines);
    front = MIN(front, blank - sync);
    p[8] = (uint8_t)front;
    p[9] = (uint8_t)sync;
    p[10] = 3 << 4 | 3; /* lines: of the front porch, of the pulse */
    p[11] = (uint8_t)((front >> 8 & 3) << 6 | (sync >> 8 & 3) << 4);
    put_split(p, 12, 14, 4, width * 254 / 10 / DPI);
    put_split(p, 13, 14, 0, height * 254 / 10 / DPI);
    p[17] = 0x18; /* separate syncs */
}

static void put_text(uint8_t *p, uint8_t kind, const char *text)
{
    memset(p, 0, DESCRIPTOR);
    p[3] = kind;
    memset(p + 5, ' ', DESCRIPTOR - 5);
    memcpy(p + 5, text, strlen(text));
    p[5 + strlen(text)] = '\n';
}

static void put_range(uint8_t *p)
{
    memset(p, 0, DESCRIPTOR);
    p[3] = 0xfd;
    p[5] = 50;
    p[6] = RANGE_HZ_MAX;
    p[7] = 30;
    p[8] = RANGE_KHZ;
    p[9] = UINT8_MAX; /* 10 MHz each: any */
    p[10] = 1;        /* and no formula */
    p[11] = '\n';
    memset(p + 12, ' ', 6);
}

static bool fits(const EdidInfo *info, unsigned i)
{
    return (!info->max_width || sizes[i].width <= info->max_width) &&
           (!info->max_height || sizes[i].height <= info->max_height);
}

static void put_sizes(const EdidInfo *info, uint8_t *edid)
{
    static const uint8_t ratio[] = { 0, 1, 2, 3 }; /* 16:10, 4:3, 5:4, 16:9 */
    unsigned standard = 0;

    memset(edid + STANDARD, 1, 16); /* unused */
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        if (!fits(info, i)) {
            continue;
        }
        if (!sizes[i].standard) {
            edid[ESTABLISHED + sizes[i].byte] |= (uint8_t)(1 << sizes[i].bit);
        } else if (standard < 8) {
            edid[STANDARD + 2 * standard] = (uint8_t)(sizes[i].width / 8 - 31);
            edid[STANDARD + 2 * standard++ + 1] =
                (uint8_t)(ratio[sizes[i].standard - 1] << 6); /* 60 Hz */
        }
    }
}

/* Video codes of those that have one. */
static void put_extension(const EdidInfo *info, uint8_t *block)
{
    unsigned at = 5;

    block[0] = 2;
    block[1] = CTA_VERSION;
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        if (sizes[i].code && fits(info, i)) {
            block[at++] = sizes[i].code;
        }
    }
    block[4] = (uint8_t)(2 << 5 | (at - 5)); /* a video data block */
    block[2] = (uint8_t)at;                  /* no timings follow */
    put_checksum(block);
}

void edid_make(const EdidInfo *info, uint8_t edid[EDID_SIZE])
{
    static const uint8_t header[] = { 0, 255, 255, 255, 255, 255, 255, 0 };
    /* sRGB: gamma 2.2, the white point and the primaries (E-EDID 3.7). */
    static const uint8_t colours[] = { 0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54 };
    unsigned width = CLAMP(info->width ? info->width : EDID_WIDTH, 16, EDID_MAX);
    unsigned height = CLAMP(info->height ? info->height : EDID_HEIGHT, 16, EDID_MAX);
    unsigned refresh = CLAMP(info->refresh ? info->refresh : EDID_REFRESH * 1000u, 1000, 500000);

    memset(edid, 0, EDID_SIZE);
    memcpy(edid, header, sizeof(header));
    edid[MANUFACTURER] = ('D' - '@') << 2 | ('I' - '@') >> 3; /* "DIM", 5 bits each */
    edid[MANUFACTURER + 1] = (uint8_t)(('I' - '@') << 5 | ('M' - '@'));
    edid[MANUFACTURER + 2] = 1; /* product */
    edid[WEEK] = 1;
    edid[WEEK + 1] = 2026 - 1990;
    edid[VERSION] = 1;
    edid[VERSION + 1] = 4;
    edid[INPUT] = 0xa5; /* digital, 8 bits a colour, DisplayPort */
    edid[INPUT + 1] = (uint8_t)MIN(width * 254 / 100 / DPI, UINT8_MAX);
    edid[INPUT + 2] = (uint8_t)MIN(height * 254 / 100 / DPI, UINT8_MAX);
    edid[INPUT + 3] = 120;  /* gamma 2.2 */
    edid[INPUT + 4] = 0x06; /* sRGB; the first timing is the preferred one */
    memcpy(edid + COLOURS, colours, sizeof(colours));
    put_sizes(info, edid);
    put_timing(edid + DESCRIPTORS, width, height, refresh);
    put_range(edid + DESCRIPTORS + DESCRIPTOR);
    put_text(edid + DESCRIPTORS + 2 * DESCRIPTOR, 0xfc, "Dimmable");
    edid[DESCRIPTORS + 3 * DESCRIPTOR + 3] = 0x10; /* none */
    edid[EXTENSIONS] = 1;
    put_checksum(edid);
    put_extension(info, edid + BLOCK);
}
