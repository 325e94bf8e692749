/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Virtio devices when calls of the host fail (inject.h), by drivers of our own. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/qtest/inject.h"
#include "tests/qtest/virtio.h"

#define DEVFN 0x20u /* slot 4 */
#define PAGE  0x1000u

static InjectRule *rules; /* the file of the programs that are started */
static char *folder;      /* for files of a test */

/* Rule @number from now on, until it is given anew. */
static void inject(unsigned number, InjectRule rule)
{
    __atomic_store_n(&rules[number].armed, 0, __ATOMIC_RELEASE);
    rules[number] = rule;
    __atomic_store_n(&rules[number].armed, 1, __ATOMIC_RELEASE);
}

static void inject_nothing(void)
{
    for (unsigned i = 0; i < INJECT_RULES; i++) {
        __atomic_store_n(&rules[i].armed, 0, __ATOMIC_RELEASE);
    }
}

static uint32_t done(unsigned number)
{
    return __atomic_load_n(&rules[number].done, __ATOMIC_ACQUIRE);
}

static void wait_done(unsigned number, uint32_t count)
{
    int64_t deadline = g_get_monotonic_time() + QTEST_TIMEOUT_MS * INT64_C(1000);

    while (done(number) < count) {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        g_usleep(1000);
    }
}

/* ---- random bytes ---- */

static void start_rng(QVirtio *v, QVirtQueue *queue, const char *options)
{
    QTest *qt = qtest_start("-m 64 %s,id=r0 -device virtio-rng-pci,addr=4,rng=r0", options);

    qvirtio_open(v, qt, DEVFN, true);
    qvirtio_start(v, 0);
    qvirtio_queue(v, queue, 0);
    qvirtio_driver_ok(v);
}

/* The bytes of a pipe arrive once and in order, whatever read() gives in between. */
static void test_rng_again(void)
{
    static const InjectRule rows[] = {
        { .call = "read", .name = "/pipe", .err = EAGAIN, .count = 3 },
        { .call = "read", .name = "/pipe", .err = EINTR, .count = 3 },
        { .call = "read", .name = "/pipe", .limit = 3, .count = 1 },
    };
    g_autofree char *path = g_build_filename(folder, "pipe", NULL);
    g_autofree char *options = g_strdup_printf("-object rng-random,filename=%s", path);
    QVirtQueue queue;
    QVirtio v;

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    start_rng(&v, &queue, options);
    uint64_t buffer = qvirtio_alloc(&v, PAGE);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        char text[9] = { 0 };
        uint32_t got = 0;

        inject(0, rows[i]);
        g_assert_cmpint(write(fd, "12345678", 8), ==, 8);
        while (got < 8) {
            uint16_t head = qvirtq_add(&queue, buffer + got, 8 - got, true);
            qvirtq_kick(&queue);
            got += qvirtq_wait(&queue, head);
        }
        qtest_memread(v.qt, buffer, text, 8);
        g_assert_cmpstr(text, ==, "12345678");
        g_assert_cmpuint(done(0), ==, rows[i].count);
    }
    inject_nothing();
    qtest_quit(v.qt);
    close(fd);
    unlink(path);
}

/* A source that fails for good: it is said once, and the machine goes on without its bytes. */
static void test_rng_ends(gconstpointer data)
{
    const InjectRule *rule = data;
    bool builtin = strcmp(rule->call, "getrandom") == 0;
    QVirtQueue queue;
    QVirtio v;

    start_rng(&v, &queue, builtin ? "-object rng-builtin" : "-object rng-random");
    uint64_t buffer = qvirtio_alloc(&v, PAGE);
    inject(0, *rule);
    qvirtq_add(&queue, buffer, 8, true);
    qvirtq_kick(&queue);
    wait_done(0, 1);
    qtest_qmp_ok(v.qt, "query-status", NULL);
    qtest_qmp_ok(v.qt, "query-status", NULL);
    g_assert_cmpuint(done(0), ==, 1);
    g_assert_false(qvirtq_has_used(&queue));
    g_autofree char *said = qtest_output(v.qt);
    g_assert_nonnull(strstr(said, builtin ? "rng 'r0': the host's kernel has no more random bytes: "
                                          : "rng 'r0': /dev/urandom has no more random bytes: "));
    g_assert_nonnull(strstr(said, g_strerror(rule->err)));
    inject_nothing();
    qtest_allow_stderr(v.qt);
    qtest_quit(v.qt);
}

/* ---- balloon ---- */

/* Pages that the host does not take keep what is in them, the guest gets its buffers back, and the
 * user hears, once, that the balloon is of no use. */
static void test_balloon(void)
{
    static const int errors[] = { EINVAL, ENOMEM, EAGAIN };
    QVirtQueue inflate;
    QVirtio v;

    QTest *qt = qtest_start("-m 64 -device virtio-balloon-pci,id=b0,addr=4");
    qvirtio_open(&v, qt, DEVFN, true);
    qvirtio_start(&v, 0);
    qvirtio_queue(&v, &inflate, 0);
    qvirtio_driver_ok(&v);
    uint64_t pages = qvirtio_alloc(&v, 8 * PAGE), buffer = qvirtio_alloc(&v, PAGE);
    qtest_memset(qt, pages, 0x55, 8 * PAGE);
    for (uint32_t i = 0; i < G_N_ELEMENTS(errors); i++) {
        inject(0,
               (InjectRule){ .call = "madvise", .err = errors[i], .skip = i ? 1 : 0, .count = 1 });
        for (uint32_t n = 0; n < 2; n++) {
            qtest_writel(qt, buffer + 4 * n, (uint32_t)(pages / PAGE) + 2 * i + n);
        }
        uint16_t head = qvirtq_add(&inflate, buffer, 8, false);
        qvirtq_kick(&inflate);
        qvirtq_wait(&inflate, head);
        g_assert_cmpuint(done(0), ==, 1);
        for (uint32_t n = 0; n < 2; n++) {
            bool kept = n == (i ? 1 : 0);

            g_assert_cmphex(qtest_readl(qt, pages + (2 * i + n) * PAGE), ==, kept ? 0x55555555 : 0);
        }
    }
    inject_nothing();
    g_autofree char *said = qtest_output(qt);
    const char *first = strstr(said, "b0': the host does not take pages back: Invalid argument");
    g_assert_nonnull(first);
    g_assert_null(strstr(first + strlen("b0': the host does not"), "does not take"));
    qtest_allow_stderr(qt);
    qtest_quit(qt);
}

/* ---- ports ---- */

/* More than the host takes at once, in pieces and with calls that fail: all of it arrives, once. */
static void test_port(void)
{
    enum { SIZE = 4 * 65536 };
    g_autofree char *path = g_build_filename(folder, "port", NULL);
    g_autofree uint8_t *sent = g_malloc(SIZE), *got = g_malloc(SIZE);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    QVirtQueue tx;
    QVirtio v;

    QTest *qt = qtest_start("-m 64 -device virtio-serial-pci,addr=4"
                            " -chardev socket,id=c0,path=%s,server=on,wait=off"
                            " -device virtconsole,chardev=c0,nr=0",
                            path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    /* What is sent before the client was seen is nobody's. */
    for (bool connected = false; !connected;) {
        g_autofree char *text = qtest_hmp(qt, "info chardev");

        connected = !strstr(text, "disconnected:");
    }
    qvirtio_open(&v, qt, DEVFN, true);
    qvirtio_start(&v, 0);
    qvirtio_queue(&v, &tx, 1);
    qvirtio_driver_ok(&v);
    uint64_t buffer = qvirtio_alloc(&v, SIZE);
    for (unsigned i = 0; i < SIZE; i++) {
        sent[i] = (uint8_t)(i * 7 + i / 256);
    }
    qtest_memwrite(qt, buffer, sent, SIZE);
    inject(0,
           (InjectRule){ .call = "send", .name = "/port ", .err = EAGAIN, .skip = 2, .count = 3 });
    inject(1,
           (InjectRule){ .call = "send", .name = "/port ", .err = ENOBUFS, .skip = 9, .count = 1 });
    inject(2, (InjectRule){ .call = "send", .name = "/port ", .limit = 1000, .count = 50 });
    for (unsigned i = 0; i < 4; i++) {
        qvirtq_add(&tx, buffer + i * (SIZE / 4), SIZE / 4, false);
    }
    qvirtq_kick(&tx);
    for (size_t at = 0; at < SIZE;) {
        ssize_t n = read(fd, got + at, SIZE - at);

        g_assert_cmpint(n, >, 0);
        at += (size_t)n;
    }
    g_assert_cmpmem(got, SIZE, sent, SIZE);
    for (unsigned i = 0; i < 4; i++) {
        qvirtq_wait_any(&tx);
    }
    g_assert_cmpuint(done(0) + done(1), ==, 4);
    inject_nothing();
    qtest_allow_stderr(qt); /* ENOBUFS is told */
    close(fd);
    qtest_quit(qt);
}

/* Programs that are started from here on have the library. */
static void load_library(void)
{
    g_autofree char *path = g_build_filename(folder, "rules", NULL), *asan = NULL;
    const char *options = g_getenv("ASAN_OPTIONS");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, INJECT_RULES * sizeof(*rules)), ==, 0);
    rules = mmap(NULL, INJECT_RULES * sizeof(*rules), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(rules != MAP_FAILED);
    close(fd);
    asan =
        g_strdup_printf("%s%sverify_asan_link_order=0", options ? options : "", options ? ":" : "");
    g_setenv("ASAN_OPTIONS", asan, TRUE);
    g_setenv("INJECT_FILE", path, TRUE);
    g_setenv("LD_PRELOAD", g_getenv("INJECT_LIBRARY"), TRUE);
}

static const InjectRule ends[] = {
    { .call = "read", .name = "/dev/urandom", .err = EIO, .count = UINT32_MAX },
    { .call = "getrandom", .err = ENOSYS, .count = UINT32_MAX },
};

/* ---- persistent memory ---- */

#define PMEM                                                                           \
    "-m 64M,maxmem=1G -object memory-backend-file,id=m0,size=2M,share=on,mem-path=%s " \
    "-device virtio-pmem-pci,id=p0,memdev=m0,addr=4"

typedef struct Pmem {
    QVirtio v;
    QVirtQueue q;
    uint64_t request, response;
} Pmem;

static void start_pmem(Pmem *p, const char *path)
{
    qvirtio_open_one(&p->v, &p->q, qtest_start(PMEM, path), DEVFN, 0);
    p->request = qvirtio_alloc(&p->v, 4);
    p->response = qvirtio_alloc(&p->v, 4);
}

/* A request to flush. */
static uint16_t flush_pmem(Pmem *p)
{
    uint16_t head = qvirtq_add_pair(&p->q, p->request, 4, p->response, 4);

    qvirtq_kick(&p->q);
    return head;
}

/* While the host's disk takes its time, the machine runs, stands, and is saved; the flush that has
 * not been answered is done once more where the machine is loaded. */
static void test_pmem_slow(void)
{
    g_autofree char *path = g_build_filename(folder, "pmem", NULL), *file = NULL;
    uint16_t first, second;
    QTest *from, *to;
    Pmem p;

    start_pmem(&p, path);
    from = p.v.qt;
    file = qtest_temp_path(from, "state");
    inject(0, (InjectRule){ .call = "fsync", .name = "/pmem", .count = 1, .hold = 1 });
    first = flush_pmem(&p);
    wait_done(0, 1);
    second = flush_pmem(&p);
    qtest_clock_step(from, 1000000000);
    qtest_writel(from, 0x100000, 0x12345678);
    qtest_qmp_ok(from, "stop", NULL);
    qtest_qmp_ok(from, "cont", NULL);
    qtest_qmp_ok(from, "device_add", "{'driver': 'virtio-rng-pci', 'id': 'r0'}");
    g_assert_false(qvirtq_has_used(&p.q));
    inject_nothing();
    qvirtq_wait(&p.q, first);
    qvirtq_wait(&p.q, second);
    g_assert_cmpuint(qtest_readl(from, p.response), ==, 0);

    inject(0, (InjectRule){ .call = "fsync", .name = "/pmem", .count = 1, .hold = 1 });
    first = flush_pmem(&p);
    wait_done(0, 1);
    qtest_save(from, file);
    to = qtest_start(PMEM " -device virtio-rng-pci,id=r0 -incoming file:%s", path, file);
    qtest_wait_running(to);
    p.v.qt = to;
    qvirtq_wait(&p.q, first);
    g_assert_cmpuint(qtest_readl(to, p.response), ==, 0);
    inject_nothing();
    qtest_quit(from);
    qtest_quit(to);
    unlink(path);
}

/* What is not on the disk is not said to be; the next flush may be. And who goes waits for none. */
static void test_pmem_fails(void)
{
    g_autofree char *path = g_build_filename(folder, "pmem", NULL);
    Pmem p;

    start_pmem(&p, path);
    inject(0, (InjectRule){ .call = "fsync", .name = "/pmem", .count = 1, .err = EIO });
    qvirtq_wait(&p.q, flush_pmem(&p));
    g_assert_cmpuint(qtest_readl(p.v.qt, p.response), ==, 1);
    qvirtq_wait(&p.q, flush_pmem(&p));
    g_assert_cmpuint(qtest_readl(p.v.qt, p.response), ==, 0);
    inject(0, (InjectRule){ .call = "fsync", .name = "/pmem", .count = 1, .hold = 1 });
    flush_pmem(&p);
    wait_done(0, 1);
    qtest_qmp_ok(p.v.qt, "device_del", "{'id': 'p0'}");
    qtest_outl(p.v.qt, 0xae08, 1u << 4);
    json_object_put(qtest_event_with(p.v.qt, "DEVICE_DELETED", "device", "p0"));
    inject_nothing();
    qtest_quit(p.v.qt);
    unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    folder = g_dir_make_tmp(NULL, NULL);
    load_library();
    g_test_add_func("/inject/rng/again", test_rng_again);
    g_test_add_data_func("/inject/rng/ends/file", &ends[0], test_rng_ends);
    g_test_add_data_func("/inject/rng/ends/kernel", &ends[1], test_rng_ends);
    g_test_add_func("/inject/balloon", test_balloon);
    g_test_add_func("/inject/port", test_port);
    g_test_add_func("/inject/pmem/slow", test_pmem_slow);
    g_test_add_func("/inject/pmem/fails", test_pmem_fails);
    int status = g_test_run();
    unlink(g_getenv("INJECT_FILE"));
    rmdir(folder);
    g_free(folder);
    return status;
}
