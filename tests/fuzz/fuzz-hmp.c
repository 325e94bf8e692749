/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: what a person types, line editing and all. */
#include <stdio.h>

#include <readline/history.h>

#include "monitor/monitor.h"
#include "tests/fuzz/fuzz.h"

const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

/* What readline 8.2 itself loses: records of changes in lines of the history. */
const char *__lsan_default_suppressions(void)
{
    return "leak:xmalloc\nleak:xrealloc\n";
}

const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}

static FuzzClient *start(void)
{
    FuzzClient *client;

    fuzz_machine();
    g_setenv("INPUTRC", "/dev/null", TRUE);
    client = fuzz_client_new("hmp");
    if (!monitor_new(fuzz_client_chardev(client), false, false, NULL)) {
        g_error("there is no HMP");
    }
    return client;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FuzzClient *client;

    if (!client) {
        client = start();
    }
    fuzz_input_begin();
    fuzz_client_reconnect(client);
    fuzz_client_send(client, data, size);
    fuzz_client_send(client, (const uint8_t *)"\n", 1);
    fuzz_input_end();
    clear_history(); /* which readline keeps from one session to the next */
    return 0;
}
