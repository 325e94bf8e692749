/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/disk.h"

#include <string.h>
#include <unistd.h>

char *disk_make_image(const char *name)
{
    g_autofree char *data = g_malloc(SECTORS * SECTOR);
    char *path = g_strdup_printf("%s/disk-%d-%s", g_get_tmp_dir(), getpid(), name);

    for (unsigned i = 0; i < SECTORS; i++) {
        memset(data + i * SECTOR, (int)i + 1, SECTOR);
    }
    g_assert_true(g_file_set_contents(path, data, SECTORS * SECTOR, NULL));
    return path;
}

char *disk_make_rules(const char *name, bool write, bool once)
{
    char *path = g_strdup_printf("%s/rules-%d-%s", g_get_tmp_dir(), getpid(), name);
    const char *event = write ? "write_aio" : "read_aio";
    g_autofree char *text =
        g_strdup_printf("[inject-error]\nevent = \"%s\"\nerrno = \"5\"\nstate = \"1\"\n"
                        "immediately = \"off\"\nsector = \"6\"\n[set-state]\nevent = \"%s\"\n"
                        "state = \"%d\"\nnew_state = \"3\"\n",
                        event, event, once ? 1 : 2);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

void disk_drive(Disk *d, uint64_t features)
{
    disk_drive_queue(d, features, 0);
}

void disk_drive_queue(Disk *d, uint64_t features, unsigned queue)
{
    qvirtio_open(&d->v, d->qt, DEVFN, d->v.modern);
    qvirtio_start(&d->v, features & (qvirtio_offered(&d->v) | QVIRTIO_VERSION_1));
    qvirtio_queue(&d->v, &d->q, queue);
    qvirtio_driver_ok(&d->v);
    d->out = qvirtio_alloc(&d->v, 64 * SECTOR);
    d->in = qvirtio_alloc(&d->v, 64 * SECTOR);
}

uint16_t disk_add(Disk *d, uint32_t type, uint64_t sector, uint32_t out_len, uint32_t in_len)
{
    qtest_writel(d->qt, d->out, type);
    qtest_writel(d->qt, d->out + 4, 0);
    qtest_writeq(d->qt, d->out + 8, sector);
    qtest_writeb(d->qt, d->in + in_len, 0xee);
    return qvirtq_add_pair(&d->q, d->out, 16 + out_len, d->in, in_len + 1);
}

uint8_t disk_request(Disk *d, uint32_t type, uint64_t sector, uint32_t out_len, uint32_t in_len)
{
    uint16_t head = disk_add(d, type, sector, out_len, in_len);
    uint32_t len;
    uint8_t status;

    qvirtq_kick(&d->q);
    len = qvirtq_wait(&d->q, head);
    status = qtest_readb(d->qt, d->in + in_len);
    g_assert_cmpuint(len, ==, status == OK ? in_len + 1 : 1);
    return status;
}

uint8_t disk_range(Disk *d, uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags)
{
    qtest_writeq(d->qt, d->out + 16, sector);
    qtest_writel(d->qt, d->out + 24, sectors);
    qtest_writel(d->qt, d->out + 28, flags);
    return disk_request(d, type, 0, 16, 0);
}

void disk_write(Disk *d, uint64_t sector, uint8_t byte)
{
    qtest_memset(d->qt, d->out + 16, byte, SECTOR);
    g_assert_cmpuint(disk_request(d, OUT, sector, SECTOR, 0), ==, OK);
}

uint8_t disk_read(Disk *d, uint64_t sector)
{
    g_assert_cmpuint(disk_request(d, IN, sector, 0, SECTOR), ==, OK);
    return qtest_readb(d->qt, d->in);
}

void disk_assert_image(const char *path, unsigned sector, uint8_t byte)
{
    g_autofree char *data = NULL;
    size_t size;

    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    g_assert_cmpuint(size, >, sector * SECTOR);
    g_assert_cmphex((uint8_t)data[sector * SECTOR], ==, byte);
}
