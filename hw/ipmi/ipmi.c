/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/ipmi/ipmi.h"

#include "util/error.h"

bool ipmi_attach(Object *obj, const IpmiInterfaceOps *ops, void *opaque, GError **errp)
{
    IpmiBmc *bmc = IPMI_BMC(obj);

    if (!bmc || !bmc->parent.realized) {
        error_set(errp, "'bmc' is missing: it must be the id of a management controller, such as "
                        "one made with -device ipmi-bmc-sim,id=ID");
        return false;
    }
    if (bmc->ops) {
        g_autofree char *name = device_describe(&bmc->parent);

        error_set(errp, "%s has an interface already", name);
        return false;
    }
    bmc->ops = ops;
    bmc->opaque = opaque;
    return true;
}

void ipmi_detach(Object *obj)
{
    IPMI_BMC(obj)->ops = NULL;
}

void ipmi_request(Object *obj, const uint8_t *message, unsigned len)
{
    IpmiBmc *bmc = IPMI_BMC(obj);
    const IpmiBmcClass *class = object_ops(obj);

    class->request(bmc, message, len);
}

void ipmi_answer(IpmiBmc *bmc, const uint8_t *message, unsigned len)
{
    if (bmc->ops) {
        bmc->ops->answer(bmc->opaque, message, len);
    }
}

void ipmi_set_attention(IpmiBmc *bmc, bool on)
{
    bmc->attention = on;
    if (bmc->ops) {
        bmc->ops->attention(bmc->opaque, on);
    }
}

static const StateField bmc_fields[] = {
    STATE_BOOL(IpmiBmc, interrupts),
    STATE_BOOL(IpmiBmc, attention),
    {},
};
const StateTable ipmi_bmc_state = { .name = TYPE_IPMI_BMC, .version = 1, .fields = bmc_fields };

static const ObjectType bmc_type = {
    .name = TYPE_IPMI_BMC,
    .parent = TYPE_DEVICE,
    .description = "A management controller",
    .instance_size = sizeof(IpmiBmc),
    .abstract = true,
};
OBJECT_TYPE_REGISTER(bmc_type)
