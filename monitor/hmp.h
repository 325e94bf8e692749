/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HMP: commands as lines of text. A command is a row of a table; it works through the same qmp_*
 * functions as QMP does. For the files of monitor/ only. Main thread, machine lock.
 */
#ifndef MONITOR_HMP_H
#define MONITOR_HMP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "target/i386/cpu.h"

/* What a running command sees. */
typedef struct Hmp {
    GString *out;
    int cpu_index; /* the CPU that registers and linear addresses are of; `cpu` sets it */
    bool edited;   /* the line was typed with readline, which has a history */
} Hmp;

typedef struct HmpCommand {
    const char *name; /* "stop", or with a short form "stop|s"; NULL ends a table */
    /*
     * Space-separated arguments for people, for the parser and for completion:
     *   [-f]      a flag, given or not; flags come first, in any order
     *   [/FMT]    may follow the name without a space
     *   WORD      what its name says (table in hmp-complete.c); may be in double quotes
     *   [WORD]    may be left out, with those after it
     *   REST...   what is left of the line; in double quotes it is a word
     *   [REST...] the same, with its quotes: another command
     *   WORD[,KEY=VALUE]...   a word, or what is left of the line if it begins with "{": JSON
     */
    const char *args;
    const char *help; /* one line */
    /* @argv: as many as `args` has, NULL for those left out. */
    void (*fn)(Hmp *hmp, char **argv);
    bool preconfig; /* works before the machine is made (-preconfig), too */
} HmpCommand;

extern const HmpCommand hmp_commands[];      /* hmp-commands.c */
extern const HmpCommand hmp_info_commands[]; /* hmp-info.c */

#define HMP_MAX_ARGS 9
#define HMP_MAX_LINE 65536 /* bytes of a line that is typed */

/* ---- for commands ---- */

void hmp_printf(Hmp *hmp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Print "Error: ..." and free @err; nothing if it is NULL. */
void hmp_error(Hmp *hmp, GError *err);
/* Evaluate argument @name, an expression; false: an error, which names it, was printed. */
bool hmp_eval(Hmp *hmp, const char *name, const char *text, uint64_t *value);
/* The CPU that `cpu` chose; NULL, with an error printed, if there is none. */
X86Cpu *hmp_cpu(Hmp *hmp);

/* ---- for sessions ---- */

/* Run one line, as typed. What this thread reports meanwhile (util/error.h) goes to @hmp, too. */
void hmp_run(Hmp *hmp, const char *line);

/* Run a line of @table; @what comes before the name in messages ("", "info "). */
void hmp_run_line(Hmp *hmp, const HmpCommand *table, const char *what, const char *line);
/* Print help for all commands of @table, or for the one called @name. */
void hmp_help(Hmp *hmp, const HmpCommand *table, const char *what, const char *name);
/* The row for @name, in full or short; NULL if there is none. */
const HmpCommand *hmp_find(const HmpCommand *table, const char *name);

/* ---- commands outside of hmp-commands.c and hmp-info.c ---- */

/* hmp-memory.c */
void hmp_x(Hmp *hmp, char **argv);
void hmp_xp(Hmp *hmp, char **argv);
void hmp_print(Hmp *hmp, char **argv);
void hmp_port_in(Hmp *hmp, char **argv);
void hmp_port_out(Hmp *hmp, char **argv);
void hmp_gva2gpa(Hmp *hmp, char **argv);
void hmp_gpa2hva(Hmp *hmp, char **argv);
void hmp_memsave(Hmp *hmp, char **argv);
void hmp_pmemsave(Hmp *hmp, char **argv);
void hmp_dump_guest_memory(Hmp *hmp, char **argv);
/* hmp-tools.c */
void hmp_sum(Hmp *hmp, char **argv);
void hmp_gpa2hpa(Hmp *hmp, char **argv);
void hmp_mce(Hmp *hmp, char **argv);
void hmp_watchdog_action(Hmp *hmp, char **argv);
void hmp_exit_preconfig(Hmp *hmp, char **argv);
void hmp_singlestep(Hmp *hmp, char **argv);
void hmp_pcie_aer_inject_error(Hmp *hmp, char **argv);
/* hmp-profile.c */
void hmp_sync_profile(Hmp *hmp, char **argv);
void hmp_info_sync_profile(Hmp *hmp, char **argv);
/* hmp-sound.c */
void hmp_wavcapture(Hmp *hmp, char **argv);
void hmp_stopcapture(Hmp *hmp, char **argv);
void hmp_info_capture(Hmp *hmp, char **argv);
/* hmp-absent.c */
void hmp_dumpdtb(Hmp *hmp, char **argv);
void hmp_replay_break(Hmp *hmp, char **argv);
void hmp_replay_delete_break(Hmp *hmp, char **argv);
void hmp_replay_seek(Hmp *hmp, char **argv);
void hmp_colo_lost_heartbeat(Hmp *hmp, char **argv);
void hmp_info_opcount(Hmp *hmp, char **argv);
void hmp_info_profile(Hmp *hmp, char **argv);
void hmp_info_rdma(Hmp *hmp, char **argv);
void hmp_info_replay(Hmp *hmp, char **argv);
void hmp_info_rocker(Hmp *hmp, char **argv);
void hmp_info_sev(Hmp *hmp, char **argv);
void hmp_info_sgx(Hmp *hmp, char **argv);
void hmp_info_stats(Hmp *hmp, char **argv);
/* commands-trace.c */
void hmp_trace_event(Hmp *hmp, char **argv);
void hmp_info_trace_events(Hmp *hmp, char **argv);
/* hmp-virtio.c */
void hmp_info_virtio(Hmp *hmp, char **argv);
void hmp_info_virtio_status(Hmp *hmp, char **argv);
void hmp_info_virtio_queue_status(Hmp *hmp, char **argv);
void hmp_info_virtio_vhost_queue_status(Hmp *hmp, char **argv);
void hmp_info_virtio_queue_element(Hmp *hmp, char **argv);
/* hmp-migration.c */
void hmp_migrate(Hmp *hmp, char **argv);
void hmp_migrate_cancel(Hmp *hmp, char **argv);
void hmp_calc_dirty_rate(Hmp *hmp, char **argv);
void hmp_info_dirty_rate(Hmp *hmp, char **argv);
void hmp_set_vcpu_dirty_limit(Hmp *hmp, char **argv);
void hmp_cancel_vcpu_dirty_limit(Hmp *hmp, char **argv);
void hmp_info_vcpu_dirty_limit(Hmp *hmp, char **argv);
void hmp_migrate_start_postcopy(Hmp *hmp, char **argv);
void hmp_migrate_pause(Hmp *hmp, char **argv);
void hmp_migrate_recover(Hmp *hmp, char **argv);
void hmp_migrate_continue(Hmp *hmp, char **argv);
void hmp_migrate_incoming(Hmp *hmp, char **argv);
void hmp_migrate_set_capability(Hmp *hmp, char **argv);
void hmp_migrate_set_parameter(Hmp *hmp, char **argv);
void hmp_info_migrate(Hmp *hmp, char **argv);
void hmp_info_migrate_capabilities(Hmp *hmp, char **argv);
void hmp_info_migrate_parameters(Hmp *hmp, char **argv);
/* hmp-block.c */
void hmp_info_block(Hmp *hmp, char **argv);
void hmp_snapshot_blkdev(Hmp *hmp, char **argv);
void hmp_snapshot_blkdev_internal(Hmp *hmp, char **argv);
void hmp_snapshot_delete_blkdev_internal(Hmp *hmp, char **argv);
void hmp_savevm(Hmp *hmp, char **argv);
void hmp_loadvm(Hmp *hmp, char **argv);
void hmp_delvm(Hmp *hmp, char **argv);
void hmp_info_snapshots(Hmp *hmp, char **argv);
void hmp_info_blockstats(Hmp *hmp, char **argv);
void hmp_io(Hmp *hmp, char **argv);
void hmp_commit(Hmp *hmp, char **argv);
void hmp_block_resize(Hmp *hmp, char **argv);
void hmp_block_set_io_throttle(Hmp *hmp, char **argv);
void hmp_drive_add(Hmp *hmp, char **argv);
void hmp_drive_del(Hmp *hmp, char **argv);
void hmp_eject(Hmp *hmp, char **argv);
void hmp_nbd_server_start(Hmp *hmp, char **argv);
void hmp_nbd_server_add(Hmp *hmp, char **argv);
void hmp_nbd_server_remove(Hmp *hmp, char **argv);
void hmp_nbd_server_stop(Hmp *hmp, char **argv);
void hmp_change(Hmp *hmp, char **argv);
/* hmp-job.c */
void hmp_info_jobs(Hmp *hmp, char **argv);
void hmp_info_block_jobs(Hmp *hmp, char **argv);
void hmp_block_job_cancel(Hmp *hmp, char **argv);
void hmp_block_job_complete(Hmp *hmp, char **argv);
void hmp_block_job_pause(Hmp *hmp, char **argv);
void hmp_block_job_resume(Hmp *hmp, char **argv);
void hmp_block_job_set_speed(Hmp *hmp, char **argv);
void hmp_block_stream(Hmp *hmp, char **argv);
void hmp_drive_mirror(Hmp *hmp, char **argv);
void hmp_drive_backup(Hmp *hmp, char **argv);
/* commands-input.c */
void hmp_screendump(Hmp *hmp, char **argv);
void hmp_sendkey(Hmp *hmp, char **argv);
void hmp_mouse_move(Hmp *hmp, char **argv);
void hmp_mouse_button(Hmp *hmp, char **argv);
void hmp_mouse_set(Hmp *hmp, char **argv);
void hmp_info_mice(Hmp *hmp, char **argv);
void hmp_info_usb(Hmp *hmp, char **argv);
void hmp_info_usbhost(Hmp *hmp, char **argv);
/* commands-vnc.c */
void hmp_info_vnc(Hmp *hmp, char **argv);
void hmp_set_password(Hmp *hmp, char **argv);
void hmp_expire_password(Hmp *hmp, char **argv);
void hmp_change_vnc(Hmp *hmp, const char *what, const char *password); /* change vnc ... */
/* hmp-balloon.c */
void hmp_balloon(Hmp *hmp, char **argv);
void hmp_info_balloon(Hmp *hmp, char **argv);
/* commands-tpm.c */
void hmp_info_tpm(Hmp *hmp, char **argv);
void hmp_info_spice(Hmp *hmp, char **argv);
void hmp_client_migrate_info(Hmp *hmp, char **argv);
/* hmp-memory-target.c */
void hmp_memory(Hmp *hmp, char **argv);
void hmp_info_memory_target(Hmp *hmp, char **argv);
/* hmp-net.c */
void hmp_netdev_add(Hmp *hmp, char **argv);
void hmp_netdev_del(Hmp *hmp, char **argv);
void hmp_set_link(Hmp *hmp, char **argv);
void hmp_announce_self(Hmp *hmp, char **argv);
void hmp_hostfwd_add(Hmp *hmp, char **argv);
void hmp_hostfwd_remove(Hmp *hmp, char **argv);
void hmp_info_network(Hmp *hmp, char **argv);
void hmp_info_usernet(Hmp *hmp, char **argv);
/* hmp-info-paging.c */
void hmp_info_mem(Hmp *hmp, char **argv);
void hmp_info_tlb(Hmp *hmp, char **argv);
/* hmp-info-tree.c */
void hmp_info_mtree(Hmp *hmp, char **argv);
void hmp_info_qom_tree(Hmp *hmp, char **argv);
void hmp_info_qtree(Hmp *hmp, char **argv);
/* hmp-info-irq.c */
void hmp_info_irq(Hmp *hmp, char **argv);
void hmp_info_pci(Hmp *hmp, char **argv);
void hmp_info_lapic(Hmp *hmp, char **argv);
void hmp_info_pic(Hmp *hmp, char **argv);

#endif
