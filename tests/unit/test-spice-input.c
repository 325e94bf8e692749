/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the SPICE library, in whose place we are, tells of a client's pointer. */
#include "ui/spice-internal.h"

static const SpiceMouseInterface *mouse;
static int moved[2];

/* ---- in place of the library ---- */

int __wrap_spice_server_add_interface(SpiceServer *server, SpiceBaseInstance *base);

int __wrap_spice_server_add_interface(SpiceServer *server, SpiceBaseInstance *base)
{
    if (g_str_equal(base->sif->type, SPICE_INTERFACE_MOUSE)) {
        mouse = (const SpiceMouseInterface *)base->sif;
    }
    return 0;
}

/* ---- the machine's side ---- */

static void key(uint8_t number, bool down)
{
}

static bool absolute(void)
{
    return false;
}

static void move(InputAxis axis, int value, bool place)
{
    g_assert_false(place);
    moved[axis == INPUT_AXIS_Y] = value;
}

static void button(InputButton which, bool down)
{
}

static void sync_all(void)
{
}

static const SpiceHost host = { key, absolute, move, button, sync_all };

/* ---- tests ---- */

/* No move is longer than the axes are: devices add them up. */
static void test_far(void)
{
    spice_input_start(NULL, &host);
    mouse->motion(NULL, 3, -4, 0, 0);
    g_assert_cmpint(moved[0], ==, 3);
    g_assert_cmpint(moved[1], ==, -4);
    mouse->motion(NULL, INT32_MIN, INT32_MAX, 0, 0);
    g_assert_cmpint(moved[0], ==, -SPICE_AXIS_MAX);
    g_assert_cmpint(moved[1], ==, SPICE_AXIS_MAX);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/spice-input/far", test_far);
    return g_test_run();
}
