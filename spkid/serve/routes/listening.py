"""Who is speaking: identify, verify, timeline."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request

from enrollment.household import Household
from enrollment.matching import FALSE_ACCEPT_RATE, Decision
from spkid.audio.reading import Waveform
from spkid.serve.access import HOME, ONE_HOME, ONE_MEMBER, Home, Person, Rate, Serving, add
from spkid.serve.answers import (
    CandidateShown,
    Identified,
    PictureShown,
    SegmentShown,
    SpanShown,
    SpectrogramShown,
    TimelineShown,
    Verified,
)
from spkid.serve.picture import (
    FIRST_FRAME_S,
    FRAME_S,
    HIGHEST_HZ,
    LOWEST_DB,
    LOWEST_HZ,
    Picture,
    picture_of,
)
from spkid.serve.routes.members import MEMBER
from spkid.serve.service import Service
from spkid.serve.uploads import bounds_of, decoded, files_of

router = APIRouter(tags=["identify"])
ONE_FILE = "An audio file, or a form with one as part 'file'."


@add(
    router,
    "POST",
    "/households/{household}/identify",
    scopes=HOME,
    codes=ONE_HOME,
    audio=ONE_FILE,
    response_model=Identified,
)
async def identify(
    household: Home,
    request: Request,
    service: Serving,
    far: Rate = None,
    weights: Annotated[
        bool, Query(description="Also tell which frames counted, with a small spectrogram.")
    ] = False,
) -> Identified:
    """A member, a stranger, or why nobody can be named."""
    started = time.perf_counter()
    (content,) = await files_of(request)
    bounds = bounds_of(service.limits)

    def work() -> Identified:
        waveform = decoded(content, bounds)
        answer = answer_to(service, service.home(household), waveform, far)
        picture = picture_of(waveform, service.model.encoder) if weights else None
        milliseconds = 1000 * (time.perf_counter() - started)
        return shown_answer(household, answer, milliseconds, picture)

    return await service.hearing.run(work, request)


def answer_to(service: Service, home: Household, waveform: Waveform, far: float | None) -> Decision:
    """Who speaks in ``[samples]``."""
    answer = home.identify(waveform, false_accept_rate=far)
    service.metrics.answers.labels(answer.status).inc()
    return answer


def shown_answer(
    household: str, answer: Decision, milliseconds: float, picture: Picture | None = None
) -> Identified:
    """A decision as it is told."""
    return Identified(
        household=household,
        status=answer.status,
        member=answer.member,
        p_member=answer.p_member,
        p_stranger=answer.p_stranger,
        margin=answer.margin,
        cosine=answer.cosine,
        model=answer.model,
        speech_s=round(answer.speech_s, 3),
        candidates=[CandidateShown.model_validate(who) for who in answer.candidates],
        hints=list(answer.hints),
        other_voices=[SpanShown.model_validate(span) for span in answer.other_voices],
        milliseconds=round(milliseconds, 1),
        picture=shown_picture(picture) if picture else None,
    )


def shown_picture(picture: Picture) -> PictureShown:
    """The frames and the spectrogram under them."""
    n_bands, n_frames = picture.spectrogram.shape
    return PictureShown(
        frame_s=FRAME_S,
        first_frame_s=FIRST_FRAME_S,
        duration_s=round(picture.duration_s, 4),
        weights=None if picture.weights is None else picture.weights.tolist(),
        spectrogram=SpectrogramShown(
            n_bands=n_bands,
            n_frames=n_frames,
            lowest_hz=LOWEST_HZ,
            highest_hz=HIGHEST_HZ,
            lowest_db=LOWEST_DB,
            highest_db=0.0,
            bytes=picture.spectrogram_text(),
        ),
    )


@add(
    router,
    "POST",
    MEMBER + "/verify",
    scopes=HOME,
    codes=ONE_MEMBER,
    audio=ONE_FILE,
    response_model=Verified,
)
async def verify(
    household: Home, member: Person, request: Request, service: Serving, far: Rate = None
) -> Verified:
    """Is it this person?"""
    (content,) = await files_of(request)
    bounds = bounds_of(service.limits)

    def work() -> Verified:
        waveform = decoded(content, bounds)
        rate = FALSE_ACCEPT_RATE if far is None else far
        found = service.home(household).verify(member, waveform, false_accept_rate=rate)
        return Verified(household=household, member=member, **vars(found))

    return await service.hearing.run(work, request)


@add(
    router,
    "POST",
    "/households/{household}/timeline",
    scopes=HOME,
    codes=ONE_HOME,
    audio=ONE_FILE,
    response_model=TimelineShown,
)
async def timeline(
    household: Home, request: Request, service: Serving, far: Rate = None
) -> TimelineShown:
    """Who spoke when in a recording; longer ones are for 'spkid timeline'."""
    (content,) = await files_of(request)
    bounds = bounds_of(service.limits, is_recording=True)

    def work() -> TimelineShown:
        home = service.home(household)
        service.members(household)
        segments = home.timeline(decoded(content, bounds), false_accept_rate=far)
        rows = [
            SegmentShown(
                start_s=round(part.start_s, 3),
                end_s=round(part.end_s, 3),
                who=part.who,
                status=part.status,
                probability=part.probability,
            )
            for part in segments
        ]
        return TimelineShown(household=household, segments=rows)

    return await service.recordings.run(work, request)
