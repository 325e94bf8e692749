/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An NVMe controller of the host comes and goes. */
#include "block/nvme-host.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "util/error.h"
#include "util/vfio.h"

#define IOVA   0x40000000u /* where the device has our memory */
#define MEMORY (8u << 20)

enum {
    REG_CAP = 0x00,
    REG_CC = 0x14,
    REG_CSTS = 0x1c,
    REG_AQA = 0x24,
    REG_ASQ = 0x28,
    REG_ACQ = 0x30,
    CC_EN = 1,
    CC_SHUTDOWN = 1 << 14,
    CC_ENTRIES = 6 << 16 | 4 << 20, /* of 64 and 16 bytes */
    CSTS_RDY = 1,
    CSTS_FATAL = 2,
    CSTS_SHUT_DONE = 2 << 2,
    CSTS_SHUT_MASK = 3 << 2,
    PCI_COMMAND_AT = 4,
    PCI_COMMAND_MEMORY_MASTER = 6,
    ENTRIES = 32, /* of a queue: more than slots */
    STEP_US = 1000,
    READY_MS_MAX = 30000,
    READY_MS_BROKEN = 1000,
};

/* ---- registers ---- */

uint64_t nvme_host_register(NvmeHost *host, unsigned offset, unsigned size)
{
    uint64_t value = 0;

    if (pread(host->device, &value, size, (off_t)(host->bar + offset)) != (ssize_t)size) {
        return UINT64_MAX; /* as a bus has it */
    }
    return value;
}

bool nvme_host_set_register(NvmeHost *host, unsigned offset, uint64_t value, unsigned size)
{
    return pwrite(host->device, &value, size, (off_t)(host->bar + offset)) == (ssize_t)size;
}

uint8_t *nvme_host_alloc(NvmeHost *host, size_t size, uint64_t *at)
{
    uint8_t *memory = host->memory + host->taken;

    *at = IOVA + host->taken;
    host->taken += (size + NVME_HOST_PAGE - 1) & ~(size_t)(NVME_HOST_PAGE - 1);
    g_assert(host->taken <= MEMORY);
    return memory;
}

/* Until what @mask has of its status is @wanted. */
static bool wait_status(NvmeHost *host, uint32_t mask, uint32_t wanted, unsigned ms)
{
    for (unsigned i = 0; i <= ms; i++) {
        uint32_t status = (uint32_t)nvme_host_register(host, REG_CSTS, 4);

        if (status == UINT32_MAX) {
            return false;
        }
        if ((status & mask) == wanted) {
            return true;
        }
        g_usleep(STEP_US);
    }
    return false;
}

/* ---- the device ---- */

static bool open_device(NvmeHost *host, const char *device, GError **errp)
{
    g_autofree char *name = vfio_pci_name(device), *folder = NULL, *number = NULL;

    if (!name) {
        error_set(errp, "device=%s: it must be a place as lspci -D names it, such as 0000:06:00.0",
                  device);
        return false;
    }
    folder = g_strdup_printf("/sys/bus/pci/devices/%s", name);
    number = vfio_check_driver(folder, errp) ? vfio_group_number(folder, errp) : NULL;
    if (!number || (host->group = vfio_group_open(number, errp)) < 0 ||
        (host->container = vfio_container_open(errp)) < 0) {
        return false;
    }
    if (ioctl(host->group, VFIO_GROUP_SET_CONTAINER, &host->container) < 0) {
        error_set_errno(errp, errno, "IOMMU group %s of %s is not free", number, name);
        return false;
    }
    if (!vfio_container_set_iommu(host->container, errp)) {
        return false;
    }
    host->device = ioctl(host->group, VFIO_GROUP_GET_DEVICE_FD, name);
    if (host->device < 0) {
        error_set_errno(errp, errno, "the host's VFIO does not give device %s", name);
        return false;
    }
    return true;
}

static bool find_region(NvmeHost *host, unsigned index, uint64_t least, uint64_t *at, GError **errp)
{
    struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

    if (ioctl(host->device, VFIO_DEVICE_GET_REGION_INFO, &info) < 0 || info.size < least) {
        error_set(errp, "it is no NVMe controller: it has no registers");
        return false;
    }
    *at = info.offset;
    return true;
}

static bool map_memory(NvmeHost *host, GError **errp)
{
    struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map),
                                            .flags =
                                                VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
                                            .iova = IOVA,
                                            .size = MEMORY };

    /* Shared, as a daemon is a fork of who has opened it. */
    host->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (host->memory == MAP_FAILED) {
        host->memory = NULL;
        error_set_errno(errp, errno, "no memory for its queues");
        return false;
    }
    map.vaddr = (uintptr_t)host->memory;
    if (ioctl(host->container, VFIO_IOMMU_MAP_DMA, &map) < 0) {
        error_set_errno(errp, errno, "the controller cannot be given %u MiB of memory%s",
                        MEMORY >> 20,
                        errno == ENOMEM ? ": they are locked, within the limit of locked memory "
                                          "(ulimit -l)"
                                        : "");
        return false;
    }
    host->mapped = true;
    return true;
}

/* One message for all. */
static bool set_interrupt(NvmeHost *host, GError **errp)
{
    static const unsigned kinds[] = { VFIO_PCI_MSIX_IRQ_INDEX, VFIO_PCI_MSI_IRQ_INDEX };
    union {
        struct vfio_irq_set set;
        uint8_t bytes[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
    } u = { 0 };

    host->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (unsigned i = 0; host->event >= 0 && i < G_N_ELEMENTS(kinds); i++) {
        u.set =
            (struct vfio_irq_set){ .argsz = sizeof(u),
                                   .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
                                   .index = kinds[i],
                                   .count = 1 };
        memcpy(u.set.data, &host->event, sizeof(int32_t));
        if (ioctl(host->device, VFIO_DEVICE_SET_IRQS, &u) == 0) {
            return true;
        }
    }
    error_set(errp, "it has no interrupts by message (MSI, MSI-X)");
    return false;
}

static bool become_master(NvmeHost *host)
{
    uint16_t command;

    if (pread(host->device, &command, 2, (off_t)host->config + PCI_COMMAND_AT) != 2) {
        return false;
    }
    command |= PCI_COMMAND_MEMORY_MASTER;
    return pwrite(host->device, &command, 2, (off_t)host->config + PCI_COMMAND_AT) == 2;
}

/* ---- the controller ---- */

static bool check_capabilities(NvmeHost *host, GError **errp)
{
    const uint64_t cap = nvme_host_register(host, REG_CAP, 8);
    const unsigned entries = (unsigned)(cap & 0xffff) + 1, page = (unsigned)(cap >> 48 & 0xf);

    if (cap == UINT64_MAX || !(cap >> 37 & 1) || page || entries < ENTRIES) {
        error_set(errp,
                  "it is no NVMe controller that can be used here: one with the NVM command set, "
                  "pages of 4096 bytes, and queues of %d entries (CAP is 0x%" PRIx64 ")",
                  ENTRIES, cap);
        return false;
    }
    host->stride = 4u << (cap >> 32 & 0xf);
    host->ready_ms = MIN((unsigned)(cap >> 24 & 0xff) * 500 + 500, READY_MS_MAX);
    return true;
}

static bool enable(NvmeHost *host, GError **errp)
{
    nvme_host_set_register(host, REG_CC, 0, 4);
    if (!wait_status(host, CSTS_RDY, 0, host->ready_ms)) {
        error_set(errp, "the controller does not stop");
        return false;
    }
    nvme_host_init_queue(host, &host->admin, 0, ENTRIES);
    nvme_host_init_queue(host, &host->io, 1, ENTRIES);
    nvme_host_set_register(host, REG_AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1), 4);
    nvme_host_set_register(host, REG_ASQ, host->admin.sq_at, 8);
    nvme_host_set_register(host, REG_ACQ, host->admin.cq_at, 8);
    nvme_host_set_register(host, REG_CC, CC_ENTRIES | CC_EN, 4);
    host->enabled = true;
    if (!wait_status(host, CSTS_RDY | CSTS_FATAL, CSTS_RDY, host->ready_ms)) {
        error_set(errp, "the controller does not become ready");
        return false;
    }
    return true;
}

static bool admin(NvmeHost *host, NvmeHostCommand command, const char *what, GError **errp)
{
    NvmeHostSlot *slot = nvme_host_take(&host->admin);
    int err = nvme_host_run(&host->admin, slot, &command, 0);

    nvme_host_give(&host->admin, slot);
    if (err) {
        error_set(errp, "the controller does not %s", what);
    }
    return !err;
}

static bool make_queues(NvmeHost *host, GError **errp)
{
    enum { CONTIGUOUS = 1, INTERRUPTS = 2 };
    const uint32_t size = (ENTRIES - 1) << 16 | host->io.id;
    const NvmeHostCommand number = { .opcode = NVME_HOST_SET_FEATURES,
                                     .cdw10 = NVME_HOST_FEATURE_QUEUES };
    const NvmeHostCommand cq = { .opcode = NVME_HOST_CREATE_CQ,
                                 .prp1 = host->io.cq_at,
                                 .cdw10 = size,
                                 .cdw11 = CONTIGUOUS | INTERRUPTS };
    const NvmeHostCommand sq = { .opcode = NVME_HOST_CREATE_SQ,
                                 .prp1 = host->io.sq_at,
                                 .cdw10 = size,
                                 .cdw11 = CONTIGUOUS | host->io.id << 16 };

    return admin(host, number, "say how many queues it has", errp) &&
           admin(host, cq, "make a queue for completions", errp) &&
           admin(host, sq, "make a queue for commands", errp);
}

bool nvme_host_open(NvmeHost *host, const char *device, GError **errp)
{
    *host = (NvmeHost){ .group = -1, .container = -1, .device = -1, .event = -1 };
    g_mutex_init(&host->mutex);
    g_cond_init(&host->changed);
    if (!open_device(host, device, errp) ||
        !find_region(host, VFIO_PCI_BAR0_REGION_INDEX, 2 * NVME_HOST_PAGE, &host->bar, errp) ||
        !find_region(host, VFIO_PCI_CONFIG_REGION_INDEX, 256, &host->config, errp)) {
        return false;
    }
    if (!become_master(host)) {
        error_set(errp, "its configuration cannot be written");
        return false;
    }
    return check_capabilities(host, errp) && map_memory(host, errp) && set_interrupt(host, errp) &&
           enable(host, errp) && make_queues(host, errp);
}

static void stop(NvmeHost *host)
{
    if (!host->broken) {
        nvme_host_set_register(host, REG_CC, CC_ENTRIES | CC_EN | CC_SHUTDOWN, 4);
        wait_status(host, CSTS_SHUT_MASK, CSTS_SHUT_DONE, host->ready_ms);
    }
    nvme_host_set_register(host, REG_CC, 0, 4);
    wait_status(host, CSTS_RDY, 0, host->broken ? READY_MS_BROKEN : host->ready_ms);
}

void nvme_host_close(NvmeHost *host)
{
    struct vfio_iommu_type1_dma_unmap unmap = { .argsz = sizeof(unmap),
                                                .iova = IOVA,
                                                .size = MEMORY };

    if (host->enabled) {
        stop(host);
    }
    if (host->device >= 0) {
        close(host->device);
    }
    if (host->mapped) {
        ioctl(host->container, VFIO_IOMMU_UNMAP_DMA, &unmap);
    }
    if (host->memory) {
        munmap(host->memory, MEMORY);
    }
    if (host->group >= 0) {
        close(host->group);
    }
    if (host->container >= 0) {
        close(host->container);
    }
    if (host->event >= 0) {
        close(host->event);
    }
    g_mutex_clear(&host->mutex);
    g_cond_clear(&host->changed);
}
