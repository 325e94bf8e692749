/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys by the numbers that Linux has for them (evdev). */
#include <glib.h>
#include <linux/input-event-codes.h>

#include "hw/input/key-codes.h"

/* Keys up to F10 have the numbers of scan code set 1, and so those of key-codes.h. */
#define SAME_LAST KEY_KPDOT
#define X(code)   (KEY_CODE_EXTENDED | (code))
static const struct {
    uint8_t number;
    uint16_t key;
} others[] = {
    { 0x54, KEY_SYSRQ },
    { 0x56, KEY_102ND },
    { 0x57, KEY_F11 },
    { 0x58, KEY_F12 },
    { 0x5b, KEY_LINEFEED },
    { 0x64, KEY_OPEN },
    { 0x65, KEY_PASTE },
    { 0x70, KEY_KATAKANAHIRAGANA },
    { 0x73, KEY_RO },
    { 0x79, KEY_HENKAN },
    { 0x7b, KEY_MUHENKAN },
    { 0x7d, KEY_YEN },
    { 0x7e, KEY_KPCOMMA },
    { X(0x05), KEY_AGAIN },
    { X(0x06), KEY_PROPS },
    { X(0x07), KEY_UNDO },
    { X(0x0c), KEY_FRONT },
    { X(0x10), KEY_PREVIOUSSONG },
    { X(0x19), KEY_NEXTSONG },
    { X(0x1c), KEY_KPENTER },
    { X(0x1d), KEY_RIGHTCTRL },
    { X(0x1e), KEY_MENU },
    { X(0x20), KEY_MUTE },
    { X(0x21), KEY_CALC },
    { X(0x22), KEY_PLAYPAUSE },
    { X(0x24), KEY_STOPCD },
    { X(0x2e), KEY_VOLUMEDOWN },
    { X(0x30), KEY_VOLUMEUP },
    { X(0x32), KEY_HOMEPAGE },
    { X(0x35), KEY_KPSLASH },
    { X(0x37), KEY_SYSRQ },
    { X(0x38), KEY_RIGHTALT },
    { X(0x3c), KEY_CUT },
    { X(0x41), KEY_FIND },
    { X(0x46), KEY_PAUSE },
    { X(0x47), KEY_HOME },
    { X(0x48), KEY_UP },
    { X(0x49), KEY_PAGEUP },
    { X(0x4b), KEY_LEFT },
    { X(0x4d), KEY_RIGHT },
    { X(0x4f), KEY_END },
    { X(0x50), KEY_DOWN },
    { X(0x51), KEY_PAGEDOWN },
    { X(0x52), KEY_INSERT },
    { X(0x53), KEY_DELETE },
    { X(0x5b), KEY_LEFTMETA },
    { X(0x5c), KEY_RIGHTMETA },
    { X(0x5d), KEY_COMPOSE },
    { X(0x5e), KEY_POWER },
    { X(0x5f), KEY_SLEEP },
    { X(0x63), KEY_WAKEUP },
    { X(0x66), KEY_BOOKMARKS },
    { X(0x67), KEY_REFRESH },
    { X(0x68), KEY_STOP },
    { X(0x69), KEY_FORWARD },
    { X(0x6a), KEY_BACK },
    { X(0x6b), KEY_COMPUTER },
    { X(0x6c), KEY_MAIL },
    { X(0x6d), KEY_MEDIA },
    { X(0x75), KEY_HELP },
    { X(0x78), KEY_COPY },
};

uint16_t key_code_evdev(uint8_t key)
{
    if (key <= SAME_LAST) {
        return key;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        if (others[i].number == key) {
            return others[i].key;
        }
    }
    return 0;
}

uint8_t key_code_of_evdev(unsigned key)
{
    if (key <= SAME_LAST) {
        return (uint8_t)key;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(others); i++) {
        if (others[i].key == key) {
            return others[i].number;
        }
    }
    return 0;
}
