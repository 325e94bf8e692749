/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Realtek's cards, two on one cable: a driver that writes anything to their registers, by memory
 * and I/O ports, and gives them packets the old way, by four places and a ring, or by descriptors
 * with anything in them; while time passes, and the machine stops, goes on and is reset. No access
 * takes long.
 */
#include "hw/net/rtl8139.h"
#include "hw/pci/pci.h"
#include "tests/fuzz/driver.h"

#define RINGS       0x10000u /* of a card: to send at two priorities, and to receive */
#define RING_SIZE   0x1000u
#define BUFFERS     0x40000u
#define BUFFER_SIZE 0x1000u
#define BUFFERS_MAX 32u

enum { DESCRIPTORS = 64, DESCRIPTOR = 16 };
enum { RING_NORMAL, RING_HIGH, RING_RX };

static uint32_t registers(unsigned n)
{
    return 0xe0000000u + n * 0x1000u;
}

static uint32_t ring(unsigned n, unsigned which)
{
    return RINGS + (n * 4 + which) * RING_SIZE;
}

/* Nothing of the host is asked: the cable ends here. */
static void populate(Machine *machine)
{
    driver_add_netdev("hubport,id=h0,hubid=0");
    driver_add_netdev("hubport,id=h1,hubid=0");
    driver_add("rtl8139,netdev=h0,addr=10");
    driver_add("rtl8139,netdev=h1,addr=11");
}

static void set(unsigned n, unsigned offset, uint32_t value, unsigned size)
{
    driver_access(&address_space_memory, registers(n) + offset, value, size);
}

static void put(hwaddr at, uint64_t value, unsigned size)
{
    address_space_store(&address_space_memory, at, value, size);
}

/* ---- steps ---- */

/* As drivers do it; by descriptors or the old way. */
static void step_start(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1), n = how & 1;

    driver_config_write(n, PCI_BASE_ADDRESS_0, DRIVER_IO + 0x100 * n, 4);
    driver_config_write(n, PCI_BASE_ADDRESS_0 + 4, registers(n), 4);
    driver_config_write(n, PCI_COMMAND, 7, 2);
    set(n, RTL_CR, how & 2 ? RTL_CR_RST : 0, 1);
    set(n, RTL_CPCR, how & 4 ? RTL_CPCR_TX | RTL_CPCR_RX | (how & 8 ? RTL_CPCR_VLAN : 0) : 0, 2);
    set(n, RTL_TNPDS, ring(n, RING_NORMAL), 4);
    set(n, RTL_TNPDS + 4, 0, 4);
    set(n, RTL_THPDS, ring(n, RING_HIGH), 4);
    set(n, RTL_THPDS + 4, 0, 4);
    set(n, RTL_RDSAR, ring(n, RING_RX), 4);
    set(n, RTL_RDSAR + 4, 0, 4);
    set(n, RTL_RBSTART, BUFFERS, 4);
    set(n, RTL_CR, RTL_CR_RE | RTL_CR_TE, 1);
    set(n, RTL_RCR,
        RTL_RCR_AAP | RTL_RCR_APM | RTL_RCR_AM | RTL_RCR_AB | (how & 0x10 ? RTL_RCR_WRAP : 0) |
            (how & 0x60u) << 6,
        4);
    set(n, RTL_TCR, how & 0x80 ? RTL_TCR_LOOPBACK : 0, 4);
    set(n, RTL_IMR, 0xffff, 2);
}

/* Any register, by memory or by ports. */
static void step_register(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3) % 3, n = how >> 2 & 1;
    const unsigned offset = (unsigned)fuzz_take(in, 1) & ~(size - 1);
    AddressSpace *as = how & 8 ? &address_space_io : &address_space_memory;
    const hwaddr at = (how & 8 ? DRIVER_IO + 0x100 * n : registers(n)) + offset;

    if (how & 0x80) {
        address_space_load(as, at, size);
    } else {
        driver_access(as, at, fuzz_take(in, size), size);
    }
}

/* Where a buffer is: one of ours, or anything. */
static uint64_t take_address(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);

    return how < 0xe0 ? BUFFERS + how % BUFFERS_MAX * BUFFER_SIZE : fuzz_take(in, 8);
}

/* One of the four places. */
static void step_send(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1), n = how & 1, place = how >> 1 & 3;

    set(n, RTL_TSAD + 4 * place, (uint32_t)take_address(in), 4);
    set(n, RTL_TSD + 4 * place, (uint32_t)fuzz_take(in, how & 8 ? 4 : 2) & (how & 8 ? ~0u : 0x7ff),
        4);
}

/* Descriptors that are the card's, from one on. */
static void step_descriptors(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1), n = how & 1;
    unsigned at = how >> 1 & 3;
    const uint32_t where = ring(n, (how >> 3) % 3);

    for (unsigned count = 1 + (unsigned)fuzz_take(in, 1) % 6; count; count--) {
        const uint32_t flags = (uint32_t)fuzz_take(in, 2) << 16 | (uint32_t)fuzz_take(in, 2);

        put(where + DESCRIPTOR * at, flags | (how & 0x80 ? 0 : 1u << 31), 4);
        put(where + DESCRIPTOR * at + 4, how & 0x40 ? fuzz_take(in, 4) : 0, 4);
        put(where + DESCRIPTOR * at + 8, take_address(in), 8);
        at = (at + 1) % DESCRIPTORS;
    }
    if (how & 0x20) {
        set(n, RTL_TPPOLL, RTL_TPPOLL_NORMAL | RTL_TPPOLL_HIGH, 1);
    }
}

static void step_poll(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);

    set(how & 1, RTL_TPPOLL, how & 0xc0, 1);
    set(how & 1, RTL_CAPR, (uint32_t)fuzz_take(in, 2), 2);
}

static void step_packet(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);

    driver_take_packet(in, BUFFERS + (how & 31) * BUFFER_SIZE, how);
}

static void step_config(FuzzInput *in)
{
    driver_take_config(in, 2);
}

/* New ones come behind the others, so that the corpus keeps its meaning. */
static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,       step_register,    step_send,        step_descriptors,
    step_poll,        step_packet,      step_config,      fuzz_step_run,
    fuzz_step_settle, fuzz_step_time,   fuzz_step_reset,  fuzz_step_next_timer,
    step_start,       step_register,    step_send,        step_descriptors,
    step_poll,        step_packet,      step_descriptors, step_register,
    step_send,        step_descriptors, fuzz_step_settle, step_start,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
