/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/loaded-libraries.h"

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif

#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#include <dlfcn.h>
#include <glib.h>
#include <link.h>

static int add_name(struct dl_phdr_info *info, size_t size, void *names)
{
    g_ptr_array_add(names, g_strdup(info->dlpi_name));
    return 0;
}

void loaded_libraries_keep(void)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    dl_iterate_phdr(add_name, names);
    for (unsigned i = 0; i < names->len; i++) {
        void *library = dlopen(names->pdata[i], RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);

        if (library) {
            dlclose(library);
        }
    }
}
#else
void loaded_libraries_keep(void)
{
}
#endif
