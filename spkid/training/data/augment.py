"""Waveform augmentation on whole batches: draw the parameters first, then apply them.

Everything is a torch operation on ``[batch, samples]``: it runs where the tensors are, and
the generator must be of the same device.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from spkid.audio.reading import SAMPLE_RATE_HZ
from spkid.training.data.codecs import through_carriers
from spkid.training.data.formants import change_pitch
from spkid.training.data.speeds import SPEEDS

REVERB_SAMPLES = 6_400  # 0.4 s of room


@dataclass(frozen=True)
class AugmentConfig:
    """Chances are per crop; ranges are drawn uniformly.

    ``pitch_chance`` is that of another pitch and pace of the same voice at the beginning
    (:mod:`spkid.training.data.formants`), ``carrier_chance`` that of a telephone or a lossy codec
    at the end (:mod:`spkid.training.data.codecs`).
    """

    reverb_chance: float = 0.4
    band_limit_chance: float = 0.4
    noise_chance: float = 0.4
    babble_chance: float = 0.2
    noise_snr_db: tuple[float, float] = (0.0, 20.0)
    babble_snr_db: tuple[float, float] = (5.0, 20.0)
    reverb_time_s: tuple[float, float] = (0.1, 0.7)
    direct_to_reverb_db: tuple[float, float] = (-3.0, 12.0)
    lowest_hz: tuple[float, float] = (20.0, 400.0)
    highest_hz: tuple[float, float] = (2600.0, 7800.0)
    tilt_db: float = 8.0
    carrier_chance: float = 0.0
    pitch_chance: float = 0.0

    @property
    def changes_nothing(self) -> bool:
        """Whether every chance is 0."""
        chances = (self.reverb_chance, self.band_limit_chance, self.noise_chance)
        return not any((*chances, self.babble_chance, self.carrier_chance, self.pitch_chance))


def uniform(low_high: tuple[float, float], size: int, generator: torch.Generator) -> Tensor:
    """``[size]`` numbers between ``low_high``."""
    low, high = low_high
    return low + (high - low) * torch.rand(size, generator=generator, device=generator.device)


def room_responses(
    reverb_time_s: Tensor, direct_to_reverb_db: Tensor, generator: torch.Generator
) -> Tensor:
    """Exponentially decaying noise after a direct impulse, ``[batch, REVERB_SAMPLES]``.

    ``reverb_time_s`` is the time to fall by 60 dB (Polack's model of a diffuse room).
    """
    device = generator.device
    time_s = torch.arange(REVERB_SAMPLES, device=device) / SAMPLE_RATE_HZ
    tail = torch.randn(len(reverb_time_s), REVERB_SAMPLES, generator=generator, device=device)
    tail = tail * torch.exp(-6.908 * time_s / reverb_time_s[:, None])
    tail[:, :16] = 0.0  # the first millisecond belongs to the direct sound
    energy = tail.square().sum(dim=1, keepdim=True)
    tail = tail * (10 ** (-direct_to_reverb_db[:, None] / 10) / energy).sqrt()
    tail[:, 0] = 1.0
    return tail


def channel_gains(lowest_hz: Tensor, highest_hz: Tensor, tilt_db: Tensor, n_bins: int) -> Tensor:
    """Smooth band limits and a spectral tilt as real gains, ``[batch, n_bins]``."""
    hz = torch.linspace(0.0, SAMPLE_RATE_HZ / 2, n_bins, device=lowest_hz.device)
    high_pass = torch.sigmoid((hz - lowest_hz[:, None]) / 40.0)
    low_pass = torch.sigmoid((highest_hz[:, None] - hz) / 120.0)
    octaves = torch.log2((hz + 100.0) / 1000.0)
    tilt = 10 ** (tilt_db[:, None] * octaves / 3.0 / 20.0)
    return (high_pass * low_pass).clamp_min(1e-3) * tilt


def add_at_snr(speech: Tensor, noise: Tensor, snr_db: Tensor) -> Tensor:
    """Add ``noise`` so that each row has ``snr_db`` ``[batch]``; rows of zeros stay unchanged."""
    speech_power = speech.square().mean(dim=1, keepdim=True)
    noise_power = noise.square().mean(dim=1, keepdim=True) + 1e-10
    gain = (speech_power / noise_power * 10 ** (-snr_db[:, None] / 10)).sqrt()
    return speech + gain * noise


def augment(
    waveforms: Tensor, noises: Tensor, config: AugmentConfig, generator: torch.Generator
) -> Tensor:
    """Pitch, reverberation and channel, noise or babble, then a carrier; ``[batch, samples]``.

    ``noises`` has a random cut of environmental noise for each row. Babble is the sum of
    three other rows of the batch.
    """
    if config.changes_nothing:
        return waveforms
    batch, n_samples = waveforms.shape
    if config.pitch_chance:
        speeds = torch.randint(
            1, len(SPEEDS), (batch,), generator=generator, device=generator.device
        )
        changed = uniform((0.0, 1.0), batch, generator) < config.pitch_chance
        waveforms = change_pitch(waveforms, torch.where(changed, speeds, 0))
    reverbed = uniform((0.0, 1.0), batch, generator) < config.reverb_chance
    limited = uniform((0.0, 1.0), batch, generator) < config.band_limit_chance
    tilt_db = config.tilt_db * (2 * uniform((0.0, 1.0), batch, generator) - 1)
    responses = room_responses(
        uniform(config.reverb_time_s, batch, generator),
        uniform(config.direct_to_reverb_db, batch, generator),
        generator,
    )
    responses[~reverbed, 1:] = 0.0
    lowest_hz = torch.where(limited, uniform(config.lowest_hz, batch, generator), -400.0)
    highest_hz = torch.where(limited, uniform(config.highest_hz, batch, generator), 9000.0)
    kind = uniform((0.0, 1.0), batch, generator)
    noise_snr_db = uniform(config.noise_snr_db, batch, generator)
    babble_snr_db = uniform(config.babble_snr_db, batch, generator)
    others = torch.randperm(max(batch - 1, 1), generator=generator, device=generator.device)
    shifts = 1 + others[:3]

    n_fft = n_samples + REVERB_SAMPLES
    spectrum = torch.fft.rfft(waveforms, n=n_fft)
    spectrum = spectrum * torch.fft.rfft(responses, n=n_fft)
    spectrum = spectrum * channel_gains(
        lowest_hz, highest_hz, torch.where(limited, tilt_db, 0.0), spectrum.shape[1]
    )
    channelled = torch.fft.irfft(spectrum, n=n_fft)[:, :n_samples]

    babble = sum(torch.roll(waveforms, int(shift), dims=0) for shift in shifts)
    noisy = kind < config.noise_chance
    babbled = (kind >= config.noise_chance) & (kind < config.noise_chance + config.babble_chance)
    added = torch.where(babbled[:, None], babble, noises) * (noisy | babbled)[:, None]
    noised = add_at_snr(channelled, added, torch.where(babbled, babble_snr_db, noise_snr_db))
    if not config.carrier_chance:
        return noised
    return through_carriers(noised, config.carrier_chance, generator)


def mask_features(log_mel: Tensor, generator: torch.Generator) -> Tensor:
    """SpecAugment (Park et al., 2019): one band and one span of each row to the mean, in place.

    ``[batch, mels, frames]``; at most 12 bands and a tenth of the frames.
    """
    batch, n_mels, n_frames = log_mel.shape
    mean = log_mel.mean(dim=2, keepdim=True)
    for axis, size, widest in ((1, n_mels, 12), (2, n_frames, n_frames // 10)):
        width = torch.randint(0, widest + 1, (batch,), generator=generator, device=generator.device)
        start = (uniform((0.0, 1.0), batch, generator) * (size - width + 1)).long()
        position = torch.arange(size, device=generator.device)
        hit = (position >= start[:, None]) & (position < (start + width)[:, None])
        hit = hit[:, :, None] if axis == 1 else hit[:, None, :]
        torch.where(hit, mean, log_mel, out=log_mel)
    return log_mel
