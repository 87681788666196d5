// Boxes that scroll sideways say so and can be scrolled by the keyboard too, and roles say what is there.
document.addEventListener("DOMContentLoaded", () => {
  const boxes = document.querySelectorAll(
    ".cell_output .output, .cell_output figure, .pst-scrollable-table-container, .bd-article pre, .bd-article div.math");
  const scrolling = (box) => getComputedStyle(box).overflowX === "auto";
  const mark = () => {
    for (const box of boxes) {
      const wider = box.scrollWidth > box.clientWidth;
      if (wider) box.tabIndex = 0;
      else box.removeAttribute("tabindex");
      box.classList.toggle("scrolls", wider && scrolling(box) && box.querySelector("table, img") !== null);
    }
  };
  mark();
  addEventListener("load", mark);
  addEventListener("resize", mark);
  // The bibliography's entries have a role that no list may hold.
  for (const entry of document.querySelectorAll('[role="list"] > [role="doc-biblioentry"]'))
    entry.setAttribute("role", "listitem");
});
