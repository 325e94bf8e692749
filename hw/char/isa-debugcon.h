/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The debug console: a port whose writes go to a character device.
 * `-device isa-debugcon,chardev=ID[,iobase=0xe9][,readback=0xe9]`. Machine lock.
 */
#ifndef HW_CHAR_ISA_DEBUGCON_H
#define HW_CHAR_ISA_DEBUGCON_H

#include "chardev/char.h"
#include "hw/core/device.h"

#define TYPE_ISA_DEBUGCON "isa-debugcon"

/* For -debugcon: at port 0xe9 with @chr. Realized; NULL with @errp if @chr is taken. Belongs to the
 * device tree. */
Device *isa_debugcon_create(Chardev *chr, GError **errp);

#endif
