/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NVM Express controllers (NVM Express 1.4; sections are its), and their namespaces. Machine lock
 * for everything.
 *
 * Commands are started when a doorbell is rung, while the completion queue has room for them and
 * fewer than NVME_RUNNING_MAX are under way; the others stay in the guest's queue. So every
 * completion can be written when it comes. A command that failed, where rerror= or werror= stop the
 * machine, is kept, and done again when the machine goes on.
 */
#ifndef HW_NVME_NVME_H
#define HW_NVME_NVME_H

#include "hw/block/block-conf.h"
#include "hw/nvme/nvme-regs.h"
#include "hw/nvme/nvme-zones.h"
#include "hw/pci/pci.h"
#include "memory/dma.h"

#define TYPE_NVME        "nvme"
#define TYPE_NVME_NS     "nvme-ns"
#define TYPE_NVME_BUS    "nvme-bus"
#define TYPE_NVME_SUBSYS "nvme-subsys"

/* What firmware calls a controller, whatever its PCI IDs are. */
#define NVME_FIRMWARE_KIND "pci8086,5845"

#define NVME_IO_QUEUES   64 /* pairs, at most */
#define NVME_QUEUES      (NVME_IO_QUEUES + 1)
#define NVME_RUNNING_MAX 256 /* commands */
#define NVME_EVENTS_MAX  4   /* asynchronous event requests that wait */
#define NVME_NAMESPACES  256 /* the highest number of one */
#define NVME_SERIAL_MAX  20  /* characters */
#define NVME_DATA_PAGE   4096
#define NVME_CMB_BAR     2
#define NVME_FIRMWARE    "1.0" /* its version, for the guest */

typedef struct Nvme Nvme;
typedef struct NvmeBus NvmeBus;

/* A namespace: what a controller's own drive, or an nvme-ns, is to the guest. */
typedef struct NvmeNs {
    BlockConf *conf;
    uint32_t nsid;
    uint8_t uuid[16];
    uint64_t eui64;            /* 0: none */
    struct NvmeSubsys *subsys; /* NULL: none */
    Nvme *controller;          /* that it is for; in a subsystem, of one that is not shared */
    bool shared;               /* it may be attached to several controllers of the subsystem */
    bool detached;             /* to none, until the guest attaches it */
    NvmeZones *zones;          /* NULL: it is not zoned; owned */
    uint64_t blocks;           /* when it was last looked at; 0: its image is not there yet */
} NvmeNs;

/* A subsystem: controllers that have namespaces in common (section 1.2). */
#define NVME_CONTROLLERS 32
typedef struct NvmeSubsys {
    Device parent;
    /* configuration */
    char *nqn; /* the end of its name; NULL: the device's id */
    /* wiring */
    NvmeBus *bus;                        /* of its namespaces */
    Nvme *controllers[NVME_CONTROLLERS]; /* by their number; borrowed */
    NvmeNs *ns[NVME_NAMESPACES];         /* all there are, by nsid - 1; borrowed */
    /* state: who has which, as the controllers' ns has it; bits */
    uint32_t attached[NVME_CONTROLLERS * NVME_NAMESPACES / 32];
} NvmeSubsys;
OBJECT_CAST_DEFINE(NvmeSubsys, NVME_SUBSYS, TYPE_NVME_SUBSYS)

typedef struct NvmeSq {
    hwaddr base;
    uint32_t size; /* entries; 0: there is no such queue */
    uint32_t head, tail;
    uint16_t cqid;
} NvmeSq;

typedef struct NvmeCq {
    hwaddr base;
    uint32_t size;
    uint32_t head, tail;
    uint16_t vector;
    bool interrupts, phase;
    uint32_t promised; /* entries that commands under way will take */
} NvmeCq;

/* Its place in a zone is taken: the write pointer is behind it. */
#define NVME_KEPT_PLACED (UINT64_C(1) << 32)

typedef struct NvmeKept {
    NvmeCommand command;
    uint64_t sqid; /* | NVME_KEPT_PLACED */
} NvmeKept;

/* Asynchronous events: what the guest is told when it has asked to be (section 5.2). */
typedef enum NvmeEvent {
    NVME_EVENT_BAD_DOORBELL, /* of no queue */
    NVME_EVENT_BAD_VALUE,    /* written to one */
    NVME_EVENT_NAMESPACE,    /* its size is another */
    NVME_EVENT_COUNT,
} NvmeEvent;

struct Nvme {
    PciDevice parent;
    /* configuration */
    BlockConf conf; /* of the namespace that `drive` makes; only `serial` and `boot_index` else */
    uint32_t max_pairs, queues, vectors, cmb_mib; /* queues: pairs and the admin one; 0: not said */
    Object *subsys;                               /* NvmeSubsys; NULL: none */
    uint8_t zasl;         /* what a zone append has at most, as mdts; 0: as that is */
    bool auto_transition; /* zones that are implicitly open are closed where others are opened */
    uint8_t mdts; /* a command has at most 4 KiB << mdts of data; 0: as much as it can say */
    /* wiring */
    struct NvmeBus *bus;
    uint16_t number; /* in the subsystem */
    NvmeNs own;
    NvmeNs *ns[NVME_NAMESPACES]; /* by nsid - 1; borrowed */
    MemoryRegion registers, cmb_region;
    RamBlock *cmb;   /* NULL: none */
    GQueue running;  /* of NvmeRequest */
    bool cancelling; /* what ends leads to nothing */
    bool finishing;  /* what is started follows on the end of another one */
    NvmeKept kept[NVME_RUNNING_MAX];
    uint32_t kept_count;
    GSource *again; /* the rest is started when others had their turn; owned */
    /* state */
    uint32_t cc, csts, intm, aqa;
    uint64_t asq, acq, cmbmsc;
    NvmeSq sqs[NVME_QUEUES];
    NvmeCq cqs[NVME_QUEUES];
    uint32_t next_sq; /* whose turn it is */
    uint32_t features[NVME_FEATURES];
    uint64_t timestamp;   /* ms, that was set */
    int64_t timestamp_ns; /* when */
    bool timestamp_set;
    uint16_t asked[NVME_EVENTS_MAX]; /* cid of requests for events */
    uint32_t asked_count;
    uint32_t events, told; /* bits: that are to be told; that were, and the log was not read */
    uint32_t changed[NVME_NAMESPACES / 32];          /* namespaces, since that log was read; bits */
    GBytes *kept_state;                              /* `kept` in a saved machine; NULL: nothing */
    uint64_t reads, writes, read_units, write_units; /* for the SMART log */
};
OBJECT_CAST_DEFINE(Nvme, NVME, TYPE_NVME)

/* ---- nvme-bus.c: namespaces, and the bus that they are on ---- */

/* The bus of @owner, a controller, or a subsystem, that is one of `dev`, whose id is its name; NULL
 * with an error. */
NvmeBus *nvme_bus_new(Device *owner, GError **errp);
void nvme_bus_free(NvmeBus *bus);
/* Take the backend that ns->conf names, and add it to @n as number @nsid (0: the first that is
 * free). @dev: what the user knows it by. @zoned: its zones; NULL, or not zoned: none. Nothing is
 * left behind on failure. */
bool nvme_ns_add(NvmeNs *ns, Nvme *n, const Device *dev, uint32_t nsid, const NvmeZoneConf *zoned,
                 GError **errp);
void nvme_ns_remove(NvmeNs *ns);
/* NULL: there is none of that number. */
NvmeNs *nvme_ns(const Nvme *n, uint32_t nsid);
/* The same, of those that the guest can use with the command sets that it has chosen (CC.CSS). */
NvmeNs *nvme_active_ns(const Nvme *n, uint32_t nsid);
/* Let the guest of @n know that there is something new about namespace @nsid. */
void nvme_ns_changed(Nvme *n, uint32_t nsid);
/* Logical blocks of it. */
uint64_t nvme_ns_blocks(const NvmeNs *ns);

/* ---- nvme-subsys.c ---- */

static inline NvmeSubsys *nvme_subsys(const Nvme *n)
{
    return n->subsys ? NVME_SUBSYS(n->subsys) : NULL;
}
/* @n is a controller of its subsystem, if it has one, from now on, and has its shared namespaces.
 */
bool nvme_subsys_add(Nvme *n, GError **errp);
void nvme_subsys_remove(Nvme *n);
/* @ns is a namespace of its subsystem from now on. */
void nvme_subsys_add_ns(NvmeNs *ns);
void nvme_subsys_remove_ns(NvmeNs *ns);
NvmeStatus nvme_attachment(Nvme *n, const NvmeCommand *cmd, uint32_t *result);

/* ---- nvme-registers.c ---- */

extern const MemoryRegionOps nvme_register_ops;
/* Bytes of the registers of @n, a power of two. */
uint64_t nvme_registers_size(const Nvme *n);
/* As after a reset of the controller (section 7.3.2); @all: of the whole function. */
void nvme_reset_controller(Nvme *n, bool all);
/* The flush that a shutdown begins with has ended. */
void nvme_shutdown_done(Nvme *n);
/* The guest's memory is not what it said: CSTS.CFS. */
void nvme_fatal(Nvme *n);

/* ---- nvme-queue.c ---- */

/* Start what is in the queues, as far as there is room. */
void nvme_run(Nvme *n);
/* Has the completion queue of @sqid room that is promised to nobody? */
bool nvme_has_room(const Nvme *n, uint16_t sqid);
/* There must be room. */
void nvme_complete(Nvme *n, uint16_t sqid, uint16_t cid, NvmeStatus status, uint64_t result);
/* Raise or lower the interrupt pin, as the queues want it. */
void nvme_update_interrupt(Nvme *n);
void nvme_doorbell(Nvme *n, uint32_t number, uint32_t value);
/* May it get at memory, and work, now? */
bool nvme_runs(const Nvme *n);

/* ---- nvme-admin.c ---- */

/* Carry it out; NVME_LATER: nvme_complete() is called later. */
NvmeStatus nvme_admin(Nvme *n, const NvmeCommand *cmd, uint32_t *result);

/* ---- nvme-identify.c, nvme-features.c, nvme-log.c ---- */

NvmeStatus nvme_identify(Nvme *n, const NvmeCommand *cmd, uint32_t *result);
NvmeStatus nvme_get_features(Nvme *n, const NvmeCommand *cmd, uint32_t *result);
NvmeStatus nvme_set_features(Nvme *n, const NvmeCommand *cmd, uint32_t *result);
void nvme_reset_features(Nvme *n);
NvmeStatus nvme_get_log_page(Nvme *n, const NvmeCommand *cmd, uint32_t *result);
NvmeStatus nvme_ask_event(Nvme *n, const NvmeCommand *cmd, uint32_t *result);
/* @event has happened; it is told when the guest has asked. */
void nvme_event(Nvme *n, NvmeEvent event);
/* Tell what is to be told. */
void nvme_tell_events(Nvme *n);

/* ---- nvme-io.c ---- */

/* *@result: what its completion has, if it is through. */
NvmeStatus nvme_io(Nvme *n, uint16_t sqid, const NvmeCommand *cmd, uint64_t *result);
/* Do again what was kept. */
void nvme_io_again(Nvme *n);
/* Flush all namespaces, and then nvme_shutdown_done(). */
void nvme_io_shutdown(Nvme *n);
/* Wait for what is under way, which leads to nothing. */
void nvme_io_cancel(Nvme *n);
/* Wait for what is under way; what was kept of queue @sqid is forgotten. */
void nvme_io_end(Nvme *n, uint16_t sqid);

/* ---- nvme-zone-io.c ---- */

/* Zone Management Receive, and Send, but for NVME_ZONE_RESET; @ns is zoned. */
NvmeStatus nvme_zone_receive(Nvme *n, const NvmeCommand *cmd, NvmeNs *ns);
NvmeStatus nvme_zone_send(Nvme *n, const NvmeCommand *cmd, NvmeNs *ns);
/* The zone that a Zone Management Send is for; *@zone NULL and NVME_OK: all. */
NvmeStatus nvme_zone_named(NvmeNs *ns, const NvmeCommand *cmd, NvmeZone **zone);

/* ---- nvme-data.c: where a command's data are (section 4.3) ---- */

typedef struct NvmeMapping {
    GArray *holds; /* of DmaHold */
    GArray *iov;   /* of struct iovec */
} NvmeMapping;

/* Map the @size bytes of @cmd's data; the device writes to them if @to_guest. Nothing is left on
 * failure. */
NvmeStatus nvme_map(Nvme *n, const NvmeCommand *cmd, uint64_t size, bool to_guest,
                    NvmeMapping *map);
/* @written: the device has written to them. */
void nvme_unmap(NvmeMapping *map, bool written);
/* Copy them. */
NvmeStatus nvme_copy(Nvme *n, const NvmeCommand *cmd, void *buf, uint64_t size, bool to_guest);
/* Bytes of a page of the guest's memory, as CC has it. */
static inline uint64_t nvme_page(const Nvme *n)
{
    return UINT64_C(4096) << ((n->cc & NVME_CC_MPS) >> NVME_CC_MPS_SHIFT);
}
/* What a command's data are at most. */
static inline uint64_t nvme_data_max(const Nvme *n)
{
    return n->mdts ? (uint64_t)NVME_DATA_PAGE << n->mdts : UINT64_MAX;
}

/* Read and write guest memory that is RAM, and nothing else. */
bool nvme_read(const Nvme *n, hwaddr addr, void *buf, uint64_t size);
bool nvme_write(const Nvme *n, hwaddr addr, const void *buf, uint64_t size);

#endif
