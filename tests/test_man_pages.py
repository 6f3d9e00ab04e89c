"""Every command has its page, page and command agree about every option, and mandoc finds nothing to complain about."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
from commands import command_names, is_option, options, parameters, script_names

MAN = Path(__file__).resolve().parents[1] / "man"
COMMANDS = command_names()
SCRIPTS = script_names()
PAGES = sorted(page.name for page in MAN.glob("dd-*.[0-9]"))
SECTIONS = ["NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "EXAMPLES", "SEE ALSO"]


@cache
def page(name: str) -> str:
    return (MAN / name).read_text()


def section(name: str, title: str) -> str:
    """The text of one section of a page."""
    return page(name).split(f"\n.Sh {title}\n")[1].split("\n.Sh ")[0]


def text_on(command: str, title: str) -> str:
    """The text of a section that concerns a command; one with subcommands has a part for each, headed by its name."""
    script, *subcommand = command.split()
    text = section(f"{script}.1", title)
    if not subcommand:
        return text
    head = {"SYNOPSIS": f".Nm Cm {subcommand[0]}\n", "DESCRIPTION": f".Ss {command}\n"}[title]
    return text.split(head)[1].split(f"\n{head[:3]} ")[0].split(f"\n{head[:3]}\n")[0]


def flags(line: str) -> list[str]:
    """The options that a line of mdoc names: ``Fl o , Fl -output`` is -o and --output."""
    return [f"-{flag}" for flag in re.findall(r"(?<![\w-])Fl (\S+)", line)]


@cache
def items(command: str) -> dict[str, tuple[list[str], str]]:
    """Long option to the option's other names and the text, of the option list of a command's page."""
    found = {}
    for entry in re.split(r"^\.It ", text_on(command, "DESCRIPTION"), flags=re.MULTILINE)[1:]:
        head, _, text = entry.partition("\n")
        if head.startswith("Fl "):
            *short, long = flags(head)
            assert long not in found, f"{long} is described twice"
            found[long] = short, f"{head}\n{text.partition('.El')[0]}"
    return found


def defaults(command: str) -> list[tuple[str, object]]:
    return [
        (name, option.default)
        for name, option in options(command).items()
        if option.default is not None and not isinstance(option.default, bool) and not callable(option.default)
    ]


def test_there_is_a_page_for_every_command_the_formats_and_the_overview_and_no_other():
    assert sorted([*(f"{script}.1" for script in SCRIPTS), "dd-formats.5", "dd-tools.7"]) == PAGES


def test_overview_describes_every_command_and_refers_to_every_page():
    described = re.findall(r"^\.It Xr (dd-\S+) 1$", section("dd-tools.7", "COMMANDS"), re.MULTILINE)
    assert sorted(described) == SCRIPTS
    referred = re.findall(r"^\.Xr (dd-\S+) (\d)", section("dd-tools.7", "SEE ALSO"), re.MULTILINE)
    assert sorted([*(f"{name}.{number}" for name, number in referred), "dd-tools.7"]) == PAGES


def test_overview_names_every_kind_of_model_and_every_preset():
    from dd_tools.pipeline.training import PRESETS, motion_training

    models = section("dd-tools.7", "MODELS")
    kinds = re.findall(r"^\.It Cm (\S+)$", models, re.MULTILINE)
    assert {preset for kind in kinds for preset in motion_training(kind).PRESETS} == set(PRESETS)
    for preset in PRESETS:
        assert re.search(rf"^\.Cm {preset}( |$)", models, re.MULTILINE), preset


@pytest.mark.parametrize("command", COMMANDS)
def test_page_and_command_have_the_same_options(command):
    real = set(options(command))
    assert len(real) > 3, "typer hid the options"
    assert set(items(command)) == real | {"--help"}


@pytest.mark.parametrize("command", COMMANDS)
def test_page_and_command_have_the_same_short_options(command):
    real = {name: sorted(set(option.opts) - {name}) for name, option in options(command).items()}
    documented = {name: sorted(short) for name, (short, _) in items(command).items()}
    assert documented == real | {"--help": []}


@pytest.mark.parametrize("command", COMMANDS)
def test_synopsis_names_every_option_and_argument(command):
    synopsis = text_on(command, "SYNOPSIS")
    shorts = {opt: name for name, option in options(command).items() for opt in option.opts}
    named = [shorts.get(flag, flag) for flag in flags(synopsis)]
    assert sorted(named) == sorted([*options(command), "--help"])
    for argument in (part for part in parameters(command) if not is_option(part)):
        for word in re.findall(r"[\w.]+", (argument.metavar or argument.name).rstrip(".")):
            assert re.search(rf"\bAr\b.*{re.escape(word)}", synopsis), f"{word} is missing"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_default_is_stated(command):
    for name, default in defaults(command):
        shown = str(default)
        text = " ".join(items(command)[name][1].split())
        assert re.search(rf"default is (\.Cm )?{re.escape(shown)}(?![\w.]*\w)", text), f"{name}: default {shown}"


@pytest.mark.parametrize("command", COMMANDS)
def test_defaults_that_only_the_help_knows_are_stated(command):
    for name, option in options(command).items():
        if "[default: " in option.help:
            assert "The default is " in " ".join(items(command)[name][1].split()), name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_value_an_option_takes_is_explained(command):
    for name, option in options(command).items():
        for choice in (option.metavar or "").split("|"):
            assert choice.rstrip(".") in items(command)[name][1], f"{name}: {choice} is missing"


@pytest.mark.parametrize("script", SCRIPTS)
def test_page_has_the_usual_sections_in_order(script):
    found = re.findall(r"^\.Sh (.*)$", page(f"{script}.1"), re.MULTILINE)
    assert [title for title in found if title in SECTIONS] == SECTIONS


@pytest.mark.parametrize("name", [*(f"{script}.1" for script in SCRIPTS), "dd-formats.5", "dd-tools.7"])
def test_every_exit_status_is_explained(name):
    listed = re.findall(r"^\.It (.*)$", section(name, "EXIT STATUS"), re.MULTILINE)
    assert sorted(int(status) for line in listed for status in line.split(" , ")) == [0, 1, 2, 75, 129, 130, 143]


def test_page_of_dd_dub_names_every_column_of_a_list_and_no_other():
    from dd_tools.cli.dub_options import DubOptions

    text = items("dd-dub")["--batch"][1].partition("options of one video:\n")[2].partition("A cell is")[0]
    named = re.findall(r"[a-z][a-z-]+", re.sub(r"^\.Ql|\band\b", "", text, flags=re.MULTILINE))
    assert sorted(named) == sorted(field.replace("_", "-") for field in DubOptions.__dataclass_fields__)


def test_formats_page_names_every_dataset_attribute_and_status():
    from dd_tools.formats.clip import Status, dataset_layout

    text = page("dd-formats.5")
    for dataset in dataset_layout(96, 96):
        assert re.search(rf"^\.It (Li|Va) {dataset}\b", text, re.MULTILINE), dataset
    for status in Status:
        assert re.search(rf"^\.It {status.value}\n.*\b{status.name.lower()}\b", text, re.MULTILINE), status


@pytest.mark.parametrize("name", PAGES)
def test_cross_references_lead_somewhere(name):
    for target, number in re.findall(r"^\.Xr (dd-\S+) (\d)", page(name), re.MULTILINE):
        assert f"{target}.{number}" in PAGES


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="needs mandoc")
@pytest.mark.parametrize("name", PAGES)
def test_mandoc_has_no_complaint(name):
    lint = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", MAN / name], capture_output=True, text=True)
    assert (lint.returncode, lint.stdout + lint.stderr) == (0, "")
