/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much work one `device_add pc-dimm` is: the calls of functions from the dispatch of the
 * command to its return. A number of calls does not depend on how fast the host is.
 *
 * Everything but the engines is compiled for this program once more, with -finstrument-functions
 * and without optimisation, so that compilers agree on what a call is. `--verbose` prints which
 * functions they are of (addr2line -f -e PROGRAM OFFSET).
 */
#include <dlfcn.h>

#include "accel/choose.h"
#include "hw/core/machine.h"
#include "memory/memory.h"
#include "qapi/dispatch.h"
#include "tests/unit/qmp-client.h"
#include "util/main-loop.h"

/* The command took 2,054 when a DIMM was looked for in the whole tree of objects; now it is a third
 * of that. What handlers of SMIs see of memory is another view, which is made anew, too. */
#define VIEW_CALLS 144
#define MOST_CALLS (700 + VIEW_CALLS)
/* For each DIMM that is there already: a range of the memory map, one in the list. */
#define MOST_MORE 24

#define NO_INSTRUMENT __attribute__((no_instrument_function))

/* A command that is to be counted was dispatched in this thread, and has not returned. */
static __thread bool counting;
static _Atomic bool armed; /* set by the test, seen in that thread */
static unsigned calls, walks;
static void *called[1 << 16];

void __cyg_profile_func_enter(void *fn, void *caller);
void __cyg_profile_func_exit(void *fn, void *caller);

NO_INSTRUMENT void __cyg_profile_func_enter(void *fn, void *caller)
{
    counting |= armed && fn == (void *)qmp_dispatch;
    if (counting) {
        walks += fn == (void *)object_foreach;
        called[calls++ % G_N_ELEMENTS(called)] = fn;
    }
}

NO_INSTRUMENT void __cyg_profile_func_exit(void *fn, void *caller)
{
    counting &= fn != (void *)qmp_dispatch;
}

static int compare_pointers(const void *a, const void *b)
{
    void *const *x = a, *const *y = b;

    return *x < *y ? -1 : *x > *y;
}

static void print_calls(void)
{
    Dl_info info;

    qsort(called, calls, sizeof(called[0]), compare_pointers);
    for (unsigned i = 0, next; i < calls; i = next) {
        for (next = i; next < calls && called[next] == called[i]; next++) {
        }
        if (dladdr(called[i], &info)) {
            g_test_message("%5u 0x%zx %s", next - i, (char *)called[i] - (char *)info.dli_fbase,
                           info.dli_sname ? info.dli_sname : "");
        }
    }
}

static void machine_start(void)
{
    GError *err = NULL;
    const ObjectType *type = machine_type_find("pc", &err);

    g_assert_no_error(err);
    accel_choose("qtest", &err);
    g_assert_no_error(err);
    Machine *machine = machine_new(type, &err);
    g_assert_no_error(err);
    machine_parse_memory(machine, "128M,slots=16,maxmem=8G", &err);
    g_assert_no_error(err);
    machine_init(machine, &err);
    g_assert_no_error(err);
    machine->ready = true;
    machine_reset(machine);
}

/* The calls of the command @text, whose reply is {}. */
static unsigned count_command(Client *client, const char *text)
{
    calls = walks = 0;
    armed = true;
    client_send(client, text);
    armed = false;
    g_assert_cmpuint(calls, >, 0);
    g_assert_cmpuint(calls, <, G_N_ELEMENTS(called));
    if (g_test_verbose()) {
        print_calls();
    }
    g_test_message("%u calls, %u of object_foreach()", calls, walks);
    g_assert_nonnull(strstr(client->got->str, "{\"return\": {}}"));
    g_string_set_size(client->got, 0);
    return calls;
}

/* The calls of the device_add. */
static unsigned add_dimm(Client *client, unsigned number)
{
    g_autofree char *backend =
        g_strdup_printf("{\"execute\": \"object-add\", \"arguments\": {\"qom-type\": "
                        "\"memory-backend-ram\", \"id\": \"mem%u\", \"size\": 134217728}}\n",
                        number);
    g_autofree char *dimm =
        g_strdup_printf("{\"execute\": \"device_add\", \"arguments\": {\"driver\": "
                        "\"pc-dimm\", \"id\": \"dimm%u\", \"memdev\": \"mem%u\"}}\n",
                        number, number);

    count_command(client, backend);
    unsigned count = count_command(client, dimm);
    g_assert_cmpuint(walks, ==, 0);
    return count;
}

static void test_device_add(void)
{
    Client client = session_new(false);
    unsigned last;

    machine_start();
    negotiate(&client);
    last = add_dimm(&client, 0);
    g_assert_cmpuint(last, <=, MOST_CALLS);
    for (unsigned i = 1; i < 16; i++) {
        unsigned now = add_dimm(&client, i);

        g_assert_cmpuint(now, <=, last + MOST_MORE);
        last = now;
    }
    session_free(&client);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    memory_init();
    g_test_add_func("/plug-calls/device-add", test_device_add);
    return g_test_run();
}
