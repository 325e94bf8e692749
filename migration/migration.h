/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine goes: it is written to a stream by a thread of its own. RAM goes while the machine runs
 * (migration/precopy.h); then it stops, and the rest goes: what RAM was changed last, and the
 * states of devices. It runs again here only if that fails. Machine lock for everything.
 */
#ifndef MIGRATION_MIGRATION_H
#define MIGRATION_MIGRATION_H

#include "migration/channel.h"
#include "qapi/qapi-types.h"

/* What a user may set. */
typedef struct MigrationParams {
    uint64_t max_bandwidth;          /* bytes a second, while the machine runs; 0: no limit */
    uint64_t max_postcopy_bandwidth; /* the same while it is at the other end already */
    uint64_t downtime_limit_ms;      /* how long the machine may stand */
    /* Percent of the time that vCPUs are held back, 1 to 99 (auto-converge): at first, how much is
     * added, and at most. */
    uint8_t cpu_throttle_initial, cpu_throttle_increment, max_cpu_throttle;
    bool cpu_throttle_tailslow; /* no more is added than needed, as it seems */
    uint8_t throttle_threshold; /* percent of what was written that the guest has to change */
    uint64_t dirty_limit;       /* MiB a second of a vCPU, with the capability dirty-limit */
    uint64_t dirty_limit_period_ms;
    uint64_t xbzrle_cache_size; /* bytes */
    /* Where it comes: how its cards say where they are (hw/net/announce.h); milliseconds, rounds.
     */
    uint64_t announce_initial, announce_max, announce_rounds, announce_step;
    /* Ids of objects, and the other end's name; NULL: none. */
    char *tls_creds, *tls_authz, *tls_hostname;
    uint8_t multifd_channels; /* at least 1 */
    MultiFDCompression multifd_compression;
    uint8_t multifd_zlib_level, multifd_zstd_level;
} MigrationParams;

extern MigrationParams migration_params;
/* Changes act at once, also on a migration that is under way. */
void migration_params_changed(void);
/* What they say of announcements; of all cards. */
AnnounceParameters migration_announce_parameters(void);

/* Send MIGRATION and MIGRATION_PASS events from now on, or not. */
extern bool migration_events;
/* Slow a guest down that changes its memory faster than it goes. */
extern bool migration_auto_converge;
/* The same by limits to what each vCPU changes. Not both. */
extern bool migration_dirty_limit;
/* Of pages that change again, only what differs goes. Asked when it begins. */
extern bool migration_xbzrle;
/* Shared memory of files stays where it is, and a machine with another UUID is refused. Asked when
 * it begins. */
extern bool migration_ignore_shared, migration_validate_uuid;
/* What goes is what the machine was at the beginning; it goes on. Asked when it begins. */
extern bool migration_background;
/* A machine that goes is gone when the other end says that it is there: else it goes on here. Asked
 * when it begins. */
extern bool migration_return_path;
/* Dirty bitmaps that no image keeps go along; else a machine that has any stays. */
extern bool migration_dirty_bitmaps;
/* Memory goes, and comes, over several connections. Asked when it begins. */
extern bool migration_multifd;
/* A machine that comes and is not to run at once takes its images when it is let run. */
extern bool migration_late_block_activate;

/* It may go on at the other end before all of its memory is there: migration_start_postcopy(). */
extern bool migration_postcopy_ram;
/* What has gone in postcopy is given back to the host here. Asked when it begins. */
extern bool migration_release;
/* A machine that was stopped to go waits for migration_continue(). */
extern bool migration_pause_before_switchover;

/* Begin to write the machine to @uri (migration/channel.h). Returns when it is under way; how it
 * goes on tell events and migration_info(). Main thread. */
bool migration_start(const char *uri, ChannelTakeFd *take_fd, GError **errp);
/* One that is in postcopy-paused goes on over a new connection. As above. */
bool migration_resume(const char *uri, ChannelTakeFd *take_fd, GError **errp);
/* The machine goes on at the other end as soon as possible, its memory follows. That it is there
 * already, with all of its memory, is no error: who asks cannot know. */
bool migration_start_postcopy(GError **errp);
/* Break the connection of postcopy, on either end. */
bool migration_pause(GError **errp);
/* The machine was stopped: its images and the rest go. */
bool migration_continue(MigrationStatus state, GError **errp);
/* Give up one that is under way: the machine goes on here. Nothing happens without one. False: it
 * is in postcopy, and the machine at the other end. */
bool migration_cancel(GError **errp);
/* The program ends, the main loop has ended: so does one that is under way. Main thread. */
void migration_finish(void);
/* Is one under way, or memory missing that is still at the other end? Then nothing may be plugged.
 */
bool migration_active(void);

/* Is the machine's memory here? An error if it was given back, as the machine is at the other end:
 * whatever its state, a reset does not bring it back. */
bool migration_check_memory(GError **errp);
/* Images are to be changed: those of a machine that has gone are its again from now on, if no other
 * program has them. Nothing happens in other states. */
bool migration_take_images(GError **errp);

/* The last one that was begun, going or coming; freed by the caller. */
MigrationInfo *migration_info(void);

/* ---- for migration/incoming.c ---- */

/* Tell users; does nothing if it is so already. */
void migration_set_status(MigrationStatus status);

#endif
