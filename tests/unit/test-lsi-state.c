/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A saved state that lsi53c895a's bus cannot be in is refused: SCRIPTS would lead from it to a
 * second command at once. */
#include "hw/hba/lsi.h"
#include "migration/reader.h"
#include "tests/unit/saved-machine.h"
#include "util/keyval.h"

static Lsi *lsi;

/* Is the state that it has now one that it can have? */
static bool is_possible(void)
{
    const StateTable *state = device_class(DEVICE(OBJECT(lsi)))->state;
    g_autoptr(GByteArray) saved = g_byte_array_new();
    bool ok;

    state_save(state, lsi, saved);
    machine_reset(machine_current());
    ok = state_load(state, lsi, saved->data, saved->len, NULL);
    machine_reset(machine_current());
    return ok;
}

/* A target has been selected, and is in that phase. */
static void select_target(unsigned phase, bool has_command)
{
    lsi->connected = true;
    lsi->phase = (uint8_t)phase;
    lsi->port.active = has_command; /* and its status is to be taken */
}

static void test_phases(void)
{
    g_assert_true(is_possible());
    select_target(LSI_MESSAGE_OUT, false);
    g_assert_true(is_possible());
    select_target(LSI_WAIT_PHASE, true);
    g_assert_true(is_possible());
    select_target(LSI_WAIT_PHASE, false);
    g_assert_false(is_possible());
    select_target(LSI_COMMAND, true);
    g_assert_false(is_possible());
    select_target(LSI_MESSAGE_OUT, true);
    g_assert_false(is_possible());
}

int main(int argc, char **argv)
{
    struct json_object *props = keyval_parse("lsi53c895a,id=s0", "driver", NULL);

    g_test_init(&argc, &argv, NULL);
    make_machine("pc");
    g_assert_true(device_add(props, NULL));
    json_object_put(props);
    lsi = LSI(object_resolve("/machine/peripheral/s0", NULL));
    g_test_add_func("/lsi-state/phases", test_phases);
    return g_test_run();
}
