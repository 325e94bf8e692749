/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Objects dbus-vmstate: the states of programs that help a machine, such as passt or slirp-helper,
 * go along with it. Each program owns the name org.qemu.VMState1 of a bus, or waits for it, and has
 * an object there with an Id, and the methods Save and Load.
 *
 * They are not trusted: all of them together have SAVED_HELPERS_MS to answer, and each has no more
 * than SAVED_HELPER_MAX bytes.
 */
#ifndef MIGRATION_DBUS_VMSTATE_H
#define MIGRATION_DBUS_VMSTATE_H

#include "migration/stream.h"

#define TYPE_DBUS_VMSTATE "dbus-vmstate"

#define SAVED_HELPER_MAX (1u << 20)
#define SAVED_HELPERS_MS 10000

/* The objects that there are, with references; g_ptr_array_unref, as all that follow. Machine lock.
 */
GPtrArray *saved_helpers_take(void);
/* Ask for the states of their programs, and write them as records. NULL is fine. Any thread, which
 * waits; the machine stands. */
bool saved_helpers_write(const GPtrArray *objects, Stream *stream, GError **errp);

/* Give @records (GBytes: what records contained; NULL: there are none) to the programs of @objects:
 * each object has all that were saved, and those of its id-list were. Any thread, which waits. */
bool saved_helpers_load(const GPtrArray *objects, const GPtrArray *records, GError **errp);

#endif
