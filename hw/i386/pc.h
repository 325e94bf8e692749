/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine "pc": an i440FX/PIIX board with ACPI. */
#ifndef HW_I386_PC_H
#define HW_I386_PC_H

#include "hw/i386/x86.h"

#define TYPE_PC_MACHINE "pc-i440fx-machine" /* abstract: see versions.h */

#endif
