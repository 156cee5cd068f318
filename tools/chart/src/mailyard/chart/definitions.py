"""Schemas that several values share."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

_QUANTITIES: Final = {
    "type": "object",
    "propertyNames": {"pattern": "^(cpu|memory|ephemeral-storage|hugepages-.+|[^/]+/[^/]+)$"},
    "additionalProperties": {"type": ["string", "number"], "pattern": "^[0-9.]+(m|[kKMGTPE]i?)?$"},
}
_ADDRESS: Final = {"type": "string", "pattern": "^[^@\\s]+@[^@\\s]+$"}
_QUOTA: Final = {"type": ["integer", "string"], "minimum": 1, "pattern": "^[0-9]{1,15}[kKmMgGtT]?$"}
_DOMAIN: Final = {"type": "string", "minLength": 1, "maxLength": 255}


def _object(properties: Mapping[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    found = {"type": "object", "additionalProperties": False, "properties": dict(properties)}
    return {**found, "required": list(required)} if required else found


DEFINITIONS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "nodePort": {"type": "integer", "minimum": 1, "maximum": 65535},
        "resources": _object({"requests": _QUANTITIES, "limits": _QUANTITIES}),
        "topologySpread": {
            "type": "array",
            "items": _object(
                {
                    "topologyKey": {"type": "string", "minLength": 1},
                    "maxSkew": {"type": "integer", "minimum": 1},
                    "whenUnsatisfiable": {"enum": ["DoNotSchedule", "ScheduleAnyway"]},
                },
                ("topologyKey",),
            ),
        },
        "tenants": {
            "type": "array",
            "items": _object(
                {
                    "id": {"type": "string", "minLength": 1},
                    "name": {"type": "string"},
                    "contact": _ADDRESS,
                    "status": {"enum": ["active", "suspended"]},
                    "domains": {"type": "array", "items": _DOMAIN},
                    "accounts": {
                        "type": "array",
                        "items": _object(
                            {
                                "address": _ADDRESS,
                                "name": {"type": "string"},
                                "quota": _QUOTA,
                                "status": {"enum": ["active", "suspended", "disabled"]},
                            },
                            ("address",),
                        ),
                    },
                    "aliases": {
                        "type": "array",
                        "items": _object(
                            {
                                "address": _ADDRESS,
                                "targets": {"type": "array", "minItems": 1, "items": _ADDRESS},
                            },
                            ("address", "targets"),
                        ),
                    },
                },
                ("id", "domains"),
            ),
        },
    }
)
