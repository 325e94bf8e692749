/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/vfio/vfio-container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hw/vfio/vfio-dma.h"
#include "util/error.h"

#define CONTAINER_FILE "/dev/vfio/vfio"

struct VfioGroup {
    char *number;
    int fd;
    unsigned devices;
};

static GPtrArray *groups; /* of VfioGroup; NULL: none */
static VfioDma dma;
static int container = -1;

/* ---- the container ---- */

static bool open_container(GError **errp)
{
    int fd = open(CONTAINER_FILE, O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        error_set_errno(errp, errno, "cannot open " CONTAINER_FILE "%s",
                        errno == ENOENT || errno == ENODEV
                            ? ", as the host's kernel has not loaded its module (modprobe vfio-pci)"
                            : "");
        return false;
    }
    if (ioctl(fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
        ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0) {
        error_set(errp, "the host's VFIO has no IOMMU of the kind type1v2, which is wanted: load "
                        "its module (modprobe vfio_iommu_type1)");
        close(fd);
        return false;
    }
    container = fd;
    return true;
}

/* With the first group, after which there is an IOMMU. */
static bool begin(GError **errp)
{
    if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0) {
        error_set_errno(
            errp, errno, "the host's VFIO refuses its IOMMU type1v2%s",
            errno == EPERM ? ", as nothing keeps interrupts of devices apart (interrupt remapping; "
                             "see the host's kernel log)"
                           : "");
        return false;
    }
    return vfio_dma_begin(&dma, container, errp);
}

/* ---- groups ---- */

static bool check_viable(const VfioGroup *group, GError **errp)
{
    struct vfio_group_status status = { .argsz = sizeof(status) };

    if (ioctl(group->fd, VFIO_GROUP_GET_STATUS, &status) < 0) {
        error_set_errno(errp, errno, "the host's VFIO does not tell how IOMMU group %s is",
                        group->number);
        return false;
    }
    if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
        error_set(errp,
                  "IOMMU group %s has other devices, which the host uses: bind all that is in "
                  "/sys/kernel/iommu_groups/%s/devices to the driver vfio-pci",
                  group->number, group->number);
        return false;
    }
    return true;
}

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
    if (container < 0 && !open_container(errp)) {
        return false;
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

static int open_file(const char *number, GError **errp)
{
    g_autofree char *path = g_strdup_printf("/dev/vfio/%s", number);
    int fd = open(path, O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        error_set_errno(errp, errno, "cannot open %s%s", path,
                        errno == ENOENT  ? ", as the device has not been bound to the driver "
                                           "vfio-pci"
                        : errno == EBUSY ? ", as another program has devices of that group"
                                         : "");
    }
    return fd;
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
    group->fd = open_file(number, errp);
    if (group->fd < 0 || !check_viable(group, errp) || !connect_group(group, errp)) {
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

static char *number_of(const char *sysfs, GError **errp)
{
    g_autofree char *path = g_strdup_printf("%s/iommu_group", sysfs);
    g_autofree char *target = NULL, *kind_path = NULL, *kind = NULL;

    if (!g_file_test(sysfs, G_FILE_TEST_IS_DIR)) {
        error_set(errp, "the host has no device %s", sysfs);
        return NULL;
    }
    target = g_file_read_link(path, NULL);
    if (!target) {
        error_set(errp,
                  "the device is in no IOMMU group: the host's IOMMU must be on (intel_iommu=on "
                  "in the command line of its kernel, and in its firmware)");
        return NULL;
    }
    kind_path = g_strdup_printf("%s/name", path);
    if (g_file_get_contents(kind_path, &kind, NULL, NULL) &&
        strcmp(g_strstrip(kind), "vfio-noiommu") == 0) {
        error_set(errp,
                  "the device has no IOMMU (no-iommu mode of the host's VFIO): it could reach "
                  "all memory of the host, and the guest's would not be where it looks for it");
        return NULL;
    }
    return g_path_get_basename(target);
}

int vfio_device_open(const char *sysfs, const char *name, VfioGroup **group, GError **errp)
{
    g_autofree char *number = number_of(sysfs, errp);
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
