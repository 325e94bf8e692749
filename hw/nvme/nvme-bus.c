/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Namespaces: that of a controller's own drive, and nvme-ns, which is on a controller's bus. */
#include <inttypes.h>
#include <string.h>

#include "hw/core/boot-order.h"
#include "hw/core/bus.h"
#include "hw/core/runstate.h"
#include "hw/nvme/nvme.h"
#include "util/error.h"
#include "util/units.h"

struct NvmeBus {
    Bus parent;
    Device *owner; /* an Nvme, or an NvmeSubsys */
};
OBJECT_CAST_DEFINE(NvmeBus, NVME_BUS, TYPE_NVME_BUS)

/* ---- namespaces ---- */

NvmeNs *nvme_ns(const Nvme *n, uint32_t nsid)
{
    return nsid >= 1 && nsid <= NVME_NAMESPACES ? n->ns[nsid - 1] : NULL;
}

NvmeNs *nvme_active_ns(const Nvme *n, uint32_t nsid)
{
    NvmeNs *ns = nvme_ns(n, nsid);

    return ns && ns->zones && (n->cc & NVME_CC_CSS) != NVME_CC_CSS_SETS ? NULL : ns;
}

/* Zones are made once: what an image grows by later is in none. */
uint64_t nvme_ns_blocks(const NvmeNs *ns)
{
    uint64_t blocks = block_backend_size(ns->conf->backend) / ns->conf->logical;

    return ns->zones ? MIN(blocks, ns->zones->count * ns->zones->size) : blocks;
}

static void resized(void *opaque)
{
    NvmeNs *ns = opaque;
    uint64_t before = ns->blocks;

    ns->blocks = nvme_ns_blocks(ns);
    if (!before || ns->blocks == before) {
        return; /* of an image that is there now, as the machine has come */
    }
    for (unsigned i = 0; ns->subsys && i < NVME_CONTROLLERS; i++) {
        if (ns->subsys->controllers[i] && nvme_ns(ns->subsys->controllers[i], ns->nsid) == ns) {
            nvme_ns_changed(ns->subsys->controllers[i], ns->nsid);
        }
    }
    if (!ns->subsys) {
        nvme_ns_changed(ns->controller, ns->nsid);
    }
}

void nvme_ns_changed(Nvme *n, uint32_t nsid)
{
    n->changed[(nsid - 1) / 32] |= 1u << (nsid - 1) % 32;
    nvme_event(n, NVME_EVENT_NAMESPACE);
}

static bool find_number(const Nvme *n, uint32_t *nsid, GError **errp)
{
    NvmeNs *const *taken = n->subsys ? nvme_subsys(n)->ns : n->ns;
    const char *whose = n->subsys ? "subsystem" : "controller";

    if (*nsid > NVME_NAMESPACES) {
        error_set(errp, "nsid=%u: namespaces have numbers from 1 to %u", *nsid, NVME_NAMESPACES);
        return false;
    }
    if (*nsid && taken[*nsid - 1]) {
        error_set(errp, "nsid=%u: the %s has a namespace of that number already", *nsid, whose);
        return false;
    }
    for (uint32_t i = 1; !*nsid && i <= NVME_NAMESPACES; i++) {
        *nsid = taken[i - 1] ? 0 : i;
    }
    if (!*nsid) {
        error_set(errp, "the %s has %u namespaces, which is all that it can have", whose,
                  NVME_NAMESPACES);
    }
    return *nsid;
}

/* An image that a machine that comes has not got yet has its zones with that machine's state. */
static bool add_zones(NvmeNs *ns, const NvmeZoneConf *conf, GError **errp)
{
    uint64_t blocks = nvme_ns_blocks(ns);

    if (!conf || !conf->zoned) {
        return true;
    }
    if (!blocks && runstate_get() != RUN_STATE_INMIGRATE) {
        error_set(errp, "zoned=on: the drive is empty, and has no place for a zone");
        return false;
    }
    return (ns->zones = nvme_zones_new(conf, blocks, ns->conf->logical, errp));
}

bool nvme_ns_add(NvmeNs *ns, Nvme *n, const Device *dev, uint32_t nsid, const NvmeZoneConf *zoned,
                 GError **errp)
{
    static const BlockBackendOps ops = { .resized = resized };

    if (!find_number(n, &nsid, errp)) {
        return false;
    }
    ns->nsid = nsid;
    ns->controller = n;
    if (!block_conf_realize(ns->conf, dev, BLOCK_SECTOR, NVME_SERIAL_MAX, false, loop_main(), &ops,
                            ns, errp)) {
        return false;
    }
    if (!add_zones(ns, zoned, errp)) {
        block_conf_unrealize(ns->conf);
        return false;
    }
    ns->blocks = nvme_ns_blocks(ns);
    if (ns->subsys) {
        nvme_subsys_add_ns(ns);
    } else {
        n->ns[nsid - 1] = ns;
    }
    return true;
}

void nvme_ns_remove(NvmeNs *ns)
{
    if (ns->conf && ns->conf->backend) {
        block_drain(ns->conf->backend);
        if (ns->subsys) {
            nvme_subsys_remove_ns(ns);
        } else {
            ns->controller->ns[ns->nsid - 1] = NULL;
        }
        block_conf_unrealize(ns->conf);
        g_clear_pointer(&ns->zones, nvme_zones_free);
    }
}

/* ---- nvme-ns ---- */

typedef struct NvmeNsDevice {
    Device parent;
    /* configuration */
    BlockConf conf;
    uint32_t nsid; /* 0: the first that is free */
    char *uuid;    /* NULL: none */
    uint64_t eui64;
    bool shared, detached;
    NvmeZoneConf zones;
    /* wiring */
    Nvme *home; /* where the user has put it, if that is in a subsystem */
    NvmeNs ns;
    /* state */
    GBytes *zones_state; /* of ns.zones, in a saved machine; NULL: not zoned */
} NvmeNsDevice;
OBJECT_CAST_DEFINE(NvmeNsDevice, NVME_NS_DEVICE, TYPE_NVME_NS)

static bool parse_uuid(const char *text, uint8_t uuid[16])
{
    unsigned n = 0;

    if (strlen(text) != 36 || !g_uuid_string_is_valid(text)) {
        return false;
    }
    for (const char *p = text; *p; p++) {
        if (*p != '-') {
            uint8_t *byte = &uuid[n++ / 2];

            *byte = (uint8_t)(*byte << 4 | g_ascii_xdigit_value(*p));
        }
    }
    return true;
}

/* A controller that goes leaves the namespaces of its subsystem: they are on that one's bus. */
static bool move(NvmeNsDevice *s, GError **errp)
{
    Device *dev = &s->parent;
    NvmeBus *bus = NVME_BUS(dev->bus);

    if (object_is_a(OBJECT(bus->owner), TYPE_NVME_SUBSYS)) {
        return s->home != NULL; /* it was there before */
    }
    s->home = NVME(bus->owner);
    if (s->home->subsys) {
        bus_detach(dev);
        dev->bus = &nvme_subsys(s->home)->bus->parent;
        return bus_attach(dev, errp);
    }
    return true;
}

static bool set_uuid(NvmeNsDevice *s, GError **errp)
{
    if (s->uuid && strcmp(s->uuid, "auto") == 0) {
        g_free(s->uuid);
        s->uuid = g_uuid_string_random();
    }
    if (s->uuid && !parse_uuid(s->uuid, s->ns.uuid)) {
        error_set(errp, "uuid=%s is no UUID: expects 8-4-4-4-12 hexadecimal digits", s->uuid);
        return false;
    }
    return true;
}

static bool ns_realize(Device *dev, GError **errp)
{
    NvmeNsDevice *s = NVME_NS_DEVICE(dev);
    g_autofree char *below = NULL;

    if (object_is_a(OBJECT(NVME_BUS(dev->bus)->owner), TYPE_NVME_SUBSYS) && !s->home) {
        error_set(errp, "bus=%s is a subsystem: name one of its controllers",
                  dev->bus->parent.name);
        return false;
    }
    if (!move(s, errp)) {
        return false;
    }
    Nvme *n = s->home;
    s->ns = (NvmeNs){ .conf = &s->conf,
                      .eui64 = s->eui64,
                      .subsys = nvme_subsys(n),
                      .shared = n->subsys && s->shared,
                      .detached = s->detached };
    if (s->detached && !n->subsys) {
        error_set(errp, "detached=on: the controller is in no subsystem, of which another one "
                        "could have it; give it subsys=");
        return false;
    }
    if (!set_uuid(s, errp)) {
        return false;
    }
    if (!nvme_ns_add(&s->ns, n, dev, s->nsid, &s->zones, errp)) {
        return false;
    }
    s->nsid = s->ns.nsid;
    below = g_strdup_printf("/namespace@%u,%" PRIx64, s->nsid, s->eui64);
    if (!boot_order_add(dev, s->conf.boot_index, &n->parent.parent, NVME_FIRMWARE_KIND, below,
                        errp)) {
        nvme_ns_remove(&s->ns);
        return false;
    }
    return true;
}

/* Zones stay; but what was saved of them is of another time. */
static void ns_reset(Device *dev)
{
    g_clear_pointer(&NVME_NS_DEVICE(dev)->zones_state, g_bytes_unref);
}

static void ns_unrealize(Device *dev)
{
    boot_order_remove(dev);
    nvme_ns_remove(&NVME_NS_DEVICE(dev)->ns);
    ns_reset(dev);
}

static void ns_pre_save(void *obj)
{
    NvmeNsDevice *s = obj;

    g_clear_pointer(&s->zones_state, g_bytes_unref);
    s->zones_state = s->ns.zones ? nvme_zones_save(s->ns.zones) : NULL;
}

static bool ns_post_load(void *obj, GError **errp)
{
    NvmeNsDevice *s = obj;
    g_autoptr(GBytes) saved = g_steal_pointer(&s->zones_state);

    if (!saved != !s->ns.zones) {
        error_set(errp, "namespace %u is zoned here or where it comes from, and not in both places",
                  s->nsid);
        return false;
    }
    return !saved || nvme_zones_load(s->ns.zones, saved, errp);
}

static const StateField ns_fields[] = {
    STATE_BLOB(NvmeNsDevice, zones_state),
    {},
};
static const StateTable ns_state = { .name = TYPE_NVME_NS,
                                     .version = 1,
                                     .fields = ns_fields,
                                     .added = true,
                                     .pre_save = ns_pre_save,
                                     .post_load = ns_post_load };

#define ZONE_PROPERTY(NAME, KIND, member, initial, text)                                \
    {                                                                                   \
        .name = (NAME), .kind = (KIND), .offset = offsetof(NvmeNsDevice, zones.member), \
        .has_default = true, .default_int = (initial), .description = (text)            \
    }

static const Property ns_properties[] = {
    BLOCK_CONF_PROPERTIES(offsetof(NvmeNsDevice, conf)),
    { .name = "bus",
      .kind = PROP_STRING,
      .offset = offsetof(NvmeNsDevice, parent.bus_name),
      .description = "the controller, by its id; without it the first one" },
    { .name = "nsid",
      .kind = PROP_UINT32,
      .offset = offsetof(NvmeNsDevice, nsid),
      .description = "number of the namespace; 0: the first that is free" },
    { .name = "uuid",
      .kind = PROP_STRING,
      .offset = offsetof(NvmeNsDevice, uuid),
      .description = "UUID of the namespace, for the guest; auto: another one each time" },
    { .name = "shared",
      .kind = PROP_BOOL,
      .offset = offsetof(NvmeNsDevice, shared),
      .has_default = true,
      .default_int = true,
      .description = "all controllers of the subsystem have it, and not only that of `bus`" },
    { .name = "detached",
      .kind = PROP_BOOL,
      .offset = offsetof(NvmeNsDevice, detached),
      .description = "no controller of the subsystem has it, until the guest says so" },
    { .name = "eui64",
      .kind = PROP_UINT64,
      .offset = offsetof(NvmeNsDevice, eui64),
      .description = "EUI-64 of the namespace, for the guest; 0: none" },
    ZONE_PROPERTY("zoned", PROP_BOOL, zoned, false, "it has zones, which are written in order"),
    ZONE_PROPERTY("zoned.zone_size", PROP_SIZE, size, 128 * MIB, "bytes of a zone"),
    ZONE_PROPERTY("zoned.zone_capacity", PROP_SIZE, capacity, 0,
                  "bytes of it that can be written; 0: all"),
    ZONE_PROPERTY("zoned.max_active", PROP_UINT32, max_active, 0,
                  "zones that can be open or closed; 0: all"),
    ZONE_PROPERTY("zoned.max_open", PROP_UINT32, max_open, 0, "zones that can be open; 0: all"),
    ZONE_PROPERTY("zoned.descr_ext_size", PROP_UINT32, extension, 0,
                  "bytes that the guest has in the descriptor of a zone, a multiple of 64"),
    ZONE_PROPERTY("zoned.cross_read", PROP_BOOL, cross_read, false,
                  "a read may go on in the next zone"),
    { 0 },
};

static const DeviceClass ns_class = {
    .category = "storage",
    .flags = DEVICE_USER_CREATABLE,
    .bus = TYPE_NVME_BUS,
    .realize = ns_realize,
    .unrealize = ns_unrealize,
    .reset = ns_reset,
    .state = &ns_state,
};

static const ObjectType ns_type = {
    .name = TYPE_NVME_NS,
    .parent = TYPE_DEVICE,
    .description = "namespace of an NVMe controller",
    .instance_size = sizeof(NvmeNsDevice),
    .properties = ns_properties,
    .ops = &ns_class,
};
OBJECT_TYPE_REGISTER(ns_type)

/* ---- the bus ---- */

NvmeBus *nvme_bus_new(Device *dev, GError **errp)
{
    g_autofree char *name = g_strdup(dev->id);
    Bus *bus;

    for (unsigned i = 0; !name || (!dev->id && bus_find(TYPE_NVME_BUS, name, NULL)); i++) {
        g_free(name);
        name = g_strdup_printf("nvme-bus.%u", i);
    }
    bus = bus_new(TYPE_NVME_BUS, name, OBJECT(dev), errp);
    if (!bus) {
        return NULL;
    }
    NVME_BUS(bus)->owner = dev;
    return NVME_BUS(bus);
}

void nvme_bus_free(NvmeBus *bus)
{
    if (bus) {
        object_unparent(OBJECT(bus));
    }
}

static char *describe(const Device *dev)
{
    return g_strdup_printf("namespace %u", NVME_NS_DEVICE(dev)->nsid);
}

/* Who names no bus means a controller. */
static bool is_subsystem(const Bus *bus)
{
    return object_is_a(OBJECT(NVME_BUS(OBJECT(bus))->owner), TYPE_NVME_SUBSYS);
}

static const BusClass bus_class_table = { .describe = describe, .is_full = is_subsystem };

static const ObjectType bus_type = {
    .name = TYPE_NVME_BUS,
    .parent = TYPE_BUS,
    .description = "namespaces of an NVMe controller",
    .instance_size = sizeof(NvmeBus),
    .ops = &bus_class_table,
};
OBJECT_TYPE_REGISTER(bus_type)
