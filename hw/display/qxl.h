/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QXL (SPICE's published header, spice/qxl_dev.h): a graphics card that is a VGA, or nothing, until
 * its driver draws by commands, which libspice-server carries out (ui/spice-card.h).
 *
 * The library never sees the guest's commands, which the guest could change meanwhile: each is
 * copied with all that it points to, and checked. What it does see of the guest's memory are the
 * pixels of surfaces.
 *
 * Machine lock for everything, but for what the library's thread does: that is below `lock`, which
 * is taken last. Who has it calls nothing of the library that waits for that thread.
 */
#ifndef HW_DISPLAY_QXL_H
#define HW_DISPLAY_QXL_H

#include "hw/display/vga.h"
#include "ui/spice-card.h"

#include <spice/qxl_dev.h>

enum {
    QXL_SLOTS_FIRST = 1,
    QXL_SLOTS = 8,
    QXL_SURFACES_MAX = 1024,
    QXL_HEADS_MAX = 64,
    QXL_ROM_SIZE = 0x2000,
    QXL_HEADER_SIZE = 0x2000, /* at the end of the RAM */
    QXL_CURSOR_BYTES = 4 * CONSOLE_CURSOR_MAX * CONSOLE_CURSOR_MAX,
};

typedef enum QxlMode {
    QXL_MODE_VGA, /* or nothing, of a card that is no VGA */
    QXL_MODE_UNDEFINED,
    QXL_MODE_NATIVE,
    QXL_MODE_COMPAT, /* of the first revision: one surface, by the number of a mode */
    QXL_MODE_MAX = QXL_MODE_COMPAT,
} QxlMode;

/* A part of a memory. */
typedef struct QxlSlot {
    uint8_t memory; /* 0: it is not there; 1: RAM, 2: video memory */
    uint64_t offset, size;
    uint64_t base; /* the guest's address of the first byte, without the slot's number */
} QxlSlot;

/* Where pixels lie; the first surface is the primary one. */
typedef struct QxlSurfacePlace {
    uint8_t memory; /* as above */
    uint32_t format, width, height;
    int32_t stride;
    uint64_t offset;
} QxlSurfacePlace;

typedef struct Qxl {
    PciDevice parent;
    /* configuration */
    uint32_t ram_size, ram_mb, vram_mb, vram64_mb, revision, surfaces, xres, yres, max_outputs;
    uint64_t vram_size;
    /* state */
    Vga vga;
    uint32_t mode;
    bool broken; /* the guest did what makes no sense: nothing until a reset */
    QxlSlot slots[QXL_SLOTS];
    QxlSurfacePlace places[QXL_SURFACES_MAX];
    uint32_t mouse_mode, position; /* of the primary surface, as its flags */
    bool chained;                  /* what was released last waits for the next one: */
    uint8_t chain_memory;          /* where its QXLReleaseInfo is */
    uint64_t chain_offset;
    GBytes *cursor;  /* QXLCursorCmd and shape, as copied; NULL: none */
    bool cursor_set; /* there is one */
    int32_t cursor_x, cursor_y;
    /* wiring */
    bool primary; /* it is a VGA */
    RamBlock *rom_block, *vram;
    MemoryRegion ram_bar, rom_bar_region, vram_region, vram_bar, io;
    RamBlock *ram; /* of vga.vram; borrowed */
    QXLRom *rom;   /* NULL: there is no memory */
    QXLRam *header;
    SpiceCard card;
    QXLInstance *instance; /* NULL: the display is not the card's */
    QXLMonitorsConfig *monitors;
    bool redraw; /* all of the primary surface */
    GMutex lock;
    /* below the lock */
    bool stopped;    /* the machine: nothing is fetched */
    unsigned syncs;  /* somebody waits for the library ... */
    unsigned budget; /* ... and gets so many commands done */
    GQueue waiting;  /* of QxlCommand, which come before the guest's */
    size_t given;    /* sizes of commands that the library has */
    uint32_t epoch;  /* counts resets: of those before, nothing is given back */
    bool async;      /* an asynchronous command is under way */
    guint bell;      /* rung on the main thread; 0: not */
    bool oom_asked;  /* the library was asked to give copies back */
    bool rests;      /* nothing is fetched before the bell was rung */
    bool wants_oom, goes_on, cursor_moved, cursor_new; /* for the bell */
} Qxl;
OBJECT_CAST_DEFINE(Qxl, QXL, "qxl-common")

/* A command that the library has, and what belongs to it. */
typedef struct QxlCommand {
    QXLCommandExt ext;
    uint32_t epoch;
    uint8_t memory; /* where its QXLReleaseInfo is, if it is given back late; 0: it was */
    uint64_t offset;
    uint64_t guest_id; /* that it had */
    GPtrArray *parts;  /* owned memory */
    size_t size;       /* of them; and each pixel that is drawn on counts as a byte */
} QxlCommand;

/* ---- qxl-copy.c: any time ---- */

/* 1: RAM, 2: video memory; NULL: none. */

RamBlock *qxl_memory(const Qxl *s, unsigned memory);

/* ---- qxl-rom.c ---- */

/* With the lock, as the next. */
void qxl_init_rom(Qxl *s);
void qxl_init_header(Qxl *s);
/* False: there is no such mode. */
bool qxl_mode(const Qxl *s, uint32_t id, QXLMode *mode);
/* A client, or a viewer (ui_info), wants these. */
bool qxl_client_monitors(Qxl *s, const VDAgentMonitorsConfig *config);

/* ---- qxl-io.c ---- */

extern const MemoryRegionOps qxl_io_ops;
/* Not of the VGA: no surfaces, no slots, and the display shows the console. */
void qxl_reset_card(Qxl *s);
/* The surfaces that were loaded are there. */
bool qxl_restore(Qxl *s, GError **errp);
/* The pixels of all surfaces are drawn as the commands that were fetched say. */
void qxl_flush(Qxl *s);
/* What the library has waits, or what waits goes on; any thread. */
void qxl_begin_sync(Qxl *s);
void qxl_end_sync(Qxl *s);
/* Of a pixel of a surface; 0: there is no such format. */
unsigned qxl_format_bytes(uint32_t format);
/* Is that a surface of pixels, and in the memory? */
bool qxl_place_is_good(const Qxl *s, const QxlSurfacePlace *place);
uint8_t *qxl_place_data(const Qxl *s, const QxlSurfacePlace *place);
static inline uint64_t qxl_place_size(const QxlSurfacePlace *place)
{
    return (uint64_t)ABS((int64_t)place->stride) * place->height;
}

/* ---- qxl-draw.c ---- */

/* Bring the console up to date. */
void qxl_draw(Qxl *s);
/* What the console has as a pointer. */
void qxl_show_cursor(Qxl *s);

/* ---- qxl-ring.c ---- */

extern const SpiceCardOps qxl_card_ops;
/* The guest hears of @events (QXL_INTERRUPT_*): with the lock, any thread. */
void qxl_tell(Qxl *s, uint32_t events);
/* The line as what is pending says. */
void qxl_update_irq(Qxl *s);
/* With the lock: @why on stderr once, and nothing more until a reset. */
void qxl_guest_fault(Qxl *s, const char *why);
/* Give the guest what waits to be given back; with the lock. */
void qxl_push_released(Qxl *s);
void qxl_free_command(Qxl *s, QxlCommand *command);
void qxl_cancel_bell(Qxl *s);

/* ---- qxl-copy.c: with the lock ---- */

/* [@addr, @addr + @size) of the guest's; NULL: it is in no slot. */
void *qxl_guest(const Qxl *s, QXLPHYSICAL addr, uint64_t size, uint8_t *memory, uint64_t *offset);
/* What the guest has in its ring, as the library gets it. `type` NOP: it is nothing, as when it is
 * wrong: it is given back to the guest, and freed by the caller. NULL, and *@why: nothing can be
 * given back. */
QxlCommand *qxl_copy_command(Qxl *s, const QXLCommand *from, bool compat, const char **why);
/* Surface @id comes, with its pixels as they are; if there is none, it goes. */
QxlCommand *qxl_make_surface(Qxl *s, uint32_t id);
/* The pointer that was set last. NULL: none. */
QxlCommand *qxl_make_cursor(Qxl *s);

#endif
