/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/lazy-memory.h"

#include <glib.h>
#include <sys/mman.h>

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif
/* The leak checker looks for pointers in what malloc() gave, and where it is told to. */
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_register_root_region(memory, size)
#define __lsan_unregister_root_region(memory, size)
#endif

void *lazy_memory_new(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        g_error("no memory for %zu bytes", size);
    }
    __lsan_register_root_region(memory, size);
    return memory;
}

void lazy_memory_free(void *memory, size_t size)
{
    if (!memory) {
        return;
    }
    __lsan_unregister_root_region(memory, size);
    munmap(memory, size);
}
