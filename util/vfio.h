/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices of the host by its VFIO (linux/vfio.h): what has to be opened for one, in this order: its
 * group, a container, whose IOMMU is set when the group has joined it, and the device. Errors say
 * what would be right. Any thread.
 */
#ifndef UTIL_VFIO_H
#define UTIL_VFIO_H

#include <glib.h>
#include <stdbool.h>

/* "[DDDD:]BB:DD.F", in hexadecimal digits, with all of them. g_free; NULL: it is not. */
char *vfio_pci_name(const char *host);
/* Has the device whose folder is @sysfs a driver that gives it? */
bool vfio_check_driver(const char *sysfs, GError **errp);
/* The number of its group; g_free. NULL: it is in none. */
char *vfio_group_number(const char *sysfs, GError **errp);
/* The group, all of whose devices can be given: a descriptor, or -1. */
int vfio_group_open(const char *number, GError **errp);
/* A container that can have the IOMMU that we want: a descriptor, or -1; and that IOMMU. */
int vfio_container_open(GError **errp);
bool vfio_container_set_iommu(int container, GError **errp);

#endif
