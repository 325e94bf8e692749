/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the 9P server for tests: a function a message. Each returns what the server says: 0,
 * or a positive errno value; what else is in the answer is left in `in`.
 */
#ifndef TESTS_UNIT_P9_MESSAGES_H
#define TESTS_UNIT_P9_MESSAGES_H

#include "fsdev/p9-server.h"

#define TAG   7
#define MSIZE 65536u
#define NOFID 0xffffffffu

typedef struct Test {
    char *base;   /* a folder, in which is */
    char *folder; /* what is shared */
    P9Server *s;
    P9Writer out; /* the request */
    uint8_t request[P9_MAX_MSIZE], answer[P9_MAX_MSIZE];
    P9Reader in; /* of the answer, behind the header */
} Test;

/* What setattr() sets: Tsetattr's `valid`. */
enum { SET_MODE = 1, SET_UID = 2, SET_GID = 4, SET_SIZE = 8, SET_MTIME = 0x120 };

typedef struct Attributes {
    P9Qid qid;
    uint32_t mode, uid, gid;
    uint64_t nlink, rdev, size;
} Attributes;

void begin(Test *t, uint8_t type);
uint8_t exchange(Test *t, size_t size, size_t piece);
int call(Test *t);
int version(Test *t, uint32_t msize, const char *text);
int attach(Test *t, uint32_t fid, uint32_t uid);
int walk(Test *t, uint32_t fid, uint32_t to, const char *path);
int by_fid(Test *t, uint8_t type, uint32_t fid);
int clunk(Test *t, uint32_t fid);
int lopen(Test *t, uint32_t fid, int flags);
int lcreate(Test *t, uint32_t fid, const char *name, int flags, uint32_t mode);
int mkdir9(Test *t, uint32_t fid, const char *name, uint32_t mode);
int mknod9(Test *t, uint32_t fid, const char *name, uint32_t mode);
int symlink9(Test *t, uint32_t fid, const char *name, const char *target);
int renameat9(Test *t, uint32_t from, const char *name, uint32_t to, const char *new_name);
int unlinkat9(Test *t, uint32_t fid, const char *name, uint32_t flags);
int write9(Test *t, uint32_t fid, uint64_t offset, const char *text);
int read9(Test *t, uint32_t fid, uint64_t offset, uint32_t count);
void assert_reads(Test *t, uint32_t fid, uint64_t offset, const char *text);
Attributes getattr(Test *t, uint32_t fid);
int setattr(Test *t, uint32_t fid, uint32_t valid, uint32_t mode, uint32_t id, uint64_t size);
int lock9(Test *t, uint8_t type, uint32_t fid, uint8_t kind, uint64_t start, uint64_t len,
          uint32_t process);
int xattrwalk(Test *t, uint32_t fid, uint32_t to, const char *name);
int xattrcreate(Test *t, uint32_t fid, const char *name, uint64_t size);

#endif
