/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's program that holds memory of a NUMA node in one of many ways:
 *   holder KIND MIB NODE START END [FILE]
 * It fills MIB mebibytes of node NODE, and prints "holds PAGES INSIDE FIRST": how many pages it
 * has, how many of them lie in the physical memory from START up to END, and where the first is.
 * Then it waits until there is a file /tmp/stop, checks that each page is as it was, and prints
 * "ends PAGES INSIDE FIRST". The status is 1 if one is not. Where the kernel has no such memory it
 * prints "skip: why". Some kinds report as well where their pages were before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <linux/mempolicy.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE       4096ul
#define LARGE_PAGE (2ul << 20)
/* Pages that are pinned: as many as a pipe takes. */
#define PINNED 16
/* Nodes that a kernel can have. */
#define NODES 1024
#define WORD  (8 * sizeof(unsigned long))

typedef struct Holder {
    size_t pages;
    unsigned node;
    uint64_t start, end; /* physical addresses */
    const char *file;
    char *memory; /* at a multiple of LARGE_PAGE */
    bool same;    /* all pages have the same contents */
    int fd;       /* of the file, or -1 */
} Holder;

static void skip(const char *why)
{
    printf("skip: %s: %s\n", why, strerror(errno));
    exit(1);
}

static void must(bool good, const char *what)
{
    if (!good) {
        perror(what);
        exit(1);
    }
}

static void policy(int mode, unsigned node)
{
    unsigned long nodes = 1ul << node;

    must(syscall(SYS_set_mempolicy, mode, mode == MPOL_DEFAULT ? NULL : &nodes, 64ul) == 0,
         "set_mempolicy");
}

/* ---- contents ---- */

static uint64_t word_of(const Holder *h, size_t page)
{
    return (h->same ? 1 : page + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void fill(Holder *h)
{
    for (size_t page = 0; page < h->pages; page++) {
        uint64_t *words = (void *)(h->memory + page * PAGE);

        for (size_t i = 0; i < PAGE / sizeof *words; i++) {
            words[i] = word_of(h, page);
        }
    }
}

static void check(const Holder *h)
{
    for (size_t page = 0; page < h->pages; page++) {
        const uint64_t *words = (void *)(h->memory + page * PAGE);

        for (size_t i = 0; i < PAGE / sizeof *words; i++) {
            if (words[i] != word_of(h, page)) {
                printf("page %zu word %zu is 0x%" PRIx64 "\n", page, i, words[i]);
                exit(1);
            }
        }
    }
}

/* Print where the pages are. */
static void report(const Holder *h, const char *when)
{
    int map = open("/proc/self/pagemap", O_RDONLY);
    size_t inside = 0, there = 0;
    uint64_t first = 0;

    must(map >= 0, "pagemap");
    for (size_t page = 0; h->memory && page < h->pages; page++) {
        uint64_t entry, at;

        must(pread(map, &entry, sizeof entry,
                   ((uintptr_t)h->memory / PAGE + page) * sizeof entry) == sizeof entry,
             "pagemap");
        at = (entry & ((UINT64_C(1) << 55) - 1)) * PAGE;
        first = page == 0 ? at : first;
        there += entry >> 63;
        inside += entry >> 63 && at >= h->start && at < h->end;
    }
    close(map);
    printf("%s %zu %zu 0x%" PRIx64 "\n", when, there, inside, first);
    fflush(stdout);
}

/* ---- kinds ---- */

/* Address space for the pages, without any. */
static void map(Holder *h, int advice)
{
    char *memory = mmap(NULL, h->pages * PAGE + LARGE_PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    must(memory != MAP_FAILED, "mmap");
    h->memory = memory + -(uintptr_t)memory % LARGE_PAGE;
    /* A kernel without large pages knows neither advice, and needs none of MADV_NOHUGEPAGE. */
    if (madvise(h->memory, h->pages * PAGE, advice) != 0 && advice == MADV_HUGEPAGE) {
        skip("madvise with MADV_HUGEPAGE");
    }
}

static void hold_anon(Holder *h)
{
    map(h, MADV_NOHUGEPAGE);
    fill(h);
}

static void hold_mlock(Holder *h)
{
    hold_anon(h);
    must(mlock(h->memory, h->pages * PAGE) == 0, "mlock");
}

static void migrate(unsigned from, unsigned to)
{
    unsigned long old = 1ul << from, new = 1ul << to;

    must(syscall(SYS_migrate_pages, 0, 64ul, &old, &new) == 0, "migrate_pages");
}

/* Memory that goes to node 0 and comes back. */
static void hold_migrate(Holder *h)
{
    hold_anon(h);
    report(h, "first");
    policy(MPOL_DEFAULT, 0);
    migrate(h->node, 0);
    report(h, "away");
    check(h);
    migrate(0, h->node);
}

/* The kernel moves the pages to the node, which they are bound to. */
static void bind_pages(const Holder *h, unsigned node)
{
    unsigned long nodes = 1ul << node;

    must(syscall(SYS_mbind, h->memory, h->pages * PAGE, MPOL_BIND, &nodes, 64ul, MPOL_MF_MOVE) == 0,
         "mbind");
}

/* Memory of the node that this program runs on, which goes to the other, back, and there again. */
static void hold_mbind(Holder *h)
{
    hold_anon(h);
    report(h, "first");
    bind_pages(h, h->node);
    report(h, "bound");
    check(h);
    bind_pages(h, 0);
    report(h, "away");
    check(h);
    bind_pages(h, h->node);
    must(syscall(SYS_mbind, h->memory, h->pages * PAGE, MPOL_DEFAULT, NULL, 0ul, 0) == 0, "mbind");
}

static bool interleaves(unsigned long nodes)
{
    unsigned long found[NODES / WORD] = {};
    int mode = MPOL_DEFAULT;

    must(syscall(SYS_get_mempolicy, &mode, found, (unsigned long)NODES, NULL, 0ul) == 0,
         "get_mempolicy");
    return mode == MPOL_INTERLEAVE && found[0] == nodes;
}

/* Pages of node 0 and the node in turn: as whoever started this program has set it, or as it does.
 */
static void hold_interleave(Holder *h)
{
    unsigned long nodes = 1ul | 1ul << h->node;
    bool inherited = interleaves(nodes);

    if (!inherited) {
        must(syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, &nodes, 64ul) == 0, "set_mempolicy");
        must(interleaves(nodes), "the policy that was set");
    }
    printf("policy %s\n", inherited ? "inherited" : "set");
    hold_anon(h);
}

/* Pages that are pinned for as long as a ring lives, as those are that devices use by RDMA or vfio:
 * the kernel takes them out of memory that has to stay movable first. */
static void hold_longterm(Holder *h)
{
    struct io_uring_params params = {};
    struct iovec iov = { .iov_len = h->pages * PAGE };
    int ring = syscall(SYS_io_uring_setup, 1u, &params);

    if (ring < 0) {
        skip("io_uring_setup");
    }
    hold_anon(h);
    report(h, "first");
    policy(MPOL_DEFAULT, 0);
    iov.iov_base = h->memory;
    must(syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1u) == 0,
         "registered buffers");
}

static void hold_thp(Holder *h)
{
    char line[128];
    FILE *smaps;
    uint64_t huge = 0, kib;

    map(h, MADV_HUGEPAGE);
    fill(h);
    must((smaps = fopen("/proc/self/smaps", "r")) != NULL, "smaps");
    while (fgets(line, sizeof line, smaps)) {
        huge += sscanf(line, "AnonHugePages: %" SCNu64, &kib) == 1 ? kib : 0;
    }
    fclose(smaps);
    if (huge == 0) {
        errno = ENOMEM;
        skip("no transparent huge page");
    }
}

static void hold_hugetlb(Holder *h)
{
    char *memory = mmap(NULL, h->pages * PAGE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

    if (memory == MAP_FAILED) {
        skip("mmap with MAP_HUGETLB");
    }
    h->memory = memory;
    fill(h);
}

static void hold_ksm(Holder *h)
{
    h->same = true;
    hold_anon(h);
    if (madvise(h->memory, h->pages * PAGE, MADV_MERGEABLE) != 0) {
        skip("madvise with MADV_MERGEABLE");
    }
}

static void map_file(Holder *h)
{
    char *memory = mmap(NULL, h->pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, h->fd, 0);

    must(memory != MAP_FAILED, "mmap of the file");
    h->memory = memory;
}

/* A file's pages, or those of a disk. */
static void hold_file(Holder *h)
{
    struct stat about;

    h->fd = open(h->file, O_RDWR | O_CREAT, 0600);
    must(h->fd >= 0 && fstat(h->fd, &about) == 0, h->file);
    must(!S_ISREG(about.st_mode) || ftruncate(h->fd, h->pages * PAGE) == 0, h->file);
    map_file(h);
    fill(h);
}

/* Pages that a pipe refers to, as a device does that transfers to them. */
static void hold_pinned(Holder *h)
{
    struct iovec iov = { .iov_len = PINNED * PAGE };
    int pipes[2];

    hold_anon(h);
    iov.iov_base = h->memory;
    must(pipe(pipes) == 0, "pipe");
    must(vmsplice(pipes[1], &iov, 1, SPLICE_F_GIFT) == (ssize_t)iov.iov_len, "vmsplice");
}

/* Page tables, each of which maps the page of zeroes: objects of the kernel. */
static void hold_pagetables(Holder *h)
{
    size_t size = h->pages * LARGE_PAGE;
    char *memory = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    must(memory != MAP_FAILED, "mmap");
    madvise(memory, size, MADV_NOHUGEPAGE); /* there is no large page where that is an error */
    for (size_t i = 0; i < h->pages; i++) {
        (void)*(volatile char *)(memory + i * LARGE_PAGE);
    }
}

/* Directories of a tmpfs: their inodes and names are objects of the kernel for as long as they are.
 */
static void hold_slabs(Holder *h)
{
    for (size_t i = 0; i < h->pages * 3; i++) { /* about a KiB each */
        char name[64];

        snprintf(name, sizeof name, "%s/%zu", h->file, i);
        must(mkdir(name, 0700) == 0, name);
    }
}

static const struct Kind {
    const char *name;
    void (*hold)(Holder *h);
    bool bound; /* it begins with memory of the node only */
} kinds[] = {
    { "anon", hold_anon, true },
    { "thp", hold_thp, true },
    { "hugetlb", hold_hugetlb, true },
    { "mlock", hold_mlock, true },
    { "file", hold_file, true },
    { "ksm", hold_ksm, true },
    { "pinned", hold_pinned, true },
    { "longterm", hold_longterm, true },
    { "pagetables", hold_pagetables, true },
    { "slabs", hold_slabs, true },
    { "migrate", hold_migrate, true },
    { "mbind", hold_mbind, false },
    { "interleave", hold_interleave, false },
};

static const struct Kind *kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const struct Kind *kind = argc >= 6 ? kind_of(argv[1]) : NULL;
    Holder h = { .fd = -1 };

    must(kind != NULL, "usage: holder KIND MIB NODE START END [FILE]");
    h.pages = strtoul(argv[2], NULL, 0) * ((1 << 20) / PAGE);
    h.node = strtoul(argv[3], NULL, 0);
    h.start = strtoull(argv[4], NULL, 0);
    h.end = strtoull(argv[5], NULL, 0);
    h.file = argv[6];

    if (kind->bound) {
        policy(MPOL_BIND, h.node);
    }
    kind->hold(&h);
    policy(MPOL_DEFAULT, 0);
    report(&h, "holds");
    if (h.fd >= 0) { /* no longer mapped: nothing but the page cache has them */
        munmap(h.memory, h.pages * PAGE);
    }
    while (access("/tmp/stop", F_OK) != 0) {
        usleep(10000);
    }
    if (h.fd >= 0) {
        map_file(&h);
    }
    if (h.memory) {
        check(&h);
    }
    report(&h, "ends");
    return 0;
}
