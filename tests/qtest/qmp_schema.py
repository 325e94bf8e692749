# SPDX-License-Identifier: GPL-2.0-or-later
"""The reply to query-qmp-schema as a validator: of replies, events and of itself."""

CHECKS = {
    "string": lambda v: isinstance(v, str),
    "int": lambda v: isinstance(v, int) and not isinstance(v, bool) and -(1 << 63) <= v < 1 << 64,
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "value": lambda v: True,
}
EXAMPLES = {"string": "x", "int": 1, "number": 0.5, "boolean": False, "null": None, "value": 1}


class Invalid(Exception):
    pass


class Schema:
    def __init__(self, reply):
        self.entries = {}
        for entry in reply:
            key = (entry["meta-type"] in ("command", "event"), entry["name"])
            if key in self.entries:
                raise Invalid(f"{entry['name']} is there twice")
            self.entries[key] = entry
        for entry in reply:
            for member in self.references(entry):
                self.type(member)

    def type(self, name):
        if (False, name) not in self.entries:
            raise Invalid(f"there is no type {name}")
        return self.entries[False, name]

    def of(self, meta):
        return [e for e in self.entries.values() if e["meta-type"] == meta]

    @staticmethod
    def references(entry):
        """Names of the types that an entry mentions."""
        yield from (entry[key] for key in ("arg-type", "ret-type", "element-type") if key in entry)
        if entry["meta-type"] in ("object", "alternate"):
            yield from (m["type"] for m in entry["members"] + entry.get("variants", []))

    def check(self, name, value, path="$"):
        entry = self.type(name)
        getattr(self, "check_" + entry["meta-type"])(entry, value, path)

    def check_builtin(self, entry, value, path):
        if not CHECKS[entry["json-type"]](value):
            raise Invalid(f"{path}: {value!r} is no {entry['name']}")

    def check_enum(self, entry, value, path):
        if value not in [m["name"] for m in entry["members"]]:
            raise Invalid(f"{path}: {value!r} is none of {entry['name']}")

    def check_array(self, entry, value, path):
        if not isinstance(value, list):
            raise Invalid(f"{path}: {value!r} is no list")
        for i, element in enumerate(value):
            self.check(entry["element-type"], element, f"{path}[{i}]")

    def check_object(self, entry, value, path):
        if not isinstance(value, dict):
            raise Invalid(f"{path}: {value!r} is no object")
        members = self.members(entry, value)
        for member in members:
            if member["name"] in value:
                self.check(member["type"], value[member["name"]], f"{path}.{member['name']}")
            elif "default" not in member:
                raise Invalid(f"{path}: member {member['name']} of {entry['name']} is missing")
        unknown = set(value) - {m["name"] for m in members}
        if unknown:
            raise Invalid(f"{path}: {entry['name']} has no members {sorted(unknown)}")

    def members(self, entry, value):
        """Those of the variant too that @value chooses."""
        out = list(entry["members"])
        for variant in entry.get("variants", []):
            if variant["case"] == value.get(entry["tag"]):
                out += self.members(self.type(variant["type"]), value)
        return out

    def example(self, name, optional):
        """A value of a type, with the optional members too if @optional."""
        entry = self.type(name)
        meta = entry["meta-type"]
        if meta == "builtin":
            return EXAMPLES[entry["json-type"]]
        if meta == "enum":
            return entry["members"][0]["name"] if entry["members"] else "x"
        if meta == "array":
            return [self.example(entry["element-type"], optional)] if optional else []
        value = {entry["tag"]: self.type(m["type"])["members"][0]["name"]
                 for m in entry["members"] if m["name"] == entry.get("tag")}
        for member in self.members(entry, value):
            if member["name"] not in value and (optional or "default" not in member):
                value[member["name"]] = self.example(member["type"], optional)
        return value
