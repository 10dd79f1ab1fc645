"""The bill of materials, on packages laid out on disk as an installer leaves them."""

import json
from importlib import metadata
from pathlib import Path

import pytest

from xopt.runtime import DependencyError, UsageError
from xopt.runtime.sbom import bill_of_materials

PACKAGES = {
    "xopt-edge": """Version: 0.1.0
License-Expression: Apache-2.0
Author-email: One <one@example.org>, "Two, Ltd." <two@example.org>
Provides-Extra: sign
Provides-Extra: all
Requires-Dist: numpy>=1.26
Requires-Dist: Shell_Ingham[fast] (>=1.0)
Requires-Dist: cryptography>=45; extra == "sign"
Requires-Dist: xopt-edge[sign]; extra == "all"
Requires-Dist: absent; sys_platform == "win32"
""",
    "numpy": """Version: 2.4.6+local
License-Expression: BSD-3-Clause AND MIT
""",
    "Shell_Ingham": """Version: 1.0
License: ISC License
Classifier: License :: OSI Approved :: ISC License (ISCL)
Requires-Dist: accelerator; extra == "fast"
Requires-Dist: docs-only; extra == "docs"
""",
    "accelerator": """Version: 3
Author: Somebody
License: Some licence
 with its whole text
Requires-Dist: numpy
""",
    "cryptography": "Version: 50.0\nLicense: UNKNOWN\n",
    "bystander": "Version: 9\n",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name, facts in PACKAGES.items():
        folder = tmp_path / f"{name.replace('-', '_')}-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\n{facts}")
        (folder / "direct_url.json").write_text('{"url": "file:///somewhere/private"}')
    return tmp_path


def find_in(place: Path):
    def find(name: str) -> metadata.Distribution:
        for found in metadata.distributions(name=name, path=[str(place)]):
            return found
        raise metadata.PackageNotFoundError(name)

    return find


def check_schema(bill: dict) -> None:
    """Hold a document against CycloneDX's own JSON schema."""
    json_schema = pytest.importorskip("cyclonedx.validation.json")
    version = pytest.importorskip("cyclonedx.schema").SchemaVersion.V1_6
    assert json_schema.JsonStrictValidator(version).validate_str(json.dumps(bill)) is None


def test_the_bill_names_what_xopt_requires_and_nothing_else(place):
    bill = bill_of_materials(find=find_in(place))
    assert [c["name"] for c in bill["components"]] == ["accelerator", "numpy", "shell-ingham"]
    assert bill["metadata"]["component"]["purl"] == "pkg:pypi/xopt-edge@0.1.0"
    graph = {d["ref"]: d["dependsOn"] for d in bill["dependencies"]}
    assert graph == {
        "pkg:pypi/xopt-edge@0.1.0": ["pkg:pypi/numpy@2.4.6%2Blocal", "pkg:pypi/shell-ingham@1.0"],
        "pkg:pypi/shell-ingham@1.0": ["pkg:pypi/accelerator@3"],
        "pkg:pypi/accelerator@3": ["pkg:pypi/numpy@2.4.6%2Blocal"],
        "pkg:pypi/numpy@2.4.6%2Blocal": [],
    }
    check_schema(bill)


def test_licences_are_given_as_the_packages_declare_them(place):
    bill = bill_of_materials(extras=("sign",), find=find_in(place))
    declared = {"acknowledgement": "declared"}
    assert {c["name"]: c.get("licenses") for c in bill["components"]} == {
        "accelerator": [{"license": {"name": "Some licence", **declared}}],
        "cryptography": None,
        "numpy": [{"expression": "BSD-3-Clause AND MIT", **declared}],
        "shell-ingham": [{"license": {"id": "ISC", **declared}}],
    }
    check_schema(bill)


def test_authors_are_named_without_their_addresses(place):
    bill = bill_of_materials(find=find_in(place))
    assert bill["metadata"]["component"]["authors"] == [{"name": "One"}, {"name": "Two, Ltd."}]
    assert "@example.org" not in json.dumps(bill)


@pytest.mark.parametrize("extras", [("sign",), ("all",), ("sign", "all")])
def test_an_extra_is_counted_in_when_it_is_asked_for(place, extras):
    bill = bill_of_materials(extras=extras, find=find_in(place))
    assert "cryptography" in [c["name"] for c in bill["components"]]
    check_schema(bill)


def test_the_same_install_gives_the_same_bytes_and_another_one_does_not(place, tmp_path):
    first, second = (json.dumps(bill_of_materials(find=find_in(place))) for _ in range(2))
    assert first == second
    assert "private" not in first
    assert "timestamp" not in first
    facts = place / "accelerator-1.dist-info" / "METADATA"
    facts.write_text(facts.read_text().replace("Version: 3", "Version: 4"))
    assert bill_of_materials(find=find_in(place))["serialNumber"] != json.loads(first)["serialNumber"]


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        ("accelerator", "shell-ingham requires accelerator"),
        ("xopt_edge", "xopt-edge is not installed as a package"),
    ],
)
def test_a_package_that_is_missing_is_named(place, gone, says):
    (place / f"{gone}-1.dist-info" / "METADATA").unlink()
    (place / f"{gone}-1.dist-info" / "direct_url.json").unlink()
    (place / f"{gone}-1.dist-info").rmdir()
    with pytest.raises(DependencyError, match=says):
        bill_of_materials(find=find_in(place))


def test_a_requirement_that_cannot_be_read_is_named_and_never_left_out(place):
    facts = place / "numpy-1.dist-info" / "METADATA"
    facts.write_text(facts.read_text() + "Requires-Dist: odd; python_version is '3.1'\n")
    with pytest.raises(DependencyError, match=r"numpy 2\.4\.6\+local requires .*odd"):
        bill_of_materials(find=find_in(place))


def test_an_extra_that_there_is_not_is_named(place):
    with pytest.raises(UsageError, match="no extra 'sing'; it has all, sign"):
        bill_of_materials(extras=("sing",), find=find_in(place))


def test_the_command_writes_the_bill_alone_on_stdout_or_into_a_file(place, tmp_path, xopt, monkeypatch):
    monkeypatch.syspath_prepend(place)
    done = xopt("doctor", "--sbom")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out) == bill_of_materials(find=find_in(place))
    assert xopt("doctor", "--sbom", "--json").out == done.out
    told = xopt("doctor", "--sbom", "--extra", "sign", "--json", tmp_path / "bill.json")
    assert told.out == f"{tmp_path / 'bill.json'}: 4 components\n"
    assert len(json.loads((tmp_path / "bill.json").read_text())["components"]) == 4
    assert xopt("doctor", "--sbom", "--json", tmp_path / "bill.json").code == 1


def test_an_extra_without_sbom_is_wrong_usage(xopt):
    assert xopt("doctor", "--extra", "sign").code == 2
