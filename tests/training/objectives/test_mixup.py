"""Mixed voices: what is mixed, and that every loss counts for both speakers by their shares."""

from __future__ import annotations

import torch

from spkid.training.config import TrainConfig
from spkid.training.data.sampler import CPU, Batch
from spkid.training.objectives.mixup import Mix, draw_mix, for_both_speakers, mix_features
from spkid.training.objectives.weighted_sum import Losses

MIX = Mix(0.7, torch.tensor([1, 2, 0]))


def test_first_crops_are_mixed_and_nothing_else():
    log_mel = torch.randn(7, 4, 5, generator=torch.Generator().manual_seed(1))
    before = log_mel.clone()
    mixed = mix_features(log_mel, MIX)
    assert torch.equal(log_mel, before)
    for speaker, other in enumerate((1, 2, 0)):
        expected = 0.7 * before[2 * speaker] + 0.3 * before[2 * other]
        torch.testing.assert_close(mixed[2 * speaker], expected)
    for row in (1, 3, 5, 6):
        assert torch.equal(mixed[row], before[row])


def test_losses_are_those_of_both_speakers_by_their_shares():
    generator = torch.Generator().manual_seed(2)
    embeddings = torch.nn.functional.normalize(torch.randn(7, 5, generator=generator), dim=1)
    targets = torch.nn.functional.normalize(torch.randn(7, 5, generator=generator), dim=1)
    config = TrainConfig(prototypical_weight=1.0, aam_weight=0.5, teacher_weight=2.0)
    losses = Losses(config, embedding_dim=5, n_classes=3)
    classes = torch.tensor([0, 0, 1, 1, 2, 2, -1])
    batch = Batch(torch.empty(7, 0), torch.empty(7, 0), classes, targets, 3)

    def losses_of(rows: torch.Tensor) -> dict[str, torch.Tensor]:
        return losses(rows, batch, margin=0.2)

    found = for_both_speakers(losses_of, embeddings, MIX)
    # the mixture of speakers 0 and 1 is 1's query too, that of 1 and 2 is 2's, that of 2 and 0 0's
    moved = embeddings[[4, 1, 0, 3, 2, 5, 6]]
    own, other = losses_of(embeddings), losses_of(moved)
    assert set(found) == {"prototypical", "aam", "teacher", "loss"}
    for name, value in found.items():
        torch.testing.assert_close(value, 0.7 * own[name] + 0.3 * other[name])
        assert not torch.isclose(value, own[name])
    assert for_both_speakers(losses_of, embeddings, None)["loss"] == own["loss"]


def test_mix_is_of_the_step_and_as_often_as_asked_for():
    def mix(step: int, chance: float = 0.5, n_speakers: int = 4) -> Mix | None:
        return draw_mix(step, chance=chance, n_speakers=n_speakers, seed=1, device=CPU)

    drawn = [mix(step) for step in range(400)]
    mixes = [each for each in drawn if each is not None]
    assert 160 < len(mixes) < 240
    for each in mixes:
        assert 0.5 <= each.share <= 1
        assert sorted(each.others.tolist()) == [0, 1, 2, 3]
        assert (each.others != torch.arange(4)).all()
    assert len({round(each.share, 6) for each in mixes}) > 150
    again = mix(7, chance=1.0)
    assert again is not None
    assert again.share == mix(7, chance=1.0).share
    assert mix(7, chance=0.0) is None
    assert mix(7, chance=1.0, n_speakers=1) is None
