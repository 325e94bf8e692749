/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/debug.h"

#include <string.h>

#include "accel/vcpu.h"
#include "memory/smm.h"

#define PAGE_SIZE 4096u

/* What @cpu sees of memory: in system management mode more. */
static AddressSpace *space_of(const X86Cpu *cpu)
{
    return cpu->smm ? &address_space_smm : &address_space_memory;
}

static uint64_t read_space(AddressSpace *as, hwaddr pa, void *buf, uint64_t len)
{
    const FlatView *view = address_space_view(as);
    uint64_t done = 0;

    while (done < len && pa + done >= pa) {
        const FlatRange *r = flat_view_find(view, pa + done);
        if (!r || !r->host) {
            break;
        }
        uint64_t offset = pa + done - r->addr, part = MIN(len - done, r->size - offset);
        memcpy((uint8_t *)buf + done, r->host + offset, part);
        done += part;
    }
    return done;
}

uint64_t x86_debug_read_physical(hwaddr pa, void *buf, uint64_t len)
{
    return read_space(&address_space_memory, pa, buf, len);
}

static bool is_ram(AddressSpace *as, hwaddr pa, uint64_t len)
{
    const FlatView *view = address_space_view(as);

    while (len) {
        const FlatRange *r = flat_view_find(view, pa);
        if (!r || !r->host || r->readonly) {
            return false;
        }
        uint64_t part = MIN(len, r->size - (pa - r->addr));
        pa += part;
        len -= part;
    }
    return true;
}

bool x86_debug_write_physical(hwaddr pa, const void *buf, uint64_t len)
{
    return pa + len >= pa && is_ram(&address_space_memory, pa, len) &&
           address_space_write(&address_space_memory, pa, buf, len) == MEMTX_OK;
}

static bool read_host_entry(uint64_t pa, void *buf, unsigned size, void *opaque)
{
    return read_space(&address_space_memory, pa, buf, size) == size;
}

/* From a guest's physical address to the machine's, where SVM's nested paging is on: by tables like
 * its host's own (APM vol. 2 section 15.25). */
static bool translate_nested(const X86Cpu *cpu, hwaddr *pa)
{
    X86Mapping mapping;

    if (!cpu->svm.nested_paging) {
        return true;
    }
    const X86Cpu tables = {
        .cr0 = cpu->svm.host.cr0,
        .cr3 = cpu->svm.nested_cr3,
        .cr4 = cpu->svm.host.cr4,
        .efer = cpu->svm.host.efer,
    };
    if (!x86_page_find(&tables, *pa, read_host_entry, NULL, &mapping)) {
        return false;
    }
    *pa = mapping.pa + (*pa - mapping.va);
    return true;
}

static bool read_entry(uint64_t pa, void *buf, unsigned size, void *opaque)
{
    const X86Cpu *cpu = opaque;

    return translate_nested(cpu, &pa) && read_space(space_of(cpu), pa, buf, size) == size;
}

static bool translate(X86Cpu *cpu, uint64_t va, hwaddr *pa)
{
    X86Mapping mapping = { .va = va, .pa = va };

    if (x86_paging_enabled(cpu) && !x86_page_find(cpu, va, read_entry, cpu, &mapping)) {
        return false;
    }
    hwaddr at = mapping.pa + (va - mapping.va);
    if (!translate_nested(cpu, &at)) {
        return false;
    }
    *pa = at;
    return true;
}

/* ---- in the CPU's thread ---- */

typedef struct DebugRequest {
    X86Cpu *cpu;
    uint64_t va;
    hwaddr *pa;
    uint8_t *buf;
    const uint8_t *from;
    uint64_t len, done;
    X86PageVisit *visit;
    void *opaque;
    bool ok;
} DebugRequest;

static void do_translate(X86Cpu *cpu, void *opaque)
{
    DebugRequest *r = opaque;

    r->ok = translate(cpu, r->va, r->pa);
}

static void do_read(X86Cpu *cpu, void *opaque)
{
    DebugRequest *r = opaque;
    hwaddr pa;

    while (r->done < r->len) {
        uint64_t va = r->va + r->done, part = PAGE_SIZE - va % PAGE_SIZE;

        part = MIN(part, r->len - r->done);
        if (va < r->va || !translate(cpu, va, &pa)) {
            return;
        }
        uint64_t got = read_space(space_of(cpu), pa, r->buf + r->done, part);
        r->done += got;
        if (got < part) {
            return;
        }
    }
}

/* The first pass only looks. */
static bool write_pages(X86Cpu *cpu, const DebugRequest *r, bool look)
{
    for (uint64_t done = 0; done < r->len;) {
        uint64_t va = r->va + done, part = PAGE_SIZE - va % PAGE_SIZE;
        hwaddr pa;

        part = MIN(part, r->len - done);
        if (va < r->va || !translate(cpu, va, &pa) || !is_ram(space_of(cpu), pa, part)) {
            return false;
        }
        if (!look) {
            address_space_write(space_of(cpu), pa, r->from + done, part);
        }
        done += part;
    }
    return true;
}

static void do_write(X86Cpu *cpu, void *opaque)
{
    DebugRequest *r = opaque;

    r->ok = write_pages(cpu, r, true) && write_pages(cpu, r, false);
}

/* What a walk of all pages reads: its opaque is the visitor's, too. */
static bool read_mapped(uint64_t pa, void *buf, unsigned size, void *opaque)
{
    return read_entry(pa, buf, size, ((const DebugRequest *)opaque)->cpu);
}

static bool visit_mapping(const X86Mapping *mapping, void *opaque)
{
    DebugRequest *r = opaque;

    return r->visit(mapping, r->opaque);
}

static void do_foreach(X86Cpu *cpu, void *opaque)
{
    DebugRequest *r = opaque;

    r->cpu = cpu;
    r->ok = !x86_paging_enabled(cpu) || x86_page_foreach(cpu, read_mapped, visit_mapping, r);
}

/* ---- */

bool x86_debug_translate(X86Cpu *cpu, uint64_t va, hwaddr *pa)
{
    DebugRequest request = { .va = va, .pa = pa };

    vcpu_run_on(cpu, do_translate, &request);
    return request.ok;
}

uint64_t x86_debug_read(X86Cpu *cpu, uint64_t va, void *buf, uint64_t len)
{
    DebugRequest request = { .va = va, .buf = buf, .len = len };

    vcpu_run_on(cpu, do_read, &request);
    return request.done;
}

bool x86_debug_write(X86Cpu *cpu, uint64_t va, const void *buf, uint64_t len)
{
    DebugRequest request = { .va = va, .from = buf, .len = len };

    vcpu_run_on(cpu, do_write, &request);
    return request.ok;
}

bool x86_debug_foreach_mapping(X86Cpu *cpu, bool (*fn)(const X86Mapping *mapping, void *opaque),
                               void *opaque)
{
    DebugRequest request = { .visit = fn, .opaque = opaque };

    vcpu_run_on(cpu, do_foreach, &request);
    return request.ok;
}
