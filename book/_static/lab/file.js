// A reader's own network: a safetensors file read in the browser (nothing leaves it), or weights in an address. As
// counting/modelfile.py does, it takes one recurrent layer of one unit and one read-out, says what it took, and refuses
// in words whatever else a file holds: nothing is passed over.
"use strict";

(() => {
  const lab = (globalThis.counterLab ??= {});
  const LARGEST = 2 ** 20; // bytes: such a network has a few hundred
  const LONGEST_NAME = 200; // characters: the patterns below take as long as the square of it
  const GATES = { lstm: 4, gru: 3, relu: 1 };
  const RECURRENT = /^(.*?)((?:weight|bias)_(?:ih|hh))(_l\d+)?(_reverse)?$/s;
  const BEFORE = /^(.*\.)?(\w*emb\w*|wte|pre|pre_\w*|in|inp|input\w*|in_proj\w*|proj_in|encoder)\.weight$/is; // no read-out
  const HALF = "save module.float().state_dict(), which keeps each number but computes in float32";

  /** What is wrong with a file or an address, to be shown. */
  class BadFile extends Error {}

  /** Text from a file as it may be shown: on one line, without control characters, cut. */
  const printable = (text, most = 60) => {
    const line = String(text).slice(0, most + 1).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "�");
    return line.length > most ? `${line.slice(0, most)}…` : line;
  };

  /** Shape of each parameter of one network, in the order of an address. */
  const shapes = (cell) => ({
    weight_ih_l0: [GATES[cell], 2],
    weight_hh_l0: [GATES[cell], 1],
    bias_ih_l0: [GATES[cell]],
    bias_hh_l0: [GATES[cell]],
    "output.weight": [2, 1],
    "output.bias": [2],
  });

  const shapeText = (shape) => `(${shape.join(", ")})`;
  const isNumber = (n) => Number.isSafeInteger(n) && n >= 0;

  /** Name -> {shape, dtype, bytes} of a safetensors file. */
  function tensorsOf(buffer) {
    const bytes = new Uint8Array(buffer);
    if (bytes[0] === 0x50 && bytes[1] === 0x4b) throw new BadFile("is a zip archive, perhaps of torch.save: this page reads safetensors. Save it with safetensors.torch.save_file(module.state_dict(), “model.safetensors”), or give it to python -m counting certify.");
    if (bytes.length > LARGEST) throw new BadFile(`has ${lab.count(bytes.length)} bytes, too many for a network of one unit.`);
    if (bytes.length < 10 || bytes[8] !== 0x7b) throw new BadFile("is not safetensors.");
    const size = Number(new DataView(buffer).getBigUint64(0, true));
    if (size > bytes.length - 8) throw new BadFile("is not whole: its header is longer than the file.");
    let header;
    try {
      header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + size)));
    } catch {
      throw new BadFile("has a header that cannot be read.");
    }
    const data = bytes.subarray(8 + size);
    const tensors = new Map();
    tensors.said = header.__metadata__ ?? {};
    const spans = [];
    for (const [name, one] of Object.entries(header)) {
      if (name === "__metadata__") continue;
      if (name.length > LONGEST_NAME) throw new BadFile(`has a tensor with a name of ${lab.count(name.length)} characters, ${printable(name, 20)}.`);
      const { shape, dtype, data_offsets: span } = one ?? {};
      if (!Array.isArray(shape) || shape.length > 8 || !shape.every(isNumber) || typeof dtype !== "string" || !Array.isArray(span) || span.length !== 2 || !span.every(isNumber)) {
        throw new BadFile(`does not say shape, type and place of ${printable(name)}.`);
      }
      tensors.set(name, { shape, dtype, bytes: data.slice(...span) });
      spans.push(span);
    }
    // Every byte belongs to one tensor, so a name that stands there twice is noticed too.
    let reached = 0;
    for (const [from, to] of spans.sort(([a, b], [c, d]) => a - c || b - d)) {
      if (from !== reached || to < from) throw new BadFile("has tensors that overlap or leave a gap.");
      reached = to;
    }
    if (reached !== data.length) throw new BadFile("is not whole: its tensors do not end with the file.");
    return tensors;
  }

  const sameShape = (shape, wanted) => shape.length === wanted.length && shape.every((n, at) => n === wanted[at]);

  /** The numbers of a tensor in the nested lists that its shape says. */
  function numbersOf({ shape, bytes }, name) {
    if (bytes.length !== 4 * shape.reduce((product, n) => product * n, 1)) throw new BadFile(`has ${printable(name)} with more or fewer bytes than its shape says.`);
    const view = new DataView(bytes.buffer);
    const flat = Array.from({ length: bytes.length / 4 }, (_, n) => view.getFloat32(4 * n, true));
    return nested(flat, shape);
  }

  function nested(flat, shape) {
    if (!flat.every(Number.isFinite)) throw new BadFile("has parameters that are infinite or no numbers: this network diverged, or is damaged.");
    return shape.length < 2 ? flat : Array.from({ length: shape[0] }, (_, row) => flat.slice(row * shape[1], (row + 1) * shape[1]));
  }

  /** The names of the recurrent layer's parameters: its part -> name. */
  function layerOf(tensors) {
    const owners = new Map();
    for (const name of tensors.keys()) {
      const match = RECURRENT.exec(name);
      if (!match) continue;
      const [, owner, part, layer, reverse] = match;
      if (reverse || (layer && layer !== "_l0")) throw new BadFile(`needs one recurrent layer, in one direction; ${printable(name)} is of another.`);
      if (!owners.has(owner)) owners.set(owner, new Map());
      owners.get(owner).set(part, name);
    }
    if (owners.size > 1) throw new BadFile(`needs one recurrent layer, and has ${owners.size}.`);
    const layer = [...owners.values()][0];
    if (!layer?.has("weight_ih") || !layer.has("weight_hh")) throw new BadFile(`needs a recurrent layer with weight_ih_l0 and weight_hh_l0; found ${printable([...tensors.keys()].join(", ") || "no tensors at all", 200)}.`);
    return layer;
  }

  /** A file as an entry of the lab, with `taken`: what was taken for what. Throws BadFile. */
  function fromSafetensors(buffer, file) {
    const tensors = tensorsOf(buffer);
    const layer = layerOf(tensors);
    const shapeOf = (part) => tensors.get(layer.get(part)).shape;
    const [gates, units] = shapeOf("weight_hh");
    if (units !== 1 || shapeOf("weight_hh").length !== 2) throw new BadFile(`needs one unit; weight_hh has shape ${shapeText(shapeOf("weight_hh"))}.`);
    const cell = Object.keys(GATES).find((one) => GATES[one] === gates);
    if (!cell) throw new BadFile(`needs 4 gates (LSTM), 3 (GRU) or 1 (RNN); weight_hh has shape ${shapeText(shapeOf("weight_hh"))}.`);
    if (cell === "relu" && /(?<![a-z])tanh(?![a-z])/i.test(JSON.stringify(tensors.said))) throw new BadFile("says that it is a tanh RNN, which is not in the lab.");
    const other = Object.entries(tensors.said).find(([name, value]) => /(^|\.)(nonlinearity|activation)$/i.test(name) && !/^(rnn_)?relu$/i.test(value));
    if (cell === "relu" && other) throw new BadFile(`says ${printable(other[0])} = ${printable(other[1])}, and the lab would take relu.`);
    const used = new Map(Array.from(layer, ([part, name]) => [`${part}_l0`, name]));
    const matrices = [...tensors].filter(([name, { shape }]) => ![...layer.values()].includes(name) && name.endsWith("weight") && !BEFORE.test(name) && shape.length === 2 && shape[1] === 1);
    if (matrices.length !== 1) throw new BadFile(`needs one read-out, nn.Linear(1, 1) or (1, 2); it has ${matrices.length}.`);
    const [weight, { shape: readout }] = matrices[0];
    const bias = `${weight.slice(0, -"weight".length)}bias`;
    if (readout[0] > 2 || readout[0] < 1) throw new BadFile(`has ${readout[0]} outputs; the lab reads two, which of ( and ) may come next, or one, whether ) may.`);
    used.set("output.weight", weight);
    if (tensors.has(bias)) used.set("output.bias", bias);
    for (const [name, { shape }] of tensors) {
      if (![...used.values()].includes(name)) throw new BadFile(`holds ${printable(name)} ${shapeText(shape)}, which would be passed over: the lab reads one recurrent layer and one read-out.`);
    }
    const parameters = {};
    for (const [name, shape] of Object.entries(shapes(cell))) {
      const given = used.get(name);
      const wanted = name.startsWith("output.") ? [readout[0], ...shape.slice(1)] : shape;
      if (!given) {
        parameters[name] = Array(wanted[0]).fill(0);
        continue;
      }
      const tensor = tensors.get(given);
      if (["F16", "BF16"].includes(tensor.dtype)) throw new BadFile(`is in half precision: ${HALF}.`);
      if (tensor.dtype !== "F32") throw new BadFile(`has ${printable(given)} in ${printable(tensor.dtype)}; the lab computes in float32 (python -m counting certify decides on float64).`);
      if (!sameShape(tensor.shape, wanted)) throw new BadFile(`has ${printable(given)} of shape ${shapeText(tensor.shape)}, where ${shapeText(wanted)} is needed${name === "weight_ih_l0" ? ": two symbols, one-hot" : ""}.`);
      parameters[name] = numbersOf(tensor, given);
    }
    if (readout[0] === 1) {
      parameters["output.weight"].unshift([0]);
      parameters["output.bias"].unshift(1);
    }
    const missing = Object.keys(shapes(cell)).filter((name) => !used.has(name));
    const taken = [
      `${printable(layer.get("weight_hh"))} as the layer${cell === "relu" ? " (a ReLU: the file does not say, and tanh is not in the lab)" : ""}`,
      `column 0 as (, column 1 as )`,
      readout[0] === 1 ? `${printable(weight)}: may ) follow` : `${printable(weight)}: row 0 for (, row 1 for )`,
      ...(missing.length ? [`zeros for ${missing.join(", ")}`] : []),
    ];
    return entryOf(cell, parameters, { file: printable(file), taken: `Taken: ${taken.join("; ")}.` });
  }

  /** An entry of the lab; its id holds its weights, so an address says all of it. */
  function entryOf(cell, parameters, more) {
    const flat = Float32Array.from(Object.keys(shapes(cell)).flatMap((name) => parameters[name].flat()));
    const bytes = String.fromCharCode(...new Uint8Array(flat.buffer));
    const id = `own-${cell}-${btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "")}`;
    return { id, cell, origin: "own", file: null, seed: null, kind: kindOf(cell, parameters), parameters, certificate: null, exact: null, ...more };
  }

  /** As `anatomy.relu.kind` has it; null for a gated cell. */
  function kindOf(cell, parameters) {
    if (cell !== "relu") return null;
    const { A, B } = lab.contributions({ parameters });
    if (A > 0) return B < 0 ? "counter" : "one-way";
    return B > 0 ? "mirrored" : "dead";
  }

  /** The network that an address names by its weights, or null. */
  function fromId(id) {
    const match = /^own-(lstm|gru|relu)-([\w-]{4,200})$/.exec(id);
    if (!match) return null;
    try {
      const bytes = Uint8Array.from(atob(match[2].replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
      const wanted = Object.entries(shapes(match[1]));
      const sizes = wanted.map(([, shape]) => shape.reduce((product, n) => product * n, 1));
      if (bytes.length !== 4 * sizes.reduce((sum, n) => sum + n, 0)) return null;
      const flat = Array.from(new Float32Array(bytes.buffer));
      let at = 0;
      const parameters = Object.fromEntries(wanted.map(([name, shape], n) => [name, nested(flat.slice(at, (at += sizes[n])), shape)]));
      return entryOf(match[1], parameters, { file: "a link", taken: "Its weights stand in the address." });
    } catch {
      return null;
    }
  }

  Object.assign(lab, { BadFile, fromSafetensors, fromId, printable });
})();
