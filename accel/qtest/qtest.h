/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine that runs nothing: CPUs exist but execute no code, and the virtual clock moves only
 * when it is told to. The protocol that drives devices is in system/qtest.h.
 */
#ifndef ACCEL_QTEST_QTEST_H
#define ACCEL_QTEST_QTEST_H

#include "accel/accel.h"

extern const AccelOps accel_qtest;

#endif
