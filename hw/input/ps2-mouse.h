/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PS/2 mouse, as a part of its controller (hw/input/i8042.h), with five buttons and a wheel for
 * drivers that ask for them: Microsoft's IntelliMouse (ID 3) and IntelliMouse Explorer (ID 4).
 * Machine lock for everything.
 */
#ifndef HW_INPUT_PS2_MOUSE_H
#define HW_INPUT_PS2_MOUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/input/input.h"
#include "util/state.h"

#define PS2_MOUSE_BUFFER 64 /* bytes that the guest has not read: 16 packets */

typedef struct Ps2Mouse {
    /* wiring */
    void (*has_bytes)(void *opaque); /* there are more to take */
    void *opaque;
    InputPointer input;
    /* state */
    uint8_t id;         /* 0, 3 or 4: what its packets are like */
    uint8_t modes;      /* bits of the status report: remote, reporting, scaling 2:1 */
    uint8_t resolution; /* 0 to 3: 1, 2, 4, 8 counts a millimetre */
    uint8_t rate;       /* packets a second; it tells of moves at once, whatever it is */
    uint8_t rates[2];   /* those that were set before: a driver that knows more says so by them */
    uint8_t pending;    /* the command that waits for its data byte, or 0 */
    bool wrap;          /* it sends back what it gets */
    uint8_t buttons, told; /* 1 << InputButton: pressed, and the guest knows of */
    int32_t dx, dy, dz;    /* moves that it was not told of; y goes up, the wheel down */
    uint8_t bytes[PS2_MOUSE_BUFFER];
    unsigned head, count;
} Ps2Mouse;

/* @has_bytes and @opaque are set. From now on users move it. */
void ps2_mouse_init(Ps2Mouse *s);
void ps2_mouse_destroy(Ps2Mouse *s);
/* As after power-on. */
void ps2_mouse_reset(Ps2Mouse *s);
/* The guest sends it a command, or the data byte of one. */
void ps2_mouse_write(Ps2Mouse *s, uint8_t value);
/* Take the oldest byte; false: there is none. */
bool ps2_mouse_take(Ps2Mouse *s, uint8_t *byte);
/* That was not read, and comes first again. */
void ps2_mouse_put_back(Ps2Mouse *s, uint8_t byte);
/* Let it send a packet, if it may, though nothing has moved. */
void ps2_mouse_nudge(Ps2Mouse *s);

/* For state tables. */
extern const StateTable ps2_mouse_state;

#endif
