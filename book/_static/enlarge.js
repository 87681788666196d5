// A figure fills the window when it is clicked, or by the button at its caption; Escape or another click puts it back.
document.addEventListener("DOMContentLoaded", () => {
  const dialog = document.createElement("dialog");
  dialog.className = "enlarged";
  dialog.tabIndex = 0; // scrolled by the keyboard too
  dialog.addEventListener("click", () => dialog.close());
  // Sphinx keeps the key from the browser, which would close the dialog itself.
  dialog.addEventListener("keydown", ({ key }) => key === "Escape" && dialog.close());
  for (const image of document.querySelectorAll(".bd-article figure:not(.counter-lab-figure) > img")) {
    const show = () => {
      dialog.setAttribute("aria-label", image.alt);
      dialog.replaceChildren(image.cloneNode());
      image.closest("article").append(dialog);
      dialog.showModal();
    };
    const button = document.createElement("button");
    button.className = "enlarge";
    button.textContent = "enlarge";
    button.addEventListener("click", show);
    image.addEventListener("click", show);
    image.parentElement.querySelector("figcaption p")?.append(" ", button);
  }
});
