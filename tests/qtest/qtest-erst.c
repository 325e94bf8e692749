/* SPDX-License-Identifier: GPL-2.0-or-later */
/* acpi-erst: records are written, read, listed and cleared by the actions of the ERST table. */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/libqtest.h"
#include "tests/qtest/virtio.h"
#include "util/units.h"

#define DEVFN     (5 << 3)
#define REGISTERS 0xe8000000u
#define BUFFER    0xe9000000u
#define STORE     (64 * KIB)
#define RECORD    8192u

enum {
    BEGIN_WRITE,
    BEGIN_READ,
    BEGIN_CLEAR,
    END,
    SET_OFFSET,
    EXECUTE,
    CHECK_BUSY,
    GET_STATUS,
    GET_ID,
    SET_ID,
    GET_COUNT,
    BEGIN_DUMMY_WRITE,
    GET_RANGE = 13,
    GET_LENGTH,
    GET_ATTRIBUTES,
    GET_TIMINGS,
};
enum { SUCCESS = 0, NO_SPACE = 1, FAILED = 3, EMPTY = 4, NOT_FOUND = 5 };
enum { LENGTH_AT = 20, ID_AT = 96, HEADER = 128 };

static void place(QTest *qt)
{
    qpci_write(qt, DEVFN, 0x10, 4, REGISTERS);
    qpci_write(qt, DEVFN, 0x14, 4, BUFFER);
    qpci_write(qt, DEVFN, 4, 2, 2);
}

static QTest *start(const char *file)
{
    QTest *qt = qtest_start("-m 16 -object memory-backend-file,id=m,size=64K,share=on,mem-path=%s "
                            "-device acpi-erst,memdev=m,addr=5",
                            file);

    place(qt);
    return qt;
}

static void act(QTest *qt, unsigned action)
{
    qtest_writel(qt, REGISTERS, action);
}

static uint64_t get(QTest *qt, unsigned action)
{
    act(qt, action);
    return qtest_readq(qt, REGISTERS + 8);
}

static void put(QTest *qt, unsigned action, uint64_t value)
{
    qtest_writeq(qt, REGISTERS + 8, value);
    act(qt, action);
}

/* The steps of section 18.5.2; the status. */
static unsigned operate(QTest *qt, unsigned operation, uint64_t offset, uint64_t id)
{
    unsigned status;

    act(qt, operation);
    put(qt, SET_OFFSET, offset);
    put(qt, SET_ID, id);
    act(qt, EXECUTE);
    g_assert_cmphex(get(qt, CHECK_BUSY) & 1, ==, 0);
    status = (unsigned)get(qt, GET_STATUS);
    act(qt, END);
    return status;
}

static unsigned put_record(QTest *qt, uint64_t offset, uint64_t id, uint32_t length, char fill)
{
    uint32_t room = offset < RECORD ? RECORD - (uint32_t)offset : 0;

    if (room >= HEADER) {
        qtest_memset(qt, BUFFER + offset, (uint8_t)fill, MIN(length, room));
        qtest_memwrite(qt, BUFFER + offset, "CPER", 4);
        qtest_writel(qt, BUFFER + offset + LENGTH_AT, length);
        qtest_writeq(qt, BUFFER + offset + ID_AT, id);
    }
    return operate(qt, BEGIN_WRITE, offset, 0);
}

/* The record @id is read: it has @length bytes, the last of which is @fill. */
static void assert_record(QTest *qt, uint64_t id, uint32_t length, char fill)
{
    uint8_t last;

    qtest_memset(qt, BUFFER, 0, RECORD);
    g_assert_cmpuint(operate(qt, BEGIN_READ, 0, id), ==, SUCCESS);
    g_assert_cmphex(qtest_readl(qt, BUFFER + LENGTH_AT), ==, length);
    g_assert_cmphex(qtest_readq(qt, BUFFER + ID_AT), ==, id);
    qtest_memread(qt, BUFFER + length - 1, &last, 1);
    g_assert_cmphex(last, ==, (uint8_t)fill);
}

static void test_erst_records(void)
{
    g_autofree char *file = NULL;

    close(g_file_open_tmp(NULL, &file, NULL));
    QTest *qt = start(file);
    g_assert_cmphex(qpci_read(qt, DEVFN, 0, 4), ==, 0x00121b36);
    g_assert_cmphex(get(qt, GET_COUNT), ==, 0);
    g_assert_cmphex(get(qt, GET_ID), ==, UINT64_MAX);
    g_assert_cmphex(get(qt, GET_RANGE), ==, BUFFER);
    g_assert_cmphex(get(qt, GET_LENGTH), ==, RECORD);
    g_assert_cmphex(get(qt, GET_ATTRIBUTES), ==, 0);
    g_assert_cmphex(get(qt, GET_TIMINGS), ==, 0x640000001eull);
    g_assert_cmpuint(operate(qt, BEGIN_READ, 0, 0), ==, EMPTY);
    g_assert_cmpuint(operate(qt, BEGIN_CLEAR, 0, 7), ==, EMPTY);
    g_assert_cmpuint(operate(qt, BEGIN_DUMMY_WRITE, 0, 0), ==, SUCCESS);
    g_assert_cmpuint(put_record(qt, 0, 0x1111, 200, 'a'), ==, SUCCESS);
    g_assert_cmpuint(put_record(qt, 64, 0x2222222222ull, RECORD - 64, 'b'), ==, SUCCESS);
    g_assert_cmpuint(put_record(qt, 0, 0x1111, 300, 'c'), ==, SUCCESS); /* another one of it */
    g_assert_cmphex(get(qt, GET_COUNT), ==, 2);
    g_assert_cmphex(get(qt, GET_ID), ==, 0x1111);
    g_assert_cmphex(get(qt, GET_ID), ==, 0x2222222222ull);
    g_assert_cmphex(get(qt, GET_ID), ==, UINT64_MAX);
    g_assert_cmphex(get(qt, GET_ID), ==, 0x1111); /* from the start */
    assert_record(qt, 0x1111, 300, 'c');
    assert_record(qt, 0x2222222222ull, RECORD - 64, 'b');
    g_assert_cmpuint(operate(qt, BEGIN_READ, 0, 3), ==, NOT_FOUND);
    qtest_quit(qt);

    /* Another program, and a reset. */
    qt = start(file);
    g_assert_cmphex(get(qt, GET_COUNT), ==, 2);
    qtest_qmp_ok(qt, "system_reset", NULL);
    json_object_put(qtest_event(qt, "RESET"));
    place(qt);
    assert_record(qt, 0x1111, 300, 'c');
    g_assert_cmpuint(operate(qt, BEGIN_READ, 0, 0), ==, SUCCESS); /* the first */
    g_assert_cmphex(qtest_readq(qt, BUFFER + ID_AT), ==, 0x1111);
    g_assert_cmpuint(operate(qt, BEGIN_CLEAR, 0, 0x1111), ==, SUCCESS);
    g_assert_cmpuint(operate(qt, BEGIN_CLEAR, 0, 0x1111), ==, NOT_FOUND);
    g_assert_cmphex(get(qt, GET_COUNT), ==, 1);
    g_assert_cmphex(get(qt, GET_ID), ==, 0x2222222222ull);
    qtest_quit(qt);
    unlink(file);
}

static void test_erst_full(void)
{
    QTest *qt = qtest_start("-m 16 -object memory-backend-ram,id=m,size=64K "
                            "-device acpi-erst,memdev=m,addr=5");

    place(qt);
    for (unsigned i = 1; i < STORE / RECORD; i++) { /* the first slot is the head */
        g_assert_cmpuint(put_record(qt, 0, i, 200, 'x'), ==, SUCCESS);
    }
    g_assert_cmpuint(put_record(qt, 0, 100, 200, 'x'), ==, NO_SPACE);
    g_assert_cmpuint(put_record(qt, 0, 3, 201, 'y'), ==, SUCCESS);
    g_assert_cmpuint(operate(qt, BEGIN_CLEAR, 0, 5), ==, SUCCESS);
    g_assert_cmpuint(put_record(qt, 0, 100, 200, 'z'), ==, SUCCESS);
    assert_record(qt, 100, 200, 'z');
    g_assert_cmphex(get(qt, GET_COUNT), ==, STORE / RECORD - 1);
    qtest_quit(qt);
}

static void test_erst_hostile(void)
{
    static const struct {
        uint64_t offset, id;
        uint32_t length;
    } bad[] = {
        { 0, 0, 200 },
        { 0, UINT64_MAX, 200 },
        { 0, 1, 0 },
        { 0, 1, HEADER - 1 },
        { 0, 1, RECORD + 1 },
        { 0, 1, UINT32_MAX },
        { 1, 1, RECORD },
        { RECORD - HEADER, 1, HEADER + 1 },
        { RECORD - HEADER + 1, 1, HEADER },
        { RECORD, 1, HEADER },
        { UINT32_MAX, 1, HEADER },
        { UINT64_MAX, 1, HEADER },
        { 1ull << 32, 1, HEADER },
    };
    QTest *qt = qtest_start("-m 16 -object memory-backend-ram,id=m,size=64K "
                            "-device acpi-erst,memdev=m,addr=5");

    place(qt);
    act(qt, EXECUTE); /* of nothing */
    g_assert_cmphex(get(qt, GET_STATUS), ==, FAILED);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_cmpuint(put_record(qt, bad[i].offset, bad[i].id, bad[i].length, 'x'), ==, FAILED);
    }
    g_assert_cmphex(get(qt, GET_COUNT), ==, 0);
    g_assert_cmpuint(put_record(qt, 0, 1, RECORD, 'x'), ==, SUCCESS);
    g_assert_cmpuint(operate(qt, BEGIN_READ, 1, 1), ==, FAILED); /* there is no room */
    g_assert_cmpuint(operate(qt, BEGIN_READ, UINT64_MAX, 1), ==, FAILED);
    g_assert_cmpuint(operate(qt, BEGIN_READ, 0, UINT64_MAX), ==, NOT_FOUND);
    for (unsigned action = 0; action < 300; action++) {
        act(qt, action);
    }
    qtest_writel(qt, REGISTERS + 4, ~0u);
    qtest_writel(qt, REGISTERS + 8, 0x11111111);
    qtest_writel(qt, REGISTERS + 12, 0x22222222);
    g_assert_cmphex(qtest_readq(qt, REGISTERS + 8), ==, 0x2222222211111111ull);
    assert_record(qt, 1, RECORD, 'x');
    qtest_quit(qt);
}

/* A store whose map and records are nonsense. */
static void test_erst_damaged(void)
{
    g_autofree char *file = NULL;
    g_autofree uint8_t *store = g_malloc0(STORE);
    int fd = g_file_open_tmp(NULL, &file, NULL);

    QTest *qt = start(file);
    qtest_quit(qt);
    g_assert_cmpint(pread(fd, store, STORE, 0), ==, STORE);
    g_assert_cmpint(memcmp(store, "ERSTSTOR", 8), ==, 0);
    memset(store + 24, 0x5a, STORE - 24);
    g_assert_cmpint(pwrite(fd, store, STORE, 0), ==, STORE);
    qt = start(file);
    g_assert_cmphex(get(qt, GET_COUNT), ==, STORE / RECORD - 1);
    g_assert_cmphex(get(qt, GET_ID), ==, 0x5a5a5a5a5a5a5a5aull);
    g_assert_cmpuint(operate(qt, BEGIN_READ, 0, 0), ==, FAILED);
    for (unsigned i = 1; i < STORE / RECORD; i++) {
        g_assert_cmpuint(operate(qt, BEGIN_CLEAR, 0, 0), ==, SUCCESS);
    }
    g_assert_cmphex(get(qt, GET_COUNT), ==, 0);
    qtest_quit(qt);
    close(fd);
    unlink(file);
}

/* Registers, the buffer and records go with the machine. */
static void test_erst_moved(void)
{
    const char *args = "-m 16 -object memory-backend-ram,id=m,size=64K "
                       "-device acpi-erst,memdev=m,addr=5";
    QTest *qt = qtest_start("%s", args);
    g_autofree char *state = qtest_temp_path(qt, "state");

    place(qt);
    g_assert_cmpuint(put_record(qt, 0, 0x77, 1000, 'm'), ==, SUCCESS);
    g_assert_cmpuint(put_record(qt, 0, 0x88, 1000, 'n'), ==, SUCCESS);
    act(qt, BEGIN_READ);
    put(qt, SET_OFFSET, 16);
    put(qt, SET_ID, 0x77);
    g_assert_cmphex(get(qt, GET_ID), ==, 0x77);
    qtest_save(qt, state);
    QTest *to = qtest_start("%s -incoming file:%s", args, state);
    qtest_wait_running(to);
    qtest_quit(qt);
    g_assert_cmphex(qtest_readq(to, BUFFER + ID_AT), ==, 0x88);
    act(to, EXECUTE);
    g_assert_cmphex(get(to, GET_STATUS), ==, SUCCESS);
    g_assert_cmphex(qtest_readq(to, BUFFER + 16 + ID_AT), ==, 0x77);
    g_assert_cmphex(get(to, GET_ID), ==, 0x88);
    qtest_quit(to);
}

#define MEMORY "-object memory-backend-ram,id=m,size="

static const QTestRefused refused[] = {
    { "-device acpi-erst", "'memdev' is missing" },
    { MEMORY "64K -device acpi-erst,memdev=m,record_size=6000", "a power of 2 from 4096 to" },
    { MEMORY "64K -device acpi-erst,memdev=m,record_size=2048", "a power of 2 from 4096 to" },
    { MEMORY "8K -device acpi-erst,memdev=m", "2 to 65536 times 'record_size', which is 8192" },
    { MEMORY "68K -device acpi-erst,memdev=m", "2 to 65536 times 'record_size', which is 8192" },
    { MEMORY "1G -device acpi-erst,memdev=m", "2 to 65536 times 'record_size', which is 8192" },
    { MEMORY "64K -device acpi-erst,memdev=m -object memory-backend-ram,id=n,size=64K "
             "-device acpi-erst,memdev=n",
      "there is an acpi-erst device already" },
    { "-machine q35 " MEMORY "64K -device pcie-root-port,id=p -device acpi-erst,memdev=m,bus=p",
      "root bus" },
    { "-object memory-backend-file,id=m,size=64K,mem-path=/bin/sh,readonly=on "
      "-device acpi-erst,memdev=m",
      "no memory that the guest may write to" },
};

static void assert_not_taken(const char *file, const char *options, const char *message)
{
    g_autofree char *output = NULL;

    g_assert_cmpint(qtest_run_program(&output,
                                      "-object memory-backend-file,id=m,size=64K,mem-path=%s "
                                      "-device acpi-erst,memdev=m%s",
                                      file, options),
                    ==, 1);
    g_assert_nonnull(strstr(output, message));
}

/* What was made for other sizes, and what is no store. */
static void test_erst_other_files(void)
{
    g_autofree char *file = NULL;
    int fd = g_file_open_tmp(NULL, &file, NULL);

    qtest_quit(start(file));
    assert_not_taken(file, ",record_size=16384", "was made a store with record_size=8192");
    g_assert_cmpint(pwrite(fd, "other", 5, 0), ==, 5);
    assert_not_taken(file, "", "has something else than error records");
    close(fd);
    unlink(file);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/erst/records", test_erst_records);
    g_test_add_func("/erst/full", test_erst_full);
    g_test_add_func("/erst/hostile", test_erst_hostile);
    g_test_add_func("/erst/damaged", test_erst_damaged);
    g_test_add_func("/erst/moved", test_erst_moved);
    g_test_add_func("/erst/other-files", test_erst_other_files);
    qtest_add_refused("/erst/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
