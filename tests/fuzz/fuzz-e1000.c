/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Intel's gigabit cards, an e1000 and an e1000e on one cable: a driver that writes anything to
 * their registers, by memory and I/O ports, and gives them rings of descriptors of a right shape
 * with anything in them; while time passes, and the machine stops, goes on and is reset. No access
 * takes long.
 */
#include "hw/net/e1000-regs.h"
#include "hw/pci/pci.h"
#include "tests/fuzz/driver.h"

#define RINGS       0x10000u /* of a card: two each way, of a page each */
#define RING_SIZE   0x1000u
#define RING_USED   0x100u /* bytes: 16 descriptors */
#define BUFFERS     0x40000u
#define BUFFER_SIZE 0x1000u
#define BUFFERS_MAX 32u
#define PORTS       0xc000u

static uint32_t registers(unsigned n)
{
    return 0xe0000000u + n * 0x100000;
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
    driver_add("e1000,netdev=h0,addr=10");
    driver_add("e1000e,netdev=h1,addr=11");
}

/* ---- accesses ---- */

static void set(unsigned n, unsigned offset, uint32_t value)
{
    driver_access(&address_space_memory, registers(n) + offset, value, 4);
}

static void put(hwaddr at, uint64_t value, unsigned size)
{
    address_space_store(&address_space_memory, at, value, size);
}

/* ---- steps ---- */

/* Hashed, packets go to both rings; what is not, has its sums looked at. */
static void start_hash(unsigned n, bool hashed)
{
    for (unsigned i = 0; i < 32; i++) {
        set(n, E1000_RETA + 4 * i, 0x00800080);
    }
    for (unsigned i = 0; i < 10; i++) {
        set(n, E1000_RSSRK + 4 * i, 0x01020408u * (i + 1));
    }
    set(n, E1000_RXCSUM,
        E1000_RXCSUM_IP | E1000_RXCSUM_TRANSPORT | (hashed ? E1000_RXCSUM_PCSD : 0));
    set(n, E1000_MRQC, hashed ? 0x1f0000 | E1000_MRQC_RSS : 0);
}

/* As drivers do it, with both rings of both ways; who has one only ignores the rest. */
static void step_start(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), n = how & 1;

    driver_config_write(n, PCI_BASE_ADDRESS_0, registers(n), 4);
    driver_config_write(n, PCI_BASE_ADDRESS_0 + 4, n ? registers(n) + 0x20000 : PORTS | 1, 4);
    driver_config_write(n, PCI_BASE_ADDRESS_0 + 8, PORTS + 0x100 * n, 4);
    driver_config_write(n, PCI_BASE_ADDRESS_0 + 12, registers(n) + 0x40000, 4);
    driver_config_write(n, PCI_COMMAND, 7, 2);
    set(n, E1000_CTRL, E1000_CTRL_SLU | (how & 2 ? E1000_CTRL_VME : 0));
    for (unsigned q = 0; q < 2; q++) {
        set(n, E1000_RDBAL + q * E1000_RING_STRIDE, ring(n, q));
        set(n, E1000_RDLEN + q * E1000_RING_STRIDE, RING_USED);
        set(n, E1000_TDBAL + q * E1000_RING_STRIDE, ring(n, 2 + q));
        set(n, E1000_TDLEN + q * E1000_RING_STRIDE, RING_USED);
    }
    for (unsigned i = 0; i < RING_USED / 16; i++) {
        put(ring(n, 0) + 16 * i, BUFFERS + i * BUFFER_SIZE, 8);
        put(ring(n, 1) + 16 * i, BUFFERS + (16 + i) * BUFFER_SIZE, 8);
    }
    set(n, E1000_RFCTL, how & 4 ? E1000_RFCTL_EXTENDED : 0);
    set(n, E1000_RCTL,
        E1000_RCTL_EN | E1000_RCTL_UPE | E1000_RCTL_MPE | E1000_RCTL_BAM |
            (how & 8 ? E1000_RCTL_LPE : 0) | (how & 0x30) << 12);
    set(n, E1000_TCTL, E1000_TCTL_EN | E1000_TCTL_PSP);
    start_hash(n, how & 0x40);
    set(n, E1000_IMS, UINT32_MAX);
    set(n, E1000_RDT, 15);
    set(n, E1000_RDT + E1000_RING_STRIDE, 15);
}

static void step_register(FuzzInput *in)
{
    static const uint16_t pages[] = { 0x0000, 0x0100, 0x2400, 0x2800, 0x3400, 0x3800,
                                      0x4000, 0x5000, 0x5200, 0x5400, 0x5800, 0x5b00,
                                      0x5c00, 0xb600, 0x0f00, 0x1000 };
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3), n = how >> 2 & 1;
    hwaddr at = registers(n) + pages[how >> 3 & 15] + fuzz_take(in, 1) % 0x100u;

    if (how & 0x80) {
        driver_access(&address_space_memory, at & ~(hwaddr)(size - 1), fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_memory, at, size);
    }
}

/* A register by its number, all of which may be wrong. */
static void step_far_register(FuzzInput *in)
{
    unsigned n = (unsigned)fuzz_take(in, 1);
    hwaddr at = registers(n & 1) + fuzz_take(in, 3) % 0x50000;

    if (n & 0x80) {
        driver_access(&address_space_memory, at & ~UINT64_C(3), fuzz_take(in, 4), 4);
    } else {
        address_space_load(&address_space_memory, at, 4);
    }
}

static void step_window(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint16_t base = PORTS + (how & 1 ? 0x100 : 0);

    driver_access(&address_space_io, base, fuzz_take(in, 2), 4);
    if (how & 0x80) {
        driver_access(&address_space_io, base + 4, fuzz_take(in, 4), 4);
    } else {
        address_space_load(&address_space_io, base + 4, 4);
    }
}

static void step_data(FuzzInput *in)
{
    hwaddr at = BUFFERS + fuzz_take(in, 2) * 2 % (BUFFERS_MAX * BUFFER_SIZE);

    for (unsigned n = 1 + (unsigned)fuzz_take(in, 1) % 32; n; n--) {
        put(at++, fuzz_take(in, 1), 1);
    }
}

/* Where a buffer is: one of ours, or anything. */
static uint64_t take_address(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    return how < 0xc0 ? BUFFERS + how % BUFFERS_MAX * BUFFER_SIZE : fuzz_take(in, 8);
}

/* Descriptors to send, of the three kinds, from one on; the tail comes behind them. */
static void step_send(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), n = how & 1, q = how >> 1 & 1, at = how >> 2 & 15;

    for (unsigned count = 1 + (unsigned)fuzz_take(in, 1) % 6; count; count--) {
        unsigned kind = (unsigned)fuzz_take(in, 1);
        uint32_t lower = (uint32_t)fuzz_take(in, 2) |
                         (kind & 4 ? E1000_TXD_DEXT | (kind & 8 ? 1u << 20 : 0) : 0) |
                         (kind & 0xf0) << 20;
        uint32_t upper = (uint32_t)fuzz_take(in, 4);
        uint64_t first = (kind & 0xc) == 4 ? fuzz_take(in, 8) : take_address(in);

        put(ring(n, 2 + q) + 16 * at, first, 8);
        put(ring(n, 2 + q) + 16 * at + 8, lower, 4);
        put(ring(n, 2 + q) + 16 * at + 12, upper, 4);
        at = (at + 1) % (RING_USED / 16);
    }
    set(n, E1000_TDT + q * E1000_RING_STRIDE, at);
}

/* Buffers to receive into. */
static void step_buffers(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), n = how & 1, q = how >> 1 & 1, at = how >> 2 & 15;

    for (unsigned count = (unsigned)fuzz_take(in, 1) % 8; count; count--) {
        put(ring(n, q) + 16 * at, take_address(in), 8);
        put(ring(n, q) + 16 * at + 8, take_address(in), 8);
        at = (at + 1) % (RING_USED / 16);
    }
    set(n, E1000_RDT + q * E1000_RING_STRIDE, at);
}

static void step_config(FuzzInput *in)
{
    driver_take_config(in, 2);
}

/* A packet as hosts send it: to the other card, to all or to many; TCP, UDP or anything in it. */
static void step_packet(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    hwaddr at = BUFFERS + (how & 31) * BUFFER_SIZE;

    for (unsigned i = 0; i < 12; i++) {
        put(at + i, how & 0x20 ? 0xff : 0x52 + i, 1);
    }
    at += 12;
    if (how & 0x40) {
        put(at, 0x0081 | fuzz_take(in, 2) << 16, 4);
        at += 4;
    }
    put(at, how & 0x80 ? 0xdd86 : 0x0008, 2);
    put(at + 2, how & 0x80 ? 0x60 : 0x45, 1);
    put(at + 2 + (how & 0x80 ? 6 : 9), fuzz_take(in, 1) & 1 ? 6 : 17, 1);
    put(at + 2 + (how & 0x80 ? 52 : 32), fuzz_take(in, 1), 1);
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,    step_register,        step_far_register, step_window,    step_data,
    step_send,     step_buffers,         step_config,       step_packet,    step_send,
    fuzz_step_run, fuzz_step_next_timer, fuzz_step_settle,  fuzz_step_time, step_send,
    step_register, step_start,           step_buffers,      step_packet,    fuzz_step_reset,
    step_send,     step_register,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
