/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * GL: what draws for cards with 3D, by virglrenderer. There is one renderer in a program.
 *
 * The library and GL below it are called by one thread alone, the GL thread, which is there from
 * gl_start() to gl_stop(), and never has the machine lock: drawing may take long, and a guest's
 * shader for ever. What is to be done there is a job; they are done one after the other.
 *
 * Functions are for the main thread or one that has the machine lock, if they do not say otherwise.
 */
#ifndef UI_GL_H
#define UI_GL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Start the thread and the renderer, which draws by the GPU whose render node @node is, or, NULL,
 * in memory. False: GL is not to be had, or this program was built without virglrenderer. Once. */
bool gl_start(const char *node, GError **errp);
bool gl_is_there(void);
/* The thread ends; harmless if there is none. False: it does not end soon, and the program should
 * without exit(), at which GL would wait. */
bool gl_stop(void);

/* The renderer is @who's, a name for messages, borrowed, until it is given back; @end(@opaque) is
 * called on the GL thread before it ends, if that comes first. False: it is another one's, or there
 * is none. */
bool gl_take(const char *who, void (*end)(void *opaque), void *opaque, GError **errp);
void gl_give_back(void);

typedef struct GlJob GlJob;
struct GlJob {
    void (*run)(GlJob *job);  /* on the GL thread */
    void (*done)(GlJob *job); /* then, from the main loop, with the machine lock; frees it */
};

/* Do @job, after all that were given before. */
void gl_add_job(GlJob *job);
/* Do many jobs wait, perhaps for one that never ends? Then what will make others is better refused:
 * they take memory. */
bool gl_is_behind(void);
/* Call @fn(@opaque) on the GL thread, and wait until it has returned: for the start, as long as no
 * guest can have given it something to do. */
void gl_call(void (*fn)(void *opaque), void *opaque);
/* On the GL thread: wait until GL has done all that it was told. */
void gl_finish(void);

#endif
