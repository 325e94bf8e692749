/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/char/isa-ports.h"

#include <inttypes.h>

#include "memory/address-space.h"
#include "memory/memory.h"
#include "util/error.h"

#define PORTS 0x10000u

bool isa_ports_free(const char *property, uint32_t first, unsigned count, GError **errp)
{
    const FlatView *view = address_space_view(&address_space_io);

    if (first > PORTS - count) {
        error_set(errp, "%s%s%s0x%" PRIx32 " is no port of %u; ports end at 0x%x",
                  property ? "'" : "", property ? property : "", property ? "' " : "", first, count,
                  PORTS - 1);
        return false;
    }
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
