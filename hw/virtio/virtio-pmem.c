/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-pmem: memory of which what the guest flushes is in the backend's file (Virtio 1.2, section
 * 5.19). It has a place in the window for memory devices. Machine lock, but for the flushes, which
 * have a thread.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "backends/host-memory-backend.h"
#include "hw/mem/memory-device.h"
#include "hw/virtio/virtio-pci.h"
#include "memory/ram-resident.h"
#include "util/error.h"
#include "util/main-loop.h"

#define TYPE_VIRTIO_PMEM "virtio-pmem"
#define QUEUE_SIZE       128

enum { REQ_FLUSH = 0 };
enum { RESP_OK = 0, RESP_EIO = 1 };

/* Section 5.19.4. */
typedef struct Config {
    uint64_t start, size;
} Config;

/* A flush that its thread does. It is the device's until that has ended, or the device forgets it.
 */
typedef struct Flush {
    struct VirtioPmem *device; /* NULL: nobody wants to know; machine lock */
    RamBlock *ram;             /* a reference */
    int result;                /* 0 or errno; set by the thread */
} Flush;

typedef struct VirtioPmem {
    VirtioDevice parent;
    /* configuration */
    Object *memdev; /* link<memory-backend> */
    uint64_t addr;  /* guest-physical; 0 until chosen */
    /* wiring */
    GThreadPool *flusher; /* one thread */
    Flush *flush;         /* that is under way, for the first buffer in the ring; NULL: none */
} VirtioPmem;
OBJECT_CAST_DEFINE(VirtioPmem, VIRTIO_PMEM, TYPE_VIRTIO_PMEM)

static HostMemoryBackend *backend_of(const VirtioPmem *s)
{
    return MEMORY_BACKEND(s->memdev);
}

/* ---- flushes ---- */

static void answer(VirtioPmem *s, int result)
{
    VirtQueue *vq = virtio_queue(&s->parent, 0);
    VirtqElement *element = virtq_pop(vq);
    uint32_t type = UINT32_MAX;

    if (!element) {
        return; /* the ring makes no sense any more */
    }
    virtq_read(element, 0, &type, sizeof(type));
    const uint32_t response = type == REQ_FLUSH && !result ? RESP_OK : RESP_EIO;
    virtq_push(vq, element, (uint32_t)virtq_write(element, 0, &response, sizeof(response)));
    virtio_notify(&s->parent, vq);
}

/* Main loop. While the machine stands the buffer stays; it is flushed once more when it runs. */
static void flushed(void *opaque)
{
    Flush *flush = opaque;
    VirtioPmem *s = flush->device;

    if (s) {
        s->flush = NULL;
        if (virtio_device_runs(&s->parent)) {
            answer(s, flush->result);
            virtio_run_queues(&s->parent);
        }
    }
    ram_block_unref(flush->ram);
    g_free(flush);
}

static void do_flush(void *data, void *opaque)
{
    Flush *flush = data;

    flush->result = fsync(flush->ram->fd) < 0 ? errno : 0;
    main_loop_schedule(flushed, flush);
}

static void forget_flush(VirtioPmem *s)
{
    if (s->flush) {
        s->flush->device = NULL;
        s->flush = NULL;
    }
}

static bool is_right(VirtQueue *vq, const VirtqElement *element)
{
    if (element->out_size < sizeof(uint32_t) || element->in_size < sizeof(uint32_t)) {
        virtq_break(vq, "a buffer is too small for a request and its response");
        return false;
    }
    return true;
}

/* One flush at a time, each for the buffer that comes first: what came after it began may be of
 * writes that it has not seen. */
static void handle_requests(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioPmem *s = VIRTIO_PMEM(vdev);
    VirtqElement *element = s->flush ? NULL : virtq_pop(vq);

    if (!element) {
        return;
    }
    if (!is_right(vq, element)) {
        virtq_drop(vq, element);
        return;
    }
    virtq_unpop(vq, element);
    if (backend_of(s)->ram->fd < 0) { /* memory that is nowhere else */
        answer(s, 0);
        virtio_queue_again(vdev, vq);
        return;
    }
    s->flush = g_new(Flush, 1);
    *s->flush = (Flush){ .device = s, .ram = ram_block_ref(backend_of(s)->ram) };
    g_thread_pool_push(s->flusher, s->flush, NULL);
}

static void config_read(VirtioDevice *vdev, uint8_t *bytes)
{
    const VirtioPmem *s = VIRTIO_PMEM(vdev);
    const Config config = { s->addr, backend_of(s)->size };

    memcpy(bytes, &config, sizeof(config));
}

/* ---- what it is as a memory device ---- */

static bool pmem_check(const Device *dev, GError **errp)
{
    return memory_device_check_memdev(VIRTIO_PMEM(dev)->memdev, errp);
}

static void pmem_request(const Device *dev, MemoryDevice *md)
{
    const VirtioPmem *s = VIRTIO_PMEM(dev);

    memory_device_request_backend(md, backend_of(s), s->addr);
}

static void pmem_place(Device *dev, hwaddr addr)
{
    VIRTIO_PMEM(dev)->addr = addr;
}

static MemoryRegion *pmem_region(Device *dev)
{
    return host_memory_backend_region(backend_of(VIRTIO_PMEM(dev)));
}

static void pmem_describe(const Device *dev, MemoryDeviceInfo *info)
{
    const VirtioPmem *s = VIRTIO_PMEM(dev);
    VirtioPMEMDeviceInfo *data = g_new0(VirtioPMEMDeviceInfo, 1);

    data->id = g_strdup(memory_device_owner(dev)->id);
    data->memaddr = s->addr;
    data->size = backend_of(s)->size;
    data->has_resident = true;
    data->resident = ram_block_resident(backend_of(s)->ram, backend_of(s)->ram->size);
    data->memdev = memory_device_memdev_path(s->memdev);
    info->type = MEMORY_DEVICE_INFO_KIND_VIRTIO_PMEM;
    info->u.virtio_pmem = g_new0(VirtioPMEMDeviceInfoWrapper, 1);
    info->u.virtio_pmem->data = data;
}

static const MemoryDeviceOps memory_ops = {
    .check = pmem_check,
    .request = pmem_request,
    .place = pmem_place,
    .region = pmem_region,
    .describe = pmem_describe,
};

/* ---- life ---- */

static bool pmem_realize(VirtioDevice *vdev, GError **errp)
{
    VIRTIO_PMEM(vdev)->flusher = g_thread_pool_new(do_flush, NULL, 1, FALSE, NULL);
    virtio_add_queue(vdev, QUEUE_SIZE, handle_requests);
    host_memory_backend_set_mapped(backend_of(VIRTIO_PMEM(vdev)),
                                   &memory_device_owner(&vdev->parent)->parent);
    return true;
}

static void pmem_unrealize(VirtioDevice *vdev)
{
    /* A flush that is under way ends by itself, and the thread after it. */
    g_thread_pool_free(VIRTIO_PMEM(vdev)->flusher, FALSE, FALSE);
    host_memory_backend_set_mapped(backend_of(VIRTIO_PMEM(vdev)), NULL);
}

/* The driver hears nothing of a flush that it has given up. */
static void pmem_queue_reset(VirtioDevice *vdev, VirtQueue *vq)
{
    forget_flush(VIRTIO_PMEM(vdev));
}

static const StateField pmem_fields[] = {
    STATE_STRUCT(VirtioPmem, parent, &virtio_device_state),
    {},
};
static const StateTable pmem_state = { .name = "virtio-pmem", .version = 1, .fields = pmem_fields };

static const Property pmem_properties[] = {
    { .name = "memdev",
      .kind = PROP_LINK,
      .offset = offsetof(VirtioPmem, memdev),
      .link_type = TYPE_MEMORY_BACKEND,
      .description = "memory backend that holds its contents" },
    { .name = "memaddr",
      .kind = PROP_UINT64,
      .offset = offsetof(VirtioPmem, addr),
      .has_default = true,
      .description = "guest-physical address; 0: chosen" },
    { 0 },
};

static const VirtioDeviceClass pmem_class = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &pmem_state, .memory = &memory_ops },
    .id = VIRTIO_ID_PMEM,
    .config_size = sizeof(Config),
    .realize = pmem_realize,
    .unrealize = pmem_unrealize,
    .queue_reset = pmem_queue_reset,
    .config_read = config_read,
};

static const ObjectType pmem_type = {
    .name = TYPE_VIRTIO_PMEM,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "memory that the guest can make persistent",
    .instance_size = sizeof(VirtioPmem),
    .properties = pmem_properties,
    .ops = &pmem_class,
};
OBJECT_TYPE_REGISTER(pmem_type)

static const VirtioPciClass pmem_pci = VIRTIO_PCI_CLASS("memory", 0x00ff, 0);
VIRTIO_PCI_MODERN_TYPE(pmem, "virtio-pmem", TYPE_VIRTIO_PMEM, &pmem_pci,
                       "memory that the guest can make persistent")
