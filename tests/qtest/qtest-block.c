/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images under a machine: handed over to another one. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/qtest/disk.h"

static char *dir;
static bool has_qemu_img;

static char *at(const char *name)
{
    return g_build_filename(dir, name, NULL);
}

/* A command in the folder of the images; its exit status is 0. What it printed; g_free. */
static char *run(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static char *run(const char *fmt, ...)
{
    g_autofree char *text = NULL, *errors = NULL, *script = NULL;
    char *out = NULL;
    int status;
    va_list args;

    va_start(args, fmt);
    text = g_strdup_vprintf(fmt, args);
    va_end(args);
    script = g_strdup_printf("cd %s && %s", dir, text);
    char *argv[] = { (char *)"sh", (char *)"-c", script, NULL };
    g_assert_true(g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &errors,
                               &status, NULL));
    if (status) {
        g_error("%s: status %d\n%s%s", text, status, out, errors);
    }
    return out;
}

static bool need_qemu_img(void)
{
    if (!has_qemu_img) {
        g_test_skip("qemu-img is not there (package qemu-utils)");
    }
    return has_qemu_img;
}

/* Does a program hold the lock that keeps others from writing to the image? */
static bool is_kept(const char *path)
{
    enum { KEEPS_WRITES = 200 + 1 };
    struct flock lock = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = KEEPS_WRITES, .l_len = 1
    };
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fcntl(fd, F_OFD_GETLK, &lock), ==, 0);
    close(fd);
    return lock.l_type != F_UNLCK;
}

static bool can_lock(void)
{
    g_autofree char *path = at("lock");
    struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1 };
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), result = fcntl(fd, F_OFD_SETLK, &lock);

    close(fd);
    if (result < 0) {
        g_test_skip("files cannot be locked here");
    }
    return result == 0;
}

/* ---- two machines on one image ---- */

#define MACHINE \
    "-M pc -m 32 -drive if=none,id=d0,format=%s,file=%s -device virtio-blk-pci,drive=d0,addr=4%s"

static void start(Disk *d, const char *format, const char *path)
{
    memset(d, 0, sizeof(*d));
    d->path = g_strdup(path);
    d->v.modern = true;
    d->qt = qtest_start(MACHINE, format, path, "");
    disk_drive(d, QVIRTIO_VERSION_1);
}

/* The machine that @from goes to: its driver is where that one was. */
static void arrive(Disk *d, const Disk *from, QTest *qt)
{
    *d = *from;
    d->qt = d->v.qt = qt;
    d->q.v = &d->v;
    d->path = NULL;
}

static void quit(Disk *d)
{
    qtest_quit(d->qt);
    g_free(d->path);
}

static void assert_state(QTest *qt, const char *state)
{
    g_autoptr(json_object) status = qtest_qmp(qt, "query-status", "{}");

    g_assert_cmpstr(qtest_get_str(status, "status"), ==, state);
}

static void wait_state(QTest *qt, const char *state)
{
    for (;;) {
        g_autoptr(json_object) status = qtest_qmp(qt, "query-status", "{}");

        if (strcmp(qtest_get_str(status, "status"), state) == 0) {
            return;
        }
        g_usleep(1000);
    }
}

static void hear_of_migration(QTest *qt)
{
    qtest_qmp_ok(qt, "migrate-set-capabilities",
                 "{'capabilities': [{'capability': 'events', 'state': true}]}");
}

static void migrate(QTest *qt, const char *uri, const char *end)
{
    hear_of_migration(qt);
    qtest_qmp_ok(qt, "migrate", "{'uri': %s}", uri);
    json_object_put(qtest_event_with(qt, "MIGRATION", "status", end));
}

/* The image goes with the machine, and comes back when the other one has ended. */
static void hand_over(const char *format, const char *path)
{
    g_autofree char *uri = g_strdup_printf("unix:%s/migration", dir);
    g_autoptr(json_object) error = NULL, refused = NULL;
    QTest *qt;
    Disk a, b;

    start(&a, format, path);
    disk_write(&a, 3, 0xa3);
    g_assert_true(is_kept(path));
    qt = qtest_start(MACHINE " -incoming %s", format, path, "", uri);
    refused = qtest_qmp_error(qt, "block_resize", "{'device': 'd0', 'size': 1048576}");
    disk_write(&a, 4, 0xa4);
    migrate(a.qt, uri, "completed");
    assert_state(a.qt, "postmigrate");
    qtest_wait_running(qt);
    g_assert_true(is_kept(path));
    arrive(&b, &a, qt);
    g_assert_cmpuint(disk_read(&b, 3), ==, 0xa3);
    g_assert_cmpuint(disk_read(&b, 4), ==, 0xa4);
    disk_write(&b, 5, 0xb5);
    error = qtest_qmp_error(a.qt, "cont", "{}");
    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "in use by another program"));
    assert_state(a.qt, "postmigrate");
    disk_write(&b, 6, 0xb6);
    quit(&b);
    g_assert_false(is_kept(path));
    qtest_qmp_ok(a.qt, "cont", "{}");
    g_assert_true(is_kept(path));
    g_assert_cmpuint(disk_read(&a, 5), ==, 0xb5); /* as the other one left it */
    g_assert_cmpuint(disk_read(&a, 6), ==, 0xb6);
    disk_write(&a, 7, 0xa7);
    quit(&a);
    g_assert_false(is_kept(path));
}

static void test_hand_over_raw(void)
{
    g_autofree char *path = disk_make_image("hand-over");

    if (can_lock()) {
        hand_over("raw", path);
    }
    g_unlink(path);
}

static void test_hand_over_qcow2(void)
{
    g_autofree char *path = at("hand-over.qcow2");

    if (can_lock() && need_qemu_img()) {
        g_free(run("qemu-img create -q -f qcow2 -o cluster_size=512 hand-over.qcow2 1M"));
        hand_over("qcow2", path);
        g_free(run("qemu-img check -q hand-over.qcow2"));
    }
}

/* Migration to a machine that is another one, and one that is cancelled. */
static void test_taken_back(void)
{
    g_autofree char *path = disk_make_image("taken-back"), *uri = NULL, *silent = NULL;
    Disk a;

    if (!can_lock()) {
        return;
    }
    start(&a, "raw", path);
    disk_write(&a, 3, 0xa3);
    migrate(a.qt, "exec:cat >/dev/null; false",
            "failed"); /* it has all, and says that it has not */
    wait_state(a.qt, "running");
    g_assert_true(is_kept(path));
    disk_write(&a, 4, 0xa4);

    hear_of_migration(a.qt);
    qtest_qmp_ok(a.qt, "migrate", "{'uri': 'exec:sleep 1000'}"); /* it takes nothing */
    json_object_put(qtest_event_with(a.qt, "MIGRATION", "status", "active"));
    qtest_qmp_ok(a.qt, "migrate_cancel", "{}");
    json_object_put(qtest_event_with(a.qt, "MIGRATION", "status", "cancelled"));
    wait_state(a.qt, "running");
    g_assert_true(is_kept(path));
    disk_write(&a, 5, 0xa5);
    quit(&a);
    g_unlink(path);
}

/* Who has the image when the machine has come, and stands. */
static void come_and_stand(bool late)
{
    g_autofree char *path = disk_make_image("stand"), *file = at("machine"), *uri = NULL;
    g_autoptr(json_object) error = NULL;
    QTest *qt;
    Disk a, b;

    start(&a, "raw", path);
    qtest_save(a.qt, file);
    assert_state(a.qt, "postmigrate");
    g_assert_false(is_kept(path));
    uri = g_strdup_printf("file:%s", file);
    qt = qtest_start(MACHINE " -S -incoming defer", "raw", path, "");
    if (late) {
        qtest_qmp_ok(qt, "migrate-set-capabilities",
                     "{'capabilities': [{'capability': 'late-block-activate', 'state': true}]}");
    }
    qtest_qmp_ok(qt, "migrate-incoming", "{'uri': %s}", uri);
    wait_state(qt, "paused");
    g_assert_cmpint(is_kept(path), ==, !late);
    if (late) { /* the one that went takes it back */
        qtest_qmp_ok(a.qt, "cont", "{}");
        disk_write(&a, 3, 0xa3);
        error = qtest_qmp_error(qt, "cont", "{}");
        assert_state(qt, "paused");
    }
    arrive(&b, &a, qt);
    quit(&a);
    qtest_qmp_ok(qt, "cont", "{}");
    g_assert_true(is_kept(path));
    qtest_quit(qt);
    g_unlink(path);
    g_unlink(file);
}

static void test_stand(void)
{
    if (can_lock()) {
        come_and_stand(false);
    }
}

static void test_late(void)
{
    if (can_lock()) {
        come_and_stand(true);
    }
}

int main(int argc, char *argv[])
{
    g_autofree char *program = g_find_program_in_path("qemu-img"), *clean = NULL;

    g_test_init(&argc, &argv, NULL);
    has_qemu_img = program;
    dir = g_dir_make_tmp(NULL, NULL);
    g_test_add_func("/block/hand-over/raw", test_hand_over_raw);
    g_test_add_func("/block/hand-over/qcow2", test_hand_over_qcow2);
    g_test_add_func("/block/hand-over/taken-back", test_taken_back);
    g_test_add_func("/block/hand-over/stand", test_stand);
    g_test_add_func("/block/hand-over/late", test_late);
    int result = g_test_run();
    clean = run("rm -f *");
    g_rmdir(dir);
    g_free(dir);
    return result;
}
