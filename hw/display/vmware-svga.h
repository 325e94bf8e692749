/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMware's SVGA II, as its public headers (svga_reg.h) have it: a VGA with registers behind two
 * ports, whose picture lies in memory as it is, 32 bits a pixel, and a FIFO of commands. No 3D.
 *
 * The FIFO is the guest's, which may write to it while it is read: each word is read once. A part
 * of it is carried out at a time, so that no guest holds the machine up. Machine lock for
 * everything.
 */
#ifndef HW_DISPLAY_VMWARE_SVGA_H
#define HW_DISPLAY_VMWARE_SVGA_H

#include "hw/display/vga.h"
#include "util/timer.h"

#define SVGA_FIFO_SIZE   0x10000u
#define SVGA_CURSOR_SIZE 128u /* pixels in each direction, at most */
#define SVGA_SIZE_MAX    8192u

/* Words at the beginning of the FIFO. */
enum {
    SVGA_FIFO_MIN, /* bytes: where commands lie, and where they end */
    SVGA_FIFO_MAX,
    SVGA_FIFO_NEXT, /* where the guest writes the next one */
    SVGA_FIFO_STOP, /* and which is carried out next */
    SVGA_FIFO_CAPABILITIES,
    SVGA_FIFO_FENCE = 6,
    SVGA_FIFO_CURSOR_ON = 9,
    SVGA_FIFO_CURSOR_X,
    SVGA_FIFO_CURSOR_Y,
    SVGA_FIFO_CURSOR_COUNT, /* it has moved */
    SVGA_FIFO_BUSY = 290,   /* somebody has asked for it to be carried out */
    SVGA_FIFO_REGS,
};

typedef struct SvgaCursor {
    uint32_t width, height; /* 0: there is none */
    uint32_t hot_x, hot_y;
    uint32_t argb[SVGA_CURSOR_SIZE * SVGA_CURSOR_SIZE];
} SvgaCursor;

typedef struct VmwareSvga {
    PciDevice parent;
    Vga vga;
    /* configuration: properties */
    bool global_vmstate;
    /* state */
    uint32_t index, value; /* as much as has come of it, or is still to be taken */
    uint32_t id, enable, config_done, width, height, pitch_lock, guest_id, traces;
    uint32_t cursor_id, cursor_x, cursor_y, cursor_on, cursor_count;
    bool busy; /* the guest waits until the FIFO is empty */
    SvgaCursor cursor;
    /* wiring */
    MemoryRegion ports, fifo_bar;
    RamBlock *fifo;
    Timer *timer; /* it goes on */
} VmwareSvga;
OBJECT_CAST_DEFINE(VmwareSvga, VMWARE_SVGA, "vmware-svga")

extern const StateTable svga_cursor_state;

/* Bytes from a line of the picture to the next. */
uint32_t svga_pitch(const VmwareSvga *s);
/* Is the picture the SVGA's? */
bool svga_shown(const VmwareSvga *s);

/* ---- vmware-fifo.c ---- */

uint32_t svga_fifo_get(const VmwareSvga *s, unsigned word);
void svga_fifo_set(VmwareSvga *s, unsigned word, uint32_t value);
/* Carry out a part of what is in it; if that was not all, it goes on by itself. */
void svga_fifo_run(VmwareSvga *s);
/* Its words as they are before the guest has set it up. */
void svga_fifo_reset(VmwareSvga *s);

/* ---- vmware-cursor.c ---- */

/* Commands: @words with what they say, and pixels behind that. Sizes that there cannot be are no
 * pointer. */
void svga_define_cursor(VmwareSvga *s, const uint32_t *words);
void svga_define_alpha_cursor(VmwareSvga *s, const uint32_t *words);
/* Words of a mask of the first kind. */
uint64_t svga_mask_words(uint32_t width, uint32_t height, uint32_t depth);
/* Have the console show the pointer as it is, or none. */
void svga_show_cursor(VmwareSvga *s);
/* The same, of its place. */
void svga_move_cursor(VmwareSvga *s);

#endif
