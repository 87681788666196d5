// The drift of one network on the first page, under the reader's hand: a slider multiplies the weights of gates and
// candidate, and the lab's own arithmetic runs the network again. Without scripts the box stays hidden.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("finding-lab");
  const lab = globalThis.counterLab;
  const network = lab?.networks?.find(({ id }) => id === "paper-lstm-0");
  if (!box || !network) return;
  const [WIDTH, HEIGHT, LOW, HIGH] = [340, 130, -3, 0.5]; // of the drawing, and of c − depth
  const word = lab.zigzag(1000, 25);
  const slider = box.querySelector("input");
  const x = (step) => (WIDTH * step) / word.length;
  const y = (error) => (HEIGHT * (HIGH - Math.max(LOW, Math.min(HIGH, error)))) / (HIGH - LOW);

  function draw() {
    const gain = 10 ** Number(slider.value);
    const { c, depth, firstFailure } = lab.trace(lab.gained(network, gain), word);
    const sign = Math.sign(c[24]); // a network may count downwards
    const points = Array.from(c, (state, t) => `${x(t).toFixed(1)},${y(sign * state - depth[t]).toFixed(1)}`);
    const failed = firstFailure < word.length;
    box.querySelector("polyline").setAttribute("points", points.join(" "));
    box.querySelector(".zero").setAttribute("d", `M0 ${y(0)}H${WIDTH}`);
    box.querySelector(".wrong").setAttribute("d", failed ? `M${x(firstFailure)} 0V${HEIGHT}` : "");
    box.querySelector("output").textContent =
      `× ${gain.toFixed(1)}: ${failed ? `first wrong at step ${firstFailure}` : "right at all 1,000 steps"}`;
    slider.setAttribute("aria-valuetext", `times ${gain.toFixed(1)}`);
  }

  slider.addEventListener("input", draw);
  box.hidden = false;
  draw();
});
