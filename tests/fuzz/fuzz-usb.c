/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USB controllers, xHCI, UHCI, OHCI, and EHCI with a companion, with keyboards, a tablet behind a
 * hub, mice, disks and a speaker; and HD audio: a driver that writes anything to registers,
 * contexts, rings and lists, and gives addresses, requests and transfers of a right shape; while
 * keys are pressed, disks fail, and the machine stops, goes on and is reset. No access takes long.
 */
#include "hw/input/input.h"
#include "hw/pci/pci.h"
#include "tests/fuzz/driver.h"

enum { XHCI, UHCI, EHCI, COMPANION, OHCI, HDA };
#define BAR      0xe0000000u
#define EHCI_AT  0xe0100000u
#define OHCI_AT  0xe0200000u
#define HDA_AT   0xe0300000u
#define HCCA     0x33000u
#define COMMANDS 0x10000u
#define EVENTS   0x11000u
#define SEGMENTS 0x12000u
#define DCBAA    0x13000u
#define INPUT    0x14000u
#define CONTEXTS 0x20000u /* a page a slot: the context, and behind it rings of eight TRBs */
#define FRAMES   0x30000u /* of UHCI; then a queue, then TDs */
#define QUEUE    0x31000u
#define TDS      0x32000u
#define DATA     0x40000u
#define SLOTS    4u

static void populate(Machine *machine)
{
    driver_add_node("null-co,node-name=n0,size=1M,read-zeroes=on");
    driver_add_node(
        "blkdebug,node-name=n1,image.driver=null-co,image.size=64k,image.read-zeroes=on,"
        "inject-error.0.event=read_aio,inject-error.0.sector=3,"
        "inject-error.1.event=write_aio,inject-error.1.sector=5");
    driver_add("qemu-xhci,addr=10,id=x");
    driver_add("piix3-usb-uhci,addr=11,id=u");
    driver_add("usb-kbd,bus=x.0,port=1");
    driver_add("usb-storage,bus=x.0,port=2,drive=n0");
    driver_add("usb-hub,bus=x.0,port=3");
    driver_add("usb-tablet,bus=x.0,port=3.1");
    driver_add("usb-mouse,bus=u.0,port=1");
    driver_add("usb-storage,bus=u.0,port=2,drive=n1");
    driver_add_node("null-co,node-name=n2,size=1M,read-zeroes=on");
    driver_add_node("null-co,node-name=n4,size=1M,read-zeroes=on");
    driver_add_node("null-co,node-name=n5,size=1M,read-zeroes=on");
    driver_add("ich9-usb-ehci1,addr=12,id=e");
    driver_add("ich9-usb-uhci1,addr=13,masterbus=e.0,firstport=1");
    driver_add_node("null-co,node-name=n3,size=1M,read-zeroes=on");
    driver_add("pci-ohci,addr=14,id=o,num-ports=3");
    driver_add("ich9-intel-hda,addr=15,id=h");
    driver_add("hda-duplex,bus=h.0");
    driver_add("usb-audio,bus=o.0,port=3");
    driver_add("usb-tablet,bus=o.0,port=1");
    driver_add("usb-storage,bus=o.0,port=2,drive=n3");
    driver_add("usb-tablet,bus=e.0,port=1");
    driver_add("usb-storage,bus=e.0,port=2,drive=n2");
    driver_add("usb-bot,id=bot,bus=e.0,port=4");
    driver_add("scsi-hd,bus=bot.0,drive=n4");
    driver_add("usb-uas,id=uas,bus=x.0,port=4");
    driver_add("scsi-hd,bus=uas.0,drive=n5");
    driver_add("usb-mouse,bus=e.0,port=3,usb_version=1");
}

static void put(hwaddr at, uint64_t value, unsigned size)
{
    driver_access(&address_space_memory, at, value, size);
}

static void out(unsigned port, uint64_t value, unsigned size)
{
    driver_access(&address_space_io, DRIVER_IO + port, value, size);
}

static void put_trb(hwaddr at, uint64_t parameter, uint32_t status, uint32_t control)
{
    put(at, parameter, 8);
    put(at + 8, status, 4);
    put(at + 12, control, 4);
}

static uint32_t context(unsigned slot)
{
    return CONTEXTS + slot * DRIVER_PAGE;
}

static uint32_t ring(unsigned slot, unsigned endpoint)
{
    return context(slot) + 0x400 + endpoint * 0x80 % 0xc00;
}

/* ---- xHCI ---- */

static void step_start(FuzzInput *in)
{
    driver_config_write(XHCI, PCI_BASE_ADDRESS_0, BAR, 4);
    driver_config_write(XHCI, PCI_COMMAND, 7, 2);
    put(BAR + 0x40, 2, 4);
    put(SEGMENTS, EVENTS, 8);
    put(SEGMENTS + 8, 64, 8);
    put(BAR + 0x58, COMMANDS | 1, 8);
    put(BAR + 0x70, DCBAA, 8);
    put(BAR + 0x1028, 1, 4);
    put(BAR + 0x1038, EVENTS, 8);
    put(BAR + 0x1030, SEGMENTS, 8);
    put(BAR + 0x1020, 2, 4);
    put(BAR + 0x78, SLOTS, 4);
    put(BAR + 0x40, 5, 4);
    for (unsigned slot = 1; slot <= SLOTS; slot++) {
        put(DCBAA + 8 * slot, context(slot), 8);
    }
}

static void command(unsigned type, uint64_t parameter, uint32_t flags)
{
    put(BAR + 0x58, COMMANDS | 1, 8);
    put_trb(COMMANDS, parameter, 0, type << 10 | flags | 1);
    put(COMMANDS + 28, 0, 4);
    put(BAR + 0x2000, 0, 4);
    put(BAR + 0x58, 2, 4); /* it stops, to begin there again */
}

static void step_command(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    command(how & 0x80 ? how & 0x3f : 9 + how % 9, how & 0x40 ? fuzz_take(in, 8) : INPUT,
            (uint32_t)fuzz_take(in, 1) % (SLOTS + 2) << 24 | (uint32_t)fuzz_take(in, 1) % 6 << 16 |
                (how & 0x20) << 4);
}

/* A device gets its address, and as many endpoints as it may have. */
static void step_device(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), slot = 1 + how % SLOTS, port = 1 + (how >> 2) % 4;

    put(BAR + 0x440 + 16 * (port - 1), 0x210, 4);
    command(9, 0, 0);
    put(INPUT, 0, 4);
    put(INPUT + 4, 3, 4);
    put(INPUT + 0x20, 31u << 27 | (how & 0x80 ? 1 : 0), 4);
    put(INPUT + 0x24, port << 16, 4);
    for (unsigned n = 1; n < 6; n++) {
        static const uint8_t kinds[] = { 0, 4, 2, 7, 2, 6 };

        put(INPUT + 0x20 * (n + 1), 0, 4);
        put(INPUT + 0x20 * (n + 1) + 4, 64 << 16 | (n == 3 && port == 2 ? 6 : kinds[n]) << 3, 4);
        put(INPUT + 0x20 * (n + 1) + 8, ring(slot, n) | 1, 8);
    }
    command(11, INPUT, slot << 24);
    put_trb(ring(slot, 1), 0x0000000000010900, 8, 2 << 10 | 0x41); /* a configuration */
    put_trb(ring(slot, 1) + 16, 0, 0, 4 << 10 | 0x10021);
    put(BAR + 0x2000 + 4 * slot, 1, 4);
    put(INPUT + 4, how & 0x40 ? (uint32_t)fuzz_take(in, 2) : 0x19, 4);
    command(12, INPUT, slot << 24);
}

static uint64_t take_address(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    return how < 0xd0 ? DATA + (how & 15) * 0x100 : how < 0xe0 ? BAR + 0x2000 : fuzz_take(in, 8);
}

/* One to seven TRBs, from the beginning of the ring on. */
static void step_transfer(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), slot = 1 + how % SLOTS, n = 1 + (how >> 2) % 5;
    unsigned count = 1 + (how >> 5);

    command(15, 0, slot << 24 | n << 16);
    command(16, ring(slot, n) | 1, slot << 24 | n << 16);
    for (unsigned i = 0; i < count; i++) {
        unsigned what = (unsigned)fuzz_take(in, 1);
        unsigned type = n == 1 ? 1 + what % 4 : what & 0x80 ? what & 0x3f : 1;
        uint64_t parameter = type == 2 ? fuzz_take(in, 8) : take_address(in);

        put_trb(ring(slot, n) + 16 * i, parameter, type == 2 ? 8 : (uint32_t)fuzz_take(in, 2),
                type << 10 | (uint32_t)fuzz_take(in, 1) << 2 | (what & 0x40) << 10 | 1);
    }
    put(ring(slot, n) + 16 * count + 12, 0, 4);
    put(BAR + 0x2000 + 4 * slot, n, 4);
}

/* A wrapper of a SCSI command, to the disk's endpoint. */
static void step_scsi(FuzzInput *in)
{
    static const uint8_t codes[] = { 0, 3, 0x12, 0x25, 0x28, 0x2a, 0x35, 0xa0 };
    unsigned how = (unsigned)fuzz_take(in, 1), slot = 1 + how % SLOTS;

    put(DATA, 0x43425355, 4);
    put(DATA + 4, how, 4);
    put(DATA + 8, fuzz_take(in, 3), 4);
    put(DATA + 12, (how & 0x80) | 10 << 16 | (uint32_t)codes[how >> 2 & 7] << 24, 4);
    put(DATA + 16, fuzz_take(in, 2) << 24, 8);
    put(DATA + 22, fuzz_take(in, 1) << 8, 2);
    command(16, ring(slot, 4) | 1, slot << 24 | 4 << 16);
    put_trb(ring(slot, 4), DATA, 31, 1 << 10 | 0x25);
    put(ring(slot, 4) + 28, 0, 4);
    put(BAR + 0x2000 + 4 * slot, 4, 4);
}

static void step_register(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3);
    static const uint16_t bases[] = { 0x40, 0x440, 0x1000, 0x2000 };
    unsigned offset = bases[how >> 2 & 3] + (unsigned)fuzz_take(in, 1) % 0x80;

    if (how & 0x80) {
        put(BAR + offset, fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_memory, BAR + offset, size);
    }
}

static void step_events(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    if (how & 0x80) {
        put(BAR + 0x1038, EVENTS + 16 * (how % 65) + 8, 8);
    } else { /* all are seen, and it begins anew */
        put(BAR + 0x1038, EVENTS + 8, 8);
        put(BAR + 0x1030, SEGMENTS, 8);
    }
}

static void step_memory(FuzzInput *in)
{
    static const uint32_t places[] = { DATA, INPUT, CONTEXTS + DRIVER_PAGE, FRAMES, QUEUE, TDS };
    unsigned how = (unsigned)fuzz_take(in, 1);

    put(places[how % G_N_ELEMENTS(places)] + fuzz_take(in, 1) * 4, fuzz_take(in, 4), 4);
}

/* ---- UHCI ---- */

static void step_uhci(FuzzInput *in)
{
    driver_config_write(UHCI, PCI_BASE_ADDRESS_0 + 16, DRIVER_IO, 4);
    driver_config_write(UHCI, PCI_COMMAND, 7, 2);
    for (unsigned i = 0; i < 4; i++) {
        put(FRAMES + 4 * i, QUEUE | 2, 4);
    }
    out(8, FRAMES, 4);
    for (unsigned port = 0; port < 2; port++) {
        out(0x10 + 2 * port, 0x200, 2);
        out(0x10 + 2 * port, 0, 2);
        out(0x10 + 2 * port, 4, 2);
    }
    out(0, 1, 2);
}

static void step_td(FuzzInput *in)
{
    static const uint8_t tokens[] = { 0x69, 0xe1, 0x2d, 0x55 };
    unsigned how = (unsigned)fuzz_take(in, 1), size = (unsigned)fuzz_take(in, 1);
    hwaddr at = TDS + (how & 7) * 16;

    put(at, TDS + fuzz_take(in, 1) % 16 * 8 + (how >> 3 & 6), 4);
    put(at + 4, 1 << 23 | (uint32_t)fuzz_take(in, 1) << 22, 4);
    put(at + 8, tokens[how >> 6] | (fuzz_take(in, 1) & 3) << 15 | (uint64_t)size << 21, 4);
    put(at + 12, take_address(in), 4);
    put(QUEUE, (how & 8) ? 1 : QUEUE | 2, 4);
    put(QUEUE + 4, at, 4);
}

static void step_port(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3) % 3;

    out(fuzz_take(in, 1) % 0x54, fuzz_take(in, size), size);
}

/* ---- EHCI ---- */

/* Both lists have the queue; ports are enabled, or given away. */
static void step_ehci(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    driver_config_write(EHCI, PCI_BASE_ADDRESS_0, EHCI_AT, 4);
    driver_config_write(EHCI, PCI_COMMAND, 7, 2);
    driver_config_write(COMPANION, PCI_BASE_ADDRESS_0 + 16, DRIVER_IO + 0x40, 4);
    driver_config_write(COMPANION, PCI_COMMAND, 7, 2);
    for (unsigned i = 0; i < 4; i++) {
        put(FRAMES + 4 * i, QUEUE | 2, 4);
    }
    put(EHCI_AT + 0x34, FRAMES, 4);
    put(EHCI_AT + 0x38, QUEUE, 4);
    put(EHCI_AT + 0x60, 1, 4);
    for (unsigned port = 0; port < 3; port++) {
        put(EHCI_AT + 0x64 + 4 * port, how >> port & 1 ? 0x3000 : 0x1100, 4);
        put(EHCI_AT + 0x64 + 4 * port, how >> port & 1 ? 0x3000 : 0x1000, 4);
    }
    put(EHCI_AT + 0x20, 1 | (how >> 2 & 0x3c), 4);
}

static void step_qtd(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), packet = (unsigned)fuzz_take(in, 1);
    hwaddr at = TDS + (how & 7) * 64;

    put(at, TDS + fuzz_take(in, 1) % 16 * 32 + (how >> 3 & 1), 4);
    put(at + 4, TDS + (how & 7) * 32 + (how >> 4 & 1), 4);
    put(at + 8, 0x80 | (how >> 5 & 3) << 8 | (fuzz_take(in, 2) & 0x7fff) << 16 | (how & 0x80) << 8,
        4);
    for (unsigned i = 0; i < 5; i++) {
        put(at + 12 + 4 * i, take_address(in), 4);
    }
    put(QUEUE, QUEUE | 2, 4);
    put(QUEUE + 4, (packet & 3) << 8 | (packet & 4) << 11 | packet << 16, 4);
    put(QUEUE + 8, packet << 24, 4);
    put(QUEUE + 0x10, at, 4);
    put(QUEUE + 0x18, 0, 4);
    put(EHCI_AT + 0x20, 0x31, 4);
}

static void step_itd(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    for (unsigned i = 0; i < 8; i++) {
        put(TDS + 4 + 4 * i, 1u << 31 | fuzz_take(in, 2) << 15 | fuzz_take(in, 1) << 4, 4);
    }
    put(TDS + 36, DATA | (how & 3) << 8, 4);
    put(TDS + 40, BAR | how << 4, 4);
    put(FRAMES, TDS | (how & 0xc0) >> 5, 4);
    put(EHCI_AT + 0x20, 0x11, 4);
}

static void step_ehci_register(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3) % 3;
    unsigned offset = 0x20 + (unsigned)fuzz_take(in, 1) % 0x60;

    if (how & 0x80) {
        put(EHCI_AT + (offset & ~3u), fuzz_take(in, 4), 4);
    } else {
        address_space_load(&address_space_memory, EHCI_AT + offset, size);
    }
}

/* ---- OHCI ---- */

/* One endpoint, with a transfer or two, is in all lists. */
static void step_ohci(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    driver_config_write(OHCI, PCI_BASE_ADDRESS_0, OHCI_AT, 4);
    driver_config_write(OHCI, PCI_COMMAND, 7, 2);
    put(OHCI_AT + 0x18, HCCA, 4);
    put(OHCI_AT + 0x20, QUEUE, 4);
    put(OHCI_AT + 0x28, QUEUE, 4);
    for (unsigned i = 0; i < 4; i++) {
        put(HCCA + 4 * i, QUEUE, 4);
    }
    put(OHCI_AT + 0x54, 0x10, 4);
    put(OHCI_AT + 0x58, how & 1 ? 0x10 : 4, 4);
    put(OHCI_AT + 0x5c, how & 0x80 ? 0x10 : 4, 4);
    put(OHCI_AT + 4, 0xbc, 4);
    put(OHCI_AT + 0x10, 0x80000000 | (how & 0x7e), 4);
}

static void step_ohci_td(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), packet = (unsigned)fuzz_take(in, 1);
    hwaddr at = TDS + (how & 7) * 32;
    uint64_t data = take_address(in);

    put(at, fuzz_take(in, 2) << 16 | (how & 0x40 ? fuzz_take(in, 2) : 0), 4);
    put(at + 4, data, 4);
    put(at + 8, TDS + fuzz_take(in, 1) % 16 * 32, 4);
    put(at + 12, how & 0x20 ? data + fuzz_take(in, 2) : take_address(in), 4);
    for (unsigned i = 0; i < 4; i++) {
        put(at + 16 + 4 * i, fuzz_take(in, 4), 4);
    }
    put(QUEUE, (packet & 3) << 7 | (how >> 3 & 3) << 11 | (how & 0x80) << 8 | packet << 16, 4);
    put(QUEUE + 4, TDS + 15 * 32, 4);
    put(QUEUE + 8, at | (how & 2), 4);
    put(QUEUE + 12, packet & 4 ? QUEUE : 0, 4);
    put(OHCI_AT + 8, 6, 4);
}

static void step_ohci_register(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3) % 3;
    unsigned offset = (unsigned)fuzz_take(in, 1) % 0x60;

    if (how & 0x80) {
        put(OHCI_AT + (offset & ~3u), fuzz_take(in, 4), 4);
    } else {
        address_space_load(&address_space_memory, OHCI_AT + offset, size);
    }
}

/* ---- HD audio ---- */

/* A stream of each direction runs, with lists that may be wrong; and commands. */
static void step_hda(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    hwaddr stream = HDA_AT + 0x80 + 0x20 * (how & 7);

    driver_config_write(HDA, PCI_BASE_ADDRESS_0, HDA_AT, 4);
    driver_config_write(HDA, PCI_COMMAND, 7, 2);
    put(HDA_AT + 8, how != 1, 4);
    put(HDA_AT + 0x20, 0xc00000ff, 4);
    for (unsigned i = 0; i < 2; i++) {
        put(TDS + 16 * i, take_address(in), 8);
        put(TDS + 16 * i + 8, fuzz_take(in, 2) | 1ull << 32, 8);
    }
    put(stream + 8, fuzz_take(in, 2), 4);
    put(stream + 0xc, how >> 4, 2);
    put(stream + 0x12, fuzz_take(in, 2), 2);
    put(stream + 0x18, TDS, 4);
    put(HDA_AT + 0x60, 0x00270610, 4);
    put(HDA_AT + 0x68, 1, 2);
    put(stream, 0x100006, 4);
}

static void step_hda_command(FuzzInput *in)
{
    put(HDA_AT + 0x40, COMMANDS, 4);
    put(HDA_AT + 0x50, EVENTS, 4);
    put(HDA_AT + 0x5c, 3, 1);
    put(HDA_AT + 0x4c, 2, 1);
    put(COMMANDS + 4 + fuzz_take(in, 1) * 4, fuzz_take(in, 4), 4);
    put(HDA_AT + 0x48, fuzz_take(in, 1), 2);
    put(HDA_AT + 0x5d, 5, 1);
    put(HDA_AT + fuzz_take(in, 2) % 0x180, fuzz_take(in, 2), 2);
}

/* ---- others ---- */

static void step_user(FuzzInput *in)
{
    const uint8_t key = (uint8_t)(1 + fuzz_take(in, 1) % 88);
    InputPointerEvent event = { .kind = (InputPointerKind)(fuzz_take(in, 1) % 3),
                                .value = (int16_t)fuzz_take(in, 2),
                                .down = key & 1 };

    input_press_keys(&key, 1, 5, NULL);
    input_pointer_event(&event);
    input_sync();
}

static void step_config(FuzzInput *in)
{
    driver_take_config(in, 6);
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,       step_device,        step_transfer, step_command,   step_register,
    step_events,      step_scsi,          step_memory,   step_uhci,      step_td,
    step_port,        step_user,          fuzz_step_run, fuzz_step_time, step_transfer,
    fuzz_step_settle, step_device,        step_td,       step_config,    step_scsi,
    step_transfer,    fuzz_step_reset,    step_events,   step_ehci,      step_qtd,
    step_itd,         step_ehci_register, step_ohci,     step_ohci_td,   step_ohci_register,
    step_hda,         step_hda_command,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
