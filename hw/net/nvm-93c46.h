/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The serial EEPROM 93C46 of network cards, 64 words of 16 bits, as a driver reads it bit by bit:
 * a one, two bits of the command, six of the address, then data after a bit that is 0. Nothing can
 * be written. Machine lock.
 */
#ifndef HW_NET_NVM_93C46_H
#define HW_NET_NVM_93C46_H

#include <stdbool.h>
#include <stdint.h>

enum { NVM_93C46_WORDS = 64, NVM_93C46_COMMAND = 9, NVM_93C46_CLOCKS = NVM_93C46_COMMAND + 17 };

/* How far a driver is; zeros at first. For state tables: `clocks` is at most NVM_93C46_CLOCKS. */
typedef struct Nvm93c46 {
    uint32_t bits, clocks;
} Nvm93c46;

/* The lines are now so: chip @select, data @in, and the clock @rises. What comes out; @word gives
 * the words, with @opaque. */
bool nvm_93c46_step(Nvm93c46 *nvm, bool select, bool rises, bool in,
                    uint16_t (*word)(const void *opaque, unsigned n), const void *opaque);

#endif
