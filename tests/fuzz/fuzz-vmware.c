/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vmware-svga: a guest that writes anything to its registers and its FIFO, commands of a right
 * shape and others, while somebody looks, and the card is saved,
 * damaged and loaded.
 */
#include "hw/display/vmware-svga.h"
#include "tests/fuzz/driver.h"
#include "ui/console.h"

#define PORTS  0xd000u
#define MEMORY 0xe0000000u
#define FIFO   0xf0000000u
#define FIRST  0x1000u

enum { WIDTH = 2, HEIGHT, CONFIG_DONE = 20, SYNC, BUSY, PITCHLOCK = 32 };

static const ConsoleListener listener = { 0 };

static void populate(Machine *machine)
{
    driver_add("vmware-svga,vgamem_mb=1,addr=10");
}

static void put(uint32_t reg, uint64_t value)
{
    driver_access(&address_space_io, PORTS, reg, 4);
    driver_access(&address_space_io, PORTS + 1, value, 4);
}

static uint32_t word(unsigned n)
{
    return (uint32_t)address_space_load(&address_space_memory, FIFO + 4 * n, 4);
}

static void set_word(unsigned n, uint32_t value)
{
    address_space_store(&address_space_memory, FIFO + 4 * n, value, 4);
}

/* As a driver does it. */
static void step_start(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    const uint32_t fifo[] = { FIRST, how & 1 ? FIRST + 0x100 : SVGA_FIFO_SIZE, FIRST, FIRST };

    driver_config_write(0, PCI_BASE_ADDRESS_0, PORTS, 4);
    driver_config_write(0, PCI_BASE_ADDRESS_0 + 4, MEMORY, 4);
    driver_config_write(0, PCI_BASE_ADDRESS_0 + 8, FIFO, 4);
    driver_config_write(0, PCI_COMMAND, 3, 2);
    put(WIDTH, 64 << (how >> 1 & 7));
    put(HEIGHT, 64 << (how >> 4 & 7));
    put(1, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(fifo); i++) {
        set_word(i, fifo[i]);
    }
    put(CONFIG_DONE, 1);
}

static void step_register(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    if (how & 0x80) {
        put(how & 0x3f, fuzz_take(in, how & 0x40 ? 4 : 1));
    } else {
        driver_access(&address_space_io, PORTS, how & 0x3f, 4);
        address_space_load(&address_space_io, PORTS + 1, 4);
    }
}

static void step_port(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3) % 3;

    driver_access(&address_space_io, PORTS + (how >> 2 & 0xf), fuzz_take(in, size), size);
}

/* Words behind those that are there. */
static void add(uint32_t value)
{
    uint32_t first = word(SVGA_FIFO_MIN), last = word(SVGA_FIFO_MAX), at = word(SVGA_FIFO_NEXT);

    if (at < SVGA_FIFO_SIZE - 4) {
        address_space_store(&address_space_memory, FIFO + at, value, 4);
        set_word(SVGA_FIFO_NEXT, at + 4 < last ? at + 4 : first);
    }
}

/* A command, of sizes that are small, or any, and pixels behind it. */
static void step_command(FuzzInput *in)
{
    static const struct {
        uint8_t code, words;
    } commands[] = { { 1, 4 },  { 2, 5 },  { 3, 6 },  { 19, 7 }, { 22, 5 },  { 30, 1 },
                     { 33, 2 }, { 14, 7 }, { 25, 5 }, { 2, 5 },  { 200, 3 }, { 22, 5 } };
    unsigned how = (unsigned)fuzz_take(in, 1), which = (how & 0xf) % G_N_ELEMENTS(commands);
    unsigned pixels = how & 0x20 ? (unsigned)fuzz_take(in, 1) * 8 : 0;

    add(commands[which].code);
    for (unsigned i = 0; i < commands[which].words; i++) {
        add((uint32_t)fuzz_take(in, how & 0x40 ? 4 : 1));
    }
    for (unsigned i = 0; i < pixels; i++) {
        add(0x01010101u * i);
    }
    if (how & 0x80) {
        put(SYNC, 1);
    }
}

static void step_fifo(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    if (how & 0x80) {
        set_word((unsigned)fuzz_take(in, 2) % (SVGA_FIFO_SIZE / 4), (uint32_t)fuzz_take(in, 4));
    } else {
        set_word(how & 0xf, how & 0x10 ? (uint32_t)fuzz_take(in, 4) : (uint32_t)fuzz_take(in, 2));
    }
}

static void step_memory(FuzzInput *in)
{
    address_space_store(&address_space_memory, MEMORY + fuzz_take(in, 3) % 0x100000,
                        fuzz_take(in, 4), 4);
}

static void step_sync(FuzzInput *in)
{
    put(SYNC, 1);
    driver_access(&address_space_io, PORTS, BUSY, 4);
    address_space_load(&address_space_io, PORTS + 1, 4);
}

static void step_look(FuzzInput *in)
{
    console_refresh(console_first());
}

static void step_listen(FuzzInput *in)
{
    Console *console = console_first();

    console_add_listener(console, &listener);
    console_refresh(console);
    console_remove_listener(console, &listener);
}

static void step_config(FuzzInput *in)
{
    driver_take_config(in, 1);
}

static void step_load(FuzzInput *in)
{
    driver_take_load(in, DEVICE(object_find_type("vmware-svga")));
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,    step_register,  step_port,      step_command, step_fifo,
    step_memory,   step_sync,      step_look,      step_listen,  step_config,
    fuzz_step_run, step_load,      fuzz_step_time, step_sync,    fuzz_step_reset,
    step_command,  step_command,   step_register,  step_look,    step_memory,
    step_command,  fuzz_step_time, step_sync,      step_command, step_fifo,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
