/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio devices whose rings somebody else works on, the back-end: another program (vhost-user), or
 * the host's kernel. The driver's
 * notifications are signals of eventfds, which the back-end waits for; its interrupts are signals
 * of others, which the engine or the main loop turns into messages. What is in the rings never
 * comes through here.
 *
 * The back-end has the rings while the device runs (virtio_device_runs()) and it is there. When it
 * gives them back, it says how far it is, and the VirtQueues know. When it goes away, what it had
 * not given back is given to the next one: `reconnect=` or `server=on` of its chardev brings it. If
 * none can come, what is in the rings, and comes into them, is answered by `fail`. Machine lock.
 */
#ifndef HW_VIRTIO_VHOST_H
#define HW_VIRTIO_VHOST_H

#include "hw/virtio/vhost-kernel.h"
#include "hw/virtio/vhost-memory.h"
#include "hw/virtio/vhost-user.h"
#include "hw/virtio/virtio-device.h"

/* What a device type says of its back-ends. */
typedef struct VhostClass {
    uint64_t protocol; /* features of the protocol that it can use, beside those of all; a mask */
    unsigned rings_per_queue; /* a "queue" of the protocol is so many rings; 0: one */
    uint64_t needed;          /* of them, those without which there is no device */
    /* Bits of features that its back-end does, where it offers them; all others are ours. */
    uint64_t features;
    /* There is a back-end now, or none; and it has another configuration. May be NULL. */
    void (*came)(VirtioDevice *vdev);
    void (*gone)(VirtioDevice *vdev);
    void (*config_changed)(VirtioDevice *vdev);
    /* VhostUser.side_fd, which the device sets, can be read. May be NULL if it never does. */
    void (*serve_side)(VirtioDevice *vdev);
    /* The device was reset, and now its back-end works on its rings no more. May be NULL. */
    void (*stopped)(VirtioDevice *vdev);
    /* Answer all in @vq by errors: there will be no back-end. NULL: it waits for ever. */
    VirtioQueueFn *fail;
} VhostClass;

/* Features that every back-end has a part in. */
#define VHOST_RING_FEATURES                                                  \
    (1ull << VIRTIO_RING_F_INDIRECT_DESC | 1ull << VIRTIO_RING_F_EVENT_IDX | \
     1ull << VIRTIO_F_RING_PACKED | 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_ANY_LAYOUT)

typedef struct VhostRing {
    struct Vhost *vhost;
    unsigned number;
    VhostRingAddr addr;    /* where the back-end has it */
    bool started, enabled; /* as the back-end was told */
    bool given;            /* it has not looked at it yet */
    bool stopping;         /* how far it is will be told by `stop` */
    VhostStop stop;
    int call_fd;       /* that it was given; -1: none */
    bool call_changed; /* an interrupt may have gone elsewhere, or not been sent */
    int own_call;      /* an eventfd whose signals the main loop makes interrupts of */
    GSource *own_source;
    GSource *kick_source; /* of notifications, where the ring is ours */
} VhostRing;

typedef struct Vhost {
    VirtioDevice *vdev;
    const VhostClass *class;
    VhostBackend *backend; /* that of `user`, or of `kernel` */
    VhostUser user;
    VhostKernel *kernel; /* owned; NULL: it is another program */
    VhostMemory memory;
    unsigned ring_count; /* rings are the device's first queues */
    unsigned given;      /* of them, those that are the back-end's now: the others are ours */
    unsigned in_use;     /* of them, the driver's */
    VhostRing *rings;
    unsigned checks;  /* questions whether it answers at all */
    unsigned awaited; /* so many answers vhost_check_all() wants to know of */
    GQueue later;     /* of writes that wait until it has answered */
    GQueue standing;  /* of X86Cpu, until it has done what it was told */
    GSource *later_source, *settle_source;
    bool again;                          /* it is to be told more */
    bool quiet;                          /* but not now: there will be a reset */
    bool was_reset;                      /* the device, while it had rings */
    bool running;                        /* the back-end has what is enabled of the rings */
    bool lost;                           /* there will be no back-end */
    bool said;                           /* that the kernel does not do what is asked */
    bool inflight_asked, inflight_known; /* since the last reset, or back-end */
    int inflight_fd;
    uint64_t inflight_size, inflight_offset;
    MemoryListener log_listener;
    struct VhostLog *log; /* while writes are logged */
} Vhost;

/* In realize, before features are offered: meet the back-end, which is waited for while the machine
 * is being made. @chardev is attached, raw, and the caller's. NULL: an error. */
Vhost *vhost_new(VirtioDevice *vdev, const VhostClass *class, CharFrontend *chardev, GError **errp);
/* The same for @kernel, which is taken, and freed if there is an error. */
Vhost *vhost_new_kernel(VirtioDevice *vdev, const VhostClass *class, VhostKernel *kernel,
                        GError **errp);
/* In realize, when all queues were added: the first @count of them are rings. Of the features that
 * are offered only those are left that the back-end has. */
bool vhost_add_rings(Vhost *vhost, unsigned count, GError **errp);
/* In unrealize, or where realize fails; NULL is fine. */
void vhost_free(Vhost *vhost);
/* The netdev goes: nobody will come. */
void vhost_lose(Vhost *vhost);

/* Ask all back-ends of other programs whether they answer at all; those that do not are hung up on.
 * Main thread, or task. */
void vhost_check_all(void);
/* How many have not answered that; what CPUs ask meanwhile, for writes, does not count. */
unsigned vhost_checks(void);
/* @fn is called from the main loop when they all have, or have gone. */
void vhost_set_checked(void (*fn)(void));
/* Have all of them done what they were told, and are to be told nothing more? */
bool vhost_all_settled(void);
/* Those who wait for what is done are through now; @wait: all of it, with the machine lock. */
void vhost_settle_all(bool wait);
/* The machine stands: what CPUs wrote, and waits, is done, so that they have gone on. */
void vhost_do_writes(void);
/* The machine will be reset: they give the rings back, and get none before @quiet ends. */
void vhost_quiet_all(bool quiet);

/* Is a back-end there? */
static inline bool vhost_is_up(const Vhost *vhost)
{
    return vhost->backend->up;
}
/* For virtio_add_queue(): nothing comes through here. */
void vhost_handle_queue(VirtioDevice *vdev, VirtQueue *vq);
/* Of a DeviceClass: one whose back-end cannot tell what it writes to stays where it is. */
#define VHOST_DEVICE_CLASS .check_migrate = vhost_check_migrate
bool vhost_check_migrate(const Device *dev, GError **errp);
/* The first @given rings are the back-end's, the others are handled as queues of any device; before
 * the device runs. The driver uses the first @count of them. */
void vhost_use_rings(Vhost *vhost, unsigned given, unsigned count);
/* Something failed with the back-end, which is hung up on; or, where it cannot go, the driver has
 * to begin anew. @err is taken. */
void vhost_fail(Vhost *vhost, const char *what, GError *err);
/* What @name, a chardev of a user, is as a raw front end @fe. */
bool vhost_attach(CharFrontend *fe, const char *name, GError **errp);

/* ---- for virtio-device.c; NULL is fine ---- */

/* A CPU of the guest writes @value to a register, by which the back-end may have to be asked: that
 * is done by @fn, later, when it has answered that it is there; the CPU stands so long, and nobody
 * else. False: do it now. Dropped if the device is reset, or goes, before. */
typedef void VhostWriteFn(void *opaque, hwaddr addr, uint64_t value, unsigned size);
bool vhost_write_later(Vhost *vhost, VhostWriteFn *fn, void *opaque, hwaddr addr, uint64_t value,
                       unsigned size);
/* Whether the device runs, how it interrupts, or which queues are enabled, may have changed. */
void vhost_update(Vhost *vhost);
/* From now on the rings are ours, whatever the state of the device. */
void vhost_pause(Vhost *vhost);
/* The device was reset: nothing is in flight. */
void vhost_reset(Vhost *vhost);
/* Interrupts that the back-end asked for are sent when this returns. */
void vhost_flush(Vhost *vhost);

#endif
