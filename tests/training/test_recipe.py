"""The recipe file and the changes of the command line; the schedules it describes."""

from __future__ import annotations

from pathlib import Path

import pytest

from spkid.errors import SpkidError
from spkid.training.config import DataConfig, TrainConfig
from spkid.training.data.augment import AugmentConfig
from spkid.training.networks.attentive import EncoderConfig
from spkid.training.networks.backbones import EcapaConfig
from spkid.training.networks.registry import network_settings
from spkid.training.recipe import Recipe, read_recipe

CONFIGS = Path(__file__).parents[2] / "benchmarks" / "model" / "configs"


def read(tmp_path: Path, text: str, *changes: str) -> Recipe:
    (tmp_path / "run.toml").write_text(text)
    return read_recipe(tmp_path / "run.toml", changes)


def test_empty_file_is_the_defaults(tmp_path):
    assert read(tmp_path, "") == Recipe(
        DataConfig(), TrainConfig(), EncoderConfig(), AugmentConfig()
    )


def test_tables_and_dotted_keys_become_configs(tmp_path):
    recipe = read(
        tmp_path,
        "data.speech = 'voices'\ntrain.n_steps = 7\n"
        "[encoder]\nn_heads = 4\n[augment]\ntilt_db = 2\n",
    )
    assert recipe == Recipe(
        DataConfig(speech="voices"),
        TrainConfig(n_steps=7),
        EncoderConfig(n_heads=4),
        AugmentConfig(tilt_db=2),
    )


def test_changes_win_and_have_the_type_of_their_field(tmp_path):
    recipe = read(
        tmp_path,
        "[train]\nn_steps = 7\nseed = 3\n[encoder]\nn_channels = 64\n",
        "train.n_steps=9",
        "train.crop_s=[1.5, 2]",
        "train.learning_rate = 2e-3",
        "data.speech=007",
        "data.noise=a=b",
        "encoder.architecture=ecapa",
        "encoder.n_channels=32",
    )
    assert recipe.train == TrainConfig(n_steps=9, seed=3, crop_s=(1.5, 2), learning_rate=2e-3)
    assert recipe.data == DataConfig(speech="007", noise="a=b")
    assert recipe.encoder == EcapaConfig(n_channels=32)


def test_settings_say_all_but_where_the_data_lie(tmp_path):
    one = read(tmp_path, "data.speech = 'here'\nencoder.architecture = 'ecapa'\n")
    other = read(tmp_path, "data.speech = 'there'\nencoder.architecture = 'ecapa'\n")
    assert one.settings() == other.settings()
    assert one.settings()["encoder"] == network_settings(EcapaConfig())
    assert one.settings() != read(tmp_path, "train.seed = 2").settings()


@pytest.mark.parametrize(
    ("text", "changes", "fragment"),
    [
        ("[trian]\nn_steps = 7\n", (), "unknown table trian"),
        ("n_steps = 7\n", (), "unknown table n_steps"),
        ("train = 7\n", (), "train is not a table"),
        ("[train\n", (), "run.toml"),
        ("[train]\nn_step = 7\n", (), "unknown key 'n_step'"),
        ("[train]\nn_steps = 0\n", (), "n_steps = 0"),
        ("[encoder]\nn_heads = 'six'\n", (), "EncoderConfig.n_heads = 'six'"),
        ("[encoder]\narchitecture = 'ecpa'\n", (), "architecture 'ecpa'"),
        ("[encoder]\narchitecture = 'lstm'\nn_heads = 4\n", (), "'n_heads' for LstmConfig"),
        ("[encoder]\narchitecture = 'resnet'\nn_blocks = [1, 2]\n", (), "2 n_blocks"),
        ("[augment]\ntilt_db = [1.0]\n", (), "AugmentConfig.tilt_db"),
        ("", ("train.n_steps",), "changes='train.n_steps'"),
        ("", ("n_steps=5",), "changes='n_steps=5'"),
        ("", ("trian.n_steps=5",), "unknown table trian"),
        ("", ("train.n_step=5",), "unknown key 'n_step'"),
        ("", ("train.n_steps=many",), "n_steps = 'many'"),
        ("", ("train.n_steps=5.5",), "n_steps = 5.5"),
    ],
)
def test_fault_is_refused(tmp_path, text, changes, fragment):
    with pytest.raises(SpkidError) as caught:
        read(tmp_path, text, *changes)
    assert fragment in caught.value.got


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(SpkidError, match=r"nowhere\.toml"):
        read_recipe(tmp_path / "nowhere.toml")


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.stem)
def test_configurations_of_the_benchmarks_are_valid(path):
    recipe = read_recipe(path)
    assert recipe.encoder.n_channels % recipe.encoder.n_heads == 0
    assert recipe.encoder.embedding_dim == 192
