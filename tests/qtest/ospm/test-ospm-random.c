/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine and models of it go through thousands of random steps (random.h): DIMMs, NVDIMMs, CPUs
 * and virtio-mem come and go, also on the way to memory targets, with time-outs, cancellations,
 * resets, other programs that the machine moves to, power-offs, and a guest with good and bad
 * manners. After each step events, devices and their states must be as in the model; every now and
 * then also the object tree, the memory map, what AML gives, and what is in the memory. In the
 * second half of a run the program stays the same, and at the end nothing may have leaked.
 *
 * Environment: OSPM_RANDOM_SEED repeats a run (its seed is printed), OSPM_RANDOM_STEPS is its
 * length.
 */
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/qtest/ospm/random.h"
#include "util/units.h"

enum { STEPS = 2000, FULL_EVERY = 25, WARM_UP = 200 };
enum { MANY_STEPS = 100000 }; /* in so many each kind did something */
/* malloc() keeps some of what was freed; a step that leaks 8 bytes takes 8 MB in 10^6 steps. */
enum { SPARE_MAPPINGS = 4, SPARE_KIB = 3072 };
enum { MAX_MIB = 8192 };

static const RandomPart *const parts[] = { &random_machine, &random_dimms, &random_cpus,
                                           &random_nvdimms, &random_vmem,  &random_target };

/* ---- programs ---- */

void random_start(RandomTest *t, const char *incoming)
{
    g_autoptr(GString) line = g_string_new(NULL);

    g_string_printf(line,
                    "-M %s,nvdimm=on -m %uM,slots=%u,maxmem=%uM -numa node,mem=32M "
                    "-numa node,mem=32M -smp 1,maxcpus=%u,sockets=%u",
                    t->machine, RANDOM_BOOT_MIB, MODEL_SLOTS, (unsigned)MAX_MIB, RANDOM_CPUS,
                    RANDOM_CPUS);
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (parts[i]->options) {
            parts[i]->options(t, line);
        }
    }
    if (incoming) {
        g_string_append_printf(line, " -incoming file:%s", incoming);
    }
    t->qt = qtest_start("%s", line->str);
    if (incoming) {
        qtest_wait_running(t->qt);
    }
}

void random_booted(RandomTest *t, bool anew)
{
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (parts[i]->booted) {
            parts[i]->booted(t, anew);
        }
    }
}

void random_moved(RandomTest *t)
{
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (parts[i]->moved) {
            parts[i]->moved(t);
        }
    }
}

void random_power_on(RandomTest *t)
{
    t->model = t->cpus = (Model){ 0 };
    random_start(t, NULL);
    t->ospm = ospm_boot(t->qt);
    random_booted(t, true);
}

/* ---- what must hold ---- */

static void check(RandomTest *t)
{
    Model *m = &t->model, *c = &t->cpus;

    json_object_put(t->devices);
    t->devices = qtest_qmp(t->qt, "query-memory-devices", NULL);
    g_array_set_size(t->ranges, 0);
    t->peripherals = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (parts[i]->check) {
            parts[i]->check(t);
        }
    }
    if (json_object_array_length(t->devices) != t->ranges->len) {
        random_die(t, "%zu memory devices instead of %u", json_object_array_length(t->devices),
                   t->ranges->len);
    }
    /* All events that follow from the last command are here: it was answered by the same monitor.
     */
    random_check_count(t, "DEVICE_DELETED", 0);
    random_check_count(t, "DEVICE_UNPLUG_GUEST_ERROR", m->refusals + c->refusals);
    random_check_count(t, "ACPI_DEVICE_OST", m->osts + c->osts);
    m->refusals = m->osts = c->refusals = c->osts = 0;
    qtest_events_clear(t->qt);
}

static void check_tree(const RandomTest *t)
{
    g_autoptr(json_object) list = qtest_qmp(t->qt, "qom-list", "{'path': '/machine/peripheral'}");
    unsigned count = 0;

    for (size_t i = 0; i < json_object_array_length(list); i++) {
        json_object *item = json_object_array_get_idx(list, i);

        count += g_str_has_prefix(qtest_get_str(item, "type"), "child<");
    }
    if (count != t->peripherals) {
        random_die(t, "%u devices in the tree instead of %u", count, t->peripherals);
    }
}

static bool is_range(const RandomTest *t, uint64_t first, uint64_t last)
{
    for (unsigned i = 0; i < t->ranges->len; i++) {
        const RandomRange *r = &g_array_index(t->ranges, RandomRange, i);

        if (r->base == first && r->base + r->size - 1 == last) {
            return true;
        }
    }
    return false;
}

/* The ranges in the window are the memory devices, each once in either view: that of all, and that
 * of handlers of SMIs. */
static void check_map(const RandomTest *t)
{
    g_autofree char *text = qtest_hmp(t->qt, "info mtree -f");
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    unsigned count = 0, views = 0;

    for (char **line = lines; *line; line++) {
        uint64_t first, last;

        views +=
            g_str_has_prefix(*line, " AS \"memory\"") || g_str_has_prefix(*line, " AS \"cpu-smm\"");
        if (sscanf(*line, " %" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x", &first, &last) != 2 ||
            first < 4 * GIB || first >= 32 * GIB) {
            continue;
        }
        if (!is_range(t, first, last)) {
            random_die(t, "in the memory map: %s", *line);
        }
        count++;
    }
    if (views != 2 || count != views * t->ranges->len) {
        random_die(t, "%u ranges in %u memory maps, of %u memory devices", count, views,
                   t->ranges->len);
    }
}

static void check_all(RandomTest *t)
{
    t->ospm->manners = (OspmManners){ 0 };
    check_tree(t);
    check_map(t);
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (parts[i]->check_all) {
            parts[i]->check_all(t);
        }
    }
    check(t); /* to look changes states */
}

/* ---- leaks ---- */

typedef struct Usage {
    unsigned mappings, descriptors, kib;
} Usage;

static char *process_file(const RandomTest *t, const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)qtest_pid(t->qt), name);
    char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

/* Of memory that no file has, but for guest memory that has large pages: there the host puts a
 * large page in the place of small ones when it likes to. A sanitizer keeps what was freed, and has
 * memory of its own. */
static unsigned anonymous_kib(const RandomTest *t)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;
#else
    g_autofree char *maps = process_file(t, "smaps");
    g_auto(GStrv) lines = g_strsplit(maps, "\n", -1);
    unsigned total = 0, found = 0;

    for (char **line = lines; *line; line++) {
        if (g_str_has_prefix(*line, "Anonymous:")) {
            found = (unsigned)strtoul(*line + strlen("Anonymous:"), NULL, 10);
        } else if (g_str_has_prefix(*line, "VmFlags:") && !strstr(*line, " hg")) {
            total += found;
        }
    }
    g_assert_cmpuint(total, >, 0);
    return total;
#endif
}

/* AddressSanitizer's allocator (x86-64: 0x600000000000 to 0x640000000000) maps a part of its area
 * at the first use of each size, and keeps it: what leaks there, LeakSanitizer tells. */
static bool is_sanitizers(const char *line)
{
#ifdef __SANITIZE_ADDRESS__
    return g_ascii_strtoull(line, NULL, 16) >> 42 == 0x600000000000 >> 42;
#else
    (void)line;
    return false;
#endif
}

static unsigned count_mappings(const RandomTest *t)
{
    g_autofree char *maps = process_file(t, "maps");
    g_auto(GStrv) lines = g_strsplit(maps, "\n", -1);
    unsigned count = 0;

    for (char **line = lines; *line && **line; line++) {
        count += !is_sanitizers(*line);
    }
    return count;
}

/* Of the program when it has only what cannot be given back. */
static Usage usage_when_empty(RandomTest *t)
{
    g_autofree char *fds = g_strdup_printf("/proc/%d/fd", (int)qtest_pid(t->qt));
    g_autoptr(GDir) dir = NULL;
    Usage usage = { 0 };

    t->action = "empty";
    t->ospm->manners = (OspmManners){ 0 };
    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (parts[i]->empty) {
            parts[i]->empty(t);
            check(t);
        }
    }
    check_all(t);
    usage.mappings = count_mappings(t);
    dir = g_dir_open(fds, 0, NULL);
    while (g_dir_read_name(dir)) {
        usage.descriptors++;
    }
    usage.kib = anonymous_kib(t);
    return usage;
}

static void check_usage(const RandomTest *t, const Usage *before, const Usage *after)
{
    g_test_message("mappings %u -> %u, descriptors %u -> %u, KiB %u -> %u", before->mappings,
                   after->mappings, before->descriptors, after->descriptors, before->kib,
                   after->kib);
    if (after->mappings > before->mappings + SPARE_MAPPINGS ||
        after->descriptors > before->descriptors || after->kib > before->kib + SPARE_KIB) {
        random_die(t, "leaks: mappings %u -> %u, descriptors %u -> %u, KiB %u -> %u",
                   before->mappings, after->mappings, before->descriptors, after->descriptors,
                   before->kib, after->kib);
    }
}

/* ---- steps ---- */

typedef struct Choice {
    const RandomStep *step;
    unsigned count; /* how often it did something */
} Choice;

/* Every kind of step there is. */
static GArray *all_steps(unsigned *weights)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(Choice));

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        for (const RandomStep *step = parts[i]->steps; step->name; step++) {
            const Choice choice = { step, 0 };

            g_array_append_val(all, choice);
            *weights += step->weight;
        }
    }
    return all;
}

static void run_steps(RandomTest *t, GArray *all, unsigned weights, unsigned until)
{
    while (t->step < until) {
        unsigned n = random_pick(t, weights);
        Choice *choice = &g_array_index(all, Choice, 0);

        for (; n >= choice->step->weight; choice++) {
            n -= choice->step->weight;
        }
        t->action = choice->step->name;
        choice->count += choice->step->run(t);
        check(t);
        if (++t->step % FULL_EVERY == 0) {
            check_all(t);
        }
    }
}

static unsigned from_env(const char *name, unsigned otherwise)
{
    const char *text = g_getenv(name);

    return text ? (unsigned)strtoul(text, NULL, 0) : otherwise;
}

static void test_random(gconstpointer machine)
{
    const unsigned count = from_env("OSPM_RANDOM_STEPS", STEPS);
    const bool q35 = strcmp(machine, "q35") == 0;
    unsigned weights = 0;
    g_autoptr(GArray) all = all_steps(&weights);
    RandomTest t = {
        .action = "start",
        .machine = machine,
        .cpu_port = q35 ? 0xcd8 : 0xaf00,
        .seed = from_env("OSPM_RANDOM_SEED", g_random_int()),
        .folder = g_dir_make_tmp(NULL, NULL),
        .ranges = g_array_new(FALSE, FALSE, sizeof(RandomRange)),
        .vmem = random_vmem_new(),
    };
    Usage before, after;

    g_test_message("OSPM_RANDOM_SEED=%u, %u steps", t.seed, count);
    t.rand = g_rand_new_with_seed(t.seed);
    random_power_on(&t);
    run_steps(&t, all, weights, count / 2);
    t.stays = true;
    run_steps(&t, all, weights, count / 2 + WARM_UP);
    before = usage_when_empty(&t);
    run_steps(&t, all, weights, count);
    after = usage_when_empty(&t);
    check_usage(&t, &before, &after);
    for (unsigned i = 0; i < all->len; i++) {
        const Choice *choice = &g_array_index(all, Choice, i);

        g_test_message("%s: %u", choice->step->name, choice->count);
        g_assert_true(count < MANY_STEPS || choice->count > 0);
    }
    ospm_free(t.ospm);
    qtest_quit(t.qt);
    for (unsigned i = 0; i < RANDOM_NVDIMMS; i++) {
        g_autofree char *file = g_strdup_printf("%s/f%u", t.folder, t.nvdimms[i].serial);

        g_unlink(file);
    }
    g_assert_cmpint(g_rmdir(t.folder), ==, 0);
    g_free(t.folder);
    g_free(t.vmem);
    g_free(t.cpu_registers);
    g_array_unref(t.ranges);
    json_object_put(t.devices);
    g_rand_free(t.rand);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/ospm/random/pc", "pc", test_random);
    g_test_add_data_func("/ospm/random/q35", "q35", test_random);
    return g_test_run();
}
