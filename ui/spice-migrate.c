/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients of SPICE go where the machine goes: they are told before, connect to the server there,
 * and change over when the machine has gone.
 */
#include "qapi/qapi-events.h"
#include "ui/spice-internal.h"
#include "util/error.h"

static SpiceServer *server; /* NULL: there is none */
static SpiceMigrateInstance instance;
static bool told;     /* clients know where it will go */
static bool gone;     /* it has; the library says when clients have, too */
static bool migrated; /* they have */

static void connected(SpiceMigrateInstance *sin)
{
}

static void ended(SpiceMigrateInstance *sin)
{
    if (gone) {
        gone = false;
        migrated = true;
        qapi_event_send_spice_migrate_completed();
    }
}

static const SpiceMigrateInterface migrate_ops = {
    .base = { .type = SPICE_INTERFACE_MIGRATION,
              .description = "migration",
              .major_version = SPICE_INTERFACE_MIGRATION_MAJOR,
              .minor_version = SPICE_INTERFACE_MIGRATION_MINOR },
    .migrate_connect_complete = connected,
    .migrate_end_complete = ended,
};

bool spice_migrate_to(const char *host, int port, int tls_port, const char *subject, GError **errp)
{
    if (port < 0 && tls_port < 0) {
        error_set(errp, "where the clients are to go is not said: give port or tls-port");
        return false;
    }
    if (spice_server_migrate_connect(server, host, port, tls_port, subject) != 0) {
        error_set(errp, "the SPICE server cannot tell its clients to go to '%s'", host);
        return false;
    }
    told = true;
    migrated = false;
    return true;
}

void spice_migrate_begin(void)
{
    if (server && told) {
        spice_server_migrate_start(server);
    }
}

void spice_migrate_end(bool completed)
{
    if (server && told) {
        told = false;
        gone = completed;
        spice_server_migrate_end(server, completed);
    }
}

bool spice_migrate_is_done(void)
{
    return migrated;
}

void spice_migrate_start(SpiceServer *of)
{
    server = of;
    told = gone = migrated = false;
    instance.base.sif = &migrate_ops.base;
    spice_server_add_interface(server, &instance.base);
}

void spice_migrate_stop(void)
{
    server = NULL;
}
