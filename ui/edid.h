/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a monitor tells of itself (VESA E-EDID 1.4, a base block and an extension block of
 * CTA-861): for display devices whose guests ask which sizes the screen has. Any thread.
 */
#ifndef UI_EDID_H
#define UI_EDID_H

#include <stdint.h>

#define EDID_SIZE    256
#define EDID_WIDTH   1280 /* where nobody says which size is preferred */
#define EDID_HEIGHT  800
#define EDID_MAX     4095 /* pixels of the preferred size, in each direction */
#define EDID_REFRESH 75   /* pictures a second, where nobody says how many */

typedef struct EdidInfo {
    uint32_t width, height;         /* preferred; 0: EDID_WIDTH, EDID_HEIGHT */
    uint32_t max_width, max_height; /* no larger standard sizes are told; 0: any */
    uint32_t refresh;               /* mHz; 0: EDID_REFRESH */
} EdidInfo;

/* Fill @edid. */
void edid_make(const EdidInfo *info, uint8_t edid[EDID_SIZE]);

#endif
