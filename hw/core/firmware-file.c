/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/firmware-file.h"

#include "util/error.h"

static const char *const usual_dirs[] = { "/usr/share/seabios", "/usr/share/qemu",
                                          "/usr/share/ovmf", "/usr/share/OVMF",
                                          "/usr/lib/ipxe/qemu" };
static GPtrArray *added_dirs; /* of char * */

void firmware_file_add_dir(const char *dir)
{
    if (!added_dirs) {
        added_dirs = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(added_dirs, g_strdup(dir));
}

/* Every place, in order; free the array only. */
static GPtrArray *all_dirs(void)
{
    GPtrArray *dirs = g_ptr_array_new();

    for (unsigned i = 0; added_dirs && i < added_dirs->len; i++) {
        g_ptr_array_add(dirs, added_dirs->pdata[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(usual_dirs); i++) {
        g_ptr_array_add(dirs, (gpointer)usual_dirs[i]);
    }
    return dirs;
}

char *firmware_file_dirs_text(void)
{
    g_autoptr(GPtrArray) dirs = all_dirs();
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < dirs->len; i++) {
        g_string_append_printf(text, "%s\n", (const char *)dirs->pdata[i]);
    }
    return g_string_free(text, FALSE);
}

char *firmware_file_find(const char *name, GError **errp)
{
    g_autoptr(GPtrArray) dirs = all_dirs();
    g_autoptr(GString) places = g_string_new(NULL);

    if (g_file_test(name, G_FILE_TEST_EXISTS)) {
        return g_strdup(name);
    }
    for (unsigned i = 0; i < dirs->len; i++) {
        g_autofree char *path = g_build_filename(dirs->pdata[i], name, NULL);

        if (g_file_test(path, G_FILE_TEST_EXISTS)) {
            return g_steal_pointer(&path);
        }
        g_string_append_printf(places, "%s%s", i ? ", " : "", (const char *)dirs->pdata[i]);
    }
    error_set(
        errp,
        "there is no firmware file '%s', neither as it is nor in %s; -L DIR adds a place, and "
        "Debian's packages seabios, ovmf and ipxe-qemu have firmware",
        name, places->str);
    return NULL;
}
