import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from xopt.runtime.errors import UsageError
from xopt.runtime.options import with_options


@dataclass(frozen=True, kw_only=True)
class Drawn:
    name: Annotated[str, typer.Option(help="Required.")]
    count: Annotated[int, typer.Option("--images", min=1, help="How many.")] = 3
    folder: Annotated[Path | None, typer.Option(metavar="DIR")] = None
    layers: Annotated[tuple[str, ...], typer.Option("--layer")] = ()
    rounds: int = 7

    def __post_init__(self):
        if self.name == "bad":
            raise UsageError("bad is no name")


@dataclass(frozen=True, kw_only=True)
class Told:
    loud: Annotated[bool, typer.Option("--loud")] = False


def run(*words: str) -> tuple[int, str, list[object]]:
    app, got = typer.Typer(), []

    @app.command()
    @with_options
    def command(
        source: Annotated[Path, typer.Argument()],
        drawn: Drawn,
        seed: Annotated[int, typer.Option()] = 0,
        *,
        told: Told,
    ) -> None:
        """Draws."""
        got.append((source, drawn, seed, told))

    done = CliRunner().invoke(app, words, catch_exceptions=False)
    return done.exit_code, done.output, got


def test_defaults_are_the_dataclass_s():
    assert run("x", "--name", "n")[2] == [(Path("x"), Drawn(name="n"), 0, Told())]


def test_every_kind_of_option_arrives_in_the_dataclass():
    words = ("x", "--name", "n", "--images", "5", "--folder", "f", "--layer", "a", "--layer", "b", "--loud")
    drawn = Drawn(name="n", count=5, folder=Path("f"), layers=("a", "b"))
    assert run(*words)[2] == [(Path("x"), drawn, 0, Told(loud=True))]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("x",), "--name"),
        (("x", "--name", "n", "--images", "0"), "--images"),
        (("x", "--name", "n", "--rounds", "3"), "--rounds"),
    ],
)
def test_typer_refuses_what_the_fields_do_not_allow(words, said):
    code, output, got = run(*words)
    assert (code, got) == (2, [])
    assert said in output


def test_an_error_of_the_dataclass_comes_through():
    with pytest.raises(UsageError, match="bad is no name"):
        run("x", "--name", "bad")


def test_help_lists_options_where_the_dataclass_stands_and_shows_its_defaults():
    code, output, _got = run("--help")
    assert code == 0
    places = [
        output.index(name) for name in ("--name", "--images", "--folder", "--layer", "--seed", "--loud")
    ]
    assert places == sorted(places)
    assert "Draws." in output
    assert "[default: 3]" in output
    # An empty tuple is no default to show.
    assert "[default: ]" not in output


def test_the_wrapper_is_called_by_keyword_as_its_signature_says():
    @with_options
    def command(told: Told, *, seed: int) -> tuple[Told, int]:
        return told, seed

    assert list(inspect.signature(command).parameters) == ["loud", "seed"]
    assert command(loud=True, seed=2) == (Told(loud=True), 2)


def test_two_options_of_one_name_are_refused():
    def command(told: Told, loud: bool) -> None:
        pass

    with pytest.raises(ValueError, match="duplicate parameter name: 'loud'"):
        with_options(command)
