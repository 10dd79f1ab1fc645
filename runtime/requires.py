"""Optional libraries: imported where they are used, and named with their install line when absent."""

from importlib.util import find_spec

from .errors import DependencyError


def need(*modules: str, extra: str) -> None:
    """Check that optional libraries can be imported, without importing them.

    Raises:
        DependencyError: one is absent; the message gives the install line of `extra`.
    """
    absent = [name for name in modules if find_spec(name) is None]
    if absent:
        raise DependencyError(
            f'this needs {", ".join(absent)}, not installed here; install with: pip install "xopt[{extra}]"'
        )
