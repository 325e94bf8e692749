/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands that write guest memory to a file (part of qapi/machine-target.json). */
#include <errno.h>
#include <inttypes.h>
#include <unistd.h>

#include "hw/core/machine.h"
#include "hw/i386/cpu.h"
#include "hw/i386/debug.h"
#include "memory/address-space.h"
#include "monitor/output-file.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

#define CHUNK (64u << 10)

static bool check_size(int64_t size, GError **errp)
{
    if (size <= 0) {
        error_set(errp, "'size' must be a number of bytes from 1 on, not %" PRId64, size);
        return false;
    }
    return true;
}

static X86Cpu *find_cpu(int64_t index, GError **errp)
{
    const Machine *machine = machine_current();
    unsigned count = cpu_slots_present(&machine->cpu_slots);
    X86Cpu *cpu = index >= 0 && index <= UINT_MAX ? x86_cpu_at(machine, (unsigned)index) : NULL;

    if (count == 0) {
        error_set(errp, "machine '%s' has no CPU; pmemsave needs none", machine_ops(machine)->name);
        return NULL;
    }
    if (!cpu) {
        error_set(errp, "'cpu-index' must be the number of a CPU, from 0 to %u, not %" PRId64,
                  count - 1, index);
    }
    return cpu;
}

static bool save_linear(const OutputFile *file, X86Cpu *cpu, uint64_t va, uint64_t size,
                        GError **errp)
{
    g_autofree uint8_t *buf = g_malloc(CHUNK);

    for (uint64_t done = 0; done < size;) {
        uint64_t part = MIN(size - done, CHUNK), got = x86_debug_read(cpu, va + done, buf, part);

        if (got < part) {
            error_set(errp,
                      "no RAM is mapped at linear address 0x%" PRIx64 " (on CPU %u); only memory "
                      "that is mapped can be saved",
                      va + done + got, cpu->index);
            return false;
        }
        if (!output_file_write_at(file, buf, part, done, errp)) {
            return false;
        }
        done += part;
    }
    return true;
}

bool qmp_memsave(int64_t val, int64_t size, const char *filename, bool has_cpu_index,
                 int64_t cpu_index, GError **errp)
{
    uint64_t va = (uint64_t)val; /* negative: the upper half */
    X86Cpu *cpu = find_cpu(has_cpu_index ? cpu_index : 0, errp);
    OutputFile file;
    uint8_t byte;

    if (!cpu || !check_size(size, errp)) {
        return false;
    }
    /* The commonest mistake is found before a file is touched. */
    if (x86_debug_read(cpu, va, &byte, 1) < 1) {
        error_set(errp, "no RAM is mapped at linear address 0x%" PRIx64 " (on CPU %u)", va,
                  cpu->index);
        return false;
    }
    if (!output_file_open(&file, filename, true, errp)) {
        return false;
    }
    bool ok = save_linear(&file, cpu, va, (uint64_t)size, errp);
    output_file_close(&file, ok);
    return ok;
}

/* Guest memory goes to the file as it is; where no RAM is, the file has a hole. */
static bool save_physical(const OutputFile *file, uint64_t pa, uint64_t size, GError **errp)
{
    const FlatView *view = address_space_view(&address_space_memory);

    /* A device such as /dev/null (EINVAL) has no length. */
    if (ftruncate(file->fd, (off_t)size) < 0 && errno != EINVAL) {
        error_set(errp, "cannot make the file %" PRIu64 " bytes long: %s", size, g_strerror(errno));
        return false;
    }
    for (unsigned i = 0; i < view->count; i++) {
        const FlatRange *r = &view->ranges[i];
        uint64_t first = MAX(r->addr, pa), last = MIN(r->addr + (r->size - 1), pa + (size - 1));

        if (r->host && first <= last &&
            !output_file_write_at(file, r->host + (first - r->addr), last - first + 1, first - pa,
                                  errp)) {
            return false;
        }
    }
    return true;
}

bool qmp_pmemsave(int64_t val, int64_t size, const char *filename, GError **errp)
{
    OutputFile file;

    if (!check_size(size, errp)) {
        return false;
    }
    if (val < 0) {
        error_set(errp, "'val' must be a guest-physical address, from 0 on, not %" PRId64, val);
        return false;
    }
    if (!output_file_open(&file, filename, true, errp)) {
        return false;
    }
    bool ok = save_physical(&file, (uint64_t)val, (uint64_t)size, errp);
    output_file_close(&file, ok);
    return ok;
}
