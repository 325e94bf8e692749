/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A QXL card, with libspice-server behind it: a guest that writes anything to the ports, the header
 * and the rings, and commands of right shape with anything in them, while somebody looks.
 */
#include <string.h>

#include "hw/display/qxl.h"
#include "tests/fuzz/driver.h"

#define RAM   0xe0000000u
#define VRAM  0xe8000000u
#define ROM   0xf0000000u
#define PORTS 0xc000u
#define SIZE  (16u << 20)
#define DATA  0x100000u /* where commands are */
#define SIDE  32u       /* pixels of the primary surface */

static void populate(Machine *machine)
{
    driver_add("qxl-vga,ram_size_mb=16,vgamem_mb=8,vram_size_mb=1,addr=10");
}

static void io(unsigned port, uint64_t value)
{
    driver_access(&address_space_io, PORTS + port, value, 1);
}

static uint32_t header(size_t member)
{
    return RAM + SIZE - QXL_HEADER_SIZE + (uint32_t)member;
}
#define HEADER(member) header(offsetof(QXLRam, member))

static void put(uint32_t at, const void *data, size_t size)
{
    address_space_write(&address_space_memory, at, data, size);
}

static QXLPHYSICAL slot_address(unsigned slot, uint32_t offset)
{
    return (uint64_t)slot << 56 | offset;
}

static void add_slot(unsigned n, uint64_t start, uint64_t end)
{
    const QXLMemSlot slot = { start, end };

    put(HEADER(mem_slot), &slot, sizeof(slot));
    io(QXL_IO_MEMSLOT_ADD, n);
}

static void create(uint32_t format, int32_t stride)
{
    const QXLSurfaceCreate primary = {
        .width = SIDE, .height = SIDE, .stride = stride, .format = format, .mem = slot_address(1, 0)
    };

    put(HEADER(create_surface), &primary, sizeof(primary));
    io(QXL_IO_CREATE_PRIMARY, 0);
}

static void look(void)
{
    console_refresh(console_first());
}

/* As a driver does it. */
static void step_start(FuzzInput *in)
{
    static const uint32_t formats[] = { SPICE_SURFACE_FMT_32_xRGB, SPICE_SURFACE_FMT_32_ARGB,
                                        SPICE_SURFACE_FMT_16_555, SPICE_SURFACE_FMT_16_565 };
    static const uint32_t bars[] = { RAM, VRAM, ROM, PORTS };
    const unsigned how = (unsigned)fuzz_take(in, 1);

    for (unsigned i = 0; i < G_N_ELEMENTS(bars); i++) {
        driver_config_write(0, PCI_BASE_ADDRESS_0 + 4 * i, bars[i], 4);
    }
    driver_config_write(0, PCI_COMMAND, 7, 2);
    io(QXL_IO_RESET, 0);
    add_slot(1, RAM, RAM + SIZE);
    add_slot(2, VRAM, VRAM + 0x100000);
    create(formats[how & 3], how & 4 ? -128 : 128);
}

static void step_port(FuzzInput *in)
{
    const unsigned port = (unsigned)fuzz_take(in, 1) & 31;

    io(port, fuzz_take(in, 1));
}

static void step_header(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3);
    const uint64_t at = fuzz_take(in, 2) % (sizeof(QXLRam) - 8);

    address_space_store(&address_space_memory, header(how & 4 ? at : 4108 + at % 1240),
                        fuzz_take(in, size), size);
}

static void step_slot(FuzzInput *in)
{
    const unsigned n = (unsigned)fuzz_take(in, 1);
    const uint64_t start = fuzz_take(in, 4);

    add_slot(n, start, start + fuzz_take(in, 3));
}

/* Bytes of what commands point to, of which there are few: zeros, and a byte here and there. */
static void step_data(FuzzInput *in)
{
    const uint32_t at = DATA + (uint32_t)fuzz_take(in, 2);
    const unsigned how = (unsigned)fuzz_take(in, 1);

    if (how & 0x80) {
        const QXLPHYSICAL to = slot_address(1 + (how & 1), DATA + (uint32_t)fuzz_take(in, 2));

        put(at, &to, sizeof(to));
    } else {
        address_space_store(&address_space_memory, at, fuzz_take(in, 1u << (how & 3)),
                            1u << (how & 3));
    }
}

static void push(bool cursors, uint32_t type, QXLPHYSICAL addr)
{
    const uint32_t ring = cursors ? HEADER(cursor_ring) : HEADER(cmd_ring);
    const uint32_t at = ring + (uint32_t)offsetof(QXLCommandRing, prod);
    const QXLCommand command = { addr, type, 0 };
    const uint64_t prod = address_space_load(&address_space_memory, at, 4);

    put(ring + (uint32_t)(offsetof(QXLCommandRing, items) + prod % 32 * sizeof(command)), &command,
        sizeof(command));
    address_space_store(&address_space_memory, at, prod + 1, 4);
    io(cursors ? QXL_IO_NOTIFY_CURSOR : QXL_IO_NOTIFY_CMD, 0);
}

static void step_command(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);

    push(how & 0x80, how & 7, slot_address(1, DATA + (uint32_t)fuzz_take(in, 2)));
}

/* A command of drawing, right at its head. */
static void step_draw(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1), image = 0x1000, pixels = 0x2000;
    QXLDrawable d = { .effect = QXL_EFFECT_OPAQUE,
                      .type = how & 0xf,
                      .bbox = { .bottom = SIDE, .right = SIDE },
                      .surfaces_dest = { -1, -1, -1 } };
    uint8_t *body = (uint8_t *)&d.u;

    for (unsigned i = 0; i < sizeof(d.u); i++) {
        body[i] = how & 0x10 ? (uint8_t)fuzz_take(in, 1) : 0;
    }
    d.u.copy.src_bitmap = slot_address(1, DATA + image);
    if (d.type == QXL_DRAW_COPY || d.type == QXL_DRAW_BLEND || d.type == QXL_DRAW_OPAQUE ||
        d.type == QXL_DRAW_ROP3) {
        const QXLImage picture = { .descriptor = { .type = how & 0x20 ? SPICE_IMAGE_TYPE_QUIC
                                                                      : SPICE_IMAGE_TYPE_BITMAP,
                                                   .width = SIDE,
                                                   .height = SIDE },
                                   .bitmap = { .format = (uint8_t)(fuzz_take(in, 1) % 12),
                                               .flags = (uint8_t)fuzz_take(in, 1),
                                               .x = SIDE,
                                               .y = SIDE,
                                               .stride = 4 * SIDE,
                                               .palette = slot_address(1, DATA),
                                               .data = slot_address(1, DATA + pixels) } };

        d.u.copy.src_area = (QXLRect){ .bottom = SIDE, .right = SIDE };
        put(RAM + DATA + image, &picture, sizeof(picture));
    }
    if (how & 0x40) {
        d.clip.type = SPICE_CLIP_TYPE_RECTS;
        d.clip.data = slot_address(1, DATA + (uint32_t)fuzz_take(in, 2));
    }
    put(RAM + DATA + 0x8000, &d, sizeof(d));
    push(false, QXL_CMD_DRAW, slot_address(1, DATA + 0x8000));
    look();
}

static void step_surface(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);
    const QXLSurfaceCmd cmd = { .surface_id = how >> 1 & 3,
                                .type = how & 1,
                                .u.surface_create = { .format = SPICE_SURFACE_FMT_32_ARGB,
                                                      .width = (uint32_t)fuzz_take(in, 1),
                                                      .height = (uint32_t)fuzz_take(in, 1),
                                                      .stride = how & 8 ? -1024 : 1024,
                                                      .data = slot_address(2, 0) } };

    put(RAM + DATA + 0x9000, &cmd, sizeof(cmd));
    push(false, QXL_CMD_SURFACE, slot_address(1, DATA + 0x9000));
}

static void step_cursor(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);
    QXLCursorCmd cmd = { .type = how & 3 };
    QXLCursor shape = { .header = { .type = how >> 2 & 7,
                                    .width = (uint16_t)fuzz_take(in, 1),
                                    .height = (uint16_t)fuzz_take(in, 1) },
                        .chunk = { .data_size = (uint32_t)fuzz_take(in, 2) } };

    if (!cmd.type) {
        cmd.u.set.shape = slot_address(1, DATA + 0xb000);
    }
    put(RAM + DATA + 0xa000, &cmd, sizeof(cmd));
    put(RAM + DATA + 0xb000, &shape, sizeof(shape));
    push(true, QXL_CMD_CURSOR, slot_address(1, DATA + 0xa000));
}

static void step_look(FuzzInput *in)
{
    look();
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,      step_port,      step_header, step_slot,    step_data,   step_command,
    step_draw,       step_surface,   step_cursor, step_look,    step_draw,   step_data,
    fuzz_step_reset, fuzz_step_time, step_start,  step_port,    step_draw,   step_data,
    step_surface,    step_draw,      step_look,   step_command, step_cursor, fuzz_step_run,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
