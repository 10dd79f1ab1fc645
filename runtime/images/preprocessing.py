"""The one definition of how a picture becomes network input, from training to the device."""

from dataclasses import dataclass

from .crops import Window, views, windows


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """From an 8-bit grey image to what the network runs on.

    The image is stretched to `size` x `size` (antialiased bilinear), cut by the crop plan into its views
    (`crop` x `crop` windows; the whole image, and its mirror, for a shared plan), scaled to 0..1, normalised
    by `mean` and `std`, and its one grey channel is copied to `channels`.
    """

    size: int = 256
    """Side of the resized square image, in pixels."""
    crop: int = 224
    """Side of a crop, in pixels."""
    crops: str = "center"
    """Crop plan, one of runtime.images.crops.CROP_PLANS."""
    channels: int = 3
    """Channels the network expects, 1 or 3."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Mean per channel of the 0..1 image (ImageNet's by default)."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Standard deviation per channel of the 0..1 image."""

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {self.channels}.")
        for name in ("mean", "std"):
            values = getattr(self, name)
            if len(values) != self.channels:
                raise ValueError(
                    f"{name} must hold {self.channels} numbers, one a channel, got {len(values)}."
                )
        if min(self.std) <= 0:
            raise ValueError(f"std must be positive, got {self.std}.")
        self.windows()

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
