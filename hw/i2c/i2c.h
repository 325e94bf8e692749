/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An I2C bus with one master, byte by byte (I2C-bus specification, UM10204, chapter 3), and the
 * base of what answers on it. SMBus is this bus with rules for what the bytes are; its host
 * controllers are hw/i2c/smbus-host.h. Machine lock for everything.
 */
#ifndef HW_I2C_I2C_H
#define HW_I2C_I2C_H

#include "hw/core/bus.h"

#define TYPE_I2C_BUS   "i2c-bus"
#define TYPE_I2C_SLAVE "i2c-slave"

#define I2C_ADDRESS_MAX 0x7f

/* A device with an address: a type with this parent, and ops that begin with an I2cSlaveClass. */
typedef struct I2cSlave {
    Device parent;
    /* configuration */
    uint8_t address; /* property "address", 7 bits */
} I2cSlave;
OBJECT_CAST_DEFINE(I2cSlave, I2C_SLAVE, TYPE_I2C_SLAVE)

typedef struct I2cSlaveClass {
    DeviceClass device;
    /* After its address; false: it does not answer. May be NULL: it always does. */
    bool (*start)(I2cSlave *slave, bool read);
    /* A byte from the master; false: it is not acknowledged. */
    bool (*send)(I2cSlave *slave, uint8_t byte);
    uint8_t (*receive)(I2cSlave *slave);
} I2cSlaveClass;

/* What I2cSlaveClass.device of every type begins with. */
#define I2C_SLAVE_CLASS .bus = TYPE_I2C_BUS, .category = "misc"

typedef struct I2cBus {
    Bus parent;
    /* state: the transfer that is under way; who is addressed is found again by the address */
    bool active;
    uint8_t address;
    /* wiring */
    I2cSlave *slave; /* that is addressed; borrowed; NULL: none */
} I2cBus;
OBJECT_CAST_DEFINE(I2cBus, I2C_BUS, TYPE_I2C_BUS)

/* For the state of the master. */
extern const StateTable i2c_bus_state;

/* A bus that belongs to @owner and lives as long as it, by the name "i2c", or "i2c.N" where that is
 * taken. Borrowed. NULL with an error if there can be none. */
I2cBus *i2c_bus_new(Object *owner, GError **errp);

/* A (repeated) start condition and the @address, 7 bits, for reading or writing; false: nobody
 * answers. */
bool i2c_start(I2cBus *bus, uint8_t address, bool read);
/* After a start; false: the byte is not acknowledged. */
bool i2c_send(I2cBus *bus, uint8_t byte);
/* After a start for reading; all ones where nobody drives the line. */
uint8_t i2c_receive(I2cBus *bus);
/* Nothing happens without a start. */
void i2c_stop(I2cBus *bus);

#endif
