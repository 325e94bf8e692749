/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine that is moved while its memory changes: each processor goes through pages of its own,
 * again and again; a page has what was written the last time, or some write was lost on the way.
 * No processor finds the time stamp counter behind where it, or the other one, has seen it.
 * The first processor also checks what devices keep: timer interrupts come, and time goes on. It
 * says that it is alive ten times a second of its own time, and never ends; "few" is for slow
 * engines. With "deadline" its timer is in TSC-deadline mode, and armed almost always.
 */
#include "ap.h"

#define PAGE_WORDS 1024u
#define CPUS       2u
#define TIMER      0x90
#define NUDGE      0x40

#define MSR_TSC_DEADLINE 0x6e0u
#define DEADLINE_TICKS   20000000

static volatile uint32_t *const memory = (volatile uint32_t *)(16u << 20);
static uint8_t stack[AP_STACK_SIZE] __attribute__((aligned(16)));
static bool deadline;
static volatile uint32_t pages_each, rounds[CPUS], failed, ticks;

static uint32_t wanted(uint32_t round, uint32_t page)
{
    return round * 2654435761u + page;
}

/* A word that differs from round to round, and one that each round changes. */
static uint32_t checked_words(uint32_t cpu, uint32_t page, uint32_t round)
{
    volatile uint32_t *words = memory + (cpu * pages_each + page) * PAGE_WORDS;
    uint32_t last = words[PAGE_WORDS - 1], some = words[(round - 1) % (PAGE_WORDS - 1)];

    words[PAGE_WORDS - 1] = wanted(round, page);
    words[round % (PAGE_WORDS - 1)] = wanted(round, page);
    return round == 1 || (last == wanted(round - 1, page) && some == wanted(round - 1, page));
}

static void check_tsc(uint32_t cpu)
{
    static volatile uint32_t taken;
    static uint64_t last;
    uint32_t was = 1;
    uint64_t now;

    __asm__ volatile("xchgl %0, %1" : "+r"(was), "+m"(taken) : : "memory");
    if (was) {
        return; /* the other one looks at it */
    }
    __asm__ volatile("lfence; rdtsc" : "=A"(now) : : "memory");
    if (now < last) {
        print("FAILED processor %u, TSC back by %u\n", cpu, (uint32_t)(last - now));
        failed = 1;
    }
    last = now;
    __asm__ volatile("movl $0, %0" : "=m"(taken) : : "memory");
}

static void go_through(uint32_t cpu)
{
    uint32_t round = rounds[cpu] + 1;

    for (uint32_t page = 0; page < pages_each && !failed; page++) {
        check_tsc(cpu);
        if (!checked_words(cpu, page, round)) {
            print("FAILED processor %u, page %u, round %u\n", cpu, page, round);
            failed = 1;
        }
    }
    rounds[cpu] = round;
}

void ap_main(void)
{
    ap_load_idt();
    for (;;) {
        go_through(1);
    }
}

/* The timer comes once; SDM vol. 3 section 11.5.4.1. */
static void arm_deadline(void)
{
    __asm__ volatile("rdtsc\n\t"
                     "addl %0, %%eax\n\t"
                     "adcl $0, %%edx\n\t"
                     "wrmsr"
                     :
                     : "i"(DEADLINE_TICKS), "c"(MSR_TSC_DEADLINE)
                     : "eax", "edx", "memory");
}

static void on_timer(Frame *frame)
{
    (void)frame;
    ticks++;
    if (deadline) {
        arm_deadline();
    }
    apic_write(APIC_EOI, 0);
}

static void on_nudge(Frame *frame)
{
    (void)frame;
    apic_write(APIC_EOI, 0);
}

/* A KVM that emulates does not look at an interrupt that was requested before the move until there
 * is another; the periodic timer has the next. */
static void nudge(void)
{
    apic_write(APIC_ICR, 1u << 18 | NUDGE); /* to itself */
}

static void start_timer(void)
{
    handlers[TIMER] = on_timer;
    handlers[NUDGE] = on_nudge;
    apic_enable();
    deadline = option("deadline");
    if (deadline) {
        apic_write(APIC_LVT_TIMER, TIMER | 2u << 17);
        arm_deadline();
        return;
    }
    apic_write(APIC_TIMER_DIVIDE, 3);             /* by 16 */
    apic_write(APIC_LVT_TIMER, TIMER | 1u << 17); /* periodic */
    apic_write(APIC_TIMER_INITIAL, 1000000);
}

void guest_main(void)
{
    uint64_t said = 0;
    uint32_t before = 0;

    pages_each = option("few") ? 64 : 2048;
    start_timer();
    if (option("two")) {
        ap_start_processor(1, stack);
    }
    while (!failed) {
        go_through(0);
        if (deadline) {
            nudge();
        }
        irq_window();
        uint64_t now = pm_ns();
        if (now - said >= 100000000 && ticks != before) {
            print("alive\n");
            said = now;
            before = ticks;
        }
    }
    check(false, "memory is as it was written");
}
