/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots of PCI buses whose devices come and go while the machine runs. A slot is plugged and asked
 * for as a whole, with all its functions: the guest hears of it when function 0 comes.
 *
 * What is the same for every way to tell the guest is here: which device may come, the record of
 * the request to give it back (hw/core/unplug.h), and how it ends. A way - ACPI's registers
 * (hw/pci/acpi-pci-hotplug.h), PCI Express's (hw/pci/pcie-slot.h) - is a PciHotplugOps. Machine
 * lock.
 */
#ifndef HW_PCI_PCI_HOTPLUG_H
#define HW_PCI_PCI_HOTPLUG_H

#include <json-c/json.h>

#include "hw/core/unplug.h"
#include "hw/pci/pci.h"

struct PciSlot {
    bool insert_event, remove_event; /* ACPI: which the guest has not taken yet */
    UnplugRecord unplug;
    /* wiring */
    PciBus *bus;
    uint8_t number;
};

/* How the guest is told. @opaque is pci_hotplug_enable()'s. All may be NULL but `ask`. */
typedef struct PciHotplugOps {
    /* Function 0 came. */
    void (*inserted)(void *opaque, PciSlot *slot);
    /* An error if the guest cannot be asked now. */
    bool (*check_ask)(void *opaque, PciSlot *slot, GError **errp);
    /* Ask the guest to give the slot back; also when it was asked already. */
    void (*ask)(void *opaque, PciSlot *slot);
    /* It is not asked any more. */
    void (*withdraw)(void *opaque, PciSlot *slot);
    /* The last function is about to go. */
    void (*removed)(void *opaque, PciSlot *slot);
    /* In words, what the guest gave as @status of its refusal; never freed. */
    const char *(*reason)(uint32_t status);
    /* A bus came under this way; it goes. */
    void (*bus_added)(void *opaque, PciBus *bus);
    void (*bus_gone)(void *opaque, PciBus *bus);
} PciHotplugOps;

/* Of every PCI bus. */
extern const HotplugHandler pci_hotplug_handler;
extern const StateTable pci_slot_state;

/* From now on devices of @bus can come and go while the machine runs; once a bus. */
void pci_hotplug_enable(PciBus *bus, const PciHotplugOps *ops, void *opaque);
/* For the bus's end. */
void pci_hotplug_disable(PciBus *bus);
/* From now on the same for each bus that a bridge below @root makes, unless the bridge says no. */
void pci_hotplug_enable_below(PciBus *root, const PciHotplugOps *ops, void *opaque);

/* Is a function in it? */
bool pci_slot_in_use(const PciSlot *slot);
/* Can everything that is in it go, and is there something? */
bool pci_slot_removable(const PciSlot *slot);

/* ---- what the guest does ---- */

/* It has seen the request; it works on it. */
void pci_slot_seen(PciSlot *slot);
void pci_slot_in_progress(PciSlot *slot);
/* It does not give the slot back, with a @status of its way. */
void pci_slot_refused(PciSlot *slot, uint32_t status);
/* It gave it back: all functions go. Nothing happens if they cannot. */
void pci_slot_eject(PciSlot *slot);

/* Reset: a pending request is withdrawn. */
void pci_slot_reset(PciSlot *slot);

/* The slots of @bus with what can go, or that were asked for, for users. New reference. */
struct json_object *pci_hotplug_to_json(const PciBus *bus);

#endif
