/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images under a machine: handed over to another one, and the graph of nodes changed while it is
 * used. */
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
    qtest_assert_state(a.qt, "postmigrate");
    qtest_wait_running(qt);
    g_assert_true(is_kept(path));
    arrive(&b, &a, qt);
    g_assert_cmpuint(disk_read(&b, 3), ==, 0xa3);
    g_assert_cmpuint(disk_read(&b, 4), ==, 0xa4);
    disk_write(&b, 5, 0xb5);
    error = qtest_qmp_error(a.qt, "cont", "{}");
    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "in use by another program"));
    qtest_assert_state(a.qt, "postmigrate");
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
    qtest_assert_state(a.qt, "postmigrate");
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
        qtest_assert_state(qt, "paused");
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

/* ---- overlays ---- */

static json_object *drive_info(QTest *qt)
{
    g_autoptr(json_object) list = qtest_qmp(qt, "query-block", "{}");

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *one = json_object_array_get_idx(list, i);

        if (strcmp(qtest_get_str(one, "device"), "d0") == 0) {
            return json_object_get(one);
        }
    }
    g_assert_not_reached();
}

static void assert_error(QTest *qt, const char *part, const char *command, json_object *arguments)
{
    g_autoptr(json_object) error = qtest_qmp_error(qt, command, "%p", arguments);

    if (!strstr(qtest_get_str(error, "desc"), part)) {
        g_error("%s: '%s' is not in: %s", command, part, qtest_get_str(error, "desc"));
    }
}

/* Two snapshots to files, by the drive and by the node; what was there is only read then. */
static void test_snapshot_sync(void)
{
    g_autofree char *path = disk_make_image("sync"), *one = at("one.qcow2"), *two = at("two.qcow2"),
                    *said = NULL;
    g_autoptr(json_object) info = NULL, flat = NULL;
    Disk d;

    start(&d, "raw", path);
    disk_write(&d, 3, 0xa3);
    qtest_qmp_ok(d.qt, "blockdev-snapshot-sync",
                 "{'device': 'd0', 'snapshot-file': %s, 'snapshot-node-name': 'n1'}", one);
    g_assert_cmpuint(disk_read(&d, 3), ==, 0xa3);
    disk_write(&d, 3, 0xb3);
    disk_write(&d, 4, 0xb4);
    qtest_qmp_ok(d.qt, "blockdev-snapshot-sync", "{'node-name': 'n1', 'snapshot-file': %s}", two);
    disk_write(&d, 4, 0xc4);
    g_assert_cmpuint(disk_read(&d, 3), ==, 0xb3);
    g_assert_cmpuint(disk_read(&d, 4), ==, 0xc4);
    g_assert_cmpuint(disk_read(&d, 5), ==, 6);
    disk_assert_image(path, 3, 0xa3);
    disk_assert_image(path, 4, 5);

    info = drive_info(d.qt);
    g_assert_cmpstr(qtest_get_str(info, "inserted.file"), ==, two);
    g_assert_cmpstr(qtest_get_str(info, "inserted.drv"), ==, "qcow2");
    g_assert_cmpstr(qtest_get_str(info, "inserted.backing_file"), ==, one);
    g_assert_cmpint(qtest_get_int(info, "inserted.backing_file_depth"), ==, 2);
    g_assert_cmpstr(qtest_get_str(info, "inserted.image.backing-filename"), ==, one);
    g_assert_cmpstr(qtest_get_str(info, "inserted.image.backing-filename-format"), ==, "qcow2");
    g_assert_cmpint(qtest_get_int(info, "inserted.image.cluster-size"), ==, 65536);
    g_assert_cmpstr(qtest_get_str(info, "inserted.image.backing-image.full-backing-filename"), ==,
                    path);
    g_assert_cmpstr(qtest_get_str(info, "inserted.image.backing-image.backing-image.format"), ==,
                    "raw");
    flat = qtest_qmp(d.qt, "query-named-block-nodes", "{'flat': true}");
    for (size_t i = 0; i < json_object_array_length(flat); i++) {
        g_assert_null(qtest_get(json_object_array_get_idx(flat, i), "image.backing-image"));
    }
    said = qtest_hmp(d.qt, "info block d0");
    g_assert_nonnull(strstr(said, "chain depth: 2"));

    assert_error(
        d.qt, "already", "blockdev-snapshot-sync",
        qtest_json("{'device': 'd0', 'snapshot-file': %s, 'snapshot-node-name': 'n1'}", two));
    assert_error(d.qt, "in use", "blockdev-snapshot-sync",
                 qtest_json("{'device': 'd0', 'snapshot-file': %s}", two));
    assert_error(d.qt, "qcow2", "blockdev-snapshot-sync",
                 qtest_json("{'device': 'd0', 'snapshot-file': '/x', 'format': 'raw'}"));
    assert_error(d.qt, "/nowhere/x", "blockdev-snapshot-sync",
                 qtest_json("{'device': 'd0', 'snapshot-file': '/nowhere/x'}"));
    disk_write(&d, 6, 0xc6);
    qtest_qmp_ok(d.qt, "change-backing-file",
                 "{'device': 'd0', 'image-node-name': 'n1', 'backing-file': 'moved.raw'}");
    quit(&d);
    if (has_qemu_img) {
        g_autofree char *names = run("qemu-img info one.qcow2");

        g_assert_nonnull(strstr(names, "backing file: moved.raw"));
        g_free(run("qemu-img rebase -u -F raw -b %s one.qcow2 && qemu-img check -q two.qcow2 && "
                   "qemu-img convert -O raw two.qcow2 two.raw",
                   path));
        g_autofree char *raw = at("two.raw");
        disk_assert_image(raw, 3, 0xb3);
        disk_assert_image(raw, 4, 0xc4);
        disk_assert_image(raw, 5, 6);
        disk_assert_image(raw, 6, 0xc6);
    }
    g_unlink(path);
}

/* An image that a user made, by blockdev-snapshot; and HMP. */
static void test_snapshot_existing(void)
{
    g_autofree char *path = disk_make_image("existing"), *over = at("over.qcow2"), *said = NULL;
    Disk d;

    if (!need_qemu_img()) {
        g_unlink(path);
        return;
    }
    g_free(run("qemu-img create -q -f qcow2 -b %s -F raw over.qcow2 && "
               "qemu-img create -q -f qcow2 -b over.qcow2 -F qcow2 hmp.qcow2",
               path));
    memset(&d, 0, sizeof(d));
    d.v.modern = true;
    d.qt = qtest_start("-M pc -m 32 -blockdev file,node-name=f0,filename=%s"
                       " -blockdev raw,node-name=r0,file=f0 -device virtio-blk-pci,drive=r0,addr=4",
                       path);
    disk_drive(&d, QVIRTIO_VERSION_1);
    qtest_qmp_ok(d.qt, "blockdev-add",
                 "{'driver': 'qcow2', 'node-name': 'whole', 'read-only': true, 'file': "
                 "{'driver': 'file', 'filename': %s}}",
                 over);
    assert_error(d.qt, "'backing': null", "blockdev-snapshot",
                 qtest_json("{'node': 'r0', 'overlay': 'whole'}"));
    qtest_qmp_ok(d.qt, "blockdev-del", "{'node-name': 'whole'}");
    assert_error(d.qt, "are qcow2", "blockdev-snapshot",
                 qtest_json("{'node': 'r0', 'overlay': 'f0'}"));
    qtest_qmp_ok(d.qt, "blockdev-add",
                 "{'driver': 'qcow2', 'node-name': 'o', 'backing': null, 'file': "
                 "{'driver': 'file', 'filename': %s}}",
                 over);
    qtest_qmp_ok(d.qt, "blockdev-snapshot", "{'node': 'r0', 'overlay': 'o'}");
    assert_error(d.qt, "in use by", "blockdev-del", qtest_json("{'node-name': 'o'}"));
    assert_error(d.qt, "in use by block node 'o'", "blockdev-del",
                 qtest_json("{'node-name': 'r0'}"));
    disk_write(&d, 7, 0xd7);
    g_assert_cmpuint(disk_read(&d, 7), ==, 0xd7);
    g_assert_cmpuint(disk_read(&d, 8), ==, 9);
    disk_assert_image(path, 7, 8);
    said = qtest_hmp(d.qt, "snapshot_blkdev nobody");
    g_assert_nonnull(strstr(said, "Error: give the drive, and the file"));
    qtest_quit(d.qt);
    g_free(run("qemu-img check -q over.qcow2"));

    start(&d, "qcow2", over);
    g_free(said);
    said = qtest_hmp(d.qt, "snapshot_blkdev -n d0 %s/hmp.qcow2 qcow2", dir);
    g_assert_cmpstr(said, ==, "");
    disk_write(&d, 8, 0xd8);
    g_free(said);
    said = qtest_hmp(d.qt, "snapshot_blkdev d0 %s/by-hmp.qcow2", dir);
    g_assert_cmpstr(said, ==, "");
    disk_write(&d, 9, 0xd9);
    quit(&d);
    g_free(run("qemu-img convert -O raw over.qcow2 over.raw && "
               "qemu-img convert -O raw hmp.qcow2 hmp.raw"));
    g_autofree char *over_raw = at("over.raw"), *hmp_raw = at("hmp.raw");
    disk_assert_image(over_raw, 8, 9);
    disk_assert_image(hmp_raw, 7, 0xd7);
    disk_assert_image(hmp_raw, 8, 0xd8);
    disk_assert_image(hmp_raw, 9, 10);
    g_unlink(path);
}

/* -snapshot: the image is as it was, and another machine may have it at the same time. */
static void test_temporary(void)
{
    g_autofree char *path = disk_make_image("temporary"), *before = NULL, *after = NULL;
    size_t size;
    QTest *two;
    Disk d;

    g_assert_true(g_file_get_contents(path, &before, &size, NULL));
    memset(&d, 0, sizeof(d));
    d.v.modern = true;
    d.qt = qtest_start("-snapshot " MACHINE, "raw", path, "");
    disk_drive(&d, QVIRTIO_VERSION_1);
    disk_write(&d, 3, 0xe3);
    g_assert_cmpuint(disk_read(&d, 3), ==, 0xe3);
    g_assert_cmpuint(disk_read(&d, 4), ==, 5);
    two = qtest_start("-M pc -m 32 -drive if=none,id=d0,file=%s,format=raw,snapshot=on"
                      " -device virtio-blk-pci,drive=d0,addr=4",
                      path);
    qtest_quit(two);
    qtest_quit(d.qt);
    g_assert_true(g_file_get_contents(path, &after, NULL, NULL));
    g_assert_cmpmem(before, size, after, size);
    g_unlink(path);
}

/* ---- blockdev-reopen ---- */

static void test_reopen(void)
{
    g_autofree char *path = disk_make_image("reopen");
    g_autoptr(json_object) nodes = NULL;
    QTest *qt = qtest_start("-M pc -m 32 -blockdev file,node-name=f,filename=%s,read-only=on"
                            " -blockdev raw,node-name=r,file=f,read-only=on",
                            path);

    /* The one on top alone cannot be written. */
    assert_error(qt, "'f' is read-only", "blockdev-reopen",
                 qtest_json("{'options': [{'driver': 'raw', 'node-name': 'r', 'file': 'f', "
                            "'read-only': false}]}"));
    assert_error(
        qt, "must be as they are", "blockdev-reopen",
        qtest_json("{'options': [{'driver': 'file', 'node-name': 'f', 'filename': '/x'}]}"));
    assert_error(qt, "no block node 'z'", "blockdev-reopen",
                 qtest_json("{'options': [{'driver': 'null-co', 'node-name': 'z'}]}"));
    /* Both: the order is not theirs. */
    qtest_qmp_ok(qt, "blockdev-reopen",
                 "{'options': [{'driver': 'raw', 'node-name': 'r', 'file': 'f'}, "
                 "{'driver': 'file', 'node-name': 'f', 'filename': %s, "
                 "'discard': 'unmap', 'cache': {'no-flush': true}}]}",
                 path);
    nodes = qtest_qmp(qt, "query-named-block-nodes", "{}");
    for (size_t i = 0; i < 2; i++) {
        g_assert_false(qtest_get_bool(json_object_array_get_idx(nodes, i), "ro"));
    }
    g_assert_true(qtest_get_bool(json_object_array_get_idx(nodes, 0), "cache.no-flush"));
    qtest_qmp_ok(qt, "device_add", "{'driver': 'virtio-blk-pci', 'drive': 'r', 'addr': '4'}");
    Disk d = { .qt = qt, .v.modern = true };
    disk_drive(&d, QVIRTIO_VERSION_1);
    disk_write(&d, 9, 0xf9);
    /* Somebody writes to it, and goes on to. */
    assert_error(qt, "writes to it", "blockdev-reopen",
                 qtest_json("{'options': [{'driver': 'file', 'node-name': 'f', 'filename': %s, "
                            "'read-only': true}]}",
                            path));
    disk_write(&d, 10, 0xfa);
    disk_assert_image(path, 10, 0xfa);
    qtest_quit(qt);
    g_unlink(path);
}

/* The backing file of an image that is used becomes another one, and none. */
static void test_reopen_backing(void)
{
    g_autofree char *path = disk_make_image("backing"), *top = at("top.qcow2");
    const char *options = "{'options': [{'driver': 'qcow2', 'node-name': 'q', 'file': 'f', "
                          "'backing': %p}]}";
    Disk d = { .v.modern = true };

    if (need_qemu_img()) {
        g_free(run("qemu-img create -q -f qcow2 top.qcow2 64k"));
        d.qt = qtest_start("-M pc -m 32 -blockdev file,node-name=f,filename=%s"
                           " -blockdev file,node-name=b,filename=%s,read-only=on"
                           " -blockdev qcow2,node-name=q,file=f"
                           " -device virtio-blk-pci,drive=q,addr=4",
                           top, path);
        disk_drive(&d, QVIRTIO_VERSION_1);
        g_assert_cmpuint(disk_read(&d, 5), ==, 0);
        qtest_qmp_ok(d.qt, "blockdev-reopen", options, json_object_new_string("b"));
        g_assert_cmpuint(disk_read(&d, 5), ==, 6);
        assert_error(d.qt, "in use by block node 'q'", "blockdev-del",
                     qtest_json("{'node-name': 'b'}"));
        assert_error(d.qt, "below itself", "blockdev-reopen",
                     qtest_json(options, json_object_new_string("q")));
        qtest_qmp_ok(d.qt, "blockdev-reopen", options, NULL);
        g_assert_cmpuint(disk_read(&d, 5), ==, 0);
        qtest_qmp_ok(d.qt, "blockdev-del", "{'node-name': 'b'}");
        qtest_quit(d.qt);
    }
    g_unlink(path);
}

/* ---- snapshots within images ---- */

static void assert_says(QTest *qt, const char *part, const char *line)
{
    g_autofree char *said = qtest_hmp(qt, "%s", line);

    if (*part ? !strstr(said, part) : *said) {
        g_error("%s: '%s' is not in: %s", line, part, said);
    }
}

/* The machine, its memory and its disk go back; another program loads it as well. */
static void test_savevm(void)
{
    g_autofree char *path = at("vm.qcow2"), *listed = NULL;
    Disk d;

    if (!need_qemu_img()) {
        return;
    }
    g_free(run("qemu-img create -q -f qcow2 -o cluster_size=4k vm.qcow2 1M"));
    start(&d, "qcow2", path);
    assert_says(d.qt, "no snapshot", "info snapshots");
    disk_write(&d, 3, 0xa3);
    qtest_writeq(d.qt, 0x100000, 0x1122334455667788);
    assert_says(d.qt, "", "savevm one");
    qtest_assert_state(d.qt, "running");
    disk_write(&d, 3, 0xb3);
    qtest_writeq(d.qt, 0x100000, 7);
    qtest_writeq(d.qt, 0x110000, 8);
    assert_says(d.qt, "", "savevm two");
    disk_write(&d, 3, 0xc3);
    assert_says(d.qt, "two", "info snapshots");
    assert_says(d.qt, " MiB", "info snapshots");
    assert_says(d.qt, "no snapshot 'three'", "loadvm three");

    assert_says(d.qt, "", "loadvm two");
    qtest_assert_state(d.qt, "running");
    g_assert_cmphex(qtest_readq(d.qt, 0x100000), ==, 7);
    g_assert_cmphex(qtest_readq(d.qt, 0x110000), ==, 8);
    quit(&d);

    listed = run("qemu-img check -q vm.qcow2 && qemu-img snapshot -l vm.qcow2");
    g_assert_nonnull(strstr(listed, "one"));
    g_assert_nonnull(strstr(listed, "two"));
    g_assert_nonnull(strstr(listed, "iB")); /* the machine's state */

    d = (Disk){ .v.modern = true };
    d.qt = qtest_start(MACHINE " -loadvm one", "qcow2", path, "");
    g_assert_cmphex(qtest_readq(d.qt, 0x100000), ==, 0x1122334455667788);
    g_assert_cmphex(qtest_readq(d.qt, 0x110000), ==, 0);
    disk_drive(&d, QVIRTIO_VERSION_1);
    g_assert_cmpuint(disk_read(&d, 3), ==, 0xa3);
    assert_says(d.qt, "", "delvm one");
    assert_says(d.qt, "no snapshot 'one'", "delvm one");
    assert_says(d.qt, "", "stop");
    assert_says(d.qt, "", "loadvm two");
    qtest_assert_state(d.qt, "paused");
    assert_says(d.qt, "", "cont");
    disk_drive(&d, QVIRTIO_VERSION_1);
    g_assert_cmpuint(disk_read(&d, 3), ==, 0xb3);
    /* A snapshot of a machine that is another one by now changes nothing. */
    disk_write(&d, 3, 0xd3);
    qtest_qmp_ok(d.qt, "device_add", "{'driver': 'virtio-rng-pci', 'id': 'r0'}");
    assert_says(d.qt, "/machine/peripheral/r0", "loadvm two");
    qtest_assert_state(d.qt, "running");
    g_assert_cmpuint(disk_read(&d, 3), ==, 0xd3);
    qtest_quit(d.qt);
    g_free(run("qemu-img check -q vm.qcow2"));
}

/* A request that was made after the snapshot is not there any more, and the driver goes on. */
static void test_loadvm_driver(void)
{
    g_autofree char *path = at("driver.qcow2");
    Disk d, then;

    if (!need_qemu_img()) {
        return;
    }
    g_free(run("qemu-img create -q -f qcow2 driver.qcow2 1M"));
    start(&d, "qcow2", path);
    disk_write(&d, 1, 0x11);
    assert_says(d.qt, "", "savevm s");
    then = d;
    then.q.v = &then.v;
    disk_write(&d, 1, 0x22);
    disk_write(&d, 2, 0x22);
    assert_says(d.qt, "", "loadvm s");
    g_assert_cmpuint(disk_read(&then, 1), ==, 0x11);
    g_assert_cmpuint(disk_read(&then, 2), ==, 0);
    disk_write(&then, 2, 0x33);
    g_assert_cmpuint(disk_read(&then, 2), ==, 0x33);
    quit(&d);
    g_free(run("qemu-img check -q driver.qcow2"));
}

/* Of a disk alone; and disks that cannot. */
static void test_internal(void)
{
    g_autofree char *path = at("internal.qcow2"), *raw = disk_make_image("internal");
    g_autoptr(json_object) info = NULL, gone = NULL;
    Disk d;

    if (!need_qemu_img()) {
        g_unlink(raw);
        return;
    }
    g_free(run("qemu-img create -q -f qcow2 internal.qcow2 1M"));
    start(&d, "qcow2", path);
    disk_write(&d, 1, 0x11);
    qtest_qmp_ok(d.qt, "blockdev-snapshot-internal-sync", "{'device': 'd0', 'name': 'disk'}");
    disk_write(&d, 1, 0x22);
    assert_says(d.qt, "already", "snapshot_blkdev_internal d0 disk");
    assert_says(d.qt, "", "snapshot_blkdev_internal d0 other");
    info = drive_info(d.qt);
    g_assert_cmpstr(qtest_get_str(info, "inserted.image.snapshots.0.name"), ==, "disk");
    g_assert_cmpint(qtest_get_int(info, "inserted.image.snapshots.1.vm-state-size"), ==, 0);
    assert_says(d.qt, "disks alone", "loadvm disk");
    assert_error(d.qt, "no snapshot '9'", "blockdev-snapshot-delete-internal-sync",
                 qtest_json("{'device': 'd0', 'name': 'disk', 'id': '9'}"));
    assert_error(d.qt, "no snapshot 'nobody'", "blockdev-snapshot-delete-internal-sync",
                 qtest_json("{'device': 'd0', 'name': 'nobody'}"));
    gone = qtest_qmp(d.qt, "blockdev-snapshot-delete-internal-sync",
                     "{'device': 'd0', 'name': 'other'}");
    g_assert_cmpstr(qtest_get_str(gone, "id"), ==, "2");
    quit(&d);
    g_free(run("qemu-img check -q internal.qcow2 && qemu-img snapshot -a disk internal.qcow2 && "
               "qemu-img check -q internal.qcow2 && "
               "qemu-img convert -O raw internal.qcow2 internal.raw"));
    g_autofree char *back = at("internal.raw");
    disk_assert_image(back, 1, 0x11);

    start(&d, "raw", raw);
    assert_says(d.qt, "cannot keep snapshots", "savevm x");
    assert_says(d.qt, "cannot keep snapshots", "snapshot_blkdev_internal d0 x");
    quit(&d);
    g_unlink(raw);
}

/* The disk becomes longer and shorter, and the guest is told. */
static void test_resize_qcow2(void)
{
    g_autofree char *path = at("resize.qcow2");
    Disk d;

    if (!need_qemu_img()) {
        return;
    }
    g_free(run("qemu-img create -q -f qcow2 -o cluster_size=512 resize.qcow2 64k"));
    start(&d, "qcow2", path);
    disk_write(&d, 127, 0x7f);
    qtest_qmp_ok(d.qt, "block_resize", "{'device': 'd0', 'size': 268435456}");
    g_assert_cmpuint(qvirtio_config(&d.v, 0, 4), ==, 524288);
    disk_write(&d, 524287, 0x11);
    g_assert_cmpuint(disk_read(&d, 127), ==, 0x7f);
    g_assert_cmpuint(disk_read(&d, 128), ==, 0);
    qtest_qmp_ok(d.qt, "block_resize", "{'device': 'd0', 'size': 32768}");
    g_assert_cmpuint(qvirtio_config(&d.v, 0, 4), ==, 64);
    qtest_qmp_ok(d.qt, "block_resize", "{'device': 'd0', 'size': 65536}");
    g_assert_cmpuint(disk_read(&d, 127), ==, 0);
    assert_error(d.qt, "cannot have 1000 bytes", "block_resize",
                 qtest_json("{'device': 'd0', 'size': 1000}"));
    quit(&d);
    g_free(run("qemu-img check -q resize.qcow2"));
}

/* ---- a device of the host ---- */

/* A loop device on @path; NULL: there can be none, as *@why says. g_free both. */
static char *attach_loop(const char *path, char **why)
{
    const char *argv[] = { "losetup", "-f", "--show", path, NULL };
    char *out = NULL;
    int status = 1;

    *why = NULL;
    if (!g_spawn_sync(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out,
                      why, &status, NULL) ||
        status) {
        g_free(out);
        return NULL;
    }
    return g_strchomp(out);
}

static void test_host_device(void)
{
    g_autofree char *path = disk_make_image("loop"), *why = NULL, *loop = attach_loop(path, &why);
    Disk d = { .v.modern = true };

    if (!loop) {
        g_autofree char *text =
            g_strdup_printf("no loop device: %s", why ? g_strchomp(why) : "losetup is not there");

        g_test_skip(text);
        g_unlink(path);
        return;
    }
    d.qt = qtest_start("-M pc -m 32 -blockdev host_device,node-name=h,filename=%s,discard=unmap"
                       " -device virtio-blk-pci,drive=h,addr=4",
                       loop);
    disk_drive(&d, QVIRTIO_VERSION_1 | UINT64_C(1) << 9 | UINT64_C(1) << 13 | UINT64_C(1) << 14);
    g_assert_cmpuint(qvirtio_config(&d.v, 0, 4), ==, SECTORS);
    g_assert_cmpuint(disk_read(&d, 5), ==, 6);
    disk_write(&d, 5, 0xa5);
    g_assert_cmpuint(disk_range(&d, WRITE_ZEROES, 8, 8, 0), ==, OK);
    g_assert_cmpuint(disk_range(&d, DISCARD, 16, 8, 0), ==, OK);
    g_assert_cmpuint(disk_request(&d, FLUSH, 0, 0, 0), ==, OK);
    g_assert_cmpuint(disk_read(&d, 9), ==, 0);
    assert_error(d.qt, "cannot have", "block_resize",
                 qtest_json("{'node-name': 'h', 'size': 1048576}"));
    qtest_quit(d.qt);
    disk_assert_image(path, 5, 0xa5);
    disk_assert_image(path, 8, 0);
    g_free(run("losetup -d %s", loop));
    g_unlink(path);
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
    g_test_add_func("/block/snapshot/sync", test_snapshot_sync);
    g_test_add_func("/block/snapshot/existing", test_snapshot_existing);
    g_test_add_func("/block/snapshot/temporary", test_temporary);
    g_test_add_func("/block/reopen/flags", test_reopen);
    g_test_add_func("/block/reopen/backing", test_reopen_backing);
    g_test_add_func("/block/internal/savevm", test_savevm);
    g_test_add_func("/block/internal/driver", test_loadvm_driver);
    g_test_add_func("/block/internal/disk", test_internal);
    g_test_add_func("/block/resize", test_resize_qcow2);
    g_test_add_func("/block/host-device", test_host_device);
    int result = g_test_run();
    clean = run("rm -f *");
    g_rmdir(dir);
    g_free(dir);
    return result;
}
