/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands of the floppy controller that move no data (82078 data sheet, chapter 8). */
#include "hw/floppy/fdc.h"

#include <string.h>

#include "util/clock.h"

enum { ST0_SEEK_END = 0x20, ST0_CHECK = 0x10, ST0_ABNORMAL = 0x40, ST0_INVALID = 0x80 };
enum { ST1_NO_MARK = 0x01 };
enum {
    ST3_FAULTLESS = 0x28, /* ready, two sides */
    ST3_TRACK_0 = 0x10,
    ST3_PROTECTED = 0x40,
};
enum { CONFIG_IMPLIED_SEEK = 0x40, CONFIG_NO_FIFO = 0x20 };
enum { MFM = 0x40, RELATIVE_UP = 0x40, LOCK = 0x80, PERPENDICULAR_WRITE = 0x80 };

typedef struct FdcCommand {
    uint8_t mask, value; /* of the first byte */
    uint8_t length;
    void (*run)(IsaFdc *s);
} FdcCommand;

static void answer(IsaFdc *s, uint8_t value)
{
    fdc_finish(s, &value, 1, false);
}

static void specify(IsaFdc *s)
{
    memcpy(s->times, s->command + 1, sizeof(s->times));
    fdc_finish(s, NULL, 0, false);
}

static void sense_drive(IsaFdc *s)
{
    const Floppy *floppy = fdc_drive(s);
    uint8_t value = ST3_FAULTLESS | (s->command[1] & 7);

    value |= floppy && !floppy->cylinder ? ST3_TRACK_0 : 0;
    value |= floppy && floppy_can_write(floppy) ? 0 : ST3_PROTECTED;
    answer(s, value);
}

static void sense_interrupt(IsaFdc *s)
{
    uint8_t result[2];
    unsigned number = 0;

    if (!s->seeks) {
        answer(s, ST0_INVALID);
        return;
    }
    while (!(s->seeks >> number & 1)) {
        number++;
    }
    s->seeks &= (uint8_t) ~(1u << number);
    result[0] = s->seek_status[number];
    result[1] = s->cylinders[number];
    fdc_lower(s);
    fdc_finish(s, result, 2, s->seeks && !s->after_reset);
}

/* A seek of the drive that the command names has ended. */
static void seek_ended(IsaFdc *s, uint8_t status)
{
    unsigned number = s->command[1] & 3;

    if (s->after_reset) { /* who seeks has heard of the reset */
        s->seeks = 0;
        s->after_reset = false;
    }
    s->seeks |= (uint8_t)(1u << number);
    s->seek_status[number] = (uint8_t)(status | ST0_SEEK_END | (s->command[1] & 7));
    fdc_finish(s, NULL, 0, true);
}

static void recalibrate(IsaFdc *s)
{
    s->command[1] &= 3;
    fdc_seek(s, s->command[1], 0);
    seek_ended(s, fdc_drive(s) ? 0 : ST0_ABNORMAL | ST0_CHECK); /* nobody says: this is track 0 */
}

static void seek(IsaFdc *s)
{
    fdc_seek(s, s->command[1] & 3, s->command[2]);
    seek_ended(s, 0);
}

static void relative_seek(IsaFdc *s)
{
    unsigned number = s->command[1] & 3;
    int by = s->command[0] & RELATIVE_UP ? s->command[2] : -(int)s->command[2];

    fdc_seek(s, number, (unsigned)CLAMP(s->cylinders[number] + by, 0, UINT8_MAX));
    seek_ended(s, 0);
}

/* The next sector that comes by. */
static void read_id(IsaFdc *s)
{
    enum { TURN_NS = 200 * 1000 * 1000 };
    const Floppy *floppy = fdc_drive(s);
    unsigned head = s->command[1] >> 2 & 1;
    uint8_t result[7] = { s->command[1] & 7 };
    const FloppyFormat *f = floppy ? floppy->format : NULL;
    uint64_t place;

    if (f && f->rate == s->rate && s->command[0] & MFM && floppy_place(floppy, head, 1, &place)) {
        result[3] = floppy->cylinder;
        result[4] = (uint8_t)head;
        result[5] = (uint8_t)(1 + clock_ns() / (TURN_NS / f->sectors) % f->sectors);
        result[6] = 2;
    } else {
        result[0] |= ST0_ABNORMAL;
        result[1] = ST1_NO_MARK;
    }
    fdc_finish(s, result, sizeof(result), true);
}

static void dump_registers(IsaFdc *s)
{
    uint8_t result[10];

    memcpy(result, s->cylinders, FDC_SELECTS);
    memcpy(result + 4, s->times, sizeof(s->times));
    result[6] = s->last;
    result[7] = (uint8_t)(s->locked << 7 | (s->perpendicular & 0x3f));
    result[8] = s->config;
    result[9] = s->precomp;
    fdc_finish(s, result, sizeof(result), false);
}

static void version(IsaFdc *s)
{
    enum { ENHANCED = 0x90 };

    answer(s, ENHANCED);
}

static void part_id(IsaFdc *s)
{
    enum { I82078_64 = 0x41 };

    answer(s, I82078_64);
}

static void perpendicular(IsaFdc *s)
{
    uint8_t value = s->command[1];

    s->perpendicular =
        value & PERPENDICULAR_WRITE ? value & 0x3f : (s->perpendicular & 0x3c) | (value & 3);
    fdc_finish(s, NULL, 0, false);
}

static void configure(IsaFdc *s)
{
    s->config = s->command[2] & 0x7f;
    s->precomp = s->command[3];
    fdc_finish(s, NULL, 0, false);
}

static void lock(IsaFdc *s)
{
    s->locked = s->command[0] & LOCK;
    answer(s, (uint8_t)(s->locked << 4));
}

/* It never sleeps: the bits are what they were told to be. */
static void power_down(IsaFdc *s)
{
    answer(s, s->command[1]);
}

static const FdcCommand commands[] = {
    { 0x9f, 0x02, 9, fdc_data_start }, /* READ TRACK */
    { 0xff, 0x03, 3, specify },        { 0xff, 0x04, 2, sense_drive },
    { 0x3f, 0x05, 9, fdc_data_start }, /* WRITE DATA */
    { 0x1f, 0x06, 9, fdc_data_start }, /* READ DATA */
    { 0xff, 0x07, 2, recalibrate },    { 0xff, 0x08, 1, sense_interrupt },
    { 0x3f, 0x09, 9, fdc_data_start },                                    /* WRITE DELETED DATA */
    { 0xbf, 0x0a, 2, read_id },        { 0x1f, 0x0c, 9, fdc_data_start }, /* READ DELETED DATA */
    { 0xbf, 0x0d, 6, fdc_data_start },                                    /* FORMAT TRACK */
    { 0xff, 0x0e, 1, dump_registers }, { 0xff, 0x0f, 3, seek },
    { 0xbf, 0x8f, 3, relative_seek },  { 0xff, 0x10, 1, version },
    { 0x1f, 0x11, 9, fdc_data_start }, /* SCAN EQUAL */
    { 0xff, 0x12, 2, perpendicular },  { 0xff, 0x13, 4, configure },
    { 0x7f, 0x14, 1, lock },           { 0x1f, 0x16, 9, fdc_data_start }, /* VERIFY */
    { 0xff, 0x17, 2, power_down },     { 0xff, 0x18, 1, part_id },
    { 0x1f, 0x19, 9, fdc_data_start }, /* SCAN LOW OR EQUAL */
    { 0x1f, 0x1d, 9, fdc_data_start }, /* SCAN HIGH OR EQUAL */
};

static const FdcCommand *find(uint8_t first)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++) {
        if ((first & commands[i].mask) == commands[i].value) {
            return &commands[i];
        }
    }
    return NULL;
}

unsigned fdc_command_length(uint8_t first)
{
    const FdcCommand *command = find(first);

    return command ? command->length : 0;
}

bool fdc_is_data_command(uint8_t first)
{
    const FdcCommand *command = find(first);

    return command && command->run == fdc_data_start;
}

void fdc_command_run(IsaFdc *s)
{
    find(s->command[0])->run(s);
}

/* Implied seeks are on, as guests of PCs of this kind find them. */
void fdc_take_defaults(IsaFdc *s)
{
    s->config = CONFIG_IMPLIED_SEEK | CONFIG_NO_FIFO;
    s->precomp = 0;
}
