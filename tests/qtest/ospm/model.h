/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What must hold, in few words: a model of the memory slots, or of the places for CPUs, of what
 * management asked and of what the guest did, against which a machine is compared. It is written
 * from docs/dimm-states.md, docs/memory-hotplug-registers.md and docs/cpu-hotplug.md, and shares
 * nothing with the machine.
 */
#ifndef TESTS_QTEST_OSPM_MODEL_H
#define TESTS_QTEST_OSPM_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/qtest/ospm/ospm.h"

#define MODEL_SLOTS 8

/* The two halves of a DIMM's state. */
typedef enum ModelInsertion { M_INSERTED, M_NOTICED, M_ONLINE, M_REJECTED } ModelInsertion;
typedef enum ModelRequest { M_NONE, M_REQUESTED, M_SEEN, M_PROGRESS, M_REFUSED } ModelRequest;

typedef struct ModelSlot {
    /* The DIMM's id is d<serial>, its backend's m<serial>, the CPU's c<serial>; 0: it is empty. */
    unsigned serial;
    uint64_t base, size; /* of a DIMM */
    unsigned node;
    bool insert_event, remove_event;
    ModelInsertion insertion;
    ModelRequest request;
    uint32_t reject_status, refuse_status;
    int64_t deadline; /* ns; 0: none */
} ModelSlot;

typedef struct Model {
    ModelSlot slots[MODEL_SLOTS];
    bool cpus;          /* of CPUs: they have no place to be read, and the first one stays */
    int64_t now;        /* ns */
    uint32_t ost_event; /* the register */
    bool gpe;           /* the hot-plug event was raised, and its status not cleared since */
    /* What must have been sent since the last look. */
    unsigned osts, refusals;
    unsigned deleted[MODEL_SLOTS * 2], num_deleted; /* serials */
} Model;

/* ---- management ---- */

void model_plug(Model *m, unsigned slot, unsigned serial, uint64_t base, uint64_t size,
                unsigned node);
void model_request(Model *m, unsigned slot, int64_t timeout); /* ns; 0: none */
void model_withdraw(Model *m, unsigned slot);
bool model_pending(const Model *m, unsigned slot);
void model_time(Model *m, int64_t now); /* deadlines pass */
void model_reset(Model *m);

/* ---- the guest ---- */

void model_read_place(Model *m, unsigned slot);           /* _CRS */
void model_flags(Model *m, unsigned slot, unsigned bits); /* a write of the flags register */
void model_eject(Model *m, unsigned slot);
void model_ost(Model *m, unsigned slot, uint32_t event, uint32_t status);
/* What ospm_run() does with these manners. */
void model_run(Model *m, const OspmManners *manners);
/* What ospm_boot() and ospm_reboot() do. */
void model_boot(Model *m);

/* The state that users see, and its status; *@has_status: there is one. */
const char *model_state(const ModelSlot *slot, bool *has_status, uint32_t *status);

#endif
