// Hides icons from screen readers: icons are ligatures, which would be read as "home Home". Our own
// templates hide theirs; this hides those of Unfold's tables and forms.
function hideIcons(root) {
  for (const icon of root.querySelectorAll(".material-symbols-outlined:not([aria-hidden])")) {
    icon.setAttribute("aria-hidden", "true");
    const control = icon.closest("a, button");
    if (control && control.title && !control.hasAttribute("aria-label"))
      control.setAttribute("aria-label", control.title);
  }
}

document.addEventListener("DOMContentLoaded", () => hideIcons(document));
document.addEventListener("htmx:load", (event) => hideIcons(event.detail.elt));
