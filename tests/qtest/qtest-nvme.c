/* SPDX-License-Identifier: GPL-2.0-or-later */
/* nvme by a driver of our own, one command at a time. */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/disk.h"

#define BAR     0xe0000000u
#define VECTORS 0xe0100000u
#define CMB     0xe0200000u
#define PAGE    0x1000u
#define ASQ     0x200000u
#define ACQ     0x201000u
#define SQ      0x202000u
#define CQ      0x203000u
#define LIST    0x204000u
#define DATA    0x300000u
#define ENTRIES 8u

enum { CAP = 0, VS = 8, INTMS = 0xc, INTMC = 0x10, CC = 0x14, CSTS = 0x1c, AQA = 0x24 };
enum { ASQ_AT = 0x28, ACQ_AT = 0x30, CMBLOC = 0x38, CMBSZ = 0x3c, CMBMSC = 0x50, BELLS = 0x1000 };
enum { ENABLE = 0x460001, RDY = 1, CFS = 2 };
enum {
    DELETE_SQ = 0,
    CREATE_SQ = 1,
    LOG = 2,
    DELETE_CQ = 4,
    CREATE_CQ = 5,
    IDENTIFY = 6,
    ABORT = 8,
    SET = 9,
    GET = 10,
    EVENT = 12,
    NVM_FLUSH = 0,
    WRITE = 1,
    READ = 2,
    ZEROES = 8,
    DATASET = 9,
};
#define DNR 0x4000u

typedef struct Queue {
    unsigned id, tail, head; /* of the submission and of the completion queue */
    bool phase;
    uint32_t sq, cq;
} Queue;

typedef struct Nvme {
    QTest *qt;
    char *path;
    Queue admin, io;
    uint16_t cid;
} Nvme;

typedef struct Command {
    uint8_t opcode;
    uint32_t nsid, cdw10, cdw11, cdw12;
    uint64_t prp1, prp2;
} Command;

static uint32_t get(const Nvme *n, unsigned offset)
{
    return qtest_readl(n->qt, BAR + offset);
}

static void set(const Nvme *n, unsigned offset, uint32_t value)
{
    qtest_writel(n->qt, BAR + offset, value);
}

static bool interrupted(const Nvme *n)
{
    return qpci_read(n->qt, DEVFN, 6, 2) & 8;
}

/* ---- commands ---- */

static void submit(Nvme *n, Queue *q, const Command *c)
{
    uint32_t at = q->sq + q->tail * 64;

    qtest_memset(n->qt, at, 0, 64);
    qtest_writel(n->qt, at, c->opcode | (uint32_t)++n->cid << 16);
    qtest_writel(n->qt, at + 4, c->nsid);
    qtest_writeq(n->qt, at + 24, c->prp1);
    qtest_writeq(n->qt, at + 32, c->prp2);
    qtest_writel(n->qt, at + 40, c->cdw10);
    qtest_writel(n->qt, at + 44, c->cdw11);
    qtest_writel(n->qt, at + 48, c->cdw12);
    q->tail = (q->tail + 1) % ENTRIES;
    set(n, BELLS + 8 * q->id, q->tail);
}

static bool has_completion(const Nvme *n, const Queue *q)
{
    return (qtest_readw(n->qt, q->cq + q->head * 16 + 14) & 1) == q->phase;
}

/* The status of the next completion; *@result may be NULL. */
static unsigned next_completion(Nvme *n, Queue *q, uint32_t *result, uint16_t *cid)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000LL;
    uint32_t at = q->cq + q->head * 16;

    while (!has_completion(n, q)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_cmpuint(qtest_readw(n->qt, at + 10), ==, q->id);
    if (result) {
        *result = qtest_readl(n->qt, at);
    }
    *cid = qtest_readw(n->qt, at + 12);
    unsigned status = qtest_readw(n->qt, at + 14) >> 1;
    q->head = (q->head + 1) % ENTRIES;
    q->phase ^= !q->head;
    set(n, BELLS + 8 * q->id + 4, q->head);
    return status;
}

static unsigned run(Nvme *n, Queue *q, Command c, uint32_t *result)
{
    uint16_t cid;

    submit(n, q, &c);
    unsigned status = next_completion(n, q, result, &cid);
    g_assert_cmpuint(cid, ==, n->cid);
    return status;
}

static unsigned admin(Nvme *n, Command c)
{
    return run(n, &n->admin, c, NULL);
}

static unsigned io(Nvme *n, Command c)
{
    return run(n, &n->io, c, NULL);
}

/* ---- machines ---- */

static void enable_function(Nvme *n)
{
    qpci_write(n->qt, DEVFN, 0x10, 4, BAR);
    qpci_write(n->qt, DEVFN, 0x14, 4, 0);
    qpci_write(n->qt, DEVFN, 0x18, 4, CMB);
    qpci_write(n->qt, DEVFN, 0x1c, 4, 0);
    qpci_write(n->qt, DEVFN, 0x20, 4, VECTORS);
    qpci_write(n->qt, DEVFN, 4, 2, 7);
}

static void enable(Nvme *n)
{
    set(n, AQA, (ENTRIES - 1) << 16 | (ENTRIES - 1));
    set(n, ASQ_AT, ASQ);
    set(n, ACQ_AT, ACQ);
    qtest_memset(n->qt, ACQ, 0, PAGE);
    set(n, CC, ENABLE);
    g_assert_cmphex(get(n, CSTS), ==, RDY);
    n->admin = (Queue){ .sq = ASQ, .cq = ACQ, .phase = true };
}

static void make_queues(Nvme *n)
{
    qtest_memset(n->qt, CQ, 0, PAGE);
    g_assert_cmphex(
        admin(n, (Command){ CREATE_CQ, .cdw10 = (ENTRIES - 1) << 16 | 1, .cdw11 = 3, .prp1 = CQ }),
        ==, 0);
    g_assert_cmphex(admin(n, (Command){ CREATE_SQ, .cdw10 = (ENTRIES - 1) << 16 | 1,
                                        .cdw11 = 1 << 16 | 1, .prp1 = SQ }),
                    ==, 0);
    n->io = (Queue){ .id = 1, .sq = SQ, .cq = CQ, .phase = true };
}

static void start_with(Nvme *n, const char *drive, const char *options)
{
    *n = (Nvme){ .path = disk_make_image("nvme") };
    n->qt = qtest_start("-m 64 -drive if=none,id=d0,format=raw,file=%s%s%s -device "
                        "nvme,id=n0,addr=4,serial=abc,drive=d0%s",
                        drive, n->path, "", options);
    enable_function(n);
}

static void start(Nvme *n)
{
    start_with(n, "", "");
    enable(n);
    make_queues(n);
}

static void quit(Nvme *n)
{
    qtest_quit(n->qt);
    unlink(n->path);
    g_free(n->path);
}

/* ---- registers and admin commands ---- */

static void test_registers(void)
{
    Nvme n;

    start_with(&n, "", "");
    g_assert_cmphex(qpci_read(n.qt, DEVFN, 0, 4), ==, 0x00101b36);
    g_assert_cmphex(qpci_read(n.qt, DEVFN, 8, 4), ==, 0x01080202);
    g_assert_cmphex(qtest_readq(n.qt, BAR), ==, get(&n, CAP) | (uint64_t)get(&n, CAP + 4) << 32);
    g_assert_cmphex(get(&n, CAP) & 0xffff, ==, 2047);
    g_assert_cmphex(get(&n, VS), ==, 0x10400);
    g_assert_cmphex(qtest_readw(n.qt, BAR + VS + 2), ==, 1);
    /* Queues that there cannot be. */
    set(&n, CC, ENABLE);
    g_assert_cmphex(get(&n, CSTS), ==, CFS);
    set(&n, CC, 0);
    g_assert_cmphex(get(&n, CSTS), ==, 0);
    set(&n, AQA, 7 << 16 | 7);
    set(&n, ASQ_AT, ASQ + 8);
    set(&n, CC, ENABLE);
    g_assert_cmphex(get(&n, CSTS), ==, CFS);
    set(&n, CC, 0);
    enable(&n);
    set(&n, CC, ENABLE | 1 << 14); /* shut down: what was written is on the disk */
    while ((get(&n, CSTS) >> 2 & 3) != 2) {
    }
    set(&n, CC, 0);
    g_assert_cmphex(get(&n, CSTS) & RDY, ==, 0);
    quit(&n);
}

static void test_identify(void)
{
    char text[41] = "";
    uint32_t result;
    Nvme n;

    start(&n);
    g_assert_cmphex(admin(&n, (Command){ IDENTIFY, .cdw10 = 1, .prp1 = DATA }), ==, 0);
    qtest_memread(n.qt, DATA + 4, text, 20);
    g_assert_cmpstr(g_strchomp(text), ==, "abc");
    g_assert_cmphex(qtest_readb(n.qt, DATA + 77), ==, 7);
    g_assert_cmphex(admin(&n, (Command){ IDENTIFY, .nsid = 1, .prp1 = DATA }), ==, 0);
    g_assert_cmpuint(qtest_readq(n.qt, DATA), ==, SECTORS);
    g_assert_cmpuint(qtest_readb(n.qt, DATA + 130), ==, 9);
    g_assert_cmphex(admin(&n, (Command){ IDENTIFY, .cdw10 = 2, .prp1 = DATA }), ==, 0);
    g_assert_cmpuint(qtest_readq(n.qt, DATA), ==, 1);
    g_assert_cmphex(admin(&n, (Command){ IDENTIFY, .nsid = 9, .cdw10 = 3, .prp1 = DATA }), ==,
                    DNR | 0xb);
    g_assert_cmphex(admin(&n, (Command){ IDENTIFY, .cdw10 = 0x77, .prp1 = DATA }), ==, DNR | 2);
    g_assert_cmphex(admin(&n, (Command){ 0x7f }), ==, DNR | 1);
    /* The data in two pages. */
    g_assert_cmphex(
        admin(&n, (Command){ IDENTIFY, .cdw10 = 1, .prp1 = DATA + 0x800, .prp2 = DATA + 2 * PAGE }),
        ==, 0);
    qtest_memread(n.qt, DATA + 0x800 + 4, text, 3);
    g_assert_cmpstr(text, ==, "abc");
    g_assert_cmphex(
        admin(&n, (Command){ IDENTIFY, .cdw10 = 1, .prp1 = DATA + 0x800, .prp2 = DATA + 8 }), ==,
        DNR | 0x13);
    g_assert_cmphex(admin(&n, (Command){ IDENTIFY, .cdw10 = 1, .prp1 = BAR }), ==,
                    4); /* no memory */
    /* Logs. */
    g_assert_cmphex(admin(&n, (Command){ LOG, .cdw10 = 127 << 16 | 2, .prp1 = DATA }), ==, 0);
    g_assert_cmphex(qtest_readw(n.qt, DATA + 1), ==, 323);
    g_assert_cmphex(admin(&n, (Command){ LOG, .cdw10 = 0x55, .prp1 = DATA }), ==, DNR | 0x109);
    /* Features. */
    g_assert_cmphex(run(&n, &n.admin, (Command){ GET, .cdw10 = 6 }, &result), ==, 0);
    g_assert_cmphex(result, ==, 1);
    g_assert_cmphex(admin(&n, (Command){ SET, .cdw10 = 6, .cdw11 = 0 }), ==, 0);
    g_assert_cmphex(run(&n, &n.admin, (Command){ GET, .cdw10 = 6 }, &result), ==, 0);
    g_assert_cmphex(result, ==, 0);
    g_assert_cmphex(admin(&n, (Command){ SET, .cdw10 = 7, .cdw11 = 3 << 16 | 3 }), ==, DNR | 0xc);
    g_assert_cmphex(admin(&n, (Command){ SET, .cdw10 = 2, .cdw11 = 1 }), ==, DNR | 0x10e);
    g_assert_cmphex(admin(&n, (Command){ GET, .cdw10 = 0x77 }), ==, DNR | 2);
    g_assert_cmphex(run(&n, &n.admin, (Command){ ABORT, .cdw10 = 1 }, &result), ==, 0);
    g_assert_cmphex(result, ==, 1);
    quit(&n);
}

static void check_queues(const char *options)
{
    const uint32_t size = (ENTRIES - 1) << 16;
    Nvme n;

    start_with(&n, "", options);
    enable(&n);
    g_assert_cmphex(
        admin(&n, (Command){ CREATE_SQ, .cdw10 = size | 1, .cdw11 = 1 << 16 | 1, .prp1 = SQ }), ==,
        DNR | 0x100);
    g_assert_cmphex(admin(&n, (Command){ CREATE_CQ, .cdw10 = size | 3, .cdw11 = 1, .prp1 = CQ }),
                    ==, DNR | 0x101);
    g_assert_cmphex(admin(&n, (Command){ CREATE_CQ, .cdw10 = 1, .cdw11 = 1, .prp1 = CQ }), ==,
                    DNR | 0x102);
    g_assert_cmphex(
        admin(&n, (Command){ CREATE_CQ, .cdw10 = 0x8000u << 16 | 1, .cdw11 = 1, .prp1 = CQ }), ==,
        DNR | 0x102);
    g_assert_cmphex(admin(&n, (Command){ CREATE_CQ, .cdw10 = size | 1, .cdw11 = 0, .prp1 = CQ }),
                    ==, DNR | 2);
    g_assert_cmphex(
        admin(&n, (Command){ CREATE_CQ, .cdw10 = size | 1, .cdw11 = 1, .prp1 = CQ + 64 }), ==,
        DNR | 0x13);
    g_assert_cmphex(
        admin(&n, (Command){ CREATE_CQ, .cdw10 = size | 1, .cdw11 = 3 << 16 | 3, .prp1 = CQ }), ==,
        DNR | 0x108);
    make_queues(&n);
    g_assert_cmphex(admin(&n, (Command){ CREATE_CQ, .cdw10 = size | 1, .cdw11 = 1, .prp1 = CQ }),
                    ==, DNR | 0x101);
    g_assert_cmphex(admin(&n, (Command){ DELETE_CQ, .cdw10 = 1 }), ==, DNR | 0x10c);
    g_assert_cmphex(io(&n, (Command){ READ, .nsid = 1, .prp1 = DATA }), ==, 0);
    g_assert_cmphex(admin(&n, (Command){ DELETE_SQ, .cdw10 = 1 }), ==, 0);
    g_assert_cmphex(admin(&n, (Command){ DELETE_CQ, .cdw10 = 1 }), ==, 0);
    g_assert_cmphex(admin(&n, (Command){ DELETE_SQ, .cdw10 = 1 }), ==, DNR | 0x101);
    make_queues(&n);
    g_assert_cmphex(io(&n, (Command){ READ, .nsid = 1, .prp1 = DATA }), ==, 0);
    quit(&n);
}

static void test_queues(void)
{
    check_queues(",max_ioqpairs=2,msix_qsize=3");
    check_queues(",num_queues=3,msix_qsize=3");
}

/* ---- reading and writing ---- */

/* What a command may have of data. */
static void test_most(void)
{
    for (unsigned i = 0; i < 2; i++) {
        Nvme n;

        start_with(&n, "", i ? ",mdts=0" : ",mdts=3");
        enable(&n);
        make_queues(&n);
        for (unsigned page = 0; page < 16; page++) {
            qtest_writeq(n.qt, LIST + 8 * page, DATA + (1 + page) * PAGE);
        }
        g_assert_cmphex(
            io(&n, (Command){ READ, .nsid = 1, .cdw12 = SECTORS - 1, .prp1 = DATA, .prp2 = LIST }),
            ==, i ? 0 : DNR | 2);
        quit(&n);
    }
}

static void test_data(void)
{
    Nvme n;

    start(&n);
    g_assert_cmphex(io(&n, (Command){ READ, .nsid = 1, .cdw10 = 9, .cdw12 = 1, .prp1 = DATA }), ==,
                    0);
    g_assert_cmpuint(qtest_readb(n.qt, DATA + 511), ==, 10);
    g_assert_cmpuint(qtest_readb(n.qt, DATA + 512), ==, 11);
    /* All of it: pages by a list, which begins in the last entry of a page and goes on in the next.
     */
    qtest_writeq(n.qt, LIST + PAGE - 8, LIST + PAGE);
    for (unsigned i = 0; i < 16; i++) {
        qtest_writeq(n.qt, LIST + PAGE + 8 * i, DATA + (3 + 2 * i) * PAGE);
    }
    g_assert_cmphex(io(&n, (Command){ READ, .nsid = 1, .cdw12 = SECTORS - 1, .prp1 = DATA + 512,
                                      .prp2 = LIST + PAGE - 8 }),
                    ==, 0);
    g_assert_cmpuint(qtest_readb(n.qt, DATA + 512), ==, 1);
    g_assert_cmpuint(qtest_readb(n.qt, DATA + PAGE - 1), ==, 7);
    g_assert_cmpuint(qtest_readb(n.qt, DATA + 3 * PAGE), ==, 8);
    g_assert_cmpuint(qtest_readb(n.qt, DATA + 5 * PAGE), ==, 16);
    g_assert_cmpuint(qtest_readb(n.qt, DATA + (3 + 2 * 15) * PAGE + 511), ==, 128);
    qtest_memset(n.qt, DATA, 0xd7, 1024);
    g_assert_cmphex(
        io(&n, (Command){ WRITE, .nsid = 1, .cdw10 = 20, .cdw12 = 1 | 1 << 30, .prp1 = DATA }), ==,
        0);
    disk_assert_image(n.path, 20, 0xd7);
    disk_assert_image(n.path, 21, 0xd7);
    disk_assert_image(n.path, 22, 23);
    g_assert_cmphex(io(&n, (Command){ ZEROES, .nsid = 1, .cdw10 = 21, .cdw12 = 1 }), ==, 0);
    g_assert_cmphex(io(&n, (Command){ NVM_FLUSH, .nsid = 1 }), ==, 0);
    g_assert_cmphex(io(&n, (Command){ NVM_FLUSH, .nsid = UINT32_MAX }), ==, 0);
    disk_assert_image(n.path, 20, 0xd7);
    disk_assert_image(n.path, 21, 0);
    disk_assert_image(n.path, 22, 0);
    disk_assert_image(n.path, 23, 24);
    /* Ranges to deallocate. */
    qtest_memset(n.qt, DATA, 0, 32);
    qtest_writel(n.qt, DATA + 4, 2);
    qtest_writeq(n.qt, DATA + 8, 30);
    qtest_writel(n.qt, DATA + 20, 1);
    qtest_writeq(n.qt, DATA + 24, 127);
    g_assert_cmphex(io(&n, (Command){ DATASET, .nsid = 1, .cdw10 = 1, .cdw11 = 4, .prp1 = DATA }),
                    ==, 0);
    qtest_writel(n.qt, DATA + 20, 2);
    g_assert_cmphex(io(&n, (Command){ DATASET, .nsid = 1, .cdw10 = 1, .cdw11 = 4, .prp1 = DATA }),
                    ==, DNR | 0x80);
    quit(&n);
}

static void test_refused(void)
{
    Nvme n;

    start(&n);
    g_assert_cmphex(io(&n, (Command){ READ, .nsid = 1, .cdw10 = SECTORS, .prp1 = DATA }), ==,
                    DNR | 0x80);
    g_assert_cmphex(
        io(&n, (Command){ READ, .nsid = 1, .cdw10 = SECTORS - 1, .cdw12 = 1, .prp1 = DATA }), ==,
        DNR | 0x80);
    g_assert_cmphex(
        io(&n, (Command){ WRITE, .nsid = 1, .cdw10 = 1, .cdw11 = UINT32_MAX, .prp1 = DATA }), ==,
        DNR | 0x80);
    g_assert_cmphex(io(&n, (Command){ READ, .nsid = 2, .prp1 = DATA }), ==, DNR | 0xb);
    g_assert_cmphex(io(&n, (Command){ READ, .nsid = UINT32_MAX, .prp1 = DATA }), ==, DNR | 0xb);
    g_assert_cmphex(io(&n, (Command){ 0x42, .nsid = 1 }), ==, DNR | 1);
    g_assert_cmphex(io(&n, (Command){ READ, .nsid = 1, .prp1 = DATA + 1 }), ==, DNR | 0x13);
    g_assert_cmphex(
        io(&n, (Command){ READ, .nsid = 1, .cdw12 = 63, .prp1 = DATA, .prp2 = LIST + 4 }), ==,
        DNR | 0x13);
    g_assert_cmphex(
        io(&n, (Command){ READ, .nsid = 1, .cdw12 = 63, .prp1 = DATA, .prp2 = 0xfffffffffffff000 }),
        ==, 4);
    g_assert_cmphex(io(&n, (Command){ READ, .nsid = 1, .prp1 = BAR }), ==, 4);
    g_assert_cmphex(io(&n, (Command){ WRITE, .nsid = 1, .prp1 = 0x8000000000 }), ==, 4);
    /* A list that leads to itself ends with the data. */
    qtest_writeq(n.qt, LIST + PAGE - 8, LIST + PAGE - 8);
    g_assert_cmphex(
        io(&n, (Command){ READ, .nsid = 1, .cdw12 = 63, .prp1 = DATA, .prp2 = LIST + PAGE - 8 }),
        !=, 0);
    /* Doorbells of no queues, and beyond them. */
    set(&n, BELLS + 8 * 40, 1);
    set(&n, BELLS + 8, ENTRIES);
    set(&n, BELLS + 12, 0xffffffff);
    g_assert_cmphex(get(&n, CSTS), ==, RDY);
    g_assert_cmphex(io(&n, (Command){ READ, .nsid = 1, .prp1 = DATA }), ==, 0);
    quit(&n);
    start_with(&n, "", "");
    /* Queues that are no memory: the controller says so, and a reset makes it whole. */
    set(&n, AQA, 7 << 16 | 7);
    set(&n, ASQ_AT, BAR);
    set(&n, ACQ_AT, ACQ);
    set(&n, CC, ENABLE);
    set(&n, BELLS, 1);
    g_assert_cmphex(get(&n, CSTS), ==, RDY | CFS);
    set(&n, CC, 0);
    enable(&n);
    g_assert_cmphex(admin(&n, (Command){ IDENTIFY, .cdw10 = 1, .prp1 = DATA }), ==, 0);
    quit(&n);
}

/* More commands than there is room for completions wait in their queue. */
static void test_full(void)
{
    Queue *q;
    Nvme n;
    uint16_t cid;

    start(&n);
    q = &n.io;
    for (unsigned i = 0; i < ENTRIES - 1; i++) {
        submit(&n, q, &(Command){ READ, .nsid = 1, .cdw10 = i, .prp1 = DATA + i * PAGE });
    }
    for (unsigned i = 0; i < 3; i++) { /* while no completion is taken */
        gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000LL;

        while ((qtest_readw(n.qt, q->cq + (ENTRIES - 2) * 16 + 14) & 1) != q->phase) {
            g_assert_cmpint(g_get_monotonic_time(), <, end);
        }
        submit(&n, q, &(Command){ READ, .nsid = 1, .cdw10 = 50 + i, .prp1 = DATA });
    }
    g_assert_cmphex(qtest_readw(n.qt, q->cq + (ENTRIES - 1) * 16 + 14), ==, 0);
    for (unsigned i = 0; i < ENTRIES - 1 + 3; i++) {
        g_assert_cmphex(next_completion(&n, q, NULL, &cid), ==, 0);
    }
    g_assert_false(has_completion(&n, q));
    quit(&n);
}

/* ---- interrupts and events ---- */

/* So many commands are under way that the one which ends their queue has to wait for some: it waits
 * for the others then. */
static void test_end_of_many(void)
{
    enum { MANY = 512, COMMANDS = 300, MANY_SQ = 0x400000, MANY_CQ = 0x500000 };
    uint16_t cid;
    Nvme n;

    n = (Nvme){ .path = disk_make_image("nvme") };
    n.qt = qtest_start("-m 64 -blockdev null-co,node-name=d0,size=1048576,latency-ns=50000000"
                       " -device nvme,id=n0,addr=4,serial=abc,drive=d0");
    enable_function(&n);
    enable(&n);
    g_assert_cmphex(admin(&n, (Command){ CREATE_CQ, .cdw10 = (MANY - 1) << 16 | 2, .cdw11 = 1,
                                         .prp1 = MANY_CQ }),
                    ==, 0);
    g_assert_cmphex(admin(&n, (Command){ CREATE_SQ, .cdw10 = (MANY - 1) << 16 | 2,
                                         .cdw11 = 2 << 16 | 1, .prp1 = MANY_SQ }),
                    ==, 0);
    for (uint32_t i = 0; i < COMMANDS; i++) {
        qtest_writel(n.qt, MANY_SQ + i * 64, READ | i << 16);
        qtest_writel(n.qt, MANY_SQ + i * 64 + 4, 1);
        qtest_writeq(n.qt, MANY_SQ + i * 64 + 24, DATA);
    }
    set(&n, BELLS + 16, COMMANDS);
    submit(&n, &n.admin, &(Command){ DELETE_SQ, .cdw10 = 2 });
    g_assert_cmphex(next_completion(&n, &n.admin, NULL, &cid), ==, 0);
    quit(&n);
}

static void test_interrupts(void)
{
    uint16_t cid;
    Nvme n;

    start(&n);
    g_assert_false(interrupted(&n));
    submit(&n, &n.admin, &(Command){ GET, .cdw10 = 6 });
    g_assert_true(interrupted(&n));
    set(&n, INTMS, 1);
    g_assert_false(interrupted(&n));
    set(&n, INTMC, 1);
    g_assert_true(interrupted(&n));
    next_completion(&n, &n.admin, NULL, &cid);
    g_assert_false(interrupted(&n));
    quit(&n);
}

static void test_events(void)
{
    uint16_t asked, cid;
    uint32_t result;
    Nvme n;

    start(&n);
    g_assert_cmphex(admin(&n, (Command){ SET, .cdw10 = 0xb, .cdw11 = 1 << 8 }), ==, 0);
    for (unsigned i = 0; i < 4; i++) {
        submit(&n, &n.admin, &(Command){ EVENT });
    }
    asked = (uint16_t)(n.cid - 3);
    g_assert_cmphex(admin(&n, (Command){ EVENT }), ==, DNR | 0x105);
    set(&n, BELLS + 8, ENTRIES); /* no place of the queue */
    g_assert_cmphex(next_completion(&n, &n.admin, &result, &cid), ==, 0);
    g_assert_cmpuint(cid, ==, asked);
    g_assert_cmphex(result, ==, 1 << 16 | 1 << 8);
    qtest_qmp_ok(n.qt, "block_resize", "{'device': 'd0', 'size': 131072}");
    g_assert_cmphex(next_completion(&n, &n.admin, &result, &cid), ==, 0);
    g_assert_cmphex(result, ==, 4 << 16 | 2);
    qtest_qmp_ok(n.qt, "block_resize", "{'device': 'd0', 'size': 262144}");
    g_assert_false(has_completion(&n, &n.admin)); /* it knows that it has to look */
    g_assert_cmphex(admin(&n, (Command){ LOG, .cdw10 = 1023 << 16 | 4, .prp1 = DATA }), ==, 0);
    g_assert_cmphex(qtest_readq(n.qt, DATA), ==, 1);
    g_assert_cmphex(next_completion(&n, &n.admin, &result, &cid), ==, 0);
    g_assert_cmphex(admin(&n, (Command){ IDENTIFY, .nsid = 1, .prp1 = DATA }), ==, 0);
    g_assert_cmpuint(qtest_readq(n.qt, DATA), ==, 512);
    quit(&n);
}

/* ---- namespaces, the memory buffer ---- */

static void test_namespaces(void)
{
    Nvme n = { .path = disk_make_image("nvme") };

    n.qt = qtest_start("-m 64 -drive if=none,id=d0,format=raw,file=%s,readonly=on -drive "
                       "if=none,id=d1,format=raw,file.driver=null-co,file.size=1M -device "
                       "nvme,id=n0,addr=4,serial=abc -device nvme-ns,bus=n0,drive=d1,nsid=7,"
                       "logical_block_size=4096,uuid=00112233-4455-6677-8899-aabbccddeeff "
                       "-device nvme-ns,drive=d0",
                       n.path);
    enable_function(&n);
    enable(&n);
    make_queues(&n);
    g_assert_cmphex(admin(&n, (Command){ IDENTIFY, .cdw10 = 2, .prp1 = DATA }), ==, 0);
    g_assert_cmphex(qtest_readq(n.qt, DATA), ==, UINT64_C(7) << 32 | 1);
    g_assert_cmphex(admin(&n, (Command){ IDENTIFY, .nsid = 7, .prp1 = DATA }), ==, 0);
    g_assert_cmpuint(qtest_readq(n.qt, DATA), ==, 256);
    g_assert_cmpuint(qtest_readb(n.qt, DATA + 130), ==, 12);
    g_assert_cmphex(admin(&n, (Command){ IDENTIFY, .nsid = 7, .cdw10 = 3, .prp1 = DATA }), ==, 0);
    g_assert_cmphex(qtest_readl(n.qt, DATA), ==, 16 << 8 | 3);
    g_assert_cmphex(qtest_readl(n.qt, DATA + 4), ==, 0x33221100);
    g_assert_cmphex(io(&n, (Command){ READ, .nsid = 1, .cdw10 = 5, .prp1 = DATA }), ==, 0);
    g_assert_cmpuint(qtest_readb(n.qt, DATA), ==, 6);
    g_assert_cmphex(io(&n, (Command){ WRITE, .nsid = 1, .cdw10 = 5, .prp1 = DATA }), ==,
                    DNR | 0x20);
    g_assert_cmphex(io(&n, (Command){ READ, .nsid = 7, .cdw10 = 255, .prp1 = DATA }), ==, 0);
    g_assert_cmphex(io(&n, (Command){ NVM_FLUSH, .nsid = UINT32_MAX }), ==, 0);
    quit(&n);
}

static void test_buffer(void)
{
    Nvme n;

    start_with(&n, "", ",cmb_size_mb=2");
    g_assert_cmphex(get(&n, CMBSZ), ==, 0);
    set(&n, CMBMSC, 1);
    g_assert_cmphex(get(&n, CMBLOC), ==, 2);
    g_assert_cmphex(get(&n, CMBSZ), ==, 2 << 12 | 2 << 8 | 0x1f);
    enable(&n);
    make_queues(&n);
    g_assert_cmphex(
        io(&n, (Command){ READ, .nsid = 1, .cdw10 = 3, .prp1 = CMB + 2 * 0x100000 - PAGE }), ==, 0);
    g_assert_cmphex(qtest_readb(n.qt, CMB + 2 * 0x100000 - PAGE), ==, 4);
    quit(&n);
}

/* ---- errors of the host, and saved machines ---- */

/* Sector 6 fails once, and the machine stops; the command is done when it goes on, here or where it
 * was moved. */
static void test_stop(void)
{
    for (unsigned i = 0; i < 4; i++) {
        bool write = i & 1, move = i & 2;
        Nvme n = { .path = disk_make_image("nvme") };
        g_autofree char *rules = disk_make_rules("nvme", write, true), *file = NULL;
        uint16_t cid;

        n.qt = qtest_start("-m 64 -drive if=none,id=d0,format=raw,file=blkdebug:%s:%s,rerror=stop,"
                           "werror=stop -device nvme,id=n0,addr=4,serial=abc,drive=d0",
                           rules, n.path);
        unlink(rules);
        enable_function(&n);
        enable(&n);
        make_queues(&n);
        qtest_memset(n.qt, DATA, 0xd7, SECTOR);
        submit(&n, &n.io, &(Command){ write ? WRITE : READ, .nsid = 1, .cdw10 = 6, .prp1 = DATA });
        json_object_put(qtest_event(n.qt, "STOP"));
        qtest_assert_state(n.qt, "io-error");
        g_assert_false(has_completion(&n, &n.io));
        if (move) {
            file = g_strdup_printf("%s.state", n.path);
            qtest_save(n.qt, file);
            qtest_quit(n.qt);
            n.qt = qtest_start("-m 64 -drive if=none,id=d0,format=raw,file=%s -device "
                               "nvme,id=n0,addr=4,serial=abc,drive=d0 -incoming file:%s",
                               n.path, file);
            qtest_wait_loaded(n.qt);
        }
        qtest_qmp_ok(n.qt, "cont", "{}");
        g_assert_cmphex(next_completion(&n, &n.io, NULL, &cid), ==, 0);
        g_assert_cmphex(qtest_readb(n.qt, DATA), ==, write ? 0xd7 : 7);
        g_assert_cmphex(io(&n, (Command){ NVM_FLUSH, .nsid = 1 }), ==, 0);
        disk_assert_image(n.path, 6, write ? 0xd7 : 7);
        if (file) {
            unlink(file);
        }
        quit(&n);
    }
}

/* A controller comes and goes, with a command under way. */
static void test_plug(void)
{
    Nvme n = { .path = disk_make_image("nvme") };

    n.qt = qtest_start("-m 64 -drive if=none,id=d0,format=raw,file=%s", n.path);
    for (unsigned i = 0; i < 3; i++) {
        qtest_qmp_ok(n.qt, "device_add",
                     "{'driver': 'nvme', 'id': 'n0', 'addr': '4', 'serial': 'x', 'drive': 'd0'}");
        enable_function(&n);
        enable(&n);
        make_queues(&n);
        g_assert_cmphex(io(&n, (Command){ READ, .nsid = 1, .cdw10 = 9, .prp1 = DATA }), ==, 0);
        submit(&n, &n.io,
               &(Command){ READ, .nsid = 1, .cdw12 = SECTORS - 1, .prp1 = DATA, .prp2 = LIST });
        qtest_qmp_ok(n.qt, "device_del", "{'id': 'n0'}");
        qtest_outl(n.qt, 0xae08, 1u << (DEVFN >> 3));
        json_object_put(qtest_event_with(n.qt, "DEVICE_DELETED", "device", "n0"));
        if (i < 2) { /* its drive is gone with it */
            qtest_qmp_ok(
                n.qt, "human-monitor-command",
                "{'command-line': 'drive_add 0 if=none,id=d0,format=raw,file.driver=null-co'}");
        }
    }
    quit(&n);
}

static const QTestRefused refused[] = {
    { "-device nvme", "serial=" },
    { "-device nvme,serial=123456789012345678901", "20 characters" },
    { "-device nvme,serial=x,max_ioqpairs=65", "64" },
    { "-device nvme,serial=x,msix_qsize=0", "MSI-X" },
    { "-device nvme,serial=x,mdts=11", "mdts=11" },
    { "-device nvme,serial=x,num_queues=1", "max_ioqpairs" },
    { "-device nvme,serial=x,cmb_size_mb=3", "power of two" },
    { "-device nvme-ns", "nvme-bus" },
    { "-device nvme,serial=x -device nvme-ns", "drive=" },
    { "-device nvme,serial=x -blockdev null-co,node-name=a -device nvme-ns,drive=a,nsid=257",
      "1 to 256" },
    { "-device nvme,serial=x -blockdev null-co,node-name=a -device nvme-ns,drive=a,uuid=1",
      "8-4-4-4-12" },
    { "-blockdev null-co,node-name=b -device nvme,serial=x,drive=b -blockdev null-co,node-name=a "
      "-device nvme-ns,drive=a,nsid=1",
      "already" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nvme/registers", test_registers);
    g_test_add_func("/nvme/identify", test_identify);
    g_test_add_func("/nvme/queues", test_queues);
    g_test_add_func("/nvme/data", test_data);
    g_test_add_func("/nvme/most", test_most);
    g_test_add_func("/nvme/refused", test_refused);
    g_test_add_func("/nvme/full", test_full);
    g_test_add_func("/nvme/end-of-many", test_end_of_many);
    g_test_add_func("/nvme/interrupts", test_interrupts);
    g_test_add_func("/nvme/events", test_events);
    g_test_add_func("/nvme/namespaces", test_namespaces);
    g_test_add_func("/nvme/buffer", test_buffer);
    g_test_add_func("/nvme/stop", test_stop);
    g_test_add_func("/nvme/plug", test_plug);
    qtest_add_refused("/nvme/command-line", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
