#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the source itself promises: which folder may include which, sizes, licences, and that the
documents name only what is there. BUILD-DIR is an argument; no machine is started."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import tap
from circles import circles
from members import check, variables

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = f"{sys.argv[1]}/dimmable"

# Headers that the build makes.
GENERATED = {"qapi/qapi-types.h", "qapi/qapi-events.h", "qapi/qapi-commands.h"}

MAX_FILE = 800      # lines of a C file
MAX_FUNCTION = 80   # lines of a function's body


def house():
    """The folders, lowest first."""
    text = (ROOT / "meson.build").read_text()
    order = re.search(r"foreach folder : \[(.*?)\]", text, re.S).group(1)
    return [name.split("/")[0] for name in re.findall(r"'([^']+)'", order)]


def chips():
    """Those of hw/, lowest first."""
    return re.findall(r"subdir\('(\w+)'\)", (ROOT / "hw/meson.build").read_text())


def files(*suffixes, below=""):
    found = []
    for folder, names, leaves in os.walk(ROOT / below):
        names[:] = [name for name in names if name[0] != "." and name != "__pycache__"
                    and not (Path(folder) / name / "build.ninja").exists()
                    and not (folder == str(ROOT) and name.startswith("build"))]
        found += [Path(folder) / leaf for leaf in leaves if leaf.endswith(suffixes)]
    return sorted(path.relative_to(ROOT) for path in found)


def sources(*suffixes):
    return [path for folder in house() for path in files(*suffixes, below=folder)]


def includes(path):
    text = (ROOT / path).read_text()
    return [Path(name) for name in re.findall(r'^\s*#\s*include "([^"]+)"', text, re.M)]


def nothing(found):
    if found:
        raise AssertionError("\n" + "\n".join(found))


def upward(order, path, included, depth):
    """Whether an include leads from one of the folders @order to a later one."""
    if len(path.parts) <= depth + 1 or len(included.parts) <= depth + 1:
        return False
    return order.index(included.parts[depth]) > order.index(path.parts[depth])


def test_includes():
    floors, inner = house(), chips()
    wrong = []
    for path in sources(".c", ".h"):
        for included in includes(path):
            if str(included) not in GENERATED and not (ROOT / included).exists():
                wrong.append(f"{path}: {included} is no path from the root")
            elif upward(floors, path, included, 0):
                wrong.append(f"{path}: {included} is above {path.parts[0]}/")
            elif path.parts[0] == included.parts[0] == "hw" and upward(inner, path, included, 1):
                wrong.append(f"{path}: {included} is above hw/{path.parts[1]}/")
    nothing(wrong)


def test_engines():
    """Engines do not know each other."""
    wrong = []
    for path in files(".c", ".h", below="accel"):
        for included in includes(path):
            if (len(path.parts) == len(included.parts) == 3 and included.parts[0] == "accel"
                    and included.parts[1] != path.parts[1]):
                wrong.append(f"{path}: {included}")
    nothing(wrong)


def group(path):
    """The floor of the house that a file is on; within accel/ and hw/, the folder there."""
    deep = path.parts[0] in ("accel", "hw") and len(path.parts) > 2
    return path.parts[:2 if deep else 1]


def test_circles():
    """Nothing that a file includes leads back to it over another group. A source and its header are
    one."""
    graph = {}
    for path in sources(".c", ".h"):
        graph.setdefault(path.with_suffix(""), set()).update(name.with_suffix("") for name in includes(path))
    nothing([" ".join(map(str, circle)) for circle in circles(graph, group)])


def test_circles_are_found():
    paths = {Path(a): {Path(b) for b in bs} for a, bs in {
        "hw/a/x": ["hw/a/y"], "hw/a/y": ["hw/a/x", "hw/b/z"], "hw/b/z": ["util/u"], "util/u": []}.items()}
    tap.equal(circles(paths, group), [], "one within a group")
    paths[Path("util/u")] = {Path("hw/a/x")}
    tap.equal([[str(path) for path in circle] for circle in circles(paths, group)],
              [["hw/a/x", "hw/a/y", "hw/b/z", "util/u"]])


def test_members():
    """Each member of a device, and of whatever else has a state table, is in the table or says why not."""
    nothing(check((ROOT / path).read_text() for path in sources(".c", ".h")))


DEVICE = """
typedef struct Chip {
    Device parent;
    uint8_t index, data[4];
    struct {
        uint64_t base; /* of it */
    } inner;
    /* wiring */
    Irq irq;
    void (*notify)(void *opaque, bool pending);%s
} Chip;
static const StateField chip_fields[] = {
    STATE_UINT(Chip, index), STATE_UINTS(Chip, data), STATE_UINT(Chip, inner.base),%s
    {},
};
"""


def test_members_are_found():
    """A member more, without a mark, with one, and in the table as well."""
    def found(member, field=""):
        return [text.split()[0] for text in check([DEVICE % (member, field)])]
    tap.equal(found(""), [])
    tap.equal(found("\n    /* derived from index */\n    bool ready;"), [])
    tap.equal(found("\n    /* state */\n    bool ready, steady;"), ["Chip.ready", "Chip.steady"])
    tap.equal(found("\n    /* state */\n    bool ready;", "STATE_BOOL(Chip, ready),"), [])
    tap.equal(found("\n    bool ready;", "STATE_BOOL(Chip, ready),"), ["Chip.ready"])
    tap.equal(found("\n    /* state */\n    struct {\n        bool a;\n    } b;"), ["Chip.b.a"])
    tap.equal([text.split()[0] for text in check(["struct Other {\n    Chip parent;\n    int more;\n};\n" +
                                                 DEVICE % ("", "")])], ["Other.more"])


# Variables of hw/ outside of structures, and why a saved machine does not need them.
VARIABLES = {
    "hw/char/isa-parallel.c": {"parallels": "wiring"},
    "hw/dma/i8257.c": {"controllers": "wiring"},
    "hw/char/isa-serial.c": {"serials": "wiring"},
    "hw/cxl/cxl-host.c": {"the_host": "wiring"},
    "hw/core/bus.c": {"all_buses": "wiring", "none": "empty"},
    "hw/core/device.c": {"aliases": "constant after the start", "realized_devices": "wiring"},
    "hw/core/irq-lines.c": {"tables": "constant after the start"},
    "hw/core/machine.c": {"the_machine": "wiring"},
    "hw/input/input.c": {"keyboards": "wiring", "pointers": "wiring", "pointers_made": "wiring", "none": "empty"},
    "hw/virtio/virtio-keyboard.c": {"keys": "constant after the start", "keyboard_codes": "constant after the start"},
    "hw/input/input-linux.c": {"all": "wiring"},
    "hw/core/preconfig.c": {"finish_opaque": "before there is a machine", "active": "before there is a machine"},
    "hw/core/save-check.c": {"checks": "wiring"},
    "hw/core/save-leave.c": {"leavers": "wiring"},
    "hw/usb/usb-host-library.c": {"library": "of the host's devices, which no saved machine has", "funcs": "constant after the start"},
    "hw/usb/ccid-card-emulated.c": {"told": "of the library, which is this program's", "taken": "wiring"},
    "hw/core/runstate.c": {
        "state": "the other end's own", "actions": "configuration", "exit_status": "of this program",
        "shutdown_requested": "in the run record (docs/state.md)", "powerdown_requested": "done before the machine goes",
        "reset_requested": "done before the machine goes", "processing_scheduled": "derived from the requests",
        "asleep": "in the run record (docs/state.md)", "suspend_requested": "done before the machine goes",
        "wakeup_requested": "the PM block asks again where the machine goes on",
        "resets_held": "this program's dump or migration", "guest_held": "this program's migration",
        "start_calls": "wiring", "stop_calls": "wiring"},
    "hw/virtio/vhost-wait.c": {"devices": "wiring", "checks": "derived from the devices"},
    "hw/virtio/vhost-ask.c": {"mutex": "wiring", "changed": "wiring", "asked": "derived from the devices", "told": "derived from the devices",
                              "reset_waits": "a reset is done before the machine goes",
                              "reset_may": "a reset is done before the machine goes", "loud": "derived from the devices", "ends": "of this program"},
    "hw/core/boot-order.c": {"list": "configuration"},
    "hw/net/announce.c": {"running": "the end of a migration begins anew"},
    "hw/core/failover.c": {"primaries": "configuration", "standbys": "derived from the devices", "coming": "while it is plugged",
                           "leaving": "this program's migration", "scheduled": "derived from the devices",
                           "cannot_leave": "this program's migration"},
    "hw/core/firmware-file.c": {"added_dirs": "configuration"},
    "hw/intc/apic-deliver.c": {"bus": "wiring, and a line whose level the 8259 tells again"},
    "hw/intc/apic.c": {"region": "wiring"},
    "hw/intc/isa-irq.c": {"isa_irqs": "wiring"},
    "hw/mem/memory-device.c": {"none": "empty", "guards": "wiring", "settled_calls": "done before the machine goes"},
    "hw/memtarget/dimms.c": {"own": "at the other end backends are its user's own"},
    "hw/memtarget/payers.c": {"payers": "what is not known of a guest is taken to be little"},
    "hw/memtarget/memory-target.c": {
        "run": "a machine goes when none is under way", "was_reset": "of the run", "is_scheduled": "of the run"},
    "hw/vfio/vfio-container.c": {"container": "of the host's devices, which no saved machine has", "groups": "the same",
                                 "dma": "the same"},
    "hw/net/nic.c": {"nics": "wiring"},
    "hw/misc/vmport.c": {"the_vmport": "wiring"},
}


def test_variables():
    """What devices keep is in structures, where a state table can have it: what is not, says why."""
    found = {str(path): set(variables((ROOT / path).read_text())) for path in files(".c", below="hw")}
    nothing([f"{path}: {name} is state of no structure: put it into a device's, or say in VARIABLES why a saved machine "
             "does not need it" for path, names in found.items() for name in sorted(names - set(VARIABLES.get(path, {})))]
            + [f"{path}: there is no variable {name} any more" for path, names in VARIABLES.items()
               for name in sorted(set(names) - found.get(path, set()))])


def test_variables_are_found():
    tap.equal(variables("static int a;\nstatic const int b = 1;\nstatic const char *c;\nstatic const char *const d[] = {};\n"
                        "static int f(void)\n{\n    static bool g, h;\n}\nstatic struct {\n    int i;\n} j;\n"
                        "static const struct {\n    int k;\n} l[] = {};\nstatic inline int m(int n);\n"),
              ["a", "c", "g", "h", "j"])


def test_sizes():
    wrong = []
    for path in sources(".c", ".h"):
        lines = (ROOT / path).read_text().split("\n")
        if len(lines) > MAX_FILE:
            wrong.append(f"{path}: {len(lines)} lines")
        start = None
        for number, line in enumerate(lines, 1):
            if line == "{":
                start = number
            elif line == "}" and start:
                if number - start > MAX_FUNCTION:
                    wrong.append(f"{path}:{start}: a function of {number - start} lines")
                start = None
    nothing(wrong)


def test_licences():
    wrong = []
    for path in files(".c", ".h", ".S", ".py", ".sh", ".build", ".ld", ".lds", ".md"):
        if "SPDX-License-Identifier: " not in "".join((ROOT / path).open().readlines()[:3]):
            wrong.append(f"{path}: no SPDX line")
    nothing(wrong)


def test_leftovers():
    wrong = []
    for path in sources(".c", ".h", ".S", ".json"):
        for number, line in enumerate((ROOT / path).open(), 1):
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                wrong.append(f"{path}:{number}: {line.strip()}")
    nothing(wrong)


COMMENT = re.compile(r'/\*.*?\*/|//[^\n]*|("(?:\\.|[^"\\])*")', re.S)
FORMAT_64 = re.compile(r'G_GU?INT64_\w*FORMAT|%[-+ #0-9.*]*ll?[diouxX]')


def other_formats(text):
    """Formats of 64-bit numbers, but for those of <inttypes.h>, by line."""
    code = COMMENT.sub(lambda m: m.group(1) or "\n" * m.group(0).count("\n"), text)
    return [(number, found) for number, line in enumerate(code.split("\n"), 1)
            for found in FORMAT_64.findall(line)]


def test_formats():
    """64-bit numbers are printed in one way: by PRIu64, PRIx64 and PRId64."""
    nothing([f"{path}:{number}: {found}: use <inttypes.h>" for path in files(".c", ".h")
             for number, found in other_formats((ROOT / path).read_text())])


def test_units():
    """Sizes have one set of names. What runs in a guest without a host's headers has its own."""
    nothing([f"{path}: {name}: use util/units.h" for path in files(".c", ".h")
             if path != Path("util/units.h") and path.parts[:3] != ("tests", "guest", "bare")
             for name in re.findall(r"# *define ([KMGT]i?B)\b", (ROOT / path).read_text(), re.I)])


def test_formats_are_found():
    tap.equal(other_formats('/* %lu\n */\nf("%" G_GUINT64_FORMAT);\nf("/* %#llx */ %08lx %-*ld");'),
              [(3, "G_GUINT64_FORMAT"), (4, "%#llx"), (4, "%08lx"), (4, "%-*ld")])
    tap.equal(other_formats('f("%" PRIu64 "lu%d%s%zu%lf"); // %lu'), [])


def plain_casts(texts):
    """Of the C files @texts, by name: casts to structures of objects that are not checked."""
    texts = {path: COMMENT.sub(r"\1", text) for path, text in texts.items()}
    types = {name for text in texts.values()
             for name in re.findall(r"\.instance_size = sizeof\((\w+)\)", text)} - {"Object"}
    cast = re.compile(rf"\((?:const )?(?:struct )?({'|'.join(types)}) \*\)[\w(&]")
    return [(path, name) for path, text in texts.items() for name in cast.findall(text)]


def test_casts():
    """Pointers to objects become those of their structures by checked casts (qom/object.h)."""
    nothing([f"{path}: a cast to {name} that is not checked" for path, name in
             plain_casts({path: (ROOT / path).read_text() for path in sources(".c", ".h")})])


def test_casts_are_found():
    texts = {"a": "x = { .instance_size = sizeof(Chip) };", "b": "f((const Chip *)obj, (Other *)obj); /* (Chip *)a */",
             "c": "Chip *(*g)(Chip *);\nh(CHIP(obj));", "d": "(*(struct Chip *)&y)"}
    tap.equal(plain_casts(texts), [("b", "Chip"), ("d", "Chip")])


def taken_twice(text):
    """Errors that their function frees at its end (g_autoptr), and gives to a function that frees them."""
    functions = re.split(r"(?m)^}$", text)
    return [name for body in functions for name in re.findall(r"g_autoptr\(GError\) (\w+)", body)
            if re.search(rf"\b(?:hmp_error|g_propagate_error|g_error_free)\((?:[^;()]*, )?{name}\)", body)]


def test_errors():
    nothing([f"{path}: '{name}' is freed twice" for path in sources(".c") for name in taken_twice((ROOT / path).read_text())])


def test_errors_are_found():
    text = ("void f(Hmp *hmp)\n{\n    g_autoptr(GError) err = NULL;\n\n    hmp_error(hmp, %s);\n}\n")
    tap.equal(taken_twice(text % "err"), ["err"])
    tap.equal(taken_twice(text % "g_steal_pointer(&err)"), [])
    tap.equal(taken_twice((text % "other") + "void g(void)\n{\n    g_error_free(err);\n}\n"), [])


# Headers whose functions have more than one prefix.
PREFIXES = {
    # What the files of a folder share with each other, each with its own.
    "memory/internal.h", "monitor/monitor-internal.h", "qom/internal.h",
    # The words of the translator's own language: guest_read(), flags_load(), memory_operand(), ...
    "accel/soft/translate/emit.h", "accel/soft/translate/emit-sse.h", "accel/soft/translate/leave.h",
}


def prefixes(text):
    """The first words of the functions that a header exports, a plural being its singular."""
    code = COMMENT.sub(" ", text).replace("\\\n", " ")
    code = re.sub(r"^[ \t]*#.*", "", code, flags=re.M)
    while (flat := re.sub(r"\{[^{}]*\}", ";", code)) != code:
        code = flat
    code = re.sub(r"\b__attribute__\(\(.*?\)\)|^[A-Z_]+\(.*\)$|_Static_assert\(.*?\)(?=;)", "", code, flags=re.M)
    found = {match.group(1).split("_")[0] for part in code.split(";")
             if (match := re.match(r"(?!typedef|extern)[\w\s*]*?\b([a-z]\w*)\(", part.strip()))}
    return sorted(word for word in found if not {word[:-1], word[:-2]} & found or word[-1] != "s")


def test_prefixes():
    """The names of what a header exports begin with the same word."""
    found = {str(path): prefixes((ROOT / path).read_text()) for path in sources(".h")
             if "optionrom" not in path.parts}  # a program of its own
    nothing([f"{path}: {', '.join(words)}" for path, words in found.items()
             if len(words) > 1 and path not in PREFIXES]
            + [f"{path}: is no exception" for path in PREFIXES if len(found.get(path, [])) < 2])


def test_prefixes_are_found():
    text = """/* other_one(x); */
#define THING(x) other_two(x)
typedef struct Thing Thing;
typedef bool ThingFn(void (*fn)(int a));
struct Thing { int (*other_three)(void); };
Thing *thing_new(void (*other_four)(void *opaque),
                 int n);
void things_foreach(void);
static inline int thing_inline(void)
{
    if (other_six()) { return 1; }
    return 0;
}
const char *const *%s_names(void);
"""
    tap.equal(prefixes(text % "thing"), ["thing"])
    tap.equal(prefixes(text % "name"), ["name", "thing"])


def test_one_loop():
    """There is one main loop, there are those with threads of their own, and none inside of one."""
    wrong = []
    for path in sources(".c"):
        for number, line in enumerate((ROOT / path).open(), 1):
            if (re.search(r"\b(g_main_context_iteration|g_main_loop_run|main_loop_iterate)\b", line)
                    and path not in (Path("util/main-loop.c"), Path("util/loop.c"))):
                wrong.append(f"{path}:{number}: {line.strip()}: use a task (util/task.h)")
    nothing(wrong)


def test_doc_paths():
    """Files that documents name are there; every document is in the README's list."""
    tops = "|".join(house() + ["docs", "scripts", "tests"])
    readme = (ROOT / "README.md").read_text()
    wrong = []
    for path in files(".md"):
        text = (ROOT / path).read_text()
        for link in re.findall(r"\]\(([^)#:]+)\)", text):
            if not (ROOT / path.parent / link).exists():
                wrong.append(f"{path}: the link {link}")
        for name in re.findall(rf"`((?:{tops})/[\w./-]*)`", text):
            if not (re.search("[A-Z]{4}", name) or name in GENERATED or (ROOT / name).exists()):
                wrong.append(f"{path}: there is no {name}")
        if path.parts[0] == "docs" and f"({path})" not in readme:
            wrong.append(f"README.md: no link to {path}")
    nothing(wrong)


def test_suites():
    """The tests that docs/suites.md names are there, and in their sources each case that a row names."""
    known = {test["name"] for test in json.loads((Path(sys.argv[1]) / "meson-info/intro-tests.json").read_text())}
    texts = [(ROOT / path).read_text(errors="replace") for path in files(".py", ".c", below="tests")
             if path.parts[1] not in ("source", "fuzz")]
    text = (ROOT / "docs/suites.md").read_text()
    wrong = []
    for row in re.findall(r"^\|(.*)\|$", text, re.M):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", row)]
        tests, cases = (cells[-2], cells[-1]) if len(cells) == 4 else (cells[-1], "")
        wrong += [f"docs/suites.md: there is no test {name}" for name in re.findall(r"`([^`]*)`", tests) if name not in known]
        for case in re.findall(r"`([^`]*)`", cases):
            if not any(case in source for source in texts):
                wrong.append(f"docs/suites.md: there is no case {case}")
    nothing(wrong)


def test_storage_tests():
    """The same of docs/storage-tests.md, whose last column has programs of tests/bench."""
    known = {test["name"] for test in json.loads((Path(sys.argv[1]) / "meson-info/intro-tests.json").read_text())}
    known |= set(os.listdir(ROOT / "tests/bench"))
    rows = re.findall(r"^\|.*\|$", (ROOT / "docs/storage-tests.md").read_text(), re.M)
    nothing([f"docs/storage-tests.md: there is no test {name}" for row in rows for name in re.findall(r"`([^`]*)`", row) if name not in known])


def test_fuzz_targets():
    """What is built is run, is documented, and has inputs."""
    def words(path, start, quote):
        return re.findall(rf"{quote}([a-z0-9-]+){quote}", (ROOT / path).read_text().partition(start)[2].partition("]")[0])

    built = words("tests/fuzz/meson.build", "fuzz_targets = [", "'")
    table = (ROOT / "docs/fuzzing.md").read_text().partition("| target | input |")[2].partition("\n\n")[0]
    told = re.findall("`([a-z0-9-]+)`", " ".join(line.split("|")[1] for line in table.splitlines() if line))
    tap.equal(words("tests/fuzz/run.py", "TARGETS = [", '"'), built, "tests/fuzz/run.py")
    tap.equal(sorted(told), sorted(built), "docs/fuzzing.md")
    tap.equal(sorted(os.listdir(ROOT / "tests/fuzz/corpus")), sorted(built), "tests/fuzz/corpus")


def test_options():
    """docs/command-line.md has the options that -help has, and no others."""
    shown = subprocess.run([PROGRAM, "-help"], capture_output=True, text=True, check=True).stdout
    there = set(re.findall(r"^  (-[\w-]+)", shown, re.M))
    text = (ROOT / "docs/command-line.md").read_text()
    table = re.findall(r"^\| (`-[^|]*) \|", text, re.M)
    written = {option for row in table for option in re.findall(r"`(-[\w-]+)", row)}
    nothing([f"docs/command-line.md has no {option}" for option in sorted(there - written)]
            + [f"-help has no {option}" for option in sorted(written - there)])


tap.run([("includes", test_includes), ("engines", test_engines), ("circles", test_circles),
         ("circles are found", test_circles_are_found), ("members", test_members),
         ("members are found", test_members_are_found),
         ("variables", test_variables), ("variables are found", test_variables_are_found), ("sizes", test_sizes),
         ("licences", test_licences), ("leftovers", test_leftovers), ("formats", test_formats),
         ("formats are found", test_formats_are_found), ("units", test_units),
         ("casts", test_casts), ("errors", test_errors), ("errors are found", test_errors_are_found),
         ("casts are found", test_casts_are_found), ("prefixes", test_prefixes),
         ("prefixes are found", test_prefixes_are_found), ("one-loop", test_one_loop),
         ("doc-paths", test_doc_paths), ("suites", test_suites), ("storage-tests", test_storage_tests), ("fuzz-targets", test_fuzz_targets),
         ("options", test_options)])
