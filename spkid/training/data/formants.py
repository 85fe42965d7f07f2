"""Formants apart from pitch: other people's voices, and one person's voice at another pitch.

The envelope of a spectrum (its formants) says more about who speaks than the pitch does, which
moves with mood and effort. Moving the formants alone makes the voice of somebody else (after
Kathania et al., 2023, and ChildAugment, arXiv 2402.15214); a change of pitch and pace that leaves
the formants makes the same person in another mood.
"""

from __future__ import annotations

import torch
from torch import Tensor

from spkid.training.data.speeds import SPEEDS, resample

N_FFT = 512  # 32 ms
HOP = N_FFT // 4
N_CEPSTRA = 30  # 1.9 ms: below the period of any voice
FORMANT_RATIOS = (0.8, 1.25)  # an adult's vocal tract and a child's
LARGEST_GAIN = 3.0  # natural logarithm of an amplitude: 26 dB


def move_formants(waveforms: Tensor, ratios: Tensor) -> Tensor:
    """Move the formants of each row up by its ratio ``[batch]``; pitch and pace stay.

    ``[batch, samples]`` in and out.
    """
    window = torch.hann_window(N_FFT, device=waveforms.device)
    spectrum = torch.stft(waveforms, N_FFT, HOP, window=window, return_complex=True)
    envelope = log_envelope(spectrum)  # [batch, bins, frames]
    n_bins = envelope.shape[1]
    place = torch.arange(n_bins, device=waveforms.device) / ratios[:, None]  # [batch, bins]
    place = place.clamp_max(n_bins - 1.001)
    below = place.long()
    share = (place - below).unsqueeze(2)

    def at(bins: Tensor) -> Tensor:
        return envelope.gather(1, bins.unsqueeze(2).expand_as(envelope))

    moved = (1 - share) * at(below) + share * at(below + 1)
    gain = (moved - envelope).clamp(-LARGEST_GAIN, LARGEST_GAIN).exp()
    n_samples = waveforms.shape[1]
    result: Tensor = torch.istft(spectrum * gain, N_FFT, HOP, window=window, length=n_samples)
    return result


def log_envelope(spectrum: Tensor) -> Tensor:
    """Logarithmic amplitude without the pitch, ``[batch, bins, frames]``: the low cepstrum."""
    log_amplitude = (spectrum.abs() + 1e-5).log()
    cepstrum = torch.fft.irfft(log_amplitude, n=N_FFT, dim=1)
    cepstrum[:, N_CEPSTRA : N_FFT - N_CEPSTRA + 1] = 0.0
    smooth: Tensor = torch.fft.rfft(cepstrum, dim=1).real
    return smooth


def change_pitch(waveforms: Tensor, speed: Tensor) -> Tensor:
    """The same voice at another pitch and pace; ``[batch, samples]`` in and out.

    ``speed`` ``[batch]`` numbers one of ``SPEEDS`` for each row. What gets shorter is repeated,
    what gets longer is cut.
    """
    changed = waveforms.clone()
    n_samples = waveforms.shape[1]
    for number, factor in enumerate(SPEEDS):
        rows = (speed == number).nonzero()[:, 0]
        if factor == 1.0 or not len(rows):
            continue
        played = resample(waveforms[rows], factor, n_samples)
        times = -(-n_samples // played.shape[1])
        played = played.repeat(1, times)[:, :n_samples]
        ratios = torch.full((len(rows),), 1 / factor, device=waveforms.device)
        changed[rows] = move_formants(played, ratios)
    return changed
