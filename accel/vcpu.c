/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waking. A vCPU that has nothing to run sleeps on its own mutex and condition, never on the
 * machine lock, so that a kick needs no lock but that mutex. `kicked` is a semaphore of one: the
 * thread takes it before it looks at what there is to do, and sleeps only while it is not set.
 * Whoever gives the thread something to do sets that first and kicks then, so either the thread
 * sees it, or it finds `kicked` set and looks again.
 */
#include "accel/vcpu.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "accel/accel.h"
#include "accel/dirty-pace.h"
#include "memory/ram-block.h"
#include "target/i386/fpu-pins.h"
#include "target/i386/svm.h"
#include "util/error.h"
#include "util/lazy-memory.h"
#include "util/machine-lock.h"

typedef struct VcpuWork {
    void (*fn)(X86Cpu *cpu, void *opaque);
    void *opaque;
    bool done;
    struct VcpuWork *next;
} VcpuWork;

typedef struct Vcpu {
    X86Cpu *cpu;
    size_t cpu_size; /* of the engine's, whose part cpu is */
    GThread *thread; /* NULL: the engine has none */
    int thread_id;
    MemoryReader reader;

    /* any thread */
    GMutex wake_mutex;
    GCond wake_cond;
    bool kicked, sleeping;   /* wake_mutex */
    _Atomic bool attention;  /* one of the fields below may need the thread's look */
    _Atomic unsigned nap_ms; /* to be slept away: vcpu_set_throttle(); relaxed: a number alone */
    DirtyPace pace;

    /* machine lock */
    bool stop;              /* run no guest code */
    _Atomic unsigned waits; /* so many want that, too: vcpu_wait_self(); read without the lock */
    bool held;              /* `stop` stays when the others go on */
    bool quit;              /* end the thread */
    bool started;           /* the thread has run the engine's cpu_init */
    bool parked;            /* not in guest code, and will not enter it before `stop` is cleared */
    bool ended;             /* the thread does nothing more */
    bool waiting; /* in vcpu_pause_all() or vcpu_run_on(), thus not in guest code either */
    GError *error;
    VcpuWork *work;
} Vcpu;

__thread X86Cpu *current_cpu;

static bool stands = true; /* no vCPU runs: the engine's clocks stand; machine lock */
static bool wanted;        /* vCPUs are to run: vcpu_resume_all() was the last word; machine lock */
static GPtrArray *vcpus;   /* of Vcpu *, created ones; machine lock */
static GCond changed_cond; /* a vCPU parked, started, waits or finished work; with machine lock */

static Vcpu *vcpu_of(const X86Cpu *cpu)
{
    return cpu->vcpu;
}

static void vcpu_kick(X86Cpu *cpu)
{
    Vcpu *v = vcpu_of(cpu);

    atomic_store(&cpu->exit_request, true);
    if (accel_current() && accel_current()->kick) {
        accel_current()->kick(cpu);
    }
    g_mutex_lock(&v->wake_mutex);
    v->kicked = true;
    if (v->sleeping) {
        g_cond_signal(&v->wake_cond);
    }
    g_mutex_unlock(&v->wake_mutex);
}

/* Make the thread leave guest code and read the fields that the machine lock protects. */
static void vcpu_call(Vcpu *v)
{
    atomic_store(&v->attention, true);
    vcpu_kick(v->cpu);
}

/* Sleep until there was a kick since the last call. */
static void vcpu_sleep(Vcpu *v)
{
    g_mutex_lock(&v->wake_mutex);
    v->sleeping = true;
    while (!v->kicked) {
        g_cond_wait(&v->wake_cond, &v->wake_mutex);
    }
    v->sleeping = false;
    v->kicked = false;
    g_mutex_unlock(&v->wake_mutex);
}

static void vcpu_reader_kick(void *opaque)
{
    atomic_store(&((X86Cpu *)opaque)->exit_request, true);
}

/* ---- throttling ---- */

#define THROTTLE_RUN_MS 10u /* guest code runs so long, then naps */

static unsigned throttle;    /* percent; machine lock */
static guint throttle_timer; /* GLib's; 0: none */

/* Give up the processor for as long as was asked, unless the thread is wanted. No lock. */
static void vcpu_nap(Vcpu *v)
{
    unsigned ms = atomic_exchange_explicit(&v->nap_ms, 0, memory_order_relaxed);
    const int64_t rest_us = dirty_pace_rest_us(&v->pace);

    if (!ms && !rest_us) {
        return;
    }
    const gint64 start = g_get_monotonic_time(), end = start + MAX(ms * 1000ll, rest_us);

    g_mutex_lock(&v->wake_mutex);
    v->sleeping = true;
    while (!atomic_load(&v->attention) && g_cond_wait_until(&v->wake_cond, &v->wake_mutex, end)) {
    }
    v->sleeping = false;
    g_mutex_unlock(&v->wake_mutex);
    dirty_pace_rested(&v->pace, MIN(g_get_monotonic_time() - start, rest_us));
}

static unsigned throttle_nap_ms(void)
{
    return THROTTLE_RUN_MS * throttle / (100 - throttle);
}

/* Every vCPU has run for a while. Main thread. */
static gboolean throttle_tick(gpointer opaque)
{
    for (unsigned i = 0; vcpus && i < vcpus->len; i++) {
        Vcpu *v = vcpus->pdata[i];

        atomic_store_explicit(&v->nap_ms, throttle_nap_ms(), memory_order_relaxed);
        vcpu_kick(v->cpu);
    }
    return G_SOURCE_CONTINUE;
}

void vcpu_set_throttle(unsigned percent)
{
    g_return_if_fail(percent <= VCPU_MAX_THROTTLE);
    throttle = percent;
    g_clear_handle_id(&throttle_timer, g_source_remove);
    if (throttle) {
        throttle_timer = g_timeout_add(THROTTLE_RUN_MS + throttle_nap_ms(), throttle_tick, NULL);
        return;
    }
    for (unsigned i = 0; vcpus && i < vcpus->len; i++) {
        Vcpu *v = vcpus->pdata[i];

        atomic_store_explicit(&v->nap_ms, 0, memory_order_relaxed);
        vcpu_call(v);
    }
}

unsigned vcpu_throttle(void)
{
    return throttle;
}

/* ---- what they change ---- */

void vcpu_set_dirty_limit(X86Cpu *cpu, uint64_t pages)
{
    atomic_store_explicit(&vcpu_of(cpu)->pace.limit, pages, memory_order_relaxed);
    vcpu_call(vcpu_of(cpu)); /* from a rest */
}

uint64_t vcpu_dirty_limit(const X86Cpu *cpu)
{
    return atomic_load_explicit(&vcpu_of(cpu)->pace.limit, memory_order_relaxed);
}

uint64_t vcpu_dirty_pages(const X86Cpu *cpu)
{
    return atomic_load_explicit(&vcpu_of(cpu)->pace.counter.pages, memory_order_relaxed);
}

uint64_t vcpu_dirty_rested_us(const X86Cpu *cpu)
{
    return atomic_load_explicit(&vcpu_of(cpu)->pace.rested_us, memory_order_relaxed);
}

/* ---- making ---- */

X86Cpu *vcpu_alloc(void)
{
    const AccelOps *ops = accel_current();
    size_t size = ops ? ops->cpu_size : sizeof(X86Cpu);
    X86Cpu *cpu = lazy_memory_new(size); /* most of the software CPU's are tables */
    Vcpu *v = g_new0(Vcpu, 1);

    v->cpu = cpu;
    v->cpu_size = size;
    dirty_pace_init(&v->pace, cpu);
    v->stop = true;
    v->reader.kick = vcpu_reader_kick;
    v->reader.opaque = cpu;
    g_mutex_init(&v->wake_mutex);
    g_cond_init(&v->wake_cond);
    cpu->vcpu = v;
    cpu->kick = vcpu_kick;
    return cpu;
}

void vcpu_free(X86Cpu *cpu)
{
    Vcpu *v = vcpu_of(cpu);

    g_mutex_clear(&v->wake_mutex);
    g_cond_clear(&v->wake_cond);
    g_clear_error(&v->error);
    lazy_memory_free(cpu, v->cpu_size);
    g_free(v);
}

MemoryReader *vcpu_reader(X86Cpu *cpu)
{
    return &vcpu_of(cpu)->reader;
}

int vcpu_thread_id(const X86Cpu *cpu)
{
    return vcpu_of(cpu)->thread_id;
}

/* ---- the thread ---- */

static void vcpu_get_state(X86Cpu *cpu)
{
    if (accel_current()->get_state) {
        accel_current()->get_state(cpu);
    }
}

static void vcpu_put_state(X86Cpu *cpu)
{
    if (accel_current()->put_state) {
        accel_current()->put_state(cpu);
    }
}

static bool vcpu_run_work(Vcpu *v)
{
    if (!v->work) {
        return false;
    }
    vcpu_get_state(v->cpu);
    while (v->work) {
        VcpuWork *work = v->work;
        v->work = work->next;
        work->fn(v->cpu, work->opaque);
        work->done = true;
    }
    vcpu_put_state(v->cpu);
    g_cond_broadcast(&changed_cond);
    return true;
}

/* INIT and SIPI (SDM vol. 3 section 9.4.3), machine lock held. INIT goes first: a SIPI that waits
 * with it was sent after it (x86_cpu_signal_init()). */
static void vcpu_take_init_sipi(X86Cpu *cpu)
{
    uint32_t pending = x86_cpu_init_sipi(cpu);

    if (!pending) {
        return;
    }
    vcpu_get_state(cpu);
    if (pending & CPU_INT_INIT) {
        x86_cpu_init_reset(cpu);
        if (cpu->apic_ops) {
            cpu->apic_ops->init(cpu->apic);
        }
    }
    if (pending & CPU_INT_SIPI) {
        x86_cpu_clear_interrupt(cpu, CPU_INT_SIPI);
        if (cpu->wait_for_sipi) {
            x86_cpu_sipi(cpu, atomic_load(&cpu->sipi_vector));
        }
    }
    vcpu_put_state(cpu);
}

/* End HLT if something is there that ends it. Own thread. */
static bool vcpu_runnable(X86Cpu *cpu)
{
    uint32_t pending = atomic_load(&cpu->interrupts);

    if (accel_current()->runnable) {
        return accel_current()->runnable(cpu);
    }
    if (cpu->wait_for_sipi) {
        return false;
    }
    if (cpu->halted && x86_cpu_smi_waits(cpu)) {
        return true; /* whether it halted is for the handler's end */
    }
    if (cpu->halted && (((pending & CPU_INT_HARD) && x86_takes_interrupts(cpu)) ||
                        ((pending & CPU_INT_NMI) && x86_takes_nmi(cpu)) || x86_takes_virtual(cpu) ||
                        x86_svm_leaves_for_init(cpu) || (cpu->frozen && x86_ignne()))) {
        cpu->halted = false;
    }
    return !cpu->halted;
}

static bool vcpu_needs_lock(Vcpu *v)
{
    return atomic_load(&v->attention) || x86_cpu_init_sipi(v->cpu);
}

/* Guest code until it halts or someone needs us. No lock held. */
static void vcpu_run_or_sleep(Vcpu *v)
{
    while (!vcpu_needs_lock(v)) {
        if (vcpu_runnable(v->cpu)) {
            accel_current()->run(v->cpu);
            vcpu_nap(v);
        } else {
            vcpu_sleep(v);
        }
    }
}

static void vcpu_park(Vcpu *v)
{
    if (!v->parked) {
        vcpu_get_state(v->cpu);
        v->parked = true;
        g_cond_broadcast(&changed_cond);
    }
    machine_unlock();
    vcpu_sleep(v);
    machine_lock();
}

static gpointer vcpu_thread(gpointer opaque)
{
    Vcpu *v = opaque;
    X86Cpu *cpu = v->cpu;
    const AccelOps *ops = accel_current();

    current_cpu = cpu;
    machine_lock();
    v->thread_id = gettid();
    memory_reader_register(&v->reader);
    dirty_set_counter(&v->pace.counter);
    bool usable = !ops->cpu_init || ops->cpu_init(cpu, &v->error);
    v->started = true;
    v->parked = true;
    g_cond_broadcast(&changed_cond);

    while (!v->quit) {
        /* Cleared before the fields are read: whoever changes them later sets it again. */
        atomic_store(&v->attention, false);
        if (vcpu_run_work(v)) {
            continue;
        }
        if (v->stop || v->waits) {
            vcpu_park(v);
            continue;
        }
        if (v->parked) {
            v->parked = false;
            vcpu_put_state(cpu);
        }
        vcpu_take_init_sipi(cpu);
        machine_unlock();
        vcpu_run_or_sleep(v);
        machine_lock();
    }
    vcpu_run_work(v); /* of others, who wait for it */
    if (usable && ops->cpu_destroy) {
        ops->cpu_destroy(cpu);
    }
    memory_reader_unregister(&v->reader);
    v->parked = v->ended = true;
    g_cond_broadcast(&changed_cond);
    machine_unlock();
    return NULL;
}

bool vcpu_create(X86Cpu *cpu, GError **errp)
{
    Vcpu *v = vcpu_of(cpu);

    if (!vcpus) {
        vcpus = g_ptr_array_new();
    }
    if (accel_current()->has_vcpu_threads) {
        g_autofree char *name = g_strdup_printf("CPU %u/%s", cpu->index, accel_current()->name);
        v->thread = g_thread_try_new(name, vcpu_thread, v, errp);
        if (!v->thread) {
            return false;
        }
        while (!v->started) {
            machine_cond_wait(&changed_cond);
        }
        if (v->error) {
            g_propagate_error(errp, g_steal_pointer(&v->error));
            vcpu_destroy(cpu);
            return false;
        }
    } else {
        v->parked = true;
    }
    g_ptr_array_add(vcpus, v);
    return true;
}

void vcpu_destroy(X86Cpu *cpu)
{
    Vcpu *v = vcpu_of(cpu);

    if (v->thread) {
        v->quit = true;
        vcpu_call(v);
        /* Up to then it may run guest code: who stops the machine meanwhile waits for it, too. */
        while (!v->ended) {
            machine_cond_wait(&changed_cond);
        }
    }
    if (vcpus) {
        g_ptr_array_remove(vcpus, v);
    }
    if (v->thread) {
        g_thread_join(v->thread); /* it needs no lock any more, once it has given this one back */
        v->thread = NULL;
    }
}

void vcpu_start(X86Cpu *cpu)
{
    Vcpu *v = vcpu_of(cpu);

    v->stop = !wanted || v->held;
    if (v->thread) {
        vcpu_call(v);
    }
}

/* ---- for other threads ---- */

/* This thread's vCPU, if it is one. */
static Vcpu *vcpu_self(void)
{
    return current_cpu ? vcpu_of(current_cpu) : NULL;
}

X86Cpu *vcpu_self_registers(void)
{
    if (current_cpu && accel_current()->get_registers) {
        accel_current()->get_registers(current_cpu);
    }
    return current_cpu;
}

void vcpu_self_set_registers(void)
{
    if (current_cpu && accel_current()->put_registers) {
        accel_current()->put_registers(current_cpu);
    }
}

/* Only another vCPU may take one that waits for stopped: nobody waits for the main thread, so it
 * can wait until that one is out of its device access and its registers are final. */
bool vcpu_all_paused(void)
{
    const Vcpu *self = vcpu_self();

    for (unsigned i = 0; vcpus && i < vcpus->len; i++) {
        const Vcpu *v = vcpus->pdata[i];
        if (v != self && !v->parked && !(self && v->waiting)) {
            return false;
        }
    }
    return true;
}

void vcpu_stop_self(void)
{
    Vcpu *self = vcpu_self();

    if (self) {
        self->stop = true;
        vcpu_call(self);
    }
}

X86Cpu *vcpu_wait_self(void)
{
    Vcpu *self = vcpu_self();

    if (!self) {
        return NULL;
    }
    self->waits++;
    vcpu_call(self);
    return self->cpu;
}

bool vcpu_waits(const X86Cpu *cpu)
{
    return vcpu_of(cpu)->waits;
}

void vcpu_wait_end(X86Cpu *cpu)
{
    for (unsigned i = 0; vcpus && i < vcpus->len; i++) {
        Vcpu *v = vcpus->pdata[i];

        if (v->cpu == cpu && v->waits) {
            v->waits--;
            vcpu_call(v);
        }
    }
}

void vcpu_pause_all(void)
{
    Vcpu *self = vcpu_self();

    wanted = false;
    for (unsigned i = 0; vcpus && i < vcpus->len; i++) {
        Vcpu *v = vcpus->pdata[i];
        v->stop = true;
        if (v->thread) {
            vcpu_call(v);
        }
    }
    if (self) {
        /* Two vCPUs may pause the machine at once: each must count as stopped for the other. */
        vcpu_get_state(current_cpu);
        self->waiting = true;
        g_cond_broadcast(&changed_cond);
    }
    while (!vcpu_all_paused()) {
        machine_cond_wait(&changed_cond);
    }
    if (!stands && accel_current() && accel_current()->stopped) {
        accel_current()->stopped();
    }
    stands = true;
    if (self) {
        self->waiting = false;
    }
}

void vcpu_settle_all(void)
{
    for (unsigned i = 0; vcpus && i < vcpus->len; i++) {
        const Vcpu *v = vcpus->pdata[i];

        if (v->thread && v->parked && !v->ended && !v->error) {
            vcpu_put_state(v->cpu);
        }
    }
}

void vcpu_resume_all(void)
{
    ram_blocks_use_large_pages();
    if (stands && accel_current() && accel_current()->resume) {
        accel_current()->resume();
    }
    stands = false;
    wanted = true;
    for (unsigned i = 0; vcpus && i < vcpus->len; i++) {
        Vcpu *v = vcpus->pdata[i];
        v->stop = v->held;
        if (v->thread) {
            vcpu_call(v);
        }
    }
}

void vcpu_hold(X86Cpu *cpu, bool hold)
{
    vcpu_of(cpu)->held = hold;
}

void vcpu_run_on(X86Cpu *cpu, void (*fn)(X86Cpu *cpu, void *opaque), void *opaque)
{
    Vcpu *v = vcpu_of(cpu), *self = vcpu_self();

    if (!v->thread || v->ended || v == self) {
        fn(cpu, opaque);
        return;
    }
    VcpuWork work = { .fn = fn, .opaque = opaque };
    VcpuWork **tail = &v->work;
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = &work;
    vcpu_call(v);
    while (!work.done) {
        /* The other one may at this moment want something of us. */
        if (self && vcpu_run_work(self)) {
            continue;
        }
        if (self) {
            self->waiting = true;
            g_cond_broadcast(&changed_cond);
        }
        machine_cond_wait(&changed_cond);
        if (self) {
            self->waiting = false;
        }
    }
}

void vcpu_foreach(void (*fn)(X86Cpu *cpu, void *opaque), void *opaque)
{
    for (unsigned i = 0; vcpus && i < vcpus->len; i++) {
        fn(((Vcpu *)vcpus->pdata[i])->cpu, opaque);
    }
}
