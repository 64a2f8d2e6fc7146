import numpy as np
import pytest
from talking import FACE, drawn, face_box

from models.media.geometry import Box
from stream.vision.mouth_motion import SIDE, MouthMotion, face_patch, mouth_motion


def moved(before: np.ndarray, now: np.ndarray, box: Box | None = None) -> MouthMotion:
    box = box or face_box(0)
    return mouth_motion(face_patch(before, box), face_patch(now, box), 0, 40)


def test_a_mouth_opens_and_closes() -> None:
    opens, closes = moved(drawn([0.2]), drawn([0.8])), moved(drawn([0.8]), drawn([0.2]))
    assert opens.opening > 0.015
    assert closes.opening < -0.015
    assert opens.amount > 0.005


def test_a_face_that_is_still_has_a_mouth_that_is_still() -> None:
    motion = moved(drawn([0.5]), drawn([0.5]))
    assert (motion.opening, motion.amount) == pytest.approx((0, 0), abs=1e-4)


@pytest.mark.parametrize("shift", [(2.0, 0.0), (0.0, 2.0), (-1.5, 1.0)])
def test_a_head_that_moves_has_a_mouth_that_is_still(shift: tuple[float, float]) -> None:
    head, lips = moved(drawn([0.5]), drawn([0.5], shift)), moved(drawn([0.2]), drawn([0.8]))
    assert abs(head.opening) < 0.2 * lips.opening
    assert head.amount < 0.3 * lips.amount


def test_far_and_near_faces_compare() -> None:
    def large(image: np.ndarray) -> np.ndarray:
        return image.repeat(2, axis=0).repeat(2, axis=1)

    before, now = drawn([0.2]), drawn([0.8])
    near = moved(large(before), large(now), Box(0, 0, 2 * FACE, 2 * FACE))
    assert near.opening == pytest.approx(moved(before, now).opening, rel=0.2)


@pytest.mark.parametrize(
    "box",
    [Box(-40, -40, 60, 60), Box(100, 90, 300, 290), Box(-500, -500, -400, -400), Box(5, 5, 5, 5), Box(0, 0, 40, 90)],
)
def test_a_face_at_the_edge_or_outside_has_a_patch_all_the_same(box: Box) -> None:
    assert face_patch(drawn([0.5]), box).shape == (SIDE, SIDE)
