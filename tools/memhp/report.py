# SPDX-License-Identifier: GPL-2.0-or-later
"""What is printed: a line of TAP for each scenario, and a table at the end; or all of it as JSON."""
import dataclasses
import json
import typing


@dataclasses.dataclass
class Result:
    """@outcome: ok, refused (which is right as well), skip or fail."""
    name: str
    about: str
    outcome: str
    text: str
    seconds: typing.Optional[float]  # that the kernel took
    duration: float                  # of the scenario, with the start of the guest
    lines: list


class Tap:
    def __init__(self, out, header):
        self.out, self.header, self.results = out, header, []

    def say(self, line):
        print(line, file=self.out, flush=True)

    def begin(self, count):
        self.say("TAP version 13")
        self.say(f"1..{count}")
        for name, value in self.header.items():
            self.say(f"# {name}: {value}")

    def add(self, result):
        self.results.append(result)
        number, text = len(self.results), result.text.replace("#", "number ").replace("\n", " ")
        if result.outcome != "skip":
            text += f" [{result.duration:.1f} s in all]"
        if result.outcome == "fail":
            self.say(f"not ok {number} {result.name}: {text}")
        elif result.outcome == "skip":
            self.say(f"ok {number} {result.name} # SKIP {text}")
        elif result.outcome == "refused":
            self.say(f"ok {number} {result.name}: refused: {text}")
        else:
            self.say(f"ok {number} {result.name}: {text}")
        for line in result.lines:
            self.say(f"#   {line}")

    def end(self):
        width = max((len(result.name) for result in self.results), default=0)
        self.say("#")
        self.say(f"# {'scenario':{width}}  {'result':7}  {'kernel':>8}  {'in all':>8}  what the kernel did")
        for result in self.results:
            seconds = f"{result.seconds:.2f} s" if result.seconds is not None else ""
            self.say(f"# {result.name:{width}}  {result.outcome:7}  {seconds:>8}  {result.duration:6.1f} s  {result.text}")
        counts = {kind: sum(r.outcome == kind for r in self.results) for kind in ("ok", "refused", "skip", "fail")}
        self.say("# " + ", ".join(f"{count} {kind}" for kind, count in counts.items()))


class Json(Tap):
    def begin(self, count):
        pass

    def add(self, result):
        self.results.append(result)

    def end(self):
        self.say(json.dumps({**self.header, "scenarios": [dataclasses.asdict(result) for result in self.results]}, indent=2))
