/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "hw/core/runstate.h"
#include "hw/pci/pci-cap.h"
#include "hw/vfio/vfio-pci.h"
#include "util/error.h"
#include "util/loop.h"
#include "util/shared-event.h"

/* ---- the host's side ---- */

static uint32_t count_irqs(const VfioPci *s, unsigned index)
{
    struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };

    return ioctl(s->fd, VFIO_DEVICE_GET_IRQ_INFO, &info) == 0 && info.flags & VFIO_IRQ_INFO_EVENTFD
               ? info.count
               : 0;
}

/* From now on each of @count interrupts of the kind @index signals its eventfd. */
static bool set_eventfds(const VfioPci *s, unsigned index, const int *fds, unsigned count)
{
    const size_t size = sizeof(struct vfio_irq_set) + count * sizeof(*fds);
    g_autofree struct vfio_irq_set *set = g_malloc0(size);

    *set = (struct vfio_irq_set){ .argsz = (uint32_t)size,
                                  .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
                                  .index = index,
                                  .count = count };
    memcpy(set->data, fds, count * sizeof(*fds));
    const int left = ioctl(s->fd, VFIO_DEVICE_SET_IRQS, set);
    if (left > 0 && (unsigned)left < count) { /* so many can be had */
        error_warn("%s: the host gives %d of its %u interrupts", s->name, left, count);
        return set_eventfds(s, index, fds, (unsigned)left);
    }
    if (left != 0) {
        error_warn("%s: the host does not give %u interrupts of it: %s", s->name, count,
                   g_strerror(errno));
        return false;
    }
    return true;
}

static void set_none(const VfioPci *s, unsigned index, uint32_t action, unsigned count)
{
    struct vfio_irq_set set = { .argsz = sizeof(set),
                                .flags = VFIO_IRQ_SET_DATA_NONE | action,
                                .index = index,
                                .count = count };

    ioctl(s->fd, VFIO_DEVICE_SET_IRQS, &set);
}

/* ---- events for the main loop ---- */

static gboolean event_comes(gint fd, GIOCondition condition, gpointer opaque)
{
    VfioEvent *event = opaque;

    if (shared_event_take(fd)) {
        event->happened(event->owner, event->number);
    }
    return G_SOURCE_CONTINUE;
}

static bool event_begin(VfioPci *s, VfioEvent *event, unsigned number,
                        void (*happened)(VfioPci *s, unsigned number))
{
    *event = (VfioEvent){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                          .happened = happened,
                          .owner = s,
                          .number = number };
    if (event->fd < 0) {
        error_warn("%s: no eventfd for an interrupt: %s", s->name, g_strerror(errno));
        return false;
    }
    event->watch = g_unix_fd_source_new(event->fd, G_IO_IN);
    g_source_set_callback(event->watch, G_SOURCE_FUNC(event_comes), event, NULL);
    loop_attach(loop_main(), event->watch);
    return true;
}

static void event_end(VfioEvent *event)
{
    if (event->watch) {
        g_source_destroy(event->watch);
        g_source_unref(event->watch);
        close(event->fd);
    }
    *event = (VfioEvent){ .fd = -1 };
}

/* ---- a pin ---- */

/* The host has masked it. Whoever handles it looks at the device, which tells that it may be over:
 * so long no access may pass us by. */
static void intx_raised(VfioPci *s, unsigned number)
{
    vfio_pci_bars_trap(s, true);
    pci_set_irq(&s->parent, 1);
}

void vfio_pci_irqs_eoi(VfioPci *s)
{
    if (s->irqs == VFIO_IRQS_INTX && s->parent.irq_raised) {
        pci_set_irq(&s->parent, 0);
        set_none(s, VFIO_PCI_INTX_IRQ_INDEX, VFIO_IRQ_SET_ACTION_UNMASK, 1);
    }
}

static bool arm_intx(VfioPci *s)
{
    return s->parent.config[PCI_INTERRUPT_PIN] && count_irqs(s, VFIO_PCI_INTX_IRQ_INDEX) &&
           event_begin(s, &s->intx, 0, intx_raised) &&
           set_eventfds(s, VFIO_PCI_INTX_IRQ_INDEX, &s->intx.fd, 1);
}

/* ---- messages ---- */

static void msi_raised(VfioPci *s, unsigned number)
{
    pci_msi_notify(&s->parent, number);
}

static bool arm_msi(VfioPci *s)
{
    int fds[G_N_ELEMENTS(s->msi)];

    s->msi_count = pci_msi_enabled_vectors(&s->parent);
    for (unsigned i = 0; i < s->msi_count; i++) {
        if (!event_begin(s, &s->msi[i], i, msi_raised)) {
            return false;
        }
        fds[i] = s->msi[i].fd;
    }
    return set_eventfds(s, VFIO_PCI_MSI_IRQ_INDEX, fds, s->msi_count);
}

static bool arm_msix(VfioPci *s)
{
    s->msix_fds = g_array_new(FALSE, FALSE, sizeof(int));
    for (unsigned i = 0; i < s->parent.msix_vectors; i++) {
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

        if (fd < 0) {
            error_warn("%s: no eventfds for its %u interrupts: %s", s->name, s->parent.msix_vectors,
                       g_strerror(errno));
            return false;
        }
        g_array_append_val(s->msix_fds, fd);
        pci_msix_set_eventfd(&s->parent, i, fd);
    }
    return set_eventfds(s, VFIO_PCI_MSIX_IRQ_INDEX, (const int *)s->msix_fds->data,
                        s->msix_fds->len);
}

/* ---- which of them ---- */

static void close_all(VfioPci *s)
{
    event_end(&s->intx);
    for (unsigned i = 0; i < s->msi_count; i++) {
        event_end(&s->msi[i]);
    }
    s->msi_count = 0;
    for (unsigned i = 0; s->msix_fds && i < s->msix_fds->len; i++) {
        pci_msix_set_eventfd(&s->parent, i, -1);
        close(g_array_index(s->msix_fds, int, i));
    }
    g_clear_pointer(&s->msix_fds, g_array_unref);
}

static const unsigned index_of[] = { [VFIO_IRQS_INTX] = VFIO_PCI_INTX_IRQ_INDEX,
                                     [VFIO_IRQS_MSI] = VFIO_PCI_MSI_IRQ_INDEX,
                                     [VFIO_IRQS_MSIX] = VFIO_PCI_MSIX_IRQ_INDEX };

void vfio_pci_irqs_disarm(VfioPci *s)
{
    if (s->irqs != VFIO_IRQS_NONE) {
        set_none(s, index_of[s->irqs], VFIO_IRQ_SET_ACTION_TRIGGER, 0);
        close_all(s);
        pci_set_irq(&s->parent, 0);
        vfio_pci_bars_trap(s, false);
        s->irqs = VFIO_IRQS_NONE;
    }
}

void vfio_pci_irqs_update(VfioPci *s)
{
    static bool (*const arm[])(VfioPci * s) = {
        [VFIO_IRQS_INTX] = arm_intx, [VFIO_IRQS_MSI] = arm_msi, [VFIO_IRQS_MSIX] = arm_msix
    };
    const VfioIrqs wanted = pci_msix_enabled(&s->parent)  ? VFIO_IRQS_MSIX
                            : pci_msi_enabled(&s->parent) ? VFIO_IRQS_MSI
                                                          : VFIO_IRQS_INTX;

    if (wanted == s->irqs &&
        (wanted != VFIO_IRQS_MSI || s->msi_count == pci_msi_enabled_vectors(&s->parent))) {
        return;
    }
    vfio_pci_irqs_disarm(s);
    s->irqs = wanted;
    if (!arm[wanted](s)) {
        close_all(s);
    }
}

/* ---- requests ---- */

/* Somebody at the host wants the device back, and waits for it. */
static void asked_back(VfioPci *s, unsigned number)
{
    g_autofree char *path = object_path(OBJECT(s));
    g_autoptr(GError) err = NULL;

    if (!device_del(path, &err)) {
        error_warn("%s is wanted back by the host, and the guest cannot be asked for it: %s",
                   s->name, err->message);
    }
}

/* It has done what it should not, and what it had to do is lost. */
static void broken(VfioPci *s, unsigned number)
{
    error_report("%s has an error that cannot be mended: the machine stops", s->name);
    runstate_stop(RUN_STATE_INTERNAL_ERROR);
}

bool vfio_pci_irqs_begin(VfioPci *s, GError **errp)
{
    s->intx.fd = s->request.fd = s->error.fd = -1;
    if (count_irqs(s, VFIO_PCI_REQ_IRQ_INDEX) && event_begin(s, &s->request, 0, asked_back)) {
        set_eventfds(s, VFIO_PCI_REQ_IRQ_INDEX, &s->request.fd, 1);
    }
    if (count_irqs(s, VFIO_PCI_ERR_IRQ_INDEX) && event_begin(s, &s->error, 0, broken)) {
        set_eventfds(s, VFIO_PCI_ERR_IRQ_INDEX, &s->error.fd, 1);
    }
    vfio_pci_irqs_update(s);
    return true;
}

void vfio_pci_irqs_end(VfioPci *s)
{
    vfio_pci_irqs_disarm(s);
    if (s->request.watch) {
        set_none(s, VFIO_PCI_REQ_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0);
        event_end(&s->request);
    }
    if (s->error.watch) {
        set_none(s, VFIO_PCI_ERR_IRQ_INDEX, VFIO_IRQ_SET_ACTION_TRIGGER, 0);
        event_end(&s->error);
    }
}
