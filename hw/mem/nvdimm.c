/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/mem/nvdimm.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "memory/dirty.h"
#include "util/error.h"

static HostMemoryBackend *backend_of(const Nvdimm *nv)
{
    return MEMORY_BACKEND(nv->parent.memdev);
}

/* Bytes that the guest sees; 0: there is no room for any beside the labels. */
static uint64_t visible_size(const Nvdimm *nv)
{
    uint64_t size = nv->parent.memdev ? backend_of(nv)->size : 0;

    return size > nv->label_size ? (size - nv->label_size) & ~(MEMORY_DEVICE_ALIGN - 1) : 0;
}

Nvdimm *nvdimm_in_slot(const Machine *machine, uint32_t slot)
{
    const GArray *devices = memory_devices(machine);

    for (unsigned i = 0; i < devices->len; i++) {
        Device *dev = memory_device_at(devices, i)->dev;

        if (object_is_a(OBJECT(dev), TYPE_NVDIMM) && PC_DIMM(dev)->slot == (int64_t)slot) {
            return NVDIMM(dev);
        }
    }
    return NULL;
}

/* ---- labels ---- */

static bool in_labels(const Nvdimm *nv, uint64_t offset, uint64_t size)
{
    return offset <= nv->label_size && size <= nv->label_size - offset;
}

bool nvdimm_read_labels(const Nvdimm *nv, uint64_t offset, void *buf, uint64_t size)
{
    const RamBlock *ram = backend_of(nv)->ram;

    if (!in_labels(nv, offset, size)) {
        return false;
    }
    memcpy(buf, ram->host + (backend_of(nv)->size - nv->label_size) + offset, size);
    return true;
}

bool nvdimm_write_labels(Nvdimm *nv, uint64_t offset, const void *buf, uint64_t size)
{
    RamBlock *ram = backend_of(nv)->ram;
    uint64_t at = backend_of(nv)->size - nv->label_size + offset;

    if (!in_labels(nv, offset, size) || backend_of(nv)->readonly) {
        return false;
    }
    memcpy(ram->host + at, buf, size);
    dirty_mark(ram, at, size);
    return true;
}

/* ---- plugging ---- */

static bool check_parts(const Nvdimm *nv, const char *what, GError **errp)
{
    const HostMemoryBackend *backend = backend_of(nv);
    const uint64_t least = MEMORY_DEVICE_ALIGN;

    if (nv->label_size && nv->label_size < NVDIMM_LABEL_MIN) {
        error_set(errp,
                  "%s: label-size 0x%" PRIx64 " is too small: labels need 0x%x bytes, and with 0 "
                  "there are none",
                  what, nv->label_size, NVDIMM_LABEL_MIN);
        return false;
    }
    if (nv->parent.boot) {
        error_set(errp, "%s: boot=on is for DIMMs: it is no memory that a guest boots with", what);
        return false;
    }
    if (!backend || !host_memory_backend_is_complete(backend)) {
        return true; /* for a DIMM it is wrong, too, and said then */
    }
    if (backend->size && !visible_size(nv)) {
        error_set(errp,
                  "%s: memory backend '%s' of 0x%" PRIx64 " bytes has no room for label-size "
                  "0x%" PRIx64 " and 0x%" PRIx64 " bytes of memory, which is the least",
                  what, host_memory_backend_name(backend), backend->size, nv->label_size, least);
        return false;
    }
    if (backend->readonly && !nv->unarmed) {
        error_set(errp,
                  "%s: memory backend '%s' is read-only, so writes are lost: say so to the guest "
                  "by unarmed=on, or make it with readonly=off",
                  what, host_memory_backend_name(backend));
        return false;
    }
    return true;
}

bool nvdimm_pre_plug(Machine *machine, Device *dev, GError **errp)
{
    g_autofree char *what = device_describe(dev);

    return check_parts(NVDIMM(dev), what, errp) && pc_dimm_pre_plug_read_only(machine, dev, errp);
}

void nvdimm_plug(Machine *machine, Device *dev)
{
    host_memory_backend_set_mapped(MEMORY_BACKEND(PC_DIMM(dev)->memdev), OBJECT(dev));
    memory_device_plug(machine, dev);
}

/* ---- what it is as a memory device ---- */

static void nvdimm_request(const Device *dev, MemoryDevice *md)
{
    const Nvdimm *nv = NVDIMM(dev);

    memory_device_request_backend(md, backend_of(nv), nv->parent.addr);
    md->size = visible_size(nv);
    md->node = nv->parent.node;
    md->boot = false;
}

static MemoryRegion *nvdimm_region(Device *dev)
{
    return &NVDIMM(dev)->memory;
}

static void nvdimm_describe(const Device *dev, MemoryDeviceInfo *info)
{
    info->type = MEMORY_DEVICE_INFO_KIND_NVDIMM;
    info->u.nvdimm = g_new0(PCDIMMDeviceInfoWrapper, 1);
    info->u.nvdimm->data = pc_dimm_info(PC_DIMM(dev));
}

static const MemoryDeviceOps nvdimm_memory_ops = {
    .request = nvdimm_request,
    .place = pc_dimm_place,
    .region = nvdimm_region,
    .describe = nvdimm_describe,
};

/* ---- the device ---- */

static uint64_t discard_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static void discard_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
}

static const MemoryRegionOps discard_ops = { discard_read, discard_write, 1, 8 };

static bool nvdimm_realize(Device *dev, GError **errp)
{
    Nvdimm *nv = NVDIMM(dev);
    uint64_t size = visible_size(nv);

    memory_region_init_alias(&nv->memory, TYPE_NVDIMM, host_memory_backend_region(backend_of(nv)),
                             0, size);
    memory_region_init_io(&nv->discard, &discard_ops, nv, TYPE_NVDIMM "-discard", size);
    if (backend_of(nv)->readonly) {
        memory_region_set_writer(&nv->memory, &nv->discard);
    }
    return true;
}

static void nvdimm_unrealize(Device *dev)
{
    Nvdimm *nv = NVDIMM(dev);

    memory_region_destroy(&nv->memory);
    memory_region_destroy(&nv->discard);
}

static bool check_uuid(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    const char *text = json_object_get_string(value);

    if (!g_uuid_string_is_valid(text)) {
        error_set(errp, "'uuid' is 32 hexadecimal digits as 8-4-4-4-12, and not '%s'", text);
        return false;
    }
    return true;
}

static const Property nvdimm_properties[] = {
    { .name = "label-size",
      .kind = PROP_SIZE,
      .offset = offsetof(Nvdimm, label_size),
      .has_default = true,
      .description = "bytes at the backend's end that are for labels: 0, or 128 KiB or more" },
    { .name = "unarmed",
      .kind = PROP_BOOL,
      .offset = offsetof(Nvdimm, unarmed),
      .has_default = true,
      .description = "tell the guest that what it writes may be lost" },
    { .name = "uuid",
      .kind = PROP_STRING,
      .offset = offsetof(Nvdimm, uuid),
      .has_default = true,
      .default_str = "00000000-0000-0000-0000-000000000000",
      .check = check_uuid,
      .description = "a UUID, for management" },
    { 0 },
};

static const DeviceClass nvdimm_device_ops = {
    .category = "memory",
    .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG | DEVICE_NEEDS_SLOT,
    .realize = nvdimm_realize,
    .unrealize = nvdimm_unrealize,
    .memory = &nvdimm_memory_ops,
};

static const ObjectType nvdimm_type = {
    .name = TYPE_NVDIMM,
    .parent = TYPE_PC_DIMM,
    .description = "a DIMM whose memory lasts",
    .instance_size = sizeof(Nvdimm),
    .properties = nvdimm_properties,
    .ops = &nvdimm_device_ops,
};
OBJECT_TYPE_REGISTER(nvdimm_type)
