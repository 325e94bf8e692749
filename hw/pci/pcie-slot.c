/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/pcie-slot.h"

#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-cap.h"
#include "hw/pci/pci-internal.h"
#include "hw/pci/pcie-regs.h"
#include "util/error.h"

#define SLOT_EVENTS (SLOT_STS_BUTTON | SLOT_STS_PRESENCE | SLOT_STS_COMMAND | SLOT_STS_LINK)

static uint16_t control_of(const PciDevice *port)
{
    return pci_get_word(port, port->express_cap + EXP_SLOT_CONTROL);
}

static uint16_t status_of(const PciDevice *port)
{
    return pci_get_word(port, port->express_cap + EXP_SLOT_STATUS);
}

static void set_bits(PciDevice *port, unsigned reg, uint16_t bits, bool on)
{
    uint16_t value = pci_get_word(port, port->express_cap + reg);

    pci_set_word(port, port->express_cap + reg, on ? value | bits : value & ~bits);
}

static PciSlot *pci_slot_behind(const PciDevice *port)
{
    return pci_secondary_bus(port)->slots;
}

static const PciHotplugOps ops;

/* Do the registers rule the slot, or does the guest come another way? */
static bool is_native(const PciDevice *port)
{
    return pci_secondary_bus(port)->hotplug == &ops;
}

static bool is_present(const PciDevice *port)
{
    return pci_secondary_bus(port)->devices[PCI_DEVFN(0, 0)] != NULL;
}

static bool link_is_up(const PciDevice *port)
{
    return is_present(port) && !(control_of(port) & SLOT_CTL_POWER_OFF);
}

/* Has the guest turned it off, as slot control @control says? */
static bool is_off(const PcieSlot *slot, uint16_t control)
{
    return (control & SLOT_CTL_POWER_LED) == SLOT_CTL_POWER_LED_OFF &&
           (control & SLOT_CTL_POWER_OFF || !slot->config->power);
}

/* ---- events ---- */

/* The interrupt, from the registers: a message when it begins, or the pin while it lasts. */
static void update_interrupt(PcieSlot *slot)
{
    PciDevice *port = slot->port;
    uint16_t control = control_of(port), status = status_of(port);
    uint16_t enabled = (control & (SLOT_STS_BUTTON | SLOT_STS_PRESENCE | SLOT_STS_COMMAND)) |
                       (control & SLOT_CTL_LINK ? SLOT_STS_LINK : 0);
    bool wanted = control & SLOT_CTL_INTERRUPT && status & enabled;
    bool message = wanted && pci_msi_enabled(port);

    if (message && !slot->interrupt) {
        pci_msi_notify(port, 0);
    }
    slot->interrupt = message;
    pci_set_irq(port, wanted && !message);
}

static void happen(PcieSlot *slot, uint16_t events)
{
    set_bits(slot->port, EXP_SLOT_STATUS, events, true);
    slot->status = status_of(slot->port);
    update_interrupt(slot);
}

/* ---- what management does ---- */

static void inserted(void *opaque, PciSlot *pci)
{
    PcieSlot *slot = opaque;

    happen(slot,
           SLOT_STS_PRESENCE | SLOT_STS_BUTTON | (link_is_up(slot->port) ? SLOT_STS_LINK : 0));
}

static bool check_ask(void *opaque, PciSlot *pci, GError **errp)
{
    PcieSlot *slot = opaque;

    if ((control_of(slot->port) & SLOT_CTL_POWER_LED) == SLOT_CTL_POWER_LED_BLINK &&
        !unplug_pending(&pci->unplug)) {
        error_set(errp,
                  "bus '%s': the guest is still busy with the slot (its power indicator blinks): "
                  "try again later",
                  pci->bus->parent.parent.name);
        return false;
    }
    return true;
}

static void ask(void *opaque, PciSlot *pci)
{
    PcieSlot *slot = opaque;

    if (is_off(slot, control_of(slot->port))) { /* the guest does not use it */
        pci_slot_eject(pci);
    } else if (pci->unplug.last == UNPLUG_REQUESTED) {
        happen(slot, SLOT_STS_BUTTON);
    } /* else it knows; another press would take the request back */
}

static void withdraw(void *opaque, PciSlot *pci)
{
    PcieSlot *slot = opaque;

    if (status_of(slot->port) & SLOT_STS_BUTTON) { /* it has not seen it yet */
        set_bits(slot->port, EXP_SLOT_STATUS, SLOT_STS_BUTTON, false);
        happen(slot, 0);
    } else if ((control_of(slot->port) & SLOT_CTL_POWER_LED) == SLOT_CTL_POWER_LED_BLINK) {
        happen(slot, SLOT_STS_BUTTON);
    }
}

static void removed(void *opaque, PciSlot *pci)
{
    PcieSlot *slot = opaque;

    happen(slot, SLOT_STS_PRESENCE | (link_is_up(slot->port) ? SLOT_STS_LINK : 0));
}

static const char *reason(uint32_t status)
{
    return "the guest turned the slot's power indicator on again";
}

static const PciHotplugOps ops = {
    .inserted = inserted,
    .check_ask = check_ask,
    .ask = ask,
    .withdraw = withdraw,
    .removed = removed,
    .reason = reason,
};

/* ---- what the guest does ---- */

/* How far a request came, by what the guest does with the power indicator. */
static void follow_request(PciSlot *slot, uint16_t before, uint16_t now)
{
    bool was_blinking = (before & SLOT_CTL_POWER_LED) == SLOT_CTL_POWER_LED_BLINK;

    if (!unplug_pending(&slot->unplug)) {
        return;
    }
    if ((now & SLOT_CTL_POWER_LED) == SLOT_CTL_POWER_LED_BLINK) {
        pci_slot_in_progress(slot);
    } else if (was_blinking && (now & SLOT_CTL_POWER_LED) == SLOT_CTL_POWER_LED_ON &&
               !(now & SLOT_CTL_POWER_OFF)) {
        pci_slot_refused(slot, 0);
    }
}

static void control_written(PcieSlot *slot, uint16_t before)
{
    PciDevice *port = slot->port;
    uint16_t now = control_of(port), changed = before ^ now;

    if (changed & SLOT_CTL_POWER_OFF && is_present(port)) {
        if (now & SLOT_CTL_POWER_OFF) {
            pci_bridge_reset_secondary(PCI_BRIDGE(port));
        }
        happen(slot, SLOT_STS_LINK);
    }
    follow_request(pci_slot_behind(port), before, now);
    if (is_off(slot, now) && !is_off(slot, before) && is_present(port)) {
        pci_slot_eject(pci_slot_behind(port));
    }
    happen(slot, SLOT_STS_COMMAND);
}

void pcie_slot_written(PcieSlot *slot, unsigned offset, unsigned size)
{
    const PciDevice *port = slot->port;
    const PcieSlot before = *slot;

    if (!is_native(port)) {
        return;
    }
    slot->control = control_of(port);
    slot->status = status_of(port);
    if (before.status & ~slot->status & SLOT_STS_BUTTON) {
        pci_slot_seen(pci_slot_behind(port));
    }
    if (pci_touches(offset, size, port->express_cap + EXP_SLOT_CONTROL, 2)) {
        control_written(slot, before.control);
    }
    update_interrupt(slot); /* MSI may be on or off now */
}

/* Presence and link are as they are. */
void pcie_slot_reading(PcieSlot *slot)
{
    PciDevice *port = slot->port;

    set_bits(port, EXP_SLOT_STATUS, SLOT_STS_PRESENT, is_present(port));
    set_bits(port, EXP_LINK_STATUS, EXP_LINK_STATUS_ACTIVE, link_is_up(port));
}

void pcie_slot_reset(PcieSlot *slot)
{
    PciDevice *port = slot->port;

    *slot = (PcieSlot){ .port = port, .config = slot->config };
    if (is_native(port)) {
        pci_slot_reset(pci_slot_behind(port));
        set_bits(port, EXP_SLOT_STATUS, SLOT_EVENTS, false);
        set_bits(port, EXP_SLOT_CONTROL, SLOT_CTL_POWER_LED | SLOT_CTL_POWER_OFF, false);
        set_bits(port, EXP_SLOT_CONTROL,
                 is_present(port)      ? SLOT_CTL_POWER_LED_ON
                 : slot->config->power ? SLOT_CTL_POWER_LED_OFF | SLOT_CTL_POWER_OFF
                                       : SLOT_CTL_POWER_LED_OFF,
                 true);
    }
    slot->control = control_of(port);
    update_interrupt(slot);
}

void pcie_slot_wake(PcieSlot *slot)
{
    PciDevice *port = slot->port;
    uint16_t power = slot->control & (SLOT_CTL_POWER_LED | SLOT_CTL_POWER_OFF);
    uint16_t events = slot->status & SLOT_EVENTS;

    *slot = (PcieSlot){ .port = port, .config = slot->config };
    if (is_native(port)) {
        set_bits(port, EXP_SLOT_CONTROL, SLOT_CTL_POWER_LED | SLOT_CTL_POWER_OFF, false);
        set_bits(port, EXP_SLOT_CONTROL, power, true);
        happen(slot, events);
    }
    slot->control = control_of(port);
}

/* ---- registers ---- */

void pcie_slot_add(PcieSlot *slot, PciDevice *port, const PcieSlotConfig *config)
{
    const PciRegister native[] = {
        { EXP_SLOT_CONTROL, 2, SLOT_CTL_ATTENTION_LED,
          SLOT_STS_BUTTON | SLOT_STS_PRESENCE | SLOT_STS_COMMAND | SLOT_CTL_INTERRUPT |
              SLOT_CTL_ATTENTION_LED | SLOT_CTL_POWER_LED | SLOT_CTL_LINK |
              (config->power ? SLOT_CTL_POWER_OFF : 0) },
        { EXP_SLOT_STATUS, 2, 0, 0, SLOT_EVENTS },
    };
    uint32_t caps = SLOT_CAP_NO_COMMAND_EVENT;

    slot->port = port;
    slot->config = config;
    if (config->hotplug && !pci_slot_behind(port)) {
        pci_hotplug_enable(pci_secondary_bus(port), &ops, slot);
    }
    if (is_native(port)) {
        caps = SLOT_CAP_HOTPLUG | SLOT_CAP_BUTTON | SLOT_CAP_POWER_LED | SLOT_CAP_ATTENTION_LED |
               (config->power ? SLOT_CAP_POWER : 0);
        pci_set_capability_registers(port, port->express_cap, native, G_N_ELEMENTS(native));
    } else if (pci_slot_behind(port)) {
        caps |= SLOT_CAP_HOTPLUG; /* firmware leaves room for what comes */
    }
    pci_set_long(port, port->express_cap + EXP_SLOT_CAP,
                 caps | (uint32_t)config->number << SLOT_CAP_NUMBER_SHIFT);
}

static const StateField slot_fields[] = {
    STATE_UINT(PcieSlot, control),
    STATE_UINT(PcieSlot, status),
    STATE_BOOL(PcieSlot, interrupt),
    {},
};
const StateTable pcie_slot_state = { .name = "pcie-slot", .version = 1, .fields = slot_fields };
