/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's program whose asynchronous I/O lies in the memory of NUMA node 1:
 *   asyncio aio DISK: the rings of Linux' asynchronous I/O, and the buffers
 *   asyncio uring DISK: buffers that are registered with an io_uring
 * It writes blocks to the disk, past the page cache, and reads them back, until there is a file
 * /tmp/stop. It prints where in physical memory its pages are at the start and at the end ("at
 * 0x140000000 ..."), and touches the file /tmp/wrong if a block or an event is not what it must be.
 * Each round adds a byte to /tmp/rounds. `aio` has a second ring with events that have come before
 * the start is printed and are taken only at the end.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE       4096
#define LARGE_PAGE (2ul << 20)
#define BLOCKS     8
#define NODE       1
/* Ring pages that are looked at; a ring of 128 events has two. */
#define RING_PAGES  2
#define RING_EVENTS 128

/* A disk's file descriptor, and a page for each block. */
static int disk;
static char (*pages)[PAGE];
static int rounds_file;

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        close(open("/tmp/wrong", O_CREAT | O_WRONLY, 0600));
        exit(1);
    }
}

static void policy(int mode)
{
    unsigned long nodes = 1ul << NODE;

    must(syscall(SYS_set_mempolicy, mode, mode == MPOL_DEFAULT ? NULL : &nodes, 64ul) == 0,
         "set_mempolicy");
}

/* Until there is memory of node 1. */
static void wait_for_node(void)
{
    unsigned long nodes = 1ul << NODE;

    printf("waits\n");
    fflush(stdout);
    while (syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 64ul) != 0) {
        must(errno == EINVAL, "set_mempolicy");
        usleep(10000);
    }
    policy(MPOL_DEFAULT);
}

/* Print where @count pages from @start on are. */
static void print_pages(const void *start, unsigned count)
{
    int map = open("/proc/self/pagemap", O_RDONLY);

    must(map >= 0, "pagemap");
    for (unsigned i = 0; i < count; i++) {
        uint64_t entry;
        off_t at = ((uintptr_t)start / PAGE + i) * sizeof entry;

        must(pread(map, &entry, sizeof entry, at) == sizeof entry && entry >> 63,
             "a page that is there");
        printf(" 0x%" PRIx64, (entry & ((UINT64_C(1) << 55) - 1)) * PAGE);
    }
    close(map);
}

/* Pages of node 1. Nothing else is: page tables, which cannot be moved, come with a first page that
 * is left alone. */
static void *bound_pages(unsigned count)
{
    char *memory =
        mmap(NULL, 2 * LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    must(memory != MAP_FAILED, "mmap");
    madvise(memory, 2 * LARGE_PAGE,
            MADV_NOHUGEPAGE); /* there is no large page where that is an error */
    memory += -(uintptr_t)memory % LARGE_PAGE;
    memory[0] = 1;
    policy(MPOL_BIND);
    memset(memory + PAGE, 0, count * PAGE);
    policy(MPOL_DEFAULT);
    return memory + PAGE;
}

/* What block @block has after round @round. */
static void fill(char *page, unsigned block, unsigned round)
{
    uint32_t *words = (void *)page;

    for (unsigned i = 0; i < PAGE / sizeof *words; i++) {
        words[i] = (round * BLOCKS + block) * 2654435761u + i;
    }
}

static void check_blocks(unsigned round)
{
    char wanted[PAGE];

    for (unsigned block = 0; block < BLOCKS; block++) {
        fill(wanted, block, round);
        must(memcmp(pages[block], wanted, PAGE) == 0, "a block as it was written");
    }
}

/* ---- Linux' asynchronous I/O ---- */

static aio_context_t new_ring(void)
{
    aio_context_t ring = 0;

    must(syscall(SYS_io_setup, RING_EVENTS, &ring) == 0, "io_setup");
    return ring;
}

/* A ring whose pages are of node 1. What else the kernel needs for one it takes from what it has
 * used and freed before. */
static aio_context_t bound_ring(void)
{
    aio_context_t ring;

    policy(MPOL_BIND);
    ring = new_ring();
    policy(MPOL_DEFAULT);
    for (unsigned i = 0; i < RING_PAGES; i++) { /* the ring has its pages; now they are mapped */
        (void)*(volatile char *)(ring + i * PAGE);
    }
    return ring;
}

static void use_and_free_rings(void)
{
    aio_context_t rings[16];

    for (unsigned i = 0; i < 16; i++) {
        rings[i] = new_ring();
    }
    for (unsigned i = 0; i < 16; i++) {
        syscall(SYS_io_destroy, rings[i]);
    }
}

/* A request for each block, whose event @notify (or -1) counts. */
static void aio_submit(aio_context_t ring, unsigned opcode, int notify)
{
    struct iocb requests[BLOCKS] = {};
    struct iocb *list[BLOCKS];

    for (unsigned block = 0; block < BLOCKS; block++) {
        requests[block] = (struct iocb){
            .aio_data = block + 1,
            .aio_lio_opcode = opcode,
            .aio_fildes = disk,
            .aio_buf = (uintptr_t)pages[block],
            .aio_nbytes = PAGE,
            .aio_offset = block * PAGE,
            .aio_flags = notify >= 0 ? IOCB_FLAG_RESFD : 0,
            .aio_resfd = notify >= 0 ? notify : 0,
        };
        list[block] = &requests[block];
    }
    must(syscall(SYS_io_submit, ring, (long)BLOCKS, list) == BLOCKS, "io_submit");
}

/* Take an event of each block: no more, and no other ones. */
static void aio_take(aio_context_t ring)
{
    struct io_event events[BLOCKS + 1];
    struct timespec at_once = {};
    unsigned seen = 0;

    must(syscall(SYS_io_getevents, ring, (long)BLOCKS, (long)BLOCKS, events, NULL) == BLOCKS,
         "io_getevents");
    for (unsigned i = 0; i < BLOCKS; i++) {
        must(events[i].res == PAGE && events[i].res2 == 0, "a request that is done");
        must(events[i].data >= 1 && events[i].data <= BLOCKS, "an event of ours");
        seen |= 1u << events[i].data;
    }
    must(seen == ((1u << BLOCKS) - 1) << 1, "an event of each block");
    must(syscall(SYS_io_getevents, ring, 0l, 1l, events, &at_once) == 0, "no further event");
}

static void aio_transfer(aio_context_t ring, bool write)
{
    aio_submit(ring, write ? IOCB_CMD_PWRITE : IOCB_CMD_PREAD, -1);
    aio_take(ring);
}

/* ---- io_uring ---- */

struct Uring {
    int fd;
    /* The rings' places, as the kernel tells them. */
    struct io_uring_params params;
    char *sq, *cq;
    struct io_uring_sqe *sqes;
};

static uint32_t *word(char *ring, uint32_t offset)
{
    return (uint32_t *)(ring + offset);
}

static void uring_start(struct Uring *u)
{
    int protection = PROT_READ | PROT_WRITE;

    u->fd = syscall(SYS_io_uring_setup, BLOCKS, &u->params);
    must(u->fd >= 0, "io_uring_setup");
    u->sq = mmap(NULL, u->params.sq_off.array + u->params.sq_entries * 4, protection,
                 MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_SQ_RING);
    u->cq = mmap(NULL, u->params.cq_off.cqes + u->params.cq_entries * sizeof(struct io_uring_cqe),
                 protection, MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_CQ_RING);
    u->sqes = mmap(NULL, u->params.sq_entries * sizeof *u->sqes, protection,
                   MAP_SHARED | MAP_POPULATE, u->fd, IORING_OFF_SQES);
    must(u->sq != MAP_FAILED && u->cq != MAP_FAILED && u->sqes != MAP_FAILED, "mmap of rings");
}

static void uring_register(struct Uring *u)
{
    struct iovec registered = { .iov_base = pages, .iov_len = BLOCKS * PAGE };

    must(syscall(SYS_io_uring_register, u->fd, IORING_REGISTER_BUFFERS, &registered, 1) == 0,
         "registered buffers");
}

static void uring_transfer(struct Uring *u, bool write)
{
    uint32_t tail = *word(u->sq, u->params.sq_off.tail), head = *word(u->cq, u->params.cq_off.head);
    struct io_uring_cqe *cqes = (void *)(u->cq + u->params.cq_off.cqes);
    unsigned seen = 0;

    for (unsigned block = 0; block < BLOCKS; block++) {
        u->sqes[block] = (struct io_uring_sqe){
            .opcode = write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED,
            .fd = disk,
            .off = block * PAGE,
            .addr = (uintptr_t)pages[block],
            .len = PAGE,
            .user_data = block,
        };
        word(u->sq, u->params.sq_off.array)[(tail + block) & (u->params.sq_entries - 1)] = block;
    }
    /* Release: the kernel sees the requests once it sees the tail. */
    __atomic_store_n(word(u->sq, u->params.sq_off.tail), tail + BLOCKS, __ATOMIC_RELEASE);
    must(syscall(SYS_io_uring_enter, u->fd, BLOCKS, BLOCKS, IORING_ENTER_GETEVENTS, NULL, 0l) ==
             BLOCKS,
         "io_uring_enter");
    /* Acquire: the events before the tail are there. */
    must(__atomic_load_n(word(u->cq, u->params.cq_off.tail), __ATOMIC_ACQUIRE) == head + BLOCKS,
         "all events");
    for (unsigned i = 0; i < BLOCKS; i++) {
        const struct io_uring_cqe *event = &cqes[(head + i) & (u->params.cq_entries - 1)];

        must(event->res == PAGE, "a request that is done");
        seen |= 1u << event->user_data;
    }
    must(seen == (1u << BLOCKS) - 1, "an event of each block");
    __atomic_store_n(word(u->cq, u->params.cq_off.head), head + BLOCKS, __ATOMIC_RELEASE);
}

/* ---- both ---- */

static void one_round(unsigned round, aio_context_t ring, struct Uring *uring)
{
    for (unsigned block = 0; block < BLOCKS; block++) {
        fill(pages[block], block, round);
    }
    ring ? aio_transfer(ring, true) : uring_transfer(uring, true);
    memset(pages, 0, BLOCKS * PAGE);
    ring ? aio_transfer(ring, false) : uring_transfer(uring, false);
    check_blocks(round);
    must(write(rounds_file, ".", 1) == 1, "/tmp/rounds");
}

static void print_all(const char *when, aio_context_t busy, aio_context_t full)
{
    printf("%s at", when);
    print_pages(pages, BLOCKS);
    if (busy) {
        print_pages((void *)busy, RING_PAGES);
        print_pages((void *)full, RING_PAGES);
    }
    printf("\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    bool aio = argc == 3 && strcmp(argv[1], "aio") == 0;
    aio_context_t busy = 0, full = 0;
    struct Uring uring = {};
    unsigned round = 0;

    must(argc == 3, "usage: asyncio aio|uring DISK");
    disk = open(argv[2], O_RDWR | O_DIRECT);
    rounds_file = open("/tmp/rounds", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    must(disk >= 0 && rounds_file >= 0, "files");
    aio ? use_and_free_rings() : uring_start(&uring);
    wait_for_node();
    pages = bound_pages(BLOCKS);
    if (aio) {
        int came = eventfd(0, 0);
        uint64_t count = 0;

        busy = bound_ring();
        full = bound_ring();
        aio_submit(full, IOCB_CMD_PREAD, came);
        for (uint64_t more; count < BLOCKS; count += more) {
            must(read(came, &more, sizeof more) == sizeof more, "eventfd");
        }
    } else {
        uring_register(&uring);
    }
    print_all("begins", busy, full);
    do {
        one_round(++round, busy, &uring);
    } while (access("/tmp/stop", F_OK) != 0);
    print_all("ends", busy, full);
    if (aio) {
        aio_take(full);
    }
    return 0;
}
