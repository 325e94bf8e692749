/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices of the host by its VFIO (linux/vfio.h): all that the machine has are in one container,
 * which says what of the guest's memory they reach; each comes from the group of devices that the
 * host's IOMMU cannot tell apart. Machine lock.
 */
#ifndef HW_VFIO_VFIO_CONTAINER_H
#define HW_VFIO_VFIO_CONTAINER_H

#include <glib.h>
#include <stdbool.h>

typedef struct VfioGroup VfioGroup;

/* Open the device whose folder is @sysfs, called @name there: its descriptor, and the group that it
 * is of. The guest's memory is mapped for it when this returns. -1 with an error that says what
 * would be right. */
int vfio_device_open(const char *sysfs, const char *name, VfioGroup **group, GError **errp);
/* And give it back. */
void vfio_device_close(int fd, VfioGroup *group);

#endif
