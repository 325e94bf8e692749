/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest as a file for debuggers, in a kdump format (hw/i386/guest-dump-kdump.h) or as an ELF
 * core file (ELF64, EM_X86_64). What that has: notes with the registers of every CPU
 * (hw/i386/elf-notes.h) and that of its kernel (hw/i386/vmcoreinfo.h), and every range of RAM that
 * the memory map has, in order of guest-physical address; DIMMs are ranges like others, and what
 * lies between ranges takes no room.
 *
 * Without paging there is a PT_LOAD for each range, with p_vaddr = p_paddr. With paging there is
 * one for each piece of RAM that the page tables of a CPU map, with its linear address in p_vaddr,
 * and one with p_vaddr 0 for each piece that none maps. The memory itself is in the file once.
 */
#ifndef HW_I386_GUEST_DUMP_H
#define HW_I386_GUEST_DUMP_H

#include "hw/core/machine.h"
#include "qapi/qapi-types.h"

typedef struct GuestDump GuestDump;

typedef struct GuestDumpOptions {
    DumpGuestMemoryFormat format; /* not win-dmp */
    bool paging;                  /* of elf only, as the filter */
    bool filter;                  /* only [begin, begin + length), guest-physical; length > 0 */
    uint64_t begin, length;
} GuestDumpOptions;

/* Errors that need no stopped vCPUs, and that guest_dump_new() gives too: no RAM is there; a
 * library is not there. Main thread. */
bool guest_dump_check(const GuestDumpOptions *options, GError **errp);
/* Collect what is to be written: registers, and references to the RAM, which stay valid whatever
 * becomes of the memory map. vCPUs stopped, machine lock held. Errors: no RAM is there; the guest's
 * page tables describe too much. */
GuestDump *guest_dump_new(const Machine *machine, const GuestDumpOptions *options, GError **errp);
/* Write all of it to @fd, in order, without seeking. Once; any thread, no lock. */
bool guest_dump_write(GuestDump *dump, int fd, GError **errp);
/* Bytes of guest memory to write, and written. Any thread. */
uint64_t guest_dump_total(const GuestDump *dump);
uint64_t guest_dump_completed(const GuestDump *dump);
/* Any thread that does not write. */
void guest_dump_free(GuestDump *dump);

#endif
