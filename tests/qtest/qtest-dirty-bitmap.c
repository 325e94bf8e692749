/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Dirty bitmaps of a machine: QMP's commands, what a guest's writes mark, what images keep. */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/qtest/disk.h"

static char *path; /* of the image */
static bool has_qemu_img;

static void run(const char *fmt, ...) G_GNUC_PRINTF(1, 2);
static void run(const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list args;
    int status;

    va_start(args, fmt);
    text = g_strdup_vprintf(fmt, args);
    va_end(args);
    g_assert_true(g_spawn_command_line_sync(text, NULL, NULL, &status, NULL));
    if (status) {
        g_error("%s: status %d", text, status);
    }
}

static bool make_image(void)
{
    if (has_qemu_img) {
        run("qemu-img create -q -f qcow2 %s 1M", path);
    } else {
        g_test_skip("qemu-img is not there (package qemu-utils)");
    }
    return has_qemu_img;
}

static void start(Disk *d)
{
    *d = (Disk){ .v.modern = true };
    d->qt = qtest_start("-M pc -m 64 -blockdev file,node-name=f,filename=%s"
                        " -blockdev qcow2,node-name=n,file=f"
                        " -device virtio-blk-pci,drive=n,addr=4",
                        path);
    disk_drive(d, QVIRTIO_VERSION_1);
}

/* What is told of bitmap @name of node n; NULL: it is not there. */
static json_object *info(QTest *qt, const char *name)
{
    g_autoptr(json_object) nodes = qtest_qmp(qt, "query-named-block-nodes", "{}");

    for (size_t i = 0; i < json_object_array_length(nodes); i++) {
        json_object *node = json_object_array_get_idx(nodes, i);
        json_object *list = qtest_get(node, "dirty-bitmaps");

        for (size_t j = 0; list && j < json_object_array_length(list); j++) {
            json_object *one = json_object_array_get_idx(list, j);

            if (strcmp(qtest_get_str(node, "node-name"), "n") == 0 &&
                strcmp(qtest_get_str(one, "name"), name) == 0) {
                return json_object_get(one);
            }
        }
    }
    return NULL;
}

static void assert_info(QTest *qt, const char *name, int64_t count, bool recording, bool persistent)
{
    g_autoptr(json_object) one = info(qt, name);

    g_assert_nonnull(one);
    g_assert_cmpint(qtest_get_int(one, "count"), ==, count);
    g_assert_cmpint(qtest_get_bool(one, "recording"), ==, recording);
    g_assert_cmpint(qtest_get_bool(one, "persistent"), ==, persistent);
    g_assert_false(qtest_get_bool(one, "busy"));
    g_assert_null(qtest_get(one, "inconsistent"));
}

static void act(QTest *qt, const char *command, const char *name)
{
    g_autofree char *whole = g_strdup_printf("block-dirty-bitmap-%s", command);

    qtest_qmp_ok(qt, whole, "{'node': 'n', 'name': %s}", name);
}

static void assert_error(QTest *qt, const char *part, const char *command, json_object *arguments)
{
    g_autoptr(json_object) error = qtest_qmp_error(qt, command, "%p", arguments);

    if (!strstr(qtest_get_str(error, "desc"), part)) {
        g_error("'%s' in: %s", part, qtest_get_str(error, "desc"));
    }
}

static char *sha256(QTest *qt, const char *name)
{
    g_autoptr(json_object) result =
        qtest_qmp(qt, "x-debug-block-dirty-bitmap-sha256", "{'node': 'n', 'name': %s}", name);

    return g_strdup(qtest_get_str(result, "sha256"));
}

static void test_commands(void)
{
    g_autofree char *one = NULL, *two = NULL, *empty = NULL;
    Disk d;

    if (!make_image()) {
        return;
    }
    start(&d);
    act(d.qt, "add", "a");
    qtest_qmp_ok(d.qt, "block-dirty-bitmap-add",
                 "{'node': 'n', 'name': 'b', 'granularity': 512, 'disabled': true}");
    empty = sha256(d.qt, "a");
    g_assert_cmpstr(empty, ==, "af5570f5a1810b7af78caf4bc70a660f0df51e42baf91d4de5b2328de0e83dfc");
    disk_write(&d, 0, 0x11);
    disk_write(&d, 1, 0x11);
    disk_write(&d, 300, 0x11);
    assert_info(d.qt, "a", 2 * 65536, true, false);
    assert_info(d.qt, "b", 0, false, false);
    act(d.qt, "enable", "b");
    act(d.qt, "disable", "a");
    disk_write(&d, 1000, 0x22);
    assert_info(d.qt, "a", 2 * 65536, false, false);
    assert_info(d.qt, "b", 512, true, false);
    qtest_qmp_ok(d.qt, "block-dirty-bitmap-merge",
                 "{'node': 'n', 'target': 'b', 'bitmaps': ['a', {'node': 'n', 'name': 'a'}]}");
    assert_info(d.qt, "b", 2 * 65536 + 512, true, false);
    act(d.qt, "clear", "b");
    assert_info(d.qt, "b", 0, true, false);
    qtest_qmp_ok(d.qt, "block-dirty-bitmap-add", "{'node': 'n', 'name': 'c'}");
    qtest_qmp_ok(d.qt, "block-dirty-bitmap-merge",
                 "{'node': 'n', 'target': 'c', 'bitmaps': ['a']}");
    one = sha256(d.qt, "a");
    two = sha256(d.qt, "c");
    g_assert_cmpstr(one, ==, two);
    g_assert_cmpstr(one, !=, empty);
    act(d.qt, "remove", "a");
    g_assert_null(info(d.qt, "a"));
    qtest_quit(d.qt);
}

static void test_refused(void)
{
    QTest *qt;
    Disk d;

    if (!make_image()) {
        return;
    }
    start(&d);
    qt = d.qt;
    act(qt, "add", "a");
    assert_error(qt, "already", "block-dirty-bitmap-add", qtest_json("{'node': 'n', 'name': 'a'}"));
    assert_error(qt, "at least 512", "block-dirty-bitmap-add",
                 qtest_json("{'node': 'n', 'name': 'b', 'granularity': 256}"));
    assert_error(qt, "cannot be empty", "block-dirty-bitmap-add",
                 qtest_json("{'node': 'n', 'name': ''}"));
    assert_error(qt, "no block node 'm'", "block-dirty-bitmap-add",
                 qtest_json("{'node': 'm', 'name': 'b'}"));
    assert_error(qt, "keeps no bitmaps", "block-dirty-bitmap-add",
                 qtest_json("{'node': 'f', 'name': 'b', 'persistent': true}"));
    assert_error(qt, "no bitmap 'b'", "block-dirty-bitmap-clear",
                 qtest_json("{'node': 'n', 'name': 'b'}"));
    assert_error(qt, "no bitmap 'b'", "block-dirty-bitmap-merge",
                 qtest_json("{'node': 'n', 'target': 'a', 'bitmaps': ['b']}"));
    assert_error(qt, "no bitmap 'b'", "block-dirty-bitmap-merge",
                 qtest_json("{'node': 'n', 'target': 'b', 'bitmaps': ['a']}"));
    qtest_quit(qt);
}

static void test_kept(void)
{
    g_autofree char *before = NULL, *after = NULL;
    Disk d;

    if (!make_image()) {
        return;
    }
    start(&d);
    qtest_qmp_ok(d.qt, "block-dirty-bitmap-add", "{'node': 'n', 'name': 'p', 'persistent': true}");
    disk_write(&d, 200, 0x11);
    assert_info(d.qt, "p", 65536, true, true);
    before = sha256(d.qt, "p");
    qtest_quit(d.qt);
    run("qemu-img check -q %s", path);
    start(&d);
    after = sha256(d.qt, "p");
    g_assert_cmpstr(before, ==, after);
    disk_write(&d, 2000, 0x11);
    assert_info(d.qt, "p", 2 * 65536, true, true);
    qtest_qmp_ok(d.qt, "block_resize", "{'node-name': 'n', 'size': 2097152}");
    disk_write(&d, 4000, 0x11);
    assert_info(d.qt, "p", 3 * 65536, true, true);
    qtest_quit(d.qt);
    run("qemu-img check -q %s", path);
    start(&d);
    assert_info(d.qt, "p", 3 * 65536, true, true);
    act(d.qt, "remove", "p");
    qtest_quit(d.qt);
    run("qemu-img check -q %s", path);
    start(&d);
    g_assert_null(info(d.qt, "p"));
    qtest_quit(d.qt);
}

/* Nobody trusts what a program that was killed left. */
static void test_killed(void)
{
    g_autoptr(json_object) one = NULL;
    Disk d;

    if (!make_image()) {
        return;
    }
    run("qemu-img bitmap --add %s p", path);
    start(&d);
    disk_write(&d, 200, 0x11);
    qtest_allow_stderr(d.qt);
    kill(qtest_pid(d.qt), SIGKILL);
    g_assert_cmpint(qtest_wait_exit(d.qt), ==, 128 + SIGKILL);
    qtest_quit(d.qt);
    start(&d);
    one = info(d.qt, "p");
    g_assert_true(qtest_get_bool(one, "inconsistent"));
    g_assert_false(qtest_get_bool(one, "recording"));
    assert_error(d.qt, "is inconsistent", "block-dirty-bitmap-clear",
                 qtest_json("{'node': 'n', 'name': 'p'}"));
    act(d.qt, "remove", "p");
    qtest_quit(d.qt);
    run("qemu-img check -q -r leaks %s", path);
    run("qemu-img check -q %s", path);
}

/* Nodes that nobody uses: what commands change is in the image at once. */
static void test_unused(void)
{
    QTest *qt;

    if (!make_image()) {
        return;
    }
    qt = qtest_start("-M pc -blockdev file,node-name=f,filename=%s"
                     " -blockdev qcow2,node-name=n,file=f",
                     path);
    qtest_qmp_ok(qt, "block-dirty-bitmap-add", "{'node': 'n', 'name': 'p', 'persistent': true}");
    run("qemu-img bitmap --disable %s p", path);
    act(qt, "clear", "p"); /* it reads what the image has now */
    assert_info(qt, "p", 0, false, true);
    run("qemu-img bitmap --remove %s p", path);
    assert_error(qt, "no bitmap 'p'", "block-dirty-bitmap-enable",
                 qtest_json("{'node': 'n', 'name': 'p'}"));
    qtest_quit(qt);
    run("qemu-img check -q %s", path);
}

/* The disk of a machine that moves: the other one has what this one marked. */
static void test_handed_over(void)
{
    g_autofree char *uri = g_strdup_printf("unix:%s.socket", path);
    QTest *to;
    Disk d;

    if (!make_image()) {
        return;
    }
    run("qemu-img bitmap --add %s p", path);
    start(&d);
    disk_write(&d, 200, 0x11);
    to = qtest_start("-M pc -m 64 -blockdev file,node-name=f,filename=%s"
                     " -blockdev qcow2,node-name=n,file=f"
                     " -device virtio-blk-pci,drive=n,addr=4 -incoming %s",
                     path, uri);
    qtest_qmp_ok(d.qt, "migrate", "{'uri': %s}", uri);
    qtest_wait_running(to);
    assert_info(to, "p", 65536, true, true);
    qtest_quit(d.qt);
    d.qt = d.v.qt = to;
    d.q.v = &d.v;
    disk_write(&d, 2000, 0x11);
    assert_info(to, "p", 2 * 65536, true, true);
    qtest_quit(to);
    run("qemu-img check -q %s", path);
    start(&d);
    assert_info(d.qt, "p", 2 * 65536, true, true);
    qtest_quit(d.qt);
}

/* A node that becomes read-only has stored them by then; one that is written again marks them. */
static void test_reopened(void)
{
    QTest *qt;

    if (!make_image()) {
        return;
    }
    run("qemu-img bitmap --add %s p", path);
    qt = qtest_start("-M pc -blockdev file,node-name=f,filename=%s"
                     " -blockdev qcow2,node-name=n,file=f",
                     path);
    qtest_qmp_ok(qt, "blockdev-reopen",
                 "{'options': [{'driver': 'qcow2', 'node-name': 'n', 'file': 'f', 'read-only': "
                 "true}]}");
    assert_error(qt, "read-only", "block-dirty-bitmap-clear",
                 qtest_json("{'node': 'n', 'name': 'p'}"));
    assert_error(qt, "read-only", "block-dirty-bitmap-add",
                 qtest_json("{'node': 'n', 'name': 'q', 'persistent': true}"));
    qtest_qmp_ok(qt, "blockdev-reopen",
                 "{'options': [{'driver': 'qcow2', 'node-name': 'n', 'file': 'f'}]}");
    act(qt, "clear", "p");
    qtest_quit(qt);
    run("qemu-img check -q %s", path);
}

int main(int argc, char **argv)
{
    g_autofree char *program = g_find_program_in_path("qemu-img");
    int status;

    g_test_init(&argc, &argv, NULL);
    has_qemu_img = program;
    path = g_strdup_printf("%s/dirty-bitmap-%d.qcow2", g_get_tmp_dir(), getpid());
    g_test_add_func("/dirty-bitmap/commands", test_commands);
    g_test_add_func("/dirty-bitmap/refused", test_refused);
    g_test_add_func("/dirty-bitmap/kept", test_kept);
    g_test_add_func("/dirty-bitmap/killed", test_killed);
    g_test_add_func("/dirty-bitmap/unused", test_unused);
    g_test_add_func("/dirty-bitmap/handed-over", test_handed_over);
    g_test_add_func("/dirty-bitmap/reopened", test_reopened);
    status = g_test_run();
    unlink(path);
    g_free(path);
    return status;
}
