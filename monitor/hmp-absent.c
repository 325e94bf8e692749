/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HMP commands about what no machine here has: they say so.
 */
#include <inttypes.h>
#include <string.h>

#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

void hmp_dumpdtb(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_dumpdtb(argv[0], &err);
    hmp_error(hmp, err);
}

void hmp_colo_lost_heartbeat(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_x_colo_lost_heartbeat(&err);
    hmp_error(hmp, err);
}

/* ---- recordings ---- */

static void replay_to(Hmp *hmp, const char *text, bool (*go)(int64_t icount, GError **errp))
{
    GError *err = NULL;
    uint64_t icount;

    if (hmp_eval(hmp, "ICOUNT", text, &icount)) {
        go((int64_t)icount, &err);
        hmp_error(hmp, err);
    }
}

void hmp_replay_break(Hmp *hmp, char **argv)
{
    replay_to(hmp, argv[0], qmp_replay_break);
}

void hmp_replay_seek(Hmp *hmp, char **argv)
{
    replay_to(hmp, argv[0], qmp_replay_seek);
}

void hmp_replay_delete_break(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_replay_delete_break(&err);
    hmp_error(hmp, err);
}

void hmp_info_replay(Hmp *hmp, char **argv)
{
    hmp_printf(hmp, "nothing is recorded, and no recording is played\n");
}

/* ---- info ---- */

static void print_text(Hmp *hmp, HumanReadableText *text, GError *err)
{
    hmp_printf(hmp, "%s", text ? text->human_readable_text : "");
    HumanReadableText_free(text);
    hmp_error(hmp, err);
}

void hmp_info_opcount(Hmp *hmp, char **argv)
{
    print_text(hmp, qmp_x_query_opcount(NULL), NULL);
}

void hmp_info_profile(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    HumanReadableText *text = qmp_x_query_profile(&err);

    print_text(hmp, text, err);
}

void hmp_info_rdma(Hmp *hmp, char **argv)
{
    print_text(hmp, qmp_x_query_rdma(NULL), NULL);
}

/* Of switches, whatever is asked. */
void hmp_info_rocker(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    RockerSwitch_free(qmp_query_rocker(argv[0], &err));
    hmp_error(hmp, err);
}

void hmp_info_sev(Hmp *hmp, char **argv)
{
    hmp_printf(hmp, "SEV is not enabled\n");
}

void hmp_info_sgx(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    SGXInfo_free(qmp_query_sgx(&err));
    hmp_error(hmp, err);
}

static bool is_one_of(const char *text, const char *const *names)
{
    return !text || g_strv_contains(names, text);
}

/* argv: TARGET NAMES PROVIDER. There is a provider that counts nothing. */
void hmp_info_stats(Hmp *hmp, char **argv)
{
    if (!is_one_of(argv[0], StatsTarget_lookup)) {
        hmp_printf(hmp, "Error: TARGET: '%s' is neither vm nor vcpu\n", argv[0]);
    } else if (!is_one_of(argv[2], StatsProvider_lookup)) {
        hmp_printf(hmp, "Error: PROVIDER: there is no '%s'; there is kvm\n", argv[2]);
    }
}
