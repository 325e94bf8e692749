/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SCSI disks, command by command, without a controller: data, sense, errors of the backend. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "block/backend.h"
#include "hw/scsi/scsi.h"
#include "util/bytes.h"
#include "util/machine-lock.h"
#include "util/units.h"

#define BLOCK  512u
#define BLOCKS 2048u

typedef struct Test {
    char *path;
    BlockConf conf;
    ScsiUnit unit;
    ScsiRequest r;
    unsigned told; /* how often `done` was called */
    ScsiEnd end;   /* what it said last */
    uint8_t data[256 * KIB];
} Test;

/* A disk over the node that @fmt describes. If that ends with "=", the name of a file follows, of
 * BLOCKS blocks, each full of its number. */
static Test *start(const char *fmt, uint64_t block)
{
    Test *t = g_new0(Test, 1);
    g_autofree uint8_t *bytes = g_malloc(BLOCKS * BLOCK);
    g_autofree char *options = NULL;
    int fd = g_file_open_tmp(NULL, &t->path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    for (unsigned i = 0; i < BLOCKS * BLOCK; i++) {
        bytes[i] = (uint8_t)(i / BLOCK);
    }
    g_assert_true(g_file_set_contents(t->path, (char *)bytes, BLOCKS * BLOCK, NULL));
    options = g_str_has_suffix(fmt, "=") ? g_strconcat(fmt, t->path, NULL) : g_strdup(fmt);
    g_autoptr(BlockdevOptions) parsed =
        qapi_from_option(&BlockdevOptions_type, options, "driver", NULL);
    g_assert_nonnull(parsed);
    BlockNode *node = block_node_open(parsed, NULL);
    g_assert_nonnull(node);
    t->conf = (BlockConf){ .logical = block, .physical = 4096, .granularity = PROP_UNSET };
    t->conf.backend = block_backend_new("d0", node, NULL);
    g_assert_nonnull(t->conf.backend);
    g_assert_true(block_backend_take(t->conf.backend, "test", node->read_only, false, NULL));
    t->unit = (ScsiUnit){ .kind = &scsi_disk_kind,
                          .conf = &t->conf,
                          .max_unmap = GIB,
                          .max_io = 128 * MIB,
                          .autosense = true };
    g_assert_true(scsi_unit_realize(&t->unit, NULL));
    t->unit.attention = 0;
    return t;
}

#define ON_FILE "raw,discard=unmap,file.driver=file,file.discard=unmap,file.filename="

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
    Test *t = r->opaque;

    t->told++;
    t->end = end;
}

/* The next @size bytes of t->data, from @at on. */
static ScsiEnd move(Test *t, size_t at, size_t size)
{
    const struct iovec iov[2] = { { t->data + at, size / 2 },
                                  { t->data + at + size / 2, size - size / 2 } };
    unsigned before = t->told;

    scsi_move(&t->r, iov, size ? 2 : 0);
    block_drain(t->conf.backend);
    g_assert_cmpuint(t->told, ==, before + 1);
    return t->end;
}

static void begin(Test *t, const uint8_t *cdb, size_t size)
{
    t->r = (ScsiRequest){ .unit = &t->unit, .done = done, .opaque = t };
    memcpy(t->r.cdb, cdb, size);
    scsi_begin(&t->r);
}

/* Carry out a whole command with t->data. */
static void command(Test *t, const uint8_t *cdb, size_t size)
{
    begin(t, cdb, size);
    g_assert_cmpuint(t->r.bytes, <=, t->r.asked);
    g_assert_cmpint(move(t, 0, t->r.bytes), ==, SCSI_ENDED);
    g_assert_null(t->r.data);
}
#define COMMAND(t, ...)                         \
    do {                                        \
        const uint8_t cdb_[] = { __VA_ARGS__ }; \
        command(t, cdb_, sizeof(cdb_));         \
    } while (0)
#define assert_good(t, ...)                             \
    do {                                                \
        COMMAND(t, __VA_ARGS__);                        \
        g_assert_cmphex((t)->r.sense.asc, ==, 0);       \
        g_assert_cmpuint((t)->r.status, ==, SCSI_GOOD); \
    } while (0)
#define assert_sense(t, wanted, ...)                               \
    do {                                                           \
        ScsiSense wanted_ = (wanted);                              \
        COMMAND(t, __VA_ARGS__);                                   \
        g_assert_cmpuint((t)->r.status, ==, SCSI_CHECK_CONDITION); \
        g_assert_cmphex((t)->r.sense.key, ==, wanted_.key);        \
        g_assert_cmphex((t)->r.sense.asc, ==, wanted_.asc);        \
        g_assert_cmphex((t)->r.sense.ascq, ==, wanted_.ascq);      \
    } while (0)

#define BE16(x) (uint8_t)((x) >> 8), (uint8_t)(x)
#define BE32(x) BE16((x) >> 16), BE16(x)

/* ---- what it is ---- */

static void test_inquiry(void)
{
    Test *t = start(ON_FILE, BLOCK);

    assert_good(t, SCSI_INQUIRY, 0, 0, BE16(96), 0);
    g_assert_cmpuint(t->r.moved, ==, 36);
    g_assert_cmpuint(t->data[0], ==, 0);
    g_assert_cmpint(memcmp(t->data + 8, "QEMU    QEMU HARDDISK   2.5+", 28), ==, 0);
    assert_good(t, SCSI_INQUIRY, 0, 0, BE16(5), 0);
    g_assert_cmpuint(t->r.moved, ==, 5);
    assert_sense(t, SCSI_SENSE_INVALID_FIELD, SCSI_INQUIRY, 0, 1, BE16(96), 0);
    assert_good(t, SCSI_INQUIRY, 0x20, 0, BE16(36), 0); /* LUN 1, as before SCSI-3 */
    g_assert_cmpuint(t->r.moved, ==, 36);
    assert_good(t, SCSI_REQUEST_SENSE, 0xe0, 0, 0, 18, 0);
    g_assert_cmpuint(t->r.moved, ==, 18);

    assert_good(t, SCSI_INQUIRY, 1, 0, BE16(255), 0); /* no serial number: no page 0x80 */
    g_assert_cmpint(memcmp(t->data, "\0\0\0\5\0\x83\xb0\xb1\xb2", 9), ==, 0);
    assert_sense(t, SCSI_SENSE_INVALID_FIELD, SCSI_INQUIRY, 1, 0x80, BE16(255), 0);
    t->conf.serial = (char *)"S123";
    t->unit.wwn = UINT64_C(0x5000c50015ea71aa);
    assert_good(t, SCSI_INQUIRY, 1, 0x80, BE16(255), 0);
    g_assert_cmpint(memcmp(t->data, "\0\x80\0\4S123", 8), ==, 0);
    assert_good(t, SCSI_INQUIRY, 1, 0x83, BE16(255), 0);
    g_assert_cmpint(memcmp(t->data + 4, "\2\0\0\4S123\1\3\0\x8\x50\0\xc5\0\x15\xea\x71\xaa", 20),
                    ==, 0);
    assert_good(t, SCSI_INQUIRY, 1, 0xb0, BE16(255), 0);
    g_assert_cmpuint(t->r.moved, ==, 64);
    g_assert_cmpuint(bytes_get_be32(t->data + 8), ==, 128 * MIB / BLOCK);
    g_assert_cmpuint(bytes_get_be32(t->data + 20), ==, GIB / BLOCK);
    assert_sense(t, SCSI_SENSE_INVALID_FIELD, SCSI_INQUIRY, 1, 0xb3, BE16(255), 0);

    finish(t);
}

static void test_absent(void)
{
    static const uint8_t inquiry[] = { SCSI_INQUIRY, 0, 0, 0, 96, 0 }, ready[6] = { 0 };
    Test *t = start(ON_FILE, BLOCK);

    begin(t, inquiry, sizeof(inquiry));
    scsi_forget(&t->r);
    t->r = (ScsiRequest){ .unit = &t->unit, .done = done, .opaque = t, .absent = true };
    memcpy(t->r.cdb, inquiry, sizeof(inquiry));
    scsi_begin(&t->r);
    g_assert_cmpint(move(t, 0, t->r.bytes), ==, SCSI_ENDED);
    g_assert_cmphex(t->data[0], ==, 0x7f);
    memcpy(t->r.cdb, ready, sizeof(ready));
    scsi_begin(&t->r);
    g_assert_cmpint(move(t, 0, 0), ==, SCSI_ENDED);
    g_assert_cmphex(t->r.sense.asc, ==, 0x25);
    finish(t);
}

static void test_capacity(void)
{
    Test *t = start(ON_FILE, BLOCK);

    assert_good(t, SCSI_READ_CAPACITY_10, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    g_assert_cmpuint(bytes_get_be32(t->data), ==, BLOCKS - 1);
    g_assert_cmpuint(bytes_get_be32(t->data + 4), ==, BLOCK);
    assert_good(t, SCSI_SERVICE_ACTION_IN_16, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, BE32(32), 0, 0);
    g_assert_cmpuint(bytes_get_be64(t->data), ==, BLOCKS - 1);
    g_assert_cmphex(t->data[13], ==, 3); /* 8 of them are a physical block */
    g_assert_cmphex(t->data[14], ==, 0x80);
    assert_sense(t, SCSI_SENSE_INVALID_FIELD, SCSI_SERVICE_ACTION_IN_16, 0x11);
    assert_good(t, SCSI_REPORT_LUNS, 0, 0, 0, 0, 0, BE32(16), 0, 0);
    g_assert_cmpint(memcmp(t->data, "\0\0\0\x8\0\0\0\0\0\0\0\0\0\0\0\0", 16), ==, 0);
    assert_sense(t, SCSI_SENSE_INVALID_OPCODE, 0xff);
    finish(t);
}

static void test_attention(void)
{
    Test *t = start(ON_FILE, BLOCK);

    scsi_unit_reset(&t->unit);
    scsi_unit_attention(&t->unit, SCSI_ATTENTION_CAPACITY);
    assert_good(t, SCSI_INQUIRY, 0, 0, BE16(96), 0);
    assert_sense(t, SCSI_SENSE(6, 0x29, 0), SCSI_TEST_UNIT_READY);
    assert_good(t, SCSI_REQUEST_SENSE, 0, 0, 0, 18, 0);
    g_assert_cmphex(t->data[2], ==, SCSI_KEY_UNIT_ATTENTION);
    g_assert_cmphex(t->data[12], ==, 0x2a);
    assert_good(t, SCSI_TEST_UNIT_READY);
    t->unit.autosense = false; /* what went wrong is kept until it is asked for */
    assert_sense(t, SCSI_SENSE_INVALID_OPCODE, 0xff);
    assert_good(t, SCSI_REQUEST_SENSE, 0, 0, 0, 18, 0);
    g_assert_cmphex(t->data[12], ==, 0x20);
    assert_good(t, SCSI_REQUEST_SENSE, 0, 0, 0, 18, 0);
    g_assert_cmphex(t->data[12], ==, 0);
    finish(t);
}

/* ---- blocks ---- */

static void test_read_write(void)
{
    Test *t = start(ON_FILE, BLOCK);

    assert_good(t, SCSI_READ_6, 0, 0, 3, 2, 0);
    g_assert_cmpuint(t->r.moved, ==, 2 * BLOCK);
    g_assert_cmpuint(t->data[0], ==, 3);
    g_assert_cmpuint(t->data[BLOCK], ==, 4);
    assert_good(t, SCSI_READ_6, 0, 0, 0, 0, 0); /* 256 */
    g_assert_cmpuint(t->r.moved, ==, 256 * BLOCK);
    memset(t->data, 0xab, BLOCK);
    assert_good(t, SCSI_WRITE_10, 8, BE32(7), 0, BE16(1), 0);
    assert_good(t, SCSI_WRITE_12, 0, BE32(8), BE32(1), 0, 0);
    assert_good(t, SCSI_WRITE_16, 0, BE32(0), BE32(9), BE32(1), 0, 0);
    assert_good(t, SCSI_READ_16, 0, BE32(0), BE32(6), BE32(5), 0, 0);
    g_assert_cmphex(t->data[0], ==, 6);
    g_assert_cmphex(t->data[BLOCK], ==, 0xab);
    g_assert_cmphex(t->data[4 * BLOCK - 1], ==, 0xab);
    g_assert_cmphex(t->data[4 * BLOCK], ==, 10);
    assert_good(t, SCSI_READ_10, 0, BE32(BLOCKS), 0, BE16(0), 0);
    assert_sense(t, SCSI_SENSE_LBA_OUT_OF_RANGE, SCSI_READ_10, 0, BE32(BLOCKS), 0, BE16(1), 0);
    assert_sense(t, SCSI_SENSE_LBA_OUT_OF_RANGE, SCSI_READ_12, 0, BE32(1), BE32(BLOCKS), 0, 0);
    assert_sense(t, SCSI_SENSE_LBA_OUT_OF_RANGE, SCSI_WRITE_16, 0, BE32(0xffffffff),
                 BE32(0xffffffff), BE32(2), 0, 0);
    assert_sense(t, SCSI_SENSE_INVALID_FIELD, SCSI_READ_10, 0x20, BE32(0), 0, BE16(1), 0);
    t->unit.max_io = 2 * BLOCK;
    assert_good(t, SCSI_READ_10, 0, BE32(0), 0, BE16(2), 0);
    assert_sense(t, SCSI_SENSE_INVALID_FIELD, SCSI_READ_10, 0, BE32(0), 0, BE16(3), 0);
    finish(t);
}

/* In pieces, as a controller does that has little memory; and given up in the middle. */
static void test_pieces(void)
{
    static const uint8_t read[] = { SCSI_READ_10, 0, BE32(20), 0, BE16(3), 0 };
    static const uint8_t sense[] = { SCSI_INQUIRY, 0, 0, BE16(36), 0 };
    Test *t = start(ON_FILE, BLOCK);

    begin(t, read, sizeof(read));
    g_assert_cmpint(move(t, 0, BLOCK), ==, SCSI_MOVED);
    g_assert_cmpint(move(t, BLOCK, BLOCK), ==, SCSI_MOVED);
    g_assert_cmpint(move(t, 2 * BLOCK, BLOCK), ==, SCSI_ENDED);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpuint(t->data[i * BLOCK], ==, 20 + i);
    }
    begin(t, sense, sizeof(sense));
    g_assert_cmpint(move(t, 0, 16), ==, SCSI_MOVED);
    g_assert_cmpint(move(t, 16, 20), ==, SCSI_ENDED);
    g_assert_cmpint(memcmp(t->data + 8, "QEMU    QEMU HARDDISK   ", 24), ==, 0);
    begin(t, read, sizeof(read));
    g_assert_cmpint(move(t, 0, BLOCK), ==, SCSI_MOVED);
    scsi_forget(&t->r);
    finish(t);
}

static void test_write_same(void)
{
    Test *t = start(ON_FILE, BLOCK);

    memset(t->data, 0x5a, BLOCK);
    assert_good(t, SCSI_WRITE_SAME_10, 0, BE32(100), 0, BE16(300), 0);
    assert_good(t, SCSI_READ_10, 0, BE32(99), 0, BE16(302), 0);
    g_assert_cmphex(t->data[0], ==, 99);
    g_assert_cmphex(t->data[BLOCK], ==, 0x5a);
    g_assert_cmphex(t->data[301 * BLOCK - 1], ==, 0x5a);
    g_assert_cmphex(t->data[301 * BLOCK], ==, (uint8_t)400);
    memset(t->data, 0, BLOCK);
    assert_good(t, SCSI_WRITE_SAME_10, 8, BE32(100), 0, BE16(2), 0);
    assert_good(t, SCSI_WRITE_SAME_16, 1, BE32(0), BE32(102), BE32(1), 0, 0);
    assert_good(t, SCSI_READ_10, 0, BE32(101), 0, BE16(3), 0);
    g_assert_cmphex(t->data[0], ==, 0);
    g_assert_cmphex(t->data[BLOCK], ==, 0);
    g_assert_cmphex(t->data[2 * BLOCK], ==, 0x5a);
    assert_sense(t, SCSI_SENSE_INVALID_FIELD, SCSI_WRITE_SAME_10, 0, BE32(100), 0, BE16(0), 0);
    assert_sense(t, SCSI_SENSE_INVALID_FIELD, SCSI_WRITE_SAME_10, 1, BE32(100), 0, BE16(1), 0);
    finish(t);
}

static void put_range(uint8_t *p, uint64_t lba, uint32_t blocks)
{
    bytes_put_be(p, lba, 8);
    bytes_put_be(p + 8, blocks, 4);
    memset(p + 12, 0, 4);
}

static void test_unmap(void)
{
    Test *t = start(ON_FILE, BLOCK);

    memset(t->data, 0, 8);
    bytes_put_be(t->data + 2, 48, 2);
    put_range(t->data + 8, 8, 8);
    put_range(t->data + 24, 0, 0);
    put_range(t->data + 40, 1024, 16);
    assert_good(t, SCSI_UNMAP, 0, 0, 0, 0, 0, 0, BE16(56), 0);
    assert_good(t, SCSI_READ_10, 0, BE32(15), 0, BE16(2), 0);
    g_assert_cmphex(t->data[0], ==, 0);
    g_assert_cmphex(t->data[BLOCK], ==, 16);
    assert_good(t, SCSI_UNMAP, 0, 0, 0, 0, 0, 0, BE16(0), 0);
    memset(t->data, 0, 8);
    bytes_put_be(t->data + 2, 16, 2);
    put_range(t->data + 8, BLOCKS, 1);
    assert_sense(t, SCSI_SENSE_LBA_OUT_OF_RANGE, SCSI_UNMAP, 0, 0, 0, 0, 0, 0, BE16(24), 0);
    assert_sense(t, SCSI_SENSE_INVALID_PARAMETER, SCSI_UNMAP, 0, 0, 0, 0, 0, 0, BE16(23), 0);
    assert_sense(t, SCSI_SENSE_PARAMETER_LENGTH, SCSI_UNMAP, 0, 0, 0, 0, 0, 0, BE16(7), 0);
    put_range(t->data + 8, 0, 3);
    t->unit.max_unmap = 2 * BLOCK;
    assert_sense(t, SCSI_SENSE_INVALID_PARAMETER, SCSI_UNMAP, 0, 0, 0, 0, 0, 0, BE16(24), 0);
    finish(t);
}

static void test_other(void)
{
    Test *t = start(ON_FILE, BLOCK);

    assert_good(t, SCSI_VERIFY_10, 0, BE32(0), 0, BE16(BLOCKS), 0);
    g_assert_cmpuint(block_backend_statistics(t->conf.backend).bytes[BLOCK_READ], ==,
                     BLOCKS * BLOCK);
    assert_sense(t, SCSI_SENSE_INVALID_FIELD, SCSI_VERIFY_10, 2, BE32(0), 0, BE16(1), 0);
    assert_good(t, SCSI_SYNCHRONIZE_CACHE_10, 0, BE32(0), 0, BE16(0), 0);
    g_assert_cmpuint(block_backend_statistics(t->conf.backend).operations[BLOCK_FLUSH], ==, 1);
    assert_good(t, SCSI_WRITE_AND_VERIFY_10, 0, BE32(0), 0, BE16(1), 0);
    assert_good(t, SCSI_SEEK_10, 0, BE32(BLOCKS - 1));
    assert_sense(t, SCSI_SENSE_LBA_OUT_OF_RANGE, SCSI_SEEK_10, 0, BE32(BLOCKS));
    assert_good(t, SCSI_PREVENT_ALLOW, 0, 0, 0, 1, 0);
    g_assert_true(t->unit.prevented);
    assert_good(t, SCSI_START_STOP_UNIT, 0, 0, 0, 0, 0);
    finish(t);
}

/* Blocks of 4 KiB. */
static void test_large_blocks(void)
{
    Test *t = start(ON_FILE, 4096);

    assert_good(t, SCSI_READ_CAPACITY_10, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    g_assert_cmpuint(bytes_get_be32(t->data), ==, BLOCKS / 8 - 1);
    assert_good(t, SCSI_READ_10, 0, BE32(2), 0, BE16(1), 0);
    g_assert_cmpuint(t->r.moved, ==, 4096);
    g_assert_cmpuint(t->data[0], ==, 16);
    finish(t);
}

/* ---- mode pages ---- */

static void test_mode(void)
{
    Test *t = start(ON_FILE, BLOCK);

    assert_good(t, SCSI_MODE_SENSE_6, 0, 8, 0, 255, 0);
    g_assert_cmpuint(t->data[0], ==, 8 + 20 + 3);
    g_assert_cmphex(t->data[2], ==, 0);
    g_assert_cmpuint(bytes_get_be24(t->data + 5), ==, BLOCKS);
    g_assert_cmpuint(bytes_get_be24(t->data + 9), ==, BLOCK);
    g_assert_cmphex(t->data[12], ==, 8);
    g_assert_cmphex(t->data[14], ==, t->unit.write_cache ? 4 : 0);
    assert_good(t, SCSI_MODE_SENSE_10, 8, 0x3f, 0, 0, 0, 0, BE16(255), 0);
    g_assert_cmpuint(bytes_get_be16(t->data), ==, 6 + 12 + 24 + 20);
    assert_good(t, SCSI_MODE_SENSE_6, 8, 0x48, 0, 255, 0);
    g_assert_cmphex(t->data[6], ==, 4); /* what can be changed */
    assert_sense(t, SCSI_SENSE_SAVING_NOT_SUPPORTED, SCSI_MODE_SENSE_6, 0, 0xc8, 0, 255, 0);
    assert_sense(t, SCSI_SENSE_INVALID_FIELD, SCSI_MODE_SENSE_6, 0, 0x2a, 0, 255, 0);

    assert_good(t, SCSI_MODE_SENSE_6, 8, 8, 0, 255, 0);
    t->data[0] = 0;
    for (unsigned on = 0; on < 2; on++) {
        t->data[6] = on ? 4 : 0;
        assert_good(t, SCSI_MODE_SELECT_6, 0x10, 0, 0, 24, 0);
        g_assert_cmpint(t->unit.write_cache, ==, on);
    }
    g_assert_cmpuint(block_backend_statistics(t->conf.backend).operations[BLOCK_FLUSH], ==, 2);
    t->data[6] = 5;
    assert_sense(t, SCSI_SENSE_INVALID_PARAMETER, SCSI_MODE_SELECT_6, 0x10, 0, 0, 24, 0);
    t->data[6] = 0;
    assert_sense(t, SCSI_SENSE_PARAMETER_LENGTH, SCSI_MODE_SELECT_6, 0x10, 0, 0, 23, 0);
    assert_sense(t, SCSI_SENSE_PARAMETER_LENGTH, SCSI_MODE_SELECT_6, 0x10, 0, 0, 3, 0);
    assert_sense(t, SCSI_SENSE_INVALID_FIELD, SCSI_MODE_SELECT_6, 0x11, 0, 0, 24, 0);
    g_assert_true(t->unit.write_cache);
    finish(t);
}

/* ---- errors ---- */

static void test_read_only(void)
{
    Test *t = start("raw,read-only=on,file.driver=file,file.filename=", BLOCK);

    assert_sense(t, SCSI_SENSE_WRITE_PROTECTED, SCSI_WRITE_10, 0, BE32(0), 0, BE16(1), 0);
    assert_sense(t, SCSI_SENSE_WRITE_PROTECTED, SCSI_UNMAP, 0, 0, 0, 0, 0, 0, BE16(8), 0);
    assert_sense(t, SCSI_SENSE_WRITE_PROTECTED, SCSI_WRITE_SAME_10, 0, BE32(0), 0, BE16(1), 0);
    assert_good(t, SCSI_MODE_SENSE_6, 0, 8, 0, 255, 0);
    g_assert_cmphex(t->data[2], ==, 0x80);
    finish(t);
}

#define FAILS_ONCE                                                                         \
    "raw,file.driver=blkdebug,file.inject-error.0.event=none,file.inject-error.0.once=on," \
    "file.inject-error.0.iotype="
#define FAILING_FILE ",file.image.driver=file,file.image.filename="

static void test_errors(void)
{
    static const uint8_t write[] = { SCSI_WRITE_10, 0, BE32(1), 0, BE16(1), 0 };
    Test *t = start(FAILS_ONCE "read" FAILING_FILE, BLOCK);

    assert_sense(t, SCSI_SENSE_READ_ERROR, SCSI_READ_10, 0, BE32(0), 0, BE16(1), 0);
    assert_good(t, SCSI_READ_10, 0, BE32(0), 0, BE16(1), 0);
    finish(t);

    t = start(FAILS_ONCE "write,file.inject-error.0.errno=28" FAILING_FILE, BLOCK);
    t->conf.backend->on_write_error = BLOCKDEV_ON_ERROR_REPORT;
    assert_sense(t, SCSI_SENSE_NO_SPACE, SCSI_WRITE_10, 0, BE32(0), 0, BE16(1), 0);
    finish(t);

    t = start(FAILS_ONCE "write,file.inject-error.0.errno=28" FAILING_FILE, BLOCK);
    memset(t->data, 0x77, BLOCK);
    begin(t, write, sizeof(write));
    g_assert_cmpint(move(t, 0, BLOCK), ==, SCSI_RETRY);
    g_assert_cmpint(move(t, 0, BLOCK), ==, SCSI_ENDED);
    g_assert_cmpuint(t->r.status, ==, SCSI_GOOD);
    assert_good(t, SCSI_READ_10, 0, BE32(1), 0, BE16(1), 0);
    g_assert_cmphex(t->data[0], ==, 0x77);
    finish(t);
}

/* What parameters have led to is there when the command is tried again. */
static void test_retry_parameters(void)
{
    static const uint8_t same[] = { SCSI_WRITE_SAME_10, 0, BE32(4), 0, BE16(2), 0 };
    Test *t = start(FAILS_ONCE "write,file.inject-error.0.errno=28" FAILING_FILE, BLOCK);

    memset(t->data, 0x66, BLOCK);
    begin(t, same, sizeof(same));
    g_assert_cmpint(move(t, 0, BLOCK), ==, SCSI_RETRY);
    g_assert_cmpint(move(t, 0, BLOCK), ==, SCSI_ENDED);
    assert_good(t, SCSI_READ_10, 0, BE32(4), 0, BE16(3), 0);
    g_assert_cmphex(t->data[2 * BLOCK - 1], ==, 0x66);
    g_assert_cmphex(t->data[2 * BLOCK], ==, 6);
    finish(t);
}

static void test_cancel(void)
{
    static const uint8_t read[] = { SCSI_READ_10, 0, BE32(0), 0, BE16(1), 0 };
    Test *t = start("null-co,latency-ns=1000000,size=1M", BLOCK);
    struct iovec iov = { t->data, BLOCK };

    begin(t, read, sizeof(read));
    scsi_move(&t->r, &iov, 1);
    scsi_cancel(&t->r);
    block_drain(t->conf.backend);
    g_assert_cmpuint(t->told, ==, 1);
    g_assert_cmpint(t->end, ==, SCSI_CANCELLED);
    finish(t);
}

/* Whatever is in a CDB and in its parameters, each command ends, and says how. */
static void test_random(void)
{
    Test *t = start(ON_FILE, BLOCK);
    g_autoptr(GRand) rand = g_rand_new_with_seed(14);

    for (unsigned i = 0; i < 20000; i++) {
        uint8_t cdb[16];

        for (unsigned j = 0; j < sizeof(cdb); j++) {
            cdb[j] = g_rand_boolean(rand) ? 0 : (uint8_t)g_rand_int(rand);
        }
        for (unsigned j = 0; j < 64; j++) {
            t->data[j] = g_rand_boolean(rand) ? 0 : (uint8_t)g_rand_int(rand);
        }
        do {
            cdb[0] = (uint8_t)g_rand_int(rand);
        } while (!scsi_disk_kind.commands[cdb[0]].begin);
        begin(t, cdb, sizeof(cdb));
        if (t->r.bytes > sizeof(t->data)) {
            scsi_forget(&t->r);
            continue;
        }
        g_assert_cmpint(move(t, 0, t->r.bytes), ==, SCSI_ENDED);
        g_assert_cmpint(t->r.status == SCSI_GOOD, ==, !t->r.sense.key);
    }
    finish(t);
}

static void test_texts(void)
{
    Test *t = start(ON_FILE, BLOCK);
    GError *err = NULL;

    t->unit.vendor = (char *)"nine char";
    g_assert_false(scsi_unit_realize(&t->unit, &err));
    g_assert_cmpstr(err->message, ==, "vendor=nine char is longer than 8 characters");
    g_error_free(err);
    finish(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_lock();
    g_test_add_func("/scsi/inquiry", test_inquiry);
    g_test_add_func("/scsi/absent", test_absent);
    g_test_add_func("/scsi/capacity", test_capacity);
    g_test_add_func("/scsi/attention", test_attention);
    g_test_add_func("/scsi/read-write", test_read_write);
    g_test_add_func("/scsi/pieces", test_pieces);
    g_test_add_func("/scsi/write-same", test_write_same);
    g_test_add_func("/scsi/unmap", test_unmap);
    g_test_add_func("/scsi/other", test_other);
    g_test_add_func("/scsi/large-blocks", test_large_blocks);
    g_test_add_func("/scsi/mode", test_mode);
    g_test_add_func("/scsi/read-only", test_read_only);
    g_test_add_func("/scsi/errors", test_errors);
    g_test_add_func("/scsi/retry-parameters", test_retry_parameters);
    g_test_add_func("/scsi/cancel", test_cancel);
    g_test_add_func("/scsi/random", test_random);
    g_test_add_func("/scsi/texts", test_texts);
    return g_test_run();
}
