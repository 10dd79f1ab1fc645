"""The one definition of how a picture becomes network input, from training to the device."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .crops import Window, views, windows

COLOURS = ("grey", "rgb")
CHANNEL_ORDERS = ("rgb", "bgr")
RESIZE_MODES = ("stretch", "shortest-edge", "longest-edge", "none")
INTERPOLATIONS = ("bilinear", "bicubic", "area", "nearest", "lanczos")
DEPTHS = (8, 16)
DICOM_WINDOWS = ("file", "image", "fixed", "percentiles")
_NOT_YET = {
    "colour": "grey",
    "channel_order": "rgb",
    "resize.mode": "stretch",
    "resize.interpolation": "bilinear",
    "resize.antialias": True,
    "value_range": (0.0, 1.0),
    "depth": 8,
    "dicom_window.rule": "file",
}
"""What the schema knows and this version does not compute yet: the one value of each that it does."""


@dataclass(frozen=True, kw_only=True)
class Resize:
    """From a picture of any size to one that the crop plan cuts."""

    mode: str = "stretch"
    """One of RESIZE_MODES: to `size` whatever the shape; the shortest edge to the shorter of `size`; the
    longest edge, padded to `size`; none leaves the picture as it is."""
    size: tuple[int, int] = (256, 256)
    """Height and width in pixels."""
    interpolation: str = "bilinear"
    """One of INTERPOLATIONS."""
    antialias: bool = True
    """Whether the filter widens where the picture shrinks."""
    pad: int = 0
    """The value of the pixels around a padded picture."""


@dataclass(frozen=True, kw_only=True)
class DicomWindow:
    """The rule that turns a DICOM file's values into those of a picture."""

    rule: str = "file"
    """One of DICOM_WINDOWS: the file's own window, or its whole range where it has none; the image's range;
    the fixed range `low`..`high`; the range between the percentiles `low` and `high`."""
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """From a picture to what the network runs on.

    The picture is resized, cut by the crop plan into its views (windows of `crop_size`; the whole picture,
    and its mirror, for a shared plan), scaled to `value_range`, and normalised by `mean` and `std`; one grey
    plane is copied to `planes`.
    """

    colour: str = "grey"
    """One of COLOURS: the planes that are read from a picture."""
    planes: int = 3
    """Planes of the network's input, 1 or 3."""
    channel_order: str = "rgb"
    """One of CHANNEL_ORDERS, of the network's input."""
    resize: Resize = field(default_factory=Resize)
    crop_size: tuple[int, int] = (224, 224)
    """Height and width of a window, in pixels."""
    crops: str = "center"
    """Crop plan, one of runtime.images.crops.CROP_PLANS."""
    value_range: tuple[float, float] = (0.0, 1.0)
    """What black and white become before they are normalised."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Mean per plane of the values in `value_range` (ImageNet's by default)."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Standard deviation per plane of the same."""
    depth: int = 8
    """Bits of a grey value, one of DEPTHS."""
    depth_range: tuple[int, int] | None = None
    """The values of 16 bits that are black and white; those of the file where it is None."""
    dicom_window: DicomWindow = field(default_factory=DicomWindow)

    @classmethod
    def square(cls, size: int, crop: int, **others: Any) -> "Preprocessing":
        """Pictures stretched to `size` x `size` pixels and cut into windows of `crop` x `crop`."""
        return cls(resize=Resize(size=(size, size)), crop_size=(crop, crop), **others)

    def __post_init__(self) -> None:
        choices: dict[str, tuple[Any, ...]] = {
            "colour": COLOURS,
            "planes": (1, 3),
            "channel_order": CHANNEL_ORDERS,
            "resize.mode": RESIZE_MODES,
            "resize.interpolation": INTERPOLATIONS,
            "depth": DEPTHS,
            "dicom_window.rule": DICOM_WINDOWS,
        }
        for name, known in choices.items():
            if self._value(name) not in known:
                listed = ", ".join(map(str, known))
                raise ValueError(f"{name} must be one of {listed}, got {self._value(name)!r}.")
        for name, only in _NOT_YET.items():
            if self._value(name) != only:
                raise ValueError(
                    f"{name} {self._value(name)!r} is not computed by this xopt, which knows {only!r} alone."
                )
        for name, sides in (("resize.size", self.resize.size), ("crop_size", self.crop_size)):
            if sides[0] != sides[1]:
                raise ValueError(f"{name} must be square for this xopt, got {sides[0]} x {sides[1]}.")
        for name in ("mean", "std"):
            values = getattr(self, name)
            if len(values) != self.planes:
                raise ValueError(f"{name} must hold {self.planes} numbers, one a plane, got {len(values)}.")
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {self.std}.")
        low, high = self.value_range
        # No mean of values lies outside of their range, and no deviation is wider than it.
        for name, least, most in (("mean", low, high), ("std", 0.0, high - low)):
            if not all(least <= value <= most for value in getattr(self, name)):
                raise ValueError(
                    f"{name} must be within {least:g}..{most:g} for values of {low:g}..{high:g}, got "
                    f"{getattr(self, name)}; divide figures of pixels in 0..255 by 255."
                )
        self.windows()

    @property
    def size(self) -> int:
        """Side of the resized square picture, in pixels."""
        return self.resize.size[0]

    @property
    def crop(self) -> int:
        """Side of a square window, in pixels."""
        return self.crop_size[0]

    def windows(self) -> tuple[Window, ...]:
        """The windows that the crop plan averages, in graph order."""
        return windows(self.crops, size=self.size, crop=self.crop)

    def views(self) -> tuple[Window, ...]:
        """The views that the network runs on, in graph order, `view_size` pixels wide and high."""
        return views(self.crops, size=self.size, crop=self.crop)[0]

    @property
    def view_size(self) -> int:
        """Side of a view in pixels: `crop`, or `size` where the network runs on the whole image."""
        return views(self.crops, size=self.size, crop=self.crop)[1]

    def _value(self, name: str) -> Any:
        part, _, key = name.rpartition(".")
        return getattr(getattr(self, part) if part else self, key)


def from_schema_1(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of a preprocessing, with the keys of schema 1 (`size`, `crop`, `channels`) renamed."""
    new = {key: value for key, value in facts.items() if key not in ("size", "crop", "channels")}
    if "size" in facts:
        new["resize"] = {"size": [facts["size"]] * 2}
    if "crop" in facts:
        new["crop_size"] = [facts["crop"]] * 2
    if "channels" in facts:
        new["planes"] = facts["channels"]
    return new
