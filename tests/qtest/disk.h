/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver of virtio-blk for tests on libqtest: requests on one queue of the function in slot 4 of
 * bus 0, one at a time.
 */
#ifndef TESTS_QTEST_DISK_H
#define TESTS_QTEST_DISK_H

#include "tests/qtest/virtio.h"

#define DEVFN   0x20u /* slot 4 */
#define SECTORS 128u
#define SECTOR  512u

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, WRITE_ZEROES = 13 };
enum { OK, IOERR, UNSUPP };

typedef struct Disk {
    QTest *qt;
    QVirtio v;
    QVirtQueue q;
    uint64_t out, in; /* guest addresses of what requests read and write: 64 sectors each */
    char *path;       /* of the image */
} Disk;

/* A raw image of SECTORS, each filled with its number + 1; its path, g_free. */
char *disk_make_image(const char *name);
/* A file of rules for blkdebug: reads, or with @write writes, of sector 6 fail, each time or @once.
 * Its path, g_free; to be removed when the machine has started, which has read it then. */
char *disk_make_rules(const char *name, bool write, bool once);
/* The first byte of @sector of the image at @path is @byte. */
void disk_assert_image(const char *path, unsigned sector, uint8_t byte);
/* Reset the device of d->qt, by its modern interface or not as d->v.modern says, and drive it. */
void disk_drive(Disk *d, uint64_t features);
/* The same with another queue than 0. */
void disk_drive_queue(Disk *d, uint64_t features, unsigned queue);
/* A request whose data are at d->out + 16, or come to d->in; @out_len and @in_len are bytes of
 * data. The head of its chain: it is not kicked yet. */
uint16_t disk_add(Disk *d, uint32_t type, uint64_t sector, uint32_t out_len, uint32_t in_len);
/* The same, until it is done: its status. */
uint8_t disk_request(Disk *d, uint32_t type, uint64_t sector, uint32_t out_len, uint32_t in_len);
/* A discard, or write of zeros. */
uint8_t disk_range(Disk *d, uint32_t type, uint64_t sector, uint32_t sectors, uint32_t flags);
/* Write a sector full of @byte; its first byte as it is read. Both go well. */
void disk_write(Disk *d, uint64_t sector, uint8_t byte);
uint8_t disk_read(Disk *d, uint64_t sector);

#endif
