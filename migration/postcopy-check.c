/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/postcopy-check.h"

#include "hw/core/device.h"
#include "hw/core/failover.h"
#include "hw/misc/ivshmem.h"
#include "hw/vfio/vfio-pci.h"
#include "hw/virtio/vhost.h"
#include "migration/migration.h"
#include "util/error.h"

/* NULL: nobody else. */
static const char *who_else(Device *dev)
{
    if (object_is_a(OBJECT(dev), TYPE_VIRTIO_DEVICE)) {
        const Vhost *vhost = VIRTIO_DEVICE(OBJECT(dev))->vhost;
        return vhost && !vhost->kernel ? "another program, its back-end," : NULL;
    }
    return object_is_a(OBJECT(dev), TYPE_IVSHMEM)    ? "another machine"
           : object_is_a(OBJECT(dev), TYPE_VFIO_PCI) ? "a device of the host"
                                                     : NULL;
}

static bool check(Device *dev, void *errp)
{
    const char *who = failover_is_primary(dev) ? NULL : who_else(dev); /* it leaves before */

    if (who) {
        g_autofree char *what = device_describe(dev);
        error_set(
            errp,
            "%s: %s uses the guest's memory, and would not wait for what is not there yet, or "
            "not written: switch the capability %s off, or take the device out",
            what, who, migration_postcopy_ram ? "postcopy-ram" : "background-snapshot");
    }
    return !who;
}

bool postcopy_check_devices(GError **errp)
{
    return devices_foreach(check, errp);
}
