// data-clears="id" empties a field before its form is sent. Confirmation dialogs: a button with data-opens="id" shows <dialog id>; data-closes closes it. Log tails with data-follow stay at their end.
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  const clearer = event.target.closest("[data-clears]");
  if (clearer) document.getElementById(clearer.dataset.clears).value = "";
  const closer = event.target.closest("[data-closes]");
  if (closer) closer.closest("dialog").close();
});

const follow = () => document.querySelectorAll("[data-follow]").forEach((log) => { log.scrollTop = log.scrollHeight; });
follow();
document.body.addEventListener("htmx:afterSwap", follow);
