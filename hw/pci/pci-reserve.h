/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a bridge asks firmware to keep free behind it, for devices that come later: bus numbers, and
 * sizes of its windows. SeaBIOS and OVMF read it from a vendor capability of bridges of vendor
 * 1b36, and of no others (docs/pci.md).
 */
#ifndef HW_PCI_PCI_RESERVE_H
#define HW_PCI_PCI_RESERVE_H

#include "hw/pci/pci.h"

/* Properties. */
typedef struct PciReserve {
    uint32_t buses;                   /* PROP_UNSET: nothing is asked for */
    uint64_t io, mem, pref32, pref64; /* bytes; UINT64_MAX: nothing is asked for */
} PciReserve;

#define PCI_RESERVE_SIZE(property, at, field, text)                                              \
    {                                                                                            \
        .name = (property), .kind = PROP_SIZE, .offset = (at) + offsetof(PciReserve, field),     \
        .description = "bytes of " text " that firmware keeps free for devices that come later", \
        .has_default = true, .default_int = -1                                                   \
    }
/* Their properties, for a PciReserve at @at in the instance. */
#define PCI_RESERVE_PROPERTIES(at)                                                            \
    { .name = "bus-reserve",                                                                  \
      .kind = PROP_UINT32,                                                                    \
      .offset = (at) + offsetof(PciReserve, buses),                                           \
      .description = "bus numbers that firmware keeps free behind the bridge for those that " \
                     "come later",                                                            \
      .has_default = true,                                                                    \
      .default_int = PROP_UNSET },                                                            \
        PCI_RESERVE_SIZE("io-reserve", at, io, "I/O space"),                                  \
        PCI_RESERVE_SIZE("mem-reserve", at, mem, "memory space"),                             \
        PCI_RESERVE_SIZE("pref32-reserve", at, pref32, "prefetchable memory below 4 GiB"),    \
        PCI_RESERVE_SIZE("pref64-reserve", at, pref64, "prefetchable memory of 64 bits")

/* An error if that cannot be asked for. */
bool pci_reserve_check(const PciReserve *reserve, GError **errp);
/* For realize, after the check: the capability, if anything is asked for. */
void pci_reserve_add(PciDevice *dev, const PciReserve *reserve);

#endif
