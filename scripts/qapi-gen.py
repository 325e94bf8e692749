#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Generate C from the QAPI schema (qapi/README.md describes schema and output).

usage: qapi-gen.py [--prefix P] OUTPUT_DIR SCHEMA.json...
       qapi-gen.py --doc|--check-doc FILE.md SCHEMA.json...

Writes [P]qapi-types.{h,c}, [P]qapi-events.{h,c}, [P]qapi-commands.{h,c} and [P]qapi-introspect.c;
or the reference for users; or only checks that the reference in FILE.md is the one of this schema.
"""
import argparse
import json
import re
import sys
from pathlib import Path

INTS = {f'{u}int{n}': f'{u}int{n}_t' for u in ('', 'u') for n in (8, 16, 32, 64)}
SCALARS = {'int': 'int64_t', 'size': 'uint64_t', 'bool': 'bool', 'number': 'double', **INTS}
BUILTINS = {**SCALARS, 'str': 'char *', 'any': 'struct json_object *'}
JSON_TYPES = {'str': 'string', 'bool': 'boolean', 'number': 'number', 'int': 'int', 'any': 'value'}
C_WORDS = {'auto', 'bool', 'case', 'char', 'const', 'default', 'do', 'double', 'else', 'enum', 'errno',
           'errp',
           'extern', 'float', 'for', 'if', 'inline', 'int', 'linux', 'long', 'register', 'restrict', 'return',
           'short', 'signed', 'static', 'struct', 'switch', 'typedef', 'union', 'unix', 'unsigned',
           'void', 'volatile', 'while'}
KEYS = {
    'enum': {'doc', 'data', 'absent'},
    'struct': {'doc', 'base', 'data', 'gen'},
    'union': {'doc', 'base', 'discriminator', 'data', 'gen'},
    'command': {'doc', 'data', 'returns', 'gen', 'allow-oob', 'allow-preconfig', 'may-wait',
                'features'},
    'event': {'doc', 'data', 'rate-limit-ms', 'rate-limit-by', 'features'},
}
BANNER = '/* SPDX-License-Identifier: GPL-2.0-or-later */\n' \
         '/* Made by scripts/qapi-gen.py from the schema in qapi/; do not edit. */\n'


class SchemaError(Exception):
    pass


def c_name(name):
    name = re.sub(r'[^A-Za-z0-9_]', '_', name)
    return 'q_' + name if name in C_WORDS or name[0].isdigit() else name


def upper_name(name):
    """RunState -> RUN_STATE, ACPISlotType -> ACPI_SLOT_TYPE, host-error -> HOST_ERROR"""
    name = re.sub(r'([a-z0-9])([A-Z])', r'\1_\2', name)
    name = re.sub(r'([A-Z])([A-Z][a-z])', r'\1_\2', name)
    return re.sub(r'[^A-Za-z0-9]', '_', name).upper()


def c_string(text):
    return json.dumps(text)


class Member:
    def __init__(self, owner, key, spec):
        self.optional = key.startswith('*')
        self.name = key.lstrip('*')
        self.c = c_name(self.name)
        if set(spec) - {'features'} != {'type', 'doc'}:
            raise SchemaError(f'{owner}: member {key} needs "type" and "doc", and may have "features"')
        self.type, self.doc = spec['type'], spec['doc']
        self.features = spec.get('features', {})


class Entity:
    def __init__(self, meta, spec, source):
        self.meta, self.name, self.spec, self.source = meta, spec[meta], spec, source
        self.doc, self.gen = spec.get('doc'), spec.get('gen', True)
        extra = set(spec) - KEYS[meta] - {meta}
        if extra or not self.doc:
            raise SchemaError(f'{source}: {self.name}: ' + (
                f'unknown keys {sorted(extra)}' if extra else 'a "doc" is missing'))


class Schema:
    def __init__(self, paths):
        self.entities = {}
        for path in paths:
            for spec in json.loads(Path(path).read_text()):
                metas = [m for m in KEYS if m in spec]
                if len(metas) != 1:
                    raise SchemaError(f'{path}: {spec} must have exactly one of {sorted(KEYS)}')
                entity = Entity(metas[0], spec, path)
                if entity.name in self.entities or entity.name in BUILTINS:
                    raise SchemaError(f'{path}: {entity.name} is defined twice')
                self.entities[entity.name] = entity
        for entity in self.entities.values():
            self.check(entity)

    def of(self, *metas):
        return [e for e in self.entities.values() if e.meta in metas]

    def members(self, entity):
        """The members in wire order: those of the base first."""
        spec, out = entity.spec, []
        base = spec.get('base')
        data = spec.get('data', {})
        if isinstance(base, str):
            out += self.members(self.lookup(entity.name, base))
        elif base:
            out += [Member(entity.name, k, v) for k, v in base.items()]
        if entity.meta != 'union' and isinstance(data, dict):
            out += [Member(entity.name, k, v) for k, v in data.items()]
        elif isinstance(data, str):
            out += self.members(self.lookup(entity.name, data))
        return out

    def lookup(self, user, name):
        if name not in self.entities:
            raise SchemaError(f'{user}: there is no type {name}')
        return self.entities[name]

    def check_type(self, user, typ):
        if isinstance(typ, list):
            if len(typ) != 1 or isinstance(typ[0], list):
                raise SchemaError(f'{user}: {typ}: a list type is ["Element"]')
            typ = typ[0]
        if typ not in BUILTINS and self.lookup(user, typ).meta not in ('enum', 'struct', 'union'):
            raise SchemaError(f'{user}: {typ} is not a type')

    def check(self, entity):
        spec, where = entity.spec, f'{entity.source}: {entity.name}'
        if entity.meta == 'enum':
            return
        names = set()
        for m in self.members(entity):
            self.check_type(where, m.type)
            if m.name in names:
                raise SchemaError(f'{where}: member {m.name} is there twice')
            names.add(m.name)
        if entity.meta == 'union':
            tags = [m for m in self.members(entity) if m.name == spec['discriminator']]
            if len(tags) != 1 or tags[0].optional or self.lookup(where, tags[0].type).meta != 'enum':
                raise SchemaError(f'{where}: the discriminator must be a mandatory enum of the base')
            cases = self.entities[tags[0].type].spec['data']
            for case, typ in spec['data'].items():
                if case not in cases or self.lookup(where, typ).meta != 'struct':
                    raise SchemaError(f'{where}: case {case} needs an enum value and a struct')
        if entity.meta == 'event':
            self.check_rate_limit(entity, where)
        if entity.meta == 'command':
            if 'returns' in spec:
                self.check_type(where, spec['returns'])
                if self.is_scalar(spec['returns']):
                    raise SchemaError(f'{where}: a command returns a struct, list, str or any')
            data = spec.get('data')
            if isinstance(data, str) and self.lookup(where, data).meta not in ('struct', 'union'):
                raise SchemaError(f'{where}: "data" is members, or the name of a struct or union')

    def check_rate_limit(self, entity, where):
        limit, by = entity.spec.get('rate-limit-ms'), entity.spec.get('rate-limit-by')
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise SchemaError(f'{where}: "rate-limit-ms" is a number of milliseconds')
        if by is not None and (limit is None or by not in [m.name for m in self.members(entity)
                                                           if m.type == 'str' and not m.optional]):
            raise SchemaError(f'{where}: "rate-limit-by" names a mandatory str of a limited event')

    def is_enum(self, typ):
        return isinstance(typ, str) and typ in self.entities and self.entities[typ].meta == 'enum'

    def is_scalar(self, typ):
        return isinstance(typ, str) and (typ in SCALARS or self.is_enum(typ))

    def c_type(self, typ, const=False):
        if isinstance(typ, list):
            return 'GArray *' if self.is_scalar(typ[0]) else 'GPtrArray *'
        if self.is_enum(typ):
            return typ + ' '
        if typ in SCALARS:
            return SCALARS[typ] + ' '
        prefix = 'const ' if const and typ != 'any' else ''
        return prefix + BUILTINS.get(typ, typ + ' *')

    def type_ref(self, typ):
        if isinstance(typ, list):
            return f'{typ[0]}_list_type' if typ[0] not in BUILTINS else f'qapi_{typ[0]}_list_type'
        return f'qapi_{typ}_type' if typ in BUILTINS else f'{typ}_type'

    # ---- fragments ----

    def fields(self, members):
        out = ''
        for m in members:
            if m.optional and self.is_scalar(m.type):
                out += f'    bool has_{m.c};\n'
            note = f' /* {m.doc}{"; optional" if m.optional else ""} */'
            out += f'    {self.c_type(m.type)}{m.c};{note}\n'
        return out

    def member_table(self, struct, members):
        out = ''
        for m in members:
            has = f', .has_offset = offsetof({struct}, has_{m.c})' \
                if m.optional and self.is_scalar(m.type) else ''
            out += (f'    {{ {c_string(m.name)}, &{self.type_ref(m.type)}, offsetof({struct}, {m.c}),'
                    f' .optional = {str(m.optional).lower()}{has}, .doc = {c_string(m.doc)} }},\n')
        return out + '    { NULL },\n'

    def params(self, members, const):
        out = []
        for m in members:
            if m.optional and self.is_scalar(m.type):
                out.append(f'bool has_{m.c}')
            out.append(f'{self.c_type(m.type, const)}{m.c}')
        return out

    # ---- types ----

    def types_h(self, prefix):
        guard = upper_name(prefix + 'qapi-types-h')
        out = BANNER + f'#ifndef {guard}\n#define {guard}\n\n#include "qapi/visit.h"\n\n'
        for e in self.of('enum'):
            up = upper_name(e.name)
            out += f'/* {e.doc} */\ntypedef enum {e.name} {{\n'
            for value, doc in e.spec['data'].items():
                out += f'    {up}_{upper_name(value)}, /* {doc} */\n'
            out += f'    {up}__MAX,\n}} {e.name};\n\n'
            out += f'extern const char *const {e.name}_lookup[]; /* ends with NULL */\n'
            out += f'extern const QapiType {e.name}_type;\n'
            out += f'extern const QapiType {e.name}_list_type;\n'
            out += (f'static inline const char *{e.name}_str({e.name} value)\n'
                    f'{{\n    return {e.name}_lookup[value];\n}}\n\n')
        structs = [e for e in self.of('struct', 'union') if e.gen]
        for e in structs:
            out += f'typedef struct {e.name} {e.name};\n'
        for e in structs:
            out += f'\n/* {e.doc} */\nstruct {e.name} {{\n{self.fields(self.members(e))}'
            if e.meta == 'union':
                out += f'    union {{ /* by {e.spec["discriminator"]}; NULL for a value not here */\n'
                for case, typ in e.spec['data'].items():
                    out += f'        {typ} *{c_name(case)};\n'
                out += '        void *any;\n    } u;\n'
            elif not self.members(e):
                out += '    char empty;\n'
            out += f'}};\nQAPI_DECLARE_STRUCT({e.name})\n'
        return out + '\n#endif\n'

    def types_c(self, prefix):
        out = BANNER + f'#include "qapi/{prefix}qapi-types.h"\n' if not prefix else \
            BANNER + f'#include "{prefix}qapi-types.h"\n'
        for e in self.of('enum'):
            out += f'\nconst char *const {e.name}_lookup[] = {{\n'
            out += ''.join(f'    {c_string(v)},\n' for v in e.spec['data']) + '    NULL,\n};\n'
            absent = e.spec.get('absent', {})
            if absent:
                out += f'static const QapiAbsent {e.name}_absent[] = {{\n'
                out += ''.join(f'    {{ {c_string(v)}, {c_string(why)} }},\n' for v, why in absent.items())
                out += '    { NULL, NULL },\n};\n'
            out += f'QAPI_DEFINE_ENUM({e.name}{f", .absent = {e.name}_absent" if absent else ""})\n'
        for e in self.of('struct', 'union'):
            if not e.gen:
                continue
            out += f'\nstatic const QapiMember {e.name}_members[] = {{\n'
            out += self.member_table(e.name, self.members(e)) + '};\n'
            extra = ''
            if e.meta == 'union':
                tag = next(m for m in self.members(e) if m.name == e.spec['discriminator'])
                out += f'static const QapiType *const {e.name}_variants[{upper_name(tag.type)}__MAX] = {{\n'
                for case, typ in e.spec['data'].items():
                    out += f'    [{upper_name(tag.type)}_{upper_name(case)}] = &{typ}_type,\n'
                out += '};\n'
                extra = (f', .variants = {e.name}_variants, .num_variants = {upper_name(tag.type)}__MAX,'
                         f' .tag_offset = offsetof({e.name}, {tag.c}),'
                         f' .variant_offset = offsetof({e.name}, u)')
            out += f'QAPI_DEFINE_STRUCT({e.name}{extra})\n'
        return out

    # ---- commands ----

    def prototype(self, e):
        data = e.spec.get('data')
        args = (['struct json_object *args'] if data is not None else []) if not e.gen else \
            [f'const {data} *args'] if isinstance(data, str) else self.params(self.members(e), True)
        ret = 'bool '
        if 'returns' in e.spec:
            ret = self.c_type(e.spec['returns']) if e.gen else 'struct json_object *'
        return f'{ret}qmp_{c_name(e.name)}({", ".join(args + ["GError **errp"])})'

    def commands_h(self, prefix):
        guard = upper_name(prefix + 'qapi-commands-h')
        out = BANNER + '/*\n * What each QMP command calls; written by hand elsewhere. The conventions:\n' \
            ' *  - a command that returns nothing is bool, false with *errp on failure;\n' \
            ' *  - others return a value that the caller owns, or NULL with *errp;\n' \
            ' *  - arguments are borrowed; an optional string, list, struct or `any` is NULL when not\n' \
            ' *    given, an optional scalar has a has_NAME before it;\n' \
            ' *  - a command whose arguments are a type of the schema gets the structure (borrowed);\n' \
            ' *  - free-form commands ("gen": false) get the arguments as a JSON object (borrowed;\n' \
            ' *    declared members are checked), and return JSON.\n' \
            ' * All run in the main thread with the machine lock held.\n */\n' \
            f'#ifndef {guard}\n#define {guard}\n\n#include "{"" if prefix else "qapi/"}{prefix}qapi-types.h"\n'
        for e in self.of('command'):
            out += f'\n/* {e.name}: {e.doc}'
            for m in self.members(e):
                out += f'\n *   {m.name}{" (optional)" if m.optional else ""}: {m.doc}'
            out += (' */' if not self.members(e) else '\n */') + f'\n{self.prototype(e)};\n'
        return out + '\n#endif\n'

    def commands_c(self, prefix):
        where = '' if prefix else 'qapi/'
        out = BANNER + f'#include "qapi/dispatch.h"\n#include "{where}{prefix}qapi-commands.h"\n'
        table = ''
        for e in self.of('command'):
            c, members = c_name(e.name), self.members(e)
            boxed = e.gen and isinstance(e.spec.get('data'), str)
            args_ref = f'&{e.spec["data"]}_type' if boxed else 'NULL'
            if members and not boxed:
                out += f'\nstruct {c}_args {{\n{self.fields(members)}}};\n'
                out += f'static const QapiMember {c}_members[] = {{\n'
                out += self.member_table(f'struct {c}_args', members) + '};\n'
                out += f'static const QapiType {c}_args_type = QAPI_ARGS({c});\n'
                args_ref = f'&{c}_args_type'
            call = []
            if not e.gen or boxed:
                call = ['args'] if 'data' in e.spec else []
            else:
                for m in members:
                    if m.optional and self.is_scalar(m.type):
                        call.append(f'a->has_{m.c}')
                    call.append(f'a->{m.c}')
            call = f'qmp_{c}({", ".join(call + ["errp"])})'
            body = f'    const struct {c}_args *a = args;\n\n' if e.gen and members and not boxed else ''
            ret_ref = 'NULL'
            if 'returns' in e.spec:
                null = ' || !*errp' if not e.gen or e.spec['returns'] == 'any' else ''
                body += f'    *ret = {call};\n    return *ret{null};\n'
                ret_ref = '&' + self.type_ref(e.spec['returns'] if e.gen else 'any')
            else:
                body += f'    return {call};\n'
            out += f'\nstatic bool run_{c}(void *args, void **ret, GError **errp)\n{{\n{body}}}\n'
            flags = [f'.{c_name(k)} = true' for k in ('allow-oob', 'allow-preconfig', 'may-wait')
                     if e.spec.get(k)]
            if not e.gen:
                flags.append('.free_form = true')
            table += f'    {{ {", ".join([c_string(e.name), args_ref, ret_ref, f"run_{c}"] + flags)} }},\n'
        out += f'\nstatic const QmpCommand commands[] = {{\n{table}}};\n\n'
        out += 'static void __attribute__((constructor)) commands_register(void)\n{\n' \
               '    qmp_register_commands(commands, G_N_ELEMENTS(commands));\n}\n'
        return out

    # ---- events ----

    def event_prototype(self, e):
        args = self.params(self.members(e), True) or ['void']
        return f'void qapi_event_send_{c_name(e.name.lower())}({", ".join(args)})'

    def events_h(self, prefix):
        guard = upper_name(prefix + 'qapi-events-h')
        out = BANNER + f'#ifndef {guard}\n#define {guard}\n\n' \
            f'#include "qapi/event.h"\n#include "{"" if prefix else "qapi/"}{prefix}qapi-types.h"\n'
        for e in self.of('event'):
            out += f'\n/* {e.name}: {e.doc}'
            for m in self.members(e):
                out += f'\n *   {m.name}{" (optional)" if m.optional else ""}: {m.doc}'
            out += (' */' if not self.members(e) else '\n */') + f'\n{self.event_prototype(e)};\n'
        return out + '\n#endif\n'

    def events_c(self, prefix):
        out = BANNER + f'#include "{"" if prefix else "qapi/"}{prefix}qapi-events.h"\n'
        for e in self.of('event'):
            c, members = c_name(e.name.lower()), self.members(e)
            if members:
                out += f'\nstruct {c}_args {{\n{self.fields(members)}}};\n'
                out += f'static const QapiMember {c}_members[] = {{\n'
                out += self.member_table(f'struct {c}_args', members) + '};\n'
                out += f'static const QapiType {c}_args_type = QAPI_ARGS({c});\n'
            out += f'\n{self.event_prototype(e)}\n{{\n'
            data = 'NULL'
            if members:
                out += f'    struct {c}_args args = {{\n'
                for m in members:
                    if m.optional and self.is_scalar(m.type):
                        out += f'        .has_{m.c} = has_{m.c},\n'
                    cast = '' if self.is_scalar(m.type) else f'({self.c_type(m.type)})'
                    out += f'        .{m.c} = {cast}{m.c},\n'
                out += '    };\n\n'
                data = f'qapi_to_json(&{c}_args_type, &args)'
            if 'rate-limit-ms' in e.spec:
                by = c_string(e.spec['rate-limit-by']) if 'rate-limit-by' in e.spec else 'NULL'
                out += f'    qapi_event_emit_limited({c_string(e.name)}, {data}, ' \
                       f'{e.spec["rate-limit-ms"]}, {by});\n}}\n'
            else:
                out += f'    qapi_event_emit({c_string(e.name)}, {data});\n}}\n'
        return out

    # ---- introspection: the QMP SchemaInfo list ----

    def introspect(self):
        out, todo, seen = [], [], set()

        def use(typ):
            if isinstance(typ, list):
                todo.append(('array', typ[0]))
                return f'[{use(typ[0])}]'
            if typ in INTS or typ == 'size':
                typ = 'int'
            todo.append(('type', typ))
            return typ

        def marks(features):
            return {'features': list(features)} if features else {}

        def obj(name, members, extra=None):
            info = {'name': name, 'meta-type': 'object', 'members': [
                {'name': m.name, **({'default': None} if m.optional else {}), 'type': use(m.type),
                 **marks(m.features)} for m in members]}
            out.append({**info, **(extra or {})})
            return name

        def arg(e):
            data = e.spec.get('data', {})
            return use(data) if isinstance(data, str) else \
                obj(f'{e.name}-arg', self.members(e)) if data else obj_empty()

        def obj_empty():
            if 'empty' not in seen:
                seen.add('empty')
                obj('q_empty', [])
            return 'q_empty'

        for e in self.of('command'):
            ret = e.spec.get('returns')
            info = {'name': e.name, 'meta-type': 'command', 'arg-type': arg(e),
                    'ret-type': use(ret) if ret else obj_empty()}
            if e.spec.get('allow-oob'):
                info['allow-oob'] = True
            out.append({**info, **marks(e.spec.get('features'))})
        for e in self.of('event'):
            out.append({'name': e.name, 'meta-type': 'event', 'arg-type': arg(e),
                        **marks(e.spec.get('features'))})
        while todo:
            item = todo.pop(0)
            if item in seen:
                continue
            seen.add(item)
            kind, name = item
            if kind == 'array':
                elem = use(name)
                if ('[]', elem) not in seen:
                    seen.add(('[]', elem))
                    out.append({'name': f'[{elem}]', 'meta-type': 'array', 'element-type': elem})
            elif name in BUILTINS:
                out.append({'name': name, 'meta-type': 'builtin', 'json-type': JSON_TYPES[name]})
            elif self.is_enum(name):
                values = list(self.entities[name].spec['data'])
                out.append({'name': name, 'meta-type': 'enum', 'values': values,
                            'members': [{'name': v} for v in values]})
            else:
                e = self.entities[name]
                extra = None
                if e.meta == 'union':
                    tag = next(m for m in self.members(e) if m.name == e.spec['discriminator'])
                    extra = {'tag': tag.name, 'variants': [
                        {'case': c, 'type': use(e.spec['data'][c]) if c in e.spec['data'] else obj_empty()}
                        for c in self.entities[tag.type].spec['data']]}
                obj(name, self.members(e), extra)
        return out

    def introspect_c(self, prefix):
        symbol = c_name(prefix + 'qapi_schema_json')
        text = json.dumps(self.introspect())
        lines = '\n'.join('    ' + c_string(text[i:i + 80]) for i in range(0, len(text), 80))
        return BANNER + f'extern const char {symbol}[];\nconst char {symbol}[] =\n{lines};\n'

    # ---- the reference for users ----

    def doc_type(self, typ):
        if isinstance(typ, list):
            return f'list of {self.doc_type(typ[0])}'
        return f'[{typ}](#{typ.lower()})' if typ in self.entities else typ

    def doc_members(self, members):
        out = ''
        for m in members:
            optional = ', optional' if m.optional else ''
            marks = ''.join(f'; {name}: {doc}' for name, doc in m.features.items())
            out += f'- `{m.name}` ({self.doc_type(m.type)}{optional}): {m.doc}{marks}\n'
        return out

    def doc_entity(self, e):
        """A command, event or type; the name as a heading."""
        out = f'\n### {e.name}\n{e.doc}.\n'
        data = e.spec.get('data')
        if e.meta == 'enum':
            return out + '\n' + ''.join(f'- `{v}`: {doc}\n' for v, doc in data.items())
        if isinstance(data, str):
            out += f'\nArguments: {self.doc_type(data)}\n'
        elif self.members(e):
            title = {'command': 'Arguments:', 'event': 'Data:'}.get(e.meta, 'Members:')
            out += f'\n{title}\n\n{self.doc_members(self.members(e))}'
        if e.meta == 'union':
            out += f'\nMore members, by `{e.spec["discriminator"]}`:\n\n'
            out += ''.join(f'- `{case}`: those of {self.doc_type(typ)}\n' for case, typ in data.items())
        if e.meta == 'command' and 'returns' in e.spec:
            out += f'\nReturns: {self.doc_type(e.spec["returns"])}\n'
        notes = []
        if e.spec.get('allow-oob'):
            notes.append('It may run out of band.')
        if e.spec.get('allow-preconfig'):
            notes.append('It works before the machine is made.')
        if e.meta == 'command' and not e.gen and isinstance(data, dict):
            notes.append('It takes more members than these.')
        if 'rate-limit-ms' in e.spec:
            by = f' for each `{e.spec["rate-limit-by"]}`' if 'rate-limit-by' in e.spec else ''
            notes.append(f'At most one in {e.spec["rate-limit-ms"]} ms is sent{by}: the last one.')
        for name, doc in e.spec.get('features', {}).items():
            notes.append(f'Feature `{name}`: {doc}.')
        return out + ('\n' + '\n'.join(notes) + '\n' if notes else '')

    def reference(self):
        out = '<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n' \
            '<!-- Made by scripts/qapi-gen.py --doc from the schema in qapi/; do not edit. -->\n' \
            '# QMP reference\n\n' \
            'Every command, event and type of the machine protocol. How to reach it, and how messages look: ' \
            '[monitor](monitor.md). The same, for programs: `query-qmp-schema`.\n\n' \
            'Integers are 64-bit; `size` is a number of bytes; `any` is any JSON value.\n'
        types = ['enum', 'struct', 'union']
        for title, metas, of_options in (('Commands', ['command'], False), ('Events', ['event'], False),
                                         ('Types', types, False),
                                         ('Options of the command line', types, True)):
            out += f'\n## {title}\n'
            if of_options:
                out += 'No command takes them; [command line](command-line.md) says how their members are written.\n'
            for e in sorted(self.of(*metas), key=lambda e: e.name.lower()):
                if (Path(e.source).name == 'options.json') == of_options:
                    out += self.doc_entity(e)
        return out


def doc(schema, path, check):
    text = schema.reference()
    if not check:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        sys.exit(f'{path} is not that of the schema any more; make it anew with:\n'
                 '  scripts/qapi-gen.py --doc docs/qmp-reference.md qapi/*.json')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--prefix', default='', help='of the files written')
    parser.add_argument('--doc', action='store_true', help='write the reference to OUTPUT')
    parser.add_argument('--check-doc', action='store_true', help='compare OUTPUT with the reference')
    parser.add_argument('output', type=Path)
    parser.add_argument('schema', nargs='+')
    args = parser.parse_args()
    try:
        schema = Schema(args.schema)
    except (SchemaError, json.JSONDecodeError) as e:
        sys.exit(f'qapi-gen: {e}')
    if args.doc or args.check_doc:
        doc(schema, args.output, args.check_doc)
        return
    for name in ('types.h', 'types.c', 'events.h', 'events.c', 'commands.h', 'commands.c',
                 'introspect.c'):
        text = getattr(schema, name.replace('.', '_'))(args.prefix)
        (args.output / f'{args.prefix}qapi-{name}').write_text(text)


if __name__ == '__main__':
    main()
