"""What a monitor may know of a service: counts and times, no names."""

from __future__ import annotations

import os

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SHARED = "PROMETHEUS_MULTIPROC_DIR"  # where several worker processes keep their counts
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The counts of one service; with several workers, a text is of all of them."""

    def __init__(self) -> None:
        own = self._registry = CollectorRegistry()
        self.requests = Counter(
            "spkid_requests", "Requests answered.", ("path", "method", "status"), registry=own
        )
        self.seconds = Histogram(
            "spkid_request_seconds",
            "Time from a request to its answer.",
            ("path",),
            buckets=SECONDS,
            registry=own,
        )
        self.answers = Counter(
            "spkid_answers", "Answers to who is speaking.", ("status",), registry=own
        )
        self.clips = Counter(
            "spkid_enrolled_clips", "Clips given to enroll, by verdict.", ("reason",), registry=own
        )
        self.under_way = Gauge(
            "spkid_under_way",
            "Requests that are heard or wait to be.",
            registry=own,
            multiprocess_mode="livesum",
        )

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        if os.environ.get(SHARED):
            everywhere = CollectorRegistry()
            MultiProcessCollector(everywhere)  # type: ignore[no-untyped-call]
            return generate_latest(everywhere)
        return generate_latest(self._registry)
