/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cxl/cxl-port.h"

#include "hw/cxl/cxl-cdat.h"
#include "hw/cxl/cxl-doe.h"
#include "hw/cxl/cxl-dvsec.h"
#include "hw/cxl/cxl-host.h"
#include "hw/pci/pci-reserve.h"
#include "util/error.h"

#define TYPE_CXL_PORT       "base-cxl-port"
#define TYPE_CXL_RP         "cxl-rp"
#define TYPE_CXL_UPSTREAM   "cxl-upstream"
#define TYPE_CXL_DOWNSTREAM "cxl-downstream"

bool cxl_check_bus(const PciDevice *dev, GError **errp)
{
    const PciBus *bus = pci_bus_of(dev);

    if (!pci_bus_is_below_cxl(bus)) {
        error_set(errp,
                  "bus '%s' is not below a CXL host bridge: put a 'pxb-cxl' on the root bus, a "
                  "'cxl-rp' on that, and the '%s' there",
                  bus->parent.parent.name, object_typename(OBJECT(dev)));
        return false;
    }
    return true;
}

/* ---- cxl-rp, cxl-downstream: ports with a slot ---- */

typedef struct CxlPort {
    PciePort parent;
    CxlComponent component;
    /* configuration */
    PciReserve reserve; /* of a root port */
} CxlPort;

OBJECT_CAST_DEFINE(CxlPort, CXL_PORT, TYPE_CXL_PORT)

bool cxl_port_is(const PciDevice *dev)
{
    return object_is_a(OBJECT(dev), TYPE_CXL_PORT);
}

PciDevice *cxl_port_only(const PciBus *bus)
{
    PciDevice *port = NULL;

    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        if (bus->devices[i] && cxl_port_is(bus->devices[i])) {
            if (port) {
                return NULL;
            }
            port = bus->devices[i];
        }
    }
    return port;
}

static void port_add_registers(PciDevice *dev, CxlComponent *component, CxlRole role)
{
    static const uint8_t kinds[] = { REGISTERS_COMPONENT }, bars[] = { 0 };

    cxl_component_init(component, role, "cxl-port-registers");
    pci_add_bar(dev, 0, PCI_BAR_MEM64, &component->region);
    cxl_dvsec_add_port(dev);
    if (role != CXL_UPSTREAM_PORT) {
        cxl_dvsec_add_gpf_port(dev);
    }
    cxl_dvsec_add_flex_bus(dev);
    cxl_dvsec_add_registers(dev, kinds, bars, G_N_ELEMENTS(kinds));
}

static void port_unrealize(PciDevice *dev)
{
    cxl_component_destroy(&CXL_PORT(dev)->component);
    pci_bridge_unrealize(dev);
}

static void port_reset(PciDevice *dev)
{
    cxl_component_reset(&CXL_PORT(dev)->component);
    pcie_port_reset(dev);
}

static void port_wake(PciDevice *dev)
{
    cxl_component_reset(&CXL_PORT(dev)->component);
    pcie_port_wake(dev);
}

static const StateField cxl_port_fields[] = {
    STATE_STRUCT(CxlPort, parent, &pcie_port_state),
    STATE_STRUCT(CxlPort, component, &cxl_component_state),
    {},
};
static const StateTable cxl_port_state = { .name = "cxl-port",
                                           .version = 1,
                                           .fields = cxl_port_fields };

#define CXL_PORT_CLASS(port_realize)                                                              \
    .device = { PCI_DEVICE_CLASS_CORE, .category = "bridge", .flags = DEVICE_USER_CREATABLE,      \
                .state = &cxl_port_state, .wake = pci_device_wake },                              \
    .express = true, .realize = (port_realize), .unrealize = port_unrealize, .reset = port_reset, \
    .wake = port_wake, .loaded = pci_bridge_reset, .config_reading = pcie_port_reading,           \
    .config_written = pcie_port_written

static const ObjectType port_type = {
    .name = TYPE_CXL_PORT,
    .parent = TYPE_PCIE_PORT,
    .description = "A CXL port with a slot",
    .instance_size = sizeof(CxlPort),
    .abstract = true,
};
OBJECT_TYPE_REGISTER(port_type)

static bool rp_realize(PciDevice *dev, GError **errp)
{
    CxlPort *s = CXL_PORT(dev);
    const PciBus *bus = pci_bus_of(dev);

    if (!cxl_check_bus(dev, errp) || !pci_reserve_check(&s->reserve, errp)) {
        return false;
    }
    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        PciDevice *other = bus->devices[i];

        if (other && other != dev && cxl_port_is(other) &&
            PCIE_PORT(other)->port == s->parent.port) {
            error_set(errp,
                      "'port' is %u, as of another root port on bus '%s': HDM decoders name ports "
                      "by it, so give each its own",
                      s->parent.port, bus->parent.parent.name);
            return false;
        }
    }
    if (!pcie_port_realize_on(dev, PCIE_ROOT_PORT, TYPE_CXL_BUS, errp)) {
        return false;
    }
    port_add_registers(dev, &s->component, CXL_ROOT_PORT);
    pci_reserve_add(dev, &s->reserve);
    return true;
}

static const PciFunctionClass rp_ops = { CXL_PORT_CLASS(rp_realize), .root_only = true };

static void rp_init(Object *obj)
{
    static const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x8086 },
        { PCI_DEVICE_ID, 2, 0x7075 },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const Property rp_properties[] = {
    PCI_RESERVE_PROPERTIES(offsetof(CxlPort, reserve)),
    { 0 },
};

static const ObjectType rp_type = {
    .name = TYPE_CXL_RP,
    .parent = TYPE_CXL_PORT,
    .description = "CXL Root Port",
    .properties = rp_properties,
    .ops = &rp_ops,
    .init = rp_init,
};
OBJECT_TYPE_REGISTER(rp_type)

/* ---- cxl-upstream ---- */

typedef struct CxlUpstream {
    PciBridge parent;
    CxlComponent component;
    CxlDoe doe;
    /* configuration */
    uint8_t port;
    char *cdat; /* file with the table; NULL: made */
    /* wiring */
    GPtrArray *entries; /* of that file, GBytes */
} CxlUpstream;
OBJECT_CAST_DEFINE(CxlUpstream, CXL_UPSTREAM, TYPE_CXL_UPSTREAM)

const CxlComponent *cxl_upstream_component(const PciDevice *dev)
{
    return dev && object_is_a(OBJECT(dev), TYPE_CXL_UPSTREAM) ? &CXL_UPSTREAM(dev)->component
                                                              : NULL;
}

/* Of the switch: made from its ports each time, or from the file. */
static GPtrArray *upstream_table(void *opaque)
{
    const CxlUpstream *s = opaque;
    const PciBus *bus = s->parent.secondary;
    uint16_t ports[PCI_DEVFN_MAX];
    unsigned count = 0;

    if (s->entries) {
        return g_ptr_array_ref(s->entries);
    }
    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        if (bus->devices[i] && cxl_port_is(bus->devices[i])) {
            ports[count++] = PCIE_PORT(bus->devices[i])->port;
        }
    }
    return cxl_cdat_of_switch(ports, count);
}

static bool upstream_realize(PciDevice *dev, GError **errp)
{
    CxlUpstream *s = CXL_UPSTREAM(dev);

    if (!cxl_check_bus(dev, errp) || !cxl_cdat_load(s->cdat, &s->entries, errp)) {
        return false;
    }
    pci_add_msi(dev, 1);
    pci_add_express(dev, PCIE_UPSTREAM_PORT, s->port);
    if (!pci_bridge_realize(&s->parent, TYPE_CXL_BUS, true, errp)) {
        g_clear_pointer(&s->entries, g_ptr_array_unref);
        return false;
    }
    port_add_registers(dev, &s->component, CXL_UPSTREAM_PORT);
    cxl_doe_add(&s->doe, dev, upstream_table, s);
    return true;
}

static void upstream_unrealize(PciDevice *dev)
{
    CxlUpstream *s = CXL_UPSTREAM(dev);

    cxl_component_reset(&s->component);
    cxl_component_destroy(&s->component);
    cxl_doe_remove(&s->doe);
    g_clear_pointer(&s->entries, g_ptr_array_unref);
    pci_bridge_unrealize(dev);
}

static void upstream_reset(PciDevice *dev)
{
    CxlUpstream *s = CXL_UPSTREAM(dev);

    cxl_component_reset(&s->component);
    cxl_doe_reset(&s->doe);
    pci_bridge_reset(dev);
}

static void upstream_reading(PciDevice *dev, unsigned offset, unsigned size)
{
    cxl_doe_reading(&CXL_UPSTREAM(dev)->doe, offset, size);
}

static void upstream_written(PciDevice *dev, unsigned offset, unsigned size)
{
    cxl_doe_written(&CXL_UPSTREAM(dev)->doe, offset, size);
    pci_bridge_config_written(dev, offset, size);
}

static bool upstream_loaded(void *obj, GError **errp)
{
    cxl_host_update();
    return true;
}

static const StateField upstream_fields[] = {
    STATE_STRUCT(CxlUpstream, parent, &pci_bridge_state),
    STATE_STRUCT(CxlUpstream, component, &cxl_component_state),
    STATE_STRUCT(CxlUpstream, doe, &cxl_doe_state),
    {},
};
static const StateTable upstream_state = {
    .name = "cxl-upstream", .version = 1, .fields = upstream_fields, .post_load = upstream_loaded
};

static const PciFunctionClass upstream_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "bridge", .flags = DEVICE_USER_CREATABLE,
                .state = &upstream_state },
    .express = true,
    .realize = upstream_realize,
    .unrealize = upstream_unrealize,
    .reset = upstream_reset,
    .loaded = pci_bridge_reset,
    .config_reading = upstream_reading,
    .config_written = upstream_written,
};

static void upstream_init(Object *obj)
{
    static const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x19e5 },
        { PCI_DEVICE_ID, 2, 0xa128 },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const Property upstream_properties[] = {
    { .name = "port",
      .kind = PROP_UINT8,
      .offset = offsetof(CxlUpstream, port),
      .description = "port number, shown in the link capabilities",
      .has_default = true },
    { .name = "cdat",
      .kind = PROP_STRING,
      .offset = offsetof(CxlUpstream, cdat),
      .description = "file with the table that software reads by DOE; without it, one is made" },
    { 0 },
};

static const ObjectType upstream_type = {
    .name = TYPE_CXL_UPSTREAM,
    .parent = TYPE_PCI_BRIDGE_BASE,
    .description = "CXL Switch Upstream Port",
    .instance_size = sizeof(CxlUpstream),
    .properties = upstream_properties,
    .ops = &upstream_ops,
    .init = upstream_init,
};
OBJECT_TYPE_REGISTER(upstream_type)

/* ---- cxl-downstream ---- */

static bool downstream_realize(PciDevice *dev, GError **errp)
{
    const PciBus *bus = pci_bus_of(dev);

    if (!bus->bridge || !object_is_a(OBJECT(bus->bridge), TYPE_CXL_UPSTREAM)) {
        error_set(errp,
                  "bus '%s' is not that of a CXL switch: a '%s' must be on the bus of a '%s', as "
                  "part of it",
                  bus->parent.parent.name, TYPE_CXL_DOWNSTREAM, TYPE_CXL_UPSTREAM);
        return false;
    }
    if (!pcie_port_realize_on(dev, PCIE_DOWNSTREAM_PORT, TYPE_CXL_BUS, errp)) {
        return false;
    }
    port_add_registers(dev, &CXL_PORT(dev)->component, CXL_DOWNSTREAM_PORT);
    return true;
}

static const PciFunctionClass downstream_ops = { CXL_PORT_CLASS(downstream_realize) };

static void downstream_init(Object *obj)
{
    static const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x19e5 },
        { PCI_DEVICE_ID, 2, 0xa129 },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const ObjectType downstream_type = {
    .name = TYPE_CXL_DOWNSTREAM,
    .parent = TYPE_CXL_PORT,
    .description = "CXL Switch Downstream Port",
    .ops = &downstream_ops,
    .init = downstream_init,
};
OBJECT_TYPE_REGISTER(downstream_type)
