/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random steps over a machine and what must hold after each (test-ospm-random.c). What there is of
 * one kind of device is a RandomPart: its steps, what it expects, and how a program is started that
 * goes on with what it has. Another kind of device, or of management, is another part.
 */
#ifndef TESTS_QTEST_OSPM_RANDOM_H
#define TESTS_QTEST_OSPM_RANDOM_H

#include "tests/qtest/ospm/model.h"

#define RANDOM_SECOND   INT64_C(1000000000)
#define RANDOM_NODES    2
#define RANDOM_BOOT_MIB 64u
#define RANDOM_CPUS     6                    /* places, at most MODEL_SLOTS */
#define RANDOM_VMEM     (UINT64_C(16) << 30) /* where virtio-mem is, and DIMMs do not get to */

typedef struct RandomRange {
    uint64_t base, size;
} RandomRange;

typedef struct RandomNvdimm {
    unsigned serial; /* its id is n<serial>, its backend's f<serial>; 0: there is none */
    unsigned slot;
    uint64_t base;
} RandomNvdimm;

enum { RANDOM_NVDIMMS = 2, RANDOM_BLOCKS = 64 };

typedef struct RandomTest {
    QTest *qt;
    Ospm *ospm;
    GRand *rand;
    const char *machine;
    uint16_t cpu_port;   /* docs/cpu-hotplug.md */
    char *cpu_registers; /* path of the device */
    char *folder;        /* for files */
    Model model, cpus;   /* of DIMMs; of CPUs */
    RandomNvdimm nvdimms[RANDOM_NVDIMMS];
    struct RandomVmem *vmem; /* of random-vmem.c */
    unsigned step, serial;   /* the last one that was given */
    const char *action;
    guint32 seed;
    bool stays; /* no other program any more */
    /* What there is, as each check() tells it: memory devices, and devices in the tree. */
    GArray *ranges; /* of RandomRange */
    unsigned peripherals;
    json_object *devices; /* query-memory-devices, after the last step */
} RandomTest;

/* Weights are relative to those of all steps. run(): true if it did something. */
typedef struct RandomStep {
    const char *name;
    unsigned weight;
    bool (*run)(RandomTest *t);
} RandomStep;

typedef struct RandomPart {
    const RandomStep *steps; /* ends with a NULL name */
    /* After each step: is all of it as it should be? Tells ranges and peripherals. */
    void (*check)(RandomTest *t);
    /* Now and then: what takes longer. NULL: nothing. */
    void (*check_all)(RandomTest *t);
    /* Options of a program that has what this one has. */
    void (*options)(const RandomTest *t, GString *line);
    /* The guest boots: after a reset, or with @anew in a new program, where nothing but what lasts
     * is left. NULL: nothing to do. */
    void (*booted)(RandomTest *t, bool anew);
    /* It is another program, and the same machine. NULL: nothing to do. */
    void (*moved)(RandomTest *t);
    /* Give back all that can be given back. NULL: nothing can. */
    void (*empty)(RandomTest *t);
} RandomPart;

extern const RandomPart random_machine, random_dimms, random_cpus, random_nvdimms, random_vmem,
    random_target;

/* What random_vmem keeps; g_free. */
struct RandomVmem *random_vmem_new(void);

/* A program for the machine as the parts have it; @incoming: a file that it comes from, or NULL. */
void random_start(RandomTest *t, const char *incoming);
/* The guest boots, and all parts hear of it. */
void random_booted(RandomTest *t, bool anew);
/* A new program, with the NVDIMMs that there are, and its guest boots. */
void random_power_on(RandomTest *t);
/* The machine is another program's now. */
void random_moved(RandomTest *t);

/* The guest handles what there is for it; the machine's time goes on; the machine is reset, and its
 * guest boots. */
void random_guest(RandomTest *t, const OspmManners *manners);
void random_time(RandomTest *t, int64_t ns);
void random_reset(RandomTest *t);

/* Somebody else has plugged DIMMs and asked for some, since the model was as @before. See to it
 * that nothing is pending and the guest has handled all, delete the backends that are left of those
 * that are gone, and make the model what there is. */
void random_settle(RandomTest *t, const Model *before);
/* The same for virtio-mem, of which somebody else has set requested-size. */
void random_vmem_settle(RandomTest *t);
/* The driver goes a part of the way to what it is asked for, whoever asks. */
void random_vmem_follow(RandomTest *t);

/* End the test: the machine is not what it should be. */
G_GNUC_NORETURN G_GNUC_PRINTF(2, 3) void random_die(const RandomTest *t, const char *fmt, ...);
unsigned random_pick(RandomTest *t, unsigned below);
bool random_chance(RandomTest *t, unsigned percent);
/* A status for _OST, mostly one that ACPI defines. */
uint32_t random_status(RandomTest *t);
/* A place of @m, of @count, that is taken (or is not); MODEL_SLOTS if there is none. */
unsigned random_slot(RandomTest *t, const Model *m, unsigned first, unsigned count, bool occupied);

/* A range that a memory device may have: aligned, in the window, and not another's. */
void random_check_place(const RandomTest *t, uint64_t base, uint64_t size);
void random_add_range(RandomTest *t, uint64_t base, uint64_t size);
/* What @list, of query-memory-devices, tells of @id; borrowed; NULL if it is not in it. */
json_object *random_find(json_object *list, const char *id);
/* Where memory device @id is. */
uint64_t random_place(const RandomTest *t, const char *id);

/* @run with what is in @slot of @m, whose serial @name makes an id of (g_free); false: MODEL_SLOTS,
 * nothing is. */
typedef void RandomOneFn(RandomTest *t, Model *m, unsigned slot, const char *id);
typedef char *RandomNameFn(unsigned serial);
bool random_with_one(RandomTest *t, Model *m, unsigned slot, RandomNameFn *name, RandomOneFn *run);

/* device_del of @id, which is in place @slot of @m, and the cancellation of that. */
void random_request(RandomTest *t, Model *m, unsigned slot, const char *id);
void random_cancel(RandomTest *t, Model *m, unsigned slot, const char *id);
/* Exactly @expected events @name came and were not taken. Takes them. */
void random_check_count(const RandomTest *t, const char *name, unsigned expected);

#endif
