/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/options.h"

#include "util/error.h"

enum { TB_SIZE_DEFAULT = 32, TB_SIZE_MAX = 1024 }; /* MiB; jumps reach 2 GiB */

SoftOptions soft_options = { .translate = SOFT_TRANSLATE_ON, .tb_size = TB_SIZE_DEFAULT };

bool soft_set_options(const SoftEngineOptions *given, GError **errp)
{
    if (given->has_tb_size && (given->tb_size == 0 || given->tb_size > TB_SIZE_MAX)) {
        error_set(errp, "tb-size must be from 1 to %d (MiB), not %u", TB_SIZE_MAX, given->tb_size);
        return false;
    }
    if (given->has_translate) {
        soft_options.translate = given->translate;
    }
    if (given->has_tb_size) {
        soft_options.tb_size = given->tb_size;
    }
    if (given->has_thread) {
        soft_options.single = given->thread == ENGINE_THREAD_SINGLE;
    }
    if (given->has_one_insn_per_tb) {
        soft_options.one_insn = given->one_insn_per_tb;
    }
    if (given->has_perf_map) {
        soft_options.perf_map = given->perf_map;
    }
    return true;
}
