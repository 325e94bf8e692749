/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/img/backing.h"

#include <string.h>

#include "block/filename.h"
#include "util/error.h"

bool img_check_backing(const char *name, const char *backing, const char *format, GError **errp)
{
    g_autofree char *path = backing ? block_filename_relative(backing, name) : NULL;
    const char *guess;

    if (backing && !format) {
        guess = img_guess(path, errp);
        if (guess) {
            error_set(errp, "the format of the backing file %s is not said: give it, as -F %s",
                      backing, guess);
        }
        return false;
    }
    if (format && !backing) {
        error_set(errp, "a backing file's format %s, but no backing file: give it as -b FILE",
                  format);
        return false;
    }
    if (path && strcmp(path, name) == 0) {
        error_set(errp, "%s cannot be its own backing file", name);
        return false;
    }
    return true;
}

bool img_open_backing(ImgImage *image, const char *name, const char *backing, const char *format,
                      bool share, GError **errp)
{
    g_autofree char *path = block_filename_relative(backing, name);
    const ImgOpen how = { .name = path, .format = format, .flags = share ? IMG_OPEN_SHARE : 0 };

    if (img_open(image, &how, errp)) {
        return true;
    }
    g_prefix_error(errp, "the backing file cannot be opened: ");
    return false;
}
