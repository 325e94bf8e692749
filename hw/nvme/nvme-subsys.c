/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Subsystems: controllers that have namespaces in common, and which of them has which (NVM Express
 * 1.4, sections 1.2, 5.12 and 8.12).
 */
#include <string.h>

#include "hw/nvme/nvme.h"
#include "util/error.h"

enum { ATTACH, DETACH };

#define ROW         (NVME_NAMESPACES / 32) /* words of `attached` of a controller */
#define LIST_MAX    2047                   /* entries of a list of controllers */
#define SELECT_MASK 0xfu

/* ---- controllers ---- */

static bool check_serial(const NvmeSubsys *subsys, const Nvme *n, GError **errp)
{
    for (unsigned i = 0; i < NVME_CONTROLLERS; i++) {
        const Nvme *other = subsys->controllers[i];

        if (other && strcmp(other->conf.serial, n->conf.serial) != 0) {
            error_set(errp,
                      "serial=%s: the other controllers of the subsystem have serial=%s, which "
                      "is the subsystem's",
                      n->conf.serial, other->conf.serial);
            return false;
        }
    }
    return true;
}

bool nvme_subsys_add(Nvme *n, GError **errp)
{
    NvmeSubsys *subsys = nvme_subsys(n);
    uint16_t number = 0;

    if (!subsys) {
        return true;
    }
    if (!subsys->parent.realized || !check_serial(subsys, n, errp)) {
        return false;
    }
    while (number < NVME_CONTROLLERS && subsys->controllers[number]) {
        number++;
    }
    if (number == NVME_CONTROLLERS) {
        error_set(errp, "the subsystem has %u controllers, which is all that it can have",
                  NVME_CONTROLLERS);
        return false;
    }
    n->number = number;
    subsys->controllers[number] = n;
    for (unsigned i = 0; i < NVME_NAMESPACES; i++) {
        NvmeNs *ns = subsys->ns[i];

        n->ns[i] = ns && ns->shared && !ns->detached ? ns : NULL;
    }
    return true;
}

void nvme_subsys_remove(Nvme *n)
{
    NvmeSubsys *subsys = nvme_subsys(n);

    if (!subsys || subsys->controllers[n->number] != n) {
        return;
    }
    subsys->controllers[n->number] = NULL;
    memset(n->ns, 0, sizeof(n->ns));
    for (unsigned i = 0; i < NVME_NAMESPACES; i++) {
        if (subsys->ns[i] && subsys->ns[i]->controller == n) {
            subsys->ns[i]->controller = NULL;
        }
    }
}

/* ---- namespaces ---- */

void nvme_subsys_add_ns(NvmeNs *ns)
{
    ns->subsys->ns[ns->nsid - 1] = ns;
    for (unsigned i = 0; i < NVME_CONTROLLERS && !ns->detached; i++) {
        Nvme *n = ns->subsys->controllers[i];

        if (n && (ns->shared || n == ns->controller)) {
            n->ns[ns->nsid - 1] = ns;
        }
    }
}

void nvme_subsys_remove_ns(NvmeNs *ns)
{
    ns->subsys->ns[ns->nsid - 1] = NULL;
    for (unsigned i = 0; i < NVME_CONTROLLERS; i++) {
        if (ns->subsys->controllers[i]) {
            ns->subsys->controllers[i]->ns[ns->nsid - 1] = NULL;
        }
    }
}

/* ---- namespace attachment (section 5.12) ---- */

static bool is_attached(const NvmeNs *ns)
{
    for (unsigned i = 0; i < NVME_CONTROLLERS; i++) {
        if (ns->subsys->controllers[i] && nvme_ns(ns->subsys->controllers[i], ns->nsid)) {
            return true;
        }
    }
    return false;
}

static NvmeStatus attach(NvmeNs *ns, Nvme *to)
{
    if (nvme_ns(to, ns->nsid)) {
        return NVME_ALREADY_ATTACHED;
    }
    if (!ns->shared && is_attached(ns)) {
        return NVME_IS_PRIVATE;
    }
    to->ns[ns->nsid - 1] = ns;
    return NVME_OK;
}

static NvmeStatus detach(NvmeNs *ns, Nvme *from)
{
    if (!nvme_ns(from, ns->nsid)) {
        return NVME_NOT_ATTACHED;
    }
    from->ns[ns->nsid - 1] = NULL; /* what is under way ends as before */
    return NVME_OK;
}

NvmeStatus nvme_attachment(Nvme *n, const NvmeCommand *cmd, uint32_t *result)
{
    NvmeSubsys *subsys = nvme_subsys(n);
    unsigned what = cmd->cdw10 & SELECT_MASK;
    uint16_t list[LIST_MAX + 1];
    NvmeNs *ns;
    NvmeStatus status;

    if (!subsys) {
        return NVME_BAD_OPCODE;
    }
    if (cmd->nsid < 1 || cmd->nsid > NVME_NAMESPACES) {
        return NVME_BAD_NAMESPACE;
    }
    ns = subsys->ns[cmd->nsid - 1];
    if (!ns || what > DETACH) {
        return NVME_BAD_FIELD;
    }
    status = nvme_copy(n, cmd, list, sizeof(list), false);
    if (status == NVME_OK && (!list[0] || list[0] > LIST_MAX)) {
        status = NVME_BAD_CONTROLLERS;
    }
    for (unsigned i = 0; status == NVME_OK && i < list[0]; i++) {
        Nvme *at = list[1 + i] < NVME_CONTROLLERS ? subsys->controllers[list[1 + i]] : NULL;

        status = !at ? NVME_BAD_CONTROLLERS : what == ATTACH ? attach(ns, at) : detach(ns, at);
        if (status == NVME_OK) {
            nvme_ns_changed(at, ns->nsid);
        }
    }
    return status;
}

/* ---- the device ---- */

static bool subsys_realize(Device *dev, GError **errp)
{
    NvmeSubsys *s = NVME_SUBSYS(dev);

    if (!dev->id && !s->nqn) {
        error_set(errp, "nvme-subsys has neither id= nor nqn=, which its name is made of");
        return false;
    }
    s->bus = nvme_bus_new(dev, errp);
    return s->bus;
}

static void subsys_unrealize(Device *dev)
{
    nvme_bus_free(g_steal_pointer(&NVME_SUBSYS(dev)->bus));
}

static void subsys_reset(Device *dev)
{
    const NvmeSubsys *s = NVME_SUBSYS(dev);

    for (unsigned i = 0; i < NVME_NAMESPACES; i++) {
        if (s->ns[i] && s->ns[i]->zones) {
            nvme_zones_power_off(s->ns[i]->zones);
        }
    }
}

static void subsys_pre_save(void *obj)
{
    NvmeSubsys *s = obj;

    memset(s->attached, 0, sizeof(s->attached));
    for (unsigned i = 0; i < NVME_CONTROLLERS; i++) {
        for (unsigned j = 0; s->controllers[i] && j < NVME_NAMESPACES; j++) {
            s->attached[i * ROW + j / 32] |= (uint32_t) !!s->controllers[i]->ns[j] << j % 32;
        }
    }
}

static bool subsys_post_load(void *obj, GError **errp)
{
    NvmeSubsys *s = obj;

    for (unsigned i = 0; i < NVME_CONTROLLERS; i++) {
        for (unsigned j = 0; j < NVME_NAMESPACES; j++) {
            bool has = s->attached[i * ROW + j / 32] >> j % 32 & 1;

            if (has && (!s->controllers[i] || !s->ns[j])) {
                error_set(errp, "controller %u has namespace %u, and one of them is not there", i,
                          j + 1);
                return false;
            }
            if (s->controllers[i]) {
                s->controllers[i]->ns[j] = has ? s->ns[j] : NULL;
            }
        }
    }
    return true;
}

static const StateField subsys_fields[] = {
    STATE_UINTS(NvmeSubsys, attached),
    {},
};
static const StateTable subsys_state = { .name = TYPE_NVME_SUBSYS,
                                         .version = 1,
                                         .fields = subsys_fields,
                                         .pre_save = subsys_pre_save,
                                         .post_load = subsys_post_load };

static const Property subsys_properties[] = {
    { .name = "nqn",
      .kind = PROP_STRING,
      .offset = offsetof(NvmeSubsys, nqn),
      .description = "the end of its name, for the guest; without it the id" },
    { 0 },
};

static const DeviceClass subsys_class = {
    .category = "storage",
    .flags = DEVICE_USER_CREATABLE,
    .realize = subsys_realize,
    .unrealize = subsys_unrealize,
    .reset = subsys_reset,
    .state = &subsys_state,
};

static const ObjectType subsys_type = {
    .name = TYPE_NVME_SUBSYS,
    .parent = TYPE_DEVICE,
    .description = "controllers that have namespaces in common",
    .instance_size = sizeof(NvmeSubsys),
    .properties = subsys_properties,
    .ops = &subsys_class,
};
OBJECT_TYPE_REGISTER(subsys_type)
