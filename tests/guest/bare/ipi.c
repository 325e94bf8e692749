/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupts between processors, in every way of addressing, each counted where it is sent and
 * where it arrives. The next is sent when the last has arrived, since two of one vector may become
 * one. The receivers wait in turn halted, in a loop with interrupts on, and with short windows.
 *
 * -append "cpus=4" (2, 4), "x2apic" to use it, "beside-code" (see below), "long" for a million of
 * each and no limit of time.
 */
#include "ap.h"

enum { MAX_CPUS = 4, LONG_COUNT = 1000000, STARTS = 5 };
#define SHORT_NS   UINT64_C(150000000)   /* of one way */
#define PATIENCE   UINT64_C(20000000000) /* until an interrupt counts as lost */
#define FROM(cpu)  (0x80 + (cpu))        /* vector of a fixed interrupt by who sent it */
#define REPLY      0x91
#define WAKE       0x92
#define X2APIC_MSR 0x800

typedef enum Wait { WAIT_HALTED, WAIT_IN_LOOP, WAIT_IN_WINDOWS, WAIT_KINDS } Wait;

static uint8_t stacks[MAX_CPUS][AP_STACK_SIZE] __attribute__((aligned(16)));
static unsigned cpus = 2;
static bool x2apic;
/* What processors tell each other. All but `flags` is written by one of them only. */
typedef struct Shared {
    uint32_t started[MAX_CPUS];
    uint32_t received[MAX_CPUS][MAX_CPUS]; /* [receiver][sender] */
    uint32_t nmis[MAX_CPUS], replies[MAX_CPUS];
    uint32_t flags[MAX_CPUS];     /* set by the sender, cleared by the receiver */
    uint32_t mode;                /* Wait of the receivers */
    bool reply;                   /* to the first processor */
    bool clusters;                /* logical addresses are to be of the cluster model */
    uint32_t clustered[MAX_CPUS]; /* they are */
    bool talking;                 /* all to all, until this is cleared */
    uint32_t begun[MAX_CPUS];     /* 1: has seen it */
    uint32_t talked[MAX_CPUS];    /* 1: has ended */
} Shared;

/* On a page that may hold code as well: then a software CPU takes another way for each store. */
static union {
    Shared shared;
    uint8_t page[4096];
} room __attribute__((aligned(4096)));
static volatile Shared *const shared = &room.shared;

/* Run code on the shared page. */
static void run_beside(void)
{
    if (option("beside-code")) {
        uint8_t *code = room.page + 2048;

        *(volatile uint8_t *)code = 0xc3; /* RET */
        ((void (*)(void))code)();
    }
}

/* ---- the local APIC in either form ---- */

static void msr_write(uint32_t msr, uint32_t high, uint32_t low)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "d"(high), "a"(low) : "memory");
}

static void reg_write(unsigned reg, uint32_t value)
{
    if (x2apic) {
        msr_write(X2APIC_MSR + reg / 16, 0, value);
    } else {
        apic_write(reg, value);
    }
}

static unsigned self(void)
{
    uint32_t low, high;

    if (!x2apic) {
        return apic_read(APIC_ID) >> 24;
    }
    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(X2APIC_MSR + APIC_ID / 16));
    return low;
}

static void send(uint32_t destination, uint32_t command)
{
    if (x2apic) {
        msr_write(X2APIC_MSR + APIC_ICR / 16, destination, command);
    } else {
        ap_send(destination, command);
    }
}

static void enable(void)
{
    if (x2apic) {
        msr_write(0x1b, 0, APIC | 0xc00 | (shared->started[0] ? 0 : 0x100));
    }
    reg_write(APIC_SVR, 0x1ff);
}

/* ---- receiving ---- */

static void on_fixed(Frame *frame)
{
    unsigned me = self();

    shared->received[me][frame->vector - FROM(0)]++;
    reg_write(APIC_EOI, 0);
    shared->flags[me] = 0;
    if (shared->reply && me) {
        send(0, ICR_FIXED | REPLY);
    }
}

static void on_reply(Frame *frame)
{
    (void)frame;
    shared->replies[self()]++;
    reg_write(APIC_EOI, 0);
}

static void on_wake(Frame *frame)
{
    (void)frame;
    reg_write(APIC_EOI, 0);
}

static void on_nmi(Frame *frame)
{
    (void)frame;
    shared->nmis[self()]++;
    /* The runtime returns without IRET, which alone lets the next NMI come. */
    __asm__ volatile("pushf; push %cs; push $1f; iret; 1:");
}

static void wait_once(Wait how)
{
    switch (how) {
    case WAIT_HALTED:
        irq_wait();
        break;
    case WAIT_IN_LOOP:
        irq_enable();
        for (unsigned i = 0; i < 1000; i++) {
            __asm__ volatile("pause");
        }
        irq_disable();
        break;
    default:
        irq_window();
        break;
    }
}

/* ---- waiting for what was sent ---- */

static uint32_t arrived(const volatile uint32_t *counters, unsigned stride)
{
    uint32_t sum = 0;

    for (unsigned i = 0; i < cpus; i++) {
        sum += counters[i * stride];
    }
    return sum;
}

/* Until the counters' sum is @wanted; false: something was lost, or came twice. */
static bool wait_sum(const volatile uint32_t *counters, unsigned stride, uint32_t wanted)
{
    uint64_t end = 0;

    for (unsigned turn = 0; arrived(counters, stride) != wanted; turn++) {
        wait_once(WAIT_IN_WINDOWS);
        if (turn % 1000 == 999) {
            uint64_t now = pm_ns();
            end = end ? end : now + PATIENCE;
            if (now > end) {
                print("  %u of %u arrived\n", arrived(counters, stride), wanted);
                return false;
            }
        }
    }
    return true;
}

/* ---- one way after the other ---- */

typedef struct Way {
    const char *name;
    uint32_t command;
    enum { TO_EACH, TO_ALL, TO_LOGICAL_ALL, TO_SELF } to;
    unsigned (*arrivals)(void); /* of one message */
    enum { PLAIN, NMI, REPLIED, FLAGGED, CLUSTER } kind;
} Way;

static unsigned one(void)
{
    return 1;
}

static unsigned all_others(void)
{
    return cpus - 1;
}

static unsigned all(void)
{
    return cpus;
}

static const Way ways[] = {
    { "fixed, physical", ICR_FIXED, TO_EACH, one, PLAIN },
    { "fixed, physical, with a reply to a halted sender", ICR_FIXED, TO_EACH, one, REPLIED },
    { "fixed, physical, with a flag that both write", ICR_FIXED, TO_EACH, one, FLAGGED },
    { "fixed, logical, one", ICR_FIXED | ICR_LOGICAL, TO_EACH, one, PLAIN },
    { "fixed, logical, all at once", ICR_FIXED | ICR_LOGICAL, TO_LOGICAL_ALL, all, PLAIN },
    { "fixed, clusters, one", ICR_FIXED | ICR_LOGICAL, TO_EACH, one, CLUSTER },
    { "fixed, clusters, all at once", ICR_FIXED | ICR_LOGICAL, TO_LOGICAL_ALL, all, CLUSTER },
    { "lowest priority, logical", ICR_LOWEST | ICR_LOGICAL, TO_LOGICAL_ALL, one, PLAIN },
    { "to itself", ICR_FIXED | ICR_SELF, TO_SELF, one, PLAIN },
    { "to all", ICR_FIXED | ICR_ALL, TO_ALL, all, PLAIN },
    { "to all others", ICR_FIXED | ICR_OTHERS, TO_ALL, all_others, PLAIN },
    { "NMI, physical", ICR_NMI, TO_EACH, one, NMI },
    { "NMI to all others", ICR_NMI | ICR_OTHERS, TO_ALL, all_others, NMI },
};

static uint32_t destination(const Way *way, unsigned cpu)
{
    if (!(way->command & ICR_LOGICAL)) {
        return way->to == TO_EACH ? cpu : 0;
    }
    return way->to == TO_EACH ? 1u << cpu : (1u << cpus) - 1;
}

/* Logical addresses: bit n for processor n; x2APIC has them so by itself, in cluster 0. */
static void logical_address(void)
{
    if (!x2apic) {
        apic_write(APIC_DFR, shared->clusters ? 0x0fffffff : 0xffffffff);
        apic_write(APIC_LDR, 1u << (24 + self()));
    }
    shared->clustered[self()] = shared->clusters;
}

static bool use_clusters(bool on)
{
    if (shared->clusters == on) {
        return true;
    }
    shared->clusters = on;
    logical_address();
    send(0, ICR_FIXED | ICR_OTHERS | WAKE);
    return wait_sum(shared->clustered, 1, on ? cpus : 0);
}

/* The sender sleeps until the answer is there. */
static bool wait_reply(uint32_t wanted)
{
    while (shared->replies[0] != wanted) {
        irq_wait();
    }
    return true;
}

/* The receiver clears what the sender has set; if a flag is cleared before its interrupt arrives,
 * the next one may come on top of it, and the sum be too small. */
static void wait_flag(unsigned cpu)
{
    while (shared->flags[cpu]) {
        __asm__ volatile("pause");
    }
}

static bool try_once(const Way *way, unsigned cpu, const volatile uint32_t *counters,
                     unsigned stride, uint32_t wanted)
{
    uint32_t replies = shared->replies[0];

    if (way->kind == FLAGGED) {
        shared->flags[cpu] = 1;
    }
    send(destination(way, cpu), way->command | (way->kind == NMI ? 0 : FROM(0)));
    if (way->kind == FLAGGED) {
        wait_flag(cpu);
        return true;
    }
    return (way->kind != REPLIED || wait_reply(replies + 1)) && wait_sum(counters, stride, wanted);
}

static void try_way(const Way *way)
{
    uint64_t end = pm_ns() + SHORT_NS;
    bool endless = option("long"), ok = true;
    const volatile uint32_t *counters = way->kind == NMI ? shared->nmis : &shared->received[0][0];
    unsigned stride = way->kind == NMI ? 1 : MAX_CPUS;
    uint32_t wanted = arrived(counters, stride);

    if (way->kind == CLUSTER && x2apic) {
        return;
    }
    ok = use_clusters(way->kind == CLUSTER);
    shared->reply = way->kind == REPLIED;
    for (unsigned i = 0; ok && i < LONG_COUNT && (endless || i % 16 || pm_ns() < end); i++) {
        shared->mode = i / 64 % WAIT_KINDS;
        wanted += way->arrivals();
        ok = try_once(way, 1 + i % (cpus - 1), counters, stride, wanted);
    }
    shared->reply = false;
    check(ok && wait_sum(counters, stride, wanted), way->name);
}

/* ---- everybody to everybody at once ---- */

/* To each other in turn, the next when the last has arrived; answers what comes meanwhile. */
static void talk(unsigned me)
{
    uint64_t end = me ? 0 : pm_ns() + SHORT_NS;
    bool endless = option("long");

    shared->begun[me] = 1;
    for (uint32_t i = 0; shared->talking && i < LONG_COUNT; i++) {
        unsigned to = (me + 1 + i % (cpus - 1)) % cpus;
        uint32_t wanted = shared->received[to][me] + 1;

        send(to, ICR_FIXED | FROM(me));
        while (shared->received[to][me] != wanted) {
            wait_once((i / 8 + me) % 2 ? WAIT_IN_LOOP : WAIT_IN_WINDOWS);
        }
        /* Who is still in a loop has not seen yet that there is talk, and answers all the same. */
        if (!me && !endless && i % 16 == 15 && pm_ns() > end && arrived(shared->begun, 1) == cpus) {
            shared->talking = false;
        }
    }
    shared->talked[me] = 1;
}

static void try_talk(void)
{
    shared->talking = true;
    send(0, ICR_FIXED | ICR_OTHERS | WAKE); /* some are halted */
    talk(0);
    check(wait_sum(shared->talked, 1, cpus), "everybody to everybody at once");
    shared->talking = false;
}

/* ---- the processors ---- */

void ap_main(void)
{
    ap_load_idt();
    enable();
    unsigned me = self();
    logical_address();
    run_beside();
    shared->started[me]++;
    for (;;) {
        if (shared->clustered[me] != shared->clusters) {
            logical_address();
        }
        if (shared->talking && !shared->talked[me]) {
            talk(me);
        }
        wait_once((Wait)shared->mode);
    }
}

static bool start(unsigned cpu)
{
    uint32_t wanted = shared->started[cpu] + 1;

    ap_prepare(stacks[cpu]);
    send(cpu, ICR_INIT);
    wait_ms(10);
    send(cpu, ICR_STARTUP | AP_VECTOR);
    send(cpu, ICR_STARTUP | AP_VECTOR);
    uint64_t end = pm_ns() + PATIENCE;
    while (shared->started[cpu] != wanted && pm_ns() < end) {
        __asm__ volatile("pause");
    }
    return shared->started[cpu] == wanted;
}

static void try_starts(void)
{
    bool ok = true;

    for (unsigned i = 0; ok && i < STARTS; i++) {
        shared->mode = i % WAIT_KINDS;
        for (unsigned cpu = 1; ok && cpu < cpus; cpu++) {
            ok = start(cpu);
        }
    }
    check(ok, "INIT and SIPI");
}

void guest_main(void)
{
    x2apic = option("x2apic");
    cpus = option("cpus=4") ? 4 : 2;
    for (unsigned i = 0; i < MAX_CPUS; i++) {
        handlers[FROM(i)] = on_fixed;
    }
    handlers[REPLY] = on_reply;
    handlers[WAKE] = on_wake;
    handlers[2] = on_nmi;
    enable();
    logical_address();
    shared->started[0] = 1;
    run_beside();
    try_starts();
    for (unsigned i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        try_way(&ways[i]);
    }
    use_clusters(false);
    try_talk();
    try_starts();
}
