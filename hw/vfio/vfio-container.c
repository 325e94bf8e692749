/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/vfio/vfio-container.h"

#include <errno.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hw/vfio/vfio-dma.h"
#include "util/error.h"
#include "util/vfio.h"

struct VfioGroup {
    char *number;
    int fd;
    unsigned devices;
};

static GPtrArray *groups; /* of VfioGroup; NULL: none */
static VfioDma dma;
static int container = -1;

/* ---- the container ---- */

/* With the first group, after which there is an IOMMU. */
static bool begin(GError **errp)
{
    return vfio_container_set_iommu(container, errp) && vfio_dma_begin(&dma, container, errp);
}

/* ---- groups ---- */

static bool join(const VfioGroup *group, GError **errp)
{
    if (ioctl(group->fd, VFIO_GROUP_SET_CONTAINER, &container) < 0) {
        error_set_errno(errp, errno,
                        "IOMMU group %s cannot be put together with the machine's other devices of "
                        "the host",
                        group->number);
        return false;
    }
    return true;
}

static void free_group(VfioGroup *group)
{
    if (group->fd >= 0) {
        close(group->fd);
    }
    g_free(group->number);
    g_free(group);
}

static void end_container(void)
{
    close(container);
    container = -1;
    g_clear_pointer(&groups, g_ptr_array_unref);
}

static bool connect_group(const VfioGroup *group, GError **errp)
{
    if (container < 0) {
        container = vfio_container_open(errp);
        if (container < 0) {
            return false;
        }
    }
    if (!join(group, errp)) {
        if (!groups) {
            end_container();
        }
        return false;
    }
    if (!groups && !begin(errp)) {
        ioctl(group->fd, VFIO_GROUP_UNSET_CONTAINER);
        end_container();
        return false;
    }
    return true;
}

static VfioGroup *group_open(const char *number, GError **errp)
{
    VfioGroup *group;

    for (unsigned i = 0; groups && i < groups->len; i++) {
        group = groups->pdata[i];
        if (strcmp(group->number, number) == 0) {
            return group;
        }
    }
    group = g_new0(VfioGroup, 1);
    group->number = g_strdup(number);
    group->fd = vfio_group_open(number, errp);
    if (group->fd < 0 || !connect_group(group, errp)) {
        free_group(group);
        return NULL;
    }
    if (!groups) {
        groups = g_ptr_array_new();
    }
    g_ptr_array_add(groups, group);
    return group;
}

static void group_close(VfioGroup *group)
{
    if (group->devices) {
        return;
    }
    if (groups->len == 1) {
        vfio_dma_end(&dma);
    }
    ioctl(group->fd, VFIO_GROUP_UNSET_CONTAINER);
    g_ptr_array_remove(groups, group);
    free_group(group);
    if (!groups->len) {
        end_container();
    }
}

/* ---- devices ---- */

int vfio_device_open(const char *sysfs, const char *name, VfioGroup **group, GError **errp)
{
    g_autofree char *number = vfio_group_number(sysfs, errp);
    int fd;

    if (!number || !(*group = group_open(number, errp))) {
        return -1;
    }
    fd = ioctl((*group)->fd, VFIO_GROUP_GET_DEVICE_FD, name);
    if (fd < 0) {
        error_set_errno(errp, errno, "the host's VFIO does not give device %s%s", name,
                        errno == EBUSY ? ", as another has it" : "");
        group_close(*group);
        return -1;
    }
    (*group)->devices++;
    return fd;
}

void vfio_device_close(int fd, VfioGroup *group)
{
    close(fd);
    group->devices--;
    group_close(group);
}
