"""A method in one line, as its schema would write it."""

from __future__ import annotations

from cara_pseud.schema.nodes import BoundMethod, Type, describe_type, substitute
from gateway.json.codec.params import in_written_order
from gateway.routes import ServiceRoutes, params_type


def signature_of(routes: ServiceRoutes, name: str, bound: BoundMethod) -> str:
    """``add(first :Int32, second :Int32) -> (result :Int32)``, with the JSON names.

    Args:
        name: the method's own.
    """
    method = bound.method
    params, results = params_type(bound), substitute(method.results, bound.interface.brand)
    taken = _members(routes, params) if method.params_inline else f"({describe_type(routes.schema, params)})"
    given = _members(routes, results) if method.results_inline else describe_type(routes.schema, results)
    return f"{name}{taken} -> {given}"


def _members(routes: ServiceRoutes, struct: Type) -> str:
    words = [
        f"{member.tag_value} :{describe_type(routes.schema, member.type)}"
        for member in in_written_order(routes.layouts.struct(struct))
        if member.type is not None
    ]
    return f"({', '.join(words)})"
