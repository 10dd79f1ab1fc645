"""predict, verify, sign, doctor: the commands of the base install."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .console import ForceOption, JsonOption, note, progress, show
from .errors import InputError, UsageError
from .files import check_free, make_folder, write_file
from .options import with_options

if TYPE_CHECKING:
    from .classifier import Classifier
    from .prediction import Answers

app = typer.Typer()


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """Options of the engine that runs a bundle."""

    engine: Annotated[str, typer.Option(help="openvino, or onnxruntime for a bundle with a model.onnx.")] = (
        "openvino"
    )
    device: Annotated[str, typer.Option(help="CPU, GPU, NPU or AUTO; ONNX Runtime has the CPU only.")] = "CPU"


@app.command()
@with_options
def predict(
    *,
    bundle: Annotated[Path, typer.Argument(help="The bundle to run.", metavar="BUNDLE")],
    images: Annotated[
        list[Path], typer.Argument(help="Images, or folders of images.", metavar="IMAGE_OR_FOLDER...")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write a CSV: image, then one probability per class.")
    ] = None,
    heatmaps: Annotated[
        Path | None,
        typer.Option(
            "--heatmaps",
            help="Write an overlay for every finding of each image, or for its likeliest class.",
            metavar="DIR",
        ),
    ] = None,
    running: EngineOptions,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads; all cores by default.")
    ] = None,
    force: ForceOption = False,
    json_target: JsonOption = None,
) -> None:
    """Classify images with a bundle: one row an image.

    An image that cannot be read is named at the end and makes the exit code 1; the others are kept.
    """
    from .classifier import Classifier
    from .prediction import Answers, find_pictures, predict_all, to_csv, write_heatmaps

    if out is not None:
        check_free(out, force=force)
    pictures = find_pictures(images)
    if heatmaps is not None:
        make_folder(heatmaps)
    # A single image gains nothing from streams of one thread each.
    mode: Literal["latency", "throughput"] = "throughput" if len(pictures) > 1 else "latency"
    with Classifier.load(
        bundle, engine=running.engine, device=running.device, threads=threads, mode=mode
    ) as classifier:
        answered = predict_all(classifier, pictures)
        if heatmaps is not None:
            answered = write_heatmaps(answered, heatmaps, force=force)
        answers = Answers.gather(progress(answered, label="Predicting", total=len(pictures)))
        table = to_csv(answers, classifier.manifest.classes)
        facts = _facts(classifier, answers, running.engine)
    if out is not None:
        write_file(out, table, force=force)
    show(table.rstrip("\n") if out is None else f"{out}: {len(answers.results)} images", facts, json_target)
    if heatmaps is not None:
        note(f"overlays in {heatmaps}")
    if not answers.failures:
        return
    for reason in answers.failures.values():
        note(f"xopt: {reason}")
    raise InputError(
        f"{len(answers.failures)} of {len(pictures)} images could not be classified (named above)"
    )


def _facts(classifier: "Classifier", answers: "Answers", engine: str) -> dict[str, Any]:
    manifest = classifier.manifest
    return {
        "bundle": classifier.digest,
        "engine": engine,
        "precision": manifest.precision,
        "crops": manifest.preprocessing.crops,
        "trace": classifier.trace.to_json(),
        "images": {
            name: {"probabilities": r.probabilities, "findings": list(r.findings), "notes": r.notes}
            for name, r in answers.results.items()
        },
        "failures": answers.failures,
    }


@app.command()
@with_options
def verify(
    *,
    bundle: Annotated[Path, typer.Argument(help="The bundle to check.", metavar="BUNDLE")],
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="PUBLIC.pem", help="Insist on a signature by this Ed25519 key."),
    ] = None,
    running: EngineOptions,
    json_target: JsonOption = None,
) -> None:
    """Check a bundle: every digest, the schema, and its golden images on this machine."""
    from .bundle.loading import verify as check

    verified = check(bundle, public_key=key, engine=running.engine, device=running.device)
    manifest, parity = verified.bundle.manifest, verified.parity
    size_mb = sum(f.size for f in manifest.files.values()) / 1e6
    text = (
        f"{bundle} is intact: {len(manifest.files)} files, {size_mb:.1f} MB, "
        f"{manifest.precision}, {manifest.preprocessing.crops} crops, {len(manifest.classes)} classes\n"
        f"golden images  {parity.images}, largest difference {parity.max_difference:.2g} "
        f"(allowed {parity.tolerance:.2g})\n"
        f"digest         {verified.bundle.digest}\n"
        f"signature      {verified.signature}"
    )
    show(text, verified.to_json(), json_target)


@app.command()
def sign(
    bundle: Annotated[Path | None, typer.Argument(help="The bundle to sign.", metavar="BUNDLE")] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="PRIVATE.pem", help="Sign with this Ed25519 key.")
    ] = None,
    new_key: Annotated[
        Path | None,
        typer.Option(
            "--new-key",
            metavar="PRIVATE.pem",
            help="Make a key instead: PRIVATE.pem for you alone, PRIVATE.pub.pem for the devices.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a signature that is there.")] = False,
    json_target: JsonOption = None,
) -> None:
    """Sign a bundle, so that devices take it only from you; or make the key for that."""
    from .bundle.signature import new_key as make_key
    from .bundle.signature import sign_bundle

    if new_key is not None and key is None and bundle is None:
        pair = make_key(new_key)
        text = (
            f"{pair.private}: keep it secret, and keep a copy\n"
            f"{pair.public}: give it to the devices\nkey        {pair.key}"
        )
        show(text, pair.to_json(), json_target)
        return
    if new_key is not None or key is None or bundle is None:
        raise UsageError("give BUNDLE and --key PRIVATE.pem to sign, or --new-key PRIVATE.pem alone")
    signed = sign_bundle(bundle, key, force=force)
    text = f"{bundle} is signed\ndigest     {signed.bundle.digest}\nkey        {signed.key}"
    show(text, signed.to_json(), json_target)


@app.command()
def doctor(
    sbom: Annotated[
        bool,
        typer.Option("--sbom", help="List the installed runtime instead, as CycloneDX JSON, for its SBOM."),
    ] = False,
    extra: Annotated[
        list[str] | None, typer.Option("--extra", help="With --sbom: count this extra of xopt in as well.")
    ] = None,
    json_target: JsonOption = None,
) -> None:
    """Say what this machine can do, and what that means for INT8."""
    if sbom:
        from .sbom import bill_of_materials

        bill = bill_of_materials(extras=tuple(extra or ()))
        show(f"{json_target}: {len(bill['components'])} components", bill, json_target or "-")
        return
    if extra:
        raise UsageError("--extra goes with --sbom")
    from .doctor import describe, examine, find_conflict

    machine = replace(examine(), conflict=find_conflict())
    show(describe(machine), machine.to_json(), json_target)
