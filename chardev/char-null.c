/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev null: takes everything, says nothing.
 */
#include "chardev/char-backend.h"

static bool null_complete(Object *obj, GError **errp)
{
    chardev_connected(CHARDEV(obj), -1, -1);
    return true;
}

static const ObjectType null_type = {
    .name = "chardev-null",
    .parent = TYPE_CHARDEV,
    .description = "discards output and has no input",
    .complete = null_complete,
};
OBJECT_TYPE_REGISTER(null_type)
