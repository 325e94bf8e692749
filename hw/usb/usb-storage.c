/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-storage: a SCSI disk by USB's bulk-only transport. Machine lock for everything.
 */
#include "hw/core/boot-order.h"
#include "hw/usb/usb-bulk-only.h"
#include "util/error.h"
#include "util/units.h"

#define TYPE_USB_STORAGE "usb-storage"

typedef struct UsbStorage {
    UsbBulkOnly parent;
    ScsiUnit unit;
    /* configuration */
    BlockConf conf;
    bool removable;
    /* wiring */
    char *below; /* its place, for firmware */
} UsbStorage;
OBJECT_CAST_DEFINE(UsbStorage, USB_STORAGE, TYPE_USB_STORAGE)

static const UsbDescription description = {
    .vendor = 0x46f4,
    .product = 0x0001,
    .maker = "QEMU",
    .name = "QEMU USB HARDDRIVE",
    .serial = "1",
    .speeds = { [USB_SPEED_FULL] = &usb_bulk_only_full_speed,
                [USB_SPEED_HIGH] = &usb_bulk_only_high_speed },
};

static const UsbDescription *describe(const UsbDevice *dev)
{
    return &description;
}

static ScsiUnit *find_unit(UsbScsi *s, unsigned lun, bool *absent)
{
    return &USB_STORAGE(s)->unit; /* whatever the number */
}

static const UsbScsiOps scsi_ops = { .unit = find_unit, USB_BULK_ONLY_SCSI_OPS };

/* ---- life ---- */

static void resized(void *opaque)
{
    scsi_unit_resized(&USB_STORAGE(opaque)->unit);
}

static void device_reset(Device *obj)
{
    usb_device_reset(obj);
    block_drain(USB_STORAGE(obj)->conf.backend);
    scsi_unit_reset(&USB_STORAGE(obj)->unit);
}

static bool start_unit(UsbStorage *s, GError **errp)
{
    ScsiUnit *unit = &s->unit;
    g_autofree char *place = usb_port_firmware_path(USB_DEVICE(s)->port, "storage");

    unit->kind = &scsi_disk_kind;
    unit->conf = &s->conf;
    unit->removable = s->removable;
    unit->max_io = INT32_MAX;
    unit->max_unmap = GIB;
    unit->opaque = s;
    unit->drive = s->conf.backend->name ? s->conf.drive : "";
    unit->id = DEVICE(s)->id ? DEVICE(s)->id : s->conf.backend->device;
    s->below = g_strconcat(place, "/channel@0/disk@0,0", NULL);
    return scsi_unit_realize(unit, errp) &&
           boot_order_add(DEVICE(s), s->conf.boot_index, USB_DEVICE(s)->port->bus->card, "usb",
                          s->below, errp);
}

static bool storage_realize(UsbDevice *dev, GError **errp)
{
    enum { MAX_SERIAL = 36 };
    static const BlockBackendOps ops = { .resized = resized };
    UsbStorage *s = USB_STORAGE(dev);

    if (!block_conf_realize(&s->conf, &dev->parent, BLOCK_SECTOR, MAX_SERIAL, false, loop_main(),
                            &ops, s, errp)) {
        return false;
    }
    if (!start_unit(s, errp)) {
        g_clear_pointer(&s->below, g_free);
        block_conf_unrealize(&s->conf);
        return false;
    }
    g_free(dev->serial);
    dev->serial = g_strdup(s->conf.serial);
    s->parent.parent.ops = &scsi_ops;
    usb_scsi_realize(&s->parent.parent);
    return true;
}

static void storage_unrealize(UsbDevice *dev)
{
    UsbStorage *s = USB_STORAGE(dev);

    usb_scsi_unrealize(&s->parent.parent);
    usb_scsi_drop(&s->parent.parent);
    block_drain(s->conf.backend);
    boot_order_remove(&dev->parent);
    g_clear_pointer(&s->below, g_free);
    g_clear_pointer(&dev->serial, g_free);
    block_conf_unrealize(&s->conf);
}

static const StateField storage_fields[] = {
    STATE_STRUCT(UsbStorage, parent, &usb_device_state),
    STATE_STRUCT(UsbStorage, unit, &scsi_unit_state),
    STATE_UINT_MAX(UsbBulkOnly, stage, USB_BULK_ONLY_STAGES - 1),
    STATE_UINT(UsbBulkOnly, tag),
    STATE_UINT(UsbBulkOnly, left),
    STATE_BOOL(UsbScsi, to_host),
    STATE_UINT_MAX(UsbBulkOnly, status, USB_BULK_ONLY_STATUSES - 1),
    STATE_UINTS(UsbScsi, cdb),
    STATE_BOOL(UsbScsi, open),
    STATE_BOOL(UsbScsi, moving),
    STATE_UINT(UsbScsi, moved),
    STATE_UINT(UsbScsi, have),
    STATE_UINT(UsbScsi, used),
    STATE_BLOB(UsbScsi, saved),
    {},
};
static const StateTable storage_state = { .name = TYPE_USB_STORAGE,
                                          .version = 1,
                                          .fields = storage_fields,
                                          .pre_save = usb_scsi_pre_save,
                                          .post_load = usb_scsi_post_load };

static const UsbDeviceClass storage_ops = {
    .device = { .category = "storage",
                .bus = TYPE_USB_BUS,
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG,
                .realize = usb_device_realize,
                .unrealize = usb_device_unrealize,
                .reset = device_reset,
                .wake = usb_device_wake,
                .state = &storage_state },
    .describe = describe,
    .realize = storage_realize,
    .unrealize = storage_unrealize,
    USB_BULK_ONLY_CLASS,
};

static const Property storage_properties[] = {
    { .name = "removable",
      .kind = PROP_BOOL,
      .offset = offsetof(UsbStorage, removable),
      .has_default = true,
      .description = "the guest sees a removable disk" },
    BLOCK_CONF_PROPERTIES(offsetof(UsbStorage, conf)),
    { 0 },
};

static const ObjectType storage_type = {
    .name = TYPE_USB_STORAGE,
    .parent = TYPE_USB_DEVICE,
    .description = "USB disk",
    .instance_size = sizeof(UsbStorage),
    .properties = storage_properties,
    .ops = &storage_ops,
};
OBJECT_TYPE_REGISTER(storage_type)
