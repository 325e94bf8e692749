/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/vfio/vfio-pci.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hw/core/boot-order.h"
#include "hw/core/failover.h"
#include "hw/core/save-check.h"
#include "hw/pci/pci-iommu.h"
#include "util/error.h"
#include "util/vfio.h"

enum { DISPLAY_OFF, DISPLAY_ON, DISPLAY_AUTO };

bool vfio_pci_region(const VfioPci *s, unsigned index, VfioRegion *region)
{
    struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

    *region = (VfioRegion){ 0 };
    if (ioctl(s->fd, VFIO_DEVICE_GET_REGION_INFO, &info) < 0) {
        return false;
    }
    *region = (VfioRegion){ info.size, info.offset, info.flags };
    return true;
}

/* ---- which one ---- */

static char *find_folder(const VfioPci *s, GError **errp)
{
    g_autofree char *name = NULL;

    if (!s->host == !s->sysfsdev) {
        error_set(errp, "give it 'host', the device's place at the host as lspci -D names it, such "
                        "as host=0000:06:12.5, or its folder in /sys as 'sysfsdev', and not both");
        return NULL;
    }
    if (s->sysfsdev) {
        return g_strdup(s->sysfsdev);
    }
    name = vfio_pci_name(s->host);
    if (!name) {
        error_set(errp, "host=%s: it must be a place as lspci -D names it, such as 0000:06:12.5",
                  s->host);
        return NULL;
    }
    return g_strdup_printf("/sys/bus/pci/devices/%s", name);
}

static bool check_device(VfioPci *s, GError **errp)
{
    struct vfio_device_info info = { .argsz = sizeof(info) };

    if (ioctl(s->fd, VFIO_DEVICE_GET_INFO, &info) < 0) {
        error_set_errno(errp, errno, "the host's VFIO does not describe it");
        return false;
    }
    if (!(info.flags & VFIO_DEVICE_FLAGS_PCI) ||
        !vfio_pci_region(s, VFIO_PCI_CONFIG_REGION_INDEX, &s->config) ||
        s->config.size < PCI_CONFIG_SIZE) {
        error_set(errp, "it is no PCI device");
        return false;
    }
    s->can_reset = info.flags & VFIO_DEVICE_FLAGS_RESET;
    return true;
}

/* ---- life ---- */

static void reset_device(VfioPci *s)
{
    vfio_pci_config_quiet(s);
    if (s->can_reset && ioctl(s->fd, VFIO_DEVICE_RESET) < 0) {
        error_warn("%s: the host cannot reset it: %s", s->name, g_strerror(errno));
    }
}

static void vfio_reset(PciDevice *dev)
{
    VfioPci *s = VFIO_PCI(dev);

    vfio_pci_irqs_disarm(s);
    reset_device(s);
    vfio_pci_irqs_update(s);
}

/* What is in the device is nowhere else. */
static bool check_save(void *opaque, GError **errp)
{
    const VfioPci *s = opaque;

    if (failover_is_primary(&s->parent.parent)) {
        return true; /* it leaves before */
    }
    g_autofree char *name = device_describe(&s->parent.parent);

    error_set(errp,
              "%s is a device of this host (%s), which cannot go along: unplug it before "
              "(device_del)",
              name, s->name);
    return false;
}

static bool begin_parts(VfioPci *s, GError **errp)
{
    if (!check_device(s, errp) || !vfio_pci_config_begin(s, errp)) {
        return false;
    }
    if (!vfio_pci_bars_begin(s, errp)) {
        vfio_pci_config_end(s);
        return false;
    }
    if (!boot_order_add(&s->parent.parent, s->boot_index, &s->parent.parent, "pci", "", errp)) {
        vfio_pci_bars_end(s);
        vfio_pci_config_end(s);
        return false;
    }
    reset_device(s);
    return vfio_pci_irqs_begin(s, errp);
}

static bool vfio_realize(PciDevice *dev, GError **errp)
{
    VfioPci *s = VFIO_PCI(dev);
    g_autofree char *folder = find_folder(s, errp);

    if (!folder) {
        return false;
    }
    if (pci_has_iommu(dev)) {
        error_set(errp,
                  "vfio-pci is not possible behind the machine's IOMMU, which the device would not "
                  "go through: leave the IOMMU out, or use a bus that bypasses it");
        return false;
    }
    if (s->display == DISPLAY_ON) {
        error_set(errp, "display=on: the screen of a device of the host cannot be shown: leave it "
                        "out, or give display=off");
        return false;
    }
    if (!vfio_check_driver(folder, errp)) {
        return false;
    }
    s->name = g_path_get_basename(folder);
    s->fd = vfio_device_open(folder, s->name, &s->group, errp);
    if (s->fd < 0) {
        g_clear_pointer(&s->name, g_free);
        return false;
    }
    if (!begin_parts(s, errp)) {
        vfio_device_close(s->fd, s->group);
        g_clear_pointer(&s->name, g_free);
        return false;
    }
    save_check_add(check_save, s);
    return true;
}

static void vfio_unrealize(PciDevice *dev)
{
    VfioPci *s = VFIO_PCI(dev);

    save_check_remove(check_save, s);
    vfio_pci_irqs_end(s);
    boot_order_remove(&dev->parent);
    reset_device(s);
    vfio_pci_bars_end(s);
    vfio_pci_config_end(s);
    vfio_device_close(s->fd, s->group);
    g_clear_pointer(&s->name, g_free);
}

static const PciFunctionClass vfio_ops = {
    .device = { PCI_DEVICE_CLASS_BASE, .category = "misc",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG },
    .own_dma = true,
    .realize = vfio_realize,
    .unrealize = vfio_unrealize,
    .reset = vfio_reset,
    .config_reading = vfio_pci_config_reading,
    .config_written = vfio_pci_config_written,
};

static const char *const display_values[] = { "off", "on", "auto", NULL };

static const Property vfio_properties[] = {
    { .name = "host",
      .kind = PROP_STRING,
      .offset = offsetof(VfioPci, host),
      .description = "the device's place at the host, such as 0000:06:12.5" },
    { .name = "sysfsdev",
      .kind = PROP_STRING,
      .offset = offsetof(VfioPci, sysfsdev),
      .description = "or its folder in /sys" },
    { .name = "display",
      .kind = PROP_ENUM,
      .offset = offsetof(VfioPci, display),
      .has_default = true,
      .default_int = DISPLAY_OFF,
      .enum_names = display_values,
      .custom_type = "OnOffAuto",
      .description = "show its screen: off, or auto, which is off" },
    { .name = "bootindex",
      .kind = PROP_INT32,
      .offset = offsetof(VfioPci, boot_index),
      .has_default = true,
      .default_int = -1,
      .description = "firmware boots from the lowest one first" },
    { 0 },
};

static const ObjectType vfio_pci_type = {
    .name = TYPE_VFIO_PCI,
    .parent = TYPE_PCI_DEVICE,
    .description = "A PCI device of the host, by its VFIO",
    .instance_size = sizeof(VfioPci),
    .properties = vfio_properties,
    .ops = &vfio_ops,
};
OBJECT_TYPE_REGISTER(vfio_pci_type)
