/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI hot-plug: functions come and are asked for while a hostile guest reads and writes the
 * registers that tell it so, and numbers and resets the bridges above them. Built for each board
 * (FUZZ_BOARD): on pc ACPI's registers, with a bridge behind the root bus; on q35 slots of PCI
 * Express ports, one of which is a switch's, without a power controller.
 */
#include "hw/pci/acpi-pci-hotplug.h"
#include "hw/pci/pci-bridge.h"
#include "memory/address-space.h"
#include "qapi/qapi-commands.h"
#include "tests/fuzz/guest.h"
#include "util/clock.h"
#include "util/keyval.h"

#define FUNCTIONS    8     /* that come at most, by id */
#define EXPRESS      0x58u /* of the ports: their PCI Express capability */
#define SLOT_CONTROL (EXPRESS + 0x18)

static bool express(void)
{
    return pci_bus_is_express(pci_root_bus());
}

static bool add(const char *text, GError **errp)
{
    struct json_object *props = keyval_parse(text, "driver", NULL);
    bool ok = device_add(props, errp) != NULL;

    json_object_put(props);
    return ok;
}

static void prepare(Machine *machine)
{
    object_global_add("ICH9-LPC", "acpi-pci-hotplug-with-bridge-support", "off", NULL);
}

static void populate(Machine *machine)
{
    static const char *const of_pc[] = { "pci-bridge,id=b0,addr=3",
                                         "pci-bridge,id=b1,bus=b0,addr=1", NULL };
    static const char *const of_q35[] = {
        "pcie-root-port,id=b0,addr=3", "pcie-root-port,id=b2,addr=4,chassis=1",
        "x3130-upstream,id=up,bus=b2",
        "xio3130-downstream,id=b1,bus=up,chassis=2,power_controller_present=off", NULL
    };

    for (const char *const *text = express() ? of_q35 : of_pc; *text; text++) {
        g_autoptr(GError) err = NULL;

        if (!add(*text, &err)) {
            g_error("%s", err->message);
        }
    }
}

/* ---- management ---- */

/* A function at a place that may be wrong: two bits each of id, bus and slot; three of function. */
static void step_plug(FuzzInput *in)
{
    static const char *const buses[] = { "b0", "b1", "pci.0", "pcie.0" };
    unsigned what = (unsigned)fuzz_take(in, 2), slot = what >> 5 & 7, fn = what >> 8 & 7;
    g_autofree char *text =
        g_strdup_printf("virtio-rng-pci,id=f%u,bus=%s,addr=%x.%x,multifunction=%s",
                        what % FUNCTIONS, buses[what >> 3 & 3], slot < 4 ? 0 : slot,
                        what & 0x800 ? fn : 0, what & 0x1000 ? "on" : "off");

    add(text, NULL);
}

static void step_ask(FuzzInput *in)
{
    fuzz_unplug("f", FUNCTIONS, in);
}

static void step_tear(FuzzInput *in)
{
    g_autofree char *id = g_strdup_printf("f%u", (unsigned)fuzz_take(in, 1) % FUNCTIONS);
    Object *dev = object_child(object_container("/machine/peripheral"), id);

    if (dev) {
        device_unplug(DEVICE(dev));
    }
}

/* ---- the guest ---- */

static void step_acpi(FuzzInput *in)
{
    unsigned what = (unsigned)fuzz_take(in, 1);
    hwaddr port = (express() ? PCIHP_PORT_Q35 : PCIHP_PORT_PC) + what % (PCIHP_SIZE / 4) * 4;

    if (what & 0x80) {
        address_space_store(&address_space_io, port, fuzz_take(in, 4), 4);
    } else {
        address_space_load(&address_space_io, port, 4);
    }
}

static void config(FuzzInput *in, unsigned bus, unsigned devfn, unsigned offset)
{
    uint32_t address = 1u << 31 | bus << 16 | devfn << 8 | (offset & 0xfc);
    unsigned how = (unsigned)fuzz_take(in, 1), size = MIN(1u << (how & 3), 4);

    address_space_store(&address_space_io, 0xcf8, address, 4);
    if (how & 4) {
        address_space_store(&address_space_io, 0xcfc + (offset & 3), fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_io, 0xcfc + (offset & 3), size);
    }
}

static void step_config(FuzzInput *in)
{
    unsigned what = (unsigned)fuzz_take(in, 2);

    config(in, what & 7, PCI_DEVFN(what >> 3 & 7, what & 0x40 ? what >> 7 & 1 : 0), what >> 8);
}

/* Slot control and status of a port of bus 0, or of the switch. */
static void step_slot(FuzzInput *in)
{
    unsigned what = (unsigned)fuzz_take(in, 1);

    config(in, what & 4 ? 3 : 0, PCI_DEVFN(what & 4 ? 0 : 3 + (what & 1), 0),
           SLOT_CONTROL + (what & 8 ? 2 : 0));
}

/* Numbers for the buses, as firmware gives them, and everything enabled. */
static void step_number(FuzzInput *in)
{
    static const struct {
        uint8_t bus, slot;
        uint32_t numbers;
    } of_pc[] = { { 0, 3, 0x020100 }, { 1, 1, 0x020201 } },
      of_q35[] = { { 0, 3, 0x010100 }, { 0, 4, 0x040200 }, { 2, 0, 0x040302 }, { 3, 0, 0x040403 } };

    for (unsigned i = 0; i < (express() ? G_N_ELEMENTS(of_q35) : G_N_ELEMENTS(of_pc)); i++) {
        uint32_t at = express() ? of_q35[i].bus << 16 | of_q35[i].slot << 11
                                : of_pc[i].bus << 16 | of_pc[i].slot << 11;

        address_space_store(&address_space_io, 0xcf8, 1u << 31 | at | PCI_PRIMARY_BUS, 4);
        address_space_store(&address_space_io, 0xcfc,
                            express() ? of_q35[i].numbers : of_pc[i].numbers, 4);
        address_space_store(&address_space_io, 0xcf8, 1u << 31 | at | PCI_COMMAND, 4);
        address_space_store(&address_space_io, 0xcfc, 7, 2);
    }
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_plug,        step_plug,       step_ask,       step_ask,
    step_tear,        step_acpi,       step_acpi,      step_acpi,
    step_config,      step_config,     step_slot,      step_slot,
    step_slot,        step_number,     fuzz_step_time, fuzz_step_next_timer,
    fuzz_step_settle, fuzz_step_reset,
};

/* ---- what holds after each input ---- */

static void check_bus(const PciBus *bus)
{
    json_object_put(pci_hotplug_to_json(bus));
    for (unsigned i = 0; i < bus->slot_count; i++) {
        const PciSlot *slot = &bus->slots[i];

        if (!pci_slot_in_use(slot)) {
            g_assert_false(slot->insert_event || slot->remove_event ||
                           unplug_pending(&slot->unplug));
        }
        for (unsigned fn = 0; fn < 8; fn++) {
            const PciDevice *dev = bus->devices[PCI_DEVFN(i, fn)];

            g_assert_true(!dev || (dev->parent.realized && dev->devfn == PCI_DEVFN(i, fn)));
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const FuzzBoard board = { FUZZ_BOARD, "1", prepare, populate };

    fuzz_board(&board);
    fuzz_input_begin();
    fuzz_run_steps(steps, data, size);
    fuzz_settle();
    for (unsigned i = 0; i < buses()->len; i++) {
        Bus *bus = buses()->pdata[i];

        if (object_is_a(&bus->parent, TYPE_PCI_BUS)) {
            check_bus(PCI_BUS(bus));
        }
    }
    g_ptr_array_unref(qmp_query_pci(NULL));
    fuzz_input_end();
    return 0;
}
