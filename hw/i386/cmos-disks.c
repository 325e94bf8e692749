/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/cmos-disks.h"

#include "hw/ide/ata-geometry.h"
#include "hw/ide/piix3-ide.h"

/* IBM PC AT technical reference, "Real-time clock/CMOS RAM information", and what became of it. */
enum {
    TYPES = 0x12,         /* drive C in the upper half, and D */
    TYPE_EXTENDED = 0xf,  /* the type is a byte of its own: */
    TYPE_C = 0x19,        /* and one for D behind it */
    TYPE_USER = 47,       /* described by: */
    DESCRIPTION_C = 0x1b, /* and one for D behind it */
    DESCRIPTION = 9,
    MANY_HEADS = 1 << 3, /* more than 8 */
    NO_RETRIES = 3 << 6,
    TRANSLATIONS = 0x39, /* two bits for each drive */
    DESCRIBED = 2,
};

static void describe(Mc146818 *rtc, unsigned at, const AtaDevice *disk)
{
    const uint8_t bytes[DESCRIPTION] = {
        disk ? (uint8_t)disk->own_cyls : 0,
        disk ? (uint8_t)(disk->own_cyls >> 8) : 0,
        disk ? (uint8_t)disk->own_heads : 0,
        disk ? 0xff : 0, /* no cylinder to begin with that is written otherwise */
        disk ? 0xff : 0,
        disk ? NO_RETRIES | (disk->own_heads > 8 ? MANY_HEADS : 0) : 0,
        disk ? (uint8_t)disk->own_cyls : 0, /* where it parks */
        disk ? (uint8_t)(disk->own_cyls >> 8) : 0,
        disk ? (uint8_t)disk->own_secs : 0,
    };

    for (unsigned i = 0; i < DESCRIPTION; i++) {
        mc146818_cmos_set(rtc, at + i, bytes[i]);
    }
}

void cmos_disks_set(Mc146818 *rtc)
{
    unsigned types = 0, translations = 0;

    for (unsigned i = 0; i < PIIX3_IDE_PLACES; i++) {
        const AtaDevice *disk = piix3_ide_disk(i);

        translations |= disk ? (unsigned)disk->bios_trans << i * 2 : 0;
        if (i < DESCRIBED) {
            types |= disk ? TYPE_EXTENDED << (DESCRIBED - 1 - i) * 4 : 0;
            mc146818_cmos_set(rtc, TYPE_C + i, disk ? TYPE_USER : 0);
            describe(rtc, DESCRIPTION_C + i * DESCRIPTION, disk);
        }
    }
    mc146818_cmos_set(rtc, TYPES, (uint8_t)types);
    mc146818_cmos_set(rtc, TRANSLATIONS, (uint8_t)translations);
}
