"""Configs from mappings, fingerprints and the one error type."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, asdict, dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spkid.config import canonical_json, fingerprint, from_mapping
from spkid.errors import SpkidError


@dataclass(frozen=True)
class Example:
    n_steps: int = 3
    rate: float = 0.5
    name: str = "mean"
    loud: bool = False
    range_hz: tuple[float, ...] = (20.0, 400.0)
    note: str | None = None


def test_error_is_one_sentence_with_its_fragments():
    error = SpkidError("0.1 s of audio", expected="0.2 s", do="record more", code="too_short")
    assert str(error) == "0.1 s of audio; expected 0.2 s; record more."
    assert (error.got, error.expected, error.do) == ("0.1 s of audio", "0.2 s", "record more")
    assert error.code == "too_short"


def test_error_code_says_bad_input_unless_told():
    assert SpkidError("a", expected="b", do="c").code == "bad_input"


def test_empty_mapping_gives_the_defaults():
    assert from_mapping(Example, {}) == Example()


def test_values_replace_defaults_and_lists_become_tuples():
    config = from_mapping(Example, {"n_steps": 9, "range_hz": [1.0, 2.0], "loud": True})
    assert config == Example(n_steps=9, range_hz=(1.0, 2.0), loud=True)
    assert isinstance(config.range_hz, tuple)
    with pytest.raises(FrozenInstanceError):
        config.n_steps = 1


def test_whole_number_is_accepted_for_a_float():
    assert from_mapping(Example, {"rate": 2}).rate == 2.0


def test_field_without_a_typed_default_takes_any_value():
    assert from_mapping(Example, {"note": "held out"}).note == "held out"


def test_unknown_key_is_named_with_the_known_ones():
    with pytest.raises(SpkidError) as caught:
        from_mapping(Example, {"n_step": 9})
    assert "'n_step'" in caught.value.got
    assert "Example" in caught.value.got
    assert caught.value.expected == "one of loud, n_steps, name, note, range_hz, rate"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("n_steps", "3"),
        ("n_steps", 3.0),
        ("n_steps", True),
        ("n_steps", None),
        ("rate", "fast"),
        ("rate", True),
        ("name", 1),
        ("loud", 1),
        ("range_hz", 20.0),
        ("range_hz", "20"),
    ],
)
def test_value_of_another_type_is_an_error(key, value):
    with pytest.raises(SpkidError) as caught:
        from_mapping(Example, {key: value})
    assert f"Example.{key} = {value!r}" in caught.value.got
    assert type(value).__name__ in caught.value.got
    assert type(getattr(Example(), key)).__name__ in caught.value.expected


configs = st.builds(
    Example,
    n_steps=st.integers(),
    rate=st.floats(allow_nan=False, allow_infinity=False),
    name=st.text(),
    loud=st.booleans(),
    range_hz=st.lists(st.floats(0, 8000), min_size=1, max_size=4).map(tuple),
    note=st.none() | st.text(),
)


@given(configs)
@settings(max_examples=25, deadline=None)
def test_config_survives_json(config):
    assert from_mapping(Example, json.loads(json.dumps(asdict(config)))) == config


@given(st.lists(st.binary(max_size=40), max_size=5))
@settings(max_examples=25, deadline=None)
def test_fingerprint_is_the_head_of_sha256(parts):
    assert fingerprint(*parts) == hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def test_canonical_json_ignores_the_order_of_keys_only():
    one = {"b": [1, 2], "a": {"y": 1, "x": None}}
    same = {"a": {"x": None, "y": 1}, "b": [1, 2]}
    other = {"a": {"x": None, "y": 1}, "b": [2, 1]}
    assert canonical_json(one) == canonical_json(same) == b'{"a":{"x":null,"y":1},"b":[1,2]}'
    assert canonical_json(one) != canonical_json(other)


def test_config_and_errors_import_nothing_heavy():
    code = (
        "import sys, spkid.config, spkid.errors, spkid.data.manifest;"
        "print({'torch', 'pandas', 'numpy'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "set()"


@pytest.mark.parametrize("values", [["low"], [], [1.0, "high"], [None, 2.0]])
def test_lists_of_other_kinds_or_empty_are_refused(values):
    with pytest.raises(SpkidError, match="range_hz"):
        from_mapping(Example, {"range_hz": values})
    assert from_mapping(Example, {"range_hz": [100, 200.0, 3]}).range_hz == (100, 200.0, 3)
