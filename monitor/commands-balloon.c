/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about the balloon (qapi/balloon.json). */
#include <inttypes.h>

#include "hw/virtio/virtio-balloon.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

static VirtioBalloon *find(GError **errp)
{
    VirtioBalloon *balloon = virtio_balloon_find();

    if (!balloon) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE,
                        "this machine has no balloon: give it one with -device virtio-balloon-pci, "
                        "or change its memory by DIMMs (device_add pc-dimm, device_del)");
    }
    return balloon;
}

bool qmp_balloon(int64_t value, GError **errp)
{
    VirtioBalloon *balloon = find(errp);

    if (!balloon) {
        return false;
    }
    if (value <= 0) {
        error_set(errp, "'value' is %" PRId64 ": it must be a number of bytes above 0", value);
        return false;
    }
    virtio_balloon_set_target(balloon, (uint64_t)value);
    return true;
}

BalloonInfo *qmp_query_balloon(GError **errp)
{
    const VirtioBalloon *balloon = find(errp);
    BalloonInfo *info;

    if (!balloon) {
        return NULL;
    }
    info = g_new0(BalloonInfo, 1);
    info->actual = (int64_t)virtio_balloon_left(balloon);
    return info;
}
