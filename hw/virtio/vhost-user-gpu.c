/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/vhost-user-gpu.h"

#include <unistd.h>

#include "util/error.h"

enum { CONTROL_SIZE = 256, CURSOR_SIZE = 16 }; /* of queues */

static void came(VirtioDevice *vdev)
{
    VhostUserGpu *s = VHOST_USER_GPU(vdev);
    g_autoptr(GError) err = NULL;

    vhost_gpu_disconnect(s);
    if (!vhost_gpu_connect(s, &err)) {
        vhost_fail(s->vhost, "its back-end takes no socket for pictures", g_steal_pointer(&err));
    }
}

static void gone(VirtioDevice *vdev)
{
    vhost_gpu_disconnect(VHOST_USER_GPU(vdev));
}

static void serve_side(VirtioDevice *vdev)
{
    vhost_gpu_serve(VHOST_USER_GPU(vdev));
}

/* What is on its way of pictures is of the time before. */
static void gpu_reset(VirtioDevice *vdev)
{
    VhostUserGpu *s = VHOST_USER_GPU(vdev);

    vhost_gpu_serve(s);
    virtio_gpu_reset_scanouts(&s->parent);
}

static const VhostClass vhost_class = {
    .features = UINT64_MAX,
    .came = came,
    .gone = gone,
    .serve_side = serve_side,
    .stopped = gpu_reset,
};

/* Where pictures are is known to the back-end only. */
static bool check_migrate(const Device *dev, GError **errp)
{
    error_set(errp, "its pictures are in its back-end, which cannot give them");
    return false;
}

static bool meet(VhostUserGpu *s, GError **errp)
{
    VirtioDevice *vdev = &s->parent.parent;

    s->vhost = vhost_new(vdev, &vhost_class, &s->fe, errp);
    if (!s->vhost || !vhost_gpu_connect(s, errp)) {
        return false;
    }
    virtio_add_queue(vdev, CONTROL_SIZE, vhost_handle_queue);
    virtio_add_queue(vdev, CURSOR_SIZE, vhost_handle_queue);
    return vhost_add_rings(s->vhost, 2, errp);
}

static void leave(VhostUserGpu *s)
{
    vhost_gpu_disconnect(s); /* it must not hear of pictures while it gives the rings back */
    g_clear_pointer(&s->vhost, vhost_free);
    virtio_gpu_free_scanouts(&s->parent);
    char_detach(&s->fe);
    if (s->copy_fd >= 0) {
        close(s->copy_fd);
        s->copy_fd = -1;
    }
}

static bool gpu_realize(VirtioDevice *vdev, GError **errp)
{
    VhostUserGpu *s = VHOST_USER_GPU(vdev);

    if (!virtio_gpu_check(&s->parent, errp) || !vhost_attach(&s->fe, s->chardev, errp)) {
        return false;
    }
    virtio_gpu_make_scanouts(&s->parent);
    if (!meet(s, errp)) {
        leave(s);
        return false;
    }
    return true;
}

static void gpu_unrealize(VirtioDevice *vdev)
{
    leave(VHOST_USER_GPU(vdev));
}

static const StateField gpu_fields[] = {
    STATE_STRUCT(VhostUserGpu, parent.parent, &virtio_device_state),
    {},
};
static const StateTable gpu_state = { .name = TYPE_VHOST_USER_GPU,
                                      .version = 1,
                                      .fields = gpu_fields };

static const Property gpu_properties[] = {
    { .name = "chardev",
      .kind = PROP_STRING,
      .offset = offsetof(VhostUserGpu, chardev),
      .description = "a socket, at whose other end the back-end is" },
    { 0 },
};

static const VirtioDeviceClass gpu_ops = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &gpu_state, .check_migrate = check_migrate },
    .id = VIRTIO_ID_GPU,
    .config_size = sizeof(VirtioGpuConfig),
    .realize = gpu_realize,
    .unrealize = gpu_unrealize,
    .reset = gpu_reset,
    .config_read = virtio_gpu_config_read,
    .config_written = virtio_gpu_config_written,
};

static void gpu_init(Object *obj)
{
    VhostUserGpu *s = VHOST_USER_GPU(obj);

    s->fd = s->message_fd = s->copy_fd = -1;
}

static const ObjectType gpu_type = {
    .name = TYPE_VHOST_USER_GPU,
    .parent = TYPE_VIRTIO_GPU,
    .description = "pictures that the guest has another program make",
    .instance_size = sizeof(VhostUserGpu),
    .properties = gpu_properties,
    .ops = &gpu_ops,
    .init = gpu_init,
};
OBJECT_TYPE_REGISTER(gpu_type)

static const VirtioPciClass gpu_pci = VIRTIO_PCI_CLASS("display", 0x0380, 0);
VIRTIO_PCI_MODERN_TYPE(vugpu, "vhost-user-gpu", TYPE_VHOST_USER_GPU, &gpu_pci,
                       "a graphics card of another program")
