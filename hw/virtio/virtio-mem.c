/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtio-mem.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backends/host-memory-backend.h"
#include "hw/core/machine.h"
#include "hw/mem/guest-fit.h"
#include "hw/mem/memory-device.h"
#include "hw/virtio/virtio-pci.h"
#include "memory/dma.h"
#include "memory/ram-parts.h"
#include "memory/ram-resident.h"
#include "qapi/qapi-events.h"
#include "util/error.h"
#include "util/units.h"

#define HEX64 "0x%" PRIx64

#define QUEUE_SIZE       128
#define REQUESTS_A_TURN  16 /* then others have theirs */
#define BLOCK_SIZE_MIN   MIB
#define BLOCK_SIZE_USUAL (2 * MIB) /* a large page */
#define BITS_A_BYTE      8u

/* Features (section 5.15.3). */
enum { F_ACPI_PXM = 0, F_UNPLUGGED_INACCESSIBLE = 1 };

/* Values of unplugged-inaccessible. */
enum { INACCESSIBLE_AUTO, INACCESSIBLE_ON, INACCESSIBLE_OFF };

/* Section 5.15.4. */
typedef struct __attribute__((packed)) Config {
    uint64_t block_size;
    uint16_t node_id;
    uint8_t padding[6];
    uint64_t addr, region_size, usable_region_size, plugged_size, requested_size;
} Config;

/* Section 5.15.6. */
enum { REQ_PLUG, REQ_UNPLUG, REQ_UNPLUG_ALL, REQ_STATE, REQ__MAX };
enum { RESP_ACK, RESP_NACK, RESP_BUSY, RESP_ERROR };
enum { STATE_PLUGGED, STATE_UNPLUGGED, STATE_MIXED };

typedef struct __attribute__((packed)) Request {
    uint16_t type, padding[3];
    uint64_t addr;
    uint16_t blocks, more_padding[3];
} Request;

typedef struct __attribute__((packed)) Response {
    uint16_t type, padding[3];
    uint16_t state;
} Response;

static HostMemoryBackend *backend_of(const VirtioMem *s)
{
    return MEMORY_BACKEND(s->memdev);
}

static RamBlock *ram_of(const VirtioMem *s)
{
    return backend_of(s)->ram;
}

static uint64_t region_size(const VirtioMem *s)
{
    return backend_of(s)->size;
}

/* ---- blocks ---- */

static void tell_size(VirtioMem *s)
{
    const Device *owner = memory_device_owner(&s->parent.parent);
    g_autofree char *path = object_path(&owner->parent);

    qapi_event_send_memory_device_size_change(owner->id, s->size, path);
}

/* What the guest needs to place blocks as it likes: it uses memory in larger units. */
static uint64_t usable_for(const VirtioMem *s, uint64_t requested)
{
    const uint64_t extent = MAX(2 * guest_memory_block_size(), s->block_size);

    if (requested == 0) {
        return 0;
    }
    return requested < region_size(s) - MIN(extent, region_size(s)) ? requested + extent
                                                                    : region_size(s);
}

/* It never shrinks before all is unplugged (section 5.15.6.2). */
static void grow_usable(VirtioMem *s)
{
    s->usable_size = MAX(s->usable_size, usable_for(s, s->requested_size));
}

static bool discard(VirtioMem *s, uint64_t offset, uint64_t size)
{
    return dma_discard_ram(&address_space_memory, s->addr + offset, ram_of(s), offset, size);
}

static void set_blocks(VirtioMem *s, uint64_t offset, uint64_t size, bool plugged)
{
    ram_parts_set(ram_of(s), offset, size, plugged);
    virtio_mem_map_update(&s->map, offset, size);
    s->size = plugged ? s->size + size : s->size - size;
}

/* Whoever holds some of them; and what was written where none was plugged goes, too. */
static bool unplug_all(VirtioMem *s)
{
    const bool ok = discard(s, 0, region_size(s));

    if (ok) {
        const bool tell = s->size;

        ram_parts_set(ram_of(s), 0, region_size(s), false);
        virtio_mem_map_update(&s->map, 0, region_size(s));
        s->size = 0;
        s->usable_size = usable_for(s, s->requested_size);
        if (tell) {
            tell_size(s);
        }
    }
    return ok;
}

/* ---- requests ---- */

/* The blocks that a request names, as bytes of the region. False: they cannot be. */
static bool find_blocks(const VirtioMem *s, const Request *request, uint64_t *offset,
                        uint64_t *size)
{
    *offset = request->addr - s->addr;
    if (request->addr < s->addr || *offset >= s->usable_size || *offset % s->block_size ||
        !request->blocks || request->blocks > (s->usable_size - *offset) / s->block_size) {
        return false;
    }
    *size = request->blocks * s->block_size;
    return true;
}

static bool take_pages(VirtioMem *s, uint64_t offset, uint64_t size)
{
    g_autoptr(GError) err = NULL;

    if (s->prealloc && !ram_block_prealloc_part(ram_of(s), offset, size, &err)) {
        error_warn("%s: the guest cannot have more memory now: %s", s->parent.name, err->message);
        discard(s, offset, size);
        return false;
    }
    return true;
}

/* Those who follow the blocks, devices of the host, can take them? */
static bool may_come(VirtioMem *s, uint64_t offset, uint64_t size)
{
    g_autoptr(GError) err = NULL;

    if (!ram_parts_may_come(ram_of(s), offset, size, &err)) {
        error_warn("%s: the guest cannot have more memory now: %s", s->parent.name, err->message);
        discard(s, offset, size);
        return false;
    }
    return true;
}

static uint16_t plug(VirtioMem *s, const Request *request, Response *response)
{
    uint64_t offset, size;

    if (!find_blocks(s, request, &offset, &size) ||
        !ram_parts_all(ram_of(s), offset, size, false)) {
        return RESP_ERROR;
    }
    if (size > s->requested_size - MIN(s->size, s->requested_size)) {
        return RESP_NACK;
    }
    if (!take_pages(s, offset, size)) {
        return RESP_BUSY;
    }
    if (!may_come(s, offset, size)) {
        return RESP_BUSY;
    }
    set_blocks(s, offset, size, true);
    tell_size(s);
    return RESP_ACK;
}

static uint16_t unplug(VirtioMem *s, const Request *request, Response *response)
{
    uint64_t offset, size;

    if (!find_blocks(s, request, &offset, &size) || !ram_parts_all(ram_of(s), offset, size, true)) {
        return RESP_ERROR;
    }
    if (ram_block_part_is_held(ram_of(s), offset, size) || !discard(s, offset, size)) {
        return RESP_BUSY;
    }
    set_blocks(s, offset, size, false);
    tell_size(s);
    return RESP_ACK;
}

static uint16_t unplug_all_asked(VirtioMem *s, const Request *request, Response *response)
{
    return ram_block_part_is_held(ram_of(s), 0, region_size(s)) || !unplug_all(s) ? RESP_BUSY
                                                                                  : RESP_ACK;
}

static uint16_t tell_state(VirtioMem *s, const Request *request, Response *response)
{
    uint64_t offset, size;

    if (!find_blocks(s, request, &offset, &size)) {
        return RESP_ERROR;
    }
    response->state = ram_parts_all(ram_of(s), offset, size, true)    ? STATE_PLUGGED
                      : ram_parts_all(ram_of(s), offset, size, false) ? STATE_UNPLUGGED
                                                                      : STATE_MIXED;
    return RESP_ACK;
}

static uint16_t (*const requests[REQ__MAX])(VirtioMem *s, const Request *request,
                                            Response *response) = {
    [REQ_PLUG] = plug,
    [REQ_UNPLUG] = unplug,
    [REQ_UNPLUG_ALL] = unplug_all_asked,
    [REQ_STATE] = tell_state,
};

static void respond(VirtQueue *vq, VirtqElement *element, const Response *response)
{
    virtq_push(vq, element, (uint32_t)virtq_write(element, 0, response, sizeof(*response)));
}

/* The guest may use what it asked for. */
static void settled(void *opaque)
{
    static const Response response = { .type = RESP_ACK };
    VirtioMem *s = opaque;
    VirtQueue *vq = virtio_queue(&s->parent, 0);

    respond(vq, g_steal_pointer(&s->acked), &response);
    virtio_notify(&s->parent, vq);
    virtio_queue_again(&s->parent, vq);
}

static void drop_acked(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioMem *s = VIRTIO_MEM(vdev);

    if (s->acked) {
        memory_device_forget_settled(settled, s);
        virtq_drop(vq, g_steal_pointer(&s->acked));
    }
}

/* False: no more now. */
static bool answer(VirtioMem *s, VirtQueue *vq, VirtqElement *element)
{
    Request request = { 0 };
    Response response = { 0 };

    if (virtq_read(element, 0, &request, sizeof(request)) != sizeof(request) ||
        element->in_size < sizeof(response)) {
        virtq_break(vq, "a buffer is too small for a request and its response");
        virtq_drop(vq, element);
        return false;
    }
    response.type =
        request.type < REQ__MAX ? requests[request.type](s, &request, &response) : RESP_ERROR;
    if (request.type == REQ_PLUG && response.type == RESP_ACK && !memory_device_is_settled()) {
        s->acked = element;
        memory_device_when_settled(settled, s);
        return false;
    }
    respond(vq, element, &response);
    return true;
}

static void handle_requests(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtqElement *element = NULL;

    if (VIRTIO_MEM(vdev)->acked) {
        return;
    }
    for (unsigned n = 0; n < REQUESTS_A_TURN && (element = virtq_pop(vq)); n++) {
        if (!answer(VIRTIO_MEM(vdev), vq, element)) {
            virtio_notify(vdev, vq);
            return;
        }
    }
    virtio_notify(vdev, vq);
    if (element) {
        virtio_queue_again(vdev, vq);
    }
}

static void config_read(VirtioDevice *vdev, uint8_t *bytes)
{
    const VirtioMem *s = VIRTIO_MEM(vdev);
    const Config config = {
        .block_size = s->block_size,
        .node_id = (uint16_t)s->node,
        .addr = s->addr,
        .region_size = region_size(s),
        .usable_region_size = s->usable_size,
        .plugged_size = s->size,
        .requested_size = s->requested_size,
    };

    memcpy(bytes, &config, sizeof(config));
}

/* ---- properties ---- */

static struct json_object *get_size(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_uint64(VIRTIO_MEM(obj)->size);
}

static struct json_object *get_requested(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_uint64(VIRTIO_MEM(obj)->requested_size);
}

static bool check_requested(const VirtioMem *s, uint64_t block_size, uint64_t requested,
                            GError **errp)
{
    if (requested > region_size(s)) {
        error_set(errp,
                  "'requested-size' cannot exceed the memory backend size (" HEX64 "), and " HEX64
                  " does",
                  region_size(s), requested);
        return false;
    }
    if (requested % block_size) {
        error_set(errp,
                  "'requested-size' must be whole blocks of " HEX64
                  " bytes ('block-size'), and " HEX64 " is not",
                  block_size, requested);
        return false;
    }
    return true;
}

static bool set_requested(Object *obj, const Property *prop, struct json_object *value,
                          GError **errp)
{
    VirtioMem *s = VIRTIO_MEM(obj);
    uint64_t requested;

    if (!qapi_place_from_json(&qapi_size_type, value, prop->name, &requested, errp)) {
        return false;
    }
    if (!s->parent.parent.realized) {
        s->requested_size = requested;
        return true;
    }
    if (!check_requested(s, s->block_size, requested, errp)) {
        return false;
    }
    if (requested != s->requested_size) {
        s->requested_size = requested;
        grow_usable(s);
        virtio_config_changed(&s->parent);
    }
    return true;
}

/* ---- what it is as a memory device ---- */

static uint64_t chosen_block_size(const VirtioMem *s)
{
    return s->block_size ? s->block_size : MAX(BLOCK_SIZE_USUAL, ram_of(s)->page_size);
}

static bool check_block_size(const VirtioMem *s, uint64_t size, GError **errp)
{
    const uint64_t least = MAX(BLOCK_SIZE_MIN, ram_of(s)->page_size);

    if (size < least) {
        error_set(errp,
                  "'block-size' must be " HEX64
                  " or more (1 MiB, or a page of the backend if that is "
                  "larger), and not " HEX64,
                  least, size);
        return false;
    }
    if (size & (size - 1)) {
        error_set(errp, "'block-size' must be a power of 2, and not " HEX64, size);
        return false;
    }
    if (region_size(s) % size) {
        error_set(errp,
                  "the size of memory backend '%s' must be whole blocks of " HEX64
                  " bytes ('block-size'), and " HEX64 " is not",
                  host_memory_backend_name(backend_of(s)), size, region_size(s));
        return false;
    }
    return true;
}

/* What a page that nobody has written to costs to read: nothing, if all share one page of zeros. */
static bool reads_are_free(const RamBlock *ram)
{
    return ram->fd < 0 && !ram->shared;
}

/* Is the guest told not to touch what it does not have? Then pieces of which it has nothing are not
 * in the memory map; else they can be read. One that writes there gets no memory either way. */
static bool is_inaccessible(const VirtioMem *s)
{
    return s->inaccessible == INACCESSIBLE_ON ||
           (s->inaccessible == INACCESSIBLE_AUTO &&
            (s->dynamic_memslots || !reads_are_free(ram_of(s))));
}

static bool mem_check(const Device *dev, GError **errp)
{
    const VirtioMem *s = VIRTIO_MEM(dev);

    if (!memory_device_check_memdev(s->memdev, errp)) {
        return false;
    }
    if (s->dynamic_memslots && s->inaccessible == INACCESSIBLE_OFF) {
        error_set(errp, "dynamic-memslots=on takes what is not plugged out of the memory map: "
                        "unplugged-inaccessible must be on or auto");
        return false;
    }
    const uint64_t block_size = chosen_block_size(s);
    return check_block_size(s, block_size, errp) &&
           check_requested(s, block_size, s->requested_size, errp);
}

/* Half of what others have room for: DIMMs want some, too. */
static unsigned most_slots(const VirtioMem *s)
{
    return s->most_slots ? s->most_slots : MAX(memory_device_room(machine_current()) / 2, 1);
}

static void mem_request(const Device *dev, MemoryDevice *md)
{
    const VirtioMem *s = VIRTIO_MEM(dev);

    memory_device_request_backend(md, backend_of(s), s->addr);
    md->align = MAX(md->align, chosen_block_size(s));
    md->node = s->node;
    md->in_guest_blocks = true;
    md->memslots = virtio_mem_map_slots(region_size(s), chosen_block_size(s), most_slots(s), NULL);
}

static void mem_place(Device *dev, hwaddr addr)
{
    VirtioMem *s = VIRTIO_MEM(dev);

    s->addr = addr;
    s->block_size = chosen_block_size(s);
    s->most_slots = most_slots(s);
}

static MemoryRegion *mem_region(Device *dev)
{
    return &VIRTIO_MEM(dev)->map.region;
}

static uint64_t mem_plugged_size(const Device *dev)
{
    return VIRTIO_MEM(dev)->size;
}

static void mem_describe(const Device *dev, MemoryDeviceInfo *info)
{
    const VirtioMem *s = VIRTIO_MEM(dev);
    VirtioMEMDeviceInfo *data = g_new0(VirtioMEMDeviceInfo, 1);

    data->id = g_strdup(memory_device_owner(dev)->id);
    data->memaddr = s->addr;
    data->requested_size = s->requested_size;
    data->size = s->size;
    data->max_size = region_size(s);
    data->block_size = s->block_size;
    data->node = s->node;
    data->has_resident = true;
    data->resident = ram_block_resident(ram_of(s), ram_of(s)->size);
    data->memdev = memory_device_memdev_path(s->memdev);
    info->type = MEMORY_DEVICE_INFO_KIND_VIRTIO_MEM;
    info->u.virtio_mem = g_new0(VirtioMEMDeviceInfoWrapper, 1);
    info->u.virtio_mem->data = data;
}

static const MemoryDeviceOps memory_ops = {
    .check = mem_check,
    .request = mem_request,
    .place = mem_place,
    .region = mem_region,
    .plugged_size = mem_plugged_size,
    .describe = mem_describe,
};

/* ---- life ---- */

static void offer(VirtioMem *s)
{
    if (machine_current()->numa.num_nodes) {
        virtio_offer(&s->parent, F_ACPI_PXM);
    }
    if (is_inaccessible(s)) {
        virtio_offer(&s->parent, F_UNPLUGGED_INACCESSIBLE);
        s->parent.needed |= UINT64_C(1) << F_UNPLUGGED_INACCESSIBLE;
    }
}

static bool mem_realize(VirtioDevice *vdev, GError **errp)
{
    VirtioMem *s = VIRTIO_MEM(vdev);

    if (!discard(s, 0, region_size(s))) {
        error_set_errno(errp, errno,
                        "memory backend '%s' cannot give pages back to the host, which this device "
                        "does; -overcommit mem-lock=on keeps it from that",
                        host_memory_backend_name(backend_of(s)));
        return false;
    }
    offer(s);
    virtio_add_queue(vdev, QUEUE_SIZE, handle_requests);
    ram_parts_begin(ram_of(s), s->block_size);
    s->inaccessible = is_inaccessible(s) ? INACCESSIBLE_ON : INACCESSIBLE_OFF; /* no more "auto" */
    virtio_mem_map_init(&s->map, host_memory_backend_region(backend_of(s)), ram_of(s),
                        s->block_size, s->most_slots, !is_inaccessible(s));
    s->size = 0;
    s->usable_size = usable_for(s, s->requested_size);
    host_memory_backend_set_mapped(backend_of(s), &memory_device_owner(&vdev->parent)->parent);
    return true;
}

static void mem_unrealize(VirtioDevice *vdev)
{
    VirtioMem *s = VIRTIO_MEM(vdev);

    drop_acked(vdev, virtio_queue(vdev, 0));
    virtio_mem_map_destroy(&s->map);
    s->most_slots = 0;
    ram_parts_end(ram_of(s));
    host_memory_backend_set_mapped(backend_of(s), NULL);
    g_clear_pointer(&s->plugged, g_bytes_unref);
}

/* Of the machine: a reset by the driver leaves the blocks as they are (section 5.15.5). */
static void mem_reset(Device *dev)
{
    virtio_device_reset(dev);
    unplug_all(VIRTIO_MEM(dev));
}

static bool mem_check_unplug(Device *dev, GError **errp)
{
    const VirtioMem *s = VIRTIO_MEM(dev);

    if (s->size) {
        error_set(errp,
                  "%s: a virtio-mem device cannot get unplugged while some of its memory is still "
                  "plugged, here " HEX64 " bytes: set its 'requested-size' to 0, and wait until "
                  "its 'size' is 0",
                  s->parent.name, s->size);
        return false;
    }
    if (s->requested_size) {
        error_set(errp,
                  "%s: a virtio-mem device cannot get unplugged while 'requested-size' != '0', "
                  "here " HEX64 ": set it to 0",
                  s->parent.name, s->requested_size);
        return false;
    }
    return true;
}

/* ---- state ---- */

static void pre_save(void *obj)
{
    VirtioMem *s = obj;
    const uint64_t count = region_size(s) / s->block_size;
    const size_t bytes = (count + BITS_A_BYTE - 1) / BITS_A_BYTE;
    uint8_t *bits = g_malloc0(bytes);
    uint64_t size;

    for (uint64_t at = 0; ram_parts_next(ram_of(s), &at, &size); at += size) {
        for (uint64_t i = at / s->block_size; i < (at + size) / s->block_size; i++) {
            bits[i / BITS_A_BYTE] |= (uint8_t)(1u << (i % BITS_A_BYTE));
        }
    }
    g_clear_pointer(&s->plugged, g_bytes_unref);
    s->plugged = g_bytes_new_take(bits, bytes);
}

static bool is_plugged(const uint8_t *bits, uint64_t i)
{
    return bits[i / BITS_A_BYTE] >> (i % BITS_A_BYTE) & 1;
}

/* All of @bits fits into the usable part, and the sizes are whole blocks. */
static bool state_fits(const VirtioMem *s, const uint8_t *bits, size_t bytes)
{
    const uint64_t count = region_size(s) / s->block_size, usable = s->usable_size / s->block_size;

    if (!bits || bytes != (count + BITS_A_BYTE - 1) / BITS_A_BYTE ||
        s->usable_size > region_size(s) || s->requested_size > region_size(s) ||
        s->usable_size % s->block_size || s->requested_size % s->block_size) {
        return false;
    }
    for (uint64_t i = usable; i < bytes * BITS_A_BYTE; i++) {
        if (is_plugged(bits, i)) {
            return false;
        }
    }
    return true;
}

/* The contents of what is plugged are there already; of all else nothing may be. */
static bool apply(VirtioMem *s, const uint8_t *bits)
{
    const uint64_t count = region_size(s) / s->block_size;
    bool ok = true;

    s->size = 0;
    for (uint64_t first = 0, i = 0; i < count && ok; first = i) {
        const bool plugged = is_plugged(bits, first);

        while (i < count && is_plugged(bits, i) == plugged) {
            i++;
        }
        const uint64_t offset = first * s->block_size, size = (i - first) * s->block_size;
        if (plugged) {
            set_blocks(s, offset, size, true);
        } else {
            ram_parts_set(ram_of(s), offset, size, false);
            virtio_mem_map_update(&s->map, offset, size);
            ok = discard(s, offset, size);
        }
    }
    return ok;
}

static bool post_load(void *obj, GError **errp)
{
    VirtioMem *s = obj;
    size_t bytes = 0;
    const uint8_t *bits = s->plugged ? g_bytes_get_data(s->plugged, &bytes) : NULL;
    bool ok = state_fits(s, bits, bytes);

    if (!ok) {
        error_set(errp, "the blocks that are plugged, or the sizes, cannot be");
    } else if (!apply(s, bits)) {
        error_set_errno(errp, errno, "blocks cannot be given back to the host");
        ok = false;
    }
    g_clear_pointer(&s->plugged, g_bytes_unref);
    return ok;
}

static const StateField mem_fields[] = {
    STATE_STRUCT(VirtioMem, parent, &virtio_device_state),
    STATE_UINT(VirtioMem, requested_size),
    STATE_UINT(VirtioMem, usable_size),
    STATE_BLOB(VirtioMem, plugged),
    {},
};
static const StateTable mem_state = { .name = "virtio-mem",
                                      .version = 1,
                                      .fields = mem_fields,
                                      .pre_save = pre_save,
                                      .post_load = post_load };

/* ---- the types ---- */

static const char *const inaccessible_names[] = { "auto", "on", "off", NULL };

static const Property mem_properties[] = {
    { .name = "memdev",
      .kind = PROP_LINK,
      .offset = offsetof(VirtioMem, memdev),
      .link_type = TYPE_MEMORY_BACKEND,
      .description =
          "memory backend that holds its contents; its size is the most that it can have" },
    { .name = "memaddr",
      .kind = PROP_UINT64,
      .offset = offsetof(VirtioMem, addr),
      .has_default = true,
      .description = "guest-physical address; 0: chosen" },
    { .name = "node",
      .kind = PROP_UINT32,
      .offset = offsetof(VirtioMem, node),
      .has_default = true,
      .description = "NUMA node" },
    { .name = "block-size",
      .kind = PROP_SIZE,
      .offset = offsetof(VirtioMem, block_size),
      .description =
          "bytes in which the guest takes memory and gives it back, a power of 2; without "
          "it 2 MiB, or a page of the backend if that is more" },
    { .name = "requested-size",
      .kind = PROP_CUSTOM,
      .custom_type = "size",
      .description = "bytes that the guest is asked to have of it",
      .live = true,
      .get = get_requested,
      .set = set_requested },
    { .name = "size",
      .kind = PROP_CUSTOM,
      .custom_type = "size",
      .description = "bytes that the guest has of it",
      .read_only = true,
      .get = get_size },
    { .name = "prealloc",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtioMem, prealloc),
      .has_default = true,
      .description = "what the guest takes has all of its pages at once, or it does not get it" },
    { .name = "dynamic-memslots",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtioMem, dynamic_memslots),
      .has_default = true,
      .description = "only what is plugged, in pieces of 128 MiB or more, is in the memory map" },
    { .name = "unplugged-inaccessible",
      .kind = PROP_ENUM,
      .enum_names = inaccessible_names,
      .custom_type = "OnOffAuto",
      .offset = offsetof(VirtioMem, inaccessible),
      .has_default = true,
      .default_int = INACCESSIBLE_AUTO,
      .description = "the guest must not even read what it does not have; auto: where reading "
                     "would take memory of the host" },
    { 0 },
};

static const VirtioDeviceClass mem_class = {
    .device = { .bus = TYPE_VIRTIO_BUS,
                .category = "memory",
                .realize = virtio_device_realize,
                .unrealize = virtio_device_unrealize,
                .reset = mem_reset,
                .wake = virtio_device_reset,
                .check_unplug = mem_check_unplug,
                .memory = &memory_ops,
                .state = &mem_state },
    .id = VIRTIO_ID_MEM,
    .config_size = sizeof(Config),
    .realize = mem_realize,
    .unrealize = mem_unrealize,
    .queue_reset = drop_acked,
    .config_read = config_read,
};

static const ObjectType mem_type = {
    .name = TYPE_VIRTIO_MEM,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "memory of which the guest has as much as it is asked to have",
    .instance_size = sizeof(VirtioMem),
    .properties = mem_properties,
    .ops = &mem_class,
};
OBJECT_TYPE_REGISTER(mem_type)

static const VirtioPciClass mem_pci = VIRTIO_PCI_CLASS("memory", 0x00ff, 0);
VIRTIO_PCI_MODERN_TYPE(mem, "virtio-mem", TYPE_VIRTIO_MEM, &mem_pci,
                       "memory of which the guest has as much as it is asked to have")
