from dataclasses import dataclass, field
from pathlib import Path

import pytest

from xopt.runtime.schema import SchemaError, from_facts, from_json, to_facts


@dataclass(frozen=True, kw_only=True)
class Inner:
    size: int
    mean: tuple[float, ...] = (0.5,)

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be at least 1, got {self.size}.")


@dataclass(frozen=True, kw_only=True)
class Outer:
    name: str
    inner: Inner
    several: tuple[Inner, ...] = ()
    shares: dict[str, float] = field(default_factory=dict)
    place: Path | None = None
    on: bool = False


FULL = Outer(
    name="a",
    inner=Inner(size=3, mean=(1.0, 2.5)),
    several=(Inner(size=1),),
    shares={"x": 0.5},
    place=Path("b/c"),
    on=True,
)


def test_facts_are_read_back_as_they_were():
    facts = to_facts(FULL)
    assert facts["inner"] == {"size": 3, "mean": [1.0, 2.5]}
    assert from_facts(Outer, facts) == FULL


def test_what_has_a_default_may_be_left_out():
    assert from_json(Outer, '{"name": "a", "inner": {"size": 3}}') == Outer(name="a", inner=Inner(size=3))


@pytest.mark.parametrize(
    ("encoded", "complaint"),
    [
        ("{", "it is no JSON (EOF while parsing an object at line 1 column 1)"),
        ("[1]", "it must be an object, got [1]"),
        ('{"name": "a"}', "inner is missing"),
        ('{"name": 1, "inner": {"size": 3}}', "name must be text, got 1"),
        ('{"name": "a", "inner": 7}', "inner must be an object, got 7"),
        ('{"name": "a", "inner": {"sise": 1}}', "unknown key 'sise' (did you mean size?)"),
        ('{"name": "a", "inner": {"size": 1, "zzz": 1}}', "unknown key 'zzz'; known are size, mean"),
        (
            '{"name": "a", "inner": {"size": 1}, "several": [{"size": 1, "men": 1}]}',
            "unknown key 'men' (did you mean mean?)",
        ),
        ('{"name": "a", "inner": {"size": true}}', "inner.size must be a whole number, got True"),
        ('{"name": "a", "inner": {"size": 1.0}}', "inner.size must be a whole number, got 1.0"),
        ('{"name": "a", "inner": {"size": "1"}}', "inner.size must be a whole number, got '1'"),
        ('{"name": "a", "inner": {"size": 1, "mean": 0.5}}', "inner.mean must be a list, got 0.5"),
        ('{"name": "a", "inner": {"size": 1, "mean": ["x"]}}', "inner.mean[0] must be a number, got 'x'"),
        (
            '{"name": "a", "inner": {"size": 1}, "several": [{"size": 0}]}',
            "several[0]: size must be",
        ),
        ('{"name": "a", "inner": {"size": 0}}', "inner: size must be at least 1, got 0."),
        ('{"name": "a", "inner": {"size": 1}, "shares": {"x": null}}', "shares.x must be a number, got None"),
        ('{"name": "a", "inner": {"size": 1}, "on": 1}', "on must be true or false, got 1"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place_its_rule_and_its_value(encoded, complaint):
    with pytest.raises(SchemaError) as refused:
        from_json(Outer, encoded)
    assert str(refused.value).startswith(complaint)
