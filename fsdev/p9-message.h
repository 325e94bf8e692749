/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What messages of 9P are made of (Plan 9's intro(5); 9P2000.L): little-endian numbers, and strings
 * with a length of 16 bits. A reader never goes beyond its bytes: what is not there is 0 or NULL,
 * and the reader is `bad` from then on. A writer never goes beyond its room, and is `full` then.
 */
#ifndef FSDEV_P9_MESSAGE_H
#define FSDEV_P9_MESSAGE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define P9_HEADER_BYTES 7  /* size[4] type[1] tag[2] */
#define P9_ERROR_BYTES  11 /* of Rlerror, the longest answer that any request may get */

/* Requests; the answer's number is one more. */
enum {
    P9_RLERROR = 7,
    P9_TSTATFS = 8,
    P9_TLOPEN = 12,
    P9_TLCREATE = 14,
    P9_TSYMLINK = 16,
    P9_TMKNOD = 18,
    P9_TRENAME = 20,
    P9_TREADLINK = 22,
    P9_TGETATTR = 24,
    P9_TSETATTR = 26,
    P9_TXATTRWALK = 30,
    P9_TXATTRCREATE = 32,
    P9_TREADDIR = 40,
    P9_TFSYNC = 50,
    P9_TLOCK = 52,
    P9_TGETLOCK = 54,
    P9_TLINK = 70,
    P9_TMKDIR = 72,
    P9_TRENAMEAT = 74,
    P9_TUNLINKAT = 76,
    P9_TVERSION = 100,
    P9_TAUTH = 102,
    P9_TATTACH = 104,
    P9_TFLUSH = 108,
    P9_TWALK = 110,
    P9_TREAD = 116,
    P9_TWRITE = 118,
    P9_TCLUNK = 120,
    P9_TREMOVE = 122,
};

typedef struct P9Reader {
    const uint8_t *data;
    size_t left;
    bool bad;
} P9Reader;

uint8_t p9_get_u8(P9Reader *in);
uint16_t p9_get_u16(P9Reader *in);
uint32_t p9_get_u32(P9Reader *in);
uint64_t p9_get_u64(P9Reader *in);
/* A string with a NUL behind it; g_free. NULL, and bad, if it is not there or has a NUL in it. */
char *p9_get_string(P9Reader *in);

typedef struct P9Writer {
    uint8_t *data;
    size_t size, used;
    bool full;
} P9Writer;

void p9_put_u8(P9Writer *out, uint8_t value);
void p9_put_u16(P9Writer *out, uint16_t value);
void p9_put_u32(P9Writer *out, uint32_t value);
void p9_put_u64(P9Writer *out, uint64_t value);
void p9_put_string(P9Writer *out, const char *text);

/* What tells a file from all others that ever were (Plan 9's intro(5)). */
enum { P9_QID_DIR = 0x80, P9_QID_SYMLINK = 0x02, P9_QID_FILE = 0 };
#define P9_QID_BYTES 13
typedef struct P9Qid {
    uint8_t type; /* P9_QID_* */
    uint32_t version;
    uint64_t path;
} P9Qid;
void p9_put_qid(P9Writer *out, const P9Qid *qid);

#endif
