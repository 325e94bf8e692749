/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The block driver nvme with a controller of our own making: open(), ioctl(), and what goes to the
 * device, are ours; it may be a broken one. */
#undef _FORTIFY_SOURCE /* with which open() is another function */
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/driver.h"
#include "block/nvme-host.h"
#include "util/error.h"
#include "util/machine-lock.h"
#include "util/units.h"

#define CONTAINER 12345 /* no descriptors of this program's */
#define GROUP     12346
#define DEVICE    12347
#define BAR       0u
#define CONFIG    0x100000u
#define BLOCKS    2048u

/* ---- the controller ---- */

typedef struct Queue {
    uint64_t sq, cq;
    unsigned entries, head, tail;
    bool phase;
} Queue;

static struct {
    uint8_t *memory; /* as it was mapped */
    uint64_t iova, size;
    int event;
    uint32_t cc, csts, aqa;
    uint64_t asq, acq, cap;
    uint16_t command; /* of PCI */
    Queue queues[2];
    uint8_t disk[BLOCKS * 512];
    unsigned shift, commands[256], flushes;
    uint8_t mdts;
    uint16_t metadata, oncs;
    uint64_t blocks;
    /* what it does wrong */
    uint16_t status;  /* of each command of the I/O queue */
    uint16_t add_id;  /* to the command's */
    bool refuses_map; /* VFIO does */
    bool gone;        /* registers are not there */
    bool never_ready;
} c;

static void *at(uint64_t iova, uint64_t size)
{
    g_assert_cmphex(iova, >=, c.iova);
    g_assert_cmphex(iova - c.iova + size, <=, c.size);
    return c.memory + (iova - c.iova);
}

/* The data of @command, page by page. */
static void copy(const NvmeHostCommand *command, uint8_t *to, const uint8_t *from, uint32_t bytes)
{
    const uint32_t pages = (bytes + 4095) / 4096;

    for (uint32_t i = 0; i < pages; i++) {
        const uint32_t part = MIN(4096, bytes - i * 4096);
        uint64_t place = command->prp1;

        if (i && pages == 2) {
            place = command->prp2;
        } else if (i) {
            place = ((uint64_t *)at(command->prp2, (pages - 1) * 8))[i - 1];
        }
        g_assert_cmphex(place & 4095, ==, 0);
        if (to) {
            memcpy(to + i * 4096, at(place, part), part);
        } else {
            memcpy(at(place, part), from + i * 4096, part);
        }
    }
}

static void identify(const NvmeHostCommand *command)
{
    uint8_t data[4096] = { 0 };
    const uint32_t namespaces = 1;

    if (command->cdw10 == 1) {
        data[77] = c.mdts;
        memcpy(data + 516, &namespaces, 4);
        memcpy(data + 520, &c.oncs, 2);
        data[525] = 1;
    } else {
        memcpy(data, &c.blocks, 8);
        data[26] = 2;
        memcpy(data + 128 + 8, &c.metadata, 2);
        data[128 + 8 + 2] = (uint8_t)c.shift;
    }
    copy(command, NULL, data, sizeof(data));
}

static void carry_out(unsigned n, const NvmeHostCommand *command)
{
    const unsigned shift = MIN(c.shift, 12u); /* it may say more */
    const uint64_t first = (command->cdw10 | (uint64_t)command->cdw11 << 32) << shift;
    const uint32_t bytes = ((command->cdw12 & 0xffff) + 1) << shift;
    struct {
        uint32_t attributes, blocks;
        uint64_t first;
    } range;

    if (n == 0) {
        if (command->opcode == NVME_HOST_IDENTIFY) {
            identify(command);
        } else if (command->opcode == NVME_HOST_CREATE_CQ) {
            c.queues[1] = (Queue){ .cq = command->prp1,
                                   .entries = (command->cdw10 >> 16) + 1,
                                   .phase = true };
        } else if (command->opcode == NVME_HOST_CREATE_SQ) {
            c.queues[1].sq = command->prp1;
        }
        return;
    }
    c.commands[command->opcode]++;
    if (c.status || command->opcode == NVME_HOST_FLUSH) {
        return;
    }
    if (command->opcode == NVME_HOST_DSM) {
        copy(command, (uint8_t *)&range, NULL, sizeof(range));
        memset(c.disk + (range.first << c.shift), 0xdd, range.blocks << c.shift);
        return;
    }
    g_assert_cmpuint(first + bytes, <=, sizeof(c.disk));
    if (command->opcode == NVME_HOST_WRITE) {
        copy(command, c.disk + first, NULL, bytes);
    } else if (command->opcode == NVME_HOST_READ) {
        copy(command, NULL, c.disk + first, bytes);
    } else if (command->opcode == NVME_HOST_WRITE_ZEROES) {
        memset(c.disk + first, 0, bytes);
    }
}

static void ring(unsigned n, uint32_t tail)
{
    Queue *q = &c.queues[n];
    const uint64_t one = 1;

    while (q->head != tail) {
        const NvmeHostCommand *command = at(q->sq + q->head * 64, 64);
        NvmeHostCompletion *done = at(q->cq + q->tail * 16, 16);

        q->head = (q->head + 1) % q->entries;
        carry_out(n, command);
        done->id = (uint16_t)(command->id + (n ? c.add_id : 0));
        done->status = (uint16_t)((n ? c.status : 0) << 1 | q->phase);
        q->tail = (q->tail + 1) % q->entries;
        q->phase ^= q->tail == 0;
    }
    g_assert_cmpint(write(c.event, &one, 8), ==, 8);
}

static void set_cc(uint32_t value)
{
    c.cc = value;
    c.csts = value & 1 && !c.never_ready ? 1 : 0;
    if (value & 3 << 14) {
        c.csts |= 2 << 2;
    }
    if (value & 1) {
        c.queues[0] =
            (Queue){ .sq = c.asq, .cq = c.acq, .entries = (c.aqa & 0xfff) + 1, .phase = true };
    }
}

static ssize_t device_read(void *buf, size_t size, uint64_t where)
{
    uint64_t value = where == 0 ? c.cap : where == 0x1c ? c.csts : c.command;

    if (c.gone) {
        return -1;
    }
    memcpy(buf, &value, size);
    return (ssize_t)size;
}

static ssize_t device_write(const void *buf, size_t size, uint64_t where)
{
    uint64_t value = 0;

    memcpy(&value, buf, size);
    if (c.gone) {
        return -1;
    }
    if (where == CONFIG + 4) {
        c.command = (uint16_t)value;
    } else if (where == 0x14) {
        set_cc((uint32_t)value);
    } else if (where == 0x24) {
        c.aqa = (uint32_t)value;
    } else if (where == 0x28) {
        c.asq = value;
    } else if (where == 0x30) {
        c.acq = value;
    } else if (where >= 0x1000 && !(where & 4)) {
        g_assert_cmphex(c.command & 6, ==, 6);
        ring((unsigned)(where - 0x1000) / 8, (uint32_t)value);
    }
    return (ssize_t)size;
}

/* ---- the host ---- */

static int host_ioctl(unsigned long request, void *argument)
{
    struct vfio_region_info *info = argument;
    struct vfio_iommu_type1_dma_map *map = argument;

    switch (request) {
    case VFIO_CHECK_EXTENSION:
        return 1;
    case VFIO_GROUP_GET_STATUS:
        ((struct vfio_group_status *)argument)->flags = VFIO_GROUP_FLAGS_VIABLE;
        return 0;
    case VFIO_GROUP_GET_DEVICE_FD:
        return DEVICE;
    case VFIO_DEVICE_GET_REGION_INFO:
        info->offset = info->index == VFIO_PCI_CONFIG_REGION_INDEX ? CONFIG : BAR;
        info->size = 0x4000;
        return 0;
    case VFIO_DEVICE_SET_IRQS:
        memcpy(&c.event, ((struct vfio_irq_set *)argument)->data, sizeof(int));
        return 0;
    case VFIO_IOMMU_MAP_DMA:
        if (c.refuses_map) {
            errno = ENOMEM;
            return -1;
        }
        c.memory = (uint8_t *)(uintptr_t)map->vaddr;
        c.iova = map->iova;
        c.size = map->size;
        return 0;
    case VFIO_IOMMU_UNMAP_DMA:
        c.memory = NULL;
        return 0;
    default:
        return 0;
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;

    va_start(args, request);
    void *argument = va_arg(args, void *);
    va_end(args);
    return fd >= CONTAINER && fd <= DEVICE ? host_ioctl(request, argument)
                                           : (int)syscall(SYS_ioctl, fd, request, argument);
}

int open(const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    mode_t mode = va_arg(args, mode_t);
    va_end(args);
    if (g_str_has_prefix(path, "/dev/vfio/")) {
        return strstr(path, "vfio/vfio") ? CONTAINER : GROUP;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int close(int fd)
{
    return fd >= CONTAINER && fd <= DEVICE ? 0 : (int)syscall(SYS_close, fd);
}

ssize_t readlink(const char *path, char *buf, size_t size)
{
    if (strstr(path, "0000:05:00.0")) {
        return g_snprintf(buf, size, strstr(path, "driver") ? "x/vfio-pci" : "x/7") > 0
                   ? (ssize_t)strlen(buf)
                   : -1;
    }
    return (ssize_t)syscall(SYS_readlink, path, buf, size);
}

ssize_t pread(int fd, void *buf, size_t size, off_t where)
{
    return fd == DEVICE ? device_read(buf, size, (uint64_t)where)
                        : (ssize_t)syscall(SYS_pread64, fd, buf, size, where);
}

ssize_t pwrite(int fd, const void *buf, size_t size, off_t where)
{
    return fd == DEVICE ? device_write(buf, size, (uint64_t)where)
                        : (ssize_t)syscall(SYS_pwrite64, fd, buf, size, where);
}

/* ---- tests ---- */

static void good(void)
{
    memset(&c, 0, sizeof(c));
    c.cap = UINT64_C(1) << 37 | 63;
    c.shift = 9;
    c.blocks = BLOCKS;
    c.oncs = 1 << 2 | 1 << 3;
    for (unsigned i = 0; i < sizeof(c.disk); i++) {
        c.disk[i] = (uint8_t)(i / 512 + i);
    }
}

static BlockNode *make(const char *options, GError **errp)
{
    g_autoptr(BlockdevOptions) parsed =
        qapi_from_option(&BlockdevOptions_type, options, "driver", NULL);

    return block_node_open(parsed, errp);
}

static BlockNode *make_good(void)
{
    g_autoptr(GError) err = NULL;
    BlockNode *node = make("nvme,device=05:00.0,namespace=1", &err);

    g_assert_no_error(err);
    return node;
}

/* Reads and writes at any place, of any length, are as those of a file. */
static void test_data(void)
{
    static const size_t places[][2] = {
        { 0, 512 },     { 512, 4096 },    { 1, 1 },          { 511, 2 },       { 4095, 4098 },
        { 0, 131072 },  { 512, 131072 },  { 1000, 300000 },  { 1048000, 576 }, { 1048064, 512 },
        { 3, 1048000 }, { 8192, 524288 }, { 131072, 65536 }, { 130000, 3000 },
    };
    g_autofree uint8_t *model = g_malloc(sizeof(c.disk)), *buf = g_malloc(sizeof(c.disk));
    uint8_t byte = 0;
    BlockNode *node;

    for (unsigned shift = 9; shift <= 12; shift += 3) {
        good();
        c.shift = shift;
        c.blocks = sizeof(c.disk) >> shift;
        c.mdts = shift == 9 ? 0 : 1;
        memcpy(model, c.disk, sizeof(c.disk));
        node = make_good();
        g_assert_cmpint(block_node_length(node), ==, sizeof(c.disk));
        for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
            const size_t where = places[i][0], size = places[i][1];

            g_assert_cmpint(block_node_pread(node, where, buf, size), ==, 0);
            g_assert_cmpint(memcmp(buf, model + where, size), ==, 0);
            memset(buf, ++byte, size);
            memset(model + where, byte, size);
            g_assert_cmpint(block_node_pwrite(node, where, buf, size), ==, 0);
            g_assert_cmpint(memcmp(c.disk, model, sizeof(c.disk)), ==, 0);
        }
        block_node_unref(node);
        g_assert_null(c.memory);
        g_assert_cmphex(c.cc & 1, ==, 0);
    }
}

static void test_others(void)
{
    BlockNode *node;
    uint8_t byte;

    good();
    node = make_good();
    g_assert_cmpint(block_node_write_zeroes(node, 1024, 4096, BLOCK_UNMAP), ==, 0);
    g_assert_cmpuint(c.commands[NVME_HOST_WRITE_ZEROES], ==, 1);
    g_assert_cmphex(c.disk[1024] | c.disk[5119], ==, 0);
    g_assert_cmpint(block_node_write_zeroes(node, 100, 5, 0), ==, 0); /* by bytes */
    g_assert_cmphex(c.disk[100] | c.disk[104], ==, 0);
    g_assert_cmphex(c.disk[105], ==, 105);
    g_assert_cmpint(block_node_flush(node), ==, 0);
    g_assert_cmpuint(c.commands[NVME_HOST_FLUSH], ==, 1);
    g_assert_cmpint(block_node_pwrite(node, sizeof(c.disk), &byte, 1), ==, ENOSPC);
    block_node_unref(node);
    node = make("nvme,device=05:00.0,namespace=1,discard=unmap", NULL);
    g_assert_cmpint(block_node_discard(node, 8192, 8192, 0), ==, 0);
    g_assert_cmphex(c.disk[8192] & c.disk[16383], ==, 0xdd);
    block_node_unref(node);
}

static void expect(const char *options, const char *text)
{
    g_autoptr(GError) err = NULL;

    g_assert_null(make(options, &err));
    g_assert_nonnull(strstr(err->message, text));
    g_assert_null(c.memory);
}

#define EXPECT(wrong, text)                                   \
    do {                                                      \
        good();                                               \
        wrong;                                                \
        expect("nvme,device=0000:05:00.0,namespace=1", text); \
    } while (0)

static void test_refused(void)
{
    EXPECT(c.cap = 0, "NVM command set");
    EXPECT(c.cap = UINT64_MAX, "NVM command set");
    EXPECT(c.cap |= UINT64_C(1) << 48, "pages of 4096");
    EXPECT(c.cap = UINT64_C(1) << 37 | 7, "queues of 32");
    EXPECT(c.shift = 0, "512 to 4096");
    EXPECT(c.shift = 77, "512 to 4096");
    EXPECT(c.blocks = 0, "512 to 4096");
    EXPECT(c.blocks = UINT64_MAX, "512 to 4096");
    EXPECT(c.metadata = 8, "8 bytes beside");
    EXPECT(c.refuses_map = true, "ulimit -l");
    EXPECT(c.never_ready = true, "does not become ready");
    EXPECT(c.gone = true, "configuration");
    good();
    expect("nvme,device=0000:05:00.0,namespace=2", "1 to 1");
    expect("nvme,device=0000:05:00.0,namespace=0", "1 to 1");
    expect("nvme,device=0000:05:00.0,namespace=-1", "1 to 1");
    expect("nvme,device=what,namespace=1", "lspci -D");
    expect("nvme,device=0000:7f:1f.7,namespace=1", "no device");
}

static void test_broken(void)
{
    BlockNode *node;
    uint8_t buf[1024];

    good();
    node = make_good();
    c.status = 0x281; /* unrecovered read error */
    g_assert_cmpint(block_node_pread(node, 0, buf, sizeof(buf)), ==, EIO);
    c.status = 0x80;
    g_assert_cmpint(block_node_pwrite(node, 0, buf, sizeof(buf)), ==, ENOSPC);
    c.status = 0;
    g_assert_cmpint(block_node_pread(node, 0, buf, sizeof(buf)), ==, 0);
    c.add_id = 3; /* it tells of another command: it is not asked any more */
    g_assert_cmpint(block_node_pread(node, 0, buf, sizeof(buf)), ==, EIO);
    c.add_id = 0;
    g_assert_cmpint(block_node_pread(node, 0, buf, sizeof(buf)), ==, EIO);
    g_assert_cmpint(block_node_flush(node), ==, EIO);
    block_node_unref(node);
    good();
    node = make_good();
    c.gone = true;
    g_assert_cmpint(block_node_pwrite(node, 0, buf, sizeof(buf)), ==, EIO);
    block_node_unref(node);
}

/* With -daemonize another process goes on: it sees what the controller writes. */
static void test_fork(void)
{
    BlockNode *node;
    int fds[2], status;
    char byte;
    pid_t pid;

    good();
    node = make_good();
    c.memory[4711] = 1;
    g_assert_cmpint(pipe(fds), ==, 0);
    pid = fork();
    if (pid == 0) {
        _exit(read(fds[0], &byte, 1) == 1 && c.memory[4711] == 2 ? 0 : 1);
    }
    c.memory[4711] = 2;
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
    syscall(SYS_close, fds[0]);
    syscall(SYS_close, fds[1]);
    block_node_unref(node);
}

/* More threads than there are slots. */
static gpointer work(gpointer opaque)
{
    BlockNode *node = opaque;
    uint8_t buf[4096];
    static int next;
    const int n = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED);

    for (int i = 0; i < 50; i++) {
        memset(buf, n + i, sizeof(buf));
        g_assert_cmpint(block_node_pwrite(node, (uint64_t)n * 4096, buf, sizeof(buf)), ==, 0);
        memset(buf, 0, sizeof(buf));
        g_assert_cmpint(block_node_pread(node, (uint64_t)n * 4096, buf, sizeof(buf)), ==, 0);
        g_assert_cmphex(buf[0], ==, (uint8_t)(n + i));
        g_assert_cmphex(buf[4095], ==, (uint8_t)(n + i));
    }
    return NULL;
}

static void test_threads(void)
{
    GThread *threads[40];
    BlockNode *node;

    good();
    node = make_good();
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++) {
        threads[i] = g_thread_new("work", work, node);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
    block_node_unref(node);
}

/* What becomes zeros stays so where nothing is written, while a part of the block is: between the
 * read and the write of that nothing changes. */
static gpointer write_part(gpointer opaque)
{
    const uint8_t part[512] = { 1 };

    g_assert_cmpint(block_node_pwrite(opaque, 0, part, sizeof(part)), ==, 0);
    return NULL;
}

static void test_zeros_beside(void)
{
    static const uint8_t zeros[4096 - 512];
    uint8_t buf[4096];
    BlockNode *node;

    good();
    c.shift = 12;
    c.blocks = sizeof(c.disk) >> 12;
    node = make_good();
    for (unsigned i = 0; i < 60; i++) {
        const unsigned before = c.commands[NVME_HOST_READ];
        GThread *thread;

        memset(c.disk, 0x55, sizeof(buf));
        thread = g_thread_new("part", write_part, node);
        while (__atomic_load_n(&c.commands[NVME_HOST_READ], __ATOMIC_RELAXED) == before) {
        }
        g_assert_cmpint(block_node_write_zeroes(node, 0, sizeof(buf), 0), ==, 0);
        g_thread_join(thread);
        g_assert_cmpint(block_node_pread(node, 0, buf, sizeof(buf)), ==, 0);
        g_assert_cmpint(memcmp(buf + 512, zeros, sizeof(zeros)), ==, 0);
    }
    block_node_unref(node);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_lock();
    g_test_add_func("/nvme-host/data", test_data);
    g_test_add_func("/nvme-host/others", test_others);
    g_test_add_func("/nvme-host/refused", test_refused);
    g_test_add_func("/nvme-host/broken", test_broken);
    g_test_add_func("/nvme-host/fork", test_fork);
    g_test_add_func("/nvme-host/threads", test_threads);
    g_test_add_func("/nvme-host/zeros-beside", test_zeros_beside);
    return g_test_run();
}
