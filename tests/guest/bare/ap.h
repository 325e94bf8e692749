/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Other processors: interrupts between them, and their start. A guest that starts one defines
 * ap_main(), which each of them calls on its own stack and may leave to halt. */
#ifndef BARE_AP_H
#define BARE_AP_H

#include "runtime.h"

#define AP_STACK_SIZE 4096
#define AP_VECTOR     8 /* of the SIPI that runs what ap_prepare() puts there */

enum {
    ICR_FIXED = 0x4000,
    ICR_LOWEST = 0x4100,
    ICR_NMI = 0x4400,
    ICR_INIT = 0x4500,
    ICR_STARTUP = 0x4600,
    ICR_LOGICAL = 0x0800,
    ICR_SELF = 0x40000,
    ICR_ALL = 0x80000,
    ICR_OTHERS = 0xc0000,
};

void ap_main(void);

/* Write the ICR (xAPIC) and wait until the message is sent. */
void ap_send(uint32_t destination, uint32_t command);
/* Make ready for a start: ap_main() on @stack of AP_STACK_SIZE bytes. One processor at a time. */
void ap_prepare(uint8_t *stack);
/* Make ready, then INIT, 10 ms, and twice SIPI: a processor that runs ignores the second. */
void ap_start_processor(uint32_t id, uint8_t *stack);
/* In ap_main(): take the interrupt table of the first processor. */
void ap_load_idt(void);

#endif
