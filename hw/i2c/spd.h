/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serial presence detect: what the EEPROM of a memory module says of it (JEDEC 21-C, 4.1.2.10:
 * DDR2 SDRAM). Machine lock.
 */
#ifndef HW_I2C_SPD_H
#define HW_I2C_SPD_H

#include <stdint.h>

#include "hw/i2c/i2c.h"

enum {
    SPD_SIZE = 128,
    SPD_MODULES = 8,    /* EEPROMs have three pins for their addresses */
    SPD_ADDRESS = 0x50, /* of the first */
};

/* EEPROMs on @bus for boot memory of @size bytes: the fewest modules that have it, the largest
 * first, as far as SPD_MODULES can. What is no multiple of 128 MiB is in none. */
void spd_create(I2cBus *bus, uint64_t size);

#endif
