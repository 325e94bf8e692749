/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a saved machine keeps of a KVM CPU beyond X86Cpu: the rest of its XSAVE area, events that
 * are under way, MSRs that only KVM has, and kvmclock. KvmCpu has them as they were last read; when
 * they are loaded they are there for the first kvm_put_state() to write. KVM checks their contents.
 */
#include <string.h>

#include "accel/kvm/kvm-internal.h"
#include "util/error.h"

static void set_bytes(GBytes **to, const void *data, size_t size)
{
    g_clear_pointer(to, g_bytes_unref);
    *to = g_bytes_new(data, size);
}

static void pre_save(void *obj)
{
    KvmCpu *k = obj;

    set_bytes(&k->saved.xsave, k->xsave, kvm_vm.xsave_size);
    set_bytes(&k->saved.events, &k->events, sizeof(k->events));
    set_bytes(&k->saved.msrs, k->msrs->entries, k->msrs->nmsrs * sizeof(k->msrs->entries[0]));
    k->saved.clock = kvm_clock_get();
}

/* *@size: 0 if there is none. */
static const void *get_bytes(GBytes *bytes, size_t *size)
{
    *size = 0;
    return bytes ? g_bytes_get_data(bytes, size) : NULL;
}

/* Another host may know more or less of them. */
static void load_msrs(KvmCpu *k, const struct kvm_msr_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (unsigned j = 0; j < k->msrs->nmsrs; j++) {
            if (k->msrs->entries[j].index == entries[i].index) {
                k->msrs->entries[j].data = entries[i].data;
            }
        }
    }
}

static bool post_load(void *obj, GError **errp)
{
    KvmCpu *k = obj;
    size_t xsave_size, events_size, msrs_size;
    const void *xsave = get_bytes(k->saved.xsave, &xsave_size);
    const void *events = get_bytes(k->saved.events, &events_size);
    const void *msrs = get_bytes(k->saved.msrs, &msrs_size);

    if (xsave_size < sizeof(struct kvm_xsave) || events_size != sizeof(k->events) ||
        msrs_size % sizeof(struct kvm_msr_entry)) {
        error_set(errp, "KVM's state of CPU %u has the wrong size", k->cpu.index);
        return false;
    }
    memset(k->xsave, 0, kvm_vm.xsave_size);
    memcpy(k->xsave, xsave, MIN(xsave_size, kvm_vm.xsave_size));
    memcpy(&k->events, events, sizeof(k->events));
    load_msrs(k, msrs, msrs_size / sizeof(struct kvm_msr_entry));
    kvm_clock_set(k->saved.clock);
    k->loaded = true;
    return true;
}

static const StateField fields[] = {
    STATE_BLOB(KvmCpu, saved.xsave),
    STATE_BLOB(KvmCpu, saved.events),
    STATE_BLOB(KvmCpu, saved.msrs),
    STATE_UINT(KvmCpu, saved.clock),
    {},
};

const StateTable kvm_cpu_state = {
    .name = "kvm-cpu", .version = 1, .fields = fields, .pre_save = pre_save, .post_load = post_load
};
