/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The versions of a board: "pc-i440fx-7.2" and its elders. Which differ in what is a table. */
#ifndef HW_I386_VERSIONS_H
#define HW_I386_VERSIONS_H

#include "hw/i386/x86.h"

/* Register a machine type "<name>-<version>" for each version of @board, an abstract type whose ops
 * (X86MachineOps) have the board's name ("pc-q35"), and the alias that is the newest's. At
 * start-up, before main(). */
void x86_versions_register(const ObjectType *board);
#define X86_VERSIONS_REGISTER(board)                                         \
    static void __attribute__((constructor)) board##_register_versions(void) \
    {                                                                        \
        x86_versions_register(&board);                                       \
    }

#endif
