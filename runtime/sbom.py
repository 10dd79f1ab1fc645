"""`xopt doctor --sbom`: the installed runtime as a CycloneDX 1.6 bill of materials.

Everything comes from the installed packages' own metadata, and the same install gives the same bytes: no time
stamp, no path, a serial number derived from the content. Components carry no hashes: CycloneDX means those of
the distributed file, and an installed package keeps only digests of its single files.
https://cyclonedx.org/docs/1.6/json/
"""

import json
import platform
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from email.utils import getaddresses
from importlib import metadata
from typing import Any
from urllib.parse import quote
from uuid import NAMESPACE_URL, uuid5

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from .errors import DependencyError, UsageError
from .requires import DISTRIBUTION

SPEC_VERSION = "1.6"
# Classifiers that name one licence of the SPDX list and no other; "BSD License" could be several.
_SPDX = {"MIT License": "MIT", "ISC License (ISCL)": "ISC", "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0"}

Find = Callable[[str], metadata.Distribution]


def bill_of_materials(*, extras: Sequence[str] = (), find: Find = metadata.distribution) -> dict[str, Any]:
    """xopt, what it requires as installed here, and who requires whom, as a CycloneDX document.

    Args:
        extras: extras of xopt that the device uses as well.
        find: gives the installed distribution of a name.

    Raises:
        DependencyError: xopt itself or something that it requires is not installed.
        UsageError: xopt has no such extra.
    """
    required = _closure(extras, find)
    refs = {name: _purl(found) for name, (found, _) in required.items()}
    root, _ = required[DISTRIBUTION]
    content = {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "version": 1,
        "metadata": {
            "component": _component(root, kind="application"),
            "properties": [
                {
                    "name": "xopt:python",
                    "value": f"{platform.python_implementation()} {platform.python_version()}",
                },
                {"name": "xopt:platform", "value": sysconfig.get_platform()},
                {"name": "xopt:extras", "value": ",".join(sorted(extras))},
            ],
        },
        "components": [_component(required[name][0]) for name in sorted(required) if name != DISTRIBUTION],
        "dependencies": [
            {"ref": refs[name], "dependsOn": sorted(refs[other] for other in needs)}
            for name, (_, needs) in sorted(required.items())
        ],
    }
    serial = uuid5(NAMESPACE_URL, json.dumps(content, sort_keys=True))
    return {**content, "serialNumber": f"urn:uuid:{serial}"}


def _closure(extras: Sequence[str], find: Find) -> dict[str, tuple[metadata.Distribution, set[str]]]:
    """By name: every distribution that xopt needs, and the names of those that it needs itself."""
    required: dict[str, tuple[metadata.Distribution, set[str]]] = {}
    waiting = [(DISTRIBUTION, extra, "") for extra in ("", *extras)]
    seen = {(DISTRIBUTION, extra) for extra in ("", *extras)}
    while waiting:
        name, extra, wanted_by = waiting.pop()
        if name not in required:
            required[name] = (_installed(name, wanted_by, find), set())
        found, needs = required[name]
        if name == DISTRIBUTION and extra:
            _check_extra(found, extra)
        for other, other_extra in _needs(found, extra):
            needs.add(other)
            if (other, other_extra) not in seen:
                seen.add((other, other_extra))
                waiting.append((other, other_extra, name))
        # An extra such as xopt-edge[all] names its own project.
        needs.discard(name)
    return required


def _needs(found: metadata.Distribution, extra: str) -> Iterator[tuple[str, str]]:
    for line in found.requires or []:
        try:
            requirement = Requirement(line)
        except InvalidRequirement as error:
            # Left out, it would be missing from the bill without a word.
            raise DependencyError(
                f"{found.metadata['Name']} {found.version} requires {line!r}, "
                "which xopt cannot read; report it"
            ) from error
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield from ((canonicalize_name(requirement.name), asked) for asked in ("", *requirement.extras))


def _installed(name: str, wanted_by: str, find: Find) -> metadata.Distribution:
    try:
        return find(name)
    except metadata.PackageNotFoundError:
        pass
    if not wanted_by:
        raise DependencyError(
            f"{name} is not installed as a package here, so what it requires is not recorded; "
            f"install it with: pip install {name}"
        )
    raise DependencyError(
        f"{wanted_by} requires {name}, not installed here; install it with: pip install {name}"
    )


def _check_extra(root: metadata.Distribution, extra: str) -> None:
    offered = sorted(_values(root, "Provides-Extra"))
    if canonicalize_name(extra) not in map(canonicalize_name, offered):
        raise UsageError(f"{DISTRIBUTION} has no extra {extra!r}; it has {', '.join(offered)}")


def _component(found: metadata.Distribution, *, kind: str = "library") -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": kind,
        "bom-ref": _purl(found),
        "name": canonicalize_name(found.metadata["Name"]),
        "version": found.version,
        "purl": _purl(found),
    }
    if authors := _authors(found):
        component["authors"] = [{"name": name} for name in authors]
    if licenses := _licenses(found):
        component["licenses"] = licenses
    return component


def _purl(found: metadata.Distribution) -> str:
    # https://github.com/package-url/purl-spec: pypi names in lower case, with - for _.
    name = found.metadata["Name"].lower().replace("_", "-")
    return f"pkg:pypi/{quote(name)}@{quote(found.version, safe='')}"


def _authors(found: metadata.Distribution) -> list[str]:
    named = [name for name, _ in getaddresses(_values(found, "Author-email")) if name]
    return sorted({*named, *_values(found, "Author")})


def _licenses(found: metadata.Distribution) -> list[dict[str, Any]]:
    declared = {"acknowledgement": "declared"}
    if expressions := _values(found, "License-Expression"):
        return [{"expression": expressions[0], **declared}]
    prefix = "License :: OSI Approved :: "
    names = [c.removeprefix(prefix) for c in _values(found, "Classifier") if c.startswith(prefix)]
    if not names:
        # Some packages put the whole text there; its first line is its name.
        names = [text.splitlines()[0] for text in _values(found, "License")]
    return [
        {"license": {**({"id": _SPDX[name]} if name in _SPDX else {"name": name}), **declared}}
        for name in sorted(names)
    ]


def _values(found: metadata.Distribution, field: str) -> list[str]:
    values = [value.strip() for value in found.metadata.get_all(field) or []]
    # Some build tools write UNKNOWN for what they were not told.
    return [value for value in values if value not in ("", "UNKNOWN")]
