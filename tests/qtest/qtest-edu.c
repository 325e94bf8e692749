/* SPDX-License-Identifier: GPL-2.0-or-later */
/* edu, by its registers, and loader. */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/qtest/libqtest.h"
#include "tests/qtest/virtio.h"

/* ---- edu ---- */

#define DEVFN  (5 << 3)
#define EDU    0xe8000000u
#define MEMORY 0x200000u
#define MS     1000000
enum { INVERT = 4, FACTORIAL = 8, STATUS = 0x20, IRQS = 0x24, RAISE = 0x60, ACKNOWLEDGE = 0x64 };
enum { SOURCE = 0x80, TARGET = 0x88, COUNT = 0x90, COMMAND = 0x98, BUFFER = 0x40000 };
enum { INTX_BIT = 8 };

static QTest *start(void)
{
    QTest *qt = qtest_start("-m 16 -device edu,addr=5");

    qpci_write(qt, DEVFN, 0x10, 4, EDU);
    qpci_write(qt, DEVFN, 4, 2, 6);
    return qt;
}

/* Does it raise its interrupt pin? */
static bool raised(QTest *qt)
{
    return qpci_read(qt, DEVFN, 6, 2) & INTX_BIT;
}

static uint32_t factorial(QTest *qt, uint32_t of)
{
    qtest_writel(qt, EDU + FACTORIAL, of);
    g_assert_cmphex(qtest_readl(qt, EDU + STATUS) & 1, ==, 1);
    qtest_writel(qt, EDU + FACTORIAL, 3); /* it is busy */
    qtest_clock_step(qt, MS);
    g_assert_cmphex(qtest_readl(qt, EDU + STATUS) & 1, ==, 0);
    return qtest_readl(qt, EDU + FACTORIAL);
}

static void test_edu_registers(void)
{
    QTest *qt = start();

    g_assert_cmphex(qpci_read(qt, DEVFN, 0, 4), ==, 0x11e81234);
    g_assert_cmphex(qpci_read(qt, DEVFN, 8, 4), ==, 0x00ff0010);
    g_assert_cmphex(qtest_readl(qt, EDU), ==, 0x010000ed);
    qtest_writel(qt, EDU + INVERT, 0x12345678);
    g_assert_cmphex(qtest_readl(qt, EDU + INVERT), ==, ~0x12345678u);
    g_assert_cmpuint(factorial(qt, 0), ==, 1);
    g_assert_cmpuint(factorial(qt, 10), ==, 3628800);
    g_assert_cmpuint(factorial(qt, 33), ==, 0x80000000u);
    g_assert_cmpuint(factorial(qt, 34), ==, 0);
    g_assert_cmpuint(factorial(qt, UINT32_MAX), ==, 0);
    g_assert_false(raised(qt));
    qtest_writel(qt, EDU + STATUS, 0xff);
    factorial(qt, 5);
    g_assert_cmphex(qtest_readl(qt, EDU + STATUS), ==, 0x80);
    g_assert_true(raised(qt));
    g_assert_cmphex(qtest_readl(qt, EDU + IRQS), ==, 1);
    qtest_writel(qt, EDU + RAISE, 0x8000);
    qtest_writel(qt, EDU + ACKNOWLEDGE, 1);
    g_assert_true(raised(qt));
    qtest_writel(qt, EDU + ACKNOWLEDGE, 0x8000);
    g_assert_false(raised(qt));
    for (unsigned at = 0; at < 0x100; at += 4) { /* any of them */
        qtest_readl(qt, EDU + at);
        qtest_writel(qt, EDU + at, ~0u);
    }
    qtest_clock_step(qt, MS);
    qtest_quit(qt);
}

/* Ask for a move, and wait for it. */
static void move(QTest *qt, uint64_t source, uint64_t target, uint64_t count, unsigned command)
{
    qtest_writeq(qt, EDU + SOURCE, source);
    qtest_writeq(qt, EDU + TARGET, target);
    qtest_writeq(qt, EDU + COUNT, count);
    qtest_writeq(qt, EDU + COMMAND, command | 1);
    g_assert_cmphex(qtest_readq(qt, EDU + COMMAND), ==, command | 1);
    qtest_writeq(qt, EDU + COUNT, 1); /* it moves */
    qtest_clock_step(qt, MS);
    g_assert_cmphex(qtest_readq(qt, EDU + COMMAND), ==, command);
}

static void test_edu_dma(void)
{
    static const struct {
        uint64_t source, target, count;
    } bad[] = {
        { MEMORY, BUFFER - 1, 16 },     { MEMORY, BUFFER + 4096, 1 },
        { MEMORY, BUFFER + 1, 4096 },   { MEMORY, BUFFER, 4097 },
        { MEMORY, BUFFER, UINT64_MAX }, { MEMORY, UINT64_MAX, 2 },
        { 1u << 28, BUFFER, 16 },                            /* beyond what it reaches */
        { UINT64_MAX, BUFFER, 16 },     { EDU, BUFFER, 16 }, /* itself */
    };
    QTest *qt = start();

    qtest_memset(qt, MEMORY, 0x5a, 4096);
    qtest_memset(qt, MEMORY + 4096, 0, 4096);
    move(qt, MEMORY, BUFFER, 4096, 0);
    move(qt, BUFFER + 16, MEMORY + 4096, 4080, 2);
    g_assert_cmphex(qtest_readb(qt, MEMORY + 4096 + 4079), ==, 0x5a);
    g_assert_cmphex(qtest_readb(qt, MEMORY + 4096 + 4080), ==, 0);
    g_assert_false(raised(qt));
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        move(qt, bad[i].source, bad[i].target, bad[i].count, 4);
        g_assert_cmphex(qtest_readl(qt, EDU + IRQS), ==, 0x100);
        qtest_writel(qt, EDU + ACKNOWLEDGE, 0x100);
        move(qt, bad[i].target, bad[i].source, bad[i].count, 2);
    }
    g_assert_cmphex(qtest_readb(qt, MEMORY), ==, 0x5a);
    qpci_write(qt, DEVFN, 4, 2, 2); /* not a bus master any more */
    move(qt, BUFFER, MEMORY + 8192, 16, 2);
    g_assert_cmphex(qtest_readb(qt, MEMORY + 8192), ==, 0);
    qtest_quit(qt);
}

/* ---- loader ---- */

/* A file of @size bytes: its name; g_free. */
static char *make_file(const void *data, size_t size)
{
    char *path;
    int fd = g_file_open_tmp(NULL, &path, NULL);

    g_assert_cmpint(write(fd, data, size), ==, size);
    close(fd);
    return path;
}

/* An ELF-32 with one segment: its last 4 bytes, and 4 of zeros, at 0x300000. */
static void make_elf(uint8_t elf[88])
{
    const uint32_t head[] = { 0x464c457f, 0x00010101, 0, 0,          0x00030002, 1, 0x7c00,
                              52,         0,          0, 0x00200034, 1,          0 };
    const uint32_t segment[] = { 1, 84, 0, 0x300000, 4, 8, 7, 1 };

    memcpy(elf, head, 52);
    memcpy(elf + 52, segment, 32);
    memcpy(elf + 84, "code", 4);
}

static void test_loader(void)
{
    uint8_t elf[88];

    make_elf(elf);
    g_autofree char *raw = make_file("hello", 5), *file = make_file(elf, sizeof(elf));
    QTest *qt = qtest_start("-m 16 -device loader,addr=0x200000,data=0x1122334455,data-len=8 "
                            "-device loader,addr=0x200010,data=0x11223344,data-len=4,data-be=on "
                            "-device loader,addr=0x200020,file=%s -device loader,file=%s "
                            "-device loader,addr=0x200030,file=%s,force-raw=on",
                            raw, file, file);
    char text[6] = "";

    for (unsigned round = 0; round < 2; round++) {
        g_assert_cmphex(qtest_readq(qt, 0x200000), ==, 0x1122334455);
        g_assert_cmphex(qtest_readl(qt, 0x200010), ==, 0x44332211);
        qtest_memread(qt, 0x200020, text, 5);
        g_assert_cmpstr(text, ==, "hello");
        g_assert_cmphex(qtest_readq(qt, 0x300000), ==, 0x65646f63);
        g_assert_cmphex(qtest_readl(qt, 0x200030), ==, 0x464c457f);
        qtest_memset(qt, 0x200000, 0xff, 0x100); /* it is there again after a reset */
        qtest_memset(qt, 0x300000, 0xff, 0x100);
        qtest_qmp_ok(qt, "system_reset", NULL);
        json_object_put(qtest_event(qt, "RESET"));
    }
    qtest_quit(qt);
    unlink(raw);
    unlink(file);
}

static void assert_not_loaded(const uint8_t *elf, size_t size, const char *message)
{
    g_autofree char *path = make_file(elf, size), *output = NULL;

    g_assert_cmpint(qtest_run_program(&output, "-m 16 -device loader,file=%s", path), ==, 1);
    g_assert_nonnull(strstr(output, message));
    unlink(path);
}

/* Files whose headers lie. */
static void test_loader_damaged(void)
{
    static const struct {
        unsigned at;
        uint32_t value;
        const char *message;
    } cases[] = {
        { 28, 57, "cut off" },
        { 28, UINT32_MAX, "cut off" },
        { 42, 0x00010001, "cut off" },
        { 42, 0xffff0020, "cut off" },
        { 56, 85, "cut off" },
        { 56, UINT32_MAX, "cut off" },
        { 68, UINT32_MAX, "cut off" },
        { 72, 3, "cut off" },
        { 72, UINT32_MAX, "not all in" },
        { 64, 0xffffffff, "not all in" },
        { 64, 16 << 20, "not all in" },
        { 4, 0x00010201, "no ELF file of a PC" },
    };
    uint8_t elf[88];

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        make_elf(elf);
        memcpy(elf + cases[i].at, &cases[i].value, 4);
        assert_not_loaded(elf, sizeof(elf), cases[i].message);
    }
    make_elf(elf);
    assert_not_loaded(elf, 40, "no ELF file of a PC");
    assert_not_loaded((const uint8_t *)"x", 1, "'addr' is missing");
}

/* Processor 0 starts in real mode: mov al, 7; mov dx, 0x501; out dx, al. */
static void test_loader_starts(void)
{
    static const uint8_t code[] = { 0xb0, 7, 0xba, 0x01, 0x05, 0xee, 0xf4 };
    g_autofree char *path = make_file(code, sizeof(code));

    g_autofree char *device = g_strdup_printf("loader,file=%s,addr=0x12340,cpu-num=0", path);
    const char *words[] = { g_getenv("DIMMABLE_PROGRAM"),
                            "-accel",
                            "soft",
                            "-m",
                            "16",
                            "-nodefaults",
                            "-display",
                            "none",
                            "-device",
                            "isa-debug-exit",
                            "-device",
                            device,
                            NULL };
    int status;

    g_assert_true(g_spawn_sync(NULL, (char **)words, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, NULL,
                               &status, NULL));
    g_assert_cmpint(WEXITSTATUS(status), ==, 7 << 1 | 1);
    unlink(path);
}

static const QTestRefused refused[] = {
    { "-device loader", "'addr' is missing" },
    { "-device loader,addr=4096", "there is nothing to do" },
    { "-device loader,addr=4096,data=1,data-len=9", "1 to 8 bytes" },
    { "-device loader,addr=4096,file=/bin/true,data=1,data-len=8", "exclude each other" },
    { "-device loader,addr=0xffffffff00000000,data=1,data-len=8",
      "not all in the machine's memory" },
    { "-device loader,addr=0xffffffffffffffff,data=1,data-len=8", "'addr' is missing" },
    { "-device loader,addr=4096,cpu-num=1", "only processor 0" },
    { "-device loader,addr=0x100000,cpu-num=0", "below 1 MiB" },
    { "-device loader,file=/nonexistent", "/nonexistent" },
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/edu/registers", test_edu_registers);
    g_test_add_func("/edu/dma", test_edu_dma);
    g_test_add_func("/loader/reset", test_loader);
    g_test_add_func("/loader/damaged", test_loader_damaged);
    g_test_add_func("/loader/starts", test_loader_starts);
    qtest_add_refused("/loader/refused", refused, G_N_ELEMENTS(refused));
    return g_test_run();
}
