/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of backing files, as images have them: relative ones are so to the image. */
#ifndef TOOLS_IMG_BACKING_H
#define TOOLS_IMG_BACKING_H

#include "tools/img/open.h"

/* May the image @name have that backing file? An error: its format is not said, it is the image
 * itself. Both NULL: none. */
bool img_check_backing(const char *name, const char *backing, const char *format, GError **errp);
/* Open it; @share: also while another program writes to it. */
bool img_open_backing(ImgImage *image, const char *name, const char *backing, const char *format,
                      bool share, GError **errp);

#endif
