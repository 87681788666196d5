// Two counters: an LSTM of two units reads a word in two kinds of brackets, and its two cells are a point in the plane.
// The arithmetic is that of cells.js, summed unit by unit as in counting/engine/layout.py.
"use strict";

(() => {
  const lab = (globalThis.counterLab ??= {});
  const f = Math.fround;
  const BRACKETS = "()[]";

  /** Sum of weights times h in float32, unit by unit, and a bias. */
  function affine(weights, h, bias) {
    const sum = weights.reduce((total, weight, unit) => {
      const product = f(f(weight) * h[unit]);
      return unit ? f(total + product) : product;
    }, 0);
    return f(sum + f(bias));
  }

  /** Cells and logits along a word: {c: steps × 2, logits: steps × 4, counts: steps × 2, firstFailure}. */
  function tracePair({ parameters: p }, tokens) {
    const seen = { c: [], logits: [], counts: [], firstFailure: tokens.length };
    let [h, c] = [[0, 0], [0, 0]];
    const counts = [0, 0];
    tokens.forEach((symbol, t) => {
      const gate = (row) =>
        f(f(f(p.weight_ih_l0[row][symbol]) + f(p.bias_ih_l0[row])) + affine(p.weight_hh_l0[row], h, p.bias_hh_l0[row]));
      c = c.map((cell, unit) => {
        const [i, forget, g] = [lab.sigmoid(gate(unit)), lab.sigmoid(gate(2 + unit)), lab.tanh(gate(4 + unit))];
        return f(f(forget * cell) + f(i * g));
      });
      h = c.map((cell, unit) => f(lab.sigmoid(gate(6 + unit)) * lab.tanh(cell)));
      counts[symbol >> 1] += 1 - 2 * (symbol & 1);
      const logits = p["output.weight"].map((weights, output) => affine(weights, h, p["output.bias"][output]));
      const right = logits.every((z, output) => (output % 2 === 0 || counts[output >> 1] > 0 ? z >= 0 : z < 0));
      if (!right && seen.firstFailure === tokens.length) seen.firstFailure = t;
      seen.c.push(c);
      seen.logits.push(logits);
      seen.counts.push([...counts]);
    });
    return seen;
  }

  /** A random word: two random words of half its length, shuffled; of the first never less is read than of the second. */
  function randomPair(length, seed) {
    const words = [0, 1].map((kind) => Array.from(lab.random(length / 2, 2 * seed + kind), (s) => 2 * kind + s));
    const order = Array.from(lab.random(length, seed)); // as many 0 as 1
    return order.map((kind) => words[kind].shift());
  }

  Object.assign(lab, { tracePair, randomPair });
  const place = globalThis.document?.querySelector(".lab-two");
  if (!place || !lab.pairs) return;

  const { svg } = lab;
  const find = (selector) => place.querySelector(selector);
  const [choice, typed, slider, plane] = ["select", "textarea", "input", "svg"].map(find);
  let seen = null;
  let seed = 0;

  /** Read the word with the network that is chosen, draw its way, and put the step where it is first wrong. */
  function read() {
    const { tokens, error } = lab.parse(typed.value, BRACKETS);
    find(".lab-error").textContent = error ?? "";
    if (!tokens) return;
    seen = tracePair(lab.pairs[choice.value], tokens);
    slider.max = tokens.length - 1;
    slider.value = Math.min(seen.firstFailure, tokens.length - 1);
    show();
  }

  /** Draw the way up to the step. */
  function show() {
    const step = Number(slider.value);
    const [width, height, edge] = [420, 320, 34];
    const axes = [0, 1].map((unit) => {
      const values = seen.c.map((cells) => cells[unit]);
      const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
      return { low, span: high - low || 1 };
    });
    const x = (cells) => edge + ((cells[0] - axes[0].low) / axes[0].span) * (width - 2 * edge);
    const y = (cells) => height - edge - ((cells[1] - axes[1].low) / axes[1].span) * (height - 2 * edge);
    const way = [[0, 0], ...seen.c.slice(0, step + 1)];
    const at = seen.c[step];
    const wrong = step === seen.firstFailure;
    const path = way.map((cells, n) => `${n ? "L" : "M"}${x(cells).toFixed(1)},${y(cells).toFixed(1)}`).join("");
    const dots = seen.c.map((cells) => `M${x(cells).toFixed(1)},${y(cells).toFixed(1)}h0`).join("");
    const label = (text, attributes) => svg("text", { class: "lab-tick", ...attributes }, text);
    plane.setAttribute("viewBox", `0 0 ${width} ${height}`);
    plane.setAttribute("aria-label", `The two cells along the word: a point for each step, the way to step ${step}.`);
    plane.replaceChildren(
      svg("path", { class: "lab-zero", d: `M${x([0])},${edge / 2}V${height - edge / 2}M${edge / 2},${y([0, 0])}H${width - edge / 2}` }),
      svg("path", { class: "lab-dots lab-depth", d: [...new Set(dots.split(/(?=M)/))].join("") }),
      svg("path", { class: "lab-line lab-state", d: path }),
      svg("circle", { class: `lab-dot ${wrong ? "lab-closing" : "lab-state"}`, cx: x(at), cy: y(at), r: wrong ? 7 : 5 }),
      label("first cell →", { x: width - edge / 2, y: height - 4, "text-anchor": "end" }),
      label("second cell ↑", { x: edge / 2, y: 11, "text-anchor": "start" }),
    );
    const steps = seen.c.length;
    find(".lab-verdict").textContent =
      seen.firstFailure === steps
        ? `Right at all ${lab.count(steps)} steps.`
        : `First wrong at step ${lab.count(seen.firstFailure)} of ${lab.count(steps)}.`;
    find(".lab-verdict").classList.toggle("is-right", seen.firstFailure === steps);
    const number = (value) => value.toFixed(3).replace("-", "−");
    const allowed = (yes) => Array.from(BRACKETS).filter((_, output) => yes(output)).join(" ") || "nothing";
    const says = allowed((output) => seen.logits[step][output] >= 0);
    const due = allowed((output) => output % 2 === 0 || seen.counts[step][output >> 1] > 0);
    find("[data-text=state]").textContent =
      `Step ${lab.count(step)}: ${seen.counts[step].join(" and ")} open; cells ${at.map(number).join(" and ")}; ` +
      `it allows ${says} next${says === due ? "" : `, where ${due} may come`}.`;
  }

  lab.pairs.forEach(({ name }, n) => choice.append(new Option(name, n)));
  for (const hidden of place.querySelectorAll("[hidden]")) hidden.hidden = false;
  choice.addEventListener("change", read);
  typed.addEventListener("input", read);
  slider.addEventListener("input", show);
  find("button").addEventListener("click", () => {
    typed.value = Array.from(randomPair(1000, seed++), (symbol) => BRACKETS[symbol]).join("");
    read();
  });
  find("button").click();
})();
