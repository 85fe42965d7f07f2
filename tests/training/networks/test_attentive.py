"""The encoder: unit vectors, weights that sum to one, attention and pooling against loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spkid.errors import SpkidError
from spkid.training.networks.attentive import (
    AttentionBlock,
    AttentiveStatistics,
    ConvBlock,
    FrameMean,
    LongTermSpectrum,
    SelfAttentiveEncoder,
)

POOLINGS = ("attentive", "mean")


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize(("batch", "n_samples"), [(1, 400), (1, 3_200), (3, 16_001), (2, 24_480)])
def test_unit_vectors_and_weights_of_any_batch_and_length(make_encoder, pooling, batch, n_samples):
    encoder = make_encoder(pooling=pooling)
    waveforms = torch.randn(batch, n_samples, generator=torch.Generator().manual_seed(batch))
    with torch.no_grad():
        vectors, weights = encoder(waveforms)
    n_log_mel_frames = (n_samples - 400) // 160 + 1
    assert vectors.shape == (batch, 8)
    assert weights.shape == (batch, (n_log_mel_frames + 1) // 2)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(batch))
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(batch))
    assert (weights > 0).all()


@pytest.mark.parametrize("pooling", POOLINGS)
def test_row_is_the_same_alone_and_in_a_batch(make_encoder, speech, pooling):
    encoder = make_encoder(pooling=pooling)
    rows = torch.from_numpy(np.stack([speech(0.6, pitch_hz=p, seed=p) for p in (90, 140, 230)]))
    with torch.no_grad():
        together, weights = encoder(rows)
        alone = [encoder(row[None]) for row in rows]
    torch.testing.assert_close(together, torch.cat([vector for vector, _ in alone]))
    torch.testing.assert_close(weights, torch.cat([weight for _, weight in alone]))


def test_attentive_weights_depend_on_the_frame_and_mean_weights_do_not(make_encoder, speech):
    waveform = torch.from_numpy(speech(1.0, pitch_hz=130, seed=1))[None]
    with torch.no_grad():
        attentive = make_encoder(pooling="attentive")(waveform)[1]
        mean = make_encoder(pooling="mean")(waveform)[1]
    assert attentive.std() > 1e-5
    torch.testing.assert_close(mean, torch.full_like(mean, 1 / mean.shape[1]))


def test_level_does_not_move_the_vector(make_encoder, speech):
    encoder = make_encoder()
    waveform = torch.from_numpy(speech(0.8, pitch_hz=130, seed=2))[None]
    with torch.no_grad():
        cosine = (encoder(waveform)[0] * encoder(0.05 * waveform)[0]).sum()
    assert cosine > 0.9999


def coloured(waveform: torch.Tensor) -> torch.Tensor:
    """The waveform as through another microphone: less and less of the upper bands."""
    spectrum = torch.fft.rfft(waveform)
    gains = 2.0 ** torch.linspace(0.0, -6.0, spectrum.shape[1])
    return torch.fft.irfft(spectrum * gains, n=waveform.shape[1])


def test_long_term_spectrum_is_heard_where_it_is_asked_for(make_encoder, speech):
    waveform = torch.from_numpy(speech(1.2, pitch_hz=130, seed=2))[None]
    deaf, listening = make_encoder(), make_encoder(long_term_spectrum=True)
    torch.nn.init.normal_(listening.long_term_spectrum.body[3].weight)
    with torch.no_grad():
        kept, moved = (
            (encoder(waveform)[0] * encoder(coloured(waveform))[0]).sum()
            for encoder in (deaf, listening)
        )
        level = (listening(waveform)[0] * listening(0.05 * waveform)[0]).sum()
    assert kept > 0.999 > 0.99 > moved
    assert level > 0.9999


def test_long_term_spectrum_changes_nothing_before_training(make_encoder, speech):
    deaf, listening = make_encoder(), make_encoder(long_term_spectrum=True)
    listening.load_state_dict(deaf.state_dict(), strict=False)
    waveforms = torch.from_numpy(np.stack([speech(0.6, pitch_hz=p, seed=p) for p in (90, 230)]))
    with torch.no_grad():
        for one, other in zip(deaf(waveforms), listening(waveforms), strict=True):
            torch.testing.assert_close(one, other)


def test_long_term_spectrum_is_mean_and_deviation_of_each_band(tiny_config):
    torch.manual_seed(6)
    part = LongTermSpectrum(tiny_config).double().eval()
    torch.nn.init.normal_(part.body[3].weight)
    log_mel = torch.randn(2, tiny_config.n_mels, 9, dtype=torch.float64)
    with torch.no_grad():
        mean = log_mel.mean(dim=2, keepdim=True)
        for row, told in enumerate(part(mean, log_mel - mean)[:, :, 0]):
            bands = log_mel[row].numpy()
            deviations = [np.sqrt(band.var() + 1e-5) for band in bands]
            both = torch.tensor([*bands.mean(axis=1), *deviations])
            torch.testing.assert_close(told, part.body(both[None])[0])


def test_forward_is_log_mel_then_encode(make_encoder):
    encoder = make_encoder()
    waveforms = torch.randn(2, 4_000)
    with torch.no_grad():
        whole = encoder(waveforms)
        parts = encoder.encode(encoder.log_mel(waveforms))
    assert torch.equal(whole[0], parts[0])
    assert torch.equal(whole[1], parts[1])


@pytest.mark.parametrize("long_term_spectrum", [False, True])
def test_every_weight_gets_a_gradient(tiny_config, long_term_spectrum):
    torch.manual_seed(1)
    config = replace(tiny_config, long_term_spectrum=long_term_spectrum)
    encoder = SelfAttentiveEncoder(config).train()
    vectors, _ = encoder(torch.randn(4, 8_000))
    (vectors * torch.randn_like(vectors)).sum().backward()
    without = [name for name, p in encoder.named_parameters() if p.grad is None]
    assert without == []
    assert all(torch.isfinite(p.grad).all() for p in encoder.parameters())


@pytest.mark.parametrize("field", ["n_conv_blocks", "n_attention_blocks"])
def test_blocks_are_as_many_as_configured(tiny_config, field):
    encoder = SelfAttentiveEncoder(replace(tiny_config, **{field: 3}))
    blocks = {"n_conv_blocks": encoder.conv_blocks, "n_attention_blocks": encoder.attention_blocks}
    assert len(blocks[field]) == 3


def test_attention_is_the_one_written_out_in_loops():
    torch.manual_seed(2)
    block = AttentionBlock(n_channels=8, n_heads=2).double()
    frames = torch.randn(2, 5, 8, dtype=torch.float64)
    with torch.no_grad():
        expected = torch.empty_like(frames)
        for row in range(2):
            normed = block.norm_attention(frames[row])
            weight, bias = block.query_key_value.weight, block.query_key_value.bias
            query, key, value = (normed @ weight[i : i + 8].T + bias[i : i + 8] for i in (0, 8, 16))
            for frame in range(5):
                heads = []
                for head in (slice(0, 4), slice(4, 8)):
                    scores = [float(query[frame, head] @ k[head]) / 2.0 for k in key]
                    shares = np.exp(scores) / np.exp(scores).sum()
                    heads.append(sum(s * v[head] for s, v in zip(shares, value, strict=True)))
                middle = frames[row, frame] + block.merge(torch.cat(heads))
                expected[row, frame] = middle + block.feed_forward(block.norm_feed_forward(middle))
        torch.testing.assert_close(block(frames), expected)


def test_attentive_statistics_are_weighted_moments():
    torch.manual_seed(3)
    pooling = AttentiveStatistics(n_channels=3).double()
    frames = torch.randn(2, 3, 7, dtype=torch.float64)
    with torch.no_grad():
        statistics, weights = pooling(frames)
        mean = frames.mean(dim=2, keepdim=True).repeat(1, 1, 7)
        scores = pooling.score(torch.cat([frames, mean], dim=1)).numpy()
    for row in range(2):
        shares = np.exp(scores[row]) / np.exp(scores[row]).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(weights[row], shares.mean(axis=0))
        for channel in range(3):
            values = frames[row, channel].numpy()
            average = np.average(values, weights=shares[channel])
            variance = np.average((values - average) ** 2, weights=shares[channel])
            assert statistics[row, channel].item() == pytest.approx(average)
            assert statistics[row, 3 + channel].item() == pytest.approx(np.sqrt(variance + 1e-5))


def test_frame_mean_is_the_mean():
    frames = torch.randn(2, 3, 7, dtype=torch.float64)
    pooled, weights = FrameMean()(frames)
    np.testing.assert_allclose(pooled, frames.numpy().mean(axis=2))
    np.testing.assert_allclose(weights, np.full((2, 7), 1 / 7))


@pytest.mark.parametrize("dilation", [2, 3])
def test_conv_block_reads_its_dilated_neighbours(dilation):
    torch.manual_seed(4)
    block = ConvBlock(n_channels=4, dilation=dilation).eval()
    frames = torch.rand(1, 4, 21) + 5.0  # well above the last rectifier
    moved = frames.clone()
    moved[0, :, 10] += 1.0
    torch.nn.init.zeros_(block.gate[2].weight)  # the gate sees every frame: hold it still
    with torch.no_grad():
        change = (block(moved) - block(frames)).abs().sum(dim=1)[0]
    assert set(torch.nonzero(change > 1e-6)[:, 0].tolist()) == {10 - dilation, 10, 10 + dilation}


def test_conv_block_adds_its_gated_change_to_the_frames():
    torch.manual_seed(5)
    block = ConvBlock(n_channels=4, dilation=2).eval()
    frames = torch.randn(2, 4, 9)
    with torch.no_grad():
        change = block.body(frames)
        expected = torch.empty_like(frames)
        for row in range(2):
            gate = block.gate(torch.stack([change[row, c].mean() for c in range(4)]))
            for c in range(4):
                expected[row, c] = (frames[row, c] + gate[c] * change[row, c]).clamp_min(0.0)
        torch.testing.assert_close(block(frames), expected)


@pytest.mark.parametrize("change", [{"pooling": "meen"}, {"n_heads": 3}, {"n_mels": 81}])
def test_config_that_cannot_work_is_refused(tiny_config, change):
    with pytest.raises(SpkidError):
        SelfAttentiveEncoder(replace(tiny_config, **change))
