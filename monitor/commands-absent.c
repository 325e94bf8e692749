/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about what no machine here has, or little of (qapi/absent.json): tools ask in any
 * case, and need an answer. */
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* ---- encrypted memory, enclaves ---- */

SevCapability *qmp_query_sev_capabilities(GError **errp)
{
    error_set(errp, "there is no AMD SEV here: guests' memory is not encrypted");
    return NULL;
}

static void set_no_sgx(GError **errp)
{
    error_set(errp, "there is no Intel SGX here: guests get no enclaves");
}

SGXInfo *qmp_query_sgx_capabilities(GError **errp)
{
    set_no_sgx(errp);
    return NULL;
}

SGXInfo *qmp_query_sgx(GError **errp)
{
    set_no_sgx(errp);
    return NULL;
}

SevInfo *qmp_query_sev(GError **errp)
{
    return g_new0(SevInfo, 1); /* not enabled */
}

static void set_no_sev(GError **errp)
{
    error_set(errp, "AMD SEV is not enabled: the guest's memory is not encrypted");
}

SevLaunchMeasureInfo *qmp_query_sev_launch_measure(GError **errp)
{
    set_no_sev(errp);
    return NULL;
}

SevAttestationReport *qmp_query_sev_attestation_report(const char *mnonce, GError **errp)
{
    set_no_sev(errp);
    return NULL;
}

/* ---- device trees ---- */

bool qmp_dumpdtb(const char *filename, GError **errp)
{
    error_set(errp, "this machine has no device tree; its ACPI tables say what is there");
    return false;
}

/* ---- recordings ---- */

ReplayInfo *qmp_query_replay(GError **errp)
{
    return g_new0(ReplayInfo, 1); /* none */
}

static bool set_no_replay(GError **errp)
{
    error_set(errp, "no recording is being played: nothing is recorded here");
    return false;
}

bool qmp_replay_break(int64_t icount, GError **errp)
{
    return set_no_replay(errp);
}

bool qmp_replay_delete_break(GError **errp)
{
    return set_no_replay(errp);
}

bool qmp_replay_seek(int64_t icount, GError **errp)
{
    return set_no_replay(errp);
}

/* ---- switches ---- */

static gpointer set_no_rocker(const char *name, GError **errp)
{
    error_set(errp, "there is no switch '%s', nor any other: there is no device rocker", name);
    return NULL;
}

RockerSwitch *qmp_query_rocker(const char *name, GError **errp)
{
    return set_no_rocker(name, errp);
}

GPtrArray *qmp_query_rocker_ports(const char *name, GError **errp)
{
    return set_no_rocker(name, errp);
}

GPtrArray *qmp_query_rocker_of_dpa_flows(const char *name, bool has_tbl_id, uint32_t tbl_id,
                                         GError **errp)
{
    return set_no_rocker(name, errp);
}

GPtrArray *qmp_query_rocker_of_dpa_groups(const char *name, bool has_type, uint8_t type,
                                          GError **errp)
{
    return set_no_rocker(name, errp);
}

/* ---- two machines that do the same; Xen ---- */

COLOStatus *qmp_query_colo_status(GError **errp)
{
    return g_new0(COLOStatus, 1); /* none */
}

bool qmp_x_colo_lost_heartbeat(GError **errp)
{
    error_set(errp, "COLO is not enabled: no other machine does the same as this one");
    return false;
}

ReplicationStatus *qmp_query_xen_replication_status(GError **errp)
{
    return g_new0(ReplicationStatus, 1); /* none has failed */
}

static bool set_no_xen(GError **errp)
{
    error_set(errp, "there is no Xen here, nor a replication for it; migrate moves the machine");
    return false;
}

bool qmp_xen_set_replication(bool enable, bool primary, bool has_failover, bool failover,
                             GError **errp)
{
    return set_no_xen(errp);
}

bool qmp_xen_colo_do_checkpoint(GError **errp)
{
    return set_no_xen(errp);
}

bool qmp_xen_save_devices_state(const char *filename, bool has_live, bool live, GError **errp)
{
    return set_no_xen(errp);
}

bool qmp_xen_load_devices_state(const char *filename, GError **errp)
{
    return set_no_xen(errp);
}

bool qmp_xen_set_global_dirty_log(bool enable, GError **errp)
{
    return set_no_xen(errp);
}
