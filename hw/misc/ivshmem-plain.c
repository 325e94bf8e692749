/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ivshmem-plain: memory that the guest shares with other programs of the host, as a PCI function.
 * BAR 2 is the memory of a backend, BAR 0 has the registers. This variant has no peers that could
 * be called: no doorbell, no interrupt.
 */
#include "backends/host-memory-backend.h"
#include "hw/mem/memory-device.h"
#include "hw/misc/ivshmem.h"
#include "util/error.h"

#define TYPE_IVSHMEM_PLAIN "ivshmem-plain"

typedef struct IvshmemPlain {
    Ivshmem parent;
    /* configuration */
    Object *memdev; /* link<memory-backend> */
} IvshmemPlain;
OBJECT_CAST_DEFINE(IvshmemPlain, IVSHMEM_PLAIN, TYPE_IVSHMEM_PLAIN)

static HostMemoryBackend *backend_of(const IvshmemPlain *s)
{
    return MEMORY_BACKEND(s->memdev);
}

static bool check_backend(const IvshmemPlain *s, GError **errp)
{
    g_autofree char *what = NULL;

    if (!memory_device_check_memdev(s->memdev, errp)) {
        return false;
    }
    what = g_strdup_printf("memory backend '%s'", host_memory_backend_name(backend_of(s)));
    return ivshmem_check_size(what, backend_of(s)->size, errp);
}

static bool plain_realize(PciDevice *dev, GError **errp)
{
    IvshmemPlain *s = IVSHMEM_PLAIN(dev);

    if (!check_backend(s, errp)) {
        return false;
    }
    ivshmem_add(&s->parent, host_memory_backend_region(backend_of(s)));
    host_memory_backend_set_mapped(backend_of(s), OBJECT(dev));
    return true;
}

static void plain_unrealize(PciDevice *dev)
{
    IvshmemPlain *s = IVSHMEM_PLAIN(dev);

    host_memory_backend_set_mapped(backend_of(s), NULL);
    ivshmem_remove(&s->parent);
}

static const PciFunctionClass plain_ops = IVSHMEM_CLASS(plain_realize, plain_unrealize);

static const Property plain_properties[] = {
    { .name = "memdev",
      .kind = PROP_LINK,
      .offset = offsetof(IvshmemPlain, memdev),
      .link_type = TYPE_MEMORY_BACKEND,
      .description = "memory backend that is shared, with share=on" },
    { 0 },
};

static const ObjectType plain_type = {
    .name = TYPE_IVSHMEM_PLAIN,
    .parent = TYPE_IVSHMEM,
    .description = "Memory that is shared with programs of the host",
    .instance_size = sizeof(IvshmemPlain),
    .properties = plain_properties,
    .ops = &plain_ops,
};
OBJECT_TYPE_REGISTER(plain_type)
