/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/vfio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/error.h"

#define CONTAINER_FILE "/dev/vfio/vfio"

/* ---- which one ---- */

char *vfio_pci_name(const char *host)
{
    unsigned domain = 0, bus, slot, func;
    int end = 0;

    if ((sscanf(host, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &func, &end) == 4 ||
         (domain = 0, sscanf(host, "%2x:%2x.%1x%n", &bus, &slot, &func, &end) == 3)) &&
        !host[end] && slot < 32 && func < 8) {
        return g_strdup_printf("%04x:%02x:%02x.%x", domain, bus, slot, func);
    }
    return NULL;
}

bool vfio_check_driver(const char *folder, GError **errp)
{
    g_autofree char *path = g_strdup_printf("%s/driver", folder);
    g_autofree char *target = g_file_read_link(path, NULL);
    g_autofree char *driver = target ? g_path_get_basename(target) : NULL;

    if (driver && strstr(driver, "vfio")) {
        return true;
    }
    if (g_file_test(folder, G_FILE_TEST_IS_DIR)) {
        error_set(errp,
                  "%s has %s%s at the host: bind it to vfio-pci (echo vfio-pci > "
                  "%s/driver_override, unbind it, echo its name > /sys/bus/pci/drivers_probe)",
                  folder, driver ? "the driver " : "no driver", driver ? driver : "", folder);
    } else {
        error_set(errp, "the host has no device %s", folder);
    }
    return false;
}

char *vfio_group_number(const char *sysfs, GError **errp)
{
    g_autofree char *path = g_strdup_printf("%s/iommu_group", sysfs);
    g_autofree char *target = NULL, *kind_path = NULL, *kind = NULL;

    target = g_file_read_link(path, NULL);
    if (!target && !g_file_test(sysfs, G_FILE_TEST_IS_DIR)) {
        error_set(errp, "the host has no device %s", sysfs);
        return NULL;
    }
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

/* ---- opening it ---- */

static bool check_viable(int fd, const char *number, GError **errp)
{
    struct vfio_group_status status = { .argsz = sizeof(status) };

    if (ioctl(fd, VFIO_GROUP_GET_STATUS, &status) < 0) {
        error_set_errno(errp, errno, "the host's VFIO does not tell how IOMMU group %s is", number);
        return false;
    }
    if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
        error_set(errp,
                  "IOMMU group %s has other devices, which the host uses: bind all that is in "
                  "/sys/kernel/iommu_groups/%s/devices to the driver vfio-pci",
                  number, number);
        return false;
    }
    return true;
}

int vfio_group_open(const char *number, GError **errp)
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
    if (fd >= 0 && !check_viable(fd, number, errp)) {
        close(fd);
        return -1;
    }
    return fd;
}

int vfio_container_open(GError **errp)
{
    int fd = open(CONTAINER_FILE, O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        error_set_errno(errp, errno, "cannot open " CONTAINER_FILE "%s",
                        errno == ENOENT || errno == ENODEV
                            ? ", as the host's kernel has not loaded its module (modprobe vfio-pci)"
                            : "");
        return -1;
    }
    if (ioctl(fd, VFIO_GET_API_VERSION) != VFIO_API_VERSION ||
        ioctl(fd, VFIO_CHECK_EXTENSION, VFIO_TYPE1v2_IOMMU) <= 0) {
        error_set(errp, "the host's VFIO has no IOMMU of the kind type1v2, which is wanted: load "
                        "its module (modprobe vfio_iommu_type1)");
        close(fd);
        return -1;
    }
    return fd;
}

bool vfio_container_set_iommu(int container, GError **errp)
{
    if (ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU) < 0) {
        error_set_errno(
            errp, errno, "the host's VFIO refuses its IOMMU type1v2%s",
            errno == EPERM ? ", as nothing keeps interrupts of devices apart (interrupt remapping; "
                             "see the host's kernel log)"
                           : "");
        return false;
    }
    return true;
}
