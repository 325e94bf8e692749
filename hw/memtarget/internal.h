/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of a memory target, for the files of this folder. Main thread, machine lock, but for
 * what a comment says.
 */
#ifndef HW_MEMTARGET_INTERNAL_H
#define HW_MEMTARGET_INTERNAL_H

#include "hw/core/device.h"
#include "hw/mem/memory-plan.h"
#include "hw/mem/pc-dimm.h"
#include "qapi/qapi-types.h"
#include "util/timer.h"

/* ---- policy.c ---- */

typedef struct TargetPolicy {
    bool dimms, balloon;
    uint64_t dimm_most;          /* bytes */
    uint32_t node;               /* of DIMMs */
    double answer_s;             /* how long a guest may make no progress */
    char *backend_type;          /* of DIMMs */
    struct json_object *backend; /* its properties, without size */
    uint64_t backend_align;      /* bytes of which its size must be a multiple */
} TargetPolicy;

/* NULL and an error if @policy, borrowed or NULL, cannot be. */
TargetPolicy *target_policy_new(const MemoryTargetPolicy *policy, GError **errp);
void target_policy_free(TargetPolicy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TargetPolicy, target_policy_free)

/* ---- the run ---- */

typedef struct TargetRun {
    MemoryTargetStatus status;
    uint64_t target; /* bytes */
    TargetPolicy *policy;
    unsigned steps;     /* that were made */
    GPtrArray *refused; /* of char *: paths of devices that are not asked for more */
    char *spare;        /* path of a DIMM that came so that a larger one can go; NULL: none */
    bool spare_lost;    /* one went, and the larger one is still there: none comes any more */
    bool balloon_stuck; /* it does not follow, and is not asked for more */
    char *trouble;      /* what went wrong last; NULL: nothing */
    char *reason;       /* why it ended so; NULL: it has not */
    Timer *deadline;    /* of all; not pending: none */
    uint64_t next_note; /* users hear of the way when no more than this is left of it */
    uint64_t note_step; /* how much less that is each time */
    /* what the guest has told by its balloon */
    uint64_t stats_time; /* of the statistics that this is from; 0: it tells nothing */
    uint64_t free;       /* of all that it has, or PLAN_UNKNOWN */
    uint64_t in_use;     /* as in PlanInput */
    int64_t deficit;     /* what there is, but for what it says that it has */
    bool told;           /* it was possible to tell what of `free` is the kernel's */
    uint64_t spent;      /* since then, of what is the kernel's */
    /* the step that is under way */
    bool active;
    PlanStep step;
    char *path;      /* of the device; NULL: none, such as the balloon */
    char *id;        /* the same for users */
    uint64_t best;   /* how much was missing when there was progress last */
    Timer *patience; /* until it is taken to make none */
    bool stalled;    /* that is over */
    bool returning;  /* a DIMM that was added, and not taken, is asked for */
    bool rejected;   /* since the guest said no to it */
    bool untrue;     /* since the guest does not have what it said that it has */
    uint64_t more;   /* bytes that the guest gets by it */
    /* The guest says that it has it, and more is to be heard of it by its statistics: of after
     * this, seconds since 1970; 0: not yet. */
    uint64_t taken_at;      /* wall clock, as the statistics have it */
    int64_t deficit_before; /* INT64_MIN: not known */
    Timer *again;           /* until these are looked at again */
} TargetRun;

/* ---- survey.c ---- */

/* The machine as the planner sees it. */
typedef struct Survey {
    PlanInput in;
    PlanDevice *list; /* in.devices */
    Device **devices; /* which they are: borrowed */
} Survey;

/* @deep: what is asked once a plan: what of DIMMs the host has, and what the guest has told. */
Survey *target_survey_new(TargetRun *run, bool deep);
void target_survey_free(Survey *survey);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Survey, target_survey_free)
/* What the guest has, bytes. */
uint64_t target_survey_total(TargetRun *run);
/* Where a DIMM of @size bytes can be, aligned to @align; 0: nowhere. */
uint64_t target_survey_place(const Machine *machine, uint64_t size, uint64_t align);
/* What DIMMs that are added are multiples of: the guest's blocks, and the backend's pages. */
uint64_t target_survey_unit(const TargetPolicy *policy);

/* The statistics of the guest's balloon are from then, seconds since 1970; 0: it tells nothing. */
uint64_t target_survey_told_at(void);

/* ---- payers.c: devices that are known to hold what the guest manages memory with ---- */

/* A step that gives the guest more begins. */
void target_payers_note(void);
/* The guest has @size bytes more since. True: a device has paid for it, and not boot memory. */
bool target_payers_judge(uint64_t size);
/* Bytes that are free in devices that have paid. */
uint64_t target_payers_free(void);
/* Forget those that are gone. */
void target_payers_sweep(void);
/* Forget all: the guest boots anew. */
void target_payers_forget(void);

/* ---- dimms.c: DIMMs that were added ---- */

/* Plug one of @size bytes, with a backend of its own. Nothing is left behind on failure. Borrowed.
 */
Device *target_dimm_add(const TargetPolicy *policy, uint64_t size, GError **errp);
/* Delete the backends of those that are gone. */
void target_dimms_sweep(void);
/* Does @dimm count as the guest's? One that it boots with does, of which it never says anything. */
bool target_dimm_is_taken(const PcDimm *dimm);
/* Has the guest said that it does not take @dimm? */
bool target_dimm_is_declined(const PcDimm *dimm);
/* The meaning of the guest's status, or NULL. */
const char *target_dimm_meaning(const PcDimm *dimm);

/* ---- steps.c ---- */

typedef enum StepState { STEP_WAITS, STEP_DONE, STEP_FAILED } StepState;

/* What each PlanAction is. */
typedef struct StepOps {
    MemoryTargetAction action; /* as users see it */
    /* Ask for run->step of @device, which is NULL if it is about none; sets path and id. False: it
     * cannot be, and has failed. */
    bool (*start)(TargetRun *run, Device *device, GError **errp);
    /* How it stands; what went wrong is in run->trouble. */
    StepState (*look)(TargetRun *run);
    /* Bytes that are missing; NULL: it is all or nothing. */
    uint64_t (*missing)(TargetRun *run);
    /* Do not try this again. */
    void (*exclude)(TargetRun *run);
    /* The run ends, or has another target: ask for no more than there is. */
    void (*give_up)(TargetRun *run);
} StepOps;

extern const StepOps step_ops[PLAN_ACTIONS];

/* Do the guest's statistics, of after the step, have the DIMM that it said it took? */
bool target_step_is_confirmed(const TargetRun *run);
/* They do not: it is to go again. */
StepState target_step_contradict(TargetRun *run);

/* Is @path among those of which nothing more is asked? */
bool target_run_refused(const TargetRun *run, const char *path);

#endif
