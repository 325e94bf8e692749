/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/qtest/qtest.h"

#include "qom/object.h"
#include "util/clock.h"

static bool qtest_engine_init(GError **errp)
{
    clock_set_stepped();
    return true;
}

/* There is nobody to see it. */
static void qtest_init_smm(void)
{
}

#define QTEST_ACCEL_TYPE "qtest-accel"

static const ObjectType qtest_accel_type = {
    .name = QTEST_ACCEL_TYPE,
    .parent = TYPE_ACCEL,
    .description = "the engine that runs no guest code",
};
OBJECT_TYPE_REGISTER(qtest_accel_type)

const AccelOps accel_qtest = {
    .name = "qtest",
    .description = "runs no guest code; devices are driven through -qtest",
    .type = QTEST_ACCEL_TYPE,
    .has_vcpu_threads = false,
    .cpu_size = sizeof(X86Cpu),
    .init = qtest_engine_init,
    .init_smm = qtest_init_smm,
};
