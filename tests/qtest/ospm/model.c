/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/qtest/ospm/model.h"

enum { FLAG_INSERT = 1 << 1, FLAG_REMOVE = 1 << 2, FLAG_EJECT = 1 << 3 };
enum { INSERT_IN_PROGRESS = 0x80 };

static bool pending(const ModelSlot *s)
{
    return s->request == M_REQUESTED || s->request == M_SEEN || s->request == M_PROGRESS;
}

bool model_pending(const Model *m, unsigned slot)
{
    return pending(&m->slots[slot]);
}

/* ---- management ---- */

void model_plug(Model *m, unsigned slot, unsigned serial, uint64_t base, uint64_t size,
                unsigned node)
{
    m->slots[slot] = (ModelSlot){
        .serial = serial, .base = base, .size = size, .node = node, .insert_event = true
    };
    m->gpe = true;
}

void model_request(Model *m, unsigned slot, int64_t timeout)
{
    ModelSlot *s = &m->slots[slot];

    if (!pending(s)) {
        s->request = M_REQUESTED;
    }
    s->remove_event = true;
    m->gpe = true;
    if (timeout) {
        s->deadline = m->now + timeout;
    }
}

/* The request is over, but the DIMM stays. */
static void end_request(Model *m, ModelSlot *s, ModelRequest as)
{
    s->request = as;
    s->remove_event = false;
    s->deadline = 0;
    m->refusals++;
}

void model_withdraw(Model *m, unsigned slot)
{
    end_request(m, &m->slots[slot], M_NONE);
}

void model_time(Model *m, int64_t now)
{
    m->now = now;
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        if (m->slots[n].deadline && m->slots[n].deadline <= now) {
            model_withdraw(m, n);
        }
    }
}

void model_reset(Model *m)
{
    m->gpe = false;
    m->ost_event = 0;
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        ModelSlot *s = &m->slots[n];

        s->insert_event = false;
        if (pending(s)) {
            model_withdraw(m, n);
        }
        s->request = M_NONE;
        s->insertion = M_INSERTED;
    }
}

/* ---- the guest ---- */

static void notice(ModelSlot *s)
{
    if (s->insertion == M_INSERTED) {
        s->insertion = M_NOTICED;
    }
}

void model_read_place(Model *m, unsigned slot)
{
    ModelSlot *s = &m->slots[slot];

    if (m->cpus) {
        return;
    }
    notice(s);
    if (s->insertion == M_REJECTED) {
        s->insertion = M_NOTICED;
    }
}

void model_eject(Model *m, unsigned slot)
{
    ModelSlot *s = &m->slots[slot];

    if (s->serial && !(m->cpus && slot == 0)) {
        m->deleted[m->num_deleted++] = s->serial;
        *s = (ModelSlot){ 0 };
    }
}

void model_flags(Model *m, unsigned slot, unsigned bits)
{
    ModelSlot *s = &m->slots[slot];

    if ((bits & FLAG_INSERT) && s->insert_event) {
        s->insert_event = false;
        notice(s);
    }
    if ((bits & FLAG_REMOVE) && s->remove_event) {
        s->remove_event = false;
        if (s->request == M_REQUESTED) {
            s->request = M_SEEN;
        }
    }
    if (bits & FLAG_EJECT) {
        model_eject(m, slot);
    }
}

static void ost_insertion(ModelSlot *s, uint32_t status)
{
    if (status == INSERT_IN_PROGRESS) {
        notice(s);
        return;
    }
    s->insertion = status == OSPM_SUCCESS ? M_ONLINE : M_REJECTED;
    s->reject_status = status;
    if (s->request == M_REFUSED) {
        s->request = M_NONE;
    }
}

static void ost_ejection(Model *m, ModelSlot *s, uint32_t status)
{
    if (status == OSPM_SUCCESS) {
        return;
    }
    if (status != OSPM_IN_PROGRESS) {
        end_request(m, s, M_REFUSED);
        s->refuse_status = status;
    } else if (pending(s)) {
        if (s->request == M_REQUESTED) {
            s->remove_event = false;
        }
        s->request = M_PROGRESS;
    }
}

void model_ost(Model *m, unsigned slot, uint32_t event, uint32_t status)
{
    ModelSlot *s = &m->slots[slot];

    m->ost_event = event;
    m->osts++;
    if (!s->serial) {
        return;
    }
    if (event == 0 || event == 1 || event == 0x200) {
        ost_insertion(s, status);
    } else if (event == 3 || event == 0x103) {
        ost_ejection(m, s, status);
    }
}

/* ---- the whole guest ---- */

/* The status bit of the event: it was set and not cleared, or there is something. */
static bool gpe_status(const Model *m)
{
    bool any = m->gpe;

    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        any |= m->slots[n].insert_event || m->slots[n].remove_event;
    }
    return any;
}

static void device_check(Model *m, unsigned slot, const OspmManners *manners)
{
    if (!m->slots[slot].serial) {
        return;
    }
    model_read_place(m, slot);
    if (manners->eject_on_insertion) {
        model_eject(m, slot);
    }
    model_ost(m, slot, OSPM_DEVICE_CHECK, manners->insert_status);
}

static void eject_request(Model *m, unsigned slot, const OspmManners *manners)
{
    if (manners->eject_status) {
        model_ost(m, slot, OSPM_EJECT_REQUEST, manners->eject_status);
        return;
    }
    if (!manners->no_progress) {
        model_ost(m, slot, OSPM_EJECT_REQUEST, OSPM_IN_PROGRESS);
    }
    model_eject(m, slot);
    model_ost(m, slot, OSPM_EJECT_REQUEST, OSPM_SUCCESS);
}

void model_run(Model *m, const OspmManners *manners)
{
    struct {
        unsigned slot;
        bool insertion;
    } notifications[MODEL_SLOTS * 2];
    unsigned count = 0;

    if (manners->deaf || !gpe_status(m)) {
        return;
    }
    m->gpe = false;
    for (unsigned n = 0; n < MODEL_SLOTS; n++) { /* lowest slot first, insertion before removal */
        if (m->slots[n].insert_event) {
            model_flags(m, n, FLAG_INSERT);
            notifications[count].slot = n;
            notifications[count++].insertion = true;
        }
        if (m->slots[n].remove_event) {
            model_flags(m, n, FLAG_REMOVE);
            notifications[count].slot = n;
            notifications[count++].insertion = false;
        }
    }
    for (unsigned i = 0; i < count && !manners->silent; i++) {
        if (notifications[i].insertion) {
            device_check(m, notifications[i].slot, manners);
        } else {
            eject_request(m, notifications[i].slot, manners);
        }
    }
}

void model_boot(Model *m)
{
    m->gpe = false;
    for (unsigned n = 0; n < MODEL_SLOTS; n++) {
        if (m->slots[n].serial) {
            model_read_place(m, n);
        }
    }
}

const char *model_state(const ModelSlot *slot, bool *has_status, uint32_t *status)
{
    static const char *const insertions[] = { "inserted", "noticed", "online", "rejected" };
    static const char *const requests[] = { NULL, "unplug-requested", "unplug-noticed",
                                            "unplug-in-progress", "unplug-refused" };

    if (slot->request != M_NONE) {
        *has_status = slot->request == M_REFUSED;
        *status = slot->refuse_status;
        return requests[slot->request];
    }
    *has_status = slot->insertion == M_REJECTED;
    *status = slot->reject_status;
    return insertions[slot->insertion];
}
