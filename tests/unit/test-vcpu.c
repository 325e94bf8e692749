/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vCPU threads, with an engine that only counts. */
#include <glib.h>
#include <string.h>

#include "accel/accel.h"
#include "accel/vcpu.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"

#define CPUS 3

static _Atomic unsigned runs[CPUS];
static _Atomic bool inside[CPUS];
static _Atomic bool halt_at_once;

/* Guest code that does nothing until it is asked to leave, or halts at once. */
static void fake_run(X86Cpu *cpu)
{
    if (atomic_load(&halt_at_once)) {
        x86_cpu_clear_interrupt(cpu,
                                CPU_INT_HARD); /* that of before; who sees the run sends the next */
    }
    atomic_store(&inside[cpu->index], true);
    atomic_fetch_add(&runs[cpu->index], 1);
    while (!atomic_load(&cpu->exit_request) && !atomic_load(&halt_at_once) &&
           !(atomic_load(&cpu->interrupts) & (CPU_INT_INIT | CPU_INT_SIPI))) {
        g_thread_yield();
    }
    if (atomic_load(&halt_at_once)) {
        cpu->halted = true;
    }
    atomic_store(&cpu->exit_request, false);
    atomic_store(&inside[cpu->index], false);
}

static const AccelOps fake_engine = {
    .name = "fake",
    .description = "counts",
    .has_vcpu_threads = true,
    .cpu_size = sizeof(X86Cpu),
    .run = fake_run,
};

static X86Cpu *cpus[CPUS];

static void make_cpus(void)
{
    accel_set(&fake_engine);
    for (unsigned i = 0; i < CPUS; i++) {
        g_autoptr(GError) err = NULL;
        cpus[i] = vcpu_alloc();
        cpus[i]->index = i;
        cpus[i]->rflags = RFLAGS_IF;
        atomic_store(&runs[i], 0);
        g_assert_true(vcpu_create(cpus[i], &err));
        g_assert_cmpint(vcpu_thread_id(cpus[i]), >, 0);
    }
    atomic_store(&halt_at_once, false);
}

static void destroy_cpus(void)
{
    for (unsigned i = 0; i < CPUS; i++) {
        vcpu_destroy(cpus[i]);
        vcpu_free(cpus[i]);
    }
}

/* Without the machine lock, as poll() does. */
static void wait_for_runs(unsigned index, unsigned at_least)
{
    machine_unlock();
    while (atomic_load(&runs[index]) < at_least) {
        g_usleep(50);
    }
    machine_lock();
}

static void test_pause_resume(void)
{
    make_cpus();
    g_assert_true(vcpu_all_paused());
    for (unsigned round = 0; round < 200; round++) {
        unsigned before = atomic_load(&runs[round % CPUS]);
        vcpu_resume_all();
        wait_for_runs(round % CPUS, before + 1);
        vcpu_pause_all();
        g_assert_true(vcpu_all_paused());
        for (unsigned i = 0; i < CPUS; i++) {
            g_assert_false(atomic_load(&inside[i]));
        }
    }
    destroy_cpus();
}

static void test_halt_and_wake(void)
{
    make_cpus();
    atomic_store(&halt_at_once, true);
    vcpu_resume_all();
    for (unsigned round = 1; round <= 2000; round++) {
        wait_for_runs(0, round);
        /* Sometimes while it is about to sleep, sometimes when it does. */
        x86_cpu_interrupt(cpus[0], CPU_INT_HARD);
    }
    wait_for_runs(0, 2001);
    vcpu_pause_all();
    g_assert_true(cpus[0]->halted);
    g_assert_cmpuint(atomic_load(&runs[0]), ==, 2001);

    /* Interrupts are off: HLT goes on. */
    cpus[0]->rflags = 0;
    vcpu_resume_all();
    x86_cpu_interrupt(cpus[0], CPU_INT_HARD);
    machine_unlock();
    g_usleep(2000);
    machine_lock();
    g_assert_cmpuint(atomic_load(&runs[0]), ==, 2001);
    x86_cpu_interrupt(cpus[0], CPU_INT_NMI);
    wait_for_runs(0, 2002);
    destroy_cpus();
}

static void count_call(X86Cpu *cpu, void *opaque)
{
    g_assert_true(machine_lock_held());
    g_assert_true(current_cpu == cpu);
    g_assert_false(atomic_load(&inside[cpu->index]));
    (*(unsigned *)opaque)++;
}

static void test_run_on(void)
{
    unsigned calls = 0;

    make_cpus();
    vcpu_run_on(cpus[1], count_call, &calls); /* paused */
    vcpu_resume_all();
    for (unsigned i = 0; i < 100; i++) {
        vcpu_run_on(cpus[i % CPUS], count_call, &calls);
    }
    g_assert_cmpuint(calls, ==, 101);
    destroy_cpus();
}

static void pause_from_vcpu(X86Cpu *cpu, void *opaque)
{
    vcpu_pause_all();
    for (unsigned i = 0; i < CPUS; i++) {
        g_assert_false(atomic_load(&inside[i]));
    }
}

static void test_pause_from_vcpu(void)
{
    make_cpus();
    for (unsigned i = 0; i < 50; i++) {
        vcpu_resume_all();
        vcpu_run_on(cpus[i % CPUS], pause_from_vcpu, NULL);
        vcpu_pause_all();
        g_assert_true(vcpu_all_paused());
    }
    destroy_cpus();
}

static void stop_self(X86Cpu *cpu, void *opaque)
{
    vcpu_stop_self();
}

static void test_stop_self(void)
{
    make_cpus();
    vcpu_resume_all();
    vcpu_run_on(cpus[0], stop_self, NULL);
    machine_unlock();
    g_usleep(2000);
    machine_lock();
    unsigned before = atomic_load(&runs[0]);
    g_assert_false(atomic_load(&inside[0]));
    x86_cpu_kick(cpus[0]);
    machine_unlock();
    g_usleep(2000);
    machine_lock();
    g_assert_cmpuint(atomic_load(&runs[0]), ==, before);
    vcpu_resume_all();
    wait_for_runs(0, before + 1);
    destroy_cpus();
}

static void wait_self(X86Cpu *cpu, void *opaque)
{
    g_assert_true(vcpu_wait_self() == cpu);
}

static void run_again(unsigned index)
{
    unsigned before = atomic_load(&runs[index]);

    x86_cpu_kick(cpus[index]);
    wait_for_runs(index, before + 1);
}

/* Twice, over a pause; the other runs meanwhile. */
static void test_wait_self(void)
{
    g_assert_null(vcpu_wait_self());
    make_cpus();
    vcpu_resume_all();
    vcpu_run_on(cpus[0], wait_self, NULL);
    vcpu_run_on(cpus[0], wait_self, NULL);
    vcpu_pause_all();
    vcpu_resume_all();
    unsigned before = atomic_load(&runs[0]);
    run_again(1);
    vcpu_wait_end(cpus[0]);
    run_again(1);
    g_assert_cmpuint(atomic_load(&runs[0]), ==, before);
    vcpu_wait_end(cpus[0]);
    wait_for_runs(0, before + 1);
    vcpu_wait_end(cpus[0]); /* of nothing */
    destroy_cpus();
}

/* ---- one comes and goes while others run ---- */

static void count_any(X86Cpu *cpu, void *opaque)
{
    (*(unsigned *)opaque)++;
}

static void test_come_and_go(void)
{
    unsigned calls = 0;

    make_cpus();
    vcpu_resume_all();
    for (unsigned round = 0; round < 100; round++) {
        unsigned i = 1 + round % (CPUS - 1);

        vcpu_destroy(cpus[i]);
        g_assert_false(atomic_load(&inside[i]));
        vcpu_run_on(cpus[i], count_any, &calls); /* it needs no thread any more */
        vcpu_free(cpus[i]);
        cpus[i] = vcpu_alloc();
        cpus[i]->index = i;
        atomic_store(&runs[i], 0);
        g_assert_true(vcpu_create(cpus[i], NULL));
        vcpu_start(cpus[i]);
        wait_for_runs(i, 1);
    }
    g_assert_cmpuint(calls, ==, 100);
    vcpu_pause_all();
    vcpu_destroy(cpus[1]);
    vcpu_free(cpus[1]);
    cpus[1] = vcpu_alloc();
    cpus[1]->index = 1;
    atomic_store(&runs[1], 0);
    g_assert_true(vcpu_create(cpus[1], NULL));
    vcpu_start(cpus[1]); /* it stands with the others */
    g_assert_true(vcpu_all_paused());
    vcpu_run_on(cpus[1], count_call, &calls);
    g_assert_cmpuint(atomic_load(&runs[1]), ==, 0);
    vcpu_resume_all();
    wait_for_runs(1, 1);
    destroy_cpus();
}

/* Others pause the machine, and want something of it, while one goes. */
static gpointer pause_and_ask(gpointer opaque)
{
    unsigned *calls = opaque;

    for (unsigned i = 0; i < 100; i++) {
        machine_lock();
        vcpu_pause_all();
        g_assert_false(atomic_load(&inside[0]));
        vcpu_resume_all();
        vcpu_run_on(cpus[0], count_call, calls);
        machine_unlock();
    }
    return NULL;
}

static void test_go_and_pause(void)
{
    unsigned calls = 0;

    make_cpus();
    vcpu_resume_all();
    GThread *other = g_thread_new("other", pause_and_ask, &calls);
    for (unsigned round = 0; round < 100; round++) {
        vcpu_destroy(cpus[2]);
        vcpu_free(cpus[2]);
        cpus[2] = vcpu_alloc();
        cpus[2]->index = 2;
        g_assert_true(vcpu_create(cpus[2], NULL));
        vcpu_start(cpus[2]);
    }
    machine_unlock();
    g_thread_join(other);
    machine_lock();
    g_assert_cmpuint(calls, ==, 100);
    destroy_cpus();
}

static unsigned count_inside(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < CPUS; i++) {
        count += atomic_load(&inside[i]);
    }
    return count;
}

/* The main loop goes on meanwhile. */
static void wait_for_inside(unsigned count)
{
    while (count_inside() != count) {
        main_loop_iterate(false);
        machine_unlock();
        g_usleep(50);
        machine_lock();
    }
}

/* Guest code that never leaves by itself is interrupted, and naps; who wants the vCPUs to stop need
 * not wait until they wake. */
static void test_throttle(void)
{
    make_cpus();
    vcpu_resume_all();
    wait_for_inside(CPUS);
    vcpu_set_throttle(VCPU_MAX_THROTTLE);
    g_assert_cmpuint(vcpu_throttle(), ==, VCPU_MAX_THROTTLE);
    for (unsigned round = 0; round < 2; round++) {
        wait_for_inside(0);
        vcpu_pause_all();
        vcpu_resume_all();
        wait_for_inside(CPUS);
    }
    wait_for_inside(0);
    vcpu_set_throttle(0);
    wait_for_inside(CPUS);
    vcpu_pause_all();
    destroy_cpus();
}

static void test_init_sipi(void)
{
    make_cpus();
    for (unsigned i = 0; i < CPUS; i++) {
        x86_cpu_reset(cpus[i]);
    }
    g_assert_false(cpus[0]->wait_for_sipi);
    g_assert_true(cpus[1]->wait_for_sipi);
    vcpu_resume_all();
    wait_for_runs(0, 1);
    g_assert_cmpuint(atomic_load(&runs[1]), ==, 0);
    atomic_store(&cpus[1]->sipi_vector, 0x9a);
    x86_cpu_interrupt(cpus[1], CPU_INT_INIT);
    x86_cpu_interrupt(cpus[1], CPU_INT_SIPI);
    wait_for_runs(1, 1);
    vcpu_pause_all();
    g_assert_cmpuint(cpus[1]->segs[X86_SEG_CS].base, ==, 0x9a000);
    g_assert_cmpuint(cpus[1]->rip, ==, 0);
    g_assert_cmpuint(atomic_load(&cpus[1]->interrupts), ==, 0);
    g_assert_cmpuint(atomic_load(&runs[2]), ==, 0);
    destroy_cpus();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/vcpu/pause-resume", test_pause_resume);
    g_test_add_func("/vcpu/halt-and-wake", test_halt_and_wake);
    g_test_add_func("/vcpu/run-on", test_run_on);
    g_test_add_func("/vcpu/pause-from-vcpu", test_pause_from_vcpu);
    g_test_add_func("/vcpu/come-and-go", test_come_and_go);
    g_test_add_func("/vcpu/go-and-pause", test_go_and_pause);
    g_test_add_func("/vcpu/stop-self", test_stop_self);
    g_test_add_func("/vcpu/wait-self", test_wait_self);
    g_test_add_func("/vcpu/throttle", test_throttle);
    g_test_add_func("/vcpu/init-sipi", test_init_sipi);
    return g_test_run();
}
