/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/char/isa-ports.h"

#include <inttypes.h>

#include "memory/address-space.h"
#include "memory/memory.h"
#include "util/error.h"

bool isa_ports_free(const char *property, uint32_t first, unsigned count, GError **errp)
{
    const FlatView *view = address_space_view(&address_space_io);

    for (uint32_t port = first; port < first + count; port++) {
        const FlatRange *range = flat_view_find(view, port);

        if (range) {
            error_set(errp, "port 0x%" PRIx32 " belongs to '%s' already%s%s%s", port,
                      range->mr->name, property ? "; set another '" : "", property ? property : "",
                      property ? "'" : "");
            return false;
        }
    }
    return true;
}
