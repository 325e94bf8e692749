/* SPDX-License-Identifier: GPL-2.0-or-later */
/* scsi-cd: what is on a CD, and media that come and go, by users and by the guest. */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/scsi.h"

#define CD_BLOCK 2048u

enum {
    START_STOP = 0x1b,
    PREVENT = 0x1e,
    READ_TOC = 0x43,
    CONFIGURATION = 0x46,
    EVENT_STATUS = 0x4a,
    DISC_INFORMATION = 0x51,
    MODE_SENSE = 0x5a,
    READ_CD = 0xbe,
};

/* A drive "cd0", which is of device "cd", with what @drive says. */
static void start(Host *h, bool loop, const char *drive)
{
    *h = (Host){ .v.modern = true };
    h->qt = qtest_start("-M pc -m 64%s -device virtio-scsi-pci,id=scsi0,addr=4%s -drive "
                        "if=none,id=cd0,media=cdrom%s -device scsi-cd,drive=cd0,id=cd",
                        loop ? " -object iothread,id=io0" : "", loop ? ",iothread=io0" : "", drive);
    scsi_drive(h, FEATURES);
    COMMAND(h, 0, 0, 0);
    scsi_assert_sense(h, 6, 0x29);
}

/* The same with the image at @path in it. */
static void start_with(Host *h, bool loop, const char *path)
{
    g_autofree char *drive = g_strdup_printf(",format=raw,file=%s", path);

    start(h, loop, drive);
}

static uint32_t be32(Host *h, unsigned at)
{
    return GUINT32_FROM_BE(qtest_readl(h->qt, h->in + ANSWER + at));
}

static uint8_t byte(Host *h, unsigned at)
{
    return qtest_readb(h->qt, h->in + ANSWER + at);
}

static uint8_t read_block(Host *h, unsigned block)
{
    g_assert_cmpuint(COMMAND(h, 0, CD_BLOCK, READ_10, 0, 0, 0, 0, (uint8_t)block, 0, 0, 1), ==,
                     CD_BLOCK);
    scsi_assert_good(h);
    return byte(h, 0);
}

static void assert_moved(Host *h, bool open)
{
    g_autoptr(json_object) event = qtest_event(h->qt, "DEVICE_TRAY_MOVED");

    g_assert_cmpstr(qtest_get_str(event, "data.device"), ==, "cd0");
    g_assert_cmpstr(qtest_get_str(event, "data.id"), ==, "cd");
    g_assert_cmpint(qtest_get_bool(event, "data.tray-open"), ==, open);
}

static void assert_drive(Host *h, bool open, bool locked, const char *file)
{
    g_autoptr(json_object) list = qtest_qmp(h->qt, "query-block", "{}");
    json_object *drive = json_object_array_get_idx(list, 0), *inserted;

    g_assert_cmpstr(qtest_get_str(drive, "device"), ==, "cd0");
    g_assert_true(qtest_get_bool(drive, "removable"));
    g_assert_cmpint(qtest_get_bool(drive, "tray_open"), ==, open);
    g_assert_cmpint(qtest_get_bool(drive, "locked"), ==, locked);
    if (json_object_object_get_ex(drive, "inserted", &inserted)) {
        g_assert_cmpstr(qtest_get_str(inserted, "file"), ==, file);
    } else {
        g_assert_null(file);
    }
}

static bool is_loop(gconstpointer data)
{
    return data != NULL;
}

/* ---- what is on it ---- */

static void test_contents(gconstpointer data)
{
    g_autofree char *path = disk_make_image("cd-contents");
    Host h;

    start_with(&h, is_loop(data), path);
    COMMAND(&h, 0, 36, INQUIRY, 0, 0, 0, 36);
    scsi_assert_good(&h);
    g_assert_cmphex(byte(&h, 0), ==, 5);
    g_assert_cmphex(byte(&h, 1), ==, 0x80);
    COMMAND(&h, 0, 8, READ_CAPACITY);
    g_assert_cmpuint(be32(&h, 0), ==, SECTORS / 4 - 1);
    g_assert_cmpuint(be32(&h, 4), ==, CD_BLOCK);
    g_assert_cmpuint(read_block(&h, 3), ==, 13);
    COMMAND(&h, CD_BLOCK, 0, WRITE_10, 0, 0, 0, 0, 0, 0, 0, 1);
    scsi_assert_sense(&h, 5, 0x20);
    g_assert_cmpuint(COMMAND(&h, 0, 20, READ_TOC, 0, 0, 0, 0, 0, 0, 0, 20), ==, 20);
    g_assert_cmphex(be32(&h, 0), ==, 18 << 16 | 0x0101);
    g_assert_cmphex(be32(&h, 4), ==, 0x140100);
    g_assert_cmpuint(be32(&h, 16), ==, SECTORS / 4);
    COMMAND(&h, 0, 12, READ_TOC, 2, 0, 0, 0, 0, 0xaa, 0, 12); /* the end, in minutes */
    g_assert_cmphex(be32(&h, 8), ==, 2 << 8 | 32);
    COMMAND(&h, 0, 12, READ_TOC, 0, 1, 0, 0, 0, 0, 0, 12);
    g_assert_cmphex(be32(&h, 4), ==, 0x140100);
    g_assert_cmpuint(COMMAND(&h, 0, 48, READ_TOC, 2, 2, 0, 0, 0, 0, 0, 48), ==, 48);
    COMMAND(&h, 0, 12, READ_TOC, 0, 0, 0, 0, 0, 2, 0, 12);
    scsi_assert_sense(&h, 5, 0x24);
    COMMAND(&h, 0, 34, DISC_INFORMATION, 0, 0, 0, 0, 0, 0, 0, 34);
    g_assert_cmphex(byte(&h, 2), ==, 0x0e);
    COMMAND(&h, 0, 128, CONFIGURATION, 0, 0, 0, 0, 0, 0, 0, 128);
    g_assert_cmphex(be32(&h, 4), ==, 8); /* a CD */
    g_assert_cmpuint(be32(&h, 0), ==, 128 - h.residual - 4);
    g_assert_cmpuint(COMMAND(&h, 0, 64, MODE_SENSE, 0, 0x2a, 0, 0, 0, 0, 0, 64), ==, 8 + 22);
    g_assert_cmphex(byte(&h, 8 + 6), ==, 0x29);
    COMMAND(&h, 0, CD_BLOCK, READ_CD, 0, 0, 0, 0, 5, 0, 0, 1, 0x10);
    scsi_assert_good(&h);
    g_assert_cmpuint(byte(&h, 0), ==, 21);
    COMMAND(&h, 0, 2352, READ_CD, 0, 0, 0, 0, 5, 0, 0, 1, 0xf8);
    scsi_assert_sense(&h, 5, 0x24);
    assert_drive(&h, false, false, path);
    qtest_quit(h.qt);
    unlink(path);
}

/* ---- users ---- */

static void assert_event_status(Host *h, uint8_t event, uint8_t status)
{
    COMMAND(h, 0, 8, EVENT_STATUS, 1, 0, 0, 0x10, 0, 0, 0, 8);
    scsi_assert_good(h);
    g_assert_cmphex(byte(h, 4), ==, event);
    g_assert_cmphex(byte(h, 5), ==, status);
}

static void test_change(gconstpointer data)
{
    g_autofree char *one = disk_make_image("cd-one"), *two = disk_make_image("cd-two");
    Host h;

    g_assert_cmpint(truncate(two, 16 * CD_BLOCK), ==, 0);
    start(&h, is_loop(data), "");
    assert_drive(&h, false, false, NULL);
    COMMAND(&h, 0, 0, 0);
    scsi_assert_sense(&h, 2, 0x3a);
    assert_event_status(&h, 0, 0);

    qtest_qmp_ok(h.qt, "blockdev-change-medium", "{'id': 'cd', 'filename': %s, 'format': 'raw'}",
                 one);
    assert_moved(&h, true);
    assert_moved(&h, false);
    assert_drive(&h, false, false, one);
    assert_event_status(&h, 2, 2);
    COMMAND(&h, 0, 0, 0);
    scsi_assert_sense(&h, 6, 0x28);
    g_assert_cmpuint(read_block(&h, 3), ==, 13);

    qtest_qmp_ok(h.qt, "eject", "{'device': 'cd0'}");
    assert_moved(&h, true);
    assert_drive(&h, true, false, NULL);
    COMMAND(&h, 0, 0, 0);
    scsi_assert_sense(&h, 2, 0x3a);
    assert_event_status(&h, 3, 1);

    qtest_qmp_ok(h.qt, "blockdev-add",
                 "{'driver': 'file', 'node-name': 'n0', 'filename': %s, 'read-only': true}", two);
    qtest_qmp_ok(h.qt, "blockdev-insert-medium", "{'id': 'cd', 'node-name': 'n0'}");
    qtest_qmp_ok(h.qt, "blockdev-close-tray", "{'id': 'cd'}");
    assert_moved(&h, false);
    COMMAND(&h, 0, 0, 0);
    scsi_assert_sense(&h, 6, 0x28);
    COMMAND(&h, 0, 8, READ_CAPACITY);
    g_assert_cmpuint(be32(&h, 0), ==, 15);
    qtest_qmp_ok(h.qt, "blockdev-open-tray", "{'device': 'cd0'}");
    qtest_qmp_ok(h.qt, "blockdev-remove-medium", "{'id': 'cd'}");
    qtest_qmp_ok(h.qt, "blockdev-del", "{'node-name': 'n0'}");
    qtest_quit(h.qt);
    unlink(one);
    unlink(two);
}

static void refuse(Host *h, const char *command, const char *arguments, const char *message)
{
    g_autoptr(json_object) error = qtest_qmp_error(h->qt, command, arguments);

    if (!strstr(qtest_get_str(error, "desc"), message)) {
        g_error("'%s' in: %s", message, qtest_get_str(error, "desc"));
    }
}

/* What is refused changes nothing. */
static void test_refused(gconstpointer data)
{
    g_autofree char *path = disk_make_image("cd-refused");
    Host h;

    start_with(&h, is_loop(data), path);
    qtest_qmp_ok(h.qt, "blockdev-add", "{'driver': 'null-co', 'node-name': 'n0'}");
    qtest_qmp_ok(h.qt, "device_add", "{'driver': 'scsi-hd', 'drive': 'n0', 'id': 'hd'}");
    refuse(&h, "eject", "{'id': 'hd'}", "no drive with a tray");
    refuse(&h, "eject", "{'id': 'x'}", "there is no drive 'x'");
    refuse(&h, "eject", "{}", "give one of 'device' and 'id'");
    refuse(&h, "blockdev-remove-medium", "{'id': 'cd'}", "is closed: use blockdev-open-tray");
    refuse(&h, "blockdev-insert-medium", "{'id': 'cd', 'node-name': 'n0'}", "is closed");
    refuse(&h, "blockdev-change-medium", "{'id': 'cd', 'filename': '/nonexistent'}",
           "No such file");
    assert_drive(&h, false, false, path);
    qtest_qmp_ok(h.qt, "blockdev-open-tray", "{'id': 'cd'}");
    refuse(&h, "blockdev-insert-medium", "{'id': 'cd', 'node-name': 'n0'}", "there is a medium");
    qtest_qmp_ok(h.qt, "blockdev-remove-medium", "{'id': 'cd'}");
    refuse(&h, "blockdev-insert-medium", "{'id': 'cd', 'node-name': 'n0'}", "hd"); /* who writes */
    assert_drive(&h, true, false, NULL);
    qtest_quit(h.qt);
    unlink(path);
}

static void test_hmp(gconstpointer data)
{
    g_autofree char *path = disk_make_image("cd-hmp"), *info = NULL, *other = NULL, *said = NULL;
    Host h;

    start_with(&h, is_loop(data), path);
    said = qtest_hmp(h.qt, "eject cd0");
    g_assert_cmpstr(said, ==, "");
    info = qtest_hmp(h.qt, "info block");
    g_assert_nonnull(strstr(info, "cd0: [not inserted]"));
    g_assert_nonnull(strstr(info, "Removable device: not locked, tray open"));
    other = qtest_hmp(h.qt, "change cd %s raw", path);
    g_assert_cmpstr(other, ==, "");
    assert_drive(&h, false, false, path);
    qtest_quit(h.qt);
    unlink(path);
}

/* ---- the guest ---- */

static void test_guest(gconstpointer data)
{
    g_autofree char *path = disk_make_image("cd-guest");
    g_autoptr(json_object) error = NULL;
    Host h;

    start_with(&h, is_loop(data), path);
    COMMAND(&h, 0, 0, PREVENT, 0, 0, 0, 1);
    scsi_assert_good(&h);
    assert_drive(&h, false, true, path);
    COMMAND(&h, 0, 0, START_STOP, 0, 0, 0, 2);
    scsi_assert_sense(&h, 5, 0x53);
    error = qtest_qmp_error(h.qt, "eject", "{'id': 'cd'}");
    g_assert_nonnull(strstr(qtest_get_str(error, "desc"), "the guest has locked"));
    assert_event_status(&h, 1, 2); /* it is asked for it */
    qtest_qmp_ok(h.qt, "blockdev-open-tray", "{'id': 'cd'}");
    assert_drive(&h, false, true, path);
    COMMAND(&h, 0, 0, PREVENT, 0, 0, 0, 0);
    COMMAND(&h, 0, 0, START_STOP, 0, 0, 0, 2);
    scsi_assert_good(&h);
    assert_moved(&h, true);
    assert_drive(&h, true, false, path);
    COMMAND(&h, 0, 0, START_STOP, 0, 0, 0, 3);
    scsi_assert_good(&h);
    assert_moved(&h, false);
    g_assert_cmpuint(read_block(&h, 3), ==, 13); /* it is the medium that was there */
    COMMAND(&h, 0, 0, PREVENT, 0, 0, 0, 1);
    qtest_qmp_ok(h.qt, "eject", "{'id': 'cd', 'force': true}");
    assert_moved(&h, true);
    assert_drive(&h, true, false, NULL);
    qtest_quit(h.qt);
    unlink(path);
}

/* A tray that is opened by force, and closed by the guest. */
static void test_forced(gconstpointer data)
{
    g_autofree char *path = disk_make_image("cd-forced");
    Host h;

    start_with(&h, is_loop(data), path);
    COMMAND(&h, 0, 0, PREVENT, 0, 0, 0, 1);
    qtest_qmp_ok(h.qt, "blockdev-open-tray", "{'id': 'cd', 'force': true}");
    assert_moved(&h, true);
    assert_drive(&h, true, false, path);
    COMMAND(&h, 0, 0, 0);
    scsi_assert_sense(&h, 2, 0x3a);
    COMMAND(&h, 0, 0, START_STOP, 0, 0, 0, 3);
    scsi_assert_good(&h);
    assert_moved(&h, false);
    g_assert_cmpuint(read_block(&h, 3), ==, 13);

    /* Another medium is told of, whoever closes the tray. */
    COMMAND(&h, 0, 0, START_STOP, 0, 0, 0, 2);
    assert_moved(&h, true);
    qtest_qmp_ok(h.qt, "blockdev-remove-medium", "{'id': 'cd'}");
    qtest_qmp_ok(h.qt, "blockdev-add",
                 "{'driver': 'file', 'node-name': 'n0', 'filename': %s, 'read-only': true}", path);
    qtest_qmp_ok(h.qt, "blockdev-insert-medium", "{'id': 'cd', 'node-name': 'n0'}");
    COMMAND(&h, 0, 0, START_STOP, 0, 0, 0, 3);
    scsi_assert_sense(&h, 6, 0x28);
    COMMAND(&h, 0, 0, START_STOP, 0, 0, 0, 3);
    scsi_assert_good(&h);
    g_assert_cmpuint(read_block(&h, 3), ==, 13);
    qtest_quit(h.qt);
    unlink(path);
}

/* A machine that is saved with its tray open has it open where it is loaded. */
static void test_saved(gconstpointer data)
{
    g_autofree char *path = disk_make_image("cd-saved"), *file = g_strconcat(path, "-m", NULL),
                    *arrives = g_strdup_printf(",format=raw,file=%s", path);
    Host h;

    start_with(&h, is_loop(data), path);
    COMMAND(&h, 0, 0, START_STOP, 0, 0, 0, 2);
    assert_moved(&h, true);
    qtest_save(h.qt, file);
    qtest_quit(h.qt);
    h.qt = h.v.qt = qtest_start("-M pc -m 64%s -device virtio-scsi-pci,id=scsi0,addr=4%s -drive "
                                "if=none,id=cd0,media=cdrom%s -device scsi-cd,drive=cd0,id=cd "
                                "-incoming file:%s",
                                is_loop(data) ? " -object iothread,id=io0" : "",
                                is_loop(data) ? ",iothread=io0" : "", arrives, file);
    qtest_wait_running(h.qt);
    assert_drive(&h, true, false, path);
    qtest_quit(h.qt);
    unlink(path);
    unlink(file);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        GTestDataFunc fn;
    } cases[] = {
        { "contents", test_contents }, { "change", test_change }, { "refused", test_refused },
        { "hmp", test_hmp },           { "guest", test_guest },   { "saved", test_saved },
        { "forced", test_forced },
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (unsigned loop = 0; loop < 2; loop++) {
            g_autofree char *path =
                g_strdup_printf("/scsi-cd/%s%s", cases[i].name, loop ? "/iothread" : "");

            g_test_add_data_func(path, loop ? "iothread" : NULL, cases[i].fn);
        }
    }
    return g_test_run();
}
