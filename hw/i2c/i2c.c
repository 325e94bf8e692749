/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i2c/i2c.h"

#include "util/error.h"

/* ---- transfers ---- */

static I2cSlave *slave_at(const I2cBus *bus, uint8_t address)
{
    for (unsigned i = 0; i < bus->parent.children->len; i++) {
        I2cSlave *slave = I2C_SLAVE(bus->parent.children->pdata[i]);

        if (slave->address == address) {
            return slave;
        }
    }
    return NULL;
}

static const I2cSlaveClass *slave_class(const I2cSlave *slave)
{
    return object_ops(&slave->parent.parent);
}

bool i2c_start(I2cBus *bus, uint8_t address, bool read)
{
    bus->active = true;
    bus->address = address;
    bus->slave = slave_at(bus, address);
    if (bus->slave && slave_class(bus->slave)->start &&
        !slave_class(bus->slave)->start(bus->slave, read)) {
        bus->slave = NULL;
    }
    if (!bus->slave) {
        bus->active = false;
    }
    return bus->active;
}

bool i2c_send(I2cBus *bus, uint8_t byte)
{
    return bus->slave && slave_class(bus->slave)->send(bus->slave, byte);
}

uint8_t i2c_receive(I2cBus *bus)
{
    return bus->slave ? slave_class(bus->slave)->receive(bus->slave) : UINT8_MAX;
}

void i2c_stop(I2cBus *bus)
{
    bus->active = false;
    bus->slave = NULL;
}

static bool bus_loaded(void *obj, GError **errp)
{
    I2cBus *bus = obj;

    bus->slave = bus->active ? slave_at(bus, bus->address) : NULL;
    if (bus->active && !bus->slave) {
        error_set(errp, "nobody is at address 0x%02x, which is in a transfer", bus->address);
        return false;
    }
    return true;
}

static const StateField bus_fields[] = {
    STATE_BOOL(I2cBus, active),
    STATE_UINT_MAX(I2cBus, address, I2C_ADDRESS_MAX),
    {},
};
const StateTable i2c_bus_state = {
    .name = "i2c-bus", .version = 1, .fields = bus_fields, .post_load = bus_loaded
};

/* ---- places ---- */

static bool attach(Bus *bus, Device *dev, GError **errp)
{
    const I2cSlave *slave = I2C_SLAVE(dev), *there = slave_at(I2C_BUS(bus), slave->address);

    if (slave->address > I2C_ADDRESS_MAX) {
        error_set(errp, "address=0x%02x: addresses of I2C have 7 bits: up to 0x%02x",
                  slave->address, I2C_ADDRESS_MAX);
    } else if (there) {
        g_autofree char *name = device_describe(&there->parent);

        error_set(errp, "bus '%s' has %s at address 0x%02x: choose another", bus->parent.name, name,
                  slave->address);
    } else {
        return true;
    }
    return false;
}

static void detach(Bus *bus, Device *dev)
{
    I2cBus *i2c = I2C_BUS(bus);

    if (i2c->slave == I2C_SLAVE(dev)) {
        i2c_stop(i2c);
    }
}

static int compare(const Device *a, const Device *b)
{
    return I2C_SLAVE(a)->address - I2C_SLAVE(b)->address;
}

static char *describe(const Device *dev)
{
    return g_strdup_printf("address 0x%02x", I2C_SLAVE(dev)->address);
}

/* ---- the types ---- */

I2cBus *i2c_bus_new(Object *owner, GError **errp)
{
    g_autofree char *name = g_strdup("i2c");

    for (unsigned n = 1; bus_find(TYPE_I2C_BUS, name, NULL); n++) {
        g_free(name);
        name = g_strdup_printf("i2c.%u", n);
    }
    Bus *bus = bus_new(TYPE_I2C_BUS, name, owner, errp);
    return bus ? I2C_BUS(bus) : NULL;
}

static const BusClass bus_ops = {
    .attach = attach, .detach = detach, .compare = compare, .describe = describe
};

static const ObjectType bus_type = {
    .name = TYPE_I2C_BUS,
    .parent = TYPE_BUS,
    .description = "I2C bus, or SMBus",
    .instance_size = sizeof(I2cBus),
    .ops = &bus_ops,
};
OBJECT_TYPE_REGISTER(bus_type)

static const Property slave_properties[] = {
    { .name = "address",
      .kind = PROP_UINT8,
      .offset = offsetof(I2cSlave, address),
      .has_default = true,
      .description = "address on the bus, 7 bits" },
    { 0 },
};

static const ObjectType slave_type = {
    .name = TYPE_I2C_SLAVE,
    .parent = TYPE_DEVICE,
    .description = "Device on an I2C bus",
    .instance_size = sizeof(I2cSlave),
    .abstract = true,
    .properties = slave_properties,
};
OBJECT_TYPE_REGISTER(slave_type)
