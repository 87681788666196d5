// The page: what the reader chooses goes into `state`, a word and a network come of it, cells.js reads the one with the
// other, plot.js draws. The state stands in the address behind #, so that a finding can be linked.
"use strict";

(() => {
  const lab = globalThis.counterLab;
  const CELL_NAMES = { lstm: "LSTM", gru: "GRU", relu: "ReLU" };
  const FRAME = 8; // milliseconds at a time for what is computed in the background
  const PLACES = 161; // places of a slider at which the first failure is shown
  const AROUND = 18; // brackets left and right of the cursor
  const NEAR = 48; // steps in sight near the cursor
  const EDGE = 5; // the cursor keeps this far from their ends

  /** A slider around 1, finer the nearer: track n is 1 ± reach · sinh(n / 100) / sinh(10). */
  const around1 = (reach) => ({
    fromTrack: (n) => Math.fround(1 + (reach * Math.sinh(n / 100)) / Math.sinh(10)),
    toTrack: (value) => 100 * Math.asinh(((value - 1) * Math.sinh(10)) / reach),
    takes: Number.isFinite,
  });
  const SLIDERS = {
    gain: {
      fromTrack: (n) => Math.fround(2 ** (n / 100)),
      toTrack: (value) => 100 * Math.log2(value),
      takes: (value) => value > 0 && value < Infinity,
    },
    u: around1(0.1),
    ratio: around1(0.25),
  };

  const START = { kind: "failing", length: 2000, seed: 1, peak: 50, n: 500, typed: "(()(()))", view: "word" };
  const AS_FOUND = { gain: null, u: null, ratio: null };
  const NUMBERS = { length: [2, lab.LONGEST], seed: [0, 2 ** 32 - 1], peak: [1, lab.LONGEST / 2], n: [1, lab.LONGEST / 2] };

  const GENERATED = { random: ["length", "seed"], zigzag: ["length", "peak"], tower: ["n"], failing: [] };

  const state = { ...START, ...AS_FOUND, network: lab.start ?? "paper-lstm-0", at: null };
  const byId = new Map(lab.networks.map((entry) => [entry.id, entry]));
  let page = null; // the elements, once they are there
  let seen = null; // the trace of the present word
  let drawing = null;
  let windowStart = 0; // first step in sight near the cursor
  let scan = 0; // number of the latest scan of the sliders

  // --- from the state to a network, a word and a step ------------------------------------------------------------

  const entry = () => byId.get(state.network);
  const movable = () => entry().cell !== "relu" || entry().kind === "counter";
  const slidersOf = (one) => (one.cell === "relu" ? ["u", "ratio"] : ["gain"]);

  /** Where the sliders stand for a network's weights as training found them. */
  function found(one = entry()) {
    if (one.cell !== "relu") return { gain: 1 };
    const { A, B, u } = lab.contributions(one);
    return { u: Math.fround(u), ratio: Math.fround(-B / A) };
  }

  /** A network with its sliders at these places; null is as found. */
  function networkAt(one, { gain = null, u = null, ratio = null }) {
    if (one.cell !== "relu") return gain === null ? one : lab.gained(one, gain);
    if (u === null && ratio === null) return one;
    return lab.moved(one, u ?? found(one).u, ratio ?? found(one).ratio);
  }

  const isMoved = () => slidersOf(entry()).some((name) => state[name] !== null);
  const isExact = () => {
    const exact = entry().exact;
    return exact !== null && slidersOf(entry()).every((name) => (state[name] ?? found()[name]) === exact[name]);
  };

  /** Takes a network that the reader brought into the list; without a proof, its failing word is one of the page's. */
  function add(one) {
    if (!one || byId.has(one.id)) return one;
    one.certificate = { proved: false, max_length: null, ...failingWord(one) };
    lab.networks.push(one);
    byId.set(one.id, one);
    return one;
  }

  /** The shortest of the page's words, cut where it can be, on which a network fails: {word, length}; word null if none. */
  function failingWord(one) {
    const shorter = [2, 4, 6, 8].flatMap((length) => Array.from({ length: 2 * length }, (_, n) => lab.random(length, n)));
    const longer = [20, 50, 100, 300, 1000, 2000].flatMap((length) => [1, 2].map((n) => lab.random(length, n)));
    const regular = [1, 2, 3, 5, 10, 20, 50, 200, 1000, 5000].flatMap((n) => [lab.tower(n), lab.zigzag(2000, n)]);
    const failing = lab.networks.filter((other) => other.certificate.word && other.origin !== "own").map((other) => lab.fromRuns(other.certificate.word));
    const words = [...shorter, ...longer, ...regular, ...failing];
    let [least, length] = [null, Infinity];
    for (const tokens of words) {
      const failed = lab.firstFailure(one, tokens);
      if (failed === tokens.length) continue;
      const depth = tokens.subarray(0, failed + 1).reduce((sum, token) => sum + 1 - 2 * token, 0);
      if (failed + 1 + depth >= length) continue;
      length = failed + 1 + depth; // the shortest word that begins so: it closes at once what is open
      least = Int8Array.from({ length }, (_, t) => (t <= failed ? tokens[t] : 1));
    }
    return { word: least && lab.toRuns(least), length, tried: words.length };
  }

  /** The word: {tokens}, or {error}. */
  function word() {
    const { kind, length, seed, peak, n } = state;
    if (kind === "failing") return { tokens: lab.fromRuns(entry().certificate.word) };
    if (kind === "random") return { tokens: lab.random(length, seed) };
    if (kind === "zigzag") return { tokens: lab.zigzag(length, peak) };
    if (kind === "tower") return { tokens: lab.tower(n) };
    return lab.parse(state.typed);
  }

  /** The step of the cursor: where the reader put it, else the first wrong one, else the last. */
  function step() {
    const last = seen.tokens.length - 1;
    return Math.min(state.at ?? seen.firstFailure, last);
  }

  // --- the address ------------------------------------------------------------------------------------------------

  /** The state as text: network=…&word=… and what differs from the start. */
  function toHash() {
    const { kind, length, seed, peak, n } = state;
    const words = {
      failing: () => "failing",
      random: () => `random.${length}.${seed}`,
      zigzag: () => `zigzag.${length}.${peak}`,
      tower: () => `tower.${n}`,
      typed: () => `runs.${lab.toRuns(seen.tokens)}`,
    };
    const parts = [`network=${state.network}`, `word=${words[kind]()}`];
    for (const name of Object.keys(AS_FOUND)) if (state[name] !== null) parts.push(`${name}=${shortest(state[name])}`);
    if (state.at !== null) parts.push(`step=${state.at}`);
    if (state.view !== START.view) parts.push(`view=${state.view}`);
    return `#${parts.join("&")}`;
  }

  /** Takes the state from text; returns what is wrong with it, or "". */
  function fromHash(hash) {
    const given = new URLSearchParams(hash.replace(/^#/, ""));
    if (!given.has("network") && !given.has("word")) return "";
    Object.assign(state, START, AS_FOUND, { at: null });
    const faults = [];
    const network = given.get("network") ?? state.network;
    const brought = byId.get(network) ?? add(lab.fromId(network)); // its id may be spelled in several ways
    if (brought) state.network = brought.id;
    else faults.push(`The link names a network that is not here, ${lab.printable(network)}.`);
    const [kind, ...rest] = (given.get("word") ?? "failing").split(".");
    const numbers = new Map(Object.entries(GENERATED)).get(kind);
    if (numbers) {
      state.kind = kind;
      numbers.forEach((name, n) => (state[name] = checked(name, Number(rest[n]), state[name])));
    } else if (kind === "runs" && lab.fromRuns(rest.join("."))) {
      state.kind = "typed";
      state.typed = lab.text(lab.fromRuns(rest.join(".")));
    } else faults.push("The link does not say a word of brackets.");
    for (const name of slidersOf(entry())) {
      if (!given.has(name) || !movable()) continue;
      const value = Math.fround(Number(given.get(name)));
      if (SLIDERS[name].takes(value)) state[name] = value;
      else faults.push(`The link sets ${name} to ${given.get(name)}, which is no value for it.`);
    }
    if (/^\d+$/.test(given.get("step") ?? "")) state.at = Number(given.get("step"));
    if (["word", "near", "depth"].includes(given.get("view"))) state.view = given.get("view");
    return faults.join(" ");
  }

  /** A number of the word's making within its limits; lengths are even. What is no number leaves `before`. */
  function checked(name, value, before) {
    if (!Number.isFinite(value)) return before;
    const [low, high] = NUMBERS[name];
    const whole = Math.min(Math.max(Math.round(value), low), high);
    return name === "length" ? whole - (whole % 2) : whole;
  }

  let writing = 0;
  /** Writes the address, not more often than browsers allow. */
  function writeHash() {
    clearTimeout(writing);
    page.link.href = toHash();
    writing = setTimeout(() => history.replaceState(null, "", toHash()), 250);
  }

  // --- what is said -------------------------------------------------------------------------------------------------

  /** The shortest decimal that means the same float32. */
  function shortest(value) {
    for (let digits = 1; digits <= 9; digits++) {
      const text = value.toPrecision(digits);
      if (Math.fround(Number(text)) === Math.fround(value)) return String(Number(text));
    }
    return String(value);
  }

  const signed = (text) => text.replace("-", "−");

  /** What is wrong with the answers after a step, as a sentence. */
  function fault(t) {
    const [opening, closing] = seen.logits.map((values) => values[t]);
    const depth = seen.depth[t];
    if (Number.isNaN(opening) || Number.isNaN(closing)) return "its output is not a number";
    if (opening < 0) return "it says that ( may not follow, but it always may";
    if (depth > 0) return `it says that ) may not follow, but ${depth === 1 ? "a bracket is" : `${lab.count(depth)} brackets are`} open`;
    return "it says that ) may follow, but every bracket is closed";
  }

  function sayResult() {
    const failed = seen.firstFailure;
    const steps = seen.tokens.length;
    const right = failed === steps;
    page.result.classList.toggle("is-right", right);
    const head = right
      ? `Right at all ${lab.count(steps)} steps.`
      : `First wrong at step ${lab.count(failed)} of ${lab.count(steps)}:`;
    page.result.replaceChildren(element("strong", head), right ? "" : ` ${fault(failed)}.`);
    page.button("to-failure").disabled = right;
  }

  /** What is proved of the network, and of the weights as they are moved now. */
  function certificateText() {
    const { proved, max_length, max_depth, word: failing, length, shortest: least, tried } = entry().certificate;
    if (tried) {
      const found = failing ? `Wrong on a word of ${lab.count(length)} symbols, the shortest found among ${tried} words.` : `Right on all ${tried} words of this page, which is no proof.`;
      return `${entry().taken} ${found} For a proof: python -m counting certify FILE`;
    }
    if (proved && max_length === null) return `Proved right on every word, of any length, to depth ${lab.count(max_depth)}.`;
    if (proved) return `Proved right on every word of up to ${lab.count(max_length)} symbols.`;
    if (!failing) return "Neither a proof nor a failing word was found.";
    if (!least) return `Wrong on a word of ${lab.count(length)} symbols.`;
    return length === 2 ? "Wrong on the shortest word of all, ()." : `Proved right on every word of fewer than ${lab.count(length)} symbols, and wrong on one of ${lab.count(length)}.`;
  }

  function weightsText() {
    const { cell, kind, origin, exact } = entry();
    if (!movable()) return kind === "dead" ? "This cell is dead: no bracket raises its state, so there is no step to move." : `This cell is ${kind}: ( does not raise and ) lower its state, so there is no step to move.`;
    if (isExact() && isMoved()) return "An exact counter: proved right on every word, of any length, to depth 16,777,216.";
    if (origin === "own" && exact === null) return "The slider moves its weights; nothing is proved of them here.";
    if (cell === "gru") return "No trained GRU counts, whatever the factor: its state stays between −1 and 1.";
    if (cell === "lstm") return origin === "exact" ? "A factor below 1 opens the saturated gates again." : `Times ${exact.gain} its gates saturate, and it counts exactly: proved.`;
    return "At u = 1 and −B/A = 1 it counts exactly: proved. The track is finest at 1. A moved slider measures the state in steps of A.";
  }

  function wordText(tokens) {
    const deepest = seen.depth.reduce((most, depth) => Math.max(most, depth), 0);
    const open = seen.depth[tokens.length - 1];
    return `${lab.count(tokens.length)} symbols, to depth ${lab.count(deepest)}${open ? `; ends with ${lab.count(open)} open` : ""}.`;
  }

  function sayStep() {
    const t = step();
    const number = (values) => signed(shortest(values[t]));
    const states = entry().cell === "lstm" ? [["c", number(seen.c)], ["h", number(seen.h)]] : [["h", number(seen.h)]];
    const says = (values) => (values[t] >= 0 ? "yes" : "no");
    const items = [
      ["symbol", "()"[seen.tokens[t]]],
      ["depth", lab.count(seen.depth[t])],
      ...states,
      ...Object.entries(seen.gates).map(([name, values]) => [name, number(values)]),
      ["logit of (", number(seen.logits[0])],
      ["logit of )", number(seen.logits[1])],
      ["( next?", `${says(seen.logits[0])}, should be yes`],
      [") next?", `${says(seen.logits[1])}, should be ${seen.depth[t] > 0 ? "yes" : "no"}`],
    ];
    page.readout.replaceChildren(...items.map(([name, value]) => element("div", element("dt", name), element("dd", value))));
    page.readout.classList.toggle("is-wrong", !seen.right[t]);
    const bracket = (at) => "()"[seen.tokens[at]] ?? " ";
    const span = (from, to) => Array.from({ length: to - from }, (_, n) => bracket(from + n)).join("");
    const [before, after] = [span(t - AROUND, t), span(t + 1, t + 1 + AROUND)];
    page.context.replaceChildren(element("span", before), element("mark", bracket(t)), element("span", after));
    const last = seen.tokens.length - 1;
    for (const input of [page.input("step"), page.input("step-number")]) {
      input.max = last;
      input.value = t;
    }
    page.input("step").setAttribute("aria-valuetext", `${t} of ${last}, depth ${seen.depth[t]}, ${seen.right[t] ? "right" : "wrong"}`);
  }

  /** An element with text or other elements in it. */
  function element(name, ...children) {
    const made = document.createElement(name);
    made.append(...children);
    return made;
  }

  // --- what is shown ------------------------------------------------------------------------------------------------

  /** Everything anew, after the network, the word or a slider changed. `complaint`: what was wrong with the link. */
  function update(complaint = "") {
    if (state.kind === "failing" && !entry().certificate.word) state.kind = "random";
    const { tokens, error } = word();
    page.text("error").textContent = error ?? complaint;
    page.input("typed").setAttribute("aria-invalid", Boolean(error));
    showControls();
    if (error) {
      page.result.replaceChildren(element("strong", "This word cannot be read."), " What is drawn is the one before.");
      if (!seen) return;
    } else {
      seen = lab.trace(networkAt(entry(), state), tokens);
      page.text("word").textContent = wordText(tokens);
      sayResult();
      writeHash();
    }
    draw();
    scanSliders();
  }

  /** The plots and the readouts, for the trace as it is. */
  function draw() {
    const cursor = step();
    const width = Math.floor(page.svg.clientWidth);
    if (!width) return;
    if (cursor < windowStart + EDGE || cursor >= windowStart + NEAR - EDGE) {
      const far = cursor < windowStart || cursor >= windowStart + NEAR;
      if (far) windowStart = cursor - NEAR / 2;
      else windowStart = cursor < windowStart + EDGE ? cursor - EDGE : cursor - NEAR + EDGE + 1;
    }
    windowStart = Math.max(0, Math.min(windowStart, seen.tokens.length - NEAR));
    const near = state.view === "near" ? { from: windowStart, to: Math.min(windowStart + NEAR, seen.tokens.length) } : {};
    drawing = lab.plot(page.svg, { cell: entry().cell, trace: seen, byDepth: state.view === "depth", cursor, width, ...near });
    page.svg.setAttribute("aria-label", `${networkName()} along a word of ${lab.count(seen.tokens.length)} symbols: depth, state, gates and outputs. ${page.result.textContent}`);
    sayStep();
  }

  /** The cursor at another step. */
  function moveTo(t) {
    if (!Number.isFinite(t)) return;
    state.at = Math.max(0, Math.min(Math.round(t), seen.tokens.length - 1));
    if (state.view === "near") draw();
    else {
      drawing.moveCursor(state.at);
      sayStep();
    }
    writeHash();
  }

  function networkName(one = entry()) {
    return `${CELL_NAMES[one.cell]}, ${one.origin === "own" ? one.file : one.origin === "exact" ? "by hand" : `seed ${one.seed}`}`;
  }

  /** A run in the list: its seed and how far it is known to count. */
  function optionText(one) {
    if (one.origin === "own") return one.file;
    if (one.origin === "exact") return "exact counter";
    const { proved, max_length, length } = one.certificate;
    const fate = proved ? (max_length === null ? "proved right" : `right to ${lab.count(max_length)}`) : `fails at ${lab.count(length)}`;
    return `seed ${one.seed} · ${one.kind === "counter" || !one.kind ? fate : one.kind}`;
  }

  /** The controls as the state says. */
  function showControls() {
    const { cell, origin } = entry();
    const family = lab.networks.filter((one) => one.cell === cell && one.origin === origin);
    page.check("cell", cell);
    page.check("origin", origin);
    page.check("kind", state.kind);
    page.check("view", state.view);
    for (const one of Object.keys(CELL_NAMES)) page.radio("cell", one).disabled = !lab.networks.some((other) => other.cell === one);
    for (const from of ["paper", "counting", "exact", "own"]) page.radio("origin", from).disabled = !lab.networks.some((one) => one.cell === cell && one.origin === from);
    page.radio("origin", "own").parentElement.hidden = !lab.networks.some((one) => one.origin === "own");
    page.radio("kind", "failing").disabled = !entry().certificate.word;
    page.input("run").replaceChildren(...family.map((one) => new Option(optionText(one), one.id, false, one.id === state.network)));
    for (const name of Object.keys(NUMBERS)) page.input(name).value = state[name];
    if (page.input("typed") !== document.activeElement) page.input("typed").value = state.typed;
    for (const part of page.all("[data-kind]")) part.hidden = !part.dataset.kind.split(" ").includes(state.kind);
    for (const part of page.all("[data-slider]")) part.hidden = !slidersOf(entry()).includes(part.dataset.slider);
    for (const name of slidersOf(entry())) showSlider(name);
    page.button("found").textContent = origin === "own" ? "As in the file" : origin === "exact" ? "As built" : "What training found";
    page.button("found").setAttribute("aria-pressed", !isMoved());
    page.button("exact").setAttribute("aria-pressed", isExact());
    page.button("exact").disabled = entry().exact === null;
    page.text("certificate").textContent = certificateText() + (isMoved() ? " That is for the weights as found." : "");
    page.text("weights").textContent = weightsText();
    page.root.dataset.cell = page.stage.dataset.cell = cell;
  }

  function showSlider(name) {
    const value = state[name] ?? found()[name];
    const range = page.input(name);
    const number = page.input(`${name}-number`);
    range.disabled = number.disabled = !movable();
    if (!movable()) return;
    range.value = Math.round(SLIDERS[name].toTrack(value));
    range.setAttribute("aria-valuetext", shortest(value));
    if (number !== document.activeElement) number.value = shortest(value);
  }

  /** The first failure at each place of each slider, a little at a time, drawn above its track. */
  function scanSliders() {
    const number = ++scan;
    const { tokens } = seen;
    const jobs = slidersOf(entry()).map((name) => ({ name, failures: [], svg: page.slider(name).querySelector("svg") }));
    if (!movable()) return jobs.forEach((job) => job.svg.replaceChildren());
    const work = () => {
      const until = performance.now() + FRAME;
      for (const job of jobs) {
        const { min, max } = page.input(job.name);
        const place = (value) => (value - min) / (max - min);
        while (job.failures.length < PLACES) {
          if (number !== scan) return;
          if (performance.now() > until) return setTimeout(work);
          const track = Number(min) + ((max - min) * job.failures.length) / (PLACES - 1);
          const network = networkAt(entry(), { ...state, [job.name]: SLIDERS[job.name].fromTrack(track) });
          job.failures.push(lab.firstFailure(network, tokens));
        }
        if (!job.done) lab.sparkline(job.svg, job.failures, tokens.length, place(SLIDERS[job.name].toTrack(found()[job.name])));
        job.done = true;
      }
    };
    work();
  }

  // --- what the reader does -----------------------------------------------------------------------------------------

  /** Takes over some entries of the state; the cursor follows the first failure again if the word or network is new. */
  function change(entries, keepStep = false) {
    Object.assign(state, entries, keepStep ? {} : { at: null });
    update();
  }

  /** A network of this cell and origin: as many as possible of the present choices stay. */
  function choose(cell, origin) {
    const family = (from) => lab.networks.filter((one) => one.cell === cell && one.origin === from && one.kind !== "dead");
    const one = [...family(origin), ...family("paper"), ...family("own")][0];
    change({ network: one.id, ...AS_FOUND });
  }

  function setSlider(name, value) {
    if (SLIDERS[name].takes(value)) change({ [name]: Math.fround(value) }, true);
    else showSlider(name);
  }

  const ACTIONS = {
    found: () => change({ ...AS_FOUND }, true),
    exact: () => change({ ...AS_FOUND, ...entry().exact }, true),
    "next-seed": () => change({ seed: (state.seed + 1) % 2 ** 32 }),
    back: () => moveTo(step() - 1),
    on: () => moveTo(step() + 1),
    download,
    "to-failure": () => {
      state.at = null;
      draw();
      writeHash();
    },
  };

  /** A file that the reader drops or chooses: the lab opens on it, or says why it cannot. */
  async function open(file) {
    page.text("file-error").textContent = "";
    try {
      const one = add(lab.fromSafetensors(await file.slice(0, 2 ** 20 + 1).arrayBuffer(), file.name));
      change({ ...START, ...AS_FOUND, network: one.id });
      inSight();
    } catch (error) {
      const reason = error instanceof lab.BadFile ? error.message : "cannot be read.";
      page.text("file-error").textContent = `${lab.printable(file.name)} ${reason}`;
    }
  }

  /** What is found, as a JSON file: network, word, first wrong step, states and outputs. */
  function download() {
    const { parameters, file, cell } = networkAt(entry(), state);
    const { h, c, gates, logits, firstFailure, tokens } = seen;
    const plain = (values) => Array.from(values, (value) => Number(shortest(value)));
    const found = {
      network: { cell, file, parameters },
      word: lab.text(tokens),
      first_failure: firstFailure < tokens.length ? firstFailure : null,
      states: { h: plain(h), c: plain(c) },
      gates: Object.fromEntries(Object.entries(gates).map(([name, values]) => [name, plain(values)])),
      logits: logits.map(plain),
      link: new URL(toHash(), location.href).href,
    };
    const url = URL.createObjectURL(new Blob([JSON.stringify(found, null, 1)], { type: "application/json" }));
    Object.assign(element("a"), { href: url, download: `${cell}-finding.json` }).click();
    setTimeout(() => URL.revokeObjectURL(url));
  }

  /** Scrolls verdict and plot onto the screen, wherever the link stood that led to them. */
  function inSight() {
    page.stage.scrollIntoView({ block: "start" });
  }

  function onInput({ target }) {
    const { name, value } = target;
    if (name in SLIDERS) setSlider(name, SLIDERS[name].fromTrack(Number(value)));
    else if (name === "step") moveTo(Number(value));
    else if (name === "typed") change({ typed: value });
  }

  function onChange({ target }) {
    const { name, value } = target;
    if (name === "file") target.files[0] && open(target.files[0]).then(() => (target.value = ""));
    else if (name === "cell") choose(value, entry().origin);
    else if (name === "origin") choose(entry().cell, value);
    else if (name === "run") change({ network: value, ...AS_FOUND });
    else if (name === "kind") change(value === "typed" && seen ? { kind: value, typed: lab.text(seen.tokens) } : { kind: value });
    else if (name === "view") change({ view: value }, true);
    else if (name in NUMBERS) change({ [name]: value === "" ? state[name] : checked(name, Number(value), state[name]) });
    else if (name === "step-number" && value !== "") moveTo(Number(value));
    else if (name.endsWith("-number")) setSlider(name.replace("-number", ""), value === "" ? NaN : Number(value));
  }

  function onPointer(event) {
    if (event.type === "pointerdown") page.svg.setPointerCapture(event.pointerId);
    if (!page.svg.hasPointerCapture(event.pointerId)) return;
    const box = page.svg.getBoundingClientRect();
    moveTo(drawing.stepAt(event.clientX - box.left, event.clientY - box.top));
  }

  /** Puts the controls on the page, the plots in the place of the figure's picture, and starts. */
  function start() {
    const figure = document.querySelector(".counter-lab-figure");
    const from = (id) => document.getElementById(id).content.firstElementChild.cloneNode(true);
    const root = from("counter-lab-controls");
    const stage = from("counter-lab-stage");
    const frame = element("div");
    frame.className = "lab-frame";
    figure.replaceWith(frame);
    frame.append(root, figure);
    for (const part of figure.querySelectorAll(":scope > :not(figcaption)")) part.hidden = true;
    figure.prepend(stage);
    figure.classList.add("is-live");
    const find = (selector) => root.querySelector(selector) ?? stage.querySelector(selector);
    page = {
      root,
      stage,
      svg: stage.querySelector(".lab-plot"),
      result: stage.querySelector(".lab-result"),
      readout: stage.querySelector(".lab-readout"),
      context: stage.querySelector(".lab-context"),
      input: (name) => find(`[name="${name}"]`),
      radio: (name, value) => find(`[name="${name}"][value="${value}"]`),
      check: (name, value) => (find(`[name="${name}"][value="${value}"]`).checked = true),
      link: stage.querySelector("[data-link]"),
      button: (name) => find(`[data-do="${name}"]`),
      text: (name) => find(`[data-text="${name}"]`),
      slider: (name) => find(`[data-slider="${name}"]`),
      all: (selector) => root.querySelectorAll(selector),
    };
    for (const part of [root, stage]) {
      part.addEventListener("input", onInput);
      part.addEventListener("change", onChange);
      part.addEventListener("click", ({ target }) => ACTIONS[target.closest("button")?.dataset.do]?.());
    }
    page.svg.addEventListener("pointerdown", onPointer);
    page.svg.addEventListener("pointermove", onPointer);
    for (const link of document.querySelectorAll("a[data-lab]")) {
      link.href = `#${link.dataset.lab}`;
      link.addEventListener("click", inSight); // also where the address stays as it is
    }
    // From the event, not from the address: the state before may have been written there since.
    window.addEventListener("hashchange", ({ newURL }) => {
      update(fromHash(new URL(newURL).hash));
      inSight();
    });
    // The whole lab takes a file that is dropped; beside it a browser would leave the page for the file.
    for (const part of [document, frame]) {
      part.addEventListener("dragover", (event) => event.preventDefault());
      part.addEventListener("drop", (event) => event.preventDefault());
    }
    frame.addEventListener("drop", ({ dataTransfer }) => dataTransfer.files[0] && open(dataTransfer.files[0]));
    new ResizeObserver(() => seen && draw()).observe(page.svg);
    const linked = location.hash.length > 1;
    update(fromHash(linked || !lab.start ? location.hash : `#network=${lab.start}&word=${lab.word}`));
    if (linked) inSight();
  }

  Object.assign(lab, { networkAt, shortest });
  start();
})();
