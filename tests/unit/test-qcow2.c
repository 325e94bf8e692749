/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2 against an independent reader and writer, qemu-img: random operations on images of many
 * geometries, which it made, checks and reads afterwards. Skipped where it is not installed. */
#include <stdio.h>
#include <string.h>

#include "block/snapshot-internal.h"
#include "tests/unit/image.h"
#include "util/units.h"

/* @want is what is in it. A discard leaves what was there, or zeros: it is read again. */
static void operate(BlockNode *node, uint8_t *want, size_t size, GRand *rand, unsigned count)
{
    g_autofree uint8_t *got = g_malloc(size);

    for (unsigned i = 0; i < count; i++) {
        size_t from = (size_t)g_rand_int_range(rand, 0, (gint32)size);
        size_t most = g_rand_int_range(rand, 0, 4) ? MIN(size - from, 20000) : size - from;
        size_t len = (size_t)g_rand_int_range(rand, 1, (gint32)most + 1);

        switch (g_rand_int_range(rand, 0, 6)) {
        case 0:
            memset(want + from, 0, len);
            g_assert_cmpint(block_node_write_zeroes(node, from, len, i % 2 ? BLOCK_UNMAP : 0), ==,
                            0);
            break;
        case 1:
            g_assert_cmpint(block_node_discard(node, from, len, 0), ==, 0);
            g_assert_cmpint(block_node_pread(node, from, got, len), ==, 0);
            for (size_t b = 0; b < len; b++) {
                g_assert_true(got[b] == want[from + b] || got[b] == 0);
            }
            memcpy(want + from, got, len);
            break;
        case 2:
        case 3:
            g_assert_cmpint(block_node_pread(node, from, got, len), ==, 0);
            g_assert_cmpmem(got, len, want + from, len);
            break;
        default:
            memset(want + from, (int)g_rand_int_range(rand, 1, 256), len);
            g_assert_cmpint(block_node_pwrite(node, from, want + from, len), ==, 0);
        }
    }
}

typedef struct Geometry {
    const char *name, *options; /* of qemu-img create */
    size_t size;
    bool backing, packed, snapshot;
} Geometry;

static const Geometry geometries[] = {
    { "v3", "compat=1.1", 4 * MIB, false, false, false },
    { "v2", "compat=0.10", 4 * MIB, false, false, false },
    { "512", "cluster_size=512", 1 * MIB + 512, false, false, false },
    { "512-refcount-64", "cluster_size=512,refcount_bits=64", 1 * MIB, false, false, false },
    { "512-v2", "cluster_size=512,compat=0.10", 1 * MIB, true, false, false },
    { "4k-refcount-1", "cluster_size=4k,refcount_bits=1", 3 * MIB + 1536, false, false, false },
    { "4k-refcount-8", "cluster_size=4k,refcount_bits=8", 3 * MIB, true, false, false },
    { "2m", "cluster_size=2M", 7 * MIB, true, false, false },
    { "backing", "compat=1.1", 4 * MIB, true, false, false },
    { "backing-v2", "compat=0.10", 4 * MIB, true, false, false },
    { "zlib", "cluster_size=16k", 4 * MIB, false, true, false },
    { "zstd", "cluster_size=64k,compression_type=zstd", 4 * MIB, false, true, false },
    { "snapshot", "cluster_size=4k", 2 * MIB, false, false, true },
    { "lazy", "cluster_size=512,lazy_refcounts=on", 4 * MIB, true, false, true },
    { "metadata", "preallocation=metadata", 4 * MIB, false, false, false },
};

/* Some of it is random, some repeats, some is zero. */
static void fill(uint8_t *data, size_t size, GRand *rand)
{
    for (size_t i = 0; i < size; i++) {
        data[i] = i >> 15 & 1 ? 0 : i >> 12 & 1 ? (uint8_t)g_rand_int(rand) : (uint8_t)(i >> 9);
    }
}

static void make_image(const Geometry *g, uint8_t *want, GRand *rand)
{
    g_autofree char *raw = image_at("base.raw");

    if (g->backing || g->packed) {
        fill(want, g->size, rand);
        g_assert_true(g_file_set_contents(raw, (char *)want, (gssize)g->size, NULL));
    }
    if (g->packed) {
        image_run(0, "qemu-img convert -t unsafe -c -f raw -O qcow2 -o %s base.raw q.qcow2",
                  g->options);
    } else if (g->backing) {
        image_run(0, "qemu-img convert -t unsafe -f raw -O qcow2 base.raw base.qcow2");
        image_run(0, "qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 -o %s q.qcow2",
                  g->options);
    } else {
        image_run(0, "qemu-img create -q -f qcow2 -o %s q.qcow2 %zu", g->options, g->size);
    }
}

static void test_random(gconstpointer data)
{
    const Geometry *g = data;
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);
    g_autofree uint8_t *want = g_malloc0(g->size), *old = NULL;

    make_image(g, want, rand);
    for (unsigned round = 0; round < 3; round++) {
        GError *err = NULL;
        BlockNode *node = image_open("q.qcow2", "", &err);

        g_assert_no_error(err);
        g_assert_cmpint(block_node_length(node), ==, (int64_t)g->size);
        operate(node, want, g->size, rand, 150);
        image_close();
        image_assert_contents("q.qcow2", want, g->size, false);
        if (g->snapshot && round == 0) {
            image_run(0, "qemu-img snapshot -c one q.qcow2");
            old = g_memdup2(want, g->size);
        }
    }
    if (old) { /* it is as it was */
        image_run(0, "qemu-img snapshot -a one q.qcow2");
        image_assert_contents("q.qcow2", old, g->size, false);
    }
}

/* ---- everything at once ---- */

/* An image whose disk, and whose snapshots', are known. */
typedef struct Model {
    uint8_t *disk;
    size_t size;
    GPtrArray *snapshots; /* of Model, without snapshots */
    char *name;           /* of a snapshot */
    bool can_resize;
} Model;

enum { MAX_DISK = 5 << 20, MAX_SNAPSHOTS = 4 };

static void model_free(gpointer p)
{
    Model *m = p;

    g_free(m->disk);
    g_free(m->name);
    g_free(m);
}

static void snapshot(Model *m, BlockNode *node, GRand *rand, unsigned number)
{
    unsigned pick = (unsigned)g_rand_int_range(rand, 0, MAX_SNAPSHOTS);
    Model *old = pick < m->snapshots->len ? m->snapshots->pdata[pick] : NULL;
    GError *err = NULL;

    if (!old) {
        g_autofree char *name = g_strdup_printf("snapshot-%u", number);
        const BlockSnapshot taken = { .name = name, .date_ns = 1, .clock_ns = 2 };

        old = g_new0(Model, 1);
        *old = (Model){ g_memdup2(m->disk, MAX_DISK), m->size, NULL, g_strdup(name), false };
        block_snapshot_create(node, &taken, &err);
        g_ptr_array_add(m->snapshots, old);
    } else if (g_rand_boolean(rand)) {
        block_snapshot_delete(node, old->name, &err);
        g_ptr_array_remove_index(m->snapshots, pick);
    } else {
        block_snapshot_goto(node, old->name, &err);
        memcpy(m->disk, old->disk, MAX_DISK);
        m->size = old->size;
    }
    g_assert_no_error(err);
}

/* What is new is zeros. */
static void resize(Model *m, BlockNode *node, GRand *rand)
{
    size_t size = (size_t)g_rand_int_range(rand, 1, MAX_DISK / 512) * 512;

    if (m->can_resize || !m->snapshots->len) {
        g_assert_cmpint(block_node_truncate(node, size), ==, 0);
        memset(m->disk + size, 0, MAX_DISK - size);
        m->size = size;
    }
    g_assert_cmpint(block_node_length(node), ==, (int64_t)m->size);
}

/* As the other reader has it, with all snapshots. */
static void check_model(Model *m)
{
    image_assert_contents("q.qcow2", m->disk, m->size, false);
    for (unsigned i = 0; i < m->snapshots->len; i++) {
        const Model *old = m->snapshots->pdata[i];
        g_autofree char *path = image_at("out.raw"), *got = NULL;
        size_t len;

        image_run(0,
                  "qemu-img convert -t unsafe -l snapshot.name=%s -f qcow2 -O raw q.qcow2 out.raw",
                  old->name);
        g_assert_true(g_file_get_contents(path, &got, &len, NULL));
        /* It reads so much as the disk has now. */
        g_assert_cmpmem(got, MIN(len, old->size), old->disk, MIN(len, old->size));
    }
}

/* @count operations on an image of a geometry that chance gives. */
static void run_model(GRand *rand, unsigned count)
{
    static const char *const sizes[] = { "512", "1k", "4k", "64k", "2M" };
    bool old = g_rand_int_range(rand, 0, 4) == 0, backing = g_rand_boolean(rand);
    Model m = { g_malloc0(MAX_DISK), (size_t)g_rand_int_range(rand, 2048, 8192) * 512,
                g_ptr_array_new_with_free_func(model_free), NULL, !old };
    Geometry g = { .size = m.size, .backing = backing };
    g_autofree char *options = g_strdup_printf(
        "cluster_size=%s,compat=%s%s", sizes[g_rand_int_range(rand, 0, G_N_ELEMENTS(sizes))],
        old ? "0.10" : "1.1", old || g_rand_boolean(rand) ? "" : ",refcount_bits=64");
    GError *err = NULL;
    BlockNode *node;

    g.options = options;
    g_test_message("%s%s, %u operations", options, backing ? ", backing" : "", count);
    make_image(&g, m.disk, rand);
    node = image_open("q.qcow2", "", &err);
    g_assert_no_error(err);
    for (unsigned i = 0; i < count; i++) {
        if (g_rand_int_range(rand, 0, 40) == 0) {
            snapshot(&m, node, rand, i);
        } else if (g_rand_int_range(rand, 0, 40) == 0) {
            resize(&m, node, rand);
        } else {
            operate(node, m.disk, m.size, rand, 1);
        }
    }
    image_close();
    check_model(&m);
    g_ptr_array_unref(m.snapshots);
    g_free(m.disk);
}

/* QCOW2_OPERATIONS=N in the environment: so many, and each thousand an image of its own. */
static void test_all(void)
{
    enum { EACH = 1000 };
    const char *text = g_getenv("QCOW2_OPERATIONS");
    unsigned left = text ? (unsigned)g_ascii_strtoull(text, NULL, 10) : 3 * EACH;
    g_autoptr(GRand) rand = g_rand_new_with_seed(10000);

    for (; left; left -= MIN(left, EACH)) {
        run_model(rand, MIN(left, EACH));
    }
}

/* The image grows until the refcount table has to. */
static void test_grow(void)
{
    enum { SIZE = 24 << 20 };
    g_autofree uint8_t *want = g_malloc(SIZE);
    GError *err = NULL;
    BlockNode *node;

    image_run(0, "qemu-img create -q -f qcow2 -o cluster_size=512,refcount_bits=64 q.qcow2 %u",
              SIZE);
    node = image_open("q.qcow2", "", &err);
    g_assert_no_error(err);
    for (unsigned i = 0; i < SIZE; i += 32768) {
        memset(want + i, (int)(i >> 15) | 1, 32768);
        g_assert_cmpint(block_node_pwrite(node, i, want + i, 32768), ==, 0);
    }
    image_close();
    image_assert_contents("q.qcow2", want, SIZE, false);
}

/* An image whose writer, with lazy refcounts, was killed. */
static void test_dirty(void)
{
    static const char *const sizes[] = { "512", "4k", "64k" };
    g_autofree uint8_t *want = g_malloc0(MIB);

    memset(want, 5, 300 * KIB);
    memset(want + 500 * KIB, 6, 100 * KIB);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        GError *err = NULL;
        BlockNode *node;

        image_run(0, "qemu-img create -q -f qcow2 -o lazy_refcounts=on,cluster_size=%s q.qcow2 1M",
                  sizes[i]);
        image_run(0, "qemu-io -f qcow2 -c \"write -P 5 0 300k\" q.qcow2 >/dev/null && "
                     "qemu-img snapshot -c one q.qcow2");
        image_run(0, "ulimit -c 0; qemu-io -f qcow2 -c \"write -P 6 500k 100k\" -c flush -c abort "
                     "q.qcow2 >/dev/null 2>&1; qemu-img info q.qcow2 | grep -q \"shut down: no\"");
        node = image_open("q.qcow2", ",read-only=on", &err);
        g_assert_no_error(err);
        image_close();
        image_run(0, "qemu-img info q.qcow2 | grep -q \"shut down: no\""); /* it was only read */
        node = image_open("q.qcow2", "", &err);
        g_assert_no_error(err);
        g_assert_cmpint(block_node_pwrite(node, 1000, want + 1000, 5000), ==, 0);
        image_close();
        image_assert_contents("q.qcow2", want, MIB, false);
    }
}

/* Lazy refcounts: which images have them, when they are marked, and that nothing is left to do when
 * nobody writes any more. */
static void test_lazy(void)
{
    static const struct {
        const char *made, *options;
        bool lazy;
    } cases[] = {
        { "off", "", false },
        { "off", ",lazy-refcounts=on", true },
        { "on", "", true },
        { "on", ",lazy-refcounts=off", false },
    };
    g_autofree uint8_t *want = g_malloc0(MIB);
    GError *err = NULL;

    memset(want, 5, 300 * KIB);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        BlockEdge edge = { 0 };
        BlockNode *node;

        image_run(0, "qemu-img create -q -f qcow2 -o cluster_size=4k,lazy_refcounts=%s q.qcow2 1M",
                  cases[i].made);
        node = image_open("q.qcow2", cases[i].options, &err);
        g_assert_no_error(err);
        g_assert_true(block_edge_attach(&edge, node, "a test", BLOCK_PERM_READ | BLOCK_PERM_WRITE,
                                        BLOCK_PERM_READ, &err));
        g_assert_false(image_is_dirty("q.qcow2"));
        g_assert_cmpint(block_node_pwrite(node, 0, want, 300 * KIB), ==, 0);
        g_assert_cmpint(block_node_flush(node), ==, 0);
        g_assert_true(image_is_dirty("q.qcow2") == cases[i].lazy);
        image_run(0,
                  "cp q.qcow2 r.qcow2; qemu-img check -T unsafe -r all r.qcow2 | "
                  "grep -q \"%s\"",
                  cases[i].lazy ? "repaired" : "No errors");
        image_assert_contents("r.qcow2", want, MIB, false);
        block_edge_detach(&edge); /* others may have it now */
        g_assert_false(image_is_dirty("q.qcow2"));
        image_assert_contents("q.qcow2", want, MIB, false);
        image_close();
    }
}

/* A node that nobody uses has no lock: when somebody does, the image may be another. */
static void test_idle(void)
{
    g_autofree uint8_t *want = g_malloc0(2 * MIB), *got = g_malloc0(2 * MIB);
    BlockEdge edge = { 0 };
    GError *err = NULL;
    BlockNode *node;

    image_run(0, "qemu-img create -q -f qcow2 -o cluster_size=512 q.qcow2 1M");
    node = image_open("q.qcow2", "", &err);
    g_assert_no_error(err);
    for (unsigned round = 1; round < 4; round++) {
        image_run(0, "qemu-io -f qcow2 -c \"write -P %u %uk 300k\" q.qcow2 >/dev/null", round,
                  100 * round);
        memset(want + 100 * round * KIB, (int)round, 300 * KIB);
        if (round == 2) {
            image_run(0, "qemu-img resize -q -f qcow2 q.qcow2 2M");
        }
        g_assert_true(block_edge_attach(&edge, node, "a test", BLOCK_PERM_READ | BLOCK_PERM_WRITE,
                                        BLOCK_PERM_READ, &err));
        g_assert_cmpint(block_node_length(node), ==, round < 2 ? MIB : 2 * MIB);
        g_assert_cmpint(block_node_pread(node, 0, got, 2 * MIB), ==, 0);
        g_assert_cmpmem(got, 2 * MIB, want, 2 * MIB);
        memset(want, (int)round + 9, 50 * KIB);
        g_assert_cmpint(block_node_pwrite(node, 0, want, 50 * KIB), ==, 0);
        block_edge_detach(&edge);
    }
    image_close();
    image_assert_contents("q.qcow2", want, 2 * MIB, false);
}

/* A byte of the header, or of the tables, is anything: an error, or wrong data, and no more. */
static void test_hostile(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(3);
    g_autofree char *path = image_at("q.qcow2"), *image = NULL;
    g_autofree uint8_t *buf = g_malloc0(64 * KIB);
    unsigned opened = 0;
    size_t size;

    image_run(0, "qemu-img create -q -f qcow2 -o cluster_size=512 q.qcow2 256k");
    image_run(0, "qemu-io -f qcow2 -c \"write -P 5 0 128k\" q.qcow2 >/dev/null");
    g_assert_true(g_file_get_contents(path, &image, &size, NULL));
    for (unsigned i = 0; i < 800; i++) {
        g_autofree char *bad = g_memdup2(image, size);
        unsigned changes = (unsigned)g_rand_int_range(rand, 1, 4);

        for (unsigned n = 0; n < changes; n++) {
            size_t where =
                (size_t)g_rand_int_range(rand, 0, i % 2 ? 112 : (gint32)MIN(size, 8 * KIB));

            bad[where] = (char)(g_rand_boolean(rand) ? 0xff : g_rand_int(rand));
        }
        FILE *file = fopen(path, "wb"); /* GLib would wait for the disk each time */
        g_assert_nonnull(file);
        g_assert_cmpuint(fwrite(bad, 1, size, file), ==, size);
        fclose(file);
        BlockNode *node = image_open("q.qcow2", "", NULL);
        if (node) {
            opened++;
            for (unsigned n = 0; n < 8; n++) {
                block_node_pread(node, n * 32 * KIB, buf, 32 * KIB);
                block_node_pwrite(node, n * 20 * KIB, buf, 700);
            }
            block_node_write_zeroes(node, 0, 16 * KIB, BLOCK_UNMAP);
            block_node_discard(node, 64 * KIB, 64 * KIB, 0);
            image_close();
        }
    }
    g_assert_cmpuint(opened, >, 30);
}

static void test_refused(void)
{
    static const struct {
        const char *make, *options, *part;
    } cases[] = {
        { "truncate -s 1M q.qcow2", "", "no qcow2 image" },
        { "qemu-img create -q -f qcow2 -o extended_l2=on q.qcow2 1M", "", "features 0x10" },
        { "qemu-img create -q -f qcow2 q.qcow2 1M && printf \"\\\\002\" | "
          "dd of=q.qcow2 bs=1 seek=79 conv=notrunc",
          "", "corrupt" },
        { "qemu-img create -q -f qcow2 -u -b nothing.raw -F raw q.qcow2 1M", "", "nothing.raw" },
        { "qemu-img create -q -f qcow2 -u -b r.qcow2 -F qcow2 q.qcow2 1M && "
          "qemu-img create -q -f qcow2 -u -b q.qcow2 -F qcow2 r.qcow2 1M",
          "", "on top of each" },
        { "qemu-img create -q -f qcow2 -o compat=0.10 q.qcow2 1M", ",lazy-refcounts=on",
          "version 2" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) err = NULL;

        image_run(0, "rm -f q.qcow2 && %s", cases[i].make);
        g_assert_null(image_open("q.qcow2", cases[i].options, &err));
        g_assert_nonnull(strstr(err->message, cases[i].part));
    }
}

int main(int argc, char *argv[])
{
    if (!image_tests_begin(&argc, &argv)) {
        return 0;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(geometries); i++) {
        g_autofree char *name = g_strdup_printf("/qcow2/random/%s", geometries[i].name);

        g_test_add_data_func(name, &geometries[i], test_random);
    }
    g_test_add_func("/qcow2/all", test_all);
    g_test_add_func("/qcow2/grow", test_grow);
    g_test_add_func("/qcow2/dirty", test_dirty);
    g_test_add_func("/qcow2/lazy", test_lazy);
    g_test_add_func("/qcow2/idle", test_idle);
    g_test_add_func("/qcow2/hostile", test_hostile);
    g_test_add_func("/qcow2/refused", test_refused);
    return image_tests_run();
}
