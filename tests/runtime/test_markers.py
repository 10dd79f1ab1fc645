"""Markers of requirements, held against the library that defines them."""

from importlib import metadata

import pytest

from xopt.runtime.markers import applies, normalised, parse_requirement

packaging = pytest.importorskip("packaging.requirements")

LINES = [
    "plain",
    "Mixed.Case_name[one, two]>=1,<2",
    "old-style (>=2.2.0)",
    'never; python_version < "3.8"',
    'always; python_version >= "3.8"',
    'ten; python_version >= "3.10" and python_version < "3.100"',
    'zeros; python_version >= "3.8.0"',
    'full; python_full_version >= "3.9.1"',
    'turned; "3.8" < python_version',
    "windows; platform_system == 'Windows'",
    "linux; sys_platform in 'linux linux2'",
    "not-in; sys_platform not in 'win32 cygwin'",
    "both; extra == 'one' or extra == 'two'",
    "spelled; extra == 'Two_Words'",
    "deep; (os_name == 'nt' or os_name == 'posix') and (extra == 'one' and implementation_name != 'pypy')",
    "precedence; os_name == 'nt' and extra == 'one' or extra == 'two'",
]


def installed() -> list[str]:
    return sorted({line for found in metadata.distributions() for line in found.requires or []})


@pytest.mark.parametrize("extra", ["", "one", "two", "two-words", "all", "test", "docs", "dev"])
def test_markers_hold_where_packaging_says_so(extra):
    for line in LINES + installed():
        theirs = packaging.Requirement(line)
        ours = parse_requirement(line)
        assert normalised(ours.name) == normalised(theirs.name), line
        assert set(ours.extras) == theirs.extras, line
        expected = theirs.marker is None or theirs.marker.evaluate({"extra": extra})
        assert applies(ours.marker, extra=extra) is expected, line


@pytest.mark.parametrize(
    "marker",
    [
        "python_version",
        "nonsense == '1'",
        "__import__('os').system('true') == '0'",
        "'a' < 'b' < 'c'",
        "os_name is 'nt'",
        "python_version ~= '3.1'",
        "not os_name == 'nt'",
        "extra == 1",
    ],
)
def test_what_is_no_marker_is_refused_and_never_run(marker):
    with pytest.raises(ValueError, match="understood here"):
        applies(marker)


@pytest.mark.parametrize("line", ["", "-x", "[extra]", "@ https://example.org/a.whl"])
def test_what_is_no_requirement_is_refused(line):
    with pytest.raises(ValueError, match="no requirement"):
        parse_requirement(line)
