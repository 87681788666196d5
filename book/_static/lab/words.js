// Words of brackets: read, generated, and written short. Tokens are Int8Array, 0 for `(` and 1 for `)`; of the next kind of
// brackets 2 and 3.
"use strict";

(() => {
  const lab = (globalThis.counterLab ??= {});
  const LONGEST = 20000;

  /**
   * A word that is typed: {tokens}, or {error} that names the position. A word may end with brackets still open.
   *
   * brackets: of each kind the opening and the closing one.
   */
  function parse(text, brackets = "()") {
    const word = text.trim();
    if (!word) return { error: "There is no word yet: type brackets, such as (()())." };
    if (word.length > LONGEST) {
      return { error: `This word has ${count(word.length)} symbols; the lab reads up to ${count(LONGEST)}.` };
    }
    const tokens = new Int8Array(word.length);
    const depth = new Array(brackets.length / 2).fill(0); // of each kind
    for (let t = 0; t < word.length; t++) {
      tokens[t] = brackets.indexOf(word[t]);
      if (tokens[t] < 0) {
        const shown = word[t].trim() ? `“${String.fromCodePoint(word.codePointAt(t))}”` : "a space or line break";
        const known = `${[...brackets.slice(0, -1)].join(" ")} and ${brackets.at(-1)}`;
        return { error: `Position ${count(t)} is ${shown}: a word has only ${known}. (The first position is 0.)` };
      }
      depth[tokens[t] >> 1] += 1 - 2 * (tokens[t] & 1);
      if (depth[tokens[t] >> 1] < 0) {
        return { error: `Position ${count(t)} closes a bracket that nothing opened. (The first position is 0.)` };
      }
    }
    return { tokens };
  }

  /** Random 32-bit integers from a seed: sfc32 (Doty-Humphrey), warmed up. */
  function generator(seed) {
    let [a, b, c, d] = [0, seed | 0, Math.floor(seed / 2 ** 32) | 0, 1];
    const next = () => {
      const sum = (((a + b) | 0) + d) | 0;
      d = (d + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + sum) | 0;
      return sum >>> 0;
    };
    for (let n = 0; n < 16; n++) next();
    return next;
  }

  /** An integer from 0 below n, each equally likely. */
  function below(next, n) {
    const fair = Math.floor(2 ** 32 / n) * n;
    for (;;) {
      const drawn = next();
      if (drawn < fair) return drawn % n;
    }
  }

  /**
   * Uniform over all Dyck-1 words of this length. By the cycle lemma just one rotation of n `(` and n + 1 `)` in random
   * order falls below depth 0 only with its last symbol; without it, that is the word.
   */
  function random(length, seed) {
    const pairs = length / 2;
    const steps = new Int8Array(length + 1).fill(1, pairs);
    const next = generator(seed);
    for (let last = length; last > 0; last--) {
      const other = below(next, last + 1);
      [steps[last], steps[other]] = [steps[other], steps[last]];
    }
    let start = 0;
    for (let t = 0, depth = 0, lowest = 0; t <= length; t++) {
      depth += 1 - 2 * steps[t];
      if (depth < lowest) [lowest, start] = [depth, t + 1];
    }
    return Int8Array.from({ length }, (_, t) => steps[(start + t) % (length + 1)]);
  }

  /** Straight up to `peak` and down again, as often as fits `length`, once at least. */
  function zigzag(length, peak) {
    const times = Math.max(1, Math.floor(length / (2 * peak)));
    return Int8Array.from({ length: times * 2 * peak }, (_, t) => Math.floor(t / peak) % 2);
  }

  /** `(^n )^n`. */
  function tower(n) {
    return zigzag(2 * n, n);
  }

  /** A word as lengths of its runs of equal brackets, `(` first: "2.2" is (()). */
  function toRuns(tokens) {
    const runs = [];
    for (let t = 0; t < tokens.length; t++) {
      if (t && tokens[t] === tokens[t - 1]) runs[runs.length - 1]++;
      else runs.push(1);
    }
    return runs.join(".");
  }

  /** The inverse of `toRuns`; null where the text does not say a word that `parse` would take. */
  function fromRuns(text) {
    const runs = text.split(".").map(Number);
    const total = runs.reduce((sum, run) => sum + run, 0);
    if (!(total <= LONGEST) || !runs.every((run) => Number.isInteger(run) && run > 0)) return null;
    return parse(runs.map((run, n) => "()"[n % 2].repeat(run)).join("")).tokens ?? null;
  }

  /** The brackets of tokens. */
  function text(tokens) {
    return Array.from(tokens, (token) => "()"[token]).join("");
  }

  /** A whole number with its thousands apart. */
  function count(number) {
    return number.toLocaleString("en-US");
  }

  Object.assign(lab, { LONGEST, parse, random, zigzag, tower, toRuns, fromRuns, text, count });
})();
