/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/hyperv.h"

#include <string.h>

#include "hw/core/runstate.h"

typedef struct Hyperv {
    Device parent;
    X86HvPartition partition; /* its vps are owned */
} Hyperv;
OBJECT_CAST_DEFINE(Hyperv, HYPERV, TYPE_HYPERV)

/* ---- what the guest may ask for ---- */

static void partition_reset(void)
{
    runstate_request_reset(SHUTDOWN_CAUSE_GUEST_RESET);
}

static void partition_crashed(const uint64_t parameters[5])
{
    GuestPanicInformationHyperV registers = { .arg1 = parameters[0],
                                              .arg2 = parameters[1],
                                              .arg3 = parameters[2],
                                              .arg4 = parameters[3],
                                              .arg5 = parameters[4] };
    const GuestPanicInformation info = { .type = GUEST_PANIC_INFORMATION_TYPE_HYPER_V,
                                         .u.hyper_v = &registers };

    runstate_guest_panicked(&info);
}

/* ---- the device ---- */

static void vp_reset(X86HvVp *vp)
{
    *vp = (X86HvVp){ .runtime_stale = true };
}

static void hyperv_reset(Device *dev)
{
    X86HvPartition *hv = &HYPERV(dev)->partition;

    hv->guest_os_id = hv->hypercall = hv->reference_tsc = 0;
    memset(hv->crash, 0, sizeof(hv->crash));
    for (unsigned i = 0; i < hv->vp_count; i++) {
        vp_reset(&hv->vps[i]);
    }
}

static void hyperv_finalize(Object *obj)
{
    g_free(HYPERV(obj)->partition.vps);
}

static const StateField vp_fields[] = {
    STATE_UINT(X86HvVp, assist_page),
    STATE_UINT(X86HvVp, runtime),
    {},
};
static const StateTable vp_state = { .name = "hyperv-vp", .version = 1, .fields = vp_fields };

/* The threads that ran them are others now. */
static bool hyperv_loaded(void *opaque, GError **errp)
{
    Hyperv *dev = opaque;
    X86HvPartition *hv = &dev->partition;

    for (unsigned i = 0; i < hv->vp_count; i++) {
        hv->vps[i].runtime_stale = true;
    }
    return true;
}

static const StateField hyperv_fields[] = {
    STATE_UINT(Hyperv, partition.guest_os_id),
    STATE_UINT(Hyperv, partition.hypercall),
    STATE_UINT(Hyperv, partition.reference_tsc),
    STATE_UINTS(Hyperv, partition.crash),
    STATE_ARRAY(Hyperv, partition.vps, partition.vp_count, &vp_state),
    {},
};
static const StateTable hyperv_state = {
    .name = TYPE_HYPERV, .version = 1, .fields = hyperv_fields, .post_load = hyperv_loaded
};

static const DeviceClass hyperv_ops = {
    .category = "misc",
    .reset = hyperv_reset,
    .state = &hyperv_state,
};

static const ObjectType hyperv_type = {
    .name = TYPE_HYPERV,
    .parent = TYPE_DEVICE,
    .description = "what a guest of Hyper-V's interface has set up",
    .instance_size = sizeof(Hyperv),
    .ops = &hyperv_ops,
    .finalize = hyperv_finalize,
};
OBJECT_TYPE_REGISTER(hyperv_type)

bool hyperv_create(Machine *machine, const X86CpuModel *model, GError **errp)
{
    if (!x86_hv_is_asked(model)) {
        return true;
    }
    Device *dev = device_new_onboard_named(TYPE_HYPERV, "hyperv");
    X86HvPartition *hv = &HYPERV(dev)->partition;

    hv->vp_count = machine->smp.maxcpus;
    hv->vps = g_new0(X86HvVp, hv->vp_count);
    hv->reset = partition_reset;
    hv->crashed = partition_crashed;
    return device_realize(dev, errp);
}

X86HvPartition *hyperv_partition_join(unsigned index)
{
    Object *found = object_find_type(TYPE_HYPERV);

    if (!found || !DEVICE(found)->realized) {
        return NULL;
    }
    X86HvPartition *hv = &HYPERV(found)->partition;
    vp_reset(&hv->vps[index]);
    return hv;
}
