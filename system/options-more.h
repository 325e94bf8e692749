/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Handlers of the table in options.c that are in other files; @options: a structure of the type
 * that the table names.
 */
#ifndef SYSTEM_OPTIONS_MORE_H
#define SYSTEM_OPTIONS_MORE_H

#include "system/startup.h"

/* options-guest.c */
bool do_boot(Startup *startup, const char *arg, GError **errp);
bool apply_fw_cfg(Startup *startup, const void *parsed, GError **errp);
bool do_smbios(Startup *startup, const char *arg, GError **errp);
bool apply_rtc(Startup *startup, const void *parsed, GError **errp);
/* Set the clock as -rtc asks for; the machine is initialised. */
bool rtc_apply(const RtcOption *rtc, GError **errp);

/* options-firmware.c */
bool do_data_dir(Startup *startup, const char *arg, GError **errp);
char *text_data_dirs(const char *what, GError **errp);
bool do_bios(Startup *startup, const char *arg, GError **errp);
bool do_pflash(Startup *startup, const char *arg, GError **errp);
bool apply_blockdev(Startup *startup, const void *parsed, GError **errp);
bool do_drive(Startup *startup, const char *arg, GError **errp);

/* options-absent.c */
bool do_net(Startup *startup, const char *arg, GError **errp); /* -nic, too */
bool do_vga(Startup *startup, const char *arg, GError **errp);
bool do_vnc(Startup *startup, const char *arg, GError **errp);
bool do_parallel(Startup *startup, const char *arg, GError **errp);
bool do_audiodev(Startup *startup, const char *arg, GError **errp); /* -audio, too */
bool do_usb(Startup *startup, const char *arg, GError **errp);
bool do_keyboard(Startup *startup, const char *arg, GError **errp);
bool do_seed(Startup *startup, const char *arg, GError **errp);
bool apply_compat(Startup *startup, const void *parsed, GError **errp);
bool apply_trace(Startup *startup, const void *parsed, GError **errp);
char *text_audio(const char *what, GError **errp);
char *text_trace(const char *what, GError **errp);

/* options-host.c */
bool apply_msg(Startup *startup, const void *parsed, GError **errp);
bool do_sandbox(Startup *startup, const char *arg, GError **errp);
bool apply_overcommit(Startup *startup, const void *parsed, GError **errp);
bool apply_add_fd(Startup *startup, const void *parsed, GError **errp);
bool do_global(Startup *startup, const char *arg, GError **errp);
/* Keep all memory of this process, present and future, from being swapped. */
bool lock_memory(GError **errp);
/* Tell of each -global that nothing used and nothing can use any more. */
void warn_unused_globals(void);

#endif
