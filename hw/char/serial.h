/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A 16550A serial port (National Semiconductor PC16550D data sheet): its eight registers, as a
 * part of a device. hw/char/isa-serial.h has it on the ISA bus, `pci-serial` as a PCI function,
 * `pci-serial-2x` and `-4x` have several.
 * Machine lock for everything.
 */
#ifndef HW_CHAR_SERIAL_H
#define HW_CHAR_SERIAL_H

#include "chardev/char.h"
#include "hw/core/device.h"
#include "memory/memory.h"
#include "util/state.h"
#include "util/timer.h"

#define SERIAL_PORTS     8
#define SERIAL_BAUDBASE  115200 /* 1.8432 MHz / 16 */
#define SERIAL_FIFO_SIZE 16

typedef struct Serial {
    /* configuration */
    uint32_t baudbase; /* property: bits a second with divisor 1 */
    bool wakeup;       /* what comes wakes a guest that sleeps */
    char *chardev;     /* property: id of what is at the other end; NULL: `chr` */
    /* wiring */
    Chardev *chr; /* the board's own choice; NULL: nothing */
    Device *dev;  /* that it is a part of; with set_irq, set before serial_realize() */
    void (*set_irq)(Device *dev, int level);
    CharFrontend fe;
    bool attached;
    MemoryRegion ports; /* SERIAL_PORTS long */
    /* state */
    bool irq_level;
    uint16_t divisor;
    uint8_t ier, fcr, lcr, mcr, scr;
    bool line_set;       /* the guest has written LCR since reset */
    uint8_t line_status; /* LSR's errors */
    uint8_t msr;
    bool thre_pending; /* the THR became empty and IIR did not tell it yet */
    bool rx_timeout;   /* the FIFO has bytes below its trigger, for 4 characters' time */
    uint8_t fifo[SERIAL_FIFO_SIZE];
    unsigned head, count;
    Timer *timeout;
} Serial;

/* Attach it to its character device, and make `ports`; false, with nothing left behind, if that is
 * not there or taken. */
bool serial_realize(Serial *s, GError **errp);
/* Undo that; `ports` are in nobody's memory any more. */
void serial_unrealize(Serial *s);
void serial_reset(Serial *s);

/* For state tables: the fields of a Serial. */
extern const StateField serial_fields[];
/* Their post_load, with the Serial: the other end is told how the outputs are. */
bool serial_post_load(void *serial, GError **errp);

/* Property.check of "baudbase". */
bool serial_check_baudbase(Object *obj, const Property *prop, struct json_object *value,
                           GError **errp);
/* For type tables: the properties of @Type, whose Serial is @member. */
#define SERIAL_PROPERTIES(Type, member)                                                   \
    { .name = "baudbase",                                                                 \
      .kind = PROP_UINT32,                                                                \
      .offset = offsetof(Type, member.baudbase),                                          \
      .has_default = true,                                                                \
      .default_int = SERIAL_BAUDBASE,                                                     \
      .check = serial_check_baudbase,                                                     \
      .description = "speed with divisor 1, bits a second" },                             \
    {                                                                                     \
        .name = "chardev", .kind = PROP_STRING, .offset = offsetof(Type, member.chardev), \
        .description = "id of the character device at the other end"                      \
    }

#endif
