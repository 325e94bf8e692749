/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way from the memory that a guest has to the memory that it should have: a pure function from
 * what there is to steps. It asks nobody and changes nothing; who carries the steps out may plan
 * anew after each of them, with what he has learned (hw/memtarget/). Any thread.
 *
 * A guest takes memory with memory: Linux needs 1/64 of what is added, at once, out of what is free
 * of its kernel's own (64 bytes for each page of 4 KiB). That is boot memory; what is added, only
 * if the kernel may use it, which not all kernels are set up for. So memory beyond what boot memory
 * can manage comes in steps, the next of which is planned when it is known that the one before can
 * manage more.
 */
#ifndef HW_MEM_MEMORY_PLAN_H
#define HW_MEM_MEMORY_PLAN_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define PLAN_COST_SHARE 64         /* of what is added, 1/64 is needed at once */
#define PLAN_UNKNOWN    UINT64_MAX /* the guest does not tell */

typedef enum PlanKind { PLAN_DIMM, PLAN_VIRTIO_MEM } PlanKind;

/* A device whose memory the guest has, or may have. All sizes are bytes. */
typedef struct PlanDevice {
    PlanKind kind;
    uint64_t has;      /* what the guest has of it */
    uint64_t max;      /* virtio-mem: what it can have; whole units */
    uint64_t unit;     /* virtio-mem: it grows and shrinks by multiples of this, a power of 2 */
    bool fixed;        /* neither is it asked for, nor given more: memory of the boot, or it has
                        * refused already */
    bool reluctant;    /* a DIMM that is asked for last: the guest has refused it before */
    uint64_t resident; /* a DIMM: what of it exists on the host; the least is asked for first */
} PlanDevice;

/* What there is, and what is allowed. */
typedef struct PlanInput {
    const PlanDevice *devices; /* sorted by address; borrowed */
    unsigned count;
    /* the guest */
    uint64_t boot;      /* RAM that is no device; it never goes */
    uint64_t ballooned; /* of all, what its balloon has taken */
    uint64_t free;      /* of its kernel's memory; or PLAN_UNKNOWN: then 1/4 of boot memory is taken
                         * to have been, before any was spent */
    uint64_t spent;     /* of that, on what it has been given since */
    uint64_t proven;    /* free in devices that are known to be its kernel's */
    uint64_t in_use;    /* it is not left with less; 0: not known */
    /* the machine */
    uint64_t room;  /* of maxmem, what no device takes */
    uint64_t gap;   /* the largest free place for a DIMM, aligned to `unit` */
    unsigned slots; /* that are free */
    /* the policy */
    bool dimms;         /* DIMMs may be added */
    bool exchange;      /* on the way down, too, where a larger one goes for that */
    uint64_t unit;      /* of DIMMs: their sizes are multiples of this, a power of 2 */
    uint64_t block;     /* the least that the guest can take; `unit` may be more, for the backend */
    uint64_t dimm_most; /* no larger DIMM is added */
    bool balloon;       /* there is one, and it may be used */
} PlanInput;

typedef enum PlanAction {
    PLAN_RESIZE,      /* ask for `size` of virtio-mem device `device` */
    PLAN_ADD_DIMM,    /* add one of `size` */
    PLAN_REMOVE_DIMM, /* ask for DIMM `device`, all of it */
    PLAN_BALLOON,     /* ask for `size` in the balloon */
    PLAN_ACTIONS,
} PlanAction;

typedef struct PlanStep {
    PlanAction action;
    unsigned device; /* index into PlanInput.devices */
    uint64_t size;
} PlanStep;

/* Why the steps do not lead to the target. */
typedef enum PlanEnd {
    PLAN_REACHES,     /* they do, but for less than a block; on the way down, a DIMM's unit */
    PLAN_NO_ROOM,     /* maxmem */
    PLAN_NO_PLACE,    /* the free places are too small */
    PLAN_NO_SLOT,     /* no slot is free */
    PLAN_NO_DIMMS,    /* DIMMs would be needed, and none may be added (any more) */
    PLAN_NO_MEMORY,   /* the guest has too little to take more */
    PLAN_LARGE_UNIT,  /* what is missing is less than the smallest DIMM */
    PLAN_GUEST_USES,  /* it uses too much to give so much back */
    PLAN_NOTHING,     /* what remains cannot be given back, or is larger than what is too much */
    PLAN_NO_EXCHANGE, /* it is larger, and no smaller DIMM can take the place of one */
    PLAN_ENDS,
} PlanEnd;

typedef struct MemoryPlan {
    GArray *steps;    /* of PlanStep, in order */
    uint64_t reaches; /* what the guest has then */
    PlanEnd end;
} MemoryPlan;

/* What the guest of @input has, bytes. */
uint64_t memory_plan_total(const PlanInput *input);

/* The steps from @input to @target bytes. On the way up it never has more than @target, on the way
 * down never less than that, nor than it uses. virtio-mem is used before DIMMs, and the balloon
 * where nothing else helps; on the way up what is in the balloon comes first. DIMMs are so small
 * that half of the free slots would do for all of them, but for DIMMs of 1 GiB: what was added can
 * go again in parts. On the way down those DIMMs go whose sum comes nearest to what is too much,
 * together with what virtio-mem gives; where a unit or more is left, and the guest does not use so
 * much and has no balloon, a smaller DIMM comes and then a larger one goes: between the two the
 * guest has more than before. */
MemoryPlan *memory_plan(const PlanInput *input, uint64_t target);
void memory_plan_free(MemoryPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MemoryPlan, memory_plan_free)

/* @end in words, for users; never freed. */
const char *memory_plan_end_text(PlanEnd end);

#endif
