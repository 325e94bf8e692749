/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/bios-data.h"

#include <string.h>

#include "hw/i386/e820.h"
#include "memory/address-space.h"

enum {
    VECTORS = 256,
    BDA = 0x400,
    BDA_SIZE = 0x100,
    BDA_SERIAL = 0x00,   /* 4 ports, 16 bits each */
    BDA_PARALLEL = 0x08, /* 3 likewise */
    BDA_EBDA = 0x0e,     /* segment of the extension */
    BDA_MEMORY = 0x13,   /* KiB of low memory, without the extension */

    EBDA_SIZE = 0, /* KiB */
    EBDA_FAIL = 0x10,
    EBDA_RETURN = 0x20,
    EBDA_END = 0x21,
};

static const uint8_t fail[] = {
    0x55,                   /* push bp */
    0x89, 0xe5,             /* mov bp, sp */
    0x80, 0x4e, 0x06, 0x01, /* or byte [bp + 6], 1: the carry flag that iret takes from the stack */
    0x5d,                   /* pop bp */
    0xcf,                   /* iret */
};

static void put16(uint8_t *p, uint16_t value)
{
    p[0] = (uint8_t)value;
    p[1] = (uint8_t)(value >> 8);
}

/* As a BIOS programs the 8259s: 0x08 and 0x70. */
static bool is_hardware(unsigned vector)
{
    return (vector >= 0x08 && vector < 0x10) || (vector >= 0x70 && vector < 0x78);
}

void bios_data_load(AddressSpace *as, const bool serial[4],
                    const uint16_t parallel[BIOS_DATA_PARALLELS])
{
    static const uint16_t ports[] = { 0x3f8, 0x2f8, 0x3e8, 0x2e8 };
    uint8_t low[BDA + BDA_SIZE] = { 0 }, extension[EBDA_END] = { 0 }, *bda = low + BDA;

    for (unsigned i = 0; i < VECTORS; i++) {
        put16(low + i * 4, is_hardware(i) ? EBDA_RETURN : EBDA_FAIL);
        put16(low + i * 4 + 2, LOW_RAM_END / 16);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(ports); i++) {
        put16(bda + BDA_SERIAL + i * 2, serial[i] ? ports[i] : 0);
    }
    for (unsigned i = 0; i < BIOS_DATA_PARALLELS; i++) {
        put16(bda + BDA_PARALLEL + i * 2, parallel[i]);
    }
    put16(bda + BDA_EBDA, LOW_RAM_END / 16);
    put16(bda + BDA_MEMORY, LOW_RAM_END / 1024);
    extension[EBDA_SIZE] = (0xa0000 - LOW_RAM_END) / 1024;
    memcpy(extension + EBDA_FAIL, fail, sizeof(fail));
    extension[EBDA_RETURN] = fail[sizeof(fail) - 1];
    address_space_write(as, 0, low, sizeof(low));
    address_space_write(as, LOW_RAM_END, extension, sizeof(extension));
}
