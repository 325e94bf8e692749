/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Options: lines "-NAME ARGUMENT" as on a command line, and "size TEXT" and others for the parsers
 * below. Options about the machine go to one that is not initialised; those that make something, to
 * the one that is there.
 */
#include <string.h>

#include "chardev/chardev.h"
#include "hw/core/machine-config.h"
#include "hw/core/numa.h"
#include "hw/i386/acpi-build.h"
#include "hw/i386/x86.h"
#include "qapi/qapi-types.h"
#include "system/startup.h"
#include "target/i386/cpuid.h"
#include "tests/fuzz/fuzz.h"
#include "util/keyval.h"
#include "util/parse.h"

#define MOST_LINES 64

/* ---- the parsers ---- */

static void try_size(const char *text)
{
    uint64_t value = 0;

    parse_size(text, 1, &value, NULL);
    parse_size(text, 1 << 20, &value, NULL);
}

static void try_number(const char *text)
{
    uint64_t value = 0;
    bool on;

    if (parse_uint(text, 1000, &value)) {
        g_assert_cmpuint(value, <=, 1000);
    }
    parse_bool(text, &on);
}

/* What was parsed is an object, which can be merged with itself. */
static void try_keyval(const char *text)
{
    struct json_object *props = keyval_parse(text, "implied", NULL);

    if (props) {
        json_object_object_foreach(props, key, value)
        {
            g_assert_true(*key && value);
        }
        g_assert_true(keyval_merge(props, props, NULL));
    }
    json_object_put(props);
}

static void try_json(const char *text)
{
    json_object_put(keyval_or_json_parse(text, "implied", NULL));
}

static void try_chardev(const char *text)
{
    chardev_new_from_short("short", text, false, NULL);
}

static const struct {
    const char *name;
    void (*fn)(const char *text);
} parsers[] = {
    { "size ", try_size }, { "number ", try_number },   { "keyval ", try_keyval },
    { "json ", try_json }, { "chardev ", try_chardev },
};

/* ---- options ---- */

/* Those that only parse, or whose effect ends with the input. */
static const char *const usable[] = {
    "M",       "accel",  "append",     "audiodev", "bios",       "boot",    "chardev",
    "cpu",     "device", "display",    "drive",    "initrd",     "kernel",  "m",
    "machine", "mon",    "monitor",    "msg",      "name",       "no-acpi", "no-hpet",
    "numa",    "object", "overcommit", "pflash",   "qmp",        "rtc",     "sandbox",
    "serial",  "smbios", "smp",        "uuid",     "qmp-pretty", NULL,
};

/* Those whose effect stays: so many uses of them are tried in all. */
static const char *const lasting[] = { "blockdev", "fw_cfg", NULL };
#define MOST_LASTING 2000

static bool is_usable(const Option *option)
{
    static unsigned uses;

    return g_strv_contains(usable, option->name) ||
           (g_strv_contains(lasting, option->name) && uses++ < MOST_LASTING);
}

static void run_option(Startup *startup, char *line)
{
    g_autoptr(GArray) uses = NULL;
    char *space = strchr(line, ' ');
    char *argv[] = { (char *)"fuzz", line, space ? space + 1 : NULL };
    g_autofree char *text = NULL, *where = NULL;
    const OptionUse *use;

    if (space) {
        *space = '\0';
    }
    uses = cmdline_parse(space ? 3 : 2, argv, NULL);
    if (!uses || !uses->len) {
        return;
    }
    use = &g_array_index(uses, OptionUse, 0);
    where = cmdline_use_text(use);
    if (cmdline_use_wants_text(use, &text, NULL)) {
        return;
    }
    if (is_usable(use->option)) {
        cmdline_use_run(use, startup, NULL);
    }
}

static void run_line(Startup *startup, char *line)
{
    for (size_t i = 0; i < G_N_ELEMENTS(parsers); i++) {
        if (g_str_has_prefix(line, parsers[i].name)) {
            parsers[i].fn(line + strlen(parsers[i].name));
            return;
        }
    }
    run_option(startup, line);
}

/* The tables that depend on options most. */
static void check_tables(Machine *machine)
{
    g_autoptr(AcpiTables) tables = acpi_tables_new();

    g_byte_array_unref(smbios_build(machine, X86_MACHINE(machine)->smbios));
    acpi_build_slit(tables, machine);
    if (machine->numa.hmat) {
        acpi_build_hmat(tables, machine);
    }
}

/* What machine_init() looks at, of a machine that is as the options say. */
static void check_machine(Machine *machine)
{
    X86CpuModel model;

    if (machine_check_memory(machine, NULL) &&
        numa_complete(&machine->numa, &machine->cpu_slots, machine->ram.size, NULL)) {
        uint64_t total = 0;

        for (unsigned n = 0; n < machine->numa.num_nodes; n++) {
            total += machine->numa.nodes[n].mem;
        }
        g_assert_cmpuint(total, ==, machine->ram.size);
        g_assert_cmpuint(machine->smp.cpus, <=, machine->smp.maxcpus);
        g_assert_cmpuint(machine->ram.size, <=, machine->ram.max_size);
        check_tables(machine);
    }
    if (machine->cpu_model) {
        x86_cpu_model_parse(&model, machine->cpu_model, NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", MOST_LINES);
    Startup startup = {
        .machine_props = json_object_new_object(),
        .monitors = g_array_new(FALSE, FALSE, sizeof(MonitorRequest)),
    };

    fuzz_machine();
    fuzz_input_begin();
    startup.machine = MACHINE(object_new("pc-i440fx-7.2-machine", NULL));
    for (char **line = lines; *line; line++) {
        run_line(&startup, *line);
    }
    check_machine(startup.machine);
    object_unref(OBJECT(startup.machine));
    json_object_put(startup.machine_props);
    g_array_unref(startup.monitors);
    g_clear_pointer(&startup.virtio_drives, g_ptr_array_unref);
    g_clear_pointer(&startup.ide_drives, g_ptr_array_unref);
    g_free(startup.accel);
    g_free(startup.guest_name);
    fuzz_input_end();
    return 0;
}
