/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i2c/spd.h"

#include <string.h>

#include "hw/i2c/smbus-eeprom.h"
#include "util/bytes.h"
#include "util/units.h"

#define RANK_MIN   (128 * MIB)
#define RANK_MAX   (16 * GIB)
#define RANKS_MAX  8
#define MODULE_MAX (RANKS_MAX * RANK_MAX)

/* Bytes of the data. */
enum {
    ROWS = 3,
    RANKS = 5,
    BANKS = 17,
    DENSITY = 31,
    CHECKSUM = 63,
    PART_NUMBER = 73,
    SERIAL_NUMBER = 95,
};

enum { COLUMNS = 10 };

/* What is the same for all: the times are those of DDR2-800 5-5-5. */
static const uint8_t ddr2[SPD_SIZE] = {
    [0] = SPD_SIZE, [1] = 8,  /* 128 bytes of 2^8 are used */
    [2] = 8,                  /* DDR2 */
    [4] = COLUMNS,  [6] = 64, /* data lines */
    [8] = 5,                  /* SSTL 1.8 V */
    [9] = 0x25,               /* cycle 2.5 ns with the highest CAS latency */
    [10] = 0x40,              /* and access 0.40 ns */
    [12] = 0x82,              /* refresh every 7.8 us, self refresh */
    [13] = 8,                 /* data lines of a chip */
    [16] = 0x0c,              /* bursts of 4 and 8 */
    [18] = 0x70,              /* CAS latencies 4, 5, 6 */
    [19] = 1,                 /* thinner than 4.10 mm */
    [20] = 2,                 /* unbuffered */
    [22] = 0x03,              /* weak driver, 50 ohm termination */
    [23] = 0x30,    [24] = 0x45, [25] = 0x3d, [26] = 0x50, /* with the next lower latencies */
    [27] = 0x32,    [28] = 0x1e, [29] = 0x32, [30] = 0x2d, /* tRP, tRRD, tRCD, tRAS */
    [32] = 0x17,    [33] = 0x25, [34] = 0x05, [35] = 0x12, /* set-up and hold */
    [36] = 0x3c,    [37] = 0x1e, [38] = 0x1e,              /* tWR, tWTR, tRTP */
    [41] = 0x39,    [42] = 0x7f, [43] = 0x80, [44] = 0x14, [45] = 0x1e, /* tRC, tRFC, tCK, skews */
    [62] = 0x13,                                                        /* revision of the data */
};

static unsigned log2_of(uint64_t size)
{
    return g_bit_storage(size) - 1;
}

/* The data of an unbuffered DDR2-800 module of @size bytes, a power of two from 128 MiB to 128 GiB,
 * in ranks of 16 GiB at most; its serial number is @serial. */
static void make_ddr2(uint8_t data[SPD_SIZE], uint64_t size, uint32_t serial)
{
    static const char part[] = "DIMMABLE          "; /* 18 characters */
    uint64_t rank = MIN(size, RANK_MAX);
    /* A chip has 4 banks up to 512 Mbit, and 8 of these make a rank. */
    unsigned bank_bits = rank <= 512 * MIB ? 2 : 3;
    unsigned unit = log2_of(rank / RANK_MIN); /* 0: 128 MiB */

    memcpy(data, ddr2, SPD_SIZE);
    data[ROWS] = (uint8_t)(log2_of(rank) - COLUMNS - bank_bits - log2_of(64 / 8));
    data[RANKS] = (uint8_t)(size / rank - 1);
    data[BANKS] = (uint8_t)(1 << bank_bits);
    /* Bits 5 to 7 are 128 to 512 MiB, bits 0 to 4 are 1 to 16 GiB. */
    data[DENSITY] = (uint8_t)(1 << (unit + 5) % 8);
    memcpy(data + PART_NUMBER, part, sizeof(part) - 1);
    bytes_put_be(data + SERIAL_NUMBER, serial, 4);
    for (unsigned i = 0; i < CHECKSUM; i++) {
        data[CHECKSUM] += data[i];
    }
}

void spd_create(I2cBus *bus, uint64_t size)
{
    for (unsigned i = 0; i < SPD_MODULES && size >= RANK_MIN; i++) {
        uint64_t module = MIN(UINT64_C(1) << log2_of(size), MODULE_MAX);
        uint8_t data[SPD_SIZE];

        make_ddr2(data, module, i + 1);
        smbus_eeprom_create(bus, (uint8_t)(SPD_ADDRESS + i), data, SPD_SIZE);
        size -= module;
    }
}
