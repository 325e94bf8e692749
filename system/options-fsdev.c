/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -fsdev, -virtfs. */
#include "fsdev/fsdev.h"
#include "hw/core/device.h"
#include "system/options-more.h"

bool option_apply_fsdev(Startup *startup, const void *parsed, GError **errp)
{
    return fsdev_add(parsed, errp) != NULL;
}

static bool add_device(const char *fsdev, const char *mount_tag, GError **errp)
{
    struct json_object *device = json_object_new_object();
    bool ok;

    json_object_object_add(device, "driver", json_object_new_string("virtio-9p-pci"));
    json_object_object_add(device, "fsdev", json_object_new_string(fsdev));
    json_object_object_add(device, "mount_tag", json_object_new_string(mount_tag));
    ok = device_add(device, errp);
    json_object_put(device);
    return ok;
}

/* The keys of -fsdev, with its device. */
bool option_apply_virtfs(Startup *startup, const void *parsed, GError **errp)
{
    const VirtfsOptions *given = parsed;
    const FsdevOptions fsdev = {
        .fsdriver = given->fsdriver,
        .id = given->id ? given->id : given->mount_tag,
        .path = given->path,
        .has_security_model = given->has_security_model,
        .security_model = given->security_model,
        .has_readonly = given->has_readonly,
        .readonly = given->readonly,
        .has_writeout = given->has_writeout,
        .writeout = given->writeout,
        .fmode = given->fmode,
        .dmode = given->dmode,
        .has_multidevs = given->has_multidevs,
        .multidevs = given->multidevs,
        .throttling = given->throttling,
    };

    return fsdev_add(&fsdev, errp) && add_device(fsdev.id, given->mount_tag, errp);
}
