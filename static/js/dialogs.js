// Confirmation dialogs: a button with data-opens="ID" shows <dialog id="ID">, data-closes closes
// it. data-clears="ID" empties a field before its form is sent. A log with data-follow scrolls to
// its end. A file field with data-most refuses larger files before they are sent.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  const clearer = event.target.closest("[data-clears]");
  if (clearer) document.getElementById(clearer.dataset.clears).value = "";
  const closer = event.target.closest("[data-closes]");
  if (closer) closer.closest("dialog").close();
});

const follow = () =>
  document.querySelectorAll("[data-follow]").forEach((log) => {
    log.scrollTop = log.scrollHeight;
  });
follow();
document.body.addEventListener("htmx:afterSwap", follow);

document.addEventListener("change", (event) => {
  const { files, dataset } = event.target;
  if (!files || !dataset.most) return;
  const isLarge = [...files].some((file) => file.size > Number(dataset.most));
  event.target.setCustomValidity(isLarge ? "The file is too large." : "");
  event.target.reportValidity();
});
