import json
import re
import subprocess
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from lossbook.lab.run import others, parity
from lossbook.lab.run.others import code
from lossbook.lab.run.others.entry import Entry, Source, normal

RECORD = parity.load_record()
ENTRIES = [entry for entries in others.CHAPTERS.values() for entry in entries]
PAGE = Path(__file__).resolve().parents[3] / "book" / "coming.ipynb"

each_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)


@each_entry
def test_the_record_belongs_to_the_code(entry):
    found = RECORD.of(entry)
    assert found.source == parity.fingerprint(entry), "python -m lossbook.lab.run.parity --record"
    value, slopes = parity.ours_at(entry, 0)
    slope = torch.stack([each.double().norm() for each in slopes.values()]).norm()
    assert float(value.detach()) == pytest.approx(found.ours, rel=1e-6)
    assert float(slope) == pytest.approx(found.slope, rel=1e-6)


def test_the_record_has_every_entry_once_and_no_other():
    assert [found.entry for found in RECORD.compared] == [entry.name for entry in ENTRIES]
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)


@each_entry
def test_a_version_says_what_was_run(entry):
    source, version = others.SOURCES[entry.source], RECORD.of(entry).version
    assert re.fullmatch(r"[0-9a-f]{40}" if source.repository else r"\d+\.\d+\S*", version)
    assert bool(source.repository) != bool(source.package)


@each_entry
def test_calls_that_are_to_agree_do_and_the_others_do_not(entry):
    found = RECORD.of(entry)
    exact = max(found.value_64 or 0, found.gradient_64)
    if entry.agrees:
        # Single numbers of a few are float32 whatever their inputs are.
        assert exact < 1e-7
        rounding = found.error + found.their_error
        assert max(found.value or 0, found.gradient) < 2e-7 + 3 * rounding < 1e-3
    else:
        assert exact > 1e-3


@each_entry
def test_what_differs_is_said_and_asked_questions_have_answers(entry):
    assert len(entry.differs) > 10 and entry.differs.endswith(".")
    assert set(RECORD.of(entry).shown) == set(entry.shows)


@each_entry
def test_their_call_uses_their_code(entry):
    names = {name.rpartition(".")[2] for names in entry.code.values() for name in names}
    assert names & set(re.findall(r"\w+", entry.theirs))


def pasted(text):
    """The lines that a page's fold tells to put in, block by block."""
    for block in re.findall(r"```diff\n(.*?)```", text, re.DOTALL):
        yield "\n".join(line[2:] for line in block.split("\n") if line.startswith("+ "))


def test_every_call_of_the_page_runs():
    outputs = [o for c in json.loads(PAGE.read_text("utf8"))["cells"] for o in c.get("outputs", ())]
    texts = ["".join(o.get("data", {}).get("text/markdown", ())) for o in outputs]
    calls = [lines for text in texts for lines in pasted(text)]
    assert len(calls) == len(ENTRIES)
    for entry, lines in zip(ENTRIES, calls, strict=True):
        assert lines.endswith(entry.ours), "the page shows another call than the one compared"
        names = {"torch": torch, **parity.inputs_of(entry, 0, 4, torch.float32)}
        value, _ = parity.run(parity.call_of(lines), names, entry)
        assert value is not None and value.isfinite()


# The comparison itself, with code that was made up ----------------------------------------------


PEER = """
from a_framework import REGISTRY

device = missing_at_import()

def cost(truth, guess, scale: "NoSuchType" = 1):
    return scale * ((guess - truth) ** 2).mean()

@REGISTRY.register()
class Trainer:
    def step(self, guess):
        loss = (guess ** 2).mean()
        loss.backward()
"""


@pytest.fixture
def clone(tmp_path):
    (tmp_path / "loss.py").write_text(PEER)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for command in (["init", "-q"], ["add", "loss.py"], ["commit", "-q", "-m", "A loss"]):
        subprocess.run([*git, *command], check=True)
    return tmp_path


def inputs(batch, generator):
    return {name: normal(batch, 3, generator=generator) for name in ("guess", "truth")}


PEER_ENTRY = Entry(
    "peer cost",
    "peer",
    "cost",
    {"loss.py": ("cost",)},
    theirs="cost(truth, guess)",
    ours="smooth_l1_loss(guess, truth, beta=1e6, reduction='mean') * 2e6",
    inputs=inputs,
    wanted=("guess",),
    differs="Nothing.",
)


def test_a_peer_that_agrees_is_apart_by_rounding(clone):
    version = code.commit_of(clone)
    found = parity.compare(PEER_ENTRY, "landmarks", clone, version, seconds=0.02)
    assert found.value < 1e-6 and found.gradient < 1e-6
    assert found.value_64 < 1e-14 and found.gradient_64 < 1e-14
    assert 0 < found.error < 1e-6 and 0 < found.their_error < 1e-6
    assert 0 < found.low <= found.times <= found.high
    assert re.fullmatch("[0-9a-f]{40}", found.version)


def test_a_peer_that_differs_is_apart_by_as_much(clone):
    half = replace(
        PEER_ENTRY,
        theirs="cost(truth, guess, scale=0.5)",
        shows={"how much": ("cost(truth, guess, 0.5)", "smooth_l1_loss(guess, guess)")},
    )
    found = parity.compare(half, "landmarks", clone, "0", seconds=0.02)
    for difference in (found.value, found.gradient, found.value_64, found.gradient_64):
        assert difference == pytest.approx(0.5, abs=1e-6)
    assert float(found.shown["how much"][0]) > 0 and found.shown["how much"][1] == "0"


def test_a_peer_that_goes_back_by_itself_is_compared_by_its_gradient(clone):
    entry = replace(
        PEER_ENTRY,
        code={"loss.py": ("Trainer",)},
        theirs="Trainer().step(guess)\nNone",
        ours="smooth_l1_loss(guess, 0 * truth, beta=1e6, reduction='mean') * 2e6",
    )
    found = parity.compare(entry, "landmarks", clone, "0", seconds=0.02)
    assert found.value is None and found.value_64 is None
    assert found.gradient_64 < 1e-14


@pytest.mark.parametrize("call", ["cost(truth, truth)", "0 * cost(truth, guess)"])
def test_a_comparison_of_nothing_is_refused(clone, call):
    names = code.names_of(PEER_ENTRY, clone)
    given = {**names, **parity.inputs_of(PEER_ENTRY, 0, 2, torch.float64)}
    with pytest.raises(ValueError, match="no gradient reached"):
        parity.run(parity.call_of(call), given, PEER_ENTRY)


def test_a_method_is_taken_out_of_its_class():
    names: dict[str, object] = {}
    exec(code.compiled(PEER, ("Trainer.step",)), names)
    assert set(names) == {"step", "__builtins__"}


@pytest.mark.own_errors
def test_what_cannot_be_read_is_named(clone):
    with pytest.raises(ValueError, match=r"<text> defines no Trainer\.stop"):
        code.compiled(PEER, ("Trainer.stop",))
    with pytest.raises(ValueError, match=r"no_such\.py"):
        code.names_of(replace(PEER_ENTRY, code={"no_such.py": ("cost",)}), clone)
    with pytest.raises(ValueError, match="must be an expression"):
        parity.call_of("x = 1")
    with pytest.raises(ValueError, match="shapes differ"):
        parity.difference(torch.zeros(2), torch.zeros(3))
    with pytest.raises(ValueError, match="NaN or infinity"):
        parity.difference(torch.tensor([torch.nan]), torch.zeros(1))


def test_the_difference_is_relative_to_the_largest_number():
    assert parity.difference(torch.tensor([4.0, 0.0]), torch.tensor([3.0, 0.5])) == 0.25
    assert parity.difference(torch.zeros(3), torch.zeros(3)) == 0


def test_prose_does_not_change_the_fingerprint_and_calls_do():
    before = parity.fingerprint(PEER_ENTRY)
    assert parity.fingerprint(replace(PEER_ENTRY, differs="Something.")) == before
    assert parity.fingerprint(replace(PEER_ENTRY, theirs="cost(guess, truth)")) != before
    assert parity.fingerprint(replace(PEER_ENTRY, wanted=("truth",))) != before


def test_a_record_is_written_and_read(clone, tmp_path, monkeypatch, capsys):
    source = {"peer": Source("Peer", "ada/peer")}
    monkeypatch.setattr(parity, "SOURCES", source)
    monkeypatch.setattr(parity, "CHAPTERS", {"landmarks": (PEER_ENTRY,)})
    path = tmp_path / "record.json"
    options = ["--clone", f"peer={clone}", "--out", str(path), "--seconds", "0.02"]
    parity.main(["--record", *options])
    found = parity.load_record(path)
    assert found.command == "python -m lossbook.lab.run.parity --record --clone peer=peer"
    assert found.of(PEER_ENTRY).version == code.commit_of(clone)
    assert "peer cost" in capsys.readouterr().out
    path.unlink()
    parity.main(options)
    assert not path.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--record", "--only", "mmpose"], "--record is of all sources"),
        (["--clone", "mmpos=here"], "no source named 'mmpos'"),
        (["--only", "ditto"], "git clone --branch train https://github.com/wangjia184/"),
    ],
)
def test_what_is_missing_is_said(options, message, capsys):
    with pytest.raises(SystemExit):
        parity.main(options)
    assert message in capsys.readouterr().err


def test_a_package_that_is_missing_is_one_to_install(monkeypatch):
    monkeypatch.setattr(parity, "find_spec", lambda name: None)
    assert list(parity.missing(["torchjd"], {})) == ["pip install torchjd"]


def test_lines_of_a_page_are_found():
    page = textwrap.dedent("""
        ```diff
        - old(1)
        + from a import new
        + new(1)
        ```
    """)
    assert list(pasted(page)) == ["from a import new\nnew(1)"]
