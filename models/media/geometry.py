"""Boxes in pixels."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Box:
    """An axis-aligned box: left, top, right, bottom in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Return the width, never negative."""
        return max(0.0, self.right - self.left)

    @property
    def height(self) -> float:
        """Return the height, never negative."""
        return max(0.0, self.bottom - self.top)

    @property
    def area(self) -> float:
        """Return the area in square pixels."""
        return self.width * self.height

    def scaled(self, by: float) -> "Box":
        """Return the box in an image that is so many times as large."""
        return Box(self.left * by, self.top * by, self.right * by, self.bottom * by)

    def iou(self, other: "Box") -> float:
        """Return the intersection over the union, 0 for boxes that don't touch."""
        overlap = Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        ).area
        union = self.area + other.area - overlap
        return overlap / union if union > 0 else 0.0
