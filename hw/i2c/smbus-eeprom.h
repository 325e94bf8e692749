/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * smbus-eeprom: 256 bytes as a 24C02 has them. The first byte that is written says where the
 * following are written, or read; it wraps. What the guest writes stays as long as the program
 * runs. Machine lock.
 */
#ifndef HW_I2C_SMBUS_EEPROM_H
#define HW_I2C_SMBUS_EEPROM_H

#include "hw/i2c/i2c.h"

#define TYPE_SMBUS_EEPROM "smbus-eeprom"

enum { SMBUS_EEPROM_SIZE = 256 };

/* One on @bus at @address, where nobody is, which begins with the @size bytes @data, at most
 * SMBUS_EEPROM_SIZE; the others are 0. */
void smbus_eeprom_create(I2cBus *bus, uint8_t address, const uint8_t *data, size_t size);

#endif
