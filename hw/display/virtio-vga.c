/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-vga: a virtio GPU that is a VGA as well, so that firmware and guests without a driver of
 * virtio have a picture. BAR 0 is the VGA's memory, BAR 2 its registers; 1 and 4 are virtio's.
 *
 * The console of the first output shows the VGA while the guest's driver has it show nothing.
 */
#include "hw/display/vga.h"
#include "hw/virtio/vhost-user-gpu.h"

#define TYPE_VIRTIO_VGA_BASE "virtio-vga-base"

typedef struct VirtioVga {
    VirtioPci parent;
    Vga vga;
} VirtioVga;
OBJECT_CAST_DEFINE(VirtioVga, VIRTIO_VGA, TYPE_VIRTIO_VGA_BASE)

static VirtioGpu *gpu_of(VirtioVga *s)
{
    return VIRTIO_GPU(s->parent.vdev);
}

static void draw(void *opaque)
{
    vga_draw(opaque);
}

/* What was shown was the GPU's: all is drawn anew, if there is a mode. */
static void come_back(void *opaque)
{
    Vga *vga = opaque;

    if (vga->screen.surface) {
        screen_off(&vga->screen);
    } else {
        console_set_surface(vga->screen.console, NULL);
    }
    vga->redraw = true;
}

static void ui_info(void *opaque, unsigned width, unsigned height)
{
    vga_ui_info(opaque, width, height);
}

static const VirtioGpuVga vga_ops = { draw, come_back, ui_info };

static bool virtio_vga_realize(PciDevice *dev, GError **errp)
{
    VirtioVga *s = VIRTIO_VGA(dev);

    if (!virtio_pci_realize(dev, errp)) {
        return false;
    }
    s->vga.shared = gpu_of(s)->scanouts[0].console;
    if (!vga_realize(&s->vga, dev, true, errp)) {
        virtio_pci_unrealize(dev);
        return false;
    }
    virtio_gpu_set_vga(gpu_of(s), &vga_ops, &s->vga);
    pci_add_bar(dev, 0, PCI_BAR_PREFETCH, &s->vga.vram.region);
    pci_add_bar(dev, 2, 0, &s->vga.bar);
    return true;
}

static void virtio_vga_unrealize(PciDevice *dev)
{
    VirtioVga *s = VIRTIO_VGA(dev);

    virtio_gpu_set_vga(gpu_of(s), NULL, NULL);
    vga_unrealize(&s->vga);
    virtio_pci_unrealize(dev);
}

static void virtio_vga_reset(PciDevice *dev)
{
    virtio_pci_reset(dev);
    vga_reset(&VIRTIO_VGA(dev)->vga);
}

static const StateField virtio_vga_fields[] = {
    STATE_STRUCT(VirtioVga, parent, &virtio_pci_state),
    STATE_STRUCT(VirtioVga, vga, &vga_state),
    {},
};
static const StateTable virtio_vga_state = { .name = "virtio-vga",
                                             .version = 1,
                                             .fields = virtio_vga_fields };

static const VirtioPciClass virtio_vga_class = {
    .pci = { .device = { PCI_DEVICE_CLASS_CORE, .category = "display",
                         .flags = DEVICE_USER_CREATABLE, .check_unplug = virtio_pci_check_unplug,
                         .state = &virtio_vga_state },
             .rom = "vgabios-virtio.bin",
             .realize = virtio_vga_realize,
             .unrealize = virtio_vga_unrealize,
             .reset = virtio_vga_reset,
             .loaded = virtio_pci_loaded,
             .config_reading = virtio_pci_config_reading,
             .config_written = virtio_pci_config_written },
    .pci_class = 0x0300,
};

static const Property virtio_vga_properties[] = {
    { .name = "vgamem_mb",
      .kind = PROP_UINT32,
      .offset = offsetof(VirtioVga, vga.memory_mb),
      .has_default = true,
      .default_int = 8,
      .description = "MiB of the VGA's memory: a power of 2 from 1 to 256" },
    { 0 },
};

static void virtio_vga_init(Object *obj)
{
    Vga *vga = &VIRTIO_VGA(obj)->vga;

    vga->edid_on = vga->ext_regs = true;
}

static const ObjectType virtio_vga_base_type = {
    .name = TYPE_VIRTIO_VGA_BASE,
    .parent = TYPE_VIRTIO_PCI,
    .description = "Graphics card: a virtio GPU that is a VGA as well",
    .abstract = true,
    .instance_size = sizeof(VirtioVga),
    .properties = virtio_vga_properties,
    .ops = &virtio_vga_class,
    .init = virtio_vga_init,
};
OBJECT_TYPE_REGISTER(virtio_vga_base_type)

static const ObjectType virtio_vga_type = {
    .name = "virtio-vga",
    .parent = TYPE_VIRTIO_VGA_BASE,
    .description = "Graphics card: a virtio GPU that is a VGA as well",
    .part = "virtio-backend",
    .part_type = TYPE_VIRTIO_GPU,
    .properties = virtio_pci_mode_properties,
    .ops = &virtio_vga_class,
};
OBJECT_TYPE_REGISTER(virtio_vga_type)

static const ObjectType vhost_user_vga_type = {
    .name = "vhost-user-vga",
    .parent = TYPE_VIRTIO_VGA_BASE,
    .description = "Graphics card: a virtio GPU of another program that is a VGA as well",
    .part = "virtio-backend",
    .part_type = TYPE_VHOST_USER_GPU,
    .properties = virtio_pci_mode_properties,
    .ops = &virtio_vga_class,
};
OBJECT_TYPE_REGISTER(vhost_user_vga_type)
