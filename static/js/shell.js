// Icons are ligatures: a screen reader would read "home Home". Those of our own templates say so; the others, in tables and forms, are told here.
function hideIcons(root) {
  for (const icon of root.querySelectorAll(".material-symbols-outlined:not([aria-hidden])")) {
    icon.setAttribute("aria-hidden", "true");
    const control = icon.closest("a, button");
    if (control && control.title && !control.hasAttribute("aria-label")) control.setAttribute("aria-label", control.title);
  }
}

document.addEventListener("DOMContentLoaded", () => hideIcons(document));
document.addEventListener("htmx:load", (event) => hideIcons(event.detail.elt));
