/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's errors on demand. inject-preload.c is loaded into the program (LD_PRELOAD) and stands
 * between it, with its libraries, and the C library; the file that INJECT_FILE names holds rules,
 * which a test writes while the program runs. Both map the file.
 *
 * tests/qtest/inject.py is the test's side in Python.
 */
#ifndef TESTS_QTEST_INJECT_H
#define TESTS_QTEST_INJECT_H

#include <stdint.h>

#define INJECT_RULES 4

/*
 * Of the calls that match, @skip go through, then @count get what the rule says, and those after
 * them go through. The test fills in a rule and then sets `armed`, which the other side reads
 * first; `seen` and `done` are counted by the program, by one thread after another.
 */
typedef struct InjectRule {
    char call[16];  /* "read", "accept4", "madvise", ...; "change": any that changes a file */
    char name[112]; /* a part of the name of the descriptor or file; "" is any. A socket is called
                       " ADDRESS ADDRESS ": its own and its peer's, a path or :PORT */
    int32_t err;    /* the call fails with it; 0: it is only shortened */
    uint32_t limit; /* bytes that are moved at most, if err is 0 */
    uint32_t skip, count;
    uint32_t seen, done;
    uint32_t armed;
    uint32_t hold; /* the call does not end before the rule is not armed any more */
    uint32_t kill; /* the program is killed behind the call, which may be shortened to nothing */
} InjectRule;

_Static_assert(sizeof(InjectRule) == 164, "inject.py knows the layout");

#endif
