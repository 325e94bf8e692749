/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs in HMP. */
#include <inttypes.h>
#include <string.h>

#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/parse.h"
#include "util/units.h"

/* ---- lists ---- */

void hmp_info_jobs(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = qmp_query_jobs(NULL);

    if (!list->len) {
        hmp_printf(hmp, "No active jobs\n");
    }
    for (unsigned i = 0; i < list->len; i++) {
        const JobInfo *info = list->pdata[i];

        hmp_printf(hmp, "%s: %s, %s, %" PRId64 " of %" PRId64 "%s%s\n", info->id,
                   JobType_str(info->type), JobStatus_str(info->status), info->current_progress,
                   info->total_progress, info->error ? ", " : "", info->error ? info->error : "");
    }
}

void hmp_info_block_jobs(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = qmp_query_block_jobs(NULL);

    if (!list->len) {
        hmp_printf(hmp, "No active jobs\n");
    }
    for (unsigned i = 0; i < list->len; i++) {
        const BlockJobInfo *info = list->pdata[i];

        /* Scripts know a stream by these words. */
        if (strcmp(info->type, "stream") == 0) {
            hmp_printf(hmp, "Streaming device ");
        } else {
            hmp_printf(hmp, "Type %s, device ", info->type);
        }
        hmp_printf(hmp,
                   "%s: Completed %" PRId64 " of %" PRId64 " bytes, speed limit %" PRId64
                   " bytes/s\n",
                   info->device, info->offset, info->len, info->speed);
    }
}

/* ---- verbs ---- */

void hmp_block_job_cancel(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_block_job_cancel(argv[1], true, argv[0] != NULL, &err);
    hmp_error(hmp, err);
}

void hmp_block_job_complete(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_block_job_complete(argv[0], &err);
    hmp_error(hmp, err);
}

void hmp_block_job_pause(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_block_job_pause(argv[0], &err);
    hmp_error(hmp, err);
}

void hmp_block_job_resume(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_block_job_resume(argv[0], &err);
    hmp_error(hmp, err);
}

static bool parse_speed(const char *text, int64_t *speed, GError **errp)
{
    uint64_t bytes = 0;

    if (text && !parse_size(text, MIB, &bytes, errp)) {
        return false;
    }
    *speed = (int64_t)MIN(bytes, INT64_MAX);
    return true;
}

void hmp_block_job_set_speed(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    int64_t speed;

    if (parse_speed(argv[1], &speed, &err)) {
        qmp_block_job_set_speed(argv[0], speed, &err);
    }
    hmp_error(hmp, err);
}

/* ---- beginning ---- */

/* block_stream DRIVE [SPEED] [FILE] */
void hmp_block_stream(Hmp *hmp, char **argv)
{
    BlockStream args = { .device = argv[0], .base = argv[2], .has_speed = true };
    GError *err = NULL;

    if (parse_speed(argv[1], &args.speed, &err)) {
        qmp_block_stream(&args, &err);
    }
    hmp_error(hmp, err);
}

/* drive_mirror [-n] [-f] DRIVE FILE [FORMAT] */
void hmp_drive_mirror(Hmp *hmp, char **argv)
{
    const DriveMirror args = {
        .device = argv[2],
        .target = argv[3],
        .format = argv[4],
        .sync = argv[1] ? MIRROR_SYNC_MODE_FULL : MIRROR_SYNC_MODE_TOP,
        .has_mode = true,
        .mode = argv[0] ? NEW_IMAGE_MODE_EXISTING : NEW_IMAGE_MODE_ABSOLUTE_PATHS,
    };
    GError *err = NULL;

    qmp_drive_mirror(&args, &err);
    hmp_error(hmp, err);
}

/* drive_backup [-n] [-f] [-c] DRIVE FILE [FORMAT] */
void hmp_drive_backup(Hmp *hmp, char **argv)
{
    const DriveBackup args = {
        .device = argv[3],
        .target = argv[4],
        .format = argv[5],
        .sync = argv[1] ? MIRROR_SYNC_MODE_FULL : MIRROR_SYNC_MODE_TOP,
        .has_compress = true,
        .compress = argv[2] != NULL,
        .has_mode = true,
        .mode = argv[0] ? NEW_IMAGE_MODE_EXISTING : NEW_IMAGE_MODE_ABSOLUTE_PATHS,
    };
    GError *err = NULL;

    qmp_drive_backup(&args, &err);
    hmp_error(hmp, err);
}
