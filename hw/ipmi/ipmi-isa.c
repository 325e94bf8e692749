/* SPDX-License-Identifier: GPL-2.0-or-later */
/* isa-ipmi-kcs and isa-ipmi-bt. SMBIOS (type 38) and ACPI (IPI0001) tell of the first. */
#include <inttypes.h>

#include "hw/char/isa-ports.h"
#include "hw/core/irq-lines.h"
#include "hw/intc/isa-irq.h"
#include "hw/ipmi/ipmi-ports.h"
#include "util/error.h"

#define TYPE_ISA_IPMI     "isa-ipmi"
#define TYPE_ISA_IPMI_KCS "isa-ipmi-kcs"
#define TYPE_ISA_IPMI_BT  "isa-ipmi-bt"

typedef struct IpmiIsaDevice {
    Device parent;
    /* configuration */
    uint32_t port; /* property "ioport" */
    int32_t irq;   /* property; 0: none */
    /* state */
    IpmiPorts ports;
} IpmiIsaDevice;
OBJECT_CAST_DEFINE(IpmiIsaDevice, IPMI_ISA_DEVICE, TYPE_ISA_IPMI)

bool ipmi_isa_find(IpmiIsa *found)
{
    Object *obj = object_find_type(TYPE_ISA_IPMI);
    const IpmiIsaDevice *s = IPMI_ISA_DEVICE(obj);

    if (!s || !s->parent.realized) {
        return false;
    }
    *found = (IpmiIsa){ .kind = s->ports.ops->kind,
                        .port = (uint16_t)s->port,
                        .ports = s->ports.ops->ports,
                        .irq = (unsigned)s->irq,
                        .address = IPMI_BMC(s->ports.bmc)->address };
    return true;
}

static bool isa_realize(Device *dev, const IpmiPortsOps *ops, GError **errp)
{
    IpmiIsaDevice *s = IPMI_ISA_DEVICE(dev);

    if (s->irq < 0 || s->irq >= ISA_IRQS) {
        error_set(errp, "'irq' %" PRId32 " does not exist; it is 1 to %d, or 0 for none", s->irq,
                  ISA_IRQS - 1);
        return false;
    }
    if (!isa_ports_free("ioport", s->port, ops->ports, errp)) {
        return false;
    }
    s->ports.ops = ops;
    s->ports.irq = s->irq ? isa_irq((unsigned)s->irq) : (Irq){ 0 };
    if (!ipmi_ports_init(&s->ports, ops->ports, errp)) {
        return false;
    }
    device_map(dev, memory_io(), s->port, &s->ports.region, 0);
    return true;
}

static bool kcs_realize(Device *dev, GError **errp)
{
    return isa_realize(dev, &ipmi_kcs_ops, errp);
}

static bool bt_realize(Device *dev, GError **errp)
{
    return isa_realize(dev, &ipmi_bt_ops, errp);
}

static void isa_unrealize(Device *dev)
{
    ipmi_ports_destroy(&IPMI_ISA_DEVICE(dev)->ports);
}

static void isa_reset(Device *dev)
{
    ipmi_ports_reset(&IPMI_ISA_DEVICE(dev)->ports);
}

static const StateField isa_fields[] = {
    STATE_STRUCT(IpmiIsaDevice, ports, &ipmi_ports_state),
    {},
};
static const StateTable isa_state = { .name = TYPE_ISA_IPMI, .version = 1, .fields = isa_fields };

#define ISA_CLASS(realize_fn)                                                      \
    {                                                                              \
        .category = "misc", .flags = DEVICE_USER_CREATABLE, .realize = realize_fn, \
        .unrealize = isa_unrealize, .reset = isa_reset, .state = &isa_state,       \
    }
static const DeviceClass kcs_class = ISA_CLASS(kcs_realize);
static const DeviceClass bt_class = ISA_CLASS(bt_realize);

#define ISA_PROPERTIES(default_port)                                   \
    {                                                                  \
        { .name = "ioport",                                            \
          .kind = PROP_UINT32,                                         \
          .offset = offsetof(IpmiIsaDevice, port),                     \
          .has_default = true,                                         \
          .default_int = default_port,                                 \
          .description = "first of its ports" },                       \
            { .name = "irq",                                           \
              .kind = PROP_INT32,                                      \
              .offset = offsetof(IpmiIsaDevice, irq),                  \
              .has_default = true,                                     \
              .default_int = 5,                                        \
              .description = "ISA interrupt line, 1 to 15; 0: none" }, \
            IPMI_PORTS_PROPERTY(IpmiIsaDevice, ports), { 0 },          \
    }
static const Property kcs_properties[] = ISA_PROPERTIES(0xca2);
static const Property bt_properties[] = ISA_PROPERTIES(0xe4);

static const ObjectType isa_type = {
    .name = TYPE_ISA_IPMI,
    .parent = TYPE_DEVICE,
    .description = "IPMI at ISA ports",
    .instance_size = sizeof(IpmiIsaDevice),
    .abstract = true,
};
OBJECT_TYPE_REGISTER(isa_type)

static const ObjectType kcs_type = {
    .name = TYPE_ISA_IPMI_KCS,
    .parent = TYPE_ISA_IPMI,
    .description = "IPMI by KCS, at ISA ports",
    .instance_size = sizeof(IpmiIsaDevice),
    .properties = kcs_properties,
    .ops = &kcs_class,
};
OBJECT_TYPE_REGISTER(kcs_type)

static const ObjectType bt_type = {
    .name = TYPE_ISA_IPMI_BT,
    .parent = TYPE_ISA_IPMI,
    .description = "IPMI by BT, at ISA ports",
    .instance_size = sizeof(IpmiIsaDevice),
    .properties = bt_properties,
    .ops = &bt_class,
};
OBJECT_TYPE_REGISTER(bt_type)

static const IrqLines isa_lines[] = {
    { .type = TYPE_ISA_IPMI,
      .out = true,
      .offset = offsetof(IpmiIsaDevice, ports.irq),
      .count = 1 },
    {},
};
IRQ_LINES_REGISTER(isa_lines)
