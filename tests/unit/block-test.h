/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of the block layer: nodes of files that are made here. */
#ifndef TESTS_UNIT_BLOCK_TEST_H
#define TESTS_UNIT_BLOCK_TEST_H

#include <glib/gstdio.h>
#include <string.h>

#include "block/backend.h"
#include "tests/unit/refused.h"
#include "util/keyval.h"
#include "util/main-loop.h"
#include "util/units.h"

static char *dir; /* block_test_run() */

/* A file in dir whose sectors tell their numbers; its path, g_free. */
static inline char *make_file(const char *name, size_t size)
{
    g_autofree uint8_t *data = g_malloc(size);
    char *path = g_build_filename(dir, name, NULL);

    for (size_t i = 0; i < size; i++) {
        data[i] = (uint8_t)(i / 512 + 1);
    }
    g_assert_true(g_file_set_contents(path, (char *)data, (gssize)size, NULL));
    return path;
}

static inline BlockNode *add(GError **errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
static inline BlockNode *add(GError **errp, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, fmt);
    text = g_strdup_vprintf(fmt, args);
    va_end(args);
    g_autoptr(BlockdevOptions) options =
        qapi_from_option(&BlockdevOptions_type, text, "driver", errp);
    return options ? block_node_add(options, errp) : NULL;
}

static inline void del(const char *name)
{
    GError *err = NULL;

    block_node_del(name, &err);
    g_assert_no_error(err);
}

static inline uint8_t byte_at(BlockNode *node, uint64_t offset)
{
    uint8_t byte = 0xee;

    g_assert_cmpint(block_node_pread(node, offset, &byte, 1), ==, 0);
    return byte;
}

static inline void count_one(BlockNode *node, void *opaque)
{
    ++*(unsigned *)opaque;
}

static inline unsigned count_nodes(void)
{
    unsigned count = 0;

    block_node_foreach(count_one, &count);
    return count;
}

/* What the tests have left in dir goes, too; main()'s result. */
static inline int block_test_run(void)
{
    int result;

    main_loop_init();
    dir = g_dir_make_tmp(NULL, NULL);
    result = g_test_run();
    block_finish();
    g_autoptr(GDir) list = g_dir_open(dir, 0, NULL);
    for (const char *name; (name = g_dir_read_name(list));) {
        g_autofree char *path = g_build_filename(dir, name, NULL);
        g_unlink(path);
    }
    g_rmdir(dir);
    g_free(dir);
    return result;
}

#endif
