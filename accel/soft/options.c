/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/options.h"

#include <string.h>

#include "util/error.h"
#include "util/parse.h"

enum { TB_SIZE_DEFAULT = 32, TB_SIZE_MAX = 1024 }; /* MiB; jumps reach 2 GiB */

SoftOptions soft_options = { .translate = SOFT_TRANSLATE_ON, .tb_size = TB_SIZE_DEFAULT };

bool soft_set_translate(const char *value, GError **errp)
{
    static const char *const modes[] = { "off", "on", "all" };

    for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (strcmp(value, modes[i]) == 0) {
            soft_options.translate = (SoftTranslateMode)i;
            return true;
        }
    }
    error_set(errp, "translate must be off, on or all, not '%s'", value);
    return false;
}

bool soft_set_tb_size(const char *value, GError **errp)
{
    uint64_t mib;

    if (!parse_uint(value, TB_SIZE_MAX, &mib) || mib == 0) {
        error_set(errp, "tb-size must be from 1 to %d (MiB), not '%s'", TB_SIZE_MAX, value);
        return false;
    }
    soft_options.tb_size = (unsigned)mib;
    return true;
}

bool soft_set_one_insn(const char *value, GError **errp)
{
    if (!parse_bool(value, &soft_options.one_insn)) {
        error_set(errp, "one-insn-per-tb must be on or off, not '%s'", value);
        return false;
    }
    return true;
}

bool soft_set_perf_map(const char *value, GError **errp)
{
    if (!parse_bool(value, &soft_options.perf_map)) {
        error_set(errp, "perf-map must be on or off, not '%s'", value);
        return false;
    }
    return true;
}
