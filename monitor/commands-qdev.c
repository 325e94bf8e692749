/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands that plug and unplug devices (qapi/qdev.json). */
#include "hw/core/device.h"
#include "qapi/qapi-commands.h"

bool qmp_device_add(struct json_object *args, GError **errp)
{
    /* Clients have always been free to write numbers as strings here: "addr": "0x100000000". */
    return device_add(args, true, errp) != NULL;
}

bool qmp_device_del(const char *id, GError **errp)
{
    return device_del(id, errp);
}
