/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Without libFuzzer: run a fuzz target over files, and say so in TAP. Each argument is a directory,
 * and a test; a comment before each input names it, so that the last one is what failed.
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static GPtrArray *list_directory(const char *path)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) err = NULL;
    g_autoptr(GDir) dir = g_dir_open(path, 0, &err);
    const char *name;

    if (!dir) {
        g_error("%s", err->message);
    }
    while ((name = g_dir_read_name(dir))) {
        g_ptr_array_add(names, g_strdup(name));
    }
    g_ptr_array_sort(names, by_name);
    return names;
}

/* The input is in a block of its own size, so that a sanitizer sees reads beyond it. */
static void run_file(const char *dir, const char *name)
{
    g_autofree char *path = g_build_filename(dir, name, NULL), *text = NULL;
    g_autofree uint8_t *data = NULL;
    g_autoptr(GError) err = NULL;
    gsize size;

    if (!g_file_get_contents(path, &text, &size, &err)) {
        g_error("%s", err->message);
    }
    printf("# %s\n", name);
    fflush(stdout);
    data = g_memdup2(text, size);
    LLVMFuzzerTestOneInput(data, size);
}

int main(int argc, char **argv)
{
    printf("1..%d\n", argc - 1);
    for (int i = 1; i < argc; i++) {
        g_autoptr(GPtrArray) names = list_directory(argv[i]);

        for (unsigned n = 0; n < names->len; n++) {
            run_file(argv[i], names->pdata[n]);
        }
        printf("%s %d %s: %u inputs\n", names->len ? "ok" : "not ok", i,
               strrchr(argv[i], '/') ? strrchr(argv[i], '/') + 1 : argv[i], names->len);
    }
    return 0;
}
