"""What every request of one worker process shares: the store, the model, the threads."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np

from enrollment import Household, Store
from enrollment.names import name_key
from enrollment.profile import Member, find_named
from enrollment.refusals import no_member
from enrollment.store.vault import Vault
from spkid.audio.reading import SAMPLE_RATE_HZ
from spkid.audio.speech import MATCH_SPEECH_S, assess
from spkid.scoring.model import Model
from spkid.serve.metrics import Metrics
from spkid.serve.problems import no_household
from spkid.serve.settings import Settings, check_settings
from spkid.serve.tokens import Tokens
from spkid.serve.work import Work

N_HOMES = 100  # whose members are held in memory


class Service:
    """One worker's store and model. Close it at the end.

    Attributes
    ----------
    hearing, writing, recordings : Work
        The threads that hear clips, those that ask and change the store, and the one that
        listens to long recordings, so that none of them waits for another kind.
    n_sockets : int
        How many are open.
    """

    def __init__(self, settings: Settings) -> None:
        check_settings(settings)
        self.settings, self.limits = settings, settings.limits
        self.model = Model.load(settings.model)
        self.model.to_decide()
        self.vault = Vault.load(Path(settings.key)) if settings.key else None
        self.store = Store.open(settings.store)
        self.tokens = Tokens(settings.tokens_folder)
        self.metrics = Metrics()
        n_waiting = settings.limits.n_waiting
        self.hearing = Work("hear", n_threads=settings.n_threads, n_waiting=n_waiting)
        self.writing = Work("store", n_threads=4, n_waiting=n_waiting)
        self.recordings = Work("recording", n_threads=1, n_waiting=2)
        self.n_sockets = 0
        self._homes: OrderedDict[str, Household] = OrderedDict()

    def warm_up(self) -> None:
        """Load what is loaded at its first use, so that the first caller waits no longer."""
        noise = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE_HZ).astype(np.float32)
        assess(noise, min_speech_s=MATCH_SPEECH_S)
        self.model.encoder.embed(noise)
        if self.model.quick:
            self.model.quick.model.encoder.embed(noise)

    def close(self) -> None:
        """Finish what is under way and close the store."""
        for work in (self.hearing, self.writing, self.recordings):
            work.close()
        self.store.close()

    def home(self, name: str) -> Household:
        """The household of that name, which may have no member yet."""
        key = name_key(name)
        home = self._homes.pop(key, None) or Household(self.store, name, model=self.model)
        self._homes[key] = home
        if len(self._homes) > N_HOMES:
            self._homes.popitem(last=False)
        return home

    def gone(self, name: str) -> None:
        """Hold nothing of a household any more, as after somebody was deleted."""
        self._homes.pop(name_key(name), None)

    def members(self, household: str) -> list[Member]:
        """Who is enrolled there.

        Raises
        ------
        NotFound
            If there is no such household.
        """
        members = self.store.members(household)
        if not members:
            raise no_household()
        return members

    def member(self, household: str, name: str) -> Member:
        """One of them.

        Raises
        ------
        NotFound
            If there is no such household or member.
        """
        members = self.members(household)
        found = find_named(members, name)
        if found is None:
            raise no_member(name, household, [who.name for who in members])
        return found
