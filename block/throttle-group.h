/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Throttle groups: those that have their limits together. One is an object of a user, or was made
 * for a drive, and goes with the last of those that use it. Its members take turns, reads and
 * writes apart. The time is the virtual clock's under qtest, and the host's else, as jobs go on
 * while the machine stands.
 *
 * Making and limits: machine lock. Requests: any thread.
 */
#ifndef BLOCK_THROTTLE_GROUP_H
#define BLOCK_THROTTLE_GROUP_H

#include "block/throttle.h"

#define TYPE_THROTTLE_GROUP "throttle-group"

typedef struct ThrottleGroup ThrottleGroup;
typedef struct ThrottleMember ThrottleMember;

/* A request that waits: its owner's memory until `go` is called, in the main loop or by who lets
 * all of them go. */
typedef struct ThrottleWaiter {
    void (*go)(struct ThrottleWaiter *waiter);
    uint64_t bytes;
} ThrottleWaiter;

/* A reference to the group of this name; one is made, without limits, if there is none and @make.
 * Errors: there is none. */
ThrottleGroup *throttle_group_get(const char *name, bool make, GError **errp);
/* Until throttle_groups_are_there(), which says whether each of them is, nodes may name groups
 * whose objects come later: -blockdev comes before -object. */
void throttle_groups_await(void);
bool throttle_groups_are_there(GError **errp);
void throttle_group_unref(ThrottleGroup *group); /* NULL is fine */
const char *throttle_group_name(const ThrottleGroup *group);
ThrottleConfig throttle_group_config(ThrottleGroup *group);
/* @config has been checked. */
void throttle_group_set_config(ThrottleGroup *group, const ThrottleConfig *config);

/* Call @fn for each that has not the limits with which its object was made. */
void throttle_groups_foreach_changed(void (*fn)(ThrottleGroup *group, void *opaque), void *opaque);
/* A machine has come whose group @name had these limits: the one here has them too, if no command
 * has changed it. Errors: there is none, they do not go together. */
bool throttle_group_came(const char *name, const ThrottleConfig *config, GError **errp);

/* Takes the reference. */
ThrottleMember *throttle_member_new(ThrottleGroup *group);
/* None of its requests waits. NULL is fine. */
void throttle_member_free(ThrottleMember *member);
ThrottleGroup *throttle_member_group(const ThrottleMember *member);

/* May a request go? Else @waiter's go() is called when it may. */
bool throttle_enter(ThrottleMember *member, bool write, uint64_t bytes, ThrottleWaiter *waiter);
/* The same; waits. Not in the main thread while it is throttled. */
void throttle_enter_and_wait(ThrottleMember *member, bool write, uint64_t bytes);

/* @thread has no time any more: what it waits for so goes, and it does not wait until
 * throttle_hurry_end(). What goes is counted all the same. Any thread. */
void throttle_hurry(const GThread *thread);
void throttle_hurry_end(const GThread *thread);

/* Whoever waits goes, and nobody has to wait until throttle_resume(): for draining. Nests. What
 * goes is counted all the same. Any thread. */
void throttle_suspend(void);
void throttle_resume(void);

#endif
