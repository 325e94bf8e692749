/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/pci-reserve.h"

#include "hw/pci/pci-cap.h"
#include "util/error.h"
#include "util/units.h"

enum {
    RESERVE_LENGTH = 2,
    RESERVE_TYPE = 3,
    RESERVE_BUSES = 4,
    RESERVE_IO = 8,      /* 8 bytes */
    RESERVE_MEM = 16,    /* 4 bytes */
    RESERVE_PREF32 = 20, /* 4 bytes */
    RESERVE_PREF64 = 24, /* 8 bytes */
    RESERVE_SIZE = 32,
};
#define RESERVE_TYPE_RESOURCES 1

/* The registers behind a bridge's windows say no more than that. */
static bool check_size(const char *property, uint64_t size, uint64_t max, GError **errp)
{
    if (size != UINT64_MAX && size > max) {
        error_set(errp, "'%s' is %" PRIu64 ": it must be from 0 to %" PRIu64, property, size, max);
        return false;
    }
    return true;
}

bool pci_reserve_check(const PciReserve *reserve, GError **errp)
{
    if (reserve->buses != PROP_UNSET && reserve->buses > UINT8_MAX) {
        error_set(errp, "'bus-reserve' is %u: it must be from 0 to %u", reserve->buses, UINT8_MAX);
        return false;
    }
    if (reserve->pref32 != UINT64_MAX && reserve->pref64 != UINT64_MAX) {
        error_set(errp, "'pref32-reserve' and 'pref64-reserve' are both set: a bridge has one "
                        "window of prefetchable memory; give one of them");
        return false;
    }
    return check_size("io-reserve", reserve->io, 64 * KIB, errp) &&
           check_size("mem-reserve", reserve->mem, UINT32_MAX, errp) &&
           check_size("pref32-reserve", reserve->pref32, UINT32_MAX, errp);
}

static void set_quad(PciDevice *dev, unsigned offset, uint64_t value)
{
    pci_set_long(dev, offset, (uint32_t)value);
    pci_set_long(dev, offset + 4, value >> 32);
}

void pci_reserve_add(PciDevice *dev, const PciReserve *reserve)
{
    unsigned at;

    if (reserve->buses == PROP_UNSET && reserve->io == UINT64_MAX && reserve->mem == UINT64_MAX &&
        reserve->pref32 == UINT64_MAX && reserve->pref64 == UINT64_MAX) {
        return;
    }
    at = pci_add_capability(dev, PCI_CAP_ID_VENDOR, RESERVE_SIZE);
    dev->config[at + RESERVE_LENGTH] = RESERVE_SIZE;
    dev->config[at + RESERVE_TYPE] = RESERVE_TYPE_RESOURCES;
    pci_set_long(dev, at + RESERVE_BUSES, reserve->buses);
    set_quad(dev, at + RESERVE_IO, reserve->io);
    pci_set_long(dev, at + RESERVE_MEM, (uint32_t)reserve->mem);
    pci_set_long(dev, at + RESERVE_PREF32, (uint32_t)reserve->pref32);
    set_quad(dev, at + RESERVE_PREF64, reserve->pref64);
}
