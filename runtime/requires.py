"""Optional libraries, named with their install line when absent, and the distribution that xopt comes in."""

from collections.abc import Iterable
from importlib.util import find_spec

from .errors import DependencyError

DISTRIBUTION = "xopt-edge"
"""xopt's name for pip. `xopt` on PyPI is another project, and its import package is called `xopt` too."""


def install_line(extra: str) -> str:
    """The command that installs an extra of xopt."""
    return f'pip install "{DISTRIBUTION}[{extra}]"'


def need(*modules: str, extra: str) -> None:
    """Check that optional libraries can be imported, without importing them.

    Raises:
        DependencyError: one is absent; the message gives the install line of `extra`.
    """
    absent = [name for name in modules if find_spec(name) is None]
    if absent:
        raise DependencyError(
            f"this needs {', '.join(absent)}, not installed here; install with: {install_line(extra)}"
        )


def conflict(owners: Iterable[str] = ()) -> str | None:
    """One line on another distribution that installs a package `xopt` here, and how to mend it; or None.

    Args:
        owners: distributions that install a package `xopt`; one of that name is looked for in any case.
    """
    # Imported here, as it brings the e-mail parser along: `xopt --help` does without.
    from importlib import metadata

    for name in sorted({"xopt", *owners} - {DISTRIBUTION}):
        for found in metadata.distributions(name=name):
            # An installer leaves both; the egg-info of a source checkout has neither, and installed nothing.
            if found.read_text("RECORD") is None and found.read_text("INSTALLER") is None:
                continue
            # Removing the other one alone would take the files that both have from xopt-edge.
            return (
                f"{name} {found.version} is installed beside {DISTRIBUTION} and writes to the same folder "
                f"xopt; mend it with: pip uninstall {name} {DISTRIBUTION} && pip install {DISTRIBUTION}"
            )
    return None
