/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that writes to an image is killed (SIGKILL), again and again: the image opens, is not
 * corrupt, and holds everything that was written before. QCOW2_KILLS=N in the environment: so often
 * (72). What is marked as dirty qemu-img can repair as well. Every other one dies at a request to
 * the file that was chosen, the rest at any moment.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/node.h"
#include "tests/unit/image.h"
#include "util/units.h"

#define SIZE      (1 * MIB + 512)
#define MAX_STEPS 400u

/* How the images are made; a new one after some deaths. */
static const char *const geometries[] = {
    "cluster_size=64k",
    "cluster_size=512,lazy_refcounts=on",
    "cluster_size=512",
    "cluster_size=16k,lazy_refcounts=on BACKING",
    "cluster_size=512,refcount_bits=64",
    "cluster_size=4k,compat=0.10",
    "cluster_size=4k,refcount_bits=1",
    "cluster_size=16k BACKING",
    "cluster_size=4k,compat=0.10 BACKING",
};
#define DEATHS_EACH 8u

/* What the child has done, for its parent. */
typedef struct Shared {
    unsigned done, flushed; /* steps; atomic: written by the child */
} Shared;

static void make_image(const char *geometry, uint8_t *want)
{
    bool backing = strstr(geometry, "BACKING");
    g_autofree char *options = g_strndup(geometry, strcspn(geometry, " ")),
                    *base = image_at("base.raw");

    memset(want, 0, SIZE);
    if (backing) {
        for (size_t i = 0; i < SIZE; i++) {
            want[i] = (uint8_t)(i >> 9 | 1);
        }
        g_assert_true(g_file_set_contents(base, (char *)want, SIZE, NULL));
    }
    image_run(0, "qemu-img create -q -f qcow2 %s -o %s q.qcow2 %zu",
              backing ? "-b base.raw -F raw" : "", options, (size_t)SIZE);
}

/* The child: write until it dies. */
static void write_and_die(const ImageStep *steps, unsigned at, Shared *shared)
{
    ImageTrouble trouble = { .at = at };
    BlockNode *node = image_open("q.qcow2", "", NULL);

    if (!node) {
        _exit(1);
    }
    image_trouble(node, &trouble);
    for (unsigned i = 0; i < MAX_STEPS; i++) {
        if (image_step_do(&steps[i], node)) {
            _exit(2);
        }
        __atomic_store_n(&shared->done, i + 1, __ATOMIC_RELEASE);
        if (steps[i].op == IMAGE_FLUSH) {
            __atomic_store_n(&shared->flushed, i + 1, __ATOMIC_RELEASE);
        }
    }
    raise(SIGKILL);
}

static void kill_once(const ImageStep *steps, GRand *rand, bool chosen, Shared *shared)
{
    unsigned at = chosen ? (unsigned)g_rand_int_range(rand, 1, 1200) : 0;
    unsigned after = (unsigned)g_rand_int_range(rand, 1, 100);
    unsigned pause = (unsigned)g_rand_int_range(rand, 0, 3000);
    int status;
    pid_t pid;

    memset(shared, 0, sizeof(*shared));
    pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        write_and_die(steps, at, shared);
    }
    while (!chosen && __atomic_load_n(&shared->done, __ATOMIC_ACQUIRE) < after &&
           waitpid(pid, &status, WNOHANG | WNOWAIT) == 0) {
        g_usleep(50);
    }
    if (!chosen) {
        g_usleep(pause);
        kill(pid, SIGKILL);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpint(WTERMSIG(status), ==, SIGKILL);
}

/* True: it was marked as dirty. */
static bool check_image(const ImageStep *steps, const Shared *shared, uint8_t *want, bool convert)
{
    g_autofree uint8_t *got = g_malloc(SIZE);
    g_autofree bool *discarded = g_new0(bool, SIZE);
    BlockNode *node;
    GError *err = NULL;
    bool dirty;

    for (unsigned i = 0; i < shared->done; i++) {
        image_step_expect(&steps[i], want);
        if (image_step_writes(&steps[i])) {
            memset(discarded + steps[i].offset, steps[i].op == IMAGE_DISCARD, steps[i].bytes);
        }
    }
    dirty = image_is_dirty("q.qcow2");
    if (dirty) { /* the same by another hand */
        image_run(0, "cp q.qcow2 r.qcow2 && qemu-img check -q -T unsafe -r all r.qcow2");
    }
    image_check("q.qcow2");
    node = image_open("q.qcow2", "", &err);
    g_assert_no_error(err);
    g_assert_cmpint(block_node_pread(node, 0, got, SIZE), ==, 0);
    g_assert_true(image_matches(got, want, discarded, SIZE,
                                shared->done < MAX_STEPS ? &steps[shared->done] : NULL));
    image_close();
    if (convert) {
        image_assert_contents("q.qcow2", want, SIZE, true);
    }
    if (dirty) {
        image_assert_contents("r.qcow2", want, SIZE, true);
    }
    return dirty;
}

static void test_kill(void)
{
    const char *text = g_getenv("QCOW2_KILLS");
    unsigned kills = text ? (unsigned)g_ascii_strtoull(text, NULL, 10) : 72, steps_done = 0,
             flushed = 0, dirty = 0;
    g_autoptr(GRand) rand = g_rand_new_with_seed(11);
    g_autofree uint8_t *want = g_malloc(SIZE);
    ImageStep steps[MAX_STEPS];
    Shared *shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    g_assert_true(shared != MAP_FAILED);
    for (unsigned i = 0; i < kills; i++) {
        if (i % DEATHS_EACH == 0) {
            make_image(geometries[i / DEATHS_EACH % G_N_ELEMENTS(geometries)], want);
        }
        bool old = strstr(geometries[i / DEATHS_EACH % G_N_ELEMENTS(geometries)], "0.10");
        for (unsigned n = 0; n < MAX_STEPS; n++) {
            steps[n] = image_step(rand, SIZE);
            if (old && steps[n].op == IMAGE_SNAPSHOT) {
                steps[n].op = IMAGE_FLUSH; /* there is no mark for those that are half made */
            }
        }
        kill_once(steps, rand, i % 2, shared);
        dirty += check_image(steps, shared, want, i % DEATHS_EACH == DEATHS_EACH - 1);
        steps_done += shared->done;
        flushed += shared->flushed;
    }
    g_test_message("%u deaths, %u operations done before them, %u of them flushed; %u dirty images",
                   kills, steps_done, flushed, dirty);
    g_assert_cmpuint(dirty, >, 0);
    munmap(shared, sizeof(*shared));
}

int main(int argc, char *argv[])
{
    if (!image_tests_begin(&argc, &argv)) {
        return 0;
    }
    g_test_add_func("/qcow2/kill", test_kill);
    return image_tests_run();
}
