/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/postcopy-blocktime.h"

#include "accel/vcpu.h"
#include "util/clock.h"

typedef struct Waiting {
    unsigned thread;
    const uint8_t *host;  /* NULL: it runs */
    int64_t since, total; /* host ns */
} Waiting;

bool postcopy_blocktime;

static GMutex lock;   /* of what follows */
static GArray *vcpus; /* of Waiting; NULL: nothing is measured */
static unsigned waiting;
static int64_t all_since, all_total; /* in which all of them wait */

static void add(X86Cpu *cpu, void *opaque)
{
    const Waiting vcpu = { .thread = (unsigned)vcpu_thread_id(cpu) };

    g_array_append_val(vcpus, vcpu);
}

void postcopy_blocktime_begin(void)
{
    g_mutex_lock(&lock);
    if (postcopy_blocktime && !vcpus) {
        vcpus = g_array_new(FALSE, FALSE, sizeof(Waiting));
        vcpu_foreach(add, NULL);
    }
    g_mutex_unlock(&lock);
}

void postcopy_blocktime_wait(unsigned thread, const uint8_t *host)
{
    g_mutex_lock(&lock);
    for (guint i = 0; vcpus && i < vcpus->len; i++) {
        Waiting *vcpu = &g_array_index(vcpus, Waiting, i);

        if (vcpu->thread == thread && !vcpu->host) {
            vcpu->host = host;
            vcpu->since = clock_host_ns();
            if (++waiting == vcpus->len) {
                all_since = vcpu->since;
            }
        }
    }
    g_mutex_unlock(&lock);
}

void postcopy_blocktime_arrived(const uint8_t *host, uint64_t size)
{
    g_mutex_lock(&lock);
    for (guint i = 0; waiting && i < vcpus->len; i++) {
        Waiting *vcpu = &g_array_index(vcpus, Waiting, i);

        if (vcpu->host >= host && vcpu->host < host + size) {
            const int64_t now = clock_host_ns();
            vcpu->total += now - vcpu->since;
            vcpu->host = NULL;
            if (waiting-- == vcpus->len) {
                all_total += now - all_since;
            }
        }
    }
    g_mutex_unlock(&lock);
}

void postcopy_blocktime_fill(MigrationInfo *info)
{
    g_mutex_lock(&lock);
    if (vcpus) {
        info->has_postcopy_blocktime = true;
        info->postcopy_blocktime = (uint32_t)(all_total / NS_PER_MS);
        info->postcopy_vcpu_blocktime = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        for (guint i = 0; i < vcpus->len; i++) {
            const uint32_t ms = (uint32_t)(g_array_index(vcpus, Waiting, i).total / NS_PER_MS);
            g_array_append_val(info->postcopy_vcpu_blocktime, ms);
        }
    }
    g_mutex_unlock(&lock);
}
