/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statements (ACPI 6.4, 20.2.5.3):
 *     If Else While Break Continue Return Noop BreakPoint Notify Acquire Release Signal Wait Reset
 *     Stall Sleep Fatal
 */
#include "tests/qtest/ospm/aml-internal.h"

#include "util/error.h"

enum { ELSE_OP = 0xa1, WAIT_FOR_EVER = 0xffff };

static AmlObject *done_if(bool ok)
{
    return ok ? aml_nothing() : NULL;
}

/* ---- where to go on ---- */

/* The block of an Else that follows: run it or not. */
static bool else_block(AmlEval *ev, bool run)
{
    uint32_t outer;

    if (aml_peek(&ev->cursor) != ELSE_OP) {
        return true;
    }
    ev->cursor.pos++;
    if (!aml_enter(ev, &outer) || (run && !aml_term_list(ev))) {
        return false;
    }
    aml_block_leave(&ev->cursor, outer);
    return true;
}

static AmlObject *op_if(AmlEval *ev, AmlObject **args)
{
    uint32_t outer;
    g_autoptr(AmlObject) condition = NULL;

    if (!aml_enter(ev, &outer) || !(condition = aml_integer_term(ev))) {
        return NULL;
    }
    if (condition->integer && !aml_term_list(ev)) {
        return NULL;
    }
    aml_block_leave(&ev->cursor, outer);
    return done_if(else_block(ev, !condition->integer));
}

static AmlObject *op_stray_else(AmlEval *ev, AmlObject **args)
{
    return aml_fail(ev, "an Else that does not follow an If");
}

/* One turn: false: an error, or the end of the loop. */
static bool loop_turn(AmlEval *ev)
{
    g_autoptr(AmlObject) condition = aml_integer_term(ev);

    if (!condition || !condition->integer || !aml_term_list(ev)) {
        return false;
    }
    if (ev->flow == AML_FLOW_CONTINUE) {
        ev->flow = AML_FLOW_ON;
    }
    return ev->flow == AML_FLOW_ON;
}

static AmlObject *op_while(AmlEval *ev, AmlObject **args)
{
    uint32_t outer, start;

    if (!ev->frame) {
        return aml_fail(ev, "a While outside a method");
    }
    if (!aml_enter(ev, &outer)) {
        return NULL;
    }
    start = ev->cursor.pos;
    ev->frame->loops++;
    while (loop_turn(ev)) {
        ev->cursor.pos = start;
    }
    ev->frame->loops--;
    if (ev->err) {
        return NULL;
    }
    if (ev->flow == AML_FLOW_BREAK) {
        ev->flow = AML_FLOW_ON;
    }
    aml_block_leave(&ev->cursor, outer);
    return aml_nothing();
}

static AmlObject *leave_turn(AmlEval *ev, AmlFlow flow)
{
    if (!ev->frame || !ev->frame->loops) {
        return aml_fail(ev, "a Break or Continue outside a While");
    }
    ev->flow = flow;
    return aml_nothing();
}

static AmlObject *op_break(AmlEval *ev, AmlObject **args)
{
    return leave_turn(ev, AML_FLOW_BREAK);
}

static AmlObject *op_continue(AmlEval *ev, AmlObject **args)
{
    return leave_turn(ev, AML_FLOW_CONTINUE);
}

static AmlObject *op_return(AmlEval *ev, AmlObject **args)
{
    if (!ev->frame) {
        return aml_fail(ev, "a Return outside a method");
    }
    ev->frame->result = aml_object_ref(args[0]);
    ev->flow = AML_FLOW_RETURN;
    return aml_nothing();
}

static AmlObject *op_nothing(AmlEval *ev, AmlObject **args)
{
    return aml_nothing();
}

/* ---- what others notice ---- */

static AmlObject *op_notify(AmlEval *ev, AmlObject **args)
{
    g_autoptr(AmlObject) object = aml_dereference(ev, args[0]);

    if (!object) {
        return NULL;
    }
    if (object->type != AML_DEVICE && object->type != AML_PROCESSOR &&
        object->type != AML_THERMAL_ZONE) {
        return aml_fail(ev, "Notify needs a Device, Processor or ThermalZone, not %s",
                        aml_object_type_name(object));
    }
    if (ev->host.notify) {
        ev->host.notify(ev->host.opaque, object->path, args[1]->integer);
    }
    return aml_nothing();
}

static AmlObject *op_fatal(AmlEval *ev, AmlObject **args)
{
    uint64_t type, code;
    g_autoptr(AmlObject) arg = NULL;

    if (!aml_number_at(ev, 1, &type) || !aml_number_at(ev, 4, &code) ||
        !(arg = aml_integer_term(ev))) {
        return NULL;
    }
    return aml_fail(ev, "Fatal, type 0x%x, code 0x%x, argument 0x%" G_GINT64_MODIFIER "x",
                    (unsigned)type, (unsigned)code, arg->integer);
}

/* ---- synchronisation: nobody else runs, so what would wait would wait for ever ---- */

static AmlObject *sync_object(AmlEval *ev, AmlObject *ref, AmlType type)
{
    AmlObject *object = aml_dereference(ev, ref);

    if (object && object->type != type) {
        aml_fail(ev, "%s is needed, not %s", aml_type_name(type), aml_object_type_name(object));
        g_clear_pointer(&object, aml_object_unref);
    }
    return object;
}

static AmlObject *op_acquire(AmlEval *ev, AmlObject **args)
{
    uint64_t timeout;
    g_autoptr(AmlObject) ref = aml_super_name(ev, false);
    g_autoptr(AmlObject) mutex = ref ? sync_object(ev, ref, AML_MUTEX) : NULL;

    if (!mutex || !aml_number_at(ev, 2, &timeout)) {
        return NULL;
    }
    if (!ev->frame) {
        return aml_fail(ev, "an Acquire outside a method");
    }
    if (mutex->mutex.held == 0) {
        if (mutex->mutex.sync_level < ev->sync_level) {
            return aml_fail(ev, "a Mutex of SyncLevel %u is acquired at level %u",
                            mutex->mutex.sync_level, ev->sync_level);
        }
        mutex->mutex.saved_level = ev->sync_level;
        ev->sync_level = mutex->mutex.sync_level;
        g_ptr_array_add(ev->held, aml_object_ref(mutex));
    }
    mutex->mutex.held++;
    return aml_integer(0);
}

static AmlObject *op_release(AmlEval *ev, AmlObject **args)
{
    g_autoptr(AmlObject) mutex = sync_object(ev, args[0], AML_MUTEX);

    if (!mutex) {
        return NULL;
    }
    if (mutex->mutex.held == 0) {
        return aml_fail(ev, "a Mutex is released that is not held");
    }
    if (mutex->mutex.sync_level != ev->sync_level) {
        return aml_fail(ev, "a Mutex of SyncLevel %u is released at level %u",
                        mutex->mutex.sync_level, ev->sync_level);
    }
    if (--mutex->mutex.held == 0) {
        ev->sync_level = mutex->mutex.saved_level;
        g_ptr_array_remove(ev->held, mutex);
    }
    return aml_nothing();
}

static AmlObject *op_signal(AmlEval *ev, AmlObject **args)
{
    g_autoptr(AmlObject) event = sync_object(ev, args[0], AML_EVENT);

    if (event) {
        event->signals++;
    }
    return done_if(event);
}

static AmlObject *op_reset(AmlEval *ev, AmlObject **args)
{
    g_autoptr(AmlObject) event = sync_object(ev, args[0], AML_EVENT);

    if (event) {
        event->signals = 0;
    }
    return done_if(event);
}

static AmlObject *op_wait(AmlEval *ev, AmlObject **args)
{
    g_autoptr(AmlObject) event = sync_object(ev, args[0], AML_EVENT);

    if (!event) {
        return NULL;
    }
    if (event->signals) {
        event->signals--;
        return aml_integer(0);
    }
    if (args[1]->integer >= WAIT_FOR_EVER) {
        return aml_fail(ev, "a Wait for an Event that nobody will signal");
    }
    ev->time_us += args[1]->integer * 1000;
    return aml_truth(ev, true);
}

static AmlObject *op_stall(AmlEval *ev, AmlObject **args)
{
    ev->time_us += args[0]->integer;
    return aml_nothing();
}

static AmlObject *op_sleep(AmlEval *ev, AmlObject **args)
{
    ev->time_us += args[0]->integer * 1000;
    return aml_nothing();
}

static const struct {
    unsigned opcode;
    AmlOp op;
} ops[] = {
    { 0xa0, { "If", NULL, op_if } },
    { ELSE_OP, { "Else", NULL, op_stray_else } },
    { 0xa2, { "While", NULL, op_while } },
    { 0xa3, { "Noop", "", op_nothing } },
    { 0xcc, { "BreakPoint", "", op_nothing } },
    { 0xa4, { "Return", "d", op_return } },
    { 0xa5, { "Break", "", op_break } },
    { 0x9f, { "Continue", "", op_continue } },
    { 0x86, { "Notify", "si", op_notify } },
    { AML_EXT(0x32), { "Fatal", NULL, op_fatal } },
    { AML_EXT(0x23), { "Acquire", NULL, op_acquire } },
    { AML_EXT(0x27), { "Release", "s", op_release } },
    { AML_EXT(0x24), { "Signal", "s", op_signal } },
    { AML_EXT(0x25), { "Wait", "si", op_wait } },
    { AML_EXT(0x26), { "Reset", "s", op_reset } },
    { AML_EXT(0x21), { "Stall", "i", op_stall } },
    { AML_EXT(0x22), { "Sleep", "i", op_sleep } },
};

const AmlOp *aml_flow_op(unsigned opcode)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(ops); i++) {
        if (ops[i].opcode == opcode) {
            return &ops[i].op;
        }
    }
    return NULL;
}
