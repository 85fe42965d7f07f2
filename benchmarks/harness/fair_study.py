"""The accurate model above its trunk, trained further by one method and another.

What the study of fair training stands on: which clips train, which are held out and which are read,
their frames, the groups of the speakers, and the runs. A run's folder carries the fingerprint of
its settings and clips, so a stopped study goes on where it was.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.harness.gaps import REGION_OF, Section, section_of
from benchmarks.harness.kept import RUNS
from benchmarks.harness.protocols import LEAST_TARGETS, Protocols, list_error
from benchmarks.harness.result_files import ROOT
from benchmarks.harness.trunk_frames import CROP_S, FramesConfig, TrunkFrames, frame_vectors
from benchmarks.model.peer_projections import LEFT_OUT, all_clips
from benchmarks.voice_cohorts import trials_of
from spkid.config import canonical_json, fingerprint
from spkid.encoder.vectors import EmbeddingTable, mean_vectors, nearest, spherical_k_means
from spkid.scoring.trials import score_trials
from spkid.training.config import TrainConfig
from spkid.training.data.augment import AugmentConfig
from spkid.training.data.corpora import Corpora
from spkid.training.data.corpus import Corpus, is_held_out
from spkid.training.finetune import split_by_cohort
from spkid.training.recipe import Recipe
from spkid.training.train import train

CHECKPOINT = ROOT / "benchmarks" / "model" / "checkpoints" / "accurate.safetensors"
FOLDER, ENCODER = RUNS / "fair_training", "encoder.safetensors"
SIDES = ("enroll", "test")
N_STEPS = 200
CLIPS_A_SPEAKER = 8
JUDGED_ON = ("commonvoice", "speechocean762", "arabic-commands")  # held-out speakers, to choose by
N_COHORTS = 4
COHORT = "child"  # the worst known group of the training speakers
LISTS = ("speechocean762", "commonvoice", "arabic-commands", "librispeech")
SECTIONS = (
    ("speechocean762", "age_group"),
    ("speechocean762", "gender"),
    ("commonvoice", "gender"),
    ("commonvoice", "region"),
    ("left out", "gender"),
    ("everybody", "gender"),
    ("everybody", "cohort"),
)
TRAIN = TrainConfig(
    n_steps=N_STEPS,
    n_speakers=32,
    n_unlabelled=0,
    crop_s=(CROP_S,),
    speed_chance=0.0,
    aam_weight=0.0,
    teacher_weight=0.0,
    average_decay=0.98,
    checkpoint_every=100,
)
AS_KEPT = AugmentConfig(reverb_chance=0, band_limit_chance=0, noise_chance=0, babble_chance=0)


class Study:
    """Clips, their frames and the runs, each read or made when it is first asked for."""

    def __init__(self, data: Path, n_steps: int) -> None:
        self.n_steps, self.frames = n_steps, TrunkFrames(CHECKPOINT, data)
        protocols = Protocols.read(data / "speech")
        self.lists = {name: protocols.verify[f"verify_new_{name}"] for name in LISTS}
        clips = all_clips(data)
        self.described = clips[clips["speaker"] != ""].drop_duplicates("speaker")
        self.described = self.described.set_index("speaker")
        trained = (clips["split"] == "train") & (clips["speaker"] != "")
        left_out = clips["corpus"].isin(LEFT_OUT.split(","))
        aside = clips["speaker"].map(is_held_out).astype(bool)
        n_clips = clips["speaker"].map(clips["speaker"][trained].value_counts()).fillna(0)
        own = trained & ~aside & ~left_out
        judged = trained & aside & clips["corpus"].isin(JUDGED_ON)
        sides = pd.concat([trials[s] for trials in self.lists.values() for s in SIDES])
        self.clips_of = {
            "training": some_clips(clips[own]),
            "augmented": some_clips(clips[own & (n_clips > 1)]),
            "held_out": some_clips(clips[judged & (n_clips > 1)]),
            "read": clips[clips["path"].isin(set(sides))].reset_index(drop=True),
            "left_out": some_clips(clips[trained & left_out]),
        }

    def corpus(self, name: str) -> Corpus:
        """The frames of one set of clips: a second to train on, two to be read."""
        n_seconds = 1 if name in ("training", "augmented") else 2
        clips = self.clips_of[name]
        return self.frames.corpus(name, clips, n_seconds=n_seconds, augmented=name == "augmented")

    @cached_property
    def corpora(self) -> Corpora:
        """To train on: each clip as it is and, of speakers with several, augmented."""
        nothing = Corpus(np.empty(0, np.int16), np.zeros(1, np.int64), [], [])
        training = Corpus.joined([self.corpus("training"), self.corpus("augmented")])
        return Corpora(training, self.corpus("held_out"), nothing)

    @cached_property
    def heard(self) -> Corpus:
        """Clips that are read."""
        return Corpus.joined([self.corpus("read"), self.corpus("left_out")])

    @cached_property
    def groups(self) -> pd.DataFrame:
        """Age group, sex, language region and cohort by voice of each speaker."""
        start, corpus = self.frames.start(), self.corpus("training")
        table = frame_vectors(start, corpus)
        _, means = mean_vectors(pd.DataFrame({"speaker": corpus.speakers}), table.vectors)
        centroids = spherical_k_means(means, N_COHORTS, seed=0)
        read = frame_vectors(start, self.heard)
        names, own = mean_vectors(pd.DataFrame({"speaker": self.heard.speakers}), read.vectors)
        cohort = pd.Series([f"cohort {n}" for n in nearest(own, centroids)], index=names)
        region = self.described["language"].map(REGION_OF).fillna("")
        return self.described.assign(region=region, cohort=cohort).fillna({"cohort": ""})

    @cached_property
    def children(self) -> frozenset[str]:
        """The speakers of the worst known group."""
        return frozenset(self.described.index[self.described["age_group"] == COHORT])

    @cached_property
    def trials(self) -> pd.DataFrame:
        """All trials that are read, with the speakers of both sides and the ``list``."""
        speaker_of = dict(zip(self.heard.paths, self.heard.speakers, strict=True))
        parts = [trials.assign(list=name) for name, trials in self.lists.items()]
        trials = pd.concat([*parts, all_trials(self.corpus("left_out")).assign(list="left out")])
        sides = {f"{side}_speaker": trials[side].map(speaker_of) for side in SIDES}
        return trials.assign(**sides).reset_index(drop=True)

    @cached_property
    def sections(self) -> dict[str, Section]:
        """What is read, by list and grouping."""
        found = {}
        for name, column in SECTIONS:
            rows = np.ones(len(self.trials), dtype=bool)
            if name != "everybody":
                rows = (self.trials["list"] == name).to_numpy()
            found[f"{name}, {column}"] = section_of(
                self.trials, np.flatnonzero(rows), self.groups[column].to_dict()
            )
        return found

    def errors_by_group(self) -> dict[str, float]:
        """Before: EER of training speakers within each known group."""
        table = self.fitted_vectors(self.frames.start())
        trials = self.fitted.assign(score=score_trials(self.fitted, table))
        found = {}
        for column in ("age_group", "gender", "region"):
            sides = [trials[f"{side}_speaker"].map(self.groups[column]) for side in SIDES]
            for group in sorted(set(sides[0]) - {""}):
                own = trials[(sides[0] == group) & (sides[1] == group)]
                if own["label"].sum() >= LEAST_TARGETS:
                    found[group] = list_error(own, own["score"].to_numpy())
        return found

    @cached_property
    def fitted(self) -> pd.DataFrame:
        """Trials of training speakers, on which calibrations are fitted."""
        clips = self.clips_of["training"]
        several = clips["speaker"].map(clips["speaker"].value_counts()) > 1
        return trials_of(clips[several].reset_index(drop=True), 0)

    def fitted_vectors(self, encoder: Path) -> EmbeddingTable:
        """Those of all clips that are read, and of the training clips as they are."""
        parts = [frame_vectors(encoder, own) for own in (self.heard, self.corpus("training"))]
        paths = [path for part in parts for path in part.row_of]
        rows = {path: row for row, path in enumerate(paths)}
        return EmbeddingTable(rows, np.concatenate([p.vectors for p in parts]), parts[0].model)

    def held_out_error(self, encoder: Path, speakers: Collection[str] | None = None) -> float:
        """EER over all pairs of held-out training speakers' clips, of all or of ``speakers``."""
        trials = all_trials(self.corpus("held_out"))
        if speakers is not None:
            inside = [trials[f"{side}_speaker"].isin(speakers) for side in SIDES]
            trials = trials[inside[0] & inside[1]]
        table = frame_vectors(encoder, self.corpus("held_out"))
        return list_error(trials, score_trials(trials, table))

    def run(self, method: str, seed: int, **changes: Any) -> Path:
        """The folder of one finished run; ``changes`` are keys of TrainConfig."""
        corpora, start = self.corpora, self.frames.start()
        each = max(1, self.n_steps // 3)
        config = replace(TRAIN, seed=seed, n_steps=self.n_steps, evaluate_every=each, **changes)
        recipe = Recipe(train=config, encoder=FramesConfig(), augment=AS_KEPT)
        trained = set(corpora.training.speakers)
        own_group, kept, oversampled = sorted(self.children & trained), None, frozenset[str]()
        if method == "balanced":
            described = self.described.loc[corpora.training.speakers]
            groups = (described["gender"] + " " + described["language"]).tolist()
            corpora = replace(corpora, training=replace(corpora.training, groups=groups))
        elif method == "oversampling":
            oversampled = frozenset(own_group)
        elif method == "ewc":
            cohort, kept = split_by_cohort(corpora.training, own_group)
            corpora = replace(corpora, training=cohort)
        key = canonical_json({**recipe.settings(), "clips": corpora.training.fingerprint()})
        folder = FOLDER / f"{method}-{seed}-{fingerprint(key)[:8]}"
        if not (folder / ENCODER).exists():
            print(f"training {folder}", flush=True)
            train(
                recipe,
                out=folder,
                start=start,
                corpora=corpora,
                kept=kept,
                oversampled=oversampled,
            )
        return folder


def some_clips(clips: pd.DataFrame) -> pd.DataFrame:
    """The first clips of each speaker."""
    return clips.groupby("speaker").head(CLIPS_A_SPEAKER).reset_index(drop=True)


def all_trials(corpus: Corpus) -> pd.DataFrame:
    """All pairs of clips of each corpus."""
    corpora = np.array(corpus.corpora)
    one, other = np.triu_indices(len(corpus), k=1)
    rows = corpora[one] == corpora[other]
    sides = {"enroll": one[rows], "test": other[rows]}
    named = {side: np.array(corpus.paths)[own] for side, own in sides.items()}
    people = {f"{side}_speaker": np.array(corpus.speakers)[own] for side, own in sides.items()}
    same = people["enroll_speaker"] == people["test_speaker"]
    return pd.DataFrame({"label": same, **named, **people})


def curve(folder: Path) -> dict[int, float]:
    """Mean held-out error over corpora by step of one run."""
    lines = map(json.loads, (folder / "log.jsonl").read_text().splitlines())
    judged = [line for line in lines if line.get("held_out_eer")]
    return {line["step"]: float(np.mean(list(line["held_out_eer"].values()))) for line in judged}
