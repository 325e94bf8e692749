/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VGA, a bochs-display and a ramfb: a guest that writes anything to their registers, by ports and
 * memory, to the window and to what they show, while somebody looks, or asks for another size.
 */
#include <string.h>

#include "hw/display/vga.h"
#include "hw/i386/fw-cfg.h"
#include "hw/pci/pci.h"
#include "tests/fuzz/driver.h"
#include "ui/console.h"

#define MEMORY     0xe0000000u /* of a card: 16 MiB each */
#define REGISTERS  0xf0000000u /* 1 MiB each */
#define RAMFB      28u         /* bytes of its file */
#define DATA       0x8000u
#define DESCRIPTOR 0x9000u

static const ConsoleListener listener = { 0 };

static void populate(Machine *machine)
{
    driver_add("VGA,vgamem_mb=1,addr=10");
    driver_add("bochs-display,vgamem=1M,addr=11");
    driver_add("ramfb");
}

static uint32_t registers(unsigned n)
{
    return REGISTERS + (n & 1) * 0x100000;
}

static void out(uint16_t port, uint64_t value, unsigned size)
{
    driver_access(&address_space_io, port, value, size);
}

/* As firmware does it: BARs, and a picture of 256 colours, or of 16. */
static void step_start(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), n = how & 1;

    driver_config_write(n, PCI_BASE_ADDRESS_0, MEMORY + n * 0x1000000, 4);
    driver_config_write(n, PCI_BASE_ADDRESS_0 + 8, registers(n), 4);
    driver_config_write(n, PCI_COMMAND, 3, 2);
    out(0x3c2, 1, 1);
    for (unsigned i = 0; i < VGA_CRTC_REGS; i++) {
        out(0x3d4, i | (i == VGA_CRTC_H_DISPLAY || i == VGA_CRTC_V_DISPLAY ? 0x1f00u : 0), 2);
    }
    out(0x3ce, VGA_GFX_MISC | (how & 0xe) << 7, 2);
    out(0x3ce, VGA_GFX_MODE | (how & 0xf0) << 5, 2);
    out(0x3c0, VGA_ATTR_ON, 1);
}

/* A register behind an index. */
static void step_indexed(FuzzInput *in)
{
    static const uint16_t ports[] = { 0x3c4, 0x3ce, 0x3d4, 0x3b4 };

    out(ports[fuzz_take(in, 1) & 3], fuzz_take(in, 2), 2);
}

static void step_attr(FuzzInput *in)
{
    address_space_load(&address_space_io, 0x3da, 1);
    out(0x3c0, fuzz_take(in, 1), 1);
    out(0x3c0, fuzz_take(in, 1), 1);
    out(0x3c0, VGA_ATTR_ON, 1);
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

static void step_dispi(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), reg = how & 0xf;
    uint64_t value = fuzz_take(in, 2);

    if (how & 0x80) {
        driver_access(&address_space_memory, registers(how >> 6) + DISPI_BAR_REGS + 2 * reg, value,
                      2);
    } else {
        out(0x1ce, reg, 2);
        out(how & 0x20 ? 0x1cf : 0x1d0, value, 2);
        address_space_load(&address_space_io, 0x1cf, 2);
    }
}

/* A mode of right shape. */
static void step_mode(FuzzInput *in)
{
    static const uint8_t depths[] = { 4, 8, 15, 16, 24, 32, 0, 9 };
    unsigned how = (unsigned)fuzz_take(in, 1);
    const uint16_t regs[][2] = { { DISPI_ENABLE, 0 },
                                 { DISPI_XRES, (uint16_t)(fuzz_take(in, 1) * 8) },
                                 { DISPI_YRES, (uint16_t)fuzz_take(in, 1) },
                                 { DISPI_BPP, depths[how >> 1 & 7] },
                                 { DISPI_ENABLE, 0x41 | (how & 0x80) } };

    for (unsigned i = 0; i < G_N_ELEMENTS(regs); i++) {
        driver_access(&address_space_memory, registers(how) + DISPI_BAR_REGS + 2 * regs[i][0],
                      regs[i][1], 2);
    }
}

static void step_bar(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how >> 2 & 3);
    hwaddr at = registers(how) + fuzz_take(in, 2) % DISPI_BAR_SIZE;

    if (how & 0x80) {
        driver_access(&address_space_memory, at, fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_memory, at, size);
    }
}

static void step_window(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3);
    hwaddr at = VGA_WINDOW + fuzz_take(in, 3) % VGA_WINDOW_SIZE;

    if (how & 0x80) {
        driver_access(&address_space_memory, at, fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_memory, at, size);
    }
}

static void step_memory(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    hwaddr at = MEMORY + (how & 1) * 0x1000000 + fuzz_take(in, 3) % 0x100000;

    address_space_store(&address_space_memory, at, fuzz_take(in, 4), 4);
}

/* By DMA, as fw_cfg takes it. */
static void write_file(const char *name, const uint8_t *data, uint32_t size)
{
    FwCfg *fw = fw_cfg_get();
    GBytes *file = fw_cfg_find_file(fw, name);
    uint32_t key = FW_CFG_FILE_FIRST;

    while (fw_cfg_find(fw, (uint16_t)key) != file) {
        key++;
    }
    const uint32_t words[] = { GUINT32_TO_BE(key << 16 | 0x18), GUINT32_TO_BE(size), 0,
                               GUINT32_TO_BE(DATA) };
    address_space_write(&address_space_memory, DATA, data, size);
    address_space_write(&address_space_memory, DESCRIPTOR, words, sizeof(words));
    out(FW_CFG_DMA_BASE + 4, GUINT32_TO_BE(DESCRIPTOR), 4);
}

/* The file of ramfb, right or wrong. */
static void step_ramfb(FuzzInput *in)
{
    static const char formats[][5] = { "XR24", "RG24", "RG16", "XR15" };
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint8_t file[RAMFB] = { 0 };

    for (unsigned i = 0; i < RAMFB; i++) {
        file[i] = how & 1 ? (uint8_t)fuzz_take(in, 1) : 0;
    }
    if (!(how & 2)) {
        for (unsigned i = 0; i < 4; i++) {
            file[11 - i] = (uint8_t)formats[how >> 2 & 3][i];
        }
        memset(file, 0, 4);
        memset(file + 16, 0, 3);
        memset(file + 20, 0, 3);
        file[19] = (uint8_t)fuzz_take(in, 1);
        file[23] = (uint8_t)fuzz_take(in, 1);
    }
    write_file("etc/ramfb", file, sizeof(file));
}

/* ---- who looks ---- */

static void step_look(FuzzInput *in)
{
    Console *console = console_by_index(fuzz_take(in, 1) % 4);

    if (console) {
        console_refresh(console);
    }
}

static void step_listen(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    Console *console = console_by_index(how & 3);

    if (console && how & 4) {
        console_ui_info(console, (unsigned)fuzz_take(in, 2), (unsigned)fuzz_take(in, 2));
    } else if (console) {
        console_add_listener(console, &listener);
        console_refresh(console);
        console_remove_listener(console, &listener);
    }
}

static void step_config(FuzzInput *in)
{
    driver_take_config(in, 2);
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,      step_indexed,   step_attr,   step_port,    step_dispi,    step_mode,
    step_bar,        step_window,    step_memory, step_ramfb,   step_look,     step_listen,
    fuzz_step_reset, fuzz_step_time, step_config, step_indexed, step_window,   step_look,
    step_mode,       step_look,      step_attr,   step_indexed, fuzz_step_run, step_memory,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
