/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images that somebody else has made: the input is a qcow2 image. It is opened to be read, or
 * written to, and whatever its tables say, requests end with data or an error.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "block/node.h"
#include "tests/fuzz/fuzz.h"
#include "util/error.h"
#include "util/units.h"

#define CHUNK 8192

/* What an image is asked; @at is a part of its size, in 1/64. */
typedef struct Request {
    enum { READ, WRITE, ZEROES, UNMAP, DISCARD, FLUSH } kind;
    unsigned at, add, bytes;
} Request;

static const Request requests[] = {
    { READ, 0, 0, CHUNK },       { READ, 32, 0, CHUNK },   { READ, 63, 0, CHUNK },
    { READ, 64, 0, 512 },        { WRITE, 0, 512, 512 },   { READ, 0, 0, 2048 },
    { WRITE, 16, 100, CHUNK },   { WRITE, 63, 0, 4096 },   { ZEROES, 8, 0, CHUNK },
    { UNMAP, 24, 0, CHUNK },     { DISCARD, 0, 0, CHUNK }, { FLUSH, 0, 0, 0 },
    { WRITE, 0, 0, CHUNK },      { READ, 16, 0, CHUNK },   { DISCARD, 32, 7, CHUNK },
    { ZEROES, 0, 1, CHUNK - 2 }, { WRITE, 40, 0, CHUNK },  { FLUSH, 0, 0, 0 },
};

static int ask(BlockNode *node, const Request *r, uint64_t size)
{
    static uint8_t buf[CHUNK];
    uint64_t offset = size / 64 * r->at + r->add;

    switch (r->kind) {
    case READ:
        return block_node_pread(node, offset, buf, r->bytes);
    case WRITE:
        memset(buf, 0x5a, sizeof(buf));
        return block_node_pwrite(node, offset, buf, r->bytes);
    case ZEROES:
    case UNMAP:
        return block_node_write_zeroes(node, offset, r->bytes, r->kind == UNMAP ? BLOCK_UNMAP : 0);
    case DISCARD:
        return block_node_discard(node, offset, r->bytes, 0);
    default:
        return block_node_flush(node);
    }
}

static void use(int fd, bool read_only)
{
    g_autofree char *text = g_strdup_printf(
        "{'driver': 'qcow2', 'node-name': 'q', 'read-only': %s, 'discard': 'unmap', 'backing': "
        "null,"
        " 'file': {'driver': 'file', 'filename': '/proc/self/fd/%d', 'locking': 'off'}}",
        read_only ? "true" : "false", fd);
    struct json_object *json = json_tokener_parse(g_strdelimit(text, "'", '"'));
    g_autoptr(BlockdevOptions) options = BlockdevOptions_from_json(json, NULL, NULL);
    BlockNode *node = block_node_add(options, NULL);

    json_object_put(json);
    if (node) {
        int64_t size = block_node_length(node);

        for (unsigned i = 0; size >= 0 && i < G_N_ELEMENTS(requests); i++) {
            int err = ask(node, &requests[i], (uint64_t)size);

            g_assert_true(err >= 0); /* 0 or an errno value: never a negative one */
        }
        block_node_del("q", NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    fuzz_machine();
    if (fd >= 0 && write(fd, data, size) == (ssize_t)size) {
        use(fd, true);
        use(fd, false);
        use(fd, false); /* what it has made of itself */
    }
    close(fd);
    return 0;
}
