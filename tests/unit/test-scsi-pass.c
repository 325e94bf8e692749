/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that a SCSI disk of the host carries out: the host's kernel is ours, fstat() and ioctl()
 * say that a file is one. */
#include <errno.h>
#include <glib/gstdio.h>
#include <linux/fs.h>
#include <scsi/sg.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "block/backend.h"
#include "hw/scsi/scsi-pass.h"
#include "qom/user-object.h"
#include "util/json.h"
#include "util/bytes.h"
#include "util/machine-lock.h"
#include "util/units.h"

#define SIZE MIB

/* ---- the device ---- */

static uint8_t type, status, host_status, sense[32], seen_cdb[16], seen[256];
static unsigned sense_size, seen_cdb_size, seen_size, commands;
static bool refuses; /* SG_IO */

static int sg_io(struct sg_io_hdr *io)
{
    if (refuses) {
        errno = ENOTTY;
        return -1;
    }
    commands++;
    g_assert_cmpint(io->interface_id, ==, 'S');
    memcpy(seen_cdb, io->cmdp, io->cmd_len);
    seen_cdb_size = io->cmd_len;
    seen_size = io->dxfer_len;
    if (io->dxfer_direction == SG_DXFER_TO_DEV) {
        memcpy(seen, io->dxferp, MIN(io->dxfer_len, sizeof(seen)));
    } else if (io->dxfer_direction == SG_DXFER_FROM_DEV) {
        for (unsigned i = 0; i < io->dxfer_len; i++) {
            ((uint8_t *)io->dxferp)[i] = i ? (uint8_t)i : type;
        }
    }
    io->status = status;
    io->host_status = host_status;
    memcpy(io->sbp, sense, MIN(sense_size, io->mx_sb_len));
    io->sb_len_wr = (unsigned char)sense_size;
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;

    va_start(args, request);
    void *argument = va_arg(args, void *);
    va_end(args);
    switch (request) {
    case SG_IO:
        return sg_io(argument);
    case BLKGETSIZE64:
        *(uint64_t *)argument = SIZE;
        return 0;
    case BLKSSZGET:
        *(int *)argument = 512;
        return 0;
    default:
        return (int)syscall(SYS_ioctl, fd, request, argument);
    }
}

int fstat(int fd, struct stat *st)
{
    int result = (int)syscall(SYS_fstat, fd, st);

    st->st_mode = (st->st_mode & ~(mode_t)S_IFMT) | S_IFBLK;
    return result;
}

/* ---- a unit ---- */

typedef struct Test {
    char *path;
    BlockConf conf;
    ScsiUnit unit;
    ScsiRequest r;
    ScsiEnd end;
    uint8_t data[4 * KIB];
} Test;

static Test *start(const char *driver)
{
    Test *t = g_new0(Test, 1);
    int fd = g_file_open_tmp(NULL, &t->path, NULL);
    g_autofree char *options = g_strconcat(driver, t->path, NULL);
    g_autoptr(GError) err = NULL;

    g_assert_cmpint(ftruncate(fd, SIZE), ==, 0);
    close(fd);
    g_autoptr(BlockdevOptions) parsed =
        qapi_from_option(&BlockdevOptions_type, options, "driver", NULL);
    g_assert_nonnull(parsed);
    BlockNode *node = block_node_open(parsed, &err);
    g_assert_no_error(err);
    t->conf = (BlockConf){ .logical = 512, .physical = 512, .granularity = PROP_UNSET };
    t->conf.drive = (char *)"d0";
    t->conf.backend = block_backend_new("d0", node, NULL);
    g_assert_true(block_backend_take(t->conf.backend, "test", false, false, NULL));
    t->unit = (ScsiUnit){ .kind = &scsi_block_kind,
                          .conf = &t->conf,
                          .max_io = MIB,
                          .max_unmap = MIB,
                          .autosense = true };
    g_assert_true(scsi_unit_realize(&t->unit, NULL));
    t->unit.attention = 0;
    type = status = host_status = 0;
    sense_size = commands = 0;
    refuses = false;
    return t;
}

static void finish(Test *t)
{
    block_backend_release(t->conf.backend);
    block_backend_forget(t->conf.backend);
    g_unlink(t->path);
    g_free(t->path);
    g_free(t);
}

static void done(ScsiRequest *r, ScsiEnd end)
{
    ((Test *)r->opaque)->end = end;
}

static void begin(Test *t, const uint8_t *cdb, size_t size)
{
    t->r = (ScsiRequest){ .unit = &t->unit, .done = done, .opaque = t };
    memcpy(t->r.cdb, cdb, size);
    scsi_begin(&t->r);
}

static ScsiEnd move(Test *t, size_t at, size_t size)
{
    const struct iovec iov = { t->data + at, size };

    scsi_move(&t->r, &iov, size != 0);
    block_drain(t->conf.backend);
    return t->end;
}

static uint8_t command(Test *t, const uint8_t *cdb, size_t size)
{
    begin(t, cdb, size);
    g_assert_cmpint(move(t, 0, t->r.bytes), ==, SCSI_ENDED);
    g_assert_null(t->r.bounce);
    return t->r.status;
}
#define COMMAND(t, ...) \
    command(t, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

#define DEVICE "host_device,filename="

static void test_data(void)
{
    Test *t = start("raw,file.driver=host_device,file.filename=");

    g_assert_cmphex(COMMAND(t, SCSI_INQUIRY, 1, 0x83, 0, 200, 0), ==, SCSI_GOOD);
    g_assert_cmpuint(seen_cdb_size, ==, 6);
    g_assert_cmphex(seen_cdb[2], ==, 0x83);
    g_assert_cmpuint(t->r.moved, ==, 200);
    g_assert_cmphex(t->data[199], ==, 199);
    for (unsigned i = 0; i < 24; i++) {
        t->data[i] = (uint8_t)(0x80 + i);
    }
    g_assert_cmphex(COMMAND(t, 0x5f, 1, 5, 0, 0, 0, 0, 0, 24, 0), ==, SCSI_GOOD); /* reserve */
    g_assert_cmpuint(seen_cdb_size, ==, 10);
    g_assert_cmpuint(seen_size, ==, 24);
    g_assert_cmphex(seen[23], ==, 0x97);
    g_assert_cmphex(COMMAND(t, SCSI_TEST_UNIT_READY, 0, 0, 0, 0, 0), ==, SCSI_GOOD);
    g_assert_cmpuint(commands, ==, 3);
    g_assert_cmphex(COMMAND(t, SCSI_INQUIRY, 0, 0, 0, 0, 0), ==, SCSI_GOOD); /* nothing is moved */
    g_assert_cmpuint(seen_size, ==, 0);
    finish(t);
}

static void assert_sense(const Test *t, ScsiSense wanted)
{
    g_assert_cmphex(t->r.status, ==, SCSI_CHECK_CONDITION);
    g_assert_cmphex(t->r.sense.key, ==, wanted.key);
    g_assert_cmphex(t->r.sense.asc, ==, wanted.asc);
    g_assert_cmphex(t->r.sense.ascq, ==, wanted.ascq);
}

/* As controllers have it who move a little at a time. */
static void test_pieces(void)
{
    static const uint8_t in[] = { SCSI_MODE_SENSE_10, 0, 0x3f, 0, 0, 0, 0, 4, 88, 0 };
    static const uint8_t out[] = { SCSI_MODE_SELECT_10, 0x10, 0, 0, 0, 0, 0, 4, 88, 0 };
    Test *t = start(DEVICE);

    begin(t, in, sizeof(in));
    g_assert_cmpuint(t->r.bytes, ==, 1112);
    g_assert_cmpint(move(t, 0, 512), ==, SCSI_MOVED);
    g_assert_cmpint(move(t, 512, 512), ==, SCSI_MOVED);
    g_assert_cmpint(move(t, 1024, 88), ==, SCSI_ENDED);
    g_assert_cmpuint(commands, ==, 1);
    g_assert_cmphex(t->data[1111], ==, 1111 & 0xff);
    begin(t, out, sizeof(out));
    g_assert_cmpint(move(t, 0, 1024), ==, SCSI_MOVED);
    g_assert_cmpuint(commands, ==, 1);
    g_assert_cmpint(move(t, 1024, 88), ==, SCSI_ENDED);
    g_assert_cmpuint(commands, ==, 2);
    g_assert_cmphex(seen[255], ==, 255);
    begin(t, out, sizeof(out));
    g_assert_null(t->r.bounce); /* what waits for a thread has no memory of ours */
    scsi_forget(&t->r);
    /* Begun anew where another machine was. */
    memset(t->data, 0, sizeof(t->data));
    begin(t, in, sizeof(in));
    t->r.moved = 512;
    g_assert_cmpint(move(t, 512, 600), ==, SCSI_ENDED);
    g_assert_cmpuint(commands, ==, 3);
    g_assert_cmphex(t->data[1111], ==, 1111 & 0xff);
    g_assert_null(t->r.bounce);
    begin(t, out, sizeof(out));
    t->r.moved = 512;
    g_assert_cmpint(move(t, 512, 600), ==, SCSI_ENDED);
    g_assert_cmpuint(commands, ==, 3);
    assert_sense(t, SCSI_SENSE_TARGET_FAILURE);
    finish(t);
}

static void test_ends(void)
{
    Test *t = start(DEVICE);

    status = 0x18; /* another one has reserved it */
    g_assert_cmphex(COMMAND(t, SCSI_TEST_UNIT_READY, 0, 0, 0, 0, 0), ==, 0x18);
    status = SCSI_CHECK_CONDITION;
    memcpy(sense, "\x70\0\x6\0\0\0\0\xa\0\0\0\0\x29\x1\0\0\0\0", sense_size = 18);
    COMMAND(t, SCSI_MODE_SENSE_6, 0, 0x3f, 0, 64, 0);
    assert_sense(t, SCSI_SENSE(6, 0x29, 1));
    memcpy(sense, "\x72\x5\x24\x2", sense_size = 4);
    COMMAND(t, SCSI_MODE_SENSE_6, 0, 0x3f, 0, 64, 0);
    assert_sense(t, SCSI_SENSE(5, 0x24, 2));
    sense_size = 0;
    memset(sense, 0, sizeof(sense));
    COMMAND(t, SCSI_TEST_UNIT_READY, 0, 0, 0, 0, 0);
    assert_sense(t, SCSI_SENSE_TARGET_FAILURE);
    status = 0;
    host_status = 1;
    COMMAND(t, SCSI_TEST_UNIT_READY, 0, 0, 0, 0, 0);
    assert_sense(t, SCSI_SENSE_TARGET_FAILURE);
    host_status = 0;
    refuses = true;
    COMMAND(t, SCSI_TEST_UNIT_READY, 0, 0, 0, 0, 0);
    assert_sense(t, SCSI_SENSE_TARGET_FAILURE);
    finish(t);
}

/* Of one connection: it answers by the service action, and hangs up at the last one. */
static gpointer helper(gpointer opaque)
{
    int sock = accept(GPOINTER_TO_INT(opaque), NULL, NULL);
    uint8_t cdb[16], answer[104 + 8] = { 0 };

    g_assert_cmpint(write(sock, answer, 4), ==, 4);
    g_assert_cmpint(read(sock, cdb, 4), ==, 4);
    while (read(sock, cdb, sizeof(cdb)) == sizeof(cdb) && cdb[1] < 3) {
        static const uint8_t told[] = { SCSI_GOOD, 0x18, SCSI_CHECK_CONDITION };
        size_t size = cdb[1] ? 0 : 8;

        answer[3] = told[cdb[1]];
        answer[7] = (uint8_t)size;
        memcpy(answer + 8, "\x72\x5\x24\x2", 4);
        answer[111] = 7;
        g_assert_cmpint(write(sock, answer, 104 + size), ==, 104 + size);
    }
    close(sock);
    return NULL;
}

/* What is ours, and what nobody knows. */
static void test_own(void)
{
    Test *t = start(DEVICE);

    memset(t->data, 7, 512);
    g_assert_cmphex(COMMAND(t, SCSI_WRITE_10, 0, 0, 0, 0, 5, 0, 0, 1, 0), ==, SCSI_GOOD);
    memset(t->data, 0, 512);
    g_assert_cmphex(COMMAND(t, SCSI_READ_10, 0, 0, 0, 0, 5, 0, 0, 1, 0), ==, SCSI_GOOD);
    g_assert_cmphex(t->data[511], ==, 7);
    g_assert_cmphex(COMMAND(t, SCSI_READ_CAPACITY_10, 0, 0, 0, 0, 0, 0, 0, 0, 0), ==, SCSI_GOOD);
    g_assert_cmpuint(bytes_get_be32(t->data), ==, SIZE / 512 - 1);
    g_assert_cmphex(COMMAND(t, SCSI_REPORT_LUNS, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0), ==, SCSI_GOOD);
    COMMAND(t, 0xc1, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    assert_sense(t, SCSI_SENSE_INVALID_OPCODE);
    COMMAND(t, 0xa3, 12, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0); /* more than anybody has */
    assert_sense(t, SCSI_SENSE_INVALID_FIELD);
    scsi_unit_attention(&t->unit, SCSI_ATTENTION_RESET);
    g_assert_cmphex(COMMAND(t, SCSI_INQUIRY, 0, 0, 0, 36, 0), ==, SCSI_GOOD);
    COMMAND(t, SCSI_TEST_UNIT_READY, 0, 0, 0, 0, 0);
    assert_sense(t, SCSI_SENSE(6, 0x29, 0));
    g_assert_cmpuint(commands, ==, 1);
    finish(t);
}

/* Reservations, and nothing else, go to another program. */
static void test_reserve(void)
{
    g_autofree char *folder = g_dir_make_tmp(NULL, NULL);
    g_autofree char *path = g_build_filename(folder, "socket", NULL);
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct json_object *props = json_object_new_object();
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    GThread *thread;
    Test *t;

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(bind(server, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(listen(server, 1), ==, 0);
    thread = g_thread_new("helper", helper, GINT_TO_POINTER(server));
    json_object_object_add(props, "path", json_object_new_string(path));
    g_assert_nonnull(user_object_add("pr-manager-helper", "pr0", props, NULL));
    json_object_put(props);
    t = start("raw,file.driver=host_device,file.pr-manager=pr0,file.filename=");
    g_assert_cmphex(COMMAND(t, 0x5e, 0, 0, 0, 0, 0, 0, 0, 32, 0), ==, SCSI_GOOD);
    g_assert_cmphex(t->data[7], ==, 7);
    g_assert_cmphex(t->data[8], ==, 0);
    g_assert_cmphex(COMMAND(t, 0x5e, 1, 0, 0, 0, 0, 0, 0, 32, 0), ==, 0x18);
    COMMAND(t, 0x5e, 2, 0, 0, 0, 0, 0, 0, 32, 0);
    assert_sense(t, SCSI_SENSE(5, 0x24, 2));
    COMMAND(t, 0x5e, 3, 0, 0, 0, 0, 0, 0, 32, 0); /* it hangs up */
    assert_sense(t, SCSI_SENSE_TARGET_FAILURE);
    g_assert_cmpuint(commands, ==, 0);
    g_assert_cmphex(COMMAND(t, SCSI_TEST_UNIT_READY, 0, 0, 0, 0, 0), ==, SCSI_GOOD);
    g_assert_cmpuint(commands, ==, 1);
    finish(t);
    g_assert_true(user_object_del("pr0", NULL));
    g_thread_join(thread);
    close(server);
    g_unlink(path);
    g_rmdir(folder);
}

static void test_check(void)
{
    Test *t = start(DEVICE);
    g_autoptr(GError) err = NULL;

    g_assert_true(scsi_pass_check(&t->conf, &err));
    type = 5;
    g_assert_false(scsi_pass_check(&t->conf, &err));
    g_assert_nonnull(strstr(err->message, "type 5"));
    g_clear_error(&err);
    type = 0;
    t->conf.logical = 4096;
    g_assert_false(scsi_pass_check(&t->conf, &err));
    g_assert_nonnull(strstr(err->message, "logical_block_size=512"));
    g_clear_error(&err);
    refuses = true;
    g_assert_false(scsi_pass_check(&t->conf, &err));
    g_assert_nonnull(strstr(err->message, "host_device"));
    finish(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_lock();
    g_test_add_func("/scsi-pass/data", test_data);
    g_test_add_func("/scsi-pass/pieces", test_pieces);
    g_test_add_func("/scsi-pass/ends", test_ends);
    g_test_add_func("/scsi-pass/own", test_own);
    g_test_add_func("/scsi-pass/reserve", test_reserve);
    g_test_add_func("/scsi-pass/check", test_check);
    return g_test_run();
}
