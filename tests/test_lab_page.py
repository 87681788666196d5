"""The counter lab in a real browser: its arithmetic is Python's to the bit, and its controls do what they say."""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page
from safetensors.torch import save
from test_kinds_of_file import READ, REFUSED
from torch import nn

from counting import cells, dyck, evaluation, lab, languages, modelfile, rounding
from counting.anatomy import functions, relu
from counting.cells import Networks
from counting.dyck import Words

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "book" / "_static" / "lab"
BUILT = ROOT / "_build" / "html" / "book" / "lab.html"

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # as in test_pages.py
built = pytest.mark.skipif(not BUILT.exists(), reason="no lab in _build/html: run `make book` first")

FIRST_FAILURES = """([networks, words]) => {
  const tokens = words.map(word => Int8Array.from(word, bracket => bracket === ")" ? 1 : 0));
  return networks.map(network => tokens.map(word => counterLab.firstFailure(network, word)));
}"""

TRACE = """([network, word]) => {
  const {h, c, gates, logits} = counterLab.trace(network, word);
  return [h, c, ...logits, ...Object.values(gates)].map(values => Array.from(values));
}"""


@pytest.fixture(scope="module")
def core(browser: Browser) -> Iterator[Page]:
    """An empty page with the lab's arithmetic and words, as they are in the sources."""
    page = browser.new_page()
    for name in ("cells.js", "words.js", "two.js"):
        page.add_script_tag(path=SOURCES / name)
    yield page
    page.close()


@pytest.fixture(scope="module")
def entries() -> list[dict[str, object]]:
    return lab.entries()


@pytest.fixture(scope="module")
def words(entries: list[dict[str, object]]) -> Words:
    """Random, regular and failing words, to 2,000 symbols and beyond."""
    strings = [
        *dyck.pcfg(3, (2, 50), seed=1).strings(),
        *dyck.uniform(2, 2000, seed=1).strings(),
        *dyck.nested(dyck.pcfg(3, (100, 100), seed=2), 2, seed=3).strings(),
        *dyck.zigzag(2000, 50).strings(),
        *dyck.zigzag(2000, 1).strings(),
        "(" * 1000 + ")" * 1000,
    ]
    failing = [entry["certificate"]["word"] for entry in entries if entry["certificate"]["word"]]
    for runs in failing[::5]:
        strings.append("".join("()"[n % 2] * int(run) for n, run in enumerate(runs.split("."))))
    return Words.from_strings(strings)


def networks(entries: list[dict[str, object]]) -> Networks:
    stacks = {name: np.array([e["parameters"][name] for e in entries], np.float32) for name in entries[0]["parameters"]}
    return Networks(entries[0]["cell"], stacks)


def as_entry(network: Networks) -> dict[str, object]:
    return {"cell": network.cell, "parameters": {n: a[0].tolist() for n, a in network.parameters.items()}}


def of(entries: list[dict[str, object]], cell: str) -> list[dict[str, object]]:
    return [entry for entry in entries if entry["cell"] == cell]


def test_activations_are_the_engines_to_the_bit(core: Page) -> None:
    bits = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint32).view(np.float32)
    x = np.concatenate([bits[np.isfinite(bits)], np.linspace(-100, 100, 20_001, dtype=np.float32), [0.0, -0.0]])
    x = x.astype(np.float32)
    for name in ("sigmoid", "tanh"):
        found = core.evaluate("([name, xs]) => xs.map(x => counterLab[name](x))", [name, x.tolist()])
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # 2 |x| may be infinite, as in the engine
            expected = getattr(functions, name)(x)
        assert np.array_equal(np.array(found, np.float32).view(np.int32), expected.view(np.int32)), name


def test_first_failures_are_pythons(core: Page, cell: str, entries, words: Words) -> None:
    chosen = of(entries, cell)
    found = np.array(core.evaluate(FIRST_FAILURES, [chosen, words.strings()]))
    expected = evaluation.first_failure(networks(chosen), words)
    assert found.size >= 500
    assert len(np.unique(expected)) > 10
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("gain", [0.3, 1.1, 3.7, 16, 900])
@pytest.mark.parametrize("gated", ["lstm", "gru"])
def test_a_gain_makes_the_network_that_python_makes(core: Page, gated: str, gain: float, entries, words) -> None:
    chosen = of(entries, gated)
    made = core.evaluate("([all, gain]) => all.map(one => counterLab.gained(one, gain))", [chosen, gain])
    folded = rounding.gained(networks(chosen), gain)
    assert networks(made) == folded
    found = np.array(core.evaluate(FIRST_FAILURES, [made, words.strings()]))
    assert np.array_equal(found, evaluation.first_failure(folded, words))


@pytest.mark.parametrize(("u", "ratio"), [(1, 1), (0.999, 1), (1.0001, 1.002), (1.1, 0.75), (0.9, 1.25)])
def test_moved_relus_are_those_that_python_makes(core: Page, u: float, ratio: float, entries, words) -> None:
    chosen = [entry for entry in of(entries, "relu") if entry["kind"] == "counter"]
    made = core.evaluate("([all, u, r]) => all.map(one => counterLab.moved(one, u, r))", [chosen, u, ratio])
    moved = rounding.in_steps(networks(chosen), u, ratio)
    assert networks(made) == moved
    found = np.array(core.evaluate(FIRST_FAILURES, [made, words.strings()]))
    assert np.array_equal(found, evaluation.first_failure(moved, words))


PAIR = """([network, length, seed]) => {
  const word = counterLab.randomPair(length, seed);
  const {c, logits, firstFailure} = counterLab.tracePair(network, word);
  return [word, c, logits, firstFailure];
}"""


def test_cells_and_logits_of_two_counters_are_pythons_to_the_bit(core: Page) -> None:
    language = languages.shuffle(2)
    for seed, entry in enumerate(lab.pairs()):
        tokens, c, logits, first = core.evaluate(PAIR, [entry, 300, seed])
        word = language.words(["".join(language.alphabet[symbol] for symbol in tokens)])
        network = networks([{"cell": "lstm", **entry}])
        expected = evaluation.trace(network, word)
        assert np.array_equal(np.array(c, np.float32), expected.c[0])
        assert np.array_equal(np.array(logits, np.float32), expected.logits[0])
        assert first == evaluation.first_failure(network, word)[0, 0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("([x", "Position 2 is “x”: a word has only ( ) [ and ]"),
        ("(]", "Position 1 closes"),
        (" ", "no word yet"),
        ("(" * 20_001, "up to 20,000"),
    ],
)
def test_a_word_of_two_kinds_that_is_none_is_refused(core: Page, text: str, reason: str) -> None:
    assert reason in core.evaluate("text => counterLab.parse(text, '()[]').error", text)


def test_states_gates_and_logits_are_pythons_to_the_bit(core: Page, cell: str, entries, words: Words) -> None:
    chosen = of(entries, cell)
    for entry in chosen[::4]:
        for word in (words[3], words[7]):
            expected = evaluation.trace(networks([entry]), word)
            logits = expected.logits[:, :, 0], expected.logits[:, :, 1]
            rows = [expected.h, expected.c, *logits, *expected.gates.values()]
            found = np.array(core.evaluate(TRACE, [entry, word.strings()[0]]), np.float32)
            rows = np.array([row[0] for row in rows])
            assert np.array_equal(found.view(np.int32), rows.view(np.int32)), entry["id"]


def test_infinity_and_nan_are_wrong_where_python_says(core: Page, words: Words) -> None:
    """A logit of NaN is wrong at any depth; a state may overflow."""
    net = cells.exact("relu")
    for name, value in (("weight_hh_l0", np.inf), ("weight_hh_l0", -np.inf), ("output.weight", np.inf)):
        broken = Networks("relu", {n: np.where(n == name, np.float32(value), a) for n, a in net.parameters.items()})
        found = np.array(core.evaluate(FIRST_FAILURES, [[as_entry(broken)], words.strings()]))
        assert np.array_equal(found, evaluation.first_failure(broken, words))


def test_a_logit_of_zero_is_a_yes_in_both(core: Page) -> None:
    net = cells.exact("relu")
    net.parameters["output.bias"][0, 1] = -20.0  # at depth 1 the logit of `)` is exactly 0
    words = Words.from_strings(["()()"])
    assert evaluation.first_failure(net, words)[0, 0] == 4
    assert core.evaluate(FIRST_FAILURES, [[as_entry(net)], words.strings()]) == [[4]]


def test_random_words_are_uniform_words_of_their_length(core: Page) -> None:
    drawn = core.evaluate("() => Array.from({length: 14000}, (_, s) => counterLab.text(counterLab.random(8, s)))")
    _, counts = np.unique(drawn, return_counts=True)
    Words.from_strings(drawn)
    assert len(counts) == dyck.count(8) == 14
    assert ((counts - 1000) ** 2 / 1000).sum() < 34.5  # chi-square with 13 degrees of freedom, p = 0.001
    for length in (2, 2000, 10_000):
        word = core.evaluate("length => counterLab.text(counterLab.random(length, 5))", length)
        assert Words.from_strings([word]).longest == length


def test_words_are_generated_and_written_as_in_python(core: Page, words: Words) -> None:
    assert core.evaluate("() => counterLab.text(counterLab.zigzag(2000, 50))") == dyck.zigzag(2000, 50).strings()[0]
    assert core.evaluate("() => counterLab.text(counterLab.tower(3))") == "((()))"
    for n, text in enumerate(words.strings()):
        runs = lab.runs_of(words[n])
        assert core.evaluate("text => counterLab.toRuns(counterLab.parse(text).tokens)", text) == runs
        assert core.evaluate("runs => counterLab.text(counterLab.fromRuns(runs))", runs) == text
    for bad in ("", "0", "1.2", "a", "-1.1", "99999.99999", "1..1"):
        assert core.evaluate("runs => counterLab.fromRuns(runs)", bad) is None, bad


@pytest.mark.parametrize(("text", "said"), [
    ("(()x", "Position 3 is “x”"), ("())", "Position 2 closes"),
    (")", "Position 0 closes"), ("( )", "Position 1 is a space"),
    ("", "no word"), ("(" * 20_001, "20,001 symbols"),
])  # fmt: skip
def test_what_is_no_word_is_named_with_its_position(core: Page, text: str, said: str) -> None:
    assert said in core.evaluate("text => counterLab.parse(text).error", text)


@pytest.fixture
def own(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The page that `show --html` writes, on a phone. Whatever it asks for outside itself is a fault."""
    faults: list[str] = []
    path = tmp_path / "own.html"
    path.write_text(lab.page(cells.exact("relu"), "(()())", "exact </script>.pt"), encoding="utf-8")
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith(("file:", "blob:")) else faults.append(asked.url))
    page.goto(path.as_uri())
    yield page
    assert faults == []
    page.close()


def give(page: Page, path: Path, content: dict[str, torch.Tensor] | bytes) -> None:
    path.write_bytes(content if isinstance(content, bytes) else save(content))
    page.locator("[name=file]").set_input_files(path)
    page.wait_for_function("""name => document.querySelector('[data-text=file-error]').textContent.includes(name)
        || [...document.querySelectorAll('[name=run] option')]
            .some(one => one.selected && one.text === name)""", arg=path.name)


def test_a_page_of_its_own_opens_on_the_network_and_the_word(own: Page) -> None:
    assert "Right at all 6 steps" in result(own)
    assert "of any length" in own.locator("[data-text=certificate]").inner_text()
    assert own.locator("[name=run]").inner_text() == "exact </script>.pt"
    assert own.locator("[name=cell][value=lstm]").is_disabled()


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, partial(nn.RNN, nonlinearity="relu")])
def test_a_file_that_is_dropped_is_read_as_python_reads_it(
    own: Page, layer, bias, outputs, tmp_path: Path, core: Page
) -> None:
    torch.manual_seed(3)
    module = nn.ModuleDict({"rnn": layer(2, 1, bias=bias), "fc": nn.Linear(1, outputs, bias=bias)})
    give(own, tmp_path / "mine.safetensors", module.state_dict())
    network = modelfile.load(tmp_path / "mine.safetensors")
    found = own.evaluate("counterLab.networks.at(-1)")
    assert networks([found]) == network
    assert found["kind"] == (relu.kind(network)[0] if network.cell == "relu" else None)
    assert "First wrong" in result(own), "an untrained network fails on some word of the page"
    lengths = map(int, found["certificate"]["word"].split("."))
    word = Words.from_strings(["".join("()"[n % 2] * length for n, length in enumerate(lengths))])
    failed = evaluation.first_failure(network, word)[0, 0]
    assert f"First wrong at step {failed} of {word.longest}" in result(own)


READS = """files => files.map(bytes => {
  try { return counterLab.fromSafetensors(Uint8Array.from(atob(bytes), c => c.charCodeAt(0)).buffer, "f"); }
  catch (error) { if (!(error instanceof counterLab.BadFile)) throw error; return null; }
})"""


def test_of_every_kind_of_file_the_lab_reads_what_python_reads_or_refuses_it(core: Page, tmp_path: Path) -> None:
    """The rules stand twice, in modelfile and in file.js: what these take for a network is held to be the same."""
    core.add_script_tag(path=SOURCES / "file.js")
    kinds = {kind: content(module.state_dict()) for kind, (module, content, _) in READ.items()}
    for kind, (content, _) in REFUSED.items():
        kinds[kind] = content.state_dict() if isinstance(content, nn.Module) else content()
    files = {}
    for kind, state in kinds.items():
        if isinstance(state, dict) and all(isinstance(t, torch.Tensor) for t in state.values()):
            with suppress(ValueError, RuntimeError, NotImplementedError, KeyError):  # sparse, without numbers
                files[kind] = save({name: t.detach().contiguous().clone() for name, t in state.items()})
    found = core.evaluate(READS, [base64.b64encode(data).decode() for data in files.values()])
    only_python = set()
    for (kind, data), entry in zip(files.items(), found, strict=True):
        (tmp_path / "m.safetensors").write_bytes(data)
        try:
            network = modelfile.load(tmp_path / "m.safetensors")
        except modelfile.BadModel:
            network = None
        if entry:
            assert networks([entry]) == network, kind
        elif network:
            only_python.add(kind)
    assert len(files) > 80
    folded = ("pruned", "weight-normalized", "an embedding of")
    assert {kind for kind in only_python if not kind.startswith(folded)} == {"float64"}


def test_what_is_found_in_a_file_can_be_linked_and_downloaded(own: Page, browser: Browser, tmp_path: Path) -> None:
    give(own, tmp_path / "mine.safetensors", cells.initialize("gru", [3]).to_torch(0).state_dict())
    said = result(own)
    box = [own.locator(one).bounding_box() for one in (".lab-result", ".lab-plot")]
    assert box[0]["y"] >= 0 and box[1]["y"] + box[1]["height"] <= 800, "verdict and plot are on the screen"
    with own.expect_download() as file:
        own.get_by_role("button", name="Download").click()
    found = json.loads(Path(file.value.path()).read_text("utf-8"))
    word = Words.from_strings([found["word"]])
    assert evaluation.first_failure(cells.initialize("gru", [3]), word)[0, 0] == found["first_failure"]
    again = browser.new_page()
    again.goto(own.locator("[data-link]").evaluate("link => link.href"))
    assert result(again) == said
    again.close()


def lstm_with(**more: torch.Tensor) -> dict[str, torch.Tensor]:
    return {**nn.ModuleDict({"rnn": nn.LSTM(2, 1), "fc": nn.Linear(1, 2)}).state_dict(), **more}


def relu_state() -> dict[str, torch.Tensor]:
    return nn.ModuleDict({"rnn": nn.RNN(2, 1), "fc": nn.Linear(1, 2)}).state_dict()


@pytest.mark.parametrize(("content", "reason"), [
    (lambda: lstm_with(**{"emb.weight": torch.ones(2, 2)}), "emb.weight (2, 2), which would be passed over"),
    (lambda: lstm_with(**{"fc.bias": torch.full((2,), torch.nan)}), "no numbers"),
    (lambda: lstm_with(**{"rnn.weight_ih_l0": torch.ones(4, 3)}), "where (4, 2) is needed: two symbols"),
    (lambda: lstm_with(**{"rnn.weight_ih_l0_reverse": torch.ones(4, 2)}), "in one direction"),
    (lambda: {n: t.half() for n, t in lstm_with().items()}, "half precision"),
    (lambda: {n: t.double() for n, t in lstm_with().items()}, "F64"),
    (lambda: nn.ModuleDict({"rnn": nn.LSTM(2, 2), "fc": nn.Linear(2, 2)}).state_dict(), "needs one unit"),
    (lambda: {"fc.weight": torch.ones(2, 1)}, "needs a recurrent layer"),
    (lambda: save(lstm_with())[:-1], "is not whole"),
    (lambda: save(lstm_with()) + b"x", "is not whole"),
    (lambda: lstm_with(**{f"{'emb' * 30_000}!.weight": torch.ones(0, 1)}), "a name of 90,008 characters"),
    (lambda: save(relu_state(), {"activation": "elu"}), "activation = elu"),
    (lambda: save(relu_state(), {"NonLinearity": "sigmoid"}), "NonLinearity = sigmoid"),
    (lambda: save(relu_state(), {"config": '{"nonlinearity": "tanh"}'}), "says that it is a tanh RNN"),
    (lambda: b"PK\3\4" + bytes(100), "torch.save"),
    (lambda: b"\xff" * 7 + b"\0{}", "is not whole"),
    (lambda: b"", "is not safetensors"),
    (lambda: (18).to_bytes(8, "little") + b'{"a":{"shape":"x"}}', "header that cannot be read"),
    (lambda: (18).to_bytes(8, "little") + b'{"constructor":{}}', "does not say shape"),
])  # fmt: skip
def test_a_file_that_the_lab_cannot_read_says_why_on_the_page(own: Page, content, reason: str, tmp_path: Path) -> None:
    before = result(own)
    give(own, tmp_path / "bad.safetensors", content())
    said = own.locator("[data-text=file-error]").inner_text()
    assert said.startswith("bad.safetensors ") and reason in said
    assert result(own) == before


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """The built lab as it opens. Whatever the browser complains about, or asks for outside, is a fault."""
    faults: list[str] = []
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda asked: None if asked.url.startswith("file:") else faults.append(asked.url))
    page.goto(BUILT.as_uri())
    yield page
    assert faults == []
    page.close()


def result(page: Page) -> str:
    return page.locator(".lab-result").inner_text()


def goto(page: Page, state: str) -> None:
    page.evaluate("state => location.hash = state", state)
    shown(page, state)


def shown(page: Page, state: str) -> None:
    """Waits until the network of a state is there."""
    page.wait_for_function("id => document.querySelector('[name=run]').value === id", arg=state.split("&")[0][8:])


@built
class TestBuiltLab:
    def test_holds_the_present_scripts_and_networks(self, page: Page) -> None:
        static = BUILT.parent.parent / "_static" / "lab"
        assert (static / "networks.js").read_text(encoding="utf-8") == lab.script()
        for path in SOURCES.iterdir():
            assert (static / path.name).read_bytes() == path.read_bytes()

    def test_two_counters_read_what_is_typed(self, page: Page) -> None:
        verdict, state = page.locator(".lab-verdict"), page.locator("[data-text=state]")
        assert "First wrong at step" in verdict.inner_text()
        page.locator("[name=pair]").select_option(label=lab.pairs()[-1]["name"])
        page.locator("[name=brackets]").fill("([)")
        assert verdict.inner_text() == "Right at all 3 steps."
        assert "0 and 1 open" in state.inner_text() and "allows ( [ ] next" in state.inner_text()
        page.locator("[name=brackets]").fill("(]")
        assert "Position 1 closes" in page.locator("#lab-two-error").inner_text()

    def test_opens_with_the_shortest_failing_word(self, page: Page) -> None:
        failed = evaluation.first_failure(*lab.first_shown())[0, 0]
        assert f"First wrong at step {failed} of" in result(page)
        assert page.locator(".lab-failure-label").text_content() == f"first wrong: step {failed}"
        assert page.locator("figure.counter-lab-figure img").is_hidden()

    def test_a_slider_moves_the_first_failure_and_presets_bring_it_back(self, page: Page) -> None:
        before = result(page)
        page.locator("#lab-gain").focus()
        for _ in range(40):
            page.keyboard.press("ArrowLeft")
        assert result(page) != before
        page.get_by_role("button", name="Make it exact").click()
        assert "Right at all 58 steps" in result(page)
        assert "proved" in page.locator("[data-text=weights]").inner_text()
        page.get_by_role("button", name="What training found").click()
        assert result(page) == before

    def test_a_relu_is_made_exact_and_broken_again(self, page: Page) -> None:
        goto(page, "network=paper-relu-1&word=tower.5000")
        assert "First wrong" in result(page)
        page.get_by_role("button", name="Make it exact").click()
        assert "Right at all 10,000 steps" in result(page)
        page.locator("[name=u-number]").fill("0.9999")
        page.keyboard.press("Enter")
        assert "First wrong" in result(page)

    def test_the_keyboard_moves_the_cursor(self, page: Page) -> None:
        page.locator("[name=step]").focus()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        assert page.locator("[name=step-number]").input_value() == "1"
        assert page.locator(".lab-readout").inner_text().split()[:4] == ["symbol", ")", "depth", "0"]
        page.get_by_role("button", name="First wrong step").click()
        assert page.locator("[name=step-number]").input_value() == "56"

    def test_a_touch_moves_the_cursor(self, page: Page) -> None:
        box = page.locator(".lab-plot").bounding_box()
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 100)
        assert 25 <= int(page.locator("[name=step-number]").input_value()) <= 32

    def test_a_typed_word_is_read_and_a_wrong_one_is_refused(self, page: Page) -> None:
        page.locator("[name=kind][value=typed]").check()
        page.locator("[name=typed]").fill("(())()")
        assert "6" in result(page)
        page.locator("[name=typed]").fill("(()))")
        assert "Position 4 closes a bracket" in page.locator("#lab-error").text_content()
        assert "cannot be read" in result(page)

    def test_the_address_holds_the_state(self, page: Page, browser: Browser) -> None:
        goto(page, "network=counting-gru-9000003&word=random.400.7&gain=2.5&step=33&view=depth")
        said = result(page)
        page.locator("[name=seed]").fill("8")
        page.keyboard.press("Enter")
        page.wait_for_function("location.hash.includes('random.400.8')")
        page.locator("[name=seed]").fill("7")
        page.keyboard.press("Enter")
        page.locator("[name=step-number]").fill("33")
        page.keyboard.press("Enter")
        page.wait_for_function("location.hash.includes('random.400.7') && location.hash.includes('step=33')")
        again = browser.new_page()
        again.goto(page.url)
        assert result(again) == said
        assert again.locator("[name=gain-number]").input_value() == "2.5"
        assert again.locator("[name=step-number]").input_value() == "33"
        assert again.locator("[name=view][value=depth]").is_checked()
        again.close()

    def test_a_broken_link_is_told(self, page: Page) -> None:
        page.evaluate("location.hash = 'network=none&word=runs.1.9&gain=-1'")
        page.wait_for_function("document.querySelector('#lab-error').textContent.includes('not here, none')")
        said = page.locator("#lab-error").text_content()
        assert "does not say a word" in said and "gain to -1" in said

    def test_a_network_spelled_otherwise_is_the_same(self, page: Page) -> None:
        """A GRU's 76 bytes leave four bits of the last letter of their base64 unused."""
        letters = string.ascii_uppercase + string.ascii_lowercase + string.digits + "-_"
        spelled = base64.urlsafe_b64encode(np.full(19, 0.5, np.float32).tobytes()).decode().rstrip("=")
        other = spelled[:-1] + letters[letters.index(spelled[-1]) + 1]
        page.evaluate("state => location.hash = state", f"network=own-gru-{other}&word=runs.2.2")
        shown(page, f"network=own-gru-{spelled}")
        assert "First wrong" in result(page)

    @pytest.mark.parametrize("word", ["constructor", "toString", "__proto__.1", "hasOwnProperty"])
    def test_a_word_named_like_a_part_of_every_object_is_told(self, page: Page, word: str) -> None:
        page.evaluate("word => location.hash = `network=${word}&word=${word}&view=${word}&step=${word}`", word)
        page.wait_for_function("document.querySelector('#lab-error').textContent.includes('does not say a word')")
        assert "First wrong" in result(page)

    def test_every_experiment_of_the_text_sets_the_lab(self, page: Page) -> None:
        links = page.locator("a[data-lab]").all()
        assert len(links) >= 3
        for link in links:
            link.click()
            state = link.get_attribute("data-lab")
            shown(page, state)
            assert "First wrong" in result(page)
            assert page.locator("#lab-error").text_content() == ""
            assert page.locator(".lab-result").bounding_box()["y"] >= 0
            assert page.locator(".lab-plot").bounding_box()["y"] < 500, "verdict and plot are on the screen"

    def test_nothing_sticks_out_for_any_cell_on_a_phone(self, page: Page) -> None:
        page.set_viewport_size({"width": 390, "height": 800})
        for state in (
            "paper-lstm-1&word=random.2000.1", "paper-gru-1&word=tower.40&view=near",
            "counting-relu-9000007&word=failing",
        ):  # fmt: skip
            goto(page, f"network={state}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            assert page.locator(".lab-failure-label").is_visible()

    def test_controls_stand_beside_the_plots_on_a_desk(self, page: Page) -> None:
        goto(page, "network=counting-relu-9000007&word=failing")  # the longest names in the list of runs
        edges = """() => [".lab-controls *", ".lab-stage"].map(which =>
          [...document.querySelectorAll(which)].map(e => e.getBoundingClientRect()))"""
        controls, stage = page.evaluate(edges)
        assert max(box["right"] for box in controls) < stage[0]["left"]

    def test_without_scripts_a_figure_stands_there(self, browser: Browser) -> None:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(BUILT.as_uri())
        picture = page.locator("figure.counter-lab-figure img")
        assert picture.is_visible() and len(picture.get_attribute("alt")) > 100
        assert page.locator("figure.counter-lab-figure .caption-number").is_visible()
        assert page.locator("[name=cell]").count() == 0
        context.close()
