"""The AsyncAPI and OpenAPI documents: as the code is, valid, and what a served intake answers is in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from deploy.interfaces import FOLDER
from streams import clock, topology
from streams.access_lists import ACCESS
from streams.interfaces import asyncapi, interfaces, openapi
from tests.serving import options, register, running

if TYPE_CHECKING:
    from pathlib import Path


def test_the_documents_are_what_the_code_makes() -> None:
    made = interfaces()
    assert {name: (FOLDER / name).read_text("utf-8") for name in made} == made


def test_the_openapi_document_is_valid() -> None:
    validate(openapi(), cls=OpenAPIV31SpecValidator)


def references(value: Any) -> list[str]:
    """Every `$ref`; all lead into the document itself."""
    if isinstance(value, dict):
        inner = [ref for one in value.values() for ref in references(one)]
        return [*inner, value["$ref"]] if isinstance(value.get("$ref"), str) else inner
    return [ref for one in value for ref in references(one)] if isinstance(value, list) else []


def test_every_topic_is_a_channel_and_every_reference_leads_somewhere() -> None:
    made = asyncapi()
    assert {channel["address"] for channel in made["channels"].values()} == {log.name for log in topology.LOGS}
    for ref in references(made):
        here: Any = made
        for part in ref.removeprefix("#/").split("/"):
            here = here[part]
    told = {(name.partition("-")[0], one["action"]) for name, one in made["operations"].items()}
    assert told == {(a.name, "receive") for a in ACCESS if a.reads} | {(a.name, "send") for a in ACCESS if a.writes}


def test_a_confidential_topic_says_so() -> None:
    said = {channel["address"]: channel["description"] for channel in asyncapi()["channels"].values()}
    assert {name for name, words in said.items() if "Confidential" in words} == {log.name for log in topology.LOGS if log.confidential}


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (json.dumps(register()), "application/json"),
        (json.dumps(register() | {"urn": "?"}), "application/json"),
        ("{", "application/json"),
        ("x", "text/csv"),
    ],
)
def test_what_a_served_intake_answers_is_described(tmp_path: Path, body: str, media_type: str) -> None:
    with running(options(tmp_path), clock.now) as serving:
        answer = httpx.post(f"{serving.url}/v1/registers", content=body, headers={"content-type": media_type})
    described = openapi()["paths"]["/v1/registers"]["post"]
    said = described["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
    names = {one["$ref"].rpartition("/")[2] for one in (said.get("oneOf") or [said])}
    kinds = [openapi()["components"]["schemas"][name] for name in names]
    assert any(set(kind["required"]) <= set(answer.json()) <= set(kind["properties"]) for kind in kinds)
