/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands that plug and unplug devices (qapi/qdev.json). */
#include "hw/core/device.h"
#include "hw/core/failover.h"
#include "hw/core/runstate.h"
#include "hw/virtio/vhost-ask.h"
#include "migration/incoming.h"
#include "migration/migration.h"
#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/keyval.h"

static bool check_not_moving(bool moving, GError **errp)
{
    if (moving) {
        error_set(errp, "the machine is being migrated: its devices stay until that is over");
    }
    return !moving;
}

bool monitor_check_settled(GError **errp)
{
    return check_not_moving(migration_active() || runstate_get() == RUN_STATE_INMIGRATE, errp);
}

bool monitor_device_add(struct json_object *props, GError **errp)
{
    return check_not_moving(migration_active() || incoming_begun(), errp) &&
           vhost_ask_before_add(props, errp) && /* the machine goes on meanwhile */
           check_not_moving(migration_active() || incoming_begun(), errp) &&
           failover_device_add(props, errp);
}

bool qmp_device_add(struct json_object *args, GError **errp)
{
    /* Clients have always been free to write numbers as strings here: "addr": "0x100000000". */
    keyval_mark_texts(args);
    return monitor_device_add(args, errp);
}

bool qmp_device_del(const char *id, bool has_timeout, double timeout, bool has_cancel, bool cancel,
                    GError **errp)
{
    if (!monitor_check_settled(errp)) {
        return false;
    }
    if (!has_timeout) {
        return has_cancel && cancel ? device_del_cancel(id, errp) : device_del(id, errp);
    }
    if (has_cancel && cancel) {
        error_set(errp, "'timeout' and 'cancel' exclude each other: 'cancel' withdraws a request "
                        "at once, 'timeout' makes one that is withdrawn later");
        return false;
    }
    return device_del_within(id, timeout, errp);
}
