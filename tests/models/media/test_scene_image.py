import numpy as np

from models.media.scene_image import scene_input, shrink_scene


def test_a_scene_is_shrunk_and_standardised_whatever_its_exposure() -> None:
    image = np.random.default_rng(0).integers(0, 120, (90, 160, 3), dtype=np.uint8)
    dark, bright = (scene_input(shrink_scene(given)[None]) for given in (image, image * 2))
    assert dark.shape == (1, 3, 160, 160)
    assert dark.dtype == np.float32
    assert abs(float(dark.mean())) < 1e-3
    assert abs(float(dark.std()) - 1) < 1e-2
    np.testing.assert_allclose(dark, bright, atol=0.05)
