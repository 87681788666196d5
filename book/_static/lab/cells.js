// The three cells in float32, operation by operation as in counting/engine/*.py: the same order, and Math.fround
// after every single one. (A double holds the exact product of two float32, and enough of their sum and quotient, that
// rounding it once more gives what float32 arithmetic gives.) So states, outputs and the first failure are Python's,
// to the bit. Nothing here knows of the page.
"use strict";

(() => {
  const lab = (globalThis.counterLab ??= {});
  const f = Math.fround;

  // --- activations.py -------------------------------------------------------------------------------------------

  const LIMIT = 88;
  const MAGIC = 12582912; // 1.5 · 2^23: adding it rounds to an integer, which then stands in the low bits of the sum
  const MAGIC_BITS = ((127 + 23) << 23) | (1 << 22);
  const [LOG2_E, LN2_HIGH, LN2_LOW] = [1.4426950408889634, 0.693359375, -2.1219444e-4].map(f);
  const P = [
    0.00019891030654370327, 0.0013933685862617174, 0.008333310889582076, 0.04166646460202654, 0.16666666681659179,
    0.5000000013498178,
  ].map(f);

  const bits = new Int32Array(1);
  const number = new Float32Array(bits.buffer);

  /** 2^k for `shifted` = 1.5 · 2^23 + k: integer arithmetic moves k into the exponent. */
  function powerOfTwo(shifted) {
    number[0] = shifted;
    bits[0] = (bits[0] - (MAGIC_BITS - 127)) << 23;
    return number[0];
  }

  let scale = 0;
  let p = 0;

  /** Sets scale = 2^k and p = expm1(r), where −x = k ln 2 + r, for x ≥ −88. */
  function setParts(x) {
    const y = -(x > LIMIT ? LIMIT : x);
    const shifted = f(f(y * LOG2_E) + MAGIC);
    const k = f(shifted - MAGIC);
    const r = f(f(y - f(k * LN2_HIGH)) - f(k * LN2_LOW));
    let q = P[0];
    for (let n = 1; n < 6; n++) q = f(f(q * r) + P[n]);
    scale = powerOfTwo(shifted);
    p = f(r + f(f(r * r) * q));
  }

  /** 1 / (1 + exp(−x)) in float32. */
  function sigmoid(x) {
    if (x < -LIMIT) return 0;
    setParts(x);
    return f(1 / f(1 + f(scale + f(scale * p))));
  }

  /** tanh(x) in float32, by expm1(−2 |x|). */
  function tanh(x) {
    setParts(f(2 * Math.abs(x)));
    const minusExpm1 = f(f(1 - scale) - f(scale * p));
    const magnitude = f(minusExpm1 / f(2 - minusExpm1));
    return x < 0 ? f(0 - magnitude) : magnitude;
  }

  // --- layout.py, lstm.py, gru.py, relu.py, readout.py ----------------------------------------------------------

  /** What all cells share: parameters under PyTorch's names, the state h, and what a gate sees. */
  class Cell {
    constructor(parameters) {
      const ih = parameters.weight_ih_l0;
      const bias = parameters.bias_ih_l0.map(f);
      // weight_ih + bias_ih for each gate and symbol: the input is one-hot, so this is all it can contribute.
      this.drive = Float32Array.from(ih.flatMap((row, gate) => row.map((weight) => f(f(weight) + bias[gate]))));
      this.recurrent = Float32Array.from(parameters.weight_hh_l0.flat());
      this.bias = Float32Array.from(parameters.bias_hh_l0);
      this.outputWeight = Float32Array.from(parameters["output.weight"].flat());
      this.outputBias = Float32Array.from(parameters["output.bias"]);
      this.gates = new Float32Array(ih.length);
      this.h = 0;
      this.c = 0;
    }

    /** weight_hh h + bias_hh of one gate. */
    fromState(gate) {
      return f(f(this.recurrent[gate] * this.h) + this.bias[gate]);
    }

    /** (weight_ih x + bias_ih) + (weight_hh h + bias_hh) of one gate. */
    preactivation(gate, symbol) {
      return f(this.drive[2 * gate + symbol] + this.fromState(gate));
    }

    /** w_k h + b_k: output k says yes iff this is ≥ 0. */
    logit(output) {
      return f(f(this.outputWeight[output] * this.h) + this.outputBias[output]);
    }
  }

  class Lstm extends Cell {
    step(symbol) {
      const i = sigmoid(this.preactivation(0, symbol));
      const forget = sigmoid(this.preactivation(1, symbol));
      const g = tanh(this.preactivation(2, symbol));
      const o = sigmoid(this.preactivation(3, symbol));
      this.c = f(f(forget * this.c) + f(i * g));
      this.h = f(o * tanh(this.c));
      this.gates[0] = i;
      this.gates[1] = forget;
      this.gates[2] = g;
      this.gates[3] = o;
    }
  }

  class Gru extends Cell {
    step(symbol) {
      const r = sigmoid(this.preactivation(0, symbol));
      const z = sigmoid(this.preactivation(1, symbol));
      const n = tanh(f(this.drive[4 + symbol] + f(r * this.fromState(2))));
      this.h = f(f(f(this.h - n) * z) + n);
      this.gates[0] = r;
      this.gates[1] = z;
      this.gates[2] = n;
    }
  }

  class Relu extends Cell {
    step(symbol) {
      const z = this.preactivation(0, symbol);
      this.h = z < 0 ? 0 : z; // NaN passes, as in torch.relu
    }
  }

  const CELLS = { lstm: Lstm, gru: Gru, relu: Relu };
  const GATE_NAMES = { lstm: ["i", "f", "g", "o"], gru: ["r", "z", "n"], relu: [] };

  // --- evaluation.py --------------------------------------------------------------------------------------------

  /** The symbols of a word: 0 for `(`, 1 for `)`. A string of brackets, or tokens already. */
  function tokensOf(word) {
    return typeof word === "string" ? Int8Array.from(word, (bracket) => (bracket === ")" ? 1 : 0)) : word;
  }

  /** Both answers right: `(` may always follow, `)` exactly where the depth is positive. NaN is wrong at any depth. */
  function isRight(opening, closing, depth) {
    return opening >= 0 && (depth > 0 ? closing >= 0 : closing < 0);
  }

  /** The 0-based first wrong step of a network {cell, parameters} on a word; the word's length if there is none. */
  function firstFailure(network, word) {
    const tokens = tokensOf(word);
    const cell = new CELLS[network.cell](network.parameters);
    let depth = 0;
    for (let t = 0; t < tokens.length; t++) {
      cell.step(tokens[t]);
      depth += 1 - 2 * tokens[t];
      if (!isRight(cell.logit(0), cell.logit(1), depth)) return t;
    }
    return tokens.length;
  }

  /** All that a network does along a word: {depth, h, c, gates: {name: values}, logits: [two], right, firstFailure}. */
  function trace(network, word) {
    const tokens = tokensOf(word);
    const steps = tokens.length;
    const cell = new CELLS[network.cell](network.parameters);
    const names = GATE_NAMES[network.cell];
    const gates = names.map(() => new Float32Array(steps));
    const [h, c, opening, closing] = [0, 0, 0, 0].map(() => new Float32Array(steps));
    const seen = { tokens, depth: new Int32Array(steps), right: new Uint8Array(steps), firstFailure: steps };
    for (let t = 0, depth = 0; t < steps; t++) {
      cell.step(tokens[t]);
      depth += 1 - 2 * tokens[t];
      seen.depth[t] = depth;
      h[t] = cell.h;
      c[t] = cell.c;
      gates.forEach((values, gate) => (values[t] = cell.gates[gate]));
      opening[t] = cell.logit(0);
      closing[t] = cell.logit(1);
      seen.right[t] = isRight(opening[t], closing[t], depth) ? 1 : 0;
      if (!seen.right[t] && seen.firstFailure === steps) seen.firstFailure = t;
    }
    const named = Object.fromEntries(names.map((name, gate) => [name, gates[gate]]));
    return { ...seen, h, c, gates: named, logits: [opening, closing] };
  }

  // --- training.folded, rounding.rounded ------------------------------------------------------------------------

  /** The network with every weight and bias of the recurrent layer times `gain`; the read-out stays. */
  function gained(network, gain) {
    const factor = f(gain);
    const times = (value) => (Array.isArray(value) ? value.map(times) : f(f(value) * factor));
    const scaled = Object.entries(network.parameters).map(([name, value]) => [
      name,
      name.startsWith("output.") ? value : times(value),
    ]);
    return { ...network, parameters: Object.fromEntries(scaled) };
  }

  /** What `(` and `)` add to a ReLU's state, biases included, and its recurrent weight: {A, B, u}. */
  function contributions({ parameters }) {
    const [[opening, closing]] = parameters.weight_ih_l0;
    const bias = f(parameters.bias_ih_l0[0]) + f(parameters.bias_hh_l0[0]);
    return { A: f(opening) + bias, B: f(closing) + bias, u: f(parameters.weight_hh_l0[0][0]) };
  }

  /** A ReLU counter measured in steps of A, with another recurrent weight and another step ratio −B/A. */
  function moved(network, u, ratio) {
    const { A } = contributions(network);
    const old = network.parameters;
    const parameters = {
      weight_ih_l0: [[1, -f(ratio)]],
      weight_hh_l0: [[f(u)]],
      bias_ih_l0: [0],
      bias_hh_l0: [0],
      "output.weight": old["output.weight"].map((row) => row.map((weight) => f(f(weight) * A))),
      "output.bias": old["output.bias"],
    };
    return { ...network, parameters };
  }

  Object.assign(lab, { sigmoid, tanh, firstFailure, trace, gained, moved, contributions, GATE_NAMES });
})();
