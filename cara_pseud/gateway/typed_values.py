"""Wire values, which are keyed by field id, between this process and the JSON of a gateway, by the schema.

A gateway writes 64-bit integers and Data in one of several ways, as its configuration says, and reads all of them; so
does this. What only a newer schema has is no error. How references are found and made is the business of whoever asks.
"""

from __future__ import annotations

import binascii
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from cara_pseud.capabilities import Capability, WireValue
from cara_pseud.errors import InvalidValue, WrongType
from cara_pseud.gateway.members import JSON_VALUE_ID, Forms, Member, MethodForm, StructForm, ValueForm
from cara_pseud.gateway.messages import JSON
from cara_pseud.gateway.targets import handle_in
from cara_pseud.scalars import shown
from cara_pseud.schema.nodes import INT_RANGES, UNTYPED, Kind, Type

_EXACT: Final = 2**53
"""Integers up to here are exact in whatever reads JSON."""
_NULL_IS_A_VALUE: Final = frozenset({Kind.VOID, Kind.FLOAT32, Kind.FLOAT64})
_AS_IT_IS: Final = frozenset({Kind.BOOL, Kind.TEXT, *INT_RANGES} - {Kind.INT64, Kind.UINT64})


class HandleSource(Protocol):
    """What reading needs to know of references."""

    def object(self, token: str, interface: str | None) -> Capability:
        """The object of a handle."""


class TypedReferences(Protocol):
    """What writing needs to know of references.

    Attributes:
        values: elements and members that were written.
    """

    values: int

    def capability(
        self, capability: Capability, interface: Type | None, holder: Any, key: str | int, path: str
    ) -> JSON:
        """The JSON of an object; one that has not come yet is put into ``holder[key]`` later."""


# Reading.


class JsonReader:
    """Reads what came in one message."""

    def __init__(self, forms: Forms, incoming: HandleSource) -> None:
        self._forms = forms
        self._incoming = incoming

    def result(self, form: MethodForm, json: JSON) -> WireValue:
        """The result of a method, as `Signature.receive_result` takes it.

        Raises:
            InvalidValue: it is none that the schema permits.
        """
        if form.results is None:
            return self._value(form.result_struct, json, "$")
        if not form.results:
            return None
        by_names = json if self._is_by_names(form.results, json) else {form.results[0].json_name: json}
        named = self._named(form.results, by_names)
        if not named and json == {}:
            # The gateway's schema has no result there yet.
            return form.results[0].default
        return named

    def _is_by_names(self, results: Sequence[ValueForm], json: JSON) -> bool:
        """Whether results stand there by their names; else it is the first of them alone.

        The gateway's schema may be older or newer than ours: what is one result here may be several there, or none,
        and the other way round.
        """
        if not isinstance(json, dict):
            return False
        first, names = results[0].type, {form.json_name for form in results}
        if len(results) == 1:
            if first.kind in UNTYPED or first.node_id == JSON_VALUE_ID:
                return False
            if first.kind is Kind.STRUCT:
                return bool(json.keys() & names - self._forms.struct(first).names())
        return not json or bool(json.keys() & names)

    def params(self, form: MethodForm, json: Sequence[JSON]) -> list[WireValue]:
        """The parameters of a method by position, for an object of this process.

        Raises:
            InvalidValue: they are none that the schema permits.
        """
        if form.params is None:
            return [self._value(form.param_struct, json[0] if json else {}, "$")]
        given = [
            None if item is None else self._value(param.type, item, f"$.{param.json_name}", param.is_hex)
            for param, item in zip(form.params, json, strict=False)
        ]
        # The gateway gives all that its schema has, which may be less than ours has.
        return [*given, *[param.default for param in form.params[len(given) :]]]

    def value(self, type: Type, json: JSON) -> WireValue:
        """A value of any type.

        Raises:
            InvalidValue: it is none that the type permits.
        """
        return self._value(type, json, "$")

    def _named(self, forms: Sequence[ValueForm], json: Mapping[str, JSON]) -> dict[str, WireValue]:
        named = {}
        for form in forms:
            item = json.get(form.json_name)
            if item is not None or (form.json_name in json and form.type.kind in _NULL_IS_A_VALUE):
                named[form.name] = self._value(form.type, item, f"$.{form.json_name}", form.is_hex)
            elif form.type.kind.is_pointer:
                named[form.name] = None
        return named

    def _value(self, type: Type, json: JSON, path: str, is_hex: bool = False) -> WireValue:
        kind = type.kind
        if kind in _AS_IT_IS:
            return json  # it is checked where it enters
        if kind is Kind.INT64 or kind is Kind.UINT64:
            return _integer(json, path)
        if kind is Kind.FLOAT32 or kind is Kind.FLOAT64:
            return _float(json, path)
        if kind is Kind.VOID:
            return None
        if kind is Kind.ENUM:
            number = self._forms.enum(type.node_id)[1].get(json) if isinstance(json, str) else json
            if number is None:
                raise InvalidValue(f"{shown(json)} is no {self._forms.schema.enum(type.node_id).name}", path)
            return number
        if kind is Kind.DATA:
            return _bytes(json, is_hex, path)
        if kind is Kind.LIST:
            assert type.element is not None  # the loader gives every list one
            if not isinstance(json, list):
                raise WrongType(f"expected a list, got {shown(json)}", path)
            element = type.element
            return [self._value(element, item, f"{path}[{index}]") for index, item in enumerate(json)]
        if kind is Kind.STRUCT and type.node_id == JSON_VALUE_ID:
            return self._json_value(type, json)
        if kind is Kind.STRUCT:
            form = self._forms.struct(type)
            return self._members(form, _object(json, path, form.label), "", path)
        if kind is Kind.INTERFACE:
            token = handle_in(json)
            if token is None and json is not None:
                raise WrongType(f"expected an object with methods, got {shown(json)}", path)
            return None if token is None else self._incoming.object(token, json["interface"])
        return self._any(json)

    def _members(self, form: StructForm, json: Mapping[str, JSON], prefix: str, path: str) -> dict[int, WireValue]:
        """A struct or group by field ids. What reads as its default is left out: the gateway writes all, set or not."""
        wire: dict[int, WireValue] = {}
        for member in form.fields:
            self._member(member, json, prefix + member.name, prefix, path, wire)
            if member.field.id in wire and _is_default(member, wire[member.field.id]):
                del wire[member.field.id]
        self._union(form, json, prefix, path, wire)
        for member in form.variants[:1]:
            # Without any member set the first is active.
            if member.field.id in wire and wire[member.field.id] == _empty(member):
                del wire[member.field.id]
        return wire

    def _union(
        self, form: StructForm, json: Mapping[str, JSON], prefix: str, path: str, wire: dict[int, WireValue]
    ) -> None:
        if form.tag is not None:
            tag = json.get(prefix + form.tag)
            active = next((member for member in form.variants if member.tag == tag), None)
            if active is not None:
                name = prefix + (form.value_name or active.name)
                self._member(active, json, name, prefix, path, wire)
                # The tag alone makes it active.
                wire.setdefault(active.field.id, _empty(active))
            return
        for member in form.variants:
            name = prefix + member.name
            if member.prefix is not None and member.inner is not None:
                present = any(prefix + member.prefix + inner in json for inner in member.inner.names())
            else:
                present = name in json
            if present:
                self._member(member, json, name, prefix, path, wire)
                wire.setdefault(member.field.id, _empty(member))

    def _member(
        self,
        member: Member,
        json: Mapping[str, JSON],
        name: str,
        prefix: str,
        path: str,
        wire: dict[int, WireValue],
    ) -> None:
        id = member.field.id
        if member.prefix is not None and member.inner is not None:
            inner = self._members(member.inner, json, prefix + member.prefix, path)
            if inner:
                wire[id] = inner
        elif name in json:
            item, here = json[name], f"{path}.{name}"
            if member.inner is not None:
                wire[id] = self._members(member.inner, _object(item, here, member.inner.label), "", here)
            elif member.type is not None and (item is not None or not _may_be_absent(member.type)):
                wire[id] = self._value(member.type, item, here, member.is_hex)

    def _any(self, json: JSON) -> WireValue:
        token = handle_in(json)
        if token is not None:
            return self._incoming.object(token, json["interface"])
        if isinstance(json, list):
            return [self._any(item) for item in json]
        if isinstance(json, dict):
            if len(json) == 1 and isinstance(json.get("$float"), str):
                return float(json["$float"])
            return {name: self._any(item) for name, item in json.items()}
        return json

    def _json_value(self, type: Type, json: JSON) -> WireValue:
        ids = {item.name: item for item in self._forms.schema.struct(type.node_id).fields}
        if json is None:
            return {ids["null"].id: None}
        if isinstance(json, bool):
            return {ids["boolean"].id: json}
        if isinstance(json, int | float):
            return {ids["number"].id: float(json)}
        if isinstance(json, str):
            return {ids["string"].id: json}
        if isinstance(json, list):
            return {ids["array"].id: [self._json_value(type, item) for item in json]}
        if len(json) == 1 and isinstance(json.get("$float"), str):
            return {ids["number"].id: float(json["$float"])}
        return {ids["object"].id: [{0: name, 1: self._json_value(type, item)} for name, item in json.items()]}


def _object(json: JSON, path: str, what: str) -> Mapping[str, JSON]:
    if not isinstance(json, dict):
        raise WrongType(f"expected {what}, got {shown(json)}", path)
    return json


def _may_be_absent(type: Type) -> bool:
    return type.kind.is_pointer and type.node_id != JSON_VALUE_ID


def _is_default(member: Member, value: WireValue) -> bool:
    """Whether a field outside of a union reads so without being set."""
    if member.type is None:
        return bool(value == {})
    # 0.0 is -0.0, and True is 1.
    return not member.type.kind.is_pointer and repr(value) == repr(member.field.default)


def _empty(member: Member) -> WireValue:
    """The value of a union's member that is active without one."""
    if member.type is None:
        return {}
    if not member.type.kind.is_pointer:
        return member.field.default
    return {Kind.TEXT: "", Kind.DATA: b"", Kind.LIST: [], Kind.STRUCT: {}}.get(member.type.kind)


def _integer(json: JSON, path: str) -> Any:
    if isinstance(json, str):
        if not json.removeprefix("-").isdecimal() or len(json) > 20:
            raise WrongType(f"{shown(json)} is no integer", path)
        return int(json)
    return json


def _float(json: JSON, path: str) -> Any:
    if json is None:
        return math.nan
    if isinstance(json, dict) and len(json) == 1:
        json = json.get("$float")
    if isinstance(json, str):
        try:
            return float(json)
        except ValueError:
            raise WrongType(f"{shown(json)} is no number", path) from None
    return float(json) if isinstance(json, int) and not isinstance(json, bool) else json


def _bytes(json: JSON, is_hex: bool, path: str) -> bytes:
    try:
        if isinstance(json, str):
            return binascii.unhexlify(json) if is_hex else binascii.a2b_base64(json, strict_mode=True)
        if isinstance(json, list):
            return bytes(json)
    except (ValueError, TypeError):
        pass
    raise WrongType(f"expected {'hex' if is_hex else 'base64 or a list of bytes'}, got {shown(json)}", path)


# Writing.


class JsonWriter:
    """Writes what goes into one message."""

    def __init__(self, forms: Forms, outgoing: TypedReferences) -> None:
        self._forms = forms
        self._outgoing = outgoing

    def params(self, form: MethodForm, args: Sequence[WireValue], kwargs: Mapping[str, WireValue]) -> JSON:
        """The parameters of a method: by position, or by name where some are named.

        Raises:
            InvalidValue: JSON has no word for a value.
        """
        if form.params is None:
            given: list[JSON] = []
            for value in args:
                self._put(given, 0, form.param_struct, value, "$")
            return given
        if not kwargs:
            by_position: list[JSON] = []
            for index, (param, value) in enumerate(zip(form.params, args, strict=False)):
                self._put(by_position, index, param.type, value, f"$.{param.json_name}", param.is_hex)
            return by_position
        by_name: dict[str, JSON] = {}
        values = {param.name: value for param, value in zip(form.params, args, strict=False)} | dict(kwargs)
        for param in form.params:
            if param.name in values:
                name, value = param.json_name, values[param.name]
                self._put(by_name, name, param.type, value, f"$.{name}", param.is_hex)
        return by_name

    def result(self, form: MethodForm, value: WireValue) -> JSON:
        """What an object of this process answers: the bare value where there is one.

        Raises:
            InvalidValue: JSON has no word for it.
        """
        holder: dict[str, JSON] = {}
        if form.results is None:
            self._put(holder, "value", form.result_struct, value, "$")
            return holder["value"]
        if not form.results:
            return None
        if len(form.results) == 1:
            (result,) = form.results
            self._put(holder, "value", result.type, value, "$", result.is_hex)
            return holder["value"]
        for result in form.results:
            if isinstance(value, Mapping) and result.name in value:
                here = f"$.{result.json_name}"
                self._put(holder, result.json_name, result.type, value[result.name], here, result.is_hex)
        return holder

    def value(self, type: Type, value: WireValue) -> JSON:
        """A value of any type.

        Raises:
            InvalidValue: JSON has no word for it.
        """
        return self._value(type, value, "$", is_hex=False)

    def _put(
        self, holder: Any, key: str | int, type: Type | None, value: WireValue, path: str, is_hex: bool = False
    ) -> None:
        """Write a value into its place, which is the next one of a list."""
        self._outgoing.values += 1
        if isinstance(holder, list):
            holder.append(None)
        else:
            holder[key] = None
        if isinstance(value, Capability):
            interface = type if type is not None and type.kind is Kind.INTERFACE else None
            holder[key] = self._outgoing.capability(value, interface, holder, key, path)
        elif value is not None and type is not None:
            holder[key] = self._value(type, value, path, is_hex)

    def _value(self, type: Type, value: WireValue, path: str, is_hex: bool) -> JSON:
        kind = type.kind
        if kind in _AS_IT_IS or kind is Kind.ENUM:
            return value
        if kind is Kind.INT64 or kind is Kind.UINT64:
            return value if -_EXACT <= value <= _EXACT else str(value)
        if kind is Kind.FLOAT32 or kind is Kind.FLOAT64:
            return _written_float(value)
        if kind is Kind.VOID or kind is Kind.INTERFACE:
            return None
        if kind is Kind.DATA:
            return value.hex() if is_hex else binascii.b2a_base64(value, newline=False).decode("ascii")
        if kind is Kind.LIST:
            out: list[JSON] = []
            for index, item in enumerate(value):
                self._put(out, index, type.element, item, f"{path}[{index}]")
            return out
        if kind is Kind.STRUCT and type.node_id == JSON_VALUE_ID:
            return self._json_value(type, value, path)
        if kind is Kind.STRUCT:
            members: dict[str, JSON] = {}
            self._members(self._forms.struct(type), value, members, "", path)
            return members
        return self._any(value, path)

    def _members(
        self, form: StructForm, wire: Mapping[int, WireValue], out: dict[str, JSON], prefix: str, path: str
    ) -> None:
        for member in form.fields:
            if member.field.id in wire:
                self._member(member, wire[member.field.id], out, prefix + member.name, prefix, path)
        for member in form.variants:
            if member.field.id in wire:
                if form.tag is not None:
                    out[prefix + form.tag] = member.tag
                name = prefix + (form.value_name or member.name)
                self._member(member, wire[member.field.id], out, name, prefix, path)

    def _member(
        self, member: Member, value: WireValue, out: dict[str, JSON], name: str, prefix: str, path: str
    ) -> None:
        if member.inner is None:
            self._put(out, name, member.type, value, f"{path}.{name}", member.is_hex)
        elif member.prefix is not None:
            self._members(member.inner, value or {}, out, prefix + member.prefix, path)
        else:
            self._outgoing.values += 1
            out[name] = {}
            self._members(member.inner, value or {}, out[name], "", f"{path}.{name}")

    def _any(self, value: WireValue, path: str) -> JSON:
        if isinstance(value, float):
            return _written_float(value)
        if isinstance(value, list | tuple):
            out: list[JSON] = []
            for index, item in enumerate(value):
                self._put(out, index, _ANY, item, f"{path}[{index}]")
            return out
        if isinstance(value, Mapping):
            members: dict[str, JSON] = {}
            for name, item in value.items():
                if not isinstance(name, str):
                    raise WrongType(f"{shown(name)} cannot be a member's name in JSON; text can", path)
                self._put(members, name, _ANY, item, f"{path}.{name}")
            return members
        if isinstance(value, bytes):
            raise WrongType("bytes cannot go through a gateway as AnyPointer; send base64 text, or declare Data", path)
        return value

    def _json_value(self, type: Type, value: WireValue, path: str) -> JSON:
        names = {item.id: item.name for item in self._forms.schema.struct(type.node_id).fields}
        set_ = next(((names.get(id, ""), item) for id, item in value.items()), ("null", None))
        name, item = set_
        if name == "null":
            return None
        if name == "number":
            number = float(item or 0.0)
            return int(number) if number.is_integer() and abs(number) < _EXACT else _written_float(number)
        if name in ("boolean", "string"):
            return item if item is not None else (False if name == "boolean" else "")
        if name == "array":
            return [self._json_value(type, each or {}, f"{path}[{index}]") for index, each in enumerate(item or ())]
        if name == "object":
            return {each.get(0) or "": self._json_value(type, each.get(1) or {}, path) for each in item or ()}
        raise InvalidValue(f"a Json.Value with {name} cannot be written as JSON", path)


_ANY: Final = Type(Kind.ANY_POINTER)


def _written_float(value: float) -> JSON:
    # JSON has no word for these; the gateway reads the names, as Cap'n Proto's own tool does.
    return value if math.isfinite(value) else "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
