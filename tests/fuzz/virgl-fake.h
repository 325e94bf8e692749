/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * In place of virglrenderer, for fuzz targets: no GL, but what it is called with must make sense.
 * It uses all memory that it knows of at each call, as the library may.
 */
#ifndef TESTS_FUZZ_VIRGL_FAKE_H
#define TESTS_FUZZ_VIRGL_FAKE_H

/* Of what the library has: how many. */
unsigned virgl_fake_resources(void);
unsigned virgl_fake_contexts(void);

#endif
