/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The floppy controller, after whatever a saved machine says of its command. */
#include "hw/floppy/fdc.h"
#include "migration/reader.h"
#include "tests/unit/saved-machine.h"
#include "util/error.h"

enum { FIFO = 4, VERSION = 0x10, READ = 0x66 }; /* of the ports that begin with 1 */

static bool loads(IsaFdc *s)
{
    const DeviceClass *class = object_ops(OBJECT(s));

    return class->state->post_load(s, NULL);
}

/* What was given lies within the command, when the next byte of one comes. */
static void test_given(void)
{
    IsaFdc *s;

    make_machine("pc");
    s = fdc_find();
    g_assert_true(loads(s));
    for (unsigned phase = FDC_COMMAND; phase <= FDC_DATA; phase++) {
        for (unsigned given = 0; given <= FDC_COMMAND_BYTES; given++) {
            s->phase = (uint8_t)phase;
            s->given = (uint8_t)given;
            s->command[0] = READ;
            s->command[1] = 0;
            s->results = 1;
            s->read = 0;
            s->at = 0;
            s->times[1] = 1; /* without DMA */
            s->dor = 0xc;
            bool good = phase == FDC_COMMAND  ? given < FDC_COMMAND_BYTES
                        : phase == FDC_RESULT ? !given
                                              : true;
            g_assert_true(loads(s) == good);
            if (!good) {
                continue;
            }
            if (phase == FDC_RESULT) {
                s->ports.ops->read(s, FIFO, 1);
            }
            for (unsigned i = 0; phase != FDC_DATA && i < FDC_COMMAND_BYTES - given; i++) {
                g_assert_cmpuint(s->given, ==, given + i);
                s->ports.ops->write(s, FIFO, i + given ? 0 : READ, 1);
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fdc-load/given", test_given);
    return g_test_run();
}
