/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's disk on an NBD server (nbdkit), which dies and comes back. */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/qtest/disk.h"

#define FEATURES (QVIRTIO_VERSION_1 | 1u << 9 | 1u << 13 | 1u << 14) /* flush, discard, zeros */

typedef struct Server {
    char *program, *image, *socket, *pidfile;
    const char *filter; /* an argument of nbdkit, or NULL */
    GPid pid;
} Server;

static void server_start(Server *s)
{
    const char *argv[] = { s->program, "-f",   "-U",     s->socket, "-P",
                           s->pidfile, "file", s->image, s->filter, NULL };
    GError *err = NULL;

    if (s->filter) { /* in front of the plugin */
        argv[6] = s->filter;
        argv[7] = "file";
        argv[8] = s->image;
    }
    g_unlink(s->socket);
    g_unlink(s->pidfile);
    g_spawn_async(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                  &s->pid, &err);
    g_assert_no_error(err);
    while (!g_file_test(s->pidfile, G_FILE_TEST_EXISTS)) { /* it listens from then on */
        g_assert_cmpint(waitpid(s->pid, NULL, WNOHANG), ==, 0);
        g_usleep(1000);
    }
}

static void server_kill(Server *s)
{
    kill(s->pid, SIGKILL);
    g_assert_cmpint(waitpid(s->pid, NULL, 0), ==, s->pid);
}

static bool server_new(Server *s, const char *name)
{
    *s = (Server){ .program = g_find_program_in_path("nbdkit") };
    if (!s->program) {
        g_test_skip("nbdkit is not installed");
        return false;
    }
    s->image = disk_make_image(name);
    s->socket = g_strconcat(s->image, ".sock", NULL);
    s->pidfile = g_strconcat(s->image, ".pid", NULL);
    return true;
}

static void server_free(Server *s)
{
    server_kill(s);
    g_unlink(s->socket);
    g_unlink(s->pidfile);
    g_unlink(s->image);
    g_free(s->program);
    g_free(s->image);
    g_free(s->socket);
    g_free(s->pidfile);
}

static void start(Disk *d, const Server *s, const char *node, const char *device)
{
    *d = (Disk){ .v.modern = true };
    d->qt = qtest_start("-M pc -m 32 -blockdev nbd,node-name=n0,discard=unmap,server.type=unix,"
                        "server.path=%s%s -device virtio-blk-pci,drive=n0,addr=4%s",
                        s->socket, node, device);
    disk_drive(d, FEATURES);
}

static void test_requests(void)
{
    static const char *const filters[] = { NULL, "--filter=nozero", "--filter=noextents" };
    Server s;
    Disk d;

    for (unsigned i = 0; i < G_N_ELEMENTS(filters); i++) {
        if (!server_new(&s, "requests")) {
            return;
        }
        s.filter = filters[i];
        server_start(&s);
        start(&d, &s, "", "");
        g_assert_cmpuint(disk_read(&d, 5), ==, 6);
        disk_write(&d, 5, 0x77);
        g_assert_cmpuint(disk_read(&d, 5), ==, 0x77);
        g_assert_cmpuint(disk_read(&d, 6), ==, 7);
        g_assert_cmpuint(disk_range(&d, WRITE_ZEROES, 7, 2, 0), ==, OK);
        g_assert_cmpuint(disk_read(&d, 8), ==, 0);
        g_assert_cmpuint(disk_range(&d, DISCARD, 16, 8, 0), ==, OK);
        g_assert_cmpuint(disk_request(&d, FLUSH, 0, 0, 0), ==, OK);
        disk_assert_image(s.image, 5, 0x77);
        disk_assert_image(s.image, 7, 0);
        disk_assert_image(s.image, 8, 0);
        disk_assert_image(s.image, 9, 10);
        qtest_quit(d.qt);
        server_free(&s);
    }
}

/* Several at once, which the server answers in any order. */
static void test_many(void)
{
    Server s;
    Disk d;

    if (!server_new(&s, "many")) {
        return;
    }
    s.filter = "--filter=delay";
    server_start(&s);
    start(&d, &s, "", "");
    for (unsigned i = 0; i < 8; i++) {
        uint64_t out = d.out + i * 2 * SECTOR, in = d.in + i * 2 * SECTOR;

        qtest_writel(d.qt, out, IN);
        qtest_writeq(d.qt, out + 8, 20 + i);
        qvirtq_add_pair(&d.q, out, 16, in, SECTOR + 1);
    }
    qvirtq_kick(&d.q);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmpuint(qvirtq_wait_any(&d.q), ==, SECTOR + 1);
    }
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmpuint(qtest_readb(d.qt, d.in + i * 2 * SECTOR), ==, 21 + i);
    }
    qtest_quit(d.qt);
    server_free(&s);
}

/* Without reconnect-delay the guest is told at once; when the server is back, all is well. */
static void test_dies(void)
{
    Server s;
    Disk d;

    if (!server_new(&s, "dies")) {
        return;
    }
    server_start(&s);
    start(&d, &s, "", ",rerror=report,werror=report");
    qtest_allow_stderr(d.qt);
    disk_write(&d, 3, 0x11);
    server_kill(&s);
    g_assert_cmpuint(disk_request(&d, IN, 3, 0, SECTOR), ==, IOERR);
    g_assert_cmpuint(disk_request(&d, OUT, 3, SECTOR, 0), ==, IOERR);
    g_assert_cmpuint(disk_request(&d, FLUSH, 0, 0, 0), ==, IOERR);
    server_start(&s);
    while (disk_request(&d, IN, 3, 0, SECTOR) != OK) { /* it looks from time to time */
        g_usleep(10000);
    }
    g_assert_cmpuint(qtest_readb(d.qt, d.in), ==, 0x11);
    disk_write(&d, 3, 0x12);
    disk_assert_image(s.image, 3, 0x12);
    qtest_quit(d.qt);
    server_free(&s);
}

/* With it requests wait, those too that the server had. */
static void test_waits(void)
{
    Server s;
    Disk d;
    uint16_t head;

    if (!server_new(&s, "waits")) {
        return;
    }
    server_start(&s);
    start(&d, &s, ",reconnect-delay=60", ",werror=report");
    qtest_allow_stderr(d.qt);
    kill(s.pid, SIGSTOP); /* it has the request, and does not answer */
    qtest_memset(d.qt, d.out + 16, 0x21, SECTOR);
    head = disk_add(&d, OUT, 3, SECTOR, 0);
    qvirtq_kick(&d.q);
    g_assert_cmpuint(qtest_readb(d.qt, d.in), ==, 0xee);
    server_kill(&s);
    qtest_assert_state(d.qt, "running"); /* the machine goes on meanwhile */
    server_start(&s);
    qvirtq_wait(&d.q, head);
    g_assert_cmpuint(qtest_readb(d.qt, d.in), ==, OK);
    disk_assert_image(s.image, 3, 0x21);
    qtest_quit(d.qt);
    server_free(&s);
}

/* werror=stop: the machine stops, and tries again at `cont`. */
static void test_stops(void)
{
    g_autoptr(json_object) event = NULL;
    Server s;
    Disk d;
    uint16_t head;

    if (!server_new(&s, "stops")) {
        return;
    }
    server_start(&s);
    start(&d, &s, "", ",werror=stop");
    qtest_allow_stderr(d.qt);
    server_kill(&s);
    qtest_memset(d.qt, d.out + 16, 0x31, SECTOR);
    head = disk_add(&d, OUT, 3, SECTOR, 0);
    qvirtq_kick(&d.q);
    event = qtest_event(d.qt, "BLOCK_IO_ERROR");
    g_assert_cmpstr(qtest_get_str(event, "data.action"), ==, "stop");
    json_object_put(qtest_event(d.qt, "STOP"));
    qtest_assert_state(d.qt, "io-error");
    server_start(&s);
    qtest_qmp_ok(d.qt, "cont", "{}");
    while (!qvirtq_has_used(&d.q)) { /* the server may not be found yet */
        json_object *state = qtest_qmp(d.qt, "query-status", "{}");

        if (strcmp(qtest_get_str(state, "status"), "io-error") == 0) {
            qtest_qmp_ok(d.qt, "cont", "{}");
        }
        json_object_put(state);
    }
    qvirtq_wait(&d.q, head);
    g_assert_cmpuint(qtest_readb(d.qt, d.in), ==, OK);
    disk_assert_image(s.image, 3, 0x31);
    qtest_quit(d.qt);
    server_free(&s);
}

/* A server that comes back with something else is not the one. */
static void test_other(void)
{
    Server s;
    Disk d;

    if (!server_new(&s, "other")) {
        return;
    }
    server_start(&s);
    start(&d, &s, "", ",rerror=report");
    qtest_allow_stderr(d.qt);
    server_kill(&s);
    g_assert_cmpint(truncate(s.image, 4096), ==, 0);
    server_start(&s);
    g_usleep(400000); /* it has looked by then; and if not, the request fails as well */
    g_assert_cmpuint(disk_request(&d, IN, 3, 0, SECTOR), ==, IOERR);
    qtest_quit(d.qt);
    server_free(&s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nbd/requests", test_requests);
    g_test_add_func("/nbd/many", test_many);
    g_test_add_func("/nbd/dies", test_dies);
    g_test_add_func("/nbd/waits", test_waits);
    g_test_add_func("/nbd/stops", test_stops);
    g_test_add_func("/nbd/other", test_other);
    return g_test_run();
}
