/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does a back-end answer at all? It is asked for its features while nothing is half-made, and the
 * machine goes on meanwhile: one that is connected, and silent, holds nobody up.
 */
#ifndef HW_VIRTIO_VHOST_ASK_H
#define HW_VIRTIO_VHOST_ASK_H

#include <glib.h>
#include <stdbool.h>

struct json_object;

/* For device_add, before the device is made of @props: the back-end that it would have, if it is
 * one with a vhost-user back-end and somebody is there. In a task the machine lock is free
 * meanwhile. Errors: it has gone, it says nothing for VHOST_USER_REPLY_MS, or what is no answer. */
bool vhost_ask_before_add(struct json_object *props, GError **errp);

/* For other commands of monitors, which stop, reset or change the machine, and with it what the
 * back-ends do: those that answer nothing are hung up on before anybody has to wait for them with
 * the machine lock. In a task, whose command begins then; elsewhere nobody is asked. */
void vhost_ask_before_command(void);
/* And when the command is through: its reply comes when they have done what they were told by it.
 */
void vhost_ask_after_command(void);
/* They have done all that they were told until now. A thread without the machine lock. */
void vhost_ask_in_thread(void);
/* The program ends: no answer will come, and that is not waited for any more. */
void vhost_ask_end(void);
/* There is a device with such a back-end: they are asked before resets, too, and have given the
 * rings back when a command has stopped the machine. */
void vhost_ask_watch(void);

#endif
