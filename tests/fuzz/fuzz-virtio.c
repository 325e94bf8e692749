/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio devices and their transport: a driver that writes anything to the registers of a random
 * number generator, of one with packed rings, and of a serial device with ports, and to the RAM
 * where their rings are, while ports come and go, the machine stops and goes on, and is reset.
 */
#include "hw/core/runstate.h"
#include "hw/pci/pci.h"
#include "hw/virtio/virtio-device.h"
#include "hw/virtio/virtio-pci-regs.h"
#include "memory/address-space.h"
#include "tests/fuzz/guest.h"
#include "tests/fuzz/driver.h"
#include "util/keyval.h"

#define DEVICES   3
#define IO        DRIVER_IO
#define PAGE      DRIVER_PAGE
#define RINGS     DRIVER_RINGS
#define RINGS_END (RINGS + DEVICES * DRIVER_QUEUES * DRIVER_QUEUE_GAP)

static void populate(Machine *machine)
{
    driver_add("virtio-rng-pci,id=rng0,addr=10,max-bytes=64,period=5");
    driver_add("virtio-rng-pci,id=rng1,addr=11,packed=on");
    driver_add("virtio-serial-pci,id=vs,addr=12,max_ports=4");
    driver_add("virtconsole,id=con0,bus=vs.0");
    driver_add("virtserialport,id=port1,bus=vs.0,name=one");
}

/* ---- accesses ---- */

static void poke(uint64_t addr, FuzzInput *in, unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        uint8_t byte = (uint8_t)fuzz_take(in, 1);

        address_space_write(&address_space_memory, addr + i, &byte, 1);
    }
}

/* ---- steps ---- */

static void step_map(FuzzInput *in)
{
    for (unsigned n = 0; n < DEVICES; n++) {
        driver_map(n);
    }
}

/* Which device, and size; where; a write takes a value. */
static void step_access(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how >> 2) % 4;
    uint64_t at = driver_bar(how % DEVICES) + fuzz_take(in, 2) % (4 * PAGE);

    if (how & 0x80) {
        address_space_store(&address_space_memory, at, fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_memory, at, size);
    }
}

static void step_common(FuzzInput *in)
{
    static const uint8_t sizes[] = { 1, 2, 4, 4 };
    unsigned how = (unsigned)fuzz_take(in, 1), size = sizes[how >> 2 & 3];

    driver_store(how % DEVICES, (unsigned)fuzz_take(in, 1) % VIRTIO_COMMON_SIZE,
                 (uint32_t)fuzz_take(in, size), size);
}

static void step_legacy(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how >> 2) % 3;
    uint64_t at = IO + 0x100 * (how % DEVICES) + fuzz_take(in, 1) % 64;

    if (how & 0x80) {
        address_space_store(&address_space_io, at, fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_io, at, size);
    }
}

static void step_config(FuzzInput *in)
{
    unsigned n = (unsigned)fuzz_take(in, 1) % DEVICES, offset = (unsigned)fuzz_take(in, 1);

    driver_config_write(n, offset & ~3u, (uint32_t)fuzz_take(in, 4), 4);
    pci_config_read(pci_root_bus(), 0, PCI_DEVFN(DRIVER_FIRST + n, 0), offset & ~3u, 4);
}

/* As a driver does it, with features and queue sizes from the input. */
static void step_bring_up(FuzzInput *in)
{
    unsigned n = (unsigned)fuzz_take(in, 1) % DEVICES, features = (unsigned)fuzz_take(in, 1);
    uint64_t low = (features & 3) << 28 | (n == 2 ? features & 4 : 0) >> 1;
    uint64_t high = 0x101 | (n == 1 ? features >> 3 & 1 : 0) << 2;

    driver_start(n, high << 32 | low, 1u << (features >> 4 & 3));
}

static void step_poke(FuzzInput *in)
{
    uint64_t at = RINGS + fuzz_take(in, 3) % (RINGS_END - RINGS);

    poke(at, in, 1 + (unsigned)fuzz_take(in, 1) % 16);
}

/* One descriptor of a queue, and one more buffer available there; then a notification. */
static void step_offer(FuzzInput *in)
{
    unsigned which = (unsigned)fuzz_take(in, 1), n = which % DEVICES, q = which >> 4 & 3;
    unsigned entry = (unsigned)fuzz_take(in, 1) % 8;
    uint32_t ring = driver_ring(n, q);
    uint64_t addr = fuzz_take(in, 1) << 8;
    uint32_t len = (uint32_t)fuzz_take(in, 1) * 4;
    uint16_t tail[2] = { (uint16_t)fuzz_take(in, 2), (uint16_t)fuzz_take(in, 1) };
    uint16_t index = (uint16_t)address_space_load(&address_space_memory, ring + PAGE + 2, 2) + 1;

    address_space_store(&address_space_memory, ring + 16 * entry, addr + 0x60000, 8);
    address_space_store(&address_space_memory, ring + 16 * entry + 8, len, 4);
    address_space_write(&address_space_memory, ring + 16 * entry + 12, tail, sizeof(tail));
    if (n != 1) {
        address_space_store(&address_space_memory, ring + PAGE + 4 + 2 * (index & 7), entry, 2);
        address_space_store(&address_space_memory, ring + PAGE + 2, index, 2);
    }
    driver_notify(n, q);
}

/* A message to the serial device, where a buffer that is offered can have it. */
static void step_message(FuzzInput *in)
{
    uint64_t value = fuzz_take(in, 1) % 5 | fuzz_take(in, 1) % 8 << 32 | fuzz_take(in, 1) << 48;

    address_space_store(&address_space_memory, 0x60000 + (fuzz_take(in, 1) << 8), value, 8);
}

static void step_port(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), nr = how % 6;
    g_autofree char *id = g_strdup_printf("p%u", nr);

    if (how & 0x80) {
        g_autofree char *text =
            g_strdup_printf("virtserialport,id=%s,bus=vs.0,nr=%u,name=%s", id, nr, id);
        struct json_object *props = keyval_parse(text, "driver", NULL);

        device_add(props, NULL);
        json_object_put(props);
    } else {
        device_del(id, NULL);
    }
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_map,      step_access,     step_common,  step_legacy, step_config,    step_bring_up,
    step_poke,     step_offer,      step_message, step_port,   fuzz_step_time, fuzz_step_settle,
    fuzz_step_run, fuzz_step_reset, step_offer,   step_poke,   step_offer,     fuzz_step_next_timer,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
