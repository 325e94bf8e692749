/* SPDX-License-Identifier: GPL-2.0-or-later */
/* In place of gl.c where there is no virglrenderer: there is no GL, and no card with 3D. */
#include "ui/gl.h"
#include "util/error.h"

bool gl_start(const char *node, GError **errp)
{
    error_set(errp, "this program was built without virglrenderer, which draws by GL");
    return false;
}

bool gl_is_there(void)
{
    return false;
}

bool gl_stop(void)
{
    return true;
}
