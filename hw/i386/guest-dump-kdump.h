/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest dumps in the kdump-compressed format of makedumpfile, which crash(8) reads: a header, a sub
 * header with the notes, two bitmaps of pages (they are the same: nothing is left out), a
 * descriptor for each page, and the pages, each compressed for itself, or as it is where that would
 * be no smaller. Pages of zeros are one.
 *
 * It is written flattened, as makedumpfile does to a pipe: records, each with its place in the
 * file. `makedumpfile -R` makes the file out of them; crash(8) and libkdumpfile need not be told.
 */
#ifndef HW_I386_GUEST_DUMP_KDUMP_H
#define HW_I386_GUEST_DUMP_KDUMP_H

#include "hw/i386/guest-dump-internal.h"
#include "qapi/qapi-types.h"

typedef struct Kdump Kdump;

/* Is the library of the format's compression there? Main thread. */
bool kdump_check(DumpGuestMemoryFormat format, GError **errp);
/* What a dump of @ranges (GArray of DumpRange, not empty, borrowed) of @cpus processors begins
 * with.
 * @notes: all notes; those from byte @kernel on are what vmcoreinfo_note() gave. NULL
 * with an error if the library of the format's compression is not there. Main thread. */
Kdump *kdump_new(DumpGuestMemoryFormat format, const GArray *ranges, const GByteArray *notes,
                 guint kernel, unsigned cpus, GError **errp);
/* Write it; @completed counts bytes of guest memory. Any thread. */
bool kdump_write(const Kdump *kdump, int fd, _Atomic uint64_t *completed, GError **errp);
void kdump_free(Kdump *kdump);

#endif
