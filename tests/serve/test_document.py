"""Whatever a request holds, the service answers as its OpenAPI document says, and never fails."""

from __future__ import annotations

import json
import shutil

import hypothesis
import pytest
from serving import served

from spkid.serve.answers import Problem
from spkid.serve.app import document_of, make_app
from spkid.serve.problems import STATUSES
from spkid.serve.settings import Settings

schemathesis = pytest.importorskip("schemathesis")

from schemathesis import checks  # noqa: E402 - only where it is installed

CHECKS = [
    checks.not_a_server_error,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.status_code_conformance,
]


document = schemathesis.openapi.from_dict(document_of(make_app(Settings("none")).inner))
OPERATIONS = sorted(  # first what deletes nothing
    (found.ok() for found in document.get_all_operations()),
    key=lambda operation: (operation.method == "delete", operation.label),
)


@pytest.fixture(scope="module")
def always_running(tmp_path_factory, family_store, model):
    """One service for all operations; what one of them deletes stays away."""
    place = tmp_path_factory.mktemp("document") / "store.sqlite3"
    shutil.copy(family_store, place)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spkid.Model.load", lambda *_, **__: model)
        with served(Settings(str(place), port=0)) as url:
            yield url


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_no_request_makes_the_service_fail(always_running, operation):
    @hypothesis.settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=operation.as_strategy(), is_at_home=hypothesis.strategies.booleans())
    def asked(case, is_at_home):
        if is_at_home and "household" in (case.path_parameters or {}):
            case.path_parameters["household"] = "home"
        case.validate_response(case.call(base_url=always_running), checks=CHECKS)

    asked()


def test_every_problem_has_the_fields_of_the_document(service):
    answers = [
        service.get("households/none"),
        service.get("nothing here"),
        service.post("service"),
        service.patch("households/home", json={"name": 3}),
        service.patch("households/home", json={"name": "a", "more": 1}),
        service.patch("households/home", content=b"{"),
        service.patch("households/home", content=b"[" * 5000),
        service.post("households/home/identify?far=nan", content=b"x"),
        service.post("households/home/identify", content=b""),
        service.post("households/home/identify", files={"other": b"x"}),
    ]
    for answer in answers:
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        told = Problem.model_validate(answer.json())
        assert told.status == answer.status_code == STATUSES.get(told.code, 422)


def test_the_document_needs_no_token_and_shows_examples(service):
    text = service.get("openapi.json").text
    assert '"Ana"' in text
    paths = json.loads(text)["paths"]
    assert "/api/v1/households/{household}/identify" in paths
