/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys by number: the scan code that scan code set 1 has for the key, with bit 7 set where the
 * prefix 0xe0 goes before it. So monitors' clients name keys.
 */
#ifndef HW_INPUT_KEY_CODES_H
#define HW_INPUT_KEY_CODES_H

#include <stdint.h>

#include "qapi/qapi-types.h"

#define KEY_CODE_EXTENDED 0x80

/* The number of the key of that name; 0: no keyboard of this kind has it. */
uint8_t key_code_of(QKeyCode name);
/* What set 2 has for the key with @code (without KEY_CODE_EXTENDED) of set 1, and back. */
uint8_t key_code_set2(uint8_t code);
uint8_t key_code_set1(uint8_t code);
/* The usage of the key with number @key among those of USB (HID Usage Tables, page 7); 0: none. */
uint8_t key_code_usage(uint8_t key);
/* The key of Linux's (KEY_*) with number @key, and back; 0: there is none. */
uint16_t key_code_evdev(uint8_t key);
uint8_t key_code_of_evdev(unsigned key);

#endif
