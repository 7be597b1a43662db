"""prepare: repair, normalise and drop records; no text is invented, no teacher called."""

from pathlib import Path

from pydantic import Field

from weitiao.prepare.cap import Cap
from weitiao.prepare.cluster_topics import ClusterTopics
from weitiao.prepare.drop_contaminated import DropContaminated
from weitiao.prepare.drop_exact_duplicates import DropExactDuplicates
from weitiao.prepare.drop_long import DropLong
from weitiao.prepare.drop_low_quality import DropLowQuality
from weitiao.prepare.drop_near_duplicates import DropNearDuplicates
from weitiao.prepare.drop_refusals import DropRefusals
from weitiao.prepare.drop_short import DropShort
from weitiao.prepare.drop_toxic import DropToxic
from weitiao.prepare.fix_mojibake import FixMojibake
from weitiao.prepare.fix_spelling import FixSpelling
from weitiao.prepare.fold_width import FoldWidth
from weitiao.prepare.keep_languages import KeepLanguages
from weitiao.prepare.normalise_emoji import NormaliseEmoji
from weitiao.prepare.normalise_numbers import NormaliseNumbers
from weitiao.prepare.normalise_punctuation import NormalisePunctuation
from weitiao.prepare.normalise_unicode import NormaliseUnicode
from weitiao.prepare.pick_diverse import PickDiverse
from weitiao.prepare.redact import Redact
from weitiao.prepare.strip_boilerplate import StripBoilerplate
from weitiao.prepare.strip_html import StripHtml
from weitiao.prepare.strip_lures import StripLures
from weitiao.prepare.strip_quotes import StripQuotes
from weitiao.prepare.tidy_whitespace import TidyWhitespace
from weitiao.prepare.to_simplified import ToSimplified
from weitiao.prepare.trim_fillers import TrimFillers
from weitiao.recipe import Recipe, Settings
from weitiao.stage import Stage
from weitiao.step import Step, one_of

# In the order in which they run by default.
STEPS: tuple[type[Step], ...] = (
    StripHtml,
    FoldWidth,
    TidyWhitespace,
    DropShort,
    DropLong,
    DropExactDuplicates,
    DropNearDuplicates,
)
# Those that a recipe names.
OTHERS: tuple[type[Step], ...] = (
    FixMojibake,
    NormaliseUnicode,
    StripBoilerplate,
    StripQuotes,
    StripLures,
    TrimFillers,
    NormaliseEmoji,
    ToSimplified,
    NormaliseNumbers,
    NormalisePunctuation,
    FixSpelling,
    Redact,
    DropContaminated,
    KeepLanguages,
    DropLowQuality,
    DropRefusals,
    DropToxic,
    ClusterTopics,
    Cap,
    PickDiverse,
)


class Prepare(Settings):
    """The steps, in order."""

    steps: tuple[one_of(*STEPS, *OTHERS), ...] = Field(  # type: ignore[valid-type]
        default_factory=lambda: tuple(step() for step in STEPS),
        description="Steps in order, each `name` or `name: {setting: value}`",
    )


def material(recipe: Recipe) -> dict[str, str]:
    """Return the data that are read for steps, by the name of the input."""
    steps = recipe.section("prepare", Prepare).steps
    names = dict.fromkeys(name for step in steps for name in step.material())
    return {f"material-{number}": name for number, name in enumerate(names)}


def outside(recipe: Recipe) -> object:
    """Return what tells one state of the files and folders that steps read from another; None where there are none."""
    steps = recipe.section("prepare", Prepare).steps
    places = [recipe.folder / Path(name).expanduser() for step in steps for name in step.outside()]
    files = [path for place in places for path in (sorted(place.iterdir()) if place.is_dir() else [place])]
    return [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files if path.is_file()] or None


STAGE = Stage(
    "prepare",
    Prepare,
    "weitiao.prepare.run:run",
    "Prepared {kept} of {total} records",
    reads_records=True,
    gives_records=True,
    outside=outside,
    files=material,
)
