"""What a connection to one endpoint of a service is made of: where it is, and as whom the gateway comes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cara_pseud.schema.nodes import FileNode, Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeSource:
    """What the bridge to a native Cap'n Proto service is made of, beside its endpoint.

    Attributes:
        schema, import_path: files, as paths that hold from the current directory.
        fingerprint: of the schema as it is served; with another one there has to be another bridge.
    """

    schema: Path
    import_path: tuple[Path, ...]
    interface: str
    fingerprint: str = ""


def fingerprint(schema: Schema) -> str:
    """Tell schemas apart by what stands in their files."""
    digest = hashlib.sha256()
    for _, node in sorted(schema.nodes.items()):
        if isinstance(node, FileNode):
            text = node.text.encode("utf-8", "surrogatepass")
            digest.update(len(text).to_bytes(8, "big") + text)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionConfig:
    """Two that are equal describe one connection, whatever else changed of the service. Its repr shows no secret.

    Attributes:
        service: its name.
        peer: its pseud identity.
        native: of a service that speaks native Cap'n Proto RPC; None for all others.
    """

    service: str
    endpoint: str
    peer: str = "server"
    security: str = "noop"
    user_id: str | None = None
    password: str | None = field(default=None, repr=False)
    server_public_key: str | None = None
    public_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    native: NativeSource | None = None
