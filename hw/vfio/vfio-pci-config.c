/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "hw/pci/pci-cap.h"
#include "hw/vfio/vfio-pci.h"
#include "util/error.h"

#define CAPABILITIES_MAX 48 /* as many as fit behind the header */

enum {
    MSI_BYTES = 10,
    MSI_BYTES_WIDE = 4,
    MSI_BYTES_MASKS = 10, /* and 2 before them */
    MSI_WIDE = 1 << 7,
    MSI_MASKS = 1 << 8,
    MSIX_BYTES = 12,
};

/* ---- the real one ---- */

static bool read_config(const VfioPci *s, unsigned offset, void *buf, unsigned size)
{
    return pread(s->fd, buf, size, (off_t)(s->config.offset + offset)) == (ssize_t)size;
}

static void write_config(const VfioPci *s, unsigned offset, const void *buf, unsigned size)
{
    if (pwrite(s->fd, buf, size, (off_t)(s->config.offset + offset)) != (ssize_t)size) {
        error_warn("%s: the host does not let its configuration space be written to at 0x%x: %s",
                   s->name, offset, g_strerror(errno));
    }
}

void vfio_pci_config_quiet(VfioPci *s)
{
    const uint16_t command = 0;

    write_config(s, PCI_COMMAND, &command, sizeof(command));
}

/* ---- accesses ---- */

/* What the function core reads is up to date where the guest has the device's own bytes. */
void vfio_pci_config_reading(PciDevice *dev, unsigned offset, unsigned size)
{
    VfioPci *s = VFIO_PCI(dev);
    uint8_t bytes[4];

    if (offset + size > PCI_CONFIG_SIZE || !memchr(s->direct + offset, 1, size)) {
        return;
    }
    if (!read_config(s, offset, bytes, size)) {
        memset(bytes, 0xff, sizeof(bytes));
    }
    for (unsigned i = 0; i < size; i++) {
        if (s->direct[offset + i]) {
            dev->config[offset + i] = bytes[i];
        }
    }
}

void vfio_pci_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    VfioPci *s = VFIO_PCI(dev);

    if (pci_touches(offset, size, PCI_COMMAND, 2)) {
        write_config(s, PCI_COMMAND, dev->config + PCI_COMMAND, 2);
    }
    for (unsigned i = 0, run; i < size && offset + size <= PCI_CONFIG_SIZE; i += MAX(run, 1)) {
        for (run = 0; i + run < size && s->direct[offset + i + run]; run++) {
        }
        if (run) {
            write_config(s, offset + i, dev->config + offset + i, run);
        }
    }
    vfio_pci_irqs_update(s);
}

/* ---- taking over ---- */

static void own(VfioPci *s, unsigned first, unsigned size)
{
    for (unsigned i = first; i < MIN(first + size, PCI_CONFIG_SIZE); i++) {
        s->direct[i] = 0;
        s->parent.wmask[i] = 0;
    }
}

static void take_msi(VfioPci *s, unsigned at)
{
    const uint16_t control = pci_get_word(&s->parent, at + 2);

    own(s, at,
        MSI_BYTES + (control & MSI_WIDE ? MSI_BYTES_WIDE : 0) +
            (control & MSI_MASKS ? MSI_BYTES_MASKS : 0));
    pci_adopt_msi(&s->parent, at);
}

static bool take_msix(VfioPci *s, unsigned at, GError **errp)
{
    const uint32_t table = pci_get_long(&s->parent, at + 4);
    const uint32_t pending = pci_get_long(&s->parent, at + 8);

    own(s, at, MSIX_BYTES);
    s->msix_bar = table & 7;
    s->msix_offset = table & ~7u;
    s->pending_bar = pending & 7;
    s->pending_offset = pending & ~7u;
    if (s->msix_bar >= PCI_BARS || s->pending_bar >= PCI_BARS) {
        error_set(errp, "its MSI-X capability is in BAR %u and %u, which there are not",
                  s->msix_bar, s->pending_bar);
        return false;
    }
    pci_adopt_msix(&s->parent, at);
    return true;
}

/* A list that leads nowhere, or in circles, ends. */
static bool take_capabilities(VfioPci *s, GError **errp)
{
    PciDevice *dev = &s->parent;
    unsigned at = dev->config[PCI_CAPABILITY_LIST] & ~3u, last = PCI_CAPABILITY_LIST;

    for (unsigned n = 0; at >= 0x40 && n < CAPABILITIES_MAX; n++) {
        const uint8_t id = dev->config[at];

        own(s, at, 2);
        dev->config[last] = (uint8_t)at;
        if (id == PCI_CAP_ID_MSI && !dev->msi_cap && at <= PCI_CONFIG_SIZE - 0x18) {
            take_msi(s, at);
        } else if (id == PCI_CAP_ID_MSIX && !dev->msix_cap && at <= PCI_CONFIG_SIZE - MSIX_BYTES) {
            if (!take_msix(s, at, errp)) {
                return false;
            }
        } else if (id == PCI_CAP_ID_EXPRESS && s->config.size >= PCIE_CONFIG_SIZE) {
            dev->express_cap = (uint8_t)at;
        }
        last = at + 1;
        at = dev->config[last] & ~3u;
    }
    dev->config[last] = 0;
    return true;
}

/* Registers of the header that are ours: the machine's firmware and the guest set them as they
 * like. */
static const PciRegister header[] = {
    { PCI_COMMAND, 2, 0,
      PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY |
          PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE },
    { PCI_CACHE_LINE_SIZE, 1, 0, 0xff },
    { PCI_LATENCY_TIMER, 1, 0, 0xff },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
};

static void set_header(VfioPci *s, const uint8_t *real)
{
    PciDevice *dev = &s->parent;
    const uint8_t more = dev->config[PCI_HEADER_TYPE] & PCI_HEADER_MULTIFUNCTION;

    memcpy(dev->config, real, PCI_BASE_ADDRESS_0);
    memcpy(dev->config + PCI_SUBSYSTEM_VENDOR_ID, real + PCI_SUBSYSTEM_VENDOR_ID, 4);
    memcpy(dev->config + PCI_CAPABILITY_LIST, real + PCI_CAPABILITY_LIST,
           PCI_CONFIG_SIZE - PCI_CAPABILITY_LIST);
    dev->config[PCI_HEADER_TYPE] = more;
    pci_set_registers(dev, header, G_N_ELEMENTS(header));
    memset(s->direct, 0, sizeof(s->direct));
    memset(s->direct + PCI_STATUS, 1, 2);
    memset(dev->wmask + PCI_STATUS, 0xff, 2);
    memset(s->direct + 0x40, 1, PCI_CONFIG_SIZE - 0x40);
    memset(dev->wmask + 0x40, 0xff, PCI_CONFIG_SIZE - 0x40);
}

bool vfio_pci_config_begin(VfioPci *s, GError **errp)
{
    uint8_t real[PCI_CONFIG_SIZE];

    if (!read_config(s, 0, real, sizeof(real))) {
        error_set_errno(errp, errno, "its configuration space cannot be read");
        return false;
    }
    if ((real[PCI_HEADER_TYPE] & PCI_HEADER_LAYOUT) != 0) {
        error_set(errp, "it is a bridge: only the devices behind it can be given to a guest");
        return false;
    }
    set_header(s, real);
    if (!take_capabilities(s, errp)) {
        vfio_pci_config_end(s);
        return false;
    }
    return true;
}

/* The function core takes capabilities away by the list, which is not of its making. */
void vfio_pci_config_end(VfioPci *s)
{
    PciDevice *dev = &s->parent;

    dev->config[PCI_CAPABILITY_LIST] = dev->initial[PCI_CAPABILITY_LIST] = 0;
    memset(dev->wmask + 0x40, 0, PCI_CONFIG_SIZE - 0x40);
}
