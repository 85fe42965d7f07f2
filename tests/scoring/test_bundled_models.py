"""The models that ship, by their names: each with its calibration, each able to decide."""

from __future__ import annotations

import pytest

from enrollment import Household, Store
from spkid import Model
from spkid.encoder.encoder import BUNDLED
from spkid.errors import ModelMismatch
from spkid.scoring.calibration import Calibration, bundled_or_raw

LARGEST_MB = 16.0


@pytest.mark.parametrize("name", BUNDLED)
def test_a_name_stands_for_a_model_with_its_calibration(name):
    model = Model.load(name)
    assert model.to_decide().model == model.fingerprint
    assert BUNDLED[name].stat().st_size <= LARGEST_MB * 1e6
    found = bundled_or_raw(model.fingerprint)
    assert isinstance(found, Calibration)
    assert found.model == model.fingerprint


def test_the_default_is_the_accurate_one():
    assert Model.load().fingerprint == Model.load("accurate").fingerprint
    assert Model.load().fingerprint != Model.load("small").fingerprint


def test_the_accurate_model_tells_members_and_strangers(tmp_path, clips):
    model = Model.load("accurate")
    own = {
        "Ana": ("096160001", "096160002", "096160006"),
        "Leo": ("011970107", "011970006", "011970023"),
    }
    with Store.open(tmp_path / "home.sqlite3") as store:
        home = Household(store, "home", model=model)
        for name, names in own.items():
            home.enroll(name, [clips[clip] for clip in names], consent=True)
        assert home.identify(clips["096160018"]).member == "Ana"
        assert home.identify(clips["021700153"]).status == "unknown"
        other = Household(store, "home", model=Model.load("small"))
        with pytest.raises(ModelMismatch):
            other.identify(clips["096160018"])
