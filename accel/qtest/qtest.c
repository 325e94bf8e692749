/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/qtest/qtest.h"

#include "util/clock.h"

static bool qtest_engine_init(GError **errp)
{
    clock_set_stepped();
    return true;
}

const AccelOps accel_qtest = {
    .name = "qtest",
    .description = "runs no guest code; devices are driven through -qtest",
    .has_vcpu_threads = false,
    .cpu_size = sizeof(X86Cpu),
    .init = qtest_engine_init,
};
