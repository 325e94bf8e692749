/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory backends: properties, files, refusals, and that a failure leaves nothing behind. */
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sys/syscall.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/host-memory-backend.h"
#include "backends/iothread.h"
#include "crypto/secret.h"
#include "backends/thread-context.h"
#include "qom/user-object.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/keyval.h"
#include "util/main-loop.h"
#include "util/task.h"
#include "util/units.h"

static char *dir; /* for files */

static Object *add(const char *type, const char *id, const char *text, GError **errp)
{
    struct json_object *props = keyval_parse(text, NULL, NULL);
    Object *obj = user_object_add(type, id, props, errp);

    json_object_put(props);
    return obj;
}

static HostMemoryBackend *add_ok(const char *type, const char *text)
{
    g_autoptr(GError) err = NULL;
    Object *obj = add(type, "mem0", text, &err);

    g_assert_no_error(err);
    g_assert_nonnull(obj);
    return MEMORY_BACKEND(obj);
}

static void del_ok(void)
{
    g_autoptr(GError) err = NULL;

    user_object_del("mem0", &err);
    g_assert_no_error(err);
    g_assert_null(object_resolve("/objects/mem0", NULL));
}

/* It fails, the message names @words (separated by '|'), and there is no object. */
static void assert_refused(const char *type, const char *text, const char *words)
{
    g_autoptr(GError) err = NULL;
    g_auto(GStrv) list = g_strsplit(words, "|", -1);

    g_assert_null(add(type, "mem0", text, &err));
    g_assert_nonnull(err);
    for (char **word = list; *word; word++) {
        if (!strstr(err->message, *word)) {
            g_test_message("'%s' is not in: %s", *word, err->message);
            g_test_fail();
        }
    }
    g_assert_null(object_resolve("/objects/mem0", NULL));
}

static char *file_path(const char *name)
{
    return g_build_filename(dir, name, NULL);
}

static void write_file(const char *path, size_t size)
{
    g_autofree char *data = g_malloc(size + 1);

    memset(data, 0x33, size);
    g_assert_true(g_file_set_contents(path, data, (gssize)size, NULL));
}

static int64_t file_size(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : -1;
}

static unsigned dir_entries(void)
{
    g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
    unsigned n = 0;

    while (g_dir_read_name(d)) {
        n++;
    }
    return n;
}

/* ---- ram ---- */

static void test_ram(void)
{
    HostMemoryBackend *backend = add_ok("memory-backend-ram", "size=4M");

    g_assert_cmpuint(backend->size, ==, 4 * MIB);
    g_assert_true(backend->merge && backend->dump && backend->reserve);
    g_assert_false(backend->share || backend->prealloc);
    g_assert_cmpstr(host_memory_backend_name(backend), ==, "mem0");
    g_assert_true(host_memory_backend_region(backend)->ram == backend->ram);
    g_assert_cmpuint(host_memory_backend_alignment(backend), ==, (uint64_t)sysconf(_SC_PAGESIZE));
    backend->ram->host[4 * MIB - 1] = 1;
    del_ok();
}

static void test_options(void)
{
    g_autoptr(GError) err = NULL;
    HostMemoryBackend *backend =
        add_ok("memory-ram", "size=1M,share=on,prealloc=yes,merge=off,dump=off");

    g_assert_true(object_is_a(OBJECT(backend), TYPE_MEMORY_BACKEND_RAM));
    g_assert_true(backend->share && backend->prealloc && backend->ram->shared);
    g_assert_false(backend->merge || backend->dump);
    /* What is made cannot be made otherwise. */
    g_assert_false(object_property_parse(OBJECT(backend), "size", "2M", &err));
    g_assert_nonnull(err);
    del_ok();
    backend = add_ok("memory-backend-ram", "size=1M,reserve=off");
    g_assert_false(backend->reserve);
    del_ok();
}

static void test_bad(void)
{
    assert_refused("memory-backend-ram", "share=on", "size|left out");
    assert_refused("memory-backend-ram", "size=0", "size|0");
    assert_refused("memory-backend-ram", "size=1000", "multiple");
    assert_refused("memory-backend-ram", "size=lots", "size");
    assert_refused("memory-backend-ram", "size=4194304T", "");
    assert_refused("memory-backend-ram", "size=1M,policy=best", "policy");
    assert_refused("memory-backend-ram", "size=1M,colour=red", "colour");
    assert_refused("memory-backend-ram", "size=1M,prealloc=on,reserve=off", "prealloc|reserve");
    assert_refused("memory-backend", "size=1M", "memory-backend");
    assert_refused("memory-backend-ram", "size=1M,host-nodes=0", "host-nodes|policy");
    assert_refused("memory-backend-ram", "size=1M,policy=bind", "bind|host-nodes");
    assert_refused("memory-backend-ram", "size=1M,policy=bind,host-nodes=3-1", "host-nodes");
    assert_refused("memory-backend-ram", "size=1M,policy=bind,host-nodes=x", "host-nodes|x");
    assert_refused("memory-backend-ram", "size=1M,policy=bind,host-nodes=99999", "host-nodes");
    /* "no node 1000", or no NUMA at all */
    assert_refused("memory-backend-ram", "size=1M,policy=bind,host-nodes=1000", "");
}

static void test_host_nodes_json(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(Object) obj = object_new("memory-backend-ram", &err);
    struct json_object *value = json_tokener_parse("[0, 2, \"4-6\"]");
    struct json_object *got;

    g_assert_true(object_property_set(obj, "host-nodes", value, &err));
    json_object_put(value);
    got = object_property_get(obj, "host-nodes", &err);
    g_assert_cmpstr(json_object_to_json_string_ext(got, JSON_C_TO_STRING_PLAIN), ==, "[0,2,4,5,6]");
    json_object_put(got);
    value = json_tokener_parse("[0, {}]");
    g_assert_false(object_property_set(obj, "host-nodes", value, &err));
    g_assert_nonnull(err);
    json_object_put(value);
}

/* Node 0 is there wherever there are nodes; a container may still forbid to bind to it. */
static void test_policy(void)
{
    static const char *const policies[] = { "bind", "preferred", "interleave" };

    for (unsigned i = 0; i < G_N_ELEMENTS(policies); i++) {
        g_autofree char *text =
            g_strdup_printf("size=1M,policy=%s,host-nodes=0,prealloc=on", policies[i]);
        g_autoptr(GError) err = NULL;
        Object *obj = add("memory-backend-ram", "mem0", text, &err);

        if (obj) {
            g_assert_cmpuint(MEMORY_BACKEND(obj)->host_nodes[0], ==, 1);
            del_ok();
        } else {
            g_test_message("policy %s: %s", policies[i], err->message);
            g_assert_nonnull(strstr(err->message, policies[i]));
        }
    }
}

static void test_in_use(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(Object) user = object_new("container", NULL);
    HostMemoryBackend *backend = add_ok("memory-backend-ram", "size=1M");

    g_assert_true(object_add_child(object_root(), "dimm7", user, NULL));
    host_memory_backend_set_mapped(backend, user);
    g_assert_false(user_object_del("mem0", &err));
    g_assert_nonnull(strstr(err->message, "mem0"));
    g_assert_nonnull(strstr(err->message, "dimm7"));
    host_memory_backend_set_mapped(backend, NULL);
    object_unparent(user);
    del_ok();
}

/* ---- memfd ---- */

static void test_memfd(void)
{
    HostMemoryBackend *backend = add_ok("memory-backend-memfd", "size=2M");

    g_assert_true(backend->share);
    g_assert_cmpint(backend->ram->fd, >=, 0);
    g_assert_cmpint(fcntl(backend->ram->fd, F_GET_SEALS) & F_SEAL_GROW, ==, F_SEAL_GROW);
    backend->ram->host[MIB] = 1;
    del_ok();
    backend = add_ok("memory-backend-memfd", "size=2M,seal=off,share=off");
    g_assert_cmpint(fcntl(backend->ram->fd, F_GET_SEALS) & F_SEAL_GROW, ==, 0);
    del_ok();
    assert_refused("memory-backend-memfd", "size=2M,hugetlbsize=2M", "hugetlbsize|hugetlb=on");
    assert_refused("memory-backend-memfd", "size=2M,hugetlb=on,hugetlbsize=3M", "power of 2");
    assert_refused("memory-backend-memfd", "size=2M,hugetlb=on,hugetlbsize=8k", "hugetlb");
    assert_refused("memory-backend-memfd", "size=0", "size");
}

/* ---- file ---- */

static void test_file_new(void)
{
    g_autofree char *path = file_path("new");
    g_autofree char *text = g_strdup_printf("size=1M,mem-path=%s,share=on", path);
    g_autofree char *contents = NULL;
    HostMemoryBackend *backend = add_ok("memory-backend-file", text);
    size_t len;

    g_assert_cmpint(file_size(path), ==, MIB);
    backend->ram->host[12345] = 'x';
    del_ok();
    g_assert_true(g_file_get_contents(path, &contents, &len, NULL));
    g_assert_cmpint(contents[12345], ==, 'x');
    /* It is there now, large enough: used again, contents and all. */
    backend = add_ok("memory-backend-file", text);
    g_assert_cmpint(backend->ram->host[12345], ==, 'x');
    del_ok();
    g_unlink(path);
}

static void test_file_private(void)
{
    g_autofree char *path = file_path("private");
    g_autofree char *text = g_strdup_printf("size=8k,mem-path=%s", path);
    g_autofree char *contents = NULL;
    HostMemoryBackend *backend;

    write_file(path, 16384);
    backend = add_ok("memory-backend-file", text);
    g_assert_cmpint(backend->ram->host[0], ==, 0x33);
    backend->ram->host[0] = 'x';
    del_ok();
    g_assert_true(g_file_get_contents(path, &contents, NULL, NULL));
    g_assert_cmpint(contents[0], ==, 0x33);
    g_assert_cmpint(file_size(path), ==, 16384);
    g_unlink(path);
}

static void test_file_directory(void)
{
    g_autofree char *text = g_strdup_printf("size=1M,mem-path=%s,share=on", dir);
    HostMemoryBackend *backend = add_ok("memory-backend-file", text);

    g_assert_cmpuint(dir_entries(), ==, 0);
    backend->ram->host[0] = 1;
    del_ok();
}

static void test_file_discard(void)
{
    g_autofree char *path = file_path("discard");
    g_autofree char *text = g_strdup_printf("size=64k,mem-path=%s,share=on,discard-data=on", path);
    g_autofree char *contents = NULL;
    HostMemoryBackend *backend = add_ok("memory-backend-file", text);

    backend->ram->host[100] = 'x';
    del_ok();
    g_assert_cmpint(file_size(path), ==, 65536);
    g_assert_true(g_file_get_contents(path, &contents, NULL, NULL));
    g_assert_cmpint(contents[100], ==, 0);
    g_unlink(path);
}

static void test_file_readonly(void)
{
    g_autofree char *path = file_path("readonly");
    g_autofree char *text = g_strdup_printf("size=8k,mem-path=%s,readonly=on,share=on", path);
    HostMemoryBackend *backend;

    assert_refused("memory-backend-file", text, "readonly");
    g_assert_cmpint(file_size(path), ==, -1);
    write_file(path, 8192);
    g_chmod(path, 0400);
    backend = add_ok("memory-backend-file", text);
    g_assert_true(host_memory_backend_region(backend)->readonly);
    g_assert_cmpint(backend->ram->host[0], ==, 0x33);
    del_ok();
    g_unlink(path);
}

static void test_file_align(void)
{
    g_autofree char *text = g_strdup_printf("size=8k,mem-path=%s,align=4M", dir);
    g_autofree char *odd = g_strdup_printf("size=8k,mem-path=%s,align=3M", dir);
    HostMemoryBackend *backend = add_ok("memory-backend-file", text);

    g_assert_cmpuint((uintptr_t)backend->ram->host % (4 * MIB), ==, 0);
    del_ok();
    assert_refused("memory-backend-file", odd, "power of 2");
}

static void test_file_bad(void)
{
    g_autofree char *small = file_path("small");
    g_autofree char *empty = file_path("empty");
    g_autofree char *small_text = g_strdup_printf("size=8k,mem-path=%s", small);
    g_autofree char *new_text = g_strdup_printf("size=8k,mem-path=%s/new,align=3M", dir);
    g_autofree char *bound_text = g_strdup_printf("size=1001,mem-path=%s/new", dir);
    g_autofree char *empty_text = g_strdup_printf("size=8k,mem-path=%s,align=3M", empty);

    assert_refused("memory-backend-file", "size=8k", "mem-path|missing");
    assert_refused("memory-backend-file", "size=8k,mem-path=/nonexistent/a/b", "/nonexistent/a/b");
    write_file(small, 5000);
    assert_refused("memory-backend-file", small_text, "small|0x1388|0x2000");
    g_assert_cmpint(file_size(small), ==, 5000);
    g_unlink(small);
    /* What was made or extended for nothing is undone. */
    assert_refused("memory-backend-file", new_text, "power of 2");
    assert_refused("memory-backend-file", bound_text, "multiple");
    g_assert_cmpuint(dir_entries(), ==, 0);
    write_file(empty, 0);
    assert_refused("memory-backend-file", empty_text, "power of 2");
    g_assert_cmpint(file_size(empty), ==, 0);
    g_unlink(empty);
}

/* Huge pages need not be there for a file of no size. */
static void test_file_huge(void)
{
    int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
    g_autofree char *text = NULL;
    struct stat st;

    if (fd < 0) {
        g_test_skip("the host has no huge pages");
        return;
    }
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    text = g_strdup_printf("size=1M,mem-path=/proc/self/fd/%d", fd);
    assert_refused("memory-backend-file", text, "multiple|0x100000");
    {
        g_autofree char *page = g_strdup_printf("multiple|0x%x", (unsigned)st.st_blksize);

        assert_refused("memory-backend-file", text, page);
    }
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 0);
    close(fd);
}

/* ---- threads that preallocate ---- */

static bool set_text(const char *prop, const char *text, GError **errp)
{
    return object_property_parse(object_resolve("/objects/mem0", NULL), prop, text, errp);
}

static void test_prealloc_threads(void)
{
    g_autoptr(GError) err = NULL;
    HostMemoryBackend *backend = add_ok("memory-backend-ram", "size=4M,prealloc-threads=3");

    g_assert_cmpuint(backend->prealloc_threads, ==, 3);
    g_assert_true(set_text("prealloc-threads", "2", &err));
    g_assert_false(set_text("prealloc-threads", "0", &err));
    g_assert_nonnull(strstr(err->message, "1 or more"));
    del_ok();
    assert_refused("memory-backend-ram", "size=4M,prealloc=on,prealloc-threads=0", "1 or more");
    assert_refused("memory-backend-ram", "size=4M,prealloc-threads=4294967296", "threads");
    assert_refused("memory-backend-ram", "size=4M,prealloc-context=nosuch",
                   "nosuch|thread-context");
}

static unsigned ended;

static void count_end(void *opaque)
{
    ended++;
}

static void add_and_delete(void *opaque)
{
    add_ok("memory-backend-ram", "size=1M,prealloc=on");
    del_ok();
}

static void add_interrupted(void *opaque)
{
    interrupt_raise();
    assert_refused("memory-backend-ram", "size=1M,prealloc=on", "mem0|interrupted");
    interrupt_clear();
}

/* In a task the main loop goes on meanwhile; failures are told as ever. */
static void test_prealloc_task(void)
{
    void (*const tasks[])(void *) = { add_and_delete, add_interrupted };

    for (unsigned i = 0; i < G_N_ELEMENTS(tasks); i++) {
        g_assert_false(task_run(tasks[i], count_end, NULL));
        g_assert_cmpuint(ended, ==, i);
        while (task_pending()) {
            main_loop_iterate(true);
        }
        g_assert_cmpuint(ended, ==, i + 1);
    }
}

static unsigned resident_pages(const HostMemoryBackend *backend)
{
    unsigned char present[1024] = { 0 };
    unsigned n = 0;

    g_assert_cmpuint(backend->size / 4096, <=, sizeof(present));
    g_assert_cmpint(mincore(backend->ram->host, backend->size, present), ==, 0);
    for (unsigned i = 0; i < backend->size / 4096; i++) {
        n += present[i] & 1;
    }
    return n;
}

/* What may be set while the memory is in use has its effect then. */
static void test_live(void)
{
    g_autoptr(GError) err = NULL;
    HostMemoryBackend *backend = add_ok("memory-backend-ram", "size=1M");

    g_assert_true(set_text("merge", "off", &err) && set_text("dump", "off", &err));
    g_assert_false(backend->merge || backend->dump);
    g_assert_true(set_text("merge", "on", &err) && set_text("dump", "on", &err));
    g_assert_true(backend->merge && backend->dump);
    g_assert_cmpuint(resident_pages(backend), <, 256);
    g_assert_true(set_text("prealloc", "on", &err));
    g_assert_cmpuint(resident_pages(backend), ==, 256);
    g_assert_true(set_text("prealloc", "off", &err)); /* too late */
    g_assert_true(backend->prealloc);
    g_assert_false(set_text("share", "on", &err));
    g_assert_nonnull(strstr(err->message, "share"));
    g_clear_error(&err);
    del_ok();
    add_ok("memory-backend-ram", "size=1M,reserve=off");
    g_assert_false(set_text("prealloc", "on", &err));
    g_assert_nonnull(strstr(err->message, "reserve"));
    del_ok();
}

static const char *cpus_of(const char *id)
{
    static char *text;
    g_autofree char *path = g_strdup_printf("/objects/%s", id);
    struct json_object *list =
        object_property_get(object_resolve(path, NULL), "cpu-affinity", NULL);

    g_free(text);
    text = g_strdup(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN));
    json_object_put(list);
    return text;
}

static gpointer tell_cpus(gpointer opaque)
{
    sched_getaffinity(0, sizeof(cpu_set_t), opaque);
    return NULL;
}

/* The first CPU that we may run on. */
static unsigned some_cpu(void)
{
    unsigned cpu = 0;
    cpu_set_t set;

    sched_getaffinity(0, sizeof(set), &set);
    while (!CPU_ISSET(cpu, &set)) {
        cpu++;
    }
    return cpu;
}

static void test_thread_context(void)
{
    g_autofree char *text = g_strdup_printf("cpu-affinity=%u", some_cpu());
    g_autofree char *list = g_strdup_printf("[%u]", some_cpu());
    g_autoptr(GError) err = NULL;
    Object *context = add("thread-context", "tc0", text, &err);
    struct json_object *id;
    GThread *thread;
    cpu_set_t set;

    g_assert_no_error(err);
    g_assert_cmpstr(cpus_of("tc0"), ==, list);
    id = object_property_get(context, "thread-id", &err);
    g_assert_cmpint(sched_getaffinity(json_object_get_int(id), sizeof(set), &set), ==, 0);
    g_assert_cmpint(CPU_COUNT(&set), ==, 1);
    json_object_put(id);
    thread = thread_context_spawn(context, tell_cpus, &set, &err);
    g_assert_nonnull(thread);
    g_thread_join(thread);
    g_assert_cmpint(CPU_COUNT(&set), ==, 1);
    g_assert_true(CPU_ISSET(some_cpu(), &set));
    /* A backend has it as long as it needs it, also when users have deleted it. */
    g_assert_nonnull(add("memory-backend-ram", "mem0",
                         "size=1M,prealloc=on,prealloc-threads=2,prealloc-context=tc0", &err));
    g_assert_cmpuint(resident_pages(MEMORY_BACKEND(object_resolve("/objects/mem0", NULL))), ==,
                     256);
    g_assert_true(user_object_del("tc0", &err));
    g_assert_no_error(err);
    g_assert_null(object_resolve("/objects/tc0", NULL));
    id = object_property_get(object_resolve("/objects/mem0", NULL), "prealloc-context", &err);
    g_assert_no_error(err);
    g_assert_cmpstr(json_object_get_string(id), ==, "");
    json_object_put(id);
    del_ok();
}

/* All CPUs of node 0; and what may be changed later. */
static void test_thread_context_nodes(void)
{
    g_autofree char *one = g_strdup_printf("%u", some_cpu());
    g_autofree char *list = g_strdup_printf("[%u]", some_cpu());
    g_autoptr(GError) err = NULL;
    Object *context = add("thread-context", "tc0", "node-affinity=0", &err);

    if (!context) {
        g_test_message("%s", err->message);
        g_assert_nonnull(strstr(err->message, "node"));
        g_test_skip("the host has no NUMA support");
        return;
    }
    {
        struct json_object *bad = json_tokener_parse("[0, {}]");

        g_assert_false(object_property_set(context, "cpu-affinity", bad, &err));
        g_assert_nonnull(strstr(err->message, "list of numbers"));
        g_clear_error(&err);
        json_object_put(bad);
    }
    g_assert_true(object_property_parse(context, "cpu-affinity", one, &err));
    g_assert_cmpstr(cpus_of("tc0"), ==, list);
    g_assert_null(object_property_get(context, "node-affinity", &err));
    g_clear_error(&err);
    g_assert_true(user_object_del("tc0", &err));
}

static void test_thread_context_bad(void)
{
    assert_refused("thread-context", "cpu-affinity=0,node-affinity=0", "exclude");
    assert_refused("thread-context", "cpu-affinity=0,cpu-affinity=9999", "9999|lower");
    assert_refused("thread-context", "cpu-affinity=", "cpu-affinity=|is not right");
    assert_refused("thread-context", "cpu-affinity=3-1", "3-1|lower");
    assert_refused("thread-context", "cpu-affinity=0-99999", "99999|1023");
    assert_refused("thread-context", "cpu-affinity=one", "one|range");
    assert_refused("thread-context", "cpu-affinity=1000", "cannot choose|host has");
    assert_refused("thread-context", "node-affinity=900", "node-affinity");
    assert_refused("thread-context", "thread-id=3", "thread-id|read-only");
}

/* ---- names ---- */

static void test_name(void)
{
    HostMemoryBackend *backend = add_ok("memory-backend-ram", "size=1M");

    g_assert_cmpstr(backend->ram->name, ==, "mem0");
    del_ok();
    backend = add_ok("memory-backend-ram", "size=1M,x-use-canonical-path-for-ramblock-id=on");
    g_assert_cmpstr(backend->ram->name, ==, "/objects/mem0");
    g_assert_cmpstr(host_memory_backend_name(backend), ==, "mem0");
    del_ok();
}

/* ---- persistent memory ---- */

static void collect(void *opaque, const char *text)
{
    g_string_append(opaque, text);
}

static void test_pmem(void)
{
    g_autofree char *shared = g_strdup_printf("size=8k,mem-path=%s/pmem,pmem=on,share=on", dir);
    g_autofree char *private = g_strdup_printf("size=8k,mem-path=%s/pmem,pmem=on", dir);
    g_autofree char *path = file_path("pmem");
    g_autoptr(GString) text = g_string_new(NULL);

    error_redirect(collect, text);
    add_ok("memory-backend-file", shared);
    g_assert_nonnull(strstr(text->str, "not in persistent memory"));
    del_ok();
    g_string_set_size(text, 0);
    add_ok("memory-backend-file", private);
    g_assert_nonnull(strstr(text->str, "share=on"));
    error_redirect(NULL, NULL);
    del_ok();
    g_unlink(path);
}

/* ---- secrets ---- */

/* `openssl enc -aes-256-cbc` of "open sesame" and of 32 bytes "k", with 32 bytes 0x61 as the key
 * and 16 bytes 0x62 as the initial vector. */
#define KEY        "data=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define IV         "iv=YmJiYmJiYmJiYmJiYmJiYg=="
#define ENCRYPTED  "2VWXLLYNwHC93ZBG0NlwaQ=="
#define ENCRYPTED2 "fYYYPHS3obl7xY7rwOJJURhaYYeOEqu8X59XwxTQxIdbYckYQX0hujVSW5r3B882"

static void assert_secret(const char *id, const char *expected)
{
    g_autoptr(GError) err = NULL;
    size_t size = 0;
    const uint8_t *bytes = secret_lookup(id, &size, &err);

    g_assert_no_error(err);
    g_assert_cmpmem(bytes, size, expected, strlen(expected));
}

/* A key in the keyring of this process; where the host lets nobody have one there is nothing to
 * see. */
static void test_secret_keyring(void)
{
    long serial = syscall(SYS_add_key, "user", "dimmable-test", "b3BlbiBzZXNhbWU=", 16,
                          KEY_SPEC_PROCESS_KEYRING);
    GError *err = NULL;

    if (serial < 0) {
        g_test_skip("no keyring");
        return;
    }
    g_autofree char *raw = g_strdup_printf("serial=%d", (int)serial);
    g_autofree char *encoded = g_strdup_printf("serial=%d,format=base64", (int)serial);
    g_assert_nonnull(add("secret_keyring", "mem0", raw, &err));
    assert_secret("mem0", "b3BlbiBzZXNhbWU=");
    del_ok();
    g_assert_nonnull(add("secret_keyring", "mem0", encoded, &err));
    assert_secret("mem0", "open sesame");
    del_ok();
    syscall(SYS_keyctl, KEYCTL_REVOKE, serial);
    assert_refused("secret_keyring", raw, "serial=|cannot be read");
    assert_refused("secret_keyring", "format=raw", "serial= is missing");
}

static void test_secret_encrypted(void)
{
    g_autofree char *path = file_path("encrypted");
    g_autofree char *raw = g_strdup_printf("keyid=key0," IV ",format=raw,file=%s", path);
    g_autoptr(GError) err = NULL;
    g_autofree guchar *bytes = NULL;
    struct json_object *loaded;
    size_t size;
    Object *secret;

    g_assert_nonnull(add("secret", "key0", KEY, &err));
    secret = add("secret", "mem0", "keyid=key0," IV ",format=base64,data=" ENCRYPTED, &err);
    g_assert_no_error(err);
    assert_secret("mem0", "open sesame");
    loaded = object_property_get(secret, "loaded", &err);
    g_assert_true(json_object_get_boolean(loaded));
    json_object_put(loaded);
    del_ok();
    bytes = g_base64_decode(ENCRYPTED2, &size);
    g_assert_true(g_file_set_contents(path, (char *)bytes, (gssize)size, NULL));
    g_assert_nonnull(add("secret", "mem0", raw, &err));
    assert_secret("mem0", "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk");
    del_ok();
    assert_refused("secret", "keyid=key0," IV ",format=base64,data=AAAA", "3 bytes|16");
    assert_refused("secret", "keyid=key0," IV ",data=", "0 bytes|16");
    assert_refused("secret", "keyid=mem0," IV ",format=base64,data=" ENCRYPTED, "not there yet");
    assert_refused("secret", "keyid=key0,data=abc", "iv");
    assert_refused("secret", "keyid=nosuch," IV ",data=abc", "nosuch");
    assert_refused("secret", "keyid=key0,iv=AAAA,data=abc", "iv has 3 bytes|16");
    assert_refused("secret", "keyid=key0,iv=A*,data=abc", "iv|base64");
    assert_refused("secret", "data=abc,loaded=off", "loaded|read-only");
    g_assert_true(user_object_del("key0", &err));
    g_assert_nonnull(add("secret", "key0", "data=bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", &err));
    assert_refused("secret", "keyid=key0," IV ",format=base64,data=" ENCRYPTED, "another key");
    g_assert_true(user_object_del("key0", &err));
    g_assert_nonnull(add("secret", "key0", "data=short", &err));
    assert_refused("secret", "keyid=key0," IV ",format=base64,data=" ENCRYPTED, "5 bytes|32");
    g_assert_true(user_object_del("key0", &err));
    g_unlink(path);
}

static void test_secret(void)
{
    g_autofree char *path = file_path("secret");
    g_autofree char *text = g_strdup_printf("file=%s,format=base64", path);
    g_autoptr(GError) err = NULL;

    g_assert_nonnull(add("secret", "mem0", "data=open sesame", &err));
    g_assert_null(object_property_get(object_resolve("/objects/mem0", NULL), "data", &err));
    g_assert_nonnull(strstr(err->message, "not shown"));
    g_clear_error(&err);
    del_ok();
    g_assert_true(g_file_set_contents(path, "b3BlbiBzZXNhbWU=\n", -1, NULL));
    g_assert_nonnull(add("secret", "mem0", text, &err));
    del_ok();
    assert_refused("secret", "format=raw", "data=|file=");
    assert_refused("secret", "data=a,file=b", "only one");
    assert_refused("secret", "file=/nonexistent/x", "/nonexistent/x");
    assert_refused("secret", "data=abc,format=base64", "base64");
    assert_refused("secret", "data=ab*=,format=base64", "base64");
    assert_refused("secret", "data=abc,format=rot13", "rot13");
    g_unlink(path);
}

/* ---- iothread ---- */

static int64_t iothread_get(const char *name)
{
    struct json_object *value =
        object_property_get(object_child(object_container("/objects"), "mem0"), name, NULL);
    int64_t number = json_object_get_int64(value);

    json_object_put(value);
    return number;
}

static void test_iothread(void)
{
    g_autoptr(GError) err = NULL;
    Object *obj = add("iothread", "mem0", "poll-max-ns=7,thread-pool-min=64", &err);

    g_assert_no_error(err);
    g_assert_cmpint(loop_thread_id(iothread_loop(IOTHREAD(obj))), !=, gettid());
    g_assert_cmpint(iothread_get("poll-max-ns"), ==, 7);
    g_assert_cmpint(iothread_get("thread-pool-max"), ==, 64);
    g_assert_true(set_text("poll-grow", "3", &err));
    g_assert_cmpint(iothread_get("poll-grow"), ==, 3);
    g_assert_false(set_text("poll-shrink", "-3", &err));
    g_assert_cmpstr(err->message, ==, "poll-shrink must be 0 or more, not -3");
    g_clear_error(&err);
    g_assert_false(set_text("thread-pool-max", "63", &err));
    g_assert_nonnull(strstr(err->message, "they are 63 and 64"));
    g_clear_error(&err);
    g_assert_cmpint(iothread_get("thread-pool-max"), ==, 64);
    /* While somebody uses it, it stays. */
    object_ref(obj);
    g_assert_false(user_object_del("mem0", &err));
    g_assert_nonnull(strstr(err->message, "in use"));
    object_unref(obj);
    del_ok();
    assert_refused("iothread", "thread-pool-max=0", "1 or more");
    assert_refused("iothread", "thread-pool-min=65", "64 and 65");
    assert_refused("iothread", "aio-max-batch=-1", "0 or more");
    assert_refused("iothread", "poll-max-ns=9223372036854775808", "poll-max-ns");
}

int main(int argc, char **argv)
{
    int ret;

    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    dir = g_dir_make_tmp("test-backend-XXXXXX", NULL);
    g_assert_nonnull(dir);
    g_test_add_func("/backend/ram", test_ram);
    g_test_add_func("/backend/options", test_options);
    g_test_add_func("/backend/bad", test_bad);
    g_test_add_func("/backend/host-nodes-json", test_host_nodes_json);
    g_test_add_func("/backend/policy", test_policy);
    g_test_add_func("/backend/in-use", test_in_use);
    g_test_add_func("/backend/memfd", test_memfd);
    g_test_add_func("/backend/file/new", test_file_new);
    g_test_add_func("/backend/file/private", test_file_private);
    g_test_add_func("/backend/file/directory", test_file_directory);
    g_test_add_func("/backend/file/discard", test_file_discard);
    g_test_add_func("/backend/file/readonly", test_file_readonly);
    g_test_add_func("/backend/file/align", test_file_align);
    g_test_add_func("/backend/prealloc-threads", test_prealloc_threads);
    g_test_add_func("/backend/prealloc-task", test_prealloc_task);
    g_test_add_func("/backend/live", test_live);
    g_test_add_func("/backend/thread-context", test_thread_context);
    g_test_add_func("/backend/thread-context/nodes", test_thread_context_nodes);
    g_test_add_func("/backend/thread-context/bad", test_thread_context_bad);
    g_test_add_func("/backend/name", test_name);
    g_test_add_func("/backend/pmem", test_pmem);
    g_test_add_func("/backend/secret", test_secret);
    g_test_add_func("/backend/secret/encrypted", test_secret_encrypted);
    g_test_add_func("/backend/secret/keyring", test_secret_keyring);
    g_test_add_func("/backend/file/bad", test_file_bad);
    g_test_add_func("/backend/file/huge", test_file_huge);
    g_test_add_func("/backend/iothread", test_iothread);
    ret = g_test_run();
    g_rmdir(dir);
    g_free(dir);
    return ret;
}
