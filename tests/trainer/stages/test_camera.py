import numpy as np

from trainer.stages.camera import as_cameras_see


def faces(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48)).astype(np.uint8)


def test_faces_stay_faces_and_the_same_seed_changes_them_alike() -> None:
    given = faces(40)
    seen = as_cameras_see(given, np.random.default_rng(1))
    assert (seen.shape, seen.dtype) == (given.shape, np.uint8)
    np.testing.assert_array_equal(seen, as_cameras_see(given, np.random.default_rng(1)))


def test_some_are_changed_and_some_are_not_and_the_given_ones_never() -> None:
    given = faces(40)
    kept = given.copy()
    changed = (as_cameras_see(given, np.random.default_rng(1)) != given).any(axis=(1, 2))
    assert 0 < changed.sum() < len(given)
    np.testing.assert_array_equal(given, kept)
