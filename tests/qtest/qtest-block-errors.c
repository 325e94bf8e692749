/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done about errors of the host: each kind of request under each policy, by virtio-blk. */
#include <glib/gstdio.h>
#include <string.h>

#include "tests/qtest/disk.h"

/* A request of each kind, of sector 3, and which error of blkdebug meets it. */
typedef struct ErrorKind {
    const char *name, *inject;
    uint32_t type, out_len, in_len;
    bool range;
    uint8_t after; /* what sector 3 is when it went well; it is 4 before */
} ErrorKind;

static const ErrorKind error_kinds[] = {
    { "read", "event=read_aio", IN, 0, SECTOR, false, 4 },
    { "write", "event=write_aio", OUT, SECTOR, 0, false, 0x5a },
    { "flush", "event=flush_to_disk", FLUSH, 0, 0, false, 4 },
    { "discard", "event=none,inject-error.0.iotype=discard", DISCARD, 16, 0, true, 0 },
    { "zeroes", "event=write_aio,inject-error.0.iotype=write-zeroes", WRITE_ZEROES, 16, 0, true,
      0 },
};
static const char *const error_policies[] = { NULL, "auto", "enospc", "report", "ignore", "stop" };
static const int error_numbers[] = { 5, 28 }; /* EIO, ENOSPC */

typedef struct ErrorCase {
    const ErrorKind *kind;
    const char *policy; /* NULL: nothing is said */
    int error;
    bool of_drive; /* the drive says it, and not the device */
} ErrorCase;

/* Reads are reported if nothing is said, and the rest only if there is space. */
static const char *expected_action(const ErrorCase *c)
{
    const char *policy = c->policy && strcmp(c->policy, "auto") != 0 ? c->policy
                         : c->kind->type == IN                       ? "report"
                                                                     : "enospc";

    return strcmp(policy, "enospc") != 0 ? policy : c->error == 28 ? "stop" : "report";
}

static uint16_t add_request(Disk *d, const ErrorKind *kind)
{
    qtest_memset(d->qt, d->out + 16, 0x5a, SECTOR);
    if (kind->range) {
        qtest_writeq(d->qt, d->out + 16, 3);
        qtest_writeq(d->qt, d->out + 24, 1); /* a sector, and no flags */
    }
    return disk_add(d, kind->type, kind->range || kind->type == FLUSH ? 0 : 3, kind->out_len,
                    kind->in_len);
}

/* The host refuses once; a machine that stopped tries again at `cont`. */
static void test_error_case(gconstpointer data)
{
    const ErrorCase *c = data;
    const char *action = expected_action(c);
    g_autofree char *path = disk_make_image("errors");
    g_autofree char *policy =
        c->policy ? g_strdup_printf(",%s=%s", c->kind->type == IN ? "rerror" : "werror", c->policy)
                  : g_strdup("");
    g_autoptr(json_object) event = NULL;
    bool stops = strcmp(action, "stop") == 0, reports = strcmp(action, "report") == 0;
    Disk d = { .v.modern = true };
    uint16_t head;

    d.qt = qtest_start(
        "-M pc -m 32 %s,discard=unmap,"
        "image.driver=file,image.filename=%s,inject-error.0.%s,"
        "inject-error.0.errno=%d,inject-error.0.once=on%s "
        "-device virtio-blk-pci,drive=n0,addr=4%s",
        c->of_drive ? "-drive if=none,id=n0,driver=blkdebug" : "-blockdev blkdebug,node-name=n0",
        path, c->kind->inject, c->error, c->of_drive ? policy : "", c->of_drive ? "" : policy);
    disk_drive(&d, QVIRTIO_VERSION_1 | 1u << 9 | 1u << 13 | 1u << 14); /* flush, discard, zeros */
    head = add_request(&d, c->kind);
    qvirtq_kick(&d.q);
    event = qtest_event(d.qt, "BLOCK_IO_ERROR");
    g_assert_cmpstr(qtest_get_str(event, "data.action"), ==, action);
    g_assert_cmpstr(qtest_get_str(event, "data.operation"), ==,
                    c->kind->type == IN ? "read" : "write");
    g_assert_cmpint(qtest_get_bool(event, "data.nospace"), ==, c->error == 28);
    if (stops) {
        json_object_put(qtest_event(d.qt, "STOP"));
        qtest_assert_state(d.qt, "io-error");
        g_assert_false(qvirtq_has_used(&d.q));
        qtest_qmp_ok(d.qt, "cont", "{}");
    }
    qvirtq_wait(&d.q, head);
    g_assert_cmpuint(qtest_readb(d.qt, d.in + c->kind->in_len), ==, reports ? IOERR : OK);
    disk_assert_image(path, 3, stops ? c->kind->after : 4);
    if (c->kind->type == IN && stops) {
        g_assert_cmpuint(qtest_readb(d.qt, d.in), ==, 4);
    }
    qtest_assert_state(d.qt, "running");
    disk_write(&d, 3, 0x66); /* and then all is well */
    g_assert_cmpuint(disk_read(&d, 3), ==, 0x66);
    qtest_quit(d.qt);
    g_unlink(path);
}

static void assert_hmp(QTest *qt, const char *line, const char *wanted)
{
    g_autofree char *text = qtest_hmp(qt, "%s", line);

    if (!g_str_has_prefix(text, wanted)) {
        g_error("%s: %s", line, text);
    }
}

/* drive_del of one in use: the guest is told of errors, the image is closed, and the name is free.
 */
static void test_drive_del(gconstpointer props)
{
    g_autofree char *path = disk_make_image("drive-del");
    g_autofree char *again = g_strdup_printf("drive_add 0 if=none,id=d0,format=raw,file=%s", path);
    static const uint32_t types[] = { IN, OUT };
    Disk d = { .v.modern = true };

    d.qt = qtest_start("-M pc -m 32 -object iothread,id=t0 "
                       "-drive if=none,id=d0,format=raw,werror=stop,rerror=stop,file=%s "
                       "-device virtio-blk-pci,drive=d0,id=v0,addr=4%s",
                       path, (const char *)props);
    disk_drive(&d, QVIRTIO_VERSION_1 | 1u << 9);
    disk_write(&d, 3, 0x66);
    assert_hmp(d.qt, again, "Error: id=d0: ");
    assert_hmp(d.qt, "drive_del d0", "");
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        g_assert_cmpuint(disk_request(&d, types[i], 3, types[i] == OUT ? SECTOR : 0,
                                      types[i] == IN ? SECTOR : 0),
                         ==, IOERR);
    }
    g_assert_cmpuint(disk_request(&d, FLUSH, 0, 0, 0), ==, OK); /* drive_del did that */
    qtest_assert_state(d.qt, "running");
    qtest_qmp_ok(d.qt, "stop", "{}");
    qtest_qmp_ok(d.qt, "cont", "{}");
    disk_assert_image(path, 3, 0x66);
    assert_hmp(d.qt, "drive_del d0", "Error: there is no drive 'd0'");
    assert_hmp(d.qt, again, "OK");
    /* It can be written, so the one before does not have it any more. */
    assert_hmp(d.qt, "device_add virtio-blk-pci,drive=d0,addr=5", "");
    qtest_qmp_ok(d.qt, "device_del", "{'id': 'v0'}");
    qtest_qmp_ok(d.qt, "system_reset", "{}");
    qtest_quit(d.qt);
    g_unlink(path);
}

static void add_error_case(const ErrorCase *c)
{
    g_autofree char *name =
        g_strdup_printf("/block-errors/%s-%d-%s%s", c->kind->name, c->error,
                        c->policy ? c->policy : "unsaid", c->of_drive ? "-of-drive" : "");

    g_test_add_data_func_full(name, g_memdup2(c, sizeof(*c)), test_error_case, g_free);
}

/* Each policy, with each kind of request and error. */
static void add_error_cases(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(error_kinds); i++) {
        for (unsigned j = 0; j < G_N_ELEMENTS(error_policies); j++) {
            for (unsigned k = 0; k < G_N_ELEMENTS(error_numbers); k++) {
                add_error_case(
                    &(ErrorCase){ &error_kinds[i], error_policies[j], error_numbers[k], false });
            }
        }
    }
    for (unsigned k = 0; k < G_N_ELEMENTS(error_numbers); k++) {
        add_error_case(&(ErrorCase){ &error_kinds[0], "auto", error_numbers[k], true });
        add_error_case(&(ErrorCase){ &error_kinds[1], "auto", error_numbers[k], true });
    }
}

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    add_error_cases();
    g_test_add_data_func("/block-errors/drive-del", "", test_drive_del);
    g_test_add_data_func("/block-errors/drive-del/iothread", ",iothread=t0", test_drive_del);
    return g_test_run();
}
