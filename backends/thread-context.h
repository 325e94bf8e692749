/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "thread-context": a thread that makes threads, which inherit the host CPUs that it may run on.
 * It is made before a sandbox forbids to choose CPUs (-sandbox on,resourcecontrol=deny).
 */
#ifndef BACKENDS_THREAD_CONTEXT_H
#define BACKENDS_THREAD_CONTEXT_H

#include "qom/object.h"

#define TYPE_THREAD_CONTEXT "thread-context"

typedef struct ThreadContext ThreadContext;
OBJECT_CAST_DEFINE(ThreadContext, THREAD_CONTEXT, TYPE_THREAD_CONTEXT)

/* A new thread that runs @fn(@data) on @context's host CPUs; the caller joins it. NULL with @errp.
 * Any thread; needs no lock, but a reference to @context. @context is a ThreadContext (the type is
 * RamBlockSpawn's). */
GThread *thread_context_spawn(void *context, GThreadFunc fn, void *data, GError **errp);

#endif
