/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A 16550A serial port (hw/char/serial.h) on the ISA bus.
 *
 * `-device isa-serial,chardev=ID[,index=N][,iobase=PORT][,irq=N][,baudbase=N]`: the first free of
 * the four PC ports is taken where nothing is said. Machine lock for everything.
 */
#ifndef HW_CHAR_ISA_SERIAL_H
#define HW_CHAR_ISA_SERIAL_H

#include "chardev/char.h"
#include "hw/core/device.h"

#define TYPE_ISA_SERIAL "isa-serial"

#define ISA_SERIAL_PORTS 4

/* The board's COM port @index (0-3) with @chr, which may be NULL: nothing connected. Realized;
 * NULL with @errp if @chr is taken. Belongs to the device tree. */
Device *isa_serial_create(unsigned index, Chardev *chr, GError **errp);
/* The port base of COM @index (0-3). */
unsigned isa_serial_port(unsigned index);
unsigned isa_serial_irq(unsigned index);

#endif
