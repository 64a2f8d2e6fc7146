"""The model card of the starter bundle: what it is, what it reaches, what it must not be used for."""

from textwrap import dedent

from trainer.starter.report import StarterReport


def model_card(report: StarterReport, seed: int) -> str:
    """Return MODEL_CARD.md with the report's figures."""
    return "\n".join([_ABOUT, _figures(report, seed), _LIMITS])


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _figures(report: StarterReport, seed: int) -> str:
    rows = [
        ("text alone, at the moment (2 past turns), MELD dev", "weighted F1", report.text_weighted_f1),
        ("text alone, at the moment, MELD dev", "macro F1", report.text_macro_f1),
        ("fused, voice and face absent, MELD dev", "weighted F1", report.fused_text_weighted_f1),
        ("face alone, FER2013 dev", "accuracy", report.face_accuracy),
        ("face alone, FER2013 dev", "macro F1", report.face_macro_f1),
        *(
            (f"voice alone, held-out speakers of {name}", "unweighted accuracy", value)
            for name, value in report.audio_unweighted_accuracy.items()
        ),
        ("voice alone, mean over the corpora", "unweighted accuracy", report.audio_mean_unweighted_accuracy),
        ("fused, held-out RAVDESS voices with recognised words", "unweighted accuracy", report.ravdess_fused),
        ("the same with a FER2013 dev face of the label", "unweighted accuracy", report.ravdess_fused_with_face),
    ]
    table = "\n".join(f"| {what} | {metric} | {_percent(value)} |" for what, metric, value in rows)
    errors = "\n".join(
        f"| {name} | {_percent(entry.before)} | {_percent(entry.after)} | {entry.temperature:.2f} |"
        for name, entry in report.calibration.items()
    )
    demands = "\n".join(
        f"- {check.demand}: {'met' if check.met else 'NOT met'}"
        f" ({_percent(check.value)}, bound {_percent(check.bound)})"
        for check in report.checks()
    )
    return dedent(
        """\
        ## Figures

        All on dev data, on which checkpoints and temperatures were also chosen; printed by
        `m2fnet evaluate starter --data DIR`, training seed {seed}. No test split was looked at.

        | what | metric | % |
        | --- | --- | --- |
        {table}

        {demands}

        Expected calibration error (15 bins, %). `fused` is over MELD dev with text alone and held-out RAVDESS
        with voice and words together, without and with a face; each set of modalities has a temperature of its
        own (the mean is shown). The temperatures were fitted on the same dev data.

        | probabilities | before | after | temperature |
        | --- | --- | --- | --- |
        {errors}
        """
    ).format(seed=seed, table=table, demands=demands, errors=errors)


_ABOUT = dedent(
    """\
    # Starter bundle of M2FNet Live

    Names the emotion of an utterance (neutral, surprise, fear, sadness, joy, disgust, anger) from its words,
    voice and faces in the context of the dialog so far.

    | part | network | trained on |
    | --- | --- | --- |
    | text | MPNet-base (110 M, 6 layers trained), mean over the utterance's tokens; 2 past turns, names | MELD train |
    | audio | Whisper tiny.en's encoder as it is, projector to 300 | five speech corpora, split by speaker |
    | face | ResNet18 + projector to 300 on grey 48 x 48 faces | FER2013 train |
    | fusion | M2FNet, causal, 1 encoder a modality, 5 fusion layers | MELD train, label-matched voices and faces |

    ## This is not a MELD result

    MELD's sound and images were not used. The fusion was trained on MELD's real dialogs, in which every
    utterance was given a voice and a face **drawn by label** from the other corpora, at times of another
    label. How far the fusion trusts voice and face was thus decided, not measured on MELD: neutral words said
    with a clear voice or face follow the voice or face, clear words are not drowned by a blank face. Only the
    text figures below are figures on MELD. The scene half of the visual feature had no training data and is
    always absent, behind its mask.

    The matrices are kept in 8 bits, with a scale for each output, and computed with as float32.

    ## Data and licences

    | data | terms |
    | --- | --- |
    | MELD transcripts | GPL-3.0 (authors' repository), research |
    | FER2013 | terms of the Kaggle competition, research |
    | RAVDESS | CC BY-NC-SA 4.0 |
    | EMO-DB | free for research, cite Burkhardt et al. 2005 |
    | nEMO | CC BY-NC-SA 4.0 |
    | EMOVO | free for research, cite Costantini et al. 2014 |
    | CREMA-D (joy and sadness only) | ODbL 1.0 |
    | all-mpnet-base-v2 (initial text weights) | Apache-2.0 |
    | Whisper tiny.en (the voice's encoder) | MIT |

    **The weights are for research and non-commercial use only**, because of the data. The licence of the code
    does not extend to them. Who has rights to other data trains a bundle of their own with the same commands.
    """
)

_LIMITS = dedent(
    """\
    ## Known failures

    - Voices: acted, mostly studio recordings of a few languages; spontaneous, far or noisy speech is worse, and
      speakers differ widely. Corpora that lack an emotion teach nothing about it.
    - Faces: FER2013's labels are noisy, and disgust and fear are rare and often taken for anger or sadness;
      profiles, occlusions and small faces are worse. An expression is not a feeling.
    - Text: MELD is scripted American television. Irony, other genres and other languages are not covered;
      fear and disgust are rarely found. Recognition errors of the speech model come on top.
    - Several people on one microphone are one speaker, and the largest faces stand for whoever speaks.
    - Fairness over age, gender, accent and skin tone was not measured; assume that it is uneven.

    ## Not to be used for

    - Inferring emotions of people **at the workplace or in education**: prohibited in the European Union by
      Article 5(1)(f) of the AI Act (Regulation (EU) 2024/1689), except for medical or safety reasons.
    - Decisions about people of any kind (hiring, credit, insurance, policing, borders, health, grading).
    - Analyzing people who do not know it or did not agree.
    """
)
