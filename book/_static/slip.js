// An LSTM's state slips from the depth, symbol by symbol: a slider, or "play", walks along the shortest word on which the
// network fails. The lab's own arithmetic computes it. Without scripts the box stays hidden.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const box = document.getElementById("slip-lab");
  const lab = globalThis.counterLab;
  const network = lab?.networks?.find(({ id }) => id === "paper-lstm-0");
  if (!box || !network) return;
  const [WIDTH, HEIGHT, LOW, HIGH] = [340, 130, -1, 1.2]; // of the drawing, and of c and depth
  const word = lab.fromRuns(network.certificate.word);
  const { c, depth, right, firstFailure } = lab.trace(network, word);
  const sign = Math.sign(c[0]); // a network may count downwards
  const slider = box.querySelector("input");
  const play = box.querySelector("button");
  const x = (step) => (WIDTH * (step + 0.5)) / word.length;
  const y = (value) => (HEIGHT * (HIGH - value)) / (HIGH - LOW);
  const line = (values, last) =>
    Array.from(values.slice(0, last + 1), (value, t) => `${x(t).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  let timer = 0;

  function draw() {
    const t = Number(slider.value);
    box.querySelector(".zero").setAttribute("d", `M0 ${y(0)}H${WIDTH}`);
    box.querySelector(".depth").setAttribute("points", line(depth, t));
    box.querySelector(".state").setAttribute("points", line(c.map((state) => sign * state), t));
    box.querySelector(".wrong").setAttribute("d", t < firstFailure ? "" : `M${x(firstFailure)} 0V${HEIGHT}`);
    const text = lab.text(word);
    const read = document.createElement("mark");
    read.textContent = text[t];
    box.querySelector("code").replaceChildren(text.slice(Math.max(0, t - 11), t), read);
    const said = `depth ${depth[t]}, c = ${(sign * c[t]).toFixed(3).replace("-", "−")}: ${right[t] ? "right" : "wrong"}`;
    box.querySelector("output").textContent = `step ${t}: ${said}`;
    slider.setAttribute("aria-valuetext", `step ${t}, ${said}`);
  }

  function stop() {
    clearInterval(timer);
    timer = 0;
    play.textContent = "play";
  }

  function start() {
    if (Number(slider.value) >= firstFailure) slider.value = 0;
    play.textContent = "pause";
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      draw();
      if (Number(slider.value) >= firstFailure) stop();
    }, 200);
  }

  slider.max = word.length - 1;
  slider.value = firstFailure;
  slider.addEventListener("input", () => (stop(), draw()));
  play.addEventListener("click", () => (timer ? stop() : start()));
  play.hidden = matchMedia("(prefers-reduced-motion: reduce)").matches;
  box.hidden = false;
  draw();
});
