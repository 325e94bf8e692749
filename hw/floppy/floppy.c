/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/medium.h"
#include "hw/floppy/fdc.h"
#include "hw/core/boot-order.h"
#include "hw/core/runstate.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "util/units.h"

const char *const floppy_type_names[] = { "144", "288", "120", "none", "auto", NULL };

enum { RATE_500, RATE_300, RATE_250, RATE_1000 };

/* By size: the first of a size is the usual one. */
static const FloppyFormat formats[] = {
    { FLOPPY_144, 18, 80, 2, RATE_500 },  { FLOPPY_144, 20, 80, 2, RATE_500 },
    { FLOPPY_144, 21, 80, 2, RATE_500 },  { FLOPPY_144, 21, 82, 2, RATE_500 },
    { FLOPPY_144, 21, 83, 2, RATE_500 },  { FLOPPY_144, 22, 80, 2, RATE_500 },
    { FLOPPY_144, 23, 80, 2, RATE_500 },  { FLOPPY_144, 24, 80, 2, RATE_500 },
    { FLOPPY_288, 36, 80, 2, RATE_1000 }, { FLOPPY_288, 39, 80, 2, RATE_1000 },
    { FLOPPY_288, 40, 80, 2, RATE_1000 }, { FLOPPY_288, 44, 80, 2, RATE_1000 },
    { FLOPPY_288, 48, 80, 2, RATE_1000 }, { FLOPPY_144, 9, 80, 2, RATE_250 },
    { FLOPPY_144, 10, 80, 2, RATE_250 },  { FLOPPY_144, 10, 82, 2, RATE_250 },
    { FLOPPY_144, 10, 83, 2, RATE_250 },  { FLOPPY_144, 13, 80, 2, RATE_250 },
    { FLOPPY_144, 14, 80, 2, RATE_250 },  { FLOPPY_120, 15, 80, 2, RATE_500 },
    { FLOPPY_120, 18, 80, 2, RATE_500 },  { FLOPPY_120, 18, 82, 2, RATE_500 },
    { FLOPPY_120, 18, 83, 2, RATE_500 },  { FLOPPY_120, 20, 80, 2, RATE_500 },
    { FLOPPY_120, 9, 80, 2, RATE_300 },   { FLOPPY_120, 9, 40, 2, RATE_300 },
    { FLOPPY_120, 9, 40, 1, RATE_300 },   { FLOPPY_120, 10, 41, 2, RATE_300 },
    { FLOPPY_120, 10, 42, 2, RATE_300 },  { FLOPPY_120, 8, 40, 2, RATE_300 },
    { FLOPPY_120, 8, 40, 1, RATE_300 },   { FLOPPY_144, 9, 80, 1, RATE_250 },
};

static uint64_t format_size(const FloppyFormat *format)
{
    return (uint64_t)format->sectors * format->cylinders * format->heads * FLOPPY_SECTOR;
}

/* Drives for more take disks with less. */
static bool fits(FloppyType type, const FloppyFormat *format)
{
    return type == format->type || type == FLOPPY_AUTO ||
           (type == FLOPPY_288 && format->type == FLOPPY_144);
}

static const FloppyFormat *format_exact(FloppyType type, uint64_t size)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (fits(type, &formats[i]) && format_size(&formats[i]) == size) {
            return &formats[i];
        }
    }
    return NULL;
}

/* The smallest with @size bytes, or else the largest. */
static const FloppyFormat *format_near(FloppyType type, uint64_t size)
{
    const FloppyFormat *best = NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        const FloppyFormat *f = &formats[i];
        uint64_t now = best ? format_size(best) : 0;

        if (fits(type, f) &&
            (now < size ? format_size(f) > now : format_size(f) >= size && format_size(f) < now)) {
            best = f;
        }
    }
    return best;
}

static void look(Floppy *floppy)
{
    uint64_t size = block_backend_size(floppy->conf.backend);

    floppy->format = NULL;
    if (!floppy->conf.backend->empty && size && floppy->type != FLOPPY_NONE) {
        floppy->format = format_exact(floppy->type, size);
        floppy->format = floppy->format ? floppy->format : format_near(floppy->type, size);
    }
}

/* ---- for the controller ---- */

void floppy_seek(Floppy *floppy, unsigned cylinder)
{
    enum { LAST = 84 };
    uint8_t to = (uint8_t)MIN(cylinder, LAST);

    if (to != floppy->cylinder && !floppy->conf.backend->empty) {
        floppy->changed = false;
    }
    floppy->cylinder = to;
}

bool floppy_can_write(const Floppy *floppy)
{
    return floppy->conf.backend->writable && !floppy->conf.backend->empty;
}

bool floppy_place(const Floppy *floppy, unsigned head, unsigned sector, uint64_t *offset)
{
    const FloppyFormat *f = floppy->format;

    if (!f || head >= f->heads || sector < 1 || sector > f->sectors ||
        floppy->cylinder >= f->cylinders) {
        return false;
    }
    *offset =
        (((uint64_t)floppy->cylinder * f->heads + head) * f->sectors + sector - 1) * FLOPPY_SECTOR;
    return *offset + FLOPPY_SECTOR <= block_backend_size(floppy->conf.backend);
}

/* ---- the disk ---- */

static bool is_locked(void *opaque)
{
    return false;
}

/* What is written is not for the next one, which may be smaller, too. */
static void disk_leaves(void *opaque)
{
    Floppy *floppy = opaque;

    fdc_data_disk_leaves(floppy->fdc, floppy->unit);
}

static void disk_changed(void *opaque)
{
    Floppy *floppy = opaque;

    floppy->changed = true;
    look(floppy);
}

static void resized(void *opaque)
{
    look(opaque);
}

static const BlockTrayOps tray_ops = {
    .is_locked = is_locked, .changed = disk_changed, .leaves = disk_leaves, .writes = true
};
static const BlockBackendOps backend_ops = { .resized = resized, .tray = &tray_ops };

/* ---- life ---- */

static void floppy_reset(Device *dev)
{
    Floppy *floppy = FLOPPY(dev);

    floppy->cylinder = 0;
    floppy->changed = true;
}

/* A drive for what is in it; else as the controller says. */
static FloppyType choose_type(const Floppy *floppy)
{
    const FloppyFormat *f;
    int type = floppy->drive_type;

    type = type == FLOPPY_AUTO ? floppy->fdc->types[floppy->unit] : type;
    if (type != FLOPPY_AUTO) {
        return (FloppyType)type;
    }
    f = format_exact(FLOPPY_AUTO, block_backend_size(floppy->conf.backend));
    return f ? f->type : (FloppyType)floppy->fdc->fallback;
}

static bool check_conf(const Floppy *floppy, GError **errp)
{
    const BlockBackend *backend = floppy->conf.backend;

    if (floppy->conf.logical != FLOPPY_SECTOR || floppy->conf.physical != FLOPPY_SECTOR) {
        error_set(errp, "logical_block_size and physical_block_size of a floppy disk are %u",
                  FLOPPY_SECTOR);
    } else if (backend->on_read_error != BLOCKDEV_ON_ERROR_REPORT ||
               (backend->on_write_error != BLOCKDEV_ON_ERROR_REPORT &&
                backend->on_write_error != BLOCKDEV_ON_ERROR_ENOSPC)) {
        error_set(errp, "rerror and werror: errors of a floppy disk are reported to the guest");
    } else {
        return true;
    }
    return false;
}

static void machine_stops(void *opaque)
{
    block_drain(FLOPPY(opaque)->conf.backend);
}

static bool floppy_realize(Device *dev, GError **errp)
{
    Floppy *floppy = FLOPPY(dev);
    g_autofree char *below = g_strdup_printf("/floppy@%x", floppy->unit);
    int32_t index;

    floppy->fdc = ISA_FDC(OBJECT(dev->bus)->parent);
    if (!block_conf_realize(&floppy->conf, dev, FLOPPY_SECTOR, 0, !floppy->conf.drive, loop_main(),
                            &backend_ops, floppy, errp)) {
        return false;
    }
    index = floppy->conf.boot_index < 0 ? floppy->fdc->boot_index[floppy->unit]
                                        : floppy->conf.boot_index;
    if (!check_conf(floppy, errp) ||
        !boot_order_add(dev, index, &floppy->fdc->parent, "fdc", below, errp)) {
        block_conf_unrealize(&floppy->conf);
        return false;
    }
    floppy->conf.backend->on_write_error = BLOCKDEV_ON_ERROR_REPORT;
    floppy->type = choose_type(floppy);
    look(floppy);
    runstate_add_stop(machine_stops, floppy);
    return true;
}

static void floppy_unrealize(Device *dev)
{
    Floppy *floppy = FLOPPY(dev);

    runstate_remove_stop(machine_stops, floppy);
    boot_order_remove(dev);
    fdc_data_cancel(floppy->fdc);
    block_conf_unrealize(&floppy->conf);
}

static void floppy_init(Object *obj)
{
    FLOPPY(obj)->unit = PROP_UNSET;
}

static const StateField floppy_fields[] = {
    STATE_UINT(Floppy, cylinder),
    STATE_BOOL(Floppy, changed),
    {},
};
static const StateTable floppy_state = { .name = TYPE_FLOPPY,
                                         .version = 1,
                                         .fields = floppy_fields };

static const Property floppy_properties[] = {
    { .name = "bus",
      .kind = PROP_STRING,
      .offset = offsetof(Floppy, parent.bus_name),
      .description = "name of the bus: floppy-bus.0, or ID.0 of a controller" },
    { .name = "unit",
      .kind = PROP_UINT32,
      .offset = offsetof(Floppy, unit),
      .description = "0 is drive A, 1 is drive B (the first free one if not set)" },
    { .name = "drive-type",
      .kind = PROP_ENUM,
      .offset = offsetof(Floppy, drive_type),
      .has_default = true,
      .default_int = FLOPPY_AUTO,
      .enum_names = floppy_type_names,
      .custom_type = "FdcDriveType",
      .description = "144, 288 or 120: KiB of the largest disk, by tens; auto: for its disk" },
    BLOCK_CONF_PROPERTIES(offsetof(Floppy, conf)),
    { 0 },
};

static const DeviceClass floppy_class = {
    .category = "storage",
    .flags = DEVICE_USER_CREATABLE,
    .bus = TYPE_FLOPPY_BUS,
    .realize = floppy_realize,
    .unrealize = floppy_unrealize,
    .reset = floppy_reset,
    .state = &floppy_state,
};

static const ObjectType floppy_type = {
    .name = TYPE_FLOPPY,
    .parent = TYPE_DEVICE,
    .description = "Floppy drive",
    .instance_size = sizeof(Floppy),
    .properties = floppy_properties,
    .ops = &floppy_class,
    .init = floppy_init,
};
OBJECT_TYPE_REGISTER(floppy_type)

/* ---- the bus ---- */

static bool bus_attach_drive(Bus *parent, Device *dev, GError **errp)
{
    FloppyBus *bus = FLOPPY_BUS(parent);
    Floppy *floppy = FLOPPY(dev);
    unsigned unit = floppy->unit;

    for (unsigned i = 0; unit == PROP_UNSET && i < FDC_DRIVES; i++) {
        unit = bus->drives[i] ? unit : i;
    }
    if (unit >= FDC_DRIVES) {
        error_set(errp, "a floppy controller has two drives, unit=0 and unit=1%s",
                  unit == PROP_UNSET ? ", and both are there" : "");
        return false;
    }
    if (bus->drives[unit]) {
        error_set(errp, "unit=%u of bus '%s' is taken", unit, OBJECT(bus)->name);
        return false;
    }
    bus->drives[unit] = floppy;
    floppy->unit = unit;
    return true;
}

static void bus_detach_drive(Bus *parent, Device *dev)
{
    FLOPPY_BUS(parent)->drives[FLOPPY(dev)->unit] = NULL;
}

static bool bus_is_full(const Bus *bus)
{
    return bus->children->len == FDC_DRIVES;
}

static int bus_compare(const Device *a, const Device *b)
{
    return (int)FLOPPY(a)->unit - (int)FLOPPY(b)->unit;
}

static const BusClass bus_class_table = {
    .attach = bus_attach_drive,
    .detach = bus_detach_drive,
    .is_full = bus_is_full,
    .compare = bus_compare,
};

static const ObjectType bus_type = {
    .name = TYPE_FLOPPY_BUS,
    .parent = TYPE_BUS,
    .description = "floppy drives",
    .instance_size = sizeof(FloppyBus),
    .ops = &bus_class_table,
};
OBJECT_TYPE_REGISTER(bus_type)
