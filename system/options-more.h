/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Handlers of the table in options.c that are in other files; @options: a structure of the type
 * that the table names.
 */
#ifndef SYSTEM_OPTIONS_MORE_H
#define SYSTEM_OPTIONS_MORE_H

#include "block/drive-node.h"
#include "system/startup.h"

/* options-guest.c */
bool option_do_boot(Startup *startup, const char *arg, GError **errp);
bool option_apply_fw_cfg(Startup *startup, const void *parsed, GError **errp);
bool option_do_smbios(Startup *startup, const char *arg, GError **errp);
bool option_apply_rtc(Startup *startup, const void *parsed, GError **errp);
/* Set the clock as -rtc asks for; the machine is initialised. */
bool option_set_clock(const RtcOption *rtc, GError **errp);

/* options-firmware.c */
bool option_do_data_dir(Startup *startup, const char *arg, GError **errp);
char *option_text_data_dirs(const char *what, GError **errp);
bool option_do_bios(Startup *startup, const char *arg, GError **errp);
bool option_do_pflash(Startup *startup, const char *arg, GError **errp);
/* The devices of -drive if=virtio, when there is a board and those of -device. */
bool option_add_drives(Startup *startup, GError **errp);
/* The same of those for IDE, which are there before what -device adds. */
bool option_add_ide_drives(Startup *startup, GError **errp);
/* -hda (@index 0, @media disk) to -hdd, -cdrom. */
bool option_do_hd(Startup *startup, unsigned index, const char *media, const char *file,
                  GError **errp);
bool option_apply_blockdev(Startup *startup, const void *parsed, GError **errp);
bool option_do_drive(Startup *startup, const char *arg, GError **errp);

/* options-floppy.c */

bool option_add_floppy(Startup *startup, const DriveArg *arg, GError **errp);
bool option_do_fda(Startup *startup, const char *arg, GError **errp);
bool option_do_fdb(Startup *startup, const char *arg, GError **errp);
/* The drives, before what -device adds. */
bool option_add_floppies(Startup *startup, GError **errp);

/* options-net.c */
bool option_apply_netdev(Startup *startup, const void *parsed, GError **errp);
bool option_do_nic(Startup *startup, const char *arg, GError **errp);
bool option_do_net(Startup *startup, const char *arg, GError **errp);

/* options.c: -object of TLS credentials. */
bool option_add_objects_for_nodes(Startup *startup, GError **errp);

/* options-spice.c */
bool option_apply_spice(Startup *startup, const void *parsed, GError **errp);

/* options-tpm.c */
bool option_apply_tpmdev(Startup *startup, const void *parsed, GError **errp);

/* options-vnc.c */
bool option_do_display(Startup *startup, const char *arg, GError **errp);
/* What -display has asked for, but VNC. */
bool option_start_display(Startup *startup, GError **errp);
bool option_do_vnc(Startup *startup, const char *arg, GError **errp);

/* options-fsdev.c */
bool option_apply_fsdev(Startup *startup, const void *parsed, GError **errp);
bool option_apply_virtfs(Startup *startup, const void *parsed, GError **errp);

/* options-absent.c */
bool option_do_audiodev(Startup *startup, const char *arg, GError **errp);
bool option_do_audio(Startup *startup, const char *arg, GError **errp);
/* The cards of -audio, in the order of the options. */
bool option_add_sound_cards(Startup *startup, GError **errp);
bool option_do_usb(Startup *startup, const char *arg, GError **errp);
bool option_do_usbdevice(Startup *startup, const char *arg, GError **errp);
bool option_do_keyboard(Startup *startup, const char *arg, GError **errp);
bool option_do_seed(Startup *startup, const char *arg, GError **errp);
bool option_apply_compat(Startup *startup, const void *parsed, GError **errp);
bool option_do_sync_profile(Startup *startup, const char *arg, GError **errp);
bool option_apply_trace(Startup *startup, const void *parsed, GError **errp);
char *option_text_audio(const char *what, GError **errp);
char *option_text_audio_card(const char *what, GError **errp);
char *option_text_trace(const char *what, GError **errp);

/* options-screen.c */
bool option_do_vga(Startup *startup, const char *arg, GError **errp);
char *option_text_vga(const char *what, GError **errp);
/* The graphics card that -vga names, or that a machine with a viewer has by itself. */
bool option_add_vga(Startup *startup, GError **errp);

/* options-host.c */
bool option_apply_msg(Startup *startup, const void *parsed, GError **errp);
bool option_do_sandbox(Startup *startup, const char *arg, GError **errp);
bool option_apply_overcommit(Startup *startup, const void *parsed, GError **errp);
bool option_apply_add_fd(Startup *startup, const void *parsed, GError **errp);
bool option_do_global(Startup *startup, const char *arg, GError **errp);
/* Keep all memory of this process, present and future, from being swapped. */
bool option_lock_memory(GError **errp);
/* Tell of each -global that nothing used and nothing can use any more. */
void option_warn_unused_globals(void);

#endif
