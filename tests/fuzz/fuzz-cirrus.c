/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cirrus-vga: a guest that writes anything to its registers, by ports and memory, has its engine
 * do anything, and sends it data, while somebody looks, and the card is saved, damaged and loaded.
 */
#include "hw/display/cirrus.h"
#include "tests/fuzz/driver.h"
#include "ui/console.h"

#define MEMORY    0xe0000000u /* 32 MiB */
#define REGISTERS 0xf0000000u
#define APERTURE  (MEMORY + 0x1000000u)

static void populate(Machine *machine)
{
    driver_add("cirrus-vga,addr=10");
}

static void out(uint16_t port, uint64_t value, unsigned size)
{
    driver_access(&address_space_io, port, value, size);
}

static void gfx(unsigned reg, uint64_t value)
{
    out(0x3ce, (value & 0xff) << 8 | reg, 2);
}

/* As firmware does it: BARs, and a picture. */
static void step_start(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);

    driver_config_write(0, PCI_BASE_ADDRESS_0, MEMORY, 4);
    driver_config_write(0, PCI_BASE_ADDRESS_0 + 4, REGISTERS, 4);
    driver_config_write(0, PCI_COMMAND, 3, 2);
    out(0x3c2, 1, 1);
    for (unsigned i = 0; i < VGA_CRTC_REGS; i++) {
        out(0x3d4, i | (i == VGA_CRTC_H_DISPLAY || i == VGA_CRTC_V_DISPLAY ? 0x1f00u : 0), 2);
    }
    out(0x3c4, CIRRUS_SEQ_MODE | (how & 0xf) << 8 | 0x100, 2);
    out(0x3c4, CIRRUS_SEQ_CURSOR | (how & 0x70) << 4, 2);
    out(0x3c0, VGA_ATTR_ON, 1);
}

static void step_indexed(FuzzInput *in)
{
    static const uint16_t ports[] = { 0x3c4, 0x3ce, 0x3d4, 0x3b4 };

    out(ports[fuzz_take(in, 1) & 3], fuzz_take(in, 2), 2);
}

static void step_port(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how >> 6 & 1);
    uint16_t port = VGA_PORTS + how % VGA_PORTS_SIZE;

    if (how & 0x80) {
        out(port, fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_io, port, size);
    }
}

/* A BLT of sizes as they come. */
static void step_blt(FuzzInput *in)
{
    static const uint8_t sizes[] = { 2, 2, 2, 2, 3, 3 };
    static const uint8_t regs[] = { CIRRUS_GFX_WIDTH,      CIRRUS_GFX_HEIGHT,
                                    CIRRUS_GFX_DEST_PITCH, CIRRUS_GFX_SOURCE_PITCH,
                                    CIRRUS_GFX_DEST,       CIRRUS_GFX_SOURCE };
    unsigned how = (unsigned)fuzz_take(in, 1);

    for (unsigned i = 0; i < G_N_ELEMENTS(regs); i++) {
        /* Small ones, or any. */
        uint64_t value = fuzz_take(in, how >> i & 1 ? sizes[i] : 1);

        for (unsigned part = 0; part < sizes[i]; part++) {
            gfx(regs[i] + part, value >> 8 * part);
        }
    }
    for (unsigned i = CIRRUS_GFX_SKIP; i <= CIRRUS_GFX_BLT_MORE; i++) {
        gfx(i, i == CIRRUS_GFX_STATUS ? 0 : fuzz_take(in, 1));
    }
    gfx(CIRRUS_GFX_STATUS, how & 0x80 ? 0x80 : 2);
}

/* Bytes for one that waits. */
static void step_data(FuzzInput *in)
{
    static const uint32_t places[] = { APERTURE, MEMORY, VGA_WINDOW, MEMORY + 0x3ffff0 };
    unsigned how = (unsigned)fuzz_take(in, 1), count = (how >> 2) + 1;
    uint64_t value = fuzz_take(in, 4);

    for (unsigned i = 0; i < count; i++) {
        driver_access(&address_space_memory, places[how & 3] + (how & 3 ? 0 : i * 8), value, 8);
    }
}

static void step_mmio(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3) % 3;
    hwaddr at = (how & 4 ? VGA_WINDOW + 0x18000 : REGISTERS) + fuzz_take(in, 2) % 0x200;

    if (how & 0x80) {
        driver_access(&address_space_memory, at, fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_memory, at, size);
    }
}

static void step_memory(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3);
    hwaddr at = how & 4 ? VGA_WINDOW + fuzz_take(in, 3) % VGA_WINDOW_SIZE
                        : MEMORY + fuzz_take(in, 3) % 0x400000;

    if (how & 0x80) {
        driver_access(&address_space_memory, at, fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_memory, at, size);
    }
}

static void step_hidden(FuzzInput *in)
{
    for (unsigned i = 0; i < 4; i++) {
        address_space_load(&address_space_io, 0x3c6, 1);
    }
    out(0x3c6, fuzz_take(in, 1), 1);
}

static void step_look(FuzzInput *in)
{
    console_refresh(console_first());
}

static void step_config(FuzzInput *in)
{
    driver_take_config(in, 1);
}

static void step_load(FuzzInput *in)
{
    driver_take_load(in, DEVICE(object_find_type("cirrus-vga")));
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,     step_indexed, step_port,     step_blt,  step_data,
    step_mmio,      step_memory,  step_hidden,   step_look, fuzz_step_reset,
    fuzz_step_time, step_config,  step_blt,      step_data, step_look,
    step_indexed,   step_blt,     step_memory,   step_look, step_blt,
    step_memory,    step_data,    fuzz_step_run, step_load, step_indexed,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
