"""Do heatmaps point at the signs? Phantoms know where theirs are.

The pointing game (Zhang et al., "Top-down Neural Attention by Excitation Backprop", 2016): a heatmap hits if
its peak lies in the box around the sign, or within 15 pixels of it. The backbone is trained on X-rays; its
head is fitted to phantoms here, by logistic regression on pooled features.
"""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
linear_model = pytest.importorskip("sklearn.linear_model")

from xopt.datasets import phantoms  # noqa: E402
from xopt.models.checkpoint import load_checkpoint  # noqa: E402
from xopt.optimize.export.export import ExportSettings, export_checkpoint  # noqa: E402
from xopt.runtime import Classifier  # noqa: E402

SIZE, TOLERANCE = 256, 15
TRAIN, TEST = 160, 80


def features_of(checkpoint, images_NHW):
    backbone, figures = checkpoint.parts.backbone, checkpoint.preprocessing
    planes = (images_NHW[:, None] / 255 - figures.mean[0]) / figures.std[0]
    with torch.inference_mode():
        return np.stack(
            [
                backbone(torch.from_numpy(plane.astype(np.float32)).expand(1, 3, -1, -1))
                .mean((2, 3))[0]
                .numpy()
                for plane in planes
            ]
        )


def fit_head(features_NF, labels_NC):
    mean, spread = features_NF.mean(0), features_NF.std(0) + 1e-6
    head = torch.nn.Linear(features_NF.shape[1], labels_NC.shape[1])
    with torch.no_grad():
        for index, labels in enumerate(labels_NC.T):
            fitted = linear_model.LogisticRegression(C=0.01, max_iter=500)
            fitted.fit((features_NF - mean) / spread, labels)
            weights = fitted.coef_[0] / spread
            head.weight[index] = torch.from_numpy(weights)
            head.bias[index] = float(fitted.intercept_[0] - weights @ mean)
    return head


@pytest.mark.slow
@pytest.mark.shared
def test_heatmaps_point_at_the_signs_of_phantoms(shared, tmp_path):
    checkpoint = load_checkpoint(shared / "data/checkpoints/densenet121-nih-mini.json")
    drawn = phantoms.draw(TRAIN, seed=21, size=SIZE)
    checkpoint.network.classifier = fit_head(features_of(checkpoint, drawn.images_NHW), drawn.labels_NC)
    checkpoint = replace(checkpoint, classes=drawn.classes)
    export_checkpoint(checkpoint, tmp_path / "b.xopt", settings=ExportSettings(crops="ten-shared"))
    hits, chances = defaultdict(list), defaultdict(list)
    test = phantoms.draw(TEST, seed=99, size=SIZE)
    with Classifier.load(tmp_path / "b.xopt") as classifier:
        for image, lesions in zip(test.images_NHW, test.lesions, strict=True):
            result = classifier.predict(image)
            for lesion in lesions:
                heat = result.heatmap(lesion.finding)
                row, column = np.unravel_index(int(heat.argmax()), heat.shape)
                rows = range(max(0, lesion.top - TOLERANCE), min(SIZE, lesion.bottom + TOLERANCE))
                columns = range(max(0, lesion.left - TOLERANCE), min(SIZE, lesion.right + TOLERANCE))
                hits[lesion.finding].append(row in rows and column in columns)
                chances[lesion.finding].append(len(rows) * len(columns) / SIZE**2)
    accuracy = np.mean([hit for found in hits.values() for hit in found])
    chance = np.mean([share for found in chances.values() for share in found])
    print(f"pointing accuracy {accuracy:.2f}, by chance {chance:.2f}", dict(hits))
    assert accuracy >= 2 * chance
    assert np.mean(hits["Cardiomegaly"]) >= 0.7
