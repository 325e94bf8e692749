/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/input/key-codes.h"

#include <glib.h>

#define E(code) ((code) | KEY_CODE_EXTENDED)

/* By name. */
static const uint8_t key_codes[] = {
    [Q_KEY_CODE_SHIFT] = 0x2a,
    [Q_KEY_CODE_SHIFT_R] = 0x36,
    [Q_KEY_CODE_ALT] = 0x38,
    [Q_KEY_CODE_ALT_R] = E(0x38),
    [Q_KEY_CODE_CTRL] = 0x1d,
    [Q_KEY_CODE_CTRL_R] = E(0x1d),
    [Q_KEY_CODE_MENU] = E(0x1e),
    [Q_KEY_CODE_ESC] = 0x01,
    [Q_KEY_CODE_1] = 0x02,
    [Q_KEY_CODE_2] = 0x03,
    [Q_KEY_CODE_3] = 0x04,
    [Q_KEY_CODE_4] = 0x05,
    [Q_KEY_CODE_5] = 0x06,
    [Q_KEY_CODE_6] = 0x07,
    [Q_KEY_CODE_7] = 0x08,
    [Q_KEY_CODE_8] = 0x09,
    [Q_KEY_CODE_9] = 0x0a,
    [Q_KEY_CODE_0] = 0x0b,
    [Q_KEY_CODE_MINUS] = 0x0c,
    [Q_KEY_CODE_EQUAL] = 0x0d,
    [Q_KEY_CODE_BACKSPACE] = 0x0e,
    [Q_KEY_CODE_TAB] = 0x0f,
    [Q_KEY_CODE_Q] = 0x10,
    [Q_KEY_CODE_W] = 0x11,
    [Q_KEY_CODE_E] = 0x12,
    [Q_KEY_CODE_R] = 0x13,
    [Q_KEY_CODE_T] = 0x14,
    [Q_KEY_CODE_Y] = 0x15,
    [Q_KEY_CODE_U] = 0x16,
    [Q_KEY_CODE_I] = 0x17,
    [Q_KEY_CODE_O] = 0x18,
    [Q_KEY_CODE_P] = 0x19,
    [Q_KEY_CODE_BRACKET_LEFT] = 0x1a,
    [Q_KEY_CODE_BRACKET_RIGHT] = 0x1b,
    [Q_KEY_CODE_RET] = 0x1c,
    [Q_KEY_CODE_A] = 0x1e,
    [Q_KEY_CODE_S] = 0x1f,
    [Q_KEY_CODE_D] = 0x20,
    [Q_KEY_CODE_F] = 0x21,
    [Q_KEY_CODE_G] = 0x22,
    [Q_KEY_CODE_H] = 0x23,
    [Q_KEY_CODE_J] = 0x24,
    [Q_KEY_CODE_K] = 0x25,
    [Q_KEY_CODE_L] = 0x26,
    [Q_KEY_CODE_SEMICOLON] = 0x27,
    [Q_KEY_CODE_APOSTROPHE] = 0x28,
    [Q_KEY_CODE_GRAVE_ACCENT] = 0x29,
    [Q_KEY_CODE_BACKSLASH] = 0x2b,
    [Q_KEY_CODE_Z] = 0x2c,
    [Q_KEY_CODE_X] = 0x2d,
    [Q_KEY_CODE_C] = 0x2e,
    [Q_KEY_CODE_V] = 0x2f,
    [Q_KEY_CODE_B] = 0x30,
    [Q_KEY_CODE_N] = 0x31,
    [Q_KEY_CODE_M] = 0x32,
    [Q_KEY_CODE_COMMA] = 0x33,
    [Q_KEY_CODE_DOT] = 0x34,
    [Q_KEY_CODE_SLASH] = 0x35,
    [Q_KEY_CODE_ASTERISK] = 0x37,
    [Q_KEY_CODE_SPC] = 0x39,
    [Q_KEY_CODE_CAPS_LOCK] = 0x3a,
    [Q_KEY_CODE_F1] = 0x3b,
    [Q_KEY_CODE_F2] = 0x3c,
    [Q_KEY_CODE_F3] = 0x3d,
    [Q_KEY_CODE_F4] = 0x3e,
    [Q_KEY_CODE_F5] = 0x3f,
    [Q_KEY_CODE_F6] = 0x40,
    [Q_KEY_CODE_F7] = 0x41,
    [Q_KEY_CODE_F8] = 0x42,
    [Q_KEY_CODE_F9] = 0x43,
    [Q_KEY_CODE_F10] = 0x44,
    [Q_KEY_CODE_NUM_LOCK] = 0x45,
    [Q_KEY_CODE_SCROLL_LOCK] = 0x46,
    [Q_KEY_CODE_KP_DIVIDE] = E(0x35),
    [Q_KEY_CODE_KP_MULTIPLY] = 0x37,
    [Q_KEY_CODE_KP_SUBTRACT] = 0x4a,
    [Q_KEY_CODE_KP_ADD] = 0x4e,
    [Q_KEY_CODE_KP_ENTER] = E(0x1c),
    [Q_KEY_CODE_KP_DECIMAL] = 0x53,
    [Q_KEY_CODE_SYSRQ] = 0x54,
    [Q_KEY_CODE_KP_0] = 0x52,
    [Q_KEY_CODE_KP_1] = 0x4f,
    [Q_KEY_CODE_KP_2] = 0x50,
    [Q_KEY_CODE_KP_3] = 0x51,
    [Q_KEY_CODE_KP_4] = 0x4b,
    [Q_KEY_CODE_KP_5] = 0x4c,
    [Q_KEY_CODE_KP_6] = 0x4d,
    [Q_KEY_CODE_KP_7] = 0x47,
    [Q_KEY_CODE_KP_8] = 0x48,
    [Q_KEY_CODE_KP_9] = 0x49,
    [Q_KEY_CODE_LESS] = 0x56,
    [Q_KEY_CODE_F11] = 0x57,
    [Q_KEY_CODE_F12] = 0x58,
    [Q_KEY_CODE_PRINT] = E(0x37),
    [Q_KEY_CODE_HOME] = E(0x47),
    [Q_KEY_CODE_PGUP] = E(0x49),
    [Q_KEY_CODE_PGDN] = E(0x51),
    [Q_KEY_CODE_END] = E(0x4f),
    [Q_KEY_CODE_LEFT] = E(0x4b),
    [Q_KEY_CODE_UP] = E(0x48),
    [Q_KEY_CODE_DOWN] = E(0x50),
    [Q_KEY_CODE_RIGHT] = E(0x4d),
    [Q_KEY_CODE_INSERT] = E(0x52),
    [Q_KEY_CODE_DELETE] = E(0x53),
    [Q_KEY_CODE_STOP] = E(0x68),
    [Q_KEY_CODE_AGAIN] = E(0x05),
    [Q_KEY_CODE_PROPS] = E(0x06),
    [Q_KEY_CODE_UNDO] = E(0x07),
    [Q_KEY_CODE_FRONT] = E(0x0c),
    [Q_KEY_CODE_COPY] = E(0x78),
    [Q_KEY_CODE_OPEN] = 0x64,
    [Q_KEY_CODE_PASTE] = 0x65,
    [Q_KEY_CODE_FIND] = E(0x41),
    [Q_KEY_CODE_CUT] = E(0x3c),
    [Q_KEY_CODE_LF] = 0x5b,
    [Q_KEY_CODE_HELP] = E(0x75),
    [Q_KEY_CODE_META_L] = E(0x5b),
    [Q_KEY_CODE_META_R] = E(0x5c),
    [Q_KEY_CODE_COMPOSE] = E(0x5d),
    [Q_KEY_CODE_PAUSE] = E(0x46),
    [Q_KEY_CODE_RO] = 0x73,
    [Q_KEY_CODE_HIRAGANA] = 0x77,
    [Q_KEY_CODE_HENKAN] = 0x79,
    [Q_KEY_CODE_YEN] = 0x7d,
    [Q_KEY_CODE_MUHENKAN] = 0x7b,
    [Q_KEY_CODE_KATAKANAHIRAGANA] = 0x70,
    [Q_KEY_CODE_KP_COMMA] = 0x7e,
    [Q_KEY_CODE_KP_EQUALS] = 0x59,
    [Q_KEY_CODE_POWER] = E(0x5e),
    [Q_KEY_CODE_SLEEP] = E(0x5f),
    [Q_KEY_CODE_WAKE] = E(0x63),
    [Q_KEY_CODE_AUDIONEXT] = E(0x19),
    [Q_KEY_CODE_AUDIOPREV] = E(0x10),
    [Q_KEY_CODE_AUDIOSTOP] = E(0x24),
    [Q_KEY_CODE_AUDIOPLAY] = E(0x22),
    [Q_KEY_CODE_AUDIOMUTE] = E(0x20),
    [Q_KEY_CODE_VOLUMEUP] = E(0x30),
    [Q_KEY_CODE_VOLUMEDOWN] = E(0x2e),
    [Q_KEY_CODE_MEDIASELECT] = E(0x6d),
    [Q_KEY_CODE_MAIL] = E(0x6c),
    [Q_KEY_CODE_CALCULATOR] = E(0x21),
    [Q_KEY_CODE_COMPUTER] = E(0x6b),
    [Q_KEY_CODE_AC_HOME] = E(0x32),
    [Q_KEY_CODE_AC_BACK] = E(0x6a),
    [Q_KEY_CODE_AC_FORWARD] = E(0x69),
    [Q_KEY_CODE_AC_REFRESH] = E(0x67),
    [Q_KEY_CODE_AC_BOOKMARKS] = E(0x66),
    [Q_KEY_CODE_LANG1] = 0x72,
    [Q_KEY_CODE_LANG2] = 0x71,
};

/* Set 2 for each code of set 1: what keyboard controllers of PCs translate. */
static const uint8_t set2_codes[128] = {
    0x00, 0x76, 0x16, 0x1e, 0x26, 0x25, 0x2e, 0x36,
    0x3d, 0x3e, 0x46, 0x45, 0x4e, 0x55, 0x66, 0x0d, /* 00 */
    0x15, 0x1d, 0x24, 0x2d, 0x2c, 0x35, 0x3c, 0x43,
    0x44, 0x4d, 0x54, 0x5b, 0x5a, 0x14, 0x1c, 0x1b, /* 10 */
    0x23, 0x2b, 0x34, 0x33, 0x3b, 0x42, 0x4b, 0x4c,
    0x52, 0x0e, 0x12, 0x5d, 0x1a, 0x22, 0x21, 0x2a, /* 20 */
    0x32, 0x31, 0x3a, 0x41, 0x49, 0x4a, 0x59, 0x7c,
    0x11, 0x29, 0x58, 0x05, 0x06, 0x04, 0x0c, 0x03, /* 30 */
    0x0b, 0x83, 0x0a, 0x01, 0x09, 0x77, 0x7e, 0x6c,
    0x75, 0x7d, 0x7b, 0x6b, 0x73, 0x74, 0x79, 0x69, /* 40 */
    0x72, 0x7a, 0x70, 0x71, 0x84, 0x60, 0x61, 0x78,
    0x07, 0x0f, 0x17, 0x1f, 0x27, 0x2f, 0x37, 0x3f, /* 50 */
    0x47, 0x4f, 0x56, 0x5e, 0x08, 0x10, 0x18, 0x20,
    0x28, 0x30, 0x38, 0x40, 0x48, 0x50, 0x57, 0x6f, /* 60 */
    0x13, 0x19, 0x39, 0x51, 0x53, 0x5c, 0x5f, 0x62,
    0x63, 0x64, 0x65, 0x67, 0x68, 0x6a, 0x6d, 0x6e, /* 70 */
};

uint8_t key_code_of(QKeyCode name)
{
    return (unsigned)name < G_N_ELEMENTS(key_codes) ? key_codes[name] : 0;
}

uint8_t key_code_set2(uint8_t code)
{
    return set2_codes[code & 0x7f];
}

uint8_t key_code_set1(uint8_t code)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(set2_codes); i++) {
        if (set2_codes[i] == code) {
            return (uint8_t)i;
        }
    }
    return code;
}
