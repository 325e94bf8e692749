/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's half of hot-plug without a guest: what an operating system's power management (OSPM)
 * does, done by a test through port accesses. It boots from the tables in the machine's memory,
 * enables ACPI and its events, and when the SCI rises runs the handlers in the DSDT, takes their
 * notifications, and evaluates _STA, _CRS, _MAT, _PXM, _OST and _EJ0 as a kernel would; or
 * misbehaves as it is told to. docs/ospm.md has an example.
 *
 * An error in the tables or in AML ends the test with a message that says where it was.
 */
#ifndef TESTS_QTEST_OSPM_OSPM_H
#define TESTS_QTEST_OSPM_OSPM_H

#include "tests/qtest/libqtest.h"
#include "tests/qtest/ospm/aml-eval.h"
#include "tests/qtest/ospm/ospm-tables.h"

/* Codes of _OST (ACPI 6.4, 6.3.5), and values of Notify(). */
enum {
    OSPM_DEVICE_CHECK = 1,
    OSPM_EJECT_REQUEST = 3,

    OSPM_SUCCESS = 0,
    OSPM_FAILURE = 1,
    OSPM_LOAD_FAILED = 0x81,
    OSPM_BUSY = 0x82,
    OSPM_IN_PROGRESS = 0x84,
    OSPM_EJECT_FAILED = 0x85,
};

/* How it behaves; all zeros is a good guest. */
typedef struct OspmManners {
    uint32_t insert_status; /* what it reports on an insertion */
    uint32_t eject_status;  /* what it reports on a request to eject; it ejects if that is 0 */
    bool silent;            /* it takes notifications, and does nothing about them */
    bool deaf;              /* it does not even look when the SCI is raised */
    bool no_progress;       /* it ejects without reporting that it is about to */
    bool eject_twice;
    bool eject_on_insertion; /* what was just inserted goes at once, before _OST */
    bool bytes;              /* every port access is made in pieces of 1 byte */
} OspmManners;

/* Memory that it uses. */
typedef struct OspmDimm {
    uint64_t base, size;
    uint32_t node;
} OspmDimm;

typedef struct Ospm {
    QTest *qt; /* borrowed */
    OspmTables *tables;
    AmlEval *aml;
    GPtrArray *slots; /* char *: paths of the memory devices, by _UID */
    OspmDimm *dimms;  /* by slot; size 0: not used */
    GPtrArray *cpus;  /* char *: paths of the processors, by _UID */
    bool *cpu_used;   /* by _UID */
    GQueue *notifications;
    OspmManners manners;
    unsigned notified; /* notifications handled since boot */
    unsigned cleared;  /* events cleared since boot */
} Ospm;

/* Boot: find the tables, load the DSDT, evaluate each _INI, enable ACPI and each event that has a
 * handler, and use the memory devices and processors that are there. */
Ospm *ospm_boot(QTest *qt);
void ospm_free(Ospm *ospm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Ospm, ospm_free)
/* The machine was reset: boot again. Manners are kept. */
void ospm_reboot(Ospm *ospm);

/* Is the SCI asserted: is an event both set and enabled? By reading the registers. */
bool ospm_sci(Ospm *ospm);
/* Handle events until there are none. How many notifications came. */
unsigned ospm_run(Ospm *ospm);

unsigned ospm_slots(const Ospm *ospm);
/* The memory that it uses in slot @n, or NULL. */
const OspmDimm *ospm_dimm(const Ospm *ospm, unsigned n);

/* ---- single evaluations, for slot @n ---- */

uint64_t ospm_sta(Ospm *ospm, unsigned n);
uint64_t ospm_pxm(Ospm *ospm, unsigned n);
OspmDimm ospm_crs(Ospm *ospm, unsigned n); /* with its node; _CRS must have one memory range */
void ospm_ost(Ospm *ospm, unsigned n, uint32_t event, uint32_t status);
void ospm_eject(Ospm *ospm, unsigned n); /* _EJ0, and the memory is not used any more */

/* ---- processors ---- */

unsigned ospm_cpus(const Ospm *ospm);
/* Does it use processor @n? */
bool ospm_cpu_used(const Ospm *ospm, unsigned n);
/* Single evaluations, for processor @n. */
uint64_t ospm_cpu_sta(Ospm *ospm, unsigned n);
uint64_t ospm_cpu_pxm(Ospm *ospm, unsigned n);
uint32_t ospm_cpu_apic_id(Ospm *ospm, unsigned n); /* _MAT, which must say that it is enabled */
void ospm_cpu_ost(Ospm *ospm, unsigned n, uint32_t event, uint32_t status);
void ospm_cpu_eject(Ospm *ospm, unsigned n); /* _EJ0, and the processor is not used any more */

#endif
