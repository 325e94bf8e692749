/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disk by each way to ask the host (aio=), in the main loop and on an iothread: what is asked of
 * the kernel, and what threads do because that cannot. */
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/io_uring.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/qtest/disk.h"

#define PAGE_SECTORS (4096 / SECTOR)
#define F_FLUSH      (UINT64_C(1) << 9)

typedef struct Way {
    const char *name, *drive, *device, *used; /* a file that the program has when it is used */
    bool (*is_there)(const char *path);
} Way;

static bool always(const char *path)
{
    return true;
}

static bool has_uring(const char *path)
{
    struct io_uring_params params = { 0 };
    long fd = syscall(SYS_io_uring_setup, 4, &params);

    if (fd >= 0) {
        close((int)fd);
    }
    return fd >= 0;
}

static bool has_native(const char *path)
{
    int fd = open(path, O_RDWR | O_DIRECT);
    aio_context_t context = 0;
    bool there = fd >= 0 && syscall(SYS_io_setup, 4, &context) == 0;

    if (there) {
        syscall(SYS_io_destroy, context);
    }
    close(fd);
    return there;
}

static const Way ways[] = {
    { "threads", "aio=threads", "", NULL, always },
    { "threads-iothread", "aio=threads", ",iothread=io0", NULL, always },
    { "io_uring", "aio=io_uring", "", "anon_inode:[io_uring]", has_uring },
    { "io_uring-iothread", "aio=io_uring", ",iothread=io0", "anon_inode:[io_uring]", has_uring },
    { "io_uring-through", "aio=io_uring,cache=writethrough", ",iothread=io0",
      "anon_inode:[io_uring]", has_uring },
    { "native", "aio=native,cache=none", "", "/[aio]", has_native },
    { "native-iothread", "aio=native,cache=directsync", ",iothread=io0", "/[aio]", has_native },
};

static bool start(Disk *d, const Way *way, const char *name)
{
    d->path = disk_make_image(name);
    if (!way->is_there(d->path)) {
        g_test_skip("this host, or the file system of the temporary files, does not have it");
        unlink(d->path);
        g_free(d->path);
        return false;
    }
    d->qt =
        qtest_start("-M pc -m 64 -object iothread,id=io0 -drive if=none,id=d0,format=raw,file=%s,%s"
                    " -device virtio-blk-pci,drive=d0,addr=4%s",
                    d->path, way->drive, way->device);
    d->v.modern = true;
    disk_drive(d, QVIRTIO_VERSION_1 | F_FLUSH);
    d->out = qvirtio_alloc(&d->v, 2 * 4096 + 64 * SECTOR) + 4096 - 16; /* data begin with a page */
    return true;
}

static void quit(Disk *d)
{
    qtest_quit(d->qt);
    unlink(d->path);
    g_free(d->path);
}

/* Is there a file of the process @pid that is called @wanted, open or mapped? */
static bool has_file(pid_t pid, const char *wanted)
{
    g_autofree char *maps_name = g_strdup_printf("/proc/%d/maps", pid), *maps = NULL;
    g_autofree char *fds = g_strdup_printf("/proc/%d/fd", pid);
    g_autoptr(GDir) list = g_dir_open(fds, 0, NULL);
    bool found;

    g_assert_true(g_file_get_contents(maps_name, &maps, NULL, NULL));
    found = strstr(maps, wanted);
    for (const char *name; !found && (name = g_dir_read_name(list));) {
        g_autofree char *path = g_build_filename(fds, name, NULL);
        g_autofree char *target = g_file_read_link(path, NULL);

        found = g_strcmp0(target, wanted) == 0;
    }
    return found;
}

static void check_byte(Disk *d, uint64_t at, uint8_t byte)
{
    g_assert_cmpuint(qtest_readb(d->qt, d->in + at), ==, byte);
}

/* Whole pages, which can go past the host's cache, and single sectors, which cannot. */
static void test_requests(gconstpointer data)
{
    const Way *way = data;
    Disk d;

    if (!start(&d, way, way->name)) {
        return;
    }
    for (unsigned round = 0; round < 4; round++) {
        qtest_memset(d.qt, d.out + 16, 0xa0 + round, 2 * 4096);
        g_assert_cmpuint(disk_request(&d, OUT, 2 * PAGE_SECTORS, 2 * 4096, 0), ==, OK);
        g_assert_cmpuint(disk_request(&d, OUT, 3, SECTOR, 0), ==, OK);
        g_assert_cmpuint(disk_request(&d, FLUSH, 0, 0, 0), ==, OK);
        g_assert_cmpuint(disk_request(&d, IN, PAGE_SECTORS, 0, 4 * 4096), ==, OK);
        check_byte(&d, 4096 - 1, 2 * PAGE_SECTORS);
        check_byte(&d, 4096, 0xa0 + round);
        check_byte(&d, 3 * 4096 - 1, 0xa0 + round);
        check_byte(&d, 3 * 4096, 4 * PAGE_SECTORS + 1);
        g_assert_cmpuint(disk_request(&d, IN, 3, 0, SECTOR), ==, OK);
        check_byte(&d, SECTOR - 1, 0xa0 + round);
    }
    if (way->used) {
        g_assert_true(has_file(qtest_pid(d.qt), way->used));
    }
    g_assert_cmpuint(disk_request(&d, IN, SECTORS, 0, SECTOR), ==, IOERR);
    quit(&d);
}

/* Many at a time, more than the kernel is given together; some while the machine is stopped. */
static void test_many(gconstpointer data)
{
    const Way *way = data;
    uint16_t heads[120];
    Disk d;

    if (!start(&d, way, way->name)) {
        return;
    }
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < G_N_ELEMENTS(heads); i++) {
            heads[i] = disk_add(&d, IN, i % 16 * PAGE_SECTORS, 0, 4096);
        }
        qvirtq_kick(&d.q);
        if (round % 2) {
            qtest_qmp_ok(d.qt, "stop", "{}");
            qtest_qmp_ok(d.qt, "cont", "{}");
        }
        for (unsigned i = 0; i < G_N_ELEMENTS(heads); i++) {
            qvirtq_wait_any(&d.q);
        }
    }
    g_assert_cmpuint(qtest_readb(d.qt, d.in + 4096), ==, OK);
    quit(&d);
}

/* The file ends within a sector: what is not there is zeros. */
static void test_short(gconstpointer data)
{
    const Way *way = data;
    Disk d;

    if (!start(&d, way, way->name)) {
        return;
    }
    g_assert_cmpint(truncate(d.path, SECTORS * SECTOR - 100), ==, 0);
    g_assert_cmpuint(disk_request(&d, IN, SECTORS - PAGE_SECTORS, 0, 4096), ==, OK);
    check_byte(&d, 4096 - 101, SECTORS);
    check_byte(&d, 4096 - 100, 0);
    check_byte(&d, 4096 - 1, 0);
    quit(&d);
}

static void add_test(const char *name, const Way *way, GTestDataFunc fn)
{
    g_autofree char *path = g_strdup_printf("/virtio-blk-aio/%s/%s", way->name, name);

    g_test_add_data_func(path, way, fn);
}

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        add_test("requests", &ways[i], test_requests);
        add_test("many", &ways[i], test_many);
        add_test("short", &ways[i], test_short);
    }
    return g_test_run();
}
