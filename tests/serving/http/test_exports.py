import json
from http import HTTPStatus
from urllib.parse import quote

import pytest
from exported_dialog import emotion, room_of_two
from running_server import closing, control, event, get, running, sound, until

from serving.http.exports import ExportError, ExportRequest, export_answer, export_response, parse_export
from serving.rooms.broadcast import Broadcast
from stream.exports.forms import FORMS, Format


@pytest.mark.parametrize(
    ("target", "request_"),
    [
        ("/v1/rooms/standup/export?format=csv", ExportRequest("csv", room="standup")),
        ("/v1/rooms/standup/export", ExportRequest("html", room="standup")),
        ("/v1/rooms/caf%C3%A9%2F1/export?format=srt", ExportRequest("srt", room="café/1")),
        ("/v1/sessions/5f2a/export?format=json", ExportRequest("json", session="5f2a")),
    ],
)
def test_the_address_names_what_is_wanted(target: str, request_: ExportRequest) -> None:
    assert parse_export(target) == request_


@pytest.mark.parametrize(
    ("target", "status", "told"),
    [
        ("/v1/rooms/standup", 404, "/v1/rooms/NAME/export"),
        ("/v1/rooms//export", 404, "/v1/rooms/NAME/export"),
        ("/v1/rooms/a/b/export", 404, "/v1/rooms/NAME/export"),
        ("/v1/rooms/standup/export?format=docx", 400, "json, csv, vtt, srt, html, text"),
        ("/v1/rooms/standup/export?form=csv", 400, "unknown query field form"),
        ("/v1/rooms/standup/export?format=csv&format=srt", 400, "several times"),
        ("/v1/rooms/%ff/export", 400, "UTF-8"),
        ("/v1/rooms/%00/export", 400, "control characters"),
        (f"/v1/rooms/{'x' * 65}/export", 400, "1 to 64 characters"),
        ("/v1/rooms/nobody/export", 404, "no room of this name"),
        ("/v1/sessions/nobody/export", 404, "no such session"),
    ],
)
def test_what_can_not_be_handed_out_is_told_in_plain_words(target: str, status: int, told: str) -> None:
    with pytest.raises(ExportError) as raised:
        export_answer(target, Broadcast(16, 10).past)
    assert raised.value.status == HTTPStatus(status)
    assert told in str(raised.value)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_a_file_of_its_own_kind(form: Format) -> None:
    export = export_response(room_of_two(), form, "standup")
    assert (export.file_name, export.content_type) == (f"standup{FORMS[form].suffix}", FORMS[form].content_type)
    assert "Good morning." in export.body.decode()


@pytest.mark.parametrize(
    ("name", "plain", "kept"),
    [
        ("standup", "standup.csv", "standup.csv"),
        ("../../etc/passwd", "etc-passwd.csv", "etc-passwd.csv"),
        ('a"; x="\r\nSet-Cookie: b', "a-x-Set-Cookie-b.csv", "a-x-Set-Cookie-b.csv"),
        ("Café am Eck", "Caf_-am-Eck.csv", "Café-am-Eck.csv"),
        ("///", "dialog.csv", "dialog.csv"),
    ],
)
def test_the_file_name_is_one_that_can_be_kept(name: str, plain: str, kept: str) -> None:
    export = export_response([emotion(0, 0)], "csv", name)
    assert export.disposition == f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(kept)}"


def test_what_was_forgotten_is_told_in_the_file() -> None:
    export = export_response(room_of_two(), "json", "standup", forgotten=12)
    assert [warning["code"] for warning in json.loads(export.body)["warnings"]] == ["export.shortened"]


def test_a_room_that_talked_for_long_says_how_much_of_it_is_gone() -> None:
    broadcast = Broadcast(16, 10)
    channel = broadcast.open(broadcast.open_room("long"))
    for number in range(507):
        channel.publish(emotion(number, number * 1000, room="long", room_start_ms=number * 1000))
    past = broadcast.past(room="long", session=None)
    assert past is not None
    assert (len(past.events), past.forgotten) == (500, 7)


class TestOverHttp:
    async def test_a_room_of_two_is_one_dialog_while_they_talk(self) -> None:
        async with running() as run:
            ann = await run.open("/v1/stream?room=standup&name=Ann")
            ben = await run.open("/v1/stream?room=standup&name=Ben")
            await ann.send(sound(0))
            await until(ben, "emotion")
            await ben.send(sound(0))
            await until(ann, "emotion")
            await until(ann, "emotion")
            status, headers, body = await get(run.port, "/v1/rooms/standup/export?format=json")
            page = (await get(run.port, "/v1/rooms/standup/export"))[2]
        assert (status, headers["content-type"]) == (200, "application/json")
        assert "standup.json" in headers["content-disposition"]
        assert {said["speaker"] for said in json.loads(body)["utterances"]} == {"Ann", "Ben"}
        assert page.startswith(b"<!doctype html>")

    async def test_a_session_of_its_own_can_be_kept_after_it_has_ended(self) -> None:
        async with running() as run:
            client = await run.open()
            session = (await event(client))["session"]
            await client.send(sound(0))
            await client.send(control("session.close"))
            await closing(client)
            status, _, body = await get(run.port, f"/v1/sessions/{session}/export?format=srt")
        assert status == 200
        assert body.decode() == "1\n00:00:00,000 --> 00:00:01,000\nSpeaker 1: so it is [joy]\n"

    async def test_one_participant_of_a_room_can_be_kept_alone(self) -> None:
        async with running() as run:
            ann = await run.open("/v1/stream?room=standup&name=Ann")
            session = (await until(ann, "session.created"))[-1]["session"]
            await ann.send(sound(0))
            await until(ann, "emotion")
            body = (await get(run.port, f"/v1/sessions/{session}/export?format=csv"))[2]
        heading, *rows = body.decode().splitlines()
        # With the mark by which spreadsheets know the encoding.
        assert heading == "\ufefffile,id,speaker,start_ms,end_ms,text,label,uncertain,neutral,joy,modalities"
        assert len(rows) == 1

    @pytest.mark.parametrize(
        ("target", "status"),
        [("/v1/rooms/none/export", 404), ("/v1/rooms/none", 404), ("/v1/rooms/none/export?format=x", 400)],
    )
    async def test_what_is_not_there_is_told(self, target: str, status: int) -> None:
        async with running() as run:
            found, headers, body = await get(run.port, target)
        assert (found, headers["content-type"]) == (status, "text/plain; charset=utf-8")
        assert body.endswith(b"\n")
