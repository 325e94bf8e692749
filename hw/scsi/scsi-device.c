/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Devices on a SCSI bus: units with a backend, a place and properties. */
#include "block/medium.h"
#include "hw/core/boot-order.h"
#include "hw/scsi/scsi-bus.h"
#include "hw/scsi/scsi-pass.h"
#include "util/error.h"
#include "util/units.h"

/* ---- the backend's calls ---- */

static ScsiBus *bus_of(const ScsiDevice *dev)
{
    return SCSI_BUS(dev->parent.bus);
}

static void requests_begin(void *opaque)
{
    ScsiBus *bus = bus_of(opaque);

    bus->ops->enter(bus);
}

static void requests_end(void *opaque)
{
    ScsiBus *bus = bus_of(opaque);

    bus->ops->leave(bus);
}

static void resized(void *opaque)
{
    ScsiDevice *dev = opaque;
    ScsiBus *bus = bus_of(dev);
    uint64_t before = dev->unit.blocks;

    bus->ops->enter(bus);
    scsi_unit_resized(&dev->unit);
    bus->ops->leave(bus);
    if (dev->unit.blocks != before && bus->ops->resized) {
        bus->ops->resized(bus, dev);
    }
}

/* ---- the tray ---- */

/* What the unit is asked, or told, entered. */
static bool tray_is_open(void *opaque)
{
    ScsiDevice *dev = opaque;
    bool open;

    requests_begin(dev);
    open = dev->unit.tray_open;
    requests_end(dev);
    return open;
}

static bool tray_is_locked(void *opaque)
{
    ScsiDevice *dev = opaque;
    bool locked;

    requests_begin(dev);
    locked = dev->unit.prevented;
    requests_end(dev);
    return locked;
}

static void tray_move(void *opaque, bool open)
{
    ScsiDevice *dev = opaque;

    requests_begin(dev);
    scsi_unit_move_tray(&dev->unit, open, false);
    requests_end(dev);
}

static void tray_ask_eject(void *opaque)
{
    ScsiDevice *dev = opaque;

    requests_begin(dev);
    scsi_unit_ask_eject(&dev->unit);
    requests_end(dev);
}

static void tray_changed(void *opaque)
{
    ScsiDevice *dev = opaque;

    requests_begin(dev);
    scsi_unit_medium_changed(&dev->unit);
    requests_end(dev);
}

static const BlockTrayOps tray_ops = { tray_is_open, tray_is_locked, tray_move, tray_ask_eject,
                                       tray_changed };

/* LUNs as REPORT LUNS has them (SAM-5, 4.7). */
static void list_luns(const void *opaque, GByteArray *list)
{
    const ScsiDevice *dev = opaque;
    const ScsiBus *bus = bus_of(dev);

    for (unsigned i = 0; i < bus->units->len; i++) {
        const ScsiDevice *other = bus->units->pdata[i];
        uint8_t lun[8] = { 0 };

        if (other->channel == dev->channel && other->target == dev->target) {
            lun[0] = other->lun < 256 ? 0 : (uint8_t)(0x40 | other->lun >> 8);
            lun[1] = (uint8_t)other->lun;
            g_byte_array_append(list, lun, sizeof(lun));
        }
    }
}

/* ---- life ---- */

static const ScsiDeviceClass *class_of(const ScsiDevice *dev)
{
    return object_ops(&dev->parent.parent);
}

static bool start_unit(ScsiDevice *dev, GError **errp)
{
    const ScsiBus *bus = bus_of(dev);
    ScsiUnit *unit = &dev->unit;

    unit->kind = class_of(dev)->kind;
    unit->conf = &dev->conf;
    unit->luns = list_luns;
    unit->opaque = dev;
    unit->autosense = !bus->asks_sense;
    unit->drive = dev->conf.backend->name ? dev->conf.drive : "";
    unit->id = dev->parent.id ? dev->parent.id : dev->conf.backend->device;
    dev->below = g_strdup_printf("%s/channel@%x/disk@%x,%x", bus->place ? bus->place : "",
                                 dev->channel, dev->target, dev->lun);
    return scsi_unit_realize(unit, errp) &&
           boot_geometry_add(&dev->parent, &dev->conf.lchs, bus->card, bus->kind, dev->below,
                             errp) &&
           boot_order_add(&dev->parent, dev->conf.boot_index, bus->card, bus->kind, dev->below,
                          errp);
}

static bool device_realize_scsi(Device *obj, GError **errp)
{
    enum { MAX_SERIAL = 36 };
    static const BlockBackendOps ops = { resized, requests_begin, requests_end, NULL };
    static const BlockBackendOps tray = { resized, requests_begin, requests_end, &tray_ops };
    ScsiDevice *dev = SCSI_DEVICE(obj);
    const ScsiDeviceClass *class = class_of(dev);

    if (!block_conf_realize(&dev->conf, obj, class->block, MAX_SERIAL, class->read_only,
                            bus_of(dev)->loop, class->kind->has_tray ? &tray : &ops, dev, errp)) {
        return false;
    }
    if ((class->passes && !scsi_pass_check(&dev->conf, errp)) || !start_unit(dev, errp)) {
        boot_order_remove(obj);
        g_clear_pointer(&dev->below, g_free);
        block_conf_unrealize(&dev->conf);
        return false;
    }
    return true;
}

static void device_unrealize_scsi(Device *obj)
{
    ScsiDevice *dev = SCSI_DEVICE(obj);

    boot_order_remove(obj);
    g_clear_pointer(&dev->below, g_free);
    block_conf_unrealize(&dev->conf);
}

static void device_reset_scsi(Device *obj)
{
    ScsiDevice *dev = SCSI_DEVICE(obj);
    ScsiBus *bus = bus_of(dev);

    bus->ops->enter(bus);
    scsi_unit_reset(&dev->unit);
    bus->ops->leave(bus);
}

static const StateField device_fields[] = {
    STATE_STRUCT(ScsiDevice, unit, &scsi_unit_state),
    {},
};
static const StateTable device_state = { .name = "scsi-device",
                                         .version = 1,
                                         .fields = device_fields };

/* ---- types ---- */

#define SCSI_PROPERTY(NAME, KIND, member, initial, text)                        \
    {                                                                           \
        .name = (NAME), .kind = (KIND), .offset = offsetof(ScsiDevice, member), \
        .has_default = true, .default_int = (initial), .description = (text)    \
    }
#define SCSI_TEXT(NAME, member, text)                                                \
    {                                                                                \
        .name = (NAME), .kind = PROP_STRING, .offset = offsetof(ScsiDevice, member), \
        .description = (text)                                                        \
    }

static const Property device_properties[] = {
    { .name = "bus",
      .kind = PROP_STRING,
      .offset = offsetof(ScsiDevice, parent.bus_name),
      .description = "name of the bus: ID.0 of a SCSI controller" },
    SCSI_PROPERTY("channel", PROP_UINT32, channel, 0, "channel of the bus"),
    SCSI_PROPERTY("scsi-id", PROP_UINT32, target, PROP_UNSET,
                  "target on the channel; without it the first one that is free"),
    SCSI_PROPERTY("lun", PROP_UINT32, lun, PROP_UNSET,
                  "logical unit of the target; without it 0, or the first one that is free"),
    SCSI_TEXT("vendor", unit.vendor, "for the guest: up to 8 characters"),
    SCSI_TEXT("product", unit.product, "for the guest: up to 16 characters"),
    SCSI_TEXT("ver", unit.version, "for the guest: up to 4 characters"),
    SCSI_TEXT("device_id", unit.device_id, "for the guest; without it the serial number"),
    SCSI_PROPERTY("wwn", PROP_UINT64, unit.wwn, 0, "world wide name; 0: none"),
    SCSI_PROPERTY("port_wwn", PROP_UINT64, unit.port_wwn, 0, "that of its port; 0: none"),
    SCSI_PROPERTY("port_index", PROP_UINT16, unit.port_index, 0, "number of its port; 0: none"),
    SCSI_PROPERTY("max_io_size", PROP_UINT64, unit.max_io, INT32_MAX,
                  "bytes that are read or written at once"),
    BLOCK_CONF_PROPERTIES(offsetof(ScsiDevice, conf)),
    { 0 },
};

#define SCSI_DEVICE_CLASS(category_)                                                           \
    {                                                                                          \
        .category = (category_), .bus = TYPE_SCSI_BUS,                                         \
        .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .realize = device_realize_scsi,       \
        .unrealize = device_unrealize_scsi, .reset = device_reset_scsi, .state = &device_state \
    }

static const ObjectType device_type = {
    .name = TYPE_SCSI_DEVICE,
    .parent = TYPE_DEVICE,
    .description = "a unit on a SCSI bus",
    .instance_size = sizeof(ScsiDevice),
    .abstract = true,
    .properties = device_properties,
};
OBJECT_TYPE_REGISTER(device_type)

static const Property hd_properties[] = {
    SCSI_PROPERTY("removable", PROP_BOOL, unit.removable, 0, "the guest sees a removable disk"),
    SCSI_PROPERTY("dpofua", PROP_BOOL, unit.dpofua, 0,
                  "the guest may write past the write cache, one command at a time"),
    SCSI_PROPERTY("rotation_rate", PROP_UINT16, unit.rotation_rate, 0,
                  "rounds a minute; 1: none, as of an SSD; 0: not told"),
    BOOT_GEOMETRY_PROPERTIES(offsetof(ScsiDevice, conf.lchs)),
    SCSI_PROPERTY("max_unmap_size", PROP_UINT64, unit.max_unmap, GIB,
                  "bytes that are discarded at once"),
    { 0 },
};

static const ScsiDeviceClass hd_ops = {
    .device = SCSI_DEVICE_CLASS("storage"),
    .kind = &scsi_disk_kind,
    .block = BLOCK_SECTOR,
};

static const ObjectType hd_type = {
    .name = "scsi-hd",
    .parent = TYPE_SCSI_DEVICE,
    .description = "a SCSI disk",
    .properties = hd_properties,
    .ops = &hd_ops,
};
OBJECT_TYPE_REGISTER(hd_type)

static const ScsiDeviceClass block_ops = {
    .device = SCSI_DEVICE_CLASS("storage"),
    .kind = &scsi_block_kind,
    .block = BLOCK_SECTOR,
    .passes = true,
};

static const ObjectType block_type = {
    .name = "scsi-block",
    .parent = TYPE_SCSI_DEVICE,
    .description = "a SCSI disk of the host, which carries out the guest's commands",
    .ops = &block_ops,
};
OBJECT_TYPE_REGISTER(block_type)

static void cd_init(Object *obj)
{
    SCSI_DEVICE(obj)->unit.removable = true;
}

static const ScsiDeviceClass cd_ops = {
    .device = SCSI_DEVICE_CLASS("storage"),
    .kind = &scsi_cd_kind,
    .block = 2048,
    .read_only = true,
};

static const ObjectType cd_type = {
    .name = "scsi-cd",
    .parent = TYPE_SCSI_DEVICE,
    .description = "a SCSI CD drive",
    .ops = &cd_ops,
    .init = cd_init,
};
OBJECT_TYPE_REGISTER(cd_type)
