/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/debug.h"

#include <string.h>

#include "accel/vcpu.h"
#include "memory/address-space.h"

#define PAGE_SIZE 4096u

uint64_t x86_debug_read_physical(hwaddr pa, void *buf, uint64_t len)
{
    const FlatView *view = address_space_view(&address_space_memory);
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

static bool is_ram(hwaddr pa, uint64_t len)
{
    const FlatView *view = address_space_view(&address_space_memory);

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
    return pa + len >= pa && is_ram(pa, len) &&
           address_space_write(&address_space_memory, pa, buf, len) == MEMTX_OK;
}

static bool read_entry(uint64_t pa, void *buf, unsigned size, void *opaque)
{
    return x86_debug_read_physical(pa, buf, size) == size;
}

static bool translate(const X86Cpu *cpu, uint64_t va, hwaddr *pa)
{
    X86Mapping mapping;

    if (!x86_paging_enabled(cpu)) {
        *pa = va;
        return true;
    }
    if (!x86_page_find(cpu, va, read_entry, NULL, &mapping)) {
        return false;
    }
    *pa = mapping.pa + (va - mapping.va);
    return true;
}

/* ---- in the CPU's thread ---- */

typedef struct DebugRequest {
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
        uint64_t got = x86_debug_read_physical(pa, r->buf + r->done, part);
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
        if (va < r->va || !translate(cpu, va, &pa) || !is_ram(pa, part)) {
            return false;
        }
        if (!look) {
            x86_debug_write_physical(pa, r->from + done, part);
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

static bool visit_mapping(const X86Mapping *mapping, void *opaque)
{
    DebugRequest *r = opaque;

    return r->visit(mapping, r->opaque);
}

static void do_foreach(X86Cpu *cpu, void *opaque)
{
    DebugRequest *r = opaque;

    r->ok = !x86_paging_enabled(cpu) || x86_page_foreach(cpu, read_entry, visit_mapping, r);
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
