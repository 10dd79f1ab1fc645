"""The page of `xopt data check`: one HTML file without scripts, fonts or addresses outside of it.

It holds small images of patients: it is to be kept as the data is.
"""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .. import __version__
from ..report import page
from ..report.charts import bars, curves, key
from ..runtime.errors import DataError, InputError
from .checking import KINDS, Checked, Oddity
from .duplicates import Pair
from .image_facts import LOOK

SAMPLES = 6
"""Images of each class on the sample sheet."""
ODD = 12
"""Images of each kind of oddity, and pairs, that are shown."""

_SIDE = 128
_STEPS = 32


def render(checked: Checked) -> str:
    """The page as HTML text; the same findings give the same bytes."""
    title = f"xopt data check: {checked.dataset.name}"
    body = [
        f'<p class="kicker">xopt {__version__} data check</p><h1>{escape(checked.dataset.name)}</h1>',
        _cards(checked),
        "<h2>What was found</h2>",
        _table(checked),
        "<h2>Labels</h2>",
        key(list(checked.dataset.splits)),
        f"<figure>{_label_bars(checked)}</figure>",
        "<h2>Exposure</h2>",
        key(list(checked.dataset.splits)),
        _exposure(checked),
        *_odd_sheets(checked),
        *_pair_sheets(checked),
        "<h2>Samples</h2>",
        *_samples(checked),
        "<p class='note'>Samples are spread evenly over the images of a class. This page holds images of "
        "patients: keep it as you keep the data.</p>",
    ]
    return page.document(title, body)


def _cards(checked: Checked) -> str:
    odd = len({oddity.row for oddity in checked.oddities})
    cards = [
        (str(len(checked.facts)), f"images in {len(checked.dataset.splits)} splits"),
        (str(odd), "images that stand out"),
        (str(len(checked.same) + len(checked.near)), "pairs of the same image"),
        (str(sum(len(o.patients) for o in checked.overlaps)), "patients in two splits"),
    ]
    return page.cards(cards)


def _table(checked: Checked) -> str:
    splits = checked.dataset.splits
    rows = [page.row(["images", *(str(len(split)) for split in splits.values())])]
    for kind, counts in checked.counts().items():
        rows.append(page.row([escape(kind), *(str(counts[name] or "–") for name in splits)]))
    leaks = "".join(f"<p>Leak: {escape(str(overlap))}.</p>" for overlap in checked.overlaps)
    return page.table(["", *splits], rows) + leaks


def _label_bars(checked: Checked) -> str:
    marked = {name: split.marked_labels for name, split in checked.dataset.splits.items()}
    counts = {
        name: [(int((m[:, c] == 1).sum()), int((m[:, c] >= 0).sum())) for m in marked.values()]
        for c, name in enumerate(checked.dataset.classes)
    }
    counts["no finding"] = [(int((m == 0).all(axis=1).sum()), len(m)) for m in marked.values()]
    return bars(counts, "share of the images of each split that have a class")


def _exposure(checked: Checked) -> str:
    split_of = np.array(checked.split_of)
    good = [facts for facts in checked.facts if facts.reason is None]
    of = split_of[[facts.row for facts in good]] if good else np.array([])
    pixels, means, deviations = {}, {}, {}
    for name in checked.dataset.splits:
        own = [facts for facts, split in zip(good, of.tolist(), strict=True) if split == name]
        counts = np.sum([f.histogram for f in own if f.histogram is not None], axis=0) if own else np.zeros(1)
        pixels[name] = (counts / max(1, counts.sum())).tolist() if own else []
        means[name] = _shares([f.mean for f in own], 255)
        deviations[name] = _shares([f.deviation for f in own], 128)
    figures = [
        (pixels, 255, "grey values of all pixels"),
        (means, 255, "mean grey value of an image"),
        (deviations, 128, "standard deviation of an image's grey values"),
    ]
    return "".join(f"<figure>{curves(shares, 0, top, label)}</figure>" for shares, top, label in figures)


def _shares(values: Sequence[float], highest: float) -> list[float]:
    if not values:
        return []
    counts, _edges = np.histogram(values, bins=_STEPS, range=(0, highest))
    shares: list[float] = (counts / len(values)).tolist()
    return shares


def _odd_sheets(checked: Checked) -> Iterable[str]:
    for kind in KINDS:
        found = [oddity for oddity in checked.oddities if oddity.kind == kind]
        if not found:
            continue
        yield f"<h2>{escape(kind.capitalize())}: {len(found)}</h2>"
        if kind == "unreadable":
            yield "".join(f"<p>{escape(f'{o.split}: {o.image} {o.words}')}</p>" for o in found[:ODD])
        else:
            yield _sheet(checked, found[:ODD])
        if len(found) > ODD:
            yield f"<p class='note'>The first {ODD} of {len(found)}; --json lists them all.</p>"


def _pair_sheets(checked: Checked) -> Iterable[str]:
    for title, pairs in (("Same bytes", checked.same), ("Looks the same", checked.near)):
        if not pairs:
            continue
        yield f"<h2>{title}: {len(pairs)} pair{'s' * (len(pairs) > 1)}</h2>"
        yield f'<div class="grid">{"".join(_pair(checked, pair) for pair in pairs[:ODD])}</div>'
        if len(pairs) > ODD:
            yield f"<p class='note'>The first {ODD} of {len(pairs)}; --json lists them all.</p>"


def _pair(checked: Checked, pair: Pair) -> str:
    alike = "" if pair.likeness == 1 else f", {pair.likeness:.4f} alike"
    differ = ", labelled differently" * pair.labels_differ
    words = f"{pair.first[0]} and {pair.second[0]}{alike}{differ}"
    names = [f"{image}" for _split, image in (pair.first, pair.second)]
    return "".join(_figure(checked, row, name, words) for row, name in zip(pair.rows, names, strict=True))


def _samples(checked: Checked) -> Iterable[str]:
    marked_NC = np.concatenate([split.marked_labels for split in checked.dataset.splits.values()])
    readable = np.array([facts.reason is None for facts in checked.facts])
    sheets = {name: marked_NC[:, c] == 1 for c, name in enumerate(checked.dataset.classes)}
    sheets["no finding"] = (marked_NC == 0).all(axis=1)
    names = [image for split in checked.dataset.splits.values() for image in split.images]
    for title, members in sheets.items():
        rows = np.flatnonzero(members & readable)
        if not len(rows):
            continue
        chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(SAMPLES, len(rows)), dtype=int))]
        shown = "".join(_figure(checked, row, names[row], checked.split_of[row]) for row in chosen.tolist())
        yield f'<h3>{escape(title)}</h3><div class="grid">{shown}</div>'


def _sheet(checked: Checked, oddities: Sequence[Oddity]) -> str:
    shown = "".join(_figure(checked, o.row, o.image, f"{o.split} {o.words}") for o in oddities)
    return f'<div class="grid">{shown}</div>'


def _figure(checked: Checked, row: int, name: str, words: str) -> str:
    caption = f"{escape(name)}<small>{escape(words)}</small>"
    return f"<figure><figcaption>{caption}</figcaption>{_picture(checked, row)}</figure>"


def _picture(checked: Checked, row: int) -> str:
    """A small JPEG inside the page, of the image as it stands in its file's proportions."""
    from PIL import Image

    from ..runtime.images import image
    from ..runtime.images.preprocessing import Preprocessing

    try:
        source = _source(checked, row)
        prepared = image.prepare(source, Preprocessing.square(LOOK, LOOK))
    except (DataError, InputError):
        # It was readable when it was checked; a page with a gap is better than none.
        return "<p class='note'>gone since</p>"
    scale = _SIDE / max(prepared.height, prepared.width)
    size = (max(1, round(prepared.width * scale)), max(1, round(prepared.height * scale)))
    content = BytesIO()
    Image.fromarray(prepared.image_HW).resize(size).save(content, format="JPEG", quality=80)
    data = base64.b64encode(content.getvalue()).decode()
    return f'<img alt="" width="{size[0]}" height="{size[1]}" src="data:image/jpeg;base64,{data}">'


def _source(checked: Checked, row: int) -> Path | NDArray[np.uint8]:
    for split in checked.dataset.splits.values():
        if row < len(split):
            return split.source(row)
        row -= len(split)
    raise DataError(f"no row {row}")
