import csv
import io
import json
import re
from itertools import pairwise
from pathlib import Path

import av
import jsonschema
import pytest
from exported_dialog import emotion, room_of_two
from rich.cells import cell_len

from models.labels import LABELS
from stream.exports.formats import render
from stream.exports.forms import FORMS, Format, find_format, format_of
from stream.exports.from_events import dialog_from_events
from stream.exports.results import ANALYSIS, AnalysisResult, FaceResult, FrameResult, UtteranceResult, WarningResult

SCHEMA = Path(__file__).parents[3] / "docs" / "analysis.schema.json"
PROBABILITIES = {label: 0.4 if label == "joy" else 0.1 for label in LABELS}


def result(file: str = "talk.mp4", text: str = "Hello there.") -> AnalysisResult:
    return AnalysisResult(
        file=file,
        duration_ms=61_000,
        utterances=[
            UtteranceResult(
                id=0,
                speaker="Ann",
                start_ms=500,
                end_ms=3_661_042,
                text=text,
                label="joy",
                probabilities=PROBABILITIES,
                modalities=["text", "audio"],
            )
        ],
        faces=[FrameResult(time_ms=0, faces=[FaceResult(id=1, box=(0, 0, 10, 10), expression=PROBABILITIES)])],
        warnings=[WarningResult(code="file.truncated", message="the file is cut off")],
    )


def test_json_of_one_file_is_an_object_and_of_several_a_list() -> None:
    assert json.loads(render([result()], "json", several=False))["utterances"][0]["text"] == "Hello there."
    assert [entry["file"] for entry in json.loads(render([result("a"), result("b")], "json", several=True))] == [
        "a",
        "b",
    ]


def test_one_readable_file_of_several_is_still_a_list() -> None:
    assert isinstance(json.loads(render([result()], "json", several=True)), list)


def test_the_schema_in_docs_is_that_of_the_code() -> None:
    assert json.loads(SCHEMA.read_text(encoding="utf-8")) == ANALYSIS.json_schema()


@pytest.mark.parametrize("several", [False, True])
def test_the_json_fits_the_schema(several: bool) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.validate(json.loads(render([result()], "json", several=several)), schema)


def test_the_schema_refuses_what_lacks_a_field() -> None:
    broken = json.loads(render([result()], "json", several=False))
    del broken["utterances"][0]["label"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(broken, json.loads(SCHEMA.read_text(encoding="utf-8")))


def test_csv_reads_back_whatever_was_said() -> None:
    said = 'He said "no", twice,\nand left'
    rows = list(csv.DictReader(io.StringIO(render([result(text=said)], "csv", several=False))))
    assert rows[0]["text"] == said
    assert float(rows[0]["joy"]) == pytest.approx(0.4)


@pytest.mark.parametrize("form", ["srt", "vtt", "text"])
def test_what_is_uncertain_is_told_as_not_sure(form: Format) -> None:
    dialog = dialog_from_events([emotion(0, 0, uncertain=True), emotion(1, 5_000)], "x")
    unsure, sure = (line for line in render([dialog], form, several=False).splitlines() if "Hello there." in line)
    assert ("not sure" in unsure, "joy" in unsure, "not sure" in sure, "joy" in sure) == (True, False, False, True)


def test_data_have_both_the_label_and_that_it_is_uncertain() -> None:
    dialog = dialog_from_events([emotion(0, 0, uncertain=True), emotion(1, 5_000)], "x")
    rows = list(csv.DictReader(io.StringIO(render([dialog], "csv", several=False))))
    assert [(row["label"], row["uncertain"]) for row in rows] == [("joy", "true"), ("joy", "false")]
    said = json.loads(render([dialog], "json", several=False))["utterances"]
    assert [(one["label"], one["uncertain"]) for one in said] == [("joy", True), ("joy", False)]


def test_vtt_times_pass_the_hour_and_markup_is_escaped() -> None:
    vtt = render([result(text="a <b> & --> c\nd")], "vtt", several=False)
    assert vtt.startswith("WEBVTT\n\n00:00:00.500 --> 01:01:01.042\n<v Ann>")
    assert "a &lt;b&gt; &amp; --&gt; c d [joy]" in vtt


def cues(text: str, form: str) -> list[tuple[float, float, str]]:
    """Return what FFmpeg, and so most players, reads: start and length in seconds, and the line."""
    with av.open(io.BytesIO(text.encode()), format={"vtt": "webvtt"}.get(form, form)) as file:
        stream = file.streams.subtitles[0]
        packets = [packet for packet in file.demux(stream) if packet.pts is not None and packet.time_base]
        return [
            (
                float(packet.pts * packet.time_base),
                float((packet.duration or 0) * packet.time_base),
                bytes(packet).decode(),
            )
            for packet in packets
        ]


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_players_read_the_captions_of_a_dialog_in_its_order(form: Format) -> None:
    dialog = dialog_from_events(room_of_two(), "standup")
    read = cues(render([dialog], form, several=False), form)
    assert [(start, length) for start, length, _ in read] == [(1.0, 1.0), (15.0, 1.0), (20.0, 1.0)]
    assert all(label in line for (_, _, line), label in zip(read, ("joy", "joy", "fear"), strict=True))
    assert "Ben" in read[1][2]


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_nothing_that_is_said_breaks_a_caption(form: Format) -> None:
    said = "a\n\n2\n00:00:00,000 --> 00:00:09,000\n<i>b</i> {\\an8}"
    dialog = dialog_from_events([emotion(0, 0, text=said, speaker="<b>"), emotion(1, 5_000)], "x")
    text = render([dialog], form, several=False)
    assert len(cues(text, form)) == 2
    assert "<i>" not in text
    assert "<b>" not in text


def test_srt_is_numbered_and_has_commas_in_its_times() -> None:
    srt = render([result(), result()], "srt", several=True)
    assert srt.startswith("1\n00:00:00,500 --> 01:01:01,042\nAnn: Hello there. [joy]\n\n2\n")


LONG = (
    "I really did not expect that you of all people would come here today, after everything that has happened, "
    "and still it makes me so glad that I could cry, if only there were time for it."
)


@pytest.mark.parametrize("form", ["srt", "vtt"])
@pytest.mark.parametrize(
    "text",
    [
        LONG,
        LONG[:100],
        "one",
        "",
        "x" * 200,
        "http://example.org/" + "a/" * 60 + " and more",
        "\u4f60\u597d\u5417" * 40,
    ],
)
@pytest.mark.parametrize("speaker", ["Ann", "A Person Of Many Names And Titles, Some Of Which Nobody Remembers Today"])
def test_captions_fit_the_screen_and_share_the_time(form: Format, text: str, speaker: str) -> None:
    said = emotion(0, 10_000, text=text, speaker=speaker).model_copy(update={"end_ms": 22_000})
    read = cues(render([dialog_from_events([said], "x")], form, several=False), form)
    lines = [[*filter(None, re.sub("<[^>]*>", "", line).splitlines())] for _, _, line in read]
    assert all(1 <= len(of_one) <= 2 for of_one in lines)
    assert max(cell_len(line) for of_one in lines for line in of_one) <= 42
    assert all(of_one[-1].endswith("[joy]") for of_one in lines)
    words = "".join(line for of_one in lines for line in of_one).replace("[joy]", "").replace(" ", "")
    assert words == (f"{speaker}:{text}" if form == "srt" else text).replace(" ", "")
    assert read[0][0] == pytest.approx(10)
    assert read[-1][0] + read[-1][1] == pytest.approx(22)
    for (start, length, _), (following, _, _) in pairwise(read):
        assert start + length == pytest.approx(following)
    if text == LONG:
        assert len(read) in {3, 4}
        assert min(length for _, length, _ in read) > 2


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_captions_of_people_who_speak_at_once_are_in_order(form: Format) -> None:
    long = emotion(0, 0, text=LONG).model_copy(update={"end_ms": 12_000})
    read = cues(render([dialog_from_events([long, emotion(1, 5_000)], "x")], form, several=False), form)
    starts = [start for start, _, _ in read]
    assert starts == sorted(starts)
    assert 0 < starts.index(5.0) < len(starts) - 1


def test_many_captions_in_no_time_last_a_millisecond_each() -> None:
    said = emotion(0, 0, text=LONG).model_copy(update={"end_ms": 0})
    read = cues(render([dialog_from_events([said], "x")], "srt", several=False), "srt")
    assert all(length == pytest.approx(0.001) for _, length, _ in read)


@pytest.mark.parametrize("label", ["joy", "=1+1", "a label of a bundle that somebody made up who had much time"])
def test_any_label_fits_a_caption_and_is_no_formula(label: str) -> None:
    said = emotion(0, 0).model_copy(update={"label": label, "probabilities": {label: 1.0}})
    dialog = dialog_from_events([said], "x")
    assert max(map(len, render([dialog], "srt", several=False).splitlines())) <= 42
    assert f",{label}," not in render([dialog], "csv", several=False) or label[0] != "="


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@x", "\tx", "\uff1d1"])
def test_a_spreadsheet_computes_nothing_that_a_participant_made_up(name: str) -> None:
    dialog = dialog_from_events([emotion(0, 0, speaker=name, text="-well")], "=room")
    (row,) = csv.DictReader(io.StringIO(render([dialog], "csv", several=False)))
    assert (row["file"], row["speaker"], row["text"]) == ("'=room", f"'{name}", "'-well")


def test_csv_has_the_labels_of_the_bundle_that_was_used() -> None:
    told = emotion(0, 0).model_copy(update={"label": "excited", "probabilities": {"excited": 0.7, "neutral": 0.3}})
    (row,) = csv.DictReader(io.StringIO(render([dialog_from_events([told], "x")], "csv", several=False)))
    assert (row["neutral"], row["excited"], "joy" in row) == ("0.3000", "0.7000", False)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_found_by_its_name_and_by_the_ending_of_its_files(form: Format) -> None:
    assert {find_format(form), find_format(form.upper()), format_of(Path(f"x{FORMS[form].suffix}"))} == {form}


def test_the_form_is_text_where_the_name_of_the_file_says_nothing() -> None:
    assert {format_of(None), format_of(Path("x")), format_of(Path("x.docx"))} == {"text"}


def test_text_names_the_emotion_and_the_warnings() -> None:
    text = render([result()], "text", several=False)
    assert "joy" in text
    assert "40%" in text
    assert "the file is cut off" in text


def test_text_says_so_when_nobody_spoke() -> None:
    quiet = result().model_copy(update={"utterances": []})
    assert "no utterances" in render([quiet], "text", several=False)
