/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small devices: a guest that writes anything to the registers and the buffer of an acpi-erst. */
#include "hw/misc/acpi-erst.h"
#include "hw/pci/pci.h"
#include "tests/fuzz/driver.h"
#include "util/error.h"
#include "util/keyval.h"

#include "qom/user-object.h"

#define ERST_AT     0xe8000000u
#define ERST_BUFFER 0xe9000000u
#define ERST_RECORD 4096u

enum { RECORD_LENGTH = 20, RECORD_ID = 96 };

static void populate(Machine *machine)
{
    struct json_object *props = keyval_parse("size=32K", NULL, NULL);

    g_assert_true(user_object_add("memory-backend-ram", "erst", props, NULL));
    json_object_put(props);
    driver_add("acpi-erst,memdev=erst,record_size=4096,addr=10");
}

/* ---- records ---- */

static void erst_place(void)
{
    driver_config_write(0, PCI_BASE_ADDRESS_0, ERST_AT, 4);
    driver_config_write(0, PCI_BASE_ADDRESS_0 + 4, ERST_BUFFER, 4);
    driver_config_write(0, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
}

static void erst_put(uint64_t value, unsigned action)
{
    driver_access(&address_space_memory, ERST_AT + ERST_VALUE, value, 8);
    driver_access(&address_space_memory, ERST_AT + ERST_ACTION, action, 4);
}

/* An operation as drivers do it, with an offset and a record that may be wrong. */
static void step_erst_operate(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), offset = (unsigned)fuzz_take(in, 2);
    uint32_t at = ERST_BUFFER + offset % ERST_RECORD;

    erst_place();
    address_space_store(&address_space_memory, at + RECORD_LENGTH, fuzz_take(in, 2), 4);
    address_space_store(&address_space_memory, at + RECORD_ID, how >> 2 & 7, 8);
    erst_put(0, (how & 3) % ERST_END);
    erst_put(how & 0x80 ? offset % ERST_RECORD : offset, ERST_SET_OFFSET);
    erst_put(how >> 2 & 7, ERST_SET_ID);
    erst_put(0, ERST_EXECUTE);
}

static void step_erst_action(FuzzInput *in)
{
    unsigned action = (unsigned)fuzz_take(in, 1);

    erst_put(fuzz_take(in, 4), action % (ERST_ACTIONS + 1));
    address_space_load(&address_space_memory, ERST_AT + ERST_VALUE, 8);
}

static void step_erst_access(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3);
    hwaddr at = ERST_AT + (how >> 2 & 0xf);

    if (how & 0x80) {
        driver_access(&address_space_memory, at, fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_memory, at, size);
    }
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_erst_operate, step_erst_action, step_erst_access, fuzz_step_reset,
    fuzz_step_time,    fuzz_step_settle, fuzz_step_run,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
