"""A body is cut into the exact bytes of its events, whatever stands in them."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.envelopes import TooManyEvents, UnreadableBody, is_batch, split

JSON, LINES = "application/json", "application/x-ndjson"
ONE, MANY = "application/cloudevents+json", "application/cloudevents-batch+json"
ATTRIBUTES = b'"specversion":"1.0","id":"a","source":"mis","type":"register"'


def _registers(media_type: str, body: bytes, headers: dict[str, str] | None = None) -> list[bytes | None]:
    return [None if offered.fault else offered.register for offered in split(media_type, headers or {}, body, 10)]


@pytest.mark.parametrize(
    ("body", "events", "sentence"),
    [
        (b'{"urn": 1}', [b'{"urn": 1}'], "a bare event is the body"),
        (b'[ {"urn": 1} , {"urn":2}]\n', [b'{"urn": 1}', b'{"urn":2}'], "an array is its elements, without the blanks around"),
        (b'[{"urn":1,"urn":2}]', [b'{"urn":1,"urn":2}'], "a duplicate key stays in its bytes"),
        (b'[{"a":"],["},{"b":"\\"}"}]', [b'{"a":"],["}', b'{"b":"\\"}"}'], "brackets and quotes in strings cut nothing"),
        (
            b'[{"a":NaN},{"b":"\\ud800"},{"c":"\xff"},{"d":1}]',
            [b'{"a":NaN}', b'{"b":"\\ud800"}', b'{"c":"\xff"}', b'{"d":1}'],
            "what is no JSON or no UTF-8 stays with its own element",
        ),
        (b"[]", [], "an empty array holds nothing"),
        (b"[1,]", [b"1", b""], "a comma too many is an empty element, to be rejected"),
        (b"not json", [b"not json"], "what is no array is one event, to be rejected"),
        (b"", [b""], "an empty body too"),
    ],
)
def test_an_application_json_body_is_one_event_or_an_array(body: bytes, events: list[bytes], sentence: str) -> None:
    assert _registers(JSON, body) == events, sentence


@pytest.mark.parametrize("body", [b"[", b'[{"a":1}', b'[{"a":1}] x', b'["a', b'["a\\', b"[1][2]", b"[" * 100_000 + b"]" * 100_000])
def test_an_array_that_does_not_end_well_cannot_be_cut(body: bytes) -> None:
    with pytest.raises(UnreadableBody):
        split(JSON, {}, body, 10)


def test_lines_are_events_and_blank_lines_are_none() -> None:
    assert _registers(LINES, b'{"a":1}\r\n\n  \n{"a":2}') == [b'{"a":1}', b'{"a":2}']


@pytest.mark.parametrize(("media_type", "body"), [(JSON, b"[" + b"1," * 10 + b"1]"), (LINES, b"1\n" * 11)])
def test_more_events_than_the_limit_are_refused_and_as_many_are_not(media_type: str, body: bytes) -> None:
    assert len(split(media_type, {}, body, 11)) == 11
    with pytest.raises(TooManyEvents):
        split(media_type, {}, body, 10)


def test_a_structured_cloud_event_gives_the_bytes_of_its_data() -> None:
    register = b'{ "urn": 1, "urn": 2, "x": NaN }'
    assert _registers(ONE, b"{" + ATTRIBUTES + b', "data" : ' + register + b" }") == [register]
    assert _registers(MANY, b"[{" + ATTRIBUTES + b',"data":1},{' + ATTRIBUTES + b',"data":2}]') == [b"1", b"2"]
    encoded = base64.b64encode(register)
    assert _registers(ONE, b"{" + ATTRIBUTES + b',"data_base64":"' + encoded + b'"}') == [register]


@pytest.mark.parametrize(
    ("event", "problem"),
    [
        (b"{" + ATTRIBUTES + b"}", "either data or data_base64"),
        (b"{" + ATTRIBUTES + b',"data":1,"data_base64":"MQ=="}', "either data or data_base64"),
        (b"{" + ATTRIBUTES + b',"data":1,"data":2}', "names an attribute twice"),
        (b'{"specversion":"0.3","id":"a","source":"s","type":"t","data":1}', "specversion 1.0"),
        (b'{"specversion":"1.0","id":"","source":"s","type":"t","data":1}', "needs the attribute id"),
        (b'{"specversion":"1.0","id":"a","source":7,"type":"t","data":1}', "needs the attribute source"),
        (b"{" + ATTRIBUTES + b',"datacontenttype":"text/xml","data":1}', "data must be application/json"),
        (b"{" + ATTRIBUTES + b',"data_base64":"%%%"}', "no CloudEvent"),
        (b"{" + ATTRIBUTES + b',"data_base64":1}', "no CloudEvent"),
        (b"{1:2}", "is a JSON object"),
        (b"[1]", "no whole JSON object"),
        (b'{"specversion":' + b"[" * 900 + b"]" * 900 + b"}", "CloudEvent"),
    ],
)
def test_an_envelope_with_a_fault_is_kept_whole_with_its_problem(event: bytes, problem: str) -> None:
    (offered,) = split(ONE, {}, event, 10)
    assert offered.register == event
    assert offered.fault is not None
    assert problem in offered.fault.detail


def test_one_bad_envelope_leaves_its_neighbours_alone() -> None:
    good = b"{" + ATTRIBUTES + b',"data":1}'
    assert _registers(MANY, b"[" + good + b",7," + good + b"]") == [b"1", None, b"1"]


def test_a_cloud_event_in_binary_mode_is_the_body_even_if_it_looks_like_a_batch() -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "a", "ce-source": "mis", "ce-type": "register"}
    assert _registers(JSON, b"[1,2]", headers) == [b"[1,2]"]
    assert not is_batch(JSON, b"[1,2]", binary_mode=True)
    (offered,) = split(JSON, {"ce-specversion": "1.0"}, b"1", 10)
    assert offered.register == b"1"
    assert offered.fault is not None
    assert offered.fault.detail == "a CloudEvent needs the attribute id"


def test_many_escaped_quotes_without_an_end_are_read_once() -> None:
    """A scanner that began again at each quote would need hours for this body."""
    with pytest.raises(UnreadableBody):
        split(JSON, {}, b'["' + b'\\"' * 2_000_000, 10)


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
)


@pytest.mark.slow
@given(st.lists(_VALUES, max_size=10), st.sampled_from([None, 1]), st.booleans())
def test_the_elements_of_any_array_come_back_as_they_were_written(values: list[object], indent: int | None, ascii_only: bool) -> None:
    body = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert [json.loads((part or b"").decode("utf-8", "surrogatepass")) for part in _registers(JSON, body)] == values


@given(st.binary(max_size=60), st.sampled_from([JSON, LINES, ONE, MANY]))
def test_any_bytes_are_cut_or_refused(body: bytes, media_type: str) -> None:
    try:
        split(media_type, {}, body, 100)
    except UnreadableBody:
        assert media_type in {JSON, MANY}
