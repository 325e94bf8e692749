/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtio-iommu.h"

#include <string.h>

#include "hw/pci/pci-iommu.h"
#include "hw/virtio/virtio-iommu-domains.h"
#include "hw/virtio/virtio-iommu-regs.h"
#include "hw/virtio/virtio-pci.h"
#include "util/error.h"
#include "util/loop.h"

#define QUEUE_SIZE 256
#define MAX_FAULTS 32 /* that wait to be told */

enum { REQUESTS, EVENTS };

typedef struct VirtioIommu {
    VirtioDevice parent;
    uint8_t bypass; /* of the configuration; lock */
    GBytes *saved;  /* the domains, while the state is saved or loaded */
    /* configuration */
    bool boot_bypass;
    /* wiring: translations come from threads that have not the machine lock. What is here, `bypass`
     * and `passes` is under `lock`, which nobody holds while he waits. */
    GMutex lock;
    ViommuDomains *domains;
    VirtioIommuFault faults[MAX_FAULTS];
    unsigned fault_count;
    GSource *teller; /* in the main loop; NULL: there is nothing to tell */
    PciBus *root;
    PciIommu ops;
} VirtioIommu;
OBJECT_CAST_DEFINE(VirtioIommu, VIRTIO_IOMMU, TYPE_VIRTIO_IOMMU)

/* ---- translating ---- */

static void drop_teller(VirtioIommu *s)
{
    if (s->teller) {
        g_source_destroy(s->teller);
        g_clear_pointer(&s->teller, g_source_unref);
    }
}

static void forget_faults(VirtioIommu *s)
{
    g_mutex_lock(&s->lock);
    drop_teller(s);
    s->fault_count = 0;
    g_mutex_unlock(&s->lock);
}

static unsigned take_faults(VirtioIommu *s, VirtioIommuFault *faults)
{
    unsigned count;

    g_mutex_lock(&s->lock);
    drop_teller(s);
    count = s->fault_count;
    memcpy(faults, s->faults, count * sizeof(*faults));
    s->fault_count = 0;
    g_mutex_unlock(&s->lock);
    return count;
}

/* Where the driver has given no buffer for it, a fault is lost (section 5.13.6.9). */
static gboolean tell_faults(gpointer opaque)
{
    VirtioIommu *s = opaque;
    VirtQueue *vq = virtio_queue(&s->parent, EVENTS);
    VirtioIommuFault faults[MAX_FAULTS];
    unsigned count = take_faults(s, faults);

    for (unsigned i = 0; i < count && virtio_device_runs(&s->parent); i++) {
        VirtqElement *element = virtq_pop(vq);

        if (element) {
            virtq_push(vq, element,
                       (uint32_t)virtq_write(element, 0, &faults[i], sizeof(faults[i])));
        }
    }
    virtio_notify(&s->parent, vq);
    return G_SOURCE_REMOVE;
}

static void note_fault(VirtioIommu *s, uint16_t source, uint64_t addr, bool write, uint8_t reason)
{
    if (s->fault_count == MAX_FAULTS) {
        return;
    }
    s->faults[s->fault_count++] = (VirtioIommuFault){
        .reason = reason,
        .flags = GUINT32_TO_LE(VIRTIO_IOMMU_FAULT_ADDRESS |
                               (write ? VIRTIO_IOMMU_FAULT_WRITE : VIRTIO_IOMMU_FAULT_READ)),
        .endpoint = GUINT32_TO_LE(source),
        .address = GUINT64_TO_LE(addr),
    };
    if (!s->teller) {
        s->teller = g_idle_source_new();
        g_source_set_priority(s->teller, G_PRIORITY_DEFAULT);
        g_source_set_callback(s->teller, tell_faults, s, NULL);
        loop_attach(loop_main(), s->teller);
    }
}

/* A driver that knows nothing of `bypass` lets nobody pass (section 5.13.6.3.1). */
static bool passes(const VirtioIommu *s)
{
    return s->bypass && (!(s->parent.status & VIRTIO_STATUS_FEATURES_OK) ||
                         virtio_has(&s->parent, VIRTIO_IOMMU_F_BYPASS_CONFIG));
}

static bool translate(void *opaque, uint16_t source, hwaddr addr, bool write, hwaddr *to,
                      uint64_t *size)
{
    VirtioIommu *s = opaque;
    bool ok = true;

    *to = addr;
    *size = MAX(UINT64_MAX - addr, 1u);
    if (addr >= VIRTIO_IOMMU_MSI_FIRST && addr <= VIRTIO_IOMMU_MSI_LAST) {
        *size = VIRTIO_IOMMU_MSI_LAST + 1ull - addr;
        return true;
    }
    g_mutex_lock(&s->lock);
    ViommuFound found = viommu_find(s->domains, source, addr, write, to, size);
    if (found == VIOMMU_NO_MAPPING || (found == VIOMMU_NO_DOMAIN && !passes(s))) {
        note_fault(s, source, addr, write,
                   found == VIOMMU_NO_DOMAIN ? VIRTIO_IOMMU_FAULT_DOMAIN
                                             : VIRTIO_IOMMU_FAULT_MAPPING);
        ok = false;
    }
    g_mutex_unlock(&s->lock);
    return ok;
}

/* ---- requests ---- */

/* Is there a function of that ID, or one that a bridge may speak for? */
static bool has_endpoint(const VirtioIommu *s, uint32_t endpoint)
{
    return endpoint <= UINT16_MAX &&
           ((endpoint >> 8 && !(endpoint & 0xff)) ||
            pci_config_read(s->root, (uint8_t)(endpoint >> 8), (uint8_t)endpoint, PCI_VENDOR_ID,
                            2) != 0xffff);
}

static uint8_t attach(VirtioIommu *s, const void *request)
{
    const VirtioIommuAttach *a = request;
    uint32_t endpoint = GUINT32_FROM_LE(a->endpoint), flags = GUINT32_FROM_LE(a->flags);
    uint32_t known =
        virtio_has(&s->parent, VIRTIO_IOMMU_F_BYPASS_CONFIG) ? VIRTIO_IOMMU_ATTACH_BYPASS : 0;

    if (flags & ~known || a->reserved) {
        return VIRTIO_IOMMU_INVALID;
    }
    if (!has_endpoint(s, endpoint)) {
        return VIRTIO_IOMMU_NO_ENTRY;
    }
    return viommu_attach(s->domains, GUINT32_FROM_LE(a->domain), (uint16_t)endpoint, flags);
}

static uint8_t detach(VirtioIommu *s, const void *request)
{
    const VirtioIommuAttach *a = request; /* the same, without flags */
    uint32_t endpoint = GUINT32_FROM_LE(a->endpoint);

    if (!has_endpoint(s, endpoint)) {
        return VIRTIO_IOMMU_NO_ENTRY;
    }
    return viommu_detach(s->domains, GUINT32_FROM_LE(a->domain), (uint16_t)endpoint);
}

static uint8_t map(VirtioIommu *s, const void *request)
{
    const VirtioIommuMap *m = request;

    return viommu_map(s->domains, GUINT32_FROM_LE(m->domain), GUINT64_FROM_LE(m->start),
                      GUINT64_FROM_LE(m->end), GUINT64_FROM_LE(m->to), GUINT32_FROM_LE(m->flags));
}

static uint8_t unmap(VirtioIommu *s, const void *request)
{
    const VirtioIommuUnmap *u = request;

    return viommu_unmap(s->domains, GUINT32_FROM_LE(u->domain), GUINT64_FROM_LE(u->start),
                        GUINT64_FROM_LE(u->end));
}

static uint8_t probe(VirtioIommu *s, const void *request)
{
    const VirtioIommuProbe *p = request;

    return has_endpoint(s, GUINT32_FROM_LE(p->endpoint)) ? VIRTIO_IOMMU_OK : VIRTIO_IOMMU_NO_ENTRY;
}

static const struct {
    uint8_t (*handle)(VirtioIommu *s, const void *request); /* locked */
    size_t size;
} requests[] = {
    [VIRTIO_IOMMU_ATTACH] = { attach, sizeof(VirtioIommuAttach) },
    [VIRTIO_IOMMU_DETACH] = { detach, sizeof(VirtioIommuAttach) },
    [VIRTIO_IOMMU_MAP] = { map, sizeof(VirtioIommuMap) },
    [VIRTIO_IOMMU_UNMAP] = { unmap, sizeof(VirtioIommuUnmap) },
    [VIRTIO_IOMMU_PROBE] = { probe, sizeof(VirtioIommuProbe) },
};

static uint8_t carry_out(VirtioIommu *s, const VirtqElement *element, uint8_t *type)
{
    union {
        uint8_t type;
        VirtioIommuAttach attach;
        VirtioIommuMap map;
        VirtioIommuUnmap unmap;
        VirtioIommuProbe probe;
    } request = { 0 };
    size_t size = virtq_read(element, 0, &request, sizeof(request));
    uint8_t status;

    *type = request.type;
    if (*type >= G_N_ELEMENTS(requests) || !requests[*type].handle) {
        return VIRTIO_IOMMU_UNSUPPORTED;
    }
    if (size < requests[*type].size) {
        return VIRTIO_IOMMU_INVALID;
    }
    g_mutex_lock(&s->lock);
    status = requests[*type].handle(s, &request);
    g_mutex_unlock(&s->lock);
    return status;
}

static const VirtioIommuReserved messages = {
    .type = GUINT16_TO_LE(VIRTIO_IOMMU_PROBE_RESERVED),
    .length = GUINT16_TO_LE(sizeof(VirtioIommuReserved) - 4),
    .subtype = VIRTIO_IOMMU_RESERVED_MSI,
    .start = GUINT64_TO_LE(VIRTIO_IOMMU_MSI_FIRST),
    .end = GUINT64_TO_LE(VIRTIO_IOMMU_MSI_LAST),
};

/* What it says of the endpoint, and the status, which is last. */
static uint32_t answer(const VirtqElement *element, uint8_t type, uint8_t status)
{
    uint8_t reply[VIRTIO_IOMMU_PROBE_SIZE + 4] = { 0 };
    bool room = element->in_size >= sizeof(reply);
    size_t properties = type == VIRTIO_IOMMU_PROBE && room ? VIRTIO_IOMMU_PROBE_SIZE : 0;

    if (type == VIRTIO_IOMMU_PROBE && !room) {
        status = VIRTIO_IOMMU_INVALID;
    }
    if (properties && status == VIRTIO_IOMMU_OK) {
        memcpy(reply, &messages, sizeof(messages));
    }
    reply[properties] = status;
    return (uint32_t)virtq_write(element, 0, reply, properties + 4);
}

static void handle_requests(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioIommu *s = VIRTIO_IOMMU(vdev);
    VirtqElement *element = virtq_pop(vq);
    uint8_t type, status;

    if (!element) {
        return;
    }
    if (element->in_size < 4 || !element->out_size) {
        virtq_break(vq, "a buffer is too small for a request and its status");
        virtq_drop(vq, element);
        return;
    }
    status = carry_out(s, element, &type);
    virtq_push(vq, element, answer(element, type, status));
    virtio_notify(vdev, vq);
    virtio_queue_again(vdev, vq);
}

/* Buffers for faults wait in the ring. */
static void handle_events(VirtioDevice *vdev, VirtQueue *vq)
{
}

/* ---- configuration ---- */

static void config_read(VirtioDevice *vdev, uint8_t *bytes)
{
    const VirtioIommuConfig config = {
        .page_size_mask = GUINT64_TO_LE(~(uint64_t)(VIOMMU_PAGE - 1)),
        .input_end = UINT64_MAX,
        .domain_end = UINT32_MAX,
        .probe_size = GUINT32_TO_LE(VIRTIO_IOMMU_PROBE_SIZE),
        .bypass = VIRTIO_IOMMU(vdev)->bypass,
    };

    memcpy(bytes, &config, sizeof(config));
}

static void config_written(VirtioDevice *vdev, const uint8_t *config, unsigned offset,
                           unsigned size)
{
    VirtioIommu *s = VIRTIO_IOMMU(vdev);

    if (pci_touches(offset, size, VIRTIO_IOMMU_BYPASS_AT, 1) &&
        virtio_has(vdev, VIRTIO_IOMMU_F_BYPASS_CONFIG)) {
        g_mutex_lock(&s->lock);
        s->bypass = config[VIRTIO_IOMMU_BYPASS_AT] & 1;
        g_mutex_unlock(&s->lock);
    }
}

/* ---- life ---- */

static void forget_domains(VirtioIommu *s)
{
    g_mutex_lock(&s->lock);
    viommu_domains_free(s->domains);
    s->domains = viommu_domains_new();
    g_mutex_unlock(&s->lock);
    forget_faults(s);
}

/* Who has passed passes still, and nobody else: only a reset of the machine is a new start. */
static void iommu_driver_reset(VirtioDevice *vdev)
{
    forget_domains(VIRTIO_IOMMU(vdev));
}

static void iommu_reset(Device *dev)
{
    VirtioIommu *s = VIRTIO_IOMMU(dev);

    virtio_device_reset(dev);
    s->bypass = s->boot_bypass;
}

static bool iommu_realize(VirtioDevice *vdev, GError **errp)
{
    static const unsigned features[] = { VIRTIO_IOMMU_F_INPUT_RANGE, VIRTIO_IOMMU_F_DOMAIN_RANGE,
                                         VIRTIO_IOMMU_F_MAP_UNMAP, VIRTIO_IOMMU_F_PROBE,
                                         VIRTIO_IOMMU_F_BYPASS_CONFIG };
    VirtioIommu *s = VIRTIO_IOMMU(vdev);

    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        virtio_offer(vdev, features[i]);
    }
    virtio_add_queue(vdev, QUEUE_SIZE, handle_requests);
    virtio_add_queue(vdev, QUEUE_SIZE, handle_events);
    s->bypass = s->boot_bypass;
    return true;
}

static void iommu_unrealize(VirtioDevice *vdev)
{
    forget_faults(VIRTIO_IOMMU(vdev));
}

static void iommu_init(Object *obj)
{
    VirtioIommu *s = VIRTIO_IOMMU(obj);

    g_mutex_init(&s->lock);
    s->domains = viommu_domains_new();
}

static void iommu_finalize(Object *obj)
{
    VirtioIommu *s = VIRTIO_IOMMU(obj);

    viommu_domains_free(s->domains);
    g_mutex_clear(&s->lock);
    g_clear_pointer(&s->saved, g_bytes_unref);
}

/* ---- state ---- */

static void iommu_saving(void *obj)
{
    VirtioIommu *s = obj;

    g_clear_pointer(&s->saved, g_bytes_unref);
    g_mutex_lock(&s->lock);
    s->saved = viommu_save(s->domains);
    g_mutex_unlock(&s->lock);
}

static bool iommu_loaded(void *obj, GError **errp)
{
    VirtioIommu *s = obj;
    bool ok;

    forget_domains(s);
    g_mutex_lock(&s->lock);
    ok = s->saved && viommu_load(s->domains, s->saved);
    g_mutex_unlock(&s->lock);
    g_clear_pointer(&s->saved, g_bytes_unref);
    if (!ok) {
        error_set(errp, "the domains of the " TYPE_VIRTIO_IOMMU_PCI " make no sense");
    }
    return ok;
}

static const StateField iommu_fields[] = {
    STATE_STRUCT(VirtioIommu, parent, &virtio_device_state),
    STATE_UINT_MAX(VirtioIommu, bypass, 1),
    STATE_BLOB(VirtioIommu, saved),
    {},
};
static const StateTable iommu_state = { .name = "virtio-iommu",
                                        .version = 1,
                                        .fields = iommu_fields,
                                        .pre_save = iommu_saving,
                                        .post_load = iommu_loaded };

/* ---- the types ---- */

static const Property iommu_properties[] = {
    { .name = "boot-bypass",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtioIommu, boot_bypass),
      .has_default = true,
      .default_int = true,
      .description =
          "until the driver says otherwise, functions get at memory as without an IOMMU" },
    { 0 },
};

static const VirtioDeviceClass iommu_class = {
    .device = { .bus = TYPE_VIRTIO_BUS,
                .realize = virtio_device_realize,
                .unrealize = virtio_device_unrealize,
                .reset = iommu_reset,
                .category = "misc",
                .state = &iommu_state },
    .id = VIRTIO_ID_IOMMU,
    .config_size = sizeof(VirtioIommuConfig),
    .realize = iommu_realize,
    .unrealize = iommu_unrealize,
    .reset = iommu_driver_reset,
    .config_read = config_read,
    .config_written = config_written,
};

static const ObjectType iommu_type = {
    .name = TYPE_VIRTIO_IOMMU,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "an IOMMU whose guest tells of mappings by requests",
    .instance_size = sizeof(VirtioIommu),
    .properties = iommu_properties,
    .ops = &iommu_class,
    .init = iommu_init,
    .finalize = iommu_finalize,
};
OBJECT_TYPE_REGISTER(iommu_type)

static bool iommu_pci_realize(PciDevice *dev, GError **errp)
{
    PciBus *bus = pci_bus_of(dev);
    VirtioIommu *s;

    if (bus != pci_root_bus()) {
        error_set(errp,
                  "bus '%s' is not the root bus: tables say where it is, so it must be on '%s'",
                  bus->parent.parent.name, pci_root_bus()->parent.parent.name);
        return false;
    }
    if (!pci_iommu_check(bus, errp) || !virtio_check_iommu_all(errp) ||
        !virtio_pci_realize(dev, errp)) {
        return false;
    }
    s = VIRTIO_IOMMU(VIRTIO_PCI(dev)->vdev);
    s->root = bus;
    s->ops = (PciIommu){ .translate = translate, .opaque = s };
    pci_iommu_set(bus, &s->ops);
    dev->iommu.translate = NULL; /* its own requests have physical addresses */
    return true;
}

static void iommu_pci_unrealize(PciDevice *dev)
{
    pci_iommu_set(pci_bus_of(dev), NULL);
    virtio_pci_unrealize(dev);
}

const PciDevice *virtio_iommu_find(void)
{
    Object *found = object_find_type(TYPE_VIRTIO_IOMMU_PCI);

    return found && DEVICE(found)->realized ? PCI_DEVICE(found) : NULL;
}

/* The tables tell of it, and devices are above or below it, from the start on: it does not come or
 * go. */
static const VirtioPciClass iommu_pci = {
    .pci = { .device = { PCI_DEVICE_CLASS_CORE, .category = "misc", .flags = DEVICE_USER_CREATABLE,
                         .state = &virtio_pci_state },
             .realize = iommu_pci_realize,
             .unrealize = iommu_pci_unrealize,
             .reset = virtio_pci_reset,
             .loaded = virtio_pci_loaded,
             .config_reading = virtio_pci_config_reading,
             .config_written = virtio_pci_config_written },
    .pci_class = 0x00ff,
};
VIRTIO_PCI_TYPE(iommu, "virtio-iommu", "", TYPE_VIRTIO_IOMMU, &iommu_pci,
                "an IOMMU whose guest tells of mappings by requests", NULL,
                virtio_pci_mode_properties)
