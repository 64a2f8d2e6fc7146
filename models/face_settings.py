"""Which faces are found: one set of defaults for the live pipeline and the trainer; imports no network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FaceSettings:
    """What :class:`models.networks.faces.FaceDetector` looks for."""

    min_face: int = 40
    """The smallest face, in pixels of the analyzed image."""
    width: int = 960
    """Images are shrunk to this width before detection."""
    min_confidence: float = 0.9
    """Surer than this is a face."""
    max_faces: int = 16
    """Faces of one image, the largest first."""
