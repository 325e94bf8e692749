/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host refuses one request to an image, or all from one on: each in turn, of a workload that
 * needs every kind of them. What failed is told, the rest goes on, and the image is not corrupt and
 * holds what it has to.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "block/node.h"
#include "tests/unit/image.h"
#include "util/units.h"

#define SIZE  (256 * KIB)
#define STEPS 8u

typedef struct Sweep {
    const char *name, *options; /* of qemu-img create */
    bool backing, snapshot;
} Sweep;

static const Sweep sweeps[] = {
    { "512", "cluster_size=512,refcount_bits=64", false, false },
    { "64k-backing", "cluster_size=64k", true, false },
    { "4k-snapshot", "cluster_size=4k", false, true },
    { "512-lazy", "cluster_size=512,lazy_refcounts=on", false, true },
    { "v2-backing", "cluster_size=4k,compat=0.10", true, false },
};

/* What each round begins with. */
typedef struct Start {
    char *image;
    size_t image_size;
    uint8_t *disk;
    ImageStep steps[STEPS];
} Start;

static void prepare(const Sweep *sweep, Start *start)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    g_autofree char *base = image_at("base.raw"), *path = image_at("q.qcow2");
    BlockNode *node;

    start->disk = g_malloc0(SIZE);
    if (sweep->backing) {
        for (size_t i = 0; i < SIZE; i++) {
            start->disk[i] = (uint8_t)(i >> 9 | 1);
        }
        g_assert_true(g_file_set_contents(base, (char *)start->disk, SIZE, NULL));
    }
    image_run(0, "qemu-img create -q -f qcow2 %s -o %s q.qcow2 %zu",
              sweep->backing ? "-b base.raw -F raw" : "", sweep->options, (size_t)SIZE);
    node = image_open("q.qcow2", "", NULL);
    memset(start->disk + 8 * KIB, 0x77, 24 * KIB);
    g_assert_cmpint(block_node_pwrite(node, 8 * KIB, start->disk + 8 * KIB, 24 * KIB), ==, 0);
    image_close();
    if (sweep->snapshot) {
        image_run(0, "qemu-img snapshot -c one q.qcow2");
    }
    g_assert_true(g_file_get_contents(path, &start->image, &start->image_size, NULL));
    for (unsigned i = 0; i < STEPS; i++) {
        start->steps[i] = image_step(rand, SIZE);
    }
    start->steps[0] = (ImageStep){ IMAGE_WRITE, 10 * KIB, 3000, 1, false }; /* what is there */
    start->steps[1] = (ImageStep){ IMAGE_DISCARD, 16 * KIB, 8 * KIB, 0, false };
    start->steps[2] = (ImageStep){ IMAGE_FLUSH, 0, 1, 0, false };
    start->steps[3] = (ImageStep){ .op = IMAGE_SNAPSHOT };
    start->steps[STEPS - 1] = (ImageStep){ .op = IMAGE_SNAPSHOT };
    for (unsigned i = 0; i < STEPS; i++) { /* version 2 has no mark for those that are half made */
        if (strstr(sweep->options, "0.10") && start->steps[i].op == IMAGE_SNAPSHOT) {
            start->steps[i].op = IMAGE_FLUSH;
        }
    }
}

static void put_image(const Start *start)
{
    g_autofree char *path = image_at("q.qcow2");
    FILE *file = fopen(path, "wb"); /* GLib would wait for the disk each time */

    g_assert_nonnull(file);
    g_assert_cmpuint(fwrite(start->image, 1, start->image_size, file), ==, start->image_size);
    fclose(file);
}

static void note_discard(const ImageStep *step, bool *discarded)
{
    if (image_step_writes(step)) {
        memset(discarded + step->offset, step->op == IMAGE_DISCARD, step->bytes);
    }
}

/* The workload; false: the trouble met nothing. */
static bool run_round(const Start *start, ImageTrouble *trouble)
{
    g_autofree uint8_t *want = g_memdup2(start->disk, SIZE), *got = g_malloc(SIZE);
    g_autofree bool *discarded = g_new0(bool, SIZE);
    const ImageStep *failed = NULL;
    unsigned failures = 0;
    BlockNode *node;
    GError *err = NULL;

    put_image(start);
    node = image_open("q.qcow2", "", &err);
    g_assert_no_error(err);
    image_trouble(node, trouble);
    for (unsigned i = 0; i < STEPS && !(failed && trouble->lasting); i++) {
        const ImageStep *step = &start->steps[i];
        int result = image_step_do(step, node);

        failed = result ? step : NULL;
        failures += !!result;
        if (!failed) {
            image_step_expect(step, want);
            note_discard(step, discarded);
        } else if (!trouble->lasting) { /* what there is, is what it is from then on */
            g_assert_cmpint(result, ==, trouble->error);
            g_assert_cmpint(block_node_pread(node, 0, got, SIZE), ==, 0);
            g_assert_true(image_matches(got, want, discarded, SIZE, step));
        }
    }
    image_close();
    image_check("q.qcow2");
    node = image_open("q.qcow2", "", &err);
    g_assert_no_error(err);
    g_assert_cmpint(block_node_pread(node, 0, got, SIZE), ==, 0);
    g_assert_true(image_matches(got, want, discarded, SIZE, failed));
    image_close();
    return failures || trouble->count >= trouble->at;
}

static void test_sweep(gconstpointer data)
{
    const Sweep *sweep = data;
    Start start;

    prepare(sweep, &start);
    for (unsigned lasting = 0; lasting < 2; lasting++) {
        for (unsigned at = 1;; at += lasting ? 4 : 1) {
            ImageTrouble trouble = { .at = at, .reads = true, .lasting = lasting, .error = ENOSPC };

            if (!run_round(&start, &trouble)) {
                g_test_message("%u requests", trouble.count);
                g_assert_cmpuint(at, >, STEPS);
                break;
            }
        }
    }
    g_free(start.image);
    g_free(start.disk);
}

int main(int argc, char *argv[])
{
    if (!image_tests_begin(&argc, &argv)) {
        return 0;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(sweeps); i++) {
        g_autofree char *name = g_strdup_printf("/qcow2/errors/%s", sweeps[i].name);

        g_test_add_data_func(name, &sweeps[i], test_sweep);
    }
    return image_tests_run();
}
