/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i2c/smbus-eeprom.h"

#include <string.h>

typedef struct SmbusEeprom {
    I2cSlave parent;
    /* state */
    uint8_t data[SMBUS_EEPROM_SIZE];
    uint8_t offset;
    bool addressed; /* the next byte that comes is the offset */
} SmbusEeprom;
OBJECT_CAST_DEFINE(SmbusEeprom, SMBUS_EEPROM, TYPE_SMBUS_EEPROM)

static bool eeprom_start(I2cSlave *slave, bool read)
{
    SMBUS_EEPROM(slave)->addressed = !read;
    return true;
}

static bool eeprom_send(I2cSlave *slave, uint8_t byte)
{
    SmbusEeprom *eeprom = SMBUS_EEPROM(slave);

    if (eeprom->addressed) {
        eeprom->offset = byte;
        eeprom->addressed = false;
    } else {
        eeprom->data[eeprom->offset++] = byte;
    }
    return true;
}

static uint8_t eeprom_receive(I2cSlave *slave)
{
    SmbusEeprom *eeprom = SMBUS_EEPROM(slave);

    return eeprom->data[eeprom->offset++];
}

static void eeprom_reset(Device *dev)
{
    SmbusEeprom *eeprom = SMBUS_EEPROM(dev);

    eeprom->offset = 0;
    eeprom->addressed = false;
}

static const StateField eeprom_fields[] = {
    STATE_UINTS(SmbusEeprom, data),
    STATE_UINT(SmbusEeprom, offset),
    STATE_BOOL(SmbusEeprom, addressed),
    {},
};
static const StateTable eeprom_state = { .name = TYPE_SMBUS_EEPROM,
                                         .version = 1,
                                         .fields = eeprom_fields };

static const I2cSlaveClass eeprom_ops = {
    .device = { I2C_SLAVE_CLASS, .reset = eeprom_reset, .state = &eeprom_state },
    .start = eeprom_start,
    .send = eeprom_send,
    .receive = eeprom_receive,
};

static const ObjectType eeprom_type = {
    .name = TYPE_SMBUS_EEPROM,
    .parent = TYPE_I2C_SLAVE,
    .description = "EEPROM that tells of a memory module",
    .instance_size = sizeof(SmbusEeprom),
    .ops = &eeprom_ops,
};
OBJECT_TYPE_REGISTER(eeprom_type)

void smbus_eeprom_create(I2cBus *bus, uint8_t address, const uint8_t *data, size_t size)
{
    Device *dev = device_new_onboard(TYPE_SMBUS_EEPROM);
    g_autoptr(GError) err = NULL;

    dev->bus = &bus->parent;
    I2C_SLAVE(dev)->address = address;
    memcpy(SMBUS_EEPROM(dev)->data, data, size);
    if (!device_realize(dev, &err)) {
        g_error("on-board device: %s", err->message);
    }
}
