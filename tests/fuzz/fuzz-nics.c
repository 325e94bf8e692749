/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other network cards, all on one cable: a driver that writes anything to their registers, by
 * memory and I/O ports, and puts anything into the memory in which their rings, lists and shared
 * structures are, after it has begun as drivers do; while time passes, and the machine stops, goes
 * on and is reset. No access takes long.
 */
#include "hw/pci/pci.h"
#include "tests/fuzz/driver.h"

#define RINGS       0x10000u /* of a card: all that it finds in memory but packets */
#define RING_SIZE   0x8000u
#define BUFFERS     0x60000u
#define BUFFER_SIZE 0x1000u
#define BUFFERS_MAX 32u
#define NUMBERS     8u /* of cards, of which some are not there: the corpus keeps its meaning */

typedef struct Card {
    const char *type;
    int io_bar; /* -1: none */
    unsigned bars;
    void (*start)(unsigned n, unsigned how);
} Card;

static uint32_t registers(unsigned n, unsigned bar)
{
    return 0xe0000000u + n * 0x1000000u + bar * 0x200000u;
}

static uint32_t ring(unsigned n)
{
    return RINGS + n * RING_SIZE;
}

static void put(hwaddr at, uint64_t value, unsigned size)
{
    address_space_store(&address_space_memory, at, value, size);
}

static void set(unsigned n, unsigned bar, unsigned offset, uint32_t value, unsigned size)
{
    driver_access(&address_space_memory, registers(n, bar) + offset, value, size);
}

/* ---- vmxnet3 ---- */

/* Two queues each way, of 32 entries. */
static void start_vmxnet3(unsigned n, unsigned how)
{
    uint32_t shared = ring(n), queues = shared + 0x400, rings = shared + 0x1000;

    put(shared, 0xbabefee1, 4);
    put(shared + 24, how & 15, 8);
    put(shared + 40, queues, 8);
    put(shared + 56, 1500, 4);
    put(shared + 62, 0x0202, 2);
    put(shared + 80, how >> 4 & 1, 1);
    put(shared + 120, how >> 5 | 7, 4);
    put(shared + 128, BUFFERS, 8);
    put(shared + 136, 0xffffffff, 4);
    put(shared + 652, 176, 4);
    put(shared + 656, shared + 0x300, 8);
    put(shared + 0x300, 0x000100000001000full, 8);
    put(shared + 0x304, 0x00080028, 4);
    for (unsigned i = 0; i < 4; i++) {
        bool tx = i < 2;

        put(queues + 256 * i + 16, rings + 0x400 * i, 8);
        put(queues + 256 * i + (tx ? 32 : 24), rings + 0x1000 + 0x400 * i, 8);
        put(queues + 256 * i + (tx ? 24 : 32), rings + 0x2000 + 0x400 * i, 8);
        put(queues + 256 * i + 56, 32, 4);
        put(queues + 256 * i + 60, 32, 4);
        put(queues + 256 * i + 64, 32, 4);
        put(queues + 256 * i + 72, how >> 6, 1); /* vector */
    }
    set(n, 1, 0x10, shared, 4);
    set(n, 1, 0x18, 0, 4);
    set(n, 1, 0x20, 0xcafe0000, 4);
    for (unsigned i = 0; i < 4; i++) {
        set(n, 0, 8 * i, 0, 4);
    }
}

/* ---- pcnet ---- */

static void pcnet_csr(unsigned n, unsigned number, uint32_t value)
{
    set(n, 1, 0x12, number, 2);
    set(n, 1, 0x10, value, 2);
}

static void start_pcnet(unsigned n, unsigned how)
{
    uint32_t block = ring(n);

    pcnet_csr(n, 0, 4);
    pcnet_csr(n, 58, how & 3);
    put(block, how & 4 ? 4 : 0x8000, 2);
    put(block + 2, 0x4040, 2);
    put(block + 4, UINT64_MAX, 8);
    put(block + 12, UINT64_MAX, 8);
    put(block + 20, block + 0x1000, 4);
    put(block + 24, block + 0x2000, 4);
    if (!(how & 3)) {
        put(block + 16, 0x80000000u | (block + 0x1000), 4);
        put(block + 20, 0x80000000u | (block + 0x2000), 4);
    }
    pcnet_csr(n, 1, block);
    pcnet_csr(n, 2, block >> 16);
    pcnet_csr(n, 0, 0x43);
}

/* ---- ne2k_pci ---- */

static void start_ne2k(unsigned n, unsigned how)
{
    static const uint8_t values[][2] = { { 0, 0x21 }, { 14, 0x49 }, { 12, 0x1c }, { 13, 0 },
                                         { 1, 0x4c }, { 2, 0x60 },  { 3, 0x5f },  { 15, 0x3f },
                                         { 0, 0x61 }, { 7, 0x4c },  { 0, 0x22 },  { 4, 0x40 },
                                         { 5, 0xf0 }, { 6, 0x01 },  { 0, 0x26 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        driver_access(&address_space_io, DRIVER_IO + 0x100 * n + values[i][0],
                      values[i][1] ^ (i == 2 ? how : 0), 1);
    }
}

/* ---- eepro100 ---- */

/* A list of commands that suspends the unit, and one of frames that ends. */
static void start_eepro100(unsigned n, unsigned how)
{
    uint32_t base = ring(n);

    set(n, 0, 8, 0, 4);
    for (unsigned i = 0; i < 4; i++) {
        put(base + 0x40 * i, (i == 3 ? 0x40000000u : 0) | (4u + (how & 8)) << 16, 4);
        put(base + 0x40 * i + 4, base + 0x40 * ((i + 1) % 4), 4);
        put(base + 0x40 * i + 8, how & 1 ? UINT32_MAX : base + 0x40 * i + 16, 4);
        put(base + 0x40 * i + 12, how & 1 ? 100 : 2u << 24, 4);
        put(base + 0x40 * i + 16, BUFFERS + BUFFER_SIZE * i, 8);
        put(base + 0x40 * i + 20, 100, 4);
        put(base + 0x1000 + 0x800 * i, i == 3 ? 0x80000000u : 0, 4);
        put(base + 0x1000 + 0x800 * i + 4, base + 0x1000 + 0x800 * ((i + 1) % 4), 4);
        put(base + 0x1000 + 0x800 * i + 12, 1520u << 16, 4);
    }
    set(n, 0, 4, base + 0x1000, 4);
    set(n, 0, 2, 1, 1);
    set(n, 0, 4, base, 4);
    set(n, 0, 2, 0x10, 1);
}

/* ---- tulip ---- */

/* Rings of eight each way, or chains. */
static void start_tulip(unsigned n, unsigned how)
{
    uint32_t base = ring(n);

    set(n, 1, 0, 1, 4);
    for (unsigned i = 0; i < 8; i++) {
        uint32_t next = i == 7 ? 1u << 25 : 0;

        put(base + 16 * i, 0x80000000u, 4);
        put(base + 16 * i + 4, (how & 1 ? 1u << 24 : next) | 1520, 4);
        put(base + 16 * i + 8, BUFFERS + BUFFER_SIZE * i, 4);
        put(base + 16 * i + 12, base + 16 * ((i + 1) % 8), 4);
        put(base + 0x1000 + 16 * i, how & 2 ? 0x80000000u : 0, 4);
        put(base + 0x1000 + 16 * i + 4, 0xe0000000u | next | 100, 4);
        put(base + 0x1000 + 16 * i + 8, BUFFERS + BUFFER_SIZE * (i + 8), 4);
    }
    set(n, 1, 8 * 3, base, 4);
    set(n, 1, 8 * 4, base + 0x1000, 4);
    set(n, 1, 8 * 7, UINT32_MAX, 4);
    set(n, 1, 8 * 6, 0x2002 | (how & 4 ? 0x40 : 0) | (how & 8 ? 0x400 : 0), 4);
}

static const Card cards[] = {
    { "vmxnet3", -1, 2, start_vmxnet3 }, { "pcnet", 0, 2, start_pcnet },
    { "ne2k_pci", 0, 1, start_ne2k },    { "i82559c", 1, 3, start_eepro100 },
    { "tulip", 0, 2, start_tulip },
};

/* Nothing of the host is asked: the cable ends here. */
static void populate(Machine *machine)
{
    for (unsigned n = 0; n < G_N_ELEMENTS(cards); n++) {
        g_autofree char *netdev = g_strdup_printf("hubport,id=h%u,hubid=0", n);
        g_autofree char *card =
            g_strdup_printf("%s,netdev=h%u,addr=%x", cards[n].type, n, DRIVER_FIRST + n);

        driver_add_netdev(netdev);
        driver_add(card);
    }
}

/* ---- steps ---- */

static bool is_there(unsigned n)
{
    return n < G_N_ELEMENTS(cards);
}

static void step_start(FuzzInput *in)
{
    const unsigned n = (unsigned)fuzz_take(in, 1) % NUMBERS, how = (unsigned)fuzz_take(in, 1);

    if (!is_there(n)) {
        return;
    }
    for (unsigned bar = 0; bar < cards[n].bars; bar++) {
        driver_config_write(n, PCI_BASE_ADDRESS_0 + 4 * bar,
                            (int)bar == cards[n].io_bar ? DRIVER_IO + 0x100 * n : registers(n, bar),
                            4);
    }
    driver_config_write(n, PCI_COMMAND, 7, 2);
    cards[n].start(n, how);
}

/* Any register, by memory or by ports. */
static void step_register(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1), n = how % NUMBERS, size = 1u << (how >> 3) % 3;
    const unsigned bar = how >> 5 & 1, offset = (unsigned)fuzz_take(in, 2) & 0xfff & ~(size - 1);
    const bool ports = is_there(n) && cards[n].io_bar == (int)bar;
    AddressSpace *as = ports ? &address_space_io : &address_space_memory;
    const hwaddr at = ports ? DRIVER_IO + 0x100 * n + offset % 0x100 : registers(n, bar) + offset;

    if (how & 0x80) {
        address_space_load(as, at, size);
    } else {
        driver_access(as, at, fuzz_take(in, size), size);
    }
}

/* A word that means something: a buffer, a place among the rings, or anything. */
static uint32_t take_word(FuzzInput *in, unsigned n)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);

    switch (how >> 5) {
    case 0:
    case 1:
        return BUFFERS + how % BUFFERS_MAX * BUFFER_SIZE;
    case 2:
        return ring(n) + how % 32 * 0x400;
    case 3:
        return 1u << how % 32;
    case 4:
        return how % 32;
    default:
        return (uint32_t)fuzz_take(in, 4);
    }
}

static void step_words(FuzzInput *in)
{
    const unsigned n = (unsigned)fuzz_take(in, 1) % NUMBERS;
    hwaddr at = ring(n) + (fuzz_take(in, 2) & (RING_SIZE - 0x100) & ~3u);

    for (unsigned count = 1 + (unsigned)fuzz_take(in, 1) % 16; count; count--, at += 4) {
        put(at, take_word(in, n), 4);
    }
}

static void step_packet(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);

    driver_take_packet(in, BUFFERS + (how & 31) * BUFFER_SIZE, how);
}

static void step_config(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3) % 3;

    if (is_there(how >> 2 & 7)) {
        const unsigned offset = (unsigned)fuzz_take(in, 1) & ~(size - 1);

        driver_config_write(how >> 2 & 7, offset, (uint32_t)fuzz_take(in, size), size);
    }
}

/* New ones come behind the others, so that the corpus keeps its meaning. */
static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,       step_register,    step_words,     step_packet,     step_config,
    fuzz_step_run,    fuzz_step_settle, fuzz_step_time, fuzz_step_reset, fuzz_step_next_timer,
    step_start,       step_register,    step_words,     step_register,   step_words,
    step_words,       step_register,    step_packet,    step_words,      step_register,
    fuzz_step_settle, step_start,       step_words,     step_register,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
