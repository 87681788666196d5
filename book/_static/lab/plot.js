// The drawing: panels of one SVG, one under the other, over the steps of a word or over its depths. What it draws is a
// trace of cells.js; colours and lines are the style sheet's.
"use strict";

(() => {
  const lab = (globalThis.counterLab ??= {});
  const MARGIN = { left: 46, right: 10, top: 14 };
  const TITLE = 20; // above each panel
  const STRIP = 11; // height of one row of answers
  const BRACKET = 8; // pixels that a bracket needs to be readable

  /** An SVG element. */
  function svg(name, attributes = {}, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  /** Round numbers from low to high, about `wanted` of them. */
  function ticks(low, high, wanted) {
    const rough = (high - low) / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
    const found = [];
    for (let n = Math.ceil(low / step); n * step <= high * (1 + 1e-9); n++) found.push(n * step);
    return found;
  }

  /** Least and greatest finite value of several arrays between two steps, and of what must be in sight. */
  function extent(arrays, from, to, inSight) {
    let [low, high] = [Math.min(...inSight), Math.max(...inSight)];
    for (const values of arrays) {
      for (let t = from; t < to; t++) {
        if (values[t] < low && values[t] > -Infinity) low = values[t];
        if (values[t] > high && values[t] < Infinity) high = values[t];
      }
    }
    return low < high ? [low, high] : [low - 1, high + 1];
  }

  /** The panels of a cell: what each shows, on which scale. */
  function panelsOf(cell, trace, byDepth) {
    const gates = Object.entries(trace.gates);
    const lstm = cell === "lstm";
    const panels = [
      { title: "depth", height: 62, area: true, whole: true, series: [{ name: "", look: "depth", values: trace.depth }] },
      {
        title: lstm ? "states" : "state h",
        height: 92,
        inSight: [0],
        series: lstm
          ? [{ name: "c", look: "state", values: trace.c }, { name: "h", look: "output", values: trace.h }]
          : [{ name: "h", look: "state", values: trace.h }],
      },
    ];
    if (gates.length) {
      panels.push({
        title: "gates",
        height: 92,
        inSight: [0, 1],
        series: gates.map(([name, values]) => ({ name, look: `gate-${name}`, values })),
      });
    }
    panels.push({
      title: "outputs (logits)",
      height: 96,
      symlog: true,
      inSight: [-1, 1],
      series: [
        { name: "to “(”", look: "opening", values: trace.logits[0] },
        { name: "to “)”", look: "closing", values: trace.logits[1] },
      ],
    });
    return byDepth ? panels.slice(1) : panels;
  }

  /** Where the values of a panel stand: {y(value), ticks}. */
  function scaleOf(panel, from, to, top) {
    const bend = panel.symlog ? Math.asinh : (value) => value;
    const [low, high] = extent(panel.series.map((one) => one.values), from, to, panel.inSight ?? [0, 1]);
    const [bottom, ceiling] = [bend(low), bend(high)];
    const pad = 4;
    const y = (value) => {
      const share = (bend(Math.min(Math.max(value, low), high)) - bottom) / (ceiling - bottom);
      return top + panel.height - pad - share * (panel.height - 2 * pad);
    };
    let marks = ticks(low, high, panel.height > 70 ? 4 : 2).filter((n) => !panel.whole || Number.isInteger(n));
    if (panel.symlog) {
      const powers = [0, 1, 2, 3, 4, 6, 9, 12, 20, 30].map((n) => 10 ** n).filter((n) => n > 9 || high - low < 25);
      const room = (value) => Math.abs(y(value) - y(0)) > 13;
      marks = [0, ...powers, ...powers.map((n) => -n)].filter((n) => n >= low && n <= high && (!n || room(n)));
      marks = marks.filter((n, at) => !marks.slice(0, at).some((other) => Math.abs(y(other) - y(n)) < 12));
    }
    return { y, marks };
  }

  /** A tick's text. */
  function tickText(value) {
    const size = Math.abs(value);
    if (size >= 1e5 || (size > 0 && size < 1e-3)) return value.toExponential(0).replace("e+", "e").replace("-", "−");
    return String(Math.round(value * 1e6) / 1e6).replace("-", "−");
  }

  /**
   * A line through the values from one step to another. Where several steps share a column of pixels, their first,
   * least, greatest and last value are drawn, so no excursion is lost however long the word.
   */
  function linePath(values, from, to, x, y) {
    const points = [];
    const add = (t) => points.push(`${x(t).toFixed(1)},${y(values[t]).toFixed(1)}`);
    for (let t = from; t < to; ) {
      const column = Math.floor(x(t));
      const first = t;
      let [least, greatest] = [t, t];
      for (; t < to && Math.floor(x(t)) === column; t++) {
        if (values[t] < values[least]) least = t;
        if (values[t] > values[greatest]) greatest = t;
      }
      const kept = new Set([first, Math.min(least, greatest), Math.max(least, greatest), t - 1]);
      for (const step of kept) if (!Number.isNaN(values[step])) add(step);
    }
    return points.length ? `M${points.join("L")}` : "";
  }

  /** Dots at (x, y) of every step, one for each pixel. */
  function dotsPath(values, from, to, x, y) {
    const seen = new Set();
    for (let t = from; t < to; t++) {
      if (!Number.isNaN(values[t])) seen.add(`M${x(t).toFixed(0)},${y(values[t]).toFixed(0)}h0`);
    }
    return [...seen].join("");
  }

  /** Boxes over the steps where `is` holds, at least a pixel wide, neighbours as one. */
  function boxesPath(is, from, to, x, half, top, height) {
    let path = "";
    for (let t = from; t < to; t++) {
      if (!is(t)) continue;
      const left = x(t) - half;
      while (t + 1 < to && is(t + 1)) t++;
      const width = Math.max(x(t) + half - left, 1);
      path += `M${left.toFixed(1)},${top}h${width.toFixed(1)}v${height}h${(-width).toFixed(1)}z`;
    }
    return path;
  }

  /** The sample lines of a panel with several series, right-aligned above it. */
  function legend(panel, right, top) {
    const group = svg("g", { class: "lab-legend" });
    let x = right;
    for (const one of [...panel.series].reverse()) {
      if (!one.name) continue;
      const width = one.name.length * 7;
      group.append(svg("text", { x: x - width, y: top - 6 }, one.name));
      group.append(svg("path", { class: `lab-line lab-${one.look}`, d: `M${x - width - 27},${top - 10}h22` }));
      x -= width + 40;
    }
    return group;
  }

  /**
   * Draws a trace into an SVG element of the page and returns {moveCursor(step), stepAt(x, y)}.
   *
   * from, to: the steps in sight. byDepth: every step stands at its depth, not in its order.
   */
  function plot(target, { cell, trace, cursor, width, byDepth = false, from = 0, to = trace.tokens.length }) {
    const inner = width - MARGIN.left - MARGIN.right;
    const slots = byDepth ? trace.depth.reduce((most, depth) => Math.max(most, depth), 0) + 1 : to - from;
    const half = inner / slots / 2;
    const along = byDepth ? (t) => trace.depth[t] : (t) => t - from;
    const x = (t) => MARGIN.left + (2 * along(t) + 1) * half;
    const right = MARGIN.left + inner;
    const failed = trace.firstFailure;
    const failureInSight = failed >= from && failed < to;
    const wrongLook = trace.logits[0][failed] >= 0 ? "closing" : "opening"; // the output that is wrong there

    const body = svg("g");
    const marks = svg("g"); // over all lines: the first wrong step
    const drawn = [];
    let top = MARGIN.top;
    for (const panel of panelsOf(cell, trace, byDepth)) {
      top += TITLE;
      const { y, marks: levels } = scaleOf(panel, from, to, top);
      body.append(svg("text", { class: "lab-title", x: MARGIN.left, y: top - 6 }, panel.title));
      if (panel.series.length > 1) body.append(legend(panel, right, top));
      for (const level of levels) {
        const look = level === 0 && panel.symlog ? "lab-zero" : "lab-grid";
        body.append(svg("path", { class: look, d: `M${MARGIN.left},${y(level).toFixed(1)}H${right}` }));
        body.append(svg("text", { class: "lab-tick", x: MARGIN.left - 6, y: y(level) + 4 }, tickText(level)));
      }
      for (const { values, look } of panel.series) {
        const path = byDepth ? dotsPath(values, from, to, x, y) : linePath(values, from, to, x, y);
        if (panel.area && path) {
          const close = `L${x(to - 1).toFixed(1)},${y(0)}L${x(from).toFixed(1)},${y(0)}z`;
          body.append(svg("path", { class: `lab-area lab-${look}`, d: path + close }));
        }
        body.append(svg("path", { class: `${byDepth ? "lab-dots" : "lab-line"} lab-${look}`, d: path }));
        if (failureInSight && look === wrongLook && !Number.isNaN(values[failed])) marks.append(...cross(x(failed), y(values[failed])));
      }
      drawn.push({ panel, y, top });
      top += panel.height;
    }
    const spans = drawn.map((one) => [one.top - 2, one.top + one.panel.height]);
    if (!byDepth) {
      spans.push([top + TITLE, top + TITLE + 3 * STRIP]);
      top = answers(body, trace, { from, to, x, half, top, right });
    }
    /** A vertical line through all panels, not through their titles. */
    const upright = (at) => spans.map(([high, low]) => `M${at.toFixed(1)},${high}V${low}`).join("");
    axis(body, { byDepth, slots, from, x, half, top, right, trace, to });
    const height = top + 32;

    if (failureInSight) {
      marks.prepend(svg("path", { class: "lab-failure", d: upright(x(failed)) }));
      marks.append(failureLabel(failed, x(failed), x(failed) > MARGIN.left + inner * 0.6));
    }
    const cursorLayer = svg("g", { class: "lab-cursor" });
    target.replaceChildren(body, cursorLayer, marks);
    target.setAttribute("viewBox", `0 0 ${width} ${height}`);
    target.setAttribute("height", height);

    /** Puts the cursor's line and dots at a step in sight. */
    function moveCursor(step) {
      const at = x(step).toFixed(1);
      cursorLayer.replaceChildren(svg("path", { class: "lab-cursor-line", d: upright(x(step)) }));
      for (const { panel, y } of drawn) {
        for (const { values, look } of panel.series) {
          if (Number.isNaN(values[step])) continue;
          cursorLayer.append(svg("circle", { class: `lab-dot lab-${look}`, cx: at, cy: y(values[step]), r: 4 }));
        }
      }
    }

    /** The step that is nearest to a point of the drawing. */
    function stepAt(pointX, pointY) {
      if (!byDepth) return Math.min(Math.max(from + Math.floor((pointX - MARGIN.left) / (2 * half)), from), to - 1);
      let [best, least] = [0, Infinity];
      for (const { panel, y } of drawn) {
        for (const { values } of panel.series) {
          for (let t = from; t < to; t++) {
            const far = Math.abs(x(t) - pointX) + Math.abs(y(values[t]) - pointY);
            if (far < least) [best, least] = [t, far];
          }
        }
      }
      return best;
    }

    moveCursor(cursor);
    return { moveCursor, stepAt };
  }

  /** A cross, with an edge that keeps it apart from the lines under it. */
  function cross(at, level) {
    const d = `M${at - 6},${level - 6}l12,12m0,-12l-12,12`;
    return ["lab-cross-edge", "lab-cross"].map((look) => svg("path", { class: look, d }));
  }

  /** The name of the first wrong step, over the plots, on the side of it where there is room. */
  function failureLabel(failed, at, leftOf) {
    const place = { x: at + (leftOf ? 5 : -5), y: MARGIN.top - 3, "text-anchor": leftOf ? "end" : "start" };
    return svg("text", { class: "lab-failure-label", ...place }, `first wrong: step ${lab.count(failed)}`);
  }

  /** Two rows under the plots: where `)` may follow, and where the network says so; what is wrong stands out. */
  function answers(body, trace, { from, to, x, half, top, right }) {
    const rows = [
      ["may", "truth", (t) => trace.depth[t] > 0],
      ["says", "says", (t) => trace.logits[1][t] >= 0],
    ];
    body.append(svg("text", { class: "lab-title", x: MARGIN.left, y: top + TITLE - 6 }, "where “)” may follow"));
    top += TITLE;
    for (const [name, look, is] of rows) {
      body.append(svg("path", { class: "lab-row", d: `M${MARGIN.left},${top}H${right}v${STRIP}H${MARGIN.left}z` }));
      body.append(svg("path", { class: `lab-${look}`, d: boxesPath(is, from, to, x, half, top, STRIP) }));
      body.append(svg("text", { class: "lab-tick", x: MARGIN.left - 6, y: top + STRIP - 1.5 }, name));
      top += STRIP + 4;
    }
    const wrong = (t) => !trace.right[t];
    body.append(svg("path", { class: "lab-wrong", d: boxesPath(wrong, from, to, x, half, top, 8) }));
    body.append(svg("text", { class: "lab-tick", x: MARGIN.left - 6, y: top + 8 }, "wrong"));
    return top + 12;
  }

  /** The axis below: steps, with the brackets where there is room for them, or depths. */
  function axis(body, { byDepth, slots, from, half, top, right, trace, to }) {
    body.append(svg("path", { class: "lab-axis", d: `M${MARGIN.left},${top}H${right}` }));
    const bracketed = !byDepth && 2 * half >= BRACKET;
    if (bracketed) {
      for (let t = from; t < to; t++) {
        const at = MARGIN.left + (2 * (t - from) + 1) * half;
        body.append(svg("text", { class: "lab-bracket", x: at, y: top + 12 }, "()"[trace.tokens[t]]));
      }
    }
    const offset = bracketed ? 26 : 14;
    for (const mark of ticks(from, from + slots - 1 || 1, right < 420 ? 4 : 8)) {
      if (mark !== Math.round(mark)) continue;
      const at = MARGIN.left + (2 * (mark - from) + 1) * half;
      body.append(svg("text", { class: "lab-tick lab-tick-x", x: at, y: top + offset }, lab.count(mark)));
    }
    const name = byDepth ? "depth" : "step";
    body.append(svg("text", { class: "lab-axis-name", x: MARGIN.left - 6, y: top + offset }, name));
  }

  /** A small filled curve of values from 0 to `most`, over the whole width, with a mark at one place (0 … 1). */
  function sparkline(target, values, most, mark) {
    const [width, height] = [1000, 40];
    const points = values.map((value, n) => {
      const up = height - 1 - (value / most) * (height - 4);
      return `${((n / (values.length - 1)) * width).toFixed(1)},${up.toFixed(1)}`;
    });
    target.setAttribute("viewBox", `0 0 ${width} ${height}`);
    target.setAttribute("preserveAspectRatio", "none");
    const line = points.length > 1 ? `M${points.join("L")}` : "";
    target.replaceChildren(
      svg("path", { class: "lab-spark-area", d: line && `${line}L${width},${height}L0,${height}z` }),
      svg("path", { class: "lab-spark-line", d: line }),
    );
    if (mark >= 0 && mark <= 1) {
      target.append(svg("path", { class: "lab-spark-mark", d: `M${mark * width},0V${height}` }));
    }
  }

  Object.assign(lab, { svg, plot, sparkline });
})();
