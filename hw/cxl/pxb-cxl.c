/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cxl/pxb-cxl.h"

#include "hw/cxl/cxl-host.h"
#include "hw/cxl/cxl-port.h"
#include "hw/pci/pxb.h"
#include "util/error.h"

typedef struct PxbCxl {
    Pxb parent;
    CxlComponent component;
    /* wiring */
    hwaddr registers;
    /* configuration */
    bool decoders; /* property "hdm_for_passthrough" */
} PxbCxl;
OBJECT_CAST_DEFINE(PxbCxl, PXB_CXL, TYPE_PXB_CXL)

static PxbCxl *bridge_of(const PciBus *bus)
{
    return bus->expander && object_is_a(OBJECT(bus->expander), TYPE_PXB_CXL)
               ? PXB_CXL(bus->expander)
               : NULL;
}

const CxlComponent *pxb_cxl_component(const PciBus *bus)
{
    const PxbCxl *s = bridge_of(bus);

    return s ? &s->component : NULL;
}

hwaddr pxb_cxl_registers(const PciBus *bus)
{
    return bridge_of(bus)->registers;
}

static bool pxb_cxl_realize(PciDevice *dev, GError **errp)
{
    PxbCxl *s = PXB_CXL(dev);
    CxlHost *host = cxl_host_current();
    g_autofree char *name = pxb_bus_name(&s->parent, "cxl");

    if (!host) {
        error_set(errp, "the machine has no CXL: start a q35 with -M q35,cxl=on");
        return false;
    }
    if (!pxb_check(&s->parent, errp)) {
        return false;
    }
    cxl_component_init(&s->component, CXL_HOST_BRIDGE, "cxl-host-bridge");
    if (!cxl_host_take(host, &s->component.region, &s->registers, errp)) {
        cxl_component_destroy(&s->component);
        return false;
    }
    if (!pxb_add_bus(&s->parent, TYPE_CXL_BUS, name, errp)) {
        cxl_host_give_back(host, &s->component.region, s->registers);
        cxl_component_destroy(&s->component);
        return false;
    }
    return true;
}

static void pxb_cxl_unrealize(PciDevice *dev)
{
    PxbCxl *s = PXB_CXL(dev);

    cxl_component_reset(&s->component);
    cxl_host_give_back(cxl_host_current(), &s->component.region, s->registers);
    cxl_component_destroy(&s->component);
    pxb_drop_bus(&s->parent);
}

static void pxb_cxl_reset(PciDevice *dev)
{
    PxbCxl *s = PXB_CXL(dev);

    s->component.decoders = s->decoders || !cxl_port_only(s->parent.bus);
    cxl_component_reset(&s->component);
}

static void pxb_cxl_config_loaded(PciDevice *dev)
{
}

static bool pxb_cxl_loaded(void *obj, GError **errp)
{
    cxl_host_update();
    return true;
}

static const StateField pxb_cxl_fields[] = {
    STATE_STRUCT(PxbCxl, parent, &pxb_state),
    STATE_STRUCT(PxbCxl, component, &cxl_component_state),
    {},
};
static const StateTable pxb_cxl_state = {
    .name = "pxb-cxl", .version = 1, .fields = pxb_cxl_fields, .post_load = pxb_cxl_loaded
};

static const PciFunctionClass pxb_cxl_ops = {
    PXB_CLASS(&pxb_cxl_state), .realize = pxb_cxl_realize,      .unrealize = pxb_cxl_unrealize,
    .reset = pxb_cxl_reset,    .loaded = pxb_cxl_config_loaded,
};

static void pxb_cxl_init(Object *obj)
{
    static const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x1b36 },
        { PCI_DEVICE_ID, 2, 0x000d },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const Property pxb_cxl_properties[] = {
    { .name = "hdm_for_passthrough",
      .kind = PROP_BOOL,
      .offset = offsetof(PxbCxl, decoders),
      .description = "it has HDM decoders with one root port, too",
      .has_default = true },
    { 0 },
};

static const ObjectType pxb_cxl_type = {
    .name = TYPE_PXB_CXL,
    .parent = TYPE_PXB_BASE,
    .description = "CXL Host Bridge",
    .instance_size = sizeof(PxbCxl),
    .properties = pxb_cxl_properties,
    .ops = &pxb_cxl_ops,
    .init = pxb_cxl_init,
};
OBJECT_TYPE_REGISTER(pxb_cxl_type)
