"""What the documentation shows is run, and what it names is there."""

from __future__ import annotations

import doctest
import re
import shlex
import shutil
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from churnml import cli
from churnml.cli.train import SHOWN
from churnml.config import parse
from churnml.features.catalogue import FeatureEntry
from churnml.project import Project
from churnml.serving.scores import ScoreList
from churnml.training.recipes import Recipe
from churnml.training.workflow import Trained

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]+)?\)")


@dataclass(frozen=True)
class Example:
    """A block of code on a page."""

    page: Path
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def examples(*languages: str) -> list[Example]:
    found = []
    for page in PAGES:
        content = page.read_text(encoding="utf-8")
        for block in BLOCK.finditer(content):
            line = content.count("\n", 0, block.start()) + 1
            found.append(Example(page, line, block[1], block[2]))
    return [example for example in found if example.language in languages]


def anchors(page: Path) -> set[str]:
    """Name the anchors of a page as forges make them of headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {"#" + heading.replace(" ", "-") for heading in plain}


@pytest.fixture(scope="module")
def sandbox(
    company: Project,
    trained: Trained,
    mlflow_store: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Give a trained company, and beside its files a flat table and messages."""
    folder = tmp_path_factory.mktemp("docs") / "acme"
    shutil.copytree(company.root, folder)
    rows = [f"{n:04},{n % 60},{'Yes' if n % 7 < 2 else 'No'}" for n in range(300)]
    text = "\n".join(["customerID,tenure,Churn", *rows]) + "\n"
    (folder / "churn.csv").write_text(text, encoding="utf-8")
    tones = {"positive": "lovely", "negative": "broken"}
    said = [f"{word} {n},{tone}" for n in range(10) for tone, word in tones.items()]
    (folder / "labelled.csv").write_text("\n".join(["body,tone", *said]) + "\n", encoding="utf-8")
    (folder / "inbox.jsonl").write_text('{"body": "The export has failed."}\n', encoding="utf-8")
    return folder


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for file, anchor in LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{page.name}: {file}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {file}{anchor}"


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in PAGES if f"({page.name})" not in index] == ["README.md"]


def test_every_block_says_its_language() -> None:
    known = {"sh", "console", "python", "toml", "text", "sql", "json", "csv"}
    for page in PAGES:
        found = {language for language, _ in BLOCK.findall(page.read_text(encoding="utf-8"))}
        assert found <= known, page.name


@pytest.mark.parametrize(
    "page", [page for page in PAGES if ">>> " in page.read_text(encoding="utf-8")], ids=str
)
def test_sessions_of_python_answer_as_shown(page: Path) -> None:
    done = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert done.attempted > 10
    assert done.failed == 0


@pytest.mark.parametrize(
    "example",
    # What asks a service is run where one is.
    [item for item in examples("python") if not re.search(">>> |churnml.client", item.text)],
    ids=str,
)
def test_scripts_of_python_run(
    sandbox: Path, monkeypatch: pytest.MonkeyPatch, example: Example
) -> None:
    monkeypatch.chdir(sandbox)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///var/mlflow.db")
    exec(compile(example.text, str(example), "exec"), {})  # noqa: S102 - our own pages


@pytest.mark.parametrize("example", examples("console"), ids=str)
def test_commands_run(
    sandbox: Path,
    mlflow_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    example: Example,
) -> None:
    monkeypatch.chdir(sandbox)
    commands = [line[2:] for line in example.text.splitlines() if line.startswith("$ ")]
    assert commands
    for command in commands:
        program, *arguments = shlex.split(command, comments=True)
        if program == "mlflow":  # serves until it is stopped
            continue
        assert program == "churnml", command
        if arguments[0] == "train" and "--project" in arguments:
            # MLflow takes some ten seconds to lay its tables out.
            var = Path(arguments[arguments.index("--project") + 1], "var")
            var.mkdir()
            shutil.copyfile(mlflow_store, var / "mlflow.db")
        monkeypatch.setattr(sys, "argv", [program, *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        assert not stopped.value.code, f"{command}: {capsys.readouterr().err}"


@pytest.mark.parametrize("example", examples("toml"), ids=str)
def test_toml_is_what_churnml_reads(example: Example) -> None:
    content = tomllib.loads(example.text)
    for entry in content.get("feature", ()):
        parse(FeatureEntry, entry, str(example))
    if "label" in content:
        parse(Recipe, {**content, "name": "shown"}, str(example))


def test_the_columns_of_scores_are_told(scores: ScoreList) -> None:
    page = (ROOT / "docs" / "scoring.md").read_text(encoding="utf-8")
    told = page.split("<!-- columns of scores -->")[1].split("<!-- end -->")[0]
    cells = [row.split("|")[1] for row in told.strip().splitlines()[2:]]
    names = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(names) == sorted(scores.table().column_names)


def test_every_metric_shown_is_told() -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    shown = [line for line in page.splitlines() if not line.startswith("|")]
    for words in SHOWN.values():
        assert any(line.startswith(words) for line in shown), words


def test_every_kind_of_label_is_told() -> None:
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    for kind in ("subscriptions", "inactivity", "outcomes", "column"):
        assert f"| `{kind}` |" in page
