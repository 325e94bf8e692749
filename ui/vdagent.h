/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The other end of SPICE's agent in a guest (spice/vd_agent.h): its clipboard is one of ours
 * (ui/clipboard.h), and it may move the guest's pointer. The guest is hostile: what it says needs
 * no more memory than one text, and what it does not read no more than OUTPUT_MAX.
 *
 * Machine lock for everything.
 */
#ifndef UI_VDAGENT_H
#define UI_VDAGENT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define VDAGENT_OUTPUT_MAX (4u << 20) /* bytes that wait for the guest */

typedef struct VdAgent VdAgent;

/* Both may be called on the thread of a vCPU. */
typedef struct VdAgentHost {
    void (*has_output)(void *opaque);        /* there is something for the guest */
    void (*mouse)(void *opaque, bool takes); /* the agent takes places of the pointer from now on */
    void *opaque;
} VdAgentHost;

/* @mouse, @clipboard: what the agent is asked for. @host is borrowed. */
VdAgent *vdagent_new(bool mouse, bool clipboard, const VdAgentHost *host);
void vdagent_free(VdAgent *agent);

/* The guest's program has come, or gone: all begins anew. */
void vdagent_set_open(VdAgent *agent, bool open);
/* What it says. After nonsense nothing is heard until it comes again. */
void vdagent_input(VdAgent *agent, const uint8_t *data, size_t size);
/* What waits for it; *@size may be 0. Borrowed until the next call. */
const uint8_t *vdagent_output(const VdAgent *agent, size_t *size);
/* It has read @size bytes of that. */
void vdagent_output_taken(VdAgent *agent, size_t size);

/* The pointer is at this pixel, with these buttons (1 << InputButton each). While the guest does
 * not read, only the last one counts. */
void vdagent_move(VdAgent *agent, uint32_t x, uint32_t y, unsigned buttons);

#endif
