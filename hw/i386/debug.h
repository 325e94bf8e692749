/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory as a processor sees it, for monitors: translation by the guest's page tables without
 * any effect on the guest (no accessed or dirty bits, no faults, no access rights), and reads by
 * linear address. Machine lock for everything. The processor may run: its state is taken in its own
 * thread, between two instructions. In system management mode it sees what handlers see; a guest of
 * SVM whose host has nested paging sees what that gives it.
 */
#ifndef HW_I386_DEBUG_H
#define HW_I386_DEBUG_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/memory.h"
#include "target/i386/cpu.h"
#include "target/i386/page-walk.h" /* X86Mapping */

/* The physical address *@pa of linear address @va on @cpu; with paging off they are the same.
 * False: not mapped (@pa is untouched). */
bool x86_debug_translate(X86Cpu *cpu, uint64_t va, hwaddr *pa);

/* Read @len bytes from linear address @va on, RAM and ROM only: devices notice nothing. Returns how
 * many bytes could be read before the first that is not mapped or not RAM; @len if all. */
uint64_t x86_debug_read(X86Cpu *cpu, uint64_t va, void *buf, uint64_t len);
/* The same by guest-physical address. */
uint64_t x86_debug_read_physical(hwaddr pa, void *buf, uint64_t len);

/* Write, to RAM only, also where the guest may not; decoded code there is dropped. False: not all
 * of it is mapped and RAM; then nothing is written. */
bool x86_debug_write(X86Cpu *cpu, uint64_t va, const void *buf, uint64_t len);
bool x86_debug_write_physical(hwaddr pa, const void *buf, uint64_t len);

/* Call @fn for each page that the page tables of @cpu map, by ascending linear address (those of
 * the upper half are sign-extended and come last), until it returns false. Nothing is called with
 * paging off. False: stopped by @fn, or the tables are larger than X86_PAGE_WALK_MAX_TABLES.
 * @fn runs in the CPU's thread with the machine lock held. */
bool x86_debug_foreach_mapping(X86Cpu *cpu, bool (*fn)(const X86Mapping *mapping, void *opaque),
                               void *opaque);

#endif
